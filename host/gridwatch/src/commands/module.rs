//! `gridwatch module`: which modules there are, and what one of them says of itself. Runs none of them; what a running gridwatch is asked
//! about its own is in `serving`.

mod backtest;
mod fault;
mod serving;

use super::{FAILED, authoring, signing};
use crate::config::Configs;
use crate::look::detections::doubts;
use crate::modules::embedded;
use crate::modules::folder::{self, Folder, Served};
use crate::modules::{Unusable, Wanted, asked_for};
use crate::telemetry::log;
use anyhow::Result;
use clap::{Args, Subcommand};
use gridwatch_detect::{Component, Limits};
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::{ConfigKind, Grant, Manifest, WindowSpec, span_text};
use gridwatch_module::trust::Signer;
use serde::Serialize;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(flatten)]
    Authoring(authoring::Command),
    #[command(flatten)]
    Signing(signing::Command),
    /// List every module of a folder, one per line: version, digest, rules, grants, and what needs attention.
    List {
        #[command(flatten)]
        from: Source,
        /// Print one JSON object per module.
        #[arg(long)]
        json: bool,
    },
    #[command(flatten)]
    Serving(serving::Command),
    /// Try a module file on the archive beside the version that serves: alerts added, lost and changed, noise, cost.
    ///
    /// Exits with 1 if it can't judge something, or if not all of the archive could be read.
    Backtest(backtest::Options),
    /// Give an event that a module could not judge to it again, or to another build: why it fails, in one command.
    ///
    /// Exits with 1 if it still can't be judged.
    ReplayFault(fault::Options),
    /// Show one module: rules, settings with defaults and configured values, lookup tables, fields, grants, windows, limits.
    Inspect {
        /// The module's name, or a file.
        #[arg(value_name = "NAME|FILE")]
        module: String,
        #[command(flatten)]
        from: Source,
        /// As one JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct Source {
    /// The configuration, for the folder and with it settings, grants and lookup tables.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which of the configuration's organizations, by its name; only needed where there are several.
    #[arg(long, value_name = "NAME", requires = "config")]
    org: Option<String>,
    /// A folder of modules, where there is no configuration. Without either: target/modules, or those that a release carries.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    modules: Option<PathBuf>,
}

/// # Errors
/// The configuration or the modules can't be read, there is no such module, or standard output refuses.
pub fn run(command: &Command, log: Option<&str>, now: UnixMillis) -> Result<u8> {
    match command {
        Command::Authoring(command) => return authoring::run(command, log),
        Command::Signing(command) => return signing::run(command, log),
        _ => {}
    }
    log::start(log.unwrap_or("warn"))?;
    let out = &mut std::io::stdout().lock();
    match command {
        Command::Authoring(_) | Command::Signing(_) => Ok(()),
        Command::List { from, json } => list(&Place::of(from)?, *json, out),
        Command::Serving(command) => serving::run(command, out),
        Command::ReplayFault(options) => {
            return Ok(if fault::run(options, out)? { 0 } else { FAILED });
        }
        Command::Backtest(options) => {
            return Ok(if backtest::run(options, now, out)? { 0 } else { FAILED });
        }
        Command::Inspect { module, from, json } => inspect(module, &Place::around(module, from)?, *json, out),
    }?;
    Ok(0)
}

/// Where modules are, and what is said of them where there is a configuration.
struct Place {
    wanted: Wanted,
    is_configured: bool,
    /// Removed at the end, if it had to be unpacked.
    _carried: Option<embedded::Folder>,
}

impl Place {
    /// A file is looked at wherever it is: without a configuration there is no folder to look for.
    fn around(module: &str, from: &Source) -> Result<Self> {
        if from.config.is_none() && is_path(module) {
            return Ok(Self { wanted: Wanted::in_dir(Path::new(".")), is_configured: false, _carried: None });
        }
        Self::of(from)
    }

