//! Which OCSF class, activity and outcome each Slack action has: one table, made to be read and argued with.
//!
//! The class depends on the action's name alone, never on the entry's content, so that a query by class finds every
//! entry of an action. A full name beats a pattern; among patterns the first in the table wins. An action that no row
//! names becomes a Base Event with activity 99: it is kept and shows itself, it is not guessed at.
//!
//! OCSF 1.8.0 has no User Management (3007) and no Role Management (3008): those came with 1.9.0. So accounts are Account
//! Change (3001), what somebody or a kind of account is given is User Access Management (3005), and a role's own
//! definition is an entity (3004).
//!
//! Families agree, and the tests hold them to it: the two directions of an act share a class, what is only asked for has
//! activity 99, and what Slack itself judged is a finding.
//!
//! [`DOWNGRADES`] says what becomes of an activity that 1.1.0 lacks. All others are the same in both versions.

use super::schema::{Object, Version};
use super::vocabulary as v;
use gridwatch_event::event::Event;
use gridwatch_manifest::Severity;
use gridwatch_names::catalogue;
use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

/// The OCSF classes in use, with their `class_uid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    BaseEvent = 0,
    DetectionFinding = 2004,
    AccountChange = 3001,
    Authentication = 3002,
    EntityManagement = 3004,
    UserAccessManagement = 3005,
    GroupManagement = 3006,
    WebResourcesActivity = 6001,
    ApplicationLifecycle = 6002,
    ApiActivity = 6003,
    FileHostingActivity = 6006,
}

impl Class {
    pub const fn uid(self) -> u64 {
        self as u64
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::BaseEvent => "Base Event",
            Self::DetectionFinding => "Detection Finding",
            Self::AccountChange => "Account Change",
            Self::Authentication => "Authentication",
            Self::EntityManagement => "Entity Management",
            Self::UserAccessManagement => "User Access Management",
            Self::GroupManagement => "Group Management",
            Self::WebResourcesActivity => "Web Resources Activity",
            Self::ApplicationLifecycle => "Application Lifecycle",
            Self::ApiActivity => "API Activity",
            Self::FileHostingActivity => "File Hosting Activity",
        }
    }

    pub(super) const ALL: [Self; 11] = [
        Self::BaseEvent,
        Self::DetectionFinding,
        Self::AccountChange,
        Self::Authentication,
        Self::EntityManagement,
        Self::UserAccessManagement,
        Self::GroupManagement,
        Self::WebResourcesActivity,
        Self::ApplicationLifecycle,
        Self::ApiActivity,
        Self::FileHostingActivity,
    ];

    pub(super) fn spec(self) -> &'static Object {
        match self {
            Self::BaseEvent => &v::BASE_EVENT,
            Self::DetectionFinding => &v::DETECTION_FINDING,
            Self::AccountChange => &v::ACCOUNT_CHANGE,
            Self::Authentication => &v::AUTHENTICATION,
            Self::EntityManagement => &v::ENTITY_MANAGEMENT,
            Self::UserAccessManagement => &v::USER_ACCESS,
            Self::GroupManagement => &v::GROUP_MANAGEMENT,
            Self::WebResourcesActivity => &v::WEB_RESOURCES_ACTIVITY,
            Self::ApplicationLifecycle => &v::APPLICATION_LIFECYCLE,
            Self::ApiActivity => &v::API_ACTIVITY,
            Self::FileHostingActivity => &v::FILE_HOSTING,
        }
    }

    /// The activities that the table gives to this class, in the order of their ids.
    pub(super) fn activities(self, version: Version) -> Vec<Activity> {
        let all = flat(TABLE).map(|(_, activity)| activity).chain([
            Activity::other(Self::BaseEvent),
            FINDING_UPDATE,
            FINDING_CLOSE,
        ]);
        let mut own: Vec<_> = all.map(|a| a.in_version(version)).filter(|activity| activity.class == self).collect();
        own.sort_unstable_by_key(|activity| activity.id);
        own.dedup();
        own
    }

    /// `category_uid`: the thousands of the class.
    pub const fn category_uid(self) -> u64 {
        self.uid() / 1000
    }

    pub const fn category_name(self) -> &'static str {
        match self.category_uid() {
            2 => "Findings",
            3 => "Identity & Access Management",
            6 => "Application Activity",
            _ => "Uncategorized",
        }
    }
}

/// What was done, in the words of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    pub class: Class,
    pub id: u64,
    /// OCSF's caption. Activity 99 has the action in its place (OCSF: "defined by the event source").
    pub name: &'static str,
}

impl Activity {
    const fn new(class: Class, id: u64, name: &'static str) -> Self {
        Self { class, id, name }
    }

    const fn other(class: Class) -> Self {
        Self::new(class, 99, "Other")
    }

    pub const fn type_uid(self) -> u64 {
        self.class.uid() * 100 + self.id
    }

    /// What shows this activity in a version: itself, or what [`DOWNGRADES`] says.
    pub fn in_version(self, version: Version) -> Self {
        match version {
            Version::V1_8_0 => self,
            Version::V1_1_0 => {
                DOWNGRADES.iter().find(|(_, lacking)| lacking.contains(&self)).map_or(self, |(instead, _)| *instead)
            }
        }
    }
}

/// `status_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Success,
    Failure,
    /// Slack or an admin's setting stopped it: a failure that carries OCSF's security control.
    Blocked,
}

impl Status {
    /// Caption of the `status_id`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::Failure | Self::Blocked => "Failure",
        }
    }
}

/// One action of the catalogue and what it is shown as, in 1.8.0 and in 1.1.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionMapping {
    pub group: &'static str,
    pub action: &'static str,
    pub class: Class,
    pub activity_id: u64,
    pub activity_name: &'static str,
    /// Caption of the `status_id`. Findings have a life cycle in its place.
    pub status: &'static str,
    pub severity: Severity,
    pub class_1_1: Class,
    pub activity_id_1_1: u64,
    pub activity_name_1_1: &'static str,
}

/// The whole mapping, by group and then by action.
pub fn mapping_rows() -> impl Iterator<Item = ActionMapping> {
    let mut rows: Vec<ActionMapping> = catalogue::actions().map(row).collect();
    rows.sort_by_key(|row| (row.group, row.action));
    rows.into_iter()
}

fn row(action: &'static str) -> ActionMapping {
    let mapping = mapping(action);
    let [newer, older] = [Version::V1_8_0, Version::V1_1_0].map(|version| mapping.activity.in_version(version));
    ActionMapping {
        group: catalogue::group_of(action).unwrap_or_default(),
        action,
        class: newer.class,
        activity_id: newer.id,
        activity_name: newer.name,
        status: mapping.status.name(),
        severity: mapping.severity,
        class_1_1: older.class,
        activity_id_1_1: older.id,
        activity_name_1_1: older.name,
    }
}

