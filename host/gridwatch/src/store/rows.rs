//! Rows: how the store's keys are made, and what a value is wrapped in. Nobody else makes a key.
//!
//! ```text
//! value:  CRC-32 of the key and of what follows (4) · version of its kind (1) · what is saved
//! ```
//!
//! sled checks its pages as it reads them from disk, but not what a page said in memory, nor what another program wrote; and JSON
//! with a wrong digit is still JSON. So each row says for itself whether it is what was saved.

use super::Damaged;
use anyhow::{Context, Result};
use gridwatch_rules::state::Forgotten;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// One kind of rows. Their keys begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// What they are, in the plural.
    pub name: &'static str,
    begins: &'static [u8],
    /// To be raised when they are written otherwise.
    version: u8,
}

const fn kind(begins: &'static [u8], version: u8, name: &'static str) -> Kind {
    Kind { name, begins, version }
}

pub const LEDGER: Kind = kind(b"l", 1, "ranges read");
/// What was seen of some entries: see [`super::seen`].
pub const SEEN: Kind = kind(b"k", 1, "entries seen");
/// Where in the archive entries are that wait: see [`super::pending`].
pub const PENDING: Kind = kind(b"p", 3, "entries that wait");
/// What the rules remember: see [`gridwatch_rules::state`], whose keys and values these hold.
pub const RULES: Kind = kind(b"t", 1, "rule state");
/// By the number of the first, some records that were made together: see [`super::outbox`].
pub const OUTBOX: Kind = kind(b"o", 2, "records to deliver");
pub const POSITIONS: Kind = kind(b"s", 1, "positions of sinks");
pub const WANTING: Kind = kind(b"e", 1, "alerts to ask Slack about");
pub const FAULTS: Kind = kind(b"f", 1, "faults of modules");
/// By the sequence number from which on it holds: see [`super::judges`].
pub const JUDGES: Kind = kind(b"j", 1, "who judged");

// Rows that there is one of.
pub const POLL: Kind = kind(b"mpoll", 1, "the state of polling");
pub const RELEASED: Kind = kind(b"mreleased", 1, "what is released to the rules");
/// How far the logs go: entries and their order, an organization's own, and alerts.
pub const ENTRIES: Kind = kind(b"mentries", 1, "the end of the entries");
pub const ORDER: Kind = kind(b"morder", 1, "the end of the order of events");
/// Numbers of events that stand for nothing, since a store was lost.
pub const SKIPPED: Kind = kind(b"mskipped", 1, "numbers of events that were skipped");
pub const ALERTS: Kind = kind(b"malerts", 1, "the end of the history of alerts");
/// How many rows of each kind there are: see [`super::changes`].
pub const SUMS: Kind = kind(b"msums", 1, "the number of rows");
pub const NEXT_RECORD: Kind = kind(b"mnext_record", 1, "the next record number");
pub const BEGUN: Kind = kind(b"mbegun", 1, "how the store was begun");
pub const LATE: Kind = kind(b"mlate", 1, "the histogram of lateness");
pub const DRIFT: Kind = kind(b"mdrift", 1, "what was seen of Slack's catalogue");
pub const ROSTER: Kind = kind(b"mroster", 1, "who had a second factor");
pub const RHYTHMS: Kind = kind(b"mrhythms", 1, "what the log usually has in an hour");
pub const MONITORED: Kind = kind(b"mmonitored", 1, "what was told of troubles");
pub const CHAIN: Kind = kind(b"mchain", 1, "the chain of heartbeats");
pub const AUDIT: Kind = kind(b"maudit", 1, "the end of the audit trail");
pub const TOLD: Kind = kind(b"mtold", 1, "what was told of exceptions");

/// How many commits there were: see [`super::changes`].
pub const COMMITS: Kind = kind(b"mcommits", 1, "the number of commits");

// Rows of layout 5: see [`super::layout_5`].
/// Under each entry's identity, what was seen of it.
pub const SEEN_5: Kind = kind(b"v", 1, "entries seen");
/// By day, some identities.
pub const SEEN_ON_5: Kind = kind(b"d", 2, "days of entries seen");

/// Says which layout all of this is. Not wrapped, so that every version can read it.
pub const FORMAT_KEY: &[u8] = b"mformat";

/// What the keys of an organization with a name begin with. No kind of row begins so.
pub fn prefix(org: &str) -> Vec<u8> {
    format!("@{org}/").into_bytes()
}

