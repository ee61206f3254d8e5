//! From an empty folder to a rule that finds something, in each language, through the program and as docs/authors-guide.md says it: the
//! commands of the guide that make, try, sign and replay; those that ship and swap are in trust.rs and swap.rs.
//!
//! What a language is built with comes from its registry, once, into `target/module-tools`. Where that can't be had the test says so and goes
//! on with the others.

use gridwatch_tests::host::{gridwatch, root};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

const LANGUAGES: [&str; 3] = ["rust", "python", "js"];
const ENTRIES: u64 = 10_000;

/// A folder for new modules, with whatever they are built with.
struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The program as an author has it: in the module's folder, with keys and caches of their own.
    fn run(&self, folder: &str, args: &[&str]) -> Output {
        let mut command = gridwatch();
        command.current_dir(self.path(folder)).args(args).env("XDG_CONFIG_HOME", self.path("config"));
        command.output().expect("gridwatch runs")
    }

    /// The same, which has to go well: what it printed.
    fn does(&self, folder: &str, args: &[&str]) -> String {
        let output = self.run(folder, args);
        let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        assert!(output.status.success(), "gridwatch {}: {}\n{out}{err}", args.join(" "), output.status);
        out
    }

    /// A new module, built for the first time; `None` if what it is built with isn't to be had.
    fn module(&self, language: &str) -> Option<String> {
        std::fs::create_dir_all(self.path("config")).expect("a folder");
        let folder = format!("burst-{language}");
        let told = self.does("", &["module", "new", "burst", "--lang", language, "--dir", &folder]);
        assert!(told.contains("gridwatch module test"), "{told}");
        match language {
            "rust" => has_wasm_target().then_some(folder),
            "python" => {
                let tools = tools("python", |dir| {
                    let made = ok(Command::new("python3").args(["-m", "venv", ".venv"]).current_dir(dir));
                    let list = self.path(&folder).join("requirements.txt");
                    made && ok(Command::new(".venv/bin/pip").args(["install", "-q", "-r"]).arg(list).current_dir(dir))
                })?;
                std::os::unix::fs::symlink(tools.join(".venv"), self.path(&folder).join(".venv")).expect("a link");
                Some(folder)
            }
            _ => {
                let tools = tools("js", |dir| {
                    let list = std::fs::copy(self.path(&folder).join("package.json"), dir.join("package.json"));
                    list.is_ok()
                        && ok(Command::new("npm").args(["install", "--no-audit", "--no-fund"]).current_dir(dir))
                })?;
                let to = self.path(&folder).join("node_modules");
                std::os::unix::fs::symlink(tools.join("node_modules"), to).expect("a link");
                Some(folder)
            }
        }
    }
}

/// Where a language's tools are; fetched the first time, by one test for all.
fn tools(language: &str, fetch: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let all = root().join("target/module-tools");
    std::fs::create_dir_all(&all).expect("a folder");
    let lock = std::fs::File::create(all.join(format!("{language}.lock"))).expect("a lock");
    lock.lock().expect("a lock");
    let dir = all.join(language);
    if dir.join("whole").exists() {
        return Some(dir);
    }
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a folder");
    if !fetch(&dir) {
        eprintln!("skipped {language}: what it is built with can't be fetched here");
        return None;
    }
    std::fs::write(dir.join("whole"), "").expect("a mark");
    Some(dir)
}

