//! The directory: what the log itself has said about people's accounts, over time: roles, whether they are in use, whose
//! they are.
//!
//! Slack's entries rarely say what the actor is allowed to do, so roles are folded from the entries that change them and
//! from `account_type` where it is given. "Unknown" is an answer; a guess is not. Everything is asked "as of" an event,
//! so an answer doesn't depend on how events were batched. What people usually do is in [`about`](crate::about).

use crate::keyed::{Key, Map};
use crate::state::{DIRECTORY, Forgotten, HOME, StateOp, StateRow};
use gridwatch_event::event::Event;
use gridwatch_event::grant::{self, Direction, Scope};
use gridwatch_event::part::Part;
use gridwatch_event::role::Role;
use gridwatch_event::time::UnixSeconds;
use gridwatch_event::whose::is_placeholder;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;

/// Changes kept of each kind for a person.
const MAX_CHANGES: usize = 32;
/// Longest id or name kept, in characters.
const MAX_NAME: usize = 64;
/// Workspaces and enterprises of our own that are kept. The largest grids have a few thousand.
const MAX_PLACES: usize = 10_000;
/// How long the log has to be watched before a team that it has no place for counts as another organization's.
const LEARN_HOME_S: u64 = 7 * 86_400;
/// A place that the log names for the first time is new for so long: Slack writes all that comes with one within seconds.
const NEW_PLACE_S: u64 = 60;
/// People kept. The ones unseen longest go first.
pub const MAX_PEOPLE: usize = 500_000;

/// What somebody is, or was told to be: each with the time from which on it held.
#[derive(Debug, Default)]
pub struct Directory {
    people: Map<String, Person>,
    dirty: BTreeSet<String>,
    /// Changed since the last [`Directory::settle`], perhaps more than once.
    unsettled: Vec<String>,
    home: Home,
    home_is_dirty: bool,
    /// The last place that was looked up and is known.
    at_home: String,
    settled: Settled,
}

/// Roles that an account was shown with and that were no news: as long as nothing else is learned of anybody, the same is no news
/// again. Has no influence on an answer.
#[derive(Debug, Default)]
struct Settled {
    key: Key,
    /// Hash of account, what is said of it, and place → the newest time at which that was so.
    until: Map<u64, UnixSeconds>,
}

/// Accounts remembered so; then it begins anew.
const MAX_SETTLED: usize = 65_536;

impl Settled {
    fn hash(&self, id: &str, is_bot: bool, account_type: &str, event: &Event) -> u64 {
        self.key.hash_one((id, is_bot, account_type, event.location_id()))
    }

    /// Has it been so at a time that isn't later?
    fn has(&self, hash: u64, event: &Event) -> bool {
        self.until.get(&hash).is_some_and(|until| *until <= event.time)
    }

    fn note(&mut self, hash: u64, event: &Event) {
        if self.until.len() >= MAX_SETTLED {
            self.until.clear();
        }
        let until = self.until.entry(hash).or_default();
        *until = event.time.max(*until);
    }

