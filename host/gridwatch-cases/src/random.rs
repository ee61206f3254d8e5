//! Random batches, for what has to hold of any entries: that no trigger of a rule hides anything from it.
//!
//! They are made of a module's own cases, which have what its rules read in the shapes in which Slack writes it: stretches of several
//! of them, some entries left out, late, or told of somebody else, with parts and single values of other entries, under settings
//! drawn from within their bounds.

use crate::{Case, CaseKind, Triggers, expand};
use gridwatch_event::network::Networks;
use gridwatch_manifest::{ConfigKey, ConfigKind, Manifest};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::ops::Range;

/// Longest part of a case that goes into a batch, in entries.
const MAX_STRETCH: usize = 300;
const DAY_S: i64 = 86_400;
/// What an entry says, apart from when.
const PARTS: [&str; 5] = ["action", "actor", "entity", "context", "details"];

/// What random batches came to.
#[derive(Debug, Default)]
pub struct Tried {
    /// Batches of which the module makes something else of what its rules wait for than of every event.
    pub problems: Vec<String>,
    /// Rules, by their full names, that made an alert of any.
    pub fired: BTreeSet<String>,
    /// Events that were held back from the module, of all that it subscribed to.
    pub held_back: u64,
    pub rows: u64,
}

/// Runs the module over a random batch for each seed, with the triggers of its rules and without. `accepts` says whether settings go
/// together, as the module sees it.
pub fn try_triggers(
    manifest: &Manifest,
    cases: &[Case],
    seeds: Range<u64>,
    accepts: impl Fn(&Map<String, Value>) -> bool,
    mut run: impl FnMut(&Case) -> crate::Run,
) -> Tried {
    let pool: Vec<Value> =
        cases.iter().flat_map(|case| case.entries.iter().filter_map(|item| expand(item).pop())).collect();
    let mut tried = Tried::default();
    for seed in seeds {
        let mut random = Random { rng: StdRng::seed_from_u64(seed), pool: &pool };
        let case = random.case(seed, manifest, cases, &accepts);
        let config = manifest.configuration(&case.config).unwrap_or_default();
        let (manifest, networks) = (manifest.with_settings(&config), Networks::parse(&case.networks.join("\n")));
        let (networks, size) = (networks.unwrap_or_default(), random.one_of([1, 7, 1_024]));
        let all = case.run(&manifest, &networks, size, Triggers::Ignored, run(&case));
        let some = case.run(&manifest, &networks, size, Triggers::Obeyed, run(&case));
        tried.rows += all.windows.len() as u64;
        tried.held_back += (all.windows.len() - some.windows.len()) as u64;
        let faults = (all.faults != some.faults).then(|| format!("seed {seed}: {:?} {:?}", all.faults, some.faults));
        tried.problems.extend(case.hidden(&all.sent, &some.sent).into_iter().chain(faults));
        tried.fired.extend(all.sent.into_iter().map(|alert| alert.rule));
    }
    tried
}

struct Random<'p> {
    rng: StdRng,
    /// Entries to take parts of.
    pool: &'p [Value],
}

