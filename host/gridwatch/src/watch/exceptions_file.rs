//! The watch over the exceptions file: it is read again whenever it changes, without a restart.
//!
//! A changed file is taken between two batches, once it has stopped changing or at SIGHUP. One with an error is not: the
//! exceptions read before stay in force, and log, status and one alert say what is wrong. An exception that has expired is reported in
//! one alert, by the clock, so also where nothing happens. What has been reported is saved with the alert that tells it.

use super::stamp::{Stamp, stamp};
use super::{Looking, Reason, Watch};
use crate::context::{Shared, in_force};
use crate::exceptions::Source;
use crate::record::Record;
use anyhow::Result;
use gridwatch_event::text::hex;
use gridwatch_event::time::UnixMillis;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::audit::Via;
use gridwatch_rules::builtin;
use gridwatch_rules::exception::{Exception, Exceptions};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// How often the file is looked at. A change counts once two looks in a row have seen the same.
const LOOK_EVERY: Duration = Duration::from_millis(1_000);
/// Things reported that are remembered; the oldest go first. A file has fewer entries.
const MAX_TOLD: usize = 4_096;
/// What the memory of a reported error begins with. It is forgotten when the file is in order again.
const UNUSABLE: &str = "unusable ";

pub struct ExceptionsFile {
    shared: Arc<Shared>,
    /// What the file was like at the last look, and when it was last taken. The start has read it, and it may have changed since.
    seen: Option<Stamp>,
    taken: Option<Stamp>,
}

impl ExceptionsFile {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, seen: None, taken: None }
    }
}

impl Watch for ExceptionsFile {
    fn name(&self) -> &'static str {
        "the watch over the exceptions file"
    }

    fn due(&self, _: UnixMillis) -> Result<Option<Duration>> {
        let wait = if self.seen.is_none() { Duration::ZERO } else { LOOK_EVERY };
        Ok(self.shared.exceptions.source().map(|_| wait))
    }

    fn look(&mut self, now: UnixMillis, reason: Reason) -> Looking<'_> {
        Box::pin(async move {
            let Some(source) = self.shared.exceptions.source() else { return Ok(()) };
            let is = stamp(&source.path);
            if reason == Reason::Asked || self.seen == Some(is) && self.taken != Some(is) {
                take(&self.shared, source, reason, now)?;
                self.taken = Some(is);
            }
            self.seen = Some(is);
            tell(&self.shared, now)
        })
    }

    fn hears_hangups(&self) -> bool {
        true
    }
}

/// Reads the file again and puts it in force if nothing is wrong with it.
fn take(shared: &Shared, source: &Source, reason: Reason, now: UnixMillis) -> Result<()> {
    match source.read_with_text(now) {
        Ok((new, text)) => {
            let old = shared.exceptions.in_force();
            // What hides something is in the audit trail before it does.
            let via = if reason == Reason::Asked { Via::Reload } else { Via::File };
            let in_force = in_force::exceptions(shared, Some(&text), &new);
            in_force::tell_exceptions(shared, &source.path, via, &in_force)?;
            if *old != new {
                let change = Change::between(&old, &new);
                let [added, removed, changed] =
                    [&change.added, &change.removed, &change.changed].map(|ids| ids.join(", "));
                tracing::info!(added, removed, changed, "exceptions taken");
                shared.exceptions.put((new, text));
                shared.update(|status| status.exceptions.taken = Some(now));
            }
            shared.update(|status| status.exceptions.broken = None);
            let mut reported = shared.store.told()?;
            if reported.iter().any(|key| key.starts_with(UNUSABLE)) {
                reported.retain(|key| !key.starts_with(UNUSABLE));
                shared.store.commit_told(&reported, &[])?;
            }
            tell(shared, now)
        }
        Err(problems) => unusable(shared, &problems.to_string(), now),
    }
}

fn unusable(shared: &Shared, problems: &str, now: UnixMillis) -> Result<()> {
    shared.update(|status| status.exceptions.broken = Some(problems.to_owned()));
    let key = format!("{UNUSABLE}{}", hex(&Sha256::digest(problems)[..8]));
    let mut reported = shared.store.told()?;
    if reported.contains(&key) {
        return Ok(());
    }
    tracing::error!(problems, "the exceptions file has errors; those read before stay in force");
    reported.push(key);
    save(shared, reported, vec![builtin::exceptions_unusable(problems, now).of_org(&shared.org)])
}

/// Tells of each entry that has run out, once, and keeps the status current.
fn tell(shared: &Shared, now: UnixMillis) -> Result<()> {
    let Some(source) = shared.exceptions.source() else { return Ok(()) };
    let exceptions = shared.exceptions.in_force();
    let expired = exceptions.iter().filter(|exception| exception.expires <= now.seconds()).count();
    shared.update(|status| {
        status.exceptions.file = Some(source.path.clone());
        status.exceptions.holding = exceptions.iter().filter(|exception| exception.holds_at(now.seconds())).count();
        status.exceptions.expired = expired;
        status.exceptions.taken = status.exceptions.taken.or(Some(now));
    });
    if expired == 0 {
        return Ok(());
    }
    let mut reported = shared.store.told()?;
    let due: Vec<&Exception> = exceptions.expired(now.seconds(), &|key| reported.iter().any(|known| known == key));
    if due.is_empty() {
        return Ok(());
    }
    for exception in &due {
        tracing::warn!(id = exception.id, owner = exception.owner, "an exception has expired");
    }
    let alerts = due.iter().map(|exception| builtin::exception_expired(exception, now).of_org(&shared.org)).collect();
    reported.extend(due.iter().map(|exception| exception.expiry_key()));
    save(shared, reported, alerts)
}

fn save(shared: &Shared, mut reported: Vec<String>, alerts: Vec<Alert>) -> Result<()> {
    reported.drain(..reported.len().saturating_sub(MAX_TOLD));
    let records: Vec<Record> = alerts.into_iter().map(|alert| Record::Alert(Box::new(alert))).collect();
    shared.store.commit_told(&reported, &records)?;
    shared.process.bells.deliver.ring();
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
