//! Slack's Web API methods as far as playbooks name them: scope, arguments, limits, and whether an act can be taken back.
//!
//! Playbooks are checked against this table when a module is built, so a step can't promise a method, or a scope, that
//! doesn't exist. Scopes are those of a user token, which is what `admin.*` wants. From Slack's reference pages, May 2026; where
//! a page wasn't at hand, `limits` says what wasn't verified.

use serde::{Deserialize, Serialize};

/// One method of the Web API.
#[derive(Debug, PartialEq, Eq)]
pub struct Method {
    pub name: &'static str,
    /// Any one of these will do; none where the method asks for no scope.
    pub scopes: &'static [&'static str],
    pub tier: Tier,
    pub effect: Effect,
    /// What it is done to: one call each, but for [`Fill::Users`].
    pub target: Target,
    pub arguments: &'static [Argument],
    /// What it doesn't do, and what Slack refuses.
    pub limits: &'static str,
    /// What takes it back, where that is a call.
    pub undo: Option<&'static str>,
    /// Actions that Slack logs when it is done. The names match; the pairing is nowhere written down.
    pub echoes: &'static [&'static str],
}

/// Slack's rate tiers, for each method and workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    One,
    Two,
    Three,
    Four,
    Special,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Changes nothing.
    Reads,
    /// Whoever it hits can be let back at once: signed in again, allowed, shared again.
    Reversible,
    /// Takes something that a person has to give back, if it can be given back.
    Lasting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Nothing,
    User,
    Session,
    App,
    Channel,
    /// A channel and one other organization that it is shared with.
    SharedChannel,
    File,
    Workflow,
    Org,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Argument {
    pub name: &'static str,
    pub fill: Fill,
    pub need: Need,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Required,
    /// Left out where the alert doesn't know it.
    Optional,
}

/// Where an argument comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// The target itself; of a session, its user, and of a shared channel, the channel.
    Target,
    /// All targets in one call.
    Users,
    SessionId,
    /// The other organization of a shared channel.
    SharedWith,
    /// Of the session, or the alert's workspace if there is but one.
    Workspace,
    Enterprise,
    /// The alert's channel if there is but one.
    Channel,
    Fixed(&'static str),
    /// Only a person knows; this stands in its place.
    Person(&'static str),
}

/// Whom a step is about, where an alert has both: whoever did it, or whoever it was done to. Also of apps: the one that made
/// the call, or the one that was installed. Without it a step is about the actor, and about the app that something was done
/// to; where there is none of these, about the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum On {
    Actor,
    Target,
    Both,
    /// Somebody or something that the alert doesn't name: a person finds out and fills it in.
    Others,
}

impl Tier {
    pub fn text(self) -> &'static str {
        match self {
            Self::One => "about 1 call a minute",
            Self::Two => "about 20 calls a minute",
            Self::Three => "about 50 calls a minute",
            Self::Four => "about 100 calls a minute",
            Self::Special => "hundreds of calls a minute",
        }
    }
}

impl Effect {
    pub fn text(self) -> &'static str {
        match self {
            Self::Reads => "reads only",
            Self::Reversible => "reversible",
            Self::Lasting => "not reversible by itself: never done by `--execute`",
        }
    }
}

impl Method {
    /// May a step say this of whom it is about?
    pub fn takes(&self, on: On) -> bool {
        match self.target {
            Target::Nothing => false,
            Target::User | Target::Session | Target::App => true,
            _ => on == On::Others,
        }
    }

    /// One call for all targets.
    pub fn is_bulk(&self) -> bool {
        self.arguments.iter().any(|argument| argument.fill == Fill::Users)
    }
}

/// The method of this name.
pub fn called(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}

/// What is wrong with a playbook's step, if anything.
pub fn problem(name: &str, scope: Option<&str>, on: Option<On>) -> Option<String> {
    let Some(method) = called(name) else {
        let hint = match nearest(name) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "leave `method` out of a step that is done by hand, and say where in the admin pages".to_owned(),
        };
        return Some(format!("`{name}` is no method that gridwatch knows; {hint}"));
    };
    match scope {
        Some(scope) if !method.scopes.contains(&scope) => Some(match method.scopes {
            [] => format!("`{name}` asks for no scope, and not for `{scope}`; leave `scope` out"),
            scopes => {
                format!("`{name}` doesn't go by the scope `{scope}`; write scope = \"{}\"", scopes.join("\" or \""))
            }
        }),
        _ if on.is_some_and(|on| !method.takes(on)) => Some(format!(
            "`on` tells actor and target apart for methods about people, sessions and apps; of `{name}` it can at most be \
             \"others\", where the alert doesn't name what it is to be done to"
        )),
        _ => None,
    }
}

