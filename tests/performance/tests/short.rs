//! The benchmarks in their shortest form: that they still measure something, not how fast that is.

use gridwatch_performance::{Bench, Kind, Options, Report, gridwatch, measure, root};
use serde_json::Value;
use std::path::PathBuf;

const ENTRIES: u64 = 300;
/// Of a file, so many that they cost more than a start varies by.
const IN_A_FILE: u64 = 6_000;

fn entries(bench: Bench) -> u64 {
    if matches!(bench, Bench::Replay | Bench::Normalize) { IN_A_FILE } else { ENTRIES }
}

/// Measures, and gives the rows as JSON. Whatever a bench is about, it shows what it costs as a multiple of the floor.
fn rows(bench: Bench) -> Vec<Value> {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        gridwatch: gridwatch(),
        floor: PathBuf::from(env!("CARGO_BIN_EXE_floor")),
        modules: root().join("target/modules"),
        folder: folder.path().to_owned(),
        kinds: Kind::ALL.to_vec(),
        entries: entries(bench),
        runs: 1,
        pages: vec![100, 1_000],
        rate: 20,
        seconds: 3,
    };
    let report: Report = measure(bench, &options);
    assert_eq!(report.to_string().lines().count(), report.rows.len() + 1);
    let json = report.json();
    assert_eq!(json["bench"], bench.name());
    json["rows"].as_array().expect("rows").clone()
}

fn median(row: &Value, column: &str) -> f64 {
    let cell = &row[column];
    cell["median"].as_f64().or(cell.as_f64()).unwrap_or_else(|| panic!("no {column} in {row}"))
}

#[test]
fn a_replay_is_measured() {
    let rows = rows(Bench::Replay);
    assert_eq!(rows.len(), Kind::ALL.len());
    for row in &rows {
        assert!(median(row, "times the floor") > 1.0 && median(row, "peak RSS, MB") > 1.0, "{row}");
        assert_eq!(median(row, "entries"), IN_A_FILE as f64);
    }
}

#[test]
fn a_normalization_is_measured() {
    for row in rows(Bench::Normalize) {
        assert!(median(&row, "times the floor") > 1.0 && median(&row, "peak RSS, MB") > 1.0, "{row}");
    }
}

#[test]
fn an_ingestion_is_measured_with_each_size_of_page() {
    let rows = rows(Bench::Ingest);
    assert_eq!(rows.len(), Kind::ALL.len() * 2);
    for row in &rows {
        for column in ["times the floor", "store left, MB", "archive left, MB", "sinks, MB", "peak RSS, MB"] {
            assert!(median(row, column) > 0.0, "{column}: {row}");
        }
    }
}

#[test]
fn every_alert_is_awaited_while_entries_come() {
    for row in rows(Bench::Latency) {
        assert_eq!((median(&row, "alerts"), median(&row, "missing")), (15.0, 0.0), "{row}");
        assert!(median(&row, "page to alert, ms, 99 %") >= median(&row, "page to alert, ms, median"), "{row}");
        // Entries settle for five seconds before they are asked for.
        assert!(median(&row, "entry to alert, s, median") > 5.0, "{row}");
    }
}

#[test]
fn browsers_are_measured_beside_nobody() {
    let rows = rows(Bench::Page);
    assert_eq!(
        rows.iter().map(|row| row["browsers"].as_str()).collect::<Vec<_>>(),
        [Some("none"), Some("200 open, 20 slow"), Some("times without")]
    );
    for row in &rows[..2] {
        assert_eq!((median(row, "alerts"), median(row, "missing")), (60.0, 0.0), "{row}");
        assert!(median(row, "commits") > 10.0 && median(row, "commit, ms, 99 %") > 0.0, "{row}");
    }
    assert_eq!((median(&rows[0], "views"), median(&rows[1], "failed")), (0.0, 0.0), "{rows:?}");
    assert!(median(&rows[1], "views") > 0.0 && median(&rows[1], "taken slowly, MB") > 0.0, "{rows:?}");
    assert!(median(&rows[2], "page to alert, ms, 99 %") > 0.0, "{rows:?}");
}

#[test]
fn a_start_is_measured_with_nothing_and_with_much() {
    let rows = rows(Bench::Start);
    assert_eq!(rows.len(), 1 + Kind::ALL.len());
    rows.iter().for_each(|row| assert!(median(row, "to the first request, ms") > 0.0, "{row}"));
}

#[test]
fn growth_is_measured_by_tenths() {
    let rows = rows(Bench::Growth);
    assert_eq!(rows.len(), Kind::ALL.len() * (2 + 10));
    assert!(rows.iter().any(|row| row["what"] == "run --once, tenth 10"), "{rows:?}");
}
