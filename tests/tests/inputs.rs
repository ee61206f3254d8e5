//! What people have on their disks after an incident: exports, saved pages, packed files, our own output. Each is read for what it
//! is, or it is told that it isn't; an input that gave no entry is never an all-clear.

use gridwatch_stories::{OrgPlan, generate};
use gridwatch_tests::guests::built;
use gridwatch_tests::host::{gridwatch, our_modules};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// Three people made owner by one, as `jq -c` would write Slack's entries.
fn grants() -> Vec<String> {
    let person = |id: &str| json!({"type": "user", "user": {"id": id, "name": "Ö \"x\" \\ 🙂", "email": format!("{id}@corp.example"), "team": "T0CORP001"}});
    let grant = |n: u64| {
        json!({
            "id": format!("0c0000{n:02}-0000-4000-8000-000000000000"), "date_create": 1_794_000_000 + n, "action": "role_change_to_owner",
            "actor": person("W0MALLORY"), "entity": person(&format!("W0BOB000{n}")),
            "context": {
                "location": {"type": "workspace", "id": "T0CORP001", "name": "Corp", "domain": "corp"},
                "ua": "Mozilla/5.0 (Macintosh) Slack_SSB/4.45.69", "ip_address": "203.0.113.66", "session_id": 1_234_567_890,
            },
        })
    };
    (1..=3).map(|n| grant(n).to_string()).collect()
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn written(folder: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("a file");
    path
}

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

fn said(command: &mut Command) -> Said {
    let output = command.output().expect("gridwatch runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Two of our modules: each replay compiles what it runs.
fn modules() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let copied = || {
        let folder = folder();
        for name in ["privilege", "sign-in"] {
            let bytes = built(&our_modules(), name);
            std::fs::write(folder.path().join(format!("{name}.wasm")), bytes).expect("a module");
        }
        folder
    };
    FOLDER.get_or_init(copied).path()
}

fn replay(files: &[&Path]) -> Said {
    said(gridwatch().arg("replay").args(files).arg("--modules").arg(modules()))
}

fn normalize(files: &[&Path], args: &[&str]) -> Said {
    said(gridwatch().arg("normalize").args(files).args(args))
}

/// Rule and title of each alert.
fn alerts(said: &Said) -> Vec<(String, String)> {
    let alert = |line: &str| -> Value { serde_json::from_str(line).expect("JSON") };
    let name = |alert: &Value, path: &str| alert.pointer(path).and_then(Value::as_str).expect("a text").to_owned();
    let alerts = said.out.lines().map(alert);
    alerts.map(|alert| (name(&alert, "/finding_info/analytic/uid"), name(&alert, "/finding_info/title"))).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).expect("memory");
    gzip.finish().expect("memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("memory")
}

fn utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

/// As `jq .` writes it.
fn pretty(json: &str) -> String {
    serde_json::to_string_pretty(&serde_json::from_str::<Value>(json).expect("JSON")).expect("JSON")
}

/// Every form that three entries may come in.
fn forms() -> Vec<(&'static str, Vec<u8>)> {
    let all = grants();
    let [a, b, c] = all.as_slice() else { panic!("three") };
    let lines = all.join("\n") + "\n";
    let array = format!("[{}]", all.join(","));
    let page = |entries: &str| format!(r#"{{"entries":[{entries}],"response_metadata":{{"next_cursor":""}}}}"#);
    let each =
        |wrap: &dyn Fn(&str) -> Value| all.iter().map(|entry| wrap(entry).to_string() + "\n").collect::<String>();
    let parsed = |entry: &str| -> Value { serde_json::from_str(entry).expect("JSON") };
    let splunk = |entry: &str| json!({"preview": false, "offset": 0, "result": {"_time": "2026-11-06", "host": "h", "_raw": entry, "action": "x", "id": "y"}});
    let hit = |entry: &str| json!({"_index": "logs-slack.audit", "_id": "1", "_source": {"@timestamp": "2026-11-06T00:00:00Z", "event": {"original": entry, "dataset": "slack.audit"}}});
    let lake = |entry: &str| json!({"class_uid": 3005, "metadata": {"product": {"name": "Slack", "vendor_name": "Slack"}}, "actor": {"user": {"uid": "W0MALLORY"}}, "raw_data": entry});
    let list = |wrap: &dyn Fn(&str) -> Value| Value::from(all.iter().map(|entry| wrap(entry)).collect::<Vec<_>>());
    let text = |text: String| text.into_bytes();
    vec![
        ("array", text(array.clone())),
        ("array, pretty-printed", text(pretty(&array))),
        ("array over lines", text(format!("[\n{},\n{},\n{}\n]\n", a, b, c))),
        ("pages", text(format!("{}\n{}\n", page(&format!("{c},{b}")), page(a)))),
        ("pages without anything between, pretty-printed", text(pretty(&page(c)) + &pretty(&page(&format!("{b},{a}"))))),
        ("pages in an array", text(format!("[{},{}]", page(c), page(&format!("{b},{a}"))))),
        ("concatenated", text(all.concat())),
        ("concatenated and pretty-printed", text(all.iter().map(|entry| pretty(entry)).collect())),
        ("a byte order mark", text(format!("\u{feff}{lines}"))),
        ("byte order marks within", text(format!("\u{feff}{a}\n\u{feff}{b}\n\u{feff}{c}\n"))),
        ("UTF-16, little endian", [vec![0xff, 0xfe], utf_16(&lines, u16::to_le_bytes)].concat()),
        ("UTF-16, big endian", [vec![0xfe, 0xff], utf_16(&array, u16::to_be_bytes)].concat()),
        ("UTF-16 without a mark", utf_16(&lines, u16::to_le_bytes)),
        ("gzip in three members", all.iter().flat_map(|entry| gzip(format!("{entry}\n").as_bytes())).collect()),
        ("zstd in three frames", all.iter().flat_map(|entry| zstd(format!("{entry}\n").as_bytes())).collect()),
        ("gzip of a pretty-printed page", gzip(pretty(&page(&all.join(","))).as_bytes())),
        ("Splunk's export", text(each(&splunk))),
        ("Splunk's answer", text(json!({"preview": false, "fields": [{"name": "_raw"}], "results": list(&|entry| splunk(entry)["result"].clone())}).to_string())),
        ("Splunk's HTTP events", text(each(&|entry| json!({"time": 1, "sourcetype": "slack:audit", "event": parsed(entry)})))),
        ("`_raw` alone", text(each(&|entry| json!({"_raw": entry})))),
        ("`_raw` as JSON texts", text(each(&|entry| Value::from(entry)))),
        ("a page as one event of Splunk's", text(json!({"_raw": page(&all.join(","))}).to_string())),
        ("Elastic's documents", text(each(&hit))),
        ("Elastic's answer", text(pretty(&json!({"took": 1, "hits": {"total": {"value": 3}, "hits": list(&hit)}}).to_string()))),
        ("Kibana's fields", text(each(&|entry| json!({"fields": {"event.original": [entry]}})))),
        ("Filebeat", text(each(&|entry| json!({"@timestamp": "2026-11-06T00:00:00Z", "message": entry})))),
        ("Security Lake", text(each(&lake))),
        ("Security Lake in an array", text(list(&lake).to_string())),
        ("Sentinel's answer", text(json!({"tables": [{"name": "PrimaryResult", "columns": [{"name": "TimeGenerated"}, {"name": "raw_data"}], "rows": list(&|entry| json!(["2026-11-06T00:00:00Z", entry]))}]}).to_string())),
        ("a container's log", text(each(&|entry| json!({"log": format!("{entry}\n"), "stream": "stdout"})))),
        ("a syslog header", text(all.iter().map(|entry| format!("<134>1 2026-11-06T00:00:00Z host slack - - - {entry}\n")).collect())),
        ("CRLF", text(lines.replace('\n', "\r\n"))),
    ]
}

#[test]
fn every_form_of_a_file_gives_the_same_alerts() {
    let folder = folder();
    let lines = replay(&[&written(&folder, "lines", grants().join("\n"))]);
    let want = alerts(&lines);
    assert!(want.iter().any(|(rule, _)| rule == "privilege.granted"), "{want:?} {}", lines.err);
    for (form, bytes) in forms() {
        let got = replay(&[&written(&folder, "form", bytes)]);
        assert_eq!((got.code, alerts(&got)), (Some(0), want.clone()), "{form}: {}", got.err);
        assert!(got.err.contains("3 entries from 2026-11-06T") && !got.err.contains("warning"), "{form}: {}", got.err);
    }
}

#[test]
fn every_form_is_normalized_to_the_same_events() {
    let folder = folder();
    let ids = |said: &Said| {
        let id = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["raw_data"].as_str().map(str::len);
        let mut all: Vec<_> = said.out.lines().map(id).collect();
        all.sort();
        all
    };
    for (form, bytes) in
        forms().into_iter().filter(|(form, _)| !form.contains("pretty") && !form.contains("Splunk's HTTP"))
    {
        let got = normalize(&[&written(&folder, "form", bytes)], &[]);
        let mut want: Vec<_> = grants().iter().map(|entry| Some(entry.len())).collect();
        want.sort();
        assert_eq!((got.code, ids(&got)), (Some(0), want), "{form}: {}", got.err);
    }
}

/// What gridwatch wrote, in each view, is what it can read again.
#[test]
fn our_own_files_are_read_for_what_they_are() {
    let folder = folder();
    let plan = OrgPlan { users: 40, entries: Some(1_500), to: 1_788_739_200 + 86_400, ..OrgPlan::default() };
    let lines: String = generate(&plan).entries.into_iter().map(|entry| entry.json + "\n").collect();
    let file = written(&folder, "lines", &lines);
    let direct = replay(&[&file]);
    assert!(!direct.out.is_empty(), "{}", direct.err);
    for view in ["ocsf", "ocsf-1.1.0", "ecs", "raw"] {
        let events = normalize(&[&file], &["--view", view]);
        let mixed = format!("{}{}", direct.out, events.out);
        let again = replay(&[&written(&folder, "events", mixed)]);
        assert!(again.code == Some(0) && again.out == direct.out, "{view}: {}", again.err);
        let told = format!("{} values are gridwatch's alerts", direct.out.lines().count());
        assert!(again.err.contains(&told), "{view}: {}", again.err);
        if view != "raw" {
            let bare = normalize(&[&file], &["--view", view, "--no-raw-data"]);
            let got = replay(&[&written(&folder, "bare", &bare.out)]);
            assert!(got.code == Some(1) && got.err.contains("raw_data = false"), "{view}: {}", got.err);
        }
    }
}

#[test]
fn an_input_without_an_entry_is_never_an_all_clear() {
    let folder = folder();
    let entries = written(&folder, "entries", grants().join("\n"));
    let alerts = replay(&[&entries]).out;
    let csv = "_time,host,_raw\n\"2026\",\"h\",\"{\"\"id\"\":\"\"a\"\"}\"\n".to_owned();
    let parquet = b"PAR1\x15\x04\x15\x00PAR1".to_vec();
    for (what, bytes, told) in [
        ("nothing", Vec::new(), "it is empty"),
        ("prose", b"Dear team,\nthe log is attached.\n".to_vec(), "2 values in it, and none is an entry"),
        (
            "other JSON",
            b"{\"level\":\"info\",\"msg\":\"up\"}\n[1,2]\n\"x\"\n".to_vec(),
            "3 values in it, and none is an entry",
        ),
        ("no rights", b"{\"ok\":false,\"error\":\"missing_scope\"}".to_vec(), "none is an entry"),
        (
            "an empty page",
            b"{\"entries\":[],\"response_metadata\":{\"next_cursor\":\"\"}}".to_vec(),
            "there is no entry in",
        ),
        ("alerts", alerts.clone().into_bytes(), "gridwatch's alerts"),
        ("packed alerts", gzip(alerts.as_bytes()), "gridwatch's alerts"),
        ("CSV", csv.into_bytes(), "is CSV, which isn't read"),
        ("zip", b"PK\x03\x04\x14\x00".to_vec(), "is a zip archive, which isn't read"),
        ("Parquet", parquet, "is Parquet, which isn't read"),
        ("a picture", b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR".to_vec(), "none is an entry"),
        ("zeros", vec![0; 5_000], "none is an entry"),
    ] {
        let file = written(&folder, "input", bytes);
        let loss = said(gridwatch().args(["schema", "loss"]).arg(&file));
        for (command, said) in [("replay", replay(&[&file])), ("normalize", normalize(&[&file], &[])), ("loss", loss)] {
            assert!(said.code == Some(1), "{command} {what}: {:?} {}", said.code, said.err);
            assert!(said.err.contains(told) && said.err.contains("hint: "), "{command} {what}: {}", said.err);
        }
        // Beside a file that has some it is told all the same.
        let both = replay(&[&entries, &file]);
        assert!(both.code == Some(1) && both.out == alerts && both.err.contains(told), "{what}: {}", both.err);
    }
}

#[test]
fn what_is_no_entry_is_told_with_its_place_and_how_much_there_is_of_it() {
    let folder = folder();
    let all = grants();
    let text = format!("{}\nprose\n{}\n{{\"id\":\"cut\n{}\n{}", all[0], all[1], all[2], "{\"other\":1}\n".repeat(9));
    let file = written(&folder, "mixed", text);
    let got = replay(&[&file]);
    let places = format!("{0} line 2, {0} line 4, {0} line 6, {0} line 7, {0} line 8 and 6 more", file.display());
    assert!(got.err.contains(&format!("11 values are no entry, left out: {places}")), "{}", got.err);
    assert!(got.code == Some(0) && got.err.contains("3 entries from "), "{}", got.err);
    let line = format!("[{},17,{}]", all[0], all[1]);
    let place = format!("1 value is no entry, kept as Base Events: {} byte {}", file.display(), all[0].len() + 2);
    let got = normalize(&[&written(&folder, "mixed", line)], &[]);
    assert!(got.out.lines().count() == 3 && got.err.contains(&place), "{}", got.err);
}

/// Bytes that JSON or UTF-8 don't allow, a line that was cut, brackets that don't fit: the others are all there.
#[test]
fn what_is_odd_about_one_entry_costs_no_other() {
    let folder = folder();
    let [a, b, c] = <[String; 3]>::try_from(grants()).expect("three");
    for (odd, from, to) in [
        ("half a character", "Ö", &b"\\ud83d"[..]),
        ("no UTF-8", "Ö", b"\xff\xfe"),
        ("a control character", "Ö", b"\x01"),
        ("a tab", "Ö", b"\t"),
        ("a quote", "Ö", b"\" "),
        ("a bracket", "\"user\":", b"\"user\":}"),
        ("a cut", "\"user\":", b"\"us\n"),
    ] {
        let at = b.find(from).expect("there");
        let b = [&b.as_bytes()[..at], to, &b.as_bytes()[at + from.len()..]].concat();
        let (start, end) = (&b"{\"entries\":["[..], &b"],\"response_metadata\":[]}\n"[..]);
        for (form, bytes) in [
            ("lines", [a.as_bytes(), &b, c.as_bytes(), b""].join(&b'\n')),
            ("page", [start, &[a.as_bytes(), &b, c.as_bytes()].join(&b','), end].concat()),
        ] {
            let got = normalize(&[&written(&folder, "odd", bytes)], &["--view", "raw"]);
            let whole = got.out.lines().filter(|line| *line == a || *line == c).count();
            assert!(whole == 2 && got.code == Some(0), "{odd} in {form}: {} {}", got.out, got.err);
        }
    }
}

#[test]
fn what_ends_too_early_is_told() {
    let folder = folder();
    let all = grants().join("\n");
    let packed = gzip(all.repeat(200).as_bytes());
    let page = format!("{{\"entries\":[{},", grants().join(","));
    for (what, bytes) in [("gzip", packed[..packed.len() - 20].to_vec()), ("page", page.into_bytes())] {
        let got = replay(&[&written(&folder, "cut", bytes)]);
        assert!(got.code == Some(1) && got.err.contains("what comes after that was not read"), "{what}: {}", got.err);
        assert!(got.out.contains("privilege.granted"), "what was there is judged");
    }
}

#[test]
fn several_files_and_folders_are_one_input() {
    let folder = folder();
    let all = grants();
    let inner = folder.path().join("export");
    std::fs::create_dir(&inner).expect("a folder");
    for (name, bytes) in [
        ("2.json", format!("[{}]", all[1]).into_bytes()),
        ("1.gz", gzip(all[0].as_bytes())),
        (".hidden", b"x".to_vec()),
        ("a.zip", b"PK\x03\x04".to_vec()),
    ] {
        std::fs::write(inner.join(name), bytes).expect("a file");
    }
    let last = written(&folder, "last", &all[2]);
    let lines = replay(&[&written(&folder, "lines", all.join("\n"))]);
    let got = replay(&[&inner, &last]);
    assert!(got.code == Some(0) && got.out == lines.out, "{}", got.err);
    assert!(got.err.contains("a.zip is a zip archive and was passed over"), "{}", got.err);
    let twice = replay(&[&last, &inner, &last]);
    assert!(
        twice.out == lines.out && twice.err.contains("4 entries") && twice.err.contains("1 of them under an id"),
        "{}",
        twice.err
    );
    let lost = replay(&[&last, Path::new("/nowhere/export")]);
    assert!(
        lost.code == Some(1) && lost.out.is_empty() && lost.err.contains("can't read /nowhere/export"),
        "{}",
        lost.err
    );
}

#[test]
fn a_person_gets_a_table_and_a_pipe_gets_records() {
    let folder = folder();
    let file = written(&folder, "lines", grants().join("\n"));
    let of = |args: &[&str]| said(gridwatch().arg("replay").arg(&file).args(args).arg("--modules").arg(modules()));
    let (piped, ndjson, table) = (of(&[]), of(&["--format", "ndjson"]), of(&["--format", "table"]));
    assert!(piped.out == ndjson.out && !table.out.contains('{') && !table.out.contains('\u{1b}'), "{}", table.out);
    let lines: Vec<&str> = table.out.lines().collect();
    let uids: std::collections::BTreeSet<String> = ndjson
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["finding_info"]["uid"].to_string())
        .collect();
    assert_eq!(lines.len(), uids.len(), "each alert once: {}", table.out);
    assert!(table.out.contains(" ×3  "), "with the numbers of the whole input: {}", table.out);
    assert!(lines.iter().all(|line| line.starts_with("2026-11-06T") && line.contains(" gw-")), "{}", table.out);
    assert!(
        table.err.contains(&format!("alerts: {} (", uids.len())) && table.err.contains("faults of modules: 0"),
        "{}",
        table.err
    );
}

#[test]
fn times_may_be_spans_back_from_now() {
    let folder = folder();
    let archive = folder.path().join("archive");
    std::fs::create_dir(&archive).expect("a folder");
    let got = said(
        gridwatch()
            .arg("replay")
            .arg("--archive")
            .arg(&archive)
            .args(["--from", "24h", "--to", "1h", "--modules"])
            .arg(modules()),
    );
    assert!(
        got.code == Some(1) && got.err.contains("there is no entry in") && got.err.contains("hint: "),
        "{:?} {}",
        got.code,
        got.err
    );
    let wrong = said(
        gridwatch().arg("replay").arg("--archive").arg(&archive).args(["--from", "soon", "--modules"]).arg(modules()),
    );
    assert!(wrong.code == Some(2) && wrong.err.contains("24h"), "{}", wrong.err);
}

/// Those of a release are in the program; one that cargo built by itself has none, and stands in no workspace here.
#[test]
fn without_modules_it_is_said_what_to_do() {
    let folder = folder();
    for command in ["demo", "detections", "coverage"] {
        let got = said(gridwatch().arg(command).current_dir(folder.path()));
        assert_eq!(got.code, Some(1), "{}", got.err);
        assert!(got.err.contains("there are no modules") && got.err.contains("cargo xtask release"), "{}", got.err);
    }
}

/// 100 MB of a list that never ends, then what the process has ever held.
#[test]
fn a_list_is_read_in_constant_memory() {
    let mut child = gridwatch()
        .arg("normalize")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let mut stdin = child.stdin.take().expect("piped");
    let entry = json!({"id": "a", "date_create": 1_794_000_000, "action": "user_login", "details": {"filler": "x".repeat(20_000)}}).to_string();
    stdin.write_all(b"[").expect("read");
    for _ in 0..5_000 {
        stdin.write_all(entry.as_bytes()).and_then(|()| stdin.write_all(b",")).expect("read");
    }
    let held = peak_kib(&child);
    stdin.write_all(entry.as_bytes()).and_then(|()| stdin.write_all(b"]")).expect("read");
    drop(stdin);
    assert!(child.wait().expect("ends").success());
    assert!(held < 60_000, "{held} KiB");
}

fn peak_kib(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("a process");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    peak.trim().trim_end_matches(" kB").parse().expect("a number")
}
