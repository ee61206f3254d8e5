//! A field: the name by which a manifest asks for one text of an event.
//!
//! | name | means |
//! |---|---|
//! | `id`, `action` | the entry's own |
//! | `actor.X` | `X` of the object under `actor.<actor.type>`; `actor.type` is the type itself |
//! | `entity.X` | `X` of the object under `entity.<entity.type>`; `entity.type` is the type itself |
//! | `context.X`, `details.X` | the path as Slack writes it |
//! | `actor.role`, `entity.role` | the user's role when the event happened, as the [`Directory`] knows it |
//! | `context.network` | who runs the address: `AS64500` where the [`Networks`] know it, else its /24 or /48 |
//! | `context.range` | its /24 or /48, whoever runs it |
//! | `target.id`, `target.role` | the user it was done to, and their role then: the entity, or whom the details name as given a role, permissions or a place in a group |
//! | `target.scope`, `target.direction` | of a role or right: how far it reaches (`channel`, `workspace`, `organization`), and whether it is `given` or `taken`; "" where the entry doesn't say: see [`grant`] |
//! | `target.place` | is that place `new`, just made, or `known` for longer; `unknown` while the log is young; "" of none |
//! | `context.provisioning` | how the entry is known to be provisioning's: `app`, `account`, `client`, or "": see [`Provisioning`] |
//! | `context.country`, `context.network_kind` | of the address, as the networks know it: `DE`; `hosting`, `vpn` or `tor` |
//! | `context.own` | what the organization calls the address, where it is its own way out (`[enrich.own]`) |
//! | `context.whose` | whose address and client the context has: actor, inviter, app or agent: see [`Whose`] |
//! | `actor.external`, `entity.external` | `true` or `false`, as the [`Directory`] takes it from the user's team; "" where it can't tell |
//! | `context.client` | program and system of the user agent, without versions: see [`client_of`] |
//! | `time.date`, `time.hour_of_week` | of the event, in the zone of `detect.timezone` (UTC without one): `2026-09-21`, `mon-09` |
//! | `X#count` | how many texts are in `X`, which is an actor's, entity's, context's or details' own: see [`json::count_texts`]; "" for none |
//!
//! A list that is too long for a module is given by its first part ([`json::first_part`]); `X#count` says how long all of it is.
//!
//! Every field is text: strings as they are (JSON in one without what strict JSON refuses), numbers and booleans as written, lists and objects as compact JSON; absent,
//! null and "" are the empty text.

use crate::client::client_of;
use crate::directory::{Directory, target_of};
use crate::event::{Event, Objects};
use crate::grant;
use crate::json;
use crate::network::{Network, Networks, prefix_of};
use crate::provisioning::Provisioning;
use crate::time::UnixSeconds;
use crate::whose::Whose;
use crate::zone::Zone;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::fmt;

