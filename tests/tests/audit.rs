//! The audit trail of gridwatch itself, through the program: what people do is in it once and reaches the sinks, and what was done to the
//! trail shows.

use gridwatch_event::time::UnixSeconds;
use gridwatch_log::disk::OsDisk;
use gridwatch_log::{Log, Settings};
use gridwatch_stories::SimEntry;
use gridwatch_tests::host::{
    Host, Setup, ended, gridwatch, is_audit, kill, our_modules, private, signal, terminate, until,
};
use gridwatch_tests::logs::records;
use gridwatch_tests::sim::{Slack, entry, now, org_of};
use gridwatch_tests::web::{ask, free_port};
use gridwatch_views::View;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

/// In the configuration, and nowhere in the trail.
const VALUE: &str = "198.51.100.77/32";
/// An entry of the exceptions file.
fn exception() -> String {
    let day = UnixSeconds(now() + 20 * 86_400).to_string();
    format!(
        "[[exception]]\nid = \"lab\"\nwho = {{ actor = \"W0LAB\" }}\nrules = [\"privilege.granted\"]\nreason = \"expected\"\n\
         owner = \"it@acme.example\"\nticket = \"SEC-1\"\nexpires = {}\n",
        &day[..10]
    )
}

/// A burst of failed sign-ins of one person an hour ago, judged and delivered; all of it is one alert.
fn ran(more: &str) -> (Slack, Host, String) {
    let failed = |n| {
        let json = entry(&format!("Lfailed-{n}"), now() - 3_600).json.replace("user_login", "user_login_failed");
        SimEntry::from_wire(&json).expect("an entry")
    };
    let slack = Slack::start(org_of((0..12).map(failed).collect()));
    let mut setup = Setup::new(&slack.base_url(), now() - 7_200);
    setup.slack = "settle = \"5s\"\ninterval = \"1s\"\n".into();
    setup.more = more.into();
    let host = Host::new(&setup);
    host.run_once_well();
    let alerts = said(&host, &["alerts", "list", "--json", "--limit", "0", "--rule", "sign-in.*"]);
    let alert: Value = serde_json::from_str(alerts.lines().next().expect("an alert")).expect("JSON");
    let uid = alert["uid"].as_str().expect("an id").to_owned();
    (slack, host, uid)
}

fn say(host: &Host, args: &[&str]) -> Output {
    ended(gridwatch().args(args).arg("--config").arg(host.path("gridwatch.toml")))
}

