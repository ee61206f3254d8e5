//! `details` of each action for which keys are known, with values of the known type.
//!
//! Keys and their pairing with actions come from Slack's SDKs, documents and reports of live entries; keys whose action nobody
//! has named (most AI and MCP ones) are paired by their subject.

use super::cast::{Cast, Person};
use super::dice::Dice;
use crate::wire::{Obj, object};

/// (actions, keys): the first line that fits applies. A trailing `*` matches any ending.
const KEYS: &[(&str, &str)] = &[
    ("user_session_reset_by_admin", "mobile_only web_only non_sso_only"),
    ("bulk_session_reset_by_admin", "succeeded_users failed_users"),
    ("user_session_settings_changed", "duration desktop_app_browser_quit"),
    ("user_profile_updated", "previous_profile new_profile"),
    ("user_email_updated", "email"),
    ("guest_expiration_set", "expires_on"),
    ("ip_allowlist_access_denied", "policy_name authentication_mode"),
    ("role_assigned role_removed", "target_user target_entity"),
    ("permissions_assigned permissions_removed", "target_entity_id changed_permissions is_allowed"),
    // Both channels and their privacy were captured; the names of the keys are guesses.
    ("private_message_forwarded", "source_channel destination_channel"),
    ("user_channel_join guest_channel_join", "type inviter is_workflow"),
    ("user_channel_leave guest_channel_leave", "type kicker is_workflow"),
    ("app_installed", "is_internal_integration app_owner_id is_token_rotation_enabled_app installer_user_id"),
    ("app_uninstalled app_restricted org_app_workspace_removed", "is_internal_integration app_owner_id"),
    (
        "app_scopes_expanded",
        "new_scopes previous_scopes is_token_rotation_enabled_app granular_bot_token is_internal_integration",
    ),
    ("app_approved", "resolution app_previously_resolved admin_app_id approver_id approval_type"),
    ("app_removed_from_whitelist", "cleared_resolution"),
    ("app_resources_granted", "permissions"),
    ("app_token_preserved workflow_app_token_preserved", "scopes bot_id channels"),
    ("bot_token_*", "old_scopes new_scopes bot_id"),
    ("app_allowlist_rule_matched", "matched_rule rules_checked request"),
    ("app_collaborator_*", "target_user_id app_owner_id is_internal_integration"),
    ("app_datastore_*", "datastore_name attributes"),
    ("app_manifest_created", "functions workflows datastores"),
    ("app_manifest_updated", "permissions_updated functions_added workflows_added datastores_added"),
    ("app_variable_*", "variable_names"),
    ("cli_app_*", "app_id"),
    ("file_shared", "url_private shared_with"),
    ("file_downloaded", "url_private"),
    ("file_malicious_content_detected", "md5 md5_hash"),
    ("file_owner_reassigned_*", "target_user_id"),
    ("channel_posting_permissions_updated", "who_can_post can_thread enable_at_here enable_at_channel can_huddle"),
    ("channel_retention_changed", "old_retention_policy new_retention_policy"),
    ("channel_moved", "source_team destination_team initiated_by"),
    ("channel_workspaces_updated", "shared_to teams_shared_with"),
    ("public_channel_deleted private_channel_deleted", "initiated_by"),
    ("external_shared_channel_disconnected", "disconnecting_team is_external_limited"),
    ("external_shared_channel_*", "origin_team target_team is_external_limited"),
    (
        "connect_dm_invite_*",
        "invite_id external_organization_id external_organization_name external_user_id external_user_email channel_id",
    ),
    ("approved_orgs_*", "added_team_id"),
    (
        "manual_export_* manual_user_export_* scheduled_export_* channels_export_*",
        "export_type export_start_ts export_end_ts",
    ),
    ("team.unsupportedVersions.job.* team_unsupported_versions_job_*", "is_error"),
    (
        "team.unsupportedVersions.* team_unsupported_versions_*",
        "exporting_team_id session_search_start deprecation_search_end",
    ),
    ("pref.who_can_dm_anyone", "who_can_dm_anyone new_value previous_value"),
    ("pref.enterprise_search_connectors*", "connectors_enabled connectors_disabled"),
    ("pref.* prefs_setting_changed slack_connect_pref_*", "new_value previous_value"),
    ("barrier_*", "barrier_id primary_usergroup_id barriered_from_usergroup_ids restricted_subjects"),
    (
        "usergroup_updated",
        "action team enterprise subteam added_user_count added_user_error_count reactivated_user_count removed_user_count removed_user_error_count total_removal_count idp_group_member_count workspace_member_count is_flagged",
    ),
    ("user_add*to_usergroup* user_removed_from_usergroup", "user"),
    ("canvas_opened", "is_channel_canvas linked_channel_id"),
    ("canvas_access_*", "access_level entity_type actor channel user"),
    ("canvas_template_*", "template_title is_slack_provided_template cloned_file_id"),
    ("list_access_*", "access_level entity_type actor user"),
    ("list_cell_updated", "column_id row_id cell_date_updated"),
    ("list_column_*", "column_id"),
    ("list_row*", "row_id"),
    ("list_view_*", "view_id"),
    ("workflow_published", "new_version_id trigger"),
    ("workflow_trigger_permission_*", "trigger_id permission_type user_ids channel_ids"),
    ("function_distribution_*", "permission_type user_ids"),
    ("external_auth_oauth2_token_*", "provider_key app_id"),
    ("emoji_*", "name"),
    ("domain_email_*", "email"),
    (
        "*_anomaly_event_response_allowlist_changed user_anomaly_event_reponse_allowlist_changed",
        "new_value previous_value",
    ),
    ("salesforce_mcp_server_*", "server_name server_url is_allowed"),
    ("salesforce_*", "salesforce_org_id salesforce_edition salesforce_tenant_guid"),
    ("sales_elevate_org_*", "salesforce_org_id"),
    ("slack_ai_mcp_tool_permission_changed", "tool_name permission_key decision"),
    ("slack_ai_mcp_connector_changed", "server_name server_url status mcp_server_allowlist_domains"),
    ("slack_ai_mcp_resource_read", "server_name uri"),
    (
        "slack_ai_mcp_*",
        "tool_name server_name server_url arguments argument_keys success read_only destructive mcp_client_inferred_behavior",
    ),
    ("mcp_slack_*", "tool arguments argument_keys success service_type"),
    ("slack_ai_skill_*", "skill_id executor_id"),
    ("slack_ai_permissions_reset", "affected_users"),
    ("message_flag* message_moderated user_profile_flag* channel_detail_flag*", "reason"),
    ("thread_*", "thread_ts"),
    ("record_shared", "shared_to"),
    ("channel_tab_*", "folder_bookmark_id"),
    ("anomaly", "action_timestamp location reason previous_ip_address previous_ua"),
];

