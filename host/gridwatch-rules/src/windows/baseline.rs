//! Baselines: how much of something a key does in an hour or a day.
//!
//! Only buckets in which the key did anything are kept and counted, so "usual" is what it does when it does it at all.

use super::LATE_S;
use gridwatch_event::time::UnixSeconds;
use std::collections::{BTreeMap, BTreeSet};

/// Distinct values kept of a bucket. Its count never says more than this.
const MAX_VALUES: usize = 1_024;

/// How a window's buckets are cut and read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) bucket_s: u64,
    pub(super) span_s: u64,
    pub(super) percentile: u8,
}

/// What one key did, by number of the bucket since 1970.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    buckets: BTreeMap<u64, Bucket>,
}

#[derive(Debug, Default)]
struct Bucket {
    count: u64,
    /// Distinct values, until the bucket is closed and `count` stands for them.
    values: BTreeSet<u64>,
}

/// A row to be saved, or deleted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Count { bucket: u64, count: Option<u64> },
    Value { bucket: u64, value: u64, is_there: bool },
}

impl Change {
    /// The same row, deleted.
    pub(super) fn gone(&self) -> Self {
        match *self {
            Self::Count { bucket, .. } => Self::Count { bucket, count: None },
            Self::Value { bucket, value, .. } => Self::Value { bucket, value, is_there: false },
        }
    }

    /// Does it take away a bucket or a value?
    pub(super) fn is_loss(&self) -> bool {
        matches!(self, Self::Count { count: None, .. } | Self::Value { is_there: false, .. })
    }
}

impl Cut {
    pub(super) fn bucket(&self, time: UnixSeconds) -> u64 {
        time.0 / self.bucket_s
    }

    /// Nothing is counted into it any more: later than this, events aren't waited for.
    fn is_closed(&self, bucket: u64, newest: UnixSeconds) -> bool {
        self.end(bucket).plus(LATE_S) < newest
    }

    fn is_dead(&self, bucket: u64, newest: UnixSeconds) -> bool {
        self.end(bucket).plus(self.span_s.saturating_add(LATE_S)) < newest
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
    /// Counts one event, or one value; says what to save.
    pub(super) fn feed(
        &mut self,
        cut: Cut,
        time: UnixSeconds,
        value: Option<u64>,
        newest: UnixSeconds,
    ) -> Option<Change> {
        let at = cut.bucket(time);
        if cut.is_closed(at, newest) {
            return None;
        }
        let bucket = self.buckets.entry(at).or_default();
        match value {
            None => {
                bucket.count += 1;
                Some(Change::Count { bucket: at, count: Some(bucket.count) })
            }
            Some(value) => {
                let is_new = bucket.values.len() < MAX_VALUES && bucket.values.insert(value);
                is_new.then_some(Change::Value { bucket: at, value, is_there: true })
            }
        }
    }

    /// The percentile (nearest rank) of the buckets of a span before the time's own; 0 if there are none.
    pub(super) fn usual(&self, cut: Cut, time: UnixSeconds, newest: UnixSeconds) -> u64 {
        let own = cut.bucket(time);
        let span = own.saturating_sub(cut.span_s / cut.bucket_s)..own;
        let alive = self.buckets.range(span).filter(|(at, _)| !cut.is_dead(**at, newest));
        let mut counts: Vec<u64> = alive.map(|(_, bucket)| bucket.count()).collect();
        counts.sort_unstable();
        let rank = (counts.len() * usize::from(cut.percentile)).div_ceil(100);
        rank.checked_sub(1).map_or(0, |at| counts[at])
    }

    /// Forgets the dead, and the values of the closed; says what to delete and save.
    pub(super) fn expire(&mut self, cut: Cut, newest: UnixSeconds) -> Vec<Change> {
        let mut changes = Vec::new();
        for (at, bucket) in self.buckets.iter_mut().filter(|(at, _)| cut.is_closed(**at, newest)) {
            let values = std::mem::take(&mut bucket.values);
            if !values.is_empty() {
                bucket.count = values.len() as u64;
                changes.push(Change::Count { bucket: *at, count: Some(bucket.count) });
                changes.extend(values.into_iter().map(|value| Change::Value { bucket: *at, value, is_there: false }));
            }
        }
        self.buckets.retain(|at, _| {
            let dead = cut.is_dead(*at, newest);
            if dead {
                changes.push(Change::Count { bucket: *at, count: None });
            }
            !dead
        });
        changes
    }

    /// All of it as rows.
    pub(super) fn rows(&self) -> Vec<Change> {
        let counts = self.buckets.iter().map(|(at, bucket)| Change::Count { bucket: *at, count: Some(bucket.count) });
        let values = self.buckets.iter().flat_map(|(at, bucket)| {
            bucket.values.iter().map(|value| Change::Value { bucket: *at, value: *value, is_there: true })
        });
        counts.chain(values).collect()
    }

    pub(super) fn load(&mut self, change: &Change) {
        match *change {
            Change::Count { bucket, count: Some(count) } => self.buckets.entry(bucket).or_default().count = count,
            Change::Count { bucket, count: None } => _ = self.buckets.remove(&bucket),
            Change::Value { bucket, value, is_there: true } => {
                self.buckets.entry(bucket).or_default().values.insert(value);
            }
            Change::Value { bucket, value, is_there: false } => {
                if let Some(bucket) = self.buckets.get_mut(&bucket) {
                    bucket.values.remove(&value);
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Buckets and values.
    pub(super) fn weight(&self) -> usize {
        self.buckets.values().map(|bucket| 1 + bucket.values.len()).sum()
    }

    /// When its newest bucket began.
    pub(super) fn last(&self, cut: Cut) -> UnixSeconds {
        UnixSeconds(self.buckets.keys().next_back().map_or(0, |at| at * cut.bucket_s))
    }
}
