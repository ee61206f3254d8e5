//! Lines as long as their readers take: what a record is cut to, that it stays valid and says so, and that it passes a syslog.

use gridwatch_detect::Detector;
use gridwatch_event::entry::Entry;
use gridwatch_event::event::Event;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_rules::alert::{Actor, Alert, Doer};
use gridwatch_rules::stub::Stub;
use gridwatch_stories::benchmark::Benchmark;
use gridwatch_tests::labelled::{FROM, events, modules, networks, setting};
use gridwatch_views::{DEFAULT_MAX_BYTES, LEAST_MAX_BYTES, Product, RawData, View};
use serde_json::{Map, Value, json};
use std::cmp::Reverse;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

const PRODUCT: Product<'static> = Product { version: "1.2.3" };
/// What rsyslog takes of a line when nobody told it otherwise (8.2302, `maxMessageSize`).
const RSYSLOG_BYTES: usize = 8_096;
/// What a sink is set to that such an rsyslog reads.
const FOR_RSYSLOG: usize = 8 << 10;
/// In so much of an alert's line it is said which alert it is.
const HEAD_BYTES: usize = 4 << 10;
const LARGEST: usize = 50;

enum Record {
    Alert(Box<Alert>),
    Event(Box<Event>),
}

impl Record {
    fn line(&self, view: View, max_bytes: usize) -> String {
        match self {
            Self::Alert(alert) => view.alert_line_within(alert, &PRODUCT, max_bytes),
            Self::Event(event) => view.event_line_within(event, &PRODUCT, RawData::Include, max_bytes),
        }
    }
}

/// The alerts of a small labelled organization with all its stories, as the real modules make them.
fn alerts() -> &'static [Alert] {
    static ALERTS: OnceLock<Vec<Alert>> = OnceLock::new();
    ALERTS.get_or_init(|| {
        let labelled = Benchmark { seed: 7, users: 120, from: FROM, days: 9, stories: true }.run();
        let facts = &labelled.labels.facts;
        let mut detector = Detector::new(setting(facts, networks(&labelled)), modules(facts)).expect("threads");
        let (mut alerts, mut entries) = (Vec::new(), events(&labelled).peekable());
        while entries.peek().is_some() {
            let batch: Vec<Event> = entries.by_ref().take(512).collect();
            alerts.extend(detector.detect(&batch).concluded.alerts);
        }
        assert!(alerts.len() > LARGEST, "{}", alerts.len());
        alerts
    })
}

/// Entries that are as large as somebody can make them, each in another way.
fn hostile_entries() -> Vec<String> {
    let entry = |parts: Value| {
        let mut entry = json!({
            "id": "0c00000d-0000-4000-8000-000000000000", "date_create": 1_790_000_000, "action": "file_downloaded",
            "actor": { "type": "user", "user": { "id": "W0A", "name": "Ada", "email": "ada@corp.example", "team": "E0CORP" } },
            "entity": { "type": "file", "file": { "id": "F0A", "name": "plan.txt", "filetype": "text/plain", "title": "Plan" } },
            "context": {
                "location": { "type": "enterprise", "id": "E0CORP", "name": "Corp", "domain": "corp" },
                "ua": "Mozilla/5.0", "ip_address": "198.51.100.7", "session_id": 7
            },
        });
        for (name, part) in parts.as_object().expect("parts") {
            match entry.pointer_mut(name) {
                Some(place) => *place = part.clone(),
                None => entry["details"] = part.clone(),
            }
        }
        entry.to_string()
    };
    let long = "n\u{1f600}\"\u{1}".repeat(9_000);
    let many: Vec<String> = (0..9_000).map(|i| format!("W0{i}")).collect();
    let wide: Map<String, Value> = (0..9_000).map(|i| (format!("key_{i}"), i.into())).collect();
    let keyed: Map<String, Value> = (0..60).map(|i| (format!("{i}{}", "k".repeat(700)), i.into())).collect();
    let deep = (0..90).fold(json!("x".repeat(9_000)), |inner, _| json!({ "a": [inner], "b": "y".repeat(500) }));
    let address = format!("{}@{}.example", "a".repeat(9_000), "b".repeat(9_000));
    vec![
        entry(json!({ "/actor/user/name": long, "/actor/user/email": address, "/actor/user/id": long })),
        entry(json!({ "/id": long, "/action": long })),
        entry(json!({ "/entity/file/name": long, "/entity/file/title": long, "/entity/file/filetype": long })),
        entry(json!({ "/context/ua": long, "/context/ip_address": long, "/context/location/name": long })),
        entry(json!({ "/details": { "succeeded_users": many, "reason": long } })),
        entry(json!({ "/action": "bulk_session_reset_by_admin", "/details": { "succeeded_users": many } })),
        entry(json!({ "/details": wide })),
        entry(json!({ "/details": keyed })),
        entry(json!({ "/details": deep })),
        entry(
            json!({ "/action": "anomaly", "/details": { "reason": many, "previous_ua": long, "previous_ip_address": long } }),
        ),
        entry(json!({ "/action": "app_installed", "/entity": { "type": "app", "app": {
            "id": "A0A", "name": long, "scopes": many, "bot_scopes": many, "is_distributed": true, "is_directory_approved": false } } })),
        entry(
            json!({ "/action": "user_email_updated", "/entity": { "type": "user", "user": { "id": "W0B", "name": long, "email": address } } }),
        ),
        entry(json!({ "/details": { "new_value": { "type": long, "list": many }, "previous_value": wide } })),
        "no JSON ".repeat(9_000),
        format!("[{}1]", "\"x\",".repeat(9_000)),
        format!("{}1{}", "[".repeat(9_000), "]".repeat(9_000)),
    ]
}

