//! Probation: a version that has just taken over, measured against the one it took over from on the same events.
//!
//! For as long as it lasts both judge each batch, and only what the new one says counts. When it turns out worse, the batch in which it
//! does is the old one's: nothing that the new one said of it is told, and nothing is left unjudged.

use crate::module::Evaluation;
use gridwatch_rules::conduct::Why;
use std::collections::VecDeque;
use std::time::Duration;

/// What a new version may find more of: this many times what the old one finds in the same events …
pub const FINDINGS_TIMES: u64 = 10;
/// … and fewer than this is no flood, whatever the old one finds: a rule that is new finds something for the first time.
pub const FINDINGS_LEAST: u64 = 100;
/// How much longer it may take for a batch, in 99 of 100 …
pub const SLOWER_TIMES: u32 = 3;
/// … of at least this many batches that both judged, …
pub const LEAST_BATCHES: usize = 100;
/// … where it takes longer than this: below it nobody is held up, and what is measured is the machine.
pub const SLOW: Duration = Duration::from_millis(5);
/// Batches whose times are kept.
const KEPT: usize = 1_000;

/// Why a version doesn't stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Worse {
    /// It can't judge events that the old one can, and what it failed of first.
    Fails { events: u64, first: String },
    /// It would have been set aside.
    SetAside { why: Why, last: String },
    /// Findings on probation, and the old one's.
    Floods { findings: u64, before: u64 },
    /// 99 of 100 batches take it no longer than this, and the old one no longer than that.
    Slow { p99: Duration, before: Duration },
    /// Somebody said so.
    Ordered,
}

impl std::fmt::Display for Worse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fails { events: 1, first } => {
                write!(f, "it failed on an event that the version before it judges: {first}")
            }
            Self::Fails { events, first } => {
                write!(f, "it failed on {events} events that the version before it judges: {first}")
            }
            Self::SetAside { why, last } if last.is_empty() => write!(f, "{}", why.text()),
            Self::SetAside { why, last } => write!(f, "{} (last: {last})", why.text()),
            Self::Floods { findings, before } => {
                write!(f, "it has {findings} findings where the version before it has {before}")
            }
            Self::Slow { p99, before } => write!(
                f,
                "it takes up to {} ms for a batch, and the version before it {} ms (99 of 100 batches)",
                p99.as_millis(),
                before.as_millis().max(1)
            ),
            Self::Ordered => f.write_str("it was ordered back"),
        }
    }
}

/// What both did so far.
#[derive(Debug, Default)]
pub struct Probation {
    /// Events that the new one was asked about.
    pub rows: u64,
    pub findings: u64,
    pub before: u64,
    times: VecDeque<(Duration, Duration)>,
}

impl Probation {
    /// Both have judged a batch, the new one so many rows of it. Is it worse?
    pub(crate) fn follow(&mut self, rows: usize, new: Option<&Evaluation>, old: Option<&Evaluation>) -> Option<Worse> {
        let idle = Evaluation::default();
        let (new, old) = (new.unwrap_or(&idle), old.unwrap_or(&idle));
        self.rows += rows as u64;
        // One that judges nothing any more is nobody to go back to.
        if old.unjudged > 0 || old.outcome.set_aside.is_some() {
            return None;
        }
        if let Some(set_aside) = &new.outcome.set_aside {
            return Some(Worse::SetAside { why: set_aside.why, last: set_aside.last.clone() });
        }
        if let Some(more) = new.outcome.dead.len().checked_sub(old.outcome.dead.len() + 1) {
            let first = new.failures.first().or(new.outcome.dead.first().map(|dead| &dead.reason));
            return Some(Worse::Fails { events: more as u64 + 1, first: first.cloned().unwrap_or_default() });
        }
        self.findings += new.outcome.findings.len() as u64;
        self.before += old.outcome.findings.len() as u64;
        if self.findings >= FINDINGS_LEAST && self.findings > self.before.saturating_mul(FINDINGS_TIMES) {
            return Some(Worse::Floods { findings: self.findings, before: self.before });
        }
        if !new.took.is_zero() && !old.took.is_zero() {
            self.times.truncate(KEPT - 1);
            self.times.push_front((new.took, old.took));
        }
        self.slow()
    }

