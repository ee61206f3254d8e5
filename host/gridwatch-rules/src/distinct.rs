//! How many different things there were, in little memory: exact up to [`MOST`], an estimate beyond.
//!
//! Keeps the [`MOST`] smallest of evenly spread hashes (a "k minimum values" sketch, Bar-Yossef et al. 2002): if they reach up
//! to a tenth of all numbers, there were about ten times as many. The estimate is off by some 6 %, never goes down, and
//! depends on what was counted and on nothing else.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Different things that are counted exactly.
pub const MOST: usize = 256;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Distinct {
    smallest: BTreeSet<u32>,
}

impl Distinct {
    pub fn insert(&mut self, thing: &str) {
        self.smallest.insert(hash(thing));
        if self.smallest.len() > MOST {
            self.smallest.pop_last();
        }
    }

    pub fn count(&self) -> u64 {
        match self.smallest.last() {
            Some(last) if self.smallest.len() >= MOST => {
                let estimate = ((MOST as u64 - 1) << 32) / (u64::from(*last) + 1);
                estimate.max(MOST as u64)
            }
            _ => self.smallest.len() as u64,
        }
    }

    /// Was it counted? Only where all are known; else no.
    pub fn contains(&self, thing: &str) -> bool {
        self.smallest.len() < MOST && self.smallest.contains(&hash(thing))
    }

    pub fn is_empty(&self) -> bool {
        self.smallest.is_empty()
    }
}

fn hash(thing: &str) -> u32 {
    let digest = Sha256::digest(thing.as_bytes());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_counts_are_exact_and_large_ones_near_and_never_less_than_before() {
        let (mut distinct, mut before) = (Distinct::default(), 0);
        for i in 0..20_000_u64 {
            distinct.insert(&format!("F{i}"));
            distinct.insert(&format!("F{}", i / 2));
            let (count, true_count) = (distinct.count(), i + 1);
            assert!(count >= before, "{count} after {before}");
            if true_count <= MOST as u64 {
                assert_eq!(count, true_count);
            } else {
                assert!(count.abs_diff(true_count) * 4 < true_count, "{count} of {true_count}");
            }
            before = count;
        }
    }
}
