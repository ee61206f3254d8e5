//! What goes on beside people's own work: bots, provisioning, IT's upkeep, and Slack itself.

use super::cast::{Cast, Person};
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

/// IT adds an app from the directory that asks for little.
pub(crate) fn install_app(at: u64, cast: &Cast, dice: &mut Dice) -> SimEntry {
    let entity = entities::app(dice.pick(&cast.apps));
    let person = it_person(cast, dice);
    let details = details::of("app_installed", at, cast, person, dice);
    let context = Context::of_person(cast, person, dice);
    Draft { at, action: "app_installed", actor: &person.wire, entity, context, details }.write(dice)
}

/// A joiner arrives through SCIM: no address, no user agent, but the app that did it.
pub(crate) fn provision(at: u64, cast: &Cast, dice: &mut Dice) -> SimEntry {
    let number = dice.between(10_000, 99_999) as usize;
    let (name, mailbox) = names::person(dice, number);
    let team = &cast.workspaces[0].id;
    let id = dice.id("U");
    let body = object(|o| {
        o.str("id", &id).str("name", &name).str("email", &format!("{mailbox}@nordlicht.example")).str("team", team);
    });
    let context = Context {
        app: Some(entities::app_body(&cast.provisioning_app, true)),
        ..Context::server_side(cast.enterprise_location())
    };
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
