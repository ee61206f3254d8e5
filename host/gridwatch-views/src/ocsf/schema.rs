//! OCSF as far as the views use it: its versions, what an object or a class consists of, and objects under construction.
//!
//! The tables themselves are in [`vocabulary`](super::vocabulary). They decide what a version has: [`Made`] takes a value
//! for an attribute of its version and nothing else, and the JSON Schema is written from the same tables.

use super::vocabulary::{OTHER, PROFILES};
use crate::leaves::is_email;
use crate::line::Order;
use crate::names::Names;
use crate::shown::{Fields, Shown};
use std::fmt;
use std::sync::OnceLock;

/// RFC 5321, 4.5.3.1.3, less the brackets around it. A longer text would have to be cut, and would be another's address.
const MAX_EMAIL: usize = 254;

/// A version of OCSF that events and alerts can be shown in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    #[default]
    V1_8_0,
    /// What AWS Security Lake and AppFabric speak. What it has no attribute for stays in `unmapped`, as Slack wrote it.
    V1_1_0,
}

impl Version {
    pub const ALL: [Self; 2] = [Self::V1_8_0, Self::V1_1_0];

    /// As `metadata.version` says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_8_0 => "1.8.0",
            Self::V1_1_0 => "1.1.0",
        }
    }

    pub(super) fn make<'e>(self, spec: &'static Object) -> Made<'e> {
        Made { spec, version: self, fields: Fields::new(), profiles: 0 }
    }

    /// `email_t`, no longer than a mailbox's address may be. In 1.1.0 the part before the `@` may have letters, digits and `_.+-` only.
    pub(super) fn is_email(self, text: &str) -> bool {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_.+-".contains(&b);
        let local = || text.split_once('@').is_some_and(|(local, _)| local.bytes().all(is_plain));
        text.len() <= MAX_EMAIL && is_email(text) && (self == Self::V1_8_0 || local())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An OCSF object or event class.
#[derive(Debug)]
pub(super) struct Object {
    /// OCSF's own name, `network_endpoint`.
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// Attributes that it has too, except those it names itself.
    pub(super) extends: Option<&'static Object>,
    pub(super) attributes: &'static [Attribute],
    /// One of these at least must be there, of those that the version has.
    pub(super) at_least_one: &'static [&'static str],
    /// The version that asks for `at_least_one`, if not both do.
    pub(super) at_least_one_in: Option<Version>,
    /// How its attributes are found, in each version; made when the first is asked for.
    pub(super) index: [OnceLock<Index>; 2],
}

