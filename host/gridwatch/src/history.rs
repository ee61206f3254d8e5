//! The history of alerts: every alert that was made, as gridwatch knows it, kept in the state folder for people to ask about.
//!
//! It is a file sink of its own: each revision is a line, suppressed ones too, and the files rotate. The newest revision of an
//! alert counts. Reading takes no lock and works beside a running gridwatch.

use crate::clock::Clock;
use crate::folder;
use crate::sink::file::{FileSink, Rotation};
use anyhow::{Context, Result, bail};
use gridwatch_rules::alert::Alert;
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Its name among the sinks' positions; no sink can have it, for their names have no brackets.
pub const HISTORY: &str = "(alerts)";
/// Some twenty thousand alerts in all: one takes about 8 KB (measured on generated orgs).
const ROTATION: Rotation = Rotation { rotate_bytes: 16 << 20, keep: 12, keep_s: 0, keep_bytes: u64::MAX };
const FILE: &str = "alerts.ndjson";
/// Alerts named when an id isn't enough of one.
const MATCHES_SHOWN: usize = 10;

/// The file sink that it is written with, where the last saved `resume` left off.
pub fn open(state_dir: &Path, resume: Option<&Value>, clock: Clock) -> Result<FileSink> {
    let folder = path(state_dir);
    folder::make(&folder, folder::SHOWN).with_context(|| format!("can't make {}", folder.display()))?;
    FileSink::open(&folder.join(FILE), ROTATION, resume, clock).context("the history of alerts")
}

/// The newest revision of each alert, the alert of the newest event at the end.
pub fn alerts(state_dir: &Path) -> Result<Vec<Alert>> {
    let mut newest: HashMap<String, Alert> = HashMap::new();
    for file in files(state_dir)? {
        let mut odd = 0_u64;
        let reader = BufReader::new(File::open(&file).with_context(|| format!("can't read {}", file.display()))?);
        for line in reader.lines() {
            let line = line.with_context(|| format!("can't read {}", file.display()))?;
            let Ok(alert) = serde_json::from_str::<Alert>(&line) else {
                odd += 1;
                continue;
            };
            if newest.get(&alert.uid).is_none_or(|known| known.revision <= alert.revision) {
                newest.insert(alert.uid.clone(), alert);
            }
        }
        if odd > 0 {
            // One at the end may be just being written.
            tracing::warn!(lines = odd, file = %file.display(), "lines that are no alerts are left out");
        }
    }
    let mut alerts: Vec<Alert> = newest.into_values().collect();
    alerts.sort_by(|a, b| (a.last, &a.uid).cmp(&(b.last, &b.uid)));
    Ok(alerts)
}

/// The alert whose id is this, or begins with it if only one does.
pub fn find(state_dir: &Path, prefix: &str) -> Result<Alert> {
    let mut like: Vec<Alert> = alerts(state_dir)?.into_iter().filter(|a| is_named(a, prefix)).collect();
    if let Some(exact) = like.iter().position(|alert| alert.uid == prefix) {
        return Ok(like.swap_remove(exact));
    }
    match like.as_slice() {
        [] => bail!("no alert `{prefix}`\nhint: `gridwatch alerts list` lists those there are"),
        [_] => Ok(like.swap_remove(0)),
        several => {
            let shown =
                several.iter().rev().take(MATCHES_SHOWN).map(|a| format!("\n  {}  {}  {}", a.uid, a.last, a.title));
            let more = several.len().saturating_sub(MATCHES_SHOWN);
            let more = if more > 0 { format!("\n  and {more} older ones") } else { String::new() };
            let shown = shown.collect::<String>();
            bail!("{} alerts begin with `{prefix}`:{shown}{more}\nhint: give more of the id", several.len())
        }
    }
}

/// `gw-` may be left out.
fn is_named(alert: &Alert, prefix: &str) -> bool {
    !prefix.is_empty()
        && (alert.uid.starts_with(prefix) || alert.uid.strip_prefix("gw-").unwrap_or("").starts_with(prefix))
}

/// Bytes of all its files: when it is another, there is something new.
pub fn size(state_dir: &Path) -> Result<u64> {
    Ok(files(state_dir)?.iter().filter_map(|file| Some(file.metadata().ok()?.len())).sum())
}

/// The oldest first. Rotated names hold the number of their first record.
fn files(state_dir: &Path) -> Result<Vec<PathBuf>> {
    let folder = path(state_dir);
    let listing = std::fs::read_dir(&folder).map_err(|error| {
        let hint = "is this the `state_dir` of a gridwatch (a demo's is `state` in its folder), and has it run yet?";
        anyhow::anyhow!("can't read {}: {error}\nhint: {hint}", folder.display())
    })?;
    let mut files: Vec<PathBuf> = listing.filter_map(|file| Some(file.ok()?.path())).collect();
    let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    files.retain(|path| name(path).starts_with("alerts"));
    files.sort_by_key(|path| (name(path) == FILE, name(path)));
    Ok(files)
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("alerts")
}
