//! A slot: one window of one module, with what it remembers under each key.

use super::hit::{self, Hit, Keep, Near};
use super::journal::{Journal, JournalRow, Value};
use super::kind::{self, Gone, Held, Saved, Size};
use super::row::{self, SlotId};
use super::{Keys, LEARNING, MAX_KEYS, MAX_TOTAL_HITS, NEVER, NOT_YET, Seeing, Stubs, WindowSize};
use crate::state::{self, Forgotten, StateOp, WINDOWS};
use crate::stub::Stub;
use gridwatch_event::event::Event;
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::{Conditions, Saying, WindowKind, WindowSpec};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) id: SlotId,
    module: String,
    pub(super) spec: Arc<WindowSpec>,
    /// Numbers of its keys in [`Keys`]. A sequence's are its steps'.
    pub(super) feed_keys: Vec<usize>,
    read_key: Option<usize>,
    held: HashMap<Box<str>, Held>,
    /// Of all keys, with what the keys themselves cost in memory: see [`cost`].
    size: Size,
    pub(super) bounds: Bounds,
    /// What was dropped since the changes were taken: events before that still have it as evidence.
    dropped: HashMap<Box<str>, Vec<Dropped>>,
    /// Time of the first event this window ever saw.
    since: Option<UnixSeconds>,
    /// Rows that changed since the changes were taken.
    dirty: BTreeMap<Vec<u8>, Value>,
    journal: Journal,
}

/// What one window may hold in all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) keys: usize,
    pub(super) weight: usize,
}

/// An event that windows are fed with. Its stub is made for the first that keeps a hit of it.
pub(super) struct Fed<'a, 's, 'e> {
    pub(super) seeing: &'a Seeing<'s, 'e>,
    pub(super) stub: &'a mut Option<Arc<Stub>>,
}

impl Fed<'_, '_, '_> {
    pub(super) fn hit(&mut self, tag: u64, of: Vec<(u8, u64)>) -> Hit {
        let event = self.seeing.event();
        Hit { tag, of, stub: self.stub.get_or_insert_with(|| Stub::of(event)).clone() }
    }
}

#[derive(Debug)]
struct Dropped {
    /// The event that made it go.
    by: u64,
    hit: Hit,
}

impl Seeing<'_, '_> {
    pub(super) fn event(&self) -> &Event {
        self.reading.event
    }

    pub(super) fn hold(&self, when: &Conditions) -> bool {
        when.fields.iter().all(|test| test.holds(&self.reading.text(&test.field)))
            && when.windows.iter().all(|test| {
                let value = self.slots.get(test.window).map_or(0, |slot| kind::value(slot, self));
                says(&test.says, value)
            })
    }
}

fn says(saying: &Saying, value: u64) -> bool {
    match saying {
        Saying::Never => value == NEVER,
        Saying::Learning => value == LEARNING,
        Saying::Seen => value != NEVER && value != LEARNING,
        // Of a baseline that has yet to learn nothing can be said.
        Saying::AtLeast(threshold) => value >= threshold.number && value != NOT_YET,
        Saying::Below(threshold) => value < threshold.number && value != NOT_YET,
    }
}

impl Slot {
    pub(super) fn new(id: SlotId, module: &str, spec: WindowSpec, keys: &mut Keys) -> Self {
        let feed_keys = match &spec.kind {
            WindowKind::Sequence { steps } => steps.iter().map(|step| keys.number(&step.key)).collect(),
            _ => vec![keys.number(&spec.key)],
        };
        Self {
            id,
            module: module.to_owned(),
            read_key: spec.read_key.as_ref().map(|key| keys.number(key)),
            feed_keys,
            spec: Arc::new(spec),
            held: HashMap::new(),
            size: Size::default(),
            bounds: Bounds { keys: MAX_KEYS, weight: MAX_TOTAL_HITS },
            dropped: HashMap::new(),
            since: None,
            dirty: BTreeMap::new(),
            journal: Journal::default(),
        }
    }

    /// Every window sees the first event that comes, whatever it is: from then on it watches.
    pub(super) fn start(&mut self, event: &Event) {
        if self.since.is_none() {
            self.since = Some(event.time);
            self.dirty.insert(row::START.to_vec(), row::saying(&event.time));
        }
    }

