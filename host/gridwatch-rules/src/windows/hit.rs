//! Hits: the events that a window remembers one by one under a key, and the densest stretch of them.

use super::LATE_S;
use super::journal::JournalRow;
use super::kind::{Gone, Size};
use super::row;
use super::slot::cost;
use crate::stub::Stub;
use gridwatch_event::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Hit {
    /// Distinct: hash of the value. Sequence: bit set of the steps it takes. Travel: the place.
    pub(super) tag: u64,
    pub(super) stub: Arc<Stub>,
    /// For the steps of a sequence that count distinct values: (step, hash of the value).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) of: Vec<(u8, u64)>,
}

/// What happens to a key's hits when there are too many: each kind says.
pub(super) struct Keep {
    /// Are there too many, now that this one came?
    pub(super) is_over: fn(&VecDeque<Hit>, &Hit) -> bool,
    /// Takes out of too many what goes first.
    pub(super) thin: fn(&mut VecDeque<Hit>, &Hit, &mut Vec<Hit>),
}

/// The hits of one key, in order of (time, seq).
#[derive(Debug, Default)]
pub(super) struct Hits {
    hits: VecDeque<Hit>,
    /// See [`cost::of_hit`].
    bytes: usize,
}

impl Deref for Hits {
    type Target = VecDeque<Hit>;

    fn deref(&self) -> &VecDeque<Hit> {
        &self.hits
    }
}

impl IntoIterator for Hits {
    type Item = Hit;
    type IntoIter = std::collections::vec_deque::IntoIter<Hit>;

    fn into_iter(self) -> Self::IntoIter {
        self.hits.into_iter()
    }
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

impl Hits {
    /// Puts a hit in its place. One that is there already is replaced: rows may be loaded twice.
    pub(super) fn insert(&mut self, hit: Hit) {
        self.bytes += cost::of_hit(&hit);
        let at = self.hits.partition_point(|h| h.order() < hit.order());
        match self.hits.get_mut(at).filter(|h| h.order() == hit.order()) {
            Some(same) => self.bytes -= cost::of_hit(&std::mem::replace(same, hit)),
            None => self.hits.insert(at, hit),
        }
    }

    /// Takes out what one key may not keep after `added` came. The dead go first, so that it doesn't matter whether they had
    /// been swept out before.
    pub(super) fn overflow(&mut self, added: &Hit, keep: &Keep, span_s: u64, newest: UnixSeconds) -> Vec<Hit> {
        let (mut gone, hits) = (Vec::new(), &mut self.hits);
        if (keep.is_over)(hits, added) {
            while let Some(dead) = hits.pop_front_if(|h| h.is_dead(span_s, newest)) {
                gone.push(dead);
            }
            if (keep.is_over)(hits, added) {
                (keep.thin)(hits, added, &mut gone);
            }
        }
        self.bytes -= gone.iter().map(cost::of_hit).sum::<usize>();
        gone
    }

    /// Drops what is past its span and the late allowance. `false` if nothing is left.
    pub(super) fn expire(&mut self, key: &str, span_s: u64, newest: UnixSeconds, gone: &mut Gone) -> bool {
        while let Some(hit) = self.hits.pop_front_if(|h| h.is_dead(span_s, newest)) {
            self.bytes -= cost::of_hit(&hit);
            gone.rows.push((row::hit_row(&row::key_row(key), &hit), Ok(None)));
            gone.hits.push(hit);
        }
        !self.hits.is_empty()
    }

    /// A saved row was deleted after an earlier page had it. `false` if nothing is left.
    pub(super) fn take_out(&mut self, time: UnixSeconds, seq: u64) -> bool {
        let at = self.hits.binary_search_by_key(&(time, seq), Hit::order);
        let hit = at.ok().and_then(|at| self.hits.remove(at));
        self.bytes -= hit.as_ref().map_or(0, cost::of_hit);
        !self.hits.is_empty()
    }

    pub(super) fn rows(&self, key: &str) -> Vec<JournalRow> {
        let row = row::key_row(key);
        self.hits.iter().map(|hit| (row::hit_row(&row, hit), row::saying(hit))).collect()
    }

    pub(super) fn size(&self) -> Size {
        Size { weight: self.hits.len(), bytes: self.bytes }
    }

    /// When the newest was, in event time.
    pub(super) fn last(&self) -> UnixSeconds {
        self.hits.back().map_or(UnixSeconds(0), |hit| hit.stub.time)
    }
}

/// Takes out the oldest hits that may go, at most so many. Whether one may is asked of the newest first.
pub(super) fn drop_oldest(
    hits: &mut VecDeque<Hit>,
    most: usize,
    gone: &mut Vec<Hit>,
    mut may_go: impl FnMut(&Hit) -> bool,
) {
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

    /// Two pointers: for each start, as many hits as fit into the span and still contain the time.
    pub(super) fn best_run(&self, mut weigh: impl FnMut(&[&'k Hit], usize, usize) -> usize) -> &[&'k Hit] {
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
