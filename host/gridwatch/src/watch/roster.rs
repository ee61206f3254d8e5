//! The roster watch: asks Slack once a day who has a second factor, and tells who has none any more.
//!
//! Nothing depends on it: an answer that doesn't come is logged, shown in the status and asked for again an hour later. A list
//! that breaks off is no list.

use super::{Looking, Reason, Watch};
use crate::config::Asking;
use crate::context::Shared;
use crate::http::Http;
use crate::record::Record;
use crate::slack::web_api::WebApi;
use anyhow::{Context, Result, bail};
use gridwatch_event::roster::{Member, Page, Roster};
use gridwatch_event::time::UnixMillis;
use gridwatch_rules::builtin;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const METHOD: &str = "admin.users.list";
/// The most that Slack gives at once.
const A_PAGE: usize = 100;
/// Pages read at most: a million people.
const MAX_PAGES: usize = 10_000;
const RETRY_MS: u64 = 3_600_000;
const TIMEOUT: Duration = Duration::from_secs(30);

pub struct RosterWatch {
    shared: Arc<Shared>,
}

impl RosterWatch {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl Watch for RosterWatch {
    fn name(&self) -> &'static str {
        "the roster watch"
    }

    fn due(&self, now: UnixMillis) -> Result<Option<Duration>> {
        let Some((_, every_ms)) = settings(&self.shared) else { return Ok(None) };
        Ok(Some(Duration::from_millis(next(&self.shared, every_ms)?.since(now))))
    }

    fn look(&mut self, now: UnixMillis, _: Reason) -> Looking<'_> {
        Box::pin(async move {
            match settings(&self.shared) {
                Some((asking, _)) => look(&self.shared, asking, now).await,
                None => Ok(()),
            }
        })
    }

    /// Each of its calls has an end, and a list that is broken off begins anew the next time: it would never be whole.
    fn patience(&self) -> Duration {
        Duration::MAX
    }
}

fn settings(shared: &Shared) -> Option<(&Asking, u64)> {
    let asking = shared.config.asking.as_ref()?;
    Some((asking, asking.roster_every_s? * 1_000))
}

fn next(shared: &Shared, every_ms: u64) -> Result<UnixMillis> {
    let due = shared.store.roster()?.map_or(UnixMillis(0), |roster| UnixMillis(roster.at.0 + every_ms));
    let failed = shared.status().roster.failed;
    Ok(failed.map_or(due, |failed| due.max(UnixMillis(failed.0 + RETRY_MS))))
}

async fn look(shared: &Shared, asking: &Asking, now: UnixMillis) -> Result<()> {
    let members = match everybody(asking).await {
        Ok(members) => members,
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "the list of people could not be read");
            shared.update(|status| {
                status.roster.failed = Some(now);
                status.roster.error = Some(format!("{error:#}"));
            });
            return Ok(());
        }
    };
    let before = shared.store.roster()?;
    let lost = before.iter().flat_map(|before| before.lost(&members).into_iter().map(move |member| (before, member)));
    let alerts: Vec<_> =
        lost.map(|(before, member)| builtin::second_factor_off(member, before.at, now).of_org(&shared.org)).collect();
    for alert in &alerts {
        tracing::info!(rule = alert.rule, severity = alert.severity.name(), uid = alert.uid, "alert");
    }
    let records: Vec<Record> = alerts.into_iter().map(|alert| Record::Alert(Box::new(alert))).collect();
    shared.store.commit_roster(&Roster::of(&members, now), &records)?;
    shared.process.bells.deliver.ring();
    shared.update(|status| {
        (status.roster.failed, status.roster.error) = (None, None);
        (status.roster.checked, status.roster.people) = (Some(now), members.len() as u64);
    });
    Ok(())
}

/// All pages, or nothing.
async fn everybody(asking: &Asking) -> Result<BTreeMap<String, Member>> {
    // It may have been replaced since the start; if it can't be read, the one of the start has to do.
    let mut secret = asking.token.clone();
    secret.look(true);
    let http = Http::new(&asking.network, TIMEOUT)?;
    let api = WebApi::new(http, asking.base_url.clone(), secret.token().clone());
    let (mut members, mut cursor) = (BTreeMap::new(), String::new());
    for _ in 0..MAX_PAGES {
        let mut arguments = vec![("limit", A_PAGE.to_string())];
        if !cursor.is_empty() {
            arguments.push(("cursor", cursor.clone()));
        }
        let answer =
            api.call(METHOD, &arguments).await.with_context(|| format!("{METHOD} (scope admin.users:read)"))?;
        let page: Page = serde_json::from_value(Value::Object(answer)).context("the answer is not a list of people")?;
        let next = page.next_cursor().to_owned();
        members.extend(page.into_members().map(|member| (member.id.clone(), member)));
        match next.is_empty() {
            true => return Ok(members),
            false if next == cursor => bail!("the list goes round in circles at {} people", members.len()),
            false => cursor = next,
        }
    }
    bail!("the list goes on after {MAX_PAGES} pages")
}
