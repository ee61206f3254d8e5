//! A store that is made from its logs, after the one before it was lost or is damaged: what reading Slack again can't bring back.
//!
//! The archive says which entries were judged, the history which alerts were made, both by which numbers records have, and the mirror
//! beside the store how far each sink is. So nothing is delivered again, and what wasn't delivered still is. Then Slack is read again
//! for what the rules remember: entries that were judged are judged once more and delivered to nobody (`Sighting::Relearned`).

use super::changes::{Changes, Tallies, Tally};
use super::org::Released;
use super::outbox::{self, Made, outbox_key};
use super::pending::{Queued, run};
use super::rows::{ALERTS, ENTRIES, Kind, NEXT_RECORD, ORDER, OUTBOX, PENDING, RELEASED, SKIPPED, SUMS, prefix};
use super::seen::{Identity, Row, Version, day_of, identity_of};
use super::{Again, Damaged, EntriesEnd, OrgStore, Place, Position, Rows, SWEEP, Store, damaged, number, put};
use crate::archive::{self, ArchiveError};
use anyhow::Result;
use gridwatch_event::entry::Entry;
use gridwatch_event::org::OrgId;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_log::End;
use gridwatch_poll::Lane;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::path::Path;

/// Alerts come at most this many records after the events that they are about: a batch has no more.
const BEFORE_ALERTS: u64 = 4_096;
/// What an event weighs whose entry isn't read for this.
const EVENT_BYTES: u64 = 700;

/// What the logs brought back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Entries that are known to have been judged.
    pub judged: u64,
    /// Entries that go on waiting.
    pub waiting: u64,
    /// Records that still have to be delivered, at most.
    pub undelivered: u64,
    /// Records are lost that some sink hadn't got: the time of the first events that those among them which are alerts may be about.
    pub alerts_from: Option<UnixSeconds>,
}

/// Numbers of records, and where each is.
type Numbered = BTreeMap<u64, (OrgId, At)>;

#[derive(Clone, Copy)]
enum At {
    Event(u64),
    Alert(u64, u64),
}

/// What a store that was set aside still says.
#[derive(Debug, Default)]
pub struct Left {
    orgs: BTreeMap<OrgId, LeftOf>,
    /// How far the history of alerts went.
    alerts: Option<u64>,
}

/// What it says of an organization.
#[derive(Debug)]
struct LeftOf {
    /// How far its entries and its events went.
    entries: u64,
    seq: u64,
    /// Entries that waited.
    waiting: HashSet<u64>,
    /// Numbers of events that stand for nothing.
    skipped: Vec<Range<u64>>,
    /// Events to deliver: number of the first record, number of the first event, how many.
    undelivered: Vec<(u64, u64, u64)>,
}