/// The method that shares the most with a name that is none: its last word and another one, or its family.
fn nearest(name: &str) -> Option<&'static str> {
    let shared = |method: &&Method| method.name.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
    let words = |name: &str| name.to_ascii_lowercase().split('.').rev().map(str::to_owned).collect::<Vec<_>>();
    let wanted = words(name);
    let is_alike = |method: &&Method| {
        let known = words(method.name);
        known[0] == wanted[0] && known[1..].iter().any(|word| wanted[1..].contains(word))
    };
    let by_last = METHODS.iter().find(is_alike);
    let best = METHODS.iter().max_by_key(|method| (shared(method), std::cmp::Reverse(method.name.len())));
    let by_family = best.filter(|method| shared(method) * 2 > name.len());
    by_last.or(by_family).map(|method| method.name)
}

const fn required(name: &'static str, fill: Fill) -> Argument {
    Argument { name, fill, need: Need::Required }
}

const fn optional(name: &'static str, fill: Fill) -> Argument {
    Argument { name, fill, need: Need::Optional }
}

const USERS_WRITE: &[&str] = &["admin.users:write"];
const USERS_READ: &[&str] = &["admin.users:read"];
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
    target: Target::Nothing,
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
        target: Target::App,
        arguments: &[required("app_id", Fill::Target), optional("team_id", Fill::Workspace)],
        limits: "apps on Slack's own platform only; others show their calls nowhere but in the audit log",
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
        target: Target::App,
        arguments: &[required("app_id", Fill::Target), required("enterprise_id", Fill::Enterprise)],
        limits: "the app is neither approved nor restricted afterwards",
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
        name: "admin.apps.restrict",
        scopes: APPS_WRITE,
        effect: Effect::Reversible,
        target: Target::App,
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
        target: Target::App,
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
        target: Target::User,
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
        target: Target::Channel,
        arguments: &[required("channel_id", Fill::Target)],
        limits: "nobody can write any more, members can still read; `admin.conversations.unarchive` opens it again",
        ..PLAIN
    },
    Method {
        name: "admin.conversations.convertToPrivate",
        scopes: CONVERSATIONS_WRITE,
        effect: Effect::Lasting,
        target: Target::Channel,
        arguments: &[required("channel_id", Fill::Target)],
        limits: "files shared while it was public stay reachable; not for #general and channels shared with other organizations",
        ..PLAIN
    },
    Method {
        name: "admin.conversations.disconnectShared",
        scopes: CONVERSATIONS_WRITE,
        effect: Effect::Reversible,
        target: Target::SharedChannel,
        arguments: &[required("channel_id", Fill::Target), required("leaving_team_ids", Fill::SharedWith)],
        limits: "only where the channel is ours; one other organization at a time; both sides keep what was said; a new \
                 invitation undoes it",
        echoes: &["external_shared_channel_disconnected"],
        ..PLAIN
    },
    Method {
        name: "admin.conversations.getTeams",
        scopes: CONVERSATIONS_READ,
        tier: Tier::Three,
        target: Target::Channel,
        arguments: &[required("channel_id", Fill::Target)],
        ..PLAIN
    },
    Method {
        name: "admin.conversations.restrictAccess.addGroup",
        scopes: CONVERSATIONS_WRITE,
        effect: Effect::Lasting,
        target: Target::Channel,
        arguments: &[
            required("channel_id", Fill::Target),
            required("group_id", Fill::Person("IDP_GROUP_ID")),
            optional("team_id", Fill::Workspace),
        ],
        limits: "binds the channel to a group of the identity provider; files shared before stay reachable",
        ..PLAIN
    },
    Method {
        name: "admin.conversations.setConversationPrefs",
        scopes: CONVERSATIONS_WRITE,
        tier: Tier::Three,
        effect: Effect::Lasting,
        target: Target::Channel,
        arguments: &[required("channel_id", Fill::Target), required("prefs", Fill::Person("PREFS_AS_JSON"))],
        limits: "who may post, as in {\"who_can_post\":\"type:admin\"}; everybody can still read",
        ..PLAIN
    },
    Method {
        name: "admin.conversations.setCustomRetention",
        scopes: CONVERSATIONS_WRITE,
        effect: Effect::Lasting,
        target: Target::Channel,
        arguments: &[required("channel_id", Fill::Target), required("duration_days", Fill::Person("DAYS"))],
        limits: "one channel; the organization's own setting has no API; what was deleted stays deleted",
        ..PLAIN
    },
    Method {
        name: "admin.conversations.setTeams",
        scopes: CONVERSATIONS_WRITE,
        effect: Effect::Lasting,
        target: Target::Channel,
        arguments: &[
            required("channel_id", Fill::Target),
            required("target_team_ids", Fill::Person("WORKSPACE_IDS")),
            optional("team_id", Fill::Workspace),
        ],
        limits: "not for channels shared with other organizations",
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
        target: Target::User,
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
        name: "admin.teams.owners.list",
        scopes: &["admin.teams:read"],
        tier: Tier::Three,
        arguments: &[required("team_id", Fill::Workspace)],
        ..PLAIN
    },
    Method {
        name: "admin.users.deactivate",
        scopes: USERS_WRITE,
        effect: Effect::Lasting,
        target: Target::User,
        arguments: &[required("user_id", Fill::Target)],
        limits: "scope and arguments weren't verified; tokens of apps that the user installed live on, and the identity provider \
                 may switch the account on again; by SCIM instead: PATCH https://api.slack.com/scim/v2/Users/USER_ID with \
                 active=false and a token with the scope `admin`",
        ..PLAIN
    },
    Method {
        name: "admin.users.remove",
        scopes: USERS_WRITE,
        effect: Effect::Lasting,
        target: Target::User,
        arguments: &[required("team_id", Fill::Workspace), required("user_id", Fill::Target)],
        limits: "one workspace; apps that the user installed stay, and their tokens; not the primary owner",
        ..PLAIN
    },
    Method {
        name: "admin.users.session.clearSettings",
        scopes: USERS_WRITE,
        tier: Tier::Four,
        effect: Effect::Lasting,
        target: Target::User,
        arguments: &[required("user_ids", Fill::Target)],
        echoes: &["user_session_settings_changed"],
        ..PLAIN
    },
    Method {
        name: "admin.users.session.getSettings",
        scopes: USERS_READ,
        tier: Tier::Four,
        target: Target::User,
        arguments: &[required("user_ids", Fill::Target)],
        ..PLAIN
    },
    Method {
        name: "admin.users.session.invalidate",
        scopes: USERS_WRITE,
        effect: Effect::Reversible,
        target: Target::Session,
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
        target: Target::User,
        arguments: &[required("user_id", Fill::Target), required("team_id", Fill::Workspace)],
        limits: "user and workspace go together; active sessions only",
        ..PLAIN
    },
    Method {
        name: "admin.users.session.reset",
        scopes: USERS_WRITE,
        effect: Effect::Reversible,
        target: Target::User,
        arguments: &[required("user_id", Fill::Target)],
        limits: "the user may sign straight in again; tokens of apps and bots live on; not for bots, nor the primary owner",
        echoes: &["user_session_reset_by_admin"],
        ..PLAIN
    },
    Method {
        name: "admin.users.session.resetBulk",
        scopes: USERS_WRITE,
        effect: Effect::Reversible,
        target: Target::User,
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
        target: Target::User,
        arguments: &[required("user_ids", Fill::Target), required("duration", Fill::Person("SECONDS"))],
        limits: "how long sessions last; `admin.users.session.clearSettings` ends it",
        echoes: &["user_session_settings_changed"],
        ..PLAIN
    },
    Method {
        name: "admin.users.setExpiration",
        scopes: USERS_WRITE,
        effect: Effect::Lasting,
        target: Target::User,
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
        name: "admin.users.setRegular",
        scopes: USERS_WRITE,
        effect: Effect::Lasting,
        target: Target::User,
        arguments: &[required("team_id", Fill::Workspace), required("user_id", Fill::Target)],
        limits: "one workspace, an org admin at the organization only; system roles stay; not the primary owner",
        echoes: &["role_change_to_user"],
        ..PLAIN
    },
    Method {
        name: "admin.workflows.collaborators.remove",
        scopes: WORKFLOWS_WRITE,
        effect: Effect::Lasting,
        target: Target::Workflow,
        arguments: &[required("workflow_ids", Fill::Target), required("collaborator_ids", Fill::Person("USER_IDS"))],
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
        target: Target::Workflow,
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
        name: "conversations.kick",
        scopes: &["channels:write", "groups:write"],
        tier: Tier::Three,
        effect: Effect::Lasting,
        target: Target::User,
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
        target: Target::File,
        arguments: &[required("file", Fill::Target)],
        limits: "for good, unless a legal hold keeps it; save what is needed as evidence first",
        ..PLAIN
    },
    Method {
        name: "files.info",
        scopes: &["files:read"],
        tier: Tier::Four,
        target: Target::File,
        arguments: &[required("file", Fill::Target)],
        limits: "only files that the token's user can see",
        ..PLAIN
    },
    Method {
        name: "files.revokePublicURL",
        scopes: FILES_WRITE,
        tier: Tier::Three,
        effect: Effect::Reversible,
        target: Target::File,
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
        target: Target::Org,
        arguments: &[required("target_team", Fill::Target)],
        limits: "a bot token's method: the responder's user token won't do; ends every channel shared with that organization",
        ..PLAIN
    },
    Method {
        name: "team.integrationLogs",
        scopes: &["admin"],
        target: Target::App,
        arguments: &[optional("app_id", Fill::Target), optional("team_id", Fill::Workspace)],
        limits: "what was installed, changed and removed, and by whom; in pages",
        ..PLAIN
    },
    Method {
        name: "users.info",
        scopes: &["users:read"],
        tier: Tier::Four,
        target: Target::User,
        arguments: &[required("user", Fill::Target)],
        limits: "e-mail addresses need `users:read.email` too",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    #[test]
    fn rows_are_sorted_and_whole() {
        assert!(METHODS.windows(2).all(|pair| pair[0].name < pair[1].name), "in order, each once");
        for method in METHODS {
            let name = method.name;
            assert!(method.echoes.iter().all(|action| catalogue::is_action(action)), "{name}: {:?}", method.echoes);
            let takes_target = method.arguments.iter().any(|a| matches!(a.fill, Fill::Target | Fill::Users));
            assert_eq!(takes_target, method.target != Target::Nothing, "{name}");
            assert!(method.undo.is_none_or(|undo| called(undo).is_some_and(|u| u.target == method.target)), "{name}");
            assert!(method.effect == Effect::Reads || !method.limits.is_empty() || !method.scopes.is_empty(), "{name}");
            assert!(
                method.effect != Effect::Reversible || !method.echoes.is_empty(),
                "{name}: what does Slack log of it?"
            );
        }
    }

    #[test]
    fn exactly_these_acts_can_be_taken_back() {
        let reversible = METHODS.iter().filter(|method| method.effect == Effect::Reversible).map(|method| method.name);
        assert_eq!(
            reversible.collect::<Vec<_>>(),
            [
                "admin.apps.restrict",
                "admin.conversations.disconnectShared",
                "admin.users.session.invalidate",
                "admin.users.session.reset",
                "admin.users.session.resetBulk",
                "files.revokePublicURL",
            ]
        );
    }

    #[test]
    fn a_step_that_slack_could_not_do_is_told_with_a_hint() {
        for (name, scope, on, part) in [
            ("admin.users.session.resett", None, None, "did you mean `admin.users.session.reset`"),
            ("users.session.invalidate", None, None, "did you mean `admin.users.session.invalidate`"),
            ("exports.cancel", None, None, "done by hand"),
            ("admin.users.session.reset", Some("admin"), None, "write scope = \"admin.users:write\""),
            ("auth.revoke", Some("the token itself"), None, "leave `scope` out"),
            ("files.delete", Some("files:write"), Some(On::Actor), "`on` tells actor and target apart"),
            ("admin.barriers.list", None, Some(On::Others), "`on` tells actor and target apart"),
        ] {
            let problem = problem(name, scope, on).unwrap_or_else(|| panic!("{name} is fine"));
            assert!(problem.contains(part), "{problem}");
        }
        assert_eq!(problem("conversations.kick", Some("groups:write"), Some(On::Target)), None);
        assert_eq!(problem("files.revokePublicURL", None, Some(On::Others)), None);
        assert_eq!(problem("admin.users.session.reset", None, None), None);
    }
}
