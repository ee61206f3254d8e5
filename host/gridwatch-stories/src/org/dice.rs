//! The one source of chance in the generator: a seeded generator and the draws made from it.
//!
//! All draws are of fixed width, so a seed gives the same organization on every platform.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

pub(crate) struct Dice(StdRng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// Dice of their own for one thing in one place: what they show depends on no other draw.
    pub(crate) fn of(seed: u64, parts: &[u64]) -> Self {
        Self::new(mixed(seed, parts))
    }

    /// 0..n; 0 when `n` is 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.0.random_range(0..n) }
    }

    /// Both ends included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// `items` must not be empty.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    /// Picks by the weight standing beside each item.
    pub(crate) fn weighted<T: Copy>(&mut self, items: &[(u64, T)]) -> T {
        let total = items.iter().map(|(weight, _)| weight).sum();
        let mut left = self.below(total);
        for (weight, item) in items {
            if left < *weight {
                return *item;
            }
            left -= weight;
        }
        items[items.len() - 1].1
    }

    /// A Slack-like id: the prefix and ten of `0-9A-Z`, in the style of `U05ABCDEF12`.
    pub(crate) fn id(&mut self, prefix: &str) -> String {
        const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let mut id = String::with_capacity(prefix.len() + 10);
        id.push_str(prefix);
        id.push('0');
        for _ in 0..9 {
            id.push(char::from(*self.pick(ALPHABET)));
        }
        id
    }

    /// A version 4 UUID as text.
    pub(crate) fn uuid(&mut self) -> String {
        let (high, low): (u64, u64) = (self.0.random(), self.0.random());
        let (high, low) = (high & !0xf000 | 0x4000, low & !(0b11 << 62) | (0b10 << 62));
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        )
    }
}

/// A number that looks random and is always the same for the same parts (SplitMix64 over each).
pub(crate) fn mixed(seed: u64, parts: &[u64]) -> u64 {
    parts.iter().fold(scramble(seed), |sum, part| scramble(sum ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

fn scramble(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
