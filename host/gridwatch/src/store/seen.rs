//! What has been seen: under each entry's identity, the versions of it that were delivered.
//!
//! Bytes are compared first, for most of what is read again is the same to the byte; what an entry says only where they differ. A
//! row is kept for as long as the entry is shown, and then for the stated horizon: whatever an entry is dated, and however often a
//! page brings it, it is delivered once.
//!
//! ```text
//! v identity (16)          day last seen (4) · time it counts as of (8) · versions: bytes (16) · meaning (16) · act (16)
//! d day (4) · identity     nothing; finds what is to be forgotten
//! ```
//!
//! Layout 2 kept one hash of bytes under `i` time (8) · hash of the id (16). Those rows become rows of ours when the store is opened,
//! with a version whose meaning isn't known (zeros): the first time that other bytes come under such an id, they are taken for the
//! same entry. Some may be a change that is missed; the alternative is to deliver weeks of entries again.

use super::{Damaged, SWEEP, Store, number};
use anyhow::Result;
use gridwatch_event::entry::{Entry, Mark};
use gridwatch_event::json;
use gridwatch_event::range::Range;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use std::collections::HashMap;

/// Versions of one id that are told apart. More has no honest source, and would be a way to fill the disk.
pub const MAX_VERSIONS: usize = 16;
const DAY_MS: u64 = 86_400_000;

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
    /// Says something else than all before: delivered as this version of its id.
    Version {
        number: u32,
        other_act: bool,
    },
    /// Says something else than [`MAX_VERSIONS`] before: not delivered, but counted.
    TooMany,
}

impl Sighting {
    pub fn is_delivered(self) -> bool {
        matches!(self, Self::New | Self::Version { .. })
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
    rows: HashMap<Identity, Change>,
}

type Identity = [u8; 16];

#[derive(Debug)]
struct Change {
    row: Row,
    /// As the row was saved before.
    day_before: Option<u32>,
    is_changed: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Row {
    day: u32,
    time: UnixSeconds,
    versions: Vec<Version>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    bytes: [u8; 16],
    meaning: [u8; 16],
    act: [u8; 16],
}

const UNKNOWN: [u8; 16] = [0; 16];
const VERSION_BYTES: usize = 48;

impl Row {
    fn see(&mut self, entry: &Entry) -> Sighting {
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
            *known = Version { bytes: known.bytes, ..version };
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

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = [&self.day.to_be_bytes()[..], &self.time.0.to_be_bytes()].concat();
        for version in &self.versions {
            bytes.extend([&version.bytes[..], &version.meaning, &version.act].concat());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let short = || Damaged("a row of what was seen".into());
        let (day, rest) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
        let (time, rest) = rest.split_first_chunk::<8>().ok_or_else(short)?;
        if rest.len() % VERSION_BYTES != 0 {
            return Err(short().into());
        }
        let version = |bytes: &[u8]| {
            let (hash, rest) = bytes.split_first_chunk::<16>()?;
            let (meaning, act) = rest.split_first_chunk::<16>()?;
            Some(Version { bytes: *hash, meaning: *meaning, act: act.try_into().ok()? })
        };
        let versions = rest.chunks_exact(VERSION_BYTES).filter_map(version).collect();
        let (day, time) = (u32::from_be_bytes(*day), UnixSeconds(u64::from_be_bytes(*time)));
        Ok(Self { day, time, versions })
    }
}

impl Arrivals<'_> {
    /// What a page changes, for the batch that its entries are saved in.
    pub(super) fn put(&self, batch: &mut sled::Batch) {
        for (identity, change) in self.rows.iter().filter(|(_, change)| change.is_changed) {
            put(batch, identity, &change.row, change.day_before);
        }
    }
}

fn put(batch: &mut sled::Batch, identity: &Identity, row: &Row, day_before: Option<u32>) {
    batch.insert(row_key(identity), row.to_bytes());
    if day_before != Some(row.day) {
        if let Some(day) = day_before {
            batch.remove(day_key(day, identity));
        }
        batch.insert(day_key(row.day, identity), Vec::<u8>::new());
    }
}

fn row_key(identity: &Identity) -> Vec<u8> {
    [&b"v"[..], identity].concat()
}

fn day_key(day: u32, identity: &Identity) -> Vec<u8> {
    [&b"d"[..], &day.to_be_bytes(), identity].concat()
}

fn day_of(time: UnixMillis) -> u32 {
    u32::try_from(time.0 / DAY_MS).unwrap_or(u32::MAX)
}

impl Store {
    /// Which of a page's entries are new. Two of one identity in one page are told apart here, too.
    pub fn arrivals<'e>(
        &self,
        entries: &'e [Entry],
        now: UnixMillis,
        counts_as: impl Fn(&Entry) -> Option<UnixSeconds>,
    ) -> Result<Arrivals<'e>> {
        let (today, mut arrivals) = (day_of(now), Arrivals::default());
        for entry in entries {
            let identity = json::hash(entry.identity().as_bytes());
            if !arrivals.rows.contains_key(&identity) {
                arrivals.rows.insert(identity, self.change_of(entry, &identity)?);
            }
            let Some(change) = arrivals.rows.get_mut(&identity) else { continue };
            let (counts_as, versions) = (counts_as(entry), change.row.versions.len());
            let sighting = change.row.see(entry);
            if versions == 0 {
                change.row.time = counts_as.or(entry.time).unwrap_or_default();
            }
            let moved = change.row.day < today;
            change.row.day = change.row.day.max(today);
            change.is_changed |= moved || sighting.is_delivered() || sighting == Sighting::Adopted;
            arrivals.each.push(Arrival { entry, sighting, counts_as });
        }
        Ok(arrivals)
    }

