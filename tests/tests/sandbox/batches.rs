//! How events are cut into batches can't be seen in what comes of them: neither by windows, nor by key-value state, nor by
//! poison events that have their batch halved again and again.

use super::misbehave;
use gridwatch_detect::Limits;
use gridwatch_event::event::Event;
use gridwatch_rules::pipeline::Fault;
use gridwatch_rules::windows::LATE_S;
use gridwatch_tests::detection::{Detection, event_at};
use gridwatch_tests::guests;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_split_gives_the_same_alerts_byte_for_byte(
        acts in prop::collection::vec(act(), 1..80),
        sizes in prop::collection::vec(1..40_usize, 1..8),
    ) {
        let events = events(&acts);
        let one_by_one = run(&events, &[1]);
        prop_assert_eq!(&run(&events, &sizes), &one_by_one);
        prop_assert_eq!(&run(&events, &[events.len()]), &one_by_one);
    }
}

#[derive(Clone, Debug)]
struct Act {
    action: &'static str,
    actor: &'static str,
    misdeed: &'static str,
    amount: u64,
    /// Since the newest event before it.
    wait_s: u64,
    /// How much older than that it says it is.
    late_s: u64,
}

fn act() -> impl Strategy<Value = Act> {
    let misdeed = prop_oneof![
        12 => Just(""),
        4 => prop::sample::select(vec!["kv-write", "findings", "look-up", "log"]),
        8 => prop::sample::select(vec!["kv-write-for", "kv-read"]),
        2 => prop::sample::select(vec!["lie-rule", "lie-severity", "lie-evidence", "lie-window", "lie-action"]),
        1 => prop::sample::select(vec!["panic", "error", "not-utf8", "kv-write-then-panic"]),
    ];
    let action = prop::sample::select(vec!["user_login", "user_login", "user_logout", "file_downloaded"]);
    let actor = prop::sample::select(vec!["W1", "W2", "W3"]);
    // Items of minutes, written and read over days: seen in time, seen by a late row only, expired, removed.
    let wait = prop_oneof![8 => 0..600_u64, 1 => 0..LATE_S, 1 => LATE_S..3 * LATE_S];
    let late = prop_oneof![3 => Just(0), 1 => 0..600_u64, 1 => 0..=LATE_S];
    (action, actor, misdeed, 0..30_u64, wait, late).prop_map(|(action, actor, misdeed, amount, wait_s, late_s)| Act {
        action,
        actor,
        misdeed,
        amount: if misdeed == "lie-evidence" { 0 } else { amount },
        wait_s,
        late_s,
    })
}

fn events(acts: &[Act]) -> Vec<Event> {
    let mut newest = LATE_S;
    let event = |(n, act): (usize, &Act)| {
        let at = newest + act.wait_s - act.late_s.min(LATE_S);
        newest = newest.max(at);
        event_at(n as u64 + 1, at, act.action, act.actor, json!({ "misdeed": act.misdeed, "amount": act.amount }))
    };
    acts.iter().enumerate().map(event).collect()
}

/// What can be seen from outside.
#[derive(Debug, PartialEq)]
struct Seen {
    /// Each alert as it would be sent.
    alerts: Vec<String>,
    faults: Vec<String>,
    /// The modules' own state.
    state: BTreeMap<Vec<u8>, Vec<u8>>,
}

fn run(events: &[Event], sizes: &[usize]) -> Seen {
    let limits = Limits { failures_per_batch: u32::MAX, ..Limits::default() };
    let modules = vec![misbehave(&limits), guests::module("healthy", &limits)];
    let mut detection = Detection::start(modules, 2);
    let mut seen = Seen { alerts: vec![], faults: vec![], state: BTreeMap::new() };
    let (mut rest, mut sizes) = (events, sizes.iter().cycle());
    while !rest.is_empty() {
        let (batch, later) = rest.split_at((*sizes.next().unwrap_or(&1)).min(rest.len()));
        rest = later;
        let (concluded, evaluations) = detection.run(batch);
        seen.alerts.extend(concluded.alerts.iter().map(|alert| serde_json::to_string(alert).expect("an alert")));
        seen.faults
            .extend(concluded.faults.iter().map(|Fault { event_id, reason, .. }| format!("{event_id} {reason}")));
        for change in evaluations.into_iter().flat_map(|evaluation| evaluation.changes) {
            match change.value.expect("writable") {
                Some(value) => seen.state.insert(change.key, value),
                None => seen.state.remove(&change.key),
            };
        }
    }
    // Within a batch, the dead rows are told before the lies.
    seen.faults.sort();
    seen
}