    fn forget(&mut self) {
        self.until.clear();
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Person {
    /// In order of (time, seq), each with the workspace or enterprise in which it was given.
    #[serde(default)]
    roles: Vec<Since<(Role, String)>>,
    /// Is the account in use?
    #[serde(default)]
    active: Vec<Since<bool>>,
    /// System roles given and taken, by name.
    #[serde(default)]
    grants: Vec<Since<Grant>>,
    /// Belongs to another organization, as an entry said in so many words.
    #[serde(default)]
    outside: Vec<Since<bool>>,
    /// When the account was made.
    #[serde(default)]
    made: Vec<Since<()>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Since<T> {
    time: UnixSeconds,
    seq: u64,
    value: T,
    /// Said of the time before the event too: it is what the person was when acting.
    before: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Grant {
    role: String,
    given: bool,
}

/// What is the organization's own: where its log says that things take place.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Home {
    /// The first event, from which on it is watched.
    began: Option<(UnixSeconds, u64)>,
    /// Workspaces and enterprises, each with the number of the event that first named it.
    places: BTreeMap<String, u64>,
    /// When that was, of those named since this is written down.
    #[serde(default)]
    since: BTreeMap<String, UnixSeconds>,
}

/// One thing a person did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentAct {
    pub seq: u64,
    pub time: UnixSeconds,
    pub action: String,
    pub ip_address: String,
}

impl Directory {
    /// The role a person had when this event happened, before it had any effect.
    pub fn role_at(&self, id: &str, event: &Event) -> Role {
        self.people.get(id).map(|p| role_of(&p.roles, |since| since.held_at(event))).unwrap_or_default()
    }

    /// The newest role known once this event has been taken in.
    pub fn role_now(&self, id: &str, event: &Event) -> Role {
        self.people.get(id).map(|p| role_of(&p.roles, |since| since.seq <= event.seq)).unwrap_or_default()
    }

    /// System roles (Users Admin, Channels Admin …) that a person had been given when this event happened.
    pub fn grants_at(&self, id: &str, event: &Event) -> BTreeSet<String> {
        let mut held = BTreeSet::new();
        for since in self.people.get(id).into_iter().flat_map(|p| &p.grants).filter(|since| since.held_at(event)) {
            match since.value.given {
                true => held.insert(since.value.role.clone()),
                false => held.remove(&since.value.role),
            };
        }
        held
    }

    /// Was the account switched off once this event had its effect? `None` where the log has neither word of it.
    pub fn is_deactivated(&self, id: &str, event: &Event) -> Option<bool> {
        self.people.get(id).and_then(|p| now(&p.active, event)).map(|active| !active)
    }

    /// When the account was made, if the log was watched then.
    pub fn made(&self, id: &str, event: &Event) -> Option<UnixSeconds> {
        self.people.get(id)?.made.iter().find(|since| since.seq <= event.seq).map(|since| since.time)
    }

    /// Does a user belong to another organization? Told by entries that say so, and by the user's team: one that is among the
    /// workspaces and enterprises in which this log's events take place is ours, and one that isn't, once those have been
    /// watched for a week, is not.
    pub fn is_external(&self, user: Part<'_>, event: &Event) -> Option<bool> {
        let id = user.text("id");
        if let Some(outside) = self.people.get(&*id).and_then(|p| now(&p.outside, event)) {
            return Some(*outside);
        }
        let team = user.text("team");
        if team.is_empty() || is_placeholder(&id) {
            return None;
        }
        if self.home.places.get(&*team).is_some_and(|seq| *seq <= event.seq) {
            return Some(false);
        }
        (self.watched_s(event) >= LEARN_HOME_S && self.home.places.len() < MAX_PLACES).then_some(true)
    }

    /// Is the place for which an entry gives or takes a role or right a `new` one: just made, so that Slack sets it up? That is
    /// what the log hasn't named before, once it was watched for a week, or in its very first seconds. Between those it may be one
    /// that was quiet: `unknown`. Else `known`; "" where no workspace or organization is named.
    pub fn age_of_place(&self, event: &Event) -> &'static str {
        let Some(place) = grant::place_of(event).filter(|place| place.starts_with(['T', 'E'])) else { return "" };
        if self.home.places.get(&*place).is_some_and(|seq| *seq > event.seq) {
            return "unknown";
        }
        let Some(since) = self.home.since.get(&*place) else { return "known" };
        let began = self.home.began.map_or(*since, |(time, _)| time);
        match since.0.saturating_sub(began.0) {
            _ if event.time.0.saturating_sub(since.0) > NEW_PLACE_S => "known",
            watched if watched >= LEARN_HOME_S || watched <= NEW_PLACE_S => "new",
            _ => "unknown",
        }
    }

    /// How long the log had been watched when this event happened.
    pub fn watched_s(&self, event: &Event) -> u64 {
        let began = self.home.began.filter(|(_, seq)| *seq <= event.seq);
        began.map_or(0, |(time, _)| event.time.0.saturating_sub(time.0))
    }

    /// Takes in one event.
    pub fn learn(&mut self, event: &Event) {
        self.learn_home(event);
        if let Some(actor) = event.actor() {
            self.learn_account(actor, event.actor_id(), event, None);
        }
        let traits = event.traits();
        if let Some(user) = event.entity().filter(|_| event.entity_type() == "user") {
            let becomes = if traits.changes_account { becomes(event) } else { None };
            self.learn_account(user, event.entity_id(), event, becomes);
        }
        if traits.changes_account {
            self.learn_role(event);
            self.learn_target(event);
        }
        if traits.is_about_power {
            self.learn_grant(event);
        }
    }

    /// Forgets what is beyond the bounds. Called between batches, so that answers inside one don't depend on its size.
    pub fn settle(&mut self) {
        for id in std::mem::take(&mut self.unsettled) {
            if let Some(person) = self.people.get_mut(&id) {
                trim(&mut person.active);
                trim(&mut person.outside);
                person.made.truncate(1);
            }
        }
        if self.people.len() > MAX_PEOPLE {
            let mut by_age: Vec<(u64, String)> = self.people.iter().map(|(id, p)| (p.last(), id.clone())).collect();
            by_age.sort_unstable();
            self.settled.forget();
            for (_, id) in by_age.into_iter().take(MAX_PEOPLE / 10) {
                self.people.remove(&id);
                self.dirty.insert(id);
            }
        }
    }

    pub fn take_changes(&mut self) -> Vec<StateOp> {
        let row = |id: String| StateOp::save(DIRECTORY, id.as_bytes(), self.people.get(&id));
        let mut rows: Vec<StateOp> = std::mem::take(&mut self.dirty).into_iter().map(row).collect();
        if std::mem::take(&mut self.home_is_dirty) {
            rows.push(StateOp::put(HOME, &[], &self.home));
        }
        rows
    }

    /// Puts a saved person back, or what is the organization's own.
    ///
    /// # Errors
    /// The row can't be read.
    pub fn load(&mut self, row: StateRow<'_>) -> Result<(), Forgotten> {
        if row.part == HOME {
            self.home = row.json()?;
            self.at_home.clear();
        } else {
            self.settled.forget();
            self.people.insert(row.name()?.to_owned(), row.json()?);
        }
        Ok(())
    }

    fn learn_home(&mut self, event: &Event) {
        if self.home.began.is_none() {
            self.home.began = Some((event.time, event.seq));
            self.home_is_dirty = true;
        }
        // A role or right is given in a place of ours, which may have no entry of its own yet.
        let granted_in = grant::place_of(event).filter(|place| place.starts_with(['T', 'E']));
        let place = Some(event.location_id()).filter(|place| *place != self.at_home);
        for place in [place.map(Cow::from), granted_in].into_iter().flatten() {
            let is_new = !place.is_empty() && place.len() <= MAX_NAME && !self.home.places.contains_key(&*place);
            if is_new && self.home.places.len() < MAX_PLACES {
                self.home.places.insert(place.clone().into_owned(), event.seq);
                self.home.since.insert(place.into_owned(), event.time);
                self.home_is_dirty = true;
            }
        }
        if place.is_some_and(|place| self.home.places.contains_key(place)) {
            event.location_id().clone_into(&mut self.at_home);
        }
    }

    fn learn_role(&mut self, event: &Event) {
        let Some((id, role)) = role_change(event) else { return };
        let value = |role| Since::from(event, (role, short_place_of(event)));
        insert_role(&mut self.person(id).roles, value(role));
        // There is one primary owner, and whoever hands that over stays an owner.
        let from = event.actor_id();
        if role == Role::PrimaryOwner && from != id && self.role_at(from, event) == Role::PrimaryOwner {
            insert_role(&mut self.person(from).roles, value(Role::Owner));
        }
    }

    /// `becomes`: what the event makes the user. An account type that says just that may be the one of after.
    fn learn_account(&mut self, user: Part<'_>, id: &str, event: &Event, becomes: Option<Role>) {
        let (mut email, mut account_type) = (None, None);
        for (key, value) in user.members() {
            match key {
                "email" => email = Some(value),
                "account_type" => account_type = Some(value),
                _ => {}
            }
        }
        let (is_bot, account_type) = (email.is_some_and(is_bots), account_type.map(Part::str).unwrap_or_default());
        if !is_bot && account_type.is_empty() {
            return;
        }
        let hash = self.settled.hash(id, is_bot, &account_type, event);
        if becomes.is_none() && self.settled.has(hash, event) {
            return;
        }
        let role = is_bot.then_some(Role::Bot).or_else(|| Role::of_account_type(&account_type));
        let Some(role) = role.filter(|role| !id.is_empty() && becomes != Some(*role)) else { return };
        if self.role_at(id, event) != role && !self.was_said(id, role, event) {
            let since = Since { before: true, ..Since::from(event, (role, short_place_of(event))) };
            insert_role(&mut self.person(id).roles, since);
            return;
        }
        // What was said of a later time may make it news by then.
        let mut roles = self.people.get(id).into_iter().flat_map(|person| &person.roles);
        if roles.all(|since| since.time <= event.time) {
            self.settled.note(hash, event);
        }
    }

    /// Is it the newest word on somebody in this place already? It may not be what they are, where they are more elsewhere.
    fn was_said(&self, id: &str, role: Role, event: &Event) -> bool {
        let place = event.location_id();
        let of_here = |since: &&Since<(Role, String)>| since.value.1.is_empty() || since.value.1 == place;
        let newest = self.people.get(id).and_then(|person| person.roles.iter().rev().find(of_here));
        newest.is_some_and(|since| since.before && since.time <= event.time && since.value == (role, place.to_owned()))
    }

    /// What an entry about an account says of it, beside its role.
    fn learn_target(&mut self, event: &Event) {
        let Some(id) = target(event) else { return };
        match event.action() {
            "user_deactivated" | "guest_deactivated" | "guest_expired" => {
                insert(&mut self.person(id).active, Since::from(event, false));
            }
            "user_reactivated" | "guest_reactivated" => insert(&mut self.person(id).active, Since::from(event, true)),
            "guest_transferred_to_external_user" => insert(&mut self.person(id).outside, Since::from(event, true)),
            "user_created" | "guest_created" => {
                let person = self.person(id);
                insert(&mut person.made, Since::from(event, ()));
                insert(&mut person.active, Since::from(event, true));
            }
            _ => {}
        }
    }

    /// `role_assigned` is about the role and names the user in the details; `permissions_assigned` is about an account type.
    fn learn_grant(&mut self, event: &Event) {
        // Whoever makes a channel manages it, which is no system role.
        let given = match (event.entity_type(), grant::direction_of(event)) {
            ("usergroup", _) | (_, None) => return,
            _ if grant::scope_of(event) == Some(Scope::Channel) => return,
            (_, Some(direction)) => direction == Direction::Given,
        };
        let name = |object: Part<'_>| {
            ["name", "id"].into_iter().find_map(|key| object.get(key)?.as_str().map(Cow::into_owned))
        };
        let is_role = event.entity_type() != "user";
        let Some(role) = event.entity().filter(|_| is_role).and_then(name).filter(|role| !role.is_empty()) else {
            return;
        };
        let role: String = role.chars().take(MAX_NAME).collect();
        for id in granted_to(event) {
            let since = Since::from(event, Grant { role: role.clone(), given });
            let replaces = |new: &Since<Grant>, old: &Since<Grant>| new.value.role == old.value.role;
            insert_bounded(&mut self.person(&id).grants, since, replaces);
        }
    }

