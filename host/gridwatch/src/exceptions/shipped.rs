//! The true positives that gridwatch brings: the attacks of a small labelled org, and what its operator would tell the modules.

use crate::modules::Wanted;
use anyhow::{Context, Result};
use gridwatch_core::entry::Entry;
use gridwatch_core::event::Event;
use gridwatch_core::manifest::{ConfigKind, Manifest};
use gridwatch_core::network::Networks;
use gridwatch_core::time::UnixSeconds;
use gridwatch_sim::benchmark::{Benchmark, Facts, Labelled};
use serde_json::Value;

/// Another seed would tell the same attacks with other people, numbers and paces, and take as long again.
pub const SEED: u64 = 1;

/// The smallest org that all stories fit into. Its weeks are always the same, so that a check repeats itself.
pub fn org() -> Labelled {
    let (users, days) = (Benchmark::FEWEST_USERS, 10);
    Benchmark { seed: SEED, users, days, ..Benchmark::default() }.run()
}

pub fn networks(org: &Labelled) -> Result<Networks> {
    let mut table = Vec::new();
    org.write_networks(&mut table)?;
    Networks::parse(&String::from_utf8(table)?).context("the labelled org's table of networks")
}

/// Its entries, numbered from 1.
pub fn events(org: &Labelled) -> impl Iterator<Item = Result<Event>> {
    let event = |(i, entry): (usize, gridwatch_sim::SimEntry)| {
        let seen = UnixSeconds(entry.date_create).millis();
        Ok(Event::new(i as u64 + 1, seen, &Entry::from_json(&entry.json)))
    };
    org.entries().enumerate().map(event)
}

/// The modules as they are configured, told about this org too: thresholds are the operator's own.
pub fn wanted(configured: &Wanted, manifests: &[Manifest], facts: &Facts) -> Wanted {
    let mut wanted = configured.clone();
    for manifest in manifests {
        let settings = wanted.settings.entry(manifest.name.clone()).or_default();
        for (name, texts) in texts_of(facts) {
            if manifest.config.get(name).is_some_and(|key| key.kind == ConfigKind::Texts) {
                let there = settings.entry(name).or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(there) = there {
                    there.extend(texts.into_iter().map(Value::from));
                }
            }
        }
    }
    wanted.tables.insert("corporate_egress", facts.corporate_egress.iter().cloned());
    wanted.tables.insert("sensitive_channels", facts.sensitive_channels.iter().cloned());
    wanted
}

/// By the names that modules give such settings.
fn texts_of(facts: &Facts) -> [(&'static str, Vec<String>); 11] {
    let machines = [facts.bulk_apps.clone(), vec![facts.watcher_app.clone(), facts.provisioning_app.clone()]].concat();
    [
        ("export_actors", facts.export_actors.clone()),
        ("security_team", facts.security_team.clone()),
        ("bulk_apps", facts.bulk_apps.clone()),
        ("provisioning_apps", vec![facts.provisioning_app.clone()]),
        ("own_app", vec![facts.watcher_app.clone()]),
        ("own_apps", vec![facts.watcher_app.clone()]),
        ("service_apps", machines),
        ("known_partners", facts.known_partners.clone()),
        ("incident_channels", facts.incident_channels.clone()),
        ("decoy_channels", facts.decoy_channels.clone()),
        ("decoy_files", facts.decoy_files.clone()),
    ]
}
