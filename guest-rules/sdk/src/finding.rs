//! What a detection returns. The host checks all of it, joins the evidence and folds findings into alerts.

use crate::row::{Row, Rule, Window};

/// OCSF's severity_id. The host caps it at what the manifest allows the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Severity {
    Informational = 1,
    Low = 2,
    Medium = 3,
    High = 4,
    Critical = 5,
}

/// One finding, built up: rule and severity come from [`Row::finding`], everything else is optional.
#[derive(Clone, Debug)]
#[must_use = "a finding counts only when it is added to the findings"]
#[cfg_attr(
    not(any(target_arch = "wasm32", feature = "testing")),
    expect(dead_code, reason = "whoever runs the module reads it: the host, or its tests")
)]
pub struct Finding {
    pub(crate) row: u32,
    pub(crate) rule: u32,
    pub(crate) severity: Severity,
    pub(crate) key: String,
    pub(crate) title: String,
    pub(crate) evidence: Vec<u64>,
    pub(crate) windows: Vec<u32>,
    pub(crate) labels: Vec<(String, String)>,
}

impl Finding {
    pub(crate) fn new(row: u32, rule: Rule, severity: Severity) -> Self {
        Self {
            row,
            rule: rule.0,
            severity,
            key: String::new(),
            title: String::new(),
            evidence: Vec::new(),
            windows: Vec::new(),
            labels: Vec::new(),
        }
    }

    /// Findings of one rule with one key in one period are one alert.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// One line that says what happened to whom: the reader may see nothing else.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Cites what a window counted as evidence.
    pub fn window(mut self, window: Window) -> Self {
        self.windows.push(window.0);
        self
    }

    /// Cites another row of this batch.
    pub fn evidence(mut self, row: &Row<'_>) -> Self {
        self.evidence.push(row.seq());
        self
    }

    /// A fact beside the title. Findings of one alert gather a label's different texts ("A1, A2"); of whole numbers the
    /// largest stays.
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((key.into(), value.into()));
        self
    }

    /// The labels whose value is given; "" is left out.
    pub fn labels<'l>(self, labels: impl IntoIterator<Item = (&'l str, &'l str)>) -> Self {
        let given = labels.into_iter().filter(|(_, value)| !value.is_empty());
        given.fold(self, |finding, (key, value)| finding.label(key, value))
    }
}

/// Where a detection puts its findings.
#[derive(Debug, Default)]
pub struct Findings {
    pub(crate) list: Vec<Finding>,
}

impl Findings {
    pub fn add(&mut self, finding: Finding) {
        self.list.push(finding);
    }

    /// Adds what a check may have found, and how many it found: `findings.extend(burst(row))`.
    pub fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.list.extend(findings);
    }
}
