//! What was read of which time: disjoint ranges, one stored record each, keyed by their first second.
//!
//! This is how "did we get everything between 02:00 and 03:00?" is answered, and where the schedule of re-reads lives.
//! It stays small for years: rows that wait for the same re-read merge into what one request can cover, settled rows
//! merge per UTC day.

use super::config::PollConfig;
use gridwatch_event::range::Range;
use gridwatch_event::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const DAY_S: u64 = 86_400;

/// What is known about a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RangeState {
    /// Wanted, not begun.
    Planned,
    /// Being walked for the first time.
    Open,
    /// Walked to its end once.
    Drained,
    /// Walked again at least once after that.
    Reread,
    /// Slack refuses this range, so it can't be read.
    Gap,
}

impl RangeState {
    pub fn is_read(self) -> bool {
        matches!(self, Self::Drained | Self::Reread)
    }
}

/// One row. Both ends are inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRange {
    pub start: UnixSeconds,
    pub end: UnixSeconds,
    pub state: RangeState,
    /// Re-reads behind it or not needed, because it was already that old when it was read.
    pub level: u8,
    pub pages: u64,
    /// Entries that were new when this range was walked.
    pub entries: u64,
    /// Those of them that a re-read found.
    pub late: u64,
    /// Slack's time when the last walk of it began; the earliest one of merged rows.
    pub read_at: UnixSeconds,
}

/// Rows to write and keys to remove, in the same batch as the state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerDelta {
    pub upserts: Vec<LedgerRange>,
    pub deletes: Vec<UnixSeconds>,
}

/// All rows. Invariant: disjoint, ordered, `start <= end`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    rows: BTreeMap<UnixSeconds, LedgerRange>,
    /// Keys touched since the last delta was taken.
    changed: BTreeSet<UnixSeconds>,
}

/// What a finished walk adds to the ledger.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) range: Range,
    pub(super) pages: u64,
    pub(super) entries: u64,
    pub(super) read_at: UnixSeconds,
    pub(super) reread: bool,
}

/// Time inside `within` that was never walked to its end, oldest first.
pub fn gaps(ledger: &Ledger, within: Range) -> Vec<Range> {
    let mut missing = Vec::new();
    let mut from = within.oldest();
    for row in ledger.overlapping(within).filter(|row| row.state.is_read()) {
        missing.extend(Range::of(from, row.start.minus(1)).filter(|_| row.start > from));
        from = row.end.plus(1);
    }
    missing.extend(Range::of(from, within.latest()));
    missing
}

impl Ledger {
    /// From stored rows in any order. Of rows that overlap the one that starts later wins: reading twice is harmless.
    pub fn from_rows(rows: impl IntoIterator<Item = LedgerRange>) -> Self {
        let stored: BTreeMap<_, _> = rows.into_iter().map(|row| (row.start, row)).collect();
        let mut ledger = Self::default();
        for row in stored.values() {
            if let Some(range) = Range::of(row.start, row.end) {
                ledger.carve(range);
                ledger.insert(row.clone());
            }
        }
        ledger.changed = stored.keys().copied().chain(ledger.changed).collect();
        ledger.changed.retain(|start| ledger.rows.get(start) != stored.get(start));
        ledger
    }

