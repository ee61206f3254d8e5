//! A reading: an event's fields as texts, each worked out at most once.

use crate::batch::MAX_TEXT;
use crate::directory::{Directory, target_of};
use gridwatch_event::client::client_of;
use gridwatch_event::event::Event;
use gridwatch_event::grant;
use gridwatch_event::json;
use gridwatch_event::network::{Network, Networks, prefix_of, subnet_of};
use gridwatch_event::part::Part;
use gridwatch_event::provisioning::Provisioning;
use gridwatch_event::sign_in;
use gridwatch_event::time::UnixSeconds;
use gridwatch_event::whose::{self, Whose};
use gridwatch_event::zone::Zone;
use gridwatch_manifest::expression::{Fact, Facts};
use gridwatch_manifest::{AddressPart, Field, Party, Source};
use gridwatch_settings::Setting;
use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// An event being read: the event, what is known beyond it, and what has been worked out already.
#[derive(Debug)]
pub struct Reading<'e> {
    pub event: &'e Event,
    directory: &'e Directory,
    networks: &'e Networks,
    provisioning: Option<&'e Provisioning>,
    zone: Option<&'e Zone>,
    clients: Option<&'e Clients>,
    network: OnceCell<Option<Cow<'e, Network>>>,
    client: OnceCell<Arc<str>>,
    noted: RefCell<Noted>,
    /// For [`crate::windows`], many of which share a key: the hash of its texts, by the key's number; of none, where a text is empty.
    pub(crate) keys: RefCell<Vec<Option<Option<u128>>>>,
    /// For the same: what they say of the event, by their positions.
    pub(crate) values: RefCell<Vec<Option<u64>>>,
}

/// Texts of fields that have numbers, as far as they were asked for, one after the other.
#[derive(Debug, Default)]
struct Noted {
    texts: String,
    /// By number, where each begins and ends.
    places: Vec<Option<(u32, u32)>>,
}

impl Noted {
    fn note(&mut self, number: usize, text: &str) {
        if self.places.len() <= number {
            // Once an event, as a rule.
            self.places.resize((number + 1).max(64), None);
            self.texts.reserve(512);
        }
        let start = self.texts.len() as u32;
        self.texts.push_str(text);
        self.places[number] = Some((start, self.texts.len() as u32));
    }
}

/// A longer text is read again rather than kept.
const MAX_NOTED: usize = 1_024;

/// Clients by their user agents. There are few of them, and to tell one, fifty words are looked for.
#[derive(Debug, Default)]
pub struct Clients {
    known: Mutex<HashMap<String, Arc<str>>>,
}

impl Clients {
    /// Kept at most; then they are told anew. Has no influence on an answer.
    const MAX: usize = 4_096;

    fn of(&self, ua: &str) -> Arc<str> {
        let Some(mut known) = self.known.lock().ok().filter(|_| ua.len() <= MAX_NOTED) else {
            return client_of(ua).into();
        };
        if let Some(client) = known.get(ua) {
            return client.clone();
        }
        let client: Arc<str> = client_of(ua).into();
        if known.len() >= Self::MAX {
            known.clear();
        }
        known.insert(ua.to_owned(), client.clone());
        client
    }
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
            clients: None,
            network: OnceCell::new(),
            client: OnceCell::new(),
            noted: RefCell::default(),
            keys: RefCell::default(),
            values: RefCell::default(),
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

    /// Gives the clients that are known already.
    pub fn with_clients(mut self, clients: &'e Clients) -> Self {
        self.clients = Some(clients);
        self
    }

