//! Trend: a number over the last hour, a sample a minute: does it grow, does it stand still, and when does it run out?

use gridwatch_event::time::UnixMillis;
use std::collections::VecDeque;

const EVERY_MS: u64 = 60_000;
/// Samples kept.
const KEPT: usize = 120;

#[derive(Clone, Debug, Default)]
pub struct Trend {
    samples: VecDeque<(UnixMillis, u64)>,
    /// Since when it has had the value that it has.
    same: Option<(UnixMillis, u64)>,
}

impl Trend {
    pub fn note(&mut self, now: UnixMillis, value: u64) {
        // A clock that steps back begins anew.
        if self.samples.back().is_some_and(|(last, _)| *last > now) || self.same.is_some_and(|(at, _)| at > now) {
            *self = Self::default();
        }
        if self.same.is_none_or(|(_, known)| known != value) {
            self.same = Some((now, value));
        }
        if self.samples.back().is_none_or(|(last, _)| now.since(*last) >= EVERY_MS) {
            self.samples.push_back((now, value));
        }
        if self.samples.len() > KEPT {
            self.samples.pop_front();
        }
    }

    /// How long it hasn't moved.
    pub fn stands_ms(&self, now: UnixMillis) -> u64 {
        self.same.map_or(0, |(at, _)| now.since(at))
    }

    /// How much it has grown within this time; `None` while less is known than that.
    pub fn grew(&self, now: UnixMillis, within_ms: u64) -> Option<i128> {
        let (_, value) = self.same?;
        let before = self.samples.iter().rev().find(|(at, _)| now.since(*at) >= within_ms)?;
        Some(i128::from(value) - i128::from(before.1))
    }

    /// The same over less, while less is known.
    pub fn grew_lately(&self, now: UnixMillis, within_ms: u64) -> i128 {
        let first = self
            .same
            .zip(self.samples.front())
            .map_or(0, |((_, value), (_, first))| i128::from(value) - i128::from(*first));
        self.grew(now, within_ms).unwrap_or(first)
    }

    /// When it comes down to `least`, if it goes on falling as it did within the time that is known, of which there must be so much.
    pub fn falls_to(&self, now: UnixMillis, least: u64, known_ms: u64) -> Option<UnixMillis> {
        let ((_, value), (first, before)) = (self.same?, *self.samples.front()?);
        let passed = now.since(first);
        let fell = before.checked_sub(value).filter(|fell| *fell > 0)?;
        if passed < known_ms {
            return None;
        }
        let left = value.saturating_sub(least);
        let ms = u128::from(left) * u128::from(passed) / u128::from(fell);
        Some(now.plus(u64::try_from(ms).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    #[test]
    fn what_falls_runs_out_and_what_stands_says_since_when() {
        let mut free = Trend::default();
        (0..=30).for_each(|minute| free.note(UnixMillis(minute * MINUTE), 1_000 - minute * 10));
        let now = UnixMillis(30 * MINUTE);
        assert_eq!(free.falls_to(now, 100, 20 * MINUTE), Some(UnixMillis(90 * MINUTE)));
        assert_eq!(free.falls_to(now, 100, 40 * MINUTE), None, "half an hour is known");
        assert_eq!(free.grew(now, 10 * MINUTE), Some(-100));
        assert_eq!(free.grew(now, 60 * MINUTE), None);
        free.note(UnixMillis(40 * MINUTE), 700);
        assert_eq!(free.stands_ms(UnixMillis(40 * MINUTE)), 10 * MINUTE);
        free.note(UnixMillis(0), 700);
        assert_eq!((free.stands_ms(UnixMillis(0)), free.samples.len()), (0, 1), "a clock that steps back");
    }
}
