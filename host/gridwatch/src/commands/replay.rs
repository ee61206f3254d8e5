//! Replay: the modules over stored entries, from files or the archive. The same bytes every time.
//!
//! What was read is told beside the alerts: no alert means something only if it is known what was looked at.

mod diff;

use super::alerts::Filter;
use super::{FAILED, show, values};
use crate::archive::{self, ArchiveRecord};
use crate::config::{self, Configs, Since};
use crate::exceptions::Live;
use crate::input::{Entries, Given, Report};
use crate::modules::embedded::Folder;
use crate::modules::{Wanted, manifests};
use crate::record::PRODUCT;
use crate::stage::detect::log_faults;
use crate::telemetry::log;
use anyhow::{Context, Result};
use clap::Args;
use gridwatch_detect::module::grants;
use gridwatch_detect::{Detected, Detector, DetectorConfig, Module};
use gridwatch_event::entry::{Entry, Versions};
use gridwatch_event::event::{Event, Sight};
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_manifest::Severity;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::batch::MAX_BATCH_BYTES;
use gridwatch_rules::builtin;
use gridwatch_rules::exception::Exceptions;
use gridwatch_views::{DEFAULT_MAX_BYTES, View};
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, Args)]
pub struct Options {
    /// Files or folders with entries in any form: one a line, lists, saved pages; also packed with gzip or zstd, gridwatch's own
    /// events, and exports of Splunk, Elastic or Sentinel as JSON. `-` is standard input.
    #[arg(required_unless_present = "archive", conflicts_with = "archive", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The archive folder of a gridwatch (by default `archive` in its state_dir).
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,
    /// From this event time on: RFC 3339, seconds since 1970, or a span back from now such as 24h or 7d.
    #[arg(long, value_name = "TIME", requires = "archive", value_parser = values::since)]
    from: Option<Since>,
    /// Up to this event time, in the same formats.
    #[arg(long, value_name = "TIME", requires = "archive", value_parser = values::since)]
    to: Option<Since>,
    /// Folder of the modules to run. Without it: the configuration's, or target/modules, or those that a release carries.
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    /// table has the newest revision of each alert on a line and is the default on a terminal; ndjson has every revision as a sink
    /// would write it, and is the default elsewhere.
    #[arg(long, value_enum, conflicts_with = "diff")]
    format: Option<Form>,
    /// Only alerts of this rule, or of a whole module as in `sign-in.*`.
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Print, instead of the alerts, how they differ from those that the modules in this folder make of the same entries: added,
    /// lost, and changed in severity or title. Exits with 1 if there is a difference. Settings that only the other modules have
    /// are left out.
    #[arg(long, value_name = "DIR")]
    diff: Option<PathBuf>,
    /// Print each difference as a JSON object.
    #[arg(long, requires = "diff")]
    json: bool,
    /// Settings, grants and lookups for the modules, from a gridwatch configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which of the configuration's organizations, by its name; only needed where there are several.
    #[arg(long, value_name = "NAME", requires = "config")]
    org: Option<String>,
    /// Events per batch. Changes nothing but speed.
    #[arg(long, default_value_t = config::DEFAULT_BATCH, value_parser = clap::value_parser!(u16).range(1..=4096))]
    batch: u16,
    /// Grant a module something that its manifest asks for, for example `--grant NAME=lookup`.
    #[arg(long, value_name = "MODULE=GRANT")]
    grant: Vec<String>,
}

