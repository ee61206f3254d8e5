//! Sessions and accounts that were ended, by whom and how many, and what went on all the same.

use crate::{BOTH_STEPS, Config, DAY_MS, Fields, HOUR_MS, has_settled, rules, seen, subject, windows, with_context};
use gridwatch_sdk::{Finding, Row, Seen, Severity, is_nobody, json};

pub(crate) fn compromised(row: &Row<'_>) -> Finding {
    let (id, name) = subject(row);
    let finding = row
        .finding(rules::COMPROMISED, Severity::High)
        .key(id)
        .title(format!("Slack holds the account of {name} for compromised and logged it out"));
    with_context(finding, row)
}

/// Fires on the sign-in as a rule, and on the reset when that arrives last; then nothing is known of the sign-in's network.
pub(crate) fn back_after_anomaly(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let (id, name) = subject(row);
    let (soon, network) = match (row.action(), row.last_seen(windows::ENDED)) {
        ("user_login", Seen::At(ended)) => {
            (ended + HOUR_MS > row.time_ms(), seen(row, windows::NETWORKS, row.context_network()))
        }
        (_, _) if row.window(windows::ENDED_THEN_IN) >= BOTH_STEPS => (true, None),
        _ => return None,
    };
    let new_ms = config.new_hours * HOUR_MS;
    let says = match network {
        Some(Seen::Never) => "not in 90 days",
        Some(Seen::At(since)) if since + new_ms <= row.time_ms() => return None,
        Some(Seen::At(_)) if has_settled(row, config) => "only lately",
        // Somebody who was first seen this week, the week of learning, no address, a reset that arrived late.
        _ => "can't tell",
    };
    let (severity, within) = match soon {
        true if says == "can't tell" => (Severity::Medium, "an hour"),
        true => (Severity::High, "an hour"),
        false if says == "can't tell" => return None,
        false => (Severity::Medium, "a day"),
    };
    if is_nobody(id) {
        return None;
    }
    let finding = row
        .finding(rules::BACK_AFTER_ANOMALY, severity)
        .key(id)
        .title(format!("{name} signed in again within {within} after Slack ended the sessions"))
        .window(windows::ENDED_THEN_IN)
        .label("network_seen_before", says);
    Some(with_context(finding, row))
}

pub(crate) fn reset_ignored(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let reset = row.last_seen(windows::RESET_BY_RESPONDER);
    let (Seen::At(reset), Seen::At(began)) = (reset, row.first_seen(windows::SESSION_BEGAN)) else { return None };
    if began >= reset || row.time_ms() <= reset + config.reset_grace_s * 1_000 || !row.context_app_id().is_empty() {
        return None;
    }
    let after_s = (row.time_ms() - reset) / 1_000;
    let finding = row
        .finding(rules::RESET_IGNORED, Severity::High)
        .key(row.context_session_id())
        .title(format!(
            "a session of {} goes on {after_s} seconds after a responder ended it: {}",
            row.who(),
            row.action()
        ))
        .label("actor", row.actor_id())
        .label("seconds_after_reset", after_s.to_string());
    Some(with_context(finding, row))
}

pub(crate) fn many_reset(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let people = row.window(windows::PEOPLE_RESET_24H);
    let left_out = row.is_by_nobody() || is_provisioned(row);
    if people < config.people_reset || left_out {
        return None;
    }
    let finding = row
        .finding(rules::MASS_RESET, by(row, config, Severity::High))
        .key(row.actor_id())
        .title(format!("{} ended the sessions of {people} people within a day", row.who()))
        .window(windows::PEOPLE_RESET_24H)
        .label("people", people.to_string())
        .label("actor_role", row.actor_role());
    Some(with_context(finding, row))
}

/// One entry for any number of people, who stand in the details: as a list, or as a text that holds one.
pub(crate) fn bulk_reset(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let people = json::count(row.details_succeeded_users(), row.details_succeeded_users_count());
    let (severity, how_many) = match people {
        0 => (Severity::Medium, "an unknown number of".to_owned()),
        n if n >= config.people_reset && (is_at_home(row) || is_with_own_client(row)) => {
            (Severity::Medium, n.to_string())
        }
        n if n >= config.people_reset => (Severity::High, n.to_string()),
        _ => return None,
    };
    if is_provisioned(row) {
        return None;
    }
    let finding = row
        .finding(rules::MASS_RESET, by(row, config, severity))
        .key(row.actor_id())
        .title(format!("{} ended the sessions of {how_many} people at once", row.who()))
        .label("people", people.to_string())
        .label("actor_role", row.actor_role())
        .label("usual_network", if is_at_home(row) { "yes" } else { "not known" })
        .label("usual_client", if is_with_own_client(row) { "yes" } else { "not known" });
    Some(with_context(finding, row))
}

/// With a client in which they did other things before today. That it is new says nothing, for an admin's pages are often opened in a browser
/// that does nothing else; but whoever works at home comes from other networks every other day.
fn is_with_own_client(row: &Row<'_>) -> bool {
    let client = seen(row, windows::CLIENTS, row.context_client());
    matches!(client, Some(Seen::At(since)) if since + DAY_MS <= row.time_ms())
}

/// In a network where they were before today: whoever took the account just now isn't there.
fn is_at_home(row: &Row<'_>) -> bool {
    let network = seen(row, windows::ANY_NETWORKS, row.context_network());
    matches!(network, Some(Seen::At(since)) if since + DAY_MS <= row.time_ms())
}

/// By its app or account; what only calls itself provisioning ends no sessions unseen.
fn is_provisioned(row: &Row<'_>) -> bool {
    matches!(row.context_provisioning(), "app" | "account")
}

fn by(row: &Row<'_>, config: &Config, severity: Severity) -> Severity {
    if config.responders.iter().any(|id| id == row.actor_id()) { Severity::Low } else { severity }
}

pub(crate) fn after_deactivation(row: &Row<'_>) -> Option<Finding> {
    let (id, name) = subject(row);
    if row.window(windows::DEACTIVATED_THEN_IN) < BOTH_STEPS || is_nobody(id) {
        return None;
    }
    let reactivated = match row.action() {
        "user_login" => match (row.last_seen(windows::DEACTIVATED), row.last_seen(windows::REACTIVATED)) {
            (Seen::At(off), Seen::At(on)) if on >= off => return None,
            _ => "no",
        },
        _ => "can't tell",
    };
    let finding = row
        .finding(rules::AFTER_DEACTIVATION, Severity::Medium)
        .key(id)
        .title(format!("{name} signed in after being deactivated"))
        .window(windows::DEACTIVATED_THEN_IN)
        .label("reactivated", reactivated);
    Some(with_context(finding, row))
}
