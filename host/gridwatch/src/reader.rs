//! Walking the raw text: typed access to keys that knows where each stands and collects what is wrong with it.
//!
//! A getter gives the value, or its default after noting a problem: the walk goes on, so that one run tells everything. This room
//! knows no section by name: the configuration and the kinds of sinks read theirs with it.

mod problem;

pub use problem::{Problem, Problems};

use gridwatch_manifest::parse_span;
use gridwatch_names::slip::did_you_mean;
use serde_json::{Map, Number, Value as Json};
use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use toml_edit::{Item, TableLike, Value};

pub const KIB: u64 = 1 << 10;
pub const MIB: u64 = 1 << 20;
pub const GIB: u64 = 1 << 30;
pub const HOUR_S: u64 = 3_600;
pub const DAY_S: u64 = 86_400;

/// What a file is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Everything in it is used.
    Run,
    /// Only what was written earlier is read.
    Look,
}

/// Where paths and secrets come from.
pub struct Edge<'e> {
    pub file: &'e Path,
    /// The file's folder: relative paths begin there.
    pub folder: PathBuf,
    pub env: &'e dyn Fn(&str) -> Option<String>,
    pub purpose: Purpose,
}

impl Edge<'_> {
    /// Notes a missing folder around `path`. Who only looks writes nothing, and may not even see where that would be.
    pub fn needs_parent(&self, section: &Section<'_>, key: &str, path: &Path) {
        if self.purpose == Purpose::Look {
            return;
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.is_dir()) {
            let hint = format!("mkdir -p {}", parent.display());
            section.problem(key, format!("there is no folder {}", parent.display()), hint);
        }
    }
}

#[derive(Debug)]
pub struct Reader<'t> {
    text: &'t str,
    problems: RefCell<Vec<Problem>>,
}

impl<'t> Reader<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, problems: RefCell::default() }
    }

    pub fn line(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|b| *b == b'\n').count()
    }

    fn line_of(&self, span: Option<std::ops::Range<usize>>) -> Option<usize> {
        span.map(|span| self.line(span.start))
    }

    pub fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }
}

/// A table of the file, or one that isn't there and then has nothing in it.
pub struct Section<'t> {
    reader: &'t Reader<'t>,
    /// As in `slack.rotation`; empty for the whole file.
    path: String,
    line: Option<usize>,
    table: Option<&'t dyn TableLike>,
    /// Keys that were asked for. Others are unknown.
    known: Vec<&'static str>,
}

impl<'t> Section<'t> {
    pub fn root(reader: &'t Reader<'t>, table: &'t dyn TableLike) -> Self {
        Self { reader, path: String::new(), line: None, table: Some(table), known: Vec::new() }
    }

    pub fn is_present(&self) -> bool {
        self.table.is_some()
    }

    pub fn has(&self, key: &str) -> bool {
        self.item(key).is_some()
    }

    /// Notes what is wrong with a key. Where the key isn't there, its section stands in for the place.
    pub fn problem(&self, key: &str, what: impl Into<String>, hint: impl Into<Option<String>>) {
        let span =
            self.table.and_then(|table| table.key(key).and_then(|k| k.span()).or_else(|| table.get(key)?.span()));
        let line = self.reader.line_of(span).or(self.line);
        let mut problem = Problem::new(line, &self.key(key), what.into());
        if let Some(hint) = hint.into() {
            problem.hint(hint);
        }
        self.reader.problems.borrow_mut().push(problem);
    }

    /// These keys are known, though nothing asks for their values.
    pub fn know(&mut self, keys: &[&'static str]) {
        self.known.extend(keys);
    }

    /// Ends the reading of this section: what nobody asked for is unknown.
    pub fn finish(self) {
        for (key, _) in self.entries() {
            if !self.known.contains(&key) {
                let hint = match did_you_mean(key, self.known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known are {}", self.known.join(", ")),
                };
                self.problem(key, "unknown key", hint);
            }
        }
    }

    /// All keys with their items, for tables whose keys are free.
    pub fn entries(&self) -> impl Iterator<Item = (&'t str, &'t Item)> + use<'t> {
        let table = self.table;
        table.into_iter().flat_map(|table| table.iter())
    }

    pub fn section(&mut self, key: &'static str) -> Section<'t> {
        self.known.push(key);
        self.free_section(key)
    }

    /// A section with a name that isn't ours.
    pub fn free_section(&self, key: &str) -> Section<'t> {
        let item = self.item(key);
        let table = item.and_then(Item::as_table_like);
        if let (Some(item), None) = (item, table) {
            self.wrong_type(key, item, "a table");
        }
        self.child(self.key(key), item, table)
    }

    /// `[[key]]`, each with its place.
    pub fn sections(&mut self, key: &'static str) -> Vec<Section<'t>> {
        self.known.push(key);
        let Some(item) = self.item(key) else { return Vec::new() };
        let Some(tables) = item.as_array_of_tables() else {
            self.wrong_type(key, item, &format!("written as [[{key}]]"));
            return Vec::new();
        };
        let child = |table: &'t toml_edit::Table| Section {
            line: self.reader.line_of(table.span()),
            ..self.child(self.key(key), None, Some(table))
        };
        tables.iter().map(child).collect()
    }

