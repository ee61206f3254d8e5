//! `cargo xtask bench replay|normalize|ingest|latency|page|start|growth`: see [`gridwatch_performance`].
//!
//! `--entries N` (20,000), `--runs N` (3; 5 of page), `--corpus realistic|hostile`, `--pages 1000,9999`, `--rate N` and `--seconds N` (of latency and page),
//! `--binary PATH` (another gridwatch than that of this build), `--modules DIR`, `--folder DIR` (where corpora and state are made:
//! `target/bench`), and `--json`. What is printed names the commit and the program that it was measured with.

use gridwatch_performance::{Bench, Kind, Options, gridwatch, measure, root};
use serde_json::json;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let Some(bench) = Bench::ALL.into_iter().find(|bench| args.iter().any(|arg| arg == bench.name())) else {
        eprintln!("error: what to measure? {}", Bench::ALL.map(Bench::name).join(", "));
        return ExitCode::from(2);
    };
    let options = options(bench, &args);
    let report = measure(bench, &options);
    let (commit, cpus) = (commit(), std::thread::available_parallelism().map_or(0, usize::from));
    let program = options.gridwatch.display();
    if args.iter().any(|arg| arg == "--json") {
        let mut all = report.json();
        all["commit"] = json!(commit);
        all["program"] = json!(program.to_string());
        all["cpus"] = json!(cpus);
        println!("{all:#}");
    } else {
        println!(
            "{} of commit {commit}, {program}, {cpus} CPUs; median [least-most] of {}",
            bench.name(),
            options.runs
        );
        print!("{report}");
    }
    report.over.iter().for_each(|what| eprintln!("over what it may be: {what}"));
    if report.over.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What cargo adds to the arguments is passed over.
fn options(bench: Bench, args: &[String]) -> Options {
    let value = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1));
    let number = |name: &str, otherwise: u64| {
        value(name)
            .map_or(otherwise, |text| text.replace('_', "").parse().unwrap_or_else(|_| panic!("{name} is a number")))
    };
    let path = |name: &str, otherwise: PathBuf| value(name).map_or(otherwise, PathBuf::from);
    let kinds: Vec<Kind> =
        Kind::ALL.into_iter().filter(|kind| value("--corpus").is_none_or(|wanted| wanted == kind.name())).collect();
    let pages = value("--pages").map_or("1000,9999", String::as_str).split(',');
    Options {
        gridwatch: value("--binary").map_or_else(gridwatch, PathBuf::from),
        floor: PathBuf::from(env!("CARGO_BIN_EXE_floor")),
        modules: path("--modules", root().join("target/modules")),
        folder: path("--folder", root().join("target/bench")),
        kinds,
        entries: number("--entries", 20_000),
        runs: number("--runs", if bench == Bench::Page { 5 } else { 3 }) as usize,
        pages: pages.map(|page| page.parse().expect("entries a page")).collect(),
        rate: number("--rate", 500),
        seconds: number("--seconds", 30),
    }
}

/// What was measured, as git names it.
fn commit() -> String {
    let output =
        Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=10"]).current_dir(root()).output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    if said.is_empty() { "unknown".to_owned() } else { said }
}
