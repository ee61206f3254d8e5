//! Which way a setting went, from the values that Slack writes before and after. Slack documents neither their words nor
//! their shapes: text, number, boolean, list or object were all seen, and the value before may be missing.
//!
//! What can't be read is [`Direction::Unclear`], never a guess.

use gridwatch_sdk::{change, json};
use std::collections::BTreeSet;
use std::net::IpAddr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Protects less than before.
    Looser,
    /// Protects more, or as much.
    Stricter,
    Unclear,
    /// Some way, and it doesn't matter which.
    Either,
}

use Direction::{Looser, Stricter, Unclear};

/// What `read` says of a change; but a value saved as it was is as strict as it was, whether it can be read or not.
pub(crate) fn between(before: &str, after: &str, read: impl FnOnce(&str, &str) -> Direction) -> Direction {
    match change::is_same(before, after) {
        true => Stricter,
        false => match read(before, after) {
            // What came may stand behind the part that was given.
            Stricter if json::may_be_cut(before) || json::may_be_cut(after) => Unclear,
            told => told,
        },
    }
}

/// Of a switch that protects while it is on.
pub(crate) fn of_protection(before: &str, after: &str) -> Direction {
    match (Switch::read(before), Switch::read(after)) {
        (_, Switch::On) | (Switch::Off, Switch::Off) => Stricter,
        // Off after something that wasn't off; nothing left of a value that was there.
        (Switch::On | Switch::Other, Switch::Off | Switch::Absent) => Looser,
        (Switch::Absent, Switch::Off | Switch::Absent) | (Switch::Off, Switch::Absent) | (_, Switch::Other) => Unclear,
    }
}

