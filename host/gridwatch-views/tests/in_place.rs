//! What views make of an entry that is read in place against what they make of the same one taken apart.
//!
//! An entry that says its id twice says nothing else than one that says it once, but only the tolerant reader takes it.
//! `GRIDWATCH_SEEDS=100000 cargo test -p gridwatch-views --test in_place` runs more seeds, `GRIDWATCH_SEED=7` one.

use gridwatch_event::entry::Entry;
use gridwatch_event::event::Event;
use gridwatch_event::text::hex;
use gridwatch_event::time::UnixMillis;
use gridwatch_stories::{Benchmark, OrgPlan, generate};
use gridwatch_views::{LEAST_MAX_BYTES, Product, RawData, View};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use sha2::{Digest, Sha256};

const PRODUCT: Product<'_> = Product { version: "1.2.3" };
const DEFAULT_SEEDS: u64 = 1_500;

fn setting(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "the test's two knobs for choosing seeds")]
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is {value:?}, expected a number")))
}

fn event(raw: &str) -> Event {
    Event::new(7, UnixMillis(1_790_000_000_000), &Entry::from_json(raw))
}

/// The record, with the bytes of the entry and their hash left out.
fn shown(view: View, raw: &str) -> String {
    let event = event(raw);
    let line = view.event_line(&event, &PRODUCT, RawData::Include);
    let copy = Value::from(event.raw()).to_string();
    assert!(line.contains(&copy) && serde_json::from_str::<Value>(&line).is_ok(), "{line}");
    line.replace(&copy, "RAW").replace(&hex(&Sha256::digest(event.raw().as_bytes())), "HASH")
}

/// Of an object with an id. Of all else there is no such twin; then it has a line all the same.
fn assert_same(raw: &str) -> bool {
    for view in View::ALL {
        let (event, mut lines) = (event(raw), b"before".to_vec());
        view.write_event(&event, &PRODUCT, RawData::Omit, LEAST_MAX_BYTES, &mut lines);
        let line = lines.strip_prefix(b"before").expect("what was written before stays");
        assert!(line.len() < LEAST_MAX_BYTES && !line.contains(&b'\n'), "{raw}");
        assert!(view == View::Raw || serde_json::from_slice::<Value>(line).is_ok(), "{raw}");
        assert_eq!(line, view.event_line_within(&event, &PRODUCT, RawData::Omit, LEAST_MAX_BYTES).as_bytes());
    }
    let read: Option<Value> = serde_json::from_str(raw).ok();
    let id = read.as_ref().and_then(|entry| entry.as_object()?.get("id"));
    let is_id = |id: &&Value| id.is_number() || id.as_str().is_some_and(|text| !text.is_empty());
    let (Some(id), Some(open)) = (id.filter(is_id), raw.trim_end().strip_suffix('}')) else {
        return false;
    };
    let twice = format!("{open},\"id\":{id}}}");
    for view in [View::Ocsf, View::Ocsf1_1, View::Ecs] {
        assert_eq!(shown(view, raw), shown(view, &twice), "{raw}");
    }
    true
}

#[test]
fn every_action_is_shown_alike() {
    let org = generate(&OrgPlan { every_action: true, entries: Some(3_000), ..OrgPlan::default() });
    assert!(org.entries.len() > 1_500);
    org.entries.iter().for_each(|entry| assert!(assert_same(&entry.json)));
    let weeks = Benchmark { users: 300, days: 9, ..Benchmark::default() }.run();
    weeks.entries().step_by(23).for_each(|entry| assert!(assert_same(&entry.json)));
}

const USER: &str = r#"{"type":"user","user":{"id":"W1","name":"A\/B \u00e9\"","email":"a@b.co","team":"E1"}}"#;

