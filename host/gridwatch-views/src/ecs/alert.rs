//! One alert as an ECS document: whatever the OCSF Detection Finding of it says, in ECS's words.

use super::document::Document;
use super::{VERSION, date, nearest_date};
use crate::leaves::{Taken, is_ip};
use crate::shown::{Fields, Shown};
use crate::{Product, line};
use gridwatch_event::role::Role;
use gridwatch_manifest::Step;
use gridwatch_rules::alert::{Alert, Doer};
use gridwatch_rules::directory::RecentAct;
use gridwatch_rules::handling::{Act, Reason, Status, What};
use gridwatch_rules::stub::Stub;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The ECS document of one revision of an alert. `event.id` is the revision's, `gridwatch.alert.uid` the alert's.
pub fn alert(alert: &Alert, product: &Product<'_>) -> Value {
    let mut line = Vec::new();
    shown(alert, product).write(&Taken::default(), &mut line);
    line::read(&line)
}

/// The same, still borrowing from the alert.
pub(crate) fn shown<'e>(alert: &'e Alert, product: &Product<'e>) -> Shown<'e> {
    let mut document = Document::default();
    event(&mut document, alert);
    rule(&mut document, alert);
    people(&mut document, alert);
    about(&mut document, alert);
    document.put("ecs.version", VERSION);
    document.put("gridwatch.version", product.version);
    document.put("message", alert.message());
    document.put("observer.product", Product::NAME);
    document.put("observer.vendor", Product::NAME);
    document.maybe("organization.id", alert.org.name().or(alert.organization.as_deref()));
    folding(&mut document, alert);
    document.list("gridwatch.alert.evidence", alert.evidence.iter().map(|stub| evidence(stub)));
    document.list("gridwatch.alert.recent", alert.recent_besides().map(act));
    for (phase, steps) in
        [("verify", &alert.playbook.verify), ("contain", &alert.playbook.contain), ("then", &alert.playbook.then)]
    {
        document.list(&format!("gridwatch.alert.playbook.{phase}"), steps.iter().map(step));
    }
    document.into()
}

fn event<'e>(document: &mut Document<'e>, alert: &'e Alert) {
    document.put("@timestamp", nearest_date(alert.seen));
    let action = match (alert.act().map(|act| act.what), alert.over, alert.is_opening()) {
        (Some(What::Acknowledge), ..) => "alert_acknowledged",
        (Some(What::Note), ..) => "alert_noted",
        (Some(What::Close(_)), ..) | (None, Some(_), _) => "alert_closed",
        (None, None, true) => "alert_opened",
        (Some(What::Reopen), ..) | (None, None, false) => "alert_updated",
    };
    document.put("event.action", action);
    document.list("event.category", ["intrusion_detection"]);
    document.maybe("event.created", date(alert.opened));
    document.put("event.dataset", "gridwatch.alert");
    document.maybe("event.end", date(alert.last.millis()));
    document.put("event.id", alert.record_id());
    document.put("event.kind", "alert");
    document.put("event.module", Product::NAME);
    document.maybe("event.reason", alert.act().map(ToString::to_string));
    document.put("event.severity", u64::from(alert.severity.id()));
    document.maybe("event.start", date(alert.first.millis()));
    document.list("event.type", ["info"]);
}

fn rule<'e>(document: &mut Document<'e>, alert: &'e Alert) {
    document.text("rule.description", &alert.condition);
    document.put("rule.id", alert.rule.as_str());
    document.text("rule.name", &alert.rule_title);
    document.put("rule.ruleset", alert.module.name.as_str());
    document.put("rule.version", alert.module.version.as_str());
    if !alert.attack.is_empty() {
        document.put("threat.framework", "MITRE ATT&CK");
    }
    // T1078.004 is a sub-technique, and names its technique too.
    let techniques: BTreeSet<&str> = alert.attack.iter().filter_map(|id| id.split('.').next()).collect();
    let sub_techniques: BTreeSet<&str> =
        alert.attack.iter().filter(|id| id.contains('.')).map(String::as_str).collect();
    document.list("threat.technique.id", techniques);
    document.list("threat.technique.subtechnique.id", sub_techniques);
}

fn people<'e>(document: &mut Document<'e>, alert: &'e Alert) {
    let actor = &alert.actor;
    document.text("user.email", &actor.email);
    document.text("user.full_name", &actor.name);
    document.text("user.id", &actor.id);
    document.text("user.name", &actor.name);
    document.list("user.roles", Some(actor.role_at_event).filter(|role| *role != Role::Unknown).map(Role::name));
    document.put("gridwatch.alert.actor.role_at_event", actor.role_at_event.name());
    document.put("gridwatch.alert.actor.role_now", actor.role_now.name());
    let others = alert.others.iter().flat_map(|doer| [&doer.id, &doer.name, &doer.email]);
    let names = [&actor.id, &actor.name, &actor.email]
        .into_iter()
        .chain(others)
        .chain(alert.evidence.iter().map(|stub| &stub.actor_id));
    document.list("related.user", names.filter(|name| !name.is_empty()).map(String::as_str).collect::<BTreeSet<_>>());
    let addresses =
        alert.evidence.iter().map(|stub| &stub.ip_address).chain(alert.recent.iter().map(|act| &act.ip_address));
    document.list("related.ip", addresses.filter(|ip| is_ip(ip)).map(String::as_str).collect::<BTreeSet<_>>());
}

