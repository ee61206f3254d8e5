//! Which run may have an entry, in memory: 44 bits of its identity and the number of the run, in 8 bytes.
//!
//! Two identities may look alike here, and one may be in several runs, of which the newest counts: whoever asks looks into the run. What isn't
//! here is in no run. A million identities take 8 to 9 MB.

use super::Identity;

/// Parts by the first 12 bits of an identity: in each there are few to move when one is put between others.
const PARTS: usize = 1 << 12;

/// Where an identity may be. The bits that its part has aren't told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    bits: u32,
    run: u32,
}

/// Places in the order of their bits, and of runs where those are the same.
#[derive(Debug)]
pub(super) struct Index(Vec<Vec<Place>>);

impl Default for Index {
    fn default() -> Self {
        Self(vec![Vec::new(); PARTS])
    }
}

impl Index {
    pub(super) fn add(&mut self, identity: &Identity, run: u32) {
        let (part, bits) = split(identity);
        let (places, place) = (&mut self.0[part], Place { bits, run });
        if let Err(at) = places.binary_search(&place) {
            if places.len() == places.capacity() {
                // Doubling would take up to twice what is needed.
                places.reserve_exact(places.len() / 8 + 4);
            }
            places.insert(at, place);
        }
    }

    pub(super) fn remove(&mut self, identity: &Identity, run: u32) {
        let (part, bits) = split(identity);
        let places = &mut self.0[part];
        if let Ok(at) = places.binary_search(&Place { bits, run }) {
            places.remove(at);
            if places.len() < places.capacity() / 2 {
                places.shrink_to(places.len() + places.len() / 8 + 4);
            }
        }
    }

    /// The runs that may have it, the newest first.
    pub(super) fn runs_of(&self, identity: &Identity) -> impl Iterator<Item = u32> + use<'_> {
        let (part, bits) = split(identity);
        let places = &self.0[part];
        let (from, to) =
            (places.partition_point(|place| place.bits < bits), places.partition_point(|place| place.bits <= bits));
        places[from..to].iter().rev().map(|place| place.run)
    }
}

/// Which part, and the next 32 bits.
fn split(identity: &Identity) -> (usize, u32) {
    let first = identity.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    ((first >> 52) as usize, (first >> 20) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};
    use std::collections::BTreeSet;

    /// Few identities, of which many share their bits, beside a plain set of pairs.
    #[test]
    fn it_names_the_runs_of_an_identity_the_newest_first_and_forgets_them_one_by_one() {
        let mut dice = SmallRng::seed_from_u64(3);
        let (mut index, mut model) = (Index::default(), BTreeSet::new());
        let identity = |n: u8| [&[n % 3, 0, 0, 0, n % 5, n % 2], &[0; 10][..]].concat().try_into().unwrap();
        for _ in 0..20_000 {
            let (identity, run): (Identity, u32) = (identity(dice.random()), dice.random_range(0..50));
            match dice.random_range(0..3) {
                0 => {
                    index.remove(&identity, run);
                    model.remove(&(split(&identity), run));
                }
                _ => {
                    index.add(&identity, run);
                    model.insert((split(&identity), run));
                }
            }
            let of_it = |place: &&((usize, u32), u32)| place.0 == split(&identity);
            let want: Vec<u32> = model.iter().rev().filter(of_it).map(|place| place.1).collect();
            assert_eq!(index.runs_of(&identity).collect::<Vec<_>>(), want);
        }
    }

    #[test]
    fn a_hundred_thousand_identities_take_less_than_twelve_bytes_each() {
        let (mut dice, mut index) = (SmallRng::seed_from_u64(4), Index::default());
        (0..100_000).for_each(|run| index.add(&dice.random(), run));
        let bytes: usize = index.0.iter().map(|places| places.capacity() * size_of::<Place>()).sum();
        assert!(bytes < 12 * 100_000, "{bytes}");
    }
}
