//! The store: everything gridwatch remembers, in one sled tree.
//!
//! Stages talk only through it. Each `commit_*` is one atomic batch followed by one flush: after it returns, what it says
//! is true whatever happens next; before, none of it is. Everything in here can be rebuilt by reading Slack again from the
//! mirrored [`checkpoint`](crate::store::checkpoint), so a store that won't open is set aside, not mourned.
//!
//! | key | value |
//! |---|---|
//! | `m` name | small state: poll machine, late histogram, next numbers, what each lane has released |
//! | `l` start | one range of the ledger |
//! | `v` identity hash | the versions of an entry that were seen: dedup, kept for the stated horizon (`seen.rs`) |
//! | `d` day, identity hash | when it was last seen |
//! | `p` lane, time it counts as of, id, content hash | where in the archive an entry is that waits for its window to drain, then for detection |
//! | `t` key | rule state: windows, roles, open alerts, the modules' own |
//! | `o` number | some records to deliver: which events of an archive and which alerts of the history (`outbox.rs`) |
//! | `s` sink | a sink's position in the outbox and what it needs to resume |
//! | `e` number | an alert that Slack could tell more of |
//! | `f` number | a fault: an event that a module could not get over, or a lie of its |
//!
//! Each row carries a checksum and a version (`rows.rs`). One that can't be read is either damage, because polling or delivery
//! can't go on without it: then the whole store is set aside. Or gridwatch can do without it: then it is forgotten and counted
//! ([`Store::new_forgotten`]), and somebody is told.
//!
//! Entries and alerts themselves are in logs beside it ([`archive`](crate::archive), [`history`](crate::history)), each written once. A commit
//! writes and syncs the logs it concerns, and then one batch, which says how far they go: opened again, they are cut to that.
//!
//! One tree, because only a batch on one tree is atomic without sled's slow transactions.

use self::changes::{Changes, Tallies, Tally};
use self::checkpoint::Checkpoint;
use self::outbox::{Made, damaged, outbox_key};
use crate::archive::{self, Archive, Ends, Judged};
use crate::history;
use crate::record::Record;
use crate::telemetry::status::Backlog;
use anyhow::{Context, Result};
use gridwatch_event::drift::Checked;
use gridwatch_event::entry::Entry;
use gridwatch_event::event::{Event, Sight};
use gridwatch_event::org::OrgId;
use gridwatch_event::roster::Roster;
use gridwatch_event::text::hex;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_log::{End, LogError};
use gridwatch_poll::{Commit, Lane, LateHistogram, Ledger, LedgerRange, PollState};
use gridwatch_rules::alert::Alert;
use gridwatch_rules::batch::MAX_BATCH_BYTES;
use gridwatch_rules::pipeline::Fault;
use gridwatch_rules::state::{Forgotten, Part, StateOp};
use rows::{
    ALERTS, BEGUN, DRIFT, ENTRIES, FAULTS, FORMAT_KEY, Kind, LATE, LEDGER, NEXT_RECORD, ORDER, OUTBOX, PENDING, POLL,
    POSITIONS, RELEASED, ROSTER, RULES, SEEN, SEEN_ON, TOLD, WANTING,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

mod changes;
pub mod checkpoint;
pub mod damage;
pub mod older;
mod outbox;
mod rebuilt;
pub mod rows;
mod seen;

pub use damage::Damaged;
pub use older::Older;
pub use rebuilt::Left;
pub use seen::{Arrival, Arrivals, Sighting};

/// Faults kept; the oldest go first.
const MAX_FAULTS: u64 = 10_000;
/// Dedup rows removed in one go, so that a sweep holds nobody up.
const SWEEP: usize = 20_000;
/// Layout of the rows. A store of another layout is set aside and filled anew by reading Slack again: see [`older`].
const FORMAT: u32 = 5;

/// All of it: what is common to all organizations (records, sinks), and each organization's part.
#[derive(Debug)]
pub struct Store {
    rows: Arc<Rows>,
    orgs: Mutex<BTreeMap<OrgId, OrgStore>>,
}

/// What all parts write to.
#[derive(Debug)]
struct Rows {
    db: sled::Db,
    /// sled's file and its inode.
    file: (PathBuf, u64),
    /// What its logs and the mirror of positions lie in.
    state_dir: PathBuf,
    places: Vec<Place>,
    /// The logs' ends aren't known: all of them that is whole counts.
    is_new: bool,
    /// It was open before, and nobody closed it: see [`Store::close`].
    was_open: bool,
    archives: Mutex<BTreeMap<OrgId, Arc<Archive>>>,
    history: Mutex<history::Writer>,
    alerts: Mutex<history::Places>,
    /// Numbers handed out, and the one lock that keeps commits in order.
    counters: Mutex<Counters>,
    tallies: Mutex<BTreeMap<Vec<u8>, Tallies>>,
    /// Held by who removes what all sinks have.
    trimming: Mutex<()>,
    /// Held by who writes the mirror of positions.
    mirroring: Mutex<()>,
    unreadable: Mutex<Unreadable>,
}

/// Where an organization's archive is, and how long entries stay in it after everyone is done with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub org: OrgId,
    pub archive: PathBuf,
    pub segment_bytes: u64,
    pub keep_s: u64,
}

impl Place {
    /// Of an organization that the configuration says nothing of: entries stay.
    fn unconfigured(state_dir: &Path, org: &OrgId) -> Self {
        let archive = crate::config::org_dir(state_dir, org).join("archive");
        Self { org: org.clone(), archive, segment_bytes: 64 << 20, keep_s: u64::MAX }
    }
}

/// How far an archive's entries go, and where it is.
#[derive(Debug, Serialize, Deserialize)]
struct EntriesEnd {
    folder: PathBuf,
    end: [u8; 32],
}

/// One organization's part: its polling, its entries, what its rules remember. Clones are the same part.
#[derive(Clone, Debug)]
pub struct OrgStore {
    rows: Arc<Rows>,
    /// What its keys begin with. The only organization has none, so that its rows are where they always were.
    prefix: Arc<[u8]>,
    org: OrgId,
    numbers: Arc<Mutex<Numbers>>,
    archive: Arc<Archive>,
    keep_s: u64,
}

/// Rows that can't be read, and who knows of them.
#[derive(Debug, Default)]
struct Unreadable {
    /// By key, of which nothing has been said yet.
    new: BTreeMap<Vec<u8>, Forgotten>,
    /// Of which no alert has told yet.
    untold: Vec<Forgotten>,
    /// When an alert last did.
    told: Option<UnixMillis>,
}

