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
use crate::leaves::{Taken, is_ip};
use crate::shown::{Fields, Shown};
use gridwatch_event::part::Part;
use gridwatch_names::catalogue;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

/// What is left of an object, or was moved into it, with its keys.
type Members<'e> = Vec<(&'e str, Node<'e>)>;

#[derive(Clone, Debug)]
enum Node<'e> {
    /// As the entry has it, less what was taken.
    Part(Part<'e>),
    Text(Cow<'e, str>),
    Object(Members<'e>),
}

/// Keys of one object, in no list of ours, that get fields of their own; none of them does if there are more.
pub const MAX_NEW_KEYS: usize = 32;
/// Longest key that is taken for a field's name; Slack's longest is 31 (`secondary_authentication_method`).
const MAX_KEY: usize = 64;

/// What a value that doesn't fit has behind its key, and the keys that can't be names have as theirs.
pub(super) const AS_JSON: &str = "_json";

type Shapes = HashMap<String, Shape>;

#[derive(Debug)]
enum Shape {
    Leaf(Type),
    Object(Shapes),
}

static AUDIT: LazyLock<Shapes> = LazyLock::new(|| {
    let mut root = Shapes::new();
    for field in fields() {
        if let Some(path) = field.name.strip_prefix("slack.audit.") {
            insert(&mut root, path, field.kind);
        }
    }
    root
});

fn insert(object: &mut Shapes, path: &str, kind: Type) {
    match path.split_once('.') {
        None => drop(object.insert(path.to_owned(), Shape::Leaf(kind))),
        Some((first, rest)) => {
            let inner = object.entry(first.to_owned()).or_insert_with(|| Shape::Object(Shapes::new()));
            if let Shape::Object(inner) = inner {
                insert(inner, rest, kind);
            }
        }
    }
}

/// What is left of an entry, moved to where Elastic's integration has it and shaped to fit.
pub(super) fn audit<'e>(entry: Part<'e>, taken: &Taken) -> Fields<'e> {
    let mut other = None;
    let mut root = left_in(entry, taken);
    for (key, node) in &mut root {
        match (*key, &*node) {
            ("context", Node::Part(context)) => *node = with_location(*context, taken),
            ("entity", Node::Part(entity)) => (*node, other) = with_lifted(*entity, taken),
            _ => {}
        }
    }
    let mut audit = fit(root, &AUDIT, taken);
    if let Some(other) = other {
        audit.put(format!("entity{AS_JSON}").into(), json(Node::Object(other), taken));
    }
    audit
}

fn left_in<'e>(object: Part<'e>, taken: &Taken) -> Members<'e> {
    let left = object.members().filter(|(_, part)| !taken.has(*part));
    left.map(|(key, part)| (key, Node::Part(part))).collect()
}

/// `context.location.*` becomes `context.*`, where that is free.
fn with_location<'e>(context: Part<'e>, taken: &Taken) -> Node<'e> {
    let mut members = left_in(context, taken);
    let is_object = |node: &Node<'e>| matches!(node, Node::Part(part) if part.is_object());
    let Some(at) = members.iter().position(|(key, node)| *key == "location" && is_object(node)) else {
        return Node::Part(context);
    };
    let (key, location) = members.swap_remove(at);
    let mut location = location.into_members(taken);
    let was_empty = location.is_empty();
    let is_free = |key: &str, members: &Members<'e>| members.iter().all(|(known, _)| *known != key);
    let is_lifted =
        |(key, _): &(&str, Node<'e>)| matches!(*key, "type" | "id" | "name" | "domain") && is_free(key, &members);
    let lifted: Members<'e> = location.extract_if(.., |member| is_lifted(member)).collect();
    members.extend(lifted);
    if was_empty || !location.is_empty() {
        members.push((key, Node::Object(location)));
    }
    Node::Object(members)
}

/// `entity.<type>.*` becomes `entity.*`, and the type `entity.entity_type`. Beside it whatever else the entity had: that can only be
/// odd, or keys of a type that nobody has described and that are data for all we know.
fn with_lifted<'e>(entity: Part<'e>, taken: &Taken) -> (Node<'e>, Option<Members<'e>>) {
    let kind = entity.get("type").filter(|kind| !taken.has(*kind)).and_then(Part::as_str);
    let Some(kind) = kind else { return (Node::Part(entity), None) };
    let mut other = left_in(entity, taken);
    other.retain(|(key, _)| *key != "type");
    let mut lifted = Members::new();
    let is_object = |node: &Node<'e>| matches!(node, Node::Part(part) if part.is_object());
    if let Some(at) = other.iter().position(|(key, node)| *key == kind && is_object(node)) {
        let (key, object) = other.swap_remove(at);
        let mut staying = object.into_members(taken);
        let was_empty = staying.is_empty();
        let is_lifted = |key: &str| key != "entity_type" && (is_described(&kind) || is_field_of_entity(key));
        lifted.extend(staying.extract_if(.., |(key, _)| is_lifted(key)));
        if was_empty || !staying.is_empty() {
            other.push((key, Node::Object(staying)));
        }
    }
    lifted.push(("entity_type", Node::Text(kind)));
    (Node::Object(lifted), (!other.is_empty()).then_some(other))
}

