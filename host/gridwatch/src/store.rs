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
//! | `f` number | a fault: an event that a module could not get over, or a lie of its |
//!
//! One tree, because only a batch on one tree is atomic without sled's slow transactions.

use self::checkpoint::Checkpoint;
use crate::record::{self, Record};
use crate::telemetry::status::Backlog;
use anyhow::{Context, Result};
use gridwatch_event::drift::Checked;
use gridwatch_event::entry::Entry;
use gridwatch_event::event::Sight;
use gridwatch_event::roster::Roster;
use gridwatch_event::text::hex;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_poll::{Commit, Lane, LateHistogram, Ledger, LedgerRange, PollState};
use gridwatch_rules::batch::MAX_BATCH_BYTES;
use gridwatch_rules::pipeline::Fault;
use gridwatch_rules::state::StateOp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Mutex;

pub mod checkpoint;
pub mod damage;
mod seen;

pub use damage::Damaged;
pub use seen::{Arrival, Arrivals, Sighting};

/// Faults kept; the oldest go first.
const MAX_FAULTS: u64 = 10_000;
/// Dedup rows removed in one go, so that a sweep holds nobody up.
const SWEEP: usize = 20_000;
/// Layout of the rows. A store of another layout is set aside and rebuilt, except for layout 2, whose rows are taken over.
const FORMAT: u32 = 3;
const FORMAT_BEFORE: u32 = 2;

#[derive(Debug)]
pub struct Store {
    db: sled::Db,
    /// Numbers handed out, and the one lock that keeps commits in order.
    counters: Mutex<Counters>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counters {
    next_seq: u64,
    next_record: u64,
    first_record: u64,
    next_fault: u64,
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
    /// What its row weighs.
    bytes: u64,
}

/// A sink's place in the outbox.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Position {
    /// Number of the next record the sink has not taken.
    pub next: u64,
    /// What the sink needs to go on exactly there.
    pub resume: Option<serde_json::Value>,
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
    /// Opens or makes the store. It has to be set aside if the error [is damage](damage::is_damage).
    pub fn open(dir: &Path, now: UnixMillis) -> Result<Self> {
        crate::folder::make(dir, crate::folder::PRIVATE).with_context(|| format!("can't make {}", dir.display()))?;
        let db = sled::Config::new().path(dir).flush_every_ms(None).cache_capacity(64 << 20).open();
        let db = db.with_context(|| format!("can't open the store in {}", dir.display()))?;
        let store = Self { db, counters: Mutex::default() };
        match store.get::<u32>(b"mformat")? {
            None => {
                let mut batch = sled::Batch::default();
                put(&mut batch, b"mformat", &FORMAT);
                store.commit(batch)?;
            }
            Some(FORMAT) => {}
            Some(FORMAT_BEFORE) => {
                let ids = store.take_over_layout_2(now)?;
                let ahead = store.take_over_dated_ahead(now.seconds())?;
                let mut batch = sled::Batch::default();
                put(&mut batch, b"mformat", &FORMAT);
                store.commit(batch)?;
                tracing::info!(
                    ids,
                    ahead,
                    "store taken over from an older gridwatch; nothing is delivered again for it"
                );
            }
            Some(other) => return Err(Damaged(format!("it has layout {other}, not {FORMAT}")).into()),
        }
        store.count()?;
        Ok(store)
    }

    /// Entries dated ahead waited for ever in layout 2: they count as of when they were first seen now. Returns how many.
    fn take_over_dated_ahead(&self, now: UnixSeconds) -> Result<usize> {
        let (mut batch, mut taken) = (sled::Batch::default(), 0);
        let ahead = pending_prefix(Lane::Live, now.0.saturating_add(1))..pending_prefix(Lane::Reread, 0);
        for row in self.db.range(ahead).take(SWEEP) {
            let (key, value) = row?;
            let Pending { entry, sight, .. } = pending(key.clone(), &value)?;
            let sight = Sight { counts_as: Some(sight.first_seen.seconds()), ..sight };
            batch.remove(key);
            batch.insert(pending_key(Lane::Live, &entry, sight), pending_value(&entry, sight));
            taken += 1;
        }
        self.commit(batch)?;
        Ok(taken)
    }

