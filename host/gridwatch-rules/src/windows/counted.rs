//! Counted: what `distinct` windows said when they were counted last, so that a flood isn't counted again with each of its events.
//!
//! In the usual order a stretch gains hits at one end and loses them at the other. So the count of before, with how many came and went since, is
//! a bound on both sides; and of the few keys with many hits the values are kept, to which the new ones are added and from which the old ones
//! are taken. It is a cache of fixed size, and changes no answer.

use super::table::{Hashed, Key};
use gridwatch_event::time::UnixSeconds;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;

/// Of 64 bytes each.
const SLOTS: usize = 1 << 15;
/// Keys whose values are kept.
const RUNS: usize = 32;
/// Hits from which on they are.
const MANY: usize = 256;

#[derive(Debug)]
pub(super) struct Counted {
    pub(super) many: usize,
    last: RefCell<Vec<Option<Count>>>,
    /// Those that were asked last come last.
    runs: RefCell<Vec<Run>>,
}

impl Default for Counted {
    fn default() -> Self {
        Self { many: MANY, last: RefCell::default(), runs: RefCell::default() }
    }
}

/// A window under one key.
pub(super) type Place = (u32, Key);

#[derive(Clone, Copy, Debug)]
pub(super) struct Count {
    pub(super) values: u64,
    /// Hits in the stretch, at most.
    pub(super) hits: u64,
    /// How many hits the key had ever had: see [`super::table::Table::pushed`].
    pub(super) pushed: u64,
    place: Place,
}

impl Counted {
    pub(super) fn clear(&mut self) {
        self.last.get_mut().clear();
        self.runs.get_mut().clear();
    }

    /// The least and the most that it can be, with so many hits in the stretch, where that is known.
    pub(super) fn bounds(&self, place: Place, hits: u64, pushed: u64) -> Option<(u64, u64)> {
        let last = self.last.borrow();
        let last = (*last.get(slot(place))?).filter(|last| last.place == place)?;
        let came = pushed.checked_sub(last.pushed)?;
        let went = (last.hits + came).saturating_sub(hits);
        Some((last.values.saturating_sub(went), last.values + came))
    }

    pub(super) fn note(&self, place: Place, (values, hits): (u64, u64), pushed: u64) {
        let mut last = self.last.borrow_mut();
        if last.is_empty() {
            last.resize(SLOTS, None);
        }
        last[slot(place)] = Some(Count { values, hits, pushed, place });
    }

    /// Counts the stretch of this span that ends now. `from` gives the hits that have come since an event, in order, or all of the stretch.
    pub(super) fn count(
        &self,
        place: Place,
        (seq, pushed): (u64, u64),
        (now, span_s): (UnixSeconds, u64),
        from: impl Fn(Option<u64>) -> Vec<(UnixSeconds, u64)>,
    ) -> u64 {
        let mut runs = self.runs.borrow_mut();
        let known = runs.iter().position(|run| run.place == place).map(|at| runs.remove(at));
        let mut run = known.filter(|run| run.stay == stay(pushed)).unwrap_or_else(|| Run::new(place, stay(pushed)));
        run.add(from(run.seq));
        run.seq = Some(seq);
        run.lose(now, span_s);
        let values = run.counts.len() as u64;
        if runs.len() >= RUNS {
            runs.remove(0);
        }
        runs.push(run);
        values
    }
}

/// Another one where a key has come anew, lost hits that may be in a stretch, or got one that isn't its last.
fn stay(pushed: u64) -> u64 {
    pushed >> 32
}

/// The values of a stretch.
#[derive(Debug)]
struct Run {
    place: Place,
    stay: u64,
    /// The event that it was counted for.
    seq: Option<u64>,
    hits: VecDeque<(UnixSeconds, u64)>,
    counts: HashMap<u64, u32, BuildHasherDefault<Hashed>>,
}

impl Run {
    fn new(place: Place, stay: u64) -> Self {
        Self { place, stay, seq: None, hits: VecDeque::new(), counts: HashMap::default() }
    }

    fn add(&mut self, hits: Vec<(UnixSeconds, u64)>) {
        for (time, value) in hits {
            *self.counts.entry(value).or_default() += 1;
            self.hits.push_back((time, value));
        }
    }

    fn lose(&mut self, now: UnixSeconds, span_s: u64) {
        while let Some((_, value)) = self.hits.pop_front_if(|(time, _)| time.plus(span_s) <= now) {
            if let Some(count) = self.counts.get_mut(&value) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&value);
                }
            }
        }
    }
}

fn slot((window, key): Place) -> usize {
    (key as u64 ^ u64::from(window).wrapping_mul(0x9e37_79b9_7f4a_7c15)) as usize % SLOTS
}
