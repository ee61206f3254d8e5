//! What is remembered: under each key the events that windows count, once, whichever windows they are of.
//!
//! A key holds *lanes*: the hits of one class, which is the set of [members](super::member) that an event fed there together.
//! So a window reads only lanes with hits of its own, and what one kind of act does by the thousand pushes out no other kind.
//! A hit is a time and the number of a row; the row, shared by all keys that an event goes to, has what evidence shows and the
//! values that `distinct` counts.
//!
//! Memory is bounded: hits a lane, keys a kind (the fields that a key is made of), bytes in all. Whatever goes, and when, depends
//! on the events alone: the dead go when event time enters another hour, a lane that is full gives up what is said again
//! later, and over the common bound the heaviest kind gives up the keys that were fed longest ago.

use super::kind::{Buckets, Cut, Seen};
use super::{LATE_S, MAX_HITS, MAX_KEYS};
use crate::stub::{PackedStub, Stub};
use gridwatch_event::time::UnixSeconds;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// A key's text, hashed.
pub(super) type Key = u128;
pub(super) type RowId = u32;
type HeldId = u32;

/// A full lane gives up so many hits at once: finding them costs a look at all.
const THINNED_AT_ONCE: usize = MAX_HITS / 8;
/// Values of a column whose newest hits a full lane keeps, whatever else comes by the thousand.
const KEPT_VALUES: usize = MAX_HITS / 16;
/// Keys with something dead are looked at again no sooner than after so many hours.
const REST_H: u64 = 6;
const HOUR_S: u64 = 3_600;

/// What things cost in memory, in bytes, rounded up: what the allocator and half-empty tables waste is in it. It is the same on all
/// machines and after a restart, for what has to go is decided by it.
mod cost {
    pub(super) const KEY: usize = 224;
    pub(super) const LANE: usize = 72;
    /// Of a queue that may be half empty.
    pub(super) const HIT: usize = 32;
    pub(super) const SEEN: usize = 32;
    pub(super) const BUCKET: usize = 96;
    /// Of a list that may be half empty, and of the period's own.
    pub(super) const BUCKET_VALUE: usize = 32;
    pub(super) const ROW: usize = 144;
    pub(super) const VALUE: usize = 24;
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    pub(super) time: UnixSeconds,
    pub(super) row: RowId,
}

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) class: u32,
    /// In order of time and sequence number.
    pub(super) hits: VecDeque<Hit>,
}

/// What is held under a key.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) key: Key,
    /// Number of the fields that the key is made of.
    pub(super) kind: u16,
    /// The event that fed it last.
    pub(super) fed: u64,
    /// The event that had fed it when it was put into its kind's queue.
    pub(super) queued: u64,
    /// The hour in which something of it will be dead.
    pub(super) due: u64,
    bytes: usize,
    /// See [`Table::pushed`].
    pushed: u64,
    pub(super) lanes: Vec<Lane>,
    pub(super) seen: Vec<(u32, Seen)>,
    pub(super) buckets: Vec<(u32, Buckets)>,
}

impl Held {
    pub(super) fn seen_of(&self, member: u32) -> Option<Seen> {
        self.seen.iter().find(|(of, _)| *of == member).map(|(_, seen)| *seen)
    }

    pub(super) fn buckets_of(&self, member: u32) -> Option<&Buckets> {
        self.buckets.iter().find(|(of, _)| *of == member).map(|(_, buckets)| buckets)
    }

    /// As it was saved; `due` is 0 where that isn't known.
    pub(super) fn saved(
        key: Key,
        kind: u16,
        (fed, queued, due): (u64, u64, u64),
        lanes: Vec<Lane>,
        seen: Vec<(u32, Seen)>,
        buckets: Vec<(u32, Buckets)>,
    ) -> Self {
        Self { key, kind, fed, queued, due, bytes: 0, pushed: 0, lanes, seen, buckets }
    }

    fn weigh(&self) -> usize {
        let lanes: usize = self.lanes.iter().map(|lane| cost::LANE + cost::HIT * lane.hits.len()).sum();
        let weigh = |(buckets, values): (usize, usize)| cost::BUCKET * (1 + buckets) + cost::BUCKET_VALUE * values;
        let buckets: usize = self.buckets.iter().map(|(_, buckets)| weigh(buckets.weight())).sum();
        cost::KEY + lanes + cost::SEEN * self.seen.len() + buckets
    }

