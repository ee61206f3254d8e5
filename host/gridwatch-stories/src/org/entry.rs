//! From an act to the bytes that Slack would send for it.

use super::dice::Dice;
use super::{SimEntry, cast::Cast, cast::Person};
use crate::wire::object;

/// The thing acted on: its type and the object under that key.
#[derive(Clone)]
pub(crate) struct Entity {
    pub(crate) kind: &'static str,
    pub(crate) body: String,
}

/// `context.session_id`, in all the forms seen live.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session {
    Number(u64),
    Text(u64),
    Null,
    Absent,
}

/// Where an act came from.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) location: String,
    pub(crate) ua: String,
    pub(crate) ip: String,
    pub(crate) session: Session,
    /// The app that made the call, as an object.
    pub(crate) app: Option<String>,
    /// Slack's own assistant, where it acts for somebody: Slack documents the key, and names Slackbot.
    pub(crate) agent: Option<&'static str>,
}

impl Context {
    /// A server-side act: no user agent, no address, no session.
    pub(crate) fn server_side(location: String) -> Self {
        Self { location, ua: String::new(), ip: String::new(), session: Session::Null, app: None, agent: None }
    }

    /// A person at their desk or on their phone.
    pub(crate) fn of_person(cast: &Cast, person: &Person, dice: &mut Dice) -> Self {
        let desktop = dice.percent(75);
        let (ua, session) = if desktop {
            (person.desktop_ua.clone(), person.desktop_session)
        } else {
            (person.mobile_ua.clone(), person.mobile_session)
        };
        let at_office = desktop && dice.percent(70);
        let ip = if at_office { &cast.offices[person.office].egress_ip } else { &person.home_ip };
        Self {
            location: location_of(cast, person, dice),
            ua,
            ip: ip.clone(),
            session: session_form(session, dice),
            app: None,
            agent: None,
        }
    }
}

/// Of captured entries, 45 in a hundred name the workspace and the rest the organization.
pub(crate) fn location_of(cast: &Cast, person: &Person, dice: &mut Dice) -> String {
    if dice.percent(45) { cast.workspace_location(person.workspace) } else { cast.enterprise_location() }
}

/// The same session as an integer, mostly, or a numeric string, null or nothing.
pub(crate) fn session_form(session: u64, dice: &mut Dice) -> Session {
    match dice.below(100) {
        0..70 => Session::Number(session),
        70..90 => Session::Text(session),
        90..95 => Session::Null,
        _ => Session::Absent,
    }
}

/// An act, ready to be written.
pub(crate) struct Draft<'a> {
    pub(crate) at: u64,
    pub(crate) action: &'a str,
    /// The user object of whoever did it.
    pub(crate) actor: &'a str,
    pub(crate) entity: Entity,
    pub(crate) context: Context,
    pub(crate) details: Option<String>,
}

impl Draft<'_> {
    /// Gives the act an id and its wire form.
    pub(crate) fn write(self, dice: &mut Dice) -> SimEntry {
        let id = dice.uuid();
        let json = object(|entry| {
            entry.str("id", &id).uint("date_create", self.at).str("action", self.action);
            entry.obj("actor", |actor| {
                actor.str("type", "user").raw("user", self.actor);
            });
            entry.obj("entity", |entity| {
                entity.str("type", self.entity.kind).raw(self.entity.kind, &self.entity.body);
            });
            entry.obj("context", |context| write_context(context, &self.context));
            if let Some(details) = &self.details {
                entry.raw("details", details);
            }
        });
        SimEntry { id, date_create: self.at, action: self.action.to_owned(), json, visible_at_ms: self.at * 1000 }
    }
}

fn write_context(o: &mut crate::wire::Obj<'_>, context: &Context) {
    o.raw("location", &context.location).str("ua", &context.ua).str("ip_address", &context.ip);
    match context.session {
        Session::Number(id) => o.uint("session_id", id),
        Session::Text(id) => o.str("session_id", &id.to_string()),
        Session::Null => o.raw("session_id", "null"),
        Session::Absent => o,
    };
    if let Some(app) = &context.app {
        o.raw("app", app);
    }
    if let Some(agent) = context.agent {
        o.str("acting_agent", agent);
    }
}
