//! Modules as they are wanted: those of the folder, with settings, grants and limits; and why one is refused.

pub mod compiler;
pub mod contents;
pub mod embedded;
pub mod folder;
pub mod lineup;
pub mod start;

pub use folder::{Folder, Served};

use crate::clock::Clock;
use crate::config::{self, Config, Places};
use crate::responses::Follower;
use anyhow::Result;
use gridwatch_detect::{DetectorConfig, Engine, Limits, Module, Refused};
use gridwatch_event::lookup::Tables;
use gridwatch_event::network::Networks;
use gridwatch_event::org::OrgId;
use gridwatch_event::provisioning::Provisioning;
use gridwatch_event::zone::Zone;
use gridwatch_manifest::{Grant, Manifest};
use gridwatch_module::trust::{Policy, Trust};
use gridwatch_names::suggest::did_you_mean;
use gridwatch_rules::echo::Echoes;
use gridwatch_rules::risk::RiskThreshold;
use serde_json::{Map, Value};
use start::Loader;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the configuration says about modules.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Whose events they are to judge.
    pub org: OrgId,
    pub dir: PathBuf,
    /// By module name.
    pub settings: BTreeMap<String, Map<String, Value>>,
    pub places: Places,
    pub grants: BTreeMap<String, BTreeSet<Grant>>,
    /// Whose files may be loaded.
    pub trust: Arc<Trust>,
    pub tables: Tables,
    pub networks: Networks,
    pub provisioning: Provisioning,
    pub zone: Zone,
    /// The exceptions file.
    pub exceptions: Option<PathBuf>,
    /// The journal of responses, whose echoes a replay is to suppress as the live run did.
    pub responses: Option<PathBuf>,
    /// Modules and rules that run in shadow.
    pub shadow: BTreeSet<String>,
    /// What all windows together may take, if not the default.
    pub state_max_bytes: Option<usize>,
    /// What it takes for findings about one actor to add up.
    pub risk: RiskThreshold,
    pub limits: Limits,
    /// Where compiled modules are kept; without one it is among the caches of whoever runs this.
    pub cache_dir: Option<PathBuf>,
    /// Nothing may be left behind: what is in the cache is used, and nothing is added to it.
    pub only_looks: bool,
}

/// None where this user can have no caches, as in a container whose root is read-only.
pub fn users_cache() -> Option<PathBuf> {
    let caches = dirs::cache_dir()?;
    std::fs::create_dir_all(&caches).ok()?;
    Some(caches.join("gridwatch/compiled"))
}

/// Every problem with the folder, one line each; and, so that one bad file doesn't hide the rest, what is sound.
#[derive(Debug, Default, thiserror::Error)]
#[error("{}{}", .problems.join("\n"), also(.sound))]
pub struct Unusable {
    pub problems: Vec<String>,
    /// `<name>@<version>` of the other modules.
    pub sound: Vec<String>,
}

fn also(sound: &[String]) -> String {
    match sound.len() {
        0 => String::new(),
        1 => format!("\nthe other module is sound: {}", sound[0]),
        n => format!("\nthe other {n} modules are sound: {}", sound.join(", ")),
    }
}

impl Wanted {
    pub fn of(config: &Config) -> Self {
        Self {
            org: config.org.clone(),
            dir: config.modules.dir.clone(),
            settings: config.modules.config.clone(),
            places: config.modules.places.clone(),
            grants: config
                .modules
                .grants
                .iter()
                .map(|(name, list)| (name.clone(), list.iter().copied().collect()))
                .collect(),
            trust: with_built_in(&config.modules.trust),
            tables: config.tables(),
            networks: config.networks.clone(),
            provisioning: config.provisioning.clone(),
            zone: config.detect.zone.clone(),
            exceptions: config.tuning.exceptions.clone(),
            responses: Some(crate::responses::path(&config.org_dir())),
            state_max_bytes: Some(config.detect.state_max_bytes as usize),
            risk: config.detect.risk,
            shadow: config.modules.shadow.clone(),
            limits: Limits::default(),
            cache_dir: Some(config.state_dir.join("compiled")),
            only_looks: false,
        }
    }

