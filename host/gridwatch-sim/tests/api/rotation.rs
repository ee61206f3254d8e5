//! Token rotation: `oauth.v2.access` and what becomes of old tokens.

use gridwatch_sim::{Knobs, RunningSim, SimClock, SimConfig};
use serde_json::Value;

use crate::client::{NOW, TOKEN, config, org, send, start};

const HALF_DAY_SECS: u64 = 43_200;

async fn rotating(clock: &SimClock) -> RunningSim {
    let knobs =
        Knobs { token_ttl_secs: Some(HALF_DAY_SECS), refresh_token: Some("xoxe-1-first".into()), ..Knobs::unlimited() };
    start(org(&[]), SimConfig { clock: clock.clone(), knobs, ..config() }).await
}

async fn refresh(sim: &RunningSim, token: &str) -> Value {
    let form = format!("client_id=1.2&client_secret=s&grant_type=refresh_token&refresh_token={token}");
    let reply = send(sim.addr, "POST", "/api/oauth.v2.access", None, &form).await;
    assert_eq!(reply.status, 200, "the Web API always says 200");
    reply.json()
}

async fn status(sim: &RunningSim, token: &str) -> u16 {
    let reply = send(sim.addr, "GET", "/audit/v1/logs", Some(token), "").await;
    assert!(reply.status == 200 || reply.body.is_empty());
    reply.status
}

#[tokio::test]
async fn an_access_token_lives_twelve_hours() {
    let clock = SimClock::manual(NOW);
    let sim = rotating(&clock).await;
    clock.advance_ms(HALF_DAY_SECS * 1000 - 1);
    assert_eq!(status(&sim, TOKEN).await, 200);
    clock.advance_ms(1);
    assert_eq!(status(&sim, TOKEN).await, 401);
}

#[tokio::test]
async fn a_refresh_token_works_once() {
    let sim = rotating(&SimClock::manual(NOW)).await;
    let first = refresh(&sim, "xoxe-1-first").await;
    let user = &first["authed_user"];
    assert_eq!((first["ok"].as_bool(), user["expires_in"].as_u64()), (Some(true), Some(HALF_DAY_SECS)));
    assert_eq!(status(&sim, user["access_token"].as_str().expect("token")).await, 200);
    let again = refresh(&sim, "xoxe-1-first").await;
    assert_eq!((again["ok"].as_bool(), again["error"].as_str()), (Some(false), Some("invalid_refresh_token")));
    let next = refresh(&sim, user["refresh_token"].as_str().expect("token")).await;
    assert_eq!(next["ok"], true);
}

#[tokio::test]
async fn a_third_access_token_cuts_the_oldest() {
    let sim = rotating(&SimClock::manual(NOW)).await;
    let second = refresh(&sim, "xoxe-1-first").await["authed_user"].clone();
    assert_eq!(status(&sim, TOKEN).await, 200, "the old one works on");
    let third = refresh(&sim, second["refresh_token"].as_str().expect("token")).await["authed_user"].clone();
    assert_eq!(status(&sim, TOKEN).await, 401);
    for token in [second, third] {
        assert_eq!(status(&sim, token["access_token"].as_str().expect("token")).await, 200);
    }
}

#[tokio::test]
async fn without_rotation_there_is_nothing_to_refresh() {
    let sim = start(org(&[]), config()).await;
    assert_eq!(refresh(&sim, "xoxe-1-first").await["ok"], false);
    sim.set_token(Some("xoxp-new".into()));
    assert_eq!(status(&sim, TOKEN).await, 401);
    assert_eq!(status(&sim, "xoxp-new").await, 200);
}
