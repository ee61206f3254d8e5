//! Modules that misbehave, in the program as people start it: `gridwatch run` and `gridwatch replay`. A module can hurt only itself,
//! what it can't judge is told, and one that keeps on is set aside while all others go on as if it weren't there.

use gridwatch_stories::{OrgPlan, SimEntry, generate};
use gridwatch_tests::guests::{manifest_text, test_guest, with_manifest, without_manifest};
use gridwatch_tests::host::{Host, Setup, ended, gridwatch, our_modules, terminate, until};
use gridwatch_tests::sim::{Slack, now, org, org_of};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Output;
use std::time::{Duration, SystemTime};

const SET_ASIDE: &str = "gridwatch.module-set-aside";

/// `tests/guests/misbehave` under another name, doing one thing for every row that asks for nothing else.
fn always(name: &str, misdeed: &str) -> Vec<u8> {
    let text = manifest_text("misbehave")
        .replace("name = \"misbehave\"", &format!("name = \"{name}\""))
        .replace("default = []", &format!("default = [\"always {misdeed}\"]"))
        .replace("severity = \"medium\"", "severity = \"informational\"")
        .replace("actions = [\"user_login\"]\ncondition", "actions = [\"*\"]\ncondition");
    assert!(text.contains("always") && text.contains("[\"*\"]") && text.contains(name));
    with_manifest(without_manifest("misbehave"), &text)
}

/// A folder of these modules beside ours, or alone.
fn folder(host: &Host, ours: bool, modules: &[(&str, Vec<u8>)]) {
    let dir = host.path("modules");
    std::fs::create_dir_all(&dir).expect("a folder");
    if ours {
        for file in std::fs::read_dir(our_modules()).expect("our modules").map(|file| file.expect("a file").path()) {
            std::fs::copy(&file, dir.join(file.file_name().expect("a name"))).expect("copied");
        }
    }
    for (name, bytes) in modules {
        std::fs::write(dir.join(format!("{name}-1.0.0.wasm")), bytes).expect("written");
    }
}

/// The host's configuration with that folder, and with what these modules ask for.
fn configure(host: &Host, setup: &Setup, ours: bool, modules: &[(&str, Vec<u8>)]) {
    host.configure(setup);
    folder(host, ours, modules);
    let path = host.path("gridwatch.toml");
    let text = std::fs::read_to_string(&path).expect("the configuration");
    let (before, after) = text.split_once("[modules.grants]\n").expect("grants");
    let (granted, after) = after.split_once("[lookups]\n").expect("lookups");
    let granted = if ours { granted } else { "" };
    let asked = |(name, _): &(&str, Vec<u8>)| match *name {
        "healthy" => String::new(),
        name => format!("{name} = [\"kv\", \"lookup\"]\n"),
    };
    let grants: String = modules.iter().map(asked).collect();
    let dir = format!("dir = {:?}", our_modules());
    let text = format!("{before}[modules.grants]\n{granted}{grants}[lookups]\nnames = [\"x\"]\n{after}");
    std::fs::write(path, text.replace(&dir, "dir = \"modules\"\nallow_unsigned = true")).expect("the configuration");
}

fn asks(id: &str, at: u64, misdeed: &str, amount: u64) -> SimEntry {
    let user = json!({ "id": format!("W{id}"), "name": "somebody", "email": "s@acme.example" });
    let location = json!({ "type": "enterprise", "id": "E1701NCCA", "name": "Birdie", "domain": "birdie" });
    let entry = json!({
        "id": id, "date_create": at, "action": "user_login",
        "actor": { "type": "user", "user": user }, "entity": { "type": "user", "user": user },
        "context": { "location": location, "ua": "Mozilla/5.0", "ip_address": "198.51.100.7" },
        "details": { "misdeed": misdeed, "amount": amount },
    });
    SimEntry::from_wire(&entry.to_string()).expect("an entry")
}

fn module_status(host: &Host, name: &str) -> Value {
    let status = host.status();
    let modules = status["modules"].as_array().cloned().unwrap_or_default();
    modules.into_iter().find(|module| module["name"] == name).unwrap_or_default()
}

