//! The rows of the table of methods, by name.

use super::{Argument, Effect, Fill, Method, Need, TargetKind, Tier};

const fn required(name: &'static str, fill: Fill) -> Argument {
    Argument { name, fill, need: Need::Required }
}

const fn optional(name: &'static str, fill: Fill) -> Argument {
    Argument { name, fill, need: Need::Optional }
}

const USERS_WRITE: &[&str] = &["admin.users:write"];
const USERS_READ: &[&str] = &["admin.users:read"];
const APPS_READ: &[&str] = &["admin.apps:read"];
const APPS_WRITE: &[&str] = &["admin.apps:write"];
const CONVERSATIONS_WRITE: &[&str] = &["admin.conversations:write"];
const CONVERSATIONS_READ: &[&str] = &["admin.conversations:read"];
const WORKFLOWS_WRITE: &[&str] = &["admin.workflows:write"];
const FILES_WRITE: &[&str] = &["files:write"];
const ROLE: Argument = required("role_id", Fill::Person("ROLE_ID"));
const ENTITIES: Argument = required("entity_ids", Fill::Person("WORKSPACE_OR_ORG_ID"));

/// What holds of most rows; a row says the rest.
const PLAIN: Method = Method {
    name: "",
    scopes: &[],
    tier: Tier::Two,
    effect: Effect::Reads,
    target: TargetKind::Nothing,
    arguments: &[],
    limits: "",
    undo: None,
    echoes: &[],
};

