//! A basis: all that a module saw of the event that made it say something.
//!
//! A module is a pure function of its batch, so these fields, window values and lookup tables are the whole reason of a
//! finding; with them an alert can be explained without the module, and long after its windows have moved on.

use crate::batch::{self, Batch};
use crate::finding::Finding;
use crate::reading::Reading;
use crate::windows::{LEARNING, NEVER, NOT_YET};
use gridwatch_event::lookup::Tables;
use gridwatch_event::text::clean;
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::Field;
use gridwatch_manifest::{Manifest, WindowSpec};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Longest text of a field that is kept, in characters.
const MAX_TEXT: usize = 512;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// Slack's id of the event.
    pub event: String,
    pub action: String,
    /// The fields that the module reads and that aren't empty.
    pub fields: BTreeMap<String, String>,
    /// Those of them that were too long for the module: it saw their first part.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub cut: BTreeSet<String>,
    pub windows: Vec<Counted>,
    /// For each lookup table that the module may ask, which of the fields' texts are in it.
    pub lookups: BTreeMap<String, Vec<String>>,
}

/// A window's value as the module read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    pub window: String,
    /// As in the manifest.
    pub kind: String,
    /// The fields that it is read by; empty for the whole organization.
    pub key: Vec<String>,
    pub span_s: u64,
    pub value: u64,
    /// Whether the finding names the window's events as evidence.
    pub cited: bool,
}

impl Basis {
    /// Of a finding about the event at hand, which is a row of the batch that the module was given.
    pub fn of(finding: &Finding, reading: &Reading<'_>, manifest: &Manifest, batch: &Batch, tables: &Tables) -> Self {
        let (event, row) = (reading.event, finding.row);
        let is_cut = |field: &&Field| reading.text(field).len() > batch::MAX_TEXT;
        let texts: BTreeMap<&str, &str> =
            manifest.fields.iter().enumerate().map(|(i, field)| (field.label(), batch.text_at(i, row))).collect();
        let held = |table: &String| {
            let texts: BTreeSet<&str> = texts.values().copied().filter(|text| is_in(tables, table, text)).collect();
            (table.clone(), texts.into_iter().map(|text| clean(text, MAX_TEXT)).collect())
        };
        let counted =
            |(i, spec): (usize, &WindowSpec)| Counted::of(spec, batch.window_at(i, row), finding.windows.contains(&i));
        Self {
            event: clean(event.id(), MAX_TEXT),
            action: clean(event.action(), MAX_TEXT),
            cut: manifest.fields.iter().filter(is_cut).map(|field| field.label().to_owned()).collect(),
            lookups: manifest.lookups.iter().map(held).collect(),
            windows: manifest.windows.iter().enumerate().map(counted).collect(),
            fields: texts
                .into_iter()
                .filter(|(_, text)| !text.is_empty())
                .map(|(name, text)| (name.to_owned(), clean(text, MAX_TEXT)))
                .collect(),
        }
    }
}

fn is_in(tables: &Tables, table: &str, text: &str) -> bool {
    !text.is_empty() && tables.contains(table, text) == Some(true)
}

impl Counted {
    pub fn of(spec: &WindowSpec, value: u64, cited: bool) -> Self {
        let key = spec.read_key.as_ref().unwrap_or(&spec.key);
        Self {
            window: spec.name.clone(),
            kind: spec.kind.name().to_owned(),
            key: key.iter().map(|field| field.label().to_owned()).collect(),
            span_s: spec.span_s,
            value,
            cited,
        }
    }

    /// The value in words.
    pub fn text(&self) -> String {
        match (self.kind.as_str(), self.value) {
            ("first_seen" | "last_seen", NEVER) => "never before".into(),
            ("first_seen" | "last_seen", LEARNING) => "still learning".into(),
            ("first_seen" | "last_seen", ms) => UnixMillis(ms).seconds().to_string(),
            ("baseline", NOT_YET) => "still learning".into(),
            ("sequence", steps) => format!("{steps} steps"),
            ("travel", 0) => "no known journey".into(),
            ("travel", speed) => format!("{speed} km/h"),
            (_, value) => value.to_string(),
        }
    }

    /// Does it say how many? Then another day's are others.
    pub fn counts(&self) -> bool {
        matches!(self.kind.as_str(), "count" | "distinct" | "baseline")
    }

    /// Whether the window had anything to say.
    pub fn is_telling(&self) -> bool {
        self.cited || matches!(self.kind.as_str(), "first_seen" | "last_seen") || !matches!(self.value, 0 | NOT_YET)
    }
}
