//! The configuration: one TOML file, checked as a whole.
//!
//! What was said (the text, walked with its places by [`gridwatch_manifest::document`]) and what is true ([`Config`]) are two things; nothing but
//! [`Config`] leaves this module, and it can't hold a value that is out of range, a path that is known to be missing or a
//! secret that prints. All problems are told together. What only the manifests know, the settings and grants of
//! modules, is checked when they are loaded.
//!
//! Nothing is created or changed here.

mod check;
pub mod mmdb;
pub mod monitor;
pub mod watching;
pub mod web;

pub use crate::http::Network;
pub use crate::reader::{Problem, Problems};
pub use crate::secret::{Look, Place, Secret, Token};
pub use crate::sink::route::Include;
pub use check::users_keys;

use crate::reader::Purpose;
use crate::sink::Setup;
use gridwatch_event::lookup::Tables;
use gridwatch_event::network::Networks;
use gridwatch_event::org::OrgId;
use gridwatch_event::provisioning::Provisioning;
use gridwatch_event::time::UnixSeconds;
use gridwatch_event::zone::Zone;
use gridwatch_manifest::Grant;
use gridwatch_manifest::document;
use gridwatch_module::trust::Trust;
use gridwatch_poll::{InvalidPollConfig, PollConfig, PollSettings};
use gridwatch_rules::alert::Alert;
use gridwatch_rules::risk::RiskThreshold;
use gridwatch_views::{RawData, View};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Where the methods of Slack's Web API are.
pub const WEB_API: &str = "https://slack.com/api";

/// A configuration with every key in it; the default ones are commented out.
pub const EXAMPLE: &str = include_str!("../../../examples/gridwatch.toml");

/// Paths are absolute.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which organization it is about. What concerns the process is the same in the configurations of all.
    pub org: OrgId,
    /// May be missing still; its parent isn't.
    pub state_dir: PathBuf,
    pub slack: Slack,
    pub modules: Modules,
    /// The members of each lookup table.
    pub lookups: BTreeMap<String, Vec<String>>,
    pub detect: Detect,
    /// Files of members, addresses and databases, with how old they may get.
    pub lists: Vec<ListFile>,
    /// Who runs which addresses: the table of `detect.networks` over the lists and databases of `enrich`; empty if nothing was
    /// given.
    pub networks: Networks,
    /// Who provisions accounts; empty if nobody was named.
    pub provisioning: Provisioning,
    /// How to ask Slack about people; `None`: nobody is asked.
    pub asking: Option<Asking>,
    pub tuning: Tuning,
    /// At least one; names and paths differ.
    pub sinks: Vec<Sink>,
    /// `None`: delivered entries aren't kept.
    pub archive: Option<Archive>,
    pub store: Store,
    pub respond: Respond,
    pub monitor: monitor::Monitor,
    pub telemetry: monitor::Telemetry,
    pub web: web::Web,
    pub log: Log,
    /// The file itself, to tell whether it is another one.
    pub written: Arc<Written>,
}

/// A configuration file as digests: what changed can be named without what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// SHA-256 of the file.
    pub digest: String,
    /// Of what stands behind each key, by `section.key`; of a sink or a user, with its name.
    pub keys: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
pub struct Slack {
    /// `https`, or `http` to this machine; without a slash at the end. The client adds `/audit/v1/logs`.
    pub base_url: String,
    pub token: Secret,
    pub rotation: Option<TokenRotation>,
    pub start: Since,
    pub backfill: Option<Since>,
    pub interval_s: u64,
    pub settle_s: u64,
    pub overlap_s: u64,
    pub max_range_s: u64,
    pub page_limit: u32,
    pub requests_per_minute: u32,
    /// How often Slack's lists of actions and entity types are held against the built-in ones.
    pub catalogue_every_s: u64,
    /// Of one call, from connecting to the last byte.
    pub timeout_s: u64,
    pub network: Network,
}

/// What exchanging a token that expires takes.
#[derive(Clone, Debug)]
pub struct TokenRotation {
    pub client_id: String,
    pub client_secret: Secret,
    /// The first one. Once exchanged it is void, and the one in the state folder counts, unless this one is replaced.
    pub refresh_token: Secret,
}

/// A point in time as operators say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// So many seconds before now.
    Ago(u64),
    At(UnixSeconds),
}

