//! `gridwatch verify`: reads a stretch of the audit log from Slack once more, beside the gridwatch that runs, and holds the ids against the archive.
//!
//! It changes nothing. Its requests count against the same limit as polling, so it asks slowly, and says what it asked. Of the archive it sees what
//! was judged; a token that rotates isn't exchanged.

use super::FAILED;
use super::period::Period;
use crate::app::signals;
use crate::archive;
use crate::clock::Clock;
use crate::config::{Config, Configs};
use crate::context::Paths;
use crate::slack::logs::Client;
use crate::slack::token::Keeper;
use crate::telemetry::health::span;
use crate::telemetry::ledger::LedgerMirror;
use crate::telemetry::log;
use anyhow::{Context, Result, bail};
use clap::Args;
use gridwatch_event::entry::{Entry, Page};
use gridwatch_event::range::Range;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_poll::{Failure, Lane, Request};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Time compared at once.
const CHUNK_S: u64 = 86_400;
const PAGES_MAX: u32 = 10_000;
const TRIES: u32 = 8;
/// Ids named of each kind.
const SHOWN: usize = 20;

#[derive(Debug, Args)]
pub struct Options {
    /// The configuration that gridwatch runs with.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The organization, where there are several.
    #[arg(long, value_name = "NAME")]
    org: Option<String>,
    #[command(flatten)]
    period: Period,
    /// Requests a minute: they count against the limit that polling needs too.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    requests_per_minute: u32,
    /// As one JSON object.
    #[arg(long)]
    json: bool,
}

/// What came of it; the field names are those of `--json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub from: UnixSeconds,
    pub to: UnixSeconds,
    /// What Slack shows, and what is here.
    pub shown: u64,
    pub archived: u64,
    /// Shown, and not here: they came after their time was read last, or were never shown before.
    pub missing: Vec<Found>,
    /// Here more than once as the same version.
    pub doubled: Vec<Found>,
    /// Here, and not shown any more.
    pub gone: Vec<Found>,
    /// Here, and found only when their time was read again.
    pub late: u64,
    /// What it cost.
    pub requests: u64,
    pub refused: u64,
    pub took_s: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    pub id: String,
    pub time: UnixSeconds,
    /// When its time is read again by itself, which finds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<UnixSeconds>,
}

/// # Errors
/// The configuration is wrong, Slack refuses, or the archive can't be read.
pub fn run(options: &Options, log: Option<&str>, clock: Clock) -> Result<u8> {
    log::start(log.unwrap_or("warn"))?;
    let config = Configs::load(&options.config)?.one(options.org.as_deref())?;
    let archive = config
        .archive
        .as_ref()
        .context("no archive is kept (`archive.enabled`), so there is nothing to compare with")?;
    let ledger = LedgerMirror::read(&Paths::of(&config.state_dir).of_org(&config.org).ledger)?;
    let (first, last) = ledger.read_from.zip(ledger.watermark).context("nothing has been read yet")?;
    let (from, to) = options.period.of(clock.now().seconds())?;
    // What is newer may still be on its way here.
    let (from, to) = (from.unwrap_or(last.minus(CHUNK_S)).max(first), to.unwrap_or(last).min(last));
    let range =
        Range::of(from, to).with_context(|| format!("nothing of that time was read: that is {first} to {last}"))?;
    let report = signals::runtime()?.block_on(async {
        let mut asker = Asker::new(&config, options.requests_per_minute, clock)?;
        let mut report = Report { from, to, ..Report::default() };
        let mut begin = range.oldest();
        while begin <= range.latest() {
            let end = begin.plus(CHUNK_S - 1).min(range.latest());
            let chunk = Range::of(begin, end).context("a range")?;
            let shown = asker.ids(chunk).await?;
            compare(&mut report, &shown, &archived(&archive.dir, chunk)?, &ledger);
            begin = end.plus(1);
        }
        let within = ledger.rows.iter().filter(|row| row.read.start >= from && row.read.end <= to);
        report.late = within.map(|row| row.read.late).sum();
        (report.requests, report.refused, report.took_s) = asker.cost();
        Ok::<_, anyhow::Error>(report)
    })?;
    match options.json {
        true => println!("{}", serde_json::to_string(&report)?),
        false => text(&report),
    }
    let is_fine = report.missing.is_empty() && report.doubled.is_empty() && report.gone.is_empty();
    Ok(if is_fine { 0 } else { FAILED })
}

/// What is here of a time: how often each id, as the same version, and when.
type Here = BTreeMap<String, (u64, UnixSeconds)>;

/// An entry's own time, or where it was shown.
fn archived(folder: &std::path::Path, range: Range) -> Result<Here> {
    let mut here = Here::default();
    for record in archive::read(folder, Some(range.oldest()), Some(range.latest()))? {
        let record = record?;
        if record.sight.version > 1 {
            continue;
        }
        let entry = Entry::from_json(&record.raw);
        let time = record.sight.counts_as.or(entry.time).unwrap_or(record.sight.first_seen.seconds());
        here.entry(entry.id().to_owned()).or_insert((0, time)).0 += 1;
    }
    Ok(here)
}

fn compare(report: &mut Report, shown: &BTreeMap<String, UnixSeconds>, here: &Here, ledger: &LedgerMirror) {
    report.shown += shown.len() as u64;
    report.archived += here.len() as u64;
    let found = |id: &String, time: UnixSeconds, due| Found { id: id.clone(), time, due };
    for (id, time) in shown.iter().filter(|(id, _)| !here.contains_key(*id)) {
        report.missing.push(found(id, *time, ledger.row(*time).and_then(|row| row.due)));
    }
    for (id, (count, time)) in here {
        if *count > 1 {
            report.doubled.push(found(id, *time, None));
        }
        if !shown.contains_key(id) {
            report.gone.push(found(id, *time, None));
        }
    }
}

