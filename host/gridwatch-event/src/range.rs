//! A closed range of whole seconds to drain: `oldest` and `latest` are both inside.
//!
//! Slack docs, audit logs: both bounds of `/logs` are inclusive and are integers. A fraction or an exponent has been
//! answered with nothing or with everything, so a range can hold neither.

use crate::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Closed and never empty: `oldest <= latest` holds for every value of this type, also for one read back from disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Bounds")]
pub struct Range {
    oldest: UnixSeconds,
    latest: UnixSeconds,
}

/// Why two times don't make a range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("range ends before it starts: oldest {oldest}, latest {latest}")]
pub struct RangeError {
    oldest: UnixSeconds,
    latest: UnixSeconds,
}

#[derive(Deserialize)]
struct Bounds {
    oldest: UnixSeconds,
    latest: UnixSeconds,
}

impl TryFrom<Bounds> for Range {
    type Error = RangeError;

    fn try_from(bounds: Bounds) -> Result<Self, RangeError> {
        Self::new(bounds.oldest, bounds.latest)
    }
}

impl Range {
    /// # Errors
    /// `oldest` is after `latest`.
    pub fn new(oldest: UnixSeconds, latest: UnixSeconds) -> Result<Self, RangeError> {
        Self::of(oldest, latest).ok_or(RangeError { oldest, latest })
    }

    /// `None` where there is no time between the bounds.
    pub fn of(oldest: UnixSeconds, latest: UnixSeconds) -> Option<Self> {
        (oldest <= latest).then_some(Self { oldest, latest })
    }

    pub fn oldest(self) -> UnixSeconds {
        self.oldest
    }

    pub fn latest(self) -> UnixSeconds {
        self.latest
    }

    /// Number of whole seconds inside, at least one.
    pub fn length_s(self) -> u64 {
        (self.latest.0 - self.oldest.0).saturating_add(1)
    }

    pub fn contains(self, at: UnixSeconds) -> bool {
        self.oldest <= at && at <= self.latest
    }
}

/// `2026-08-01T00:00:00Z..2026-08-01T00:59:59Z`, both ends inside.
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.oldest, self.latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_ends_before_it_starts_cannot_exist() {
        assert!(Range::new(UnixSeconds(2), UnixSeconds(1)).is_err());
        assert!(serde_json::from_str::<Range>(r#"{"oldest":2,"latest":1}"#).is_err());
        assert_eq!(Range::new(UnixSeconds(2), UnixSeconds(2)).unwrap().length_s(), 1);
    }

    #[test]
    fn a_range_prints_both_ends() {
        let range = Range::new(UnixSeconds(0), UnixSeconds(59)).unwrap();
        assert_eq!(range.to_string(), "1970-01-01T00:00:00Z..1970-01-01T00:00:59Z");
    }
}
