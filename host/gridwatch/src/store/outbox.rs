//! The outbox: which records there are to deliver, in the order of their numbers.
//!
//! Records themselves are in the logs: an event in its organization's archive, an alert in the history. A row names those that were
//! made together, by where they are: first events that follow each other, then alerts that do. Rows follow each other without a gap;
//! one that doesn't follow the row before it is damage, never passed over.

use super::changes::Changes;
use super::rows::{OUTBOX, POSITIONS};
use super::{Damaged, Position, Rows, number, put};
use crate::record::Record;
use anyhow::{Context, Result};
use gridwatch_event::org::OrgId;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::audit::Audited;
use gridwatch_rules::monitor::Heartbeat;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Some records that were made together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Made {
    /// Whose the events are.
    #[serde(skip_serializing_if = "OrgId::is_unnamed")]
    pub(super) org: OrgId,
    /// Number of the first event, and how many there are.
    pub(super) seq: u64,
    pub(super) events: u64,
    /// Place of the first alert in the history, and how many there are.
    pub(super) place: u64,
    pub(super) alerts: u64,
    /// Numbers that stand for nothing: what they were of is lost, and somebody was told.
    #[serde(skip_serializing_if = "is_none")]
    pub(super) lost: u64,
    /// A heartbeat, which is in no log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) heartbeat: Option<Box<Heartbeat>>,
    /// What somebody did to gridwatch: a copy, so that delivery doesn't depend on the trail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) audited: Option<Box<Audited>>,
    /// What they weigh, about.
    pub(super) bytes: u64,
}

/// Kinds of records that somebody wants. What isn't wanted isn't read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds {
    pub events: bool,
    pub alerts: bool,
}

impl Kinds {
    #[cfg(test)]
    pub const ALL: Self = Self { events: true, alerts: true };
}

/// Rows that are looked at in one go, where nothing in them is wanted.
const MAX_ROWS: usize = 10_000;

fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Made {
    pub(super) fn count(&self) -> u64 {
        self.events + self.alerts + self.lost + u64::from(self.heartbeat.is_some()) + u64::from(self.audited.is_some())
    }
}

pub(super) fn outbox_key(n: u64) -> Vec<u8> {
    OUTBOX.key(&n.to_be_bytes())
}

impl Rows {
    /// Up to `max` records of these kinds from a number on, of at most `max_bytes` together (but at least one); and the number after the last that was
    /// looked at. Only saved ones: sled shows a batch before it is synced, and what was delivered but never saved would be delivered in
    /// another shape after a crash.
    pub(super) fn records(
        &self,
        from: u64,
        kinds: Kinds,
        max: usize,
        max_bytes: usize,
    ) -> Result<(Vec<(u64, Record)>, u64)> {
        let (saved, from) = {
            let counters = self.lock();
            (counters.next_record, from.max(counters.first_record))
        };
        let (mut out, mut bytes) = (Vec::new(), 0);
        if from >= saved {
            return Ok((out, from));
        }
        let row_of_it = self.db.range(outbox_key(0)..=outbox_key(from)).next_back().transpose()?;
        let first = row_of_it.map_or(from, |(key, _)| number(OUTBOX.rest(&key)));
        let mut next = None;
        for (looked, row) in self.db.range(outbox_key(first)..outbox_key(saved)).enumerate() {
            let (key, value) = row?;
            let (begin, made) =
                (number(OUTBOX.rest(&key)), OUTBOX.open_json::<Made>(&key, &value).map_err(Damaged::from)?);
            if next.is_none_or(|next| begin != next) && (next.is_some() || begin > from) {
                return Err(Damaged(format!("records {} to {} are missing", next.unwrap_or(from), begin - 1)).into());
            }
            next = Some(begin + made.count());
            if made.lost > 0 {
                continue;
            }
            let first_alert = begin + made.events;
            let wanted = match kinds {
                // There are few, and whoever wants none passes them over.
                _ if made.heartbeat.is_some() || made.audited.is_some() => begin..begin + made.count(),
                Kinds { events: true, alerts: true } => begin..begin + made.count(),
                Kinds { events: true, alerts: false } => begin..first_alert,
                Kinds { events: false, alerts: true } => first_alert..begin + made.count(),
                Kinds { events: false, alerts: false } => begin..begin,
            };
            for number in from.max(wanted.start)..wanted.end {
                let record = self.record(&made, number - begin)?;
                bytes += record.weight();
                if bytes > max_bytes && !out.is_empty() {
                    return Ok((out, number));
                }
                out.push((number, record));
                if out.len() == max {
                    return Ok((out, number + 1));
                }
            }
            if looked >= MAX_ROWS {
                return Ok((out, begin + made.count()));
            }
        }
        match next {
            Some(next) if next >= saved => Ok((out, next)),
            next => Err(Damaged(format!("records {} to {} are missing", next.unwrap_or(from), saved - 1)).into()),
        }
    }