impl Left {
    /// Reads what it says, if it can be read at all. Nothing of it is believed that isn't whole.
    ///
    /// # Errors
    /// It can't be read.
    pub fn read(dir: &Path, places: &[Place]) -> Result<Self> {
        let db = super::opened(dir)?;
        let row = |kind: Kind, prefix: &[u8]| -> Result<Option<sled::IVec>> {
            Ok(db.get([prefix, &kind.key(&[])].concat())?)
        };
        let whole = |kind: Kind, prefix: &[u8], take: &mut dyn FnMut(&[u8], &[u8]) -> Result<()>| -> Result<bool> {
            let key = [prefix, &SUMS.key(&[])].concat();
            let Some(sums) = db.get(&key)? else { return Ok(false) };
            let (sums, mut found): (Tallies, _) =
                (SUMS.open_json(&key, &sums).map_err(Damaged::from)?, Tally::default());
            for row in db.scan_prefix([prefix, &kind.key(&[])].concat()) {
                let (key, value) = row?;
                found.add(&key, &value);
                take(&key, &value)?;
            }
            Ok(sums.get(&kind.letter()).copied().unwrap_or_default() == found)
        };
        let mut made = Vec::new();
        let is_whole = whole(OUTBOX, &[], &mut |key, value| {
            made.push((number(OUTBOX.rest(key)), OUTBOX.open_json::<Made>(key, value).map_err(Damaged::from)?));
            Ok(())
        })?;
        let mut left = BTreeMap::new();
        for Place { org, .. } in places {
            let prefix = org.name().map_or_else(Vec::new, prefix);
            let key = |kind: Kind| [&prefix[..], &kind.key(&[])].concat();
            let (Some(end), Some(order)) = (row(ENTRIES, &prefix)?, row(ORDER, &prefix)?) else { continue };
            let end: EntriesEnd = ENTRIES.open_json(&key(ENTRIES), &end).map_err(Damaged::from)?;
            let order: [u8; 32] = ORDER.open_json(&key(ORDER), &order).map_err(Damaged::from)?;
            let mut waiting = HashSet::new();
            let is_whole = is_whole
                && whole(PENDING, &prefix, &mut |key, value| {
                    waiting.extend(run(key, value)?.iter().map(|queued| queued.number));
                    Ok(())
                })?;
            let skipped = match row(SKIPPED, &prefix)? {
                Some(saved) => SKIPPED.open_json(&key(SKIPPED), &saved).map_err(Damaged::from)?,
                None => Vec::new(),
            };
            if is_whole {
                let of_it = made.iter().filter(|(_, made)| made.org == *org && made.events > 0);
                let undelivered = of_it.map(|(record, made)| (*record, made.seq, made.events)).collect();
                let (entries, seq) = (End::from_bytes(&end.end).next, End::from_bytes(&order).next);
                left.insert(org.clone(), LeftOf { entries, seq, waiting, skipped, undelivered });
            }
        }
        Ok(Self { orgs: left, alerts: super::alerts_end(&db)?.map(|end| end.next) })
    }
}

impl LeftOf {
    /// Did an entry whose place in the order is lost not wait any more?
    fn was_judged(&self, number: u64) -> bool {
        number < self.entries && !self.waiting.contains(&number)
    }

    /// Had all sinks that take events got these? They have got all records below `lowest`.
    fn were_delivered(&self, seqs: &Range<u64>, lowest: u64) -> bool {
        self.undelivered.iter().all(|(record, first, count)| {
            let first_left = first + lowest.saturating_sub(*record);
            seqs.is_empty() || seqs.end <= first_left.max(*first) || seqs.start >= first + count
        })
    }
}

/// Since when alerts are about events with records like these that are numbered from `lowest` on. They come after the events of their batch, which
/// follow each other.
fn time_of_alerts(mut newest: Vec<(u64, UnixSeconds)>, lowest: u64) -> Option<UnixSeconds> {
    newest.sort_unstable();
    let before = newest.partition_point(|(record, _)| *record < lowest);
    let is_gap = |pair: &[(u64, UnixSeconds)]| pair[0].0 + 1 < pair[1].0;
    let begin = newest[..before].windows(2).rposition(is_gap).map_or(0, |at| at + 1);
    newest[begin..].iter().map(|(_, time)| *time).min()
}

/// What of some ranges, the lowest first, isn't in others.
fn without(ranges: Vec<Range<u64>>, others: &[Range<u64>]) -> Vec<Range<u64>> {
    others.iter().fold(ranges, |ranges, other| {
        let parts =
            |range: Range<u64>| [range.start..range.end.min(other.start), range.start.max(other.end)..range.end];
        ranges.into_iter().flat_map(parts).filter(|part| !part.is_empty()).collect()
    })
}

