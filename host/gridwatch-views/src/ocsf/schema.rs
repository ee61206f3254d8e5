//! OCSF as far as the views use it: its versions, what an object or a class consists of, and objects under construction.
//!
//! The tables themselves are in [`vocabulary`](super::vocabulary). They decide what a version has: [`Made`] takes a value
//! for an attribute of its version and nothing else, and the JSON Schema is written from the same tables.

use super::vocabulary::OTHER;
use crate::leaves::is_email;
use crate::shown::{Fields, Shown};
use serde_json::Value;
use std::fmt;

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
        Made { spec, version: self, fields: Fields::new(), profiles: Vec::new() }
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
}

impl Object {
    pub(super) fn attribute(&self, version: Version, name: &str) -> Option<&'static Attribute> {
        let own = self.attributes.iter().find(|attribute| attribute.name == name && attribute.is_in(version));
        own.or_else(|| self.extends?.attribute(version, name))
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

    /// The names of the constraint, as far as the version has both it and them. Empty for none.
    pub(super) fn constraint(&self, version: Version) -> Vec<&'static str> {
        let asks = self.at_least_one_in.is_none_or(|only| only == version);
        let names = self.at_least_one.iter().copied().filter(|name| asks && self.attribute(version, name).is_some());
        names.collect()
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
    /// Profiles that brought an attribute.
    profiles: Vec<&'static str>,
}

impl<'e> Made<'e> {
    pub(super) fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    pub(super) fn put(&mut self, name: &str, value: impl Into<Shown<'e>>) {
        let Some(attribute) = self.attribute(name) else {
            return debug_assert!(self.is_in_some_version(name), "{} never has {name}", self.spec.name);
        };
        if let Some(profile) = attribute.profile.filter(|profile| !self.profiles.contains(profile)) {
            self.profiles.push(profile);
        }
        self.fields.put(attribute.name, value);
    }

    pub(super) fn put_maybe(&mut self, name: &str, value: Option<impl Into<Shown<'e>>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    /// Doesn't ask for the value where the version lacks the attribute, so that what it is made of stays where it was.
    pub(super) fn put_taken<V: Into<Shown<'e>>>(&mut self, name: &str, value: impl FnOnce() -> Option<V>) {
        if self.has(name) {
            self.put_maybe(name, value());
        }
    }

    /// An id of an enumeration and the word that goes with it. Where the version lacks the id, it is 99 and the word stays.
    pub(super) fn put_id(&mut self, id_name: &str, name: &str, id: u64, word: impl Into<Shown<'e>>) {
        let Some(attribute) = self.attribute(id_name) else {
            return self.put(name, word);
        };
        let is_known = attribute.ids.is_empty() || attribute.ids(self.version).any(|known| known.id == id);
        self.put(id_name, if is_known { id } else { OTHER });
        self.put(name, word);
    }

    pub(super) fn set(mut self, name: &str, value: impl Into<Shown<'e>>) -> Self {
        self.put(name, value);
        self
    }

    pub(super) fn maybe(mut self, name: &str, value: Option<impl Into<Shown<'e>>>) -> Self {
        self.put_maybe(name, value);
        self
    }

    pub(super) fn take<V: Into<Shown<'e>>>(mut self, name: &str, value: impl FnOnce() -> Option<V>) -> Self {
        self.put_taken(name, value);
        self
    }

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
        let mut profiles = self.profiles.clone();
        profiles.sort_unstable();
        profiles
    }

    fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.spec.attribute(self.version, name)
    }

    /// Guards against an attribute that no version has: a slip of the pen, that would lose what it is given.
    fn is_in_some_version(&self, name: &str) -> bool {
        Version::ALL.iter().any(|version| self.spec.attribute(*version, name).is_some())
    }
}

impl<'e> From<Made<'e>> for Shown<'e> {
    fn from(made: Made<'e>) -> Self {
        made.fields.into()
    }
}

impl From<Made<'_>> for Value {
    fn from(made: Made<'_>) -> Self {
        made.fields.into()
    }
}
