//! A store of an older layout: what of it goes into its successor, which is then filled by reading Slack again.
//!
//! Reading again brings back what the rules remember. It can't bring back what was done with the outside world: how far each sink
//! has come, what still has to be delivered, which entries and exceptions were told of, which numbers are used up. So that is handed
//! over, and entries that were delivered are marked as [`Sighting::Relearned`](super::Sighting): the rules count them once more,
//! and nobody gets them a second time. Entries and alerts that were in the store go into the logs. (Responses and tokens lie beside the
//! store and aren't touched.)
//!
//! Rule state itself is not converted: its rows are left behind. Layouts 2 and 3 had bare rows and one organization; layout 4 had a
//! checksum in each row, and several. Layout 5 isn't handed over: [`super::layout_5`].

use super::changes::Changes;
use super::checkpoint::Checkpoint;
use super::org::Released;
use super::outbox::{Made, outbox_key};
use super::pending::Queued;
use super::rows::{DRIFT, NEXT_RECORD, ORDER, OUTBOX, POSITIONS, RELEASED, ROSTER, TOLD, prefix, unsealed};
use super::seen::{Identity, Row, Version, day_of, identity_of};
use super::{Again, Begun, Damaged, OrgStore, Position, SWEEP, Store, number, put};
use crate::archive::Judged;
use crate::record::{self, Record};
use anyhow::{Context, Result};
use gridwatch_event::drift::Checked;
use gridwatch_event::entry::Entry;
use gridwatch_event::event::Sight;
use gridwatch_event::org::OrgId;
use gridwatch_event::roster::Roster;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_poll::{Lane, PollState};
use gridwatch_rules::batch::MAX_BATCH_BYTES;
use gridwatch_rules::state::Forgotten;
use serde::de::DeserializeOwned;
use std::collections::{HashMap, HashSet};

const DAY_S: u64 = 86_400;
/// Time is read again at least this far back, and at most this.
const LEAST_S: u64 = DAY_S;
const MOST_S: u64 = 30 * DAY_S;
/// Layout 2 kept ids by the entries' own time, for this long unless it was told otherwise.
const KEPT_BY_LAYOUT_2_S: u64 = 14 * DAY_S;

#[derive(Debug)]
pub struct Older {
    db: sled::Db,
    pub layout: u32,
}

/// How far back the successor should read.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// The longest window that a module declares.
    pub span_s: u64,
    /// How long ids are kept.
    pub dedup_s: u64,
}

/// What was handed over.
#[derive(Debug, Default)]
pub struct Handed {
    /// How the successor begins, of the organization whose time is read again from the earliest.
    pub begun: Begun,
    /// Entries that were delivered.
    pub entries: usize,
    /// Records that still have to be.
    pub records: usize,
    /// What could not be read.
    pub forgotten: Vec<Forgotten>,
}

/// Entries that were stored and not judged.
#[derive(Debug, Default)]
struct Waiting {
    /// What each of those says that are read again, by identity: as good as unseen.
    unseen: HashMap<Identity, Vec<[u8; 16]>>,
    /// Those that go on waiting.
    handed: HashSet<Identity>,
}

impl Older {
    pub fn is_known(layout: u32) -> bool {
        (2..=4).contains(&layout)
    }

    pub(super) fn new(db: sled::Db, layout: u32) -> Self {
        Self { db, layout }
    }

