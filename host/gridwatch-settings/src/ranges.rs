//! Ranges of addresses that may sign in, and which way a list of them went.

use crate::change::Direction;
use crate::json;
use Direction::{Looser, Stricter, Unclear};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Of a list of address ranges that may sign in: looser if one came, or if none are left.
pub fn of_ranges(before: &str, after: &str) -> Direction {
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
pub fn are_narrow(before: &str, after: &str, widest: u64) -> bool {
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
    use crate::change::between;

    #[test]
    fn of_lists_too_long_to_be_given_nothing_is_called_stricter() {
        let list = |n: usize| format!("[{}]", vec!["\"198.51.100.7\""; n].join(","));
        assert_eq!(between(&list(3), &list(3), of_ranges), Stricter);
        assert_eq!(between(&list(4_000), &list(4_000), of_ranges), Unclear);
        assert_eq!(between(&list(2), "198.51.100.0/24", of_ranges), Looser);
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
