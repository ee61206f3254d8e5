//! When a key was first and last seen.

use super::hit::is_dead;
use gridwatch_event::event::Event;
use gridwatch_event::time::UnixSeconds;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) first: UnixSeconds,
    first_seq: u64,
    pub(super) last: UnixSeconds,
    last_seq: u64,
}

#[derive(Debug)]
pub(super) struct SeenKey {
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

    pub(super) fn new(event: &Event) -> Self {
        Self { seen: Seen::at(event), before: Some((event.seq, None)) }
    }

    pub(super) fn feed(&mut self, event: &Event, span_s: u64, newest: UnixSeconds) {
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
    pub(super) fn before(&self, event: &Event, span_s: u64, newest: UnixSeconds) -> Option<Seen> {
        let seen = match self.before {
            Some((seq, before)) if seq == event.seq => before,
            _ => Some(self.seen),
        };
        seen.filter(|s| event.time <= s.last.plus(span_s) && !is_dead(s.last, span_s, newest))
    }
}
