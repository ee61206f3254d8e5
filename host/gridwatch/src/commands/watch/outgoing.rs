//! What the watcher tells, on its way to its sinks: a small queue for each, that waits for as long as one fails.

use crate::clock::Clock;
use crate::config::Sink;
use crate::record::{Form, Record};
use crate::sink::{self, Delivery, Kind, Next};
use anyhow::{Context, Result};
use gridwatch_event::time::UnixMillis;
use gridwatch_rules::alert::Alert;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};

/// Alerts kept for a sink that fails; of more the oldest go.
const MAX_WAITING: usize = 1_000;
/// How soon a sink that fails is tried again.
const RETRY_MS: u64 = 5_000;

/// What outlasts a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Waiting {
    next: u64,
    sinks: BTreeMap<String, Queue>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Queue {
    waiting: VecDeque<(u64, Box<Alert>)>,
    resume: Option<Value>,
}

impl Waiting {
    pub fn add(&mut self, alert: Alert, sinks: &[Sink]) {
        self.next += 1;
        for sink in sinks.iter().filter(|sink| sink.include.alerts) {
            let queue = self.sinks.entry(sink.name.clone()).or_default();
            queue.waiting.push_back((self.next, Box::new(alert.clone())));
            if queue.waiting.len() > MAX_WAITING {
                queue.waiting.pop_front();
                tracing::error!(sink = sink.name, "more alerts wait than are kept; the oldest is dropped");
            }
        }
    }
}

pub struct Outgoing<'c> {
    sinks: Vec<(&'c Sink, Box<dyn sink::Sink>, Option<(UnixMillis, String)>)>,
}

impl<'c> Outgoing<'c> {
    /// # Errors
    /// A sink can't be opened.
    pub fn open(sinks: &'c [Sink], waiting: &Waiting, clock: Clock) -> Result<Self> {
        let open = |sink: &'c Sink| {
            let resume = waiting.sinks.get(&sink.name).and_then(|queue| queue.resume.as_ref());
            let opened = sink.setup.open(resume, clock).with_context(|| format!("sink `{}`", sink.name))?;
            Ok((sink, opened, None))
        };
        Ok(Self { sinks: sinks.iter().map(open).collect::<Result<_>>()? })
    }

    /// Hands over what waits. Has anything changed?
    pub fn deliver(&mut self, waiting: &mut Waiting, now: UnixMillis) -> bool {
        let mut has_changed = false;
        for (sink, opened, failed) in &mut self.sinks {
            let Some(queue) = waiting.sinks.get_mut(&sink.name) else { continue };
            if failed.as_ref().is_some_and(|(at, _)| now.since(*at) < RETRY_MS && *at <= now) {
                continue;
            }
            // One at a time: there are few, and each may be refused.
            while let Some((number, alert)) = queue.waiting.front() {
                let (number, record) = (*number, Record::Alert(alert.clone()));
                let form = Form { view: sink.view, raw_data: sink.raw_data, max_line: sink.max_line };
                let rendered = record.render(form);
                let delivery = Delivery {
                    number,
                    id: rendered.id.into(),
                    kind: Kind::Alert,
                    time: rendered.time,
                    bytes: rendered.line.into(),
                };
                let answer = opened.send(&[delivery], sink.setup.pace().timeout);
                if answer.settled > number {
                    for refused in &answer.refused {
                        tracing::error!(sink = sink.name, reason = refused.reason, "an alert was refused for good");
                    }
                    queue.resume = answer.resume.or(queue.resume.take());
                    queue.waiting.pop_front();
                    (has_changed, *failed) = (true, None);
                    continue;
                }
                let why = match answer.next {
                    Next::Wait { why, .. } | Next::Stop(why) => why.to_string(),
                    Next::Go => "the sink took nothing".to_owned(),
                };
                if failed.is_none() {
                    tracing::error!(sink = sink.name, why, "delivery failed; will try again");
                }
                *failed = Some((now, why));
                break;
            }
        }
        has_changed
    }

    /// Which sink fails, and why.
    pub fn failing(&self) -> Option<String> {
        self.sinks.iter().find_map(|(sink, _, failed)| {
            failed.as_ref().map(|(_, why)| format!("sink `{}` of the watcher fails: {why}", sink.name))
        })
    }
}