/// How one action is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub activity: Activity,
    pub status: Status,
    pub severity: Severity,
    /// Does a row of the table name the action? `false` is Base Event, activity 99.
    pub is_known: bool,
}

impl Mapping {
    /// With `given` false, an act that gives privileges is one that takes them, as the entry says so itself.
    pub(super) fn in_direction(self, given: bool) -> Self {
        match self.activity {
            PRIVILEGES_ASSIGN if !given => Self { activity: PRIVILEGES_REVOKE, ..self },
            _ => self,
        }
    }
}

/// The mapping of an action. Total: any text has one.
pub fn mapping(action: &str) -> Mapping {
    said_of(action).mapping
}

/// All that the tables say of an action.
#[derive(Clone, Copy, Debug)]
struct Said {
    mapping: Mapping,
    privilege: Option<&'static str>,
    is_policy: bool,
    is_own_act: bool,
}

/// Of the actions of the catalogue, in its order, as they are asked for.
static SAID: LazyLock<Vec<OnceLock<Said>>> = LazyLock::new(|| catalogue::actions().map(|_| OnceLock::new()).collect());

fn said_of(action: &str) -> Said {
    numbered(catalogue::number_of(action), action)
}

fn numbered(number: Option<u16>, action: &str) -> Said {
    let known = number.and_then(|number| SAID.get(usize::from(number)));
    known.map_or_else(|| Said::of(action), |said| *said.get_or_init(|| Said::of(action)))
}

/// The mapping of an event's action.
pub(super) fn mapping_of(event: &Event) -> Mapping {
    numbered(event.action_number(), event.action()).mapping
}

impl Said {
    fn of(action: &str) -> Self {
        Self {
            mapping: look_up(action),
            privilege: first_match(flat(PRIVILEGES), action),
            is_policy: POLICIES.iter().any(|pattern| matches(pattern, action)),
            is_own_act: OWN_ACTS.iter().any(|pattern| matches(pattern, action)),
        }
    }
}

fn look_up(action: &str) -> Mapping {
    let found = BY_NAME.get(action).copied().or_else(|| first_match(PATTERNS.iter().copied(), action));
    let status = first_match(flat(STATUSES), action).unwrap_or(Status::Success);
    let usual = if status == Status::Success { Severity::Informational } else { Severity::Low };
    Mapping {
        activity: found.unwrap_or(Activity::other(Class::BaseEvent)),
        status,
        severity: first_match(flat(SEVERITIES), action).unwrap_or(usual),
        is_known: found.is_some(),
    }
}

/// The privilege that a change of a user's standing gives or takes, where the action's name says it.
pub(super) fn privilege(action: &str) -> Option<&'static str> {
    said_of(action).privilege
}

/// Is the thing that changed a setting of the entity, and not the entity?
pub(super) fn is_policy(action: &str) -> bool {
    said_of(action).is_policy
}

/// Is the actor also the one it was done to, where the entity is no user?
pub(super) fn is_own_act(action: &str) -> bool {
    said_of(action).is_own_act
}

type Rows<T> = &'static [(T, &'static [&'static str])];

static BY_NAME: LazyLock<HashMap<&str, Activity>> =
    LazyLock::new(|| flat(TABLE).filter(|(name, _)| !name.contains('*')).collect());

static PATTERNS: LazyLock<Vec<(&str, Activity)>> =
    LazyLock::new(|| flat(TABLE).filter(|(name, _)| name.contains('*')).collect());

fn flat<T: Copy>(rows: Rows<T>) -> impl Iterator<Item = (&'static str, T)> {
    rows.iter().flat_map(|(value, patterns)| patterns.iter().map(move |pattern| (*pattern, *value)))
}

fn first_match<T>(rows: impl Iterator<Item = (&'static str, T)>, action: &str) -> Option<T> {
    let mut rows = rows;
    rows.find(|(pattern, _)| matches(pattern, action)).map(|(_, value)| value)
}

/// A pattern is a name with at most one `*`, which stands for any text.
pub(crate) const fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.as_bytes(), action.as_bytes());
    let mut head = 0;
    while head < pattern.len() && pattern[head] != b'*' {
        if head >= action.len() || pattern[head] != action[head] {
            return false;
        }
        head += 1;
    }
    if head == pattern.len() {
        return action.len() == head;
    }
    let tail = pattern.len() - head - 1;
    let mut from_end = 1;
    while from_end <= tail && head + tail <= action.len() {
        if pattern[pattern.len() - from_end] != action[action.len() - from_end] {
            return false;
        }
        from_end += 1;
    }
    head + tail <= action.len()
}

/// The build fails, and names the action, when Slack's catalogue has one that no row names. Costs a second or two of a
/// build from scratch.
const _: () = assert_every_action_has_a_row(catalogue::ACTIONS);

const fn assert_every_action_has_a_row(catalogue: &str) {
    let mut rest = catalogue;
    while !rest.is_empty() {
        let mut end = 0;
        while end < rest.len() && rest.as_bytes()[end] != b'\n' {
            end += 1;
        }
        let (line, after) = rest.split_at(end);
        let is_action = !line.is_empty() && line.as_bytes()[0] != b'#' && line.as_bytes()[0] != b'[';
        if is_action && !has_row(line) {
            panic!("{}", line);
        }
        rest = if after.is_empty() { after } else { after.split_at(1).1 };
    }
}

/// Looks at the first byte before it calls: a call is what costs the compiler time.
const fn has_row(action: &str) -> bool {
    let first = action.as_bytes()[0];
    let mut table = TABLE;
    while let [(_, patterns), rest @ ..] = table {
        let mut patterns = *patterns;
        while let [pattern, others @ ..] = patterns {
            if let [start, ..] = pattern.as_bytes()
                && (*start == first || *start == b'*')
                && matches(pattern, action)
            {
                return true;
            }
            patterns = others;
        }
        table = rest;
    }
    false
}

/// Rule of thumb: a routine act is Informational, one that didn't come off is Low. These stand out on their own.
const SEVERITIES: Rows<Severity> = &[
    (Severity::High, &["file_malicious_content_detected", "user_logout_compromised"]),
    (
        Severity::Medium,
        &[
            "anomaly",
            "native_dlp_rule_action_applied",
            "workflow_trigger_suspicious_keyword",
            "workflow_ai_answer_suspicious_prompt",
            "user_sessions_reset_by_anomaly_event_response",
            "ekm_unenrolled",
            "ekm_key_removed",
        ],
    ),
];

