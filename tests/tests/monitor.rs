//! What gridwatch notices of itself, told by the real program through its sinks: each trouble once, and once that it is over.

use gridwatch_sim::{Fault, FaultKind, Knobs, SimClock, SimConfig, When};
use gridwatch_stories::SimEntry;
use gridwatch_tests::host::{Host, Setup, kill, private, terminate, until};
use gridwatch_tests::sim::{Slack, entry, now, org, org_of};
use serde_json::Value;
use std::time::Duration;

/// A monitor without patience: what takes minutes takes seconds.
const HASTY: &str = "[monitor]\npatience = \"2s\"\nheartbeat = \"0s\"\n";

fn setup(slack: &Slack, from: u64) -> Setup {
    let setup = Setup::in_small_steps(&slack.base_url(), from);
    let more = format!("{}\n{HASTY}", setup.more);
    Setup { more, slack: "page_limit = 1000\ninterval = \"1s\"\nsettle = \"5s\"".into(), ..setup }
}

/// Records of alerts of one of gridwatch's own rules, in order.
fn told(host: &Host, rule: &str) -> Vec<Value> {
    let code = format!("gridwatch.{rule}");
    host.lines("alerts.ndjson").into_iter().filter(|alert| alert["metadata"]["event_code"] == *code).collect()
}

