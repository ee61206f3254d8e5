//! How fast to ask: a token bucket for the organization's quota that learns from being refused.
//!
//! Slack docs, audit logs: Tier 3 (50 or more calls a minute), counted for the whole organization and not per app, so
//! another program can use it up. No header says what is left. A 429 therefore halves the rate and each page that goes
//! through adds a little, up to the configured rate.

use super::state::Lane;
use gridwatch_event::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// One request in the bucket's unit: rates are thousandths of a request per minute, so that one millisecond adds exactly
/// `rate` and no rounding builds up.
const REQUEST: u64 = 60_000 * 1000;
/// Never slower than this after refusals: one live poll per interval must stay possible.
const SLOWEST_MPM: u64 = 2000;
/// What one page that went through gives back.
const RECOVERY_MPM: u64 = 250;

/// Fixed by the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetLimits {
    fastest_mpm: u64,
    burst: u64,
    reserve_percent: u64,
}

impl BudgetLimits {
    pub fn new(requests_per_minute: u32, headroom_percent: u32, reserve_percent: u32) -> Self {
        let share = u64::from(100u32.saturating_sub(headroom_percent));
        let fastest_mpm = (u64::from(requests_per_minute) * 10 * share).max(SLOWEST_MPM);
        // Slack tolerates bursts without saying how large: a fifth of a minute's share, and at least two so that the
        // reserve leaves room for the other lanes.
        let burst = (fastest_mpm / 5000).max(2);
        Self { fastest_mpm, burst, reserve_percent: u64::from(reserve_percent) }
    }

    /// Requests a minute, rounded up.
    pub fn requests_per_minute(&self) -> u64 {
        self.fastest_mpm.div_ceil(1000)
    }

    /// Requests that may follow each other without a pause.
    pub fn burst(&self) -> u64 {
        self.burst
    }

    fn needed(&self, lane: Lane) -> u64 {
        match lane {
            Lane::Live => REQUEST,
            Lane::Reread | Lane::Backfill => REQUEST + self.burst * REQUEST * self.reserve_percent / 100,
        }
    }
}

/// What is left now. A resumed bucket starts empty: requests of the run before are not all on record, and a crash loop
/// must not become a way around the quota.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    rate_mpm: u64,
    level: u64,
    at: Option<UnixMillis>,
}

impl Budget {
    pub(super) fn new(limits: &BudgetLimits) -> Self {
        Self { rate_mpm: limits.fastest_mpm, level: limits.burst * REQUEST, at: None }
    }

    pub(super) fn resume(&mut self, limits: &BudgetLimits) {
        *self = Self { rate_mpm: self.rate_mpm.clamp(SLOWEST_MPM, limits.fastest_mpm), level: 0, at: None };
    }

    /// Thousandths of a request per minute allowed at present.
    pub fn rate_mpm(&self) -> u64 {
        self.rate_mpm
    }

    /// Share of the burst left, in percent.
    pub fn left_percent(&self, limits: &BudgetLimits) -> u64 {
        self.level * 100 / (limits.burst * REQUEST)
    }

    pub(super) fn refill(&mut self, limits: &BudgetLimits, now: UnixMillis) {
        let elapsed = self.at.map_or(0, |at| now.since(at));
        self.level = elapsed.saturating_mul(self.rate_mpm).saturating_add(self.level).min(limits.burst * REQUEST);
        self.at = Some(now);
    }

    /// Milliseconds until this lane may send; zero means now.
    pub(super) fn ready_in_ms(&self, limits: &BudgetLimits, lane: Lane) -> u64 {
        limits.needed(lane).saturating_sub(self.level).div_ceil(self.rate_mpm)
    }

    pub(super) fn take(&mut self) {
        self.level = self.level.saturating_sub(REQUEST);
    }

    pub(super) fn refused(&mut self) {
        self.rate_mpm = (self.rate_mpm / 2).max(SLOWEST_MPM);
        self.level = 0;
    }

    pub(super) fn went_through(&mut self, limits: &BudgetLimits) {
        self.rate_mpm = (self.rate_mpm + RECOVERY_MPM).min(limits.fastest_mpm);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: (u32, u32, u32) = (50, 0, 30);

    fn full() -> (Budget, BudgetLimits) {
        let limits = BudgetLimits::new(LIMITS.0, LIMITS.1, LIMITS.2);
        let mut budget = Budget::new(&limits);
        budget.refill(&limits, UnixMillis(0));
        (budget, limits)
    }

    #[test]
    fn a_minute_never_gets_more_than_its_rate_and_the_burst() {
        let (mut budget, limits) = full();
        let mut sent = 0;
        for ms in 0..60_000 {
            budget.refill(&limits, UnixMillis(ms));
            if budget.ready_in_ms(&limits, Lane::Live) == 0 {
                budget.take();
                sent += 1;
            }
        }
        assert_eq!(sent, 59);
        assert_eq!(limits.burst(), 10);
    }

    #[test]
    fn other_lanes_leave_the_reserve_to_live() {
        let (mut budget, limits) = full();
        let mut sent = 0;
        while budget.ready_in_ms(&limits, Lane::Backfill) == 0 {
            budget.take();
            sent += 1;
        }
        assert_eq!(sent, 7);
        assert_eq!(budget.ready_in_ms(&limits, Lane::Live), 0);
    }

    #[test]
    fn a_refusal_halves_the_rate_and_pages_bring_it_back() {
        let (mut budget, limits) = full();
        budget.refused();
        assert_eq!(budget.rate_mpm(), 25_000);
        assert_eq!(budget.ready_in_ms(&limits, Lane::Live), 2400);
        (0..100).for_each(|_| budget.went_through(&limits));
        assert_eq!(budget.rate_mpm(), 50_000);
        (0..100).for_each(|_| budget.refused());
        assert_eq!(budget.rate_mpm(), SLOWEST_MPM);
    }

    #[test]
    fn a_clock_step_back_adds_nothing_and_blocks_nothing() {
        let (mut budget, limits) = full();
        (0..10).for_each(|_| budget.take());
        budget.refill(&limits, UnixMillis(1_000_000));
        budget.refused();
        budget.refill(&limits, UnixMillis(5));
        assert_eq!(budget.left_percent(&limits), 0);
        budget.refill(&limits, UnixMillis(2405));
        assert_eq!(budget.ready_in_ms(&limits, Lane::Live), 0);
    }

    #[test]
    fn a_resumed_bucket_is_empty_and_keeps_what_it_learned() {
        let (mut budget, limits) = full();
        budget.refused();
        budget.resume(&limits);
        assert_eq!((budget.left_percent(&limits), budget.rate_mpm()), (0, 25_000));
    }
}
