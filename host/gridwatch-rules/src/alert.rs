//! An alert: findings of one rule about one thing, folded into one record for a person.
//!
//! Folding is by (rule, dedup key, period), the period aligned to 1970, so an alert has the same id however often and in what
//! batches the events are read: replay downstream is harmless. Which findings it takes in and when it is sent again is the
//! matter of [`fold`](crate::fold).

use crate::about::About;
use crate::answer;
use crate::basis::Basis;
use crate::directory::RecentAct;
use crate::handling::Handling;
use crate::stub::Stub;
use crate::subject::Subjects;
use gridwatch_event::event::Event;
use gridwatch_event::org::OrgId;
use gridwatch_event::role::Role;
use gridwatch_event::text::clean;
use gridwatch_event::text::hex;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_event::whose::{self, is_placeholder};
use gridwatch_manifest::{Playbook, Severity};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Stands where an alert says what suppressed it, if its rule runs in shadow. No exception can have this id.
pub const SHADOW: &str = "shadow mode";

/// Events an alert shows. It counts all of them.
pub const MAX_EVIDENCE: usize = 50;
/// Different values that a label gathers from the findings of one alert, and their length together.
const MAX_LABEL_VALUES: usize = 20;
const MAX_LABEL_BYTES: usize = 2_048;
pub(crate) const LABEL_SEPARATOR: &str = ", ";
pub(crate) const AND_MORE: &str = " and more";
/// Longest name or id of whoever did something, in characters.
const MAX_NAME: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Stable: hash of rule, dedup key and period.
    pub uid: String,
    /// In whose log it was found.
    #[serde(default, skip_serializing_if = "OrgId::is_unnamed")]
    pub org: OrgId,
    /// Which of folding's revisions this is, or adds to: 1 when it opens, one more each time folding sends it again. Nothing else
    /// counts here, so a replay, which asks nobody, makes the same numbers.
    pub revision: u32,
    /// Who sends this record of it: see [`Alert::record_id`].
    #[serde(default, skip_serializing_if = "Source::is_fold")]
    pub source: Source,
    /// Of the gravest finding; of equally grave ones, of the newest. So are title, actor, basis and what is told about them.
    pub severity: Severity,
    /// Why it is that severe, in the rule's own words; empty where it was not said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    pub title: String,
    /// `<module>.<rule>`.
    pub rule: String,
    pub rule_title: String,
    pub condition: String,
    pub module: ModuleRef,
    pub dedup_key: String,
    pub period_start: UnixSeconds,
    /// Whole periods: one, or as many as it went on over.
    pub period_s: u64,
    /// Findings folded in so far.
    pub findings: u64,
    #[serde(default)]
    pub counts: Counts,
    /// Periods in which something of it was found, where there is more than one: it goes on.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub days: u64,
    /// Why this revision is sent, in words; nothing for the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub news: Vec<String>,
    /// Event time of the oldest and newest evidence.
    pub first: UnixSeconds,
    pub last: UnixSeconds,
    /// When gridwatch first saw the entry that made the first revision, and the one that made this one.
    pub opened: UnixMillis,
    pub seen: UnixMillis,
    pub actor: Actor,
    /// Who else did it, as far as they are kept; `counts` has how many there were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Doer>,
    /// What the actor did last, newest first, up to the event that made this revision.
    pub recent: Vec<RecentAct>,
    pub evidence: Vec<Arc<Stub>>,
    /// Distinct events cited so far; more than `evidence` shows when that is full.
    pub evidence_total: u64,
    pub labels: BTreeMap<String, String>,
    /// What a response would act on: of the events that the findings are about.
    #[serde(default, skip_serializing_if = "Subjects::is_empty")]
    pub subjects: Subjects,
    pub attack: Vec<String>,
    pub playbook: Playbook,
    /// What the module saw of the event that gave the alert its title; nothing for gridwatch's own alerts.
    #[serde(default)]
    pub basis: Basis,
    /// The enterprise that the log belongs to, if an entry has named it by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Arc<str>>,
    /// What silenced it; kept and stored all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed_by: Option<String>,
    /// What people did about it, and where it stands. What folds doesn't know it: it is added when a record is saved.
    #[serde(default, skip_serializing_if = "Handling::is_untouched")]
    pub handling: Handling,
    /// Since when it is over: only of troubles of gridwatch's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<UnixMillis>,
    /// Who, whether that is usual for them, and from where, as of the event that made this revision. Only of what is sent.
    #[serde(default, skip_serializing_if = "About::is_empty")]
    pub about: Box<About>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// What makes a record of an alert. Each source but folding counts its own records of an alert, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Findings came, or time passed: numbered by [`Alert::revision`].
    #[default]
    Fold,
    /// What Slack answered about the people and places of a revision.
    Enrichment(u32),
    /// What a person did about it: see [`handling`](crate::handling).
    Act(u32),
}

