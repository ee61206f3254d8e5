//! Which way a policy on Slack Connect went: looser is more people who may connect, or more organizations to connect with.
//! Who may is read here (`{"type": […], "user": […]}`), the rest by [`gridwatch_sdk::change`].

use gridwatch_sdk::change::Direction::{self, Looser, Stricter, Unclear};
use gridwatch_sdk::change::{self, Level};
use gridwatch_sdk::json;
use std::collections::BTreeSet;

pub(crate) fn direction(action: &str, before: &str, after: &str) -> Direction {
    match action {
        "slack_connect_invite_routing_disabled" => Looser,
        // On: only organizations that Slack has verified.
        "pref.slack_connect_dm_only_verified_orgs" => change::of_protection(before, after),
        "pref.can_receive_shared_channels_invites" | "pref.allow_sponsored_slack_connections" => {
            match change::between(before, after, of_audience) {
                Unclear => change::of_permission(before, after),
                direction => direction,
            }
        }
        "pref.who_can_manage_ext_shared_channels"
        | "pref.who_can_manage_shared_channels"
        | "pref.who_can_dm_anyone" => change::between(before, after, of_audience),
        "pref.slack_connect_allowed_workspaces" => change::of_allowlist(before, after),
        // Slack's words for these aren't known: `slack_connect_approval_type`, `slack_connect_pref_*`.
        _ => change::between(before, after, |_, _| Unclear),
    }
}

const NOBODY: u64 = 0;
const EVERYBODY: u64 = 5;

fn of_audience(before: &str, after: &str) -> Direction {
    let (old, new) = (Audience::read(before), Audience::read(after));
    match (old.widest, new.widest) {
        (_, Some(NOBODY)) => Stricter,
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
        let widest = words.iter().filter_map(|word| width(word)).max();
        Self { words, people, widest }
    }
}

/// The more, the wider. Beyond the plain words only what the names themselves say: of ORG_… and TOPLEVEL_… neither is wider.
fn width(word: &str) -> Option<u64> {
    match change::permission(word) {
        Some(Level::Off) => return Some(NOBODY),
        Some(Level::On) => return Some(EVERYBODY),
        Some(Level::Halfway) | None => {}
    }
    let word = word.to_ascii_uppercase();
    let has = |parts: &[&str]| parts.iter().any(|part| word.contains(part));
    match () {
        () if has(&["NO_ONE", "NOBODY", "NONE", "DISABLED"]) => Some(NOBODY),
        () if has(&["EVERYONE", "ANYONE", "REGULAR", "MEMBER"]) => Some(EVERYBODY),
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
        assert_eq!(direction(who, "ORG_ADMINS", "true"), Looser, "everybody, as a switch says it");
        for [permits, strict, loose] in [["pref.can_receive_shared_channels_invites", "ORG_ADMINS", "EVERYONE"]] {
            both_ways(permits, strict, loose);
        }
        let verified = "pref.slack_connect_dm_only_verified_orgs";
        assert_eq!(direction(verified, "", "false"), Looser, "looser than whatever it was");
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
            ("pref.slack_connect_dm_only_verified_orgs", "", "optional"),
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