fn said(host: &Host, args: &[&str]) -> String {
    let output = say(host, args);
    assert!(output.status.success(), "{args:?}: {}\n{}", String::from_utf8_lossy(&output.stderr), host.log());
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The trail, as it is listed.
fn trail(host: &Host) -> Vec<Value> {
    let lines = said(host, &["audit", "list", "--json", "--limit", "0"]);
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// What was done, and how often.
fn done(trail: &[Value]) -> BTreeMap<String, usize> {
    let mut done = BTreeMap::new();
    trail.iter().for_each(|deed| *done.entry(deed["what"].as_str().expect("a name").to_owned()).or_default() += 1);
    done
}

/// Of those in a sink's file, by what was done.
fn delivered(host: &Host, file: &str) -> Vec<Value> {
    host.lines(file).into_iter().filter(is_audit).collect()
}

/// Exit code, and what `audit verify` says.
fn verified(host: &Host, args: &[&str]) -> (i32, String) {
    let output = say(host, &[&["audit", "verify"], args].concat());
    let code = output.status.code().expect("a code");
    (code, [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat())
}

fn note(host: &Host, uid: &str, n: u64) {
    said(host, &["alerts", "note", uid, &format!("note {n}"), "--by", "anna"]);
}

#[test]
fn what_people_do_is_in_the_trail_once_and_in_each_sink_with_who_and_when() {
    let sink = |name: &str, view: &str, include: &str| {
        format!(
            "\n[[sink]]\nname = \"{name}\"\ntype = \"file\"\npath = \"{name}.ndjson\"\nview = \"{view}\"\ninclude = [{include}]\n"
        )
    };
    let sinks = sink("old", "ocsf-1.1.0", "\"audit\"") + &sink("elastic", "ecs", "\"audit\"");
    let (slack, host, uid) = ran(&sinks);
    assert_eq!(trail(&host), Vec::<Value>::new(), "nobody did anything so far");
    assert!(verified(&host, &[]).1.contains("nothing was done"));
    // With an exceptions file from now on, which is a change of the configuration.
    std::fs::write(host.path("exceptions.toml"), "").expect("exceptions");
    let path = host.path("gridwatch.toml");
    let text = std::fs::read_to_string(&path).expect("the configuration");
    std::fs::write(&path, format!("{text}[detect]\nexceptions = \"exceptions.toml\"\n")).expect("the configuration");
    let running = host.start(&[]);
    host.until_running(&running);
    let since = now();
    said(&host, &["alerts", "ack", &uid, "--by", "anna"]);
    said(&host, &["alerts", "ack", &uid, "--by", "anna"]);
    note(&host, &uid, 1);
    said(&host, &["alerts", "close", &uid, "--reason", "false", "--by", "ben"]);
    for order in ["pin", "unpin", "disable", "enable"] {
        said(&host, &["module", order, "sign-in"]);
    }
    let refused = say(&host, &["module", "rollback", "sign-in"]);
    assert!(!refused.status.success(), "there is no version before");
    let files = std::fs::read_dir(our_modules()).expect("modules").filter_map(|file| Some(file.ok()?.path()));
    let is_it = |path: &PathBuf| {
        path.to_string_lossy().contains("/sign-in-") && path.extension().is_some_and(|end| end == "wasm")
    };
    let file = files.into_iter().find(is_it).expect("the module");
    said(&host, &["module", "install", file.to_str().expect("UTF-8")]);
    std::fs::write(host.path("exceptions.toml"), exception()).expect("exceptions");
    until("the exceptions are taken", || done(&trail(&host)).contains_key("exceptions.change"));
    let changed = std::fs::read_to_string(&path).expect("the configuration").replace("198.51.100.0/24", VALUE);
    std::fs::write(&path, changed).expect("the configuration");
    signal(&running, "HUP");
    until("the reload is told", || done(&trail(&host)).get("configuration.change") == Some(&2));
    assert!(said(&host, &["explain", &uid, "--entries"]).contains("date_create"));
    said(&host, &["backfill", "--from", "30d"]);
    said(&host, &["state", "export", "--to", host.path("state.tar.zst").to_str().expect("UTF-8")]);
    let trail_now = trail(&host);
    let once = [
        "alert.acknowledge",
        "alert.note",
        "alert.close",
        "module.pin",
        "module.unpin",
        "module.disable",
        "module.enable",
        "module.rollback",
        "module.install",
        "exceptions.change",
        "entries.read",
        "entries.backfill",
        "state.export",
    ];
    let mut wanted: BTreeMap<String, usize> = once.map(|what| (what.to_owned(), 1)).into();
    wanted.insert("configuration.change".into(), 2);
    assert_eq!(done(&trail_now), wanted, "{trail_now:#?}");
    // Who, when, and to what.
    let uid_of_us = own_uid(&host);
    for (number, deed) in (1_u64..).zip(&trail_now) {
        assert_eq!((&deed["number"], &deed["uid"]), (&number.into(), &uid_of_us.into()), "{deed}");
        assert!(deed["at"].as_u64().is_some_and(|at| at / 1_000 + 60 >= since), "{deed}");
        assert!(deed["by"].as_str().is_some_and(|by| !by.is_empty()), "{deed}");
    }
    let of = |what: &str| trail_now.iter().rev().find(|deed| deed["what"] == what).expect("one");
    assert_eq!((&of("alert.close")["by"], &of("alert.close")["about"]), (&"ben".into(), &uid.as_str().into()));
    assert_eq!(of("alert.close")["details"]["reason"], "false");
    assert!(
        of("module.rollback")["failed"].as_str().is_some_and(|why| why.contains("no version")),
        "{:#}",
        of("module.rollback")
    );
    assert_eq!(of("module.install")["details"]["digest"].as_str().map(str::len), Some(64));
    assert_eq!(of("exceptions.change")["details"]["added"], "lab");
    let reload = of("configuration.change");
    let details = &reload["details"];
    assert!(details["changed"].as_str().is_some_and(|all| all.contains("lookups.corporate_egress")), "{reload:#}");
    assert!(details["digest"].is_string() && details["digest"] != details["digest_before"], "{reload:#}");
    assert_eq!(reload["via"], "reload");
    let start = trail_now.iter().find(|deed| deed["via"] == "start").expect("what the start found");
    assert!(start["details"]["added"].as_str().is_some_and(|all| all.contains("detect.exceptions")), "{start:#}");
    // All of it in each sink that takes it, valid in its view, and in none other.
    let many = trail_now.len();
    until("the sinks have it", || {
        let files = [("events.ndjson", "metadata"), ("old.ndjson", "metadata"), ("elastic.ndjson", "event")];
        files.iter().all(|(file, has)| host.lines(file).iter().filter(|line| line[has].is_object()).count() >= many)
    });
    until("all of it", || host.lines("elastic.ndjson").len() == many && host.lines("old.ndjson").len() == many);
    assert_eq!(delivered(&host, "alerts.ndjson").len(), 0);
    for (file, view) in [("events", View::Ocsf), ("old", View::Ocsf1_1), ("elastic", View::Ecs)] {
        let schema = jsonschema::validator_for(&view.json_schema()).expect("a schema");
        let lines = host.lines(&format!("{file}.ndjson"));
        let lines: Vec<Value> = lines.into_iter().filter(|line| view == View::Ecs || is_audit(line)).collect();
        assert_eq!(lines.len(), many, "{file}");
        for (line, deed) in lines.iter().zip(&trail_now) {
            let errors: Vec<String> = schema.iter_errors(line).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{file}: {errors:?}: {line}");
            let (shown, by, what) = match view {
                View::Ecs => (&line["gridwatch"]["audit"], &line["user"]["name"], &line["event"]["action"]),
                _ => (&line["unmapped"]["audit"], &line["actor"]["user"]["name"], &line["unmapped"]["audit"]["what"]),
            };
            assert_eq!((&shown["hash"], &shown["number"]), (&deed["hash"], &deed["number"]), "{file}");
            assert_eq!((by, what), (&deed["by"], &deed["what"]), "{file}");
        }
    }
    terminate(running);
    // Where none runs.
    assert!(said(&host, &["explain", &uid, "--entries"]).contains("date_create"));
    note(&host, &uid, 2);
    assert_eq!(done(&trail(&host))["entries.read"], 2);
    host.run_once_well();
    assert_eq!(delivered(&host, "events.ndjson").len(), many + 2);
    let (code, text) = verified(&host, &[]);
    assert!(code == 0 && text.contains(&format!("{} records since", many + 2)), "{text}");
    // No secret, and nothing that a configuration has as a value.
    let folder = host.path("state/audit");
    let kept: Vec<u8> = records(&folder, "audit").into_values().flatten().collect();
    let kept = String::from_utf8(kept).expect("UTF-8");
    let sent: String = delivered(&host, "events.ndjson").iter().map(ToString::to_string).collect();
    for secret in ["xoxp-test", VALUE, "W0LAB"] {
        assert!(!kept.contains(secret) && !sent.contains(secret), "{secret}");
    }
    drop(slack);
}

/// Whose the test's processes are, by a file of theirs.
fn own_uid(host: &Host) -> u32 {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(host.path("gridwatch.toml")).expect("a file"))
}

#[test]
fn a_killed_host_has_lost_no_deed_that_was_answered() {
    let (_slack, host, uid) = ran("");
    let mut answered = 0;
    for round in 0..3 {
        let running = host.start(&[]);
        host.until_running(&running);
        let dying = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(150 * (round + 1)));
            kill(running);
        });
        for n in 0..20 {
            let text = format!("note {round}.{n}");
            let output = ended(
                gridwatch()
                    .args(["alerts", "note", &uid, &text, "--by", "anna", "--state-dir"])
                    .arg(host.path("state")),
            );
            answered += usize::from(output.status.success());
        }
        dying.join().expect("killed");
    }
    assert!(answered > 20, "{answered}");
    host.run_once_well();
    let trail = trail(&host);
    assert!(trail.len() >= answered, "{} of {answered}", trail.len());
    let (code, text) = verified(&host, &[]);
    assert_eq!(code, 0, "{text}");
    let sent = delivered(&host, "events.ndjson");
    let numbers: Vec<_> = sent.iter().map(|line| line["unmapped"]["audit"]["number"].clone()).collect();
    assert_eq!(numbers, (1..=trail.len()).map(Value::from).collect::<Vec<_>>(), "each reached the sink once, in order");
}

