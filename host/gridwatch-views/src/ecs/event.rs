//! One event as an ECS document.

use super::categories::categories;
use super::document::{AUDIT, Document};
use super::{VERSION, date, nearest_date, shape};
use crate::leaves::{Leaves, Taken, as_text, is_ip};
use crate::ocsf::{Class, Mapping, Status, mapping};
use crate::shown::Shown;
use crate::{Product, RawData, line};
use gridwatch_event::entry::Mark;
use gridwatch_event::event::Event;
use gridwatch_event::part::Part;
use gridwatch_event::text::hex;
use gridwatch_event::time::UnixMillis;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// The ECS document of an event.
pub fn event(event: &Event, product: &Product<'_>, raw_data: RawData) -> Value {
    let mut line = Vec::new();
    let (shown, taken) = shown(event, product, raw_data);
    shown.write(&taken, &mut line);
    line::read(&line)
}

/// The same, still borrowing what stands in the entry, and what of that it has taken.
pub(crate) fn shown<'e>(event: &'e Event, product: &Product<'e>, raw_data: RawData) -> (Shown<'e>, Taken) {
    match Leaves::of(event.whole()) {
        Some(leaves) => readable(event, leaves, product, raw_data),
        None => (unreadable(event, product), Taken::default()),
    }
}

/// What is no object, or too deep to be read, is shown by its bytes.
fn unreadable<'e>(event: &'e Event, product: &Product<'e>) -> Shown<'e> {
    let mut document = header(event, product);
    document.put("event.kind", "pipeline_error");
    document.put("event.original", event.raw());
    document.put("error.message", "the entry is no JSON object that can be read");
    document.into()
}

fn readable<'e>(event: &'e Event, leaves: Leaves<'e>, product: &Product<'e>, raw_data: RawData) -> (Shown<'e>, Taken) {
    let mut draft = Draft { event, leaves, document: header(event, product) };
    draft.what();
    draft.who();
    draft.source();
    draft.about();
    let Draft { leaves, mut document, .. } = draft;
    if raw_data == RawData::Include || event.is_mended() {
        document.put("event.original", event.raw());
    }
    let taken = leaves.into_taken();
    let audit = shape::audit(event.whole(), &taken);
    if !audit.is_empty() {
        document.put(AUDIT, audit);
    }
    (document.into(), taken)
}

/// What every event has, readable or not.
fn header<'e>(event: &'e Event, product: &Product<'e>) -> Document<'e> {
    let mut document = Document::default();
    let happened = (!event.marks.contains(&Mark::NoTime)).then(|| date(event.time.millis())).flatten();
    document.put("@timestamp", happened.unwrap_or_else(|| nearest_date(event.first_seen)));
    document.put("ecs.version", VERSION);
    document.maybe("event.created", date(event.first_seen));
    document.put("event.dataset", "slack.audit");
    document.put("event.hash", hex(&Sha256::digest(event.raw().as_bytes())));
    document.put("event.id", event.id());
    document.put("event.module", "slack");
    document.put("event.sequence", event.seq);
    document.put("gridwatch.version", product.version);
    document.put("observer.product", "Slack Enterprise Grid");
    document.put("observer.vendor", "Slack");
    document.list("tags", event.labels());
    document
}

/// A document on its way. What is moved into a field of ECS leaves the leaves; what is copied stays there as well.
struct Draft<'e> {
    event: &'e Event,
    leaves: Leaves<'e>,
    document: Document<'e>,
}

impl<'e> Draft<'e> {
    fn what(&mut self) {
        let action = self.event.action();
        let mapping = mapping(action);
        let (category, kind) = categories(action);
        self.document.put("event.kind", if is_finding(&mapping) { "alert" } else { "event" });
        self.document.list("event.category", category.iter().copied());
        self.document.list("event.type", kind.iter().copied());
        self.document.put("event.outcome", self.outcome(&mapping));
        self.document.maybe("event.action", self.leaves.text(&["action"]));
        // `event.id` already says it, except for an id that Slack never sent in this form.
        if self.read(&["id"]).is_some_and(|id| id == self.event.id()) {
            self.leaves.id(&["id"]);
        }
        self.document.maybe("event.reason", self.leaves.get(&["details", "reason"]).and_then(joined));
        let acted = self.read(&["details", "action_timestamp"]).and_then(|text| moment(&text));
        self.document.maybe("event.start", acted.and_then(date));
    }

