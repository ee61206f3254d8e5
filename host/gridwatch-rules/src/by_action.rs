//! What is worked out once for each action.

use gridwatch_event::event::Event;
use std::collections::HashMap;

/// Names beyond Slack's catalogue for which it is kept. They have no bound.
const MAX_UNKNOWN: usize = 1_000;

#[derive(Debug)]
pub(crate) struct ByAction<T> {
    /// By the action's place in the catalogue.
    known: Vec<Option<T>>,
    unknown: HashMap<Box<str>, T>,
}

impl<T> Default for ByAction<T> {
    fn default() -> Self {
        Self { known: Vec::new(), unknown: HashMap::new() }
    }
}

impl<T> ByAction<T> {
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What is kept for the event's action, made first if it isn't there.
    pub(crate) fn get(&mut self, event: &Event, make: impl FnOnce() -> T) -> &T {
        if let Some(number) = event.action_number().map(usize::from) {
            if self.known.len() <= number {
                self.known.resize_with(number + 1, || None);
            }
            return self.known[number].get_or_insert_with(make);
        }
        if self.unknown.len() >= MAX_UNKNOWN && !self.unknown.contains_key(event.action()) {
            self.unknown.clear();
        }
        self.unknown.entry(event.action().into()).or_insert_with(make)
    }
}