/// The only segment.
fn segment(host: &Host) -> PathBuf {
    let files = std::fs::read_dir(host.path("state/audit")).expect("the trail");
    let mut files = files.filter_map(|file| Some(file.ok()?.path()));
    files.find(|path| path.extension().is_some_and(|end| end == "log")).expect("a segment")
}

/// Where blocks begin, one a record.
fn blocks(bytes: &[u8]) -> Vec<usize> {
    let (mut at, mut found) = (64, Vec::new());
    while at < bytes.len() {
        assert_eq!(&bytes[at..at + 4], b"gwb1");
        found.push(at);
        at += 64 + u32::from_le_bytes(bytes[at + 44..][..4].try_into().expect("four")) as usize;
    }
    found
}

/// A trail of other records, in a log that is whole by itself.
fn written(folder: &Path, records: impl IntoIterator<Item = Vec<u8>>) {
    for file in std::fs::read_dir(folder).expect("the trail").filter_map(|file| Some(file.ok()?.path())) {
        if file.extension().is_some_and(|end| end == "log") {
            std::fs::remove_file(file).expect("removed");
        }
    }
    let settings = Settings { name: "audit", segment_bytes: 16 << 20, block_bytes: 64 << 10 };
    let mut log = Log::recover(Box::new(OsDisk), folder, settings, 1).expect("a log");
    for record in records {
        log.write([(0, record)]).expect("written");
        log.keep();
    }
}

