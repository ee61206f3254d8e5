//! What the page is about, and somebody's question about it. What costs time to read is kept until it changes.

use super::Setup;
use super::guard::{Guard, Visitor};
use crate::clock::Clock;
use crate::config::{Config, Configs, Homes};
use crate::context::{OrgPaths, Paths};
use crate::history::{History, Row, Watched};
use crate::look::running;
use crate::modules::contents::Contents;
use crate::modules::{Wanted, asked_for, folder::Folder};
use crate::telemetry::health::{Health, Lock};
use crate::telemetry::status::{ModuleStatus, OrgStatus, Status};
use anyhow::Result;
use axum::extract::Query;
use gridwatch_detect::Component;
use gridwatch_event::org::OrgId;
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::Manifest;
use gridwatch_rules::builtin;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What takes long to count is counted this often.
const COUNTED_MS: u64 = 60_000;
/// What a state folder says is read this often.
const LOOKED_MS: u64 = 500;

pub struct Site {
    pub guard: Guard,
    pub homes: Homes,
    /// `None`: only the state folder is known.
    pub configs: Option<Configs>,
    clock: Clock,
    history: Mutex<Watched>,
    running: Mutex<Option<(UnixMillis, Arc<Running>)>>,
    /// By digest; `None` where it can't be had.
    manifests: Mutex<BTreeMap<String, Option<Arc<Manifest>>>>,
    /// Who answers for a module file, by its digest.
    signers: Mutex<(UnixMillis, BTreeMap<String, String>)>,
    counted: Mutex<BTreeMap<String, (UnixMillis, Arc<BTreeMap<String, u64>>)>>,
}

/// What a state folder says of whoever runs on it.
struct Running {
    status: Option<Status>,
    lock: Lock,
}

impl Site {
    /// # Errors
    /// The system has no random numbers.
    pub fn new(setup: Setup, bound: SocketAddr, clock: Clock) -> Result<Self> {
        Ok(Self {
            guard: Guard::new(&setup.web, bound, &setup.homes.state_dir, clock)?,
            homes: setup.homes,
            configs: setup.configs,
            clock,
            history: Mutex::default(),
            running: Mutex::default(),
            manifests: Mutex::default(),
            signers: Mutex::default(),
            counted: Mutex::default(),
        })
    }

    pub fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    pub fn paths(&self, org: &OrgId) -> OrgPaths {
        Paths::of(&self.homes.state_dir).of_org(org)
    }

    pub fn config(&self, org: &OrgId) -> Option<&Config> {
        self.configs.as_ref()?.iter().find(|config| config.org == *org)
    }

    /// Asks the history; `None` if there is none yet. Whoever else asks it waits.
    ///
    /// # Errors
    /// It can't be read.
    pub fn history<T>(&self, ask: impl FnOnce(&mut History) -> Result<T>) -> Result<Option<T>> {
        lock(&self.history).look(&self.homes.state_dir)?.map(ask).transpose()
    }

    /// What the state folder says of whoever runs on it, as of half a second ago at most: a page asks it several times, and there may be many pages.
    ///
    /// # Errors
    /// It can't be read.
    fn running(&self) -> Result<Arc<Running>> {
        let (now, mut kept) = (self.now(), lock(&self.running));
        if let Some((at, known)) = &*kept
            && now >= *at
            && now.since(*at) < LOOKED_MS
        {
            return Ok(known.clone());
        }
        let status = running::status(&self.homes.state_dir)?;
        let lock = running::lock_of(&self.homes.state_dir, status.as_ref());
        let known = Arc::new(Running { status, lock });
        *kept = Some((now, known.clone()));
        Ok(known)
    }

    /// What the modules that serve say of themselves, as far as their files can be read; gridwatch's own rules among them.
    pub fn manifests(&self, org: &OrgStatus) -> Vec<Arc<Manifest>> {
        let serving = org.modules.iter().filter_map(|module| self.manifest(module));
        serving.chain([Arc::new(builtin::manifest().clone())]).collect()
    }

    fn manifest(&self, module: &ModuleStatus) -> Option<Arc<Manifest>> {
        let mut manifests = lock(&self.manifests);
        let read = || {
            let bytes = Contents::of(&self.homes.state_dir).get(&module.digest).ok()?;
            Component::manifest_of(&bytes).ok().map(Arc::new)
        };
        manifests.entry(module.digest.clone()).or_insert_with(read).clone()
    }

