//! The true positives that gridwatch brings: the attacks of a small labelled org, and what its operator would tell the modules.

use crate::modules::Wanted;
use anyhow::{Context, Result};
use gridwatch_event::entry::Entry;
use gridwatch_event::event::Event;
use gridwatch_event::network::Networks;
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::{ConfigKind, Manifest};
use gridwatch_stories::benchmark::{Benchmark, Facts, Labelled};
use serde_json::Value;

/// Another seed would tell the same attacks with other people, numbers and paces, and take as long again.
pub const SEED: u64 = 1;

/// The smallest org that all stories fit into. Its weeks are always the same, so that a check repeats itself.
pub fn org() -> Labelled {
    let (users, days) = (Benchmark::FEWEST_USERS, 10);
    Benchmark { seed: SEED, users, days, ..Benchmark::default() }.run()
}

/// # Errors
/// The table is wrong, which a test rules out.
pub fn networks(org: &Labelled) -> Result<Networks> {
    let mut table = Vec::new();
    org.write_networks(&mut table)?;
    Networks::parse(&String::from_utf8(table)?).context("the labelled org's table of networks")
}

/// Its entries, numbered from 1.
pub fn events(org: &Labelled) -> impl Iterator<Item = Result<Event>> {
    let event = |(i, entry): (usize, gridwatch_stories::SimEntry)| {
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
        for (name, texts) in facts.settings() {
            if manifest.config.get(name).is_some_and(|key| key.kind == ConfigKind::Texts) {
                let there = settings.entry(name).or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(there) = there {
                    there.extend(texts.into_iter().map(Value::from));
                }
            }
        }
    }
    for (name, texts) in facts.settings() {
        if let Some(list) = wanted.provisioning.list_mut(name) {
            list.extend(texts);
        }
    }
    for (name, members) in facts.tables() {
        wanted.tables.insert(name, members);
    }
    wanted
}
