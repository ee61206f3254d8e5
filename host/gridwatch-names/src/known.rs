//! Known names: a list that never changes, in which each has a number, found fast because it is asked of every event.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Sorted; a name's number is its place.
#[derive(Debug)]
pub(crate) struct Known {
    names: Vec<&'static str>,
    numbers: HashMap<&'static str, u16, BuildHasherDefault<Quick>>,
}

impl Known {
    pub(crate) fn of(names: impl IntoIterator<Item = &'static str>) -> Self {
        let mut names: Vec<&'static str> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        let numbers = names.iter().zip(0..).map(|(name, number)| (*name, number)).collect();
        Self { names, numbers }
    }

    pub(crate) fn number(&self, name: &str) -> Option<u16> {
        self.numbers.get(name).copied()
    }

    pub(crate) fn names(&self) -> &[&'static str] {
        &self.names
    }
}

/// Without a key: what is in the table was never anybody's choice, and what is only looked up can't make it slow.
#[derive(Debug, Default)]
struct Quick(u64);

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        for eight in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..eight.len()].copy_from_slice(eight);
            self.0 = (self.0.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
    }

    fn finish(&self) -> u64 {
        // A table takes the lowest bits for the place, the highest for a first comparison.
        self.0 ^ self.0 >> 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_number_of_its_place() {
        let known = Known::of(["b", "a", "", "a_name_of_more_than_sixteen_bytes", "a"]);
        assert_eq!(known.names(), ["", "a", "a_name_of_more_than_sixteen_bytes", "b"]);
        for (number, name) in (0..).zip(known.names()) {
            assert_eq!(known.number(name), Some(number), "{name}");
        }
        assert_eq!((known.number("c"), known.number("a_name_of_more_than_sixteen_byte")), (None, None));
    }
}
