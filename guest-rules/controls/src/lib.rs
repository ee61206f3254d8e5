//! Controls relaxed: what guards the organization was switched off, loosened or blinded, or those who guard it were.
//!
//! Loosening is told from tightening by the values before and after (`gridwatch_sdk::change`); where they don't say, a finding is one
//! severity lower and says so. One admin's changes of a day are one alert of each rule.

mod evidence;

use gridwatch_sdk::change::{self, Direction};
use gridwatch_sdk::settings::{ranges, retention};
use gridwatch_sdk::{Configuration, Finding, Findings, Row, Rule, Seen, Severity, Window, first_or, json};

gridwatch_sdk::module!(detect);

/// With it, an app can read the audit log.
const READS_THE_LOG: &str = "auditlogs:read";
/// With one of these, all messages, for compliance.
const DISCOVERS: &str = "discovery:";

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    if let Some(change) = Change::of(row, config) {
        findings.extend(changed(row, &change));
    }
    findings.extend(restored(row));
    findings.extend(hold_then_deletion(row));
    findings.extend(violations_cleared(row, config));
    findings.extend(evidence::removed(row, config));
    findings.extend(evidence::dlp_hits(row, config));
    findings.extend(defenders(row, config));
    findings.extend(admins_out(row, config));
    findings.extend(deactivated(row, config));
    findings.extend(apps_removed(row, config));
}

/// A change of a control: how bad it is if it loosens, and whether it does.
struct Change {
    rule: Rule,
    severity: Severity,
    went: Went,
}

/// Which way a control went.
enum Went {
    By(Direction),
    /// It changed, and whoever watches has to know whichever way.
    Either,
}

impl From<Direction> for Went {
    fn from(direction: Direction) -> Self {
        Self::By(direction)
    }
}

impl Change {
    fn of(row: &Row<'_>, config: &Config) -> Option<Self> {
        use Direction::{Looser, Unclear};
        use Severity::{High, Low, Medium};
        let (before, after) = (row.details_previous_value(), row.details_new_value());
        let (rule, severity, direction) = match row.action() {
            action if removes_app(action) => (rules::WATCHER, watcher_app(row, config)?, Looser),
            action if action.contains("anomaly_event_re") || action.contains("audit_log_retention") => {
                let went = if change::is_same(before, after) { Went::By(Direction::Stricter) } else { Went::Either };
                return Some(Self { rule: rules::WATCHER, severity: High, went });
            }
            "channel_retention_changed" => {
                let (before, after) = (row.details_old_retention_policy(), row.details_new_retention_policy());
                (rules::RETENTION, Medium, change::between(before, after, retention::of_retention))
            }
            action if action.contains("retention_override") => {
                (rules::RETENTION, High, change::of_permission(before, after))
            }
            action if action.contains("retention") || action == "data_deletion_date_changed" => {
                (rules::RETENTION, High, change::between(before, after, retention::of_retention))
            }
            "pref.app_whitelist_enabled" | "pref.app_dir_only" => {
                (rules::APP_GOVERNANCE, High, change::of_protection(before, after))
            }
            "app_allowlist_rule_deactivated"
            | "app_allowlist_rule_deleted"
            | "child_app_auto_install_rule_created"
            | "org_app_future_workspace_install_enabled" => (rules::APP_GOVERNANCE, Medium, Looser),
            "app_allowlist_rule_created"
            | "app_allowlist_rule_updated"
            | "app_allowlist_rule_reordered"
            | "app_allowlist_scopes_rating_updated" => (rules::APP_GOVERNANCE, Medium, Unclear),
            "ip_allowlist_disabled" | "intune_disabled" => (rules::ACCESS, High, Looser),
            // One address is enough for who lets in their own; but offices move, and there are many of them.
            "team_authorized_ip_range_added" | "team_authorized_ip_range_set" => {
                let narrow = ranges::are_narrow(before, after, config.widest_range);
                (rules::ACCESS, if narrow { Low } else { High }, change::between(before, after, ranges::of_ranges))
            }
            "pref.disallow_public_file_urls" => (rules::PUBLIC_URLS, Medium, change::of_protection(before, after)),
            "native_dlp_rule_deactivated" => (rules::DLP_RULE, High, Looser),
            "native_dlp_rule_edited" => (rules::DLP_RULE, Medium, Unclear),
            "barrier_deleted" => (rules::BARRIER, Medium, Looser),
            "barrier_updated" if row.details_restricted_subjects() == "[]" => (rules::BARRIER, Medium, Looser),
            "barrier_updated" => (rules::BARRIER, Medium, Unclear),
            "legal_hold_policy_updated" => (rules::LEGAL_HOLD, hold_severity(row, config), Unclear),
            "legal_hold_policy_released"
            | "legal_hold_policy_entities_deleted"
            | "legal_hold_policy_exclusion_added" => (rules::LEGAL_HOLD, hold_severity(row, config), Looser),
            "organization_deleted" => (rules::WORKSPACES, High, Looser),
            "workspace_deleted" => (rules::WORKSPACES, Medium, Looser),
            "organization_created" | "workspace_created" => (rules::WORKSPACES, Low, Looser),
            action if action.starts_with("pref.") && is_access(action) => {
                (rules::ACCESS, Medium, change::of_protection(before, after))
            }
            _ => return None,
        };
        Some(Self { rule, severity, went: direction.into() })
    }
}