    fn slow(&self) -> Option<Worse> {
        if self.times.len() < LEAST_BATCHES {
            return None;
        }
        let p99 = |of: fn(&(Duration, Duration)) -> Duration| {
            let mut times: Vec<Duration> = self.times.iter().map(of).collect();
            let at = times.len() * 99 / 100;
            *times.select_nth_unstable(at).1
        };
        let (p99, before) = (p99(|times| times.0), p99(|times| times.1));
        (p99 > SLOW && p99 > before * SLOWER_TIMES).then_some(Worse::Slow { p99, before })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridwatch_rules::finding::RawFinding;
    use gridwatch_rules::pipeline::{DeadRow, ModuleOutcome};

    fn evaluation(findings: usize, dead: usize, took_ms: u64) -> Evaluation {
        let dead = (0..dead).map(|row| DeadRow { row: row as u32, reason: "trapped: boom".into() }).collect();
        let findings = vec![RawFinding::default(); findings];
        let outcome = ModuleOutcome { findings, dead, set_aside: None };
        Evaluation { outcome, took: Duration::from_millis(took_ms), ..Evaluation::default() }
    }

    fn verdict(batches: usize, new: (usize, usize, u64), old: (usize, usize, u64)) -> Option<Worse> {
        let mut probation = Probation::default();
        let of = |(findings, dead, took)| evaluation(findings, dead, took);
        (0..batches).find_map(|_| probation.follow(10, Some(&of(new)), Some(&of(old))))
    }

    #[test]
    fn what_the_old_one_fails_on_as_well_is_no_reason() {
        assert_eq!(verdict(1_000, (0, 2, 1), (0, 2, 1)), None);
        let Some(Worse::Fails { events: 1, first }) = verdict(1, (0, 3, 1), (0, 2, 1)) else { panic!() };
        assert!(first.contains("boom"));
    }

    #[test]
    fn ten_times_the_findings_is_a_flood_and_a_few_of_a_new_rule_are_none() {
        assert_eq!(verdict(1_000, (10, 0, 1), (1, 0, 1)), None);
        assert_eq!(verdict(9, (11, 0, 1), (0, 0, 1)), None, "99 findings");
        assert_eq!(verdict(1_000, (11, 0, 1), (1, 0, 1)), Some(Worse::Floods { findings: 110, before: 10 }));
        assert_eq!(verdict(1, (4_000, 0, 1), (0, 0, 1)), Some(Worse::Floods { findings: 4_000, before: 0 }));
    }

    #[test]
    fn three_times_as_slow_is_too_slow_where_it_holds_anybody_up() {
        assert_eq!(verdict(1_000, (0, 0, 4), (0, 0, 1)), None);
        assert_eq!(verdict(1_000, (0, 0, 30), (0, 0, 10)), None);
        assert_eq!(verdict(LEAST_BATCHES - 1, (0, 0, 40), (0, 0, 10)), None);
        assert!(matches!(verdict(LEAST_BATCHES, (0, 0, 40), (0, 0, 10)), Some(Worse::Slow { .. })));
    }

    #[test]
    fn nobody_is_taken_back_who_judges_nothing() {
        let old = Evaluation { unjudged: 10, ..Evaluation::default() };
        let new = evaluation(4_000, 7, 1);
        assert_eq!(Probation::default().follow(10, Some(&new), Some(&old)), None);
    }

    #[test]
    fn one_that_would_be_set_aside_goes() {
        let mut new = evaluation(0, 0, 1);
        new.outcome.set_aside =
            Some(gridwatch_rules::conduct::SetAside { row: 0, why: Why::Time, faults: 0, last: String::new() });
        let worse = Probation::default().follow(1, Some(&new), None).unwrap();
        assert_eq!(worse.to_string(), "it kept holding up all others");
    }
}