    /// Damage may also be that the newest commits are missing: sled takes up what is before a damaged place and says
    /// nothing. The checkpoint is written after the commits it speaks of, so a store can't be behind it.
    pub fn is_behind(&self, checkpoint: &Checkpoint) -> Result<bool> {
        // A rebuild begins before its checkpoint, and isn't behind it until there is a newer one.
        if self.get::<Checkpoint>(b"mrebuilt")?.as_ref() == Some(checkpoint) {
            return Ok(false);
        }
        let watermark = self.get::<PollState>(b"mpoll")?.and_then(|state| state.watermark());
        Ok(watermark < Some(checkpoint.watermark)
            || self.next_seq() < checkpoint.next_seq
            || self.next_record() < checkpoint.next_record)
    }

    fn count(&self) -> Result<()> {
        let mut counters = self.lock();
        let next = |prefix: &[u8]| -> Result<Option<u64>> {
            let last = self.db.scan_prefix(prefix).next_back().transpose()?;
            Ok(last.map(|(key, _)| number(&key[1..]) + 1))
        };
        counters.next_seq = self.get(b"mnext_seq")?.unwrap_or(1);
        counters.next_record = self.get(b"mnext_record")?.unwrap_or(1);
        counters.next_fault = next(b"f")?.unwrap_or(1);
        counters.first_record = counters.next_record;
        for row in self.db.scan_prefix(b"o") {
            let (key, value) = row?;
            counters.first_record = counters.first_record.min(number(&key[1..]));
            counters.backlog_bytes += value.len() as u64;
        }
        for row in self.db.scan_prefix(b"p") {
            counters.backlog_bytes += row?.1.len() as u64;
            counters.pending += 1;
        }
        Ok(())
    }

    // --- polling -----------------------------------------------------------------------------------------------------

    pub fn poll_state(&self) -> Result<Option<(PollState, Ledger, LateHistogram)>> {
        let Some(state) = self.get(b"mpoll")? else { return Ok(None) };
        let rows = self.db.scan_prefix(b"l").values();
        let rows: Vec<LedgerRange> = rows.map(|row| parse("a ledger row", &row?)).collect::<Result<_>>()?;
        Ok(Some((state, Ledger::from_rows(rows), self.get(b"mlate")?.unwrap_or_default())))
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
        for Arrival { entry, sighting, counts_as } in arrivals.each.iter().filter(|a| a.sighting.is_delivered()) {
            let mut sight = Sight { counts_as: *counts_as, ..Sight::first(first_seen) };
            if let Sighting::Version { number, other_act } = sighting {
                (sight.version, sight.other_act) = (*number, *other_act);
            }
            let value = pending_value(entry, sight);
            bytes += value.len() as u64;
            added += 1;
            batch.insert(pending_key(lane, entry, sight), value);
        }
        arrivals.put(&mut batch);
        put(&mut batch, b"mpoll", &commit.state);
        put(&mut batch, b"mlate", late);
        for start in &commit.ledger.deletes {
            batch.remove([&b"l"[..], &start.0.to_be_bytes()].concat());
        }
        for range in &commit.ledger.upserts {
            put(&mut batch, &[&b"l"[..], &range.start.0.to_be_bytes()].concat(), range);
        }
        self.release(&mut batch, lane, commit)?;
        self.commit(batch)?;
        let mut counters = self.lock();
        counters.backlog_bytes += bytes;
        counters.pending += added;
        Ok(())
    }

