//! What has been seen: under each entry's identity, the versions of it that were delivered.
//!
//! Bytes are compared first, for most of what is read again is the same to the byte; what an entry says only where they differ. A
//! row is kept for as long as the entry is shown, and then for the stated horizon: whatever an entry is dated, and however often a
//! page brings it, it is delivered once.
//!
//! ```text
//! v identity (16)          day last seen (4) · time it counts as of (8) · what of it (1) · versions: bytes (16) · meaning (16) · act (16)
//! d day (4) · identity     nothing; finds what is to be forgotten
//! ```
//!
//! A version whose meaning isn't known (zeros) comes from a store of layout 2, which kept hashes of bytes alone: the first time that
//! other bytes come under such an id, they are taken for the same entry. Some may be a change that is missed; the alternative is to
//! deliver weeks of entries again. For the same reason, an entry whose row can't be read is taken for one that was delivered.

use super::changes::Changes;
use super::rows::{SEEN, SEEN_ON};
use super::{Damaged, OrgStore, SWEEP};
use anyhow::Result;
use gridwatch_event::entry::{Entry, Mark};
use gridwatch_event::json;
use gridwatch_event::range::Range;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_rules::state::Forgotten;
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
    rows: HashMap<Identity, Change>,
}

pub(super) type Identity = [u8; 16];

#[derive(Debug)]
struct Change {
    row: Row,
    /// As the row was saved before.
    day_before: Option<u32>,
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
        let what = if self.is_unlearned { UNLEARNED } else { 0 };
        let mut bytes = [&self.day.to_be_bytes()[..], &self.time.0.to_be_bytes(), &[what]].concat();
        for version in &self.versions {
            bytes.extend([&version.bytes[..], &version.meaning, &version.act].concat());
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
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

    fn open(key: &[u8], value: &[u8]) -> Result<Self, Forgotten> {
        let row = Self::from_bytes(SEEN.open(key, value)?);
        row.ok_or_else(|| SEEN.forgotten(key, "it has another length"))
    }

    pub(super) fn put(&self, batch: &mut Changes, store: &OrgStore, identity: &Identity, day_before: Option<u32>) {
        let key = store.key(SEEN, identity);
        batch.insert(&*key, SEEN.seal(&key, &self.to_bytes()));
        if day_before != Some(self.day) {
            if let Some(day) = day_before {
                batch.remove(store.day_key(day, identity));
            }
            batch.insert(store.day_key(self.day, identity), Vec::<u8>::new());
        }
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
    /// What a page changes, for the batch that its entries are saved in.
    pub(super) fn put(&self, batch: &mut Changes, store: &OrgStore) {
        for (identity, change) in self.rows.iter().filter(|(_, change)| change.is_changed) {
            change.row.put(batch, store, identity, change.day_before);
        }
    }
}

pub(super) fn identity_of(entry: &Entry) -> Identity {
    json::hash(entry.identity().as_bytes())
}

pub(super) fn day_of(time: UnixMillis) -> u32 {
    u32::try_from(time.0 / DAY_MS).unwrap_or(u32::MAX)
}

impl OrgStore {
    fn day_key(&self, day: u32, identity: &Identity) -> Vec<u8> {
        self.key(SEEN_ON, &[&day.to_be_bytes()[..], identity].concat())
    }

    /// Which of a page's entries are new. Two of one identity in one page are told apart here, too.
    pub fn arrivals<'e>(
        &self,
        entries: &'e [Entry],
        now: UnixMillis,
        counts_as: impl Fn(&Entry) -> Option<UnixSeconds>,
    ) -> Result<Arrivals<'e>> {
        let (today, mut arrivals) = (day_of(now), Arrivals::default());
        for entry in entries {
            let identity = identity_of(entry);
            if !arrivals.rows.contains_key(&identity) {
                arrivals.rows.insert(identity, self.change_of(entry, &identity, today)?);
            }
            let Some(change) = arrivals.rows.get_mut(&identity) else { continue };
            let (counts_as, versions) = (counts_as(entry), change.row.versions.len());
            let sighting = change.row.see(entry);
            if versions == 0 {
                change.row.time = counts_as.or(entry.time).unwrap_or_default();
            }
            let moved = change.row.day < today;
            change.row.day = change.row.day.max(today);
            change.is_changed |= moved || sighting.is_judged() || sighting == Sighting::Adopted;
            arrivals.each.push(Arrival { entry, sighting, counts_as });
        }
        Ok(arrivals)
    }

