//! Modules that come, go and are taken back while gridwatch runs, in the program as people start it.
//!
//! The guest is `tests/guests/misbehave` under other versions: it finds each sign-in worth a word, and here each sign-in is somebody
//! else's. So each event has one alert of its own, which says which version judged it: none may be missing, doubled, or of a version
//! that didn't serve then.

use gridwatch_stories::SimEntry;
use gridwatch_tests::guests::{built, importing, manifest_text, test_guest, with_manifest, without_manifest};
use gridwatch_tests::host::{Host, Setup, ended, gridwatch, kill, our_modules, signal, terminate, until};
use gridwatch_tests::sim::{Slack, now, org_of};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The guest in a version, doing something with rows that ask for nothing.
fn version(version: &str, misdeed: &str) -> Vec<u8> {
    let text = manifest_text("misbehave").replace("version = \"1.0.0\"", &format!("version = {version:?}"));
    let text = match misdeed {
        "" => text,
        misdeed => text.replace("default = []", &format!("default = [\"always {misdeed}\"]")),
    };
    with_manifest(without_manifest("misbehave"), &text)
}

fn sign_in(id: &str, at: u64) -> SimEntry {
    let user = json!({ "id": format!("W{id}"), "name": "somebody", "email": "s@acme.example" });
    let entry = json!({
        "id": id, "date_create": at, "action": "user_login",
        "actor": { "type": "user", "user": user }, "entity": { "type": "user", "user": user },
        "context": { "ua": "Mozilla/5.0", "ip_address": "198.51.100.7",
            "location": { "type": "enterprise", "id": "E1701NCCA", "name": "Birdie", "domain": "birdie" } },
    });
    SimEntry::from_wire(&entry.to_string()).expect("an entry")
}

/// So many sign-ins a second, for as long, from a time on.
fn sign_ins(from: u64, seconds: u64, each: u64) -> Vec<SimEntry> {
    let of = |second| (0..each).map(move |n| sign_in(&format!("e{second:04}x{n:04}"), from + second));
    (0..seconds).flat_map(of).collect()
}

/// A host whose modules folder holds one version of the guest. Its polling and its retention are quick.
fn host(slack: &Slack, start: u64, more: &str) -> Host {
    let setup = Setup {
        slack: "interval = \"1s\"\nsettle = \"5s\"".into(),
        more: format!("[store]\nmin_free = \"16MiB\"\n{more}"),
        ..Setup::new(&slack.base_url(), start)
    };
    let host = Host::new(&setup);
    let path = host.path("gridwatch.toml");
    let text = std::fs::read_to_string(&path).expect("the configuration");
    let (before, after) = text.split_once("[modules.grants]\n").expect("grants");
    let (_, after) = after.split_once("[lookups]\n").expect("lookups");
    let grants = "misbehave = [\"kv\", \"lookup\"]\nsign-in = [\"lookup\"]\n";
    let text = format!("{before}[modules.grants]\n{grants}[lookups]\nnames = [\"x\"]\n{after}");
    let dir = format!("dir = {:?}", our_modules());
    std::fs::write(&path, text.replace(&dir, "dir = \"modules\"\nallow_unsigned = true")).expect("the configuration");
    std::fs::create_dir(host.path("modules")).expect("a folder");
    put(&host, "misbehave.wasm", &version("1.0.0", ""));
    put(&host, "sign-in.wasm", &built(&our_modules(), "sign-in"));
    host
}

/// As a deployment does it: written under another name, then renamed.
fn put(host: &Host, name: &str, bytes: &[u8]) {
    let (tmp, path) = (host.path("modules").join(format!(".{name}")), host.path("modules").join(name));
    std::fs::write(&tmp, bytes).expect("written");
    std::fs::rename(tmp, path).expect("renamed");
}

fn module(host: &Host, name: &str) -> Value {
    let status = host.status();
    let modules = status["modules"].as_array().cloned().unwrap_or_default();
    let found: Vec<Value> = modules.into_iter().filter(|module| module["name"] == name).collect();
    assert!(found.len() <= 1, "two versions serve: {found:?}");
    found.into_iter().next().unwrap_or_default()
}

fn serves(host: &Host, version: &str) -> bool {
    module(host, "misbehave")["version"] == version
}