    pub fn text(&mut self, key: &'static str) -> Option<String> {
        let item = self.known_item(key)?;
        let text = item.as_str().map(str::to_owned);
        match &text {
            None => self.wrong_type(key, item, "a text"),
            Some(text) if text.trim().is_empty() => self.problem(key, "is empty", None),
            Some(_) => {}
        }
        text.filter(|text| !text.trim().is_empty())
    }

    /// Notes a missing key, with a hint on what to write.
    pub fn required_text(&mut self, key: &'static str, hint: &str) -> Option<String> {
        let text = self.text(key);
        if !self.has(key) {
            self.problem(key, "is missing", hint.to_owned());
        }
        text
    }

    /// A text, or a TOML date as it would be written in quotes.
    pub fn time_text(&mut self, key: &'static str) -> Option<String> {
        if let Some(time) = self.item(key).and_then(Item::as_datetime) {
            self.known.push(key);
            return Some(time.to_string());
        }
        self.text(key)
    }

    pub fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let Some(item) = self.known_item(key) else { return default };
        item.as_bool().unwrap_or_else(|| {
            self.wrong_type(key, item, "true or false");
            default
        })
    }

    pub fn number(&mut self, key: &'static str, allowed: RangeInclusive<u64>, default: u64) -> u64 {
        let Some(item) = self.known_item(key) else { return default };
        let Some(number) = item.as_integer() else {
            self.wrong_type(key, item, "a whole number");
            return default;
        };
        self.in_range(key, number.into(), &number.to_string(), &allowed, |n| n.to_string()).unwrap_or(default)
    }

    /// Seconds, written as `90s`, `10m`, `24h` or `30d`.
    pub fn span(&mut self, key: &'static str, allowed: RangeInclusive<u64>, default: u64) -> u64 {
        let Some(item) = self.known_item(key) else { return default };
        let Some(text) = item.as_str() else {
            self.wrong_type(key, item, "a span in quotes, as in \"90s\", \"10m\", \"24h\" or \"30d\"");
            return default;
        };
        let Some(seconds) = seconds_in(text) else {
            self.problem(
                key,
                format!("`{text}` is not a span"),
                "write \"90s\", \"10m\", \"24h\" or \"30d\"".to_owned(),
            );
            return default;
        };
        self.in_range(key, seconds.into(), text, &allowed, span_text).unwrap_or(default)
    }

    /// Bytes, written as a number or as `512KiB`, `100MB`, `2GiB`.
    pub fn bytes(&mut self, key: &'static str, allowed: RangeInclusive<u64>, default: u64) -> u64 {
        let Some(item) = self.known_item(key) else { return default };
        let written = match (item.as_integer(), item.as_str()) {
            (Some(number), _) => Some((i128::from(number), number.to_string())),
            (_, Some(text)) => bytes_in(text).map(|bytes| (bytes.into(), text.to_owned())),
            _ => None,
        };
        let Some((bytes, shown)) = written else {
            let hint = "write a number of bytes, or \"512KiB\", \"100MB\", \"2GiB\"".to_owned();
            self.problem(key, "is not a size", hint);
            return default;
        };
        self.in_range(key, bytes, &shown, &allowed, bytes_text).unwrap_or(default)
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&'static str, T)], default: T) -> T {
        let Some(text) = self.text(key) else { return default };
        self.chosen(key, &text, choices).unwrap_or(default)
    }

    /// Several of a few words, each once.
    pub fn choices<T: Copy>(&mut self, key: &'static str, choices: &[(&'static str, T)]) -> Option<Vec<T>> {
        let item = self.known_item(key)?;
        self.free_choices(key, item, choices)
    }

    pub fn free_choices<T: Copy>(&self, key: &str, item: &'t Item, choices: &[(&'static str, T)]) -> Option<Vec<T>> {
        let texts = self.free_texts(key, item)?;
        for (i, text) in texts.iter().enumerate() {
            if texts[..i].contains(text) {
                self.problem(key, format!("`{text}` is listed twice"), None);
            }
        }
        Some(texts.iter().filter_map(|text| self.chosen(key, text, choices)).collect())
    }

    pub fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        let item = self.known_item(key)?;
        self.free_texts(key, item)
    }

    pub fn free_texts(&self, key: &str, item: &'t Item) -> Option<Vec<String>> {
        let texts = item.as_array().and_then(|items| {
            let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
            texts.collect::<Option<Vec<_>>>()
        });
        if texts.is_none() {
            self.wrong_type(key, item, "a list of texts");
        }
        texts
    }

    /// Where its keys stand.
    pub fn lines(&self) -> Vec<(&'t str, usize)> {
        let lines = self.entries().filter_map(|(key, item)| {
            let span = self.table?.key(key).and_then(|k| k.span()).or_else(|| item.span());
            Some((key, self.reader.line_of(span).or(self.line)?))
        });
        lines.collect()
    }

    /// The whole section as JSON, for a reader who checks it later.
    pub fn json(&self) -> Map<String, Json> {
        let convert = |(key, item): (&str, &Item)| match item_json(item) {
            Some(value) => Some((key.to_owned(), value)),
            None => {
                self.problem(key, "holds a date or a number that JSON doesn't have", None);
                None
            }
        };
        self.entries().filter_map(convert).collect()
    }

    fn chosen<T: Copy>(&self, key: &str, text: &str, choices: &[(&'static str, T)]) -> Option<T> {
        let chosen = choices.iter().find(|(word, _)| *word == text);
        if chosen.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let hint = did_you_mean(text, words.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            self.problem(key, format!("`{text}` is not allowed; allowed is {}", words.join(", ")), hint);
        }
        chosen.map(|(_, value)| *value)
    }

    fn in_range(
        &self,
        key: &str,
        value: i128,
        shown: &str,
        allowed: &RangeInclusive<u64>,
        text: fn(u64) -> String,
    ) -> Option<u64> {
        let side = match u64::try_from(value) {
            Ok(value) if allowed.contains(&value) => return Some(value),
            Ok(value) if value > *allowed.end() => "over the maximum",
            _ => "under the minimum",
        };
        let (least, most) = (text(*allowed.start()), text(*allowed.end()));
        self.problem(key, format!("{shown} is {side}; allowed is {least} to {most}"), None);
        None
    }

    pub fn wrong_type(&self, key: &str, item: &Item, wanted: &str) {
        self.problem(key, format!("is of type {}; it has to be {wanted}", item.type_name()), None);
    }

    fn key(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }

    fn item(&self, key: &str) -> Option<&'t Item> {
        self.table?.get(key).filter(|item| !item.is_none())
    }

    fn known_item(&mut self, key: &'static str) -> Option<&'t Item> {
        self.known.push(key);
        self.item(key)
    }

    fn child(&self, path: String, item: Option<&'t Item>, table: Option<&'t dyn TableLike>) -> Section<'t> {
        Section {
            reader: self.reader,
            path,
            line: self.reader.line_of(item.and_then(Item::span)).or(self.line),
            table,
            known: Vec::new(),
        }
    }
}

