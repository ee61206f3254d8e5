//! JSON Schemas for editors: of `module.toml`, and of `gridwatch.toml` as its example shows it. They help while writing; what is right
//! is for `gridwatch module check` and `gridwatch check` to say.

use serde_json::{Map, Value, json};

/// Draft 7, without references: all that editors of TOML understand.
pub const MODULE: &str = include_str!("../../../docs/module.schema.json");

/// Of the configuration, made of the example that has every key in it, commented out or not: sections, keys with the type of the value
/// that stands there, and the comment above as what an editor shows.
pub fn configuration(example: &str) -> Value {
    let mut root = Map::new();
    let (mut path, mut comment) = (Vec::<Part>::new(), Vec::<&str>::new());
    for line in example.lines() {
        let bare = line.strip_prefix("# ").unwrap_or(line).trim_end();
        if let Some(header) = header(bare) {
            path = header;
            place(&mut root, &path, &text_of(&comment));
            comment.clear();
        } else if let Some((key, value)) = setting(bare) {
            let about = text_of(&comment);
            let of = place(&mut root, &path, "");
            if let Some(schema) = typed(&value) {
                of.insert(key.trim_matches('"').to_owned(), described(schema, &about));
            }
            // One comment may be about several keys that follow it.
        } else if let Some(text) = line.strip_prefix("# ") {
            if comment.is_empty() || line_before_is_comment(example, line) {
                comment.push(text);
            } else {
                comment = vec![text];
            }
        } else {
            comment.clear();
        }
    }
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "gridwatch.toml",
        "type": "object",
        "properties": root,
    })
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    name: String,
    is_list: bool,
}

/// `[a.b]` or `[[a]]`.
fn header(line: &str) -> Option<Vec<Part>> {
    let is_list = line.starts_with("[[");
    let inside = line.strip_prefix(if is_list { "[[" } else { "[" })?;
    let (inside, rest) = inside.split_once(']')?;
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    let names: Vec<&str> = inside.split('.').collect();
    let is_end = rest.trim_start_matches(']').trim().is_empty();
    (is_end && names.iter().all(|name| is_name(name)))
        // Of `[[a.b]]`, the innermost is the list.
        .then(|| {
            let is_last = |n| n + 1 == names.len();
            let part = |(n, name): (usize, &&str)| Part { name: (*name).to_owned(), is_list: is_list && is_last(n) };
            names.iter().enumerate().map(part).collect()
        })
}

/// `key = value`, as TOML reads it.
fn setting(line: &str) -> Option<(&str, toml::Value)> {
    let (key, _) = line.split_once(" = ")?;
    let is_key = key.starts_with('"') || key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let table: toml::Table = line.parse().ok().filter(|_| is_key)?;
    Some((key, table.into_iter().next()?.1))
}

fn line_before_is_comment(example: &str, line: &str) -> bool {
    let at = line.as_ptr() as usize - example.as_ptr() as usize;
    let before = example[..at].trim_end_matches('\n').rsplit('\n').next().unwrap_or_default();
    let bare = before.strip_prefix("# ").unwrap_or(before);
    before.starts_with("# ") && setting(bare).is_none() && header(bare).is_none()
}

fn text_of(comment: &[&str]) -> String {
    comment.join(" ")
}

/// Sections whose keys are names that somebody gives: any is right.
const FREE: [&str; 4] = ["lookups", "grants", "own", "config"];

/// The properties of a section, which is made if it isn't there.
fn place<'r>(root: &'r mut Map<String, Value>, path: &[Part], about: &str) -> &'r mut Map<String, Value> {
    let mut at = root;
    for (depth, part) in path.iter().enumerate() {
        let section = at.entry(part.name.clone()).or_insert_with(|| {
            let inner = json!({ "type": "object", "properties": {} });
            if part.is_list { json!({ "type": "array", "items": inner }) } else { inner }
        });
        if depth + 1 == path.len() && !about.is_empty() {
            section["description"] = about.into();
        }
        let inner = if part.is_list { &mut section["items"] } else { section };
        if FREE.contains(&part.name.as_str()) {
            inner["additionalProperties"] = true.into();
        }
        let properties = &mut inner["properties"];
        if !properties.is_object() {
            *properties = json!({});
        }
        let Value::Object(properties) = properties else { unreachable!("made an object above") };
        at = properties;
    }
    at
}

fn typed(value: &toml::Value) -> Option<Value> {
    Some(match value {
        toml::Value::String(_) => json!({ "type": "string" }),
        // Sizes and spans are texts, plain numbers go too where they are of bytes.
        toml::Value::Integer(_) => json!({ "type": "integer" }),
        toml::Value::Boolean(_) => json!({ "type": "boolean" }),
        toml::Value::Array(_) => json!({ "type": "array" }),
        toml::Value::Table(_) => json!({ "type": "object" }),
        _ => return None,
    })
}

fn described(mut schema: Value, about: &str) -> Value {
    if !about.is_empty() {
        schema["description"] = about.into();
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../examples/gridwatch.toml");

    #[test]
    fn the_configurations_schema_has_its_sections_and_keys_with_what_is_said_of_them() {
        let schema = configuration(EXAMPLE);
        let of = |pointer: &str| schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer} in {schema:#}"));
        for (pointer, kind) in [
            ("/properties/state_dir", "string"),
            ("/properties/slack/properties/page_limit", "integer"),
            ("/properties/slack/properties/rotation/properties/client_id", "string"),
            ("/properties/modules/properties/allow_unsigned", "boolean"),
            ("/properties/sink/items/properties/include", "array"),
            ("/properties/detect/properties/risk/properties/tactics", "integer"),
            ("/properties/enrich/properties/own", "object"),
            ("/properties/web/properties/user/items/properties/see", "array"),
        ] {
            assert_eq!(of(pointer)["type"], kind, "{pointer}");
        }
        let about = of("/properties/slack/properties/base_url").get("description");
        assert!(about.is_none(), "what was said of the key above isn't said of this one: {about:?}");
        let about = of("/properties/detect/properties/batch")["description"].as_str().unwrap();
        assert!(about.starts_with("Entries that are judged, at most,"), "{about}");
        assert_eq!(of("/properties/modules/properties/grants")["additionalProperties"], true);
    }

    #[test]
    fn every_key_of_the_example_is_in_the_schema() {
        let schema = configuration(EXAMPLE);
        let keys = EXAMPLE.lines().filter_map(|line| setting(line.strip_prefix("# ").unwrap_or(line)));
        let text = schema.to_string();
        for (key, _) in keys.filter(|(key, _)| !key.starts_with('"')) {
            assert!(text.contains(&format!("\"{key}\":")), "{key}");
        }
    }
}
