//! Windows: the counts that modules declare and the host keeps.
//!
//! A module never counts for itself, so it can be swapped, rolled back or replayed without forgetting anything. State
//! belongs to (module name, window name, window spec), not to a module version: a new version with the same spec inherits
//! the counts, a changed spec starts empty. A threshold that comes from a setting is part of the spec.
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
//! | last_seen | milliseconds of the newest matching event before this one; [`NEVER`], or [`LEARNING`] if it was told to learn |
//! | sequence | steps completed in order by a chain of at most `span` that includes this event |
//! | baseline | what is usual: a percentile of the counts of the hours or days before the event's own; [`NOT_YET`] while it learns |
//! | travel | highest speed in km/h from the sighting before this event, or to the one after it; 0 where places are unknown |
//!
//! Whether an event feeds a window can depend on its fields and on what windows declared above say of the same event.
//!
//! Memory is bounded: hits a key, keys a window, hits a window, bytes of all windows. Over a bound of a key its oldest hits
//! go first; over a bound of a window, the keys that were fed longest ago; over that of all, such keys of the window that is
//! heaviest, so that a flood of one kind of event costs the windows that count it. What is dropped, and when, depends on the
//! events alone.

mod hit;
mod journal;
mod kind;
mod row;
mod slot;

use crate::reading::{Reading, WindowKey};
use crate::state::{self, Forgotten, StateOp, WINDOWS};
use crate::stub::Stub;
use gridwatch_event::event::Event;
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::Field;
use gridwatch_manifest::{WindowKind, WindowSpec};
use gridwatch_names::catalogue;
use row::SlotId;
use slot::Slot;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Value of a first- or last-seen window: no matching event before this one.
pub const NEVER: u64 = 0;
/// Value of a first- or last-seen window that has not watched for its learning time yet: can't tell.
pub const LEARNING: u64 = 1;
/// Value of a baseline that has not watched for its learning time yet: more than anything, so that nothing exceeds it.
pub const NOT_YET: u64 = u64::MAX;

/// Hits kept for one key. A count never says more than this: it is "at least" from here on.
pub const MAX_HITS: usize = 4_096;
/// Keys kept for one window.
pub const MAX_KEYS: usize = 200_000;
/// Hits (of a baseline: buckets and their distinct values) kept for all keys of one window.
pub const MAX_TOTAL_HITS: usize = 2_000_000;
/// Bytes kept for all windows together, as [`WindowSize::bytes`] estimates them, unless an operator sets another bound.
pub const MAX_TOTAL_BYTES: usize = 1 << 30;
/// How long after its span a hit is still kept for late events (Slack promises no delivery time; re-reads go back 48 h).
pub const LATE_S: u64 = 48 * 3_600;

/// What one window remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSize<'w> {
    pub module: &'w str,
    pub window: &'w str,
    pub keys: usize,
    /// Of a baseline: buckets and their distinct values.
    pub hits: usize,
    /// In memory, estimated from above.
    pub bytes: usize,
}

/// Stubs by their event's number, while rows are loaded: each was saved with every hit, and is shared again.
type Stubs = HashMap<u64, Arc<Stub>>;

/// All windows of all modules in service.
#[derive(Debug)]
pub struct Windows {
    /// Each after those that it refers to.
    slots: Vec<Slot>,
    keys: Keys,
    /// Which windows an action of Slack's catalogue feeds; emptied when a window comes. Names beyond it have no bound, so
    /// they are looked up each time.
    routes: HashMap<Box<str>, Arc<[Route]>>,
    clock: Clock,
    /// Does some window have yet to see its first event?
    unstarted: bool,
    most_bytes: usize,
    loaded: Stubs,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            keys: Keys::default(),
            routes: HashMap::new(),
            clock: Clock::default(),
            unstarted: false,
            most_bytes: MAX_TOTAL_BYTES,
            loaded: Stubs::new(),
        }
    }
}

/// One window that an action feeds.
#[derive(Clone, Copy, Debug)]
struct Route {
    slot: usize,
    /// The steps of a sequence, as bits; otherwise 1.
    steps: u64,
}

/// Newest event time fed, which is what expiry goes by: now, and as of each event since the last settling.
#[derive(Debug, Default)]
struct Clock {
    newest: UnixSeconds,
    settled: UnixSeconds,
    /// Each event that moved it, by its number.
    moved: Vec<(u64, UnixSeconds)>,
}

impl Clock {
    fn see(&mut self, event: &Event) {
        if event.time > self.newest {
            self.newest = event.time;
            self.moved.push((event.seq, event.time));
        }
    }

    fn as_of(&self, seq: u64) -> UnixSeconds {
        let at = self.moved.partition_point(|(moved, _)| *moved <= seq);
        at.checked_sub(1).map_or(self.settled, |at| self.moved[at].1)
    }

    fn settle(&mut self) {
        self.settled = self.newest;
        self.moved.clear();
    }

