//! `turns`: how often the text of a field is another than at the event before, in such a stretch of the span that turns most. Going home
//! is one turn; two places that take turns are many.

use crate::windows::Seeing;
use crate::windows::member::Window;
use crate::windows::near::{Near, NearHit};

pub(in crate::windows) fn value(window: &Window, seeing: &Seeing<'_, '_>) -> u64 {
    let Some(near) = near(window, seeing) else { return 0 };
    turns(most_turns(&near)).count() as u64
}

/// The hits on both sides of each turn.
pub(in crate::windows) fn evidence(window: &Window, seeing: &Seeing<'_, '_>) -> Vec<NearHit> {
    let Some(near) = near(window, seeing) else { return Vec::new() };
    let mut sides: Vec<NearHit> = turns(most_turns(&near)).flatten().copied().collect();
    sides.dedup();
    sides
}

fn near(window: &Window, seeing: &Seeing<'_, '_>) -> Option<Near> {
    let (key, column) = (seeing.read_key(window)?, window.columns[0]);
    Some(seeing.near(window, key, |_, row| row.value(column?)))
}

fn turns(hits: &[NearHit]) -> impl Iterator<Item = &[NearHit]> {
    hits.windows(2).filter(|pair| pair[0].tag != pair[1].tag)
}

fn most_turns(near: &Near) -> &[NearHit] {
    // Up to each hit, so that a stretch's are a difference.
    let mut up_to = Vec::with_capacity(near.hits.len());
    let mut so_far = 0;
    for (at, hit) in near.hits.iter().enumerate() {
        so_far += usize::from(at > 0 && near.hits[at - 1].tag != hit.tag);
        up_to.push(so_far);
    }
    near.best_run(|_, start, end| up_to[end - 1] - up_to[start])
}
