//! `gridwatch module backtest`: what a module file would have said of the archive, beside the version that is installed.
//!
//! Both judge the same events from an empty memory, each on a thread of its own, without any other module: what adds up over modules isn't
//! compared. Alerts are the same by id, which is made of rule, key and period. Nobody is asked and nothing is saved.

use crate::commands::compare::{AlertsById, Difference, Said, differences};
use crate::commands::replay::Source;
use crate::commands::values;
use crate::config::{Configs, Since};
use crate::exceptions::Live;
use crate::modules::contents::Contents;
use crate::modules::folder;
use crate::modules::lineup::Lineup;
use crate::modules::start::Loader;
use crate::modules::{Unusable, Wanted, manifests};
use anyhow::{Context, Result, bail};
use clap::Args;
use gridwatch_detect::{Component, Detector, DetectorConfig, Module};
use gridwatch_event::event::Event;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_manifest::{Manifest, Severity};
use gridwatch_rules::builtin;
use gridwatch_rules::exception::Exceptions;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const BATCH: usize = 256;
/// People are counted up to here; a larger organization counts as one of this size.
const MAX_PEOPLE: usize = 2_000_000;
/// Differences that the table shows; JSON has all.
const MAX_SHOWN: usize = 200;
const DAY_S: u64 = 86_400;
/// Events after which the progress is shown again.
const PROGRESS_EVERY: u64 = 20_000;

#[derive(Debug, Args)]
pub struct Options {
    /// The module file to try.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What to compare it with: a file, or a version or digest that has served. Without it: what serves now, or is in the modules folder.
    #[arg(long, value_name = "FILE|VERSION|DIGEST")]
    against: Option<String>,
    /// From this event time on: RFC 3339, seconds since 1970, or a span back from now such as 24h or 7d. Without it: all of the archive.
    #[arg(long, value_name = "TIME", value_parser = values::since)]
    from: Option<Since>,
    /// Up to this event time, in the same formats.
    #[arg(long, value_name = "TIME", value_parser = values::since)]
    to: Option<Since>,
    /// The archive folder, if it isn't the configuration's.
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,
    /// The configuration: settings, grants, lookups and exceptions, and where archive and modules are.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Which of the configuration's organizations, by its name; only needed where there are several.
    #[arg(long, value_name = "NAME")]
    org: Option<String>,
    /// As one JSON object, with every difference.
    #[arg(long)]
    json: bool,
}

/// What a version made of the events.
#[derive(Debug, Default)]
struct Side {
    alerts: AlertsById,
    took: Duration,
    faults: u64,
    last_fault: String,
    is_set_aside: bool,
    events: u64,
    people: u64,
    first: Option<UnixSeconds>,
    last: Option<UnixSeconds>,
    unread: u64,
}

/// What comes out, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Report<'r> {
    module: String,
    digest: &'r str,
    against: Option<String>,
    against_digest: Option<&'r str>,
    events: u64,
    people: u64,
    days: f64,
    added: usize,
    lost: usize,
    changed: usize,
    differences: Vec<Difference<'r>>,
    rules: Vec<RuleLine>,
    /// Wall time in the module for each event of the period, in nanoseconds.
    ns_an_event: u64,
    ns_an_event_before: Option<u64>,
    faults: u64,
    faults_before: u64,
    last_fault: &'r str,
    is_set_aside: bool,
    /// Records of the archive that can't be read.
    unread: u64,
}

#[derive(Debug, Serialize)]
struct RuleLine {
    rule: String,
    before: u64,
    now: u64,
    a_day_before: f64,
    a_day: f64,
    /// Alerts a day for 1,000 people, and what the rule says that it needs at most.
    a_day_for_1000: f64,
    budget: Option<f64>,
    is_over: bool,
}

