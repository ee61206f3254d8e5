//! Slack's own anomaly events, rated by all of their reasons together; and sessions that Slack ended because of them.
//!
//! Slack makes no anomalies for networks on its allowlist: silence here clears nobody.

mod reasons;

use gridwatch_sdk::{Configuration, Finding, Findings, Row, Severity, json};

gridwatch_sdk::module!(detect);

/// Slack's stand-ins where nobody in particular acted.
const NOBODY: [&str; 3] = ["", "USLACKUSER", "USLACKSECURITY"];

/// What Slack says of an address that makes it more than a change of network.
const CLOUD: &str = "cloud-asn";
const ON_IOC_LIST: &str = "in-ioc-list";

pub fn detect(row: &Row<'_>, _: &Config, findings: &mut Findings) {
    let finding = match row.action() {
        "anomaly" => anomaly(row),
        _ => Some(sessions_ended(row)),
    };
    if let Some(finding) = finding {
        findings.add(finding);
    }
}

fn anomaly(row: &Row<'_>) -> Option<Finding> {
    let mut reasons = json::texts(row.details_reason());
    reasons.sort_unstable();
    reasons.dedup();
    let address = json::texts(row.details_ip_address_details());
    let says = |what: &str| address.iter().any(|said| said == what);
    if reasons == ["ip_address"] && !says(CLOUD) && !says(ON_IOC_LIST) {
        return None;
    }
    let mut severity = reasons::severity(&reasons);
    if says(ON_IOC_LIST) {
        severity = severity.max(Severity::Medium);
    }
    let all = if reasons.is_empty() { "no reason given".into() } else { reasons.join(", ") };
    let (id, name) = subject(row);
    let mut finding = row
        .finding(rules::REASON, severity)
        .key(id)
        .title(format!("Slack anomaly of {name}: {all}"))
        .label("reasons", all);
    // One label for each: folding keeps those of earlier findings, so that the alert lists all reasons of its day.
    for reason in &reasons {
        finding = finding.label(format!("reason.{reason}"), reasons::meaning(reason));
    }
    let ended = row.window(windows::SESSIONS_ENDED_24H);
    if ended > 0 {
        finding = finding.label("sessions_ended_by_slack_24h", ended.to_string());
    }
    Some(facts(row).into_iter().fold(finding, |finding, (key, value)| finding.label(key, value)))
}

fn sessions_ended(row: &Row<'_>) -> Finding {
    let times = row.window(windows::SESSIONS_ENDED_24H);
    let (id, name) = match (row.entity_type(), row.entity_id()) {
        ("user", id) if !id.is_empty() => (id, who([row.entity_email(), row.entity_name(), id])),
        _ => subject(row),
    };
    let (severity, again) = match times {
        0 | 1 => (Severity::Low, String::new()),
        times => (Severity::Medium, format!(" {times} times in a day")),
    };
    row.finding(rules::SESSIONS_ENDED, severity)
        .key(id)
        .title(format!("Slack ended the sessions of {name}{again} after an anomaly; the user can sign in again"))
        .window(windows::ANOMALIES_24H)
        .window(windows::SESSIONS_ENDED_24H)
        .label("anomalies_24h", row.window(windows::ANOMALIES_24H).to_string())
        .label("times_24h", times.to_string())
}

/// What Slack compared; only what is given.
fn facts<'b>(row: &Row<'b>) -> Vec<(&'static str, &'b str)> {
    let facts = [
        ("address", row.context_ip_address()),
        ("address_before", row.details_previous_ip_address()),
        ("address_is", row.details_ip_address_details()),
        ("ua", row.context_ua()),
        ("ua_before", row.details_previous_ua()),
        ("client", row.details_detected_client()),
        ("tool", row.details_scraping_tool()),
        ("method", row.details_api_call_method()),
    ];
    facts.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// Id and name of whom the anomaly is about: the actor, or the entity where Slack's stand-in is the actor.
fn subject<'b>(row: &Row<'b>) -> (&'b str, &'b str) {
    if NOBODY.contains(&row.actor_id()) && !row.entity_id().is_empty() {
        return (row.entity_id(), who([row.entity_email(), row.entity_name(), row.entity_id()]));
    }
    (row.actor_id(), who([row.actor_email(), row.actor_name(), row.actor_id()]))
}

/// The first that is given, the e-mail before the name: a name can be changed by whoever bears it.
fn who(names: [&str; 3]) -> &str {
    names.into_iter().find(|name| !name.is_empty()).unwrap_or("somebody unnamed")
}

impl Configuration for Config {}