/// What a folder was found to hold.
#[derive(Debug)]
pub enum Opened {
    Store(Store),
    /// Written by a gridwatch of before.
    Older(Older),
}

/// How a store was begun that isn't the first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// How far the one before had come, by the checkpoint there was.
    pub checkpoint: Option<Checkpoint>,
    /// Where reading begins again, if the one before said enough for it.
    pub again: Option<Again>,
}

/// Time that was read and delivered before, and is read again for what the rules remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    pub from: UnixSeconds,
    /// From here on all time was read.
    pub drained_from: UnixSeconds,
    /// From here on all entries are known.
    pub ids_from: UnixSeconds,
}

/// What an organization's part hands out.
#[derive(Debug, Clone, Copy, Default)]
struct Numbers {
    seq: u64,
    fault: u64,
    wanting: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counters {
    next_record: u64,
    first_record: u64,
    /// Entries that wait for detection.
    pending: u64,
    /// What waits for detection or delivery.
    backlog_bytes: u64,
}

/// An entry that waits for detection.
#[derive(Debug)]
pub struct Pending {
    key: sled::IVec,
    /// Its number in the archive.
    number: u64,
    pub entry: Entry,
    pub sight: Sight,
    /// It was judged and delivered before, and is here only for what the rules remember: see [`Sighting::Relearned`].
    pub is_delivered: bool,
    /// What its row weighs.
    bytes: u64,
}

/// An alert that Slack could tell more of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanting {
    pub alert: Alert,
    /// It isn't in the outbox yet: it goes there with what Slack says.
    pub is_held: bool,
}

/// A sink's place in the outbox.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Position {
    /// Number of the next record the sink has not taken.
    pub next: u64,
    /// What the sink needs to go on exactly there.
    pub resume: Option<serde_json::Value>,
    /// Records that it has got, ever.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub delivered: u64,
    #[serde(default, skip_serializing_if = "Lost::is_nothing")]
    pub lost: Lost,
}

