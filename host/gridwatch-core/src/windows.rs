//! Windows: the counts that modules declare and the host keeps.
//!
//! A module never counts for itself, so it can be swapped, rolled back or replayed without forgetting anything. State
//! belongs to (module name, window name, window spec), not to a module version: a new version with the same spec inherits
//! the counts, a changed spec starts empty.
//!
//! Time is event time. Each event first reads its values, having fed its own hit, so in the usual order a value says
//! "up to and including this event". A late event reads the densest stretch of `span` seconds that contains it, which is
//! what makes a burst visible whose middle arrives last.
//!
//! | kind | value |
//! |---|---|
//! | count | matching events in the stretch |
//! | distinct | distinct texts of `of` in the stretch |
//! | first_seen | milliseconds of the earliest matching event before this one; [`NEVER`], or [`LEARNING`] while it can't know |
//! | last_seen | milliseconds of the newest matching event before this one; [`NEVER`] |
//! | sequence | steps completed in order by a chain of at most `span` that includes this event |
//!
//! Memory is bounded: hits a key, keys a window. Over a bound the oldest go first, so a flood of invented actors costs
//! the flood's own counts and no more.

use crate::catalogue;
use crate::entry::hex;
use crate::event::Event;
use crate::field::Field;
use crate::manifest::{Manifest, WindowKind, WindowSpec};
use crate::state::{StateOp, WINDOWS};
use crate::stub::Stub;
use crate::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// Value of a first- or last-seen window: no matching event before this one.
pub const NEVER: u64 = 0;
/// Value of a first-seen window that has not watched for its learning time yet: can't tell.
pub const LEARNING: u64 = 1;

/// Hits kept for one key. A count never says more than this: it is "at least" from here on.
pub const MAX_HITS: usize = 4_096;
/// Hits kept for one key of a sequence, whose reading looks at each pair of them.
pub const MAX_CHAIN_HITS: usize = 256;
/// Keys kept for one window.
pub const MAX_KEYS: usize = 200_000;
/// How long after its span a hit is still kept for late events (Slack promises no delivery time; re-reads go back 48 h).
pub const LATE_S: u64 = 48 * 3_600;
/// Longest key text kept as it is; a longer one is kept as its hash.
const MAX_KEY_TEXT: usize = 256;
/// Separates the texts of a key of several fields.
const KEY_SEPARATOR: char = '\u{1f}';

/// All windows of all modules in service.
#[derive(Debug, Default)]
pub struct Windows {
    slots: Vec<Slot>,
    /// Newest event time fed so far, which is what expiry goes by.
    newest: UnixSeconds,
}

/// One window of one module.
#[derive(Debug)]
struct Slot {
    id: [u8; 8],
    module: String,
    spec: WindowSpec,
    keys: HashMap<Box<str>, Key>,
    /// Time of the first event this window ever saw.
    since: Option<UnixSeconds>,
    dirty: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

#[derive(Debug, Default)]
struct Key {
    /// In order of (time, seq).
    hits: VecDeque<Hit>,
    /// First and last matching time, for the seen kinds.
    seen: Option<Seen>,
    /// The event that was fed last and what `seen` was before it: an event must not see itself.
    before: Option<(u64, Option<Seen>)>,
}

impl Key {
    fn last(&self) -> Option<UnixSeconds> {
        self.hits.back().map(|h| h.stub.time).max(self.seen.map(|s| s.last))
    }

