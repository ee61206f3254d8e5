//! What a view shows: a value under construction, which borrows what stands in the entry.
//!
//! It is made once and written once. What is written is all that there is of it: who wants a value of it reads the line.

use crate::leaves::Taken;
use gridwatch_event::json::Out;
use gridwatch_event::part::Part;
use serde_json::Value;
use std::borrow::Cow;

#[derive(Clone, Debug)]
pub(crate) enum Shown<'e> {
    Bool(bool),
    Number(u64),
    Text(Cow<'e, str>),
    /// As the entry has it.
    Part(Part<'e>),
    /// As the entry has it, without what was taken.
    Left(Part<'e>),
    Value(Box<Value>),
    List(Vec<Self>),
    Object(Fields<'e>),
}

/// An object under construction, in the order in which it is written. Absent stays absent: OCSF has no use for null.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields<'e>(Vec<Field<'e>>);

#[derive(Clone, Debug)]
struct Field<'e> {
    place: u16,
    key: Key<'e>,
    value: Shown<'e>,
}

#[derive(Clone, Debug)]
enum Key<'e> {
    Plain(&'e str),
    /// One that was made for this record.
    Made(Box<str>),
    /// One of a table's, as it is written behind another: with comma, quotes and colon.
    Written(&'static str),
    /// The same of several, with their values.
    Ready(&'static str),
}

impl Key<'_> {
    fn is(&self, name: &str) -> bool {
        match self {
            Self::Plain(key) => *key == name,
            Self::Made(key) => **key == *name,
            Self::Ready(_) => false,
            Self::Written(key) => key.strip_prefix(",\"").and_then(|key| key.strip_suffix("\":")) == Some(name),
        }
    }
}

/// Fields of an object that room is made for at once.
const USUAL: usize = 8;

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
    pub(crate) fn as_str(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Part(part) => part.as_str(),
            _ => None,
        }
    }

    /// A list or an object?
    pub(crate) fn is_compound(&self) -> bool {
        match self {
            Self::List(_) | Self::Object(_) => true,
            Self::Part(part) | Self::Left(part) => part.is_list() || part.is_object(),
            Self::Value(value) => value.is_array() || value.is_object(),
            Self::Bool(_) | Self::Number(_) | Self::Text(_) => false,
        }
    }

    /// As JSON. `taken` is what was taken of the entry.
    pub(crate) fn write(&self, taken: &Taken, out: &mut Vec<u8>) {
        match self {
            Self::Bool(truth) => out.put(if *truth { "true" } else { "false" }),
            Self::Number(number) => write_number(*number, out),
            Self::Text(text) => out.put_text(text),
            Self::Part(part) => part.write_json(out),
            Self::Left(part) => part.write_json_but(&|inner| taken.has(inner), out),
            Self::Value(value) => out.put(&value.to_string()),
            Self::List(items) => {
                out.put("[");
                for (i, item) in items.iter().enumerate() {
                    out.put(if i > 0 { "," } else { "" });
                    item.write(taken, out);
                }
                out.put("]");
            }
            Self::Object(fields) => fields.write(taken, out),
        }
    }
}

fn write_key(key: &str, place: usize, out: &mut Vec<u8>) {
    out.put(if place > 0 { "," } else { "" });
    out.put_text(key);
    out.put(":");
}

/// In decimal digits.
fn write_number(number: u64, out: &mut Vec<u8>) {
    let (mut digits, mut from, mut rest) = ([b'0'; 20], 20, number);
    loop {
        from -= 1;
        digits[from] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return out.extend_from_slice(&digits[from..]);
        }
    }
}

impl<'e> Fields<'e> {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// By key.
    pub(crate) fn set(mut self, key: &'e str, value: impl Into<Shown<'e>>) -> Self {
        self.put(key.into(), value.into());
        self
    }

