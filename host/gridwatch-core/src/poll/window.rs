//! A closed range of whole seconds to drain: `oldest` and `latest` are both inside.
//!
//! Slack docs, audit logs: both bounds of `/logs` are inclusive and are integers. A fraction or an exponent has been
//! answered with nothing or with everything, so a window can hold neither.

use crate::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Closed and never empty: `oldest <= latest` holds for every value of this type, also for one read back from disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Bounds")]
pub struct Window {
    oldest: UnixSeconds,
    latest: UnixSeconds,
}

/// Why two times don't make a window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("window ends before it starts: oldest {oldest}, latest {latest}")]
pub struct WindowError {
    oldest: UnixSeconds,
    latest: UnixSeconds,
}

#[derive(Deserialize)]
struct Bounds {
    oldest: UnixSeconds,
    latest: UnixSeconds,
}

impl TryFrom<Bounds> for Window {
    type Error = WindowError;

    fn try_from(bounds: Bounds) -> Result<Self, WindowError> {
        Self::new(bounds.oldest, bounds.latest)
    }
}

impl Window {
    pub fn new(oldest: UnixSeconds, latest: UnixSeconds) -> Result<Self, WindowError> {
        Self::of(oldest, latest).ok_or(WindowError { oldest, latest })
    }

    /// `None` where there is no time between the bounds.
    pub(super) fn of(oldest: UnixSeconds, latest: UnixSeconds) -> Option<Self> {
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
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.oldest, self.latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_ends_before_it_starts_cannot_exist() {
        assert!(Window::new(UnixSeconds(2), UnixSeconds(1)).is_err());
        assert!(serde_json::from_str::<Window>(r#"{"oldest":2,"latest":1}"#).is_err());
        assert_eq!(Window::new(UnixSeconds(2), UnixSeconds(2)).unwrap().length_s(), 1);
    }

    #[test]
    fn a_window_prints_both_ends() {
        let window = Window::new(UnixSeconds(0), UnixSeconds(59)).unwrap();
        assert_eq!(window.to_string(), "1970-01-01T00:00:00Z..1970-01-01T00:00:59Z");
    }
}