    /// A finding says nothing about whether the act came off that it is about.
    fn outcome(&self, mapping: &Mapping) -> &'static str {
        let said_no = mapping.activity.class == Class::ApiActivity
            && self.leaves.get(&["details", "success"]).and_then(Part::as_bool) == Some(false);
        match mapping.status {
            _ if !mapping.is_known || is_finding(mapping) => "unknown",
            Status::Success if !said_no => "success",
            _ => "failure",
        }
    }

    fn who(&mut self) {
        let actor = Person::at(&self.leaves, &["actor", "user"]);
        let target = self.target().filter(|target| !target.is(&actor));
        let others = ["inviter", "kicker"].into_iter().flat_map(|who| {
            let at = |path: &[&str]| Person::at(&self.leaves, path);
            [at(&["details", who]), at(&["details", who, "user"])]
        });
        let people = [actor.clone()].into_iter().chain(target.clone()).chain(others);
        let related: BTreeSet<Cow<'e, str>> = people.flat_map(Person::names).collect();
        self.document.list("related.user", related);
        // Moved, as Elastic's integration does.
        for key in ["id", "name", "email"] {
            self.leaves.id(&["actor", "user", key]);
        }
        actor.put(&mut self.document, ["user.email", "user.full_name", "user.id", "user.name"]);
        if let Some(target) = target {
            let names = ["user.target.email", "user.target.full_name", "user.target.id", "user.target.name"];
            target.put(&mut self.document, names);
        }
        self.changes();
    }

    /// To whom it was done: the entity, or whom the details name.
    fn target(&self) -> Option<Person<'e>> {
        if self.event.entity_type() == "user" {
            return Some(Person::at(&self.leaves, &["entity", "user"]));
        }
        let id = ["target_user", "target_user_id"].into_iter().find_map(|key| self.read(&["details", key]))?;
        Some(Person { id: Some(id), ..Person::default() })
    }

    /// What the log says a user has become.
    fn changes(&mut self) {
        for (key, field) in [("real_name", "user.changes.full_name"), ("display_name", "user.changes.name")] {
            let before = self.read(&["details", "previous_profile", key]);
            let after = self.read(&["details", "new_profile", key]);
            self.document
                .maybe(field, after.filter(|_| before.is_some()).filter(|after| Some(after) != before.as_ref()));
        }
        self.document.list("user.changes.roles", self.event.action().strip_prefix("role_change_to_"));
    }

    fn source(&mut self) {
        let previous = self.read(&["details", "previous_ip_address"]).filter(|ip| is_ip(ip));
        let address = self.leaves.text(&["context", "ip_address"]);
        let ip = address.clone().filter(|address| is_ip(address));
        self.document.list("related.ip", [&ip, &previous].into_iter().flatten().cloned().collect::<BTreeSet<_>>());
        self.document.maybe("source.address", address);
        self.document.maybe("source.ip", ip);
        self.document.maybe("user_agent.original", self.leaves.text(&["context", "ua"]));
        let is_enterprise = self.read(&["context", "location", "type"]).as_deref() == Some("enterprise");
        let event = self.event;
        let named = event.org().name().map(Cow::Borrowed);
        let id = match named {
            Some(name) => Some(name),
            None if is_enterprise => self.read(&["context", "location", "id"]),
            None => {
                let team = self.read(&["actor", "user", "team"]).filter(|team| team.starts_with('E'));
                event.organization().map(Cow::Borrowed).or(team)
            }
        };
        self.document.maybe("organization.id", id);
        if is_enterprise {
            self.document.maybe("organization.name", self.read(&["context", "location", "name"]));
        }
    }

    fn about(&mut self) {
        let md5 = ["md5", "md5_hash"].into_iter().find_map(|key| self.read(&["details", key]));
        let ja3 = self.read(&["details", "client_ja3_fingerprint"]);
        self.document.list("related.hash", [&md5, &ja3].into_iter().flatten().cloned().collect::<BTreeSet<_>>());
        self.document.maybe("file.hash.md5", md5);
        self.document.maybe("tls.client.ja3", ja3);
        match self.event.entity_type() {
            "file" => {
                let name = self.read(&["entity", "file", "name"]);
                let extension = name.as_deref().and_then(|name| name.rsplit_once('.')).map(|(_, extension)| extension);
                let extension = extension.filter(|extension| !extension.is_empty()).map(str::to_owned);
                self.document.maybe("file.extension", extension);
                self.document.maybe("file.name", name);
                let mime_type = self.read(&["entity", "file", "filetype"]).filter(|text| text.contains('/'));
                self.document.maybe("file.mime_type", mime_type);
            }
            "usergroup" => {
                self.document.maybe("group.id", self.read(&["entity", "usergroup", "id"]));
                self.document.maybe("group.name", self.read(&["entity", "usergroup", "name"]));
            }
            _ => {}
        }
    }

    fn read(&self, path: &[&str]) -> Option<Cow<'e, str>> {
        text(self.leaves.get(path)?)
    }
}