#[derive(Clone, Debug)]
pub struct Modules {
    /// Exists.
    pub dir: PathBuf,
    /// By module: settings as given, to be checked against its manifest.
    pub config: BTreeMap<String, Map<String, Value>>,
    pub places: Places,
    pub grants: BTreeMap<String, Vec<Grant>>,
    /// Modules and rules that run in shadow.
    pub shadow: BTreeSet<String>,
    /// Whose files may serve. What the program itself carries is added by `modules`.
    pub trust: Arc<Trust>,
    /// Where the lock is, if there has to be one.
    pub lock_file: Option<PathBuf>,
}

/// Where the settings of modules stand, so that what only the manifests know can be reported with its place.
#[derive(Clone, Debug, Default)]
pub struct Places {
    pub file: PathBuf,
    /// By module and setting; "" is the module's section itself.
    pub settings: BTreeMap<(String, String), document::Place>,
    /// By module: where it is granted something.
    pub grants: BTreeMap<String, document::Place>,
}

impl Places {
    /// `gridwatch.toml:12:1: modules.grants.apps`, as far as it is known.
    pub fn of_grants(&self, module: &str) -> String {
        let key = format!("modules.grants.{module}");
        match self.grants.get(module) {
            Some(place) => format!("{}:{place}: {key}", self.file.display()),
            None => key,
        }
    }

    /// Where a module is named at all: its settings, or else what it is granted.
    pub fn of_module(&self, module: &str) -> String {
        match self.settings.contains_key(&(module.to_owned(), String::new())) {
            true => self.of(module, ""),
            false => self.of_grants(module),
        }
    }

    /// `gridwatch.toml:12:1: modules.config.apps.high_score`, as far as it is known.
    pub fn of(&self, module: &str, setting: &str) -> String {
        let dot = if setting.is_empty() { "" } else { "." };
        let key = format!("modules.config.{module}{dot}{setting}");
        match self.settings.get(&(module.to_owned(), setting.to_owned())) {
            Some(place) => format!("{}:{place}: {key}", self.file.display()),
            None => key,
        }
    }
}

/// A file that somebody has to renew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFile {
    /// Where it is named, as in `enrich.tor`.
    pub key: String,
    pub path: PathBuf,
    /// When it was made: what a database says of itself, or when the file was last written.
    pub made: UnixSeconds,
    pub max_age_s: u64,
}

/// An event with its raw entry, as measured on 300,000.
const EVENT_BYTES: u64 = 2_100;
/// Entries a day that an organization of a few thousand people makes.
const MANY_A_DAY: u64 = 50_000;

/// What makes gridwatch quieter, and what keeps it from becoming blind.
#[derive(Clone, Debug, Default)]
pub struct Tuning {
    /// The exceptions file. It is read once the modules are known.
    pub exceptions: Option<PathBuf>,
    /// Folder of the team's own true positives. Exists.
    pub true_positives: Option<PathBuf>,
}

/// Entries that are judged before what came of them is saved; modules get them in smaller parts. Measured over 100,000 entries: 1,024 write an
/// eighth more, for whoever acts in four batches is saved four times.
pub const DEFAULT_BATCH: u16 = 4_096;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detect {
    pub batch: usize,
    pub threads: usize,
    /// Of all windows together, in memory.
    pub state_max_bytes: u64,
    /// What it takes for findings about one actor to add up.
    pub risk: RiskThreshold,
    /// Where days and hours of the week are told.
    pub zone: Zone,
}

/// What it takes to ask Slack about people and channels.
#[derive(Clone, Debug)]
pub struct Asking {
    /// Of the Web API's methods, such as `https://slack.com/api`.
    pub base_url: String,
    pub network: Network,
    pub token: Secret,
    /// How long an alert is held for what Slack says of it. Not at all: it goes out at once, and the answers in a record of their own.
    pub wait: Duration,
    /// How long an answer is used.
    pub keep_s: u64,
    /// How often the list of all people is read, for who has a second factor; `None`: never.
    pub roster_every_s: Option<u64>,
}