/// `parse_span` cuts off the last byte, so it may only see ASCII.
pub fn seconds_in(text: &str) -> Option<u64> {
    text.is_ascii().then(|| parse_span(text)).flatten()
}

const UNITS: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

fn bytes_in(text: &str) -> Option<u64> {
    let unit = UNITS.iter().find(|(unit, _)| text.ends_with(unit));
    let (unit, factor) = unit.copied().unwrap_or(("", 1));
    let number = text.strip_suffix(unit)?.trim_end();
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn bytes_text(bytes: u64) -> String {
    let fits = UNITS[..3].iter().rev().find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor));
    fits.map_or(bytes.to_string(), |(unit, factor)| format!("{}{unit}", bytes / factor))
}

fn span_text(seconds: u64) -> String {
    let units = [("d", 86_400), ("h", 3_600), ("m", 60)];
    let fits = units.iter().find(|(_, factor)| seconds > 0 && seconds.is_multiple_of(*factor));
    fits.map_or(format!("{seconds}s"), |(unit, factor)| format!("{}{unit}", seconds / factor))
}

fn item_json(item: &Item) -> Option<Json> {
    match (item.as_value(), item.as_table_like(), item.as_array_of_tables()) {
        (Some(value), _, _) => value_json(value),
        (_, Some(table), _) => table_json(table),
        (_, _, Some(tables)) => tables.iter().map(|table| table_json(table)).collect(),
        _ => None,
    }
}

fn table_json(table: &dyn TableLike) -> Option<Json> {
    let fields = table.iter().map(|(key, item)| Some((key.to_owned(), item_json(item)?)));
    Some(Json::Object(fields.collect::<Option<_>>()?))
}

fn value_json(value: &Value) -> Option<Json> {
    match value {
        Value::String(text) => Some(text.value().as_str().into()),
        Value::Integer(number) => Some((*number.value()).into()),
        Value::Float(number) => Number::from_f64(*number.value()).map(Json::Number),
        Value::Boolean(flag) => Some((*flag.value()).into()),
        Value::Datetime(_) => None,
        Value::Array(items) => items.iter().map(value_json).collect(),
        Value::InlineTable(table) => table_json(table),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_are_read_and_written() {
        for (text, bytes) in [
            ("512KiB", Some(524_288)),
            ("100 MB", Some(100_000_000)),
            ("2GiB", Some(2_147_483_648)),
            ("17", Some(17)),
            ("1.5GiB", None),
            ("", None),
            ("MiB", None),
            ("-1", None),
            ("99999999999GiB", None),
        ] {
            assert_eq!(bytes_in(text), bytes, "{text}");
        }
        assert_eq!((bytes_text(2 << 30), bytes_text(1001)), ("2GiB".into(), "1001".into()));
        assert_eq!((span_text(7200), span_text(61), span_text(0)), ("2h".into(), "61s".into(), "0s".into()));
        assert_eq!(
            (seconds_in("90s"), seconds_in("5µ"), seconds_in("é"), seconds_in("")),
            (Some(90), None, None, None)
        );
    }
}