    /// Looks at the text of a field that has this number wherever the event is read.
    pub(crate) fn with_text<T>(&self, number: u16, field: &Field, look: impl FnOnce(&str) -> T) -> T {
        let number = usize::from(number);
        let noted = self.noted.borrow();
        if let Some(Some((start, end))) = noted.places.get(number) {
            return look(&noted.texts[*start as usize..*end as usize]);
        }
        drop(noted);
        let text = self.text(field);
        if text.len() <= MAX_NOTED {
            self.noted.borrow_mut().note(number, &text);
        }
        look(&text)
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
            Source::Looks(source) => {
                return self
                    .value(source)
                    .map_or(Cow::Borrowed(""), |value| gridwatch_looks::skeleton(&text_of(value)).into());
            }
            Source::App => return self.app().into(),
            Source::Role(party) => return self.role(*party).into(),
            Source::Target => return target_of(self.event).unwrap_or_default(),
            Source::Scope => return grant::scope_of(self.event).map_or("", grant::Scope::name).into(),
            Source::Direction => return grant::direction_of(self.event).map_or("", grant::Direction::name).into(),
            Source::Place => return self.directory.age_of_place(self.event).into(),
            Source::Setting => {
                return self
                    .setting()
                    .map_or("", |(setting, before, after)| setting.direction(&before, &after).name())
                    .into();
            }
            Source::Guards => return self.setting().map_or("", |(setting, ..)| setting.guards.name()).into(),
            Source::Provisioning => {
                let by = self.provisioning.and_then(|provisioning| provisioning.of(self.event));
                return by.map_or("", |by| by.name()).into();
            }
            Source::External(party) => return self.external(*party).into(),
            Source::WhoseContext => return Whose::of(self.event).name().into(),
            Source::OfAddress(part) => return self.of_address(*part),
            Source::Client => return self.client().into(),
            Source::SignIn => return sign_in::way_of(self.event).into(),
            Source::Date => return self.in_zone(Zone::date).into(),
            Source::HourOfWeek => return self.in_zone(Zone::hour_of_week).into(),
            Source::Match(matcher) => return if matcher.holds(self) { "1" } else { "" }.into(),
        };
        value.map_or(Cow::Borrowed(""), text_of)
    }

    /// The app that it was done to. Slack names some by a field of the entity that isn't `id`, and some in the details alone.
    fn app(&self) -> String {
        let text = |part: Option<Part<'e>>, name: &'static str| {
            part.and_then(|part| part.get(name)).map_or(Cow::Borrowed(""), text_of).into_owned()
        };
        let entity = self.event.entity().filter(|_| self.event.entity_type() == "app");
        let named = [text(entity, "app_id"), text(entity, "id")];
        let named = named.into_iter().find(|id| !id.is_empty());
        named.unwrap_or_else(|| text(self.event.details(), "app_id"))
    }

    /// The setting that the event changes, and its values before and after, as modules are given them.
    fn setting(&self) -> Option<(&'static Setting, String, String)> {
        let detail = |name: &'static str| {
            let text = self.event.details().and_then(|details| details.get(name)).map_or(Cow::Borrowed(""), text_of);
            json::first_part(&text, MAX_TEXT).into_owned()
        };
        let setting = Setting::in_entry(self.event.action(), &detail("pref_name"))?;
        let given = |first: &'static str, second: &'static str| match detail(first) {
            text if text.is_empty() => detail(second),
            text => text,
        };
        Some((setting, given("previous_value", "old_retention_policy"), given("new_value", "new_retention_policy")))
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
        self.client.get_or_init(|| {
            let ua = whose::user_agent(self.event);
            self.clients.map_or_else(|| client_of(&ua).into(), |clients| clients.of(&ua))
        })
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
            AddressPart::Subnet => subnet_of(self.event.ip_address()).into(),
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

/// What is asked under `[match]` is asked of the entry as it stands, for there `null`, "" and absent are three things and a list has
/// several values. What gridwatch derives is absent where it is "".
impl Facts for Reading<'_> {
    fn fact(&self, field: &Field) -> Fact<'_> {
        match field.source() {
            source @ (Source::Top(_) | Source::Actor(_) | Source::Entity(_) | Source::Path(_)) => {
                self.value(source).map_or(Fact::Absent, fact_of)
            }
            _ => Some(self.text(field)).filter(|text| !text.is_empty()).map_or(Fact::Absent, Fact::Text),
        }
    }

    fn any_text(&self, is_it: &mut dyn FnMut(&str) -> bool) -> bool {
        has_text(self.event.whole(), is_it)
    }
}

