//! The organization's one token bucket for `/logs`: all clients and all tokens drink from it.

use crate::knobs::{Knobs, RetryAfter};

#[derive(Debug)]
pub(crate) struct Bucket {
    /// In sixty-thousandths of a call, so that `rate_per_minute` per minute is exact in milliseconds.
    level: u64,
    filled_at_ms: u64,
}

const ONE_CALL: u64 = 60_000;

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(knobs: &Knobs, now_ms: u64) -> Self {
        Self { level: capacity(knobs), filled_at_ms: now_ms }
    }

    /// Spends one call, or says for how many seconds there is none.
    pub(crate) fn take(&mut self, knobs: &Knobs, now_ms: u64) -> Result<(), u64> {
        if knobs.rate_per_minute == 0 {
            return Ok(());
        }
        let rate = u64::from(knobs.rate_per_minute);
        let passed_ms = now_ms.saturating_sub(self.filled_at_ms);
        self.filled_at_ms = self.filled_at_ms.max(now_ms);
        self.level = self.level.saturating_add(passed_ms.saturating_mul(rate)).min(capacity(knobs));
        match self.level.checked_sub(ONE_CALL) {
            Some(left) => {
                self.level = left;
                Ok(())
            }
            None => Err((ONE_CALL - self.level).div_ceil(rate).div_ceil(1000).max(1)),
        }
    }
}

/// What a refused call is told, if anything.
pub(crate) fn retry_after(policy: RetryAfter, until_next_call_secs: u64) -> Option<u64> {
    match policy {
        RetryAfter::UntilNextCall => Some(until_next_call_secs),
        RetryAfter::Fixed(secs) => Some(secs),
        RetryAfter::Missing => None,
    }
}

fn capacity(knobs: &Knobs) -> u64 {
    u64::from(knobs.burst.max(1)) * ONE_CALL
}
