//! Sigma rules as modules: a folder of rules is built, tried, signed, served and swapped by the same commands as any other module. What
//! the rules mean is tried in `host/gridwatch-sigma/tests`.

use gridwatch_stories::SimEntry;
use gridwatch_tests::host::{Host, Setup, ended, gridwatch, our_modules, root, signal, terminate, until};
use gridwatch_tests::sim::{Slack, now, org_of};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Output;

/// A copy of the example folder.
fn example() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    copy(&root().join("examples/sigma"), &dir.path().join("rules"));
    dir
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("the example") {
        let entry = entry.expect("an entry");
        match entry.file_type().expect("a type").is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => _ = std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied"),
        }
    }
}

/// In gridwatch's sources, where what runs such rules was built.
fn run(dir: &Path, args: &[&str]) -> Output {
    let mut command = gridwatch();
    command.current_dir(root()).args(args).env("XDG_CONFIG_HOME", dir.join("config"));
    command.output().expect("gridwatch runs")
}

fn does(dir: &Path, args: &[&str]) -> String {
    let output = run(dir, args);
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "gridwatch {}: {}\n{out}{err}", args.join(" "), output.status);
    out
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Entries that each of the example's rules finds something in, among some that none does, from a second on.
fn entries(from: u64) -> Vec<Value> {
    let user =
        |id: &str| json!({ "type": "user", "user": { "id": id, "name": id, "email": format!("{id}@corp.example") } });
    let entry = |n: u64, at: u64, action: &str, entity: Value, ua: &str, details: Value| {
        json!({
            "id": format!("e{n}"), "date_create": from + at, "action": action, "actor": user("W1"), "entity": entity,
            "context": { "ip_address": "192.0.2.9", "ua": ua, "session_id": 1 }, "details": details,
        })
    };
    let workspace = || json!({ "type": "workspace", "workspace": { "id": "T1", "name": "Corp" } });
    let file = |id: u64, name: &str| json!({ "type": "file", "file": { "id": format!("F{id}"), "name": name } });
    let app = json!({ "type": "app", "app": { "id": "A1", "name": "Helper", "is_directory_approved": false, "scopes": ["groups:history"] } });
    let mut all = vec![
        entry(1, 0, "user_login", workspace(), "python-requests/2", json!({})),
        entry(
            2,
            10,
            "pref.two_factor_auth_changed",
            workspace(),
            "x",
            json!({ "previous_value": "required", "new_value": "off" }),
        ),
        entry(3, 20, "app_installed", app, "x", json!({})),
        entry(4, 30, "file_public_link_created", file(1, "Passwords.txt"), "x", json!({})),
        entry(5, 40, "manual_export_started", workspace(), "x", json!({})),
        entry(6, 50, "manual_export_downloaded", workspace(), "x", json!({})),
    ];
    all.extend((0..50).map(|n| entry(100 + n, 1_000 + n, "file_downloaded", file(n, "plan.pdf"), "x", json!({}))));
    all.extend((0..50).map(|n| entry(200 + n, 2_000 + n, "user_logout", workspace(), "x", json!({}))));
    all
}

/// So many files that somebody downloads within a minute, from a second on.
fn downloads(who: &str, files: u64, from: u64) -> Vec<SimEntry> {
    let user = json!({ "type": "user", "user": { "id": who, "name": who, "email": format!("{who}@corp.example") } });
    let entry = |n: u64| {
        json!({
            "id": format!("{who}-{n}"), "date_create": from + n % 5, "action": "file_downloaded", "actor": user,
            "entity": { "type": "file", "file": { "id": format!("F{who}{n}"), "name": "plan.pdf" } },
            "context": { "ip_address": "192.0.2.9", "ua": "x", "session_id": 1 },
        })
    };
    (0..files).map(|n| SimEntry::from_wire(&entry(n).to_string()).expect("an entry")).collect()
}

/// What of the module's made each alert, sorted.
fn rules(alerts: &str) -> Vec<String> {
    let rule = |line: &str| {
        let alert: Value = serde_json::from_str(line).expect("an alert");
        let rule = alert.pointer("/finding_info/analytic/uid").and_then(Value::as_str).expect("a rule");
        rule.to_owned()
    };
    let mut rules: Vec<String> = alerts.lines().map(rule).filter(|rule| !rule.starts_with("gridwatch.")).collect();
    rules.sort();
    rules.dedup();
    rules
}

const ALL: [&str; 6] = [
    "app-reads-messages",
    "export-off-network",
    "many-files",
    "script-then-export",
    "secret-file-public",
    "weaker-sign-in",
];

