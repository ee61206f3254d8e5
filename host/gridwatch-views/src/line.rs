//! A line: how a record is written, and what of it is left out so that it isn't longer than its sink allows.
//!
//! What says which record it is stands at its beginning: a reader that cuts lines off, as syslog and some agents do, still has
//! that. A record that is too long is made shorter by a fixed order of steps, stays valid by its schema, and names what was cut:
//! each attribute, and how much it had. The whole of it is in the archive, or in `gridwatch alerts show`.

use crate::leaves::Taken;
use crate::shown::Shown;
use gridwatch_event::json::Out;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Longest line of a sink that doesn't say otherwise, with its line feed: what rsyslog, Docker and many agents take by default
/// is 8 or 16 KiB.
pub const DEFAULT_MAX_BYTES: usize = 16 << 10;
/// The least that may be asked for. What says which record it is takes up to 4 KiB, what was cut up to another 2.
pub const LEAST_MAX_BYTES: usize = 7 << 10;
/// Bytes of the longest line that are left to what takes it further: syslog puts time, host and name before it. And rsyslog's 8 KiB are
/// 8,096 bytes.
const HEADER_BYTES: usize = 256;

/// How the records of a view are laid out.
#[derive(Debug)]
pub(super) struct Layout {
    /// Of the objects in these places, which keys come first, which lists and objects come after the texts and numbers, and which
    /// keys come last; otherwise it goes by name.
    pub(super) order: &'static [Order],
    /// Where it is said what was cut.
    pub(super) cut_at: &'static [&'static str],
    /// OCSF's own words for it, `is_truncated` and `untruncated_size` (in kilobytes), stand in this object.
    pub(super) truncated_in: Option<&'static str>,
    /// What a record can do without, the first to go first.
    pub(super) spare: &'static [&'static [&'static str]],
}

#[derive(Debug)]
pub(super) struct Order {
    /// With dots; "" is the record itself.
    pub(super) of: &'static str,
    pub(super) first: &'static [&'static str],
    pub(super) then: &'static [&'static str],
    pub(super) last: &'static [&'static str],
}

/// What is left in a record at each step: bytes of a text as JSON writes it, items of a list, keys of an object.
const STEPS: [(usize, usize, usize); 7] = [
    (4_096, 50, 512),
    (1_024, 50, 128),
    (1_024, 20, 64),
    (512, 10, 64),
    (MIN_TEXT, 5, 64),
    (MIN_TEXT, 2, 64),
    (MIN_TEXT, 1, 64),
];
/// No text is cut below this. An e-mail address of the longest allowed has 254 characters, and half of one would be another's.
const MIN_TEXT: usize = 320;
/// Longest key that is kept; keys of ours are shorter.
const MAX_KEY: usize = 256;
/// Longest name of an attribute that is named as cut.
const MAX_NAME: usize = 100;
/// Attributes that are named as cut, those that had most; more are counted.
const MAX_NAMED: usize = 10;
const MARK: &str = "…";
/// OCSF's list of what the other attributes are to be read by: without one of its names they would be invalid.
const PROFILES: &str = "metadata.profiles";

/// Writes a record as a line without its line feed behind what was written before, at most `max_bytes` with it and a header before it. `copy`
/// is where the record has, as a text, what it also says otherwise: the first thing to be left out.
pub(super) fn write(
    record: &Shown<'_>,
    taken: &Taken,
    layout: &Layout,
    copy: Option<&[&str]>,
    max_bytes: usize,
    out: &mut Vec<u8>,
) {
    let begin = out.len();
    record.write(taken, out);
    let whole = out.len() - begin;
    if whole >= room(max_bytes) {
        let value = read(&out[begin..]);
        out.truncate(begin);
        out.put(&cut(value, layout, copy, whole, max_bytes));
    }
}

/// The value of a line. If one were no JSON, it would be cut as a text, and not lost.
pub(super) fn read(line: &[u8]) -> Value {
    serde_json::from_slice(line).unwrap_or_else(|_| String::from_utf8_lossy(line).into())
}

/// The same of a record that is known to be too long: `whole` is how long.
pub(super) fn cut(value: Value, layout: &Layout, copy: Option<&[&str]>, whole: usize, max_bytes: usize) -> String {
    let mut cut = Cutting { value, layout, cuts: BTreeMap::new(), whole, max_bytes: room(max_bytes) };
    if let Some(line) = copy.and_then(|at| cut.without(at)) {
        return line;
    }
    let spare = layout.spare.iter();
    let steps = STEPS.into_iter().map(Step::Shorten).chain(spare.map(|at| Step::LeaveOut(at)));
    steps.fold(None, |line: Option<String>, step| line.or_else(|| cut.step(&step))).unwrap_or_else(|| cut.written())
}

/// What of a line's longest length is the record's, with its line feed.
pub(super) const fn room(max_bytes: usize) -> usize {
    max_bytes.saturating_sub(HEADER_BYTES)
}

enum Step {
    Shorten((usize, usize, usize)),
    LeaveOut(&'static [&'static str]),
}

/// A record that is being cut.
struct Cutting<'l> {
    value: Value,
    layout: &'l Layout,
    cuts: BTreeMap<String, Cut>,
    whole: usize,
    max_bytes: usize,
}

