//! Names that entries bring and the catalogue doesn't have: actions, entity types and keys of `details`, each with how often it came.
//!
//! None of them changes a verdict or loses a leaf. They say that rules and mapping may have something to learn. Slack's own lists
//! of today are held against the catalogue in [`drift`](gridwatch_event::drift).

use crate::state::{DRIFT, Forgotten, StateOp, StateRow};
use gridwatch_event::event::Event;
use gridwatch_event::part::Part;
use gridwatch_event::text::clean;
use gridwatch_event::time::UnixSeconds;
use gridwatch_names::catalogue;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Names counted of each kind. Beyond it (only a flood of made-up names gets there) they are counted together, under [`MORE`].
pub const MAX_NAMES: usize = 1_000;
pub const MORE: &str = "(more)";
/// Longest name kept, in characters.
const MAX_NAME: usize = 100;

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
        let details = event.details().into_iter().flat_map(Part::members).map(|(key, _)| key);
        let mut unknown: Vec<&str> = details.filter(|key| !catalogue::is_details_key(key)).collect();
        // Whose turn it is when there is no more room must not depend on how an entry is written.
        unknown.sort_unstable();
        unknown.into_iter().for_each(|key| _ = self.count(Kind::DetailsKey, key, event.time));
        if event.marks.is_empty() {
            return false; // action and entity type are in the catalogue
        }
        let kind = event.entity_type();
        if !kind.is_empty() && !catalogue::is_entity_type(kind) {
            self.count(Kind::EntityType, kind, event.time);
        }
        !event.action().is_empty()
            && event.action_number().is_none()
            && self.count(Kind::Action, event.action(), event.time)
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
            Some(StateOp::put(DRIFT, &[&[id.0.letter()], id.1.as_bytes()].concat(), seen))
        };
        dirty.into_iter().filter_map(row).collect()
    }

    /// Puts a saved name back.
    ///
    /// # Errors
    /// The row can't be read.
    pub fn load(&mut self, row: StateRow<'_>) -> Result<(), Forgotten> {
        let mut name = row.name()?.chars();
        let letter = name.next();
        let kind = Kind::ALL.into_iter().find(|kind| letter == Some(kind.letter().into()));
        let kind = kind.ok_or_else(|| row.forgotten("its key names no kind of name"))?;
        let seen = row.json()?;
        self.held[kind as usize] += 1;
        self.names.insert((kind, name.as_str().to_owned()), seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridwatch_event::entry::Entry;
    use gridwatch_event::time::UnixMillis;
    use serde_json::{Value, json};

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
        unseen.take_changes().iter().for_each(|op| again.load(op.row().unwrap()).unwrap());
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
