//! `gridwatch module new|build|test|check|bench|schema`: for whoever writes a rule. Needs no configuration, and no gridwatch that runs.

use crate::modules::{embedded, users_cache};
use crate::telemetry::log;
use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand, ValueEnum};
use gridwatch_detect::{Component, Engine, Limits};
use gridwatch_module::cases::{self, Loaded};
use gridwatch_module::check::{self, Checked};
use gridwatch_module::scaffold::{self, Language};
use gridwatch_module::{bench, build, digest, schema, sigma};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a folder for a new module, anywhere: a rule that works, its cases, and what it is built with.
    New {
        /// What the module is called: a-z, 0-9 and -.
        #[arg(value_name = "NAME")]
        name: String,
        /// What the rule is written in.
        #[arg(long, value_name = "LANGUAGE", default_value = "rust")]
        lang: Lang,
        /// Where, if not in a folder of the module's name.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Build the module of a folder: dist/NAME-VERSION.wasm there.
    ///
    /// Takes cargo, componentize-py or componentize-qjs, by the language, and says what is missing. A folder of Sigma rules
    /// (*.yml, `product: slack`) takes nothing.
    Build(Folder),
    /// Build a module and run its cases against the component, whatever language it is in.
    ///
    /// Exits with 1 if a case doesn't hold, or a rule lacks a kind of case.
    Test(Tried),
    /// Build a module and check what has to hold of any: that it is deterministic, judges each event by itself, fails on no odd
    /// entry, hides nothing behind triggers, and costs no more than its manifest's `fuel`.
    ///
    /// Exits with 1 if something doesn't hold.
    Check(Tried),
    /// Print a JSON Schema for editors: of module.toml, or of gridwatch.toml.
    ///
    /// `#:schema ./module.schema.json` in the first line of the file tells Even Better TOML and Tombi.
    Schema {
        /// Of which file.
        #[arg(value_name = "FILE", default_value = "module.toml")]
        of: SchemaOf,
    },
    /// Build a module and measure what it costs here: time of an event, memory, how often it finds something.
    Bench {
        #[command(flatten)]
        tried: Tried,
        /// About how many seconds to measure.
        #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=600))]
        seconds: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    #[value(name = "module.toml", alias = "module")]
    Module,
    #[value(name = "gridwatch.toml", alias = "config")]
    Configuration,
}

/// What a rule may be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    Rust,
    Python,
    #[value(alias = "javascript")]
    Js,
}

#[derive(Debug, Args)]
pub struct Folder {
    /// The module's folder.
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
}

#[derive(Debug, Args)]
pub struct Tried {
    /// The module's folder, which is built; or a module file that is built already, with `--cases`.
    #[arg(value_name = "DIR|FILE", default_value = ".")]
    module: PathBuf,
    /// The folder of cases, if not `cases` in the module's folder.
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// # Errors
/// A module can't be made, built or run, or standard output refuses.
pub fn run(command: &Command, log: Option<&str>) -> Result<u8> {
    log::start(log.unwrap_or("warn"))?;
    let out = &mut std::io::stdout().lock();
    match command {
        Command::New { name, lang, dir } => new(name, (*lang).into(), dir.as_deref(), out),
        Command::Build(Folder { folder }) => built(&made(folder, build::build)?, out).map(|()| 0),
        Command::Test(tried) => test(tried, out),
        Command::Check(tried) => check(tried, out),
        Command::Schema { of } => {
            match of {
                SchemaOf::Module => write!(out, "{}", schema::MODULE)?,
                SchemaOf::Configuration => writeln!(out, "{:#}", schema::configuration(crate::config::EXAMPLE))?,
            }
            Ok(0)
        }
        Command::Bench { tried, seconds } => measure(tried, *seconds, out),
    }
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::Rust => Self::Rust,
            Lang::Python => Self::Python,
            Lang::Js => Self::JavaScript,
        }
    }
}

fn new(name: &str, language: Language, dir: Option<&Path>, out: &mut dyn Write) -> Result<u8> {
    let folder = dir.unwrap_or(Path::new(name));
    scaffold::write(folder, name, language)?;
    writeln!(out, "{}: a new module in {}; {} is the rule", folder.display(), language.name(), language.rule())?;
    writeln!(out, "next:\n  cd {}", folder.display())?;
    if !language.preparation().is_empty() {
        writeln!(out, "  {}", language.preparation())?;
    }
    writeln!(out, "  gridwatch module test")?;
    Ok(0)
}

