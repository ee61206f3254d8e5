//! Where records go: to a sink in the form that it wants, or to the archive.

use crate::archive::{Archive, ArchiveRecord};
use crate::config::Include;
use crate::record::{Form, Record};
use crate::sink::batch::{Limits, Load};
use crate::sink::dead_letter::{DeadLetters, Letter};
use crate::sink::render::Renderer;
use crate::sink::retry::Backoff;
use crate::sink::{Answer, Delivery, Pace, Problem, Removed, Sink};
use gridwatch_event::org::OrgId;
use gridwatch_event::time::UnixMillis;
use std::sync::Arc;
use std::time::Duration;

pub trait Target: Send {
    /// What it gets of a record.
    type Load: Load;

    fn pace(&self) -> Pace;

    /// `None`: it doesn't want this record.
    fn load(&self, number: u64, record: &Record) -> Option<Self::Load>;

    /// Tries to hand over a batch, which is never empty: see [`Sink::send`].
    fn attempt(&mut self, batch: &[Self::Load], now: UnixMillis) -> Answer;

    /// Keeps what is refused for good, each with its reason. `from` is the saved position.
    fn bury(&mut self, refused: &[(&Self::Load, String)], from: u64, now: UnixMillis) -> Result<Buried, Problem>;

    fn removed(&mut self) -> Option<Removed>;
}

/// What became of refused records.
#[derive(Debug)]
pub struct Buried {
    pub count: u64,
    /// Of the last of them.
    pub id: String,
    pub reason: String,
    /// Where they are now.
    pub file: String,
}

/// A target of one kind or the other.
pub enum Anywhere {
    Sink(ForSink),
    Archive(ForArchive),
}

pub struct ForSink {
    pub sink: Box<dyn Sink>,
    pub pace: Pace,
    pub form: Form,
    pub include: Include,
    pub renderer: Arc<Renderer>,
    pub dead: DeadLetters,
}

impl Target for ForSink {
    type Load = Delivery;

    fn pace(&self) -> Pace {
        self.pace
    }

    fn load(&self, number: u64, record: &Record) -> Option<Delivery> {
        self.include.takes(record).then(|| self.renderer.delivery(number, record, self.form))
    }

    fn attempt(&mut self, batch: &[Delivery], _: UnixMillis) -> Answer {
        self.sink.send(batch, self.pace.timeout)
    }

    fn bury(&mut self, refused: &[(&Delivery, String)], from: u64, now: UnixMillis) -> Result<Buried, Problem> {
        let letters: Vec<Letter<'_>> = refused.iter().map(|(delivery, reason)| Letter { delivery, reason }).collect();
        self.dead.bury(&letters, from, now)?;
        let last = letters.last();
        Ok(Buried {
            count: letters.len() as u64,
            id: last.map(|letter| letter.delivery.id.to_string()).unwrap_or_default(),
            reason: last.map(|letter| letter.reason.to_owned()).unwrap_or_default(),
            file: self.dead.path().display().to_string(),
        })
    }

    fn removed(&mut self) -> Option<Removed> {
        self.sink.removed()
    }
}

impl Include {
    fn takes(&self, record: &Record) -> bool {
        if self.orgs.as_ref().is_some_and(|orgs| !orgs.contains(record.org())) {
            return false;
        }
        match record {
            Record::Event { .. } => self.events,
            Record::Alert(alert) if alert.suppressed_by.is_some() => self.suppressed,
            Record::Alert(_) => self.alerts,
        }
    }
}

/// The archive of one organization.
pub struct ForArchive {
    pub archive: Archive,
    pub keep_s: u64,
    pub org: OrgId,
}

/// A record of the archive with its number in the outbox.
pub struct Archived(u64, ArchiveRecord);

impl Load for Archived {
    fn number(&self) -> u64 {
        self.0
    }

    fn bytes(&self) -> usize {
        self.1.raw.len()
    }
}

impl Target for ForArchive {
    type Load = Archived;

    fn pace(&self) -> Pace {
        Pace {
            batch: Limits { records: 1_000, bytes: 4 << 20, age: Duration::ZERO },
            retry: Backoff { first: Duration::from_millis(400), most: Duration::from_secs(15) },
            timeout: Duration::from_secs(60),
        }
    }

    fn load(&self, number: u64, record: &Record) -> Option<Archived> {
        match record {
            Record::Event { org, seq, sight, raw, .. } if *org == self.org => {
                Some(Archived(number, ArchiveRecord { seq: *seq, sight: *sight, raw: raw.as_str().into() }))
            }
            Record::Event { .. } | Record::Alert(_) => None,
        }
    }

    fn attempt(&mut self, batch: &[Archived], now: UnixMillis) -> Answer {
        let records: Vec<ArchiveRecord> = batch.iter().map(|Archived(_, record)| record.clone()).collect();
        let archived = self.archive.append(&records);
        let pruned = archived.and_then(|_| self.archive.prune(now.seconds().minus(self.keep_s)));
        match (pruned, batch.last()) {
            (Ok(_), last) => Answer::settled(last.map_or(0, |Archived(number, _)| number + 1)),
            (Err(error), _) => Answer::wait(0, None, Problem::of(&error, error.hint())),
        }
    }

    /// It never refuses any.
    fn bury(&mut self, _: &[(&Archived, String)], _: u64, _: UnixMillis) -> Result<Buried, Problem> {
        Err(Problem { what: "the archive has no dead letters".to_owned(), hint: None })
    }

    fn removed(&mut self) -> Option<Removed> {
        None
    }
}
