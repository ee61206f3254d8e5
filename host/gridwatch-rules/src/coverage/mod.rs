//! Coverage: which techniques and actions the rules watch, which they don't, and why.
//!
//! Made from manifests alone, so it can't say more than the rules do. Three things are told apart: a technique that some rule
//! names, one that the audit log could show and no rule looks for, and one that the audit log doesn't show.

mod navigator;
mod sight;

pub use navigator::layers;
pub use sight::{Degree, SIGHTS, Sight};

use gridwatch_manifest::Manifest;
use gridwatch_names::catalogue;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Serialize)]
pub struct Coverage {
    /// Techniques that at least one rule names.
    pub covered: Vec<Covered>,
    /// Techniques that no rule names, or of which a part stays unseen.
    pub gaps: Vec<Gap>,
    /// Actions of Slack's catalogue that some rule names.
    pub watched: BTreeSet<&'static str>,
    /// Those that rules have only by a pattern, as `pref.*`, by Slack's group: such a rule asks who does any of them, and reads none for
    /// what it says.
    pub passed: BTreeMap<&'static str, Vec<&'static str>>,
    /// Those that no rule has, by Slack's group.
    pub unwatched: BTreeMap<&'static str, Vec<&'static str>>,
}

#[derive(Debug, Serialize)]
pub struct Covered {
    pub technique: String,
    /// `<module>.<rule>`.
    pub rules: BTreeSet<String>,
    /// Alerts that named it in the time looked at; `None` where nobody looked.
    pub observed: Option<u64>,
}

#[derive(Debug, Serialize)]
pub struct Gap {
    pub technique: &'static str,
    pub means: &'static str,
    pub why: Why,
    pub unseen: &'static str,
    pub closes: &'static str,
}

/// Why a technique is a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The audit log shows it, and no rule looks.
    NoRule,
    /// Rules see a part of it; the log doesn't show the rest.
    PartlyVisible,
    /// The log doesn't show it.
    NotVisible,
}

impl Why {
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoRule => "no rule looks for it",
            Self::PartlyVisible => "the audit log shows a part",
            Self::NotVisible => "the audit log doesn't show it",
        }
    }
}

/// `observed`: alerts by technique, if somebody has counted.
pub fn coverage(manifests: &[&Manifest], observed: Option<&BTreeMap<String, u64>>) -> Coverage {
    let mut rules: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (manifest, rule) in manifests.iter().flat_map(|m| m.rules.iter().map(move |rule| (m, rule))) {
        for technique in &rule.attack {
            rules.entry(technique).or_default().insert(format!("{}.{}", manifest.name, rule.id));
        }
    }
    let gaps = SIGHTS.iter().filter_map(|sight| gap(sight, rules.contains_key(sight.technique))).collect();
    let counted = |technique: &str| observed.map(|counts| counts.get(technique).copied().unwrap_or_default());
    let covered = rules.into_iter().map(|(technique, rules)| Covered {
        technique: technique.to_owned(),
        rules,
        observed: counted(technique),
    });
    let covered = covered.collect();
    let (mut watched, mut passed, mut unwatched) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
    for action in catalogue::actions() {
        let others: &mut BTreeMap<&str, Vec<&str>> = match How::of(manifests, action) {
            How::ByName => {
                watched.insert(action);
                continue;
            }
            How::ByPattern => &mut passed,
            How::Not => &mut unwatched,
        };
        others.entry(catalogue::group_of(action).unwrap_or_default()).or_default().push(action);
    }
    Coverage { covered, gaps, watched, passed, unwatched }
}

fn gap(sight: &Sight, is_covered: bool) -> Option<Gap> {
    let why = match (sight.degree, is_covered) {
        (Degree::Not, _) => Why::NotVisible,
        (Degree::Partly, true) => Why::PartlyVisible,
        (Degree::Visible, true) => return None,
        (Degree::Visible | Degree::Partly, false) => Why::NoRule,
    };
    let Sight { technique, means, unseen, closes, .. } = *sight;
    Some(Gap { technique, means, why, unseen, closes })
}