impl Store {
    /// Makes a store of what the logs say, ready to be used. `again` says from where on each organization's time is read again,
    /// `takes_events` which sinks take events.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn rebuild(
        dir: &Path,
        places: &[Place],
        (left, takes_events): (&Left, impl Fn(&str) -> bool),
        again: impl Fn(&OrgId) -> Option<Again>,
        now: UnixMillis,
    ) -> Result<(Self, Rebuilt)> {
        let store = Self::make(dir, places)?;
        let mut rebuilt = Rebuilt::default();
        let mut positions = outbox::mirrored(&outbox::mirror_path(&store.rows.state_dir))?;
        // Of which older gridwatches kept positions, and which no sink is.
        positions.retain(|name, _| !name.starts_with('('));
        let lowest = positions.values().map(|position| position.next).min().unwrap_or(u64::MAX);
        // Of events, whoever takes none has got all.
        let of_events = positions.iter().filter(|(name, _)| takes_events(name)).map(|(_, position)| position.next);
        let of_events = of_events.min().unwrap_or(u64::MAX);
        let mut numbered = Numbered::new();
        let (mut last, mut all_judged, mut newest) = (0, Vec::new(), Vec::new());
        for place in places {
            let part = store.org(&place.org)?;
            let (mut gaps, mut next) = (Vec::new(), 1);
            let judged = part.know_judged(place, now, |seq, event| {
                gaps.extend(Some(next..seq).filter(|gap| !gap.is_empty()));
                next = seq + 1;
                last = last.max(event.record);
                if event.record > 0 && event.record.saturating_add(BEFORE_ALERTS) >= lowest {
                    newest.push((event.record, event.time));
                }
                // What can't be read can't be delivered: it comes again from Slack.
                let is_readable = event.record < lowest
                    || match part.archive.entry(event.entry) {
                        Err(error) if !error.is_damage() => return Err(error),
                        read => read.is_ok(),
                    };
                if is_readable && event.record >= lowest && event.record > 0 {
                    numbered.insert(event.record, (place.org.clone(), At::Event(seq)));
                }
                Ok(is_readable || event.record < of_events)
            })?;
            rebuilt.judged += judged.len() as u64;
            let mut changes = Changes::default();
            part.put(&mut changes, SKIPPED, &[], &gaps)?;
            store.rows.commit(changes)?;
            gaps.push(next..u64::MAX);
            all_judged.push((part, judged, gaps));
        }
        let mut alerts = store.rows.alerts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        alerts.each(|place, number, bytes| {
            last = last.max(number);
            if number >= lowest && number > 0 {
                numbered.insert(number, (OrgId::default(), At::Alert(place, bytes)));
            }
        })?;
        drop(alerts);
        rebuilt.undelivered = numbered.len() as u64;
        for (part, judged, gaps) in all_judged {
            let left = left.orgs.get(&part.org);
            if let Some(left) = left {
                let ended = gaps.into_iter().map(|gap| gap.start..gap.end.min(left.seq));
                part.know_lost(&judged, (left, ended.filter(|gap| !gap.is_empty()).collect()), of_events, now)?;
            }
            // Numbers of events that are lost were given out all the same.
            if let Some(left) = left {
                part.skip_to(left.seq)?;
            }
            rebuilt.waiting += part.know_waiting(&judged, again(&part.org), now)?;
        }
        let is_history_lost = left.alerts.is_some_and(|next| store.rows.history().end().next < next);
        if store.deliver_on(numbered, positions, last + 1)? > 0 || is_history_lost {
            rebuilt.alerts_from = time_of_alerts(newest, lowest);
        }
        store.finish()?;
        store.count()?;
        for part in store.orgs.lock().unwrap_or_else(std::sync::PoisonError::into_inner).values() {
            part.count()?;
        }
        Ok((store, rebuilt))
    }

    /// Puts what has a number into the outbox, and the sinks to where they were.
    /// Returns how many records are lost that some sink hasn't got.
    fn deliver_on(&self, numbered: Numbered, positions: BTreeMap<String, Position>, next: u64) -> Result<u64> {
        let next = positions.values().map(|position| position.next).fold(next, u64::max);
        let mut changes = Changes::default();
        let (mut made, mut all_lost): (Option<(u64, Made)>, _) = (None, 0);
        let flush = |changes: &mut Changes, made: Option<(u64, Made)>| {
            made.map_or(Ok(()), |(number, made)| put(changes, OUTBOX, outbox_key(number), &made))
        };
        let newest = numbered.keys().next_back().copied();
        // Where the sink is that has got the least.
        let begin = positions.values().map(|position| position.next).min();
        for (number, (org, at)) in numbered {
            let follows = made.as_ref().map(|(first, made)| first + made.count()).or(begin);
            let is_next = follows == Some(number);
            let (extended, bytes) = match (&made, at) {
                (Some((_, made)), At::Event(seq)) => {
                    let fits = made.alerts == 0 && made.org == org && made.seq + made.events == seq;
                    (is_next && fits, EVENT_BYTES)
                }
                (Some((_, made)), At::Alert(place, bytes)) => {
                    let fits = made.alerts == 0 || made.place + made.alerts == place;
                    (is_next && fits, bytes)
                }
                (None, At::Event(_)) => (false, EVENT_BYTES),
                (None, At::Alert(_, bytes)) => (false, bytes),
            };
            if !extended {
                flush(&mut changes, made.take())?;
                if let Some(lost) = follows.filter(|follows| *follows < number) {
                    tracing::error!(
                        records = number - lost,
                        first = lost,
                        "records to deliver are lost with their logs"
                    );
                    all_lost += number - lost;
                    put(&mut changes, OUTBOX, outbox_key(lost), &Made { lost: number - lost, ..Made::default() })?;
                }
                made = Some((number, Made { org, ..Made::default() }));
            }
            if let Some((_, made)) = &mut made {
                match at {
                    At::Event(seq) => {
                        made.seq = if made.events == 0 { seq } else { made.seq };
                        made.events += 1;
                    }
                    At::Alert(place, _) => {
                        made.place = if made.alerts == 0 { place } else { made.place };
                        made.alerts += 1;
                    }
                }
                made.bytes += bytes;
            }
        }
        flush(&mut changes, made)?;
        let lost_at_end = newest.map_or(begin.unwrap_or(next), |newest| newest + 1);
        if lost_at_end < next {
            all_lost += next - lost_at_end;
            put(&mut changes, OUTBOX, outbox_key(lost_at_end), &Made { lost: next - lost_at_end, ..Made::default() })?;
        }
        for (name, position) in &positions {
            Rows::put_position(&mut changes, name, position)?;
        }
        put(&mut changes, NEXT_RECORD, NEXT_RECORD.key(&[]), &next)?;
        put(&mut changes, ALERTS, ALERTS.key(&[]), &self.rows.history().end().to_bytes())?;
        self.rows.commit(changes)?;
        Ok(all_lost)
    }
}

