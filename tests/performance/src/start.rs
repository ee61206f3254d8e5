//! How long a start takes, until Slack is asked for the first page.

use super::commands::{floor, megabytes};
use super::ingest::{Ingested, warm};
use super::process::{Running, seconds};
use super::scene::{Scene, entries};
use super::slack::Slack;
use super::{Cell, Corpus, Kind, Options, Report, Spread};
use std::time::Duration;

const COLUMNS: &[&str] = &[
    "state of",
    "state, MB",
    "to the first request, ms",
    "CPU until then, ms",
    "CPU, times the floor of 1,000 entries",
    "peak RSS, MB",
];
/// The floor over so many entries is what a start is compared with.
const MEASURE: u64 = 1_000;
const LONGEST: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// Between an end and the next start, so that there is time to ask for: what waits for the interval is no part of a start.
const PAUSE: Duration = Duration::from_secs(2);

struct Started {
    wall: Duration,
    cpu: Duration,
    of_floor: Duration,
    peak_rss: u64,
}

pub(super) fn measure(options: &Options) -> Report {
    let mut report = Report::new("start", COLUMNS);
    let floor_of = Corpus::make(Kind::Realistic, MEASURE, &options.folder);
    let nothing = Slack::start([]);
    warm(options, &floor_of);
    // Each with a folder of its own, in which nothing was ever.
    let empty = || Scene::new(options, &nothing.base_url(), seconds() - 60, 1_000);
    let runs = (0..options.runs).map(|_| start(options, &empty(), &nothing, &floor_of)).collect();
    row(&mut report, "nothing".into(), 0, runs);
    for kind in &options.kinds {
        let corpus = Corpus::make(*kind, options.entries, &options.folder);
        let slack = Slack::start(entries(&corpus));
        let Ingested { scene, .. } = Ingested::run(options, &slack, &corpus, 9_999, |_, _| {});
        let state = scene.left("store");
        let runs = (0..options.runs).map(|_| start(options, &scene, &slack, &floor_of)).collect();
        row(&mut report, Cell::Text(format!("{} {} entries", corpus.entries, kind.name())), state, runs);
    }
    report
}

fn row(report: &mut Report, name: Cell, state: u64, runs: Vec<Started>) {
    let each = |of: &dyn Fn(&Started) -> f64| Spread::of(runs.iter().map(of)).into();
    report.row(vec![
        name,
        megabytes(state).into(),
        each(&|run| run.wall.as_secs_f64() * 1e3),
        each(&|run| run.cpu.as_secs_f64() * 1e3),
        each(&|run| run.cpu.as_secs_f64() / run.of_floor.as_secs_f64()),
        each(&|run| megabytes(run.peak_rss)),
    ]);
}

/// Starts it, and ends it when Slack has been asked.
fn start(options: &Options, scene: &Scene, slack: &Slack, floor_of: &Corpus) -> Started {
    let of_floor = floor(options, floor_of).cpu;
    std::thread::sleep(PAUSE);
    slack.take_served();
    let mut running = Running::start(&mut scene.run(), &scene.path("errors"));
    let began = running.began();
    let asked = loop {
        if let Some(asked) = slack.first_asked() {
            break asked;
        }
        let said = || std::fs::read_to_string(scene.path("errors")).unwrap_or_default();
        assert!(running.look() && began.elapsed() < LONGEST, "it asked for nothing: {}", said());
        std::thread::sleep(LOOK_EVERY);
    };
    let cpu = running.cpu();
    let (cost, status) = running.terminated();
    assert!(status.success(), "{status}");
    Started { wall: asked.duration_since(began), cpu, of_floor, peak_rss: cost.peak_rss }
}