    pub(crate) fn put(&mut self, key: Cow<'e, str>, value: Shown<'e>) {
        let before = |field: &Field<'e>| match &field.key {
            Key::Plain(known) => **known < *key,
            Key::Made(known) => **known < *key,
            Key::Written(_) | Key::Ready(_) => false,
        };
        let at = self.0.partition_point(before);
        match self.0.get_mut(at).filter(|known| known.key.is(&key)) {
            Some(known) => known.value = value,
            None => {
                let key = match key {
                    Cow::Borrowed(key) => Key::Plain(key),
                    Cow::Owned(key) => Key::Made(key.into()),
                };
                self.0.insert(at, Field { place: 0, key, value });
            }
        }
    }

    /// Behind all others.
    pub(crate) fn push(&mut self, key: &'e str, value: Shown<'e>) {
        self.0.push(Field { place: 0, key: Key::Plain(key), value });
    }

    pub(crate) fn maybe(self, key: &'e str, value: Option<impl Into<Shown<'e>>>) -> Self {
        match value {
            Some(value) => self.set(key, value),
            None => self,
        }
    }

    /// A key of a table, in its place there, which no other has.
    pub(crate) fn put_at(&mut self, place: u16, written: &'static str, value: Shown<'e>) {
        let field = Field { place, key: Key::Written(written), value };
        match self.0.last() {
            // As it mostly is.
            Some(last) if last.place < place => return self.0.push(field),
            Some(_) => {}
            None => {
                self.0.reserve(USUAL);
                return self.0.push(field);
            }
        }
        let at = self.0.iter().rposition(|known| known.place <= place).map_or(0, |at| at + 1);
        match at.checked_sub(1).and_then(|at| self.0.get_mut(at)).filter(|known| known.place == place) {
            Some(known) => *known = field,
            None => self.0.insert(at, field),
        }
    }

    /// Members of a table that were written before, each in its place there.
    pub(crate) fn of_written(members: &'static [(u16, String)]) -> Self {
        let mut fields = Vec::with_capacity(members.len() + 2 * USUAL);
        let field = |(place, written): &'static (u16, String)| Field {
            place: *place,
            key: Key::Ready(written),
            value: Shown::Bool(true),
        };
        fields.extend(members.iter().map(field));
        Self(fields)
    }

    /// Each member in its place, as it is written behind another.
    pub(crate) fn into_written(self) -> impl Iterator<Item = (u16, String)> {
        self.0.into_iter().map(|field| {
            let (place, mut out) = (field.place, Vec::new());
            Self(vec![field]).write(&Taken::default(), &mut out);
            let object = String::from_utf8_lossy(&out);
            (
                place,
                format!(",{}", object.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default()),
            )
        })
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Shown<'e>> {
        self.0.iter().find(|field| field.key.is(key)).map(|field| &field.value)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn non_empty(self) -> Option<Shown<'e>> {
        (!self.0.is_empty()).then_some(Shown::Object(self))
    }

    fn write(&self, taken: &Taken, out: &mut Vec<u8>) {
        out.put("{");
        for (i, field) in self.0.iter().enumerate() {
            match &field.key {
                Key::Written(key) => out.put(if i > 0 { key } else { &key[1..] }),
                Key::Ready(members) => {
                    out.put(if i > 0 { members } else { &members[1..] });
                    continue;
                }
                Key::Plain(key) => write_key(key, i, out),
                Key::Made(key) => write_key(key, i, out),
            }
            field.value.write(taken, out);
        }
        out.put("}");
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
        Self::Value(value.into())
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

    fn written(shown: &Shown<'_>) -> String {
        let mut out = Vec::new();
        shown.write(&Taken::default(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_shown_is_written_as_its_value_is() {
        let all: String = (0..=0x9f).filter_map(char::from_u32).chain(['é', '\u{2028}', '\u{1f600}']).collect();
        for text in [&all, &all.repeat(50), &"a\"b\\".repeat(777), "", "\u{1}"] {
            let entry = json!({ "z": [1, { "b": null, "a": "x/y" }], "a": text, text: 1 });
            let shown = Fields::new()
                .set("text", text)
                .set("part", Shown::Part(Part::read(&entry)))
                .set("list", vec![Shown::from(true), Shown::from(u64::MAX), json!({ "y": 1, "x": 2 }).into()])
                .set("key \"", Fields::new().set("b", 1).set("a", 0).set("b", 3));
            let value = json!({
                "text": text, "part": entry, "list": [true, u64::MAX, { "y": 1, "x": 2 }], "key \"": { "b": 3, "a": 0 }
            });
            assert_eq!(written(&shown.into()), value.to_string());
        }
    }
}
