//! A record: one thing on its way to the sinks, an event or an alert, and what it looks like outside.
//!
//! What is stored is the source, not the rendering: the raw entry and how it was first seen, the alert with all that is known of it. A record therefore renders
//! to the same bytes whenever it is tried again, and what a sink's `max_line` cuts from it is still there.

use anyhow::{Context, Result, bail};
use gridwatch_event::entry::Entry;
use gridwatch_event::event::{Event, Sight};
use gridwatch_event::org::OrgId;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_rules::alert::Alert;
use gridwatch_rules::audit::Audited;
use gridwatch_rules::monitor::Heartbeat;
use gridwatch_views::{Product, RawData, View};
use std::sync::{Arc, LazyLock};

/// Whose heartbeats and deeds are.
static NOBODY: LazyLock<OrgId> = LazyLock::new(OrgId::default);

/// What an alert takes of memory, about: some 8 KB as JSON (measured on generated orgs).
const ALERT_BYTES: usize = 16 << 10;

pub const PRODUCT: Product<'static> = Product { version: env!("CARGO_PKG_VERSION") };

/// How much longer than its entry an event's line is with the copy of it, about: three to four times.
const LINE_TIMES: usize = 4;

/// What records look like where they go: in a view, in at most so many bytes with the line feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    pub view: View,
    pub raw_data: RawData,
    pub max_line: usize,
}

/// A record as it looks outside, and what it takes to tell it from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Stable: the same record has it whenever it is rendered, and no other one has it. Slack's id of an entry, with the number
    /// of a later version; [`Alert::record_id`] of an alert.
    pub id: String,
    /// Event time; of an alert, when gridwatch first saw what made this record of it.
    pub time: UnixMillis,
    /// JSON without a line feed.
    pub line: Vec<u8>,
}

#[derive(Clone, Debug)]
pub enum Record {
    Event {
        org: OrgId,
        seq: u64,
        sight: Sight,
        organization: Option<Arc<str>>,
        raw: String,
    },
    Alert(Box<Alert>),
    /// What gridwatch says of itself at an interval.
    Heartbeat(Box<Heartbeat>),
    /// What somebody did to gridwatch itself.
    Audited(Box<Audited>),
}

impl Record {
    /// What it takes of memory, about.
    pub fn weight(&self) -> usize {
        match self {
            Self::Event { raw, .. } => raw.len(),
            Self::Alert(_) | Self::Heartbeat(_) | Self::Audited(_) => ALERT_BYTES,
        }
    }

    /// Whose it is. What gridwatch says of itself is nobody's, and goes by the only organization's id.
    pub fn org(&self) -> &OrgId {
        match self {
            Self::Event { org, .. } => org,
            Self::Alert(alert) => &alert.org,
            Self::Heartbeat(_) | Self::Audited(_) => &NOBODY,
        }
    }

    pub fn render(&self, Form { view, raw_data, max_line }: Form) -> Rendered {
        match self {
            Self::Event { org, seq, sight, organization, raw } => {
                let event = Event::seen(*seq, *sight, &Entry::from_json(raw));
                let event = event.in_organization(organization.clone()).of_org(org.clone());
                let mut line = Vec::with_capacity(LINE_TIMES * raw.len());
                view.write_event(&event, &PRODUCT, raw_data, max_line, &mut line);
                let own = match sight.version {
                    1 => event.id().to_owned(),
                    version => format!("{}:version-{version}", event.id()),
                };
                // Organizations that have names may see the same ids, and are told apart where a receiver knows a record by it.
                let id = org.name().map_or(own.clone(), |name| format!("{name}:{own}"));
                Rendered { id, time: event.time.millis(), line }
            }
            Self::Alert(alert) => {
                let line = view.alert_line_within(alert, &PRODUCT, max_line).into_bytes();
                Rendered { id: alert.record_id(), time: alert.seen, line }
            }
            Self::Heartbeat(beat) => {
                let line = view.heartbeat_line_within(beat, &PRODUCT, max_line).into_bytes();
                Rendered { id: beat.record_id(), time: beat.at, line }
            }
            Self::Audited(audited) => {
                let line = view.audit_line_within(audited, &PRODUCT, max_line).into_bytes();
                Rendered { id: audited.record_id(), time: audited.deed.at, line }
            }
        }
    }

