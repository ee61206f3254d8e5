//! `gridwatch gaps`: which time of the audit log isn't proven to have been read, and why.

use super::FAILED;
use super::period::Period;
use super::state::State;
use crate::context::Paths;
use crate::telemetry::health::span;
use crate::telemetry::ledger::{LedgerMirror, Unproven, Why};
use anyhow::Result;
use clap::Args;
use gridwatch_event::org::OrgId;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use serde_json::json;

#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    state: State,
    /// The organization, where there are several.
    #[arg(long, value_name = "NAME")]
    org: Option<String>,
    #[command(flatten)]
    period: Period,
    /// As one JSON object.
    #[arg(long)]
    json: bool,
}

/// # Errors
/// The state folder has no ledger.
pub fn run(options: &Options, now: UnixMillis) -> Result<u8> {
    let org = options.org.as_deref().map(OrgId::named).transpose()?.unwrap_or_default();
    let ledger = LedgerMirror::read(&Paths::of(&options.state.dir()?).of_org(&org).ledger)?;
    let (from, to) = options.period.of(now.seconds())?;
    let (first, last) = (from.unwrap_or_default(), to.unwrap_or(UnixSeconds(u64::MAX)));
    let unproven = ledger.unproven(first, last);
    let holes = unproven.iter().filter(|unproven| unproven.why != Why::AwaitsReread).count();
    let begins_before = ledger.read_from.is_none_or(|read| from.is_some_and(|from| from < read));
    let ends_after = ledger.watermark.is_none_or(|read| to.is_some_and(|to| to > read));
    if options.json {
        println!(
            "{}",
            json!({
                "read_from": ledger.read_from,
                "read_to": ledger.watermark,
                "as_of": ledger.written,
                "unproven": unproven,
            })
        );
    } else {
        text(&ledger, &unproven, now);
    }
    Ok(if holes > 0 || begins_before || ends_after { FAILED } else { 0 })
}

fn text(ledger: &LedgerMirror, unproven: &[Unproven], now: UnixMillis) {
    match ledger.read_from.zip(ledger.watermark) {
        None => println!("Nothing has been read yet."),
        Some((from, to)) => {
            println!("Read from {from} to {to}, as of {} ago.", span(now.since(ledger.written) / 1_000));
            println!(
                "Before that nothing was asked for (`slack.start`, `slack.backfill`); what is newer settles for {} s.",
                ledger.settle_s
            );
        }
    }
    if unproven.is_empty() {
        println!("All of it was read as often as it is going to be: there is no gap.");
    }
    for Unproven { from, to, why, due } in unproven {
        let seconds = to.0.saturating_sub(from.0) + 1;
        let due = due.map(|due| format!(", by {due}")).unwrap_or_default();
        println!("{from} to {to} ({}): {}{due}", span(seconds), why.text());
    }
}
