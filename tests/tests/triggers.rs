//! Triggers: what modules are not given, because no rule waits for it, changes no alert. Over stretches of the labelled org with its
//! attacks, all modules natively: told what an operator would tell them, and told nothing.

use crate::natives::{evaluated, natives};
use gridwatch_event::event::Event;
use gridwatch_event::network::Networks;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::pipeline::{Pipeline, Service};
use gridwatch_stories::benchmark::{Benchmark, Facts};
use gridwatch_tests::labelled::{FROM, events, networks, provisioning, tables};
use std::collections::BTreeSet;
use std::sync::Arc;

const BATCH: usize = 512;
/// Of 100 entries of this org so many may reach a module.
const MOST_PERCENT: usize = 15;

#[test]
fn triggers_hide_nothing_of_the_labelled_org() {
    for seed in [31, 32, 33] {
        let labelled = Benchmark { seed, users: 120, from: FROM, days: 10, stories: true }.run();
        let (facts, networks) = (&labelled.labels.facts, networks(&labelled));
        for facts in [facts, &Facts::default()] {
            let all: Vec<Event> = events(&labelled).collect();
            let (with, given) = run(facts, &networks, &all, |pipeline| pipeline);
            let (without, _) = run(facts, &networks, &all, Pipeline::without_triggers);
            assert!(with.len() > 100, "seed {seed}: {} alerts", with.len());
            let different = with.iter().zip(&without).find(|(one, other)| one != other);
            assert!(different.is_none() && with.len() == without.len(), "seed {seed}: {different:#?}");
            let percent = given * 100 / all.len();
            assert!(percent <= MOST_PERCENT, "seed {seed}: {percent} % of the entries reach a module");
        }
    }
}

/// The alerts, and how many entries were given to any module.
fn run(
    facts: &Facts,
    networks: &Networks,
    events: &[Event],
    with: impl FnOnce(Pipeline) -> Pipeline,
) -> (Vec<Alert>, usize) {
    let mut natives = natives(facts);
    let service = |manifest| Service { manifest: Arc::new(manifest), digest: "native".into(), serves: 0..u64::MAX };
    let services: Vec<Service> = natives.values().map(|(manifest, _)| service(manifest.clone())).collect();
    let pipeline = Pipeline::new(services.clone())
        .with_networks(networks.clone())
        .with_tables(tables(facts))
        .with_provisioning(provisioning(facts))
        .without_saving();
    let (mut pipeline, mut alerts, mut given) = (with(pipeline), Vec::new(), 0);
    for batch in events.chunks(BATCH) {
        let prepared = pipeline.prepare(batch);
        given += prepared.asked.iter().flat_map(|asked| asked.batch.seqs.clone()).collect::<BTreeSet<u64>>().len();
        let outcomes = evaluated(&services, &prepared, &mut natives);
        let concluded = pipeline.conclude(batch, &prepared, outcomes);
        assert!(concluded.faults.is_empty(), "{:?}", concluded.faults);
        alerts.extend(concluded.alerts);
    }
    (alerts, given)
}