#[test]
fn what_was_done_to_the_trail_shows_and_where() {
    let (_slack, host, uid) = ran("");
    (1..=6).for_each(|n| note(&host, &uid, n));
    let (code, text) = verified(&host, &[]);
    assert!(code == 0 && text.contains("6 records since"), "{text}");
    let head = text.lines().find_map(|line| line.strip_prefix("head ")).expect("a head").to_owned();
    assert_eq!(verified(&host, &["--head", &head]).0, 0);
    let (path, folder) = (segment(&host), host.path("state/audit"));
    let whole = std::fs::read(&path).expect("the trail");
    let (at, all) = (blocks(&whole), records(&folder, "audit"));
    assert_eq!(at.len(), 6);
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        std::fs::write(&path, bytes).expect("the trail");
        let (code, text) = verified(&host, &[]);
        assert_eq!(code, 1, "{text}");
        text
    };
    // A byte, in the middle and at the end.
    let text = changed(&|bytes| bytes[at[2] + 80] ^= 1);
    assert!(text.contains("record 3 can't be read"), "{text}");
    let text = changed(&|bytes| bytes[at[5] + 80] ^= 1);
    assert!(text.contains("record 6 is missing, which head.json"), "{text}");
    // A record, and the end.
    let text = changed(&|bytes| drop(bytes.drain(at[2]..at[3])));
    assert!(text.contains("record 3"), "{text}");
    let text = changed(&|bytes| bytes.truncate(at[4]));
    assert!(text.contains("records 5 to 6 are missing"), "{text}");
    // By somebody who writes a log that is whole by itself.
    let mut swapped: Vec<Vec<u8>> = all.values().cloned().collect();
    swapped.swap(1, 2);
    written(&folder, swapped);
    let (code, text) = verified(&host, &[]);
    assert!(code == 1 && text.contains("in the place of record 2 is record 3"), "{text}");
    let without = all.iter().filter(|(n, _)| **n != 3).map(|(_, record)| record.clone());
    written(&folder, without);
    let (code, text) = verified(&host, &[]);
    assert!(code == 1 && text.contains("in the place of record 3 is record 4"), "{text}");
    let other = |record: &Vec<u8>| String::from_utf8_lossy(record).replace("note 3", "note X").into_bytes();
    written(&folder, all.values().map(other));
    let (code, text) = verified(&host, &["--json"]);
    assert!(code == 1 && text.contains("record 3 was altered"), "{text}");
    // By somebody who hides it from everything on this machine: only what a sink has tells.
    written(&folder, all.values().take(4).cloned());
    std::fs::remove_file(folder.join("head.json")).expect("removed");
    let (code, text) = verified(&host, &["--head", &head]);
    assert!(code == 1 && text.contains("records 5 to 6 are missing, which --head knows of"), "{text}");
    // Gridwatch finds it too when it starts: it says so, sets the trail aside, and goes on in the same chain.
    let output = say(&host, &["alerts", "note", &uid, "more", "--by", "anna"]);
    assert!(!output.status.success(), "at rest nothing is mended");
    host.run_once_well();
    assert!(host.path("state/audit.broken-1").is_dir());
    let told = host.lines("alerts.ndjson").iter().any(|alert| alert.to_string().contains("audit trail"));
    assert!(told, "an alert tells");
    note(&host, &uid, 7);
    let (code, text) = verified(&host, &[]);
    assert!(code == 1 && text.contains("records 1 to 6 are missing"), "{text}");
    assert_eq!(trail(&host)[0]["number"], 7);
}

