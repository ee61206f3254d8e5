//! Sign-in abuse: guessing at one account, fast or slowly or from elsewhere; guessing at many, from one address or network or
//! from everywhere; and guesses that end in a sign-in, and in what the account was wanted for.
//!
//! Sees what Slack itself refused. Where single sign-on is enforced most failures stay at the identity provider, and
//! nothing here speaks of those.

mod tries;

use gridwatch_sdk::{Configuration, Finding, Findings, Row, Seen, Severity, Usual, Window};
use tries::Tries;

gridwatch_sdk::module!(detect);

/// The value of a sequence of two steps, both done.
const BOTH_STEPS: u64 = 2;
const DAY_MS: u64 = 86_400_000;

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    match row.action() {
        "user_login_failed" => {
            findings.extend(burst(row, config));
            findings.extend(slow(row, config));
            findings.extend(guessing(row, config));
            findings.extend(spray(row, config).or_else(|| spray_network(row, config)).or_else(|| spike(row, config)));
            findings.extend(failures_then_success(row));
        }
        "user_login" => {
            findings.extend(spray_success(row, config));
            findings.extend(another_method(row, config));
            findings.extend(failures_then_success(row));
        }
        _ => findings.extend(then_taken(row)),
    }
}

fn burst(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let failed = row.window(windows::FAILED_10M);
    if failed < config.burst_failures || row.is_by_nobody() {
        return None;
    }
    let finding = row
        .finding(rules::BURST, Severity::Low)
        .key(row.actor_id())
        .title(format!("{failed} failed sign-ins of {} in 10 minutes", row.who()))
        .window(windows::FAILED_10M)
        .label("failures", failed.to_string())
        .label("address", row.context_ip_address());
    Some(finding)
}

fn slow(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let (failed, days) = (row.window(windows::FAILED_14D), row.window(windows::DAYS_FAILED_14D));
    if failed < config.slow_failures || days < config.slow_days || row.is_by_nobody() {
        return None;
    }
    let finding = row
        .finding(rules::SLOW, Severity::Low)
        .key(row.actor_id())
        .title(format!("{failed} failed sign-ins of {} on {days} days of two weeks", row.who()))
        .window(windows::FAILED_14D)
        .label("failures", failed.to_string())
        .label("days", days.to_string())
        .label("address", row.context_ip_address())
        .label("network", row.context_network());
    Some(finding)
}

fn guessing(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let (strange, rented) = (row.window(windows::STRANGE_FAILED_24H), row.window(windows::RENTED_FAILED_24H));
    let (failed, window) = match strange >= rented {
        true => (strange, windows::STRANGE_FAILED_24H),
        false => (rented, windows::RENTED_FAILED_24H),
    };
    let known = matches!(row.first_seen(windows::KNOWN), Seen::At(_));
    if failed < config.guess_failures || !known || row.is_by_nobody() {
        return None;
    }
    let finding = row
        .finding(rules::GUESSING, Severity::Medium)
        .key(row.actor_id())
        .title(format!("{failed} failed sign-ins of {} in a day, from where they never are", row.who()))
        .window(window)
        .label("failures", failed.to_string())
        .label("address", row.context_ip_address())
        .label("network", row.context_network())
        .label("client", row.context_client());
    Some(finding)
}

fn spray(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let address = row.context_ip_address();
    let (tries, span) = fast_spray(row, config).or_else(|| slow_spray(row, config))?;
    if is_office(row, config) {
        return None;
    }
    let Tries { users, failed, .. } = tries;
    let finding = row
        .finding(rules::SPRAY, Severity::Medium)
        .key(address)
        .title(format!("{failed} failed sign-ins of {users} users from {address} in {span}"))
        .label("address", address);
    Some(tries.told_by(finding))
}

/// An address that the configuration names, or that so many people work behind that their mistakes look like a spray.
fn is_office(row: &Row<'_>, config: &Config) -> bool {
    row.is_in("corporate_egress", fields::CONTEXT_IP_ADDRESS)
        || row.window(windows::PEOPLE_BY_IP_7D) >= config.office_people
}

fn fast_spray(row: &Row<'_>, config: &Config) -> Option<(Tries, &'static str)> {
    let tries = Tries::read(row, &tries::OF_ADDRESS);
    let enough = tries.users >= config.spray_users && tries.failed >= config.spray_failures;
    let wide = tries.users >= config.spray_wide_users;
    (enough && (wide || tries.have_shape_of_spray(config))).then_some((tries, "an hour"))
}

/// Over a day of which the last hour isn't a spray by itself.
fn slow_spray(row: &Row<'_>, config: &Config) -> Option<(Tries, &'static str)> {
    let tries = Tries::read(row, &tries::OF_ADDRESS_IN_A_DAY);
    let enough = tries.users >= slow_users(config) && tries.failed >= config.spray_failures;
    let wide = tries.users >= config.spray_slow_wide_users.max(config.spray_wide_users);
    (enough && (wide || tries.have_shape_of_spray(config))).then_some((tries, "a day"))
}

/// A day asks for no fewer than an hour does.
fn slow_users(config: &Config) -> u64 {
    config.spray_slow_users.max(config.spray_users)
}

