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
//! | `p` lane, time it counts as of, id, content hash | an entry, with how it was seen, that waits for its window to drain, then for detection |
//! | `t` key | rule state: windows, roles, open alerts, the modules' own |
//! | `o` number | an outbox record: an event or an alert, in the order of detection |
//! | `s` sink | a sink's position in the outbox and what it needs to resume |
//! | `e` number | an alert that Slack could tell more of |
//! | `f` number | a fault: an event that a module could not get over, or a lie of its |
//!
//! Each row carries a checksum and a version (`rows.rs`). One that can't be read is either damage, because polling or delivery
//! can't go on without it: then the whole store is set aside. Or gridwatch can do without it: then it is forgotten and counted
//! ([`Store::new_forgotten`]), and somebody is told.
//!
//! One tree, because only a batch on one tree is atomic without sled's slow transactions.

use self::checkpoint::Checkpoint;
use crate::record::{self, Record};
use crate::telemetry::status::Backlog;
use anyhow::{Context, Result};
use gridwatch_event::drift::Checked;
use gridwatch_event::entry::Entry;
use gridwatch_event::event::Sight;
use gridwatch_event::org::OrgId;
use gridwatch_event::roster::Roster;
use gridwatch_event::text::hex;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_poll::{Commit, Lane, LateHistogram, Ledger, LedgerRange, PollState};
use gridwatch_rules::alert::Alert;
use gridwatch_rules::batch::MAX_BATCH_BYTES;
use gridwatch_rules::pipeline::Fault;
use gridwatch_rules::state::{Forgotten, Part, StateOp};
use rows::{
    BEGUN, DRIFT, FAULTS, FORMAT_KEY, Kind, LATE, LEDGER, NEXT_RECORD, NEXT_SEQ, OUTBOX, PENDING, POLL, POSITIONS,
    RELEASED, ROSTER, RULES, SEEN, TOLD, WANTING,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

pub mod checkpoint;
pub mod damage;
pub mod older;
pub mod rows;
mod seen;

pub use damage::Damaged;
pub use older::Older;
pub use seen::{Arrival, Arrivals, Sighting};

/// Faults kept; the oldest go first.
const MAX_FAULTS: u64 = 10_000;
/// Dedup rows removed in one go, so that a sweep holds nobody up.
const SWEEP: usize = 20_000;
/// Layout of the rows. A store of another layout is set aside and filled anew by reading Slack again: see [`older`].
const FORMAT: u32 = 4;

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
    /// Numbers handed out, and the one lock that keeps commits in order.
    counters: Mutex<Counters>,
    unreadable: Mutex<Unreadable>,
}

/// One organization's part: its polling, its entries, what its rules remember. Clones are the same part.
#[derive(Clone, Debug)]
pub struct OrgStore {
    rows: Arc<Rows>,
    /// What its keys begin with. The only organization has none, so that its rows are where they always were.
    prefix: Arc<[u8]>,
    numbers: Arc<Mutex<Numbers>>,
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
    pub fn open(dir: &Path, orgs: &[OrgId]) -> Result<Opened> {
        let db = opened(dir)?;
        let store = match layout(&db)? {
            None if db.is_empty() => {
                let store = Self::of_db(db);
                store.finish()?;
                store
            }
            None => return Err(Damaged("it doesn't say which layout it has".into()).into()),
            Some(FORMAT) => Self::of_db(db),
            Some(layout) if Older::is_known(layout) => return Ok(Opened::Older(Older::new(db, layout))),
            Some(other) => {
                let what = format!("it has layout {other}, which this gridwatch doesn't know (its own is {FORMAT})");
                return Err(Damaged(what).into());
            }
        };
        store.count()?;
        orgs.iter().try_for_each(|org| store.org(org).map(|_| ()))?;
        Ok(Opened::Store(store))
    }

