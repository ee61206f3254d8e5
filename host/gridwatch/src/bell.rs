//! A bell: how one stage wakes another. It carries nothing; what there is to do stands in the store.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

#[derive(Debug, Default)]
pub struct Bell {
    rung: Mutex<u64>,
    woken: Condvar,
}

impl Bell {
    pub fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.woken.notify_all();
    }

    /// How often it has rung; take this before looking for work, then no ring is missed.
    pub fn count(&self) -> u64 {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when it has rung since `seen`, or after `timeout`, whichever comes first.
    pub fn wait(&self, seen: u64, timeout: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.woken.wait_timeout_while(rung, timeout, |count| *count == seen));
    }
}
