//! The real `gridwatch` binary in a folder of its own: what a test says to it, and what came out.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

/// The month of a large org in `tests/tests/run_once.rs` takes a thirtieth of it on two cores.
const LONGEST_RUN: Duration = Duration::from_secs(600);
/// Longer than anything takes that happens at all, on a machine that has much else to do. What has to be quick is asserted by itself.
const PATIENCE: Duration = Duration::from_secs(180);

/// A gridwatch with its configuration, state and output in a temporary folder.
#[derive(Debug)]
pub struct Host {
    dir: tempfile::TempDir,
}

/// What a test wants other than the defaults.
#[derive(Debug, Clone)]
pub struct Setup {
    pub base_url: String,
    /// First second wanted.
    pub start: u64,
    /// More lines for `[slack]`.
    pub slack: String,
    /// More lines for both sinks.
    pub sinks: String,
    /// More tables, at the end of the file.
    pub more: String,
}

impl Setup {
    pub fn new(base_url: &str, start: u64) -> Self {
        Self { base_url: base_url.into(), start, slack: String::new(), sinks: String::new(), more: String::new() }
    }

    /// Small pages, windows, batches and files, all of them kept: much can happen between any two of them.
    pub fn in_small_steps(base_url: &str, start: u64) -> Self {
        let slack = "max_window = \"1h\"\npage_limit = 20\ninterval = \"1s\"\nsettle = \"5s\"".into();
        let sinks = "rotate_bytes = \"64KiB\"\nkeep = 0".into();
        let more = "[detect]\nbatch = 16\n[store]\nmin_free = \"16MiB\"\n[archive]\nsegment_bytes = \"64KiB\"".into();
        Self { slack, sinks, more, ..Self::new(base_url, start) }
    }
}

impl Host {
    /// Two file sinks, `events.ndjson` and `alerts.ndjson`, our modules, the archive.
    pub fn new(setup: &Setup) -> Self {
        let host = Self { dir: tempfile::tempdir().expect("a temporary folder") };
        host.share_compiled();
        host.configure(setup);
        host
    }

    pub fn configure(&self, setup: &Setup) {
        let token = self.path("token");
        std::fs::write(&token, "xoxp-test").expect("token");
        private(&token);
        let start = gridwatch_event::time::UnixSeconds(setup.start);
        let modules = our_modules();
        let sinks = &setup.sinks;
        // Sinks get the entries alone where a test is about nothing else.
        let monitor = if setup.more.contains("[monitor]") { "" } else { "[monitor]\nheartbeat = \"0s\"" };
        let text = format!(
            "state_dir = \"state\"\n\
             [slack]\nbase_url = \"{}\"\ntoken_file = \"token\"\nstart = \"{start}\"\nrequests_per_minute = 6000\n{}\n\
             [modules]\ndir = {modules:?}\n[modules.grants]\nsign-in = [\"lookup\"]\nsessions = [\"lookup\"]\nplaces = [\"lookup\"]\n\
             channels = [\"lookup\"]\nconnect = [\"lookup\"]\n\
             [lookups]\ncorporate_egress = [\"198.51.100.0/24\"]\nsensitive_channels = [\"C0PLANS\"]\n\
             [[sink]]\nname = \"events\"\ntype = \"file\"\npath = \"events.ndjson\"\ninclude = [\"events\"]\n{sinks}\n\
             [[sink]]\nname = \"alerts\"\ntype = \"file\"\npath = \"alerts.ndjson\"\ninclude = [\"alerts\"]\n{sinks}\n{}\n{monitor}\n",
            setup.base_url, setup.slack, setup.more
        );
        std::fs::write(self.path("gridwatch.toml"), text).expect("configuration");
    }

    /// Compiled modules are kept for all tests together: compiling costs a start more than anything else.
    fn share_compiled(&self) {
        use std::os::unix::fs::{DirBuilderExt, symlink};
        let shared = root().join("target/test-compiled");
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&shared).expect("a cache");
        std::fs::create_dir(self.path("state")).expect("state");
        symlink(shared, self.path("state/compiled")).expect("a link");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `gridwatch run --config … <args>`, in the background.
    pub fn start(&self, args: &[&str]) -> Child {
        self.start_into(args, Stdio::null())
    }

    /// The same, with somewhere for its standard output.
    pub fn start_into(&self, args: &[&str], stdout: Stdio) -> Child {
        self.run(args).stdout(stdout).spawn().expect("gridwatch starts")
    }

    /// `gridwatch run --config … <args>`, to be started. What it says goes into the log.
    pub fn run(&self, args: &[&str]) -> Command {
        let mut command = gridwatch();
        command.arg("run").arg("--config").arg(self.path("gridwatch.toml")).args(args);
        let log = std::fs::File::options().create(true).append(true).open(self.path("log")).expect("log");
        command.stdout(Stdio::null()).stderr(log);
        command
    }

