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
//! | `k` number | the versions of some entries that were seen: dedup, kept for the stated horizon (`seen.rs`) |
//! | `p` lane, time, number | where in the archive some entries are that wait for their range to drain, then for detection (`pending.rs`) |
//! | `t` key | rule state: windows, roles, open alerts, the modules' own |
//! | `o` number | some records to deliver: which events of an archive and which alerts of the history (`outbox.rs`) |
//! | `s` sink | a sink's position in the outbox and what it needs to resume |
//! | `e` number | an alert that Slack could tell more of |
//! | `f` number | a fault: an event that a module could not get over, or a lie of its |
//! | `j` number | which versions of the modules judged from an event on (`judges.rs`) |
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
use self::commits::Beside;
pub use self::outbox::Kinds;
use self::outbox::{Made, damaged, outbox_key};
use crate::archive::{self, Archive, Ends};
use crate::history;
use crate::record::Record;
use crate::telemetry::status::Backlog;
use anyhow::{Context, Result};
use gridwatch_event::org::OrgId;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_log::{End, LogError};
use gridwatch_rules::alert::Alert;
use gridwatch_rules::audit::Deed;
use gridwatch_rules::handling::Act;
use gridwatch_rules::monitor::Heartbeat;
use gridwatch_rules::monitor::heartbeat::Chain;
use gridwatch_rules::state::Forgotten;
use rows::{
    ALERTS, AUDIT, CHAIN, COMMITS, ENTRIES, FORMAT_KEY, Kind, MONITORED, NEXT_RECORD, ORDER, OUTBOX, POSITIONS,
};
use seen::runs::Known;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

mod changes;
pub mod checkpoint;
mod commits;
pub mod damage;
pub mod judges;
mod layout_5;
pub mod older;
mod org;
mod outbox;
mod pending;
mod rebuilt;
pub mod rows;
mod seen;
mod still;
mod trail;

pub use damage::Damaged;
pub use older::Older;
pub use pending::Pending;
pub use rebuilt::Left;
pub use seen::{Arrival, Arrivals, Sighting};
pub use trail::InForce;

/// What is used again lies in few pages of sled's: 64 MiB were no faster.
const CACHE_BYTES: u64 = 8 << 20;
/// Entries seen that are forgotten in one go, so that a sweep holds nobody up.
const SWEEP: usize = 20_000;
/// Layout of the rows. A store of another layout is set aside and filled anew by reading Slack again: see [`older`].
const FORMAT: u32 = 6;

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
    trail: Mutex<trail::State>,
    /// Numbers handed out, and the one lock that keeps commits in order.
    counters: Mutex<Counters>,
    tallies: Mutex<BTreeMap<Vec<u8>, Tallies>>,
    /// Number of the newest commit, handed out under the lock of the tallies.
    commits: AtomicU64,
    beside: Mutex<Beside>,
    /// What each commit passes.
    gate: still::Gate,
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
    /// What was seen, once it was asked for.
    known: Arc<Mutex<Known>>,
}

