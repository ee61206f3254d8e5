//! gridwatch's own alerts: about what it can and can't see, not about what people did.
//!
//! They have a manifest like any module's, so that tables, coverage and playbooks treat them alike, but no code of their own:
//! the part of the host that notices something makes the alert here.

use crate::alert::{Actor, Alert, ModuleRef};
use crate::basis::Basis;
use crate::directory::Role;
use crate::drift::Drift;
use crate::event::Event;
use crate::exception::Exception;
use crate::finding::{MAX_KEY, MAX_LABEL, MAX_TITLE, clean};
use crate::manifest::{Manifest, Rule, Severity, span_text};
use crate::risk::Sum;
use crate::roster::Member;
use crate::stub::Stub;
use crate::subject::Subjects;
use crate::time::UnixMillis;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// The module name that our own rules go by. No module may have it.
pub const NAME: &str = "gridwatch";
/// The rule that sums up what others say of one actor.
pub const RISK: &str = "gridwatch.risk";
/// Stands where a module has the digest of its component.
pub const BUILT_IN: &str = "built-in";

static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| {
    let (text, version) = (include_str!("own.toml"), env!("CARGO_PKG_VERSION"));
    let parsed = Manifest::parse(&text.replacen("0.0.0", version, 1));
    parsed.unwrap_or_else(|problem| unreachable!("own.toml is tested: {problem}"))
});

/// The rules that gridwatch brings itself.
pub fn manifest() -> &'static Manifest {
    &MANIFEST
}

/// The first entry of an action that the catalogue doesn't have.
pub fn unknown_action(event: &Event, actor: Actor) -> Alert {
    let title = format!("Slack logs an action that gridwatch doesn't know: {}", event.action);
    let blank = blank("unknown-action", &event.action, title, event.first_seen);
    let (uid, period_start) = Alert::identity(&blank.rule, &blank.dedup_key, event.time, blank.period_s);
    Alert {
        uid,
        period_start,
        first: event.time,
        last: event.time,
        actor,
        evidence: vec![Stub::of(event)],
        evidence_total: 1,
        labels: BTreeMap::from([("action".to_owned(), clean(&event.action, MAX_TITLE))]),
        ..blank
    }
}

/// What rules have said of an actor within a time is enough to look at as one thing. `last` is the alert that made it so.
pub fn risk(sum: Sum, last: &Alert) -> Alert {
    let actor = [&last.actor.name, &last.actor.email, &last.actor.id].into_iter().find(|text| !text.is_empty());
    let (rules, tactics) = (sum.rules.len(), sum.tactics.len());
    let who = actor.map_or("somebody", String::as_str);
    let title = format!(
        "{who} set off {rules} rules of {tactics} tactics within {} ({} points)",
        span_text(sum.span_s),
        sum.points
    );
    let blank = blank("risk", &last.actor.id, title, last.opened);
    let (uid, period_start) = Alert::identity(&blank.rule, &blank.dedup_key, last.last, blank.period_s);
    let labels =
        [("rules", sum.rules.join(", ")), ("tactics", sum.tactics.join(", ")), ("points", sum.points.to_string())];
    Alert {
        uid,
        period_start,
        first: sum.evidence.first().map_or(last.first, |stub| stub.time),
        last: sum.evidence.last().map_or(last.last, |stub| stub.time),
        seen: last.seen,
        actor: last.actor.clone(),
        subjects: last.subjects.clone(),
        recent: last.recent.clone(),
        evidence_total: sum.evidence.len() as u64,
        evidence: sum.evidence,
        labels: labels.map(|(name, value)| (name.to_owned(), value)).into(),
        attack: sum.attack,
        ..blank
    }
}

