//! What it costs to show events, beside what it costs to read them.
//!
//! `cargo run --release -p gridwatch-views --example show`; with a file of entries as an argument, of those.

use gridwatch_event::entry::Entry;
use gridwatch_event::event::Event;
use gridwatch_event::time::UnixMillis;
use gridwatch_stories::Benchmark;
use gridwatch_views::{Product, RawData, View};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 5;

fn main() {
    let entries: Vec<String> = match std::env::args().nth(1) {
        Some(file) => std::fs::read_to_string(file).expect("entries").lines().map(str::to_owned).collect(),
        None => {
            let weeks = Benchmark { seed: 7, users: 300, days: 10, ..Benchmark::default() }.run();
            weeks.entries().map(|entry| entry.json).collect()
        }
    };
    let read = |raw: &String| Event::new(1, UnixMillis(1_790_000_000_000), &Entry::from_json(raw));
    println!("{} entries", entries.len());
    println!(
        "read   {:6.2} us",
        best(|| entries.iter().for_each(|raw| _ = black_box(read(raw)))) / entries.len() as f64
    );
    let mut line = String::new();
    for view in View::ALL {
        let mut written = 0;
        let took = best(|| {
            written = 0;
            for raw in &entries {
                line.clear();
                let (event, product) = (read(raw), Product { version: "1" });
                view.write_event(&event, &product, RawData::Include, 16 << 10, &mut line);
                written += line.len();
            }
        });
        println!("{:10} {:6.2} us, {} bytes", view.name(), took / entries.len() as f64, written / entries.len());
    }
}

/// Microseconds of the best round.
fn best(mut work: impl FnMut()) -> f64 {
    #[expect(clippy::disallowed_methods, reason = "this measures time")]
    let mut round = || {
        let begin = Instant::now();
        work();
        begin.elapsed().as_secs_f64() * 1e6
    };
    (0..ROUNDS).map(|_| round()).fold(f64::MAX, f64::min)
}
