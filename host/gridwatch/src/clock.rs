//! The clock, as the shell hands it on: whatever needs the time of day is given one, and the core is given times. And chance, which
//! the core is given too.

use gridwatch_event::time::UnixMillis;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time of day. Made once, in `cli`; a test gives another one.
#[derive(Clone, Copy, Debug)]
pub struct Clock(fn() -> UnixMillis);

impl Clock {
    /// The operating system's.
    pub fn system() -> Self {
        Self(system)
    }

    pub fn now(self) -> UnixMillis {
        (self.0)()
    }
}

/// A number that nobody can foresee: the one random source.
pub fn chance() -> u64 {
    // Its keys are the system's random numbers.
    RandomState::new().build_hasher().finish()
}

#[expect(clippy::disallowed_methods, reason = "the shell's edge: everything else is given a `Clock`, or a time")]
fn system() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
