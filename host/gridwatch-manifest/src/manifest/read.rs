//! Reading a manifest's text part by part, and finding the place that a problem is about: one slip hides no other.

use super::{RawManifest, rule::RawRule, setting::RawConfig, window::RawWindow};
use crate::document::{Place, Problem, not_toml};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, ValueDeserializer};

/// Slips of one part that are told before it is given up.
const MAX_SLIPS: usize = 20;

/// What could be read of a text, and what is wrong with its form.
pub(super) struct Read {
    /// `None`: so little that looking at what it says would tell of things that aren't so.
    pub(super) raw: Option<RawManifest>,
    pub(super) problems: Vec<Problem>,
}

pub(super) fn read(text: &str) -> Read {
    let mut reader = Reader { text, problems: Vec::new() };
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => return Read { raw: None, problems: vec![not_toml(text, &error)] },
    };
    let span = table.span();
    let mut table = table.into_inner();
    let rules = list(&mut table, "rule");
    let windows = list(&mut table, "window");
    let settings = keyed(&mut table, "config");
    let top: Option<RawManifest> = reader.part(Spanned::new(span, DeValue::Table(table)));
    let (of_rules, of_windows, of_settings) = (rules.len(), windows.len(), settings.len());
    let rule: Vec<RawRule> = rules.into_iter().filter_map(|rule| reader.part(rule)).collect();
    let window: Vec<RawWindow> = windows.into_iter().filter_map(|window| reader.part(window)).collect();
    let setting = |(name, setting)| Some((name, reader.part(setting)?));
    let config: BTreeMap<String, RawConfig> = settings.into_iter().filter_map(setting).collect();
    // What refers to a part that is missing here would be told as a mistake of its own.
    let is_whole = rule.len() == of_rules && window.len() == of_windows && config.len() == of_settings;
    let raw = top.filter(|_| is_whole).map(|top| RawManifest { rule, window, config, ..top });
    Read { raw, problems: reader.problems }
}

fn list<'t>(table: &mut DeTable<'t>, name: &str) -> Vec<Spanned<DeValue<'t>>> {
    match table.get(name).map(|value| value.get_ref().is_array()) {
        Some(true) => match table.remove(name).map(Spanned::into_inner) {
            Some(DeValue::Array(items)) => items.into_iter().collect(),
            _ => Vec::new(),
        },
        // Something else stands there: the whole says so.
        _ => Vec::new(),
    }
}