#[test]
fn a_folder_of_rules_becomes_a_module_that_passes_and_finds_what_they_look_for() {
    let dir = example();
    let (folder, dir) = (dir.path().join("rules"), dir.path());
    let built = does(dir, &["module", "build", text(&folder)]);
    assert!(built.starts_with("sigma-examples@1.0.0  Sigma, "), "{built}");
    let tested = does(dir, &["module", "test", text(&folder)]);
    assert!(tested.contains("20 cases hold, of 6 rules"), "{tested}");
    let checked = does(dir, &["module", "check", text(&folder)]);
    for held in
        ["deterministic", "independent of the order", "triggers hide nothing", "hostile rows", "sigma-examples passes"]
    {
        assert!(checked.contains(held), "{held}: {checked}");
    }
    let module = folder.join("dist/sigma-examples-1.0.0.wasm");
    let inspected = does(dir, &["module", "inspect", text(&module)]);
    for told in [
        "many_files_at_least",
        "sigma-examples.script-then-export",
        "match.app-reads-messages",
        "grants   none asked for",
    ] {
        assert!(inspected.contains(told), "{told}: {inspected}");
    }
    let (key, public) = (dir.join("team.key"), dir.join("team.pub"));
    does(dir, &["module", "keygen", text(&key)]);
    does(dir, &["module", "sign", text(&module), "--key", text(&key)]);
    does(dir, &["module", "verify", text(&module), "--key", text(&public)]);
    let log = dir.join("entries.ndjson");
    let lines: String = entries(1_790_000_000).iter().map(|entry| format!("{entry}\n")).collect();
    std::fs::write(&log, lines).expect("entries");
    let alerts = does(dir, &["replay", text(&log), "--modules", text(&folder.join("dist"))]);
    assert_eq!(rules(&alerts), ALL.map(|rule| format!("sigma-examples.{rule}")));
    let evidence = alerts.lines().find(|line| line.contains("many-files")).expect("an alert");
    assert!(evidence.contains("50 different entity.file.id within 10m for W1"), "{evidence}");
}

#[test]
fn the_same_rules_make_the_same_file() {
    let [one, two] = [example(), example()];
    let bytes = |dir: &tempfile::TempDir| {
        let folder = dir.path().join("rules");
        does(dir.path(), &["module", "build", text(&folder)]);
        std::fs::read(folder.join("dist/sigma-examples-1.0.0.wasm")).expect("a file")
    };
    assert!(bytes(&one) == bytes(&two));
}

#[test]
fn a_threshold_of_a_correlation_is_a_setting() {
    let dir = example();
    let (folder, dir) = (dir.path().join("rules"), dir.path());
    let case = folder.join("cases/many-near.json");
    let with = std::fs::read_to_string(&case)
        .expect("a case")
        .replace("\"entries\"", "\"config\": { \"many_files_at_least\": 49 },\n  \"entries\"");
    std::fs::write(&case, with).expect("written");
    let output = run(dir, &["module", "test", text(&folder)]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(1) && told.contains("49 different entity.file.id"), "{told}");
}

