//! What somebody orders: to install, roll back, pin, disable and enable modules, and to list them.

use super::{Changed, Origin, State, Swapper, placed};
use crate::context::swaps::Turn;
use crate::modules::folder;
use crate::modules::lineup::{Placed, Version};
use anyhow::{Context, Result, bail};
use gridwatch_rules::audit::{What, Who};
use serde::Serialize;
use std::path::Path;

/// A module as somebody who asks is told of it.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    pub name: String,
    #[serde(flatten)]
    pub placed: Placed,
}

impl Swapper {
    /// Puts a file into service, whatever the folder holds.
    ///
    /// # Errors
    /// Why it can't serve; what serves goes on.
    pub fn install(&self, file: &Path, who: &Who) -> Result<Changed> {
        let mut state = self.lock();
        let granted = |manifest: &gridwatch_manifest::Manifest| state.wanted.granted(&manifest.name);
        let component = folder::component(file, state.wanted.limits.component_bytes, &granted, state.wanted.judge());
        let (served, _) = component.map_err(anyhow::Error::msg)?;
        let name = served.component.manifest.name.clone();
        if state.lineup.modules.get(&name).is_some_and(|placed| placed.pinned) {
            bail!("{name} is pinned\nhint: `gridwatch module unpin {name}` first");
        }
        let brought = self.bring(&mut state, &served, Origin::Installed, Some((What::ModuleInstall, who)));
        if let Err(why) = &brought {
            let file = folder::file_name(file);
            self.refused(&mut state, &file, &format!("{why:#}"), Some(&name))?;
        }
        self.save(&state)?;
        brought
    }

    /// Brings back the version before the one that serves.
    ///
    /// # Errors
    /// There is none, or it can't serve any more.
    pub fn rollback(&self, name: &str, who: &Who) -> Result<Changed> {
        self.follow();
        let mut state = self.lock();
        let known = known(&state, name)?;
        let Some(before) = known.before.last().cloned() else {
            bail!("there is no version of {name} before {}", known.serving.version);
        };
        let serving = known.serving.clone();
        let by = Some((What::ModuleRollback, who));
        let is_noted = known.on_probation;
        if is_noted {
            self.shared.record(self.deed(What::ModuleRollback, who, name, &before, Some(&serving)))?;
            let turned = self.turn(Turn::Back { name: name.to_owned() })?;
            if let Some(relieved) = &turned.relieved {
                state.lineup.go_back(name, &relieved.by_digest);
                self.save(&state)?;
                let back = Version { version: relieved.by.version.to_string(), digest: relieved.by_digest.clone() };
                tracing::warn!(
                    module = name,
                    version = back.version,
                    from_seq = turned.from,
                    "rolled back, as ordered"
                );
                return Ok(Changed::to(name, Some(&back), Some(&serving), &turned, None));
            }
        }
        let served = state.wanted.to_serve(&state.contents, &before.digest).map_err(anyhow::Error::msg)?;
        let changed = self.bring(&mut state, &served, Origin::Former, by.filter(|_| !is_noted))?;
        // What was left is no former version that anybody wants back by the same word.
        placed(&mut state, name).before.retain(|version| *version != serving);
        self.save(&state)?;
        Ok(changed)
    }

    /// Keeps the folder from changing a module, or no longer does.
    ///
    /// # Errors
    /// There is no such module.
    pub fn pin(&self, name: &str, is_pinned: bool, who: &Who) -> Result<Placed> {
        let mut state = self.lock();
        let serving = known(&state, name)?.serving.clone();
        let what = if is_pinned { What::ModulePin } else { What::ModuleUnpin };
        self.shared.record(self.deed(what, who, name, &serving, None))?;
        placed(&mut state, name).pinned = is_pinned;
        self.save(&state)?;
        tracing::info!(module = name, is_pinned, "as ordered");
        if is_pinned {
            return Ok(placed(&mut state, name).clone());
        }
        // What waited in the folder needn't wait any more.
        drop(state);
        self.take_folder()?;
        Ok(placed(&mut self.lock(), name).clone())
    }

    /// Takes a module out of service until it is enabled.
    ///
    /// # Errors
    /// There is no such module in service.
    pub fn disable(&self, name: &str, who: &Who) -> Result<Changed> {
        self.follow();
        let mut state = self.lock();
        let serving = known(&state, name)?.serving.clone();
        if state.lineup.modules[name].disabled {
            bail!("{name} is disabled already");
        }
        self.shared.record(self.deed(What::ModuleDisable, who, name, &serving, None))?;
        let placed = placed(&mut state, name);
        (placed.disabled, placed.on_probation) = (true, false);
        self.save(&state)?;
        let turned = self.turn(Turn::Retire { name: name.to_owned() })?;
        tracing::warn!(module = name, from_seq = turned.from, "disabled, as ordered: its rules watch nothing");
        Ok(Changed::to(name, None, Some(&serving), &turned, None))
    }

    /// Puts a module that was disabled back into service.
    ///
    /// # Errors
    /// There is none, or it can't serve any more.
    pub fn enable(&self, name: &str, who: &Who) -> Result<Changed> {
        let mut state = self.lock();
        let known = known(&state, name)?.clone();
        if !known.disabled {
            bail!("{name} is not disabled");
        }
        let served = state.wanted.to_serve(&state.contents, &known.serving.digest).map_err(anyhow::Error::msg)?;
        let by = Some((What::ModuleEnable, who));
        let changed = self.bring(&mut state, &served, Origin::Former, by)?;
        self.save(&state)?;
        Ok(changed)
    }

    /// All modules there are.
    pub fn list(&self) -> Vec<Listed> {
        self.follow();
        let listed = |(name, placed): (&String, &Placed)| Listed { name: name.clone(), placed: placed.clone() };
        self.lock().lineup.modules.iter().map(listed).collect()
    }
}

fn known<'s>(state: &'s State, name: &str) -> Result<&'s Placed> {
    state.lineup.modules.get(name).filter(|placed| !placed.serving.digest.is_empty()).with_context(|| {
        let names: Vec<&str> = state.lineup.modules.keys().map(String::as_str).collect();
        format!("there is no module `{name}`; there are {}", names.join(", "))
    })
}
