//! `count`: the matching events in the densest stretch of the span that contains this one.

use crate::windows::member::Window;
use crate::windows::near::NearHit;
use crate::windows::{MAX_HITS, Seeing};

pub(in crate::windows) fn value(window: &Window, seeing: &Seeing<'_, '_>) -> u64 {
    let Some(key) = seeing.read_key(window) else { return 0 };
    let (at, member, span_s) = (seeing.event().time, window.members[0], window.spec.span_s);
    let count = match seeing.is_last(key, &window.members) {
        // In the usual order the densest stretch is the last one.
        true => {
            let lanes = seeing.table.lanes(key).filter(|lane| seeing.table.class(lane.class).has(member));
            lanes.map(|lane| lane.hits.len() - lane.hits.partition_point(|hit| hit.time.plus(span_s) <= at)).sum()
        }
        false => seeing.near(window, key, |_, _| Some(1)).densest().len(),
    };
    count.min(MAX_HITS) as u64
}

pub(in crate::windows) fn evidence(window: &Window, seeing: &Seeing<'_, '_>) -> Vec<NearHit> {
    let near = seeing.read_key(window).map(|key| seeing.near(window, key, |_, _| Some(1)));
    near.map(|near| near.densest().to_vec()).unwrap_or_default()
}