impl Random<'_> {
    fn case(
        &mut self,
        seed: u64,
        manifest: &Manifest,
        cases: &[Case],
        accepts: &impl Fn(&Map<String, Value>) -> bool,
    ) -> Case {
        let parts: Vec<&Case> = (0..self.rng.random_range(1..=4)).filter_map(|_| cases.choose(&mut self.rng)).collect();
        let mut entries = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            let stretch = self.stretch(number, part);
            entries.extend(stretch);
        }
        if self.chance(0.5) {
            entries.sort_by_key(|entry| entry["date_create"].as_u64());
        }
        for _ in 0..self.one_of([0, 0, 1, entries.len() / 10]).min(entries.len()) {
            let late = entries.remove(self.rng.random_range(0..entries.len()));
            entries.insert(self.rng.random_range(0..=entries.len()), late);
        }
        Case {
            name: format!("seed {seed}"),
            kind: CaseKind::Sequence,
            about: parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join(", "),
            of: Vec::new(),
            config: self.settings(manifest, &parts, cases, accepts),
            lookups: parts.iter().flat_map(|part| part.lookups.clone()).collect(),
            networks: self.one_of_all(&parts).networks.clone(),
            provisioning: self.one_of_all(&parts).provisioning.clone(),
            apart: self.chance(0.5),
            rest: true,
            entries,
            alerts: Vec::new(),
        }
    }

    /// Some entries of a case, told of other people or things here and there.
    fn stretch(&mut self, number: usize, case: &Case) -> Vec<Value> {
        let mut entries: Vec<Value> = case.entries.iter().flat_map(expand).collect();
        if entries.len() > MAX_STRETCH {
            let start = self.rng.random_range(0..=entries.len() - MAX_STRETCH);
            entries = entries.split_off(start);
            entries.truncate(MAX_STRETCH);
        }
        let [left_out, changed] = [0.0, 0.0].map(|_: f64| self.one_of([0.0, 0.02, 0.3]));
        let (shift_s, jitter_s) = (self.one_of([0, 0, 60, 3_600, DAY_S, 30 * DAY_S]), self.one_of([0, 0, 5, 600]));
        let somebody = self.chance(0.3).then(|| self.one_of_all(self.pool)["actor"].clone());
        entries.retain(|entry| entry.is_object() && !self.rng.random_bool(left_out));
        for (at, entry) in entries.iter_mut().enumerate() {
            if let Some(somebody) = &somebody {
                entry["actor"] = somebody.clone();
            }
            if self.chance(changed) {
                self.change(entry);
            }
            if let Some(time) = entry["date_create"].as_i64() {
                let time = time + shift_s + self.rng.random_range(-jitter_s..=jitter_s);
                entry["date_create"] = time.max(1).into();
            }
            entry["id"] = format!("{number}-{at}").into();
        }
        entries
    }

    /// Takes a part, or one value of it, over from another entry.
    fn change(&mut self, entry: &mut Value) {
        let (part, other) = (self.one_of(PARTS), self.one_of_all(self.pool));
        if self.chance(0.5) {
            entry[part] = other[part].clone();
            return;
        }
        let (mut to, mut from) = (&mut entry[part], &other[part]);
        while let Some((name, value)) = from.as_object().and_then(|fields| {
            let fields: Vec<_> = fields.iter().collect();
            fields.choose(&mut self.rng).copied()
        }) {
            if !to.is_object() {
                break;
            }
            (to, from) = (&mut to[name], value);
        }
        *to = from.clone();
    }

    /// Those of a case, and others where they go together with the rest: mostly low thresholds, which are reached more often.
    fn settings(
        &mut self,
        manifest: &Manifest,
        parts: &[&Case],
        cases: &[Case],
        accepts: &impl Fn(&Map<String, Value>) -> bool,
    ) -> Map<String, Value> {
        let mut config = self.one_of_all(parts).config.clone();
        for (name, key) in &manifest.config {
            if self.chance(0.5) {
                continue;
            }
            let before = config.clone();
            let told: Vec<&Value> = cases.iter().filter_map(|case| case.config.get(name)).collect();
            let value = match told.choose(&mut self.rng) {
                Some(value) if self.chance(0.3) => (*value).clone(),
                _ => self.setting(key),
            };
            config.insert(name.clone(), value);
            if !manifest.setting_problems(&config).is_empty() || !accepts(&config) {
                config = before;
            }
        }
        config
    }

    fn setting(&mut self, key: &ConfigKey) -> Value {
        match key.kind {
            ConfigKind::Integer { min, max } => {
                let usual = key.default.as_u64().unwrap_or(min);
                let near = self.rng.random_range(min..=usual.saturating_add(1).min(max));
                self.one_of([min, usual, near, near]).into()
            }
            ConfigKind::Boolean => self.chance(0.5).into(),
            ConfigKind::Texts | ConfigKind::Span { .. } => key.default.clone(),
        }
    }

    fn chance(&mut self, chance: f64) -> bool {
        self.rng.random_bool(chance)
    }

    fn one_of<T: Copy, const N: usize>(&mut self, items: [T; N]) -> T {
        items[self.rng.random_range(0..N)]
    }

    fn one_of_all<'i, T>(&mut self, items: &'i [T]) -> &'i T {
        &items[self.rng.random_range(0..items.len())]
    }
}
