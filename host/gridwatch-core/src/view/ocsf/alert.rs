//! An alert as an OCSF Detection Finding (2004): who, what, how often, found by which code, and what to do about it.
//!
//! Evidence is shown as far as the alert keeps it; the whole entries are records of their own, found by their uid. Repeats
//! to the byte, as the only clock is [`Alert::seen`]. Never closes a finding: gridwatch doesn't learn what people decided.

use super::classes::{self, Activity};
use super::objects;
use super::{SCHEMA_VERSION, classification, is_believable, profile, timestamp};
use crate::alert::Alert;
use crate::directory::Act;
use crate::manifest::{Playbook, Step};
use crate::stub::Stub;
use crate::time::UnixSeconds;
use crate::view::Product;
use crate::view::fields::Fields;
use serde_json::{Value, json};

/// Evidence shown in full. `finding_info.related_events` names all that the alert keeps.
pub const EVIDENCES_MAX: usize = 50;

/// The OCSF Detection Finding of one revision of an alert.
///
/// `finding_info.uid` is the alert's, the same for all its revisions. `metadata.uid` is the revision's: a consumer that
/// gets it twice may drop one.
pub fn detection_finding(alert: &Alert, product: &Product<'_>) -> Value {
    let activity = activity(alert);
    let (status_id, status) = status(alert);
    let evidences: Vec<Value> = alert.evidence.iter().take(EVIDENCES_MAX).map(|stub| evidence(stub)).collect();
    let user = objects::known_user(&alert.actor);
    let profiles: &[&str] = match user {
        Some(_) => &[profile::HOST, profile::SECURITY_CONTROL],
        None => &[profile::SECURITY_CONTROL],
    };
    classification(activity, activity.name, alert.severity)
        .maybe("enrichments", user.as_ref().map(|user| enrichments(alert, user)))
        .maybe("actor", user.map(|user| json!({ "user": user })))
        .set("count", alert.findings)
        .maybe("end_time", event_time(alert.last))
        .maybe("evidences", non_empty(evidences))
        .set("finding_info", finding_info(alert))
        .set("is_alert", alert.suppressed_by.is_none())
        .set("message", alert.title.as_str())
        .set("metadata", metadata(alert, product, profiles))
        .maybe("remediation", remediation(&alert.playbook))
        .maybe("start_time", event_time(alert.first))
        .set("status", status)
        .maybe("status_detail", alert.suppressed_by.as_ref().map(|name| format!("suppressed by {name}")))
        .set("status_id", status_id)
        .set("time", timestamp(alert.seen))
        .set("unmapped", folding(alert))
        .into()
}

const fn activity(alert: &Alert) -> Activity {
    match alert.revision {
        0 | 1 => classes::FINDING_CREATE,
        _ => classes::FINDING_UPDATE,
    }
}

/// An update is still "New": "In Progress" would say that a person is at it.
const fn status(alert: &Alert) -> (u64, &'static str) {
    match alert.suppressed_by {
        Some(_) => (3, "Suppressed"),
        None => (1, "New"),
    }
}

fn metadata(alert: &Alert, product: &Product<'_>, profiles: &[&str]) -> Value {
    let module = &alert.module;
    let feature = json!({ "name": module.name, "uid": module.digest, "version": module.version });
    let gridwatch = Fields::new()
        .set("name", Product::NAME)
        .set("vendor_name", Product::NAME)
        .set("version", product.version)
        .set("feature", feature);
    Fields::new()
        .set("version", SCHEMA_VERSION)
        .set("uid", format!("{}:{}", alert.uid, alert.revision))
        .set("event_code", alert.rule.as_str())
        .set("product", gridwatch)
        .set("profiles", profiles)
        .into()
}

fn finding_info(alert: &Alert) -> Value {
    let analytic = json!({
        "uid": alert.rule, "name": alert.rule_title, "version": alert.module.version, "type": "Rule", "type_id": 1,
    });
    let attacks: Vec<Value> = alert.attack.iter().map(|id| attack(id)).collect();
    let events: Vec<Value> = alert.evidence.iter().map(|stub| related_event(stub)).collect();
    let tags: Vec<Value> = alert.labels.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    Fields::new()
        .set("uid", alert.uid.as_str())
        .set("title", alert.title.as_str())
        .maybe("desc", (!alert.condition.is_empty()).then_some(alert.condition.as_str()))
        .set("analytic", analytic)
        .set("created_time", timestamp(alert.opened))
        .set("modified_time", timestamp(alert.seen))
        .maybe("first_seen_time", event_time(alert.first))
        .maybe("last_seen_time", event_time(alert.last))
        .set("related_events_count", alert.evidence_total)
        .maybe("related_events", non_empty(events))
        .maybe("attacks", non_empty(attacks))
        .maybe("tags", non_empty(tags))
        .into()
}

