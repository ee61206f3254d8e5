//! What has been seen: under each entry's identity, the versions of it that were delivered.
//!
//! Bytes are compared first, for most of what is read again is the same to the byte; what an entry says only where they differ. What was
//! seen is kept for as long as the entry is shown, and then for the stated horizon: whatever an entry is dated, and however often a
//! page brings it, it is delivered once.
//!
//! Those that a page changes are saved together, in [`runs`]: a row for each entry would cost more than all else that is done with it. A run
//! isn't written again; what changes of an entry goes into a new one, and the newest that has it counts. Which run may have an entry is
//! known in memory ([`index`]), and what it says is read from the run itself.
//!
//! A version whose meaning isn't known (zeros) comes from a store of layout 2, which kept hashes of bytes alone: the first time that
//! other bytes come under such an id, they are taken for the same entry. Some may be a change that is missed; the alternative is to
//! deliver weeks of entries again.

use super::OrgStore;
use super::changes::Changes;
use anyhow::Result;
use gridwatch_event::entry::{Entry, Mark};
use gridwatch_event::json;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use runs::{Look, Noted};
use std::collections::HashMap;

mod index;
pub(super) mod runs;

/// Versions of one id that are told apart. More has no honest source, and would be a way to fill the disk.
pub const MAX_VERSIONS: usize = 16;
const DAY_MS: u64 = 86_400_000;
/// What is shown again within so many days isn't written again for it. For the same, all is kept for so many days longer than is stated.
const REFRESH_DAYS: u32 = 4;

/// Is an entry new?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sighting {
    New,
    /// The same bytes as before.
    Again,
    /// Other bytes that say the same.
    Respelled,
    /// Other bytes than those that layout 2 knew: taken for the same, once.
    Adopted,
    /// Delivered before by a store of an older layout, and shown again for the first time since: judged once more, for what the
    /// rules remember, and delivered to nobody.
    Relearned,
    /// Says something else than all before: delivered as this version of its id.
    Version {
        number: u32,
        other_act: bool,
    },
    /// Says something else than [`MAX_VERSIONS`] before: not delivered, but counted.
    TooMany,
}

impl Sighting {
    /// Do sinks get it?
    pub fn is_delivered(self) -> bool {
        matches!(self, Self::New | Self::Version { .. })
    }

    /// Do the rules?
    pub fn is_judged(self) -> bool {
        self.is_delivered() || self == Self::Relearned
    }
}

/// An entry of a page.
#[derive(Debug)]
pub struct Arrival<'e> {
    pub entry: &'e Entry,
    pub sighting: Sighting,
    /// See [`Entry::counts_as`].
    pub counts_as: Option<UnixSeconds>,
}

/// The entries of a page, and the rows that their being seen changes.
#[derive(Debug, Default)]
pub struct Arrivals<'e> {
    pub each: Vec<Arrival<'e>>,
    /// In the order in which the page first has them, and where each is.
    changes: Vec<Change>,
    places: HashMap<Identity, usize>,
}

pub(super) type Identity = [u8; 16];

#[derive(Debug)]
struct Change {
    identity: Identity,
    row: Row,
    is_changed: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) day: u32,
    pub(super) time: UnixSeconds,
    /// The rules don't remember it: see [`Sighting::Relearned`].
    pub(super) is_unlearned: bool,
    pub(super) versions: Vec<Version>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) bytes: [u8; 16],
    meaning: [u8; 16],
    act: [u8; 16],
}

const UNKNOWN: [u8; 16] = [0; 16];
/// Of which nothing is known but that there was one.
pub(super) const UNREADABLE: Version = Version { bytes: UNKNOWN, meaning: UNKNOWN, act: UNKNOWN };
/// What of an entry: the rules don't remember it.
const UNLEARNED: u8 = 1;

impl Version {
    pub(super) fn of(entry: &Entry) -> Self {
        let says = entry.says();
        Self { bytes: entry.content_hash(), meaning: says.meaning, act: says.act }
    }

    /// Of which only the bytes are known.
    pub(super) fn of_bytes(bytes: [u8; 16]) -> Self {
        Self { bytes, meaning: UNKNOWN, act: UNKNOWN }
    }
}
const VERSION_BYTES: usize = 48;

impl Row {
    fn see(&mut self, entry: &Entry) -> Sighting {
        let sighting = self.compare(entry);
        match sighting {
            Sighting::Again | Sighting::Respelled | Sighting::Adopted if std::mem::take(&mut self.is_unlearned) => {
                Sighting::Relearned
            }
            _ => sighting,
        }
    }

    fn compare(&mut self, entry: &Entry) -> Sighting {
        let bytes = entry.content_hash();
        if self.versions.iter().any(|version| version.bytes == bytes) {
            return Sighting::Again;
        }
        let says = entry.says();
        let version = Version { bytes, meaning: says.meaning, act: says.act };
        if self.versions.iter().any(|known| known.meaning == version.meaning) {
            return Sighting::Respelled;
        }
        if let Some(known) = self.versions.iter_mut().find(|known| known.meaning == UNKNOWN) {
            let bytes = if known.bytes == UNKNOWN { bytes } else { known.bytes };
            *known = Version { bytes, ..version };
            return Sighting::Adopted;
        }
        if self.versions.len() >= MAX_VERSIONS {
            return Sighting::TooMany;
        }
        let other_act = self.versions.iter().all(|known| known.act != version.act);
        self.versions.push(version);
        match self.versions.len() {
            1 => Sighting::New,
            number => Sighting::Version { number: number as u32, other_act },
        }
    }

