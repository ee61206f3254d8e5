//! Seeing: one event and all that windows go by when they look at it. What a kind reads of the table, it reads through this.

use super::counted::Counted;
use super::kind::{self, Sighted};
use super::member::{Members, Window};
use super::near::{Near, NearHit};
use super::table::{self, Key, Row, RowId, Table};
use super::{LEARNING, NEVER, NOT_YET};
use crate::reading::Reading;
use gridwatch_event::event::Event;
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::{Saying, WindowTest};
use xxhash_rust::xxh3::Xxh3;

/// An event and what windows go by when they look at it.
pub(super) struct Seeing<'s, 'e> {
    pub(super) reading: &'s Reading<'e>,
    /// The windows that may be referred to.
    pub(super) windows: &'s [Window],
    pub(super) members: &'s Members,
    pub(super) table: &'s Table,
    pub(super) counted: &'s Counted,
    pub(super) sighted: &'s [Sighted],
    pub(super) newest: UnixSeconds,
    pub(super) seed: u64,
}

impl<'s> Seeing<'s, '_> {
    pub(super) fn event(&self) -> &'s Event {
        self.reading.event
    }

    /// A key of this event; `None` if any of its fields is empty, for what isn't known can't be grouped by.
    pub(super) fn key(&self, number: u16) -> Option<Key> {
        let (mut keys, at) = (self.reading.keys.borrow_mut(), usize::from(number));
        if keys.len() < self.members.keys.len() {
            keys.resize(self.members.keys.len(), None);
        }
        *keys[at].get_or_insert_with(|| {
            let mut hash = Xxh3::with_seed(self.seed);
            let mut take_in = |text: &str| {
                hash.update(&(text.len() as u64).to_le_bytes());
                hash.update(text.as_bytes());
                !text.is_empty()
            };
            let mut fields = self.members.key_fields(at);
            let is_whole = fields.all(|(number, field)| self.reading.with_text(number, field, &mut take_in));
            is_whole.then(|| hash.digest128())
        })
    }

    /// The key that an event reads a window by.
    pub(super) fn read_key(&self, window: &Window) -> Option<Key> {
        self.key(window.read_key?)
    }

    /// What a window says of the event that is being fed, once it has fed all that the window counts.
    pub(super) fn value(&self, position: usize) -> u64 {
        let known = self.reading.values.borrow().get(position).copied().flatten();
        known.unwrap_or_else(|| {
            let value = self.windows.get(position).map_or(0, |window| kind::value((position, window), self));
            let mut values = self.reading.values.borrow_mut();
            if values.len() <= position {
                values.resize(self.windows.len().max(position + 1), None);
            }
            values[position] = Some(value);
            value
        })
    }

    pub(super) fn holds(&self, test: &WindowTest) -> bool {
        if let Saying::AtLeast(threshold) = &test.says {
            // What can or can't be reached at all needn't be counted.
            let Some(window) = self.windows.get(test.window) else { return false };
            if let Some(reaches) = kind::reaches((test.window, window), threshold.number, self) {
                return reaches;
            }
        }
        let value = self.value(test.window);
        match &test.says {
            Saying::Never => value == NEVER,
            Saying::Learning => value == LEARNING,
            Saying::Seen => value != NEVER && value != LEARNING,
            // Of a baseline that has yet to learn nothing can be said.
            Saying::AtLeast(threshold) => value >= threshold.number && value != NOT_YET,
            Saying::Below(threshold) => value < threshold.number && value != NOT_YET,
        }
    }

    /// Is the event the newest that these members have a hit of, as it is in the usual order?
    pub(super) fn is_last(&self, key: Key, members: &[u32]) -> bool {
        let at = self.event().time;
        at == self.newest
            && self.table.lanes(key).all(|lane| {
                lane.hits.back().is_none_or(|last| last.time <= at) || {
                    let class = self.table.class(lane.class);
                    !members.iter().any(|member| class.has(*member))
                }
            })
    }

    /// How many hits of a member under a key may share a stretch with the event, at most: of those that went since, all.
    pub(super) fn most(&self, key: Key, member: u32, span_s: u64) -> usize {
        let at = self.event().time;
        let lanes = self.table.lanes(key).filter(|lane| self.table.class(lane.class).has(member));
        let near = lanes.map(|lane| match (lane.hits.front(), lane.hits.back()) {
            (Some(first), Some(last)) if first.time.plus(span_s) > at && last.time < at.plus(span_s) => lane.hits.len(),
            _ => {
                let start = lane.hits.partition_point(|hit| hit.time.plus(span_s) <= at);
                lane.hits.partition_point(|hit| hit.time < at.plus(span_s)) - start
            }
        });
        near.sum::<usize>() + self.table.gone_since(key, self.event().seq).len()
    }

    /// Values of a window's hits under a key, in order: of those that came after an event, where no other came between older ones; or of all that
    /// share the stretch with this one.
    pub(super) fn values_since(&self, window: &Window, key: Key, seq: Option<u64>) -> Vec<(UnixSeconds, u64)> {
        let (at, span_s, column) = (self.event().time, window.spec.span_s, window.columns[0]);
        let lanes = self.table.lanes(key).filter(|lane| self.table.class(lane.class).has(window.members[0]));
        let mut values: Vec<(UnixSeconds, u64, u64)> = Vec::new();
        for lane in lanes {
            let new = lane.hits.iter().rev().take_while(|hit| match seq {
                Some(seq) => self.table.row(hit.row).seq > seq,
                None => hit.time.plus(span_s) > at,
            });
            values.extend(new.filter_map(|hit| {
                let row = self.table.row(hit.row);
                Some((hit.time, row.seq, row.value(column?)?))
            }));
        }
        values.sort_unstable();
        values.into_iter().map(|(time, _, value)| (time, value)).collect()
    }

    /// Did anything under a key take a step, as far as that is remembered?
    pub(super) fn has_step(&self, window: &Window, key: Key, step: usize) -> bool {
        let member = window.members[step];
        self.table.lanes(key).any(|lane| self.table.class(lane.class).has(member))
            || self.table.gone_since(key, self.event().seq).len() > 0
    }

    /// The hits of a window under a key that may share a stretch with the event, as they were at its turn. `tag` says what a hit
    /// is to the window, of the steps that its class takes.
    pub(super) fn near(&self, window: &Window, key: Key, tag: impl Fn(u64, &Row) -> Option<u64>) -> Near {
        let (at, seq, span_s) = (self.event().time, self.event().seq, window.spec.span_s);
        let mut hits: Vec<NearHit> = Vec::new();
        let mut is_sorted = true;
        let mut take = |steps: u64, time: UnixSeconds, row: RowId| {
            let of = self.table.row(row);
            let is_near = of.seq <= seq && time.plus(span_s) > at && time < at.plus(span_s);
            if is_near
                && !table::is_dead(time, span_s, self.newest)
                && let Some(tag) = tag(steps, of)
            {
                let hit = NearHit { time, seq: of.seq, row, tag };
                is_sorted &= hits.last().is_none_or(|last| last.order() < hit.order());
                hits.push(hit);
            }
        };
        for lane in self.table.lanes(key) {
            let class = self.table.class(lane.class);
            let steps = window.steps(|member| class.has(member));
            if steps != 0 {
                let start = lane.hits.partition_point(|hit| hit.time.plus(span_s) <= at);
                lane.hits
                    .range(start..)
                    .take_while(|hit| hit.time < at.plus(span_s))
                    .for_each(|hit| take(steps, hit.time, hit.row));
            }
        }
        for (class, hit) in self.table.gone_since(key, seq) {
            let class = self.table.class(class);
            match window.steps(|member| class.has(member)) {
                0 => {}
                steps => take(steps, hit.time, hit.row),
            }
        }
        if !is_sorted {
            hits.sort_unstable_by_key(NearHit::order);
            // An event that took two steps by different conditions is one hit.
            hits.dedup_by(|next, first| {
                let is_same = next.seq == first.seq;
                first.tag |= if is_same { next.tag } else { 0 };
                is_same
            });
        }
        Near { hits, at, span_s }
    }
}
