//! Bounds: how many distinct values a window had when they were counted last, so that what can't be so many yet isn't counted again.
//!
//! In the usual order a stretch gains at most one value a hit, and loses some at its other end: the count of before and the hits since are an
//! upper bound. It is a cache of fixed size, and changes no answer.

use super::table::Key;
use std::cell::RefCell;

/// Of 48 bytes each.
const SLOTS: usize = 1 << 15;

#[derive(Debug, Default)]
pub(super) struct Bounds(RefCell<Vec<Option<Bound>>>);

#[derive(Clone, Copy, Debug)]
struct Bound {
    key: Key,
    window: u32,
    count: u32,
    /// How many hits the key had ever had.
    pushed: u64,
}

impl Bounds {
    pub(super) fn clear(&mut self) {
        self.0.get_mut().clear();
    }

    /// The most that it can be, where that is known. `pushed` says how many hits the key ever had.
    pub(super) fn of(&self, window: u32, key: Key, pushed: u64) -> Option<u64> {
        let bounds = self.0.borrow();
        let bound = (*bounds.get(slot(window, key))?).filter(|bound| bound.key == key && bound.window == window)?;
        Some(u64::from(bound.count) + pushed.checked_sub(bound.pushed)?)
    }

    pub(super) fn note(&self, window: u32, key: Key, pushed: u64, count: u32) {
        let mut bounds = self.0.borrow_mut();
        if bounds.is_empty() {
            bounds.resize(SLOTS, None);
        }
        bounds[slot(window, key)] = Some(Bound { key, window, count, pushed });
    }
}

fn slot(window: u32, key: Key) -> usize {
    (key as u64 ^ u64::from(window).wrapping_mul(0x9e37_79b9_7f4a_7c15)) as usize % SLOTS
}
