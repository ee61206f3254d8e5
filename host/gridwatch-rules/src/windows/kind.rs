//! The kinds of windows, a file each: what the value of a window of the kind is, and the hits behind it.
//!
//! A new kind is a file here, a line in each `match` below, and a name in the manifest. What feeds a window is said by its
//! [members](super::member), and what is remembered is in the [table](super::table).

mod baseline;
mod count;
mod distinct;
mod seen;
mod sequence;
mod travel;
mod turns;

use super::Seeing;
use super::member::Window;
use super::near::NearHit;
pub(super) use baseline::{Bucket, Buckets, Cut};
use gridwatch_manifest::WindowKind;
pub(super) use seen::{Seen, Sighted};
pub(super) use travel::place_of;

/// What a window says of an event: see the table in [`super`].
pub(super) fn value((position, window): (usize, &Window), seeing: &Seeing<'_, '_>) -> u64 {
    match &window.spec.kind {
        WindowKind::Count => count::value(window, seeing),
        WindowKind::Distinct { .. } => distinct::value((position, window), seeing),
        WindowKind::Turns { .. } => turns::value(window, seeing),
        WindowKind::FirstSeen | WindowKind::LastSeen => seen::value(window, seeing),
        WindowKind::Sequence { steps } => sequence::chain(window, steps, seeing).0,
        WindowKind::Baseline(baseline) => baseline::value(window, baseline, seeing),
        WindowKind::Travel { min_km } => travel::fastest(window, *min_km, seeing).map_or(0, |(speed, _)| speed),
    }
}

/// Is the value so much at least? `None` where that takes as long to say as the value.
pub(super) fn reaches((position, window): (usize, &Window), number: u64, seeing: &Seeing<'_, '_>) -> Option<bool> {
    let (least, most) = match &window.spec.kind {
        WindowKind::Count | WindowKind::Turns { .. } => (0, most_hits(window, seeing)),
        WindowKind::Distinct { .. } => distinct::bounds((position, window), most_hits(window, seeing), seeing),
        WindowKind::Sequence { steps } => (0, sequence::most(window, steps, seeing)),
        _ => return None,
    };
    match () {
        () if most < number => Some(false),
        () if least >= number => Some(true),
        () => None,
    }
}

fn most_hits(window: &Window, seeing: &Seeing<'_, '_>) -> u64 {
    seeing.read_key(window).map_or(0, |key| seeing.most(key, window.members[0], window.spec.span_s)) as u64
}

/// The hits behind the value that an event read at its turn, oldest first: at least the newest `max` of them, if there are so many.
pub(super) fn evidence(window: &Window, seeing: &Seeing<'_, '_>, max: usize) -> Vec<NearHit> {
    match &window.spec.kind {
        WindowKind::Count => count::evidence(window, seeing),
        WindowKind::Distinct { .. } => distinct::evidence(window, seeing, max),
        WindowKind::Turns { .. } => turns::evidence(window, seeing),
        WindowKind::FirstSeen | WindowKind::LastSeen | WindowKind::Baseline(_) => Vec::new(),
        WindowKind::Sequence { steps } => sequence::chain(window, steps, seeing).1,
        WindowKind::Travel { min_km } => {
            travel::fastest(window, *min_km, seeing).map(|(_, hit)| hit).into_iter().collect()
        }
    }
}
