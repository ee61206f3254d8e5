//! Batches: what waits for one sink, in order, and how much of it is tried at once.
//!
//! A batch is closed by its records, its bytes, or its age. What has been tried is tried again in the same bounds until something
//! of it is settled, so that a receiver can know a batch that it sees again; after a restart the bounds may be others. No clock.

use super::Delivery;
use gridwatch_event::time::UnixMillis;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// When a batch is full.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub records: usize,
    /// As they are sent. A single record may be larger, and is then a batch by itself.
    pub bytes: usize,
    /// How long the first record waits for more to come; nothing: whatever is there goes at once.
    pub age: Duration,
}

/// Something with a number that is delivered.
pub trait Load {
    fn number(&self) -> u64;
    fn bytes(&self) -> usize;
}

impl Load for Delivery {
    fn number(&self) -> u64 {
        self.number
    }

    fn bytes(&self) -> usize {
        self.bytes.len() + 1
    }
}

/// What waits for one sink and is at hand.
#[derive(Debug)]
pub struct Queue<L> {
    limits: Limits,
    waiting: VecDeque<L>,
    /// Since when something waits.
    since: Option<UnixMillis>,
    /// Size of the batch that was tried and of which nothing is settled.
    tried: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    Now,
    /// A batch could become fuller until then.
    In(Duration),
    Empty,
}

impl<L: Load> Queue<L> {
    pub fn new(limits: Limits) -> Self {
        Self { limits, waiting: VecDeque::new(), since: None, tried: None }
    }

    pub fn push(&mut self, load: L, now: UnixMillis) {
        self.since.get_or_insert(now);
        self.waiting.push_back(load);
    }

    /// Number of the first that waits.
    pub fn first(&self) -> Option<u64> {
        self.waiting.front().map(Load::number)
    }

    /// Is there a whole batch?
    pub fn is_full(&self) -> bool {
        let bytes: usize = self.waiting.iter().map(Load::bytes).sum();
        self.waiting.len() >= self.limits.records || bytes >= self.limits.bytes
    }

    /// `is_last`: nothing more will come.
    pub fn due(&self, now: UnixMillis, is_last: bool) -> Due {
        let Some(since) = self.since else { return Due::Empty };
        // Our clock may step back: a record never waits longer than for one age.
        let left = self.limits.age.saturating_sub(Duration::from_millis(now.since(since)));
        match left.is_zero() || is_last || self.tried.is_some() || self.is_full() {
            true => Due::Now,
            false => Due::In(left),
        }
    }

    /// The batch to try.
    pub fn batch(&mut self) -> &[L] {
        let size = self.tried.unwrap_or_else(|| self.cut());
        self.tried = Some(size);
        &self.waiting.make_contiguous()[..size]
    }

    fn cut(&self) -> usize {
        let mut bytes = 0;
        let fits = |load: &&L| {
            bytes += load.bytes();
            bytes <= self.limits.bytes
        };
        let fitting = self.waiting.iter().take(self.limits.records).take_while(fits).count();
        fitting.max(1).min(self.waiting.len())
    }

    /// One of the batch that was tried.
    pub fn tried(&self, number: u64) -> Option<&L> {
        self.waiting.iter().take(self.tried.unwrap_or(0)).find(|load| load.number() == number)
    }

    /// Takes out what is settled of the batch that was tried: all below a number, and single ones. Returns how many.
    pub fn settle(&mut self, below: u64, refused: &BTreeSet<u64>) -> usize {
        let tried = self.tried.unwrap_or(0).min(self.waiting.len());
        let rest = self.waiting.split_off(tried);
        self.waiting.retain(|load| load.number() >= below && !refused.contains(&load.number()));
        let settled = tried - self.waiting.len();
        self.waiting.extend(rest);
        if settled > 0 {
            self.tried = None;
        }
        if self.waiting.is_empty() {
            self.since = None;
        }
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::testing::delivery;

    const LIMITS: Limits = Limits { records: 3, bytes: 100, age: Duration::from_secs(5) };

    fn queue(sizes: &[usize]) -> Queue<Delivery> {
        let mut queue = Queue::new(LIMITS);
        for (i, size) in sizes.iter().enumerate() {
            // Numbers with gaps, as `include` leaves them.
            queue.push(delivery(10 + 3 * i as u64, &"x".repeat(size - 1)), UnixMillis(1_000));
        }
        queue
    }

    fn numbers(batch: &[Delivery]) -> Vec<u64> {
        batch.iter().map(|delivery| delivery.number).collect()
    }

    #[test]
    fn a_batch_is_closed_by_records_bytes_or_age() {
        for (sizes, batch) in [
            (&[10, 10, 10, 10][..], &[10, 13, 16][..]),
            (&[60, 40, 1], &[10, 13]),
            (&[60, 41], &[10]),
            (&[500, 1], &[10]),
        ] {
            let mut queue = queue(sizes);
            assert_eq!(queue.due(UnixMillis(1_000), false), Due::Now, "{sizes:?}");
            assert_eq!(numbers(queue.batch()), batch, "{sizes:?}");
        }
        let young = queue(&[10, 10]);
        assert_eq!(young.due(UnixMillis(4_000), false), Due::In(Duration::from_secs(2)));
        assert_eq!(young.due(UnixMillis(6_000), false), Due::Now);
        assert_eq!(young.due(UnixMillis(1_000), true), Due::Now, "nothing more comes");
        assert_eq!(young.due(UnixMillis(0), false), Due::In(LIMITS.age), "the clock stepped back");
        assert_eq!(Queue::<Delivery>::new(LIMITS).due(UnixMillis(0), true), Due::Empty);
    }

    #[test]
    fn what_was_tried_is_tried_again_in_the_same_bounds() {
        let mut queue = queue(&[10, 10]);
        assert_eq!(numbers(queue.batch()), [10, 13]);
        queue.push(delivery(20, "x"), UnixMillis(2_000));
        assert_eq!((queue.settle(10, &BTreeSet::new()), queue.due(UnixMillis(2_000), false)), (0, Due::Now));
        assert_eq!(numbers(queue.batch()), [10, 13]);
        assert_eq!(queue.settle(13, &BTreeSet::new()), 1);
        assert_eq!(numbers(queue.batch()), [13, 20]);
    }

    #[test]
    fn only_what_was_tried_is_settled() {
        let mut queue = queue(&[10, 10, 10, 10]);
        assert_eq!(queue.settle(u64::MAX, &BTreeSet::new()), 0, "nothing was tried yet");
        queue.batch();
        assert!(queue.tried(16).is_some() && queue.tried(19).is_none());
        // A refused one in the middle, and one that nobody asked about.
        assert_eq!(queue.settle(10, &BTreeSet::from([13, 19])), 1);
        assert_eq!(numbers(queue.batch()), [10, 16, 19]);
        assert_eq!(queue.settle(u64::MAX, &BTreeSet::new()), 3);
        assert_eq!((queue.first(), queue.due(UnixMillis(0), true)), (None, Due::Empty));
    }
}