    /// Fills a store that is empty. It says that it is complete when all of it is there.
    ///
    /// # Errors
    /// As for the older store damage, if it can't be read or is behind its checkpoint; else that the new one can't be written.
    pub fn hand_over(
        &self,
        new: &Store,
        reach: Reach,
        checkpoints: &[(OrgId, Option<Checkpoint>)],
        now: UnixMillis,
    ) -> Result<Handed> {
        let mut handed = Handed::default();
        let next_record = self.get(b"mnext_record")?.unwrap_or(1);
        for (org, checkpoint) in checkpoints {
            self.check_not_behind(org, *checkpoint, next_record)?;
        }
        let mut batch = Changes::default();
        put(&mut batch, NEXT_RECORD, NEXT_RECORD.key(&[]), &next_record)?;
        for row in self.db.scan_prefix(b"s") {
            let (key, value) = row?;
            // What is a log now was a sink then.
            if key.get(1) != Some(&b'(') {
                let position: Position = parse(&key, self.body(&key, &value)?)?;
                put(&mut batch, POSITIONS, POSITIONS.key(&key[1..]), &position)?;
            }
        }
        new.rows.commit(batch)?;
        new.rows.lock().next_record = next_record;
        handed.records = self.hand_over_records(new, next_record, &mut handed.forgotten)?;
        for (org, checkpoint) in checkpoints {
            let (part, at) = (new.org(org)?, org.name().map_or_else(Vec::new, prefix));
            if self.layout < 4 && !at.is_empty() {
                // What wrote it knew one organization, without a name.
                continue;
            }
            let get = |name: &str| [&at[..], name.as_bytes()].concat();
            let state: Option<PollState> = self.get(&get("mpoll"))?;
            let again = state.as_ref().and_then(|state| self.again(state, reach));
            let begun = Begun { checkpoint: *checkpoint, again, alerts_from: None };
            let mut batch = Changes::default();
            let told: Option<Vec<String>> = self.get(&get("mtold"))?;
            told.map(|told| part.put(&mut batch, TOLD, &[], &told)).transpose()?;
            let checked: Option<Checked> = self.get(&get("mdrift"))?;
            checked.map(|checked| part.put(&mut batch, DRIFT, &[], &checked)).transpose()?;
            let roster: Option<Roster> = self.get(&get("mroster"))?;
            roster.map(|roster| part.put(&mut batch, ROSTER, &[], &roster)).transpose()?;
            new.rows.commit(batch)?;
            part.lock().seq = part.archive.ends().order.next;
            part.skip_to(self.get(&get("mnext_seq"))?.unwrap_or(1))?;
            let waiting = self.hand_over_pending(&part, &at, begun.again, now)?;
            // Without a range that was read to its end, nothing was judged: all of it is new.
            if begun.again.is_some() {
                handed.entries += self.hand_over_seen(&part, &at, &waiting, now)?;
            }
            part.begin(&begun)?;
            let from = |begun: &Begun| begun.again.map(|again| again.from);
            if handed.begun == Begun::default() || from(&begun) < from(&handed.begun) {
                handed.begun = begun;
            }
        }
        new.take_in_before()?;
        new.finish()?;
        new.count()?;
        Ok(handed)
    }

    fn check_not_behind(&self, org: &OrgId, checkpoint: Option<Checkpoint>, next_record: u64) -> Result<()> {
        let at = org.name().map_or_else(Vec::new, prefix);
        let get = |name: &str| [&at[..], name.as_bytes()].concat();
        let Some(checkpoint) = checkpoint else { return Ok(()) };
        let begun = match self.layout {
            4 => self.get::<Begun>(&get("mbegun"))?.and_then(|begun| begun.checkpoint),
            _ => self.get(&get("mrebuilt")).ok().flatten(),
        };
        let state: Option<PollState> = self.get(&get("mpoll"))?;
        let next_seq: u64 = self.get(&get("mnext_seq"))?.unwrap_or(1);
        let is_behind = state.as_ref().and_then(PollState::watermark) < Some(checkpoint.watermark)
            || next_seq < checkpoint.next_seq
            || next_record < checkpoint.next_record;
        match is_behind && begun != Some(checkpoint) {
            true => Err(Damaged("it is older than its checkpoint; commits are missing".into()).into()),
            false => Ok(()),
        }
    }