    /// One of those that were made together.
    fn record(&self, made: &Made, at: u64) -> Result<Record> {
        if let Some(beat) = &made.heartbeat {
            return Ok(Record::Heartbeat(beat.clone()));
        }
        if let Some(audited) = &made.audited {
            return Ok(Record::Audited(audited.clone()));
        }
        if at < made.events {
            let (seq, archive) = (made.seq + at, self.archive(&made.org)?);
            let event = archive.event(seq).map_err(damaged)?;
            let received = archive.entry(event.entry).map_err(damaged)?;
            let (sight, organization) = (event.sight, event.organization);
            return Ok(Record::Event { org: made.org.clone(), seq, sight, organization, raw: received.raw });
        }
        Ok(Record::Alert(Box::new(self.alert(made.place + at - made.events)?)))
    }

    fn alert(&self, place: u64) -> Result<Alert> {
        let mut alerts = self.alerts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let found = alerts.get(place).map_err(|error| match error.is_damage() {
            true => anyhow::Error::from(Damaged(format!("{error}"))),
            false => error.into(),
        })?;
        Ok(found.ok_or_else(|| Damaged(format!("alert {place} is not in the history")))?)
    }

    /// Removes the rows of records that all sinks are done with; returns what they weighed.
    pub(super) fn forget_delivered(&self, changes: &mut Changes, lowest: u64) -> Result<u64> {
        let mut freed = 0;
        for row in self.db.range(outbox_key(0)..outbox_key(lowest)) {
            let (key, value) = row?;
            let made = OUTBOX.open_json::<Made>(&key, &value).map_err(Damaged::from)?;
            if number(OUTBOX.rest(&key)) + made.count() > lowest {
                break;
            }
            freed += made.bytes;
            changes.remove(&*key);
        }
        Ok(freed)
    }

    /// Where each sink is, by its name.
    pub(super) fn positions(&self) -> Result<BTreeMap<String, Position>> {
        let rows = self.db.scan_prefix(POSITIONS.key(&[])).map(|row| -> Result<(String, Position)> {
            let (key, value) = row?;
            let position = POSITIONS.open_json(&key, &value).map_err(Damaged::from)?;
            Ok((String::from_utf8_lossy(POSITIONS.rest(&key)).into_owned(), position))
        });
        rows.collect()
    }

    /// Mirrors how far the sinks are: see [`mirror`].
    pub(super) fn mirror_positions(&self) -> Result<()> {
        let _mirroring = self.mirroring.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        mirror(&mirror_path(&self.state_dir), &self.positions()?);
        Ok(())
    }

    pub(super) fn put_position(changes: &mut Changes, sink: &str, position: &Position) -> Result<()> {
        put(changes, POSITIONS, POSITIONS.key(sink.as_bytes()), position)
    }
}

/// Does any sink still wait for an alert? Read before there is a store.
pub(super) fn has_alerts(db: &sled::Db) -> Result<bool> {
    for row in db.scan_prefix(OUTBOX.key(&[])) {
        let (key, value) = row?;
        if OUTBOX.open_json::<Made>(&key, &value).map_err(Damaged::from)?.alerts > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// An error of the archive as the store's.
pub(super) fn damaged(error: crate::archive::ArchiveError) -> anyhow::Error {
    match error.is_damage() {
        true => Damaged(format!("{error}")).into(),
        false => error.into(),
    }
}

/// The mirror of all positions, beside the store: what a store that was lost had delivered. It is replaced as a whole and not synced, for
/// only a power cut that costs the store as well makes it worth anything.
pub(super) fn mirror(path: &Path, positions: &BTreeMap<String, Position>) {
    let written = serde_json::to_vec(positions).map_err(std::io::Error::from);
    let written = written.and_then(|json| crate::disk::replace_unsynced(path, &json));
    if let Err(error) = written {
        tracing::warn!(%error, path = %path.display(), "how far the sinks are can't be mirrored");
    }
}

pub(super) fn mirror_path(state_dir: &Path) -> PathBuf {
    state_dir.join("delivered.json")
}

/// What the mirror says; nothing if there is none that can be read.
pub(super) fn mirrored(path: &Path) -> Result<BTreeMap<String, Position>> {
    match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        read => {
            let json = read.with_context(|| format!("can't read {}", path.display()))?;
            Ok(serde_json::from_slice(&json).unwrap_or_else(|error| {
                tracing::warn!(%error, path = %path.display(), "how far the sinks were can't be read");
                BTreeMap::new()
            }))
        }
    }
}