/// `gridwatch module …` on the host, as JSON: exit code, answer, standard error.
fn order(host: &Host, args: &[&str]) -> (Option<i32>, Value, String) {
    let output = ended(gridwatch().arg("module").args(args).arg("--json").arg("--state-dir").arg(host.path("state")));
    let answer = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), answer, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn well(host: &Host, args: &[&str]) -> Value {
    let (code, answer, error) = order(host, args);
    assert_eq!(code, Some(0), "{args:?}: {error}\n{}", host.log());
    answer
}

/// Of each sign-in's alert: the version that made it. Panics where one has two, or counts two findings.
fn judged(host: &Host) -> BTreeMap<String, String> {
    let by = by(host, "misbehave.*");
    assert_eq!(by.len(), found(host), "each is delivered once");
    by
}

fn by(host: &Host, rule: &str) -> BTreeMap<String, String> {
    let mut list = gridwatch();
    list.args(["alerts", "list", "--json", "--limit", "0", "--rule", rule, "--state-dir"]);
    let output = ended(list.arg(host.path("state")));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut by = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let alert: Value = serde_json::from_str(line).expect("an alert");
        assert_eq!((&alert["findings"], &alert["revision"]), (&json!(1), &json!(1)), "{line}");
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{line}")).to_owned();
        let other = by.insert(text(&alert["evidence"][0]["id"]), text(&alert["module"]["version"]));
        assert_eq!(other, None, "judged twice: {line}");
    }
    by
}

/// How many alerts of the guest were delivered.
fn found(host: &Host) -> usize {
    let alerts = host.lines("alerts.ndjson");
    alerts.iter().filter(|alert| alert["finding_info"]["analytic"]["uid"] == "misbehave.does").count()
}

/// Every sign-in has one alert, and it is by the version that `judged-by.ndjson` says.
fn assert_each_once(host: &Host, entries: &[SimEntry]) {
    let judged = judged(host);
    let wanted: BTreeSet<String> = entries.iter().map(|entry| entry.id.clone()).collect();
    let got: BTreeSet<String> = judged.keys().cloned().collect();
    let missing: Vec<_> = wanted.difference(&got).take(5).collect();
    assert!(missing.is_empty() && got.len() == wanted.len(), "{} of {}: {missing:?}", got.len(), wanted.len());
    host.assert_exactly(&wanted);
    let text = std::fs::read_to_string(host.path("state/judged-by.ndjson")).expect("who judged");
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for (seq, id) in host.archived("state/archive") {
        let row = rows.iter().rfind(|row| row["from_seq"].as_u64() <= Some(seq)).expect("who judged it");
        assert_eq!(row["modules"]["misbehave"]["version"], judged[&id], "event {seq}, {id}\n{text}");
    }
    // A replay by those who judged says the same.
    let archive = host.path("state/archive");
    let (code, said, error) =
        asked(host, &["replay", "--as-judged", "--format", "ndjson", "--archive", archive.to_str().expect("UTF-8")]);
    assert_eq!(code, Some(0), "{error}");
    let own = |line: &&str| line.contains("misbehave.does");
    let mut live: Vec<String> = host.lines("alerts.ndjson").iter().map(gist).collect();
    let mut again: Vec<String> =
        said.lines().filter(own).map(|l| gist(&serde_json::from_str(l).expect("JSON"))).collect();
    live.retain(|line| own(&&**line));
    live.sort();
    again.sort();
    assert_eq!(live, again);
}

/// Id, rule, module and title of an alert.
fn gist(alert: &Value) -> String {
    let info = &alert["finding_info"];
    format!("{} {} {}", alert["metadata"]["uid"], info["analytic"], info["title"])
}

fn own_alerts(host: &Host, rule: &str) -> Vec<Value> {
    let alerts = host.lines("alerts.ndjson").into_iter();
    alerts.filter(|alert| alert["finding_info"]["analytic"]["uid"] == format!("gridwatch.{rule}")).collect()
}

fn edit(host: &Host, from: &str, to: &str) {
    let path = host.path("gridwatch.toml");
    let text = std::fs::read_to_string(&path).expect("the configuration");
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replacen(from, to, 1)).expect("the configuration");
}

/// Microseconds that evaluation waited for each swap.
fn pauses(host: &Host) -> Vec<u64> {
    let log = host.log();
    let took = log.lines().filter(|line| line.contains("a module takes over"));
    let pause = |line: &str| line.split("pause_us=").nth(1)?.split_whitespace().next()?.parse().ok();
    took.filter_map(pause).collect()
}

/// Waits until all of these are delivered.
fn until_delivered(host: &Host, entries: &[SimEntry]) {
    let wanted = entries.len();
    until("all is delivered", || host.lines("events.ndjson").len() >= wanted && found(host) >= wanted);
}

