//! A rule that touches six fields of each event and almost never fires: its cost is what a module costs anyway.

use gridwatch_sdk::{Configuration, Findings, Row, Severity};

gridwatch_sdk::module!(detect);

pub fn detect(row: &Row<'_>, _: &Config, findings: &mut Findings) {
    let checks = [
        row.action() == "user_login",
        row.actor_id() == "W0000000007",
        row.actor_email() == "eve@evil.example",
        row.entity_id() == "W0000000007",
        row.context_ip_address() == "203.0.113.9",
        row.context_ua() == "python-requests/2.32",
    ];
    if checks.iter().all(|holds| *holds) {
        findings.add(row.finding(rules::ALL, Severity::Low).key(row.actor_id()).title("all six hold"));
    }
}

impl Configuration for Config {}
