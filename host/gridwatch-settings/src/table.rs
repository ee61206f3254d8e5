//! The settings of Slack, and controls that are no setting but switched like one: of which kind each is, what it guards, and how that is known.
//!
//! Slack documents the words of hardly any. What a kind means is read off the setting's name, unless its values were seen
//! ([`Source::Values`]). Where neither says which way is looser, the row is [`Kind::Untold`] and `why` says why.

/// A setting, and how a change of it is read.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub action: &'static str,
    pub kind: Kind,
    pub guards: Guards,
    /// What it is worth when it alone is loosened.
    pub weight: Weight,
    /// What it is, as a noun: "two-factor authentication".
    pub means: &'static str,
    pub source: Source,
    /// Which way is looser, or why that can't be told.
    pub why: &'static str,
}

/// What decides which way is looser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Looser is off.
    Protection,
    /// Looser is on, or more in the list.
    Permission,
    /// Who may: looser is more people.
    Audience,
    /// The same, or a switch.
    AudienceOrSwitch,
    /// Looser is one more id; an empty list may be all or none.
    Allowlist,
    /// Looser is one fewer.
    ProtectiveList,
    /// Looser is shorter.
    Retention,
    /// Looser is longer.
    Length,
    EditWindow,
    LeastVersion,
    Ranges,
    /// The action itself says it.
    Loosens,
    Tightens,
    Untold,
}

/// What a setting stands against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guards {
    SignIn,
    Devices,
    Data,
    Evidence,
    Watch,
    Apps,
    Outside,
    Guest,
    Privilege,
    Ai,
    Names,
    /// Nothing that anybody is harmed by.
    None,
}

impl Guards {
    /// The text of the field `setting.guards`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::Devices => "devices",
            Self::Data => "data",
            Self::Evidence => "evidence",
            Self::Watch => "watch",
            Self::Apps => "apps",
            Self::Outside => "outside",
            Self::Guest => "guests",
            Self::Privilege => "privilege",
            Self::Ai => "ai",
            Self::Names => "names",
            Self::None => "",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    Informational,
    Low,
    Medium,
    High,
}

/// How a row is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The setting's name says it; its values were never seen.
    Name,
    /// Values stand in Slack's SDK or documentation, or were captured.
    Values,
}

use Guards::{Ai, Apps, Data, Devices, Evidence, Guest, Names, None, Outside, Privilege, SignIn, Watch};
use Kind::{
    Allowlist, Audience, AudienceOrSwitch, EditWindow, LeastVersion, Length, Loosens, Permission, Protection,
    ProtectiveList, Ranges, Retention, Tightens, Untold,
};
use Source::{Name, Values};
use Weight::{High, Informational, Low, Medium};

const fn row(
    action: &'static str,
    kind: Kind,
    guards: Guards,
    weight: Weight,
    means: &'static str,
    source: Source,
    why: &'static str,
) -> Setting {
    Setting { action, kind, guards, weight, means, source, why }
}

