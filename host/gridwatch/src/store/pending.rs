//! Entries that wait for detection: where in the archive each is, in the order in which they are to be judged.
//!
//! Those of one page are saved in runs, each a row of some entries that follow each other in that order: a row for each entry would cost more
//! than all else that is done with it. Runs of several pages may overlap, so what comes next is found by merging them.

use super::rows::PENDING;
use super::{Damaged, OrgStore};
use anyhow::Result;
use gridwatch_event::entry::Entry;
use gridwatch_event::event::Sight;
use gridwatch_event::text::hex;
use gridwatch_poll::Lane;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Entries of a run.
const RUN: usize = 128;
/// Of an entry's order: the lane and the time.
const LANE_AND_TIME: usize = 9;

/// An entry that waits for detection.
#[derive(Debug)]
pub struct Pending {
    /// Key of its run.
    pub(super) run: sled::IVec,
    /// Its number in the archive.
    pub(super) number: u64,
    pub entry: Entry,
    pub sight: Sight,
    /// It was judged and delivered before, and is here only for what the rules remember: see [`super::Sighting::Relearned`].
    pub is_delivered: bool,
    /// What its entry weighs.
    pub(super) bytes: u64,
}

/// Where an entry is that waits, and what of it is told with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Queued {
    /// What it is judged by the order of: lane, time, id, and of a later version its bytes.
    order: Box<[u8]>,
    pub(super) number: u64,
    pub(super) is_delivered: bool,
    pub(super) bytes: u32,
}

/// Entries that wait, on their way into runs.
pub(super) type Queue = BTreeMap<(Box<[u8]>, u64), (sled::IVec, Queued)>;

impl Queued {
    pub(super) fn of(lane: Lane, (entry, sight): (&Entry, Sight), number: u64, is_delivered: bool) -> Self {
        let bytes = u32::try_from(entry.raw().len()).unwrap_or(u32::MAX);
        Self { order: order(lane, entry, sight).into(), number, is_delivered, bytes }
    }

    fn write(&self, row: &mut Vec<u8>) {
        // An order is an id of 200 bytes at most, and less than 40 beside it.
        row.push(self.order.len() as u8);
        row.extend_from_slice(&self.order);
        row.extend_from_slice(&self.number.to_be_bytes());
        row.push(self.is_delivered.into());
        row.extend_from_slice(&self.bytes.to_be_bytes());
    }

    fn read(row: &[u8]) -> Option<(Self, &[u8])> {
        let (length, rest) = row.split_first()?;
        let (order, rest) = rest.split_at_checked((*length).into())?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let (is_delivered, rest) = rest.split_first()?;
        let (bytes, rest) = rest.split_first_chunk::<4>()?;
        let (number, bytes) = (u64::from_be_bytes(*number), u32::from_be_bytes(*bytes));
        Some((Self { order: order.into(), number, is_delivered: *is_delivered != 0, bytes }, rest))
    }
}

/// The entries of a run, in their order.
///
/// # Errors
/// The row can't be read.
pub(super) fn run(key: &[u8], value: &[u8]) -> Result<Vec<Queued>> {
    let (mut rest, mut queued) = (PENDING.open(key, value).map_err(Damaged::from)?, Vec::new());
    while !rest.is_empty() {
        let odd = || Damaged("entries that wait aren't what was saved".into());
        let (one, after) = Queued::read(rest).ok_or_else(odd)?;
        queued.push(one);
        rest = after;
    }
    Ok(queued)
}

fn sealed(key: &[u8], run: &[Queued]) -> Vec<u8> {
    let mut row = Vec::new();
    run.iter().for_each(|queued| queued.write(&mut row));
    PENDING.seal(key, &row)
}

impl OrgStore {
    /// Rows of runs for these entries, which are all of one lane.
    pub(super) fn runs(&self, mut queued: Vec<Queued>) -> Vec<(Vec<u8>, Vec<u8>)> {
        queued.sort_unstable_by(|a, b| (&a.order, a.number).cmp(&(&b.order, b.number)));
        let row = |run: &[Queued]| {
            let begins = run
                .first()
                .map_or_else(Vec::new, |first| [&first.order[..LANE_AND_TIME], &first.number.to_be_bytes()].concat());
            let key = self.key(PENDING, &begins);
            let value = sealed(&key, run);
            (key, value)
        };
        queued.chunks(RUN).map(row).collect()
    }

    /// The rows of runs from which these entries were taken: what is left of each, if anything is.
    pub(super) fn without_taken(&self, taken: &[Pending]) -> Result<Vec<(sled::IVec, Option<Vec<u8>>)>> {
        let mut runs: HashMap<&sled::IVec, HashSet<u64>> = HashMap::new();
        for pending in taken {
            runs.entry(&pending.run).or_default().insert(pending.number);
        }
        let left = |(key, taken): (&sled::IVec, HashSet<u64>)| {
            let mut left = match self.rows.db.get(key)? {
                Some(value) => run(key, &value)?,
                None => Vec::new(),
            };
            left.retain(|queued| !taken.contains(&queued.number));
            Ok((key.clone(), (!left.is_empty()).then(|| sealed(key, &left))))
        };
        runs.into_iter().map(left).collect()
    }

