//! What serves when gridwatch starts: what was last decided, or else what the modules folder holds.
//!
//! A file of the folder that is news is taken at the start, on probation like any other. One that is broken or gone stops nothing that
//! served before: its kept copy goes on, and what is wrong is told. Only a first start has nothing else, and refuses.

use super::contents::Contents;
use super::lineup::{Lineup, Version};
use super::{Served, Unusable, Wanted};
use anyhow::Result;
use gridwatch_detect::{Component, Engine, Limits, Module};
use gridwatch_event::lookup::Tables;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Makes modules of components, all on one engine.
#[derive(Clone, Debug)]
pub struct Loader {
    pub engine: Engine,
    pub tables: Arc<Tables>,
    pub limits: Arc<Limits>,
}

/// What a start came to.
#[derive(Debug)]
pub struct Started {
    pub loader: Loader,
    /// In service from the first event on.
    pub modules: Vec<Module>,
    /// To take over from those of the same name, on probation.
    pub successors: Vec<Module>,
    pub lineup: Lineup,
}

impl Loader {
    pub fn of(wanted: &Wanted) -> Result<Self> {
        let engine = wanted.engine()?;
        Ok(Self { engine, tables: Arc::new(wanted.tables.clone()), limits: Arc::new(wanted.limits.clone()) })
    }

    /// Compiles, starts and configures a module with what is configured for it.
    ///
    /// # Errors
    /// Everything that is wrong with its settings, or why it doesn't start.
    pub fn load(&self, wanted: &Wanted, component: &Component, file: &str) -> Result<Module, Vec<String>> {
        let settings = wanted.settings.get(&component.manifest.name).cloned().unwrap_or_default();
        let wrong = component.manifest.setting_problems(&settings);
        if !wrong.is_empty() {
            let place = |setting: &str| wanted.places.of(&component.manifest.name, setting);
            return Err(wrong.iter().map(|(setting, what)| format!("{}: {what}", place(setting))).collect());
        }
        Module::load(&self.engine, component, &settings, self.tables.clone(), self.limits.clone())
            .map_err(|refused| vec![format!("{file}: {refused}")])
    }
}

impl Wanted {
    /// A kept file, with what is granted to it now.
    ///
    /// # Errors
    /// It isn't kept, or wants what it isn't granted.
    pub fn kept(&self, contents: &Contents, digest: &str) -> Result<Component, String> {
        let bytes = contents.get(digest).map_err(|error| format!("{error:#}"))?;
        let granted = Component::manifest_of(&bytes).map(|manifest| self.granted(&manifest.name)).unwrap_or_default();
        Component::from_bytes(bytes, &granted, self.limits.component_bytes).map_err(|refused| refused.to_string())
    }

    /// A kept file that is to serve again.
    ///
    /// # Errors
    /// It isn't kept, wants what it isn't granted, or nobody who is trusted answers for it any more.
    pub fn to_serve(&self, contents: &Contents, digest: &str) -> Result<Served, String> {
        let component = self.kept(contents, digest)?;
        let signature = contents.signature(digest);
        let still = self.trust.still(component.bytes(), signature.as_deref(), &component.manifest.name);
        still.map_err(|untrusted| untrusted.to_string())?;
        Ok(Served { path: contents.path(digest), component, signature })
    }

    /// Puts together what is to serve from the start on.
    ///
    /// # Errors
    /// [`Unusable`]: everything that is wrong, where nothing else could serve instead.
    pub fn start(&self, contents: &Contents, decided: Option<Lineup>) -> Result<Started> {
        let loader = Loader::of(self)?;
        let folder = self.folder();
        folder.tell();
        let is_first = decided.is_none();
        let mut lineup = decided.unwrap_or_default();
        // Where something serves already, the watch over the folder tells what is wrong there.
        let mut problems = if is_first { folder.problems.clone() } else { Vec::new() };
        let (mut modules, mut successors) = (BTreeMap::new(), Vec::new());
        // What served goes on serving.
        let served = lineup.modules.clone().into_iter().filter(|(_, placed)| !placed.disabled);
        for (name, placed) in served {
            let of_folder = folder.serving.get(&name).filter(|there| there.component.digest == placed.serving.digest);
            let kept = match (self.to_serve(contents, &placed.serving.digest), of_folder) {
                (Err(_), Some(there)) => {
                    contents.keep(there)?;
                    Ok(there.clone())
                }
                (kept, _) => kept,
            };
            let file = contents.path(&placed.serving.digest).display().to_string();
            let loaded = kept.map_err(|why| vec![why]).and_then(|served| loader.load(self, &served.component, &file));
            match loaded {
                Ok(module) => _ = modules.insert(name.clone(), module),
                Err(why) => problems.extend(why.iter().map(|why| format!("{name}@{}: {why}", placed.serving.version))),
            }
            let before = placed.before.last().filter(|_| placed.on_probation);
            if let Some(before) = before.and_then(|before| self.to_serve(contents, &before.digest).ok())
                && let Ok(before) = loader.load(self, &before.component, &file)
                && let Some(on_probation) = modules.insert(name, before)
            {
                successors.push(on_probation);
            }
        }
        // What is news takes over.
        for (name, there) in &folder.serving {
            let placed = lineup.modules.entry(name.clone()).or_default();
            let (is_old, file) = (placed.offered.as_ref() == Some(&there.component.digest), display(&there.path));
            placed.gone = false;
            if is_old || placed.pinned && !placed.serving.digest.is_empty() {
                continue;
            }
            if placed.disabled || placed.serving.digest == there.component.digest {
                placed.offered = Some(there.component.digest.clone());
                continue;
            }
            match loader.load(self, &there.component, &file) {
                Ok(module) => {
                    contents.keep(there)?;
                    placed.offered = Some(there.component.digest.clone());
                    let is_successor = modules.contains_key(name);
                    problems.retain(|problem| !problem.starts_with(&format!("{name}@")));
                    lineup.decide(name, Version::of(&there.component), is_successor);
                    match is_successor {
                        true => {
                            successors.retain(|module: &Module| module.manifest.name != *name);
                            successors.push(module);
                        }
                        false => _ = modules.insert(name.clone(), module),
                    }
                }
                Err(_) if modules.contains_key(name) => {}
                Err(why) => problems.extend(why),
            }
        }
        lineup.modules.retain(|_, placed| !placed.serving.digest.is_empty() || placed.disabled);
        problems.extend(self.unknown_names(&|name| lineup.modules.contains_key(name), !folder.problems.is_empty()));
        if problems.is_empty() {
            let manifests = modules.values().chain(&successors).map(|module| &*module.manifest);
            problems = self.unknown_shadow(manifests);
        }
        if !problems.is_empty() {
            let sound = modules.values().map(|module| format!("{}@{}", module.manifest.name, module.manifest.version));
            return Err(Unusable { problems, sound: sound.collect() }.into());
        }
        Ok(Started { loader, modules: modules.into_values().collect(), successors, lineup })
    }
}

impl Version {
    pub fn of(component: &Component) -> Self {
        Self { version: component.manifest.version.to_string(), digest: component.digest.clone() }
    }
}

fn display(path: &Path) -> String {
    path.display().to_string()
}
