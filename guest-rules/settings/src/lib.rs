//! Settings loosened: each that no other module reads, several by one person, and those that somebody then uses.
//!
//! Which way a setting went, what it guards and what it is worth alone stand in the table of `gridwatch_sdk::settings`. The rules of other
//! modules judge the settings of their own subject; here all of them are counted, whoever judges them alone.

use gridwatch_sdk::change::Direction;
use gridwatch_sdk::scopes;
use gridwatch_sdk::settings::{Guards, Kind, Setting, Weight};
use gridwatch_sdk::{Configuration, Finding, Findings, Row, Severity, Window, first_or};

gridwatch_sdk::module!(detect);

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    findings.extend(loosened(row));
    findings.extend(several_loosened(row, config));
    findings.extend(used(row, config));
}

fn loosened(row: &Row<'_>) -> Option<Finding> {
    if !row.action().starts_with("pref") && row.action() != "domain_email_unrestricted" {
        return None;
    }
    let (before, after) = (row.details_previous_value(), row.details_new_value());
    let setting = Setting::in_entry(row.action(), row.details_pref_name())?;
    // An entry that names the setting in its details goes to no other module.
    let is_elsewhere = row.action() == setting.action && ELSEWHERE.contains(&setting.action);
    if is_elsewhere || setting.guards == Guards::None || setting.kind == Kind::Untold {
        return None;
    }
    let (severity, direction) = match setting.direction(before, after) {
        Direction::Looser => (severity(setting.weight), "looser"),
        Direction::Unclear => (one_lower(severity(setting.weight))?, "can't be told"),
        Direction::Stricter => return None,
    };
    let said = |value| first_or([value], "nothing");
    let which = if direction == "looser" { "loosened" } else { "changed, it can't be told which way," };
    let values = match (before, after) {
        ("", "") => String::new(),
        _ => format!(" from {} to {}", said(before), said(after)),
    };
    Some(
        row.finding(rules::LOOSENED, severity)
            .key(row.doer_or(row.action()))
            .title(format!("{} {which} {}{values}", row.who(), setting.means))
            .labels([("setting", setting.action), ("guards", setting.guards.name()), ("direction", direction)])
            .labels([("before", before), ("after", after)])
            .labels(facts(row)),
    )
}

/// Preferences that rules of other modules read, and say more of.
const ELSEWHERE: [&str; 42] = [
    "pref.admin_retention_override_changed",
    "pref.allow_huddles_transcriptions_changed",
    "pref.allow_slack_ai_changed",
    "pref.allow_sponsored_slack_connections",
    "pref.anomaly_event_response_changed",
    "pref.app_dir_only",
    "pref.app_whitelist_enabled",
    "pref.block_download_and_copy_on_untrusted_mobile",
    "pref.block_file_download_for_unapproved_ip",
    "pref.can_receive_shared_channels_invites",
    "pref.canvas_retention_changed",
    "pref.disallow_public_file_urls",
    "pref.dm_retention_changed",
    "pref.ent_required_browser",
    "pref.enterprise_mobile_device_check",
    "pref.enterprise_search_connectors",
    "pref.enterprise_search_connectors_changed",
    "pref.ext_audit_log_retention_duration_changed",
    "pref.ext_audit_log_retention_type_changed",
    "pref.file_retention_changed",
    "pref.mobile_session_duration_changed",
    "pref.platform_beta_external_triggers_enabled",
    "pref.private_channel_retention_changed",
    "pref.private_record_channel_retention_changed",
    "pref.private_record_channel_retention_duration_changed",
    "pref.public_channel_retention_changed",
    "pref.public_record_channel_retention_changed",
    "pref.public_record_channel_retention_duration_changed",
    "pref.retention_override_changed",
    "pref.session_duration_changed",
    "pref.session_duration_type_changed",
    "pref.slack_connect_allowed_workspaces",
    "pref.slack_connect_approval_type",
    "pref.slack_connect_dm_only_verified_orgs",
    "pref.sso_setting_changed",
    "pref.sso_sync_with_provider",
    "pref.two_factor_auth_changed",
    "pref.two_factor_prevent_sms_changed",
    "pref.who_can_dm_anyone",
    "pref.who_can_manage_ext_shared_channels",
    "pref.who_can_manage_shared_channels",
    "pref.workspace_access_changed",
];

fn severity(weight: Weight) -> Severity {
    match weight {
        Weight::Informational => Severity::Informational,
        Weight::Low => Severity::Low,
        Weight::Medium => Severity::Medium,
        Weight::High => Severity::High,
    }
}

