//! Which JSON type each path under `slack.audit` holds, and what happens to a value of another.
//!
//! Slack's values change their type from entry to entry (`new_value` is text, a list or an object), and anything may come that
//! nobody has seen. So that a path never changes its type:
//! - a known path has the type that [`fields`](super::fields()) declares; an unknown one is text. Text may be a list of texts, and
//!   a number counts as the text of its digits. `null` and `[]` have no type and fit everywhere;
//! - a value that doesn't fit is written as JSON text under its key with `_json` at the end. A key that ends so by itself is
//!   always written that way, so the two can't meet;
//! - keys that can't be a field's name (a dot in it, empty, longer than [`MAX_KEY`]) are together one JSON text under `_json`.
//!   So are all unknown keys of an object that has more than [`MAX_NEW_KEYS`] of them: that is a map whose keys are data, and
//!   would bring an index a field for each.

use super::fields::{Type, fields};
use gridwatch_names::catalogue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::LazyLock;

type Object = Map<String, Value>;

/// Keys of one object, in no list of ours, that get fields of their own; none of them does if there are more.
pub const MAX_NEW_KEYS: usize = 32;
/// Longest key that is taken for a field's name; Slack's longest is 31 (`secondary_authentication_method`).
const MAX_KEY: usize = 64;

/// What a value that doesn't fit has behind its key, and the keys that can't be names have as theirs.
pub(super) const AS_JSON: &str = "_json";

#[derive(Debug)]
enum Shape {
    Leaf(Type),
    Object(BTreeMap<String, Shape>),
}

static AUDIT: LazyLock<BTreeMap<String, Shape>> = LazyLock::new(|| {
    let mut root = BTreeMap::new();
    for field in fields() {
        if let Some(path) = field.name.strip_prefix("slack.audit.") {
            insert(&mut root, path, field.kind);
        }
    }
    root
});

fn insert(object: &mut BTreeMap<String, Shape>, path: &str, kind: Type) {
    match path.split_once('.') {
        None => drop(object.insert(path.to_owned(), Shape::Leaf(kind))),
        Some((first, rest)) => {
            let inner = object.entry(first.to_owned()).or_insert_with(|| Shape::Object(BTreeMap::new()));
            if let Shape::Object(inner) = inner {
                insert(inner, rest, kind);
            }
        }
    }
}

/// What is left of an entry, moved to where Elastic's integration has it and shaped to fit.
pub(super) fn audit(mut rest: Object) -> Object {
    lift_location(&mut rest);
    let other = lift_entity(&mut rest);
    let mut audit = fit(rest, &AUDIT);
    if let Some(other) = other {
        audit.insert(format!("entity{AS_JSON}"), other.to_string().into());
    }
    audit
}

/// `context.location.*` becomes `context.*`, where that is free.
fn lift_location(entry: &mut Object) {
    let Some(context) = entry.get_mut("context").and_then(Value::as_object_mut) else { return };
    let Some(Value::Object(mut location)) = take_object(context, "location") else { return };
    let was_empty = location.is_empty();
    for key in ["type", "id", "name", "domain"] {
        if !context.contains_key(key)
            && let Some(value) = location.remove(key)
        {
            context.insert(key.to_owned(), value);
        }
    }
    if was_empty || !location.is_empty() {
        context.insert("location".to_owned(), location.into());
    }
}

/// `entity.<type>.*` becomes `entity.*`, and the type `entity.entity_type`. Returns whatever else the entity had: that can only be
/// odd, or keys of a type that nobody has described and that are data for all we know.
fn lift_entity(entry: &mut Object) -> Option<Value> {
    let entity = entry.get_mut("entity")?.as_object_mut()?;
    let kind = entity.get("type")?.as_str()?.to_owned();
    let mut other = std::mem::take(entity);
    other.remove("type");
    if let Some(Value::Object(object)) = take_object(&mut other, &kind) {
        let was_empty = object.is_empty();
        let is_lifted = |key: &String| key != "entity_type" && (is_described(&kind) || is_field_of_entity(key));
        let (lifted, staying): (Object, Object) = object.into_iter().partition(|(key, _)| is_lifted(key));
        *entity = lifted;
        if was_empty || !staying.is_empty() {
            other.insert(kind.clone(), staying.into());
        }
    }
    entity.insert("entity_type".to_owned(), kind.into());
    (!other.is_empty()).then(|| other.into())
}

fn is_described(kind: &str) -> bool {
    matches!(kind, "huddle" | "list" | "function") || catalogue::entity_types().any(|(name, _)| name == kind)
}

fn is_field_of_entity(key: &str) -> bool {
    matches!(AUDIT.get("entity"), Some(Shape::Object(fields)) if fields.contains_key(key))
}

/// Anything but an object stays.
fn take_object(parent: &mut Object, key: &str) -> Option<Value> {
    if parent.get(key)?.is_object() { parent.remove(key) } else { None }
}

fn fit(object: Object, shapes: &BTreeMap<String, Shape>) -> Object {
    let is_map = object.keys().filter(|key| !shapes.contains_key(*key)).count() > MAX_NEW_KEYS;
    let mut fitted = Object::new();
    let mut unnamed = Object::new();
    for (key, value) in object {
        let shape = match shapes.get(&key) {
            Some(shape) => shape,
            None if is_map || !is_name(&key) => {
                unnamed.insert(key, value);
                continue;
            }
            None => &Shape::Leaf(Type::Keyword),
        };
        let is_taken = key.ends_with(AS_JSON);
        match fit_value(value, shape) {
            Ok(value) if !is_taken => drop(fitted.insert(key, value)),
            Ok(value) | Err(value) => drop(fitted.insert(key + AS_JSON, value.to_string().into())),
        }
    }
    if !unnamed.is_empty() {
        fitted.insert(AS_JSON.to_owned(), Value::Object(unnamed).to_string().into());
    }
    fitted
}

fn fit_value(value: Value, shape: &Shape) -> Result<Value, Value> {
    match (shape, value) {
        (_, Value::Null) => Ok(Value::Null),
        (_, Value::Array(all)) if all.is_empty() => Ok(Value::Array(all)),
        (Shape::Object(shapes), Value::Object(object)) => Ok(fit(object, shapes).into()),
        (Shape::Leaf(Type::Long), Value::Number(number)) if number.as_i64().is_some() => Ok(number.into()),
        (Shape::Leaf(Type::Boolean), Value::Bool(truth)) => Ok(truth.into()),
        (Shape::Leaf(Type::Ip), Value::String(text)) if crate::leaves::is_ip(&text) => Ok(text.into()),
        (Shape::Leaf(Type::Keyword), value) if is_text(&value) => Ok(to_text(value)),
        (Shape::Leaf(Type::Keyword), Value::Array(all)) if all.iter().all(|one| one.is_null() || is_text(one)) => {
            Ok(all.into_iter().map(to_text).collect())
        }
        (_, value) => Err(value),
    }
}

fn is_text(value: &Value) -> bool {
    value.is_string() || value.is_number()
}

/// A number's digits, as Slack wrote them; anything else as it is.
fn to_text(value: Value) -> Value {
    match value {
        Value::Number(number) => number.to_string().into(),
        value => value,
    }
}

fn is_name(key: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    !key.is_empty() && key.len() <= MAX_KEY && key.bytes().all(is_plain)
}