    fn of(from: &Source) -> Result<Self> {
        if let Some(config) = &from.config {
            let wanted = Wanted::of(&Configs::look(config)?.one(from.org.as_deref())?).looking().lenient();
            return Ok(Self { wanted, is_configured: true, _carried: None });
        }
        let carried = embedded::Folder::of(from.modules.as_deref())?;
        Ok(Self { wanted: Wanted::in_dir(carried.path()), is_configured: false, _carried: Some(carried) })
    }

    /// Whether a module has been granted what it asks for isn't asked here: that is shown.
    fn folder(&self) -> Folder {
        Folder::read(&self.wanted.dir, self.wanted.limits.component_bytes, &asked_for, self.wanted.judge())
    }

    fn described(&self, served: &Served, signer: Option<&Signer>) -> Described {
        let configured = self.is_configured.then_some(&self.wanted);
        Described::of(&served.component, &served.path, configured, &self.wanted.limits, signer)
    }
}

fn list(place: &Place, json: bool, out: &mut dyn Write) -> Result<()> {
    let folder = place.folder();
    let described: Vec<Described> =
        folder.serving.iter().map(|(name, served)| place.described(served, folder.signers.get(name))).collect();
    if json {
        described.iter().try_for_each(|module| writeln!(out, "{}", json!(module)))?;
    } else if !described.is_empty() {
        let width = described.iter().map(|m| m.name.len() + m.version.len() + 1).max().unwrap_or(6).max(6);
        writeln!(out, "{:<width$}  {:<12}  {:>5}  {:<16}  TITLE", "MODULE", "DIGEST", "RULES", "GRANTS")?;
        for module in &described {
            let id = format!("{}@{}", module.name, module.version);
            let grants = module.grants.iter().map(Granted::text).collect::<Vec<_>>().join(" ");
            let (digest, rules) = (&module.digest[..12], module.rules.len());
            writeln!(out, "{id:<width$}  {digest}  {rules:>5}  {grants:<16}  {}", module.title)?;
        }
        let warned = described.iter().filter(|module| !module.warnings.is_empty());
        for module in warned {
            let (name, many) = (&module.name, module.warnings.len());
            let things = if many == 1 { "one thing needs".to_owned() } else { format!("{many} things need") };
            writeln!(out, "{name}: {things} attention: see `gridwatch module inspect {name}`")?;
        }
    }
    if !json {
        folder.notes.iter().try_for_each(|note| writeln!(out, "note: {note}"))?;
    }
    match folder.problems.is_empty() {
        true => Ok(()),
        false => Err(Unusable { problems: folder.problems, ..Unusable::default() }.into()),
    }
}

fn inspect(module: &str, place: &Place, json: bool, out: &mut dyn Write) -> Result<()> {
    let described = match is_path(module) {
        true => {
            let path = PathBuf::from(module);
            let (max, judge) = (place.wanted.limits.component_bytes, place.wanted.judge());
            let component = folder::component(&path, max, &asked_for, judge);
            let (served, signer) =
                component.map_err(|problem| Unusable { problems: vec![problem], ..Unusable::default() })?;
            place.described(&served, Some(&signer))
        }
        false => {
            let folder = place.folder();
            match folder.serving.get(module) {
                Some(served) => place.described(served, folder.signers.get(module)),
                None => return Err(missing(module, folder).into()),
            }
        }
    };
    if json {
        writeln!(out, "{}", json!(described))?
    } else {
        described.write(out)?
    }
    Ok(())
}

fn is_path(module: &str) -> bool {
    module.contains('/') || Path::new(module).is_file()
}

fn missing(module: &str, mut folder: Folder) -> Unusable {
    let names: Vec<&str> = folder.serving.keys().map(String::as_str).collect();
    let has = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    folder.problems.push(format!("{}: no module `{module}` there; it has {has}", folder.dir.display()));
    Unusable { problems: folder.problems, ..Unusable::default() }
}

