//! The ledger, mirrored to a file beside the status: which time was read, when, and when it is read again. What people and commands look
//! into while gridwatch runs; the machine never reads it.

use anyhow::{Context, Result};
use gridwatch_event::range::Range;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_poll::{LedgerRange, Machine, RangeState, gaps};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// As of one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LedgerMirror {
    pub written: UnixMillis,
    /// From here up to the watermark everything ought to have been read.
    pub read_from: Option<UnixSeconds>,
    pub watermark: Option<UnixSeconds>,
    pub settle_s: u64,
    /// Stretches in between that weren't.
    pub missing: Vec<Range>,
    pub rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    #[serde(flatten)]
    pub read: LedgerRange,
    /// When it is to be read again; `None`: it was read as often as it is going to be.
    pub due: Option<UnixSeconds>,
}

/// What isn't proven about a stretch of time, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unproven {
    pub from: UnixSeconds,
    pub to: UnixSeconds,
    pub why: Why,
    /// When it will be looked at again by itself.
    pub due: Option<UnixSeconds>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Slack refuses this time.
    Refused,
    /// It is wanted and hasn't been read to its end.
    Unread,
    /// It was read to its end, and is read again for entries that come late.
    AwaitsReread,
}

impl Why {
    pub fn text(self) -> &'static str {
        match self {
            Self::Refused => "Slack refuses this time; it is not asked for again before a restart",
            Self::Unread => "it has not been read to its end yet",
            Self::AwaitsReread => "it has been read, and is read again for entries that Slack shows late",
        }
    }
}

impl LedgerMirror {
    pub fn of(machine: &Machine, now: UnixMillis) -> Self {
        let (state, ledger) = (machine.state(), machine.ledger());
        let read_from = state.backfilled_to().or(state.origin());
        let read = read_from.zip(state.watermark()).and_then(|(from, to)| Range::of(from, to));
        let row = |read: &LedgerRange| Row { due: ledger.due_again(machine.config(), read), read: read.clone() };
        Self {
            written: now,
            read_from,
            watermark: state.watermark(),
            settle_s: machine.config().settings().settle_s,
            missing: read.map(|read| gaps(ledger, read)).unwrap_or_default(),
            rows: ledger.rows().map(row).collect(),
        }
    }

    /// Replaced as a whole and not synced: it is written again with the next range. A disk that has no room for it ends nothing.
    pub fn write(&self, path: &Path) {
        let written = serde_json::to_vec(self).map_err(std::io::Error::from);
        if let Err(error) = written.and_then(|json| crate::disk::replace_unsynced(path, &json)) {
            tracing::warn!(%error, path = %path.display(), "the ledger can't be mirrored");
        }
    }

    /// # Errors
    /// There is none, or it can't be read.
    pub fn read(path: &Path) -> Result<Self> {
        let hint = "hint: it is written by a gridwatch that has read the audit log with this state folder";
        let bytes = std::fs::read(path).with_context(|| format!("can't read {}\n{hint}", path.display()))?;
        serde_json::from_slice(&bytes).with_context(|| format!("{} is not a ledger", path.display()))
    }

    /// What isn't proven of the time that was read, the oldest first: holes, and what is still to be read again.
    pub fn unproven(&self, from: UnixSeconds, to: UnixSeconds) -> Vec<Unproven> {
        let mut unproven: Vec<Unproven> = Vec::new();
        let cut = |range: &Range| Range::of(range.oldest().max(from), range.latest().min(to));
        let is_refused = |range: &Range| {
            let inside = |row: &&Row| row.read.start <= range.latest() && row.read.end >= range.oldest();
            self.rows.iter().filter(inside).any(|row| row.read.state == RangeState::Gap)
        };
        for range in self.missing.iter().filter_map(cut) {
            let why = if is_refused(&range) { Why::Refused } else { Why::Unread };
            unproven.push(Unproven { from: range.oldest(), to: range.latest(), why, due: None });
        }
        for row in &self.rows {
            let Some(range) = Range::of(row.read.start, row.read.end).as_ref().and_then(cut) else { continue };
            let below = self.read_from.is_some_and(|first| range.latest() < first);
            let why = match (row.read.state, row.due) {
                (RangeState::Drained | RangeState::Reread, Some(_)) => Why::AwaitsReread,
                (RangeState::Gap, _) if below => Why::Refused,
                (RangeState::Planned | RangeState::Open, _) if below => Why::Unread,
                _ => continue,
            };
            unproven.push(Unproven { from: range.oldest(), to: range.latest(), why, due: row.due });
        }
        unproven.sort_by_key(|unproven| unproven.from);
        // Neighbours of one kind are one thing to a reader.
        let mut joined: Vec<Unproven> = Vec::new();
        for next in unproven {
            match joined.last_mut() {
                Some(last) if last.why == next.why && last.to.plus(1) >= next.from => {
                    last.to = last.to.max(next.to);
                    last.due = last.due.max(next.due);
                }
                _ => joined.push(next),
            }
        }
        joined
    }

    /// The row that a second is in.
    pub fn row(&self, at: UnixSeconds) -> Option<&Row> {
        self.rows.iter().find(|row| row.read.start <= at && at <= row.read.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(start: u64, end: u64, state: RangeState, due: Option<u64>) -> Row {
        let read = LedgerRange {
            start: UnixSeconds(start),
            end: UnixSeconds(end),
            state,
            level: 0,
            pages: 1,
            entries: 1,
            late: 0,
            read_at: UnixSeconds(end + 60),
        };
        Row { read, due: due.map(UnixSeconds) }
    }

    #[test]
    fn holes_refusals_and_what_awaits_a_reread_are_told_apart() {
        let mirror = LedgerMirror {
            read_from: Some(UnixSeconds(100)),
            watermark: Some(UnixSeconds(599)),
            missing: vec![Range::of(UnixSeconds(200), UnixSeconds(299)).unwrap()],
            rows: vec![
                row(0, 99, RangeState::Planned, None),
                row(100, 199, RangeState::Reread, None),
                row(200, 299, RangeState::Gap, None),
                row(300, 399, RangeState::Drained, Some(1_000)),
                row(400, 599, RangeState::Drained, Some(1_200)),
            ],
            ..LedgerMirror::default()
        };
        let told: Vec<_> = mirror
            .unproven(UnixSeconds(0), UnixSeconds(550))
            .into_iter()
            .map(|u| (u.from.0, u.to.0, u.why, u.due.map(|due| due.0)))
            .collect();
        assert_eq!(
            told,
            [(0, 99, Why::Unread, None), (200, 299, Why::Refused, None), (300, 550, Why::AwaitsReread, Some(1_200)),]
        );
        let back: LedgerMirror = serde_json::from_str(&serde_json::to_string(&mirror).unwrap()).unwrap();
        assert_eq!(back, mirror);
    }
}
