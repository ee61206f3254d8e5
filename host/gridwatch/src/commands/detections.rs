//! `gridwatch detections`: every rule there is, as a table, as JSON or as a document. All of it stands in the manifests.

mod markdown;

use crate::modules;
use crate::modules::embedded::Folder;
use anyhow::Result;
use clap::{Args, ValueEnum};
use gridwatch_manifest::{Manifest, Playbook, Rule, Step};
use gridwatch_rules::builtin;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct Options {
    /// Folder of the modules. Without it: target/modules, or those that a release carries.
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    /// table has one line per rule; md is a document with an index and a section per rule; json is for machines.
    #[arg(long, default_value = "table", value_enum)]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Md,
    Json,
}

/// # Errors
/// The modules can't be read, or standard output refuses.
pub fn run(options: &Options) -> Result<u8> {
    let all = manifests(Folder::of(options.modules.as_deref())?.path())?;
    let mut out = std::io::stdout().lock();
    match options.format {
        Format::Table => table(&detections(&all), &mut out)?,
        Format::Md => markdown::markdown(&all, &mut out)?,
        Format::Json => json(&detections(&all), &mut out)?,
    }
    Ok(0)
}

/// One rule. The field names are those of `--format json`.
#[derive(Debug, Serialize)]
pub struct Detection {
    /// `<module>.<rule>`.
    pub id: String,
    /// `<name>@<version>`.
    pub module: String,
    pub title: String,
    pub actions: Vec<String>,
    pub condition: String,
    pub threshold: String,
    /// The highest that the rule can give.
    pub severity: &'static str,
    /// Alerts of Medium or above (of a lower rule: of its severity) that ordinary life may cost at most, a day and thousand
    /// users.
    pub budget: f64,
    pub response: Vec<String>,
    pub attack: Vec<String>,
}

/// The manifests of a folder of modules, and the one of gridwatch's built-in rules.
fn manifests(dir: &Path) -> Result<Vec<Manifest>> {
    let mut manifests = modules::manifests(dir)?;
    manifests.push(builtin::manifest().clone());
    Ok(manifests)
}

/// Every rule of the manifests, in their order.
fn detections(manifests: &[Manifest]) -> Vec<Detection> {
    manifests.iter().flat_map(|manifest| manifest.rules.iter().map(|rule| detection(manifest, rule))).collect()
}

fn detection(manifest: &Manifest, rule: &Rule) -> Detection {
    Detection {
        id: format!("{}.{}", manifest.name, rule.id),
        module: format!("{}@{}", manifest.name, manifest.version),
        title: rule.title.clone(),
        actions: rule.actions.clone(),
        condition: one_line(&rule.condition),
        threshold: one_line(&rule.threshold),
        severity: rule.severity.name(),
        budget: rule.budget,
        response: response(&rule.playbook),
        attack: rule.attack.clone(),
    }
}

/// `contain: End all sessions of the user (admin.users.session.reset, scope admin.users:write)`
fn response(playbook: &Playbook) -> Vec<String> {
    let phases = [("verify", &playbook.verify), ("contain", &playbook.contain), ("then", &playbook.then)];
    phases
        .into_iter()
        .flat_map(|(phase, steps)| steps.iter().map(move |step| format!("{phase}: {}", step_text(step))))
        .collect()
}

fn step_text(step: &Step) -> String {
    let method = step.method.as_ref().map(|method| match &step.scope {
        Some(scope) => format!(" ({method}, scope {scope})"),
        None => format!(" ({method})"),
    });
    format!("{}{}", one_line(&step.text), method.unwrap_or_default())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// For a terminal: what fits into a line each.
fn table(detections: &[Detection], out: &mut dyn Write) -> Result<()> {
    let width = detections.iter().map(|d| d.id.len()).max().unwrap_or_default();
    writeln!(out, "{:<width$}  {:<13}  {:<22}  TITLE", "RULE", "SEVERITY", "ATT&CK")?;
    for d in detections {
        writeln!(out, "{:<width$}  {:<13}  {:<22}  {}", d.id, d.severity, d.attack.join(" "), d.title)?;
    }
    writeln!(out, "{} rules; conditions, thresholds and responses: --format md or json", detections.len())?;
    Ok(())
}

fn json(detections: &[Detection], out: &mut dyn Write) -> Result<()> {
    writeln!(out, "{}", serde_json::to_string_pretty(detections)?)?;
    Ok(())
}