/// What a sink's reader didn't get, and what was said about it. Days are counted from 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lost {
    /// Records refused for good, ever.
    pub refused: u64,
    /// Those since the last alert about them.
    pub unalerted: u64,
    /// Day of that alert.
    pub refused_alert: Option<u64>,
    /// Day of the last alert about removed files.
    pub removed_alert: Option<u64>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Lost {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What each lane has released to detection.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Released {
    /// Live: entries up to this time. Their windows are drained.
    live_to: UnixSeconds,
    reread: bool,
    backfill: bool,
}

impl Store {
    /// Opens or makes the store, with these organizations' parts.
    ///
    /// # Errors
    /// It has to be set aside if the error [is damage](damage::is_damage).
    pub fn open(dir: &Path, places: &[Place]) -> Result<Opened> {
        let db = opened(dir)?;
        let store = match layout(&db)? {
            None if db.is_empty() => {
                for place in places {
                    if archive::is_there(&place.archive)? {
                        let archive = place.archive.display();
                        return Err(Damaged(format!("it is empty, and there is an archive in {archive}")).into());
                    }
                }
                let store = Self::of_db(db, dir, places, true)?;
                store.finish()?;
                store
            }
            None => return Err(Damaged("it doesn't say which layout it has".into()).into()),
            Some(FORMAT) => Self::of_db(db, dir, places, false)?,
            Some(layout) if Older::is_known(layout) => return Ok(Opened::Older(Older::new(db, layout))),
            Some(other) => {
                let what = format!("it has layout {other}, which this gridwatch doesn't know (its own is {FORMAT})");
                return Err(Damaged(what).into());
            }
        };
        store.take_in_before()?;
        store.count()?;
        places.iter().try_for_each(|place| store.org(&place.org).map(|_| ()))?;
        let marker = open_marker(dir);
        crate::disk::replace_unsynced(&marker, b"").with_context(|| format!("can't write {}", marker.display()))?;
        Ok(Opened::Store(store))
    }

    /// A store that is to be filled; until [`Store::finish`], it is none.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn make(dir: &Path, places: &[Place]) -> Result<Self> {
        Self::of_db(opened(dir)?, dir, places, true)
    }

    fn of_db(db: sled::Db, dir: &Path, places: &[Place], is_new: bool) -> Result<Self> {
        let state_dir = dir.parent().unwrap_or(dir).to_owned();
        let saved = || -> Result<Option<gridwatch_log::End>> {
            let Some(value) = db.get(ALERTS.key(&[]))? else { return Ok(None) };
            let saved: [u8; 32] = ALERTS.open_json(&ALERTS.key(&[]), &value).map_err(Damaged::from)?;
            Ok(Some(gridwatch_log::End::from_bytes(&saved)))
        };
        let mut forgotten = None;
        let history = match saved()? {
            Some(end) => match history::Writer::open(&state_dir, end).map_err(log_damage) {
                Err(error) if damage::is_damage(&error) && !outbox::has_alerts(&db)? => {
                    // Sinks have all of them, and only people look here.
                    forgotten = Some(Forgotten {
                        part: "the history of alerts",
                        key: ALERTS.key(&[]),
                        why: format!("{error:#}"),
                    });
                    let mut history = history::Writer::recover(&state_dir)?;
                    history.skip_to(end.next);
                    history
                }
                opened => opened?,
            },
            None => history::Writer::recover(&state_dir)?,
        };
        let file = dir.join("db");
        let inode = std::fs::metadata(&file).with_context(|| format!("can't look at {}", file.display()))?.ino();
        let rows = Rows {
            db,
            file: (file, inode),
            alerts: Mutex::new(history::Places::open(&state_dir)?),
            state_dir,
            places: places.to_vec(),
            is_new,
            was_open: !is_new && open_marker(dir).exists(),
            archives: Mutex::default(),
            history: Mutex::new(history),
            counters: Mutex::default(),
            tallies: Mutex::default(),
            trimming: Mutex::default(),
            mirroring: Mutex::default(),
            unreadable: Mutex::default(),
        };
        rows.load_tallies(&[])?;
        if let Some(forgotten) = forgotten {
            let mut changes = Changes::default();
            put(&mut changes, ALERTS, ALERTS.key(&[]), &rows.history().end().to_bytes())?;
            rows.commit(changes)?;
            rows.note(forgotten);
        }
        Ok(Self { rows: Arc::new(rows), orgs: Mutex::default() })
    }

    /// An organization's part. What can't be read of it is found when it is asked for the first time.
    ///
    /// # Errors
    /// As for [`Store::open`].
    pub fn org(&self, org: &OrgId) -> Result<OrgStore> {
        let mut orgs = self.orgs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = orgs.get(org) {
            return Ok(known.clone());
        }
        let prefix = org.name().map_or_else(Vec::new, rows::prefix);
        if !prefix.is_empty() {
            self.rows.load_tallies(&prefix)?;
        }
        let part = OrgStore {
            rows: self.rows.clone(),
            prefix: prefix.into(),
            org: org.clone(),
            numbers: Arc::default(),
            archive: self.rows.archive(org)?,
            keep_s: self.rows.place(org).keep_s,
        };
        part.check()?;
        part.count()?;
        orgs.insert(org.clone(), part.clone());
        Ok(part)
    }

    /// Notes that nothing was under way at the end. Else the next start looks whether all rows of what was seen are there, which takes a
    /// while where there are many.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn close(&self) -> Result<()> {
        let (path, _) = &self.rows.file;
        let marker = path.parent().map_or_else(PathBuf::new, open_marker);
        match std::fs::remove_file(&marker) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("can't remove {}", marker.display()))
            }
            _ => Ok(()),
        }
    }

    /// A file that gridwatch writes to and that isn't there any more, or is another one.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn removed(&self) -> Result<Option<PathBuf>> {
        let (path, inode) = &self.rows.file;
        let is_there = match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            meta => meta?.ino() == *inode,
        };
        if !is_there {
            return Ok(Some(path.clone()));
        }
        if let Some(path) = self.rows.history().removed()? {
            return Ok(Some(path));
        }
        let archives = self.rows.archives.lock().unwrap_or_else(PoisonError::into_inner);
        archives.values().find_map(|archive| archive.removed().transpose()).transpose().map_err(damaged)
    }

    /// Says that all is there that a store begins with.
    fn finish(&self) -> Result<()> {
        let mut changes = Changes::default();
        changes.insert(FORMAT_KEY, FORMAT.to_string());
        put(&mut changes, ALERTS, ALERTS.key(&[]), &self.rows.history().end().to_bytes())?;
        self.rows.commit(changes)
    }

    /// Takes alerts that an older gridwatch left as lines of JSON into the history.
    fn take_in_before(&self) -> Result<()> {
        self.rows.history().take_in_before(|end| {
            let mut changes = Changes::default();
            put(&mut changes, ALERTS, ALERTS.key(&[]), &end.to_bytes())?;
            self.rows.commit(changes)
        })
    }

    /// Reads what delivery can't do without, so that damage to it is found before anything is done.
    fn count(&self) -> Result<()> {
        let positions = self.rows.positions()?;
        self.rows.check_kind(&[], POSITIONS)?;
        let next_record = self.rows.get(NEXT_RECORD, &NEXT_RECORD.key(&[]))?.unwrap_or(1);
        let (mut first, mut bytes, mut found) = (None, 0, Tally::default());
        for row in self.rows.db.scan_prefix(OUTBOX.key(&[])) {
            let (key, value) = row?;
            found.add(&key, &value);
            bytes += OUTBOX.open_json::<Made>(&key, &value).map_err(Damaged::from)?.bytes;
            first.get_or_insert(number(OUTBOX.rest(&key)));
        }
        self.rows.check_tally(&[], OUTBOX, found)?;
        let lowest = positions.values().map(|position| position.next).min().or(first);
        let mut counters = self.rows.lock();
        counters.next_record = next_record;
        counters.first_record = lowest.unwrap_or(next_record).min(next_record);
        counters.backlog_bytes += bytes;
        Ok(())
    }

    // --- what can't be read ------------------------------------------------------------------------------------------

    /// Notes a row that can't be read.
    pub fn note(&self, forgotten: Forgotten) {
        self.rows.note(forgotten);
    }

    /// The rows that couldn't be read since this was asked last.
    pub fn new_forgotten(&self) -> Vec<Forgotten> {
        let mut lost = self.rows.unreadable();
        let new: Vec<Forgotten> = std::mem::take(&mut lost.new).into_values().collect();
        lost.untold.extend(new.iter().cloned());
        new
    }

    /// Those that an alert has yet to tell of, if none has for so long.
    pub fn untold_forgotten(&self, now: UnixMillis, every_ms: u64) -> Vec<Forgotten> {
        let mut lost = self.rows.unreadable();
        if lost.untold.is_empty() || lost.told.is_some_and(|told| now.since(told) < every_ms) {
            return Vec::new();
        }
        lost.told = Some(now);
        std::mem::take(&mut lost.untold)
    }

    /// Removes rows that can't be read, with the alert that tells of them on its way: the next start has nothing to tell again.
    pub fn commit_forgotten(&self, forgotten: &[Forgotten], alerts: &[Record]) -> Result<()> {
        let mut batch = Changes::default();
        // An entry that was seen is noted anew with the page that shows it, and the history is a log.
        for row in forgotten.iter().filter(|row| row.part != SEEN.name && row.key != ALERTS.key(&[])) {
            batch.remove(&*row.key);
        }
        self.rows.commit_with(batch, alerts)
    }

    // --- delivery ----------------------------------------------------------------------------------------------------

    /// Makes the sinks known. New ones begin at the oldest record kept; those no longer configured are forgotten, or
    /// they would hold the outbox for ever. Returns the forgotten ones.
    pub fn set_sinks(&self, names: &[String]) -> Result<Vec<String>> {
        let mut batch = Changes::default();
        let mut gone = Vec::new();
        for key in self.rows.db.scan_prefix(POSITIONS.key(&[])).keys() {
            let key = key?;
            let name = String::from_utf8_lossy(POSITIONS.rest(&key)).into_owned();
            if !names.contains(&name) {
                batch.remove(&*key);
                gone.push(name);
            }
        }
        let first = self.rows.lock().first_record;
        for name in names {
            if self.rows.db.get(POSITIONS.key(name.as_bytes()))?.is_none() {
                Rows::put_position(&mut batch, name, &Position { next: first, ..Position::default() })?;
            }
        }
        self.rows.commit(batch)?;
        // Those of before, which older gridwatches had for what is a log now.
        gone.retain(|name| !name.starts_with('('));
        Ok(gone)
    }

    pub fn position(&self, sink: &str) -> Result<Position> {
        Ok(self.rows.get(POSITIONS, &POSITIONS.key(sink.as_bytes()))?.unwrap_or_default())
    }

    /// Up to `max` records from a number on, of at most `max_bytes` together (but at least one), and only saved ones; and the
    /// number to go on from.
    ///
    /// # Errors
    /// Damage, if one that there must be isn't there.
    pub fn records(&self, from: u64, max: usize, max_bytes: usize) -> Result<(Vec<(u64, Record)>, u64)> {
        self.rows.records(from, max, max_bytes)
    }

    /// Saves that a sink is done with everything before `position.next`, and drops what all sinks are done with. Alerts about the
    /// attempt enter the outbox in the same batch: what `position.lost` says was told is told, once.
    pub fn commit_attempt(&self, sink: &str, position: &Position, alerts: &[Record]) -> Result<()> {
        let mut batch = Changes::default();
        Rows::put_position(&mut batch, sink, position)?;
        let mut positions = self.rows.positions()?;
        positions.insert(sink.to_owned(), position.clone());
        let lowest = positions.values().map(|position| position.next).min().unwrap_or(0);
        // If another sink does it just now, the next attempt will.
        let trimming = self.rows.trimming.try_lock();
        let freed = match &trimming {
            Ok(_) => self.rows.forget_delivered(&mut batch, lowest)?,
            Err(_) => 0,
        };
        self.rows.commit_with(batch, alerts)?;
        let mut counters = self.rows.lock();
        counters.first_record = counters.first_record.max(lowest);
        counters.backlog_bytes = counters.backlog_bytes.saturating_sub(freed);
        drop((counters, trimming));
        self.rows.mirror_positions()
    }

    pub fn next_record(&self) -> u64 {
        self.rows.lock().next_record
    }

    /// The oldest record still kept; equal to `next_record` when everything is delivered.
    pub fn first_record(&self) -> u64 {
        self.rows.lock().first_record
    }

    /// What waits for detection, and for a sink.
    pub fn backlog(&self) -> Backlog {
        let counters = self.rows.lock();
        let records = counters.next_record.saturating_sub(counters.first_record);
        Backlog { entries: counters.pending, records, bytes: counters.backlog_bytes }
    }

    /// Bytes that wait for detection or for a sink.
    pub fn backlog_bytes(&self) -> u64 {
        self.rows.lock().backlog_bytes
    }

    /// Drops what all sinks have taken; how many records are left.
    pub fn trim(&self) -> Result<u64> {
        let trimming = self.rows.trimming.lock().unwrap_or_else(PoisonError::into_inner);
        let lowest = self.rows.positions()?.into_values().map(|position| position.next).min().unwrap_or(0);
        let mut batch = Changes::default();
        let freed = self.rows.forget_delivered(&mut batch, lowest)?;
        self.rows.commit(batch)?;
        let mut counters = self.rows.lock();
        counters.first_record = counters.first_record.max(lowest).min(counters.next_record);
        counters.backlog_bytes = counters.backlog_bytes.saturating_sub(freed);
        drop(trimming);
        Ok(counters.next_record.saturating_sub(counters.first_record))
    }

    /// Starts numbering records where a lost store may have left off: numbers are never used twice. Those between stand for nothing.
    ///
    /// # Errors
    /// It can't be saved.
    pub fn skip_to(&self, next_record: u64) -> Result<()> {
        let mut counters = self.rows.lock();
        let Some(lost) = next_record.checked_sub(counters.next_record).filter(|lost| *lost > 0) else { return Ok(()) };
        let mut batch = Changes::default();
        put(&mut batch, OUTBOX, outbox_key(counters.next_record), &Made { lost, ..Made::default() })?;
        put(&mut batch, NEXT_RECORD, NEXT_RECORD.key(&[]), &next_record)?;
        self.rows.commit(batch)?;
        counters.next_record = next_record;
        Ok(())
    }
}

