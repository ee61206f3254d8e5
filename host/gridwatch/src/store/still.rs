//! A store that holds still while its files are copied: what they hold then is what a crash at that moment would leave.

use super::{Rows, Store};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What each commit passes.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_held: bool,
    under_way: usize,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody holds it.
    pub(super) fn pass(&self) -> Pass<'_> {
        let is_held = |state: &mut State| state.is_held;
        let mut state = self.changed.wait_while(self.lock(), is_held).unwrap_or_else(PoisonError::into_inner);
        state.under_way += 1;
        Pass(self)
    }
}

/// A commit under way.
#[derive(Debug)]
pub(super) struct Pass<'g>(&'g Gate);

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.lock().under_way -= 1;
        self.0.changed.notify_all();
    }
}

/// Until it is dropped, nothing is committed: who wants to, waits.
#[derive(Debug)]
pub struct Still(Arc<Rows>);

impl Drop for Still {
    fn drop(&mut self) {
        self.0.gate.lock().is_held = false;
        self.0.gate.changed.notify_all();
    }
}

impl Store {
    /// Lets what is under way end, and keeps all else waiting. `None` while somebody else does.
    pub fn hold(&self) -> Option<Still> {
        let gate = &self.rows.gate;
        let mut state = gate.lock();
        if std::mem::replace(&mut state.is_held, true) {
            return None;
        }
        let is_busy = |state: &mut State| state.under_way > 0;
        drop(gate.changed.wait_while(state, is_busy).unwrap_or_else(PoisonError::into_inner));
        Some(Still(self.rows.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Changes, Opened};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    #[test]
    fn a_commit_waits_until_the_store_is_let_go() {
        let dir = tempfile::tempdir().unwrap();
        let Opened::Store(store) = Store::open(&dir.path().join("store"), &[]).unwrap() else { panic!("it is new") };
        let still = store.hold().unwrap();
        assert!(store.hold().is_none(), "two hold it");
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                store.rows.commit(Changes::default()).unwrap();
                is_done.store(true, Ordering::SeqCst);
            });
            std::thread::sleep(Duration::from_millis(200));
            assert!(!is_done.load(Ordering::SeqCst));
            drop(still);
        });
        assert!(is_done.load(Ordering::SeqCst));
        drop(store.hold().unwrap());
    }
}
