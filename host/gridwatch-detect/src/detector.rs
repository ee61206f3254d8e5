//! The detector: modules in service and everything between events and alerts, put together in one way wherever it is used.
//!
//! Modules come and go while it runs. What they know stays: windows belong to the pipeline, and a module's own key-value
//! state is handed to whoever comes next under its name.

use crate::kept::Kept;
use crate::module::{Evaluation, Module};
use crate::probation::{Probation, Worse};
use crate::workers::Workers;
use gridwatch_event::event::Event;
use gridwatch_event::lookup::Tables;
use gridwatch_event::network::Networks;
use gridwatch_event::org::OrgId;
use gridwatch_event::provisioning::Provisioning;
use gridwatch_event::zone::Zone;
use gridwatch_manifest::Manifest;
use gridwatch_rules::conduct::SetAside;
use gridwatch_rules::echo::Echoes;
use gridwatch_rules::exception::Exceptions;
use gridwatch_rules::pipeline::{Concluded, Pipeline, Prepared, Service, ServiceId};
use gridwatch_rules::risk::RiskThreshold;
use gridwatch_rules::state::{Forgotten, StateOp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Events judged at once: what is made of so many stays in the processor's cache.
const PART: usize = 256;

/// What a detector goes by beside its modules.
#[derive(Clone, Debug, Default)]
pub struct DetectorConfig {
    /// Whose events they are.
    pub org: OrgId,
    pub networks: Networks,
    /// What modules with the grant may look up; said in alerts.
    pub tables: Tables,
    pub provisioning: Provisioning,
    pub zone: Zone,
    pub risk: RiskThreshold,
    /// Bytes that all windows together may take, if not the default.
    pub state_max_bytes: Option<usize>,
    pub exceptions: Arc<Exceptions>,
    pub echoes: Echoes,
    /// Modules and rules that run in shadow.
    pub shadow: BTreeSet<String>,
    /// Each finding becomes an alert of its own: for asking what single ones say.
    pub is_apart: bool,
    /// Nobody saves what is remembered, so no rows of it are made.
    pub saves_nothing: bool,
    /// What the hashes of windows' keys begin with where nothing has been counted yet: a secret, so that nobody can choose texts of one
    /// hash. Where nothing is saved, any number will do.
    pub seed: u64,
    /// At most so many threads.
    pub threads: usize,
}

#[derive(Debug)]
pub struct Detector {
    pipeline: Pipeline,
    workers: Workers,
    /// By service.
    serving: BTreeMap<ServiceId, Arc<Manifest>>,
    /// Key-value state of modules that are away, by name.
    kept: BTreeMap<String, Kept>,
    /// Who comes into service at which sequence number; the lowest first.
    coming: BTreeMap<u64, Vec<Module>>,
    standing_by: Vec<Standby>,
}

/// A version that another one has taken over from, and that goes on judging beside it for as long as that one is on probation. Nothing that
/// it says counts, unless it is brought back.
#[derive(Debug)]
struct Standby {
    id: ServiceId,
    manifest: Arc<Manifest>,
    digest: String,
    /// Who took over.
    new: ServiceId,
    probation: Probation,
}

/// A version was brought back.
#[derive(Clone, Debug)]
pub struct Relieved {
    /// The version that didn't stay.
    pub manifest: Arc<Manifest>,
    pub digest: String,
    /// The version that serves again.
    pub by: Arc<Manifest>,
    pub by_digest: String,
    pub worse: Worse,
    /// From this sequence number on the version that was brought back has judged.
    pub from: u64,
}

/// What the modules made of one batch of events, with the rows that all of it changed.
#[derive(Debug, Default)]
pub struct Detected {
    pub concluded: Concluded,
    pub changes: Vec<StateOp>,
    /// How each module behaved that was asked.
    pub behaved: Vec<Behaved>,
    /// Which versions turned out worse than those before them, and judge no more from this batch on.
    pub relieved: Vec<Relieved>,
}

/// What one batch cost with one module, and what that module no longer does.
#[derive(Clone, Debug, Default)]
pub struct Behaved {
    /// Its name.
    pub module: String,
    pub took: Duration,
    /// Events that it wasn't asked about, because it is set aside.
    pub unjudged: u64,
    /// Since it was loaded.
    pub lines_dropped: u64,
    pub set_aside: Option<SetAside>,
}

impl Detector {
    /// With these modules from the first event on.
    ///
    /// # Errors
    /// The system gives no threads.
    pub fn new(setting: DetectorConfig, modules: Vec<Module>) -> std::io::Result<Self> {
        let DetectorConfig {
            org,
            networks,
            tables,
            provisioning,
            zone,
            risk,
            state_max_bytes,
            exceptions,
            echoes,
            shadow,
            is_apart,
            saves_nothing,
            seed,
            threads,
        } = setting;
        let mut pipeline = Pipeline::default()
            .with_org(org)
            .with_networks(networks)
            .with_tables(tables)
            .with_provisioning(provisioning)
            .with_zone(zone)
            .with_risk(risk)
            .with_seed(seed);
        if let Some(bytes) = state_max_bytes {
            pipeline = pipeline.with_state_max(bytes);
        }
        if is_apart {
            pipeline = pipeline.without_folding();
        }
        if saves_nothing {
            pipeline = pipeline.without_saving();
        }
        pipeline.except(exceptions);
        pipeline.set_echoes(echoes);
        pipeline.set_shadow(shadow);
        let workers = Workers::start(threads.clamp(1, modules.len().max(1)))?;
        let (serving, kept, coming) = Default::default();
        let mut detector = Self { pipeline, workers, serving, kept, coming, standing_by: Vec::new() };
        modules.into_iter().for_each(|module| _ = detector.serve(module, 0));
        Ok(detector)
    }

    /// Puts a saved row back. All are given once, before the first events and in the order of their keys.
    ///
    /// # Errors
    /// The row can't be read, and changes nothing.
    pub fn load(&mut self, key: &[u8], value: &[u8]) -> Result<(), Forgotten> {
        match Kept::module_of(key) {
            Some(name) => self.kept.entry(name.to_owned()).or_default().load(key, value),
            None => self.pipeline.load(key, value),
        }
    }

    /// All rows have been given: modules get what is theirs.
    pub fn loaded(&mut self) {
        for (id, manifest) in &self.serving {
            if let Some(kept) = self.kept.remove(&manifest.name) {
                self.workers.keep(*id, kept);
            }
        }
    }

    /// Puts a module into service beside the others, from the next event on. Windows that it had before go on.
    pub fn add(&mut self, module: Module) -> ServiceId {
        self.serve(module, 0)
    }

    /// Puts another version of a module into service from a sequence number on, before any event from there on has come. The version that
    /// served till then, if there is one, judges on beside it and comes back if the new one turns out worse.
    pub fn take_over(&mut self, module: Module, from: u64) {
        let name = module.manifest.name.clone();
        self.confirm(&name);
        let old = self.serving.iter().find(|(_, manifest)| manifest.name == name).map(|(id, m)| (*id, m.clone()));
        let Some((old, manifest)) = old else {
            self.serve(module, from);
            return;
        };
        self.serving.remove(&old);
        let digest = self.pipeline.digest(old).unwrap_or_default().to_owned();
        if let Some(kept) = self.workers.kept(old) {
            self.kept.insert(name, kept);
        }
        let new = self.serve(module, from);
        self.standing_by.push(Standby { id: old, manifest, digest, new, probation: Probation::default() });
    }

    /// Who is on probation, and how it does.
    pub fn on_probation(&self) -> impl Iterator<Item = (&str, &Probation)> {
        self.standing_by.iter().map(|standby| (&*standby.manifest.name, &standby.probation))
    }

    /// A version has stood its probation: the one before it goes.
    pub fn confirm(&mut self, name: &str) {
        while let Some(at) = self.standing_by.iter().position(|standby| standby.manifest.name == name) {
            let standby = self.standing_by.remove(at);
            self.pipeline.retire(standby.id);
            drop(self.workers.retire(standby.id));
        }
    }

    /// Brings back the version before one that is on probation, from a sequence number on. The rows say what it keeps.
    pub fn go_back(&mut self, name: &str, from: u64) -> Option<(Relieved, Vec<StateOp>)> {
        let at = self.standing_by.iter().position(|standby| standby.manifest.name == name)?;
        Some(self.relieve(at, Worse::Ordered, from))
    }

    fn relieve(&mut self, at: usize, worse: Worse, from: u64) -> (Relieved, Vec<StateOp>) {
        let standby = self.standing_by.remove(at);
        let digest = self.pipeline.digest(standby.new).unwrap_or_default().to_owned();
        self.pipeline.retire(standby.new);
        let manifest = self.serving.remove(&standby.new).unwrap_or_else(|| standby.manifest.clone());
        let left = self.workers.retire(standby.new).map(Module::into_kept).unwrap_or_default();
        let kept = self.workers.kept(standby.id).unwrap_or_default();
        let changes = kept.in_place_of(&left, &manifest.name);
        let (by, by_digest) = (standby.manifest.clone(), standby.digest);
        self.serving.insert(standby.id, standby.manifest);
        (Relieved { manifest, digest, by, by_digest, worse, from }, changes)
    }

    /// Takes a module out of service. Its windows go on counting, and its own state is kept.
    pub fn retire(&mut self, name: &str) {
        self.confirm(name);
        let ids: Vec<ServiceId> = self.serving.iter().filter(|(_, m)| m.name == name).map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.leave(id));
    }

    /// Has another version take over at a sequence number: events before it are judged by the one, from it on by the other. Windows
    /// that only the other one declares count from now on.
    pub fn hand_over(&mut self, module: Module, at: u64) {
        self.pipeline.announce(&module.manifest);
        self.coming.entry(at).or_default().push(module);
    }

    fn serve(&mut self, mut module: Module, from: u64) -> ServiceId {
        let manifest = module.manifest.clone();
        if let Some(kept) = self.kept.remove(&manifest.name) {
            module.keep(kept);
        }
        let service = Service { manifest: manifest.clone(), digest: module.digest.clone(), serves: from..u64::MAX };
        let id = self.pipeline.add(service);
        self.serving.insert(id, manifest);
        self.workers.add(id, module);
        id
    }

    fn leave(&mut self, id: ServiceId) {
        self.pipeline.retire(id);
        let manifest = self.serving.remove(&id);
        if let (Some(manifest), Some(module)) = (manifest, self.workers.retire(id)) {
            self.kept.insert(manifest.name.clone(), module.into_kept());
        }
    }

    /// One batch of events, in order, through everything, in parts: what changed is told once for all of them.
    pub fn detect(&mut self, events: &[Event]) -> Detected {
        let (mut detected, mut rest) = (Detected::default(), events);
        while let Some((at, _)) = self.coming.first_key_value() {
            let at = *at;
            let before = rest.partition_point(|event| event.seq < at);
            let (old, new) = rest.split_at(before);
            if new.is_empty() && old.last().is_none_or(|event| event.seq + 1 < at) {
                break;
            }
            self.parts(old, &mut detected);
            rest = new;
            for module in self.coming.remove(&at).unwrap_or_default() {
                let manifest = module.manifest.clone();
                self.retire(&manifest.name);
                self.serve(module, at);
                self.pipeline.has_come(&manifest);
            }
        }
        self.parts(rest, &mut detected);
        detected.changes.append(&mut self.pipeline.take_changes());
        detected
    }

    fn parts(&mut self, events: &[Event], detected: &mut Detected) {
        events.chunks(PART).for_each(|part| self.part(part, detected));
    }

    fn part(&mut self, events: &[Event], detected: &mut Detected) {
        let prepared = self.pipeline.prepare(events);
        let mut outcomes = Vec::with_capacity(prepared.asked.len());
        let mut evaluations = self.workers.evaluate(&prepared.asked);
        let (worse, silent) = self.compare(&prepared, &evaluations);
        evaluations.retain(|(id, _)| !silent.contains(id));
        for (id, evaluation) in evaluations {
            detected.behaved.push(Behaved {
                module: self.pipeline.manifest(id).map(|manifest| manifest.name.clone()).unwrap_or_default(),
                took: evaluation.took,
                unjudged: evaluation.unjudged,
                lines_dropped: evaluation.lines_dropped,
                set_aside: evaluation.outcome.set_aside.clone(),
            });
            outcomes.push((id, evaluation.outcome));
            detected.changes.extend(evaluation.changes);
        }
        let mut concluded = self.pipeline.conclude(events, &prepared, outcomes);
        detected.concluded.alerts.append(&mut concluded.alerts);
        detected.concluded.faults.append(&mut concluded.faults);
        for (new, worse) in worse {
            let Some(at) = self.standing_by.iter().position(|standby| standby.new == new) else { continue };
            let (relieved, kept) = self.relieve(at, worse, events.first().map_or(0, |event| event.seq));
            detected.relieved.push(relieved);
            detected.changes.extend(kept);
        }
    }

    /// Which new versions turn out worse in this batch, and whose word on it doesn't count.
    fn compare(
        &mut self,
        prepared: &Prepared,
        evaluations: &[(ServiceId, Evaluation)],
    ) -> (Vec<(ServiceId, Worse)>, Vec<ServiceId>) {
        let (mut worse, mut silent) = (Vec::new(), Vec::new());
        let of = |id: ServiceId| evaluations.iter().find(|(of, _)| *of == id).map(|(_, evaluation)| evaluation);
        for Standby { id, new, probation, .. } in &mut self.standing_by {
            let asked = prepared.asked.iter().find(|asked| asked.service == *new);
            let rows = asked.map_or(0, |asked| asked.batch.rows());
            match probation.follow(rows, of(*new), of(*id)) {
                Some(why) => {
                    silent.push(*new);
                    worse.push((*new, why));
                }
                None => silent.push(*id),
            }
        }
        (worse, silent)
    }

    pub fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.serving.values().map(|manifest| &**manifest)
    }

    /// What holds for all that comes: whom events belong to, networks, exceptions, echoes.
    pub fn pipeline(&mut self) -> &mut Pipeline {
        &mut self.pipeline
    }
}