fn is_described(kind: &str) -> bool {
    matches!(kind, "huddle" | "list" | "function") || catalogue::entity_types().any(|(name, _)| name == kind)
}

fn is_field_of_entity(key: &str) -> bool {
    matches!(AUDIT.get("entity"), Some(Shape::Object(fields)) if fields.contains_key(key))
}

impl<'e> Node<'e> {
    /// None of what is no object.
    fn into_members(self, taken: &Taken) -> Members<'e> {
        match self {
            Self::Part(part) => left_in(part, taken),
            Self::Object(members) => members,
            Self::Text(_) => Members::new(),
        }
    }

    /// As it is.
    fn into_shown(self) -> Shown<'e> {
        match self {
            Self::Part(part) => Shown::Left(part),
            Self::Text(text) => Shown::Text(text),
            Self::Object(members) => {
                let mut fields = Fields::new();
                members.into_iter().for_each(|(key, node)| fields.put(key.into(), node.into_shown()));
                fields.into()
            }
        }
    }
}

fn fit<'e>(object: Members<'e>, shapes: &Shapes, taken: &Taken) -> Fields<'e> {
    let shaped: Vec<_> = object.into_iter().map(|(key, node)| (shapes.get(key), key, node)).collect();
    let is_map = shaped.iter().filter(|(shape, ..)| shape.is_none()).count() > MAX_NEW_KEYS;
    let mut fitted = Fields::new();
    let mut unnamed = Members::new();
    for (shape, key, node) in shaped {
        let shape = match shape {
            Some(shape) => shape,
            None if is_map || !is_name(key) => {
                unnamed.push((key, node));
                continue;
            }
            None => &Shape::Leaf(Type::Keyword),
        };
        let is_taken = key.ends_with(AS_JSON);
        match fit_node(node, shape, taken) {
            Ok(shown) if !is_taken => fitted.put(key.into(), shown),
            Ok(shown) => fitted.put(format!("{key}{AS_JSON}").into(), text_of(&shown, taken)),
            Err(node) => fitted.put(format!("{key}{AS_JSON}").into(), json(node, taken)),
        }
    }
    if !unnamed.is_empty() {
        fitted.put(AS_JSON.into(), json(Node::Object(unnamed), taken));
    }
    fitted
}

fn fit_node<'e>(node: Node<'e>, shape: &Shape, taken: &Taken) -> Result<Shown<'e>, Node<'e>> {
    let part = match (shape, node) {
        (_, Node::Part(part)) if !part.is_object() => part,
        (Shape::Leaf(Type::Keyword), Node::Text(text)) => return Ok(text.into()),
        (Shape::Object(shapes), node @ (Node::Part(_) | Node::Object(_))) => {
            return Ok(fit(node.into_members(taken), shapes, taken).into());
        }
        (_, node) => return Err(node),
    };
    let is_empty = part.is_list() && part.items().next().is_none();
    let fits = part.is_null()
        || is_empty
        || match shape {
            Shape::Leaf(Type::Long) => part.as_number().is_some_and(|digits| digits.parse::<i64>().is_ok()),
            Shape::Leaf(Type::Boolean) => part.as_bool().is_some(),
            Shape::Leaf(Type::Ip) => part.as_str().is_some_and(|text| is_ip(&text)),
            Shape::Leaf(Type::Keyword) if part.is_list() => part.items().all(|one| one.is_null() || is_text(one)),
            Shape::Leaf(Type::Keyword) => is_text(part),
            _ => false,
        };
    match shape {
        _ if !fits => Err(Node::Part(part)),
        Shape::Leaf(Type::Keyword) if part.is_list() => Ok(Shown::List(part.items().map(to_text).collect())),
        Shape::Leaf(Type::Keyword) => Ok(to_text(part)),
        _ => Ok(Shown::Part(part)),
    }
}

fn is_text(part: Part<'_>) -> bool {
    part.is_text() || part.as_number().is_some()
}

/// A number's digits, as Slack wrote them; anything else as it is.
fn to_text(part: Part<'_>) -> Shown<'_> {
    part.as_number().map_or(Shown::Part(part), Shown::from)
}

/// As JSON in a text.
fn json<'e>(node: Node<'e>, taken: &Taken) -> Shown<'e> {
    text_of(&node.into_shown(), taken)
}

fn text_of<'e>(shown: &Shown<'_>, taken: &Taken) -> Shown<'e> {
    let mut json = Vec::new();
    shown.write(taken, &mut json);
    String::from_utf8_lossy(&json).into_owned().into()
}

fn is_name(key: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    !key.is_empty() && key.len() <= MAX_KEY && key.bytes().all(is_plain)
}
