//! One alert as an ECS document: whatever the OCSF Detection Finding of it says, in ECS's words.

use super::document::Document;
use super::{VERSION, date, nearest_date};
use crate::Product;
use crate::leaves::is_ip;
use gridwatch_event::role::Role;
use gridwatch_manifest::Step;
use gridwatch_rules::alert::{Alert, Doer};
use gridwatch_rules::directory::RecentAct;
use gridwatch_rules::stub::Stub;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The ECS document of one revision of an alert. `event.id` is the revision's, `gridwatch.alert.uid` the alert's.
pub fn alert(alert: &Alert, product: &Product<'_>) -> Value {
    let mut document = Document::default();
    event(&mut document, alert);
    rule(&mut document, alert);
    people(&mut document, alert);
    about(&mut document, alert);
    document.put("ecs.version", VERSION);
    document.put("gridwatch.version", product.version);
    document.put("message", alert.title.as_str());
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

fn event(document: &mut Document, alert: &Alert) {
    document.put("@timestamp", nearest_date(alert.seen));
    document.put("event.action", if alert.is_opening() { "alert_opened" } else { "alert_updated" });
    document.list("event.category", ["intrusion_detection"]);
    document.maybe("event.created", date(alert.opened));
    document.put("event.dataset", "gridwatch.alert");
    document.maybe("event.end", date(alert.last.millis()));
    document.put("event.id", alert.record_id());
    document.put("event.kind", "alert");
    document.put("event.module", Product::NAME);
    document.put("event.severity", alert.severity.id());
    document.maybe("event.start", date(alert.first.millis()));
    document.list("event.type", ["info"]);
}

fn rule(document: &mut Document, alert: &Alert) {
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

fn people(document: &mut Document, alert: &Alert) {
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
fn about(document: &mut Document, alert: &Alert) {
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

fn named_leaves(value: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    leaves("", value, &mut all);
    all.iter().map(|(name, value)| object(&[("name", name), ("value", value)])).collect()
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

fn folding(document: &mut Document, alert: &Alert) {
    document.put("gridwatch.alert.dedup_key", alert.dedup_key.as_str());
    document.put("gridwatch.alert.different.addresses", alert.counts.addresses);
    document.put("gridwatch.alert.different.doers", alert.counts.doers);
    document.put("gridwatch.alert.different.objects", alert.counts.objects);
    document.put("gridwatch.alert.evidence_total", alert.evidence_total);
    document.put("gridwatch.alert.findings", alert.findings);
    document.list(
        "gridwatch.alert.labels",
        alert.labels.iter().map(|(name, value)| object(&[("name", name), ("value", value)])),
    );
    document.put("gridwatch.alert.module.digest", alert.module.digest.as_str());
    document.put("gridwatch.alert.module.name", alert.module.name.as_str());
    document.put("gridwatch.alert.module.version", alert.module.version.as_str());
    document.list("gridwatch.alert.news", alert.news.iter().map(String::as_str));
    document.list("gridwatch.alert.others", alert.others.iter().map(other));
    document.put("gridwatch.alert.period_s", alert.period_s);
    document.maybe("gridwatch.alert.period_start", date(alert.period_start.millis()));
    document.put("gridwatch.alert.revision", alert.revision);
    document.put("gridwatch.alert.severity", alert.severity.name().to_ascii_lowercase());
    document.put("gridwatch.alert.status", if alert.suppressed_by.is_some() { "suppressed" } else { "new" });
    document.maybe("gridwatch.alert.suppressed_by", alert.suppressed_by.as_deref());
    document.put("gridwatch.alert.uid", alert.uid.as_str());
}

fn evidence(stub: &Stub) -> Value {
    let mut document = Document::default();
    document.text("action", &stub.action);
    document.put("id", stub.id.as_str());
    document.text("ip_address", &stub.ip_address);
    document.put("sequence", stub.seq);
    document.maybe("time", date(stub.time.millis()));
    document.text("user_agent", &stub.ua);
    document.text("user_id", &stub.actor_id);
    document.into()
}

fn other(doer: &Doer) -> Value {
    let mut document = Document::default();
    document.text("app_id", &doer.app);
    document.text("email", &doer.email);
    document.text("id", &doer.id);
    document.text("name", &doer.name);
    document.into()
}

fn act(act: &RecentAct) -> Value {
    let mut document = Document::default();
    document.text("action", &act.action);
    document.text("ip_address", &act.ip_address);
    document.put("sequence", act.seq);
    document.maybe("time", date(act.time.millis()));
    document.into()
}

fn step(step: &Step) -> Value {
    let mut document = Document::default();
    document.put("do", step.text.as_str());
    document.maybe("method", step.method.as_deref());
    document.maybe("scope", step.scope.as_deref());
    document.into()
}

fn object(fields: &[(&str, &str)]) -> Value {
    fields.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect()
}
