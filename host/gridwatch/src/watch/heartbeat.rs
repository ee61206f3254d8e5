//! The heartbeat: at an interval, a record of what gridwatch does goes to each sink that takes events, so that their receiver can alarm
//! when none comes. It is numbered and chained: see [`gridwatch_rules::monitor::heartbeat`].

use super::{Looking, Reason, Watch};
use crate::clock::chance;
use crate::context::{Process, Shared};
use crate::telemetry::status::{OrgStatus, Phase, Status};
use anyhow::Result;
use gridwatch_event::range::Range;
use gridwatch_event::time::UnixMillis;
use gridwatch_poll::gaps;
use gridwatch_rules::monitor::heartbeat::{AuditBeat, Chain, OrgBeat, SinkBeat, Statement};
use std::sync::Arc;
use std::time::Duration;

/// The first one comes this long after the start, if the interval isn't shorter: what it says is worth something by then.
const FIRST_MS: u64 = 60_000;
/// A receiver that has waited this much longer than the interval has missed one; of a shorter interval, once more that.
const LATE_MS: u64 = 60_000;

pub struct HeartbeatWatch {
    process: Arc<Process>,
    orgs: Vec<Arc<Shared>>,
    every_ms: Option<u64>,
    next: Option<UnixMillis>,
}

impl HeartbeatWatch {
    pub fn new(process: Arc<Process>, orgs: Vec<Arc<Shared>>) -> Self {
        let every_ms = orgs.first().and_then(|org| org.config.monitor.heartbeat_ms);
        Self { process, orgs, every_ms, next: None }
    }
}

impl Watch for HeartbeatWatch {
    fn name(&self) -> &'static str {
        "the heartbeat"
    }

    fn due(&self, now: UnixMillis) -> Result<Option<Duration>> {
        let Some(every_ms) = self.every_ms else { return Ok(None) };
        // A clock that was set back must not keep it waiting.
        let wait_ms = self.next.map_or(every_ms.min(FIRST_MS), |next| next.since(now).min(every_ms));
        Ok(Some(Duration::from_millis(wait_ms.max(1))))
    }

    fn look(&mut self, now: UnixMillis, _: Reason) -> Looking<'_> {
        Box::pin(async move {
            let Some(every_ms) = self.every_ms else { return Ok(()) };
            self.next = Some(now.plus(every_ms));
            if self.process.board.now().phase != Phase::Running {
                return Ok(());
            }
            beat(&self.process, &self.orgs, Some(now.plus(every_ms + every_ms.min(LATE_MS))))
        })
    }
}

/// The last one of a process that ends as it was told to. Only after others: whoever runs for a moment has no heart that stops.
///
/// # Errors
/// It can't be saved.
pub fn last(process: &Process, orgs: &[Arc<Shared>]) -> Result<()> {
    let has_beaten = process.board.now().heartbeat.is_some();
    if has_beaten { beat(process, orgs, None) } else { Ok(()) }
}

fn beat(process: &Process, orgs: &[Arc<Shared>], next: Option<UnixMillis>) -> Result<()> {
    let (now, status) = (process.clock.now(), process.board.now());
    let chain: Chain = process.store.chain()?.unwrap_or_else(|| Chain::begin(chance(), now));
    let says = Statement {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: status.started,
        orgs: orgs.iter().map(|org| org_beat(org, &status.org(&org.org), now)).collect::<Result<_>>()?,
        sinks: sinks(&status),
        modules: modules(&status),
        audit: audit(process.store.trail_head()),
        troubles: status.troubles.iter().map(|trouble| trouble.rule.clone()).collect(),
        ..Statement::default()
    };
    let beat = chain.next(says, now, next);
    process.store.commit_heartbeat(&beat)?;
    process.bells.deliver.ring();
    tracing::debug!(number = beat.number, "heartbeat");
    process.board.update(|status| status.heartbeat = Some(beat));
    Ok(())
}

/// How far the audit trail goes.
fn audit(head: Chain) -> Option<AuditBeat> {
    (head.number > 0).then_some(AuditBeat { number: head.number, hash: head.hash })
}

fn org_beat(shared: &Shared, status: &OrgStatus, now: UnixMillis) -> Result<OrgBeat> {
    let poll = &status.poll;
    let newest = shared.pulse.lock().get(crate::context::pulse::ALL).and_then(gridwatch_rules::monitor::Rhythm::newest);
    let read = poll.read_from.zip(poll.watermark).and_then(|(from, to)| Range::of(from, to));
    let missing = match (read, shared.store.poll_state()?) {
        (Some(read), Some((_, ledger, _))) => gaps(&ledger, read),
        _ => Vec::new(),
    };
    Ok(OrgBeat {
        org: shared.org.to_string(),
        settled: poll.watermark,
        newest,
        lag_s: poll.watermark.map_or(0, |at| now.seconds().0.saturating_sub(at.0)),
        entries: poll.stored,
        events: status.detect.events,
        alerts: status.detect.alerts,
        gaps: missing.len() as u64,
        gap_s: missing.iter().map(|range| range.length_s()).sum(),
        paused: poll.paused.clone(),
    })
}

fn sinks(status: &Status) -> Vec<SinkBeat> {
    let sink = |(name, sink): (&String, &crate::telemetry::status::SinkStatus)| SinkBeat {
        name: name.clone(),
        waiting: sink.behind,
        refused: sink.refused,
        failing: sink.error.is_some(),
    };
    status.sinks.iter().map(sink).collect()
}

/// Each once, whatever organizations it serves.
fn modules(status: &Status) -> Vec<String> {
    let of = |module: &crate::telemetry::status::ModuleStatus| {
        let aside = if module.set_aside.is_some() { " (set aside)" } else { "" };
        format!("{}@{} sha256:{}{aside}", module.name, module.version, module.digest)
    };
    let all: std::collections::BTreeSet<String> = status.orgs.values().flat_map(|org| &org.modules).map(of).collect();
    all.into_iter().collect()
}