    /// Who answers for each file of the modules folder, by digest.
    pub fn signers(&self, config: &Config) -> BTreeMap<String, String> {
        let (now, mut signers) = (self.now(), lock(&self.signers));
        if now.since(signers.0) > COUNTED_MS {
            let wanted = Wanted::of(config).lenient();
            let folder = Folder::read(&wanted.dir, wanted.limits.component_bytes, &asked_for, wanted.judge());
            let of = |(name, signer): (&String, &_)| {
                let served = folder.serving.get(name)?;
                Some((served.component.digest.clone(), format!("{signer}")))
            };
            *signers = (now, folder.signers.iter().filter_map(of).collect());
        }
        signers.1.clone()
    }

    /// What somebody counted not long ago, or counts now.
    ///
    /// # Errors
    /// Those of counting.
    pub fn counted(
        &self,
        what: &str,
        count: impl FnOnce() -> Result<BTreeMap<String, u64>>,
    ) -> Result<Arc<BTreeMap<String, u64>>> {
        let now = self.now();
        if let Some((at, counts)) = lock(&self.counted).get(what)
            && now.since(*at) < COUNTED_MS
        {
            return Ok(counts.clone());
        }
        let counts = Arc::new(count()?);
        lock(&self.counted).insert(what.to_owned(), (now, counts.clone()));
        Ok(counts)
    }
}

/// What somebody wants to see.
pub struct Asking<'s> {
    pub site: &'s Site,
    pub visitor: &'s Visitor,
    /// What the address ends in, where views have one for each thing.
    pub path: Option<String>,
    pub now: UnixMillis,
    query: BTreeMap<String, String>,
}

impl<'s> Asking<'s> {
    pub fn new(site: &'s Site, visitor: &'s Visitor, path: Option<String>, query: Option<&str>) -> Self {
        let uri = axum::http::Uri::try_from(format!("/?{}", query.unwrap_or_default())).unwrap_or_default();
        let query = Query::try_from_uri(&uri).map(|Query(query)| query).unwrap_or_default();
        Self { site, visitor, path, now: site.now(), query }
    }

    /// A parameter of the address; empty if it isn't there.
    pub fn said(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// What was done just now, as the address says it, or why it wasn't.
    pub fn done(&self) -> Option<(bool, String)> {
        let outcomes = [(true, "done"), (false, "failed")].into_iter();
        outcomes.map(|(is_good, name)| (is_good, self.said(name).to_owned())).find(|(_, said)| !said.is_empty())
    }

    /// What a state folder says, of the organizations that may be seen and are asked for, and the verdict on that.
    ///
    /// # Errors
    /// It can't be read.
    pub fn look(&self) -> Result<(Option<Status>, Health)> {
        let known = self.site.running()?;
        let status = known.status.clone().map(|mut status| {
            status.orgs.retain(|org, _| self.visitor.may_see(org) && self.is_asked(org));
            status
        });
        let health = Health::of(status.as_ref(), known.lock, self.now);
        Ok((status, health))
    }

    /// All organizations that may be seen.
    pub fn orgs(&self) -> Vec<OrgId> {
        let configured = self.site.configs.iter().flat_map(|configs| configs.iter().map(|config| config.org.clone()));
        let known = self.site.running().ok();
        let seen =
            known.iter().filter_map(|known| known.status.as_ref()).flat_map(|status| status.orgs.keys().cloned());
        let orgs: BTreeSet<OrgId> = configured.chain(seen).collect();
        orgs.into_iter().filter(|org| self.visitor.may_see(org)).collect()
    }

    /// Those that this page is about: one, or all.
    pub fn asked_orgs(&self) -> Vec<OrgId> {
        self.orgs().into_iter().filter(|org| self.is_asked(org)).collect()
    }

    /// The name of the organization that is asked for alone; empty if all are.
    pub fn org(&self) -> &str {
        self.said("org")
    }

    fn is_asked(&self, org: &OrgId) -> bool {
        self.org().is_empty() || org.to_string() == self.org()
    }

    /// Does a row of the history belong to what may be seen and is asked for?
    pub fn takes(&self, orgs: &[OrgId]) -> impl Fn(&Row) -> bool + use<> {
        let is_all = self.visitor.sees_all() && self.org().is_empty();
        let names: Vec<String> = orgs.iter().map(ToString::to_string).collect();
        move |row| is_all || names.iter().any(|name| row.is_of(name))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