fn replay(host: &Host, entries: &[SimEntry], more: &[&str]) -> Output {
    let text: Vec<&str> = entries.iter().map(|entry| entry.json.as_str()).collect();
    std::fs::write(host.path("entries.ndjson"), text.join("\n")).expect("entries");
    let mut command = gridwatch();
    command.arg("replay").arg(host.path("entries.ndjson")).arg("--modules").arg(host.path("modules"));
    ended(command.arg("--config").arg(host.path("gridwatch.toml")).args(more))
}

/// Rule, id and revision of each alert, with its title.
fn told(alerts: impl IntoIterator<Item = Value>) -> BTreeMap<(String, String), String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let alerts = alerts.into_iter().map(|alert| {
        let rule = text(&alert["finding_info"]["analytic"]["uid"]);
        ((rule, text(&alert["metadata"]["uid"])), text(&alert["finding_info"]["title"]))
    });
    alerts.collect()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// A module, asked now and then for more than each limit: what costs a row, what is merely cut, through both commands.
#[test]
fn each_limit_holds_in_run_and_in_replay() {
    let poisons = [
        ("spin", 0, "took longer than 250 ms"),
        ("allocate", 200_000, "used more memory than allowed"),
        ("recurse", 10_000_000, "used more stack than allowed"),
        ("look-up", 10_000, "host calls over the limit"),
        ("findings", 5_000, "5000 findings, more than 4096"),
        ("long-texts", 2_000_000, "too much data is being copied"),
        ("kv-write", 20_000, "kv code 2"),
        ("kv-key", 300, "kv code 2"),
        ("panic", 0, "as I was told to"),
        ("unreachable", 0, "unreachable"),
        ("error", 0, "answered with an error: no"),
        ("not-utf8", 0, "invalid utf-8"),
        ("lie-row", 9, "names row"),
    ];
    let at = now() - 3_600;
    let entry = |n: u64| {
        let poison = poisons.get(n as usize / 5).filter(|_| n % 5 == 2);
        let (misdeed, amount) = poison.map_or(("", 0), |(misdeed, amount, _)| (*misdeed, *amount));
        asks(&format!("e{n:03}"), at + n, if n == 4 { "log" } else { misdeed }, if n == 4 { 5_000 } else { amount })
    };
    let entries: Vec<SimEntry> = (0..70).map(entry).collect();
    let slack = Slack::start(org_of(entries.clone()));
    let setup = Setup::new(&slack.base_url(), at - 60);
    let host = Host::new(&setup);
    let modules = [("misbehave", test_guest("misbehave")), ("healthy", test_guest("healthy"))];
    configure(&host, &setup, false, &modules);
    let output = host.run_once();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");

    let (bad, good) = (module_status(&host, "misbehave"), module_status(&host, "healthy"));
    assert_eq!(bad["faults"], poisons.len(), "{bad:#}\n{log}");
    assert_eq!((&good["faults"], &bad["set_aside"]), (&json!(0), &Value::Null));
    assert!(bad["lines_dropped"].as_u64() > Some(4_000), "{bad:#}");
    for (misdeed, _, reason) in poisons {
        assert!(log.contains(reason), "{misdeed}: {reason} not in {log}");
    }
    let live = told(host.lines("alerts.ndjson"));
    let of = |rule: &str| live.keys().filter(|(of, _)| of == rule).count();
    assert_eq!((of("healthy.echo"), of("misbehave.does")), (70, 70 - poisons.len()));

    let shown = ended(gridwatch().args(["status", "--state-dir"]).arg(host.path("state")));
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("13 faults, the last at ") && shown.contains("names row"), "{shown}");

    for batch in ["1024", "7"] {
        let again = replay(&host, &entries, &["--batch", batch]);
        let stderr = String::from_utf8_lossy(&again.stderr).into_owned();
        assert_eq!(again.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("module misbehave@1.0.0: 13 faults, the last: "), "{stderr}");
        assert!(!stderr.contains("module healthy"), "{stderr}");
        assert_eq!(told(lines(&again)), live, "batches of {batch}");
    }
}