impl Source {
    pub fn is_fold(&self) -> bool {
        *self == Self::Fold
    }
}

/// Exactly which code said it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleRef {
    pub name: String,
    pub version: String,
    /// SHA-256 of the component file.
    pub digest: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    pub id: String,
    pub name: String,
    pub email: String,
    /// When the newest event happened, and the newest role known.
    pub role_at_event: Role,
    pub role_now: Role,
}

/// Different ones among the findings so far. Exact up to [`crate::distinct::MOST`], about right beyond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// People, and apps that acted for them. Nobody of what the log can't tell who did it.
    pub doers: u64,
    /// What it was done to.
    pub objects: u64,
    pub addresses: u64,
}

/// Who did something: a person, an app, or an app in a person's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Doer {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub email: String,
    /// The app's id.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub app: String,
}

impl Doer {
    /// Of whoever the entry says did it. `None` where it only says whom somebody claimed to be, or nobody.
    pub fn of(event: &Event) -> Option<Self> {
        let of = |name: &str| {
            let text = event.actor().map(|actor| actor.text(name)).unwrap_or_default();
            clean(&text, MAX_NAME)
        };
        let app = whose::app(event).map(|app| app.text("id")).unwrap_or_default();
        let is_person = !event.traits().is_claimed && !is_placeholder(event.actor_id());
        let person = if is_person { clean(event.actor_id(), MAX_NAME) } else { String::new() };
        let (name, email) = if person.is_empty() { Default::default() } else { (of("name"), of("email")) };
        let doer = Self { id: person, name, email, app: clean(&app, MAX_NAME) };
        (!doer.id.is_empty() || !doer.app.is_empty()).then_some(doer)
    }

    /// Names change, ids don't.
    pub fn is(&self, other: &Self) -> bool {
        (&self.id, &self.app) == (&other.id, &other.app)
    }
}

impl std::fmt::Display for Doer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = [&self.email, &self.name].into_iter().find(|text| !text.is_empty());
        match (name, self.id.as_str(), self.app.as_str()) {
            (_, "", app) => write!(f, "app {app}")?,
            (Some(name), id, _) => write!(f, "{name} ({id})")?,
            (None, id, _) => f.write_str(id)?,
        }
        match (self.id.as_str(), self.app.as_str()) {
            ("", _) | (_, "") => Ok(()),
            (_, app) => write!(f, " through app {app}"),
        }
    }
}

impl Alert {
    /// Id of the alert that a finding of this rule and key at this time belongs to, and the start of its period.
    pub fn identity(rule: &str, dedup_key: &str, at: UnixSeconds, period_s: u64) -> (String, UnixSeconds) {
        let start = UnixSeconds(at.0 - at.0 % period_s.max(1));
        let digest = Sha256::digest(format!("{rule}\n{dedup_key}\n{}\n{period_s}", start.0));
        (format!("gw-{}", hex(&digest[..16])), start)
    }

