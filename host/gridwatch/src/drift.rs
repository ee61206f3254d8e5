//! The drift watch: holds Slack's public lists against the built-in catalogue, once a day, and tells each difference once.
//!
//! Nothing depends on it: an answer that doesn't come is logged, shown in the status and asked for again an hour later.

use crate::clock;
use crate::record::Record;
use crate::run::Shared;
use crate::slack::PublicLists;
use anyhow::Result;
use gridwatch_core::drift::{Drift, compare};
use gridwatch_core::own;
use gridwatch_core::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::sync::watch;

const RETRY_MS: u64 = 3_600_000;

/// What the store remembers of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Checked {
    pub at: UnixMillis,
    /// As last told; the same one isn't told again.
    pub drift: Drift,
}

/// Looks whenever it is due, until told to stop. An error means that a result could not be saved.
pub async fn watch(shared: &Shared, lists: &PublicLists, mut stop: watch::Receiver<bool>) -> Result<()> {
    loop {
        let due = next(shared)?;
        let wait = Duration::from_millis(due.since(clock::now()));
        if tokio::time::timeout(wait, stop.wait_for(|stop| *stop)).await.is_ok() {
            return Ok(());
        }
        check(shared, lists).await?;
    }
}

/// Looks once, if it is due: for a run that ends by itself.
pub async fn once(shared: &Shared, lists: &PublicLists) -> Result<()> {
    if next(shared)? <= clock::now() { check(shared, lists).await } else { Ok(()) }
}

fn next(shared: &Shared) -> Result<UnixMillis> {
    let (every_ms, checked) = (shared.config.slack.catalogue_every_s * 1_000, shared.store.drift()?);
    let failed = shared.board.now().catalogue.failed;
    let due = checked.map_or(UnixMillis(0), |checked| UnixMillis(checked.at.0 + every_ms));
    Ok(failed.map_or(due, |failed| due.max(UnixMillis(failed.0 + RETRY_MS))))
}

async fn check(shared: &Shared, lists: &PublicLists) -> Result<()> {
    let now = clock::now();
    let drift = match asked(lists).await {
        Ok(drift) => drift,
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "Slack's lists of actions and entity types could not be read");
            shared.board.update(|status| {
                status.catalogue.failed = Some(now);
                status.catalogue.error = Some(format!("{error:#}"));
            });
            return Ok(());
        }
    };
    let told = shared.store.drift()?.map(|checked| checked.drift).unwrap_or_default();
    let alert = (drift != told && !drift.is_empty()).then(|| own::catalogue_drift(&drift, now));
    if let Some(alert) = &alert {
        tracing::info!(drift = drift.summary(), uid = alert.uid, "Slack's catalogue differs from the built-in one");
    }
    let checked = Checked { at: now, drift };
    let alerts: Vec<Record> = alert.into_iter().map(|alert| Record::Alert(Box::new(alert))).collect();
    shared.store.commit_drift(&checked, &alerts)?;
    shared.bells.deliver.ring();
    shared.board.update(|status| {
        (status.catalogue.failed, status.catalogue.error) = (None, None);
        status.catalogue.checked = Some(checked);
    });
    Ok(())
}

async fn asked(lists: &PublicLists) -> Result<Drift> {
    Ok(compare(&lists.actions().await?, &lists.schemas().await?)?)
}
