//! Which techniques were seen in alerts of late, to be laid beside those that rules name.

use crate::history::{History, Row};
use anyhow::Result;
use gridwatch_event::time::UnixMillis;
use std::collections::{BTreeMap, BTreeSet};

/// How far back alerts count as observed.
const OBSERVED_MS: u64 = 30 * 86_400_000;

/// An alert's id and one of its techniques: each alert counts once however often it was sent.
pub type Seen = BTreeSet<(String, String)>;

pub fn is_recent(time: UnixMillis, now: UnixMillis) -> bool {
    now.since(time) <= OBSERVED_MS
}

/// Of the alerts that somebody was told of, and that are asked for.
///
/// # Errors
/// One can't be read.
pub fn in_history(
    history: &mut History,
    now: UnixMillis,
    is_asked: impl Fn(&Row) -> bool,
    seen: &mut Seen,
) -> Result<()> {
    let is_shown = |row: &Row| is_recent(row.seen, now) && !row.is_suppressed && is_asked(row);
    for alert in history.alerts(is_shown)? {
        seen.extend(alert.attack.into_iter().map(|technique| (alert.uid.clone(), technique)));
    }
    Ok(())
}

/// How many alerts named each.
pub fn by_technique(seen: Seen) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (_, technique) in seen {
        *counts.entry(technique).or_default() += 1;
    }
    counts
}
