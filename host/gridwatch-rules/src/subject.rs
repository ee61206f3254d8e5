//! Subjects: the people and things that an alert is about, by id, as the events of its findings name them.
//!
//! A response acts on them, so the host takes them from the entries themselves, never from what a module says, and nothing
//! becomes an id that doesn't look like one of Slack's. Whose an id is matters more than that it is there:
//!
//! - on a join by invitation Slack's `context` is the inviter's, so the session is theirs ([`Whose`]); what an app or an
//!   agent did, or Slack's own servers, was done in no session of anybody's;
//! - when an app made the call, the actor is the one in whose name it acted (an eDiscovery app's installer): no session
//!   of theirs did it, so they stand apart;
//! - `USLACKUSER` and the like stand in for nobody.

use crate::directory::{Directory, granted_to};
use gridwatch_event::event::Event;
use gridwatch_event::mention::{self, channel_of, id_of};
use gridwatch_event::role::Role;
use gridwatch_event::whose::{Whose, is_placeholder};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Ids of a kind that an alert keeps.
pub const MAX_EACH: usize = 50;
/// Slack's ids are about 11 characters; sessions are numbers of up to 20.
const MAX_ID: usize = 32;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Subjects {
    /// People who did it themselves.
    #[serde(skip_serializing_if = "Kept::is_empty")]
    pub actors: Kept<String>,
    /// People in whose name an app did it.
    #[serde(skip_serializing_if = "Kept::is_empty")]
    pub behind_apps: Kept<String>,
    /// Apps that did it.
    #[serde(skip_serializing_if = "Kept::is_empty")]
    pub calling_apps: Kept<String>,
    /// Sessions it was done in.
    #[serde(skip_serializing_if = "Kept::is_empty")]
    pub sessions: Kept<Session>,
    /// People it was done to.
    #[serde(skip_serializing_if = "Kept::is_empty")]
    pub users: Kept<String>,
    /// Apps it was done to.
    #[serde(skip_serializing_if = "Kept::is_empty")]
    pub apps: Kept<String>,
    #[serde(skip_serializing_if = "Kept::is_empty")]
    pub channels: Kept<String>,
    #[serde(skip_serializing_if = "Kept::is_empty")]
    pub files: Kept<String>,
    #[serde(skip_serializing_if = "Kept::is_empty")]
    pub workflows: Kept<String>,
    #[serde(skip_serializing_if = "Kept::is_empty")]
    pub workspaces: Kept<String>,
    /// The organization itself.
    #[serde(skip_serializing_if = "Kept::is_empty")]
    pub enterprises: Kept<String>,
    /// Other organizations.
    #[serde(skip_serializing_if = "Kept::is_empty")]
    pub orgs: Kept<String>,
    /// Channels and the other organizations that they are shared with.
    #[serde(skip_serializing_if = "Kept::is_empty")]
    pub shared: Kept<Shared>,
    /// What the log said last of the people above, where it said anything.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<String, Role>,
}

/// One sign-in of one person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Session {
    pub user: String,
    pub id: String,
    /// The workspace it was seen in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
}

/// A channel shared with one other organization.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shared {
    pub channel: String,
    pub org: String,
    /// Is ours the host? `None`: the entry doesn't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ours: Option<bool>,
}

/// The first [`MAX_EACH`] ids that came, sorted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept<T: Ord> {
    pub ids: BTreeSet<T>,
    /// Times that there was no room for an id. One that came twice counts twice: knowing better would mean keeping it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl<T: Ord> Default for Kept<T> {
    fn default() -> Self {
        Self { ids: BTreeSet::new(), more: 0 }
    }
}

impl<T: Ord> Kept<T> {
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.more == 0
    }

    fn insert(&mut self, id: T) {
        if self.ids.len() < MAX_EACH || self.ids.contains(&id) {
            self.ids.insert(id);
        } else {
            self.more += 1;
        }
    }

    fn take_in(&mut self, other: Self) {
        other.ids.into_iter().for_each(|id| self.insert(id));
        self.more += other.more;
    }
}

