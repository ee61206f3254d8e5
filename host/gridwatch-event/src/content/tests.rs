//! What is read in place against what the tolerant reader takes apart: on realistic entries, on the odd ones that are known, on what
//! chance makes of both, and on JSON that nobody would write.
//!
//! `GRIDWATCH_SEEDS=100000 cargo test -p gridwatch-event content` runs more seeds, `GRIDWATCH_SEED=7` one.

use super::*;
use crate::entry::Entry;
use gridwatch_stories::{Benchmark, OrgPlan};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

const DEFAULT_SEEDS: u64 = 400;
/// Variants tried of each seed.
const TRIES: usize = 12;

fn setting(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "the test's two knobs for choosing seeds")]
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is {value:?}, expected a number")))
}

/// Runs seeds; `try_seed` returns how many of its texts were ordinary.
fn of_seeds(try_seed: impl Fn(&mut SmallRng) -> usize) -> usize {
    let seeds = match setting("GRIDWATCH_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("GRIDWATCH_SEEDS").unwrap_or(DEFAULT_SEEDS),
    };
    let run = |seed| {
        catch_unwind(AssertUnwindSafe(|| try_seed(&mut SmallRng::seed_from_u64(seed))))
            .unwrap_or_else(|_| panic!("GRIDWATCH_SEED={seed} repeats it"))
    };
    seeds.map(run).sum()
}

/// Does everything that can be asked of a text get the tolerant reader's answer? Returns whether it was read in place.
fn agrees(raw: &str) -> bool {
    let content = Content::of(raw);
    let (value, marks) = json::read(raw);
    assert_eq!(content.mended(), marks, "{raw}");
    same(content.whole(), &value, raw);
    for (head, pointer) in [
        (Head::Id, "/id"),
        (Head::DateCreate, "/date_create"),
        (Head::Action, "/action"),
        (Head::EntityType, "/entity/type"),
        (Head::Context, "/context"),
        (Head::Location, "/context/location"),
        (Head::LocationId, "/context/location/id"),
        (Head::IpAddress, "/context/ip_address"),
        (Head::Ua, "/context/ua"),
        (Head::Details, "/details"),
    ] {
        // A pointer would go into lists by number.
        let read = pointer.split('/').skip(1).try_fold(&value, |value, name| value.as_object()?.get(name));
        assert_eq!(content.head(head).map(Part::to_value).as_ref(), read, "{head:?} of {raw}");
        if matches!(head, Head::Id | Head::Action | Head::EntityType | Head::LocationId | Head::IpAddress) {
            assert_eq!(content.plain(head), read.and_then(Value::as_str).unwrap_or_default(), "{head:?} of {raw}");
        }
    }
    for (of, object, id) in [("actor", Head::Actor, Head::ActorId), ("entity", Head::Entity, Head::EntityId)] {
        let read = value.get(of).and_then(|outer| outer.get(outer.get("type")?.as_str()?));
        assert_eq!(content.head(object).map(Part::to_value).as_ref(), read, "{of} of {raw}");
        let read = read.and_then(|object| object.get("id"));
        assert_eq!(content.head(id).map(Part::to_value).as_ref(), read, "{of} of {raw}");
        assert_eq!(content.plain(id), read.and_then(Value::as_str).unwrap_or_default(), "{of} of {raw}");
    }
    let entry = Entry::from_json(raw);
    assert_eq!(entry.says(), entry.says_as_read(), "{raw}");
    content.is_ordinary()
}