fn fact_of(part: Part<'_>) -> Fact<'_> {
    match () {
        () if part.is_null() => Fact::Null,
        () if part.is_list() => Fact::List(part.items().map(fact_of).collect()),
        () => Fact::Text(text_of(part)),
    }
}

fn has_text(part: Part<'_>, is_it: &mut dyn FnMut(&str) -> bool) -> bool {
    match () {
        () if part.is_object() => part.members().any(|(_, member)| has_text(member, is_it)),
        () if part.is_list() => part.items().any(|item| has_text(item, is_it)),
        () => !part.is_null() && is_it(&text_of(part)),
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
    fn a_change_of_a_setting_says_which_way_it_went_and_what_it_guards() {
        let change = |action: &str, details: &str| {
            let entry = format!(r#"{{"id":"a","date_create":9,"action":"{action}","details":{details}}}"#);
            let event = Event::new(1, UnixMillis(0), &Entry::from_json(&entry));
            ["setting.direction", "setting.guards"].map(|field| read(field, &event, &Networks::default()))
        };
        let of = |direction: &str, guards: &str| [direction.to_owned(), guards.to_owned()];
        assert_eq!(
            change("pref.sso_setting_changed", r#"{"previous_value":"required","new_value":["off"]}"#),
            of("looser", "sign-in")
        );
        let shorter = r#"{"old_retention_policy":{"type":"RETAIN_ALL"},"new_retention_policy":{"type":"EXPIRE_MSGS","duration_days":3}}"#;
        assert_eq!(change("channel_retention_changed", shorter), of("looser", "evidence"));
        assert_eq!(change("ip_allowlist_enabled", "{}"), of("stricter", "devices"));
        assert_eq!(change("pref.emoji_only_admins", r#"{"new_value":"?"}"#), of("unclear", ""));
        assert_eq!(
            change("prefs_setting_changed", r#"{"pref_name":"app_dir_only","new_value":"false"}"#),
            of("looser", "apps")
        );
        assert_eq!(change("user_login", r#"{"new_value":"off"}"#), of("", ""));
    }

    #[test]
    fn an_app_is_the_entity_or_whom_the_details_name() {
        let app = |entity: &str, details: &str| {
            let entry = format!(
                r#"{{"id":"a","date_create":9,"action":"app_scopes_expanded","entity":{entity},"details":{details}}}"#
            );
            read("target.app", &Event::new(1, UnixMillis(0), &Entry::from_json(&entry)), &Networks::default())
        };
        assert_eq!(app(r#"{"type":"app","app":{"id":"A1"}}"#, r#"{"app_id":"A2"}"#), "A1");
        assert_eq!(app(r#"{"type":"app","app":{"id":"X9","app_id":"A3"}}"#, "{}"), "A3");
        assert_eq!(app(r#"{"type":"workspace","workspace":{"id":"T1"}}"#, r#"{"app_id":"A2"}"#), "A2");
        assert_eq!(app(r#"{"type":"workspace","workspace":{"id":"T1"}}"#, "{}"), "");
    }

    #[test]
    fn names_that_look_alike_are_one_text() {
        let looks = |name: &str| {
            let entry = format!(
                r#"{{"id":"a","date_create":9,"action":"app_installed","entity":{{"type":"app","app":{{"name":"{name}"}}}}}}"#
            );
            read("entity.name#looks", &Event::new(1, UnixMillis(0), &Entry::from_json(&entry)), &Networks::default())
        };
        assert_eq!(looks("G00gle Drive"), looks("Gооgle-Drive"));
        assert_ne!(looks("Google Drive"), looks("Google Docs"));
    }

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

    #[test]
    fn what_is_asked_tells_null_from_empty_and_looks_into_lists() {
        let entry = Entry::from_json(
            r#"{"id":"a","date_create":9,"action":"file_downloaded","actor":{"type":"user","user":{"id":"W1","email":""}},
                "entity":{"type":"file","file":{"id":"F1","name":"Plan.PDF","title":null}},
                "context":{"ip_address":"198.51.100.7"},"details":{"scopes":["admin","users:read"],"size":12}}"#,
        );
        let event = Event::new(1, UnixMillis(0), &entry);
        let networks = Networks::parse("198.51.100.0/24,AS64500,DE,,,hosting").unwrap();
        for (asked, holds) in [
            (r#"{"field":["entry.entity.file.name",{"is":["*.pdf"]}]}"#, true),
            (r#"{"field":["entry.entity.channel.name",{"exists":true}]}"#, false),
            (r#"{"field":["entity.title",{"null":true}]}"#, true),
            (r#"{"field":["entity.title",{"exists":true}]}"#, true),
            (r#"{"field":["actor.email",{"null":true}]}"#, false),
            (r#"{"field":["actor.email",{"is":[""]}]}"#, true),
            (r#"{"field":["details.scopes",{"is":["ADMIN"]}]}"#, true),
            (r#"{"field":["details.size",{"above":"11.5"}]}"#, true),
            (r#"{"field":["context.country",{"is":["de"]}]}"#, true),
            (r#"{"field":["context.own",{"exists":false}]}"#, true),
            (r#"{"anywhere":["users:READ"]}"#, true),
            (r#"{"anywhere":["scopes"]}"#, false),
            (r#"{"anywhere":["12"]}"#, true),
        ] {
            let text = read(&format!("match.x {asked}"), &event, &networks);
            assert_eq!(text, if holds { "1" } else { "" }, "{asked}");
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
        let raw = r#"{"id":"a","date_create":9,"context":{"ip_address":"2001:db8:1:2:3::4"}}"#;
        let of_ipv6 = Event::new(1, UnixMillis(0), &Entry::from_json(raw));
        for (name, ipv4, ipv6) in [
            ("context.range", "198.51.100.0/24", "2001:db8:1::/48"),
            ("context.subnet", "198.51.100.0/24", "2001:db8:1:2::/64"),
        ] {
            assert_eq!([read(name, &event, &unknown), read(name, &of_ipv6, &unknown)], [ipv4, ipv6], "{name}");
        }
        assert_eq!(read("context.country", &event, &unknown), "");
    }

    #[test]
    fn a_text_is_the_same_each_time_it_is_looked_at() {
        let long = "x".repeat(MAX_NOTED + 1);
        let raw = format!(
            r#"{{"id":"a","date_create":9,"actor":{{"type":"user","user":{{"id":"W1"}}}},"details":{{"long":"{long}"}}}}"#
        );
        let event = Event::new(1, UnixMillis(0), &Entry::from_json(&raw));
        let (directory, networks) = (Directory::default(), Networks::default());
        let reading = Reading::of(&event, &directory, &networks);
        let numbered = [(70, "actor.id", "W1"), (0, "details.long", &long), (3, "details.none", ""), (2, "id", "a")];
        for (number, name, want) in numbered.iter().chain(&numbered) {
            let field = Field::parse(name).unwrap();
            assert!(reading.with_text(*number, &field, |text| text == *want), "{name}");
        }
        assert_eq!(reading.noted.borrow().texts, "W1a", "and short ones are kept");
    }

    #[test]
    fn a_client_that_is_known_is_the_one_that_would_be_told() {
        let clients = Clients::default();
        let long = format!("curl/8 {}", "x".repeat(MAX_NOTED));
        for ua in ["curl/8.9", "Slackbot 1.0", "", &long].into_iter().cycle().take(8) {
            assert_eq!(&*clients.of(ua), client_of(ua), "{ua}");
        }
        (0..=Clients::MAX).for_each(|i| _ = clients.of(&format!("agent-{i}/1")));
        let known = clients.known.lock().unwrap().len();
        assert!(known > 0 && known <= Clients::MAX, "{known}");
        assert_eq!(&*clients.of("curl/8.9"), "script/curl");
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