    fn seen_before(&self, event: &Event) -> Option<Seen> {
        match self.before {
            Some((seq, before)) if seq == event.seq => before,
            _ => self.seen,
        }
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Seen {
    first: UnixSeconds,
    first_seq: u64,
    last: UnixSeconds,
    last_seq: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Hit {
    /// Distinct: hash of the value. Sequence: bit set of the steps this action takes.
    tag: u64,
    stub: Arc<Stub>,
}

impl Hit {
    fn order(&self) -> (UnixSeconds, u64) {
        (self.stub.time, self.stub.seq)
    }
}

impl Windows {
    /// Adds a module's windows. Windows already there (same module name and spec) keep their counts.
    pub fn declare(&mut self, manifest: &Manifest) {
        for spec in &manifest.windows {
            let id = slot_id(&manifest.name, spec);
            if !self.slots.iter().any(|slot| slot.id == id) {
                let (module, spec) = (manifest.name.clone(), spec.clone());
                self.slots.push(Slot { id, module, spec, keys: HashMap::new(), since: None, dirty: BTreeMap::new() });
            }
        }
    }

    /// Positions of a module's windows here, in the manifest's order.
    pub fn positions(&self, manifest: &Manifest) -> Vec<usize> {
        let position = |spec| self.slots.iter().position(|slot| slot.id == slot_id(&manifest.name, spec));
        manifest.windows.iter().filter_map(position).collect()
    }

    /// Feeds one event to every window it matches. Call before reading its values.
    pub fn feed(&mut self, event: &Event) {
        self.newest = self.newest.max(event.time);
        let mut stub = None;
        for slot in &mut self.slots {
            slot.feed(event, &mut stub);
        }
    }

    /// The window's value for an event that has been fed.
    pub fn value(&self, position: usize, event: &Event) -> u64 {
        self.slots.get(position).map_or(0, |slot| slot.value(event, self.newest))
    }

    /// The events that make up the value this event read, oldest first, at most `max` (the newest of them).
    pub fn evidence(&self, position: usize, event: &Event, max: usize) -> Vec<Arc<Stub>> {
        let Some(slot) = self.slots.get(position) else {
            return Vec::new();
        };
        let mut stubs = slot.evidence(event);
        stubs.drain(..stubs.len().saturating_sub(max));
        stubs
    }

    /// Drops what is past its span and the late allowance. Reads ignore it already, so when this runs changes no value.
    pub fn expire(&mut self) {
        let newest = self.newest;
        for slot in &mut self.slots {
            slot.expire(newest);
        }
    }

    /// Rows changed since the last call.
    pub fn take_changes(&mut self) -> Vec<StateOp> {
        let rows = self.slots.iter_mut().flat_map(|slot| std::mem::take(&mut slot.dirty));
        rows.map(|(key, value)| StateOp { key, value }).collect()
    }

    /// Puts a saved row back. Rows of windows that no module declares any more are left alone: a rollback may want them.
    pub fn load(&mut self, key: &[u8], value: &[u8]) {
        let Some((id, rest)) = key.strip_prefix(&[WINDOWS]).and_then(|k| k.split_at_checked(8)) else {
            return;
        };
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.id == id) {
            slot.load(rest, value);
            let newest = slot.keys.values().filter_map(Key::last).max();
            self.newest = self.newest.max(newest.unwrap_or_default());
        }
    }

    /// Sets the newest event time seen, which is saved by the pipeline.
    pub fn resume_at(&mut self, newest: UnixSeconds) {
        self.newest = self.newest.max(newest);
    }

    pub fn newest(&self) -> UnixSeconds {
        self.newest
    }

    /// (module, window, keys, hits): what the state weighs.
    pub fn sizes(&self) -> Vec<(&str, &str, usize, usize)> {
        let hits = |slot: &Slot| slot.keys.values().map(|k| k.hits.len()).sum();
        self.slots.iter().map(|s| (s.module.as_str(), s.spec.name.as_str(), s.keys.len(), hits(s))).collect()
    }
}

impl Slot {
    fn feed(&mut self, event: &Event, stub: &mut Option<Arc<Stub>>) {
        if self.since.is_none() {
            self.since = Some(event.time);
            self.dirty.insert(self.row(&[]), serde_json::to_vec(&event.time).ok());
        }
        let tag = self.tag(event);
        let Some(tag) = tag else { return };
        let Some(key) = key_of(&self.spec.key, event) else {
            return;
        };
        if self.keys.len() >= MAX_KEYS && !self.keys.contains_key(&*key) {
            self.evict_oldest_keys();
        }
        match self.spec.kind {
            WindowKind::FirstSeen | WindowKind::LastSeen => self.feed_seen(key, event),
            _ => {
                let stub = stub.get_or_insert_with(|| Stub::of(event)).clone();
                self.feed_hit(key, Hit { tag, stub });
            }
        }
    }

    /// `None`: the event doesn't feed this window.
    fn tag(&self, event: &Event) -> Option<u64> {
        let matches = |patterns: &[String]| patterns.iter().any(|p| catalogue::pattern_matches(p, &event.action));
        let tag = match &self.spec.kind {
            WindowKind::Sequence { steps } => {
                let bits = steps.iter().enumerate().filter(|(_, step)| matches(&step.actions)).map(|(i, _)| 1 << i);
                bits.sum()
            }
            WindowKind::Distinct { of } if matches(&self.spec.actions) => {
                let text = of.text(event);
                if text.is_empty() { 0 } else { hash(&text) }
            }
            _ => u64::from(matches(&self.spec.actions)),
        };
        let wanted = |(field, texts): &(Field, Vec<String>)| texts.iter().any(|t| *t == field.text(event));
        (tag != 0 && self.spec.only.iter().all(wanted)).then_some(tag)
    }

    fn feed_seen(&mut self, key: Box<str>, event: &Event) {
        let row = self.row(&key_row(&key));
        let now = Seen { first: event.time, first_seq: event.seq, last: event.time, last_seq: event.seq };
        let entry = self.keys.entry(key).or_default();
        entry.before = Some((event.seq, entry.seen));
        let mut seen = entry.seen.unwrap_or(now);
        if event.time > seen.last.plus(self.spec.span_s) {
            seen = now; // not seen for a whole span: as good as never
        }
        if (event.time, event.seq) < (seen.first, seen.first_seq) {
            (seen.first, seen.first_seq) = (event.time, event.seq);
        }
        if (event.time, event.seq) >= (seen.last, seen.last_seq) {
            (seen.last, seen.last_seq) = (event.time, event.seq);
        }
        entry.seen = Some(seen);
        self.dirty.insert(row, serde_json::to_vec(&seen).ok());
    }

    fn feed_hit(&mut self, key: Box<str>, hit: Hit) {
        let prefix = self.row(&key_row(&key));
        let distinct = matches!(self.spec.kind, WindowKind::Distinct { .. });
        let max = if matches!(self.spec.kind, WindowKind::Sequence { .. }) { MAX_CHAIN_HITS } else { MAX_HITS };
        let entry = self.keys.entry(key).or_default();
        if distinct && let Some(at) = entry.hits.iter().position(|h| h.tag == hit.tag) {
            if entry.hits[at].order() >= hit.order() {
                return; // an older sighting of a value that is counted already
            }
            if let Some(old) = entry.hits.remove(at) {
                self.dirty.insert(hit_row(&prefix, &old), None);
            }
        }
        self.dirty.insert(hit_row(&prefix, &hit), serde_json::to_vec(&hit).ok());
        let at = entry.hits.partition_point(|h| h.order() < hit.order());
        entry.hits.insert(at, hit);
        if entry.hits.len() > max
            && let Some(old) = entry.hits.pop_front()
        {
            self.dirty.insert(hit_row(&prefix, &old), None);
        }
    }

    fn value(&self, event: &Event, newest: UnixSeconds) -> u64 {
        let key = key_of(&self.spec.read_key, event);
        let key = key.and_then(|key| self.keys.get(&*key));
        match self.spec.kind {
            WindowKind::FirstSeen => self.first_seen(key, event),
            WindowKind::LastSeen => self.last_seen(key, event),
            WindowKind::Count | WindowKind::Distinct { .. } => key.map_or(0, |k| self.densest(k, event, newest)),
            WindowKind::Sequence { .. } => key.map_or(0, |k| self.longest_chain(k, event, newest).0),
        }
    }

    fn first_seen(&self, key: Option<&Key>, event: &Event) -> u64 {
        let before = key.and_then(|k| k.seen_before(event));
        if let Some(seen) = before.filter(|s| event.time <= s.last.plus(self.spec.span_s)) {
            return seen.first.millis().0;
        }
        let watched = self.since.map_or(0, |since| event.time.0.saturating_sub(since.0));
        if watched < self.spec.learn_s { LEARNING } else { NEVER }
    }

    fn last_seen(&self, key: Option<&Key>, event: &Event) -> u64 {
        let before = key.and_then(|k| k.seen_before(event));
        let last = before.map(|s| if s.last <= event.time { s.last } else { s.first });
        last.filter(|last| event.time <= last.plus(self.spec.span_s)).map_or(NEVER, |last| last.millis().0)
    }

    /// Hits that may share a stretch with the event: less than a span before or after it, none from after its turn.
    fn near<'k>(&self, key: &'k Key, event: &Event, newest: UnixSeconds) -> Vec<&'k Hit> {
        let span = self.spec.span_s;
        let floor = newest.minus(span.saturating_add(LATE_S));
        let near = |h: &&Hit| {
            let at = h.stub.time;
            h.stub.seq <= event.seq && at >= floor && at.plus(span) > event.time && at < event.time.plus(span)
        };
        key.hits.iter().filter(near).collect()
    }

