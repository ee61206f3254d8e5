//! Hits: the events that a window remembers one by one under a key, and the densest stretch of them.

use super::{LATE_S, MAX_HITS};
use crate::stub::Stub;
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::MAX_AT_LEAST;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// When a step of a sequence has more hits than it can ask for, so many go at once: finding them costs a look at all hits.
const STEP_DROPPED_AT_ONCE: usize = MAX_AT_LEAST as usize / 8;
/// Hits kept for one key of one step of a sequence, never fewer than a step can ask for.
const MAX_STEP_HITS: usize = MAX_AT_LEAST as usize + STEP_DROPPED_AT_ONCE;
/// Sightings kept for one key of a travel window, which asks for neighbours only.
const MAX_SIGHTINGS: usize = 256;
/// When a key is full of repetitions, so many go at once: finding them costs a look at all hits.
const DROPPED_AT_ONCE: usize = MAX_HITS / 8;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Hit {
    /// Distinct: hash of the value. Sequence: bit set of the steps it takes. Travel: the place.
    pub(super) tag: u64,
    pub(super) stub: Arc<Stub>,
    /// For the steps of a sequence that count distinct values: (step, hash of the value).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) of: Vec<(u8, u64)>,
}

/// What happens to a key's hits when there are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    Newest,
    /// The newest, but repetitions of a value go before the only hit of one: who looks at one file a thousand times must
    /// not push out the nine others.
    Values,
    /// The newest of each step, repetitions first.
    Steps,
    Sightings,
}

impl Hit {
    pub(super) fn order(&self) -> (UnixSeconds, u64) {
        (self.stub.time, self.stub.seq)
    }

    /// Past its span and the late allowance: no value depends on it any more.
    pub(super) fn is_dead(&self, span_s: u64, newest: UnixSeconds) -> bool {
        is_dead(self.stub.time, span_s, newest)
    }
}

pub(super) fn is_dead(time: UnixSeconds, span_s: u64, newest: UnixSeconds) -> bool {
    time.plus(span_s.saturating_add(LATE_S)) < newest
}

/// Puts a hit in its place. One that is there already is replaced: rows may be loaded twice.
pub(super) fn insert(hits: &mut VecDeque<Hit>, hit: Hit) -> bool {
    let at = hits.partition_point(|h| h.order() < hit.order());
    match hits.get_mut(at).filter(|h| h.order() == hit.order()) {
        Some(same) => {
            *same = hit;
            false
        }
        None => {
            hits.insert(at, hit);
            true
        }
    }
}

/// Takes out what one key may not keep after `added` came. The dead go first, so that it doesn't matter whether they had
/// been swept out before.
pub(super) fn overflow(
    hits: &mut VecDeque<Hit>,
    added: &Hit,
    keep: Keep,
    span_s: u64,
    newest: UnixSeconds,
) -> Vec<Hit> {
    let is_over = |hits: &VecDeque<Hit>| match keep {
        Keep::Newest | Keep::Values => hits.len() > MAX_HITS,
        Keep::Steps => {
            hits.len() > MAX_STEP_HITS
                && (hits.len() > MAX_HITS || hits.iter().filter(|h| h.tag == added.tag).count() > MAX_STEP_HITS)
        }
        Keep::Sightings => hits.len() > MAX_SIGHTINGS,
    };
    let mut gone = Vec::new();
    if !is_over(hits) {
        return gone;
    }
    while let Some(dead) = hits.pop_front_if(|h| h.is_dead(span_s, newest)) {
        gone.push(dead);
    }
    if !is_over(hits) {
        return gone;
    }
    match keep {
        Keep::Newest | Keep::Sightings => gone.extend(hits.pop_front()),
        Keep::Values => {
            drop_repeated_values(hits, &mut gone);
            if is_over(hits) {
                gone.extend(hits.pop_front());
            }
        }
        Keep::Steps => {
            if hits.len() > MAX_HITS {
                gone.extend(hits.pop_front());
            } else {
                drop_of_step(hits, added.tag, &mut gone);
            }
        }
    }
    gone
}