/// ECS's own fields where it has them; all of it as names and texts.
fn about<'e>(document: &mut Document<'e>, alert: &'e Alert) {
    let about = &alert.about;
    if let Some(address) = &about.address {
        document.text("source.address", &address.ip);
        document.maybe("source.ip", is_ip(&address.ip).then_some(address.ip.as_str()));
        let number = address.asn.strip_prefix("AS").and_then(|number| number.parse::<u64>().ok());
        document.maybe("source.as.number", number);
        document.text("source.as.organization.name", &address.organization);
        document.text("source.geo.country_iso_code", &address.country);
    }
    if let Some(target) = &about.target {
        document.text("user.target.email", &target.email);
        document.text("user.target.full_name", &target.name);
        document.text("user.target.id", &target.id);
        document.text("user.target.name", &target.name);
        let role = target.role_at_event.as_ref().map(|told| told.value.name());
        document.list("user.target.roles", role);
    }
    if !about.is_empty() {
        document.list("gridwatch.alert.facts", named_leaves(&json!(about)));
    }
    document.list("gridwatch.alert.subjects", named_leaves(&json!(alert.subjects)));
}

fn named_leaves<'e>(value: &Value) -> Vec<Fields<'e>> {
    let mut all = Vec::new();
    leaves("", value, &mut all);
    all.into_iter().map(|(name, value)| Fields::new().set("name", name).set("value", value)).collect()
}

/// Every leaf of a value as a path with dots and a text.
fn leaves(path: &str, value: &Value, all: &mut Vec<(String, String)>) {
    let at = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| leaves(&at(key), value, all)),
        Value::Array(items) => items.iter().for_each(|item| leaves(path, item, all)),
        Value::String(text) if text.is_empty() => {}
        Value::String(text) => all.push((path.to_owned(), text.clone())),
        Value::Null => {}
        other => all.push((path.to_owned(), other.to_string())),
    }
}

fn folding<'e>(document: &mut Document<'e>, alert: &'e Alert) {
    document.list("gridwatch.alert.acts", alert.handling.acts.iter().map(done));
    document.maybe("gridwatch.alert.close_reason", alert.handling.status.reason().map(Reason::name));
    document.maybe("gridwatch.alert.days", (alert.days > 1).then_some(alert.days));
    document.put("gridwatch.alert.dedup_key", alert.dedup_key.as_str());
    document.put("gridwatch.alert.different.addresses", alert.counts.addresses);
    document.put("gridwatch.alert.different.doers", alert.counts.doers);
    document.put("gridwatch.alert.different.objects", alert.counts.objects);
    document.put("gridwatch.alert.evidence_total", alert.evidence_total);
    document.put("gridwatch.alert.findings", alert.findings);
    document.list(
        "gridwatch.alert.labels",
        alert.labels.iter().map(|(name, value)| Fields::new().set("name", name.as_str()).set("value", value.as_str())),
    );
    document.put("gridwatch.alert.module.digest", alert.module.digest.as_str());
    document.put("gridwatch.alert.module.name", alert.module.name.as_str());
    document.put("gridwatch.alert.module.version", alert.module.version.as_str());
    document.list("gridwatch.alert.news", alert.news.iter().map(String::as_str));
    document.list("gridwatch.alert.others", alert.others.iter().map(other));
    document.put("gridwatch.alert.period_s", alert.period_s);
    document.maybe("gridwatch.alert.period_start", date(alert.period_start.millis()));
    document.put("gridwatch.alert.revision", u64::from(alert.revision));
    document.text("gridwatch.alert.severity_reason", &alert.reason);
    document.put("gridwatch.alert.severity", alert.severity.name().to_ascii_lowercase());
    let status = match (&alert.suppressed_by, alert.over, alert.handling.status) {
        (Some(_), ..) => "suppressed",
        (None, _, Status::Closed(_)) => "closed",
        (None, Some(_), _) => "resolved",
        (None, None, Status::Acknowledged) => "acknowledged",
        (None, None, Status::Open) => "new",
    };
    document.put("gridwatch.alert.status", status);
    document.maybe("gridwatch.alert.suppressed_by", alert.suppressed_by.as_deref());
    document.put("gridwatch.alert.uid", alert.uid.as_str());
}

fn evidence(stub: &Stub) -> Fields<'_> {
    Fields::new()
        .maybe("action", said(&stub.action))
        .set("id", stub.id.as_str())
        .maybe("ip_address", said(&stub.ip_address))
        .maybe("object_id", said(&stub.object))
        .maybe("object_name", said(&stub.object_name))
        .set("sequence", stub.seq)
        .maybe("time", date(stub.time.millis()))
        .maybe("user_agent", said(&stub.ua))
        .maybe("user_id", said(&stub.actor_id))
}

fn other(doer: &Doer) -> Fields<'_> {
    Fields::new()
        .maybe("app_id", said(&doer.app))
        .maybe("email", said(&doer.email))
        .maybe("id", said(&doer.id))
        .maybe("name", said(&doer.name))
}

fn act(act: &RecentAct) -> Fields<'_> {
    Fields::new()
        .maybe("action", said(&act.action))
        .maybe("ip_address", said(&act.ip_address))
        .set("sequence", act.seq)
        .maybe("time", date(act.time.millis()))
}

/// What somebody did about it.
fn done(act: &Act) -> Fields<'_> {
    Fields::new()
        .maybe("at", date(act.at))
        .set("by", act.by.as_str())
        .maybe("reason", act.what.reason().map(Reason::name))
        .maybe("text", said(&act.text))
        .set("what", act.what.name())
}

fn step(step: &Step) -> Fields<'_> {
    Fields::new()
        .set("do", step.text.as_str())
        .maybe("method", step.method.as_deref())
        .maybe("scope", step.scope.as_deref())
}

/// Nothing for an empty text.
fn said(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