    fn is_empty(&self) -> bool {
        self.lanes.is_empty() && self.seen.is_empty() && self.buckets.is_empty()
    }
}

/// What an event leaves for those that count it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) seq: u64,
    /// Hits that have it, and those that did when the batch began.
    refs: u32,
    gone: u32,
    /// What `distinct` and `travel` look at: number of the column, and the hash of its text.
    pub(super) values: Vec<(u16, u64)>,
    pub(super) stub: PackedStub,
}

impl Row {
    pub(super) fn value(&self, column: u16) -> Option<u64> {
        self.values.iter().find(|(of, _)| *of == column).map(|(_, value)| *value)
    }

    fn bytes(&self) -> usize {
        cost::ROW + cost::VALUE * self.values.len() + self.stub.len()
    }
}

/// A set of members that an event fed together, under one key.
#[derive(Debug)]
pub(super) struct Class {
    bits: Box<[u64]>,
    /// How long its hits matter: the longest span of the windows that count them.
    life_s: u64,
}

impl Class {
    pub(super) fn has(&self, member: u32) -> bool {
        self.bits.get(member as usize / 64).is_some_and(|word| word >> (member % 64) & 1 != 0)
    }

    pub(super) fn members(&self) -> impl Iterator<Item = u32> {
        let bits = |(at, word): (usize, &u64)| {
            let (at, word) = (at, *word);
            (0..64_u32).filter(move |bit| word >> bit & 1 != 0).map(move |bit| at as u32 * 64 + bit)
        };
        self.bits.iter().enumerate().flat_map(bits)
    }
}

/// Keys of one kind.
#[derive(Debug, Default)]
pub(super) struct Kind {
    pub(super) keys: usize,
    bytes: usize,
    /// Keys in the order in which they were put here, with the event that had fed them then: who was fed since gets a second
    /// chance. What is no longer so is passed over.
    queue: VecDeque<(HeldId, u64)>,
}

/// A hit that went in this batch: events before that still have it as evidence.
#[derive(Debug)]
struct Gone {
    /// The event that made it go.
    by: u64,
    class: u32,
    hit: Hit,
}

/// The event that is being fed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Feeding {
    pub(super) time: UnixSeconds,
    pub(super) seq: u64,
    /// The newest event time, of this one too.
    pub(super) newest: UnixSeconds,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    index: HashMap<Key, HeldId, BuildHasherDefault<Hashed>>,
    held: Vec<Option<Held>>,
    free: Vec<HeldId>,
    kinds: Vec<Kind>,
    rows: Vec<Row>,
    free_rows: Vec<RowId>,
    row_bytes: usize,
    classes: Vec<Class>,
    numbers: HashMap<Box<[u64]>, u32, BuildHasherDefault<Hashed>>,
    /// Keys by the hour in which something of them dies.
    wheel: BTreeMap<u64, Vec<HeldId>>,
    /// The hour that event time is in.
    hour: u64,
    /// How often a key was put here, or came to have other hits than its last ones and new ones.
    stays: u32,
    /// In the order in which they went.
    gone: HashMap<Key, Vec<Gone>, BuildHasherDefault<Hashed>>,
    pub(super) max_keys: usize,
    pub(super) max_hits: usize,
    pub(super) max_bytes: usize,
}

