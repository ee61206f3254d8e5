//! Who guesses tokens: so many wrong ones in a while, from one address and from all, and no token is looked at any more.

use gridwatch_event::time::UnixMillis;
use std::collections::HashMap;
use std::net::IpAddr;

const SPAN_MS: u64 = 60_000;
/// Wrong tokens in that time. Somebody who pastes the wrong thing does so twice.
const MOST_OF_ONE: u32 = 5;
const MOST_OF_ALL: u32 = 50;
/// Addresses that are remembered.
const MOST_ADDRESSES: usize = 4_096;

#[derive(Debug, Default)]
pub struct Attempts {
    of_all: Wrong,
    of_one: HashMap<IpAddr, Wrong>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Wrong {
    since: UnixMillis,
    times: u32,
}

impl Wrong {
    fn now(self, now: UnixMillis) -> Self {
        if now.since(self.since) < SPAN_MS { self } else { Self { since: now, times: 0 } }
    }

    fn is_over(self, most: u32, now: UnixMillis) -> bool {
        self.now(now).times >= most
    }
}

impl Attempts {
    /// May a token from there be looked at?
    pub fn may_try(&self, from: IpAddr, now: UnixMillis) -> bool {
        let one = self.of_one.get(&from).copied().unwrap_or_default();
        !one.is_over(MOST_OF_ONE, now) && !self.of_all.is_over(MOST_OF_ALL, now)
    }

    /// It was wrong.
    pub fn failed(&mut self, from: IpAddr, now: UnixMillis) {
        if self.of_one.len() >= MOST_ADDRESSES {
            self.of_one.retain(|_, wrong| now.since(wrong.since) < SPAN_MS);
        }
        let mut of_all = self.of_all.now(now);
        of_all.times += 1;
        self.of_all = of_all;
        if self.of_one.len() < MOST_ADDRESSES {
            let one = self.of_one.entry(from).or_default();
            *one = one.now(now);
            one.times += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    #[test]
    fn who_guesses_is_not_heard_for_a_minute_and_others_are() {
        let (mut attempts, now) = (Attempts::default(), UnixMillis(1_000_000));
        for _ in 0..MOST_OF_ONE {
            assert!(attempts.may_try(from(1), now));
            attempts.failed(from(1), now);
        }
        assert!(!attempts.may_try(from(1), now.plus(SPAN_MS - 1)) && attempts.may_try(from(2), now));
        assert!(attempts.may_try(from(1), now.plus(SPAN_MS)));
    }

    #[test]
    fn many_who_guess_together_are_bounded_as_well() {
        let (mut attempts, now) = (Attempts::default(), UnixMillis(1_000_000));
        for n in 0..u8::try_from(MOST_OF_ALL).unwrap() {
            attempts.failed(from(n), now);
        }
        assert!(!attempts.may_try(from(200), now));
        for n in 0..10_000_u32 {
            attempts.failed(IpAddr::from(n.to_be_bytes()), now);
        }
        assert!(attempts.of_one.len() <= MOST_ADDRESSES);
    }
}