    pub(super) fn feed(&mut self, seeing: &Seeing<'_, '_>, steps: u64, stub: &mut Option<Arc<Stub>>) {
        let is_dead = hit::is_dead(seeing.event().time, self.spec.span_s, seeing.newest);
        if !is_dead && seeing.hold(&self.spec.when) {
            kind::feed(self, &mut Fed { seeing, stub }, steps);
        }
    }

    /// The key that an event feeds a window under whose kind has one.
    pub(super) fn fed_key(&self, seeing: &Seeing<'_, '_>) -> Option<Rc<str>> {
        seeing.keys.text(self.feed_keys[0], seeing.reading)
    }

    pub(super) fn add_hit(&mut self, key: &str, hit: Hit, keep: &Keep, seeing: &Seeing<'_, '_>) {
        let (span_s, newest) = (self.spec.span_s, seeing.newest);
        let mut gone = Vec::new();
        self.change(
            key,
            seeing,
            || Held::Hits(hit::Hits::default()),
            |held| match held {
                Held::Hits(hits) => {
                    hits.insert(hit.clone());
                    gone = hits.overflow(&hit, keep, span_s, newest);
                    Some((row::hit_row(&row::key_row(key), &hit), row::saying(&hit)))
                }
                _ => None,
            },
        );
        if !gone.is_empty() {
            let row = row::key_row(key);
            let rows = gone.iter().map(|hit| (row::hit_row(&row, hit), Ok(None))).collect();
            self.lose(key, Gone { rows, hits: gone }, Some(seeing.event().seq));
        }
    }

    /// Feeds what is held under a key, having made room for it. `feed` returns the row to save.
    pub(super) fn change(
        &mut self,
        key: &str,
        seeing: &Seeing<'_, '_>,
        new: impl FnOnce() -> Held,
        feed: impl FnOnce(&mut Held) -> Option<JournalRow>,
    ) {
        self.make_room(key, seeing);
        let row = self.hold(key, new, feed);
        self.dirty.extend(row);
    }

    /// Changes what is held under a key, which is first of all put there if there is nothing.
    fn hold<T>(&mut self, key: &str, new: impl FnOnce() -> Held, change: impl FnOnce(&mut Held) -> T) -> T {
        let (held, before) = match self.held.get_mut(key) {
            Some(held) => {
                let before = held.size();
                (held, before)
            }
            None => {
                self.size.bytes += cost::of_key(key);
                (self.held.entry(key.into()).or_insert_with(new), Size::default())
            }
        };
        let changed = change(held);
        self.size = self.size + held.size() - before;
        changed
    }

    /// The events behind the value that an event read at its turn.
    pub(super) fn evidence(&self, seeing: &Seeing<'_, '_>) -> Vec<Arc<Stub>> {
        kind::evidence(self, seeing).into_iter().map(|hit| hit.stub.clone()).collect()
    }

    /// The key that an event reads by.
    pub(super) fn read_text(&self, seeing: &Seeing<'_, '_>) -> Option<Rc<str>> {
        seeing.keys.text(self.read_key?, seeing.reading)
    }

    pub(super) fn held(&self, key: &str) -> Option<&Held> {
        self.held.get(key)
    }

    pub(super) fn hits(&self, key: &str) -> Option<&hit::Hits> {
        match self.held(key) {
            Some(Held::Hits(hits)) => Some(hits),
            _ => None,
        }
    }

