//! Conduct: how a module behaves, row for row, and what it takes for it to be set aside.
//!
//! A fault costs its own event and no more, so faults alone are no reason while most of what a module does is sound: else whoever
//! can make it fail on a few entries of their own would switch all its rules off. It is set aside when there is little left
//! to lose, or when it costs others: most of its newest rows failed, it floods with findings, or it holds every batch up.
//! The first two are counted by rows, so they come out the same however events are cut into batches, live and replayed. Time
//! can't: at which event a module has held up the others for too long depends on the machine.
//!
//! What was set aside stays so until the process starts again, with whatever is in the modules folder then. Trying again by
//! itself would cost the others the same again, and would make alerts depend on when it was tried.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Set aside when this many of the newest [`ROWS`] rows failed: half. Fewer, and a handful of poisoned entries would blind all
/// rules of a module; more rows, and a module that fails on everything would be tried for longer (each failing row costs up
/// to a dozen calls).
pub const FAULTS: usize = 64;
pub const ROWS: usize = 128;
/// Findings beyond one per rule and row that may be outstanding: what a single row may give at most. An entry about 50 people
/// may have 50 findings, and 80 such entries come in a row; a module that answers each row with thousands is out with the second.
/// The row that is too much has its findings dropped, so a flood ends below what all open alerts may be.
pub const EXCESS_FINDINGS: u64 = 4_096;
/// Wall time that a batch may take from the others without being counted: some fifty times what a batch of 1,024 rows takes
/// the heaviest of the shipped modules.
pub const ALLOWED_MS: u64 = 250;
/// Counted time after which a module is set aside: two batches in which it used up all it may, or a dozen in which it barely
/// kept its deadline, with the whole allowance of others in between paying it back.
pub const HELD_UP_MS: u64 = 8_000;

/// Why a module is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    Faults,
    Findings,
    Time,
}

/// A module was set aside, at a row of its batch: what comes after it isn't judged by this module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    pub row: u32,
    pub why: Why,
    /// Rows that it failed on since it was started.
    pub faults: u64,
    /// What it last failed of; empty if it never did.
    pub last: String,
}

impl Why {
    /// As a sentence goes on after "the module was set aside:".
    pub fn text(self) -> String {
        match self {
            Self::Faults => format!("it failed on {FAULTS} of its newest events"),
            Self::Findings => "it floods: many more findings than rules and events".to_owned(),
            Self::Time => "it kept holding up all others".to_owned(),
        }
    }
}

/// What a module has done since it was started.
#[derive(Clone, Debug, Default)]
pub struct Conduct {
    /// Of the newest rows, which failed.
    newest: VecDeque<bool>,
    failed: usize,
    excess: u64,
    held_up_ms: u64,
    faults: u64,
}

impl Conduct {
    /// A row was judged, with so many findings by a module of so many rules.
    pub fn judged(&mut self, findings: u64, rules: u64) -> Option<Why> {
        self.push(false);
        self.excess = (self.excess + findings).saturating_sub(rules.max(1));
        (self.excess > EXCESS_FINDINGS).then_some(Why::Findings)
    }

    /// A row can't be judged.
    pub fn failed(&mut self) -> Option<Why> {
        self.push(true);
        self.faults += 1;
        (self.failed >= FAULTS).then_some(Why::Faults)
    }

    /// A whole batch has taken so long.
    pub fn took(&mut self, ms: u64) -> Option<Why> {
        self.held_up_ms = (self.held_up_ms + ms).saturating_sub(ALLOWED_MS);
        (self.held_up_ms > HELD_UP_MS).then_some(Why::Time)
    }

    /// Rows that it failed on.
    pub fn faults(&self) -> u64 {
        self.faults
    }

    fn push(&mut self, failed: bool) {
        if self.newest.len() == ROWS && self.newest.pop_front() == Some(true) {
            self.failed -= 1;
        }
        self.newest.push_back(failed);
        self.failed += usize::from(failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_newest_rows_is_too_many_and_less_never_is() {
        let mut conduct = Conduct::default();
        assert_eq!((0..FAULTS).find_map(|_| conduct.failed()), Some(Why::Faults));
        assert_eq!(conduct.faults(), FAULTS as u64);
        let mut conduct = Conduct::default();
        for row in 0..10_000 {
            let verdict = if row % ROWS < FAULTS - 1 { conduct.failed() } else { conduct.judged(1, 1) };
            assert_eq!(verdict, None, "row {row}");
        }
    }

    #[test]
    fn a_finding_for_each_rule_and_row_is_no_flood_however_long() {
        let mut conduct = Conduct::default();
        assert!((0..100_000).all(|_| conduct.judged(3, 3).is_none()));
        assert!((0..80).all(|_| conduct.judged(51, 1).is_none()), "entries about 50 people each");
        let mut conduct = Conduct::default();
        assert_eq!((1..).find(|_| conduct.judged(4_096, 2).is_some()), Some(2));
    }

    #[test]
    fn holding_up_is_counted_beyond_what_is_allowed() {
        let mut conduct = Conduct::default();
        assert!((0..100_000).all(|_| conduct.took(ALLOWED_MS).is_none()));
        assert_eq!((1..).find(|_| conduct.took(5_000).is_some()), Some(2));
        let mut conduct = Conduct::default();
        assert_eq!((1..).find(|_| conduct.took(950).is_some()), Some(12), "nearly its deadline each time");
        let mut conduct = Conduct::default();
        let once_in_a_while = |n: u32| conduct.took(if n.is_multiple_of(30) { 3_750 } else { 5 }).is_none();
        assert!((0..10_000).all(once_in_a_while), "a row that loops, now and then");
    }
}
