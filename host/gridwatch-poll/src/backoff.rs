//! Waiting: a timer that survives clock steps, and delays that grow and spread without a random source.

use super::MAX_WAIT_MS;
use gridwatch_event::time::UnixMillis;
use serde::{Deserialize, Serialize};

const BASE_MS: u64 = 1000;

/// A span to wait, counted from the moment it was set. A deadline alone would turn a clock that steps back by a day into
/// a day of waiting; a span starts over instead and is never shortened by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    set_at: UnixMillis,
    wait_ms: u64,
}

impl Timer {
    pub fn new(set_at: UnixMillis, wait_ms: u64) -> Self {
        Self { set_at, wait_ms }
    }

    /// Restarts the span where the clock has stepped back behind the moment it was set.
    pub fn steady(&mut self, now: UnixMillis) {
        self.set_at = self.set_at.min(now);
    }

    /// Milliseconds left, zero once it has run out.
    pub fn left_ms(&self, now: UnixMillis) -> u64 {
        self.wait_ms.saturating_sub(now.since(self.set_at))
    }
}

/// Delay before attempt `attempt` (counted from 1): doubling from one second to [`MAX_WAIT_MS`], the upper half of it
/// spread by a hash of the seed, so that a fleet doesn't return in step and a replay waits the same.
pub(super) fn delay_ms(seed: u64, attempt: u32) -> u64 {
    let doublings = attempt.saturating_sub(1).min(20);
    let full = (BASE_MS << doublings).min(MAX_WAIT_MS);
    full / 2 + mix(seed ^ (u64::from(attempt) << 48)) % (full / 2 + 1)
}

/// SplitMix64's finalizer (Steele, Lea, Flood 2014): every input bit reaches every output bit.
pub(super) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_delay_stays_within_half_and_full(seed: u64, attempt in 0u32..1000) {
            let full = (BASE_MS << attempt.saturating_sub(1).min(20)).min(MAX_WAIT_MS);
            let delay = delay_ms(seed, attempt);
            prop_assert!(delay >= full / 2 && delay <= full);
        }
    }

    #[test]
    fn the_same_seed_waits_the_same_and_others_spread() {
        assert_eq!(delay_ms(7, 5), delay_ms(7, 5));
        let distinct: std::collections::BTreeSet<_> = (0..100).map(|seed| delay_ms(seed, 9)).collect();
        assert!(distinct.len() > 90);
    }

    #[test]
    fn a_clock_that_steps_back_neither_shortens_nor_stretches_a_wait() {
        let mut timer = Timer::new(UnixMillis(1_000_000), 500);
        timer.steady(UnixMillis(10));
        assert_eq!(timer.left_ms(UnixMillis(10)), 500);
        assert_eq!(timer.left_ms(UnixMillis(509)), 1);
        assert_eq!(timer.left_ms(UnixMillis(510)), 0);
    }
}
