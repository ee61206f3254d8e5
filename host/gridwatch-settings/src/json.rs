//! Slack's polymorphic values as a detection wants them: a list of texts, whatever the shape.

use serde_json::Value;
use std::collections::BTreeSet;

/// The texts in a field: `a` → `[a]`, `["a","b"]` → `[a, b]`, `{"type":["A"],"user":["W1"]}` → `[A, W1]`, a list inside a
/// string likewise. Numbers and booleans as written, nothing for "".
pub fn texts(field: &str) -> Vec<String> {
    let mut out = Vec::new();
    match field.trim_start().as_bytes().first() {
        Some(b'[' | b'{') => match serde_json::from_str(field) {
            Ok(value) => collect(&value, &mut out),
            Err(_) => out.push(field.to_owned()),
        },
        Some(_) => out.push(field.to_owned()),
        None => {}
    }
    out
}

/// How many different texts a field has, of which the host says that there are `counted` (the field's `#count`). A list that is too long
/// for a module is given by its first part, and then it is at least as many as there is room for, and taken to be as many as counted.
pub fn count(field: &str, counted: &str) -> u64 {
    let given = texts(field);
    let all: u64 = counted.parse().unwrap_or_default();
    match all > given.len() as u64 {
        true => all,
        false => given.iter().collect::<BTreeSet<_>>().len() as u64,
    }
}

/// Is this, of a field with so many texts, all of them?
pub fn is_whole(field: &str, counted: &str) -> bool {
    counted.parse().unwrap_or(0) <= texts(field).len()
}

/// May this be the first part of a longer text? Two parts that are equal say nothing of what was equal.
pub fn may_be_cut(text: &str) -> bool {
    text.len() >= CUT_FROM
}

/// The host gives up to 64 KiB of a text, and of a list more than half of that.
const CUT_FROM: usize = 32 << 10;

fn collect(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::String(text) if text.is_empty() => {}
        Value::String(text) => out.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, out)),
        Value::Object(fields) => fields.values().for_each(|item| collect(item, out)),
        other => out.push(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::{count, is_whole, texts};

    #[test]
    fn every_shape_is_a_list() {
        assert_eq!(texts(""), Vec::<String>::new());
        assert_eq!(texts("admin"), ["admin"]);
        assert_eq!(texts(r#"["a","b"]"#), ["a", "b"]);
        assert_eq!(texts(r#"{"type":["A"],"user":["W1"]}"#), ["A", "W1"]);
        assert_eq!(texts(r#"[{"name":"x"},7,null,""]"#), ["x", "7"]);
        assert_eq!(texts("[broken"), ["[broken"]);
    }

    #[test]
    fn a_list_is_as_long_as_the_host_says_if_it_was_cut() {
        for (field, counted, many, whole) in [
            (r#"["a","b","a"]"#, "3", 2, true),
            (r#"["a","b"]"#, "60000", 60_000, false),
            (r#"["a","b"]"#, "", 2, true),
            ("", "", 0, true),
            ("[\"a", "9", 9, false),
        ] {
            assert_eq!((count(field, counted), is_whole(field, counted)), (many, whole), "{field} {counted}");
        }
    }
}