fn same(part: Part<'_>, value: &Value, raw: &str) {
    assert_eq!(part.to_value(), *value, "{raw}");
    assert_eq!(part.to_json(), value.to_string(), "{raw}");
    assert_eq!(part, Part::read(value), "{raw}");
    for part in [part, Part::read(value)] {
        let mut bytes = Vec::new();
        part.write_json(&mut bytes);
        assert_eq!(bytes, value.to_string().into_bytes(), "{raw}");
    }
    assert_eq!((part.as_str().as_deref(), part.is_text()), (value.as_str(), value.is_string()), "{raw}");
    assert_eq!((part.as_bool(), part.is_null()), (value.as_bool(), value.is_null()), "{raw}");
    assert_eq!((part.is_list(), part.is_object()), (value.is_array(), value.is_object()), "{raw}");
    assert_eq!(part.as_number(), value.as_number().map(serde_json::Number::as_str), "{raw}");
    assert!(value.as_str().is_none_or(|text| part.is(text) && !part.is(&format!("{text}x"))), "{raw}");
    let items = value.as_array().map_or(&[][..], Vec::as_slice);
    assert_eq!(part.items().count(), items.len(), "{raw}");
    part.items().zip(items).for_each(|(part, value)| same(part, value, raw));
    let fields = value.as_object();
    assert_eq!(part.members().count(), fields.map_or(0, serde_json::Map::len), "{raw}");
    for (key, value) in fields.into_iter().flatten() {
        assert!(part.members().any(|(name, _)| name == key), "{key} of {raw}");
        same(part.get(key).unwrap_or_else(|| panic!("{key} of {raw}")), value, raw);
    }
    assert!(part.get("no such key").is_none(), "{raw}");
}

/// Entries as two generators write them, with and without escaped slashes.
fn realistic() -> Vec<String> {
    let day = gridwatch_stories::generate(&OrgPlan::default());
    let weeks = Benchmark { users: 300, days: 9, ..Benchmark::default() }.run();
    let entries = day.entries.into_iter().chain(weeks.entries().step_by(7));
    let slashes = |(at, entry): (usize, gridwatch_stories::SimEntry)| match at % 2 {
        0 => entry.json,
        _ => entry.json.replace("\\/", "/"),
    };
    entries.enumerate().map(slashes).collect()
}

#[test]
fn realistic_entries_are_read_in_place_and_say_the_same() {
    let entries = realistic();
    assert!(entries.len() > 2_000 && entries.iter().any(|raw| raw.contains("\\/")));
    entries.iter().for_each(|raw| assert!(agrees(raw), "{raw}"));
}

