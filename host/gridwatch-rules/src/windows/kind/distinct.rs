//! `distinct`: the different texts of a field in such a stretch of the span that has the most of them.

use crate::windows::hit::{Hit, Keep, Near, drop_oldest};
use crate::windows::slot::{Fed, Slot};
use crate::windows::{MAX_HITS, Seeing, row};
use gridwatch_manifest::Field;
use std::collections::{HashMap, HashSet, VecDeque};

/// When a key is full of repetitions, so many go at once: finding them costs a look at all hits.
const DROPPED_AT_ONCE: usize = MAX_HITS / 8;

/// The newest, but repetitions of a value go before the only hit of one: who looks at one file a thousand times must not push out
/// the nine others.
const KEEP: Keep = Keep {
    is_over: |hits, _| hits.len() > MAX_HITS,
    thin: |hits, _, gone| {
        drop_repeated_values(hits, gone);
        if hits.len() > MAX_HITS {
            gone.extend(hits.pop_front());
        }
    },
};

pub(super) fn feed(slot: &mut Slot, fed: &mut Fed<'_, '_, '_>, of: &Field) {
    let text = fed.seeing.reading.text(of);
    if let Some(key) = slot.fed_key(fed.seeing).filter(|_| !text.is_empty()) {
        slot.add_hit(&key, fed.hit(row::hash(&text), Vec::new()), &KEEP, fed.seeing);
    }
}

pub(super) fn value(slot: &Slot, seeing: &Seeing<'_, '_>) -> u64 {
    slot.read_text(seeing).map_or(0, |key| {
        let near = slot.near(&key, seeing);
        distinct(most_values(&near).iter().map(|hit| hit.tag)) as u64
    })
}

/// One hit for each value: the newest.
pub(super) fn evidence<'s>(slot: &'s Slot, seeing: &Seeing<'_, '_>) -> Vec<&'s Hit> {
    let Some(key) = slot.read_text(seeing) else { return Vec::new() };
    let near = slot.near(&key, seeing);
    let mut seen = HashSet::new();
    let mut newest: Vec<&Hit> = most_values(&near).iter().rev().filter(|hit| seen.insert(hit.tag)).copied().collect();
    newest.reverse();
    newest
}

/// The stretch with the most distinct values of those that contain the time.
fn most_values<'n, 'k>(near: &'n Near<'k>) -> &'n [&'k Hit] {
    let mut values = Values::default();
    near.best_run(|hits, start, end| values.of(hits, start, end))
}

/// Distinct values of a run whose ends only move forward.
#[derive(Default)]
struct Values {
    counts: HashMap<u64, usize>,
    start: usize,
    end: usize,
}

impl Values {
    fn of(&mut self, hits: &[&Hit], start: usize, end: usize) -> usize {
        for hit in &hits[self.end..end.max(self.end)] {
            *self.counts.entry(hit.tag).or_default() += 1;
        }
        for hit in &hits[self.start..start] {
            if let Some(count) = self.counts.get_mut(&hit.tag) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&hit.tag);
                }
            }
        }
        (self.start, self.end) = (start, end.max(self.end));
        self.counts.len()
    }
}

fn distinct(values: impl Iterator<Item = u64>) -> usize {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.dedup();
    values.len()
}

/// The oldest hits of values that stand again later.
fn drop_repeated_values(hits: &mut VecDeque<Hit>, gone: &mut Vec<Hit>) {
    let mut later = HashSet::new();
    drop_oldest(hits, DROPPED_AT_ONCE, gone, |hit| !later.insert(hit.tag));
}
