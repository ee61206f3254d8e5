//! Who judges, as the detect stage knows it: does what it is asked between two batches, notes who judged from where on, and ends
//! probations that were stood.

use crate::context::Shared;
use crate::context::kept::Kept;
use crate::context::swaps::{News, Turn, Turned};
use crate::exceptions::InForce;
use crate::store::judges::{Judge, JudgedBy, Judges, add_to_mirror};
use crate::telemetry::status::ModuleStatus;
use anyhow::Result;
use gridwatch_detect::{Detector, Module, Relieved};
use gridwatch_event::time::UnixMillis;
use gridwatch_rules::state::StateOp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// A new version stays on probation for this long at least …
pub const PROBATION_MS: u64 = 600_000;
/// … and until it has been asked about so many events.
pub const PROBATION_ROWS: u64 = 1_000;

pub struct Line {
    judges: Judges,
    /// What the digest in `judges` is of.
    exceptions: Option<Arc<str>>,
    /// Of modules on probation: who judges on beside them, and since when.
    before: BTreeMap<String, (Judge, UnixMillis)>,
    /// Who judges from a sequence number on, as far as that isn't saved yet.
    unsaved: BTreeMap<u64, Judges>,
    /// Rows that go with the next batch.
    changes: Vec<StateOp>,
}

impl Line {
    /// With these modules, as of the start.
    ///
    /// # Errors
    /// What was saved can't be read, or its mirror can't be written.
    pub fn new(shared: &Shared, serving: BTreeMap<String, Judge>) -> Result<Self> {
        shared.store.mirror_judges(&shared.paths().dir)?;
        let kept = Kept::of(&shared.config.state_dir);
        let exceptions = shared.exceptions.in_force_with_text().text;
        let judges = Judges {
            modules: serving,
            shadow: shared.config.modules.shadow.clone(),
            lists: Some(kept.put_lists(&shared.lists.tables, &shared.lists.networks())?),
            exceptions: exceptions.as_ref().map(|text| kept.put(text.as_bytes())).transpose()?,
        };
        let is_saved = shared.store.judged_by()?.last().is_some_and(|last| last.judges == judges);
        let (before, unsaved) = (BTreeMap::new(), BTreeMap::new());
        let mut line = Self { judges, exceptions, before, unsaved, changes: Vec::new() };
        if !is_saved {
            line.holds_from(shared.store.next_seq());
        }
        Ok(line)
    }

    /// Whatever was to hold later doesn't any more.
    fn holds_from(&mut self, from: u64) {
        drop(self.unsaved.split_off(&from));
        self.unsaved.insert(from, self.judges.clone());
    }

    /// Other lists are in use from the next event on.
    ///
    /// # Errors
    /// They can't be kept.
    pub fn lists(&mut self, shared: &Shared) -> Result<()> {
        let kept = Kept::of(&shared.config.state_dir);
        let lists = Some(kept.put_lists(&shared.lists.tables, &shared.lists.networks())?);
        if self.judges.lists != lists {
            self.judges.lists = lists;
            self.holds_from(shared.store.next_seq());
        }
        Ok(())
    }

    /// These exceptions are in force from the next event on.
    ///
    /// # Errors
    /// They can't be kept.
    pub fn except(&mut self, shared: &Shared, in_force: &InForce) -> Result<()> {
        let is_same = match (&self.exceptions, &in_force.text) {
            (Some(known), Some(text)) => Arc::ptr_eq(known, text),
            (known, text) => known.is_none() && text.is_none(),
        };
        if is_same {
            return Ok(());
        }
        let kept = Kept::of(&shared.config.state_dir);
        self.judges.exceptions = in_force.text.as_ref().map(|text| kept.put(text.as_bytes())).transpose()?;
        self.exceptions.clone_from(&in_force.text);
        self.holds_from(shared.store.next_seq());
        Ok(())
    }

    /// Does what was asked for. Nothing is being evaluated now, and the next event is that of `store.next_seq`.
    pub fn take(&mut self, shared: &Shared, detector: &mut Detector) {
        while let Some((turn, done)) = shared.swaps.next() {
            let (began, from) = (now(), shared.store.next_seq());
            let relieved = self.turn(shared, detector, turn, from);
            let pause = now() - began;
            tracing::debug!(from, pause_us = pause.as_micros() as u64, "the modules in service have changed");
            let _ = done.send(Turned { from, pause, relieved });
        }
    }

