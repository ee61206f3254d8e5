//! A field: the name by which a manifest asks for one text of an event.
//!
//! | name | means |
//! |---|---|
//! | `id`, `action` | the entry's own |
//! | `actor.X` | `X` of the object under `actor.<actor.type>`; `actor.type` is the type itself |
//! | `entity.X` | `X` of the object under `entity.<entity.type>`; `entity.type` is the type itself |
//! | `context.X`, `details.X` | the path as Slack writes it |
//! | `actor.role`, `entity.role` | the user's role when the event happened, as the host knows it from the log |
//! | `context.network` | who runs the address: `AS64500` where the tables of networks know it, else its /24 or /48 |
//! | `context.range` | its /24 or /48, whoever runs it |
//! | `context.subnet` | its /24 or /64: of IPv6, one link, where /48 may be a whole site or many customers of a carrier |
//! | `target.id`, `target.role` | the user it was done to, and their role then: the entity, or whom the details name as given a role, permissions or a place in a group |
//! | `target.scope`, `target.direction` | of a role or right: how far it reaches (`channel`, `workspace`, `organization`), and whether it is `given` or `taken`; "" where the entry doesn't say |
//! | `target.place` | is that place `new`, just made, or `known` for longer; `unknown` while the log is young; "" of none |
//! | `target.app` | the app that it was done to: the entity if it is an app, else the one that the details name (`app_id`) |
//! | `setting.direction` | of a change of a setting or control: `looser`, `stricter` or `unclear`; "" of all else |
//! | `setting.guards` | what the setting stands against, by a word of `gridwatch_settings`: `sign-in`, `apps`, `evidence`; "" of what harms nobody, and of all else |
//! | `context.provisioning` | how the entry is known to be provisioning's: `app`, `account`, `client`, or "" |
//! | `context.country`, `context.network_kind` | of the address, as the networks know it: `DE`; `hosting`, `vpn` or `tor` |
//! | `context.own` | what the organization calls the address, where it is its own way out (`[enrich.own]`) |
//! | `context.whose` | whose address and client the context has: actor, inviter, app or agent |
//! | `actor.external`, `entity.external` | `true` or `false`, as it follows from the user's team; "" where it can't tell |
//! | `context.client` | program and system of the user agent, without versions |
//! | `sign_in.way` | of a sign-in: by which identity provider or method; `unsaid` where the entry doesn't say; "" of all else |
//! | `time.date`, `time.hour_of_week` | of the event, in the zone of `detect.timezone` (UTC without one): `2026-09-21`, `mon-09` |
//! | `entry.X` | the path as Slack writes it, from the top of the entry: `entry.entity.file.name` is empty where the entity is no file |
//! | `match.NAME` | `1` if what the manifest asks under that name holds, else ""; see [`crate::expression`] |
//! | `X#count` | how many texts are in `X`, which is an actor's, entity's, context's or details' own; "" for none |
//! | `X#ending` | what stands behind the last dot of such an `X`, in small letters and without spaces around it: of a file's name, its type; "" without a dot |
//! | `X#looks` | what such an `X` looks like (`gridwatch_looks`): one text for all names that look alike |
//!
//! A list that is too long for a module is given by its first part; `X#count` says how long all of it is.
//!
//! Every field is text: strings as they are (JSON in one without what strict JSON refuses), numbers and booleans as written, lists and objects as compact JSON; absent,
//! null and "" are the empty text.

use crate::expression::Matcher;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Is saved by its name, which says all of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Field {
    name: String,
    source: Source,
}

/// Where a field's text is to be found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    Top(String),
    Actor(Vec<String>),
    Entity(Vec<String>),
    Path(Vec<String>),
    /// Of one of those before.
    Count(Box<Source>),
    Ending(Box<Source>),
    Looks(Box<Source>),
    Role(Party),
    Target,
    Scope,
    Direction,
    Place,
    App,
    Setting,
    Guards,
    Provisioning,
    External(Party),
    WhoseContext,
    OfAddress(AddressPart),
    Client,
    SignIn,
    Date,
    HourOfWeek,
    Match(Arc<Matcher>),
}

/// Whose role, or which side's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    Actor,
    Entity,
    Target,
}

/// What the tables of networks say of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressPart {
    Network,
    Range,
    Subnet,
    Country,
    Kind,
    Own,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{name}` is not a field: use id, action, time.date, time.hour_of_week, target.id, target.role, target.scope, target.direction, \
     target.place, target.app, setting.direction, setting.guards, sign_in.way, context.provisioning, or actor.…, entity.…, context.…, details.…, entry.…, a match.… that the manifest has, and after one of these four `#count` for how \
     many texts it has, `#ending` for what stands behind its last dot or `#looks` for what it looks like"
)]
pub struct NotAField {
    pub name: String,
}

