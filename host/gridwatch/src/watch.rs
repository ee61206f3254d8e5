//! Watches: what is looked at beside the stages, once in a while. No stage depends on one.
//!
//! A new watch is a file here and a line in [`of_process`] or [`of_org`].

mod catalogue;
mod configuration;
mod exceptions_file;
pub mod heartbeat;
mod modules_folder;
mod monitor;
pub mod ping;
mod roster;
mod stamp;
mod store_files;

use crate::context::{Process, Shared, Until};
use crate::slack::public_lists::PublicLists;
use crate::swap::Swapper;
use crate::telemetry::log::Relevel;
use anyhow::{Context, Result};
use gridwatch_event::time::UnixMillis;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A look under way.
pub type Looking<'w> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'w>>;

/// Why a watch looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Due,
    /// SIGHUP came.
    Asked,
}

/// Something that is looked at once in a while.
pub trait Watch: Send {
    /// As the log calls it.
    fn name(&self) -> &'static str;

    /// How long until the next look; `None`: it isn't going to look by itself, or ever.
    ///
    /// # Errors
    ///
    /// When what it remembers can't be read.
    fn due(&self, now: UnixMillis) -> Result<Option<Duration>>;

    /// Looks, and saves what came of it. An error means that it couldn't be saved, and ends the host.
    fn look(&mut self, now: UnixMillis, reason: Reason) -> Looking<'_>;

    /// Does SIGHUP make it look?
    fn hears_hangups(&self) -> bool {
        false
    }

    /// How long a run that ends by itself waits for its look. Looks are broken off after that.
    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }
}

/// Those that run once, whatever is watched.
///
/// # Errors
/// What one of them asks with can't be made.
pub fn of_process(orgs: &[(Arc<Shared>, Arc<Swapper>)], relevel: Relevel) -> Result<Vec<Box<dyn Watch>>> {
    let mut watches: Vec<Box<dyn Watch>> = vec![Box::new(configuration::Configuration::new(orgs.to_vec(), relevel))];
    let shareds: Vec<Arc<Shared>> = orgs.iter().map(|(org, _)| org.clone()).collect();
    // So do all organizations have the same store.
    if let Some(org) = shareds.first() {
        let (process, telemetry) = (&org.process, &org.config.telemetry);
        watches.push(Box::new(store_files::StoreFiles::new(process.clone())));
        watches.push(Box::new(heartbeat::HeartbeatWatch::new(process.clone(), shareds.clone())));
        watches.push(Box::new(monitor::Monitor::new(process.clone(), shareds.clone())));
        let network = &org.config.slack.network;
        watches.push(Box::new(ping::PingWatch::new(process.clone(), telemetry.ping.clone(), network)?));
    }
    Ok(watches)
}

/// Those that run for each organization.
pub fn of_org(shared: &Arc<Shared>, swapper: &Arc<Swapper>, lists: PublicLists) -> Vec<Box<dyn Watch>> {
    vec![
        Box::new(modules_folder::ModulesFolder::new(shared.clone(), swapper.clone())),
        Box::new(catalogue::Catalogue::new(shared.clone(), lists)),
        Box::new(exceptions_file::ExceptionsFile::new(shared.clone())),
        Box::new(roster::RosterWatch::new(shared.clone())),
    ]
}

/// Looks whenever it is due, until told to stop; a run that ends by itself looks once, if it is due.
async fn keep_looking(
    mut watch: Box<dyn Watch>,
    process: &Process,
    until: Until,
    mut stop: watch::Receiver<bool>,
    mut hangups: watch::Receiver<u64>,
) -> Result<()> {
    if until == Until::UpToDate {
        let now = process.clock.now();
        return match watch.due(now)? {
            Some(Duration::ZERO) => watch.look(now, Reason::Due).await,
            _ => Ok(()),
        };
    }
    loop {
        let due = watch.due(process.clock.now())?;
        let waited = async {
            match due {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        let reason = tokio::select! {
            () = waited => Reason::Due,
            Ok(()) = hangups.changed(), if watch.hears_hangups() => Reason::Asked,
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        };
        tokio::select! {
            looked = watch.look(process.clock.now(), reason) => looked?,
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        }
    }
}

/// A watch at work.
pub struct Running {
    name: &'static str,
    patience: Duration,
    task: tokio::task::JoinHandle<Result<()>>,
}

/// Starts a watch. One that can't save ends everything, like a stage: `failed` says so.
pub fn start(
    watch: Box<dyn Watch>,
    process: &Arc<Process>,
    until: Until,
    stop: &watch::Receiver<bool>,
    hangups: &watch::Receiver<u64>,
    failed: &Arc<watch::Sender<bool>>,
) -> Running {
    let (name, patience) = (watch.name(), watch.patience());
    let (process, stop, hangups, failed) = (process.clone(), stop.clone(), hangups.clone(), failed.clone());
    let task = tokio::spawn(async move {
        let result = keep_looking(watch, &process, until, stop, hangups).await;
        if let Err(error) = &result {
            tracing::error!(error = format!("{error:#}"), "{name} failed");
            let _ = failed.send(true);
        }
        result
    });
    Running { name, patience, task }
}

/// A run that ends by itself lets looks finish; one that was told to stop doesn't wait for an answer.
///
/// # Errors
///
/// When a watch could not save.
pub async fn end(watches: Vec<Running>, until: Until) -> Result<()> {
    let mut result = Ok(());
    for Running { name, patience, task } in watches {
        let patience = if until == Until::UpToDate { patience } else { Duration::ZERO };
        let abort = task.abort_handle();
        result = result.and(match tokio::time::timeout(patience, task).await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => Err(panic).context(name),
            Err(_) => {
                tracing::debug!("{name} was broken off");
                abort.abort();
                Ok(())
            }
        });
    }
    result
}
