//! `gridwatch check`: everything that is wrong with a configuration, its modules and its exceptions, and what is worth a
//! second look. It only looks: no folder, lock, cache or file of a sink is made or changed, whoever runs it. Only `--live` makes a
//! file beside that of a file sink, and removes it again.

use super::live::{self, Line};
use crate::app::signals;
use crate::clock::Clock;
use crate::config::{self, Config, Configs, Problem, Problems};
use crate::context::lists;
use crate::exceptions;
use crate::modules::Wanted;
use crate::telemetry::log;
use crate::telemetry::status::UNSIGNED;
use anyhow::{Context, Result};
use clap::Args;
use gridwatch_detect::Module;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_manifest::Manifest;
use gridwatch_module::trust::Policy;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct Options {
    /// The configuration to check.
    #[arg(long, value_name = "FILE", required_unless_present = "example")]
    config: Option<PathBuf>,
    /// Print a commented example configuration and do nothing else.
    #[arg(long, conflicts_with_all = ["live", "json"])]
    example: bool,
    /// Ask Slack as well (token, scope, plan, organization, clock, and one page of one entry) and try each sink: a file sink
    /// creates, renames and removes a hidden file beside its own.
    #[arg(long)]
    live: bool,
    /// As one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// # Errors
/// No file is named, it can't be read, or standard output refuses. What is wrong in it is no error but the exit code.
pub fn run(options: &Options, log: Option<&str>, clock: Clock) -> Result<u8> {
    if options.example {
        print!("{}", config::EXAMPLE);
        return Ok(0);
    }
    log::start(log.unwrap_or("warn"))?;
    let mut report = configuration(options.config.as_deref().context("--config is missing")?, clock.now())?;
    if options.live
        && let Some(configs) = &report.configs
    {
        let runtime = signals::runtime()?;
        for config in configs.iter() {
            report.live.extend(runtime.block_on(live::ask(config, clock)));
        }
        report.live.extend(live::sinks(&configs.process().sinks, clock));
    }
    let mut out = std::io::stdout().lock();
    match options.json {
        true => writeln!(out, "{}", serde_json::to_string(&report)?)?,
        false => report.text(&mut out)?,
    }
    Ok(report.exit_code())
}

/// What came of it; the field names are those of `--json`.
#[derive(Debug, Serialize)]
pub struct Report {
    pub file: PathBuf,
    /// Nothing is wrong; there may be warnings.
    pub fine: bool,
    /// Each with its place, as a person reads them.
    pub errors: Vec<String>,
    /// Those of the configuration and the exceptions file, in parts.
    pub problems: Vec<Problem>,
    pub warnings: Vec<Warning>,
    /// What is no problem, and what somebody may not know of the modules folder.
    pub notes: Vec<String>,
    pub modules: Vec<Checked>,
    pub exceptions: Option<ExceptionsFile>,
    pub sinks: Vec<String>,
    /// What Slack and the sinks say, if they were asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub live: Vec<Line>,
    #[serde(skip)]
    pub configs: Option<Configs>,
}

/// Works, and may not do what somebody thinks it does.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// What it is about, as in `lookups.corporate_egress`.
    pub about: String,
    /// The whole of it.
    pub text: String,
}

impl Warning {
    fn of(about: &str, what: &str) -> Self {
        Self { about: about.to_owned(), text: format!("{about}: {what}") }
    }
}

#[derive(Debug, Serialize)]
pub struct Checked {
    pub name: String,
    pub version: String,
    pub digest: String,
    pub rules: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct ExceptionsFile {
    pub file: PathBuf,
    pub entries: usize,
}

/// Reads it as `run` would, and loads the modules as `run` would.
fn configuration(path: &Path, now: UnixMillis) -> Result<Report> {
    let mut report = Report {
        file: path.to_owned(),
        fine: false,
        errors: Vec::new(),
        problems: Vec::new(),
        warnings: Vec::new(),
        notes: Vec::new(),
        modules: Vec::new(),
        exceptions: None,
        sinks: Vec::new(),
        live: Vec::new(),
        configs: None,
    };
    let configs = match Configs::load(path) {
        Ok(configs) => configs,
        Err(problems) => {
            report.blame(&problems);
            return Ok(report);
        }
    };
    report.notes = Wanted::of(configs.process()).looking().folder().notes;
    for config in configs.iter() {
        organization(config, now, &mut report);
    }
    report.sinks = configs.process().sinks.iter().map(|sink| sink.name.clone()).collect();
    report.fine = report.errors.is_empty();
    report.configs = Some(configs);
    Ok(report)
}

/// What only the modules, and the files that are named, can say of one organization's configuration.
fn organization(config: &Config, now: UnixMillis, report: &mut Report) {
    let wanted = Wanted::of(config).looking();
    let modules = match wanted.load() {
        Ok(modules) => modules,
        Err(error) => {
            let error = format!("{error:#}");
            // What is wrong with a module's file is wrong for all.
            if !report.errors.contains(&error) {
                report.errors.push(error);
            }
            return;
        }
    };
    report.modules = modules.iter().map(Checked::of).collect();
    match exceptions::Live::open(&wanted, &modules, now) {
        Err(problems) => report.blame(&problems),
        Ok(live) => {
            let file = |file: &PathBuf| ExceptionsFile { file: file.clone(), entries: live.in_force().len() };
            report.exceptions = wanted.exceptions.as_ref().map(file);
        }
    }
    let manifests: Vec<&Manifest> = modules.iter().map(|module| &*module.manifest).collect();
    for warning in warnings(config, &wanted, &manifests, now) {
        if !report.warnings.contains(&warning) {
            report.warnings.push(warning);
        }
    }
}

impl Checked {
    fn of(module: &Module) -> Self {
        let manifest = &module.manifest;
        Self {
            name: manifest.name.clone(),
            version: manifest.version.to_string(),
            digest: module.digest.clone(),
            rules: manifest.rules.iter().map(|rule| rule.id.clone()).collect(),
        }
    }
}

impl Report {
    fn blame(&mut self, problems: &Problems) {
        self.errors.push(problems.to_string());
        self.problems.extend(problems.iter().cloned());
    }