/// Preferences that say from where, and with which devices and browsers, people may work.
fn is_access(action: &str) -> bool {
    matches!(
        action,
        "pref.block_file_download_for_unapproved_ip"
            | "pref.block_download_and_copy_on_untrusted_mobile"
            | "pref.ent_required_browser"
            | "pref.enterprise_mobile_device_check"
    )
}

fn removes_app(action: &str) -> bool {
    matches!(
        action,
        "app_uninstalled"
            | "app_restricted"
            | "org_app_uninstalled"
            | "org_app_workspace_removed"
            | "app_removed_from_whitelist"
            | "app_deleted"
    )
}

/// High for the app that the operator says is ours; Medium for any other that reads the audit log, since it watches for
/// somebody.
fn watcher_app(row: &Row<'_>, config: &Config) -> Option<Severity> {
    let ours = |id: &String| !id.is_empty() && (id == row.entity_id() || id == row.entity_app_id());
    let scopes = [row.entity_scopes(), row.entity_scopes_bot(), row.entity_bot_scopes()];
    match () {
        () if config.own_app.iter().any(ours) => Some(Severity::High),
        () if scopes.into_iter().flat_map(json::texts).any(|s| s == READS_THE_LOG || s.starts_with(DISCOVERS)) => {
            Some(Severity::Medium)
        }
        // The entry needn't name the scopes of what it removes.
        () if row.entity_type() == "app" && was_said_to_watch(row) => Some(Severity::Medium),
        () => None,
    }
}

fn was_said_to_watch(row: &Row<'_>) -> bool {
    [windows::READ_THE_LOG, windows::READ_THE_LOG_BY_CONTEXT]
        .into_iter()
        .any(|window| !row.last_seen(window).is_never())
}

/// Counsel lifts holds as part of the work: the log alone shows whose work it is only by who has set holds before.
fn hold_severity(row: &Row<'_>, config: &Config) -> Severity {
    let team = &config.legal_team;
    let has_set_holds = matches!(row.first_seen(windows::SETS_HOLDS), Seen::At(_));
    match () {
        () if team.iter().any(|id| id == row.actor_id()) => Severity::Informational,
        () if !team.is_empty() => Severity::High,
        () if has_set_holds => Severity::Informational,
        () => Severity::Medium,
    }
}

fn changed(row: &Row<'_>, change: &Change) -> Option<Finding> {
    let (severity, direction) = match change.went {
        Went::Either => (change.severity, "either"),
        Went::By(Direction::Looser) => (change.severity, "looser"),
        Went::By(Direction::Unclear) => (one_lower(change.severity)?, "can't be told"),
        Went::By(Direction::Stricter) => return None,
    };
    let (before, after) = (
        first_or([row.details_previous_value()], row.details_old_retention_policy()),
        first_or([row.details_new_value()], row.details_new_retention_policy()),
    );
    let did = of_apps(row.action()).map_or_else(|| format!(": {}", row.action()), |did| format!(" {did}"));
    let title = match (before, after) {
        ("", "") => format!("{}{did}{}", row.who(), on(row)),
        _ => format!("{}{did}{} from {} to {}", row.who(), on(row), said(before), said(after)),
    };
    Some(
        row.finding(change.rule, severity)
            .key(key(row))
            .title(title)
            .labels([("action", row.action()), ("direction", direction), ("before", before), ("after", after)])
            .labels(facts(row)),
    )
}

