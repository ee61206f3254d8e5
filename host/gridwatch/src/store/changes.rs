//! Changes: what one commit writes, and how much there is of each kind of rows afterwards.
//!
//! sled opens a file whose end is missing as if it were whole, without the rows that were there. So each commit also says how many rows
//! of each kind there are, and the exclusive or of a hash of each: what is read later is compared with that, and what is missing is damage.
//! The hash is made of a row's own checksum, so a row that came back as it was earlier shows as well.

use super::rows::{COMMITS, Kind, SUMS};
use super::{Damaged, Rows};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// What a commit writes, in the order of keys: then rows that lie beside each other are written one after another. Of one key the last word
/// counts.
#[derive(Debug, Default)]
pub(super) struct Changes {
    rows: BTreeMap<Vec<u8>, Change>,
}

#[derive(Debug)]
enum Change {
    /// There is no row under this key yet.
    New(Vec<u8>),
    Put(Vec<u8>),
    Gone,
    /// Gone if it still can't be read: somebody may have written it anew since.
    Forgotten,
}

impl Changes {
    pub(super) fn insert(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.rows.insert(key.into(), Change::Put(value.into()));
    }

    /// Where it is known that there is no such row yet: looking for one takes about as long as writing it.
    pub(super) fn insert_new(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.rows.insert(key.into(), Change::New(value.into()));
    }

    pub(super) fn remove(&mut self, key: impl Into<Vec<u8>>) {
        self.rows.insert(key.into(), Change::Gone);
    }

    /// Of a row that couldn't be read, and of which that was told.
    pub(super) fn forget(&mut self, key: impl Into<Vec<u8>>) {
        self.rows.insert(key.into(), Change::Forgotten);
    }
}

/// How many rows, and the exclusive or of their hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) count: u64,
    hash: u64,
}

impl Tally {
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.count = self.count.wrapping_add(1);
        self.hash ^= hash(key, value);
    }

    fn take(&mut self, key: &[u8], value: &[u8]) {
        self.count = self.count.wrapping_sub(1);
        self.hash ^= hash(key, value);
    }
}

/// Of each kind of rows, by its letter; a row of its own for each organization.
pub(super) type Tallies = BTreeMap<char, Tally>;

/// A row begins with the checksum of its key and all else; those that are keys alone have none.
fn hash(key: &[u8], value: &[u8]) -> u64 {
    let sum = value.first_chunk().map_or_else(|| crc32fast::hash(key), |sum| u32::from_le_bytes(*sum));
    let mut x = u64::from(sum).wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// The organization's prefix, and the letter of the kind.
fn family(key: &[u8]) -> (&[u8], char) {
    let prefix = match key.first() {
        Some(b'@') => key.iter().position(|b| *b == b'/').map_or(0, |slash| slash + 1),
        _ => 0,
    };
    (&key[..prefix], key.get(prefix).copied().unwrap_or_default().into())
}

#[expect(clippy::disallowed_methods, reason = "the log says how long a commit took; nothing depends on it")]
fn now() -> Instant {
    Instant::now()
}

impl Rows {
    /// The one way anything is written: all of it, on disk, or an error after which the process must not go on.
    pub(super) fn commit(&self, changes: Changes) -> Result<()> {
        let _pass = self.gate.pass();
        let began = now();
        let number = {
            // In the order in which they are applied, for each says how much there is after it.
            let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
            let (mut batch, mut touched) = (sled::Batch::default(), BTreeMap::<Vec<u8>, Tallies>::new());
            let mut unreadable = self.unreadable();
            for (key, change) in changes.rows {
                let is_unreadable = unreadable.rows.remove(&key);
                let change = match change {
                    Change::Forgotten if is_unreadable => Change::Gone,
                    Change::Forgotten => continue,
                    change => change,
                };
                let (prefix, letter) = family(&key);
                if letter != 'm' {
                    let known = || tallies.get(prefix).cloned().unwrap_or_default();
                    let tally = touched.entry(prefix.to_vec()).or_insert_with(known).entry(letter).or_default();
                    if !matches!(change, Change::New(_))
                        && let Some(old) = self.db.get(&key)?
                    {
                        tally.take(&key, &old);
                    }
                    if let Change::New(value) | Change::Put(value) = &change {
                        tally.add(&key, value);
                    }
                }
                match change {
                    Change::New(value) | Change::Put(value) => batch.insert(key, value),
                    Change::Gone | Change::Forgotten => batch.remove(key),
                }
            }
            drop(unreadable);
            for (prefix, changed) in &touched {
                let key = [&prefix[..], &SUMS.key(&[])].concat();
                batch.insert(&*key, SUMS.seal_json(&key, changed)?);
            }
            let number = self.commits.fetch_add(1, Ordering::Relaxed) + 1;
            let key = COMMITS.key(&[]);
            batch.insert(&*key, COMMITS.seal(&key, &number.to_be_bytes()));
            self.db.apply_batch(batch).context("can't write to the store")?;
            tallies.extend(touched);
            number
        };
        self.db.flush().context("can't sync the store")?;
        self.committed(number)?;
        tracing::debug!(number, took_us = began.elapsed().as_micros() as u64, "committed");
        Ok(())
    }

    /// Reads how much there is of each kind, under an organization's prefix.
    pub(super) fn load_tallies(&self, prefix: &[u8]) -> Result<()> {
        let saved = self.get(SUMS, &[prefix, &SUMS.key(&[])].concat())?.unwrap_or_default();
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner).insert(prefix.to_vec(), saved);
        Ok(())
    }

    /// Are all rows of a kind there that were saved?
    pub(super) fn check_tally(&self, prefix: &[u8], kind: Kind, found: Tally) -> Result<()> {
        let tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let saved = tallies.get(prefix).and_then(|tallies| tallies.get(&kind.letter())).copied().unwrap_or_default();
        if saved == found {
            return Ok(());
        }
        let what = match saved.count == found.count {
            true => format!("{} are not those that were saved", kind.name),
            false => format!("there are {} {}, and {} were saved", found.count, kind.name, saved.count),
        };
        Err(Damaged(what).into())
    }

    /// The same, for a kind that is read for this alone.
    pub(super) fn check_kind(&self, prefix: &[u8], kind: Kind) -> Result<()> {
        let mut found = Tally::default();
        for row in self.db.scan_prefix([prefix, &kind.key(&[])].concat()) {
            let (key, value) = row?;
            found.add(&key, &value);
        }
        self.check_tally(prefix, kind, found)
    }
}
