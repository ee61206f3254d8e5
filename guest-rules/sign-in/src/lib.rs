//! Sign-in abuse: guessing at one account, fast or slowly or from elsewhere, guessing at many from one address or network, and guesses that
//! end in a sign-in.
//!
//! Sees what Slack itself refused. Where single sign-on is enforced most failures stay at the identity provider, and
//! nothing here speaks of those.

use gridwatch_sdk::{Configuration, Finding, Findings, Row, Seen, Severity, Window};

gridwatch_sdk::module!(detect);

/// Tries per user of a spray, in tenths: 60 % of the users with 2 to 6 tries and the others with 1 to 8 come to 1.6 to 6.8.
const FEWEST_TRIES: u64 = 16;
const MOST_TRIES: u64 = 68;
/// More tries at one user from one address are an attack on that user, not a spray.
const MOST_TRIES_OF_ONE: u64 = 8;

/// The value of `failed_then_in` with both steps done.
const BOTH_STEPS: u64 = 2;

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    if row.action() == "user_login_failed" {
        findings.extend(burst(row, config));
        findings.extend(slow(row, config));
        findings.extend(guessing(row, config));
        let spray = spray(row, config).or_else(|| spray_network(row, config));
        findings.extend(spray);
    } else {
        findings.extend(spray_success(row, config));
    }
    findings.extend(failures_then_success(row));
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
    let (tries, window, span) = fast_spray(row, config).or_else(|| slow_spray(row, config))?;
    if row.is_in("corporate_egress", fields::CONTEXT_IP_ADDRESS) {
        return None;
    }
    let Tries { users, failed, .. } = tries;
    let finding = row
        .finding(rules::SPRAY, Severity::Medium)
        .key(address)
        .title(format!("{failed} failed sign-ins of {users} users from {address} in {span}"))
        .window(window)
        .label("address", address)
        .label("users", users.to_string())
        .label("failures", failed.to_string());
    Some(finding)
}

type Spray = (Tries, Window, &'static str);

fn fast_spray(row: &Row<'_>, config: &Config) -> Option<Spray> {
    let tries = Tries {
        users: row.window(windows::USERS_BY_IP_60M),
        failed: row.window(windows::FAILED_BY_IP_60M),
        failed_5m: row.window(windows::FAILED_BY_IP_5M),
        of_this_user: row.window(windows::FAILED_BY_IP_AND_USER_60M),
    };
    let enough = tries.users >= config.spray_users && tries.failed >= config.spray_failures;
    let wide = tries.users >= config.spray_wide_users;
    (enough && (wide || tries.have_shape_of_spray())).then_some((tries, windows::FAILED_BY_IP_60M, "an hour"))
}

/// Over a day of which the last hour isn't a spray by itself.
fn slow_spray(row: &Row<'_>, config: &Config) -> Option<Spray> {
    let tries = Tries {
        users: row.window(windows::USERS_BY_IP_24H),
        failed: row.window(windows::FAILED_BY_IP_24H),
        failed_5m: row.window(windows::FAILED_BY_IP_5M),
        of_this_user: row.window(windows::FAILED_BY_IP_AND_USER_60M),
    };
    let enough = tries.users >= slow_users(config) && tries.failed >= config.spray_failures;
    (enough && tries.have_shape_of_spray()).then_some((tries, windows::FAILED_BY_IP_24H, "a day"))
}

/// A day asks for no fewer than an hour does.
fn slow_users(config: &Config) -> u64 {
    config.spray_slow_users.max(config.spray_users)
}

fn spray_network(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let tries = Tries {
        users: row.window(windows::USERS_BY_NETWORK_60M),
        failed: row.window(windows::FAILED_BY_NETWORK_60M),
        failed_5m: row.window(windows::FAILED_BY_NETWORK_5M),
        of_this_user: row.window(windows::FAILED_BY_NETWORK_AND_USER_60M),
    };
    let Tries { users, failed, .. } = tries;
    let addresses = row.window(windows::ADDRESSES_BY_NETWORK_60M);
    let enough = users >= config.spray_network_users && failed >= config.spray_network_failures && addresses >= 2;
    if !(enough && tries.have_shape_of_spray()) || row.is_in("corporate_egress", fields::CONTEXT_IP_ADDRESS) {
        return None;
    }
    let network = row.context_network();
    let finding = row
        .finding(rules::SPRAY_NETWORK, Severity::Medium)
        .key(network)
        .title(format!("{failed} failed sign-ins of {users} users from {addresses} addresses of {network} in an hour"))
        .window(windows::FAILED_BY_NETWORK_60M)
        .label("network", network)
        .label("addresses", addresses.to_string())
        .label("users", users.to_string())
        .label("failures", failed.to_string());
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
        Seen::Learning => Severity::Medium,
        Seen::At(_) => return None,
    };
    let by_nobody = row.is_by_nobody();
    if by_nobody || row.is_in("corporate_egress", fields::CONTEXT_IP_ADDRESS) {
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

/// Failures of one address or network.
#[derive(Clone, Copy)]
struct Tries {
    users: u64,
    failed: u64,
    failed_5m: u64,
    of_this_user: u64,
}

impl Tries {
    fn have_shape_of_spray(&self) -> bool {
        let evenly = (self.users * FEWEST_TRIES..=self.users * MOST_TRIES).contains(&(self.failed * 10))
            && self.of_this_user <= MOST_TRIES_OF_ONE;
        let spread = self.failed > self.failed_5m;
        evenly && spread
    }
}

/// Fires on the sign-in as a rule, and on a failure when that arrives last; its address then says nothing of the sign-in's.
fn failures_then_success(row: &Row<'_>) -> Option<Finding> {
    if row.window(windows::FAILED_THEN_IN) < BOTH_STEPS || row.is_by_nobody() {
        return None;
    }
    let failed = row.window(windows::FAILED_60M);
    let new = |window, text: &str| match row.first_seen(window) {
        _ if row.action() != "user_login" || text.is_empty() => "can't tell",
        Seen::Never => "not in 30 days",
        Seen::Learning => "can't tell yet",
        Seen::At(_) => "yes",
    };
    let network = new(windows::NETWORKS, row.context_network());
    let client = new(windows::CLIENTS, row.context_client());
    // One of them alone is a trip, or a new laptop on which nobody remembers the password.
    let as_usual = row.window(windows::IN_AS_USUAL_60M) > 0;
    let severity = match (network, client) {
        ("not in 30 days", "not in 30 days") if !as_usual => Severity::High,
        _ => Severity::Medium,
    };
    let finding = row
        .finding(rules::FAILURES_THEN_SUCCESS, severity)
        .key(row.actor_id())
        .title(format!("{failed} failed sign-ins of {}, then a success", row.who()))
        .window(windows::FAILED_THEN_IN)
        .window(windows::FAILED_60M)
        .label("failures", failed.to_string())
        .label("address", row.context_ip_address())
        .label("network_seen_before", network)
        .label("client_seen_before", client)
        .labels([("signed_in_as_usual_too", if as_usual { "yes" } else { "" })]);
    Some(finding)
}

impl Configuration for Config {
    fn problems(&self) -> Vec<String> {
        let below = self.spray_wide_users < self.spray_users;
        let problem = format!(
            "`spray_wide_users` is {}; it can't be below `spray_users` ({})",
            self.spray_wide_users, self.spray_users
        );
        below.then_some(problem).into_iter().collect()
    }
}
