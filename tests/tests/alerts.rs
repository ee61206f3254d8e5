//! `gridwatch alerts` and `gridwatch explain` over the history that a run leaves.

use gridwatch_stories::{OrgPlan, generate};
use gridwatch_tests::host::{Host, Setup, ended, gridwatch, our_modules, terminate, until};
use gridwatch_tests::sim::{Slack, entry, now};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::process::{Output, Stdio};
use std::sync::mpsc;

/// Two days of an org with stories.
fn ran() -> (Slack, Host) {
    let (from, to) = (now() - 2 * 86_400, now() - 120);
    let plan = OrgPlan { seed: 4, users: 40, from, to, entries: Some(800), ..OrgPlan::default() };
    let slack = Slack::start(generate(&OrgPlan { around_the_clock: true, ..plan }));
    let mut setup = Setup::new(&slack.base_url(), from);
    setup.slack = "settle = \"5s\"\ninterval = \"1s\"\n".into();
    let host = Host::new(&setup);
    host.run_once_well();
    (slack, host)
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
    let args = [&["alerts", "list", "--json", "--limit", "0"], args].concat();
    said(host, &args).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn uid(alert: &Value) -> String {
    alert["uid"].as_str().expect("an id").to_owned()
}

#[test]
fn the_history_holds_the_newest_revision_of_each_alert_that_the_sinks_got() {
    let (slack, host) = ran();
    let newest_sent = || -> BTreeMap<String, u64> {
        let of = |a: &Value| (a["finding_info"]["uid"].as_str().expect("an id").to_owned(), a["count"].as_u64());
        host.lines("alerts.ndjson").iter().map(of).map(|(uid, count)| (uid, count.expect("a count"))).collect()
    };
    let kept = || -> BTreeMap<String, u64> {
        let of = |a: &Value| (uid(a), a["findings"].as_u64().expect("findings"));
        listed(&host, &[]).iter().map(of).collect()
    };
    assert!(kept().len() > 5, "{}", kept().len());
    assert_eq!(kept(), newest_sent());
    // A second run, with a few more alerts: nothing is forgotten and nothing told twice.
    slack.push((0..12).map(|n| failed(n, now() - 8)).collect());
    std::thread::sleep(std::time::Duration::from_secs(1));
    host.run_once_well();
    assert!(kept().len() > 5 && kept() == newest_sent());
    let exported = said(&host, &["alerts", "export"]);
    assert_eq!(exported.lines().count(), kept().len());
    let sent: BTreeSet<String> = host.lines("alerts.ndjson").iter().map(Value::to_string).collect();
    assert!(
        exported.lines().all(|line| sent.contains(&serde_json::from_str::<Value>(line).expect("JSON").to_string()))
    );
}

fn failed(n: u64, at: u64) -> gridwatch_stories::SimEntry {
    let json = entry(&format!("Lfailed{n}"), at).json.replace("user_login", "user_login_failed");
    gridwatch_stories::SimEntry::from_wire(&json).expect("an entry")
}

#[test]
fn alerts_are_found_by_severity_rule_actor_and_time() {
    let (_slack, host) = ran();
    let all = listed(&host, &[]);
    let having = |args: &[&str], holds: &dyn Fn(&Value) -> bool| {
        let want: Vec<String> = all.iter().filter(|a| holds(a)).map(uid).collect();
        let got: Vec<String> = listed(&host, args).iter().map(uid).collect();
        assert_eq!(got, want, "{args:?}");
        assert!(!got.is_empty() && got.len() < all.len(), "{args:?} tells nothing apart");
    };
    having(&["--severity", "high"], &|a| ["high", "critical"].contains(&a["severity"].as_str().expect("one")));
    having(&["--rule", "sign-in.*"], &|a| a["rule"].as_str().is_some_and(|rule| rule.starts_with("sign-in.")));
    let actor = all[0]["actor"]["id"].clone();
    having(&["--actor", actor.as_str().expect("an id")], &|a| a["actor"]["id"] == actor);
    let newest = all.iter().filter_map(|a| a["last"].as_u64()).max().expect("a time");
    let since = newest.to_string();
    having(&["--since", &since], &|a| a["last"].as_u64() >= Some(newest));
    let lines = said(&host, &["alerts", "list", "--limit", "2"]);
    assert_eq!(lines.lines().count(), 3, "two, and a word about the older ones:\n{lines}");
    assert!(!lines.contains('\u{1b}'), "no colour where there is no terminal");
}

#[test]
fn an_alert_is_shown_and_explained_whole() {
    let (_slack, host) = ran();
    let all = listed(&host, &["--rule", "sign-in.*"]);
    let alert = all.iter().find(|a| a["basis"]["windows"].as_array().is_some_and(|w| !w.is_empty())).expect("a window");
    let id = uid(alert);
    let shown = said(&host, &["alerts", "show", &id[..13]]);
    for part in ["/title", "/rule", "/condition", "/actor/id", "/playbook/verify/0/do", "/playbook/contain/0/do"] {
        let text = alert.pointer(part).and_then(Value::as_str).expect(part);
        assert!(shown.contains(text), "{part} `{text}` is missing in:\n{shown}");
    }
    for stub in alert["evidence"].as_array().expect("events") {
        assert!(shown.contains(stub["id"].as_str().expect("an id")), "{stub}");
    }

    let explained = said(&host, &["explain", &id]);
    let basis = &alert["basis"];
    for (field, text) in basis["fields"].as_object().expect("fields") {
        assert!(explained.contains(field) && explained.contains(text.as_str().expect("text")), "{field}: {text}");
    }
    let cited = basis["windows"].as_array().expect("windows").iter().filter(|w| w["cited"] == true);
    for window in cited.inspect(|w| assert!(w["value"].as_u64() > Some(0), "{w}")) {
        let (name, value) = (window["window"].as_str().expect("a name"), window["value"].to_string());
        let line = explained.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("no {name}"));
        assert!(line.starts_with(" *") && line.contains(&value), "{line}");
    }
    assert!(explained.contains("corporate_egress") && explained.contains("none applied"), "{explained}");

    let with_entries = said(&host, &["explain", &id, "--entries"]);
    let raw: BTreeSet<String> = host.raw().into_values().collect();
    let entries: Vec<&str> = with_entries.lines().filter(|line| line.starts_with('{')).collect();
    assert_eq!(entries.len(), alert["evidence"].as_array().map_or(0, Vec::len));
    assert!(entries.iter().all(|line| raw.contains(*line)), "Slack's own bytes");
}