fn one_lower(severity: Severity) -> Option<Severity> {
    match severity {
        Severity::Informational => None,
        Severity::Low => Some(Severity::Informational),
        Severity::Medium => Some(Severity::Low),
        _ => Some(Severity::Medium),
    }
}

fn several_loosened(row: &Row<'_>, config: &Config) -> Option<Finding> {
    if row.setting_direction() != Direction::Looser.name() || row.is_by_nobody() {
        return None;
    }
    let (day, weeks) = (row.window(windows::LOOSENED_24H), row.window(windows::LOOSENED_14D));
    let (severity, count, span, window) = match () {
        () if day >= config.several_high => (Severity::High, day, "a day", windows::LOOSENED_24H),
        () if weeks >= config.several => (Severity::Medium, weeks, "14 days", windows::LOOSENED_14D),
        () => return None,
    };
    let last = Setting::in_entry(row.action(), row.details_pref_name()).map_or(row.action(), |setting| setting.means);
    Some(
        row.finding(rules::SEVERAL_LOOSENED, severity)
            .key(row.actor_id())
            .title(format!("{} loosened {count} settings within {span}, last {last}", row.who()))
            .window(window)
            .label("settings", count.to_string())
            .labels([("last", row.action()), ("guards", row.setting_guards())])
            .labels(facts(row)),
    )
}

/// What somebody does that a setting stood against until lately.
struct Use {
    severity: Severity,
    loosened: Window,
    /// What was loosened, and what was done, as parts of a sentence.
    guard: &'static str,
    did: String,
}

fn used(row: &Row<'_>, config: &Config) -> Option<Finding> {
    if row.is_by_nobody() {
        return None;
    }
    let Use { severity, loosened, guard, did } = use_of(row, config)?;
    // Counted, so that the change is among the evidence; whom was exempted says so by itself.
    if loosened != windows::EXEMPTED && row.window(loosened) == 0 {
        return None;
    }
    let themselves = !row.last_seen(windows::OWN_LOOSENING).is_never();
    let by = if themselves { "they had loosened" } else { "somebody else had loosened" };
    Some(
        row.finding(rules::LOOSENED_THEN_USED, severity)
            .key(row.actor_id())
            .title(format!("{} {did}, after {by} {guard}", row.who()))
            .window(loosened)
            .labels([
                ("used", row.action()),
                ("loosened_by", if themselves { "the same person" } else { "another person" }),
            ])
            .labels([("object", row.entity_id()), ("network", row.context_network())])
            .labels(facts(row)),
    )
}

fn use_of(row: &Row<'_>, config: &Config) -> Option<Use> {
    use Severity::{High, Medium};
    let of = |severity, loosened, guard, did| Some(Use { severity, loosened, guard, did });
    match row.action() {
        "app_installed"
        | "org_app_installed"
        | "org_app_upgraded_to_org_install"
        | "app_approved"
        | "app_scopes_expanded"
        | "app_deployed"
        | "cli_app_install" => {
            let held = scopes::read(&[
                row.entity_scopes(),
                row.entity_scopes_bot(),
                row.entity_bot_scopes(),
                row.details_new_scopes(),
                row.details_scopes(),
                row.details_bot_scopes(),
            ]);
            let name = first_or([row.entity_name(), row.entity_id()], "an app");
            let brief = scopes::brief(&held, 3);
            (scopes::highest_tier(&held) >= scopes::MUCH)
                .then(|| of(High, windows::LOOSENED_APPS, "the rules on apps", format!("let in {name} ({brief})")))?
        }
        "external_shared_channel_connected"
        | "external_shared_channel_invite_accepted"
        | "connect_dm_invite_accepted" => {
            let (id, name) = (row.details_external_organization_id(), row.details_external_organization_name());
            let new = !id.is_empty() && row.first_seen(windows::ORGANIZATIONS).is_never();
            let did = format!("let in {}", first_or([name], id));
            new.then(|| of(High, windows::LOOSENED_OUTSIDE, "a policy on other organizations", did))?
        }
        "file_public_link_created" if row.window(windows::LINKS_60M) >= config.burst_links => {
            let did = format!("opened {} files by public link in an hour", row.window(windows::LINKS_60M));
            of(High, windows::LOOSENED_DATA, "what keeps data in", did)
        }
        "message_tombstoned" | "file_deleted" if row.window(windows::DELETED_60M) >= config.burst_deletions => {
            let did = format!("deleted {} messages and files in an hour", row.window(windows::DELETED_60M));
            of(High, windows::LOOSENED_EVIDENCE, "what keeps evidence", did)
        }
        "guest_created" if is_commoner(row) => of(
            Medium,
            windows::LOOSENED_GUESTS,
            "who may bring guests in",
            format!("created guest {}", row.entity_label()),
        ),
        "user_added_to_usergroup" if row.target_id() == row.actor_id() && is_commoner(row) => {
            let group = first_or([row.entity_name(), row.entity_id()], "a group");
            of(
                Medium,
                windows::LOOSENED_PRIVILEGE,
                "who may edit user groups",
                format!("joined user group {group} themselves"),
            )
        }
        "user_login" if is_from_new_network(row) => signed_in(row),
        _ => None,
    }
}

