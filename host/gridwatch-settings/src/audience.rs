//! Who may do something (`{"type": […], "user": […]}`), and which way that went: looser is more people.

use crate::change::{self, Direction, Level};
use crate::json;
use Direction::{Looser, Stricter, Unclear};
use std::collections::BTreeSet;

const NOBODY: u64 = 0;
const EVERYBODY: u64 = 5;

/// The direction of who may do something: looser is more people.
pub fn of_audience(before: &str, after: &str) -> Direction {
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

    #[test]
    fn more_people_are_looser_whatever_the_shape() {
        for (strict, loose) in [
            (r#"{"type":["ORG_ADMINS_AND_OWNERS"]}"#, r#"{"type":["TOPLEVEL_ADMINS_AND_OWNERS_AND_SELECTED"]}"#),
            (r#"{"type":["ADMINS"],"user":["U01"]}"#, r#"{"type":["ADMINS"],"user":["U01","U02"]}"#),
            ("NO_ONE", "OWNERS"),
            ("OWNERS", "ORG_ADMINS"),
            ("WORKSPACE_ADMINS", "EVERYONE"),
            ("ORG_ADMINS", "true"),
        ] {
            assert_eq!(
                (of_audience(strict, loose), of_audience(loose, strict)),
                (Looser, Stricter),
                "{strict}, {loose}"
            );
        }
        assert_eq!(of_audience("", "NO_ONE"), Stricter, "stricter than whatever it was");
        for (before, after) in [("", r#"{"type":["ADMINS"]}"#), ("ORG_ADMINS", "TOPLEVEL_ADMINS"), ("x", "y")] {
            assert_eq!(of_audience(before, after), Unclear, "{before}, {after}");
        }
    }
}
