//! An alert: findings of one rule about one thing, folded into one record for a person.
//!
//! Folding is by (rule, dedup key, period), the period aligned to 1970, so an alert has the same id however often, in what
//! batches and from which starting point the events are read: replay downstream is harmless. An alert is sent when it
//! opens, again when its severity rises, and again at 10, 100, 1,000 … findings; each time with its revision.

use crate::about::About;
use crate::basis::Basis;
use crate::directory::{Act, Role};
use crate::entry::hex;
use crate::manifest::{Playbook, Severity};
use crate::state::{ALERTS, StateOp};
use crate::stub::Stub;
use crate::subject::Subjects;
use crate::time::{UnixMillis, UnixSeconds};
use crate::windows::LATE_S;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Alerts that are open at once. Ordinary life has some hundred; a flood of made-up actors could have one for each.
pub const MAX_OPEN: usize = 10_000;
/// Events an alert shows. It counts all of them.
pub const MAX_EVIDENCE: usize = 50;
/// Different values that a label gathers from the findings of one alert, and their length together.
const MAX_LABEL_VALUES: usize = 20;
const MAX_LABEL_BYTES: usize = 2_048;
const LABEL_SEPARATOR: &str = ", ";
const AND_MORE: &str = " and more";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Stable: hash of rule, dedup key and period.
    pub uid: String,
    /// 1 when it opens, one more each time it is sent again.
    pub revision: u32,
    pub severity: Severity,
    pub title: String,
    /// `<module>.<rule>`.
    pub rule: String,
    pub rule_title: String,
    pub condition: String,
    pub module: ModuleRef,
    pub dedup_key: String,
    pub period_start: UnixSeconds,
    pub period_s: u64,
    /// Findings folded in so far.
    pub findings: u64,
    /// Event time of the oldest and newest evidence.
    pub first: UnixSeconds,
    pub last: UnixSeconds,
    /// When gridwatch first saw the entry that made the first revision, and the one that made this one.
    pub opened: UnixMillis,
    pub seen: UnixMillis,
    pub actor: Actor,
    /// What the actor did last, newest first, up to the event that made this revision.
    pub recent: Vec<Act>,
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
    /// What silenced it; kept and stored all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed_by: Option<String>,
    /// Who, whether that is usual for them, and from where, as of the event that made this revision. Only of what is sent.
    #[serde(default, skip_serializing_if = "About::is_empty")]
    pub about: Box<About>,
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

impl Alert {
    /// Id of the alert that a finding of this rule and key at this time belongs to, and the start of its period.
    pub fn identity(rule: &str, dedup_key: &str, at: UnixSeconds, period_s: u64) -> (String, UnixSeconds) {
        let start = UnixSeconds(at.0 - at.0 % period_s.max(1));
        let digest = Sha256::digest(format!("{rule}\n{dedup_key}\n{}\n{period_s}", start.0));
        (format!("gw-{}", hex(&digest[..16])), start)
    }

    /// Makes it one that nobody is told of. It gets an identity of its own, or else it would swallow findings of the same
    /// rule and key that nothing hides, and they it. No dedup key has a line feed, so none makes this one.
    pub fn suppress(&mut self, by: &str) {
        let key = format!("{}\nsuppressed by {by}", self.dedup_key);
        (self.uid, _) = Self::identity(&self.rule, &key, self.period_start, self.period_s);
        self.suppressed_by = Some(by.to_owned());
    }
}

/// Alerts that may still take findings. At most `most`: one more, and those whose newest event is oldest are closed, a tenth
/// at once. Whoever finds more of a closed one opens it again under the same id.
#[derive(Debug)]
pub struct Folder {
    open: BTreeMap<String, Alert>,
    dirty: BTreeSet<String>,
    most: usize,
}

impl Default for Folder {
    fn default() -> Self {
        Self { open: BTreeMap::new(), dirty: BTreeSet::new(), most: MAX_OPEN }
    }
}

impl Folder {
    /// Folds a new one-finding alert into the open one of the same id, if any; returns what is to be sent, if anything.
    /// `newest` is the newest event time known at the finding's event.
    pub fn fold(&mut self, new: Alert, newest: UnixSeconds) -> Option<Alert> {
        self.dirty.insert(new.uid.clone());
        let Some(open) = self.open.get_mut(&new.uid) else {
            self.make_room(newest);
            self.open.insert(new.uid.clone(), new.clone());
            return Some(new);
        };
        let worse = new.severity > open.severity;
        open.take_in(new);
        if !worse && !is_power_of_ten(open.findings) {
            return None;
        }
        open.revision += 1;
        Some(open.clone())
    }