/// Of a switch that lets people do more while it is on.
pub(crate) fn of_permission(before: &str, after: &str) -> Direction {
    match (Switch::read(before), Switch::read(after)) {
        (_, Switch::Off) | (Switch::On, Switch::On) => Stricter,
        (Switch::Off, Switch::On) => Looser,
        _ => Unclear,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Switch {
    On,
    Off,
    /// Given, and neither: `every_month`.
    Other,
    Absent,
}

impl Switch {
    fn read(value: &str) -> Self {
        if value.is_empty() {
            return Self::Absent;
        }
        let words = change::texts(value);
        match (words.first().map(String::as_str), change::switch(value)) {
            // An empty list or object: nothing is protected any more.
            (None, _) | (_, Some(false)) => Self::Off,
            (_, Some(true)) => Self::On,
            (Some("required" | "enforced" | "mandatory"), _) if words.len() == 1 => Self::On,
            (Some("optional" | "null"), _) if words.len() == 1 => Self::Off,
            _ => Self::Other,
        }
    }
}

/// Of how long something is kept: `RETAIN_ALL`, `EXPIRE_MSGS`, a number of days, or an object of both.
pub(crate) fn of_retention(before: &str, after: &str) -> Direction {
    match (Kept::read(before), Kept::read(after)) {
        (Kept::ForEver { .. }, Kept::For(_)) => Looser,
        (Kept::For(_), Kept::ForEver { .. }) | (_, Kept::ForEver { all: true }) => Stricter,
        (Kept::ForEver { all: false }, Kept::ForEver { all: false }) => Stricter,
        (Kept::For(Some(before)), Kept::For(Some(after))) if after < before => Looser,
        (Kept::For(Some(_)), Kept::For(Some(_))) => Stricter,
        _ => Unclear,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// `all`: `RETAIN_ALL`, more than which can't be kept.
    ForEver {
        all: bool,
    },
    /// So many days (or, of a date, until then), if that is said.
    For(Option<u64>),
    Unknown,
}

impl Kept {
    fn read(value: &str) -> Self {
        let texts = json::texts(value);
        let starts = |word: &str| texts.iter().any(|text| text.to_ascii_uppercase().starts_with(word));
        // 0 stands for no limit with some policies and is unused with others: no number.
        let number = texts.iter().find_map(|text| text.parse().ok()).filter(|number| *number > 0);
        match number {
            _ if starts("RETAIN") => Self::ForEver { all: starts("RETAIN_ALL") },
            _ if starts("EXPIRE") => Self::For(number),
            // Slack writes null for EXPIRE_MSGS.
            _ if value.is_empty() => Self::For(None),
            Some(number) => Self::For(Some(number)),
            None => Self::Unknown,
        }
    }
}

/// Of a list of address ranges that may sign in: looser if one came, or if none are left.
pub(crate) fn of_ranges(before: &str, after: &str) -> Direction {
    let (old, new) = (ranges(before), ranges(after));
    match () {
        () if new.difference(&old).next().is_some() => Looser,
        () if !new.is_empty() => Stricter,
        () if !old.is_empty() => Looser,
        () => Unclear,
    }
}

/// Are all ranges that came at least so narrow, and are there any?
pub(crate) fn are_narrow(before: &str, after: &str, widest: u64) -> bool {
    let (old, new) = (ranges(before), ranges(after));
    !new.is_empty() && !new.difference(&old).any(|range| range.is_wider_than(widest))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Range {
    address: IpAddr,
    bits: u64,
}

impl Range {
    fn read(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        Some(Self { address, bits: bits.unwrap_or(most) }).filter(|range| range.bits <= most)
    }

    /// An IPv6 /32 is what a provider gets, as an IPv4 /16 once was: so twice the bits.
    fn is_wider_than(&self, bits: u64) -> bool {
        self.bits < if self.address.is_ipv4() { bits } else { bits * 2 }
    }
}

fn ranges(value: &str) -> BTreeSet<Range> {
    let texts = json::texts(value);
    let words = texts.iter().flat_map(|text| text.split([',', ' ', ';', '\n']));
    words.filter_map(Range::read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protection_is_looser_when_it_goes_off_however_that_is_written() {
        for (on, off) in [("true", "false"), ("1", "0"), ("on", "off"), ("required", "optional"), ("Enabled", "none")] {
            assert_eq!((of_protection(on, off), of_protection(off, on)), (Looser, Stricter), "{on} {off}");
        }
        let object = (r#"{"type":["required"]}"#, r#"{"type":["disabled"]}"#);
        assert_eq!((of_protection(object.0, object.1), of_protection(object.1, object.0)), (Looser, Stricter));
        assert_eq!([of_protection("true", ""), of_protection("chrome", "[]")], [Looser, Looser]);
        assert_eq!([of_protection("", "true"), of_protection("false", "false")], [Stricter, Stricter]);
        assert_eq!([of_protection("", "false"), of_protection("", ""), of_protection("true", "edge")], [Unclear; 3]);
    }

    #[test]
    fn of_lists_too_long_to_be_given_nothing_is_called_stricter() {
        let list = |n: usize| format!("[{}]", vec!["\"198.51.100.7\""; n].join(","));
        assert_eq!(between(&list(3), &list(3), of_ranges), Stricter);
        assert_eq!(between(&list(4_000), &list(4_000), of_ranges), Unclear);
        assert_eq!(between(&list(2), "198.51.100.0/24", of_ranges), Looser);
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
    fn a_permission_is_looser_when_it_goes_on() {
        assert_eq!([of_permission("false", "true"), of_permission("true", "false")], [Looser, Stricter]);
        assert_eq!([of_permission("", "true"), of_permission("false", "")], [Unclear; 2]);
    }

    #[test]
    fn retention_is_looser_when_less_is_kept() {
        let days = |kind: &str, days: u64| format!(r#"{{"type":"{kind}","duration_days":{days}}}"#);
        for (longer, shorter) in [
            ("RETAIN_ALL", "EXPIRE_ALL"),
            ("RETAIN_MSGS", "EXPIRE_MSGS"),
            ("RETAIN_ALL", ""),
            ("365", "30"),
            (&days("EXPIRE_MSGS", 90), &days("EXPIRE_MSGS", 3)),
            (&days("RETAIN_ALL", 0), &days("EXPIRE_MSGS", 3)),
        ] {
            assert_eq!((of_retention(longer, shorter), of_retention(shorter, longer)), (Looser, Stricter), "{longer}");
        }
        assert_eq!(of_retention("RETAIN_MSGS", "RETAIN_ALL"), Stricter);
        for (before, after) in
            [("", "EXPIRE_ALL"), ("EXPIRE_ALL", ""), ("RETAIN_ALL", "RETAIN_MSGS"), ("30", "0"), ("x", "7")]
        {
            assert_eq!(of_retention(before, after), Unclear, "{before} {after}");
        }
    }

    #[test]
    fn ranges_are_looser_when_one_comes_or_none_is_left() {
        assert_eq!([of_ranges("[]", r#"["10.0.0.0/15"]"#), of_ranges("", "198.51.100.7")], [Looser; 2]);
        assert_eq!(of_ranges(r#"["198.51.100.0/24"]"#, "[]"), Looser);
        assert_eq!(of_ranges("10.0.0.0/8, 198.51.100.0/24", "10.0.0.0/8"), Stricter);
        assert_eq!([of_ranges("", ""), of_ranges("", "office"), of_ranges("", "10.0.0.0/99")], [Unclear; 3]);
    }

    #[test]
    fn ranges_are_narrow_when_no_wide_one_came() {
        let of = |before, after| are_narrow(before, after, 16);
        assert_eq!([of("[]", r#"["10.0.0.0/15"]"#), of("", "0.0.0.0/0"), of("", "2001:db8::/31")], [false; 3]);
        assert_eq!([of("[]", r#"["10.0.0.0/16"]"#), of("", "198.51.100.7"), of("", "2001:db8::/32")], [true; 3]);
        assert!(of("10.0.0.0/8", "10.0.0.0/8, 198.51.100.0/24"));
        assert_eq!([of("198.51.100.0/24", "[]"), of("", "")], [false; 2]);
    }
}
