//! A TOML document that people write (configuration, exceptions, manifests), read with the place of everything in it.
//!
//! A getter gives the value, or its default after noting a problem: the reading goes on, so that one run reports everything that
//! is wrong, each with its line and column, its key, what stands there and what is allowed.

mod problem;
mod size;

pub use problem::{Place, Problem};
pub use size::seconds_in;

use crate::span::span_text;
use gridwatch_names::suggest::did_you_mean;
use serde_json::{Map, Number, Value as Json};
use size::{bytes_in, bytes_text};
use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::RangeInclusive;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value of the document.
pub type Item<'d> = &'d Spanned<DeValue<'d>>;

/// A document, and the problems that its sections have noted so far.
#[derive(Debug)]
pub struct Document<'t> {
    text: &'t str,
    table: Spanned<DeTable<'t>>,
    problems: RefCell<Vec<Problem>>,
}

impl<'t> Document<'t> {
    /// # Errors
    ///
    /// What isn't valid TOML is one problem, without a key. It never repeats the line, which may hold a secret.
    pub fn parse(text: &'t str) -> Result<Self, Problem> {
        match DeTable::parse(text) {
            Ok(table) => Ok(Self { text, table, problems: RefCell::default() }),
            Err(error) => Err(not_toml(text, &error)),
        }
    }

    pub fn root(&self) -> Section<'_> {
        Section {
            document: self,
            path: String::new(),
            place: None,
            table: Some(self.table.get_ref()),
            below: None,
            known: Vec::new(),
        }
    }

    /// Everything that was noted, in the order of the document.
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.place);
        problems
    }

    fn place(&self, span: std::ops::Range<usize>) -> Place {
        Place::of(self.text, span.start)
    }
}

/// Why a text isn't TOML.
pub(crate) fn not_toml(text: &str, error: &toml::de::Error) -> Problem {
    Problem {
        place: error.span().map(|span| Place::of(text, span.start)),
        key: String::new(),
        what: format!("is not valid TOML: {}", error.message().trim()),
        hint: Some("texts and dates are in \"quotes\", sections in [brackets]".to_owned()),
    }
}

/// A table of the document, or one that isn't there and then has nothing in it.
#[derive(Debug)]
pub struct Section<'d> {
    document: &'d Document<'d>,
    /// As in `slack.rotation`; empty for the whole document.
    path: String,
    place: Option<Place>,
    table: Option<&'d DeTable<'d>>,
    /// What counts where the table says nothing.
    below: Option<Box<Section<'d>>>,
    /// Keys that were asked for. Others are unknown.
    known: Vec<&'static str>,
}

impl<'d> Section<'d> {
    pub fn is_present(&self) -> bool {
        self.table.is_some() || self.below.as_ref().is_some_and(|below| below.is_present())
    }

    /// The same section, with another one that counts for each key that it doesn't have, and so on in its sections.
    pub fn over(self, below: Self) -> Self {
        Self { below: Some(Box::new(below)), ..self }
    }