    fn make_room(&mut self, newest: UnixSeconds) {
        if self.open.len() < self.most {
            return;
        }
        // Those that are over first, so that it doesn't matter whether they had been swept out before.
        self.expire(newest);
        if self.open.len() < self.most {
            return;
        }
        let mut by_age: Vec<_> = self.open.values().map(|alert| (alert.last, alert.uid.clone())).collect();
        by_age.sort_unstable();
        by_age.truncate(self.most.div_ceil(10));
        for (_, uid) in by_age {
            self.open.remove(&uid);
            self.dirty.insert(uid);
        }
    }

    /// Forgets alerts whose period, and the time in which late entries may still join it, is over.
    pub fn expire(&mut self, newest: UnixSeconds) {
        let over = |alert: &Alert| alert.period_start.plus(alert.period_s).plus(LATE_S) < newest;
        let gone: Vec<String> = self.open.values().filter(|a| over(a)).map(|a| a.uid.clone()).collect();
        for uid in gone {
            self.open.remove(&uid);
            self.dirty.insert(uid);
        }
    }

    pub fn take_changes(&mut self) -> Vec<StateOp> {
        let rows = std::mem::take(&mut self.dirty).into_iter().map(|uid| {
            let key = [&[ALERTS], uid.as_bytes()].concat();
            self.open.get(&uid).map_or_else(|| StateOp::delete(key.clone()), |a| StateOp::put(key.clone(), a))
        });
        rows.collect()
    }

    pub fn load(&mut self, key: &[u8], value: &[u8]) {
        if key.first() == Some(&ALERTS)
            && let Ok(alert) = serde_json::from_slice::<Alert>(value)
        {
            self.open.insert(alert.uid.clone(), alert);
        }
    }
}