impl Object {
    pub(super) fn attribute(&'static self, version: Version, name: &str) -> Option<&'static Attribute> {
        self.find(version, name).map(|found| found.attribute)
    }

    #[inline]
    fn find(&'static self, version: Version, name: &str) -> Option<&'static Found> {
        self.index(version).find(name)
    }

    #[inline]
    fn index(&'static self, version: Version) -> &'static Index {
        self.index[version as usize].get_or_init(|| Index::of(self, version))
    }

    /// All attributes of a version, its own first.
    pub(super) fn all(&self, version: Version) -> Vec<&'static Attribute> {
        let mut all: Vec<&Attribute> = self.attributes.iter().filter(|attribute| attribute.is_in(version)).collect();
        for inherited in self.extends.map(|parent| parent.all(version)).unwrap_or_default() {
            if all.iter().all(|own| own.name != inherited.name) {
                all.push(inherited);
            }
        }
        all
    }

    fn is_class(&self) -> bool {
        self.attributes.iter().any(|attribute| attribute.name == "class_uid")
            || self.extends.is_some_and(Self::is_class)
    }

    /// The names of the constraint, as far as the version has both it and them. Empty for none.
    pub(super) fn constraint(&'static self, version: Version) -> Vec<&'static str> {
        let asks = self.at_least_one_in.is_none_or(|only| only == version);
        let names = self.at_least_one.iter().copied().filter(|name| asks && self.attribute(version, name).is_some());
        names.collect()
    }
}

/// The attributes of an object in one version.
#[derive(Debug)]
pub(super) struct Index {
    names: Names,
    all: Vec<Found>,
}

#[derive(Debug)]
struct Found {
    attribute: &'static Attribute,
    /// As it is written behind another one.
    written: String,
    /// Its turn in the object, as a text or number and as a list or object.
    places: [u16; 2],
    /// Bit of its profile; none without.
    profile: u8,
}

impl Index {
    fn of(object: &Object, version: Version) -> Self {
        // The order in which a record is written is that of its layout; whatever that doesn't name goes by name.
        let own = if object.is_class() { "" } else { object.name };
        let order = super::LAYOUT.order.iter().find(|order| order.of == own);
        let turn_of = |name, compound| order.map_or((0, 0), |order: &Order| order.turn(name, compound));
        let attributes = object.all(version);
        let mut turns: Vec<_> = attributes
            .iter()
            .flat_map(|attribute| {
                [false, true].map(|compound| (turn_of(attribute.name, compound), attribute.name, compound))
            })
            .collect();
        turns.sort_unstable();
        let place = |name, compound| {
            let turn = turns.iter().position(|(_, other, as_compound)| *other == name && *as_compound == compound);
            turn.and_then(|turn| u16::try_from(turn).ok()).unwrap_or(u16::MAX)
        };
        let found = |attribute: &&'static Attribute| {
            let bit = |profile| PROFILES.iter().position(|known| *known == profile);
            Found {
                attribute,
                written: format!(",\"{}\":", attribute.name),
                places: [false, true].map(|compound| place(attribute.name, compound)),
                profile: attribute.profile.and_then(bit).map_or(0, |bit| 1 << bit),
            }
        };
        let names = Names::of(attributes.iter().map(|attribute| attribute.name));
        Self { names, all: attributes.iter().map(found).collect() }
    }

    #[inline]
    fn find(&self, name: &str) -> Option<&Found> {
        self.names.number(name).and_then(|number| self.all.get(number))
    }
}

/// An attribute of an object or a class. Where the two versions differ, each has its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute {
    pub(super) name: &'static str,
    pub(super) kind: Type,
    pub(super) about: &'static str,
    pub(super) is_array: bool,
    /// Required by OCSF; for an attribute of a profile, where that profile is named.
    pub(super) is_required: bool,
    /// Only valid where `metadata.profiles` names this.
    pub(super) profile: Option<&'static str>,
    /// The one version that has it, if not both do.
    pub(super) only: Option<Version>,
    /// Those of its enumeration that the views use; empty if it has none, or one that the mapping table gives.
    pub(super) ids: &'static [Id],
}

impl Attribute {
    pub(super) const fn is_in(&self, version: Version) -> bool {
        is_in(self.only, version)
    }

    /// The ids of a version, with their captions.
    pub(super) fn ids(&self, version: Version) -> impl Iterator<Item = &'static Id> {
        self.ids.iter().filter(move |id| is_in(id.only, version))
    }

    pub(super) const fn many(mut self) -> Self {
        self.is_array = true;
        self
    }

    pub(super) const fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    pub(super) const fn profile(mut self, profile: &'static str) -> Self {
        self.profile = Some(profile);
        self
    }

    pub(super) const fn only(mut self, version: Version) -> Self {
        self.only = Some(version);
        self
    }

    pub(super) const fn ids_of(mut self, ids: &'static [Id]) -> Self {
        self.ids = ids;
        self
    }
}

const fn is_in(only: Option<Version>, version: Version) -> bool {
    match only {
        None => true,
        Some(only) => only as u8 == version as u8,
    }
}

/// One value of an enumeration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Id {
    pub(super) id: u64,
    /// OCSF's caption. What stands beside it may be the source's own word.
    pub(super) caption: &'static str,
    pub(super) only: Option<Version>,
}

/// OCSF's types, called as OCSF calls them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Type {
    String,
    Username,
    FileName,
    FileHash,
    ResourceUid,
    Url,
    Email,
    Ip,
    Integer,
    Long,
    Timestamp,
    Boolean,
    /// `json_t`: any JSON.
    Json,
    /// `object`: an object with any keys.
    Anything,
    Object(&'static Object),
}

/// An OCSF object or event under construction. Refuses silently what its version has no attribute for: whoever fills it
/// names all there is to say, and takes leaves only through [`take`](Self::take), so that none goes to nowhere.
#[derive(Clone, Debug)]
pub(super) struct Made<'e> {
    spec: &'static Object,
    version: Version,
    fields: Fields<'e>,
    /// Of [`PROFILES`], those that brought an attribute: a bit for each.
    profiles: u8,
}

impl<'e> Made<'e> {
    pub(super) fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    #[inline]
    pub(super) fn put(&mut self, name: &str, value: impl Into<Shown<'e>>) {
        let Some(found) = self.spec.find(self.version, name) else {
            return debug_assert!(self.is_in_some_version(name), "{} never has {name}", self.spec.name);
        };
        self.put_found(found, value.into());
    }

    #[inline]
    fn put_found(&mut self, found: &'static Found, value: Shown<'e>) {
        self.profiles |= found.profile;
        self.fields.put_at(found.places[usize::from(value.is_compound())], &found.written, value);
    }

