//! Swaps: how another version of a module comes into service while gridwatch runs.
//!
//! ```text
//! file ─► verified (size, signature, component, manifest, imports) ─► kept ─► compiled (a child process) ─► configured
//!      ─► tried over the newest events beside the version that serves ─► decided (lineup.json) ─► serves from a sequence number on
//!      ─► on probation: the version before it judges on beside it, and comes back if the new one is worse
//! ```
//!
//! All of it but the last two steps happens beside the stages. Whatever fails is told in one line, and the version in service goes on.
//! Killed at any step, the next start finds what `lineup.json` says: the old version or the new one. One thing is done at a time.

mod again;
mod from_folder;
mod orders;
mod trial;

use crate::context::Shared;
use crate::context::swaps::{News, Turn, Turned};
use crate::modules::contents::Contents;
use crate::modules::lineup::{Lineup, Placed, Version};
use crate::modules::start::Loader;
use crate::modules::{Served, Wanted, compiler};
use crate::record::Record;
use again::{Again, Unjudged};
use anyhow::{Context, Result};
use gridwatch_detect::{Component, Module};
use gridwatch_rules::audit::{Deed, What, Who};
use gridwatch_rules::builtin;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use trial::Trial;

/// How long the detect stage is waited for: a batch may be under way.
const PATIENCE: Duration = Duration::from_secs(120);
/// Things told that are remembered, so that they are told once.
const MAX_TOLD: usize = 1_000;
/// Faults that are looked through for what is to be judged again.
const MAX_FAULTS: usize = 10_000;
/// Artifacts of former versions of a module that stay compiled.
const COMPILED: usize = 2;

/// Who changes the modules of one organization.
pub struct Swapper {
    shared: Arc<Shared>,
    state: Mutex<State>,
}

struct State {
    wanted: Wanted,
    loader: Loader,
    contents: Contents,
    lineup: Lineup,
    /// What was told of files that can't serve.
    told: BTreeSet<String>,
    /// Why versions that the folder has don't serve, by digest.
    refused: BTreeMap<String, String>,
}

/// Where a version comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Folder,
    Installed,
    Settings,
    /// It served before.
    Former,
}

/// A change that was made.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    pub module: String,
    /// `None`: nothing of it serves.
    pub version: Option<String>,
    pub digest: Option<String>,
    pub before: Option<String>,
    /// From this sequence number on.
    pub from_seq: u64,
    pub pause_us: u64,
    /// What the trial found.
    pub trial: Option<Trial>,
    /// What the version before couldn't judge, and this one did.
    pub again: Option<Again>,
}

/// Does something on a thread of its own. Unlike the runtime's, a process that ends doesn't wait for it: killed at any step, nothing is lost.
///
/// # Errors
/// There is no thread to be had, or it panicked.
pub async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let (done, answer) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name("swap".to_owned()).spawn(move || drop(done.send(work())))?;
    answer.await.context("a swap was broken off")
}