    /// A store that is to be filled; until [`Store::finish`], it is none.
    pub fn make(dir: &Path) -> Result<Self> {
        Ok(Self::of_db(opened(dir)?))
    }

    fn of_db(db: sled::Db) -> Self {
        let rows = Rows { db, counters: Mutex::default(), unreadable: Mutex::default() };
        Self { rows: Arc::new(rows), orgs: Mutex::default() }
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
        let part = OrgStore {
            rows: self.rows.clone(),
            prefix: org.name().map_or_else(Vec::new, rows::prefix).into(),
            numbers: Arc::default(),
        };
        part.check()?;
        part.count()?;
        orgs.insert(org.clone(), part.clone());
        Ok(part)
    }

    /// Says that all is there that a store begins with.
    fn finish(&self) -> Result<()> {
        let mut batch = sled::Batch::default();
        batch.insert(FORMAT_KEY, FORMAT.to_string().as_bytes());
        self.rows.commit(batch)
    }

    /// Reads what delivery can't do without, so that damage to it is found before anything is done.
    fn count(&self) -> Result<()> {
        self.positions()?;
        let mut counters = self.rows.lock();
        counters.next_record = self.rows.get(NEXT_RECORD, &NEXT_RECORD.key(&[]))?.unwrap_or(1);
        counters.first_record = counters.next_record;
        for row in self.rows.db.scan_prefix(OUTBOX.key(&[])) {
            let (key, value) = row?;
            OUTBOX.open(&key, &value).map_err(Damaged::from)?;
            counters.first_record = counters.first_record.min(number(OUTBOX.rest(&key)));
            counters.backlog_bytes += value.len() as u64;
        }
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
        let mut batch = sled::Batch::default();
        // An entry that was seen is noted anew with the page that shows it.
        for row in forgotten.iter().filter(|row| row.part != SEEN.name) {
            batch.remove(&*row.key);
        }
        self.rows.commit_with(batch, alerts)
    }

    // --- delivery ----------------------------------------------------------------------------------------------------

    /// Makes the sinks known. New ones begin at the oldest record kept; those no longer configured are forgotten, or
    /// they would hold the outbox for ever. Returns the forgotten ones.
    pub fn set_sinks(&self, names: &[String]) -> Result<Vec<String>> {
        let mut batch = sled::Batch::default();
        let mut gone = Vec::new();
        for key in self.rows.db.scan_prefix(POSITIONS.key(&[])).keys() {
            let key = key?;
            let name = String::from_utf8_lossy(POSITIONS.rest(&key)).into_owned();
            if !names.contains(&name) {
                batch.remove(key);
                gone.push(name);
            }
        }
        let first = self.rows.lock().first_record;
        for name in names {
            if self.rows.db.get(POSITIONS.key(name.as_bytes()))?.is_none() {
                put(
                    &mut batch,
                    POSITIONS,
                    POSITIONS.key(name.as_bytes()),
                    &Position { next: first, ..Position::default() },
                )?;
            }
        }
        self.rows.commit(batch)?;
        Ok(gone)
    }

    pub fn position(&self, sink: &str) -> Result<Position> {
        Ok(self.rows.get(POSITIONS, &POSITIONS.key(sink.as_bytes()))?.unwrap_or_default())
    }

    /// Up to `max` records from a number on, of at most `max_bytes` together (but at least one). Only saved ones: sled shows a
    /// batch before it is synced, and what was delivered but never saved would be delivered in another shape after a crash.
    pub fn records(&self, from: u64, max: usize, max_bytes: usize) -> Result<Vec<(u64, Record)>> {
        let (mut out, mut bytes) = (Vec::new(), 0);
        let saved = self.next_record().max(from);
        for row in self.rows.db.range(outbox_key(from)..outbox_key(saved)).take(max) {
            let (key, value) = row?;
            bytes += value.len();
            if bytes > max_bytes && !out.is_empty() {
                break;
            }
            let saved = OUTBOX.open(&key, &value).map_err(Damaged::from)?;
            let record = Record::from_bytes(saved).with_context(|| Damaged("an outbox row".into()))?;
            out.push((number(OUTBOX.rest(&key)), record));
        }
        Ok(out)
    }

