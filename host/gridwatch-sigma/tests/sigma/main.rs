//! What rules mean, from their YAML to the findings that the interpreter makes, natively, with the host's own windows.

mod correlation;
mod detection;
mod refused;

use gridwatch_event::entry::Entry;
use gridwatch_event::event::Event;
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::Manifest;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::batch::Batch;
use gridwatch_rules::pipeline::{ModuleOutcome, Pipeline, Service};
use gridwatch_sdk::testing::native;
use gridwatch_sigma::{File, Pack, pack};
use serde_json::{Map, Value, json};
use std::sync::Arc;

const START: u64 = 1_790_000_000;

fn file(name: &str, text: &str) -> File {
    File { name: name.into(), text: text.into() }
}

fn packed(text: &str) -> Pack {
    pack("rules", &[file("rule.yml", text)]).unwrap_or_else(|problems| panic!("{text}\n{problems:#?}"))
}

/// An entry so many seconds after the start.
fn entry(at: u64, action: &str, actor: &str, more: Value) -> Value {
    let mut entry = json!({
        "id": format!("{at}-{action}-{actor}"), "date_create": START + at, "action": action,
        "actor": { "type": "user", "user": { "id": actor, "name": actor, "email": format!("{actor}@corp.example") } },
        "entity": { "type": "workspace", "workspace": { "id": "T1", "name": "Corp" } },
        "context": { "ip_address": "198.51.100.7", "ua": "Slack/4.40 (Windows)", "session_id": 42 },
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        entry[key] = value.clone();
    }
    entry
}

/// Every finding as an alert of its own, whether events come one by one or together, with triggers and without.
fn alerts(pack: &Pack, entries: &[Value]) -> Vec<Alert> {
    let manifest = Manifest::parse(&pack.manifest).expect("it was checked");
    let config = manifest.configuration(&Map::new()).expect("defaults");
    let manifest = manifest.with_settings(&config);
    let entry = |(n, entry): (usize, &Value)| {
        let time = UnixMillis((START + 999_999) * 1_000);
        Event::new(n as u64 + 1, time, &Entry::from_json(&entry.to_string()))
    };
    let events: Vec<Event> = entries.iter().enumerate().map(entry).collect();
    let run = |size: usize, triggers: bool| {
        let mut module = native(&manifest, &Map::new(), Default::default(), gridwatch_interpreter::detect);
        let service = Service { manifest: Arc::new(manifest.clone()), digest: "test".into(), serves: 0..u64::MAX };
        let pipeline = Pipeline::new(vec![service]).without_folding();
        let mut pipeline = if triggers { pipeline } else { pipeline.without_triggers() };
        let mut alerts = Vec::new();
        for events in events.chunks(size) {
            let prepared = pipeline.prepare(events);
            let mut judged = |batch: &Batch| if batch.rows() == 0 { ModuleOutcome::default() } else { module(batch) };
            let outcomes: Vec<_> = prepared.asked.iter().map(|asked| (asked.service, judged(&asked.batch))).collect();
            let concluded = pipeline.conclude(events, &prepared, outcomes);
            pipeline.take_changes();
            assert!(concluded.faults.is_empty(), "{:?}", concluded.faults);
            alerts.extend(concluded.alerts);
        }
        alerts
    };
    let one_by_one = run(1, true);
    assert_eq!(run(1_024, true), one_by_one, "together");
    assert_eq!(run(1, false), one_by_one, "without triggers");
    one_by_one
}

/// The rules that found something, in order.
fn rules(pack: &Pack, entries: &[Value]) -> Vec<String> {
    alerts(pack, entries).iter().map(|alert| alert.rule.trim_start_matches("rules.").to_owned()).collect()
}
