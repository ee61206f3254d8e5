//! Benign replay: every rule over a stretch of ordinary life of the labelled org, natively and as WASM. The same comes of both,
//! nothing of it is High, and no rule is louder than its budget.
//!
//! The thresholds were set on other seeds. How much more is quiet is measured by `cargo xtask bench detections`.

use crate::natives::{evaluated, natives};
use gridwatch_detect::Detector;
use gridwatch_event::event::Event;
use gridwatch_manifest::Severity;
use gridwatch_names::catalogue;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::pipeline::{Pipeline, Service};
use gridwatch_stories::benchmark::Benchmark;
use gridwatch_tests::detection::service;
use gridwatch_tests::labelled::{FROM, events, is_too_loud, modules, networks, provisioning, rules, setting, tables};
use std::collections::{BTreeMap, BTreeSet};

const SEED: u64 = 211;
const BATCH: usize = 512;
/// So many rules at least have to see entries of their actions, or it would say nothing of them.
const LEAST_RULES_AT_WORK: usize = 70;

#[test]
fn ordinary_life_is_quiet_and_the_same_natively_and_as_wasm() {
    let plan = Benchmark { seed: SEED, users: 300, from: FROM, days: 10, stories: false };
    let labelled = plan.run();
    let facts = &labelled.labels.facts;
    let (modules, mut natives, networks) = (modules(facts), natives(facts), networks(&labelled));
    let services: Vec<Service> = modules.iter().map(service).collect();
    let names: BTreeSet<&str> = services.iter().map(|service| service.manifest.name.as_str()).collect();
    assert_eq!(names, natives.keys().map(String::as_str).collect(), "a module without its native twin");
    let rules = rules(services.iter().map(|service| &*service.manifest));
    // Given every event of their actions: what triggers hold back changes nothing.
    let mut as_native = Pipeline::new(services.clone())
        .without_triggers()
        .with_networks(networks.clone())
        .with_tables(tables(facts))
        .with_provisioning(provisioning(facts));
    let mut as_wasm = Detector::new(setting(facts, networks.clone()), modules).expect("threads");
    let (mut told, mut at_work) = (BTreeMap::new(), BTreeSet::new());
    let mut entries = events(&labelled).peekable();
    while entries.peek().is_some() {
        let batch: Vec<Event> = entries.by_ref().take(BATCH).collect();
        at_work.extend(
            rules.iter().filter(|(_, rule)| batch.iter().any(|event| sees(&rule.actions, event))).map(|(n, _)| n),
        );
        let wasm = as_wasm.detect(&batch).concluded;
        let prepared = as_native.prepare(&batch);
        let outcomes = evaluated(&services, &prepared, &mut natives);
        let native = as_native.conclude(&batch, &prepared, outcomes);
        assert!(wasm.faults.is_empty() && native.faults.is_empty(), "{:?} {:?}", wasm.faults, native.faults);
        assert_eq!(wasm.alerts, native.alerts, "seed {SEED}, at {:?}", batch[0].id());
        wasm.alerts.into_iter().for_each(|alert| _ = told.insert(alert.uid.clone(), alert));
    }
    assert!(at_work.len() >= LEAST_RULES_AT_WORK, "{} rules saw anything", at_work.len());
    let problems = problems(told.values(), &rules, plan.users.into(), plan.days.into());
    assert!(problems.is_empty(), "seed {SEED}: {problems:#?}");
}

fn sees(actions: &[String], event: &Event) -> bool {
    actions.iter().any(|pattern| catalogue::pattern_matches(pattern, event.action()))
}

/// What is High, and what is louder than it may be. The newest revision of each alert counts.
fn problems<'a>(
    alerts: impl Iterator<Item = &'a Alert>,
    rules: &BTreeMap<String, gridwatch_manifest::Rule>,
    users: f64,
    days: f64,
) -> Vec<String> {
    let (mut problems, mut counts) = (Vec::new(), BTreeMap::new());
    for alert in alerts {
        if alert.severity >= Severity::High {
            problems.push(format!("{} says {} of ordinary life: {}", alert.rule, alert.severity.name(), alert.title));
        }
        *counts.entry((alert.rule.as_str(), alert.severity.min(Severity::Medium))).or_insert(0_u64) += 1;
    }
    let loud = counts
        .iter()
        .filter(|((rule, severity), count)| is_too_loud(rules.get(*rule), *severity, **count, users, days));
    problems.extend(loud.map(|((rule, severity), count)| format!("{rule}: {count} of {}", severity.name())));
    problems
}