    fn resume_at(&mut self, newest: UnixSeconds) {
        self.newest = self.newest.max(newest);
        self.settle();
    }
}

/// The different keys that windows have, numbered: many windows share one, whose text an event needs only once.
#[derive(Debug, Default)]
struct Keys {
    list: Vec<Vec<Field>>,
}

impl Keys {
    fn number(&mut self, fields: &[Field]) -> usize {
        self.list.iter().position(|known| known == fields).unwrap_or_else(|| {
            self.list.push(fields.to_vec());
            self.list.len() - 1
        })
    }

    /// The key's text for this event; `None` if any of its fields is empty, for what isn't known can't be grouped by.
    fn text(&self, number: usize, reading: &Reading<'_>) -> WindowKey {
        let mut texts = reading.keys.borrow_mut();
        if texts.len() < self.list.len() {
            texts.resize(self.list.len(), None);
        }
        texts[number].get_or_insert_with(|| row::key_text(&self.list[number], reading)).clone()
    }
}

impl Windows {
    /// Adds a module's windows. Windows already there (same module name and spec) keep their counts. Returns the beginnings of the
    /// keys under which rows of the others may have been saved: they are to be put back before anything is fed.
    pub fn declare(&mut self, module: &str, specs: &[WindowSpec]) -> Vec<Vec<u8>> {
        let (mut positions, mut new) = (Vec::new(), Vec::new());
        for (spec, id) in specs.iter().zip(row::slot_ids(module, specs)) {
            let position = self.slots.iter().position(|slot| slot.id == id).unwrap_or_else(|| {
                self.slots.push(Slot::new(id, module, at_positions(spec, &positions), &mut self.keys));
                new.push(WINDOWS.key(&id));
                self.slots.len() - 1
            });
            positions.push(position);
        }
        self.routes.clear();
        self.unstarted = true;
        new
    }