fn is_finding(mapping: &Mapping) -> bool {
    mapping.activity.class == Class::DetectionFinding && mapping.activity.id == 1
}

/// Text that says something, or a number's digits.
fn text(part: Part<'_>) -> Option<Cow<'_, str>> {
    as_text(part).filter(|text| !text.is_empty())
}

/// A reason is one text, or on anomalies a list.
fn joined(reason: Part<'_>) -> Option<Cow<'_, str>> {
    if reason.items().next().is_none() {
        return text(reason);
    }
    Some(reason.items().map(text).collect::<Option<Vec<_>>>()?.join(", ").into())
}

/// `action_timestamp` has come in seconds, milliseconds and microseconds, as a number and as text. Which it is shows in how large it is:
/// 10^11 is the year 5138 in seconds and 1973 in milliseconds.
fn moment(digits: &str) -> Option<UnixMillis> {
    let number = digits.parse::<u64>().ok()?;
    match number {
        0 => None,
        1..100_000_000_000 => Some(UnixMillis(number * 1_000)),
        100_000_000_000..100_000_000_000_000 => Some(UnixMillis(number)),
        _ => Some(UnixMillis(number / 1_000)),
    }
}

#[derive(Clone, Debug, Default)]
struct Person<'e> {
    id: Option<Cow<'e, str>>,
    name: Option<Cow<'e, str>>,
    email: Option<Cow<'e, str>>,
}

impl<'e> Person<'e> {
    fn at(leaves: &Leaves<'e>, path: &[&str]) -> Self {
        let Some(person) = leaves.get(path) else { return Self::default() };
        let read = |key| text(leaves.inside(person, key)?);
        Self { id: read("id"), name: read("name"), email: read("email") }
    }

    /// By id, where both have one.
    fn is(&self, other: &Self) -> bool {
        match (&self.id, &other.id) {
            (Some(one), Some(other)) => one == other,
            _ => (&self.name, &self.email) == (&other.name, &other.email),
        }
    }

    fn names(self) -> impl Iterator<Item = Cow<'e, str>> {
        [self.id, self.name, self.email].into_iter().flatten()
    }

    fn put(self, document: &mut Document<'e>, [email, full_name, id, name]: [&str; 4]) {
        document.maybe(email, self.email);
        document.maybe(full_name, self.name.clone());
        document.maybe(id, self.id);
        document.maybe(name, self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_of_an_action_timestamp_shows_in_its_size() {
        for digits in ["1700000050", "1700000050000", "1700000050000000", "1700000050000999"] {
            assert_eq!(moment(digits), Some(UnixMillis(1_700_000_050_000)), "{digits}");
        }
        assert_eq!((moment("0"), moment("soon"), moment("-1"), moment("1.7e9")), (None, None, None, None));
    }
}