    /// `gridwatch run --once`, to its end.
    pub fn run_once(&self) -> Output {
        let mut command = gridwatch();
        ended(command.arg("run").arg("--config").arg(self.path("gridwatch.toml")).arg("--once"))
    }

    /// Like [`Host::run_once`], but has to succeed.
    pub fn run_once_well(&self) {
        let output = self.run_once();
        assert!(output.status.success(), "{}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }

    /// Slack ids in the events file and its rotated predecessors, with how often each was delivered. Panics on a torn line.
    pub fn delivered(&self) -> BTreeMap<String, u64> {
        self.delivered_to("events.ndjson")
    }

    /// The same for another sink's file.
    pub fn delivered_to(&self, name: &str) -> BTreeMap<String, u64> {
        let mut ids = BTreeMap::new();
        // What people did to gridwatch itself goes to whoever takes events, and is none.
        for event in self.lines(name).into_iter().filter(|line| !is_audit(line)) {
            let id = event["metadata"]["uid"].as_str().expect("an event has an id").to_owned();
            *ids.entry(id).or_default() += 1;
        }
        ids
    }

    /// Alerts delivered, by `metadata.uid`, which names alert and revision.
    pub fn alerts(&self) -> BTreeMap<String, Value> {
        let alerts = self.lines("alerts.ndjson").into_iter();
        alerts.map(|a| (a["metadata"]["uid"].as_str().expect("an alert has an id").to_owned(), a)).collect()
    }

    /// Every line of a sink's files, oldest file first. As for a log agent, what has no line feed yet is no line: it may be
    /// in the middle of being written.
    pub fn lines(&self, name: &str) -> Vec<Value> {
        let texts = self.texts(name);
        let whole = texts.iter().map(|text| text.rsplit_once('\n').map_or("", |(lines, _)| lines));
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("torn line ({e}): {line}"));
        whole.flat_map(|text| text.lines().map(parse).collect::<Vec<_>>()).collect()
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let newest = self.path(name);
        let prefix = format!("{}.", newest.file_name().expect("a file name").to_string_lossy());
        let mut files: Vec<PathBuf> = std::fs::read_dir(newest.parent().expect("a folder"))
            .expect("the folder")
            .filter_map(|file| Some(file.ok()?.path()))
            .filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&prefix)))
            .collect();
        files.sort();
        files.push(newest);
        files.iter().filter_map(|file| std::fs::read_to_string(file).ok()).collect()
    }

    /// What the delivered events were made of, by Slack id: the bytes that Slack sent.
    pub fn raw(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| value.as_str().expect("an event has an id and its raw data").to_owned();
        let events = self.lines("events.ndjson");
        let events = events.iter().filter(|line| !is_audit(line));
        events.map(|event| (text(&event["metadata"]["uid"]), text(&event["raw_data"]))).collect()
    }

    /// `seq` and Slack id of every archived entry, in the order in which they were judged.
    pub fn archived(&self, folder: &str) -> Vec<(u64, String)> {
        crate::logs::archived(&self.path(folder))
    }

    /// Ids of all alerts in the history, those that nobody was told of as well.
    pub fn history(&self) -> BTreeSet<String> {
        let mut command = gridwatch();
        command
            .args(["alerts", "list", "--suppressed", "--json", "--limit", "0", "--state-dir"])
            .arg(self.path("state"));
        let output = ended(&mut command);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let uid = |line: &str| -> String {
            let alert: Value = serde_json::from_str(line).expect("an alert");
            alert["uid"].as_str().expect("an id").to_owned()
        };
        String::from_utf8_lossy(&output.stdout).lines().map(uid).collect()
    }

    /// Every one of these ids was delivered and archived exactly once, and nothing else was.
    pub fn assert_exactly(&self, ids: &BTreeSet<String>) {
        exactly("events.ndjson", &self.delivered(), ids);
        assert!(self.texts("events.ndjson").iter().all(|t| t.is_empty() || t.ends_with('\n')), "a torn end was left");
        let archived = self.archived("state/archive");
        let mut times = BTreeMap::new();
        archived.iter().for_each(|(_, id)| *times.entry(id.clone()).or_default() += 1);
        exactly("archive", &times, ids);
        assert!(archived.windows(2).all(|pair| pair[0].0 < pair[1].0), "numbers in the archive don't rise");
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Waits until this process polls, detects and delivers: its first status says only that it starts.
    pub fn until_running(&self, process: &Child) {
        until("running", || {
            let status = self.status();
            status["pid"] == process.id() && status["phase"] == "running"
        });
    }

    /// Waits until there is time to ask for that wasn't read yet, with the five seconds in which entries settle in all tests.
    pub fn until_time_has_passed(&self) {
        until("a watermark", || self.status()["poll"]["watermark"].is_u64());
        let mark = self.status()["poll"]["watermark"].as_u64().expect("a watermark");
        until("time that has settled", || crate::sim::now() > mark + 5 + 1);
    }

    pub fn status(&self) -> Value {
        let text = std::fs::read(self.path("state/status.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }
}

/// Is it a record of the audit trail of gridwatch itself?
pub fn is_audit(line: &Value) -> bool {
    line["metadata"]["event_code"] == "gridwatch.audit"
}

/// The binary beside this test's own executable; `cargo xtask test` builds it first. What it compiles is kept for all tests.
pub fn gridwatch() -> Command {
    let own = std::env::current_exe().expect("own path");
    let path = own.ancestors().nth(2).expect("target folder").join("gridwatch");
    assert!(path.is_file(), "no {}: run `cargo build --workspace --bin gridwatch`", path.display());
    let mut command = Command::new(path);
    command.env("XDG_CACHE_HOME", root().join("target/test-caches"));
    // What whoever runs the tests has set for programs of theirs.
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NOTIFY_SOCKET"] {
        command.env_remove(name);
    }
    command
}

/// What a command that ends by itself said; a polling that never gets there fails the test instead of hanging it.
pub fn ended(command: &mut Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("gridwatch starts");
    let id = child.id();
    let (ended, waits) = std::sync::mpsc::channel::<()>();
    let guard = std::thread::spawn(move || {
        let is_late = waits.recv_timeout(LONGEST_RUN) == Err(std::sync::mpsc::RecvTimeoutError::Timeout);
        is_late && send(id, Signal::KILL)
    });
    let output = child.wait_with_output().expect("gridwatch ends");
    drop(ended);
    let was_killed = guard.join().expect("a thread");
    assert!(!was_killed, "still running after {LONGEST_RUN:?}\n{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// SIGTERM, as a service manager would stop it; it has to end well.
pub fn terminate(mut gridwatch: Child) {
    assert!(send(gridwatch.id(), Signal::TERM), "gridwatch had ended by itself");
    let status = gridwatch.wait().expect("gridwatch ends");
    assert!(status.success(), "{status}");
}

/// SIGKILL: what a power cut or the OOM killer does.
pub fn kill(mut gridwatch: Child) {
    gridwatch.kill().expect("still running");
    gridwatch.wait().expect("gridwatch ends");
}

/// Waits until something has happened in another process.
pub fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let ends = crate::sim::now() + PATIENCE.as_secs();
    while !happened() {
        assert!(crate::sim::now() < ends, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The folder with our modules.
pub fn our_modules() -> PathBuf {
    root().join("target/modules")
}

/// The workspace's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a parent").to_owned()
}

/// Only for its owner, as the configuration demands of secrets.
pub fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("permissions");
}

/// Each id once.
pub fn exactly(place: &str, times: &BTreeMap<String, u64>, ids: &BTreeSet<String>) {
    let lost: Vec<&String> = ids.iter().filter(|id| !times.contains_key(*id)).collect();
    let doubled: Vec<&String> = times.iter().filter(|(_, n)| **n > 1).map(|(id, _)| id).collect();
    let foreign: Vec<&String> = times.keys().filter(|id| !ids.contains(*id)).collect();
    let few = |ids: &[&String]| format!("{} {:?}", ids.len(), &ids[..ids.len().min(3)]);
    assert!(
        lost.is_empty() && doubled.is_empty() && foreign.is_empty(),
        "{place}: of {} entries lost {}, more than once {}, foreign {}",
        ids.len(),
        few(&lost),
        few(&doubled),
        few(&foreign)
    );
}

/// A signal by its name without `SIG`.
pub fn signal(gridwatch: &Child, name: &str) {
    let signal = match name {
        "TERM" => Signal::TERM,
        "INT" => Signal::INT,
        "HUP" => Signal::HUP,
        "STOP" => Signal::STOP,
        "CONT" => Signal::CONT,
        _ => panic!("SIG{name} is sent by no test yet"),
    };
    assert!(send(gridwatch.id(), signal), "gridwatch had ended by itself");
}

/// A process that has ended and wasn't waited for takes signals, too.
fn send(id: u32, signal: Signal) -> bool {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(id, signal).is_ok()
}

/// How it ends. Has to be within so many seconds.
pub fn ends_within(seconds: u64, mut gridwatch: Child) -> ExitStatus {
    for _ in 0..seconds * 50 {
        if let Some(status) = gridwatch.try_wait().expect("a child") {
            return status;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    kill(gridwatch);
    panic!("still running after {seconds} s");
}
