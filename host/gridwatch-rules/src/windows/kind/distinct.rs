//! `distinct`: the different texts of a field in such a stretch of the span that has the most of them.

use crate::windows::Seeing;
use crate::windows::member::Window;
use crate::windows::near::{Near, NearHit};
use std::collections::{HashMap, HashSet};

pub(in crate::windows) fn value((position, window): (usize, &Window), seeing: &Seeing<'_, '_>) -> u64 {
    let Some(key) = seeing.read_key(window) else { return 0 };
    if !seeing.is_last(key, &window.members) {
        return distinct(most_values(&near(window, seeing, key)).iter());
    }
    // In the usual order no stretch has more than the last one, which is all that is near.
    let hits = seeing.most(key, window.members[0], window.spec.span_s);
    let (place, pushed, event) = ((position as u32, key), seeing.table.pushed(key), seeing.event());
    let values = match hits < seeing.counted.many {
        true => distinct(near(window, seeing, key).hits.iter()),
        false => seeing.counted.count(place, (event.seq, pushed), (event.time, window.spec.span_s), |seq| {
            seeing.values_since(window, key, seq)
        }),
    };
    seeing.counted.note(place, (values, hits as u64), pushed);
    values
}

/// The least and the most that it can be with so many hits, by when it was counted last.
pub(in crate::windows) fn bounds(
    (position, window): (usize, &Window),
    hits: u64,
    seeing: &Seeing<'_, '_>,
) -> (u64, u64) {
    let key = seeing.read_key(window).filter(|key| seeing.is_last(*key, &window.members));
    let known = key.and_then(|key| seeing.counted.bounds((position as u32, key), hits, seeing.table.pushed(key)));
    let (least, most) = known.unwrap_or((0, hits));
    (least, most.min(hits))
}

/// One hit for each value, the newest: of the `max` newest values.
pub(in crate::windows) fn evidence(window: &Window, seeing: &Seeing<'_, '_>, max: usize) -> Vec<NearHit> {
    let Some(key) = seeing.read_key(window) else { return Vec::new() };
    let near = near(window, seeing, key);
    let mut seen = HashSet::new();
    let mut newest: Vec<NearHit> =
        most_values(&near).iter().rev().filter(|hit| seen.insert(hit.tag)).take(max).copied().collect();
    newest.reverse();
    newest
}

fn near(window: &Window, seeing: &Seeing<'_, '_>, key: u128) -> Near {
    let column = window.columns[0];
    seeing.near(window, key, |_, row| row.value(column?))
}

/// The stretch with the most distinct values of those that contain the time.
fn most_values(near: &Near) -> &[NearHit] {
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
    fn of(&mut self, hits: &[NearHit], start: usize, end: usize) -> usize {
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

fn distinct<'h>(hits: impl Iterator<Item = &'h NearHit>) -> u64 {
    let mut values: Vec<u64> = hits.map(|hit| hit.tag).collect();
    values.sort_unstable();
    values.dedup();
    values.len() as u64
}
