//! Each limit, kept and broken.

use super::{dead, evaluate, misbehave, rows, titles};
use gridwatch_detect::{Limits, Refused};
use gridwatch_tests::detection::{asks, plain};
use gridwatch_tests::guests::configured;
use serde_json::{Map, json};
use std::time::{Duration, Instant};

/// Small, so that a test breaks one limit and no other.
fn small() -> Limits {
    Limits {
        memory_bytes: 8 << 20,
        host_calls: 4,
        transfer_bytes: 128 << 10,
        findings: 10,
        kv_bytes: 1_000,
        kv_key_bytes: 32,
        kv_value_bytes: 500,
        ..Limits::default()
    }
}

/// wasmtime's words: it gives no type to tell it by.
const TOO_MUCH_DATA: &str = "trapped: too much data is being copied between the host and the guest: \
                             fuel allocated for hostcalls has been exhausted";

#[test]
fn what_is_within_a_limit_passes_and_what_is_over_it_costs_its_row() {
    let whole_kv = Limits { kv_value_bytes: 2_000, ..small() };
    // Limits, misdeed, an amount within, an amount over, the reason given.
    let cases = [
        (small(), "allocate", 4 << 10, 16 << 10, "used more memory than allowed"),
        (small(), "recurse", 100, 10_000_000, "used more stack than allowed"),
        (small(), "look-up", 4, 5, "host calls over the limit"),
        (small(), "findings", 10, 11, "11 findings, more than 10"),
        (small(), "long-texts", 100, 100_000, TOO_MUCH_DATA),
        (small(), "kv-value", 500, 501, "answered with an error: kv code 2"),
        (small(), "kv-key", 32, 33, "answered with an error: kv code 2"),
        (whole_kv, "kv-write", 998, 999, "answered with an error: kv code 1"),
    ];
    for (limits, misdeed, within, over, reason) in cases {
        let misdeed = if misdeed == "kv-value" { "kv-write" } else { misdeed };
        let mut module = misbehave(&limits);
        let kept = evaluate(&mut module, &[asks(1, misdeed, within)]);
        assert_eq!((dead(&kept), kept.failures.len()), (vec![], 0), "{misdeed} {within}");
        assert!(!rows(&kept).is_empty(), "{misdeed} {within}");
        let mut module = misbehave(&limits);
        let broken = evaluate(&mut module, &[asks(1, misdeed, over), plain(2)]);
        assert_eq!(dead(&broken), [(0, reason)], "{misdeed} {over}");
        assert_eq!(rows(&broken), [1], "{misdeed} {over}");
    }
}

#[test]
fn a_call_ends_when_its_time_is_up() {
    let mut module = misbehave(&Limits { evaluate_ms: 100, ..Limits::default() });
    let (evaluation, took) = timed(|| evaluate(&mut module, &[asks(1, "spin", 0)]));
    assert_eq!(dead(&evaluation), [(0, "took longer than 100 ms")]);
    assert!((Duration::from_millis(95)..Duration::from_secs(5)).contains(&took), "{took:?}");
}

#[test]
fn one_spinning_row_costs_its_share_of_a_timeout_for_each_halving() {
    let events: Vec<_> = (0..16).map(|n| if n == 11 { asks(n, "spin", 0) } else { plain(n) }).collect();
    let once = || {
        let mut module = misbehave(&Limits { evaluate_ms: 400, ..Limits::default() });
        let (evaluation, took) = timed(|| evaluate(&mut module, &events));
        assert_eq!(dead(&evaluation), [(11, "took longer than 100 ms")]);
        assert_eq!(evaluation.failures.len(), 5, "16, 8, 4, 2 and 1 rows");
        assert_eq!(rows(&evaluation).len(), 15, "nothing else is lost");
        took
    };
    // 400, 200 and three times 100 ms; five whole timeouts would be two seconds. A machine that does something else meanwhile
    // makes it slower, but never faster.
    let took = (0..5).map(|_| once()).min().expect("a try");
    assert!((Duration::from_millis(880)..Duration::from_millis(1_900)).contains(&took), "{took:?}");
}

#[test]
fn a_batch_has_a_budget_of_time_and_what_is_left_of_it_then_is_dead_lettered() {
    let mut module = misbehave(&Limits { evaluate_ms: 100, batch_ms: 300, ..Limits::default() });
    let events: Vec<_> = (0..64).map(|n| asks(n, "spin", 0)).collect();
    let (evaluation, took) = timed(|| evaluate(&mut module, &events));
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(evaluation.outcome.dead.len(), 64);
    let last = dead(&evaluation)[63];
    assert_eq!(last, (63, "not evaluated: the module kept failing in this batch"));
}

