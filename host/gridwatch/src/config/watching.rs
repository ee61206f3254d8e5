//! The configuration of `gridwatch watch`: where the heartbeats of another gridwatch are read, and who is told when they stop.

use super::check::{config_text, document, folder_of, log, sinks};
use super::monitor::{Telemetry, telemetry};
use super::{Log, Network, Sink};
use crate::reader::{DAY_S, Edge, HOUR_S, Problems, Purpose, Section};
use crate::secret::environment;
use reqwest::Url;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug)]
pub struct Watching {
    pub state_dir: PathBuf,
    pub source: Source,
    pub network: Network,
    pub every_ms: u64,
    pub patience_ms: u64,
    pub again_ms: u64,
    /// At least one; they get alerts.
    pub sinks: Vec<Sink>,
    pub telemetry: Telemetry,
    pub log: Log,
}

/// Where heartbeats come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `telemetry.listen` of the gridwatch that is watched.
    Http(Url),
    /// A file sink's file, or a copy of it, in the view `ocsf` or `ecs`.
    File(PathBuf),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http(url) => f.write_str(url.as_str()),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl Watching {
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, Problems> {
        let text = config_text(path)?;
        let document = document(path, &text)?;
        let edge = Edge { file: path, folder: folder_of(path), env: &environment, purpose: Purpose::Run };
        let watching = watching(document.root(), &edge);
        let problems = document.into_problems();
        match watching {
            Some(watching) if problems.is_empty() => Ok(watching),
            _ => Err(Problems::of_file(path.to_owned(), problems)),
        }
    }
}

fn watching(mut root: Section<'_>, edge: &Edge<'_>) -> Option<Watching> {
    let state_dir = root.required_text("state_dir", "name a folder of the watcher's own, not the one that is watched");
    let mut section = root.section("watch");
    let source = source(&mut section, edge);
    let network = Network::read(&mut section, edge);
    let every_ms = section.span("every", 1..=HOUR_S, 30) * 1_000;
    // Longer than a restart takes.
    let patience_ms = section.span("patience", 1..=DAY_S, 300) * 1_000;
    let again_ms = section.span("again", 1..=7 * DAY_S, HOUR_S) * 1_000;
    section.finish();
    let sinks = sinks(&mut root, edge);
    if !sinks.is_empty() && !sinks.iter().any(|sink| sink.include.alerts) {
        root.problem("sink", "none of them takes alerts", "add `include = [\"alerts\"]` to one".to_owned());
    }
    let section = root.section("telemetry");
    if section.has("listen") {
        section.problem("listen", "is for `gridwatch run`", None);
    }
    let telemetry = telemetry(section, edge);
    let log = log(root.section("log"));
    root.finish();
    let state_dir = edge.folder.join(state_dir?);
    Some(Watching { state_dir, source: source?, network, every_ms, patience_ms, again_ms, sinks, telemetry, log })
}

fn source(section: &mut Section<'_>, edge: &Edge<'_>) -> Option<Source> {
    let (url, file) = (section.text("url"), section.text("file"));
    match (url, file) {
        (Some(_), Some(_)) => {
            section.problem("file", "is there beside `url`", "keep one of the two".to_owned());
            None
        }
        (Some(url), None) => {
            let parsed =
                Url::parse(&url).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
            if parsed.is_none() {
                let hint = "the `telemetry.listen` of the gridwatch that is watched, as in \"http://10.0.0.5:9464\"";
                section.problem("url", format!("`{url}` is not an address"), hint.to_owned());
            }
            parsed.map(Source::Http)
        }
        (None, Some(file)) => Some(Source::File(edge.folder.join(file))),
        (None, None) => {
            let hint = "or `file`, a file sink's file; one of the two says where heartbeats are read";
            section.problem("url", "is missing", hint.to_owned());
            None
        }
    }
}