    /// The most hits in any stretch of a span that contains the event.
    fn densest(&self, key: &Key, event: &Event, newest: UnixSeconds) -> u64 {
        let on_time = key.hits.back().is_none_or(|last| last.stub.time <= event.time);
        if on_time && event.time == newest {
            let start = key.hits.partition_point(|h| h.stub.time.plus(self.spec.span_s) <= event.time);
            return (key.hits.len() - start) as u64;
        }
        self.densest_run(&self.near(key, event, newest), event).len() as u64
    }

    /// Two pointers over hits in time order: for each start, as many as fit into the span and still contain the event.
    fn densest_run<'r, 'k>(&self, hits: &'r [&'k Hit], event: &Event) -> &'r [&'k Hit] {
        let (mut best, mut end) = (&hits[..0], 0);
        // A stretch that starts after the event doesn't contain it; one may start with it.
        let until = hits.partition_point(|h| h.stub.time <= event.time);
        for start in 0..=until.min(hits.len().saturating_sub(1)) {
            let from = hits.get(start).map_or(event.time, |h| h.stub.time).min(event.time);
            while end < hits.len() && hits[end].stub.time < from.plus(self.spec.span_s) {
                end += 1;
            }
            if end > start && end - start > best.len() {
                best = &hits[start..end];
            }
        }
        best
    }

    /// Steps completed by the best chain that contains the event, and the hits of that chain.
    fn longest_chain<'k>(&self, key: &'k Key, event: &Event, newest: UnixSeconds) -> (u64, Vec<&'k Hit>) {
        let WindowKind::Sequence { steps } = &self.spec.kind else {
            return (0, Vec::new());
        };
        let hits = self.near(key, event, newest);
        let mut best: (u64, Vec<&Hit>) = (0, Vec::new());
        for start in 0..hits.len() {
            let limit = hits[start].stub.time.plus(self.spec.span_s);
            let run: Vec<&Hit> = hits[start..].iter().take_while(|h| h.stub.time < limit).copied().collect();
            let contains = |chain: &[&Hit]| chain.iter().any(|h| h.stub.seq == event.seq);
            let reads_only = !hits.iter().any(|h| h.stub.seq == event.seq);
            let chain = chain_from(&run, steps.iter().map(|s| s.at_least));
            if chain.0 > best.0 && (reads_only || contains(&chain.1)) {
                best = chain;
            }
        }
        best
    }

    fn evidence(&self, event: &Event) -> Vec<Arc<Stub>> {
        let Some(key) = key_of(&self.spec.read_key, event).and_then(|key| self.keys.get(&*key)) else {
            return Vec::new();
        };
        // Reads go by what was newest at their turn; nothing cited lies further back than the span, so 0 is safe here.
        let hits = match self.spec.kind {
            WindowKind::Sequence { .. } => self.longest_chain(key, event, UnixSeconds(0)).1,
            _ => self.densest_run(&self.near(key, event, UnixSeconds(0)), event).to_vec(),
        };
        hits.into_iter().map(|h| h.stub.clone()).collect()
    }

    fn expire(&mut self, newest: UnixSeconds) {
        let keep = self.spec.span_s.saturating_add(LATE_S);
        let mut gone = Vec::new();
        self.keys.retain(|key, state| {
            let row = row(&self.id, &key_row(key));
            while let Some(old) = state.hits.front().filter(|h| h.stub.time.plus(keep) < newest) {
                gone.push(hit_row(&row, old));
                state.hits.pop_front();
            }
            if state.seen.is_some_and(|s| s.last.plus(keep) < newest) {
                state.seen = None;
                gone.push(row);
            }
            !state.hits.is_empty() || state.seen.is_some()
        });
        self.dirty.extend(gone.into_iter().map(|row| (row, None)));
    }

    /// Makes room by dropping the tenth of the keys that were fed longest ago.
    fn evict_oldest_keys(&mut self) {
        let mut by_age: Vec<(UnixSeconds, Box<str>)> =
            self.keys.iter().map(|(key, state)| (state.last().unwrap_or_default(), key.clone())).collect();
        by_age.sort_unstable();
        for (_, key) in by_age.into_iter().take(MAX_KEYS / 10) {
            let row = self.row(&key_row(&key));
            if let Some(state) = self.keys.remove(&key) {
                self.dirty.extend(state.hits.iter().map(|hit| (hit_row(&row, hit), None)));
                if state.seen.is_some() {
                    self.dirty.insert(row, None);
                }
            }
        }
    }

    fn row(&self, rest: &[u8]) -> Vec<u8> {
        row(&self.id, rest)
    }

    fn load(&mut self, rest: &[u8], value: &[u8]) {
        if rest.is_empty() {
            self.since = serde_json::from_slice(value).ok();
            return;
        }
        let Some(key) = key_in_row(rest) else { return };
        let entry = self.keys.entry(key.into()).or_default();
        if let Ok(hit) = serde_json::from_slice::<Hit>(value) {
            let at = entry.hits.partition_point(|h| h.order() < hit.order());
            entry.hits.insert(at, hit);
        } else if let Ok(seen) = serde_json::from_slice::<Seen>(value) {
            entry.seen = Some(seen);
        }
    }
}

