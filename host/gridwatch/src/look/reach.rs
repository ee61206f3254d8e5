//! What an alert counted, read again from the archive for the things that it was about.
//!
//! An alert's subjects are those of the events that its findings fired on, and a rule that fires at the fifth file counted four
//! more. Evidence in an alert is too small to name them, so they are taken from the entries themselves, as far as the
//! archive has them. What couldn't be had is said: then the targets are not all there are.

use crate::archive;
use crate::config::Homes;
use crate::history::{History, Row};
use crate::look::alerts;
use anyhow::Result;
use gridwatch_event::org::OrgId;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::directory::Directory;
use gridwatch_rules::subject::Subjects;
use std::collections::BTreeSet;
use std::path::Path;

/// How far around an alert, and in how many entries and alerts, the organization's own ids are looked for.
const LEARN_S: u64 = 86_400;
const LEARN_MAX: usize = 20_000;

/// How far the targets of a plan go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Events that the alert is based on, and how many of them it shows.
    total: u64,
    shown: usize,
    /// Of those shown, how many the archive had. `None`: no archive is kept.
    read: Option<usize>,
    /// Why reading broke off or had gaps.
    problem: Option<String>,
}

/// The alert with the subjects of all that it shows as evidence, and with the organization that the log is of.
pub fn widened(mut alert: Alert, homes: &Homes) -> (Alert, Reach) {
    let mut reach = Reach { total: alert.evidence_total, shown: alert.evidence.len(), ..Reach::default() };
    learn_places(&mut alert, homes);
    let Some(archive) = homes.archive(&alert.org) else { return (alert, reach) };
    let (mut events, mut ids) = (Vec::new(), BTreeSet::new());
    match alerts::cited(&archive, &alert) {
        Ok(records) => {
            for record in records {
                match record {
                    Ok(record) => {
                        let event = record.event();
                        ids.insert(event.id().to_owned());
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

/// The organization's newest alerts.
fn newest(state_dir: &Path, org: &OrgId) -> Result<Vec<Alert>> {
    let (mut history, name) = (History::open(state_dir)?, org.to_string());
    let newest: Vec<Row> =
        history.rows().iter().rev().filter(|row| row.is_of(&name)).take(LEARN_MAX).cloned().collect();
    newest.iter().filter_map(|row| history.alert(row).transpose()).collect()
}

/// Half of all entries name only a workspace, or only the organization. Methods want the one or the other, and the rest of the
/// log knows them: other alerts, or else the entries of the days around. Two organizations, or two workspaces, are no answer.
fn learn_places(alert: &mut Alert, homes: &Homes) {
    let lacks = |alert: &Alert| (alert.subjects.enterprises.ids.is_empty(), alert.subjects.workspaces.ids.is_empty());
    if lacks(alert) == (false, false) {
        return;
    }
    let mut seen = Subjects::default();
    let learn = |seen: &mut Subjects, of: &Subjects| {
        of.enterprises.ids.iter().chain(&of.workspaces.ids).for_each(|id| seen.add_place(id));
    };
    for other in newest(&homes.state_dir, &alert.org).unwrap_or_default() {
        learn(&mut seen, &other.subjects);
    }
    if let Some(archive) = homes.archive(&alert.org).filter(|_| seen.enterprises.ids.is_empty()) {
        let (from, to) = (alert.first.minus(LEARN_S), alert.last.plus(LEARN_S));
        let records = archive::read(&archive, Some(from), Some(to)).into_iter().flatten();
        for record in records.filter_map(Result::ok).take(LEARN_MAX) {
            let event = record.event();
            let mut said = Directory::default();
            said.learn(&event);
            learn(&mut seen, &Subjects::of(&event, &said));
        }
    }
    let (no_enterprise, no_workspace) = lacks(alert);
    let only = |ids: &BTreeSet<String>| ids.first().filter(|_| ids.len() == 1).cloned();
    if let Some(id) = only(&seen.enterprises.ids).filter(|_| no_enterprise) {
        alert.subjects.add_place(&id);
    }
    if let Some(id) = only(&seen.workspaces.ids).filter(|_| no_workspace) {
        alert.subjects.add_place(&id);
    }
}

impl Reach {
    /// What whoever reads the plan has to know of its targets.
    pub fn notes(&self) -> Vec<String> {
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
