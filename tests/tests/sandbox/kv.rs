//! Key-value state: what a good call wrote stays, what a failed call wrote is gone, and a restart forgets nothing.

use super::{dead, evaluate, misbehave, titles};
use gridwatch_detect::kept::Kept;
use gridwatch_detect::{Limits, Module};
use gridwatch_event::event::Event;
use gridwatch_rules::state::StateOp;
use gridwatch_rules::windows::LATE_S;
use gridwatch_tests::detection::{asks, event_at, signs_in};
use serde_json::json;

/// Actor `who` asks, and its name is the key.
fn by(n: u64, who: &str, misdeed: &str, amount: u64) -> Event {
    signs_in(n, who, json!({ "misdeed": misdeed, "amount": amount }))
}

fn read(module: &mut Module, who: &str) -> String {
    titles(&evaluate(module, &[by(1_000, who, "kv-read", 0)]))[0].to_owned()
}

#[test]
fn a_call_reads_its_own_writes() {
    let mut module = misbehave(&Limits::default());
    let events = [by(1, "A", "kv-read", 0), by(2, "A", "kv-write", 10), by(3, "A", "kv-read", 0)];
    assert_eq!(titles(&evaluate(&mut module, &events)), ["nothing", "seen", "10 bytes"]);
}

#[test]
fn writes_of_a_failed_call_are_dropped_and_of_good_ones_kept() {
    let mut module = misbehave(&Limits::default());
    let events = [
        by(1, "A", "kv-write", 10),
        by(2, "B", "kv-write-then-panic", 20),
        by(3, "C", "kv-write", 30),
        by(4, "D", "kv-write-then-panic", 40),
    ];
    let evaluation = evaluate(&mut module, &events);
    assert_eq!(dead(&evaluation).iter().map(|(row, _)| *row).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(evaluation.changes.len(), 2, "each kept write is saved once: {:?}", evaluation.changes);
    let found = ["A", "B", "C", "D"].map(|who| read(&mut module, who));
    assert_eq!(found, ["10 bytes", "nothing", "30 bytes", "nothing"]);
}

#[test]
fn state_comes_back_after_a_restart_and_goes_from_version_to_version() {
    let mut module = misbehave(&Limits::default());
    let changes = evaluate(&mut module, &[by(1, "A", "kv-write", 10), by(2, "B", "kv-write", 0)]).changes;
    let (mut again, mut next) = (misbehave(&Limits::default()), misbehave(&Limits::default()));
    let mut kept = Kept::default();
    for StateOp { key, value } in changes {
        kept.load(&key, &value.expect("writable").expect("a write")).expect("readable");
        assert_eq!(Kept::module_of(&key), Some("misbehave"));
        let of_another = String::from_utf8(key).expect("text").replace("misbehave", "other");
        assert_eq!(Kept::module_of(of_another.as_bytes()), Some("other"));
    }
    again.keep(kept);
    let found = ["10 bytes", "0 bytes", "nothing"];
    assert_eq!(["A", "B", "C"].map(|who| read(&mut again, who)), found);
    next.keep(again.into_kept());
    assert_eq!(["A", "B", "C"].map(|who| read(&mut next, who)), found, "handed to the next version");
}

#[test]
fn a_row_sees_what_has_not_expired_by_its_own_time() {
    let mut module = misbehave(&Limits::default());
    let at = |after_s: u64, misdeed: &str| {
        event_at(after_s, after_s, "user_login", "A", json!({ "misdeed": misdeed, "amount": 10 }))
    };
    // Written to last ten minutes; then read in time, too late, and by a late row that is in time again.
    let events = [at(1_000, "kv-write-for"), at(1_599, "kv-read"), at(1_600, "kv-read"), at(1_100, "kv-read")];
    let evaluation = evaluate(&mut module, &events);
    assert_eq!(titles(&evaluation), ["seen", "1790001000000", "nothing", "1790001000000"]);
    let expiry = 1_600 + LATE_S;
    assert_eq!(evaluate(&mut module, &[at(expiry, "")]).changes, [], "a row as late as can be may still come");
    let removed = evaluate(&mut module, &[at(expiry + 1, "")]).changes;
    assert_eq!(removed.iter().filter(|change| change.value == Ok(None)).count(), 1, "{removed:?}");
}

#[test]
fn replacing_a_value_needs_no_more_room_than_it_has() {
    let mut module = misbehave(&Limits { kv_bytes: 1_000, ..Limits::default() });
    let write = |n, bytes| by(n, "A", "kv-write", bytes);
    let evaluation = evaluate(&mut module, &[write(1, 900), write(2, 900)]);
    assert_eq!(dead(&evaluation), [], "in one call");
    assert_eq!(dead(&evaluate(&mut module, &[write(3, 999)])), [], "in the next");
    assert_eq!(dead(&evaluate(&mut module, &[write(4, 1_000)])).len(), 1, "with its key it is one byte too long");
    assert_eq!(
        dead(&evaluate(&mut module, &[by(5, "B", "kv-write", 0)])).len(),
        1,
        "and there is no room for a second"
    );
}

#[test]
fn a_lookup_that_makes_no_sense_is_answered_not_trusted() {
    let mut module = misbehave(&Limits::default());
    let evaluation = evaluate(&mut module, &[asks(1, "look-up-beyond", 0), asks(2, "look-up-nowhere", 0)]);
    assert_eq!(dead(&evaluation), [(1, "answered with an error: lookup code 1")]);
}
