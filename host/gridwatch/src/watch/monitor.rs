//! The monitor: looks at gridwatch itself every few seconds, and tells what is wrong through the same sinks as everything else.
//!
//! What is wrong is [`signs`]; who has been told of it is kept in the store with the alerts that tell it, so that a restart tells nothing twice
//! and still tells the end. It reads only what the stages have said of themselves, and asks nobody.

mod signs;

use super::{Looking, Reason, Watch};
use crate::context::lists;
use crate::context::{Process, Shared};
use crate::record::Record;
use crate::stage::forgotten;
use crate::telemetry::status::{Phase, Status, TroubleStatus};
use anyhow::Result;
use gridwatch_event::org::OrgId;
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::Severity;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::monitor::tail::Counts;
use gridwatch_rules::monitor::{Quiet, Sign, Tail, Trend, Troubles, Unknown};
use serde::{Deserialize, Serialize};
use signs::{Looked, OrgSeen, OrgTrends};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often it looks, where patience isn't shorter.
const EVERY_MS: u64 = 10_000;
/// How often what is usual is saved.
const SAVE_MS: u64 = 300_000;
/// And after so many entries: a first start learns weeks within minutes.
const SAVE_EACH: u64 = 500;
/// An entry that came later than this was found by a re-read: the bounds of the histogram double.
const LATE_S: u64 = 1_023;
const DAY_S: u64 = 86_400;

/// What outlasts a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Remembered {
    troubles: Troubles,
    tails: BTreeMap<OrgId, Tail>,
}

pub struct Monitor {
    process: Arc<Process>,
    orgs: Vec<Arc<Shared>>,
    remembered: Option<Remembered>,
    trends: BTreeMap<OrgId, OrgTrends>,
    /// Of each sink what it has got, and since when it fails.
    sinks: BTreeMap<String, (Trend, Option<UnixMillis>)>,
    disks: BTreeMap<PathBuf, Trend>,
    saved: UnixMillis,
}

impl Monitor {
    pub fn new(process: Arc<Process>, orgs: Vec<Arc<Shared>>) -> Self {
        Self {
            process,
            orgs,
            remembered: None,
            trends: BTreeMap::new(),
            sinks: BTreeMap::new(),
            disks: BTreeMap::new(),
            saved: UnixMillis(0),
        }
    }

    fn look_now(&mut self, now: UnixMillis) -> Result<()> {
        let status = self.process.board.now();
        if status.phase != Phase::Running {
            return Ok(());
        }
        let before = match self.remembered.take() {
            Some(remembered) => remembered,
            None => {
                // Read with it, so that one alert tells of both if they can't be.
                self.process.store.chain()?;
                self.process.store.monitored()?
            }
        };
        let mut after = before.clone();
        let (signs, unknown) = self.signs(&status, &mut after, now)?;
        let alerts = after.troubles.look(signs, &unknown, now);
        for alert in &alerts {
            let (rule, severity, uid, title) = (&alert.rule, alert.severity.name(), &alert.uid, &alert.title);
            tracing::warn!(rule, severity, uid, title, "alert");
        }
        if after != before {
            let records: Vec<Record> = alerts.into_iter().map(|alert| Record::Alert(Box::new(alert))).collect();
            self.process.store.commit_monitored(&after, &records)?;
            if !records.is_empty() {
                self.process.bells.deliver.ring();
            }
        }
        let told = after.troubles.told().into_iter().map(trouble_status).collect();
        self.process.board.update(|status| status.troubles = told);
        // Also while no page comes.
        forgotten::look(&self.process)?;
        self.leave_out_silence(&after.troubles);
        self.remembered = Some(after);
        let is_much = self.orgs.iter().any(|org| org.pulse.unsaved() >= SAVE_EACH);
        if is_much || now.since(self.saved) >= SAVE_MS || now < self.saved {
            self.saved = now;
            self.orgs.iter().try_for_each(|org| org.save_pulse())?;
        }
        Ok(())
    }

