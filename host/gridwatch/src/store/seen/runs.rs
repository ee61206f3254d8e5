//! Runs: what was seen, as rows of some entries each.
//!
//! ```text
//! k number (4)    day last seen (4), then of each entry: identity (16) · time it counts as of (8) · what of it and how many versions (1)
//!                 · versions: bytes (16) · meaning (16) · act (16)
//! ```
//!
//! Numbers rise, and a run is never written again: what changes of an entry goes into another run, and the newest one that has it counts. A run is
//! removed as a whole, a horizon after its day. All runs are read before the first question is answered, for which of them has which entries is
//! kept in memory: so a run that is missing or can't be read is found before anything is taken for new.

use super::index::Index;
use super::{Identity, REFRESH_DAYS, Row, UNLEARNED, VERSION_BYTES, day_of, versions};
use crate::store::changes::{Changes, Tally};
use crate::store::rows::SEEN;
use crate::store::{Damaged, OrgStore, SWEEP};
use anyhow::Result;
use gridwatch_event::range::Range;
use gridwatch_event::time::UnixSeconds;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{MutexGuard, PoisonError};

/// Entries of a run.
const RUN: usize = 64;
/// Runs that are held while a page is looked through: one that is read again has its entries in few.
const HELD: usize = 64;

/// Which runs there are, and which entries may be in them.
#[derive(Debug, Default)]
pub struct Known {
    /// All runs were read.
    is_read: bool,
    index: Index,
    /// Day and number of each run.
    runs: BTreeSet<(u32, u32)>,
    next: u32,
}

/// Runs on their way into a batch, with the day and the entries of each.
#[derive(Debug, Default)]
#[must_use = "they are known when they are kept"]
pub(in crate::store) struct Noted(Vec<(u32, u32, Vec<Identity>)>);

impl Known {
    fn add(&mut self, run: u32, day: u32, identities: impl IntoIterator<Item = Identity>) {
        identities.into_iter().for_each(|identity| self.index.add(&identity, run));
        self.runs.insert((day, run));
        self.next = self.next.max(run.saturating_add(1));
    }

    fn remove(&mut self, run: u32, day: u32, identities: impl IntoIterator<Item = Identity>) {
        identities.into_iter().for_each(|identity| self.index.remove(&identity, run));
        self.runs.remove(&(day, run));
    }
}

/// Looks up what was seen of entries.
pub(super) struct Look<'s> {
    store: &'s OrgStore,
    known: &'s Known,
    held: HashMap<u32, Box<[u8]>>,
}

impl<'s> Look<'s> {
    pub(super) fn new(store: &'s OrgStore, known: &'s Known) -> Self {
        Self { store, known, held: HashMap::new() }
    }

