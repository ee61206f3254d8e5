//! Spans of time and sizes in bytes, as people write them.

use crate::span::parse_span;

/// `90s`, `10m`, `24h` or `30d` in seconds. [`parse_span`] cuts off the last byte, so it may only see ASCII.
pub fn seconds_in(text: &str) -> Option<u64> {
    text.is_ascii().then(|| parse_span(text)).flatten()
}

const UNITS: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

pub(super) fn bytes_in(text: &str) -> Option<u64> {
    let unit = UNITS.iter().find(|(unit, _)| text.ends_with(unit));
    let (unit, factor) = unit.copied().unwrap_or(("", 1));
    let number = text.strip_suffix(unit)?.trim_end();
    number.parse::<u64>().ok()?.checked_mul(factor)
}

pub(super) fn bytes_text(bytes: u64) -> String {
    let fits = UNITS[..3].iter().rev().find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor));
    fits.map_or(bytes.to_string(), |(unit, factor)| format!("{}{unit}", bytes / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_are_read_and_written() {
        for (text, bytes) in [
            ("512KiB", Some(524_288)),
            ("100 MB", Some(100_000_000)),
            ("2GiB", Some(2_147_483_648)),
            ("17", Some(17)),
            ("1.5GiB", None),
            ("", None),
            ("MiB", None),
            ("-1", None),
            ("99999999999GiB", None),
        ] {
            assert_eq!(bytes_in(text), bytes, "{text}");
        }
        assert_eq!((bytes_text(2 << 30), bytes_text(1001)), ("2GiB".into(), "1001".into()));
        assert_eq!(
            (seconds_in("90s"), seconds_in("5µ"), seconds_in("é"), seconds_in("")),
            (Some(90), None, None, None)
        );
    }
}