/// # Errors
/// The configuration, the modules, the exceptions or the entries can't be read, a module fails to start, there is no such rule, or
/// standard output refuses.
pub fn run(args: &Options, log: Option<&str>, now: UnixMillis) -> Result<u8> {
    log::start(log.unwrap_or("warn"))?;
    let configured = args.config.as_ref().map(|config| Configs::look(config)).transpose()?;
    let configured = configured.map(|configs| configs.one(args.org.as_deref())).transpose()?;
    let configured = configured.map(|config| Wanted::of(&config).looking());
    // Removed at the end, if it had to be unpacked.
    let carried;
    let mut wanted = match (&args.modules, configured) {
        (None, Some(wanted)) => wanted,
        (Some(dir), Some(wanted)) => Wanted { dir: dir.clone(), ..wanted },
        (dir, None) => {
            carried = Folder::of(dir.as_deref())?;
            Wanted::in_dir(carried.path())
        }
    };
    for grant in &args.grant {
        let (module, name) = grant.split_once('=').context("--grant takes MODULE=GRANT")?;
        let granted = grants([name].into_iter())
            .map_err(|name| anyhow::anyhow!("`{name}` is not a grant; the grants are kv, lookup and wasi"))?;
        wanted.grants.entry(module.to_owned()).or_default().extend(granted);
    }
    let mut old = args.diff.as_ref().map(|dir| wanted.of_other(dir)).transpose()?;
    if args.config.is_none() {
        [Some(&mut wanted), old.as_mut()].into_iter().flatten().for_each(Wanted::grant_lookups);
    }
    if let Some(rule) = args.rule.as_ref().filter(|rule| !rule.ends_with(".*")) {
        let dirs = [Some(&wanted.dir), args.diff.as_ref()];
        let manifests: Vec<_> = dirs.into_iter().flatten().map(|dir| manifests(dir)).collect::<Result<_>>()?;
        super::tune::check_rule(rule, &[manifests.concat(), vec![builtin::manifest().clone()]].concat())?;
    }
    let at = |time: Option<Since>| time.map(|time| time.from(now.seconds()));
    let source = match &args.archive {
        Some(dir) => Source::Archive { dir: dir.clone(), from: at(args.from), to: at(args.to) },
        None => Source::files(&args.files)?,
    };
    let filter = Filter { rule: args.rule.clone(), ..Filter::default() };
    let replay = Replay { source: &source, batch: args.batch.into(), filter: &filter, now };
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
    let form = args.format.unwrap_or(if is_terminal { Form::Table } else { Form::Ndjson });
    let mut out: Box<dyn Write> = match form {
        Form::Table => Box::new(anstream::AutoStream::auto(std::io::stdout().lock())),
        Form::Ndjson => Box::new(std::io::stdout().lock()),
    };
    let (is_same, ran) = match &old {
        None => (true, replay.print(&wanted, form, &mut out)?),
        Some(old) => diff::compare(&replay, old, &wanted, args.json, &mut out)?,
    };
    let is_whole = ran.print()?;
    Ok(if is_same && is_whole { 0 } else { FAILED })
}

/// Stored entries to run modules over, as often as one likes.
pub enum Source {
    /// Of files, in order of time and id, as a drained window would be; each with the version that it is of its id.
    Entries(Vec<(Entry, (u32, bool))>, Report),
    /// Of the archive, between two times: the same events with the same numbers as live.
    Archive { dir: PathBuf, from: Option<UnixSeconds>, to: Option<UnixSeconds> },
}

impl Source {
    /// # Errors
    /// A file isn't there.
    pub fn files(paths: &[PathBuf]) -> Result<Self> {
        let mut given = Entries::open(paths)?;
        let entry = |given| match given {
            Given::Entry(entry) => Some(entry),
            Given::Odd(_) => None,
        };
        let mut entries: Vec<Entry> = given.by_ref().filter_map(entry).collect();
        entries.sort_by(|a, b| (a.time, a.id()).cmp(&(b.time, b.id())));
        let mut versions = Versions::default();
        let version = |entry: Entry| versions.see(&entry).map(|version| (entry, version));
        Ok(Self::Entries(entries.into_iter().filter_map(version).collect(), given.into_report()))
    }

    fn events(&self) -> Result<Box<dyn Iterator<Item = Result<Event>> + '_>> {
        match self {
            Self::Entries(entries, _) => {
                // Without a time of its own an entry counts as of the earliest one: at 1970 it would pass for years of history.
                let earliest = entries.iter().find_map(|(entry, _)| entry.time).unwrap_or_default();
                let event = move |(i, (entry, (version, other_act))): (usize, &(Entry, (u32, bool)))| {
                    let seen = Sight::first(entry.time.unwrap_or(earliest).millis());
                    let sight = Sight { version: *version, other_act: *other_act, ..seen };
                    Ok(Event::seen(i as u64 + 1, sight, entry))
                };
                Ok(Box::new(entries.iter().enumerate().map(event)))
            }
            Self::Archive { dir, from, to } => {
                let event = |record: Result<ArchiveRecord, _>| {
                    let record = record.map_err(anyhow::Error::from)?;
                    Ok(record.event())
                };
                Ok(Box::new(archive::read(dir, *from, *to)?.map(event)))
            }
        }
    }

    /// What was read before anything ran.
    fn report(&self) -> Report {
        match self {
            Self::Entries(_, report) => report.clone(),
            Self::Archive { .. } => Report::default(),
        }
    }
}