    fn change_of(&self, entry: &Entry, identity: &Identity) -> Result<Change> {
        let mut row = self.db.get(row_key(identity))?;
        if row.is_none() && entry.marks.contains(&Mark::NoId) {
            // Layout 2 knew it by its bytes.
            row = self.db.get(row_key(&json::hash(entry.id.as_bytes())))?;
            if let Some(row) = row {
                return Ok(Change { row: Row::from_bytes(&row)?, day_before: None, is_changed: false });
            }
        }
        let Some(row) = row else { return Ok(Change { row: Row::default(), day_before: None, is_changed: false }) };
        let row = Row::from_bytes(&row)?;
        Ok(Change { day_before: Some(row.day), row, is_changed: false })
    }

    /// Forgets what was last seen before `horizon`, a bounded number at a time; returns how many. What is in a range that is being
    /// walked stays, for a walk may begin again.
    pub fn forget_unseen_since(&self, horizon: UnixSeconds, walked: &[Range]) -> Result<usize> {
        let end = [&b"d"[..], &day_of(horizon.millis()).to_be_bytes()].concat();
        let (mut batch, mut count) = (sled::Batch::default(), 0);
        for key in self.db.range(b"d".to_vec()..end).keys() {
            let key = key?;
            let identity: Identity = key[5..].try_into().map_err(|_| Damaged("a day of what was seen".into()))?;
            let row = self.db.get(row_key(&identity))?.map(|row| Row::from_bytes(&row)).transpose()?;
            if row.is_some_and(|row| walked.iter().any(|window| window.contains(row.time))) {
                continue;
            }
            batch.remove(row_key(&identity));
            batch.remove(key);
            count += 1;
            if count == SWEEP {
                break;
            }
        }
        if count > 0 {
            self.commit(batch)?;
        }
        Ok(count)
    }

    /// Turns the rows of layout 2 into ours; returns how many. Killed in the middle, the next start goes on.
    pub(super) fn take_over_layout_2(&self, now: UnixMillis) -> Result<usize> {
        let mut taken = 0;
        loop {
            let (mut rows, mut batch): (HashMap<Identity, Row>, _) = (HashMap::new(), sled::Batch::default());
            for row in self.db.scan_prefix(b"i").take(SWEEP) {
                let (key, content) = row?;
                let old = || Damaged("a row of what layout 2 has seen".into());
                let identity: Identity = key.get(9..).and_then(|id| id.try_into().ok()).ok_or_else(old)?;
                let bytes: [u8; 16] = content.as_ref().try_into().map_err(|_| old())?;
                let row = match rows.entry(identity) {
                    std::collections::hash_map::Entry::Occupied(row) => row.into_mut(),
                    std::collections::hash_map::Entry::Vacant(free) => {
                        let row = self.db.get(row_key(&identity))?.map(|row| Row::from_bytes(&row)).transpose()?;
                        free.insert(row.unwrap_or_default())
                    }
                };
                row.day = day_of(now);
                row.time = UnixSeconds(number(&key[1..]));
                if row.versions.len() < MAX_VERSIONS {
                    row.versions.push(Version { bytes, meaning: UNKNOWN, act: UNKNOWN });
                }
                batch.remove(key);
                taken += 1;
            }
            if rows.is_empty() {
                return Ok(taken);
            }
            rows.iter().for_each(|(identity, row)| put(&mut batch, identity, row, None));
            self.commit(batch)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_794_000_000_000);

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store"), UnixMillis(0)).unwrap();
        (dir, store)
    }

    fn see_at(store: &Store, now: UnixMillis, raw: &[&str]) -> Vec<Sighting> {
        let entries: Vec<Entry> = raw.iter().map(|raw| Entry::from_json(raw)).collect();
        let arrivals = store.arrivals(&entries, now, |_| None).unwrap();
        let mut batch = sled::Batch::default();
        arrivals.put(&mut batch);
        store.commit(batch).unwrap();
        arrivals.each.iter().map(|arrival| arrival.sighting).collect()
    }

    fn see(store: &Store, raw: &str) -> Sighting {
        see_at(store, NOW, &[raw])[0]
    }

