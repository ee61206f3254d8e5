//! Do the exceptions make known true positives go quiet? Runs them with the exceptions and without, and compares.
//!
//! Two sorts of case. The shipped ones are the attacks of a labelled org (`shipped.rs`): one that makes an alert of Medium or
//! above without exceptions has to make one with them. The team's own are files in a folder, each the entries of one
//! confirmed case as Slack sent them, oldest first, after a first line that says which rules it has to fire:
//!
//! ```text
//! # fires: apps.install, privilege.granted
//! {"id":"…","date_create":1790000000,"action":"app_installed",…}
//! ```
//!
//! A case from last year has to be told of today as well, so an exception that holds now counts as if it held at any time. One
//! that has expired hides nothing.

use super::shipped;
use crate::detect::evaluated;
use crate::input::Entries;
use crate::modules::{Wanted, manifests, pipeline};
use anyhow::{Context, Result, bail};
use gridwatch_core::alert::Alert;
use gridwatch_core::entry::Entry;
use gridwatch_core::event::Event;
use gridwatch_core::exception::Exceptions;
use gridwatch_core::manifest::Severity;
use gridwatch_core::pipeline::Pipeline;
use gridwatch_detect::Workers;
use gridwatch_sim::Label;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const BATCH: usize = 2_048;
/// A file of the team's own cases holds entries of one case, not of a year.
const MAX_CASE_BYTES: u64 = 256 << 20;

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Cases run, and those of them that were told of without any exception.
    pub cases: usize,
    pub told: usize,
    /// What makes the check fail.
    pub quiet: Vec<Quiet>,
    /// Cases of the team's own that fire nothing, with exceptions or without.
    pub dead: Vec<String>,
    /// Shipped stories that the modules' default settings tell of and the configured ones don't.
    pub lost_to_settings: BTreeSet<String>,
    /// Exception → shipped stories that only its subject would get away with.
    pub blind: BTreeMap<String, BTreeSet<String>>,
}

/// A known true positive that nobody would be told of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quiet {
    pub case: String,
    /// (exception, rule) that hide it.
    pub by: BTreeSet<(String, String)>,
}

impl Report {
    pub fn is_fine(&self) -> bool {
        self.quiet.is_empty() && self.dead.is_empty()
    }
}

/// Which cases to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    All,
    /// The team's own.
    Own,
}

/// Runs every case. `progress` is told what is going on.
pub fn check(
    wanted: &Wanted,
    cases: Option<&Path>,
    exceptions: &Exceptions,
    scope: Scope,
    progress: &dyn Fn(&str),
) -> Result<Report> {
    let exceptions = Arc::new(exceptions.clone());
    let mut report = Report::default();
    for path in cases.map(files).transpose()?.unwrap_or_default() {
        progress(&format!("case {}", path.display()));
        own_case(&path, wanted, &exceptions, &mut report)?;
    }
    if scope == Scope::All && !exceptions.is_empty() {
        shipped_cases(wanted, &exceptions, progress, &mut report)?;
    }
    report.quiet.sort();
    Ok(report)
}

/// The attacks that gridwatch brings. Where nothing holds, none of them can go quiet.
fn shipped_cases(
    wanted: &Wanted,
    exceptions: &Arc<Exceptions>,
    progress: &dyn Fn(&str),
    report: &mut Report,
) -> Result<()> {
    let manifests = manifests(&wanted.dir)?;
    let org = shipped::org();
    let (stories, networks) = (&org.labels.stories, shipped::networks(&org)?);
    let told_of_org = |wanted: &Wanted| Wanted {
        networks: networks.clone(),
        ..shipped::wanted(wanted, &manifests, &org.labels.facts)
    };
    progress("the shipped stories");
    let configured = both(&told_of_org(wanted), exceptions, shipped::events(&org))?;
    shipped_stories(stories, &configured, exceptions, report);
    if !wanted.settings.is_empty() {
        progress("the shipped stories with default settings");
        let plain = told_of_org(&Wanted { settings: BTreeMap::new(), ..wanted.clone() });
        let plain = both(&plain, &Arc::default(), shipped::events(&org))?;
        let lost = |story: &&Label| is_told_of(story, &plain.without) && !is_told_of(story, &configured.without);
        report.lost_to_settings = stories.iter().filter(lost).map(|story| story.story.clone()).collect();
    }
    Ok(())
}

/// The alerts without exceptions, and with them.
struct Both {
    without: Vec<Heard>,
    with: Vec<Heard>,
}

/// An alert as far as this goes, all its revisions together.
struct Heard {
    rule: String,
    severity: Severity,
    suppressed_by: Option<String>,
    /// Entries cited, and their actions.
    entries: BTreeMap<String, String>,
}

/// Modules never see exceptions, so they run once for both.
fn both(
    wanted: &Wanted,
    exceptions: &Arc<Exceptions>,
    mut events: impl Iterator<Item = Result<Event>>,
) -> Result<Both> {
    let modules = wanted.load()?;
    let new = || pipeline(&modules, wanted.networks.clone(), wanted.tables.clone());
    let mut pipelines: [Pipeline; 2] = [new(), new()];
    pipelines[1].except(exceptions.clone());
    let workers = Workers::start(modules, std::thread::available_parallelism().map_or(1, |n| n.get()))?;
    let mut heard: [HashMap<String, Heard>; 2] = [HashMap::new(), HashMap::new()];
    loop {
        let events: Vec<Event> = events.by_ref().take(BATCH).collect::<Result<_>>()?;
        if events.is_empty() {
            let [without, with] = heard.map(|alerts| alerts.into_values().collect());
            return Ok(Both { without, with });
        }
        let prepared = pipelines.each_mut().map(|pipeline| pipeline.prepare(&events));
        let outcomes = evaluated(&workers, &prepared[0]);
        for ((pipeline, prepared), heard) in pipelines.iter_mut().zip(&prepared).zip(&mut heard) {
            let concluded = pipeline.conclude(&events, prepared, outcomes.clone());
            concluded.alerts.iter().for_each(|alert| hear(heard, alert));
        }
    }
}

