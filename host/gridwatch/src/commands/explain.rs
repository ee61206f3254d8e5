//! `gridwatch explain`: why an alert was made.

use super::state::State;
use super::{alerts, recorded, show};
use crate::clock::Clock;
use crate::history;
use anyhow::{Context, Result};
use clap::Args;
use gridwatch_event::time::UnixSeconds;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::audit::What;
use gridwatch_rules::exception::propose;
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

/// The narrowest exception that would have quieted it, for whoever knows that it is wanted.
fn proposal(alert: &Alert, now: UnixSeconds, out: &mut dyn Write) -> Result<()> {
    if alert.suppressed_by.is_some() {
        return Ok(());
    }
    writeln!(out, "\nIf it is known and wanted")?;
    match propose(alert, now) {
        Err(why) => writeln!(out, "  no exception can quiet it: {why}")?,
        Ok(entry) => {
            writeln!(
                out,
                "  the narrowest exception that would have quieted it; `gridwatch exceptions check` tries it with an attacker in it:\n"
            )?;
            entry.to_string().lines().try_for_each(|line| writeln!(out, "  {line}"))?;
        }
    }
    Ok(())
}

/// # Errors
/// No alert has that id, the history or the archive can't be read, or standard output refuses.
pub fn run(options: &Options, clock: Clock) -> Result<u8> {
    let mut out = anstream::AutoStream::auto(std::io::stdout().lock());
    let homes = options.state.homes()?;
    let alert = history::find(&homes.state_dir, &options.alert)?;
    match options.json {
        true => writeln!(out, "{}", serde_json::to_string(&alert.basis)?)?,
        false => {
            show::explanation(&alert, &mut out)?;
            proposal(&alert, clock.now().seconds(), &mut out)?;
        }
    }
    if options.entries {
        let archive = homes.archive(&alert.org).context("the configuration keeps no archive")?;
        let deed = recorded::deed(clock, What::EntriesRead, &alert.uid);
        recorded::looked(&homes.state_dir, deed.of_org(alert.org.name().unwrap_or_default()).with("rule", &alert.rule));
        writeln!(out, "\nEntries")?;
        alerts::entries(&archive, &alert, &mut out)?;
    }
    Ok(0)
}
