//! `baseline`: how much of something a key usually does in an hour or a day.
//!
//! Only buckets in which the key did anything are kept and counted, so "usual" is what it does when it does it at all.

use super::{Gone, Held, Size};
use crate::windows::journal::JournalRow;
use crate::windows::slot::{Fed, Slot, cost};
use crate::windows::{LATE_S, NOT_YET, Seeing, row};
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::Field;
use gridwatch_manifest::{WindowKind, WindowSpec};
use std::collections::{BTreeMap, BTreeSet};

/// Distinct values kept of a bucket. Its count never says more than this.
const MAX_VALUES: usize = 1_024;

pub(super) fn feed(slot: &mut Slot, fed: &mut Fed<'_, '_, '_>, of: Option<&Field>) {
    let text = of.map(|of| fed.seeing.reading.text(of));
    let is_nothing = text.as_ref().is_some_and(|text| text.is_empty());
    let key = slot.fed_key(fed.seeing).filter(|_| !is_nothing);
    let (Some(key), Some(cut)) = (key, Cut::of(&slot.spec)) else { return };
    let (time, newest) = (fed.seeing.event().time, fed.seeing.newest);
    let value = text.map(|text| row::hash(&text));
    slot.change(
        &key,
        fed.seeing,
        || Held::Buckets(Buckets::default()),
        |held| match held {
            Held::Buckets(buckets) => buckets.feed(cut, time, value, newest).map(|change| change.row(&key)),
            _ => None,
        },
    );
}

pub(super) fn value(slot: &Slot, seeing: &Seeing<'_, '_>) -> u64 {
    let (event, key) = (seeing.event(), slot.read_text(seeing));
    if slot.watched_s(event) < slot.spec.learn_s {
        return NOT_YET;
    }
    match (Cut::of(&slot.spec), key.and_then(|key| slot.held(&key))) {
        (Some(cut), Some(Held::Buckets(buckets))) => buckets.usual(cut, event.time, seeing.newest),
        _ => 0,
    }
}

/// How a window's buckets are cut and read.
#[derive(Clone, Copy, Debug)]
struct Cut {
    bucket_s: u64,
    span_s: u64,
    percentile: u8,
}

/// What one key did, by number of the bucket since 1970.
#[derive(Debug, Default)]
pub(in crate::windows) struct Buckets {
    buckets: BTreeMap<u64, Bucket>,
    /// Buckets and values.
    weight: usize,
}

#[derive(Debug, Default)]
struct Bucket {
    count: u64,
    /// Distinct values, until the bucket is closed and `count` stands for them.
    values: BTreeSet<u64>,
}

/// A row to be saved, or deleted.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::windows) enum Change {
    Count { bucket: u64, count: Option<u64> },
    Value { bucket: u64, value: u64, is_there: bool },
}

impl Change {
    pub(super) fn read(numbers: &[u64], value: Option<&[u8]>) -> Option<Self> {
        match (numbers, value) {
            (&[bucket], None) => Some(Self::Count { bucket, count: None }),
            (&[bucket], Some(value)) => Some(Self::Count { bucket, count: Some(serde_json::from_slice(value).ok()?) }),
            (&[bucket, value], there) => Some(Self::Value { bucket, value, is_there: there.is_some() }),
            _ => None,
        }
    }

    /// Does it take away a bucket or a value?
    pub(super) fn is_loss(&self) -> bool {
        matches!(self, Self::Count { count: None, .. } | Self::Value { is_there: false, .. })
    }

    fn row(&self, key: &str) -> JournalRow {
        let row = row::key_row(key);
        match *self {
            Self::Count { bucket, count } => {
                (row::bucket_row(&row, bucket), count.map_or(Ok(None), |count| row::saying(&count)))
            }
            Self::Value { bucket, value, is_there } => {
                (row::value_row(&row, bucket, value), Ok(is_there.then(|| b"1".to_vec())))
            }
        }
    }
}

impl Cut {
    fn of(spec: &WindowSpec) -> Option<Self> {
        match spec.kind {
            WindowKind::Baseline { bucket_s, percentile, .. } => {
                Some(Self { bucket_s, percentile, span_s: spec.span_s })
            }
            _ => None,
        }
    }

