//! `gridwatch check`: everything that is wrong with a configuration, its modules and its exceptions, and what is worth a
//! second look. It only looks: no folder, lock, cache or file of a sink is made or changed, whoever runs it.

use crate::clock;
use crate::config::{Config, Problem, Problems};
use crate::exceptions;
use crate::live::Line;
use crate::modules::Wanted;
use anyhow::Result;
use gridwatch_core::manifest::{Grant, Manifest};
use gridwatch_core::time::UnixMillis;
use gridwatch_detect::Module;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

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
    pub modules: Vec<Checked>,
    pub exceptions: Option<ExceptionsFile>,
    pub sinks: Vec<String>,
    /// What Slack says, if it was asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub live: Vec<Line>,
    #[serde(skip)]
    pub config: Option<Config>,
}

/// Works, and may not do what somebody thinks it does.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// What it is about, as in `lookups.corporate_egress`.
    pub about: String,
    pub text: String,
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
pub fn configuration(path: &Path) -> Result<Report> {
    let mut report = Report {
        file: path.to_owned(),
        fine: false,
        errors: Vec::new(),
        problems: Vec::new(),
        warnings: Vec::new(),
        modules: Vec::new(),
        exceptions: None,
        sinks: Vec::new(),
        live: Vec::new(),
        config: None,
    };
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(problems) => {
            report.blame(&problems);
            return Ok(report);
        }
    };
    let wanted = Wanted::of(&config).looking();
    match wanted.load() {
        Err(error) => report.errors.push(format!("{error:#}")),
        Ok(modules) => {
            report.modules = modules.iter().map(Checked::of).collect();
            match exceptions::Live::open(&wanted, &modules, clock::now()) {
                Err(problems) => report.blame(&problems),
                Ok(live) => {
                    let file = |file: &PathBuf| ExceptionsFile { file: file.clone(), entries: live.in_force().len() };
                    report.exceptions = wanted.exceptions.as_ref().map(file);
                }
            }
            let manifests: Vec<&Manifest> = modules.iter().map(|module| &*module.manifest).collect();
            report.warnings = warnings(&config, &manifests, clock::now());
        }
    }
    report.sinks = config.sinks.iter().map(|sink| sink.name.clone()).collect();
    report.fine = report.errors.is_empty();
    report.config = Some(config);
    Ok(report)
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

    /// 2 if something in the files is wrong, 1 if Slack refuses what they say.
    pub fn exit_code(&self) -> u8 {
        let refused = self.live.iter().any(|line| line.ok == Some(false));
        if self.fine { u8::from(refused) } else { 2 }
    }

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
        for warning in &self.warnings {
            writeln!(out, "warning: {}: {}", warning.about, warning.text)?;
        }
        for Line { name, ok, text, hint } in &self.live {
            let word = match ok {
                Some(true) => "ok    ",
                Some(false) => "FAILED",
                None => "?     ",
            };
            writeln!(out, "slack {word} {name}: {text}")?;
            if let Some(hint) = hint {
                writeln!(out, "  hint: {hint}")?;
            }
        }
        if self.fine {
            let (file, modules, sinks) = (self.file.display(), self.modules.len(), self.sinks.len());
            writeln!(out, "{file}: fine; {modules} modules, {sinks} sinks")?;
        }
        Ok(())
    }
}

/// What nobody has filled in, and what nobody has renewed.
fn warnings(config: &Config, manifests: &[&Manifest], now: UnixMillis) -> Vec<Warning> {
    let mut warnings = lookups(config, manifests);
    warnings.extend(manifests.iter().filter_map(|manifest| empty(config, manifest)));
    warnings.extend(responders(config, manifests));
    warnings.extend(old_lists(config, now));
    warnings
}

/// Tables that modules read and nobody fills: a rule that asks one gets "no" for every answer.
fn lookups(config: &Config, manifests: &[&Manifest]) -> Vec<Warning> {
    let mut readers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for manifest in manifests.iter().filter(|manifest| manifest.grants.contains(&Grant::Lookup)) {
        for table in &manifest.lookups {
            readers.entry(table).or_default().insert(&manifest.name);
        }
    }
    let mut warnings = Vec::new();
    for (table, modules) in &readers {
        let modules = modules.iter().copied().collect::<Vec<_>>().join(", ");
        let what = match config.lookups.get(*table) {
            None => "there is no such table",
            Some(items) if items.is_empty() => "it is empty",
            Some(_) => continue,
        };
        let text = format!("{what}, and {modules} asks it: what its rules would do with it they don't do");
        warnings.push(Warning { about: format!("lookups.{table}"), text });
    }
    for table in config.lookups.keys().filter(|table| !readers.contains_key(table.as_str())) {
        let text = "no module asks this table".to_owned();
        warnings.push(Warning { about: format!("lookups.{table}"), text });
    }
    warnings
}

/// Lists that only the organization can fill in, and that are empty in effect.
fn empty(config: &Config, manifest: &Manifest) -> Option<Warning> {
    let given = config.modules.config.get(&manifest.name);
    let is_empty = |name: &str, default: &Value| {
        let value = given.and_then(|given| given.get(name)).unwrap_or(default);
        value.as_array().is_some_and(Vec::is_empty)
    };
    let names: Vec<&str> = manifest
        .config
        .iter()
        .filter(|(name, key)| is_empty(name, &key.default))
        .map(|(name, _)| name.as_str())
        .collect();
    (!names.is_empty()).then(|| Warning {
        about: format!("modules.config.{}", manifest.name),
        text: format!("still empty, which only you can fill in: {}", names.join(", ")),
    })
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
            warnings.push(Warning {
                about: "respond".into(),
                text: format!(
                    "it is configured, and `modules.config.{}.{SETTING}` names nobody: put the user id of the responder's \
                     token there, or rules don't take its resets for the security team's",
                    manifest.name
                ),
            });
        }
    }
    warnings
}

/// Lists and databases that are older than the configuration says they may get.
pub fn old_lists(config: &Config, now: UnixMillis) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for list in &config.lists {
        let age_s = now.seconds().0.saturating_sub(list.made.0);
        if age_s > list.max_age_s {
            let (age, max) = (crate::health::span(age_s), crate::health::span(list.max_age_s));
            warnings.push(Warning {
                about: list.key.clone(),
                text: format!(
                    "{} is {age} old, more than the {max} of `max_age`: renew it, then SIGHUP",
                    list.path.display()
                ),
            });
        }
    }
    warnings
}
