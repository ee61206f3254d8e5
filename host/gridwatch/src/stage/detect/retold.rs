//! What was told before a store was lost. Entries are judged once more then, and alerts come out that somebody has been told of, or that were on
//! their way and lost with the history.
//!
//! The history says what was told. Where a part of it is lost that some sink waited for, what comes out again of that time goes on its way again,
//! with the ids that it had: twice rather than never.

use crate::context::Shared;
use crate::history::History;
use anyhow::Result;
use gridwatch_event::time::UnixSeconds;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::builtin;
use std::collections::HashMap;

/// Of a store that was never lost, nothing.
#[derive(Debug, Default)]
pub struct Retold {
    /// By the id of an alert, its newest revision and its newest event.
    told: HashMap<Box<str>, (u32, UnixSeconds)>,
    /// Since when alerts may be lost that nobody has got.
    lost_from: Option<UnixSeconds>,
}

impl Retold {
    /// # Errors
    /// The store or the history can't be read.
    pub fn open(shared: &Shared) -> Result<Self> {
        let begun = shared.store.begun()?;
        if begun.checkpoint.is_none() && begun.alerts_from.is_none() {
            return Ok(Self::default());
        }
        let history = History::open(shared.process.store.state_dir())?;
        let told = history.rows().iter().map(|row| (row.uid().into(), (row.revision(), row.last)));
        Ok(Self { told: told.collect(), lost_from: begun.alerts_from })
    }

    /// Leaves those that are to go on their way. `is_delivered`: they are about events that were judged before.
    pub fn retain(&self, alerts: &mut Vec<Alert>, is_delivered: bool) {
        // That a module is set aside is about now, whatever it failed on.
        alerts.retain(|alert| alert.rule == builtin::MODULE_SET_ASIDE || self.is_news(alert, is_delivered));
    }

    fn is_news(&self, alert: &Alert, is_delivered: bool) -> bool {
        let is_told = || {
            let told = self.told.get(&*alert.uid);
            told.is_some_and(|(revision, last)| *revision >= alert.revision && *last >= alert.last)
        };
        match is_delivered {
            true => self.lost_from.is_some_and(|from| alert.last >= from) && !is_told(),
            false => !is_told(),
        }
    }
}
