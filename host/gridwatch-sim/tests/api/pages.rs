//! What `/logs` shows, in which order, and how its pages join.

use gridwatch_sim::knobs::{InSecondOrder, LastPage, OddTimes, Reread};
use gridwatch_sim::{Knobs, SimConfig};
use gridwatch_stories::{OrgPlan, generate};

use crate::client::{NOW, config, entry, get, logs, org, start, walk};

fn with(knobs: Knobs) -> SimConfig {
    SimConfig { knobs: Knobs { rate_per_minute: 0, ..knobs }, ..config() }
}

#[tokio::test]
async fn newest_come_first_as_their_exact_bytes_and_without_ok() {
    let org = org(&[("a", 30), ("b", 20), ("c", 10)]);
    let bytes: Vec<String> = org.entries.iter().rev().map(|entry| entry.json.clone()).collect();
    let sim = start(org, config()).await;
    let reply = logs(&sim, "").await;
    assert_eq!(reply.body, format!(r#"{{"entries":[{}],"response_metadata":{{"next_cursor":""}}}}"#, bytes.join(",")));
    assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(reply.header("date"), Some("Mon, 21 Sep 2026 14:13:20 GMT"));
    sim.stop().await;
}

#[tokio::test]
async fn an_entry_shown_again_may_be_written_down_in_another_way() {
    let entry = |reply: &str| -> serde_json::Value {
        let body: serde_json::Value = serde_json::from_str(reply).expect("JSON");
        body["entries"][0].clone()
    };
    for reread in [Reread::SameBytes, Reread::OtherForm, Reread::OtherFormAndNull] {
        let sim = start(org(&[("a", 30)]), with(Knobs { reread, ..Knobs::default() })).await;
        let (first, again, third) = (logs(&sim, "").await, logs(&sim, "").await, logs(&sim, "").await);
        assert_eq!((first.body == again.body, again.body == third.body), (reread == Reread::SameBytes, true));
        let (first, mut again) = (entry(&first.body), entry(&again.body));
        let added = again.as_object_mut().expect("an object").remove("review_state");
        assert_eq!((added.is_some(), &first), (reread == Reread::OtherFormAndNull, &again));
    }
}

#[tokio::test]
async fn both_ends_of_the_range_are_included() {
    let sim = start(org(&[("a", 40), ("b", 30), ("c", 20), ("d", 10)]), config()).await;
    let reply = logs(&sim, &format!("oldest={}&latest={}", NOW - 30, NOW - 20)).await;
    assert_eq!(reply.ids(), ["c", "b"]);
    assert_eq!(logs(&sim, &format!("oldest={}&latest={}", NOW - 20, NOW - 30)).await.ids(), [""; 0]);
}

#[tokio::test]
async fn a_page_outgrows_its_limit_rather_than_split_a_second() {
    let sim = start(org(&[("a", 9), ("b", 8), ("c", 8), ("d", 8), ("e", 7)]), config()).await;
    assert_eq!(walk(&sim, "limit=2").await, [vec!["e", "d", "c", "b"], vec!["a"]]);
    assert_eq!(walk(&sim, "limit=1").await, [vec!["e"], vec!["d", "c", "b"], vec!["a"]]);
}

#[tokio::test]
async fn without_overflow_a_page_ends_a_second_earlier() {
    let log = org(&[("a", 9), ("b", 8), ("c", 8), ("d", 8), ("e", 7)]);
    let sim = start(log, with(Knobs { page_overflow: false, ..Knobs::default() })).await;
    assert_eq!(walk(&sim, "limit=3").await, [vec!["e"], vec!["d", "c", "b"], vec!["a"]]);
    assert_eq!(walk(&sim, "limit=2").await, [vec!["e"], vec!["d", "c", "b"], vec!["a"]]);
    assert_eq!(walk(&sim, "limit=4").await, [vec!["e", "d", "c", "b"], vec!["a"]]);
}

#[tokio::test]
async fn a_cursor_forgets_oldest() {
    let sim = start(org(&[("old", 900), ("a", 30), ("b", 20), ("c", 10)]), config()).await;
    let window = format!("oldest={}&limit=2", NOW - 60);
    assert_eq!(walk(&sim, &window).await.concat(), ["c", "b", "a"]);
    let cursor = logs(&sim, &window).await.cursor().expect("more");
    assert_eq!(logs(&sim, &format!("cursor={cursor}")).await.ids(), ["a", "old"]);
}

#[tokio::test]
async fn a_cursor_carries_other_filters_only_by_the_knob() {
    let mut log = org(&[("a", 30), ("b", 20)]);
    log.entries.push(entry("x", NOW - 25, "user_login"));
    for carries in [false, true] {
        let sim = start(log.clone(), with(Knobs { cursor_carries_filters: carries, ..Knobs::default() })).await;
        let cursor = logs(&sim, "action=file_downloaded&limit=1").await.cursor().expect("more");
        let found = logs(&sim, &format!("cursor={cursor}")).await.ids();
        assert_eq!(found, if carries { vec!["a"] } else { vec!["x", "a"] });
    }
}

#[tokio::test]
async fn entries_that_arrive_during_a_walk_show_only_in_a_fresh_one() {
    let sim = start(org(&[("a", 30), ("b", 20), ("c", 10)]), config()).await;
    let cursor = logs(&sim, "limit=1").await.cursor().expect("more");
    // One newer than the walk's place, one late with a time that the walk has passed already.
    sim.push(vec![entry("new", NOW - 1, "user_login"), entry("late", NOW - 10, "user_login")]);
    let rest = logs(&sim, &format!("cursor={cursor}")).await.ids();
    assert_eq!(rest, ["b", "a"]);
    assert_eq!(walk(&sim, "").await.concat(), ["new", "late", "c", "b", "a"]);
    let truth = sim.truth();
    assert_eq!(truth.ids, truth.shown);
}

#[tokio::test]
async fn filters_narrow_together() {
    let mut log = org(&[("a", 30), ("b", 20)]);
    log.entries.push(entry("x", NOW - 25, "user_login"));
    let sim = start(log, config()).await;
    assert_eq!(logs(&sim, "action=user_login,anomaly").await.ids(), ["x"]);
    assert_eq!(logs(&sim, "actor=Ub").await.ids(), ["b"]);
    assert_eq!(logs(&sim, "entity=C1&action=file_downloaded").await.ids(), ["b", "a"]);
    assert_eq!(logs(&sim, "actor=Ub&action=user_login").await.ids(), [""; 0]);
}

#[tokio::test]
async fn unknown_parameters_are_ignored_so_count_is_not_limit() {
    let sim = start(org(&[("a", 30), ("b", 20)]), with(Knobs { default_limit: 1, ..Knobs::default() })).await;
    assert_eq!(logs(&sim, "count=2&max_date_seen_so_far=1").await.ids(), ["b"]);
    assert_eq!(logs(&sim, "limit=2").await.ids(), ["b", "a"]);
    let seen = &sim.stats().seen[0];
    assert_eq!(seen.params, [("count".into(), "2".into()), ("max_date_seen_so_far".into(), "1".into())]);
    assert!(seen.had_auth);
}

#[tokio::test]
async fn limit_is_held_to_9999() {
    let plan = OrgPlan { entries: Some(12_000), to: NOW - 1, from: NOW - 864_000, ..OrgPlan::default() };
    let sim = start(generate(&plan), config()).await;
    let pages = walk(&sim, "limit=50000").await;
    assert!((9_999..10_100).contains(&pages[0].len()), "{}", pages[0].len());
    assert_eq!(pages.concat().len(), 12_000);
    assert_eq!(sim.truth().shown.len(), 12_000);
}

#[tokio::test]
async fn times_that_are_not_integers_get_what_the_knob_says() {
    let cases = [(OddTimes::Empty, 200, 0), (OddTimes::Truncate, 200, 1), (OddTimes::Reject, 400, 0)];
    for (odd_times, status, found) in cases {
        let sim = start(org(&[("a", 30)]), with(Knobs { odd_times, ..Knobs::default() })).await;
        for oldest in ["1.566215192e%2B09", "1566215192.75"] {
            let reply = logs(&sim, &format!("oldest={oldest}")).await;
            assert_eq!(reply.status, status, "{odd_times:?} {oldest}");
            if status == 200 {
                assert_eq!(reply.ids().len(), found, "{odd_times:?} {oldest}");
            }
        }
    }
}

#[tokio::test]
async fn the_last_page_is_marked_in_four_ways() {
    let cases = [
        (LastPage::EmptyString, r#","response_metadata":{"next_cursor":""}}"#),
        (LastPage::Missing, r#","response_metadata":{}}"#),
        (LastPage::Null, r#","response_metadata":{"next_cursor":null}}"#),
        (LastPage::NoMetadata, "]}"),
    ];
    for (last_page, ending) in cases {
        let sim = start(org(&[("a", 30)]), with(Knobs { last_page, ..Knobs::default() })).await;
        let reply = logs(&sim, "").await;
        assert!(reply.body.ends_with(ending), "{}", reply.body);
    }
}

#[tokio::test]
async fn the_order_inside_a_second_is_a_knob() {
    let cases = [
        (InSecondOrder::ById, ["a", "b", "c"]),
        (InSecondOrder::ByIdReversed, ["c", "b", "a"]),
        (InSecondOrder::Insertion, ["b", "c", "a"]),
    ];
    for (in_second_order, expected) in cases {
        let knobs = Knobs { in_second_order, ..Knobs::default() };
        let sim = start(org(&[("a", 5), ("c", 5), ("b", 5)]), with(knobs)).await;
        assert_eq!(logs(&sim, "").await.ids(), expected);
    }
}

#[tokio::test]
async fn empty_pages_with_a_cursor_are_not_the_end() {
    let log = org(&[("a", 30), ("b", 20), ("c", 10)]);
    let sim = start(log, with(Knobs { empty_page_every: 2, ..Knobs::default() })).await;
    let pages = walk(&sim, "limit=1").await;
    assert_eq!(pages, [vec!["c"], vec![], vec!["b"], vec![], vec!["a"]]);
}

#[tokio::test]
async fn entries_show_when_they_become_visible() {
    let clock = gridwatch_sim::SimClock::manual(NOW);
    let mut log = org(&[("a", 30), ("b", 5)]);
    log.entries.push(entry("future", NOW + 60, "user_login"));
    log.entries[0].visible_at_ms = (NOW + 120) * 1000;
    let knobs = Knobs { ingestion_lag_secs: 10, ..Knobs::default() };
    let sim = start(log, SimConfig { clock: clock.clone(), ..with(knobs) }).await;
    let mut found = Vec::new();
    for pass_ms in [0, 5_000, 64_000, 1_000, 60_000] {
        clock.advance_ms(pass_ms);
        found.push(logs(&sim, "").await.ids().join(" "));
    }
    assert_eq!(found, ["", "b", "b", "future b", "future b a"]);
}

#[tokio::test]
async fn late_entries_are_late_by_id() {
    let plan = OrgPlan { entries: Some(1_000), to: NOW - 10, from: NOW - 90_000, ..OrgPlan::default() };
    let knobs = Knobs { late_per_mille: 100, late_by_secs: 200_000, ..Knobs::default() };
    let clock = gridwatch_sim::SimClock::manual(NOW);
    let sim = start(generate(&plan), SimConfig { clock: clock.clone(), ..with(knobs) }).await;
    let on_time = walk(&sim, "limit=500").await.concat().len();
    assert!((850..950).contains(&on_time), "{on_time}");
    clock.advance_ms(200_000_000);
    assert_eq!(walk(&sim, "limit=500").await.concat().len(), 1_000);
}

#[tokio::test]
async fn schemas_and_actions_need_no_token_and_ignore_a_bogus_one() {
    let sim = start(org(&[]), config()).await;
    for token in [None, Some("dummy")] {
        for (path, key) in [("/audit/v1/schemas", "schemas"), ("/audit/v1/actions", "actions")] {
            let reply = crate::client::send(sim.addr, "GET", path, token, "").await;
            assert_eq!(reply.status, 200);
            assert!(!reply.json()[key].is_null());
        }
    }
    let groups = get(&sim, "/audit/v1/actions").await.json()["actions"].as_object().expect("groups").len();
    assert_eq!(groups, 25);
}

#[tokio::test]
async fn a_page_of_a_long_history_is_found_without_reading_it() {
    let plan = OrgPlan { entries: Some(100_000), to: NOW - 1, from: NOW - 8_640_000, ..OrgPlan::default() };
    let sim = start(generate(&plan), config()).await;
    let begun = tokio::time::Instant::now();
    for i in 0..100 {
        let oldest = NOW - 8_640_000 + i * 80_000;
        assert_eq!(logs(&sim, &format!("oldest={oldest}&latest={}&limit=1", oldest + 3_000)).await.status, 200);
    }
    // A scan of the history costs over a millisecond each; a search costs less than the connection.
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
}