/// Is saved by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Field {
    name: String,
    source: Source,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Source {
    Top(String),
    Actor(Vec<String>),
    Entity(Vec<String>),
    Path(Vec<String>),
    /// Of one of those before.
    Count(Box<Source>),
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Party {
    Actor,
    Entity,
    Target,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum AddressPart {
    Network,
    Range,
    Country,
    Kind,
    Own,
}

/// An event being read: the event, what is known beyond it, and what has been worked out already.
#[derive(Debug)]
pub struct Reading<'e> {
    pub event: &'e Event,
    objects: Objects<'e>,
    directory: &'e Directory,
    networks: &'e Networks,
    provisioning: Option<&'e Provisioning>,
    zone: Option<&'e Zone>,
    network: OnceCell<Option<Cow<'e, Network>>>,
    client: OnceCell<String>,
    /// For [`crate::windows`], many of which share a key: its text, by the key's number.
    pub(crate) keys: RefCell<Vec<Option<WindowKey>>>,
}

/// Text of a window's key; `None` where the event has none.
pub(crate) type WindowKey = Option<std::rc::Rc<str>>;

impl<'e> Reading<'e> {
    /// The directory has to have learned the event.
    pub fn of(event: &'e Event, directory: &'e Directory, networks: &'e Networks) -> Self {
        Self {
            event,
            objects: Objects::of(event),
            directory,
            networks,
            provisioning: None,
            zone: None,
            network: OnceCell::new(),
            client: OnceCell::new(),
            keys: RefCell::default(),
        }
    }

    /// Says who provisions accounts, for `context.provisioning`.
    pub fn with_provisioning(mut self, provisioning: &'e Provisioning) -> Self {
        self.provisioning = Some(provisioning);
        self
    }

    /// Says where days and hours are told; else they are in UTC.
    pub fn with_zone(mut self, zone: &'e Zone) -> Self {
        self.zone = Some(zone);
        self
    }

    fn in_zone(&self, told: fn(&Zone, UnixSeconds) -> String) -> String {
        match self.zone {
            Some(zone) => told(zone, self.event.time),
            None => told(&Zone::default(), self.event.time),
        }
    }

    /// What the tables say of the event's address.
    pub fn network(&self) -> Option<&Network> {
        self.network.get_or_init(|| self.networks.of(self.context("ip_address"))).as_deref()
    }

    fn client(&self) -> &str {
        self.client.get_or_init(|| client_of(self.context("ua")))
    }

    fn context(&self, name: &str) -> &'e str {
        let value = self.objects.json().get("context").and_then(|context| context.get(name));
        value.and_then(Value::as_str).unwrap_or_default()
    }

    fn of_address(&self, part: AddressPart) -> Cow<'_, str> {
        let known = self.network();
        match part {
            AddressPart::Own => known.map_or("", |n| &n.own).into(),
            AddressPart::Network => match known.map_or("", |n| &n.asn) {
                "" => prefix_of(self.context("ip_address")).into(),
                asn => asn.into(),
            },
            AddressPart::Range => prefix_of(self.context("ip_address")).into(),
            AddressPart::Country => known.map_or("", |n| &n.country).into(),
            AddressPart::Kind => known.and_then(|n| n.kind).map_or("", |kind| kind.name()).into(),
        }
    }

    fn user(&self, party: Party) -> Option<&'e Value> {
        match party {
            Party::Actor => self.objects.actor(),
            Party::Entity | Party::Target => self.objects.entity().filter(|_| self.event.entity_type() == "user"),
        }
    }

    fn role(&self, party: Party) -> &'static str {
        let id = match party {
            Party::Target => target_of(self.event),
            _ => self.user(party).and_then(|user| user.get("id")).and_then(Value::as_str).map(Cow::Borrowed),
        };
        id.filter(|id| !id.is_empty()).map_or("", |id| self.directory.role_at(&id, self.event).name())
    }

    fn external(&self, party: Party) -> &'static str {
        match self.user(party).and_then(|user| self.directory.is_external(user, self.event)) {
            Some(true) => "true",
            Some(false) => "false",
            None => "",
        }
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{name}` is not a field: use id, action, time.date, time.hour_of_week, target.id, target.role, target.scope, target.direction, \
     target.place, context.provisioning, or actor.…, entity.…, context.…, details.…, and `#count` after one of these four for how \
     many texts it has"
)]
pub struct NotAField {
    pub name: String,
}

