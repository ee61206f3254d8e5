//! What an operator sees and may do: the status and its verdict, SIGHUP, rights of files, secrets that are handed over, the log.

use gridwatch_sim::{FaultKind, When};
use gridwatch_tests::host::{
    Host, Setup, ended, ends_within, gridwatch, kill, our_modules, root, signal, terminate, until,
};
use gridwatch_tests::sim::{Slack, entry, now, org, org_of};
use serde_json::Value;
use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

/// Nobody in particular: no such user needs to exist.
const STRANGER: u32 = 12_345;
const GROUP: u32 = 23_456;

fn host(slack: &Slack, from: u64) -> Host {
    Host::new(&Setup::in_small_steps(&slack.base_url(), from))
}

/// A gridwatch over an hour with some entries, which has read them all.
fn running() -> (Slack, Host, Child) {
    let from = now() - 3_600;
    let slack = Slack::start(org(60, from, now() - 120));
    let host = host(&slack, from);
    let child = host.start(&[]);
    until("all entries", || host.delivered().len() == 60 && host.status()["phase"] == "running");
    (slack, host, child)
}

/// One of its sinks can't rotate its file: the folder was renamed under it.
fn with_a_sink_that_refuses() -> (Slack, Host, Child) {
    let from = now() - 86_400;
    let slack = Slack::start(org(1_000, from, now() - 120));
    let mut setup = Setup::in_small_steps(&slack.base_url(), from);
    setup.more += "\n[[sink]]\nname = \"siem\"\ntype = \"file\"\npath = \"out/e.ndjson\"\nrotate_bytes = \"64KiB\"";
    let host = Host::new(&setup);
    std::fs::create_dir(host.path("out")).expect("a folder");
    let child = host.start(&[]);
    until("entries delivered", || host.delivered_to("out/e.ndjson").len() > 50);
    std::fs::rename(host.path("out"), host.path("away")).expect("renamed");
    until("the sink refuses", || host.status()["sinks"]["siem"]["error"].is_string());
    (slack, host, child)
}

fn say(host: &Host, args: &[&str]) -> Output {
    ended(gridwatch().args(args).arg("--config").arg(host.path("gridwatch.toml")))
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Exit code, state and reasons as `status --json` has them; the text says the same.
fn health(host: &Host) -> (i32, String, Vec<String>) {
    let state_dir = host.path("state");
    let mut json = gridwatch();
    let output = ended(json.args(["status", "--json", "--state-dir"]).arg(&state_dir));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", stderr(&output)));
    let health = &value["health"];
    let code = output.status.code().expect("a code");
    assert_eq!(health["healthy"], code == 0, "{health}");
    let needs =
        health["needs"].as_array().expect("a list").iter().map(|n| n.as_str().expect("text").to_owned()).collect();
    (code, health["state"].as_str().expect("a state").to_owned(), needs)
}

fn text(host: &Host) -> String {
    let mut command = gridwatch();
    stdout(&ended(command.args(["status", "--state-dir"]).arg(host.path("state"))))
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("permissions");
}

/// Only root may give files away and become others. The other half of such a test needs no rights.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").expect("proc").uid() == 0
}

/// Every file and folder below a folder, with its mode and size.
fn listing(dir: &Path) -> BTreeSet<(PathBuf, u32, u64, i64)> {
    let mut all = BTreeSet::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(path) = todo.pop() {
        let meta = std::fs::symlink_metadata(&path).expect("it is there");
        if meta.is_dir() {
            todo.extend(std::fs::read_dir(&path).expect("a folder").map(|file| file.expect("a file").path()));
        }
        all.insert((path, meta.mode(), meta.len(), meta.mtime_nsec()));
    }
    all
}

// --- status ----------------------------------------------------------------------------------------------------------

#[test]
fn the_status_tells_running_from_stopped_from_died_and_exits_1_when_somebody_is_needed() {
    let (_slack, host, child) = running();
    assert_eq!(health(&host), (0, "running".into(), vec![]));
    let shown = text(&host);
    for part in ["running", "up ", "read up to ", " ago (", "last page ", "nothing waits", "sign-in@"] {
        assert!(shown.contains(part), "no `{part}` in:\n{shown}");
    }
    terminate(child);
    let (code, state, needs) = health(&host);
    assert_eq!((code, state.as_str()), (1, "stopped"));
    assert!(needs[0].contains("stopped by SIGTERM"), "{needs:?}");

    let again = host.start(&[]);
    until("running again", || health(&host).0 == 0 && host.status()["phase"] == "running");
    kill(again);
    // At once: nobody has to wait for a file to grow old.
    let (code, state, needs) = health(&host);
    assert_eq!((code, state.as_str()), (1, "died"), "{needs:?}");
}