/// Windows of a control that was relaxed, used and restored; and what the control is.
const RESTORED: [(Window, &str); 16] = [
    (windows::TWO_FACTOR, "two-factor authentication"),
    (windows::TWO_FACTOR_SMS, "no second factor by SMS"),
    (windows::SSO, "single sign-on"),
    (windows::SSO_EXEMPTION, "single sign-on for somebody"),
    (windows::MANAGED_AUTH, "managed sign-in"),
    (windows::IP_ALLOWLIST, "the IP allowlist"),
    (windows::IP_RANGE, "the addresses that may sign in"),
    (windows::UNAPPROVED_IP, "the block on downloads from unapproved addresses"),
    (windows::INTUNE, "Intune"),
    (windows::DLP_RULE, "a DLP rule"),
    (windows::PUBLIC_URLS, "the ban on public file links"),
    (windows::APP_APPROVAL, "app approval"),
    (windows::APP_DIRECTORY, "directory apps only"),
    (windows::APP_RULE, "a rule on apps"),
    (windows::ANOMALY_RESPONSE, "Slack's answer to anomalies"),
    (windows::RETENTION, "retention"),
];

fn restored(row: &Row<'_>) -> Option<Finding> {
    let done: Vec<_> = RESTORED.into_iter().filter(|(window, _)| row.window(*window) == 3).collect();
    let first = done.first()?;
    let finding = row
        .finding(rules::WEAKEN_ACT_RESTORE, Severity::High)
        .key(row.actor_id())
        .title(format!("{} relaxed {}, did what it stands against, and put it back within 4 hours", row.who(), first.1))
        .labels(facts(row));
    let cited =
        |finding: Finding, (window, control): &(Window, &str)| finding.window(*window).label("control", *control);
    Some(done.iter().fold(finding, cited))
}

fn hold_then_deletion(row: &Row<'_>) -> Option<Finding> {
    let all = [
        (windows::HOLD_THEN_OWN_DELETIONS, "the same person deleted messages or files in bulk"),
        (windows::HOLD_THEN_BURST, "messages or files were deleted in bulk"),
        (windows::HOLD_THEN_CHANNELS, "several channels were deleted"),
        (windows::HOLD_THEN_RETENTION, "retention was shortened"),
    ];
    let done: Vec<_> = all.into_iter().filter(|(window, _)| row.window(*window) == 2).collect();
    let first = done.first()?;
    let finding = row
        .finding(rules::HOLD_THEN_DELETION, Severity::High)
        .key(key(row))
        .title(format!("A legal hold was lifted, and within 72 hours {}; last: {}", first.1, row.who()))
        .labels([("actor", row.actor_id())])
        .labels(facts(row));
    let cited = |finding: Finding, (window, then): &(Window, &str)| finding.window(*window).label("then", *then);
    Some(done.iter().fold(finding, cited))
}

fn violations_cleared(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let cleared = row.window(windows::VIOLATIONS_60M);
    let is_their_work = config.security_team.iter().any(|id| id == row.actor_id());
    if row.action() != "native_dlp_violation_deleted" || cleared < config.burst_violations || is_their_work {
        return None;
    }
    Some(
        row.finding(rules::DLP_VIOLATIONS_DELETED, Severity::Medium)
            .key(key(row))
            .title(format!("{} deleted {cleared} DLP violations within an hour", row.who()))
            .window(windows::VIOLATIONS_60M)
            .label("violations_60m", cleared.to_string())
            .labels(facts(row)),
    )
}

/// Somebody of `security_team` was thrown out, demoted or signed out by somebody else.
fn defenders(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let (window, did, [one, more]) = match row.action() {
        action if is_demotion(action) => {
            (windows::DEFENDERS_OUT_24H, "deactivated or demoted", [Severity::Medium, Severity::High])
        }
        "user_session_reset_by_admin" => {
            (windows::DEFENDERS_RESET_24H, "signed out", [Severity::Low, Severity::Medium])
        }
        "bulk_session_reset_by_admin" => return defenders_in_bulk(row, config),
        _ => return None,
    };
    let hit = row.window(window);
    let of_team = config.security_team.iter().any(|id| id == row.entity_id());
    if !of_team || hit == 0 || row.entity_id() == row.actor_id() {
        return None;
    }
    let finding = about_defenders(row, hit, did, if hit >= config.burst_defenders { more } else { one });
    Some(finding.window(window).labels([("defender", row.entity_id())]))
}

