//! A sink: where finished records go. This is the contract between the delivery loop and all kinds of sinks.
//!
//! 1. The loop hands a [`Sink`] a batch of [`Delivery`]s in the order of their numbers and gets an [`Answer`]: up to which number
//!    all is settled, which records are refused for good, and how to go on.
//! 2. What is settled outlasts a power cut, as far as the sink can know. The loop writes refused records to the sink's
//!    [dead-letter file](dead_letter), then saves the position with the sink's `resume`, then goes on.
//! 3. After a crash the sink is opened with the last saved `resume` and gets everything again that comes after it. A sink that
//!    can look back finds what it already has; one that can't is asked for the same record under the same [id](Delivery::id).
//!
//! What a receiver never acknowledges is settled when it is written; the saved position stays behind it as long as the sink holds it
//! ([`Sink::held`]), so that a death of ours sends it again.
//!
//! Numbers only rise, and have gaps where a sink doesn't want a record. Between two attempts nothing torn is left.
//!
//! A type of sink is a folder here and a line in [`TYPES`]: its part of the configuration ([`Setup`]), how it sends ([`Sink`]), its
//! pace and its health check. It doesn't render, queue, wait, retry or keep dead letters: the loop does, alike for all.

pub mod batch;
pub mod dead_letter;
pub mod elasticsearch;
pub mod file;
pub mod http;
pub mod message;
pub mod pagerduty;
pub mod render;
pub mod retry;
pub mod route;
pub mod slack_webhook;
pub mod splunk_hec;
pub mod stdout;
pub mod syslog;
pub mod web;
pub mod webhook;

use crate::clock::Clock;
use crate::reader::{Edge, Section};
use anyhow::Result;
use gridwatch_event::time::UnixMillis;
use gridwatch_views::{DEFAULT_MAX_BYTES, View};
use serde_json::Value;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Every type of sink there is, in the order in which help and errors name them.
pub const TYPES: [Type; 9] = [
    stdout::TYPE,
    file::TYPE,
    http::TYPE,
    elasticsearch::TYPE,
    splunk_hec::TYPE,
    syslog::TYPE,
    slack_webhook::TYPE,
    pagerduty::TYPE,
    webhook::TYPE,
];

/// A type of sink, as `type` in a `[[sink]]` section names it.
#[derive(Clone, Copy, Debug)]
pub struct Type {
    pub name: &'static str,
    /// The keys of the section that not all sinks have.
    pub keys: &'static [&'static [&'static str]],
    /// Reads those keys. `None` only after a problem was noted.
    pub configure: fn(&mut Section<'_>, &Edge<'_>) -> Option<Arc<dyn Setup>>,
    /// In which views it can take records; where the configuration says nothing, in the first.
    pub views: &'static [View],
    pub takes: Takes,
    /// Longest record, in bytes, where the configuration says nothing.
    pub max_line: usize,
}

/// What a type of sink is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// All records, and where the configuration says nothing, events and alerts.
    Everything,
    /// Messages for people: alerts, and of these what is news.
    Messages,
}

impl Type {
    /// What most types are like.
    pub const USUAL: Self = Self {
        name: "",
        keys: &[],
        configure: |_, _| None,
        views: &View::ALL,
        takes: Takes::Everything,
        max_line: DEFAULT_MAX_BYTES,
    };

    pub fn has_key(&self, key: &str) -> bool {
        self.keys.iter().any(|keys| keys.contains(&key))
    }
}

/// A configured sink that nobody has opened yet. Its `Debug` shows all of its settings and no secret: two that show the same are
/// the same.
pub trait Setup: fmt::Debug + Send + Sync {
    /// Where records go, in a few words for a log: a path, an address.
    fn place(&self) -> String;

    fn pace(&self) -> Pace;

    /// Opens it where the last saved `resume` left off; `None` for a sink that has delivered nothing yet.
    fn open(&self, resume: Option<&Value>, clock: Clock) -> Result<Box<dyn Sink>>;

    /// Could it take records now? Says what was tried. Leaves nothing behind, and works beside a gridwatch that is running.
    fn check(&self, clock: Clock) -> Result<String, Problem>;

    /// Puts in place what its receiver needs before the first record, and says what it did; `None` where nothing is needed.
    fn prepare(&self, _clock: Clock) -> Option<Result<Vec<String>, Problem>> {
        None
    }

    /// The file that it alone may write to, if it writes to one.
    fn file(&self) -> Option<&Path> {
        None
    }

