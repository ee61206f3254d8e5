//! One organization's part of the store: its polling, its entries, what its rules remember.

use super::changes::{Changes, Tally};
use super::checkpoint::Checkpoint;
use super::judges::JudgedBy;
use super::outbox::{Made, damaged};
use super::pending::{Pending, Queued, run};
use super::rows::{
    BEGUN, DRIFT, ENTRIES, FAULTS, Kind, LATE, LEDGER, ORDER, OUTBOX, PENDING, POLL, RELEASED, RHYTHMS, ROSTER, RULES,
    SKIPPED, TOLD, WANTING,
};
use super::seen::runs::Noted;
use super::seen::{self, Arrival, Arrivals, Sighting};
use super::{Begun, Damaged, EntriesEnd, Numbers, OrgStore, Wanting, number, put};
use crate::archive::Judged;
use crate::record::Record;
use anyhow::Result;
use gridwatch_event::drift::Checked;
use gridwatch_event::entry::Entry;
use gridwatch_event::event::{Event, Sight};
use gridwatch_event::roster::Roster;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_log::End;
use gridwatch_poll::{Commit, Lane, LateHistogram, Ledger, LedgerRange, PollState};
use gridwatch_rules::batch::MAX_BATCH_BYTES;
use gridwatch_rules::monitor::Rhythm;
use gridwatch_rules::pipeline::Fault;
use gridwatch_rules::state::{Forgotten, Part, StateOp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use zstd::bulk::Compressor;

/// Faults kept; the oldest go first.
const MAX_FAULTS: u64 = 10_000;
/// Long rows of rule state are pages of many similar ones, which is what makes compressing them worth it.
const PACK_BYTES: usize = 1 << 10;
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

/// What each lane has released to detection.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Released {
    /// Live: entries up to this time. Their windows are drained.
    pub(super) live_to: UnixSeconds,
    pub(super) reread: bool,
    pub(super) backfill: bool,
}

/// What is new of a page.
struct Received {
    entries: u64,
    bytes: u64,
    noted: Noted,
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
    pub(super) fn check(&self) -> Result<()> {
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
        self.rhythms()?;
        Ok(())
    }

    pub(super) fn count(&self) -> Result<()> {
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
            let run = run(&key, &value)?;
            let mut counters = self.rows.lock();
            counters.backlog_bytes += run.iter().map(|queued| u64::from(queued.bytes)).sum::<u64>();
            counters.pending += run.len() as u64;
        }
        self.rows.check_tally(&self.prefix, PENDING, found)?;
        // What the rules remember is read later, but that all of it is there has to be known before anything is cut off or written.
        for kind in [LEDGER, WANTING, FAULTS, RULES] {
            self.rows.check_kind(&self.prefix, kind)?;
        }
        if self.rows.was_open {
            drop(self.known()?);
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
        let mut batch = Changes::default();
        let received = self.receive_page(&mut batch, lane, arrivals, first_seen)?;
        self.put(&mut batch, POLL, &[], &commit.state)?;
        self.put(&mut batch, LATE, &[], late)?;
        for start in &commit.ledger.deletes {
            batch.remove(self.key(LEDGER, &start.0.to_be_bytes()));
        }
        for range in &commit.ledger.upserts {
            self.put(&mut batch, LEDGER, &range.start.0.to_be_bytes(), range)?;
        }
        self.release(&mut batch, lane, commit)?;
        self.commit_received(batch, received)
    }

    /// Saves the first entries of a page whose end hasn't come. Should it never come, they are known when the page is asked for again.
    pub fn commit_part(&self, lane: Lane, arrivals: &Arrivals<'_>, first_seen: UnixMillis) -> Result<()> {
        let mut batch = Changes::default();
        let received = self.receive_page(&mut batch, lane, arrivals, first_seen)?;
        self.commit_received(batch, received)
    }

