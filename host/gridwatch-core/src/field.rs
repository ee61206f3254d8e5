//! A field: the name by which a manifest asks for one text of an event.
//!
//! | name | means |
//! |---|---|
//! | `id`, `action` | the entry's own |
//! | `actor.X` | `X` of the object under `actor.<actor.type>`; `actor.type` is the type itself |
//! | `entity.X` | `X` of the object under `entity.<entity.type>`; `entity.type` is the type itself |
//! | `context.X`, `details.X` | the path as Slack writes it |
//! | `actor.role`, `entity.role` | the user's role when the event happened, as the [`Directory`](crate::directory) knows it |
//!
//! Every field is text: strings as they are, numbers and booleans as written, lists and objects as compact JSON; absent,
//! null and "" are the empty text.

use crate::event::{Event, Objects};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Field {
    name: String,
    source: Source,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Source {
    Top(String),
    Actor(Vec<String>),
    Entity(Vec<String>),
    Path(Vec<String>),
    Role(Whose),
}

/// Whose role a derived field names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whose {
    Actor,
    Entity,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{name}` is not a field: use id, action, or actor.…, entity.…, context.…, details.…")]
pub struct NotAField {
    pub name: String,
}

impl Field {
    pub fn parse(name: &str) -> Result<Self, NotAField> {
        let wrong = || NotAField { name: name.to_owned() };
        let parts: Vec<String> = name.split('.').map(str::to_owned).collect();
        if parts.iter().any(|part| part.is_empty() || part.len() > 64) || parts.len() > 8 {
            return Err(wrong());
        }
        let rest = || parts[1..].to_vec();
        let source = match (parts[0].as_str(), parts.len()) {
            ("id" | "action", 1) => Source::Top(parts[0].clone()),
            ("actor", 2) if parts[1] == "role" => Source::Role(Whose::Actor),
            ("entity", 2) if parts[1] == "role" => Source::Role(Whose::Entity),
            ("actor" | "entity", 2) if parts[1] == "type" => Source::Path(parts.clone()),
            ("actor", 2..) => Source::Actor(rest()),
            ("entity", 2..) => Source::Entity(rest()),
            ("context" | "details", 2..) => Source::Path(parts.clone()),
            _ => return Err(wrong()),
        };
        Ok(Self { name: name.to_owned(), source })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// `Some` for the derived role fields, which need more than the event.
    pub fn role_of(&self) -> Option<Whose> {
        match self.source {
            Source::Role(whose) => Some(whose),
            _ => None,
        }
    }

    /// The field's text in this event; empty for role fields.
    pub fn text<'e>(&self, event: &'e Event) -> Cow<'e, str> {
        self.text_in(&Objects::of(event))
    }

    /// The same, for a reader of many fields.
    pub fn text_in<'e>(&self, objects: &Objects<'e>) -> Cow<'e, str> {
        let value = match &self.source {
            Source::Top(name) => objects.json().get(name),
            Source::Actor(path) => objects.actor().and_then(|v| walk(v, path)),
            Source::Entity(path) => objects.entity().and_then(|v| walk(v, path)),
            Source::Path(path) => walk(objects.json(), path),
            Source::Role(_) => None,
        };
        value.map_or(Cow::Borrowed(""), text_of)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn walk<'v>(from: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(from, |value, part| value.get(part))
}

fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        Value::Bool(true) => Cow::Borrowed("true"),
        Value::Bool(false) => Cow::Borrowed("false"),
        Value::Number(number) => Cow::Borrowed(number.as_str()),
        Value::Array(_) | Value::Object(_) => Cow::Owned(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Entry;
    use crate::time::UnixMillis;

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
            assert_eq!(Field::parse(name).unwrap().text(&event), want, "{name}");
        }
    }

    #[test]
    fn names_outside_the_entry_are_refused() {
        for name in ["", "actor", "user.id", "details.", "details..x", "date_create"] {
            assert!(Field::parse(name).is_err(), "{name}");
        }
    }
}