/// Everything else is a success: an entry says that something was done.
const STATUSES: Rows<Status> = &[
    (Status::Blocked, &["*_blocked", "*_blocked_by_type", "*_denied", "*_share_limit_reached"]),
    (Status::Failure, &["*_failed", "*_failure", "*.failure"]),
];

const PRIVILEGES: Rows<&str> = &[
    ("admin", &["role_change_to_admin"]),
    ("owner", &["role_change_to_owner", "owner_transferred"]),
    ("org_owner", &["org_owner_created"]),
    ("license", &["license_*"]),
    ("salesforce", &["salesforce_access_*"]),
];

/// Settings: shown as a policy of the workspace or organization, with its value before and after.
const POLICIES: &[&str] = &["pref.*", "prefs_setting_changed", "slack_connect_pref_*", "auth_policy_*"];

/// What only ever happens to the actor. A reset by an admin is not among them: its target is in the entity or unnamed.
const OWN_ACTS: &[&str] = &[
    "user_login*",
    "user_logout*",
    "cli_log*",
    "ip_allowlist_access_denied",
    "user_passkey_*",
    "custom_tos_accepted",
    "*_channel_join",
    "*_channel_leave",
    "*_joined_workspace",
    "huddle_participant_*",
];

const LOGON: Activity = Activity::new(Class::Authentication, 1, "Logon");
const LOGOFF: Activity = Activity::new(Class::Authentication, 2, "Logoff");
const AUTHENTICATION_OTHER: Activity = Activity::other(Class::Authentication);

const ACCOUNT_CREATE: Activity = Activity::new(Class::AccountChange, 1, "Create");
const ACCOUNT_ENABLE: Activity = Activity::new(Class::AccountChange, 2, "Enable");
const ACCOUNT_PASSWORD_RESET: Activity = Activity::new(Class::AccountChange, 4, "Password Reset");
const ACCOUNT_DISABLE: Activity = Activity::new(Class::AccountChange, 5, "Disable");
const ACCOUNT_MFA_ENABLE: Activity = Activity::new(Class::AccountChange, 10, "MFA Factor Enable");
const ACCOUNT_MFA_DISABLE: Activity = Activity::new(Class::AccountChange, 11, "MFA Factor Disable");
const ACCOUNT_OTHER: Activity = Activity::other(Class::AccountChange);

const PRIVILEGES_ASSIGN: Activity = Activity::new(Class::UserAccessManagement, 1, "Assign Privileges");
const PRIVILEGES_REVOKE: Activity = Activity::new(Class::UserAccessManagement, 2, "Revoke Privileges");

const GROUP_ASSIGN_PRIVILEGES: Activity = Activity::new(Class::GroupManagement, 1, "Assign Privileges");
const GROUP_REVOKE_PRIVILEGES: Activity = Activity::new(Class::GroupManagement, 2, "Revoke Privileges");
const GROUP_ADD_USER: Activity = Activity::new(Class::GroupManagement, 3, "Add User");
const GROUP_REMOVE_USER: Activity = Activity::new(Class::GroupManagement, 4, "Remove User");
const GROUP_OTHER: Activity = Activity::other(Class::GroupManagement);

pub(super) const ENTITY_CREATE: Activity = Activity::new(Class::EntityManagement, 1, "Create");
pub(super) const ENTITY_READ: Activity = Activity::new(Class::EntityManagement, 2, "Read");
pub(super) const ENTITY_UPDATE: Activity = Activity::new(Class::EntityManagement, 3, "Update");
const ENTITY_DELETE: Activity = Activity::new(Class::EntityManagement, 4, "Delete");
const ENTITY_MOVE: Activity = Activity::new(Class::EntityManagement, 5, "Move");
const ENTITY_ENROLL: Activity = Activity::new(Class::EntityManagement, 6, "Enroll");
const ENTITY_UNENROLL: Activity = Activity::new(Class::EntityManagement, 7, "Unenroll");
const ENTITY_ENABLE: Activity = Activity::new(Class::EntityManagement, 8, "Enable");
const ENTITY_DISABLE: Activity = Activity::new(Class::EntityManagement, 9, "Disable");
const ENTITY_ACTIVATE: Activity = Activity::new(Class::EntityManagement, 10, "Activate");
const ENTITY_DEACTIVATE: Activity = Activity::new(Class::EntityManagement, 11, "Deactivate");
const ENTITY_SUSPEND: Activity = Activity::new(Class::EntityManagement, 12, "Suspend");
const ENTITY_RESUME: Activity = Activity::new(Class::EntityManagement, 13, "Resume");
const ENTITY_OTHER: Activity = Activity::other(Class::EntityManagement);

const RESOURCE_CREATE: Activity = Activity::new(Class::WebResourcesActivity, 1, "Create");
const RESOURCE_READ: Activity = Activity::new(Class::WebResourcesActivity, 2, "Read");
const RESOURCE_UPDATE: Activity = Activity::new(Class::WebResourcesActivity, 3, "Update");
const RESOURCE_DELETE: Activity = Activity::new(Class::WebResourcesActivity, 4, "Delete");
const RESOURCE_SEARCH: Activity = Activity::new(Class::WebResourcesActivity, 5, "Search");
const RESOURCE_IMPORT: Activity = Activity::new(Class::WebResourcesActivity, 6, "Import");
const RESOURCE_EXPORT: Activity = Activity::new(Class::WebResourcesActivity, 7, "Export");
const RESOURCE_SHARE: Activity = Activity::new(Class::WebResourcesActivity, 8, "Share");
const RESOURCE_OTHER: Activity = Activity::other(Class::WebResourcesActivity);

const APP_INSTALL: Activity = Activity::new(Class::ApplicationLifecycle, 1, "Install");
const APP_REMOVE: Activity = Activity::new(Class::ApplicationLifecycle, 2, "Remove");
const APP_ENABLE: Activity = Activity::new(Class::ApplicationLifecycle, 6, "Enable");
const APP_DISABLE: Activity = Activity::new(Class::ApplicationLifecycle, 7, "Disable");
const APP_UPDATE: Activity = Activity::new(Class::ApplicationLifecycle, 8, "Update");
/// Of gridwatch itself.
pub(super) const HEARTBEAT: Activity = Activity::other(Class::ApplicationLifecycle);
const APP_OTHER: Activity = Activity::other(Class::ApplicationLifecycle);

const API_CREATE: Activity = Activity::new(Class::ApiActivity, 1, "Create");
const API_READ: Activity = Activity::new(Class::ApiActivity, 2, "Read");
const API_UPDATE: Activity = Activity::new(Class::ApiActivity, 3, "Update");
const API_DELETE: Activity = Activity::new(Class::ApiActivity, 4, "Delete");
const API_OTHER: Activity = Activity::other(Class::ApiActivity);

