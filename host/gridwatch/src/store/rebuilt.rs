//! A store that is made from its logs, after the one before it was lost or is damaged: what reading Slack again can't bring back.
//!
//! The archive says which entries were judged, the history which alerts were made, both by which numbers records have, and the mirror
//! beside the store how far each sink is. So nothing is delivered again, and what wasn't delivered still is. Then Slack is read again
//! for what the rules remember: entries that were judged are judged once more and delivered to nobody (`Sighting::Relearned`).

use super::changes::{Changes, Tallies, Tally};
use super::outbox::{self, Made, outbox_key};
use super::rows::{ALERTS, ENTRIES, Kind, NEXT_RECORD, ORDER, OUTBOX, PENDING, RELEASED, SUMS, prefix};
use super::seen::{Identity, Row, Version, day_of, identity_of};
use super::{
    Again, Damaged, EntriesEnd, OrgStore, Place, Position, Released, Rows, SWEEP, Store, Waiting, damaged, number, put,
};
use crate::archive::{self, ArchiveError};
use anyhow::Result;
use gridwatch_event::entry::Entry;
use gridwatch_event::org::OrgId;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_log::End;
use gridwatch_poll::Lane;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

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
pub struct Left(BTreeMap<OrgId, LeftOf>);

/// What it says of an organization.
#[derive(Debug)]
struct LeftOf {
    /// How far its entries and its events went.
    entries: u64,
    seq: u64,
    /// Entries that waited.
    waiting: HashSet<u64>,
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
                    waiting.insert(Waiting::open(key, value)?.number);
                    Ok(())
                })?;
            if is_whole {
                let of_it = made.iter().filter(|(_, made)| made.org == *org && made.events > 0);
                let undelivered = of_it.map(|(record, made)| (*record, made.seq, made.events)).collect();
                let (entries, seq) = (End::from_bytes(&end.end).next, End::from_bytes(&order).next);
                left.insert(org.clone(), LeftOf { entries, seq, waiting, undelivered });
            }
        }
        Ok(Self(left))
    }
}

impl LeftOf {
    /// Did an entry whose place in the order is lost not wait any more?
    fn was_judged(&self, number: u64) -> bool {
        number < self.entries && !self.waiting.contains(&number)
    }

