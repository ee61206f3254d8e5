//! The loss report: of what Slack sent, how much is in a view? Measured by value on any corpus, so that nobody has to believe it.
//!
//! A leaf is a scalar, a `null`, or an empty array or object; empty is not the same as absent. A leaf of an entry arrives if
//! the view has its value as often as the entry does; text and number of the same digits are one value. The copy of the raw
//! bytes that a view may carry doesn't count. Where a view writes JSON as text (keys ending
//! in `_json`, for consumers that take no mixed types), the leaves in there count.

use super::View;
use gridwatch_event::event::Event;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

/// Paths and actions that are named; the others are only counted.
const MAX_NAMED: usize = 1_000;

#[derive(Debug, Default, Serialize)]
pub struct Report {
    pub entries: u64,
    /// Entries that are no JSON object: they count as one leaf, their bytes.
    pub unreadable: u64,
    pub leaves_in: u64,
    pub leaves_out: u64,
    /// Where in entries the lost leaves were, and how many.
    pub lost: BTreeMap<String, u64>,
    /// Distinct actions with a class of their own, and those without.
    pub actions_mapped: u64,
    pub actions_unmapped: BTreeMap<String, u64>,
    pub valid: u64,
    /// What the schema said, and how often.
    pub invalid: BTreeMap<String, u64>,
    #[serde(skip)]
    mapped: BTreeMap<String, u64>,
}

impl Report {
    /// Counts one event and what a view made of it. `problem` is what the view's schema has to say against it.
    pub fn add(&mut self, view: View, event: &Event, line: &str, problem: Option<String>) {
        self.entries += 1;
        self.action(event);
        match problem {
            None => self.valid += 1,
            Some(problem) => *slot(&mut self.invalid, problem) += 1,
        }
        let shown: Value = serde_json::from_str(line).unwrap_or(Value::Null);
        if !event.json().is_object() {
            self.unreadable += 1;
            self.leaves_in += 1;
            let kept = view == View::Raw
                || [raw(&shown, "raw_data"), raw(&shown, "event.original")].contains(&Some(event.raw()));
            self.leaves_out += u64::from(kept);
            return;
        }
        let mut there: HashMap<Cow<'_, str>, u32> = HashMap::new();
        leaves(&shown, &mut String::new(), &mut |path, leaf| {
            if !is_copy(path) {
                inside(path, leaf, &mut |leaf| *there.entry(leaf).or_default() += 1);
            }
        });
        leaves(event.json(), &mut String::new(), &mut |path, leaf| {
            self.leaves_in += 1;
            match there.get_mut(&value(leaf)) {
                Some(count) if *count > 0 => {
                    *count -= 1;
                    self.leaves_out += 1;
                }
                _ => *slot(&mut self.lost, pattern(path)) += 1,
            }
        });
    }

    pub fn is_clean(&self) -> bool {
        self.leaves_in == self.leaves_out && self.valid == self.entries
    }

    fn action(&mut self, event: &Event) {
        if super::ocsf::mapping(event.action()).is_known {
            let count = slot(&mut self.mapped, event.action().to_owned());
            *count += 1;
            self.actions_mapped += u64::from(*count == 1);
        } else {
            *slot(&mut self.actions_unmapped, event.action().to_owned()) += 1;
        }
    }
}

fn slot(counts: &mut BTreeMap<String, u64>, name: String) -> &mut u64 {
    let full = counts.len() >= MAX_NAMED && !counts.contains_key(&name);
    counts.entry(if full { "(more)".to_owned() } else { name }).or_default()
}

fn raw<'v>(shown: &'v Value, path: &str) -> Option<&'v str> {
    path.split('.').try_fold(shown, |value, key| value.get(key))?.as_str()
}

fn is_copy(path: &str) -> bool {
    matches!(path, "/raw_data" | "/event/original") || path.starts_with("/raw_data_hash/")
}

/// Every leaf with its path.
fn leaves<'v>(at: &'v Value, path: &mut String, found: &mut impl FnMut(&str, &'v Value)) {
    let length = path.len();
    match at {
        Value::Object(object) if !object.is_empty() => {
            for (key, inner) in object {
                path.push('/');
                path.push_str(key);
                leaves(inner, path, found);
                path.truncate(length);
            }
        }
        Value::Array(array) if !array.is_empty() => {
            for inner in array {
                path.push_str("/[]");
                leaves(inner, path, found);
                path.truncate(length);
            }
        }
        Value::Object(_) if path.is_empty() => {} // an entry without anything
        leaf => found(path, leaf),
    }
}

/// A leaf as text: a number that a view writes as text, for all its digits, is still there.
fn value(leaf: &Value) -> Cow<'_, str> {
    match leaf {
        Value::String(text) => Cow::Borrowed(text),
        Value::Number(number) => Cow::Borrowed(number.as_str()),
        Value::Null => Cow::Borrowed("\u{0}null"),
        Value::Bool(true) => Cow::Borrowed("\u{0}true"),
        Value::Bool(false) => Cow::Borrowed("\u{0}false"),
        Value::Array(_) => Cow::Borrowed("\u{0}[]"),
        Value::Object(_) => Cow::Borrowed("\u{0}{}"),
    }
}

/// The leaf itself and, where it is JSON in a text, what is in there.
fn inside<'v>(path: &str, leaf: &'v Value, found: &mut impl FnMut(Cow<'v, str>)) {
    found(value(leaf));
    let json = leaf.as_str().filter(|_| path.ends_with("_json"));
    if let Some(inner) = json.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
        leaves(&inner, &mut "/".to_owned(), &mut |_, leaf| found(Cow::Owned(value(leaf).into_owned())));
    }
}

/// A path for people: positions in lists don't matter.
fn pattern(path: &str) -> String {
    path.trim_start_matches('/').replace("/[]", "[]").replace('/', ".")
}
