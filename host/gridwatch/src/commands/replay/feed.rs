//! From a source to batches of events. Where there is a second processor, they are read and taken apart on it, a few batches ahead of
//! the rules; what comes out is the same.

use super::in_order::InOrder;
use super::{Source, Stored};
use crate::archive;
use crate::input::{Entries, Report};
use anyhow::Result;
use gridwatch_event::entry::Entry;
use gridwatch_event::event::{Event, Sight};
use gridwatch_rules::batch::MAX_BATCH_BYTES;
use std::sync::mpsc::sync_channel;

/// Batches that wait at most.
const AHEAD: usize = 4;

impl Source {
    /// Gives each batch of events to `judge`, in order. What was read comes back.
    ///
    /// # Errors
    /// `judge` fails, a file isn't there, the archive can't be read, or the entries don't stand in order.
    pub fn each_batch(&self, most: usize, judge: &mut dyn FnMut(Vec<Event>) -> Result<()>) -> Result<Report> {
        match std::thread::available_parallelism() {
            Ok(processors) if processors.get() > 1 => self.on_two_threads(most, judge),
            _ => self.feed(most, judge),
        }
    }

    fn on_two_threads(&self, most: usize, judge: &mut dyn FnMut(Vec<Event>) -> Result<()>) -> Result<Report> {
        std::thread::scope(|scope| {
            let (give, take) = sync_channel::<Vec<Event>>(AHEAD);
            // Nobody takes any more once the rules have failed.
            let mut give = move |batch| give.send(batch).map_err(|_| anyhow::anyhow!("the rules have ended"));
            let reader = scope.spawn(move || self.feed(most, &mut give));
            for batch in take {
                judge(batch)?;
            }
            reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn feed(&self, most: usize, give: &mut dyn FnMut(Vec<Event>) -> Result<()>) -> Result<Report> {
        match self {
            Self::Files(paths) => {
                let mut events = InOrder::of(Entries::open(paths)?);
                in_batches(most, &mut events, give)?;
                Ok(events.into_report())
            }
            Self::Entries(stored, report) => {
                in_batches(most, &mut stored.events(), give)?;
                Ok(report.clone())
            }
            Self::Archive { dir, from, to } => {
                let mut events = archive::read(dir, *from, *to)?.map(|record| Ok(record?.event()));
                in_batches(most, &mut events, give)?;
                Ok(Report::default())
            }
        }
    }
}

/// As live: so many events, but no more than a batch may weigh, save for the last.
fn in_batches(
    most: usize,
    events: &mut dyn Iterator<Item = Result<Event>>,
    give: &mut dyn FnMut(Vec<Event>) -> Result<()>,
) -> Result<()> {
    loop {
        let (mut batch, mut bytes) = (Vec::with_capacity(most), 0);
        while batch.len() < most && bytes < MAX_BATCH_BYTES {
            let Some(event) = events.next().transpose()? else { break };
            bytes += event.raw().len();
            batch.push(event);
        }
        if batch.is_empty() {
            return Ok(());
        }
        give(batch)?;
    }
}

impl Stored {
    pub(super) fn events(&self) -> impl Iterator<Item = Result<Event>> {
        // Without a time of its own an entry counts as of the earliest one: at 1970 it would pass for years of history.
        let earliest = self.entries.iter().find_map(|entry| entry.time).unwrap_or_default();
        let mut later = self.later.iter().peekable();
        let event = move |(i, entry): (usize, &Entry)| {
            let (version, other_act) = later.next_if(|(at, _)| *at == i).map_or((1, false), |(_, later)| *later);
            let seen = Sight::first(entry.time.unwrap_or(earliest).millis());
            Ok(Event::seen(i as u64 + 1, Sight { version, other_act, ..seen }, entry))
        };
        self.entries.iter().enumerate().map(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(n: u64) -> Source {
        let entry =
            |i| Entry::from_json(&format!(r#"{{"id":"{i:04}","date_create":{},"action":"user_login"}}"#, 1_000 + i));
        Source::Entries(Stored { entries: (0..n).map(entry).collect(), later: Vec::new() }, Report::default())
    }

    #[test]
    fn two_threads_give_the_batches_of_one() {
        for (n, most) in [(0, 7), (1, 7), (7, 7), (100, 7), (100, 1), (100, 1_000)] {
            let source = entries(n);
            let (mut of_one, mut of_two) = (Vec::new(), Vec::new());
            let seqs = |batch: Vec<Event>| batch.iter().map(|event| event.seq).collect::<Vec<_>>();
            source.feed(most, &mut |batch| Ok(of_one.push(seqs(batch)))).unwrap();
            source.on_two_threads(most, &mut |batch| Ok(of_two.push(seqs(batch)))).unwrap();
            assert_eq!(of_one, of_two);
            assert_eq!(of_one.concat(), (1..=n).collect::<Vec<u64>>());
        }
    }

    #[test]
    fn what_fails_ends_both_threads() {
        let mut judged = 0;
        let failed = entries(1_000).on_two_threads(1, &mut |_| {
            judged += 1;
            if judged == 20 { Err(anyhow::anyhow!("no room")) } else { Ok(()) }
        });
        assert_eq!((failed.unwrap_err().to_string(), judged), ("no room".to_owned(), 20));
        let gone = Source::Files(vec!["/nowhere/at/all".into()]);
        assert!(gone.on_two_threads(1, &mut |_| Ok(())).is_err());
    }
}
