//! The views, from the command line and through sinks: nothing of Slack's is lost in any of them, memory stays small, and what
//! Slack says that gridwatch was not built with is told.

use gridwatch_names::catalogue;
use gridwatch_sim::{Knobs, SimConfig};
use gridwatch_stories::{OrgPlan, SimEntry, generate};
use gridwatch_tests::host::{Host, Setup, gridwatch, root};
use gridwatch_tests::sim::{Slack, now, org_of};
use gridwatch_views::View;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

/// A week of an org in which each action of the catalogue happens.
fn every_action() -> Vec<String> {
    let to = 1_788_739_200;
    let plan = OrgPlan {
        users: 60,
        from: to - 7 * 86_400,
        to,
        entries: Some(4_000),
        every_action: true,
        ..OrgPlan::default()
    };
    generate(&plan).entries.into_iter().map(|entry| entry.json).collect()
}

/// An entry with every key of `details` that is known, each value of another shape than its neighbour's.
fn maximal() -> String {
    let shapes = [
        json!("text"),
        json!(""),
        json!(7),
        json!(true),
        json!(null),
        json!([]),
        json!({}),
        json!(["a", "b"]),
        json!({ "type": ["X"], "user": [] }),
        json!([{ "name": "n", "items": { "type": "t" } }]),
    ];
    let details: serde_json::Map<String, Value> = catalogue::details_keys()
        .zip(shapes.iter().cycle())
        .map(|(key, shape)| (key.to_owned(), shape.clone()))
        .collect();
    let user = json!({ "id": "W1", "name": "Ada", "email": "ada@corp.example", "team": "T1", "account_type": "user" });
    json!({ "id": "maximal", "date_create": 1_788_739_100, "action": "app_installed",
            "actor": { "type": "user", "user": user }, "entity": { "type": "app", "app": { "id": "A1", "scopes": ["admin"] } },
            "context": { "ip_address": "", "ua": "", "session_id": null, "acting_agent": "Slackbot",
                         "agent_message": { "team": "T1", "channel_id": "C1", "message_ts": "1.2", "thread_ts": "" } },
            "details": details }).to_string()
}

fn file_of(lines: &[String]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    lines.iter().for_each(|line| writeln!(file, "{line}").expect("room"));
    file
}

fn run(args: &[&str], path: &Path) -> Output {
    gridwatch().args(args).arg(path).output().expect("gridwatch starts")
}

