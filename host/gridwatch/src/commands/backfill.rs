//! `gridwatch backfill`: has the gridwatch of a state folder read further back, now or when it runs next. Live reading comes first.
//!
//! The wish is a small file that the poller looks at; it stays, so that a restart goes on with it.

use super::recorded;
use super::state::State;
use super::values;
use super::{FAILED, WRONG};
use crate::clock::Clock;
use crate::config::Since;
use crate::context::Paths;
use crate::look::running;
use crate::stage::poll::Wish;
use crate::telemetry::health::span;
use crate::telemetry::ledger::LedgerMirror;
use anyhow::{Context, Result};
use clap::Args;
use gridwatch_event::org::OrgId;
use gridwatch_event::time::UnixSeconds;
use gridwatch_rules::audit::What;
use std::path::Path;
use std::time::Duration;

const LOOK: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    state: State,
    /// The organization, where there are several.
    #[arg(long, value_name = "NAME")]
    org: Option<String>,
    /// Read back to here: 2026-01-31T00:00:00Z, seconds since 1970, or a span back from now (90d).
    #[arg(long, value_name = "TIME", value_parser = values::since)]
    from: Since,
    /// Where it may end: where reading has begun, which is the default. Time between the two is always read as a whole.
    #[arg(long, value_name = "TIME", value_parser = values::since)]
    to: Option<Since>,
    /// Show how far it is until it is there.
    #[arg(long)]
    follow: bool,
}

/// # Errors
/// The wish can't be written, or a time is none.
pub fn run(options: &Options, clock: Clock) -> Result<u8> {
    let (dir, now) = (options.state.dir()?, clock.now().seconds());
    let org = options.org.as_deref().map(OrgId::named).transpose()?.unwrap_or_default();
    let paths = Paths::of(&dir).of_org(&org);
    let from = options.from.from(now);
    let to = options.to.map(|to| to.from(now));
    let begun = LedgerMirror::read(&paths.ledger).ok().and_then(|ledger| ledger.read_from);
    if let Some(begun) = begun {
        if from >= begun {
            println!("All from {begun} on has been read already; `gridwatch gaps` shows what isn't proven.");
            return Ok(0);
        }
        if to.is_some_and(|to| to < begun.minus(1)) {
            eprintln!(
                "error: nothing between {} and {begun} has been read, so --to would leave a gap\nhint: leave it out",
                to.unwrap_or_default()
            );
            return Ok(WRONG);
        }
    }
    let deed = recorded::deed(clock, What::EntriesBackfill, &from.to_string()).of_org(org.name().unwrap_or_default());
    recorded::record(&dir, deed).context("nothing was asked for, for the audit trail can't have it")?;
    Wish { from }.write(&paths.backfill).with_context(|| format!("can't write {}", paths.backfill.display()))?;
    println!("gridwatch reads back to {from}: at once if it runs, else when it starts. Live entries come first.");
    if options.follow { follow(&dir, &org, from, clock) } else { Ok(0) }
}

fn follow(dir: &Path, org: &OrgId, from: UnixSeconds, clock: Clock) -> Result<u8> {
    loop {
        let (status, health) = running::look(dir, clock.now())?;
        let poll = status.map(|status| status.org(org).poll).unwrap_or_default();
        if poll.read_from.is_some_and(|read| read <= from) {
            println!("there: all from {from} on has been read");
            return Ok(0);
        }
        match poll.backfill {
            Some(progress) => {
                let left = progress.left_s.map(|left| format!(", about {} to go", span(left))).unwrap_or_default();
                println!("{:5.1} %  at {}{left}", progress.percent, progress.at);
            }
            None => println!("waiting ({})", health.state.name()),
        }
        if !matches!(health.state.name(), "running" | "starting") {
            eprintln!("gridwatch isn't running; it goes on when it is started");
            return Ok(FAILED);
        }
        std::thread::sleep(LOOK);
    }
}
