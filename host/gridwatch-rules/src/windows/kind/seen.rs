//! `first_seen` and `last_seen`: when a key was first or last seen before this event.

use super::{Gone, Held};
use crate::windows::hit::is_dead;
use crate::windows::journal::JournalRow;
use crate::windows::slot::{Fed, Slot};
use crate::windows::{LEARNING, NEVER, Seeing, row};
use gridwatch_event::event::Event;
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::WindowKind;
use serde::{Deserialize, Serialize};

pub(super) fn feed(slot: &mut Slot, fed: &mut Fed<'_, '_, '_>) {
    let Some(key) = slot.fed_key(fed.seeing) else { return };
    let (event, newest, span_s) = (fed.seeing.event(), fed.seeing.newest, slot.spec.span_s);
    slot.change(
        &key,
        fed.seeing,
        || Held::Seen(SeenKey::new(event)),
        |held| match held {
            Held::Seen(known) => {
                known.feed(event, span_s, newest);
                Some(known.row(&key))
            }
            _ => None,
        },
    );
}

pub(super) fn value(slot: &Slot, seeing: &Seeing<'_, '_>) -> u64 {
    let event = seeing.event();
    let before: Option<Seen> = slot.read_text(seeing).and_then(|key| match slot.held(&key) {
        Some(Held::Seen(known)) => known.before(event, slot.spec.span_s, seeing.newest),
        _ => None,
    });
    match before {
        None if slot.watched_s(event) < slot.spec.learn_s => LEARNING,
        None => NEVER,
        Some(seen) if slot.spec.kind == WindowKind::FirstSeen || seen.last > event.time => seen.first.millis().0,
        Some(seen) => seen.last.millis().0,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::windows) struct Seen {
    first: UnixSeconds,
    first_seq: u64,
    pub(super) last: UnixSeconds,
    last_seq: u64,
}

#[derive(Debug)]
pub(in crate::windows) struct SeenKey {
    pub(super) seen: Seen,
    /// The event that was fed last and what had been seen before it: an event must not see itself.
    before: Option<(u64, Option<Seen>)>,
}

impl Seen {
    fn at(event: &Event) -> Self {
        Self { first: event.time, first_seq: event.seq, last: event.time, last_seq: event.seq }
    }
}

impl SeenKey {
    pub(super) fn loaded(seen: Seen) -> Self {
        Self { seen, before: None }
    }

    fn new(event: &Event) -> Self {
        Self { seen: Seen::at(event), before: Some((event.seq, None)) }
    }

    /// An event that was fed already, as the one that made it was, changes nothing.
    fn feed(&mut self, event: &Event, span_s: u64, newest: UnixSeconds) {
        if self.before.is_some_and(|(seq, _)| seq == event.seq) {
            return;
        }
        let before = (!is_dead(self.seen.last, span_s, newest)).then_some(self.seen);
        self.before = Some((event.seq, before));
        // Not seen for a whole span: as good as never.
        let mut seen = before.filter(|s| event.time <= s.last.plus(span_s)).unwrap_or(Seen::at(event));
        if (event.time, event.seq) < (seen.first, seen.first_seq) {
            (seen.first, seen.first_seq) = (event.time, event.seq);
        }
        if (event.time, event.seq) >= (seen.last, seen.last_seq) {
            (seen.last, seen.last_seq) = (event.time, event.seq);
        }
        self.seen = seen;
    }

    /// What had been seen when it was this event's turn, if that was within a span of it.
    fn before(&self, event: &Event, span_s: u64, newest: UnixSeconds) -> Option<Seen> {
        let seen = match self.before {
            Some((seq, before)) if seq == event.seq => before,
            _ => Some(self.seen),
        };
        seen.filter(|s| event.time <= s.last.plus(span_s) && !is_dead(s.last, span_s, newest))
    }

    /// `false` if it was seen too long ago to matter.
    pub(super) fn stays(&self, key: &str, span_s: u64, newest: UnixSeconds, gone: &mut Gone) -> bool {
        let is_gone = is_dead(self.seen.last, span_s, newest);
        if is_gone {
            gone.rows.push((row::key_row(key), Ok(None)));
        }
        !is_gone
    }

    pub(super) fn row(&self, key: &str) -> JournalRow {
        (row::key_row(key), row::saying(&self.seen))
    }
}
