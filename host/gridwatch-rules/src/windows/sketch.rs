//! Sketch: how many different values there were, in bounded memory.
//!
//! All values are kept up to [`MAX_VALUES`]; of more than that the smallest hashes, which tell how many there must be: a hash is as
//! likely anywhere, so the further the last one kept is from nothing, the fewer there are. What is kept depends neither on the order of
//! the values nor on how often each came, and the sketch of two sets together is made of their sketches.

/// Values kept. Up to here a count is exact; beyond, it is within a tenth of the truth (three standard errors of 3.1 %).
pub(super) const MAX_VALUES: usize = 1_024;

/// Hashes, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sketch(Vec<u64>);

impl Sketch {
    /// Takes in a value. Is it kept, and wasn't?
    pub(super) fn insert(&mut self, value: u64) -> bool {
        let is_full = self.0.len() == MAX_VALUES;
        if is_full && self.0.last().is_some_and(|last| *last <= value) {
            return false;
        }
        let Err(place) = self.0.binary_search(&value) else { return false };
        if is_full {
            self.0.pop();
        }
        self.0.insert(place, value);
        true
    }

    /// Values of both.
    pub(super) fn union(&self, other: &Self) -> Self {
        let (mut a, mut b) = (self.0.as_slice(), other.0.as_slice());
        let mut all = Vec::with_capacity((a.len() + b.len()).min(MAX_VALUES));
        while all.len() < MAX_VALUES {
            let next = match (a.first(), b.first()) {
                (Some(x), Some(y)) => *x.min(y),
                (Some(x), None) | (None, Some(x)) => *x,
                (None, None) => break,
            };
            all.push(next);
            a = a.strip_prefix(&[next]).unwrap_or(a);
            b = b.strip_prefix(&[next]).unwrap_or(b);
        }
        Self(all)
    }

    /// How many values are kept.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many values there were, as far as that can be told.
    pub(super) fn estimate(&self) -> u64 {
        match self.0.last() {
            Some(last) if self.0.len() == MAX_VALUES => {
                let all = (u128::from(u64::MAX) * (MAX_VALUES as u128 - 1)) / (u128::from(*last) + 1);
                (all as u64).max(MAX_VALUES as u64)
            }
            _ => self.0.len() as u64,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.iter().copied()
    }
}

impl FromIterator<u64> for Sketch {
    fn from_iter<I: IntoIterator<Item = u64>>(values: I) -> Self {
        let mut sketch = Self::default();
        values.into_iter().for_each(|value| _ = sketch.insert(value));
        sketch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use xxhash_rust::xxh3::xxh3_64;

    fn hashes(texts: std::ops::Range<u64>) -> impl Iterator<Item = u64> {
        texts.map(|text| xxh3_64(&text.to_le_bytes()))
    }

    #[test]
    fn up_to_its_bound_a_count_is_exact_and_beyond_near() {
        for all in [0, 1, 500, 1_024] {
            assert_eq!(hashes(0..all).collect::<Sketch>().estimate(), all);
        }
        for all in [1_025, 2_000, 10_000, 100_000, 1_000_000] {
            let told = hashes(0..all).collect::<Sketch>().estimate();
            assert!(told.abs_diff(all) < all / 10, "{told} of {all}");
        }
    }

    proptest! {
        #[test]
        fn order_and_repetition_show_in_nothing(mut values in prop::collection::vec(0..5_000_u64, 0..4_000), at in 0..4_000_usize) {
            let hashed: Vec<u64> = values.iter().map(|value| xxh3_64(&value.to_le_bytes())).collect();
            let whole: Sketch = hashed.iter().copied().collect();
            let (a, b) = hashed.split_at(at.min(hashed.len()));
            let parts = [a, b].map(|part| part.iter().copied().collect::<Sketch>());
            prop_assert_eq!(&parts[0].union(&parts[1]), &whole);
            let smallest: Vec<u64> = hashed.iter().copied().collect::<BTreeSet<_>>().into_iter().take(MAX_VALUES).collect();
            prop_assert_eq!(whole.iter().collect::<Vec<_>>(), smallest);
            values.reverse();
            prop_assert_eq!(values.iter().map(|value| xxh3_64(&value.to_le_bytes())).collect::<Sketch>(), whole);
        }
    }
}
