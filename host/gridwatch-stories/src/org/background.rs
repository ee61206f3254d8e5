//! What goes on beside people's own work: bots, provisioning, IT's upkeep, and Slack itself.

use super::cast::{Cast, Channel, Person};
use super::dice::Dice;
use super::entities;
use super::entry::{Context, Draft, Entity, Session, session_form};
use super::{SimEntry, details, names};
use crate::wire::object;

/// Preferences that weaken nothing.
const QUIET_PREFERENCES: &[&str] = &[
    "pref.enterprise_default_channels",
    "pref.emoji_only_admins",
    "pref.display_real_names",
    "pref.who_can_create_public_channels",
    "pref.dnd_start_hour",
    "pref.msg_edit_window_mins",
    "pref.allow_huddles",
];

pub(crate) fn bot_post(at: u64, cast: &Cast, dice: &mut Dice) -> SimEntry {
    let index = dice.below(cast.bots.len() as u64) as usize;
    let bot = &cast.bots[index];
    let context = Context {
        ua: bot.desktop_ua.clone(),
        ip: if dice.percent(30) { String::new() } else { format!("192.0.2.{}", 10 + index) },
        app: Some(entities::app_body(&cast.apps[index], true)),
        ..Context::server_side(cast.workspace_location(bot.workspace))
    };
    let id = dice.id("F");
    let entity = entities::named_file(&id, "build-report.html", "text/html");
    Draft { at, action: "file_uploaded", actor: &bot.wire, entity, context, details: None }.write(dice)
}

pub(crate) fn it_person<'a>(cast: &'a Cast, dice: &mut Dice) -> &'a Person {
    &cast.people[1 + dice.below(cast.it_staff as u64) as usize]
}

/// A joiner arrives through the identity provider.
pub(crate) fn provision(at: u64, cast: &Cast, dice: &mut Dice) -> SimEntry {
    let number = dice.between(10_000, 99_999) as usize;
    let (name, mailbox) = names::person(dice, number);
    let team = &cast.workspaces[0].id;
    let id = dice.id("U");
    let body = object(|o| {
        o.str("id", &id).str("name", &name).str("email", &format!("{mailbox}@nordlicht.example")).str("team", team);
    });
    let context = cast.provisioning("user_created");
    let entity = Entity { kind: "user", body };
    Draft { at, action: "user_created", actor: &cast.provisioner.wire, entity, context, details: None }.write(dice)
}

pub(crate) fn preference(at: u64, cast: &Cast, dice: &mut Dice) -> SimEntry {
    let action = *dice.pick(QUIET_PREFERENCES);
    let person = it_person(cast, dice);
    let mut context = Context::of_person(cast, person, dice);
    let entity = if dice.percent(50) {
        context.location = cast.enterprise_location();
        entities::enterprise(cast)
    } else {
        entities::workspace(cast, person.workspace)
    };
    let details = details::of(action, at, cast, person, dice);
    Draft { at, action, actor: &person.wire, entity, context, details }.write(dice)
}

/// A workspace is made: in that second Slack says of each account type what it may do there, and the first channels come,
/// with their maker as their manager.
pub(crate) fn make_workspace(at: u64, maker: &Person, context: &Context, dice: &mut Dice) -> Vec<SimEntry> {
    let team = dice.id("T");
    let body = object(|o| {
        o.str("id", &team).str("name", "Field Service").str("domain", "nordlicht-field");
    });
    let write = |action: &str, entity: Entity, details: Option<String>, dice: &mut Dice| {
        Draft { at, action, actor: &maker.wire, entity, context: context.clone(), details }.write(dice)
    };
    let mut entries = vec![write("workspace_created", Entity { kind: "workspace", body }, None, dice)];
    for n in 0..dice.between(8, 30) as usize {
        let rights = details::ACCOUNT_RIGHTS;
        let details = object(|o| {
            o.strs("changed_permissions", &[rights[n % rights.len()], rights[(n + 3) % rights.len()]]);
            o.str("is_allowed", "ALLOWED").str("target_entity_id", &team);
        });
        entries.push(write("permissions_assigned", entities::account_type_role(n), Some(details), dice));
    }
    for name in ["general", "random"] {
        let channel =
            Channel { id: dice.id("C"), name: name.into(), privacy: "public", org_shared: false, team: team.clone() };
        entries.extend(make_channel(at, maker, &channel, context, dice));
    }
    entries
}

/// A channel is made, and whoever made it becomes its manager in the same second (captured, in two sources).
pub(crate) fn make_channel(
    at: u64,
    maker: &Person,
    channel: &Channel,
    context: &Context,
    dice: &mut Dice,
) -> [SimEntry; 2] {
    let action = if channel.privacy == "public" { "public_channel_created" } else { "private_channel_created" };
    let write = |action: &str, entity: Entity, details: Option<String>, dice: &mut Dice| {
        Draft { at, action, actor: &maker.wire, entity, context: context.clone(), details }.write(dice)
    };
    let made = write(action, entities::channel(channel), None, dice);
    let details = role_details(&maker.user.id, &channel.id);
    [made, write("role_assigned", entities::system_role(0), Some(details), dice)]
}

/// Who gets a role, and where it holds: a channel (C…, G…), a workspace (T…) or the organization (E…).
pub(crate) fn role_details(target: &str, scope: &str) -> String {
    object(|o| {
        o.str("target_user", target).str("target_entity", scope);
    })
}

/// Slack itself, with the documented stand-in for an actor.
pub(crate) fn placeholder(at: u64, cast: &Cast, dice: &mut Dice) -> SimEntry {
    let actor = r#"{"id":"USLACKUSER","name":"","email":""}"#;
    let mut context = Context::server_side(cast.enterprise_location());
    context.session = session_form(0, dice);
    if matches!(context.session, Session::Number(_) | Session::Text(_)) {
        context.session = Session::Absent;
    }
    let entity = entities::workspace(cast, dice.below(cast.workspaces.len() as u64) as usize);
    let action = "usergroup_update_enqueued";
    Draft { at, action, actor, entity, context, details: None }.write(dice)
}
