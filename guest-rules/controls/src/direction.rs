//! Which way a retention policy and a list of address ranges went; what is on or off is read by [`gridwatch_sdk::change`].
//!
//! What can't be read is [`Direction::Unclear`], never a guess.

use gridwatch_sdk::change::Direction::{self, Looser, Stricter, Unclear};
use gridwatch_sdk::json;
use std::collections::BTreeSet;
use std::net::IpAddr;

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
    let came = new.difference(&old).next().is_some();
    match (old.is_empty(), new.is_empty()) {
        _ if came => Looser,
        (_, false) => Stricter,
        (false, true) => Looser,
        (true, true) => Unclear,
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
    use gridwatch_sdk::change::between;

    #[test]
    fn of_lists_too_long_to_be_given_nothing_is_called_stricter() {
        let list = |n: usize| format!("[{}]", vec!["\"198.51.100.7\""; n].join(","));
        assert_eq!(between(&list(3), &list(3), of_ranges), Stricter);
        assert_eq!(between(&list(4_000), &list(4_000), of_ranges), Unclear);
        assert_eq!(between(&list(2), "198.51.100.0/24", of_ranges), Looser);
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
