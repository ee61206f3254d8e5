//! The labelled org for benchmark and tests: our modules told what its operator would tell them, its entries as events, and what
//! ordinary life may cost.

use crate::guests::{engine, workspace};
use gridwatch_detect::{Component, DetectorConfig, Limits, Module};
use gridwatch_event::entry::Entry;
use gridwatch_event::event::Event;
use gridwatch_event::lookup::Tables;
use gridwatch_event::network::Networks;
use gridwatch_event::provisioning::Provisioning;
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::{ConfigKind, Manifest, Rule, Severity};
use gridwatch_rules::builtin;
use gridwatch_stories::benchmark::{Facts, Labelled};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// 2026-09-01T00:00:00Z, a Tuesday.
pub const FROM: u64 = 1_788_220_800;
/// A rule's budget is that of an organization of at least so many: what admins do doesn't shrink with the number of people.
pub const FEWEST_USERS: f64 = 1_000.0;

/// The modules in `target/modules`, told what an operator would tell them.
pub fn modules(facts: &Facts) -> Vec<Module> {
    let files =
        std::fs::read_dir(workspace().join("target/modules")).expect("target/modules: run `cargo xtask modules`");
    let mut paths: Vec<PathBuf> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "wasm"));
    paths.sort();
    let (tables, limits) = (Arc::new(tables(facts)), Arc::new(Limits::default()));
    let load = |path: &PathBuf| {
        let bytes = std::fs::read(path).expect("a module");
        let manifest = Component::manifest_of(&bytes).expect("a manifest");
        let granted = manifest.grants.iter().copied().collect();
        let component = Component::from_bytes(bytes, &granted, limits.component_bytes).expect("a component");
        let settings = settings(&manifest, facts);
        Module::load(engine(), &component, &settings, tables.clone(), limits.clone())
            .unwrap_or_else(|refused| panic!("{}: {refused}", path.display()))
    };
    paths.iter().map(load).collect()
}

/// What an operator writes into the configuration on the first day, for those settings of a module that ask for it. All
/// thresholds stay at their defaults.
pub fn settings(manifest: &Manifest, facts: &Facts) -> Map<String, Value> {
    let asked = |name: &str| manifest.config.get(name).is_some_and(|key| key.kind == ConfigKind::Texts);
    let known = facts.settings().into_iter().filter(|(name, _)| asked(name));
    known.map(|(name, texts)| (name.to_owned(), texts.into())).collect()
}

/// What an operator would have a detector go by, with two threads.
pub fn setting(facts: &Facts, networks: Networks) -> DetectorConfig {
    DetectorConfig {
        networks,
        tables: tables(facts),
        provisioning: provisioning(facts),
        threads: 2,
        ..DetectorConfig::default()
    }
}

/// Who provisions accounts there.
pub fn provisioning(facts: &Facts) -> Provisioning {
    let mut provisioning = Provisioning::default();
    for (question, answer) in facts.settings() {
        if let Some(list) = provisioning.list_mut(question) {
            list.extend(answer);
        }
    }
    provisioning
}

pub fn tables(facts: &Facts) -> Tables {
    let mut tables = Tables::default();
    facts.tables().into_iter().for_each(|(name, members)| tables.insert(name, members));
    tables
}

pub fn networks(labelled: &Labelled) -> Networks {
    let mut table = Vec::new();
    labelled.write_networks(&mut table).expect("memory");
    Networks::parse(&String::from_utf8(table).expect("UTF-8")).expect("a table of networks")
}

/// All entries in the order of time, numbered from 1.
pub fn events(labelled: &Labelled) -> impl Iterator<Item = Event> {
    let numbered = labelled.entries().zip(1..);
    numbered.map(|(entry, seq)| Event::new(seq, UnixMillis(entry.date_create * 1_000), &Entry::from_json(&entry.json)))
}

/// Every rule of the modules, and gridwatch's own, by the name that alerts give.
pub fn rules<'m>(manifests: impl Iterator<Item = &'m Manifest>) -> BTreeMap<String, Rule> {
    let of = |manifest: &Manifest| {
        manifest.rules.iter().map(|rule| (format!("{}.{}", manifest.name, rule.id), rule.clone())).collect::<Vec<_>>()
    };
    manifests.chain([builtin::manifest()]).flat_map(of).collect()
}

/// Is it more of this severity (Medium: or above) than ordinary life may cost?
pub fn is_too_loud(rule: Option<&Rule>, severity: Severity, count: u64, users: f64, days: f64) -> bool {
    let budget = rule.map_or(0.0, |rule| rule.budget_of(severity));
    is_over(count, budget, users.max(FEWEST_USERS) / 1_000.0 * days)
}

/// A budget buys whole alerts: 0.02 a day and thousand users is one in a small organization's month.
pub fn is_over(count: u64, budget: f64, scale: f64) -> bool {
    count as f64 > (budget * scale).ceil()
}