    /// The same for a command that serves nobody: whose file it is, is told and not asked. What is wrong is refused all the same.
    pub fn lenient(mut self) -> Self {
        let trust = Arc::make_mut(&mut self.trust);
        (trust.policy, trust.lock) = (Policy::AllowUnsigned, None);
        self
    }

    /// The same for a command that leaves nothing behind, whoever runs it.
    pub fn looking(self) -> Self {
        Self { only_looks: true, ..self }
    }

    pub(crate) fn engine(&self) -> Result<Engine, Refused> {
        let cache_dir = self.cache_dir.clone().or_else(users_cache);
        match self.only_looks {
            true => Engine::looking(cache_dir.as_deref()),
            false => Engine::new(cache_dir.as_deref()),
        }
    }

    /// The same for another folder, without what its modules wouldn't understand.
    ///
    /// # Errors
    /// The other folder's modules can't be read.
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
    fn echoes(&self) -> Result<Echoes> {
        let Some(mut journal) = self.responses.clone().map(Follower::new) else { return Ok(Echoes::default()) };
        Ok(journal.news()?.cloned().unwrap_or_default())
    }

    /// What a detector goes by beside its modules: all that is configured, without exceptions.
    ///
    /// # Errors
    /// What was done in response can't be read.
    pub fn setting(&self) -> Result<DetectorConfig> {
        Ok(DetectorConfig {
            org: self.org.clone(),
            networks: self.networks.clone(),
            tables: self.tables.clone(),
            provisioning: self.provisioning.clone(),
            zone: self.zone.clone(),
            risk: self.risk,
            state_max_bytes: self.state_max_bytes,
            shadow: self.shadow.clone(),
            echoes: self.echoes()?,
            threads: std::thread::available_parallelism().map_or(1, |n| n.get()),
            ..DetectorConfig::default()
        })
    }

    pub fn in_dir(dir: &Path) -> Self {
        let trust = with_built_in(&Trust { keys: config::users_keys(), ..Trust::default() });
        Self { dir: dir.to_owned(), trust, ..Self::default() }.lenient()
    }

    /// Grants lookups to whoever asks for them. For replays without a configuration: there are no tables, so nothing is
    /// given away but empty answers.
    pub fn grant_lookups(&mut self) {
        let folder = Folder::read(&self.dir, self.limits.component_bytes, &asked_for, self.judge());
        for name in folder.serving.into_keys() {
            self.grants.entry(name).or_default().insert(Grant::Lookup);
        }
    }

    /// What a module is granted.
    pub fn granted(&self, name: &str) -> BTreeSet<Grant> {
        self.grants.get(name).cloned().unwrap_or_default()
    }

    /// The folder as it is now. Runs nothing.
    pub fn folder(&self) -> Folder {
        let granted = |manifest: &Manifest| self.granted(&manifest.name);
        Folder::read(&self.dir, self.limits.component_bytes, &granted, self.judge())
    }

