//! The exceptions file in use: read and checked as a whole at the start, and again whenever it changes, without a restart.
//!
//! A changed file is taken between two batches, once it has stopped changing or at SIGHUP. One with an error is not: the
//! exceptions read before stay in force, and log, status and one alert say what is wrong. An entry that has run out is told in
//! one alert, by the clock, so also where nothing happens. What has been told is saved with the alert that tells it.

pub mod check;
pub mod command;
mod found;
mod shipped;

use crate::clock;
use crate::config::Problems;
use crate::modules::Wanted;
use crate::record::Record;
use crate::run::Shared;
use anyhow::Result;
use gridwatch_core::alert::Alert;
use gridwatch_core::entry::hex;
use gridwatch_core::exception::{self, Exception, Exceptions, Known};
use gridwatch_core::own;
use gridwatch_core::time::UnixMillis;
use gridwatch_detect::Module;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;

/// How often the file is looked at. A change counts once two looks in a row have seen the same.
const LOOK_EVERY: Duration = Duration::from_millis(1_000);
/// Things told that are remembered; the oldest go first. A file has fewer entries.
const MAX_TOLD: usize = 4_096;
/// What the memory of a told error begins with. It is forgotten when the file is in order again.
const UNUSABLE: &str = "unusable ";

/// What it takes to read the file.
#[derive(Debug)]
pub struct Source {
    pub path: PathBuf,
    known: Known,
}

impl Source {
    pub fn new(path: &Path, wanted: &Wanted, modules: &[Module]) -> Self {
        let known = Known::of(modules.iter().map(|module| &*module.manifest), !wanted.networks.is_empty());
        Self { path: path.to_owned(), known }
    }

    pub fn read(&self, now: UnixMillis) -> Result<Exceptions, Problems> {
        let alone = |what: String| {
            let hint = "the file is named by `exceptions` in [detect]; it may be empty".to_owned();
            Problems::of_file(self.path.clone(), [(None, String::new(), what, Some(hint))])
        };
        let text = match std::fs::metadata(&self.path) {
            Ok(meta) if meta.len() > exception::MAX_BYTES => return Err(alone("is too large".to_owned())),
            Ok(_) => std::fs::read_to_string(&self.path).map_err(|e| alone(format!("cannot be read: {e}")))?,
            Err(e) => return Err(alone(format!("cannot be read: {e}"))),
        };
        exception::parse(&text, &self.known, now.seconds()).map_err(|problems| {
            let problems = problems.into_iter().map(|p| (Some(p.line), p.key, p.what, p.hint));
            Problems::of_file(self.path.clone(), problems)
        })
    }
}

/// The exceptions in force, and where they come from.
#[derive(Debug, Default)]
pub struct Live {
    source: Option<Source>,
    in_force: Mutex<Arc<Exceptions>>,
}

impl Live {
    /// Reads the file that is configured, if one is. An error is in the file: gridwatch doesn't start with half of it.
    pub fn open(wanted: &Wanted, modules: &[Module], now: UnixMillis) -> Result<Self, Problems> {
        let Some(path) = &wanted.exceptions else { return Ok(Self::default()) };
        let source = Source::new(path, wanted, modules);
        let in_force = Mutex::new(Arc::new(source.read(now)?));
        Ok(Self { source: Some(source), in_force })
    }

    pub fn in_force(&self) -> Arc<Exceptions> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, exceptions: Exceptions) {
        *self.in_force.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(exceptions);
    }
}

/// Looks at file and clock until told to stop. An error means that a result could not be saved.
pub async fn watch(shared: &Shared, mut stop: watch::Receiver<bool>, mut hangups: watch::Receiver<u64>) -> Result<()> {
    let Some(source) = &shared.exceptions.source else { return Ok(()) };
    // Nothing is taken as read yet: the file may have changed since the start read it.
    let (mut taken, mut seen) = (None, None);
    loop {
        tell(shared, clock::now())?;
        let asked = tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => false,
            Ok(()) = hangups.changed() => true,
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        };
        let stamp = Some(Stamp::of(&source.path));
        if asked || stamp == seen && stamp != taken {
            take(shared, source, clock::now())?;
            taken = stamp;
        }
        seen = stamp;
    }
}

/// What changes whenever a file does; `None` while it isn't there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp(Option<(SystemTime, u64, u64)>);