    /// Where reading begins: as far back as the longest window reaches, and no further than where everything that was delivered
    /// is known to have been.
    fn again(&self, state: &PollState, reach: Reach) -> Option<Again> {
        let (watermark, origin) = (state.watermark()?, state.origin()?);
        let drained_from = state.backfilled_to().map_or(origin, |low| low.min(origin));
        let kept_s = if self.layout == 2 { reach.dedup_s.min(KEPT_BY_LAYOUT_2_S) } else { reach.dedup_s };
        // Ids are swept by the day.
        let ids_from = watermark.minus(kept_s.saturating_sub(DAY_S));
        let from = watermark.minus(reach.span_s.clamp(LEAST_S, MOST_S)).max(ids_from).max(drained_from);
        Some(Again { from, drained_from, ids_from })
    }

    /// Puts undelivered records into the logs, and says in the outbox where they are.
    fn hand_over_records(&self, new: &Store, next_record: u64, forgotten: &mut Vec<Forgotten>) -> Result<usize> {
        let (mut some, mut bytes, mut records, mut expected) = (Vec::new(), 0, 0, None);
        for row in self.db.scan_prefix(b"o") {
            let (key, value) = row?;
            let place = number(&key[1..]);
            let read = self.body(&key, &value).and_then(Record::from_bytes);
            let follows = expected.is_none_or(|expected| expected == place);
            let is_like = |record: &Record| some.last().is_none_or(|(_, last)| goes_with(last, record));
            let fits = follows && read.as_ref().is_ok_and(is_like) && bytes <= MAX_BATCH_BYTES;
            if !fits {
                records += put_some(new, std::mem::take(&mut some))?;
                bytes = 0;
            }
            let missing = expected.unwrap_or(place)..place + u64::from(read.is_err());
            if !missing.is_empty() {
                put_lost(new, missing)?;
            }
            match read {
                Ok(record) => {
                    bytes += value.len();
                    some.push((place, record));
                }
                Err(why) => forgotten.push(OUTBOX.forgotten(&outbox_key(place), format!("{why:#}"))),
            }
            expected = Some(place + 1);
        }
        records += put_some(new, some)?;
        if let Some(expected) = expected.filter(|expected| *expected < next_record) {
            put_lost(new, expected..next_record)?;
        }
        Ok(records)
    }

    /// Hands over the entries that wait and are older than what is read again, or dated ahead of it. The others come again by themselves.
    fn hand_over_pending(&self, new: &OrgStore, at: &[u8], again: Option<Again>, now: UnixMillis) -> Result<Waiting> {
        let (mut waiting, mut batch) = (Waiting::default(), Changes::default());
        let Some(again) = again else { return Ok(waiting) };
        let (first, mut handed, mut queued) = (new.archive.ends().entries.next, Vec::new(), Vec::new());
        for row in self.db.scan_prefix([at, b"p"].concat()) {
            let (key, value) = row?;
            let Some((entry, sight)) = pending(&key, self.body(&key, &value)?)? else { continue };
            let time = sight.counts_as.or(entry.time).unwrap_or_default();
            // By the key, which has the date as it was written.
            let is_ahead = number(key.get(at.len() + 2..).unwrap_or_default()) > now.seconds().0;
            if time >= again.from && !is_ahead {
                waiting.unseen.entry(identity_of(&entry)).or_default().push(entry.content_hash());
                continue;
            }
            // No range that is read again has what is dated ahead. Layout 2 had it wait for its own time.
            let counts_as = if is_ahead { Some(sight.first_seen.min(now).seconds()) } else { sight.counts_as };
            let sight = Sight { counts_as, ..sight };
            queued.push(Queued::of(Lane::Reread, (&entry, sight), first + handed.len() as u64, false));
            waiting.handed.insert(identity_of(&entry));
            handed.push((sight, entry));
        }
        new.runs(queued).into_iter().for_each(|(key, value)| batch.insert_new(key, value));
        new.put(&mut batch, RELEASED, &[], &Released { reread: !handed.is_empty(), ..Released::default() })?;
        let end = new.archive.write_entries(handed.iter().map(|(sight, entry)| (*sight, false, entry.raw())))?;
        new.put_entries_end(&mut batch, end)?;
        new.rows.commit(batch)?;
        new.archive.keep_entries();
        Ok(waiting)
    }