/// Rows that can't be read, and who knows of them.
#[derive(Debug, Default)]
struct Unreadable {
    /// By key, of which nothing has been said yet.
    new: BTreeMap<Vec<u8>, Forgotten>,
    /// Keys of all of them that are still to be removed: neither was anything else written under them since they were read.
    rows: BTreeSet<Vec<u8>>,
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
    /// From here on alerts may be lost that some sink hadn't got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts_from: Option<UnixSeconds>,
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

impl Store {
    /// Opens or makes the store, with these organizations' parts. It is used after [`Store::take_up`].
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
            Some(FORMAT | layout_5::LAYOUT) => Self::of_db(db, dir, places, false)?,
            Some(layout) if Older::is_known(layout) => return Ok(Opened::Older(Older::new(db, layout))),
            Some(other) => {
                let what = format!("it has layout {other}, which this gridwatch doesn't know (its own is {FORMAT})");
                return Err(Damaged(what).into());
            }
        };
        store.count()?;
        places.iter().try_for_each(|place| store.org(&place.org).map(|_| ()))?;
        Ok(Opened::Store(store))
    }

    /// What it says is believed: cuts off what its logs have beyond it, takes in what an older gridwatch left, and notes that it is open. Before
    /// that nothing is changed, for a store that is to be set aside is made anew from all that its logs have.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn take_up(&self) -> Result<()> {
        self.rows.history().settle()?;
        self.settle_trail()?;
        for archive in self.rows.archives.lock().unwrap_or_else(PoisonError::into_inner).values() {
            archive.settle()?;
        }
        self.take_in_before()?;
        self.change_layout_5()?;
        let marker = self.open_marker();
        crate::disk::replace_unsynced(&marker, b"").with_context(|| format!("can't write {}", marker.display()))
    }

    fn open_marker(&self) -> PathBuf {
        let (path, _) = &self.rows.file;
        path.parent().map_or_else(PathBuf::new, open_marker)
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
        let beside = Beside::open(dir)?;
        let commits = match db.get(COMMITS.key(&[]))? {
            // It goes on after the one before it.
            None if is_new => beside.said(),
            None => beside.checked(0)?,
            Some(value) => beside.checked(number(COMMITS.open(&COMMITS.key(&[]), &value).map_err(Damaged::from)?))?,
        };
        let mut forgotten = None;
        let history = match alerts_end(&db)? {
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
        let (trail, forgotten_trail) = trail::State::open(&db, &state_dir)?;
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
            trail: Mutex::new(trail),
            counters: Mutex::default(),
            tallies: Mutex::default(),
            commits: commits.into(),
            beside: Mutex::new(beside),
            gate: still::Gate::default(),
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
        forgotten_trail.into_iter().for_each(|forgotten| rows.note(forgotten));
        Ok(Self { rows: Arc::new(rows), orgs: Mutex::default() })
    }

    /// Opens the store of a gridwatch that doesn't run, so that something can be noted about an alert. No organization's part is looked at, and nothing
    /// is mended: whatever isn't as it should be is left to the next start.
    ///
    /// # Errors
    /// It isn't as it should be.
    pub fn at_rest(dir: &Path) -> Result<Self> {
        let db = opened(dir)?;
        match layout(&db)? {
            Some(FORMAT) => {}
            _ => return Err(Damaged("it was written by another version of gridwatch".into()).into()),
        }
        if let Some(end) = alerts_end(&db)? {
            history::Writer::open(dir.parent().unwrap_or(dir), end).map_err(log_damage)?;
        }
        trail::State::check(&db, dir.parent().unwrap_or(dir)).map_err(log_damage)?;
        let store = Self::of_db(db, dir, &[], false)?;
        store.count()?;
        store.rows.history().settle()?;
        store.settle_trail()?;
        Ok(store)
    }

    /// Where it is, with its logs.
    pub fn state_dir(&self) -> &Path {
        &self.rows.state_dir
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
            known: Arc::default(),
        };
        part.check()?;
        part.count()?;
        orgs.insert(org.clone(), part.clone());
        Ok(part)
    }

    fn parts(&self) -> Vec<OrgStore> {
        self.orgs.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Notes that nothing was under way at the end. Else the next start looks whether all rows of what was seen are there, which takes a
    /// while where there are many.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn close(&self) -> Result<()> {
        let marker = self.open_marker();
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
        // Histories and trails are logs, and how far they go is saved anew.
        for row in forgotten.iter().filter(|row| row.key != ALERTS.key(&[]) && row.key != AUDIT.key(&[])) {
            batch.forget(&*row.key);
        }
        self.rows.commit_with(batch, alerts)
    }

    /// Notes what somebody did about an alert: another record of it. `alert` is its newest one below the place `next` of the history; what came since is
    /// looked at here, where nobody else writes. Returns the alert as it is now, and whether that is news.
    ///
    /// # Errors
    /// It can't be read or saved.
    pub fn commit_act(
        &self,
        mut alert: Alert,
        next: u64,
        act: Act,
        deed: impl FnOnce(&Alert) -> Deed,
    ) -> Result<(Alert, bool)> {
        let mut counters = self.rows.lock();
        let end = self.rows.history().end().next;
        for place in next..end {
            let newer = self.rows.alerts.lock().unwrap_or_else(PoisonError::into_inner).get(place)?;
            if let Some(newer) = newer.filter(|newer| newer.uid == alert.uid && newer.revision >= alert.revision) {
                alert = newer;
            }
        }
        let Some(acted) = alert.acted(act) else { return Ok((alert, false)) };
        let record = Record::Alert(Box::new(acted.clone()));
        let deed = deed(&acted);
        self.rows.commit_numbered(Changes::default(), &[record], Some(deed), &mut counters)?;
        Ok((acted, true))
    }

    /// What was told of gridwatch's own troubles. Whoever can't read it begins anew: then what still goes on is told again.
    pub fn monitored<T: DeserializeOwned + Default>(&self) -> Result<T> {
        let key = MONITORED.key(&[]);
        let Some(value) = self.rows.db.get(&key)? else { return Ok(T::default()) };
        Ok(self.rows.readable(MONITORED.open_json(&key, &value)).unwrap_or_default())
    }

    /// Saves it, with the alerts that tell it.
    pub fn commit_monitored<T: Serialize>(&self, monitored: &T, alerts: &[Record]) -> Result<()> {
        let mut batch = Changes::default();
        put(&mut batch, MONITORED, MONITORED.key(&[]), monitored)?;
        self.rows.commit_with(batch, alerts)
    }

    /// Where the chain of heartbeats has come to; `None` before the first, and where it can't be read.
    pub fn chain(&self) -> Result<Option<Chain>> {
        let key = CHAIN.key(&[]);
        let Some(value) = self.rows.db.get(&key)? else { return Ok(None) };
        Ok(self.rows.readable(CHAIN.open_json(&key, &value)))
    }

    /// Puts a heartbeat on its way, with the link that the next one goes on from. It is in no log: one that no sink had before the
    /// store was lost is missing from the chain, which shows.
    pub fn commit_heartbeat(&self, beat: &Heartbeat) -> Result<()> {
        let mut batch = Changes::default();
        put(&mut batch, CHAIN, CHAIN.key(&[]), &beat.link())?;
        let bytes = 2 * beat.statement.len() as u64;
        let made = Made { heartbeat: Some(Box::new(beat.clone())), bytes, ..Made::default() };
        // Held until it is saved: others hand out numbers of records too.
        let mut counters = self.rows.lock();
        self.rows.add_made(&mut batch, &made, counters.next_record)?;
        self.rows.commit(batch)?;
        counters.next_record += made.count();
        counters.backlog_bytes += made.bytes;
        Ok(())
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
    pub fn records(&self, from: u64, kinds: Kinds, max: usize, max_bytes: usize) -> Result<(Vec<(u64, Record)>, u64)> {
        self.rows.records(from, kinds, max, max_bytes)
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
        let mut unreadable = self.unreadable();
        // Two may have read the same row, and one of them may be long done with it.
        let is_there = self.db.contains_key(&forgotten.key).unwrap_or(true);
        if is_there && unreadable.rows.insert(forgotten.key.clone()) {
            unreadable.new.insert(forgotten.key.clone(), forgotten);
        }
    }

    fn unreadable(&self) -> std::sync::MutexGuard<'_, Unreadable> {
        self.unreadable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers alerts of gridwatch's own and puts them on their way together with what else a batch changes.
    fn commit_with(&self, batch: Changes, alerts: &[Record]) -> Result<()> {
        if alerts.is_empty() {
            return self.commit(batch);
        }
        // Held until it is saved: others hand out numbers of records too.
        self.commit_numbered(batch, alerts, None, &mut self.lock())
    }

    fn commit_numbered(
        &self,
        mut batch: Changes,
        alerts: &[Record],
        deed: Option<Deed>,
        counters: &mut Counters,
    ) -> Result<()> {
        let (first, mut made) = (counters.next_record, Made::default());
        let alerts = self.add_alerts(&mut batch, &mut made, first, alerts)?;
        self.add_made(&mut batch, &made, first)?;
        let next = first + made.count();
        let deed = deed.map(|deed| self.add_deed(&mut batch, deed, None, next)).transpose()?;
        self.commit(batch)?;
        alerts.keep();
        counters.next_record = next;
        counters.backlog_bytes += made.bytes;
        if let Some((_, made, noted)) = deed {
            noted.keep();
            counters.next_record += made.count();
            counters.backlog_bytes += made.bytes;
        }
        Ok(())
    }

    /// Writes alerts into the history. They count when what this returns is kept.
    fn add_alerts(&self, batch: &mut Changes, made: &mut Made, first: u64, alerts: &[Record]) -> Result<Added<'_>> {
        let alerts = alerts.iter().filter_map(|record| match record {
            Record::Alert(alert) => Some(&**alert),
            Record::Event { .. } | Record::Heartbeat(_) | Record::Audited(_) => None,
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

/// How far the history goes.
fn alerts_end(db: &sled::Db) -> Result<Option<End>> {
    let key = ALERTS.key(&[]);
    let Some(value) = db.get(&key)? else { return Ok(None) };
    let saved: [u8; 32] = ALERTS.open_json(&key, &value).map_err(Damaged::from)?;
    Ok(Some(End::from_bytes(&saved)))
}

/// Is there while the store is open.
fn open_marker(dir: &Path) -> PathBuf {
    dir.with_extension("open")
}

fn opened(dir: &Path) -> Result<sled::Db> {
    crate::folder::make(dir, crate::folder::PRIVATE).with_context(|| format!("can't make {}", dir.display()))?;
    let db = sled::Config::new().path(dir).flush_every_ms(None).cache_capacity(CACHE_BYTES).open();
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
