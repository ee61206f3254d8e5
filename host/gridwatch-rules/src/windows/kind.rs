//! The kinds of windows, a file each: what feeds a window of the kind, what its value is, which hits go when a key has too many,
//! and how it is saved.
//!
//! A new kind is a file here, a line in each `match` below, and a name in the manifest. [`super::slot`] knows none of them: it
//! keeps keys, bounds and the journal.

mod baseline;
mod count;
mod distinct;
mod seen;
mod sequence;
mod travel;

use super::hit::{Hit, Hits};
use super::journal::JournalRow;
use super::slot::{Fed, Slot};
use super::{Seeing, Stubs};
use baseline::{Buckets, Change};
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::{WindowKind, WindowSpec};
use seen::{Seen, SeenKey};

/// Feeds an event to a window. Of a sequence, `steps` are those that the event's action may take, as bits.
pub(super) fn feed(slot: &mut Slot, fed: &mut Fed<'_, '_, '_>, steps: u64) {
    let spec = slot.spec.clone();
    match &spec.kind {
        WindowKind::Count => count::feed(slot, fed),
        WindowKind::Distinct { of } => distinct::feed(slot, fed, of),
        WindowKind::FirstSeen | WindowKind::LastSeen => seen::feed(slot, fed),
        WindowKind::Sequence { steps: specs } => sequence::feed(slot, fed, steps, specs),
        WindowKind::Baseline { of, .. } => baseline::feed(slot, fed, of.as_ref()),
        WindowKind::Travel { .. } => travel::feed(slot, fed),
    }
}

/// What a window says of an event: see the table in [`super`].
pub(super) fn value(slot: &Slot, seeing: &Seeing<'_, '_>) -> u64 {
    match &slot.spec.kind {
        WindowKind::Count => count::value(slot, seeing),
        WindowKind::Distinct { .. } => distinct::value(slot, seeing),
        WindowKind::FirstSeen | WindowKind::LastSeen => seen::value(slot, seeing),
        WindowKind::Sequence { steps } => sequence::chain(slot, seeing, steps).0,
        WindowKind::Baseline { .. } => baseline::value(slot, seeing),
        WindowKind::Travel { min_km } => travel::fastest(slot, seeing, *min_km).map_or(0, |(speed, _)| speed),
    }
}

/// The hits behind the value that an event read at its turn.
pub(super) fn evidence<'s>(slot: &'s Slot, seeing: &Seeing<'_, '_>) -> Vec<&'s Hit> {
    match &slot.spec.kind {
        WindowKind::Count => count::evidence(slot, seeing),
        WindowKind::Distinct { .. } => distinct::evidence(slot, seeing),
        WindowKind::FirstSeen | WindowKind::LastSeen | WindowKind::Baseline { .. } => Vec::new(),
        WindowKind::Sequence { steps } => sequence::chain(slot, seeing, steps).1,
        WindowKind::Travel { min_km } => {
            travel::fastest(slot, seeing, *min_km).map(|(_, hit)| hit).into_iter().collect()
        }
    }
}

/// What a window remembers under one key.
#[derive(Debug)]
pub(super) enum Held {
    Hits(Hits),
    Seen(SeenKey),
    Buckets(Buckets),
}

/// How much that is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Hits, buckets and values.
    pub(super) weight: usize,
    /// In memory, estimated, without the key.
    pub(super) bytes: usize,
}

impl std::ops::Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { weight: self.weight + other.weight, bytes: self.bytes + other.bytes }
    }
}

impl std::ops::Sub for Size {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { weight: self.weight - other.weight, bytes: self.bytes - other.bytes }
    }
}

/// What is no longer held under a key.
#[derive(Default)]
pub(super) struct Gone {
    /// Rows to save or to delete for it.
    pub(super) rows: Vec<JournalRow>,
    /// Events before that still have these as evidence.
    pub(super) hits: Vec<Hit>,
}

/// What a saved row says of a key.
pub(super) enum Saved {
    Hit(Hit),
    /// The hit of an event with this time and number is gone.
    Dropped(UnixSeconds, u64),
    Seen(Seen),
    Unseen,
    Change(Change),
}

