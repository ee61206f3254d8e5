//! Replay: the modules over stored entries, from files or the archive. The same bytes every time.
//!
//! What was read is told beside the alerts: no alert means something only if it is known what was looked at.

mod as_judged;
mod diff;
mod feed;
mod in_order;

use super::{FAILED, show, values};
use crate::config::{Configs, Since};
use crate::exceptions::Live;
use crate::input::{Entries, Given, Report};
use crate::look::alerts::Filter;
use crate::modules::embedded::Folder;
use crate::modules::{Wanted, manifests};
use crate::record::PRODUCT;
use crate::stage::detect::log_faults;
use crate::telemetry::log;
use anyhow::{Context, Result};
use as_judged::AsJudged;
use clap::Args;
use foldhash::quality::RandomState;
use gridwatch_detect::module::grants;
use gridwatch_detect::{Detected, Detector, DetectorConfig, Module};
use gridwatch_event::entry::{Entry, Repeated};
use gridwatch_event::event::Event;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_manifest::Severity;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::builtin;
use gridwatch_rules::exception::Exceptions;
use gridwatch_rules::pipeline::Fault;
use gridwatch_views::{DEFAULT_MAX_BYTES, View};
use in_order::OutOfOrder;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Events of a batch: with more, they leave the processor's own memory before the rules are done with them. `run` takes more at once, for
/// each batch costs it a commit.
const BATCH: u16 = 256;

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
    /// Judge each event by the versions of the modules, with their settings, that judged it live, instead of those of a folder.
    #[arg(long, requires = "archive", requires = "config", conflicts_with_all = ["modules", "diff"])]
    as_judged: bool,
    /// Settings, grants and lookups for the modules, from a gridwatch configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which of the configuration's organizations, by its name; only needed where there are several.
    #[arg(long, value_name = "NAME", requires = "config")]
    org: Option<String>,
    /// Events per batch. Changes nothing but speed.
    #[arg(long, default_value_t = BATCH, value_parser = clap::value_parser!(u16).range(1..=4096))]
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
    let as_judged = match &configured {
        Some(config) if args.as_judged => Some(AsJudged::of(&config.state_dir, &config.org_dir())?),
        _ => None,
    };
    let configured = configured.map(|config| Wanted::of(&config).looking().lenient());
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
        None if args.diff.is_none() && args.files.iter().all(|path| can_be_read_again(path)) => {
            Entries::open(&args.files)?;
            Source::Files(args.files.clone())
        }
        None => Source::sorted(&args.files)?,
    };
    let filter = Filter { rule: args.rule.clone(), ..Filter::default() };
    let as_judged = as_judged.as_ref();
    let replay = Replay { source: &source, batch: args.batch.into(), filter: &filter, now, as_judged };
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
    /// Of files, read as they stand: which is as good as sorted where their entries are in order.
    Files(Vec<PathBuf>),
    /// Of files, at hand.
    Entries(Stored, Report),
    /// Of the archive, between two times: the same events with the same numbers as live.
    Archive { dir: PathBuf, from: Option<UnixSeconds>, to: Option<UnixSeconds> },
}

/// Entries in order of time and id, as a drained window would be.
#[derive(Debug, Default)]
pub struct Stored {
    entries: Vec<Entry>,
    /// Positions of those that are later versions of an id, in order.
    later: Vec<(usize, (u32, bool))>,
}

/// Not standard input, nor a pipe under a name.
fn can_be_read_again(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() || file.is_dir())
}

fn order(a: &Entry, b: &Entry) -> Ordering {
    a.time.cmp(&b.time).then_with(|| a.id().cmp(b.id()))
}