/// Versions in the folder, installed, rolled back and configured anew, while sign-ins come in.
#[test]
fn each_event_is_judged_once_whatever_comes_and_goes() {
    let began = now();
    let mut entries = sign_ins(began - 20, 60, 20);
    let slack = Slack::start(org_of(entries.clone()));
    let host = host(&slack, began - 30, "");
    let gridwatch = host.start(&["--log", "gridwatch=debug"]);
    host.until_running(&gridwatch);
    let stalls = Stalls::watch();
    put(&host, "misbehave.wasm", &version("1.1.0", ""));
    until("the folder's version takes over", || serves(&host, "1.1.0"));
    let file = host.path("build.wasm");
    let mut turn = 0;
    while turn < 6 || now() < began + 38 {
        turn += 1;
        let more = (0..5).map(|n| sign_in(&format!("t{turn}x{n}"), now() - 1));
        let more: Vec<SimEntry> = more.collect();
        slack.push(more.clone());
        entries.extend(more);
        let next = format!("2.0.{turn}");
        std::fs::write(&file, version(&next, "")).expect("written");
        let changed = well(&host, &["install", file.to_str().expect("UTF-8")]);
        assert_eq!(changed["version"], next.as_str());
        if turn % 3 == 0 {
            assert_eq!(well(&host, &["rollback", "misbehave"])["before"], next.as_str());
        }
        if turn % 4 == 0 {
            edit(&host, "[lookups]", &format!("[modules.config.misbehave]\nsetup = [\"{turn}\"]\n[lookups]"));
            let said = |host: &Host| host.log().matches("changed=\"modules.config.misbehave\"").count();
            let before = said(&host);
            signal(&gridwatch, "HUP");
            until("it is configured anew", || said(&host) > before);
            edit(&host, &format!("[modules.config.misbehave]\nsetup = [\"{turn}\"]\n"), "");
        }
    }
    until_delivered(&host, &entries);
    terminate(gridwatch);
    assert_each_once(&host, &entries);
    let versions: BTreeSet<String> = judged(&host).into_values().collect();
    assert!(versions.len() > 3, "{turn} turns, {versions:?}");
    let mut pauses = pauses(&host);
    pauses.sort_unstable();
    println!("{} swaps, pauses in µs: {pauses:?}", pauses.len());
    let p99 = pauses[(pauses.len() - 1) * 99 / 100];
    let stall = stalls.longest();
    assert!(p99 < 20_000 + stall, "evaluation waited {p99} µs, and a thread that only sleeps {stall} µs");
}

/// How long a thread that wants to go on has to wait for this machine, which runs other tests meanwhile.
struct Stalls {
    stop: Arc<AtomicBool>,
    longest: JoinHandle<Duration>,
}

impl Stalls {
    #[expect(clippy::disallowed_methods, reason = "how long this machine lets a thread wait is what is measured")]
    fn watch() -> Self {
        const NAP: Duration = Duration::from_millis(1);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let longest = std::thread::spawn(move || {
            let mut longest = Duration::ZERO;
            while !stopped.load(Ordering::Relaxed) {
                let began = Instant::now();
                std::thread::sleep(NAP);
                longest = longest.max(began.elapsed().saturating_sub(NAP));
            }
            longest
        });
        Self { stop, longest }
    }

    /// In microseconds.
    fn longest(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.longest.join().expect("a thread").as_micros() as u64
    }
}

