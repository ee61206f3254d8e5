//! The main job at size: a month of a large org, read once, told once, and told the same again from the archive.

use gridwatch_stories::{OrgPlan, Story, generate};
use gridwatch_tests::host::{Host, Setup, gridwatch, our_modules, root};
use gridwatch_tests::sim::{Slack, now};
use serde_json::Value;

const ENTRIES: u64 = 100_000;
/// What the first run may take. It also has to be far less than the month that it reads.
const MAX_RUN_S: u64 = 120;

#[test]
fn a_month_of_a_large_org_is_delivered_exactly_once_and_replays_to_the_same_alerts() {
    let to = now() - 120;
    let from = to - 30 * 86_400;
    let plan = OrgPlan { from, to, users: 1_500, entries: Some(ENTRIES), ..OrgPlan::default() };
    let slack = Slack::start(generate(&plan));
    let truth = slack.truth();
    assert_eq!(truth.ids.len() as u64, ENTRIES);
    let host = Host::new(&Setup {
        slack: "settle = \"5s\"\ninterval = \"1s\"\n".into(),
        ..Setup::new(&slack.base_url(), from)
    });

    let began = now();
    host.run_once_well();
    let took = now() - began;
    let delivered = host.delivered();
    assert!(delivered.keys().eq(truth.ids.iter()), "{} of {ENTRIES} delivered", delivered.len());
    assert!(delivered.values().all(|times| *times == 1));
    let alerts = host.lines("alerts.ndjson");
    truth.stories.iter().for_each(|story| assert_told(story, &alerts));
    assert!(took < MAX_RUN_S, "{took} s");
    let status = status(&host);
    assert_eq!(status["poll"]["stored"], ENTRIES);
    assert_eq!(status["detect"]["events"], ENTRIES);
    assert_eq!(status["detect"]["alerts"], alerts.len());
    assert_eq!(status["detect"]["faults"], 0);
    assert!(status["poll"]["watermark"].as_u64().is_some_and(|mark| mark >= began - 5), "{status:#}");
    assert_eq!(status["poll"]["problems"], serde_json::json!([]));
    for (sink, count) in [("events", ENTRIES), ("alerts", alerts.len() as u64)] {
        assert_eq!(
            (&status["sinks"][sink]["delivered"], &status["sinks"][sink]["behind"]),
            (&count.into(), &0.into()),
            "{sink}"
        );
    }
    let modules = std::fs::read_dir(root().join("target/modules")).expect("modules").flatten();
    let modules = modules.filter(|file| file.path().extension().is_some_and(|ending| ending == "wasm")).count();
    assert_eq!(status["modules"].as_array().map(Vec::len), Some(modules));

    let before = ["events.ndjson", "alerts.ndjson"].map(|name| std::fs::read(host.path(name)).expect(name));
    host.run_once_well();
    let after = ["events.ndjson", "alerts.ndjson"].map(|name| std::fs::read(host.path(name)).expect(name));
    assert!(before == after, "the second run delivered something");

    let replayed = gridwatch()
        .args(["replay", "--archive"])
        .arg(host.path("state/archive"))
        .arg("--config")
        .arg(host.path("gridwatch.toml"))
        .arg("--modules")
        .arg(our_modules())
        .output()
        .expect("gridwatch runs");
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    assert!(replayed.stdout == before[1], "replay and live differ");
}

/// Each rule that should see the story has alerted, on an entry of the story.
fn assert_told(story: &Story, alerts: &[Value]) {
    for rule in &story.expected_rules {
        let told = alerts.iter().map(Value::to_string).any(|alert| {
            alert.contains(&format!("\"{rule}\"")) && story.entry_ids.iter().any(|id| alert.contains(id.as_str()))
        });
        assert!(told, "story `{}` should have made {rule}", story.name);
    }
}

fn status(host: &Host) -> Value {
    let output = gridwatch().args(["status", "--json", "--state-dir"]).arg(host.path("state")).output();
    let output = output.expect("gridwatch runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).expect("JSON")
}