    /// To be changed.
    fn person(&mut self, id: &str) -> &mut Person {
        self.settled.forget();
        let id: String = id.chars().take(MAX_NAME).collect();
        self.dirty.insert(id.clone());
        self.unsettled.push(id.clone());
        self.people.entry(id).or_default()
    }
}

impl Person {
    /// Number of the newest event that changed anything.
    fn last(&self) -> u64 {
        let roles = self.roles.iter().map(|since| since.seq);
        let active = self.active.iter().chain(&self.outside).map(|since| since.seq);
        let made = self.made.iter().map(|since| since.seq);
        roles.chain(active).chain(made).chain(self.grants.iter().map(|since| since.seq)).max().unwrap_or(0)
    }
}

impl<T> Since<T> {
    fn from(event: &Event, value: T) -> Self {
        Self { time: event.time, seq: event.seq, value, before: false }
    }

    /// Did it hold when this event happened, before the event had any effect?
    fn held_at(&self, event: &Event) -> bool {
        (self.seq < event.seq || self.before && self.seq == event.seq) && self.time <= event.time
    }
}

/// The highest that somebody is anywhere: on Enterprise Grid people are admins and owners of a workspace or of the organization,
/// and losing the one doesn't take the other. What they are below that is the newest word. An account's type is said of the place
/// where it stands: an owner of the organization may be a member of a workspace like others.
fn role_of(history: &[Since<(Role, String)>], holds: impl Fn(&Since<(Role, String)>) -> bool) -> Role {
    let (mut ranks, mut base): (BTreeMap<&str, Role>, Role) = (BTreeMap::new(), Role::Unknown);
    for since in history.iter().filter(|since| holds(since)) {
        let (role, place) = (since.value.0, since.value.1.as_str());
        match role >= Role::Admin {
            is_rank if since.before => {
                ranks.retain(|of, _| !place.is_empty() && *of != place && !of.is_empty());
                if is_rank {
                    ranks.insert(place, role);
                }
                base = role;
            }
            true => _ = ranks.insert(place, role),
            false => {
                ranks.retain(|of, _| !place.is_empty() && *of != place && !of.is_empty());
                base = role;
            }
        }
    }
    ranks.into_values().max().unwrap_or(base)
}