/// In the order of the actions.
#[rustfmt::skip]
pub const SETTINGS: &[Setting] = &[
    row("app_allowlist_rule_activated", Tightens, Apps, Medium, "a rule on apps", Name, "the action says it"),
    row("app_allowlist_rule_created", Untold, Apps, Medium, "a rule on apps", Name, "the entry doesn't say what the rule allows"),
    row("app_allowlist_rule_deactivated", Loosens, Apps, Medium, "a rule on apps", Name, "the action says it"),
    row("app_allowlist_rule_deleted", Loosens, Apps, Medium, "a rule on apps", Name, "the action says it"),
    row("app_allowlist_rule_reordered", Untold, Apps, Medium, "a rule on apps", Name, "the entry doesn't say what the rule allows"),
    row("app_allowlist_rule_updated", Untold, Apps, Medium, "a rule on apps", Name, "the entry doesn't say what the rule allows"),
    row("app_allowlist_scopes_rating_updated", Untold, Apps, Medium, "how scopes are rated", Name, "the entry doesn't say which way"),
    row("auth_policy_entity_assigned", Loosens, SignIn, High, "single sign-on for somebody", Name, "a policy of its own is an exemption until its entry says otherwise"),
    row("auth_policy_entity_removed", Tightens, SignIn, High, "single sign-on for somebody", Name, "the action says it"),
    row("barrier_created", Tightens, Data, Medium, "an information barrier", Name, "the action says it"),
    row("barrier_deleted", Loosens, Data, Medium, "an information barrier", Name, "the action says it"),
    row("channel_retention_changed", Retention, Evidence, Medium, "how long a channel is kept", Values, "fewer days are looser"),
    row("child_app_auto_install_rule_created", Loosens, Apps, Medium, "which apps come in by themselves", Name, "one more rule lets more in"),
    row("corporate_exports_enabled", Loosens, Data, High, "that exports may be made", Name, "the action says it"),
    row("data_deletion_date_changed", Retention, Evidence, High, "until when data is kept", Name, "an earlier date is looser"),
    row("domain_email_restricted", Tightens, Guest, Medium, "which mail domains may join", Name, "the action says it"),
    row("domain_email_unrestricted", Loosens, Guest, Medium, "which mail domains may join", Name, "the action says it"),
    row("enterprise_managed_auth_disabled", Loosens, SignIn, High, "managed authentication", Name, "the action says it"),
    row("enterprise_managed_auth_enabled", Tightens, SignIn, High, "managed authentication", Name, "the action says it"),
    row("intune_disabled", Loosens, Devices, High, "Intune", Name, "the action says it"),
    row("intune_enabled", Tightens, Devices, High, "Intune", Name, "the action says it"),
    row("ip_allowlist_disabled", Loosens, Devices, High, "the IP allowlist", Name, "the action says it"),
    row("ip_allowlist_enabled", Tightens, Devices, High, "the IP allowlist", Name, "the action says it"),
    row("legal_hold_policy_created", Tightens, Evidence, High, "a legal hold", Name, "the action says it"),
    row("legal_hold_policy_entities_added", Tightens, Evidence, High, "a legal hold on somebody", Name, "the action says it"),
    row("legal_hold_policy_entities_deleted", Loosens, Evidence, High, "a legal hold on somebody", Name, "the action says it"),
    row("legal_hold_policy_exclusion_added", Loosens, Evidence, High, "a legal hold", Name, "an exclusion is held no more"),
    row("legal_hold_policy_exclusion_deleted", Tightens, Evidence, High, "a legal hold", Name, "the action says it"),
    row("legal_hold_policy_reactivated", Tightens, Evidence, High, "a legal hold", Name, "the action says it"),
    row("legal_hold_policy_released", Loosens, Evidence, High, "a legal hold", Name, "the action says it"),
    row("legal_hold_policy_updated", Untold, Evidence, High, "a legal hold", Name, "the entry doesn't say what it was before"),
    row("native_dlp_rule_created", Tightens, Data, High, "a DLP rule", Name, "one more catches more"),
    row("native_dlp_rule_deactivated", Loosens, Data, High, "a DLP rule", Name, "the action says it"),
    row("native_dlp_rule_edited", Untold, Data, Medium, "a DLP rule", Name, "the entry doesn't have the rule before and after"),
    row("native_dlp_rule_reactivated", Tightens, Data, High, "a DLP rule", Name, "the action says it"),
    row("org_app_future_workspace_install_disabled", Tightens, Apps, Medium, "that an app comes into each new workspace", Name, "the action says it"),
    row("org_app_future_workspace_install_enabled", Loosens, Apps, Medium, "that an app comes into each new workspace", Name, "the action says it"),
    row("organization_channel_audit_export_enabled", Loosens, Data, High, "that channels may be exported for audits", Name, "the action says it"),
    row("pref.admin_retention_override_changed", Permission, Evidence, High, "who may override retention", Name, "more people may, or more is let in"),
    row("pref.agentforce_workspaces_settings_changed", Permission, Ai, Low, "in which workspaces agents work", Name, "a workspace that comes is looser"),
    row("pref.ai_feature_default_access_changed", AudienceOrSwitch, Ai, Low, "who has AI features from the start", Name, "more people may, or more is let in"),
    row("pref.allow_calls", Permission, None, Informational, "calls", Name, "on allows more"),
    row("pref.allow_canvas_version_history_changed", Untold, None, Informational, "that people see former versions of canvases", Name, "who sees former versions sees what was removed, and also what somebody hid"),
    row("pref.allow_cea_for_hippa_team_changed", Permission, Outside, Medium, "mail addresses of channels where health data is kept", Name, "on allows more"),
    row("pref.allow_huddles", Permission, None, Informational, "huddles", Name, "on allows more"),
    row("pref.allow_huddles_transcriptions_changed", Permission, Ai, Low, "the transcription of huddles", Name, "on allows more"),
    row("pref.allow_lists", Permission, None, Informational, "lists", Name, "on allows more"),
    row("pref.allow_message_deletion", AudienceOrSwitch, Evidence, Low, "who may delete messages", Name, "more people may, or more is let in"),
    row("pref.allow_native_gif_picker", Permission, None, Informational, "the GIF picker", Name, "on allows more"),
    row("pref.allow_native_giphy_gif_picker", Permission, None, Informational, "the GIF picker", Name, "on allows more"),
    row("pref.allow_slack_ai_changed", Permission, Ai, Medium, "Slack's AI", Name, "on allows more"),
    row("pref.allow_sponsored_slack_connections", AudienceOrSwitch, Outside, Medium, "connections that another organization sponsors", Name, "more people may, or more is let in"),
    row("pref.anomaly_event_response_changed", Protection, Watch, High, "Slack's answer to anomalies", Name, "on protects"),
    row("pref.app_dir_only", Protection, Apps, High, "that apps have to be in Slack's directory", Name, "on protects"),
    row("pref.app_whitelist_enabled", Protection, Apps, High, "app approval", Name, "on protects"),
    row("pref.atlas_org_charts_access_changed", Audience, Names, Informational, "who sees the organization chart", Name, "more people may, or more is let in"),
    row("pref.atlas_profiles_access_changed", Audience, Names, Informational, "who sees detailed profiles", Name, "more people may, or more is let in"),
    row("pref.block_download_and_copy_on_untrusted_mobile", Protection, Devices, Medium, "the block on downloads and copying on untrusted phones", Name, "on protects"),
    row("pref.block_file_download_for_unapproved_ip", Protection, Devices, Medium, "the block on downloads from unapproved addresses", Name, "on protects"),
    row("pref.can_receive_shared_channels_invites", AudienceOrSwitch, Outside, Medium, "who may receive invitations of other organizations", Name, "more people may, or more is let in"),
    row("pref.canvas_changed", Untold, None, Informational, "canvases", Name, "the name doesn't say what of them"),
    row("pref.canvas_retention_changed", Retention, Evidence, High, "how long canvases are kept", Values, "RETAIN_ALL is strictest, EXPIRE_… is looser, and null is EXPIRE_MSGS"),
    row("pref.commands_only_regular", Protection, Apps, Low, "that guests can't use commands of apps", Name, "on protects"),
    row("pref.content_review_enabled", Protection, Watch, Low, "that people may flag content for review", Name, "on protects"),
    row("pref.custom_tos", Untold, None, Informational, "the organization's own terms", Name, "a text is neither strict nor loose"),
    row("pref.disallow_public_file_urls", Protection, Data, Medium, "the ban on public file links", Name, "on protects"),
    row("pref.display_real_names", Protection, Names, Informational, "that real names are shown", Name, "on protects"),
    row("pref.dlp_access_changed", Audience, Data, Medium, "who may see and set DLP", Name, "more people may, or more is let in"),
    row("pref.dm_retention_changed", Retention, Evidence, High, "how long direct messages are kept", Values, "RETAIN_ALL is strictest, EXPIRE_… is looser, and null is EXPIRE_MSGS"),
    row("pref.dm_retention_redaction_duration", Retention, Evidence, Low, "how long what was deleted or edited in direct messages stays readable for holds", Name, "fewer days are looser"),
    row("pref.dnd_enabled", Protection, None, Informational, "do not disturb", Name, "on protects"),
    row("pref.dnd_end_hour", Untold, None, Informational, "when do not disturb ends", Name, "an hour of the day is neither strict nor loose"),
    row("pref.dnd_start_hour", Untold, None, Informational, "when do not disturb begins", Name, "an hour of the day is neither strict nor loose"),
    row("pref.emoji_only_admins", Protection, None, Informational, "that only admins add emoji", Name, "on protects"),
    row("pref.ent_required_browser", Protection, Devices, Medium, "the required browser", Name, "on protects; the name of another browser says nothing"),
    row("pref.enterprise_default_channels", Untold, None, Low, "the channels that everybody is put into", Values, "a channel more or less protects neither"),
    row("pref.enterprise_mobile_device_check", Protection, Devices, Medium, "the check of phones", Name, "on protects"),
    row("pref.enterprise_search_connectors", Permission, Ai, Medium, "which sources search reaches", Name, "a source that comes is looser"),
    row("pref.enterprise_search_connectors_changed", Permission, Ai, Medium, "which sources search reaches", Name, "a source that comes is looser"),
    row("pref.enterprise_search_connectors_config_changed", Permission, Ai, Low, "how sources of search are reached", Name, "on allows more; other values say nothing"),
    row("pref.enterprise_search_enabled", Permission, Ai, Low, "search in other services", Name, "on allows more"),
    row("pref.enterprise_search_enabled_changed", Permission, Ai, Low, "search in other services", Name, "on allows more"),
    row("pref.enterprise_team_creation_request", AudienceOrSwitch, Privilege, Low, "who may ask for new workspaces", Name, "more people may, or more is let in"),
    row("pref.ext_audit_log_retention_duration_changed", Retention, Watch, High, "how long the audit log is kept", Name, "fewer days are looser"),
    row("pref.ext_audit_log_retention_type_changed", Retention, Watch, High, "how long the audit log is kept", Name, "words for keeping are strictest"),
    row("pref.file_retention_changed", Retention, Evidence, High, "how long files are kept", Values, "RETAIN_ALL is strictest, EXPIRE_… is looser, and null is EXPIRE_MSGS"),
    row("pref.flag_content_custom_link", Untold, None, Informational, "a link beside flagged content", Name, "a link is neither strict nor loose"),
    row("pref.flag_content_review_note_required", Protection, Watch, Informational, "that a review of flagged content needs a note", Name, "on protects"),
    row("pref.flag_content_users_to_notify", ProtectiveList, Watch, Low, "who is told of flagged content", Name, "somebody fewer is looser"),
    row("pref.flag_message_author_outcome_notif", Protection, None, Informational, "that authors are told what became of a flag", Name, "on protects"),
    row("pref.flag_message_flagger_outcome_notif", Protection, None, Informational, "that flaggers are told what became of a flag", Name, "on protects"),
    row("pref.flagged_content_review_channel", Protection, Watch, Low, "the channel in which flagged content is reviewed", Name, "none is looser; another channel says nothing"),
    row("pref.hermes_has_accepted_tos", Untold, None, Informational, "the terms of Slack's platform", Name, "terms are accepted once and never looser"),
    row("pref.hermes_triggers_trippable_by_slack_connected_teams", Permission, Outside, Medium, "that other organizations can trigger workflows", Name, "on allows more"),
    row("pref.hide_referers", Protection, Data, Informational, "the hiding of where a link was clicked", Name, "on protects"),
    row("pref.invite_requests_approval_channel_changed", Protection, Guest, Low, "the channel in which invitations are approved", Name, "none is looser; another channel says nothing"),
    row("pref.invited_user_preset", Untold, Guest, Low, "what invited people get", Name, "its values are not known"),
    row("pref.invites_only_admins_changed", Protection, Guest, Medium, "that only admins invite", Name, "on protects"),
    row("pref.loading_only_admins", Protection, None, Informational, "that only admins set loading messages", Name, "on protects"),
    row("pref.max_guest_duration", Length, Guest, Low, "how long guests may stay", Name, "longer is looser, no end is loosest"),
    row("pref.member_analytics_disabled", Protection, Watch, Informational, "the ban on statistics about members", Name, "on protects"),
    row("pref.members_only", Untold, Guest, Low, "what is for members only", Name, "the name doesn't say of what"),
    row("pref.ml_opt_out", Protection, Ai, Low, "that the organization's data trains no models", Name, "on protects"),
    row("pref.mobile_secondary_auth_timeout_changed", Length, SignIn, Low, "after what time phones ask for a PIN or face again", Name, "longer is looser"),
    row("pref.mobile_session_duration_changed", Length, SignIn, Medium, "how long sessions on phones last", Name, "longer is looser, no end is loosest"),
    row("pref.msg_edit_window_mins", EditWindow, Evidence, Low, "how long messages can be edited", Name, "longer is looser, -1 has no end and 0 is never"),
    row("pref.notification_redaction_type", Protection, Devices, Low, "the redaction of notifications on phones", Name, "on protects; other words say nothing"),
    row("pref.platform_beta_enabled", Permission, Apps, Low, "that people may build apps and workflows on Slack's platform", Name, "on allows more"),
    row("pref.platform_beta_external_triggers_enabled", Permission, Apps, Medium, "that workflows can be triggered from outside", Name, "on allows more"),
    row("pref.platform_beta_interactions_with_external_triggers_and_workflows_enabled", Permission, Apps, Medium, "that workflows can deal with triggers and workflows of outside", Name, "on allows more"),
    row("pref.private_channel_analytics_disabled", Protection, Watch, Informational, "the ban on statistics about private channels", Name, "on protects"),
    row("pref.private_channel_retention_changed", Retention, Evidence, High, "how long private channels are kept", Values, "RETAIN_ALL is strictest, EXPIRE_… is looser, and null is EXPIRE_MSGS"),
    row("pref.private_record_channel_redaction_duration_changed", Retention, Evidence, Low, "how long what was deleted or edited in private record channels stays readable for holds", Name, "fewer days are looser"),
    row("pref.private_record_channel_retention_changed", Retention, Evidence, High, "how long private record channels are kept", Values, "RETAIN_ALL is strictest, EXPIRE_… is looser, and null is EXPIRE_MSGS"),
    row("pref.private_record_channel_retention_duration_changed", Retention, Evidence, High, "how long private record channels are kept", Name, "fewer days are looser"),
    row("pref.private_retention_redaction_duration", Retention, Evidence, Low, "how long what was deleted or edited in private channels stays readable for holds", Name, "fewer days are looser"),
    row("pref.public_channel_retention_changed", Retention, Evidence, High, "how long public channels are kept", Values, "RETAIN_ALL is strictest, EXPIRE_… is looser, and null is EXPIRE_MSGS"),
    row("pref.public_record_channel_redaction_duration_changed", Retention, Evidence, Low, "how long what was deleted or edited in public record channels stays readable for holds", Name, "fewer days are looser"),
    row("pref.public_record_channel_retention_changed", Retention, Evidence, High, "how long public record channels are kept", Values, "RETAIN_ALL is strictest, EXPIRE_… is looser, and null is EXPIRE_MSGS"),
    row("pref.public_record_channel_retention_duration_changed", Retention, Evidence, High, "how long public record channels are kept", Name, "fewer days are looser"),
    row("pref.public_retention_redaction_duration", Retention, Evidence, Low, "how long what was deleted or edited in public channels stays readable for holds", Name, "fewer days are looser"),
    row("pref.required_minimum_desktop_version_changed", LeastVersion, Devices, Low, "the oldest desktop app that is let in", Name, "a lower version is looser, none is loosest"),
    row("pref.required_minimum_mobile_version_changed", LeastVersion, Devices, Low, "the oldest phone app that is let in", Name, "a lower version is looser, none is loosest"),
    row("pref.retention_override_changed", Permission, Evidence, High, "who may override retention", Name, "more people may, or more is let in"),
    row("pref.session_duration_changed", Length, SignIn, Medium, "how long sessions last", Name, "longer is looser, no end is loosest"),
    row("pref.session_duration_type_changed", Length, SignIn, Medium, "whether and how sessions end", Name, "a word for no end is looser; of other words none is known"),
    row("pref.show_join_leave_changed", Protection, Watch, Informational, "that channels show who joins and leaves", Name, "on protects"),
    row("pref.show_join_leave_welcome_party_changed", Permission, None, Informational, "the greeting of who joins", Name, "on allows more"),
    row("pref.sign_in_with_slack_disabled", Protection, SignIn, Low, "the ban on Sign in with Slack at other services", Name, "on protects"),
    row("pref.slack_ai_allow_detailed_feedback_changed", Permission, Ai, Informational, "detailed feedback on AI answers", Name, "on allows more"),
    row("pref.slack_ai_allow_feedback_changed", Permission, Ai, Informational, "feedback on AI answers", Name, "on allows more"),
    row("pref.slack_ai_allow_file_summaries_changed", Permission, Ai, Informational, "AI summaries of files", Name, "on allows more"),
    row("pref.slack_ai_allow_huddle_notes_changed", Permission, Ai, Informational, "AI notes of huddles", Name, "on allows more"),
    row("pref.slack_ai_allow_recap_changed", Permission, Ai, Informational, "AI recaps", Name, "on allows more"),
    row("pref.slack_ai_allow_translations_changed", Permission, Ai, Informational, "AI translations", Name, "on allows more"),
    row("pref.slack_ai_allow_workflow_builder_changed", Permission, Ai, Informational, "AI in workflows", Name, "on allows more"),
    row("pref.slack_ai_allowed_search_files_changed", Permission, Ai, Low, "that AI search reads files", Name, "on allows more"),
    row("pref.slack_ai_allowed_workspaces_changed", Permission, Ai, Low, "in which workspaces AI works", Name, "a workspace that comes is looser"),
    row("pref.slack_connect_allowed_workspaces", Allowlist, Outside, Medium, "which workspaces may use Slack Connect", Name, "an id that comes is looser; an empty list may be all or none"),
    row("pref.slack_connect_approval_type", Untold, Outside, Medium, "how Slack Connect is approved", Name, "its words are not known"),
    row("pref.slack_connect_dm_only_verified_orgs", Protection, Outside, Medium, "that only verified organizations may write", Name, "on protects"),
    row("pref.slackbot_ai_canvas_write_enabled_changed", Permission, Ai, Low, "that Slackbot writes canvases", Name, "on allows more"),
    row("pref.slackbot_responses_disabled", Protection, Names, Informational, "the ban on own answers of Slackbot", Name, "on protects"),
    row("pref.slackbot_responses_only_admins", Protection, Names, Low, "that only admins set what Slackbot answers", Name, "on protects"),
    row("pref.sso_setting_changed", Protection, SignIn, High, "single sign-on", Name, "on protects"),
    row("pref.sso_sync_with_provider", Protection, SignIn, Medium, "the sync of profiles with the identity provider", Name, "on protects"),
    row("pref.stats_only_admins", Protection, Watch, Informational, "that statistics are for admins only", Name, "on protects"),
    row("pref.two_factor_auth_changed", Protection, SignIn, High, "two-factor authentication", Name, "on protects"),
    row("pref.two_factor_prevent_sms_changed", Protection, SignIn, Medium, "the ban on codes by SMS", Name, "on protects"),
    row("pref.uneditable_user_profile_fields", ProtectiveList, Names, Low, "which fields of a profile nobody may edit", Name, "a field fewer is looser"),
    row("pref.username_policy", Untold, Names, Low, "what names people may take", Name, "its words are not known"),
    row("pref.who_can_archive_channels", Audience, Privilege, Informational, "who may archive channels", Name, "more people may, or more is let in"),
    row("pref.who_can_create_delete_user_groups", Audience, Privilege, Low, "who may create and delete user groups", Name, "more people may, or more is let in"),
    row("pref.who_can_create_private_channels", Audience, Privilege, Informational, "who may create private channels", Name, "more people may, or more is let in"),
    row("pref.who_can_create_public_channels", Audience, Privilege, Informational, "who may create public channels", Name, "more people may, or more is let in"),
    row("pref.who_can_dm_anyone", Audience, Outside, Medium, "who may write to people outside", Values, "more people may, or more is let in"),
    row("pref.who_can_edit_user_groups", Audience, Privilege, Medium, "who may edit user groups, which may carry roles", Name, "more people may, or more is let in"),
    row("pref.who_can_manage_channel_posting_prefs", Audience, Privilege, Low, "who may set who posts in channels", Name, "more people may, or more is let in"),
    row("pref.who_can_manage_ext_shared_channels", Audience, Outside, Medium, "who may share channels with other organizations", Values, "more people may, or more is let in"),
    row("pref.who_can_manage_guests", Audience, Guest, Medium, "who may manage guests", Name, "more people may, or more is let in"),
    row("pref.who_can_manage_shared_channels", Audience, Outside, Medium, "who may share channels", Values, "more people may, or more is let in"),
    row("pref.who_can_remove_from_private_channels", Audience, Privilege, Low, "who may remove people from private channels", Name, "more people may, or more is let in"),
    row("pref.who_can_remove_from_public_channels", Audience, Privilege, Informational, "who may remove people from public channels", Name, "more people may, or more is let in"),
    row("pref.who_can_use_platform_beta", Audience, Apps, Low, "who may build apps and workflows on Slack's platform", Name, "more people may, or more is let in"),
    row("pref.workspace_access_changed", Untold, SignIn, Medium, "who may get into workspaces", Name, "its words are not known; any change is told"),
    row("slack_connect_invite_routing_disabled", Loosens, Outside, Medium, "the routing of Slack Connect invitations", Name, "the action says it"),
    row("slack_connect_invite_routing_enabled", Tightens, Outside, Medium, "the routing of Slack Connect invitations", Name, "the action says it"),
    row("slack_connect_pref_removed", Untold, Outside, Medium, "a Slack Connect preference", Name, "which preferences there are, and their words, is not known"),
    row("slack_connect_pref_set", Untold, Outside, Medium, "a Slack Connect preference", Name, "which preferences there are, and their words, is not known"),
    row("team_authorized_ip_range_added", Ranges, Devices, Medium, "the addresses that may sign in", Name, "a range that comes is looser"),
    row("team_authorized_ip_range_removed", Tightens, Devices, Medium, "the addresses that may sign in", Name, "one fewer keeps people out"),
    row("team_authorized_ip_range_set", Ranges, Devices, Medium, "the addresses that may sign in", Name, "a range that comes is looser, and so is none left"),
    row("workspace_channel_audit_export_enabled", Loosens, Data, High, "that channels may be exported for audits", Name, "the action says it"),
];
