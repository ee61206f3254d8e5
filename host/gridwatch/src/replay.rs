//! Replay: the modules over stored entries, from a file or the archive. The same bytes every time.

pub mod diff;

use crate::alerts::Filter;
use crate::archive::{self, ArchiveRecord};
use crate::clock;
use crate::detect::detect;
use crate::exceptions::Live;
use crate::input::{Entries, open};
use crate::modules::{Wanted, pipeline};
use crate::record::PRODUCT;
use anyhow::Result;
use gridwatch_core::alert::Alert;
use gridwatch_core::batch::MAX_BATCH_BYTES;
use gridwatch_core::entry::{Entry, Versions};
use gridwatch_core::event::{Event, Sight};
use gridwatch_core::exception::Exceptions;
use gridwatch_core::pipeline::Pipeline;
use gridwatch_core::time::UnixSeconds;
use gridwatch_core::view::{DEFAULT_MAX_BYTES, RawData, View};
use gridwatch_detect::Workers;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Stored entries to run modules over, as often as one likes.
pub enum Source {
    /// Of a file, in order of time and id, as a drained window would be; each with the version that it is of its id.
    Entries(Vec<(Entry, (u32, bool))>),
    /// Of the archive, between two times: the same events with the same numbers as live.
    Archive { dir: PathBuf, from: Option<UnixSeconds>, to: Option<UnixSeconds> },
}

impl Source {
    pub fn file(path: &Path) -> Result<Self> {
        let mut entries = Entries::new(open(path)?).collect::<Result<Vec<Entry>, _>>()?;
        entries.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        let mut versions = Versions::default();
        let version = |entry: Entry| versions.see(&entry).map(|version| (entry, version));
        Ok(Self::Entries(entries.into_iter().filter_map(version).collect()))
    }

    fn events(&self) -> Result<Box<dyn Iterator<Item = Result<Event>> + '_>> {
        match self {
            Self::Entries(entries) => {
                // Without a time of its own an entry counts as of the earliest one: at 1970 it would pass for years of history.
                let earliest = entries.iter().find_map(|(entry, _)| entry.time).unwrap_or_default();
                let event = move |(i, (entry, (version, other_act))): (usize, &(Entry, (u32, bool)))| {
                    let seen = Sight::first(entry.time.unwrap_or(earliest).millis());
                    let sight = Sight { version: *version, other_act: *other_act, ..seen };
                    Ok(Event::seen(i as u64 + 1, sight, entry))
                };
                Ok(Box::new(entries.iter().enumerate().map(event)))
            }
            Self::Archive { dir, from, to } => {
                let event = |record: Result<ArchiveRecord, _>| {
                    let record = record.map_err(anyhow::Error::from)?;
                    Ok(record.event())
                };
                Ok(Box::new(archive::read(dir, *from, *to)?.map(event)))
            }
        }
    }
}

/// What to run over a source, and which of its alerts are wanted.
pub struct Replay<'r> {
    pub source: &'r Source,
    pub batch: usize,
    pub filter: &'r Filter,
}

impl Replay<'_> {
    /// Alerts as NDJSON, as a sink writes them that doesn't say otherwise.
    pub fn print(&self, wanted: &Wanted, out: &mut dyn Write) -> Result<()> {
        let mut out = BufWriter::new(out);
        self.run(wanted, None, &mut |alert| Ok(writeln!(out, "{}", View::Ocsf.alert_line_within(alert, &PRODUCT, DEFAULT_MAX_BYTES))?))?;
        Ok(out.flush()?)
    }

    /// As live: so many events, but no more than a batch may weigh, save for the last.
    fn next_batch(&self, events: &mut dyn Iterator<Item = Result<Event>>) -> Result<Vec<Event>> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < self.batch && bytes < MAX_BATCH_BYTES {
            let Some(event) = events.next().transpose()? else { break };
            bytes += event.raw().len();
            batch.push(event);
        }
        Ok(batch)
    }

    /// Tells each alert and revision; returns the exceptions that held, which are the configured ones if none are given.
    fn run(
        &self,
        wanted: &Wanted,
        exceptions: Option<Arc<Exceptions>>,
        tell: &mut dyn FnMut(&Alert) -> Result<()>,
    ) -> Result<Arc<Exceptions>> {
        let modules = wanted.load()?;
        let mut pipeline: Pipeline = pipeline(&modules, wanted.networks.clone(), wanted.tables.clone())
            .with_provisioning(wanted.provisioning.clone())
            .with_risk(wanted.risk);
        if let Some(bytes) = wanted.state_max_bytes {
            pipeline = pipeline.with_state_max(bytes);
        }
        let exceptions = match exceptions {
            Some(exceptions) => exceptions,
            None => Live::open(wanted, &modules, clock::now())?.in_force(),
        };
        pipeline.except(exceptions.clone());
        pipeline.set_echoes(wanted.echoes()?);
        let workers = Workers::start(modules, std::thread::available_parallelism().map_or(1, |n| n.get()))?;
        let mut events = self.source.events()?;
        loop {
            let events = self.next_batch(&mut events)?;
            if events.is_empty() {
                return Ok(exceptions);
            }
            let detected = detect(&mut pipeline, &workers, &events);
            for fault in &detected.concluded.faults {
                tracing::warn!(module = fault.module, event = fault.event_id, reason = fault.reason, "module fault");
            }
            detected.concluded.alerts.iter().filter(|alert| self.filter.takes(alert)).try_for_each(&mut *tell)?;
        }
    }
}

/// Entries in a view, one a line, as they come: memory doesn't grow with the input.
pub fn normalize(path: &Path, view: View, raw_data: RawData, out: &mut dyn Write) -> Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, out);
    for event in events(path)? {
        writeln!(out, "{}", view.event_line(&event?, &PRODUCT, raw_data))?;
    }
    Ok(out.flush()?)
}

/// The entries of a file as events, in its order. One without a time of its own is as old as the one before it.
pub fn events(path: &Path) -> Result<impl Iterator<Item = Result<Event>>> {
    let mut time = UnixSeconds::default();
    let event = move |(i, entry): (usize, std::io::Result<Entry>)| {
        let entry = entry?;
        time = entry.time.unwrap_or(time);
        Ok(Event::new(i as u64 + 1, time.millis(), &entry))
    };
    Ok(Entries::new(open(path)?).enumerate().map(event))
}
