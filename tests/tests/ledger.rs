//! Proof of what was read, for people: gaps, a second count, further back, and what that costs.

use gridwatch_sim::{FaultKind, When};
use gridwatch_tests::host::{Host, Setup, ended, gridwatch, terminate, until};
use gridwatch_tests::sim::{Slack, entry, now, org};
use serde_json::Value;
use std::process::Output;

const DAY_S: u64 = 86_400;

fn host(slack: &Slack, from: u64) -> Host {
    let setup = Setup::in_small_steps(&slack.base_url(), from);
    Host::new(&Setup {
        slack: "page_limit = 500\ninterval = \"1s\"\nsettle = \"5s\"\nmax_window = \"1d\"".into(),
        ..setup
    })
}

fn say(host: &Host, args: &[&str]) -> Output {
    ended(gridwatch().args(args).arg("--config").arg(host.path("gridwatch.toml")))
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text} {}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn a_second_count_finds_what_came_late_and_says_what_it_cost() {
    let from = now() - 3 * DAY_S;
    let slack = Slack::start(org(2_000, from, now() - 60));
    let host = host(&slack, from);
    let child = host.start(&[]);
    until("all is read", || host.delivered().len() == 2_000);
    host.until_time_has_passed();
    let whole = say(&host, &["verify", "--from", "4d", "--requests-per-minute", "600", "--json"]);
    let report = json(&whole);
    assert_eq!(whole.status.code(), Some(0), "{report}");
    assert_eq!((report["shown"].as_u64(), report["archived"].as_u64()), (Some(2_000), Some(2_000)), "{report}");
    assert!(report["requests"].as_u64().is_some_and(|requests| requests >= 4), "{report}");

    // Shown only after its time was read, and before that time is due again.
    let before = slack.stats().logs_requests;
    slack.push(vec![entry("planted", now() - 2 * DAY_S)]);
    let missing = say(&host, &["verify", "--from", "3d", "--requests-per-minute", "600"]);
    let text = String::from_utf8_lossy(&missing.stdout);
    assert_eq!(missing.status.code(), Some(1), "{text}");
    assert!(text.contains("1 missing here") && text.contains("planted of "), "{text}");
    assert!(text.contains("It cost ") && slack.stats().logs_requests > before, "{text}");

    // Slack shows one no longer.
    let short = json(&say(&host, &["verify", "--from", "2h", "--to", "1h", "--requests-per-minute", "600", "--json"]));
    assert_eq!(short["missing"], serde_json::json!([]), "another time is not asked about: {short}");
    terminate(child);
}

#[test]
fn a_second_count_that_slack_refuses_says_so() {
    let from = now() - DAY_S;
    let slack = Slack::start(org(50, from, now() - 60));
    let host = host(&slack, from);
    host.run_once_well();
    slack.set_faults(vec![
        FaultKind::ApiError { error: "missing_scope".into() }.at(When::Between { from: 1, to: u64::MAX }),
    ]);
    let output = say(&host, &["verify", "--requests-per-minute", "600"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Slack doesn't show"), "{output:?}");
}

#[test]
fn gaps_are_what_is_not_proven_and_reading_back_closes_them() {
    let (old, from) = (now() - 20 * DAY_S, now() - 2 * DAY_S);
    let slack = Slack::start(org(3_000, old, now() - 60));
    let ids = slack.truth().ids.len();
    let host = host(&slack, from);
    let child = host.start(&[]);
    host.until_running(&child);
    until("the ledger", || host.path("state/ledger.json").exists());
    until("up to date", || host.status()["poll"]["watermark"].as_u64().is_some_and(|at| at > now() - 30));
    let old_text = format!("{}", gridwatch_event::time::UnixSeconds(old));

    let fine = say(&host, &["gaps"]);
    let text = String::from_utf8_lossy(&fine.stdout);
    assert_eq!(fine.status.code(), Some(0), "{text}");
    assert!(text.contains("Read from ") && text.contains("is read again for entries that Slack shows late"), "{text}");
    let before = say(&host, &["gaps", "--from", &old_text]);
    assert_eq!(before.status.code(), Some(1), "nothing before the start was read");

    let planned = json(&say(&host, &["plan", "--json"]));
    assert_eq!(planned["is_counted"], true, "{planned}");
    assert!(planned["entries_per_day"].as_u64().is_some_and(|n| (50..400).contains(&n)), "{planned}");

    // Live entries come while the old ones are read.
    let follow = say(&host, &["backfill", "--from", &old_text, "--follow"]);
    let text = String::from_utf8_lossy(&follow.stdout);
    assert_eq!(follow.status.code(), Some(0), "{text} {}", String::from_utf8_lossy(&follow.stderr));
    assert!(text.contains("there: all from"), "{text}");
    until("the old ones are delivered", || host.delivered().len() == ids);
    until("no gap is left", || say(&host, &["gaps", "--from", &old_text]).status.code() == Some(0));
    terminate(child);

    // A wish outlasts the process: it goes on where it was.
    let again = say(&host, &["backfill", "--from", &old_text]);
    assert!(String::from_utf8_lossy(&again.stdout).contains("has been read already"), "{again:?}");
    let child = host.start(&[]);
    host.until_running(&child);
    slack.push(vec![entry("live", now() - 8)]);
    until("live goes on", || host.delivered().contains_key("live"));
    terminate(child);
    assert!(host.delivered().values().all(|times| *times == 1), "nothing came twice");
}
