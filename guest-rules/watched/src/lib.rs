//! Accounts and apps that are watched more closely: for emergencies, of people who leave, of those who are worth most to an attacker;
//! and apps that wake.
//!
//! The lists raise: what is ordinary of others is told of whoever is on them. Without them only roles and the log's own past tell.

use gridwatch_sdk::{Configuration, Finding, Findings, Row, Seen, Severity, first_or, is_nobody};

gridwatch_sdk::module!(detect);

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// So old is somebody of whom a country can be new.
const SETTLED_MS: u64 = 14 * DAY_MS;
/// So many times a leaver's files are High.
const FAR: u64 = 5;

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    findings.extend(break_glass(row, config));
    findings.extend(leaver_takes(row, config));
    findings.extend(new_country(row, config));
    findings.extend(woken_app(row));
}

fn break_glass(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let done = match row.action() {
        "user_login" | "cli_login" => "was signed in to",
        "user_login_failed" | "ip_allowlist_access_denied" => "was tried, without success",
        "user_password_reset_requested" | "user_password_reset_by_admin" => "is to get another password",
        "user_email_updated" => "got another e-mail address",
        "user_passkey_created" => "got a passkey",
        "user_passkey_removed" => "lost a passkey",
        "user_deactivated" => "was deactivated",
        "user_reactivated" => "was activated again",
        "role_change_to_user" | "role_change_to_guest" => "lost its role",
        "user_session_reset_by_admin" => "was signed out",
        _ => return None,
    };
    let listed = |id: &str| is_in(&config.break_glass, id);
    let (id, name) = match () {
        () if row.entity_type() == "user" && listed(row.entity_id()) => (row.entity_id(), row.entity_label()),
        () if listed(row.actor_id()) => (row.actor_id(), row.who()),
        () => return None,
    };
    let tried = matches!(row.action(), "user_login_failed" | "ip_allowlist_access_denied");
    let by = if row.actor_id() == id { String::new() } else { format!(" by {}", row.who()) };
    let finding = row
        .finding(rules::BREAK_GLASS, if tried { Severity::Medium } else { Severity::High })
        .key(id)
        .title(format!("emergency account {name} {done}{by}"))
        .labels([("account", id), ("action", row.action())]);
    Some(with_place(finding, row))
}

fn leaver_takes(row: &Row<'_>, config: &Config) -> Option<Finding> {
    if !is_in(&config.leavers, row.actor_id()) || !row.context_app_id().is_empty() {
        return None;
    }
    let takes_now = is_download(row.action());
    if !takes_now && !gives_out(row.action()) {
        return None;
    }
    let (files, week) = (row.window(windows::FILES_24H), row.window(windows::FILES_7D));
    let given = row.window(windows::GIVEN_OUT_24H);
    let takes = files >= config.leaver_files;
    let gives = given >= config.leaver_given_out;
    let (window, what) = match takes_now {
        true if takes => (windows::FILES_24H, format!("took {files} files in a day")),
        true if week >= config.leaver_files_a_week => (windows::FILES_7D, format!("took {week} files in 7 days")),
        false if gives => {
            (windows::GIVEN_OUT_24H, format!("gave out {given} things in a day, last by {}", row.action()))
        }
        _ => return None,
    };
    let far = files >= config.leaver_files.saturating_mul(FAR);
    let severity = if far || takes && gives { Severity::High } else { Severity::Medium };
    let finding = row
        .finding(rules::LEAVER_TAKES, severity)
        .key(row.actor_id())
        .title(format!("{}, who is leaving, {what}", row.who()))
        .window(window)
        .label("files_24h", files.to_string())
        .label("files_7d", week.to_string())
        .label("given_out_24h", given.to_string());
    Some(with_place(finding, row))
}