#[test]
fn a_module_that_fails_on_everything_is_set_aside_in_replay_the_same_for_every_batch() {
    let at = now() - 7_200;
    let entries: Vec<SimEntry> = (0..400).map(|n| asks(&format!("e{n:03}"), at + n, "", 0)).collect();
    let host = Host::new(&Setup::new("http://127.0.0.1:1", at));
    let modules = [("trapping", always("trapping", "panic")), ("healthy", test_guest("healthy"))];
    configure(&host, &Setup::new("http://127.0.0.1:1", at), false, &modules);
    let outputs = ["1024", "64", "5"].map(|batch| replay(&host, &entries, &["--batch", batch]));
    for output in &outputs {
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(output.stdout == outputs[0].stdout, "{stderr}");
        assert!(stderr.contains("trapping@1.0.0: 64 faults") && stderr.contains("336 more events"), "{stderr}");
        assert!(stderr.contains("as I was told to"), "{stderr}");
    }
    let alerts = lines(&outputs[0]);
    let about: Vec<&Value> =
        alerts.iter().filter(|alert| alert["finding_info"]["analytic"]["uid"] == SET_ASIDE).collect();
    assert_eq!((about.len(), alerts.len()), (1, 401));
    assert_eq!((&about[0]["severity"], about[0].to_string().contains("trapping.does")), (&json!("High"), true));
}

/// The heart of it. 20,000 entries take some minutes: `GRIDWATCH_ENTRIES=20000 cargo xtask test -- --test program misbehaving::`.
#[test]
fn modules_that_misbehave_all_the_time_are_set_aside_and_the_others_lose_nothing() {
    #[expect(clippy::disallowed_methods, reason = "how long the test may take is the caller's business")]
    let entries = std::env::var("GRIDWATCH_ENTRIES").ok().and_then(|n| n.parse().ok()).unwrap_or(3_000);
    let to = now() - 3_600;
    let from = to - 2 * 86_400;
    let org = generate(&OrgPlan { users: 60, from, to, entries: Some(entries), ..OrgPlan::default() });
    let ids: BTreeSet<String> = org.entries.iter().map(|entry| entry.id.clone()).collect();
    let bad = [
        ("looping", always("looping", "spin")),
        ("trapping", always("trapping", "panic")),
        ("allocating", always("allocating", "allocate 200000")),
        ("flooding", always("flooding", "flood 1000")),
    ];
    let alone = {
        let slack = Slack::start(org.clone());
        let setup = Setup::new(&slack.base_url(), from - 60);
        let host = Host::new(&setup);
        host.run_once_well();
        told(host.lines("alerts.ndjson"))
    };
    let slack = Slack::start(org);
    let setup = Setup::new(&slack.base_url(), from - 60);
    let host = Host::new(&setup);
    configure(&host, &setup, true, &bad);
    let gridwatch = host.start(&[]);
    until("events are being judged", || host.status()["detect"]["events"].as_u64() > Some(0));
    let began = SystemTime::now;
    #[expect(clippy::disallowed_methods, reason = "how long it takes is what is tested")]
    let began = began();
    until("all four are set aside", || bad.iter().all(|(name, _)| module_status(&host, name)["set_aside"].is_object()));
    let took = began.elapsed().expect("a clock");
    assert!(took < Duration::from_secs(30), "{took:?}");
    let shown = ended(self::gridwatch().args(["status", "--state-dir"]).arg(host.path("state")));
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert_eq!(shown.matches("SET ASIDE since").count(), 4, "{shown}");
    let all = ids.len() as u64;
    (0..30 + entries / 50).find(|_| {
        std::thread::sleep(Duration::from_secs(1));
        host.status()["detect"]["events"].as_u64() >= Some(all)
    });
    until("everything is judged", || host.status()["detect"]["events"].as_u64() >= Some(all));
    terminate(gridwatch);

    host.assert_exactly(&ids);
    let beside = told(host.lines("alerts.ndjson"));
    let set_aside = beside.keys().filter(|(rule, _)| rule == SET_ASIDE).count();
    assert_eq!(set_aside, 4, "{:?}", beside.keys().filter(|(rule, _)| rule.starts_with("gridwatch.")));
    // What adds up all rules of an actor adds up the flooding one's as well.
    let sums = |rule: &str| rule == "gridwatch.risk" || rule == SET_ASIDE;
    let others = |alerts: BTreeMap<(String, String), String>| -> BTreeMap<(String, String), String> {
        let is_bad = |rule: &str| bad.iter().any(|(name, _)| rule.starts_with(&format!("{name}.")));
        alerts.into_iter().filter(|((rule, _), _)| !sums(rule) && !is_bad(rule)).collect()
    };
    assert!(!alone.is_empty());
    assert_eq!(others(beside), others(alone));
}

