//! The detect stage: takes entries whose windows are drained, runs the modules, saves what they found.

use crate::answers::Answers;
use crate::clock;
use crate::record::Record;
use crate::respond::journal::Follower;
use crate::run::{Happening, Shared};
use crate::status::PATIENCE;
use crate::store::Pending;
use anyhow::Result;
use gridwatch_core::conduct::SetAside;
use gridwatch_core::event::Event;
use gridwatch_core::pipeline::{Concluded, Fault, Outcome, Pipeline, Prepared};
use gridwatch_core::state::StateOp;
use gridwatch_detect::Workers;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const IDLE: Duration = Duration::from_millis(500);

/// What the modules made of one batch of events, with the rows that all of it changed.
#[derive(Debug, Default)]
pub struct Detected {
    pub concluded: Concluded,
    pub changes: Vec<StateOp>,
    /// How each module behaved, in the order of the modules.
    pub behaved: Vec<Behaved>,
}

/// What one batch cost with one module, and what that module no longer does.
#[derive(Clone, Debug, Default)]
pub struct Behaved {
    pub took: Duration,
    /// Events that it wasn't asked about, because it is set aside.
    pub unjudged: u64,
    /// Since it was loaded.
    pub lines_dropped: u64,
    pub set_aside: Option<SetAside>,
}

/// What the modules say of a batch, without the rows of their own state.
pub fn evaluated(workers: &Workers, prepared: &Prepared) -> Vec<Outcome> {
    workers.evaluate(&prepared.batches).into_iter().map(|evaluation| evaluation.outcome).collect()
}

/// One batch through pipeline and modules. Live and replay both go through here.
pub fn detect(pipeline: &mut Pipeline, workers: &Workers, events: &[Event]) -> Detected {
    let prepared = pipeline.prepare(events);
    let evaluations = workers.evaluate(&prepared.batches);
    let (mut outcomes, mut changes) = (Vec::with_capacity(evaluations.len()), Vec::new());
    let mut behaved = Vec::with_capacity(evaluations.len());
    for evaluation in evaluations {
        behaved.push(Behaved {
            took: evaluation.took,
            unjudged: evaluation.unjudged,
            lines_dropped: evaluation.lines_dropped,
            set_aside: evaluation.outcome.set_aside.clone(),
        });
        outcomes.push(evaluation.outcome);
        changes.extend(evaluation.changes);
    }
    let mut concluded = pipeline.conclude(events, &prepared, outcomes);
    changes.append(&mut concluded.changes);
    Detected { concluded, changes, behaved }
}

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

/// Works until `polled` is set and nothing is left. An error means that a result could not be saved.
pub fn run(
    shared: &Shared,
    mut pipeline: Pipeline,
    workers: &Workers,
    mut answers: Answers,
    polled: &Arc<AtomicBool>,
) -> Result<()> {
    let mut responses = Follower::new(shared.paths.responses.clone());
    loop {
        let (rung, last_round) = (shared.bells.detect.count(), polled.load(Ordering::Acquire));
        let pending = shared.store.next_pending(shared.config.detect.batch)?;
        let heard = |doing: &str| shared.board.heard("detect", doing, PATIENCE, clock::now());
        if !pending.is_empty() {
            heard(&format!("running the modules over {} entries", pending.len()));
            shared.lists.take(&mut pipeline);
            learn_echoes(&mut pipeline, &mut responses);
            step(shared, &mut pipeline, workers, &mut answers, &pending)?;
        } else if last_round {
            shared.board.ended("detect");
            return Ok(());
        } else {
            heard("waiting for entries");
            shared.bells.detect.wait(rung, IDLE);
        }
    }
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

fn step(
    shared: &Shared,
    pipeline: &mut Pipeline,
    workers: &Workers,
    answers: &mut Answers,
    pending: &[Pending],
) -> Result<()> {
    let first = shared.store.next_seq();
    let numbered = pending.iter().enumerate();
    let mut events: Vec<Event> = numbered.map(|(i, p)| Event::seen(first + i as u64, p.sight, &p.entry)).collect();
    pipeline.place(&mut events);
    pipeline.except(shared.exceptions.in_force());
    let Detected { mut concluded, mut changes, behaved } = detect(pipeline, workers, &events);
    changes.extend(answers.fill(&mut concluded.alerts));
    let alerts = concluded.alerts.iter().map(|alert| Record::Alert(Box::new(alert.clone())));
    let records: Vec<Record> = events.iter().map(Record::of_event).chain(alerts).collect();
    shared.store.commit_detections(pending, &records, &changes, &concluded.faults)?;
    shared.bells.deliver.ring();
    let now = clock::now();
    shared.board.update(|status| {
        status.detect.events += events.len() as u64;
        let suppressed = concluded.alerts.iter().filter(|alert| alert.suppressed_by.is_some()).count() as u64;
        status.detect.alerts += concluded.alerts.len() as u64 - suppressed;
        status.detect.suppressed += suppressed;
        status.detect.faults = shared.store.faults();
        status.detect.unseen = unseen(pipeline);
        status.backlog = shared.store.backlog();
        let modules = status.modules.iter_mut().zip(&behaved);
        modules.for_each(|(module, behaved)| module.follow(behaved, &concluded.faults, now));
        for mark in events.iter().flat_map(|e| &e.marks) {
            *status.detect.marked.entry(format!("{mark:?}")).or_default() += 1;
        }
    });
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
        (shared.observe)(&Happening::Alert(alert));
    }
    Ok(())
}

/// As the status shows it.
pub fn unseen(pipeline: &Pipeline) -> Vec<(String, String, u64)> {
    pipeline.unseen().iter().map(|(kind, name, seen)| (kind.label().to_owned(), name.to_owned(), seen.count)).collect()
}
