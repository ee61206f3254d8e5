//! Settings that are a number or a version, and which way they went.

use crate::change::{Direction, only_text};
use Direction::{Looser, Stricter, Unclear};

/// Of how many minutes a message can be edited: more is looser, `-1` is for ever and `0` is never (team preference
/// `msg_edit_window_mins`).
pub fn of_edit_window(before: &str, after: &str) -> Direction {
    let minutes =
        |value: &str| only_text(value)?.parse::<i64>().ok().map(|minutes| if minutes < 0 { i64::MAX } else { minutes });
    match (minutes(before), minutes(after)) {
        (_, Some(0)) => Stricter,
        (_, Some(i64::MAX)) => Looser,
        (Some(before), Some(after)) if after > before => Looser,
        (Some(_), Some(_)) => Stricter,
        _ => Unclear,
    }
}

/// Of the oldest version that is let in: lower is looser, and so is none.
pub fn of_least_version(before: &str, after: &str) -> Direction {
    match (version(before), version(after)) {
        (Some(before), Some(after)) if after < before => Looser,
        (Some(_), Some(_)) => Stricter,
        (Some(_), None)
            if matches!(only_text(after).as_deref(), None | Some("0" | "none" | "null" | "off" | "false")) =>
        {
            Looser
        }
        _ => Unclear,
    }
}

/// `26.9.40` as numbers; `None` of what is no version.
fn version(value: &str) -> Option<Vec<u64>> {
    let text = only_text(value)?;
    let numbers: Option<Vec<u64>> = text.split('.').map(|part| part.parse().ok()).collect();
    numbers.filter(|numbers| numbers.iter().any(|number| *number > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_edit_window_is_looser_and_minus_one_has_no_end() {
        for (before, after, want) in [
            ("5", "60", Looser),
            ("60", "5", Stricter),
            ("5", "-1", Looser),
            ("-1", "5", Stricter),
            ("", "0", Stricter),
            ("", "-1", Looser),
            ("", "30", Unclear),
            ("5", "x", Unclear),
        ] {
            assert_eq!(of_edit_window(before, after), want, "{before} to {after}");
        }
    }

    #[test]
    fn a_lower_version_is_looser_and_is_compared_by_its_numbers() {
        for (before, after, want) in [
            ("26.10.1", "26.9.9", Looser),
            ("4.9", "4.10", Stricter),
            ("4.10", "", Looser),
            ("4.10", "0", Looser),
            ("", "4.10", Unclear),
            ("4.10", "newest", Unclear),
        ] {
            assert_eq!(of_least_version(before, after), want, "{before} to {after}");
        }
    }
}