    fn release(&self, batch: &mut sled::Batch, lane: Lane, commit: &Commit) -> Result<()> {
        let mut released: Released = self.get(b"mreleased")?.unwrap_or_default();
        let drained = commit.drained.is_some();
        match lane {
            Lane::Live => {
                let to = commit.state.watermark().unwrap_or_default();
                released.live_to = released.live_to.max(to);
            }
            Lane::Reread => released.reread = drained,
            Lane::Backfill => released.backfill = drained,
        }
        put(batch, b"mreleased", &released);
        Ok(())
    }

    // --- detection ---------------------------------------------------------------------------------------------------

    /// The next entries whose windows are drained, in (lane, time, id) order: at most so many, and of at most
    /// [`MAX_BATCH_BYTES`] together, but at least one.
    pub fn next_pending(&self, max: usize) -> Result<Vec<Pending>> {
        let released: Released = self.get(b"mreleased")?.unwrap_or_default();
        let (mut out, mut bytes) = (Vec::new(), 0);
        for lane in Lane::ALL {
            let to = match lane {
                Lane::Live => released.live_to.0.saturating_add(1),
                Lane::Reread if released.reread => u64::MAX,
                Lane::Backfill if released.backfill => u64::MAX,
                Lane::Reread | Lane::Backfill => continue,
            };
            let (from, to) = (pending_prefix(lane, 0), pending_prefix(lane, to));
            for row in self.db.range(from..to).take(max - out.len()) {
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
        self.lock().next_seq
    }

    /// Every row of rule state, for the pipeline and the modules to load at start.
    pub fn rule_state(&self) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>)>> + '_ {
        self.db.scan_prefix(b"t").map(|row| {
            let (key, value) = row?;
            Ok((key[1..].to_vec(), unpacked(&value)?))
        })
    }

    /// Saves a batch's results: its entries leave the queue, its events and alerts enter the outbox, rule state follows.
    /// One batch: an event is counted by a rule exactly when its alerts are on their way.
    pub fn commit_detections(
        &self,
        taken: &[Pending],
        records: &[Record],
        changes: &[StateOp],
        faults: &[Fault],
    ) -> Result<()> {
        // Held until it is saved: the drift watch hands out numbers of records too.
        let mut shared = self.lock();
        let mut counters = *shared;
        let (mut batch, mut grown, mut shrunk) = (sled::Batch::default(), 0, 0);
        for pending in taken {
            shrunk += pending.bytes;
            batch.remove(&pending.key);
        }
        for record in records {
            let bytes = record.to_bytes();
            grown += bytes.len() as u64;
            batch.insert(outbox_key(counters.next_record), bytes);
            counters.next_record += 1;
        }
        for op in changes {
            let key = [&b"t"[..], &op.key].concat();
            match &op.value {
                Some(value) => batch.insert(key, packed(value)),
                None => batch.remove(key),
            }
        }
        for fault in faults {
            put(&mut batch, &[&b"f"[..], &counters.next_fault.to_be_bytes()].concat(), fault);
            if let Some(oldest) = counters.next_fault.checked_sub(MAX_FAULTS) {
                batch.remove([&b"f"[..], &oldest.to_be_bytes()].concat());
            }
            counters.next_fault += 1;
        }
        counters.next_seq += taken.len() as u64;
        put(&mut batch, b"mnext_seq", &counters.next_seq);
        put(&mut batch, b"mnext_record", &counters.next_record);
        self.commit(batch)?;
        shared.next_seq = counters.next_seq;
        shared.next_record = counters.next_record;
        shared.next_fault = counters.next_fault;
        shared.pending = shared.pending.saturating_sub(taken.len() as u64);
        shared.backlog_bytes = (shared.backlog_bytes + grown).saturating_sub(shrunk);
        Ok(())
    }

    pub fn drift(&self) -> Result<Option<Checked>> {
        self.get(b"mdrift")
    }