/// A fresh copy of one of our modules' files.
fn ours(name: &str) -> Vec<u8> {
    gridwatch_tests::guests::built(&our_modules(), name)
}

fn check(host: &Host) -> (Option<i32>, String) {
    let output = ended(gridwatch().arg("check").arg("--config").arg(host.path("gridwatch.toml")));
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.code(), text)
}

fn host_with(modules: &[(&str, Vec<u8>)]) -> Host {
    let setup = Setup::new("http://127.0.0.1:1", now() - 3_600);
    let host = Host::new(&setup);
    configure(&host, &setup, false, modules);
    host
}

#[test]
fn what_cannot_be_a_module_is_told_in_a_line_and_hides_nothing_else() {
    use std::os::unix::fs::symlink;
    type Make = fn(&Path);
    let cases: [(&str, Make, &str); 9] = [
        ("fifo.wasm", |path| drop(std::process::Command::new("mkfifo").arg(path).status()), "is a named pipe, no file"),
        (
            "gone.wasm",
            |path| symlink("/nowhere/at-all.wasm", path).expect("a link"),
            "is a link to /nowhere/at-all.wasm",
        ),
        ("zero.wasm", |path| symlink("/dev/zero", path).expect("a link"), "is a device, no file"),
        ("folder.wasm", |path| std::fs::create_dir(path).expect("a folder"), "is a folder, no file"),
        (
            "huge.wasm",
            |path| std::fs::File::create(path).and_then(|file| file.set_len(3 << 30)).expect("a sparse file"),
            "has 3221225472 bytes; a module has at most 33554432",
        ),
        ("random.wasm", |path| std::fs::write(path, [0x9e; 5_000]).expect("a file"), "doesn't begin as one does"),
        ("empty.wasm", |path| std::fs::write(path, []).expect("a file"), "the file is empty"),
        ("X.WASM", |path| std::fs::write(path, b"\0asm\x0d\0\x01\0").expect("a file"), "no manifest"),
        ("native.cwasm", |path| std::fs::write(path, b"\x7fELF").expect("a file"), "not a WebAssembly component"),
    ];
    for (name, make, what) in cases {
        let host = host_with(&[("healthy", test_guest("healthy"))]);
        make(&host.path("modules").join(name));
        let (code, text) = check(&host);
        assert_eq!(code, Some(2), "{name}: {text}");
        let told: Vec<&str> = text.lines().filter(|line| line.contains(name)).collect();
        assert!(told.len() == 1 && told[0].contains(what) && told[0].len() < 400, "{name}: {text}");
        assert!(text.contains("the other module is sound: healthy@1.0.0"), "{name}: {text}");
        let output = host.run_once();
        assert_eq!(output.status.code(), Some(2), "a refused module stops the start: {name}");
    }
}

#[test]
fn an_unreadable_file_is_told_with_what_to_do() {
    use std::os::unix::fs::PermissionsExt;
    let host = host_with(&[("healthy", test_guest("healthy"))]);
    let path = host.path("modules/secret.wasm");
    std::fs::write(&path, b"\0asm").expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0)).expect("permissions");
    // Root reads everything.
    if std::fs::read(&path).is_err() {
        let (code, text) = check(&host);
        assert_eq!(code, Some(2));
        assert!(text.contains("permission denied") && text.contains("hint: let the user"), "{text}");
    }
}

