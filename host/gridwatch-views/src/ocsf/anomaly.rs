//! Why Slack calls something an anomaly, as OCSF's `anomaly_analysis`: an anomaly for each of `details.reason`, with the
//! value that it is about, and the value before as its baseline.
//!
//! Which value that is, docs.slack.dev/reference/audit-logs-api/anomalous-events-reference says. A reason about amounts
//! comes without one; then Slack's word stands for it, as OCSF requires a value.

use super::schema::{Made, Object, Version};
use super::vocabulary as v;
use crate::leaves::Leaves;
use gridwatch_event::event::Event;
use gridwatch_event::part::Part;
use serde_json::Value;
use std::borrow::Cow;

/// What a reason is about: where an entry has the value, and where what it was before.
struct Measured {
    reasons: &'static [&'static str],
    now: &'static str,
    before: Option<&'static str>,
}

const MEASURED: &[Measured] = &[
    Measured { reasons: &["ip_address"], now: "/context/ip_address", before: Some("/details/previous_ip_address") },
    Measured { reasons: &["asn", "tor"], now: "/context/ip_address", before: None },
    Measured { reasons: &["user_agent"], now: "/context/ua", before: Some("/details/previous_ua") },
    Measured { reasons: &["unexpected_user_agent", "spoofed_user_agent"], now: "/context/ua", before: None },
    Measured { reasons: &["unexpected_client"], now: "/details/detected_client", before: None },
    Measured { reasons: &["unexpected_api_call_volume"], now: "/details/api_call_method", before: None },
    Measured { reasons: &["unexpected_scraping"], now: "/details/scraping_tool", before: None },
];

/// `None` where Slack gives no reason or names no one.
pub(super) fn analysis(version: Version, event: &Event, leaves: &mut Leaves) -> Option<Value> {
    let reasons = reasons(event);
    let target = target(version, event)?;
    if reasons.is_empty() {
        return None;
    }
    let mut anomalies: Vec<Value> = Vec::new();
    let mut baselines: Vec<Value> = Vec::new();
    for reason in reasons {
        let measured = MEASURED.iter().find(|measured| measured.reasons.contains(&reason));
        let now = measured.and_then(|measured| said(event, measured.now));
        let before = measured.and_then(|measured| said(event, measured.before?));
        anomalies.push(observed(version, &v::ANOMALY, reason, now.unwrap_or(reason)).into());
        baselines.extend(before.map(|before| Value::from(observed(version, &v::BASELINE, reason, before))));
    }
    let location = leaves.text(&["details", "location"]);
    anomalies.extend(location.map(|place| Value::from(observed(version, &v::ANOMALY, "location", &place))));
    let analysis = version
        .make(&v::ANOMALY_ANALYSIS)
        .set("analysis_targets", vec![Value::from(target)])
        .set("anomalies", anomalies)
        .maybe("baselines", (!baselines.is_empty()).then_some(baselines));
    Some(analysis.into())
}

/// A list of texts, or one text.
fn reasons(event: &Event) -> Vec<&str> {
    match event.json().pointer("/details/reason") {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).filter(|text| !text.is_empty()).collect(),
        Some(Value::String(text)) if !text.is_empty() => vec![text],
        _ => Vec::new(),
    }
}

/// The user or app that Slack was watching: the entity, or else the actor.
fn target(version: Version, event: &Event) -> Option<Made> {
    let name = |object: Part<'_>| {
        let text = |key| Some(object.text(key)).filter(|text| !text.is_empty()).map(Cow::into_owned);
        text("id").or_else(|| text("name"))
    };
    let entity = event.entity().and_then(name).map(|name| (name, event.entity_type()));
    let (name, kind) = entity.or_else(|| event.actor().and_then(name).map(|name| (name, "user")))?;
    Some(version.make(&v::ANALYSIS_TARGET).set("name", name).set("type", kind))
}

fn observed(version: Version, what: &'static Object, reason: &str, value: &str) -> Made {
    let observation = version.make(&v::OBSERVATION).set("value", value);
    version.make(what).set("observation_parameter", reason).set("observations", vec![Value::from(observation)])
}

fn said<'e>(event: &'e Event, pointer: &str) -> Option<&'e str> {
    event.json().pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}
