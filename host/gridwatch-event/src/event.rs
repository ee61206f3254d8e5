//! The canonical event: an entry's raw bytes, its parsed form and a typed header.
//!
//! Detections and every outward view read this, so a change of a view never changes a verdict. Making one is total: odd
//! shapes get a [`Mark`], never an error.

use crate::entry::{Entry, Mark, Marks, before_slack};
use crate::json;
use crate::org::OrgId;
use crate::time::{UnixMillis, UnixSeconds};
use gridwatch_names::catalogue;
use serde_json::Value;
use std::cell::OnceCell;
use std::sync::Arc;

/// What gridwatch noted when it first saw an entry: all of an event that doesn't stand in the entry itself. It is stored with the
/// entry, in the queue, the outbox and the archive, so that a replay says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    pub first_seen: UnixMillis,
    /// The time as which the entry counts where that isn't its own: see [`Entry::counts_as`].
    pub counts_as: Option<UnixSeconds>,
    /// 1 for the first that was seen under its id. Later ones say something else than all before; they are delivered and told
    /// apart, and no window, rule or memory takes them in: the act was judged when it was first told.
    pub version: u32,
    /// A later version that tells of another act (action, actor or entity): what was judged may be the wrong one, so a person is
    /// told, by `gridwatch.entry-changed`.
    pub other_act: bool,
}

impl Sight {
    /// Of the first version of an entry whose time can be believed.
    pub fn first(first_seen: UnixMillis) -> Self {
        Self { first_seen, counts_as: None, version: 1, other_act: false }
    }
}

/// One audit log entry on its way through gridwatch.
#[derive(Clone, Debug)]
pub struct Event {
    /// Place in the order of detection. Strictly rising, never reused; replay gives the same order the same numbers.
    pub seq: u64,
    pub id: String,
    /// `date_create`, or the time as which the entry counts where it has none that can be: see [`Sight::counts_as`].
    pub time: UnixSeconds,
    /// When gridwatch stored the entry; `first_seen - time` is Slack's own delay plus our settle time.
    pub first_seen: UnixMillis,
    /// `action`, or "" where there is none.
    pub action: String,
    pub marks: Marks,
    sight: Sight,
    org: OrgId,
    /// Id of the enterprise it belongs to: the one it names, or the one that the log was known to belong to.
    organization: Option<Arc<str>>,
    raw: Box<str>,
    json: Value,
}

impl Event {
    /// Of the first version of an entry whose time can be believed; of one without a time, as of when it was first seen.
    pub fn new(seq: u64, first_seen: UnixMillis, entry: &Entry) -> Self {
        Self::seen(seq, Sight::first(first_seen), entry)
    }

    pub fn seen(seq: u64, sight: Sight, entry: &Entry) -> Self {
        let (json, odd) = json::read(entry.raw());
        let mut marks: Marks = entry.marks.union(&odd).copied().collect();
        marks.extend(time_marks(entry.time, sight.counts_as));
        if sight.version > 1 {
            marks.insert(Mark::Version);
        }
        if sight.other_act {
            marks.insert(Mark::OtherAct);
        }
        let action = json.get("action").and_then(Value::as_str).unwrap_or_default().to_owned();
        if action.is_empty() {
            marks.insert(Mark::NoAction);
        } else if !catalogue::is_action(&action) {
            marks.insert(Mark::UnknownAction);
        }
        match json.pointer("/entity/type").and_then(Value::as_str) {
            Some(kind) if catalogue::is_entity_type(kind) => {}
            _ => {
                marks.insert(Mark::UnknownEntity);
            }
        }
        let first_seen = sight.first_seen;
        let time = sight.counts_as.or(entry.time).unwrap_or(first_seen.seconds());
        let (id, raw) = (entry.id.clone(), entry.raw().into());
        let organization = named_by(&json).map(Arc::from);
        Self { seq, id, time, first_seen, action, marks, sight, org: OrgId::default(), organization, raw, json }
    }

    /// The same of an enterprise that it doesn't name itself, as it was known when the event was judged.
    pub fn in_organization(mut self, id: Option<Arc<str>>) -> Self {
        self.organization = self.organization.or(id);
        self
    }

    /// The same of one of several organizations.
    pub fn of_org(mut self, org: OrgId) -> Self {
        self.org = org;
        self
    }

    /// Which of the configured organizations' logs it stands in.
    pub fn org(&self) -> &OrgId {
        &self.org
    }

    /// Id of the enterprise that the entry itself gives as its location.
    pub fn named_organization(&self) -> Option<&str> {
        named_by(&self.json)
    }

    /// Says in whose log it stands, and which enterprise it belongs to; one that the entry names itself stays.
    pub fn place_in(&mut self, org: OrgId, organization: Option<Arc<str>>) {
        self.org = org;
        self.organization = named_by(&self.json).map(Arc::from).or(organization);
    }

    /// Id of the enterprise it belongs to, if that is known.
    pub fn organization(&self) -> Option<&str> {
        self.organization.as_deref()
    }

    /// The same, for whoever keeps it.
    pub fn organization_id(&self) -> Option<Arc<str>> {
        self.organization.clone()
    }

    pub fn sight(&self) -> Sight {
        self.sight
    }

    /// Is it told for the first time? Later versions of an entry go by windows, rules and memory: see [`Sight::version`].
    pub fn is_first_version(&self) -> bool {
        self.sight.version == 1
    }

