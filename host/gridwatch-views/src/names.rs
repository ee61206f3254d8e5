//! Names of a table, found by how they look at a glance.

/// Each has the number of its place among those that were given.
#[derive(Debug)]
pub(crate) struct Names {
    /// By look: number of the first name to compare with, from 1; 0 for none. At least half of them are none.
    slots: Box<[u16]>,
    names: Vec<&'static str>,
}

impl Names {
    pub(crate) fn of(names: impl IntoIterator<Item = &'static str>) -> Self {
        let names: Vec<&'static str> = names.into_iter().collect();
        let mut slots = vec![0; (4 * names.len()).next_power_of_two()].into_boxed_slice();
        for (number, name) in (1..).zip(&names) {
            let mut slot = look_of(name);
            while slots[slot % slots.len()] != 0 {
                slot += 1;
            }
            slots[slot % slots.len()] = number;
        }
        Self { slots, names }
    }

    #[inline]
    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        let mut slot = look_of(name);
        loop {
            // The number of slots is a power of two.
            let number = usize::from(self.slots[slot & (self.slots.len() - 1)].checked_sub(1)?);
            if is_same(self.names[number], name) {
                return Some(number);
            }
            slot += 1;
        }
    }
}

#[inline]
fn look_of(name: &str) -> usize {
    let bytes = name.as_bytes();
    let at = |i: usize| bytes.get(i).map_or(0, |byte| usize::from(*byte));
    let (length, middle) = (bytes.len(), bytes.len() / 2);
    (length * 67) ^ (at(0) * 7) ^ (at(middle) * 29) ^ (at(length.wrapping_sub(1)) * 3)
}

/// Are two names the same? Most are too short for a call to be worth it.
#[inline]
fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    match (one.first_chunk::<8>(), other.first_chunk::<8>(), one.last_chunk::<8>(), other.last_chunk::<8>()) {
        (Some(first), Some(other_first), Some(last), Some(other_last)) => {
            first == other_first && last == other_last && (one.len() <= 16 || one == other)
        }
        _ => one.iter().zip(other).all(|(one, other)| one == other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_found_and_no_other() {
        let all: Vec<&'static str> = (0..300).map(|n| &*format!("{}{n}", "name".repeat(n % 9)).leak()).collect();
        let names = Names::of(all.iter().copied().step_by(2));
        for (n, name) in all.iter().enumerate() {
            assert_eq!(names.number(name), n.is_multiple_of(2).then_some(n / 2), "{name}");
        }
        assert_eq!((Names::of([]).number("x"), Names::of([""]).number("")), (None, Some(0)));
    }
}
