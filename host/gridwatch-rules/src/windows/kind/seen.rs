//! `first_seen` and `last_seen`: when a key was first or last seen before this event.

use crate::windows::member::Window;
use crate::windows::table::is_dead;
use crate::windows::{LEARNING, NEVER, Seeing};
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::WindowKind;

pub(in crate::windows) fn value(window: &Window, seeing: &Seeing<'_, '_>) -> u64 {
    let (event, spec) = (seeing.event(), &window.spec);
    let before = seeing.read_key(window).and_then(|key| {
        // An event doesn't see itself.
        let fed = seeing.sighted.iter().find(|s| s.seq == event.seq && s.member == window.members[0] && s.key == key);
        fed.map_or_else(|| seeing.table.get(key)?.seen_of(window.members[0]), |sighted| sighted.before)
    });
    let alive =
        before.filter(|s| event.time <= s.last.plus(spec.span_s) && !is_dead(s.last, spec.span_s, seeing.newest));
    match alive {
        None if window.watched_s(event) < spec.learn_s => LEARNING,
        None => NEVER,
        Some(seen) if spec.kind == WindowKind::FirstSeen || seen.last > event.time => seen.first.millis().0,
        Some(seen) => seen.last.millis().0,
    }
}

/// Sightings, none of them more than a span after the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::windows) struct Seen {
    pub(in crate::windows) first: UnixSeconds,
    pub(in crate::windows) last: UnixSeconds,
    pub(in crate::windows) span_s: u64,
}

/// What had been seen under a key before the event that is being fed.
#[derive(Clone, Copy, Debug)]
pub(in crate::windows) struct Sighted {
    pub(in crate::windows) seq: u64,
    pub(in crate::windows) member: u32,
    pub(in crate::windows) key: u128,
    pub(in crate::windows) before: Option<Seen>,
}

impl Seen {
    pub(in crate::windows) fn at(time: UnixSeconds, span_s: u64) -> Self {
        Self { first: time, last: time, span_s }
    }

    /// Takes in a sighting. Returns what had been seen before, if that is alive.
    pub(in crate::windows) fn feed(&mut self, time: UnixSeconds, newest: UnixSeconds) -> Option<Self> {
        let before = (!is_dead(self.last, self.span_s, newest)).then_some(*self);
        // Not seen for a whole span: as good as never.
        let seen = before.filter(|s| time <= s.last.plus(s.span_s)).unwrap_or(Self::at(time, self.span_s));
        *self = Self { first: seen.first.min(time), last: seen.last.max(time), ..seen };
        before
    }
}