#[test]
fn the_status_needs_nothing_but_the_state_folder() {
    let (_slack, host, child) = running();
    std::fs::remove_file(host.path("token")).expect("a token");
    let config = host.path("gridwatch.toml");
    let text = std::fs::read_to_string(&config).expect("configuration").replace("\"events.ndjson\"", "\"nowhere/e\"");
    std::fs::write(&config, text.replace("page_limit = 20", "page_limit = \"soon\"")).expect("configuration");
    for args in [&["status"][..], &["alerts", "list"], &["alerts", "export"]] {
        let output = say(&host, args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
    }
    terminate(child);
    let output = say(&host, &["status"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
}

#[test]
fn a_state_folder_that_nothing_ran_on_needs_somebody_and_one_that_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let status = |dir: &Path| ended(gridwatch().args(["status", "--state-dir"]).arg(dir));
    let output = status(folder.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("never ran"), "{}", stdout(&output));
    let output = status(&folder.path().join("none"));
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("hint: ") && stderr(&output).contains("state_dir"), "{}", stderr(&output));
    assert!(!folder.path().join("none").exists());
    let wrong = ended(gridwatch().args(["status", "--stat-dir", "x"]));
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn a_start_that_compiles_is_starting_and_not_dead() {
    let from = now() - 3_600;
    let slack = Slack::start(org(10, from, now() - 120));
    let host = host(&slack, from);
    // A folder of its own: there is something to compile.
    std::fs::remove_file(host.path("state/compiled")).expect("a link");
    let child = host.start(&[]);
    until("compiling", || host.status()["doing"].as_str().is_some_and(|doing| doing.contains("compiling")));
    let (code, state, needs) = health(&host);
    assert_eq!((code, state.as_str()), (0, "starting"), "{needs:?}");
    assert!(text(&host).contains("compiling"), "{}", text(&host));
    kill(child);
    assert_eq!(health(&host).1, "died");
}

#[test]
fn a_stopped_process_and_a_stage_that_is_not_heard_of_are_stuck() {
    let (_slack, host, child) = running();
    signal(&child, "STOP");
    // What the file says a minute later, without the minute.
    let path = host.path("state/status.json");
    let mut status = host.status();
    for key in ["written", "started"] {
        status[key] = Value::from(status[key].as_u64().expect("a time") - 60_000);
    }
    std::fs::write(&path, status.to_string()).expect("status");
    let (code, state, needs) = health(&host);
    assert_eq!((code, state.as_str()), (1, "stuck"));
    assert!(needs[0].contains("written no status"), "{needs:?}");
    status["written"] = Value::from(now() * 1_000);
    status["stages"]["detect"]["heard"] = Value::from((now() - 600) * 1_000);
    status["stages"]["detect"]["due"] = Value::from((now() - 10) * 1_000);
    std::fs::write(&path, status.to_string()).expect("status");
    let (code, state, needs) = health(&host);
    assert_eq!((code, state.as_str()), (1, "stuck"));
    assert!(needs[0].contains("`detect`") && needs[0].contains("10 minutes"), "{needs:?}");
    signal(&child, "CONT");
    until("well again", || health(&host).0 == 0);
    // Every stage gives signs of life, each with a time by which the next has to come.
    let stages = host.status()["stages"].as_object().expect("stages").clone();
    for name in ["poll", "detect", "sink events", "sink alerts"] {
        assert!(stages[name]["due"].as_u64() > Some(now() * 1_000), "{name}: {stages:?}");
    }
    terminate(child);
}

#[test]
fn a_refused_token_and_a_sink_that_fails_need_somebody_by_name() {
    let (slack, host, child) = running();
    slack.set_token(Some("xoxp-other".into()));
    until("the refusal", || health(&host).2.iter().any(|need| need.contains("token_rejected")));
    assert_eq!(health(&host).0, 1);
    slack.set_token(None);
    terminate(child);

    let (_slack, host, child) = with_a_sink_that_refuses();
    assert!(health(&host).2.iter().any(|need| need.contains("`siem`")), "{:?}", health(&host));
    let behind = &host.status()["sinks"]["siem"];
    assert!(behind["behind"].as_u64() >= Some(1) && behind["behind_since"].is_u64(), "{behind}");
    kill(child);
}

#[test]
fn a_first_start_that_reads_months_says_how_far_it_is() {
    let from = now() - 60 * 86_400;
    let slow = vec![FaultKind::SlowBody { ms: 400 }.at(When::Every(1))];
    let slack = Slack::faulty(org(3_000, from, now() - 120), slow);
    let mut setup = Setup::in_small_steps(&slack.base_url(), from);
    setup.slack = "max_window = \"24h\"\npage_limit = 100\ninterval = \"1s\"\nsettle = \"5s\"".into();
    let host = Host::new(&setup);
    let child = host.start(&[]);
    let progress = || host.status()["poll"]["catching_up"].clone();
    until("progress with an end in sight", || progress()["left_s"].is_u64());
    let (first, shown) = (progress(), text(&host));
    assert_eq!(health(&host), (0, "running".into(), vec![]));
    assert!(shown.contains("catching up from") && shown.contains(" left") && shown.contains("a minute"), "{shown}");
    until("it moves", || progress()["percent"].as_f64() > first["percent"].as_f64());
    terminate(child);
    assert_eq!(host.log().matches("for the first time, from ").count(), 1, "{}", host.log());
}

#[test]
fn a_module_that_changed_while_running_is_said_at_once() {
    let from = now() - 3_600;
    let slack = Slack::start(org(10, from, now() - 120));
    let host = host(&slack, from);
    let modules = host.path("modules");
    std::fs::create_dir(&modules).expect("a folder");
    for file in std::fs::read_dir(our_modules()).expect("modules").map(|file| file.expect("a file")) {
        std::fs::copy(file.path(), modules.join(file.file_name())).expect("a copy");
    }
    let config = host.path("gridwatch.toml");
    let text = std::fs::read_to_string(&config).expect("configuration");
    let own = format!("{:?}", our_modules());
    std::fs::write(&config, text.replace(&own, "\"modules\"")).expect("configuration");
    let child = host.start(&[]);
    until("running", || host.status()["phase"] == "running");
    let files = std::fs::read_dir(&modules).expect("modules").map(|file| file.expect("a file").path());
    let mut files = files.filter(|path| path.extension().is_some_and(|end| end == "wasm"));
    let file = files.next().expect("one");
    let (name, whole) =
        (file.file_name().expect("a name").to_string_lossy().into_owned(), std::fs::read(&file).expect("it"));
    std::fs::write(&file, &whole[..1_000]).expect("cut");
    // A pipe is not opened: that would wait for ever.
    let made = Command::new("mkfifo").arg(modules.join("pipe.wasm")).status().expect("mkfifo");
    assert!(made.success());
    until("the word", || health(&host).2.iter().any(|need| need.contains("modules folder holds what does not serve")));
    assert!(host.log().contains(&name), "{name} in {}", host.log());
    std::fs::write(&file, &whole).expect("whole");
    std::fs::remove_file(modules.join("pipe.wasm")).expect("the pipe");
    until("well again", || health(&host).0 == 0);
    terminate(child);
}

// --- signals ---------------------------------------------------------------------------------------------------------

#[test]
fn sighup_never_ends_it_and_takes_lookups_and_the_log_level() {
    let from = now() - 3_600;
    let slack = Slack::start(org(60, from, now() - 120));
    let host = host(&slack, from);
    std::fs::write(host.path("egress.txt"), "198.51.100.0/24\n").expect("a list");
    let config = host.path("gridwatch.toml");
    let edit = |from: &str, to: &str| {
        let text = std::fs::read_to_string(&config).expect("configuration");
        assert!(text.contains(from), "no {from} in {text}");
        std::fs::write(&config, text.replace(from, to)).expect("configuration");
    };
    edit("corporate_egress = [\"198.51.100.0/24\"]", "corporate_egress = { file = \"egress.txt\", max_age = \"7d\" }");
    let mut child = host.start(&[]);
    until("the first word", || !host.status().is_null());
    // While it compiles or opens, too.
    for _ in 0..20 {
        signal(&child, "HUP");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    until("running", || host.status()["phase"] == "running");
    until("all asked are answered", || host.log().contains("SIGHUP: lookup tables"));
    let taken = || host.status()["reload"].clone();

    std::fs::write(host.path("egress.txt"), "203.0.113.0/24\n").expect("a list");
    edit("[store]", "[log]\nlevel = \"debug\"\n[store]");
    edit("interval = \"1s\"", "interval = \"2s\"");
    signal(&child, "HUP");
    until("taken", || taken()["taken"].to_string().contains("corporate_egress"));
    assert!(taken()["taken"].to_string().contains("log.level = debug"), "{}", taken());
    assert!(taken()["waiting"].to_string().contains("slack"), "{}", taken());
    until("debug lines", || host.log().contains("DEBUG"));

    edit("[store]", "[stor]");
    signal(&child, "HUP");
    until("the errors", || taken()["broken"].is_string());
    assert!(taken()["broken"].to_string().contains("unknown key"), "{}", taken());
    assert!(health(&host).2[0].contains("the configuration has errors"), "{:?}", health(&host));
    assert!(child.try_wait().expect("a child").is_none(), "it has ended");
    edit("[stor]", "[store]");
    signal(&child, "HUP");
    until("well again", || health(&host).0 == 0);
    terminate(child);
}

#[test]
fn a_lookup_that_changed_is_what_the_rules_ask_from_then_on() {
    let from = now() - 3_600;
    let slack = Slack::start(org_of(vec![entry("Lfirst", from + 60)]));
    let host = host(&slack, from);
    let config = host.path("gridwatch.toml");
    let text = std::fs::read_to_string(&config).expect("configuration");
    let listed = |range: &str| {
        let list = format!("sensitive_channels = [\"C0PLANS\"]\nlisted_addresses = [{range}]");
        std::fs::write(&config, text.replace("sensitive_channels = [\"C0PLANS\"]", &list)).expect("configuration");
    };
    listed("\"192.0.2.0/24\"");
    let child = host.start(&[]);
    until("the first", || host.delivered().len() == 1);
    let alerts = || host.alerts().values().filter(|a| a.to_string().contains("listed")).count();
    slack.push(vec![entry("Lsecond", now() - 10)]);
    until("the second", || host.delivered().len() == 2);
    assert_eq!(alerts(), 0, "{:?}", host.alerts());
    // The address of all these sign-ins.
    listed("\"198.51.100.7/32\"");
    signal(&child, "HUP");
    until("taken", || host.status()["reload"]["taken"].to_string().contains("listed_addresses"));
    slack.push(vec![entry("Lthird", now() - 8)]);
    until("an alert", || alerts() == 1);
    terminate(child);
}

#[test]
fn a_second_sigint_ends_at_once() {
    let (_slack, host, child) = with_a_sink_that_refuses();
    signal(&child, "INT");
    until("draining", || host.status()["phase"] == "draining");
    assert_eq!(health(&host).1, "draining");
    signal(&child, "INT");
    assert_eq!(ends_within(5, child).code(), Some(1));
}

// --- rights ----------------------------------------------------------------------------------------------------------

#[test]
fn a_state_folder_that_its_group_got_rights_to_is_put_right() {
    let from = now() - 3_600;
    let slack = Slack::start(org(60, from, now() - 120));
    let host = host(&slack, from);
    // A folder of its own, with what a volume's `fsGroup` does to it at each mount.
    std::fs::remove_file(host.path("state/compiled")).expect("a link");
    std::fs::create_dir(host.path("state/compiled")).expect("a folder");
    set_mode(&host.path("state/compiled"), 0o700);
    let shared = our_modules().parent().expect("target").join("test-compiled");
    for file in std::fs::read_dir(shared).into_iter().flatten().filter_map(Result::ok) {
        let _ = std::fs::copy(file.path(), host.path("state/compiled").join(file.file_name()));
    }
    host.run_once_well();
    for mode in ["g+rwX,g+s", "o+rX"] {
        let changed = Command::new("chmod").arg("-R").arg(mode).arg(host.path("state")).status().expect("chmod");
        assert!(changed.success());
        // Behind what was read, and a while ago when it is read.
        let date = host.status()["poll"]["watermark"].as_u64().expect("a watermark") + 1;
        slack.push(vec![entry(&format!("L{}", mode.len()), date)]);
        until("it has settled", || now() > date + 6);
        let output = host.run_once();
        assert!(output.status.success(), "{mode}: {}", stderr(&output));
        assert_eq!(self::mode(&host.path("state/compiled")), 0o700, "{mode}");
    }
    assert_eq!(mode(&host.path("state")) & 0o007, 0);
    assert_eq!(mode(&host.path("state/store")) & 0o007, 0);
    assert_eq!(mode(&host.path("state/archive")) & 0o007, 0);
    assert_eq!(host.delivered().len(), 62);
}

#[test]
fn what_holds_entries_is_nobody_elses_whatever_the_umask() {
    for umask in ["000", "077"] {
        let from = now() - 3_600;
        let slack = Slack::start(org(60, from, now() - 120));
        let host = Host::new(&Setup::in_small_steps(&slack.base_url(), from));
        std::fs::remove_file(host.path("state/compiled")).expect("a link");
        std::fs::remove_dir(host.path("state")).expect("empty");
        let binary = gridwatch();
        let script = format!("umask {umask}; exec \"$0\" run --once --config \"$1\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).arg(binary.get_program()).arg(host.path("gridwatch.toml"));
        let output = ended(&mut command);
        assert!(output.status.success(), "{}", stderr(&output));
        for (name, wanted) in [
            ("state", 0o750),
            ("state/store", 0o700),
            ("state/archive", 0o700),
            ("state/compiled", 0o700),
            ("state/alerts", 0o750),
            ("state/alerts/alerts.index", 0o640),
            ("state/delivered.json", 0o640),
            ("state/status.json", 0o640),
            ("state/checkpoint.json", 0o640),
            ("state/gridwatch.lock", 0o640),
            ("events.ndjson", 0o640),
            ("alerts.ndjson", 0o640),
        ] {
            assert_eq!(mode(&host.path(name)), wanted, "umask {umask}: {name}");
        }
    }
}

#[test]
fn a_member_of_the_group_reads_status_and_alerts_without_secrets() {
    let from = now() - 3_600;
    let failed = |n: u64| {
        let json = entry(&format!("Lfailed{n}"), from + 60 + n).json.replace("user_login", "user_login_failed");
        gridwatch_stories::SimEntry::from_wire(&json).expect("an entry")
    };
    let slack = Slack::start(org_of((0..12).map(failed).collect()));
    let host = host(&slack, from);
    let child = host.start(&[]);
    until("alerts", || !host.alerts().is_empty() && host.status()["phase"] == "running");
    if !is_root() {
        return terminate(child);
    }
    // As an operator would: the folder's group, handed on to what is made in it.
    let parent = host.path("state").parent().expect("a parent").to_owned();
    set_mode(&parent, 0o755);
    set_mode(&host.path("token"), 0o600);
    let chgrp = Command::new("chgrp").args(["-R", &GROUP.to_string()]).arg(host.path("state")).status().expect("chgrp");
    assert!(chgrp.success());
    set_mode(&host.path("state"), 0o2750);
    until("a status of the group's", || {
        std::fs::metadata(host.path("state/status.json")).is_ok_and(|meta| meta.gid() == GROUP)
    });
    let alerts: Vec<String> =
        host.alerts().values().map(|a| a["finding_info"]["uid"].as_str().expect("an id").to_owned()).collect();
    let as_member = |args: &[&str]| {
        let mut command = gridwatch();
        command.args(args).arg("--state-dir").arg(host.path("state")).uid(STRANGER).gid(GROUP);
        command.current_dir("/");
        ended(&mut command)
    };
    for args in [
        &["status"][..],
        &["status", "--json"],
        &["alerts", "list"],
        &["alerts", "export"],
        &["alerts", "show", &alerts[0]],
        &["explain", &alerts[0]],
        &["respond", &alerts[0]],
    ] {
        let output = as_member(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
        assert!(!output.stdout.is_empty(), "{args:?}");
    }
    for private in ["token", "state/store", "state/archive"] {
        let mut command = Command::new("ls");
        command.arg(host.path(private).join(if private == "token" { "" } else { "." }));
        command.uid(STRANGER).gid(GROUP);
        assert!(!ended(&mut command).status.success(), "{private} can be looked into");
    }
    // Somebody who isn't in the group is told so.
    let mut command = gridwatch();
    command.args(["status", "--state-dir"]).arg(host.path("state")).uid(STRANGER).gid(STRANGER);
    let output = ended(command.current_dir("/"));
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("group"), "{}", stderr(&output));
    terminate(child);
}

#[test]
fn a_secret_that_is_handed_over_is_taken_and_one_that_lies_open_is_not() {
    let from = now() - 3_600;
    let slack = Slack::start(org(10, from, now() - 120));
    let host = host(&slack, from);
    let token = host.path("token");
    let check = |directory: Option<&Path>| {
        let mut command = gridwatch();
        command.args(["check", "--config"]).arg(host.path("gridwatch.toml"));
        match directory {
            Some(dir) => command.env("CREDENTIALS_DIRECTORY", dir),
            None => command.env_remove("CREDENTIALS_DIRECTORY"),
        };
        let output = ended(&mut command);
        (output.status.code().expect("a code"), stderr(&output))
    };
    let folder = token.parent().expect("a folder").to_owned();
    for (mode, handed, alone) in
        [(0o600, 0, 0), (0o400, 0, 0), (0o440, 0, 2), (0o640, 0, 2), (0o444, 2, 2), (0o460, 2, 2)]
    {
        set_mode(&token, mode);
        assert_eq!(check(Some(&folder)).0, handed, "{mode:o}, by the service manager: {}", check(Some(&folder)).1);
        let (code, told) = check(None);
        assert_eq!(code, alone, "{mode:o}, our own: {told}");
        if code == 2 {
            assert!(told.contains("hint: chmod 600 ") && !told.contains("xoxp-test"), "{told}");
            assert!(told.contains("gridwatch.toml:") && told.contains("slack.token_file"), "{told}");
        }
    }
    // Another folder's secrets are not this service's.
    set_mode(&token, 0o440);
    let other = tempfile::tempdir().expect("a folder");
    assert_eq!(check(Some(other.path())).0, 2);
    // A Kubernetes secret: somebody else's file, of a group that is ours.
    if is_root() {
        std::os::unix::fs::chown(&token, Some(STRANGER), Some(0)).expect("chown");
        for (mode, code) in [(0o440, 0), (0o640, 0), (0o444, 2), (0o660, 2)] {
            set_mode(&token, mode);
            assert_eq!(check(None).0, code, "{mode:o}: {}", check(None).1);
        }
        std::os::unix::fs::chown(&token, Some(STRANGER), Some(GROUP)).expect("chown");
        set_mode(&token, 0o440);
        assert_eq!(check(None).0, 2, "of a group that isn't ours");
    }
}

// --- check -----------------------------------------------------------------------------------------------------------

#[test]
fn a_check_leaves_nothing_behind() {
    let slack = Slack::start(org(10, now() - 3_600, now() - 120));
    let host = host(&slack, now() - 3_600);
    std::fs::remove_file(host.path("state/compiled")).expect("a link");
    std::fs::remove_dir(host.path("state")).expect("empty");
    let folder = host.path("token").parent().expect("a folder").to_owned();
    let before = listing(&folder);
    let said = |args: &[&str]| {
        let output = say(&host, args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}{}", stdout(&output), stderr(&output));
    };
    for args in [&["check"][..], &["check", "--json"]] {
        said(args);
        assert_eq!(listing(&folder), before, "{args:?}");
    }
    // It tries what writing and rotating takes, in the folder of a file sink: that folder alone may say when it was last changed.
    said(&["check", "--live"]);
    let but_the_folder = |mut all: BTreeSet<(PathBuf, u32, u64, i64)>| {
        all.retain(|(path, ..)| *path != folder);
        all
    };
    assert_eq!(but_the_folder(listing(&folder)), but_the_folder(before), "--live");
    // Beside one that has run, too: as root it would leave files there that the service's user can't write.
    host.run_once_well();
    let before = listing(&folder);
    assert_eq!(say(&host, &["check"]).status.code(), Some(0));
    assert_eq!(listing(&folder), before);
}

#[test]
fn a_live_check_tells_token_organization_scope_plan_clock_and_page() {
    let slack = Slack::start(org(10, now() - 3_600, now() - 120));
    let host = host(&slack, now() - 3_600);
    let live = || {
        let output = say(&host, &["check", "--live"]);
        let told = stdout(&output);
        assert!(!format!("{told}{}", stderr(&output)).contains("xoxp-test"), "{told}");
        (output.status.code().expect("a code"), told)
    };
    let (code, told) = live();
    for line in ["token", "organization", "scope", "plan", "clock", "page"] {
        assert!(told.contains(&format!("slack ok     {line}: ")), "{line} in {told}");
    }
    for sink in ["events", "alerts"] {
        assert!(told.contains(&format!("sink  ok     {sink}: ")), "{sink} in {told}");
    }
    assert_eq!(code, 0);
    for (error, lines) in [
        ("missing_scope", &["FAILED scope", "auditlogs:read", "FAILED page"][..]),
        ("feature_not_enabled", &["FAILED plan", "Enterprise", "FAILED page"]),
        ("user_not_authorized", &["FAILED page", "org owner"]),
        ("team_not_authorized", &["FAILED page", "not on a workspace"]),
    ] {
        slack.set_faults(vec![FaultKind::ApiError { error: error.into() }.at(When::Every(1))]);
        let (code, told) = live();
        assert_eq!(code, 1, "{error}: {told}");
        lines.iter().for_each(|line| assert!(told.contains(line), "{error}: no {line} in {told}"));
        assert!(told.contains("  hint: "), "{told}");
    }
    slack.set_faults(vec![]);
    slack.set_token(Some("xoxp-other".into()));
    let (code, told) = live();
    assert!(code == 1 && told.contains("FAILED token") && told.contains("FAILED page"), "{told}");
    slack.set_token(None);
    std::fs::create_dir(host.path("events.ndjson")).expect("in the way of the sink");
    let (code, told) = live();
    // The file is wrong then, before anybody is asked.
    assert!(code == 2 && !told.contains("sink  ok"), "{told}");
    std::fs::remove_dir(host.path("events.ndjson")).expect("empty");
    let alerts = host.path("alerts.ndjson");
    std::os::unix::net::UnixListener::bind(&alerts).expect("a socket in the way");
    let (code, told) = live();
    assert!(code == 1 && told.contains("sink  ok     events") && told.contains("sink  FAILED alerts"), "{told}");
    std::fs::remove_file(&alerts).expect("the socket");
    let mut nowhere = Setup::in_small_steps("http://127.0.0.1:1", now() - 3_600);
    nowhere.slack = "timeout = \"2s\"".into();
    host.configure(&nowhere);
    let (code, told) = live();
    assert!(code == 1 && told.contains("slack ?      token: not known") && told.contains("FAILED page"), "{told}");
    assert!(!told.contains("FAILED token") && told.contains("firewall and proxy"), "nobody refused the token: {told}");
}

#[test]
fn a_check_names_what_nobody_filled_in_and_what_is_old() {
    let slack = Slack::start(org(10, now() - 3_600, now() - 120));
    let setup = Setup::in_small_steps(&slack.base_url(), now() - 3_600);
    let host = Host::new(&setup);
    std::fs::write(host.path("tor.txt"), "203.0.113.7\n").expect("a list");
    std::fs::write(host.path("own.txt"), "C0PAY\n").expect("a list");
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(now() - 40 * 86_400);
    for list in ["tor.txt", "own.txt"] {
        std::fs::File::options().write(true).open(host.path(list)).and_then(|f| f.set_modified(old)).expect("a time");
    }
    let more = format!("[enrich]\ntor = \"tor.txt\"\n{}", setup.more);
    host.configure(&Setup { more, ..setup });
    let config = host.path("gridwatch.toml");
    let text = std::fs::read_to_string(&config).expect("configuration");
    let table = "listed = { file = \"own.txt\", max_age = \"60d\" }\nsensitive_channels = [\"C0PLANS\"]";
    std::fs::write(&config, text.replace("sensitive_channels = [\"C0PLANS\"]", table)).expect("configuration");
    let output = say(&host, &["check", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let warned = |about: &str| -> Vec<String> {
        let warnings = report["warnings"].as_array().expect("a list").iter();
        warnings.filter(|w| w["about"] == about).map(|w| w["text"].as_str().expect("text").to_owned()).collect()
    };
    assert!(warned("enrich.tor")[0].contains("40 days old"), "{report}");
    assert_eq!(warned("lookups.listed"), ["lookups.listed: no module uses this table"], "younger than its own max_age");
    let unfilled = warned("modules.config.sessions").join("\n");
    assert!(unfilled.contains("`listed_addresses`, which is empty"), "{report}");
    assert!(warned("modules.config.connect").iter().any(|w| w.contains("`allowed_inviters` is empty")), "{report}");
    assert!(!unfilled.contains("corporate_egress"), "{report}");
    assert_eq!(report["fine"], true);
    let shipped = std::fs::read_dir(root().join("target/modules")).expect("modules").flatten();
    let shipped = shipped.filter(|file| file.path().extension().is_some_and(|ending| ending == "wasm")).count();
    assert_eq!(report["modules"].as_array().map(Vec::len), Some(shipped), "{report}");
    // The text says the same, and `run` says what is old.
    let told = stdout(&say(&host, &["check"]));
    assert!(told.contains("warning: enrich.tor: "), "{told}");
    assert!(stderr(&host.run_once()).contains("enrich.tor: "));
}

#[test]
fn every_error_of_a_configuration_has_its_file_and_line() {
    let slack = Slack::start(org(10, now() - 3_600, now() - 120));
    let host = host(&slack, now() - 3_600);
    let config = host.path("gridwatch.toml");
    let text = std::fs::read_to_string(&config).expect("configuration");
    let line_of = |text: &str, part: &str| 1 + text.lines().position(|line| line.contains(part)).expect("a line");
    // A grant for a module that isn't there, and one that is missing.
    for (from, to, part) in [
        ("connect = [\"lookup\"]", "connect = [\"lookup\"]\nconect = [\"lookup\"]", "grants.conect"),
        ("page_limit = 20", "page_limit = 0", "slack.page_limit"),
    ] {
        let wrong = text.replace(from, to);
        std::fs::write(&config, &wrong).expect("configuration");
        let output = say(&host, &["check"]);
        assert_eq!(output.status.code(), Some(2), "{to}");
        let place = format!("gridwatch.toml:{}:1: ", line_of(&wrong, to.lines().last().expect("a line")));
        assert!(stderr(&output).contains(&place) && stderr(&output).contains(part), "{place} in {}", stderr(&output));
        let output = say(&host, &["check", "--json"]);
        assert_eq!(output.status.code(), Some(2), "{to}");
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert!(report["fine"] == false && report["errors"].to_string().contains(part), "{report}");
    }
    assert_eq!(say(&host, &["check", "--json"]).status.code(), Some(2));
}

// --- the log ---------------------------------------------------------------------------------------------------------

#[test]
fn the_log_begins_and_ends_with_a_line_that_says_what_ran_and_why_it_ended() {
    let (_slack, host, child) = running();
    terminate(child);
    let log = host.log();
    let line =
        |what: &str| log.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("no {what} in {log}"));
    let start = line("gridwatch starts");
    for part in ["version=", "gridwatch.toml", "state_dir=", "sign-in@", "events.ndjson", "for the first time, from 20"]
    {
        assert!(start.contains(part), "{part} in {start}");
    }
    let end = line("gridwatch ends");
    for part in ["SIGTERM", "60 events", "up="] {
        assert!(end.contains(part), "{part} in {end}");
    }
    // Fields are for people: no Rust.
    for dump in ["Some(", "None", "Window {", "UnixSeconds(", "Range {", "{ ", "Live"] {
        assert!(!log.contains(dump), "`{dump}` in {log}");
    }
    assert!(log.contains("range=\"20") || log.contains("range=20"), "{log}");
    assert!(!log.contains("not delivered yet"), "everything was: {log}");
}

// --- alerts, respond, manuals ----------------------------------------------------------------------------------------

#[test]
fn a_rule_or_severity_that_does_not_exist_is_told_instead_of_an_empty_list() {
    let (_slack, host, child) = running();
    terminate(child);
    for (args, hint) in [
        (&["alerts", "list", "--rule", "sign-in.brst"][..], "did you mean `sign-in.burst`?"),
        (&["alerts", "export", "--rule", "sign-on.*"], "did you mean `sign-in.*`?"),
        (&["alerts", "list", "--severity", "hihg"], "did you mean high?"),
    ] {
        let output = say(&host, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stdout(&output));
        assert!(stderr(&output).contains(hint), "{}", stderr(&output));
    }
    for rule in ["sign-in.burst", "sign-in.*", "exports.*"] {
        assert_eq!(say(&host, &["alerts", "list", "--rule", rule]).status.code(), Some(0), "{rule}");
    }
}

#[test]
fn completions_and_man_pages_are_made_of_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let output = ended(gridwatch().args(["completions", shell]));
        assert!(output.status.success() && stdout(&output).contains("exceptions"), "{shell}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let output = ended(gridwatch().arg("man").arg(folder.path()));
    assert!(output.status.success(), "{}", stderr(&output));
    for page in ["gridwatch.1", "gridwatch-run.1", "gridwatch-alerts-list.1", "gridwatch-check.1"] {
        let text = std::fs::read_to_string(folder.path().join(page)).unwrap_or_else(|e| panic!("{page}: {e}"));
        assert!(text.contains(".TH"), "{page}");
    }
    let made = folder.path().join("share/man/man1");
    assert!(ended(gridwatch().arg("man").arg(&made)).status.success() && made.join("gridwatch.1").is_file());
    let taken = ended(gridwatch().arg("man").arg(made.join("gridwatch.1")));
    assert_eq!(taken.status.code(), Some(1), "a file is no folder");
}
