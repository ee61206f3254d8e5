//! Runs a module natively: the same function, the host's own windows and folding, no WASM.

use crate::finding::{Finding, Findings};
use crate::row::{Batch, Row};
use crate::{kv, lookup};
use gridwatch_cases::{Case, Run, Tried, gaps, try_triggers};
use gridwatch_event::lookup::Tables;
use gridwatch_manifest::Manifest;
use gridwatch_rules::batch::Batch as HostBatch;
use gridwatch_rules::finding::RawFinding;
use gridwatch_rules::pipeline::ModuleOutcome;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::path::Path;

/// Runs every case in a folder and panics with all that don't hold, and with the kinds of cases that a rule lacks.
pub fn run_cases<C: DeserializeOwned + 'static>(manifest: &str, detect: fn(&Row<'_>, &C, &mut Findings), dir: &str) {
    let manifest = Manifest::parse(manifest).expect("module.toml");
    let cases = Case::read_dir(Path::new(dir)).expect("cases/*.json");
    assert!(!cases.is_empty(), "no cases in {dir}");
    let run = |case: &Case| native(&manifest, &case.config, case.tables(), detect);
    let failures = cases.iter().flat_map(|case| case.problems(&manifest, || run(case)));
    let missing = gaps(&manifest, &cases, run);
    let failures: Vec<String> = failures.chain(missing).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Random batches that a module's triggers are tried with, unless `GRIDWATCH_RANDOM_BATCHES` says how many.
const RANDOM_BATCHES: u64 = 300;

/// Runs the module over random batches made of its cases and panics if a trigger of a rule hides anything from it, or if so much was
/// never tried. `accepts` says whether settings go together.
pub fn try_random_batches<C: DeserializeOwned + 'static>(
    manifest: &str,
    detect: fn(&Row<'_>, &C, &mut Findings),
    accepts: fn(&C) -> bool,
    dir: &str,
) {
    let manifest = Manifest::parse(manifest).expect("module.toml");
    if manifest.rules.iter().all(|rule| rule.triggers.is_empty()) {
        return;
    }
    let cases = Case::read_dir(Path::new(dir)).expect("cases/*.json");
    let run = |case: &Case| native(&manifest, &case.config, case.tables(), detect);
    let accepts = |settings: &Map<String, Value>| {
        let config = manifest.configuration(settings).ok().and_then(|config| serde_json::from_value(config).ok());
        config.is_some_and(|config| accepts(&config))
    };
    let Tried { problems, fired, held_back, rows } = try_triggers(&manifest, &cases, 0..random_batches(), accepts, run);
    println!("{}: {held_back} of {rows} events held back", manifest.name);
    assert!(problems.is_empty(), "{} batches\n{}", problems.len(), problems.join("\n"));
    let with_triggers = manifest.rules.iter().filter(|rule| !rule.triggers.is_empty());
    let untried = with_triggers.filter(|rule| !fired.contains(&format!("{}.{}", manifest.name, rule.id)));
    let untried: Vec<&str> = untried.map(|rule| rule.id.as_str()).collect();
    assert!(untried.is_empty(), "rules with triggers that no random batch makes fire: {untried:?}");
}

#[expect(clippy::disallowed_methods, reason = "how many are tried is for whoever runs the test to say")]
fn random_batches() -> u64 {
    std::env::var("GRIDWATCH_RANDOM_BATCHES").ok().and_then(|n| n.parse().ok()).unwrap_or(RANDOM_BATCHES)
}

/// The module as the host sees it, but native: a batch in, findings out. What runs in one thread shares the tables.
pub fn native<C: DeserializeOwned + 'static>(
    manifest: &Manifest,
    settings: &Map<String, Value>,
    tables: Tables,
    detect: fn(&Row<'_>, &C, &mut Findings),
) -> Run {
    let config = manifest.configuration(settings).unwrap_or_else(|e| panic!("{}: {e:?}", manifest.name));
    let config: C = serde_json::from_value(config).unwrap_or_else(|e| panic!("{}: {e}", manifest.name));
    kv::clear();
    lookup::set_tables(move |table, text| tables.contains(table, text).unwrap_or(false));
    Box::new(move |batch| {
        let mut findings = Findings::default();
        let batch = from_host(batch);
        batch.rows().for_each(|row| detect(&row, &config, &mut findings));
        ModuleOutcome { findings: findings.list.into_iter().map(raw).collect(), ..ModuleOutcome::default() }
    })
}

/// The SDK's batch from the host's.
pub fn from_host(batch: &HostBatch) -> Batch<'_> {
    let HostBatch { seqs, times_ms, texts, windows, dict_offsets, dict_bytes } = batch;
    Batch::new(seqs.clone(), times_ms.clone(), texts.clone(), windows.clone(), dict_offsets, dict_bytes)
        .expect("the host's texts are UTF-8")
}

fn raw(f: Finding) -> RawFinding {
    RawFinding {
        row: f.row,
        rule: f.rule,
        severity: f.severity as u8,
        dedup_key: f.key,
        title: f.title,
        evidence: f.evidence,
        windows: f.windows,
        labels: f.labels,
    }
}
