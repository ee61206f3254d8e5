//! The canonical event: an entry's raw bytes, its parsed form and a typed header.
//!
//! Detections and every outward view read this, so a change of a view never changes a verdict. Making one is total: odd
//! shapes get a [`Mark`], never an error.

use crate::content::{Content, Head};
use crate::entry::{Entry, Id, Mark, Marks, before_slack};
use crate::org::OrgId;
use crate::part::Part;
use crate::time::{UnixMillis, UnixSeconds};
use crate::traits::Traits;
use gridwatch_names::catalogue;
use serde_json::Value;
use std::borrow::Cow;
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
    /// `date_create`, or the time as which the entry counts where it has none that can be: see [`Sight::counts_as`].
    pub time: UnixSeconds,
    /// When gridwatch stored the entry; `first_seen - time` is Slack's own delay plus our settle time.
    pub first_seen: UnixMillis,
    pub marks: Marks,
    sight: Sight,
    org: OrgId,
    /// Id of the enterprise that the log was known to belong to, for an entry that names none itself.
    organization: Option<Arc<str>>,
    id: Id,
    /// Of an action that the catalogue has.
    action_number: Option<u16>,
    traits: Traits,
    content: Content,
}

impl Event {
    /// Of the first version of an entry whose time can be believed; of one without a time, as of when it was first seen.
    pub fn new(seq: u64, first_seen: UnixMillis, entry: &Entry) -> Self {
        Self::seen(seq, Sight::first(first_seen), entry)
    }

    pub fn seen(seq: u64, sight: Sight, entry: &Entry) -> Self {
        let (id, content) = entry.content();
        let mut marks = entry.marks.clone();
        marks.extend(content.mended());
        marks.extend(time_marks(entry.time, sight.counts_as));
        if sight.version > 1 {
            marks.insert(Mark::Version);
        }
        if sight.other_act {
            marks.insert(Mark::OtherAct);
        }
        let action = content.plain(Head::Action);
        let action_number = catalogue::number_of(action);
        let traits = action_number.map_or_else(|| Traits::of(action), Traits::of_number);
        if action.is_empty() {
            marks.insert(Mark::NoAction);
        } else if action_number.is_none() {
            marks.insert(Mark::UnknownAction);
        }
        let has_entity_type = content.head(Head::EntityType).is_some_and(Part::is_text);
        if !has_entity_type || !catalogue::is_entity_type(content.plain(Head::EntityType)) {
            marks.insert(Mark::UnknownEntity);
        }
        let first_seen = sight.first_seen;
        let time = sight.counts_as.or(entry.time).unwrap_or(first_seen.seconds());
        let (id, content) = (id.clone(), content.clone());
        let (org, organization) = (OrgId::default(), None);
        Self { seq, time, first_seen, marks, sight, org, organization, id, action_number, traits, content }
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
    #[inline]
    pub fn org(&self) -> &OrgId {
        &self.org
    }

    /// Says in whose log it stands, and which enterprise it belongs to; one that the entry names itself stays.
    pub fn place_in(&mut self, org: OrgId, organization: Option<Arc<str>>) {
        self.org = org;
        self.organization = organization;
    }

    /// Id of the enterprise that the entry itself gives as its location.
    pub fn named_organization(&self) -> Option<&str> {
        let is_enterprise = self.location()?.get("type").is_some_and(|kind| kind.is("enterprise"));
        Some(self.location_id()).filter(|id| is_enterprise && !id.is_empty() && id.len() <= MAX_ORGANIZATION)
    }

    /// Id of the enterprise it belongs to, if that is known.
    pub fn organization(&self) -> Option<&str> {
        self.named_organization().or(self.organization.as_deref())
    }

    /// The same, for whoever keeps it.
    pub fn organization_id(&self) -> Option<Arc<str>> {
        match (self.named_organization(), &self.organization) {
            (Some(named), Some(known)) if named == &**known => Some(known.clone()),
            (Some(named), _) => Some(named.into()),
            (None, known) => known.clone(),
        }
    }

    #[inline]
    pub fn sight(&self) -> Sight {
        self.sight
    }

    /// Is it told for the first time? Later versions of an entry go by windows, rules and memory: see [`Sight::version`].
    #[inline]
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
    #[inline]
    pub fn raw(&self) -> &str {
        self.content.raw()
    }

    /// The entry, as far as it can be read; null of nothing.
    #[inline]
    pub fn whole(&self) -> Part<'_> {
        self.content.whole()
    }

    /// The same as a value of its own, which costs thirty times what it costs to read a few parts.
    pub fn json(&self) -> &Value {
        self.content.json()
    }

