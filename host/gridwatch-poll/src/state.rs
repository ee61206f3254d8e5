//! What polling must remember across a restart, in one small record. Ledger rows are records of their own.

use super::backoff::Timer;
use super::budget::Budget;
use super::clock::SlackClock;
use super::config::PollConfig;
use super::outcome::Request;
use super::problem::Problem;
use gridwatch_event::range::Range;
use gridwatch_event::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use std::fmt;

const VERSION: u32 = 1;
/// First length of a range, before anything is known about the traffic.
const FIRST_SPAN_S: u64 = 3600;
/// Smallest page asked for after pages that didn't arrive whole.
const SMALLEST_LIMIT: u32 = 50;

/// In order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// New time, forward from the watermark. After downtime it catches up here, oldest first.
    Live,
    /// Drained time again, for late entries.
    Reread,
    /// Time before the start, newest first.
    Backfill,
}

impl Lane {
    pub const ALL: [Self; 3] = [Self::Live, Self::Reread, Self::Backfill];

    pub fn label(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Reread => "reread",
            Self::Backfill => "backfill",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// The range being walked. One record, so that a cursor can't be saved apart from the range it was minted in:
/// resuming one with other bounds broke demisto/content (pull request 31528).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRange {
    pub number: u64,
    pub lane: Lane,
    #[serde(rename = "window")]
    pub range: Range,
    /// First second not drained before; what lies before it is overlap.
    pub fresh_from: UnixSeconds,
    pub limit: u32,
    /// Where this walk goes on; `None` is its first page.
    pub cursor: Option<String>,
    /// Pages, entries and strays of this walk; new entries of all walks of this range.
    pub page: u32,
    pub entries: u64,
    pub strays: u64,
    pub new_entries: u64,
    pub restarts: u32,
    /// Pages in a row that reached no further back.
    pub(super) stalled: u32,
    /// Oldest second this walk has shown.
    pub(super) reached: Option<UnixSeconds>,
    /// What Slack's clock said when this walk began.
    pub(super) begun: Option<Begun>,
    /// Restarts of the range as it is; `restarts` counts on through splits.
    #[serde(default)]
    pub(super) tries: u32,
    /// Pages in a row without an entry.
    #[serde(default)]
    pub(super) empty: u32,
    /// Newest second inside the range that any walk of it has shown.
    #[serde(default)]
    pub(super) newest: Option<UnixSeconds>,
    /// Walks that ended without what was seen in this time before.
    #[serde(default)]
    pub(super) doubts: u32,
    /// Old time that is looked at again without being due.
    #[serde(default)]
    pub(super) is_sample: bool,
}

/// Fixed by the first page of a walk: entries that appear later are newer than its cursor and never show in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begun {
    /// A moment that had passed by Slack's clock and by ours.
    pub(super) at: UnixSeconds,
    /// The newest time that was worth asking for.
    #[serde(default)]
    pub(super) safe: UnixSeconds,
    /// Time after this was too young, or still to come, and doesn't count as drained.
    pub(super) settled: UnixSeconds,
}

impl OpenRange {
    pub(super) fn new(number: u64, lane: Lane, range: Range, fresh_from: UnixSeconds, limit: u32) -> Self {
        Self {
            number,
            lane,
            range,
            fresh_from,
            limit,
            cursor: None,
            page: 0,
            entries: 0,
            strays: 0,
            new_entries: 0,
            restarts: 0,
            stalled: 0,
            reached: None,
            begun: None,
            tries: 0,
            empty: 0,
            newest: None,
            doubts: 0,
            is_sample: false,
        }
    }

    pub(super) fn request(&self) -> Request {
        Request {
            range_no: self.number,
            lane: self.lane,
            range: self.range,
            limit: self.limit,
            cursor: self.cursor.clone(),
            anew: self.doubts > 0,
        }
    }

    pub(super) fn is_answered_by(&self, request: &Request) -> bool {
        self.number == request.range_no && self.range == request.range && self.cursor == request.cursor
    }