impl Field {
    /// # Errors
    /// No event can have a field of that name.
    pub fn parse(name: &str) -> Result<Self, NotAField> {
        let wrong = || NotAField { name: name.to_owned() };
        if name.starts_with(MATCH) {
            // As it is saved: what is asked stands behind its name.
            let (short, written) = name.split_once(' ').ok_or_else(wrong)?;
            return Matcher::parse(written).map(|matcher| Self::asking(short, matcher)).map_err(|_| wrong());
        }
        for (suffix, part) in PARTS {
            let Some(whole) = name.strip_suffix(suffix) else { continue };
            let source = Self::parse(whole).map_err(|_| wrong())?.source;
            return match source {
                Source::Actor(_) | Source::Entity(_) | Source::Path(_) => {
                    Ok(Self { name: name.to_owned(), source: part(source.into()) })
                }
                _ => Err(wrong()),
            };
        }
        let parts: Vec<String> = name.split('.').map(str::to_owned).collect();
        if parts.iter().any(|part| part.is_empty() || part.len() > 64) || parts.len() > 8 {
            return Err(wrong());
        }
        let rest = || parts[1..].to_vec();
        let source = match (parts[0].as_str(), parts.len()) {
            ("id" | "action", 1) => Source::Top(parts[0].clone()),
            ("actor", 2) if parts[1] == "role" => Source::Role(Party::Actor),
            ("entity", 2) if parts[1] == "role" => Source::Role(Party::Entity),
            ("target", 2) if parts[1] == "id" => Source::Target,
            ("target", 2) if parts[1] == "role" => Source::Role(Party::Target),
            ("target", 2) if parts[1] == "scope" => Source::Scope,
            ("target", 2) if parts[1] == "direction" => Source::Direction,
            ("target", 2) if parts[1] == "place" => Source::Place,
            ("target", 2) if parts[1] == "app" => Source::App,
            ("setting", 2) if parts[1] == "direction" => Source::Setting,
            ("setting", 2) if parts[1] == "guards" => Source::Guards,
            ("context", 2) if parts[1] == "provisioning" => Source::Provisioning,
            ("actor", 2) if parts[1] == "external" => Source::External(Party::Actor),
            ("entity", 2) if parts[1] == "external" => Source::External(Party::Entity),
            ("context", 2) if parts[1] == "whose" => Source::WhoseContext,
            ("context", 2) if parts[1] == "own" => Source::OfAddress(AddressPart::Own),
            ("context", 2) if parts[1] == "network" => Source::OfAddress(AddressPart::Network),
            ("context", 2) if parts[1] == "range" => Source::OfAddress(AddressPart::Range),
            ("context", 2) if parts[1] == "subnet" => Source::OfAddress(AddressPart::Subnet),
            ("context", 2) if parts[1] == "country" => Source::OfAddress(AddressPart::Country),
            ("context", 2) if parts[1] == "network_kind" => Source::OfAddress(AddressPart::Kind),
            ("context", 2) if parts[1] == "client" => Source::Client,
            ("sign_in", 2) if parts[1] == "way" => Source::SignIn,
            ("time", 2) if parts[1] == "date" => Source::Date,
            ("time", 2) if parts[1] == "hour_of_week" => Source::HourOfWeek,
            ("actor" | "entity", 2) if parts[1] == "type" => Source::Path(parts.clone()),
            ("actor", 2..) => Source::Actor(rest()),
            ("entity", 2..) => Source::Entity(rest()),
            ("context" | "details", 2..) => Source::Path(parts.clone()),
            ("entry", 2..) => Source::Path(rest()),
            _ => return Err(wrong()),
        };
        Ok(Self { name: name.to_owned(), source })
    }

    /// What a manifest has under `[match]`, with its name there.
    pub(crate) fn matching(name: &str, matcher: Matcher) -> Self {
        Self::asking(&format!("{MATCH}{name}"), matcher)
    }

    /// Two matches of one name, of two modules or versions, are two fields: the name has in it what is asked.
    fn asking(short: &str, matcher: Matcher) -> Self {
        Self { name: format!("{short} {}", matcher.written()), source: Source::Match(Arc::new(matcher)) }
    }

    /// All of it: two fields of the same name are the same.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As a manifest and people say it: of a match, without what it asks.
    pub fn label(&self) -> &str {
        self.name.split_once(' ').map_or(&self.name, |(label, _)| label)
    }

    pub fn matcher(&self) -> Option<&Matcher> {
        match &self.source {
            Source::Match(matcher) => Some(matcher),
            _ => None,
        }
    }

    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Does the field name a role, or what else entries that arrive later may revise? Nothing may be kept by one.
    pub fn is_role(&self) -> bool {
        match &self.source {
            Source::Role(_) | Source::External(_) | Source::Place => true,
            Source::Match(matcher) => matcher.fields().into_iter().any(Self::is_role),
            _ => false,
        }
    }
}

/// How the names of matches begin.
pub(crate) const MATCH: &str = "match.";

/// What is asked of a field's text.
type OfText = fn(Box<Source>) -> Source;

/// What is asked instead of the text, by the end of the name.
const PARTS: [(&str, OfText); 3] = [("#count", Source::Count), ("#ending", Source::Ending), ("#looks", Source::Looks)];

impl From<Field> for String {
    fn from(field: Field) -> Self {
        field.name
    }
}

impl TryFrom<String> for Field {
    type Error = NotAField;

    fn try_from(name: String) -> Result<Self, NotAField> {
        Self::parse(&name)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_outside_the_entry_are_refused() {
        for name in ["actor.role#count", "action#count", "#count", "details.x#count#count", "details.x#size"] {
            assert!(Field::parse(name).is_err() || name == "details.x#size", "{name}");
        }
        for name in ["actor.role#ending", "#ending", "entity.name#ending#ending", "entity.name#ending#count"] {
            assert!(Field::parse(name).is_err(), "{name}");
        }
        for name in ["", "actor", "user.id", "details.", "details..x", "date_create", "time", "time.week"] {
            assert!(Field::parse(name).is_err(), "{name}");
        }
    }
}