    /// Whose files may be loaded, as of now: a key that ends while gridwatch runs has ended for what comes after.
    pub fn judge(&self) -> folder::Judge<'_> {
        folder::Judge { trust: &self.trust, now_s: Clock::system().now().seconds().0 }
    }

    /// Compiles, starts and configures the newest version of each module, or says everything that is wrong.
    ///
    /// # Errors
    /// [`Unusable`]: everything that is wrong, with the folder and with single modules.
    pub fn load(&self) -> Result<Vec<Module>> {
        let loader = Loader::of(self)?;
        let folder = self.folder();
        folder.tell();
        let Folder { serving, mut problems, .. } = folder;
        problems.extend(self.unknown_names(&|name| serving.contains_key(name), !problems.is_empty()));
        let (mut modules, mut sound) = (Vec::new(), Vec::new());
        for (name, Served { path, component, .. }) in &serving {
            match loader.load(self, component, &path.display().to_string()) {
                Ok(module) => {
                    sound.push(format!("{name}@{}", component.manifest.version));
                    modules.push(module);
                }
                Err(why) => problems.extend(why),
            }
        }
        problems.extend(match problems.is_empty() {
            true => self.unknown_shadow(serving.values().map(|served| &*served.component.manifest)),
            false => Vec::new(),
        });
        match problems.is_empty() {
            true => Ok(modules),
            false => Err(Unusable { problems, sound }.into()),
        }
    }

    /// Names in the configuration that no module has. Where a file was refused, a name that is missing may be its; that
    /// problem is told already.
    fn unknown_names(&self, is_known: &dyn Fn(&str) -> bool, some_refused: bool) -> Vec<String> {
        let named: BTreeSet<&String> = self.settings.keys().chain(self.grants.keys()).collect();
        let missing = named.into_iter().filter(|name| !is_known(name) && !some_refused);
        let told = |name: &String| {
            let (place, dir) = (self.places.of_module(name), self.dir.display());
            format!("{place}: `{name}` is configured, but {dir} holds no such module")
        };
        missing.map(told).collect()
    }

    /// Names in `shadow` that no module and no rule has.
    pub fn unknown_shadow<'m>(&self, manifests: impl Iterator<Item = &'m Manifest>) -> Vec<String> {
        let names = |m: &Manifest| -> Vec<String> {
            let rules = m.rules.iter().map(|rule| format!("{}.{}", m.name, rule.id));
            rules.chain([m.name.clone()]).collect()
        };
        let known: BTreeSet<String> = manifests.flat_map(names).collect();
        let told = |name: &String| {
            let near = did_you_mean(name, known.iter().map(String::as_str));
            let near = near.map(|near| format!("\n  hint: did you mean `{near}`?")).unwrap_or_default();
            format!("{}: modules.shadow: there is no module or rule `{name}`{near}", self.places.file.display())
        };
        self.shadow.iter().filter(|name| !known.contains(*name)).map(told).collect()
    }

    /// One module as often as there are settings for it, each instead of those that are configured.
    ///
    /// # Errors
    /// There is no such module, or the engine can't be set up. A setting that the module refuses is an error of its own variant.
    pub fn variants(&self, name: &str, settings: &[Map<String, Value>]) -> Result<Vec<Result<Module, Refused>>> {
        let engine = self.engine()?;
        let (tables, limits) = (Arc::new(self.tables.clone()), Arc::new(self.limits.clone()));
        let Folder { mut serving, mut problems, .. } = self.folder();
        let Some(Served { component, .. }) = serving.remove(name) else {
            problems.push(format!("{}: no module `{name}`", self.dir.display()));
            return Err(Unusable { problems, ..Unusable::default() }.into());
        };
        let load = |settings| Module::load(&engine, &component, settings, tables.clone(), limits.clone());
        Ok(settings.iter().map(load).collect())
    }
}

/// With the digests of what the program carries.
fn with_built_in(trust: &Trust) -> Arc<Trust> {
    let built_in = embedded::digests();
    Arc::new(Trust { built_in, ..trust.clone() })
}

/// What a manifest asks for: enough to read one, where nothing is going to run.
pub fn asked_for(manifest: &Manifest) -> BTreeSet<Grant> {
    manifest.grants.iter().copied().collect()
}

/// What the newest version of each module in a folder says of itself, without running any of them.
///
/// # Errors
/// [`Unusable`]: everything that is wrong with the folder.
pub fn manifests(dir: &Path) -> Result<Vec<Manifest>> {
    let wanted = Wanted::in_dir(dir);
    let Folder { serving, problems, .. } =
        Folder::read(dir, Limits::default().component_bytes, &asked_for, wanted.judge());
    if problems.is_empty() {
        return Ok(serving.into_values().map(|served| Manifest::clone(&served.component.manifest)).collect());
    }
    let sound = serving.values().map(|served| &served.component.manifest);
    Err(Unusable { problems, sound: sound.map(|m| format!("{}@{}", m.name, m.version)).collect() }.into())
}
