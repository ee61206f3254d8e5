//! `gridwatch explain`: why an alert was made.

use super::state::State;
use super::{alerts, show};
use crate::history;
use anyhow::{Context, Result};
use clap::Args;
use std::io::Write;

#[derive(Debug, Args)]
pub struct Options {
    /// The alert's id, or a unique beginning of it.
    alert: String,
    #[command(flatten)]
    state: State,
    /// Also print Slack's own entries behind it, as far as the archive has them, one a line.
    #[arg(long)]
    entries: bool,
    /// As one JSON object instead of text.
    #[arg(long, conflicts_with = "entries")]
    json: bool,
}

/// # Errors
/// No alert has that id, the history or the archive can't be read, or standard output refuses.
pub fn run(options: &Options) -> Result<u8> {
    let mut out = anstream::AutoStream::auto(std::io::stdout().lock());
    let homes = options.state.homes()?;
    let alert = history::find(&homes.state_dir, &options.alert)?;
    match options.json {
        true => writeln!(out, "{}", serde_json::to_string(&alert.basis)?)?,
        false => show::explanation(&alert, &mut out)?,
    }
    if options.entries {
        let archive = homes.archive(&alert.org).context("the configuration keeps no archive")?;
        writeln!(out, "\nEntries")?;
        alerts::entries(&archive, &alert, &mut out)?;
    }
    Ok(0)
}
