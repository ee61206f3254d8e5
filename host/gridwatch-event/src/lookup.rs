//! Lookup tables: named sets of texts, addresses and address ranges that the configuration fills.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

/// Clones see what [`Tables::replace`] puts in, so that modules need not be started again when a list has changed; what is
/// inserted into one of them is that one's own.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    tables: Arc<RwLock<Arc<BTreeMap<String, Table>>>>,
}

#[derive(Clone, Debug, Default)]
struct Table {
    texts: HashSet<String>,
    ranges: Vec<ipnet::IpNet>,
}

impl Tables {
    /// Adds a table. An item that reads as a CIDR range holds each address in it; anything else is a text as it stands.
    pub fn insert(&mut self, name: &str, items: impl IntoIterator<Item = String>) {
        let mut tables = (*self.now()).clone();
        let table = tables.entry(name.to_owned()).or_default();
        for item in items {
            match item.parse() {
                Ok(range) => table.ranges.push(range),
                Err(_) => {
                    table.texts.insert(item);
                }
            }
        }
        self.tables = Arc::new(RwLock::new(Arc::new(tables)));
    }

    /// Puts other tables in the place of these, for all clones. To be called between two batches: a batch that is asked about
    /// two states of a table would depend on how fast it ran.
    pub fn replace(&self, with: &Self) {
        let with = with.now();
        *self.tables.write().unwrap_or_else(PoisonError::into_inner) = with;
    }

    /// What each holds, to be [put together](Tables::of_said) again.
    pub fn said(&self) -> BTreeMap<String, BTreeSet<String>> {
        let items = |table: &Table| {
            let ranges = table.ranges.iter().map(ToString::to_string);
            table.texts.iter().cloned().chain(ranges).collect()
        };
        self.now().iter().map(|(name, table)| (name.clone(), items(table))).collect()
    }

    pub fn of_said(said: BTreeMap<String, BTreeSet<String>>) -> Self {
        let mut tables = Self::default();
        said.into_iter().for_each(|(name, items)| tables.insert(&name, items));
        tables
    }

    fn now(&self) -> Arc<BTreeMap<String, Table>> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How much a table holds; `None`: there is no such table.
    pub fn rows(&self, table: &str) -> Option<usize> {
        self.now().get(table).map(|table| table.texts.len() + table.ranges.len())
    }

    /// `None`: there is no such table.
    pub fn contains(&self, table: &str, text: &str) -> Option<bool> {
        let tables = self.now();
        let table = tables.get(table)?;
        let address = || text.parse::<IpAddr>().ok();
        let in_range = || address().is_some_and(|a| table.ranges.iter().any(|range| range.contains(&a)));
        Some(table.texts.contains(text) || (!table.ranges.is_empty() && in_range()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_holds_texts_addresses_and_ranges() {
        let mut tables = Tables::default();
        tables.insert("egress", ["198.51.100.0/24", "2001:db8::/32", "203.0.113.9", "vpn"].map(str::to_owned));
        for text in ["198.51.100.7", "2001:db8::1", "203.0.113.9", "vpn"] {
            assert_eq!(tables.contains("egress", text), Some(true), "{text}");
        }
        assert_eq!(tables.contains("egress", "198.51.101.7"), Some(false));
        assert_eq!(tables.contains("other", "vpn"), None);
    }

    #[test]
    fn what_they_say_is_put_together_again() {
        let mut tables = Tables::default();
        tables.insert("egress", ["198.51.100.0/24", "203.0.113.9", "vpn"].map(str::to_owned));
        tables.insert("none", []);
        let again = Tables::of_said(tables.said());
        assert_eq!(again.said(), tables.said());
        assert_eq!(
            ["198.51.100.7", "vpn", "x"].map(|t| again.contains("egress", t)),
            [Some(true), Some(true), Some(false)]
        );
        assert_eq!(again.contains("none", "x"), Some(false));
    }

    #[test]
    fn clones_see_what_is_replaced_and_not_what_is_inserted() {
        let of = |item: &str| {
            let mut tables = Tables::default();
            tables.insert("t", [item.to_owned()]);
            tables
        };
        let first = of("a");
        let (clone, mut own) = (first.clone(), first.clone());
        own.insert("t", ["b".to_owned()]);
        assert_eq!((clone.contains("t", "b"), own.contains("t", "b")), (Some(false), Some(true)));
        first.replace(&of("c"));
        assert_eq!((clone.contains("t", "a"), clone.contains("t", "c")), (Some(false), Some(true)));
        assert_eq!(own.contains("t", "c"), Some(false));
    }
}