    /// What is reached from the whole entry by going from member to member.
    pub fn at<N: AsRef<str>>(&self, path: &[N]) -> Option<Part<'_>> {
        let (first, rest) = path.split_first()?;
        let from = match first.as_ref() {
            "context" => self.context(),
            "details" => self.details(),
            other => self.whole().get(other),
        };
        from?.at(rest)
    }

    /// The text that is reached so; "" of anything else.
    pub fn text<N: AsRef<str>>(&self, path: &[N]) -> Cow<'_, str> {
        self.at(path).map(Part::str).unwrap_or_default()
    }

    /// Slack's id or, where there is none that can be used, a hash of the bytes.
    #[inline]
    pub fn id(&self) -> &str {
        self.id.of(&self.content)
    }

    /// `action`, or "" where there is none.
    #[inline]
    pub fn action(&self) -> &str {
        self.content.plain(Head::Action)
    }

    /// The action's place in the catalogue, if it is there.
    #[inline]
    pub fn action_number(&self) -> Option<u16> {
        self.action_number
    }

    /// What the action says by its name alone.
    #[inline]
    pub fn traits(&self) -> Traits {
        self.traits
    }

    /// The object under `actor.<actor.type>` (always `user` so far).
    #[inline]
    pub fn actor(&self) -> Option<Part<'_>> {
        self.content.head(Head::Actor)
    }

    /// The object under `entity.<entity.type>`.
    #[inline]
    pub fn entity(&self) -> Option<Part<'_>> {
        self.content.head(Head::Entity)
    }

    #[inline]
    pub fn entity_type(&self) -> &str {
        self.content.plain(Head::EntityType)
    }

    /// The actor's Slack user id, or "".
    #[inline]
    pub fn actor_id(&self) -> &str {
        self.content.plain(Head::ActorId)
    }

    /// The entity's id, or "".
    #[inline]
    pub fn entity_id(&self) -> &str {
        self.content.plain(Head::EntityId)
    }

    #[inline]
    pub fn context(&self) -> Option<Part<'_>> {
        self.content.head(Head::Context)
    }

    /// `context.location`: the workspace or the enterprise in which it happened.
    #[inline]
    pub fn location(&self) -> Option<Part<'_>> {
        self.content.head(Head::Location)
    }

    /// Id of the workspace or the enterprise in which it happened, or "".
    #[inline]
    pub fn location_id(&self) -> &str {
        self.content.plain(Head::LocationId)
    }

    /// `context.ip_address`, or "".
    #[inline]
    pub fn ip_address(&self) -> &str {
        self.content.plain(Head::IpAddress)
    }

    /// `context.ua`.
    #[inline]
    pub fn user_agent(&self) -> Option<Part<'_>> {
        self.content.head(Head::Ua)
    }

    /// `context.session_id`, a number as a rule.
    #[inline]
    pub fn session_id(&self) -> Option<Part<'_>> {
        self.content.head(Head::SessionId)
    }

    /// `context.app`: the app that made the call.
    #[inline]
    pub fn calling_app(&self) -> Option<Part<'_>> {
        self.content.head(Head::App)
    }

    /// `context.acting_agent`.
    #[inline]
    pub fn acting_agent(&self) -> Option<Part<'_>> {
        self.content.head(Head::ActingAgent)
    }

    #[inline]
    pub fn details(&self) -> Option<Part<'_>> {
        self.content.head(Head::Details)
    }

    /// A member of `details`.
    pub fn detail(&self, name: &str) -> Option<Part<'_>> {
        self.details()?.get(name)
    }
}

fn time_marks(own: Option<UnixSeconds>, counts_as: Option<UnixSeconds>) -> Option<Mark> {
    match (own?, counts_as?) {
        (own, _) if before_slack(own) => Some(Mark::DatedBeforeSlack),
        (own, counts_as) if own > counts_as => Some(Mark::DatedAhead),
        _ => None,
    }
}

/// Longest id taken for an enterprise's, in bytes. Slack's have eleven.
const MAX_ORGANIZATION: usize = 64;

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
        assert_eq!(e.entity().unwrap().to_value()["id"], "W2");
    }

    #[test]
    fn one_odd_value_leaves_the_rest_to_be_read() {
        let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        for odd in [r#""half \ud83d""#, "\"raw \u{1}\"", "1e999", "007", &deep, "oops"] {
            let e = event(&format!(
                r#"{{"id":"a","date_create":9,"odd":{odd},"k\udc00":1,"action":"user_login",
                    "actor":{{"type":"user","user":{{"id":"W1"}}}},"entity":{{"type":"user","user":{{"id":"W2"}}}}}}"#
            ));
            assert_eq!((e.id(), e.actor_id(), e.action(), e.time.0), ("a", "W1", "user_login", 9), "{odd}");
            assert_eq!(e.entity().unwrap().to_value()["id"], "W2", "{odd}");
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