const FILE_UPLOAD: Activity = Activity::new(Class::FileHostingActivity, 1, "Upload");
const FILE_DOWNLOAD: Activity = Activity::new(Class::FileHostingActivity, 2, "Download");
const FILE_UPDATE: Activity = Activity::new(Class::FileHostingActivity, 3, "Update");
const FILE_DELETE: Activity = Activity::new(Class::FileHostingActivity, 4, "Delete");
const FILE_COPY: Activity = Activity::new(Class::FileHostingActivity, 6, "Copy");
const FILE_RESTORE: Activity = Activity::new(Class::FileHostingActivity, 8, "Restore");
const FILE_SHARE: Activity = Activity::new(Class::FileHostingActivity, 12, "Share");
const FILE_UNSHARE: Activity = Activity::new(Class::FileHostingActivity, 13, "Unshare");
const FILE_OPEN: Activity = Activity::new(Class::FileHostingActivity, 14, "Open");

/// What 1.1.0 shows instead of an activity that it lacks: its Entity Management ends with Delete, and its Application
/// Lifecycle has no more than Install and Remove for us, so an app that is allowed, forbidden or changed is an entity that
/// is updated. The action itself is in `metadata.event_code` all the same.
const DOWNGRADES: &[(Activity, &[Activity])] = &[(
    ENTITY_UPDATE,
    &[
        ENTITY_MOVE,
        ENTITY_ENROLL,
        ENTITY_UNENROLL,
        ENTITY_ENABLE,
        ENTITY_DISABLE,
        ENTITY_ACTIVATE,
        ENTITY_DEACTIVATE,
        ENTITY_SUSPEND,
        ENTITY_RESUME,
        APP_ENABLE,
        APP_DISABLE,
        APP_UPDATE,
    ],
)];

pub(super) const FINDING_CREATE: Activity = Activity::new(Class::DetectionFinding, 1, "Create");
pub(super) const FINDING_UPDATE: Activity = Activity::new(Class::DetectionFinding, 2, "Update");
pub(super) const FINDING_CLOSE: Activity = Activity::new(Class::DetectionFinding, 3, "Close");