/// The workspace or enterprise in which something happened.
fn short_place_of(event: &Event) -> String {
    event.location_id().chars().take(MAX_NAME).collect()
}

/// An app's own account, by its address: nobody can choose that domain. Names are chosen, and prove nothing.
fn is_bot(user: Part<'_>) -> bool {
    user.get("email").is_some_and(is_bots)
}

fn is_bots(email: Part<'_>) -> bool {
    const DOMAIN: &[u8] = b"@slack-bots.com";
    email.str().as_bytes().last_chunk().is_some_and(|end: &[u8; DOMAIN.len()]| end.eq_ignore_ascii_case(DOMAIN))
}

fn now<'s, T>(history: &'s [Since<T>], event: &Event) -> Option<&'s T> {
    history.iter().rev().find(|since| since.seq <= event.seq).map(|since| &since.value)
}

fn insert<T>(history: &mut Vec<Since<T>>, since: Since<T>) {
    let at = history.partition_point(|s| (s.time, s.seq) <= (since.time, since.seq));
    history.insert(at, since);
}

/// The newest alone decides what is so now.
fn trim<T>(history: &mut Vec<Since<T>>) {
    history.drain(..history.len().saturating_sub(MAX_CHANGES));
}

/// Puts a change in its place where all of them together decide. Of too many the oldest goes that a newer one replaces, so that
/// what is so now stays; at once, so that it depends on the events alone.
fn insert_bounded<T>(history: &mut Vec<Since<T>>, since: Since<T>, replaces: impl Fn(&Since<T>, &Since<T>) -> bool) {
    insert(history, since);
    if history.len() > MAX_CHANGES {
        let is_replaced = |at: &usize| history[at + 1..].iter().any(|new| replaces(new, &history[*at]));
        let oldest = (0..history.len()).find(is_replaced).unwrap_or(0);
        history.remove(oldest);
    }
}

