//! Sign-in abuse.

use gridwatch_sdk::{Findings, Row, Severity};

gridwatch_sdk::module!(detect);

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    let failed = row.window(windows::FAILED_10M);
    if row.action() == "user_login_failed" && failed >= config.burst_failures {
        findings.add(
            row.finding(rules::BURST, Severity::Low)
                .key(row.actor_id())
                .title(format!("{failed} failed sign-ins of {} in 10 minutes", row.actor_email()))
                .window(windows::FAILED_10M),
        );
    }
}

impl gridwatch_sdk::Configuration for Config {}
