//! The long tail of the catalogue: hundreds of actions that each happen now and then.

use super::cast::{Cast, Person};
use super::dice::Dice;
use super::entry::{Context, Draft};
use super::{OrgPlan, SimEntry, details, entities};
use crate::catalogue;

/// Parts of names of actions that a detection may reasonably alert on when seen once, or that the daily life already has.
/// They come only in stories and in [`one_of_each`], so that an alert outside a story is a false one.
const ALARMING: &[&str] = &[
    "role_",
    "permissions_",
    "owner",
    "ekm_",
    "export",
    "idp_",
    "auth_policy",
    "two_factor",
    "sso",
    "session",
    "anomaly",
    "circuit_breaker",
    "compromised",
    "login",
    "logout",
    "password",
    "passkey",
    "token",
    "seamless_auth",
    "retention",
    "data_deletion",
    "bypassed",
    "legal_hold",
    "dlp",
    "barrier",
    "intune",
    "external_",
    "slack_connect",
    "connect_dm",
    "approved_orgs",
    "converted_to_public",
    "malicious",
    "blocked",
    "public_link",
    "linksharing",
    "ip_allowlist",
    "ip_range",
    "untrusted",
    "unapproved",
    "disallow",
    "app_",
    "apps",
    "agentforce",
    "cli_",
    "created_slackbot_pref",
    "mcp",
    "workspace_created",
    // Comes with its maker's role, and calls with their ends: see `background` and `daily`.
    "channel_created",
    "huddle_ended",
    "workspace_deleted",
    "organization_",
    "migration",
    "org_",
    "deleted",
    "deactivated",
    "guest",
    "user_email",
    "user_created",
    "user_merged",
    "domain_",
    "audit_logs",
    "security_",
    "enterprise_managed",
    "tombstoned",
    "suspicious",
    "csv_download",
    "channel_retention",
    "file_download",
    "canvas_downloaded",
    "list_downloaded",
    "members_only",
    "mobile",
    "flexible_access",
    "custom_tos",
    "pref.",
];

/// Parts of names of actions that Slack itself does, and the documented stand-in that it does them as.
const BY_SLACK: &[&str] = &["slack_security", "circuit_breaker", "reset_by_anomaly"];
const SLACK_SECURITY: &str = r#"{"id":"USLACKSECURITY","name":"","email":""}"#;

/// Groups of actions that anybody does; the rest of the tail is IT's.
const EVERYBODYS: &[&str] =
    &["user", "file", "channel", "workflow_builder", "workflow_v2", "message", "huddle", "canvas", "list"];

/// Whether members do the actions of this group, and not only IT.
pub(crate) fn is_everybodys(group: &str) -> bool {
    EVERYBODYS.contains(&group)
}

/// Whether a detection may alert on this action by itself.
pub(crate) fn is_alarming(action: &str) -> bool {
    ALARMING.iter().any(|part| action.contains(part))
}

/// (group, action) pairs that may happen on any day.
pub(crate) fn quiet() -> Vec<(&'static str, &'static str)> {
    catalogue::memberships().iter().copied().filter(|(_, action)| !is_alarming(action)).collect()
}

/// One entry of the tail by `actor`.
pub(crate) fn entry(
    (group, action): (&str, &str),
    at: u64,
    cast: &Cast,
    actor: &Person,
    context: Context,
    dice: &mut Dice,
) -> SimEntry {
    let entity = match entities::kind_for(group, action) {
        // What nobody need be alarmed about, people do to themselves.
        "user" if !is_alarming(action) => entities::user(actor),
        kind => entities::any(kind, cast, actor, dice),
    };
    let details = details::of(action, at, cast, actor, dice);
    let by_slack = BY_SLACK.iter().any(|part| action.contains(part));
    let wire = if by_slack { SLACK_SECURITY } else { &actor.wire };
    Draft { at, action, actor: wire, entity, context, details }.write(dice)
}

/// One entry for each group membership of the catalogue, done by IT and spread evenly over the period.
pub(crate) fn one_of_each(plan: &OrgPlan, cast: &Cast, dice: &mut Dice, entries: &mut Vec<SimEntry>) {
    let all = catalogue::memberships();
    for (i, member) in all.iter().enumerate() {
        let at = plan.from + (plan.to - plan.from) * (i as u64 + 1) / (all.len() as u64 + 1);
        let actor = &cast.people[1 + dice.below(cast.it_staff as u64) as usize];
        let context = Context::of_person(cast, actor, dice);
        entries.push(entry(*member, at, cast, actor, context, dice));
    }
}
