//! What people do about alerts: said on the command line, kept in the history, sent to the sinks, through a gridwatch that runs or at rest.

use gridwatch_stories::SimEntry;
use gridwatch_tests::host::{Host, Setup, ended, gridwatch, kill, terminate, until};
use gridwatch_tests::sim::{Slack, entry, now, org_of};
use serde_json::Value;
use std::process::Output;

/// A burst of failed sign-ins of one person an hour ago, judged and delivered; all of it is one alert.
fn ran() -> (Slack, Host) {
    let from = now() - 7_200;
    let slack = Slack::start(org_of(failed("early", 12, now() - 3_600)));
    let mut setup = Setup::new(&slack.base_url(), from);
    setup.slack = "settle = \"5s\"\ninterval = \"1s\"\n".into();
    let host = Host::new(&setup);
    host.run_once_well();
    (slack, host)
}

fn failed(name: &str, many: u64, at: u64) -> Vec<SimEntry> {
    let of = |n| {
        let json = entry(&format!("Lfailed-{name}-{n}"), at).json.replace("user_login", "user_login_failed");
        SimEntry::from_wire(&json).expect("an entry")
    };
    (0..many).map(of).collect()
}

fn say(host: &Host, args: &[&str]) -> Output {
    ended(gridwatch().args(args).arg("--config").arg(host.path("gridwatch.toml")))
}

