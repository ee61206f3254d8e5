//! Evidence: single pieces of it that somebody removes whose work that isn't, and what the rules against leaks keep finding of one person.

use super::*;
use gridwatch_sdk::Usual;

pub(crate) fn removed(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let what = match row.action() {
        "channel_audit_export_deleted" => "an audit export of a channel",
        "manual_export_deleted" | "channels_export_deleted" | "scheduled_export_deleted" => "an export",
        "manual_user_export_deleted" => "an export of somebody's messages",
        "search_query_audit_logs_export_deleted" => "an export of the log of searches",
        "export_app_configuration_deleted" => "the configuration of the app that receives exports",
        "native_dlp_violation_deleted" => "a DLP violation",
        _ => return None,
    };
    let is_team = [&config.security_team, &config.legal_team].into_iter().flatten().any(|id| id == row.actor_id());
    let may_be_own = row.action().ends_with("_export_deleted") && !row.last_seen(windows::EXPORTS).is_never();
    if row.is_by_nobody() || is_team || may_be_own {
        return None;
    }
    let severity = match row.first_seen(windows::REMOVES_EVIDENCE) {
        // Whoever is no admin can only do it by a role that is for this work.
        Seen::Never
            if row.action() == "native_dlp_violation_deleted"
                && (works_in_security(row) || row.actor_role() == "member") =>
        {
            Severity::Low
        }
        Seen::Never => Severity::Medium,
        // Analysts clear false hits every week, and whose work it is isn't known yet.
        Seen::Learning if row.action() == "native_dlp_violation_deleted" => return None,
        Seen::Learning => Severity::Low,
        Seen::At(_) => return None,
    };
    Some(
        row.finding(rules::EVIDENCE_REMOVED, severity)
            .key(row.actor_id())
            .title(format!("{} deleted {what}{}, which they were not seen doing before", row.who(), on(row)))
            .labels([("action", row.action()), ("object", row.entity_id())])
            .labels(facts(row)),
    )
}

/// Whoever takes an account searches the log on the same day, if at all.
fn works_in_security(row: &Row<'_>) -> bool {
    const DAY_MS: u64 = 86_400_000;
    matches!(row.first_seen(windows::WORKS_IN_SECURITY), Seen::At(since) if since + DAY_MS <= row.time_ms())
}

pub(crate) fn dlp_hits(row: &Row<'_>, config: &Config) -> Option<Finding> {
    if row.action() != "native_dlp_rule_action_applied" || row.is_by_nobody() {
        return None;
    }
    let (day, week, usual) =
        (row.window(windows::DLP_HITS_24H), row.window(windows::DLP_HITS_7D), row.usual(windows::DLP_USUAL_DAY));
    let (severity, count, span, window) = match () {
        () if day >= config.dlp_hits_high => (Severity::High, day, "a day", windows::DLP_HITS_24H),
        () if day >= config.dlp_hits_medium => (Severity::Medium, day, "a day", windows::DLP_HITS_24H),
        () if week >= config.dlp_hits_7d => (Severity::Medium, week, "a week", windows::DLP_HITS_7D),
        () if day >= config.dlp_hits => (Severity::Low, day, "a day", windows::DLP_HITS_24H),
        () => return None,
    };
    let is_usual = row.window(windows::DLP_DAYS_28D) >= config.dlp_days;
    // Of a week, as much as on each day of it the busiest of their days.
    let times = if span == "a week" { 7 } else { 3 };
    let (severity, said) = match usual {
        Usual::AtMost(usual) if is_usual && count < usual.saturating_mul(times) => return None,
        Usual::AtMost(usual) => (severity, usual.to_string()),
        Usual::Learning => (one_lower(severity)?, "can't tell yet".into()),
    };
    Some(
        row.finding(rules::DLP_HITS, severity)
            .key(row.actor_id())
            .title(format!("What {} sent hit DLP rules {count} times within {span}", row.who()))
            .window(window)
            .label("hits", count.to_string())
            .label("usual_day", said)
            .labels([("last", row.entity_id())])
            .labels(facts(row)),
    )
}
