//! Slack's own vocabulary as gridwatch was built with: actions (`GET /audit/v1/actions`), entity types with their fields
//! (`GET /audit/v1/schemas`), and the keys of `details` that anyone has written down.
//!
//! The lists lag reality (a live org logs actions that are in no list), so nothing is ever refused for being absent from
//! them: what is unknown is marked and counted, and manifests are linted so that a rule can't wait
//! for a name that doesn't exist.

use crate::known::Known;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// All actions as text: a group in brackets, its actions below it a line each; lines that start with `#` are remarks.
pub const ACTIONS: &str = include_str!("actions.txt");
const ENTITIES: &str = include_str!("entities.txt");
const DETAILS: &str = include_str!("details.txt");

/// Entity types that Slack's SDKs and live entries know though `/schemas` doesn't name them.
const UNLISTED_ENTITY_TYPES: [&str; 4] = ["huddle", "list", "function", "external_auth_oauth2_token"];

/// Action → its group (the first one: eight names are in two groups).
static BY_ACTION: LazyLock<BTreeMap<&str, &str>> = LazyLock::new(|| {
    let mut by_action = BTreeMap::new();
    for (group, action) in memberships() {
        by_action.entry(action).or_insert(group);
    }
    by_action
});

static KNOWN_ACTIONS: LazyLock<Known> = LazyLock::new(|| Known::of(BY_ACTION.keys().copied()));

static BY_ENTITY_TYPE: LazyLock<BTreeMap<&str, BTreeSet<&str>>> = LazyLock::new(|| {
    let types = lines(ENTITIES).filter_map(|line| line.split_once(": "));
    types.map(|(name, fields)| (name, fields.split(' ').collect())).collect()
});

static KNOWN_ENTITY_TYPES: LazyLock<Known> =
    LazyLock::new(|| Known::of(BY_ENTITY_TYPE.keys().copied().chain(UNLISTED_ENTITY_TYPES)));

static DETAILS_KEYS: LazyLock<Known> = LazyLock::new(|| Known::of(lines(DETAILS)));

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

/// Every (group, action) pair, in file order.
pub fn memberships() -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut group = "";
    lines(ACTIONS).filter_map(move |line| match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(name) => {
            group = name;
            None
        }
        None => Some((group, line)),
    })
}

/// The distinct actions, sorted.
pub fn actions() -> impl Iterator<Item = &'static str> {
    BY_ACTION.keys().copied()
}

pub fn is_action(name: &str) -> bool {
    number_of(name).is_some()
}

/// An action's place among [`actions`], for tables by action.
pub fn number_of(action: &str) -> Option<u16> {
    KNOWN_ACTIONS.number(action)
}

/// Slack's group of an action (`user`, `app`, `workspace_or_org` …).
pub fn group_of(action: &str) -> Option<&'static str> {
    BY_ACTION.get(action).copied()
}

/// Is this a type of entity that is known, listed by Slack or not?
pub fn is_entity_type(name: &str) -> bool {
    KNOWN_ENTITY_TYPES.number(name).is_some()
}

/// The entity types that `/schemas` lists, each with its fields.
pub fn entity_types() -> impl Iterator<Item = (&'static str, &'static BTreeSet<&'static str>)> {
    BY_ENTITY_TYPE.iter().map(|(name, fields)| (*name, fields))
}

/// The known keys of `details`, sorted.
pub fn details_keys() -> impl Iterator<Item = &'static str> {
    DETAILS_KEYS.names().iter().copied()
}

pub fn is_details_key(name: &str) -> bool {
    DETAILS_KEYS.number(name).is_some()
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
    fn the_catalogue_knows_entity_types_and_details_keys() {
        assert_eq!(entity_types().count(), 16);
        assert!(entity_types().all(|(_, fields)| fields.contains("id") || fields.contains("timestamp")));
        assert!(is_entity_type("app") && is_entity_type("huddle") && !is_entity_type("ghost"));
        assert_eq!(details_keys().count(), 193);
        assert!(is_details_key("previous_scopes") && !is_details_key("new_scope"));
    }

    #[test]
    fn patterns_match_whole_names_or_prefixes() {
        assert!(pattern_matches("pref.*", "pref.sso_setting_changed"));
        assert!(!pattern_matches("user_login", "user_login_failed"));
        assert!(pattern_is_known("ekm_*") && !pattern_is_known("role_change"));
    }
}