    /// The hits under a key that may share a stretch with the event, as they were at its turn.
    pub(super) fn near(&self, key: &str, seeing: &Seeing<'_, '_>) -> Near<'_> {
        let (at, seq, span_s) = (seeing.event().time, seeing.event().seq, self.spec.span_s);
        let live = self.hits(key).into_iter().flat_map(|hits| {
            let start = hits.partition_point(|h| h.stub.time.plus(span_s) <= at);
            hits.range(start..).take_while(move |h| h.stub.time < at.plus(span_s))
        });
        let dropped = self.dropped.get(key).into_iter().flatten().filter(|d| d.by > seq).map(|d| &d.hit);
        let mut near = Near::of(live.chain(dropped), (at, seq), span_s, seeing.newest);
        if self.dropped.contains_key(key) {
            near.hits.sort_by_key(|hit| hit.order());
        }
        near
    }

    /// How long the window has watched when an event comes.
    pub(super) fn watched_s(&self, event: &Event) -> u64 {
        self.since.map_or(0, |since| event.time.0.saturating_sub(since.0))
    }

    /// Drops what is past its span and the late allowance. Inside a batch, `by` names the event it happens at.
    pub(super) fn expire(&mut self, newest: UnixSeconds, by: Option<u64>) {
        let (spec, size) = (&self.spec, &mut self.size);
        let mut all: Vec<(Box<str>, Gone)> = Vec::new();
        self.held.retain(|key, held| {
            let (before, mut gone) = (held.size(), Gone::default());
            let stays = held.expire(key, spec, newest, &mut gone);
            *size = *size + held.size() - before;
            size.bytes -= if stays { 0 } else { cost::of_key(key) };
            if !gone.rows.is_empty() {
                all.push((key.clone(), gone));
            }
            stays
        });
        all.into_iter().for_each(|(key, gone)| self.lose(&key, gone, by));
    }

    /// Before a key is fed: keeps the window within its bounds. The keys that were fed longest ago go, a tenth at once.
    fn make_room(&mut self, key: &str, seeing: &Seeing<'_, '_>) {
        let Bounds { keys, weight } = self.bounds;
        let is_full =
            |slot: &Self| slot.size.weight >= weight || slot.held.len() >= keys && !slot.held.contains_key(key);
        if !is_full(self) {
            return;
        }
        let by = seeing.event().seq;
        // The dead first, so that it doesn't matter whether they had been swept out before.
        self.expire(seeing.newest, Some(by));
        if !is_full(self) {
            return;
        }
        let (most_keys, most_weight) = (keys - keys.div_ceil(10), weight - weight.div_ceil(10));
        self.shed(by, |slot| slot.held.len() <= most_keys && slot.size.weight <= most_weight);
    }

    /// Gives up a tenth of what it remembers: the keys that were fed longest ago.
    pub(super) fn shed_a_tenth(&mut self, by: u64) {
        let most = self.size.bytes - self.size.bytes.div_ceil(10);
        self.shed(by, |slot| slot.size.bytes <= most);
    }

    fn shed(&mut self, by: u64, is_enough: impl Fn(&Self) -> bool) {
        let mut by_age: Vec<(UnixSeconds, Box<str>)> =
            self.held.iter().map(|(key, held)| (held.last(&self.spec), key.clone())).collect();
        by_age.sort_unstable();
        for (_, key) in by_age {
            if is_enough(self) {
                break;
            }
            if let Some(held) = self.held.remove(&key) {
                self.size = self.size - held.size();
                self.size.bytes -= cost::of_key(&key);
                self.lose(&key, held.let_go(&key), Some(by));
            }
        }
    }

    /// Takes down what is no longer held.
    fn lose(&mut self, key: &str, gone: Gone, by: Option<u64>) {
        self.dirty.extend(gone.rows);
        if let Some(by) = by.filter(|_| !gone.hits.is_empty()) {
            let dropped = gone.hits.into_iter().map(|hit| Dropped { by, hit });
            self.dropped.entry(key.into()).or_default().extend(dropped);
        }
    }

    pub(super) fn take_changes(&mut self) -> Vec<StateOp> {
        self.dropped.clear();
        if self.dirty.is_empty() {
            return Vec::new();
        }
        let (changed, mut journal) = (std::mem::take(&mut self.dirty), std::mem::take(&mut self.journal));
        let ops = journal.save(&self.id, changed.into_iter(), || self.rows());
        self.journal = journal;
        ops.unwrap_or_else(|error| vec![StateOp::unwritable(WINDOWS, error)])
    }

    /// The window is no more: the rows to delete.
    pub(super) fn forget(&mut self) -> Vec<StateOp> {
        std::mem::take(&mut self.journal).forget(&self.id)
    }

    /// Everything that it remembers.
    fn rows(&self) -> Vec<JournalRow> {
        let mut rows: Vec<JournalRow> =
            self.since.iter().map(|since| (row::START.to_vec(), row::saying(since))).collect();
        rows.extend(self.held.iter().flat_map(|(key, held)| held.rows(key)));
        rows
    }

    /// Puts a saved page back, all of it or nothing. Returns the newest time it tells of.
    pub(super) fn load(
        &mut self,
        page: state::StateRow<'_>,
        stubs: &mut Stubs,
    ) -> Result<Option<UnixSeconds>, Forgotten> {
        let not_a_page = || page.forgotten("it isn't a page of a window");
        let rows = self.journal.load(&page.id()[self.id.len()..], page.body()).ok_or_else(not_a_page)?;
        let read = rows.into_iter().map(|(row, value)| self.read(row, value));
        let read: Option<Vec<Loaded<'_>>> = read.collect();
        let read = read.ok_or_else(|| page.forgotten("a row in it says nothing that this window counts"))?;
        Ok(read.into_iter().filter_map(|loaded| self.put_back(loaded, stubs)).max())
    }

    /// What a row of a page says; `None` if that is nothing of this window's kind.
    fn read<'p>(&self, row: &'p [u8], value: Option<&[u8]>) -> Option<Loaded<'p>> {
        if row == row::START {
            return Some(Loaded::Start(serde_json::from_slice(value?).ok()?));
        }
        let (key, numbers) = row::split(row)?;
        Some(Loaded::Under(key, Saved::read(&self.spec.kind, &numbers, value)?))
    }

    fn put_back(&mut self, loaded: Loaded<'_>, stubs: &mut Stubs) -> Option<UnixSeconds> {
        let (key, saved) = match loaded {
            Loaded::Start(since) => {
                self.since = Some(since);
                return self.since;
            }
            Loaded::Under(key, saved) => (key, saved),
        };
        match saved.first() {
            Some(first) => self.hold(key, || first, |held| held.put_back(saved, stubs)),
            None => {
                self.take_out(key, &saved);
                None
            }
        }
    }

    /// A row was deleted after an earlier page had it.
    fn take_out(&mut self, key: &str, gone: &Saved) {
        let Some(held) = self.held.get_mut(key) else { return };
        let before = held.size();
        let stays = held.take_out(gone);
        self.size = self.size + held.size() - before;
        if !stays {
            self.size.bytes -= cost::of_key(key);
            self.held.remove(key);
        }
    }

    pub(super) fn size(&self) -> WindowSize<'_> {
        let (module, window) = (&*self.module, &*self.spec.name);
        WindowSize { module, window, keys: self.held.len(), hits: self.size.weight, bytes: self.size.bytes }
    }

    pub(super) fn bytes(&self) -> usize {
        self.size.bytes
    }
}

