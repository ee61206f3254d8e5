//! The audit log in the order it is served: newest second first, whole seconds together.
//!
//! A range of time is found by binary search, so the cost of a page is that of its entries, not of the history.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::faults::mix;
use crate::knobs::{InSecondOrder, Knobs};
use gridwatch_stories::org::SimEntry;

/// An entry with what the server keeps about it.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) entry: SimEntry,
    pub(crate) actor: String,
    pub(crate) entity: String,
    /// Epoch milliseconds from which it shows, with the knobs' lag counted in.
    pub(crate) visible_at_ms: u64,
    /// Whether it was ever part of a page served in full.
    pub(crate) shown: bool,
    /// Place in the order of arrival.
    arrival: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Timeline {
    /// Sorted by `date_create`, newest first, then by the in-second order.
    items: Vec<Item>,
    arrivals: u64,
}

impl Timeline {
    pub(crate) fn new(entries: Vec<SimEntry>, knobs: &Knobs) -> Self {
        let mut timeline = Self::default();
        timeline.add(entries, knobs);
        timeline
    }

    pub(crate) fn add(&mut self, entries: Vec<SimEntry>, knobs: &Knobs) {
        for entry in entries {
            self.arrivals += 1;
            let (actor, entity) = actor_and_entity(&entry.json);
            let visible_at_ms = entry.visible_at_ms.saturating_add(lag_ms(&entry.id, knobs));
            self.items.push(Item { actor, entity, visible_at_ms, shown: false, arrival: self.arrivals, entry });
        }
        // Stable sorts find the runs that are in order already, so adding to a long log is cheap.
        match knobs.in_second_order {
            InSecondOrder::Insertion => self.items.sort_by_key(|i| Reverse((i.entry.date_create, i.arrival))),
            InSecondOrder::ById => {
                self.items.sort_by(|a, b| second(b).cmp(&second(a)).then_with(|| a.entry.id.cmp(&b.entry.id)));
            }
            InSecondOrder::ByIdReversed => {
                self.items.sort_by(|a, b| second(b).cmp(&second(a)).then_with(|| b.entry.id.cmp(&a.entry.id)));
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Indexes of the entries within `oldest..=latest`, newest first.
    pub(crate) fn range(&self, oldest: u64, latest: u64) -> std::ops::Range<usize> {
        let start = self.items.partition_point(|item| second(item) > latest);
        let end = self.items.partition_point(|item| second(item) >= oldest);
        start..end.max(start)
    }

    pub(crate) fn item(&self, index: usize) -> &Item {
        &self.items[index]
    }

    pub(crate) fn mark_shown(&mut self, indexes: &[usize]) {
        for index in indexes {
            self.items[*index].shown = true;
        }
    }

    pub(crate) fn ids(&self) -> BTreeSet<String> {
        self.items.iter().map(|item| item.entry.id.clone()).collect()
    }

    pub(crate) fn shown_ids(&self) -> BTreeSet<String> {
        self.items.iter().filter(|item| item.shown).map(|item| item.entry.id.clone()).collect()
    }
}

fn second(item: &Item) -> u64 {
    item.entry.date_create
}

/// Which entries are late depends on their ids alone, so that it is the same in each run.
fn lag_ms(id: &str, knobs: &Knobs) -> u64 {
    let hash = id.bytes().fold(0, |hash, byte| mix(hash ^ u64::from(byte)));
    let late = if hash % 1000 < knobs.late_per_mille { knobs.late_by_secs } else { 0 };
    (knobs.ingestion_lag_secs + late).saturating_mul(1000)
}

/// The ids that the `actor` and `entity` filters compare; empty where the entry has none (a message has no id).
fn actor_and_entity(json: &str) -> (String, String) {
    use serde_json::value::RawValue;
    use std::collections::HashMap;

    #[derive(serde::Deserialize)]
    struct Parts<'a> {
        #[serde(borrow, default)]
        actor: HashMap<&'a str, &'a RawValue>,
        #[serde(borrow, default)]
        entity: HashMap<&'a str, &'a RawValue>,
    }
    #[derive(serde::Deserialize)]
    struct Named {
        id: String,
    }
    let id_in = |part: &HashMap<&str, &RawValue>| {
        let object = part.values().find(|value| value.get().starts_with('{'));
        object.and_then(|value| serde_json::from_str::<Named>(value.get()).ok()).map_or(String::new(), |named| named.id)
    };
    serde_json::from_str::<Parts<'_>>(json).map(|parts| (id_in(&parts.actor), id_in(&parts.entity))).unwrap_or_default()
}