/// What was cut of an attribute. Of one that is in a list, the longest.
#[derive(Clone, Copy)]
struct Cut {
    unit: &'static str,
    had: usize,
    kept: usize,
}

impl Cutting<'_> {
    /// The line, once it is short enough.
    fn step(&mut self, step: &Step) -> Option<String> {
        match step {
            Step::LeaveOut(at) => self.without(at),
            Step::Shorten(step) => {
                let (mut value, mut cuts) = (std::mem::take(&mut self.value), std::mem::take(&mut self.cuts));
                shorten(&mut value, "", *step, &mut cuts);
                (self.value, self.cuts) = (value, cuts);
                self.fitting()
            }
        }
    }

    fn without(&mut self, at: &[&str]) -> Option<String> {
        let (last, way) = at.split_last()?;
        let object = way.iter().try_fold(&mut self.value, |value, key| value.get_mut(key))?;
        let gone = object.as_object_mut()?.remove(*last)?;
        let had = gone.as_str().map_or_else(|| gone.to_string().len(), str::len);
        let name = at.join(".");
        // What was cut inside of it is gone with it.
        let within = format!("{name}.");
        self.cuts.retain(|cut, _| !cut.starts_with(&within));
        let had = self.cuts.get(&name).filter(|cut| cut.unit == "bytes").map_or(had, |cut| cut.had.max(had));
        self.cuts.insert(name, Cut { unit: "bytes", had, kept: 0 });
        self.fitting()
    }

    fn fitting(&self) -> Option<String> {
        let line = self.written();
        (line.len() < self.max_bytes).then_some(line)
    }

    fn written(&self) -> String {
        let mut value = self.value.clone();
        let mut cuts: Vec<(&String, &Cut)> = self.cuts.iter().collect();
        cuts.sort_by_key(|(_, cut)| std::cmp::Reverse(cut.had));
        let named = cuts.into_iter().take(MAX_NAMED).map(|(attribute, cut)| {
            let (attribute, unit) = (clip(attribute, MAX_NAME), cut.unit);
            json!({ "attribute": attribute, "unit": unit, "had": cut.had, "kept": cut.kept })
        });
        let mut named: Vec<Value> = named.collect();
        if let Some(more @ 1..) = self.cuts.len().checked_sub(MAX_NAMED) {
            named.push(json!({ "attribute": "others", "unit": "attributes", "had": more, "kept": 0 }));
        }
        named.push(json!({ "attribute": "*", "unit": "bytes", "had": self.whole, "kept": self.max_bytes }));
        put(&mut value, self.layout.cut_at, named.into());
        if let Some(object) = self.layout.truncated_in {
            put(&mut value, &[object, "is_truncated"], true.into());
            put(&mut value, &[object, "untruncated_size"], self.whole.div_ceil(1_024).into());
        }
        self.layout.write(&value)
    }
}

/// Puts a value in a place, whatever was there.
fn put(value: &mut Value, at: &[&str], what: Value) {
    let Some((first, rest)) = at.split_first() else {
        *value = what;
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    if let Value::Object(fields) = value {
        put(fields.entry(*first).or_insert(Value::Null), rest, what);
    }
}

fn shorten(value: &mut Value, at: &str, step: (usize, usize, usize), cuts: &mut BTreeMap<String, Cut>) {
    let (max_text, max_items, max_fields) = step;
    let mut note = |unit, had, kept| {
        let cut = cuts.entry(at.to_owned()).or_insert(Cut { unit, had, kept });
        (cut.had, cut.kept) = (cut.had.max(had), kept);
    };
    match value {
        Value::String(text) if escaped_bytes(text) > max_text => {
            let (had, clipped) = (text.len(), clip(text, max_text));
            note("bytes", had, clipped.len());
            *text = clipped;
        }
        Value::Array(items) => {
            if items.len() > max_items && at != PROFILES {
                note("items", items.len(), max_items);
                items.truncate(max_items);
            }
            items.iter_mut().for_each(|item| shorten(item, at, step, cuts));
        }
        Value::Object(fields) => {
            let had = fields.len();
            let mut kept = 0;
            fields.retain(|key, _| {
                let keeps = key.len() <= MAX_KEY && kept < max_fields;
                kept += usize::from(keeps);
                keeps
            });
            if kept < had {
                note("fields", had, kept);
            }
            for (key, value) in fields {
                let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                shorten(value, &at, step, cuts);
            }
        }
        _ => {}
    }
}

/// The beginning of a text, marked as that.
fn clip(text: &str, max_bytes: usize) -> String {
    if escaped_bytes(text) <= max_bytes {
        return text.to_owned();
    }
    let mut bytes = MARK.len();
    let fits = |c: &char| {
        bytes += escaped(*c);
        bytes <= max_bytes
    };
    text.chars().take_while(fits).collect::<String>() + MARK
}

/// As JSON writes it, without the quotes.
fn escaped_bytes(text: &str) -> usize {
    text.chars().map(escaped).sum()
}

fn escaped(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        c => c.len_utf8(),
    }
}