    const A: &str = r#"{"id":"a","date_create":1793000000,"action":"user_login","n":1}"#;
    const A_RESPELLED: &str = r#"{ "n":1.0, "action":"user\u005flogin","id":"a","date_create":1793000000,"x":null}"#;
    const B: &str = r#"{"id":"a","date_create":1793000000,"action":"user_login","n":2}"#;
    const OTHER_ACT: &str = r#"{"id":"a","date_create":1793000000,"action":"user_logout","n":2}"#;

    #[test]
    fn an_id_is_delivered_once_for_each_thing_it_says() {
        let (_dir, store) = store();
        let version = |number, other_act| Sighting::Version { number, other_act };
        for (raw, sighting) in [
            (A, Sighting::New),
            (A, Sighting::Again),
            (A_RESPELLED, Sighting::Respelled),
            (B, version(2, false)),
            (A, Sighting::Again),
            (B, Sighting::Again),
            (OTHER_ACT, version(3, true)),
            (A_RESPELLED, Sighting::Respelled),
        ] {
            assert_eq!(see(&store, raw), sighting, "{raw}");
        }
        let (_dir, store) = self::store();
        let all = [A, A_RESPELLED, B, A, B];
        let seen = see_at(&store, NOW, &all);
        let want = [Sighting::New, Sighting::Respelled, version(2, false), Sighting::Again, Sighting::Again];
        assert_eq!(seen, want, "in one page");
    }

    #[test]
    fn without_an_id_an_entry_is_what_it_says() {
        let (_dir, store) = store();
        assert_eq!(see(&store, r#"{"action":"x","n":1}"#), Sighting::New);
        assert_eq!(see(&store, r#"{"n":1,"action":"x"}"#), Sighting::Respelled);
        assert_eq!(see(&store, r#"{"n":2,"action":"x"}"#), Sighting::New);
    }

    #[test]
    fn versions_of_an_id_are_bounded() {
        let (_dir, store) = store();
        let seen: Vec<Sighting> = (0..40).map(|n| see(&store, &format!(r#"{{"id":"a","n":{n}}}"#))).collect();
        assert_eq!(seen.iter().filter(|sighting| sighting.is_delivered()).count(), MAX_VERSIONS);
        assert_eq!(seen[39], Sighting::TooMany);
    }

    #[test]
    fn an_id_is_forgotten_a_horizon_after_it_was_last_seen_whatever_its_date() {
        let (_dir, store) = store();
        let day = |n: u64| UnixMillis(NOW.0 + n * DAY_MS);
        let sweep =
            |n: u64, walked: &[Range]| store.forget_unseen_since(day(n).seconds().minus(14 * 86_400), walked).unwrap();
        let ancient = r#"{"id":"old","date_create":1500000000,"action":"x"}"#;
        assert_eq!(see_at(&store, day(0), &[ancient, A]), [Sighting::New, Sighting::New]);
        for n in 1..30 {
            sweep(n, &[]);
            assert_eq!(see_at(&store, day(n), &[ancient])[0], Sighting::Again, "day {n}");
        }
        assert_eq!(see_at(&store, day(30), &[A])[0], Sighting::New, "not shown for a month");
        assert_eq!(store.db.scan_prefix(b"d").count(), store.db.scan_prefix(b"v").count());
        let walked = Range::new(UnixSeconds(1_499_999_999), UnixSeconds(1_500_000_001)).unwrap();
        assert_eq!((sweep(50, &[walked]), sweep(50, &[])), (1, 1), "a walk may begin again");
        assert_eq!(store.db.scan_prefix(b"v").count(), 0);
    }

    /// Rows as 862a810 wrote them.
    #[test]
    fn a_store_of_layout_2_delivers_nothing_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let no_id = r#"{"date_create":1793000000,"action":"user_login"}"#;
        {
            let db = sled::open(&path).unwrap();
            db.insert(b"mformat", b"2").unwrap();
            for raw in [A, no_id] {
                let entry = Entry::from_json(raw);
                let key = [&b"i"[..], &1_793_000_000_u64.to_be_bytes(), &json::hash(entry.id.as_bytes())].concat();
                db.insert(key, &json::hash(raw.as_bytes())).unwrap();
            }
            db.flush().unwrap();
        }
        let store = Store::open(&path, UnixMillis(0)).unwrap();
        assert_eq!((see(&store, A), see(&store, no_id)), (Sighting::Again, Sighting::Again));
        assert_eq!(see(&store, A_RESPELLED), Sighting::Adopted);
        assert_eq!((see(&store, A_RESPELLED), see(&store, A)), (Sighting::Respelled, Sighting::Again));
        assert_eq!(see(&store, B), Sighting::Version { number: 2, other_act: false });
        assert_eq!(store.db.scan_prefix(b"i").count(), 0);
        drop(store);
        assert_eq!(see(&Store::open(&path, UnixMillis(0)).unwrap(), A), Sighting::Again);
    }
}