impl OrgStore {
    /// Marks every entry that was judged as one that the rules are to learn again and nobody is to get, if `is_known` has it; returns
    /// their numbers.
    fn know_judged(
        &self,
        place: &Place,
        now: UnixMillis,
        mut is_known: impl FnMut(u64, &archive::Judged) -> Result<bool, ArchiveError>,
    ) -> Result<HashSet<u64>> {
        let (mut judged, mut chunk) = (HashSet::new(), HashMap::new());
        for record in archive::read_before(&place.archive)? {
            match record {
                Ok(record) => {
                    let entry = Entry::from_json(&record.raw);
                    self.know(&mut chunk, identity_of(&entry), Version::of(&entry), (entry.time, true), now)?;
                }
                Err(error) => tracing::warn!(%error, "a part of the archive can't be read and is passed over"),
            }
            if chunk.len() >= SWEEP {
                self.save(&mut chunk)?;
            }
        }
        let (mut events, mut highest) = (Vec::new(), 0);
        let gathered = self.archive.each_event(|seq, event| {
            highest = highest.max(event.entry);
            if is_known(seq, &event)? {
                judged.insert(event.entry);
                events.push((event.identity, event.bytes, event.time));
            }
            Ok(())
        });
        gathered.map_err(damaged)?;
        // Numbers that the order names must not be given to other entries.
        self.archive.skip_entries_to(highest + 1);
        for (identity, bytes, time) in events {
            self.know(&mut chunk, identity, Version::of_bytes(bytes), (Some(time), true), now)?;
            if chunk.len() >= SWEEP {
                self.save(&mut chunk)?;
            }
        }
        self.save(&mut chunk)?;
        let mut changes = Changes::default();
        let ends = self.archive.ends();
        self.put_entries_end(&mut changes, ends.entries)?;
        self.put(&mut changes, ORDER, &[], &ends.order.to_bytes())?;
        self.rows.commit(changes)?;
        Ok(judged)
    }