    fn hand_over_seen(&self, new: &OrgStore, at: &[u8], waiting: &Waiting, now: UnixMillis) -> Result<usize> {
        let mut handed = 0;
        let mut rows = self.db.scan_prefix([at, if self.layout == 2 { b"i" } else { b"v" }].concat());
        loop {
            let mut chunk: HashMap<Identity, Row> = HashMap::new();
            for row in rows.by_ref().take(SWEEP) {
                let (key, value) = row?;
                let odd = || damaged(&key, "it isn't what was saved");
                if self.layout == 2 {
                    let identity: Identity = key.get(9..).and_then(|id| id.try_into().ok()).ok_or_else(odd)?;
                    let bytes: [u8; 16] = value.as_ref().try_into().map_err(|_| odd())?;
                    // The same id may be there under another time.
                    let before = || new.seen(&identity).map(Option::unwrap_or_default);
                    let row = match chunk.remove(&identity) {
                        Some(row) => row,
                        None => before()?,
                    };
                    let (day, time) = (day_of(now), UnixSeconds(number(&key[1..])));
                    let versions = row.versions.iter().copied().chain([Version::of_bytes(bytes)]).collect();
                    chunk.insert(identity, Row { day, time, versions, ..row });
                } else {
                    let identity: Identity = key[at.len() + 1..].try_into().map_err(|_| odd())?;
                    let row = match self.layout {
                        3 => Row::of_layout_3(&value),
                        // One that can't be read is as good as none: the entry is shown again, and delivered again.
                        _ => Row::of_layout_4(self.body(&key, &value)?),
                    };
                    chunk.insert(identity, row.ok_or_else(odd)?);
                }
            }
            if chunk.is_empty() {
                return Ok(handed);
            }
            for (identity, row) in &mut chunk {
                let unseen = waiting.unseen.get(identity).map(Vec::as_slice).unwrap_or_default();
                row.versions.retain(|version| !unseen.contains(&version.bytes));
                row.is_unlearned = !waiting.handed.contains(identity);
            }
            chunk.retain(|_, row| !row.versions.is_empty());
            handed += chunk.len();
            let mut batch = Changes::default();
            let noted = new.note_seen(&mut batch, chunk.iter())?;
            new.rows.commit(batch)?;
            new.keep_seen(noted);
        }
    }

    fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>> {
        let Some(value) = self.db.get(key)? else { return Ok(None) };
        Ok(Some(parse(key, self.body(key, &value)?)?))
    }

    /// What was saved in a row.
    fn body<'v>(&self, key: &[u8], value: &'v [u8]) -> Result<&'v [u8]> {
        match self.layout {
            4 => Ok(unsealed(key, value).ok_or_else(|| damaged(key, "it isn't what was saved"))?),
            _ => Ok(value),
        }
    }
}

/// Do they follow each other in the logs?
fn goes_with(last: &Record, record: &Record) -> bool {
    match (last, record) {
        (Record::Event { org, seq, .. }, Record::Event { org: other, seq: next, .. }) => {
            org == other && seq + 1 == *next
        }
        (Record::Alert(_), Record::Alert(_)) => true,
        _ => false,
    }
}

