//! What is tried through the program as its users start it, and what takes all of its crates: one test program, for each that is linked
//! costs as much again. One part of it: `cargo xtask test -- --test program disk::`.
//!
//! The sandbox has a program of its own: its time limits are measured, and nothing else may run beside it.

mod abi;
mod acts;
mod agree;
mod alerts;
mod answers;
mod audit;
mod author;
mod backup;
mod bad_input;
mod benign;
mod chaos;
mod crash;
mod disk;
mod doers_and_settings;
mod ecs;
mod enrich;
mod faults;
mod folding;
mod hazards;
mod inputs;
mod ledger;
mod lines;
mod misbehaving;
mod module_cases;
mod monitor;
mod narrow;
mod natives;
mod ocsf;
mod older_store;
mod operator;
mod ordinary;
mod orgs;
mod packaging;
mod real_life;
mod receivers;
mod redteam;
mod replay;
mod respond;
mod rooms;
mod run_once;
mod secrets;
mod shutdown;
mod siem;
mod sigma;
mod starts;
mod state;
mod store;
mod swap;
mod telemetry;
mod tokens;
mod top;
mod triggers;
mod trust;
mod tune;
mod views;
mod web;

use std::collections::BTreeSet;
use std::path::Path;

/// A file that nobody names is not compiled, and what it tests is not tested.
#[test]
fn every_file_of_tests_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let this = std::fs::read_to_string(folder.join("main.rs")).unwrap();
    let named: BTreeSet<&str> = this.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')).collect();
    let there = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let there: BTreeSet<String> = there.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    let unnamed: Vec<&String> =
        there.iter().filter(|name| !["main", "sandbox"].contains(&&***name) && !named.contains(&***name)).collect();
    assert!(unnamed.is_empty(), "no `mod` for {unnamed:?}");
}