/// Nothing a module imports tells it that it starts again, so a start that was quick at first is made too slow by less time for it.
#[test]
fn a_module_that_does_not_start_again_is_set_aside() {
    let slow: Map<_, _> = [("setup".to_owned(), json!(["burn 1000000"]))].into_iter().collect();
    let mut module = configured("misbehave", &Limits::default(), &slow).expect("a slow start is no reason");
    let start_ms = |_| {
        evaluate(&mut module, &[asks(1, "panic", 0)]);
        evaluate(&mut module, &[plain(2)]).took.as_millis() as u64
    };
    // A machine that does something else meanwhile makes one slower, but none faster.
    let start_ms = (0..5).map(start_ms).min().expect("a try");
    let limits = Limits { batch_ms: start_ms / 4, evaluate_ms: start_ms / 4, ..Limits::default() };
    let mut module = configured("misbehave", &limits, &slow).expect("it has all its time at first");
    let mut last = evaluate(&mut module, &[asks(1, "panic", 0)]);
    for n in 2..200 {
        if last.outcome.set_aside.is_some() {
            let set_aside = last.outcome.set_aside.as_ref().map(|set_aside| set_aside.last.clone()).unwrap_or_default();
            assert!(set_aside.starts_with("does not start again: it takes longer than "), "{set_aside}");
            return;
        }
        last = evaluate(&mut module, &[plain(n)]);
    }
    panic!("still tried: {:?}", dead(&last));
}

#[test]
fn starting_is_bounded_too() {
    let limits = Limits { setup_ms: 100, ..small() };
    let refusal = |what: &str, limits: &Limits| {
        let config: Map<_, _> = [("setup".to_owned(), json!([what]))].into_iter().collect();
        configured("misbehave", limits, &config).expect_err(what)
    };
    let (spun, took) = timed(|| refusal("spin", &limits));
    assert!(matches!(spun, Refused::Start { .. }), "{spun}");
    assert!((Duration::from_millis(95)..Duration::from_secs(5)).contains(&took), "{took:?}");
    for misdeed in ["panic", "unreachable", "allocate", "recurse"] {
        let refused = refusal(misdeed, &limits);
        assert!(matches!(refused, Refused::Start { .. }), "{misdeed}: {refused}");
    }
    let no_memory = refusal("", &Limits { memory_bytes: 64 << 10, ..small() });
    assert!(no_memory.to_string().contains("memory over its limit of 65536 bytes"), "{no_memory}");
    let no_table = refusal("", &Limits { table_elements: 1, ..small() });
    assert!(no_table.to_string().contains("tables over their limit of 1 elements"), "{no_table}");
}

#[test]
fn an_instance_is_renewed_after_so_many_calls() {
    let mut module = misbehave(&Limits { renew_after_calls: 2, ..Limits::default() });
    let calls: Vec<String> =
        (0..5).map(|n| titles(&evaluate(&mut module, &[asks(n, "count-calls", 0)]))[0].to_owned()).collect();
    assert_eq!(calls, ["call 1", "call 2", "call 1", "call 2", "call 1"]);
    assert_eq!(module.instances, 3);
}

#[test]
fn an_instance_is_renewed_when_it_has_grown() {
    let mut module = misbehave(&Limits { renew_at_bytes: 8 << 20, ..Limits::default() });
    let mut calls_after = |kib| {
        evaluate(&mut module, &[asks(1, "allocate", kib)]);
        titles(&evaluate(&mut module, &[asks(2, "count-calls", 0)]))[0].to_owned()
    };
    assert_eq!(calls_after(1 << 10), "call 2", "a little is no reason");
    assert_eq!(calls_after(16 << 10), "call 1");
    assert_eq!(module.instances, 2);
}

/// Calls that fail on every row end with the budget, and the rest of the batch is dead-lettered unseen.
#[test]
fn a_module_that_fails_on_everything_is_given_up_for_the_batch() {
    let mut module = misbehave(&Limits { failures_per_batch: 8, ..Limits::default() });
    let events: Vec<_> = (0..64).map(|n| asks(n, "panic", 0)).collect();
    let evaluation = evaluate(&mut module, &events);
    assert_eq!(evaluation.failures.len(), 8);
    let rows: Vec<u32> = evaluation.outcome.dead.iter().map(|dead| dead.row).collect();
    assert_eq!(rows, (0..64).collect::<Vec<_>>());
    let unseen = |reason: &str| reason == "not evaluated: the module kept failing in this batch";
    assert_eq!(
        dead(&evaluation).into_iter().filter(|(_, reason)| !unseen(reason)).count(),
        2,
        "64, 32, … 1 and 1 rows"
    );
    assert_eq!(super::rows(&evaluate(&mut module, &[plain(100)])), [0], "the next batch is a new start");
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    #[expect(clippy::disallowed_methods, reason = "the time a call takes is what is tested")]
    let now = Instant::now;
    let started = now();
    let result = work();
    (result, now() - started)
}
