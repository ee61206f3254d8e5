//! What a value is: an entry as Slack sent it, one that a SIEM or gridwatch wrapped into something, an alert of gridwatch's, or
//! nothing of that. Told by structure, never by a file's name.

use super::frame::{Kind, Piece, Pieces};
use gridwatch_event::entry::{Entry, Mark};

/// A record of a log that a search exported as a row of an answer is four layers; more is nobody's.
const MAX_LAYERS: usize = 6;

#[derive(Clone, Debug)]
pub enum Found {
    /// An entry, and the name of what it was unwrapped from.
    Entry(Entry, Option<&'static str>),
    /// An alert of gridwatch's: its JSON.
    Alert(Vec<u8>),
    /// An event of gridwatch's that doesn't have Slack's bytes.
    Bare,
    /// Nothing of that, as it would be kept.
    Odd(Entry),
}

/// What wraps an entry in so many words: preferred to what else stands beside it.
const WRAPPERS: [(&[&str], &str); 6] = [
    (&["_raw"], "_raw"),
    (&["_source"], "_source"),
    (&["event", "original"], "event.original"),
    (&["event.original"], "event.original"),
    (&["fields", "event.original"], "event.original"),
    (&["raw_data"], "raw_data"),
];
/// What may wrap anything, if an entry is in it: answers of Splunk's REST, HTTP collectors, containers' logs, other pipelines.
const MAYBE: [(&[&str], &str); 13] = [
    (&["result"], "result"),
    (&["event"], "event"),
    (&["message"], "message"),
    (&["log"], "log"),
    (&["@message"], "@message"),
    (&["RawData"], "RawData"),
    (&["raw_data_s"], "raw_data_s"),
    (&["raw"], "raw"),
    (&["record"], "record"),
    (&["body"], "body"),
    (&["data"], "data"),
    (&["payload"], "payload"),
    (&["line"], "line"),
];

/// Everything that is in a value, at least one thing.
pub fn found(piece: Piece) -> Vec<Found> {
    let all = inside(&piece, 0);
    if all.is_empty() { vec![Found::Odd(entry(&piece.bytes))] } else { all }
}

/// Nothing if it is none of what we know.
fn inside(piece: &Piece, layer: usize) -> Vec<Found> {
    if layer > MAX_LAYERS {
        return Vec::new();
    }
    match piece.kind {
        Kind::Object => object(&piece.bytes, layer),
        Kind::Row => elements(&piece.bytes).into_iter().flat_map(|cell| text(cell, "a column", layer)).collect(),
        Kind::Text => text(&piece.bytes, "JSON text", layer),
        // A syslog header, or the time that a log agent writes before each line.
        Kind::Other => match piece.bytes.windows(2).position(|pair| pair == b"{\"") {
            Some(start) => values(piece.bytes[start..].to_vec(), "lines with a header", layer),
            None => Vec::new(),
        },
        Kind::Broken => {
            // Read as far as it can be, if that is enough to know which entry it is.
            let entry = entry(&piece.bytes);
            let is_lacking = |mark| entry.marks.contains(mark);
            let is_known = ![Mark::NotAnObject, Mark::NoId, Mark::NoTime].iter().any(is_lacking);
            if is_known { vec![Found::Entry(entry, None)] } else { Vec::new() }
        }
    }
}

fn object(bytes: &[u8], layer: usize) -> Vec<Found> {
    let members = members(bytes);
    let value = |path: &[&str]| at(&members, path);
    let says = |path: &[&str], text: &str| value(path).is_some_and(|value| is_text(value, text));
    // Our own archive.
    if value(&["seq"]).is_some() && value(&["first_seen"]).is_some() {
        let raw = value(&["raw"]).or_else(|| value(&["text"]));
        return raw.map(|raw| wrapped(raw, "gridwatch's archive", layer)).unwrap_or_default();
    }
    let in_history = || value(&["revision"]).is_some() && value(&["uid"]).is_some_and(|uid| uid.starts_with(b"\"gw-"));
    if says(&["metadata", "product", "name"], "gridwatch")
        || (says(&["event", "module"], "gridwatch") && says(&["event", "kind"], "alert"))
        || in_history()
    {
        return vec![Found::Alert(bytes.to_vec())];
    }
    let unwrapped = |(path, name): &(&[&str], &'static str)| {
        let found = value(path).map(|value| wrapped(value, name, layer)).unwrap_or_default();
        Some(found).filter(|found| !found.is_empty())
    };
    if let Some(found) = WRAPPERS.iter().find_map(unwrapped) {
        return found;
    }
    let is_ocsf = value(&["class_uid"]).is_some();
    if (is_ocsf && says(&["metadata", "product", "vendor_name"], "Slack")) || says(&["event", "dataset"], "slack.audit")
    {
        return vec![Found::Bare];
    }
    if !is_ocsf && is_entry(&members) {
        return vec![Found::Entry(entry(bytes), None)];
    }
    MAYBE.iter().find_map(unwrapped).unwrap_or_default()
}

/// Slack's six keys; two of them make an entry, odd as it may be, if one is its action or its time.
fn is_entry(members: &[(&[u8], &[u8])]) -> bool {
    const KEYS: [&str; 6] = ["id", "date_create", "action", "actor", "entity", "context"];
    let has = |key: &str| members.iter().any(|(name, _)| *name == key.as_bytes());
    (has("action") || has("date_create")) && KEYS.iter().filter(|key| has(key)).count() >= 2
}

/// An object, a JSON text that holds JSON, or a list of such.
fn wrapped(value: &[u8], name: &'static str, layer: usize) -> Vec<Found> {
    match value.first() {
        Some(b'{') => named(values(value.to_vec(), name, layer), name),
        Some(b'"') => text(value, name, layer),
        Some(b'[') => elements(value).into_iter().flat_map(|value| text(value, name, layer)).collect(),
        _ => Vec::new(),
    }
}

fn text(value: &[u8], name: &'static str, layer: usize) -> Vec<Found> {
    match value.first() {
        Some(b'"') => values(unquoted(value), name, layer),
        _ => Vec::new(),
    }
}

/// What is known of a text of JSON.
fn values(json: Vec<u8>, name: &'static str, layer: usize) -> Vec<Found> {
    if !matches!(json.trim_ascii_start().first(), Some(b'{' | b'[' | b'"')) {
        return Vec::new();
    }
    named(Pieces::of(json).flat_map(|piece| inside(&piece, layer + 1)).collect(), name)
}

/// The innermost name is the telling one.
fn named(mut all: Vec<Found>, name: &'static str) -> Vec<Found> {
    for found in &mut all {
        if let Found::Entry(_, from @ None) = found {
            *from = Some(name);
        }
    }
    all
}

fn entry(bytes: &[u8]) -> Entry {
    let text = String::from_utf8_lossy(bytes);
    let mut entry = Entry::from_json(&text);
    if matches!(text, std::borrow::Cow::Owned(_)) {
        entry.marks.insert(Mark::NotUtf8);
    }
    entry
}

fn at<'b>(members: &[(&'b [u8], &'b [u8])], path: &[&str]) -> Option<&'b [u8]> {
    let (first, rest) = path.split_first()?;
    let (_, value) = members.iter().find(|(key, _)| *key == first.as_bytes())?;
    if rest.is_empty() { Some(value) } else { at(&self::members(value), rest) }
}

fn is_text(value: &[u8], text: &str) -> bool {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")) == Some(text.as_bytes())
}

/// Keys (between their quotes) and values of an object whose brackets are known to fit.
fn members(object: &[u8]) -> Vec<(&[u8], &[u8])> {
    if object.first() != Some(&b'{') {
        return Vec::new();
    }
    let parts = parts(object);
    let member = |part: &'_ [u8]| -> Option<(usize, usize)> {
        let end = end_of_text(part)?;
        let colon = end + part[end..].iter().position(|byte| *byte == b':')?;
        Some((end, colon))
    };
    parts
        .into_iter()
        .filter_map(|part| member(part).map(|(end, colon)| (&part[1..end - 1], part[colon + 1..].trim_ascii())))
        .collect()
}