    /// 2 if something in the files is wrong, 1 if Slack or a sink refuses what they say.
    pub fn exit_code(&self) -> u8 {
        let refused = self.live.iter().any(|line| line.ok == Some(false));
        if self.fine { u8::from(refused) } else { 2 }
    }

    /// # Errors
    /// `out` refuses.
    pub fn text(&self, out: &mut impl Write) -> Result<()> {
        for error in &self.errors {
            eprintln!("error: {error}");
        }
        for module in &self.modules {
            let rules = module.rules.join(", ");
            writeln!(out, "module {}@{} {}: {rules}", module.name, module.version, &module.digest[..12])?;
        }
        if let Some(exceptions) = &self.exceptions {
            writeln!(out, "exceptions {}: {}", exceptions.file.display(), exceptions.entries)?;
        }
        for note in &self.notes {
            writeln!(out, "note: {note}")?;
        }
        for warning in &self.warnings {
            writeln!(out, "warning: {}", warning.text)?;
        }
        for Line { of, name, ok, text, hint } in &self.live {
            let word = match ok {
                Some(true) => "ok    ",
                Some(false) => "FAILED",
                None => "?     ",
            };
            writeln!(out, "{of:<5} {word} {name}: {text}")?;
            if let Some(hint) = hint {
                writeln!(out, "  hint: {hint}")?;
            }
        }
        let file = self.file.display();
        let is_refused = self.live.iter().any(|line| line.ok == Some(false));
        let (modules, sinks) = (count(self.modules.len(), "module"), count(self.sinks.len(), "sink"));
        match (self.fine, is_refused) {
            (false, _) => {}
            (true, false) => writeln!(out, "{file}: fine; {modules}, {sinks}")?,
            (true, true) => writeln!(out, "{file}: the file is fine; what is marked FAILED above has to be mended")?,
        }
        Ok(())
    }
}

/// `1 sink`, `2 sinks`
fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// What nobody has filled in, and what nobody has renewed.
fn warnings(config: &Config, wanted: &Wanted, manifests: &[&Manifest], now: UnixMillis) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for text in config.warnings(now.seconds()) {
        warnings.push(Warning { about: "sink".into(), text });
    }
    for manifest in manifests {
        for text in super::module::warnings(wanted, &mut std::iter::once(*manifest)) {
            warnings.push(Warning { about: format!("modules.config.{}", manifest.name), text });
        }
    }
    warnings.extend(unasked(config, manifests));
    let trust = &config.modules.trust;
    if trust.policy == Policy::AllowUnsigned {
        warnings.push(Warning { about: "modules.allow_unsigned".into(), text: UNSIGNED.into() });
    }
    for key in trust.ending(now.seconds().0) {
        let ends = key.ends_s.map(|ends| UnixSeconds(ends).to_string()).unwrap_or_default();
        let text = format!(
            "the key {} ({}) counts until {ends}; what it signed serves no more at a start after that",
            key.key.id, key.name
        );
        warnings.push(Warning { about: "modules.trust".into(), text });
    }
    warnings.extend(responders(config, manifests));
    warnings.extend(lists::old(config, now).into_iter().map(|(list, what)| Warning::of(list, &what)));
    warnings
}

/// Tables that no module asks: a slip of the pen, or a module that isn't there.
fn unasked(config: &Config, manifests: &[&Manifest]) -> Vec<Warning> {
    let asked: BTreeSet<&String> = manifests.iter().flat_map(|manifest| &manifest.lookups).collect();
    let unasked = config.lookups.keys().filter(|table| !asked.contains(table));
    unasked.map(|table| Warning::of(&format!("lookups.{table}"), "no module uses this table")).collect()
}

/// Only Slack knows whose the responder's token is, and a check asks nobody; that no list names anybody can be told.
fn responders(config: &Config, manifests: &[&Manifest]) -> Vec<Warning> {
    const SETTING: &str = "responders";
    if config.respond.token.is_none() {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    for manifest in manifests.iter().filter(|manifest| manifest.config.contains_key(SETTING)) {
        let set = config.modules.config.get(&manifest.name).and_then(|settings| settings.get(SETTING));
        if set.and_then(Value::as_array).is_none_or(Vec::is_empty) {
            warnings.push(Warning::of(
                "respond",
                &format!(
                    "it is configured, but `modules.config.{}.{SETTING}` is empty: add the user id of the responder's token, \
                     or rules do not treat its resets as those of the security team",
                    manifest.name
                ),
            ));
        }
    }
    warnings
}
