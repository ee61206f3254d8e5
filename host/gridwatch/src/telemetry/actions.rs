//! Which actions the log has had, and when last, mirrored to a file beside the status: for people who ask which rules could not have fired. Nothing
//! decides by it.
//!
//! What was counted since it was written last is lost with a crash: then an action seems to have come last a few minutes earlier.

use anyhow::{Context, Result};
use gridwatch_event::event::Event;
use gridwatch_event::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Slack has 500 of them. More are not kept: nobody asks about what no rule can name.
const MOST: usize = 4_000;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actions {
    /// What was judged before is not in it; 0 if nothing was.
    pub since: UnixSeconds,
    /// The newest entry of each.
    pub last: BTreeMap<String, UnixSeconds>,
}

impl Actions {
    /// # Errors
    /// There is no such file, or it can't be read.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
        serde_json::from_slice(&bytes)
            .with_context(|| format!("{} doesn't say which actions were seen", path.display()))
    }

    fn note(&mut self, action: &str, time: UnixSeconds) {
        if let Some(last) = self.last.get_mut(action) {
            *last = time.max(*last);
        } else if self.last.len() < MOST {
            self.last.insert(action.to_owned(), time);
        }
    }
}

/// Of a gridwatch that runs.
#[derive(Debug)]
pub struct Noted {
    path: PathBuf,
    actions: Mutex<Actions>,
}

impl Noted {
    /// As it was written last; from this time on, where there is none. `None`: nothing has been judged yet.
    pub fn begin(path: PathBuf, from: Option<UnixSeconds>) -> Self {
        let begun = Actions { since: from.unwrap_or_default(), last: BTreeMap::new() };
        let actions = Mutex::new(Actions::read(&path).unwrap_or(begun));
        Self { path, actions }
    }

    /// Notes entries that were judged.
    pub fn note<'e>(&self, events: impl IntoIterator<Item = &'e Event>) {
        let mut actions = self.lock();
        events.into_iter().for_each(|event| actions.note(event.action(), event.time));
    }

    /// Replaced as a whole and not synced: it is written again. A disk that has no room for it ends nothing.
    pub fn write(&self) {
        let written = serde_json::to_vec(&*self.lock()).map_err(std::io::Error::from);
        if let Err(error) = written.and_then(|json| crate::disk::replace_unsynced(&self.path, &json)) {
            tracing::warn!(%error, path = %self.path.display(), "which actions were seen can't be mirrored");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Actions> {
        self.actions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_entry_of_each_action_is_known_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("actions.json");
        let noted = Noted::begin(path.clone(), None);
        for (action, time) in [("user_login", 20), ("user_login", 10), ("file_downloaded", 5)] {
            noted.lock().note(action, UnixSeconds(time));
        }
        noted.write();
        let again = Noted::begin(path.clone(), Some(UnixSeconds(99)));
        assert_eq!(again.lock().since, UnixSeconds(0), "of before the restart, too");
        assert_eq!(again.lock().last["user_login"], UnixSeconds(20));
        std::fs::write(&path, "{").unwrap();
        let anew = Noted::begin(path, Some(UnixSeconds(99))).lock().clone();
        assert_eq!((anew.since, anew.last.len()), (UnixSeconds(99), 0));
    }

    #[test]
    fn names_are_bounded() {
        let mut actions = Actions::default();
        (0..2 * MOST).for_each(|n| actions.note(&n.to_string(), UnixSeconds(1)));
        assert_eq!(actions.last.len(), MOST);
    }
}