/// Walks a run in order: each hit that takes the current step counts towards it.
fn chain_from<'k>(run: &[&'k Hit], steps: impl Iterator<Item = u32>) -> (u64, Vec<&'k Hit>) {
    let (mut chain, mut done, mut rest) = (Vec::new(), 0, run.iter());
    for (step, at_least) in steps.enumerate() {
        let taken: Vec<&Hit> =
            rest.by_ref().filter(|h| h.tag & (1 << step) != 0).take(at_least as usize).copied().collect();
        let complete = taken.len() == at_least as usize;
        chain.extend(taken);
        if !complete {
            break;
        }
        done += 1;
    }
    (done, chain)
}

/// Identity of a window's state: who declared it and what exactly it counts.
fn slot_id(module: &str, spec: &WindowSpec) -> [u8; 8] {
    let digest = Sha256::digest(format!("{module}\n{spec:?}"));
    let mut id = [0; 8];
    id.copy_from_slice(&digest[..8]);
    id
}

/// The key's text for this event; `None` if any of its fields is empty, for what isn't known can't be grouped by.
fn key_of(fields: &[Field], event: &Event) -> Option<Box<str>> {
    let mut key = String::new();
    for (i, field) in fields.iter().enumerate() {
        let text = field.text(event);
        if text.is_empty() {
            return None;
        }
        if i > 0 {
            key.push(KEY_SEPARATOR);
        }
        key.push_str(&text);
    }
    if key.len() > MAX_KEY_TEXT || key.contains('\0') {
        key = format!("sha256:{}", hex(&Sha256::digest(&key)));
    }
    Some(key.into())
}

fn hash(text: &str) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&Sha256::digest(text)[..8]);
    // 0 says "no hit"
    u64::from_be_bytes(first).max(1)
}

fn row(id: &[u8; 8], rest: &[u8]) -> Vec<u8> {
    [&[WINDOWS], &id[..], rest].concat()
}

fn key_row(key: &str) -> Vec<u8> {
    [key.as_bytes(), &[0]].concat()
}

fn key_in_row(rest: &[u8]) -> Option<&str> {
    let end = rest.iter().position(|b| *b == 0)?;
    std::str::from_utf8(&rest[..end]).ok()
}

fn hit_row(key_row: &[u8], hit: &Hit) -> Vec<u8> {
    let (time, seq) = hit.order();
    [key_row, &time.0.to_be_bytes(), &seq.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests;
