//! What came of a fault, and the table of all.

use gridwatch_performance::{Cell, Report};
use std::collections::{BTreeMap, BTreeSet};

/// Of one place where records go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records that have to be there.
    pub shown: u64,
    pub delivered: u64,
    pub missing: u64,
    /// Those that are there more often than once.
    pub doubled: u64,
    /// Of these, those that their receiver had stored when it died without a word, or of which it can't say whether it has them.
    pub excused: u64,
}

impl Tally {
    /// `unheard`: how often each was stored by somebody who didn't live to say so.
    pub(super) fn of(
        times: &BTreeMap<String, u64>,
        expected: &BTreeSet<String>,
        unheard: &BTreeMap<String, u64>,
    ) -> Self {
        let count = |found: usize| u64::try_from(found).unwrap_or(u64::MAX);
        let doubled = times.iter().filter(|(_, n)| **n > 1);
        let excused = doubled.clone().filter(|(id, n)| **n <= 1 + unheard.get(*id).copied().unwrap_or(0));
        Self {
            shown: count(expected.len()),
            delivered: count(expected.iter().filter(|id| times.contains_key(*id)).count()),
            missing: count(expected.iter().filter(|id| !times.contains_key(*id)).count()),
            doubled: count(doubled.clone().count()),
            excused: count(excused.count()),
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self {
            shown: self.shown + other.shown,
            delivered: self.delivered + other.delivered,
            missing: self.missing + other.missing,
            doubled: self.doubled + other.doubled,
            excused: self.excused + other.excused,
        }
    }
}

/// What came of one fault.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub fault: String,
    pub records: Tally,
    /// Alerts that the same organization gives without the fault, and that aren't there.
    pub alerts_missing: u64,
    /// Records of alerts that are there more often than once.
    pub alerts_doubled: u64,
    /// They may be: the log that said which alerts were sent is what was damaged.
    pub alerts_may_double: bool,
    /// From the fault's end until all was there.
    pub recovery_s: Option<f64>,
    /// Who was told, and how many seconds after the fault began.
    pub told: Vec<(String, f64)>,
    /// What else was not as it should be.
    pub wrong: Vec<String>,
}

impl Row {
    /// What of it isn't as promised.
    pub fn problems(&self) -> Vec<String> {
        let counts = [
            ("missing", self.records.missing),
            ("doubled without excuse", self.records.doubled - self.records.excused),
            ("alerts missing", self.alerts_missing),
            ("alerts doubled", if self.alerts_may_double { 0 } else { self.alerts_doubled }),
        ];
        let counts = counts.into_iter().filter(|(_, count)| *count > 0);
        let counts = counts.map(|(what, count)| format!("{}: {count} {what}", self.fault));
        counts.chain(self.wrong.iter().map(|what| format!("{}: {what}", self.fault))).collect()
    }

    fn told(&self) -> String {
        let each = self.told.iter().map(|(who, after_s)| format!("{who} {after_s:.1} s"));
        each.collect::<Vec<_>>().join(", ")
    }
}

const COLUMNS: [&str; 10] = [
    "fault",
    "shown",
    "delivered",
    "missing",
    "doubled",
    "excused",
    "alerts missing",
    "alerts doubled",
    "recovery, s",
    "told",
];

/// The table.
pub fn report(rows: &[Row]) -> Report {
    let mut report = Report::new("chaos", &COLUMNS);
    for row in rows {
        let Tally { shown, delivered, missing, doubled, excused } = row.records;
        let counts = [shown, delivered, missing, doubled, excused, row.alerts_missing, row.alerts_doubled];
        let told = row.told();
        let mut cells = vec![Cell::Text(row.fault.clone())];
        cells.extend(counts.map(|count| Cell::Number(count as f64)));
        cells.push(row.recovery_s.map_or(Cell::Nothing, Cell::Number));
        cells.push(if told.is_empty() { Cell::Nothing } else { Cell::Text(told) });
        report.row(cells);
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_twice_is_excused_as_often_as_nobody_said_so() {
        let times =
            |list: &[(&str, u64)]| list.iter().map(|(id, n)| ((*id).to_owned(), *n)).collect::<BTreeMap<_, _>>();
        let expected = ["a", "b", "c", "d"].map(str::to_owned).into();
        let tally = Tally::of(&times(&[("a", 1), ("b", 2), ("c", 3)]), &expected, &times(&[("b", 1), ("c", 1)]));
        assert_eq!(tally, Tally { shown: 4, delivered: 3, missing: 1, doubled: 2, excused: 1 });
        let row = Row { fault: "x".into(), records: tally, wrong: vec!["ended".into()], ..Row::default() };
        assert_eq!(row.problems(), ["x: 1 missing", "x: 1 doubled without excuse", "x: ended"]);
        assert!(report(&[row]).to_string().lines().count() == 2);
    }
}
