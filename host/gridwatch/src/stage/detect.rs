//! The detect stage: takes entries whose windows are drained, runs the modules, saves what they found.

mod line;
mod retold;

pub use line::{Line, judge};

use super::enrich::{self, Known};
use super::room;
use crate::context::swaps::News;
use crate::context::{Happening, Shared};
use crate::record::Record;
use crate::responses::Follower;
use crate::store::{Pending, Wanting};
use crate::telemetry::status::PATIENCE;
use anyhow::Result;
use gridwatch_detect::{Detected, Detector, Relieved};
use gridwatch_event::event::Event;
use gridwatch_manifest::Manifest;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::builtin;
use gridwatch_rules::pipeline::{Fault, Pipeline};
use retold::Retold;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const IDLE: Duration = Duration::from_millis(500);

/// Faults in the log: a line for each module and reason, however many events it is about.
pub fn log_faults(faults: &[Fault]) {
    let mut lines: Vec<(&Fault, u64)> = Vec::new();
    for fault in faults {
        match lines.iter_mut().find(|(known, _)| known.module == fault.module && known.reason == fault.reason) {
            Some((_, events)) => *events += 1,
            None => lines.push((fault, 1)),
        }
    }
    for (fault, events) in lines {
        let (module, event, reason) = (&fault.module, &fault.event_id, &fault.reason);
        tracing::warn!(module, event, events, reason, "module fault: it can't judge the event");
    }
}

/// Works until `polled` is set and nothing is left, or all is to be left.
///
/// # Errors
/// A result could not be saved.
pub fn run(
    shared: &Shared,
    (mut detector, mut line): (Detector, Line),
    known: &Known,
    polled: &Arc<AtomicBool>,
) -> Result<()> {
    let mut responses = Follower::new(shared.paths().responses);
    let retold = Retold::open(shared)?;
    while !shared.process.bells.is_leaving() {
        let (rung, last_round) = (shared.detect.count(), polled.load(Ordering::Acquire));
        let pending = shared.store.next_pending(shared.config.detect.batch)?;
        let heard = |doing: &str| shared.heard("detect", doing, PATIENCE);
        line.take(shared, &mut detector);
        line.confirm(shared, &mut detector);
        if !pending.is_empty() {
            heard(&format!("running the modules over {} entries", pending.len()));
            if shared.lists.take(detector.pipeline()) {
                room::save(shared, "detect", || line.lists(shared))?;
            }
            learn_echoes(detector.pipeline(), &mut responses);
            step(shared, (&mut detector, &mut line), (known, &retold), &pending)?;
        } else if last_round {
            shared.ended("detect");
            return Ok(());
        } else {
            heard("waiting for entries");
            shared.detect.wait(rung, IDLE);
        }
    }
    shared.ended("detect");
    Ok(())
}

/// Before each batch: an act is written down before it is done, so it is there before its echo is. Not being able to read
/// about it makes alerts, never silence.
fn learn_echoes(pipeline: &mut Pipeline, responses: &mut Follower) {
    match responses.news() {
        Ok(Some(echoes)) => pipeline.set_echoes(echoes.clone()),
        Ok(None) => {}
        Err(error) => tracing::warn!(error = format!("{error:#}"), "the journal of responses can't be read"),
    }
}

