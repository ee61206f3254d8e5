//! What was forgotten: rows of the store that can't be read, told in the log, in the status and by one alert.
//!
//! gridwatch goes on without them. Somebody has to know, for a rule whose counts begin anew may be late or silent until its window
//! has filled again; and who can change these rows can make rules forget.

use crate::context::Process;
use crate::record::Record;
use crate::store::rows::shown;
use anyhow::Result;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::builtin;
use gridwatch_rules::state::Forgotten;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// Keys named in the log, of each part.
const KEYS_SHOWN: usize = 5;
/// Beyond what is found at the start, an alert comes at most this often.
const TOLD_EVERY_MS: u64 = 86_400_000;

/// Tells that the store is a new one, because the one before was damaged.
///
/// # Errors
/// The alert can't be saved.
pub fn store(process: &Process, why: &str, from: &str) -> Result<()> {
    save(process, &[], builtin::store_damaged(why, from, process.clock.now()))
}

/// Tells of the rows that couldn't be read since this was called last. What comes within a day of an alert waits for the next one. Nothing is
/// told before all of the store was read: one alert tells what is found by then.
///
/// # Errors
/// The alert can't be saved.
pub fn look(process: &Process) -> Result<()> {
    if process.reading.load(Ordering::Acquire) > 0 {
        return Ok(());
    }
    let now = process.clock.now();
    let new = process.store.new_forgotten();
    if !new.is_empty() {
        log(&new);
        process.board.update(|status| {
            for (part, rows) in counts(&new) {
                *status.state.forgotten.entry(part).or_default() += rows;
            }
        });
    }
    let rows = process.store.untold_forgotten(now, TOLD_EVERY_MS);
    let Some(first) = rows.first() else { return Ok(()) };
    let first = format!("{first} (key {})", shown(&first.key));
    save(process, &rows, builtin::state_forgotten(&counts(&rows), &first, now))
}

fn save(process: &Process, rows: &[Forgotten], alert: Alert) -> Result<()> {
    tracing::warn!(rule = alert.rule, severity = alert.severity.name(), uid = alert.uid, title = alert.title, "alert");
    process.store.commit_forgotten(rows, &[Record::Alert(Box::new(alert))])?;
    process.bells.deliver.ring();
    Ok(())
}

fn counts(rows: &[Forgotten]) -> BTreeMap<String, u64> {
    rows.iter().fold(BTreeMap::new(), |mut counts, row| {
        *counts.entry(row.part.to_owned()).or_default() += 1;
        counts
    })
}

/// A line for each part, with the first keys and why.
fn log(rows: &[Forgotten]) {
    for (part, count) in counts(rows) {
        let of_part = rows.iter().filter(|row| row.part == part).take(KEYS_SHOWN);
        let (keys, whys): (Vec<String>, Vec<&str>) = of_part.map(|row| (shown(&row.key), &*row.why)).unzip();
        let (keys, why) = (keys.join(" "), whys.first().copied().unwrap_or_default());
        tracing::error!(
            part,
            rows = count,
            keys,
            why,
            "rows of the store can't be read and are forgotten; going on without them"
        );
    }
}
