//! What a view shows: a value under construction, which borrows what stands in the entry.

use gridwatch_event::part::Part;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt::Write;

#[derive(Clone, Debug)]
pub(crate) enum Shown<'e> {
    Bool(bool),
    Number(u64),
    Text(Cow<'e, str>),
    /// As the entry has it.
    Part(Part<'e>),
    Value(Value),
    List(Vec<Self>),
    Object(Fields<'e>),
}

/// An object under construction. Absent stays absent: OCSF has no use for null.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields<'e>(Vec<(&'e str, Shown<'e>)>);

impl<'e> Shown<'e> {
    /// A member of an object that was made here.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.get(name),
            _ => None,
        }
    }

    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |shown, name| shown.get(name))
    }

    /// A text that was taken or made here.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A list or an object?
    pub(crate) fn is_compound(&self) -> bool {
        match self {
            Self::List(_) | Self::Object(_) => true,
            Self::Part(part) => part.is_list() || part.is_object(),
            Self::Value(value) => value.is_array() || value.is_object(),
            Self::Bool(_) | Self::Number(_) | Self::Text(_) => false,
        }
    }

    /// As JSON, its keys in order.
    pub(crate) fn write(&self, out: &mut String) {
        match self {
            Self::Bool(truth) => *out += if *truth { "true" } else { "false" },
            Self::Number(number) => write_display(number, out),
            Self::Text(text) => write_text(text, out),
            Self::Part(part) => part.write_json(out),
            Self::Value(value) => write_display(value, out),
            Self::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                let mut sorted: Vec<&(&str, Self)> = fields.0.iter().collect();
                sorted.sort_unstable_by_key(|(key, _)| *key);
                out.push('{');
                for (i, (key, value)) in sorted.into_iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write_text(key, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// Writing to a text can't fail.
pub(crate) fn write_display(what: impl std::fmt::Display, out: &mut String) {
    let _ = write!(out, "{what}");
}

/// In quotes, with the escapes that JSON asks for.
pub(crate) fn write_text(text: &str, out: &mut String) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x8 => "\\b",
            0xc => "\\f",
            0..0x20 => "",
            _ => continue,
        };
        *out += &text[from..at];
        match escape {
            "" => write_display(format_args!("\\u{byte:04x}"), out),
            escape => *out += escape,
        }
        from = at + 1;
    }
    *out += &text[from..];
    out.push('"');
}

impl<'e> Fields<'e> {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn set(mut self, key: &'e str, value: impl Into<Shown<'e>>) -> Self {
        self.put(key, value);
        self
    }

    pub(crate) fn maybe(self, key: &'e str, value: Option<impl Into<Shown<'e>>>) -> Self {
        match value {
            Some(value) => self.set(key, value),
            None => self,
        }
    }

    pub(crate) fn put(&mut self, key: &'e str, value: impl Into<Shown<'e>>) {
        let value = value.into();
        match self.0.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value,
            None => self.0.push((key, value)),
        }
    }

    /// The same of a key that isn't there.
    pub(crate) fn push(&mut self, key: &'e str, value: impl Into<Shown<'e>>) {
        self.0.push((key, value.into()));
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Shown<'e>> {
        self.0.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'e str, &Shown<'e>)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn non_empty(self) -> Option<Shown<'e>> {
        (!self.0.is_empty()).then_some(Shown::Object(self))
    }
}

impl From<Shown<'_>> for Value {
    fn from(shown: Shown<'_>) -> Self {
        match shown {
            Shown::Bool(truth) => truth.into(),
            Shown::Number(number) => number.into(),
            Shown::Text(text) => text.into_owned().into(),
            Shown::Part(part) => part.to_value(),
            Shown::Value(value) => value,
            Shown::List(items) => items.into_iter().map(Self::from).collect(),
            Shown::Object(fields) => Self::Object(fields.into()),
        }
    }
}

impl From<Fields<'_>> for Map<String, Value> {
    fn from(fields: Fields<'_>) -> Self {
        fields.0.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
    }
}

impl From<Fields<'_>> for Value {
    fn from(fields: Fields<'_>) -> Self {
        Self::Object(fields.into())
    }
}

impl<'e> From<Fields<'e>> for Shown<'e> {
    fn from(fields: Fields<'e>) -> Self {
        Self::Object(fields)
    }
}

impl From<bool> for Shown<'_> {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<u64> for Shown<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl<'e> From<&'e str> for Shown<'e> {
    fn from(text: &'e str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Shown<'_> {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl<'e> From<Cow<'e, str>> for Shown<'e> {
    fn from(text: Cow<'e, str>) -> Self {
        Self::Text(text)
    }
}

impl From<Value> for Shown<'_> {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

impl<'e, T: Into<Self>> From<Vec<T>> for Shown<'e> {
    fn from(all: Vec<T>) -> Self {
        Self::List(all.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_shown_is_written_as_its_value_is() {
        let all: String = (0..=0x9f).filter_map(char::from_u32).chain(['é', '\u{2028}', '\u{1f600}']).collect();
        let entry = json!({ "z": [1, { "b": null, "a": "x/y" }], "a": all });
        let shown = Fields::new()
            .set("text", all.as_str())
            .set("part", Shown::Part(Part::read(&entry)))
            .set("list", vec![Shown::from(true), Shown::from(7), json!({ "y": 1, "x": 2 }).into()])
            .set("key \"", Fields::new().set("b", 1).set("a", 2).set("b", 3));
        let shown = Shown::from(shown);
        let mut written = String::new();
        shown.write(&mut written);
        assert_eq!(written, Value::from(shown).to_string());
    }
}