#[test]
fn junk_is_passed_over_in_one_line_and_upper_case_is_no_reason() {
    let host = host_with(&[]);
    std::fs::write(host.path("modules/HEALTHY.WASM"), test_guest("healthy")).expect("written");
    for junk in [".DS_Store", "README.txt", "healthy.wasm~", "._healthy.wasm", "healthy.wasm.bak"] {
        std::fs::write(host.path("modules").join(junk), b"junk").expect("written");
    }
    let (code, text) = check(&host);
    assert_eq!(code, Some(0), "{text}");
    let line = "no modules, passed over: .DS_Store, ._healthy.wasm, README.txt, healthy.wasm.bak, healthy.wasm~";
    assert_eq!(text.lines().filter(|l| l.starts_with("note: ") && l.contains(line)).count(), 1, "{text}");
    assert!(text.contains("module healthy@1.0.0"), "{text}");
}

#[test]
fn of_two_files_with_one_version_neither_serves_and_an_older_one_rests() {
    let host = host_with(&[("healthy", test_guest("healthy"))]);
    std::fs::write(host.path("modules/copy.wasm"), test_guest("healthy")).expect("written");
    let (code, text) = check(&host);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("copy.wasm and healthy-1.0.0.wasm are both healthy@1.0.0"), "{text}");
    let older = manifest_text("healthy").replace("version = \"1.0.0\"", "version = \"0.9.0\"");
    std::fs::write(host.path("modules/copy.wasm"), with_manifest(without_manifest("healthy"), &older))
        .expect("written");
    let (code, text) = check(&host);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("healthy@1.0.0 of healthy-1.0.0.wasm serves, not the older 0.9.0 of copy.wasm"), "{text}");
}

#[test]
fn a_folder_that_is_missing_or_empty_is_told_with_a_hint_that_helps() {
    let host = host_with(&[]);
    let (code, text) = check(&host);
    assert!(code == Some(2) && text.contains("no modules there") && text.contains("cargo xtask modules"), "{text}");
    std::fs::remove_dir(host.path("modules")).expect("removed");
    let (code, text) = check(&host);
    assert!(code == Some(2) && text.contains("there is no folder") && !text.contains("stays empty"), "{text}");
    let missing = ended(gridwatch().args(["replay", "/dev/null", "--modules", "/nowhere"]));
    let text = String::from_utf8_lossy(&missing.stderr);
    assert!(missing.status.code() == Some(2) && text.contains("/nowhere: there is no such folder"), "{text}");
}

#[test]
fn a_folder_that_changes_under_a_running_gridwatch_is_taken_at_once_and_what_serves_goes_on() {
    let slack = Slack::start(org(50, now() - 7_200, now() - 3_600));
    let setup = Setup::new(&slack.base_url(), now() - 7_300);
    let host = Host::new(&setup);
    configure(&host, &setup, false, &[("healthy", test_guest("healthy")), ("exports", ours("exports"))]);
    let gridwatch = host.start(&[]);
    let differs = || host.status()["modules_waiting"].to_string();
    until("it runs", || host.status()["modules"].as_array().map(Vec::len) == Some(2));
    std::fs::write(host.path("modules/exports-1.0.0.wasm"), b"\0asm half a file").expect("written");
    std::fs::remove_file(host.path("modules/healthy-1.0.0.wasm")).expect("removed");
    std::fs::write(host.path("modules/new.wasm"), ours("files")).expect("written");
    until("it is told", || differs().contains("exports-1.0.0.wasm"));
    for what in ["can't be used: ", "healthy@1.0.0 runs, but isn't in the folder"] {
        assert!(differs().contains(what), "{what}: {}", differs());
    }
    until("what is new serves", || module_status(&host, "files")["rules"].as_u64() > Some(0));
    assert!(["healthy", "exports"].iter().all(|name| module_status(&host, name)["rules"].as_u64() > Some(0)));
    assert!(host.log().contains("a module file can't serve; what is in service goes on"), "{}", host.log());
    let shown = ended(self::gridwatch().args(["status", "--state-dir"]).arg(host.path("state")));
    assert!(String::from_utf8_lossy(&shown.stdout).contains("differs from what serves"));
    folder(&host, false, &[("healthy", test_guest("healthy")), ("exports", ours("exports"))]);
    until("it is as it was", || differs() == "[]");
    std::fs::remove_file(host.path("modules/new.wasm")).expect("removed");
    until("what is gone is told", || differs().contains("files@"));
    terminate(gridwatch);
}