    /// Forgets every window but those of these modules, for good: the rows to delete.
    pub fn keep_only<'m>(&mut self, modules: impl Iterator<Item = (&'m str, &'m [WindowSpec])>) -> Vec<StateOp> {
        let wanted: HashSet<SlotId> = modules.flat_map(|(module, specs)| row::slot_ids(module, specs)).collect();
        let slots = std::mem::take(&mut self.slots);
        let (mut moved, mut gone) = (Vec::with_capacity(slots.len()), Vec::new());
        for mut slot in slots {
            moved.push(self.slots.len());
            match wanted.contains(&slot.id) {
                true => self.slots.push(slot),
                false => gone.extend(slot.forget()),
            }
        }
        // Whatever refers to a window is kept together with it.
        self.slots.iter_mut().for_each(|slot| slot.spec = Arc::new(at_positions(&slot.spec, &moved)));
        self.routes.clear();
        gone
    }

    /// Sets the bound of all windows together.
    pub fn keep_at_most(&mut self, bytes: usize) {
        self.most_bytes = bytes;
    }

    /// Positions of a module's windows here, in the manifest's order.
    pub fn positions(&self, module: &str, specs: &[WindowSpec]) -> Vec<usize> {
        let position = |id| self.slots.iter().position(|slot| slot.id == id);
        row::slot_ids(module, specs).into_iter().filter_map(position).collect()
    }

    /// Feeds one event to every window it matches. Call before reading its values.
    pub fn feed(&mut self, reading: &Reading<'_>) {
        self.clock.see(reading.event);
        if self.unstarted {
            self.slots.iter_mut().for_each(|slot| slot.start(reading.event));
            self.unstarted = false;
        }
        if !self.loaded.is_empty() {
            self.loaded = Stubs::new();
        }
        self.make_room(reading.event.seq);
        let mut stub = None;
        for route in self.routes(reading.event.action()).iter() {
            let (above, rest) = self.slots.split_at_mut(route.slot);
            let seeing = Seeing { reading, slots: above, keys: &self.keys, newest: self.clock.newest };
            if let Some(slot) = rest.first_mut() {
                slot.feed(&seeing, route.steps, &mut stub);
            }
        }
    }

    /// Keeps all windows within their common bound. The heaviest gives first, a tenth at once.
    fn make_room(&mut self, by: u64) {
        if self.bytes() < self.most_bytes {
            return;
        }
        // The dead first, so that it doesn't matter whether they had been swept out before.
        let newest = self.clock.newest;
        self.slots.iter_mut().for_each(|slot| slot.expire(newest, Some(by)));
        if self.bytes() < self.most_bytes {
            return;
        }
        let most = self.most_bytes - self.most_bytes.div_ceil(10);
        while self.bytes() > most {
            let Some(heaviest) = self.slots.iter_mut().max_by_key(|slot| slot.bytes()) else { return };
            heaviest.shed_a_tenth(by);
        }
    }

    fn bytes(&self) -> usize {
        self.slots.iter().map(Slot::bytes).sum()
    }

    /// The window's value for the event that was fed last.
    pub fn value(&self, position: usize, reading: &Reading<'_>) -> u64 {
        let newest = self.clock.newest;
        let seeing = Seeing { reading, slots: &self.slots, keys: &self.keys, newest };
        self.slots.get(position).map_or(0, |slot| kind::value(slot, &seeing))
    }

    /// The events that made up the value that an event read, oldest first, at most `max` (the newest of them). May be asked
    /// until the changes are taken, also of events that weren't fed last.
    pub fn evidence(&self, position: usize, reading: &Reading<'_>, max: usize) -> Vec<Arc<Stub>> {
        let Some(slot) = self.slots.get(position) else {
            return Vec::new();
        };
        let newest = self.clock.as_of(reading.event.seq);
        let mut stubs = slot.evidence(&Seeing { reading, slots: &self.slots, keys: &self.keys, newest });
        stubs.drain(..stubs.len().saturating_sub(max));
        stubs
    }

    /// Drops what is past its span and the late allowance. Reads ignore it already, so when this runs changes no value.
    pub fn expire(&mut self) {
        let newest = self.clock.newest;
        self.slots.iter_mut().for_each(|slot| slot.expire(newest, None));
    }

    /// Rows changed since the last call. What was dropped since then is forgotten for good, also as evidence.
    pub fn take_changes(&mut self) -> Vec<StateOp> {
        self.clock.settle();
        self.slots.iter_mut().flat_map(Slot::take_changes).collect()
    }

    /// Puts a saved page back. Pages of windows that no module declares any more are left alone: a rollback may want them.
    ///
    /// # Errors
    /// The page can't be read, and changes nothing: what it says was counted or dropped is not known.
    pub fn load(&mut self, page: state::StateRow<'_>) -> Result<(), Forgotten> {
        let id = page.id().split_first_chunk::<8>();
        let (id, _) = id.ok_or_else(|| page.forgotten("its key names no window"))?;
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.id == *id) {
            let newest = slot.load(page, &mut self.loaded)?;
            self.clock.resume_at(newest.unwrap_or_default());
        }
        Ok(())
    }

    /// Sets the newest event time seen, which is saved by the pipeline.
    pub fn resume_at(&mut self, newest: UnixSeconds) {
        self.clock.resume_at(newest);
    }

    /// The newest event time when this event was fed. May be asked until the changes are taken.
    pub fn newest_as_of(&self, seq: u64) -> UnixSeconds {
        self.clock.as_of(seq)
    }

    pub fn newest(&self) -> UnixSeconds {
        self.clock.newest
    }

    /// What the state weighs.
    pub fn sizes(&self) -> Vec<WindowSize<'_>> {
        self.slots.iter().map(Slot::size).collect()
    }

    fn routes(&mut self, action: &str) -> Arc<[Route]> {
        if let Some(routes) = self.routes.get(action) {
            return routes.clone();
        }
        let route = |(slot, steps)| Route { slot, steps };
        let fed = self.slots.iter().enumerate().map(|(at, slot)| (at, steps_of(&slot.spec, action)));
        let routes: Arc<[Route]> = fed.filter(|(_, steps)| *steps != 0).map(route).collect();
        if catalogue::is_action(action) {
            self.routes.insert(action.into(), routes.clone());
        }
        routes
    }
}

/// Tells a module's windows from all others: who declared them, and what exactly each counts.
pub fn identities(module: &str, specs: &[WindowSpec]) -> Vec<u8> {
    row::slot_ids(module, specs).concat()
}

/// An event and what windows go by when they look at it.
struct Seeing<'s, 'e> {
    reading: &'s Reading<'e>,
    /// The windows that may be referred to.
    slots: &'s [Slot],
    keys: &'s Keys,
    newest: UnixSeconds,
}

/// The spec with the windows it refers to by their positions here instead of in the manifest.
fn at_positions(spec: &WindowSpec, positions: &[usize]) -> WindowSpec {
    let mut spec = spec.clone();
    let mut tests: Vec<_> = spec.when.windows.iter_mut().collect();
    if let WindowKind::Sequence { steps } = &mut spec.kind {
        tests.extend(steps.iter_mut().flat_map(|step| &mut step.when.windows));
    }
    tests.into_iter().for_each(|test| test.window = positions[test.window]);
    spec
}

/// The steps of a window that an action may take, as bits. A window of another kind is one step.
fn steps_of(spec: &WindowSpec, action: &str) -> u64 {
    let matches = |patterns: &[String]| patterns.iter().any(|p| catalogue::pattern_matches(p, action));
    match &spec.kind {
        WindowKind::Sequence { steps } => {
            steps.iter().enumerate().filter(|(_, step)| matches(&step.actions)).map(|(i, _)| 1 << i).sum()
        }
        _ => u64::from(matches(&spec.actions)),
    }
}

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
