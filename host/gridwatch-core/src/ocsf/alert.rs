//! An alert as an OCSF Detection Finding (2004). The input is plain data, so that this view knows nothing of how alerts
//! are folded or stored.

use super::classes::{self, Activity};
use super::event::time;
use super::leaves::Leaves;
use super::objects::{self, Fields};
use super::{Product, SCHEMA_VERSION, Severity, classification, profile, timestamp};
use crate::event::Event;
use crate::time::UnixMillis;
use serde_json::{Value, json};

/// Evidence shown in full. `finding_info.related_events` names every event, so what is over this can be looked up.
pub const EVIDENCES_MAX: usize = 50;

/// What happened to the alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingActivity {
    Create,
    Update,
    Close,
}

/// An alert, as much as a SIEM gets to see of it.
#[derive(Clone, Copy, Debug)]
pub struct FindingInput<'a> {
    /// `metadata.uid`: this one message. A consumer that gets it twice may drop one.
    pub metadata_uid: &'a str,
    /// `finding_info.uid`: the alert, the same for its creation, updates and close.
    pub uid: &'a str,
    pub activity: FindingActivity,
    pub severity: Severity,
    pub title: &'a str,
    pub description: &'a str,
    /// When the alert was made, and when this message about it was.
    pub created: UnixMillis,
    pub modified: UnixMillis,
    pub first_event: UnixMillis,
    pub last_event: UnixMillis,
    pub rule_id: &'a str,
    pub rule_title: &'a str,
    pub module: ModuleInput<'a>,
    pub attacks: &'a [AttackInput<'a>],
    pub actor: Option<ActorInput<'a>>,
    /// In the order of detection.
    pub evidence: &'a [&'a Event],
    pub labels: &'a [(&'a str, &'a str)],
    /// What to do, step by step.
    pub playbook: &'a [&'a str],
    /// How many findings were folded into the alert.
    pub dedup_count: u64,
    /// The suppression that keeps the alert from people, by name.
    pub suppressed_by: Option<&'a str>,
}

/// The detection module that found it, exactly.
#[derive(Clone, Copy, Debug)]
pub struct ModuleInput<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub digest: &'a str,
}

/// An ATT&CK technique (`T1078`) or sub-technique (`T1078.004`), and its tactic as an id (`TA0001`) or by name.
#[derive(Clone, Copy, Debug)]
pub struct AttackInput<'a> {
    pub technique: &'a str,
    pub tactic: Option<&'a str>,
}

/// Who did it, with the role known at the time.
#[derive(Clone, Copy, Debug)]
pub struct ActorInput<'a> {
    pub id: &'a str,
    pub email: Option<&'a str>,
    pub name: Option<&'a str>,
    pub role: Option<&'a str>,
}

/// The OCSF Detection Finding of an alert.
pub fn detection_finding(alert: &FindingInput<'_>, product: &Product<'_>) -> Value {
    let activity = activity(alert.activity);
    let (status_id, status) = status(alert);
    let evidences: Vec<Value> = alert
        .evidence
        .iter()
        .take(EVIDENCES_MAX)
        .map(|event| evidence(event))
        .collect();
    let actor = alert
        .actor
        .map(|who| json!({ "user": objects::known_user(who.id, who.email, who.name, who.role) }));
    let profiles: &[&str] = match actor {
        Some(_) => &[profile::HOST, profile::SECURITY_CONTROL],
        None => &[profile::SECURITY_CONTROL],
    };
    classification(activity, activity.name, alert.severity)
        .maybe("actor", actor)
        .set("count", alert.dedup_count)
        .set("end_time", timestamp(alert.last_event))
        .maybe("evidences", (!evidences.is_empty()).then_some(evidences))
        .set("finding_info", finding_info(alert))
        .set("is_alert", alert.suppressed_by.is_none())
        .set("message", alert.title)
        .set("metadata", metadata(alert, product, profiles))
        .maybe("remediation", remediation(alert.playbook))
        .set("start_time", timestamp(alert.first_event))
        .set("status", status)
        .maybe(
            "status_detail",
            alert.suppressed_by.map(|name| format!("suppressed by {name}")),
        )
        .set("status_id", status_id)
        .set("time", timestamp(alert.modified))
        .into()
}

const fn activity(activity: FindingActivity) -> Activity {
    match activity {
        FindingActivity::Create => classes::FINDING_CREATE,
        FindingActivity::Update => classes::FINDING_UPDATE,
        FindingActivity::Close => classes::FINDING_CLOSE,
    }
}