fn spray_network(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let whole = (row.context_network(), row.window(windows::ADDRESSES_BY_NETWORK_60M), &tries::OF_NETWORK);
    let range = (row.context_range(), row.window(windows::ADDRESSES_BY_RANGE_60M), &tries::OF_RANGE);
    let (network, addresses, tries) = [whole, range].into_iter().find_map(|(network, addresses, counts)| {
        let tries = Tries::read(row, counts);
        let enough = tries.users >= config.spray_network_users
            && tries.failed >= config.spray_network_failures
            && addresses >= config.spray_network_addresses;
        (enough && tries.have_shape_of_spray(config)).then_some((network, addresses, tries))
    })?;
    if is_office(row, config) {
        return None;
    }
    let Tries { users, failed, .. } = tries;
    let severity = if is_everywhere(row, users, config) { Severity::Low } else { Severity::Medium };
    let finding = row
        .finding(rules::SPRAY_NETWORK, severity)
        .key(network)
        .title(format!("{failed} failed sign-ins of {users} users from {addresses} addresses of {network} in an hour"))
        .label("network", network)
        .label("addresses", addresses.to_string());
    Some(tries.told_by(finding))
}

/// Most who fail do so elsewhere, and they are far more than usual: the identity provider is out, which `spike` tells once.
fn is_everywhere(row: &Row<'_>, here: u64, config: &Config) -> bool {
    let (all, usual) = (row.window(windows::USERS_FAILED_60M), row.usual(windows::USERS_FAILED_USUAL));
    usual.is_exceeded(all, config.spike_times, config.spike_users) && here.saturating_mul(2) < all
}

fn spike(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let (users, usual) = (row.window(windows::USERS_FAILED_60M), row.usual(windows::USERS_FAILED_USUAL));
    let Usual::AtMost(most) = usual else { return None };
    if row.is_by_nobody() || !usual.is_exceeded(users, config.spike_times, config.spike_users) {
        return None;
    }
    let finding = row
        .finding(rules::SPIKE, Severity::Medium)
        .key("organization")
        .title(format!("failed sign-ins of {users} users in an hour, where {most} are usual"))
        .window(windows::USERS_FAILED_60M)
        .label("users", users.to_string())
        .label("usual", most.to_string());
    Some(finding)
}

fn spray_success(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let of = |users, failed, least| {
        let (users, failures) = (row.window(users), row.window(failed));
        (users >= least && failures >= config.spray_failures).then_some((users, failures, failed))
    };
    let fast = of(windows::USERS_BY_IP_60M, windows::FAILED_BY_IP_60M, config.spray_users);
    let slow = || of(windows::USERS_BY_IP_24H, windows::FAILED_BY_IP_24H, slow_users(config));
    let (users, failed, window) = fast.or_else(slow)?;
    let severity = match row.first_seen(windows::NETWORKS) {
        Seen::Never => Severity::High,
        // A first day's failures behind an office that nobody knows yet look like that; `spray` tells those that have its shape.
        Seen::Learning => Severity::Low,
        Seen::At(_) => return None,
    };
    let by_nobody = row.is_by_nobody();
    if by_nobody || is_office(row, config) {
        return None;
    }
    let address = row.context_ip_address();
    let finding = row
        .finding(rules::SPRAY_SUCCESS, severity)
        .key(row.actor_id())
        .title(format!("{} signed in from {address}, where {failed} sign-ins of {users} users failed", row.who()))
        .window(window)
        .label("address", address)
        .label("users", users.to_string())
        .label("failures", failed.to_string());
    Some(finding)
}

fn another_method(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let settled_ms = config.method_days * DAY_MS;
    let people = row.window(windows::PEOPLE_BY_METHOD_30D);
    let many = row.window(windows::PEOPLE_SIGNED_IN_30D) >= config.many_people;
    let is_rare = people < config.rare_method_below && many;
    let elsewhere = row.first_seen(windows::RANGES).is_never() && !row.context_range().is_empty();
    let is_another = match row.first_seen(windows::BY_ANY_METHOD) {
        Seen::At(ms) => ms + settled_ms <= row.time_ms(),
        // Of whom nobody knows how they come, what the others do is the best guess; at home that is nobody's business.
        _ => is_rare && elsewhere,
    };
    if row.is_by_nobody() || !is_another || !row.first_seen(windows::METHODS).is_never() {
        return None;
    }
    let network = is_known(row, windows::NETWORKS, row.context_network());
    let client = is_known(row, windows::CLIENTS, row.context_client());
    let severity = match (network, client) {
        (Known::No, Known::No) => Severity::Medium,
        // A line of the victim's own provider is easily hired.
        (_, Known::No) if elsewhere => Severity::Medium,
        _ if is_rare && elsewhere => Severity::Medium,
        _ if people >= config.common_method => return None,
        _ => Severity::Low,
    };
    let finding = row
        .finding(rules::ANOTHER_METHOD, severity)
        .key(row.actor_id())
        .title(format!("{} signed in {}, which they never do", row.who(), method(row)))
        .label("method", row.sign_in_way())
        .label("people_by_method_30d", people.to_string())
        .label("address", row.context_ip_address())
        .label("network_seen_before", network.word())
        .label("client_seen_before", client.word());
    Some(finding)
}

