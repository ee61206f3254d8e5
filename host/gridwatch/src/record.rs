//! A record: one thing on its way to the sinks, an event or an alert, and what it looks like outside.
//!
//! What is stored is the source, not the rendering: the raw entry and when it was first seen. A record therefore renders
//! to the same bytes whenever it is tried again, and what a sink's `max_line` cuts from it is still there.

use anyhow::{Context, Result, bail};
use gridwatch_core::alert::Alert;
use gridwatch_core::entry::Entry;
use gridwatch_core::event::Event;
use gridwatch_core::time::UnixMillis;
use gridwatch_core::view::{Product, RawData, View};

pub const PRODUCT: Product<'static> = Product { version: env!("CARGO_PKG_VERSION") };

/// What a sink's records look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    pub view: View,
    pub raw_data: RawData,
    /// Bytes, with the line feed.
    pub max_line: usize,
}

#[derive(Clone, Debug)]
pub enum Record {
    Event { seq: u64, first_seen: UnixMillis, raw: String },
    Alert(Box<Alert>),
}

impl Record {
    pub fn of_event(event: &Event) -> Self {
        Self::Event { seq: event.seq, first_seen: event.first_seen, raw: event.raw().to_owned() }
    }

    /// One line of output, without the line feed.
    pub fn line(&self, form: Form) -> String {
        let Form { view, raw_data, max_line } = form;
        match self {
            Self::Event { seq, first_seen, raw } => {
                let event = Event::new(*seq, *first_seen, &Entry::from_json(raw));
                view.event_line_within(&event, &PRODUCT, raw_data, max_line)
            }
            Self::Alert(alert) => view.alert_line_within(alert, &PRODUCT, max_line),
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Event { seq, first_seen, raw } => {
                [&b"e"[..], &seq.to_be_bytes(), &first_seen.0.to_be_bytes(), raw.as_bytes()].concat()
            }
            Self::Alert(alert) => [&b"a"[..], &serde_json::to_vec(alert).unwrap_or_default()].concat(),
        }
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        match bytes.split_first() {
            Some((b'e', rest)) => {
                let (seq, rest) = rest.split_first_chunk::<8>().context("an outbox row is too short")?;
                let (seen, raw) = rest.split_first_chunk::<8>().context("an outbox row is too short")?;
                Ok(Self::Event {
                    seq: u64::from_be_bytes(*seq),
                    first_seen: UnixMillis(u64::from_be_bytes(*seen)),
                    raw: String::from_utf8_lossy(raw).into_owned(),
                })
            }
            Some((b'a', rest)) => Ok(Self::Alert(serde_json::from_slice(rest).context("an alert in the outbox")?)),
            _ => bail!("an outbox row of unknown kind"),
        }
    }
}
