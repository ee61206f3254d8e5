//! The real `gridwatch` binary in a folder of its own: what a test says to it, and what came out.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

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
    /// More tables, at the end of the file.
    pub more: String,
}

impl Setup {
    pub fn new(base_url: &str, start: u64) -> Self {
        Self { base_url: base_url.into(), start, slack: String::new(), more: String::new() }
    }
}

impl Host {
    /// Two file sinks, `events.ndjson` and `alerts.ndjson`, our modules, the archive.
    pub fn new(setup: &Setup) -> Self {
        let host = Self { dir: tempfile::tempdir().expect("a temporary folder") };
        host.configure(setup);
        host
    }

    pub fn configure(&self, setup: &Setup) {
        let token = self.path("token");
        std::fs::write(&token, "xoxp-test").expect("token");
        private(&token);
        let start = gridwatch_core::time::UnixSeconds(setup.start);
        let modules = root().join("target/modules");
        assert!(modules.is_dir(), "no modules in {}: run `cargo xtask modules`", modules.display());
        let text = format!(
            "state_dir = \"state\"\n\
             [slack]\nbase_url = \"{}\"\ntoken_file = \"token\"\nstart = \"{start}\"\nrequests_per_minute = 6000\n{}\n\
             [modules]\ndir = {modules:?}\n[modules.grants]\nsign-in = [\"lookup\"]\n\
             [lookups]\ncorporate_egress = [\"198.51.100.0/24\"]\n\
             [[sink]]\nname = \"events\"\ntype = \"file\"\npath = \"events.ndjson\"\ninclude = [\"events\"]\n\
             [[sink]]\nname = \"alerts\"\ntype = \"file\"\npath = \"alerts.ndjson\"\ninclude = [\"alerts\"]\n{}\n",
            setup.base_url, setup.slack, setup.more
        );
        std::fs::write(self.path("gridwatch.toml"), text).expect("configuration");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `gridwatch run --config … <args>`, in the background.
    pub fn start(&self, args: &[&str]) -> Child {
        let mut command = gridwatch();
        command.arg("run").arg("--config").arg(self.path("gridwatch.toml")).args(args);
        let log = std::fs::File::options().create(true).append(true).open(self.path("log")).expect("log");
        command.stdout(Stdio::null()).stderr(log).spawn().expect("gridwatch starts")
    }

    /// `gridwatch run --once`, to its end.
    pub fn run_once(&self) -> Output {
        let mut command = gridwatch();
        command
            .arg("run")
            .arg("--config")
            .arg(self.path("gridwatch.toml"))
            .arg("--once")
            .output()
            .expect("gridwatch runs")
    }

    /// Like [`Host::run_once`], but has to succeed.
    pub fn run_once_well(&self) {
        let output = self.run_once();
        assert!(output.status.success(), "{}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }

    /// Slack ids in the events file and its rotated predecessors, with how often each was delivered. Panics on a torn line.
    pub fn delivered(&self) -> BTreeMap<String, u64> {
        let mut ids = BTreeMap::new();
        for event in self.lines("events.ndjson") {
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

    /// Every line of a sink's files, oldest file first.
    pub fn lines(&self, name: &str) -> Vec<Value> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.dir.path())
            .expect("the folder")
            .filter_map(|file| Some(file.ok()?.path()))
            .filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&format!("{name}."))))
            .collect();
        files.sort();
        files.push(self.path(name));
        let texts = files.iter().filter_map(|file| std::fs::read_to_string(file).ok());
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("torn line ({e}): {line}"));
        texts.flat_map(|text| text.lines().map(parse).collect::<Vec<_>>()).collect()
    }

    /// What the delivered events were made of, by Slack id: the bytes that Slack sent.
    pub fn raw(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| value.as_str().expect("an event has an id and its raw data").to_owned();
        let events = self.lines("events.ndjson");
        events.iter().map(|event| (text(&event["metadata"]["uid"]), text(&event["raw_data"]))).collect()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub fn status(&self) -> Value {
        let text = std::fs::read(self.path("state/status.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }
}

/// The binary beside this test's own executable; `cargo xtask test` builds it first.
pub fn gridwatch() -> Command {
    let own = std::env::current_exe().expect("own path");
    let path = own.ancestors().nth(2).expect("target folder").join("gridwatch");
    assert!(path.is_file(), "no {}: run `cargo build -p gridwatch`", path.display());
    Command::new(path)
}

/// SIGTERM, as a service manager would stop it; it has to end well.
pub fn terminate(mut gridwatch: Child) {
    let told = Command::new("kill").arg("-TERM").arg(gridwatch.id().to_string()).status().expect("kill");
    assert!(told.success(), "gridwatch had ended by itself");
    let status = gridwatch.wait().expect("gridwatch ends");
    assert!(status.success(), "{status}");
}

/// SIGKILL: what a power cut or the OOM killer does.
pub fn kill(mut gridwatch: Child) {
    gridwatch.kill().expect("still running");
    gridwatch.wait().expect("gridwatch ends");
}

/// Waits until something has happened in another process, for at most half a minute.
pub fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let waited = (0..1_500).find(|_| {
        let there = happened();
        if !there {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        there
    });
    assert!(waited.is_some(), "waited in vain: {what}");
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