    /// As layout 4 of the store had it in the outbox.
    #[cfg(test)]
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        Ok(match self {
            Self::Event { org, seq, sight, organization, raw } => {
                let (name, name_length) = fitting(org.name().unwrap_or_default());
                let (organization, length) = fitting(organization.as_deref().unwrap_or_default());
                let named: [&[u8]; 3] = if org.is_unnamed() { [&[], &[], &[]] } else { [b"N", &[name_length], name] };
                let parts: [&[u8]; 6] =
                    [b"E", &seq.to_be_bytes(), &sight_bytes(*sight), &[length], organization, raw.as_bytes()];
                [named.concat(), parts.concat()].concat()
            }
            Self::Alert(alert) => {
                [&b"a"[..], &serde_json::to_vec(alert).context("an alert can't be written")?].concat()
            }
            Self::Heartbeat(_) | Self::Audited(_) => bail!("layout 4 knows no such record"),
        })
    }

    /// As layouts of the store up to 4 had it in the outbox.
    ///
    /// # Errors
    /// They are no row of the outbox.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        match bytes.split_first() {
            // Of an organization that has a name, before what is saved of any.
            Some((b'N', rest)) => {
                let (length, rest) = rest.split_first().context("an outbox row is too short")?;
                let (name, rest) = rest.split_at_checked((*length).into()).context("an outbox row is too short")?;
                let named = OrgId::named(&String::from_utf8_lossy(name)).context("an outbox row")?;
                match Self::from_bytes(rest)? {
                    Self::Event { seq, sight, organization, raw, .. } => {
                        Ok(Self::Event { org: named, seq, sight, organization, raw })
                    }
                    other @ (Self::Alert(_) | Self::Heartbeat(_) | Self::Audited(_)) => Ok(other),
                }
            }
            Some((b'E', rest)) => {
                let (seq, rest) = rest.split_first_chunk::<8>().context("an outbox row is too short")?;
                let (sight, rest) = sight_of(rest).context("an outbox row is too short")?;
                let (length, rest) = rest.split_first().context("an outbox row is too short")?;
                let (organization, raw) =
                    rest.split_at_checked((*length).into()).context("an outbox row is too short")?;
                let organization = Some(organization).filter(|id| !id.is_empty());
                let organization = organization.map(|id| Arc::from(&*String::from_utf8_lossy(id)));
                let raw = String::from_utf8_lossy(raw).into_owned();
                Ok(Self::Event { org: OrgId::default(), seq: u64::from_be_bytes(*seq), sight, organization, raw })
            }
            // As layout 2 of the store wrote it.
            Some((b'e', rest)) => {
                let (seq, rest) = rest.split_first_chunk::<8>().context("an outbox row is too short")?;
                let (seen, raw) = rest.split_first_chunk::<8>().context("an outbox row is too short")?;
                Ok(Self::Event {
                    org: OrgId::default(),
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
#[cfg(test)]
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
        for (org, sight) in [
            ("", first),
            ("acme", Sight { counts_as: Some(UnixSeconds(1_794_000_000)), ..first }),
            ("", Sight { version: 3, other_act: true, ..first }),
        ] {
            let org = OrgId::named(org).unwrap_or_default();
            let organization = Some("E1".into());
            let record = Record::Event { org: org.clone(), seq: 7, sight, organization, raw: r#"{"id":"a"}"#.into() };
            let Ok(Record::Event { org: whose, seq, sight: back, organization, raw }) =
                Record::from_bytes(&record.to_bytes().unwrap())
            else {
                panic!()
            };
            assert_eq!((whose, organization.as_deref()), (org, Some("E1")));
            assert_eq!((seq, back, raw.as_str()), (7, sight, r#"{"id":"a"}"#));
        }
        let later = Sight { version: 3, ..first };
        let form = Form { view: View::Raw, raw_data: RawData::Include, max_line: 16 << 10 };
        let id = |sight| {
            Record::Event { org: OrgId::default(), seq: 7, sight, organization: None, raw: r#"{"id":"a"}"#.into() }
                .render(form)
                .id
        };
        assert_eq!((id(first), id(later)), ("a".to_owned(), "a:version-3".to_owned()), "neither replaces the other");
        let old = [&b"e"[..], &7_u64.to_be_bytes(), &1_794_000_000_123_u64.to_be_bytes(), b"{}"].concat();
        let Ok(Record::Event { seq: 7, sight, raw, .. }) = Record::from_bytes(&old) else { panic!() };
        assert_eq!((sight, raw.as_str()), (first, "{}"));
    }
}