    /// Back to the first page of the same range.
    pub(super) fn restart(&mut self) {
        self.rewind();
        self.restarts = self.restarts.saturating_add(1);
        self.tries = self.tries.saturating_add(1);
    }

    pub(super) fn rewind(&mut self) {
        self.cursor = None;
        self.page = 0;
        self.entries = 0;
        self.strays = 0;
        self.stalled = 0;
        self.reached = None;
        self.empty = 0;
        self.begun = None;
    }

    /// As much time as a third of the first page held: twice that, and the overlap, fit as well. `None` unless only that page
    /// was read.
    pub(super) fn fitting_s(&self) -> Option<u64> {
        let reached = self.reached.filter(|_| self.page == 1)?;
        Some((self.range.latest().0.saturating_sub(reached.0) / 3).max(1))
    }

    pub(super) fn ask_for_smaller_pages(&mut self) {
        self.limit = (self.limit / 2).max(SMALLEST_LIMIT.min(self.limit));
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LaneState {
    pub(super) open: Option<OpenRange>,
    /// Failures since the last page; outlives a range that is given up.
    pub(super) failures: u32,
    /// Refused ranges since the last page.
    pub(super) refused: u32,
    pub(super) retry: Option<Timer>,
    pub(super) problem: Option<Problem>,
}

/// Something that stops all lanes: the quota or the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pause {
    pub(super) timer: Timer,
    pub(super) problem: Problem,
    /// Slack said how long, so nothing shortens it.
    #[serde(default)]
    pub(super) is_asked: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BackfillState {
    /// Everything from here up to the origin is drained.
    pub(super) low: Option<UnixSeconds>,
    /// Slack refuses what is older than this.
    pub(super) floor: Option<UnixSeconds>,
    pub(super) span_s: u64,
}

/// The record. Fields are private to the poll module: only the machine moves them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollState {
    version: u32,
    /// First second ever drained by the live lane.
    pub(super) origin: Option<UnixSeconds>,
    /// End of drained live time. Moves only in `Machine::drain_live`, together with the last entries of the range: Slack pages
    /// newest first, so moving it earlier would skip what is still on later pages.
    pub(super) watermark: Option<UnixSeconds>,
    #[serde(rename = "next_window_no")]
    pub(super) next_range_no: u64,
    /// Length of the next live range while catching up.
    pub(super) span_s: u64,
    pub(super) live: LaneState,
    pub(super) reread: LaneState,
    pub(super) backfill: LaneState,
    pub(super) backfilled: BackfillState,
    /// Runs out when the next live range is wanted.
    pub(super) live_timer: Option<Timer>,
    pub(super) pause: Option<Pause>,
    /// 429s in a row.
    pub(super) refusals: u32,
    /// Account problems in a row.
    #[serde(default)]
    pub(super) halts: u32,
    /// Newest second in which the live lane has seen an entry: the next walk over it has to show one.
    #[serde(default)]
    pub(super) anchor: Option<UnixSeconds>,
    /// While the watermark is ahead of what may be asked for: to here live time has been read all the same.
    #[serde(default)]
    pub(super) followed: Option<UnixSeconds>,
    /// Old ranges looked at again without being due, and when the next is wanted.
    #[serde(default)]
    pub(super) samples: u64,
    /// Ids of entries since then are all known. In a state of an older version it isn't said how long they were kept.
    #[serde(default)]
    pub(super) ids_from: Option<UnixSeconds>,
    #[serde(default)]
    pub(super) sample_timer: Option<Timer>,
    pub(super) clock: SlackClock,
    pub(super) budget: Budget,
}

/// Why a stored record can't be used. Starting again from an older time is always safe: ids make it harmless.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    #[error("poll state has version {found}, this program reads {VERSION}")]
    Version { found: u32 },
    #[error("poll state contradicts itself: {what}")]
    Contradiction { what: &'static str },
}

impl PollState {
    pub(super) fn new(config: &PollConfig) -> Self {
        let settings = config.settings();
        let span_s = FIRST_SPAN_S.clamp(settings.min_range_s, settings.max_range_s);
        Self {
            version: VERSION,
            origin: None,
            watermark: None,
            next_range_no: 1,
            span_s,
            live: LaneState::default(),
            reread: LaneState::default(),
            backfill: LaneState::default(),
            backfilled: BackfillState { span_s, ..BackfillState::default() },
            live_timer: None,
            pause: None,
            refusals: 0,
            halts: 0,
            anchor: None,
            followed: None,
            samples: 0,
            ids_from: None,
            sample_timer: None,
            clock: SlackClock::default(),
            budget: Budget::new(&config.budget_limits()),
        }
    }

