//! Where records go: to a sink, in the form that it wants.

use crate::config::Include;
use crate::record::{Form, Record};
use crate::sink::batch::Load;
use crate::sink::dead_letter::{DeadLetters, Letter};
use crate::sink::render::Renderer;
use crate::sink::{Answer, Delivery, Pace, Problem, Removed, Sink};
use crate::store::Kinds;
use gridwatch_event::time::UnixMillis;
use std::sync::Arc;

pub trait Target: Send {
    /// What it gets of a record.
    type Load: Load;

    fn pace(&self) -> Pace;

    /// Kinds of records that it may want.
    fn kinds(&self) -> Kinds;

    /// `None`: it doesn't want this record.
    fn load(&self, number: u64, record: &Record) -> Option<Self::Load>;

    /// Tries to hand over a batch, which is never empty: see [`Sink::send`].
    fn attempt(&mut self, batch: &[Self::Load], now: UnixMillis) -> Answer;

    /// Keeps what is refused for good, each with its reason. `from` is the saved position.
    fn bury(&mut self, refused: &[(&Self::Load, String)], from: u64, now: UnixMillis) -> Result<Buried, Problem>;

    fn removed(&mut self) -> Option<Removed>;

    /// See [`Sink::held`].
    fn held(&mut self) -> Option<u64> {
        None
    }

    /// See [`Sink::finish`].
    fn finish(&mut self) {}
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

    fn kinds(&self) -> Kinds {
        let Include { events, alerts, suppressed, .. } = self.include;
        Kinds { events, alerts: alerts || suppressed }
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

    fn held(&mut self) -> Option<u64> {
        self.sink.held()
    }

    fn finish(&mut self) {
        self.sink.finish();
    }
}
