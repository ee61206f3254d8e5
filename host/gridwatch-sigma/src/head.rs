//! What Sigma doesn't say and a module has to: its name and version, and of rules how long an alert gathers findings, how loud they may
//! be, and what to do. `pack.toml` says it for all rules of a folder, `gridwatch:` in a rule for that one.

use crate::{File, Problem};
use gridwatch_manifest::document::Document;
use gridwatch_manifest::{Playbook, Step};
use rsigma_parser::Level;
use serde::Deserialize;
use std::collections::HashMap;
use yaml_serde::Value;

/// The file of a folder's own words.
pub const HEAD: &str = "pack.toml";
/// Where the folder doesn't say.
const VERSION: &str = "0.1.0";
const FOLD: &str = "24h";
/// Alerts of Medium or above, a day and thousand users.
const BUDGET: f64 = 1.0;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Head {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) title: String,
    pub(crate) fuel: Option<u64>,
    pub(crate) defaults: Own,
}

/// What a rule says for gridwatch alone; `None` leaves it to the folder's defaults.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Own {
    pub(crate) fold: Option<String>,
    pub(crate) budget: Option<f64>,
    /// Whose findings become one alert, as Sigma's fields.
    pub(crate) key: Option<Vec<String>>,
    pub(crate) playbook: Option<Playbook>,
}

impl Head {
    pub(crate) fn of(folder: &str, file: Option<&File>) -> Result<Self, Vec<Problem>> {
        let mut head = Self {
            name: slug(folder),
            version: VERSION.into(),
            title: "Sigma rules".into(),
            fuel: None,
            defaults: Own::default(),
        };
        let Some(file) = file else { return Ok(head) };
        let told = |problem: &gridwatch_manifest::document::Problem| Problem {
            file: file.name.clone(),
            line: problem.place.map_or(0, |place| place.line),
            what: match problem.key.as_str() {
                "" => problem.what.clone(),
                key => format!("`{key}` {}", problem.what),
            },
        };
        let document = Document::parse(&file.text).map_err(|problem| vec![told(&problem)])?;
        let mut root = document.root();
        head.name = root.text("name").unwrap_or(head.name);
        head.version = root.text("version").unwrap_or(head.version);
        head.title = root.text("title").unwrap_or(head.title);
        head.fuel = root.has("fuel").then(|| root.number("fuel", 1..=u64::MAX / 2, 1));
        let mut defaults = root.section("defaults");
        head.defaults.fold = defaults.text("fold");
        head.defaults.key = defaults.texts("key");
        let budget = defaults.json().get("budget").and_then(serde_json::Value::as_f64);
        defaults.know(&["budget"]);
        if defaults.has("budget") && budget.is_none() {
            defaults.problem("budget", "is not a number", None);
        }
        head.defaults.budget = budget;
        defaults.finish();
        root.finish();
        let problems: Vec<Problem> = document.into_problems().iter().map(told).collect();
        if problems.is_empty() { Ok(head) } else { Err(problems) }
    }
}

impl Own {
    /// Of a rule's attributes.
    pub(crate) fn of(attributes: &HashMap<String, Value>) -> Result<Self, String> {
        let Some(own) = attributes.get("gridwatch") else { return Ok(Self::default()) };
        yaml_serde::from_value(own.clone()).map_err(|error| format!("`gridwatch`: {error}"))
    }

    /// The same, with what these say where it says nothing.
    pub(crate) fn over(self, defaults: &Self) -> Self {
        Self {
            fold: self.fold.or_else(|| defaults.fold.clone()),
            budget: self.budget.or(defaults.budget),
            key: self.key.or_else(|| defaults.key.clone()),
            playbook: self.playbook.or_else(|| defaults.playbook.clone()),
        }
    }

    pub(crate) fn fold(&self) -> String {
        self.fold.clone().unwrap_or_else(|| FOLD.into())
    }

    /// Quieter ones have a budget of their own.
    pub(crate) fn budget(&self, level: Level) -> Option<f64> {
        let is_loud = !matches!(level, Level::Informational | Level::Low);
        self.budget.or_else(|| is_loud.then_some(BUDGET))
    }

    /// What to do, where nobody has said it.
    pub(crate) fn playbook(&self, references: &[String]) -> Playbook {
        let step = |text: &str| Step { text: text.to_owned(), method: None, scope: None, on: None };
        let mut playbook = self.playbook.clone().unwrap_or_default();
        if playbook.verify.is_empty() {
            playbook.verify.push(step("Look at the events, and ask whoever did it whether it was they and why"));
        }
        if playbook.contain.is_empty() {
            playbook
                .contain
                .push(step("If it was nobody's intention: undo what was done, and end the sessions of whoever did it"));
        }
        playbook.verify.extend(references.iter().map(|reference| step(&format!("Read {reference}"))));
        playbook
    }
}

/// A text as a name: small letters, digits and dashes, beginning with a letter; "" of what has none.
pub(crate) fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_lowercase() || (c.is_ascii_digit() && !slug.is_empty()) => slug.push(c),
            _ if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    slug.trim_end_matches('-').to_owned()
}