#[test]
fn a_store_that_is_lost_takes_no_trail_with_it() {
    let (_slack, host, uid) = ran("");
    (1..=3).for_each(|n| note(&host, &uid, n));
    std::fs::remove_dir_all(host.path("state/store")).expect("removed");
    host.run_once_well();
    note(&host, &uid, 4);
    let (code, text) = verified(&host, &[]);
    assert!(code == 0 && text.contains("4 records since"), "{text}");
}

#[test]
fn whoever_only_looks_is_not_kept_from_it() {
    let (_slack, host, uid) = ran("");
    std::fs::write(host.path("state/store.damaged"), "by a test").expect("written");
    let output = say(&host, &["explain", &uid, "--entries"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("note: the audit trail doesn't have this: "), "{text}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("date_create"));
    assert_eq!(text.lines().filter(|line| line.starts_with("note: ")).count(), 1, "{text}");
    private(&host.path("token"));
}

#[test]
fn what_is_done_and_looked_at_on_the_page_is_by_whoever_is_logged_in() {
    let (port, token) = (free_port(), "0123456789abcdef0123456789abcdef");
    let user = "[[web.user]]\nname = \"ann\"\ntoken_file = \"web-ann\"\nact = [\"*\"]\n";
    let (_slack, host, uid) = ran("");
    std::fs::write(host.path("web-ann"), token).expect("a token");
    private(&host.path("web-ann"));
    let path = host.path("gridwatch.toml");
    let text = std::fs::read_to_string(&path).expect("the configuration");
    std::fs::write(&path, format!("{text}[web]\nlisten = \"127.0.0.1:{port}\"\n{user}")).expect("the configuration");
    let running = host.start(&[]);
    host.until_running(&running);
    let headers = [("Authorization", format!("Bearer {token}")), ("Sec-Fetch-Site", "same-origin".to_owned())];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let asked = |method: &str, path: &str, body: &str| ask(port, method, path, &headers, body).expect("an answer");
    assert!(asked("GET", &format!("/alerts/{uid}/entries"), "").body.contains("date_create"));
    assert_eq!(asked("POST", &format!("/alerts/{uid}/act"), "act=ack").status, 303);
    assert_eq!(asked("POST", "/modules/act", "org=default&module=sign-in&act=pin").status, 303);
    let trail = trail(&host);
    let said = |deed: &Value| ["what", "by", "via"].map(|name| deed[name].as_str().unwrap_or_default().to_owned());
    let by_ann: Vec<_> = trail.iter().filter(|deed| deed["via"] == "page").map(said).collect();
    let wanted = ["entries.read", "alert.acknowledge", "module.pin"];
    assert_eq!(by_ann, wanted.map(|what| [what, "ann", "page"].map(str::to_owned)), "{trail:#?}");
    assert!(!serde_json::to_string(&trail).expect("JSON").contains(token));
    terminate(running);
}