fn ok(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

fn has_wasm_target() -> bool {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output();
    let sysroot = sysroot.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let is_there = Path::new(&sysroot).join("lib/rustlib/wasm32-unknown-unknown/lib").is_dir();
    if !is_there {
        eprintln!("skipped rust: there is no standard library for wasm32-unknown-unknown");
    }
    is_there
}

/// Sign-ins that fail and succeed, by many people from many addresses, some of whom are guessed at.
fn entries() -> String {
    let mut state = 7_u64;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut time = 1_790_000_000;
    let mut text = String::new();
    for number in 0..ENTRIES {
        time += random(8);
        // One person in some of the hours is guessed at; names of several bytes a letter cross the boundary too.
        let (who, fails) = match (number / 400) % 3 {
            0 if random(3) > 0 => (number / 400, true),
            _ => (random(300), random(4) == 0),
        };
        let user = json!({ "id": format!("U{who}"), "name": format!("Zoë {who} 雪"), "email": if who % 7 == 0 { String::new() } else { format!("zoë{who}@acme.example") } });
        // Half of those who guess do it from one place, which is the lesser finding.
        let address = match (number / 400) % 6 {
            0 if fails => format!("203.0.113.{}", who % 200),
            _ => format!("198.51.{}.{}", random(4), random(9)),
        };
        let entry = json!({
            "id": format!("e{number}"), "date_create": time, "action": if fails { "user_login_failed" } else { "user_login" },
            "actor": { "type": "user", "user": user }, "entity": { "type": "user", "user": user },
            "context": { "ip_address": address, "ua": "Mozilla/5.0",
                         "location": { "type": "workspace", "id": "T0", "name": "Acme", "domain": "acme" } },
        });
        text += &format!("{entry}\n");
    }
    text
}

#[test]
fn a_new_module_in_each_language_builds_passes_and_finds_the_same() {
    let desk = Desk::new();
    std::fs::write(desk.path("entries.ndjson"), entries()).expect("entries");
    let mut found = Vec::new();
    for language in LANGUAGES {
        let Some(folder) = desk.module(language) else { continue };
        let timed = |what: &str, args: &[&str]| {
            let started = now();
            let out = desk.does(&folder, args);
            println!("{language}: {what} in {} ms", started.elapsed().as_millis());
            out
        };
        let built = timed("build", &["module", "build"]);
        assert!(built.starts_with("burst@0.1.0  "), "{built}");
        let tested = timed("test", &["module", "test"]);
        assert!(tested.contains("5 cases hold, of 1 rules"), "{tested}");
        let checked = timed("check", &["module", "check"]);
        for held in
            ["deterministic", "independent of the order", "triggers hide nothing", "hostile rows", "burst passes"]
        {
            assert!(checked.contains(held), "{held}: {checked}");
        }
        print!("{}", timed("bench", &["module", "bench", "--seconds", "1"]));
        let file = "dist/burst-0.1.0.wasm";
        let inspected = timed("inspect", &["module", "inspect", file]);
        assert!(
            inspected.contains("grants   none asked for") && inspected.contains("nobody: it is not signed"),
            "{inspected}"
        );
        desk.does(&folder, &["module", "keygen", "team.key"]);
        timed("sign", &["module", "sign", file, "--key", "team.key"]);
        let verified = desk.does(&folder, &["module", "verify", file, "--key", "team.pub"]);
        assert!(verified.contains("burst@0.1.0") && verified.contains("by team.pub"), "{verified}");
        let alerts = timed("replay", &["replay", "../entries.ndjson", "--modules", "dist"]);
        found.push((language, without_digest(&alerts)));
    }
    let Some((_, first)) = found.first() else { return };
    assert!(first.len() > 10, "{} alerts", first.len());
    let severities: std::collections::BTreeSet<&str> =
        first.iter().filter_map(|alert| alert["severity"].as_str()).collect();
    assert!(severities.contains("Low") && severities.contains("Medium"), "{severities:?}");
    for (language, alerts) in &found {
        assert_eq!(alerts, first, "{language} finds something else than {}", found[0].0);
    }
    println!("{} alerts, the same in {} languages", first.len(), found.len());
}

/// Alerts but for the digest of the module that made them.
fn without_digest(alerts: &str) -> Vec<Value> {
    let alert = |line: &str| {
        let mut alert: Value = serde_json::from_str(line).expect("an alert");
        let digest = alert.pointer_mut("/metadata/product/feature/uid").expect("a digest");
        assert_eq!(digest.as_str().map(str::len), Some(64));
        *digest = Value::Null;
        alert
    };
    alerts.lines().map(alert).collect()
}

#[test]
fn a_rule_that_is_wrong_is_told_by_its_test_and_by_check() {
    let desk = Desk::new();
    for language in LANGUAGES {
        let Some(folder) = desk.module(language) else { continue };
        let (file, from, to) = match language {
            "rust" => ("src/lib.rs", "failed < config.burst ", "failed <= config.burst "),
            "python" => ("rule.py", "failed < config.burst ", "failed <= config.burst "),
            _ => ("rule.js", "failed < config.burst ", "failed <= config.burst "),
        };
        change(&desk.path(&folder).join(file), from, to);
        let output = desk.run(&folder, &["module", "test"]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("FAIL  positive   ten-failures") && text.contains("failed_10m 10"), "{language}: {text}");
        change(&desk.path(&folder).join(file), to, from);
        std::fs::remove_file(desk.path(&folder).join("cases/nine-failures.json")).expect("a case");
        let output = desk.run(&folder, &["module", "test"]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.code() == Some(1) && text.contains("rule `burst` has no near-miss case"), "{text}");
        // A rule that keeps a count of its own, and one that an event costs more than it may. What `check` runs doesn't know the
        // language; to build and compile Python's once more, twice over, would take a minute.
        if language == "python" {
            continue;
        }
        let (from, to) = match language {
            "rust" => (
                "    let addresses =",
                "    static SEEN: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);\n    \
                 if SEEN.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 3 == 2 {\n        return;\n    }\n    let addresses =",
            ),
            _ => {
                ("  const addresses =", "  seen += 1;\n  if (seen % 3 === 2) {\n    return;\n  }\n  const addresses =")
            }
        };
        change(&desk.path(&folder).join(file), from, to);
        if language == "js" {
            change(&desk.path(&folder).join(file), "/**\n * Called", "let seen = 0;\n\n/**\n * Called");
        }
        let fuel = std::fs::read_to_string(desk.path(&folder).join("module.toml")).expect("a manifest");
        let line = fuel.lines().find(|line| line.starts_with("fuel = ")).expect("fuel").to_owned();
        change(&desk.path(&folder).join("module.toml"), &line, "fuel = 1");
        let output = desk.run(&folder, &["module", "check"]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("keeps state of its own"), "{language}: {text}");
        assert!(text.contains("the manifest's `fuel` allows 1"), "{language}: {text}");
    }
}

#[test]
fn what_is_missing_or_wrong_is_told_in_words() {
    let desk = Desk::new();
    std::fs::create_dir_all(desk.path("config")).expect("a folder");
    for language in ["python", "js"] {
        let folder = format!("bare-{language}");
        desk.does("", &["module", "new", "bare", "--lang", language, "--dir", &folder]);
        let mut command = gridwatch();
        command.current_dir(desk.path(&folder)).args(["module", "build"]).env("PATH", "/nowhere");
        let output = command.output().expect("gridwatch runs");
        let told = String::from_utf8_lossy(&output.stderr);
        let (tool, hint) = match language {
            "python" => {
                ("componentize-py isn't there", "`python3 -m venv .venv && .venv/bin/pip install -r requirements.txt`")
            }
            _ => ("componentize-qjs isn't there", "`npm install`"),
        };
        assert!(!output.status.success() && told.contains(tool) && told.contains(hint), "{told}");
    }
    let again = desk.run("", &["module", "new", "bare", "--dir", "bare-js"]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("is there already"), "{again:?}");
    let none = desk.run("config", &["module", "build"]);
    assert!(String::from_utf8_lossy(&none.stderr).contains("is no folder of a module"), "{none:?}");
    change(&desk.path("bare-js/module.toml"), "\"actor.email\"", "\"actr.email\"");
    let wrong = desk.run("bare-js", &["module", "build"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("module.toml:8:"), "{wrong:?}");
}

#[test]
fn schemas_fit_what_is_shipped_and_refuse_what_is_misspelt() {
    let desk = Desk::new();
    std::fs::create_dir_all(desk.path("config")).expect("a folder");
    let schema = |of: &str| {
        let schema: Value = serde_json::from_str(&desk.does("", &["module", "schema", of])).expect("JSON");
        jsonschema::validator_for(&schema).expect("a schema")
    };
    let (module, configuration) = (schema("module.toml"), schema("gridwatch.toml"));
    let mut seen = 0;
    for dir in std::fs::read_dir(root().join("guest-rules")).expect("guest-rules") {
        let path = dir.expect("a folder").path().join("module.toml");
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let manifest: Value = json_of(&text);
        let problems: Vec<String> =
            module.iter_errors(&manifest).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(problems.is_empty(), "{}: {problems:#?}", path.display());
        for wrong in
            [text.replacen("title = ", "titel = ", 1), text.replacen("kind = \"count\"", "kind = \"cuont\"", 1)]
        {
            assert!(wrong == text || !module.is_valid(&json_of(&wrong)), "{}", path.display());
        }
        seen += 1;
    }
    assert!(seen > 10, "{seen} manifests");
    let example = std::fs::read_to_string(root().join("examples/gridwatch.toml")).expect("the example");
    assert!(configuration.is_valid(&json_of(&example)));
    assert!(!configuration.is_valid(&json_of(&example.replacen(
        "state_dir = \"/var/lib/gridwatch\"",
        "state_dir = 5",
        1
    ))));
}

fn json_of(text: &str) -> Value {
    let table: toml::Table = text.parse().expect("TOML");
    serde_json::to_value(table).expect("JSON")
}

fn change(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).expect("a file");
    assert!(text.contains(from), "{}: no {from:?} in {text}", path.display());
    std::fs::write(path, text.replacen(from, to, 1)).expect("written");
}

#[expect(clippy::disallowed_methods, reason = "says how long each step takes an author")]
fn now() -> Instant {
    Instant::now()
}