    fn receive_page(
        &self,
        batch: &mut Changes,
        lane: Lane,
        arrivals: &Arrivals<'_>,
        first_seen: UnixMillis,
    ) -> Result<Received> {
        let mut queued = Vec::new();
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
            queued.push(Queued::of(lane, (entry, sight), first + received.len() as u64, is_delivered));
            received.push((sight, is_delivered, entry.raw()));
        }
        let (entries, bytes) = (received.len() as u64, queued.iter().map(|queued| u64::from(queued.bytes)).sum());
        self.runs(queued).into_iter().for_each(|(key, value)| batch.insert_new(key, value));
        if entries > 0 {
            let end = self.archive.write_entries(received.into_iter())?;
            self.put_entries_end(batch, end)?;
        }
        let noted = arrivals.put(batch, self)?;
        Ok(Received { entries, bytes, noted })
    }

    fn commit_received(&self, batch: Changes, Received { entries, bytes, noted }: Received) -> Result<()> {
        // Before they can be taken: what is taken before it is counted would be counted for ever.
        {
            let mut counters = self.rows.lock();
            counters.backlog_bytes += bytes;
            counters.pending += entries;
        }
        self.rows.commit(batch)?;
        self.archive.keep_entries();
        self.keep_seen(noted);
        Ok(())
    }

    pub(super) fn put_entries_end(&self, batch: &mut Changes, end: End) -> Result<()> {
        let saved = EntriesEnd { folder: self.archive.folder().to_owned(), end: end.to_bytes() };
        self.put(batch, ENTRIES, &[], &saved)
    }

    pub(super) fn release(&self, batch: &mut Changes, lane: Lane, commit: &Commit) -> Result<()> {
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
        let queued =
            |(number, raw): (u64, &String)| Queued::of(Lane::Reread, (&Entry::from_json(raw), sight), number, false);
        let queued = (first..).zip(raws).map(queued).collect();
        self.runs(queued).into_iter().for_each(|(key, value)| batch.insert_new(key, value));
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
        for lane in Lane::ALL {
            let to = match lane {
                Lane::Live => released.live_to.0.saturating_add(1),
                Lane::Reread if released.reread => u64::MAX,
                Lane::Backfill if released.backfill => u64::MAX,
                Lane::Reread | Lane::Backfill => continue,
            };
            let mut is_full = false;
            self.first_queued(lane, to, |run, queued| {
                bytes += queued.bytes as usize;
                is_full = bytes > MAX_BATCH_BYTES && !out.is_empty();
                if !is_full {
                    out.push((run, queued));
                }
                is_full || out.len() >= max
            })?;
            if is_full {
                break;
            }
            if out.len() >= max {
                break;
            }
        }
        self.taken(&out)
    }

    /// Reads entries from the archive. They wait in another order than the one in which they lie there.
    pub(super) fn taken(&self, waiting: &[(sled::IVec, Queued)]) -> Result<Vec<Pending>> {
        let mut places: Vec<usize> = (0..waiting.len()).collect();
        places.sort_by_key(|place| waiting[*place].1.number);
        let mut taken: Vec<Option<Pending>> = waiting.iter().map(|_| None).collect();
        for place in places {
            let (run, Queued { number, is_delivered, bytes, .. }) = &waiting[place];
            let received = self.archive.entry(*number).map_err(damaged)?;
            taken[place] = Some(Pending {
                run: run.clone(),
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
            waiting = run(&key, &value)?.iter().map(|queued| queued.number).fold(waiting, u64::min);
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
        judged_by: &[JudgedBy],
    ) -> Result<()> {
        // Held until it is saved: others hand out numbers of records too.
        let (mut numbers, mut shared) = (self.lock(), self.rows.lock());
        let (mut next, first_record) = (*numbers, shared.next_record);
        let (mut batch, mut shrunk) = (Changes::default(), 0);
        let mut made = Made { org: self.org.clone(), seq: next.seq, ..Made::default() };
        let mut judged = Vec::with_capacity(taken.len());
        for (pending, event) in taken.iter().zip(events) {
            shrunk += pending.bytes;
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
        for (run, left) in self.without_taken(taken)? {
            match left {
                Some(left) => batch.insert(&*run, left),
                None => batch.remove(&*run),
            }
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
        for judged_by in judged_by {
            self.put_judges(&mut batch, judged_by)?;
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

    pub(super) fn change(&self, batch: &mut Changes, changes: &[StateOp]) -> Result<()> {
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

    /// Saves alerts that a watch beside the stages makes, where it needn't remember that it did.
    pub fn commit_alerts(&self, alerts: &[Record]) -> Result<()> {
        self.rows.commit_with(Changes::default(), alerts)
    }

    /// How many entries an hour usually has: see [`gridwatch_rules::monitor`].
    pub fn rhythms(&self) -> Result<BTreeMap<String, Rhythm>> {
        Ok(self.recall(RHYTHMS)?.unwrap_or_default())
    }

    pub fn commit_rhythms(&self, rhythms: &BTreeMap<String, Rhythm>) -> Result<()> {
        self.commit_watched(RHYTHMS, rhythms, &[])
    }

    /// Saves what a watch beside the stages saw, with the alerts that tell it.
    pub(super) fn commit_watched<T: Serialize>(&self, kind: Kind, seen: &T, alerts: &[Record]) -> Result<()> {
        let mut batch = Changes::default();
        self.put(&mut batch, kind, &[], seen)?;
        self.rows.commit_with(batch, alerts)
    }

    /// Faults from a number on, or the newest if it is 0, each with its number; at most so many.
    pub fn faults_from(&self, from: u64, most: usize) -> Result<Vec<(u64, Fault)>> {
        let next = self.lock().fault;
        let from = if from == 0 { next.saturating_sub(most as u64) } else { from };
        let mut found = Vec::new();
        for row in self.rows.db.range(self.key(FAULTS, &from.to_be_bytes())..self.key(FAULTS, &next.to_be_bytes())) {
            let (key, value) = row?;
            let fault = self.rows.readable(FAULTS.open_json::<Fault>(&key, &value));
            found.extend(fault.map(|fault| (number(self.rest(FAULTS, &key)), fault)));
            if found.len() >= most {
                break;
            }
        }
        Ok(found)
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
        let mut skipped: Vec<Range<u64>> = self.get(SKIPPED)?.unwrap_or_default();
        skipped.push(self.next_seq()..next_seq);
        self.archive.skip_to(next_seq);
        let mut batch = Changes::default();
        self.put(&mut batch, SKIPPED, &[], &skipped)?;
        self.put(&mut batch, ORDER, &[], &self.archive.ends().order.to_bytes())?;
        self.rows.commit(batch)?;
        self.lock().seq = next_seq;
        Ok(())
    }

    // --- rows --------------------------------------------------------------------------------------------------------

    pub(super) fn key(&self, kind: Kind, rest: &[u8]) -> Vec<u8> {
        [&self.prefix, &*kind.key(rest)].concat()
    }

    /// What sets a key apart from the others of its kind and organization.
    pub(super) fn rest<'k>(&self, kind: Kind, key: &'k [u8]) -> &'k [u8] {
        kind.rest(key.strip_prefix(&*self.prefix).unwrap_or_default())
    }

    pub(super) fn scan(&self, kind: Kind) -> sled::Iter {
        self.rows.db.scan_prefix(self.key(kind, &[]))
    }

    pub(super) fn put<T: Serialize>(&self, batch: &mut Changes, kind: Kind, rest: &[u8], value: &T) -> Result<()> {
        put(batch, kind, self.key(kind, rest), value)
    }

    /// A row that there is one of, and that gridwatch can't do without.
    pub(super) fn get<T: DeserializeOwned>(&self, kind: Kind) -> Result<Option<T>> {
        self.rows.get(kind, &self.key(kind, &[]))
    }

    /// A row that there is one of, and that gridwatch can do without.
    pub(super) fn recall<T: DeserializeOwned>(&self, kind: Kind) -> Result<Option<T>> {
        let key = self.key(kind, &[]);
        let Some(value) = self.rows.db.get(&key)? else { return Ok(None) };
        Ok(self.rows.readable(kind.open_json(&key, &value)))
    }

    /// What was read, or which part of the rule state a row is of that can't be.
    pub(super) fn named<T>(&self, key: &[u8], read: Result<T, Forgotten>) -> Result<T, Forgotten> {
        let part = Part::of(self.rest(RULES, key)).map_or(RULES.name, |part| part.name);
        read.map_err(|forgotten| Forgotten { part, ..forgotten })
    }

    pub(super) fn lock(&self) -> std::sync::MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    /// To make one costs more than to compress a page with it.
    static PACKER: RefCell<Option<Compressor<'static>>> = RefCell::new(Compressor::new(1).ok());
}

pub(super) fn packed(value: &[u8]) -> Vec<u8> {
    let pack = || PACKER.with_borrow_mut(|packer| packer.as_mut()?.compress(value).ok());
    let packed = (value.len() >= PACK_BYTES).then(pack).flatten();
    let (kind, bytes) = packed.as_deref().map_or((PLAIN, value), |packed| (ZSTD, packed));
    [&[kind], bytes].concat()
}

pub(super) fn unpacked(key: &[u8], value: &[u8]) -> Result<Vec<u8>, Forgotten> {
    match value.split_first() {
        Some((&PLAIN, rest)) => Ok(rest.to_vec()),
        Some((&ZSTD, rest)) => zstd::decode_all(rest).map_err(|why| RULES.forgotten(key, why)),
        _ => Err(RULES.forgotten(key, "it doesn't say how it is packed")),
    }
}