impl Field {
    pub fn parse(name: &str) -> Result<Self, NotAField> {
        let wrong = || NotAField { name: name.to_owned() };
        if let Some(counted) = name.strip_suffix(COUNT) {
            let source = Self::parse(counted).map_err(|_| wrong())?.source;
            return match source {
                Source::Actor(_) | Source::Entity(_) | Source::Path(_) => {
                    Ok(Self { name: name.to_owned(), source: Source::Count(source.into()) })
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

    /// Does the field name a role, or what else entries that arrive later may revise? Nothing may be kept by one.
    pub fn is_role(&self) -> bool {
        matches!(self.source, Source::Role(_) | Source::External(_) | Source::Place)
    }

    /// The field's text in an event.
    pub fn text<'r>(&self, reading: &'r Reading<'_>) -> Cow<'r, str> {
        let value = match &self.source {
            Source::Top(_) | Source::Actor(_) | Source::Entity(_) | Source::Path(_) => self.source.value(reading),
            Source::Count(source) => {
                let count = source.value(reading).map_or(0, json::count_texts);
                return if count == 0 { "".into() } else { count.to_string().into() };
            }
            Source::Role(party) => return reading.role(*party).into(),
            Source::Target => return target_of(reading.event).unwrap_or_default(),
            Source::Scope => return grant::scope_of(reading.event).map_or("", grant::Scope::name).into(),
            Source::Direction => return grant::direction_of(reading.event).map_or("", grant::Direction::name).into(),
            Source::Place => return reading.directory.age_of_place(reading.event).into(),
            Source::Provisioning => {
                let by = reading.provisioning.and_then(|provisioning| provisioning.of(reading.event));
                return by.map_or("", |by| by.name()).into();
            }
            Source::External(party) => return reading.external(*party).into(),
            Source::WhoseContext => return Whose::of(reading.event).name().into(),
            Source::OfAddress(part) => return reading.of_address(*part),
            Source::Client => return reading.client().into(),
            Source::Date => return reading.in_zone(Zone::date).into(),
            Source::HourOfWeek => return reading.in_zone(Zone::hour_of_week).into(),
        };
        value.map_or(Cow::Borrowed(""), text_of)
    }
}

impl Source {
    /// What stands in the entry; `None` for what is derived.
    fn value<'r>(&self, reading: &'r Reading<'_>) -> Option<&'r Value> {
        let objects = &reading.objects;
        match self {
            Self::Top(name) => objects.json().get(name),
            Self::Actor(path) => objects.actor().and_then(|v| walk(v, path)),
            Self::Entity(path) => objects.entity().and_then(|v| walk(v, path)),
            Self::Path(path) => walk(objects.json(), path),
            _ => None,
        }
    }
}

/// What makes a count of a field's name.
const COUNT: &str = "#count";

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

fn walk<'v>(from: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(from, |value, part| value.get(part))
}

fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        // A list may be written into a text, and is read there by modules.
        Value::String(text) => json::mended(text),
        Value::Bool(true) => Cow::Borrowed("true"),
        Value::Bool(false) => Cow::Borrowed("false"),
        Value::Number(number) => Cow::Borrowed(number.as_str()),
        Value::Array(_) | Value::Object(_) => Cow::Owned(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Entry;
    use crate::time::UnixMillis;

    #[test]
    fn fields_read_every_shape_as_text() {
        let entry = Entry::from_json(
            r#"{"id":"a","date_create":9,"action":"pref.x","actor":{"type":"user","user":{"id":"W1","email":null}},
                "entity":{"type":"app","app":{"id":"A1","scopes":["admin","x"]}},
                "context":{"session_id":1656410836837,"app":{"id":"A9"}},"details":{"new_value":{"type":["A"]},"on":true}}"#,
        );
        let event = Event::new(1, UnixMillis(0), &entry);
        for (name, want) in [
            ("action", "pref.x"),
            ("actor.id", "W1"),
            ("actor.email", ""),
            ("entity.type", "app"),
            ("entity.scopes", r#"["admin","x"]"#),
            ("context.session_id", "1656410836837"),
            ("context.app.id", "A9"),
            ("details.new_value", r#"{"type":["A"]}"#),
            ("details.on", "true"),
            ("details.absent.deep", ""),
        ] {
            assert_eq!(read(name, &event, &Networks::default()), want, "{name}");
        }
    }

    fn read(name: &str, event: &Event, networks: &Networks) -> String {
        let directory = Directory::default();
        Field::parse(name).unwrap().text(&Reading::of(event, &directory, networks)).into_owned()
    }

    #[test]
    fn derived_fields_say_when_from_where_and_with_what() {
        let raw = r#"{"id":"a","date_create":1789981200,"context":{"ip_address":"198.51.100.7","ua":"curl/8.9"}}"#;
        let event = Event::new(1, UnixMillis(0), &Entry::from_json(raw));
        let networks = Networks::parse("198.51.100.0/24,AS64500,DE,,,hosting").unwrap();
        for (name, want) in [
            ("time.date", "2026-09-21"),
            ("time.hour_of_week", "mon-09"),
            ("context.network", "AS64500"),
            ("context.country", "DE"),
            ("context.network_kind", "hosting"),
            ("context.range", "198.51.100.0/24"),
            ("context.client", "script/curl"),
        ] {
            assert_eq!(read(name, &event, &networks), want, "{name}");
        }
        let unknown = Networks::default();
        assert_eq!(read("context.network", &event, &unknown), "198.51.100.0/24");
        assert_eq!(read("context.country", &event, &unknown), "");
    }

    #[test]
    fn a_role_is_the_directorys_word_on_actor_and_entity() {
        let raw = r#"{"id":"a","date_create":9,"action":"x","actor":{"type":"user","user":{"id":"W1","account_type":"admin"}},
            "entity":{"type":"user","user":{"id":"W2"}}}"#;
        let event = Event::new(1, UnixMillis(0), &Entry::from_json(raw));
        let mut directory = Directory::default();
        directory.learn(&event);
        let networks = Networks::default();
        let reading = Reading::of(&event, &directory, &networks);
        assert_eq!(Field::parse("actor.role").unwrap().text(&reading), "admin");
        assert_eq!(Field::parse("entity.role").unwrap().text(&reading), "unknown");
    }

    #[test]
    fn a_target_is_the_user_acted_on_or_the_one_whom_details_name() {
        let user = r#""entity":{"type":"user","user":{"id":"W2"}}"#;
        let group = r#""entity":{"type":"usergroup","usergroup":{"id":"S1"}}"#;
        for (rest, id, role) in [
            (user.to_owned(), "W2", "guest"),
            (format!(r#"{group},"details":{{"user":"W2"}}"#), "W2", "guest"),
            (format!(r#"{group},"details":{{"target_user":["W2","W3"]}}"#), "W2", "guest"),
            (format!(r#"{group},"details":{{"target_entity_id":"W9"}}"#), "W9", "unknown"),
            (format!(r#"{group},"details":{{"target_entity_id":"T1"}}"#), "", ""),
            (group.to_owned(), "", ""),
        ] {
            let event = |seq, raw: &str| Event::new(seq, UnixMillis(0), &Entry::from_json(raw));
            let mut directory = Directory::default();
            let made = event(1, &format!(r#"{{"id":"a","date_create":8,"action":"guest_created",{user}}}"#));
            let event = event(2, &format!(r#"{{"id":"b","date_create":9,"action":"role_assigned",{rest}}}"#));
            directory.learn(&made);
            directory.learn(&event);
            let networks = Networks::default();
            let reading = Reading::of(&event, &directory, &networks);
            let read = |name: &str| Field::parse(name).unwrap().text(&reading).into_owned();
            assert_eq!((read("target.id").as_str(), read("target.role").as_str()), (id, role), "{rest}");
        }
    }

    #[test]
    fn a_count_says_how_long_a_list_is_in_every_shape() {
        let list = serde_json::to_string(&vec!["W1"; 60_000]).unwrap();
        for (value, count) in [
            (list.as_str(), "60000"),
            (r#""[\"W1\",\"W2\"]""#, "2"),
            (r#"{"user":["W1","W2"],"type":["A"]}"#, "3"),
            (r#""W1""#, "1"),
            ("[]", ""),
            ("null", ""),
        ] {
            let raw = format!(r#"{{"id":"a","date_create":9,"details":{{"users":{value}}}}}"#);
            let event = Event::new(1, UnixMillis(0), &Entry::from_json(&raw));
            assert_eq!(read("details.users#count", &event, &Networks::default()), count, "{count}");
            assert_eq!(read("details.absent#count", &event, &Networks::default()), "");
        }
    }

    #[test]
    fn names_outside_the_entry_are_refused() {
        for name in ["actor.role#count", "action#count", "#count", "details.x#count#count", "details.x#size"] {
            assert!(Field::parse(name).is_err() || name == "details.x#size", "{name}");
        }
        for name in ["", "actor", "user.id", "details.", "details..x", "date_create", "time", "time.week"] {
            assert!(Field::parse(name).is_err(), "{name}");
        }
    }
}
