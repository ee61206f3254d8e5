//! Slack's own vocabulary as gridwatch was built with: the actions of `GET /audit/v1/actions` and the entity types.
//!
//! The list lags reality (a live org logs actions that are in no list), so nothing is ever refused for being absent from
//! it: an unknown action is marked, and manifests are linted so that a rule can't wait for a name that doesn't exist.

use std::collections::BTreeMap;
use std::sync::LazyLock;

const ACTIONS: &str = include_str!("actions.txt");

/// Entity types that `/audit/v1/schemas` and Slack's SDKs know.
const ENTITY_TYPES: [&str; 20] = [
    "user",
    "workspace",
    "enterprise",
    "channel",
    "file",
    "app",
    "usergroup",
    "message",
    "workflow",
    "workflow_v2",
    "barrier",
    "role",
    "account_type_role",
    "huddle",
    "canvas",
    "list",
    "template",
    "legal_hold_policy",
    "function",
    "external_auth_oauth2_token",
];

/// Action → its group (the first one: eight names are in two groups).
static BY_ACTION: LazyLock<BTreeMap<&str, &str>> = LazyLock::new(|| {
    let mut by_action = BTreeMap::new();
    for (group, action) in memberships() {
        by_action.entry(action).or_insert(group);
    }
    by_action
});

/// Every (group, action) pair, in file order.
pub fn memberships() -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut group = "";
    ACTIONS.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).filter_map(move |line| {
        match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(name) => {
                group = name;
                None
            }
            None => Some((group, line)),
        }
    })
}

/// The distinct actions, sorted.
pub fn actions() -> impl Iterator<Item = &'static str> {
    BY_ACTION.keys().copied()
}

pub fn is_action(name: &str) -> bool {
    BY_ACTION.contains_key(name)
}

/// Slack's group of an action (`user`, `app`, `workspace_or_org` …).
pub fn group_of(action: &str) -> Option<&'static str> {
    BY_ACTION.get(action).copied()
}

pub fn is_entity_type(name: &str) -> bool {
    ENTITY_TYPES.contains(&name)
}

/// Does a subscription (`user_login`, `pref.*`, `*`) cover this action?
pub fn pattern_matches(pattern: &str, action: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => action.starts_with(prefix),
        None => pattern == action,
    }
}

/// Does a pattern name at least one action of the catalogue?
pub fn pattern_is_known(pattern: &str) -> bool {
    actions().any(|action| pattern_matches(pattern, action))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_has_slacks_762_actions_in_25_groups() {
        assert_eq!(actions().count(), 762);
        assert_eq!(memberships().count(), 770);
        let groups: std::collections::BTreeSet<_> = memberships().map(|(group, _)| group).collect();
        assert_eq!(groups.len(), 25);
    }

    #[test]
    fn patterns_match_whole_names_or_prefixes() {
        assert!(pattern_matches("pref.*", "pref.sso_setting_changed"));
        assert!(!pattern_matches("user_login", "user_login_failed"));
        assert!(pattern_is_known("ekm_*") && !pattern_is_known("role_change"));
    }
}
