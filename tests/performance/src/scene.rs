//! What a gridwatch that runs needs: a folder with a configuration, on the disk that is measured.

use super::{Corpus, Options};
use jiff::Timestamp;
use std::fs::Permissions;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder with a configuration; removed when it is dropped.
#[derive(Debug)]
pub(super) struct Scene {
    folder: tempfile::TempDir,
    gridwatch: PathBuf,
}

impl Scene {
    /// Two file sinks, one for events and one for alerts, all modules, the archive. `start` is the first second that is wanted.
    pub(super) fn new(options: &Options, base_url: &str, start: u64, page: u32) -> Self {
        let folder = tempfile::tempdir_in(&options.folder).expect("a folder");
        let scene = Self { folder, gridwatch: options.gridwatch.clone() };
        // Compiled once for all: compiling is no part of what is measured.
        let compiled = options.folder.join("compiled");
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&compiled).expect("a folder");
        std::fs::create_dir(scene.path("state")).expect("a folder");
        let compiled = compiled.canonicalize().expect("a folder");
        symlink(compiled, scene.path("state/compiled")).expect("a link");
        scene.put_secret("token", "xoxp-bench");
        let (start, modules) = (timestamp(start), &options.modules);
        let text = format!(
            "state_dir = \"state\"\n\
             [slack]\nbase_url = \"{base_url}\"\ntoken_file = \"token\"\nstart = \"{start}\"\nrequests_per_minute = 6000\n\
             page_limit = {page}\nmax_window = \"7d\"\nsettle = \"5s\"\ninterval = \"1s\"\n\
             [modules]\ndir = {modules:?}\n[modules.grants]\nsign-in = [\"lookup\"]\nsessions = [\"lookup\"]\nplaces = [\"lookup\"]\n\
             channels = [\"lookup\"]\nconnect = [\"lookup\"]\n\
             [lookups]\ncorporate_egress = [\"198.51.100.0/24\"]\nsensitive_channels = [\"C0PLANS\"]\n\
             [[sink]]\nname = \"events\"\ntype = \"file\"\npath = \"events.ndjson\"\ninclude = [\"events\"]\nkeep = 0\n\
             [[sink]]\nname = \"alerts\"\ntype = \"file\"\npath = \"alerts.ndjson\"\ninclude = [\"alerts\"]\nkeep = 0\n"
        );
        std::fs::write(scene.path("gridwatch.toml"), text).expect("a file");
        scene
    }

    /// Says more in the configuration, and puts a secret beside it.
    pub(super) fn configure(&self, more: &str, (name, secret): (&str, &str)) {
        let path = self.path("gridwatch.toml");
        let text = std::fs::read_to_string(&path).expect("the configuration");
        std::fs::write(path, text + more).expect("a file");
        self.put_secret(name, secret);
    }

    fn put_secret(&self, name: &str, secret: &str) {
        let path = self.path(name);
        std::fs::write(&path, secret).expect("a file");
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("permissions");
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `gridwatch run`.
    pub(super) fn run(&self) -> Command {
        let mut command = Command::new(&self.gridwatch);
        command.arg("run").arg("--config").arg(self.path("gridwatch.toml"));
        command
    }

    pub(super) fn run_once(&self) -> Command {
        let mut command = self.run();
        command.arg("--once");
        command
    }

    /// What the file of this sink and its rotated predecessors have.
    pub(super) fn sink_bytes(&self, name: &str) -> u64 {
        let files = std::fs::read_dir(self.folder.path()).expect("a folder").filter_map(Result::ok);
        let of_sink = files.filter(|file| file.file_name().to_string_lossy().starts_with(name));
        of_sink.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum()
    }

    /// What is left in a folder below the state folder; links aren't followed.
    pub(super) fn left(&self, name: &str) -> u64 {
        bytes_in(&self.path("state").join(name))
    }

    /// Lines of a sink.
    pub(super) fn lines(&self, name: &str) -> u64 {
        let files = std::fs::read_dir(self.folder.path()).expect("a folder").filter_map(Result::ok);
        let of_sink = files.filter(|file| file.file_name().to_string_lossy().starts_with(name));
        let texts = of_sink.map(|file| std::fs::read(file.path()).expect("a file of the sink"));
        texts.map(|text| text.iter().filter(|byte| **byte == b'\n').count() as u64).sum()
    }
}

fn bytes_in(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    files
        .map(|file| match file.metadata() {
            Ok(meta) if meta.is_dir() => bytes_in(&file.path()),
            Ok(meta) if meta.is_file() => meta.len(),
            _ => 0,
        })
        .sum()
}

/// Epoch seconds as a time.
pub(super) fn timestamp(seconds: u64) -> Timestamp {
    i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok()).unwrap_or_default()
}

/// Time and text of each entry.
pub(super) fn entries(corpus: &Corpus) -> Vec<(u64, String)> {
    let text = std::fs::read_to_string(&corpus.path).expect("the corpus");
    text.lines().map(|line| (time_of(line), line.to_owned())).collect()
}

const TIME: &str = "\"date_create\":";

fn time_of(json: &str) -> u64 {
    let after = json.split_once(TIME).expect("an entry with a time").1;
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after[..digits].parse().expect("seconds")
}

/// The entry at another time.
pub(super) fn at(json: &str, time: u64) -> String {
    let (before, after) = json.split_once(TIME).expect("an entry with a time");
    format!("{before}{TIME}{time}{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
}
