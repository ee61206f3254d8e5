//! `gridwatch sim`: the simulator as a process of its own.

use crate::app::signals;
use crate::telemetry::log;
use anyhow::{Context, Result};
use clap::Args;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_sim::{Fault, Knobs, Sim, SimClock, SimConfig};
use gridwatch_stories::{Benchmark, Extension, Labelled, OrgPlan, Shape, generate};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::sync::watch;

#[derive(Debug, Args)]
pub struct Options {
    /// Address to listen on; port 0 chooses a free port, which is printed.
    #[arg(long, default_value = "127.0.0.1:8765")]
    addr: SocketAddr,
    /// The same seed and times make the same org, byte for byte.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 500)]
    users: u32,
    #[arg(long, default_value_t = 7)]
    days: u64,
    /// Exactly this many entries in all.
    #[arg(long)]
    entries: Option<u64>,
    /// End of the org's history, in seconds since 1970; now, if not given.
    #[arg(long, value_name = "SECONDS")]
    to: Option<u64>,
    /// Leave out the attack stories, so that there is only ordinary activity.
    #[arg(long)]
    benign: bool,
    /// Make the benchmark instead: labelled attacks in the ordinary activity of a larger org. With `--export FILE`, the labels go to
    /// FILE.labels.json and the table of networks to FILE.networks.csv.
    #[arg(long, conflicts_with_all = ["entries", "every_action"])]
    benchmark: bool,
    /// With `--benchmark`, the kind of organization: mixed, offices (one address each), home (changing addresses, carriers, relays,
    /// VPNs) or shared (a factory and a call-centre: shifts, few machines for many people).
    #[arg(long, value_name = "SHAPE", default_value_t, requires = "benchmark")]
    shape: Shape,
    /// With `--benchmark`, tell these stories too: attacks (slow, spread over people, in others' names), trouble (what honest people do
    /// that looks like an attack), or single ones by name.
    #[arg(long, value_name = "STORIES", value_delimiter = ',', requires = "benchmark")]
    tell: Vec<String>,
    /// At least one entry of each action in Slack's catalogue.
    #[arg(long)]
    every_action: bool,
    /// Requests a minute for the whole org; 0 is no limit. Slack allows about 50.
    #[arg(long, default_value_t = 50)]
    rate: u32,
    /// Settings for what Slack's documentation leaves open, as JSON.
    #[arg(long, value_name = "FILE")]
    knobs: Option<PathBuf>,
    /// Faults to inject, as a JSON list.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Write the wire-form entries to a file, one a line, and do not serve.
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
}

/// # Errors
/// A file can't be read or written, or the address can't be bound.
pub fn run(options: &Options, log: Option<&str>, now: UnixMillis) -> Result<u8> {
    log::start(log.unwrap_or("warn"))?;
    signals::runtime()?
        .block_on(async { serve(options, signals::is_stopping(signals::listen()?.0), now.seconds()).await })?;
    Ok(0)
}

async fn serve(options: &Options, mut stop: watch::Receiver<bool>, now: UnixSeconds) -> Result<()> {
    let to = options.to.unwrap_or_else(|| now.0);
    let from = to.saturating_sub(options.days * 86_400);
    let org = if options.benchmark {
        let extension = Extension::of(options.shape, &options.tell).map_err(anyhow::Error::msg)?;
        let days = u32::try_from(options.days).unwrap_or(u32::MAX).max(extension.fewest_days());
        let from = to.saturating_sub(u64::from(days) * 86_400);
        let plan = Benchmark { seed: options.seed, users: options.users, from, days, stories: !options.benign };
        let labelled = plan.run_with(&extension);
        match &options.export {
            Some(path) => return export(&labelled, path),
            None => labelled.into_org(),
        }
    } else {
        generate(&OrgPlan {
            seed: options.seed,
            users: options.users,
            from,
            to,
            entries: options.entries,
            stories: !options.benign,
            every_action: options.every_action,
            around_the_clock: false,
        })
    };
    if let Some(path) = &options.export {
        let lines: Vec<&str> = org.entries.iter().map(|entry| entry.json.as_str()).collect();
        std::fs::write(path, lines.join("\n") + "\n").with_context(|| format!("can't write {}", path.display()))?;
        println!("{} entries in {}", lines.len(), path.display());
        return Ok(());
    }
    let mut knobs: Knobs = read(options.knobs.as_ref())?.unwrap_or_default();
    if options.knobs.is_none() {
        knobs.rate_per_minute = options.rate;
    }
    let faults: Vec<Fault> = read(options.faults.as_ref())?.unwrap_or_default();
    let entries = org.entries.len();
    let sim = Sim::start(org, SimConfig { clock: SimClock::Real, token: None, knobs, faults }, options.addr).await?;
    println!("serving {entries} entries at {}", sim.base_url());
    println!("  slack.base_url = \"{}\" and any token that begins with xox", sim.base_url());
    let _ = stop.wait_for(|stop| *stop).await;
    sim.stop().await;
    Ok(())
}

/// Streams, so that a month of thousands needs no more memory than a day and a half of it.
fn export(labelled: &Labelled, path: &Path) -> Result<()> {
    let create = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        let path = PathBuf::from(name);
        let file = std::fs::File::create(&path).with_context(|| format!("can't write {}", path.display()))?;
        anyhow::Ok(std::io::BufWriter::new(file))
    };
    let mut entries = create("")?;
    let count = labelled.write_entries(&mut entries)?;
    entries.flush()?;
    let (mut labels, mut networks) = (create(".labels.json")?, create(".networks.csv")?);
    labelled.write_labels(&mut labels)?;
    labels.flush()?;
    labelled.write_networks(&mut networks)?;
    networks.flush()?;
    let all = labelled.labels.stories.len() + labelled.labels.trouble.len();
    println!("{count} entries, {all} stories in {}", path.display());
    Ok(())
}

fn read<T: serde::de::DeserializeOwned>(path: Option<&PathBuf>) -> Result<Option<T>> {
    let Some(path) = path else { return Ok(None) };
    let text = std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    Ok(Some(serde_json::from_slice(&text).with_context(|| format!("{} is not what is wanted", path.display()))?))
}