    /// The stable id of this record, different for all records of an alert. It ends in the number of the revision that it is
    /// or adds to, so that whoever looks for the newest finds it by that number, and of one number by the later time:
    /// `gw-…:2`, `gw-…:enrichment-1:2`, `gw-…:act-1:2`.
    pub fn record_id(&self) -> String {
        let Self { uid, revision, source, .. } = self;
        match source {
            Source::Fold => format!("{uid}:{revision}"),
            Source::Enrichment(number) => format!("{uid}:enrichment-{number}:{revision}"),
            Source::Act(number) => format!("{uid}:act-{number}:{revision}"),
        }
    }

    /// Is this the record by which the alert is told for the first time?
    pub const fn is_opening(&self) -> bool {
        self.revision <= 1 && matches!(self.source, Source::Fold)
    }

    /// Says in whose log it was found. Organizations that have names may see the same ids, and theirs differ.
    pub fn of_org(mut self, org: &OrgId) -> Self {
        self.org = org.clone();
        self.uid = self.uid_in_org();
        self
    }

    fn uid_in_org(&self) -> String {
        let Some(name) = self.org.name() else { return self.uid.clone() };
        let digest = Sha256::digest(format!("{name}\n{}", self.uid));
        format!("gw-{}", hex(&digest[..16]))
    }

    /// The headline and why it is that severe, for who reads one line.
    pub fn message(&self) -> String {
        match self.reason.as_str() {
            "" => self.title.clone(),
            reason => format!("{}. {}: {reason}", self.title.trim_end_matches('.'), self.severity.name()),
        }
    }

    /// What the actor did last, less what is evidence anyway.
    pub fn recent_besides(&self) -> impl Iterator<Item = &RecentAct> {
        self.recent.iter().filter(|act| self.evidence.iter().all(|stub| stub.seq != act.seq))
    }

    /// Makes it one that nobody is told of. It gets an identity of its own, or else it would swallow findings of the same
    /// rule and key that nothing suppresses, and they it. No dedup key has a line feed, so none makes this one.
    pub fn suppress(&mut self, by: &str) {
        let key = format!("{}\nsuppressed by {by}", self.dedup_key);
        (self.uid, _) = Self::identity(&self.rule, &key, self.period_start, self.period_s);
        self.uid = self.uid_in_org();
        self.suppressed_by = Some(by.to_owned());
    }
}

impl Alert {
    /// Was it made by a rule that runs in shadow? Nobody is told of it.
    pub fn is_shadow(&self) -> bool {
        self.suppressed_by.as_deref() == Some(SHADOW)
    }

    /// Takes in an alert of one finding of the same rule and key. `is_headline`: it is what the reader should see first. The
    /// evidence of that one is there even if there is no room for the evidence of all.
    pub(crate) fn take_in(&mut self, new: Self, is_headline: bool) {
        self.findings += new.findings;
        self.first = self.first.min(new.first);
        self.last = self.last.max(new.last);
        self.seen = new.seen;
        self.subjects.take_in(new.subjects);
        let is_graver = new.severity > self.severity;
        for (key, value) in new.labels {
            match self.labels.get_mut(&key) {
                Some(known) if is_graver => *known = merged(&value, known),
                Some(known) => *known = merged(known, &value),
                None => _ = self.labels.insert(key, value),
            }
        }
        self.cite(new.evidence, is_graver);
        answer::joined(&mut self.playbook, new.playbook);
        if is_headline {
            (self.severity, self.title, self.basis) = (new.severity, new.title, new.basis);
            self.reason = new.reason;
            (self.actor, self.recent, self.module, self.attack) = (new.actor, new.recent, new.module, new.attack);
        }
    }

    /// Adds evidence, its newest at the end. Where there is no room for all, a graver finding's comes first; of another, the newest
    /// event takes the place of the newest but the one that gave the title.
    fn cite(&mut self, mut new: Vec<Arc<Stub>>, is_graver: bool) {
        new.retain(|stub| self.evidence.iter().all(|known| known.id != stub.id));
        self.evidence_total += new.len() as u64;
        if is_graver {
            std::mem::swap(&mut self.evidence, &mut new);
        }
        let newest = new.last().cloned();
        let room = MAX_EVIDENCE.saturating_sub(self.evidence.len());
        let all_fit = new.len() <= room;
        self.evidence.extend(new.into_iter().take(room));
        if let Some(newest) = newest.filter(|_| !all_fit && !is_graver) {
            let place = self.evidence.iter().rposition(|known| known.id != self.basis.event);
            if let Some(at) = place {
                self.evidence.remove(at);
                self.evidence.push(newest);
            }
        }
    }
}

