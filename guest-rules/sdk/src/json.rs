//! Slack's polymorphic values as a detection wants them: a list of texts, whatever the shape.

use serde_json::Value;

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
    use super::texts;

    #[test]
    fn every_shape_is_a_list() {
        assert_eq!(texts(""), Vec::<String>::new());
        assert_eq!(texts("admin"), ["admin"]);
        assert_eq!(texts(r#"["a","b"]"#), ["a", "b"]);
        assert_eq!(texts(r#"{"type":["A"],"user":["W1"]}"#), ["A", "W1"]);
        assert_eq!(texts(r#"[{"name":"x"},7,null,""]"#), ["x", "7"]);
        assert_eq!(texts("[broken"), ["[broken"]);
    }
}
