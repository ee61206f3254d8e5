//! A finding: what a rule returned for a row, first as the module said it, then as the host believes it.
//!
//! Everything a module sends is hostile until checked here: rows and rules that don't exist, severities above its
//! manifest's, evidence it never saw, texts that would repaint a terminal.

use crate::batch::Batch;
use gridwatch_event::text::clean;
use gridwatch_manifest::{Manifest, Severity};

/// Longest title and dedup key, in characters.
pub const MAX_TITLE: usize = 200;
pub const MAX_KEY: usize = 256;
/// Labels of a finding, and the characters of each part of one.
pub const MAX_LABELS: usize = 32;
pub const MAX_LABEL: usize = 1_024;
/// Events a finding may cite itself.
pub const MAX_EVIDENCE: usize = 256;

/// A finding as the module returned it. Mirrors `finding` in `wit/detect.wit`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawFinding {
    pub row: u32,
    pub rule: u32,
    pub severity: u8,
    pub dedup_key: String,
    pub title: String,
    pub evidence: Vec<u64>,
    pub windows: Vec<u32>,
    pub labels: Vec<(String, String)>,
}

/// A finding that has been checked against the batch and the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub row: usize,
    pub rule: usize,
    pub severity: Severity,
    pub dedup_key: String,
    pub title: String,
    /// Rows of the batch.
    pub evidence: Vec<usize>,
    /// Positions in the manifest's windows.
    pub windows: Vec<usize>,
    pub labels: Vec<(String, String)>,
}

/// Why a finding was thrown away: the module said something that can't be true.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFinding {
    #[error("names row {row} of a batch of {rows}")]
    Row { row: u32, rows: usize },
    #[error("names rule {rule} of {rules}")]
    Rule { rule: u32, rules: usize },
    #[error("cites event {seq}, which is not in its batch")]
    Evidence { seq: u64 },
    #[error("cites window {window} of {windows}")]
    Window { window: u32, windows: usize },
    #[error("fires rule `{rule}` on an action it did not subscribe to")]
    Unsubscribed { rule: String },
}

impl RawFinding {
    /// `action` is the row's action: a rule may only fire on what it declared.
    ///
    /// # Errors
    /// It says something that can't be true: the first such thing.
    pub fn check(
        self,
        batch: &Batch,
        manifest: &Manifest,
        action: impl Fn(usize) -> String,
    ) -> Result<Finding, InvalidFinding> {
        let row = self.row as usize;
        if row >= batch.rows() {
            return Err(InvalidFinding::Row { row: self.row, rows: batch.rows() });
        }
        let Some(rule) = manifest.rules.get(self.rule as usize) else {
            return Err(InvalidFinding::Rule { rule: self.rule, rules: manifest.rules.len() });
        };
        let action = action(row);
        if !rule.actions.iter().any(|p| gridwatch_names::catalogue::pattern_matches(p, &action)) {
            return Err(InvalidFinding::Unsubscribed { rule: rule.id.clone() });
        }
        if let Some(window) = self.windows.iter().find(|w| **w as usize >= manifest.windows.len()) {
            return Err(InvalidFinding::Window { window: *window, windows: manifest.windows.len() });
        }
        let row_of = |seq: &u64| batch.seqs.binary_search(seq).map_err(|_| InvalidFinding::Evidence { seq: *seq });
        let evidence = self.evidence.iter().take(MAX_EVIDENCE).map(row_of).collect::<Result<_, _>>()?;
        let label = |(key, value): (String, String)| (clean(&key, MAX_LABEL), clean(&value, MAX_LABEL));
        Ok(Finding {
            row,
            rule: self.rule as usize,
            severity: Severity::from_id(self.severity).min(rule.severity),
            dedup_key: clean(&self.dedup_key, MAX_KEY),
            title: clean(&self.title, MAX_TITLE),
            evidence,
            windows: self.windows.iter().map(|w| *w as usize).collect(),
            labels: self.labels.into_iter().take(MAX_LABELS).map(label).collect(),
        })
    }
}
