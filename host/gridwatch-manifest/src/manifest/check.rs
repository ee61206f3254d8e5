//! What is checked of more than one part of a manifest, and where all problems are gathered.

use super::{ConfigKey, ConfigKind, MAX_BUDGET, MAX_MATCHES, MAX_SPAN_S};
use crate::expression::{Expression, Matcher};
use crate::field::{Field, MATCH};
use crate::span::parse_span;
use gridwatch_names::catalogue;
use gridwatch_names::suggest::did_you_mean;
use std::collections::{BTreeMap, BTreeSet};

/// Labels of one rule that are news, and those that are where a rule doesn't say.
const MAX_NEWS: usize = 8;
const USUAL_NEWS: [&str; 2] = ["reason", "scope"];

/// Collects problems so that all of them are told together.
#[derive(Default)]
pub(super) struct Check {
    pub(super) problems: Vec<String>,
    /// Lists of actions by name, and which of them something asked for.
    pub(super) sets: BTreeMap<String, Vec<String>>,
    used: BTreeSet<String>,
    /// What is asked under `[match]`, by name, and which of it something asks for.
    pub(super) matches: BTreeMap<String, Field>,
    used_matches: BTreeSet<String>,
}

impl Check {
    pub(super) fn problem(&mut self, text: String) {
        self.problems.push(text);
    }

    pub(super) fn take<T, E: ToString>(&mut self, at: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|e| self.problem(format!("{at}: {}", e.to_string()))).ok()
    }

    pub(super) fn fields(&mut self, at: &str, names: &[String]) -> Vec<Field> {
        names.iter().filter_map(|name| self.field(at, name)).collect()
    }

    pub(super) fn field(&mut self, at: &str, name: &str) -> Option<Field> {
        let Some(asked) = name.strip_prefix(MATCH) else { return self.take(at, Field::parse(name)) };
        match self.matches.get(asked) {
            Some(field) => {
                self.used_matches.insert(asked.to_owned());
                Some(field.clone())
            }
            None => {
                let near = did_you_mean(asked, self.matches.keys().map(String::as_str));
                let near = near.map(|near| format!("; did you mean `{MATCH}{near}`?")).unwrap_or_default();
                self.problem(format!("{at}: `{name}` names nothing under [match]{near}"));
                None
            }
        }
    }

    /// What the manifest asks under `[match]`.
    pub(super) fn matches(&mut self, raw: BTreeMap<String, toml::Value>) {
        if raw.len() > MAX_MATCHES {
            self.problem(format!("{} matches; at most {MAX_MATCHES}", raw.len()));
        }
        for (name, asked) in raw {
            let at = format!("match `{name}`");
            self.name(&at, &name);
            let asked = asked.try_into::<Expression>().map_err(|error| error.message().trim().to_owned());
            let asked = self.take(&at, asked).and_then(|asked| self.take(&at, Matcher::new(&asked)));
            self.matches.extend(asked.map(|matcher| (name.clone(), Field::matching(&name, matcher))));
        }
    }

    pub(super) fn unused_matches(&mut self) {
        let unused = self.matches.keys().filter(|name| !self.used_matches.contains(*name));
        let unused: Vec<String> =
            unused.map(|name| format!("match `{name}`: nothing refers to `{MATCH}{name}`")).collect();
        self.problems.extend(unused);
    }

    pub(super) fn news(&mut self, at: &str, labels: Option<Vec<String>>) -> Vec<String> {
        let labels = labels.unwrap_or_else(|| USUAL_NEWS.map(str::to_owned).into());
        if labels.len() > MAX_NEWS {
            self.problem(format!("{at}: {} labels are news; at most {MAX_NEWS}", labels.len()));
        }
        if labels.iter().any(String::is_empty) {
            self.problem(format!("{at}: `news` has a label without a name"));
        }
        labels
    }

    pub(super) fn span(&mut self, at: &str, text: &str) -> u64 {
        match parse_span(text) {
            Some(span) if (1..=MAX_SPAN_S).contains(&span) => span,
            _ => {
                self.problem(format!("{at}: `{text}` is not a span; write 90s, 10m, 24h or 30d, at most 400d, or a [config] key of type span"));
                0
            }
        }
    }

    /// A span, or the setting that gives it with its default.
    pub(super) fn span_or_setting(
        &mut self,
        at: &str,
        text: &str,
        config: &BTreeMap<String, ConfigKey>,
    ) -> (u64, Option<String>) {
        match config.get(text) {
            Some(key @ ConfigKey { kind: ConfigKind::Span { .. }, .. }) => {
                (key.for_module(&key.default).as_u64().unwrap_or_default(), Some(text.to_owned()))
            }
            Some(_) => {
                self.problem(format!("{at}: `{text}` is a [config] key of another type than span"));
                (0, None)
            }
            None => (self.span(at, text), None),
        }
    }

    pub(super) fn budget(&mut self, at: &str, stated: Option<f64>) -> f64 {
        match stated {
            Some(budget) if (0.0..=MAX_BUDGET).contains(&budget) => return budget,
            Some(budget) => self.problem(format!("{at}: budget {budget} is not within 0 and {MAX_BUDGET}")),
            None => self.problem(format!(
                "{at}: from medium on a rule states its `budget`: alerts of medium or above, a day and thousand users, \
                 that ordinary life may cost at most, such as 0.1"
            )),
        }
        0.0
    }

    /// The actions that a list means: `@name` stands for those of a set.
    pub(super) fn actions(&mut self, at: &str, listed: &[String]) -> Vec<String> {
        let mut actions = Vec::new();
        for item in listed {
            match item.strip_prefix('@') {
                None => actions.push(item.clone()),
                Some(name) => match self.sets.get(name) {
                    Some(set) => {
                        actions.extend(set.iter().cloned());
                        self.used.insert(name.to_owned());
                    }
                    None => {
                        let near = did_you_mean(name, self.sets.keys().map(String::as_str));
                        let near = near.map(|near| format!("; did you mean `@{near}`?")).unwrap_or_default();
                        self.problem(format!("{at}: `{item}` names no list under [sets]{near}"));
                    }
                },
            }
        }
        if listed.is_empty() {
            self.problem(format!("{at}: needs at least one action"));
        }
        for pattern in actions.iter().filter(|p| !catalogue::pattern_is_known(p)) {
            self.problem(format!("{at}: `{pattern}` is not in Slack's catalogue of actions; it would never fire"));
        }
        actions
    }

    pub(super) fn unused_sets(&mut self) {
        let unused: Vec<String> = self.sets.keys().filter(|name| !self.used.contains(*name)).cloned().collect();
        unused.iter().for_each(|name| self.problem(format!("sets: nothing refers to `@{name}`")));
    }

    pub(super) fn name(&mut self, at: &str, name: &str) {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if name.is_empty()
            || name.len() > 64
            || !name.starts_with(|c: char| c.is_ascii_lowercase())
            || !name.chars().all(fits)
        {
            self.problem(format!("{at}: `{name}` is not a valid name; use a-z, 0-9, - and _, starting with a letter"));
        }
    }

    pub(super) fn unique<'a>(&mut self, what: &str, names: impl Iterator<Item = &'a str>, max: usize) {
        let mut seen = BTreeSet::new();
        let mut count = 0;
        for name in names {
            count += 1;
            if !seen.insert(name) {
                self.problem(format!("{what} `{name}` is declared twice"));
            }
        }
        if count > max {
            self.problem(format!("{count} {what}s; at most {max}"));
        }
    }
}