#[test]
fn no_view_loses_a_leaf_of_any_action_or_writes_what_its_schema_refuses() {
    let mut corpus = every_action();
    corpus.push(maximal());
    corpus.extend(
        ["17", "not json", r#"{"id":"odd","details":{"a.b":{"c":[1,"1",1.0]}},"session":1e400}"#].map(str::to_owned),
    );
    let file = file_of(&corpus);
    for view in View::ALL {
        let output = run(&["schema", "loss", "--json", "--view", view.name()], file.path());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(output.status.success(), "{}: {report:#}", view.name());
        assert_eq!((&report["lost"], &report["invalid"]), (&json!({}), &json!({})), "{}", view.name());
        assert_eq!(report["leaves_in"], report["leaves_out"]);
        assert!(report["leaves_in"].as_u64().unwrap() > 60_000, "{report:#}");
        assert_eq!(report["actions_mapped"], 762, "{report:#}");
        assert_eq!((&report["entries"], &report["unreadable"]), (&json!(corpus.len()), &json!(2)));
    }
}

#[test]
fn the_loss_report_finds_a_loss() {
    // What is twice in the entry and once in the view is lost once; the report is made by hand on a view that forgets.
    use gridwatch_event::entry::Entry;
    use gridwatch_event::event::Event;
    use gridwatch_event::time::UnixMillis;
    use gridwatch_views::loss::Report;
    let event =
        Event::new(1, UnixMillis(0), &Entry::from_json(r#"{"id":"a","action":"user_login","x":["b","b",null]}"#));
    let mut report = Report::default();
    report.add(View::Ocsf, &event, r#"{"id":"a","y":{"z":"user_login"},"w":"b","raw_data":"null b"}"#, None);
    assert_eq!((report.leaves_in, report.leaves_out, report.is_clean()), (5, 3, false));
    assert_eq!(report.lost.into_iter().collect::<Vec<_>>(), [("x[]".to_owned(), 2)]);
    let mut invalid = Report::default();
    invalid.add(View::Raw, &event, event.raw(), Some("wrong".to_owned()));
    assert!(!invalid.is_clean() && invalid.leaves_in == invalid.leaves_out);
}

#[test]
fn each_sink_has_its_own_view_and_the_bytes_are_slacks() {
    let entries = every_action();
    let org = org_of(entries.iter().map(|json| SimEntry::from_wire(json).unwrap()).collect());
    let slack = Slack::start(org);
    let setup = Setup::new(&slack.base_url(), 1_788_739_200 - 8 * 86_400);
    let sinks: String = View::ALL
        .map(|view| {
            let name = view.name().replace('.', "-");
            format!(
                "[[sink]]\nname = \"v-{name}\"\ntype = \"file\"\npath = \"v-{name}.ndjson\"\nview = \"{}\"\n",
                view.name()
            )
        })
        .concat()
        + "[[sink]]\nname = \"small\"\ntype = \"file\"\npath = \"small.ndjson\"\nraw_data = false\ninclude = [\"events\"]\n";
    let host = Host::new(&Setup { more: sinks, ..setup });
    host.run_once_well();
    let sent: BTreeSet<&str> = entries.iter().map(String::as_str).collect();
    let is_alert =
        |line: &Value| line["metadata"]["product"]["name"] == "gridwatch" || line.pointer("/gridwatch/alert").is_some();
    let events = |name: &str| host.lines(name).into_iter().filter(|line| !is_alert(line)).collect::<Vec<_>>();
    let raws = |name: &str, at: &str| -> Vec<String> {
        events(name)
            .iter()
            .map(|line| line.pointer(at).and_then(Value::as_str).unwrap_or_else(|| panic!("{line}")).to_owned())
            .collect()
    };
    let ocsf = raws("v-ocsf.ndjson", "/raw_data");
    let shown: BTreeSet<&str> = ocsf.iter().map(String::as_str).collect();
    assert_eq!(shown.difference(&sent).next(), None, "not what Slack sent");
    assert_eq!(sent.difference(&shown).next(), None, "not delivered");
    for (name, at) in [("v-ocsf-1-1-0.ndjson", "/raw_data"), ("v-ecs.ndjson", "/event/original")] {
        assert!(ocsf == raws(name, at), "{name} has others, or in another order");
    }
    let raw = std::fs::read_to_string(host.path("v-raw.ndjson")).unwrap();
    assert!(sent.iter().all(|entry| raw.contains(entry)));
    assert!(events("v-ocsf-1-1-0.ndjson").iter().all(|line| line["metadata"]["version"] == "1.1.0"));
    assert!(events("small.ndjson").iter().all(|line| line.get("raw_data").is_none()));
    for (name, alerts) in
        [("v-ocsf", "class_uid"), ("v-ocsf-1-1-0", "class_uid"), ("v-ecs", "rule"), ("v-raw", "class_uid")]
    {
        let found = host
            .lines(&format!("{name}.ndjson"))
            .into_iter()
            .filter(is_alert)
            .filter(|a| a.get(alerts).is_some())
            .count();
        assert!(found > 5, "{name}: {found} alerts");
    }
}

#[test]
fn normalizing_takes_no_more_memory_for_more_lines() {
    let lines = every_action().join("\n") + "\n";
    for view in View::ALL {
        let mut child = gridwatch()
            .args(["normalize", "--view", view.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let status = format!("/proc/{}/status", child.id());
        let peak_kib = || -> u64 {
            let text = std::fs::read_to_string(&status).unwrap();
            let line = text.lines().find(|line| line.starts_with("VmHWM")).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        pipe.write_all(lines.as_bytes()).unwrap();
        let (early, mut rounds) = (peak_kib(), 0);
        while rounds < 5 {
            pipe.write_all(lines.as_bytes()).unwrap();
            rounds += 1;
        }
        let late = peak_kib();
        drop(pipe);
        assert!(child.wait().unwrap().success());
        assert!(late < early + 4_096, "{}: {early} KiB after 4,000 lines, {late} KiB after 24,000", view.name());
    }
}

#[test]
fn the_mapping_table_has_a_row_for_each_action_and_the_docs_are_what_the_program_prints() {
    let table = gridwatch().args(["schema", "--format", "json"]).output().unwrap();
    let rows: Vec<Value> = serde_json::from_slice(&table.stdout).unwrap();
    let actions: BTreeSet<&str> = rows.iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(actions, catalogue::actions().collect());
    assert!(
        rows.iter().all(|row| row["ocsf"]["class_uid"] != 0 && row["ocsf-1.1.0"]["class_uid"] != 0),
        "a Base Event"
    );
    assert!(rows.iter().all(|row| row["ecs"]["event.category"].as_array().is_some_and(|all| !all.is_empty())));
    let tables = [
        ("actions.md", vec!["schema"]),
        ("detections.md", vec!["detections", "--format", "md"]),
        ("coverage.txt", vec!["coverage"]),
        ("settings.txt", vec!["coverage", "--settings"]),
    ];
    let schema = |view: View| {
        (format!("{}.schema.json", view.name()), vec!["schema", "--format", "json-schema", "--view", view.name()])
    };
    let tables = tables.into_iter().map(|(name, args)| (name.to_owned(), args));
    for (name, args) in tables.chain(View::ALL.map(schema)) {
        let printed = gridwatch().args(&args).current_dir(root()).output().unwrap().stdout;
        let kept = std::fs::read(root().join("docs").join(&name)).unwrap_or_default();
        assert!(!printed.is_empty() && kept == printed, "docs/{name} is out of date: run `cargo xtask docs`");
    }
}

fn unknown(id: &str, at: u64) -> SimEntry {
    let json = json!({ "id": id, "date_create": at, "action": "user_beamed_up", "actor": { "type": "user", "user": { "id": "W7" } },
                       "entity": { "type": "transporter", "transporter": { "id": "X1" } }, "context": { "ip_address": "198.51.100.7" },
                       "details": { "coordinates": [1, 2], "reason": "known" } });
    SimEntry::from_wire(&json.to_string()).expect("an entry")
}

#[test]
fn what_slack_says_that_gridwatch_was_not_built_with_is_told_once() {
    let at = now() - 3_600;
    let knobs = Knobs {
        actions_added: vec!["user_beamed_down".to_owned()],
        actions_gone: vec!["emoji_added".to_owned()],
        ..Knobs::unlimited()
    };
    let slack =
        Slack::with(org_of(vec![unknown("a", at), unknown("b", at + 9)]), SimConfig { knobs, ..SimConfig::default() });
    let host = Host::new(&Setup::new(&slack.base_url(), at - 60));
    for _ in 0..2 {
        host.run_once_well();
        let alerts = host.alerts();
        let of =
            |rule: &str| alerts.values().filter(|a| a["metadata"]["event_code"] == rule).cloned().collect::<Vec<_>>();
        let (drift, action) = (of("gridwatch.catalogue-drift"), of("gridwatch.unknown-action"));
        assert_eq!((drift.len(), action.len()), (1, 1), "{alerts:#?}");
        let tags = drift[0]["finding_info"]["tags"].to_string();
        assert!(tags.contains("user_beamed_down") && tags.contains("emoji_added"), "{tags}");
        assert_eq!(action[0]["evidences"][0]["uid"], "a");
        assert_eq!(action[0]["severity_id"], 1);
    }
    let status = host.status();
    assert_eq!(status["catalogue"]["checked"]["drift"]["new_actions"], json!(["user_beamed_down"]));
    let unseen =
        json!([["action", "user_beamed_up", 2], ["entity type", "transporter", 2], ["details key", "coordinates", 2]]);
    assert_eq!(status["detect"]["unseen"], unseen, "also by a run that had nothing to read");
    assert_eq!(host.delivered().len(), 2, "an unknown action is delivered like any other");
    slack.asked(); // the lists were asked for without a token
    let lists = slack.stats().seen.iter().filter(|seen| seen.path != "/audit/v1/logs").count();
    assert_eq!(lists, 2, "once a day, not at every start");
}

#[test]
fn a_slack_without_lists_holds_nothing_up() {
    let at = now() - 3_600;
    let knobs = Knobs { lists_down: true, ..Knobs::unlimited() };
    let slack = Slack::with(org_of(vec![unknown("a", at)]), SimConfig { knobs, ..SimConfig::default() });
    let host = Host::new(&Setup::new(&slack.base_url(), at - 60));
    host.run_once_well();
    assert_eq!(host.delivered().len(), 1);
    assert!(host.status()["catalogue"]["error"].as_str().unwrap().contains("/audit/v1/actions answered 503"));
}
