//! Somebody from somewhere new: what they take, how hard they knocked, and admins who weren't there for long. And who shouldn't
//! be there at all: listed addresses, and accounts that nobody made.

use crate::{
    BOTH_STEPS, Config, DAY_MS, Fields, fields, has_settled, is_known_for, is_new_context, rules, seen, windows,
    with_context,
};
use gridwatch_sdk::{Finding, Row, Seen, Severity, Window};

pub(crate) fn new_context_collects(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let (chain, what) = taken(row)?;
    if !has_settled(row, config) || row.is_by_nobody() {
        return None;
    }
    let mut finding = row
        .finding(rules::NEW_CONTEXT_COLLECTS, Severity::High)
        .key(row.actor_id())
        .title(format!("{} came from a new network with a new client and {what}", row.who()))
        .label("what", what);
    if let Some(chain) = chain {
        finding = finding.window(chain);
    }
    Some(with_context(finding, row))
}

/// What was collected, and the window whose chain says so; none where the export itself is the first act.
fn taken(row: &Row<'_>) -> Option<(Option<Window>, &'static str)> {
    let chains = [
        (windows::NEW_THEN_EXPORT, "started an export"),
        (windows::NEW_THEN_FILES, "took many files"),
        (windows::NEW_THEN_PREVIEWS, "looked into many channels"),
    ];
    let done = chains.into_iter().find(|(window, _)| row.window(*window) >= BOTH_STEPS);
    let done = done.map(|(window, what)| (Some(window), what));
    done.or_else(|| (row.window(windows::EXPORT_FROM_NEW) > 0).then_some((None, "started an export")))
}

pub(crate) fn allowlist_pressure(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let by_first = [windows::DENIED_THEN_IN, windows::DENIED_AT_ADDRESSES_THEN_IN];
    let from_new = [windows::DENIED_THEN_IN_FROM_NEW, windows::DENIED_AT_ADDRESSES_THEN_IN_FROM_NEW];
    let in_a_day = [by_first, from_new].iter().any(|chains| chains.iter().all(|c| row.window(*c) >= BOTH_STEPS));
    let slowly = has_settled(row, config) && row.window(windows::DENIED_SLOWLY_THEN_IN) >= BOTH_STEPS;
    if row.is_by_nobody() || !(in_a_day || slowly) {
        return None;
    }
    let (severity, known) = match (row.action(), seen(row, windows::NETWORKS, row.context_network())) {
        _ if !in_a_day => (Severity::Medium, "no"),
        ("user_login", Some(Seen::Never)) if has_settled(row, config) => (Severity::High, "no"),
        ("user_login", Some(Seen::At(_))) => (Severity::Medium, "yes"),
        _ => (Severity::Medium, "can't tell"),
    };
    let addresses = match in_a_day {
        true => row.window(windows::DENIED_ADDRESSES_24H),
        false => row.window(windows::DENIED_ADDRESSES_7D),
    };
    let finding = row
        .finding(rules::ALLOWLIST_PRESSURE, severity)
        .key(row.actor_id())
        .title(format!("{} was refused at {addresses} addresses and then got in", row.who()));
    let chains = by_first.into_iter().chain(from_new).chain([windows::DENIED_SLOWLY_THEN_IN]);
    let finding = chains
        .fold(finding, Finding::window)
        .label("refused_addresses", addresses.to_string())
        .label("network_seen_before", known);
    Some(with_context(finding, row))
}

pub(crate) fn dormant_admin(row: &Row<'_>, config: &Config) -> Option<Finding> {
    // Who leaves may close their own account.
    let own_account = row.action() == "user_deactivated" && row.entity_id() == row.actor_id();
    if row.window(windows::WOKE) == 0 || row.is_by_nobody() || own_account {
        return None;
    }
    let (severity, says) = match row.last_seen(windows::ACTED_IN_90D) {
        _ if is_new_context(row, config) => (Severity::High, "no, and network and client are new"),
        Seen::Learning => (Severity::Low, "not since gridwatch watches"),
        // Whoever wasn't watched in these days did nothing, as far as anybody can tell.
        _ if row.window(windows::DAYS_SEEN) < config.seen_days => (Severity::Low, "not in what gridwatch saw of them"),
        _ => (Severity::Medium, "no"),
    };
    let finding = row
        .finding(rules::DORMANT_ADMIN, severity)
        .key(row.actor_id())
        .title(format!("{} acted as an admin after a long time: {}", row.who(), row.action()))
        .label("act", row.action())
        .label("actor_role", row.actor_role())
        .label("acted_in_90_days", says);
    Some(with_context(finding, row))
}

pub(crate) fn listed_address(row: &Row<'_>) -> Option<Finding> {
    // Tor with the command line tool is a matter of `tokens.cli-login`.
    let by_tor = row.context_network_kind() == "tor" && row.action() == "user_login";
    let listed = row.is_in("listed_addresses", fields::CONTEXT_IP_ADDRESS);
    if row.is_by_nobody() || !(by_tor || listed) {
        return None;
    }
    let from = if listed { "a listed address" } else { "Tor" };
    let finding = row
        .finding(rules::LISTED_ADDRESS, Severity::Medium)
        .key(row.actor_id())
        .title(format!("{} signed in from {from}: {}", row.who(), row.context_ip_address()))
        .label("from", from);
    Some(with_context(finding, row))
}

pub(crate) fn unannounced_account(row: &Row<'_>) -> Option<Finding> {
    let is_first = row.first_seen(windows::EVER_SIGNED_IN).is_never() && !is_known_for(row, DAY_MS);
    // An app's own account comes with its install.
    if row.is_by_nobody() || row.actor_role() == "bot" || !is_first || !row.last_seen(windows::ANNOUNCED).is_never() {
        return None;
    }
    let finding = row
        .finding(rules::UNANNOUNCED_ACCOUNT, Severity::Low)
        .key(row.actor_id())
        .title(format!("{} signed in for the first time, and the log has not said who made the account", row.who()))
        .label("actor_role", row.actor_role());
    Some(with_context(finding, row))
}
