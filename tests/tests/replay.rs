//! `replay` and `normalize` on files: the same input, the same bytes, whatever form it is in and however it is cut.

use gridwatch_stories::{OrgPlan, generate};
use gridwatch_tests::host::{gridwatch, root};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// A day of an org with all stories, as one wire entry a line, oldest first.
fn entries() -> &'static [String] {
    static ENTRIES: OnceLock<Vec<String>> = OnceLock::new();
    ENTRIES.get_or_init(|| {
        let plan = OrgPlan { users: 60, entries: Some(3_000), to: 1_788_739_200 + 86_400, ..OrgPlan::default() };
        generate(&plan).entries.into_iter().map(|entry| entry.json).collect()
    })
}

fn ndjson() -> String {
    entries().join("\n") + "\n"
}

/// A saved response: newest first, as Slack sends it.
fn body() -> String {
    let newest_first: Vec<&str> = entries().iter().rev().map(String::as_str).collect();
    format!("{{\"entries\":[{}],\"response_metadata\":{{\"next_cursor\":\"\"}}}}", newest_first.join(","))
}

/// As an editor or `jq` would indent it, each value's own bytes kept.
fn pretty(json: &str) -> String {
    let (mut out, mut depth, mut in_string, mut escaped) = (String::new(), 0, false, false);
    for c in json.chars() {
        let line = |out: &mut String, depth: usize| *out += &format!("\n{}", "  ".repeat(depth));
        match c {
            _ if in_string => {
                out.push(c);
                (in_string, escaped) = (c != '"' || escaped, c == '\\' && !escaped);
            }
            '{' | '[' => {
                depth += 1;
                out.push(c);
                line(&mut out, depth);
            }
            '}' | ']' => {
                depth -= 1;
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out += ": ",
            c => {
                in_string = c == '"';
                out.push(c);
            }
        }
    }
    out
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn written(folder: &TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("entries");
    std::fs::write(&path, text).expect("a file");
    path
}

fn replay(file: &Path, args: &[&str]) -> Command {
    let mut command = gridwatch();
    command.arg("replay").arg(file).arg("--modules").arg(root().join("target/modules")).args(args);
    command
}

/// Standard output of a command that has to succeed and read everything.
fn output_of(command: &mut Command) -> String {
    let output = command.output().expect("gridwatch runs");
    well(&output);
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn well(output: &Output) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !stderr.contains("error"), "{}: {stderr}", output.status);
}

fn fed(command: &mut Command, input: &str) -> String {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let (mut stdin, input) = (child.stdin.take().expect("piped"), input.to_owned());
    let feeding = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("gridwatch ends");
    feeding.join().expect("fed").expect("all of it was read");
    well(&output);
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn a_replay_gives_the_same_bytes_each_time_and_for_every_size_of_batch() {
    let folder = folder();
    let file = written(&folder, &ndjson());
    let first = output_of(&mut replay(&file, &[]));
    assert!(first.lines().count() > 8, "{first}");
    for line in first.lines() {
        let alert: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(alert["class_uid"], 2004);
    }
    for args in [&[][..], &["--batch", "1"], &["--batch", "7"], &["--batch", "256"], &["--batch", "4096"]] {
        assert!(output_of(&mut replay(&file, args)) == first, "{args:?}");
    }
}

#[test]
fn the_form_of_a_file_does_not_matter() {
    let folder = folder();
    let as_lines = output_of(&mut replay(&written(&folder, &ndjson()), &[]));
    let backward: String = entries().iter().rev().map(|entry| format!("{entry}\n")).collect();
    let twice = format!("{}{}", ndjson(), body());
    for (form, text) in [
        ("body", body()),
        ("pretty", pretty(&body())),
        ("backward", backward),
        ("twice", twice),
        ("crlf", ndjson().replace('\n', "\r\n")),
    ] {
        let replayed = output_of(&mut replay(&written(&folder, &text), &[]));
        assert!(replayed == as_lines, "{form}");
    }
    assert!(fed(&mut replay(Path::new("-"), &[]), &ndjson()) == as_lines, "standard input");
}

#[test]
fn normalize_gives_one_event_an_entry_in_order() {
    let ids: Vec<String> = entries().iter().map(|entry| id_of(entry)).collect();
    let folder = folder();
    let events = output_of(gridwatch().arg("normalize").arg(written(&folder, &ndjson())));
    assert_eq!(uids(&events), ids);
    assert!(fed(gridwatch().arg("normalize"), &ndjson()) == events, "standard input by itself");
    assert!(fed(gridwatch().args(["normalize", "-"]), &ndjson()) == events, "standard input as `-`");
    let backward: Vec<String> = ids.into_iter().rev().collect();
    assert_eq!(uids(&output_of(gridwatch().arg("normalize").arg(written(&folder, &body())))), backward);
}

fn id_of(entry: &str) -> String {
    let entry: Value = serde_json::from_str(entry).expect("JSON");
    entry["id"].as_str().expect("an id").to_owned()
}

fn uids(events: &str) -> Vec<String> {
    let uid = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        event["metadata"]["uid"].as_str().expect("a uid").to_owned()
    };
    events.lines().map(uid).collect()
}

#[test]
fn odd_lines_are_kept_and_marked() {
    let folder = folder();
    let good = &entries()[0];
    for (odd, mark) in [
        ("this is no JSON", "not_an_object"),
        (r#"["an","array"]"#, "not_an_object"),
        ("17", "not_an_object"),
        (r#"{"date_create":1788739300,"action":"user_login"}"#, "no_id"),
        (r#"{"id":"a","action":"user_login"}"#, "no_time"),
        (r#"{"id":"a","date_create":1788739300}"#, "no_action"),
        (r#"{"id":"a","date_create":1788739300,"action":"never_heard_of"}"#, "unknown_action"),
        (r#"{"id":"a","date_create":1788739300,"action":"user_login","entity":{"type":"ghost"}}"#, "unknown_entity"),
    ] {
        let file = written(&folder, &format!("{good}\n{odd}\n\n{good}\n"));
        let events = output_of(gridwatch().arg("normalize").arg(&file));
        let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(events.len(), 3, "{odd}");
        assert_eq!(events[1]["raw_data"], odd);
        assert!(events[1].to_string().contains(mark), "{mark}: {}", events[1]);
        assert!(!events[0].to_string().contains(mark));
    }
}

#[test]
fn odd_lines_change_no_alert() {
    let folder = folder();
    let odd = "this is no JSON\n[\"an\",\"array\"]\n17\n{}\n{\"id\":\"a\",\"action\":5}\n";
    let (half, rest) = entries().split_at(entries().len() / 2);
    let mixed = format!("{odd}{}\n{odd}{}\n{odd}", half.join("\n"), rest.join("\n"));
    let with = unnumbered(&output_of(&mut replay(&written(&folder, &mixed), &[])));
    let (of_odd, with): (Vec<Value>, Vec<Value>) =
        with.into_iter().partition(|alert| alert["metadata"]["event_code"] == "gridwatch.unreadable-entry");
    assert!(!of_odd.is_empty(), "what can't be read is told");
    assert!(with == unnumbered(&output_of(&mut replay(&written(&folder, &ndjson()), &[]))));
}

/// Alerts without the places of their events in the file, which odd lines shift.
fn unnumbered(alerts: &str) -> Vec<Value> {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.remove("seq");
                map.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut alerts: Vec<Value> = alerts.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    alerts.iter_mut().for_each(strip);
    alerts
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = folder();
    let file = written(&folder, &ndjson());
    let mut child = gridwatch()
        .arg("normalize")
        .arg(&file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("gridwatch starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    assert!(line.ends_with("}\n"));
    well(&child.wait_with_output().expect("gridwatch ends"));
}

#[test]
fn a_file_that_is_not_there_is_said_by_name() {
    for command in ["replay", "normalize"] {
        let mut gridwatch = gridwatch();
        gridwatch.args([command, "/nowhere/entries.ndjson"]);
        if command == "replay" {
            gridwatch.arg("--modules").arg(root().join("target/modules"));
        }
        let output = gridwatch.output().expect("gridwatch runs");
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("can't read /nowhere/entries.ndjson"));
    }
}

#[test]
fn a_replay_can_be_of_one_rule_or_one_module() {
    let folder = folder();
    let file = written(&folder, &ndjson());
    let all = output_of(&mut replay(&file, &[]));
    let of = |wanted: &dyn Fn(&str) -> bool| -> String {
        let rule = |line: &&str| {
            let alert: Value = serde_json::from_str(line).expect("JSON");
            wanted(alert["finding_info"]["analytic"]["uid"].as_str().expect("a rule"))
        };
        all.lines().filter(rule).map(|line| format!("{line}\n")).collect()
    };
    let module = of(&|rule| rule.starts_with("sign-in."));
    assert!(!module.is_empty() && module.len() < all.len());
    assert!(output_of(&mut replay(&file, &["--rule", "sign-in.*"])) == module);
    assert!(output_of(&mut replay(&file, &["--rule", "sign-in.burst"])) == of(&|rule| rule == "sign-in.burst"));
    let slip = replay(&file, &["--rule", "sign-in.brst"]).output().expect("gridwatch runs");
    assert_eq!(slip.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&slip.stderr).contains("did you mean `sign-in.burst`?"));
}

#[test]
fn a_diff_says_which_alerts_other_modules_add_lose_and_change() {
    let folder = folder();
    let file = written(&folder, &ndjson());
    let old = folder.path().join("old");
    std::fs::create_dir(&old).expect("a folder");
    for module in
        std::fs::read_dir(root().join("target/modules")).expect("modules").map(|module| module.expect("a file"))
    {
        if !module.file_name().to_string_lossy().starts_with("sign-in-") {
            std::fs::copy(module.path(), old.join(module.file_name())).expect("a copy");
        }
    }
    let ours = root().join("target/modules");
    let diff = |new: &Path, old: &Path, args: &[&str]| {
        let mut command = gridwatch();
        command.arg("replay").arg(&file).arg("--modules").arg(new).arg("--diff").arg(old).args(args);
        let output = command.output().expect("gridwatch runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!stderr.contains("warning") && !stderr.contains("error"), "{stderr}");
        (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
    };
    let told: std::collections::BTreeSet<String> = output_of(&mut replay(&file, &["--rule", "sign-in.*"]))
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).expect("JSON")["finding_info"]["uid"].as_str().expect("an id").into()
        })
        .collect();
    let (code, text) = diff(&ours, &ours, &[]);
    assert_eq!((code, text.lines().count()), (Some(0), 1), "{text}");
    for (new, old, change) in [(&ours, &old, "added"), (&old, &ours, "lost")] {
        let (code, text) = diff(new, old, &["--json", "--rule", "sign-in.*"]);
        assert_eq!(code, Some(1), "{text}");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let uids = lines.iter().map(|line| line["uid"].as_str().expect("an id").to_owned()).collect();
        assert_eq!(told, uids);
        let (there, gone) = if change == "added" { ("after", "before") } else { ("before", "after") };
        for line in &lines {
            assert!(line["change"] == change && line[gone].is_null() && line[there]["title"].is_string(), "{line}");
        }
    }
    let (_, text) = diff(&ours, &old, &["--rule", "sign-in.*"]);
    assert!(
        text.starts_with("added    gw-") && text.contains(&format!("\n{} added, 0 lost, 0 changed; ", told.len())),
        "{text}"
    );
}