    pub(super) fn check(&self) -> Result<(), StateError> {
        let contradiction = |what| Err(StateError::Contradiction { what });
        if self.version != VERSION {
            return Err(StateError::Version { found: self.version });
        }
        if self.origin.is_some() != self.watermark.is_some() || self.origin > self.watermark {
            return contradiction("origin and watermark");
        }
        for lane in Lane::ALL {
            let Some(open) = &self.lane(lane).open else { continue };
            if open.lane != lane || open.number >= self.next_range_no || open.limit == 0 {
                return contradiction("open range");
            }
            if lane == Lane::Live && self.watermark.is_some_and(|watermark| open.fresh_from > watermark.plus(1)) {
                return contradiction("open live range leaves time out");
            }
        }
        Ok(())
    }

    pub(super) fn lane(&self, lane: Lane) -> &LaneState {
        match lane {
            Lane::Live => &self.live,
            Lane::Reread => &self.reread,
            Lane::Backfill => &self.backfill,
        }
    }

    pub(super) fn lane_mut(&mut self, lane: Lane) -> &mut LaneState {
        match lane {
            Lane::Live => &mut self.live,
            Lane::Reread => &mut self.reread,
            Lane::Backfill => &mut self.backfill,
        }
    }

    /// End of drained live time; `None` until the first range is drained.
    pub fn watermark(&self) -> Option<UnixSeconds> {
        self.watermark
    }

    /// First second ever drained by the live lane.
    pub fn origin(&self) -> Option<UnixSeconds> {
        self.origin
    }

    /// Everything from here up to the origin has been backfilled.
    pub fn backfilled_to(&self) -> Option<UnixSeconds> {
        self.backfilled.low
    }

    pub fn open_range(&self, lane: Lane) -> Option<&OpenRange> {
        self.lane(lane).open.as_ref()
    }

    /// Seconds of a lane's open range that this walk has shown, as far as they are new.
    pub fn covered_s(&self, lane: Lane) -> u64 {
        self.open_range(lane).map_or(0, |open| {
            let from = open.reached.map_or(open.range.latest(), |reached| reached.max(open.fresh_from));
            open.range.latest().0.saturating_sub(from.0)
        })
    }

    /// Length of the next live range while catching up, in seconds.
    pub fn span_s(&self) -> u64 {
        self.span_s
    }

    pub fn clock(&self) -> &SlackClock {
        &self.clock
    }

    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// A lane's problem that Slack named a time for is the lane's all the same.
    pub(super) fn is_of_all(&self, pause: &Pause) -> bool {
        Lane::ALL.into_iter().all(|lane| self.lane(lane).problem.as_ref() != Some(&pause.problem))
    }

    /// What is wrong at present; `None` as the lane means all of them.
    pub fn problems(&self) -> impl Iterator<Item = (Option<Lane>, &Problem)> {
        let everywhere = self.pause.iter().filter(|pause| self.is_of_all(pause)).map(|pause| (None, &pause.problem));
        everywhere.chain(Lane::ALL.into_iter().filter_map(|lane| Some((Some(lane), self.lane(lane).problem.as_ref()?))))
    }
}
