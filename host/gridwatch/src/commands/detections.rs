//! `gridwatch detections`: every rule there is, as a table, as JSON or as a document. All of it stands in the manifests.

mod markdown;

use crate::look::detections::{Detection, detections};
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

fn json(detections: &[Detection], out: &mut dyn Write) -> Result<()> {
    writeln!(out, "{}", serde_json::to_string_pretty(detections)?)?;
    Ok(())
}