fn keyed<'t>(table: &mut DeTable<'t>, name: &str) -> Vec<(String, Spanned<DeValue<'t>>)> {
    match table.get(name).map(|value| value.get_ref().is_table()) {
        Some(true) => match table.remove(name).map(Spanned::into_inner) {
            Some(DeValue::Table(items)) => {
                items.into_iter().map(|(name, item)| (name.get_ref().to_string(), item)).collect()
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

struct Reader<'t> {
    text: &'t str,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// Takes out what doesn't fit, tells of it, and tries again: so every unknown key of a part is told.
    fn part<T: DeserializeOwned>(&mut self, mut value: Spanned<DeValue<'_>>) -> Option<T> {
        let mut taken: Vec<String> = Vec::new();
        let whole = value.span();
        for _ in 0..MAX_SLIPS {
            let error = match T::deserialize(ValueDeserializer::from(value.clone())) {
                Ok(part) => return Some(part),
                Err(error) => error,
            };
            let follows = taken.iter().any(|key| error.message() == format!("missing field `{key}`"));
            if follows {
                return None;
            }
            let span = error.span().unwrap_or(whole.clone());
            let place = Some(Place::of(self.text, span.start));
            let what = error.message().trim().to_owned();
            self.problems.push(Problem { place, key: String::new(), what, hint: None });
            taken.push(take_out(&mut value, &span)?);
        }
        None
    }
}

/// Removes the innermost thing that stands exactly there; its key, or "" where it is an item of a list.
fn take_out(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>) -> Option<String> {
    match value.get_mut() {
        DeValue::Table(table) => {
            let hit = table.iter().find(|(key, value)| key.span() == *span || value.span() == *span);
            if let Some(key) = hit.map(|(key, _)| key.get_ref().to_string()) {
                table.remove(key.as_str());
                return Some(key);
            }
            let inner: Vec<String> = table.keys().map(|key| key.get_ref().to_string()).collect();
            inner.iter().find_map(|key| take_out(table.get_mut(key.as_str())?, span))
        }
        DeValue::Array(items) => {
            if let Some(at) = items.iter().position(|item| item.span() == *span) {
                let all = std::mem::replace(items, DeArray::new()).into_iter().enumerate();
                *items = all.filter(|(n, _)| *n != at).map(|(_, item)| item).collect();
                return Some(String::new());
            }
            items.iter_mut().find_map(|item| take_out(item, span))
        }
        _ => None,
    }
}

/// Where the parts of a text stand.
pub(super) struct Places<'t> {
    lines: Vec<&'t str>,
    parts: Vec<Part>,
}

struct Part {
    /// As problems begin: ``rule `burst` ``.
    at: String,
    lines: Range<usize>,
}

impl<'t> Places<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let header = |line: &str| line.trim_start().starts_with('[') && line.trim_end().ends_with(']');
        let starts: Vec<usize> = (0..lines.len()).filter(|at| header(lines[*at])).collect();
        let mut parts: Vec<Part> = Vec::new();
        for (n, start) in starts.iter().enumerate() {
            let end = starts.get(n + 1).copied().unwrap_or(lines.len());
            let name = lines[*start].trim().trim_matches(['[', ']']);
            let named = |key: &str| {
                let value =
                    |line: &&str| line.trim_start().strip_prefix(key)?.trim_start().strip_prefix('=').map(quoted);
                lines[*start..end].iter().find_map(value).unwrap_or_default()
            };
            let at = match name.split_once('.') {
                None if name == "rule" => format!("rule `{}`", named("id")),
                None if name == "window" => format!("window `{}`", named("name")),
                None => name.to_owned(),
                Some(("config", setting)) => format!("config `{setting}`"),
                Some(("match", asked)) if !asked.contains('.') => format!("match `{asked}`"),
                // A table within the part before.
                Some(_) => {
                    if let Some(part) = parts.last_mut() {
                        part.lines.end = end;
                    }
                    continue;
                }
            };
            parts.push(Part { at, lines: *start..end });
        }
        Self { lines, parts }
    }

    /// The problem with the part that it is about and its place, as far as they are known: the first in its part that has what
    /// the problem quotes.
    pub(super) fn placed(&self, text: &str) -> Problem {
        let part =
            self.parts.iter().rev().find_map(|part| Some((&part.at, text.strip_prefix(&part.at)?.strip_prefix(": ")?)));
        let (key, what) = part.map_or((String::new(), text), |(at, what)| (at.clone(), what));
        Problem { place: self.place(text), key, what: what.to_owned(), hint: None }
    }

    fn place(&self, problem: &str) -> Option<Place> {
        let part = self.parts.iter().rev().find(|part| problem.starts_with(&part.at));
        let (lines, rest) = match part {
            Some(part) => (part.lines.clone(), &problem[part.at.len()..]),
            None => {
                let (key, rest) = problem.split_once(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
                let top = 0..self.parts.first().map_or(self.lines.len(), |part| part.lines.start);
                let is_key =
                    |line: &&str| line.trim_start().strip_prefix(key).is_some_and(|l| l.trim_start().starts_with('='));
                let start = self.lines[top.clone()].iter().position(is_key)?;
                (start..top.end, rest)
            }
        };
        let quoted = rest.split('`').skip(1).step_by(2).filter(|text| !text.is_empty());
        let holds = |text: &str| {
            let of_line = |(n, line): (usize, &&str)| Some((n, line.find(text)?));
            self.lines[lines.clone()].iter().enumerate().find_map(of_line)
        };
        let found = quoted.clone().find_map(|text| holds(&format!("\"{text}\"")));
        let (line, at) = found.or_else(|| quoted.clone().find_map(holds)).unwrap_or((0, 0));
        let line = lines.start + line;
        Some(Place { line: line + 1, column: Place::of(self.lines[line], at).column })
    }
}

/// What stands in quotes after an equals sign.
fn quoted(text: &str) -> String {
    text.split('"').nth(1).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use crate::manifest::Manifest;

    const TEXT: &str = "name = \"m\"
version = \"one\"
abi = \"gridwatch:detect@1\"
title = \"t\"
fields = [
  \"id\",
  \"user.id\",
]
[[window]]
name = \"w\"
kind = \"count\"
key = []
actions = [\"user_login\", \"login_failed\"]
span = \"soon\"
[[rule]]
id = \"any\"
title = \"t\"
actions = [\"user_login\"]
condition = \"c\"
threshold = \"1\"
severity = \"low\"
fold = \"24h\"
attack = [\"1110\"]
[rule.playbook]
verify = [{ do = \"ask\" }]
contain = [{ do = \"end\", method = \"admin.users.session.resett\" }]
[config.burst]
type = \"integer\"
help = \"h\"
default = 1
min = 2
";

    #[test]
    fn every_problem_has_its_line() {
        let problems = Manifest::parse(TEXT).unwrap_err().lines();
        let line = |part: &str| {
            let problem = problems
                .iter()
                .find(|problem| problem.contains(part))
                .unwrap_or_else(|| panic!("{part}: {problems:#?}"));
            problem.split_once(": ").map(|(place, _)| place.to_owned())
        };
        let found =
            ["version: ", "`user.id`", "`login_failed`", "`soon`", "1110", "session.resett", "its default"].map(line);
        assert_eq!(
            found,
            ["2:1", "7:3", "13:26", "14:8", "23:11", "26:35", "27:1"].map(|place| Some(place.to_owned())),
            "{problems:#?}"
        );
    }

    #[test]
    fn every_slip_of_form_is_told_at_once() {
        let text = TEXT
            .replace("title = \"t\"\nfields", "title = \"t\"\ntilte = 1\nfields")
            .replace("kind = \"count\"", "kind = \"count\"\nspam = true\nkeys = []")
            .replace("severity = \"low\"", "severity = \"lowest\"")
            .replace("help = \"h\"", "hlep = \"h\"");
        let problems = Manifest::parse(&text).unwrap_err().lines().join("\n");
        for part in [
            "5:1: unknown field `tilte`",
            "13:1: unknown field `spam`",
            "14:1: unknown field `keys`",
            "`lowest`",
            "`hlep`",
        ] {
            assert!(problems.contains(part), "{part}: {problems}");
        }
    }
}
