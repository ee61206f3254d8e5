//! `gridwatch coverage`: what the modules in a folder watch, what they don't, and why.

use crate::history::{History, Row};
use crate::input;
use crate::modules::embedded::Folder;
use crate::modules::manifests;
use anyhow::Result;
use clap::{Args, ValueEnum};
use gridwatch_event::time::UnixMillis;
use gridwatch_names::attack;
use gridwatch_rules::builtin;
use gridwatch_rules::coverage::{Coverage, Why, coverage, layers};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct Options {
    /// Folder of the modules. Without it: target/modules, or those that a release carries.
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    /// navigator is three layers for MITRE's ATT&CK Navigator: covered, gaps, observed in 30 days.
    #[arg(long, default_value = "table", value_enum)]
    format: Format,
    /// A sink's file with alerts (OCSF), to count what was observed in the last 30 days. May be given more than once.
    #[arg(long, value_name = "FILE")]
    alerts: Vec<PathBuf>,
    /// The state folder of a gridwatch, to count its alerts of the last 30 days.
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Json,
    Navigator,
}

/// # Errors
/// The modules or the alerts can't be read, or standard output refuses.
pub fn run(options: &Options, now: UnixMillis) -> Result<u8> {
    let folder = Folder::of(options.modules.as_deref())?;
    let all = of(folder.path(), &options.alerts, options.state_dir.as_deref(), now)?;
    let mut out = std::io::stdout().lock();
    match options.format {
        Format::Table => table(&all, &mut out)?,
        Format::Json => json(&all, &mut out)?,
        Format::Navigator => navigator(&all, &mut out)?,
    }
    Ok(0)
}

/// How far back alerts count as observed.
const OBSERVED_MS: u64 = 30 * 86_400_000;

/// Coverage of the modules in a folder. `alerts` are files that a sink wrote, `state_dir` has the history of one gridwatch; without
/// any, nobody has looked.
fn of(dir: &Path, alerts: &[PathBuf], state_dir: Option<&Path>, now: UnixMillis) -> Result<Coverage> {
    let manifests = manifests(dir)?;
    let all: Vec<_> = manifests.iter().chain([builtin::manifest()]).collect();
    let mut seen = BTreeSet::new();
    in_files(alerts, now, &mut seen)?;
    if let Some(state_dir) = state_dir {
        in_history(state_dir, now, &mut seen)?;
    }
    let looked = !alerts.is_empty() || state_dir.is_some();
    Ok(coverage(&all, looked.then(|| by_technique(seen)).as_ref()))
}

/// An alert's id and one of its techniques: each alert counts once however often it was sent.
type Seen = BTreeSet<(String, String)>;

fn is_recent(time: UnixMillis, now: UnixMillis) -> bool {
    now.since(time) <= OBSERVED_MS
}

/// Alerts that somebody was told of.
fn in_history(state_dir: &Path, now: UnixMillis, seen: &mut Seen) -> Result<()> {
    let is_shown = |row: &Row| is_recent(row.seen, now) && !row.is_suppressed;
    for alert in History::open(state_dir)?.alerts(is_shown)? {
        seen.extend(alert.attack.into_iter().map(|technique| (alert.uid.clone(), technique)));
    }
    Ok(())
}

/// OCSF Detection Findings of a sink's files, also packed or exported from a SIEM. What else is in there is told.
fn in_files(files: &[PathBuf], now: UnixMillis, seen: &mut Seen) -> Result<()> {
    for file in files {
        let (mut taken, mut other) = (0_u64, 0_u64);
        let report = input::alerts(std::slice::from_ref(file), |json| match serde_json::from_slice::<Value>(json) {
            Ok(alert) if alert["finding_info"]["uid"].is_string() => {
                taken += 1;
                in_alert(&alert, now, seen);
            }
            _ => other += 1,
        })?;
        let passed = report.entries + report.bare + report.odd + other;
        if passed > 0 || taken == 0 {
            let file = file.display();
            eprintln!("warning: {file} has {taken} alerts in OCSF; {passed} other values were passed over");
        }
    }
    Ok(())
}

fn in_alert(alert: &Value, now: UnixMillis, seen: &mut Seen) {
    let is_recent = alert["time"].as_u64().is_some_and(|time| is_recent(UnixMillis(time), now));
    let Some(uid) = alert["finding_info"]["uid"].as_str().filter(|_| is_recent) else { return };
    for attack in alert["finding_info"]["attacks"].as_array().into_iter().flatten() {
        let sub = attack["sub_technique"]["uid"].as_str();
        if let Some(id) = sub.or(attack["technique"]["uid"].as_str()) {
            seen.insert((uid.to_owned(), id.to_owned()));
        }
    }
}

fn by_technique(seen: Seen) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (_, technique) in seen {
        *counts.entry(technique).or_default() += 1;
    }
    counts
}

fn table(coverage: &Coverage, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "COVERED: {} techniques of ATT&CK v{}", coverage.covered.len(), attack::VERSION)?;
    for covered in &coverage.covered {
        let observed = covered.observed.map(|n| format!("  {n} alerts in 30 days")).unwrap_or_default();
        let rules: Vec<&str> = covered.rules.iter().map(String::as_str).collect();
        writeln!(out, "  {:<10} {:<44}{observed}  {}", covered.technique, name(&covered.technique), rules.join(", "))?;
    }
    for why in [Why::NoRule, Why::PartlyVisible, Why::NotVisible] {
        let gaps: Vec<_> = coverage.gaps.iter().filter(|gap| gap.why == why).collect();
        writeln!(out, "\nGAPS, {}: {}", why.text(), gaps.len())?;
        for gap in gaps {
            let rest = if gap.unseen.is_empty() {
                String::new()
            } else {
                format!(" - {}; closed by: {}", gap.unseen, gap.closes)
            };
            writeln!(out, "  {:<10} {}{rest}", gap.technique, gap.means)?;
        }
    }
    let unwatched: usize = coverage.unwatched.values().map(Vec::len).sum();
    writeln!(out, "\nACTIONS: {} of {} watched by a rule", coverage.watched.len(), coverage.watched.len() + unwatched)?;
    for (group, actions) in &coverage.unwatched {
        writeln!(out, "  not watched, {group} ({}): {}", actions.len(), actions.join(", "))?;
    }
    Ok(())
}

fn name(technique: &str) -> &'static str {
    attack::technique(technique).and_then(|technique| technique.name).unwrap_or_default()
}

fn json(coverage: &Coverage, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "{}", serde_json::to_string_pretty(coverage)?)?;
    Ok(())
}

/// Three layers in one file, for ATT&CK Navigator.
fn navigator(coverage: &Coverage, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "{}", serde_json::to_string_pretty(&layers(coverage))?)?;
    Ok(())
}