fn titles(host: &Host, rule: &str) -> Vec<String> {
    told(host, rule)
        .iter()
        .map(|alert| alert["finding_info"]["title"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// One alert, opened once, and closed once as the same alert.
fn assert_told_once_and_over(host: &Host, rule: &str) {
    let records = told(host, rule);
    let of = |key: &str| records.iter().map(|record| record[key].clone()).collect::<Vec<_>>();
    assert_eq!(of("activity_name"), ["Create", "Close"], "{records:#?}");
    assert_eq!(of("status"), ["New", "Resolved"], "{records:#?}");
    assert_eq!(records[0]["finding_info"]["uid"], records[1]["finding_info"]["uid"]);
    assert!(records[0]["remediation"]["desc"].as_str().is_some_and(|todo| todo.contains("1. Verify")));
    assert!(records[1]["status_detail"].as_str().is_some_and(|why| why.contains("over since")), "{records:#?}");
    assert!(titles(host, rule)[1].starts_with("Over: "));
}

fn failing(kind: FaultKind) -> Vec<Fault> {
    vec![kind.at(When::Between { from: 1, to: u64::MAX })]
}

#[test]
fn a_log_that_falls_silent_is_told_once_and_so_is_its_end() {
    let to = now() - 2 * 86_400;
    let from = to - 38 * 86_400;
    let slack = Slack::start(org_of((from..to).step_by(1_200).map(|at| entry(&format!("e{at}"), at)).collect()));
    let host = Host::new(&setup(&slack, from));
    let child = host.start(&[]);
    until("the silence is told", || told(&host, "log-silent").len() == 1);
    let alert = &told(&host, "log-silent")[0];
    assert_eq!(alert["severity"], "Critical", "forty should have come: {alert:#}");
    assert!(titles(&host, "log-silent")[0].contains("no entry for 2 days"), "{:?}", titles(&host, "log-silent"));
    assert_eq!(told(&host, "family-silent").len(), 0, "the whole log is silent: its parts are no news");

    // Killed, it tells nothing twice, and the end all the same.
    kill(child);
    slack.push((0..5).map(|n| entry(&format!("back{n}"), now() - 3)).collect());
    let child = host.start(&[]);
    until("its end is told", || told(&host, "log-silent").len() == 2);
    assert_told_once_and_over(&host, "log-silent");
    until("the status says so too", || !host.status()["troubles"].to_string().contains("log-silent"));
    terminate(child);
}

fn group(entry: &str) -> Option<&'static str> {
    let entry: Value = serde_json::from_str(entry).expect("JSON");
    gridwatch_names::catalogue::group_of(entry["action"].as_str().unwrap_or_default())
}

#[test]
fn a_group_of_actions_that_is_gone_is_told_while_the_rest_goes_on() {
    let to = now() - 30;
    let from = to - 38 * 86_400;
    let mut org = org(6_000, from, to);
    // One sign-in each six minutes until three days ago, and all else up to now.
    org.entries.retain(|entry| group(&entry.json) != Some("user"));
    org.entries.extend((from..to - 3 * 86_400).step_by(360).map(|at| entry(&format!("login{at}"), at)));
    let last = entry("last", to).json.replace("user_login", "file_uploaded");
    org.entries.push(SimEntry::from_wire(&last).expect("an entry"));
    org.entries.sort_by_key(|entry| entry.date_create);
    let slack = Slack::start(org);
    let host = Host::new(&setup(&slack, from));
    let child = host.start(&[]);
    until("it is told", || !told(&host, "family-silent").is_empty());
    let labels = told(&host, "family-silent")[0]["finding_info"]["tags"].to_string();
    assert!(labels.contains(r#"{"name":"family","value":"user"}"#), "{labels}");
    assert_eq!(told(&host, "log-silent").len(), 0);
    terminate(child);
}

#[test]
fn a_slack_that_cannot_be_read_is_told_with_the_reason_and_so_is_the_end() {
    let from = now() - 3_600;
    let slack = Slack::start(org(20, from, now() - 60));
    let host = Host::new(&setup(&slack, from));
    let child = host.start(&[]);
    until("all is read", || host.delivered().len() == 20);
    slack.set_faults(failing(FaultKind::Status { code: 503, body: String::new(), retry_after: None }));
    until("it is told", || told(&host, "poll-failing").len() == 1);
    let labels = told(&host, "poll-failing")[0]["finding_info"]["tags"].to_string();
    assert!(labels.contains("server_failing") && labels.contains("slack-status.com"), "{labels}");
    slack.set_faults(vec![]);
    until("the end is told", || told(&host, "poll-failing").len() == 2);
    assert_told_once_and_over(&host, "poll-failing");
    assert_eq!(told(&host, "access-lost").len(), 0);
    terminate(child);
}

#[test]
fn each_way_to_lose_access_has_its_own_words() {
    for (error, label, advice) in [
        ("invalid_authentication", "token_rejected", "replace the token"),
        ("missing_scope", "missing_scope", "auditlogs:read"),
        ("team_not_authorized", "wrong_install", "install the app on the organization"),
        ("user_not_authorized", "not_org_owner", "org owner"),
        ("feature_not_enabled", "plan_lacks_audit_logs", "plan"),
    ] {
        let from = now() - 3_600;
        let slack = Slack::start(org(20, from, now() - 60));
        let host = Host::new(&setup(&slack, from));
        let child = host.start(&[]);
        until("all is read", || host.delivered().len() == 20);
        slack.set_faults(failing(FaultKind::ApiError { error: error.into() }));
        until(error, || told(&host, "access-lost").len() == 1);
        let alert = &told(&host, "access-lost")[0];
        assert_eq!(alert["severity"], "Critical");
        let labels = alert["finding_info"]["tags"].to_string();
        assert!(labels.contains(label) && labels.contains(advice), "{labels}");
        assert_eq!(told(&host, "poll-failing").len(), 0, "one trouble is told once");
        slack.set_faults(vec![]);
        // It asks again when it sees a new token, as whoever mends it would put there.
        std::fs::write(host.path("token"), "xoxp-other").expect("token");
        private(&host.path("token"));
        until("the end is told", || told(&host, "access-lost").len() == 2);
        assert_told_once_and_over(&host, "access-lost");
        terminate(child);
    }
}

#[test]
fn somebody_else_who_eats_the_budget_is_told() {
    let from = now() - 3_600;
    let slack = Slack::start(org(20, from, now() - 60));
    let host = Host::new(&setup(&slack, from));
    let child = host.start(&[]);
    until("all is read", || host.delivered().len() == 20);
    let count = slack.stats().logs_requests;
    slack
        .set_faults(vec![FaultKind::RateLimit { retry_after: 1 }.at(When::Between { from: count + 1, to: count + 4 })]);
    until("it is told", || told(&host, "budget-shared").len() == 1);
    terminate(child);
}

#[test]
fn a_wrong_clock_is_told() {
    let at = now() - 3_600;
    let config = SimConfig { knobs: Knobs::unlimited(), clock: SimClock::manual(at), ..SimConfig::default() };
    let slack = Slack::with(org(20, at - 3_600, at - 60), config);
    let host = Host::new(&setup(&slack, at - 3_600));
    let child = host.start(&[]);
    until("it is told", || told(&host, "clock-off").len() == 1);
    assert!(titles(&host, "clock-off")[0].contains("ahead of Slack's"), "{:?}", titles(&host, "clock-off"));
    terminate(child);
}

#[test]
fn a_sink_that_fails_is_told_by_the_others() {
    let from = now() - 3_600;
    let slack = Slack::start(org(200, from, now() - 60));
    let mut setup = setup(&slack, from);
    setup.more += "\n[[sink]]\nname = \"siem\"\ntype = \"file\"\npath = \"out/e.ndjson\"\nrotate_bytes = \"64KiB\"";
    let host = Host::new(&setup);
    std::fs::create_dir(host.path("out")).expect("a folder");
    let child = host.start(&[]);
    until("entries delivered", || host.delivered_to("out/e.ndjson").len() == 200);
    std::fs::rename(host.path("out"), host.path("away")).expect("renamed");
    slack.push((0..200).map(|n| entry(&format!("more{n}"), now() - 3)).collect());
    until("it is told", || !told(&host, "sink-behind").is_empty());
    assert!(titles(&host, "sink-behind")[0].starts_with("Sink `siem` fails"), "{:?}", titles(&host, "sink-behind"));
    std::fs::rename(host.path("away"), host.path("out")).expect("renamed");
    until("the end is told", || told(&host, "sink-behind").iter().any(|alert| alert["status"] == "Resolved"));
    terminate(child);
}

#[test]
fn a_list_that_nobody_renews_is_told() {
    let from = now() - 3_600;
    let slack = Slack::start(org(20, from, now() - 60));
    let mut setup = setup(&slack, from);
    setup.more += "\n[enrich]\ntor = \"tor.txt\"\nmax_age = \"1h\"";
    let host = Host::new(&setup);
    std::fs::write(host.path("tor.txt"), "192.0.2.1\n").expect("a list");
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(now() - 7_200);
    let file = std::fs::File::options().write(true).open(host.path("tor.txt")).expect("the list");
    file.set_modified(old).expect("an old time");
    let child = host.start(&[]);
    until("it is told", || told(&host, "lists-stale").len() == 1);
    assert!(titles(&host, "lists-stale")[0].contains("enrich.tor"));
    terminate(child);
}

#[test]
fn an_ordinary_hour_tells_nothing() {
    let from = now() - 3_600;
    let slack = Slack::start(org_of((0..60).map(|n| entry(&format!("e{n}"), from + n * 55)).collect()));
    let setup = setup(&slack, from);
    let host = Host::new(&Setup { more: setup.more.replace("\"2s\"", "\"30s\""), ..setup });
    let child = host.start(&[]);
    until("all is read", || host.delivered().len() == 60);
    for n in 0..12 {
        slack.push(vec![entry(&format!("now{n}"), now())]);
        std::thread::sleep(Duration::from_millis(500));
    }
    until("the last ones are there", || host.delivered().len() == 72);
    let own: Vec<Value> = host.lines("alerts.ndjson");
    let own: Vec<&Value> = own
        .iter()
        .filter(|alert| alert["metadata"]["event_code"].as_str().is_some_and(|code| code.starts_with("gridwatch.")))
        .collect();
    assert!(own.is_empty(), "{own:#?}");
    assert_eq!(host.status()["troubles"], serde_json::json!([]));
    terminate(child);
}
