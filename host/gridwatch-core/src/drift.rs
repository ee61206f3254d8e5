//! Drift: what Slack says that gridwatch was not built with.
//!
//! Two ways to learn of it. [`compare`] holds Slack's own lists of today against the built-in catalogue. [`Unseen`] counts, by
//! name, what the entries themselves bring: actions, entity types and keys of `details` that nobody has written down. None of
//! it changes a verdict or loses a leaf; it says that rules and mapping may have something to learn.

use crate::catalogue;
use crate::event::Event;
use crate::finding::clean;
use crate::state::{DRIFT, StateOp};
use crate::time::{UnixMillis, UnixSeconds};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Names counted of each kind. Beyond it (only a flood of made-up names gets there) they are counted together, under [`MORE`].
pub const MAX_NAMES: usize = 1_000;
pub const MORE: &str = "(more)";
/// Longest name kept, in characters.
const MAX_NAME: usize = 100;

/// Slack's lists against ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    pub new_actions: BTreeSet<String>,
    pub gone_actions: BTreeSet<String>,
    /// Entity types, and fields of known ones as `type.field`.
    pub new_entities: BTreeSet<String>,
    pub gone_entities: BTreeSet<String>,
}

/// When Slack's lists were last held against ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    pub at: UnixMillis,
    /// As last told; the same one isn't told again.
    pub drift: Drift,
}

/// A body that isn't the list it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body of {endpoint} has no `{key}` in the documented shape")]
pub struct NotAList {
    endpoint: &'static str,
    key: &'static str,
}

/// What changed, given the bodies of `GET /audit/v1/actions` (`{"actions":{"group":["name", …]}}`) and
/// `GET /audit/v1/schemas` (`{"schemas":[{"type":"T","T":{"field":"type word"}}, …]}`).
pub fn compare(actions: &[u8], schemas: &[u8]) -> Result<Drift, NotAList> {
    let (theirs, ours) = (actions_of(actions)?, owned(catalogue::actions()));
    let (their_entities, our_entities) = (entities_of(schemas)?, owned_entities());
    Ok(Drift {
        new_actions: &theirs - &ours,
        gone_actions: &ours - &theirs,
        new_entities: &their_entities - &our_entities,
        gone_entities: &our_entities - &their_entities,
    })
}

impl Drift {
    pub fn is_empty(&self) -> bool {
        self.parts().all(|(_, names)| names.is_empty())
    }

    /// One line for a person: `2 new actions (a, b); 1 action gone (c)`.
    pub fn summary(&self) -> String {
        let some = self.parts().filter(|(_, names)| !names.is_empty());
        let parts: Vec<String> =
            some.map(|(what, names)| format!("{} {what} ({})", names.len(), listed(names))).collect();
        if parts.is_empty() { "as built in".to_owned() } else { parts.join("; ") }
    }

    fn parts(&self) -> impl Iterator<Item = (&'static str, &BTreeSet<String>)> {
        [
            ("actions new", &self.new_actions),
            ("actions gone", &self.gone_actions),
            ("entity types or fields new", &self.new_entities),
            ("entity types or fields gone", &self.gone_entities),
        ]
        .into_iter()
    }
}

fn listed(names: &BTreeSet<String>) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    let more = if names.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

fn owned<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    names.map(str::to_owned).collect()
}

fn owned_entities() -> BTreeSet<String> {
    let fields = |(name, fields): (&str, &BTreeSet<&str>)| -> Vec<String> {
        [name.to_owned()].into_iter().chain(fields.iter().map(|field| format!("{name}.{field}"))).collect()
    };
    catalogue::entity_types().flat_map(fields).collect()
}

fn actions_of(body: &[u8]) -> Result<BTreeSet<String>, NotAList> {
    let wrong = NotAList { endpoint: "/audit/v1/actions", key: "actions" };
    let body: Value = serde_json::from_slice(body).map_err(|_| wrong.clone())?;
    let groups = body.get("actions").and_then(Value::as_object).ok_or_else(|| wrong.clone())?;
    let mut names = BTreeSet::new();
    for group in groups.values() {
        let group = group.as_array().ok_or_else(|| wrong.clone())?;
        names.extend(group.iter().filter_map(Value::as_str).map(|name| clean(name, MAX_NAME)));
    }
    // An empty list would report every action as gone; no such answer of Slack's is known.
    if names.is_empty() { Err(wrong) } else { Ok(names) }
}

