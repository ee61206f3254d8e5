//! What an alert counted, read again from the archive for the things that it was about.
//!
//! An alert's subjects are those of the events that its findings fired on, and a rule that fires at the fifth file counted four
//! more. Evidence in an alert is too small to name them, so they are taken from the entries themselves, as far as the
//! archive has them. What couldn't be had is said: then the targets are not all there are.

use crate::alerts;
use crate::config::Config;
use gridwatch_core::alert::Alert;
use std::collections::BTreeSet;

/// How far the targets of a plan go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    /// Events that the alert is based on, and how many of them it shows.
    total: u64,
    shown: usize,
    /// Of those shown, how many the archive had. `None`: no archive is kept.
    read: Option<usize>,
    /// Why reading broke off or had gaps.
    problem: Option<String>,
}

/// The alert with the subjects of all that it shows as evidence.
pub(super) fn widened(mut alert: Alert, config: &Config) -> (Alert, Reach) {
    let mut reach = Reach { total: alert.evidence_total, shown: alert.evidence.len(), ..Reach::default() };
    let Some(archive) = &config.archive else { return (alert, reach) };
    let (mut events, mut ids) = (Vec::new(), BTreeSet::new());
    match alerts::cited(&archive.dir, &alert) {
        Ok(records) => {
            for record in records {
                match record {
                    Ok(record) => {
                        let event = record.event();
                        ids.insert(event.id.clone());
                        events.push(event);
                    }
                    Err(error) => reach.problem = Some(error.to_string()),
                }
            }
        }
        Err(error) => reach.problem = Some(error.to_string()),
    }
    reach.read = Some(ids.len());
    events.iter().for_each(|event| alert.subjects.widen(event));
    (alert, reach)
}

impl Reach {
    /// What whoever reads the plan has to know of its targets.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        match self.read {
            None if self.shown > 0 => notes.push(
                "No archive is kept: targets are those of the events that the rule fired on, without what it counted before."
                    .to_owned(),
            ),
            Some(read) if read < self.shown => notes.push(format!(
                "{} of {} events are not in the archive, no longer or not yet: what they alone are about is missing from the \
                 targets.",
                self.shown - read,
                self.shown
            )),
            _ => {}
        }
        if self.total > self.shown as u64 {
            notes.push(format!(
                "The alert keeps {} of the {} events that it is based on: what the others are about may be missing from the \
                 targets.",
                self.shown, self.total
            ));
        }
        notes.extend(self.problem.as_ref().map(|problem| format!("The archive can't be read in full: {problem}.")));
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(total: u64, shown: usize, read: Option<usize>) -> String {
        Reach { total, shown, read, problem: None }.notes().join(" ")
    }

    #[test]
    fn what_the_targets_lack_is_said() {
        assert_eq!(notes(5, 5, Some(5)), "");
        assert_eq!(notes(0, 0, None), "", "gridwatch's own alerts may have no evidence at all");
        assert!(notes(5, 5, None).contains("No archive is kept"));
        assert!(notes(5, 5, Some(2)).contains("3 of 5 events are not in the archive"));
        assert!(notes(80, 50, Some(50)).contains("keeps 50 of the 80 events"));
    }
}