/// Judges the entries that wait, as far as they are of one kind: those that were delivered before are judged for what the rules
/// remember, and what comes of them was told then.
fn step(
    shared: &Shared,
    (detector, line): (&mut Detector, &mut Line),
    (known, retold): (&Known, &Retold),
    pending: &[Pending],
) -> Result<()> {
    let began = shared.now();
    let is_delivered = pending.first().is_some_and(|pending| pending.is_delivered);
    let alike = pending.iter().take_while(|pending| pending.is_delivered == is_delivered).count();
    let pending = &pending[..alike];
    let first = shared.store.next_seq();
    let numbered = pending.iter().enumerate();
    let mut events: Vec<Event> = numbered.map(|(i, p)| Event::seen(first + i as u64, p.sight, &p.entry)).collect();
    detector.pipeline().place(&mut events);
    let in_force = shared.exceptions.in_force_with_text();
    room::save(shared, "detect", || line.except(shared, &in_force))?;
    detector.pipeline().except(in_force.exceptions);
    let Detected { mut concluded, mut changes, behaved, relieved } = detector.detect(&events);
    retold.retain(&mut concluded.alerts, is_delivered);
    for relieved in &relieved {
        line.follow(shared, relieved);
        concluded.alerts.push(rolled_back(shared, relieved));
    }
    for alert in concluded.alerts.iter().filter(|alert| alert.rule == builtin::MODULE_SET_ASIDE) {
        let name = alert.labels.get("module").and_then(|named| named.rsplit_once('@'));
        if let (Some((name, _)), Some(at)) = (name, alert.evidence.first()) {
            line.set_aside(name, at.seq + 1);
        }
    }
    let (kept, judged_by) = line.unsaved(shared.now());
    changes.extend(kept);
    let wanting = wanting(shared, known, &mut concluded.alerts);
    let is_held = |alert: &Alert| wanting.iter().any(|wanting| wanting.is_held && wanting.alert == *alert);
    let alerts = concluded.alerts.iter().filter(|alert| !is_held(alert));
    let alerts: Vec<Record> = alerts.map(|alert| Record::Alert(Box::new(alert.clone()))).collect();
    room::save(shared, "detect", || {
        shared.store.commit_detections((pending, &events), &alerts, &changes, &concluded.faults, &wanting, &judged_by)
    })?;
    line::saved(shared, &judged_by);
    relieved.into_iter().for_each(|relieved| shared.swaps.tell(News::RolledBack(relieved)));
    if !wanting.is_empty() {
        shared.wanting.ring();
    }
    shared.process.bells.deliver.ring();
    shared.pulse.note(&events);
    shared.actions.note(&events);
    let now = shared.now();
    let suppressed = concluded.alerts.iter().filter(|alert| alert.suppressed_by.is_some()).count() as u64;
    shared.detected.events.inc_by(events.len() as u64);
    shared.detected.alerts.inc_by(concluded.alerts.len() as u64 - suppressed);
    shared.detected.suppressed.inc_by(suppressed);
    shared.detected.took(Duration::from_millis(now.since(began)));
    shared.update(|status| {
        status.detect.faults = shared.store.faults();
        status.detect.unseen = unseen(detector.pipeline());
        for behaved in &behaved {
            if let Some(module) = status.modules.iter_mut().find(|module| module.name == behaved.module) {
                module.follow(behaved, &concluded.faults, now);
            }
        }
        for mark in events.iter().flat_map(|e| &e.marks) {
            *status.detect.marked.entry(format!("{mark:?}")).or_default() += 1;
        }
    });
    shared.note_backlog();
    log_faults(&concluded.faults);
    for alert in &concluded.alerts {
        if let Some(by) = &alert.suppressed_by {
            tracing::debug!(rule = alert.rule, uid = alert.uid, by, "alert suppressed");
            continue;
        }
        tracing::info!(
            rule = alert.rule,
            severity = alert.severity.name(),
            uid = alert.uid,
            title = alert.title,
            "alert"
        );
        (shared.process.observe)(&Happening::Alert(alert));
    }
    Ok(())
}

/// Says that a version didn't stay.
fn rolled_back(shared: &Shared, relieved: &Relieved) -> Alert {
    let Relieved { manifest, digest, by, by_digest, worse, from } = relieved;
    let named = |manifest: &Manifest| format!("{}@{}", manifest.name, manifest.version);
    let (went, back, why) = (named(manifest), named(by), worse.to_string());
    tracing::error!(went, back, why, from_seq = from, "a new version of a module is rolled back");
    builtin::module_rolled_back((&went, digest), (&back, by_digest), &why, *from, shared.now()).of_org(&shared.org)
}

/// Fills in what is known of the alerts, and gives those that Slack could tell more of. Without a token alerts say what a replay
/// says, which asks nobody.
fn wanting(shared: &Shared, known: &Known, alerts: &mut [Alert]) -> Vec<Wanting> {
    let Some(asking) = &shared.config.asking else { return Vec::new() };
    let (now, is_held) = (shared.now(), !asking.wait.is_zero());
    let wanting = alerts
        .iter_mut()
        .filter_map(|alert| enrich::fill_known(known, alert, now).then(|| Wanting { alert: alert.clone(), is_held }));
    wanting.collect()
}

/// As the status shows it.
pub fn unseen(pipeline: &Pipeline) -> Vec<(String, String, u64)> {
    pipeline.unseen().iter().map(|(kind, name, seen)| (kind.label().to_owned(), name.to_owned(), seen.count)).collect()
}