/// One entry that names all of whom it signed out.
fn defenders_in_bulk(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let out = json::texts(row.details_succeeded_users());
    let hit: Vec<&String> = config.security_team.iter().filter(|id| out.contains(id)).collect();
    let counted = row.details_succeeded_users_count();
    // Of so many people only the first are here: the team may be among the others, and so many of them are.
    if hit.is_empty() && !config.security_team.is_empty() && !json::is_whole(row.details_succeeded_users(), counted) {
        let finding = row
            .finding(rules::DEFENDERS, Severity::Medium)
            .key(key(row))
            .title(format!("{} signed out {counted} people at once, who may be the security team as well", row.who()))
            .labels([("people", counted)])
            .labels(facts(row));
        return Some(finding);
    }
    let many = hit.len() as u64 >= config.burst_defenders;
    let severity = if many { Severity::Medium } else { Severity::Low };
    let finding = (!hit.is_empty()).then(|| about_defenders(row, hit.len() as u64, "signed out", severity))?;
    Some(hit.into_iter().fold(finding, |finding, id| finding.label("defender", id)))
}

fn about_defenders(row: &Row<'_>, hit: u64, did: &str, severity: Severity) -> Finding {
    row.finding(rules::DEFENDERS, severity)
        .key(key(row))
        .title(format!("{hit} of the security team {did} within a day; last by {}", row.who()))
        .label("defenders_24h", hit.to_string())
        .labels([("action", row.action())])
        .labels(facts(row))
}

/// Several admins put out of power by one person.
fn admins_out(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let about_roles = matches!(row.action(), "role_removed" | "permissions_removed" | "permissions_assigned");
    let takes_roles = about_roles && row.target_scope() != "channel" && row.target_direction() != "given";
    if !(takes_roles || is_demotion(row.action())) || is_provisioned(row) || row.is_by_nobody() {
        return None;
    }
    let ways = [
        (windows::ADMINS_OUT_24H, "demoted or deactivated", "admins and owners"),
        (windows::ROLES_REMOVED_24H, "took system roles or permissions from", "people"),
    ];
    let (window, did, whom) = ways.into_iter().max_by_key(|(window, ..)| row.window(*window))?;
    let severity = match row.window(window) {
        out if out >= config.admins_out_high => Severity::High,
        out if out >= config.admins_out_medium => Severity::Medium,
        _ => return maybe_admins_out(row, config),
    };
    let out = row.window(window);
    Some(
        row.finding(rules::ADMINS_OUT, severity)
            .key(row.actor_id())
            .title(format!("{} {did} {out} {whom} within a day", row.who()))
            .window(window)
            .label("out_24h", out.to_string())
            .labels([("target", row.target_id())])
            .labels([("direction", if about_roles && row.target_direction().is_empty() { "unknown" } else { "" })])
            .labels(facts(row)),
    )
}

/// Several people were made users or guests, of some of whom the log never said what they were.
fn maybe_admins_out(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let out = row.window(windows::MAYBE_ADMINS_OUT_24H);
    if out < config.admins_out_high || !matches!(row.action(), "role_change_to_user" | "role_change_to_guest") {
        return None;
    }
    Some(
        row.finding(rules::ADMINS_OUT, Severity::Medium)
            .key(row.actor_id())
            .title(format!("{} demoted {out} people within a day who may have been admins", row.who()))
            .window(windows::MAYBE_ADMINS_OUT_24H)
            .label("out_24h", out.to_string())
            .labels([("roles", "not known of all"), ("target", row.target_id())])
            .labels(facts(row)),
    )
}

fn deactivated(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let out = row.window(windows::DEACTIVATED_60M);
    let by_client = row.context_provisioning() == "client";
    let days = row.window(windows::DAYS_DEACTIVATED_30D);
    let is_habit = row.context_session_id().is_empty() && days >= config.habit_days;
    let theirs = row.action() != "user_deactivated" || is_provisioned(row);
    if theirs || out < config.burst_deactivated || row.is_by_nobody() {
        return None;
    }
    Some(
        row.finding(rules::MASS_DEACTIVATION, if by_client || is_habit { Severity::Low } else { Severity::Medium })
            .key(row.actor_id())
            .title(format!("{} deactivated {out} people within an hour", row.who()))
            .window(windows::DEACTIVATED_60M)
            .label("deactivated_60m", out.to_string())
            .label("days_of_30", days.to_string())
            .labels([("provisioning", row.context_provisioning())])
            .labels(facts(row)),
    )
}

