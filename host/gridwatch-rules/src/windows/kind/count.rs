//! `count`: the matching events in the densest stretch of the span that contains this one.

use crate::windows::hit::{Hit, Keep};
use crate::windows::slot::{Fed, Slot};
use crate::windows::{MAX_HITS, Seeing};

/// The newest.
const KEEP: Keep =
    Keep { is_over: |hits, _| hits.len() > MAX_HITS, thin: |hits, _, gone| gone.extend(hits.pop_front()) };

pub(super) fn feed(slot: &mut Slot, fed: &mut Fed<'_, '_, '_>) {
    if let Some(key) = slot.fed_key(fed.seeing) {
        slot.add_hit(&key, fed.hit(1, Vec::new()), &KEEP, fed.seeing);
    }
}

pub(super) fn value(slot: &Slot, seeing: &Seeing<'_, '_>) -> u64 {
    let Some(key) = slot.read_text(seeing) else { return 0 };
    let Some(hits) = slot.hits(&key) else { return 0 };
    let at = seeing.event().time;
    if at == seeing.newest && hits.back().is_none_or(|last| last.stub.time <= at) {
        // In the usual order the densest stretch is the last one.
        return (hits.len() - hits.partition_point(|h| h.stub.time.plus(slot.spec.span_s) <= at)) as u64;
    }
    slot.near(&key, seeing).densest().len() as u64
}

pub(super) fn evidence<'s>(slot: &'s Slot, seeing: &Seeing<'_, '_>) -> Vec<&'s Hit> {
    slot.read_text(seeing).map(|key| slot.near(&key, seeing).densest().to_vec()).unwrap_or_default()
}
