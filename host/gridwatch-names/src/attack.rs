//! MITRE ATT&CK: the technique ids that a manifest may name, and what became of those it may not.
//!
//! ATT&CK moves techniques about: in v19 (April 2026) the whole of T1562 was revoked, and rules that still name it count for
//! nothing in a coverage map. So ids are checked when a module is built, against a list of one stated version.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The ATT&CK version that [`technique`] knows.
pub const VERSION: &str = "19.1";

const TECHNIQUES: &str = include_str!("attack.txt");

/// Revoked id → what it became, as ATT&CK says it.
const REVOKED: [(&str, &str); 7] = [
    ("T1562", "T1685"),
    ("T1562.001", "T1685"),
    ("T1562.004", "T1686"),
    ("T1562.007", "T1686.001"),
    ("T1562.008", "T1685.002"),
    ("T1562.010", "T1689"),
    ("T1656", "T1684.001"),
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Technique {
    pub id: &'static str,
    /// `None` where the list has none.
    pub name: Option<&'static str>,
    /// Short names (`credential-access`).
    pub tactics: Vec<&'static str>,
}

static BY_ID: LazyLock<BTreeMap<&str, Technique>> =
    LazyLock::new(|| TECHNIQUES.lines().filter_map(parse).map(|technique| (technique.id, technique)).collect());

/// A technique or sub-technique in current use.
pub fn technique(id: &str) -> Option<&'static Technique> {
    BY_ID.get(id)
}

/// What a revoked technique became.
pub fn successor(id: &str) -> Option<&'static str> {
    REVOKED.iter().find(|(revoked, _)| *revoked == id).map(|(_, now)| *now)
}

/// All that are known, by id.
pub fn techniques() -> impl Iterator<Item = &'static Technique> {
    BY_ID.values()
}

/// What is wrong with naming this id, if anything.
pub fn problem(id: &str) -> Option<String> {
    match successor(id) {
        _ if technique(id).is_some() => None,
        Some(now) => Some(format!("`{id}` was revoked; use {now}")),
        None if !is_id(id) => Some(format!("`{id}` is not an ATT&CK technique id (T1110, T1110.003)")),
        None => {
            Some(format!("`{id}` is not among the techniques of ATT&CK v{VERSION} that gridwatch knows (attack.txt)"))
        }
    }
}

fn parse(line: &'static str) -> Option<Technique> {
    let mut parts = line.split('|').map(str::trim);
    let id = parts.next().filter(|id| is_id(id))?;
    let tactics = parts.next()?.split(", ").collect();
    Some(Technique { id, tactics, name: parts.next().filter(|name| !name.is_empty()) })
}

fn is_id(id: &str) -> bool {
    let digits = |s: &str, n| s.len() == n && s.bytes().all(|b| b.is_ascii_digit());
    match id.strip_prefix('T').map(|rest| rest.split_once('.').unwrap_or((rest, "000"))) {
        Some((technique, sub)) => digits(technique, 4) && digits(sub, 3),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tactics of ATT&CK v19: 15, *defense evasion* being *stealth* and *defense impairment* now.
    const TACTICS: [&str; 15] = [
        "reconnaissance",
        "resource-development",
        "initial-access",
        "execution",
        "persistence",
        "privilege-escalation",
        "stealth",
        "defense-impairment",
        "credential-access",
        "discovery",
        "lateral-movement",
        "collection",
        "command-and-control",
        "exfiltration",
        "impact",
    ];

    #[test]
    fn every_line_is_a_technique_with_known_tactics() {
        let lines = TECHNIQUES.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(techniques().count(), lines, "a line that can't be read, or one that stands twice");
        for technique in techniques() {
            assert!(technique.tactics.iter().all(|tactic| TACTICS.contains(tactic)), "{technique:?}");
        }
        assert!(TECHNIQUES.contains(VERSION));
    }

    #[test]
    fn a_revoked_id_says_what_it_became() {
        assert_eq!(problem("T1562.001").unwrap(), "`T1562.001` was revoked; use T1685");
        for (revoked, now) in REVOKED {
            assert!(technique(revoked).is_none() && technique(now).is_some(), "{revoked} -> {now}");
        }
    }

    #[test]
    fn ids_are_known_or_refused() {
        assert_eq!(technique("T1110.003").and_then(|t| t.name), Some("Password Spraying"));
        for id in ["T1671", "T1213.005", "T1078.004", "T1685.002"] {
            assert_eq!(problem(id), None, "{id}");
        }
        for id in ["T9999", "1110", "T1110.3", "", "T1110."] {
            assert!(problem(id).is_some(), "{id}");
        }
    }
}
