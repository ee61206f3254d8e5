//! Slack's own anomaly events, rated by all of their reasons together; and sessions that Slack ended because of them.
//!
//! Slack makes no anomalies for networks on its allowlist: silence here clears nobody.

mod reasons;

use reasons::Rating;

use gridwatch_sdk::{Configuration, Finding, Findings, Row, Severity, json};

gridwatch_sdk::module!(detect);

/// What Slack says of an address that makes it more than a change of network.
const CLOUD: &str = "cloud-asn";
const ON_IOC_LIST: &str = "in-ioc-list";

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    let finding = match row.action() {
        "anomaly" => anomaly(row, config),
        _ => Some(sessions_ended(row, config)),
    };
    if let Some(finding) = finding {
        findings.add(finding);
    }
}

fn anomaly(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let mut reasons = json::texts(row.details_reason());
    reasons.sort_unstable();
    reasons.dedup();
    let address = json::texts(row.details_ip_address_details());
    let says = |what: &str| address.iter().any(|said| said == what);
    if reasons == ["ip_address"] && !says(CLOUD) && !says(ON_IOC_LIST) {
        return None;
    }
    // What is on Slack's list of known attackers is told whatever a team ignores.
    let on_list = says(ON_IOC_LIST).then_some(Severity::Medium);
    let severity = rating(config).severity(&reasons).max(on_list)?;
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

fn sessions_ended(row: &Row<'_>, config: &Config) -> Finding {
    let times = row.window(windows::SESSIONS_ENDED_24H);
    let (id, name) = match (row.entity_type(), row.entity_id()) {
        ("user", id) if !id.is_empty() => (id, who([row.entity_email(), row.entity_name(), id])),
        _ => subject(row),
    };
    let severity = if times >= config.sessions_ended_again { Severity::Medium } else { Severity::Low };
    let again = if times > 1 { format!(" {times} times in a day") } else { String::new() };
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
    if row.is_by_nobody() && !row.entity_id().is_empty() {
        return (row.entity_id(), who([row.entity_email(), row.entity_name(), row.entity_id()]));
    }
    (row.actor_id(), who([row.actor_email(), row.actor_name(), row.actor_id()]))
}

/// The first that is given, the e-mail before the name: a name can be changed by whoever bears it.
fn who(names: [&str; 3]) -> &str {
    names.into_iter().find(|name| !name.is_empty()).unwrap_or("somebody unnamed")
}

/// The team's lists, each of which goes before the built-in severity.
fn rating(config: &Config) -> Rating<'_> {
    Rating {
        own: [
            (&config.high, Some(Severity::High)),
            (&config.medium, Some(Severity::Medium)),
            (&config.low, Some(Severity::Low)),
            (&config.ignored, None),
        ],
        pairs: &config.pairs,
    }
}

impl Configuration for Config {
    fn problems(&self) -> Vec<String> {
        let lists = [&self.high, &self.medium, &self.low, &self.ignored];
        let mut all: Vec<&String> = lists.into_iter().flatten().collect();
        all.sort_unstable();
        let mut twice: Vec<_> = all.windows(2).filter(|two| two[0] == two[1]).map(|two| two[0]).collect();
        twice.dedup();
        let told = "is rated twice; name it once in `high`, `medium`, `low` and `ignored` together";
        twice.into_iter().map(|reason| format!("`{reason}` {told}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_one_rating() {
        let of = |high: &[&str], low: &[&str], ignored: &[&str]| {
            let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
            Config { high: texts(high), low: texts(low), ignored: texts(ignored), ..Config::default() }.problems()
        };
        assert_eq!(of(&[], &[], &[]), Vec::<String>::new());
        assert_eq!(of(&["tor"], &["asn"], &["user_agent"]), Vec::<String>::new());
        let told = of(&["tor", "asn", "asn"], &["tor"], &["tor"]);
        assert!(told.len() == 2 && told[0].contains("`asn`") && told[1].contains("`tor`"), "{told:?}");
    }
}
