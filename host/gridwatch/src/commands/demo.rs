//! `gridwatch demo`: the main job from end to end, checked against what the simulator knows.

use super::show;
use crate::app::signals::{self, Orders};
use crate::app::supervise;
use crate::clock::Clock;
use crate::config::Configs;
use crate::context::{Happening, Observe, Until};
use crate::modules::embedded::{Folder, temporary};
use crate::telemetry::log::{self, Relevel};
use anstream::println;
use anyhow::{Context, Result};
use clap::Args;
use gridwatch_event::org::OrgId;
use gridwatch_manifest::Severity;
use gridwatch_rules::alert::Alert;
use gridwatch_sim::{Fault, FaultKind, Knobs, Sim, SimClock, SimConfig, Truth, When};
use gridwatch_stories::{OrgPlan, generate};
use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug, Args)]
pub struct Options {
    /// Folder of the modules. Without it: target/modules, as `cargo xtask modules` builds ours, or those that a release carries.
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 400)]
    users: u32,
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..))]
    days: u64,
    /// Where the demo keeps its state and writes its output; a temporary folder that is removed, if not given.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Keep the org and gridwatch running until interrupted.
    #[arg(long)]
    keep: bool,
}

/// Requests a minute of the demo's Slack. The real one allows 50, with which the demo would take minutes.
const RATE: u32 = 1_200;
/// How far the org's history goes on after now with `--keep`.
const KEEP_S: u64 = 4 * 3_600;
/// Newest entries are this old, so that all of them are past the settle time.
const SETTLED_S: u64 = 120;

/// # Errors
/// The folder, the simulator or gridwatch itself can't be started, or gridwatch fails. Alerts that differ are no error but the exit
/// code.
pub fn run(options: &Options, log: Option<&str>, clock: Clock) -> Result<u8> {
    log::start(log.unwrap_or("off"))?;
    signals::runtime()?.block_on(async {
        let (stop, reload) = signals::listen()?;
        shown(options, Orders { stop, reload, relevel: Relevel::never() }, clock).await
    })
}

async fn shown(options: &Options, orders: Orders, clock: Clock) -> Result<u8> {
    let modules = Folder::of(options.modules.as_deref())?;
    let now = clock.now().seconds().0;
    let to = if options.keep { now + KEEP_S } else { now - SETTLED_S };
    let from = now - options.days * 86_400;
    let plan = OrgPlan { seed: options.seed, users: options.users, from, to, stories: true, ..OrgPlan::default() };
    let org = generate(&plan);
    println!(
        "org      {} ({}): {} users, {} workspaces, {} entries in {} days, {} stories in them",
        org.enterprise.name,
        org.enterprise.id,
        org.users.len(),
        org.workspaces.len(),
        org.entries.len(),
        options.days,
        org.stories.len()
    );
    let knobs = Knobs { rate_per_minute: RATE, burst: RATE / 10, ..Knobs::default() };
    let config = SimConfig { clock: SimClock::Real, token: None, knobs, faults: faults() };
    let sim = Sim::start(org, config, ([127, 0, 0, 1], 0).into()).await?;
    println!("slack    simulated at {}, with faults: a 429, a 503, a cut body, an expired cursor", sim.base_url());

    let temp = options.dir.is_none().then(|| temporary("demo")).transpose()?;
    if let Some(dir) = &options.dir {
        if dir.join("state").exists() {
            let (dir, config) = (dir.display(), dir.join("gridwatch.toml"));
            let look = format!("look at it with `gridwatch alerts list --config {}`", config.display());
            anyhow::bail!("{dir} holds a demo already\nhint: {look}, or name another --dir");
        }
        std::fs::create_dir_all(dir).with_context(|| format!("can't make {}", dir.display()))?;
    }
    if options.keep {
        println!("keep     Ctrl-C ends it");
    }
    let dir = options.dir.as_deref().or(temp.as_ref().map(|temp| temp.path())).context("no folder")?;
    let config = configuration(dir, &sim.base_url(), modules.path(), from)?;
    let watcher = Arc::new(Watcher::default());
    let until = if options.keep { Until::Stopped } else { Until::UpToDate };
    let status = supervise::run(config, until, orders, watcher.clone().observe(), clock).await?;

    let poll = status.org(&OrgId::default()).poll;
    let (truth, stats) = (sim.truth(), sim.stats());
    sim.stop().await;
    let alerts = watcher.alerts();
    let delivered = Delivered::read(&dir.join("events.ndjson"))?;
    println!(
        "polled   {} pages in {} requests, {} of them refused or broken",
        poll.pages,
        stats.logs_requests,
        stats.logs_requests - stats.pages
    );
    let code = verdict(&truth, &delivered, &alerts, poll.stored, options.keep);
    if let Some(dir) = &options.dir {
        println!("kept     in {0}: gridwatch alerts list --config {0}/gridwatch.toml", dir.display());
    }
    Ok(code)
}

fn faults() -> Vec<Fault> {
    let nth = |n| When::Nth(vec![n]);
    vec![
        FaultKind::RateLimit { retry_after: 1 }.at(nth(3)),
        FaultKind::CutBody.at(nth(5)),
        FaultKind::ExpireCursor.at(nth(8)),
        FaultKind::Status { code: 503, body: String::new(), retry_after: None }.at(nth(11)),
    ]
}