impl Alert {
    fn take_in(&mut self, new: Self) {
        self.findings += new.findings;
        self.first = self.first.min(new.first);
        self.last = self.last.max(new.last);
        if new.severity >= self.severity {
            (self.severity, self.title, self.basis) = (new.severity, new.title, new.basis);
        }
        (self.seen, self.actor, self.recent, self.module) = (new.seen, new.actor, new.recent, new.module);
        self.subjects.take_in(new.subjects);
        for (key, value) in new.labels {
            match self.labels.get_mut(&key) {
                Some(known) => *known = merged(known, &value),
                None => _ = self.labels.insert(key, value),
            }
        }
        for stub in new.evidence {
            if self.evidence.iter().any(|known| known.id == stub.id) {
                continue;
            }
            self.evidence_total += 1;
            if self.evidence.len() < MAX_EVIDENCE {
                self.evidence.push(stub);
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

fn is_power_of_ten(n: u64) -> bool {
    n >= 10 && 10_u64.pow(n.ilog10()) == n
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(at: u64, severity: Severity, event: u64) -> Alert {
        let (uid, period_start) = Alert::identity("m.r", "W1", UnixSeconds(at), 3_600);
        let stub = Stub {
            seq: event,
            id: format!("e{event}"),
            time: UnixSeconds(at),
            action: "a".into(),
            actor_id: "W1".into(),
            ip_address: String::new(),
            ua: String::new(),
        };
        Alert {
            uid,
            revision: 1,
            severity,
            title: format!("{severity:?}"),
            rule: "m.r".into(),
            rule_title: "R".into(),
            condition: String::new(),
            module: ModuleRef { name: "m".into(), version: "1.0.0".into(), digest: "d".into() },
            dedup_key: "W1".into(),
            period_start,
            period_s: 3_600,
            findings: 1,
            first: UnixSeconds(at),
            last: UnixSeconds(at),
            opened: UnixMillis(0),
            seen: UnixMillis(0),
            actor: Actor::default(),
            recent: vec![],
            evidence: vec![Arc::new(stub)],
            evidence_total: 1,
            labels: BTreeMap::new(),
            subjects: Subjects::default(),
            attack: vec![],
            playbook: Playbook::default(),
            basis: Basis::default(),
            suppressed_by: None,
            about: Box::default(),
        }
    }

    /// Alerts of different keys, each an hour after the one before; the uids that were sent and those that are open.
    fn flood(swept_every: u64) -> (Vec<String>, Vec<String>) {
        let mut folder = Folder { most: 20, ..Folder::default() };
        let mut sent = vec![];
        for i in 0..200 {
            let at: u64 = 7_200 + i * 3_600;
            // Every third joins an alert that is ten hours old.
            let of = if i % 3 == 0 { at.saturating_sub(36_000) } else { at };
            let alert = Alert { last: UnixSeconds(at), ..alert(of, Severity::Low, i) };
            sent.extend(folder.fold(alert, UnixSeconds(at)).map(|alert| alert.uid));
            assert!(folder.open.len() <= 20);
            if i % swept_every == 0 {
                folder.expire(UnixSeconds(at));
            }
        }
        (sent, folder.open.into_keys().collect())
    }

    #[test]
    fn open_alerts_are_bounded_and_sweeps_show_in_nothing_sent() {
        let (sent, open) = flood(1_000);
        let newest = Alert::identity("m.r", "W1", UnixSeconds(7_200 + 199 * 3_600), 3_600).0;
        assert!(open.contains(&newest) && open.len() > 10, "the oldest go, and only a tenth at once: {}", open.len());
        for every in [1, 7] {
            assert_eq!(flood(every).0, sent, "swept every {every}");
        }
    }

    #[test]
    fn one_alert_per_rule_key_and_period_that_is_sent_when_it_matters() {
        let mut folder = Folder::default();
        let mut sent = Vec::new();
        for i in 0..120 {
            let severity = if i == 4 { Severity::High } else { Severity::Low };
            sent.extend(folder.fold(alert(7_200 + i, severity, i), UnixSeconds(0)).map(|a| (a.revision, a.findings)));
        }
        assert_eq!(sent, [(1, 1), (2, 5), (3, 10), (4, 100)]);
        let open = folder.open.values().next().unwrap();
        assert_eq!((open.severity, open.evidence.len(), open.evidence_total), (Severity::High, MAX_EVIDENCE, 120));
        assert!(
            folder.fold(alert(10_800, Severity::Low, 500), UnixSeconds(0)).is_some(),
            "the next period is another alert"
        );
    }

    #[test]
    fn an_event_cited_twice_is_counted_once() {
        let mut folder = Folder::default();
        folder.fold(alert(1, Severity::Low, 7), UnixSeconds(0));
        folder.fold(alert(1, Severity::Low, 7), UnixSeconds(0));
        assert_eq!(folder.open.values().next().unwrap().evidence_total, 1);
    }

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
    fn a_label_stays_short_and_says_that_there_was_more() {
        let value = |i: usize| format!("10.0.0.{i}");
        let many = (0..100).fold(String::new(), |known, i| merged(&known, &value(i)));
        let want: Vec<String> = (0..MAX_LABEL_VALUES).map(value).collect();
        assert_eq!(many, want.join(", ") + " and more");
        let long = (0..100).fold(String::new(), |known, i| merged(&known, &format!("{i}{}", "x".repeat(1_000))));
        assert!(long.len() < MAX_LABEL_BYTES + 20 && long.ends_with(" and more"), "{}", long.len());
    }

    #[test]
    fn an_alert_takes_in_the_labels_of_its_findings() {
        let mut folder = Folder::default();
        for (i, (app, seen)) in [("A1", "3"), ("A2", "4"), ("A1", "5")].into_iter().enumerate() {
            let mut alert = alert(1, Severity::Low, i as u64);
            alert.labels = [("app".into(), app.into()), ("seen".into(), seen.into())].into();
            folder.fold(alert, UnixSeconds(0));
        }
        let labels = &folder.open.values().next().unwrap().labels;
        assert_eq!((labels["app"].as_str(), labels["seen"].as_str()), ("A1, A2", "5"));
    }

    #[test]
    fn open_alerts_survive_a_restart_and_end_after_the_late_allowance() {
        let mut folder = Folder::default();
        folder.fold(alert(7_200, Severity::Low, 1), UnixSeconds(0));
        let mut again = Folder::default();
        folder.take_changes().iter().for_each(|op| again.load(&op.key, op.value.as_deref().unwrap_or_default()));
        assert_eq!(again.fold(alert(7_300, Severity::Low, 2), UnixSeconds(0)), None, "folded, not opened anew");
        again.expire(UnixSeconds(10_800 + LATE_S + 1));
        assert!(again.open.is_empty());
    }
}
