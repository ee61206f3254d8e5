//! `baseline`: how much of something a key usually does in an hour, a day or a longer period, and how much it did in this one.
//!
//! What is counted is kept by buckets: hours or days. Without `period` a bucket is what is compared; with it, so many buckets in a
//! row. The period of *now* is the one with the most of those that contain the event's bucket: in the usual order, the one that ends with
//! it. Former periods lie before the one that ends with the event's bucket, and each ends with a bucket in which the key did anything:
//! so "usual" is what it does when it does it at all. Going back from the newest, none overlaps another.
//!
//! A count of values is a [`Sketch`] a bucket. Once nothing is counted into a bucket any more, what the period that ends with it came
//! to is written down, and its values go when no event's own period can reach them.

use crate::windows::member::Window;
use crate::windows::sketch::Sketch;
use crate::windows::{LATE_S, NOT_YET, Seeing};
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::{Baseline, Says};
use std::collections::VecDeque;

/// Periods in a row that a baseline leaves out as too unlike those before. The next one is how things are now.
const MAX_LEFT_OUT: usize = 3;
/// Fewer say too little for another to be unlike them.
const MIN_TO_BE_UNLIKE: usize = 3;

pub(in crate::windows) fn value(window: &Window, baseline: &Baseline, seeing: &Seeing<'_, '_>) -> u64 {
    let (event, key) = (seeing.event(), seeing.read_key(window));
    if baseline.says == Says::Usual && window.watched_s(event) < window.spec.learn_s {
        return NOT_YET;
    }
    let held = key.and_then(|key| seeing.table.get(key)?.buckets_of(window.members[0]));
    let Some(buckets) = held else { return 0 };
    if baseline.says == Says::Now {
        return buckets.now(event.time, seeing.newest);
    }
    let former = buckets.former(window.spec.span_s, window.since.unwrap_or_default(), event.time, seeing.newest);
    let teaching = match baseline.not_above {
        Some(times) => teaching(former, baseline.percentile, times),
        None => sorted(former),
    };
    match baseline.says {
        Says::Periods => teaching.len() as u64,
        _ => percentile(&teaching, baseline.percentile),
    }
}

fn sorted(mut amounts: Vec<u64>) -> Vec<u64> {
    amounts.sort_unstable();
    amounts
}

/// Nearest rank; 0 of nothing.
fn percentile(sorted: &[u64], percentile: u8) -> u64 {
    let rank = (sorted.len() * usize::from(percentile)).div_ceil(100);
    rank.checked_sub(1).map_or(0, |at| sorted[at])
}

/// Without those that were more than so many times what was usual before them, unless it went on; sorted. `former` begins with the newest.
fn teaching(former: Vec<u64>, of: u8, times: u64) -> Vec<u64> {
    let (mut taught, mut left_out): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
    for amount in former.into_iter().rev() {
        let is_unlike = taught.len() >= MIN_TO_BE_UNLIKE && amount > percentile(&taught, of).saturating_mul(times);
        if is_unlike && left_out.len() < MAX_LEFT_OUT {
            left_out.push(amount);
            continue;
        }
        let went_on = if is_unlike { std::mem::take(&mut left_out) } else { Vec::new() };
        left_out.clear();
        for amount in went_on.into_iter().chain([amount]) {
            taught.insert(taught.partition_point(|known| *known <= amount), amount);
        }
    }
    taught
}

/// How buckets are cut, and what is counted in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::windows) struct Cut {
    pub(in crate::windows) bucket_s: u64,
    /// `None` if it is the bucket alone, whose count of values says no more than a sketch holds.
    pub(in crate::windows) period_s: Option<u64>,
    pub(in crate::windows) span_s: u64,
    /// Values, not events.
    pub(in crate::windows) is_distinct: bool,
}