    /// Saves what the drift watch saw, with the alert that tells it, if it is news.
    pub fn commit_drift(&self, checked: &Checked, alerts: &[Record]) -> Result<()> {
        self.commit_watched(b"mdrift", checked, alerts)
    }

    pub fn roster(&self) -> Result<Option<Roster>> {
        self.get(b"mroster")
    }

    /// Saves what the roster watch saw, with the alerts that tell who lost a second factor.
    pub fn commit_roster(&self, roster: &Roster, alerts: &[Record]) -> Result<()> {
        self.commit_watched(b"mroster", roster, alerts)
    }

    /// What has been told once and needn't be again: see [`crate::watch`].
    pub fn told(&self) -> Result<Vec<String>> {
        Ok(self.get(b"mtold")?.unwrap_or_default())
    }

    /// Saves what has been told, with the alerts that tell it.
    pub fn commit_told(&self, told: &[String], alerts: &[Record]) -> Result<()> {
        self.commit_watched(b"mtold", &told, alerts)
    }

    /// Saves what a watch beside the stages saw, with the alerts that tell it.
    fn commit_watched<T: Serialize>(&self, key: &[u8], seen: &T, alerts: &[Record]) -> Result<()> {
        let mut batch = sled::Batch::default();
        put(&mut batch, key, seen);
        self.commit_with_alerts(batch, alerts)
    }

    /// Numbers alerts and puts them on their way together with what else a batch changes.
    fn commit_with_alerts(&self, mut batch: sled::Batch, alerts: &[Record]) -> Result<()> {
        if alerts.is_empty() {
            return self.commit(batch);
        }
        // Held until it is saved: others hand out numbers of records too.
        let mut counters = self.lock();
        let (mut next_record, mut grown) = (counters.next_record, 0);
        for alert in alerts {
            let bytes = alert.to_bytes();
            grown += bytes.len() as u64;
            batch.insert(outbox_key(next_record), bytes);
            next_record += 1;
        }
        put(&mut batch, b"mnext_record", &next_record);
        self.commit(batch)?;
        counters.next_record = next_record;
        counters.backlog_bytes += grown;
        Ok(())
    }

    pub fn faults(&self) -> u64 {
        self.lock().next_fault - 1
    }

    // --- delivery ----------------------------------------------------------------------------------------------------

    /// Makes the sinks known. New ones begin at the oldest record kept; those no longer configured are forgotten, or
    /// they would hold the outbox for ever. Returns the forgotten ones.
    pub fn set_sinks(&self, names: &[String]) -> Result<Vec<String>> {
        let mut batch = sled::Batch::default();
        let mut gone = Vec::new();
        for key in self.db.scan_prefix(b"s").keys() {
            let key = key?;
            let name = String::from_utf8_lossy(&key[1..]).into_owned();
            if !names.contains(&name) {
                batch.remove(key);
                gone.push(name);
            }
        }
        let first = self.lock().first_record;
        for name in names {
            if self.db.get(sink_key(name))?.is_none() {
                put(&mut batch, &sink_key(name), &Position { next: first, ..Position::default() });
            }
        }
        self.commit(batch)?;
        Ok(gone)
    }

    pub fn position(&self, sink: &str) -> Result<Position> {
        Ok(self.get(&sink_key(sink))?.unwrap_or_default())
    }

    /// Up to `max` records from a number on, of at most `max_bytes` together (but at least one). Only saved ones: sled shows a
    /// batch before it is synced, and what was delivered but never saved would be delivered in another shape after a crash.
    pub fn records(&self, from: u64, max: usize, max_bytes: usize) -> Result<Vec<(u64, Record)>> {
        let (mut out, mut bytes) = (Vec::new(), 0);
        let saved = self.next_record().max(from);
        for row in self.db.range(outbox_key(from)..outbox_key(saved)).take(max) {
            let (key, value) = row?;
            bytes += value.len();
            if bytes > max_bytes && !out.is_empty() {
                break;
            }
            let record = Record::from_bytes(&value).with_context(|| Damaged("an outbox row".into()))?;
            out.push((number(&key[1..]), record));
        }
        Ok(out)
    }

