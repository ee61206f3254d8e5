//! A flood of made-up people, sessions, addresses and files through the windows of the real modules, and through those that sum up
//! weeks: what it may cost, and what is left of it when it is over.

use gridwatch_event::entry::Entry;
use gridwatch_event::event::Event;
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::Manifest;
use gridwatch_rules::pipeline::{ModuleOutcome, Pipeline, Service};
use gridwatch_rules::windows::LATE_S;
use std::path::Path;

const FROM: u64 = 1_790_000_000;
/// `GRIDWATCH_FLOOD=300000` sends as many, with as much more room.
const EVENTS: u64 = 10_000;
/// Sixteen in a second.
const A_SECOND: u64 = 16;
const BATCH: u64 = 4_096;
/// Room for one event in four, or so.
const BYTES_AN_EVENT: usize = 1_000;
/// What one event may add beyond it before the next makes room.
const ONE_EVENT: usize = 1 << 20;

/// What strangers can cause to be logged, and what a taken account can do by the thousand.
const ACTIONS: [&str; 8] = [
    "user_login_failed",
    "user_login",
    "ip_allowlist_access_denied",
    "file_downloaded",
    "public_channel_preview",
    "user_channel_join",
    "file_public_link_created",
    "mcp_slack_read_channel_tool_called",
];

fn manifests() -> Vec<Manifest> {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest-rules");
    let listing = std::fs::read_dir(rules).expect("guest-rules");
    let mut folders: Vec<_> = listing.map(|folder| folder.expect("a folder").path()).collect();
    folders.sort();
    let texts = folders.iter().filter_map(|folder| std::fs::read_to_string(folder.join("module.toml")).ok());
    let of_weeks = include_str!("slow_collecting.toml").to_owned();
    texts.chain([of_weeks]).map(|text| Manifest::parse(&text).unwrap_or_else(|e| panic!("{e}"))).collect()
}

#[expect(clippy::disallowed_methods, reason = "a test's size is chosen by whoever runs it")]
fn events() -> u64 {
    std::env::var("GRIDWATCH_FLOOD").map_or(EVENTS, |text| text.parse().expect("a number"))
}

fn pipeline(state_max: usize) -> Pipeline {
    let service =
        |manifest: Manifest| Service { manifest: manifest.into(), digest: String::new(), serves: 0..u64::MAX };
    Pipeline::new(manifests().into_iter().map(service).collect()).with_state_max(state_max)
}

/// Nothing in it was ever seen before.
fn made_up(n: u64, time: u64) -> Event {
    let action = ACTIONS[(n % ACTIONS.len() as u64) as usize];
    let kind = if action.contains("file") { "file" } else { "channel" };
    let raw = format!(
        r#"{{"id":"e{n}","date_create":{time},"action":"{action}",
            "actor":{{"type":"user","user":{{"id":"W{n}","name":"n{n}","email":"n{n}@acme.example"}}}},
            "entity":{{"type":"{kind}","{kind}":{{"id":"C{n}","name":"c{n}"}}}},
            "context":{{"ip_address":"10.{}.{}.{}","ua":"curl/8","session_id":{n},"app":{{"id":"A{n}"}}}}}}"#,
        n >> 16 & 255,
        n >> 8 & 255,
        n & 255
    );
    Event::new(n, UnixMillis(0), &Entry::from_json(&raw))
}

/// Takes events in as the host does, with modules that find nothing.
fn take_in(pipeline: &mut Pipeline, events: &[Event]) {
    let prepared = pipeline.prepare(events);
    let silent = prepared.asked.iter().map(|asked| (asked.service, ModuleOutcome::default()));
    assert!(pipeline.conclude(events, &prepared, silent).faults.is_empty());
    pipeline.take_changes();
}

#[test]
fn a_flood_of_made_up_actors_is_bounded_and_passes() {
    let (all, mut fullest, mut n) = (events(), 0, 1);
    let state_max = all as usize * BYTES_AN_EVENT;
    let mut pipeline = pipeline(state_max);
    while n <= all {
        let until = (n + BATCH).min(all + 1);
        let events: Vec<Event> = (n..until).map(|n| made_up(n, FROM + n / A_SECOND)).collect();
        n = until;
        take_in(&mut pipeline, &events);
        let bytes = pipeline.window_bytes();
        assert!(bytes <= state_max + ONE_EVENT, "{bytes}");
        fullest = fullest.max(bytes);
    }
    assert!(fullest > state_max * 9 / 10, "it never was as much as allowed: {fullest}");

    // The longest span is that of a window which remembers for 400 days.
    let longest = manifests().iter().map(Manifest::longest_span_s).max().unwrap();
    take_in(&mut pipeline, &[made_up(n, FROM + all / A_SECOND + longest + LATE_S + 2 * 86_400)]);
    let sizes = pipeline.window_sizes();
    for size in &sizes {
        assert!(size.keys <= 1 && size.hits <= 2, "{size:?} is left, where only the last event should be");
    }
    let bytes = pipeline.window_bytes();
    assert!(bytes < 100_000, "{bytes}");
}
