//! A part of an entry: a value somewhere in it, whether it is read where it is written or was taken apart before.

use crate::json::Out;
use crate::spans::{At, Kind, Spans, escape, plain_bytes};
use serde_json::Value;
use std::borrow::Cow;

/// Copied freely. Two are equal if they say the same, however they are written.
#[derive(Clone, Copy, Debug)]
pub struct Part<'e>(Source<'e>);

#[derive(Clone, Copy, Debug)]
enum Source<'e> {
    Written(&'e str, Spans<'e>, At),
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
    /// Its number among the parts, which are few, and that of the first behind it and all that is inside it.
    Written { at: usize, after: usize },
    /// Some number that no other part has.
    Read(usize),
}

/// Members of an object that are put in order without a list of their own.
const FEW: usize = 32;

impl<'e> Part<'e> {
    #[inline]
    pub(crate) fn at_span(raw: &'e str, spans: Spans<'e>, at: At) -> Self {
        Self(Source::Written(raw, spans, at))
    }

    /// A value that was taken apart.
    pub fn read(value: &'e Value) -> Self {
        Self(Source::Read(value))
    }

    /// A member of an object; `None` of anything else.
    #[inline]
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
    #[inline]
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
    #[inline]
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

    #[inline]
    pub fn place(self) -> Place {
        match self.0 {
            Source::Written(_, spans, at) => {
                Place::Written { at: usize::from(at), after: usize::from(spans.after(at)) }
            }
            Source::Read(value) => Place::Read(std::ptr::from_ref(value).addr()),
        }
    }

    /// The digits of a number; `None` of anything else.
    #[inline]
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

    #[inline]
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    #[inline]
    pub fn is_text(self) -> bool {
        matches!(self.kind(), Kind::Text | Kind::Escaped)
    }

    #[inline]
    pub fn is_list(self) -> bool {
        self.kind() == Kind::List
    }

    #[inline]
    pub fn is_object(self) -> bool {
        self.kind() == Kind::Object
    }

    /// Is it this text?
    #[inline]
    pub fn is(self, text: &str) -> bool {
        match self.spelling() {
            Some(Spelling::Plain(plain)) => plain == text,
            Some(Spelling::Escaped(_)) => self.as_str().is_some_and(|own| own == text),
            None => false,
        }
    }

    /// The elements of a list; none of anything else.
    #[inline]
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
    #[inline]
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

    /// Is there a member like that?
    #[inline]
    pub fn has_member(self, mut is_one: impl FnMut(Self) -> bool) -> bool {
        match self.0 {
            Source::Written(raw, spans, at) if spans.kind(at) == Kind::Object => {
                let (mut member, after) = (at + 1, spans.after(at));
                while member < after {
                    if is_one(Self::at_span(raw, spans, member)) {
                        return true;
                    }
                    member = spans.after(member);
                }
                false
            }
            Source::Read(Value::Object(fields)) => fields.values().any(|value| is_one(Self::read(value))),
            _ => false,
        }
    }

    /// The members by key.
    pub fn sorted_members(self, mut each: impl FnMut(&'e str, Self)) {
        let (raw, spans, at) = match self.0 {
            Source::Written(raw, spans, at) if spans.kind(at) == Kind::Object => (raw, spans, at),
            Source::Read(Value::Object(fields)) => {
                return fields.iter().for_each(|(key, value)| each(key, Self::read(value)));
            }
            _ => return,
        };
        let (mut few, mut many, mut count) = ([0; FEW], Vec::new(), 0);
        for member in spans.inside(at) {
            match few.get_mut(count) {
                Some(place) => *place = member,
                None => many.push(member),
            }
            count += 1;
        }
        let all = if many.is_empty() {
            &mut few[..count]
        } else {
            many.splice(..0, few);
            &mut many[..]
        };
        all.sort_unstable_by_key(|member| spans.key(raw, *member));
        all.iter().for_each(|member| each(spans.key(raw, *member), Self::at_span(raw, spans, *member)));
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
    pub fn write_json(self, out: &mut impl Out) {
        self.write_json_but(&|_| false, out);
    }

    /// The same without the members, of whatever object in it, that are left out.
    pub fn write_json_but(self, is_left_out: &impl Fn(Self) -> bool, out: &mut impl Out) {
        match self.kind() {
            Kind::List => {
                out.put("[");
                for (i, item) in self.items().enumerate() {
                    out.put(if i > 0 { "," } else { "" });
                    item.write_json_but(is_left_out, out);
                }
                out.put("]");
            }
            Kind::Object => {
                let mut is_first = true;
                out.put("{");
                self.sorted_members(|key, value| {
                    if is_left_out(value) {
                        return;
                    }
                    if !is_first {
                        out.put(",");
                    }
                    is_first = false;
                    self.write_key(key, out);
                    value.write_json_but(is_left_out, out);
                });
                out.put("}");
            }
            _ => self.write_scalar(out),
        }
    }

    /// A key of this object, and its colon.
    fn write_key(self, key: &str, out: &mut impl Out) {
        match self.0 {
            // Nothing to escape.
            Source::Written(..) => {
                out.put("\"");
                out.put(key);
                out.put("\":");
            }
            Source::Read(_) => {
                out.put_text(key);
                out.put(":");
            }
        }
    }

    fn write_scalar(self, out: &mut impl Out) {
        match self.0 {
            Source::Written(raw, spans, at) => match spans.kind(at) {
                Kind::Text => {
                    out.put("\"");
                    out.put(spans.written(raw, at));
                    out.put("\"");
                }
                Kind::Escaped => {
                    out.put("\"");
                    write_escaped(spans.written(raw, at), out);
                    out.put("\"");
                }
                _ => out.put(spans.written(raw, at)),
            },
            Source::Read(value) => match value {
                Value::String(text) => out.put_text(text),
                Value::Number(number) => out.put(number.as_str()),
                Value::Bool(true) => out.put("true"),
                Value::Bool(false) => out.put("false"),
                _ => out.put("null"),
            },
        }
    }

    #[inline]
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
fn write_escaped(written: &str, out: &mut impl Out) {
    let mut rest = written;
    loop {
        let at = plain_bytes(rest.as_bytes());
        out.put(&rest[..at]);
        if at == rest.len() {
            return;
        }
        let (c, length) = escape(&rest[at..]);
        out.put_escaped(c.encode_utf8(&mut [0; 4]));
        rest = &rest[at + length..];
    }
}