    /// Had all sinks that take events got this one? They have got all records below `lowest`.
    fn was_delivered(&self, seq: u64, lowest: u64) -> bool {
        let is_left = |(record, first, count): &(u64, u64, u64)| {
            (*first..first + count).contains(&seq) && record + (seq - first) >= lowest
        };
        !self.undelivered.iter().any(is_left)
    }
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
        let (mut last, mut all_judged) = (0, Vec::new());
        for place in places {
            let part = store.org(&place.org)?;
            let judged = part.know_judged(place, now, |seq, event| {
                last = last.max(event.record);
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
            all_judged.push((part, judged));
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
        for (part, judged) in all_judged {
            let left = left.0.get(&part.org);
            part.know_lost(&judged, left, of_events, now)?;
            // Numbers of events that are lost were given out all the same.
            if let Some(left) = left {
                part.skip_to(left.seq)?;
            }
            rebuilt.waiting += part.know_waiting(&judged, again(&part.org), now)?;
        }
        store.deliver_on(numbered, positions, last + 1)?;
        store.finish()?;
        store.count()?;
        for part in store.orgs.lock().unwrap_or_else(std::sync::PoisonError::into_inner).values() {
            part.count()?;
        }
        Ok((store, rebuilt))
    }

    /// Puts what has a number into the outbox, and the sinks to where they were.
    fn deliver_on(&self, numbered: Numbered, positions: BTreeMap<String, Position>, next: u64) -> Result<()> {
        let next = positions.values().map(|position| position.next).fold(next, u64::max);
        let mut changes = Changes::default();
        let mut made: Option<(u64, Made)> = None;
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
            put(&mut changes, OUTBOX, outbox_key(lost_at_end), &Made { lost: next - lost_at_end, ..Made::default() })?;
        }
        for (name, position) in &positions {
            Rows::put_position(&mut changes, name, position)?;
        }
        put(&mut changes, NEXT_RECORD, NEXT_RECORD.key(&[]), &next)?;
        put(&mut changes, ALERTS, ALERTS.key(&[]), &self.rows.history().end().to_bytes())?;
        self.rows.commit(changes)
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

    /// Marks entries that were judged and delivered although their places in the order are lost. They were judged in order of time, so it
    /// can be told which event each was, if all of them are there.
    fn know_lost(&self, judged: &HashSet<u64>, left: Option<&LeftOf>, lowest: u64, now: UnixMillis) -> Result<()> {
        let Some(left) = left else { return Ok(()) };
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
        let first = self.archive.ends().order.next;
        if lost.is_empty() || left.seq.checked_sub(first) != Some(lost.len() as u64) {
            return Ok(());
        }
        lost.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let mut chunk = HashMap::new();
        for (seq, (time, _, entry)) in (first..).zip(&lost) {
            if left.was_delivered(seq, lowest) {
                self.know(&mut chunk, identity_of(entry), Version::of(entry), (Some(*time), true), now)?;
            }
        }
        self.save(&mut chunk)
    }

    /// Lets entries go on waiting that were received and not judged. Those in time that is read again come again by themselves.
    fn know_waiting(&self, judged: &HashSet<u64>, again: Option<Again>, now: UnixMillis) -> Result<u64> {
        let (mut count, mut chunk, mut changes) = (0, HashMap::new(), Changes::default());
        let mut waiting = Vec::new();
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
            let key = self.key(PENDING, &super::pending_key(Lane::Reread, &entry, sight));
            changes.insert(&*key, Waiting::of(number, false, entry.raw()).seal(&key));
            count += 1;
        }
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
        for (identity, row) in chunk.drain() {
            row.put(&mut changes, self, &identity, None);
        }
        self.rows.commit(changes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Opened, Pending, Sighting};
    use super::*;
    use crate::record::Record;
    use gridwatch_event::event::Event;
    use gridwatch_rules::builtin;
    use std::fs;

    const W: u64 = 1_794_000_000;
    const NOW: UnixMillis = UnixMillis((W + 600) * 1_000);

    fn raw(n: u64) -> String {
        format!(r#"{{"id":"e{n}","date_create":{},"action":"user_login"}}"#, W - 1_000 + n)
    }

    fn places(state: &Path) -> [Place; 1] {
        [Place { segment_bytes: 2_000, ..Place::unconfigured(state, &OrgId::default()) }]
    }

    fn opened(state: &Path) -> Result<Store> {
        match Store::open(&state.join("store"), &places(state))? {
            Opened::Store(store) => Ok(store),
            Opened::Older(_) => panic!("it is of an older layout"),
        }
    }

    /// Judges entries, with an alert after each fourth.
    fn judge(part: &OrgStore, numbers: std::ops::Range<u64>) {
        for n in numbers {
            part.receive(&[raw(n)], NOW);
            let waiting = part.next_pending(1).unwrap();
            let seen = |pending: &Pending| Event::seen(part.next_seq(), pending.sight, &pending.entry);
            let events: Vec<Event> = waiting.iter().map(seen).collect();
            let alert = builtin::exceptions_unusable(&format!("{n}"), UnixMillis(n * 1_000));
            let alerts: Vec<Record> = (n % 4 == 0).then(|| Record::Alert(Box::new(alert))).into_iter().collect();
            part.commit_detections((&waiting, &events), &alerts, &[], &[], &[]).unwrap();
        }
    }

    /// Fifty entries judged, of which a sink has got half and another a quarter, and three that wait.
    fn lived(state: &Path) -> Vec<(u64, String)> {
        let store = opened(state).unwrap();
        store.set_sinks(&["a".into(), "b".into()]).unwrap();
        let part = store.org(&OrgId::default()).unwrap();
        judge(&part, 0..50);
        for (sink, next) in [("a", 31), ("b", 16)] {
            store.commit_attempt(sink, &Position { next, delivered: next - 1, ..Position::default() }, &[]).unwrap();
        }
        part.receive(&[raw(50), raw(51), raw(52)], NOW);
        undelivered(&store)
    }

    fn undelivered(store: &Store) -> Vec<(u64, String)> {
        let (records, next) = store.records(16, usize::MAX, usize::MAX).unwrap();
        assert_eq!(next, store.next_record());
        let shown = |record: &Record| match record {
            Record::Event { raw, seq, .. } => format!("{seq} {raw}"),
            Record::Alert(alert) => alert.uid.clone(),
        };
        records.iter().map(|(number, record)| (*number, shown(record))).collect()
    }

    fn rebuilt(state: &Path, left: &Left, from: u64) -> (Store, Rebuilt) {
        let from = UnixSeconds(from);
        let again = Again { from, drained_from: from, ids_from: from };
        Store::rebuild(&state.join("store"), &places(state), (left, |_: &str| true), |_| Some(again), NOW).unwrap()
    }

    fn set_aside(state: &Path) -> Left {
        fs::rename(state.join("store"), state.join("aside")).unwrap();
        Left::read(&state.join("aside"), &places(state)).unwrap()
    }

    fn sightings(part: &OrgStore, numbers: &[u64]) -> Vec<Sighting> {
        let entries: Vec<Entry> = numbers.iter().map(|n| Entry::from_json(&raw(*n))).collect();
        part.arrivals(&entries, NOW, |_| None).unwrap().each.iter().map(|arrival| arrival.sighting).collect()
    }

    #[test]
    fn a_store_made_of_its_logs_knows_what_was_judged_delivered_and_waits() {
        use Sighting::{Again, New, Relearned};
        for from in [W - 2_000, W] {
            let dir = tempfile::tempdir().unwrap();
            let before = lived(dir.path());
            fs::remove_dir_all(dir.path().join("store")).unwrap();
            assert!(super::super::damage::is_damage(&opened(dir.path()).unwrap_err()), "an archive, and no store");
            fs::remove_dir_all(dir.path().join("store")).unwrap();
            let (store, rebuilt) = rebuilt(dir.path(), &Left::default(), from);
            let part = store.org(&OrgId::default()).unwrap();
            assert_eq!(undelivered(&store), before);
            assert_eq!((store.position("a").unwrap().next, store.position("b").unwrap().next), (31, 16));
            assert_eq!((part.next_seq(), store.next_record(), store.first_record()), (51, 64, 16));
            assert_eq!(sightings(&part, &[0, 49]), [Relearned, Relearned]);
            // What is read again comes again by itself.
            let is_read_again = from < W - 1_000;
            assert_eq!(rebuilt, Rebuilt { judged: 50, waiting: if is_read_again { 0 } else { 3 }, undelivered: 48 });
            let want = if is_read_again { New } else { Again };
            assert_eq!(sightings(&part, &[50, 51, 52]), [want; 3]);
            assert_eq!(part.next_pending(9).unwrap().len() as u64, rebuilt.waiting);
            drop((part, store));
            assert_eq!(undelivered(&opened(dir.path()).unwrap()), before, "it is a store like any other");
        }
    }

    #[test]
    fn with_a_log_lost_in_part_what_is_whole_counts_and_the_rest_comes_again() {
        for log in ["order", "entries"] {
            let dir = tempfile::tempdir().unwrap();
            lived(dir.path());
            // Everything is delivered.
            let store = opened(dir.path()).unwrap();
            for sink in ["a", "b"] {
                store.commit_attempt(sink, &Position { next: 64, ..Position::default() }, &[]).unwrap();
            }
            drop(store);
            let files = fs::read_dir(dir.path().join("archive")).unwrap().map(|file| file.unwrap().path());
            let newest = files.filter(|path| path.to_string_lossy().contains(&format!("{log}-"))).max().unwrap();
            let length = newest.metadata().unwrap().len();
            fs::File::options().write(true).open(&newest).unwrap().set_len(length / 2).unwrap();
            assert!(super::super::damage::is_damage(&opened(dir.path()).unwrap_err()), "{log}");
            let left = set_aside(dir.path());
            let (store, _) = rebuilt(dir.path(), &left, W - 2_000);
            let part = store.org(&OrgId::default()).unwrap();
            let all: Vec<u64> = (0..50).collect();
            assert_eq!(sightings(&part, &all), vec![Sighting::Relearned; 50], "{log}: none is delivered again");
            assert_eq!(sightings(&part, &[50, 51, 52]), [Sighting::New; 3], "{log}");
            judge(&part, 60..63);
            drop((part, store));
            opened(dir.path()).unwrap();
        }
    }

    #[test]
    fn an_old_copy_of_a_store_is_known_by_its_logs() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path();
        lived(state);
        let copy = std::process::Command::new("cp").arg("-a").arg(state.join("store")).arg(state.join("copy")).status();
        assert!(copy.unwrap().success());
        let store = opened(state).unwrap();
        judge(&store.org(&OrgId::default()).unwrap(), 53..60);
        drop(store);
        fs::remove_dir_all(state.join("store")).unwrap();
        fs::rename(state.join("copy"), state.join("store")).unwrap();
        let error = opened(state).unwrap_err();
        assert!(super::super::damage::is_damage(&error) && format!("{error:#}").contains("an old copy"), "{error:#}");
    }

    /// sled opens a file whose end is missing as if it were whole: what a commit says of each kind of rows shows it.
    #[test]
    fn a_row_that_is_missing_changed_or_too_many_is_damage() {
        type Change = fn(&sled::Db, Vec<u8>, sled::IVec);
        let changes: [(&str, Change); 2] = [
            ("missing", |db, key, _| drop(db.remove(key).unwrap())),
            ("twice", |db, mut key, value| {
                key.push(b'x');
                drop(db.insert(key, value).unwrap());
            }),
        ];
        for (what, change) in changes {
            for kind in ["p", "o", "s", "v", "d"] {
                let dir = tempfile::tempdir().unwrap();
                lived(dir.path());
                let part = opened(dir.path()).unwrap().org(&OrgId::default()).unwrap();
                let entries = [Entry::from_json(&raw(1))];
                let arrivals = part.arrivals(&entries, NOW, |_| None).unwrap();
                let mut batch = Changes::default();
                arrivals.put(&mut batch, &part);
                part.rows.commit(batch).unwrap();
                let row = part.rows.db.scan_prefix(kind).next().unwrap().unwrap();
                change(&part.rows.db, row.0.to_vec(), row.1);
                part.rows.db.flush().unwrap();
                drop(part);
                let opened = opened(dir.path());
                assert!(opened.is_err_and(|error| super::super::damage::is_damage(&error)), "{kind}: {what}");
            }
        }
    }
}
