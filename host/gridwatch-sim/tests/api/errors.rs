//! What is refused, and how.

use gridwatch_sim::knobs::{ErrorBody, RetryAfter};
use gridwatch_sim::{Knobs, SimClock, SimConfig};

use crate::client::{NOW, TOKEN, config, get, logs, org, send, start};

#[tokio::test]
async fn a_bad_token_gets_401_with_an_empty_body() {
    let sim = start(org(&[]), config()).await;
    for token in [None, Some("dummy"), Some("xoxp-other")] {
        let reply = send(sim.addr, "GET", "/audit/v1/logs", token, "").await;
        assert_eq!((reply.status, reply.body.as_str()), (401, ""));
        assert_eq!(reply.header("content-length"), Some("0"));
        assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
        assert!(reply.header("date").is_some());
    }
    assert_eq!(sim.stats().errors["invalid_authentication"], 3);
    assert!(!sim.stats().seen[0].had_auth);
}

#[tokio::test]
async fn without_a_configured_token_any_slack_token_will_do() {
    let sim = start(org(&[]), SimConfig { token: None, ..config() }).await;
    for (token, status) in [("xoxp-1", 200), ("xoxe.xoxp-1-x", 200), ("Bearer", 401)] {
        assert_eq!(send(sim.addr, "GET", "/audit/v1/logs", Some(token), "").await.status, status);
    }
}

#[tokio::test]
async fn one_unknown_action_fails_the_whole_list() {
    let sim = start(org(&[("a", 3)]), config()).await;
    assert_eq!(logs(&sim, "action=file_downloaded,user_login").await.status, 200);
    let reply = logs(&sim, "action=file_downloaded,message_deleted").await;
    assert_eq!((reply.status, reply.json()["error"].as_str()), (400, Some("invalid_action")));
}

#[tokio::test]
async fn thirty_actions_are_the_most() {
    let sim = start(org(&[]), config()).await;
    let names = gridwatch_stories::action_names();
    for (count, status) in [(30, 200), (31, 400)] {
        assert_eq!(logs(&sim, &format!("action={}", names[..count].join(","))).await.status, status);
    }
}

#[tokio::test]
async fn a_time_beyond_the_servers_clock_is_an_invalid_range() {
    let sim = start(org(&[("a", 3)]), config()).await;
    assert_eq!(logs(&sim, &format!("latest={NOW}")).await.status, 200);
    assert_eq!(logs(&sim, "oldest=0").await.status, 200);
    for query in [format!("latest={}", NOW + 1), format!("oldest={}", NOW + 1)] {
        let reply = logs(&sim, &query).await;
        assert_eq!((reply.status, reply.json()["error"].as_str()), (400, Some("invalid_range")));
    }
}

#[tokio::test]
async fn a_garbled_cursor_is_refused() {
    let sim = start(org(&[("a", 30), ("b", 20)]), config()).await;
    let encoded = logs(&sim, "limit=1").await.cursor().expect("more");
    assert_eq!(logs(&sim, &format!("limit=1&cursor={encoded}")).await.status, 200);
    // Sent as it stands, its `+` turns into a space; encoded twice, its `%` stays.
    let raw = encoded.replace("%2B", "+").replace("%3D", "=");
    for bad in [raw, encoded.replace('%', "%25"), "garbage".into()] {
        let reply = logs(&sim, &format!("limit=1&cursor={bad}")).await;
        assert_eq!((reply.status, reply.json()["error"].as_str()), (400, Some("invalid_cursor")), "{bad}");
    }
}

#[tokio::test]
async fn a_cursor_expires() {
    let clock = SimClock::manual(NOW);
    let knobs = Knobs { cursor_ttl_secs: Some(600), ..Knobs::unlimited() };
    let sim = start(org(&[("a", 30), ("b", 20)]), SimConfig { clock: clock.clone(), knobs, ..config() }).await;
    let cursor = logs(&sim, "limit=1").await.cursor().expect("more");
    for (pass_secs, status) in [(600, 200), (1, 400)] {
        clock.advance_ms(pass_secs * 1000);
        assert_eq!(logs(&sim, &format!("limit=1&cursor={cursor}")).await.status, status);
    }
}

#[tokio::test]
async fn bodies_of_errors_may_be_empty() {
    let knobs = Knobs { error_body: ErrorBody::Empty, ..Knobs::unlimited() };
    let sim = start(org(&[]), SimConfig { knobs, ..config() }).await;
    let reply = logs(&sim, "cursor=garbage").await;
    assert_eq!((reply.status, reply.body.as_str()), (400, ""));
}

#[tokio::test]
async fn one_bucket_serves_the_whole_organization() {
    let clock = SimClock::manual(NOW);
    let knobs = Knobs { rate_per_minute: 50, burst: 3, ..Knobs::default() };
    let sim = start(org(&[]), SimConfig { clock: clock.clone(), token: None, knobs, ..config() }).await;
    for token in ["xoxp-a", "xoxp-b", "xoxp-a"] {
        assert_eq!(send(sim.addr, "GET", "/audit/v1/logs", Some(token), "").await.status, 200);
    }
    let refused = send(sim.addr, "GET", "/audit/v1/logs", Some("xoxp-c"), "").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("2")));
    assert_eq!(refused.json()["error"], "rate_limited");
    assert_eq!(get(&sim, "/audit/v1/actions").await.status, 200, "the limit is per endpoint");
    // 50 a minute is one in 1.2 s.
    for (pass_ms, status) in [(1_199, 429), (1, 200), (0, 429), (60_000, 200), (0, 200), (0, 200), (0, 429)] {
        clock.advance_ms(pass_ms);
        assert_eq!(logs(&sim, "").await.status, status, "after {pass_ms} ms");
    }
    assert_eq!(sim.stats().rate_limited, 4);
}

#[tokio::test]
async fn what_a_429_says_is_a_knob() {
    for (retry_after, expected) in [(RetryAfter::Fixed(30), Some("30")), (RetryAfter::Missing, None)] {
        let knobs = Knobs { burst: 1, retry_after, ..Knobs::default() };
        let sim = start(org(&[]), SimConfig { knobs, ..config() }).await;
        assert_eq!(logs(&sim, "").await.status, 200);
        assert_eq!(logs(&sim, "").await.header("retry-after"), expected);
    }
}

#[tokio::test]
async fn only_get_and_only_three_endpoints() {
    let sim = start(org(&[]), config()).await;
    assert_eq!(send(sim.addr, "POST", "/audit/v1/logs", Some(TOKEN), "").await.status, 405);
    let reply = get(&sim, "/audit/v1/log").await;
    assert_eq!((reply.status, reply.json()["error"].as_str()), (404, Some("bad_endpoint")));
}
