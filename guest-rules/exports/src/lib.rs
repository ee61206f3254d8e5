//! Exports: messages, statistics and the audit log that leave, who takes them, and what makes it possible.
//!
//! Exports are rare and a few people's work, so that who does it says more than how much it is.

mod kinds;

use gridwatch_sdk::{Configuration, Finding, Findings, Row, Rule, Seen, Severity, Window};
use std::ops::RangeInclusive;

gridwatch_sdk::module!(detect);

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;
/// Days of 28 on which exports run that run weekly: four, one more that is out of the schedule, and one that slipped.
const WEEKLY: RangeInclusive<u64> = 4..=6;

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    match row.action() {
        "corporate_exports_approved"
        | "corporate_exports_enabled"
        | "organization_channel_audit_export_enabled"
        | "workspace_channel_audit_export_enabled"
        | "export_app_configuration_upserted" => findings.add(capability(row)),
        "workflow_responses_csv_download" => findings.extend(responses(row, config)),
        "apps_analytics_export_started"
        | "workflow_analytics_export_started"
        | "slackbot_analytics_export_started"
        | "export_private_channel_analytics_created" => findings.extend(statistics(row, config)),
        action if action.contains("audit_logs_") || action.starts_with("security_settings_") => {
            findings.extend(audit_log(row, config));
        }
        _ => messages(row, config, findings),
    }
}

/// An export of messages is started or downloaded.
fn messages(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    // Slack itself runs the schedules; what is odd about one of its exports is when it runs.
    let by_schedule = row.action() == "scheduled_export_started" && row.is_by_nobody();
    if is_one_of(&config.export_actors, row) || by_schedule {
        findings.extend(relay(row));
        findings.extend(other_network(row));
        findings.extend(off_schedule(row, config));
    } else {
        findings.add(outsider(row, config));
    }
}

fn outsider(row: &Row<'_>, config: &Config) -> Finding {
    let before = row.first_seen(windows::EVER_EXPORTED);
    let told = !config.export_actors.is_empty();
    let severity = match () {
        () if before.is_never() => Severity::Critical,
        () if told => Severity::High,
        // Nobody said whose work it is; who did it before yesterday is the best guess.
        () if is_habit(row, windows::EXPORTED_BEFORE) => Severity::Low,
        () => Severity::Medium,
    };
    let kind = kinds::started_by_another(row);
    let finding = start(row, rules::OUTSIDER, severity)
        .title(format!("{} {}{}", row.who(), did(row.action()), if told { ", which isn't their work" } else { "" }))
        .label("exported_in_180_days", before.word())
        .label("export_actors_known", if told { "yes" } else { "no" });
    match kind {
        Some(kind) => finding.label("started_by", "somebody else").window(kind.by_anybody),
        None => finding,
    }
}

/// Somebody did it more than a day ago too.
fn is_habit(row: &Row<'_>, window: Window) -> bool {
    !row.is_by_nobody() && matches!(row.first_seen(window), Seen::At(since) if since + DAY_MS <= row.time_ms())
}

fn relay(row: &Row<'_>) -> Option<Finding> {
    let kind = kinds::started_by_another(row)?;
    let finding = start(row, rules::RELAY, Severity::Medium)
        .title(format!("{} {} that somebody else started", row.who(), did(row.action())))
        .window(kind.by_anybody);
    Some(finding)
}

fn other_network(row: &Row<'_>) -> Option<Finding> {
    let started = row.window(windows::STARTED_SOMEWHERE) > 0;
    let here = !row.last_seen(windows::STARTED_HERE).is_never();
    if !row.action().ends_with("_downloaded") || row.context_network().is_empty() || !started || here {
        return None;
    }
    // A rented server or a VPN may well be where an export is processed; a Tor exit isn't.
    let severity = if row.context_network_kind() == "tor" { Severity::High } else { Severity::Medium };
    let finding = start(row, rules::OTHER_NETWORK, severity)
        .title(format!("{} {} from {}, but started none there", row.who(), did(row.action()), row.context_network()))
        .window(windows::STARTED_SOMEWHERE);
    Some(finding)
}

fn off_schedule(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let Seen::At(last) = row.last_seen(windows::LAST_SCHEDULED) else { return None };
    let new_hour = row.action() == "scheduled_export_started" && row.first_seen(windows::SCHEDULE).is_never();
    let is_weekly = WEEKLY.contains(&row.window(windows::SCHEDULED_DAYS_28D));
    let period_ms = if is_weekly { 7 * DAY_MS } else { DAY_MS };
    // Neither earlier nor later than the one before, whole days or weeks apart.
    let off = row.time_ms().abs_diff(last) % period_ms;
    if !new_hour || off.min(period_ms - off) <= config.schedule_slip_minutes * MINUTE_MS {
        return None;
    }
    let finding = start(row, rules::OFF_SCHEDULE, Severity::Medium)
        .title(format!("{} {} in an hour in which none ever starts", row.who(), did(row.action())))
        .label("hour_of_week", row.time_hour_of_week());
    Some(finding)
}

