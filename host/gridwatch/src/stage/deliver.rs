//! The deliver stage: a thread for each sink brings records from the logs there at its own pace.
//!
//! Here is what is alike for all: reading ahead, batches, waiting and trying again, dead letters, the position, and what is said of it
//! all. What differs is a [`Target`]. What a thread promises is the contract of [`crate::sink`].

mod target;

pub use target::{ForSink, Target};

use super::reminder::Reminders;
use crate::clock::{Clock, chance};
use crate::context::Bells;
use crate::record::Record;
use crate::sink::batch::{Due, Queue};
use crate::sink::{Answer, Next, Pace, Problem, Refused};
use crate::store::{Position, Store};
use crate::telemetry::metrics::SinkMetrics;
use crate::telemetry::status::{Board, PATIENCE};
use anyhow::Result;
use gridwatch_event::time::UnixMillis;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::builtin;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use target::Buried;

const IDLE: Duration = Duration::from_millis(500);
/// Bytes that are read from the outbox at once.
const MAX_READ_BYTES: usize = 4 << 20;
/// How often a sink that needs a person is tried again.
const STOPPED: Duration = Duration::from_secs(300);
const DAY_S: u64 = 86_400;

/// What delivery works with.
#[derive(Clone, Copy)]
pub struct Place<'p> {
    pub store: &'p Store,
    pub board: &'p Board,
    pub bells: &'p Bells,
    pub clock: Clock,
}

/// When a delivery thread may end.
#[derive(Clone)]
pub struct Ending {
    /// Nothing more will enter the outbox.
    pub detected: Arc<AtomicBool>,
    /// The patience for a sink that refuses is over.
    pub hurry: Arc<AtomicBool>,
}

/// Delivers until everything is and nothing more comes.
///
/// # Errors
/// A position could not be saved.
pub fn run(at: Place<'_>, name: &str, target: impl Target, ending: &Ending) -> Result<()> {
    let result = Lane::open(at, name, target).and_then(|mut lane| lane.work(ending));
    at.board.ended(&stage(name));
    result
}

/// As the status calls it.
fn stage(name: &str) -> String {
    format!("sink {name}")
}

/// The way to one target.
struct Lane<'p, T: Target> {
    at: Place<'p>,
    name: &'p str,
    target: T,
    pace: Pace,
    metrics: SinkMetrics,
    /// As it is saved.
    position: Position,
    /// Records read ahead that the target wants.
    queue: Queue<T::Load>,
    /// Number of the next record to read. What is below it, and not in the queue, is settled or not wanted.
    ahead: u64,
    /// What an attempt came to while the dead letters in it can't be written.
    unsettled: Option<Answer>,
    /// Attempts in a row that settled nothing.
    failures: u32,
    reminders: Reminders,
}

/// What comes after an attempt.
enum Onward {
    Go,
    Wait(Duration),
    /// Until a person has done something.
    Stopped,
}

impl<'p, T: Target> Lane<'p, T> {
    fn open(at: Place<'p>, name: &'p str, target: T) -> Result<Self> {
        let (position, pace) = (at.store.position(name)?, target.pace());
        let metrics = at.board.metrics.sink(name);
        metrics.delivered.inc_by(position.delivered);
        metrics.refused.inc_by(position.lost.refused);
        Ok(Self {
            at,
            name,
            target,
            pace,
            metrics,
            ahead: position.next,
            position,
            queue: Queue::new(pace.batch),
            unsettled: None,
            failures: 0,
            reminders: Reminders::default(),
        })
    }

