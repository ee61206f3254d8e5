//! What ends an OAuth flow, as captured entries have it: the person who clicked is the actor, but address and client are those
//! of the app's server, `session_id` is null, and there is no `context.app`. An internal app that is installed on its own
//! page carries the person's browser instead.

use super::SimEntry;
use super::cast::{App, Cast, Person};
use super::dice::{Dice, mixed};
use super::entities;
use super::entry::{Context, Draft};
use crate::internet;
use crate::wire::object;

/// Clients of app servers, in the forms seen live and those of common libraries.
const CLIENTS: &[&str] = &[
    "python-requests/2.32.3",
    "okhttp/4.12.0",
    "@slack:bolt/3.22.0 @slack:web-api/6.13.0 node/20.18.0 linux/5.10.226-214.880.amzn2.x86_64",
    "Python/3.11.9 slackclient/3.33.1 Linux/6.1.109",
    "Go-http-client/2.0",
    "Apache-HttpClient/4.5.14 (Java/17.0.12)",
    "axios/1.7.7",
    "Slack Ruby Client/2.1.0",
];

/// Where an app's maker runs it: always the same server for the same app, half of them in the networks that anybody can rent.
pub(crate) fn server(app: &App, location: String) -> Context {
    let bytes: Vec<u64> = app.id.bytes().map(u64::from).collect();
    let draw = mixed(0x0a07, &bytes);
    Context {
        ip: internet::app_server(draw),
        ua: CLIENTS[(draw / 7 % CLIENTS.len() as u64) as usize].into(),
        ..Context::server_side(location)
    }
}

/// Somebody adds a distributed app; if it has a bot, the bot's account comes with it in the same second.
pub(crate) fn install(
    at: u64,
    app: &App,
    who: &Person,
    location: String,
    cast: &Cast,
    dice: &mut Dice,
) -> Vec<SimEntry> {
    let context = server(app, location);
    let details = object(|o| {
        o.flag("is_internal_integration", false).str("app_owner_id", "");
        o.flag("is_token_rotation_enabled_app", false);
    });
    let entity = entities::app(app);
    let installed = Draft {
        at,
        action: "app_installed",
        actor: &who.wire,
        entity,
        context: context.clone(),
        details: Some(details),
    };
    let mut entries = vec![installed.write(dice)];
    if !app.bot_scopes.is_empty() {
        let entity = entities::bot_account(app, &cast.workspaces[who.workspace].id, dice);
        let created = Draft { at, action: "user_created", actor: &who.wire, entity, context, details: None };
        entries.push(created.write(dice));
    }
    entries
}

/// The same app authorized again, which Slack calls "expanded": mostly with the scopes it has, at times with fewer.
pub(crate) fn authorize_again(at: u64, app: &App, who: &Person, location: String, dice: &mut Dice) -> SimEntry {
    let previous: Vec<&str> = app.scopes.iter().chain(app.bot_scopes).copied().collect();
    let kept = if previous.len() > 1 && dice.percent(12) { previous.len() - 1 } else { previous.len() };
    let details = object(|o| {
        o.flag("is_internal_integration", false)
            .strs("new_scopes", &previous[..kept])
            .strs("previous_scopes", &previous);
        o.flag("granular_bot_token", true);
    });
    let (entity, context) = (entities::app(app), server(app, location));
    Draft { at, action: "app_scopes_expanded", actor: &who.wire, entity, context, details: Some(details) }.write(dice)
}
