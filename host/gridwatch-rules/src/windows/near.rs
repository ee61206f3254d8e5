//! Near: the hits of a window that share a stretch of its span with an event, and the best such stretch.

use super::table::RowId;
use gridwatch_event::time::UnixSeconds;

/// A hit as one window sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NearHit {
    pub(super) time: UnixSeconds,
    pub(super) seq: u64,
    pub(super) row: RowId,
    /// Distinct, turns: hash of the value. Sequence: the steps it takes, as bits. Travel: the place.
    pub(super) tag: u64,
}

impl NearHit {
    pub(super) fn order(&self) -> (UnixSeconds, u64) {
        (self.time, self.seq)
    }
}

/// The hits that share a stretch of `span_s` seconds with the time asked about, in order.
pub(super) struct Near {
    pub(super) hits: Vec<NearHit>,
    pub(super) at: UnixSeconds,
    pub(super) span_s: u64,
}

impl Near {
    /// The most hits in any stretch that contains the time.
    pub(super) fn densest(&self) -> &[NearHit] {
        self.best_run(|hits, start, end| (end - start).min(hits.len()))
    }

    /// Two pointers: for each start, as many hits as fit into the span and still contain the time. More hits never weigh less: where none comes
    /// after the time, as in the usual order, that is all of them.
    pub(super) fn best_run(&self, mut weigh: impl FnMut(&[NearHit], usize, usize) -> usize) -> &[NearHit] {
        let hits = &self.hits;
        if hits.last().is_none_or(|last| last.time <= self.at) {
            return hits;
        }
        let (mut best, mut most, mut end) = (&hits[..0], 0, 0);
        // A stretch that starts after the time doesn't contain it; one may start with it.
        let until = hits.partition_point(|h| h.time <= self.at);
        for start in 0..=until.min(hits.len().saturating_sub(1)) {
            let from = hits.get(start).map_or(self.at, |h| h.time).min(self.at);
            while end < hits.len() && hits[end].time < from.plus(self.span_s) {
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
