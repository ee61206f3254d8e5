//! Sessions in other hands: moved, new and greedy, back after they were ended; and very many ended at once.
//!
//! A user agent and an address are what the client says and where it comes out. So most rules ask for two things that are
//! new at once, or for something that came of it.

mod arrived;
mod ended;
mod handed;
mod moved;
mod places;

use gridwatch_sdk::{Configuration, Finding, Findings, Row, Seen, Window, is_nobody};

gridwatch_sdk::module!(detect);

/// The value of a sequence of two steps, both done.
const BOTH_STEPS: u64 = 2;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    findings.extend(moved::session_moved(row, config));
    findings.extend(places::two_places(row, config));
    findings.extend(places::hidden_place(row, config));
    findings.extend(places::woken_session(row, config));
    findings.extend(ended::reset_ignored(row, config));
    findings.extend(arrived::new_context_collects(row, config));
    findings.extend(arrived::dormant_admin(row, config));
    match row.action() {
        "user_login" => {
            findings.extend(ended::back_after_anomaly(row, config));
            findings.extend(ended::after_deactivation(row));
            findings.extend(arrived::allowlist_pressure(row, config));
            findings.extend(moved::impossible_travel(row, config));
            findings.extend(arrived::listed_address(row));
            findings.extend(arrived::unannounced_account(row));
            findings.extend(handed::handed_over(row, config));
        }
        "cli_login" => findings.extend(arrived::listed_address(row)),
        // What a sign-in completes may arrive after it.
        "user_sessions_reset_by_anomaly_event_response" => findings.extend(ended::back_after_anomaly(row, config)),
        "user_deactivated" | "guest_deactivated" | "guest_expired" => findings.extend(ended::after_deactivation(row)),
        "ip_allowlist_access_denied" => findings.extend(arrived::allowlist_pressure(row, config)),
        "user_logout_compromised" => findings.add(ended::compromised(row)),
        "user_session_reset_by_admin" | "user_session_invalidated" => findings.extend(ended::many_reset(row, config)),
        "bulk_session_reset_by_admin" => findings.extend(ended::bulk_reset(row, config)),
        _ => {}
    }
}

/// What a seen window says of the entry, if it has what the window asks by: without an address no network is new.
fn seen(row: &Row<'_>, window: Window, text: &str) -> Option<Seen> {
    (!text.is_empty() && row.context_whose() == "actor").then(|| row.first_seen(window))
}

/// Network and client both not seen of the actor until a day ago, who is somebody that we know.
fn is_new_context(row: &Row<'_>, config: &Config) -> bool {
    let network = seen(row, windows::NETWORKS_WITH_CLIENT, row.context_network());
    let client = seen(row, windows::CLIENTS, row.context_client());
    let lately = network.is_some() && client.is_some() && !row.last_seen(windows::CAME_FROM_NEW).is_never();
    (lately || network == Some(Seen::Never) && client == Some(Seen::Never)) && has_settled(row, config)
}

/// Whoever was first seen later than this has no usual place yet.
fn has_settled(row: &Row<'_>, config: &Config) -> bool {
    is_known_for(row, config.settling_days * DAY_MS)
}

fn is_known_for(row: &Row<'_>, ms: u64) -> bool {
    matches!(row.first_seen(windows::KNOWN), Seen::At(since) if since + ms <= row.time_ms())
}

/// The user whom an entry is about: the entity if it is one, else the actor.
fn subject<'b>(row: &Row<'b>) -> (&'b str, &'b str) {
    match row.entity_type() {
        "user" if !is_nobody(row.entity_id()) => (row.entity_id(), row.entity_label()),
        _ => (row.actor_id(), row.who()),
    }
}

/// The labels that every finding here has.
fn with_context(finding: Finding, row: &Row<'_>) -> Finding {
    finding.labels([
        ("address", row.context_ip_address()),
        ("network", row.context_network()),
        ("network_kind", row.context_network_kind()),
        ("country", row.context_country()),
        ("client", row.context_client()),
        ("session", row.context_session_id()),
    ])
}

impl Configuration for Config {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.denied_addresses > self.denials {
            problems.push(format!(
                "`denied_addresses` is {}; it can't be above `denials` ({})",
                self.denied_addresses, self.denials
            ));
        }
        let people = self.responders.iter().filter(|id| !id.starts_with(['U', 'W']));
        problems.extend(people.map(|id| format!("`responders` has `{id}`; a user's id starts with U or W")));
        problems
    }
}
