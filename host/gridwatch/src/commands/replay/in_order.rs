//! Files whose entries stand in order of time and id, as those of most logs do: they are events as they are read, and nothing is kept of
//! them. That it is so shows only at the end, so whoever reads this must be able to begin again with all entries, sorted.

use super::order;
use crate::input::{Entries, Given, Report};
use anyhow::Result;
use foldhash::quality::RandomState;
use gridwatch_event::entry::{Entry, Mark, Versions};
use gridwatch_event::event::{Event, Sight};
use std::cmp::Ordering;
use std::hash::BuildHasher;

/// The entries don't stand in order, or not all of them have a time and an id of their own.
#[derive(Debug, thiserror::Error)]
#[error("the entries don't stand in order")]
pub(super) struct OutOfOrder;

pub(super) struct InOrder {
    given: Entries,
    seq: u64,
    before: Option<Entry>,
    /// Of the entry before, where its id came more than once.
    versions: Option<Versions>,
    again: u64,
    /// Hashes of ids. An id that comes again at another time is found at the end.
    ids: Vec<u64>,
    key: RandomState,
}

impl InOrder {
    pub(super) fn of(given: Entries) -> Self {
        let (before, versions, ids) = (None, None, Vec::new());
        Self { given: given.without_ids(), seq: 0, before, versions, again: 0, ids, key: RandomState::default() }
    }

    /// To be asked at the end.
    pub(super) fn into_report(self) -> Report {
        Report { again: self.again, ..self.given.into_report() }
    }

    /// Number of the version that an entry is, and whether it tells of another act; `None` if it says what was said before.
    fn version(&mut self, entry: &Entry) -> Result<Option<(u32, bool)>, OutOfOrder> {
        let is_odd = entry.time.is_none() || entry.marks.contains(&Mark::NoId) || entry.id().starts_with("means:");
        match self.before.as_ref().map_or(Ordering::Less, |before| order(before, entry)) {
            _ if is_odd => Err(OutOfOrder),
            Ordering::Greater => Err(OutOfOrder),
            Ordering::Less => {
                self.versions = None;
                self.ids.push(self.key.hash_one(entry.id()));
                Ok(Some((1, false)))
            }
            Ordering::Equal => {
                self.again += 1;
                let versions = self.versions.get_or_insert_with(|| {
                    let mut versions = Versions::default();
                    self.before.iter().for_each(|before| _ = versions.see(before));
                    versions
                });
                Ok(versions.see(entry))
            }
        }
    }

    fn event(&mut self, entry: Entry) -> Result<Option<Event>, OutOfOrder> {
        let version = self.version(&entry)?;
        let event = version.map(|(version, other_act)| {
            self.seq += 1;
            let seen = Sight::first(entry.time.unwrap_or_default().millis());
            Event::seen(self.seq, Sight { version, other_act, ..seen }, &entry)
        });
        self.before = Some(entry);
        Ok(event)
    }

    fn is_each_id_there_once(&mut self) -> bool {
        self.ids.sort_unstable();
        !self.ids.windows(2).any(|pair| pair[0] == pair[1])
    }
}

impl Iterator for InOrder {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Result<Event>> {
        loop {
            match self.given.next() {
                Some(Given::Entry(entry)) => match self.event(entry).transpose() {
                    Some(event) => return Some(event.map_err(Into::into)),
                    None => continue,
                },
                Some(Given::Odd(_)) => {}
                None if self.is_each_id_there_once() => return None,
                None => return Some(Err(OutOfOrder.into())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Source, Stored};
    use super::*;
    use gridwatch_event::time::UnixSeconds;

    fn told(events: impl Iterator<Item = Result<Event>>) -> Result<Vec<(u64, String, UnixSeconds, Sight)>> {
        let told = |event: Event| (event.seq, event.raw().to_owned(), event.time, event.sight());
        events.map(|event| event.map(told)).collect()
    }

    /// Either what sorting all of it would give, or word that it has to be sorted.
    #[test]
    fn what_stands_in_order_is_read_as_if_it_had_been_sorted() {
        let mut dice = 3_u64;
        let mut roll = |sides: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % sides
        };
        let (mut in_order, mut out_of_order, mut doubled) = (0, 0, 0);
        let file = std::env::temp_dir().join(format!("gridwatch-in-order-{}", std::process::id()));
        for run in 0..400_u64 {
            let (mut lines, mut time) = (Vec::new(), 100);
            for at in 0..60_u64 {
                time += roll(3);
                let action = ["user_login", "user_logout"][roll(2) as usize];
                let id = if roll(400) == 0 { String::new() } else { format!(r#""id":"{at:03}","#) };
                lines.push(format!(r#"{{{id}"date_create":{time},"action":"{action}"}}"#));
                if roll(30) == 0 {
                    let again = lines[lines.len() - 1].replace("user_log", ["user_log", "user_lo"][roll(2) as usize]);
                    lines.push(again);
                }
                if run % 4 == 0 && roll(60) == 0 {
                    let (a, b) = (roll(lines.len() as u64) as usize, roll(lines.len() as u64) as usize);
                    lines.swap(a, b);
                }
                if run % 4 == 1 && roll(60) == 0 {
                    let again = lines[roll(lines.len() as u64) as usize].replacen(
                        r#""date_create":1"#,
                        r#""date_create":2"#,
                        1,
                    );
                    lines.push(again);
                    time = 300;
                }
            }
            std::fs::write(&file, lines.join("\n")).unwrap();
            let paths = [file.clone()];
            let mut read = InOrder::of(Entries::open(&paths).unwrap());
            let as_it_stands = told(read.by_ref());
            let Source::Entries(sorted, report) = Source::sorted(&paths).unwrap() else { panic!("they are at hand") };
            match as_it_stands {
                Ok(events) => {
                    in_order += 1;
                    doubled += u64::from(report.again > 0);
                    assert_eq!(events, told(Stored::events(&sorted)).unwrap());
                    let as_read = read.into_report();
                    assert_eq!((as_read.entries, as_read.again), (report.entries, report.again));
                }
                Err(error) => {
                    out_of_order += 1;
                    assert!(error.is::<OutOfOrder>(), "{error}");
                }
            }
        }
        std::fs::remove_file(&file).unwrap();
        assert!(in_order > 100 && out_of_order > 30 && doubled > 50, "{in_order} {out_of_order} {doubled}");
    }
}