    fn change_of(&self, entry: &Entry, identity: &Identity, today: u32) -> Result<Change> {
        let key = self.key(SEEN, identity);
        let mut found = self.rows.db.get(&key)?.map(|value| Row::open(&key, &value));
        if found.is_none() && entry.marks.contains(&Mark::NoId) {
            // Layout 2 knew it by its bytes.
            let key = self.key(SEEN, &json::hash(entry.id().as_bytes()));
            found = self.rows.db.get(&key)?.map(|value| Row::open(&key, &value));
            if let Some(Ok(row)) = found {
                return Ok(Change { row, day_before: None, is_changed: false });
            }
        }
        Ok(match found {
            None => Change { row: Row::default(), day_before: None, is_changed: false },
            Some(Ok(row)) => Change { day_before: Some(row.day), row, is_changed: false },
            Some(read) => {
                self.rows.readable(read);
                let versions = vec![Version::of_bytes(entry.content_hash())];
                let row = Row { day: today, time: entry.time.unwrap_or_default(), versions, ..Row::default() };
                Change { row, day_before: None, is_changed: true }
            }
        })
    }

    /// What is known under an identity.
    pub(super) fn seen(&self, identity: &Identity) -> Result<Option<Row>> {
        let key = self.key(SEEN, identity);
        let Some(value) = self.rows.db.get(&key)? else { return Ok(None) };
        Ok(Some(Row::open(&key, &value).map_err(Damaged::from)?))
    }

    /// Forgets what was last seen before `horizon`, a bounded number at a time; returns how many. What is in a range that is being
    /// walked stays, for a walk may begin again.
    pub fn forget_unseen_since(&self, horizon: UnixSeconds, walked: &[Range]) -> Result<usize> {
        let end = self.key(SEEN_ON, &day_of(horizon.millis()).to_be_bytes());
        let (mut batch, mut count) = (Changes::default(), 0);
        for key in self.rows.db.range(self.key(SEEN_ON, &[])..end).keys() {
            let key = key?;
            let odd = || Damaged("a day of what was seen".into());
            let (day, identity) = self.rest(SEEN_ON, &key).split_first_chunk::<4>().ok_or_else(odd)?;
            let identity: Identity = identity.try_into().map_err(|_| odd())?;
            let seen = self.key(SEEN, &identity);
            let row = self.rows.db.get(&seen)?.and_then(|value| Row::open(&seen, &value).ok());
            if row.as_ref().is_some_and(|row| walked.iter().any(|window| window.contains(row.time))) {
                continue;
            }
            // After a row that couldn't be read, an older day may still name it.
            if row.is_none_or(|row| row.day == u32::from_be_bytes(*day)) {
                batch.remove(&*seen);
            }
            batch.remove(&*key);
            count += 1;
            if count == SWEEP {
                break;
            }
        }
        if count > 0 {
            self.rows.commit(batch)?;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Opened, Store};
    use super::*;
    use gridwatch_event::org::OrgId;
    use std::sync::Mutex;

    const NOW: UnixMillis = UnixMillis(1_794_000_000_000);

    fn store() -> (tempfile::TempDir, OrgStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = opened(&dir.path().join("store"));
        (dir, store)
    }

    fn opened(path: &std::path::Path) -> OrgStore {
        let Opened::Store(store) = Store::open(path, &[]).unwrap() else { panic!("it is of an older layout") };
        store.org(&OrgId::default()).unwrap()
    }

    fn see_at(store: &OrgStore, now: UnixMillis, raw: &[&str]) -> Vec<Sighting> {
        let entries: Vec<Entry> = raw.iter().map(|raw| Entry::from_json(raw)).collect();
        let arrivals = store.arrivals(&entries, now, |_| None).unwrap();
        let mut batch = Changes::default();
        arrivals.put(&mut batch, store);
        store.rows.commit(batch).unwrap();
        arrivals.each.iter().map(|arrival| arrival.sighting).collect()
    }

    fn see(store: &OrgStore, raw: &str) -> Sighting {
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
        assert_eq!(store.rows.db.scan_prefix(b"d").count(), store.rows.db.scan_prefix(b"v").count());
        let walked = Range::new(UnixSeconds(1_499_999_999), UnixSeconds(1_500_000_001)).unwrap();
        assert_eq!((sweep(50, &[walked]), sweep(50, &[])), (1, 1), "a walk may begin again");
        assert_eq!(store.rows.db.scan_prefix(b"v").count(), 0);
    }

    #[test]
    fn an_entry_whose_row_cant_be_read_is_not_delivered_again_and_counted() {
        let (_dir, store) = store();
        assert_eq!(see_at(&store, NOW, &[A]), [Sighting::New]);
        let key = SEEN.key(&identity_of(&Entry::from_json(A)));
        let mut value = store.rows.db.get(&key).unwrap().unwrap().to_vec();
        value[20] ^= 4;
        store.rows.db.insert(&key, value).unwrap();
        assert_eq!(see(&store, A), Sighting::Again);
        let whole = Store { rows: store.rows.clone(), orgs: Mutex::default() };
        let forgotten = whole.new_forgotten();
        assert_eq!(forgotten.iter().map(|row| row.part).collect::<Vec<_>>(), [SEEN.name]);
        whole.commit_forgotten(&forgotten, &[]).unwrap();
        assert_eq!((see(&store, A_RESPELLED), see(&store, A)), (Sighting::Adopted, Sighting::Again));
        assert!(whole.new_forgotten().is_empty(), "it was noted anew");
    }
}