/// # Errors
/// The configuration, a module or the archive can't be read, a module doesn't start, or standard output refuses.
pub fn run(options: &Options, now: UnixMillis, out: &mut dyn Write) -> Result<bool> {
    let config = Configs::look(&options.config)?.one(options.org.as_deref())?;
    let wanted = Wanted::of(&config).looking().lenient();
    let new = component(&wanted, &options.file)?;
    let name = new.manifest.name.clone();
    let (org_dir, state_dir) = (config.org_dir(), config.state_dir.clone());
    let old = against(&wanted, &name, options.against.as_deref(), (&org_dir, &state_dir))?;
    let archive = match (&options.archive, &config.archive) {
        (Some(dir), _) => dir.clone(),
        (None, Some(archive)) => archive.dir.clone(),
        (None, None) => bail!("no archive is kept\nhint: name one with --archive"),
    };
    let at = |time: Option<Since>| time.map(|time| time.from(now.seconds()));
    let source = Source::Archive { dir: archive.clone(), from: at(options.from), to: at(options.to) };
    let known = manifests(&wanted.dir)?;
    let known = known.iter().filter(|manifest| manifest.name != name).chain([&*new.manifest]);
    let exceptions = Live::of(&wanted, known, now)?.in_force();
    let loader = Loader::of(&wanted)?;
    let load = |component: &Component| loader.load(&wanted, component, "the module");
    let wrong = |problems| anyhow::Error::from(Unusable { problems, ..Unusable::default() });
    let new_module = load(&new).map_err(wrong)?;
    // Settings that it doesn't know are left out: they are the new one's.
    let of_old = |old: &Component| {
        let mut wanted = wanted.clone();
        if let Some(settings) = wanted.settings.get_mut(&name) {
            settings.retain(|setting, _| old.manifest.config.contains_key(setting));
        }
        loader.load(&wanted, old, "the version to compare it with").map_err(wrong)
    };
    let old_module = old.as_ref().map(of_old).transpose()?;
    let progress = Progress::default();
    let (before, after) = std::thread::scope(|scope| -> Result<(Option<Side>, Side)> {
        let judge = |module: Module, progress: Option<&Progress>| {
            let exceptions = exceptions.clone();
            judge(&source, &wanted, module, exceptions, progress)
        };
        let beside = old_module.map(|module| scope.spawn(move || judge(module, None)));
        let shown = (!options.json && std::io::stderr().is_terminal()).then_some(&progress);
        let after = judge(new_module, shown)?;
        let before = beside.map(|side| side.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        Ok((before.transpose()?, after))
    })?;
    if after.events == 0 {
        bail!("{} has no event of that time", archive.display());
    }
    let nothing = Side::default();
    let report = Report::of((&new, &after), (old.as_ref(), before.as_ref().unwrap_or(&nothing)));
    match options.json {
        true => writeln!(out, "{}", serde_json::to_string(&report)?)?,
        false => report.write(out)?,
    }
    Ok(report.faults == 0 && !report.is_set_aside && report.unread == 0)
}

pub(super) fn component(wanted: &Wanted, file: &Path) -> Result<Component> {
    let granted = |manifest: &Manifest| wanted.granted(&manifest.name);
    folder::component(file, wanted.limits.component_bytes, &granted, wanted.judge())
        .map(|(served, _)| served.component)
        .map_err(|problem| Unusable { problems: vec![problem], ..Unusable::default() }.into())
}

/// What to compare with; `None` if there is nothing yet.
fn against(
    wanted: &Wanted,
    name: &str,
    asked: Option<&str>,
    (org_dir, state_dir): (&Path, &Path),
) -> Result<Option<Component>> {
    if let Some(file) = asked.map(Path::new).filter(|file| file.is_file()) {
        return component(wanted, file).map(Some);
    }
    let lineup = Lineup::read(&Lineup::path(org_dir)).unwrap_or_default();
    let contents = Contents::of(state_dir);
    let placed = lineup.modules.get(name).cloned().unwrap_or_default();
    let served = placed.before.iter().chain([&placed.serving]).filter(|version| !version.digest.is_empty());
    let kept = |digest: &str| wanted.kept(&contents, digest).map_err(anyhow::Error::msg);
    if let Some(asked) = asked {
        let is_it = |version: &&crate::modules::lineup::Version| {
            version.version == asked || asked.len() >= 8 && version.digest.starts_with(asked)
        };
        let versions: Vec<&str> = served.clone().map(|version| &*version.version).collect();
        let found = served.rev().find(is_it).with_context(|| {
            format!("`{asked}` is no file, and no version of {name} that has served: {}", versions.join(", "))
        })?;
        return kept(&found.digest).map(Some);
    }
    if !placed.serving.digest.is_empty() {
        return kept(&placed.serving.digest).map(Some);
    }
    let granted = |manifest: &Manifest| wanted.granted(&manifest.name);
    let mut folder = folder::Folder::read(&wanted.dir, wanted.limits.component_bytes, &granted, wanted.judge());
    Ok(folder.serving.remove(name).map(|served| served.component))
}

fn judge(
    source: &Source,
    wanted: &Wanted,
    module: Module,
    exceptions: Arc<Exceptions>,
    progress: Option<&Progress>,
) -> Result<Side> {
    let setting = DetectorConfig { exceptions, saves_nothing: true, threads: 1, ..wanted.setting()? };
    let mut detector = Detector::new(setting, vec![module])?;
    let (mut side, mut people) = (Side::default(), BTreeSet::<Box<str>>::new());
    let mut judge = |mut events: Vec<Event>| {
        detector.pipeline().place(&mut events);
        for event in &events {
            side.first = Some(side.first.map_or(event.time, |first| first.min(event.time)));
            side.last = Some(side.last.map_or(event.time, |last| last.max(event.time)));
            if people.len() < MAX_PEOPLE && !event.actor_id().is_empty() && !people.contains(event.actor_id()) {
                people.insert(event.actor_id().into());
            }
        }
        let detected = detector.detect(&events);
        side.events += events.len() as u64;
        for behaved in &detected.behaved {
            side.took += behaved.took;
            side.is_set_aside |= behaved.set_aside.is_some();
        }
        side.faults += detected.concluded.faults.len() as u64;
        if let Some(fault) = detected.concluded.faults.last() {
            side.last_fault.clone_from(&fault.reason);
        }
        for alert in detected.concluded.alerts {
            if alert.module.name != builtin::NAME && alert.suppressed_by.is_none() {
                let said = Said { rule: alert.rule, severity: alert.severity, title: alert.title };
                side.alerts.insert(alert.uid, said);
            }
        }
        if let (Some(progress), Some(at)) = (progress, side.last) {
            progress.show(side.events, at);
        }
        Ok(())
    };
    source.each_batch(BATCH, &mut judge)?;
    if let Some(progress) = progress {
        progress.end();
    }
    side.people = people.len() as u64;
    Ok(side)
}

/// A line on the terminal that says how far it has come.
#[derive(Debug, Default)]
struct Progress {
    shown: AtomicU64,
}

impl Progress {
    fn show(&self, events: u64, at: UnixSeconds) {
        let tick = events / PROGRESS_EVERY;
        if self.shown.swap(tick, Ordering::Relaxed) != tick {
            eprint!("\r{events} events judged, up to {at} ");
        }
    }

    fn end(&self) {
        eprint!("\r\x1b[2K");
    }
}

impl<'r> Report<'r> {
    fn of((new, after): (&'r Component, &'r Side), (old, before): (Option<&'r Component>, &'r Side)) -> Self {
        let named = |component: &Component| format!("{}@{}", component.manifest.name, component.manifest.version);
        let differences = differences(&before.alerts, &after.alerts);
        let count = |change: &str| differences.iter().filter(|difference| difference.change == change).count();
        let span_s = after.last.unwrap_or_default().0.saturating_sub(after.first.unwrap_or_default().0);
        let days = (span_s as f64 / DAY_S as f64).max(1.0 / 24.0);
        let ns = |side: &Side| (side.took.as_nanos() / u128::from(side.events.max(1))) as u64;
        Self {
            module: named(new),
            digest: &new.digest,
            against: old.map(named),
            against_digest: old.map(|old| &*old.digest),
            events: after.events,
            people: after.people,
            days,
            added: count("added"),
            lost: count("lost"),
            changed: count("changed"),
            rules: rules(&new.manifest, old.map(|old| &*old.manifest), (after, before), days),
            differences,
            ns_an_event: ns(after),
            ns_an_event_before: old.map(|_| ns(before)),
            faults: after.faults,
            faults_before: before.faults,
            last_fault: &after.last_fault,
            is_set_aside: after.is_set_aside,
            unread: after.unread,
        }
    }

    fn write(&self, out: &mut dyn Write) -> Result<()> {
        let against = self.against.as_ref().map_or("nothing before it".to_owned(), Clone::clone);
        writeln!(
            out,
            "{} ({}) beside {against}: {:.1} days, {} events, {} people",
            self.module,
            &self.digest[..12],
            self.days,
            self.events,
            self.people
        )?;
        for difference in self.differences.iter().take(MAX_SHOWN) {
            difference.write(out)?;
        }
        if let Some(more) = self.differences.len().checked_sub(MAX_SHOWN + 1) {
            writeln!(out, "… {} more (--json has all)", more + 1)?;
        }
        let width = self.rules.iter().map(|line| line.rule.len()).max().unwrap_or(4).max(4);
        writeln!(
            out,
            "{:<width$}  {:>7}  {:>7}  {:>9}  {:>9}  {:>12}  {:>7}",
            "RULE", "BEFORE", "NOW", "A DAY", "BEFORE", "A DAY, 1,000", "BUDGET"
        )?;
        for line in &self.rules {
            let budget = line.budget.map_or("-".to_owned(), |budget| format!("{budget}"));
            let over = if line.is_over { "  over its budget" } else { "" };
            writeln!(
                out,
                "{:<width$}  {:>7}  {:>7}  {:>9.2}  {:>9.2}  {:>12.3}  {budget:>7}{over}",
                line.rule, line.before, line.now, line.a_day, line.a_day_before, line.a_day_for_1000
            )?;
        }
        let before = self.ns_an_event_before.map(|ns| format!(", {ns} ns before")).unwrap_or_default();
        writeln!(out, "cost: {} ns of the module for an event{before}", self.ns_an_event)?;
        if self.faults > 0 || self.is_set_aside {
            let aside = if self.is_set_aside { "; it would have been set aside" } else { "" };
            writeln!(
                out,
                "it can't judge {} events ({} before), the last: {}{aside}",
                self.faults, self.faults_before, self.last_fault
            )?;
        }
        writeln!(out, "{} added, {} lost, {} changed", self.added, self.lost, self.changed)?;
        Ok(())
    }
}

fn rules(new: &Manifest, old: Option<&Manifest>, (after, before): (&Side, &Side), days: f64) -> Vec<RuleLine> {
    let mut worst: BTreeMap<&str, Severity> = BTreeMap::new();
    let mut counted: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for said in after.alerts.values() {
        counted.entry(&said.rule).or_default().1 += 1;
        let severity = worst.entry(&said.rule).or_insert(said.severity);
        *severity = said.severity.max(*severity);
    }
    before.alerts.values().for_each(|said| counted.entry(&said.rule).or_default().0 += 1);
    let names: BTreeSet<String> = [Some(new), old]
        .into_iter()
        .flatten()
        .flat_map(|manifest| manifest.rules.iter().map(|rule| format!("{}.{}", manifest.name, rule.id)))
        .collect();
    let line = |name: String| {
        let (before, now) = counted.get(&*name).copied().unwrap_or_default();
        let rule = new.rules.iter().find(|rule| name == format!("{}.{}", new.name, rule.id));
        let budget = rule.map(|rule| rule.budget_of(worst.get(&*name).copied().unwrap_or(rule.severity)));
        let (a_day, a_day_before) = (now as f64 / days, before as f64 / days);
        let a_day_for_1000 = a_day * 1_000.0 / after.people.max(1) as f64;
        let is_over = budget.is_some_and(|budget| a_day_for_1000 > budget);
        RuleLine { rule: name, before, now, a_day_before, a_day, a_day_for_1000, budget, is_over }
    };
    names.into_iter().map(line).collect()
}
