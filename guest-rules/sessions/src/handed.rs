//! Accounts that somebody else changed, brought back or made durable, and then entered from a new place.

use crate::places::is_own;
use crate::{Config, Fields, rules, seen, windows, with_context};
use gridwatch_sdk::{Finding, Row, Seen, Severity, Window};

/// What was done to the account before, the gravest first.
const CHANGES: [(Window, &str); 5] = [
    (windows::ADDRESS_CHANGED, "its e-mail address was changed"),
    (windows::BROUGHT_BACK, "it was brought back"),
    (windows::PASSWORD_RESET, "an admin reset its password"),
    (windows::RESET_REQUESTED, "somebody asked for its password to be reset"),
    (windows::MADE_DURABLE, "its end was taken away"),
];

pub(crate) fn handed_over(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let (window, what, since) = CHANGES.into_iter().find_map(|(window, what)| match row.last_seen(window) {
        Seen::At(since) => Some((window, what, since)),
        _ => None,
    })?;
    let is_new = row.first_seen(windows::RANGES).is_never() && !row.context_network().is_empty();
    if row.is_by_nobody() || row.context_whose() != "actor" || !is_new || is_own(row, config) {
        return None;
    }
    let has = |window: Window| !row.last_seen(window).is_never();
    let reset = has(windows::PASSWORD_RESET) || has(windows::RESET_REQUESTED);
    let odd = odd(row, config);
    let by_hand = has(windows::BROUGHT_BACK_BY_HAND);
    if odd.is_empty() && !reset {
        return None;
    }
    let severity = match window {
        windows::ADDRESS_CHANGED if reset || !odd.is_empty() => Severity::High,
        windows::BROUGHT_BACK if by_hand && (reset || !odd.is_empty()) => Severity::Medium,
        windows::BROUGHT_BACK if odd.contains(&WAY) => Severity::Medium,
        // Whoever forgot the password may have a new phone: two things have to be odd, or the way.
        windows::RESET_REQUESTED | windows::PASSWORD_RESET if odd.contains(&WAY) || odd.contains(&KIND) => {
            Severity::Medium
        }
        windows::MADE_DURABLE if !odd.is_empty() => Severity::Medium,
        _ => Severity::Low,
    };
    let minutes = row.time_ms().saturating_sub(since) / 60_000;
    let finding = row
        .finding(rules::HANDED_OVER, severity)
        .key(row.actor_id())
        .title(format!("{} signed in from a place new for them, {} after {what}", row.who(), span(minutes)))
        .label("before", what)
        .label("minutes_after", minutes.to_string())
        .label("odd", odd.join(", "))
        .label("password_reset_too", if reset { "yes" } else { "" })
        .label("sign_in", row.sign_in_way());
    Some(with_context(finding, row))
}

const CLIENT: &str = "a client new for them";
const WAY: &str = "a way of signing in that isn't theirs";
const KIND: &str = "a rented network, a VPN or Tor";

fn odd(row: &Row<'_>, config: &Config) -> Vec<&'static str> {
    let mut odd = Vec::new();
    // At home, ranges come and go; and of somebody who was never there, everything is new.
    let is_known = matches!(row.first_seen(windows::KNOWN), Seen::At(_));
    let new_network = is_known && row.first_seen(windows::ANY_NETWORKS).is_never();
    if new_network && seen(row, windows::CLIENTS, row.context_client()) == Some(Seen::Never) {
        odd.push(CLIENT);
    }
    if is_other_way(row, config) {
        odd.push(WAY);
    }
    if !row.context_network_kind().is_empty() {
        odd.push(KIND);
    }
    odd
}

/// Not the person's, or, of whom none is known, hardly anybody's.
fn is_other_way(row: &Row<'_>, config: &Config) -> bool {
    let rare = row.window(windows::PEOPLE_BY_WAY) < config.rare_way_below
        && row.window(windows::PEOPLE_SIGNED_IN) >= config.many_people;
    match row.first_seen(windows::SIGNED_IN) {
        Seen::At(_) => row.first_seen(windows::WAYS).is_never(),
        _ => row.first_seen(windows::WAYS).is_never() && rare,
    }
}

fn span(minutes: u64) -> String {
    match minutes {
        0..120 => format!("{minutes} minutes"),
        120..2_880 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 1_440),
    }
}