/// What one key did, in order of time.
#[derive(Debug)]
pub(in crate::windows) struct Buckets {
    pub(in crate::windows) cut: Cut,
    pub(in crate::windows) list: VecDeque<Bucket>,
    /// Of all buckets.
    values: usize,
    /// Values of the period that ends with the last bucket, once anything was counted since they were loaded.
    newest: Option<Sketch>,
}

#[derive(Debug)]
pub(in crate::windows) struct Bucket {
    /// Its number since 1970.
    pub(in crate::windows) at: u64,
    /// Events. Of values: how many the period that ends with this bucket had, once nothing is counted into it any more; 0 until then.
    pub(in crate::windows) count: u64,
    pub(in crate::windows) values: Sketch,
}

impl Cut {
    fn bucket(&self, time: UnixSeconds) -> u64 {
        time.0 / self.bucket_s
    }

    /// Buckets of a period.
    fn length(&self) -> u64 {
        self.period_s.map_or(1, |period_s| period_s / self.bucket_s).max(1)
    }

    /// Nothing is counted into it any more: later than this, events aren't waited for.
    fn closes(&self, bucket: u64) -> UnixSeconds {
        self.end(bucket).plus(LATE_S)
    }

    /// No event that is counted has it in its own period any more.
    fn leaves(&self, bucket: u64) -> UnixSeconds {
        self.closes(bucket).plus((self.length() - 1).saturating_mul(self.bucket_s))
    }

    fn dies(&self, bucket: u64) -> UnixSeconds {
        self.leaves(bucket).plus(self.span_s)
    }

    fn end(&self, bucket: u64) -> UnixSeconds {
        UnixSeconds(bucket.saturating_add(1).saturating_mul(self.bucket_s))
    }

    /// How many values these are.
    fn size(&self, values: &Sketch) -> u64 {
        match self.period_s {
            Some(_) => values.estimate(),
            None => values.len() as u64,
        }
    }
}

impl Buckets {
    pub(in crate::windows) fn new(cut: Cut) -> Self {
        Self { cut, list: VecDeque::new(), values: 0, newest: None }
    }

    pub(in crate::windows) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Buckets, and values of all of them.
    pub(in crate::windows) fn weight(&self) -> (usize, usize) {
        (self.list.len(), self.values)
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
        let place = self.list.partition_point(|bucket| bucket.at < at);
        let begins = self.list.get(place).is_none_or(|bucket| bucket.at != at);
        if begins {
            self.list.insert(place, Bucket { at, count: 0, values: Sketch::default() });
        }
        let is_last = place + 1 == self.list.len();
        let bucket = &mut self.list[place];
        let Some(value) = value else {
            bucket.count += 1;
            return begins.then(|| cut.dies(at));
        };
        let before = bucket.values.len();
        bucket.values.insert(value);
        self.values += bucket.values.len() - before;
        if cut.length() > 1 {
            self.keep_newest(value, at, begins && is_last);
        }
        begins.then(|| cut.closes(at))
    }

    /// A value was counted in bucket `at`, which may have become the last one by it.
    fn keep_newest(&mut self, value: u64, at: u64, is_new_last: bool) {
        let last = self.list.back().map_or(at, |bucket| bucket.at);
        match &mut self.newest {
            Some(newest) if !is_new_last => {
                if at + self.cut.length() > last {
                    newest.insert(value);
                }
            }
            _ => self.newest = Some(self.values_until(last)),
        }
    }

    /// A bucket as it was saved, after those before it.
    pub(in crate::windows) fn put(&mut self, bucket: Bucket) {
        self.values += bucket.values.len();
        self.list.push_back(bucket);
    }

    /// The buckets of the period that ends with one.
    fn period(&self, end: u64) -> impl Iterator<Item = &Bucket> {
        let first = (end + 1).saturating_sub(self.cut.length());
        let start = self.list.partition_point(|bucket| bucket.at < first);
        self.list.range(start..).take_while(move |bucket| bucket.at <= end)
    }

    fn values_until(&self, end: u64) -> Sketch {
        let mut buckets = self.period(end);
        let first = buckets.next().map(|bucket| bucket.values.clone()).unwrap_or_default();
        buckets.fold(first, |all, bucket| all.union(&bucket.values))
    }

