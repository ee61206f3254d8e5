//! The history as gridwatch kept it before: lines of JSON in files that a sink rotated. Read like the log, and taken into it once.

use anyhow::{Context, Result};
use gridwatch_rules::alert::Alert;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

const FILE: &str = "alerts.ndjson";

/// The oldest first. Rotated names hold the number of their first record.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let listing = std::fs::read_dir(folder).with_context(|| format!("can't read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = listing.filter_map(|file| Some(file.ok()?.path())).collect();
    let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    files.retain(|path| name(path).starts_with("alerts") && name(path).contains(".ndjson"));
    files.sort_by_key(|path| (name(path) == FILE, name(path)));
    Ok(files)
}

/// Every record of a file, in its order.
pub(super) fn read(file: &Path) -> Result<Vec<Alert>> {
    let (mut alerts, mut odd) = (Vec::new(), 0_u64);
    let reader = BufReader::new(File::open(file).with_context(|| format!("can't read {}", file.display()))?);
    for line in reader.lines() {
        let line = line.with_context(|| format!("can't read {}", file.display()))?;
        match serde_json::from_str::<Alert>(&line) {
            Ok(alert) => alerts.push(alert),
            Err(_) => odd += 1,
        }
    }
    if odd > 0 {
        tracing::warn!(lines = odd, file = %file.display(), "lines that are no alerts are left out");
    }
    Ok(alerts)
}
