//! `gridwatch run --once`: from Slack to the sinks.

use super::commands::{floor, megabytes, per_entry};
use super::process::{Cost, Running, run_looking};
use super::scene::{Scene, entries};
use super::slack::Slack;
use super::{Corpus, Options, Report, Spread};

const COLUMNS: &[&str] = &[
    "corpus",
    "entries",
    "entries a page",
    "floor, us of CPU an entry",
    "us of CPU an entry",
    "times the floor",
    "peak RSS, MB",
    "written beside sinks, bytes a byte of entries",
    "store left, MB",
    "archive left, MB",
    "sinks, MB",
    "alerts",
    "wall, s",
];

/// One run to the end.
#[derive(Debug)]
pub(super) struct Ingested {
    pub(super) cost: Cost,
    pub(super) of_floor: Cost,
    pub(super) scene: Scene,
}

pub(super) fn measure(options: &Options) -> Report {
    let mut report = Report::new("ingest", COLUMNS);
    for kind in &options.kinds {
        let corpus = Corpus::make(*kind, options.entries, &options.folder);
        let slack = Slack::start(entries(&corpus));
        warm(options, &corpus);
        for page in &options.pages {
            let runs: Vec<Ingested> =
                (0..options.runs).map(|_| Ingested::run(options, &slack, &corpus, *page, |_, _| {})).collect();
            let each = |of: &dyn Fn(&Ingested) -> f64| Spread::of(runs.iter().map(of)).into();
            report.row(vec![
                kind.name().into(),
                (corpus.entries as f64).into(),
                f64::from(*page).into(),
                each(&|run| per_entry(run.of_floor.cpu, &corpus)),
                each(&|run| per_entry(run.cost.cpu, &corpus)),
                each(&|run| run.cost.cpu.as_secs_f64() / run.of_floor.cpu.as_secs_f64()),
                each(&|run| megabytes(run.cost.peak_rss)),
                each(&|run| run.written_beside_sinks() / corpus.bytes as f64),
                each(&|run| megabytes(run.scene.left("store"))),
                each(&|run| megabytes(run.scene.left("archive"))),
                each(&|run| megabytes(run.sink_bytes())),
                each(&|run| run.scene.lines("alerts.ndjson") as f64),
                each(&|run| run.cost.wall.as_secs_f64()),
            ]);
        }
    }
    report
}

/// Has the modules compiled: a start compiles them once, and that is no part of what is measured.
pub(super) fn warm(options: &Options, corpus: &Corpus) {
    let few = Slack::start(entries(corpus).into_iter().take(1));
    let scene = Scene::new(options, &few.base_url(), corpus.first, 1_000);
    super::process::run(&mut scene.run_once(), &scene.path("errors"));
}

impl Ingested {
    /// Runs the floor, then the program; `look` is called every few milliseconds.
    ///
    /// # Panics
    /// Not every entry is delivered.
    pub(super) fn run(
        options: &Options,
        slack: &Slack,
        corpus: &Corpus,
        page: u32,
        mut look: impl FnMut(&Running, &Scene),
    ) -> Self {
        let scene = Scene::new(options, &slack.base_url(), corpus.first, page);
        let of_floor = floor(options, corpus);
        let cost = run_looking(&mut scene.run_once(), &scene.path("errors"), |running| look(running, &scene));
        let delivered = scene.lines("events.ndjson");
        assert_eq!(delivered, corpus.entries, "delivered; the corpus has no entry twice");
        Self { cost, of_floor, scene }
    }

    fn sink_bytes(&self) -> u64 {
        self.scene.sink_bytes("events.ndjson") + self.scene.sink_bytes("alerts.ndjson")
    }

    /// The sinks' own files are what is wanted, so they don't count.
    fn written_beside_sinks(&self) -> f64 {
        self.cost.written.saturating_sub(self.sink_bytes()) as f64
    }
}