#[test]
fn modules_are_listed_and_inspected_without_running_them() {
    let host = host_with(&[("looping", always("looping", "spin"))]);
    let path = host.path("gridwatch.toml");
    let text = std::fs::read_to_string(&path).expect("the configuration");
    let text = text.replace(
        "[lookups]\nnames = [\"x\"]",
        "[modules.config.looping]\nsetup = [\"spin\"]\n[lookups]\nnames = [\"x\", \"y\"]",
    );
    std::fs::write(&path, text).expect("the configuration");
    let run = |args: &[&str]| {
        let output = ended(gridwatch().arg("module").args(args).arg("--config").arg(&path));
        (
            output.status.code(),
            String::from_utf8(output.stdout).expect("UTF-8"),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, listed, stderr) = run(&["list"]);
    assert!(code == Some(0) && listed.contains("looping@1.0.0") && listed.contains("kv lookup"), "{listed}{stderr}");
    let (_, listed, _) = run(&["list", "--json"]);
    let module: Value = serde_json::from_str(&listed).expect("one object");
    assert_eq!((&module["name"], &module["rules"][0]["id"]), (&json!("looping"), &json!("looping.does")));
    let (_, inspected, _) = run(&["inspect", "looping", "--json"]);
    let module: Value = serde_json::from_str(&inspected).expect("an object");
    assert_eq!(module["settings"][0]["configured"], json!(["spin"]));
    assert_eq!(module["settings"][0]["default"], json!(["always spin"]));
    assert_eq!((&module["lookups"][0]["rows"], &module["grants"][0]["granted"]), (&json!(2), &json!(true)));
    assert_eq!(module["fields"][1], "details.misdeed");
    assert_eq!((&module["windows"][0]["kind"], &module["limits"]["call_ms"]), (&json!("count"), &json!(1_000)));
    let warnings = module["warnings"].to_string();
    assert!(
        warnings.contains("reads `details.misdeed`, which is neither in Slack's lists nor in its documentation"),
        "{warnings}"
    );
    let (_, inspected, _) = run(&["inspect", &host.path("modules/looping-1.0.0.wasm").display().to_string()]);
    for part in [
        "looping@1.0.0",
        "lookup   names: 2 rows",
        "setup = [\"spin\"], default [\"always spin\"]",
        "logins_1h  count of 60m",
        "warning: ",
    ] {
        assert!(inspected.contains(part), "{part}: {inspected}");
    }
    let (code, _, stderr) = run(&["inspect", "lopping"]);
    assert!(code == Some(2) && stderr.contains("no module `lopping` there; it has looping"), "{stderr}");
}

#[test]
fn check_warns_of_what_nobody_filled_in() {
    let host = host_with(&[("connect", ours("connect"))]);
    let path = host.path("gridwatch.toml");
    let text = std::fs::read_to_string(&path).expect("the configuration");
    let text = text.replace("connect = [\"kv\", \"lookup\"]", "connect = [\"lookup\"]");
    std::fs::write(&path, text.replace("sensitive_channels = [\"C0PLANS\"]\n", "")).expect("the configuration");
    let (code, text) = check(&host);
    assert_eq!(code, Some(0), "{text}");
    for part in [
        "warning: module connect reads the lookup table `sensitive_channels`, which is empty: every lookup in it answers no",
        "warning: module connect setting `allowed_inviters` is empty, so what it enables is not watched",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
