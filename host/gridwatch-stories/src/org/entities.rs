//! The things that get acted on: one builder per entity type of Slack's schema, and which type an action is likely to use.
//!
//! The type follows the thing acted on. No document pairs all actions with types, so outside the recorded samples the
//! pairing is a plausible guess; readers must not rely on it.

use super::cast::{App, Cast, Channel, Person, bot_address};
use super::dice::Dice;
use super::entry::Entity;
use super::names;
use crate::wire::object;

/// The entity type that `action` of this catalogue group is likely to have.
pub(crate) fn kind_for(group: &str, action: &str) -> &'static str {
    let has = |part: &str| action.contains(part);
    match group {
        "user" => "user",
        "file" => "file",
        "channel" => "channel",
        "app" | "slack_cli" => "app",
        "workflow_builder" => "workflow",
        "barrier" => "barrier",
        "huddle" => "huddle",
        "subteam" => "usergroup",
        "role" => "role",
        "canvas" => "canvas",
        "list" => "list",
        "template" => "template",
        "legal_hold" => "legal_hold_policy",
        "function" => "function",
        "account_type_role" => "account_type_role",
        "workflow_v2" if has("oauth2_token") => "external_auth_oauth2_token",
        "workflow_v2" => "workflow_v2",
        "message" if has("permissions_") => "account_type_role",
        "message" => "message",
        "anomaly" => "user",
        "native_dlp" if has("violation") || has("applied") => "message",
        "app_approval_automation_rule" | "salesforce_mcp_server" => "enterprise",
        _ if has("_file") => "file",
        _ if has("_canvas") && !has("pref.") => "canvas",
        _ if has("_list_") || has("create_list") => "list",
        _ if has("_channel_tool") || has("_thread_") => "channel",
        _ if has("_workflow_tool") || has("workflow_details") || has("workflow_execution") => "workflow_v2",
        _ if has("message_tool") || has("slack_ai_message") => "message",
        _ if has("user_profile") || has("user_token") || has("license_") => "user",
        _ if has("organization") || has("ekm_") || has("idp_") || has("enterprise") || has("export") => "enterprise",
        _ => "workspace",
    }
}

/// Any entity of a type.
pub(crate) fn any(kind: &str, cast: &Cast, actor: &Person, dice: &mut Dice) -> Entity {
    match kind {
        "user" => user(dice.pick(&cast.people)),
        "enterprise" => enterprise(cast),
        "channel" => channel(dice.pick(&cast.channels)),
        "file" => file(dice),
        "app" => app(dice.pick(&cast.apps)),
        "message" => message(dice.pick(&cast.channels), dice),
        "usergroup" => named("usergroup", &dice.id("S"), "on-call"),
        "workflow" => named("workflow", &dice.id("Wf"), "Vacation request"),
        "workflow_v2" => workflow_v2(dice, actor),
        "barrier" => barrier(dice),
        "role" => role(dice),
        "account_type_role" => account_type_role(dice.below(ACCOUNT_TYPES.len() as u64) as usize),
        "huddle" => huddle(&[actor], &dice.pick(&cast.channels).id, 0, dice),
        "canvas" => canvas(dice),
        "list" => Entity { kind: "list", body: id_only(&dice.id("F")) },
        "template" => template(dice),
        "legal_hold_policy" => named("legal_hold_policy", &dice.id("Lh"), "Case 2026-14"),
        "function" => function(dice),
        "external_auth_oauth2_token" => oauth2_token(dice),
        _ => workspace(cast, actor.workspace),
    }
}

pub(crate) fn user(person: &Person) -> Entity {
    Entity { kind: "user", body: person.wire.clone() }
}

pub(crate) fn workspace(cast: &Cast, index: usize) -> Entity {
    Entity { kind: "workspace", body: cast.workspace_wire(index) }
}

pub(crate) fn enterprise(cast: &Cast) -> Entity {
    Entity { kind: "enterprise", body: cast.enterprise_wire() }
}

pub(crate) fn channel(channel: &Channel) -> Entity {
    let body = object(|o| {
        o.str("id", &channel.id).str("name", &channel.name).str("privacy", channel.privacy);
        o.flag("is_shared", false).flag("is_org_shared", channel.org_shared);
        if channel.org_shared {
            o.strs("teams_shared_with", &[&channel.team]);
        }
        o.str("original_connected_channel_id", "").flag("is_salesforce_channel", false);
    });
    Entity { kind: "channel", body }
}

pub(crate) fn file(dice: &mut Dice) -> Entity {
    let id = dice.id("F");
    let (name, mime) = names::file(dice);
    named_file(&id, &name, mime)
}

pub(crate) fn named_file(id: &str, name: &str, mime: &str) -> Entity {
    let title = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let body = object(|o| {
        o.str("id", id).str("name", name).str("filetype", mime).str("title", title);
    });
    Entity { kind: "file", body }
}

/// A known app from Slack's directory.
pub(crate) fn app(app: &App) -> Entity {
    Entity { kind: "app", body: app_body(app, true) }
}

/// An app object; not directory-approved means written in-house or by somebody unknown.
pub(crate) fn app_body(app: &App, approved: bool) -> String {
    object(|o| {
        o.str("id", &app.id).str("name", app.name).flag("is_distributed", approved);
        o.flag("is_directory_approved", approved).flag("is_workflow_app", false);
        o.strs("scopes", app.scopes).strs("bot_scopes", app.bot_scopes);
    })
}

