//! Enterprise key management: the organization's own encryption keys given up, changed, or no longer logged.
//!
//! Nobody does any of it on an ordinary day, so that each is an alert by itself; the day's other changes are its evidence.

use gridwatch_sdk::{Configuration, Finding, Findings, Row, Rule, Severity, Window, change::switch};

gridwatch_sdk::module!(detect);

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    // A planned change, as far as the log can tell.
    let change =
        if config.key_owners.iter().any(|id| id == row.actor_id()) { Severity::Medium } else { Severity::High };
    let finding = match row.action() {
        "ekm_unenrolled" => {
            start(row, rules::GIVEN_UP, Severity::Critical, "ended the encryption with the organization's own keys")
        }
        "ekm_key_removed" => start(row, rules::GIVEN_UP, Severity::Critical, "removed an encryption key"),
        "ekm_key_added" => start(row, rules::CHANGED, change, "added an encryption key"),
        "ekm_clear_cache_set" => start(row, rules::CHANGED, change, "set the cache of the encryption keys"),
        "ekm_logging_config_set" => logging_set(row, change),
        "ekm_enrolled" => start(row, rules::ENROLLED, Severity::Informational, "enrolled the organization's own keys"),
        _ => notice(row),
    };
    findings.add(finding);
}

/// A log that now goes elsewhere is as gone as one that is off. Only one that is known to go on is no loss.
fn logging_set(row: &Row<'_>, change: Severity) -> Finding {
    let (before, after) = (switch(row.details_previous_value()), switch(row.details_new_value()));
    let (severity, what, direction) = match (before, after) {
        (_, Some(false)) => (change, "switched off the log of the encryption keys' use", "weaker"),
        (Some(false), _) => (Severity::Informational, "switched on the log of the encryption keys' use", "stronger"),
        _ => (change, "set up the log of the encryption keys' use", "can't tell"),
    };
    start(row, rules::CHANGED, severity, what).label("direction", direction)
}

fn notice(row: &Row<'_>) -> Finding {
    let (what, change): (_, Window) = match row.action() {
        "ekm_slackbot_enroll_notification_sent" => ("own encryption keys introduced", windows::ENROLLED_24H),
        "ekm_slackbot_unenroll_notification_sent" => ("own encryption keys given up", windows::UNENROLLED_24H),
        "ekm_slackbot_rekey_notification_sent" => ("encryption keys changed", windows::REKEYED_24H),
        _ => ("the log of the encryption keys' use changed", windows::LOGGING_SET_24H),
    };
    let logged = row.window(change) > 0;
    let doubt = if logged { "" } else { "; the change itself isn't in the log" };
    row.finding(rules::NOTICE, Severity::Low)
        .key(row.action())
        .title(format!("Slackbot told of {what}{doubt}"))
        .window(change)
        .label("change_logged", if logged { "yes" } else { "no" })
}

fn start(row: &Row<'_>, rule: Rule, severity: Severity, what: &str) -> Finding {
    let role = if row.actor_role().is_empty() { "unknown" } else { row.actor_role() };
    let of = if row.entity_name().is_empty() { row.entity_id() } else { row.entity_name() };
    let finding = row.finding(rule, severity).key(act(row)).title(format!("{} {what}", row.who())).labels([
        ("actor_role", role),
        ("of", of),
        ("address", row.context_ip_address()),
        ("network", row.context_network()),
        ("network_kind", row.context_network_kind()),
    ]);
    match row.window(windows::CHANGES_24H) {
        0 | 1 => finding,
        changes => finding.window(windows::CHANGES_24H).label("changes_24h", changes.to_string()),
    }
}

/// One alert for what one person did of one kind: somebody else who does the same is news.
fn act(row: &Row<'_>) -> String {
    format!("{} {}", row.action(), row.actor_id())
}

impl Configuration for Config {
    fn problems(&self) -> Vec<String> {
        let wrong = self.key_owners.iter().filter(|id| !id.starts_with(['U', 'W']));
        wrong.map(|id| format!("`key_owners` has `{id}`; a user's id starts with U or W")).collect()
    }
}