    /// What was odd about the entry, as views show it: the marks' names, a version with its number.
    pub fn labels(&self) -> impl Iterator<Item = String> {
        let name = |mark: &Mark| match mark {
            Mark::Version => format!("version_{}", self.sight.version),
            mark => mark.name(),
        };
        self.marks.iter().map(name)
    }

    /// Had something to be mended before it could be read? Then its bytes say more than what was read.
    pub fn is_mended(&self) -> bool {
        let mends = [Mark::OddText, Mark::OddNumber, Mark::TooDeep, Mark::Unreadable];
        mends.iter().any(|mark| self.marks.contains(mark))
    }

    /// The bytes Slack sent.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The parsed entry, as far as it can be read; `Null` of nothing.
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// The object under `actor.<actor.type>` (always `user` so far).
    pub fn actor(&self) -> Option<&Value> {
        typed(self.json.get("actor")?)
    }

    /// The object under `entity.<entity.type>`.
    pub fn entity(&self) -> Option<&Value> {
        typed(self.json.get("entity")?)
    }

    pub fn entity_type(&self) -> &str {
        self.json.pointer("/entity/type").and_then(Value::as_str).unwrap_or_default()
    }

    /// The actor's Slack user id, or "".
    pub fn actor_id(&self) -> &str {
        self.actor().and_then(|a| a.get("id")).and_then(Value::as_str).unwrap_or_default()
    }
}

fn time_marks(own: Option<UnixSeconds>, counts_as: Option<UnixSeconds>) -> Option<Mark> {
    match (own?, counts_as?) {
        (own, _) if before_slack(own) => Some(Mark::DatedBeforeSlack),
        (own, counts_as) if own > counts_as => Some(Mark::DatedAhead),
        _ => None,
    }
}

/// An event and its objects, each looked up once at most however many fields are read from it.
#[derive(Debug)]
pub struct Objects<'e> {
    event: &'e Event,
    actor: OnceCell<Option<&'e Value>>,
    entity: OnceCell<Option<&'e Value>>,
}

impl<'e> Objects<'e> {
    pub fn of(event: &'e Event) -> Self {
        Self { event, actor: OnceCell::new(), entity: OnceCell::new() }
    }

    pub fn json(&self) -> &'e Value {
        &self.event.json
    }

    pub fn actor(&self) -> Option<&'e Value> {
        *self.actor.get_or_init(|| self.event.actor())
    }

    pub fn entity(&self) -> Option<&'e Value> {
        *self.entity.get_or_init(|| self.event.entity())
    }
}

/// `{"type": T, T: {...}}` → the object under T.
fn typed(outer: &Value) -> Option<&Value> {
    outer.get(outer.get("type")?.as_str()?)
}

/// Longest id taken for an enterprise's, in bytes. Slack's have eleven.
const MAX_ORGANIZATION: usize = 64;

/// The enterprise that an entry gives as its location.
fn named_by(entry: &Value) -> Option<&str> {
    let location = entry.get("context")?.get("location")?;
    let is_enterprise = location.get("type").and_then(Value::as_str) == Some("enterprise");
    location.get("id")?.as_str().filter(|id| is_enterprise && !id.is_empty() && id.len() <= MAX_ORGANIZATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(raw: &str) -> Event {
        Event::new(1, UnixMillis(5_000), &Entry::from_json(raw))
    }

    #[test]
    fn known_shapes_have_no_marks() {
        let e = event(
            r#"{"id":"a","date_create":9,"action":"user_login","actor":{"type":"user","user":{"id":"W1"}},
                "entity":{"type":"user","user":{"id":"W2"}}}"#,
        );
        assert!(e.marks.is_empty(), "{:?}", e.marks);
        assert_eq!((e.actor_id(), e.entity_type(), e.time), ("W1", "user", UnixSeconds(9)));
        assert_eq!(e.entity().unwrap()["id"], "W2");
    }

    #[test]
    fn one_odd_value_leaves_the_rest_to_be_read() {
        let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        for odd in [r#""half \ud83d""#, "\"raw \u{1}\"", "1e999", "007", &deep, "oops"] {
            let e = event(&format!(
                r#"{{"id":"a","date_create":9,"odd":{odd},"k\udc00":1,"action":"user_login",
                    "actor":{{"type":"user","user":{{"id":"W1"}}}},"entity":{{"type":"user","user":{{"id":"W2"}}}}}}"#
            ));
            assert_eq!(
                (e.id.as_str(), e.actor_id(), e.action.as_str(), e.time.0),
                ("a", "W1", "user_login", 9),
                "{odd}"
            );
            assert_eq!(e.entity().unwrap()["id"], "W2", "{odd}");
            assert!(e.is_mended(), "{odd}: {:?}", e.marks);
        }
    }

    #[test]
    fn odd_shapes_become_marked_events() {
        let deep = format!(r#"{{"id":"d","date_create":9,"x":{}1{}}}"#, "[".repeat(500), "]".repeat(500));
        for raw in ["3", r#"{"action":5}"#, r#"{"id":"a","action":"made_up","entity":{"type":"ghost"}}"#, &deep] {
            let e = event(raw);
            assert!(!e.marks.is_empty());
            assert_eq!(e.raw(), raw);
        }
        assert_eq!(event("3").time, UnixSeconds(5), "an entry without a time counts as of when it was first seen");
    }
}
