//! `gridwatch module replay-fault`: an event that a module could not judge, given to it again: with the file and the settings that failed
//! then, and with its windows as full as the archive can make them; or to another build, to see whether that one can.

use crate::archive;
use crate::config::Configs;
use crate::control::{self, Order, Request};
use crate::modules::contents::Contents;
use crate::modules::start::Loader;
use crate::modules::{Unusable, Wanted};
use crate::store::judges::{Judge, JudgedBy};
use anyhow::{Context, Result, bail};
use clap::Args;
use gridwatch_detect::{Component, Detector, DetectorConfig};
use gridwatch_event::event::Event;
use gridwatch_rules::pipeline::Fault;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;

/// Events that the windows are filled with, at most: the newest before the one that failed.
const MAX_BEFORE: usize = 1_000_000;
const BATCH: usize = 256;

#[derive(Debug, Args)]
pub struct Options {
    /// The fault's number, as `gridwatch module faults` lists it.
    #[arg(value_name = "N")]
    number: u64,
    /// Another build of the module to give the event to.
    #[arg(long, value_name = "FILE")]
    with: Option<PathBuf>,
    /// The configuration that gridwatch runs with.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Which of the configuration's organizations, by its name; only needed where there are several.
    #[arg(long, value_name = "NAME")]
    org: Option<String>,
    /// As one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// True if the event can be judged.
///
/// # Errors
/// No gridwatch runs there, it knows no such fault, or the event or the module's file isn't there any more.
pub fn run(options: &Options, out: &mut dyn Write) -> Result<bool> {
    let config = Configs::look(&options.config)?.one(options.org.as_deref())?;
    let request = Request::new(options.org.clone(), Order::Faults { from: options.number });
    let faults: Vec<(u64, Fault)> = serde_json::from_value(control::ask(&config.state_dir, &request)?)?;
    let fault = faults.into_iter().find(|(number, _)| *number == options.number).map(|(_, fault)| fault);
    let fault = fault
        .with_context(|| format!("there is no fault {}\nhint: `gridwatch module faults` lists them", options.number))?;
    let archive = config.archive.as_ref().map(|archive| archive.dir.clone()).context("no archive is kept")?;
    let event = archive::read_from(&archive, fault.seq)?.next().transpose()?.map(|record| record.event());
    let event = event.filter(|event| event.seq == fault.seq && event.id() == fault.event_id);
    let event = event.with_context(|| format!("the archive no longer has the event {}", fault.event_id))?;

    let mut wanted = Wanted::of(&config).looking().lenient();
    let component = match &options.with {
        Some(file) => super::backtest::component(&wanted, file)?,
        None => {
            let Judge { digest, settings, version } = judge(&config.org_dir(), &fault)?;
            wanted.settings.insert(fault.module.clone(), settings.as_object().cloned().unwrap_or_default());
            let kept = wanted.kept(&Contents::of(&config.state_dir), &digest).map_err(anyhow::Error::msg);
            kept.with_context(|| format!("{}@{version}", fault.module))?
        }
    };
    if component.manifest.name != fault.module {
        bail!("the fault is one of {}, and the file is {}", fault.module, component.manifest.name);
    }
    let (reason, before) = again(&wanted, &component, &archive, &event)?;
    let named = format!("{}@{}", component.manifest.name, component.manifest.version);
    if options.json {
        let said = json!({
            "fault": options.number, "module": named, "digest": component.digest, "event": fault.event_id, "seq": fault.seq,
            "then": fault.reason, "then_version": fault.version, "now": reason, "events_before": before, "entry": event.raw(),
        });
        writeln!(out, "{said}")?;
    } else {
        writeln!(out, "event    {} (seq {}), {} {}", fault.event_id, fault.seq, event.time, event.action())?;
        writeln!(out, "then     {}@{}: {}", fault.module, fault.version, fault.reason)?;
        let now = reason.as_ref().map_or("it can be judged".to_owned(), |reason| format!("it fails: {reason}"));
        writeln!(out, "now      {named}: {now} (after {before} events that its windows remember)")?;
        writeln!(out, "entry    {}", event.raw())?;
    }
    Ok(reason.is_none())
}

/// Which file and settings judged then.
fn judge(org_dir: &std::path::Path, fault: &Fault) -> Result<Judge> {
    let rows = JudgedBy::read(&JudgedBy::mirror(org_dir))?;
    let row = rows.iter().rev().find(|row| row.from_seq <= fault.seq && row.judges.modules.contains_key(&fault.module));
    let judge =
        row.and_then(|row| row.judges.modules.get(&fault.module)).filter(|judge| judge.version == fault.version);
    judge.cloned().with_context(|| format!("which file {}@{} was isn't known any more", fault.module, fault.version))
}

/// Why the module can't judge the event now, and how many events came before it.
fn again(
    wanted: &Wanted,
    component: &Component,
    archive: &std::path::Path,
    event: &Event,
) -> Result<(Option<String>, usize)> {
    let module = Loader::of(wanted)?.load(wanted, component, "the module");
    let module = module.map_err(|problems| Unusable { problems, ..Unusable::default() })?;
    let from = event.time.minus(component.manifest.longest_span_s());
    let setting = DetectorConfig { saves_nothing: true, threads: 1, ..wanted.setting()? };
    let mut detector = Detector::new(setting, vec![module])?;
    let mut earlier: Vec<Event> = Vec::new();
    for record in archive::read(archive, Some(from), Some(event.time))? {
        earlier.extend(record.ok().filter(|record| record.seq < event.seq).map(|record| record.event()));
        if earlier.len() > MAX_BEFORE {
            earlier.drain(..MAX_BEFORE / 2);
        }
    }
    earlier.chunks(BATCH).for_each(|batch| _ = detector.detect(batch));
    let detected = detector.detect(std::slice::from_ref(event));
    let behaved = detected.behaved.iter().any(|behaved| behaved.unjudged > 0);
    let reason = detected.concluded.faults.first().map(|fault| fault.reason.clone());
    let reason = reason.or_else(|| behaved.then(|| "it would have been set aside by then".to_owned()));
    Ok((reason, earlier.len()))
}