    pub fn rows(&self) -> impl Iterator<Item = &LedgerRange> {
        self.rows.values()
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Everything changed since the last call.
    pub(super) fn take_delta(&mut self) -> LedgerDelta {
        let mut delta = LedgerDelta::default();
        for start in std::mem::take(&mut self.changed) {
            match self.rows.get(&start) {
                Some(row) => delta.upserts.push(row.clone()),
                None => delta.deletes.push(start),
            }
        }
        delta
    }

    pub(super) fn mark(&mut self, range: Range, state: RangeState) {
        self.carve(range);
        self.insert(LedgerRange {
            start: range.oldest(),
            end: range.latest(),
            state,
            level: 0,
            pages: 0,
            entries: 0,
            late: 0,
            read_at: UnixSeconds(0),
        });
    }

    /// Marks only the parts of `range` that no row covers.
    pub(super) fn mark_uncovered(&mut self, range: Range, state: RangeState) {
        let mut from = range.oldest();
        let covered: Vec<_> = self.overlapping(range).map(|row| (row.start, row.end)).collect();
        for (start, end) in covered {
            if let Some(hole) = Range::of(from, start.minus(1)).filter(|_| start > from) {
                self.mark(hole, state);
            }
            from = end.plus(1);
        }
        if let Some(hole) = Range::of(from, range.latest()) {
            self.mark(hole, state);
        }
    }

    /// Forgets that `range` was begun.
    pub(super) fn forget(&mut self, range: Range) {
        self.carve(range);
    }

    pub(super) fn record(&mut self, config: &PollConfig, reading: Reading) {
        let before = self.carve(reading.range);
        let row = LedgerRange {
            start: reading.range.oldest(),
            end: reading.range.latest(),
            state: if reading.reread { RangeState::Reread } else { RangeState::Drained },
            level: config.level_after(reading.range.latest(), reading.read_at, reading.reread),
            pages: before.pages + reading.pages,
            entries: before.entries + reading.entries,
            late: before.late + if reading.reread { reading.entries } else { 0 },
            read_at: reading.read_at,
        };
        let start = row.start;
        self.insert(row);
        self.merge_around(config, start);
    }

    /// Slack no longer answers for this range, so it isn't asked again.
    pub(super) fn settle(&mut self, range: Range) {
        let starts: Vec<_> = self.overlapping(range).filter(|row| row.state.is_read()).map(|row| row.start).collect();
        for start in starts {
            if let Some(row) = self.rows.get_mut(&start) {
                row.level = u8::MAX;
                self.changed.insert(start);
            }
        }
    }

    /// The oldest range due for a re-read at `now`, joined with the due ones right behind it.
    pub(super) fn due(&self, config: &PollConfig, now: UnixSeconds) -> Option<Range> {
        let mut joined: Option<Range> = None;
        for row in self.rows.values() {
            let is_due = row.state.is_read() && due(config, row).is_some_and(|due| due <= now);
            match joined {
                None if is_due => joined = Range::of(row.start, row.end),
                None => {}
                Some(range) if is_due && row.start == range.latest().plus(1) => {
                    let longer = Range::of(range.oldest(), row.end);
                    match longer.filter(|longer| longer.length_s() <= config.settings().max_range_s) {
                        Some(longer) => joined = Some(longer),
                        None => break,
                    }
                }
                Some(_) => break,
            }
        }
        let range = joined?;
        let most = range.oldest().plus(config.settings().max_range_s - 1);
        Range::of(range.oldest(), range.latest().min(most))
    }

    /// When a row is to be read again; `None` once it was read as often as it is going to be, or never was.
    pub fn due_again(&self, config: &PollConfig, row: &LedgerRange) -> Option<UnixSeconds> {
        row.state.is_read().then(|| due(config, row)).flatten()
    }

    /// When the next re-read falls due.
    pub(super) fn next_due(&self, config: &PollConfig) -> Option<UnixSeconds> {
        let waiting = self.rows.values().filter(|row| row.state.is_read());
        waiting.filter_map(|row| due(config, row)).min()
    }

    /// Entries that a walk over all of `range` has to show, as far as whole rows in it say.
    pub(super) fn known_within(&self, range: Range) -> u64 {
        let whole = self.overlapping(range).filter(|row| row.start >= range.oldest() && row.end <= range.latest());
        whole.filter(|row| row.state.is_read()).map(|row| row.entries).sum()
    }

    fn overlapping(&self, range: Range) -> impl Iterator<Item = &LedgerRange> {
        let before = self.rows.range(..range.oldest()).next_back().map(|(_, row)| row);
        let inside = self.rows.range(range.oldest()..=range.latest()).map(|(_, row)| row);
        before.into_iter().filter(move |row| row.end >= range.oldest()).chain(inside)
    }

    fn insert(&mut self, row: LedgerRange) {
        self.changed.insert(row.start);
        self.rows.insert(row.start, row);
    }

    /// Cuts `range` out of all rows and returns the sums of what was in it. Counts of a row cut in two go with the part
    /// that was cut out: the sum over all rows stays right.
    fn carve(&mut self, range: Range) -> LedgerRange {
        let mut sums = LedgerRange {
            start: range.oldest(),
            end: range.latest(),
            state: RangeState::Planned,
            level: 0,
            pages: 0,
            entries: 0,
            late: 0,
            read_at: UnixSeconds(0),
        };
        let hit: Vec<_> = self.overlapping(range).map(|row| row.start).collect();
        for start in hit {
            let Some(row) = self.rows.remove(&start) else { continue };
            self.changed.insert(start);
            sums.pages += row.pages;
            sums.entries += row.entries;
            sums.late += row.late;
            let rest = LedgerRange { pages: 0, entries: 0, late: 0, ..row };
            if rest.start < range.oldest() {
                self.insert(LedgerRange { end: range.oldest().minus(1), ..rest.clone() });
            }
            if rest.end > range.latest() {
                self.insert(LedgerRange { start: range.latest().plus(1), ..rest });
            }
        }
        sums
    }

    fn merge_around(&mut self, config: &PollConfig, start: UnixSeconds) {
        let older = self.rows.range(..start).next_back().map(|(start, _)| *start);
        let joined = older.filter(|older| self.merge_with_next(config, *older)).unwrap_or(start);
        self.merge_with_next(config, joined);
    }

    fn merge_with_next(&mut self, config: &PollConfig, start: UnixSeconds) -> bool {
        let mut from_here = self.rows.range(start..).map(|(_, row)| row);
        let (Some(left), Some(right)) = (from_here.next(), from_here.next()) else {
            return false;
        };
        if !may_merge(config, left, right) {
            return false;
        }
        let merged = LedgerRange {
            start: left.start,
            end: right.end,
            state: if left.state == right.state { left.state } else { RangeState::Drained },
            level: left.level,
            pages: left.pages + right.pages,
            entries: left.entries + right.entries,
            late: left.late + right.late,
            read_at: left.read_at.min(right.read_at),
        };
        let gone = right.start;
        self.rows.remove(&gone);
        self.changed.insert(gone);
        self.insert(merged);
        true
    }
}

/// When a row is to be read again. One that was old already when it was read waits from then: what one answer left out, the
/// same server would leave out of the next one too.
fn due(config: &PollConfig, row: &LedgerRange) -> Option<UnixSeconds> {
    let due = config.due(row.end, row.level)?;
    let soon = row.read_at.plus(config.settings().reread_after_s.first().copied().unwrap_or_default());
    Some(if row.read_at >= due { soon } else { due })
}

fn may_merge(config: &PollConfig, left: &LedgerRange, right: &LedgerRange) -> bool {
    let alike = left.state.is_read() && right.state.is_read() && left.level == right.level;
    let adjoin = left.end.plus(1) == right.start;
    alike
        && adjoin
        && match config.longest_row_s(left.level) {
            Some(longest) => right.end.0 - left.start.0 < longest,
            None => left.start.0 / DAY_S == right.end.0 / DAY_S,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PollSettings;
    use proptest::prelude::*;

    const HOUR: u64 = 3600;

    fn config() -> PollConfig {
        PollConfig::new(PollSettings::new(UnixSeconds(0))).unwrap()
    }

    fn w(oldest: u64, latest: u64) -> Range {
        Range::new(UnixSeconds(oldest), UnixSeconds(latest)).unwrap()
    }

    fn read(oldest: u64, latest: u64, read_at: u64) -> Reading {
        let range = w(oldest, latest);
        Reading { range, pages: 1, entries: 10, read_at: UnixSeconds(read_at), reread: false }
    }

    #[test]
    fn gaps_are_what_no_walk_has_finished() {
        let mut ledger = Ledger::default();
        ledger.record(&config(), read(100, 199, 260));
        ledger.mark(w(200, 299), RangeState::Open);
        ledger.record(&config(), read(300, 399, 460));
        ledger.mark(w(400, 499), RangeState::Gap);
        assert_eq!(gaps(&ledger, w(50, 600)), [w(50, 99), w(200, 299), w(400, 600)]);
        assert_eq!(gaps(&ledger, w(120, 180)), []);
        assert_eq!(gaps(&ledger, w(0, 10)), [w(0, 10)]);
    }

    #[test]
    fn live_rows_merge_up_to_what_one_reread_covers() {
        let mut ledger = Ledger::default();
        (0..60).for_each(|n| ledger.record(&config(), read(n * 30, n * 30 + 29, n * 30 + 90)));
        assert_eq!(ledger.len(), 1800_usize.div_ceil(210));
        assert_eq!(gaps(&ledger, w(0, 1799)), []);
        assert_eq!(ledger.rows().map(|row| row.entries).sum::<u64>(), 600);
    }

    #[test]
    fn settled_rows_merge_per_day() {
        let mut ledger = Ledger::default();
        let hour = |n| read(n * HOUR, (n + 1) * HOUR - 1, 1000 * HOUR);
        (0..240).for_each(|n| ledger.record(&config(), hour(n)));
        // Old when it was read, so once more.
        assert!(ledger.due(&config(), UnixSeconds(1001 * HOUR)).is_some());
        (0..240).for_each(|n| ledger.record(&config(), Reading { reread: true, ..hour(n) }));
        assert_eq!(ledger.due(&config(), UnixSeconds(u64::MAX)), None);
        assert_eq!(ledger.len(), 10);
    }

    #[test]
    fn a_range_is_read_again_at_each_age_and_then_never() {
        let (config, mut ledger) = (config(), Ledger::default());
        ledger.record(&config, read(0, 99, 160));
        assert_eq!(ledger.due(&config, UnixSeconds(998)), None);
        for age in [900, 6 * HOUR, 48 * HOUR] {
            assert_eq!(ledger.next_due(&config), Some(UnixSeconds(99 + age)));
            assert_eq!(ledger.due(&config, UnixSeconds(99 + age)), Some(w(0, 99)));
            ledger.record(&config, Reading { reread: true, entries: 2, ..read(0, 99, 99 + age) });
        }
        assert_eq!(ledger.next_due(&config), None);
        let row = ledger.rows().next().unwrap();
        assert_eq!((row.state, row.entries, row.late, row.pages), (RangeState::Reread, 16, 6, 4));
    }

    #[test]
    fn due_neighbours_are_read_in_one_range_of_bounded_length() {
        let (config, mut ledger) = (config(), Ledger::default());
        (0..2000).for_each(|n| ledger.record(&config, read(n * 200, n * 200 + 199, n * 200 + 260)));
        let range = ledger.due(&config, UnixSeconds(1_000_000)).unwrap();
        assert!(range.length_s() > 80_000 && range.length_s() <= 86_400, "{range}");
    }

    proptest! {
        #[test]
        fn rows_stay_disjoint_and_deltas_rebuild_the_ledger(
            steps in prop::collection::vec((0u64..5000, 0u64..900, 0u64..200_000, 0u8..4), 1..60)
        ) {
            let (config, mut ledger) = (config(), Ledger::default());
            let mut stored = BTreeMap::new();
            let mut covered = BTreeSet::new();
            let mut entries = 0;
            for (oldest, length, read_at, kind) in steps {
                let range = w(oldest, oldest + length);
                match kind {
                    0 => ledger.mark_uncovered(range, RangeState::Planned),
                    1 => {
                        ledger.mark(range, RangeState::Open);
                        entries = ledger.rows().map(|row| row.entries).sum();
                        covered.retain(|second| !range.contains(UnixSeconds(*second)));
                    }
                    _ => {
                        let reading = Reading { reread: kind == 3, ..read(oldest, oldest + length, read_at) };
                        ledger.record(&config, reading);
                        entries += reading.entries;
                        covered.extend(oldest..=oldest + length);
                    }
                }
                let delta = ledger.take_delta();
                delta.deletes.iter().for_each(|start| { stored.remove(start); });
                delta.upserts.into_iter().for_each(|row| { stored.insert(row.start, row); });
                prop_assert_eq!(&stored, &ledger.rows);
                let rows: Vec<_> = ledger.rows().collect();
                prop_assert!(rows.windows(2).all(|pair| pair[0].end < pair[1].start));
                prop_assert!(rows.iter().all(|row| row.start <= row.end));
                prop_assert_eq!(rows.iter().map(|row| row.entries).sum::<u64>(), entries);
                let missing: u64 = gaps(&ledger, w(0, 6000)).iter().map(|gap| gap.length_s()).sum();
                prop_assert_eq!(6001 - missing, covered.len() as u64);
            }
            prop_assert_eq!(Ledger::from_rows(stored.into_values()).rows, ledger.rows);
        }
    }
}