/// Records of one kind that follow each other.
fn put_some(new: &Store, records: Vec<(u64, Record)>) -> Result<usize> {
    let Some((first, of)) = records.first().map(|(number, record)| (*number, record.org().clone())) else {
        return Ok(0);
    };
    let (mut batch, mut made, mut judged, mut received) = (Changes::default(), Made::default(), Vec::new(), Vec::new());
    let part = match &records[0].1 {
        Record::Event { seq, .. } => {
            (made.org, made.seq) = (of.clone(), *seq);
            Some(new.org(&of)?)
        }
        Record::Alert(_) | Record::Heartbeat(_) | Record::Audited(_) => None,
    };
    let next_entry = part.as_ref().map_or(0, |part| part.archive.ends().entries.next);
    for (number, record) in &records {
        if let Record::Event { sight, organization, raw, .. } = record {
            let entry = Entry::from_json(raw);
            let time = sight.counts_as.or(entry.time).unwrap_or(sight.first_seen.seconds());
            judged.push(Judged {
                entry: next_entry + received.len() as u64,
                record: *number,
                time,
                sight: *sight,
                is_relearned: false,
                identity: identity_of(&entry),
                bytes: entry.content_hash(),
                organization: organization.clone(),
            });
            received.push((*sight, false, raw.as_str()));
            made.bytes += raw.len() as u64;
        }
    }
    made.events = judged.len() as u64;
    if let Some(part) = &part {
        part.archive.skip_to(made.seq);
        part.put_entries_end(&mut batch, part.archive.write_entries(received.into_iter())?)?;
        part.put(&mut batch, ORDER, &[], &part.archive.write_order(judged.iter())?.to_bytes())?;
    }
    let alerts: Vec<Record> = records.iter().filter(|_| part.is_none()).map(|(_, record)| record.clone()).collect();
    let alerts = new.rows.add_alerts(&mut batch, &mut made, first, &alerts)?;
    put(&mut batch, OUTBOX, outbox_key(first), &made)?;
    new.rows.commit(batch)?;
    alerts.keep();
    if let Some(part) = part {
        part.archive.keep_entries();
        part.archive.keep_order();
    }
    Ok(records.len())
}

/// Numbers whose records can't be read.
fn put_lost(new: &Store, numbers: std::ops::Range<u64>) -> Result<()> {
    let mut batch = Changes::default();
    put(&mut batch, OUTBOX, outbox_key(numbers.start), &Made { lost: numbers.end - numbers.start, ..Made::default() })?;
    new.rows.commit(batch)
}

/// The value of a row.
fn parse<T: DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<T> {
    serde_json::from_slice(value).with_context(|| damaged(key, "it can't be read"))
}

fn damaged(key: &[u8], why: &str) -> Damaged {
    Damaged(format!("row {}: {why}", super::rows::shown(key)))
}

/// Begins a row from layout 3 on, and one of layout 4 that waited although it was delivered. Layout 2 began with the milliseconds of the
/// first sight, whose first byte is zero.
const SIGHTED: u8 = 1;
const DELIVERED: u8 = 2;

/// `None` of one that was delivered before: it comes again, for the rules alone.
fn pending(key: &[u8], value: &[u8]) -> Result<Option<(Entry, Sight)>> {
    let odd = || damaged(key, "it is too short");
    let (sight, raw) = match value.split_first() {
        Some((&SIGHTED, rest)) => record::sight_of(rest).ok_or_else(odd)?,
        Some((&DELIVERED, _)) => return Ok(None),
        _ => {
            let (first_seen, raw) = value.split_first_chunk::<8>().ok_or_else(odd)?;
            (Sight::first(UnixMillis(u64::from_be_bytes(*first_seen))), raw)
        }
    };
    Ok(Some((Entry::from_json(&String::from_utf8_lossy(raw)), sight)))
}

#[cfg(test)]
mod tests {
    use super::super::{Kinds, Opened, Sighting, rows};
    use super::*;
    use gridwatch_event::json;
    use gridwatch_poll::{Machine, PollConfig, PollSettings};
    use serde_json::json;

    const W: u64 = 1_794_000_000;
    const NOW: UnixMillis = UnixMillis((W + 600) * 1_000);
    const REACH: Reach = Reach { span_s: 7 * DAY_S, dedup_s: 35 * DAY_S };
    const CHECKPOINT: Checkpoint = Checkpoint { watermark: UnixSeconds(W), next_seq: 40, next_record: 50 };

