//! `gridwatch detections`: every rule there is, as a table, as JSON or as a document. All of it stands in the manifests.

mod markdown;

use crate::context::Paths;
use crate::look::detections::{Detection, Heard, detections};
use crate::look::running;
use crate::modules;
use crate::modules::embedded::Folder;
use anyhow::Result;
use clap::{Args, ValueEnum};
use gridwatch_manifest::Manifest;
use gridwatch_rules::builtin;
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
    /// The state folder of a gridwatch. Listed is which of the rules could not have found anything there, and which modules still learn.
    #[arg(long, value_name = "DIR", conflicts_with = "format")]
    state_dir: Option<PathBuf>,
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
    if let Some(dir) = &options.state_dir {
        unable(&all, dir, &mut out)?;
        return Ok(0);
    }
    match options.format {
        Format::Table => table(&detections(&all), &mut out)?,
        Format::Md => markdown::markdown(&all, &mut out)?,
        Format::Json => json(&detections(&all), &mut out)?,
    }
    Ok(0)
}

/// The manifests of a folder of modules, and the one of gridwatch's built-in rules.
fn manifests(dir: &Path) -> Result<Vec<Manifest>> {
    let mut manifests = modules::manifests(dir)?;
    manifests.push(builtin::manifest().clone());
    Ok(manifests)
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

/// What of them could not have found anything on a state folder, and why.
fn unable(manifests: &[Manifest], state_dir: &Path, out: &mut dyn Write) -> Result<()> {
    let status = running::status(state_dir)?.unwrap_or_default();
    for (org, of_org) in &status.orgs {
        let heard = Heard::of(&Paths::of(state_dir).of_org(org), of_org);
        let whose = org.name().map(|name| format!("{name}: ")).unwrap_or_default();
        let (mut learn, mut silent) = (0, 0);
        for manifest in manifests {
            if let Some(what) = heard.learning(manifest, None) {
                learn += 1;
                writeln!(out, "{whose}{}: {what}", manifest.name)?;
            }
        }
        for manifest in manifests {
            for rule in &manifest.rules {
                if let Some(why) = heard.silent(&manifest.name, rule) {
                    silent += 1;
                    writeln!(out, "{whose}{}.{}: {why}", manifest.name, rule.id)?;
                }
            }
        }
        writeln!(out, "{whose}{learn} modules still learn; {silent} rules could not have found anything")?;
    }
    Ok(())
}

fn json(detections: &[Detection], out: &mut dyn Write) -> Result<()> {
    writeln!(out, "{}", serde_json::to_string_pretty(detections)?)?;
    Ok(())
}