fn insert_role(history: &mut Vec<Since<(Role, String)>>, since: Since<(Role, String)>) {
    let is_rank = |since: &Since<(Role, String)>| since.value.0 >= Role::Admin;
    insert_bounded(history, since, |new, old| {
        let (here, there) = (&new.value.1, &old.value.1);
        match (is_rank(old), is_rank(new)) {
            _ if new.before => here == there || here.is_empty() || there.is_empty() || !is_rank(old),
            (true, true) => here == there,
            (true, false) => here == there || here.is_empty() || there.is_empty(),
            (false, is_rank) => !is_rank,
        }
    });
}

/// The user that an entry is about, if it is about one.
fn target(event: &Event) -> Option<&str> {
    Some(event.entity_id()).filter(|id| !id.is_empty() && event.entity_type() == "user")
}

/// The user that something was done to: the entity, or the first to whom the details say that something was given.
pub(crate) fn target_of(event: &Event) -> Option<Cow<'_, str>> {
    target(event).map(Cow::Borrowed).or_else(|| granted_to(event).into_iter().next().map(Cow::Owned))
}

/// To whom a role or permission was given. The details have it as a text, a list, or JSON in a text.
pub(crate) fn granted_to(event: &Event) -> Vec<String> {
    let details = ["target_user", "target_user_id", "target_entity_id", "target_entity", "user"];
    let named = details.into_iter().find_map(|key| {
        let ids = event.detail(key).map(ids_in)?;
        (!ids.is_empty()).then_some(ids)
    });
    named.unwrap_or_default()
}

fn ids_in(value: Part<'_>) -> Vec<String> {
    const MAX_IDS: usize = 100;
    let is_user =
        |id: &str| id.len() <= MAX_NAME && id.starts_with(['U', 'W']) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    let texts: Vec<String> = match value.as_str() {
        Some(text) if text.starts_with('[') => serde_json::from_str(&text).unwrap_or_default(),
        Some(text) => vec![text.into_owned()],
        None => value.items().chain(value.get("id")).flat_map(ids_in).collect(),
    };
    texts.into_iter().filter(|id| is_user(id)).take(MAX_IDS).collect()
}

/// What an entry makes of the account that it is about; nobody knows what Slack calls a deactivated one, so the least.
fn becomes(event: &Event) -> Option<Role> {
    let ends = ["user_deactivated", "guest_deactivated"].contains(&event.action());
    role_change(event).map(|(_, role)| role).or(ends.then_some(Role::Member))
}

