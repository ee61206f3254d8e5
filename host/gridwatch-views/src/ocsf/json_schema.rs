//! What the view emits, as a JSON Schema (draft 2020-12), written from the tables.
//!
//! Narrower than OCSF: it has what the view can emit and nothing else, so an attribute by accident is an error. Open are
//! only `unmapped`, `data` and the like, where Slack's own JSON stands.

use super::classes::Class;
use super::schema::{Attribute, Object, Type, Version};
use super::{EARLIEST, LATEST};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The schema of all events and findings in one version.
pub fn json_schema(version: Version) -> Value {
    let mut definitions = Definitions { version, done: BTreeMap::new() };
    let branches: Vec<Value> = Class::ALL.into_iter().map(|class| branch(class, &mut definitions)).collect();
    let uids: Vec<u64> = Class::ALL.iter().map(|class| class.uid()).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:gridwatch:ocsf:{version}"),
        "title": format!("gridwatch's OCSF {version} view"),
        "description": "One entry of Slack's audit log, or one alert of gridwatch's, as an OCSF event.",
        "type": "object",
        "required": ["class_uid"],
        "properties": {
            "class_uid": { "enum": uids },
            "metadata": { "properties": { "version": { "const": version.name() } } },
        },
        "allOf": branches,
        "$defs": definitions.done,
    })
}

/// An event of a class is checked against that class alone, so that a validator's complaint is about what is wrong.
fn branch(class: Class, definitions: &mut Definitions) -> Value {
    let name = format!("class_{}", class.uid());
    let mut schema = definitions.object(class.spec());
    let activities = class.activities(definitions.version);
    let fixed = [
        ("activity_id", one_of(activities.iter().map(|activity| (activity.id, activity.name)))),
        ("category_name", json!({ "const": class.category_name() })),
        ("category_uid", json!({ "const": class.category_uid() })),
        ("class_name", json!({ "const": class.name() })),
        ("class_uid", json!({ "const": class.uid() })),
        ("type_uid", json!({ "enum": activities.iter().map(|activity| activity.type_uid()).collect::<Vec<_>>() })),
    ];
    for (key, rule) in fixed {
        let described = schema["properties"][key]["description"].take();
        schema["properties"][key] = rule;
        schema["properties"][key]["description"] = described;
    }
    schema["title"] = class.name().into();
    definitions.done.insert(name.clone(), schema);
    let of_class = json!({ "properties": { "class_uid": { "const": class.uid() } }, "required": ["class_uid"] });
    json!({ "if": of_class, "then": { "$ref": format!("#/$defs/{name}") } })
}

/// The objects met so far, by OCSF's name.
struct Definitions {
    version: Version,
    done: BTreeMap<String, Value>,
}

impl Definitions {
    fn reference(&mut self, object: &'static Object) -> Value {
        if !self.done.contains_key(object.name) {
            let schema = self.object(object);
            self.done.insert(object.name.to_owned(), schema);
        }
        json!({ "$ref": format!("#/$defs/{}", object.name) })
    }

    fn object(&mut self, object: &'static Object) -> Value {
        let attributes = object.all(self.version);
        let properties: Map<String, Value> =
            attributes.iter().map(|attribute| (attribute.name.to_owned(), self.attribute(attribute))).collect();
        let always = |attribute: &&&Attribute| attribute.is_required && attribute.profile.is_none();
        let required: Vec<&str> = attributes.iter().filter(always).map(|attribute| attribute.name).collect();
        let mut schema = json!({
            "title": object.name,
            "description": object.about,
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        });
        let one_of_these = object.constraint(self.version);
        let rules = [
            ("required", (!required.is_empty()).then(|| json!(required))),
            (
                "anyOf",
                (!one_of_these.is_empty())
                    .then(|| one_of_these.iter().map(|name| json!({ "required": [name] })).collect()),
            ),
            ("allOf", profile_rules(&attributes)),
        ];
        for (key, rule) in rules {
            if let Some(rule) = rule {
                schema[key] = rule;
            }
        }
        schema
    }

    fn attribute(&mut self, attribute: &Attribute) -> Value {
        let mut one = self.kind(attribute.kind);
        let ids: Vec<_> = attribute.ids(self.version).map(|id| (id.id, id.caption)).collect();
        if !ids.is_empty() {
            one = one_of(ids.into_iter());
        }
        let mut schema = match attribute.is_array {
            true => json!({ "type": "array", "items": one, "minItems": 1 }),
            false => one,
        };
        schema["description"] = attribute.about.into();
        schema
    }

    fn kind(&mut self, kind: Type) -> Value {
        match kind {
            Type::String | Type::Username | Type::FileName | Type::FileHash | Type::ResourceUid | Type::Url => {
                json!({ "type": "string" })
            }
            Type::Email => json!({ "type": "string", "pattern": r"^[^@\s]+@[^@\s]+\.[^@\s]+$" }),
            Type::Ip => json!({ "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] }),
            Type::Integer | Type::Long => json!({ "type": "integer", "minimum": 0 }),
            Type::Timestamp => json!({ "type": "integer", "minimum": EARLIEST.0, "maximum": LATEST.0 }),
            Type::Boolean => json!({ "type": "boolean" }),
            Type::Json => json!({}),
            Type::Anything => json!({ "type": "object" }),
            Type::Object(object) => self.reference(object),
        }
    }
}

/// An enumeration, each value with its caption.
fn one_of(ids: impl Iterator<Item = (u64, &'static str)>) -> Value {
    let ids: Vec<Value> = ids.map(|(id, caption)| json!({ "const": id, "title": caption })).collect();
    json!({ "oneOf": ids })
}

/// An attribute of a profile needs the profile to be named, and a named profile needs its required attributes.
fn profile_rules(attributes: &[&'static Attribute]) -> Option<Value> {
    let mut by_profile: BTreeMap<&str, (Vec<&str>, Vec<&str>)> = BTreeMap::new();
    for attribute in attributes {
        let Some(profile) = attribute.profile else { continue };
        let (brought, required) = by_profile.entry(profile).or_default();
        brought.push(attribute.name);
        required.extend(attribute.is_required.then_some(attribute.name));
    }
    let known: Vec<&str> = by_profile.keys().copied().collect();
    let rules = by_profile.into_iter().map(|(profile, (brought, required))| {
        let named =
            json!({ "properties": { "profiles": { "contains": { "const": profile } } }, "required": ["profiles"] });
        let any: Vec<Value> = brought.iter().map(|name| json!({ "required": [name] })).collect();
        json!({
            "if": { "properties": { "metadata": named } },
            "then": { "required": required, "anyOf": any },
            "else": { "not": { "anyOf": any } },
        })
    });
    let no_others =
        json!({ "properties": { "metadata": { "properties": { "profiles": { "items": { "enum": known } } } } } });
    let rules: Vec<Value> = rules.collect();
    (!rules.is_empty()).then(|| rules.into_iter().chain([no_others]).collect())
}
