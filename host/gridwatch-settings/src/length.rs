//! How long something lasts (sessions, guests), and which way that went: longer is looser.
//!
//! Slack documents neither the values nor their shape; seen are texts, lists, `{"type":[…]}` and no value at all.

use crate::change::{Direction, between, only_text};
use Direction::{Looser, Stricter, Unclear};

/// How long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Length {
    Seconds(u64),
    Endless,
}

/// From how long sessions lasted to how long they do: longer is looser.
pub fn length_changed(before: &str, now: &str) -> Direction {
    between(before, now, |before, now| match (length(before), length(now)) {
        (Some(before), Some(now)) if now > before => Looser,
        (Some(_), Some(_)) => Stricter,
        (None, Some(Length::Endless)) => Looser,
        (Some(Length::Endless), None) if !now.is_empty() => Stricter,
        _ => Unclear,
    })
}

/// `None` of what is no length, and of no value: that may as well be one that isn't told.
pub fn length(value: &str) -> Option<Length> {
    match only_text(value)?.as_str() {
        "0" | "never" | "none" | "unlimited" | "off" | "disabled" | "false" | "no_limit" | "-1" => {
            Some(Length::Endless)
        }
        text => text.parse().ok().map(Length::Seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of two known values, one way or the other is looser unless they are equal, and never both.
    #[test]
    fn a_change_and_its_reverse_are_not_both_looser() {
        let lengths = ["never", "0", "3600", "86400", "2592000"];
        for a in lengths {
            for b in lengths {
                let (there, back) = (length_changed(a, b), length_changed(b, a));
                assert!(there != Unclear && !(there == Looser && back == Looser), "{a}, {b}");
            }
        }
    }

    #[test]
    fn lengths_are_numbers_and_no_end_is_longer_than_any() {
        let looser = [
            ("3600", "86400"),
            ("86400", "0"),
            ("86400", "never"),
            ("", "none"),
            ("idle", "never"),
            (r#"["60"]"#, "61"),
        ];
        for (before, now) in looser {
            assert_eq!(length_changed(before, now), Looser, "{before} to {now}");
        }
        for (before, now) in [("2592000", "1209600"), ("0", "86400"), ("60", "60"), ("never", "idle"), ("idle", "idle")]
        {
            assert_eq!(length_changed(before, now), Stricter, "{before} to {now}");
        }
        for (before, now) in [("", "86400"), ("86400", ""), ("never", ""), ("idle", "absolute"), ("", "")] {
            assert_eq!(length_changed(before, now), Unclear, "{before} to {now}");
        }
    }
}
