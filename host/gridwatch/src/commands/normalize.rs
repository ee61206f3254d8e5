//! `gridwatch normalize`: entries in Slack's wire form turned into events for a SIEM.

use super::{FAILED, values};
use crate::input::Events;
use crate::record::PRODUCT;
use crate::telemetry::log;
use anyhow::Result;
use clap::Args;
use gridwatch_views::{RawData, View};
use std::io::{BufWriter, Write};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Options {
    /// Files or folders with entries in any form: one a line, lists, saved pages; also packed with gzip or zstd, gridwatch's own
    /// events, and exports of Splunk, Elastic or Sentinel as JSON. `-` or nothing is standard input.
    #[arg(default_value = "-", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What the events look like: ocsf, ocsf-1.1.0, ecs or raw.
    #[arg(long, default_value = "ocsf", value_parser = values::view)]
    view: View,
    /// Leave out the copy of Slack's bytes, which about doubles an event's size.
    #[arg(long)]
    no_raw_data: bool,
}

/// # Errors
/// A file isn't there, or standard output refuses. What can't be read in one is no error but the exit code.
pub fn run(options: &Options, log: Option<&str>) -> Result<u8> {
    log::start(log.unwrap_or("warn"))?;
    let raw_data = if options.no_raw_data { RawData::Omit } else { RawData::Include };
    let is_whole = normalize(&options.files, options.view, raw_data, &mut std::io::stdout().lock())?;
    Ok(if is_whole { 0 } else { FAILED })
}

/// Entries in a view, one a line, as they come: memory doesn't grow with the input. True if there were any and all was read.
fn normalize(paths: &[PathBuf], view: View, raw_data: RawData, out: &mut dyn Write) -> Result<bool> {
    let mut out = BufWriter::with_capacity(1 << 16, out);
    let mut events = Events::open(paths)?;
    let mut line = Vec::new();
    for event in events.by_ref() {
        line.clear();
        view.write_event(&event, &PRODUCT, raw_data, usize::MAX, &mut line);
        line.push(b'\n');
        out.write_all(&line)?;
    }
    out.flush()?;
    let report = events.into_report();
    report.print("kept as Base Events", &mut std::io::stderr().lock())?;
    Ok(report.is_whole())
}