    /// How much of what it delivered it keeps for whoever reads it there, before the oldest is removed unread.
    fn keeps_bytes(&self) -> Option<u64> {
        None
    }
}

pub trait Sink: Send {
    /// Tries to hand over a batch, which is never empty. An attempt that speaks to another machine ends by itself within `timeout`.
    fn send(&mut self, batch: &[Delivery], timeout: Duration) -> Answer;

    /// Number of the first settled record that would have to be sent again after a death of ours. Asked after each attempt, and every
    /// now and then when nothing waits, which is when such a sink looks after what it holds.
    fn held(&mut self) -> Option<u64> {
        None
    }

    /// Everything is delivered, and nothing more will come.
    fn finish(&mut self) {}

    /// Delivered lines that were removed to make room, and may not have been read, since this was asked last.
    fn removed(&mut self) -> Option<Removed> {
        None
    }
}

/// One record on its way to one sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The record's own number in the outbox, the same for every sink.
    pub number: u64,
    /// Stable, and unlike that of any other record: what a receiver may tell by that it has the record already.
    pub id: Arc<str>,
    pub kind: Kind,
    /// Event time; of an alert, when gridwatch first saw what made this record of it.
    pub time: UnixMillis,
    /// JSON without a line feed, inside or at the end.
    pub bytes: Arc<[u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An entry of the audit log.
    Event,
    /// A record of an alert: its opening, a revision, or what else is said of it.
    Alert,
    /// gridwatch says that it is there.
    Heartbeat,
    /// What somebody did to gridwatch itself.
    Audit,
}

impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Alert => "alert",
            Self::Heartbeat => "heartbeat",
            Self::Audit => "audit",
        }
    }
}

/// How fast a type of sink is fed.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub batch: batch::Limits,
    pub retry: retry::Backoff,
    /// The longest that an attempt takes.
    pub timeout: Duration,
}

/// What came of an attempt.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Every record of the batch with a lower number is settled: the receiver has it, or it is refused for good.
    pub settled: u64,
    /// Records that the receiver will never take as they are. Those between and after them may be taken.
    pub refused: Vec<Refused>,
    /// What the sink needs to go on after a restart, if it needs anything.
    pub resume: Option<Value>,
    pub next: Next,
}

/// How to go on with what isn't settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// With the next batch, at once.
    Go,
    /// Try again after a while, and not before the receiver said to, if it did.
    Wait { at_least: Option<Duration>, why: Problem },
    /// Trying again won't help before a person has done something. It is still tried, seldom; nothing is skipped.
    Stop(Problem),
}

/// A record refused for good, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub number: u64,
    /// In the receiver's words, and bounded by the sink: they can quote the record.
    pub reason: String,
}

/// What is in the way, and what the reader can do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub what: String,
    pub hint: Option<&'static str>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match self.hint {
            Some(hint) => write!(f, " (hint: {hint})"),
            None => Ok(()),
        }
    }
}

impl Problem {
    /// An error with its cause.
    pub fn of(error: &dyn std::error::Error, hint: Option<&'static str>) -> Self {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        Self { what: format!("{error}{cause}"), hint }
    }
}

impl Answer {
    /// All with a lower number are taken, and the next batch may come.
    pub fn settled(below: u64) -> Self {
        Self { settled: below, refused: Vec::new(), resume: None, next: Next::Go }
    }

    /// Only those with a lower number are taken.
    pub fn wait(settled: u64, at_least: Option<Duration>, why: Problem) -> Self {
        Self { next: Next::Wait { at_least, why }, ..Self::settled(settled) }
    }

    /// Only those with a lower number are taken, and a person is needed.
    pub fn stop(settled: u64, why: Problem) -> Self {
        Self { next: Next::Stop(why), ..Self::settled(settled) }
    }

    pub fn resuming(self, resume: Option<Value>) -> Self {
        Self { resume, ..self }
    }
}

/// Files that had to go before their time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    pub files: u64,
    pub bytes: u64,
    /// Age of the youngest of them.
    pub age_s: u64,
    /// What the files of the sink may take together.
    pub limit_bytes: u64,
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// Deliveries of these texts with numbers from `first` on.
    pub(crate) fn deliveries(first: u64, lines: &[String]) -> Vec<Delivery> {
        (first..).zip(lines).map(|(number, line)| delivery(number, line)).collect()
    }

    pub(crate) fn delivery(number: u64, line: &str) -> Delivery {
        Delivery {
            number,
            id: format!("r{number}").into(),
            kind: Kind::Event,
            time: UnixMillis(number),
            bytes: line.as_bytes().into(),
        }
    }
}