    /// What the period that ends with a bucket came to, or has so far. Not to be asked of values that are gone.
    fn amount(&self, end: u64) -> u64 {
        if !self.cut.is_distinct {
            return self.period(end).map(|bucket| bucket.count).sum();
        }
        if self.cut.length() == 1 {
            return self.period(end).map(|bucket| self.cut.size(&bucket.values)).sum();
        }
        match &self.newest {
            Some(newest) if self.list.back().is_some_and(|last| last.at == end) => self.cut.size(newest),
            _ => self.cut.size(&self.values_until(end)),
        }
    }

    /// The most of a period that contains the time's bucket. 0 for a time that isn't counted any more.
    fn now(&self, time: UnixSeconds, newest: UnixSeconds) -> u64 {
        let own = self.cut.bucket(time);
        let Some(last) = self.list.back().filter(|_| self.cut.closes(own) >= newest) else { return 0 };
        // A later one has nothing that the one of the last bucket doesn't have.
        let latest = own.max(last.at.min(own + self.cut.length() - 1));
        (own..=latest).map(|end| self.amount(end)).max().unwrap_or(0)
    }

    /// Amounts of the periods within a span before the one that ends with the time's bucket, the newest first. Of periods longer than
    /// a bucket, those of which all was watched.
    fn former(&self, span_s: u64, since: UnixSeconds, time: UnixSeconds, newest: UnixSeconds) -> Vec<u64> {
        let (cut, length) = (self.cut, self.cut.length());
        let mut until = (cut.bucket(time) + 1).saturating_sub(length);
        let mut oldest = until.saturating_sub(span_s / cut.bucket_s);
        if cut.period_s.is_some() {
            oldest = oldest.max(since.0.div_ceil(cut.bucket_s));
        }
        let mut amounts = Vec::new();
        let end = self.list.partition_point(|bucket| bucket.at < until);
        for bucket in self.list.range(..end).rev() {
            let first = (bucket.at + 1).saturating_sub(length);
            if first < oldest || cut.dies(first) < newest {
                break;
            }
            if bucket.at < until {
                let is_written_down = cut.is_distinct && bucket.count > 0;
                amounts.push(if is_written_down { bucket.count } else { self.amount(bucket.at) });
                until = first;
            }
        }
        amounts
    }

    /// Forgets the dead, and writes down the closed. `false` if nothing is left.
    pub(in crate::windows) fn expire(&mut self, newest: UnixSeconds) -> bool {
        let cut = self.cut;
        while let Some(first) = self.list.pop_front_if(|first| cut.dies(first.at) < newest) {
            self.values -= first.values.len();
        }
        if self.values == 0 {
            return !self.list.is_empty();
        }
        // All before they lose anything: what a period came to is made of those before, too.
        for at in 0..self.list.len() {
            let bucket = &self.list[at];
            if cut.closes(bucket.at) >= newest {
                break;
            }
            if bucket.count == 0 && !bucket.values.is_empty() {
                self.list[at].count = self.cut.size(&self.values_until(bucket.at));
            }
        }
        for bucket in self.list.iter_mut().take_while(|bucket| cut.leaves(bucket.at) < newest) {
            self.values -= std::mem::take(&mut bucket.values).len();
        }
        !self.list.is_empty()
    }

    /// When the next of it will be lost.
    pub(in crate::windows) fn next_loss(&self) -> UnixSeconds {
        let cut = self.cut;
        let dies = self.list.front().map(|first| cut.dies(first.at));
        let mut with_values = self.list.iter().filter(|bucket| !bucket.values.is_empty());
        let leaves = with_values.clone().next().map(|first| cut.leaves(first.at));
        let closes = with_values.find(|bucket| bucket.count == 0).map(|open| cut.closes(open.at));
        dies.into_iter().chain(leaves).chain(closes).min().unwrap_or_default()
    }
}
