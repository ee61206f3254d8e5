//! A part of an entry: a value somewhere in it, whether it is read where it is written or was taken apart before.

use crate::spans::{At, Kind, Spans, escape};
use serde_json::Value;
use std::borrow::Cow;

/// Copied freely. Two are equal if they say the same, however they are written.
#[derive(Clone, Copy, Debug)]
pub struct Part<'e>(Source<'e>);

#[derive(Clone, Copy, Debug)]
enum Source<'e> {
    Written(&'e str, &'e Spans, At),
    Read(&'e Value),
}

/// A text as it is written, without its quotes: what is written alike is the same, so this is a key for what is known of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Spelling<'e> {
    /// Itself.
    Plain(&'e str),
    /// With escapes.
    Escaped(&'e str),
}

/// Which part of its entry a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Its number among the parts, which are few.
    Written(usize),
    /// Some number that no other part has.
    Read(usize),
}

impl<'e> Part<'e> {
    pub(crate) fn at_span(raw: &'e str, spans: &'e Spans, at: At) -> Self {
        Self(Source::Written(raw, spans, at))
    }

    /// A value that was taken apart.
    pub fn read(value: &'e Value) -> Self {
        Self(Source::Read(value))
    }

    /// A member of an object; `None` of anything else.
    pub fn get(self, name: &str) -> Option<Self> {
        match self.0 {
            Source::Written(raw, spans, at) => spans.get(raw, at, name).map(|at| Self::at_span(raw, spans, at)),
            Source::Read(value) => value.get(name).map(Self::read),
        }
    }

    /// What is reached by going from member to member.
    pub fn at<N: AsRef<str>>(self, path: &[N]) -> Option<Self> {
        path.iter().try_fold(self, |part, name| part.get(name.as_ref()))
    }