#[test]
fn coverage_counts_the_techniques_that_were_observed() {
    let (_slack, host) = ran();
    let mut want: BTreeMap<String, u64> = BTreeMap::new();
    for technique in listed(&host, &[]).iter().flat_map(|alert| alert["attack"].as_array().expect("a list").clone()) {
        *want.entry(technique.as_str().expect("an id").to_owned()).or_default() += 1;
    }
    let mut command = gridwatch();
    command.args(["coverage", "--format", "json", "--modules"]).arg(our_modules());
    let output = ended(command.arg("--state-dir").arg(host.path("state")));
    let coverage: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let covered = coverage["covered"].as_array().expect("a list").iter();
    let seen = covered.filter_map(|c| Some((c["technique"].as_str()?.to_owned(), c["observed"].as_u64()?)));
    let seen: BTreeMap<String, u64> = seen.filter(|(_, observed)| *observed > 0).collect();
    assert!(!want.is_empty() && seen == want, "{seen:?} {want:?}");
}

#[test]
fn an_id_that_names_none_or_several_is_refused_with_a_hint() {
    let (_slack, host) = ran();
    for (id, hint) in [("gw-nothing", "lists those there are"), ("gw-", "more of the id")] {
        let output = say(&host, &["explain", id]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains("hint: ") && text.contains(hint), "{text}");
    }
}

#[test]
fn following_tells_of_new_alerts_as_they_come() {
    let (slack, host) = ran();
    let before = listed(&host, &[]).len();
    let mut following = gridwatch()
        .args(["alerts", "list", "--follow", "--json", "--limit", "1", "--config"])
        .arg(host.path("gridwatch.toml"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("gridwatch starts");
    let (line, lines) = mpsc::channel();
    let out = BufReader::new(following.stdout.take().expect("a pipe"));
    std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|text| line.send(text)));
    let wait = std::time::Duration::from_secs(30);
    lines.recv_timeout(wait).expect("the newest of those there were");
    slack.push((0..12).map(|n| failed(n, now() - 8)).collect());
    let running = host.start(&[]);
    until("another alert", || listed(&host, &[]).len() > before);
    let told: Value = serde_json::from_str(&lines.recv_timeout(wait).expect("the new one")).expect("JSON");
    assert!(told["rule"].as_str().is_some_and(|rule| rule.starts_with("sign-in.")), "{told}");
    terminate(running);
    following.kill().expect("still following");
    following.wait().expect("it ends");
}