/// Warnings about the modules of a configuration, each with the name of its module.
pub fn warnings(wanted: &Wanted, manifests: &mut dyn Iterator<Item = &Manifest>) -> Vec<String> {
    let told = |manifest: &Manifest| -> Vec<String> {
        let warnings = doubts(manifest, Some(wanted)).into_iter();
        warnings.map(|warning| format!("module {} {warning}", manifest.name)).collect()
    };
    manifests.flat_map(told).collect()
}

/// A module as it is told of. The field names are those of `--json`.
#[derive(Debug, Serialize)]
struct Described {
    name: String,
    version: String,
    title: String,
    file: PathBuf,
    /// SHA-256 of the file.
    digest: String,
    /// Who answers for the file, as the configuration's keys (or, without one, this user's own) know it; and if nobody, why.
    signer: String,
    /// Whether `run` would serve it by default.
    trusted: bool,
    imports: Vec<String>,
    rules: Vec<RuleLine>,
    settings: Vec<Setting>,
    lookups: Vec<Lookup>,
    fields: Vec<String>,
    grants: Vec<Granted>,
    windows: Vec<Window>,
    limits: Value,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct RuleLine {
    id: String,
    title: String,
    severity: &'static str,
    threshold: String,
    fold: String,
    actions: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Setting {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    help: String,
    allowed: Option<String>,
    default: Value,
    /// As configured; `null` where it isn't.
    configured: Option<Value>,
    silences: bool,
}

#[derive(Debug, Serialize)]
struct Lookup {
    table: String,
    /// `null` without a configuration.
    rows: Option<usize>,
}

#[derive(Debug, Serialize)]
struct Granted {
    grant: Grant,
    /// `null` without a configuration.
    granted: Option<bool>,
}

#[derive(Debug, Serialize)]
struct Window {
    name: String,
    kind: &'static str,
    span: String,
    key: Vec<String>,
    actions: Vec<String>,
}

impl Described {
    fn of(
        component: &Component,
        file: &Path,
        configured: Option<&Wanted>,
        limits: &Limits,
        signer: Option<&Signer>,
    ) -> Self {
        let (manifest, digest) = (&component.manifest, &component.digest);
        let given = configured.and_then(|wanted| wanted.settings.get(&manifest.name));
        let granted = |grant: &Grant| Granted {
            grant: *grant,
            granted: configured
                .map(|wanted| wanted.grants.get(&manifest.name).is_some_and(|granted| granted.contains(grant))),
        };
        let lookup = |table: &String| Lookup {
            table: table.clone(),
            rows: configured.map(|wanted| wanted.tables.rows(table).unwrap_or(0)),
        };
        let setting = |(name, key): (&String, &gridwatch_manifest::ConfigKey)| {
            let (kind, allowed) = match key.kind {
                ConfigKind::Integer { min, max } => ("integer", Some(format!("{min} to {max}"))),
                ConfigKind::Span { min_s, max_s } => {
                    ("span", Some(format!("{} to {}", span_text(min_s), span_text(max_s))))
                }
                ConfigKind::Boolean => ("boolean", None),
                ConfigKind::Texts => ("texts", None),
            };
            let configured = given.and_then(|given| given.get(name)).cloned();
            let (help, default) = (key.help.clone(), key.default.clone());
            Setting { name: name.clone(), kind, help, allowed, default, configured, silences: key.silences }
        };
        let rule = |rule: &gridwatch_manifest::Rule| RuleLine {
            id: format!("{}.{}", manifest.name, rule.id),
            title: rule.title.clone(),
            severity: rule.severity.name(),
            threshold: rule.threshold.split_whitespace().collect::<Vec<_>>().join(" "),
            fold: span_text(rule.fold_s),
            actions: rule.actions.clone(),
        };
        Self {
            name: manifest.name.clone(),
            version: manifest.version.to_string(),
            title: manifest.title.clone(),
            file: file.to_owned(),
            digest: digest.to_owned(),
            signer: match signer {
                Some(Signer::Nobody(why)) => format!("nobody: {why}"),
                Some(signer) => signer.to_string(),
                None => "unknown".into(),
            },
            trusted: signer.is_some_and(|signer| !signer.is_nobody()),
            imports: component.imports.clone(),
            rules: manifest.rules.iter().map(rule).collect(),
            settings: manifest.config.iter().map(setting).collect(),
            lookups: manifest.lookups.iter().map(lookup).collect(),
            fields: manifest.fields.iter().map(|field| field.label().to_owned()).collect(),
            grants: manifest.grants.iter().map(granted).collect(),
            windows: manifest.windows.iter().map(window).collect(),
            limits: json!({
                "call_ms": limits.evaluate_ms,
                "batch_ms": limits.batch_ms,
                "start_ms": limits.setup_ms,
                "memory_bytes": limits.memory_bytes,
                "host_calls": limits.host_calls,
                "findings_per_call": limits.findings,
                "log_lines_per_call": limits.log_lines,
                "kv_bytes": limits.kv_bytes,
            }),
            warnings: doubts(manifest, configured),
        }
    }

    fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        writeln!(out, "{}@{}  {}", self.name, self.version, self.title)?;
        writeln!(out, "file     {}", self.file.display())?;
        writeln!(out, "digest   sha256:{}", self.digest)?;
        writeln!(out, "signer   {}", self.signer)?;
        writeln!(
            out,
            "imports  {}",
            if self.imports.is_empty() { "none".to_owned() } else { self.imports.join(", ") }
        )?;
        let grants = self.grants.iter().map(Granted::text).collect::<Vec<_>>();
        writeln!(out, "grants   {}", if grants.is_empty() { "none asked for".to_owned() } else { grants.join(", ") })?;
        for lookup in &self.lookups {
            let rows = lookup.rows.map(|rows| format!(": {rows} rows")).unwrap_or_default();
            writeln!(out, "lookup   {}{rows}", lookup.table)?;
        }
        writeln!(out, "fields   {}", self.fields.join(", "))?;
        writeln!(out, "\n{} rules", self.rules.len())?;
        for rule in &self.rules {
            writeln!(out, "  {}  {}  {}", rule.id, rule.severity, rule.title)?;
            let threshold = rule.threshold.trim_end_matches('.');
            writeln!(out, "      {threshold}; one alert for each key and {}", rule.fold)?;
        }
        writeln!(out, "\n{} settings", self.settings.len())?;
        self.settings.iter().try_for_each(|setting| setting.write(out))?;
        writeln!(out, "\n{} windows", self.windows.len())?;
        for window in &self.windows {
            let key = if window.key.is_empty() { "the whole organization".to_owned() } else { window.key.join(", ") };
            writeln!(out, "  {}  {} of {} by {key}", window.name, window.kind, window.span)?;
        }
        let limits = self.limits.as_object().into_iter().flatten();
        let limits: Vec<String> = limits.map(|(name, value)| format!("{name} {value}")).collect();
        writeln!(out, "\nlimits   {}", limits.join(", "))?;
        self.warnings.iter().try_for_each(|warning| writeln!(out, "warning: {warning}"))
    }
}

impl Setting {
    fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let Self { name, kind, default, .. } = self;
        let configured = match &self.configured {
            Some(value) => format!("{value}, default {default}"),
            None => format!("{default} (the default)"),
        };
        let allowed = self.allowed.as_ref().map(|allowed| format!(", {allowed}")).unwrap_or_default();
        let silences = if self.silences { "; silences" } else { "" };
        writeln!(out, "  {name} = {configured}  ({kind}{allowed}{silences})")?;
        writeln!(out, "      {}", self.help)
    }
}

impl Granted {
    fn text(&self) -> String {
        let name = format!("{:?}", self.grant).to_lowercase();
        match self.granted {
            Some(false) => format!("{name} (not granted)"),
            _ => name,
        }
    }
}

fn window(window: &WindowSpec) -> Window {
    Window {
        name: window.name.clone(),
        kind: window.kind.name(),
        span: span_text(window.span_s),
        key: window.key.iter().map(|field| field.label().to_owned()).collect(),
        actions: window.actions.clone(),
    }
}