impl Stamp {
    fn of(path: &Path) -> Self {
        use std::os::unix::fs::MetadataExt;
        let meta = std::fs::metadata(path).ok();
        Self(meta.and_then(|meta| Some((meta.modified().ok()?, meta.len(), meta.ino()))))
    }
}

/// Reads the file again and puts it in force if nothing is wrong with it.
fn take(shared: &Shared, source: &Source, now: UnixMillis) -> Result<()> {
    match source.read(now) {
        Ok(new) => {
            let old = shared.exceptions.in_force();
            if *old != new {
                let change = Change::between(&old, &new);
                let [added, removed, changed] =
                    [&change.added, &change.removed, &change.changed].map(|ids| ids.join(", "));
                tracing::info!(added, removed, changed, "exceptions taken");
                shared.exceptions.put(new);
                shared.board.update(|status| status.exceptions.taken = Some(now));
            }
            shared.board.update(|status| status.exceptions.broken = None);
            let mut told = shared.store.told()?;
            if told.iter().any(|key| key.starts_with(UNUSABLE)) {
                told.retain(|key| !key.starts_with(UNUSABLE));
                shared.store.commit_told(&told, &[])?;
            }
            tell(shared, now)
        }
        Err(problems) => unusable(shared, &problems.to_string(), now),
    }
}

fn unusable(shared: &Shared, problems: &str, now: UnixMillis) -> Result<()> {
    shared.board.update(|status| status.exceptions.broken = Some(problems.to_owned()));
    let key = format!("{UNUSABLE}{}", hex(&Sha256::digest(problems)[..8]));
    let mut told = shared.store.told()?;
    if told.contains(&key) {
        return Ok(());
    }
    tracing::error!(problems, "the exceptions file has errors; those read before stay in force");
    told.push(key);
    save(shared, told, vec![own::exceptions_unusable(problems, now)])
}

/// Tells of each entry that has run out, once, and keeps the status current.
pub fn tell(shared: &Shared, now: UnixMillis) -> Result<()> {
    let Some(source) = &shared.exceptions.source else { return Ok(()) };
    let exceptions = shared.exceptions.in_force();
    let expired = exceptions.iter().filter(|exception| exception.expires <= now.seconds()).count();
    shared.board.update(|status| {
        status.exceptions.file = Some(source.path.clone());
        status.exceptions.holding = exceptions.iter().filter(|exception| exception.holds_at(now.seconds())).count();
        status.exceptions.expired = expired;
        status.exceptions.taken = status.exceptions.taken.or(Some(now));
    });
    if expired == 0 {
        return Ok(());
    }
    let mut told = shared.store.told()?;
    let due: Vec<&Exception> = exceptions.expired(now.seconds(), &|key| told.iter().any(|known| known == key));
    if due.is_empty() {
        return Ok(());
    }
    for exception in &due {
        tracing::warn!(id = exception.id, owner = exception.owner, "an exception has expired");
    }
    let alerts = due.iter().map(|exception| own::exception_expired(exception, now)).collect();
    told.extend(due.iter().map(|exception| exception.expiry_key()));
    save(shared, told, alerts)
}

fn save(shared: &Shared, mut told: Vec<String>, alerts: Vec<Alert>) -> Result<()> {
    told.drain(..told.len().saturating_sub(MAX_TOLD));
    let records: Vec<Record> = alerts.into_iter().map(|alert| Record::Alert(Box::new(alert))).collect();
    shared.store.commit_told(&told, &records)?;
    shared.bells.deliver.ring();
    Ok(())
}

/// What another file says differently, by id.
#[derive(Debug, Default, PartialEq, Eq)]
struct Change {
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<String>,
}

impl Change {
    fn between(old: &Exceptions, new: &Exceptions) -> Self {
        let find = |all: &Exceptions, id: &str| all.iter().find(|exception| exception.id == id).cloned();
        // Where an entry stands is no part of what it says.
        let is_same = |a: &Exception, b: &Exception| *a == Exception { line: a.line, ..b.clone() };
        let ids = |all: &Exceptions, wanted: &dyn Fn(&Exception) -> bool| {
            all.iter().filter(|exception| wanted(exception)).map(|exception| exception.id.clone()).collect()
        };
        Self {
            added: ids(new, &|exception| find(old, &exception.id).is_none()),
            removed: ids(old, &|exception| find(new, &exception.id).is_none()),
            changed: ids(new, &|exception| find(old, &exception.id).is_some_and(|old| !is_same(exception, &old))),
        }
    }
}
