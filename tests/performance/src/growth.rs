//! Whether twice as much costs twice as much.

use super::commands::{Pairs, per_entry, replaying};
use super::ingest::{Ingested, warm};
use super::scene::entries;
use super::slack::Slack;
use super::{Cell, Corpus, Options, Report, Spread};
use std::time::Duration;

const COLUMNS: &[&str] =
    &["corpus", "what", "entries", "us of CPU an entry", "times the floor", "times that of a tenth"];
const TENTHS: u64 = 10;
/// The larger one.
const PAGE: u32 = 9_999;

pub(super) fn measure(options: &Options) -> Report {
    let mut report = Report::new("growth", COLUMNS);
    for kind in &options.kinds {
        let corpora =
            [options.entries / TENTHS, options.entries].map(|entries| Corpus::make(*kind, entries, &options.folder));
        let [tenth, all] = corpora.map(|corpus| Pairs::measure(options, corpus, |file| replaying(options, file)));
        let grown = Spread::of(all.each().iter().zip(tenth.each()).map(|(all, tenth)| all / tenth));
        for (pairs, grown) in [(&tenth, Cell::Nothing), (&all, grown.into())] {
            report.row(vec![
                kind.name().into(),
                "replay".into(),
                (pairs.corpus.entries as f64).into(),
                Spread::of(pairs.each()).into(),
                Spread::of(pairs.ratios()).into(),
                grown,
            ]);
        }
        let tenths = tenths(options, &all.corpus);
        for (n, each) in tenths.iter().enumerate() {
            report.row(vec![
                kind.name().into(),
                Cell::Text(format!("run --once, tenth {}", n + 1)),
                (all.corpus.entries as f64 / TENTHS as f64).into(),
                (*each).into(),
                Cell::Nothing,
                (each / tenths[0]).into(),
            ]);
        }
    }
    report
}

/// Microseconds of CPU an entry while each tenth of the events was delivered. What polls is ahead of what delivers, so the first
/// tenths bear some of the reading of later ones.
fn tenths(options: &Options, corpus: &Corpus) -> Vec<f64> {
    let slack = Slack::start(entries(corpus));
    warm(options, corpus);
    // CPU and bytes of events, over and over.
    let mut looks: Vec<(Duration, u64)> = vec![(Duration::ZERO, 0)];
    let ingested = Ingested::run(options, &slack, corpus, PAGE, |running, scene| {
        looks.push((running.cpu(), scene.sink_bytes("events.ndjson")));
    });
    let bytes = ingested.scene.sink_bytes("events.ndjson");
    looks.push((ingested.cost.cpu, bytes));
    let cpu_at = |n: u64| {
        let reached = looks.iter().find(|(_, delivered)| *delivered >= bytes * n / TENTHS);
        reached.map_or(ingested.cost.cpu, |(cpu, _)| *cpu)
    };
    let of_tenth = |n: u64| per_entry(cpu_at(n + 1).saturating_sub(cpu_at(n)), corpus) * TENTHS as f64;
    (0..TENTHS).map(of_tenth).collect()
}
