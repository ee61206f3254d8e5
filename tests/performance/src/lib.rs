//! How fast gridwatch is, how much memory it takes and how much it writes: `cargo xtask bench replay`, and its siblings.
//!
//! Whatever is measured is the real program, as a process of its own, over a seeded corpus ([`corpus`]). Beside each run of it
//! runs the floor ([`floor`]: serde_json over the same file, and nothing else), in turn, and each cost is given as a
//! multiple of the floor's of the same turn: machines differ and are shared, and seconds say little. `docs/performance.md` says what
//! came of it so far.

mod browsers;
mod commands;
mod corpus;
pub mod floor;
mod growth;
mod ingest;
mod latency;
mod page;
mod process;
mod report;
mod scene;
mod slack;
mod start;

pub use corpus::{Corpus, Kind};
pub use report::{Cell, Report, Spread};

use std::path::{Path, PathBuf};

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bench {
    /// `gridwatch replay` of a file, with all modules.
    Replay,
    /// `gridwatch normalize` of a file.
    Normalize,
    /// `gridwatch run --once` from a Slack on this machine, with all modules, sinks for events and alerts, and the archive.
    Ingest,
    /// `gridwatch run` while entries come: from the page that brings one to the alert about it.
    Latency,
    /// The same with nobody looking at its page, and with many who look.
    Page,
    /// From the start of `gridwatch run` to its first request, with nothing in the store and with much.
    Start,
    /// What ten times as many entries cost, and each tenth of them.
    Growth,
}

impl Bench {
    pub const ALL: [Self; 7] =
        [Self::Replay, Self::Normalize, Self::Ingest, Self::Latency, Self::Page, Self::Start, Self::Growth];

    pub fn name(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Normalize => "normalize",
            Self::Ingest => "ingest",
            Self::Latency => "latency",
            Self::Page => "page",
            Self::Start => "start",
            Self::Growth => "growth",
        }
    }
}

/// What to measure with, and how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program that is measured.
    pub gridwatch: PathBuf,
    /// The program that it is measured against.
    pub floor: PathBuf,
    pub modules: PathBuf,
    /// Where corpora and state folders are made. It should be on the disk that matters.
    pub folder: PathBuf,
    pub kinds: Vec<Kind>,
    /// Entries of each corpus: the first ones of a month.
    pub entries: u64,
    /// Pairs of a run of the program and one of the floor.
    pub runs: usize,
    /// Entries a page, one measurement each.
    pub pages: Vec<u32>,
    /// Entries a second while they come, and for how many seconds.
    pub rate: u64,
    pub seconds: u64,
}

/// Measures.
///
/// # Panics
/// Something that is needed can't be made or read, or the program doesn't do what it is measured at.
pub fn measure(bench: Bench, options: &Options) -> Report {
    std::fs::create_dir_all(&options.folder).expect("a folder for corpora");
    match bench {
        Bench::Replay => commands::replay(options),
        Bench::Normalize => commands::normalize(options),
        Bench::Ingest => ingest::measure(options),
        Bench::Latency => latency::measure(options),
        Bench::Page => page::measure(options),
        Bench::Start => start::measure(options),
        Bench::Growth => growth::measure(options),
    }
}

/// The workspace's root.
///
/// # Panics
/// This crate isn't in it.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two folders above").to_owned()
}

/// The gridwatch of the same build as the executable that asks, which is a test or a benchmark.
///
/// # Panics
/// It has not been built.
pub fn gridwatch() -> PathBuf {
    let own = std::env::current_exe().expect("own path");
    let path = own.ancestors().nth(2).expect("target folder").join("gridwatch");
    assert!(path.is_file(), "no {}: run `cargo build --workspace --bin gridwatch`", path.display());
    path
}
