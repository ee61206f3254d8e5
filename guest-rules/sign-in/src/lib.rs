//! Sign-in abuse: guessing at one account, guessing at many from one address, and guesses that end in a sign-in.
//!
//! Sees what Slack itself refused. Where single sign-on is enforced most failures stay at the identity provider, and
//! nothing here speaks of those.

use gridwatch_sdk::{Configuration, Finding, Findings, Row, Seen, Severity};

gridwatch_sdk::module!(detect);

/// Slack's stand-ins for "nobody in particular": whatever is counted under them is many people's.
const NOBODY: [&str; 2] = ["USLACKUSER", "USLACKSECURITY"];

/// Tries per user of a spray, in tenths: 60 % of the users with 2 to 6 tries and the others with 1 to 8 come to 1.6 to 6.8.
const FEWEST_TRIES: u64 = 16;
const MOST_TRIES: u64 = 68;
/// More tries at one user from one address are an attack on that user, not a spray.
const MOST_TRIES_OF_ONE: u64 = 8;

/// The value of `failed_then_in` with both steps done.
const BOTH_STEPS: u64 = 2;

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    let (burst, spray) = match row.action() {
        "user_login_failed" => (burst(row, config), spray(row, config)),
        _ => (None, None),
    };
    for finding in [burst, spray, failures_then_success(row)].into_iter().flatten() {
        findings.add(finding);
    }
}

fn burst(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let failed = row.window(windows::FAILED_10M);
    if failed < config.burst_failures || NOBODY.contains(&row.actor_id()) {
        return None;
    }
    let finding = row
        .finding(rules::BURST, Severity::Low)
        .key(row.actor_id())
        .title(format!("{failed} failed sign-ins of {} in 10 minutes", who(row)))
        .window(windows::FAILED_10M)
        .label("failures", failed.to_string())
        .label("address", row.context_ip_address());
    Some(finding)
}

fn spray(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let users = row.window(windows::USERS_BY_IP_60M);
    let failed = row.window(windows::FAILED_BY_IP_60M);
    if users < config.spray_users || failed < config.spray_failures {
        return None;
    }
    let wide = users >= config.spray_wide_users;
    if !(wide || has_shape_of_spray(row, users, failed)) || row.is_in("corporate_egress", fields::CONTEXT_IP_ADDRESS) {
        return None;
    }
    let address = row.context_ip_address();
    let finding = row
        .finding(rules::SPRAY, Severity::Medium)
        .key(address)
        .title(format!("{failed} failed sign-ins of {users} users from {address} in an hour"))
        .window(windows::FAILED_BY_IP_60M)
        .label("address", address)
        .label("users", users.to_string())
        .label("failures", failed.to_string());
    Some(finding)
}

fn has_shape_of_spray(row: &Row<'_>, users: u64, failed: u64) -> bool {
    let evenly = (users * FEWEST_TRIES..=users * MOST_TRIES).contains(&(failed * 10))
        && row.window(windows::FAILED_BY_IP_AND_USER_60M) <= MOST_TRIES_OF_ONE;
    let spread = failed > row.window(windows::FAILED_BY_IP_5M);
    evenly && spread
}

/// Fires on the sign-in as a rule, and on a failure when that arrives last; its address then says nothing of the sign-in's.
fn failures_then_success(row: &Row<'_>) -> Option<Finding> {
    if row.window(windows::FAILED_THEN_IN) < BOTH_STEPS || NOBODY.contains(&row.actor_id()) {
        return None;
    }
    let failed = row.window(windows::FAILED_60M);
    let address = row.context_ip_address();
    let (severity, known) = match row.first_seen(windows::SIGNED_IN_FROM) {
        _ if row.action() != "user_login" || address.is_empty() => (Severity::Medium, "can't tell"),
        Seen::Never => (Severity::High, "not in 30 days"),
        Seen::Learning => (Severity::Medium, "can't tell yet"),
        Seen::At(_) => (Severity::Medium, "yes"),
    };
    let finding = row
        .finding(rules::FAILURES_THEN_SUCCESS, severity)
        .key(row.actor_id())
        .title(format!("{failed} failed sign-ins of {}, then a success", who(row)))
        .window(windows::FAILED_THEN_IN)
        .window(windows::FAILED_60M)
        .label("failures", failed.to_string())
        .label("address", address)
        .label("signed_in_from_address_before", known);
    Some(finding)
}

/// The e-mail first: a name can be changed by whoever bears it.
fn who<'b>(row: &Row<'b>) -> &'b str {
    let names = [row.actor_email(), row.actor_name(), row.actor_id()];
    names.into_iter().find(|name| !name.is_empty()).unwrap_or("somebody unnamed")
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
