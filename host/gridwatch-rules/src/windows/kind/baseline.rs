//! `baseline`: how much of something a key usually does in an hour or a day.
//!
//! Only buckets in which the key did anything are kept and counted, so "usual" is what it does when it does it at all.

use crate::windows::member::Window;
use crate::windows::{LATE_S, NOT_YET, Seeing};
use gridwatch_event::time::UnixSeconds;
use std::collections::{BTreeMap, BTreeSet};

/// Distinct values kept of a bucket. Its count never says more than this.
const MAX_VALUES: usize = 1_024;

pub(in crate::windows) fn value(window: &Window, percentile: u8, seeing: &Seeing<'_, '_>) -> u64 {
    let (event, key) = (seeing.event(), seeing.read_key(window));
    if window.watched_s(event) < window.spec.learn_s {
        return NOT_YET;
    }
    let held = key.and_then(|key| seeing.table.get(key)?.buckets_of(window.members[0]));
    held.map_or(0, |buckets| buckets.usual(percentile, event.time, seeing.newest))
}

/// How buckets are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::windows) struct Cut {
    pub(in crate::windows) bucket_s: u64,
    pub(in crate::windows) span_s: u64,
}

/// What one key did, by number of the bucket since 1970.
#[derive(Debug)]
pub(in crate::windows) struct Buckets {
    pub(in crate::windows) cut: Cut,
    pub(in crate::windows) buckets: BTreeMap<u64, Bucket>,
    /// Buckets and values.
    weight: usize,
}

#[derive(Debug, Default)]
pub(in crate::windows) struct Bucket {
    pub(in crate::windows) count: u64,
    /// Distinct values, until the bucket is closed and `count` stands for them.
    pub(in crate::windows) values: BTreeSet<u64>,
}

impl Cut {
    fn bucket(&self, time: UnixSeconds) -> u64 {
        time.0 / self.bucket_s
    }

    /// Nothing is counted into it any more: later than this, events aren't waited for.
    fn closes(&self, bucket: u64) -> UnixSeconds {
        self.end(bucket).plus(LATE_S)
    }

    fn dies(&self, bucket: u64) -> UnixSeconds {
        self.end(bucket).plus(self.span_s.saturating_add(LATE_S))
    }

    fn end(&self, bucket: u64) -> UnixSeconds {
        UnixSeconds(bucket.saturating_add(1).saturating_mul(self.bucket_s))
    }
}

impl Bucket {
    fn count(&self) -> u64 {
        self.count.max(self.values.len() as u64)
    }
}

impl Buckets {
    pub(in crate::windows) fn new(cut: Cut) -> Self {
        Self { cut, buckets: BTreeMap::new(), weight: 0 }
    }

    pub(in crate::windows) fn weight(&self) -> usize {
        self.weight
    }

    /// Counts one event, or one value. Of a bucket that it begins: when something of it will be lost.
    pub(in crate::windows) fn feed(
        &mut self,
        time: UnixSeconds,
        value: Option<u64>,
        newest: UnixSeconds,
    ) -> Option<UnixSeconds> {
        let (cut, at) = (self.cut, self.cut.bucket(time));
        if cut.closes(at) < newest {
            return None;
        }
        let before = self.weight;
        let bucket = self.buckets.entry(at).or_insert_with(|| {
            self.weight += 1;
            Bucket::default()
        });
        match value {
            None => bucket.count += 1,
            Some(value) => {
                let is_new = bucket.values.len() < MAX_VALUES && bucket.values.insert(value);
                let is_first = self.weight > before;
                self.weight += usize::from(is_new);
                return is_first.then(|| cut.closes(at));
            }
        }
        (self.weight > before).then(|| cut.dies(at))
    }

    /// A bucket as it was saved.
    pub(in crate::windows) fn put(&mut self, at: u64, bucket: Bucket) {
        self.weight += 1 + bucket.values.len();
        self.buckets.insert(at, bucket);
    }

    /// The percentile (nearest rank) of the buckets of a span before the time's own; 0 if there are none.
    fn usual(&self, percentile: u8, time: UnixSeconds, newest: UnixSeconds) -> u64 {
        let (cut, own) = (self.cut, self.cut.bucket(time));
        let span = own.saturating_sub(cut.span_s / cut.bucket_s)..own;
        let alive = self.buckets.range(span).filter(|(at, _)| cut.dies(**at) >= newest);
        let mut counts: Vec<u64> = alive.map(|(_, bucket)| bucket.count()).collect();
        counts.sort_unstable();
        let rank = (counts.len() * usize::from(percentile)).div_ceil(100);
        rank.checked_sub(1).map_or(0, |at| counts[at])
    }

    /// Forgets the dead, and the values of the closed. `false` if nothing is left.
    pub(in crate::windows) fn expire(&mut self, newest: UnixSeconds) -> bool {
        let cut = self.cut;
        while let Some(first) = self.buckets.first_entry().filter(|first| cut.dies(*first.key()) < newest) {
            self.weight -= 1 + first.remove().values.len();
        }
        for (_, bucket) in self.buckets.iter_mut().take_while(|(at, _)| cut.closes(**at) < newest) {
            let values = std::mem::take(&mut bucket.values);
            bucket.count = bucket.count.max(values.len() as u64);
            self.weight -= values.len();
        }
        !self.buckets.is_empty()
    }

    /// When the next of it will be lost.
    pub(in crate::windows) fn next_loss(&self) -> UnixSeconds {
        let dies = self.buckets.keys().next().map(|first| self.cut.dies(*first));
        let open = self.buckets.iter().find(|(_, bucket)| !bucket.values.is_empty());
        dies.into_iter().chain(open.map(|(at, _)| self.cut.closes(*at))).min().unwrap_or_default()
    }
}
