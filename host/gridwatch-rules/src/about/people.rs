//! Habits the other way round: who did an action, and who was at an address. An alert asks it of everybody, and looks at those alone
//! of whom it holds.

use std::collections::BTreeSet;

/// People by an action of the catalogue.
#[derive(Debug, Default)]
pub(super) struct Doers(Vec<Vec<Doer>>);

/// Somebody's position, and the last day (since 1970) on which they did it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doer {
    pub(super) person: u32,
    pub(super) day: u64,
}

impl Doers {
    pub(super) fn of(&self, action: u16) -> &[Doer] {
        self.0.get(usize::from(action)).map_or(&[], Vec::as_slice)
    }

    /// Enters somebody who isn't there, and says where.
    pub(super) fn add(&mut self, action: u16, doer: Doer) -> u32 {
        let action = usize::from(action);
        if self.0.len() <= action {
            self.0.resize_with(action + 1, Vec::new);
        }
        self.0[action].push(doer);
        // There are no more people than positions.
        (self.0[action].len() - 1) as u32
    }

    pub(super) fn set_day(&mut self, action: u16, at: u32, day: u64) {
        self.0[usize::from(action)][at as usize].day = day;
    }

    /// Takes out who is there, and says who stands there now, who was the last.
    #[must_use]
    pub(super) fn remove(&mut self, action: u16, at: u32) -> Option<Doer> {
        let doers = &mut self.0[usize::from(action)];
        doers.swap_remove(at as usize);
        doers.get(at as usize).copied()
    }
}

/// People by an address.
#[derive(Debug, Default)]
pub(super) struct At(BTreeSet<(Box<str>, u32)>);

impl At {
    pub(super) fn add(&mut self, address: &str, person: u32) {
        self.0.insert((address.into(), person));
    }

    pub(super) fn remove(&mut self, address: &str, person: u32) {
        self.0.remove(&(Box::from(address), person));
    }

    pub(super) fn of(&self, address: &str) -> impl Iterator<Item = u32> {
        self.0.range((address.into(), 0)..=(address.into(), u32::MAX)).map(|(_, person)| *person)
    }
}
