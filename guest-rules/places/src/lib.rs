//! Places that join people: one intruder in several accounts, a spray that takes weeks and the sign-in that it was for, one
//! address in several kinds of trouble.
//!
//! Each act for itself is nobody's concern: one sign-in from a new place, two failures, a few files. What tells is that the place is
//! new to all of them, and to the organization.

mod place;

use gridwatch_sdk::{Configuration, Finding, Findings, Row, Seen, Severity};
use place::{Place, Way};

gridwatch_sdk::module!(detect);

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    // A partner's people come from their own offices.
    if place::is_own(row, config) || row.actor_external() == "true" {
        return;
    }
    match row.action() {
        "user_login_failed" => findings.extend(slow_spray(row, config)),
        "user_login" => findings.extend(entered_after_tries(row, config)),
        _ => {}
    }
    findings.extend(several_accounts(row, config));
    findings.extend(troubles(row));
}

fn several_accounts(row: &Row<'_>, config: &Config) -> Option<Finding> {
    if row.context_whose() != "actor" || place::is_claim(row) || row.is_by_nobody() || !place::is_new_here(row) {
        return None;
    }
    let people = row.window(windows::ARRIVED);
    let by_way = row.window(windows::BY_OTHER_WAY) + row.window(windows::BY_RARE_WAY);
    let with_client = row.window(windows::WITH_NEW_CLIENT);
    let takers = row.window(windows::TAKERS);
    let arrives = row.first_seen(windows::RANGES).is_never();
    let kind = Place::of(row);
    // More of them than most hotels have of one organization at once.
    let crowd = people > config.crowd;
    let (severity, why, window) = match kind {
        _ if arrives && people >= 2 && by_way >= 2 => {
            (Severity::High, "two of them by a way that isn't theirs", windows::BY_OTHER_WAY)
        }
        Place::Rented if arrives && people >= 2 => (Severity::High, "it is rented servers' or Tor", windows::ARRIVED),
        Place::Vpn if arrives && people >= 2 && (by_way >= 1 || with_client >= config.new_clients) => {
            (Severity::High, "it is a VPN's, and they came in an unusual way", windows::ARRIVED)
        }
        Place::Vpn if arrives && people >= 2 => (Severity::Medium, "it is a VPN's", windows::ARRIVED),
        _ if with_client >= config.new_clients && takers >= 2 => {
            (Severity::Medium, "with clients that are new for them, and they take files", windows::WITH_NEW_CLIENT)
        }
        _ if arrives && with_client >= config.new_clients => {
            (Severity::Low, "with clients that are new for them", windows::WITH_NEW_CLIENT)
        }
        _ if takers >= 3 && takers * 10 >= people * 6 => {
            (Severity::Medium, "each of them took files or looked into channels", windows::TAKERS)
        }
        _ => return None,
    };
    let severity = if crowd && severity == Severity::Medium { Severity::Low } else { severity };
    let finding = row
        .finding(rules::SEVERAL_ACCOUNTS, severity)
        .key(row.context_subnet())
        .title(format!(
            "{people} accounts entered from {}, which is new to each of them; the last is {}'s",
            row.context_ip_address(),
            row.who()
        ))
        .window(windows::ARRIVED)
        .window(window)
        .label("people", people.to_string())
        .label("actor", row.actor_id())
        .label("why", why)
        .label("by_another_way", by_way.to_string())
        .label("with_new_client", with_client.to_string());
    Some(place::told(finding, row))
}

fn slow_spray(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let strange = row.window(windows::TRIED_BY_RANGE) + row.window(windows::TRIED_WHILE_LEARNING);
    let in_range = strange + row.window(windows::NAMES_BY_RANGE);
    let from_provider = row.window(windows::TRIED_BY_NETWORK) + row.window(windows::NAMES_BY_NETWORK);
    let nobody_there = row.first_seen(windows::USED_RANGE).is_never();
    let provider_is_odd = Place::of(row) != Place::Other || row.first_seen(windows::USED_NETWORK).is_never();
    let (network, people, failed, window, users) = match () {
        () if provider_is_odd && from_provider >= config.sprayed_by_provider => (
            row.context_network(),
            from_provider,
            row.window(windows::FAILED_BY_NETWORK),
            windows::FAILED_BY_NETWORK,
            windows::TRIED_BY_NETWORK,
        ),
        () if nobody_there && in_range >= config.sprayed_names => (
            row.context_range(),
            in_range,
            row.window(windows::FAILED_BY_RANGE),
            windows::FAILED_BY_RANGE,
            windows::TRIED_BY_RANGE,
        ),
        () => return None,
    };
    let finding = row
        .finding(rules::SLOW_SPRAY, Severity::Medium)
        .key(network)
        .title(format!(
            "{failed} failed sign-ins of {people} people from {network} in two weeks, where none of them ever is"
        ))
        .window(window)
        .window(users)
        .label("people", people.to_string())
        .label("failures", failed.to_string());
    Some(place::told(finding, row))
}

