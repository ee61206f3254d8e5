//! A reading: an event's fields as texts, each worked out at most once.

use crate::batch::MAX_TEXT;
use crate::directory::{Directory, target_of};
use gridwatch_event::client::client_of;
use gridwatch_event::event::Event;
use gridwatch_event::grant;
use gridwatch_event::json;
use gridwatch_event::network::{Network, Networks, prefix_of};
use gridwatch_event::part::Part;
use gridwatch_event::provisioning::Provisioning;
use gridwatch_event::time::UnixSeconds;
use gridwatch_event::whose::{self, Whose};
use gridwatch_event::zone::Zone;
use gridwatch_manifest::{AddressPart, Field, Party, Source};
use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};

/// An event being read: the event, what is known beyond it, and what has been worked out already.
#[derive(Debug)]
pub struct Reading<'e> {
    pub event: &'e Event,
    directory: &'e Directory,
    networks: &'e Networks,
    provisioning: Option<&'e Provisioning>,
    zone: Option<&'e Zone>,
    network: OnceCell<Option<Cow<'e, Network>>>,
    client: OnceCell<String>,
    /// For [`crate::windows`], many of which share a key: the hash of its texts, by the key's number; of none, where a text is empty.
    pub(crate) keys: RefCell<Vec<Option<Option<u128>>>>,
}

impl<'e> Reading<'e> {
    /// The directory has to have learned the event.
    pub fn of(event: &'e Event, directory: &'e Directory, networks: &'e Networks) -> Self {
        Self {
            event,
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

    /// A field's text in the event.
    pub fn text<'r>(&'r self, field: &Field) -> Cow<'r, str> {
        let value = match field.source() {
            source @ (Source::Top(_) | Source::Actor(_) | Source::Entity(_) | Source::Path(_)) => self.value(source),
            Source::Count(source) => {
                let count = self.value(source).map_or(0, |value| json::count_texts(&value.to_value()));
                return if count == 0 { "".into() } else { count.to_string().into() };
            }
            Source::Ending(source) => {
                return self.value(source).map_or(Cow::Borrowed(""), |value| ending(&text_of(value)).into());
            }
            Source::Role(party) => return self.role(*party).into(),
            Source::Target => return target_of(self.event).unwrap_or_default(),
            Source::Scope => return grant::scope_of(self.event).map_or("", grant::Scope::name).into(),
            Source::Direction => return grant::direction_of(self.event).map_or("", grant::Direction::name).into(),
            Source::Place => return self.directory.age_of_place(self.event).into(),
            Source::Provisioning => {
                let by = self.provisioning.and_then(|provisioning| provisioning.of(self.event));
                return by.map_or("", |by| by.name()).into();
            }
            Source::External(party) => return self.external(*party).into(),
            Source::WhoseContext => return Whose::of(self.event).name().into(),
            Source::OfAddress(part) => return self.of_address(*part),
            Source::Client => return self.client().into(),
            Source::Date => return self.in_zone(Zone::date).into(),
            Source::HourOfWeek => return self.in_zone(Zone::hour_of_week).into(),
        };
        value.map_or(Cow::Borrowed(""), text_of)
    }

    /// What stands in the entry; `None` for what is derived.
    fn value(&self, source: &Source) -> Option<Part<'e>> {
        match source {
            Source::Top(name) => self.event.whole().get(name),
            Source::Actor(path) => self.event.actor()?.at(path),
            Source::Entity(path) => self.event.entity()?.at(path),
            Source::Path(path) => self.event.at(path),
            _ => None,
        }
    }

    fn in_zone(&self, format: fn(&Zone, UnixSeconds) -> String) -> String {
        match self.zone {
            Some(zone) => format(zone, self.event.time),
            None => format(&Zone::default(), self.event.time),
        }
    }

    /// What the tables say of the event's address.
    pub fn network(&self) -> Option<&Network> {
        self.network.get_or_init(|| self.networks.of(self.event.ip_address())).as_deref()
    }

    fn client(&self) -> &str {
        self.client.get_or_init(|| client_of(&whose::user_agent(self.event)))
    }

    fn of_address(&self, part: AddressPart) -> Cow<'_, str> {
        let known = self.network();
        match part {
            AddressPart::Own => known.map_or("", |n| &n.own).into(),
            AddressPart::Network => match known.map_or("", |n| &n.asn) {
                "" => prefix_of(self.event.ip_address()).into(),
                asn => asn.into(),
            },
            AddressPart::Range => prefix_of(self.event.ip_address()).into(),
            AddressPart::Country => known.map_or("", |n| &n.country).into(),
            AddressPart::Kind => known.and_then(|n| n.kind).map_or("", |kind| kind.name()).into(),
        }
    }

    fn user(&self, party: Party) -> Option<Part<'e>> {
        match party {
            Party::Actor => self.event.actor(),
            Party::Entity | Party::Target => self.event.entity().filter(|_| self.event.entity_type() == "user"),
        }
    }

    fn role(&self, party: Party) -> &'static str {
        let id = match party {
            Party::Target => target_of(self.event),
            _ => self.user(party).map(|user| user.text("id")),
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

/// Of what a module is given of the text.
fn ending(text: &str) -> String {
    json::first_part(text, MAX_TEXT).rsplit_once('.').map_or_else(String::new, |(_, end)| end.trim().to_lowercase())
}

fn text_of(value: Part<'_>) -> Cow<'_, str> {
    match value.as_str() {
        // A list may be written into a text, and is read there by modules.
        Some(Cow::Borrowed(text)) => json::mended(text),
        Some(Cow::Owned(text)) => Cow::Owned(json::mended(&text).into_owned()),
        None if value.is_null() => Cow::Borrowed(""),
        None => value.to_json(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridwatch_event::entry::Entry;
    use gridwatch_event::time::UnixMillis;

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
        Reading::of(event, &directory, networks).text(&Field::parse(name).unwrap()).into_owned()
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
        assert_eq!(reading.text(&Field::parse("actor.role").unwrap()), "admin");
        assert_eq!(reading.text(&Field::parse("entity.role").unwrap()), "unknown");
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
            let read = |name: &str| reading.text(&Field::parse(name).unwrap()).into_owned();
            assert_eq!((read("target.id").as_str(), read("target.role").as_str()), (id, role), "{rest}");
        }
    }

    #[test]
    fn an_ending_is_what_stands_behind_the_last_dot() {
        for (name, ending) in [
            ("a.pdf.exe", "exe"),
            ("A.B.EXE ", "exe"),
            ("a. Exe", "exe"),
            ("a.", ""),
            ("exe", ""),
            ("", ""),
            (".env", "env"),
        ] {
            let raw = format!(r#"{{"id":"a","date_create":9,"entity":{{"type":"file","file":{{"name":"{name}"}}}}}}"#);
            let event = Event::new(1, UnixMillis(0), &Entry::from_json(&raw));
            assert_eq!(read("entity.name#ending", &event, &Networks::default()), ending, "{name}");
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
}