impl Layout {
    pub(super) fn write(&self, value: &Value) -> String {
        let mut out = String::new();
        self.write_at(value, "", &mut out);
        out
    }

    fn write_at(&self, value: &Value, at: &str, out: &mut String) {
        let order = self.order.iter().find(|order| order.of == at);
        let (Some(order), Value::Object(fields)) = (order, value) else {
            *out += &value.to_string();
            return;
        };
        let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
        fields.sort_by_key(|(key, value)| (order.turn(key, value.is_array() || value.is_object()), *key));
        out.push('{');
        for (i, (key, value)) in fields.into_iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            *out += &Value::from(key.as_str()).to_string();
            out.push(':');
            let below = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
            self.write_at(value, &below, out);
        }
        out.push('}');
    }
}

/// When the turn of a member comes: that of its kind, and among those that are named.
pub(super) type Turn = (u8, usize);

impl Order {
    pub(super) fn turn(&self, key: &str, is_compound: bool) -> Turn {
        let among = |keys: &[&str]| keys.iter().position(|named| *named == key);
        match (among(self.first), among(self.then), among(self.last)) {
            (Some(place), ..) => (0, place),
            (_, Some(place), _) => (2, place),
            (.., Some(place)) => (4, place),
            _ => (if is_compound { 3 } else { 1 }, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(value: Value, layout: &Layout, copy: Option<&[&str]>, max_bytes: usize) -> String {
        let whole = layout.write(&value);
        if whole.len() < room(max_bytes) { whole } else { cut(value, layout, copy, whole.len(), max_bytes) }
    }

    const LAYOUT: Layout = Layout {
        order: &[
            Order { of: "", first: &["list"], then: &["who"], last: &["copy"] },
            Order { of: "who", first: &["id"], then: &[], last: &[] },
        ],
        cut_at: &["cut"],
        truncated_in: Some("how"),
        spare: &[&["open"], &["who", "more"]],
    };

    fn read(line: &str) -> Value {
        serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))
    }

    #[test]
    fn what_is_short_enough_is_whole_and_in_order() {
        let value = json!({ "copy": "c", "b": 1, "a": [1], "list": {}, "who": { "a": 1, "id": "W1" } });
        let written = r#"{"list":{},"b":1,"who":{"id":"W1","a":1},"a":[1],"copy":"c"}"#;
        let most = written.len() + 1 + HEADER_BYTES;
        assert_eq!(line(value.clone(), &LAYOUT, None, most), written, "the line feed counts");
        assert_ne!(line(value, &LAYOUT, None, most - 1), written);
    }

    #[test]
    fn a_copy_goes_first_and_is_named_with_its_length() {
        let value = json!({ "copy": "x".repeat(20_000), "a": "y".repeat(5_000) });
        let cut = read(&line(value, &LAYOUT, Some(&["copy"]), LEAST_MAX_BYTES));
        assert_eq!(cut["a"].as_str().map(str::len), Some(5_000));
        assert_eq!(cut["cut"][0], json!({ "attribute": "copy", "unit": "bytes", "had": 20_000, "kept": 0 }));
        assert!(cut.get("copy").is_none());
        assert_eq!(cut["how"], json!({ "is_truncated": true, "untruncated_size": 25 }));
    }

    #[test]
    fn whatever_comes_fits_and_says_what_it_had() {
        let nasty = "\u{1}\"é\u{1f600}".repeat(9_000);
        let many: Vec<Value> = (0..5_000).map(|i| json!({ "i": i, "text": nasty[..1].to_owned() })).collect();
        let wide: Map<String, Value> = (0..9_000).map(|i| (format!("{i} {}", "k".repeat(i)), i.into())).collect();
        let value = json!({
            "id": "e1", "text": nasty, "list": many, "open": { "wide": wide, "deep": [[[[{ "x": nasty }]]]] },
            "who": { "id": nasty, "more": nasty }
        });
        for max in [LEAST_MAX_BYTES, 10_000, DEFAULT_MAX_BYTES, 100_000] {
            let line = line(value.clone(), &LAYOUT, None, max);
            assert!(line.len() < max - HEADER_BYTES, "{max}: {}", line.len());
            let record = read(&line);
            let had = |name: &str| {
                let cuts = record["cut"].as_array().unwrap();
                cuts.iter().find(|cut| cut["attribute"] == name).map(|cut| cut["had"].as_u64().unwrap() as usize)
            };
            assert_eq!((had("text"), had("list")), (Some(nasty.len()), Some(5_000)));
            assert!(record["text"].as_str().unwrap().ends_with(MARK) && record["id"] == "e1");
        }
    }

    #[test]
    fn a_text_is_cut_by_what_it_takes_in_json() {
        for (text, max) in [("\u{1}".repeat(1_000), 320), ("é".repeat(1_000), 321), ("\"".repeat(1_000), 400)] {
            let clipped = clip(&text, max);
            let written = Value::from(clipped.as_str()).to_string().len() - 2;
            assert!(written <= max && written > max - 8, "{written} of {max}");
            assert_eq!(escaped_bytes(&clipped), written);
        }
        assert_eq!(clip("short", 5), "short");
    }
}