    fn work(&mut self, ending: &Ending) -> Result<()> {
        let bells = self.at.bells;
        while !bells.is_leaving() {
            // Before looking, so that nothing that happens meanwhile is missed.
            let (rung, hurried) = (bells.deliver.count(), bells.hurry.count());
            let is_last_round = ending.detected.load(Ordering::Acquire);
            let has_read = self.read_ahead()?;
            match self.queue.due(self.at.clock.now(), is_last_round) {
                Due::Empty => {
                    self.pass_over()?;
                    if has_read {
                        continue; // the target wanted none of it; there may be more
                    }
                    if is_last_round {
                        self.target.finish();
                        return self.pass_over();
                    }
                    self.heard("waiting for records", Duration::ZERO);
                    bells.deliver.wait(rung, IDLE);
                    continue;
                }
                Due::In(left) => {
                    self.heard("waiting for a fuller batch", left);
                    bells.deliver.wait(rung, left);
                    continue;
                }
                Due::Now => {}
            }
            let answer = self.attempt();
            let onward = self.settle(answer)?;
            // Whoever ends leaves what isn't delivered in the outbox for the next start.
            match onward {
                Onward::Go => {}
                Onward::Wait(wait) => {
                    if ending.hurry.load(Ordering::Acquire) {
                        return Ok(());
                    }
                    self.heard("waiting to try again", wait);
                    bells.hurry.wait(hurried, wait);
                }
                Onward::Stopped => {
                    self.heard("waiting for a person", STOPPED);
                    self.wait_for_a_person(ending);
                    if ending.detected.load(Ordering::Acquire) {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Fills the queue, as long as there isn't a whole batch in it. Was there anything to read?
    fn read_ahead(&mut self) -> Result<bool> {
        if self.queue.is_full() {
            return Ok(false);
        }
        let (from, now) = (self.ahead, self.at.clock.now());
        let (store, most) = (self.at.store, self.pace.batch.records);
        let (records, next) = store.records(self.ahead, self.target.kinds(), most, MAX_READ_BYTES)?;
        for (number, record) in records {
            if let Some(load) = self.target.load(number, &record) {
                self.queue.push(load, now);
            }
        }
        self.ahead = next;
        Ok(self.ahead > from)
    }

    /// Nothing waits: what was read is done with, also if the target wanted none of it.
    fn pass_over(&mut self) -> Result<()> {
        let reached = self.reached();
        if reached == self.position.next {
            return Ok(());
        }
        self.position.next = reached;
        self.save(&[])?;
        self.tell(0, None);
        Ok(())
    }

    /// What is before it is settled, and held by nobody.
    fn reached(&mut self) -> u64 {
        let next = self.queue.first().unwrap_or(self.ahead);
        let next = self.target.held().map_or(next, |held| next.min(held));
        next.max(self.position.next)
    }

    fn attempt(&mut self) -> Answer {
        if let Some(answer) = self.unsettled.take() {
            return answer;
        }
        let batch = self.queue.batch();
        let began = self.at.clock.now();
        let doing = format!("delivering {} records", batch.len());
        self.at.board.heard(&stage(self.name), &doing, PATIENCE + self.pace.timeout, began);
        let answer = self.target.attempt(batch, began);
        let took = Duration::from_millis(self.at.clock.now().since(began));
        self.metrics.took(took);
        if took > self.pace.timeout {
            tracing::warn!(sink = self.name, took_s = took.as_secs(), "an attempt took longer than it may");
        }
        answer
    }

    /// Writes dead letters, takes out what is settled, saves the position: in this order.
    fn settle(&mut self, answer: Answer) -> Result<Onward> {
        let now = self.at.clock.now();
        let buried = match self.bury(&answer.refused, now) {
            Ok(buried) => buried,
            Err(problem) => {
                self.unsettled = Some(answer);
                return Ok(self.failed(&problem, None, now));
            }
        };
        let refused: BTreeSet<u64> = answer.refused.iter().map(|refused| refused.number).collect();
        let settled = self.queue.settle(answer.settled, &refused) as u64;
        if settled > 0 {
            self.position.next = self.reached();
            self.position.resume = answer.resume.or(self.position.resume.take());
            let count = buried.as_ref().map_or(0, |buried| buried.count);
            self.position.delivered += settled - count;
            let alerts = self.alerts(buried, now);
            self.save(&alerts)?;
            self.tell(settled - count, None);
        }
        Ok(match answer.next {
            Next::Go if settled == 0 => {
                let what = "the sink says neither what it took nor what is in its way".to_owned();
                self.failed(&Problem { what, hint: None }, None, now)
            }
            Next::Go => {
                self.works(now);
                Onward::Go
            }
            Next::Wait { at_least, .. } if settled > 0 => {
                self.works(now);
                Onward::Wait(self.pace.retry.wait(1, at_least, chance()))
            }
            Next::Wait { at_least, why } => self.failed(&why, at_least, now),
            Next::Stop(why) => {
                self.failed(&why, None, now);
                Onward::Stopped
            }
        })
    }

    /// Puts what is refused for good into the dead-letter file.
    fn bury(&mut self, refused: &[Refused], now: UnixMillis) -> Result<Option<Buried>, Problem> {
        let letter = |refused: &'_ Refused| Some((self.queue.tried(refused.number)?, refused.reason.clone()));
        let letters: Vec<(&T::Load, String)> = refused.iter().filter_map(letter).collect();
        match letters.is_empty() {
            true => Ok(None),
            false => self.target.bury(&letters, self.position.next, now).map(Some),
        }
    }

    /// What is to be told of the attempt: of each matter one alert a day, for the next one would have the same id.
    fn alerts(&mut self, buried: Option<Buried>, now: UnixMillis) -> Vec<Record> {
        let (today, lost) = (now.seconds().0 / DAY_S, &mut self.position.lost);
        let mut alerts: Vec<Alert> = Vec::new();
        if let Some(Buried { count, id, reason, file }) = buried {
            lost.refused += count;
            self.metrics.refused.inc_by(count);
            lost.unalerted += count;
            tracing::warn!(sink = self.name, count, id, reason, file, "records were refused for good");
            if lost.refused_alert != Some(today) {
                let (new, all) = (std::mem::take(&mut lost.unalerted), lost.refused);
                alerts.push(builtin::records_refused(self.name, new, all, (&id, &reason), &file, now));
                lost.refused_alert = Some(today);
            }
        }
        if let Some(removed) = self.target.removed() {
            self.metrics.removed_unread.inc_by(removed.files);
            if lost.removed_alert != Some(today) {
                let (files, bytes, age_s) = (removed.files, removed.bytes, removed.age_s);
                alerts.push(builtin::lines_removed(self.name, files, bytes, age_s, removed.limit_bytes, now));
                lost.removed_alert = Some(today);
            }
        }
        for alert in &alerts {
            let (rule, severity) = (&alert.rule, alert.severity.name());
            tracing::warn!(rule, severity, uid = alert.uid, title = alert.title, "alert");
        }
        alerts.into_iter().map(|alert| Record::Alert(Box::new(alert))).collect()
    }

    fn save(&self, alerts: &[Record]) -> Result<()> {
        self.at.store.commit_attempt(self.name, &self.position, alerts)?;
        if !alerts.is_empty() {
            self.at.bells.deliver.ring();
        }
        Ok(())
    }

    fn works(&mut self, now: UnixMillis) {
        if self.failures > 0 {
            tracing::info!(sink = self.name, tries = self.failures + 1, "delivery works again");
        }
        self.failures = 0;
        self.reminders.due(now, None);
    }

    fn failed(&mut self, why: &Problem, at_least: Option<Duration>, now: UnixMillis) -> Onward {
        let error = why.to_string();
        if self.failures == 0 {
            tracing::error!(sink = self.name, error, "delivery failed; will try again");
        }
        for (_, lasts) in self.reminders.due(now, Some(self.name.to_owned())) {
            tracing::error!(sink = self.name, error, lasts, "delivery still fails; it is tried again and again");
        }
        self.metrics.failed_attempts.inc();
        self.tell(0, Some(error));
        self.failures = self.failures.saturating_add(1);
        Onward::Wait(self.pace.retry.wait(self.failures, at_least, chance()))
    }

    fn tell(&self, delivered: u64, error: Option<String>) {
        let behind = self.at.store.next_record().saturating_sub(self.position.next);
        self.metrics.delivered.inc_by(delivered);
        self.metrics.set_behind(behind);
        self.at.board.metrics.set_backlog(self.at.store.backlog());
        self.at.board.update(|status| {
            let sink = status.sinks.entry(self.name.to_owned()).or_default();
            sink.is_behind(behind, self.at.clock.now());
            sink.error = error;
        });
    }

    /// A sign of life that holds for so long beyond the usual patience.
    fn heard(&self, doing: &str, how_long: Duration) {
        self.at.board.heard(&stage(self.name), doing, PATIENCE + how_long, self.at.clock.now());
    }

    /// Some minutes; whoever ends doesn't wait.
    fn wait_for_a_person(&self, ending: &Ending) {
        let (bell, began) = (&self.at.bells.deliver, self.at.clock.now());
        while !self.at.bells.is_leaving() {
            let rung = bell.count();
            let left = STOPPED.saturating_sub(Duration::from_millis(self.at.clock.now().since(began)));
            if left.is_zero() || ending.detected.load(Ordering::Acquire) {
                return;
            }
            bell.wait(rung, left);
        }
    }
}

#[cfg(test)]
mod tests;