    fn raw(id: &str, at: u64) -> String {
        format!(r#"{{"id":"{id}","date_create":{at},"action":"user_login"}}"#)
    }

    /// A store as layouts 2 and 3 have in common; ids are added by each.
    fn written(dir: &std::path::Path, layout: u32, origin: u64) -> sled::Db {
        let settings = PollSettings::new(UnixSeconds(origin));
        let mut poll = serde_json::to_value(Machine::start(PollConfig::new(settings).unwrap()).state()).unwrap();
        (poll["origin"], poll["watermark"]) = (origin.into(), W.into());
        let db = sled::open(dir).unwrap();
        for (key, value) in [
            ("mformat", json!(layout)),
            ("mpoll", poll),
            ("mnext_seq", json!(40)),
            ("mnext_record", json!(50)),
            ("mtold", json!(["expired a"])),
            ("sevents", json!({ "next": 48, "resume": { "next": 48 } })),
            ("m-of-no-use", json!(1)),
            ("tw12345678", json!("rule state")),
        ] {
            db.insert(key, value.to_string().as_bytes()).unwrap();
        }
        for number in 48_u64..50 {
            let seq = number - 20;
            let value = [&b"e"[..], &seq.to_be_bytes(), &NOW.0.to_be_bytes(), raw("out", W).as_bytes()].concat();
            db.insert([&b"o"[..], &number.to_be_bytes()].concat(), value).unwrap();
        }
        db.insert([&b"o"[..], &47_u64.to_be_bytes()].concat(), b"?").unwrap();
        db
    }

    fn wait(db: &sled::Db, id: &str, at: u64) {
        let key = [&[b'p', 0][..], &at.to_be_bytes(), id.as_bytes()].concat();
        db.insert(key, [&NOW.0.to_be_bytes()[..], raw(id, at).as_bytes()].concat()).unwrap();
    }

    fn seen(db: &sled::Db, layout: u32, id: &str, at: u64) {
        let (identity, bytes) = (json::hash(id.as_bytes()), json::hash(raw(id, at).as_bytes()));
        match layout {
            2 => db.insert([&b"i"[..], &at.to_be_bytes(), &identity].concat(), &bytes).unwrap(),
            _ => {
                let says = Entry::from_json(&raw(id, at)).says();
                let value = [&100_u32.to_be_bytes()[..], &at.to_be_bytes(), &bytes, &says.meaning, &says.act].concat();
                db.insert([&b"v"[..], &identity].concat(), value).unwrap()
            }
        };
    }

    /// Hands over, and opens what came of it.
    fn successor(older: &Older, dir: &std::path::Path) -> (Store, Handed) {
        let new = Store::make(dir, &[]).unwrap();
        let handed = older.hand_over(&new, REACH, &[(OrgId::default(), Some(CHECKPOINT))], NOW).unwrap();
        drop(new);
        let opened = (0..500).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            Store::open(dir, &[]).ok()
        });
        let Some(Opened::Store(store)) = opened else { panic!("no store") };
        (store, handed)
    }

    fn sightings(store: &OrgStore, entries: &[(&str, u64)]) -> Vec<Sighting> {
        let entries: Vec<Entry> = entries.iter().map(|(id, at)| Entry::from_json(&raw(id, *at))).collect();
        store.arrivals(&entries, NOW, |_| None).unwrap().each.iter().map(|arrival| arrival.sighting).collect()
    }

    #[test]
    fn what_reading_again_cant_bring_back_is_handed_over() {
        for layout in [2, 3] {
            let dir = tempfile::tempdir().unwrap();
            let db = written(&dir.path().join("old"), layout, W - 90 * DAY_S);
            let (old, young) = (W - 8 * DAY_S, W - 6 * DAY_S);
            for (id, at) in [("delivered", young), ("waits", young), ("waits-and-is-old", old), ("is-old", old)] {
                seen(&db, layout, id, at);
            }
            wait(&db, "waits", young);
            wait(&db, "waits-and-is-old", old);
            wait(&db, "ahead", W * 1_000);
            db.flush().unwrap();
            let (store, handed) = successor(&Older::new(db, layout), &dir.path().join("new"));
            let part = store.org(&OrgId::default()).unwrap();
            let again = handed.begun.again.unwrap();
            assert_eq!((again.from.0, again.drained_from.0), (W - 7 * DAY_S, W - 90 * DAY_S));
            assert_eq!((handed.entries, handed.records, handed.forgotten.len()), (3, 2, 1), "layout {layout}");
            assert_eq!((part.next_seq(), store.next_record(), store.first_record()), (40, 50, 48));
            assert_eq!(store.position("events").unwrap().next, 48);
            assert_eq!(part.told().unwrap(), ["expired a"]);
            assert_eq!(store.records(48, Kinds::ALL, 9, 1 << 20).unwrap().0.len(), 2);
            assert_eq!(part.rule_state().count(), 0);
            assert_eq!(part.begun().unwrap(), handed.begun);
            assert!(!part.is_behind(&CHECKPOINT).unwrap());
            let waiting: Vec<String> =
                part.next_pending(9).unwrap().into_iter().map(|p| p.entry.id().to_owned()).collect();
            assert_eq!(waiting, ["waits-and-is-old", "ahead"], "what isn't read again is judged from the queue");
            use Sighting::{Again, New, Relearned};
            let twice = sightings(&part, &[("delivered", young), ("delivered", young)]);
            assert_eq!(twice, [Relearned, Again], "layout {layout}");
            assert_eq!(sightings(&part, &[("waits", young), ("new", young)]), [New, New]);
            assert_eq!(sightings(&part, &[("waits-and-is-old", old)]), [Again], "it is judged once");
        }
    }

    #[test]
    fn reading_begins_no_further_back_than_ids_are_known_and_time_was_read() {
        let again = |layout, origin, reach| {
            let dir = tempfile::tempdir().unwrap();
            let older = Older::new(written(&dir.path().join("old"), layout, origin), layout);
            let state: PollState = older.get(b"mpoll").unwrap().unwrap();
            (W - older.again(&state, reach).unwrap().from.0) / DAY_S
        };
        let long = Reach { span_s: 90 * DAY_S, ..REACH };
        assert_eq!(again(3, W - 90 * DAY_S, long), 30);
        assert_eq!(again(2, W - 90 * DAY_S, long), 13, "layout 2 kept ids for 14 days");
        assert_eq!(again(3, W - 90 * DAY_S, Reach { dedup_s: 5 * DAY_S, ..long }), 4);
        assert_eq!(again(3, W - 2 * DAY_S, long), 2);
        assert_eq!(again(3, W - 90 * DAY_S, Reach { span_s: 60, ..REACH }), 1);
    }

    #[test]
    fn an_older_store_is_known_by_its_layout_and_damage_by_what_it_lacks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("old");
        drop(written(&path, 3, W - DAY_S));
        let opened = (0..500).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            Store::open(&path, &[]).ok()
        });
        let Some(Opened::Older(older)) = opened else { panic!("not known") };
        assert_eq!(older.layout, 3);
        let ahead = Checkpoint { next_seq: 41, ..CHECKPOINT };
        let new = Store::make(&dir.path().join("new"), &[]).unwrap();
        let error = older.hand_over(&new, REACH, &[(OrgId::default(), Some(ahead))], NOW).unwrap_err();
        assert!(super::super::damage::is_damage(&error), "{error:#}");
        assert!(new.rows.db.get(rows::FORMAT_KEY).unwrap().is_none(), "it isn't complete");
    }
}
