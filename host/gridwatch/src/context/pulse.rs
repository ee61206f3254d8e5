//! Pulse: what an organization's log usually has in an hour, in all and by Slack's groups of actions. Detection counts, the monitor
//! asks and saves.
//!
//! What was counted since it was saved last is lost with a crash: then an hour seems a little quieter than it was.

use gridwatch_event::event::Event;
use gridwatch_event::time::UnixSeconds;
use gridwatch_names::catalogue;
use gridwatch_rules::monitor::Rhythm;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Goes by the name of all entries together, which no group has.
pub const ALL: &str = "";
/// Actions that are in none of Slack's groups.
const OTHER: &str = "other";

/// By group of actions. There are as many as in Slack's catalogue.
pub type Rhythms = BTreeMap<String, Rhythm>;

#[derive(Debug, Default)]
pub struct Pulse {
    rhythms: Mutex<Rhythms>,
    /// Entries counted since it was saved.
    unsaved: AtomicU64,
}

impl Pulse {
    pub fn of(rhythms: Rhythms) -> Self {
        Self { rhythms: Mutex::new(rhythms), unsaved: AtomicU64::new(0) }
    }

    /// Counts entries that were judged for the first time.
    pub fn note<'e>(&self, events: impl IntoIterator<Item = &'e Event>) {
        let mut rhythms = self.lock();
        for event in events.into_iter().filter(|event| event.is_first_version()) {
            self.unsaved.fetch_add(1, Ordering::Relaxed);
            let family = catalogue::group_of(event.action()).unwrap_or(OTHER);
            for name in [ALL, family] {
                match rhythms.get_mut(name) {
                    Some(rhythm) => rhythm.note(event.time),
                    None => rhythms.entry(name.to_owned()).or_default().note(event.time),
                }
            }
        }
    }

    /// Learns nothing from a stretch of time.
    pub fn leave_out(&self, family: &str, from: UnixSeconds, to: UnixSeconds) {
        if let Some(rhythm) = self.lock().get_mut(family) {
            rhythm.leave_out(from, to);
        }
    }

    pub fn unsaved(&self) -> u64 {
        self.unsaved.load(Ordering::Relaxed)
    }

    /// What is to be saved now.
    pub fn to_save(&self) -> Rhythms {
        self.unsaved.store(0, Ordering::Relaxed);
        self.lock().clone()
    }

    pub fn lock(&self) -> MutexGuard<'_, Rhythms> {
        self.rhythms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
