//! Places that don't go together with the person: a second one in the same minutes, Tor, and one where a session wakes that slept for weeks.

use crate::moved::is_of_another;
use crate::{Config, Fields, fields, rules, windows, with_context};
use gridwatch_sdk::{Finding, Row, Seen, Severity};

const DAY_S: u64 = 86_400;

pub(crate) fn two_places(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let rented = matches!(row.context_network_kind(), "hosting" | "tor" | "vpn");
    // To a rented network also from the other family: nobody's line ends there.
    let within_family = row.window(windows::SESSION_TURNS_V4).max(row.window(windows::SESSION_TURNS_V6));
    let turns = if rented { row.window(windows::SESSION_TURNS) } else { within_family };
    let is_new = !row.last_seen(windows::CAME_FROM_NEW_NETWORK).is_never();
    let left_out = row.is_by_nobody() || is_of_another(row) || is_own(row, config);
    if turns < config.place_turns || !is_new || left_out {
        return None;
    }
    let files = row.window(windows::TAKEN_IN_NETWORK);
    let severity = match rented {
        true => Severity::High,
        // What kind of network it is nobody knows, and relays that hide people's addresses look the same.
        false if files >= config.place_files && is_of_nobody_else(row) => Severity::Medium,
        false => Severity::Low,
    };
    let window = if rented { windows::SESSION_TURNS } else { windows::SESSION_TURNS_V4 };
    let finding = row
        .finding(rules::TWO_PLACES, severity)
        .key(row.context_session_id())
        .title(format!(
            "one session of {} in two networks by turns, {turns} times within an hour; the new one is {}",
            row.who(),
            row.context_network()
        ))
        .window(window)
        .window(windows::SESSION_TURNS_V6)
        .label("actor", row.actor_id())
        .label("turns", turns.to_string())
        .label("files_in_the_new_network", files.to_string());
    Some(with_context(finding, row))
}

/// Nobody was in the network before the person came there, hours ago at most.
fn is_of_nobody_else(row: &Row<'_>) -> bool {
    match (row.first_seen(windows::USED_NETWORK), row.first_seen(windows::ANY_NETWORKS)) {
        (Seen::Never, _) => true,
        (Seen::At(anybody), Seen::At(theirs)) => anybody >= theirs,
        _ => false,
    }
}

pub(crate) fn hidden_place(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let elsewhere = matches!(
        row.action(),
        "user_login" | "cli_login" | "user_login_failed" | "ip_allowlist_access_denied" | "anomaly"
    );
    if row.context_network_kind() != "tor" || elsewhere || row.is_by_nobody() || is_of_another(row) {
        return None;
    }
    let files = row.window(windows::TAKEN_IN_NETWORK);
    let entry = ["user_passkey_created", "user_password_reset_requested", "user_email_updated"];
    let grave = files >= config.place_files || entry.contains(&row.action());
    let is_new =
        !row.last_seen(windows::CAME_FROM_RENTED).is_never() || row.first_seen(windows::ANY_NETWORKS).is_never();
    let severity = if grave && is_new { Severity::High } else { Severity::Medium };
    let finding = row
        .finding(rules::HIDDEN_PLACE, severity)
        .key(row.actor_id())
        .title(format!("{} acts through Tor: {}", row.who(), row.action()))
        .window(windows::TAKEN_IN_NETWORK)
        .label("acts", row.action())
        .label("files_there", files.to_string())
        .label("new_for_the_person", if is_new { "yes" } else { "not known" });
    Some(with_context(finding, row))
}

pub(crate) fn woken_session(row: &Row<'_>, config: &Config) -> Option<Finding> {
    if row.context_whose() != "actor" || row.context_network().is_empty() || row.is_by_nobody() || is_own(row, config) {
        return None;
    }
    let (what, id, woke) = match row.context_session_id() {
        "" => ("a token or script", row.actor_id(), token_woke(row)),
        session => ("a session", session, session_woke(row)),
    };
    let files = row.window(windows::TAKEN_IN_NETWORK);
    let takes = !row.last_seen(windows::WOKEN).is_never() && files >= config.place_files;
    if !woke && !(takes && row.action().ends_with("_downloaded")) {
        return None;
    }
    let severity = match row.context_network_kind() {
        "hosting" | "tor" => Severity::High,
        "vpn" => Severity::Medium,
        _ if takes => Severity::Medium,
        _ => Severity::Low,
    };
    let did = if takes { format!(", and took {files} files there") } else { format!(": {}", row.action()) };
    let finding = row
        .finding(rules::WOKEN_SESSION, severity)
        .key(id)
        .title(format!(
            "{what} of {} acts again after at least {} days of silence, from {}, which is new for them{did}",
            row.who(),
            config.asleep / DAY_S,
            row.context_network(),
        ))
        .window(windows::TAKEN_IN_NETWORK)
        .label("actor", row.actor_id())
        .label("files_in_the_new_network", files.to_string());
    Some(with_context(finding, row))
}

/// It slept while its owner was about.
fn session_woke(row: &Row<'_>) -> bool {
    row.last_seen(windows::SESSION_LATELY).is_never()
        && matches!(row.first_seen(windows::SESSION_EVER), Seen::At(_))
        && matches!(row.last_seen(windows::ABOUT), Seen::At(_))
        && row.first_seen(windows::ANY_NETWORKS).is_never()
}

/// Whoever signs in has no session yet.
fn token_woke(row: &Row<'_>) -> bool {
    let signs_in = matches!(
        row.action(),
        "user_login" | "user_login_failed" | "user_password_reset_requested" | "ip_allowlist_access_denied" | "anomaly"
    );
    !signs_in
        && row.last_seen(windows::TOKEN_LATELY).is_never()
        && matches!(row.first_seen(windows::TOKEN_EVER), Seen::At(_))
        && row.first_seen(windows::TOKEN_NETWORKS).is_never()
}

pub(crate) fn is_own(row: &Row<'_>, config: &Config) -> bool {
    !row.context_own().is_empty()
        || row.is_in("corporate_egress", fields::CONTEXT_IP_ADDRESS)
        || config.own_networks.iter().any(|network| network == row.context_network())
}
