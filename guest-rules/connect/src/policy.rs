//! Which way a policy on Slack Connect went. Slack documents neither the words nor the shapes of the values: text, list
//! and `{"type": […], "user": […]}` were seen, and the value before may be missing. What can't be read is unclear.

use gridwatch_sdk::{change, json};
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// More people may connect, or with more organizations.
    Looser,
    /// Fewer, or as many.
    Stricter,
    Unclear,
}

use Direction::{Looser, Stricter, Unclear};

pub(crate) fn direction(action: &str, before: &str, after: &str) -> Direction {
    match read(action, before, after) {
        // What came may stand behind the part that was given.
        Stricter if json::may_be_cut(before) || json::may_be_cut(after) => Unclear,
        told => told,
    }
}

fn read(action: &str, before: &str, after: &str) -> Direction {
    match action {
        "slack_connect_invite_routing_disabled" => Looser,
        _ if change::is_same(before, after) => Stricter,
        // On: only organizations that Slack has verified.
        "pref.slack_connect_dm_only_verified_orgs" => of_switch(before, after, true),
        "pref.can_receive_shared_channels_invites" | "pref.allow_sponsored_slack_connections" => {
            match of_switch(before, after, false) {
                Unclear => of_audience(before, after),
                told => told,
            }
        }
        "pref.who_can_manage_ext_shared_channels"
        | "pref.who_can_manage_shared_channels"
        | "pref.who_can_dm_anyone" => of_audience(before, after),
        "pref.slack_connect_allowed_workspaces" => of_list(before, after),
        // Slack's words for these aren't known: `slack_connect_approval_type`, `slack_connect_pref_*`.
        _ => Unclear,
    }
}

fn of_switch(before: &str, after: &str, protects: bool) -> Direction {
    match (switch(before), switch(after)) {
        (_, Some(on)) if on == protects => Stricter,
        (Some(_), Some(_)) => Looser,
        _ => Unclear,
    }
}

fn switch(value: &str) -> Option<bool> {
    match change::only_text(value)?.as_str() {
        "required" => Some(true),
        "optional" => Some(false),
        word => change::switch(word),
    }
}

/// Ids that weren't there before. A list that gets empty may as well mean all.
fn of_list(before: &str, after: &str) -> Direction {
    let read = |value| json::texts(value).into_iter().collect::<BTreeSet<_>>();
    let (old, new) = (read(before), read(after));
    match () {
        () if new.is_empty() || old.is_empty() => Unclear,
        () if new.is_subset(&old) => Stricter,
        () => Looser,
    }
}

fn of_audience(before: &str, after: &str) -> Direction {
    let (old, new) = (Audience::read(before), Audience::read(after));
    match (old.widest, new.widest) {
        (_, Some(0)) => Stricter,
        (Some(old), Some(new)) if new > old => Looser,
        (Some(old), Some(new)) if new < old => Stricter,
        (Some(_), Some(_)) if !new.people.is_subset(&old.people) => Looser,
        (Some(_), Some(_)) if new.words == old.words => Stricter,
        _ => Unclear,
    }
}

/// Who may: kinds of people (`ORG_ADMINS_AND_OWNERS`), and single ones by id.
struct Audience {
    words: BTreeSet<String>,
    people: BTreeSet<String>,
    /// The widest of the kinds; `None` if none is understood.
    widest: Option<u64>,
}

impl Audience {
    fn read(value: &str) -> Self {
        let is_id = |text: &String| text.starts_with(['U', 'W', 'S']) && text.bytes().any(|b| b.is_ascii_digit());
        let (people, words): (BTreeSet<_>, BTreeSet<_>) = json::texts(value).into_iter().partition(is_id);
        let widest = words.iter().filter_map(|word| width(&word.to_ascii_uppercase())).max();
        Self { words, people, widest }
    }
}

/// The more, the wider. Only what the names themselves say: of ORG_… and TOPLEVEL_… neither is wider.
fn width(word: &str) -> Option<u64> {
    let has = |parts: &[&str]| parts.iter().any(|part| word.contains(part));
    match () {
        () if has(&["NO_ONE", "NOBODY", "NONE", "DISABLED", "FALSE"]) => Some(0),
        () if has(&["EVERYONE", "ANYONE", "REGULAR", "MEMBER"]) => Some(5),
        () if has(&["SELECTED"]) => Some(4),
        () if has(&["ADMIN"]) && has(&["ORG_", "TOPLEVEL_"]) => Some(2),
        () if has(&["ADMIN"]) => Some(3),
        () if has(&["OWNER"]) => Some(1),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both_ways(action: &str, strict: &str, loose: &str) {
        assert_eq!(direction(action, strict, loose), Looser, "{action}: {strict} to {loose}");
        assert_eq!(direction(action, loose, strict), Stricter, "{action}: {loose} to {strict}");
        assert_eq!(direction(action, loose, loose), Stricter, "{action}: {loose} as before");
    }

    #[test]
    fn looser_is_told_from_stricter() {
        let who = "pref.who_can_manage_ext_shared_channels";
        both_ways("pref.slack_connect_dm_only_verified_orgs", "true", "false");
        both_ways("pref.can_receive_shared_channels_invites", "0", "1");
        both_ways("pref.slack_connect_allowed_workspaces", r#"["T1"]"#, r#"["T1","T2"]"#);
        both_ways(
            who,
            r#"{"type":["ORG_ADMINS_AND_OWNERS"]}"#,
            r#"{"type":["TOPLEVEL_ADMINS_AND_OWNERS_AND_SELECTED"]}"#,
        );
        both_ways(who, r#"{"type":["ADMINS"],"user":["U01"]}"#, r#"{"type":["ADMINS"],"user":["U01","U02"]}"#);
        for [strict, loose] in [["NO_ONE", "OWNERS"], ["OWNERS", "ORG_ADMINS"], ["WORKSPACE_ADMINS", "EVERYONE"]] {
            both_ways(who, strict, loose);
        }
        assert_eq!(direction(who, "", "NO_ONE"), Stricter, "stricter than whatever it was");
    }

    #[test]
    fn what_is_saved_as_it_was_is_no_change_whether_it_can_be_read_or_not() {
        for (action, before, after) in [
            ("pref.slack_connect_approval_type", "manual", r#"["manual"]"#),
            ("pref.slack_connect_dm_only_verified_orgs", "off", "false"),
            ("pref.slack_connect_allowed_workspaces", r#"["T1","T2"]"#, r#"["T2","T1"]"#),
            ("pref.who_can_dm_anyone", "some", "some"),
            ("slack_connect_pref_set", "x", "x"),
        ] {
            assert_eq!(direction(action, before, after), Stricter, "{action}: {before} to {after}");
        }
        assert_eq!(direction("slack_connect_invite_routing_disabled", "off", "off"), Looser, "it says so itself");
    }

    #[test]
    fn what_cant_be_read_is_unclear() {
        for (action, before, after) in [
            ("pref.slack_connect_dm_only_verified_orgs", "", "false"),
            ("pref.slack_connect_allowed_workspaces", r#"["T1"]"#, "[]"),
            ("pref.who_can_manage_ext_shared_channels", "", r#"{"type":["ADMINS"]}"#),
            ("pref.who_can_manage_ext_shared_channels", "ORG_ADMINS", "TOPLEVEL_ADMINS"),
            ("pref.slack_connect_approval_type", "manual", "auto"),
            ("pref.slack_connect_approval_type", "", "manual"),
            ("slack_connect_pref_set", "true", "false"),
        ] {
            assert_eq!(direction(action, before, after), Unclear, "{action}: {before} to {after}");
        }
    }
}