    /// Saves that a sink is done with everything before `position.next`, and drops what all sinks are done with. Alerts about the
    /// attempt enter the outbox in the same batch: what `position.lost` says was told is told, once.
    pub fn commit_attempt(&self, sink: &str, position: &Position, alerts: &[Record]) -> Result<()> {
        let mut batch = sled::Batch::default();
        put(&mut batch, POSITIONS, POSITIONS.key(sink.as_bytes()), position)?;
        let others = self.positions()?.into_iter().filter(|(name, _)| *name != sink.as_bytes());
        let lowest = others.map(|(_, other)| other.next).fold(position.next, u64::min);
        let first = self.rows.lock().first_record;
        let mut freed = 0;
        for row in self.rows.db.range(outbox_key(first)..outbox_key(lowest)) {
            let (key, value) = row?;
            freed += value.len() as u64;
            batch.remove(key);
        }
        self.rows.commit_with(batch, alerts)?;
        let mut counters = self.rows.lock();
        counters.first_record = counters.first_record.max(lowest);
        counters.backlog_bytes = counters.backlog_bytes.saturating_sub(freed);
        Ok(())
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

    /// Drops what all sinks have taken; how many records are left. Two sinks that save their positions at the same time
    /// each see the other's old one, so that what both have taken may still be there.
    pub fn trim(&self) -> Result<u64> {
        let lowest = self.positions()?.into_iter().map(|(_, position)| position.next).min().unwrap_or(0);
        let (mut batch, mut freed, first) = (sled::Batch::default(), 0, self.first_record());
        for row in self.rows.db.range(outbox_key(first)..outbox_key(lowest.max(first))) {
            let (key, value) = row?;
            freed += value.len() as u64;
            batch.remove(key);
        }
        self.rows.commit(batch)?;
        let mut counters = self.rows.lock();
        counters.first_record = counters.first_record.max(lowest).min(counters.next_record);
        counters.backlog_bytes = counters.backlog_bytes.saturating_sub(freed);
        Ok(counters.next_record.saturating_sub(counters.first_record))
    }

    /// Where each sink is, by its name.
    fn positions(&self) -> Result<Vec<(Vec<u8>, Position)>> {
        let rows = self.rows.db.scan_prefix(POSITIONS.key(&[])).map(|row| -> Result<(Vec<u8>, Position)> {
            let (key, value) = row?;
            let position = POSITIONS.open_json(&key, &value).map_err(Damaged::from)?;
            Ok((POSITIONS.rest(&key).to_vec(), position))
        });
        rows.collect()
    }

    /// Starts numbering records where a lost store may have left off: numbers are never used twice.
    pub fn skip_to(&self, next_record: u64) -> Result<()> {
        let mut batch = sled::Batch::default();
        put(&mut batch, NEXT_RECORD, NEXT_RECORD.key(&[]), &next_record)?;
        self.rows.commit(batch)?;
        let mut counters = self.rows.lock();
        if counters.first_record == counters.next_record {
            counters.first_record = next_record; // nothing is kept
        }
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
        *self.lock() = Numbers { seq: self.get(NEXT_SEQ)?.unwrap_or(1), fault, wanting };
        self.wanting(usize::MAX)?;
        for row in self.scan(PENDING) {
            let (key, value) = row?;
            PENDING.open(&key, &value).map_err(Damaged::from)?;
            let mut counters = self.rows.lock();
            counters.backlog_bytes += value.len() as u64;
            counters.pending += 1;
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
        let (mut batch, mut bytes, mut added) = (sled::Batch::default(), 0, 0);
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
            let value = PENDING.seal(&key, &pending_value(entry, sight, is_delivered));
            bytes += value.len() as u64;
            added += 1;
            batch.insert(key, value);
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
        let mut counters = self.rows.lock();
        counters.backlog_bytes += bytes;
        counters.pending += added;
        Ok(())
    }

    fn release(&self, batch: &mut sled::Batch, lane: Lane, commit: &Commit) -> Result<()> {
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

    // --- detection ---------------------------------------------------------------------------------------------------

    /// The next entries whose windows are drained, in (lane, time, id) order: at most so many, and of at most
    /// [`MAX_BATCH_BYTES`] together, but at least one.
    pub fn next_pending(&self, max: usize) -> Result<Vec<Pending>> {
        let released: Released = self.get(RELEASED)?.unwrap_or_default();
        let (mut out, mut bytes) = (Vec::new(), 0);
        for lane in Lane::ALL {
            let to = match lane {
                Lane::Live => released.live_to.0.saturating_add(1),
                Lane::Reread if released.reread => u64::MAX,
                Lane::Backfill if released.backfill => u64::MAX,
                Lane::Reread | Lane::Backfill => continue,
            };
            let (from, to) = (self.pending_prefix(lane, 0), self.pending_prefix(lane, to));
            for row in self.rows.db.range(from..to).take(max - out.len()) {
                let (key, value) = row?;
                bytes += value.len();
                if bytes > MAX_BATCH_BYTES && !out.is_empty() {
                    return Ok(out);
                }
                out.push(pending(key, &value)?);
            }
            if out.len() >= max {
                break;
            }
        }
        Ok(out)
    }

    pub fn next_seq(&self) -> u64 {
        self.lock().seq
    }

    /// Every row of rule state that can be read, for the pipeline and the modules to load at start.
    pub fn rule_state(&self) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>)>> + '_ {
        let row = |row: sled::Result<(sled::IVec, sled::IVec)>| -> Result<Option<(Vec<u8>, Vec<u8>)>> {
            let (key, value) = row?;
            let value = RULES.open(&key, &value).and_then(|value| unpacked(&key, value));
            Ok(self.rows.readable(self.named(&key, value)).map(|value| (self.rest(RULES, &key).to_vec(), value)))
        };
        self.scan(RULES).filter_map(move |found| row(found).transpose())
    }

    /// Saves a batch's results: its entries leave the queue, its events and alerts enter the outbox, rule state follows.
    /// One batch: an event is counted by a rule exactly when its alerts are on their way.
    pub fn commit_detections(
        &self,
        taken: &[Pending],
        records: &[Record],
        changes: &[StateOp],
        faults: &[Fault],
        wanting: &[Wanting],
    ) -> Result<()> {
        // Held until it is saved: others hand out numbers of records too.
        let (mut numbers, mut shared) = (self.lock(), self.rows.lock());
        let (mut next, mut next_record) = (*numbers, shared.next_record);
        let (mut batch, mut grown, mut shrunk) = (sled::Batch::default(), 0, 0);
        for pending in taken {
            shrunk += pending.bytes;
            batch.remove(&pending.key);
        }
        for record in records {
            grown += put_record(&mut batch, next_record, record)?;
            next_record += 1;
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
        next.seq += taken.len() as u64;
        self.put(&mut batch, NEXT_SEQ, &[], &next.seq)?;
        put(&mut batch, NEXT_RECORD, NEXT_RECORD.key(&[]), &next_record)?;
        self.rows.commit(batch)?;
        *numbers = next;
        shared.next_record = next_record;
        shared.pending = shared.pending.saturating_sub(taken.len() as u64);
        shared.backlog_bytes = (shared.backlog_bytes + grown).saturating_sub(shrunk);
        Ok(())
    }

    fn change(&self, batch: &mut sled::Batch, changes: &[StateOp]) -> Result<()> {
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
        let mut batch = sled::Batch::default();
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
        let mut batch = sled::Batch::default();
        self.put(&mut batch, kind, &[], seen)?;
        self.rows.commit_with(batch, alerts)
    }

    pub fn faults(&self) -> u64 {
        self.lock().fault - 1
    }

    /// Notes how this store was begun, after the one before it was lost or of an older layout.
    pub fn begin(&self, begun: &Begun) -> Result<()> {
        let mut batch = sled::Batch::default();
        self.put(&mut batch, BEGUN, &[], begun)?;
        self.rows.commit(batch)
    }

    pub fn begun(&self) -> Result<Begun> {
        Ok(self.get(BEGUN)?.unwrap_or_default())
    }

    /// Starts numbering where a lost store may have left off: numbers are never used twice.
    pub fn skip_to(&self, next_seq: u64) -> Result<()> {
        let mut batch = sled::Batch::default();
        self.put(&mut batch, NEXT_SEQ, &[], &next_seq)?;
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

    fn put<T: Serialize>(&self, batch: &mut sled::Batch, kind: Kind, rest: &[u8], value: &T) -> Result<()> {
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
    fn commit_with(&self, mut batch: sled::Batch, alerts: &[Record]) -> Result<()> {
        if alerts.is_empty() {
            return self.commit(batch);
        }
        // Held until it is saved: others hand out numbers of records too.
        let mut counters = self.lock();
        let (mut next_record, mut grown) = (counters.next_record, 0);
        for alert in alerts {
            grown += put_record(&mut batch, next_record, alert)?;
            next_record += 1;
        }
        put(&mut batch, NEXT_RECORD, NEXT_RECORD.key(&[]), &next_record)?;
        self.commit(batch)?;
        counters.next_record = next_record;
        counters.backlog_bytes += grown;
        Ok(())
    }

    /// The one way anything is written: all of it, on disk, or an error after which the process must not go on.
    fn commit(&self, batch: sled::Batch) -> Result<()> {
        self.db.apply_batch(batch).context("can't write to the store")?;
        self.db.flush().context("can't sync the store")?;
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
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

fn put<T: Serialize>(batch: &mut sled::Batch, kind: Kind, key: Vec<u8>, value: &T) -> Result<()> {
    batch.insert(&*key, kind.seal_json(&key, value)?);
    Ok(())
}

/// Returns what the row weighs.
fn put_record(batch: &mut sled::Batch, number: u64, record: &Record) -> Result<u64> {
    let key = outbox_key(number);
    let value = OUTBOX.seal(&key, &record.to_bytes()?);
    let bytes = value.len() as u64;
    batch.insert(key, value);
    Ok(bytes)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk::<8>().map_or(0, |b| u64::from_be_bytes(*b))
}

fn outbox_key(n: u64) -> Vec<u8> {
    OUTBOX.key(&n.to_be_bytes())
}

/// Begins a row of an entry that waits, and of one that waits although it was delivered before.
const SIGHTED: u8 = 1;
const DELIVERED: u8 = 2;

fn pending_value(entry: &Entry, sight: Sight, is_delivered: bool) -> Vec<u8> {
    let kind = if is_delivered { DELIVERED } else { SIGHTED };
    [&[kind][..], &record::sight_bytes(sight), entry.raw().as_bytes()].concat()
}

fn pending(key: sled::IVec, value: &[u8]) -> Result<Pending> {
    let odd = || Damaged("an entry that waits isn't what was saved".into());
    let saved = PENDING.open(&key, value).map_err(Damaged::from)?;
    let (kind, rest) = saved.split_first().ok_or_else(odd)?;
    let (sight, raw) = record::sight_of(rest).ok_or_else(odd)?;
    let is_delivered = match *kind {
        SIGHTED => false,
        DELIVERED => true,
        _ => return Err(odd().into()),
    };
    let entry = Entry::from_json(&String::from_utf8_lossy(raw));
    Ok(Pending { key, entry, sight, is_delivered, bytes: value.len() as u64 })
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