fn hostile_alerts() -> Vec<Alert> {
    let base = alerts().iter().max_by_key(|alert| alert.evidence.len()).expect("an alert").clone();
    let long: String = "n\u{1f600}\"".repeat(9_000);
    let short = |chars: usize| long.chars().take(chars).collect::<String>();
    let stub = |i: u64| {
        Arc::new(Stub {
            seq: i,
            id: format!("{i}{}", short(500)),
            time: UnixSeconds(1_790_000_000 + i),
            action: short(512),
            actor_id: short(512),
            ip_address: "198.51.100.7".into(),
            ua: short(512),
            object: short(32),
            object_name: short(64),
        })
    };
    let doer = |i: usize| Doer { id: format!("W{i}"), name: short(256), email: short(256), app: String::new() };
    let loud = Alert {
        title: short(500),
        reason: short(400),
        condition: short(2_000),
        actor: Actor { id: short(128), name: short(128), email: short(128), ..base.actor.clone() },
        evidence: (0..50).map(stub).collect(),
        labels: (0..32).map(|i| (format!("{i}{}", short(1_000)), short(1_024))).collect(),
        others: (0..19).map(doer).collect(),
        news: (0..30).map(|i| format!("{i} {}", short(300))).collect(),
        dedup_key: short(256),
        ..base.clone()
    };
    vec![base, loud]
}

/// The largest records of ordinary and of hostile make, of each view.
fn largest(view: View) -> Vec<Record> {
    let event = |(i, raw): (usize, &String)| {
        Record::Event(Box::new(Event::new(i as u64 + 1, UnixMillis(1_790_000_060_000), &Entry::from_json(raw))))
    };
    let mut all: Vec<Record> =
        alerts().iter().cloned().chain(hostile_alerts()).map(|alert| Record::Alert(Box::new(alert))).collect();
    all.sort_by_cached_key(|record| Reverse(record.line(view, usize::MAX).len()));
    all.truncate(LARGEST);
    all.extend(hostile_entries().iter().enumerate().map(event));
    all
}

#[test]
fn the_largest_records_fit_are_valid_and_say_what_was_cut() {
    for view in View::ALL {
        let schema = if view == View::Raw { View::Ocsf } else { view }.json_schema();
        let schema = jsonschema::validator_for(&schema).expect("a schema");
        let mut cut = 0;
        for record in largest(view) {
            let whole = record.line(view, usize::MAX);
            for max in [LEAST_MAX_BYTES, FOR_RSYSLOG, DEFAULT_MAX_BYTES] {
                let line = record.line(view, max);
                assert!(line.len() < max, "{}: {} of {max}: {}", view.name(), line.len(), &line[..400]);
                assert!(!line.contains(['\n', '\r']));
                if line == whole {
                    continue;
                }
                cut += 1;
                let value: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
                let is_raw = view == View::Raw && matches!(record, Record::Event(_));
                let problems: Vec<String> =
                    schema.iter_errors(&value).map(|e| format!("{e} at {}", e.instance_path())).collect();
                assert!(is_raw || problems.is_empty(), "{}: {problems:#?}\n{line}", view.name());
                let places = [&value["unmapped"]["gridwatch_cut"], &value["gridwatch"]["cut"], &value["gridwatch_cut"]];
                let named = places.into_iter().find_map(Value::as_array).unwrap_or_else(|| panic!("{line}"));
                assert!(named.len() > 1, "what was cut is named: {line}");
                let record = named.last().expect("the whole");
                assert_eq!((&record["attribute"], record["had"].as_u64()), (&json!("*"), Some(whole.len() as u64)));
                assert!(named.iter().all(|cut| cut["had"].as_u64() > cut["kept"].as_u64()), "{named:?}");
            }
        }
        assert!(cut > 10, "{}: {cut}", view.name());
    }
}

