//! What people do to gridwatch, saved: a deed goes into the trail and on its way to the sinks in the same change as what it is about.

use super::changes::Changes;
use super::outbox::Made;
use super::rows::AUDIT;
use super::{Rows, Store, put};
use crate::clock::chance;
use crate::trail::{self, Writer};
use anyhow::Result;
use gridwatch_log::End;
use gridwatch_rules::audit::{Audited, Deed};
use gridwatch_rules::monitor::heartbeat::Chain;
use gridwatch_rules::state::Forgotten;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{MutexGuard, PoisonError};

/// What was in force when the trail last said something of it, by name, as digests: what a start finds otherwise was changed meanwhile.
pub type InForce = BTreeMap<String, String>;

/// How far the trail goes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    chain: Chain,
    end: [u8; 32],
    in_force: InForce,
}

/// A deed in the trail that isn't kept yet.
pub(super) struct Noted<'r>(MutexGuard<'r, State>, Option<InForce>);

/// The trail, by the store.
#[derive(Debug)]
pub(super) struct State {
    writer: Writer,
    in_force: InForce,
    /// It isn't where the row says any more.
    is_elsewhere: bool,
}

impl Noted<'_> {
    pub(super) fn keep(mut self) {
        self.0.writer.keep();
        self.0.is_elsewhere = false;
        if let Some(in_force) = self.1.take() {
            self.0.in_force = in_force;
        }
    }
}

impl State {
    /// Opens the trail, which is set aside if it isn't what was saved; that is returned.
    pub(super) fn open(db: &sled::Db, state_dir: &Path) -> Result<(Self, Option<Forgotten>)> {
        let key = AUDIT.key(&[]);
        let recovered = |in_force| Ok::<_, anyhow::Error>(Self::elsewhere(Writer::recover(state_dir)?, in_force));
        let Some(value) = db.get(&key)? else { return Ok((recovered(InForce::new())?, None)) };
        let Saved { chain, end, in_force } = match AUDIT.open_json(&key, &value) {
            Ok(saved) => saved,
            Err(forgotten) => return Ok((recovered(InForce::new())?, Some(forgotten))),
        };
        match Writer::open(state_dir, End::from_bytes(&end), chain.clone()) {
            Err(error) if trail::is_damage(&error) => {
                let forgotten = Forgotten { part: "the audit trail", key, why: format!("{error:#}; it was set aside") };
                Ok((Self::elsewhere(Writer::set_aside(state_dir, &chain)?, in_force), Some(forgotten)))
            }
            opened => Ok((Self { writer: opened?, in_force, is_elsewhere: false }, None)),
        }
    }

    fn elsewhere(writer: Writer, in_force: InForce) -> Self {
        // Of a trail without records there is nothing to say.
        let is_elsewhere = writer.chain().number > 0;
        Self { writer, in_force, is_elsewhere }
    }

    /// Is it what was saved? Nothing is changed.
    pub(super) fn check(db: &sled::Db, state_dir: &Path) -> Result<()> {
        let key = AUDIT.key(&[]);
        let Some(value) = db.get(&key)? else { return Ok(()) };
        let Ok(Saved { chain, end, .. }) = AUDIT.open_json::<Saved>(&key, &value) else { return Ok(()) };
        Writer::open(state_dir, End::from_bytes(&end), chain).map(drop)
    }
}

impl Store {
    /// Saves a deed alone: before what it is about takes effect, where that isn't saved here.
    ///
    /// # Errors
    /// It can't be saved; then what it is about must not be done.
    pub fn commit_deed(&self, deed: Deed) -> Result<Audited> {
        self.commit_deed_with(deed, None)
    }

    /// The same, with what is in force from then on.
    ///
    /// # Errors
    /// As for [`Store::commit_deed`].
    pub fn commit_deed_with(&self, deed: Deed, in_force: Option<InForce>) -> Result<Audited> {
        let (mut batch, mut counters) = (Changes::default(), self.rows.lock());
        let (audited, made, noted) = self.rows.add_deed(&mut batch, deed, in_force, counters.next_record)?;
        self.rows.commit(batch)?;
        noted.keep();
        counters.next_record += made.count();
        counters.backlog_bytes += made.bytes;
        Ok(audited)
    }

    /// Saves what is in force where there is nothing to tell.
    ///
    /// # Errors
    /// It can't be saved.
    pub fn commit_in_force(&self, in_force: InForce) -> Result<()> {
        // Locks are taken in one order everywhere.
        let (mut batch, _counters) = (Changes::default(), self.rows.lock());
        let mut state = self.rows.trail();
        let end = state.writer.end();
        self.rows.put_trail(&mut batch, state.writer.chain(), end, &in_force)?;
        self.rows.commit(batch)?;
        (state.in_force, state.is_elsewhere) = (in_force, false);
        Ok(())
    }

    pub fn in_force(&self) -> InForce {
        self.rows.trail().in_force.clone()
    }

    /// The newest link of the trail.
    pub fn trail_head(&self) -> Chain {
        self.rows.trail().writer.chain().clone()
    }

    pub(super) fn settle_trail(&self) -> Result<()> {
        let mut state = self.rows.trail();
        state.writer.settle()?;
        let (is_elsewhere, in_force) = (state.is_elsewhere, state.in_force.clone());
        drop(state);
        if is_elsewhere { self.commit_in_force(in_force) } else { Ok(()) }
    }
}

impl Rows {
    pub(super) fn trail(&self) -> MutexGuard<'_, State> {
        self.trail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a deed into the trail, and puts it on its way as record `first`. It counts when what this returns is kept.
    pub(super) fn add_deed(
        &self,
        batch: &mut Changes,
        deed: Deed,
        in_force: Option<InForce>,
        first: u64,
    ) -> Result<(Audited, Made, Noted<'_>)> {
        let mut state = self.trail();
        let (audited, end) = state.writer.write(deed, chance())?;
        self.put_trail(batch, &audited.link(), end, in_force.as_ref().unwrap_or(&state.in_force))?;
        let bytes = 2 * audited.statement.len() as u64;
        let made = Made { audited: Some(Box::new(audited.clone())), bytes, ..Made::default() };
        self.add_made(batch, &made, first)?;
        Ok((audited, made, Noted(state, in_force)))
    }

    fn put_trail(&self, batch: &mut Changes, chain: &Chain, end: End, in_force: &InForce) -> Result<()> {
        let saved = Saved { chain: chain.clone(), end: end.to_bytes(), in_force: in_force.clone() };
        put(batch, AUDIT, AUDIT.key(&[]), &saved)
    }
}