    fn signs(
        &mut self,
        status: &Status,
        remembered: &mut Remembered,
        now: UnixMillis,
    ) -> Result<(Vec<Sign>, Vec<Unknown>)> {
        let Some(first) = self.orgs.first() else { return Ok((Vec::new(), Vec::new())) };
        let settings = &first.config.monitor;
        let looked = Looked { now, started: status.started, settings };
        let (mut signs, mut unknown) = (Vec::new(), Vec::new());
        for shared in &self.orgs {
            let of_org = status.org(&shared.org);
            let trends = self.trends.entry(shared.org.clone()).or_default();
            let poll = &of_org.poll;
            let behind = poll.watermark.map_or(0, |at| now.seconds().0.saturating_sub(at.0));
            trends.behind.note(now, behind);
            trends.judged.note(now, of_org.detect.events);
            trends.foreign.note(now, poll.refused_early);
            trends.sampled_late.note(now, poll.sampled_late);
            let tail = remembered.tails.entry(shared.org.clone()).or_default();
            let seen = OrgSeen {
                org: &shared.org,
                status: &of_org,
                config: &shared.config,
                trends,
                quiet: quiet(shared, &of_org.poll, status.backlog.entries),
                tail: tail.look(now.seconds().0 / DAY_S, lateness(&of_org.poll.lateness)),
                old_lists: lists::old(&shared.config, now)
                    .into_iter()
                    .map(|(list, what)| (list.to_owned(), what))
                    .collect(),
                waiting: status.backlog.entries,
            };
            signs.extend(looked.org(&seen));
            unknown.extend(looked.unknown_of_org(&seen));
        }
        for (name, sink) in &status.sinks {
            let (trend, fails_since) = self.sinks.entry(name.clone()).or_default();
            trend.note(now, sink.delivered + sink.refused);
            *fails_since = sink.error.as_ref().map(|_| fails_since.unwrap_or(now).min(now));
            let fails_ms = fails_since.map_or(0, |since| now.since(since));
            // A sink that has got all there is stands for ever.
            if sink.behind == 0 {
                *trend = Trend::default();
            }
            signs.extend(looked.sink(name, sink, trend.stands_ms(now), fails_ms));
            unknown.extend(looked.unknown_of_sink(name, sink));
        }
        let folders = self.orgs.iter().map(|org| org.store.archive_folder().to_owned());
        let folders =
            [first.config.state_dir.clone()].into_iter().chain(folders).collect::<std::collections::BTreeSet<_>>();
        let mut told = Vec::new();
        for folder in folders {
            let free = crate::disk::free_bytes(&folder)?;
            let trend = self.disks.entry(folder.clone()).or_default();
            trend.note(now, free);
            // Folders on one disk have one trouble.
            let disk = std::fs::metadata(&folder)?.dev();
            if !told.contains(&disk) {
                let min_free = first.config.store.min_free_bytes;
                signs.extend(looked.disk(&folder.display().to_string(), free, min_free, trend));
                told.push(disk);
            }
        }
        Ok((signs, unknown))
    }

    /// Nothing is learned from a silence that was told.
    fn leave_out_silence(&self, troubles: &Troubles) {
        for shared in &self.orgs {
            let status = shared.status();
            let Some(to) = status.poll.watermark else { continue };
            let silent: Vec<(String, gridwatch_event::time::UnixSeconds)> = {
                let rhythms = shared.pulse.lock();
                let newest = rhythms.iter().filter_map(|(family, rhythm)| Some((family.clone(), rhythm.newest()?)));
                newest.collect()
            };
            for (family, newest) in silent {
                let rule = if family.is_empty() { "log-silent" } else { "family-silent" };
                if troubles.is_told(&shared.org, rule, &family) {
                    shared.pulse.leave_out(&family, newest, to);
                }
            }
        }
    }
}

impl Watch for Monitor {
    fn name(&self) -> &'static str {
        "the monitor"
    }

    fn due(&self, _: UnixMillis) -> Result<Option<Duration>> {
        let patience_ms = self.orgs.first().map_or(EVERY_MS, |org| org.config.monitor.patience_ms);
        Ok(Some(Duration::from_millis(EVERY_MS.min(patience_ms / 4).max(250))))
    }

    fn look(&mut self, now: UnixMillis, _: Reason) -> Looking<'_> {
        Box::pin(async move { self.look_now(now) })
    }
}

fn trouble_status(alert: &Alert) -> TroubleStatus {
    TroubleStatus {
        rule: alert.rule.clone(),
        title: alert.title.clone(),
        is_grave: alert.severity >= Severity::High,
        since: alert.opened,
    }
}

/// Which parts of the log are quiet at the end of what was read and judged. `None` while that can't be said: what waits to be judged may be
/// what is missed.
fn quiet(shared: &Shared, poll: &crate::telemetry::status::Poll, waiting: u64) -> Option<BTreeMap<String, Quiet>> {
    let (from, to) = (poll.read_from?, poll.watermark?);
    if waiting > 0 {
        return None;
    }
    let rhythms = shared.pulse.lock();
    let of = |family: &str| rhythms.get(family).and_then(|rhythm| rhythm.quiet(from, to));
    let mut quiet: BTreeMap<String, Quiet> =
        rhythms.keys().filter_map(|family| Some((family.clone(), of(family)?))).collect();
    // While the whole log is silent, none of its parts is news.
    let all = quiet.get(crate::context::pulse::ALL).copied();
    if let Some(all) = all.filter(|all| all.missed.is_none_or(|missed| missed > 3.0)) {
        quiet = BTreeMap::from([(crate::context::pulse::ALL.to_owned(), all)]);
    }
    Some(quiet)
}

fn lateness(buckets: &[(u64, u64)]) -> Counts {
    let sum = |least: u64| buckets.iter().filter(|(bound, _)| *bound >= least).map(|(_, count)| count).sum();
    Counts { all: sum(0), late: sum(LATE_S + 1) }
}