    fn turn(&mut self, shared: &Shared, detector: &mut Detector, turn: Turn, from: u64) -> Option<Relieved> {
        match turn {
            Turn::Serve { module, on_probation } => {
                let (name, judge) = (module.manifest.name.clone(), judge(&module));
                // One that was set aside judges nothing: there is nobody to go back to.
                let is_alone = !self.judges.modules.contains_key(&name);
                if is_alone && on_probation {
                    shared.swaps.tell(News::Confirmed(name.clone()));
                }
                let on_probation = on_probation && !is_alone;
                show(shared, ModuleStatus { on_probation, ..ModuleStatus::of(&module.manifest, &module.digest) });
                detector.take_over(*module, from);
                if !on_probation {
                    detector.confirm(&name);
                }
                let old = self.judges.modules.insert(name.clone(), judge);
                match old.filter(|_| on_probation) {
                    Some(old) => _ = self.before.insert(name, (old, shared.now())),
                    None => _ = self.before.remove(&name),
                }
                self.holds_from(from);
                None
            }
            Turn::Retire { name } => {
                detector.retire(&name);
                self.judges.modules.remove(&name);
                self.before.remove(&name);
                shared.update(|status| status.modules.retain(|module| module.name != name));
                self.holds_from(from);
                None
            }
            Turn::Shadow(shadow) => {
                detector.pipeline().set_shadow(shadow.clone());
                self.judges.shadow = shadow;
                self.holds_from(from);
                None
            }
            Turn::Back { name } => {
                let (relieved, changes) = detector.go_back(&name, from)?;
                self.changes.extend(changes);
                self.follow(shared, &relieved);
                Some(relieved)
            }
        }
    }

    /// Somebody was brought back.
    pub fn follow(&mut self, shared: &Shared, relieved: &Relieved) {
        let name = &relieved.manifest.name;
        if let Some((judge, _)) = self.before.remove(name) {
            self.judges.modules.insert(name.clone(), judge);
        }
        let by = &relieved.by;
        show(shared, ModuleStatus::of(by, &relieved.by_digest));
        self.holds_from(relieved.from);
    }

    /// Ends probations that were stood.
    pub fn confirm(&mut self, shared: &Shared, detector: &mut Detector) {
        if self.before.is_empty() {
            return;
        }
        let now = shared.now();
        let since = |name: &str| self.before.get(name).map_or(0, |(_, since)| now.since(*since));
        let stood = detector
            .on_probation()
            .filter(|(name, probation)| since(name) >= PROBATION_MS && probation.rows >= PROBATION_ROWS);
        let stood: Vec<String> = stood.map(|(name, _)| name.to_owned()).collect();
        for name in stood {
            detector.confirm(&name);
            self.before.remove(&name);
            tracing::info!(module = name, "the new version has stood its probation");
            shared.update(|status| {
                status.modules.iter_mut().filter(|module| module.name == name).for_each(|m| m.on_probation = false);
            });
            shared.swaps.tell(News::Confirmed(name));
        }
    }

    /// A module judges nothing any more from an event on, until another version takes over.
    pub fn set_aside(&mut self, name: &str, from: u64) {
        if self.judges.modules.remove(name).is_some() {
            self.holds_from(from);
        }
    }

    /// What goes with the next batch: rows, and who judges as far as that isn't saved yet.
    pub fn unsaved(&mut self, now: UnixMillis) -> (Vec<StateOp>, Vec<JudgedBy>) {
        let judged_by = |(from_seq, judges)| JudgedBy { from_seq, at: now, judges };
        (std::mem::take(&mut self.changes), std::mem::take(&mut self.unsaved).into_iter().map(judged_by).collect())
    }
}

/// That was saved.
pub fn saved(shared: &Shared, judged_by: &[JudgedBy]) {
    judged_by.iter().for_each(|judged_by| add_to_mirror(&shared.paths().dir, judged_by));
}

/// What is noted of a module.
pub fn judge(module: &Module) -> Judge {
    let settings = module.settings().clone().into();
    Judge { version: module.manifest.version.to_string(), digest: module.digest.clone(), settings }
}

/// In the place of the version that was shown.
fn show(shared: &Shared, module: ModuleStatus) {
    shared.update(|status| {
        status.modules.retain(|there| there.name != module.name);
        let at = status.modules.partition_point(|there| there.name < module.name);
        status.modules.insert(at, module);
    });
}

#[expect(clippy::disallowed_methods, reason = "how long evaluation waits is measured where it does")]
fn now() -> Instant {
    Instant::now()
}