fn entities_of(body: &[u8]) -> Result<BTreeSet<String>, NotAList> {
    let wrong = NotAList { endpoint: "/audit/v1/schemas", key: "schemas" };
    let body: Value = serde_json::from_slice(body).map_err(|_| wrong.clone())?;
    let schemas = body.get("schemas").and_then(Value::as_array).ok_or_else(|| wrong.clone())?;
    let mut names = BTreeSet::new();
    for schema in schemas {
        let kind = schema.get("type").and_then(Value::as_str).ok_or_else(|| wrong.clone())?;
        let fields = schema.get(kind).and_then(Value::as_object).ok_or_else(|| wrong.clone())?;
        let kind = clean(kind, MAX_NAME);
        names.extend(fields.keys().map(|field| format!("{kind}.{}", clean(field, MAX_NAME))));
        names.insert(kind);
    }
    if names.is_empty() { Err(wrong) } else { Ok(names) }
}

/// What sort of name is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Action,
    EntityType,
    DetailsKey,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Action, Self::EntityType, Self::DetailsKey];

    const fn letter(self) -> u8 {
        match self {
            Self::Action => b'a',
            Self::EntityType => b'e',
            Self::DetailsKey => b'd',
        }
    }

    /// As a person calls it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::EntityType => "entity type",
            Self::DetailsKey => "details key",
        }
    }
}

/// How often a name came, and when first (event time).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub first: UnixSeconds,
    pub count: u64,
}

/// Names in entries that the catalogue doesn't have.
#[derive(Debug, Default)]
pub struct Unseen {
    names: BTreeMap<(Kind, String), Seen>,
    /// How many of each kind: the bound must not cost a count of the map.
    held: [usize; 3],
    dirty: BTreeSet<(Kind, String)>,
}

impl Unseen {
    /// Counts what one event brings. `true` if its action was never seen before by this state.
    pub fn learn(&mut self, event: &Event) -> bool {
        let details = event.json().get("details").and_then(Value::as_object);
        for key in details.into_iter().flat_map(|details| details.keys()) {
            if !catalogue::is_details_key(key) {
                self.count(Kind::DetailsKey, key, event.time);
            }
        }
        let kind = event.entity_type();
        if !kind.is_empty() && !catalogue::is_entity_type(kind) {
            self.count(Kind::EntityType, kind, event.time);
        }
        !event.action.is_empty()
            && !catalogue::is_action(&event.action)
            && self.count(Kind::Action, &event.action, event.time)
    }

