//! Events that a module can't get over: each is found, set aside for that module alone, and everything else goes on.

use super::{dead, evaluate, misbehave, rows};
use gridwatch_detect::{Limits, Workers};
use gridwatch_rules::batch::Batch;
use gridwatch_rules::pipeline::{Asked, ServiceId};
use gridwatch_tests::detection::{Detection, asks, plain};
use gridwatch_tests::guests;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Every way to fail that needs no waiting.
const POISONS: [&str; 7] = ["panic", "unreachable", "recurse", "allocate", "error", "not-utf8", "look-up"];
const AMOUNT: u64 = 10_000_000;

#[test]
fn each_kind_of_poison_dies_alone_with_its_reason() {
    let reasons = [
        "trapped: panicked at guests/misbehave/src/lib.rs: as I was told to",
        "trapped: wasm `unreachable` instruction executed",
        "used more stack than allowed",
        "used more memory than allowed",
        "answered with an error: no  [31mthanks",
        "trapped: invalid utf-8 sequence of 1 bytes from index 0",
        "host calls over the limit",
    ];
    for (poison, reason) in POISONS.into_iter().zip(reasons) {
        let mut module = misbehave(&Limits::default());
        let events: Vec<_> = (0..9).map(|n| if n == 4 { asks(n, poison, AMOUNT) } else { plain(n) }).collect();
        let evaluation = evaluate(&mut module, &events);
        let told: Vec<_> = dead(&evaluation).into_iter().map(|(row, reason)| (row, without_line(reason))).collect();
        assert_eq!(told, [(4, reason.to_owned())], "{poison}");
        assert_eq!(rows(&evaluation), [0, 1, 2, 3, 5, 6, 7, 8], "{poison}");
    }
}

/// `panicked at tests/guests/misbehave/src/lib.rs:175:20:` without what changes with each edit and each builder.
fn without_line(reason: &str) -> String {
    let Some((before, rest)) = reason.split_once("panicked at ") else { return reason.to_owned() };
    let (place, message) = rest.split_once(": ").expect("a place");
    let file = &place[place.find("guests").expect("the guest's file")..];
    let (file, _) = file.split_once(':').expect("a line");
    format!("{before}panicked at {file}: {}", message.trim())
}

#[test]
fn findings_stay_in_the_order_of_rows_around_many_poisons() {
    let poisoned = BTreeSet::from([0, 1, 17, 100, 254, 255]);
    let limits = Limits { failures_per_batch: 100, ..Limits::default() };
    let mut module = misbehave(&limits);
    let event = |n: u32| match poisoned.contains(&n) {
        true => asks(n.into(), POISONS[n as usize % POISONS.len()], AMOUNT),
        false => plain(n.into()),
    };
    let evaluation = evaluate(&mut module, &(0..256).map(event).collect::<Vec<_>>());
    let dead: BTreeSet<u32> = evaluation.outcome.dead.iter().map(|dead| dead.row).collect();
    assert_eq!(dead, poisoned);
    assert_eq!(rows(&evaluation), (0..256).filter(|n| !poisoned.contains(n)).collect::<Vec<_>>());
}

#[test]
fn after_each_failure_there_is_a_fresh_instance() {
    let mut module = misbehave(&Limits::default());
    let events = [plain(1), asks(2, "panic", 0), plain(3), asks(4, "error", 0)];
    let evaluation = evaluate(&mut module, &events);
    let after = evaluate(&mut module, &[asks(5, "count-calls", 0)]);
    assert_eq!(super::titles(&after), ["call 1"]);
    assert_eq!(module.instances, 1 + evaluation.failures.len() as u64);
}

#[test]
fn a_healthy_module_beside_it_loses_nothing() {
    for threads in [1, 2] {
        let limits = Limits { evaluate_ms: 50, failures_per_batch: 100, ..Limits::default() };
        let modules = vec![misbehave(&limits), guests::module("healthy", &Limits::default())];
        let mut detection = Detection::start(modules, threads);
        let poison = |n: u64| match n % 10 {
            3 => asks(n, POISONS[n as usize / 10 % POISONS.len()], AMOUNT),
            7 if n < 10 => asks(n, "spin", 0),
            _ => plain(n),
        };
        let events: Vec<_> = (1..=60).map(poison).collect();
        let mut echoed = Vec::new();
        for batch in events.chunks(20) {
            let (concluded, evaluations) = detection.run(batch);
            // By name.
            assert!(evaluations[0].failures.is_empty(), "{:?}", evaluations[0].failures);
            assert!(concluded.faults.iter().all(|fault| fault.module == "misbehave"), "{:?}", concluded.faults);
            let of_healthy = concluded.alerts.into_iter().filter(|alert| alert.rule == "healthy.echo");
            echoed.extend(of_healthy.map(|alert| alert.dedup_key));
        }
        assert_eq!(echoed, events.iter().map(|e| e.id().to_owned()).collect::<Vec<_>>(), "{threads} threads");
    }
}

#[test]
fn a_fault_names_module_version_event_and_reason() {
    let mut detection = Detection::start(vec![misbehave(&Limits::default())], 1);
    let (concluded, _) = detection.run(&[plain(1), asks(2, "panic", 0)]);
    let fault = &concluded.faults[0];
    assert_eq!((&*fault.module, &*fault.version, &*fault.event_id), ("misbehave", "1.0.0", "e2"));
    assert_eq!(without_line(&fault.reason), "trapped: panicked at guests/misbehave/src/lib.rs: as I was told to");
}

/// A batch that no pipeline makes (a row has no time) panics in the host.
#[test]
fn rows_of_a_thread_that_ended_are_dead_not_lost() {
    let mut workers = Workers::start(2).expect("threads");
    (0..2).for_each(|id| workers.add(ServiceId(id), misbehave(&Limits::default())));
    let asked = |batches: [&Arc<Batch>; 2]| -> Vec<Asked> {
        let numbered = batches.into_iter().zip(0..);
        numbered.map(|(batch, id)| Asked { service: ServiceId(id), batch: batch.clone() }).collect()
    };
    let short = Batch {
        seqs: vec![1, 2],
        times_ms: vec![0],
        texts: vec![0; 6],
        windows: vec![0; 2],
        dict_offsets: vec![0, 0],
        dict_bytes: vec![],
    };
    let sound = Batch { times_ms: vec![0, 0], ..short.clone() };
    let (short, sound) = (Arc::new(short), Arc::new(sound));
    for _ in 0..2 {
        let evaluations = workers.evaluate(&asked([&short, &sound]));
        let reason = "the thread of its module has ended";
        assert_eq!(dead(&evaluations[0].1), [(0, reason), (1, reason)]);
        assert_eq!(rows(&evaluations[1].1), [0, 1], "the other one goes on");
    }
    let nothing = Arc::default();
    assert_eq!(workers.evaluate(&asked([&nothing, &sound]))[0].1.outcome.dead, [], "nothing to lose");
    assert!(workers.retire(ServiceId(0)).is_none(), "it went with its thread");
    assert!(workers.retire(ServiceId(1)).is_some());
}
