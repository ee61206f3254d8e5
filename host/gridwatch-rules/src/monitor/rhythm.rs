//! Rhythm: how many entries an hour of the week usually has, and how many should have come since the last one.
//!
//! Of an hour counts the least that the same hour, the one before and the one after had in each of the last four weeks: a holiday or an
//! odd week makes patient, and daylight saving does no harm. A day on which little happens makes the rest of it patient too. While no
//! entry comes, what should have come adds up; twelve are missed by chance once in 160,000 times.
//!
//! Only hours count that were read as a whole. Hours of an alarm, and of time nobody read, teach nothing.

use gridwatch_event::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};

const HOUR_S: u64 = 3_600;
const WEEK_H: u64 = 168;
/// Weeks that are looked back on.
const WEEKS: u64 = 4;
/// Weeks without which nothing is usual yet.
const LEAST_WEEKS: usize = 2;
/// Hours kept: those weeks, and the hours around them.
const KEPT_H: u64 = WEEKS * WEEK_H + 26;
/// Hours before the last entry that say whether it is a quiet day, and what keeps few entries from saying much.
const DAY_H: u64 = 12;
const PRIOR: f64 = 3.0;

/// Entries of each hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rhythm {
    /// Number of the first hour, since 1970.
    first: u64,
    counts: VecDeque<u32>,
    /// Hours that nothing is learned from.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    left_out: BTreeSet<u64>,
    newest: Option<UnixSeconds>,
}

/// Time without an entry, at the end of what was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quiet {
    /// The last entry.
    pub since: UnixSeconds,
    pub seconds: u64,
    /// Entries that should have come; `None` while nothing is usual yet.
    pub missed: Option<f64>,
}

impl Rhythm {
    /// Counts an entry of this time.
    pub fn note(&mut self, at: UnixSeconds) {
        let hour = at.0 / HOUR_S;
        if self.counts.is_empty() {
            self.first = hour;
        }
        // Older than what is kept, if there is newer.
        if hour + KEPT_H < self.end() {
            return;
        }
        self.newest = self.newest.max(Some(at));
        if hour >= self.first.saturating_add(KEPT_H * 2) {
            (self.first, self.counts) = (hour, VecDeque::new());
        }
        while hour < self.first {
            self.counts.push_front(0);
            self.first -= 1;
        }
        while hour >= self.end() {
            self.counts.push_back(0);
        }
        while self.counts.len() as u64 > KEPT_H {
            self.counts.pop_front();
            self.first += 1;
        }
        if let Some(count) = self.counts.get_mut((hour - self.first) as usize) {
            *count = count.saturating_add(1);
        }
    }

    pub fn newest(&self) -> Option<UnixSeconds> {
        self.newest
    }

    /// Learns nothing from a stretch of time: it was one of an alarm.
    pub fn leave_out(&mut self, from: UnixSeconds, to: UnixSeconds) {
        let last = (to.0 / HOUR_S).min(from.0 / HOUR_S + KEPT_H);
        self.left_out.extend(from.0 / HOUR_S..=last);
        while self.left_out.len() as u64 > KEPT_H {
            self.left_out.pop_first();
        }
    }

    /// How quiet it is at the end of the time that was read, which begins at `from`. `None` if there never was an entry, or the newest
    /// is no older than `to`.
    pub fn quiet(&self, from: UnixSeconds, to: UnixSeconds) -> Option<Quiet> {
        let since = self.newest.filter(|newest| *newest < to)?;
        Some(Quiet { since, seconds: to.0 - since.0, missed: self.missed(from, since, to) })
    }

    fn missed(&self, from: UnixSeconds, since: UnixSeconds, to: UnixSeconds) -> Option<f64> {
        let usual = |hour| self.usual(hour, from, since);
        let last = since.0 / HOUR_S;
        let before = last.saturating_sub(DAY_H)..=last;
        let expected: f64 = before.clone().filter_map(usual).sum();
        let seen: f64 = before.map(|hour| f64::from(self.count(hour))).sum();
        let patience = ((seen + PRIOR) / (expected + PRIOR)).min(1.0);
        let mut missed = 0.0;
        for hour in last..=(to.0 / HOUR_S).min(last + KEPT_H) {
            let begin = since.0.max(hour * HOUR_S);
            let end = to.0.min((hour + 1) * HOUR_S);
            missed += usual(hour)? * patience * end.saturating_sub(begin) as f64 / HOUR_S as f64;
        }
        Some(missed)
    }

    /// The least that this hour of the week had, of what was read whole: from `from` on, and before the silence.
    fn usual(&self, hour: u64, from: UnixSeconds, until: UnixSeconds) -> Option<f64> {
        let whole = from.0.div_ceil(HOUR_S)..until.0 / HOUR_S;
        let (mut least, mut weeks) = (None, BTreeSet::new());
        for week in 1..=WEEKS {
            for around in [0, 1, 2] {
                let Some(before) = (hour + around).checked_sub(week * WEEK_H + 1) else { continue };
                if whole.contains(&before) && !self.left_out.contains(&before) {
                    let count = self.count(before);
                    least = Some(least.map_or(count, |least: u32| least.min(count)));
                    weeks.insert(week);
                }
            }
        }
        least.filter(|_| weeks.len() >= LEAST_WEEKS).map(f64::from)
    }