fn signed_in(row: &Row<'_>) -> Option<Use> {
    let of = |severity, loosened, guard, did: &str| Some(Use { severity, loosened, guard, did: did.into() });
    let method = row.details_authentication_method().to_ascii_lowercase();
    let rented = matches!(row.context_network_kind(), "hosting" | "vpn" | "tor");
    match () {
        () if !row.last_seen(windows::EXEMPTED).is_never() => {
            let did = "signed in from a network that is new for them";
            of(Severity::High, windows::EXEMPTED, "single sign-on for them", did)
        }
        () if rented && row.window(windows::LOOSENED_DEVICES) > 0 => {
            let did = "signed in from a rented server, a VPN or Tor that is new for them";
            of(Severity::Medium, windows::LOOSENED_DEVICES, "a control on networks or devices", did)
        }
        () if method.contains("password") || method.contains("link") => {
            let did = "signed in by password or mailed link, from a network that is new for them";
            of(Severity::Medium, windows::LOOSENED_SIGN_IN, "a sign-in control", did)
        }
        () => None,
    }
}

fn is_from_new_network(row: &Row<'_>) -> bool {
    row.first_seen(windows::NETWORKS).is_never() && matches!(row.first_seen(windows::KNOWN), Seen::At(_))
}

/// Somebody of whom the log says that such work isn't theirs.
fn is_commoner(row: &Row<'_>) -> bool {
    matches!(row.actor_role(), "member" | "guest")
}

fn facts<'b>(row: &Row<'b>) -> [(&'static str, &'b str); 3] {
    [("actor_role", row.actor_role()), ("address", row.context_ip_address()), ("app", row.context_app_id())]
}

impl Configuration for Config {
    fn problems(&self) -> Vec<String> {
        let (several, high) = (self.several, self.several_high);
        let wrong =
            (high < several).then(|| format!("`several_high` is {high}; it can't be below `several` ({several})"));
        wrong.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridwatch_sdk::settings::SETTINGS;
    use std::collections::BTreeSet;

    const MANIFEST: &str = include_str!("../module.toml");

    /// The actions of a set of the manifest.
    fn set(name: &str) -> BTreeSet<&'static str> {
        let list = MANIFEST.split_once(&format!("\n{name} = [")).and_then(|(_, rest)| rest.split_once(']'));
        list.map(|(list, _)| {
            list.split(',').map(|text| text.trim().trim_matches('"')).filter(|text| !text.is_empty()).collect()
        })
        .unwrap_or_default()
    }

    #[test]
    fn each_preference_that_guards_something_is_read_here_or_elsewhere() {
        let told = SETTINGS.iter().filter(|s| s.guards != Guards::None && s.kind != Kind::Untold);
        let prefs: BTreeSet<&str> = told.map(|s| s.action).filter(|action| action.starts_with("pref.")).collect();
        let ours: BTreeSet<&str> = set("others").into_iter().filter(|action| action.starts_with("pref.")).collect();
        let elsewhere: BTreeSet<&str> = ELSEWHERE.into_iter().collect();
        assert_eq!(prefs.difference(&elsewhere).copied().collect::<BTreeSet<_>>(), ours);
        let modules = [
            include_str!("../../ai/module.toml"),
            include_str!("../../authentication/module.toml"),
            include_str!("../../connect/module.toml"),
            include_str!("../../controls/module.toml"),
            include_str!("../../people/module.toml"),
        ];
        for action in ELSEWHERE {
            assert!(
                modules.iter().any(|manifest| manifest.contains(&format!("\"{action}\""))),
                "{action} is read nowhere"
            );
        }
    }

    #[test]
    fn all_that_can_be_loosened_is_counted() {
        let counted = SETTINGS.iter().filter(|s| s.guards != Guards::None);
        let counted = counted.filter(|s| !matches!(s.kind, Kind::Untold | Kind::Tightens)).map(|s| s.action);
        let want: BTreeSet<&str> = counted.chain(["prefs_setting_changed"]).collect();
        assert_eq!(set("guards"), want);
    }

    #[test]
    fn settings_that_contradict_each_other_are_told() {
        assert_eq!(Config::default().problems(), Vec::<String>::new());
        assert_eq!(Config { several_high: 2, ..Config::default() }.problems().len(), 1);
    }
}
