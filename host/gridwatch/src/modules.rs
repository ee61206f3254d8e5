//! The modules folder: which components there are, which version of each serves, and why one is refused.

use crate::config::{Config, Places};
use crate::respond::journal::Follower;
use anyhow::{Context, Result};
use gridwatch_core::echo::Echoes;
use gridwatch_core::lookup::Tables;
use gridwatch_core::manifest::{Grant, Manifest};
use gridwatch_core::network::Networks;
use gridwatch_core::pipeline::{Pipeline, Service};
use gridwatch_core::risk::Bar;
use gridwatch_detect::{Component, Engine, Limits, Module, Refused};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the configuration says about modules.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub dir: PathBuf,
    /// By module name.
    pub settings: BTreeMap<String, Map<String, Value>>,
    pub places: Places,
    pub grants: BTreeMap<String, BTreeSet<Grant>>,
    pub tables: Tables,
    pub networks: Networks,
    /// The exceptions file.
    pub exceptions: Option<PathBuf>,
    /// The journal of responses, whose echoes a replay is to suppress as the live run did.
    pub responses: Option<PathBuf>,
    /// What all windows together may take, if not the default.
    pub state_max_bytes: Option<usize>,
    /// What it takes for findings about one actor to add up.
    pub risk: Bar,
    pub limits: Limits,
    pub cache_dir: Option<PathBuf>,
    /// Nothing may be left behind: what is in the cache is used, and nothing is added to it.
    pub only_looks: bool,
}

/// Every problem with the folder, one line each.
#[derive(Debug, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub struct Unusable {
    pub problems: Vec<String>,
}

impl Wanted {
    pub fn of(config: &Config) -> Self {
        Self {
            dir: config.modules.dir.clone(),
            settings: config.modules.config.clone(),
            places: config.modules.places.clone(),
            grants: config
                .modules
                .grants
                .iter()
                .map(|(name, list)| (name.clone(), list.iter().copied().collect()))
                .collect(),
            tables: config.tables(),
            networks: config.networks.clone(),
            exceptions: config.tuning.exceptions.clone(),
            responses: Some(crate::respond::journal::path(&config.state_dir)),
            state_max_bytes: Some(config.detect.state_max_bytes as usize),
            risk: config.detect.risk,
            limits: Limits::default(),
            cache_dir: Some(config.state_dir.join("compiled")),
            only_looks: false,
        }
    }

    /// The same for a command that leaves nothing behind, whoever runs it.
    pub fn looking(self) -> Self {
        Self { only_looks: true, ..self }
    }

    fn engine(&self) -> Result<Engine, Refused> {
        match self.only_looks {
            true => Engine::looking(self.cache_dir.as_deref()),
            false => Engine::new(self.cache_dir.as_deref()),
        }
    }

    /// The same for another folder, without what its modules wouldn't understand.
    pub fn of_other(&self, dir: &Path) -> Result<Self> {
        let manifests = manifests(dir)?;
        let known = |name: &str| manifests.iter().find(|manifest| manifest.name == name);
        let mut other = Self { dir: dir.to_owned(), ..self.clone() };
        other.grants.retain(|name, _| known(name).is_some());
        other.settings.retain(|name, _| known(name).is_some());
        for (name, settings) in &mut other.settings {
            settings.retain(|setting, _| known(name).is_some_and(|manifest| manifest.config.contains_key(setting)));
        }
        Ok(other)
    }

    /// What the responder has done, whose echoes were suppressed live.
    pub fn echoes(&self) -> Result<Echoes> {
        let Some(mut journal) = self.responses.clone().map(Follower::new) else { return Ok(Echoes::default()) };
        Ok(journal.news()?.cloned().unwrap_or_default())
    }