/// Builds a folder in its language, or of the Sigma rules in it.
fn made(folder: &Path, build: fn(&Path) -> Result<build::Built, build::BuildError>) -> Result<build::Built> {
    if !sigma::is_rules(folder) {
        return Ok(build(folder)?);
    }
    let (built, notes) = sigma::build(folder, embedded::interpreter()?)?;
    notes.iter().for_each(|note| eprintln!("note: {note}"));
    Ok(built)
}

fn built(built: &build::Built, out: &mut dyn Write) -> Result<()> {
    let build::Built { id, written_in, path, bytes } = built;
    let (kib, digest) = (bytes.len().div_ceil(1024), digest::short(bytes));
    writeln!(out, "{}@{}  {}, {kib} KiB  sha256:{digest}  {}", id.name, id.version, written_in, path.display())?;
    Ok(())
}

/// A module that is to be tried, with its cases.
struct Scene {
    loaded: Loaded,
    cases: Vec<gridwatch_cases::Case>,
    component: Component,
    digest: String,
    notice: Option<String>,
}

impl Scene {
    /// Builds a folder, or reads a file, and compiles it on this engine.
    fn of(tried: &Tried, engine: &Engine, out: &mut dyn Write) -> Result<Self> {
        let limits = Limits::default();
        let is_file = tried.module.is_file();
        let folder = match (&tried.cases, is_file) {
            (Some(cases), _) => cases.clone(),
            (None, false) => tried.module.join("cases"),
            (None, true) => bail!("{} is a file: say with --cases where its cases are", tried.module.display()),
        };
        let (path, bytes) = match is_file {
            true => {
                let path = tried.module.clone();
                let bytes = crate::modules::folder::bytes(&path, limits.component_bytes);
                (path.clone(), bytes.map_err(|what| anyhow!("{}: {what}", path.display()))?)
            }
            false => {
                let sink: &mut dyn Write = if tried.json { &mut std::io::sink() } else { out };
                let module = made(&tried.module, build::build_if_changed)?;
                built(&module, sink)?;
                (module.path, module.bytes)
            }
        };
        let cases = cases::read(&folder).map_err(|what| anyhow!("{what}"))?;
        let granted = Component::manifest_of(&bytes).map(|m| m.grants.iter().copied().collect()).unwrap_or_default();
        let component = Component::from_bytes(bytes, &granted, limits.component_bytes);
        let component = component.with_context(|| path.display().to_string())?;
        let loaded = Loaded::new(engine, &component).with_context(|| path.display().to_string())?;
        let signature = gridwatch_module::sign::signature_path(&path);
        let notice = (!signature.exists()).then(|| {
            format!(
                "notice: {} is not signed; `gridwatch run` serves it only with `allow_unsigned = true`",
                path.display()
            )
        });
        let digest = component.digest.clone();
        Ok(Self { loaded, cases, component, digest, notice })
    }

    /// On standard error: what is printed is for whoever reads it, and this is for whoever runs it.
    fn tell(&self) {
        if let Some(notice) = &self.notice {
            eprintln!("{notice}");
        }
    }
}

fn test(tried: &Tried, out: &mut dyn Write) -> Result<u8> {
    let engine = Engine::new(users_cache().as_deref())?;
    let scene = Scene::of(tried, &engine, out)?;
    let report = cases::test(&scene.loaded, &scene.cases);
    let manifest = &scene.loaded.manifest;
    let failed = report.cases.iter().filter(|case| !case.problems.is_empty()).count();
    if tried.json {
        let cases: Vec<_> = report
            .cases
            .iter()
            .map(|case| json!({ "case": case.name, "kind": case.kind, "about": case.about, "problems": case.problems }))
            .collect();
        let told = json!({
            "module": manifest.name, "version": manifest.version.to_string(), "digest": scene.digest,
            "holds": report.holds(), "cases": cases, "missing": report.gaps,
        });
        writeln!(out, "{told}")?;
        return Ok(u8::from(!report.holds()));
    }
    let width = report.cases.iter().map(|case| case.name.len()).max().unwrap_or_default();
    for case in &report.cases {
        let verdict = if case.problems.is_empty() { "ok  " } else { "FAIL" };
        writeln!(out, "  {verdict}  {:<9}  {:<width$}  {}", case.kind, case.name, case.about)?;
        for problem in &case.problems {
            problem.lines().try_for_each(|line| writeln!(out, "          {line}"))?;
        }
    }
    report.gaps.iter().try_for_each(|gap| writeln!(out, "  MISSING  {gap}"))?;
    let (cases, rules) = (report.cases.len(), manifest.rules.len());
    match (failed, report.gaps.len()) {
        (0, 0) => writeln!(out, "{cases} cases hold, of {rules} rules, each with every kind of case that it needs")?,
        (failed, gaps) => writeln!(out, "{failed} of {cases} cases don't hold; {gaps} kinds of cases are missing")?,
    }
    scene.tell();
    Ok(u8::from(!report.holds()))
}