#[test]
fn what_is_odd_is_left_to_the_tolerant_reader() {
    let (deep, long) = ("[".repeat(30) + &"]".repeat(30), format!("\"{}\"", "x".repeat(70_000)));
    let wide = format!("{{{}}}", (0..300).map(|i| format!("\"k{i}\":1")).collect::<Vec<_>>().join(","));
    let odd = [
        "\"Mallory \\ud83d\"",
        "\"\\udc00\\ud83d\\ude00\"",
        "\"\\ud83d\\u0041\"",
        "\"a\u{1}\"",
        "\"a\nb\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u+123\"",
        "\"\\ud83d",
        "\"",
        "007",
        "-0",
        "-",
        "1.",
        ".5",
        "1e5",
        "1E5",
        "1.5e-3",
        "+1",
        "NaN",
        "Infinity",
        "nul",
        "nulls",
        "True",
        "oops",
        "'x'",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{a:1}",
        "{\"a\":1,\"a\":2}",
        "{\"a\\u0062\":1}",
        "{\"a\":1,\"b\":2,\"\":3,\"\":4}",
        "[",
        "{",
        "]",
        "}",
        "1}",
        "1,,\"x\":2",
        "\u{a0}1",
        "\u{feff}1",
        "1\u{b}",
        &deep,
        &long,
        &wide,
    ];
    for value in odd {
        assert!(!agrees(&format!(r#"{{"id":"a","odd":{value},"action":"user_login"}}"#)), "{value}");
        assert!(!agrees(&format!(r#"{{"id":"a","details":{{"odd":[{value}]}}}}"#)), "{value}");
    }
    let head = [
        r#"{"id":"a\/b"}"#,
        r#"{"action":"user\u005flogin"}"#,
        r#"{"actor":{"type":"us\u0065r","user":{"id":"W1"}}}"#,
        r#"{"entity":{"type":"user","user":{"id":"W\u0031"}}}"#,
        r#"{"context":{"ip_address":"10.0.0.0\/8"}}"#,
        r#"{"context":{"location":{"id":"T\u0031"}}}"#,
    ];
    let whole = ["", "17", "[1]", "\"text\"", "null", "{}{}", "{} x", "\u{feff}{}", "{", "{]", "[}"];
    head.into_iter().chain(whole).for_each(|raw| assert!(!agrees(raw), "{raw}"));
}

#[test]
fn what_is_unusual_and_in_order_is_read_in_place() {
    for raw in [
        "{}",
        " { } ",
        "\t{\r\n\"a\" : [ ] , \"b\" : { } }\n",
        r#"{"":1}"#,
        r#"{"a":-1,"b":0,"c":0.50,"d":18446744073709551616000,"e":-1.5}"#,
        r#"{"t":"\u00e9\ud83d\ude00\b\f\n\r\t\"\\\/\u0000\u001f\u007f é"}"#,
        r#"{"actor":"W1","entity":7,"context":[1],"details":null}"#,
        r#"{"actor":{"type":"user","user":"W1"},"entity":{"type":["user"],"user":{}}}"#,
        r#"{"actor":{"type":"type"},"entity":{"type":""}}"#,
        r#"{"id":7,"action":null,"context":{"location":"T1","ip_address":null,"ua":"a\/b"}}"#,
    ] {
        assert!(agrees(raw), "{raw}");
    }
    let nested = format!(r#"{{"x":{}1{}}}"#, "[".repeat(20), "]".repeat(20));
    assert!(agrees(&nested));
}

#[test]
fn whatever_becomes_of_an_entry_gets_the_tolerant_readers_answer() {
    let entries = realistic();
    let ordinary = of_seeds(|rng| {
        let mut raw = entries[rng.random_range(0..entries.len())].clone();
        let tries = (0..TRIES).filter(|_| {
            if rng.random_ratio(1, 3) {
                raw.clone_from(&entries[rng.random_range(0..entries.len())]);
            }
            spoil(&mut raw, rng);
            agrees(&raw)
        });
        tries.count()
    });
    assert!(ordinary > 0 || setting("GRIDWATCH_SEED").is_some());
}

/// Cuts, doubles, swaps or writes over a bit of a text.
fn spoil(raw: &mut String, rng: &mut SmallRng) {
    const BITS: [&str; 40] = [
        "\"",
        "\\",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\u{0}",
        "\n",
        " ",
        "\t",
        "-",
        "0",
        "007",
        "1e9",
        "-0",
        "1.",
        "\\ud83d",
        "\\udc00",
        "\\u00",
        "\\u0041",
        "\\/",
        "\\x",
        "null",
        "true",
        "é",
        "\u{1f600}",
        "\u{feff}",
        "\"id\":",
        "\"type\":",
        "\"id\":\"x\",",
        "\"user\":{},",
        "\"actor\":null,",
        "\"context\":{},",
        "[[[[[[",
        "\"\":1,",
        "\"type\":\"user\",",
        "\u{7f}",
        "\u{a0}",
    ];
    let bound = |raw: &str, rng: &mut SmallRng| {
        let mut at = rng.random_range(0..=raw.len());
        while !raw.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let (one, other) = (bound(raw, rng), bound(raw, rng));
    let (from, near) =
        (one.min(other), raw.ceil_char_boundary((one.min(other) + rng.random_range(0..9)).min(raw.len())));
    let bit = BITS[rng.random_range(0..BITS.len())];
    match rng.random_range(0..6) {
        0 => raw.insert_str(from, bit),
        1 => raw.replace_range(from..near, bit),
        2 => raw.replace_range(from..near, ""),
        3 => raw.truncate(from.max(near)),
        4 if raw.len() < 20_000 => {
            let again = raw[from..one.max(other)].to_owned();
            raw.insert_str(from, &again);
        }
        // Where a bit may stand and the rest stays in order.
        _ => {
            let after: Vec<usize> = raw.match_indices([',', '{']).map(|(at, _)| at + 1).collect();
            let at = after.get(rng.random_range(0..=after.len())).copied().unwrap_or(0);
            raw.insert_str(at, bit);
        }
    }
}

#[test]
fn json_that_nobody_would_write_gets_the_tolerant_readers_answer() {
    let ordinary = of_seeds(|rng| {
        let tries = (0..TRIES).filter(|_| {
            let mut raw = String::new();
            let mut budget = 40;
            write_object(&mut raw, rng, 0, &mut budget);
            agrees(&raw)
        });
        tries.count()
    });
    assert!(ordinary > TRIES * 10 || setting("GRIDWATCH_SEED").is_some(), "{ordinary}");
}

/// Strict JSON mostly, with names that mean something and every way of writing a text.
fn write_object(out: &mut String, rng: &mut SmallRng, depth: usize, budget: &mut usize) {
    const NAMES: [&str; 16] = [
        "id",
        "type",
        "user",
        "actor",
        "entity",
        "context",
        "location",
        "ip_address",
        "ua",
        "details",
        "action",
        "date_create",
        "name",
        "a",
        "b",
        "",
    ];
    let mut names: Vec<Cow<'_, str>> = (0..rng.random_range(0..8))
        .map(|_| match rng.random_ratio(9, 10) {
            true => NAMES[rng.random_range(0..NAMES.len())].into(),
            false => format!("k{}", rng.random_range(0..1_000)).into(),
        })
        .collect();
    if rng.random_ratio(19, 20) {
        names.sort_unstable();
        names.dedup();
    }
    out.push('{');
    space(out, rng);
    for (i, name) in names.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
            space(out, rng);
        }
        let plain = rng.random_ratio(99, 100);
        write_text(out, &name, rng, plain);
        space(out, rng);
        out.push(':');
        space(out, rng);
        write_value(out, rng, depth + 1, budget);
        space(out, rng);
    }
    out.push('}');
}

fn write_value(out: &mut String, rng: &mut SmallRng, depth: usize, budget: &mut usize) {
    const NUMBERS: [&str; 10] =
        ["0", "7", "-7", "1.50", "-0.1", "1700000000", "99999999999999999999", "1e5", "-0", "01"];
    const TEXTS: [&str; 10] = [
        "",
        "user",
        "W1",
        "a/b",
        "é\u{1f600}",
        "\"\\",
        "\n\t\u{8}\u{c}\r\u{1}",
        "\u{7f}\u{ffff}",
        "enterprise",
        "a long text of more than eight bytes",
    ];
    *budget = budget.saturating_sub(1);
    match rng.random_range(0..if *budget == 0 { 6 } else { 10 }) {
        0 => *out += ["null", "true", "false"][rng.random_range(0..3)],
        // Odd ones seldom, so that most of it is in order.
        1 => {
            let numbers = if rng.random_ratio(1, 30) { 10 } else { 7 };
            *out += NUMBERS[rng.random_range(0..numbers)];
        }
        2..6 => {
            let plain = rng.random_ratio(3, 4);
            write_text(out, TEXTS[rng.random_range(0..TEXTS.len())], rng, plain);
        }
        6 => {
            out.push('[');
            for i in 0..rng.random_range(0..4) {
                if i > 0 {
                    out.push(',');
                }
                space(out, rng);
                write_value(out, rng, depth + 1, budget);
                space(out, rng);
            }
            out.push(']');
        }
        _ => write_object(out, rng, depth, budget),
    }
}

fn write_text(out: &mut String, text: &str, rng: &mut SmallRng, plain: bool) {
    out.push('"');
    for c in text.chars() {
        let must = matches!(c, '"' | '\\' | ..' ');
        match c {
            '/' if !plain => *out += "\\/",
            c if must || !plain && rng.random_ratio(1, 2) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let upper = rng.random_ratio(1, 2);
                    *out += &if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") };
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn space(out: &mut String, rng: &mut SmallRng) {
    if rng.random_ratio(1, 8) {
        *out += [" ", "\n", "\r\n", "\t  "][rng.random_range(0..4)];
    }
}