#[rustfmt::skip]
const TABLE: Rows<Activity> = &[
    // Findings that Slack makes itself.
    (FINDING_CREATE, &[
        "anomaly", "file_malicious_content_detected", "native_dlp_rule_action_applied",
        "workflow_trigger_suspicious_keyword", "workflow_ai_answer_suspicious_prompt",
    ]),
    (FINDING_CLOSE, &["native_dlp_violation_deleted"]),

    // Sign-in and sessions. A session that someone else ends is still the target's logoff.
    (LOGON, &["user_login", "user_login_failed", "cli_login", "ip_allowlist_access_denied"]),
    (LOGOFF, &[
        "user_logout", "user_logout_*", "cli_logout", "user_session_invalidated", "user_session_reset_by_admin",
        "user_sessions_reset_by_*", "bulk_session_reset_by_admin",
    ]),
    (AUTHENTICATION_OTHER, &["user_force_upgrade_non_compliant_mobile_app_version"]),

    // Accounts.
    (ACCOUNT_CREATE, &["user_created", "guest_created"]),
    (ACCOUNT_ENABLE, &["user_reactivated", "guest_reactivated"]),
    (ACCOUNT_PASSWORD_RESET, &["user_password_reset_by_admin", "user_password_reset_slack_security"]),
    (ACCOUNT_DISABLE, &["user_deactivated", "guest_deactivated", "guest_expired", "external_user_disconnected"]),
    (ACCOUNT_MFA_ENABLE, &["user_passkey_created"]),
    (ACCOUNT_MFA_DISABLE, &["user_passkey_removed"]),
    (ACCOUNT_OTHER, &[
        "user_passkey_name_edited", "user_email_updated", "email_change_created", "email_change_confirmed",
        "user_username_updated", "user_profile_*", "user_merged", "user_session_settings_changed", "custom_tos_accepted",
        "guest_expiration_set", "guest_expiration_cleared", "guest_transferred_to_external_user",
        "quip_migration_user_mapping_*", "migration_user_conflict_*", "user_password_reset_requested",
        "service_owner_transferred",
    ]),

    // A user's standing, in the direction that it went. Who is made an ordinary user was mostly an admin or owner before; that a
    // guest becomes one is written alike, and the entry doesn't say which it was.
    (PRIVILEGES_ASSIGN, &[
        "role_change_to_admin", "role_change_to_owner", "role_assigned", "owner_transferred", "org_owner_created",
        "license_assigned", "salesforce_access_granted", "permissions_assigned",
    ]),
    (PRIVILEGES_REVOKE, &[
        "role_change_to_user", "role_change_to_guest", "role_removed", "license_removed", "salesforce_access_removed",
        "permissions_removed",
    ]),

    // Membership: user groups, channels, direct messages, workspaces, huddles.
    (GROUP_ADD_USER, &[
        "user_channel_join", "guest_channel_join", "dm_user_added", "user_joined_workspace", "guest_joined_workspace",
        "user_added_to_usergroup", "user_add_to_usergroup_failed",
        "huddle_participant_joined", "huddle_knock_accepted", "sales_elevate_members_added",
    ]),
    (GROUP_REMOVE_USER, &[
        "user_channel_leave", "guest_channel_leave", "user_removed_from_usergroup", "huddle_participant_left",
        "huddle_participant_dropped", "sales_elevate_members_removed",
    ]),
    (GROUP_ASSIGN_PRIVILEGES, &["role_added_to_usergroup"]),
    (GROUP_REVOKE_PRIVILEGES, &["role_removed_from_usergroup"]),
    (GROUP_OTHER, &[
        "role_modified_on_usergroup", "default_channel_added_to_usergroup", "default_channel_removed_from_usergroup",
        "usergroup_added_to_team", "usergroup_removed_from_team", "usergroup_add_to_team_enqueued",
        "usergroup_remove_from_team_enqueued", "usergroup_updated", "usergroup_update_enqueued",
        "usergroup_section_updated", "user_bulk_upload_to_usergroup_started",
    ]),

    // Apps. Approving lets an app be installed and restricting forbids it: enable and disable.
    (APP_INSTALL, &[
        "app_installed", "org_app_installed", "org_app_workspace_added", "child_app_auto_installed",
        "child_app_auto_install_denied", "cli_app_install",
    ]),
    (APP_REMOVE, &[
        "app_uninstalled", "org_app_uninstalled", "org_app_workspace_removed", "app_deleted", "cli_app_delete",
        "agentforce_agent_slack_deleted",
    ]),
    (APP_ENABLE, &["app_approved", "org_app_future_workspace_install_enabled", "agentforce_agent_activated"]),
    (APP_DISABLE, &[
        "app_restricted", "app_removed_from_whitelist", "org_app_future_workspace_install_disabled",
        "agentforce_agent_deactivated",
    ]),
    (APP_UPDATE, &[
        "app_scopes_expanded", "app_resources_granted", "app_resources_added", "app_token_preserved",
        "workflow_app_token_preserved", "bot_token_upgraded", "bot_token_downgraded", "org_app_upgraded_to_org_install",
        "app_datastore_*", "app_collaborator_*", "app_variable_*", "app_manifest_*", "app_deployed",
        "admin_app_config_updated", "app_mcp_server_*", "child_app_manifest_created", "child_app_manifest_updated",
        "child_app_manifest_deleted", "child_app_manager_disconnected", "cli_app_deploy",
        "agentforce_agent_slack_connection_*", "agentforce_agent_actions_updated", "agentforce_agent_metadata_updated",
    ]),
    (APP_OTHER, &["app_allowlist_rule_matched", "child_app_manifest_exported"]),

    // Files, canvases and lists.
    (FILE_UPLOAD, &["file_uploaded", "file_upload_blocked_by_type", "canvas_created", "list_created"]),
    (FILE_DOWNLOAD, &[
        "file_downloaded", "file_download_blocked", "file_downloaded_blocked", "canvas_downloaded", "list_downloaded",
    ]),
    (FILE_OPEN, &["canvas_opened", "list_opened"]),
    (FILE_SHARE, &[
        "file_shared", "file_share_blocked_by_type", "file_public_link_created", "canvas_shared", "list_shared",
        "canvas_access_added", "list_access_added", "canvas_linksharing_enabled", "list_linksharing_enabled",
        "canvas_share_limit_reached", "list_share_limit_reached",
    ]),
    (FILE_UNSHARE, &[
        "file_public_link_revoked", "canvas_unshared", "canvas_access_revoked", "list_access_revoked",
        "canvas_linksharing_disabled", "list_linksharing_disabled",
    ]),
    (FILE_DELETE, &["file_deleted", "canvas_deleted", "canvas_tombstoned", "list_deleted", "list_tombstoned"]),
    (FILE_RESTORE, &["canvas_restored", "canvas_undeleted", "list_restored", "list_undeleted", "list_full_restored"]),
    (FILE_COPY, &["canvas_template_used", "canvas_quip_document_cloned"]),
    (FILE_UPDATE, &[
        "file_owner_reassigned_for_quip_migration",
        "canvas_edited", "canvas_merged", "canvas_access_downgraded", "canvas_access_upgraded",
        "canvas_ownership_transferred", "canvas_converted_to_*", "canvas_template_reverted", "canvas_restricted_sharing_*",
        "canvas_quip_migration_undone", "canvas_slack_ai_exclusion_*",
        "list_cell_updated", "list_column_*", "list_row_*", "list_rows_*", "list_view_*", "list_default_view_updated",
        "list_converted_to_template", "list_description_updated", "list_icon_updated", "list_title_updated",
        "list_template_*", "list_todo_mode_updated", "list_access_downgraded", "list_access_upgraded",
        "list_ownership_transferred", "list_restricted_sharing_*", "list_slack_ai_exclusion_*",
    ]),

    // Tools and AI: calls made through Slack's API by or for a user. OCSF has no "execute", so that is Other.
    (API_READ, &[
        "mcp_slack_read_*_tool_called", "mcp_slack_search_*_tool_called", "mcp_slack_list_*_tool_called",
        "mcp_slack_get_reactions_tool_called", "mcp_slack_get_workflow_*_tool_called", "slack_ai_calendar_read",
        "slack_ai_mcp_resource_read", "slack_ai_mcp_link_opened",
    ]),
    (API_CREATE, &[
        "mcp_slack_create_*_tool_called", "mcp_slack_send_*_tool_called", "mcp_slack_add_*_tool_called",
        "mcp_slack_schedule_message_tool_called", "mcp_slack_get_file_upload_url_tool_called",
        "mcp_slack_complete_file_upload_tool_called", "slack_ai_calendar_create", "slack_ai_mcp_message_sent",
        "app_agentforce_shareable_prompt_created", "app_agentforce_session_created_from_prompt_link",
        "slackbot_ai_shareable_prompt_created", "audit_logs_ai_summary_generated",
        "slack_ai_message_rewriter", "slack_ai_*_generated", "slack_ai_*_regenerated",
    ]),
    (API_UPDATE, &[
        "mcp_slack_update_*_tool_called", "mcp_slack_mark_read_tool_called",
        "mcp_slack_canvas_find_replace_tool_called", "slack_ai_calendar_update", "slack_ai_suggested_todo_dismissed",
    ]),
    (API_DELETE, &["mcp_slack_delete_*_tool_called", "slack_ai_file_summary_deleted"]),
    (API_OTHER, &[
        "mcp_slack_run_workflow_tool_called", "slack_ai_mcp_tool_called", "slack_ai_skill_invoked",
        "app_flows_execute_slack_action", "app_agentforce_execute_slack_action", "slackbot_ai_canvas_approval_bypassed",
        "slack_ai_agent_stream_stopped", "slack_ai_summary_requested",
    ]),

    // Channels and messages.
    (RESOURCE_CREATE, &[
        "public_channel_created", "private_channel_created", "channel_email_address_created", "channel_tab_added",
        "channel_template_provisioned", "featured_workflow_added", "user_added_reminder",
        "slack_ai_skill_external_copy_added",
    ]),
    (RESOURCE_READ, &["public_channel_preview", "message_activity_viewed", "custom_tos_link_clicked"]),
    (RESOURCE_UPDATE, &[
        "public_channel_archive", "private_channel_archive", "public_channel_unarchive", "private_channel_unarchive",
        "record_channel_archive", "record_channel_unarchive", "record_channel_channel_type_conversion",
        "mpim_converted_to_private", "public_channel_converted_to_private", "private_channel_converted_to_public",
        "group_converted_to_channel", "channel_converted_to_record_channel", "record_channel_converted_to_channel",
        "channel_workspaces_updated", "channel_moved", "channel_renamed", "channel_retention_changed",
        "channel_*_changed_from_org_level", "channel_posting_permissions_updated", "channel_huddle_properties_updated",
        "channel_exclude_from_slack_ai_updated", "channel_restrict_*_updated", "channel_properties_updated",
        "message_restored", "message_flag_restored", "message_moderated",
        "thread_replies_*", "thread_hidden", "ai_message_redacted", "ai_message_redaction_restored",
        "external_shared_channel_host_transferred",
    ]),
    (RESOURCE_DELETE, &[
        "public_channel_deleted", "private_channel_deleted", "channel_email_address_deleted", "channel_tab_removed",
        "featured_workflow_removed", "message_tombstoned",
    ]),
    (RESOURCE_OTHER, &[
        "channel_detail_flag*", "message_flagged", "message_flag_dismissed", "message_flag_assignment",
        "message_flag_unassignment",
    ]),

    // Slack Connect. Share is what opens a door to another organization, or says yes to one that was offered; shutting one is
    // an update. An invitation that nobody has taken, or that came to nothing, opened and shut nothing.
    (RESOURCE_SHARE, &[
        "external_shared_channel_connected", "external_shared_channel_reconnected",
        "external_shared_channel_invite_accepted", "external_shared_channel_invite_approved",
        "external_shared_channel_invite_request_approved", "external_shared_channel_access_upgraded",
        "connect_dm_invite_accepted", "private_message_forwarded",
        "sales_home_notification_forwarded", "record_shared", "slack_ai_skill_share_link_created",
    ]),
    (RESOURCE_UPDATE, &[
        "external_shared_channel_disconnected", "external_shared_channel_disconnect_and_archived",
        "external_shared_channel_access_downgraded", "slack_ai_skill_share_link_revoked",
    ]),
    (RESOURCE_OTHER, &[
        "external_shared_channel_invite_sent", "external_shared_channel_invite_created",
        "external_shared_channel_invite_requested", "external_shared_channel_invite_request_denied",
        "external_shared_channel_invite_declined", "external_shared_channel_invite_expired",
        "external_shared_channel_invite_revoked", "external_shared_channel_invite_auto_revoked",
        "connect_dm_invite_generated", "connect_dm_invite_ignored", "connect_dm_invite_revoked",
    ]),

    // Data on its way out or in, and searches of the audit log.
    (RESOURCE_EXPORT, &[
        "manual_export_*", "scheduled_export_*", "channels_export_*", "manual_user_export_*", "channel_audit_export_*",
        "search_query_audit_logs_export_*", "search_query_audit_logs_max_rows_failure", "audit_logs_export_*",
        "apps_analytics_export_*", "workflow_analytics_export_*", "slackbot_analytics_export_*",
        "security_settings_export_*", "export_private_channel_analytics_created", "workflow_responses_csv_download",
    ]),
    (RESOURCE_DELETE, &[
        "manual_export_deleted", "scheduled_export_deleted", "channels_export_deleted", "manual_user_export_deleted",
        "channel_audit_export_deleted", "search_query_audit_logs_export_deleted",
    ]),
    (RESOURCE_IMPORT, &["contacts_import_*", "object_import_*", "migration_bulk_user_resolutions_upload*"]),
    (RESOURCE_SEARCH, &["audit_logs_records_searched", "audit_logs_records_searched_anomaly"]),

    // Settings of a workspace or the organization.
    (ENTITY_UPDATE, &["pref.*", "prefs_setting_changed"]),
    (ENTITY_CREATE, &["auth_policy_created"]),
    (ENTITY_UPDATE, &[
        "auth_policy_entity_*", "slack_connect_pref_set", "slack_connect_pref_migrated", "slack_connect_guidelines_changed",
        "flexible_access_control_set", "data_deletion_date_changed", "salesforce_channels_retention_settings_synced",
        "user_anomaly_event_reponse_allowlist_changed", "user_anomaly_event_response_allowlist_changed",
        "usergroup_anomaly_event_response_allowlist_changed", "slack_ai_permissions_reset",
        "slack_ai_mcp_tool_permission_changed", "slack_ai_mcp_connector_changed", "salesforce_permissions_synced",
    ]),
    (ENTITY_DELETE, &["slack_connect_pref_removed"]),
    (ENTITY_ENABLE, &["slack_connect_invite_routing_enabled", "intune_enabled", "ip_allowlist_enabled"]),
    (ENTITY_DISABLE, &["slack_connect_invite_routing_disabled", "intune_disabled", "ip_allowlist_disabled"]),
    (ENTITY_UPDATE, &["team_authorized_ip_range_set", "team_authorized_ip_range_added", "team_authorized_ip_range_removed"]),

    // Keys and identity providers.
    (ENTITY_ENROLL, &["ekm_enrolled"]),
    (ENTITY_UNENROLL, &["ekm_unenrolled"]),
    (ENTITY_UPDATE, &["ekm_key_added", "ekm_key_removed", "ekm_clear_cache_set", "ekm_logging_config_set"]),
    (ENTITY_OTHER, &["ekm_slackbot_*_notification_sent"]),
    (ENTITY_CREATE, &["idp_configuration_added", "seamless_auth_*_created"]),
    (ENTITY_UPDATE, &[
        "idp_prod_configuration_updated", "idp_test_configuration_updated", "seamless_auth_org_update",
        "seamless_auth_org_updated", "enterprise_managed_auth_rebound",
    ]),
    (ENTITY_DELETE, &[
        "idp_configuration_deleted", "seamless_auth_org_disconnected", "seamless_auth_*_revoked",
        "external_auth_oauth2_token_deleted",
    ]),
    (ENTITY_READ, &["external_auth_oauth2_token_fetched"]),
    (ENTITY_UPDATE, &["external_auth_oauth2_token_refreshed"]),
    (ENTITY_ENABLE, &["enterprise_managed_auth_enabled"]),
    (ENTITY_DISABLE, &["enterprise_managed_auth_disabled"]),

    // Roles as such.
    (ENTITY_CREATE, &["role_created"]),
    (ENTITY_UPDATE, &["role_updated"]),
    (ENTITY_DELETE, &["role_deleted"]),

    // Information barriers, legal holds, data loss prevention, app approval rules.
    (ENTITY_CREATE, &[
        "barrier_created", "legal_hold_policy_created", "native_dlp_rule_created", "app_allowlist_rule_created",
        "child_app_auto_install_rule_created",
    ]),
    (ENTITY_UPDATE, &[
        "barrier_updated", "legal_hold_policy_updated", "legal_hold_policy_entities_*", "legal_hold_policy_exclusion_*",
        "native_dlp_rule_edited", "app_allowlist_rule_updated", "app_allowlist_rule_reordered",
        "app_allowlist_scopes_rating_updated",
    ]),
    (ENTITY_DELETE, &["barrier_deleted", "app_allowlist_rule_deleted"]),
    (ENTITY_ACTIVATE, &["legal_hold_policy_reactivated", "native_dlp_rule_reactivated", "app_allowlist_rule_activated"]),
    (ENTITY_DEACTIVATE, &["legal_hold_policy_released", "native_dlp_rule_deactivated", "app_allowlist_rule_deactivated"]),

    // Workspaces, the organization, domains.
    (ENTITY_CREATE, &["workspace_created", "organization_created", "domain_created", "emoji_added", "emoji_aliased"]),
    (ENTITY_UPDATE, &[
        "organization_renamed", "organization_domain_changed", "org_verified", "org_unverified", "org_public_url_updated",
        "organization_verified", "organization_unverified", "organization_public_url_updated", "domain_verified",
        "domain_unverified", "domain_email_restricted", "domain_email_unrestricted", "emoji_renamed",
        "billing_address_added", "approved_orgs_added", "approved_orgs_removed",
    ]),
    (ENTITY_DELETE, &["workspace_deleted", "organization_deleted", "domain_deleted", "emoji_removed"]),
    (ENTITY_ENABLE, &[
        "corporate_exports_approved", "corporate_exports_enabled", "organization_channel_audit_export_enabled",
        "workspace_channel_audit_export_enabled",
    ]),
    (ENTITY_UPDATE, &["export_app_configuration_upserted"]),
    (ENTITY_DELETE, &["export_app_configuration_deleted"]),

    // Moves between organizations and copies of workspaces.
    (ENTITY_MOVE, &["migration_completed", "migration_dms_mpdms_completed"]),
    (ENTITY_OTHER, &[
        "migration_scheduled", "organization_accepted_migration", "organization_declined_migration", "workspace_accepted_migration",
        "workspace_declined_migration", "organization_*_migration_intent", "team_*_migration_intent",
        "migration_checklist_item_completed", "migration_bulk_email_process_completed",
        "migration_bulk_user_resolutions_undone", "workspace_copy_*", "*_slackbot_pref_request",
        "team.unsupportedVersions.*", "team_unsupported_versions_*",
    ]),
    (ENTITY_CREATE, &["quip_migration_org_mapping_added"]),
    (ENTITY_UPDATE, &["quip_migration_org_mapping_updated"]),
    (ENTITY_DELETE, &["quip_migration_org_mapping_removed", "quip_migration_org_mapping_deleted"]),

    // Workflows, functions, templates.
    (ENTITY_CREATE, &["workflow_created", "template_created"]),
    (ENTITY_UPDATE, &[
        "workflow_modified", "workflow_trigger_permission_*", "function_distribution_permission_*",
        "template_collaborator_*", "template_updated",
    ]),
    (ENTITY_DELETE, &["workflow_deleted", "template_deleted"]),
    (ENTITY_ENABLE, &["workflow_published", "workflow_v2_published", "template_provisioned"]),
    (ENTITY_DISABLE, &["workflow_unpublished"]),

    // Huddles.
    (ENTITY_ACTIVATE, &["huddle_started"]),
    (ENTITY_DEACTIVATE, &["huddle_ended"]),
    (ENTITY_ENABLE, &["huddle_screenshare_on", "huddle_transcription_started"]),
    (ENTITY_DISABLE, &["huddle_screenshare_off", "huddle_transcription_cancelled"]),
    (ENTITY_SUSPEND, &["huddle_transcription_paused"]),
    (ENTITY_RESUME, &["huddle_transcription_resumed"]),
    (ENTITY_OTHER, &["huddle_participant_transcript_consent", "huddle_transcription_start_notification"]),

    // Salesforce and AI skills.
    (ENTITY_CREATE, &["field_created", "sales_elevate_object_mappings_set", "sales_elevate_org_connection_added"]),
    (ENTITY_UPDATE, &[
        "field_updated", "field_visibility_updated", "sales_elevate_*_updated",
        "sales_elevate_sales_admin_activity_config_changed", "salesforce_mcp_server_config_updated",
        "salesforce_mcp_server_acl_updated", "salesforce_mcp_server_workspace_granted",
        "salesforce_mcp_server_workspace_revoked", "slack_ai_skill_metadata_updated",
    ]),
    (ENTITY_DELETE, &["sales_elevate_org_connection_removed", "salesforce_mcp_server_deleted"]),
    (ENTITY_ENABLE, &[
        "salesforce_mcp_server_enabled", "salesforce_mcp_server_org_reconnected", "slack_ai_skill_auto_enabled",
    ]),
    (ENTITY_DISABLE, &[
        "salesforce_mcp_server_disabled", "salesforce_mcp_server_org_disconnected", "slack_ai_skill_auto_disabled",
    ]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use gridwatch_names::catalogue;
    use std::collections::BTreeMap;

    /// Seen in live organizations or in Slack's docs, though in no list of Slack's.
    const NOT_IN_THE_CATALOGUE: [&str; 4] =
        ["email_change_created", "email_change_confirmed", "app_resources_added", "slack_ai_agent_stream_stopped"];

    #[test]
    fn every_action_of_the_catalogue_has_a_row() {
        let missing: Vec<_> = catalogue::actions().filter(|action| !mapping(action).is_known).collect();
        assert!(missing.is_empty(), "{} without a row: {missing:#?}", missing.len());
    }

    #[test]
    fn no_row_is_dead_and_no_name_stands_twice() {
        let mut rows: BTreeMap<&str, Vec<Activity>> = BTreeMap::new();
        for (pattern, activity) in flat(TABLE) {
            assert!(pattern.matches('*').count() <= 1, "{pattern}");
            assert!(
                NOT_IN_THE_CATALOGUE.contains(&pattern) || catalogue::actions().any(|action| matches(pattern, action)),
                "no action is called {pattern}"
            );
            rows.entry(pattern).or_default().push(activity);
        }
        for (pattern, activities) in rows {
            assert_eq!(activities.len(), 1, "{pattern} is in the table more than once");
        }
        let others =
            flat(STATUSES).map(|r| r.0).chain(flat(SEVERITIES).map(|r| r.0)).chain(flat(PRIVILEGES).map(|r| r.0));
        for pattern in others.chain(POLICIES.iter().chain(OWN_ACTS).copied()) {
            assert!(catalogue::actions().any(|action| matches(pattern, action)), "no action is called {pattern}");
        }
    }

    #[test]
    fn two_patterns_never_disagree_about_an_action() {
        for action in catalogue::actions().filter(|action| !BY_NAME.contains_key(action)) {
            let hits: Vec<_> = PATTERNS.iter().filter(|(pattern, _)| matches(pattern, action)).collect();
            assert!(hits.iter().all(|hit| hit.1 == hits[0].1), "{action}: {hits:?}");
        }
    }

    /// The two directions of one act: where the catalogue has both names, they differ in this word alone.
    const OPPOSITES: &[(&str, &str)] = &[
        ("accepted", "declined"),
        ("activated", "deactivated"),
        ("added", "removed"),
        ("added", "revoked"),
        ("archive", "unarchive"),
        ("assigned", "removed"),
        ("assignment", "unassignment"),
        ("connected", "disconnected"),
        ("created", "deleted"),
        ("created", "revoked"),
        ("enabled", "disabled"),
        ("enrolled", "unenrolled"),
        ("granted", "removed"),
        ("granted", "revoked"),
        ("installed", "uninstalled"),
        ("join", "leave"),
        ("joined", "left"),
        ("login", "logout"),
        ("on", "off"),
        ("published", "unpublished"),
        ("reactivated", "deactivated"),
        ("restricted", "approved"),
        ("shared", "unshared"),
        ("upgraded", "downgraded"),
        ("verified", "unverified"),
    ];

    fn opposites() -> impl Iterator<Item = (&'static str, &'static str)> {
        let named = |name: String| catalogue::actions().find(|action| *action == name);
        OPPOSITES.iter().flat_map(move |(one, other)| {
            catalogue::actions().filter_map(move |action| {
                let swapped: Vec<&str> =
                    action.split('_').map(|word| if word == *one { *other } else { word }).collect();
                let twin = named(swapped.join("_")).filter(|twin| *twin != action)?;
                Some((action, twin))
            })
        })
    }

    #[test]
    fn the_two_directions_of_an_act_share_a_class() {
        let pairs: Vec<_> = opposites().collect();
        assert!(pairs.len() > 80, "{}", pairs.len());
        for (one, other) in pairs {
            assert_eq!(mapping(one).activity.class, mapping(other).activity.class, "{one} and {other}");
        }
    }

    #[test]
    fn privileges_go_the_way_that_the_action_says() {
        let takes_away = |action: &str| {
            action.contains("removed") || matches!(action, "role_change_to_user" | "role_change_to_guest")
        };
        for action in catalogue::actions() {
            let activity = mapping(action).activity;
            let is_about_group = activity.class == Class::GroupManagement;
            let gives = if is_about_group { GROUP_ASSIGN_PRIVILEGES } else { PRIVILEGES_ASSIGN };
            let takes = if is_about_group { GROUP_REVOKE_PRIVILEGES } else { PRIVILEGES_REVOKE };
            if activity == gives || activity == takes {
                assert_eq!(activity == takes, takes_away(action), "{action}");
            }
        }
        for action in ["role_assigned", "permissions_assigned", "license_assigned", "role_change_to_admin"] {
            assert_eq!(mapping(action).activity, PRIVILEGES_ASSIGN, "{action}");
        }
        let (assigned, removed) = (mapping("permissions_assigned"), mapping("permissions_removed"));
        assert_eq!(assigned.in_direction(false).activity, removed.activity);
        assert_eq!(removed.in_direction(true).activity, removed.activity, "a removal never gives");
    }

    /// Asked for, offered, planned or queued, or an offer that came to nothing.
    pub(crate) const ONLY_ASKED: &[&str] = &[
        "*_requested",
        "*_enqueued",
        "*_intent",
        "*_pref_request",
        "*_scheduled",
        "*_invite_sent",
        "*_invite_created",
        "*_invite_generated",
        "*_invite_ignored",
        "*_invite_declined",
        "*_invite_expired",
        "*_invite_revoked",
        "*_invite_auto_revoked",
        "*_invite_request_denied",
        "user_bulk_upload_*_started",
    ];

    #[test]
    fn what_is_only_asked_for_is_not_done() {
        for pattern in ONLY_ASKED {
            let asked: Vec<_> = catalogue::actions().filter(|action| matches(pattern, action)).collect();
            assert!(!asked.is_empty(), "no action is called {pattern}");
            for action in asked {
                assert_eq!(mapping(action).activity.id, 99, "{action}");
            }
        }
    }

    #[test]
    fn what_slack_itself_judged_is_a_finding() {
        let judged = |action: &&str| {
            *action == "anomaly" || ["suspicious", "malicious", "violation"].iter().any(|word| action.contains(word))
        };
        let judged: Vec<_> = catalogue::actions().filter(judged).collect();
        assert!(judged.len() >= 5, "{judged:?}");
        for action in judged {
            assert_eq!(mapping(action).activity.class, Class::DetectionFinding, "{action}");
        }
        // Slack's word for a page of its audit dashboard that somebody opened, and no verdict on it.
        assert_eq!(mapping("audit_logs_records_searched_anomaly").activity, RESOURCE_SEARCH);
    }

    #[test]
    fn both_spellings_of_a_twin_map_alike() {
        for (one, other) in [
            ("file_download_blocked", "file_downloaded_blocked"),
            ("user_anomaly_event_reponse_allowlist_changed", "user_anomaly_event_response_allowlist_changed"),
            ("team.unsupportedVersions.start.failure", "team_unsupported_versions_start_failure"),
            ("org_verified", "organization_verified"),
            ("pref.invites_only_admins", "pref.invites_only_admins_changed"),
            ("mcp_slack_create_conversation_tool_called", "mcp_slack_create_conversations_tool_called"),
        ] {
            assert_eq!(mapping(one), mapping(other), "{one} and {other}");
        }
    }

    #[test]
    fn what_did_not_come_off_is_a_failure() {
        let by_status = |status| catalogue::actions().filter(move |a| mapping(a).status == status).collect::<Vec<_>>();
        assert_eq!(
            by_status(Status::Blocked),
            [
                "canvas_share_limit_reached",
                "child_app_auto_install_denied",
                "external_shared_channel_invite_request_denied",
                "file_download_blocked",
                "file_downloaded_blocked",
                "file_share_blocked_by_type",
                "file_upload_blocked_by_type",
                "ip_allowlist_access_denied",
                "list_share_limit_reached",
            ]
        );
        assert_eq!(
            by_status(Status::Failure),
            [
                "contacts_import_failed",
                "migration_bulk_user_resolutions_upload_failed",
                "object_import_failed",
                "search_query_audit_logs_max_rows_failure",
                "team.unsupportedVersions.start.failure",
                "team_unsupported_versions_start_failure",
                "user_add_to_usergroup_failed",
                "user_login_failed",
            ]
        );
    }

    #[test]
    fn a_star_stands_for_any_text_and_for_none() {
        for (pattern, action, is_match) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("ab", "a", false),
            ("a*", "a", true),
            ("a*", "abc", true),
            ("*a", "ba", true),
            ("*a", "ab", false),
            ("ab*ba", "abba", true),
            ("ab*ba", "aba", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, action), is_match, "{pattern} {action}");
        }
    }

    #[test]
    fn an_unknown_action_is_a_base_event() {
        for action in ["", "made_up", "message_deleted", "*", "ü"] {
            let mapping = mapping(action);
            assert_eq!((mapping.activity.type_uid(), mapping.is_known), (99, false), "{action}");
        }
    }
}
