//! One component for all rules that nobody compiles. `gridwatch module build` puts a manifest into it, made of a folder of Sigma rules;
//! what it is to do for that manifest comes with its settings, as `program`.
//!
//! What a rule asks of an event, the host answers (`[match]`), and what it counts, the host counts. Left for the interpreter is to look
//! which of them hold and to say so: it has no rule of its own, and nothing to remember.

use gridwatch_sdk::prelude::*;
use gridwatch_sdk::{Configuration, Rule, Text, Window};
use serde::Deserialize;
use serde_json::{Map, Value};

#[cfg(target_arch = "wasm32")]
gridwatch_sdk::export_module!(Config, detect);

/// Of a text that is told or folded by, so much; several of them are one line.
const MAX_CHARS: usize = 120;

/// The settings, with the program's thresholds filled in from them.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct Config {
    program: Program,
}

/// As `gridwatch-sigma` writes it.
#[derive(Debug, Default, Deserialize)]
struct Program {
    who: Vec<u32>,
    rules: Vec<Steps>,
}

/// What is done for one rule of the manifest.
#[derive(Debug, Deserialize)]
struct Steps {
    title: String,
    severity: u8,
    /// What the first window counts: "events within 10m".
    counted: Option<String>,
    labels: Vec<(String, u32)>,
    /// The first of them that holds makes a finding.
    ways: Vec<Way>,
}

#[derive(Debug, Deserialize)]
struct Way {
    asked: u32,
    key: Vec<u32>,
    reached: Vec<Reached>,
}

#[derive(Debug, Deserialize)]
struct Reached {
    window: u32,
    at_least: u64,
    setting: Option<String>,
    at_most: Option<u64>,
}

impl Configuration for Config {}

impl TryFrom<Map<String, Value>> for Config {
    type Error = String;

    fn try_from(mut settings: Map<String, Value>) -> Result<Self, String> {
        let program = settings.remove("program").ok_or("there is no program: the manifest has to have one")?;
        let mut program: Program = serde_json::from_value(program).map_err(|e| format!("program: {e}"))?;
        let reached = program.rules.iter_mut().flat_map(|rule| &mut rule.ways).flat_map(|way| &mut way.reached);
        for reached in reached {
            if let Some(name) = &reached.setting {
                let value = settings.get(name).and_then(Value::as_u64);
                reached.at_least = value.ok_or_else(|| format!("program: there is no setting `{name}`"))?;
            }
        }
        Ok(Self { program })
    }
}

pub fn detect(row: &Row<'_>, config: &Config, findings: &mut Findings) {
    for (rule, steps) in (0..).zip(&config.program.rules) {
        if let Some(way) = steps.ways.iter().find(|way| way.holds(row)) {
            findings.add(steps.finding(Rule(rule), way, &config.program.who, row));
        }
    }
}

impl Way {
    fn holds(&self, row: &Row<'_>) -> bool {
        row.text_id(Text(self.asked)) != 0 && self.reached.iter().all(|reached| reached.holds(row))
    }

    /// Whose it is; "" of a key without fields.
    fn key(&self, row: &Row<'_>) -> String {
        self.key.iter().map(|column| first_part(row.text(Text(*column)))).collect::<Vec<_>>().join(", ")
    }
}

impl Reached {
    fn holds(&self, row: &Row<'_>) -> bool {
        let value = row.window(Window(self.window));
        value >= self.at_least && self.at_most.is_none_or(|most| value <= most)
    }
}

impl Steps {
    fn finding(&self, rule: Rule, way: &Way, who: &[u32], row: &Row<'_>) -> Finding {
        let key = way.key(row);
        let doer = who.iter().map(|column| row.text(Text(*column))).find(|text| !text.is_empty());
        let doer = first_part(doer.unwrap_or("somebody unnamed"));
        let title = match (&self.counted, way.reached.first()) {
            (Some(counted), Some(first)) if key.is_empty() => {
                format!("{}: {} {counted}; the last is {doer}'s", self.title, row.window(Window(first.window)))
            }
            (Some(counted), Some(first)) => {
                format!(
                    "{}: {} {counted} for {key}; the last is {doer}'s",
                    self.title,
                    row.window(Window(first.window))
                )
            }
            _ => format!("{}: {doer}", self.title),
        };
        let labels = self.labels.iter().map(|(name, column)| (name.as_str(), row.text(Text(*column))));
        let finding = row.finding(rule, severity(self.severity)).key(key).title(title).labels(labels);
        way.reached.iter().fold(finding, |finding, reached| finding.window(Window(reached.window)))
    }
}

fn first_part(text: &str) -> &str {
    text.char_indices().nth(MAX_CHARS).map_or(text, |(end, _)| &text[..end])
}

fn severity(id: u8) -> Severity {
    match id {
        0 | 1 => Severity::Informational,
        2 => Severity::Low,
        3 => Severity::Medium,
        4 => Severity::High,
        _ => Severity::Critical,
    }
}