/// As a person would say it.
fn method(row: &Row<'_>) -> String {
    match (row.sign_in_way(), row.details_label()) {
        ("unsaid", _) => "past the identity provider".into(),
        (_, label) if !label.is_empty() => format!("through `{label}`"),
        (way, _) => format!("by {way}"),
    }
}

/// Fires on the sign-in as a rule, and on a failure when that arrives last; its address then says nothing of the sign-in's.
fn failures_then_success(row: &Row<'_>) -> Option<Finding> {
    let chain = done(row, &[windows::FAILED_THEN_IN, windows::FAILED_THEN_IN_FROM_NEW])?;
    let failed = row.window(windows::FAILED_60M);
    let network = is_known(row, windows::NETWORKS, row.context_network());
    let client = is_known(row, windows::CLIENTS, row.context_client());
    // On the usual device in a usual place, by this sign-in or another: most are people who forgot the password, at their desk
    // or then on the phone. The sum of risks about one actor still counts it.
    let as_usual = row.window(windows::IN_AS_USUAL_60M) > 0;
    let severity = match (network, client) {
        // Nobody's phone is in a data centre, so that a sign-in as usual excuses nothing.
        (Known::No, _) if matches!(row.context_network_kind(), "hosting" | "tor") => Severity::High,
        _ if as_usual => Severity::Low,
        (Known::No, Known::No) => Severity::High,
        // One of them alone is a trip, or a new laptop on which nobody remembers the password.
        _ => Severity::Medium,
    };
    let finding = row
        .finding(rules::FAILURES_THEN_SUCCESS, severity)
        .key(row.actor_id())
        .title(format!("{failed} failed sign-ins of {}, then a success", row.who()))
        .window(chain)
        .window(windows::FAILED_60M)
        .label("failures", failed.to_string())
        .label("address", row.context_ip_address())
        .label("network_seen_before", network.word())
        .label("client_seen_before", client.word())
        .labels([
            ("network_kind", row.context_network_kind()),
            ("signed_in_as_usual_too", if as_usual { "yes" } else { "" }),
        ]);
    // An act that arrived before what completes the failures is told of with them: in one alert, the louder for it.
    Some(then_taken(row).unwrap_or(finding))
}

/// What the account was guessed for is done with it. Louder than the guesses, in the same alert.
fn then_taken(row: &Row<'_>) -> Option<Finding> {
    let prize = [windows::FAILED_THEN_IN_THEN_PRIZE, windows::FAILED_THEN_IN_FROM_NEW_THEN_PRIZE];
    let files = [windows::FAILED_THEN_IN_THEN_FILES, windows::FAILED_THEN_IN_FROM_NEW_THEN_FILES];
    let chain = done(row, &prize).or_else(|| done(row, &files))?;
    let act = match row.action() {
        "user_login" | "user_login_failed" => "an act that arrived before",
        _ if files.contains(&chain) => "many files",
        action => action,
    };
    let finding = row
        .finding(rules::FAILURES_THEN_SUCCESS, Severity::Critical)
        .key(row.actor_id())
        .title(format!("failed sign-ins of {}, a success, and then {act}", row.who()))
        .window(chain)
        .label("then", act)
        .label("address", row.context_ip_address());
    Some(finding)
}

/// The first of these chains of somebody's that has both its steps done.
fn done(row: &Row<'_>, chains: &[Window]) -> Option<Window> {
    chains.iter().copied().find(|chain| row.window(*chain) >= BOTH_STEPS).filter(|_| !row.is_by_nobody())
}

/// Has the user been somewhere, or had something, in 30 days?
#[derive(Clone, Copy)]
enum Known {
    Yes,
    No,
    NotYet,
    CantTell,
}

/// Without a text no network or client is new, and a failure's are not those of the sign-in.
fn is_known(row: &Row<'_>, window: Window, text: &str) -> Known {
    match row.first_seen(window) {
        _ if row.action() != "user_login" || text.is_empty() => Known::CantTell,
        Seen::Never => Known::No,
        Seen::Learning => Known::NotYet,
        Seen::At(_) => Known::Yes,
    }
}

impl Known {
    fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "not in 30 days",
            Self::NotYet => "can't tell yet",
            Self::CantTell => "can't tell",
        }
    }
}

impl Configuration for Config {
    fn problems(&self) -> Vec<String> {
        // Name and value of a setting, and of one that it can't be below.
        let orders = [
            ("spray_wide_users", self.spray_wide_users, "spray_users", self.spray_users),
            ("spray_tries_below", self.spray_tries_below, "spray_tries_from", self.spray_tries_from + 1),
            ("spray_tries_hammered", self.spray_tries_hammered, "spray_tries_below", self.spray_tries_below),
        ];
        let wrong = orders.into_iter().filter(|(_, value, _, least)| value < least);
        wrong
            .map(|(name, value, other, least)| format!("`{name}` is {value}; with `{other}` it can't be below {least}"))
            .collect()
    }
}