impl OrgStore {
    /// Damage may also be that the newest commits are missing: sled takes up what is before a damaged place and says
    /// nothing. The checkpoint is written after the commits it speaks of, so a store can't be behind it.
    pub fn is_behind(&self, checkpoint: &Checkpoint) -> Result<bool> {
        // One that was begun anew starts before the checkpoint there was, and isn't behind it until there is a newer one.
        if self.begun()?.checkpoint.as_ref() == Some(checkpoint) {
            return Ok(false);
        }
        let watermark = self.get::<PollState>(POLL)?.and_then(|state| state.watermark());
        Ok(watermark < Some(checkpoint.watermark)
            || self.next_seq() < checkpoint.next_seq
            || self.rows.lock().next_record < checkpoint.next_record)
    }

    /// Reads what polling can't do without, so that damage to it is found before anything is done; and the small rows that it can do
    /// without.
    fn check(&self) -> Result<()> {
        self.poll_state()?;
        self.get::<Released>(RELEASED)?;
        self.begun()?;
        for row in self.scan(FAULTS) {
            let (key, value) = row?;
            self.rows.readable(FAULTS.open_json::<Fault>(&key, &value));
        }
        self.drift()?;
        self.roster()?;
        self.told()?;
        Ok(())
    }

    fn count(&self) -> Result<()> {
        let next = |kind| -> Result<u64> {
            let last = self.scan(kind).next_back().transpose()?;
            Ok(last.map_or(1, |(key, _)| number(self.rest(kind, &key)) + 1))
        };
        let (fault, wanting) = (next(FAULTS)?, next(WANTING)?);
        *self.lock() = Numbers { seq: self.archive.ends().order.next, fault, wanting };
        self.wanting(usize::MAX)?;
        let mut found = Tally::default();
        for row in self.scan(PENDING) {
            let (key, value) = row?;
            found.add(&key, &value);
            let waiting = Waiting::open(&key, &value)?;
            let mut counters = self.rows.lock();
            counters.backlog_bytes += u64::from(waiting.bytes);
            counters.pending += 1;
        }
        self.rows.check_tally(&self.prefix, PENDING, found)?;
        for kind in [LEDGER, WANTING, FAULTS] {
            self.rows.check_kind(&self.prefix, kind)?;
        }
        if self.rows.was_open {
            self.rows.check_kind(&self.prefix, SEEN)?;
            self.rows.check_kind(&self.prefix, SEEN_ON)?;
        }
        Ok(())
    }

    /// Notes a row of rule state that was handed out and is of no use to whom it was for.
    pub fn note_rule_state(&self, forgotten: Forgotten) {
        self.rows.note(Forgotten { key: self.key(RULES, &forgotten.key), ..forgotten });
    }

    // --- polling -----------------------------------------------------------------------------------------------------

    pub fn poll_state(&self) -> Result<Option<(PollState, Ledger, LateHistogram)>> {
        let Some(state) = self.get(POLL)? else { return Ok(None) };
        let range = |row: sled::Result<(sled::IVec, sled::IVec)>| -> Result<LedgerRange> {
            let (key, value) = row?;
            Ok(LEDGER.open_json(&key, &value).map_err(Damaged::from)?)
        };
        let ranges: Vec<LedgerRange> = self.scan(LEDGER).map(range).collect::<Result<_>>()?;
        Ok(Some((state, Ledger::from_rows(ranges), self.recall(LATE)?.unwrap_or_default())))
    }

