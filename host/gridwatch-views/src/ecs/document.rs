//! An ECS document under construction: fields are put in by their dotted names and come out nested, in the order of the layout.

use super::LAYOUT;
use super::fields::fields;
use crate::line::Turn;
use crate::names::Names;
use crate::shown::{Fields, Shown};
use std::iter::Peekable;
use std::sync::LazyLock;

/// The fields of the table, each with its place in a document.
#[derive(Debug, Default)]
pub(super) struct Document<'e>(Vec<(u16, &'static Field, Shown<'e>)>);

/// Where all of Slack's stand that no field of ECS takes.
pub(super) const AUDIT: &str = "slack.audit";

#[derive(Debug)]
struct Field {
    path: Vec<&'static str>,
    /// Its place among all fields, as a text or number and as a list or object.
    places: [u16; 2],
}

#[derive(Debug)]
struct Table {
    names: Names,
    fields: Vec<Field>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let own = fields().map(|field| field.name.as_str()).filter(|name| !name.starts_with("slack."));
    let names: Vec<&'static str> = own.chain([AUDIT]).collect();
    let mut ways: Vec<_> = names.iter().flat_map(|name| [false, true].map(|compound| way(name, compound))).collect();
    ways.sort_unstable();
    let place = |name, compound| {
        let own = way(name, compound);
        ways.iter().position(|way| *way == own).and_then(|place| u16::try_from(place).ok()).unwrap_or(u16::MAX)
    };
    let field =
        |name: &&'static str| Field { path: name.split('.').collect(), places: [false, true].map(|c| place(name, c)) };
    Table { fields: names.iter().map(field).collect(), names: Names::of(names.iter().copied()) }
});

/// The turns of a field and of the objects that it is in.
fn way(name: &str, is_compound: bool) -> Vec<(Turn, &str)> {
    let (mut way, mut object, mut rest) = (Vec::new(), "", name);
    loop {
        let (key, after) = rest.split_once('.').map_or((rest, None), |(key, after)| (key, Some(after)));
        let order = LAYOUT.order.iter().find(|order| order.of == object);
        way.push((order.map_or((0, 0), |order| order.turn(key, after.is_some() || is_compound)), key));
        let Some(after) = after else { return way };
        (object, rest) = (&name[..name.len() - after.len() - 1], after);
    }
}

impl<'e> Document<'e> {
    /// Puts a value in the place of a dotted name of the table.
    pub(super) fn put(&mut self, name: &str, value: impl Into<Shown<'e>>) {
        let table = &*TABLE;
        let Some(field) = table.names.number(name).and_then(|number| table.fields.get(number)) else {
            return debug_assert!(false, "no field is called {name}");
        };
        let value = value.into();
        let place = field.places[usize::from(value.is_compound())];
        let at = self.0.iter().rposition(|(known, ..)| *known <= place).map_or(0, |at| at + 1);
        if self.0.capacity() == 0 {
            self.0.reserve(USUAL);
        }
        self.0.insert(at, (place, field, value));
    }

    pub(super) fn maybe(&mut self, name: &str, value: Option<impl Into<Shown<'e>>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    /// Nothing for an empty text.
    pub(super) fn text(&mut self, name: &str, text: &'e str) {
        self.maybe(name, (!text.is_empty()).then_some(text));
    }

    /// Nothing for an empty list.
    pub(super) fn list<T: Into<Shown<'e>>>(&mut self, name: &str, all: impl IntoIterator<Item = T>) {
        let all: Vec<Shown<'e>> = all.into_iter().map(Into::into).collect();
        self.maybe(name, (!all.is_empty()).then_some(Shown::List(all)));
    }
}

/// Fields of a document that room is made for at once.
const USUAL: usize = 32;

impl<'e> From<Document<'e>> for Shown<'e> {
    fn from(document: Document<'e>) -> Self {
        let fields = document.0.into_iter().map(|(_, field, value)| (field.path.as_slice(), value));
        nested(&mut fields.peekable(), &[]).into()
    }
}

/// The object of those fields, next in order, that are in it.
fn nested<'e>(
    fields: &mut Peekable<impl Iterator<Item = (&'static [&'static str], Shown<'e>)>>,
    object: &[&'static str],
) -> Fields<'e> {
    let mut own = Fields::new();
    while let Some(&(path, _)) = fields.peek()
        && let Some((key, below)) = path.strip_prefix(object).and_then(<[_]>::split_first)
    {
        let (key, path) = (*key, &path[..=object.len()]);
        let value = match below {
            [] => fields.next().map(|(_, value)| value),
            _ => Some(nested(fields, path).into()),
        };
        own.push(key, value.unwrap_or(Shown::Bool(false)));
    }
    own
}