    #[inline]
    pub(super) fn put_maybe(&mut self, name: &str, value: Option<impl Into<Shown<'e>>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    /// Doesn't ask for the value where the version lacks the attribute, so that what it is made of stays where it was.
    pub(super) fn put_taken<V: Into<Shown<'e>>>(&mut self, name: &str, value: impl FnOnce() -> Option<V>) {
        if let Some(found) = self.spec.find(self.version, name)
            && let Some(value) = value()
        {
            self.put_found(found, value.into());
        }
    }

    /// An id of an enumeration and the word that goes with it. Where the version lacks the id, it is 99 and the word stays.
    #[inline]
    pub(super) fn put_id(&mut self, id_name: &str, name: &str, id: u64, word: impl Into<Shown<'e>>) {
        let Some(attribute) = self.attribute(id_name) else {
            return self.put(name, word);
        };
        let is_known = attribute.ids.is_empty() || attribute.ids(self.version).any(|known| known.id == id);
        self.put(id_name, if is_known { id } else { OTHER });
        self.put(name, word);
    }

    #[inline]
    pub(super) fn set(mut self, name: &str, value: impl Into<Shown<'e>>) -> Self {
        self.put(name, value);
        self
    }

    #[inline]
    pub(super) fn maybe(mut self, name: &str, value: Option<impl Into<Shown<'e>>>) -> Self {
        self.put_maybe(name, value);
        self
    }

    pub(super) fn take<V: Into<Shown<'e>>>(mut self, name: &str, value: impl FnOnce() -> Option<V>) -> Self {
        self.put_taken(name, value);
        self
    }

    #[inline]
    pub(super) fn id(mut self, id_name: &str, name: &str, id: u64, word: impl Into<Shown<'e>>) -> Self {
        self.put_id(id_name, name, id, word);
        self
    }

    /// For what OCSF requires and Slack doesn't say.
    pub(super) fn fill(self, name: &str, value: &'e str) -> Self {
        let is_missing =
            self.attribute(name).is_some_and(|attribute| attribute.is_required) && self.get(name).is_none();
        if is_missing { self.set(name, value) } else { self }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Shown<'e>> {
        self.fields.get(name)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub(super) fn non_empty(self) -> Option<Shown<'e>> {
        self.fields.non_empty()
    }

    /// Sorted, as they came to be needed.
    pub(super) fn profiles(&self) -> Vec<&'static str> {
        let is_needed = |(bit, _): &(usize, &&'static str)| self.profiles >> bit & 1 == 1;
        PROFILES.iter().enumerate().filter(is_needed).map(|(_, name)| *name).collect()
    }

    fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.spec.attribute(self.version, name)
    }

    /// Guards against an attribute that no version has: a slip of the pen, that would lose what it is given.
    fn is_in_some_version(&self, name: &str) -> bool {
        Version::ALL.iter().any(|version| self.spec.attribute(*version, name).is_some())
    }
}

/// What is the same in all objects of a kind, written once.
#[derive(Debug)]
pub(super) struct Ready {
    spec: &'static Object,
    version: Version,
    profiles: u8,
    /// In order, each with its place: neighbours that nothing can come between are one.
    members: Vec<(u16, String)>,
}

impl Ready {
    pub(super) fn of(made: Made<'_>) -> Self {
        let Made { spec, version, fields, profiles } = made;
        let places: Vec<[u16; 2]> = spec.index(version).all.iter().map(|found| found.places).collect();
        let mut members: Vec<(u16, String)> = Vec::new();
        let mut last: Option<u16> = None;
        for (place, written) in fields.into_written() {
            let is_between = |own: &[u16; 2]| own.iter().any(|between| last < Some(*between) && *between < place);
            let is_own = |own: &[u16; 2]| own.contains(&place) || last.is_some_and(|last| own.contains(&last));
            let joins = last.is_some() && !places.iter().any(|own| is_between(own) && !is_own(own));
            match members.last_mut().filter(|_| joins) {
                Some((_, text)) => *text += &written,
                None => members.push((place, written)),
            }
            last = Some(place);
        }
        Self { spec, version, profiles, members }
    }

    /// An object that has these members, to be gone on with.
    pub(super) fn start<'e>(&'static self) -> Made<'e> {
        let fields = Fields::of_written(&self.members);
        Made { spec: self.spec, version: self.version, fields, profiles: self.profiles }
    }
}

impl<'e> From<Made<'e>> for Shown<'e> {
    fn from(made: Made<'e>) -> Self {
        made.fields.into()
    }
}
