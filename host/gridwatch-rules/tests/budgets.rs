//! The noise budgets of the shipped rules, taken together. What is measured against them: `cargo xtask bench detections`.

use gridwatch_manifest::{Manifest, Severity};
use gridwatch_rules::builtin;
use std::path::Path;

/// Alerts of Medium or above a day and thousand users: what one person can go through beside other work.
const MOST: f64 = 3.0;

#[test]
fn rules_may_not_be_louder_together_than_a_team_can_hear() {
    let folders = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest-rules")).unwrap();
    let texts = folders.filter_map(|folder| std::fs::read_to_string(folder.unwrap().path().join("module.toml")).ok());
    let shipped = texts.flat_map(|text| Manifest::parse(&text).unwrap_or_else(|e| panic!("{e}")).rules);
    let rules: Vec<_> = shipped.chain(builtin::manifest().rules.clone()).collect();
    let loud = rules.iter().filter(|rule| rule.severity >= Severity::Medium);
    let sum: f64 = loud.clone().map(|rule| rule.budget).sum();
    assert!(loud.count() > 80, "the modules are not where they were");
    assert!(sum <= MOST, "the budgets come to {sum}");
}