/// Details of an act by `actor` at `at` epoch seconds; none when no key is known.
pub(crate) fn of(action: &str, at: u64, cast: &Cast, actor: &Person, dice: &mut Dice) -> Option<String> {
    let fits = |pattern: &str| match pattern.split_once('*') {
        Some((start, end)) => action.starts_with(start) && action.ends_with(end.trim_end_matches('*')),
        None => pattern == action,
    };
    if action == "user_login" {
        return Some(sign_in(actor, dice));
    }
    let (_, keys) = KEYS.iter().find(|(patterns, _)| patterns.split(' ').any(fits))?;
    let mut scene = Scene { action, at, cast, actor, dice };
    Some(object(|o| keys.split(' ').for_each(|key| scene.value(o, key))))
}

/// How somebody signed in. People of the house come through the identity provider, guests by a link in a mail (captured) or
/// with a password.
fn sign_in(who: &Person, dice: &mut Dice) -> String {
    let guest = who.user.role == super::Role::Guest;
    object(|o| {
        if guest {
            o.str("authentication_method", if dice.percent(60) { "magic_link" } else { "password" });
        } else {
            o.str("idp_config_id", "Ic0NORDLICHT").str("config_type", "saml");
            o.str("idp_entity_id", "http://www.okta.com/exk1fxp8vQ").str("idp_entity_id_hash", "9f2c61d0");
            o.str("label", "Okta").str("authentication_method", "saml");
        }
    })
}

