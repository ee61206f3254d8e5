//! The trial: a version judges the newest events beside the one that serves, before it serves, and nobody is told what it finds.
//!
//! Both begin without a memory, so that what they say can be compared; the events are the archive's. A trial finds what fails, spins or
//! floods at once. What needs the real windows shows on probation.

use crate::archive;
use crate::context::Shared;
use crate::modules::Wanted;
use anyhow::Result;
use gridwatch_detect::{Detector, DetectorConfig, Module};
use gridwatch_event::event::Event;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::conduct::SetAside;
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The newest events, in batches of this many.
const EVENTS: u64 = 2_048;
const BATCH: usize = 256;
/// A trial ends after this: what is that slow has been seen to be.
const LONGEST: Duration = Duration::from_secs(20);
/// A flood: so many times the findings of the version that serves, and at least so many. As on probation.
use gridwatch_detect::probation::{FINDINGS_LEAST, FINDINGS_TIMES};

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Trial {
    pub events: u64,
    pub findings: u64,
    /// Those that the version in service doesn't have, and those that it has alone.
    pub added: u64,
    pub lost: u64,
}

#[derive(Default)]
struct Side {
    found: BTreeSet<(u64, String, String)>,
    findings: u64,
    faults: u64,
    /// What it failed of first: what comes later may be that it had no time left.
    first: String,
    set_aside: Option<SetAside>,
}

/// Tries a version. The inner error says why it may not serve.
///
/// # Errors
/// The events can't be read.
pub fn run(shared: &Shared, wanted: &Wanted, new: Module, old: Option<Module>) -> Result<Result<Trial>> {
    let first = shared.store.next_seq().saturating_sub(EVENTS);
    let mut events: Vec<Event> = Vec::new();
    for record in archive::read_from(shared.store.archive_folder(), first)?.take(EVENTS as usize) {
        // What is damaged is told by those whose business it is.
        events.extend(record.ok().map(|record| record.event()));
    }
    let (mut before, mut after) = (Side::default(), Side::default());
    let mut is_compared = old.is_some();
    if let Some(old) = old {
        judge(wanted, old, &events, &mut before)?;
        // What one says that fails throughout is no measure.
        is_compared = before.set_aside.is_none();
    }
    judge(wanted, new, &events, &mut after)?;
    if let Some(set_aside) = &after.set_aside {
        let first = if after.first.is_empty() { String::new() } else { format!(" (first: {})", after.first) };
        return Ok(Err(anyhow::anyhow!("tried over the newest events, {}{first}", set_aside.why.text())));
    }
    if after.faults > before.faults {
        let of = events.len();
        let (faults, first) = (after.faults, after.first);
        return Ok(Err(anyhow::anyhow!(
            "tried over the newest {of} events, it fails on {faults} of them (first: {first})"
        )));
    }
    if after.findings >= FINDINGS_LEAST
        && after.findings > before.findings.saturating_mul(FINDINGS_TIMES)
        && is_compared
    {
        let (findings, had) = (after.findings, before.findings);
        return Ok(Err(anyhow::anyhow!(
            "tried over the newest {} events, it has {findings} findings where the version in service has {had}",
            events.len()
        )));
    }
    let (added, lost) = match is_compared {
        true => (after.found.difference(&before.found).count(), before.found.difference(&after.found).count()),
        false => (after.found.len(), 0),
    };
    Ok(Ok(Trial { events: events.len() as u64, findings: after.findings, added: added as u64, lost: lost as u64 }))
}

fn judge(wanted: &Wanted, module: Module, events: &[Event], side: &mut Side) -> Result<()> {
    let setting = DetectorConfig { is_apart: true, saves_nothing: true, threads: 1, ..wanted.setting()? };
    let (mut detector, began) = (Detector::new(setting, vec![module])?, now());
    for batch in events.chunks(BATCH) {
        let detected = detector.detect(batch);
        let found = detected.concluded.alerts.iter().filter(|alert| !is_own(alert));
        for alert in found {
            side.findings += 1;
            side.found.insert((
                alert.evidence.last().map_or(0, |stub| stub.seq),
                alert.rule.clone(),
                alert.dedup_key.clone(),
            ));
        }
        side.faults += detected.concluded.faults.len() as u64;
        if let Some(fault) = detected.concluded.faults.first().filter(|_| side.first.is_empty()) {
            side.first.clone_from(&fault.reason);
        }
        side.set_aside = detected.behaved.into_iter().find_map(|behaved| behaved.set_aside).or(side.set_aside.take());
        if side.set_aside.is_some() || now() - began > LONGEST {
            break;
        }
    }
    Ok(())
}

fn is_own(alert: &Alert) -> bool {
    alert.module.name == gridwatch_rules::builtin::NAME
}

#[expect(clippy::disallowed_methods, reason = "a trial is bounded by the time that it takes")]
fn now() -> Instant {
    Instant::now()
}
