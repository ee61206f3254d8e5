//! JSON as Slack's servers write it: keys in a fixed order, `/` as `\/`, everything outside ASCII as `\uXXXX`.
//!
//! `serde_json` would sort keys and leave slashes alone, and then nobody would notice a reader that re-serializes what
//! should have been kept byte for byte.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt::{self, Write as _};

/// An open object; its closing brace is written by whoever opened it.
#[derive(Debug)]
pub struct Obj<'a> {
    out: &'a mut String,
    first: bool,
}

/// Writes one object.
pub fn object(fill: impl FnOnce(&mut Obj<'_>)) -> String {
    let mut out = String::with_capacity(256);
    write_object(&mut out, fill);
    out
}

/// Appends one object to `out`.
pub fn write_object(out: &mut String, fill: impl FnOnce(&mut Obj<'_>)) {
    out.push('{');
    fill(&mut Obj { out, first: true });
    out.push('}');
}

impl Obj<'_> {
    fn key(&mut self, key: &str) -> &mut String {
        if !self.first {
            self.out.push(',');
        }
        self.first = false;
        // Keys are Slack's own and need no escaping.
        self.out.extend(["\"", key, "\":"]);
        self.out
    }

    pub fn str(&mut self, key: &str, value: &str) -> &mut Self {
        write_string(self.key(key), value);
        self
    }

    pub fn uint(&mut self, key: &str, value: u64) -> &mut Self {
        // Writing to a String can't fail.
        let _ = write!(self.key(key), "{value}");
        self
    }

    pub fn flag(&mut self, key: &str, value: bool) -> &mut Self {
        self.raw(key, if value { "true" } else { "false" })
    }

    /// `json` is written as it stands.
    pub fn raw(&mut self, key: &str, json: &str) -> &mut Self {
        self.key(key).push_str(json);
        self
    }

    pub fn strs<S: AsRef<str>>(&mut self, key: &str, values: &[S]) -> &mut Self {
        write_strings(self.key(key), values);
        self
    }

    pub fn obj(&mut self, key: &str, fill: impl FnOnce(&mut Obj<'_>)) -> &mut Self {
        write_object(self.key(key), fill);
        self
    }
}

/// The same value written down in another way: keys from the last to the first, with white space, and of each text only what
/// JSON demands escaped. Numbers and half surrogates are kept as they stand.
pub fn in_another_form(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + json.len() / 4);
    write_in_another_form(&mut out, json.trim());
    out
}

fn write_in_another_form(out: &mut String, json: &str) {
    if let Ok(Fields(fields)) = serde_json::from_str::<Fields<'_>>(json) {
        out.push('{');
        for (i, (key, value)) in fields.iter().rev().enumerate() {
            out.push_str(if i > 0 { " , " } else { " " });
            write_string(out, key);
            out.push_str(" : ");
            write_in_another_form(out, value.get());
        }
        out.push('}');
    } else if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(json) {
        out.push('[');
        for (i, item) in items.iter().enumerate() {
            out.push_str(if i > 0 { ",\t" } else { "" });
            write_in_another_form(out, item.get());
        }
        out.push(']');
    } else if let Ok(text) = serde_json::from_str::<String>(json) {
        out.push_str(&serde_json::to_string(&text).unwrap_or_else(|_| json.to_owned()));
    } else {
        out.push_str(json);
    }
}

/// The fields of an object in the order in which they stand.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(InOrder).map(Self)
    }
}

/// Appends an array of strings.
fn write_strings<S: AsRef<str>>(out: &mut String, values: &[S]) {
    out.push('[');
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_string(out, value.as_ref());
    }
    out.push(']');
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    // Most text is plain, so it is copied run by run.
    while let Some(at) = rest.find(|c| !matches!(c, ' '..='~') || matches!(c, '"' | '\\' | '/')) {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = special.chars();
        chars.next().into_iter().for_each(|c| write_escaped(out, c));
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

fn write_escaped(out: &mut String, c: char) {
    match c {
        '"' | '\\' | '/' => out.extend(['\\', c]),
        '\n' => out.push_str("\\n"),
        _ => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_form_says_the_same() {
        let json = r#"{"id":"a","n":9007199254740993,"x":1.50,"o":{"url":"http:\/\/a","é":["\u00e9","\ud83c\udf89",null,true,[]]},"half":"\ud83d"}"#;
        let other = in_another_form(json);
        assert!(other.starts_with("{ \"half\" : ") && other.contains("http://a") && other.contains("é"), "{other}");
        assert!(other.contains("9007199254740993") && other.contains("1.50") && other.contains(r"\ud83d"), "{other}");
        let whole = |json: &str| json.replace(r"\ud83d", "");
        let read = |json: &str| serde_json::from_str::<serde_json::Value>(&whole(json)).unwrap();
        assert_eq!(read(json), read(&other));
    }

    #[test]
    fn text_is_escaped_the_way_php_does_it() {
        let text = "a/b \"é\" \\ 🎉\u{7}";
        let json = object(|o| {
            o.str("t", text).uint("n", 7).flag("yes", true).strs("l", &["x", "y/z"]).obj("o", |o| {
                o.raw("none", "null");
            });
        });
        assert_eq!(
            json,
            r#"{"t":"a\/b \"\u00e9\" \\ \ud83c\udf89\u0007","n":7,"yes":true,"l":["x","y\/z"],"o":{"none":null}}"#
        );
        let back: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(back["t"], text);
    }
}