/// An ATT&CK technique (`T1078`) or sub-technique (`T1078.004`), which names its technique too.
fn attack(id: &str) -> Value {
    let technique = id.split('.').next().unwrap_or(id);
    let sub_technique = (technique != id).then(|| json!({ "uid": id }));
    Fields::new().set("technique", json!({ "uid": technique })).maybe("sub_technique", sub_technique).into()
}

fn related_event(stub: &Stub) -> Value {
    Fields::new()
        .set("uid", stub.id.as_str())
        .set("title", stub.action.as_str())
        .set("type_uid", classes::mapping(&stub.action).activity.type_uid())
        .maybe("created_time", event_time(stub.time))
        .into()
}

/// Who and from where as OCSF objects, and a header to find the entry again.
fn evidence(stub: &Stub) -> Value {
    let data = Fields::new()
        .set("uid", stub.id.as_str())
        .set("seq", stub.seq)
        .set("action", stub.action.as_str())
        .maybe("time", event_time(stub.time));
    Fields::new()
        .set("uid", stub.id.as_str())
        .set("name", stub.action.as_str())
        .set("data", data)
        .maybe("actor", objects::user_of_id(&stub.actor_id).map(|user| json!({ "user": user })))
        .maybe("src_endpoint", objects::endpoint(&stub.ip_address))
        .maybe("http_request", (!stub.ua.is_empty()).then(|| json!({ "user_agent": stub.ua })))
        .into()
}

/// What the directory knows about the actor. OCSF's name and value say which attribute this is about, and `data` adds to
/// it. A role that no entry has told is there as "unknown".
fn enrichments(alert: &Alert, user: &Value) -> Value {
    let (name, value) = match user.get("uid") {
        Some(uid) => ("actor.user.uid", uid),
        None => ("actor.user.name", &user["name"]),
    };
    let about_actor =
        |kind, data| json!({ "name": name, "value": value, "type": kind, "data": data, "provider": Product::NAME });
    let actor = &alert.actor;
    let roles = json!({ "role_at_event": actor.role_at_event.name(), "role_now": actor.role_now.name() });
    let recent: Vec<Value> = alert.recent.iter().map(act).collect();
    let recent = non_empty(recent).map(|acts| about_actor("recent_activity", Value::Array(acts)));
    [about_actor("role", roles)].into_iter().chain(recent).collect()
}

fn act(act: &Act) -> Value {
    Fields::new()
        .set("seq", act.seq)
        .set("action", act.action.as_str())
        .maybe("time", event_time(act.time))
        .maybe("ip_address", (!act.ip_address.is_empty()).then_some(act.ip_address.as_str()))
        .into()
}

/// OCSF wants one text: the steps numbered through, each with its phase, and the Slack method and scope that do it.
fn remediation(playbook: &Playbook) -> Option<Value> {
    let phases = [("Verify", &playbook.verify), ("Contain", &playbook.contain), ("Then", &playbook.then)];
    let steps = phases.into_iter().flat_map(|(phase, steps)| steps.iter().map(move |step| (phase, step)));
    let lines: Vec<String> =
        steps.enumerate().map(|(n, (phase, step))| format!("{}. {phase}: {}", n + 1, step_line(step))).collect();
    non_empty(lines).map(|lines| json!({ "desc": lines.join("\n") }))
}

fn step_line(step: &Step) -> String {
    let text = &step.text;
    match (&step.method, &step.scope) {
        (Some(method), Some(scope)) => format!("{text} ({method}, scope {scope})"),
        (Some(method), None) => format!("{text} ({method})"),
        (None, Some(scope)) => format!("{text} (scope {scope})"),
        (None, None) => text.clone(),
    }
}

/// What findings share to be folded into this alert, besides the rule. In the names and units of [`Alert`].
fn folding(alert: &Alert) -> Value {
    json!({ "dedup_key": alert.dedup_key, "period_start": alert.period_start, "period_s": alert.period_s })
}

/// `None` for a time that no consumer would believe: a stub, unlike an event, has no other to fall back on.
fn event_time(time: UnixSeconds) -> Option<Value> {
    is_believable(time.millis()).then(|| timestamp(time.millis()))
}

fn non_empty<T>(all: Vec<T>) -> Option<Vec<T>> {
    (!all.is_empty()).then_some(all)
}