/// How alerts are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// The newest revision of each alert on a line, for a person.
    Table,
    /// Each alert and each of its revisions as an OCSF Detection Finding.
    Ndjson,
}

/// What to run over a source, and which of its alerts are wanted.
pub struct Replay<'r> {
    pub source: &'r Source,
    pub batch: usize,
    pub filter: &'r Filter,
    /// When this is: exceptions hold as of events, and the file is read as of now.
    pub now: UnixMillis,
}

/// What came of it.
pub struct Ran {
    /// Those that held.
    exceptions: Arc<Exceptions>,
    pub report: Report,
    /// What modules could not judge.
    pub troubles: Troubles,
    /// Alerts by their worst severity, revisions of one counted once.
    alerts: BTreeMap<String, Severity>,
}

impl Ran {
    /// Says on standard error what was looked at and what came of it. An end that is no success: no entry, or not all could be read.
    ///
    /// # Errors
    /// Standard error refuses.
    pub fn print(&self) -> std::io::Result<bool> {
        let mut out = std::io::stderr().lock();
        self.report.print("left out", &mut out)?;
        let of = |severity: &Severity| {
            let n = self.alerts.values().filter(|worst| *worst == severity).count();
            (n > 0).then(|| format!("{n} {}", severity.name()))
        };
        let severities: Vec<String> = Severity::ALL.iter().rev().filter_map(of).collect();
        let severities = if severities.is_empty() { String::new() } else { format!(" ({})", severities.join(", ")) };
        self.troubles.lines().try_for_each(|line| writeln!(out, "{line}"))?;
        let faults = self.troubles.faults();
        writeln!(out, "alerts: {}{severities}; faults of modules: {faults}", self.alerts.len())?;
        Ok(self.report.is_whole() && self.troubles.lines().next().is_none())
    }
}

/// What becomes of alerts that go on where the input ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// They stay as they were last told: nothing says yet that no more will come.
    AsLive,
    /// Nothing more comes: they are told with their final numbers.
    AtRest,
}

