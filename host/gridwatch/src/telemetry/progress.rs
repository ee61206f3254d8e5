//! How a long read gets on: how far it is, how fast, and when it will be there.
//!
//! A first start reads weeks or months; whoever looks in the meantime wants to know that it moves, and until when.

use gridwatch_event::time::{UnixMillis, UnixSeconds};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Less than this to go is no long read.
const SHORT_S: u64 = 600;
/// What the speed is measured over: long enough that one slow page doesn't count for much.
const SPAN_MS: u64 = 300_000;
/// Positions kept of that time.
const MAX_SAMPLES: usize = 150;
/// Sooner than this a speed says nothing.
const MIN_MS: u64 = 10_000;

/// A stretch of event time that is being read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Where it began and where it is to end: the later one first if it goes back in time.
    pub from: UnixSeconds,
    pub to: UnixSeconds,
    pub at: UnixSeconds,
    pub percent: f64,
    /// Seconds of event time read in a second, of late; `None` until it is known.
    pub speed: Option<f64>,
    /// Seconds until it is there, if it goes on like this.
    pub left_s: Option<u64>,
}

/// Remembers positions, to tell the speed.
#[derive(Debug, Default)]
pub struct Pace(VecDeque<(UnixMillis, UnixSeconds)>);

impl Pace {
    /// A read from `from` to `to` that has come to `at`; `None` if little is left of it. `drift` is how fast the end itself
    /// moves away: 1 for a read up to now, 0 for one down to a fixed time.
    pub fn of(
        &mut self,
        now: UnixMillis,
        from: UnixSeconds,
        to: UnixSeconds,
        at: UnixSeconds,
        drift: f64,
    ) -> Option<Progress> {
        let left = at.0.abs_diff(to.0);
        if left < SHORT_S {
            self.0.clear();
            return None;
        }
        self.0.push_back((now, at));
        while self.0.len() > MAX_SAMPLES || self.0.front().is_some_and(|(then, _)| now.since(*then) > SPAN_MS) {
            self.0.pop_front();
        }
        let whole = from.0.abs_diff(to.0).max(1);
        let speed = self
            .0
            .front()
            .filter(|(then, _)| now.since(*then) >= MIN_MS)
            .map(|(then, was)| was.0.abs_diff(at.0) as f64 * 1000.0 / now.since(*then) as f64);
        let left_s = speed.filter(|speed| *speed > drift + 0.1).map(|speed| (left as f64 / (speed - drift)) as u64);
        let percent = 100.0 * (whole.saturating_sub(left)) as f64 / whole as f64;
        Some(Progress { from, to, at, percent, speed, left_s })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_S: u64 = 86_400;

    #[test]
    fn a_month_read_at_a_day_a_minute_is_told_with_its_end() {
        let (mut pace, from, to) = (Pace::default(), UnixSeconds(0), UnixSeconds(30 * DAY_S));
        let at = |minute: u64| UnixSeconds(minute * DAY_S);
        let first = pace.of(UnixMillis(0), from, to, at(0), 1.0).unwrap();
        assert_eq!((first.percent, first.speed, first.left_s), (0.0, None, None));
        let told: Vec<Progress> =
            (1..=15).filter_map(|m| pace.of(UnixMillis(m * 60_000), from, to, at(m), 1.0)).collect();
        let last = told.last().unwrap();
        assert_eq!((last.percent, last.speed), (50.0, Some(1440.0)));
        assert_eq!(last.left_s, Some(900), "15 days at a day a minute");
        assert_eq!(pace.of(UnixMillis(1_900_000), from, to, UnixSeconds(30 * DAY_S - 60), 1.0), None, "there");
    }

    #[test]
    fn a_read_that_stands_has_no_end_in_sight() {
        let (mut pace, from, to) = (Pace::default(), UnixSeconds(90 * DAY_S), UnixSeconds(0));
        let told: Vec<Progress> =
            (0..=4).filter_map(|m| pace.of(UnixMillis(m * 60_000), from, to, UnixSeconds(45 * DAY_S), 0.0)).collect();
        let last = told.last().unwrap();
        assert_eq!((last.percent, last.speed, last.left_s), (50.0, Some(0.0), None));
    }
}