impl Kept<String> {
    fn add(&mut self, id: &str) {
        if is_id(id) {
            self.insert(id.to_owned());
        }
    }
}

/// Does it look like an id of Slack's? What does can't hurt a shell or a form.
pub fn is_id(text: &str) -> bool {
    (2..=MAX_ID).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.bytes().all(|b| b.is_ascii_alphanumeric())
        && !is_placeholder(text)
}

impl Subjects {
    /// Of one event. The directory has to have learned it.
    pub fn of(event: &Event, directory: &Directory) -> Self {
        let mut subjects = Self::default();
        subjects.take_place(event);
        subjects.take_actor(event);
        subjects.take_entity(event);
        subjects.take_details(event);
        subjects.take_orgs(event, directory);
        subjects.take_roles(event, directory);
        subjects
    }

    /// Of a person to whom something was done, where there is no event.
    pub fn of_user(id: &str, role: Role) -> Self {
        let mut subjects = Self::default();
        subjects.users.add(id);
        subjects.roles = subjects.users.ids.iter().map(|id| (id.clone(), role)).collect();
        subjects
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds those of another finding, which is newer: what it says of roles counts.
    pub fn take_in(&mut self, new: Self) {
        self.actors.take_in(new.actors);
        self.behind_apps.take_in(new.behind_apps);
        self.calling_apps.take_in(new.calling_apps);
        self.sessions.take_in(new.sessions);
        self.users.take_in(new.users);
        self.apps.take_in(new.apps);
        self.channels.take_in(new.channels);
        self.files.take_in(new.files);
        self.workflows.take_in(new.workflows);
        self.workspaces.take_in(new.workspaces);
        self.enterprises.take_in(new.enterprises);
        self.orgs.take_in(new.orgs);
        self.shared.take_in(new.shared);
        self.roles.extend(new.roles);
        self.drop_roles();
    }

    /// Adds an organization or a workspace that the log is of, which these events themselves didn't name.
    pub fn add_place(&mut self, id: &str) {
        match id.as_bytes().first() {
            Some(b'E') => self.enterprises.add(id),
            Some(b'T') => self.workspaces.add(id),
            _ => {}
        }
    }

    /// Adds those of an event that a finding counted without being about it: things, whoever did something with them; people,
    /// sessions and the calling app only where one did it who is an actor already, and then nobody as an actor. What somebody
    /// else did before, as the one who started an export that another fetched, is no reason to sign them out, nor to restrict
    /// the app that closed an account. An app that something was done to may have made the call, whoever it was for.
    pub fn widen(&mut self, counted: &Event) {
        // Of the entry alone: what is ours and what isn't takes the whole log, and some events of it would call us strangers.
        let mut said = Directory::default();
        said.learn(counted);
        let counted = Self::of(counted, &said);
        let by = |of: &Self| of.actors.ids.union(&of.behind_apps.ids).cloned().collect::<BTreeSet<_>>();
        let is_by_an_actor = !by(&counted).is_disjoint(&by(self));
        if is_by_an_actor || !counted.calling_apps.ids.is_disjoint(&self.apps.ids) {
            self.calling_apps.take_in(counted.calling_apps);
        }
        self.apps.take_in(counted.apps);
        self.channels.take_in(counted.channels);
        self.files.take_in(counted.files);
        self.workflows.take_in(counted.workflows);
        self.orgs.take_in(counted.orgs);
        self.shared.take_in(counted.shared);
        if !is_by_an_actor {
            return;
        }
        self.users.take_in(counted.users);
        let theirs = counted.sessions.ids.into_iter().filter(|session| self.actors.ids.contains(&session.user));
        let theirs: Vec<Session> = theirs.collect();
        theirs.into_iter().for_each(|session| self.sessions.insert(session));
        for (id, role) in counted.roles {
            self.roles.entry(id).or_insert(role);
        }
        self.drop_roles();
    }

    /// Roles are only of people that there was room for.
    fn drop_roles(&mut self) {
        let people: BTreeSet<String> = self.people().cloned().collect();
        self.roles.retain(|id, _| people.contains(id));
    }

    fn people(&self) -> impl Iterator<Item = &String> {
        let sets = [&self.actors, &self.behind_apps, &self.users];
        sets.into_iter().flat_map(|kept| &kept.ids).chain(self.sessions.ids.iter().map(|session| &session.user))
    }

    fn take_place(&mut self, event: &Event) {
        let id = event.location_id();
        match &*event.text(&["context", "location", "type"]) {
            "workspace" => self.workspaces.add(id),
            "enterprise" => self.enterprises.add(id),
            _ => {}
        }
    }

    fn take_actor(&mut self, event: &Event) {
        let app = event.text(&["context", "app", "id"]);
        self.calling_apps.add(&app);
        // Of an app's own entries (installed, approved) the actor is a person at a dialog, whatever made the call.
        if is_id(&app) && event.entity_type() != "app" {
            return self.behind_apps.add(event.actor_id());
        }
        self.actors.add(event.actor_id());
        let user = match Whose::of(event) {
            Whose::Actor => event.actor_id().into(),
            Whose::Inviter(Some(by)) => id_of(by).unwrap_or_default(),
            Whose::Inviter(None) | Whose::App(_) | Whose::Server | Whose::Agent(_) | Whose::Nobodys => return,
        };
        let id = session_id(event);
        if is_id(&user) && !id.is_empty() {
            let team = Some(event.location_id()).filter(|team| team.starts_with('T') && is_id(team)).map(str::to_owned);
            self.sessions.insert(Session { user: user.into_owned(), id: id.into_owned(), team });
        }
    }

    fn take_entity(&mut self, event: &Event) {
        let id = event.entity_id();
        match event.entity_type() {
            "user" => self.users.add(id),
            "app" => self.apps.add(&event.entity().and_then(mention::app_id).unwrap_or_default()),
            "file" => self.files.add(id),
            "workflow" | "workflow_v2" => self.workflows.add(id),
            "workspace" => self.workspaces.add(id),
            "enterprise" => self.enterprises.add(id),
            _ => {}
        }
    }

    fn take_details(&mut self, event: &Event) {
        granted_to(event).iter().for_each(|user| self.users.add(user));
        // Of a bulk reset, whose entity is the organization.
        mention::list(event.detail("succeeded_users")).into_iter().for_each(|user| self.users.add(&user));
        channel_of(event).into_iter().for_each(|channel| self.channels.add(&channel));
    }

    /// Other organizations: the one named as such, else the actor's if they belong to another, else whichever of the two sides
    /// of a shared channel isn't ours.
    fn take_orgs(&mut self, event: &Event, directory: &Directory) {
        let actor = event.actor();
        let team = actor.map(|actor| actor.text("team")).unwrap_or_default();
        let team = &*team;
        let is_outsider = actor.and_then(|actor| directory.is_external(actor, event)) == Some(true);
        let own_team = if is_outsider { "" } else { team };
        let sides = ["origin_team", "target_team"].map(|name| event.text(&["details", name]));
        let sides = sides.each_ref().map(|side| &**side);
        // Ours is the side at which it took place. The actor's may be either: guests from outside aren't always known as such.
        let is_place = |id: &str| self.enterprises.ids.contains(id) || self.workspaces.ids.contains(id);
        let is_known_side = sides.into_iter().any(is_place);
        let is_own = |id: &str| if is_known_side { is_place(id) } else { id == own_team };
        let is_of_sharing = event.action().starts_with("external_shared_channel_");
        let named = event.text(&["details", "external_organization_id"]);
        let others: Vec<&str> = match &*named {
            "" if is_outsider => vec![team],
            "" if is_of_sharing => sides.into_iter().filter(|id| !id.is_empty() && !is_own(id)).collect(),
            "" => vec![],
            named => vec![named],
        };
        // The channel is the one's who shared it first.
        let ours = match sides[0] {
            host if others.contains(&host) => Some(false),
            host if !host.is_empty() && is_own(host) => Some(true),
            _ => None,
        };
        for org in others.iter().copied().filter(|org| is_id(org)) {
            self.orgs.add(org);
            if let Some(channel) = channel_of(event).filter(|channel| is_id(channel)) {
                self.shared.insert(Shared { channel: channel.into_owned(), org: org.to_owned(), ours });
            }
        }
        // A person's own team is the organization on Enterprise Grid.
        if own_team.starts_with('E') && !others.contains(&own_team) {
            self.enterprises.add(own_team);
        }
    }

    fn take_roles(&mut self, event: &Event, directory: &Directory) {
        let known =
            |id: &String| Some((id.clone(), directory.role_now(id, event))).filter(|(_, r)| *r != Role::Unknown);
        self.roles = self.people().filter_map(known).collect();
    }
}

/// Seen as a number, as a number in a text, as null and as nothing; "" if there is none.
pub(crate) fn session_id(event: &Event) -> Cow<'_, str> {
    let said = event.session_id();
    let text = said.and_then(|said| said.as_number().map(Cow::Borrowed).or_else(|| said.as_str())).unwrap_or_default();
    let is_number = text.len() <= MAX_ID && text.bytes().all(|b| b.is_ascii_digit()) && text.bytes().any(|b| b != b'0');
    if is_number { text } else { Cow::Borrowed("") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridwatch_event::entry::Entry;
    use gridwatch_event::time::UnixMillis;
    use serde_json::{Value, json};

    /// An entry by W1, with these parts in place of an ordinary sign-in's.
    fn event(parts: Value) -> Event {
        let user = json!({ "type": "user", "user": { "id": "W1", "team": "E9", "account_type": "admin" } });
        let mut entry = json!({
            "id": "e", "date_create": 1_790_000_000, "action": "user_login", "actor": user, "entity": user,
            "context": {
                "location": { "type": "workspace", "id": "T1" }, "ip_address": "198.51.100.7", "session_id": 77,
            }
        });
        for (name, part) in parts.as_object().unwrap() {
            entry[name] = part.clone();
        }
        Event::new(1, UnixMillis(0), &Entry::from_json(&entry.to_string()))
    }

    fn of(parts: Value) -> Subjects {
        let event = event(parts);
        let mut directory = Directory::default();
        directory.learn(&event);
        Subjects::of(&event, &directory)
    }

    fn ids(kept: &Kept<String>) -> Vec<&str> {
        kept.ids.iter().map(String::as_str).collect()
    }

    #[test]
    fn people_session_and_place_of_an_ordinary_entry() {
        let subjects = of(json!({}));
        let session = Session { user: "W1".into(), id: "77".into(), team: Some("T1".into()) };
        assert_eq!(subjects.sessions.ids, BTreeSet::from([session]));
        assert_eq!((ids(&subjects.actors), ids(&subjects.users)), (vec!["W1"], vec!["W1"]));
        assert_eq!((ids(&subjects.workspaces), ids(&subjects.enterprises)), (vec!["T1"], vec!["E9"]));
        assert_eq!(subjects.roles, BTreeMap::from([("W1".into(), Role::Admin)]));
        for (written, id) in [(json!("123"), Some("123")), (json!(null), None), (json!(0), None), (json!("x"), None)] {
            let subjects = of(json!({ "context": { "ip_address": "198.51.100.7", "session_id": written } }));
            assert_eq!(subjects.sessions.ids.first().map(|session| session.id.as_str()), id, "{written}");
        }
    }

    #[test]
    fn each_kind_of_entity_is_a_subject() {
        for (kind, body, read) in [
            ("app", json!({ "id": "A1" }), (|s| &s.apps) as fn(&Subjects) -> &Kept<String>),
            ("app", json!({ "app_id": "A1", "id": "b1" }), |s| &s.apps),
            ("channel", json!({ "id": "C1" }), |s| &s.channels),
            ("message", json!({ "channel": "C1", "team": "T1" }), |s| &s.channels),
            ("file", json!({ "id": "F1" }), |s| &s.files),
            ("workflow_v2", json!({ "id": "Wf1" }), |s| &s.workflows),
            ("workspace", json!({ "id": "T7" }), |s| &s.workspaces),
        ] {
            let subjects = of(json!({ "action": "x", "entity": { "type": kind, kind: body } }));
            assert!(!read(&subjects).is_empty(), "{kind}");
            assert!(subjects.users.is_empty(), "{kind}");
        }
    }

    #[test]
    fn the_session_of_an_invited_join_is_the_inviters() {
        let join = |details: Value| {
            let subjects = of(json!({ "action": "user_channel_join", "details": details }));
            assert_eq!(ids(&subjects.actors), ["W1"], "{details}");
            subjects.sessions.ids.into_iter().map(|session| session.user).collect::<Vec<_>>()
        };
        assert_eq!(join(json!({ "type": "INVITED", "inviter": { "id": "W2" } })), ["W2"]);
        assert_eq!(join(json!({ "type": "INVITED", "inviter": "W2" })), ["W2"]);
        assert_eq!(
            join(json!({ "inviter": { "type": "user", "user": { "id": "W2" } } })),
            ["W2"],
            "as in older entries"
        );
        assert!(join(json!({ "type": "INVITED", "inviter": null })).is_empty(), "nobody knows whose");
        assert_eq!(join(json!({ "type": "JOINED", "inviter": null })), ["W1"]);
    }

    #[test]
    fn an_agent_and_slacks_own_servers_act_in_no_session() {
        for context in [
            json!({ "ip_address": "198.51.100.7", "session_id": 77, "acting_agent": "Slackbot" }),
            json!({ "ip_address": "127.0.0.1", "session_id": 77 }),
            json!({ "session_id": 77 }),
        ] {
            let subjects = of(json!({ "context": context }));
            assert_eq!((ids(&subjects.actors), subjects.sessions.is_empty()), (vec!["W1"], true), "{context}");
        }
    }

    #[test]
    fn whom_it_was_done_to_is_read_in_every_shape() {
        let user = json!({ "id": "W2" });
        for details in [
            json!({ "target_user": "W2" }),
            json!({ "target_user": user }),
            json!({ "target_user": ["W2", "W3"] }),
            json!({ "target_user": "[\"W2\",\"W3\"]" }),
            json!({ "target_user_id": "W2" }),
            json!({ "target_entity_id": "W2" }),
            json!({ "user": user }),
            json!({ "succeeded_users": ["W2", "W3"], "failed_users": ["W4"] }),
            json!({ "succeeded_users": "[\"W2\",\"W3\"]" }),
        ] {
            let role = json!({ "type": "account_type_role", "account_type_role": { "id": "Rl0A" } });
            let subjects = of(json!({ "action": "x", "entity": role, "details": details }));
            let users = ids(&subjects.users);
            assert!(users == ["W2"] || users == ["W2", "W3"], "{details}: {users:?}");
            assert_eq!(users.len() == 2, details.to_string().contains("W3"), "{details}");
        }
    }

    #[test]
    fn a_person_behind_an_app_did_nothing_in_a_session() {
        let context = json!({ "ip_address": "198.51.100.7", "session_id": 77, "app": { "id": "A7" } });
        let file = json!({ "type": "file", "file": { "id": "F1" } });
        let read = of(json!({ "action": "file_downloaded", "entity": file, "context": context }));
        assert_eq!((ids(&read.behind_apps), ids(&read.calling_apps)), (vec!["W1"], vec!["A7"]));
        assert!(read.actors.is_empty() && read.sessions.is_empty() && read.apps.is_empty());
        let app = json!({ "type": "app", "app": { "id": "A1" } });
        let installed = of(json!({ "action": "app_installed", "entity": app, "context": context }));
        assert_eq!((ids(&installed.actors), ids(&installed.apps)), (vec!["W1"], vec!["A1"]));
    }

    #[test]
    fn placeholders_and_what_is_no_id_are_nobody() {
        for id in ["USLACKUSER", "USLACKSECURITY", "", "$(reboot)", "W1 W2", "w1", "W'", &"W".repeat(33)] {
            let user = json!({ "type": "user", "user": { "id": id } });
            let subjects = of(json!({ "actor": user, "entity": user }));
            assert!(subjects.actors.is_empty() && subjects.users.is_empty() && subjects.sessions.is_empty(), "{id}");
        }
    }

    #[test]
    fn the_other_organization_of_a_shared_channel_is_told_from_ours() {
        let connected = |details: Value| {
            let channel = json!({ "type": "channel", "channel": { "id": "C1" } });
            let parts = json!({ "action": "external_shared_channel_connected", "entity": channel, "details": details });
            of(parts).shared.ids.into_iter().map(|s| (s.channel, s.org, s.ours)).collect::<Vec<_>>()
        };
        let one = |org: &str, ours| vec![("C1".to_owned(), org.to_owned(), ours)];
        for (details, want) in [
            (json!({ "origin_team": "E9", "target_team": "E8" }), one("E8", Some(true))),
            (json!({ "origin_team": "T1", "target_team": "E8" }), one("E8", Some(true))),
            (json!({ "origin_team": "E8", "target_team": "E9" }), one("E8", Some(false))),
            (json!({ "target_team": "E8" }), one("E8", None)),
            (json!({ "external_organization_id": "E8" }), one("E8", None)),
            (json!({ "origin_team": "E9", "external_organization_id": "E8" }), one("E8", Some(true))),
            (json!({ "origin_team": "T8", "external_organization_id": "E8" }), one("E8", None)),
            (json!({ "origin_team": "E9" }), vec![]),
            (json!({}), vec![]),
        ] {
            assert_eq!(connected(details.clone()), want, "{details}");
        }
        // Somebody of theirs accepted it, whom nothing tells from our own yet.
        let guest = json!({ "type": "user", "user": { "id": "W8", "team": "E8" } });
        let channel = json!({ "type": "channel", "channel": { "id": "C1" } });
        let accepted = of(json!({
            "action": "external_shared_channel_invite_accepted", "actor": guest, "entity": channel,
            "context": { "location": { "type": "enterprise", "id": "E9" } },
            "details": { "origin_team": "E9", "target_team": "E8" },
        }));
        let shared = Shared { channel: "C1".into(), org: "E8".into(), ours: Some(true) };
        assert_eq!((accepted.shared.ids, ids(&accepted.enterprises)), (BTreeSet::from([shared]), vec!["E9"]));
        let details = json!({ "origin_team": "E9", "target_team": "T0THEIRS", "external_organization_id": "E8" });
        let subjects = of(json!({ "action": "external_shared_channel_connected", "details": details }));
        assert_eq!(ids(&subjects.orgs), ["E8"], "it is named: T0THEIRS is a workspace of theirs");
        assert_eq!(ids(&subjects.enterprises), ["E9"]);
    }

    #[test]
    fn an_actor_from_outside_brings_their_organization_in() {
        let guest = json!({ "type": "user", "user": { "id": "W8", "team": "E8" } });
        let file = json!({ "type": "file", "file": { "id": "F1" } });
        let read = json!({
            "action": "file_downloaded", "date_create": 1_790_700_000, "actor": guest, "entity": file,
            "details": { "channel_id": "C1" },
        });
        let mut directory = Directory::default();
        let (first, read) = (event(json!({})), event(read));
        [&first, &read].into_iter().for_each(|event| directory.learn(event));
        let subjects = Subjects::of(&read, &directory);
        assert_eq!((ids(&subjects.orgs), ids(&subjects.enterprises)), (vec!["E8"], vec![]));
        let shared = Shared { channel: "C1".into(), org: "E8".into(), ours: None };
        assert_eq!(subjects.shared.ids, BTreeSet::from([shared]));
    }

    #[test]
    fn what_was_counted_adds_things_and_no_actors() {
        let user = |id: &str| json!({ "type": "user", "user": { "id": id } });
        let link = |by: &str, file: &str| {
            let file = json!({ "type": "file", "file": { "id": file } });
            json!({ "action": "file_public_link_created", "actor": user(by), "entity": file })
        };
        let mut fired = of(link("W1", "F5"));
        let join = json!({ "inviter": { "id": "W5" } });
        for counted in [
            link("W1", "F1"),
            link("W2", "F2"),
            json!({ "action": "x", "actor": user("W1"), "entity": user("W3") }),
            json!({ "action": "x", "actor": user("W2"), "entity": user("W4") }),
            json!({ "action": "user_channel_join", "actor": user("W1"), "details": join }),
        ] {
            fired.widen(&event(counted));
        }
        assert_eq!((ids(&fired.files), ids(&fired.actors)), (vec!["F1", "F2", "F5"], vec!["W1"]));
        assert!(fired.users.ids.contains("W3") && !fired.users.ids.contains("W4"), "{:?}", fired.users);
        assert!(fired.sessions.ids.iter().all(|session| session.user == "W1"), "{:?}", fired.sessions);
    }

    #[test]
    fn an_app_through_which_somebody_else_acted_is_counted_and_not_answered() {
        let user = |id: &str| json!({ "type": "user", "user": { "id": id } });
        let through = |app: &str, by: &str| {
            let context = json!({ "ip_address": "198.51.100.7", "app": { "id": app } });
            event(json!({ "action": "user_deactivated", "actor": user(by), "entity": user("W1"), "context": context }))
        };
        let app = json!({ "type": "app", "app": { "id": "A1" } });
        let kept = of(json!({ "action": "app_token_preserved", "actor": user("W1"), "entity": app }));
        for (app, by, want) in [
            ("A0OKTA", "W35", vec![]),
            ("A7", "W1", vec!["A7"]),
            // The kept token itself.
            ("A1", "W35", vec!["A1"]),
        ] {
            let mut fired = kept.clone();
            fired.widen(&through(app, by));
            assert_eq!((ids(&fired.calling_apps), ids(&fired.apps)), (want, vec!["A1"]), "{app} for {by}");
        }
    }

    #[test]
    fn no_span_of_counted_events_makes_our_own_organization_another() {
        let channel = json!({ "type": "channel", "channel": { "id": "C1" } });
        let left = |at: u64| {
            let name = "external_shared_channel_invite_sent";
            event(json!({ "date_create": at, "action": name, "entity": channel, "details": { "target_team": "E8" } }))
        };
        // Weeks apart, and E9 isn't where any of it took place.
        let counted = [left(1_790_000_000), left(1_792_000_000)];
        let mut these = Directory::default();
        counted.iter().for_each(|event| these.learn(event));
        assert_eq!(ids(&Subjects::of(&counted[1], &these).orgs), ["E9"], "as these alone would have it");
        let mut fired = of(json!({}));
        counted.iter().for_each(|event| fired.widen(event));
        assert_eq!(ids(&fired.orgs), ["E8"]);
        assert!(fired.shared.ids.iter().all(|shared| shared.org == "E8"), "{:?}", fired.shared);
    }

    #[test]
    fn each_kind_is_bounded_and_says_that_there_was_more() {
        let mut all = Subjects::default();
        for i in 0..MAX_EACH + 5 {
            let user = json!({ "type": "user", "user": { "id": format!("W{i:04}"), "account_type": "guest" } });
            all.take_in(of(json!({ "actor": user, "entity": user })));
        }
        assert_eq!((all.actors.ids.len(), all.actors.more), (MAX_EACH, 5));
        assert_eq!((all.sessions.ids.len(), all.roles.len()), (MAX_EACH, MAX_EACH));
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Subjects>(&text).unwrap(), all);
        assert_eq!(serde_json::from_str::<Subjects>("{}").unwrap(), Subjects::default());
    }
}