impl Table {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { max_keys: MAX_KEYS, max_hits: MAX_HITS, max_bytes, ..Self::default() }
    }

    pub(super) fn get(&self, key: Key) -> Option<&Held> {
        self.held[*self.index.get(&key)? as usize].as_ref()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Held> {
        self.held.iter().flatten()
    }

    /// All there is, kind by kind, in the order in which it would go.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &Held> {
        let queued = self.kinds.iter().flat_map(|kind| &kind.queue);
        queued.filter_map(|(id, at)| self.held[*id as usize].as_ref().filter(|held| held.queued == *at))
    }

    pub(super) fn row(&self, row: RowId) -> &Row {
        &self.rows[row as usize]
    }

    /// Rows that some hit has.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.refs > 0)
    }

    pub(super) fn class(&self, class: u32) -> &Class {
        &self.classes[class as usize]
    }

    pub(super) fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// Estimated from above.
    pub(super) fn bytes(&self) -> usize {
        self.kinds.iter().map(|kind| kind.bytes).sum::<usize>() + self.row_bytes
    }

    /// The number of a class, and whether it is new.
    pub(super) fn number(&mut self, bits: &[u64], life_s: impl FnOnce() -> u64) -> (u32, bool) {
        let bits = shortest(bits);
        match self.numbers.get(bits) {
            Some(number) => (*number, false),
            None => (self.define(bits, life_s()), true),
        }
    }

    /// A class with the next number, also if another says the same.
    pub(super) fn define(&mut self, bits: &[u64], life_s: u64) -> u32 {
        let (number, bits) = (self.classes.len() as u32, shortest(bits));
        self.classes.push(Class { bits: bits.into(), life_s });
        self.numbers.entry(bits.into()).or_insert(number);
        number
    }

    /// Event time goes on: what died by the beginning of another hour goes. Says whether it did enter one.
    pub(super) fn tick(&mut self, newest: UnixSeconds, by: u64) -> bool {
        let hour = newest.0 / HOUR_S;
        if hour <= self.hour {
            return false;
        }
        self.hour = hour;
        while let Some(entry) = self.wheel.first_entry().filter(|entry| *entry.key() <= hour) {
            let (due, keys) = entry.remove_entry();
            keys.into_iter().for_each(|id| self.expire(id, due, by));
        }
        true
    }

    fn expire(&mut self, id: HeldId, due: u64, by: u64) {
        let Some(held) = self.held[id as usize].as_mut().filter(|held| held.due == due) else { return };
        let start = UnixSeconds(self.hour * HOUR_S);
        let (classes, key) = (&self.classes, held.key);
        let mut dead: Vec<Gone> = Vec::new();
        for lane in &mut held.lanes {
            let life_s = classes[lane.class as usize].life_s;
            while let Some(hit) = lane.hits.pop_front_if(|hit| is_dead(hit.time, life_s, start)) {
                dead.push(Gone { by, class: lane.class, hit });
            }
        }
        held.lanes.retain(|lane| !lane.hits.is_empty());
        held.seen.retain(|(_, seen)| !is_dead(seen.last, seen.span_s, start));
        held.buckets.retain_mut(|(_, buckets)| buckets.expire(start));
        self.bury(key, dead);
        self.settle_weight(id);
        self.schedule(id, self.hour + REST_H);
    }

    /// Takes down the hour in which something of a key will be dead, or takes the key out if nothing is left.
    fn schedule(&mut self, id: HeldId, no_sooner: u64) {
        let Some(held) = &self.held[id as usize] else { return };
        if held.is_empty() {
            self.take_out(id);
            return;
        }
        let lanes = held.lanes.iter().map(|lane| {
            let first = lane.hits.front().map_or(UnixSeconds(0), |hit| hit.time);
            dies(first, self.classes[lane.class as usize].life_s)
        });
        let seen = held.seen.iter().map(|(_, seen)| dies(seen.last, seen.span_s));
        let buckets = held.buckets.iter().map(|(_, buckets)| buckets.next_loss().0);
        let first = lanes.chain(seen).chain(buckets).min().unwrap_or_default();
        self.put_on_wheel(id, (first / HOUR_S).saturating_add(1).max(no_sooner));
    }

    fn put_on_wheel(&mut self, id: HeldId, due: u64) {
        if let Some(held) = &mut self.held[id as usize] {
            held.due = due;
            self.wheel.entry(due).or_default().push(id);
        }
    }

    /// Keeps everything within the common bound. The heaviest kind gives first, until a tenth is free. Says whether anything went.
    pub(super) fn make_room(&mut self, by: u64) -> bool {
        if self.bytes() < self.max_bytes {
            return false;
        }
        let most = self.max_bytes - self.max_bytes.div_ceil(10);
        while self.bytes() > most {
            let heaviest = self.kinds.iter().enumerate().max_by_key(|(_, kind)| kind.bytes).map(|(at, _)| at);
            if !heaviest.is_some_and(|kind| self.give_up_one(kind, by)) {
                break;
            }
        }
        true
    }

    /// Gives up the key of a kind that was fed longest ago. `false` if there is none.
    fn give_up_one(&mut self, kind: usize, by: u64) -> bool {
        while let Some((id, at)) = self.kinds[kind].queue.pop_front() {
            let Some(held) =
                self.held[id as usize].as_mut().filter(|held| held.queued == at && usize::from(held.kind) == kind)
            else {
                continue;
            };
            if held.fed > at {
                held.queued = held.fed;
                let entry = (id, held.fed);
                self.kinds[kind].queue.push_back(entry);
                continue;
            }
            let key = held.key;
            let lanes = std::mem::take(&mut held.lanes).into_iter();
            let hits = lanes.flat_map(|lane| lane.hits.into_iter().map(move |hit| Gone { by, class: lane.class, hit }));
            let hits: Vec<Gone> = hits.collect();
            self.bury(key, hits);
            self.take_out(id);
            return true;
        }
        false
    }

    /// Hits that went are kept until the batch is through: events of it may be asked what they were.
    fn bury(&mut self, key: Key, dead: Vec<Gone>) {
        if dead.is_empty() {
            return;
        }
        for gone in &dead {
            self.rows[gone.hit.row as usize].gone += 1;
            self.let_go_of_row(gone.hit.row);
        }
        self.gone.entry(key).or_default().extend(dead);
    }

    /// The batch is through: what went is forgotten.
    pub(super) fn settle(&mut self) {
        for gone in std::mem::take(&mut self.gone).into_values().flatten() {
            self.rows[gone.hit.row as usize].gone -= 1;
            self.free_row(gone.hit.row);
        }
    }

    /// What no hit has any more doesn't weigh any more, so that it doesn't matter where batches end.
    fn let_go_of_row(&mut self, id: RowId) {
        let row = &mut self.rows[id as usize];
        row.refs -= 1;
        if row.refs == 0 {
            self.row_bytes -= row.bytes();
            self.free_row(id);
        }
    }

    fn free_row(&mut self, id: RowId) {
        let row = &mut self.rows[id as usize];
        if row.refs + row.gone == 0 {
            (row.values, row.stub) = (Vec::new(), PackedStub::default());
            self.free_rows.push(id);
        }
    }

    fn take_out(&mut self, id: HeldId) {
        let Some(held) = self.held[id as usize].take() else { return };
        let kind = &mut self.kinds[usize::from(held.kind)];
        (kind.keys, kind.bytes) = (kind.keys - 1, kind.bytes - held.bytes);
        self.index.remove(&held.key);
        self.free.push(id);
        for hit in held.lanes.into_iter().flat_map(|lane| lane.hits) {
            self.let_go_of_row(hit.row);
        }
    }

    /// What is held under a key that is being fed, put there first if there is nothing.
    pub(super) fn enter(&mut self, key: Key, kind: u16, by: u64) -> HeldId {
        if let Some(id) = self.index.get(&key) {
            if let Some(held) = &mut self.held[*id as usize] {
                held.fed = by;
            }
            return *id;
        }
        self.kinds.resize_with(self.kinds.len().max(usize::from(kind) + 1), Kind::default);
        if self.kinds[usize::from(kind)].keys >= self.max_keys {
            let most = self.max_keys - self.max_keys.div_ceil(10);
            while self.kinds[usize::from(kind)].keys > most && self.give_up_one(kind.into(), by) {}
        }
        self.put(Held::saved(key, kind, (by, by, 0), Vec::new(), Vec::new(), Vec::new()))
    }

    /// Puts a key there that wasn't.
    pub(super) fn put(&mut self, mut held: Held) -> HeldId {
        (held.bytes, held.due) = (0, 0);
        held.pushed = another_stay(&mut self.stays);
        let (key, at, queued) = (held.key, usize::from(held.kind), held.queued);
        self.kinds.resize_with(self.kinds.len().max(at + 1), Kind::default);
        let id = match self.free.pop() {
            Some(id) => {
                self.held[id as usize] = Some(held);
                id
            }
            None => {
                self.held.push(Some(held));
                self.held.len() as HeldId - 1
            }
        };
        self.index.insert(key, id);
        let (kind, all) = (&mut self.kinds[at], &self.held);
        kind.keys += 1;
        kind.queue.push_back((id, queued));
        if kind.queue.len() > 2 * kind.keys + 64 {
            kind.queue.retain(|(id, at)| all[*id as usize].as_ref().is_some_and(|held| held.queued == *at));
        }
        id
    }

    /// A key as it was saved. It is looked at again when it would have been: until then the dead weigh, and weight decides what goes.
    pub(super) fn restore(&mut self, held: Held) {
        let due = held.due;
        let id = self.put(held);
        self.settle_weight(id);
        match due {
            0 => self.schedule(id, 0),
            due => self.put_on_wheel(id, due),
        }
    }

    /// An event has done what it does under a key. Of one that came too late for all of it, nothing may be left.
    pub(super) fn leave(&mut self, id: HeldId) {
        self.settle_weight(id);
        if self.held[id as usize].as_ref().is_some_and(Held::is_empty) {
            self.take_out(id);
        }
    }

    fn settle_weight(&mut self, id: HeldId) {
        if let Some(held) = &mut self.held[id as usize] {
            let (before, now) = (held.bytes, held.weigh());
            held.bytes = now;
            let kind = &mut self.kinds[usize::from(held.kind)];
            kind.bytes = kind.bytes + now - before;
        }
    }

    pub(super) fn new_row(&mut self, seq: u64, stub: PackedStub, values: Vec<(u16, u64)>) -> RowId {
        let row = Row { seq, refs: 0, gone: 0, values, stub };
        match self.free_rows.pop() {
            Some(id) => {
                self.rows[id as usize] = row;
                id
            }
            None => {
                self.rows.push(row);
                self.rows.len() as RowId - 1
            }
        }
    }

    /// Says more of an event that is still being fed.
    pub(super) fn add_value(&mut self, row: RowId, column: u16, value: u64) {
        let row = &mut self.rows[row as usize];
        if row.value(column).is_none() {
            row.values.push((column, value));
            self.row_bytes += if row.refs > 0 { cost::VALUE } else { 0 };
        }
    }

    pub(super) fn refer_to(&mut self, row: RowId) {
        let row = &mut self.rows[row as usize];
        row.refs += 1;
        self.row_bytes += if row.refs == 1 { row.bytes() } else { 0 };
    }

    /// Puts a hit into its place.
    pub(super) fn push(&mut self, id: HeldId, class: u32, row: RowId, feeding: Feeding) {
        let life_s = self.classes[class as usize].life_s;
        let Some(held) = &mut self.held[id as usize] else { return };
        let hit = Hit { time: feeding.time, row };
        held.pushed += 1;
        let at = held.lanes.iter().position(|lane| lane.class == class).unwrap_or_else(|| {
            held.lanes.push(Lane { class, hits: VecDeque::new() });
            held.lanes.len() - 1
        });
        let (rows, hits) = (&self.rows, &mut held.lanes[at].hits);
        match hits.back().is_none_or(|last| last.time <= hit.time) {
            true => hits.push_back(hit),
            false => {
                held.pushed = another_stay(&mut self.stays);
                let place = hits.partition_point(|h| (h.time, rows[h.row as usize].seq) < (hit.time, feeding.seq));
                hits.insert(place, hit);
            }
        }
        let (is_first, is_full, key, due) = (hits.len() == 1, hits.len() > self.max_hits, held.key, held.due);
        self.refer_to(row);
        if is_full {
            let gone = self.thin(id, at, life_s, feeding);
            self.bury(key, gone);
        }
        if is_first || feeding.time < feeding.newest {
            self.due_by(id, due, dies(feeding.time, life_s));
        }
    }

    /// Something of a key dies then, which may be sooner than anything else of it.
    fn due_by(&mut self, id: HeldId, due: u64, dies: u64) {
        let hour = (dies / HOUR_S).saturating_add(1).max(self.hour + 1);
        if due == 0 || hour < due {
            self.put_on_wheel(id, hour);
        }
    }

    /// Takes out of a full lane the dead; then what can best be spared: the oldest hits, but not the newest of each of so many
    /// values. So who looks at one file a thousand times doesn't push out the nine others.
    fn thin(&mut self, id: HeldId, lane: usize, life_s: u64, feeding: Feeding) -> Vec<Gone> {
        let (rows, most) = (&self.rows, self.max_hits);
        let Some(held) = &mut self.held[id as usize] else { return Vec::new() };
        let Lane { class, hits } = &mut held.lanes[lane];
        let (by, class) = (feeding.seq, *class);
        let mut gone: Vec<Gone> = Vec::new();
        while let Some(hit) = hits.pop_front_if(|hit| is_dead(hit.time, life_s, feeding.newest)) {
            gone.push(Gone { by, class, hit });
        }
        if hits.len() <= most {
            return gone;
        }
        if hits.back().is_some_and(|hit| rows[hit.row as usize].values.is_empty()) {
            let oldest = hits.pop_front();
            if oldest.is_some_and(|hit| !rows[hit.row as usize].values.is_empty()) {
                held.pushed = another_stay(&mut self.stays);
            }
            gone.extend(oldest.map(|hit| Gone { by, class, hit }));
            return gone;
        }
        held.pushed = another_stay(&mut self.stays);
        let mut kept: Vec<(u16, HashSet<u64, BuildHasherDefault<Hashed>>)> = Vec::new();
        let newest_first = hits.iter().rev().map(|hit| {
            let mut is_kept = false;
            for (column, value) in &rows[hit.row as usize].values {
                let at = kept.iter().position(|(of, _)| of == column).unwrap_or_else(|| {
                    kept.push((*column, HashSet::default()));
                    kept.len() - 1
                });
                let values = &mut kept[at].1;
                is_kept |= values.len() < KEPT_VALUES && values.insert(*value);
            }
            is_kept
        });
        let newest_first: Vec<bool> = newest_first.collect();
        let (mut is_kept, mut left) = (newest_first.into_iter().rev(), THINNED_AT_ONCE.min(most / 2).max(1));
        hits.retain(|hit| {
            let goes = is_kept.next() == Some(false) && left > 0;
            if goes {
                left -= 1;
                gone.push(Gone { by, class, hit: *hit });
            }
            !goes
        });
        gone
    }

    /// A sighting. Returns what had been seen before it, if that is alive.
    pub(super) fn see(&mut self, id: HeldId, member: u32, span_s: u64, feeding: Feeding) -> Option<Seen> {
        let held = self.held[id as usize].as_mut()?;
        let due = held.due;
        let (before, dies_at) = match held.seen.iter_mut().find(|(of, _)| *of == member) {
            Some((_, seen)) => (seen.feed(feeding.time, feeding.newest), None),
            None => {
                held.seen.push((member, Seen::at(feeding.time, span_s)));
                (None, Some(dies(feeding.time, span_s)))
            }
        };
        if let Some(at) = dies_at {
            self.due_by(id, due, at);
        }
        before
    }

    /// One more in the bucket of its hour or day.
    pub(super) fn tally(&mut self, id: HeldId, member: u32, cut: Cut, value: Option<u64>, feeding: Feeding) {
        let Some(held) = &mut self.held[id as usize] else { return };
        let due = held.due;
        let at = held.buckets.iter().position(|(of, _)| *of == member).unwrap_or_else(|| {
            held.buckets.push((member, Buckets::new(cut)));
            held.buckets.len() - 1
        });
        let buckets = &mut held.buckets[at].1;
        // An older gridwatch saved less of it.
        buckets.cut = cut;
        let begun = buckets.feed(feeding.time, value, feeding.newest);
        if buckets.is_empty() {
            held.buckets.remove(at);
        }
        if let Some(loses) = begun {
            self.due_by(id, due, loses.0);
        }
    }

    /// The hits under a key that a window counts, and those of this batch that it counted when it was this event's turn.
    pub(super) fn lanes(&self, key: Key) -> impl Iterator<Item = &Lane> {
        self.get(key).into_iter().flat_map(|held| &held.lanes)
    }

    /// How many hits a key has had, from a number on that is another whenever more has changed than that.
    pub(super) fn pushed(&self, key: Key) -> u64 {
        self.get(key).map_or(0, |held| held.pushed)
    }

    /// Hits that went since an event's turn, with their classes.
    pub(super) fn gone_since(&self, key: Key, seq: u64) -> impl ExactSizeIterator<Item = (u32, Hit)> {
        let gone = if self.gone.is_empty() { None } else { self.gone.get(&key) };
        let gone = gone.map_or(&[][..], |gone| &gone[gone.partition_point(|gone| gone.by <= seq)..]);
        gone.iter().map(|gone| (gone.class, gone.hit))
    }

    pub(super) fn stub(&self, row: RowId) -> Arc<Stub> {
        let row = self.row(row);
        Arc::new(row.stub.stub(row.seq))
    }

    /// Which members are still asked for, and how long what they count matters: the rest goes, out of the classes too, for its numbers
    /// may be given again.
    pub(super) fn keep_only(&mut self, life_s: impl Fn(u32) -> Option<u64>) {
        let mut is_wanted = Vec::with_capacity(self.classes.len());
        for class in std::mem::take(&mut self.classes) {
            let mut bits = class.bits.clone();
            class.members().filter(|m| life_s(*m).is_none()).for_each(|m| bits[m as usize / 64] &= !(1 << (m % 64)));
            is_wanted.push(bits.iter().any(|word| *word != 0));
            let lives = class.members().filter_map(&life_s);
            self.classes.push(Class { life_s: lives.max().unwrap_or(0), bits: shortest(&bits).into() });
        }
        self.numbers = HashMap::default();
        for (number, class) in (0..).zip(&self.classes) {
            // Two that say the same now keep their numbers, for lanes have them; the first is the one that is given from now on.
            self.numbers.entry(class.bits.clone()).or_insert(number);
        }
        for id in 0..self.held.len() as HeldId {
            let Some(held) = &mut self.held[id as usize] else { continue };
            let (keep, gone): (Vec<Lane>, Vec<Lane>) =
                std::mem::take(&mut held.lanes).into_iter().partition(|lane| is_wanted[lane.class as usize]);
            held.lanes = keep;
            held.seen.retain(|(member, _)| life_s(*member).is_some());
            held.buckets.retain(|(member, _)| life_s(*member).is_some());
            gone.into_iter().flat_map(|lane| lane.hits).for_each(|hit| self.let_go_of_row(hit.row));
            self.settle_weight(id);
            self.schedule(id, self.hour + 1);
        }
    }

    /// Other windows count what a class counts.
    pub(super) fn set_lives(&mut self, life_s: impl Fn(u32) -> Option<u64>) {
        for class in &mut self.classes {
            class.life_s = class.members().filter_map(&life_s).max().unwrap_or(class.life_s);
        }
    }

    pub(super) fn hour(&self) -> u64 {
        self.hour
    }

    pub(super) fn resume_in(&mut self, hour: u64) {
        self.hour = self.hour.max(hour);
    }
}

/// Past its span and the late allowance: no value depends on it any more.
pub(super) fn is_dead(time: UnixSeconds, span_s: u64, newest: UnixSeconds) -> bool {
    time.plus(span_s.saturating_add(LATE_S)) < newest
}

/// What was counted under a key before says nothing of it from now on: the number that [`Table::pushed`] goes on from.
fn another_stay(stays: &mut u32) -> u64 {
    *stays = stays.wrapping_add(1);
    u64::from(*stays) << 32
}

/// Without the words at its end in which nothing is.
fn shortest(bits: &[u64]) -> &[u64] {
    &bits[..bits.iter().rposition(|word| *word != 0).map_or(0, |at| at + 1)]
}

fn dies(time: UnixSeconds, span_s: u64) -> u64 {
    time.plus(span_s.saturating_add(LATE_S)).0
}

/// The hash of what is a hash already, or of a few words.
#[derive(Debug, Default)]
pub(super) struct Hashed(u64);

impl Hasher for Hashed {
    fn write_u128(&mut self, key: u128) {
        self.0 ^= key as u64;
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_usize(&mut self, length: usize) {
        self.write_u64(length as u64);
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
