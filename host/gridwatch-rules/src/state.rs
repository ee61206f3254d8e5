//! Rule state as rows: what detection remembers between batches, as key and value bytes.
//!
//! Detection changes state in memory and says which rows changed; the shell saves those rows in the same atomic batch as
//! the alerts and the position, and hands all rows back at start. State is made of [parts](Part): each has a name, keys that
//! begin with a letter of its own, and a version of its rows, which is the first byte of each value.
//!
//! A row that can't be read is [`Forgotten`], and says so: nothing is passed over in silence. A value that can't be written is an
//! error of whoever saves it, and never an empty row.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Display;

/// A part of the state: the rows of one thing that is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is, in the plural: "3 rows of `name` were forgotten".
    pub name: &'static str,
    prefix: u8,
    /// To be raised when rows are written otherwise. Rows of another version are forgotten, not guessed at.
    version: u8,
    /// Versions from this one on are read, too.
    oldest: u8,
}

const fn part(prefix: u8, version: u8, name: &'static str) -> Part {
    Part { name, prefix, version, oldest: version }
}

/// A part that reads the rows of older versions.
const fn part_since(prefix: u8, [oldest, version]: [u8; 2], name: &'static str) -> Part {
    Part { name, prefix, version, oldest }
}

/// Open alerts, as far as they have been sent.
pub const ALERTS: Part = part(b'a', 1, "open alerts");
/// What people, apps and channels usually do, for telling about them in alerts.
pub const ABOUT: Part = part(b'b', 1, "profiles of people and channels");
/// What `conversations.info` said of channels.
pub const CONVERSATIONS: Part = part(b'c', 1, "answers about channels");
/// Who has which roles.
pub const DIRECTORY: Part = part(b'd', 1, "roles of people");
/// The enterprise that the log belongs to.
pub const ORGANIZATION: Part = part(b'e', 1, "the id of the organization");
/// The modules' own key-value state.
pub const KV: Part = part(b'k', 1, "modules' key-value state");
/// What modules have declared. Its rows come before those of the windows.
pub const DECLARED: Part = part(b'm', 1, "declared windows");
/// Names that the catalogue doesn't have.
pub const DRIFT: Part = part(b'n', 1, "unknown names");
/// What is the organization's own.
pub const HOME: Part = part(b'o', 1, "places of the organization");
/// The clock that everything else goes by.
pub const PIPELINE: Part = part(b'p', 1, "the clock of the windows");
/// What rules have said of an actor.
pub const RISK: Part = part(b'r', 1, "risk of actors");
/// What is known of apps.
pub const APPS: Part = part(b's', 1, "apps");
/// What `users.info` said of people: the host's own, and no input of any rule.
pub const ACCOUNTS: Part = part(b'u', 1, "answers about people");
/// Pages of windows.
pub const WINDOWS: Part = part_since(b'w', [2, 4], "window counts");

/// All parts there are, in the order of their keys.
pub const PARTS: [Part; 14] = [
    ALERTS,
    ABOUT,
    CONVERSATIONS,
    DIRECTORY,
    ORGANIZATION,
    KV,
    DECLARED,
    DRIFT,
    HOME,
    PIPELINE,
    RISK,
    APPS,
    ACCOUNTS,
    WINDOWS,
];

impl Part {
    /// The part that a row with this key belongs to.
    pub fn of(key: &[u8]) -> Option<Self> {
        PARTS.into_iter().find(|part| key.first() == Some(&part.prefix))
    }

    /// The key of the row with this id; of the rows whose ids begin so, what their keys begin with.
    pub fn key(self, id: &[u8]) -> Vec<u8> {
        [&[self.prefix], id].concat()
    }
}

/// A row that can't be read. What it said isn't known any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a row of {part} can't be read: {why}")]
pub struct Forgotten {
    /// See [`Part::name`].
    pub part: &'static str,
    pub key: Vec<u8>,
    pub why: String,
}

/// A value that can't be serialised: whoever was to save it can't go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a row of {part} can't be written: {why}")]
pub struct Unwritable {
    part: &'static str,
    why: String,
}

/// A saved row, of a version that its part reads.
#[derive(Clone, Copy, Debug)]
pub struct StateRow<'r> {
    pub part: Part,
    key: &'r [u8],
    version: u8,
    body: &'r [u8],
}

impl<'r> StateRow<'r> {
    /// # Errors
    /// The key is of no part, or the value is of another version.
    pub fn open(key: &'r [u8], value: &'r [u8]) -> Result<Self, Forgotten> {
        let forgotten = |part: &'static str, why: String| Forgotten { part, key: key.to_vec(), why };
        let Some(part) = Part::of(key) else {
            return Err(forgotten("unknown parts", "no part of the state has such keys".to_owned()));
        };
        match value.split_first() {
            Some((version, body)) if (part.oldest..=part.version).contains(version) => {
                Ok(Self { part, key, version: *version, body })
            }
            Some((other, _)) => {
                let why = format!("it is of version {other}, and this gridwatch reads version {}", part.version);
                Err(forgotten(part.name, why))
            }
            None => Err(forgotten(part.name, "it is empty".to_owned())),
        }
    }