/// What lies in the folder and can't serve is told, once, and changes nothing.
#[test]
fn a_broken_file_is_told_once_and_the_version_in_service_goes_on() {
    let began = now();
    let entries = sign_ins(began - 40, 60, 2);
    let slack = Slack::start(org_of(entries.clone()));
    let host = host(&slack, began - 50, "");
    let gridwatch = host.start(&["--log", "gridwatch=debug"]);
    host.until_running(&gridwatch);
    until("there is something to try versions on", || found(&host) > 40);
    let good = version("2.0.0", "");
    let other_abi = manifest_text("misbehave").replace("gridwatch:detect@1", "gridwatch:detect@9");
    let import = with_manifest(importing("wasi:cli/environment@0.2.0"), &manifest_text("misbehave"));
    let large = { [good.clone(), vec![0; 100 << 20]].concat() };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("cut.wasm", good[..good.len() / 2].to_vec(), "not a WebAssembly component"),
        ("abi.wasm", with_manifest(without_manifest("misbehave"), &other_abi), "manifest is wrong"),
        ("import.wasm", import, "imports `wasi:cli/environment"),
        ("native.cwasm", b"\x7fELF\x02".to_vec(), "not a WebAssembly component"),
        ("large.wasm", large, "a module has at most"),
        ("traps.wasm", version("2.1.0", "panic"), "as I was told to"),
        ("spins.wasm", version("2.2.0", "spin"), "took longer than"),
        ("floods.wasm", version("2.3.0", "flood 5000"), "findings"),
        ("eats.wasm", version("2.4.0", "allocate 900000"), "more memory than allowed"),
    ];
    for (name, bytes, what) in &cases {
        put(&host, name, bytes);
        let is_told = || {
            let told = own_alerts(&host, "module-refused");
            told.iter().any(|alert| {
                let title = alert["finding_info"]["title"].as_str().unwrap_or_default();
                title.contains(name) && alert.to_string().contains(what)
            })
        };
        until(&format!("{name} is told ({what})"), is_told);
        let lines = host.log().lines().filter(|line| line.contains("can't serve") && line.contains(name)).count();
        assert_eq!(lines, 1, "{name}: {}", host.log());
        assert!(serves(&host, "1.0.0"), "{name}");
        std::fs::remove_file(host.path("modules").join(name)).expect("removed");
    }
    // Half of a file that lies there for a while, and then becomes whole.
    std::fs::write(host.path("modules/misbehave.wasm"), &good[..good.len() / 3]).expect("written");
    until("half a file is told", || host.status()["modules_waiting"].to_string().contains("misbehave.wasm"));
    assert!(serves(&host, "1.0.0"));
    std::fs::write(host.path("modules/misbehave.wasm"), &good).expect("written");
    until("it is whole", || serves(&host, "2.0.0"));
    std::fs::remove_file(host.path("modules/misbehave.wasm")).expect("removed");
    until("it is gone", || own_alerts(&host, "module-refused").iter().any(|a| a.to_string().contains("gone from")));
    assert!(serves(&host, "2.0.0"));
    until_delivered(&host, &entries);
    terminate(gridwatch);
    assert_each_once(&host, &entries);
}

/// A version that fails once it serves is taken back, and what it failed on is judged by the one before it.
#[test]
fn a_version_that_turns_out_worse_is_taken_back_and_misses_nothing() {
    for (misdeed, why) in [("panic", "as I was told to"), ("spin", "took longer than"), ("flood 300", "findings")] {
        let began = now();
        // Nothing to try it on before it serves.
        let slack = Slack::start(org_of(Vec::new()));
        let host = host(&slack, began - 5, "");
        let gridwatch = host.start(&[]);
        host.until_running(&gridwatch);
        std::fs::write(host.path("worse.wasm"), version("2.0.0", misdeed)).expect("written");
        well(&host, &["install", host.path("worse.wasm").to_str().expect("UTF-8")]);
        until("it serves", || serves(&host, "2.0.0") && module(&host, "misbehave")["on_probation"] == true);
        let entries = sign_ins(now() - 9, 10, 5);
        slack.push(entries.clone());
        until("it is taken back", || serves(&host, "1.0.0"));
        until_delivered(&host, &entries);
        let told = own_alerts(&host, "module-rolled-back");
        assert!(told.len() == 1 && told[0].to_string().contains(why), "{misdeed}: {told:?}");
        let listed = well(&host, &["serving"]);
        let of = |listed: &Value| listed.as_array().unwrap().iter().find(|m| m["name"] == "misbehave").cloned();
        assert_eq!(of(&listed).unwrap()["serving"]["version"], "1.0.0");
        terminate(gridwatch);
        assert_each_once(&host, &entries);
        assert!(own_alerts(&host, "module-set-aside").is_empty());
        // A restart doesn't bring it back.
        let gridwatch = host.start(&[]);
        host.until_running(&gridwatch);
        assert!(serves(&host, "1.0.0"));
        terminate(gridwatch);
    }
}