#[derive(Clone, Debug)]
pub struct Sink {
    pub name: String,
    /// What it is, and what only sinks of its type have.
    pub setup: Arc<dyn Setup>,
    pub view: View,
    pub raw_data: RawData,
    /// Longest record in bytes, with its line feed.
    pub max_line: usize,
    pub include: Include,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    pub dir: PathBuf,
    pub segment_bytes: u64,
    pub keep_s: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store {
    pub min_free_bytes: u64,
    pub outbox_max_bytes: u64,
    pub dedup_s: u64,
}

/// What `gridwatch respond` may do. The polling gridwatch has no use for it, and never reads its token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Respond {
    pub token: Option<Place>,
    /// Ids that no act may touch.
    pub break_glass: BTreeSet<String>,
    /// Apps of gridwatch's own: the poller's and the responder's.
    pub own_apps: BTreeSet<String>,
    /// Begins what is written down as the reason of an act.
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    pub format: LogFormat,
    pub level: tracing::Level,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// Where a gridwatch keeps what it remembers, for commands that read it.
#[derive(Clone, Debug)]
pub struct Homes {
    pub state_dir: PathBuf,
    /// Of each organization that keeps one; `None` where there is no configuration at hand.
    archives: Option<BTreeMap<OrgId, PathBuf>>,
}

impl Homes {
    /// # Errors
    ///
    /// When the file isn't there, or doesn't say where things are.
    pub fn read(config: &Path) -> Result<Self, Problems> {
        check::homes(config)
    }

    /// Where there is no configuration at hand.
    pub fn of_state_dir(state_dir: &Path) -> Self {
        Self { state_dir: state_dir.to_owned(), archives: None }
    }

    /// `None`: none is kept.
    pub fn archive(&self, org: &OrgId) -> Option<PathBuf> {
        match &self.archives {
            Some(archives) => archives.get(org).cloned(),
            None => Some(self.of_org(org).join("archive")),
        }
    }

    /// Those that a configuration names, by organization.
    pub fn archives(&self) -> impl Iterator<Item = (&OrgId, &PathBuf)> {
        self.archives.iter().flatten()
    }

    pub fn of_org(&self, org: &OrgId) -> PathBuf {
        org_dir(&self.state_dir, org)
    }
}

/// Where an organization's own files are in a state folder. The only one has them in the folder itself.
pub fn org_dir(state_dir: &Path, org: &OrgId) -> PathBuf {
    org.name().map_or_else(|| state_dir.to_owned(), |name| state_dir.join("orgs").join(name))
}

/// What a configuration file says: of one organization, or of several, by their names. There is at least one.
#[derive(Clone, Debug)]
pub struct Configs(Vec<Config>);

impl Configs {
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, Problems> {
        check::load(path, &crate::secret::environment, Purpose::Run).map(Self)
    }

    /// For commands that only look: neither secrets nor the folders that are written to need to be within reach. Its tokens
    /// are empty.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn look(path: &Path) -> Result<Self, Problems> {
        check::load(path, &crate::secret::environment, Purpose::Look).map(Self)
    }

    /// Where all of them keep what they remember.
    pub fn homes(&self) -> Homes {
        let archive = |config: &Config| Some((config.org.clone(), config.archive.as_ref()?.dir.clone()));
        Homes {
            state_dir: self.process().state_dir.clone(),
            archives: Some(self.0.iter().filter_map(archive).collect()),
        }
    }

