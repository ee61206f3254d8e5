//! Judges: which version of each module, with which settings, has judged which events.
//!
//! A row says it from a sequence number on, until the next row. It is written in the commit of the first events that it is about, so what
//! it says and what was judged are one. Beside the store is a mirror of the rows (`judged-by.ndjson`), for those who read while
//! gridwatch runs; it is written after the commit, and completed at the start.

use super::OrgStore;
use super::changes::Changes;
use super::rows::JUDGES;
use anyhow::{Context, Result};
use gridwatch_event::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Rows that a start keeps; the oldest go first.
const MAX: usize = 10_000;

/// Who judges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judges {
    /// By name.
    pub modules: BTreeMap<String, Judge>,
    /// Modules and rules in shadow.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub shadow: BTreeSet<String>,
    /// Lookup tables and networks, by the digest under which they are kept; `None` of what an older gridwatch wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lists: Option<String>,
    /// The exceptions file, likewise; `None` also where none is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exceptions: Option<String>,
}

impl Judges {
    /// Digests of what is kept of it beside the modules.
    pub fn kept(&self) -> impl Iterator<Item = &String> {
        self.lists.iter().chain(&self.exceptions)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judge {
    pub version: String,
    /// SHA-256 of the file.
    pub digest: String,
    /// The settings that it was configured with.
    pub settings: serde_json::Value,
}

/// A row, and a line of the mirror.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgedBy {
    pub from_seq: u64,
    pub at: UnixMillis,
    #[serde(flatten)]
    pub judges: Judges,
}

impl JudgedBy {
    pub fn mirror(org_dir: &Path) -> PathBuf {
        org_dir.join("judged-by.ndjson")
    }

    /// The lines of a mirror, in order. A line that isn't whole is passed over: the row that it is of is in the store.
    ///
    /// # Errors
    /// There is none, or it can't be read.
    pub fn read(path: &Path) -> Result<Vec<Self>> {
        let text = std::fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }
}

impl OrgStore {
    /// All rows, the oldest first.
    ///
    /// # Errors
    /// The store refuses.
    pub fn judged_by(&self) -> Result<Vec<JudgedBy>> {
        let mut found = Vec::new();
        for row in self.scan(JUDGES) {
            let (key, value) = row?;
            found.extend(self.rows.readable(JUDGES.open_json::<JudgedBy>(&key, &value)));
        }
        Ok(found)
    }

    pub(super) fn put_judges(&self, batch: &mut Changes, judged_by: &JudgedBy) -> Result<()> {
        self.put(batch, JUDGES, &judged_by.from_seq.to_be_bytes(), judged_by)
    }

    /// Makes the mirror anew of all rows that are to be kept, at a start.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn mirror_judges(&self, org_dir: &Path) -> Result<()> {
        let (mut lines, mut batch) = (Vec::new(), Changes::default());
        let mut rows = self.judged_by()?;
        // Whoever judged what the archive no longer has is of no interest.
        let first = self.archive.first_seq()?;
        let needed = rows.iter().rposition(|row| row.from_seq <= first).unwrap_or(0);
        for old in rows.drain(..needed.max(rows.len().saturating_sub(MAX))) {
            batch.remove(self.key(JUDGES, &old.from_seq.to_be_bytes()));
        }
        self.rows.commit(batch)?;
        for judged_by in rows {
            serde_json::to_writer(&mut lines, &judged_by)?;
            lines.push(b'\n');
        }
        let path = JudgedBy::mirror(org_dir);
        crate::disk::replace_private(&path, &lines).with_context(|| format!("can't write {}", path.display()))
    }
}

/// Adds a line to the mirror. Failing to is told and no more: the next start makes it anew.
pub fn add_to_mirror(org_dir: &Path, judged_by: &JudgedBy) {
    let path = JudgedBy::mirror(org_dir);
    let write = || -> Result<()> {
        let line = [serde_json::to_vec(judged_by)?, vec![b'\n']].concat();
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&path)?;
        Ok(file.write_all(&line)?)
    };
    if let Err(error) = write() {
        tracing::warn!(error = format!("{error:#}"), path = %path.display(), "the mirror of who judged can't be written");
    }
}