/// Nine failed sign-ins before, one after: the rule counts ten.
#[test]
fn a_window_that_is_half_full_fires_after_the_swap() {
    let began = now();
    let failed = |n: u64, at: u64| {
        let entry = sign_in(&format!("f{n}"), at).json.replace("user_login", "user_login_failed");
        SimEntry::from_wire(&entry.replace(&format!("Wf{n}"), "W0VICTIM")).expect("an entry")
    };
    let slack = Slack::start(org_of((0..9).map(|n| failed(n, began - 60 + n)).collect()));
    let host = host(&slack, began - 100, "");
    let gridwatch = host.start(&[]);
    until("nine have failed", || host.lines("events.ndjson").len() == 9);
    let ours = built(&our_modules(), "sign-in");
    let manifest = gridwatch_detect::Component::manifest_of(&ours).expect("a manifest");
    let text = std::fs::read_to_string(gridwatch_tests::guests::workspace().join("guest-rules/sign-in/module.toml"));
    let text =
        text.expect("module.toml").replace(&format!("version = \"{}\"", manifest.version), "version = \"9.9.9\"");
    put(&host, "sign-in.wasm", &with_manifest(ours, &text));
    until("it takes over", || module(&host, "sign-in")["version"] == "9.9.9");
    slack.push(vec![failed(9, now() - 1)]);
    let fired = || {
        let alerts = host.lines("alerts.ndjson");
        alerts.into_iter().find(|alert| alert["finding_info"]["analytic"]["uid"] == "sign-in.burst")
    };
    until("the tenth fires", || fired().is_some());
    assert_eq!(by(&host, "sign-in.burst").into_values().collect::<Vec<_>>(), ["9.9.9"]);
    terminate(gridwatch);
}

/// Killed at any step, it is the old version or the new one, and no event is lost or judged twice.
#[test]
fn killed_at_each_step_of_a_swap_it_goes_on_with_the_old_version_or_the_new_one() {
    let began = now();
    let entries = sign_ins(began - 20, 60, 5);
    let slack = Slack::start(org_of(entries.clone()));
    let host = host(&slack, began - 30, "");
    let steps = ["kept", "compiled", "configured", "tried", "decided", "serves", "kept", "decided"];
    for (turn, step) in steps.iter().enumerate() {
        let said = host.log().len();
        let gridwatch = host.start(&["--log", "gridwatch=debug"]);
        host.until_running(&gridwatch);
        let old = module(&host, "misbehave")["version"].as_str().expect("one serves").to_owned();
        let new = format!("3.0.{turn}");
        put(&host, "misbehave.wasm", &version(&new, ""));
        until(step, || host.log()[said..].contains(&format!("step=\"{step}\"")));
        kill(gridwatch);
        let gridwatch = host.start(&[]);
        host.until_running(&gridwatch);
        let serving = module(&host, "misbehave")["version"].as_str().expect("one serves").to_owned();
        assert!(serving == old || serving == new, "{serving} after {step}");
        terminate(gridwatch);
    }
    let gridwatch = host.start(&[]);
    until_delivered(&host, &entries);
    terminate(gridwatch);
    assert_each_once(&host, &entries);
}

#[test]
fn what_is_pinned_or_disabled_stays_so_and_without_a_host_nobody_is_asked() {
    let began = now();
    let slack = Slack::start(org_of(sign_ins(began - 20, 5, 2)));
    let host = host(&slack, began - 30, "");
    let (code, _, error) = order(&host, &["rollback", "misbehave"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("no gridwatch runs on state_dir") && error.contains("hint: start it"), "{error}");
    let gridwatch = host.start(&[]);
    host.until_running(&gridwatch);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(host.path("state/control.sock")).expect("a socket").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    let (_, _, error) = order(&host, &["rollback", "misbehave"]);
    assert!(error.contains("there is no version of misbehave before 1.0.0"), "{error}");
    let (_, _, error) = order(&host, &["pin", "misbehav"]);
    assert!(error.contains("there is no module `misbehav`; there are misbehave, sign-in"), "{error}");
    well(&host, &["pin", "misbehave"]);
    put(&host, "misbehave.wasm", &version("1.5.0", ""));
    until("the pin is told", || host.status()["modules_waiting"].to_string().contains("is pinned"));
    assert!(serves(&host, "1.0.0"));
    std::fs::write(host.path("other.wasm"), version("1.6.0", "")).expect("written");
    let other = host.path("other.wasm").to_str().expect("UTF-8").to_owned();
    let (code, _, error) = order(&host, &["install", &other]);
    assert!(code == Some(1) && error.contains("misbehave is pinned"), "{error}");
    well(&host, &["unpin", "misbehave"]);
    signal(&gridwatch, "HUP");
    until("it is taken", || serves(&host, "1.5.0"));
    assert_eq!(well(&host, &["disable", "misbehave"])["version"], Value::Null);
    until("it is gone", || module(&host, "misbehave").is_null());
    terminate(gridwatch);
    let gridwatch = host.start(&[]);
    host.until_running(&gridwatch);
    assert!(module(&host, "misbehave").is_null(), "over a restart as well");
    assert_eq!(well(&host, &["enable", "misbehave"])["version"], "1.5.0");
    until("it is back", || serves(&host, "1.5.0"));
    assert_eq!(well(&host, &["rollback", "misbehave"])["version"], "1.0.0");
    terminate(gridwatch);
    assert!(!host.path("state/control.sock").exists());
}

/// A rule in shadow finds, and nobody is told.
#[test]
fn what_a_module_in_shadow_finds_is_kept_and_delivered_to_nobody() {
    let began = now();
    let entries = sign_ins(began - 20, 30, 2);
    let slack = Slack::start(org_of(entries.clone()));
    let host = host(&slack, began - 30, "");
    edit(
        &host,
        "dir = \"modules\"\nallow_unsigned = true",
        "dir = \"modules\"\nallow_unsigned = true\nshadow = [\"misbehave.does\"]",
    );
    let gridwatch = host.start(&[]);
    let list = |more: &[&str]| {
        let output = ended(
            gridwatch_tests::host::gridwatch()
                .args(["alerts", "list", "--json", "--limit", "0", "--state-dir"])
                .arg(host.path("state"))
                .args(more),
        );
        String::from_utf8_lossy(&output.stdout).lines().count()
    };
    until("it finds", || list(&["--shadow"]) > 20);
    assert_eq!((list(&[]), list(&["--suppressed"]), found(&host)), (0, 0, 0));
    edit(&host, "shadow = [\"misbehave.does\"]", "shadow = []");
    signal(&gridwatch, "HUP");
    until("it is told", || found(&host) > 0);
    terminate(gridwatch);
    edit(&host, "shadow = []", "shadow = [\"misbehave.dose\"]");
    let output = host.run_once();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && text.contains("did you mean `misbehave.does`?"), "{text}");
}

