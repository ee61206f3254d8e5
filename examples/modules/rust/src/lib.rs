//! Guessing at one person's password.

gridwatch_sdk::module!(detect);

/// Called for each event that the rule waits for. It counts nothing and keeps nothing: windows do that.
fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    let failed = row.window(windows::FAILED_10M);
    if failed < config.burst || row.is_by_nobody() {
        return;
    }
    let addresses = row.window(windows::ADDRESSES_10M);
    let severity = if addresses >= config.addresses { Severity::Medium } else { Severity::Low };
    findings.add(
        row.finding(rules::BURST, severity)
            .key(row.actor_id())
            .title(format!("{failed} failed sign-ins of {} in 10 minutes", row.who()))
            .window(windows::FAILED_10M)
            .label("failures", failed.to_string())
            .label("address", row.context_ip_address()),
    );
}