const SUM_BYTES: usize = 4;

impl Kind {
    pub fn key(self, rest: &[u8]) -> Vec<u8> {
        [self.begins, rest].concat()
    }

    /// What the keys of its kind begin with.
    pub fn letter(self) -> char {
        self.begins.first().copied().unwrap_or_default().into()
    }

    /// What sets a key apart from the others of its kind.
    pub fn rest(self, key: &[u8]) -> &[u8] {
        key.strip_prefix(self.begins).unwrap_or_default()
    }

    /// The value to save under a key.
    pub fn seal(self, key: &[u8], body: &[u8]) -> Vec<u8> {
        let sum = sum(key, &[&[self.version], body]);
        [&sum[..], &[self.version], body].concat()
    }

    /// # Errors
    /// It can't be serialised; nothing that belongs to it may be saved either.
    pub fn seal_json<T: Serialize>(self, key: &[u8], value: &T) -> Result<Vec<u8>> {
        let body = serde_json::to_vec(value).with_context(|| format!("{} can't be written", self.name))?;
        Ok(self.seal(key, &body))
    }

    /// What was saved.
    ///
    /// # Errors
    /// The row isn't what was saved, or of another version.
    pub fn open<'v>(self, key: &[u8], value: &'v [u8]) -> Result<&'v [u8], Forgotten> {
        let Some((found, rest)) = value.split_first_chunk::<SUM_BYTES>() else {
            return Err(self.forgotten(key, "it is too short"));
        };
        if sum(key, &[rest]) != *found {
            return Err(self.forgotten(key, "it isn't what was saved (its checksum is wrong)"));
        }
        match rest.split_first() {
            Some((version, body)) if *version == self.version => Ok(body),
            Some((other, _)) => {
                let why = format!("it is of version {other}, and this gridwatch reads version {}", self.version);
                Err(self.forgotten(key, why))
            }
            None => Err(self.forgotten(key, "it is empty")),
        }
    }

    /// # Errors
    /// As for [`Kind::open`], or it is no such thing.
    pub fn open_json<T: DeserializeOwned>(self, key: &[u8], value: &[u8]) -> Result<T, Forgotten> {
        serde_json::from_slice(self.open(key, value)?).map_err(|why| self.forgotten(key, why))
    }

    pub fn forgotten(self, key: &[u8], why: impl ToString) -> Forgotten {
        Forgotten { part: self.name, key: key.to_vec(), why: why.to_string() }
    }
}

/// A row without which the store can't be used.
impl From<Forgotten> for Damaged {
    fn from(forgotten: Forgotten) -> Self {
        Self(format!("{forgotten} (key {})", shown(&forgotten.key)))
    }
}

/// What is in a value, of whatever kind and version; `None` if it isn't what was saved.
pub(super) fn unsealed<'v>(key: &[u8], value: &'v [u8]) -> Option<&'v [u8]> {
    let (found, rest) = value.split_first_chunk::<SUM_BYTES>()?;
    let (_, body) = rest.split_first()?;
    (sum(key, &[rest]) == *found).then_some(body)
}

/// A key as a person reads it: its text as far as it is one, and its bytes.
pub fn shown(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}

fn sum(key: &[u8], rest: &[&[u8]]) -> [u8; SUM_BYTES] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    rest.iter().for_each(|bytes| hasher.update(bytes));
    hasher.finalize().to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_what_was_saved_under_its_key_or_says_that_it_is_not() {
        let key = OUTBOX.key(b"1");
        let sealed = OUTBOX.seal_json(&key, &123).unwrap();
        assert_eq!(OUTBOX.open_json::<u32>(&key, &sealed), Ok(123));
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut flipped = sealed.clone();
                flipped[at] ^= 1 << bit;
                let forgotten = OUTBOX.open(&key, &flipped).unwrap_err();
                assert!(forgotten.why.contains("checksum"), "{forgotten}");
            }
        }
        assert!(OUTBOX.open(&OUTBOX.key(b"2"), &sealed).is_err(), "nor under another key");
        assert!((0..sealed.len()).all(|end| OUTBOX.open(&key, &sealed[..end]).is_err()));
        let newer = Kind { version: 9, ..OUTBOX }.seal(&key, b"1");
        assert!(OUTBOX.open(&key, &newer).unwrap_err().why.contains("version 9"));
    }
}