    /// By kind and name, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, &str, Seen)> {
        self.names.iter().map(|((kind, name), seen)| (*kind, name.as_str(), *seen))
    }

    /// Was the name new?
    fn count(&mut self, kind: Kind, name: &str, at: UnixSeconds) -> bool {
        let mut id = (kind, clean(name, MAX_NAME));
        let is_new = !self.names.contains_key(&id);
        if is_new && self.held[kind as usize] >= MAX_NAMES {
            id.1 = MORE.to_owned();
        }
        self.dirty.insert(id.clone());
        let held = &mut self.held[kind as usize];
        let seen = self.names.entry(id).or_insert_with(|| {
            *held += 1;
            Seen { first: at, count: 0 }
        });
        seen.count += 1;
        seen.first = seen.first.min(at);
        is_new && seen.count == 1
    }

    pub fn take_changes(&mut self) -> Vec<StateOp> {
        let dirty = std::mem::take(&mut self.dirty);
        let row = |id: (Kind, String)| {
            let seen = self.names.get(&id)?;
            Some(StateOp::put([&[DRIFT, id.0.letter()], id.1.as_bytes()].concat(), seen))
        };
        dirty.into_iter().filter_map(row).collect()
    }

    pub fn load(&mut self, key: &[u8], value: &[u8]) {
        let Some([DRIFT, letter, name @ ..]) = Some(key) else { return };
        let kind = Kind::ALL.into_iter().find(|kind| kind.letter() == *letter);
        if let (Some(kind), Ok(name), Ok(seen)) = (kind, std::str::from_utf8(name), serde_json::from_slice(value)) {
            self.held[kind as usize] += 1;
            self.names.insert((kind, name.to_owned()), seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Entry;
    use crate::time::UnixMillis;
    use serde_json::json;

    fn slacks_actions() -> Value {
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        catalogue::memberships().for_each(|(group, action)| groups.entry(group).or_default().push(action));
        json!({ "actions": groups })
    }

    fn slacks_schemas() -> Value {
        let schema = |(name, fields): (&str, &BTreeSet<&str>)| {
            let fields: BTreeMap<&str, &str> = fields.iter().map(|field| (*field, "string")).collect();
            json!({ "type": name, name: fields })
        };
        json!({ "schemas": catalogue::entity_types().map(schema).collect::<Vec<_>>() })
    }

    fn compared(actions: &Value, schemas: &Value) -> Result<Drift, NotAList> {
        compare(actions.to_string().as_bytes(), schemas.to_string().as_bytes())
    }

    #[test]
    fn the_lists_gridwatch_was_built_with_have_no_drift() {
        let drift = compared(&slacks_actions(), &slacks_schemas()).unwrap();
        assert!(drift.is_empty(), "{drift:?}");
        assert_eq!(drift.summary(), "as built in");
    }

    #[test]
    fn what_is_new_and_what_is_gone_is_named() {
        let (mut actions, mut schemas) = (slacks_actions(), slacks_schemas());
        actions["actions"]["user"].as_array_mut().unwrap().retain(|name| name != "user_login");
        actions["actions"]["of_tomorrow"] = json!(["user_beamed_up"]);
        let schema = schemas["schemas"].as_array_mut().unwrap();
        schema.retain(|s| s["type"] != "barrier");
        schema.push(json!({ "type": "user", "user": { "shoe_size": "int" } }));
        let drift = compared(&actions, &schemas).unwrap();
        assert_eq!(drift.new_actions, BTreeSet::from(["user_beamed_up".to_owned()]));
        assert_eq!(drift.gone_actions, BTreeSet::from(["user_login".to_owned()]));
        assert_eq!(drift.new_entities, BTreeSet::from(["user.shoe_size".to_owned()]));
        assert!(drift.gone_entities.contains("barrier") && drift.gone_entities.contains("barrier.id"));
        assert!(drift.summary().starts_with("1 actions new (user_beamed_up); 1 actions gone (user_login)"));
    }

    #[test]
    fn an_answer_of_another_shape_is_no_drift() {
        for body in
            ["", "[]", "{}", r#"{"actions":{}}"#, r#"{"actions":[]}"#, r#"{"ok":false}"#, r#"{"actions":{"g":{}}}"#]
        {
            assert!(compare(body.as_bytes(), slacks_schemas().to_string().as_bytes()).is_err(), "{body}");
        }
        for body in ["{}", r#"{"schemas":[]}"#, r#"{"schemas":[{"type":"x"}]}"#] {
            assert!(compare(slacks_actions().to_string().as_bytes(), body.as_bytes()).is_err(), "{body}");
        }
    }

    fn event(action: &str, details: Value) -> Event {
        let entry = json!({ "id": "a", "date_create": 9, "action": action, "details": details,
                            "entity": { "type": "ghost", "ghost": {} } });
        Event::new(1, UnixMillis(0), &Entry::from_json(&entry.to_string()))
    }

    fn counts(unseen: &Unseen) -> Vec<(Kind, String, u64)> {
        unseen.iter().map(|(kind, name, seen)| (kind, name.to_owned(), seen.count)).collect()
    }

    #[test]
    fn unknown_names_are_counted_and_an_action_is_new_once() {
        let mut unseen = Unseen::default();
        assert!(!unseen.learn(&event("user_login", json!({ "new_scopes": [], "of_tomorrow": 1 }))));
        assert!(unseen.learn(&event("user_beamed_up", json!(null))));
        assert!(!unseen.learn(&event("user_beamed_up", json!(7))));
        let want = [
            (Kind::Action, "user_beamed_up".to_owned(), 2),
            (Kind::EntityType, "ghost".to_owned(), 3),
            (Kind::DetailsKey, "of_tomorrow".to_owned(), 1),
        ];
        assert_eq!(counts(&unseen), want);
        let mut again = Unseen::default();
        unseen.take_changes().iter().for_each(|op| again.load(&op.key, op.value.as_deref().unwrap()));
        assert_eq!(counts(&again), want);
        assert!(!again.learn(&event("user_beamed_up", json!({}))), "known from before the restart");
    }

    #[test]
    fn a_flood_of_made_up_names_is_bounded() {
        let mut unseen = Unseen::default();
        let new = (0..MAX_NAMES + 500).filter(|n| unseen.learn(&event(&format!("flood_{n}"), json!({})))).count();
        assert!(new <= MAX_NAMES + 1, "{new}");
        let actions = counts(&unseen).into_iter().filter(|(kind, ..)| *kind == Kind::Action).count();
        assert_eq!(actions, MAX_NAMES + 1);
        assert!(counts(&unseen).contains(&(Kind::Action, MORE.to_owned(), 500)));
    }
}