fn entered_after_tries(row: &Row<'_>, config: &Config) -> Option<Finding> {
    if row.is_by_nobody() || row.context_whose() != "actor" || !row.first_seen(windows::RANGES).is_never() {
        return None;
    }
    let in_range = row.window(windows::TRIED_BY_RANGE) + row.window(windows::NAMES_BY_RANGE);
    let from_provider = row.window(windows::TRIED_BY_NETWORK) + row.window(windows::NAMES_BY_NETWORK);
    let (own, entered) = (row.window(windows::STRANGE_TRIES), row.window(windows::ENTERED_RANGE));
    let (kind, way) = (Place::of(row), Way::of(row));
    let new_provider = row.first_seen(windows::NETWORKS).is_never();
    let (why, tried, window) = match () {
        // Where others got in as well, people mistype: a hotel, a training room.
        () if place::is_new_here(row) && in_range >= config.tried_others + 2 * entered.saturating_sub(1) => {
            (format!("where sign-ins of {in_range} people failed"), in_range, windows::TRIED_BY_RANGE)
        }
        () if kind != Place::Other && new_provider && from_provider >= config.tried_by_provider => (
            format!("whose network failed to sign in {from_provider} people"),
            from_provider,
            windows::TRIED_BY_NETWORK,
        ),
        () if own > 0 && way.is_odd() && (kind != Place::Other || row.first_seen(windows::CLIENTS).is_never()) => {
            (format!("after {own} failures elsewhere and by a way that isn't theirs"), 1, windows::STRANGE_TRIES)
        }
        () if own > 1 && kind == Place::Rented && new_provider && from_provider > 0 => {
            (format!("after {own} failures from the same network"), 1, windows::STRANGE_TRIES)
        }
        () => return None,
    };
    // No identity provider knows a guest: a link or a password, whichever is at hand, from wherever they are.
    let is_guests_own = window == windows::STRANGE_TRIES && kind == Place::Other && row.actor_role() == "guest";
    let severity = if is_guests_own { Severity::Medium } else { Severity::High };
    let finding = row
        .finding(rules::ENTERED_AFTER_TRIES, severity)
        .key(row.actor_id())
        .title(format!("{} signed in from {}, {why} within two weeks", row.who(), row.context_ip_address()))
        .window(window)
        .label("people_tried", tried.to_string())
        .label("own_failures_elsewhere", own.to_string())
        .label("way", way.word());
    Some(place::told(finding, row))
}

fn troubles(row: &Row<'_>) -> Option<Finding> {
    let (failed, entered, apps) =
        (row.window(windows::FAILED_HERE), row.window(windows::ENTERED_HERE), row.window(windows::APPS_HERE));
    let signs_in = matches!(row.action(), "user_login" | "user_login_failed");
    // One person who fails and then gets in is `sign-in`'s matter.
    let both = match row.action() {
        "user_login" => row.window(windows::STRANGE_TRIES) > 0,
        _ => !row.last_seen(windows::HERE_LATELY).is_never(),
    };
    let alone = apps == 0 && (!signs_in || failed <= 1 && entered <= 1 && both);
    let kinds = [failed, entered, apps].into_iter().filter(|count| *count > 0).count();
    if kinds < 2 || alone || !place::is_new_here(row) {
        return None;
    }
    let severity = match (kinds, Place::of(row)) {
        (3, _) | (_, Place::Rented) => Severity::High,
        (_, Place::Vpn) => Severity::Medium,
        _ if apps > 0 => Severity::Medium,
        _ => return None,
    };
    let whose = if row.context_app_id().is_empty() { row.actor_id() } else { row.context_app_id() };
    let finding = row
        .finding(rules::TROUBLES, severity)
        .key(row.context_subnet())
        .title(format!(
            "from {}, which nobody knows: {failed} people failed to sign in, {entered} did, {apps} apps acted",
            row.context_ip_address()
        ))
        .window(windows::FAILED_HERE)
        .window(windows::ENTERED_HERE)
        .window(windows::APPS_HERE)
        .label("kinds", kinds.to_string())
        .label("of", whose)
        .labels([("actor", row.actor_id()), ("app", row.context_app_id()), ("app_name", row.context_app_name())]);
    Some(place::told(finding, row))
}

impl Configuration for Config {
    fn problems(&self) -> Vec<String> {
        let rare = self.rare_way_below > self.many_people;
        let problem = || {
            let (rare, many) = (self.rare_way_below, self.many_people);
            format!("`rare_way_below` is {rare}; it can't be above `many_people` ({many})")
        };
        rare.then(problem).into_iter().collect()
    }
}

/// First seen here no more than a day ago, and so no place of the organization's.
pub(crate) fn is_lately(seen: Seen, now_ms: u64) -> bool {
    const DAY_MS: u64 = 86_400_000;
    match seen {
        Seen::Never => true,
        Seen::Learning => false,
        Seen::At(since) => since + DAY_MS > now_ms,
    }
}