struct Scene<'a> {
    action: &'a str,
    at: u64,
    cast: &'a Cast,
    actor: &'a Person,
    dice: &'a mut Dice,
}

impl Scene<'_> {
    /// Writes `key` with a value of its known type.
    fn value(&mut self, o: &mut Obj<'_>, key: &str) {
        match key {
            "new_value" => self.preference(o, key),
            // Seen live: the previous value may be missing.
            "previous_value" if self.dice.percent(20) => {}
            "previous_value" => self.preference(o, key),
            "inviter" | "kicker" => self.other_person(o, key),
            "type" => {
                o.str(key, if self.action.ends_with("leave") { "KICKED" } else { "INVITED" });
            }
            "previous_profile" | "new_profile" => profile(o, key, &self.actor.user.name),
            "old_retention_policy" | "new_retention_policy" => {
                o.obj(key, |policy| {
                    policy.str("type", "EXPIRE_MSGS").uint("duration_days", self.dice.between(30, 365));
                });
            }
            "who_can_post" | "can_thread" | "who_can_dm_anyone" => {
                o.obj(key, |who| {
                    who.strs("type", &["admin"]).strs("user", &[&self.actor.user.id]);
                });
            }
            "enable_at_here" | "enable_at_channel" | "can_huddle" => {
                o.obj(key, |it| {
                    it.flag("enabled", true);
                });
            }
            "shared_with" => {
                o.obj(key, |with| {
                    with.str("channel_id", &self.dice.pick(&self.cast.channels).id).str("access_level", "read");
                });
            }
            "source_channel" | "destination_channel" => {
                let private = key == "source_channel";
                // Most of what is private was said between two people, and goes to another one.
                if self.dice.percent(if private { 70 } else { 50 }) {
                    let id = self.dice.id("D");
                    o.str(key, &id).str(&format!("{key}_privacy"), "private");
                    return;
                }
                let fitting: Vec<_> = self.cast.channels.iter().filter(|c| !private || c.privacy != "public").collect();
                if let Some(channel) = fitting.get(self.dice.below(fitting.len() as u64) as usize) {
                    o.str(key, &channel.id).str(&format!("{key}_privacy"), channel.privacy);
                }
            }
            "is_allowed" if self.action.starts_with("permissions_") => {
                o.str(key, "ALLOWED");
            }
            "changed_permissions" => {
                o.strs(key, &[self.dice.pick(ACCOUNT_RIGHTS), self.dice.pick(ACCOUNT_RIGHTS)]);
            }
            "matched_rule" => {
                o.raw(key, RULE);
            }
            "rules_checked" => {
                o.raw(key, &format!("[{RULE}]"));
            }
            "request" => {
                o.obj(key, |request| {
                    request.str("id", &self.dice.id("Ar")).str("team_id", &self.cast.enterprise.id);
                });
            }
            "permissions" => {
                o.raw(
                key,
                r#"[{"resource":{"type":"channel","grant":{"type":"wildcard","resource_id":"","wildcard":{"type":"any"}}},"scopes":["chat:write"]}]"#,
            );
            }
            "attributes" => {
                o.raw(key, r#"[{"name":"id","type":"string","items":{"type":""}}]"#);
            }
            "arguments" => {
                o.raw(key, r#"{"query":"roadmap","limit":20}"#);
            }
            "affected_users" => {
                o.raw(key, r#"{"count":3}"#);
            }
            "succeeded_users" => {
                o.strs(key, &[&self.dice.pick(&self.cast.people).user.id]);
            }
            // A string that holds a JSON array, as reported.
            "failed_users" => {
                o.str(key, r#"["W0000000001"]"#);
            }
            "reason" if self.action == "anomaly" => {
                o.strs(key, &["ip_address"]);
            }
            "action_timestamp" => {
                o.uint(key, detected_act_us(self.at, self.dice));
            }
            _ => self.plain(o, key),
        }
    }

    fn plain(&mut self, o: &mut Obj<'_>, key: &str) {
        match key {
            "mobile_only"
            | "web_only"
            | "non_sso_only"
            | "desktop_app_browser_quit"
            | "is_workflow"
            | "is_internal_integration"
            | "is_error"
            | "is_external_limited"
            | "app_previously_resolved"
            | "granular_bot_token"
            | "destructive"
            | "is_slack_provided_template" => o.flag(key, false),
            "is_token_rotation_enabled_app"
            | "is_channel_canvas"
            | "permissions_updated"
            | "success"
            | "read_only"
            | "is_allowed" => o.flag(key, true),
            "expires_on" => o.uint(key, self.at + 30 * 86_400),
            "cell_date_updated" | "deprecation_search_end" => o.uint(key, self.at),
            "session_search_start" => o.uint(key, self.at.saturating_sub(86_400)),
            "exporting_team_id" => o.uint(key, 3_021_394_847_312),
            "duration" => o.uint(key, 86_400),
            _ if key.ends_with("_count") => o.uint(key, self.dice.below(9)),
            "scopes" | "new_scopes" | "previous_scopes" | "old_scopes" => o.strs(key, &["chat:write", "users:read"]),
            "restricted_subjects" => o.strs(key, &["im", "mpim", "call"]),
            "argument_keys" => o.strs(key, &["query", "limit"]),
            "mcp_server_allowlist_domains" => o.strs(key, &["mcp.nordlicht.example"]),
            "user_ids" => o.strs(key, &[&self.dice.pick(&self.cast.people).user.id]),
            "channel_ids" | "channels" => o.strs(key, &[&self.dice.pick(&self.cast.channels).id]),
            "teams_shared_with" => o.strs(key, &[&self.cast.workspaces[0].id]),
            "barriered_from_usergroup_ids" => o.strs(key, &[self.dice.id("S")]),
            "variable_names"
            | "functions"
            | "workflows"
            | "datastores"
            | "functions_added"
            | "workflows_added"
            | "datastores_added"
            | "connectors_enabled"
            | "connectors_disabled" => o.strs(key, &["first", "second"]),
            _ => o.str(key, &self.text(key)),
        };
    }

    fn text(&mut self, key: &str) -> String {
        match key {
            "url_private" => format!("https://files.slack.com/files-pri/T0-{}/download/file", self.dice.id("F")),
            "server_url" => "https://mcp.nordlicht.example/sse".into(),
            "uri" => "file:///reports/2026".into(),
            "config_type" => "saml".into(),
            "authentication_mode" => "sso".into(),
            "export_start_ts" => day_and_time(self.at.saturating_sub(7 * 86_400)),
            "export_end_ts" => day_and_time(self.at),
            "export_type" => "ALL_TIME_STANDARD".into(),
            "initiated_by" => "admin.conversations.bulkDelete".into(),
            "resolution" | "cleared_resolution" => "approved".into(),
            "access_level" => "read".into(),
            "entity_type" => "user".into(),
            "decision" => "allow".into(),
            "tool" | "tool_name" => "search_messages".into(),
            "name" => "party-parrot".into(),
            "md5" | "md5_hash" => self.dice.uuid().replace('-', ""),
            "email" => "someone@nordlicht.example".into(),
            "external_user_email" => "partner@contoso.example".into(),
            "external_organization_name" => "Contoso / Südwest".into(),
            "previous_ip_address" => self.actor.home_ip.clone(),
            "previous_ua" => self.actor.desktop_ua.clone(),
            "location" => "Berlin, Germany".into(),
            "action" => "update".into(),
            "reason" => "spam".into(),
            "status" => "enabled".into(),
            "installer_user_id" => self.actor.user.id.clone(),
            "subteam" => self.dice.id("S"),
            "is_flagged" => "false".into(),
            "actor" | "user" | "target_user" | "target_user_id" | "app_owner_id" | "approver_id" => {
                self.dice.pick(&self.cast.people).user.id.clone()
            }
            "channel" | "channel_id" | "linked_channel_id" => self.dice.pick(&self.cast.channels).id.clone(),
            "enterprise" | "target_entity" | "target_entity_id" => self.cast.enterprise.id.clone(),
            "thread_ts" => format!("{}.000200", self.at.saturating_sub(600)),
            _ if key.ends_with("team") || key.ends_with("team_id") => self.cast.workspaces[0].id.clone(),
            _ => self.dice.id(""),
        }
    }

    /// A preference is text, a list or an object of lists; null stands for the retention `EXPIRE_MSGS`.
    fn preference(&mut self, o: &mut Obj<'_>, key: &str) {
        if self.action.contains("retention") && !self.action.contains("duration") {
            let policy = *self.dice.pick(&["\"RETAIN_ALL\"", "\"RETAIN_MSGS\"", "\"EXPIRE_ALL\"", "null"]);
            o.raw(key, policy);
        } else if self.action.contains("who_can") {
            let who = *self.dice.pick(&["ORG_ADMINS_AND_OWNERS", "TOPLEVEL_ADMINS_AND_OWNERS_AND_SELECTED"]);
            o.obj(key, |value| {
                value.strs("type", &[who]);
            });
        } else if self.action.contains("channels") || self.action.contains("connectors") {
            let channel = &self.dice.pick(&self.cast.channels).id;
            o.strs(key, &[channel]);
        } else {
            let value = *self.dice.pick(&["true", "false", "REGULARS", "60"]);
            o.str(key, value);
        }
    }

    /// Both shapes of this object were reported: the user itself, or the user under `user`.
    fn other_person(&mut self, o: &mut Obj<'_>, key: &str) {
        let other = &self.dice.pick(&self.cast.people).wire;
        if self.dice.percent(80) {
            o.raw(key, other);
        } else {
            o.obj(key, |nested| {
                nested.str("type", "user").raw("user", other);
            });
        }
    }
}

const RULE: &str = r#"{"id":"Ru01","team_id":"E01","title":"Low-risk scopes","action":{"resolution":{"value":"approve"},"notify":[{"entity_type":"USER"}]},"condition":{"datatype":"scopes","operator":"subset","values":[{"field":"scopes","values":["commands"],"datatype":"string","operator":"in"}],"entity_type":"APP"}}"#;

/// What an account type may be allowed. The names are guesses: that there is a list of them was captured.
pub(crate) const ACCOUNT_RIGHTS: &[&str] = &[
    "create_public_channels",
    "create_private_channels",
    "invite_members_to_channels",
    "manage_emoji",
    "create_usergroups",
    "post_to_general",
    "use_at_channel",
    "create_workflows",
    "manage_own_apps",
    "add_bookmarks",
];

fn profile(o: &mut Obj<'_>, key: &str, name: &str) {
    o.obj(key, |profile| {
        profile.str("real_name", name).str("display_name", name);
        profile.str("image_24", "https://avatars.slack-edge.com/2026-09-01/1_24.png");
    });
}

/// When the act that an anomaly is about took place, in microseconds: a minute or so before the anomaly's `date_create`.
pub(crate) fn detected_act_us(detected: u64, dice: &mut Dice) -> u64 {
    detected.saturating_sub(dice.between(45, 70)) * 1_000_000 + dice.below(1_000_000)
}

/// `YYYY-MM-DD HH:MM:SS`, UTC.
pub(crate) fn day_and_time(secs: u64) -> String {
    let at = jiff::Timestamp::from_second(secs as i64).unwrap_or(jiff::Timestamp::MAX);
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}
