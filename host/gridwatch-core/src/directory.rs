//! The directory: what the log itself has said about people. Roles over time, and what each of them did last.
//!
//! Slack's entries rarely say what the actor is allowed to do, so roles are folded from the entries that change them and
//! from `account_type` where it is given. "Unknown" is an answer; a guess is not. Everything is asked "as of" an event,
//! so an answer doesn't depend on how events were batched.

use crate::event::Event;
use crate::state::{DIRECTORY, StateOp};
use crate::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// Role changes kept for a person, and acts kept as recent activity.
const MAX_ROLES: usize = 16;
pub const MAX_RECENT: usize = 10;
/// People kept. The ones unseen longest go first.
pub const MAX_PEOPLE: usize = 500_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    #[default]
    Unknown,
    Bot,
    Guest,
    Member,
    Admin,
    Owner,
    PrimaryOwner,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Bot => "bot",
            Self::Guest => "guest",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
            Self::PrimaryOwner => "primary_owner",
        }
    }

    /// Slack's `account_type` (on actors and users since August 2026). Its values are not documented, hence the tolerance.
    fn of_account_type(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let has = |part| text.contains(part);
        Some(match () {
            () if has("primary") => Self::PrimaryOwner,
            () if has("owner") => Self::Owner,
            () if has("admin") => Self::Admin,
            () if has("guest") || has("restricted") => Self::Guest,
            () if has("bot") => Self::Bot,
            () if has("member") || has("user") || has("regular") => Self::Member,
            () => return None,
        })
    }
}

#[derive(Debug, Default)]
pub struct Directory {
    people: HashMap<String, Person>,
    dirty: BTreeSet<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Person {
    /// In order of (time, seq).
    roles: Vec<Since>,
    recent: Vec<Act>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Since {
    time: UnixSeconds,
    seq: u64,
    role: Role,
    /// Said of the time before the event too: it is what the person was when acting.
    before: bool,
}

/// One thing a person did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    pub seq: u64,
    pub time: UnixSeconds,
    pub action: String,
    pub ip_address: String,
}

impl Directory {
    /// The role a person had when this event happened, before it had any effect.
    pub fn role_at(&self, id: &str, event: &Event) -> Role {
        let before = |since: &&Since| {
            (since.seq < event.seq || since.before && since.seq == event.seq) && since.time <= event.time
        };
        self.people.get(id).and_then(|p| p.roles.iter().rev().find(before)).map_or(Role::Unknown, |s| s.role)
    }

    /// The newest role known once this event has been taken in.
    pub fn role_now(&self, id: &str, event: &Event) -> Role {
        let known = |since: &&Since| since.seq <= event.seq;
        self.people.get(id).and_then(|p| p.roles.iter().rev().find(known)).map_or(Role::Unknown, |s| s.role)
    }

    /// What a person did last, up to this event, newest first.
    pub fn recent(&self, id: &str, event: &Event) -> Vec<Act> {
        let Some(person) = self.people.get(id) else {
            return Vec::new();
        };
        person.recent.iter().rev().filter(|act| act.seq <= event.seq).take(MAX_RECENT).cloned().collect()
    }

    /// Takes in one event.
    pub fn learn(&mut self, event: &Event) {
        for user in [event.actor(), event.entity().filter(|_| event.entity_type() == "user")].into_iter().flatten() {
            self.learn_account(user, event);
        }
        if let Some((id, role)) = role_change(event) {
            self.set_role(id, role, event);
        }
        let id = event.actor_id();
        if !id.is_empty() {
            let ip = event.json().pointer("/context/ip_address").and_then(Value::as_str).unwrap_or_default();
            let clip = |text: &str| text.chars().take(128).collect();
            let act = Act { seq: event.seq, time: event.time, action: clip(&event.action), ip_address: clip(ip) };
            self.person(id).recent.push(act);
        }
    }

