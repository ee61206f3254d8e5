//! Values of settings, as far as they say more or less: how strictly a control is demanded, how long a session lasts.
//!
//! Slack documents neither the values nor their shape; seen are texts, lists, `{"type":[…]}` and no value at all.

use gridwatch_sdk::change::{is_same, only_text};

/// What became of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Weaker,
    /// Or as it was.
    NotWeaker,
    Unclear,
}

/// How strictly something is demanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Demand {
    Off,
    Optional,
    Required,
}

/// A session's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Length {
    Seconds(u64),
    Endless,
}

/// From what was demanded before to what is now. A value that isn't given may be one that Slack left out: where the new one
/// is off or required, it says enough by itself.
pub(crate) fn demand_changed(before: &str, now: &str) -> Change {
    match (demand(before), demand(now)) {
        (Some(before), Some(now)) if now < before => Change::Weaker,
        (_, Some(Demand::Required)) | (Some(_), Some(_)) => Change::NotWeaker,
        (None, Some(Demand::Off)) => Change::Weaker,
        _ if is_same(before, now) => Change::NotWeaker,
        _ => Change::Unclear,
    }
}

/// From how long sessions lasted to how long they do.
pub(crate) fn length_changed(before: &str, now: &str) -> Change {
    match (length(before), length(now)) {
        (Some(before), Some(now)) if now > before => Change::Weaker,
        (Some(_), Some(_)) => Change::NotWeaker,
        (None, Some(Length::Endless)) => Change::Weaker,
        (Some(Length::Endless), None) if !now.is_empty() => Change::NotWeaker,
        _ if is_same(before, now) => Change::NotWeaker,
        _ => Change::Unclear,
    }
}

/// `None` of what is no length, and of no value: that may as well be one that isn't told.
pub(crate) fn length(value: &str) -> Option<Length> {
    match only_text(value)?.as_str() {
        "0" | "never" | "none" | "unlimited" | "off" | "disabled" | "false" | "no_limit" | "-1" => {
            Some(Length::Endless)
        }
        text => text.parse().ok().map(Length::Seconds),
    }
}

fn demand(value: &str) -> Option<Demand> {
    match only_text(value)?.as_str() {
        "true" | "on" | "1" | "yes" | "enabled" | "required" | "enforced" | "mandatory" => Some(Demand::Required),
        "optional" | "partial" | "partially_required" => Some(Demand::Optional),
        "false" | "off" | "0" | "no" | "disabled" | "none" | "not_required" => Some(Demand::Off),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demands_are_compared_in_every_shape() {
        let weaker = [
            ("true", "false"),
            ("required", "optional"),
            ("optional", "off"),
            ("1", "0"),
            ("", "false"),
            ("Enabled", "DISABLED"),
            (r#"{"type":["required"]}"#, r#"{"type":["optional"]}"#),
            (r#"["on"]"#, r#"["off"]"#),
            ("REGULARS", "none"),
        ];
        for (before, now) in weaker {
            assert_eq!(demand_changed(before, now), Change::Weaker, "{before} to {now}");
        }
        let not = [
            ("false", "true"),
            ("optional", "required"),
            ("", "true"),
            ("true", "true"),
            ("x", "required"),
            ("x", "x"),
        ];
        for (before, now) in not {
            assert_eq!(demand_changed(before, now), Change::NotWeaker, "{before} to {now}");
        }
        for (before, now) in [("", ""), ("true", ""), ("", "optional"), ("true", "REGULARS"), (r#"["a","b"]"#, "x")] {
            assert_eq!(demand_changed(before, now), Change::Unclear, "{before} to {now}");
        }
    }

    /// Of two known values, one way or the other is weaker unless they are equal, and never both.
    #[test]
    fn a_change_and_its_reverse_are_not_both_weaker() {
        let demands = ["true", "on", "optional", "off", "0", "none"];
        let lengths = ["never", "0", "3600", "86400", "2592000"];
        let both = |values: &[&str], changed: fn(&str, &str) -> Change| {
            for a in values {
                for b in values {
                    let (there, back) = (changed(a, b), changed(b, a));
                    assert!(
                        there != Change::Unclear && !(there == Change::Weaker && back == Change::Weaker),
                        "{a}, {b}"
                    );
                }
            }
        };
        both(&demands, demand_changed);
        both(&lengths, length_changed);
    }

    #[test]
    fn lengths_are_numbers_and_no_end_is_longer_than_any() {
        let weaker = [
            ("3600", "86400"),
            ("86400", "0"),
            ("86400", "never"),
            ("", "none"),
            ("idle", "never"),
            (r#"["60"]"#, "61"),
        ];
        for (before, now) in weaker {
            assert_eq!(length_changed(before, now), Change::Weaker, "{before} to {now}");
        }
        for (before, now) in [("2592000", "1209600"), ("0", "86400"), ("60", "60"), ("never", "idle"), ("idle", "idle")]
        {
            assert_eq!(length_changed(before, now), Change::NotWeaker, "{before} to {now}");
        }
        for (before, now) in [("", "86400"), ("86400", ""), ("never", ""), ("idle", "absolute"), ("", "")] {
            assert_eq!(length_changed(before, now), Change::Unclear, "{before} to {now}");
        }
    }
}