/// Slack's lists are not what they were at build time. One alert for each drift that differs from the last one reported.
pub fn catalogue_drift(drift: &Drift, at: UnixMillis) -> Alert {
    let key = crate::entry::hex(&Sha256::digest(format!("{drift:?}"))[..8]);
    let mut blank = blank("catalogue-drift", &key, format!("Slack's catalogue: {}", drift.summary()), at);
    let lists = [
        ("new_actions", &drift.new_actions),
        ("gone_actions", &drift.gone_actions),
        ("new_entities", &drift.new_entities),
        ("gone_entities", &drift.gone_entities),
    ];
    for (name, names) in lists.into_iter().filter(|(_, names)| !names.is_empty()) {
        blank.labels.insert(name.to_owned(), joined(names));
    }
    blank
}

/// An exception has run out: what it hid is told again. One alert for each entry and end.
pub fn exception_expired(exception: &Exception, at: UnixMillis) -> Alert {
    let title = format!("The exception `{}` has expired; it hides nothing any more", exception.id);
    let mut blank = blank("exception-expired", &exception.expiry_key(), title, at);
    let what = if exception.rules.is_empty() { &exception.actions } else { &exception.rules };
    let expires = exception.expires.to_string();
    let texts = [
        ("exception", exception.id.as_str()),
        ("owner", &exception.owner),
        ("ticket", &exception.ticket),
        ("reason", &exception.reason),
        ("expired", &expires),
    ];
    blank.labels.extend(texts.map(|(name, text)| (name.to_owned(), clean(text, MAX_TITLE))));
    blank.labels.insert("covers".to_owned(), joined(&what.iter().cloned().collect()));
    blank
}

/// The file of exceptions can't be used as it is now; those that were read before stay in force.
pub fn exceptions_unusable(problems: &str, at: UnixMillis) -> Alert {
    let key = crate::entry::hex(&Sha256::digest(problems)[..8]);
    let title = "The exceptions file has errors; the exceptions read before stay in force".to_owned();
    let mut blank = blank("exceptions-unusable", &key, title, at);
    blank.labels.insert("problems".to_owned(), clean(problems, MAX_LABEL));
    blank
}

/// Delivered lines had to go before their time, because a sink's files may take only so much. An agent may not have read them.
pub fn lines_removed(sink: &str, files: u64, bytes: u64, age_s: u64, limit_bytes: u64, at: UnixMillis) -> Alert {
    let title =
        format!("Sink `{sink}` removed {files} of its files before `keep_for`; an agent may not have read them");
    let mut blank = blank("lines-removed", sink, title, at);
    let texts = [
        ("sink", sink.to_owned()),
        ("files", files.to_string()),
        ("bytes", bytes.to_string()),
        ("youngest", span_text(age_s)),
        ("keep_bytes", limit_bytes.to_string()),
    ];
    blank.labels.extend(texts.map(|(name, text)| (name.to_owned(), clean(&text, MAX_LABEL))));
    blank
}

/// Slack lists somebody without the second factor that they had. `before` is when it was last listed.
pub fn second_factor_off(member: &Member, before: UnixMillis, at: UnixMillis) -> Alert {
    let name = [&member.email, &member.name, &member.id].into_iter().find(|text| !text.is_empty());
    let title = format!("{} has no second factor any more", name.map_or("somebody", String::as_str));
    // Each look tells of another time, also within a day.
    let mut blank = blank("second-factor-off", &format!("{} {at}", member.id), title, at);
    blank.severity = if member.role >= Role::Admin { Severity::High } else { Severity::Medium };
    let between = format!("{before} and {at}");
    let texts = [("user", member.id.as_str()), ("role", member.role.name()), ("between", &between)];
    blank.labels.extend(texts.map(|(name, text)| (name.to_owned(), clean(text, MAX_LABEL))));
    blank.subjects = Subjects::of_user(&member.id, member.role);
    blank
}

