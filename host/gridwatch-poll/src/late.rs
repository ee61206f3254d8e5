//! How late entries become visible: counts of `first seen - date_create` in buckets that double.
//!
//! Slack documents no figure for it, so it is measured. Forty buckets of eight bytes hold it for ever.

use gridwatch_event::time::UnixSeconds;
use serde::{Deserialize, Serialize};

/// Bucket 0 is under one second, bucket `n` holds `2^(n-1)..2^n` seconds; the last one also holds everything above.
const BUCKETS: usize = 32;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateHistogram {
    counts: Vec<u64>,
}

impl LateHistogram {
    pub fn record(&mut self, first_seen: UnixSeconds, date_create: UnixSeconds) {
        let late_s = first_seen.0.saturating_sub(date_create.0);
        let bucket = ((u64::BITS - late_s.leading_zeros()) as usize).min(BUCKETS - 1);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
    }

    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// `(seconds, count)`: the count of entries that were later than the previous bound and at most this late.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.counts.iter().enumerate().map(|(bucket, count)| ((1u64 << bucket) - 1, *count))
    }

    /// Upper bound in seconds of what `per_mille` of all entries were at most late by; `None` while empty.
    pub fn quantile_s(&self, per_mille: u64) -> Option<u64> {
        let wanted = self.total().saturating_mul(per_mille.min(1000)).div_ceil(1000).max(1);
        let mut seen = 0;
        self.buckets().find_map(|(bound, count)| {
            seen += count;
            (seen >= wanted).then_some(bound)
        })
    }

    pub fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_shows_in_the_upper_quantiles() {
        let mut late = LateHistogram::default();
        (0..99).for_each(|_| late.record(UnixSeconds(1005), UnixSeconds(1000)));
        late.record(UnixSeconds(5000), UnixSeconds(1000));
        assert_eq!(late.quantile_s(500), Some(7));
        assert_eq!(late.quantile_s(990), Some(7));
        assert_eq!(late.quantile_s(1000), Some(4095));
        assert_eq!(LateHistogram::default().quantile_s(500), None);
    }

    #[test]
    fn absurd_times_are_counted_and_merging_adds() {
        let mut late = LateHistogram::default();
        late.record(UnixSeconds(u64::MAX), UnixSeconds(0));
        late.record(UnixSeconds(0), UnixSeconds(u64::MAX));
        let mut sum = LateHistogram::default();
        sum.merge(&late);
        sum.merge(&late);
        assert_eq!(sum.total(), 4);
    }
}
