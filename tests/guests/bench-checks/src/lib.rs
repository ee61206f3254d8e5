//! Ten text checks on each event, written as an author would. The benchmark `abi` runs this function twice: as WASM
//! through the host, and natively on the same columns.

use gridwatch_sdk::{Batch, Configuration, Findings, Row, Severity};

gridwatch_sdk::module!(detect);

pub fn detect(row: &Row<'_>, _: &Config, findings: &mut Findings) {
    // An array, not `&&`: every check is made on every event.
    let checks = [
        row.action() == "user_login",
        row.actor_type() == "user",
        row.actor_id() == "W0000000007",
        row.actor_email().ends_with("@evil.example"),
        row.entity_type() == "user",
        row.entity_id() == "W0000000007",
        row.context_ip_address().starts_with("203.0.113."),
        row.context_ua() == "python-requests/2.32",
        row.context_location_domain() == "acme",
        row.details_type() == "sso",
    ];
    if checks.iter().all(|holds| *holds) {
        findings.add(row.finding(rules::ALL, Severity::Low).key(row.actor_id()).title("all ten hold"));
    }
}

/// What the guest does with its batch, for the native half of the comparison.
pub fn detect_all(batch: &Batch<'_>) -> Findings {
    let (config, mut findings) = (Config::default(), Findings::default());
    batch.rows().for_each(|row| detect(&row, &config, &mut findings));
    findings
}

impl Configuration for Config {}