/// As much of a list as a label should hold.
fn joined(names: &BTreeSet<String>) -> String {
    const SHOWN: usize = 30;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    let more = names.len().saturating_sub(SHOWN);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

/// An alert that nobody did anything for, yet.
fn blank(rule: &str, key: &str, title: String, at: UnixMillis) -> Alert {
    let rule = rule_called(rule);
    let (name, key) = (format!("{NAME}.{}", rule.id), clean(key, MAX_KEY));
    let (uid, period_start) = Alert::identity(&name, &key, at.seconds(), rule.fold_s);
    Alert {
        uid,
        revision: 1,
        severity: rule.severity,
        title: clean(&title, MAX_TITLE),
        rule: name,
        rule_title: rule.title.clone(),
        condition: rule.condition.clone(),
        module: ModuleRef { name: NAME.to_owned(), version: MANIFEST.version.to_string(), digest: BUILT_IN.to_owned() },
        dedup_key: key,
        period_start,
        period_s: rule.fold_s,
        findings: 1,
        first: at.seconds(),
        last: at.seconds(),
        opened: at,
        seen: at,
        actor: Actor::default(),
        recent: Vec::new(),
        evidence: Vec::new(),
        evidence_total: 0,
        labels: BTreeMap::new(),
        subjects: Subjects::default(),
        attack: rule.attack.clone(),
        playbook: rule.playbook.clone(),
        basis: Basis::default(),
        suppressed_by: None,
        about: Box::default(),
    }
}

fn rule_called(id: &str) -> &'static Rule {
    let found = MANIFEST.rules.iter().find(|rule| rule.id == id);
    found.unwrap_or_else(|| unreachable!("own.toml has a rule {id}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Entry;

    #[test]
    fn own_rules_have_a_manifest_with_gridwatchs_version() {
        assert_eq!(manifest().name, NAME);
        assert_eq!(manifest().version.to_string(), env!("CARGO_PKG_VERSION"));
        assert!(manifest().rules.iter().all(|rule| !rule.playbook.verify.is_empty()));
    }

    #[test]
    fn an_unknown_action_is_told_with_its_entry() {
        let entry = Entry::from_json(r#"{"id":"a","date_create":90000,"action":"user_beamed_up\u0007"}"#);
        let alert = unknown_action(&Event::new(7, UnixMillis(91_000_000), &entry), Actor::default());
        assert_eq!((alert.rule.as_str(), alert.severity), ("gridwatch.unknown-action", Severity::Informational));
        assert_eq!((alert.first, alert.period_start.0, alert.evidence[0].seq), (alert.last, 86_400, 7));
        assert!(alert.title.contains("user_beamed_up") && !alert.title.contains('\u{7}'));
    }

    #[test]
    fn a_second_factor_that_is_gone_weighs_more_with_admins() {
        let member = |role| Member {
            id: "W1".into(),
            name: "Ada".into(),
            email: String::new(),
            role,
            active: true,
            two_factor: Some(false),
        };
        let alert = |role| second_factor_off(&member(role), UnixMillis(0), UnixMillis(86_400_000));
        assert_eq!((alert(Role::Member).severity, alert(Role::Admin).severity), (Severity::Medium, Severity::High));
        assert_eq!(alert(Role::Guest).title, "Ada has no second factor any more");
        assert_eq!(alert(Role::Admin).subjects.users.ids.first().map(String::as_str), Some("W1"));
        assert_eq!(alert(Role::Admin).labels["between"], "1970-01-01T00:00:00Z and 1970-01-02T00:00:00Z");
    }

    #[test]
    fn each_drift_is_an_alert_of_its_own() {
        let drift = |name: &str| Drift { new_actions: BTreeSet::from([name.to_owned()]), ..Drift::default() };
        let alert = |name, at| catalogue_drift(&drift(name), UnixMillis(at));
        assert_eq!(alert("a", 5_000).uid, alert("a", 9_000).uid);
        assert_ne!(alert("a", 5_000).uid, alert("b", 5_000).uid);
        assert_eq!(alert("a", 5_000).labels["new_actions"], "a");
    }
}