    fn bucket(&self, time: UnixSeconds) -> u64 {
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
    fn feed(&mut self, cut: Cut, time: UnixSeconds, value: Option<u64>, newest: UnixSeconds) -> Option<Change> {
        let at = cut.bucket(time);
        if cut.is_closed(at, newest) {
            return None;
        }
        let bucket = self.bucket(at);
        match value {
            None => {
                bucket.count += 1;
                Some(Change::Count { bucket: at, count: Some(bucket.count) })
            }
            Some(value) => {
                let is_new = bucket.values.len() < MAX_VALUES && bucket.values.insert(value);
                self.weight += usize::from(is_new);
                is_new.then_some(Change::Value { bucket: at, value, is_there: true })
            }
        }
    }

    /// The percentile (nearest rank) of the buckets of a span before the time's own; 0 if there are none.
    fn usual(&self, cut: Cut, time: UnixSeconds, newest: UnixSeconds) -> u64 {
        let own = cut.bucket(time);
        let span = own.saturating_sub(cut.span_s / cut.bucket_s)..own;
        let alive = self.buckets.range(span).filter(|(at, _)| !cut.is_dead(**at, newest));
        let mut counts: Vec<u64> = alive.map(|(_, bucket)| bucket.count()).collect();
        counts.sort_unstable();
        let rank = (counts.len() * usize::from(cut.percentile)).div_ceil(100);
        rank.checked_sub(1).map_or(0, |at| counts[at])
    }

    /// Forgets the dead, and the values of the closed. `false` if nothing is left.
    pub(super) fn expire(&mut self, key: &str, spec: &WindowSpec, newest: UnixSeconds, gone: &mut Gone) -> bool {
        let Some(cut) = Cut::of(spec) else { return true };
        let mut lost = |change: Change| gone.rows.push(change.row(key));
        for (at, bucket) in self.buckets.iter_mut().filter(|(at, _)| cut.is_closed(**at, newest)) {
            let values = std::mem::take(&mut bucket.values);
            if !values.is_empty() {
                bucket.count = values.len() as u64;
                self.weight -= values.len();
                lost(Change::Count { bucket: *at, count: Some(bucket.count) });
                values.into_iter().for_each(|value| lost(Change::Value { bucket: *at, value, is_there: false }));
            }
        }
        // What is dead is closed, so its values are gone already.
        self.buckets.retain(|at, _| {
            let dead = cut.is_dead(*at, newest);
            if dead {
                self.weight -= 1;
                lost(Change::Count { bucket: *at, count: None });
            }
            !dead
        });
        !self.buckets.is_empty()
    }

    pub(super) fn rows(&self, key: &str) -> Vec<JournalRow> {
        let counts = self.buckets.iter().map(|(at, bucket)| Change::Count { bucket: *at, count: Some(bucket.count) });
        let values = self.buckets.iter().flat_map(|(at, bucket)| {
            bucket.values.iter().map(|value| Change::Value { bucket: *at, value: *value, is_there: true })
        });
        counts.chain(values).map(|change| change.row(key)).collect()
    }

    /// `false` if nothing is left.
    pub(super) fn take_out(&mut self, gone: &Change) -> bool {
        self.load(gone);
        !self.buckets.is_empty()
    }

    pub(super) fn load(&mut self, change: &Change) {
        match *change {
            Change::Count { bucket, count: Some(count) } => self.bucket(bucket).count = count,
            Change::Count { bucket, count: None } => {
                let gone = self.buckets.remove(&bucket);
                self.weight -= gone.map_or(0, |bucket| 1 + bucket.values.len());
            }
            Change::Value { bucket, value, is_there: true } => {
                let is_new = self.bucket(bucket).values.insert(value);
                self.weight += usize::from(is_new);
            }
            Change::Value { bucket, value, is_there: false } => {
                let was_there = self.buckets.get_mut(&bucket).is_some_and(|bucket| bucket.values.remove(&value));
                self.weight -= usize::from(was_there);
            }
        }
    }

    /// The bucket, empty if there was none.
    fn bucket(&mut self, at: u64) -> &mut Bucket {
        self.buckets.entry(at).or_insert_with(|| {
            self.weight += 1;
            Bucket::default()
        })
    }

    pub(super) fn size(&self) -> Size {
        Size { weight: self.weight, bytes: self.weight * cost::BUCKET }
    }

    /// When its newest bucket began.
    pub(super) fn last(&self, spec: &WindowSpec) -> UnixSeconds {
        let newest = self.buckets.keys().next_back();
        UnixSeconds(newest.zip(Cut::of(spec)).map_or(0, |(at, cut)| at * cut.bucket_s))
    }
}
