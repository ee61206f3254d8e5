//! gridwatch's own alerts: about what it can and can't see, not about what people did.
//!
//! They have a manifest like any module's, so that tables, coverage and playbooks treat them alike, but no code of their own:
//! the part of the host that notices something makes the alert here.

use crate::alert::{Actor, Alert, Counts, ModuleRef, Source};
use crate::answer;
use crate::basis::Basis;
use crate::conduct::SetAside;
use crate::exception::Exception;
use crate::finding::{MAX_KEY, MAX_LABEL, MAX_TITLE};
use crate::handling::Handling;
use crate::headline;
use crate::monitor::Sign;
use crate::risk::Sum;
use crate::stub::Stub;
use crate::subject::Subjects;
use gridwatch_event::drift::Drift;
use gridwatch_event::entry::Mark;
use gridwatch_event::event::Event;
use gridwatch_event::org::OrgId;
use gridwatch_event::role::Role;
use gridwatch_event::roster::Member;
use gridwatch_event::text::clean;
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::{Manifest, Rule, Severity, span_text};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// The module name that our own rules go by. No module may have it.
pub const NAME: &str = "gridwatch";
/// The rule that sums up what others say of one actor.
pub const RISK: &str = "gridwatch.risk";
/// The rule that says which module judges nothing any more.
pub const MODULE_SET_ASIDE: &str = "gridwatch.module-set-aside";
/// Stands where a module has the digest of its component.
pub const BUILT_IN: &str = "built-in";

static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| {
    let (text, version) = (include_str!("builtin.toml"), env!("CARGO_PKG_VERSION"));
    let text = [&text.replacen("0.0.0", version, 1), include_str!("monitor/rules.toml")].concat();
    let parsed = Manifest::parse(&text);
    parsed.unwrap_or_else(|problem| unreachable!("builtin.toml is tested: {problem}"))
});

/// The rules that gridwatch brings itself.
pub fn manifest() -> &'static Manifest {
    &MANIFEST
}

/// The first entry of an action that the catalogue doesn't have.
pub fn unknown_action(event: &Event, actor: Actor) -> Alert {
    let title = format!("Slack logs an action that gridwatch doesn't know: {}", event.action());
    let mut alert = about_entry("unknown-action", event.action(), title, event, actor);
    alert.labels = BTreeMap::from([("action".to_owned(), clean(event.action(), MAX_TITLE))]);
    alert
}

/// An entry that can't be read for sure, or that names no action: no rule can be trusted to have seen what it says. One alert a day
/// for each way in which that happens.
pub fn unreadable_entry(event: &Event, actor: Actor) -> Option<Alert> {
    let has = |mark| event.marks.contains(&mark);
    let what = match () {
        () if has(Mark::NotAnObject) => "it is no JSON object",
        () if has(Mark::Unreadable) => {
            "its quotes, brackets or commas don't fit, so more may stand in it than was read"
        }
        () if has(Mark::NoAction) => "it names no action",
        () => return None,
    };
    let title = format!("An entry of the audit log can't be read: {what}");
    let mut alert = about_entry("unreadable-entry", what, title, event, actor);
    alert.labels.insert("unreadable".to_owned(), what.to_owned());
    Some(alert)
}

/// An entry that was delivered and judged comes again under its id, and tells of another act.
pub fn entry_changed(event: &Event, actor: Actor) -> Option<Alert> {
    if !event.marks.contains(&Mark::OtherAct) {
        return None;
    }
    let action = if event.action().is_empty() { "no action" } else { event.action() };
    let title = format!("An entry of the audit log has become another one: {action}");
    let mut alert = about_entry("entry-changed", event.id(), title, event, actor);
    let version = event.sight().version.to_string();
    let labels = [("action", action), ("entity_type", event.entity_type()), ("version", &version)];
    let said = labels.into_iter().filter(|(_, text)| !text.is_empty());
    alert.labels.extend(said.map(|(name, text)| (name.to_owned(), clean(text, MAX_LABEL))));
    Some(alert)
}

fn about_entry(rule: &str, key: &str, title: String, event: &Event, actor: Actor) -> Alert {
    let blank = blank(rule, key, title, event.first_seen);
    let (uid, period_start) = Alert::identity(&blank.rule, &blank.dedup_key, event.time, blank.period_s);
    let labels = BTreeMap::from([("entry".to_owned(), clean(event.id(), MAX_LABEL))]);
    let (first, last) = (event.time, event.time);
    Alert { uid, period_start, first, last, actor, evidence: vec![Stub::of(event)], evidence_total: 1, labels, ..blank }
        .of_org(event.org())
}

