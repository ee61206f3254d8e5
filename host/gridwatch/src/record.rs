//! A record: one thing on its way to the sinks, an event or an alert, and what it looks like outside.
//!
//! What is stored is the source, not the rendering: the raw entry and how it was first seen. A record therefore renders
//! to the same bytes whenever it is tried again, and what a sink's `max_line` cuts from it is still there.

use anyhow::{Context, Result, bail};
use gridwatch_event::entry::Entry;
use gridwatch_event::event::{Event, Sight};
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_rules::alert::Alert;
use gridwatch_views::{Product, RawData, View};
use std::sync::Arc;

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
    Event { seq: u64, sight: Sight, organization: Option<Arc<str>>, raw: String },
    Alert(Box<Alert>),
}

impl Record {
    pub fn of_event(event: &Event) -> Self {
        let organization = event.organization().map(Arc::from);
        Self::Event { seq: event.seq, sight: event.sight(), organization, raw: event.raw().to_owned() }
    }

    /// One line of output, without the line feed.
    pub fn line(&self, form: Form) -> String {
        let Form { view, raw_data, max_line } = form;
        match self {
            Self::Event { seq, sight, organization, raw } => {
                let event = Event::seen(*seq, *sight, &Entry::from_json(raw)).in_organization(organization.clone());
                view.event_line_within(&event, &PRODUCT, raw_data, max_line)
            }
            Self::Alert(alert) => view.alert_line_within(alert, &PRODUCT, max_line),
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Event { seq, sight, organization, raw } => {
                let (organization, length) = fitting(organization.as_deref().unwrap_or_default());
                let parts: [&[u8]; 6] =
                    [b"E", &seq.to_be_bytes(), &sight_bytes(*sight), &[length], organization, raw.as_bytes()];
                parts.concat()
            }
            Self::Alert(alert) => [&b"a"[..], &serde_json::to_vec(alert).unwrap_or_default()].concat(),
        }
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        match bytes.split_first() {
            Some((b'E', rest)) => {
                let (seq, rest) = rest.split_first_chunk::<8>().context("an outbox row is too short")?;
                let (sight, rest) = sight_of(rest).context("an outbox row is too short")?;
                let (length, rest) = rest.split_first().context("an outbox row is too short")?;
                let (organization, raw) =
                    rest.split_at_checked((*length).into()).context("an outbox row is too short")?;
                let organization = Some(organization).filter(|id| !id.is_empty());
                let organization = organization.map(|id| Arc::from(&*String::from_utf8_lossy(id)));
                let raw = String::from_utf8_lossy(raw).into_owned();
                Ok(Self::Event { seq: u64::from_be_bytes(*seq), sight, organization, raw })
            }
            // As layout 2 of the store wrote it.
            Some((b'e', rest)) => {
                let (seq, rest) = rest.split_first_chunk::<8>().context("an outbox row is too short")?;
                let (seen, raw) = rest.split_first_chunk::<8>().context("an outbox row is too short")?;
                Ok(Self::Event {
                    seq: u64::from_be_bytes(*seq),
                    sight: Sight::first(UnixMillis(u64::from_be_bytes(*seen))),
                    organization: None,
                    raw: String::from_utf8_lossy(raw).into_owned(),
                })
            }
            Some((b'a', rest)) => Ok(Self::Alert(serde_json::from_slice(rest).context("an alert in the outbox")?)),
            _ => bail!("an outbox row of unknown kind"),
        }
    }
}

/// An id's bytes with their number; one that is too long for it is none of Slack's.
fn fitting(id: &str) -> (&[u8], u8) {
    u8::try_from(id.len()).map_or((&[], 0), |length| (id.as_bytes(), length))
}

const SIGHT_BYTES: usize = 21;
const OTHER_ACT: u8 = 1;
const COUNTS_AS: u8 = 2;

/// First seen (8), version (4), what of the rest there is (1), the time it counts as of (8).
pub fn sight_bytes(sight: Sight) -> [u8; SIGHT_BYTES] {
    let flags = if sight.other_act { OTHER_ACT } else { 0 } | if sight.counts_as.is_some() { COUNTS_AS } else { 0 };
    let mut bytes = [0; SIGHT_BYTES];
    bytes[..8].copy_from_slice(&sight.first_seen.0.to_be_bytes());
    bytes[8..12].copy_from_slice(&sight.version.to_be_bytes());
    bytes[12] = flags;
    bytes[13..].copy_from_slice(&sight.counts_as.unwrap_or_default().0.to_be_bytes());
    bytes
}

/// The same back, with the bytes after it.
pub fn sight_of(bytes: &[u8]) -> Option<(Sight, &[u8])> {
    let (first_seen, rest) = bytes.split_first_chunk::<8>()?;
    let (version, rest) = rest.split_first_chunk::<4>()?;
    let (flags, rest) = rest.split_first()?;
    let (counts_as, rest) = rest.split_first_chunk::<8>()?;
    let sight = Sight {
        first_seen: UnixMillis(u64::from_be_bytes(*first_seen)),
        counts_as: (flags & COUNTS_AS != 0).then_some(UnixSeconds(u64::from_be_bytes(*counts_as))),
        version: u32::from_be_bytes(*version),
        other_act: flags & OTHER_ACT != 0,
    };
    Some((sight, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_comes_back_as_it_was_seen() {
        let first = Sight::first(UnixMillis(1_794_000_000_123));
        for sight in [
            first,
            Sight { counts_as: Some(UnixSeconds(1_794_000_000)), ..first },
            Sight { version: 3, other_act: true, ..first },
        ] {
            let organization = Some("E1".into());
            let record = Record::Event { seq: 7, sight, organization, raw: r#"{"id":"a"}"#.into() };
            let Ok(Record::Event { seq, sight: back, organization, raw }) = Record::from_bytes(&record.to_bytes())
            else {
                panic!()
            };
            assert_eq!(organization.as_deref(), Some("E1"));
            assert_eq!((seq, back, raw.as_str()), (7, sight, r#"{"id":"a"}"#));
        }
        let old = [&b"e"[..], &7_u64.to_be_bytes(), &1_794_000_000_123_u64.to_be_bytes(), b"{}"].concat();
        let Ok(Record::Event { seq: 7, sight, raw, .. }) = Record::from_bytes(&old) else { panic!() };
        assert_eq!((sight, raw.as_str()), (first, "{}"));
    }
}