pub const METHODS: &[Method] = &[
    Method {
        name: "admin.apps.activities.list",
        scopes: &["admin.app_activities:read"],
        tier: Tier::Three,
        target: TargetKind::App,
        arguments: &[required("app_id", Fill::Target), optional("team_id", Fill::Workspace)],
        limits: "apps on Slack's own platform only; others show their calls nowhere but in the audit log",
        ..PLAIN
    },
    Method {
        name: "admin.apps.approve",
        scopes: APPS_WRITE,
        effect: Effect::Lasting,
        target: TargetKind::App,
        arguments: &[required("app_id", Fill::Target), required("enterprise_id", Fill::Enterprise)],
        limits: "lets an app back in that was restricted; what was uninstalled has to be installed again",
        ..PLAIN
    },
    Method {
        name: "admin.apps.approved.list",
        scopes: &["admin.apps:read"],
        arguments: &[required("enterprise_id", Fill::Enterprise)],
        limits: "in pages; go on with `cursor`",
        ..PLAIN
    },
    Method {
        name: "admin.apps.clearResolution",
        scopes: APPS_WRITE,
        effect: Effect::Lasting,
        target: TargetKind::App,
        arguments: &[required("app_id", Fill::Target), required("enterprise_id", Fill::Enterprise)],
        limits: "the app is neither approved nor restricted afterwards",
        ..PLAIN
    },
    Method {
        name: "admin.apps.config.lookup",
        scopes: APPS_READ,
        target: TargetKind::App,
        arguments: &[required("app_ids", Fill::Target)],
        limits: "which domains an app's workflows may call",
        ..PLAIN
    },
    Method {
        name: "admin.apps.config.set",
        scopes: APPS_WRITE,
        tier: Tier::Three,
        effect: Effect::Lasting,
        target: TargetKind::App,
        arguments: &[
            required("app_id", Fill::Target),
            optional("domain_restrictions", Fill::Person("RESTRICTIONS_AS_JSON")),
        ],
        limits: "which domains an app's workflows may call, as in {\"urls\":[\"https://example.com\"]}",
        ..PLAIN
    },
    Method {
        name: "admin.apps.requests.cancel",
        scopes: APPS_WRITE,
        effect: Effect::Lasting,
        arguments: &[required("request_id", Fill::Person("REQUEST_ID")), required("enterprise_id", Fill::Enterprise)],
        limits: "a request that waits for approval; whoever asked may ask again",
        ..PLAIN
    },
    Method {
        name: "admin.apps.requests.list",
        scopes: APPS_READ,
        arguments: &[required("enterprise_id", Fill::Enterprise)],
        limits: "requests that wait for approval; in pages; go on with `cursor`",
        ..PLAIN
    },
    Method {
        name: "admin.apps.restrict",
        scopes: APPS_WRITE,
        effect: Effect::Reversible,
        target: TargetKind::App,
        arguments: &[required("app_id", Fill::Target), required("enterprise_id", Fill::Enterprise)],
        limits: "stops new installs only: what is installed goes on, with its tokens",
        undo: Some("admin.apps.clearResolution"),
        echoes: &["app_restricted"],
        ..PLAIN
    },
    Method {
        name: "admin.apps.restricted.list",
        scopes: &["admin.apps:read"],
        arguments: &[required("enterprise_id", Fill::Enterprise)],
        limits: "in pages; go on with `cursor`",
        ..PLAIN
    },
    Method {
        name: "admin.apps.uninstall",
        scopes: APPS_WRITE,
        tier: Tier::One,
        effect: Effect::Lasting,
        target: TargetKind::App,
        arguments: &[required("app_id", Fill::Target), required("enterprise_id", Fill::Enterprise)],
        limits: "ends the app's tokens everywhere and for good; not for SCIM and app management apps; with `team_ids` instead of \
                 `enterprise_id` for up to 100 workspaces",
        echoes: &["app_uninstalled", "org_app_workspace_removed"],
        ..PLAIN
    },
    Method {
        name: "admin.audit.anomaly.allow.getItem",
        scopes: &["admin"],
        limits: "its counterpart `updateItem` overwrites the whole list",
        ..PLAIN
    },
    Method {
        name: "admin.audit.anomaly.allow.updateItem",
        scopes: &["admin"],
        effect: Effect::Lasting,
        arguments: &[optional("trusted_cidr", Fill::Person("RANGES")), optional("trusted_asns", Fill::Person("ASNS"))],
        limits: "overwrites the whole list: read it with `getItem` first; Slack's anomalies of addresses in it aren't logged",
        ..PLAIN
    },
    Method {
        name: "admin.auth.policy.assignEntities",
        scopes: USERS_WRITE,
        tier: Tier::Four,
        effect: Effect::Lasting,
        target: TargetKind::User,
        arguments: &[
            required("policy_name", Fill::Fixed("email_password")),
            required("entity_type", Fill::Fixed("USER")),
            required("entity_ids", Fill::Target),
        ],
        limits: "lets somebody sign in with a password beside single sign-on",
        ..PLAIN
    },
    Method {
        name: "admin.auth.policy.getEntities",
        scopes: USERS_READ,
        tier: Tier::Four,
        arguments: &[
            required("policy_name", Fill::Fixed("email_password")),
            optional("entity_type", Fill::Fixed("USER")),
        ],
        limits: "in pages; go on with `cursor`",
        ..PLAIN
    },
    Method {
        name: "admin.auth.policy.removeEntities",
        scopes: USERS_WRITE,
        tier: Tier::Four,
        effect: Effect::Lasting,
        target: TargetKind::User,
        arguments: &[
            required("policy_name", Fill::Fixed("email_password")),
            required("entity_type", Fill::Fixed("USER")),
            required("entity_ids", Fill::Target),
        ],
        limits: "sessions begun with a password go on: end them too",
        ..PLAIN
    },
    Method {
        name: "admin.barriers.create",
        scopes: &["admin.barriers:write"],
        effect: Effect::Lasting,
        arguments: &[
            required("primary_usergroup_id", Fill::Person("USERGROUP_ID")),
            required("barriered_from_usergroup_ids", Fill::Person("USERGROUP_IDS")),
            required("restricted_subjects", Fill::Fixed("im,mpim,call")),
        ],
        limits: "as the deleted barrier was; its entry in the log names the groups",
        ..PLAIN
    },
    Method {
        name: "admin.barriers.delete",
        scopes: &["admin.barriers:write"],
        effect: Effect::Lasting,
        arguments: &[required("barrier_id", Fill::Person("BARRIER_ID"))],
        limits: "note the groups first: `admin.barriers.create` needs them to make it again",
        ..PLAIN
    },
    Method { name: "admin.barriers.list", scopes: &["admin.barriers:read"], ..PLAIN },
    Method {
        name: "admin.barriers.update",
        scopes: &["admin.barriers:write"],
        effect: Effect::Lasting,
        arguments: &[
            required("barrier_id", Fill::Person("BARRIER_ID")),
            required("primary_usergroup_id", Fill::Person("USERGROUP_ID")),
            required("barriered_from_usergroup_ids", Fill::Person("USERGROUP_IDS")),
            required("restricted_subjects", Fill::Fixed("im,mpim,call")),
        ],
        limits: "as the barrier was before; its entry in the log names it and the groups",
        ..PLAIN
    },
    Method {
        name: "admin.conversations.archive",
        scopes: CONVERSATIONS_WRITE,
        effect: Effect::Lasting,
        target: TargetKind::Channel,
        arguments: &[required("channel_id", Fill::Target)],
        limits: "nobody can write any more, members can still read; `admin.conversations.unarchive` opens it again",
        ..PLAIN
    },
    Method {
        name: "admin.conversations.bulkArchive",
        scopes: CONVERSATIONS_WRITE,
        effect: Effect::Lasting,
        arguments: &[required("channel_ids", Fill::Person("CHANNEL_IDS"))],
        limits: "up to 100 channels; runs in the background",
        ..PLAIN
    },
    Method {
        name: "admin.conversations.bulkSetExcludeFromSlackAi",
        scopes: CONVERSATIONS_WRITE,
        effect: Effect::Lasting,
        arguments: &[required("channel_ids", Fill::Person("CHANNEL_IDS")), required("exclude", Fill::Fixed("true"))],
        limits: "Slack's own AI no longer reads the channels; apps and agents are not Slack's own",
        ..PLAIN
    },
    Method {
        name: "admin.conversations.convertToPrivate",
        scopes: CONVERSATIONS_WRITE,
        effect: Effect::Lasting,
        target: TargetKind::Channel,
        arguments: &[required("channel_id", Fill::Target)],
        limits: "files shared while it was public stay reachable; not for #general and channels shared with other organizations",
        ..PLAIN
    },
    Method {
        name: "admin.conversations.convertToPublic",
        scopes: CONVERSATIONS_WRITE,
        effect: Effect::Lasting,
        target: TargetKind::Channel,
        arguments: &[required("channel_id", Fill::Target)],
        limits: "everybody can read what was private until now",
        ..PLAIN
    },
    Method {
        name: "admin.conversations.delete",
        scopes: CONVERSATIONS_WRITE,
        effect: Effect::Lasting,
        target: TargetKind::Channel,
        arguments: &[required("channel_id", Fill::Target)],
        limits: "for good; archive it instead while it may be evidence",
        ..PLAIN
    },
    Method {
        name: "admin.conversations.disconnectShared",
        scopes: CONVERSATIONS_WRITE,
        effect: Effect::Reversible,
        target: TargetKind::SharedChannel,
        arguments: &[required("channel_id", Fill::Target), required("leaving_team_ids", Fill::SharedWith)],
        limits: "only where the channel is ours; one other organization at a time; both sides keep what was said; a new \
                 invitation undoes it",
        echoes: &["external_shared_channel_disconnected"],
        ..PLAIN
    },
    Method {
        name: "admin.conversations.ekm.listOriginalConnectedChannelInfo",
        scopes: CONVERSATIONS_READ,
        arguments: &[optional("channel_ids", Fill::Person("CHANNEL_IDS"))],
        limits: "where disconnected channels came from; in pages; go on with `cursor`",
        ..PLAIN
    },
    Method {
        name: "admin.conversations.getConversationPrefs",
        scopes: CONVERSATIONS_READ,
        target: TargetKind::Channel,
        arguments: &[required("channel_id", Fill::Target)],
        limits: "who may post, thread, and mention everybody",
        ..PLAIN
    },
    Method {
        name: "admin.conversations.getCustomRetention",
        scopes: CONVERSATIONS_READ,
        target: TargetKind::Channel,
        arguments: &[required("channel_id", Fill::Target)],
        ..PLAIN
    },
    Method {
        name: "admin.conversations.getTeams",
        scopes: CONVERSATIONS_READ,
        tier: Tier::Three,
        target: TargetKind::Channel,
        arguments: &[required("channel_id", Fill::Target)],
        ..PLAIN
    },
    Method {
        name: "admin.conversations.removeCustomRetention",
        scopes: CONVERSATIONS_WRITE,
        effect: Effect::Lasting,
        target: TargetKind::Channel,
        arguments: &[required("channel_id", Fill::Target)],
        limits: "the organization's own setting holds again",
        ..PLAIN
    },
    Method {
        name: "admin.conversations.rename",
        scopes: CONVERSATIONS_WRITE,
        effect: Effect::Lasting,
        target: TargetKind::Channel,
        arguments: &[required("channel_id", Fill::Target), required("name", Fill::Person("NAME"))],
        limits: "gives a channel that imitates another its name back",
        ..PLAIN
    },
    Method {
        name: "admin.conversations.restrictAccess.addGroup",
        scopes: CONVERSATIONS_WRITE,
        effect: Effect::Lasting,
        target: TargetKind::Channel,
        arguments: &[
            required("channel_id", Fill::Target),
            required("group_id", Fill::Person("IDP_GROUP_ID")),
            optional("team_id", Fill::Workspace),
        ],
        limits: "binds the channel to a group of the identity provider; files shared before stay reachable",
        ..PLAIN
    },
    Method {
        name: "admin.conversations.restrictAccess.listGroups",
        scopes: CONVERSATIONS_READ,
        target: TargetKind::Channel,
        arguments: &[required("channel_id", Fill::Target), optional("team_id", Fill::Workspace)],
        ..PLAIN
    },
    Method {
        name: "admin.conversations.restrictAccess.removeGroup",
        scopes: CONVERSATIONS_WRITE,
        tier: Tier::One,
        effect: Effect::Lasting,
        target: TargetKind::Channel,
        arguments: &[
            required("channel_id", Fill::Target),
            required("group_id", Fill::Person("IDP_GROUP_ID")),
            required("team_id", Fill::Workspace),
        ],
        limits: "whoever is in no other group of the channel's loses it",
        ..PLAIN
    },
    Method {
        name: "admin.conversations.search",
        scopes: CONVERSATIONS_READ,
        arguments: &[optional("query", Fill::Person("TEXT")), optional("search_channel_types", Fill::Person("TYPES"))],
        limits: "also private channels, by name; with search_channel_types=external_shared those shared with others; in pages; go on with `cursor`",
        ..PLAIN
    },
    Method {
        name: "admin.conversations.setConversationPrefs",
        scopes: CONVERSATIONS_WRITE,
        tier: Tier::Three,
        effect: Effect::Lasting,
        target: TargetKind::Channel,
        arguments: &[required("channel_id", Fill::Target), required("prefs", Fill::Person("PREFS_AS_JSON"))],
        limits: "who may post, as in {\"who_can_post\":\"type:admin\"}; everybody can still read",
        ..PLAIN
    },
    Method {
        name: "admin.conversations.setCustomRetention",
        scopes: CONVERSATIONS_WRITE,
        effect: Effect::Lasting,
        target: TargetKind::Channel,
        arguments: &[required("channel_id", Fill::Target), required("duration_days", Fill::Person("DAYS"))],
        limits: "one channel; the organization's own setting has no API; what was deleted stays deleted",
        ..PLAIN
    },
    Method {
        name: "admin.conversations.setTeams",
        scopes: CONVERSATIONS_WRITE,
        effect: Effect::Lasting,
        target: TargetKind::Channel,
        arguments: &[
            required("channel_id", Fill::Target),
            required("target_team_ids", Fill::Person("WORKSPACE_IDS")),
            optional("team_id", Fill::Workspace),
        ],
        limits: "not for channels shared with other organizations",
        ..PLAIN
    },
    Method {
        name: "admin.conversations.unarchive",
        scopes: CONVERSATIONS_WRITE,
        effect: Effect::Lasting,
        target: TargetKind::Channel,
        arguments: &[required("channel_id", Fill::Target)],
        limits: "members can write again",
        ..PLAIN
    },
    Method {
        name: "admin.emoji.list",
        scopes: &["admin.teams:read"],
        limits: "who added which, and when; in pages; go on with `cursor`",
        ..PLAIN
    },
    Method {
        name: "admin.emoji.remove",
        scopes: &["admin.teams:write"],
        effect: Effect::Lasting,
        arguments: &[required("name", Fill::Person("EMOJI"))],
        limits: "for good, in the whole organization; not for Slack's own",
        ..PLAIN
    },
    Method {
        name: "admin.functions.list",
        scopes: &["admin.workflows:read"],
        target: TargetKind::App,
        arguments: &[required("app_ids", Fill::Target), optional("team_id", Fill::Workspace)],
        limits: "the steps that an app offers to workflows; in pages; go on with `cursor`",
        ..PLAIN
    },
    Method {
        name: "admin.functions.permissions.lookup",
        scopes: &["admin.workflows:read"],
        tier: Tier::Three,
        arguments: &[required("function_ids", Fill::Person("FUNCTION_IDS"))],
        limits: "who may use a step in a workflow",
        ..PLAIN
    },
    Method {
        name: "admin.functions.permissions.set",
        scopes: &["admin.functions:write", "admin.workflows:read"],
        tier: Tier::Three,
        effect: Effect::Lasting,
        arguments: &[
            required("function_id", Fill::Person("FUNCTION_ID")),
            required("visibility", Fill::Fixed("no_one")),
        ],
        limits: "which of the two scopes it goes by wasn't verified: Slack's pages disagree",
        ..PLAIN
    },
    Method {
        name: "admin.inviteRequests.approved.list",
        scopes: &["admin.invites:read"],
        arguments: &[optional("team_id", Fill::Workspace)],
        limits: "who approved whom; in pages; go on with `cursor`",
        ..PLAIN
    },
    Method {
        name: "admin.inviteRequests.denied.list",
        scopes: &["admin.invites:read"],
        arguments: &[optional("team_id", Fill::Workspace)],
        limits: "in pages; go on with `cursor`",
        ..PLAIN
    },
    Method {
        name: "admin.inviteRequests.deny",
        scopes: &["admin.invites:write"],
        effect: Effect::Lasting,
        arguments: &[
            required("invite_request_id", Fill::Person("INVITE_REQUEST_ID")),
            optional("team_id", Fill::Workspace),
        ],
        limits: "a request that waits for approval; whoever asked may ask again",
        ..PLAIN
    },
    Method {
        name: "admin.inviteRequests.list",
        scopes: &["admin.invites:read"],
        arguments: &[optional("team_id", Fill::Workspace)],
        limits: "requests that wait for approval; in pages; go on with `cursor`",
        ..PLAIN
    },
    Method {
        name: "admin.roles.addAssignments",
        scopes: &["admin.roles:write"],
        effect: Effect::Lasting,
        target: TargetKind::User,
        arguments: &[ROLE, ENTITIES, required("user_ids", Fill::Target)],
        limits: "gives a system role back; check with whoever held it by phone first",
        ..PLAIN
    },
    Method {
        name: "admin.roles.listAssignments",
        scopes: &["admin.roles:read"],
        tier: Tier::Three,
        limits: "system roles; workspace admins and owners are in `admin.teams.admins.list` and `admin.teams.owners.list`",
        ..PLAIN
    },
    Method {
        name: "admin.roles.removeAssignments",
        scopes: &["admin.roles:write"],
        effect: Effect::Lasting,
        target: TargetKind::User,
        arguments: &[ROLE, ENTITIES, required("user_ids", Fill::Target)],
        limits: "system roles only; `admin.roles.listAssignments` tells role and entity",
        echoes: &["role_removed"],
        ..PLAIN
    },
    Method {
        name: "admin.teams.admins.list",
        scopes: &["admin.teams:read"],
        tier: Tier::Three,
        arguments: &[required("team_id", Fill::Workspace)],
        ..PLAIN
    },
    Method {
        name: "admin.teams.list",
        scopes: &["admin.teams:read"],
        tier: Tier::Three,
        limits: "the organization's workspaces; in pages; go on with `cursor`",
        ..PLAIN
    },
    Method {
        name: "admin.teams.owners.list",
        scopes: &["admin.teams:read"],
        tier: Tier::Three,
        arguments: &[required("team_id", Fill::Workspace)],
        ..PLAIN
    },
    Method {
        name: "admin.usergroups.addChannels",
        scopes: &["admin.usergroups:write"],
        tier: Tier::One,
        effect: Effect::Lasting,
        target: TargetKind::Channel,
        arguments: &[
            required("usergroup_id", Fill::Person("USERGROUP_ID")),
            required("channel_ids", Fill::Target),
            optional("team_id", Fill::Workspace),
        ],
        limits: "brings everybody in the group into the channel",
        ..PLAIN
    },
    Method {
        name: "admin.usergroups.listChannels",
        scopes: &["admin.usergroups:read"],
        arguments: &[required("usergroup_id", Fill::Person("USERGROUP_ID")), optional("team_id", Fill::Workspace)],
        limits: "the channels that membership in the group brings",
        ..PLAIN
    },
    Method {
        name: "admin.usergroups.removeChannels",
        scopes: &["admin.usergroups:write"],
        effect: Effect::Lasting,
        target: TargetKind::Channel,
        arguments: &[required("usergroup_id", Fill::Person("USERGROUP_ID")), required("channel_ids", Fill::Target)],
        limits: "new members aren't brought in any more; those who are in stay",
        ..PLAIN
    },
    Method {
        name: "admin.users.deactivate",
        scopes: USERS_WRITE,
        effect: Effect::Lasting,
        target: TargetKind::User,
        arguments: &[required("user_id", Fill::Target)],
        limits: "scope and arguments weren't verified; tokens of apps that the user installed live on, and the identity provider \
                 may switch the account on again; by SCIM instead: PATCH https://api.slack.com/scim/v2/Users/USER_ID with \
                 active=false and a token with the scope `admin`",
        ..PLAIN
    },
    Method {
        name: "admin.users.getExpiration",
        scopes: USERS_READ,
        tier: Tier::Four,
        target: TargetKind::User,
        arguments: &[required("user_id", Fill::Target), optional("target_team", Fill::Workspace)],
        limits: "guests only",
        ..PLAIN
    },
    Method {
        name: "admin.users.list",
        scopes: USERS_READ,
        tier: Tier::Four,
        arguments: &[optional("team_id", Fill::Workspace)],
        limits: "with roles, second factors and guests' expiration; with only_guests=true guests alone; in pages; go on with `cursor`",
        ..PLAIN
    },
    Method {
        name: "admin.users.remove",
        scopes: USERS_WRITE,
        effect: Effect::Lasting,
        target: TargetKind::User,
        arguments: &[required("team_id", Fill::Workspace), required("user_id", Fill::Target)],
        limits: "one workspace; apps that the user installed stay, and their tokens; not the primary owner",
        ..PLAIN
    },
    Method {
        name: "admin.users.session.clearSettings",
        scopes: USERS_WRITE,
        tier: Tier::Four,
        effect: Effect::Lasting,
        target: TargetKind::User,
        arguments: &[required("user_ids", Fill::Target)],
        echoes: &["user_session_settings_changed"],
        ..PLAIN
    },
    Method {
        name: "admin.users.session.getSettings",
        scopes: USERS_READ,
        tier: Tier::Four,
        target: TargetKind::User,
        arguments: &[required("user_ids", Fill::Target)],
        ..PLAIN
    },
    Method {
        name: "admin.users.session.invalidate",
        scopes: USERS_WRITE,
        effect: Effect::Reversible,
        target: TargetKind::Session,
        arguments: &[
            required("user_id", Fill::Target),
            required("session_id", Fill::SessionId),
            optional("team_id", Fill::Workspace),
        ],
        limits: "one session; tokens of apps and bots live on; not the primary owner",
        echoes: &["user_session_invalidated"],
        ..PLAIN
    },
    Method {
        name: "admin.users.session.list",
        scopes: USERS_READ,
        target: TargetKind::User,
        arguments: &[required("user_id", Fill::Target), required("team_id", Fill::Workspace)],
        limits: "user and workspace go together; active sessions only",
        ..PLAIN
    },
    Method {
        name: "admin.users.session.reset",
        scopes: USERS_WRITE,
        effect: Effect::Reversible,
        target: TargetKind::User,
        arguments: &[required("user_id", Fill::Target)],
        limits: "the user may sign straight in again; tokens of apps and bots live on; not for bots, nor the primary owner",
        echoes: &["user_session_reset_by_admin"],
        ..PLAIN
    },
    Method {
        name: "admin.users.session.resetBulk",
        scopes: USERS_WRITE,
        effect: Effect::Reversible,
        target: TargetKind::User,
        arguments: &[required("user_ids", Fill::Users)],
        limits: "up to 1,000 users; ok means queued, not done; they may sign straight in again; tokens of apps and bots live on; \
                 not for bots, nor the primary owner",
        echoes: &["bulk_session_reset_by_admin", "user_session_reset_by_admin"],
        ..PLAIN
    },
    Method {
        name: "admin.users.session.setSettings",
        scopes: USERS_WRITE,
        tier: Tier::Four,
        effect: Effect::Lasting,
        target: TargetKind::User,
        arguments: &[required("user_ids", Fill::Target), required("duration", Fill::Person("SECONDS"))],
        limits: "how long sessions last; `admin.users.session.clearSettings` ends it",
        echoes: &["user_session_settings_changed"],
        ..PLAIN
    },
    Method {
        name: "admin.users.setAdmin",
        scopes: USERS_WRITE,
        effect: Effect::Lasting,
        target: TargetKind::User,
        arguments: &[required("team_id", Fill::Workspace), required("user_id", Fill::Target)],
        limits: "gives a demoted admin the role back; check with them by phone first",
        ..PLAIN
    },
    Method {
        name: "admin.users.setExpiration",
        scopes: USERS_WRITE,
        effect: Effect::Lasting,
        target: TargetKind::User,
        arguments: &[
            required("user_id", Fill::Target),
            required("expiration_ts", Fill::Person("SECONDS_SINCE_1970")),
            optional("team_id", Fill::Workspace),
        ],
        limits: "guests only",
        echoes: &["guest_expiration_set"],
        ..PLAIN
    },
    Method {
        name: "admin.users.setOwner",
        scopes: USERS_WRITE,
        effect: Effect::Lasting,
        target: TargetKind::User,
        arguments: &[required("team_id", Fill::Workspace), required("user_id", Fill::Target)],
        limits: "gives a demoted owner the role back; check with them by phone first",
        ..PLAIN
    },
    Method {
        name: "admin.users.setRegular",
        scopes: USERS_WRITE,
        effect: Effect::Lasting,
        target: TargetKind::User,
        arguments: &[required("team_id", Fill::Workspace), required("user_id", Fill::Target)],
        limits: "one workspace, an org admin at the organization only; system roles stay; not the primary owner",
        echoes: &["role_change_to_user"],
        ..PLAIN
    },
    Method {
        name: "admin.workflows.collaborators.remove",
        scopes: WORKFLOWS_WRITE,
        effect: Effect::Lasting,
        target: TargetKind::Workflow,
        arguments: &[required("workflow_ids", Fill::Target), required("collaborator_ids", Fill::Person("USER_IDS"))],
        ..PLAIN
    },
    Method {
        name: "admin.workflows.permissions.lookup",
        scopes: &["admin.workflows:read"],
        target: TargetKind::Workflow,
        arguments: &[required("workflow_ids", Fill::Target)],
        limits: "who may run a workflow, and who else can change it",
        ..PLAIN
    },
    Method {
        name: "admin.workflows.search",
        scopes: &["admin.workflows:read"],
        limits: "in pages; narrow it down with `query` or `collaborator_ids`",
        ..PLAIN
    },
    Method {
        name: "admin.workflows.unpublish",
        scopes: WORKFLOWS_WRITE,
        effect: Effect::Lasting,
        target: TargetKind::Workflow,
        arguments: &[required("workflow_ids", Fill::Target)],
        limits: "only its owner can publish it again",
        ..PLAIN
    },
    Method {
        name: "auth.revoke",
        tier: Tier::Three,
        effect: Effect::Lasting,
        limits: "revokes the token that calls it and no other: call it with the token that is to end",
        ..PLAIN
    },
    Method {
        name: "auth.teams.list",
        limits: "the workspaces that the token can see; in pages; go on with `cursor`",
        ..PLAIN
    },
    Method {
        name: "auth.test",
        tier: Tier::Special,
        limits: "whose the token is, and whether it still works",
        ..PLAIN
    },
    Method {
        name: "bots.info",
        scopes: &["users:read"],
        tier: Tier::Three,
        arguments: &[required("bot", Fill::Person("BOT_ID")), optional("team_id", Fill::Workspace)],
        limits: "which app a bot belongs to",
        ..PLAIN
    },
    Method {
        name: "chat.postMessage",
        scopes: &["chat:write"],
        tier: Tier::Special,
        effect: Effect::Lasting,
        arguments: &[required("channel", Fill::Person("CHANNEL_ID")), required("text", Fill::Person("TEXT"))],
        limits: "never to ask somebody whose account may be taken: phone, manager or identity provider instead",
        ..PLAIN
    },
    Method {
        name: "conversations.declineSharedInvite",
        scopes: &["conversations.connect:manage"],
        effect: Effect::Lasting,
        arguments: &[required("invite_id", Fill::Person("INVITE_ID"))],
        limits: "a bot token's method: the responder's user token won't do; an invitation that nobody has accepted yet; tier and \
                 arguments weren't verified",
        ..PLAIN
    },
    Method {
        name: "conversations.info",
        scopes: &["channels:read", "groups:read", "im:read", "mpim:read"],
        tier: Tier::Three,
        target: TargetKind::Channel,
        arguments: &[required("channel", Fill::Target)],
        limits: "only channels that the token's user can see",
        ..PLAIN
    },
    Method {
        name: "conversations.kick",
        scopes: &["channels:write", "groups:write"],
        tier: Tier::Three,
        effect: Effect::Lasting,
        target: TargetKind::User,
        arguments: &[required("channel", Fill::Channel), required("user", Fill::Target)],
        limits: "`channels:write` for public channels, `groups:write` for private ones; the caller has to be in the channel",
        ..PLAIN
    },
    Method {
        name: "conversations.open",
        scopes: &["im:write", "mpim:write"],
        tier: Tier::Three,
        effect: Effect::Lasting,
        arguments: &[required("users", Fill::Person("USER_ID"))],
        limits: "opens a direct message and says nothing in it: `chat.postMessage` does; arguments and tier weren't verified",
        ..PLAIN
    },
    Method {
        name: "files.delete",
        scopes: FILES_WRITE,
        tier: Tier::Three,
        effect: Effect::Lasting,
        target: TargetKind::File,
        arguments: &[required("file", Fill::Target)],
        limits: "for good, unless a legal hold keeps it; save what is needed as evidence first",
        ..PLAIN
    },
    Method {
        name: "files.info",
        scopes: &["files:read"],
        tier: Tier::Four,
        target: TargetKind::File,
        arguments: &[required("file", Fill::Target)],
        limits: "only files that the token's user can see",
        ..PLAIN
    },
    Method {
        name: "files.revokePublicURL",
        scopes: FILES_WRITE,
        tier: Tier::Three,
        effect: Effect::Reversible,
        target: TargetKind::File,
        arguments: &[required("file", Fill::Target)],
        limits: "who has downloaded it has it; only files that the token's user can see; a new link undoes it",
        echoes: &["file_public_link_revoked"],
        ..PLAIN
    },
    Method {
        name: "team.accessLogs",
        scopes: &["admin"],
        arguments: &[optional("team_id", Fill::Workspace)],
        limits: "each user, address and client once, with a count; in pages",
        ..PLAIN
    },
    Method {
        name: "team.externalTeams.disconnect",
        scopes: &["conversations.connect:manage"],
        effect: Effect::Lasting,
        target: TargetKind::Org,
        arguments: &[required("target_team", Fill::Target)],
        limits: "a bot token's method: the responder's user token won't do; ends every channel shared with that organization",
        ..PLAIN
    },
    Method {
        name: "team.integrationLogs",
        scopes: &["admin"],
        target: TargetKind::App,
        arguments: &[optional("app_id", Fill::Target), optional("team_id", Fill::Workspace)],
        limits: "what was installed, changed and removed, and by whom; in pages",
        ..PLAIN
    },
    Method {
        name: "usergroups.disable",
        scopes: &["usergroups:write"],
        effect: Effect::Lasting,
        arguments: &[required("usergroup", Fill::Person("USERGROUP_ID")), optional("team_id", Fill::Workspace)],
        limits: "the group brings nobody into channels any more; `usergroups.enable` undoes it",
        ..PLAIN
    },
    Method {
        name: "usergroups.list",
        scopes: &["usergroups:read"],
        arguments: &[optional("team_id", Fill::Workspace)],
        ..PLAIN
    },
    Method {
        name: "usergroups.users.list",
        scopes: &["usergroups:read"],
        arguments: &[required("usergroup", Fill::Person("USERGROUP_ID")), optional("team_id", Fill::Workspace)],
        ..PLAIN
    },
    Method {
        name: "users.conversations",
        scopes: &["channels:read", "groups:read", "im:read", "mpim:read"],
        tier: Tier::Three,
        target: TargetKind::User,
        arguments: &[required("user", Fill::Target), optional("team_id", Fill::Workspace)],
        limits: "only channels that the token's user can see too; in pages; go on with `cursor`",
        ..PLAIN
    },
    Method {
        name: "users.info",
        scopes: &["users:read"],
        tier: Tier::Four,
        target: TargetKind::User,
        arguments: &[required("user", Fill::Target)],
        limits: "e-mail addresses need `users:read.email` too",
        ..PLAIN
    },
    Method {
        name: "users.list",
        scopes: &["users:read"],
        arguments: &[optional("team_id", Fill::Workspace)],
        limits: "in pages; go on with `cursor`",
        ..PLAIN
    },
    Method {
        name: "users.lookupByEmail",
        scopes: &["users:read.email"],
        tier: Tier::Three,
        arguments: &[required("email", Fill::Person("EMAIL"))],
        ..PLAIN
    },
];
