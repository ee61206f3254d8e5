//! The detector: modules in service and everything between events and alerts, put together in one way wherever it is used.
//!
//! Modules come and go while it runs. What they know stays: windows belong to the pipeline, and a module's own key-value
//! state is handed to whoever comes next under its name.

use crate::kept::Kept;
use crate::module::Module;
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
use gridwatch_rules::pipeline::{Concluded, Pipeline, Service, ServiceId};
use gridwatch_rules::risk::RiskThreshold;
use gridwatch_rules::state::{Forgotten, StateOp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

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
}

/// What the modules made of one batch of events, with the rows that all of it changed.
#[derive(Debug, Default)]
pub struct Detected {
    pub concluded: Concluded,
    pub changes: Vec<StateOp>,
    /// How each module behaved that was asked.
    pub behaved: Vec<Behaved>,
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
        let workers = Workers::start(threads.clamp(1, modules.len().max(1)))?;
        let (serving, kept, coming) = Default::default();
        let mut detector = Self { pipeline, workers, serving, kept, coming };
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

    /// Takes a module out of service. Its windows go on counting, and its own state is kept.
    pub fn retire(&mut self, name: &str) {
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

    /// One batch of events, in order, through everything.
    pub fn detect(&mut self, events: &[Event]) -> Detected {
        let (mut detected, mut rest) = (Detected::default(), events);
        while let Some((at, _)) = self.coming.first_key_value() {
            let at = *at;
            let before = rest.partition_point(|event| event.seq < at);
            let (old, new) = rest.split_at(before);
            if new.is_empty() && old.last().is_none_or(|event| event.seq + 1 < at) {
                break;
            }
            self.part(old, &mut detected);
            rest = new;
            for module in self.coming.remove(&at).unwrap_or_default() {
                let manifest = module.manifest.clone();
                self.retire(&manifest.name);
                self.serve(module, at);
                self.pipeline.has_come(&manifest);
            }
        }
        self.part(rest, &mut detected);
        detected
    }

    fn part(&mut self, events: &[Event], detected: &mut Detected) {
        if events.is_empty() {
            return;
        }
        let prepared = self.pipeline.prepare(events);
        let mut outcomes = Vec::with_capacity(prepared.asked.len());
        for (id, evaluation) in self.workers.evaluate(&prepared.asked) {
            detected.behaved.push(Behaved {
                module: self.serving.get(&id).map(|manifest| manifest.name.clone()).unwrap_or_default(),
                took: evaluation.took,
                unjudged: evaluation.unjudged,
                lines_dropped: evaluation.lines_dropped,
                set_aside: evaluation.outcome.set_aside.clone(),
            });
            outcomes.push((id, evaluation.outcome));
            detected.changes.extend(evaluation.changes);
        }
        let mut concluded = self.pipeline.conclude(events, &prepared, outcomes);
        detected.changes.append(&mut concluded.changes);
        detected.concluded.alerts.append(&mut concluded.alerts);
        detected.concluded.faults.append(&mut concluded.faults);
    }

    pub fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.serving.values().map(|manifest| &**manifest)
    }

    /// What holds for all that comes: whom events belong to, networks, exceptions, echoes.
    pub fn pipeline(&mut self) -> &mut Pipeline {
        &mut self.pipeline
    }
}
