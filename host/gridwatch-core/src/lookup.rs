//! Lookup tables: named sets of texts, addresses and address ranges that the configuration fills.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

#[derive(Clone, Debug, Default)]
pub struct Tables {
    tables: BTreeMap<String, Table>,
}

#[derive(Clone, Debug, Default)]
struct Table {
    texts: HashSet<String>,
    ranges: Vec<ipnet::IpNet>,
}

impl Tables {
    /// Adds a table. An item that reads as a CIDR range holds each address in it; anything else is a text as it stands.
    pub fn insert(&mut self, name: &str, items: impl IntoIterator<Item = String>) {
        let table = self.tables.entry(name.to_owned()).or_default();
        for item in items {
            match item.parse() {
                Ok(range) => table.ranges.push(range),
                Err(_) => {
                    table.texts.insert(item);
                }
            }
        }
    }

    /// How much a table holds; `None`: there is no such table.
    pub fn rows(&self, table: &str) -> Option<usize> {
        self.tables.get(table).map(|table| table.texts.len() + table.ranges.len())
    }

    /// `None`: there is no such table.
    pub fn contains(&self, table: &str, text: &str) -> Option<bool> {
        let table = self.tables.get(table)?;
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
}