fn elements(list: &[u8]) -> Vec<&[u8]> {
    parts(list)
}

/// What stands between the commas of the outermost brackets.
fn parts(value: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut depth, mut at, mut start) = (Vec::new(), 0_usize, 0, 1);
    while at < value.len() {
        match value[at] {
            b'"' => {
                at += end_of_text(&value[at..]).unwrap_or(value.len() - at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let ends = (value[at] == b',' && depth == 1) || depth == 0;
        if ends {
            let part = value.get(start..at).unwrap_or_default().trim_ascii();
            if !part.is_empty() {
                parts.push(part);
            }
            start = at + 1;
        }
        at += 1;
    }
    parts
}

/// Where a JSON text that begins here ends, behind its quote.
fn end_of_text(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// What a JSON text says, as bytes. Total: half characters become U+FFFD, what isn't UTF-8 or isn't escaped stays.
fn unquoted(text: &[u8]) -> Vec<u8> {
    let inner = text.strip_prefix(b"\"").unwrap_or(text);
    let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
    let (mut out, mut at) = (Vec::with_capacity(inner.len()), 0);
    let unit = |at: usize| -> Option<u16> {
        let digits = inner.get(at..at + 6).filter(|escape| escape.starts_with(b"\\u"))?;
        u16::from_str_radix(std::str::from_utf8(&digits[2..]).ok()?, 16).ok()
    };
    while at < inner.len() {
        if inner[at] != b'\\' {
            out.push(inner[at]);
            at += 1;
            continue;
        }
        let Some(first) = unit(at) else {
            let escaped = inner.get(at + 1).copied().unwrap_or(b'\\');
            out.push(match escaped {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'b' => 8,
                b'f' => 12,
                other => other,
            });
            at += 2;
            continue;
        };
        at += 6;
        let pair = unit(at).filter(|_| (0xd800..0xdc00).contains(&first)).map(|second| [first, second]);
        let both = pair.and_then(|pair| char::decode_utf16(pair).next().and_then(Result::ok));
        at += if both.is_some() { 6 } else { 0 };
        let one = both.or_else(|| char::from_u32(first.into())).unwrap_or(char::REPLACEMENT_CHARACTER);
        out.extend(one.encode_utf8(&mut [0; 4]).as_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const ENTRY: &str =
        r#"{"id":"a","date_create":1790000000,"action":"user_login","actor":{"name":"É \"🙂\" \\ \ud83d"}}"#;

    fn all(text: &str) -> Vec<Found> {
        Pieces::of(text.as_bytes().to_vec()).flat_map(found).collect()
    }

    fn from(text: &str) -> Option<&'static str> {
        match all(text).as_slice() {
            [Found::Entry(entry, from)] => {
                assert_eq!(entry.raw(), ENTRY, "{text}");
                *from
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn an_entry_is_unwrapped_to_its_bytes() {
        let quoted = Value::from(ENTRY).to_string();
        assert_eq!(from(ENTRY), None);
        for (text, name) in [
            (
                format!(
                    r#"{{"preview":false,"result":{{"_time":"t","_raw":{quoted},"action":"user_login","id":"x"}}}}"#
                ),
                "_raw",
            ),
            (format!(r#"{{"_raw": {quoted}}}"#), "_raw"),
            (format!(r#"{{"results":[{{"_raw":{quoted}}}]}}"#), "_raw"),
            (
                format!(r#"{{"_index":"i","_source":{{"@timestamp":"t","event":{{"original":{quoted}}}}}}}"#),
                "event.original",
            ),
            (format!(r#"{{"hits":{{"hits":[{{"_source":{{"event.original":{quoted}}}}}]}}}}"#), "event.original"),
            (format!(r#"{{"_source":{ENTRY}}}"#), "_source"),
            (format!(r#"{{"fields":{{"event.original":[{quoted}]}}}}"#), "event.original"),
            (
                format!(
                    r#"{{"class_uid":3002,"metadata":{{"product":{{"vendor_name":"Slack"}}}},"raw_data":{quoted}}}"#
                ),
                "raw_data",
            ),
            (format!(r#"{{"time":1,"event":{ENTRY}}}"#), "event"),
            (format!(r#"{{"log":{quoted},"stream":"stdout"}}"#), "log"),
            (format!(r#"{{"seq":1,"first_seen":2,"raw":{ENTRY}}}"#), "gridwatch's archive"),
            (format!(r#"{{"tables":[{{"columns":[{{"name":"x"}}],"rows":[["2026",{quoted},null]]}}]}}"#), "a column"),
            (quoted.clone(), "JSON text"),
            (format!("<134>1 2026-11-01T00:00:00Z host slack - - - {ENTRY}\n"), "lines with a header"),
        ] {
            assert_eq!(from(&text), Some(name), "{text}");
        }
        let page = Value::from(format!(r#"{{"entries":[{ENTRY},{ENTRY}]}}"#)).to_string();
        assert_eq!(all(&format!(r#"{{"_raw":{page}}}"#)).len(), 2, "a page as one event");
    }

    #[test]
    fn our_own_records_are_told_apart() {
        let ocsf =
            json!({"class_uid": 2004, "metadata": {"product": {"name": "gridwatch"}}, "finding_info": {"uid": "gw-1"}});
        let ecs = json!({"event": {"kind": "alert", "module": "gridwatch"}});
        let kept = json!({"uid": "gw-0b7f59", "revision": 2, "rule": "m.r"});
        for alert in [ocsf.clone(), ecs, kept, json!({"result": {"_raw": ocsf.to_string()}})] {
            assert!(matches!(all(&alert.to_string()).as_slice(), [Found::Alert(_)]), "{alert}");
        }
        let slacks = json!({"class_uid": 2004, "metadata": {"product": {"name": "Slack Enterprise Grid", "vendor_name": "Slack"}}});
        for bare in [slacks, json!({"event": {"dataset": "slack.audit", "module": "slack"}})] {
            assert!(matches!(all(&bare.to_string()).as_slice(), [Found::Bare]), "{bare}");
        }
    }

    #[test]
    fn what_is_nothing_of_that_is_odd() {
        for odd in [
            "{}",
            "17",
            "words",
            "\"text\"",
            "[1,2]",
            r#"{"id":"a","name":"b"}"#,
            r#"{"result":{"_raw":"words"}}"#,
            "{\"id\":",
        ] {
            assert!(matches!(all(odd).as_slice(), [Found::Odd(_)]), "{odd}");
        }
        let nested = (0..40).fold(ENTRY.to_owned(), |inner, _| format!(r#"{{"result":{inner}}}"#));
        assert!(matches!(all(&nested).as_slice(), [Found::Odd(_)]), "bounded");
        for entry in [r#"{"id":"a","action":5}"#, r#"{"date_create":1,"action":"x"}"#, r#"{"id":"a","date_create":1}"#]
        {
            assert!(matches!(all(entry).as_slice(), [Found::Entry(..)]), "{entry}");
        }
    }

    #[test]
    fn a_text_is_unquoted_whatever_is_in_it() {
        let quoted = br#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude42\ud83d-\ude42\u12""#;
        assert_eq!(String::from_utf8(unquoted(quoted)).unwrap(), "\"\\/\u{8}\u{c}\n\r\té🙂\u{fffd}-\u{fffd}u12");
        assert_eq!(unquoted(b"\"\xff\x01\""), b"\xff\x01");
    }
}
