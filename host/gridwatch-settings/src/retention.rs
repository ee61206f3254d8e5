//! How long something is kept, and which way that went: shorter is looser. What can't be read is [`Direction::Unclear`], never a guess.

use crate::change::Direction;
use crate::json;
use Direction::{Looser, Stricter, Unclear};

/// Of how long something is kept: `RETAIN_ALL`, `EXPIRE_MSGS`, a number of days, or an object of both.
pub fn of_retention(before: &str, after: &str) -> Direction {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
