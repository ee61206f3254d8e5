//! The documents of a file, each parsed, and where something stands in them.

use crate::File;
use rsigma_parser::{CorrelationRule, SigmaRule, parse_sigma_yaml};
use std::fmt;
use yaml_serde::Value;

/// Something wrong, or worth knowing, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub file: String,
    /// From 1; 0 where no line is to blame.
    pub line: usize,
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.what),
            line => write!(f, "{}:{line}: {}", self.file, self.what),
        }
    }
}

/// One YAML document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Document<'t> {
    file: &'t str,
    first_line: usize,
    text: &'t str,
}

#[derive(Debug)]
pub(crate) enum Parsed {
    Rule(Box<SigmaRule>),
    Correlation(Box<CorrelationRule>),
}

/// Keys of `correlation` that are read.
const OF_CORRELATION: [&str; 9] =
    ["type", "rules", "group-by", "timespan", "timeframe", "condition", "aliases", "generate", "window"];

impl<'t> Document<'t> {
    /// A line that is `---` ends one; what has nothing but comments in it is none.
    pub(crate) fn all_of(file: &'t File) -> Vec<Self> {
        let mut documents = Vec::new();
        let (mut start, mut first_line) = (0, 1);
        let mut at = 0;
        let mut add = |from: usize, to: usize, first_line: usize| {
            let text = &file.text[from..to];
            let says = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
            if text.lines().any(says) {
                documents.push(Self { file: &file.name, first_line, text });
            }
        };
        for (n, line) in file.text.split_inclusive('\n').enumerate() {
            if line.trim_end() == "---" {
                add(start, at, first_line);
                (start, first_line) = (at + line.len(), n + 2);
            }
            at += line.len();
        }
        add(start, at, first_line);
        documents
    }

    pub(crate) fn problem(&self, line: usize, what: impl Into<String>) -> Problem {
        Problem { file: self.file.to_owned(), line, what: what.into() }
    }

    /// At the first line that has the first of these texts that stands anywhere, else where the document begins.
    pub(crate) fn at(&self, needles: &[&str], what: impl Into<String>) -> Problem {
        self.problem(self.line_of(needles), what)
    }

    pub(crate) fn line_of(&self, needles: &[&str]) -> usize {
        let stands = |needle: &&str| self.text.lines().position(|line| !is_comment(line) && line.contains(*needle));
        let found = needles.iter().filter(|needle| !needle.is_empty()).find_map(stands);
        let first = || self.text.lines().position(|line| !line.trim().is_empty() && !is_comment(line)).unwrap_or(0);
        self.first_line + found.unwrap_or_else(first)
    }

    pub(crate) fn has(&self, needle: &str) -> bool {
        self.text.lines().any(|line| !is_comment(line) && line.contains(needle))
    }

    pub(crate) fn parse(&self) -> Result<Parsed, Vec<Problem>> {
        let value: Value = yaml_serde::from_str(self.text).map_err(|error| {
            let line = error.location().map_or(1, |location| location.line());
            vec![self.problem(self.first_line + line - 1, format!("is not valid YAML: {error}"))]
        })?;
        let problems = self.form(&value);
        if !problems.is_empty() {
            return Err(problems);
        }
        let read = parse_sigma_yaml(self.text).map_err(|error| vec![self.of_parser(&error.to_string())])?;
        let problems: Vec<Problem> = read.errors.iter().map(|error| self.of_parser(error)).collect();
        match (read.rules.into_iter().next(), read.correlations.into_iter().next()) {
            _ if !problems.is_empty() => Err(problems),
            (Some(rule), _) => Ok(Parsed::Rule(Box::new(rule))),
            (None, Some(correlation)) => Ok(Parsed::Correlation(Box::new(correlation))),
            (None, None) => Err(vec![self.at(&[], "is no Sigma rule")]),
        }
    }

    /// What the parser would pass over or take for something else.
    fn form(&self, value: &Value) -> Vec<Problem> {
        let Some(top) = value.as_mapping() else { return vec![self.at(&[], "is no Sigma rule: it has no keys")] };
        let mut problems = Vec::new();
        if top.contains_key("action") {
            problems.push(self.at(&["action:"], "collections with `action` aren't taken; write each rule out"));
        }
        if top.contains_key("filter") {
            let what = "filters aren't taken; write an exception (`[exceptions]` in gridwatch.toml), which has an owner and an end";
            problems.push(self.at(&["filter:"], what));
        }
        if let Some(correlation) = top.get("correlation").and_then(Value::as_mapping) {
            let unknown = correlation.keys().filter_map(Value::as_str).filter(|key| !OF_CORRELATION.contains(key));
            for key in unknown {
                let what = format!("`{key}` of a correlation isn't known; known are {}", OF_CORRELATION.join(", "));
                problems.push(self.at(&[&format!("{key}:")], what));
            }
        }
        if let Some(detection) = top.get("detection").and_then(Value::as_mapping) {
            for (name, selection) in detection {
                let name = name.as_str().unwrap_or_default();
                if name == "timeframe" {
                    let what = "`timeframe` of a detection isn't taken; write a correlation";
                    problems.push(self.at(&["timeframe:"], what));
                } else if name != "condition" {
                    self.selection(selection, &mut problems);
                }
            }
        }
        problems
    }

    /// A value is a scalar or a list of them.
    fn selection(&self, selection: &Value, problems: &mut Vec<Problem>) {
        match selection {
            Value::Sequence(parts) => parts.iter().for_each(|part| self.selection(part, problems)),
            Value::Mapping(items) => {
                let is_plain = |value: &Value| !value.is_mapping() && !value.is_sequence();
                for (key, value) in items {
                    let key = key.as_str().unwrap_or_default();
                    let is_taken = match value {
                        Value::Sequence(values) => values.iter().all(is_plain),
                        value => is_plain(value),
                    };
                    if !is_taken {
                        let what = format!("`{key}` has something else than a value or a list of values");
                        problems.push(self.at(&[&format!("{key}:")], what));
                    }
                }
            }
            _ => {}
        }
    }

    /// The parser's words. What it quotes says where.
    fn of_parser(&self, error: &str) -> Problem {
        let quoted: Vec<&str> = error.split(['\'', '`']).skip(1).step_by(2).collect();
        let part = if error.contains("ondition") { "condition:" } else { "" };
        let needles: Vec<&str> = quoted.into_iter().chain([part]).collect();
        let what = error.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
        self.at(&needles, what)
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}
