//! What an entry may look like: the keys of Slack's own schemas and types, and those that captured entries have.

use serde_json::Value;
use std::collections::BTreeSet;

/// Keys of each type of entity. Those after the first are in Slack's answers to `/schemas`, in its types, or were captured.
const ENTITIES: &[(&str, &str)] = &[
    ("user", "id name email team account_type"),
    ("workspace", "id name domain"),
    ("enterprise", "id name domain"),
    (
        "channel",
        "id name privacy is_shared is_org_shared teams_shared_with original_connected_channel_id is_salesforce_channel",
    ),
    ("file", "id name filetype title"),
    ("app", "id name is_distributed is_directory_approved is_workflow_app scopes scopes_bot bot_scopes creator team"),
    ("usergroup", "id name"),
    ("message", "team channel timestamp"),
    ("workflow", "id name"),
    ("workflow_v2", "id app_id date_updated callback_id name updated_by step_configuration"),
    ("barrier", "id primary_usergroup barriered_from_usergroups restricted_subjects"),
    ("role", "id name type"),
    ("account_type_role", "id name"),
    ("huddle", "id date_start date_end participants channel"),
    ("canvas", "id filetype title"),
    ("list", "id"),
    ("template", "id template_name"),
    ("legal_hold_policy", "id name"),
    ("function", "id app_id callback_id"),
    ("external_auth_oauth2_token", "id provider"),
];

const CONTEXT: &str = "location ua ip_address session_id app acting_agent agent_message";

/// Every key of `details` that is known of Slack, and in the last line the four that stand for what was captured without names.
const DETAILS: &str = "access_level action action_timestamp actor added_team_id added_to_allow added_user_count \
    added_user_error_count admin_app_id affected_users api_call_method app_id app_owner_id app_previously_approved \
    app_previously_resolved approval_type approver_id argument_keys arguments attributes authentication_method \
    authentication_mode barrier_id barriered_from_usergroup_ids bot_id bot_scopes can_huddle can_thread cell_date_updated \
    changed_permissions channel channel_id channel_ids channels cleared_resolution client_ja3_fingerprint \
    client_ja4_fingerprint cloned_file_id column_id config_type connectors_disabled connectors_enabled creator \
    datastore_name datastores datastores_added decision deprecation_search_end desktop_app_browser_quit destination_team \
    destructive detected_client detected_os disconnecting_team duration email enable_at_channel enable_at_here enterprise \
    entity_ids entity_team entity_type executor_id expires_on export_end_ts export_start_ts export_type exporting_team_id \
    external_organization_id external_organization_name external_user_email external_user_id failed_users file_id \
    folder_bookmark_id functions functions_added granular_bot_token idp_config_id idp_entity_id idp_entity_id_hash \
    idp_group_member_count initiated_by installer_user_id invite_id inviter ip_address_details is_allowed \
    is_channel_canvas is_error is_ext_shared is_external_limited is_external_user is_flagged is_internal_integration \
    is_slack_provided_template is_token_rotation_enabled_app is_workflow kicker label linked_channel_id location \
    matched_rule mcp_client_inferred_behavior mcp_server_allowlist_domains md md5 md5_hash mobile_only name new_profile \
    new_retention_policy new_scopes new_value new_version_id non_sso_only old_retention_policy old_scopes origin_team \
    permission_key permission_type permissions permissions_updated policy_name pref_name previous_ip_address \
    previous_profile previous_scopes previous_ua previous_value primary_usergroup_id provider_key reactivated_user_count \
    read_only reason removed_user_count removed_user_error_count request resolution restricted_subjects row_id \
    rules_checked salesforce_edition salesforce_org_config salesforce_org_id salesforce_tenant_guid scopes scopes_bot \
    scraping_tool secondary_authentication_method server_name server_url service_type session_search_start shared_to \
    shared_with skill_id source source_team space_file_id status subteam succeeded_users success target_entity \
    target_entity_id target_team target_user target_user_id team teams_shared_with template_title thread_ts tool \
    tool_name total_removal_count trigger trigger_config trigger_id type uri url_private user user_agent_change_details \
    user_ids variable_names view_id web_only who_can_dm_anyone who_can_post workflows workflows_added \
    workspace_member_count \
    source_channel source_channel_privacy destination_channel destination_channel_privacy";

/// What no entry of Slack's has; empty if all is as it may be.
pub(crate) struct Shapes {
    details: BTreeSet<&'static str>,
    context: BTreeSet<&'static str>,
}

impl Shapes {
    pub(crate) fn new() -> Self {
        Self { details: DETAILS.split_whitespace().collect(), context: CONTEXT.split(' ').collect() }
    }

    /// The first thing that is wrong with an entry.
    pub(crate) fn fault(&self, entry: &Value) -> Option<String> {
        let keys = |value: &Value| value.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
        let odd = |of: &str, value: &Value, known: &BTreeSet<&str>| {
            keys(value).into_iter().find(|key| !known.contains(key.as_str())).map(|key| format!("{of}.{key}"))
        };
        let known = |text: &'static str| text.split(' ').collect::<BTreeSet<&'static str>>();
        let kind = entry["entity"]["type"].as_str()?;
        let Some((_, of_kind)) = ENTITIES.iter().find(|(name, _)| *name == kind) else {
            return Some(format!("entity of the type {kind}"));
        };
        odd("entry", entry, &known("id date_create action actor entity context details"))
            .or_else(|| odd("actor", &entry["actor"], &known("type user")))
            .or_else(|| odd("actor.user", &entry["actor"]["user"], &known(ENTITIES[0].1)))
            .or_else(|| odd("entity", &entry["entity"][kind], &known(of_kind)))
            .or_else(|| odd("context", &entry["context"], &self.context))
            .or_else(|| odd("location", &entry["context"]["location"], &known("type id name domain")))
            .or_else(|| odd("details", &entry["details"], &self.details))
            .or_else(|| Self::wrong_value(entry))
    }

    /// Types that Slack documents for what detections read most.
    fn wrong_value(entry: &Value) -> Option<String> {
        let (context, details) = (&entry["context"], &entry["details"]);
        let session = &context["session_id"];
        let numeric = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let wrong = [
            ("session_id", !(session.is_null() || session.is_u64() || session.as_str().is_some_and(numeric))),
            (
                "ip_address",
                context["ip_address"]
                    .as_str()
                    .is_none_or(|ip| !ip.is_empty() && ip.parse::<std::net::IpAddr>().is_err()),
            ),
            ("ua", !context["ua"].is_string()),
            ("inviter", !details["inviter"].is_null() && !details["inviter"].is_object()),
            (
                "scopes",
                ["new_scopes", "previous_scopes"]
                    .iter()
                    .any(|key| !details[*key].is_null() && !details[*key].is_array()),
            ),
            (
                "type of a join",
                details["type"].as_str().is_some_and(|t| !["JOINED", "INVITED", "KICKED"].contains(&t))
                    && entry["action"].as_str().is_some_and(|action| action.contains("_channel_join")),
            ),
            ("reason of an anomaly", entry["action"] == "anomaly" && !details["reason"].is_array()),
            (
                "action_timestamp",
                !details["action_timestamp"].is_null()
                    && details["action_timestamp"].as_u64().is_none_or(|us| us < 1_000_000_000_000_000),
            ),
        ];
        wrong.into_iter().find(|(_, is)| *is).map(|(what, _)| what.to_owned())
    }
}