/// A link that is swapped, as a Kubernetes volume does it, and a folder that is replaced.
#[test]
fn links_that_are_swapped_are_seen() {
    let began = now();
    let slack = Slack::start(org_of(sign_ins(began - 20, 5, 2)));
    let host = host(&slack, began - 30, "");
    let dir = host.path("modules");
    let at = |name: &str| dir.join(name);
    let volume = |name: &str, bytes: Vec<u8>| {
        std::fs::create_dir(at(name)).expect("a folder");
        std::fs::write(at(name).join("misbehave.wasm"), bytes).expect("written");
    };
    let link = |to: &str, name: &Path| std::os::unix::fs::symlink(to, name).expect("a link");
    std::fs::remove_file(at("misbehave.wasm")).expect("removed");
    volume("..one", version("1.0.0", ""));
    link("..one", &at("..data"));
    link("..data/misbehave.wasm", &at("misbehave.wasm"));
    let gridwatch = host.start(&[]);
    host.until_running(&gridwatch);
    volume("..two", version("1.7.0", ""));
    link("..two", &at("..data.tmp"));
    std::fs::rename(at("..data.tmp"), at("..data")).expect("renamed");
    until("the link's new target serves", || serves(&host, "1.7.0"));
    std::fs::rename(&dir, host.path("modules.old")).expect("renamed");
    std::fs::create_dir(&dir).expect("a folder");
    put(&host, "misbehave.wasm", &version("1.8.0", ""));
    put(&host, "sign-in.wasm", &built(&our_modules(), "sign-in"));
    until("the new folder is taken", || serves(&host, "1.8.0"));
    terminate(gridwatch);
}