    fn count(&self, hour: u64) -> u32 {
        let at = hour.checked_sub(self.first);
        at.and_then(|at| self.counts.get(at as usize)).copied().unwrap_or(0)
    }

    fn end(&self) -> u64 {
        self.first + self.counts.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A Monday at midnight.
    const MONDAY: u64 = 1_793_577_600;
    const DAY_S: u64 = 24 * HOUR_S;

    /// Office hours: so many entries an hour on weekdays from 8 to 18, and one at night and on weekends.
    fn office(weeks: u64, an_hour: u64) -> (Rhythm, u64) {
        let mut rhythm = Rhythm::default();
        let end = MONDAY + weeks * 7 * DAY_S;
        for hour in 0..weeks * WEEK_H {
            let (day, of_day) = (hour / 24 % 7, hour % 24);
            let busy = day < 5 && (8..18).contains(&of_day);
            let count = if busy { an_hour } else { 1 };
            (0..count).for_each(|n| rhythm.note(UnixSeconds(MONDAY + hour * HOUR_S + n * HOUR_S / count)));
        }
        (rhythm, end)
    }

    fn missed(rhythm: &Rhythm, to: u64) -> Option<f64> {
        rhythm.quiet(UnixSeconds(MONDAY), UnixSeconds(to)).and_then(|quiet| quiet.missed)
    }

    #[test]
    fn a_silent_working_day_is_missed_and_a_silent_weekend_is_not() {
        let (rhythm, end) = office(4, 60);
        // The last entry is of Sunday night; Monday's hours then pass without one.
        assert!(missed(&rhythm, end + 8 * HOUR_S).unwrap() < 10.0);
        assert!(missed(&rhythm, end + 10 * HOUR_S).unwrap() > 12.0);
        let mut to_friday = rhythm.clone();
        let friday = end + 4 * DAY_S + 18 * HOUR_S;
        (end..friday).step_by(60).for_each(|at| to_friday.note(UnixSeconds(at)));
        assert!(missed(&to_friday, friday + 11 * HOUR_S).unwrap() < 12.0, "a night has one an hour");
    }

    #[test]
    fn nothing_is_usual_before_two_weeks_and_not_of_time_nobody_read() {
        let (rhythm, end) = office(1, 60);
        assert_eq!(missed(&rhythm, end + DAY_S), None);
        let (rhythm, end) = office(4, 60);
        let late = rhythm.quiet(UnixSeconds(end - 10 * DAY_S), UnixSeconds(end + DAY_S)).unwrap();
        assert_eq!(late.missed, None, "ten days were read");
    }

    #[test]
    fn a_quiet_day_makes_the_rest_of_it_patient() {
        let (mut rhythm, end) = office(4, 60);
        // A holiday: some entries in the morning, then none.
        (end + 8 * HOUR_S..end + 12 * HOUR_S).step_by(1_200).for_each(|at| rhythm.note(UnixSeconds(at)));
        let (mut ordinary, _) = office(4, 60);
        (end..end + 12 * HOUR_S).step_by(60).for_each(|at| ordinary.note(UnixSeconds(at)));
        let [quiet, usual] = [&rhythm, &ordinary].map(|rhythm| missed(rhythm, end + 13 * HOUR_S).unwrap());
        assert!(quiet < usual / 3.0, "{quiet} {usual}");
    }

    #[test]
    fn an_alarm_teaches_nothing() {
        let (mut rhythm, end) = office(4, 60);
        let (from, to) = (end + 8 * HOUR_S, end + 2 * DAY_S);
        rhythm.leave_out(UnixSeconds(from), UnixSeconds(to));
        (to..to + 5 * DAY_S).step_by(60).for_each(|at| rhythm.note(UnixSeconds(at)));
        let next = to + 5 * DAY_S;
        let monday = next + 11 * HOUR_S;
        assert!(missed(&rhythm, monday).unwrap() > 12.0, "{:?}", missed(&rhythm, monday));
        assert_eq!(serde_json::from_str::<Rhythm>(&serde_json::to_string(&rhythm).unwrap()).unwrap(), rhythm);
    }

    proptest! {
        #[test]
        fn whatever_times_come_it_stays_small_and_counts_what_it_keeps(times in prop::collection::vec(0u64..4_000_000_000, 1..200)) {
            let mut rhythm = Rhythm::default();
            times.iter().for_each(|at| rhythm.note(UnixSeconds(*at)));
            prop_assert!(rhythm.counts.len() as u64 <= KEPT_H);
            let newest = times.iter().max().copied().unwrap();
            prop_assert_eq!(rhythm.newest, Some(UnixSeconds(newest)));
            prop_assert!(rhythm.count(newest / HOUR_S) >= 1);
        }
    }
}
