//! The simulator as a process of its own: everything over HTTP.

use gridwatch_sim::{SimClock, SimConfig, Stats, Truth};

use crate::client::{NOW, config, entry, get, logs, org, send, start};

#[tokio::test]
async fn entries_faults_and_time_can_be_posted() {
    let sim = start(org(&[("a", 30)]), config()).await;
    let lines = format!("{}\n\n{}\n", entry("b", NOW + 10, "user_login").json, entry("c", NOW - 5, "anomaly").json);
    assert_eq!(send(sim.addr, "POST", "/_sim/entries", None, &lines).await.json()["added"], 2);
    assert_eq!(logs(&sim, "").await.ids(), ["c", "a"]);
    let moved = send(sim.addr, "POST", "/_sim/clock", None, r#"{"advance_ms":10000}"#).await;
    assert_eq!(moved.json()["now_ms"], (NOW + 10) * 1000);
    assert_eq!(logs(&sim, "").await.ids(), ["b", "c", "a"]);
    let faults = r#"[{"at":{"every":1},"kind":{"status":{"code":500}}}]"#;
    assert_eq!(send(sim.addr, "POST", "/_sim/faults", None, faults).await.status, 200);
    assert_eq!(logs(&sim, "").await.status, 500);
}

#[tokio::test]
async fn truth_and_stats_can_be_read() {
    let sim = start(org(&[("a", 30), ("b", 20)]), config()).await;
    logs(&sim, "limit=1").await;
    let truth: Truth = serde_json::from_str(&get(&sim, "/_sim/truth").await.body).expect("truth");
    assert_eq!((truth.ids.len(), truth.shown.len()), (2, 1));
    let stats: Stats = serde_json::from_str(&get(&sim, "/_sim/stats").await.body).expect("stats");
    assert_eq!((stats.requests, stats.pages, stats.entries_served), (1, 1, 1), "its own endpoints don't count");
    assert_eq!(stats, sim.stats());
}

#[tokio::test]
async fn nonsense_is_refused_and_changes_nothing() {
    let sim = start(org(&[("a", 30)]), SimConfig { clock: SimClock::Fixed(NOW), ..config() }).await;
    let good = entry("b", NOW - 1, "user_login").json;
    let cases = [("entries", format!("{good}\n{{}}")), ("faults", "{}".into()), ("clock", r#"{"set_ms":1}"#.into())];
    for (path, body) in cases {
        assert_eq!(send(sim.addr, "POST", &format!("/_sim/{path}"), None, &body).await.status, 400, "{path}");
    }
    assert_eq!(logs(&sim, "").await.ids(), ["a"]);
}

#[tokio::test]
async fn a_stopped_simulator_listens_no_more() {
    let sim = start(org(&[]), config()).await;
    let addr = sim.addr;
    assert_eq!(sim.base_url(), format!("http://{addr}"));
    sim.stop().await;
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}