/// A label of two findings: the larger of two whole numbers; of texts, which may be lists already, each once. A list that is
/// full ends in [`AND_MORE`], for which values are missing can't be known without keeping them.
fn merged(known: &str, new: &str) -> String {
    if let (Ok(known), Ok(new)) = (known.parse::<u64>(), new.parse::<u64>()) {
        return known.max(new).to_string();
    }
    let (known, mut full) = known.strip_suffix(AND_MORE).map_or((known, false), |known| (known, true));
    let mut values: Vec<&str> = known.split(LABEL_SEPARATOR).collect();
    let mut length = known.len();
    for value in new.strip_suffix(AND_MORE).unwrap_or(new).split(LABEL_SEPARATOR) {
        if values.contains(&value) || value.is_empty() {
            continue;
        }
        length += LABEL_SEPARATOR.len() + value.len();
        if values.len() >= MAX_LABEL_VALUES || length > MAX_LABEL_BYTES {
            full = true;
            break;
        }
        values.push(value);
    }
    values.retain(|value| !value.is_empty());
    values.join(LABEL_SEPARATOR) + if full || new.ends_with(AND_MORE) { AND_MORE } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_gathers_what_its_findings_say() {
        for (known, new, want) in [
            ("a", "b", "a, b"),
            ("a, b", "b", "a, b"),
            ("admin, chat:write", "chat:write, users:read", "admin, chat:write, users:read"),
            ("10", "11", "11"),
            ("11", "9", "11"),
            ("10", "unknown", "10, unknown"),
            ("", "a", "a"),
            ("a", "", "a"),
            ("a, b and more", "c", "a, b, c and more"),
        ] {
            assert_eq!(merged(known, new), want, "{known} + {new}");
        }
    }

    #[test]
    fn each_record_of_an_alert_has_an_id_of_its_own_that_ends_in_the_revision() {
        let folded = crate::builtin::catalogue_drift(&gridwatch_event::drift::Drift::default(), UnixMillis(0));
        let of = |revision, source| Alert { revision, source, ..folded.clone() };
        let records = [
            of(1, Source::Fold),
            of(1, Source::Enrichment(1)),
            of(2, Source::Fold),
            of(2, Source::Enrichment(2)),
            of(2, Source::Act(1)),
        ];
        let ids: Vec<String> = records.iter().map(|alert| alert.record_id().replace(&alert.uid, "gw-1")).collect();
        assert_eq!(ids, ["gw-1:1", "gw-1:enrichment-1:1", "gw-1:2", "gw-1:enrichment-2:2", "gw-1:act-1:2"]);
        let opening: Vec<bool> = records.iter().map(Alert::is_opening).collect();
        assert_eq!(opening, [true, false, false, false, false]);
        for record in &records {
            let written = serde_json::to_string(record).unwrap();
            assert_eq!(
                written.contains("\"source\""),
                !record.source.is_fold(),
                "an alert of folding is written as before"
            );
            assert_eq!(serde_json::from_str::<Alert>(&written).unwrap(), *record);
        }
    }

    #[test]
    fn a_label_stays_short_and_says_that_there_was_more() {
        let value = |i: usize| format!("10.0.0.{i}");
        let many = (0..100).fold(String::new(), |known, i| merged(&known, &value(i)));
        let want: Vec<String> = (0..MAX_LABEL_VALUES).map(value).collect();
        assert_eq!(many, want.join(", ") + " and more");
        let long = (0..100).fold(String::new(), |known, i| merged(&known, &format!("{i}{}", "x".repeat(1_000))));
        assert!(long.len() < MAX_LABEL_BYTES + 20 && long.ends_with(" and more"), "{}", long.len());
    }
}
