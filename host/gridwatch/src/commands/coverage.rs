//! `gridwatch coverage`: what the modules in a folder watch, what they don't, and why.

use crate::history::History;
use crate::input;
use crate::look::coverage::{Seen, by_technique, in_history, is_recent};
use crate::modules::embedded::Folder;
use crate::modules::manifests;
use anyhow::Result;
use clap::{Args, ValueEnum};
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::Manifest;
use gridwatch_names::attack;
use gridwatch_rules::builtin;
use gridwatch_rules::coverage::{Coverage, Why, coverage, layers};
use gridwatch_settings::{Kind, SETTINGS, Setting, Source};
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
    /// Shows the settings of Slack instead: which way of each is looser, how that is known, and which rules read it.
    #[arg(long, conflicts_with_all = ["format", "alerts", "state_dir"])]
    settings: bool,
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
    if options.settings {
        settings(&manifests(folder.path())?, &mut std::io::stdout().lock())?;
        return Ok(0);
    }
    let all = of(folder.path(), &options.alerts, options.state_dir.as_deref(), now)?;
    let mut out = std::io::stdout().lock();
    match options.format {
        Format::Table => table(&all, &mut out)?,
        Format::Json => json(&all, &mut out)?,
        Format::Navigator => navigator(&all, &mut out)?,
    }
    Ok(0)
}

/// Coverage of the modules in a folder. `alerts` are files that a sink wrote, `state_dir` has the history of one gridwatch; without
/// any, nobody has looked.
fn of(dir: &Path, alerts: &[PathBuf], state_dir: Option<&Path>, now: UnixMillis) -> Result<Coverage> {
    let manifests = manifests(dir)?;
    let all: Vec<_> = manifests.iter().chain([builtin::manifest()]).collect();
    let mut seen = BTreeSet::new();
    in_files(alerts, now, &mut seen)?;
    if let Some(state_dir) = state_dir {
        in_history(&mut History::open(state_dir)?, now, |_| true, &mut seen)?;
    }
    let looked = !alerts.is_empty() || state_dir.is_some();
    Ok(coverage(&all, looked.then(|| by_technique(seen)).as_ref()))
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
    let count = |groups: &BTreeMap<_, Vec<&str>>| groups.values().map(Vec::len).sum::<usize>();
    let (watched, passed) = (coverage.watched.len(), count(&coverage.passed));
    let all = watched + passed + count(&coverage.unwatched);
    writeln!(
        out,
        "\nACTIONS: {watched} of {all} named by a rule, {passed} only by a pattern such as `pref.*`, which reads none of them"
    )?;
    for (how, groups) in [("only by a pattern", &coverage.passed), ("not watched", &coverage.unwatched)] {
        for (group, actions) in groups {
            writeln!(out, "  {how}, {group} ({}): {}", actions.len(), actions.join(", "))?;
        }
    }
    Ok(())
}

/// Each setting, whether its direction can be told and why, and who reads it.
fn settings(manifests: &[Manifest], out: &mut dyn Write) -> Result<()> {
    let (prefs, controls): (Vec<&Setting>, Vec<_>) =
        SETTINGS.iter().partition(|setting| setting.action.starts_with("pref."));
    let told = prefs.iter().filter(|setting| setting.kind != Kind::Untold).count();
    writeln!(
        out,
        "PREFERENCES: {} in Slack's catalogue; of {told} their values say which way they went\n",
        prefs.len()
    )?;
    prefs.iter().try_for_each(|setting| line(setting, manifests, out))?;
    writeln!(out, "\nCONTROLS that are no preference: {}\n", controls.len())?;
    controls.iter().try_for_each(|setting| line(setting, manifests, out))
}

fn line(setting: &Setting, manifests: &[Manifest], out: &mut dyn Write) -> Result<()> {
    let rules = manifests.iter().flat_map(|manifest| manifest.rules.iter().map(move |rule| (manifest, rule)));
    let readers = rules.filter(|(_, rule)| rule.actions.iter().any(|action| action == setting.action));
    let readers: Vec<String> = readers.map(|(manifest, rule)| format!("{}.{}", manifest.name, rule.id)).collect();
    let known = match (setting.kind, setting.source) {
        (Kind::Untold, _) => "can't be told",
        (_, Source::Values) => "by values seen",
        (_, Source::Name) => "by its name",
    };
    writeln!(out, "{}: {}", setting.action, setting.means)?;
    writeln!(out, "    {known}: {}", setting.why)?;
    let readers = if readers.is_empty() { "no rule".to_owned() } else { readers.join(", ") };
    writeln!(out, "    guards {}; read by {readers}", first_or_nothing(setting.guards.name()))?;
    Ok(())
}

fn first_or_nothing(text: &str) -> &str {
    if text.is_empty() { "nothing that harms anybody" } else { text }
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
