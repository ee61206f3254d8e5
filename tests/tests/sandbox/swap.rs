//! Versions that take over: each event is judged by one of them, and what the one kept the next one has.

use super::misbehave;
use gridwatch_detect::{Detector, DetectorConfig, Limits};
use gridwatch_event::event::Event;
use gridwatch_tests::detection::signs_in;
use serde_json::json;

fn by(n: u64, who: &str, misdeed: &str) -> Event {
    signs_in(n, who, json!({ "misdeed": misdeed, "amount": 10 }))
}

fn detector() -> Detector {
    let setting = DetectorConfig { is_apart: true, threads: 2, ..DetectorConfig::default() };
    Detector::new(setting, vec![misbehave(&Limits::default())]).expect("threads")
}

/// What is found, in the order of events, and the rows to save.
fn titles(detector: &mut Detector, events: &[Event]) -> Vec<String> {
    let alerts = detector.detect(events).concluded.alerts;
    alerts.into_iter().filter(|alert| alert.rule.starts_with("misbehave.")).map(|alert| alert.title).collect()
}

#[test]
fn a_version_takes_over_at_a_sequence_number_however_events_are_cut_into_batches() {
    let events = [
        by(1, "A", "count-calls"),
        by(2, "A", "kv-write"),
        by(3, "A", "kv-read"),
        by(4, "A", "count-calls"),
        by(5, "A", "kv-read"),
    ];
    for size in [1, 2, 3, 5] {
        let mut detector = detector();
        detector.hand_over(misbehave(&Limits::default()), 3);
        let told: Vec<String> = events.chunks(size).flat_map(|batch| titles(&mut detector, batch)).collect();
        assert_eq!(told[..3], ["call 1", "seen", "10 bytes"], "{size}: what the old one wrote");
        // Whether the third event came to the new one in a call of its own, the cut says; no call of the old one counts.
        let calls = if [1, 3].contains(&size) { "call 2" } else { "call 1" };
        assert_eq!(told[3..], [calls, "10 bytes"], "{size}");
        assert_eq!(detector.manifests().count(), 1);
    }
}

#[test]
fn a_module_that_comes_back_has_what_it_left() {
    let mut detector = detector();
    assert_eq!(titles(&mut detector, &[by(1, "A", "kv-write")]), ["seen"]);
    detector.retire("misbehave");
    assert_eq!(titles(&mut detector, &[by(2, "A", "kv-read")]), Vec::<String>::new());
    detector.add(misbehave(&Limits::default()));
    assert_eq!(titles(&mut detector, &[by(3, "A", "kv-read")]), ["10 bytes"]);
}