fn new_country(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let is_settled = matches!(row.first_seen(windows::KNOWN), Seen::At(since) if since + SETTLED_MS <= row.time_ms());
    let is_new = !row.context_country().is_empty() && row.first_seen(windows::COUNTRIES).is_never();
    let listed = is_in(&config.executives, row.actor_id()) || is_in(&config.break_glass, row.actor_id());
    let privileged = listed || matches!(row.actor_role(), "admin" | "owner" | "primary_owner");
    if !is_of_own_session(row.action()) || !is_settled || !is_new || !privileged || !row.context_app_id().is_empty() {
        return None;
    }
    let new_client = !row.context_client().is_empty() && row.first_seen(windows::CLIENTS).is_never();
    let odd_network = matches!(row.context_network_kind(), "hosting" | "vpn" | "tor");
    let others = row.window(windows::PEOPLE_THERE);
    let severity = match (listed, new_client || odd_network) {
        _ if others >= config.people_there => Severity::Low,
        (false, false) => Severity::Low,
        (true, false) | (false, true) => Severity::Medium,
        (true, true) => Severity::High,
    };
    let client = if new_client { ", with a client that is new too" } else { "" };
    let finding = row
        .finding(rules::NEW_COUNTRY, severity)
        .key(row.actor_id())
        .title(format!("{} is in {} for the first time in 90 days{client}", row.who(), row.context_country()))
        .label("people_there_14d", others.to_string())
        .label("client_new", if new_client { "yes" } else { "not known" })
        .labels([("country", row.context_country()), ("listed", if listed { "yes" } else { "" })]);
    Some(with_place(finding, row))
}

fn woken_app(row: &Row<'_>) -> Option<Finding> {
    let Seen::At(since) = row.first_seen(windows::APP_EVER) else { return None };
    if row.context_app_id().is_empty() || !row.last_seen(windows::APP_LATELY).is_never() {
        return None;
    }
    let elsewhere = !row.context_network().is_empty() && row.first_seen(windows::APP_NETWORKS).is_never();
    let reads = reads(row.action());
    let from = if elsewhere { ", from a network that is new for it" } else { "" };
    let name = first_or([row.context_app_name()], row.context_app_id());
    let days = row.time_ms().saturating_sub(since) / DAY_MS;
    let finding = row
        .finding(rules::WOKEN_APP, if elsewhere || reads { Severity::Medium } else { Severity::Low })
        .key(row.context_app_id())
        .title(format!("App {name} acts again after a long time: {}{from}", row.action()))
        .label("first_seen_days_ago", days.to_string())
        .label("network_new", if elsewhere { "yes" } else { "not known" })
        .labels([("app", row.context_app_id()), ("actor", row.actor_id())]);
    Some(with_place(finding, row))
}

fn is_download(action: &str) -> bool {
    matches!(action, "file_downloaded" | "canvas_downloaded" | "list_downloaded")
}

fn is_of_own_session(action: &str) -> bool {
    is_download(action) || matches!(action, "user_login" | "canvas_opened" | "public_channel_preview")
}

/// By which something leaves, or somebody from outside comes to see it.
fn gives_out(action: &str) -> bool {
    matches!(
        action,
        "private_message_forwarded"
            | "file_public_link_created"
            | "canvas_linksharing_enabled"
            | "list_linksharing_enabled"
            | "canvas_ownership_transferred"
            | "list_ownership_transferred"
            | "channel_email_address_created"
            | "guest_created"
            | "external_shared_channel_invite_sent"
            | "connect_dm_invite_generated"
            | "workflow_responses_csv_download"
    )
}

/// Files, channels, searches, exports.
fn reads(action: &str) -> bool {
    is_download(action)
        || action.ends_with("export_started")
        || action.starts_with("mcp_slack_read_")
        || action.starts_with("mcp_slack_search_")
        || matches!(action, "public_channel_preview" | "user_channel_join")
}

fn with_place(finding: Finding, row: &Row<'_>) -> Finding {
    finding.labels([
        ("address", row.context_ip_address()),
        ("network", row.context_network()),
        ("network_kind", row.context_network_kind()),
        ("client", row.context_client()),
    ])
}

fn is_in(ids: &[String], id: &str) -> bool {
    ids.iter().any(|known| known == id)
}

impl Configuration for Config {
    fn problems(&self) -> Vec<String> {
        let people = [("leavers", &self.leavers), ("executives", &self.executives), ("break_glass", &self.break_glass)];
        let wrong = people.into_iter().flat_map(|(name, ids)| {
            let wrong = ids.iter().filter(|id| !id.starts_with(['U', 'W']) || is_nobody(id));
            wrong.map(move |id| format!("`{name}` has `{id}`; a person's id starts with U or W"))
        });
        let (day, week) = (self.leaver_files, self.leaver_files_a_week);
        let order =
            (week < day).then(|| format!("`leaver_files_a_week` is {week}; it can't be below `leaver_files` ({day})"));
        wrong.chain(order).collect()
    }
}