fn capability(row: &Row<'_>) -> Finding {
    let what = match row.action() {
        "corporate_exports_approved" => "approved exports of private messages",
        "corporate_exports_enabled" => "switched on exports of private messages",
        "export_app_configuration_upserted" => "set up the app that exports are handed to",
        _ => "switched on exports of single channels",
    };
    let of = if row.entity_name().is_empty() { row.entity_id() } else { row.entity_name() };
    start(row, rules::CAPABILITY, Severity::High).title(format!("{} {what}", row.who())).labels([("of", of)])
}

fn audit_log(row: &Row<'_>, config: &Config) -> Option<Finding> {
    if is_one_of(&config.security_team, row) {
        return None;
    }
    let taken = row.action().contains("_export_");
    // Slack writes it of each page of the dashboard that somebody opens.
    let looked = row.action() == "audit_logs_records_searched_anomaly";
    let severity = match (taken, config.security_team.is_empty()) {
        _ if looked && config.security_team.is_empty() => Severity::Informational,
        _ if looked => Severity::Low,
        (true, false) => Severity::High,
        (false, true) if is_habit(row, windows::SEARCHED_BEFORE) => Severity::Informational,
        (false, true) => Severity::Low,
        // The list forgets somebody: whoever searches every week, or does what other admins do as well.
        (false, false) if is_habit(row, windows::SEARCHED_BEFORE) || is_admins_work(row, config) => Severity::Low,
        _ => Severity::Medium,
    };
    let what = match row.action() {
        action if action.starts_with("security_settings_") => "exported the security settings",
        _ if taken => "exported the audit log",
        "audit_logs_ai_summary_generated" => "had the audit log summed up",
        "search_query_audit_logs_max_rows_failure" => "asked for more of the audit log than Slack gives",
        _ if looked => "opened the audit log's dashboard",
        _ => "searched the audit log",
    };
    let known = if config.security_team.is_empty() { "no" } else { "yes" };
    let finding = start(row, rules::AUDIT_LOG, severity)
        .title(format!("{} {what}", row.who()))
        .label("security_team_known", known);
    Some(finding)
}

/// Several other admins search it too.
fn is_admins_work(row: &Row<'_>, config: &Config) -> bool {
    let is_admin = matches!(row.actor_role(), "admin" | "owner" | "primary_owner");
    is_admin && row.window(windows::ADMINS_SEARCHING_14D) > config.admins_searching
}

fn statistics(row: &Row<'_>, config: &Config) -> Option<Finding> {
    if is_one_of(&config.export_actors, row) || !row.first_seen(windows::STATISTICS).is_never() {
        return None;
    }
    let what = match row.action() {
        "apps_analytics_export_started" => "apps",
        "workflow_analytics_export_started" => "workflows",
        "slackbot_analytics_export_started" => "Slackbot",
        _ => "private channels",
    };
    let title = format!("{} exported statistics on {what}, for the first time in 90 days", row.who());
    Some(start(row, rules::STATISTICS, Severity::Low).title(title))
}

fn responses(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let workflows = row.window(windows::RESPONSES_24H);
    let nobody = row.is_by_nobody();
    if nobody || is_one_of(&config.export_actors, row) || workflows < config.responses_workflows {
        return None;
    }
    let finding = start(row, rules::STATISTICS, Severity::Low)
        .title(format!("{} downloaded the answers of {workflows} workflows in a day", row.who()))
        .window(windows::RESPONSES_24H)
        .label("workflows", workflows.to_string());
    Some(finding)
}

/// A finding of what the actor did, with the facts that every one here has.
fn start(row: &Row<'_>, rule: Rule, severity: Severity) -> Finding {
    let role = if row.actor_role().is_empty() { "unknown" } else { row.actor_role() };
    // What nobody did isn't one person's: it is told apart by what it is.
    let key = if row.is_by_nobody() { row.action() } else { row.actor_id() };
    row.finding(rule, severity).key(key).labels([
        ("action", row.action()),
        ("actor_role", role),
        ("address", row.context_ip_address()),
        ("network", row.context_network()),
        ("network_kind", row.context_network_kind()),
        ("app", row.context_app_id()),
        ("export_type", row.details_export_type()),
        ("exported_from", row.details_export_start_ts()),
        ("exported_to", row.details_export_end_ts()),
    ])
}

fn is_one_of(people: &[String], row: &Row<'_>) -> bool {
    people.iter().any(|id| id == row.actor_id())
}

fn did(action: &str) -> String {
    let step = if action.ends_with("_downloaded") { "downloaded" } else { "started" };
    let kind = match action.rsplit_once('_').unwrap_or_default().0 {
        "manual_user_export" => "an export of people's messages",
        "channels_export" => "an export of chosen channels",
        "channel_audit_export" => "an export of a channel for audit",
        "scheduled_export" => "a scheduled export",
        _ => "an export of messages",
    };
    format!("{step} {kind}")
}

impl Configuration for Config {
    fn problems(&self) -> Vec<String> {
        let lists = [("export_actors", &self.export_actors), ("security_team", &self.security_team)];
        let wrong = lists.into_iter().flat_map(|(name, ids)| {
            let ids = ids.iter().filter(|id| !id.starts_with(['U', 'W']));
            ids.map(move |id| format!("`{name}` has `{id}`; a person's id starts with U or W"))
        });
        wrong.collect()
    }
}
