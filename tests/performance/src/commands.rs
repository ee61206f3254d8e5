//! Commands that read a file and end: `replay` and `normalize`.

use super::process::{Cost, run};
use super::{Cell, Corpus, Options, Report, Spread};
use std::path::{Path, PathBuf};
use std::process::Command;

const COLUMNS: &[&str] = &[
    "corpus",
    "entries",
    "MB",
    "floor, us of CPU an entry",
    "us of CPU an entry",
    "times the floor",
    "start, s of CPU",
    "peak RSS, MB",
    "wall, s",
];

/// Costs of the program and of the floor, in turn, over one corpus.
#[derive(Clone, Debug)]
pub(super) struct Pairs {
    pub(super) corpus: Corpus,
    pub(super) of_program: Vec<Cost>,
    pub(super) of_floor: Vec<Cost>,
    /// What the program costs with a single entry: compiled modules, a configuration, an end.
    pub(super) of_start: Vec<Cost>,
}

pub(super) fn replay(options: &Options) -> Report {
    report("replay", options, |file| replaying(options, file))
}

pub(super) fn normalize(options: &Options) -> Report {
    report("normalize", options, |file| {
        let mut command = Command::new(&options.gridwatch);
        command.arg("normalize").arg(file);
        command
    })
}

/// `gridwatch replay`, with all modules and what is compiled of them.
pub(super) fn replaying(options: &Options, file: &Path) -> Command {
    let mut command = Command::new(&options.gridwatch);
    command.arg("replay").arg("--modules").arg(&options.modules).arg(file);
    command.env("XDG_CACHE_HOME", options.folder.join("cache"));
    command
}

fn report(bench: &'static str, options: &Options, command: impl Fn(&Path) -> Command) -> Report {
    let mut report = Report::new(bench, COLUMNS);
    for kind in &options.kinds {
        report.row(Pairs::measure(options, Corpus::make(*kind, options.entries, &options.folder), &command).row());
    }
    report
}

impl Pairs {
    pub(super) fn measure(options: &Options, corpus: Corpus, command: impl Fn(&Path) -> Command) -> Self {
        let errors = options.folder.join("errors");
        let single = single(options, &corpus);
        // Compiles the modules, and brings files into the cache.
        run(&mut command(&single), &errors);
        let mut pairs = Self { corpus, of_program: Vec::new(), of_floor: Vec::new(), of_start: Vec::new() };
        for _ in 0..options.runs {
            pairs.of_floor.push(floor(options, &pairs.corpus));
            pairs.of_start.push(run(&mut command(&single), &errors));
            pairs.of_program.push(run(&mut command(&pairs.corpus.path), &errors));
        }
        pairs
    }

    /// Microseconds of CPU an entry in each turn, without the start.
    pub(super) fn each(&self) -> Vec<f64> {
        let all = self.of_program.iter().zip(&self.of_start);
        all.map(|(cost, start)| per_entry(cost.cpu.saturating_sub(start.cpu), &self.corpus)).collect()
    }

    /// The same as multiples of the floor of that turn.
    pub(super) fn ratios(&self) -> Vec<f64> {
        let floors = self.of_floor.iter().map(|floor| per_entry(floor.cpu, &self.corpus));
        self.each().into_iter().zip(floors).map(|(each, floor)| each / floor).collect()
    }

    fn row(&self) -> Vec<Cell> {
        let corpus = &self.corpus;
        vec![
            corpus.kind.name().into(),
            (corpus.entries as f64).into(),
            megabytes(corpus.bytes).into(),
            Spread::of(self.of_floor.iter().map(|cost| per_entry(cost.cpu, corpus))).into(),
            Spread::of(self.each()).into(),
            Spread::of(self.ratios()).into(),
            Spread::of(self.of_start.iter().map(|cost| cost.cpu.as_secs_f64())).into(),
            Spread::of(self.of_program.iter().map(|cost| megabytes(cost.peak_rss))).into(),
            Spread::of(self.of_program.iter().map(|cost| cost.wall.as_secs_f64())).into(),
        ]
    }
}

/// The floor over a corpus.
pub(super) fn floor(options: &Options, corpus: &Corpus) -> Cost {
    run(Command::new(&options.floor).arg(&corpus.path), &options.folder.join("errors"))
}

pub(super) fn per_entry(cpu: std::time::Duration, corpus: &Corpus) -> f64 {
    cpu.as_secs_f64() * 1e6 / corpus.entries as f64
}

pub(super) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// A file with the first entry alone.
fn single(options: &Options, corpus: &Corpus) -> PathBuf {
    let text = std::fs::read_to_string(&corpus.path).expect("the corpus");
    let path = options.folder.join(format!("{}-first.ndjson", corpus.kind.name()));
    std::fs::write(&path, text.lines().next().unwrap_or_default()).expect("a file");
    path
}
