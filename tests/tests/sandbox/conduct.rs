//! Setting aside: what it takes, that it comes at the same row however events are cut into batches, and that it costs nothing then.

use super::{evaluate, misbehave, rows};
use gridwatch_detect::Limits;
use gridwatch_event::event::Event;
use gridwatch_rules::builtin;
use gridwatch_rules::conduct::{FAULTS, Why};
use gridwatch_tests::detection::{Detection, asks, plain};
use gridwatch_tests::guests;
use proptest::prelude::*;

/// Fails on every row from the 40th on.
fn turning_bad(rows: u64) -> Vec<Event> {
    (1..=rows).map(|n| if n < 40 { plain(n) } else { asks(n, "panic", 0) }).collect()
}

#[test]
fn a_module_that_fails_on_everything_is_set_aside_and_costs_nothing_then() {
    let mut module = misbehave(&Limits::default());
    let evaluation = evaluate(&mut module, &turning_bad(300));
    let set_aside = evaluation.outcome.set_aside.as_ref().expect("set aside");
    let row = 38 + FAULTS as u32;
    assert_eq!((set_aside.row, set_aside.why, set_aside.faults), (row, Why::Faults, FAULTS as u64));
    assert!(set_aside.last.contains("as I was told to"), "{}", set_aside.last);
    assert_eq!((evaluation.outcome.dead.len(), rows(&evaluation).len()), (FAULTS, 39), "what it did before counts");
    assert_eq!(evaluation.unjudged, u64::from(299 - row));
    let instances = module.instances;
    let after = evaluate(&mut module, &[plain(1_000), asks(1_001, "spin", 0)]);
    assert_eq!((after.unjudged, after.failures.len(), rows(&after).len()), (2, 0, 0));
    assert!(after.outcome.set_aside.is_none(), "told once");
    assert_eq!(module.instances, instances);
}

#[test]
fn a_module_that_fails_now_and_then_goes_on() {
    let mut module = misbehave(&Limits::default());
    let events: Vec<_> = (0..400).map(|n| if n % 5 == 0 { asks(n, "panic", 0) } else { plain(n) }).collect();
    for batch in events.chunks(100) {
        assert!(evaluate(&mut module, batch).outcome.set_aside.is_none());
    }
}

#[test]
fn a_flood_ends_with_the_row_that_is_too_much() {
    let mut module = misbehave(&Limits::default());
    let events: Vec<_> = (0..9).map(|n| asks(n, "findings", if n == 3 || n == 5 { 4_000 } else { 1 })).collect();
    let evaluation = evaluate(&mut module, &events);
    let set_aside = evaluation.outcome.set_aside.as_ref().expect("set aside");
    assert_eq!((set_aside.row, set_aside.why), (5, Why::Findings));
    assert_eq!(evaluation.outcome.findings.len(), 4 + 4_000);
    assert!(rows(&evaluation).iter().all(|row| *row < 5));
}

#[test]
fn one_row_in_each_batch_that_takes_all_the_time_is_too_much() {
    let limits = Limits { evaluate_ms: 1_000, batch_ms: 5_000, ..Limits::default() };
    let mut module = misbehave(&limits);
    let batch = |of: u64| -> Vec<_> {
        (0..32).map(|n| if n == 17 { asks(of * 32 + n, "spin", 0) } else { plain(of * 32 + n) }).collect()
    };
    let set_aside = (0..10).find_map(|n| evaluate(&mut module, &batch(n)).outcome.set_aside.map(|set| (n, set.why)));
    let (batches, why) = set_aside.expect("set aside");
    assert_eq!(why, Why::Time);
    assert!((2..=5).contains(&batches), "after {batches} batches");
}

#[test]
fn a_module_that_nearly_takes_its_time_in_each_batch_is_too_much() {
    let mut module = misbehave(&Limits { evaluate_ms: 10_000, batch_ms: 10_000, ..Limits::default() });
    // How much burns for about a second depends on the machine, and on what else it does: the fastest of a few tries counts.
    let took_us = |_| evaluate(&mut module, &[asks(0, "burn", 300_000)]).took.as_micros().max(1) as u64;
    let fastest_us = (0..5).map(took_us).min().expect("a try");
    let amount = 300_000 * 900_000 / fastest_us;
    let set_aside = (1..60).find_map(|n| evaluate(&mut module, &[asks(n, "burn", amount)]).outcome.set_aside);
    assert_eq!(set_aside.map(|set| set.why), Some(Why::Time));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn any_split_sets_aside_at_the_same_event_with_the_same_alert(
        kinds in prop::collection::vec(0..10_u8, 200..300),
        sizes in prop::collection::vec(1..200_usize, 1..6),
    ) {
        let event = |(n, kind): (usize, &u8)| match kind {
            0..=5 => asks(n as u64 + 1, ["panic", "error"][n % 2], 0),
            6 => asks(n as u64 + 1, "findings", 30),
            _ => plain(n as u64 + 1),
        };
        let events: Vec<_> = kinds.iter().enumerate().map(event).collect();
        let one_by_one = run(&events, &[1]);
        prop_assert!(one_by_one.iter().any(|line| line.contains(builtin::MODULE_SET_ASIDE)), "it is set aside");
        for sizes in [sizes, vec![events.len()]] {
            let other = run(&events, &sizes);
            let differs = other.iter().zip(&one_by_one).find(|(other, one)| other != one);
            prop_assert!(differs.is_none() && other.len() == one_by_one.len(), "{sizes:?}: {differs:#?}");
        }
    }
}

/// Every alert and fault, as it would be sent. With all the time there is: what time decides, the machine decides.
fn run(events: &[Event], sizes: &[usize]) -> Vec<String> {
    let limits = Limits { evaluate_ms: 60_000, batch_ms: 600_000, ..Limits::default() };
    let modules = vec![misbehave(&limits), guests::module("healthy", &limits)];
    let mut detection = Detection::start(modules, 2);
    let (mut rest, mut sizes) = (events, sizes.iter().cycle());
    let (mut alerts, mut faults) = (Vec::new(), Vec::new());
    while !rest.is_empty() {
        let (batch, later) = rest.split_at((*sizes.next().unwrap_or(&1)).min(rest.len()));
        rest = later;
        let (concluded, _) = detection.run(batch);
        alerts.extend(concluded.alerts.iter().map(|alert| serde_json::to_string(alert).expect("an alert")));
        faults.extend(concluded.faults.iter().map(|fault| format!("{} {}", fault.event_id, fault.reason)));
    }
    faults.sort();
    alerts.into_iter().chain(faults).collect()
}