/// A call over a channel's members that goes on; `participants` are user ids.
pub(crate) fn huddle(people: &[&Person], channel: &str, started: u64, dice: &mut Dice) -> Entity {
    call(&dice.id("R"), people, channel, started, 0)
}

/// The same call from its start to its end, which is 0 while it goes on.
pub(crate) fn call(id: &str, people: &[&Person], channel: &str, started: u64, ended: u64) -> Entity {
    let ids: Vec<&str> = people.iter().map(|person| person.user.id.as_str()).collect();
    let body = object(|o| {
        o.str("id", id).uint("date_start", started).uint("date_end", ended).strs("participants", &ids);
        o.str("channel", channel);
    });
    Entity { kind: "huddle", body }
}

/// The account that an app's bot gets when the app is installed.
pub(crate) fn bot_account(app: &App, team: &str, dice: &mut Dice) -> Entity {
    let body = object(|o| {
        o.str("id", &dice.id("U")).str("name", app.name).str("email", &bot_address(app, team)).str("team", team);
    });
    Entity { kind: "user", body }
}

fn named(kind: &'static str, id: &str, name: &str) -> Entity {
    let body = object(|o| {
        o.str("id", id).str("name", name);
    });
    Entity { kind, body }
}

fn id_only(id: &str) -> String {
    object(|o| {
        o.str("id", id);
    })
}

/// A message has no id of its own.
fn message(channel: &Channel, dice: &mut Dice) -> Entity {
    let timestamp = format!("{}.{:06}", dice.between(1_700_000_000, 1_790_000_000), dice.below(1_000_000));
    let body = object(|o| {
        o.str("team", &channel.team).str("channel", &channel.id).str("timestamp", &timestamp);
    });
    Entity { kind: "message", body }
}

fn workflow_v2(dice: &mut Dice, actor: &Person) -> Entity {
    let body = object(|o| {
        o.str("id", &dice.id("Wf")).str("app_id", &dice.id("A")).uint("date_updated", 1_780_000_000);
        o.str("callback_id", "weekly_report").str("name", "Weekly report").str("updated_by", &actor.user.id);
        let step = r#"[{"name":"Send a message","step_function_type":"builtin","step_function_app_id":"","external_auth_configuration":[]}]"#;
        o.raw("step_configuration", step);
    });
    Entity { kind: "workflow_v2", body }
}

fn barrier(dice: &mut Dice) -> Entity {
    let body = object(|o| {
        o.str("id", &dice.id("B")).str("primary_usergroup", &dice.id("S"));
        o.strs("barriered_from_usergroups", &[dice.id("S")]).strs("restricted_subjects", &["im", "mpim", "call"]);
    });
    Entity { kind: "barrier", body }
}

/// System roles: id and name. Of the ids only the first was captured.
pub(crate) const ROLES: [(&str, &str); 5] = [
    ("Rl0A", "Channel Manager"),
    ("Rl0C", "Users Admin"),
    ("Rl0D", "Roles Admin"),
    ("Rl0G", "Security Admin"),
    ("Rl0H", "Channels Admin"),
];

fn role(dice: &mut Dice) -> Entity {
    system_role(dice.below(ROLES.len() as u64) as usize)
}

/// One of [`ROLES`]; 0 is what whoever makes a channel gets for it.
pub(crate) fn system_role(n: usize) -> Entity {
    let (id, name) = ROLES[n];
    let body = object(|o| {
        o.str("id", id).str("name", name).str("type", "0");
    });
    Entity { kind: "role", body }
}

/// Account types as Slack numbers them. 1007 was captured, and some eight to thirty entries about them at once.
const ACCOUNT_TYPES: [(u64, &str); 6] = [
    (1002, "FULL_MEMBER"),
    (1003, "MULTI_CHANNEL_GUEST"),
    (1004, "SINGLE_CHANNEL_GUEST"),
    (1006, "WORKSPACE_ADMIN"),
    (1007, "WORKSPACE_OWNER"),
    (1009, "ORG_OWNER"),
];

/// An account type, counted round: what everybody of that kind may do is set for it.
pub(crate) fn account_type_role(n: usize) -> Entity {
    let (id, name) = ACCOUNT_TYPES[n % ACCOUNT_TYPES.len()];
    let body = object(|o| {
        o.uint("id", id).str("name", name);
    });
    Entity { kind: "account_type_role", body }
}

fn canvas(dice: &mut Dice) -> Entity {
    let body = object(|o| {
        o.str("id", &dice.id("F")).str("filetype", "application/vnd.slack-docs").str("title", "Notes / décisions");
    });
    Entity { kind: "canvas", body }
}

fn template(dice: &mut Dice) -> Entity {
    let body = object(|o| {
        o.str("id", &dice.id("Tm")).str("template_name", "Project starter");
    });
    Entity { kind: "template", body }
}

fn function(dice: &mut Dice) -> Entity {
    let body = object(|o| {
        o.str("id", &dice.id("Fn")).str("app_id", &dice.id("A")).str("callback_id", "create_ticket");
    });
    Entity { kind: "function", body }
}

/// The provider's id exceeds 32 bits and its scopes are a string or an array.
fn oauth2_token(dice: &mut Dice) -> Entity {
    let body = object(|o| {
        o.str("id", &dice.id("Et")).obj("provider", |provider| {
            provider.uint("id", dice.between(5_000_000_000, 9_000_000_000)).str("key", "google");
            provider.obj("app", |app| {
                app.str("scopes", "openid email");
            });
        });
    });
    Entity { kind: "external_auth_oauth2_token", body }
}