/// The configuration a user would write for this, as text, so that the demo goes the way of every run.
fn configuration(dir: &Path, base_url: &str, modules: &Path, from: u64) -> Result<Configs> {
    let modules = std::path::absolute(modules)?;
    let token = dir.join("token");
    private(&token, "xoxp-demo")?;
    let start = jiff::Timestamp::from_second(i64::try_from(from)?)?;
    let text = format!(
        "state_dir = \"state\"\n\
         [slack]\nbase_url = \"{base_url}\"\ntoken_file = \"token\"\nstart = \"{start}\"\nrequests_per_minute = {RATE}\n\
         [modules]\ndir = {modules:?}\nallow_unsigned = true\n[modules.grants]\nsign-in = [\"lookup\"]\nsessions = [\"lookup\"]\nplaces = [\"lookup\"]\n\
         channels = [\"lookup\"]\nconnect = [\"lookup\"]\n\
         [lookups]\ncorporate_egress = [\"198.51.100.0/24\"]\n\
         [store]\nmin_free = \"64MiB\"\n\
         [[sink]]\nname = \"events\"\ntype = \"file\"\npath = \"events.ndjson\"\ninclude = [\"events\"]\nrotate_bytes = \"1GiB\"\n\
         [[sink]]\nname = \"alerts\"\ntype = \"file\"\npath = \"alerts.ndjson\"\ninclude = [\"alerts\"]\n"
    );
    let path = dir.join("gridwatch.toml");
    std::fs::write(&path, text)?;
    Ok(Configs::load(&path)?)
}

/// A file that only we can read, as the configuration demands of secrets.
fn private(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    Ok(std::io::Write::write_all(&mut file, text.as_bytes())?)
}

/// Prints what happens and keeps the alerts.
#[derive(Default)]
struct Watcher {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    pages: u64,
    entries: usize,
    alerts: Vec<Alert>,
}

impl Watcher {
    fn observe(self: Arc<Self>) -> Observe {
        Arc::new(move |happening| {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            match happening {
                Happening::Modules(modules) => {
                    for m in *modules {
                        println!("module   {}@{} {} ({} rules)", m.name, m.version, &m.digest[..12], m.rules);
                    }
                }
                Happening::Page { entries, lane } => {
                    seen.pages += 1;
                    seen.entries += entries;
                    if seen.pages.is_power_of_two() {
                        println!("polling  page {} ({lane} lane), {} entries so far", seen.pages, seen.entries);
                    }
                }
                Happening::Alert(alert) => {
                    if alert.is_opening() {
                        show::alert(alert);
                    }
                    seen.alerts.push((*alert).clone());
                }
                Happening::Problem { label, advice } => println!("problem  {label}: {advice}"),
            }
        })
    }

    fn alerts(&self) -> Vec<Alert> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).alerts.clone()
    }
}

/// What stands in the events file.
struct Delivered {
    ids: BTreeSet<String>,
    duplicates: usize,
}

impl Delivered {
    fn read(path: &Path) -> Result<Self> {
        let (mut ids, mut duplicates) = (BTreeSet::new(), 0);
        let file = std::fs::File::open(path).with_context(|| format!("can't read {}", path.display()))?;
        for line in std::io::BufReader::new(file).lines() {
            let event: serde_json::Value = serde_json::from_str(&line?).context("a torn line was delivered")?;
            let id = event["metadata"]["uid"].as_str().context("an event without an id was delivered")?;
            duplicates += usize::from(!ids.insert(id.to_owned()));
        }
        Ok(Self { ids, duplicates })
    }
}

/// Says how what came out compares with what the simulator knows; 1 if they differ.
fn verdict(truth: &Truth, delivered: &Delivered, alerts: &[Alert], stored: u64, kept: bool) -> u8 {
    // With --keep the org's future is never shown, so only what was shown can be asked for.
    let wanted = if kept { &truth.shown } else { &truth.ids };
    let lost = wanted.difference(&delivered.ids).count();
    let mut wrong = lost > 0 || delivered.duplicates > 0;
    println!(
        "entries  {} served, {stored} stored, {} delivered, {} duplicated, {lost} lost",
        truth.shown.len(),
        delivered.ids.len(),
        delivered.duplicates
    );
    let mut by_rule: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for alert in alerts {
        by_rule.entry(&alert.rule).or_default().insert(&alert.uid);
    }
    let rules: Vec<String> = by_rule.iter().map(|(rule, uids)| format!("{rule} {}", uids.len())).collect();
    println!("alerts   {}", rules.join(", "));
    let belongs = |alert: &Alert, ids: &[String]| alert.evidence.iter().any(|stub| ids.contains(&stub.id));
    let mut found = 0;
    for story in truth.stories.iter().filter(|s| !kept || s.entry_ids.iter().all(|id| truth.shown.contains(id))) {
        for rule in &story.expected_rules {
            if alerts.iter().any(|a| a.rule == *rule && belongs(a, &story.entry_ids)) {
                found += 1;
            } else {
                wrong = true;
                println!("missing  story `{}` should have made {rule}", story.name);
            }
        }
    }
    let stray = |a: &&Alert| a.severity >= Severity::Medium && !truth.stories.iter().any(|s| belongs(a, &s.entry_ids));
    for alert in alerts.iter().filter(stray) {
        wrong = true;
        println!("noise    {} {} belongs to no story", alert.rule, alert.title);
    }
    println!("{}", if wrong { "verdict  NOT as the simulator knows it" } else { "verdict  as the simulator knows it" });
    println!(
        "         {found} of {} expected alerts; the others are below Medium and belong to no story",
        truth.stories.iter().map(|s| s.expected_rules.len()).sum::<usize>()
    );
    u8::from(wrong)
}