    /// A text; `None` of anything else.
    pub fn as_str(self) -> Option<Cow<'e, str>> {
        match self.0 {
            Source::Written(raw, spans, at) => spans.text(raw, at),
            Source::Read(value) => value.as_str().map(Cow::Borrowed),
        }
    }

    /// A member that is a text; "" of anything else.
    pub fn text(self, name: &str) -> Cow<'e, str> {
        self.get(name).map(Self::str).unwrap_or_default()
    }

    /// A text; "" of anything else.
    pub fn str(self) -> Cow<'e, str> {
        self.as_str().unwrap_or_default()
    }

    /// How a text is written; `None` of anything else.
    pub fn spelling(self) -> Option<Spelling<'e>> {
        match self.0 {
            Source::Written(raw, spans, at) => match spans.kind(at) {
                Kind::Text => Some(Spelling::Plain(spans.written(raw, at))),
                Kind::Escaped => Some(Spelling::Escaped(spans.written(raw, at))),
                _ => None,
            },
            Source::Read(value) => value.as_str().map(Spelling::Plain),
        }
    }

    /// The bytes of it, of a text without its quotes; `None` where it was taken apart. What is written alike and of one kind says the
    /// same.
    pub fn written(self) -> Option<&'e str> {
        match self.0 {
            Source::Written(raw, spans, at) => Some(spans.written(raw, at)),
            Source::Read(_) => None,
        }
    }

    pub fn place(self) -> Place {
        match self.0 {
            Source::Written(_, _, at) => Place::Written(usize::from(at)),
            Source::Read(value) => Place::Read(std::ptr::from_ref(value).addr()),
        }
    }

    /// The digits of a number; `None` of anything else.
    pub fn as_number(self) -> Option<&'e str> {
        match self.0 {
            Source::Written(raw, spans, at) => (spans.kind(at) == Kind::Number).then(|| spans.written(raw, at)),
            Source::Read(Value::Number(number)) => Some(number.as_str()),
            Source::Read(_) => None,
        }
    }

    pub fn as_bool(self) -> Option<bool> {
        match self.kind() {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => None,
        }
    }

    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    pub fn is_text(self) -> bool {
        matches!(self.kind(), Kind::Text | Kind::Escaped)
    }

    pub fn is_list(self) -> bool {
        self.kind() == Kind::List
    }

    pub fn is_object(self) -> bool {
        self.kind() == Kind::Object
    }

    /// Is it this text?
    pub fn is(self, text: &str) -> bool {
        match self.spelling() {
            Some(Spelling::Plain(plain)) => plain == text,
            Some(Spelling::Escaped(_)) => self.as_str().is_some_and(|own| own == text),
            None => false,
        }
    }

    /// The elements of a list; none of anything else.
    pub fn items(self) -> impl Iterator<Item = Self> {
        let (written, read) = match self.0 {
            Source::Written(raw, spans, at) if spans.kind(at) == Kind::List => (Some((raw, spans, at)), None),
            Source::Read(Value::Array(items)) => (None, Some(items)),
            _ => (None, None),
        };
        let written = written
            .into_iter()
            .flat_map(|(raw, spans, at)| spans.inside(at).map(move |at| Self::at_span(raw, spans, at)));
        written.chain(read.into_iter().flatten().map(Self::read))
    }

    /// The members of an object, in no order that means anything; none of anything else.
    pub fn members(self) -> impl Iterator<Item = (&'e str, Self)> {
        let (written, read) = match self.0 {
            Source::Written(raw, spans, at) if spans.kind(at) == Kind::Object => (Some((raw, spans, at)), None),
            Source::Read(Value::Object(fields)) => (None, Some(fields)),
            _ => (None, None),
        };
        let written = written.into_iter().flat_map(|(raw, spans, at)| {
            spans.inside(at).map(move |at| (spans.key(raw, at), Self::at_span(raw, spans, at)))
        });
        written.chain(read.into_iter().flatten().map(|(key, value)| (key.as_str(), Self::read(value))))
    }

    /// A value of its own.
    pub fn to_value(self) -> Value {
        match self.0 {
            Source::Read(value) => value.clone(),
            Source::Written(raw, spans, at) => match spans.kind(at) {
                Kind::Null => Value::Null,
                Kind::False => Value::Bool(false),
                Kind::True => Value::Bool(true),
                // What the spans take for a number is one.
                Kind::Number => spans.written(raw, at).parse().map_or(Value::Null, Value::Number),
                Kind::Text | Kind::Escaped => spans.text(raw, at).unwrap_or_default().into(),
                Kind::List => self.items().map(Self::to_value).collect(),
                Kind::Object => self.members().map(|(key, value)| (key.to_owned(), value.to_value())).collect(),
            },
        }
    }

    /// The same, borrowed where it is written so.
    pub fn to_json(self) -> Cow<'e, str> {
        match self.0 {
            Source::Written(raw, spans, at) => match spans.kind(at) {
                Kind::Null | Kind::False | Kind::True | Kind::Number => Cow::Borrowed(spans.written(raw, at)),
                _ => {
                    let mut out = String::new();
                    self.write_json(&mut out);
                    Cow::Owned(out)
                }
            },
            Source::Read(Value::Number(number)) => Cow::Borrowed(number.as_str()),
            Source::Read(value) => Cow::Owned(value.to_string()),
        }
    }

    /// As JSON, in one form: no spaces, keys in order.
    pub fn write_json(self, out: &mut String) {
        let Source::Written(raw, spans, at) = self.0 else {
            if let Source::Read(value) = self.0 {
                *out += &value.to_string();
            }
            return;
        };
        match spans.kind(at) {
            Kind::Null => *out += "null",
            Kind::False => *out += "false",
            Kind::True => *out += "true",
            Kind::Number => *out += spans.written(raw, at),
            Kind::Text => {
                out.push('"');
                *out += spans.written(raw, at);
                out.push('"');
            }
            Kind::Escaped => {
                out.push('"');
                write_escaped(spans.written(raw, at), out);
                out.push('"');
            }
            Kind::List => {
                out.push('[');
                for (i, item) in self.items().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Kind::Object => {
                out.push('{');
                let mut members: Vec<(&str, Self)> = self.members().collect();
                members.sort_unstable_by_key(|(key, _)| *key);
                for (i, (key, value)) in members.into_iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    out.push('"');
                    // Keys have nothing to escape.
                    *out += key;
                    *out += "\":";
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }

    fn kind(self) -> Kind {
        match self.0 {
            Source::Written(_, spans, at) => spans.kind(at),
            Source::Read(value) => match value {
                Value::Null => Kind::Null,
                Value::Bool(false) => Kind::False,
                Value::Bool(true) => Kind::True,
                Value::Number(_) => Kind::Number,
                Value::String(_) => Kind::Text,
                Value::Array(_) => Kind::List,
                Value::Object(_) => Kind::Object,
            },
        }
    }
}

impl PartialEq for Part<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.spelling(), other.spelling()) {
            (Some(Spelling::Plain(one)), Some(Spelling::Plain(other))) => one == other,
            _ => self.to_value() == other.to_value(),
        }
    }
}

impl Eq for Part<'_> {}

/// What is written with escapes, with those alone that JSON asks for.
fn write_escaped(written: &str, out: &mut String) {
    let mut rest = written;
    while let Some(at) = rest.find('\\') {
        *out += &rest[..at];
        let (c, length) = escape(&rest[at..]);
        match c {
            '"' => *out += "\\\"",
            '\\' => *out += "\\\\",
            '\u{8}' => *out += "\\b",
            '\u{c}' => *out += "\\f",
            '\n' => *out += "\\n",
            '\r' => *out += "\\r",
            '\t' => *out += "\\t",
            control @ ..' ' => *out += &format!("\\u{:04x}", u32::from(control)),
            plain => out.push(plain),
        }
        rest = &rest[at + length..];
    }
    *out += rest;
}