#[test]
fn odd_objects_are_shown_alike() {
    let user = USER;
    for rest in [
        String::new(),
        r#""action":7,"actor":"W1","entity":[],"context":{},"details":null"#.to_owned(),
        format!(r#""action":"user_channel_join","actor":{user},"entity":{{"type":"channel","channel":{{"id":"C1"}}}},"details":{{"type":"INVITED","inviter":{user},"kicker":{{}}}},"context":{{"ip_address":"198.51.100.7","ua":"a\/b","session_id":7}}"#),
        format!(r#""action":"user_login","actor":{user},"entity":{user},"context":{{"location":{{"type":"enterprise","id":"E1","name":"x"}},"app":{{"id":"A1","scopes":["b","a"],"n":{{"z":1,"a":[{{}}]}}}},"acting_agent":"Slackbot","session_id":"12","ip_address":""}}"#),
        format!(r#""action":"pref.x","actor":{user},"entity":{{"type":"workspace","workspace":{{"id":"T1"}}}},"details":{{"new_value":{{"b":[1,2.50],"a":null}},"previous_value":"","pref_name":"\u00fc"}}"#),
        format!(r#""action":"anomaly","actor":{user},"entity":{{"type":"user","user":{{}}}},"details":{{"reason":["ip_address","","tor"],"previous_ip_address":"203.0.113.9","location":"x","action_timestamp":1790000000000000}},"context":{{"ip_address":"198.51.100.7"}}"#),
        r#""action":"made_up","entity":{"type":"ghost","ghost":{"id":7,"x.y":1,"":2,"k":"\ud83d\ude00"}},"new":{"deep":{"er":[]}}"#.to_owned(),
    ] {
        let comma = if rest.is_empty() { "" } else { "," };
        assert!(assert_same(&format!(r#"{{"id":"e","date_create":1790000000{comma}{rest}}}"#)));
    }
    ["", "7", "[]", "{", "{}", "null", r#"{"id":"a","#, r#"{"i\u0064":"x"}"#]
        .into_iter()
        .for_each(|raw| _ = assert_same(raw));
}

/// Values that Slack would never send, in the places that views look at.
fn odd_values() -> Vec<String> {
    let few = [
        "null",
        "true",
        "\"\"",
        "[]",
        "{}",
        "7",
        "1e400",
        "1E+5",
        "-0",
        "1.50",
        "007",
        "18446744073709551616000",
        "oops",
        r#""half \ud83d""#,
        "\"raw \u{1}\"",
        r#""\u001f\u007f\ud83d\ude00 \"\\\/""#,
        "\"::1\"",
        "\"a@b.co\"",
        "[null,1,\"a\",{}]",
        r#"{"z":1,"a":{"c":[],"b":null}}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"":1,"a.b":2,"x_json":3}"#,
        r#"{"k\u0041":1}"#,
    ];
    let list = format!("[{}]", (0..3_000).map(|n| format!("\"U{n}\"")).collect::<Vec<_>>().join(","));
    let map = |keys| format!("{{{}}}", (0..keys).map(|n| format!("\"k{n}\":{n}")).collect::<Vec<_>>().join(","));
    let deep = |levels| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let long = [
        list,
        map(30),
        map(40),
        map(300),
        deep(20),
        deep(30),
        deep(120),
        deep(5_000),
        format!("\"{}\"", "é\\\"".repeat(9_000)),
    ];
    few.into_iter().map(str::to_owned).chain(long).chain([USER.to_owned()]).collect()
}

#[test]
fn odd_values_are_shown_alike_wherever_they_stand() {
    let entry = |action: &str, place: &str, value: &str| {
        let member = |at: &str, name: &str| match place.split_once('.') {
            Some((outer, key)) if outer == at => format!(",\"{key}\":{value}"),
            None if place == name => format!(",\"odd\":{value}"),
            _ => String::new(),
        };
        format!(
            r#"{{"id":"e","action":"{action}","actor":{{"type":"user","user":{{"id":"W1"{}}}}},"entity":{{"type":"file","file":{{"id":"F1"{}}}{}}},"context":{{"ip_address":"198.51.100.7"{}}},"details":{{"type":"INVITED"{}}}{}}}"#,
            member("actor", "actor"),
            member("file", "file"),
            member("entity", "entity"),
            member("context", "context"),
            member("details", "details"),
            member("whole", "whole"),
        )
    };
    let places = [
        "actor.name",
        "actor.email",
        "actor.team",
        "actor",
        "file.name",
        "file.title",
        "file",
        "entity.user",
        "entity",
        "context.location",
        "context.ua",
        "context.session_id",
        "context.app",
        "context",
        "details.reason",
        "details.new_value",
        "details.inviter",
        "details.target_user",
        "details.md5",
        "details.arguments_json",
        "details",
        "whole.date_create",
        "whole.new",
        "whole",
    ];
    let mut twins = 0;
    for value in odd_values() {
        for (n, place) in places.into_iter().enumerate() {
            let action = ["file_downloaded", "anomaly", "pref.x", "user_channel_join", "made_up", "user_login"][n % 6];
            twins += usize::from(assert_same(&entry(action, place, &value)));
        }
    }
    assert!(twins > 500, "{twins}");
}

#[test]
fn whatever_becomes_of_an_entry_is_shown_alike() {
    let org = generate(&OrgPlan { every_action: true, entries: Some(2_000), ..OrgPlan::default() });
    let values = odd_values();
    let seeds = match setting("GRIDWATCH_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("GRIDWATCH_SEEDS").unwrap_or(DEFAULT_SEEDS),
    };
    for seed in seeds {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut raw = org.entries[rng.random_range(0..org.entries.len())].json.clone();
        for _ in 0..rng.random_range(1..4) {
            spoil(&mut raw, &values, &mut rng);
        }
        let outcome = std::panic::catch_unwind(|| assert_same(&raw));
        assert!(outcome.is_ok(), "GRIDWATCH_SEED={seed} repeats it");
    }
}

/// Puts another value or member where one stands, cuts the text, or writes something over it.
fn spoil(raw: &mut String, values: &[String], rng: &mut SmallRng) {
    let from = raw.floor_char_boundary(rng.random_range(0..=raw.len()));
    let to = raw.ceil_char_boundary((from + rng.random_range(0..9)).min(raw.len()));
    let value = &values[rng.random_range(0..values.len())];
    let place = |mark: &str, rng: &mut SmallRng| {
        let all: Vec<usize> = raw.match_indices(mark).map(|(at, mark)| at + mark.len()).collect();
        all.get(rng.random_range(0..=all.len())).copied()
    };
    match rng.random_range(0..8) {
        0 => raw.truncate(from),
        1 => raw.replace_range(from..to, "\\"),
        2 => raw.replace_range(from..to, "\"\u{1f}"),
        3..=5 => {
            let Some(at) = place("\":\"", rng) else { return };
            let end = at + raw[at..].find('"').map_or(0, |end| end + 1);
            raw.replace_range(at - 1..end, value);
        }
        _ => {
            let Some(at) = place("{", rng) else { return };
            let key =
                ["id", "name", "type", "user", "location", "reason", "ua", "x_json", "new"][rng.random_range(0..9)];
            raw.insert_str(at, &format!("\"{key}\":{value},"));
        }
    }
}