    /// As layouts 4 and 5 of the store wrote it.
    pub(super) fn of_layout_4(bytes: &[u8]) -> Option<Self> {
        let (day, rest) = bytes.split_first_chunk::<4>()?;
        let (time, rest) = rest.split_first_chunk::<8>()?;
        let (what, rest) = rest.split_first()?;
        let is_unlearned = what & UNLEARNED != 0;
        let (day, time) = (u32::from_be_bytes(*day), UnixSeconds(u64::from_be_bytes(*time)));
        Some(Self { day, time, is_unlearned, versions: versions(rest)? })
    }

    /// Takes in a version that was delivered, as far as there is room.
    pub(super) fn add(&mut self, version: Version) {
        if self.versions.len() < MAX_VERSIONS && self.versions.iter().all(|known| known.bytes != version.bytes) {
            self.versions.push(version);
        }
    }

    /// As layout 3 of the store wrote it.
    pub(super) fn of_layout_3(bytes: &[u8]) -> Option<Self> {
        let (day, rest) = bytes.split_first_chunk::<4>()?;
        let (time, rest) = rest.split_first_chunk::<8>()?;
        let (day, time) = (u32::from_be_bytes(*day), UnixSeconds(u64::from_be_bytes(*time)));
        Some(Self { day, time, is_unlearned: false, versions: versions(rest)? })
    }
}

fn versions(bytes: &[u8]) -> Option<Vec<Version>> {
    let version = |bytes: &[u8]| {
        let (hash, rest) = bytes.split_first_chunk::<16>()?;
        let (meaning, act) = rest.split_first_chunk::<16>()?;
        Some(Version { bytes: *hash, meaning: *meaning, act: act.try_into().ok()? })
    };
    bytes.chunks(VERSION_BYTES).map(version).collect()
}

impl Arrivals<'_> {
    /// What a page changes, for the batch that its entries are saved in. To be kept when that is saved.
    pub(super) fn put(&self, batch: &mut Changes, store: &OrgStore) -> Result<Noted> {
        let changed = self.changes.iter().filter(|change| change.is_changed);
        store.note_seen(batch, changed.map(|change| (&change.identity, &change.row)))
    }
}

pub(super) fn identity_of(entry: &Entry) -> Identity {
    json::hash(entry.identity().as_bytes())
}

pub(super) fn day_of(time: UnixMillis) -> u32 {
    u32::try_from(time.0 / DAY_MS).unwrap_or(u32::MAX)
}

impl OrgStore {
    /// Which of a page's entries are new. Two of one identity in one page are told apart here, too.
    ///
    /// # Errors
    /// What was seen isn't all there, or can't be read.
    pub fn arrivals<'e>(
        &self,
        entries: &'e [Entry],
        now: UnixMillis,
        counts_as: impl Fn(&Entry) -> Option<UnixSeconds>,
    ) -> Result<Arrivals<'e>> {
        let (today, mut arrivals) = (day_of(now), Arrivals::default());
        if entries.is_empty() {
            return Ok(arrivals);
        }
        let known = self.known()?;
        let mut look = Look::new(self, &known);
        for entry in entries {
            let identity = identity_of(entry);
            let place = match arrivals.places.get(&identity) {
                Some(place) => *place,
                None => {
                    let row = row_of(&mut look, entry, &identity)?;
                    arrivals.changes.push(Change { identity, row, is_changed: false });
                    arrivals.places.insert(identity, arrivals.changes.len() - 1);
                    arrivals.changes.len() - 1
                }
            };
            let change = &mut arrivals.changes[place];
            let (counts_as, versions) = (counts_as(entry), change.row.versions.len());
            let sighting = change.row.see(entry);
            if versions == 0 {
                change.row.time = counts_as.or(entry.time).unwrap_or_default();
            }
            change.is_changed |= change.row.day.saturating_add(REFRESH_DAYS) <= today
                || sighting.is_judged()
                || sighting == Sighting::Adopted;
            if change.is_changed {
                change.row.day = change.row.day.max(today);
            }
            arrivals.each.push(Arrival { entry, sighting, counts_as });
        }
        Ok(arrivals)
    }

    /// What is known under an identity.
    pub(super) fn seen(&self, identity: &Identity) -> Result<Option<Row>> {
        let known = self.known()?;
        Look::new(self, &known).find(identity)
    }
}

/// What is known of an entry; an empty row of a new one.
fn row_of(look: &mut Look<'_>, entry: &Entry, identity: &Identity) -> Result<Row> {
    if let Some(row) = look.find(identity)? {
        return Ok(row);
    }
    // Layout 2 knew it by its bytes.
    let before = match entry.marks.contains(&Mark::NoId) {
        true => look.find(&json::hash(entry.id().as_bytes()))?,
        false => None,
    };
    Ok(before.unwrap_or_default())
}

#[cfg(test)]
mod tests;