fn said(host: &Host, args: &[&str]) -> String {
    let output = say(host, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn listed(host: &Host, args: &[&str]) -> Vec<Value> {
    let args = [&["alerts", "list", "--json", "--limit", "0", "--rule", "sign-in.*"], args].concat();
    said(host, &args).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The one alert.
fn uid(host: &Host) -> String {
    let all = listed(host, &[]);
    assert_eq!(all.len(), 1, "{all:?}");
    all[0]["uid"].as_str().expect("an id").to_owned()
}

/// What sinks were told of an alert, in order: status, what somebody did, and why it was sent.
fn told(host: &Host, uid: &str) -> Vec<(String, String, String)> {
    let lines = host.lines("alerts.ndjson");
    let of = lines.iter().filter(|line| line["finding_info"]["uid"] == uid);
    let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    of.map(|line| (text(line, "status"), text(line, "status_code"), text(line, "status_detail"))).collect()
}

#[test]
fn what_is_done_about_an_alert_reaches_the_running_host_its_history_and_its_sinks() {
    let (_slack, host) = ran();
    let uid = uid(&host);
    let running = host.start(&[]);
    host.until_running(&running);
    let before = told(&host, &uid).len();
    let acked = said(&host, &["alerts", "ack", &uid[..10], "--by", "anna"]);
    assert!(acked.starts_with(&format!("{uid}: acknowledged by anna\n")), "{acked}");
    let again = said(&host, &["alerts", "ack", &uid, "--by", "anna"]);
    assert!(again.contains("already; nothing changed"), "{again}");
    said(&host, &["alerts", "note", &uid, "asked IT", "--by", "ben"]);
    assert_eq!((listed(&host, &["--acked"]).len(), listed(&host, &["--open"]).len()), (1, 0));
    said(&host, &["alerts", "close", &uid, "--reason", "false", "--text", "a broken\u{202e} client", "--by", "anna"]);
    assert_eq!((listed(&host, &["--closed"]).len(), listed(&host, &["--open", "--acked"]).len()), (1, 0));
    until("the sink has all of it", || told(&host, &uid).len() == before + 3);
    let want = [
        ("In Progress", "acknowledge", "acknowledged by anna"),
        ("In Progress", "note", "noted by ben: asked IT"),
        ("Suppressed", "close", "closed as false by anna: a broken  client"),
    ];
    let want = want.map(|(status, code, detail)| (status.to_owned(), code.to_owned(), detail.to_owned()));
    assert_eq!(told(&host, &uid)[before..], want);
    let last = host.lines("alerts.ndjson").pop().expect("a line");
    assert_eq!((&last["verdict"], &last["activity_name"]), (&"False Positive".into(), &"Close".into()));
    assert_eq!(last["comment"], "a broken  client");
    assert!(last["metadata"]["uid"].as_str().is_some_and(|id| id.contains(":act-3:")), "{last}");
    for command in [["alerts", "show", &uid], ["explain", &uid, "--log=warn"]] {
        let shown = said(&host, &command);
        assert!(shown.contains("noted by ben: asked IT") && shown.contains("closed as false by anna"), "{shown}");
    }
    assert!(said(&host, &["alerts", "list"]).contains("closed as false"));
    let tuned: Value = serde_json::from_str(&said(&host, &["tune", "--format", "json"])).expect("JSON");
    let rule = tuned["rules"].as_array().expect("rules").iter().find(|rule| rule["closed"]["false"] == 1);
    assert!(rule.is_some_and(|rule| rule["closed"]["true"] == 0), "{tuned:#}");
    for (args, hint) in [
        (&["alerts", "ack", "gw-nothing"][..], "lists those there are"),
        (&["alerts", "note", &uid, " "], "a note without a text"),
        (&["alerts", "note", &uid, &"x".repeat(2_000)], "at most 1000"),
    ] {
        let output = say(&host, args);
        assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains(hint), "{output:?}");
    }
    terminate(running);
}

#[test]
fn a_killed_host_has_lost_no_act_that_was_confirmed() {
    let (_slack, host) = ran();
    let uid = uid(&host);
    for n in 0..4 {
        let running = host.start(&[]);
        host.until_running(&running);
        said(&host, &["alerts", "note", &uid, &format!("note {n}"), "--by", "anna"]);
        kill(running);
    }
    // At rest, behind a process that was killed.
    said(&host, &["alerts", "ack", &uid, "--by", "anna"]);
    said(&host, &["alerts", "ack", &uid, "--by", "anna"]);
    let acts = listed(&host, &["--acked"])[0]["handling"]["acts"].clone();
    let texts: Vec<&str> = acts.as_array().expect("acts").iter().filter_map(|act| act["text"].as_str()).collect();
    assert_eq!((texts, acts.as_array().map(Vec::len)), (vec!["note 0", "note 1", "note 2", "note 3"], Some(5)));
    host.run_once_well();
    let told = told(&host, &uid);
    let of = |code: &str| told.iter().filter(|(_, known, _)| known == code).count();
    assert_eq!((of("note"), of("acknowledge")), (4, 1), "each reached the sink once: {told:?}");
}

#[test]
fn a_finding_opens_again_what_was_closed_and_the_revision_says_so() {
    let (slack, host) = ran();
    let uid = uid(&host);
    said(&host, &["alerts", "close", &uid, "--reason", "expected", "--by", "anna"]);
    host.run_once_well();
    assert_eq!(told(&host, &uid).last().map(|(status, ..)| status.as_str()), Some("Suppressed"));
    slack.push(failed("late", 60, now() - 8));
    std::thread::sleep(std::time::Duration::from_secs(1));
    host.run_once_well();
    let told = told(&host, &uid);
    let (status, code, detail) = told.last().expect("a record");
    assert_eq!((status.as_str(), code.as_str()), ("New", ""), "{told:?}");
    assert!(detail.contains("opened again: it was closed as expected, and "), "{detail}");
    let open = listed(&host, &["--open"]);
    let acts = open[0]["handling"]["acts"].as_array().expect("acts");
    assert_eq!(acts.iter().map(|act| act["by"].as_str()).collect::<Vec<_>>(), [Some("anna"), Some("gridwatch")]);
}

#[test]
fn an_act_on_a_folder_that_nobody_ran_on_is_refused_with_a_hint() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = ended(gridwatch().args(["alerts", "ack", "gw-1", "--state-dir"]).arg(folder.path()));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("has not run") && text.contains("hint: "), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0, "and nothing was made there");
}
