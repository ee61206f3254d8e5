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
//! | `target.id`, `target.role` | the user it was done to, and their role then: the entity, or whom the details name as given a role, permissions or a place in a group |
//! | `target.scope`, `target.direction` | of a role or right: how far it reaches (`channel`, `workspace`, `organization`), and whether it is `given` or `taken`; "" where the entry doesn't say |
//! | `target.place` | is that place `new`, just made, or `known` for longer; `unknown` while the log is young; "" of none |
//! | `context.provisioning` | how the entry is known to be provisioning's: `app`, `account`, `client`, or "" |
//! | `context.country`, `context.network_kind` | of the address, as the networks know it: `DE`; `hosting`, `vpn` or `tor` |
//! | `context.own` | what the organization calls the address, where it is its own way out (`[enrich.own]`) |
//! | `context.whose` | whose address and client the context has: actor, inviter, app or agent |
//! | `actor.external`, `entity.external` | `true` or `false`, as it follows from the user's team; "" where it can't tell |
//! | `context.client` | program and system of the user agent, without versions |
//! | `time.date`, `time.hour_of_week` | of the event, in the zone of `detect.timezone` (UTC without one): `2026-09-21`, `mon-09` |
//! | `X#count` | how many texts are in `X`, which is an actor's, entity's, context's or details' own; "" for none |
//! | `X#ending` | what stands behind the last dot of such an `X`, in small letters and without spaces around it: of a file's name, its type; "" without a dot |
//!
//! A list that is too long for a module is given by its first part; `X#count` says how long all of it is.
//!
//! Every field is text: strings as they are (JSON in one without what strict JSON refuses), numbers and booleans as written, lists and objects as compact JSON; absent,
//! null and "" are the empty text.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Is saved by its name.
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
    Role(Party),
    Target,
    Scope,
    Direction,
    Place,
    Provisioning,
    External(Party),
    WhoseContext,
    OfAddress(AddressPart),
    Client,
    Date,
    HourOfWeek,
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
    Country,
    Kind,
    Own,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{name}` is not a field: use id, action, time.date, time.hour_of_week, target.id, target.role, target.scope, target.direction, \
     target.place, context.provisioning, or actor.…, entity.…, context.…, details.…, and after one of these four `#count` for how \
     many texts it has or `#ending` for what stands behind its last dot"
)]
pub struct NotAField {
    pub name: String,
}

impl Field {
    /// # Errors
    /// No event can have a field of that name.
    pub fn parse(name: &str) -> Result<Self, NotAField> {
        let wrong = || NotAField { name: name.to_owned() };
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
            ("context", 2) if parts[1] == "provisioning" => Source::Provisioning,
            ("actor", 2) if parts[1] == "external" => Source::External(Party::Actor),
            ("entity", 2) if parts[1] == "external" => Source::External(Party::Entity),
            ("context", 2) if parts[1] == "whose" => Source::WhoseContext,
            ("context", 2) if parts[1] == "own" => Source::OfAddress(AddressPart::Own),
            ("context", 2) if parts[1] == "network" => Source::OfAddress(AddressPart::Network),
            ("context", 2) if parts[1] == "range" => Source::OfAddress(AddressPart::Range),
            ("context", 2) if parts[1] == "country" => Source::OfAddress(AddressPart::Country),
            ("context", 2) if parts[1] == "network_kind" => Source::OfAddress(AddressPart::Kind),
            ("context", 2) if parts[1] == "client" => Source::Client,
            ("time", 2) if parts[1] == "date" => Source::Date,
            ("time", 2) if parts[1] == "hour_of_week" => Source::HourOfWeek,
            ("actor" | "entity", 2) if parts[1] == "type" => Source::Path(parts.clone()),
            ("actor", 2..) => Source::Actor(rest()),
            ("entity", 2..) => Source::Entity(rest()),
            ("context" | "details", 2..) => Source::Path(parts.clone()),
            _ => return Err(wrong()),
        };
        Ok(Self { name: name.to_owned(), source })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Does the field name a role, or what else entries that arrive later may revise? Nothing may be kept by one.
    pub fn is_role(&self) -> bool {
        matches!(self.source, Source::Role(_) | Source::External(_) | Source::Place)
    }
}

/// What is asked of a field's text instead of the text, by the end of the name.
const PARTS: [(&str, fn(Box<Source>) -> Source); 2] = [("#count", Source::Count), ("#ending", Source::Ending)];

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
        f.write_str(&self.name)
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