    /// Saves that a sink is done with everything before `position.next`, and drops what all sinks are done with. Alerts about the
    /// attempt enter the outbox in the same batch: what `position.lost` says was told is told, once.
    pub fn commit_attempt(&self, sink: &str, position: &Position, alerts: &[Record]) -> Result<()> {
        let mut batch = sled::Batch::default();
        put(&mut batch, &sink_key(sink), position);
        let mut lowest = position.next;
        for row in self.db.scan_prefix(b"s") {
            let (key, value) = row?;
            if key[1..] != *sink.as_bytes() {
                lowest = lowest.min(parse::<Position>("a sink's position", &value)?.next);
            }
        }
        let first = self.lock().first_record;
        let mut freed = 0;
        for row in self.db.range(outbox_key(first)..outbox_key(lowest)) {
            let (key, value) = row?;
            freed += value.len() as u64;
            batch.remove(key);
        }
        self.commit_with_alerts(batch, alerts)?;
        let mut counters = self.lock();
        counters.first_record = counters.first_record.max(lowest);
        counters.backlog_bytes = counters.backlog_bytes.saturating_sub(freed);
        Ok(())
    }

    pub fn next_record(&self) -> u64 {
        self.lock().next_record
    }

    /// The oldest record still kept; equal to `next_record` when everything is delivered.
    pub fn first_record(&self) -> u64 {
        self.lock().first_record
    }

    /// What waits for detection, and for a sink.
    pub fn backlog(&self) -> Backlog {
        let counters = self.lock();
        let records = counters.next_record.saturating_sub(counters.first_record);
        Backlog { entries: counters.pending, records, bytes: counters.backlog_bytes }
    }

    /// Bytes that wait for detection or for a sink.
    pub fn backlog_bytes(&self) -> u64 {
        self.lock().backlog_bytes
    }

    /// Notes the checkpoint that this store was begun from, after the one before it was lost.
    pub fn rebuilt_from(&self, checkpoint: &Checkpoint) -> Result<()> {
        let mut batch = sled::Batch::default();
        put(&mut batch, b"mrebuilt", checkpoint);
        self.commit(batch)
    }

    /// Drops what all sinks have taken; how many records are left. Two sinks that save their positions at the same time
    /// each see the other's old one, so that what both have taken may still be there.
    pub fn trim(&self) -> Result<u64> {
        let lowest = self.db.scan_prefix(b"s").values();
        let lowest = lowest.map(|value| Ok(parse::<Position>("a sink's position", &value?)?.next));
        let lowest = lowest.collect::<Result<Vec<u64>>>()?.into_iter().min().unwrap_or(0);
        let (mut batch, mut freed, first) = (sled::Batch::default(), 0, self.first_record());
        for row in self.db.range(outbox_key(first)..outbox_key(lowest.max(first))) {
            let (key, value) = row?;
            freed += value.len() as u64;
            batch.remove(key);
        }
        self.commit(batch)?;
        let mut counters = self.lock();
        counters.first_record = counters.first_record.max(lowest).min(counters.next_record);
        counters.backlog_bytes = counters.backlog_bytes.saturating_sub(freed);
        Ok(counters.next_record.saturating_sub(counters.first_record))
    }

    /// Starts numbering where a lost store may have left off: numbers are never used twice.
    pub fn skip_to(&self, next_seq: u64, next_record: u64) -> Result<()> {
        let mut batch = sled::Batch::default();
        put(&mut batch, b"mnext_seq", &next_seq);
        put(&mut batch, b"mnext_record", &next_record);
        self.commit(batch)?;
        let mut counters = self.lock();
        if counters.first_record == counters.next_record {
            counters.first_record = next_record; // nothing is kept
        }
        (counters.next_seq, counters.next_record) = (next_seq, next_record);
        Ok(())
    }