impl Swapper {
    pub fn new(shared: Arc<Shared>, wanted: Wanted, (loader, lineup): (Loader, Lineup)) -> Self {
        let contents = Contents::of(&shared.config.state_dir);
        let (told, refused) = (BTreeSet::new(), BTreeMap::new());
        Self { shared, state: Mutex::new(State { wanted, loader, contents, lineup, told, refused }) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Digests of all files that are needed: those that may serve, and those that judged what the archive still has.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn digests(&self) -> Result<Vec<String>> {
        let rows = self.shared.store.judged_by()?;
        let judged = rows.iter().flat_map(|row| row.judges.modules.values()).map(|judge| judge.digest.clone());
        Ok(self.lock().lineup.digests().cloned().chain(judged).collect())
    }

    /// Takes in what the detect stage did by itself.
    pub fn follow(&self) {
        let news = self.shared.swaps.news();
        if news.is_empty() {
            return;
        }
        let mut state = self.lock();
        for news in news {
            match news {
                News::RolledBack(relieved) => {
                    let name = &relieved.manifest.name;
                    let serving = state.lineup.modules.get(name).map(|placed| placed.serving.clone());
                    let back = Version { version: relieved.by.version.to_string(), digest: relieved.by_digest.clone() };
                    let deed = self.deed(What::ModuleRollback, &Who::itself(), name, &back, serving.as_ref());
                    if let Err(error) = self.shared.record(deed) {
                        tracing::error!(
                            error = format!("{error:#}"),
                            "that it was rolled back can't be noted in the audit trail"
                        );
                    }
                    state.lineup.go_back(name, &relieved.by_digest);
                }
                News::Confirmed(name) => placed(&mut state, &name).on_probation = false,
            }
        }
        self.note(&state);
    }

    /// Other settings or grants are wanted. What was taken, and what wasn't with the reason.
    ///
    /// # Errors
    /// It can't be written down.
    pub fn reconfigure(&self, new: Wanted) -> Result<(Vec<String>, Vec<String>)> {
        let mut state = self.lock();
        let new = Wanted { tables: state.wanted.tables.clone(), ..new };
        let old = std::mem::replace(&mut state.wanted, new);
        let (mut taken, mut refused) = (Vec::new(), Vec::new());
        if old.shadow != state.wanted.shadow {
            let modules = self.shared.status().modules;
            let is_known = |name: &String| modules.iter().any(|m| m.name == *name || m.rule_ids.contains(name));
            match state.wanted.shadow.iter().find(|name| !is_known(name)) {
                Some(name) => {
                    refused.push(format!("modules.shadow: there is no module or rule `{name}`"));
                    state.wanted.shadow = old.shadow.clone();
                }
                None => {
                    self.turn(Turn::Shadow(state.wanted.shadow.clone()))?;
                    taken.push("modules.shadow".to_owned());
                }
            }
        }
        let differs = |new: &Wanted, name: &String| {
            old.settings.get(name) != new.settings.get(name) || old.granted(name) != new.granted(name)
        };
        let named: BTreeSet<String> = [&old, &state.wanted]
            .into_iter()
            .flat_map(|wanted| wanted.settings.keys().chain(wanted.grants.keys()))
            .filter(|name| differs(&state.wanted, name))
            .cloned()
            .collect();
        for name in named {
            let setting = format!("modules.config.{name}");
            let Some(placed) = state.lineup.modules.get(&name).cloned().filter(|placed| !placed.disabled) else {
                refused.push(format!("{setting}: no module `{name}` is in service"));
                continue;
            };
            let served = state.wanted.to_serve(&state.contents, &placed.serving.digest).map_err(anyhow::Error::msg);
            match served.and_then(|served| self.bring(&mut state, &served, Origin::Settings, None)) {
                Ok(_) => taken.push(setting),
                Err(why) => {
                    // They stay what they were, and the file that says otherwise is told.
                    put_back(&mut state.wanted.settings, &old.settings, &name);
                    put_back(&mut state.wanted.grants, &old.grants, &name);
                    refused.push(format!("{setting}: {why:#}"));
                }
            }
        }
        self.tell_untrusted(&mut state)?;
        self.save(&state)?;
        Ok((taken, refused))
    }

    /// What is in service and nobody answers for any more goes on, as nothing else watches in its place; that is told.
    fn tell_untrusted(&self, state: &mut State) -> Result<()> {
        let served = state.lineup.modules.clone().into_iter().filter(|(_, placed)| !placed.disabled);
        for (name, Placed { serving, .. }) in served {
            let Ok(kept) = state.wanted.kept(&state.contents, &serving.digest) else { continue };
            let signature = state.contents.signature(&serving.digest);
            let Err(why) = state.wanted.trust.still(kept.bytes(), signature.as_deref(), &name) else { continue };
            let (file, hint) = (
                format!("of {name}@{}", serving.version),
                "it goes on until another version comes or the next start, which refuses it",
            );
            self.refused(state, &file, &format!("{why}; {hint}"), Some(&name))?;
        }
        Ok(())
    }

    /// From a component to a version that serves.
    /// Who is behind it is noted in the audit trail before anything is decided; of other settings, the change of the configuration is.
    fn bring(&self, state: &mut State, served: &Served, origin: Origin, by: Option<(What, &Who)>) -> Result<Changed> {
        let component = &served.component;
        let (name, version) = (component.manifest.name.clone(), Version::of(component));
        let step = |step: &str| tracing::debug!(module = name, version = version.version, step, "swap");
        let kept = state.contents.keep(served)?;
        step("kept");
        // Without a cache there is nothing that a child could hand over.
        if let Some(cache) =
            state.wanted.cache_dir.as_ref().filter(|_| !state.loader.engine.is_compiled(&component.digest))
        {
            compiler::compile(&kept, cache).map_err(anyhow::Error::msg)?;
        }
        step("compiled");
        let module = self.load(state, component)?;
        step("configured");
        let unjudged = self.unjudged(&name)?;
        let old =
            state.lineup.modules.get(&name).filter(|placed| !placed.disabled).map(|placed| placed.serving.clone());
        let trial = match origin {
            Origin::Former => None,
            _ => {
                let old = old.as_ref().filter(|_| origin != Origin::Settings);
                let old = old.and_then(|old| state.wanted.kept(&state.contents, &old.digest).ok());
                let old = old.and_then(|old| self.load(state, &old).ok());
                let new = self.load(state, component)?;
                Some(trial::run(&self.shared, &state.wanted, new, old).context("it could not be tried")??)
            }
        };
        step("tried");
        let on_probation = origin != Origin::Former && old.is_some();
        if let Some((what, who)) = by {
            self.shared.record(self.deed(what, who, &name, &version, old.as_ref()))?;
        }
        state.lineup.decide(&name, version.clone(), on_probation);
        self.save(state)?;
        step("decided");
        let turned = self.turn(Turn::Serve { module: Box::new(module), on_probation })?;
        step("serves");
        let again = match &unjudged {
            Some(unjudged) if origin != Origin::Former => self.judge_again(state, component, unjudged, turned.from)?,
            _ => None,
        };
        self.shared.exceptions.renew(&component.manifest);
        forget_compiled(state, &name);
        let before = old.as_ref().map(|old| old.version.as_str());
        let (findings, tried) = trial.as_ref().map_or((0, 0), |trial| (trial.findings, trial.events));
        tracing::info!(
            module = name,
            version = version.version,
            digest = version.digest.get(..12),
            before,
            from_seq = turned.from,
            pause_us = turned.pause.as_micros() as u64,
            tried,
            findings,
            by = ?origin,
            "a module takes over"
        );
        Ok(Changed { again, ..Changed::to(&name, Some(&version), old.as_ref(), &turned, trial) })
    }

    fn deed(&self, what: What, who: &Who, name: &str, to: &Version, before: Option<&Version>) -> Deed {
        let deed =
            Deed::new(self.shared.now(), what, who, name).with("version", &to.version).with("digest", &to.digest);
        let before = before.filter(|before| *before != to);
        let version = before.map(|before| &before.version);
        deed.maybe("version_before", version).maybe("digest_before", before.map(|before| &before.digest))
    }

    /// What the version that serves has failed on, and since when it judges nothing, if it was set aside.
    fn unjudged(&self, name: &str) -> Result<Option<Unjudged>> {
        let status = self.shared.status().modules.into_iter().find(|module| module.name == name);
        let Some(status) = status.filter(|status| status.faults > 0 || status.set_aside.is_some()) else {
            return Ok(None);
        };
        let faults = self.shared.store.faults_from(0, MAX_FAULTS)?.into_iter().map(|(_, fault)| fault);
        let own = faults.filter(|fault| fault.module == name && fault.version == status.version && fault.seq > 0);
        let failed: BTreeSet<u64> = own.map(|fault| fault.seq).collect();
        let gap = match status.set_aside {
            Some(_) => {
                let rows = self.shared.store.judged_by()?;
                let absent = rows.iter().rev().take_while(|row| !row.judges.modules.contains_key(name));
                absent.last().map(|row| row.from_seq..u64::MAX)
            }
            None => None,
        };
        Ok(Some(Unjudged { gap, failed }).filter(|unjudged| !unjudged.is_nothing()))
    }

    fn judge_again(
        &self,
        state: &State,
        component: &Component,
        unjudged: &Unjudged,
        until: u64,
    ) -> Result<Option<Again>> {
        let gap = unjudged.gap.as_ref().map(|gap| gap.start..until);
        let unjudged = Unjudged { gap: gap.filter(|gap| !gap.is_empty()), failed: unjudged.failed.clone() };
        if unjudged.is_nothing() {
            return Ok(None);
        }
        let module = self.load(state, component)?;
        match again::judge(&self.shared, &state.wanted, module, &unjudged) {
            Ok(again) => {
                let (module, Again { events, alerts }) = (&component.manifest.name, again);
                tracing::info!(module, events, alerts, "what the version before couldn't judge was judged again");
                Ok(Some(again))
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "what the version before couldn't judge can't be judged again");
                Ok(None)
            }
        }
    }

    fn load(&self, state: &State, component: &Component) -> Result<Module> {
        let loaded = state.loader.load(&state.wanted, component, "it");
        loaded.map_err(|why| anyhow::anyhow!("{}", why.join("; ").trim_start_matches("it: ").to_owned()))
    }

    fn turn(&self, turn: Turn) -> Result<Turned> {
        let answer = self.shared.swaps.ask(turn);
        self.shared.detect.ring();
        answer.recv_timeout(PATIENCE).context("the detect stage doesn't take it up; the next start does")
    }

    /// Says once that a file can't serve.
    fn refused(&self, state: &mut State, file: &str, why: &str, name: Option<&str>) -> Result<()> {
        let why = why.replace("\n  ", "; ");
        if state.told.len() >= MAX_TOLD {
            state.told.clear();
        }
        if !state.told.insert(format!("{file}: {why}")) {
            return Ok(());
        }
        let serving = name.and_then(|name| Some((name, state.lineup.modules.get(name)?)));
        let serving = serving.filter(|(_, placed)| !placed.serving.digest.is_empty() && !placed.disabled);
        let serving = serving.map(|(name, placed)| format!("{name}@{}", placed.serving.version));
        tracing::error!(file, why, in_service = serving, "a module file can't serve; what is in service goes on");
        let alert = builtin::module_refused(file, &why, serving.as_deref(), self.shared.now()).of_org(&self.shared.org);
        self.shared.store.commit_alerts(&[Record::Alert(Box::new(alert))])?;
        self.shared.process.bells.deliver.ring();
        Ok(())
    }

    /// Writes down what was decided, where nothing depends on it at once: what can't be written is told, and written the next time.
    fn note(&self, state: &State) {
        if let Err(error) = self.save(state) {
            tracing::error!(error = format!("{error:#}"), "what was decided about modules can't be written down");
        }
    }

    fn save(&self, state: &State) -> Result<()> {
        state.lineup.write(&Lineup::path(&self.shared.paths().dir))
    }
}

impl Changed {
    fn to(name: &str, to: Option<&Version>, before: Option<&Version>, turned: &Turned, trial: Option<Trial>) -> Self {
        Self {
            module: name.to_owned(),
            version: to.map(|to| to.version.clone()),
            digest: to.map(|to| to.digest.clone()),
            before: before.map(|before| before.version.clone()),
            from_seq: turned.from,
            pause_us: turned.pause.as_micros() as u64,
            trial,
            again: None,
        }
    }
}

fn placed<'s>(state: &'s mut State, name: &str) -> &'s mut Placed {
    state.lineup.modules.entry(name.to_owned()).or_default()
}

fn put_back<T: Clone>(to: &mut BTreeMap<String, T>, from: &BTreeMap<String, T>, name: &str) {
    match from.get(name) {
        Some(was) => _ = to.insert(name.to_owned(), was.clone()),
        None => _ = to.remove(name),
    }
}

/// What isn't likely to serve again soon needn't lie there compiled.
fn forget_compiled(state: &State, name: &str) {
    let Some(placed) = state.lineup.modules.get(name) else { return };
    let old = placed.before.len().saturating_sub(COMPILED);
    placed.before[..old].iter().for_each(|version| state.loader.engine.forget(&version.digest));
}