/// The oldest hits of values that stand again later.
fn drop_repeated_values(hits: &mut VecDeque<Hit>, gone: &mut Vec<Hit>) {
    let mut later = HashSet::new();
    drop_oldest(hits, DROPPED_AT_ONCE, gone, |hit| !later.insert(hit.tag));
}

/// The oldest hits of a step, those first whose values stand again later.
fn drop_of_step(hits: &mut VecDeque<Hit>, tag: u64, gone: &mut Vec<Hit>) {
    let before = gone.len();
    let mut later = HashSet::new();
    let is_repeated = |hit: &Hit| hit.tag == tag && !hit.of.is_empty() && !later.insert(hit.of.clone());
    drop_oldest(hits, STEP_DROPPED_AT_ONCE, gone, is_repeated);
    let left = STEP_DROPPED_AT_ONCE - (gone.len() - before);
    drop_oldest(hits, left, gone, |hit| hit.tag == tag);
}

/// Takes out the oldest hits that may go, at most so many. Whether one may is asked of the newest first.
fn drop_oldest(hits: &mut VecDeque<Hit>, most: usize, gone: &mut Vec<Hit>, mut may_go: impl FnMut(&Hit) -> bool) {
    let newest_first: Vec<bool> = hits.iter().rev().map(&mut may_go).collect();
    let (mut may_go, mut left) = (newest_first.into_iter().rev(), most);
    hits.retain(|hit| {
        let goes = may_go.next() == Some(true) && left > 0;
        if goes {
            left -= 1;
            gone.push(hit.clone());
        }
        !goes
    });
}

/// The hits that share a stretch of `span_s` seconds with the time asked about, and the best such stretch.
pub(super) struct Near<'k> {
    /// In order.
    pub(super) hits: Vec<&'k Hit>,
    pub(super) at: UnixSeconds,
    pub(super) span_s: u64,
}

impl<'k> Near<'k> {
    /// `hits` in order; those of events after `seq`, and the dead, are left out.
    pub(super) fn of(
        hits: impl Iterator<Item = &'k Hit>,
        (at, seq): (UnixSeconds, u64),
        span_s: u64,
        newest: UnixSeconds,
    ) -> Self {
        let near = |h: &&Hit| {
            let time = h.stub.time;
            h.stub.seq <= seq && time.plus(span_s) > at && time < at.plus(span_s) && !h.is_dead(span_s, newest)
        };
        Self { hits: hits.filter(near).collect(), at, span_s }
    }

    /// The most hits in any stretch that contains the time.
    pub(super) fn densest(&self) -> &[&'k Hit] {
        self.best_run(|hits, start, end| (end - start).min(hits.len()))
    }

    /// The most distinct values in any stretch that contains the time.
    pub(super) fn most_values(&self) -> (usize, &[&'k Hit]) {
        let mut values = Values::default();
        let run = self.best_run(|hits, start, end| values.of(hits, start, end));
        (distinct(run.iter().map(|h| h.tag)), run)
    }

    /// Two pointers: for each start, as many hits as fit into the span and still contain the time.
    fn best_run(&self, mut weigh: impl FnMut(&[&'k Hit], usize, usize) -> usize) -> &[&'k Hit] {
        let hits = &self.hits;
        let (mut best, mut most, mut end) = (&hits[..0], 0, 0);
        // A stretch that starts after the time doesn't contain it; one may start with it.
        let until = hits.partition_point(|h| h.stub.time <= self.at);
        for start in 0..=until.min(hits.len().saturating_sub(1)) {
            let from = hits.get(start).map_or(self.at, |h| h.stub.time).min(self.at);
            while end < hits.len() && hits[end].stub.time < from.plus(self.span_s) {
                end += 1;
            }
            let weight = if end > start { weigh(hits, start, end) } else { 0 };
            if weight > most {
                (best, most) = (&hits[start..end], weight);
            }
        }
        best
    }
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

pub(super) fn distinct(values: impl Iterator<Item = u64>) -> usize {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.dedup();
    values.len()
}
