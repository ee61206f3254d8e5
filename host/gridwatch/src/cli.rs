//! The command line: what can be said, and what each exit code means.

use crate::alerts::{Filter, Form};
use crate::check;
use crate::config::{self, Config, Homes, LogFormat, Problems, Since};
use crate::embedded::Folder;
use crate::modules::{self, Unusable, Wanted, manifests};
use crate::run::{Orders, Relevel, Until};
use crate::{
    alerts, clock, coverage, demo, detections, exceptions, history, lifetime, live, manual, replay, respond, run,
    schema, show, simulate, tune,
};
use anyhow::{Context, Result};
use clap::{Args, CommandFactory, Parser, Subcommand};
use gridwatch_core::manifest::{Severity, parse_span};
use gridwatch_core::own;
use gridwatch_core::slip::did_you_mean;
use gridwatch_core::time::UnixSeconds;
use gridwatch_core::view::{RawData, View};
use gridwatch_detect::module::grants;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::watch;

/// Something went wrong that trying again may mend.
const FAILED: u8 = 1;
/// What was said makes no sense: arguments, configuration, modules.
const WRONG: u8 = 2;

/// Watches a Slack Enterprise Grid org: polls the Audit Logs API durably, runs sandboxed WASM detection modules over it,
/// and writes events and alerts where your log agent picks them up.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "\
Exit codes: 0 done, 1 failed (trying again may help), 2 the command line, the configuration or a module is wrong.
Start with `gridwatch demo`: an embedded org, no configuration, ends by itself."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// What to log on standard error: error, warn, info, debug, or a tracing filter such as `gridwatch=debug`.
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Poll, detect and deliver until SIGTERM or SIGINT, which drain and exit 0. SIGHUP reads lists and exceptions again.
    Run {
        /// The configuration; `gridwatch check --example` prints one.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Stop when everything that may be read now has been read and delivered.
        #[arg(long)]
        once: bool,
    },
    /// Check a configuration and its modules without polling, and report every problem with file, line and hint.
    Check {
        /// The configuration to check.
        #[arg(long, value_name = "FILE", required_unless_present = "example")]
        config: Option<PathBuf>,
        /// Print a commented example configuration and do nothing else.
        #[arg(long, conflicts_with_all = ["live", "json"])]
        example: bool,
        /// Ask Slack as well: token, scope, plan, organization, clock, and one page of one entry.
        #[arg(long)]
        live: bool,
        /// As one JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
    /// See gridwatch work: poll an embedded Slack org over HTTP, with attacks in it that the modules have to find.
    Demo(demo::Options),
    /// Serve a simulated Slack Audit Logs API, for trying gridwatch (or anything else) against.
    Sim(simulate::Options),
    /// Turn entries in Slack's wire form into events for a SIEM, one per line.
    Normalize {
        /// Files or folders with entries in any form: one a line, lists, saved pages; also packed with gzip or zstd, gridwatch's own
        /// events, and exports of Splunk, Elastic or Sentinel as JSON. `-` or nothing is standard input.
        #[arg(default_value = "-", value_name = "FILE")]
        files: Vec<PathBuf>,
        /// What the events look like: ocsf, ocsf-1.1.0, ecs or raw.
        #[arg(long, default_value = "ocsf", value_parser = view)]
        view: View,
        /// Leave out the copy of Slack's bytes, which about doubles an event's size.
        #[arg(long)]
        no_raw_data: bool,
    },
    /// List every rule: what it watches, its condition, threshold and severity, what to do, and its ATT&CK techniques.
    Detections {
        /// Folder of the modules. Without it: target/modules, or those that a release carries.
        #[arg(long, value_name = "DIR")]
        modules: Option<PathBuf>,
        /// table has one line per rule; md is a document with an index and a section per rule; json is for machines.
        #[arg(long, default_value = "table", value_enum)]
        format: DetectionsFormat,
    },
    /// List which ATT&CK techniques and Slack actions the rules cover, which they do not, and why.
    Coverage {
        /// Folder of the modules. Without it: target/modules, or those that a release carries.
        #[arg(long, value_name = "DIR")]
        modules: Option<PathBuf>,
        /// navigator is three layers for MITRE's ATT&CK Navigator: covered, gaps, observed in 30 days.
        #[arg(long, default_value = "table", value_enum)]
        format: CoverageFormat,
        /// A sink's file with alerts (OCSF), to count what was observed in the last 30 days. May be given more than once.
        #[arg(long, value_name = "FILE")]
        alerts: Vec<PathBuf>,
        /// The state folder of a gridwatch, to count its alerts of the last 30 days.
        #[arg(long, value_name = "DIR")]
        state_dir: Option<PathBuf>,
    },
    /// Show how Slack's actions map to OCSF and ECS, what the views look like, and what they lose (nothing).
    #[command(args_conflicts_with_subcommands = true)]
    Schema {
        /// markdown or json: the mapping, a row per action; json-schema: what a view writes.
        #[arg(long, default_value = "markdown", value_enum)]
        format: SchemaFormat,
        /// The view that --format json-schema is about: ocsf, ocsf-1.1.0, ecs or raw.
        #[arg(long, default_value = "ocsf", value_parser = view)]
        view: View,
        #[command(subcommand)]
        command: Option<SchemaCommand>,
    },
    /// List the modules, or show what one declares: rules, settings, lookup tables, fields, grants, windows, limits.
    #[command(subcommand)]
    Module(modules::command::Command),
    /// Run modules over stored entries and print the alerts. The same input gives the same alerts, byte for byte.
    ///
    /// A summary of what was read goes to standard error. Exits with 1 if there was no entry, if not everything could be read, or if
    /// a module failed.
    Replay(Replay),
    /// List the alerts, show one, or export them for machines.
    #[command(subcommand)]
    Alerts(Alerts),
    /// Explain why an alert was made: the deciding event as the module saw it, window values, lookups, exceptions, all events.
    Explain {
        /// The alert's id, or a unique beginning of it.
        alert: String,
        #[command(flatten)]
        state: State,
        /// Also print Slack's own entries behind it, as far as the archive has them, one a line.
        #[arg(long)]
        entries: bool,
        /// As one JSON object instead of text.
        #[arg(long, conflicts_with = "entries")]
        json: bool,
    },
    /// List the exceptions, and check that they suppress no known true positive.
    #[command(subcommand)]
    Exceptions(exceptions::command::Command),
    /// Show which rules are noisy, what exceptions suppressed, and what other thresholds would have given.
    Tune(tune::Options),
    /// Show what to do about an alert: its playbook with calls to copy. With --execute, do the steps that can be undone.
    Respond(respond::Options),
    /// Show what the gridwatch that runs on a state folder is doing, and whether somebody has to act.
    ///
    /// Reads only the state folder: no secret and no sink's folder. Members of the folder's group may do this.
    /// Exit codes: 0 healthy, 1 somebody is needed (not running, stuck, paused, a problem, a sink that fails, a module set
    /// aside), 2 the command line is wrong.
    Status {
        #[command(flatten)]
        state: State,
        /// As one JSON object instead of text, with the same verdict under `health`.
        #[arg(long)]
        json: bool,
    },
    /// Print a shell's completions: `gridwatch completions bash > ~/.bash_completion`, or as root into /etc/bash_completion.d/gridwatch.
    Completions {
        /// bash, zsh, fish, elvish or powershell.
        shell: clap_complete::Shell,
    },
    /// Write a man page for each command into a folder: `gridwatch man ~/.local/share/man/man1`, or as root /usr/local/share/man/man1.
    Man {
        /// The folder; made if it isn't there.
        dir: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum SchemaFormat {
    Markdown,
    Json,
    JsonSchema,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum DetectionsFormat {
    Table,
    Md,
    Json,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum CoverageFormat {
    Table,
    Json,
    Navigator,
}

#[derive(Debug, Subcommand)]
enum SchemaCommand {
    /// Measure what a view keeps of a corpus: leaves by value, actions with a class, events valid against the schema.
    ///
    /// Exits with 1 if a leaf is lost or an event isn't valid.
    Loss {
        /// Files or folders with entries, as `normalize` takes them; `-` is standard input.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// ocsf, ocsf-1.1.0, ecs or raw.
        #[arg(long, default_value = "ocsf", value_parser = view)]
        view: View,
        /// As one JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum Alerts {
    /// List the newest alerts, one per line: when, severity, id, rule, what, who.
    List {
        #[command(flatten)]
        which: Which,
        /// Show at most this many; 0 shows all.
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
        /// Keep printing each new alert or revision as it comes.
        #[arg(long)]
        follow: bool,
        /// Print the alerts as gridwatch stores them, one JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Show one alert in full: who, what is known about them, events, what to do.
    Show {
        /// The alert's id, or a unique beginning of it.
        alert: String,
        #[command(flatten)]
        state: State,
        /// As one JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Print alerts as a sink would write them, one per line: OCSF Detection Findings, or another view.
    Export {
        #[command(flatten)]
        which: Which,
        /// ocsf, ocsf-1.1.0, ecs or raw, which for alerts is ocsf.
        #[arg(long, default_value = "ocsf", value_parser = view)]
        view: View,
    },
}

#[derive(Debug, Args)]
struct Which {
    #[command(flatten)]
    state: State,
    /// Only those with events from this time on: RFC 3339, seconds since 1970, or a span back from now such as 24h or 7d.
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Since>,
    /// Only those of at least this severity: informational, low, medium, high or critical.
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    severity: Option<Severity>,
    /// Only those of this rule, or of a whole module as in `sign-in.*`.
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Only those of this actor, by id, name or e-mail address.
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
    /// Also those that an exception or one of gridwatch's own responses suppressed.
    #[arg(long)]
    suppressed: bool,
}

#[derive(Debug, Args)]
struct Replay {
    /// Files or folders with entries in any form: one a line, lists, saved pages; also packed with gzip or zstd, gridwatch's own
    /// events, and exports of Splunk, Elastic or Sentinel as JSON. `-` is standard input.
    #[arg(required_unless_present = "archive", conflicts_with = "archive", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The archive folder of a gridwatch (by default `archive` in its state_dir).
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,
    /// From this event time on: RFC 3339, seconds since 1970, or a span back from now such as 24h or 7d.
    #[arg(long, value_name = "TIME", requires = "archive", value_parser = since)]
    from: Option<Since>,
    /// Up to this event time, in the same formats.
    #[arg(long, value_name = "TIME", requires = "archive", value_parser = since)]
    to: Option<Since>,
    /// Folder of the modules to run. Without it: the configuration's, or target/modules, or those that a release carries.
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    /// table has the newest revision of each alert on a line and is the default on a terminal; ndjson has every revision as a sink
    /// would write it, and is the default elsewhere.
    #[arg(long, value_enum, conflicts_with = "diff")]
    format: Option<replay::Form>,
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
    /// Events per batch. Changes nothing but speed.
    #[arg(long, default_value_t = config::DEFAULT_BATCH, value_parser = clap::value_parser!(u16).range(1..=4096))]
    batch: u16,
    /// Grant a module something that its manifest asks for, for example `--grant NAME=lookup`.
    #[arg(long, value_name = "MODULE=GRANT")]
    grant: Vec<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct State {
    /// The configuration that gridwatch runs with.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Its state folder, if there is no configuration at hand.
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            let wrong = error.is::<Problems>() || error.is::<Unusable>() || error.is::<respond::Wrong>();
            ExitCode::from(if wrong { WRONG } else { FAILED })
        }
    }
}

/// Whoever reads us has seen enough (`| head`): no failure of ours.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|e| e.downcast_ref::<std::io::Error>()).any(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}

fn dispatch(cli: Cli) -> Result<u8> {
    let log = cli.log.as_deref();
    match cli.command {
        Command::Run { config, once } => runtime()?.block_on(async {
            // Before anything that takes time: an order that comes early must not kill.
            let (stop, reload) = signals()?;
            let config = Config::load(&config)?;
            let relevel = start_log(config.log.format, log.unwrap_or(config.log.level.as_str()))?;
            let relevel = match log {
                Some(_) => Relevel(Arc::new(|_| false)),
                None => relevel,
            };
            let until = if once { Until::UpToDate } else { Until::Stopped };
            run::run(config, until, Orders { stop, reload, relevel }, Arc::new(|_| {})).await?;
            Ok(0)
        }),
        Command::Check { example: true, .. } => {
            print!("{}", config::EXAMPLE);
            Ok(0)
        }
        Command::Check { config, live, json, .. } => {
            start_log(LogFormat::Text, log.unwrap_or("warn"))?;
            checked(&config.context("--config is missing")?, live, json)
        }
        Command::Demo(options) => {
            start_log(LogFormat::Text, log.unwrap_or("off"))?;
            let runtime = runtime()?;
            runtime.block_on(async {
                let (stop, reload) = signals()?;
                let relevel = Relevel(Arc::new(|_| false));
                demo::run(&options, Orders { stop, reload, relevel }).await
            })
        }
        Command::Sim(options) => {
            start_log(LogFormat::Text, log.unwrap_or("warn"))?;
            runtime()?.block_on(async { simulate::run(&options, run::is_told(signals()?.0)).await })?;
            Ok(0)
        }
        Command::Normalize { files, view, no_raw_data } => {
            start_log(LogFormat::Text, log.unwrap_or("warn"))?;
            let raw_data = if no_raw_data { RawData::Omit } else { RawData::Include };
            let is_whole = replay::normalize(&files, view, raw_data, &mut std::io::stdout().lock())?;
            Ok(if is_whole { 0 } else { FAILED })
        }
        Command::Detections { modules, format } => {
            let all = detections::manifests(Folder::of(modules.as_deref())?.path())?;
            let mut out = std::io::stdout().lock();
            match format {
                DetectionsFormat::Table => detections::table(&detections::detections(&all), &mut out)?,
                DetectionsFormat::Md => detections::markdown(&all, &mut out)?,
                DetectionsFormat::Json => detections::json(&detections::detections(&all), &mut out)?,
            }
            Ok(0)
        }
        Command::Coverage { modules, format, alerts, state_dir } => {
            let (all, mut out) = (
                coverage::of(Folder::of(modules.as_deref())?.path(), &alerts, state_dir.as_deref(), clock::now())?,
                std::io::stdout().lock(),
            );
            match format {
                CoverageFormat::Table => coverage::table(&all, &mut out)?,
                CoverageFormat::Json => coverage::json(&all, &mut out)?,
                CoverageFormat::Navigator => coverage::navigator(&all, &mut out)?,
            }
            Ok(0)
        }
        Command::Schema { command: Some(SchemaCommand::Loss { files, view, json }), .. } => loss(&files, view, json),
        Command::Schema { format, view, command: None } => {
            let mut out = std::io::stdout().lock();
            match format {
                SchemaFormat::Markdown => schema::table(&mut out)?,
                SchemaFormat::Json => schema::table_json(&mut out)?,
                SchemaFormat::JsonSchema => schema::json_schema(view, &mut out)?,
            }
            Ok(0)
        }
        Command::Module(command) => {
            start_log(LogFormat::Text, log.unwrap_or("warn"))?;
            modules::command::run(&command, &mut std::io::stdout().lock())?;
            Ok(0)
        }
        Command::Replay(args) => {
            start_log(LogFormat::Text, log.unwrap_or("warn"))?;
            replayed(&args)
        }
        Command::Alerts(command) => told(command),
        Command::Explain { alert, state, entries, json } => explain(&alert, &state, entries, json),
        Command::Exceptions(command) => {
            start_log(LogFormat::Text, log.unwrap_or("warn"))?;
            exceptions::command::run(&command)
        }
        Command::Tune(options) => {
            start_log(LogFormat::Text, log.unwrap_or("warn"))?;
            tune::run(&options)
        }
        Command::Respond(options) => {
            start_log(LogFormat::Text, log.unwrap_or("warn"))?;
            runtime()?.block_on(respond::run(&options))
        }
        Command::Status { state, json } => status(&state, json),
        Command::Completions { shell } => {
            manual::completions(shell, Cli::command(), &mut std::io::stdout().lock())?;
            Ok(0)
        }
        Command::Man { dir } => {
            manual::pages(Cli::command(), &dir)?;
            Ok(0)
        }
    }
}

fn checked(path: &Path, is_live: bool, json: bool) -> Result<u8> {
    let mut report = check::configuration(path)?;
    if is_live && let Some(config) = &report.config {
        report.live = runtime()?.block_on(live::ask(config));
    }
    let mut out = std::io::stdout().lock();
    match json {
        true => writeln!(out, "{}", serde_json::to_string(&report)?)?,
        false => report.text(&mut out)?,
    }
    Ok(report.exit_code())
}

fn replayed(args: &Replay) -> Result<u8> {
    let configured = args.config.as_ref().map(|config| Config::look(config)).transpose()?;
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
        tune::check_rule(rule, &[manifests.concat(), vec![own::manifest().clone()]].concat())?;
    }
    let at = |time: Option<Since>| time.map(|time| time.from(clock::now().seconds()));
    let source = match &args.archive {
        Some(dir) => replay::Source::Archive { dir: dir.clone(), from: at(args.from), to: at(args.to) },
        None => replay::Source::files(&args.files)?,
    };
    let filter = Filter { rule: args.rule.clone(), ..Filter::default() };
    let replay = replay::Replay { source: &source, batch: args.batch.into(), filter: &filter };
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
    let form = args.format.unwrap_or(if is_terminal { replay::Form::Table } else { replay::Form::Ndjson });
    let mut out: Box<dyn Write> = match form {
        replay::Form::Table => Box::new(anstream::AutoStream::auto(std::io::stdout().lock())),
        replay::Form::Ndjson => Box::new(std::io::stdout().lock()),
    };
    let (is_same, ran) = match &old {
        None => (true, replay.print(&wanted, form, &mut out)?),
        Some(old) => replay::diff::compare(&replay, old, &wanted, args.json, &mut out)?,
    };
    let is_whole = ran.print()?;
    Ok(if is_same && is_whole { 0 } else { FAILED })
}

fn loss(files: &[PathBuf], view: View, json: bool) -> Result<u8> {
    let (report, read) = schema::loss(files, view)?;
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        schema::print(&report, view, &mut out)?;
    }
    read.print("kept as Base Events", &mut std::io::stderr().lock())?;
    Ok(if report.is_clean() && read.is_whole() { 0 } else { FAILED })
}

fn told(command: Alerts) -> Result<u8> {
    let mut out = anstream::AutoStream::auto(std::io::stdout().lock());
    match command {
        Alerts::List { which, limit, follow, json } => {
            let (dir, filter) = (which.state.dir()?, which.filter());
            which.check_rule(&dir)?;
            let form = if json { Form::Json } else { Form::Line };
            let limit = if limit == 0 { usize::MAX } else { limit };
            match follow {
                true => alerts::follow(&dir, &filter, limit, form, &mut out)?,
                false => alerts::list(&dir, &filter, limit, form, &mut out)?,
            }
        }
        Alerts::Show { alert, state, json } => {
            let alert = history::find(&state.dir()?, &alert)?;
            match json {
                true => writeln!(out, "{}", serde_json::to_string(&alert)?)?,
                false => show::whole_alert(&alert, &mut out)?,
            }
        }
        Alerts::Export { which, view } => {
            let dir = which.state.dir()?;
            which.check_rule(&dir)?;
            alerts::list(&dir, &which.filter(), usize::MAX, Form::View(view), &mut out)?;
        }
    }
    Ok(0)
}

fn explain(alert: &str, state: &State, entries: bool, json: bool) -> Result<u8> {
    let mut out = anstream::AutoStream::auto(std::io::stdout().lock());
    let homes = state.homes()?;
    let alert = history::find(&homes.state_dir, alert)?;
    match json {
        true => writeln!(out, "{}", serde_json::to_string(&alert.basis)?)?,
        false => show::explanation(&alert, &mut out)?,
    }
    if entries {
        let archive = homes.archive.context("the configuration keeps no archive")?;
        writeln!(out, "\nEntries")?;
        alerts::entries(&archive, &alert, &mut out)?;
    }
    Ok(0)
}

impl State {
    fn homes(&self) -> Result<Homes> {
        match (&self.config, &self.state_dir) {
            (Some(config), _) => Ok(Homes::read(config)?),
            (None, Some(dir)) => Ok(Homes::of_state_dir(dir)),
            (None, None) => anyhow::bail!("--config or --state-dir is needed"),
        }
    }

    fn dir(&self) -> Result<PathBuf> {
        Ok(self.homes()?.state_dir)
    }
}

impl Which {
    fn filter(&self) -> Filter {
        Filter {
            since: self.since.map(|since| since.from(clock::now().seconds())),
            severity: self.severity,
            rule: self.rule.clone(),
            actor: self.actor.clone(),
            suppressed: self.suppressed,
        }
    }

    /// A list that is empty because of a slip of the pen looks like one that is empty because nothing happened.
    fn check_rule(&self, state_dir: &Path) -> Result<()> {
        self.rule.as_ref().map_or(Ok(()), |rule| alerts::check_rule(state_dir, rule))
    }
}

fn status(state: &State, json: bool) -> Result<u8> {
    let (status, health) = lifetime::look(&state.dir()?)?;
    if json {
        let mut all = json!(status.unwrap_or_default());
        all["health"] = json!(health);
        println!("{all}");
    } else {
        show::status(status.as_ref(), &health, clock::now());
    }
    Ok(if health.healthy { 0 } else { FAILED })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// The reason to end, once SIGTERM or SIGINT has come; and how often SIGHUP has.
fn signals() -> Result<(watch::Receiver<Option<&'static str>>, watch::Receiver<u64>)> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let (stop, stopped) = watch::channel(None);
    let (reload, reloaded) = watch::channel(0);
    tokio::spawn(async move {
        loop {
            let name = tokio::select! {
                _ = term.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
                _ = hangup.recv() => {
                    tracing::info!("SIGHUP: reading again what can be read again");
                    reload.send_modify(|times| *times += 1);
                    continue;
                }
            };
            if stop.borrow().is_some() && name == "SIGINT" {
                tracing::warn!("SIGINT again: ending at once; what was not delivered yet stays in the store");
                std::process::exit(FAILED.into());
            }
            tracing::info!("{name}: draining");
            stop.send_replace(Some(name));
        }
    });
    Ok((stopped, reloaded))
}

/// Starts the log; the answer sets another level later.
fn start_log(format: LogFormat, filter: &str) -> Result<Relevel> {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::builder()
        .parse(filter)
        .with_context(|| format!("`{filter}` is not a log filter; try info, or gridwatch=debug"))?;
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(terminal);
    let at = |level: tracing::Level| EnvFilter::new(level.as_str());
    // The filter last: what is set after it would make it one that can't be changed.
    Ok(match format {
        LogFormat::Text => {
            let log = log.with_env_filter(filter).with_filter_reloading();
            let handle = log.reload_handle();
            log.init();
            Relevel(Arc::new(move |level| handle.reload(at(level)).is_ok()))
        }
        LogFormat::Json => {
            let log = log.json().with_env_filter(filter).with_filter_reloading();
            let handle = log.reload_handle();
            log.init();
            Relevel(Arc::new(move |level| handle.reload(at(level)).is_ok()))
        }
    })
}

fn view(text: &str) -> Result<View, String> {
    let names = || View::ALL.map(View::name).join(", ");
    View::ALL.into_iter().find(|view| view.name() == text).ok_or_else(|| format!("the views are {}", names()))
}

fn severity(text: &str) -> Result<Severity, String> {
    let names = Severity::ALL.map(|severity| severity.name().to_lowercase());
    let found = Severity::ALL.into_iter().find(|severity| severity.name().eq_ignore_ascii_case(text));
    found.ok_or_else(|| {
        let near = did_you_mean(&text.to_lowercase(), names.iter().map(String::as_str));
        let near = near.map(|near| format!("did you mean {near}? ")).unwrap_or_default();
        format!("{near}there are {}", names.join(", "))
    })
}

fn since(text: &str) -> Result<Since, String> {
    match parse_span(text).filter(|_| text.is_ascii()) {
        Some(seconds) => Ok(Since::Ago(seconds)),
        None => time(text).map(Since::At).map_err(|problem| format!("{problem}, or a span such as 24h or 7d")),
    }
}

fn time(text: &str) -> Result<UnixSeconds, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(UnixSeconds(seconds));
    }
    let stamp: jiff::Timestamp =
        text.parse().map_err(|_| "write 2026-11-01T00:00:00Z or seconds since 1970".to_owned())?;
    u64::try_from(stamp.as_second()).map(UnixSeconds).map_err(|_| "before 1970".to_owned())
}
