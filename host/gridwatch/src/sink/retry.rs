//! How long to wait before the next attempt: exponential backoff with full jitter.
//!
//! After the n-th failure in a row the wait is anything between nothing and `first` doubled n - 1 times, at most `most`, so that
//! senders who failed together don't come back together (AWS Architecture Blog, "Exponential Backoff And Jitter"). What the
//! receiver asks for is a floor. No clock and no random source.

use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// Bound of the first wait.
    pub first: Duration,
    /// Bound of all later ones.
    pub most: Duration,
}

/// The longest floor that is believed: a receiver that says to come back in a year is mistaken.
const MAX_FLOOR: Duration = Duration::from_secs(3_600);

impl Backoff {
    /// After `failures` in a row, from 1. `random` is any number, each as likely as another.
    pub fn wait(&self, failures: u32, at_least: Option<Duration>, random: u64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let bound = self.first.saturating_mul(1 << doublings).min(self.most);
        let bound_ms = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX - 1);
        let jittered = Duration::from_millis(random % (bound_ms + 1));
        jittered.max(at_least.unwrap_or_default().min(MAX_FLOOR))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    const BACKOFF: Backoff = Backoff { first: Duration::from_millis(200), most: Duration::from_secs(15) };

    #[test]
    fn waits_fill_everything_from_nothing_to_the_bound_which_doubles_up_to_the_most() {
        let mut rng = SmallRng::seed_from_u64(7);
        for (failures, bound_ms) in
            [(1, 200), (2, 400), (3, 800), (7, 12_800), (8, 15_000), (9, 15_000), (u32::MAX, 15_000)]
        {
            let waits: Vec<u64> =
                (0..2_000).map(|_| BACKOFF.wait(failures, None, rng.random()).as_millis() as u64).collect();
            let (least, most) = (waits.iter().min().copied(), waits.iter().max().copied());
            assert!(least < Some(bound_ms / 50) && most <= Some(bound_ms), "{failures}: {least:?} to {most:?}");
            assert!(most > Some(bound_ms - bound_ms / 50), "{failures}: {most:?}");
            let mean = waits.iter().sum::<u64>() / 2_000;
            assert!(mean.abs_diff(bound_ms / 2) < bound_ms / 20, "{failures}: {mean}");
        }
    }

    #[test]
    fn what_the_receiver_asks_for_is_a_floor_within_reason() {
        let wait = |at_least_s| BACKOFF.wait(1, Some(Duration::from_secs(at_least_s)), 0);
        assert_eq!((wait(0), wait(30)), (Duration::ZERO, Duration::from_secs(30)));
        assert_eq!(wait(u64::MAX), MAX_FLOOR);
        assert!(BACKOFF.wait(8, Some(Duration::from_secs(2)), 14_999) > Duration::from_secs(14));
    }
}