impl Source {
    /// Takes all entries of files, in whatever order they stand there.
    ///
    /// # Errors
    /// A file isn't there.
    pub fn sorted(paths: &[PathBuf]) -> Result<Self> {
        let mut given = Entries::open(paths)?.without_ids();
        let entry = |given| match given {
            Given::Entry(entry) => Some(entry),
            Given::Odd(_) => None,
        };
        let mut entries: Vec<Entry> = given.by_ref().filter_map(entry).collect();
        let mut report = given.into_report();
        if !entries.is_sorted_by(|a, b| order(a, b).is_le()) {
            entries.sort_by(order);
        }
        let Repeated { again, later } = Repeated::take_out(&mut entries, &RandomState::default());
        report.again = again;
        Ok(Self::Entries(Stored { entries, later }, report))
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
    /// By whom, if not by the modules that are wanted.
    pub as_judged: Option<&'r AsJudged>,
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
    /// Alerts, as a sink writes them that doesn't say otherwise, or a line each for a person.
    ///
    /// # Errors
    /// A module fails to start, the archive can't be read, or `out` refuses.
    pub fn print(&self, wanted: &Wanted, form: Form, out: &mut dyn Write) -> Result<Ran> {
        let Source::Files(paths) = self.source else { return self.print_at_once(wanted, form, out) };
        // Nothing is said before it is known that nothing has to be taken back.
        let mut held = Held::new(MAX_HELD);
        match self.print_at_once(wanted, form, &mut held) {
            Err(error) if error.is::<OutOfOrder>() || held.is_full() => {
                let sorted = Source::sorted(paths)?;
                Replay { source: &sorted, ..*self }.print_at_once(wanted, form, out)
            }
            ran => {
                out.write_all(&held.bytes)?;
                out.flush()?;
                ran
            }
        }
    }

    fn print_at_once(&self, wanted: &Wanted, form: Form, out: &mut dyn Write) -> Result<Ran> {
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
        let mut line = self.as_judged.map(|as_judged| as_judged.line(wanted)).transpose()?;
        // Those who judged are loaded as their turns come. What the folder holds now only tells which rules exceptions may name.
        let modules = match &line {
            Some(_) => wanted.load().unwrap_or_default(),
            None => wanted.load()?,
        };
        let exceptions = match exceptions {
            Some(exceptions) => exceptions,
            None => Live::open(wanted, &modules, self.now)?.in_force(),
        };
        let troubles = Troubles::of(&modules);
        let modules = if line.is_some() { Vec::new() } else { modules };
        let mut detector = Detector::new(
            DetectorConfig { exceptions: exceptions.clone(), saves_nothing: true, ..wanted.setting()? },
            modules,
        )?;
        let mut ran = Ran { exceptions, report: Report::default(), troubles, alerts: BTreeMap::new() };
        let mut faults: Vec<Vec<Fault>> = Vec::new();
        let read = self.source.each_batch(self.batch, &mut |mut events| {
            detector.pipeline().place(&mut events);
            ran.count(self.source, &events);
            let detected = match &mut line {
                Some(line) => line.judge(&mut detector, &events)?,
                None => vec![detector.detect(&events)],
            };
            for detected in detected {
                ran.troubles.follow(&detected);
                for alert in detected.concluded.alerts.iter().filter(|alert| self.filter.takes(alert)) {
                    let worst = ran.alerts.entry(alert.uid.clone()).or_insert(alert.severity);
                    *worst = alert.severity.max(*worst);
                    tell(alert)?;
                }
                if !detected.concluded.faults.is_empty() {
                    faults.push(detected.concluded.faults);
                }
            }
            Ok(())
        })?;
        faults.iter().for_each(|faults| log_faults(faults));
        if end == End::AtRest {
            let rest = detector.pipeline().rest();
            rest.iter().filter(|alert| self.filter.takes(alert)).try_for_each(&mut *tell)?;
        }
        match self.source {
            Source::Archive { dir, .. } => ran.report.needs_some(dir),
            _ => ran.report = read.with_marks(std::mem::take(&mut ran.report)),
        }
        Ok(ran)
    }
}

/// What is written, until it is known that it holds.
#[derive(Debug)]
struct Held {
    bytes: Vec<u8>,
    most: usize,
    refused: bool,
}

/// Tens of thousands of alerts.
const MAX_HELD: usize = 256 << 20;

impl Held {
    fn new(most: usize) -> Self {
        Self { bytes: Vec::new(), most, refused: false }
    }

    fn is_full(&self) -> bool {
        self.refused
    }
}

impl Write for Held {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.refused |= self.bytes.len() + bytes.len() > self.most;
        if self.refused {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_has_a_bound_and_says_when_it_is_reached() {
        let mut held = Held::new(8);
        held.write_all(b"12345678").unwrap();
        assert!(!held.is_full());
        assert!(held.write_all(b"9").is_err() && held.is_full());
        assert_eq!(held.bytes, b"12345678");
    }
}