    /// Marks entries that were judged and delivered although their places in the order are lost: events with numbers in `gaps`. Where not
    /// all of these were delivered it can be told which event each was, for they were judged in order of time. Whatever can't be told comes
    /// again, and the sink may know it.
    fn know_lost(
        &self,
        judged: &HashSet<u64>,
        (left, gaps): (&LeftOf, Vec<Range<u64>>),
        lowest: u64,
        now: UnixMillis,
    ) -> Result<()> {
        let mut lost = Vec::new();
        let gathered = self.archive.each_entry(|number, received| {
            if !judged.contains(&number) && left.was_judged(number) {
                let entry = Entry::from_json(&received.raw);
                let time = received.sight.counts_as.or(entry.time).unwrap_or_default();
                lost.push((time, entry.id().to_owned(), entry));
            }
            Ok(())
        });
        gathered.map_err(damaged)?;
        lost.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let gaps = without(gaps, &left.skipped);
        // The newest numbers, for the oldest ones may be of entries that were removed.
        let seqs: Vec<u64> = gaps.iter().rev().flat_map(|gap| gap.clone().rev()).take(lost.len()).collect();
        let oldest = seqs.last().copied().unwrap_or(u64::MAX);
        let older = gaps.into_iter().map(|gap| gap.start..gap.end.min(oldest));
        if seqs.len() < lost.len() || !older.into_iter().all(|gap| left.were_delivered(&gap, lowest)) {
            return Ok(());
        }
        let mut chunk = HashMap::new();
        for (seq, (time, _, entry)) in seqs.into_iter().rev().zip(&lost) {
            if left.were_delivered(&(seq..seq + 1), lowest) {
                self.know(&mut chunk, identity_of(entry), Version::of(entry), (Some(*time), true), now)?;
            }
        }
        self.save(&mut chunk)
    }

    /// Lets entries go on waiting that were received and not judged. Those in time that is read again come again by themselves.
    fn know_waiting(&self, judged: &HashSet<u64>, again: Option<Again>, now: UnixMillis) -> Result<u64> {
        let (mut chunk, mut changes) = (HashMap::new(), Changes::default());
        let (mut waiting, mut queued) = (Vec::new(), Vec::new());
        let gathered = self.archive.each_entry(|number, received| {
            if judged.contains(&number) || received.is_relearned {
                return Ok(());
            }
            let entry = Entry::from_json(&received.raw);
            let time = received.sight.counts_as.or(entry.time).unwrap_or_default();
            if again.is_some_and(|again| time < again.from) {
                waiting.push((number, received.sight, entry));
            }
            Ok(())
        });
        gathered.map_err(damaged)?;
        for (number, sight, entry) in waiting {
            let bytes = entry.content_hash();
            let known = self.seen(&identity_of(&entry))?;
            if known.is_some_and(|known| known.versions.iter().any(|version| version.bytes == bytes)) {
                continue;
            }
            self.know(&mut chunk, identity_of(&entry), Version::of(&entry), (entry.time, false), now)?;
            queued.push(Queued::of(Lane::Reread, (&entry, sight), number, false));
        }
        let count = queued.len() as u64;
        self.runs(queued).into_iter().for_each(|(key, value)| changes.insert_new(key, value));
        self.save(&mut chunk)?;
        self.put(&mut changes, RELEASED, &[], &Released { reread: count > 0, ..Released::default() })?;
        self.rows.commit(changes)?;
        Ok(count)
    }

    fn know(
        &self,
        chunk: &mut HashMap<Identity, Row>,
        identity: Identity,
        version: Version,
        (time, is_unlearned): (Option<UnixSeconds>, bool),
        now: UnixMillis,
    ) -> Result<()> {
        if !chunk.contains_key(&identity) {
            let new = || Row { day: day_of(now), time: time.unwrap_or_default(), is_unlearned, ..Row::default() };
            chunk.insert(identity, self.seen(&identity)?.unwrap_or_else(new));
        }
        if let Some(row) = chunk.get_mut(&identity) {
            row.add(version);
        }
        Ok(())
    }

    fn save(&self, chunk: &mut HashMap<Identity, Row>) -> Result<()> {
        let mut changes = Changes::default();
        let noted = self.note_seen(&mut changes, chunk.iter())?;
        self.rows.commit(changes)?;
        self.keep_seen(noted);
        chunk.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
