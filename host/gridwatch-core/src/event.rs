//! The canonical event: an entry's raw bytes, its parsed form and a typed header.
//!
//! Detections and every outward view read this, so a change of a view never changes a verdict. Making one is total: odd
//! shapes get a [`Mark`], never an error.

use crate::catalogue;
use crate::entry::{Entry, Mark, Marks};
use crate::time::{UnixMillis, UnixSeconds};
use serde_json::Value;
use std::cell::OnceCell;

/// One audit log entry on its way through gridwatch.
#[derive(Clone, Debug)]
pub struct Event {
    /// Place in the order of detection. Strictly rising, never reused; replay gives the same order the same numbers.
    pub seq: u64,
    pub id: String,
    /// `date_create`, or the time we first saw the entry where it has none.
    pub time: UnixSeconds,
    /// When gridwatch stored the entry; `first_seen - time` is Slack's own delay plus our settle time.
    pub first_seen: UnixMillis,
    /// `action`, or "" where there is none.
    pub action: String,
    pub marks: Marks,
    raw: Box<str>,
    json: Value,
}

impl Event {
    pub fn new(seq: u64, first_seen: UnixMillis, entry: &Entry) -> Self {
        // Deeper than serde_json's recursion limit or not JSON at all: the raw bytes are all there is.
        let json = serde_json::from_str::<Value>(entry.raw()).unwrap_or(Value::Null);
        let mut marks = entry.marks.clone();
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
        let time = entry.time.unwrap_or(first_seen.seconds());
        Self { seq, id: entry.id.clone(), time, first_seen, action, marks, raw: entry.raw().into(), json }
    }

    /// The bytes Slack sent.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The parsed entry; `Null` when the bytes are not JSON that can be parsed.
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