/// `gridwatch … --config` on the host: exit code, standard output, standard error.
fn asked(host: &Host, args: &[&str]) -> (Option<i32>, String, String) {
    let output = ended(gridwatch().args(args).arg("--config").arg(host.path("gridwatch.toml")));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A version that fails on everything is set aside; the next one judges all of it. One such event is reproduced in one command.
#[test]
fn what_a_version_could_not_judge_is_judged_by_the_next() {
    let began = now();
    let entries = sign_ins(began - 40, 40, 5);
    let slack = Slack::start(org_of(entries.clone()));
    let host = host(&slack, began - 50, "[detect]\nbatch = 50\n");
    put(&host, "misbehave.wasm", &version("1.0.0", "panic"));
    let gridwatch = host.start(&[]);
    until("all is delivered", || host.lines("events.ndjson").len() == entries.len());
    until("it is set aside", || !module(&host, "misbehave")["set_aside"].is_null());
    let faults = well(&host, &["faults"]);
    assert_eq!(faults.as_array().map(Vec::len), Some(64), "{faults}");
    let number = faults[0][0].to_string();
    let (code, said, error) = asked(&host, &["module", "replay-fault", &number]);
    assert!(
        code == Some(1) && said.contains("now      misbehave@1.0.0: it fails") && said.contains("as I was told to"),
        "{said}{error}"
    );
    let good = host.path("good.wasm");
    std::fs::write(&good, version("1.0.1", "")).expect("written");
    let good = good.to_str().expect("UTF-8").to_owned();
    let (code, said, error) = asked(&host, &["module", "replay-fault", &number, "--with", &good]);
    assert!(code == Some(0) && said.contains("misbehave@1.0.1: it can be judged"), "{said}{error}");
    let changed = well(&host, &["install", &good]);
    assert_eq!(changed["again"], json!({ "events": entries.len(), "alerts": entries.len() }), "{changed}");
    until_delivered(&host, &entries);
    let judged = judged(&host);
    assert!(judged.len() == entries.len() && judged.values().all(|version| version == "1.0.1"), "{judged:?}");
    terminate(gridwatch);
}

/// What another build would have said of the archive, beside the one that serves.
#[test]
fn a_build_is_tried_on_the_archive_beside_the_version_that_serves() {
    let began = now();
    let entries = sign_ins(began - 40, 30, 4);
    let slack = Slack::start(org_of(entries.clone()));
    let host = host(&slack, began - 50, "");
    host.run_once_well();
    let file = |name: &str, bytes: Vec<u8>| {
        std::fs::write(host.path(name), bytes).expect("written");
        host.path(name).to_str().expect("UTF-8").to_owned()
    };
    let backtest = |file: &str, more: &[&str]| {
        let (code, said, error) = asked(&host, &[&["module", "backtest", file, "--json"], more].concat());
        let report: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}{error}"));
        (code, report)
    };
    let (same, silent) = (file("same.wasm", version("2.0.0", "")), file("silent.wasm", version("2.1.0", "error")));
    let (code, report) = backtest(&same, &[]);
    let counts = |report: &Value| [&report["added"], &report["lost"], &report["changed"]].map(|n| n.as_u64().unwrap());
    assert_eq!(
        (code, counts(&report), &report["against"]),
        (Some(0), [0, 0, 0], &json!("misbehave@1.0.0")),
        "{report}"
    );
    assert_eq!((&report["events"], &report["rules"][0]["now"]), (&json!(entries.len()), &json!(entries.len())));
    assert!(report["rules"][0]["is_over"] == true && report["ns_an_event"].as_u64() > Some(0), "{report}");
    let (code, report) = backtest(&silent, &[]);
    assert_eq!((code, counts(&report)), (Some(1), [0, entries.len() as u64, 0]), "{report}");
    assert!(report["is_set_aside"] == true && report["last_fault"].to_string().contains("answered with an error"));
    let (_, report) = backtest(&same, &["--against", &silent]);
    assert_eq!(counts(&report), [entries.len() as u64, 0, 0], "{report}");
    let (code, said, error) = asked(&host, &["module", "backtest", &same, "--from", "1970-01-01T00:00:00Z"]);
    assert!(
        code == Some(0) && said.contains("0 added, 0 lost, 0 changed") && said.contains("over its budget"),
        "{said}{error}"
    );
    let (code, _, error) = asked(&host, &["module", "backtest", &same, "--against", "7.7.7"]);
    assert!(code == Some(1) && error.contains("no version of misbehave that has served: 1.0.0"), "{error}");
}

/// How much memory a thousand swaps leave behind, and how long evaluation waits. Takes minutes: run by hand.
#[test]
#[ignore = "takes minutes; what it measures is in docs/performance.md"]
fn a_thousand_swaps_leave_nothing_behind() {
    let began = now();
    let slack = Slack::start(org_of(sign_ins(began - 20, 900, 20)));
    let host = host(&slack, began - 30, "");
    let gridwatch = host.start(&["--log", "gridwatch=debug"]);
    host.until_running(&gridwatch);
    let resident = || -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", gridwatch.id())).expect("memory");
        let line = text.lines().find(|line| line.starts_with("Rss:")).expect("Rss");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
    };
    let swaps = std::env::var("SWAPS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000);
    let file = host.path("build.wasm");
    for turn in 0..swaps {
        // Ten builds in turn: what is measured is swapping, not compiling.
        std::fs::write(&file, version(&format!("4.0.{}", turn % 10), "")).expect("written");
        well(&host, &["install", file.to_str().expect("UTF-8")]);
        if turn == 10 || turn % 100 == 99 || turn + 1 == swaps {
            println!("after {} swaps: {} KiB", turn + 1, resident());
        }
    }
    std::thread::sleep(Duration::from_secs(2));
    let mut pauses = pauses(&host);
    pauses.sort_unstable();
    let at = |percent: usize| pauses[(pauses.len() - 1) * percent / 100];
    println!("{} swaps: p50 {} µs, p99 {} µs, most {} µs", pauses.len(), at(50), at(99), at(100));
    terminate(gridwatch);
    let _ = test_guest("healthy");
}