    /// What is known under an identity.
    pub(super) fn find(&mut self, identity: &Identity) -> Result<Option<Row>> {
        for run in self.known.index.runs_of(identity) {
            if !self.held.contains_key(&run) {
                if self.held.len() >= HELD {
                    self.held.clear();
                }
                self.held.insert(run, self.store.run_of_seen(run)?);
            }
            let body = self.held.get(&run).map(|body| &**body).unwrap_or_default();
            if let Some(row) = found(body, identity).ok_or_else(odd)? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }
}

fn odd() -> Damaged {
    Damaged("entries seen aren't what was saved".into())
}

impl OrgStore {
    /// What is known. The first time, all runs are read for it.
    ///
    /// # Errors
    /// They aren't all there, or one can't be read.
    pub(in crate::store) fn known(&self) -> Result<MutexGuard<'_, Known>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.is_read {
            *known = self.read_known()?;
        }
        Ok(known)
    }

    fn read_known(&self) -> Result<Known> {
        let (mut known, mut tally) = (Known { is_read: true, ..Known::default() }, Tally::default());
        for row in self.scan(SEEN) {
            let (key, value) = row?;
            tally.add(&key, &value);
            let number = self.rest(SEEN, &key).try_into().map_err(|_| odd())?;
            let (day, entries) = begun(SEEN.open(&key, &value).map_err(Damaged::from)?).ok_or_else(odd)?;
            let identities = Entries(entries).map(|entry| entry.map(|(identity, _)| identity));
            known.add(u32::from_be_bytes(number), day, identities.collect::<Option<Vec<_>>>().ok_or_else(odd)?);
        }
        self.rows.check_tally(&self.prefix, SEEN, tally)?;
        Ok(known)
    }

    /// Puts what was seen of some entries into a batch. To be kept when that is saved.
    pub(in crate::store) fn note_seen<'r>(
        &self,
        batch: &mut Changes,
        rows: impl Iterator<Item = (&'r Identity, &'r Row)>,
    ) -> Result<Noted> {
        let (mut by_day, mut noted) = (BTreeMap::<u32, Vec<(&Identity, &Row)>>::new(), Noted::default());
        for row in rows {
            by_day.entry(row.1.day).or_default().push(row);
        }
        if by_day.is_empty() {
            return Ok(noted);
        }
        let mut known = self.known()?;
        for (day, rows) in by_day {
            for rows in rows.chunks(RUN) {
                let number = known.next;
                known.next = number.checked_add(1).ok_or_else(|| Damaged("numbers of runs are used up".into()))?;
                let mut body = day.to_be_bytes().to_vec();
                rows.iter().for_each(|(identity, row)| write(&mut body, identity, row));
                let key = self.run_key(number);
                let value = SEEN.seal(&key, &body);
                batch.insert_new(key, value);
                noted.0.push((number, day, rows.iter().map(|(identity, _)| **identity).collect()));
            }
        }
        Ok(noted)
    }

    pub(in crate::store) fn keep_seen(&self, noted: Noted) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        noted.0.into_iter().for_each(|(run, day, identities)| known.add(run, day, identities));
    }

    /// Forgets what was last seen before `horizon`, some days later than that and a bounded number at a time; returns how many. What is in a
    /// range that is being walked stays, with the rest of its run, for a walk may begin again.
    ///
    /// # Errors
    /// It can't be read, or not be saved.
    pub fn forget_unseen_since(&self, horizon: UnixSeconds, walked: &[Range]) -> Result<usize> {
        let mut known = self.known()?;
        let end = day_of(horizon.millis()).saturating_sub(REFRESH_DAYS);
        let (mut batch, mut gone, mut looked_at, mut count) = (Changes::default(), Vec::new(), 0, 0);
        for (day, run) in known.runs.range(..(end, 0)).copied() {
            let body = self.run_of_seen(run)?;
            let (_, entries) = begun(&body).ok_or_else(odd)?;
            let entries: Vec<(Identity, &[u8])> = Entries(entries).collect::<Option<_>>().ok_or_else(odd)?;
            looked_at += entries.len();
            let is_walked = |(_, entry): &(Identity, &[u8])| walked.iter().any(|range| range.contains(time_of(entry)));
            if !entries.iter().any(is_walked) {
                batch.remove(self.run_key(run));
                count += entries.len();
                gone.push((run, day, entries.into_iter().map(|(identity, _)| identity).collect::<Vec<_>>()));
            }
            if looked_at >= SWEEP {
                break;
            }
        }
        if !gone.is_empty() {
            self.rows.commit(batch)?;
        }
        gone.into_iter().for_each(|(run, day, identities)| known.remove(run, day, identities));
        Ok(count)
    }

    fn run_key(&self, number: u32) -> Vec<u8> {
        self.key(SEEN, &number.to_be_bytes())
    }

    /// What a run says.
    fn run_of_seen(&self, number: u32) -> Result<Box<[u8]>> {
        let key = self.run_key(number);
        let missing = || Damaged(format!("run {number} of {} is missing", SEEN.name));
        let value = self.rows.db.get(&key)?.ok_or_else(missing)?;
        Ok(SEEN.open(&key, &value).map_err(Damaged::from)?.into())
    }
}

fn write(body: &mut Vec<u8>, identity: &Identity, row: &Row) {
    // Versions are fewer than 128.
    let what = (row.versions.len() as u8) << 1 | if row.is_unlearned { UNLEARNED } else { 0 };
    body.extend_from_slice(identity);
    body.extend_from_slice(&row.time.0.to_be_bytes());
    body.push(what);
    for version in &row.versions {
        body.extend_from_slice(&[version.bytes, version.meaning, version.act].concat());
    }
}

/// The day of a run, and its entries.
fn begun(body: &[u8]) -> Option<(u32, &[u8])> {
    let (day, entries) = body.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*day), entries))
}

/// The entries of a run: identity, and what is said of it. `None` where it isn't what was written.
struct Entries<'b>(&'b [u8]);

impl<'b> Iterator for Entries<'b> {
    type Item = Option<(Identity, &'b [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let next = |bytes: &'b [u8]| {
            let (identity, rest) = bytes.split_first_chunk::<16>()?;
            let (said, rest) = rest.split_at_checked(9 + usize::from(rest.get(8)? >> 1) * VERSION_BYTES)?;
            Some((*identity, said, rest))
        };
        let entry = next(self.0);
        self.0 = entry.map_or(&[], |(_, _, rest)| rest);
        Some(entry.map(|(identity, said, _)| (identity, said)))
    }
}

fn time_of(said: &[u8]) -> UnixSeconds {
    UnixSeconds(said.first_chunk::<8>().map_or(0, |time| u64::from_be_bytes(*time)))
}

/// What a run says of an identity, if it has it. `None` if the run isn't what was written.
fn found(body: &[u8], identity: &Identity) -> Option<Option<Row>> {
    let (day, entries) = begun(body)?;
    for entry in Entries(entries) {
        let (of, said) = entry?;
        if of == *identity {
            let (what, versions_said) = said.get(8..)?.split_first()?;
            let (time, is_unlearned) = (time_of(said), what & UNLEARNED != 0);
            return Some(Some(Row { day, time, is_unlearned, versions: versions(versions_said)? }));
        }
    }
    Some(None)
}