    /// Saves a page: its entries (those not seen before), the machine's state with the cursor, ledger rows and, when the
    /// page ended its window, the window's release to detection. One batch: a cursor is never ahead of its entries.
    pub fn commit_page(
        &self,
        lane: Lane,
        arrivals: &Arrivals<'_>,
        first_seen: UnixMillis,
        commit: &Commit,
        late: &LateHistogram,
    ) -> Result<()> {
        let (mut batch, mut bytes) = (Changes::default(), 0);
        let mut received: Vec<(Sight, bool, &str)> = Vec::new();
        let first = self.archive.ends().entries.next;
        for Arrival { entry, sighting, counts_as } in arrivals.each.iter().filter(|a| a.sighting.is_judged()) {
            let mut sight = Sight { counts_as: *counts_as, ..Sight::first(first_seen) };
            if let Sighting::Version { number, other_act } = sighting {
                (sight.version, sight.other_act) = (*number, *other_act);
            }
            let is_delivered = *sighting == Sighting::Relearned;
            if is_delivered {
                // It was seen in its own time; when isn't known any more.
                let time = counts_as.or(entry.time).map_or(first_seen, UnixSeconds::millis);
                sight.first_seen = time.min(first_seen);
            }
            let key = self.pending_key(lane, entry, sight);
            let waiting = Waiting::of(first + received.len() as u64, is_delivered, entry.raw());
            batch.insert(&*key, waiting.seal(&key));
            bytes += u64::from(waiting.bytes);
            received.push((sight, is_delivered, entry.raw()));
        }
        let added = received.len() as u64;
        if added > 0 {
            let end = self.archive.write_entries(received.into_iter())?;
            self.put_entries_end(&mut batch, end)?;
        }
        arrivals.put(&mut batch, self);
        self.put(&mut batch, POLL, &[], &commit.state)?;
        self.put(&mut batch, LATE, &[], late)?;
        for start in &commit.ledger.deletes {
            batch.remove(self.key(LEDGER, &start.0.to_be_bytes()));
        }
        for range in &commit.ledger.upserts {
            self.put(&mut batch, LEDGER, &range.start.0.to_be_bytes(), range)?;
        }
        self.release(&mut batch, lane, commit)?;
        self.rows.commit(batch)?;
        self.archive.keep_entries();
        let mut counters = self.rows.lock();
        counters.backlog_bytes += bytes;
        counters.pending += added;
        Ok(())
    }

    fn put_entries_end(&self, batch: &mut Changes, end: End) -> Result<()> {
        let saved = EntriesEnd { folder: self.archive.folder().to_owned(), end: end.to_bytes() };
        self.put(batch, ENTRIES, &[], &saved)
    }

    fn release(&self, batch: &mut Changes, lane: Lane, commit: &Commit) -> Result<()> {
        let mut released: Released = self.get(RELEASED)?.unwrap_or_default();
        let drained = commit.drained.is_some();
        match lane {
            Lane::Live => {
                let to = commit.state.watermark().unwrap_or_default();
                released.live_to = released.live_to.max(to);
            }
            Lane::Reread => released.reread = drained,
            Lane::Backfill => released.backfill = drained,
        }
        self.put(batch, RELEASED, &[], &released)
    }

    /// Entries that wait, released to detection.
    #[cfg(test)]
    pub(crate) fn receive(&self, raws: &[String], first_seen: UnixMillis) {
        let (sight, first) = (Sight::first(first_seen), self.archive.ends().entries.next);
        let mut batch = Changes::default();
        for (number, raw) in (first..).zip(raws) {
            let key = self.pending_key(Lane::Reread, &Entry::from_json(raw), sight);
            batch.insert(&*key, Waiting::of(number, false, raw).seal(&key));
        }
        let end = self.archive.write_entries(raws.iter().map(|raw| (sight, false, raw.as_str()))).unwrap();
        self.put_entries_end(&mut batch, end).unwrap();
        self.put(&mut batch, RELEASED, &[], &Released { reread: true, ..Released::default() }).unwrap();
        self.rows.commit(batch).unwrap();
        self.archive.keep_entries();
    }

    // --- detection ---------------------------------------------------------------------------------------------------