fn apps_removed(row: &Row<'_>, config: &Config) -> Option<Finding> {
    let apps = row.window(windows::APPS_REMOVED_60M);
    if !removes_app(row.action()) || apps < config.burst_apps || row.is_by_nobody() {
        return None;
    }
    Some(
        row.finding(rules::APPS_REMOVED, Severity::Low)
            .key(row.actor_id())
            .title(format!("{} removed or restricted {apps} apps within an hour", row.who()))
            .window(windows::APPS_REMOVED_60M)
            .label("apps_60m", apps.to_string())
            .labels(facts(row)),
    )
}

fn is_demotion(action: &str) -> bool {
    matches!(action, "user_deactivated" | "role_change_to_user" | "role_change_to_guest")
}

/// Done by the app or account whose work it is. What only calls itself so is not.
fn is_provisioned(row: &Row<'_>) -> bool {
    matches!(row.context_provisioning(), "app" | "account")
}

/// Nothing is lower than Informational.
fn one_lower(severity: Severity) -> Option<Severity> {
    match severity {
        Severity::Critical => Some(Severity::High),
        Severity::High => Some(Severity::Medium),
        Severity::Medium => Some(Severity::Low),
        Severity::Low => Some(Severity::Informational),
        Severity::Informational => None,
    }
}

/// One person's changes are one alert. Nobody's aren't one person's: there the action is what they have in common.
fn key<'b>(row: &Row<'b>) -> &'b str {
    if row.is_by_nobody() { row.action() } else { row.actor_id() }
}

fn facts<'b>(row: &Row<'b>) -> [(&'static str, &'b str); 3] {
    [("actor_role", row.actor_role()), ("address", row.context_ip_address()), ("app", row.context_app_id())]
}

/// What was done to the rules on apps, whose names in the log few people know.
fn of_apps(action: &str) -> Option<&'static str> {
    Some(match action {
        "pref.app_whitelist_enabled" => "changed whether apps have to be approved",
        "pref.app_dir_only" => "changed whether apps have to be in Slack's directory",
        "app_allowlist_rule_deactivated" => "switched off a rule on which apps are allowed",
        "app_allowlist_rule_deleted" => "deleted a rule on which apps are allowed",
        "app_allowlist_rule_created" => "made a rule on which apps are allowed",
        "app_allowlist_rule_updated" => "edited a rule on which apps are allowed",
        "app_allowlist_rule_reordered" => "reordered the rules on which apps are allowed",
        "app_allowlist_scopes_rating_updated" => "rated a scope of apps anew",
        "child_app_auto_install_rule_created" => "let apps install other apps",
        "org_app_future_workspace_install_enabled" => "had apps added to all future workspaces",
        _ => return None,
    })
}

/// What was changed, where it isn't the organization as such.
fn on(row: &Row<'_>) -> String {
    match (row.entity_name(), row.entity_id()) {
        _ if matches!(row.entity_type(), "" | "enterprise") => String::new(),
        ("", "") => String::new(),
        ("", id) => format!(" on {id}"),
        (name, id) => format!(" on {name} ({id})"),
    }
}

fn said(value: &str) -> &str {
    first_or([value], "nothing")
}

impl Configuration for Config {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let wrong = self.own_app.iter().filter(|id| !id.starts_with('A'));
        problems.extend(wrong.map(|id| format!("`own_app` has `{id}`; an app's id starts with A")));
        let (medium, high) = (self.admins_out_medium, self.admins_out_high);
        let (low, some, many) = (self.dlp_hits, self.dlp_hits_medium, self.dlp_hits_high);
        if !(low <= some && some <= many) {
            problems.push(format!(
                "`dlp_hits` ({low}), `dlp_hits_medium` ({some}) and `dlp_hits_high` ({many}) have to rise"
            ));
        }
        if medium > high {
            problems.push(format!("`admins_out_medium` is {medium}; it can't be above `admins_out_high` ({high})"));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Windows match texts and can't read a value, so that the words are listed a second time.
    #[test]
    fn on_values_has_every_word_for_on() {
        let listed = Config::default().on_values;
        for word in change::ON {
            assert!(listed.iter().any(|value| value == word), "{word}");
        }
    }

    #[test]
    fn settings_that_could_never_fit_are_told() {
        assert_eq!(Config::default().problems(), Vec::<String>::new());
        let config = Config { own_app: vec!["A1".into(), "B1".into()], admins_out_medium: 4, ..Config::default() };
        let told = config.problems();
        let names = ["`B1`", "`admins_out_medium` is 4"];
        assert!(told.len() == 2 && told.iter().zip(names).all(|(told, name)| told.contains(name)), "{told:?}");
    }
}
