//! The JSON Schema (draft 2020-12) of what this view emits, made of the table of fields.

use super::fields::{Field, Type, fields, values};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Fields of ECS are closed: nothing else comes. Under `slack.audit` any other key may come, as text.
pub fn json_schema() -> Value {
    let mut root = Node::default();
    for field in fields() {
        root.insert(&field.name, field);
    }
    let mut schema = root.ecs_object();
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "gridwatch: an event or an alert in ECS".into();
    schema["required"] = json!(["@timestamp", "ecs", "event", "gridwatch", "observer"]);
    schema["properties"]["event"]["required"] = json!(["dataset", "id", "kind", "module"]);
    schema["$defs"] = json!({ "slack_text": slack_type(Type::Keyword) });
    schema
}

/// A name's part between two dots: an object if it has children, else a field, and both if it is a list of objects.
#[derive(Default)]
struct Node<'f> {
    field: Option<&'f Field>,
    children: BTreeMap<&'f str, Self>,
}

impl<'f> Node<'f> {
    fn insert(&mut self, path: &'f str, field: &'f Field) {
        match path.split_once('.') {
            None => self.children.entry(path).or_default().field = Some(field),
            Some((first, rest)) => self.children.entry(first).or_default().insert(rest, field),
        }
    }

    fn ecs(&self) -> Value {
        match self.field {
            None => self.ecs_object(),
            Some(field) if field.kind == Type::Objects => list(&self.ecs_object()),
            Some(field) => ecs_type(field),
        }
    }

    fn ecs_object(&self) -> Value {
        let of = |(name, node): (&&str, &Self)| {
            let is_slacks = *name == "audit";
            ((*name).to_owned(), if is_slacks { node.slacks(&json!("object")) } else { node.ecs() })
        };
        let properties: Map<String, Value> = self.children.iter().map(of).collect();
        json!({ "type": "object", "properties": properties, "additionalProperties": false })
    }

    /// An object of Slack's, as one of these JSON types. A list of it is an empty one.
    fn slacks(&self, types: &Value) -> Value {
        let of = |(name, node): (&&str, &Self)| {
            let schema = match node.field {
                None => node.slacks(&json!(["object", "null", "array"])),
                Some(field) => slack_type(field.kind),
            };
            ((*name).to_owned(), schema)
        };
        let properties: Map<String, Value> = self.children.iter().map(of).collect();
        let others = json!({ "$ref": "#/$defs/slack_text" });
        json!({ "type": types, "maxItems": 0, "properties": properties, "additionalProperties": others })
    }
}

fn ecs_type(field: &Field) -> Value {
    let mut one = match field.kind {
        Type::Long => json!({ "type": "integer" }),
        Type::Boolean => json!({ "type": "boolean" }),
        Type::Date => json!({ "type": "string", "format": "date-time" }),
        Type::Ip | Type::Ips => json!({ "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] }),
        Type::Keyword | Type::Keywords | Type::Wildcard | Type::Objects => json!({ "type": "string" }),
    };
    let allowed = values(&field.name);
    if !allowed.is_empty() {
        one["enum"] = allowed.into();
    }
    let mut schema = if matches!(field.kind, Type::Keywords | Type::Ips) { list(&one) } else { one };
    schema["description"] = field.meaning.into();
    schema
}

/// A list with something in it: this view leaves empty ones out.
fn list(of: &Value) -> Value {
    json!({ "type": "array", "minItems": 1, "items": of })
}

/// What Slack sends may always be null or `[]`.
fn slack_type(kind: Type) -> Value {
    match kind {
        Type::Long => json!({ "type": ["integer", "null", "array"], "maxItems": 0 }),
        Type::Boolean => json!({ "type": ["boolean", "null", "array"], "maxItems": 0 }),
        Type::Ip => {
            json!({ "type": ["string", "null", "array"], "maxItems": 0, "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] })
        }
        _ => json!({ "type": ["string", "null", "array"], "items": { "type": ["string", "null"] } }),
    }
}