    /// The next entries whose windows are drained, in (lane, time, id) order: at most so many, and of at most
    /// [`MAX_BATCH_BYTES`] together, but at least one.
    pub fn next_pending(&self, max: usize) -> Result<Vec<Pending>> {
        let released: Released = self.get(RELEASED)?.unwrap_or_default();
        let (mut out, mut bytes) = (Vec::new(), 0);
        'lanes: for lane in Lane::ALL {
            let to = match lane {
                Lane::Live => released.live_to.0.saturating_add(1),
                Lane::Reread if released.reread => u64::MAX,
                Lane::Backfill if released.backfill => u64::MAX,
                Lane::Reread | Lane::Backfill => continue,
            };
            let (from, to) = (self.pending_prefix(lane, 0), self.pending_prefix(lane, to));
            for row in self.rows.db.range(from..to).take(max - out.len()) {
                let (key, value) = row?;
                let waiting = Waiting::open(&key, &value)?;
                bytes += waiting.bytes as usize;
                if bytes > MAX_BATCH_BYTES && !out.is_empty() {
                    break 'lanes;
                }
                out.push((key, waiting));
            }
            if out.len() >= max {
                break;
            }
        }
        self.taken(&out)
    }

    /// Reads entries from the archive. They wait in another order than the one in which they lie there.
    fn taken(&self, waiting: &[(sled::IVec, Waiting)]) -> Result<Vec<Pending>> {
        let mut places: Vec<usize> = (0..waiting.len()).collect();
        places.sort_by_key(|place| waiting[*place].1.number);
        let mut taken: Vec<Option<Pending>> = waiting.iter().map(|_| None).collect();
        for place in places {
            let (key, Waiting { number, is_delivered, bytes }) = &waiting[place];
            let received = self.archive.entry(*number).map_err(damaged)?;
            taken[place] = Some(Pending {
                key: key.clone(),
                number: *number,
                entry: Entry::from_json(&received.raw),
                sight: received.sight,
                is_delivered: *is_delivered,
                bytes: u64::from(*bytes),
            });
        }
        Ok(taken.into_iter().flatten().collect())
    }

    /// Where its entries are.
    pub fn archive_folder(&self) -> &Path {
        self.archive.folder()
    }

    /// Removes what the archive holds of long ago, as far as nobody needs it any more.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn prune(&self, now: UnixMillis) -> Result<usize> {
        let before = now.seconds().minus(self.keep_s);
        let mut waiting = u64::MAX;
        for row in self.scan(PENDING) {
            let (key, value) = row?;
            waiting = waiting.min(Waiting::open(&key, &value)?.number);
        }
        let (mut needed, mut place) = (u64::MAX, u64::MAX);
        for row in self.rows.db.scan_prefix(OUTBOX.key(&[])) {
            let (key, value) = row?;
            let made = OUTBOX.open_json::<Made>(&key, &value).map_err(Damaged::from)?;
            if made.org == self.org && made.events > 0 {
                needed = needed.min(made.seq);
            }
            if made.alerts > 0 {
                place = place.min(made.place);
            }
        }
        self.rows.history().trim(place)?;
        self.archive.prune(before, waiting, needed).map_err(damaged)
    }

    pub fn next_seq(&self) -> u64 {
        self.lock().seq
    }

    /// Every row of rule state that can be read, for the pipeline and the modules to load at start. In the end comes an error if rows
    /// are missing.
    pub fn rule_state(&self) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>)>> + '_ {
        let (mut rows, mut found, mut are_readable, mut is_over) = (self.scan(RULES), Tally::default(), true, false);
        std::iter::from_fn(move || {
            loop {
                let Some(row) = rows.next() else {
                    // One that can't be read has another checksum, and is told of by itself.
                    let checked = match are_readable && !is_over {
                        true => self.rows.check_tally(&self.prefix, RULES, found),
                        false => Ok(()),
                    };
                    is_over = true;
                    return checked.err().map(Err);
                };
                let (key, value) = match row {
                    Ok(row) => row,
                    Err(error) => return Some(Err(error.into())),
                };
                found.add(&key, &value);
                let value = RULES.open(&key, &value).and_then(|value| unpacked(&key, value));
                are_readable &= value.is_ok();
                if let Some(value) = self.rows.readable(self.named(&key, value)) {
                    return Some(Ok((self.rest(RULES, &key).to_vec(), value)));
                }
            }
        })
    }

    /// Saves a batch's results: its entries leave the queue, its events and alerts enter the outbox, rule state follows.
    /// One batch: an event is counted by a rule exactly when its alerts are on their way.
    ///
    /// # Errors
    /// It can't be saved.
    pub fn commit_detections(
        &self,
        (taken, events): (&[Pending], &[Event]),
        alerts: &[Record],
        changes: &[StateOp],
        faults: &[Fault],
        wanting: &[Wanting],
    ) -> Result<()> {
        // Held until it is saved: others hand out numbers of records too.
        let (mut numbers, mut shared) = (self.lock(), self.rows.lock());
        let (mut next, first_record) = (*numbers, shared.next_record);
        let (mut batch, mut shrunk) = (Changes::default(), 0);
        let mut made = Made { org: self.org.clone(), seq: next.seq, ..Made::default() };
        let mut judged = Vec::with_capacity(taken.len());
        for (pending, event) in taken.iter().zip(events) {
            shrunk += pending.bytes;
            batch.remove(&*pending.key);
            let record = if pending.is_delivered { 0 } else { first_record + made.events };
            if !pending.is_delivered {
                made.events += 1;
                made.bytes += pending.bytes;
            }
            judged.push(Judged {
                entry: pending.number,
                record,
                time: event.time,
                sight: event.sight(),
                is_relearned: pending.is_delivered,
                identity: seen::identity_of(&pending.entry),
                bytes: pending.entry.content_hash(),
                organization: event.organization().map(Arc::from),
            });
        }
        let alerts = self.rows.add_alerts(&mut batch, &mut made, first_record, alerts)?;
        if !judged.is_empty() {
            let end = self.archive.write_order(judged.iter())?;
            self.put(&mut batch, ORDER, &[], &end.to_bytes())?;
            next.seq = end.next;
        }
        self.change(&mut batch, changes)?;
        for wanting in wanting {
            self.put(&mut batch, WANTING, &next.wanting.to_be_bytes(), wanting)?;
            next.wanting += 1;
        }
        for fault in faults {
            self.put(&mut batch, FAULTS, &next.fault.to_be_bytes(), fault)?;
            if let Some(oldest) = next.fault.checked_sub(MAX_FAULTS) {
                batch.remove(self.key(FAULTS, &oldest.to_be_bytes()));
            }
            next.fault += 1;
        }
        self.rows.add_made(&mut batch, &made, first_record)?;
        self.rows.commit(batch)?;
        self.archive.keep_order();
        alerts.keep();
        *numbers = next;
        shared.next_record += made.count();
        shared.pending = shared.pending.saturating_sub(taken.len() as u64);
        shared.backlog_bytes = (shared.backlog_bytes + made.bytes).saturating_sub(shrunk);
        Ok(())
    }

    fn change(&self, batch: &mut Changes, changes: &[StateOp]) -> Result<()> {
        for op in changes {
            let key = self.key(RULES, &op.key);
            match op.value.as_ref().map_err(Clone::clone)? {
                Some(value) => batch.insert(&*key, RULES.seal(&key, &packed(value))),
                None => batch.remove(key),
            }
        }
        Ok(())
    }

    /// Up to so many of the alerts that Slack could tell more of, the oldest first, each with its key.
    pub fn wanting(&self, max: usize) -> Result<Vec<(Vec<u8>, Wanting)>> {
        let row = |row: sled::Result<(sled::IVec, sled::IVec)>| -> Result<(Vec<u8>, Wanting)> {
            let (key, value) = row?;
            let wanting = WANTING.open_json(&key, &value).map_err(Damaged::from)?;
            Ok((key.to_vec(), wanting))
        };
        self.scan(WANTING).take(max).map(row).collect()
    }

    /// Saves what Slack said: alerts that are done with leave the queue, and what is to be told of them enters the outbox.
    pub fn commit_enrichment(&self, settled: &[Vec<u8>], records: &[Record], changes: &[StateOp]) -> Result<()> {
        let mut batch = Changes::default();
        settled.iter().for_each(|key| batch.remove(&**key));
        self.change(&mut batch, changes)?;
        self.rows.commit_with(batch, records)
    }

    pub fn drift(&self) -> Result<Option<Checked>> {
        self.recall(DRIFT)
    }

    /// Saves what the drift watch saw, with the alert that tells it, if it is news.
    pub fn commit_drift(&self, checked: &Checked, alerts: &[Record]) -> Result<()> {
        self.commit_watched(DRIFT, checked, alerts)
    }

    pub fn roster(&self) -> Result<Option<Roster>> {
        self.recall(ROSTER)
    }

    /// Saves what the roster watch saw, with the alerts that tell who lost a second factor.
    pub fn commit_roster(&self, roster: &Roster, alerts: &[Record]) -> Result<()> {
        self.commit_watched(ROSTER, roster, alerts)
    }

    /// What has been told once and needn't be again: see [`crate::watch`].
    pub fn told(&self) -> Result<Vec<String>> {
        Ok(self.recall(TOLD)?.unwrap_or_default())
    }

    /// Saves what has been told, with the alerts that tell it.
    pub fn commit_told(&self, told: &[String], alerts: &[Record]) -> Result<()> {
        self.commit_watched(TOLD, &told, alerts)
    }

    /// Saves what a watch beside the stages saw, with the alerts that tell it.
    fn commit_watched<T: Serialize>(&self, kind: Kind, seen: &T, alerts: &[Record]) -> Result<()> {
        let mut batch = Changes::default();
        self.put(&mut batch, kind, &[], seen)?;
        self.rows.commit_with(batch, alerts)
    }

    pub fn faults(&self) -> u64 {
        self.lock().fault - 1
    }

    /// Notes how this store was begun, after the one before it was lost or of an older layout.
    pub fn begin(&self, begun: &Begun) -> Result<()> {
        let mut batch = Changes::default();
        self.put(&mut batch, BEGUN, &[], begun)?;
        self.rows.commit(batch)
    }

    pub fn begun(&self) -> Result<Begun> {
        Ok(self.get(BEGUN)?.unwrap_or_default())
    }

    /// Starts numbering where a lost store may have left off: numbers are never used twice.
    pub fn skip_to(&self, next_seq: u64) -> Result<()> {
        if next_seq <= self.next_seq() {
            return Ok(());
        }
        self.archive.skip_to(next_seq);
        let mut batch = Changes::default();
        self.put(&mut batch, ORDER, &[], &self.archive.ends().order.to_bytes())?;
        self.rows.commit(batch)?;
        self.lock().seq = next_seq;
        Ok(())
    }

    // --- rows --------------------------------------------------------------------------------------------------------

    fn key(&self, kind: Kind, rest: &[u8]) -> Vec<u8> {
        [&self.prefix, &*kind.key(rest)].concat()
    }

    /// What sets a key apart from the others of its kind and organization.
    fn rest<'k>(&self, kind: Kind, key: &'k [u8]) -> &'k [u8] {
        kind.rest(key.strip_prefix(&*self.prefix).unwrap_or_default())
    }

    fn scan(&self, kind: Kind) -> sled::Iter {
        self.rows.db.scan_prefix(self.key(kind, &[]))
    }

    fn put<T: Serialize>(&self, batch: &mut Changes, kind: Kind, rest: &[u8], value: &T) -> Result<()> {
        put(batch, kind, self.key(kind, rest), value)
    }

    /// A row that there is one of, and that gridwatch can't do without.
    fn get<T: DeserializeOwned>(&self, kind: Kind) -> Result<Option<T>> {
        self.rows.get(kind, &self.key(kind, &[]))
    }

    /// A row that there is one of, and that gridwatch can do without.
    fn recall<T: DeserializeOwned>(&self, kind: Kind) -> Result<Option<T>> {
        let key = self.key(kind, &[]);
        let Some(value) = self.rows.db.get(&key)? else { return Ok(None) };
        Ok(self.rows.readable(kind.open_json(&key, &value)))
    }

    /// What was read, or which part of the rule state a row is of that can't be.
    fn named<T>(&self, key: &[u8], read: Result<T, Forgotten>) -> Result<T, Forgotten> {
        let part = Part::of(self.rest(RULES, key)).map_or(RULES.name, |part| part.name);
        read.map_err(|forgotten| Forgotten { part, ..forgotten })
    }

    fn pending_prefix(&self, lane: Lane, time: u64) -> Vec<u8> {
        self.key(PENDING, &pending_prefix(lane, time))
    }

    fn pending_key(&self, lane: Lane, entry: &Entry, sight: Sight) -> Vec<u8> {
        self.key(PENDING, &pending_key(lane, entry, sight))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows {
    fn get<T: DeserializeOwned>(&self, kind: Kind, key: &[u8]) -> Result<Option<T>> {
        let Some(value) = self.db.get(key)? else { return Ok(None) };
        Ok(Some(kind.open_json(key, &value).map_err(Damaged::from)?))
    }

    /// What was read, or nothing of a row that gridwatch can do without.
    fn readable<T>(&self, read: Result<T, Forgotten>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(forgotten) => {
                self.note(forgotten);
                None
            }
        }
    }

    fn note(&self, forgotten: Forgotten) {
        self.unreadable().new.insert(forgotten.key.clone(), forgotten);
    }

    fn unreadable(&self) -> std::sync::MutexGuard<'_, Unreadable> {
        self.unreadable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers alerts of gridwatch's own and puts them on their way together with what else a batch changes.
    fn commit_with(&self, mut batch: Changes, alerts: &[Record]) -> Result<()> {
        if alerts.is_empty() {
            return self.commit(batch);
        }
        // Held until it is saved: others hand out numbers of records too.
        let mut counters = self.lock();
        let (first, mut made) = (counters.next_record, Made::default());
        let alerts = self.add_alerts(&mut batch, &mut made, first, alerts)?;
        self.add_made(&mut batch, &made, first)?;
        self.commit(batch)?;
        alerts.keep();
        counters.next_record += made.count();
        counters.backlog_bytes += made.bytes;
        Ok(())
    }

    /// Writes alerts into the history. They count when what this returns is kept.
    fn add_alerts(&self, batch: &mut Changes, made: &mut Made, first: u64, alerts: &[Record]) -> Result<Added<'_>> {
        let alerts = alerts.iter().filter_map(|record| match record {
            Record::Alert(alert) => Some(&**alert),
            Record::Event { .. } => None,
        });
        let mut history = self.history();
        let before = history.end();
        let (end, bytes) = history.write((first + made.events..).zip(alerts))?;
        (made.place, made.alerts) = (before.next, end.next - before.next);
        made.bytes += bytes;
        if made.alerts > 0 {
            put(batch, ALERTS, ALERTS.key(&[]), &end.to_bytes())?;
        }
        Ok(Added(history))
    }

    fn add_made(&self, batch: &mut Changes, made: &Made, first: u64) -> Result<()> {
        if made.count() > 0 {
            put(batch, OUTBOX, outbox_key(first), made)?;
            put(batch, NEXT_RECORD, NEXT_RECORD.key(&[]), &(first + made.count()))?;
        }
        Ok(())
    }

    /// An organization's archive, also of one that is no longer configured.
    fn archive(&self, org: &OrgId) -> Result<Arc<Archive>> {
        let mut archives = self.archives.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = archives.get(org) {
            return Ok(known.clone());
        }
        let opened = Arc::new(self.open_archive(org)?);
        archives.insert(org.clone(), opened.clone());
        Ok(opened)
    }

    fn open_archive(&self, org: &OrgId) -> Result<Archive> {
        let (place, prefix) = (self.place(org), org.name().map_or_else(Vec::new, rows::prefix));
        let key = |kind: Kind| [&prefix[..], &kind.key(&[])].concat();
        let saved: Option<EntriesEnd> = self.get(ENTRIES, &key(ENTRIES))?;
        let order: Option<[u8; 32]> = self.get(ORDER, &key(ORDER))?;
        if self.is_new || (saved.is_none() && order.is_none()) {
            return Ok(Archive::recover(&place.archive, place.segment_bytes)?);
        }
        let is_elsewhere =
            |saved: &&EntriesEnd| saved.folder != place.archive && !archive::is_there(&place.archive).unwrap_or(true);
        if let Some(saved) = saved.as_ref().filter(is_elsewhere) {
            let (was, is) = (saved.folder.display(), place.archive.display());
            anyhow::bail!(
                "the archive was in {was}, with what waits to be judged and delivered\nhint: move its files to {is}, or set \
                 `archive.dir` back"
            );
        }
        let end = |bytes: Option<&[u8; 32]>| bytes.map_or(End::before(1), End::from_bytes);
        let ends = Ends { entries: end(saved.as_ref().map(|saved| &saved.end)), order: end(order.as_ref()) };
        Archive::open(&place.archive, place.segment_bytes, ends).map_err(damaged)
    }

    fn place(&self, org: &OrgId) -> Place {
        let configured = self.places.iter().find(|place| place.org == *org);
        configured.cloned().unwrap_or_else(|| Place::unconfigured(&self.state_dir, org))
    }

    fn history(&self) -> std::sync::MutexGuard<'_, history::Writer> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Alerts in the history that aren't kept yet.