/// Who has which role from this entry on.
fn role_change(event: &Event) -> Option<(&str, Role)> {
    let role = match event.action() {
        "role_change_to_admin" => Role::Admin,
        "role_change_to_owner" | "org_owner_created" => Role::Owner,
        "owner_transferred" => Role::PrimaryOwner,
        "user_created" if event.entity().is_some_and(is_bot) => Role::Bot,
        "role_change_to_user" | "user_created" => Role::Member,
        "role_change_to_guest" | "guest_created" => Role::Guest,
        _ => return None,
    };
    target(event).map(|id| (id, role))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridwatch_event::entry::Entry;
    use gridwatch_event::time::UnixMillis;

    fn event(seq: u64, time: u64, action: &str, actor: &str, target: &str) -> Event {
        let raw = format!(
            r#"{{"id":"{seq}","date_create":{time},"action":"{action}","actor":{{"type":"user","user":{{"id":"{actor}"}}}},
               "entity":{{"type":"user","user":{{"id":"{target}"}}}},"context":{{"ip_address":"10.0.0.{seq}"}}}}"#
        );
        Event::new(seq, UnixMillis(0), &Entry::from_json(&raw))
    }

    fn learn(events: &[Event]) -> Directory {
        let mut directory = Directory::default();
        events.iter().for_each(|e| directory.learn(e));
        directory
    }

    #[test]
    fn a_role_holds_from_its_change_on() {
        let made = event(5, 500, "role_change_to_admin", "W1", "W2");
        let directory = learn(&[made.clone(), event(9, 900, "role_change_to_user", "W1", "W2")]);
        let at = |seq, time| directory.role_at("W2", &event(seq, time, "x", "W2", ""));
        assert_eq!(at(10, 400), Role::Unknown);
        assert_eq!(directory.role_at("W2", &made), Role::Unknown, "an act does not see its own effect");
        assert_eq!((at(6, 600), at(10, 950)), (Role::Admin, Role::Member));
        assert_eq!(
            directory.role_now("W2", &event(6, 600, "x", "W2", "")),
            Role::Admin,
            "as of then, not of the future"
        );
    }

    #[test]
    fn account_type_says_what_someone_was_when_acting() {
        let raw = r#"{"id":"a","date_create":5,"action":"x","actor":{"type":"user","user":{"id":"W1","account_type":"Org Owner"}}}"#;
        let e = Event::new(3, UnixMillis(0), &Entry::from_json(raw));
        assert_eq!(learn(std::slice::from_ref(&e)).role_at("W1", &e), Role::Owner);
    }

    #[test]
    fn a_rank_in_one_place_is_not_lost_in_another() {
        let in_place = |seq: u64, action: &str, target: &str, place: &str| {
            let raw = format!(
                r#"{{"id":"{seq}","date_create":{seq},"action":"{action}","actor":{{"type":"user","user":{{"id":"W1"}}}},
                   "entity":{{"type":"user","user":{{"id":"{target}"}}}},"context":{{"location":{{"id":"{place}"}}}}}}"#
            );
            Event::new(seq, UnixMillis(0), &Entry::from_json(&raw))
        };
        let mut events = vec![
            in_place(1, "role_change_to_owner", "W2", "E1"),
            in_place(2, "role_change_to_admin", "W2", "T2"),
            in_place(3, "role_change_to_user", "W2", "T2"),
        ];
        let now = |events: &[Event], id: &str| learn(events).role_now(id, events.last().unwrap());
        assert_eq!(now(&events, "W2"), Role::Owner);
        events.push(in_place(4, "role_change_to_user", "W2", "E1"));
        assert_eq!(now(&events, "W2"), Role::Member);
        events.push(in_place(5, "role_change_to_guest", "W2", "T2"));
        assert_eq!(now(&events, "W2"), Role::Guest, "what is no rank goes by the newest word");
        // The primary owner stays an owner.
        let handed_over = [in_place(1, "owner_transferred", "W1", "E1"), in_place(2, "owner_transferred", "W2", "E1")];
        assert_eq!((now(&handed_over, "W1"), now(&handed_over, "W2")), (Role::Owner, Role::PrimaryOwner));
        assert_eq!(learn(&handed_over).role_at("W1", &handed_over[1]), Role::PrimaryOwner);
    }

    #[test]
    fn a_rank_outlives_any_number_of_changes_elsewhere() {
        let change = |seq: u64, action: &str, place: &str| {
            let raw = format!(
                r#"{{"id":"{seq}","date_create":{seq},"action":"{action}","actor":{{"type":"user","user":{{"id":"W1"}}}},
                   "entity":{{"type":"user","user":{{"id":"W2"}}}},"context":{{"location":{{"id":"{place}"}}}}}}"#
            );
            Event::new(seq, UnixMillis(0), &Entry::from_json(&raw))
        };
        let mut events = vec![change(1, "role_change_to_owner", "E1")];
        for seq in 2..200 {
            let action = if seq % 2 == 0 { "role_change_to_admin" } else { "role_change_to_user" };
            events.push(change(seq, action, "T2"));
        }
        let (mut at_once, mut one_by_one) = (learn(&events), Directory::default());
        events.iter().for_each(|event| {
            one_by_one.learn(event);
            one_by_one.settle();
        });
        at_once.settle();
        let last = events.last().unwrap();
        assert_eq!((at_once.role_now("W2", last), one_by_one.role_now("W2", last)), (Role::Owner, Role::Owner));
        assert_eq!(at_once.people["W2"].roles.len(), MAX_CHANGES);
    }

    #[test]
    fn whom_a_demotion_is_about_is_what_the_log_said_before() {
        let raw = |seq: u64, action: &str| {
            let user = r#"{"id":"W2","account_type":"Member"}"#;
            let raw = format!(
                r#"{{"id":"{seq}","date_create":{seq},"action":"{action}","entity":{{"type":"user","user":{user}}}}}"#
            );
            Event::new(seq, UnixMillis(0), &Entry::from_json(&raw))
        };
        let demoted = [event(1, 1, "role_change_to_admin", "W1", "W2"), raw(2, "role_change_to_user")];
        let directory = learn(&demoted);
        let roles = (directory.role_at("W2", &demoted[1]), directory.role_now("W2", &demoted[1]));
        assert_eq!(roles, (Role::Admin, Role::Member));
        let deactivated = [demoted[0].clone(), raw(2, "user_deactivated")];
        assert_eq!(learn(&deactivated).role_at("W2", &deactivated[1]), Role::Admin);
        // What it can't be after, it was before.
        let made = [raw(1, "role_change_to_admin")];
        assert_eq!(learn(&made).role_at("W2", &made[0]), Role::Member);
    }

    #[test]
    fn people_are_saved_and_loaded() {
        let events = [event(5, 500, "role_change_to_owner", "W1", "W2")];
        let mut directory = learn(&events);
        let mut again = Directory::default();
        for op in directory.take_changes() {
            again.load(op.row().unwrap()).unwrap();
        }
        assert_eq!(again.role_now("W2", &events[0]), Role::Owner);
        assert_eq!(again.watched_s(&event(9, 700, "x", "W1", "")), 200);
    }

    #[test]
    fn the_role_now_differs_from_the_role_then_where_the_log_says_so() {
        // Promoted after: an act of the time before comes late.
        let directory = learn(&[
            event(1, 100, "user_created", "W9", "W2"),
            event(2, 500, "role_change_to_admin", "W9", "W2"),
            event(3, 300, "file_downloaded", "W2", ""),
        ]);
        let late = event(3, 300, "file_downloaded", "W2", "");
        assert_eq!((directory.role_at("W2", &late), directory.role_now("W2", &late)), (Role::Member, Role::Admin));
        // Demoted before.
        let directory = learn(&[
            event(1, 100, "role_change_to_owner", "W9", "W2"),
            event(2, 200, "role_change_to_user", "W9", "W2"),
        ]);
        let (after, between) = (event(3, 300, "x", "W2", ""), event(4, 150, "x", "W2", ""));
        assert_eq!((directory.role_at("W2", &after), directory.role_now("W2", &after)), (Role::Member, Role::Member));
        assert_eq!(
            (directory.role_at("W2", &between), directory.role_now("W2", &between)),
            (Role::Owner, Role::Member)
        );
        // A guest made a member, by the entry itself.
        let made = event(2, 200, "role_change_to_user", "W9", "W2");
        let directory = learn(&[event(1, 100, "guest_created", "W9", "W2"), made.clone()]);
        assert_eq!((directory.role_at("W2", &made), directory.role_now("W2", &made)), (Role::Guest, Role::Member));
    }

    #[test]
    fn accounts_are_switched_off_and_on_again_and_have_an_age() {
        let directory = learn(&[
            event(1, 100, "guest_created", "W9", "W2"),
            event(2, 200, "guest_expired", "W9", "W2"),
            event(3, 300, "guest_reactivated", "W9", "W2"),
        ]);
        let off = |seq, id: &str| directory.is_deactivated(id, &event(seq, seq * 100, "x", id, ""));
        assert_eq!(
            [off(1, "W2"), off(2, "W2"), off(3, "W2"), off(3, "W9")],
            [Some(false), Some(true), Some(false), None]
        );
        assert_eq!(directory.made("W2", &event(4, 400, "x", "W2", "")), Some(UnixSeconds(100)));
        assert_eq!(directory.made("W9", &event(4, 400, "x", "W2", "")), None);
    }

    #[test]
    fn system_roles_are_folded_whatever_shape_the_details_have() {
        let grant = |seq, action: &str, who: &str| {
            let raw = format!(
                r#"{{"id":"{seq}","date_create":{},"action":"{action}","actor":{{"type":"user","user":{{"id":"W9"}}}},
                   "entity":{{"type":"role","role":{{"id":"Rl0A","name":"Users Admin"}}}},"details":{{"target_user":{who}}}}}"#,
                seq * 100
            );
            Event::new(seq, UnixMillis(0), &Entry::from_json(&raw))
        };
        for who in [r#""W2""#, r#"["W2"]"#, r#""[\"W2\"]""#, r#"{"id":"W2"}"#] {
            let given = grant(2, "role_assigned", who);
            let directory = learn(&[given.clone(), grant(4, "role_removed", who)]);
            let at =
                |seq| directory.grants_at("W2", &event(seq, seq * 100, "x", "W2", "")).into_iter().collect::<String>();
            assert_eq!([at(1), at(3), at(5)], ["", "Users Admin", ""], "{who}");
            assert!(directory.grants_at("W2", &given).is_empty(), "an act does not see its own effect");
        }
    }

    fn raw(seq: u64, time: u64, rest: &str) -> Event {
        Event::new(seq, UnixMillis(0), &Entry::from_json(&format!(r#"{{"id":"{seq}","date_create":{time},{rest}}}"#)))
    }

    #[test]
    fn a_role_in_one_channel_is_no_system_role() {
        let given = |place: &str| {
            let rest = format!(
                r#""action":"role_assigned","actor":{{"type":"user","user":{{"id":"W1"}}}},
                   "entity":{{"type":"role","role":{{"id":"Rl0A","name":"Channel Manager"}}}},
                   "details":{{"target_user":"W1"{place}}}"#
            );
            let directory = learn(&[raw(1, 100, &rest)]);
            directory.grants_at("W1", &event(2, 200, "x", "W1", "")).len()
        };
        let places = [r#","target_entity":"C1""#, r#","target_entity":"T1""#, r#","target_entity":"E1""#, ""];
        assert_eq!(places.map(given), [0, 1, 1, 1]);
    }

    #[test]
    fn an_owner_of_the_organization_may_be_a_full_member_of_a_workspace() {
        let act = |seq: u64, place: &str| {
            raw(
                seq,
                seq * 100,
                &format!(
                    r#""action":"user_login","actor":{{"type":"user","user":{{"id":"W2","account_type":"FULL_MEMBER"}}}},
                       "context":{{"location":{{"id":"{place}"}}}}"#
                ),
            )
        };
        let made = raw(
            1,
            100,
            r#""action":"role_change_to_owner","entity":{"type":"user","user":{"id":"W2"}},"context":{"location":{"id":"E1"}}"#,
        );
        let mut events = vec![made, act(2, "T1"), act(3, "T1"), act(4, "T1")];
        let directory = learn(&events);
        assert_eq!(directory.role_at("W2", &events[3]), Role::Owner);
        assert_eq!(directory.people["W2"].roles.len(), 2, "what was said already isn't written down again");
        events.push(act(5, "E1"));
        assert_eq!(learn(&events).role_at("W2", &events[4]), Role::Member, "said of the place itself");
    }

    #[test]
    fn an_apps_account_is_known_by_its_address() {
        let made = |email: &str, name: &str| {
            let user = format!(r#"{{"id":"W9","name":"{name}","email":"{email}"}}"#);
            let rest = format!(r#""action":"user_created","entity":{{"type":"user","user":{user}}}"#);
            learn(&[raw(1, 100, &rest)]).role_now("W9", &event(2, 200, "x", "W9", ""))
        };
        assert_eq!(made("botuser-T1-A1@slack-bots.com", "poll"), Role::Bot);
        assert_eq!(made("botuser@slack-bots.com.example", "botuser-x"), Role::Member);
    }

    #[test]
    fn a_place_is_new_for_a_minute_once_the_log_knows_the_others() {
        let right = |seq: u64, time: u64, place: &str| {
            let rest = format!(
                r#""action":"permissions_assigned","entity":{{"type":"account_type_role","account_type_role":{{"id":1}}}},
                   "context":{{"location":{{"id":"E1"}}}},"details":{{"target_entity_id":"{place}"}}"#
            );
            raw(seq, time, &rest)
        };
        let week = 7 * 86_400;
        let events = [
            right(1, 100, "T1"),
            right(2, 130, "T1"),
            right(3, 500, "T1"),
            right(4, 90_000, "T2"),
            right(5, 100 + week, "T3"),
            right(6, 161 + week, "T3"),
            right(7, 200 + week, "E1"),
            right(8, 200 + week, "C1"),
        ];
        let directory = learn(&events);
        let ages: Vec<&str> = events.iter().map(|event| directory.age_of_place(event)).collect();
        assert_eq!(ages, ["new", "new", "known", "unknown", "new", "known", "known", ""]);
    }

    #[test]
    fn a_team_that_is_no_place_of_this_log_is_another_organizations_after_a_week() {
        let at = |seq, time: u64, team: &str, place: &str| {
            let raw = format!(
                r#"{{"id":"{seq}","date_create":{time},"action":"x","actor":{{"type":"user","user":{{"id":"W{seq}","team":"{team}"}}}},
                   "context":{{"location":{{"type":"workspace","id":"{place}"}}}}}}"#
            );
            Event::new(seq, UnixMillis(0), &Entry::from_json(&raw))
        };
        let week = 7 * 86_400;
        let events = [
            at(1, 100, "T2", "T1"),
            at(2, 200, "T1", "T2"),
            at(3, 100 + week, "T2", "T1"),
            at(4, 100 + week, "T9", "T1"),
        ];
        let directory = learn(&events);
        let external = |i: usize| directory.is_external(events[i].actor().unwrap(), &events[i]);
        assert_eq!([external(0), external(1), external(2), external(3)], [None, Some(false), Some(false), Some(true)]);
    }
}