fn check(tried: &Tried, out: &mut dyn Write) -> Result<u8> {
    let engine = Engine::measuring(users_cache().as_deref())?;
    let scene = Scene::of(tried, &engine, out)?;
    let Checked { held, problems, notes, cost } = check::check(&scene.loaded, &scene.cases);
    if tried.json {
        let told = json!({
            "module": scene.loaded.manifest.name, "version": scene.loaded.manifest.version.to_string(),
            "digest": scene.digest, "holds": problems.is_empty(), "held": held, "problems": problems, "notes": notes,
            "events": cost.events, "fuel_per_event": cost.per_event(), "fuel_per_event_worst_batch": cost.worst_per_event,
            "memory_bytes": cost.memory, "findings": cost.findings,
        });
        writeln!(out, "{told}")?;
        return Ok(u8::from(!problems.is_empty()));
    }
    held.iter().try_for_each(|line| writeln!(out, "  ok    {line}"))?;
    for problem in &problems {
        let mut lines = problem.lines();
        writeln!(out, "  FAIL  {}", lines.next().unwrap_or_default())?;
        lines.try_for_each(|line| writeln!(out, "        {line}"))?;
    }
    notes.iter().try_for_each(|line| writeln!(out, "  note  {line}"))?;
    match problems.len() {
        0 => writeln!(out, "{} passes", scene.loaded.manifest.name)?,
        n => writeln!(out, "{} doesn't pass: {n} problems", scene.loaded.manifest.name)?,
    }
    scene.tell();
    Ok(u8::from(!problems.is_empty()))
}

fn measure(tried: &Tried, seconds: u64, out: &mut dyn Write) -> Result<u8> {
    let engine = Engine::new(users_cache().as_deref())?;
    let scene = Scene::of(tried, &engine, out)?;
    let started = now();
    let clock = move || started.elapsed();
    let measured = bench::measure(&scene.loaded, &scene.cases, Duration::from_secs(seconds), &clock)?;
    let measuring = Loaded::new(&Engine::measuring(users_cache().as_deref())?, &scene.component)?;
    let cost = check::cost_of(&measuring, &scene.cases);
    let manifest = &scene.loaded.manifest;
    if tried.json {
        let told = json!({
            "module": manifest.name, "version": manifest.version.to_string(), "digest": scene.digest,
            "rounds": measured.rounds, "events": measured.events, "fastest_ns": measured.fastest_ns,
            "median_ns": measured.median_ns, "memory_bytes": measured.memory, "fuel_per_event": cost.per_event(),
            "findings_per_thousand": cost.hits_per_thousand(), "faults": measured.faults,
        });
        writeln!(out, "{told}")?;
        return Ok(0);
    }
    let bench::Measured { rounds, events, fastest_ns, median_ns, memory, .. } = measured;
    writeln!(
        out,
        "  time      {median_ns} ns an event ({fastest_ns} at best; {rounds} rounds of {events} events of its cases)"
    )?;
    writeln!(out, "  work      {} units of fuel an event, on any machine", cost.per_event())?;
    writeln!(out, "  memory    {} KiB", memory.div_ceil(1024))?;
    writeln!(out, "  finds     {} of 1,000 events of its cases", cost.hits_per_thousand())?;
    if measured.faults > 0 {
        writeln!(out, "  faults    {}: calls failed; `gridwatch module test` says why", measured.faults)?;
    }
    Ok(0)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}
