//! Each fault, as the client meets it.

use gridwatch_sim::{Fault, FaultKind, Knobs, RunningSim, SimConfig, When};

use crate::client::{config, logs, org, start};

/// Three entries, page after page; the fault strikes at the second request.
async fn struck(kind: FaultKind) -> RunningSim {
    let faults = vec![kind.at(When::Nth(vec![2]))];
    let sim = start(org(&[("a", 30), ("b", 20), ("c", 10)]), SimConfig { faults, ..config() }).await;
    assert_eq!(logs(&sim, "limit=1").await.ids(), ["c"]);
    sim
}

#[tokio::test]
async fn errors_on_demand() {
    let status = FaultKind::Status { code: 503, body: "busy".into(), retry_after: Some(7) };
    let not_owner = FaultKind::ApiError { error: "user_not_authorized".into() };
    let cases = [
        (status, 503, "busy", Some("7")),
        (not_owner, 403, r#"{"ok":false,"error":"user_not_authorized"}"#, None),
        (FaultKind::OkFalse { error: "fatal_error".into() }, 200, r#"{"ok":false,"error":"fatal_error"}"#, None),
        (FaultKind::RateLimit { retry_after: 30 }, 429, r#"{"ok":false,"error":"rate_limited"}"#, Some("30")),
        (FaultKind::Unauthorized, 401, "", None),
    ];
    for (kind, status, body, retry_after) in cases {
        let sim = struck(kind.clone()).await;
        let reply = logs(&sim, "limit=1").await;
        assert_eq!((reply.status, reply.body.as_str()), (status, body), "{kind:?}");
        assert_eq!(reply.header("retry-after"), retry_after, "{kind:?}");
        assert_eq!(logs(&sim, "limit=1").await.ids(), ["c"], "{kind:?} strikes once");
        assert_eq!(sim.stats().faults[kind.name()], 1);
    }
}

#[tokio::test]
async fn a_role_error_has_the_status_of_its_knob() {
    let knobs = Knobs { user_not_authorized_status: 400, ..Knobs::unlimited() };
    let faults = vec![FaultKind::ApiError { error: "user_not_authorized".into() }.at(When::Every(1))];
    let sim = start(org(&[]), SimConfig { knobs, faults, ..config() }).await;
    assert_eq!(logs(&sim, "").await.status, 400);
}

#[tokio::test]
async fn a_cut_body_is_shorter_than_declared_and_shows_nothing() {
    let sim = struck(FaultKind::CutBody).await;
    let reply = logs(&sim, "limit=2").await;
    assert_eq!(reply.status, 200);
    assert!(!reply.complete());
    let declared: usize = reply.header("content-length").expect("declared").parse().expect("number");
    assert_eq!(reply.body.len(), declared / 2);
    assert_eq!(sim.truth().shown.into_iter().collect::<Vec<_>>(), ["c"]);
    assert!(logs(&sim, "limit=2").await.complete());
}

#[tokio::test]
async fn a_long_body_is_cut_in_the_middle_too() {
    let plan = gridwatch_stories::OrgPlan { entries: Some(5_000), ..Default::default() };
    let faults = vec![FaultKind::CutBody.at(When::Nth(vec![1]))];
    let sim = start(gridwatch_stories::generate(&plan), SimConfig { faults, ..config() }).await;
    let reply = logs(&sim, "limit=9999").await;
    let declared: usize = reply.header("content-length").expect("declared").parse().expect("number");
    assert!(declared > 1_000_000);
    assert_eq!(reply.body.len(), declared / 2);
}

#[tokio::test]
async fn a_slow_body_comes_whole() {
    let sim = struck(FaultKind::SlowBody { ms: 120 }).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(logs(&sim, "").await.ids(), ["c", "b", "a"]);
    assert!(begun.elapsed().as_millis() >= 120);
}

#[tokio::test]
async fn garbage_and_a_dropped_connection() {
    let sim = struck(FaultKind::GarbageBody).await;
    let reply = logs(&sim, "").await;
    assert_eq!(reply.status, 200);
    assert!(serde_json::from_str::<serde_json::Value>(&reply.body).is_err());

    let sim = struck(FaultKind::DropConnection).await;
    assert_eq!(logs(&sim, "").await.status, 0, "not even a head");
    assert_eq!(sim.stats().seen[1].status, 0);
    assert_eq!(logs(&sim, "").await.status, 200);
}

#[tokio::test]
async fn an_expired_cursor_strikes_only_where_there_is_one() {
    let faults = vec![FaultKind::ExpireCursor.at(When::Every(1))];
    let sim = start(org(&[("a", 30), ("b", 20)]), SimConfig { faults, ..config() }).await;
    let cursor = logs(&sim, "limit=1").await.cursor().expect("more");
    assert_eq!(logs(&sim, &format!("limit=1&cursor={cursor}")).await.status, 400);
    assert_eq!(logs(&sim, "limit=1").await.status, 200);
    assert_eq!(sim.stats().faults["expire_cursor"], 1);
}

#[tokio::test]
async fn an_empty_page_leads_to_what_it_left_out() {
    let sim = struck(FaultKind::EmptyPageWithCursor).await;
    let empty = logs(&sim, "").await;
    assert!(empty.ids().is_empty());
    let cursor = empty.cursor().expect("a way on");
    assert_eq!(logs(&sim, &format!("cursor={cursor}")).await.ids(), ["c", "b", "a"]);
}

#[tokio::test]
async fn a_repeated_page_is_the_same_bytes_whatever_was_asked() {
    let sim = struck(FaultKind::RepeatPage).await;
    let repeated = logs(&sim, "limit=3").await;
    assert_eq!(repeated.ids(), ["c"]);
    assert_eq!(sim.stats().entries_served, 2);
}

#[tokio::test]
async fn a_changed_entry_keeps_its_id() {
    let sim = struck(FaultKind::ChangeEntry).await;
    let (changed, plain) = (logs(&sim, "").await, logs(&sim, "").await);
    assert_eq!(changed.ids(), plain.ids());
    assert_ne!(changed.json()["entries"][0], plain.json()["entries"][0]);
    assert_eq!(changed.json()["entries"][1], plain.json()["entries"][1]);
}

#[tokio::test]
async fn unknown_keys_turn_up_at_every_level() {
    let sim = struck(FaultKind::ExtraUnknownKeys).await;
    let body = logs(&sim, "").await.json();
    assert!(body["x_trace"].is_object() && body["entries"][2]["x_future"]["deep"].is_array());
    assert!(body["response_metadata"]["warnings"].is_array());
}

#[tokio::test]
async fn faults_can_be_replaced_while_running() {
    let sim = start(org(&[("a", 30)]), config()).await;
    let down: Vec<Fault> = vec![FaultKind::Unauthorized.at(When::Between { from: 2, to: 3 })];
    sim.set_faults(down);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(logs(&sim, "").await.status);
    }
    assert_eq!(statuses, [200, 401, 401, 200]);
}
