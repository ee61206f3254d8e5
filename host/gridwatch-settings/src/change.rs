//! A setting's values before and after: what they say, and which way the setting went. Slack documents neither their words nor
//! their shapes: `true`, `"on"`, `["1"]` and `{"type":["ON"]}` were all seen, and either value may be missing.
//!
//! Here is the one list of words for each idea, so that a value of Slack's has the same verdict in every module. What differs from
//! setting to setting is its kind, and the module names it:
//!
//! | kind | looser is | read by |
//! |---|---|---|
//! | a protection, such as single sign-on | less of it is demanded | [`of_protection`] |
//! | a permission, such as who may trigger workflows from outside | more people may, or more is let in | [`of_permission`] |
//! | an allowlist of ids | an id came | [`of_allowlist`] |
//! | a list of what is protected, or of who is told | something went | [`of_protective_list`] |
//!
//! The rules that decide, for a protection (a permission is the reverse):
//!
//! - **Either end speaks for itself.** What is off now is looser, and what is on now is stricter, whatever stood before and also
//!   where Slack leaves the value before away; unless it was saved as it was.
//! - **Nothing after something is off.** `""` or `[]` where a value stood before is how an emptied setting looks. Of a permission
//!   only where that value is understood, or was a list: a change that raises no alert has to be certain.
//! - **Halfway is a step of its own.** `optional` is less than `required` and more than `off`; without a value before it says
//!   nothing of the direction.
//! - **A word of no list is [`Direction::Unclear`], never a guess**, and only words that say so make a change stricter: a change
//!   that is taken for stricter raises no alert.
//! - **A value that may have been cut never makes a change stricter**: what came may stand behind the part that was given.

use crate::json;
use serde_json::Value;
use std::collections::BTreeSet;

/// Which way a setting went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Protects less, or allows more, than before.
    Looser,
    /// Protects more or as much, or allows less or as much.
    Stricter,
    /// The values don't say.
    Unclear,
}

use Direction::{Looser, Stricter, Unclear};

impl Direction {
    /// The text of the field `setting.direction`.
    pub const fn name(self) -> &'static str {
        match self {
            Looser => "looser",
            Stricter => "stricter",
            Unclear => "unclear",
        }
    }
}

/// How far a setting is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Off,
    Halfway,
    On,
}

/// Words that mean on of any setting, in small letters. A window's conditions can't call [`level`] and have to list them.
pub const ON: [&str; 8] = ["true", "on", "1", "yes", "enabled", "required", "enforced", "mandatory"];
/// Words that mean that it is offered, or applies to some.
const HALFWAY: [&str; 3] = ["optional", "partial", "partially_required"];
/// Words that mean off of any setting.
const OFF: [&str; 8] = ["false", "off", "0", "no", "disabled", "none", "null", "not_required"];
/// Words that mean on of a permission alone: a protection may be for everyone too, and what it allows isn't what it demands.
const GRANTED: [&str; 5] = ["all", "everyone", "allow", "allowed", "approved"];
/// Words that mean off of a permission alone: a protection that blocks is on.
const REFUSED: [&str; 9] = ["nobody", "no_one", "deny", "denied", "block", "blocked", "removed", "deleted", "revoked"];

/// What the value says in the words that mean the same of any setting; `None` of all others, of several and of none.
pub fn level(value: &str) -> Option<Level> {
    match only_text(value)?.as_str() {
        word if ON.contains(&word) => Some(Level::On),
        word if HALFWAY.contains(&word) => Some(Level::Halfway),
        word if OFF.contains(&word) => Some(Level::Off),
        _ => None,
    }
}

/// On or off; `None` of what is halfway, too.
pub fn switch(value: &str) -> Option<bool> {
    match level(value)? {
        Level::On => Some(true),
        Level::Off => Some(false),
        Level::Halfway => None,
    }
}

/// What the value says of who may do something, in the words of [`level`] and in those of permissions.
pub fn permission(value: &str) -> Option<Level> {
    match only_text(value)?.as_str() {
        word if GRANTED.contains(&word) => Some(Level::On),
        word if REFUSED.contains(&word) => Some(Level::Off),
        _ => level(value),
    }
}

/// What `read` says of a change; but a value saved as it was is as strict as it was, whether it can be read or not.
pub fn between(before: &str, after: &str, read: impl FnOnce(&str, &str) -> Direction) -> Direction {
    if is_same(before, after) {
        return Stricter;
    }
    match read(before, after) {
        Stricter if json::may_be_cut(before) || json::may_be_cut(after) => Unclear,
        direction => direction,
    }
}

