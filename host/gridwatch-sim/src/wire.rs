//! JSON as Slack's servers write it: keys in a fixed order, `/` as `\/`, everything outside ASCII as `\uXXXX`.
//!
//! `serde_json` would sort keys and leave slashes alone, and then nobody would notice a reader that re-serializes what
//! should have been kept byte for byte.

use std::fmt::Write as _;

/// An open object; its closing brace is written by whoever opened it.
pub(crate) struct Obj<'a> {
    out: &'a mut String,
    first: bool,
}

/// Writes one object.
pub(crate) fn object(fill: impl FnOnce(&mut Obj<'_>)) -> String {
    let mut out = String::with_capacity(256);
    write_object(&mut out, fill);
    out
}

/// Appends one object to `out`.
pub(crate) fn write_object(out: &mut String, fill: impl FnOnce(&mut Obj<'_>)) {
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

    pub(crate) fn str(&mut self, key: &str, value: &str) -> &mut Self {
        write_string(self.key(key), value);
        self
    }

    pub(crate) fn uint(&mut self, key: &str, value: u64) -> &mut Self {
        // Writing to a String can't fail.
        let _ = write!(self.key(key), "{value}");
        self
    }

    pub(crate) fn flag(&mut self, key: &str, value: bool) -> &mut Self {
        self.raw(key, if value { "true" } else { "false" })
    }

    /// `json` is written as it stands.
    pub(crate) fn raw(&mut self, key: &str, json: &str) -> &mut Self {
        self.key(key).push_str(json);
        self
    }

    pub(crate) fn strs<S: AsRef<str>>(&mut self, key: &str, values: &[S]) -> &mut Self {
        write_strings(self.key(key), values);
        self
    }

    pub(crate) fn obj(&mut self, key: &str, fill: impl FnOnce(&mut Obj<'_>)) -> &mut Self {
        write_object(self.key(key), fill);
        self
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
