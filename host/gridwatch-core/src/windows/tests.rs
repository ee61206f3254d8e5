//! Windows by example: what each kind counts, late events, saving, bounds.

use super::*;
use crate::entry::Entry;
use crate::time::UnixMillis;

fn spec(kind: WindowKind, actions: &[&str], span_s: u64) -> WindowSpec {
    let key = vec![Field::parse("actor.id").unwrap()];
    let actions = actions.iter().map(|a| (*a).to_owned()).collect();
    WindowSpec { name: "w".into(), kind, actions, only: vec![], read_key: key.clone(), key, span_s, learn_s: 100 }
}

fn windows(spec: WindowSpec) -> Windows {
    let id = slot_id("m", &spec);
    let slot = Slot { id, module: "m".into(), spec, keys: HashMap::new(), since: None, dirty: BTreeMap::new() };
    Windows { slots: vec![slot], newest: UnixSeconds(0) }
}

fn event(seq: u64, time: u64, action: &str, actor: &str, ip: &str) -> Event {
    let raw = format!(
        r#"{{"id":"id-{seq}","date_create":{time},"action":"{action}","actor":{{"type":"user","user":{{"id":"{actor}"}}}},
            "context":{{"ip_address":"{ip}"}}}}"#
    );
    Event::new(seq, UnixMillis(0), &Entry::from_json(&raw))
}

/// Feeds failures of one actor at these times, in this order, and reads each one's value.
fn values(windows: &mut Windows, times: &[u64]) -> Vec<u64> {
    let fed = times.iter().enumerate().map(|(i, t)| event(i as u64 + 1, *t, "user_login_failed", "W1", "1.1.1.1"));
    fed.map(|e| {
        windows.feed(&e);
        windows.value(0, &e)
    })
    .collect()
}

#[test]
fn a_count_slides_with_event_time() {
    let mut w = windows(spec(WindowKind::Count, &["user_login_failed"], 60));
    assert_eq!(values(&mut w, &[1000, 1000, 1059, 1060, 1200]), [1, 2, 3, 2, 1]);
}

#[test]
fn a_late_event_sees_the_burst_it_completes() {
    let mut w = windows(spec(WindowKind::Count, &["user_login_failed"], 60));
    // The third event is the middle of a burst; a count that only looked back would say 2.
    assert_eq!(values(&mut w, &[1000, 1040, 1020]), [1, 2, 3]);
}

#[test]
fn a_burst_completed_late_counts_as_much_as_one_in_order() {
    let times = [1000, 1010, 1020, 1030, 1045, 1100];
    let most = |order: &[usize]| {
        let mut w = windows(spec(WindowKind::Count, &["user_login_failed"], 60));
        values(&mut w, &order.iter().map(|i| times[*i]).collect::<Vec<_>>()).into_iter().max()
    };
    assert_eq!(most(&[0, 1, 2, 3, 4, 5]), Some(5));
    for late in 0..5 {
        let mut order: Vec<usize> = (0..6).filter(|i| *i != late).collect();
        order.push(late);
        assert_eq!(most(&order), Some(5), "entry {late} came last");
    }
}

#[test]
fn distinct_counts_values_not_events() {
    let mut w =
        windows(spec(WindowKind::Distinct { of: Field::parse("context.ip_address").unwrap() }, &["user_login"], 60));
    let ips = ["1.1.1.1", "1.1.1.1", "2.2.2.2", "", "1.1.1.1"];
    let seen: Vec<u64> = ips
        .iter()
        .enumerate()
        .map(|(i, ip)| {
            let e = event(i as u64, 1000 + i as u64, "user_login", "W1", ip);
            w.feed(&e);
            w.value(0, &e)
        })
        .collect();
    assert_eq!(seen, [1, 1, 2, 2, 2]);
}

#[test]
fn an_event_does_not_see_itself_as_seen() {
    let mut w = windows(spec(WindowKind::FirstSeen, &["user_login"], 1_000));
    let mut read = |seq, time, actor| {
        let e = event(seq, time, "user_login", actor, "");
        w.feed(&e);
        w.value(0, &e)
    };
    assert_eq!(read(1, 1000, "W1"), LEARNING, "nothing is known yet");
    assert_eq!(read(2, 1050, "W1"), 1_000_000);
    assert_eq!(read(3, 1100, "W2"), NEVER, "the learning time is over");
    assert_eq!(read(4, 1200, "W2"), 1_100_000);
    assert_eq!(read(5, 2300, "W2"), NEVER, "unseen for a whole span");
}

#[test]
fn last_seen_is_the_event_before() {
    let mut w = windows(spec(WindowKind::LastSeen, &["user_login"], 500));
    let mut read = |seq, time| {
        let e = event(seq, time, "user_login", "W1", "");
        w.feed(&e);
        w.value(0, &e)
    };
    assert_eq!([read(1, 1000), read(2, 1100), read(3, 1700)], [NEVER, 1_000_000, NEVER]);
}

fn failures_then_success() -> WindowSpec {
    let step = |action: &str, at_least| crate::manifest::SequenceStep { actions: vec![action.into()], at_least };
    spec(WindowKind::Sequence { steps: vec![step("user_login_failed", 3), step("user_login", 1)] }, &[], 600)
}

#[test]
fn a_sequence_counts_completed_steps() {
    let mut w = windows(failures_then_success());
    let mut read = |seq, time, action| {
        let e = event(seq, time, action, "W1", "");
        w.feed(&e);
        w.value(0, &e)
    };
    assert_eq!(read(1, 1000, "user_login"), 0, "a success before the failures is no step");
    assert_eq!([2, 3, 4].map(|s| read(s, 1000 + s, "user_login_failed")), [0, 0, 1]);
    assert_eq!(read(5, 1100, "user_login"), 2);
    assert_eq!(read(6, 9000, "user_login"), 0, "too late");
}