/// What things cost in memory, in bytes, rounded up: what the allocator and half-empty tables waste is in it. It is the same
/// on all machines and after a restart, for what has to go is decided by it.
pub(super) mod cost {
    use super::Hit;

    /// A bucket of a baseline or one of its values, with its share of a tree's node.
    pub(in crate::windows) const BUCKET: usize = 96;
    /// Place in a table that may be half empty, and what is held there before the first hit.
    const KEY: usize = 320;
    /// Place in a queue that may be half empty, and a stub without its texts.
    const HIT: usize = 80 + 240;
    /// One value that a step of a sequence counts.
    const VALUE: usize = 48;

    pub(in crate::windows) fn of_key(key: &str) -> usize {
        KEY + key.len()
    }

    /// Windows share an event's stub, but each pays for it: who shares with whom changes with every one that goes.
    pub(in crate::windows) fn of_hit(hit: &Hit) -> usize {
        let stub = &hit.stub;
        let texts = [&stub.id, &stub.action, &stub.actor_id, &stub.ip_address, &stub.ua];
        HIT + texts.map(|text| text.len()).iter().sum::<usize>() + VALUE * hit.of.len()
    }
}

/// What a row of a saved page says.
enum Loaded<'p> {
    /// When the window saw its first event.
    Start(UnixSeconds),
    /// Something under a key.
    Under(&'p str, Saved),
}
