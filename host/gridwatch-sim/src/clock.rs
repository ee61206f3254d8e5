//! The simulator's clock: what `Date` headers, `invalid_range`, token expiry, the rate limit and visibility go by.
//!
//! It never sleeps. A test moves a [`SimClock::Manual`] by hand, so simulated hours cost nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where the simulator takes the time from. Clones of a `Manual` clock share its time.
#[derive(Debug, Clone, Default)]
pub enum SimClock {
    /// The machine's clock.
    #[default]
    Real,
    /// Stands still at these epoch seconds. A rate limit never refills under it.
    Fixed(u64),
    /// Epoch milliseconds, moved by whoever holds a clone.
    Manual(Arc<AtomicU64>),
}

impl SimClock {
    /// A manual clock standing at `secs` epoch seconds.
    pub fn manual(secs: u64) -> Self {
        Self::Manual(Arc::new(AtomicU64::new(secs * 1000)))
    }

    /// Epoch milliseconds.
    pub fn now_ms(&self) -> u64 {
        match self {
            Self::Real => machine_ms(),
            Self::Fixed(secs) => secs * 1000,
            Self::Manual(ms) => ms.load(Ordering::SeqCst),
        }
    }

    /// Epoch seconds, rounded down.
    pub fn now_secs(&self) -> u64 {
        self.now_ms() / 1000
    }

    /// Sets a manual clock; false when this clock can't be moved.
    pub fn set_ms(&self, ms: u64) -> bool {
        let Self::Manual(now) = self else { return false };
        now.store(ms, Ordering::SeqCst);
        true
    }

    /// Moves a manual clock forward; false when this clock can't be moved.
    pub fn advance_ms(&self, ms: u64) -> bool {
        let Self::Manual(now) = self else { return false };
        now.fetch_add(ms, Ordering::SeqCst);
        true
    }

    /// The time as an HTTP `Date` header (RFC 9110).
    pub(crate) fn http_date(&self) -> String {
        let at = jiff::Timestamp::from_second(self.now_secs() as i64).unwrap_or(jiff::Timestamp::MAX);
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap_or_default()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the real clock is an edge: this is the one place the simulator reads it"
)]
fn machine_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_headers_are_rfc_9110() {
        assert_eq!(SimClock::Fixed(784_111_777).http_date(), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn only_a_manual_clock_moves() {
        let clock = SimClock::manual(10);
        let other = clock.clone();
        assert!(clock.advance_ms(1_500));
        assert_eq!((other.now_ms(), other.now_secs()), (11_500, 11));
        assert!(!SimClock::Fixed(1).advance_ms(5));
        assert!(!SimClock::Real.set_ms(5));
    }
}