    /// Forgets what is beyond the bounds. Called between batches, so that answers inside one don't depend on its size.
    pub fn settle(&mut self) {
        for id in &self.dirty {
            if let Some(person) = self.people.get_mut(id) {
                person.recent.drain(..person.recent.len().saturating_sub(MAX_RECENT));
                person.roles.drain(..person.roles.len().saturating_sub(MAX_ROLES));
            }
        }
        if self.people.len() > MAX_PEOPLE {
            let last = |p: &Person| p.recent.last().map_or(0, |act| act.seq);
            let mut by_age: Vec<(u64, String)> = self.people.iter().map(|(id, p)| (last(p), id.clone())).collect();
            by_age.sort_unstable();
            for (_, id) in by_age.into_iter().take(MAX_PEOPLE / 10) {
                self.people.remove(&id);
                self.dirty.insert(id);
            }
        }
    }

    pub fn take_changes(&mut self) -> Vec<StateOp> {
        let rows = std::mem::take(&mut self.dirty).into_iter().map(|id| {
            let key = [&[DIRECTORY], id.as_bytes()].concat();
            self.people.get(&id).map_or_else(|| StateOp::delete(key.clone()), |p| StateOp::put(key.clone(), p))
        });
        rows.collect()
    }

    pub fn load(&mut self, key: &[u8], value: &[u8]) {
        let id = key.strip_prefix(&[DIRECTORY]).and_then(|id| std::str::from_utf8(id).ok());
        if let (Some(id), Ok(person)) = (id, serde_json::from_slice(value)) {
            self.people.insert(id.to_owned(), person);
        }
    }

    fn learn_account(&mut self, user: &Value, event: &Event) {
        let text = |name| user.get(name).and_then(Value::as_str).unwrap_or_default();
        let bot = text("email").ends_with("@slack-bots.com").then_some(Role::Bot);
        let role = bot.or_else(|| Role::of_account_type(text("account_type")));
        if let (Some(role), id) = (role, text("id"))
            && !id.is_empty()
            && self.role_at(id, event) != role
        {
            self.insert_role(id, Since { time: event.time, seq: event.seq, role, before: true });
        }
    }

    fn set_role(&mut self, id: &str, role: Role, event: &Event) {
        self.insert_role(id, Since { time: event.time, seq: event.seq, role, before: false });
    }

    fn insert_role(&mut self, id: &str, since: Since) {
        let roles = &mut self.person(id).roles;
        let at = roles.partition_point(|s| (s.time, s.seq) <= (since.time, since.seq));
        roles.insert(at, since);
    }

    fn person(&mut self, id: &str) -> &mut Person {
        let id: String = id.chars().take(64).collect();
        self.dirty.insert(id.clone());
        self.people.entry(id).or_default()
    }
}

/// Who has which role from this entry on.
fn role_change(event: &Event) -> Option<(&str, Role)> {
    let role = match event.action.as_str() {
        "role_change_to_admin" => Role::Admin,
        "role_change_to_owner" | "owner_transferred" | "org_owner_created" => Role::Owner,
        "service_owner_transferred" => Role::PrimaryOwner,
        "role_change_to_user" | "user_created" => Role::Member,
        "role_change_to_guest" | "guest_created" => Role::Guest,
        _ => return None,
    };
    let id = event.entity().filter(|_| event.entity_type() == "user")?.get("id")?.as_str()?;
    (!id.is_empty()).then_some((id, role))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Entry;
    use crate::time::UnixMillis;

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
    fn recent_activity_ends_with_the_event_asked_about() {
        let events: Vec<Event> = (1..=30).map(|i| event(i, i * 10, "user_login", "W1", "W1")).collect();
        let mut directory = learn(&events);
        let seqs = |d: &Directory, i: usize| d.recent("W1", &events[i]).iter().map(|a| a.seq).collect::<Vec<_>>();
        assert_eq!(seqs(&directory, 19), (11..=20).rev().collect::<Vec<_>>());
        directory.settle();
        assert_eq!(seqs(&directory, 29).len(), MAX_RECENT);
    }

    #[test]
    fn people_are_saved_and_loaded() {
        let events = [event(5, 500, "role_change_to_owner", "W1", "W2")];
        let mut directory = learn(&events);
        let mut again = Directory::default();
        for op in directory.take_changes() {
            again.load(&op.key, &op.value.unwrap());
        }
        assert_eq!(again.role_now("W2", &events[0]), Role::Owner);
        assert_eq!(again.recent("W1", &events[0]), directory.recent("W1", &events[0]));
    }
}