impl Saved {
    /// `numbers` are those of the row's key, and `value` is `None` of a row that was deleted. `None` of a row that a window of
    /// this kind doesn't write.
    pub(super) fn read(kind: &WindowKind, numbers: &[u64], value: Option<&[u8]>) -> Option<Self> {
        match kind {
            WindowKind::FirstSeen | WindowKind::LastSeen => match (numbers, value) {
                ([], Some(value)) => serde_json::from_slice(value).ok().map(Self::Seen),
                ([], None) => Some(Self::Unseen),
                _ => None,
            },
            WindowKind::Baseline { .. } => Change::read(numbers, value).map(Self::Change),
            WindowKind::Count
            | WindowKind::Distinct { .. }
            | WindowKind::Sequence { .. }
            | WindowKind::Travel { .. } => match (numbers, value) {
                ([_, _], Some(value)) => serde_json::from_slice(value).ok().map(Self::Hit),
                (&[time, seq], None) => Some(Self::Dropped(UnixSeconds(time), seq)),
                _ => None,
            },
        }
    }

    /// What a key holds of which this is the first row; `None` of what takes something away.
    pub(super) fn first(&self) -> Option<Held> {
        match self {
            Self::Hit(_) => Some(Held::Hits(Hits::default())),
            Self::Seen(seen) => Some(Held::Seen(SeenKey::loaded(*seen))),
            Self::Change(change) => (!change.is_loss()).then(|| Held::Buckets(Buckets::default())),
            Self::Dropped(..) | Self::Unseen => None,
        }
    }
}

impl Held {
    pub(super) fn size(&self) -> Size {
        match self {
            Self::Hits(hits) => hits.size(),
            Self::Seen(_) => Size::default(),
            Self::Buckets(buckets) => buckets.size(),
        }
    }

    /// When it was fed last, in event time.
    pub(super) fn last(&self, spec: &WindowSpec) -> UnixSeconds {
        match self {
            Self::Hits(hits) => hits.last(),
            Self::Seen(known) => known.seen.last,
            Self::Buckets(buckets) => buckets.last(spec),
        }
    }

    /// Drops what is past its span and the late allowance. `false` if nothing is left.
    pub(super) fn expire(&mut self, key: &str, spec: &WindowSpec, newest: UnixSeconds, gone: &mut Gone) -> bool {
        match self {
            Self::Hits(hits) => hits.expire(key, spec.span_s, newest, gone),
            Self::Seen(known) => known.stays(key, spec.span_s, newest, gone),
            Self::Buckets(buckets) => buckets.expire(key, spec, newest, gone),
        }
    }

    /// All of it goes.
    pub(super) fn let_go(self, key: &str) -> Gone {
        let rows = self.rows(key).into_iter().map(|(row, _)| (row, Ok(None))).collect();
        match self {
            Self::Hits(hits) => Gone { rows, hits: hits.into_iter().collect() },
            Self::Seen(_) | Self::Buckets(_) => Gone { rows, hits: Vec::new() },
        }
    }

    /// All of it as rows.
    pub(super) fn rows(&self, key: &str) -> Vec<JournalRow> {
        match self {
            Self::Hits(hits) => hits.rows(key),
            Self::Seen(known) => vec![known.row(key)],
            Self::Buckets(buckets) => buckets.rows(key),
        }
    }

    /// Puts a saved row back. Returns the event time it tells of.
    pub(super) fn put_back(&mut self, saved: Saved, stubs: &mut Stubs) -> Option<UnixSeconds> {
        match (self, saved) {
            (Self::Hits(hits), Saved::Hit(mut hit)) => {
                hit.stub = stubs.entry(hit.stub.seq).or_insert(hit.stub).clone();
                let time = hit.stub.time;
                hits.insert(hit);
                Some(time)
            }
            (Self::Seen(known), Saved::Seen(seen)) => {
                *known = SeenKey::loaded(seen);
                Some(seen.last)
            }
            (Self::Buckets(buckets), Saved::Change(change)) => {
                buckets.load(&change);
                None
            }
            // No row of one kind is read as another's.
            _ => None,
        }
    }

    /// A saved row was deleted after an earlier page had it. `false` if nothing is left.
    pub(super) fn take_out(&mut self, gone: &Saved) -> bool {
        match (self, gone) {
            (Self::Hits(hits), Saved::Dropped(time, seq)) => hits.take_out(*time, *seq),
            (Self::Seen(_), Saved::Unseen) => false,
            (Self::Buckets(buckets), Saved::Change(change)) => buckets.take_out(change),
            _ => true,
        }
    }
}
