//! Slack's vocabulary of actions as recorded in August 2026, 25 groups and 762 distinct names.
//!
//! Eight names stand in two groups, so a name alone does not tell its group. The real list is incomplete, and lags.

use std::collections::HashSet;
use std::sync::LazyLock;

/// (group, action) in the recorded order, groups contiguous.
static MEMBERSHIPS: LazyLock<Vec<(&str, &str)>> =
    LazyLock::new(|| include_str!("actions.txt").lines().filter_map(|line| line.split_once(' ')).collect());

/// (group, action) pairs; a name in two groups comes twice.
pub fn memberships() -> &'static [(&'static str, &'static str)] {
    &MEMBERSHIPS
}

/// The distinct action names, in the catalogue's order.
pub fn action_names() -> Vec<&'static str> {
    let mut seen = HashSet::new();
    memberships().iter().map(|(_, name)| *name).filter(|name| seen.insert(*name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_has_the_recorded_size() {
        assert_eq!((memberships().len(), action_names().len()), (770, 762));
    }
}