    pub fn in_dir(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), ..Self::default() }
    }

    /// Grants lookups to whoever asks for them. For replays without a configuration: there are no tables, so nothing is
    /// given away but empty answers.
    pub fn grant_lookups(&mut self) {
        for path in self.files().unwrap_or_default() {
            let manifest = std::fs::read(path).ok().and_then(|bytes| Component::manifest_of(&bytes).ok());
            if let Some(manifest) = manifest {
                self.grants.entry(manifest.name).or_default().insert(Grant::Lookup);
            }
        }
    }

    /// Compiles, starts and configures the newest version of each module, or says everything that is wrong.
    pub fn load(&self) -> Result<Vec<Module>> {
        let engine = self.engine()?;
        let (tables, limits) = (Arc::new(self.tables.clone()), Arc::new(self.limits.clone()));
        let (mut problems, mut missing) = (Vec::new(), Vec::new());
        let components = self.newest(&mut problems)?;
        let named: BTreeSet<&String> = self.settings.keys().chain(self.grants.keys()).collect();
        // Where a file was refused, a name that is missing may be its; that problem is told already.
        for name in named.into_iter().filter(|name| !components.contains_key(*name) && problems.is_empty()) {
            let (place, dir) = (self.places.of_module(name), self.dir.display());
            missing.push(format!("{place}: `{name}` is configured, but {dir} holds no such module"));
        }
        problems.append(&mut missing);
        let mut modules = Vec::new();
        for (name, (path, component)) in &components {
            let settings = self.settings.get(name).cloned().unwrap_or_default();
            let wrong = component.manifest.setting_problems(&settings);
            if !wrong.is_empty() {
                let told = wrong.iter().map(|(setting, what)| format!("{}: {what}", self.places.of(name, setting)));
                problems.extend(told);
                continue;
            }
            match Module::load(&engine, component, &settings, tables.clone(), limits.clone()) {
                Ok(module) => modules.push(module),
                Err(refused) => problems.push(format!("{}: {refused}", path.display())),
            }
        }
        if modules.is_empty() && problems.is_empty() {
            problems.push(no_modules(&self.dir));
        }
        match problems.is_empty() {
            true => Ok(modules),
            false => Err(Unusable { problems }.into()),
        }
    }

    /// One module as often as there are settings for it, each instead of those that are configured.
    pub fn variants(&self, name: &str, settings: &[Map<String, Value>]) -> Result<Vec<Result<Module, Refused>>> {
        let engine = self.engine()?;
        let (tables, limits) = (Arc::new(self.tables.clone()), Arc::new(self.limits.clone()));
        let mut problems = Vec::new();
        let mut components = self.newest(&mut problems)?;
        let Some((_, component)) = components.remove(name) else {
            problems.push(format!("{}: no module `{name}`", self.dir.display()));
            return Err(Unusable { problems }.into());
        };
        let load = |settings| Module::load(&engine, &component, settings, tables.clone(), limits.clone());
        Ok(settings.iter().map(load).collect())
    }

    fn newest(&self, problems: &mut Vec<String>) -> Result<BTreeMap<String, (PathBuf, Component)>> {
        let mut newest: BTreeMap<String, (PathBuf, Component)> = BTreeMap::new();
        for path in self.files()? {
            let granted = |name: &str| self.grants.get(name).cloned().unwrap_or_default();
            match self.read(&path, granted) {
                Err(problem) => problems.push(format!("{}: {problem}", path.display())),
                Ok(component) => {
                    let name = component.manifest.name.clone();
                    let newer = |(_, other): &(PathBuf, Component)| other.manifest.version < component.manifest.version;
                    if newest.get(&name).is_none_or(newer) {
                        newest.insert(name, (path, component));
                    }
                }
            }
        }
        Ok(newest)
    }

    /// Grants go by the name in the manifest, which has to be read first; reading runs nothing.
    fn read(&self, path: &Path, granted: impl Fn(&str) -> BTreeSet<Grant>) -> Result<Component> {
        let bytes = std::fs::read(path)?;
        let name = Component::manifest_of(&bytes).map(|m| m.name).unwrap_or_default();
        let read = Component::from_bytes(bytes, &granted(&name), self.limits.component_bytes);
        read.map_err(|refused| match &refused {
            // What it lacks is said in the configuration, so that is the place to tell.
            Refused::Import { .. } if !name.is_empty() => {
                anyhow::anyhow!("{refused}\n  see {}", self.places.of_grants(&name))
            }
            _ => refused.into(),
        })
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let listing = std::fs::read_dir(&self.dir)
            .with_context(|| format!("can't read the modules folder {}", self.dir.display()))?;
        let mut files: Vec<PathBuf> = listing.filter_map(|file| Some(file.ok()?.path())).collect();
        files.retain(|path| path.extension().is_some_and(|e| e == "wasm" || e == "cwasm"));
        files.sort();
        Ok(files)
    }
}

/// What the newest version of each module in a folder says of itself, without running any of them.
pub fn manifests(dir: &Path) -> Result<Vec<Manifest>> {
    let mut newest: BTreeMap<String, Manifest> = BTreeMap::new();
    let mut problems = Vec::new();
    for path in Wanted::in_dir(dir).files()? {
        let bytes = std::fs::read(&path).with_context(|| format!("can't read {}", path.display()))?;
        match Component::manifest_of(&bytes) {
            Err(refused) => problems.push(format!("{}: {refused}", path.display())),
            Ok(manifest) if newest.get(&manifest.name).is_none_or(|other| other.version < manifest.version) => {
                newest.insert(manifest.name.clone(), manifest);
            }
            Ok(_) => {}
        }
    }
    if newest.is_empty() && problems.is_empty() {
        problems.push(no_modules(dir));
    }
    if problems.is_empty() { Ok(newest.into_values().collect()) } else { Err(Unusable { problems }.into()) }
}

fn no_modules(dir: &Path) -> String {
    format!("{}: no modules; `cargo xtask modules` builds ours", dir.display())
}

/// A pipeline that serves these modules from the first event on.
pub fn pipeline(modules: &[Module], networks: Networks, tables: Tables) -> Pipeline {
    let service = |m: &Module| Service { manifest: m.manifest.clone(), digest: m.digest.clone(), serves: 0..u64::MAX };
    Pipeline::new(modules.iter().map(service).collect()).with_networks(networks).with_tables(tables)
}