    /// Does the section itself have the key, and not only what lies below it?
    fn has_itself(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.iter().any(|(name, _)| name.get_ref() == key))
    }

    pub fn has(&self, key: &str) -> bool {
        self.item(key).is_some()
    }

    /// Where it begins; `None` of the whole document.
    pub fn place(&self) -> Option<Place> {
        self.place
    }

    /// The same section, whose keys are reported under another name than the path to it.
    pub fn called(self, name: String) -> Self {
        Self { path: name, ..self }
    }

    /// Notes what is wrong with a key. Where the key isn't there, its section stands in for the place; "" is the section itself.
    pub fn problem(&self, key: &str, what: impl Into<String>, hint: impl Into<Option<String>>) {
        let place = self.find(key).map(|(key, _)| self.document.place(key.span())).or(self.place);
        let problem = Problem { place, key: self.key(key), what: what.into(), hint: hint.into() };
        let mut problems = self.document.problems.borrow_mut();
        // What lies below several sections is read with each of them.
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    /// Notes that a value is of another type than `wanted`.
    pub fn wrong_type(&self, key: &str, item: Item<'_>, wanted: &str) {
        self.problem(key, format!("is of type {}; it has to be {wanted}", item.get_ref().type_str()), None);
    }

    /// These keys are known, though nothing asks for their values.
    pub fn know(&mut self, keys: &[&'static str]) {
        self.known.extend(keys);
    }

    /// Ends the reading of this section: what nobody asked for is unknown.
    pub fn finish(self) {
        self.finish_with(|_| None);
    }

    /// The same, with a hint of its own for some unknown keys.
    pub fn finish_with(self, hint: impl Fn(&str) -> Option<&'static str>) {
        for (key, _) in self.entries() {
            if !self.known.contains(&key) {
                let hint = match (hint(key), did_you_mean(key, self.known.iter().copied())) {
                    (Some(hint), _) => hint.to_owned(),
                    (None, Some(near)) => format!("did you mean `{near}`?"),
                    (None, None) => format!("known are {}", self.known.join(", ")),
                };
                self.problem(key, "unknown key", hint);
            }
        }
    }

    /// All keys with their values, for tables whose keys are free.
    pub fn entries(&self) -> impl Iterator<Item = (&'d str, Item<'d>)> + use<'d> {
        self.pairs().into_iter().map(|(key, item)| (key.get_ref().as_ref(), item))
    }

    /// All keys with their places.
    pub fn places(&self) -> Vec<(&'d str, Place)> {
        let pairs = self.pairs().into_iter();
        pairs.map(|(key, _)| (key.get_ref().as_ref(), self.document.place(key.span()))).collect()
    }

    fn pairs(&self) -> Vec<(&'d Spanned<Cow<'d, str>>, Item<'d>)> {
        let mut pairs: Vec<_> = self.table.into_iter().flat_map(|table| table.iter()).collect();
        for (key, item) in self.below.iter().flat_map(|below| below.pairs()) {
            if pairs.iter().all(|(known, _)| known.get_ref() != key.get_ref()) {
                pairs.push((key, item));
            }
        }
        pairs
    }

    pub fn section(&mut self, key: &'static str) -> Section<'d> {
        self.known.push(key);
        self.free_section(key)
    }

    /// A section whose name the one who wrote the document chose.
    pub fn free_section(&self, key: &str) -> Section<'d> {
        if let Some(below) = self.below.as_ref() {
            return match (self.has_itself(key), below.has(key)) {
                (false, _) => below.free_section(key),
                (true, false) => self.own_section(key),
                (true, true) => self.own_section(key).over(below.free_section(key)),
            };
        }
        self.own_section(key)
    }

    fn own_section(&self, key: &str) -> Section<'d> {
        let item = self.item(key);
        let table = item.and_then(|item| item.get_ref().as_table());
        if let (Some(item), None) = (item, table) {
            self.wrong_type(key, item, "a table");
        }
        let place = item.map(|item| self.document.place(item.span())).or(self.place);
        Section { document: self.document, path: self.key(key), place, table, known: Vec::new(), below: None }
    }

    /// `[[key]]`, each with its place.
    pub fn sections(&mut self, key: &'static str) -> Vec<Section<'d>> {
        let Some(item) = self.known_item(key) else { return Vec::new() };
        let tables: Option<Vec<_>> = item
            .get_ref()
            .as_array()
            .and_then(|items| items.iter().map(|item| Some((item.span(), item.get_ref().as_table()?))).collect());
        let Some(tables) = tables else {
            self.wrong_type(key, item, &format!("written as [[{key}]]"));
            return Vec::new();
        };
        let section = |(span, table)| {
            let place = Some(self.document.place(span));
            Section {
                document: self.document,
                path: self.key(key),
                place,
                table: Some(table),
                known: Vec::new(),
                below: None,
            }
        };
        tables.into_iter().map(section).collect()
    }

    pub fn text(&mut self, key: &'static str) -> Option<String> {
        self.text_with(key, None)
    }

    /// Notes a missing or empty text, with a hint on what to write.
    pub fn required_text(&mut self, key: &'static str, hint: &str) -> Option<String> {
        let text = self.text_with(key, Some(hint));
        if !self.has(key) {
            self.problem(key, "is missing", hint.to_owned());
        }
        text
    }

    fn text_with(&mut self, key: &'static str, hint: Option<&str>) -> Option<String> {
        let item = self.known_item(key)?;
        let text = item.get_ref().as_str().map(str::to_owned);
        match &text {
            None => self.wrong_type(key, item, "a text"),
            Some(text) if text.trim().is_empty() => self.problem(key, "is empty", hint.map(str::to_owned)),
            Some(_) => {}
        }
        text.filter(|text| !text.trim().is_empty())
    }

    /// A text, or a TOML date as it would be written in quotes.
    pub fn time_text(&mut self, key: &'static str) -> Option<String> {
        if let Some(time) = self.item(key).and_then(|item| item.get_ref().as_datetime()) {
            self.known.push(key);
            return Some(time.to_string());
        }
        self.text(key)
    }

    pub fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let Some(item) = self.known_item(key) else { return default };
        item.get_ref().as_bool().unwrap_or_else(|| {
            self.wrong_type(key, item, "true or false");
            default
        })
    }

    pub fn number(&mut self, key: &'static str, allowed: RangeInclusive<u64>, default: u64) -> u64 {
        let Some(item) = self.known_item(key) else { return default };
        let Some(number) = integer(item.get_ref()) else {
            self.wrong_type(key, item, "a whole number");
            return default;
        };
        self.in_range(key, number.into(), &number.to_string(), &allowed, |n| n.to_string()).unwrap_or(default)
    }

    /// Seconds, written as `90s`, `10m`, `24h` or `30d`.
    pub fn span(&mut self, key: &'static str, allowed: RangeInclusive<u64>, default: u64) -> u64 {
        let Some(item) = self.known_item(key) else { return default };
        let Some(text) = item.get_ref().as_str() else {
            self.wrong_type(key, item, "a span in quotes, as in \"90s\", \"10m\", \"24h\" or \"30d\"");
            return default;
        };
        let Some(seconds) = seconds_in(text) else {
            let hint = "write \"90s\", \"10m\", \"24h\" or \"30d\"".to_owned();
            self.problem(key, format!("`{text}` is not a span"), hint);
            return default;
        };
        self.in_range(key, seconds.into(), text, &allowed, span_text).unwrap_or(default)
    }

    /// Bytes, written as a number or as `512KiB`, `100MB`, `2GiB`.
    pub fn bytes(&mut self, key: &'static str, allowed: RangeInclusive<u64>, default: u64) -> u64 {
        let Some(item) = self.known_item(key) else { return default };
        let written = match (integer(item.get_ref()), item.get_ref().as_str()) {
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

    /// The same under a key that the one who wrote the document chose.
    pub fn free_choices<T: Copy>(&self, key: &str, item: Item<'_>, choices: &[(&'static str, T)]) -> Option<Vec<T>> {
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

    /// A list of texts, or one text alone.
    pub fn one_or_more(&mut self, key: &'static str) -> Option<Vec<String>> {
        let item = self.known_item(key)?;
        match item.get_ref() {
            DeValue::String(text) => Some(vec![text.to_string()]),
            _ => self.free_texts(key, item),
        }
    }

    /// A list of texts under a key that the one who wrote the document chose.
    pub fn free_texts(&self, key: &str, item: Item<'_>) -> Option<Vec<String>> {
        let texts = item.get_ref().as_array().and_then(|items| {
            let texts = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
            texts.collect::<Option<Vec<_>>>()
        });
        if texts.is_none() {
            self.wrong_type(key, item, "a list of texts");
        }
        texts
    }

    /// The whole section as JSON, for a reader who checks it later.
    pub fn json(&self) -> Map<String, Json> {
        let convert = |(key, item): (&str, Item<'_>)| match json(item.get_ref()) {
            Some(value) => Some((key.to_owned(), value)),
            None => {
                self.problem(key, "holds a date or a number that JSON doesn't have", None);
                None
            }
        };
        self.entries().filter_map(convert).collect()
    }

    /// A value as it stands there, which counts as asked for.
    pub fn known_item(&mut self, key: &'static str) -> Option<Item<'d>> {
        self.known.push(key);
        self.item(key)
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

    /// The whole name of a key, as problems have it.
    pub fn key(&self, key: &str) -> String {
        if let Some(below) = self.below.as_ref()
            && !self.has_itself(key)
            && below.has(key)
        {
            return below.key(key);
        }
        match (self.path.as_str(), key) {
            ("", key) => key.to_owned(),
            (path, "") => path.to_owned(),
            (path, key) => format!("{path}.{key}"),
        }
    }

    fn item(&self, key: &str) -> Option<Item<'d>> {
        self.find(key).map(|(_, item)| item)
    }

    fn find(&self, name: &str) -> Option<(&'d Spanned<Cow<'d, str>>, Item<'d>)> {
        let own = self.table.and_then(|table| table.iter().find(|(key, _)| key.get_ref() == name));
        own.or_else(|| self.below.as_ref()?.find(name))
    }
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// `None` of a date, and of a number that JSON doesn't have.
fn json(value: &DeValue<'_>) -> Option<Json> {
    match value {
        DeValue::String(text) => Some(text.as_ref().into()),
        DeValue::Integer(_) => integer(value).map(Json::from),
        DeValue::Float(number) => Number::from_f64(number.as_str().parse().ok()?).map(Json::Number),
        DeValue::Boolean(flag) => Some((*flag).into()),
        DeValue::Datetime(_) => None,
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(table) => {
            let field = |(key, item): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
                Some((key.get_ref().to_string(), json(item.get_ref())?))
            };
            table.iter().map(field).collect::<Option<_>>().map(Json::Object)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `LINE:COLUMN: KEY: WHAT`.
    fn problems(text: &str, read: impl FnOnce(Section<'_>)) -> Vec<String> {
        let document = Document::parse(text).unwrap();
        read(document.root());
        document.into_problems().iter().map(|problem| problem.to_string()).collect()
    }

    #[test]
    fn everything_wrong_is_reported_at_once_with_its_place_value_and_allowed_range() {
        let text =
            "\"é\" = 1\nlimit = 20_000\n[slack]\nkind = \"fast\"\n  every = \"9x\"\n[[sink]]\n[[sink]]\nnam = \"a\"\n";
        let told = problems(text, |mut root| {
            assert_eq!(root.number("limit", 1..=1_000, 7), 7);
            let mut slack = root.section("slack");
            assert_eq!(slack.choice("kind", &[("slow", 1), ("fat", 2)], 1), 1);
            assert_eq!(slack.span("every", 60..=7_200, 60), 60);
            slack.finish();
            for mut sink in root.sections("sink") {
                assert_eq!(sink.required_text("name", "name it"), None);
                sink.finish();
            }
            root.finish();
        });
        assert_eq!(
            told,
            [
                "1:1: é: unknown key\n  hint: known are limit, slack, sink",
                "2:1: limit: 20000 is over the maximum; allowed is 1 to 1000",
                "4:1: slack.kind: `fast` is not allowed; allowed is slow, fat\n  hint: did you mean `fat`?",
                "5:3: slack.every: `9x` is not a span\n  hint: write \"90s\", \"10m\", \"24h\" or \"30d\"",
                "6:1: sink.name: is missing\n  hint: name it",
                "7:1: sink.name: is missing\n  hint: name it",
                "8:1: sink.nam: unknown key\n  hint: did you mean `name`?",
            ]
        );
    }

    #[test]
    fn a_value_of_another_type_is_named_with_both_types() {
        let told = problems("a = 1\nb = \"x\"\nc = { d = 1 }\ne = []\nf = 1.5\n", |mut root| {
            assert_eq!((root.text("a"), root.flag("b", true)), (None, true));
            assert_eq!((root.texts("c"), root.section("e").is_present()), (None, false));
            assert_eq!(root.number("f", 0..=9, 3), 3);
            root.finish();
        });
        let wanted = [
            "1:1: a: is of type integer; it has to be a text",
            "2:1: b: is of type string; it has to be true or false",
            "3:1: c: is of type table; it has to be a list of texts",
            "4:1: e: is of type array; it has to be a table",
            "5:1: f: is of type float; it has to be a whole number",
        ];
        assert_eq!(told, wanted);
    }

    #[test]
    fn what_is_no_toml_has_its_place_and_never_the_line_itself() {
        let problem = Document::parse("a = 1\ntoken = xoxp-secret\n").unwrap_err();
        assert_eq!(problem.place.map(|place| place.line), Some(2));
        assert!(!problem.to_string().contains("xoxp"), "{problem}");
    }

    #[test]
    fn a_section_as_json_has_all_that_json_can_say() {
        let document =
            Document::parse("a = [1, 0x1F, 2.5, true]\nb = { c = \"é\" }\nd = 2026-12-31\ne = nan\n").unwrap();
        let json = Json::Object(document.root().json());
        assert_eq!(json, serde_json::json!({ "a": [1, 31, 2.5, true], "b": { "c": "é" } }));
        let keys: Vec<String> = document.into_problems().into_iter().map(|problem| problem.key).collect();
        assert_eq!(keys, ["d", "e"]);
    }
}
