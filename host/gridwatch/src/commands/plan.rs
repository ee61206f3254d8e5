//! `gridwatch plan`: what a start with a configuration would ask Slack for: which time, how many requests, how long. It asks nobody.

use crate::config::{Config, Configs};
use crate::context::Paths;
use crate::telemetry::health::span;
use crate::telemetry::ledger::LedgerMirror;
use anyhow::Result;
use clap::Args;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use serde::Serialize;
use std::path::PathBuf;

const DAY_S: u64 = 86_400;
/// Where nothing was read yet and nobody says.
const A_DAY: u64 = 10_000;
/// Share of the requests that other lanes leave to live reading, in percent.
const RESERVE: u64 = 30;

#[derive(Debug, Args)]
pub struct Options {
    /// The configuration to plan for.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Entries a day; by default what was counted so far, or 10,000.
    #[arg(long, value_name = "N")]
    entries_per_day: Option<u64>,
    /// As one JSON object for each organization.
    #[arg(long)]
    json: bool,
}

/// What it comes to; the field names are those of `--json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    pub org: String,
    pub entries_per_day: u64,
    /// Was that counted?
    pub is_counted: bool,
    pub live: Part,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backfill: Option<Part>,
    /// What polling costs when it is up to date, of how many it may make.
    pub requests_per_hour: u64,
    pub allowed_per_hour: u64,
}

/// One stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    pub from: UnixSeconds,
    pub to: UnixSeconds,
    pub ranges: u64,
    pub requests: u64,
    pub takes_s: u64,
}

/// # Errors
/// The configuration is wrong.
pub fn run(options: &Options, now: UnixMillis) -> Result<u8> {
    for config in Configs::look(&options.config)?.iter() {
        let ledger = LedgerMirror::read(&Paths::of(&config.state_dir).of_org(&config.org).ledger).ok();
        let plan = plan(config, ledger.as_ref(), options.entries_per_day, now.seconds());
        match options.json {
            true => println!("{}", serde_json::to_string(&plan)?),
            false => text(&plan),
        }
    }
    Ok(0)
}

fn plan(config: &Config, ledger: Option<&LedgerMirror>, given: Option<u64>, now: UnixSeconds) -> Plan {
    let slack = &config.slack;
    let counted = ledger.and_then(a_day);
    let entries_per_day = given.or(counted).unwrap_or(A_DAY);
    let allowed = u64::from(slack.requests_per_minute);
    let part = |from: UnixSeconds, to: UnixSeconds, rate: u64| {
        let seconds = to.0.saturating_sub(from.0);
        let ranges = seconds.div_ceil(slack.max_range_s).max(1);
        let pages = (u128::from(seconds) * u128::from(entries_per_day) / u128::from(DAY_S)) as u64
            / u64::from(slack.page_limit);
        // Each range ends in a page that isn't full.
        let requests = pages + ranges;
        Part { from, to, ranges, requests, takes_s: (requests * 60).div_ceil(rate.max(1)) }
    };
    let read = ledger.and_then(|ledger| Some((ledger.read_from?, ledger.watermark?)));
    let end = now.minus(slack.settle_s);
    let (first, from) = read.unwrap_or((slack.start.from(now), slack.start.from(now)));
    let live = part(from.min(end), end, allowed);
    let back = slack.backfill.map(|backfill| backfill.from(now)).filter(|back| *back < first);
    let polls = 3_600 / slack.interval_s.max(1);
    let pages_an_hour = entries_per_day.div_ceil(24).div_ceil(u64::from(slack.page_limit));
    Plan {
        org: config.org.to_string(),
        entries_per_day,
        is_counted: given.is_none() && counted.is_some(),
        live,
        backfill: back.map(|back| part(back, first, allowed * (100 - RESERVE) / 100)),
        // Each time is read three times more; a row of these covers minutes to an hour.
        requests_per_hour: polls.max(pages_an_hour) + 17 + 1 + 1 + 3 * pages_an_hour,
        allowed_per_hour: allowed * 60,
    }
}

/// What the time that was read has had.
fn a_day(ledger: &LedgerMirror) -> Option<u64> {
    let read = ledger.rows.iter().filter(|row| row.read.state.is_read());
    let (seconds, entries) =
        read.fold((0, 0), |(s, e), row| (s + row.read.end.0 - row.read.start.0 + 1, e + row.read.entries));
    (seconds >= 3_600).then(|| (u128::from(entries) * u128::from(DAY_S) / u128::from(seconds)) as u64)
}

fn text(plan: &Plan) {
    let Plan { org, entries_per_day, is_counted, live, backfill, requests_per_hour, allowed_per_hour } = plan;
    let how = if *is_counted { "counted so far" } else { "assumed; give --entries-per-day" };
    println!("organization {org}: {entries_per_day} entries a day ({how})");
    let part = |what: &str, part: &Part| {
        let Part { from, to, ranges, requests, takes_s } = part;
        println!("  {what}: {from} to {to}, {ranges} ranges, about {requests} requests, about {}", span(*takes_s));
    };
    part("live", live);
    match backfill {
        Some(backfill) => part("backfill", backfill),
        None => println!("  backfill: none"),
    }
    println!(
        "  when up to date: about {requests_per_hour} requests an hour of {allowed_per_hour} allowed, re-reads included"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::ledger::Row;
    use gridwatch_poll::{LedgerRange, RangeState};

    #[test]
    fn what_was_counted_is_per_day_and_an_hour_is_too_little() {
        let row = |start: u64, end: u64, entries: u64| Row {
            read: LedgerRange {
                start: UnixSeconds(start),
                end: UnixSeconds(end),
                state: RangeState::Drained,
                level: 0,
                pages: 1,
                entries,
                late: 0,
                read_at: UnixSeconds(end),
            },
            due: None,
        };
        let ledger = |rows| LedgerMirror { rows, ..LedgerMirror::default() };
        assert_eq!(a_day(&ledger(vec![row(0, 43_199, 100), row(43_200, 86_399, 300)])), Some(400));
        assert_eq!(a_day(&ledger(vec![row(0, 99, 100)])), None);
    }
}