#[test]
fn a_sequence_is_completed_by_a_late_step_too() {
    let mut w = windows(failures_then_success());
    let order =
        [(1000, "user_login_failed"), (1010, "user_login_failed"), (1100, "user_login"), (1020, "user_login_failed")];
    let mut last = None;
    for (i, (time, action)) in order.into_iter().enumerate() {
        let e = event(i as u64 + 1, time, action, "W1", "");
        w.feed(&e);
        last = Some((w.value(0, &e), w.evidence(0, &e, 50).len()));
    }
    assert_eq!(last, Some((2, 4)), "two steps, with all four events as evidence");
}

#[test]
fn evidence_is_what_was_counted() {
    let mut w = windows(spec(WindowKind::Count, &["user_login_failed"], 60));
    values(&mut w, &[100, 1000, 1010, 1020]);
    let last = event(4, 1020, "user_login_failed", "W1", "1.1.1.1");
    let ids = |max| w.evidence(0, &last, max).iter().map(|s| s.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(50), ["id-2", "id-3", "id-4"]);
    assert_eq!(ids(2), ["id-3", "id-4"]);
}

#[test]
fn an_absent_key_is_no_group() {
    let mut w = windows(spec(WindowKind::Count, &["user_login_failed"], 60));
    let e = event(1, 1000, "user_login_failed", "", "");
    w.feed(&e);
    assert_eq!(w.value(0, &e), 0);
}

#[test]
fn state_survives_saving_and_loading_at_any_point() {
    let times: Vec<u64> = (0..200).map(|i| 1000 + (i * 37) % 400).collect();
    let kinds = || {
        let distinct = WindowKind::Distinct { of: Field::parse("id").unwrap() };
        [
            spec(WindowKind::Count, &["user_login_failed"], 60),
            spec(distinct, &["user_login_failed"], 60),
            spec(WindowKind::FirstSeen, &["user_login_failed"], 60),
            failures_then_success(),
        ]
    };
    for whole in kinds() {
        let mut unbroken = windows(whole.clone());
        let want = values(&mut unbroken, &times);
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut got = Vec::new();
        for (i, time) in times.iter().enumerate() {
            let mut w = windows(whole.clone()); // a restart at every event
            rows.iter().for_each(|(k, v)| w.load(k, v));
            let e = event(i as u64 + 1, *time, "user_login_failed", "W1", "1.1.1.1");
            w.resume_at(UnixSeconds(times[..i].iter().copied().max().unwrap_or(0)));
            w.feed(&e);
            got.push(w.value(0, &e));
            for op in w.take_changes() {
                match op.value {
                    Some(value) => rows.insert(op.key, value),
                    None => rows.remove(&op.key),
                };
            }
        }
        assert_eq!(got, want, "{whole:?}");
    }
}

#[test]
fn expiry_frees_memory_and_changes_no_value() {
    let mut w = windows(spec(WindowKind::Count, &["user_login_failed"], 60));
    values(&mut w, &[1000, 1001]);
    let later = event(9, 1000 + LATE_S + 200, "user_login_failed", "W2", "");
    w.feed(&later);
    let late = event(10, 1002, "user_login_failed", "W1", "");
    w.feed(&late);
    let before = w.value(0, &late);
    w.expire();
    assert_eq!(w.value(0, &late), before);
    assert_eq!(w.sizes()[0].2, 1, "only the newer actor is left");
    let deleted = w.take_changes().iter().filter(|op| op.value.is_none()).count();
    assert_eq!(deleted, 3);
}

#[test]
fn one_key_keeps_at_most_its_cap() {
    let mut w = windows(spec(WindowKind::Count, &["user_login_failed"], 86_400));
    let seen = values(&mut w, &(0..MAX_HITS as u64 + 50).map(|i| 1000 + i).collect::<Vec<_>>());
    assert_eq!(seen.last(), Some(&(MAX_HITS as u64)));
    assert_eq!(w.sizes()[0].3, MAX_HITS);
}

#[test]
fn a_flood_of_made_up_actors_keeps_the_newest_keys() {
    let mut w = windows(spec(WindowKind::FirstSeen, &["user_login"], 86_400));
    for i in 0..(MAX_KEYS as u64 + 10) {
        w.feed(&event(i, 1000 + i / 100, "user_login", &format!("W{i}"), ""));
    }
    assert!(w.sizes()[0].2 <= MAX_KEYS);
    let newest = event(9_999_999, 1000 + MAX_KEYS as u64 / 100, "app_installed", &format!("W{}", MAX_KEYS + 9), "");
    assert_ne!(w.value(0, &newest), NEVER);
}

#[test]
fn a_late_sighting_of_a_value_seen_again_since_still_reads_the_stretch() {
    let mut w =
        windows(spec(WindowKind::Distinct { of: Field::parse("context.ip_address").unwrap() }, &["user_login"], 60));
    for (seq, time, ip) in [(1, 1010, "1.1.1.1"), (2, 1020, "2.2.2.2"), (3, 1030, "3.3.3.3")] {
        w.feed(&event(seq, time, "user_login", "W1", ip));
    }
    let late = event(4, 1000, "user_login", "W1", "1.1.1.1");
    w.feed(&late);
    assert_eq!(w.value(0, &late), 3);
}
