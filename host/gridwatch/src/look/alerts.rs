//! Alerts by what somebody asks for, and what there is to say of one beside what stands in it.

use crate::archive::{self, ArchiveError, ArchiveRecord};
use crate::history::{History, Row};
use gridwatch_event::entry::Entry;
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::{Playbook, Severity, Step};
use gridwatch_rules::alert::Alert;
use gridwatch_rules::handling::Status;
use gridwatch_rules::stub::Stub;
use std::collections::BTreeSet;
use std::path::Path;

/// Which alerts to tell of; everything that is set has to hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub since: Option<UnixSeconds>,
    pub severity: Option<Severity>,
    /// A rule, or a module's whole `module.*`.
    pub rule: Option<String>,
    /// Id, name or e-mail address.
    pub actor: Option<String>,
    /// Its organization's name.
    pub org: Option<String>,
    pub kept: Kept,
    pub stands: Stands,
}

/// Where alerts stand, by what people did about them; wherever they do if nothing is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stands {
    /// Nobody has done anything, or it was opened again.
    pub open: bool,
    pub acknowledged: bool,
    /// Or over.
    pub closed: bool,
}

impl Stands {
    fn take(self, status: Status, is_over: bool) -> bool {
        let is_there = match status {
            Status::Closed(_) => self.closed,
            Status::Open | Status::Acknowledged if is_over => self.closed,
            Status::Acknowledged => self.acknowledged,
            Status::Open => self.open,
        };
        is_there || self == Self::default()
    }
}

/// Which alerts there are beside those that somebody was told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kept {
    #[default]
    Told,
    /// Those that something suppressed as well.
    Suppressed,
    /// Those of rules in shadow alone.
    Shadow,
}

impl Filter {
    pub fn takes(&self, alert: &Alert) -> bool {
        let actor = &alert.actor;
        self.takes_of((alert.last, alert.severity, (alert.suppressed_by.is_some(), alert.is_shadow())), &alert.rule)
            && self.actor.as_ref().is_none_or(|who| [&actor.id, &actor.name, &actor.email].contains(&who))
            && self.org.as_ref().is_none_or(|org| alert.org.to_string() == *org)
            && self.stands.take(alert.handling.status, alert.over.is_some())
    }

    pub fn takes_row(&self, row: &Row, rule: &str) -> bool {
        self.takes_of((row.last, row.severity, (row.is_suppressed, row.is_shadow)), rule)
            && self.actor.as_ref().is_none_or(|who| row.is_by(who))
            && self.org.as_ref().is_none_or(|org| row.is_of(org))
            && self.stands.take(row.status, row.is_over)
    }

    fn takes_of(
        &self,
        (last, severity, (is_suppressed, is_shadow)): (UnixSeconds, Severity, (bool, bool)),
        rule: &str,
    ) -> bool {
        let is_kept = match self.kept {
            Kept::Told => !is_suppressed,
            Kept::Suppressed => !is_shadow,
            Kept::Shadow => is_shadow,
        };
        let is_rule = |asked: &String| match asked.strip_suffix('*') {
            Some(prefix) => rule.starts_with(prefix),
            None => rule == asked,
        };
        self.since.is_none_or(|since| last >= since)
            && self.severity.is_none_or(|least| severity >= least)
            && self.rule.as_ref().is_none_or(is_rule)
            && is_kept
    }

    /// The alerts that it takes, the one of the newest event at the end.
    pub fn rows<'h>(&self, history: &'h History) -> impl DoubleEndedIterator<Item = &'h Row> + use<'h, '_> {
        history.rows().iter().filter(|row| self.takes_row(row, history.rule(row)))
    }
}

/// What the archive has of the entries that an alert shows as evidence. After an `Err` it goes on with what can be read.
///
/// # Errors
/// The archive's folder can't be read.
pub fn cited(
    archive: &Path,
    alert: &Alert,
) -> Result<impl Iterator<Item = Result<ArchiveRecord, ArchiveError>>, ArchiveError> {
    let ids: BTreeSet<String> = alert.evidence.iter().map(|stub| stub.id.clone()).collect();
    let times = alert.evidence.iter().map(|stub| stub.time).collect();
    let is_cited = move |record: &ArchiveRecord| ids.contains(Entry::from_json(&record.raw).id());
    Ok(archive::read_at(archive, times)?.filter(move |record| record.as_ref().map_or(true, &is_cited)))
}

/// As much of an alert's id as tells it apart from others.
pub fn short_id(alert: &Alert) -> &str {
    alert.uid.get(..13).unwrap_or(&alert.uid)
}

/// Name, address or id: the first there is.
pub fn who(alert: &Alert) -> &str {
    let actor = &alert.actor;
    [&actor.name, &actor.email, &actor.id].into_iter().find(|text| !text.is_empty()).map_or("", String::as_str)
}

/// Who did it, with their roles then and now, through what, and how many others.
pub fn actor_text(alert: &Alert) -> String {
    let actor = &alert.actor;
    let names = [&actor.name, &actor.email, &actor.id].map(String::as_str);
    let names: Vec<&str> = names.into_iter().filter(|text| !text.is_empty()).collect();
    let roles = match (actor.role_at_event.name(), actor.role_now.name()) {
        (then, now) if then == now => format!("role {then}"),
        (then, now) => format!("role {then} then, {now} now"),
    };
    let who = if names.is_empty() { "nobody is named".to_owned() } else { format!("{} ({roles})", names.join(", ")) };
    let through: Vec<String> = alert.about.acted_through.iter().map(ToString::to_string).collect();
    let others = match alert.counts.doers.saturating_sub(1) {
        0 => String::new(),
        more => format!("; {more} more did it too"),
    };
    match through.as_slice() {
        [] => format!("{who}{others}"),
        through => format!("{who}, through {}{others}", through.join("; ")),
    }
}

/// From when to when, how often, and which revision of which rule's alert it is.
pub fn when(alert: &Alert) -> String {
    let goes_on = if alert.days > 1 { format!(", on {} days", alert.days) } else { String::new() };
    format!(
        "{} to {}{goes_on}: {}, {}; {} revision {}, {}",
        alert.first,
        alert.last,
        count(alert.findings, "finding"),
        count(alert.evidence_total, "event"),
        short_id(alert),
        alert.revision,
        alert.rule
    )
}

/// What an event was done to, by name and id.
pub fn object(stub: &Stub) -> String {
    match (stub.object_name.as_str(), stub.object.as_str()) {
        ("", id) => id.to_owned(),
        (name, "") => name.to_owned(),
        (name, id) => format!("{name} ({id})"),
    }
}

/// What to do about it, by phase; those without a step are left out.
pub fn phases(alert: &Alert) -> impl Iterator<Item = (&'static str, &[Step])> {
    let Playbook { verify, contain, then } = &alert.playbook;
    let phases = [("Verify", verify), ("Contain", contain), ("Then", then)];
    phases.into_iter().map(|(phase, steps)| (phase, steps.as_slice())).filter(|(_, steps)| !steps.is_empty())
}

/// `1 event`, `2 events`.
fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
