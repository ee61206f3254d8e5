//! One finding for each row, with a key of its own: what is missing among its alerts was lost.

use gridwatch_sdk::{Configuration, Findings, Row, Severity};

gridwatch_sdk::module!(detect);

pub fn detect(row: &Row<'_>, _: &Config, findings: &mut Findings) {
    let logins = row.window(windows::LOGINS_1H);
    findings.add(
        row.finding(rules::ECHO, Severity::Low)
            .key(row.id())
            .title(format!("{} after {logins} sign-ins", row.actor_id()))
            .window(windows::LOGINS_1H),
    );
}

impl Configuration for Config {}