/// The direction of a setting that protects while it is on.
pub fn of_protection(before: &str, after: &str) -> Direction {
    between(before, after, |before, after| match (Said::read(before, level), Said::read(after, level)) {
        (_, Said::Level(Level::On)) => Stricter,
        (Said::Level(before), Said::Level(after)) if before <= after => Stricter,
        (Said::Level(_), Said::Level(_)) | (_, Said::Level(Level::Off)) => Looser,
        (Said::Nothing | Said::Level(Level::Off), Said::Nothing) => Unclear,
        (_, Said::Nothing) => Looser,
        _ => Unclear,
    })
}

/// The direction of a setting that lets people do more while it is on, or that lists what is let in.
pub fn of_permission(before: &str, after: &str) -> Direction {
    between(before, after, |before, after| match (Said::read(before, permission), Said::read(after, permission)) {
        (_, Said::Level(Level::Off)) => Stricter,
        (Said::Level(before), Said::Level(after)) if after <= before => Stricter,
        (Said::Level(_), Said::Level(_)) | (_, Said::Level(Level::On)) => Looser,
        (Said::Nothing | Said::Level(Level::Off), Said::Nothing) => Unclear,
        // Of a word that isn't understood it isn't known that it let anybody do anything.
        (Said::Other, Said::Nothing) if !is_list(before) => Unclear,
        (_, Said::Nothing) => Stricter,
        // Something is let in where nothing was.
        (Said::Level(Level::Off), Said::Other) => Looser,
        (Said::Nothing | Said::Other, Said::Other) if is_list(before) || is_list(after) => of_members(before, after),
        _ => Unclear,
    })
}

/// The direction of a list of ids that are let in. One that gets empty, or was, may as well let all in.
pub fn of_allowlist(before: &str, after: &str) -> Direction {
    between(before, after, |before, after| match members(before).is_empty() || members(after).is_empty() {
        true => Unclear,
        false => of_members(before, after),
    })
}

/// The direction of a list that protects what is in it, such as fields that nobody may edit, or names who is told: looser if something went.
pub fn of_protective_list(before: &str, after: &str) -> Direction {
    between(before, after, |before, after| match members(before).is_subset(&members(after)) {
        true if members(after).is_empty() => Unclear,
        true => Stricter,
        false => Looser,
    })
}

/// Looser if something is in now that wasn't.
fn of_members(before: &str, after: &str) -> Direction {
    match members(after).is_subset(&members(before)) {
        true => Stricter,
        false => Looser,
    }
}

fn members(value: &str) -> BTreeSet<String> {
    texts(value).into_iter().filter(|text| !OFF.contains(&text.as_str()) && !REFUSED.contains(&text.as_str())).collect()
}

fn is_list(value: &str) -> bool {
    value.trim_start().starts_with(['[', '{'])
}

/// What one value says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Level(Level),
    /// Given, and a word of no list: `every_month`.
    Other,
    /// Absent or empty.
    Nothing,
}

impl Said {
    fn read(value: &str, words: fn(&str) -> Option<Level>) -> Self {
        match words(value) {
            Some(level) => Self::Level(level),
            None if texts(value).is_empty() => Self::Nothing,
            None => Self::Other,
        }
    }
}

/// Was the setting saved as it was? However the two are spelled, and in whatever order a list is. Not of values that say
/// nothing, as `[]`: they may as well be what Slack left out; nor of those of which only the first part was given.
pub fn is_same(before: &str, after: &str) -> bool {
    let is_said = !texts(before).is_empty();
    // Of what is too long only the first part is here, and what changed may stand behind it.
    let is_all = !json::may_be_cut(before) && !json::may_be_cut(after);
    is_said && is_all && (plain(&parsed(before)) == plain(&parsed(after)) || is_level_alike(before, after))
}

fn is_level_alike(before: &str, after: &str) -> bool {
    level(before).is_some_and(|before| level(after) == Some(before))
}

/// The text that the value consists of, in small letters; `None` of several and of none.
pub fn only_text(value: &str) -> Option<String> {
    match texts(value).as_slice() {
        [text] => Some(text.clone()),
        _ => None,
    }
}