struct Added<'r>(std::sync::MutexGuard<'r, history::Writer>);

impl Added<'_> {
    fn keep(mut self) {
        self.0.keep();
    }
}

/// An error of a log as the store's.
fn log_damage(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<LogError>().is_some_and(LogError::is_damage) {
        true => Damaged(format!("{error:#}")).into(),
        false => error,
    }
}

/// Long rows of rule state are pages of many similar ones, which is what makes compressing them worth it.
const PACK_BYTES: usize = 1 << 10;
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

fn packed(value: &[u8]) -> Vec<u8> {
    let packed = (value.len() >= PACK_BYTES).then(|| zstd::bulk::compress(value, 1).ok()).flatten();
    let (kind, bytes) = packed.as_deref().map_or((PLAIN, value), |packed| (ZSTD, packed));
    [&[kind], bytes].concat()
}

fn unpacked(key: &[u8], value: &[u8]) -> Result<Vec<u8>, Forgotten> {
    match value.split_first() {
        Some((&PLAIN, rest)) => Ok(rest.to_vec()),
        Some((&ZSTD, rest)) => zstd::decode_all(rest).map_err(|why| RULES.forgotten(key, why)),
        _ => Err(RULES.forgotten(key, "it doesn't say how it is packed")),
    }
}

/// Is there while the store is open.
fn open_marker(dir: &Path) -> PathBuf {
    dir.with_extension("open")
}