/// Asks Slack, at a pace.
struct Asker {
    client: Client,
    clock: Clock,
    every: Duration,
    limit: u32,
    asked: Option<UnixMillis>,
    began: UnixMillis,
    requests: u64,
    refused: u64,
}

impl Asker {
    fn new(config: &Config, requests_per_minute: u32, clock: Clock) -> Result<Self> {
        let mut slack = config.slack.clone();
        let current = Keeper::open(&config.slack, &config.org_dir())?.token().clone();
        (slack.token, slack.rotation) = (slack.token.holding(current), None);
        Ok(Self {
            client: Client::new(&slack, &config.org_dir())?,
            clock,
            every: Duration::from_millis(60_000 / u64::from(requests_per_minute)),
            limit: config.slack.page_limit,
            asked: None,
            began: clock.now(),
            requests: 0,
            refused: 0,
        })
    }

    fn cost(&self) -> (u64, u64, u64) {
        (self.requests, self.refused, self.clock.now().since(self.began) / 1_000)
    }

    /// All ids of a time that Slack shows.
    async fn ids(&mut self, range: Range) -> Result<BTreeMap<String, UnixSeconds>> {
        let (mut ids, mut cursor) = (BTreeMap::new(), None);
        for page_no in 0..PAGES_MAX {
            let request = Request {
                range_no: 1,
                lane: Lane::Backfill,
                range,
                limit: self.limit,
                cursor: cursor.clone(),
                anew: page_no == 0,
            };
            let page = self.page(&request, &mut ids).await?;
            collect(&mut ids, &page, range);
            match page.next_cursor {
                None => return Ok(ids),
                next => cursor = next,
            }
        }
        bail!("{range} has more than {PAGES_MAX} pages")
    }

    async fn page(&mut self, request: &Request, ids: &mut BTreeMap<String, UnixSeconds>) -> Result<Page> {
        for tried in 1..=TRIES {
            if let Some(asked) = self.asked {
                let passed = Duration::from_millis(self.clock.now().since(asked));
                tokio::time::sleep(self.every.saturating_sub(passed)).await;
            }
            let now = self.clock.now();
            (self.asked, self.requests) = (Some(now), self.requests + 1);
            let mut part = |page: &Page| {
                collect(ids, page, request.range);
                Ok(())
            };
            let answer = self.client.logs(request, now.seconds(), &mut part).await?;
            let failure = match answer.result {
                Ok(page) => return Ok(page),
                Err(failure) => failure,
            };
            let passes = matches!(
                failure,
                Failure::RateLimited | Failure::Server { .. } | Failure::Network | Failure::TimedOut | Failure::Body
            );
            self.refused += u64::from(failure == Failure::RateLimited);
            if !passes || tried == TRIES {
                bail!("Slack doesn't show {}: {failure:?}", request.range);
            }
            tracing::warn!(?failure, "asked again in a moment");
            tokio::time::sleep(Duration::from_secs(answer.retry_after_s.unwrap_or(u64::from(tried)).min(3_600))).await;
        }
        bail!("Slack doesn't show {}", request.range)
    }
}

/// Those that are of this time. What a server shows besides is another time's matter.
fn collect(ids: &mut BTreeMap<String, UnixSeconds>, page: &Page, range: Range) {
    for entry in &page.entries {
        let time = entry.time.unwrap_or(range.latest());
        if range.contains(time) {
            ids.insert(entry.id().to_owned(), time);
        }
    }
}

fn text(report: &Report) {
    let Report { from, to, shown, archived, missing, doubled, gone, late, requests, refused, took_s } = report;
    println!("{from} to {to}: Slack shows {shown} entries, {archived} are in the archive.");
    let list = |what: &str, found: &[Found]| {
        if found.is_empty() {
            return;
        }
        println!("{} {what}:", found.len());
        for Found { id, time, due } in found.iter().take(SHOWN) {
            let due = due.map(|due| format!(" (its time is read again by {due})")).unwrap_or_default();
            println!("  {id} of {time}{due}");
        }
        if found.len() > SHOWN {
            println!("  and {} more; --json lists all", found.len() - SHOWN);
        }
    };
    list("missing here: they came after their time was read last", missing);
    list("doubled here", doubled);
    list("here that Slack no longer shows", gone);
    if *late > 0 {
        println!("{late} came after their time was first read, and were found when it was read again.");
    }
    if missing.is_empty() && doubled.is_empty() && gone.is_empty() {
        println!("Nothing is missing, nothing is doubled.");
    }
    println!("It cost {requests} requests in {}, of which Slack refused {refused} as too many.", span(*took_s));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_doubled_and_gone_is_told_apart() {
        let shown: BTreeMap<String, UnixSeconds> =
            [("a", 1), ("b", 2), ("c", 3)].map(|(id, at)| (id.to_owned(), UnixSeconds(at))).into();
        let ids = [("a", 1, 1), ("b", 2, 2), ("d", 1, 4)];
        let ids = ids.map(|(id, count, at)| (id.to_owned(), (count, UnixSeconds(at)))).into();
        let mut report = Report::default();
        compare(&mut report, &shown, &ids, &LedgerMirror::default());
        let names = |found: &[Found]| found.iter().map(|found| found.id.clone()).collect::<Vec<_>>().join(" ");
        assert_eq!(
            (names(&report.missing), names(&report.doubled), names(&report.gone)),
            ("c".into(), "b".into(), "d".into())
        );
        assert_eq!((report.shown, report.archived), (3, 3));
    }
}
