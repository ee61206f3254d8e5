//! Why Slack calls something an anomaly, as OCSF's `anomaly_analysis`: an anomaly for each of `details.reason`, with the
//! value that it is about, and the value before as its baseline.
//!
//! Which value that is, docs.slack.dev/reference/audit-logs-api/anomalous-events-reference says. A reason about amounts
//! comes without one; then Slack's word stands for it, as OCSF requires a value.

use super::schema::{Made, Object, Version};
use super::vocabulary as v;
use crate::leaves::Leaves;
use crate::shown::Shown;
use gridwatch_event::event::Event;
use gridwatch_event::part::Part;
use std::borrow::Cow;

/// What a reason is about: where an entry has the value, and where what it was before.
struct Measured {
    reasons: &'static [&'static str],
    now: [&'static str; 2],
    before: Option<[&'static str; 2]>,
}

const ADDRESS: [&str; 2] = ["context", "ip_address"];
const USER_AGENT: [&str; 2] = ["context", "ua"];

const MEASURED: &[Measured] = &[
    Measured { reasons: &["ip_address"], now: ADDRESS, before: Some(["details", "previous_ip_address"]) },
    Measured { reasons: &["asn", "tor"], now: ADDRESS, before: None },
    Measured { reasons: &["user_agent"], now: USER_AGENT, before: Some(["details", "previous_ua"]) },
    Measured { reasons: &["unexpected_user_agent", "spoofed_user_agent"], now: USER_AGENT, before: None },
    Measured { reasons: &["unexpected_client"], now: ["details", "detected_client"], before: None },
    Measured { reasons: &["unexpected_api_call_volume"], now: ["details", "api_call_method"], before: None },
    Measured { reasons: &["unexpected_scraping"], now: ["details", "scraping_tool"], before: None },
];

/// `None` where Slack gives no reason or names no one.
pub(super) fn analysis<'e>(version: Version, event: &'e Event, leaves: &mut Leaves<'e>) -> Option<Shown<'e>> {
    let reasons = reasons(event);
    let target = target(version, event)?;
    if reasons.is_empty() {
        return None;
    }
    let mut anomalies: Vec<Shown<'e>> = Vec::new();
    let mut baselines: Vec<Shown<'e>> = Vec::new();
    for reason in reasons {
        let measured = MEASURED.iter().find(|measured| measured.reasons.iter().any(|known| *known == reason));
        let now = measured.and_then(|measured| said(event, measured.now));
        let before = measured.and_then(|measured| said(event, measured.before?));
        let now = now.unwrap_or_else(|| reason.clone());
        anomalies.push(observed(version, &v::ANOMALY, reason.clone(), now).into());
        baselines.extend(before.map(|before| observed(version, &v::BASELINE, reason, before).into()));
    }
    let location = leaves.text(&["details", "location"]);
    anomalies.extend(location.map(|place| observed(version, &v::ANOMALY, "location".into(), place).into()));
    let analysis = version
        .make(&v::ANOMALY_ANALYSIS)
        .set("analysis_targets", vec![target])
        .set("anomalies", anomalies)
        .maybe("baselines", (!baselines.is_empty()).then_some(baselines));
    Some(analysis.into())
}

/// A list of texts, or one text.
fn reasons(event: &Event) -> Vec<Cow<'_, str>> {
    let Some(reason) = event.detail("reason") else { return Vec::new() };
    let one = reason.as_str().into_iter();
    one.chain(reason.items().filter_map(Part::as_str)).filter(|text| !text.is_empty()).collect()
}

/// The user or app that Slack was watching: the entity, or else the actor.
fn target(version: Version, event: &Event) -> Option<Made<'_>> {
    let entity = event.entity().and_then(name_of).map(|name| (name, event.entity_type()));
    let (name, kind) = entity.or_else(|| event.actor().and_then(name_of).map(|name| (name, "user")))?;
    Some(version.make(&v::ANALYSIS_TARGET).set("name", name).set("type", kind))
}

fn name_of(object: Part<'_>) -> Option<Cow<'_, str>> {
    ["id", "name"].into_iter().map(|key| object.text(key)).find(|text| !text.is_empty())
}

fn observed<'e>(version: Version, what: &'static Object, reason: Cow<'e, str>, value: Cow<'e, str>) -> Made<'e> {
    let observation = version.make(&v::OBSERVATION).set("value", value);
    version.make(what).set("observation_parameter", reason).set("observations", vec![observation])
}

fn said<'e>(event: &'e Event, path: [&str; 2]) -> Option<Cow<'e, str>> {
    Some(event.text(&path)).filter(|text| !text.is_empty())
}