/// What is news of a sum.
pub fn risk_news() -> &'static [String] {
    &rule_called("risk").news
}

/// What rules have said of an actor within a time is enough to look at as one thing, with the rules. `last` is the alert that made
/// it so.
pub fn risk(sum: Sum, last: &Alert) -> (Alert, Vec<String>) {
    let actor = [&last.actor.name, &last.actor.email, &last.actor.id].into_iter().find(|text| !text.is_empty());
    let (rules, tactics) = (sum.rules.len(), sum.tactics.len());
    let who = actor.map_or("somebody", String::as_str);
    let apps = sum.apps.iter().take(headline::NAMES_SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let (who, through) = match sum.by_apps {
        0 => (who.to_owned(), String::new()),
        all if all == rules => (format!("{apps}, in the name of {who},"), String::new()),
        some => (who.to_owned(), format!(", {some} of them through {apps}")),
    };
    let title = format!(
        "{who} set off {rules} rules of {tactics} tactics within {} ({} points){through}",
        span_text(sum.span_s),
        sum.points
    );
    let blank = blank("risk", &last.actor.id, title, last.opened);
    let (uid, period_start) = Alert::identity(&blank.rule, &blank.dedup_key, last.last, blank.period_s);
    let mut labels =
        vec![("rules", sum.rules.join(", ")), ("tactics", sum.tactics.join(", ")), ("points", sum.points.to_string())];
    let mut playbook = blank.playbook.clone();
    if !apps.is_empty() {
        labels.push(("apps", apps));
        answer::end_app(&mut playbook);
    }
    let alert = Alert {
        uid,
        period_start,
        first: sum.evidence.first().map_or(last.first, |stub| stub.time),
        last: sum.evidence.last().map_or(last.last, |stub| stub.time),
        seen: last.seen,
        actor: last.actor.clone(),
        subjects: sum.subjects,
        playbook,
        recent: last.recent.clone(),
        evidence_total: sum.evidence.len() as u64,
        evidence: sum.evidence,
        labels: labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        attack: sum.attack,
        ..blank
    };
    (alert.of_org(&last.org), sum.rules)
}

/// A module failed, flooded or held up the others too often: none of its rules watches any more. One alert for each file and
/// day of event time, so that it has the same id wherever reading began.
pub fn module_set_aside(module: &Manifest, digest: &str, set_aside: &SetAside, at: &Event) -> Alert {
    let (name, rules) = (format!("{}@{}", module.name, module.version), module.rules.len());
    let blind =
        if rules == 1 { "its rule watches nothing".to_owned() } else { format!("its {rules} rules watch nothing") };
    let title = format!("The module {name} was set aside, {blind}: {}", set_aside.why.text());
    let blank = blank("module-set-aside", &format!("{name} {digest}"), title, at.first_seen);
    let (uid, period_start) = Alert::identity(&blank.rule, &blank.dedup_key, at.time, blank.period_s);
    let blind = module.rules.iter().map(|rule| format!("{}.{}", module.name, rule.id)).collect();
    let mut labels = BTreeMap::from([
        ("module".to_owned(), name),
        ("digest".to_owned(), digest.to_owned()),
        ("rules_not_watching".to_owned(), joined(&blind)),
        ("since_event".to_owned(), clean(at.id(), MAX_LABEL)),
        ("faults".to_owned(), set_aside.faults.to_string()),
    ]);
    if !set_aside.last.is_empty() {
        labels.insert("last_fault".to_owned(), clean(&set_aside.last, MAX_LABEL));
    }
    Alert {
        uid,
        period_start,
        first: at.time,
        last: at.time,
        evidence: vec![Stub::of(at)],
        evidence_total: 1,
        labels,
        ..blank
    }
    .of_org(at.org())
}

/// A module file can't serve, or is gone. One alert for each file and reason; `serving` says which version goes on.
pub fn module_refused(file: &str, why: &str, serving: Option<&str>, at: UnixMillis) -> Alert {
    let key = gridwatch_event::text::hex(&Sha256::digest(format!("{file}\n{why}"))[..8]);
    let goes_on = serving.map_or("what is in service continues".to_owned(), |serving| format!("{serving} continues"));
    let mut blank = blank("module-refused", &key, format!("The module file {file} can't serve, {goes_on}: {why}"), at);
    let texts = [("file", file), ("why", why), ("in_service", serving.unwrap_or_default())];
    let said = texts.into_iter().filter(|(_, text)| !text.is_empty());
    blank.labels.extend(said.map(|(name, text)| (name.to_owned(), clean(text, MAX_LABEL))));
    blank
}

/// A new version of a module didn't stand its probation. Version and digest of the one that went, then of the one that is back.
pub fn module_rolled_back(went: (&str, &str), back: (&str, &str), why: &str, from: u64, at: UnixMillis) -> Alert {
    let title = format!("The module {} was rolled back to {}: {why}", went.0, back.0);
    let mut blank = blank("module-rolled-back", &format!("{} {} {from}", went.0, went.1), title, at);
    let texts = [
        ("module", went.0.to_owned()),
        ("digest", went.1.to_owned()),
        ("in_service", back.0.to_owned()),
        ("in_service_digest", back.1.to_owned()),
        ("why", why.to_owned()),
        ("from_seq", from.to_string()),
    ];
    blank.labels.extend(texts.map(|(name, text)| (name.to_owned(), clean(&text, MAX_LABEL))));
    blank
}

/// Slack's lists are not what they were at build time. One alert for each drift that differs from the last one reported.
pub fn catalogue_drift(drift: &Drift, at: UnixMillis) -> Alert {
    let key = gridwatch_event::text::hex(&Sha256::digest(format!("{drift:?}"))[..8]);
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
    let title = format!("The exception `{}` has expired; it suppresses nothing any more", exception.id);
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
    let key = gridwatch_event::text::hex(&Sha256::digest(problems)[..8]);
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

/// A sink's receiver will never take some records. `count` are those since the alert before this one, all in all `total`.
pub fn records_refused(sink: &str, count: u64, total: u64, last: (&str, &str), file: &str, at: UnixMillis) -> Alert {
    let (id, reason) = last;
    let records = if count == 1 { "1 record".to_owned() } else { format!("{count} records") };
    let mut blank = blank("records-refused", sink, format!("Sink `{sink}` refused {records} for good: {reason}"), at);
    let texts = [
        ("sink", sink.to_owned()),
        ("records", count.to_string()),
        ("records_in_all", total.to_string()),
        ("last_record", id.to_owned()),
        ("last_reason", reason.to_owned()),
        ("dead_letters", file.to_owned()),
    ];
    blank.labels.extend(texts.map(|(name, text)| (name.to_owned(), clean(&text, MAX_LABEL))));
    blank
}

/// Rows of the store can't be read. `rows` says how many there are of each part, `first` why one of them can't.
pub fn state_forgotten(rows: &BTreeMap<String, u64>, first: &str, at: UnixMillis) -> Alert {
    let total: u64 = rows.values().sum();
    let of = |(part, count): (&String, &u64)| format!("{count} of {part}");
    let parts: Vec<String> = rows.iter().map(of).collect();
    let title = match rows.keys().next().filter(|_| rows.len() == 1) {
        Some(part) if total == 1 => format!("1 row of {part} was forgotten"),
        Some(part) => format!("{total} rows of {part} were forgotten"),
        None => format!("{total} rows of the saved state were forgotten: {}", parts.join(", ")),
    };
    state_lost(
        "rows",
        &[("rows", total.to_string()), ("parts", parts.join(", ")), ("why", first.to_owned())],
        title,
        at,
    )
}

/// The store can't be used and is begun anew; `from` says from where Slack is read again.
pub fn store_damaged(why: &str, from: &str, at: UnixMillis) -> Alert {
    let title = format!("The saved state was damaged and set aside; Slack is read again {from}");
    state_lost("store", &[("why", why.to_owned()), ("read_again", from.to_owned())], title, at)
}

/// Each start tells of its own, also within a day.
fn state_lost(what: &str, labels: &[(&str, String)], title: String, at: UnixMillis) -> Alert {
    let mut blank = blank("state-lost", &format!("{what} {at}"), title, at);
    blank.labels.extend(labels.iter().map(|(name, text)| ((*name).to_owned(), clean(text, MAX_LABEL))));
    blank
}

/// Slack lists somebody without the second factor that they had. `before` is when it was last listed.
pub fn second_factor_off(member: &Member, before: UnixMillis, at: UnixMillis) -> Alert {
    let name = [&member.email, &member.name, &member.id].into_iter().find(|text| !text.is_empty());
    let title = format!("{} has no second factor any more", name.map_or("somebody", String::as_str));
    // Each look tells of another time, also within a day.
    let mut blank = blank("second-factor-off", &format!("{} {at}", member.id), title, at);
    blank.severity = if member.role >= Role::Admin { Severity::High } else { Severity::Medium };
    blank.reason = headline::reason(rule_called("second-factor-off"), blank.severity);
    let between = format!("{before} and {at}");
    let texts = [("user", member.id.as_str()), ("role", member.role.name()), ("between", &between)];
    blank.labels.extend(texts.map(|(name, text)| (name.to_owned(), clean(text, MAX_LABEL))));
    blank.subjects = Subjects::of_user(&member.id, member.role);
    blank
}

/// Something is wrong with gridwatch or with what it reads from: see [`monitor`](crate::monitor). Each time is an alert of its own.
pub fn trouble(sign: &Sign, since: UnixMillis, at: UnixMillis) -> Alert {
    let key = format!("{} {since}", sign.about);
    let mut blank = blank(sign.rule, key.trim(), sign.title.clone(), at);
    blank.severity = sign.severity;
    blank.first = since.seconds();
    let labels = sign.labels.iter().map(|(name, text)| ((*name).to_owned(), clean(text, MAX_LABEL)));
    blank.labels.extend(labels.filter(|(_, text)| !text.is_empty()));
    blank.of_org(&sign.org)
}

/// The title of what is over.
pub fn over(title: &str) -> String {
    clean(&format!("Over: {title}"), MAX_TITLE)
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
        org: OrgId::default(),
        revision: 1,
        source: Source::Fold,
        severity: rule.severity,
        reason: headline::reason(rule, rule.severity),
        title: clean(&title, MAX_TITLE),
        rule: name,
        rule_title: rule.title.clone(),
        condition: rule.condition.clone(),
        module: ModuleRef { name: NAME.to_owned(), version: MANIFEST.version.to_string(), digest: BUILT_IN.to_owned() },
        dedup_key: key,
        period_start,
        period_s: rule.fold_s,
        findings: 1,
        counts: Counts::default(),
        days: 0,
        news: Vec::new(),
        first: at.seconds(),
        last: at.seconds(),
        opened: at,
        seen: at,
        actor: Actor::default(),
        others: Vec::new(),
        recent: Vec::new(),
        evidence: Vec::new(),
        evidence_total: 0,
        labels: BTreeMap::new(),
        subjects: Subjects::default(),
        attack: rule.attack.clone(),
        playbook: rule.playbook.clone(),
        basis: Basis::default(),
        organization: None,
        suppressed_by: None,
        handling: Handling::default(),
        over: None,
        about: Box::default(),
    }
}

fn rule_called(id: &str) -> &'static Rule {
    let found = MANIFEST.rules.iter().find(|rule| rule.id == id);
    found.unwrap_or_else(|| unreachable!("builtin.toml has a rule {id}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridwatch_event::entry::Entry;

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
    fn what_cant_be_read_is_told_once_for_each_way() {
        let told = |raw: &str| {
            let entry = Entry::from_json(raw);
            unreadable_entry(&Event::new(7, UnixMillis(91_000_000), &entry), Actor::default())
        };
        for raw in ["7", r#"{"id":"a","action":"x""#, r#"{"id":"a","date_create":9}"#] {
            let alert = told(raw).unwrap();
            assert_eq!((alert.rule.as_str(), alert.evidence_total), ("gridwatch.unreadable-entry", 1), "{raw}");
            assert_eq!(alert.labels["entry"], Entry::from_json(raw).id());
        }
        assert!(told(r#"{"id":"a","action":"user_login","x":"\ud83d","y":007}"#).is_none(), "all of it was read");
        let of = |raw| told(raw).unwrap().uid;
        assert_eq!(of("7"), of("8"));
        assert_ne!(of("7"), of("{"));
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
    fn a_module_that_was_set_aside_is_told_with_the_rules_that_are_blind() {
        let set_aside =
            SetAside { row: 0, why: crate::conduct::Why::Faults, faults: 64, last: "trapped: \u{1b}[2Jboom".into() };
        let at = |time: u64| {
            let entry = format!(r#"{{"id":"e{time}","date_create":{time},"action":"user_login"}}"#);
            Event::new(1, UnixMillis(time * 1_000), &Entry::from_json(&entry))
        };
        let alert = |time| module_set_aside(manifest(), "d", &set_aside, &at(time));
        let told = alert(90_000);
        assert_eq!(
            (told.rule.as_str(), told.severity, told.evidence[0].id.as_str()),
            (MODULE_SET_ASIDE, Severity::High, "e90000")
        );
        assert!(told.labels["rules_not_watching"].contains("gridwatch.risk"), "{:?}", told.labels);
        assert_eq!((told.labels["faults"].as_str(), told.labels["last_fault"].as_str()), ("64", "trapped:  [2Jboom"));
        assert!(told.title.contains("gridwatch@") && told.title.contains("rules watch nothing"), "{}", told.title);
        assert_eq!(told.uid, alert(86_400).uid, "some events earlier or later on a day it is the same alert");
        assert_ne!(told.uid, alert(172_800).uid);
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