    /// What concerns the process is the same for all organizations.
    pub fn process(&self) -> &Config {
        &self.0[0]
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Config> {
        self.0.iter()
    }

    /// The configuration of the organization that is meant: by its name, or the only one there is.
    ///
    /// # Errors
    ///
    /// When there are several and none is named, or there is none of that name.
    pub fn one(self, org: Option<&str>) -> anyhow::Result<Config> {
        let names: Vec<String> = self.iter().map(|config| config.org.to_string()).collect();
        let names = names.join(", ");
        match (org, self.0.len()) {
            (None, 1) => {}
            (None, _) => {
                anyhow::bail!("the configuration has several organizations\nhint: name one with --org: {names}")
            }
            (Some(org), _) if self.iter().all(|config| config.org.to_string() != org) => {
                anyhow::bail!("the configuration has no organization `{org}`\nhint: it has {names}")
            }
            (Some(_), _) => {}
        }
        let is_meant = |config: &Config| org.is_none_or(|org| config.org.to_string() == org);
        self.0.into_iter().find(is_meant).ok_or_else(|| anyhow::anyhow!("the configuration has no organization"))
    }
}

impl Configs {
    /// The configuration of the organization in whose log an alert was found.
    ///
    /// # Errors
    ///
    /// When there is none of it any more.
    pub fn of(self, alert: &Alert) -> anyhow::Result<Config> {
        let org = &alert.org;
        let found = self.0.into_iter().find(|config| config.org == *org);
        found.ok_or_else(|| {
            anyhow::anyhow!("the alert is of organization `{org}`, which the configuration doesn't have")
        })
    }
}

impl IntoIterator for Configs {
    type Item = Config;
    type IntoIter = std::vec::IntoIter<Config>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Config {
    /// Where its own files are.
    pub fn org_dir(&self) -> PathBuf {
        org_dir(&self.state_dir, &self.org)
    }

    /// What is allowed, and may surprise all the same. `now` decides what a time to begin at means.
    pub fn warnings(&self, now: UnixSeconds) -> Vec<String> {
        let back = self.slack.backfill.unwrap_or(self.slack.start);
        let days = (now.0.saturating_sub(back.from(now).0) / 86_400).max(1);
        let key = if self.slack.backfill.is_some() { "backfill" } else { "start" };
        let mut warnings = Vec::new();
        for sink in self.sinks.iter().filter(|sink| sink.include.events) {
            let Some(keep_bytes) = sink.setup.keeps_bytes() else { continue };
            let events = keep_bytes / EVENT_BYTES;
            if events / days < MANY_A_DAY {
                warnings.push(format!(
                    "sink `{}` keeps at most {keep_bytes} bytes of rotated files, about {events} events, and `slack.{key}` reads \
                     {days} days back: with more than {} entries a day, the oldest are removed before an agent that is down has \
                     read them\nhint: raise `keep_bytes`, or have the agent running first",
                    sink.name,
                    events / days
                ));
            }
        }
        warnings
    }

    /// The lookup tables as modules ask them.
    pub fn tables(&self) -> Tables {
        let mut tables = Tables::default();
        for (name, items) in &self.lookups {
            tables.insert(name, items.iter().cloned());
        }
        tables
    }
}

impl Respond {
    /// The responder's token, if one is configured.
    ///
    /// # Errors
    /// What is wrong with it, with a hint.
    pub fn token(&self) -> Result<Option<Token>, String> {
        let Some(place) = &self.token else { return Ok(None) };
        place.user_token().map(Some).map_err(|(bad, hint)| {
            let key = if matches!(place, Place::File(_)) { "token_file" } else { "token_env" };
            format!("respond.{key}: {bad}{}", hint.map(|hint| format!("\nhint: {hint}")).unwrap_or_default())
        })
    }
}

/// Who runs this process, by name where the system knows one: what is written down as the one who acted.
pub fn operator() -> String {
    let uid = uzers::get_effective_uid();
    let user = uzers::get_user_by_uid(uid);
    let name = user.map_or(format!("uid {uid}"), |user| user.name().to_string_lossy().into_owned());
    // Whoever became another user to run this is the one to ask about it.
    match crate::secret::environment("SUDO_USER").filter(|by| !by.is_empty() && *by != name) {
        Some(by) => format!("{name} (sudo by {})", gridwatch_event::text::clean(&by, 64)),
        None => name,
    }
}

impl Slack {
    /// Where the methods of the Web API are: at another host than the Audit Logs API, except where both are simulated.
    pub fn web_url(&self) -> String {
        match self.base_url.strip_prefix("https://api.slack.com") {
            Some("") => WEB_API.to_owned(),
            _ => format!("{}/api", self.base_url),
        }
    }

    /// What the poller needs. `now` decides what "24h" back means.
    ///
    /// # Errors
    /// That puts `backfill` after `start`.
    pub fn poll(&self, now: UnixSeconds) -> Result<PollConfig, InvalidPollConfig> {
        let defaults = PollSettings::new(self.start.from(now));
        PollConfig::new(PollSettings {
            backfill: self.backfill.map(|backfill| backfill.from(now)),
            settle_s: self.settle_s,
            overlap_s: self.overlap_s,
            min_range_s: defaults.min_range_s.min(self.max_range_s),
            max_range_s: self.max_range_s,
            page_limit: self.page_limit,
            interval_s: self.interval_s,
            requests_per_minute: self.requests_per_minute,
            ..defaults
        })
    }
}

impl Since {
    pub fn from(self, now: UnixSeconds) -> UnixSeconds {
        match self {
            Self::Ago(seconds) => now.minus(seconds),
            Self::At(time) => time,
        }
    }
}

#[cfg(test)]
mod tests;