fn opened(dir: &Path) -> Result<sled::Db> {
    crate::folder::make(dir, crate::folder::PRIVATE).with_context(|| format!("can't make {}", dir.display()))?;
    let db = sled::Config::new().path(dir).flush_every_ms(None).cache_capacity(64 << 20).open();
    db.with_context(|| format!("can't open the store in {}", dir.display()))
}

/// Which layout a store says it has.
fn layout(db: &sled::Db) -> Result<Option<u32>> {
    let Some(value) = db.get(FORMAT_KEY)? else { return Ok(None) };
    Ok(Some(serde_json::from_slice(&value).with_context(|| Damaged("which layout it has can't be read".into()))?))
}

fn put<T: Serialize>(batch: &mut Changes, kind: Kind, key: Vec<u8>, value: &T) -> Result<()> {
    batch.insert(&*key, kind.seal_json(&key, value)?);
    Ok(())
}

fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk::<8>().map_or(0, |b| u64::from_be_bytes(*b))
}

/// Where an entry is that waits, and what of it is told with it.
struct Waiting {
    number: u64,
    is_delivered: bool,
    bytes: u32,
}

impl Waiting {
    fn of(number: u64, is_delivered: bool, raw: &str) -> Self {
        Self { number, is_delivered, bytes: u32::try_from(raw.len()).unwrap_or(u32::MAX) }
    }

    fn seal(&self, key: &[u8]) -> Vec<u8> {
        let bytes = [&self.number.to_be_bytes()[..], &[self.is_delivered.into()], &self.bytes.to_be_bytes()].concat();
        PENDING.seal(key, &bytes)
    }

    fn open(key: &[u8], value: &[u8]) -> Result<Self> {
        let saved = PENDING.open(key, value).map_err(Damaged::from)?;
        let odd = || Damaged("an entry that waits isn't what was saved".into());
        let (number, rest) = saved.split_first_chunk::<8>().ok_or_else(odd)?;
        let (is_delivered, rest) = rest.split_first().ok_or_else(odd)?;
        let bytes = rest.first_chunk::<4>().ok_or_else(odd)?;
        Ok(Self {
            number: u64::from_be_bytes(*number),
            is_delivered: *is_delivered != 0,
            bytes: u32::from_be_bytes(*bytes),
        })
    }
}

fn pending_prefix(lane: Lane, time: u64) -> Vec<u8> {
    let lane = match lane {
        Lane::Live => 0,
        Lane::Reread => 1,
        Lane::Backfill => 2,
    };
    [&[lane][..], &time.to_be_bytes()].concat()
}

fn pending_key(lane: Lane, entry: &Entry, sight: Sight) -> Vec<u8> {
    // An entry without any time goes first: it belongs to no window that could drain later.
    let mut key = pending_prefix(lane, sight.counts_as.or(entry.time).map_or(0, |t| t.0));
    match entry.id().len() {
        0..=200 => key.extend_from_slice(entry.id().as_bytes()),
        _ => key.extend_from_slice(hex(&Sha256::digest(entry.id())).as_bytes()),
    }
    if sight.version > 1 {
        key.extend_from_slice(&entry.content_hash());
    }
    key
}