fn status(alert: &FindingInput<'_>) -> (u64, &'static str) {
    match (alert.suppressed_by, alert.activity) {
        (Some(_), _) => (3, "Suppressed"),
        (None, FindingActivity::Create) => (1, "New"),
        (None, FindingActivity::Update) => (2, "In Progress"),
        (None, FindingActivity::Close) => (4, "Resolved"),
    }
}

fn metadata(alert: &FindingInput<'_>, product: &Product<'_>, profiles: &[&str]) -> Value {
    let module = alert.module;
    let feature = json!({ "name": module.name, "uid": module.digest, "version": module.version });
    let gridwatch = Fields::new()
        .set("name", Product::NAME)
        .set("vendor_name", Product::NAME)
        .set("version", product.version)
        .set("feature", feature);
    Fields::new()
        .set("version", SCHEMA_VERSION)
        .set("uid", alert.metadata_uid)
        .set("event_code", alert.rule_id)
        .set("product", gridwatch)
        .set("profiles", profiles)
        .into()
}

fn finding_info(alert: &FindingInput<'_>) -> Value {
    let analytic = json!({
        "uid": alert.rule_id, "name": alert.rule_title, "version": alert.module.version, "type": "Rule", "type_id": 1,
    });
    let attacks: Vec<Value> = alert.attacks.iter().map(attack).collect();
    let events: Vec<Value> = alert.evidence.iter().map(|event| related_event(event)).collect();
    let tags: Vec<Value> = alert
        .labels
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    Fields::new()
        .set("uid", alert.uid)
        .set("title", alert.title)
        .set("desc", alert.description)
        .set("analytic", analytic)
        .set("created_time", timestamp(alert.created))
        .set("modified_time", timestamp(alert.modified))
        .set("first_seen_time", timestamp(alert.first_event))
        .set("last_seen_time", timestamp(alert.last_event))
        .set("related_events_count", events.len())
        .maybe("related_events", (!events.is_empty()).then_some(events))
        .maybe("attacks", (!attacks.is_empty()).then_some(attacks))
        .maybe("tags", (!tags.is_empty()).then_some(tags))
        .into()
}

fn attack(attack: &AttackInput<'_>) -> Value {
    let technique = attack.technique.split('.').next().unwrap_or(attack.technique);
    let sub_technique = (technique != attack.technique).then(|| json!({ "uid": attack.technique }));
    let tactic = attack.tactic.map(|tactic| {
        let is_id = tactic
            .strip_prefix("TA")
            .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
        if is_id {
            json!({ "uid": tactic })
        } else {
            json!({ "name": tactic })
        }
    });
    Fields::new()
        .set("technique", json!({ "uid": technique }))
        .maybe("sub_technique", sub_technique)
        .maybe("tactic", tactic)
        .into()
}

fn related_event(event: &Event) -> Value {
    json!({ "uid": event.id, "title": event.action, "created_time": time(event),
            "type_uid": classes::mapping(&event.action).activity.type_uid() })
}

/// Who and from where as OCSF objects, and a header to find the entry again. The entry itself is a record of its own.
fn evidence(event: &Event) -> Value {
    let entity = |key| {
        event
            .entity()
            .and_then(|entity| entity.get(key))
            .filter(|value| !value.is_object())
            .cloned()
    };
    let data = Fields::new()
        .set("uid", event.id.as_str())
        .set("seq", event.seq)
        .set("action", event.action.as_str())
        .set("time", time(event))
        .set("entity_type", event.entity_type())
        .maybe("entity_id", entity("id"))
        .maybe("entity_name", entity("name"));
    let evidence = Fields::new()
        .set("uid", event.id.as_str())
        .set("name", event.action.as_str())
        .set("data", data);
    let Some(mut leaves) = Leaves::of(event.json()) else {
        return evidence.into();
    };
    evidence
        .maybe("actor", objects::actor(&mut leaves).non_empty())
        .maybe("src_endpoint", objects::source(&mut leaves))
        .maybe("http_request", objects::http_request(&mut leaves, &["context", "ua"]))
        .into()
}

/// OCSF wants one text: the steps, numbered.
fn remediation(playbook: &[&str]) -> Option<Value> {
    let steps: Vec<String> = playbook
        .iter()
        .enumerate()
        .map(|(n, step)| format!("{}. {step}", n + 1))
        .collect();
    (!steps.is_empty()).then(|| json!({ "desc": steps.join("\n") }))
}
