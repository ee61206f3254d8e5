//! The deliver stage: one thread per sink takes records from the outbox to it, at its own pace.

use super::reminder::Reminders;
use crate::archive::{Archive, ArchiveRecord};
use crate::config::Include;
use crate::context::Shared;
use crate::history::History;
use crate::record::{Form, Record};
use crate::sink::{Removed, Sink};
use crate::store::Position;
use crate::telemetry::status::PATIENCE;
use anyhow::Result;
use gridwatch_event::time::UnixMillis;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::own;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const IDLE: Duration = Duration::from_millis(500);
/// Records and bytes of one attempt.
const MAX_RECORDS: usize = 1_000;
const MAX_BYTES: usize = 4 << 20;
/// How often a sink that has to remove lines is told of by an alert.
const TOLD_EVERY_MS: u64 = 86_400_000;
/// Waits between attempts while a sink refuses.
const RETRY: [Duration; 4] =
    [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(15)];
/// Name of the archive among the sinks' positions; no sink can have it, for their names have no brackets.
pub const ARCHIVE: &str = "(archive)";

/// Where records go.
pub enum Target {
    Sink { sink: Box<dyn Sink>, form: Form, include: Include },
    Archive { archive: Archive, keep_s: u64 },
    History(History),
}

/// When a delivery thread may end.
#[derive(Clone)]
pub struct Ending {
    /// Nothing more will enter the outbox.
    pub detected: Arc<AtomicBool>,
    /// The patience for a sink that refuses is over.
    pub hurry: Arc<AtomicBool>,
}

/// Delivers until everything is and nothing more comes. An error means that a position could not be saved.
pub fn run(shared: &Shared, name: &str, mut target: Target, ending: &Ending) -> Result<()> {
    let result = deliver(shared, name, &mut target, ending);
    shared.board.ended(&stage(name));
    result
}

/// As the status calls it.
fn stage(name: &str) -> String {
    format!("sink {name}")
}

fn deliver(shared: &Shared, name: &str, target: &mut Target, ending: &Ending) -> Result<()> {
    let (mut failures, mut reminders, mut told) = (0, Reminders::default(), None);
    let heard = |doing: &str| shared.board.heard(&stage(name), doing, PATIENCE, shared.clock.now());
    loop {
        let (rung, last_round) = (shared.bells.deliver.count(), ending.detected.load(Ordering::Acquire));
        let hurried = shared.bells.hurry.count();
        let position = shared.store.position(name)?;
        let records = shared.store.records(position.next, MAX_RECORDS, MAX_BYTES)?;
        let Some((last, _)) = records.last() else {
            if last_round {
                return Ok(());
            }
            heard("waiting for records");
            shared.bells.deliver.wait(rung, IDLE);
            continue;
        };
        let next = last + 1;
        heard(&format!("delivering {} records", records.len()));
        match target.deliver(&records, shared.clock.now()) {
            Ok((resume, count)) => {
                shared.store.commit_attempt(name, &Position { next, resume: resume.or(position.resume) })?;
                shared.board.update(|status| {
                    let sink = status.sinks.entry(name.to_owned()).or_default();
                    sink.delivered += count;
                    sink.is_behind(shared.store.next_record().saturating_sub(next), shared.clock.now());
                    sink.error = None;
                    status.backlog = shared.store.backlog();
                });
                if failures > 0 {
                    tracing::info!(sink = name, tries = failures + 1, "delivery works again");
                }
                failures = 0;
                reminders.due(shared.clock.now(), None);
                if let Some(removed) = target.removed() {
                    tell_removed(shared, name, &removed, &mut told)?;
                }
            }
            Err(error) => {
                if failures == 0 {
                    tracing::error!(sink = name, error, "delivery failed; will try again");
                }
                for (_, lasts) in reminders.due(shared.clock.now(), Some(name.to_owned())) {
                    tracing::error!(sink = name, error, lasts, "delivery still fails; it is tried again and again");
                }
                shared.board.update(|status| {
                    let sink = status.sinks.entry(name.to_owned()).or_default();
                    sink.is_behind(shared.store.next_record().saturating_sub(position.next), shared.clock.now());
                    sink.error = Some(error);
                });
                if ending.hurry.load(Ordering::Acquire) {
                    return Ok(()); // what is left stays in the outbox for the next start
                }
                heard("waiting to try again");
                shared.bells.hurry.wait(hurried, RETRY[failures.min(RETRY.len() - 1)]);
                failures += 1;
            }
        }
    }
}

