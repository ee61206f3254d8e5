//! Replay: the modules over stored entries, from a file or the archive. The same bytes every time.

use crate::archive::{self, ArchiveRecord};
use crate::clock;
use crate::detect::detect;
use crate::exceptions::Live;
use crate::input::{Entries, open};
use crate::modules::{Wanted, pipeline};
use crate::record::PRODUCT;
use crate::respond::journal::Follower;
use anyhow::Result;
use gridwatch_core::entry::Entry;
use gridwatch_core::event::Event;
use gridwatch_core::pipeline::Pipeline;
use gridwatch_core::time::UnixSeconds;
use gridwatch_core::view::{RawData, View};
use gridwatch_detect::Workers;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Alerts of the entries in a file, as NDJSON. Entries are put in order of time and id, as a drained window would be.
pub fn file(path: &Path, modules: &Wanted, batch: usize, out: &mut dyn Write) -> Result<()> {
    let mut entries = Entries::new(open(path)?).collect::<Result<Vec<Entry>, _>>()?;
    entries.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
    let mut seen = std::collections::HashSet::new();
    entries.retain(|entry| seen.insert((entry.id.clone(), entry.content_hash())));
    // Without a time of its own an entry counts as of the earliest one: at 1970 it would pass for years of history.
    let earliest = entries.iter().find_map(|entry| entry.time).unwrap_or_default();
    let event =
        |(i, entry): (usize, &Entry)| Ok(Event::new(i as u64 + 1, entry.time.unwrap_or(earliest).millis(), entry));
    run(entries.iter().enumerate().map(event), modules, batch, out)
}

/// Alerts of what is in the archive between two times, as NDJSON: the same events with the same numbers as live.
pub fn archive(
    dir: &Path,
    from: Option<UnixSeconds>,
    to: Option<UnixSeconds>,
    modules: &Wanted,
    batch: usize,
    out: &mut dyn Write,
) -> Result<()> {
    let records = archive::read(dir, from, to)?;
    let event = |record: Result<ArchiveRecord, _>| {
        let record = record.map_err(anyhow::Error::from)?;
        Ok(Event::new(record.seq, record.first_seen, &Entry::from_json(&record.raw)))
    };
    run(records.map(event), modules, batch, out)
}

fn run(
    mut events: impl Iterator<Item = Result<Event>>,
    modules: &Wanted,
    batch: usize,
    out: &mut dyn Write,
) -> Result<()> {
    let (networks, tables) = (modules.networks.clone(), modules.tables.clone());
    let wanted = modules;
    let modules = wanted.load()?;
    let mut pipeline: Pipeline = pipeline(&modules, networks, tables).with_risk(wanted.risk);
    if let Some(bytes) = wanted.state_max_bytes {
        pipeline = pipeline.with_state_max(bytes);
    }
    pipeline.except(Live::open(wanted, &modules, clock::now())?.in_force());
    let mut responses = wanted.responses.clone().map(Follower::new);
    if let Some(echoes) = responses.as_mut().map(Follower::news).transpose()?.flatten() {
        pipeline.set_echoes(echoes.clone());
    }
    let workers = Workers::start(modules, std::thread::available_parallelism().map_or(1, |n| n.get()))?;
    let mut out = BufWriter::new(out);
    loop {
        let events: Vec<Event> = events.by_ref().take(batch).collect::<Result<_>>()?;
        if events.is_empty() {
            return Ok(out.flush()?);
        }
        let detected = detect(&mut pipeline, &workers, &events);
        for fault in &detected.concluded.faults {
            tracing::warn!(module = fault.module, event = fault.event_id, reason = fault.reason, "module fault");
        }
        for alert in detected.concluded.alerts.iter().filter(|alert| alert.suppressed_by.is_none()) {
            writeln!(out, "{}", View::Ocsf.alert_line(alert, &PRODUCT))?;
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