/// All texts in the value, in small letters and without what surrounds them.
pub fn texts(value: &str) -> Vec<String> {
    let texts = json::texts(value).into_iter().map(|text| word(&text));
    texts.filter(|text| !text.is_empty()).collect()
}

fn word(text: &str) -> String {
    text.trim().trim_matches('"').to_ascii_lowercase()
}

fn parsed(value: &str) -> Value {
    serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))
}

/// Two values that say the same are equal in this form: a list is a set, and what stands alone in a list or an object is
/// itself. Several fields of an object keep their names, since 30 days of messages and 90 of files aren't the reverse.
fn plain(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(plain).collect();
            items.sort_by_key(Value::to_string);
            items.dedup();
            if items.len() == 1 { items.remove(0) } else { items.into() }
        }
        Value::Object(fields) => match fields.values().next() {
            Some(only) if fields.len() == 1 => plain(only),
            _ => fields.iter().map(|(name, item)| (name.clone(), plain(item))).collect(),
        },
        Value::String(text) => word(text).into(),
        other => other.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_saved_as_they_were_are_the_same_in_every_shape() {
        for (before, after) in [
            ("manual", "manual"),
            ("Manual", r#"["manual"]"#),
            (r#"{"type":["MANUAL"]}"#, r#""manual""#),
            ("true", r#"["1"]"#),
            (r#""off""#, "disabled"),
            ("required", "true"),
            ("optional", "partial"),
            (r#"["T1","T2"]"#, r#"["T2","T1"]"#),
            (r#"{"type":["A"],"user":["U1","U2"]}"#, r#"{"user":["U2","U1"],"type":["A"]}"#),
            (r#"{"type":"EXPIRE","days":90}"#, r#"{"days":"90","type":["EXPIRE"]}"#),
        ] {
            assert!(is_same(before, after) && is_same(after, before), "{before} and {after}");
        }
    }

    #[test]
    fn what_differs_or_isnt_given_is_not_the_same() {
        for (before, after) in [
            ("", ""),
            ("", "manual"),
            ("[]", ""),
            ("[]", "[]"),
            (r#"{"type":[]}"#, r#"{"type":[""]}"#),
            ("manual", "auto"),
            ("true", "false"),
            ("1", "2"),
            (r#"["T1"]"#, r#"["T1","T2"]"#),
            (r#"{"messages":30,"files":90}"#, r#"{"messages":90,"files":30}"#),
            (r#"{"type":["A"],"user":["U1"]}"#, r#"{"type":["A"]}"#),
        ] {
            assert!(!is_same(before, after) && !is_same(after, before), "{before} and {after}");
        }
    }

    #[test]
    fn a_switch_is_one_plain_word() {
        for on in ["true", "On", r#"["1"]"#, r#"{"type":["ENABLED"]}"#, r#""yes""#, "required"] {
            assert_eq!(switch(on), Some(true), "{on}");
        }
        for off in ["false", "OFF", "0", "[\"disabled\"]", "none", "null", "not_required"] {
            assert_eq!(switch(off), Some(false), "{off}");
        }
        for neither in ["", "[]", "optional", "everyone", r#"["on","off"]"#] {
            assert_eq!(switch(neither), None, "{neither}");
        }
    }

    #[test]
    fn a_word_is_in_one_list_alone() {
        let all = [&ON[..], &HALFWAY, &OFF, &GRANTED, &REFUSED].concat();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    /// What every module says of these values, whichever setting they are of.
    #[test]
    fn a_protection_is_looser_when_less_of_it_is_demanded() {
        for (strict, loose) in [
            ("true", "false"),
            ("1", "0"),
            ("on", "off"),
            ("required", "optional"),
            ("optional", "off"),
            ("partial", "not_required"),
            ("Enabled", "none"),
            ("mandatory", "null"),
            (r#"{"type":["required"]}"#, r#"{"type":["disabled"]}"#),
        ] {
            let both = (of_protection(strict, loose), of_protection(loose, strict));
            assert_eq!(both, (Looser, Stricter), "{strict} and {loose}");
        }
        for (before, after, want) in [
            ("", "false", Looser),
            ("chrome", "off", Looser),
            ("true", "", Looser),
            ("optional", "[]", Looser),
            ("chrome", "[]", Looser),
            ("", "true", Stricter),
            ("chrome", "enforced", Stricter),
            ("false", "none", Stricter),
            ("", "", Unclear),
            ("off", "", Unclear),
            ("", "optional", Unclear),
            ("chrome", "optional", Unclear),
            ("true", "edge", Unclear),
            ("off", "edge", Unclear),
            ("off", "everyone", Unclear),
            (r#"["a","b"]"#, "x", Unclear),
        ] {
            assert_eq!(of_protection(before, after), want, "{before} to {after}");
        }
    }

    #[test]
    fn a_permission_is_looser_when_more_people_may_or_more_is_let_in() {
        for (loose, strict) in [
            ("true", "false"),
            ("everyone", "nobody"),
            ("approved", "revoked"),
            ("allow", "optional"),
            ("partial", "deny"),
            (r#"{"type":["everyone"]}"#, r#"{"type":["none"]}"#),
            (r#"["gdrive","github"]"#, r#"["gdrive"]"#),
        ] {
            let both = (of_permission(strict, loose), of_permission(loose, strict));
            assert_eq!(both, (Looser, Stricter), "{loose} and {strict}");
        }
        for (before, after, want) in [
            ("", "true", Looser),
            ("ask_first", "all", Looser),
            ("none", "ask_first", Looser),
            ("none", r#"["gdrive"]"#, Looser),
            ("[]", r#"["gdrive"]"#, Looser),
            (r#"["gdrive"]"#, r#"["github"]"#, Looser),
            ("", "disabled", Stricter),
            ("1", "", Stricter),
            (r#"["gdrive"]"#, "[]", Stricter),
            ("all", "true", Stricter),
            ("none", "denied", Stricter),
            ("", "", Unclear),
            ("off", "", Unclear),
            ("", "ask_first", Unclear),
            ("ask_first", "", Unclear),
            ("true", "ask_first", Unclear),
            ("all", r#"["gdrive"]"#, Unclear),
            ("ask_first", "ask_always", Unclear),
        ] {
            assert_eq!(of_permission(before, after), want, "{before} to {after}");
        }
    }

    #[test]
    fn an_allowlist_is_looser_when_an_id_came_and_unclear_when_it_is_emptied() {
        for (before, after, want) in [
            (r#"["T1"]"#, r#"["T1","T2"]"#, Looser),
            (r#"["T1","T2"]"#, r#"["T2"]"#, Stricter),
            (r#"["T1"]"#, "[]", Unclear),
            ("", r#"["T1"]"#, Unclear),
        ] {
            assert_eq!(of_allowlist(before, after), want, "{before} to {after}");
        }
    }

    #[test]
    fn a_list_that_protects_is_looser_when_something_went() {
        for (before, after, want) in [
            (r#"["real_name","title"]"#, r#"["title"]"#, Looser),
            (r#"["title"]"#, r#"["title","real_name"]"#, Stricter),
            (r#"["title"]"#, "", Looser),
            ("", r#"["title"]"#, Stricter),
            ("", "", Unclear),
        ] {
            assert_eq!(of_protective_list(before, after), want, "{before} to {after}");
        }
    }

    /// Of two values of the lists, one way or the other is looser unless they are equal, and never both.
    #[test]
    fn a_change_and_its_reverse_are_not_both_looser() {
        let words = [&ON[..], &HALFWAY, &OFF].concat();
        for of in [of_protection, of_permission] {
            for before in &words {
                for after in &words {
                    let looser = [of(before, after), of(after, before)].iter().filter(|way| **way == Looser).count();
                    assert_eq!(looser, usize::from(level(before) != level(after)), "{before} and {after}");
                }
            }
        }
    }

    #[test]
    fn what_is_saved_as_it_was_is_no_change_whatever_it_says() {
        for (before, after) in [("some_word", "some_word"), ("Edge", r#"["edge"]"#), ("RETAIN_X", "RETAIN_X")] {
            assert_eq!(between(before, after, |_, _| Unclear), Stricter, "{before} {after}");
        }
        for (before, after) in [("some_word", "another"), ("", ""), ("", "some_word"), ("some_word", "")] {
            assert_eq!(between(before, after, |_, _| Unclear), Unclear, "{before} {after}");
        }
    }

    #[test]
    fn of_lists_too_long_to_be_given_nothing_is_called_stricter() {
        let list = |n: usize| format!("[{}]", vec!["\"T0198765432\""; n].join(","));
        assert_eq!(of_allowlist(&list(4_000), &list(4_000)), Unclear);
        assert_eq!(of_permission(&list(4_000), "[]"), Unclear);
        assert_eq!(of_permission("none", &list(4_000)), Looser);
    }
}
