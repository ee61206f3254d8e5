//! The drift watch: holds Slack's public lists against the built-in catalogue, once a day, and tells each difference once.
//!
//! Nothing depends on it: an answer that doesn't come is logged, shown in the status and asked for again an hour later.

use super::{Looking, Reason, Watch};
use crate::context::Shared;
use crate::record::Record;
use crate::slack::public_lists::PublicLists;
use anyhow::Result;
use gridwatch_event::drift::{Checked, Drift, compare};
use gridwatch_event::time::UnixMillis;
use gridwatch_rules::builtin;
use std::sync::Arc;
use std::time::Duration;

const RETRY_MS: u64 = 3_600_000;

pub struct Catalogue {
    shared: Arc<Shared>,
    lists: PublicLists,
}

impl Catalogue {
    pub fn new(shared: Arc<Shared>, lists: PublicLists) -> Self {
        Self { shared, lists }
    }
}

impl Watch for Catalogue {
    fn name(&self) -> &'static str {
        "the drift watch"
    }

    fn due(&self, now: UnixMillis) -> Result<Option<Duration>> {
        Ok(Some(Duration::from_millis(next(&self.shared)?.since(now))))
    }

    fn look(&mut self, now: UnixMillis, _: Reason) -> Looking<'_> {
        Box::pin(check(&self.shared, &self.lists, now))
    }
}

fn next(shared: &Shared) -> Result<UnixMillis> {
    let (every_ms, checked) = (shared.config.slack.catalogue_every_s * 1_000, shared.store.drift()?);
    let failed = shared.status().catalogue.failed;
    let due = checked.map_or(UnixMillis(0), |checked| UnixMillis(checked.at.0 + every_ms));
    Ok(failed.map_or(due, |failed| due.max(UnixMillis(failed.0 + RETRY_MS))))
}

async fn check(shared: &Shared, lists: &PublicLists, now: UnixMillis) -> Result<()> {
    let drift = match asked(lists).await {
        Ok(drift) => drift,
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "Slack's lists of actions and entity types could not be read");
            shared.update(|status| {
                status.catalogue.failed = Some(now);
                status.catalogue.error = Some(format!("{error:#}"));
            });
            return Ok(());
        }
    };
    let reported = shared.store.drift()?.map(|checked| checked.drift).unwrap_or_default();
    let alert =
        (drift != reported && !drift.is_empty()).then(|| builtin::catalogue_drift(&drift, now).of_org(&shared.org));
    if let Some(alert) = &alert {
        tracing::info!(drift = drift.summary(), uid = alert.uid, "Slack's catalogue differs from the built-in one");
    }
    let checked = Checked { at: now, drift };
    let alerts: Vec<Record> = alert.into_iter().map(|alert| Record::Alert(Box::new(alert))).collect();
    shared.store.commit_drift(&checked, &alerts)?;
    shared.process.bells.deliver.ring();
    shared.update(|status| {
        (status.catalogue.failed, status.catalogue.error) = (None, None);
        status.catalogue.checked = Some(checked);
    });
    Ok(())
}

async fn asked(lists: &PublicLists) -> Result<Drift> {
    Ok(compare(&lists.actions().await?, &lists.schemas().await?)?)
}