/// Tables of networks and exceptions that change while sign-ins come in: a replay by those who judged goes by those of then.
#[test]
fn a_replay_as_judged_knows_the_lists_and_the_exceptions_of_then() {
    let began = now();
    let slack = Slack::start(org_of(sign_ins(began - 6, 150, 4)));
    let host = host(&slack, began - 20, "[detect]\nnetworks = \"networks.csv\"\nexceptions = \"exceptions.toml\"\n");
    let from = |country: &str| {
        std::fs::write(host.path("networks.csv"), format!("198.51.100.0/24,AS64500,{country}\n")).expect("networks");
    };
    let except = |rules: &str| {
        let entry = format!(
            "[[exception]]\nid = \"office\"\nwho = {{ ip = \"198.51.100.0/24\" }}\nrules = [{rules}]\nreason = \"r\"\n\
             owner = \"o@acme.example\"\nticket = \"T-1\"\nexpires = \"{}\"\n",
            gridwatch_event::time::UnixSeconds(began + 30 * 86_400)
        );
        std::fs::write(host.path("exceptions.toml"), if rules.is_empty() { String::new() } else { entry })
            .expect("exceptions");
    };
    from("DE");
    except("");
    // It finds sign-ins from one country.
    let trigger = "trigger = [{ only = { \"context.country\" = [\"DE\"] } }]\ncondition = \"Every sign-in.\"";
    let text = manifest_text("misbehave").replace("condition = \"Every sign-in.\"", trigger);
    put(&host, "misbehave.wasm", &with_manifest(without_manifest("misbehave"), &text));
    let gridwatch = host.start(&["--log", "gridwatch=debug"]);
    host.until_running(&gridwatch);
    let events = || host.lines("events.ndjson").len();
    let reload = |times: usize| {
        signal(&gridwatch, "HUP");
        until("it is read again", || host.log().matches("SIGHUP: lookup tables").count() >= times);
        let so_far = events();
        until("events come", || events() > so_far + 20);
    };
    until("it finds what is from there", || found(&host) > 20);
    from("FR");
    reload(1);
    let (silent, so_far) = (found(&host), events());
    until("more events come", || events() > so_far + 12);
    assert_eq!(found(&host), silent, "from elsewhere");
    from("DE");
    except("\"misbehave.does\"");
    reload(2);
    let (silent, so_far) = (found(&host), events());
    until("more events come", || events() > so_far + 12);
    assert_eq!(found(&host), silent, "excepted");
    except("");
    until("it finds again", || found(&host) > silent + 8);
    terminate(gridwatch);
    let rows = std::fs::read_to_string(host.path("state/judged-by.ndjson")).expect("who judged");
    let of = |key: &str| -> BTreeSet<String> {
        let rows = rows.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        rows.filter_map(|row| row[key].as_str().map(str::to_owned)).collect()
    };
    assert_eq!((of("lists").len(), of("exceptions").len()), (2, 2), "{rows}");
    // What is configured now says nothing of then.
    from("FR");
    except("\"misbehave.*\"");
    let archive = host.path("state/archive");
    let args = ["replay", "--as-judged", "--format", "ndjson", "--rule", "misbehave.*", "--archive"];
    let (code, said, error) = asked(&host, &[&args[..], &[archive.to_str().expect("UTF-8")]].concat());
    assert_eq!(code, Some(0), "{error}");
    let live = host.lines("alerts.ndjson").into_iter().filter(|alert| alert.to_string().contains("misbehave.does"));
    let live: BTreeSet<String> = live.map(|alert| gist(&alert)).collect();
    let again: BTreeSet<String> = said.lines().map(|line| gist(&serde_json::from_str(line).expect("JSON"))).collect();
    assert!(live.len() > 28 && live.len() < events(), "{} of {}", live.len(), events());
    assert!(live == again, "only live: {:?}\nonly again: {:?}", live.difference(&again), again.difference(&live));
}