    // --- rows --------------------------------------------------------------------------------------------------------

    fn get<T: for<'de> Deserialize<'de>>(&self, key: &[u8]) -> Result<Option<T>> {
        let Some(value) = self.db.get(key)? else { return Ok(None) };
        Ok(Some(parse(&format!("row `{}`", String::from_utf8_lossy(key)), &value)?))
    }

    /// The one way anything is written: all of it, on disk, or an error after which the process must not go on.
    fn commit(&self, batch: sled::Batch) -> Result<()> {
        self.db.apply_batch(batch).context("can't write to the store")?;
        self.db.flush().context("can't sync the store")?;
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
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

fn unpacked(value: &[u8]) -> Result<Vec<u8>> {
    match value.split_first() {
        Some((&PLAIN, rest)) => Ok(rest.to_vec()),
        Some((&ZSTD, rest)) => zstd::decode_all(rest).with_context(|| Damaged("a packed row of rule state".into())),
        _ => Err(Damaged("a row of rule state".into()).into()),
    }
}

fn parse<T: for<'de> Deserialize<'de>>(what: &str, value: &[u8]) -> Result<T> {
    serde_json::from_slice(value).with_context(|| Damaged(what.to_owned()))
}

fn put<T: Serialize>(batch: &mut sled::Batch, key: &[u8], value: &T) {
    // Our own types: strings, numbers, lists and maps with text keys, which always serialise.
    batch.insert(key, serde_json::to_vec(value).unwrap_or_default());
}

fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk::<8>().map_or(0, |b| u64::from_be_bytes(*b))
}

fn outbox_key(n: u64) -> Vec<u8> {
    let mut key = vec![b'o'; 9];
    key[1..].copy_from_slice(&n.to_be_bytes());
    key
}

fn sink_key(name: &str) -> Vec<u8> {
    [b"s", name.as_bytes()].concat()
}

/// Begins a row of an entry that waits. Layout 2 began it with the milliseconds of the first sight, whose first byte is zero.
const SIGHTED: u8 = 1;

fn pending_value(entry: &Entry, sight: Sight) -> Vec<u8> {
    [&[SIGHTED][..], &record::sight_bytes(sight), entry.raw().as_bytes()].concat()
}

fn pending(key: sled::IVec, value: &[u8]) -> Result<Pending> {
    let short = || Damaged("a pending row is too short".into());
    let (sight, raw) = match value.split_first() {
        Some((&SIGHTED, rest)) => record::sight_of(rest).ok_or_else(short)?,
        _ => {
            let (first_seen, raw) = value.split_first_chunk::<8>().ok_or_else(short)?;
            (Sight::first(UnixMillis(u64::from_be_bytes(*first_seen))), raw)
        }
    };
    let entry = Entry::from_json(&String::from_utf8_lossy(raw));
    Ok(Pending { key, entry, sight, bytes: value.len() as u64 })
}

fn pending_prefix(lane: Lane, time: u64) -> Vec<u8> {
    let lane = match lane {
        Lane::Live => 0,
        Lane::Reread => 1,
        Lane::Backfill => 2,
    };
    [&[b'p', lane][..], &time.to_be_bytes()].concat()
}

fn pending_key(lane: Lane, entry: &Entry, sight: Sight) -> Vec<u8> {
    // An entry without any time goes first: it belongs to no window that could drain later.
    let mut key = pending_prefix(lane, sight.counts_as.or(entry.time).map_or(0, |t| t.0));
    match entry.id.len() {
        0..=200 => key.extend_from_slice(entry.id.as_bytes()),
        _ => key.extend_from_slice(hex(&Sha256::digest(&entry.id)).as_bytes()),
    }
    if sight.version > 1 {
        key.extend_from_slice(&entry.content_hash());
    }
    key
}
