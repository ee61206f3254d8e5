//! Tail: does Slack show more entries late than it used to? By the day, from counts that only grow.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Days that today is compared with.
const DAYS: usize = 7;
/// Fewer late entries in a day say nothing.
const LEAST: u64 = 20;
/// A hundredth of all, and three times what it was.
const LEAST_SHARE: f64 = 0.01;
const TIMES: f64 = 3.0;

/// What the counts were when each day began, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    days: VecDeque<(u64, Counts)>,
}

/// Entries seen for the first time, and those of them that came later than the first re-read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub all: u64,
    pub late: u64,
}

/// More come late than before, in thousandths of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grown {
    pub late: u64,
    pub per_mille: u64,
    pub before_per_mille: u64,
}

impl Tail {
    /// Takes the counts as they are on this day, and says whether its tail has grown.
    pub fn look(&mut self, day: u64, now: Counts) -> Option<Grown> {
        // Counts that shrank are of another store.
        if self.days.back().is_some_and(|(known, counts)| *known > day || counts.all > now.all) {
            self.days.clear();
        }
        if self.days.back().is_none_or(|(known, _)| *known < day) {
            self.days.push_back((day, now));
        }
        if self.days.len() > DAYS + 1 {
            self.days.pop_front();
        }
        let (_, today) = self.days.back()?;
        let (_, first) = self.days.front()?;
        let (new, before) = (now.less(*today), today.less(*first));
        let (share, was) = (new.share(), before.share());
        let has_grown = new.late >= LEAST && before.all >= LEAST && share >= LEAST_SHARE && share > TIMES * was;
        let per_mille = |share: f64| (share * 1_000.0).round() as u64;
        has_grown.then(|| Grown { late: new.late, per_mille: per_mille(share), before_per_mille: per_mille(was) })
    }
}

impl Counts {
    fn less(self, before: Self) -> Self {
        Self { all: self.all.saturating_sub(before.all), late: self.late.saturating_sub(before.late) }
    }

    fn share(self) -> f64 {
        if self.all == 0 { 0.0 } else { self.late as f64 / self.all as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_that_grows_is_told_and_one_that_always_was_there_is_not() {
        for (late_a_day, today, told) in [(5, 200, true), (150, 200, false), (0, 10, false), (0, 30, true)] {
            let (mut tail, mut counts) = (Tail::default(), Counts::default());
            for day in 0..10 {
                assert_eq!(tail.look(day, counts), None, "the day begins");
                counts = Counts { all: counts.all + 1_000, late: counts.late + late_a_day };
            }
            let begun = tail.look(10, counts);
            assert_eq!(begun, None);
            counts = Counts { all: counts.all + 1_000, late: counts.late + today };
            assert_eq!(tail.look(10, counts).is_some(), told, "{late_a_day} {today}");
            assert_eq!(tail.look(10, Counts::default()), None, "another store");
        }
    }
}