impl Replay<'_> {
    /// As live: so many events, but no more than a batch may weigh, save for the last.
    fn next_batch(&self, events: &mut dyn Iterator<Item = Result<Event>>) -> Result<Vec<Event>> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < self.batch && bytes < MAX_BATCH_BYTES {
            let Some(event) = events.next().transpose()? else { break };
            bytes += event.raw().len();
            batch.push(event);
        }
        Ok(batch)
    }

    /// Alerts, as a sink writes them that doesn't say otherwise, or a line each for a person.
    ///
    /// # Errors
    /// A module fails to start, the archive can't be read, or `out` refuses.
    pub fn print(&self, wanted: &Wanted, form: Form, out: &mut dyn Write) -> Result<Ran> {
        let mut out = BufWriter::new(out);
        let mut newest: BTreeMap<String, Alert> = BTreeMap::new();
        // For a person the numbers are those of the whole input; a sink would get them when events of a later time came.
        let end = if form == Form::Table { End::AtRest } else { End::AsLive };
        let ran = self.run(wanted, None, end, &mut |alert| {
            match form {
                Form::Ndjson => writeln!(out, "{}", View::Ocsf.alert_line_within(alert, &PRODUCT, DEFAULT_MAX_BYTES))?,
                Form::Table => _ = newest.insert(alert.uid.clone(), alert.clone()),
            }
            Ok(())
        })?;
        let mut newest: Vec<Alert> = newest.into_values().collect();
        newest.sort_by(|a, b| (a.last, &a.uid).cmp(&(b.last, &b.uid)));
        newest.iter().try_for_each(|alert| show::alert_line(alert, &mut out))?;
        out.flush()?;
        Ok(ran)
    }

    /// Tells each alert and revision. The exceptions are the configured ones if none are given.
    fn run(
        &self,
        wanted: &Wanted,
        exceptions: Option<Arc<Exceptions>>,
        end: End,
        tell: &mut dyn FnMut(&Alert) -> Result<()>,
    ) -> Result<Ran> {
        let modules = wanted.load()?;
        let exceptions = match exceptions {
            Some(exceptions) => exceptions,
            None => Live::open(wanted, &modules, self.now)?.in_force(),
        };
        let troubles = Troubles::of(&modules);
        let mut detector = Detector::new(
            DetectorConfig { exceptions: exceptions.clone(), saves_nothing: true, ..wanted.setting()? },
            modules,
        )?;
        let mut ran = Ran { exceptions, report: self.source.report(), troubles, alerts: BTreeMap::new() };
        let mut events = self.source.events()?;
        loop {
            let mut events = self.next_batch(&mut events)?;
            if events.is_empty() {
                if end == End::AtRest {
                    let rest = detector.pipeline().rest();
                    rest.iter().filter(|alert| self.filter.takes(alert)).try_for_each(&mut *tell)?;
                }
                if let Source::Archive { dir, .. } = self.source {
                    ran.report.needs_some(dir);
                }
                return Ok(ran);
            }
            detector.pipeline().place(&mut events);
            ran.count(self.source, &events);
            let detected = detector.detect(&events);
            log_faults(&detected.concluded.faults);
            ran.troubles.follow(&detected);
            for alert in detected.concluded.alerts.iter().filter(|alert| self.filter.takes(alert)) {
                let worst = ran.alerts.entry(alert.uid.clone()).or_insert(alert.severity);
                *worst = alert.severity.max(*worst);
                tell(alert)?;
            }
        }
    }
}

impl Ran {
    fn count(&mut self, source: &Source, events: &[Event]) {
        for event in events {
            self.report.mark(event);
            if matches!(source, Source::Archive { .. }) {
                self.report.archived(event.time);
            }
        }
    }
}

/// What modules could not judge: without it, a replay in which a module failed looks like one in which nothing happened.
#[derive(Debug, Default)]
pub struct Troubles(Vec<Trouble>);

#[derive(Debug)]
struct Trouble {
    name: String,
    version: String,
    faults: u64,
    last: String,
    unjudged: u64,
    is_set_aside: bool,
}

impl Troubles {
    fn of(modules: &[Module]) -> Self {
        let trouble = |module: &Module| Trouble {
            name: module.manifest.name.clone(),
            version: module.manifest.version.to_string(),
            faults: 0,
            last: String::new(),
            unjudged: 0,
            is_set_aside: false,
        };
        Self(modules.iter().map(trouble).collect())
    }

    fn follow(&mut self, detected: &Detected) {
        for behaved in &detected.behaved {
            if let Some(trouble) = self.0.iter_mut().find(|trouble| trouble.name == behaved.module) {
                trouble.unjudged += behaved.unjudged;
                trouble.is_set_aside |= behaved.set_aside.is_some();
            }
        }
        for fault in &detected.concluded.faults {
            if let Some(trouble) = self.0.iter_mut().find(|trouble| trouble.name == fault.module) {
                trouble.faults += 1;
                trouble.last.clone_from(&fault.reason);
            }
        }
    }

    fn faults(&self) -> u64 {
        self.0.iter().map(|trouble| trouble.faults).sum()
    }

    /// One line for each module that had any; nothing if all judged everything.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.0.iter().filter(|trouble| trouble.faults > 0 || trouble.is_set_aside).map(|trouble| {
            let Trouble { name, version, faults, last, unjudged, is_set_aside } = trouble;
            let last = if last.is_empty() { String::new() } else { format!(", the last: {last}") };
            let unjudged = match is_set_aside {
                true => format!("; it was set aside, and {unjudged} more events were not judged"),
                false => String::new(),
            };
            format!("module {name}@{version}: {faults} faults{last}{unjudged}")
        })
    }
}