/// Once a day and sink by an alert, and each time by the status.
fn tell_removed(shared: &Shared, sink: &str, removed: &Removed, told: &mut Option<UnixMillis>) -> Result<()> {
    let now = shared.clock.now();
    shared.board.update(|status| status.sinks.entry(sink.to_owned()).or_default().removed_unread += removed.files);
    if told.is_some_and(|told| now.since(told) < TOLD_EVERY_MS) {
        return Ok(());
    }
    *told = Some(now);
    let &Removed { files, bytes, age_s, limit_bytes } = removed;
    let alert = own::lines_removed(sink, files, bytes, age_s, limit_bytes, now);
    tracing::warn!(rule = alert.rule, severity = alert.severity.name(), uid = alert.uid, title = alert.title, "alert");
    shared.store.commit_alert(&Record::Alert(Box::new(alert)))?;
    shared.bells.deliver.ring();
    Ok(())
}

impl Target {
    fn removed(&mut self) -> Option<Removed> {
        match self {
            Self::Sink { sink, .. } => sink.removed(),
            Self::Archive { .. } | Self::History(_) => None,
        }
    }

    /// Hands over records; what to resume from (if the sink has such a thing) and how many of them it wanted.
    fn deliver(
        &mut self,
        records: &[(u64, Record)],
        now: UnixMillis,
    ) -> Result<(Option<serde_json::Value>, u64), String> {
        let first = records.first().map_or(0, |(number, _)| *number);
        match self {
            Self::Sink { sink, form, include } => {
                let lines: Vec<String> =
                    records.iter().filter(|(_, r)| wanted(r, *include)).map(|(_, r)| r.line(*form)).collect();
                let resume = sink.deliver(first, &lines).map_err(|e| told(&e, e.hint()))?;
                Ok((serde_json::to_value(resume).ok(), lines.len() as u64))
            }
            Self::Archive { archive, keep_s } => {
                let records: Vec<ArchiveRecord> = records.iter().filter_map(|(_, r)| archived(r)).collect();
                archive.append(&records).map_err(|e| told(&e, e.hint()))?;
                archive.prune(now.seconds().minus(*keep_s)).map_err(|e| told(&e, e.hint()))?;
                Ok((None, records.len() as u64))
            }
            Self::History(history) => {
                let alerts: Vec<_> = records.iter().filter_map(|(_, record)| alert(record)).collect();
                let count = alerts.len() as u64;
                let resume = history.append(first, alerts.into_iter()).map_err(|e| told(&e, e.hint()))?;
                Ok((serde_json::to_value(resume).ok(), count))
            }
        }
    }
}

/// An error with its cause and what to do about it.
fn told(error: &dyn std::error::Error, hint: Option<&str>) -> String {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    let hint = hint.map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
    format!("{error}{cause}{hint}")
}

fn wanted(record: &Record, include: Include) -> bool {
    match record {
        Record::Event { .. } => include.events,
        Record::Alert(alert) if alert.suppressed_by.is_some() => include.suppressed,
        Record::Alert(_) => include.alerts,
    }
}

fn alert(record: &Record) -> Option<&Alert> {
    match record {
        Record::Alert(alert) => Some(alert),
        Record::Event { .. } => None,
    }
}

fn archived(record: &Record) -> Option<ArchiveRecord> {
    match record {
        Record::Event { seq, sight, raw, .. } => {
            Some(ArchiveRecord { seq: *seq, sight: *sight, raw: raw.as_str().into() })
        }
        Record::Alert(_) => None,
    }
}