#[test]
fn an_alert_s_first_kilobytes_say_which_it_is() {
    for view in View::ALL {
        for alert in alerts().iter().cloned().chain(hostile_alerts()) {
            for max in [LEAST_MAX_BYTES, DEFAULT_MAX_BYTES] {
                let line = view.alert_line_within(&alert, &PRODUCT, max);
                let end =
                    (0..=HEAD_BYTES.min(line.len())).rev().find(|at| line.is_char_boundary(*at)).expect("a start");
                let head = &line[..end];
                let uid = format!("\"{}:{}\"", alert.uid, alert.revision);
                let rule = format!("\"{}\"", alert.rule);
                // Of what is longer than anybody's, the beginning.
                let begins = |text: &str, chars: usize| {
                    let text = Value::from(text.chars().take(chars).collect::<String>()).to_string();
                    text.strip_suffix('"').expect("quotes").to_owned()
                };
                let (title, who) = (begins(&alert.title, 120), begins(&alert.actor.id, 60));
                let severity = if view == View::Ecs { "\"severity\":" } else { "\"severity_id\":" };
                let time = if view == View::Ecs { "\"@timestamp\":" } else { "\"time\":" };
                for (what, part) in [
                    ("id", uid),
                    ("rule", rule),
                    ("title", title),
                    ("who", who),
                    ("severity", severity.into()),
                    ("time", time.into()),
                ] {
                    let is_there = head.contains(&part) || what == "who" && alert.actor.id.is_empty();
                    assert!(is_there, "{} lacks {what} {part}: {head}", view.name());
                }
            }
        }
    }
}

/// As Docker's logs and many agents do: what is longer comes as several lines.
fn split_at(lines: &[String], bytes: usize) -> Vec<Vec<u8>> {
    let text: Vec<u8> = lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect();
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    lines.flat_map(|line| line.chunks(bytes)).map(<[u8]>::to_vec).collect()
}

#[test]
fn a_splitter_at_sixteen_kilobytes_leaves_them_whole() {
    for view in View::ALL {
        let lines: Vec<String> = largest(view).iter().map(|record| record.line(view, DEFAULT_MAX_BYTES)).collect();
        let parts = split_at(&lines, DEFAULT_MAX_BYTES);
        assert_eq!(parts.len(), lines.len());
        assert!(parts.iter().zip(&lines).all(|(part, line)| part.strip_suffix(b"\n") == Some(line.as_bytes())));
    }
}

/// Lines from one file to another through an rsyslog that nobody told how long they are.
fn through_rsyslog(folder: &Path, lines: &[String]) -> Vec<String> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let (input, output) = (folder.join("in.ndjson"), folder.join("out.ndjson"));
    std::fs::write(&input, text).expect("a file");
    std::fs::create_dir(folder.join("work")).expect("a folder");
    let configuration = format!(
        "global(workDirectory={:?})\nmodule(load=\"imfile\")\n\
         template(name=\"line\" type=\"string\" string=\"%msg:::drop-last-lf%\\n\")\n\
         input(type=\"imfile\" File={input:?} Tag=\"gridwatch\" ruleset=\"on\")\n\
         ruleset(name=\"on\") {{ action(type=\"omfile\" file={output:?} template=\"line\") }}\n",
        folder.join("work")
    );
    std::fs::write(folder.join("rsyslog.conf"), configuration).expect("a configuration");
    let mut rsyslog = Command::new("rsyslogd")
        .args(["-n", "-f"])
        .arg(folder.join("rsyslog.conf"))
        .arg("-i")
        .arg(folder.join("pid"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("rsyslogd starts");
    let began = Instant::now();
    // What it cuts off, it cuts in the middle of a character.
    let read = || String::from_utf8_lossy(&std::fs::read(&output).unwrap_or_default()).into_owned();
    while read().lines().count() < lines.len() && began.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(100));
    }
    rsyslog.kill().expect("rsyslogd is ended");
    rsyslog.wait().expect("rsyslogd ends");
    read().lines().map(str::to_owned).collect()
}

/// `.ci/run` sees to it that rsyslog is there.
#[test]
fn an_rsyslog_of_default_settings_passes_them_on_whole_or_at_least_who_and_what() {
    if Command::new("rsyslogd").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        assert!(std::env::var_os("GRIDWATCH_NEEDS_RSYSLOG").is_none(), "rsyslogd isn't there");
        eprintln!("skipped: rsyslogd isn't there (`apt-get install rsyslog`)");
        return;
    }
    for view in View::ALL {
        let records = largest(view);
        let folder = tempfile::tempdir().expect("a folder");
        let lines: Vec<String> = records.iter().map(|record| record.line(view, FOR_RSYSLOG)).collect();
        let came = through_rsyslog(folder.path(), &lines);
        assert_eq!(came.len(), lines.len(), "{}", view.name());
        assert!(came == lines, "{}: a line of at most 8 KiB comes through as it is", view.name());
        let folder = tempfile::tempdir().expect("a folder");
        let lines: Vec<String> = records.iter().map(|record| record.line(view, DEFAULT_MAX_BYTES)).collect();
        let came = through_rsyslog(folder.path(), &lines);
        assert_eq!(came.len(), lines.len(), "{}", view.name());
        for (came, line) in came.iter().zip(&lines) {
            let whole = line.len() <= RSYSLOG_BYTES;
            assert!(if whole { came == line } else { line.as_bytes().starts_with(&came.as_bytes()[..HEAD_BYTES]) });
        }
    }
}
