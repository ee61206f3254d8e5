//! One session in two places, and one person in two.

use crate::{Config, Fields, fields, rules, windows, with_context};
use gridwatch_sdk::{Finding, Row, Severity, first_or};

pub(crate) fn session_moved(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let (networks, clients) = (row.window(windows::SESSION_NETWORKS), row.window(windows::SESSION_CLIENTS));
    let moved = networks >= config.moved_networks && clients >= config.moved_clients;
    if !moved || row.is_by_nobody() || is_of_another(row) {
        return None;
    }
    let finding = row
        .finding(rules::SESSION_MOVED, Severity::High)
        .key(row.context_session_id())
        .title(format!(
            "one session of {} on {networks} networks and with {clients} clients within an hour; the last is {} on {}",
            row.who(),
            first_or([row.context_client()], "an unknown client"),
            first_or([row.context_network()], "an unknown network")
        ))
        .window(windows::SESSION_NETWORKS)
        .window(windows::SESSION_CLIENTS)
        .label("actor", row.actor_id())
        .label("networks", networks.to_string())
        .label("clients", clients.to_string());
    Some(with_context(finding, row))
}

/// Apps and agents have no session of their own; on an invited join, context and session are the inviter's and the actor isn't.
pub(crate) fn is_of_another(row: &Row<'_>) -> bool {
    matches!(row.context_whose(), "inviter" | "app" | "agent")
}

pub(crate) fn impossible_travel(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let (speed, clients) = (row.window(windows::SPEED), row.window(windows::CLIENTS_24H));
    if speed <= config.fastest_kmh || clients < config.travel_clients || row.is_by_nobody() {
        return None;
    }
    if takes_no_part(row, config) || row.is_in("corporate_egress", fields::CONTEXT_IP_ADDRESS) {
        return None;
    }
    let finding = row
        .finding(rules::IMPOSSIBLE_TRAVEL, Severity::Medium)
        .key(row.actor_id())
        .title(format!("sign-ins of {} so far apart that it takes {speed} km/h", row.who()))
        .window(windows::SPEED)
        .label("kmh", speed.to_string());
    Some(with_context(finding, row))
}

/// Sign-ins that don't feed the window read it nonetheless.
fn takes_no_part(row: &Row<'_>, config: &Config) -> bool {
    matches!(row.context_network_kind(), "vpn" | "tor")
        || is_phone(row)
        || !row.context_own().is_empty()
        || config.own_networks.iter().any(|n| n == row.context_network())
}

/// Slack's apps for phones come out wherever their carrier does.
fn is_phone(row: &Row<'_>) -> bool {
    row.context_client().starts_with("slack-ios") || row.context_client().starts_with("slack-android")
}