/// How rules have an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    ByName,
    ByPattern,
    Not,
}

impl How {
    /// `*` alone has none: it is what rules about the log as a whole subscribe to.
    fn of(manifests: &[&Manifest], action: &str) -> Self {
        let patterns = || manifests.iter().flat_map(|manifest| &manifest.rules).flat_map(|rule| &rule.actions);
        let fits = |pattern: &&String| *pattern != "*" && catalogue::pattern_matches(pattern, action);
        match () {
            () if patterns().any(|pattern| pattern == action) => Self::ByName,
            () if patterns().any(|pattern| fits(&pattern)) => Self::ByPattern,
            () => Self::Not,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(actions: &str, attack: &str) -> Manifest {
        let text = format!(
            r#"name = "m"
               version = "1.0.0"
               abi = "gridwatch:detect@1"
               title = "M"
               fields = ["action"]
               [[rule]]
               id = "r"
               title = "R"
               actions = {actions}
               condition = "c"
               threshold = "t"
               severity = "low"
               fold = "1h"
               attack = {attack}
               playbook = {{ verify = [{{ do = "a" }}], contain = [{{ do = "b" }}] }}"#
        );
        Manifest::parse(&text).unwrap()
    }

    #[test]
    fn what_rules_name_is_covered_and_the_rest_is_a_gap_with_its_reason() {
        let m = manifest(r#"["user_login", "ekm_*"]"#, r#"["T1078", "T1600"]"#);
        let coverage = coverage(&[&m], None);
        let covered: Vec<&str> = coverage.covered.iter().map(|c| c.technique.as_str()).collect();
        assert_eq!(covered, ["T1078", "T1600"]);
        let why = |id: &str| coverage.gaps.iter().find(|gap| gap.technique == id).map(|gap| gap.why);
        assert_eq!(why("T1078"), Some(Why::PartlyVisible));
        assert_eq!(why("T1600"), None, "all of it shows and a rule looks");
        assert_eq!((why("T1531"), why("T1621")), (Some(Why::NoRule), Some(Why::NotVisible)));
        assert!(coverage.watched.contains("user_login") && !coverage.watched.contains("user_logout"));
        let all = [&coverage.passed, &coverage.unwatched].map(|groups| groups.values().map(Vec::len).sum::<usize>());
        assert_eq!(coverage.watched.len() + all[0] + all[1], 762);
    }

    #[test]
    fn what_only_a_pattern_lets_through_is_not_watched() {
        let by_pattern = manifest(r#"["ekm_*", "user_login"]"#, "[]");
        let of_pattern = coverage(&[&by_pattern], None);
        assert_eq!(of_pattern.watched, BTreeSet::from(["user_login"]));
        assert_eq!(of_pattern.passed.values().flatten().filter(|action| action.starts_with("ekm_")).count(), 10);
        let by_name = manifest(r#"["ekm_unenrolled"]"#, "[]");
        assert!(coverage(&[&by_pattern, &by_name], None).watched.contains("ekm_unenrolled"), "another rule names it");
    }

    #[test]
    fn a_rule_about_everything_watches_no_action() {
        let coverage = coverage(&[&manifest(r#"["*"]"#, "[]")], None);
        assert!(coverage.watched.is_empty() && coverage.passed.is_empty());
    }

    #[test]
    fn sights_are_sorted_and_each_gap_says_what_would_close_it() {
        assert!(SIGHTS.windows(2).all(|pair| pair[0].technique < pair[1].technique));
        for sight in SIGHTS.iter().filter(|sight| sight.degree != Degree::Visible) {
            assert!(!sight.unseen.is_empty() && !sight.closes.is_empty(), "{}", sight.technique);
        }
    }

    #[test]
    fn observed_alerts_are_counted_by_technique() {
        let m = manifest(r#"["user_login"]"#, r#"["T1078", "T1600"]"#);
        let observed = BTreeMap::from([("T1078".to_owned(), 7)]);
        let counts: Vec<_> = coverage(&[&m], Some(&observed)).covered.iter().map(|c| c.observed).collect();
        assert_eq!(counts, [Some(7), Some(0)]);
    }
}