    /// The first entries of a lane that count as of before `to`, until `is_enough` has got enough of them.
    pub(super) fn first_queued(
        &self,
        lane: Lane,
        to: u64,
        mut is_enough: impl FnMut(sled::IVec, Queued) -> bool,
    ) -> Result<()> {
        let (from, to) = (lane_and_time(lane, 0), lane_and_time(lane, to));
        let mut queue = Queue::new();
        for row in self.rows.db.range(self.key(PENDING, &from)..self.key(PENDING, &to)) {
            let (key, value) = row?;
            // What is before all of this run is before all runs that follow.
            let begins = self.rest(PENDING, &key).get(..LANE_AND_TIME).unwrap_or_default().to_vec();
            while let Some(first) = queue.first_entry().filter(|first| first.key().0[..LANE_AND_TIME] < begins[..]) {
                let (run, queued) = first.remove();
                if is_enough(run, queued) {
                    return Ok(());
                }
            }
            for queued in run(&key, &value)?.into_iter().filter(|queued| queued.order[..LANE_AND_TIME] < to[..]) {
                queue.insert((queued.order.clone(), queued.number), (key.clone(), queued));
            }
        }
        for (run, queued) in queue.into_values() {
            if is_enough(run, queued) {
                break;
            }
        }
        Ok(())
    }
}

fn lane_and_time(lane: Lane, time: u64) -> Vec<u8> {
    let lane = match lane {
        Lane::Live => 0,
        Lane::Reread => 1,
        Lane::Backfill => 2,
    };
    [&[lane][..], &time.to_be_bytes()].concat()
}

fn order(lane: Lane, entry: &Entry, sight: Sight) -> Vec<u8> {
    // An entry without any time goes first: it belongs to no window that could drain later.
    let mut order = lane_and_time(lane, sight.counts_as.or(entry.time).map_or(0, |t| t.0));
    match entry.id().len() {
        0..=200 => order.extend_from_slice(entry.id().as_bytes()),
        _ => order.extend_from_slice(hex(&Sha256::digest(entry.id())).as_bytes()),
    }
    if sight.version > 1 {
        order.extend_from_slice(&entry.content_hash());
    }
    order
}

#[cfg(test)]
mod tests {
    use super::super::{Opened, Store};
    use super::*;
    use gridwatch_event::event::Event;
    use gridwatch_event::org::OrgId;
    use gridwatch_event::time::UnixMillis;
    use rand::rngs::SmallRng;
    use rand::seq::SliceRandom;
    use rand::{Rng, SeedableRng};
    use std::path::Path;

    fn opened(dir: &Path) -> OrgStore {
        let Opened::Store(store) = Store::open(&dir.join("store"), &[]).unwrap() else { panic!("an older store") };
        store.org(&OrgId::default()).unwrap()
    }

    /// Pages come in any order and overlap in time; some of what waits is taken between them.
    #[test]
    fn whatever_order_pages_come_in_what_waits_is_taken_in_order_of_time_and_id_and_once() {
        for seed in 0..40 {
            let mut dice = SmallRng::seed_from_u64(seed);
            let dir = tempfile::tempdir().unwrap();
            let part = opened(dir.path());
            let seconds = dice.random_range(1..400);
            let mut ids: Vec<u64> = (0..dice.random_range(1..900)).collect();
            ids.shuffle(&mut dice);
            let all: Vec<(u64, String)> =
                ids.into_iter().map(|n| (1_790_000_000 + dice.random_range(0..seconds), format!("e{n:04}"))).collect();
            let (mut waits, mut pages) = (Vec::new(), all.as_slice());
            let mut taken = 0;
            while !pages.is_empty() || !waits.is_empty() {
                let (page, rest) = pages.split_at(dice.random_range(0..=pages.len()));
                pages = rest;
                let raw = |(time, id): &(u64, String)| format!(r#"{{"id":"{id}","date_create":{time},"action":"a"}}"#);
                part.receive(&page.iter().map(raw).collect::<Vec<_>>(), UnixMillis(0));
                waits.extend(page.iter().cloned());
                waits.sort();
                for _ in 0..dice.random_range(0..4) {
                    let some = part.next_pending(dice.random_range(1..300)).unwrap();
                    let ids: Vec<&str> = some.iter().map(|pending| pending.entry.id()).collect();
                    assert_eq!(ids, waits.iter().take(some.len()).map(|(_, id)| id).collect::<Vec<_>>(), "seed {seed}");
                    assert!(!some.is_empty() || waits.is_empty(), "seed {seed}");
                    let event = |pending: &Pending| Event::seen(part.next_seq(), pending.sight, &pending.entry);
                    let events: Vec<Event> = some.iter().map(event).collect();
                    part.commit_detections((&some, &events), &[], &[], &[], &[], &[]).unwrap();
                    waits.drain(..some.len());
                    taken += some.len();
                }
            }
            assert_eq!(taken, all.len(), "seed {seed}");
            assert_eq!(part.scan(PENDING).count(), 0, "seed {seed}: no run is left");
        }
    }
}