fn hear(heard: &mut HashMap<String, Heard>, alert: &Alert) {
    let known = heard.entry(alert.uid.clone()).or_insert_with(|| Heard {
        rule: alert.rule.clone(),
        severity: alert.severity,
        suppressed_by: alert.suppressed_by.clone(),
        entries: BTreeMap::new(),
    });
    known.severity = known.severity.max(alert.severity);
    known.entries.extend(alert.evidence.iter().map(|stub| (stub.id.clone(), stub.action.clone())));
}

fn shipped_stories(stories: &[Label], both: &Both, exceptions: &Exceptions, report: &mut Report) {
    for story in stories {
        let ids: BTreeSet<&str> = story.entry_ids.iter().map(String::as_str).collect();
        let about = |heard: &&Heard| heard.entries.keys().any(|id| ids.contains(id.as_str()));
        let is_told = |heard: &&Heard| heard.suppressed_by.is_none() && heard.severity >= Severity::Medium;
        report.cases += 1;
        let without: Vec<&Heard> = both.without.iter().filter(about).filter(is_told).collect();
        if without.is_empty() {
            continue;
        }
        report.told += 1;
        let with: Vec<&Heard> = both.with.iter().filter(about).collect();
        if !with.iter().any(is_told) {
            let case = format!("story `{}`", story.story);
            report.quiet.push(Quiet { case, by: hidden(with.iter().copied()) });
        }
        for exception in exceptions.iter() {
            let covers = |heard: &&Heard| heard.entries.values().any(|action| exception.covers(&heard.rule, action));
            // What gridwatch adds up itself speaks only because those speak that it adds up.
            let by_modules = without.iter().filter(|heard| !heard.rule.starts_with("gridwatch."));
            if by_modules.clone().count() > 0 && by_modules.copied().all(|heard| covers(&heard)) {
                report.blind.entry(exception.id.clone()).or_default().insert(story.story.clone());
            }
        }
    }
}

fn is_told_of(story: &Label, alerts: &[Heard]) -> bool {
    let about = |heard: &Heard| story.entry_ids.iter().any(|id| heard.entries.contains_key(id));
    alerts.iter().any(|heard| heard.suppressed_by.is_none() && heard.severity >= Severity::Medium && about(heard))
}

fn hidden<'h>(alerts: impl Iterator<Item = &'h Heard>) -> BTreeSet<(String, String)> {
    alerts.filter_map(|heard| Some((heard.suppressed_by.clone()?, heard.rule.clone()))).collect()
}

fn own_case(path: &Path, wanted: &Wanted, exceptions: &Arc<Exceptions>, report: &mut Report) -> Result<()> {
    let case = Case::read(path)?;
    let both = both(wanted, exceptions, case.events.into_iter().map(Ok))?;
    report.cases += 1;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let fires = |alerts: &[Heard], rule: &str| alerts.iter().any(|a| a.rule == rule && a.suppressed_by.is_none());
    let (mut dead, mut quiet) = (Vec::new(), Vec::new());
    for rule in &case.rules {
        match (fires(&both.without, rule), fires(&both.with, rule)) {
            (false, _) => dead.push(rule.as_str()),
            (true, false) => quiet.push(rule),
            (true, true) => {}
        }
    }
    for rule in quiet {
        let by = hidden(both.with.iter().filter(|heard| heard.rule == *rule));
        report.quiet.push(Quiet { case: format!("case `{name}` ({rule})"), by });
    }
    match dead.is_empty() {
        true => report.told += 1,
        false => {
            report.dead.push(format!("case `{name}` doesn't fire {}, without any exception either", dead.join(", ")))
        }
    }
    Ok(())
}

/// One of the team's own.
struct Case {
    rules: Vec<String>,
    events: Vec<Event>,
}

impl Case {
    fn read(path: &Path) -> Result<Self> {
        let at = || format!("{}", path.display());
        let size = std::fs::metadata(path).with_context(at)?.len();
        if size > MAX_CASE_BYTES {
            bail!("{}: {size} bytes; a case is at most {MAX_CASE_BYTES}", path.display());
        }
        let text = std::fs::read_to_string(path).with_context(at)?;
        let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let rules = first.strip_prefix('#').and_then(|line| line.trim().strip_prefix("fires:"));
        let rules: Vec<String> =
            rules.unwrap_or_default().split(',').map(|rule| rule.trim().to_owned()).filter(|r| !r.is_empty()).collect();
        if rules.is_empty() {
            bail!(
                "{}:1: doesn't say which rules it fires\nhint: begin with a line `# fires: apps.install, privilege.granted`",
                path.display()
            );
        }
        let mut entries = Entries::new(rest.as_bytes()).collect::<Result<Vec<Entry>, _>>().with_context(at)?;
        if entries.is_empty() {
            bail!("{}: has no entries", path.display());
        }
        entries.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        let earliest = entries.iter().find_map(|entry| entry.time).unwrap_or_default();
        let event =
            |(i, entry): (usize, &Entry)| Event::new(i as u64 + 1, entry.time.unwrap_or(earliest).millis(), entry);
        Ok(Self { rules, events: entries.iter().enumerate().map(event).collect() })
    }
}

/// The cases of a folder, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let listing = std::fs::read_dir(folder).with_context(|| format!("can't read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = listing.filter_map(|file| Some(file.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "ndjson" || e == "jsonl" || e == "json"));
    files.sort();
    Ok(files)
}