#[test]
fn what_cannot_be_taken_is_refused_with_its_file_and_line() {
    let dir = example();
    let (folder, dir) = (dir.path().join("rules"), dir.path());
    let change = |file: &str, from: &str, to: &str| {
        let path: PathBuf = folder.join(file);
        let text = std::fs::read_to_string(&path).expect("a rule");
        assert!(text.contains(from), "{file}: {from}");
        std::fs::write(&path, text.replacen(from, to, 1)).expect("written");
    };
    change("export-off-network.yml", "source.ip|cidr", "source.ip|expand");
    change("many-files.yml", "gte: 50", "lt: 50");
    let output = run(dir, &["module", "build", text(&folder)]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{told}");
    for line in [
        "export-off-network.yml:20: `source.ip`: `expand` isn't taken",
        "many-files.yml:30: without `gt`, `gte` or `eq`",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(!folder.join("dist").exists(), "nothing is built");
}

/// The example as a module of a running host: signed, served, in another version, without a signature, and taken back.
#[test]
fn rules_serve_are_swapped_and_are_taken_back_as_any_module_is() {
    let rules = example();
    let (folder, dir) = (rules.path().join("rules"), rules.path());
    let began = now();
    let found = entries(began - 2_200);
    let made = found.iter().map(|entry| SimEntry::from_wire(&entry.to_string()).expect("an entry"));
    let slack = Slack::start(org_of(made.collect()));
    let setup =
        Setup { slack: "interval = \"1s\"\nsettle = \"5s\"".into(), ..Setup::new(&slack.base_url(), began - 2_300) };
    let host = Host::new(&setup);
    let path = host.path("gridwatch.toml");
    let config = std::fs::read_to_string(&path).expect("the configuration");
    let (before, after) = config.split_once("[modules.grants]\n").expect("grants");
    let (_, after) = after.split_once("[[sink]]\n").expect("sinks");
    let before = before.replace(&format!("dir = {:?}", our_modules()), "dir = \"modules\"\ntrust = \"trust.toml\"");
    std::fs::write(&path, format!("{before}[[sink]]\n{after}")).expect("the configuration");
    std::fs::create_dir(host.path("modules")).expect("a folder");
    let key = dir.join("team.key");
    does(dir, &["module", "keygen", text(&key)]);
    let public = std::fs::read_to_string(dir.join("team.pub")).expect("a key");
    let line = public.lines().nth(1).expect("its line");
    std::fs::write(host.path("trust.toml"), format!("[[key]]\nname = \"team\"\nkey = \"{line}\"\n")).expect("trust");
    let build = |version: &str, at_least: u64, signed: bool| {
        let change = |file: &str, key: &str, line: String| {
            let text = std::fs::read_to_string(folder.join(file)).expect("a file");
            let with = |old: &str| if old.trim_start().starts_with(key) { line.clone() } else { old.to_owned() };
            let lines: Vec<String> = text.lines().map(with).collect();
            std::fs::write(folder.join(file), lines.join("\n") + "\n").expect("written");
        };
        change("pack.toml", "version =", format!("version = {version:?}"));
        change("many-files.yml", "gte:", format!("    gte: {at_least}"));
        does(dir, &["module", "build", text(&folder)]);
        let name = format!("sigma-examples-{version}.wasm");
        let module = folder.join("dist").join(&name);
        if signed {
            does(dir, &["module", "sign", text(&module), "--key", text(&key)]);
            let signature = format!("{name}.minisig");
            std::fs::copy(folder.join("dist").join(&signature), host.path("modules").join(signature)).expect("copied");
        }
        let there = host.path("modules").join(&name);
        std::fs::copy(module, there.with_extension("part")).expect("copied");
        std::fs::rename(there.with_extension("part"), there).expect("renamed");
    };
    let serving = || {
        let modules = host.status()["modules"].as_array().cloned().unwrap_or_default();
        modules.iter().map(|module| module["version"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    // Who downloaded many files, and which version said so.
    let told = || -> Vec<String> {
        let alerts = host.lines("alerts.ndjson").into_iter();
        let many = alerts.filter(|a| a["finding_info"]["analytic"]["uid"] == "sigma-examples.many-files");
        let of = |alert: Value| {
            let version =
                alert.pointer("/metadata/product/feature/version").and_then(Value::as_str).unwrap_or_default();
            let title = alert["finding_info"]["title"].as_str().unwrap_or_default();
            format!("{version} {title}")
        };
        many.map(of).collect()
    };
    let is_told = |version: &str, who: &str| told().iter().any(|t| t.starts_with(version) && t.contains(who));
    build("1.0.0", 50, true);
    let process = host.start(&[]);
    host.until_running(&process);
    until("each rule has found something", || {
        let lines: String = host.lines("alerts.ndjson").iter().map(|alert| format!("{alert}\n")).collect();
        self::rules(&lines) == ALL.map(|rule| format!("sigma-examples.{rule}"))
    });
    build("1.0.1", 40, true);
    until("another threshold serves", || serving() == ["1.0.1"]);
    slack.push(downloads("WSOONER", 45, now() - 12));
    until("the new threshold is told", || is_told("1.0.1", "WSOONER"));
    build("1.0.2", 30, false);
    let refused_for = |why: &str| {
        let alerts = host.lines("alerts.ndjson").into_iter();
        let mut refused = alerts.filter(|a| a["finding_info"]["analytic"]["uid"] == "gridwatch.module-refused");
        refused.any(|alert| alert.to_string().contains(why))
    };
    until("what nobody signed is told", || refused_for("it is not signed"));
    assert_eq!(serving(), ["1.0.1"]);
    let mut back = gridwatch();
    let back = ended(back.args(["module", "rollback", "sigma-examples", "--state-dir"]).arg(host.path("state")));
    assert!(back.status.success(), "{}", String::from_utf8_lossy(&back.stderr));
    until("it is taken back", || serving() == ["1.0.0"]);
    let at = now() - 12;
    slack.push([downloads("WBELOW", 45, at), downloads("WABOVE", 50, at)].concat());
    until("the former threshold is told", || is_told("1.0.0", "WABOVE"));
    assert!(!told().iter().any(|told| told.contains("WBELOW")), "{:?}", told());
    // Who signed it is trusted no more: nothing else watches in its place, so it goes on, and somebody is told.
    let trust = std::fs::read_to_string(host.path("trust.toml")).expect("trust");
    std::fs::write(host.path("trust.toml"), format!("{trust}revoked = true\n")).expect("trust");
    signal(&process, "HUP");
    until("what nobody answers for is told", || refused_for("which is revoked"));
    assert_eq!(serving(), ["1.0.0"]);
    terminate(process);
}