    /// The key without what it has in common with all rows of its part.
    pub fn id(&self) -> &'r [u8] {
        &self.key[1..]
    }

    /// The id where it is a text.
    ///
    /// # Errors
    /// It is none.
    pub fn name(&self) -> Result<&'r str, Forgotten> {
        std::str::from_utf8(self.id()).map_err(|why| self.forgotten(why))
    }

    /// How the value is written.
    pub fn version(&self) -> u8 {
        self.version
    }

    /// The value without its version.
    pub fn body(&self) -> &'r [u8] {
        self.body
    }

    /// The value, as [`StateOp::put`] wrote it.
    ///
    /// # Errors
    /// It is something else.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Forgotten> {
        serde_json::from_slice(self.body).map_err(|why| self.forgotten(why))
    }

    pub fn forgotten(&self, why: impl Display) -> Forgotten {
        Forgotten { part: self.part.name, key: self.key.to_vec(), why: why.to_string() }
    }
}

/// One changed row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateOp {
    pub key: Vec<u8>,
    /// The value with its version; `None` deletes the row. Of what can't be written nothing that belongs to it may be saved
    /// either.
    pub value: Result<Option<Vec<u8>>, Unwritable>,
}

impl StateOp {
    pub fn put<T: Serialize>(part: Part, id: &[u8], value: &T) -> Self {
        match encoded(part, value) {
            Ok(body) => Self::put_bytes(part, id, &body),
            Err(error) => Self { key: part.key(id), value: Err(error) },
        }
    }

    pub fn put_bytes(part: Part, id: &[u8], body: &[u8]) -> Self {
        Self { key: part.key(id), value: Ok(Some([&[part.version], body].concat())) }
    }

    pub fn delete(part: Part, id: &[u8]) -> Self {
        Self { key: part.key(id), value: Ok(None) }
    }

    /// Saves what there is under an id, or that there is nothing any more.
    pub fn save<T: Serialize>(part: Part, id: &[u8], value: Option<&T>) -> Self {
        value.map_or_else(|| Self::delete(part, id), |value| Self::put(part, id, value))
    }

    /// What will be read back, unless the row is deleted.
    #[cfg(test)]
    pub(crate) fn row(&self) -> Option<StateRow<'_>> {
        let value = self.value.as_ref().expect("it can be written").as_deref()?;
        Some(StateRow::open(&self.key, value).expect("it can be read"))
    }
}

/// A value as JSON, for a row or a part of one.
pub(crate) fn encoded<T: Serialize>(part: Part, value: &T) -> Result<Vec<u8>, Unwritable> {
    serde_json::to_vec(value).map_err(|why| Unwritable { part: part.name, why: why.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn parts_are_told_apart() {
        let prefixes: BTreeSet<u8> = PARTS.iter().map(|part| part.prefix).collect();
        let names: BTreeSet<&str> = PARTS.iter().map(|part| part.name).collect();
        assert_eq!((prefixes.len(), names.len()), (PARTS.len(), PARTS.len()));
        assert!(PARTS.into_iter().all(|part| Part::of(&part.key(b"x")) == Some(part)));
        const { assert!(DECLARED.prefix < WINDOWS.prefix, "windows are declared before their pages come") };
    }

    #[test]
    fn a_row_is_read_back_or_says_why_not() {
        let op = StateOp::put(APPS, b"A1", &7);
        let row = op.row().unwrap();
        assert_eq!((row.part, row.name(), row.json::<u32>()), (APPS, Ok("A1"), Ok(7)));
        assert_eq!(row.json::<String>().unwrap_err().part, "apps");
        for (key, value, why) in [
            (&op.key[..], &b"\x09{}"[..], "version 9"),
            (&op.key, b"", "empty"),
            (b"\xff", b"\x01{}", "no part"),
            (b"", b"\x01{}", "no part"),
        ] {
            let forgotten = StateRow::open(key, value).unwrap_err();
            assert!(forgotten.to_string().contains(why) && forgotten.key == key, "{forgotten}");
        }
    }

    #[test]
    fn what_cant_be_serialised_is_no_empty_row() {
        let no_json = BTreeMap::from([(vec![1], 1)]);
        assert!(StateOp::put(APPS, b"A1", &no_json).value.is_err());
        assert_eq!(StateOp::save(APPS, b"A1", None::<&u32>).value, Ok(None));
    }
}
