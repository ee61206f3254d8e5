//! The state machine: what to do next, and what an outcome changes.
//!
//! It can neither send nor save. `next` only chooses; everything that must survive a crash is moved by `apply` and comes
//! back as a [`Commit`]. A crash between the two repeats one request, which dedup absorbs.

use super::backoff::{Timer, delay_ms};
use super::budget::BudgetLimits;
use super::config::{InvalidPollConfig, PollConfig, PollSettings};
use super::ledger::{Ledger, LedgerDelta, RangeState, Reading};
use super::outcome::{Failed, Failure, Outcome, PageReceived, Request};
use super::planner::{self, Plan};
use super::problem::Problem;
use super::state::{Begun, Lane, OpenRange, Pause, PollState, StateError};
use super::{
    DOUBTS_BEFORE_BELIEF, DOUBTS_OF_OLD_TIME, FAILURES_BEFORE_RESTART, FIRST_HALT_MS, MAX_EMPTY_PAGES,
    MAX_PAGES_PER_WALK, MAX_RETRY_AFTER_MS, MAX_STALLED_PAGES, MAX_WAIT_MS, REFUSALS_BEFORE_GAP, RESTARTS_BEFORE_SPLIT,
};
use gridwatch_event::range::Range;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use std::fmt;

/// The time, read once per step by the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    pub wall: UnixMillis,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Fetch(Request),
    /// Call `next` again at `until`: at most [`MAX_WAIT_MS`] away, or [`MAX_RETRY_AFTER_MS`] where Slack asked for it.
    Wait {
        until: UnixMillis,
        why: WaitReason,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitReason {
    /// All time that may be read has been read.
    UpToDate,
    /// Own rate limit.
    Budget,
    /// Slack's rate limit.
    RateLimited,
    /// Slack named a time to come back at, with another answer than a 429.
    Asked { problem: Problem },
    /// The watermark is ahead of Slack's clock; what happens below it is read all the same.
    WatermarkAhead { by_s: u64 },
    /// After a failure, before the next attempt.
    Retry { lane: Lane },
    /// Nobody is let in until an operator acts; tried again all the same.
    Halted { problem: Problem },
}

/// To be saved in one atomic batch, together with the page's entries.
#[derive(Debug, Clone)]
pub struct Commit {
    pub state: PollState,
    pub ledger: LedgerDelta,
    pub drained: Option<Drained>,
    /// State changes worth a log line each.
    pub notes: Vec<Note>,
}

/// A range walked to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    pub range_no: u64,
    pub lane: Lane,
    /// The part that counts as drained: `None` where Slack's clock had not settled any of it.
    pub range: Option<Range>,
    pub entries: u64,
    pub new_entries: u64,
    pub strays: u64,
    pub pages: u32,
    /// Old time that was looked at without being due: a new entry in it came later than the last re-read.
    pub is_sample: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The outcome of a request that is no longer current: its entries are welcome, it moves nothing.
    Stale {
        range_no: u64,
    },
    Opened {
        range_no: u64,
        lane: Lane,
        range: Range,
    },
    Restarted {
        range_no: u64,
        lane: Lane,
        why: RestartReason,
    },
    Split {
        lane: Lane,
        from: Range,
        to: Range,
    },
    /// The range reached past what Slack's clock had settled.
    ClockAhead {
        range: Range,
    },
    /// A walk ended without entries that were seen in the same time before; it is made again.
    Missing {
        lane: Lane,
        range: Range,
        doubts: u32,
    },
    /// It ended like that so often that it is believed.
    Believed {
        lane: Lane,
        range: Range,
    },
    /// Slack asked for a longer wait than is believed.
    RetryAfterCapped {
        asked_s: u64,
    },
    /// Slack refused a range that only its `Date` had allowed: for a while our own clock is the limit.
    DateRefuted {
        range: Range,
    },
    /// Slack has nothing older than this.
    HistoryEnds {
        at: UnixSeconds,
    },
    /// Slack refuses to show this drained range again.
    RereadGivenUp {
        range: Range,
    },
    Problem {
        lane: Option<Lane>,
        problem: Problem,
    },
    Recovered {
        lane: Option<Lane>,
        problem: Problem,
    },
}

/// As a line of a log.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |lane: &Option<Lane>| lane.map_or("all lanes".to_owned(), |lane| format!("the {lane} lane"));
        match self {
            Self::Stale { .. } => {
                f.write_str("an answer came for a range that is no longer walked; its entries are kept")
            }
            Self::Opened { lane, range, .. } => write!(f, "the {lane} lane reads {range}"),
            Self::Restarted { lane, why, .. } => {
                write!(f, "the {lane} lane reads its range again from the start: {why}")
            }
            Self::Split { lane, from, to } => {
                write!(f, "the {lane} lane reads a smaller range, {to} instead of {from}")
            }
            Self::ClockAhead { range } => {
                write!(f, "the range {range} reached past what Slack's clock had settled; its end is read again")
            }
            Self::Missing { lane, range, doubts } => write!(
                f,
                "an answer in the {lane} lane for {range} lacks entries that were seen in the same time before; it is asked for \
                 again, over another connection ({doubts} times so far)"
            ),
            Self::Believed { lane, range } => write!(
                f,
                "the entries seen before in {range} ({lane} lane) don't come back; going on without them, as Slack says so each \
                 time"
            ),
            Self::RetryAfterCapped { asked_s } => write!(
                f,
                "Slack asked for a wait of {asked_s} s, longer than gridwatch believes; it is asked again after an hour"
            ),
            Self::DateRefuted { range } => write!(
                f,
                "Slack refused {range}, which the `Date` of its own answers had allowed; for an hour this host's clock is the \
                 limit"
            ),
            Self::HistoryEnds { at } => write!(f, "Slack has nothing older than {at}"),
            Self::RereadGivenUp { range } => write!(f, "Slack refuses to show {range} again; it was read before"),
            Self::Problem { lane, problem } => write!(f, "{problem} ({})", of(lane)),
            Self::Recovered { lane, problem } => write!(f, "no longer: {problem} ({})", of(lane)),
        }
    }
}

impl fmt::Display for RestartReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CursorRefused => "Slack no longer takes its cursor",
            Self::SameCursorAgain => "Slack gave the same cursor again",
            Self::NoProgress => "its pages reached no further back",
            Self::TooManyPages => "it had more pages than any range should",
            Self::CursorKeepsFailing => "its next page failed again and again",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartReason {
    /// 400 with a cursor: Slack's cursors expire, which is the one thing known to cause it.
    CursorRefused,
    SameCursorAgain,
    NoProgress,
    TooManyPages,
    CursorKeepsFailing,
}

/// Holds the state and all ledger rows in memory; both are small.
#[derive(Debug)]
pub struct Machine {
    config: PollConfig,
    limits: BudgetLimits,
    state: PollState,
    ledger: Ledger,
    notes: Vec<Note>,
    /// When the last step was expected to be over at the latest. Not saved: a process that wasn't there expects nothing.
    expected: Option<UnixMillis>,
}

/// For so long the ids of entries have always been kept, whatever was configured.
const IDS_KEPT_S: u64 = 3 * 86_400;
/// Nothing takes this much longer than expected, unless the host sleeps or its clock leaps.
const LEAP_MS: u64 = 120_000;
/// Longest that a request takes, with room: `slack.timeout` is at most five minutes.
const LONGEST_FETCH_MS: u64 = 600_000;
/// Share of the burst, in percent, below which nothing is spare.
const SPARE_PERCENT: u64 = 50;
/// The watermark may be this far ahead without anybody being told: clocks differ, and Slack has many.
const AHEAD_TOLD_S: u64 = 60;

enum Ready {
    Send(Request),
    In(u64, WaitReason),
    Nothing,
}

enum Verdict {
    Drained,
    Follow(String),
    Endless(RestartReason),
}

impl Machine {
    /// A first start, or a store that is gone.
    pub fn start(config: PollConfig) -> Self {
        let state = PollState::new(&config);
        Self::with(config, state, Ledger::default())
    }

    /// A store that is new, although time was read before: from `drained_from` on all was, and ids of the entries since `ids_from`
    /// are still known. Reading begins at the configured start, which is not before either, and older time is not read again.
    pub fn start_again(config: PollConfig, drained_from: UnixSeconds, ids_from: UnixSeconds) -> Self {
        let mut machine = Self::start(config);
        machine.state.backfilled.low = Some(drained_from);
        machine.state.ids_from = Some(ids_from);
        machine
    }

    fn with(config: PollConfig, state: PollState, ledger: Ledger) -> Self {
        let limits = config.budget_limits();
        Self { config, limits, state, ledger, notes: Vec::new(), expected: None }
    }

    /// From what was saved. The configuration may have changed in between; `start` no longer matters then.
    ///
    /// # Errors
    /// The saved state is of another version, or contradicts itself.
    pub fn resume(config: PollConfig, mut state: PollState, ledger: Ledger) -> Result<Self, StateError> {
        state.check()?;
        let (limits, settings) = (config.budget_limits(), config.settings());
        state.budget.resume(&limits);
        state.span_s = state.span_s.clamp(settings.min_range_s, settings.max_range_s);
        state.backfilled.span_s = state.backfilled.span_s.clamp(settings.min_range_s, settings.max_range_s);
        let mut machine = Self::with(config, state, ledger);
        // What Slack refused before is asked for once more: a restart is how an operator says "try again". Only the quota
        // has nothing to do with us.
        machine.state.backfilled.floor = None;
        machine.state.pause.take_if(|pause| pause.problem != Problem::RateLimited && !pause.is_asked);
        machine.state.halts = 0;
        if let Some(watermark) = machine.state.watermark {
            machine.state.ids_from.get_or_insert(watermark.minus(IDS_KEPT_S));
        }
        machine.plan_backfill();
        Ok(machine)
    }

    /// Somebody did something about what stands in the way, such as replacing the token: ask again now.
    pub fn try_now(&mut self) {
        self.state.pause.take_if(|pause| pause.problem != Problem::RateLimited && !pause.is_asked);
        self.state.halts = 0;
    }

    /// Reads back to here as well, if that is further than was asked for. The configuration's own limit stays what it is.
    ///
    /// # Errors
    /// It is not before the start.
    pub fn reach_back(&mut self, to: UnixSeconds) -> Result<(), InvalidPollConfig> {
        let settings = self.config.settings();
        let wanted = settings.backfill.map_or(to, |known| known.min(to));
        let start = self.state.origin.unwrap_or(settings.start);
        self.config = PollConfig::new(PollSettings { backfill: Some(wanted), start, ..settings.clone() })?;
        // Somebody asks for it: what Slack refused before is asked for once more.
        self.state.backfilled.floor = None;
        self.plan_backfill();
        Ok(())
    }

    /// Ids of older entries were forgotten: looked at again, these would be taken for new ones.
    pub fn forgot_ids_before(&mut self, horizon: UnixSeconds) {
        self.state.ids_from = self.state.ids_from.max(Some(horizon));
    }

    /// How far the watermark is ahead of what may be asked for.
    pub fn ahead_s(&self, wall: UnixMillis) -> u64 {
        planner::ahead_s(&self.config, &self.state, wall)
    }

    pub fn state(&self) -> &PollState {
        &self.state
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub fn config(&self) -> &PollConfig {
        &self.config
    }

    /// What to do now. Asking twice without applying an outcome asks Slack twice and costs budget twice.
    pub fn next(&mut self, now: Now) -> Step {
        if let Some(expected) = self.expected.take().filter(|expected| now.wall.since(*expected) > LEAP_MS) {
            self.state.clock.leapt(expected.seconds());
        }
        let step = self.choose(now);
        self.expected = Some(match &step {
            Step::Fetch(_) => now.wall.plus(LONGEST_FETCH_MS),
            Step::Wait { until, .. } => *until,
        });
        step
    }

    fn choose(&mut self, now: Now) -> Step {
        self.follow_clock(now.wall);
        if let Some(pause) = &self.state.pause {
            let left_ms = pause.timer.left_ms(now.wall);
            if left_ms > 0 {
                return Step::Wait { until: now.wall.plus(left_ms), why: why_paused(pause) };
            }
        }
        let (mut wait_ms, mut why) = (MAX_WAIT_MS, WaitReason::UpToDate);
        for lane in Lane::ALL {
            match self.ready(lane, now.wall) {
                Ready::Send(request) => return Step::Fetch(request),
                Ready::In(lane_ms, lane_why) if lane_ms < wait_ms => (wait_ms, why) = (lane_ms, lane_why),
                Ready::In(..) | Ready::Nothing => {}
            }
        }
        let by_s = self.ahead_s(now.wall);
        if why == WaitReason::UpToDate && by_s > AHEAD_TOLD_S {
            why = WaitReason::WatermarkAhead { by_s };
        }
        Step::Wait { until: now.wall.plus(wait_ms.max(1)), why }
    }

    /// What an outcome changes. The result must be saved before `next` is called again.
    pub fn apply(&mut self, outcome: Outcome) -> Commit {
        let drained = match outcome {
            Outcome::Page(page) => {
                self.follow_clock(page.received_at);
                self.page(page)
            }
            Outcome::Failed(failed) => {
                self.follow_clock(failed.at);
                self.failed(failed);
                None
            }
        };
        Commit {
            state: self.state.clone(),
            ledger: self.ledger.take_delta(),
            drained,
            notes: std::mem::take(&mut self.notes),
        }
    }

    /// Everything that counts time learns of a step back first.
    fn follow_clock(&mut self, wall: UnixMillis) {
        self.state.clock.steady(wall);
        self.state.budget.refill(&self.limits, wall);
        let lanes = [&mut self.state.live, &mut self.state.reread, &mut self.state.backfill];
        let retries = lanes.into_iter().filter_map(|lane| lane.retry.as_mut());
        let pause = self.state.pause.as_mut().map(|pause| &mut pause.timer);
        let own = self.state.live_timer.iter_mut().chain(self.state.sample_timer.as_mut());
        retries.chain(pause).chain(own).for_each(|timer| timer.steady(wall));
    }

    /// What the lane has to send now, opening its next range if it has none; otherwise how long it has to wait.
    fn ready(&mut self, lane: Lane, wall: UnixMillis) -> Ready {
        let retry_ms = self.state.lane(lane).retry.map_or(0, |timer| timer.left_ms(wall));
        if retry_ms > 0 {
            return Ready::In(retry_ms, WaitReason::Retry { lane });
        }
        self.drop_if_in_the_future(lane, wall);
        let plan = match &self.state.lane(lane).open {
            Some(open) => Plan::GoOn(open.request()),
            None => planner::plan(lane, &self.config, &self.state, &self.ledger, wall),
        };
        let is_idle = matches!(plan, Plan::Nothing | Plan::WaitMs(_));
        let sample = if lane == Lane::Reread && is_idle { self.sample(wall) } else { None };
        let is_sample = sample.is_some();
        let plan = sample.map_or(plan, |range| Plan::Open { range, fresh_from: range.oldest() });
        let budget_ms = self.state.budget.ready_in_ms(&self.limits, lane);
        match plan {
            Plan::Nothing => Ready::Nothing,
            Plan::WaitMs(ms) => Ready::In(ms, WaitReason::UpToDate),
            _ if budget_ms > 0 => Ready::In(budget_ms, WaitReason::Budget),
            Plan::GoOn(request) => {
                self.state.budget.take();
                Ready::Send(request)
            }
            Plan::Open { range, fresh_from } => {
                if lane == Lane::Live {
                    self.state.live_timer = Some(Timer::new(wall, self.until_next_live_ms(wall)));
                }
                self.state.budget.take();
                let open = self.open(lane, range, fresh_from);
                open.is_sample = is_sample;
                Ready::Send(open.request())
            }
        }
    }

    /// Old time to look at again, if there is nothing else to do and it is time to.
    fn sample(&mut self, wall: UnixMillis) -> Option<Range> {
        let every_ms = self.config.settings().sample_every_s.saturating_mul(1000);
        let from = self.state.ids_from.filter(|_| every_ms > 0)?;
        let timer = *self.state.sample_timer.get_or_insert_with(|| Timer::new(wall, every_ms));
        let live_waits = self.state.live_timer.is_some_and(|timer| timer.left_ms(wall) > 0);
        let is_busy = Lane::ALL.iter().any(|lane| self.state.lane(*lane).open.is_some())
            || planner::plan(Lane::Backfill, &self.config, &self.state, &self.ledger, wall) != Plan::Nothing;
        let is_spare = self.state.budget.left_percent(&self.limits) >= SPARE_PERCENT;
        if timer.left_ms(wall) > 0 || !live_waits || is_busy || !is_spare {
            return None;
        }
        self.state.sample_timer = Some(Timer::new(wall, every_ms));
        let range = planner::sample(&self.config, &self.state, &self.ledger, wall, from);
        self.state.samples = self.state.samples.wrapping_add(1);
        range
    }

    /// A poll that begins without fresh knowledge of Slack's clock may ask only up to the last `Date`: its answer brings
    /// a new one, and the rest is asked for right behind it.
    fn until_next_live_ms(&self, wall: UnixMillis) -> u64 {
        let settings = self.config.settings();
        if self.state.clock.is_stale(wall, settings.settle_s) { 0 } else { settings.interval_s * 1000 }
    }

    /// A range planned before Slack's clock was known, and not begun: nothing is lost by planning it again.
    fn drop_if_in_the_future(&mut self, lane: Lane, wall: UnixMillis) {
        let reached = self.state.clock.reached(wall);
        let unbegun =
            self.state.lane_mut(lane).open.take_if(|open| open.begun.is_none() && open.range.latest() > reached);
        if let Some(open) = unbegun {
            self.forget_open(&open);
            self.notes.push(Note::ClockAhead { range: open.range });
        }
    }

    fn open(&mut self, lane: Lane, range: Range, fresh_from: UnixSeconds) -> &mut OpenRange {
        let number = self.state.next_range_no;
        self.state.next_range_no += 1;
        self.notes.push(Note::Opened { range_no: number, lane, range });
        let limit = self.config.settings().page_limit;
        self.state.lane_mut(lane).open.insert(OpenRange::new(number, lane, range, fresh_from, limit))
    }

    fn page(&mut self, received: PageReceived) -> Option<Drained> {
        let lane = received.request.lane;
        self.state.clock.observe(received.server_date, received.received_at);
        if let Some(newest) = received.page.newest_inside {
            self.state.clock.prove(newest, received.received_at);
        }
        self.state.budget.went_through(&self.limits);
        let begun = self.begun_now(received.received_at);
        let Some(open) = current(&mut self.state, &received.request) else {
            self.notes.push(Note::Stale { range_no: received.request.range_no });
            return None;
        };
        let is_first_page = open.cursor.is_none();
        if is_first_page {
            open.begun = Some(begun);
        }
        let range = open.range;
        let verdict = judge(open, &received);
        self.recovered(lane);
        if is_first_page {
            self.mark_open(lane, range);
        }
        match verdict {
            Verdict::Drained if self.is_short(lane) => return self.doubt(lane, received.received_at),
            Verdict::Drained => return self.drain(lane),
            Verdict::Follow(cursor) => {
                if let Some(open) = &mut self.state.lane_mut(lane).open {
                    open.cursor = Some(cursor);
                }
            }
            Verdict::Endless(why) => self.restart(lane, why, received.received_at),
        }
        None
    }

    fn begun_now(&self, wall: UnixMillis) -> Begun {
        let (at, settle_s) = (self.state.clock.certain(wall), self.config.settings().settle_s);
        Begun { at, safe: self.state.clock.reached(wall).minus(settle_s), settled: at.minus(settle_s) }
    }

    /// Did a walk end without what was seen in the same time before? Entries don't go away, so what answered was a cache, a
    /// proxy, or a part of Slack that is behind.
    fn is_short(&self, lane: Lane) -> bool {
        let Some(open) = &self.state.lane(lane).open else { return false };
        let is_gone = open.newest.is_some() && open.reached.is_none();
        let lacks_known = match lane {
            Lane::Live => self.state.anchor.is_some_and(|anchor| {
                open.range.contains(anchor) && open.reached.is_none_or(|reached| reached > anchor)
            }),
            Lane::Reread => open.entries == 0 && self.ledger.known_within(open.range) > 0,
            Lane::Backfill => false,
        };
        is_gone || lacks_known
    }

    /// The same walk again: at once the first time, then ever later; in the end Slack is believed.
    fn doubt(&mut self, lane: Lane, at: UnixMillis) -> Option<Drained> {
        let open = self.state.lane_mut(lane).open.as_mut()?;
        open.doubts += 1;
        let (number, range, doubts) = (open.number, open.range, open.doubts);
        let most = if lane == Lane::Live { DOUBTS_BEFORE_BELIEF } else { DOUBTS_OF_OLD_TIME };
        if doubts > most {
            open.newest = None;
            self.notes.push(Note::Believed { lane, range });
            self.state.anchor.take_if(|_| lane == Lane::Live);
            return self.drain(lane);
        }
        open.rewind();
        self.notes.push(Note::Missing { lane, range, doubts });
        if doubts > 1 {
            self.lane_problem(lane, Problem::EntriesMissing);
            self.retry_after(lane, at, delay_ms(number, doubts - 1).min(MAX_WAIT_MS / 5));
        }
        None
    }

    /// The one place where drained time grows.
    fn drain(&mut self, lane: Lane) -> Option<Drained> {
        let open = self.state.lane_mut(lane).open.take()?;
        let begun = open.begun?;
        self.recovered(lane);
        let counted = Range::of(open.fresh_from, open.range.latest().min(begun.settled));
        if open.range.latest() > begun.safe {
            self.notes.push(Note::ClockAhead { range: open.range });
        }
        match lane {
            Lane::Live => self.drain_live(&open, counted, begun),
            Lane::Reread => self.record(&open, counted, begun),
            Lane::Backfill => self.drain_backfill(&open, counted, begun),
        }
        Some(Drained {
            range_no: open.number,
            lane,
            range: counted,
            entries: open.entries,
            new_entries: open.new_entries,
            strays: open.strays,
            pages: open.page,
            is_sample: open.is_sample,
        })
    }

    fn drain_live(&mut self, open: &OpenRange, counted: Option<Range>, begun: Begun) {
        self.forget_open(open);
        self.state.clock.relax();
        if open.range.latest() < open.fresh_from {
            self.state.followed = Some(open.range.latest());
        }
        let Some(counted) = counted else { return };
        self.state.followed = None;
        self.state.clock.is_back();
        self.record(open, Some(counted), begun);
        self.state.span_s = planner::next_span_s(&self.config, self.state.span_s, open);
        self.state.watermark = self.state.watermark.max(Some(counted.latest()));
        if self.state.origin.is_none() {
            self.state.origin = Some(counted.oldest());
            self.plan_backfill();
        }
    }

    fn drain_backfill(&mut self, open: &OpenRange, counted: Option<Range>, begun: Begun) {
        // Backward, so a range cut short at its newer end has drained nothing that adjoins what is there.
        if let Some(counted) = counted.filter(|counted| *counted == open.range) {
            self.record(open, Some(counted), begun);
            self.state.backfilled.low = Some(counted.oldest());
            self.state.backfilled.span_s = planner::next_span_s(&self.config, self.state.backfilled.span_s, open);
        }
    }

    fn record(&mut self, open: &OpenRange, counted: Option<Range>, begun: Begun) {
        let Some(range) = counted else { return };
        let reading = Reading {
            range,
            pages: u64::from(open.page),
            entries: open.new_entries,
            read_at: begun.at,
            reread: open.lane == Lane::Reread,
        };
        self.ledger.record(&self.config, reading);
    }

    fn mark_open(&mut self, lane: Lane, range: Range) {
        let fresh_from = self.state.lane(lane).open.as_ref().map_or(range.oldest(), |open| open.fresh_from);
        match (lane, Range::of(fresh_from, range.latest())) {
            (Lane::Live | Lane::Backfill, Some(fresh)) => self.ledger.mark(fresh, RangeState::Open),
            (Lane::Reread, _) | (_, None) => {}
        }
    }

    /// The range is no longer open; what it has shown has to be shown again by the next one that covers it.
    fn forget_open(&mut self, open: &OpenRange) {
        if open.lane == Lane::Live {
            self.state.anchor = self.state.anchor.max(open.newest);
        }
        let fresh = Range::of(open.fresh_from, open.range.latest());
        match (open.lane, fresh) {
            (Lane::Live, Some(fresh)) => self.ledger.forget(fresh),
            (Lane::Backfill, Some(fresh)) => self.ledger.mark(fresh, RangeState::Planned),
            (Lane::Reread, _) | (_, None) => {}
        }
    }

    fn plan_backfill(&mut self) {
        let (Some(wanted), Some(origin)) = (self.config.settings().backfill, self.state.origin) else {
            return;
        };
        let drained_from = self.state.backfilled.low.unwrap_or(origin);
        if let Some(range) = Range::of(wanted, drained_from.minus(1)).filter(|_| wanted < drained_from) {
            self.ledger.mark_uncovered(range, RangeState::Planned);
        }
    }

    /// The same range from its first page, later each time, and smaller every other time, down to what fits into a page:
    /// then no cursor is needed. It is never left out. A refusal that comes at once costs nothing but quota, so the wait
    /// begins anew with each smaller range.
    fn restart(&mut self, lane: Lane, why: RestartReason, at: UnixMillis) {
        let followed = self.state.followed;
        let Some(open) = &mut self.state.lane_mut(lane).open else {
            return;
        };
        let fitting_s = open.fitting_s();
        open.restart();
        let (number, restarts, tries, range) = (open.number, open.restarts, open.tries, open.range);
        let smaller =
            planner::smaller(open, followed, fitting_s).filter(|_| tries.is_multiple_of(RESTARTS_BEFORE_SPLIT));
        self.notes.push(Note::Restarted { range_no: number, lane, why });
        self.retry_after(lane, at, delay_ms(number, tries));
        if restarts >= RESTARTS_BEFORE_SPLIT {
            self.lane_problem(lane, Problem::RangeWontFinish);
        }
        if let Some(smaller) = smaller {
            self.split(lane, range, smaller);
        }
    }

    fn split(&mut self, lane: Lane, from: Range, to: Range) {
        let Some(before) = self.state.lane_mut(lane).open.take() else {
            return;
        };
        self.forget_open(&before);
        self.notes.push(Note::Split { lane, from, to });
        // What lies below the watermark as a whole counts no time as drained, in parts neither.
        let fresh_from = if before.fresh_from > to.latest() { before.fresh_from } else { to.oldest() };
        let open = self.open(lane, to, fresh_from);
        (open.restarts, open.limit, open.new_entries) = (before.restarts, before.limit, before.new_entries);
        open.is_sample = before.is_sample;
        let span_s = match lane {
            Lane::Live => &mut self.state.span_s,
            Lane::Backfill => &mut self.state.backfilled.span_s,
            Lane::Reread => return,
        };
        *span_s = (*span_s / 2).min(to.length_s()).max(self.config.settings().min_range_s);
    }

    fn failed(&mut self, failed: Failed) {
        if failed.failure.is_answer() {
            self.state.clock.observe(failed.server_date, failed.at);
        }
        let (lane, at) = (failed.request.lane, failed.at);
        // The quota is the organization's: its refusal counts whatever was asked.
        let is_stale = current(&mut self.state, &failed.request).is_none();
        if is_stale && failed.failure != Failure::RateLimited {
            self.notes.push(Note::Stale { range_no: failed.request.range_no });
            return;
        }
        match failed.failure {
            Failure::RateLimited => return self.rate_limited(failed.retry_after_s, at),
            Failure::Unauthorized => self.halt(Problem::TokenRejected, at),
            Failure::Forbidden { error } => match error.as_deref().map(account_or_refused) {
                Some(Problem::RateLimited) => self.rate_limited(None, at),
                Some(problem) => self.halt(problem, at),
                None => self.halt(Problem::Forbidden, at),
            },
            Failure::NotOk { error } | Failure::BadRequest { error } => self.bad_request(lane, error.as_deref(), at),
            Failure::NotThere => self.halt(Problem::WrongEndpoint, at),
            Failure::Redirected => self.halt(Problem::Redirected, at),
            Failure::ProxyWantsSignIn => self.halt(Problem::ProxyWantsSignIn, at),
            Failure::Server { .. } => self.try_again(lane, Problem::ServerFailing, at),
            Failure::Network => self.try_again(lane, Problem::Unreachable, at),
            Failure::TimedOut => self.try_again(lane, Problem::TimedOut, at),
            Failure::NoSuchHost => self.try_again(lane, Problem::NoSuchHost, at),
            Failure::Untrusted => self.try_again(lane, Problem::Untrusted, at),
            Failure::NoPage { .. } | Failure::Body => self.try_again(lane, Problem::BadBody, at),
        }
        if let Some(asked_s) = failed.retry_after_s {
            self.wait_as_asked(lane, asked_s, at);
        }
    }

    /// RFC 9110: `Retry-After` may come with any answer. It holds for all lanes, and is never shortened.
    fn wait_as_asked(&mut self, lane: Lane, asked_s: u64, at: UnixMillis) {
        let (wait_ms, timer) = (self.capped_ms(asked_s), |ms| Timer::new(at, ms));
        match &mut self.state.pause {
            Some(pause) if pause.timer.left_ms(at) >= wait_ms => {}
            Some(pause) => (pause.timer, pause.is_asked) = (timer(wait_ms), true),
            None => {
                let problem = self.state.lane(lane).problem.clone().unwrap_or(Problem::ServerFailing);
                self.state.pause = Some(Pause { timer: timer(wait_ms), problem, is_asked: true });
            }
        }
    }

    fn capped_ms(&mut self, asked_s: u64) -> u64 {
        let asked_ms = asked_s.saturating_mul(1000);
        if asked_ms > MAX_RETRY_AFTER_MS {
            self.notes.push(Note::RetryAfterCapped { asked_s });
        }
        asked_ms.min(MAX_RETRY_AFTER_MS)
    }

    /// Slack docs, rate limits: a 429 carries `Retry-After` in seconds. Polling earlier prolongs the refusal.
    fn rate_limited(&mut self, retry_after_s: Option<u64>, at: UnixMillis) {
        self.state.budget.refused();
        self.state.refusals = self.state.refusals.saturating_add(1);
        let own_ms = delay_ms(self.state.next_range_no, self.state.refusals.saturating_add(2));
        let wait_ms = retry_after_s.map_or(own_ms, |asked_s| self.capped_ms(asked_s)).max(1000);
        self.pause(Problem::RateLimited, at, wait_ms);
    }

    /// An account problem stops all lanes. It is retried soon at first, for some last only seconds, and then slowly.
    fn halt(&mut self, problem: Problem, at: UnixMillis) {
        let wait_ms = (FIRST_HALT_MS << self.state.halts.min(10)).min(problem.retry_ms());
        self.state.halts = self.state.halts.saturating_add(1);
        self.pause(problem, at, wait_ms);
    }

    fn pause(&mut self, problem: Problem, at: UnixMillis, wait_ms: u64) {
        if self.state.pause.as_ref().is_none_or(|pause| pause.problem != problem) {
            self.notes.push(Note::Problem { lane: None, problem: problem.clone() });
        }
        self.state.pause = Some(Pause { timer: Timer::new(at, wait_ms), problem, is_asked: false });
    }

    /// A 400, or a 200 that says `ok: false`. What it means depends on the code, or, where there is none (seen live),
    /// on whether a cursor was sent.
    fn bad_request(&mut self, lane: Lane, code: Option<&str>, at: UnixMillis) {
        let had_cursor = self.state.lane(lane).open.as_ref().is_some_and(|open| open.cursor.is_some());
        match code.and_then(Problem::of_account) {
            Some(Problem::RateLimited) => return self.rate_limited(None, at),
            Some(problem) => return self.halt(problem, at),
            None => {}
        }
        match code {
            Some("invalid_cursor") => self.restart(lane, RestartReason::CursorRefused, at),
            Some("invalid_range") => self.range_refused(lane, Problem::RangeRefused, at),
            // Any other reason could hide behind a cursor too; the next answer without one will tell.
            _ if had_cursor => self.restart(lane, RestartReason::CursorRefused, at),
            None => self.range_refused(lane, Problem::RefusedWithoutReason, at),
            Some(other) => self.halt(Problem::refused(other), at),
        }
    }

    /// Slack docs, audit logs: `invalid_range` is for times in the future or before the feature was enabled.
    fn range_refused(&mut self, lane: Lane, problem: Problem, at: UnixMillis) {
        if lane == Lane::Live && self.was_allowed_by_date_alone(at) {
            return self.date_refuted(at);
        }
        let failures = self.failed_again(lane);
        let state = self.state.lane_mut(lane);
        state.refused = state.refused.saturating_add(1);
        let is_final = state.refused >= REFUSALS_BEFORE_GAP;
        let Some(open) = state.open.take() else { return };
        self.lane_problem(lane, problem);
        self.retry_after(lane, at, delay_ms(open.number, failures));
        match lane {
            Lane::Live => self.live_range_refused(&open, at),
            Lane::Reread if is_final => {
                self.ledger.settle(open.range);
                self.notes.push(Note::RereadGivenUp { range: open.range });
            }
            Lane::Reread => {}
            Lane::Backfill => self.backfill_range_refused(&open, is_final),
        }
    }

    fn was_allowed_by_date_alone(&self, at: UnixMillis) -> bool {
        let own = self.state.clock.certain(at).minus(self.config.settings().settle_s);
        self.state.live.open.as_ref().is_some_and(|open| open.range.latest() > own.max(open.fresh_from))
            && self.state.clock.unproved_s(at) > 0
    }

    /// Slack refuses what its own `Date` had allowed: it was somebody else's. Our clock is the limit for a while, at once.
    fn date_refuted(&mut self, at: UnixMillis) {
        let Some(open) = self.state.live.open.take() else { return };
        self.forget_open(&open);
        self.notes.push(Note::DateRefuted { range: open.range });
        self.state.clock.refute(at);
        self.state.live_timer = None;
    }

    /// The future end is the strict one. With a `Date` that explains it the next plan is right by itself.
    fn live_range_refused(&mut self, open: &OpenRange, at: UnixMillis) {
        self.forget_open(open);
        let was_ahead = open.range.latest() > self.begun_now(at).settled;
        if was_ahead {
            self.notes.push(Note::ClockAhead { range: open.range });
        }
        if !(was_ahead && self.state.clock.has_date()) {
            self.state.clock.step_back();
        }
    }

    /// Walking backward meets the beginning of Slack's history: close in on it to the second, then name it.
    fn backfill_range_refused(&mut self, open: &OpenRange, is_final: bool) {
        self.forget_open(open);
        if open.range.length_s() > 1 {
            self.state.backfilled.span_s = open.range.length_s() / 2;
            self.state.backfill.refused = 0;
        } else if is_final {
            let floor = open.range.latest().plus(1);
            self.state.backfilled.floor = Some(floor);
            self.notes.push(Note::HistoryEnds { at: floor });
            let wanted = self.config.settings().backfill.unwrap_or(open.range.oldest());
            if let Some(refused) = Range::of(wanted, open.range.latest()) {
                self.ledger.mark(refused, RangeState::Gap);
            }
            self.state.backfill.problem = None;
        }
    }

    /// A failure that says nothing about range or cursor: the same request again, later. After several at the same
    /// cursor the cursor or the size of the page may be the reason.
    fn try_again(&mut self, lane: Lane, problem: Problem, at: UnixMillis) {
        let failures = self.failed_again(lane);
        let is_body = problem == Problem::BadBody;
        self.lane_problem(lane, problem);
        let Some(open) = &mut self.state.lane_mut(lane).open else {
            return;
        };
        let number = open.number;
        let suspicious = failures.is_multiple_of(FAILURES_BEFORE_RESTART);
        let had_cursor = open.cursor.is_some();
        if suspicious && is_body {
            open.ask_for_smaller_pages();
        }
        if suspicious && (had_cursor || is_body) {
            self.restart(lane, RestartReason::CursorKeepsFailing, at);
        }
        self.retry_after(lane, at, delay_ms(number, failures));
    }

    fn failed_again(&mut self, lane: Lane) -> u32 {
        let lane = self.state.lane_mut(lane);
        lane.failures = lane.failures.saturating_add(1);
        lane.failures
    }

    fn retry_after(&mut self, lane: Lane, at: UnixMillis, wait_ms: u64) {
        self.state.lane_mut(lane).retry = Some(Timer::new(at, wait_ms));
    }

    fn lane_problem(&mut self, lane: Lane, problem: Problem) {
        if self.state.lane(lane).problem.as_ref() != Some(&problem) {
            self.notes.push(Note::Problem { lane: Some(lane), problem: problem.clone() });
        }
        self.state.lane_mut(lane).problem = Some(problem);
    }

    /// A page came through: whatever stood in the way is gone.
    fn recovered(&mut self, lane: Lane) {
        (self.state.refusals, self.state.halts) = (0, 0);
        let pause = self.state.pause.take();
        if let Some(pause) = pause.filter(|pause| self.state.is_of_all(pause)) {
            self.notes.push(Note::Recovered { lane: None, problem: pause.problem });
        }
        let state = self.state.lane_mut(lane);
        (state.failures, state.refused, state.retry) = (0, 0, None);
        // A range that won't finish still answers its first pages: only draining it clears that.
        let unfinished = state.open.as_ref().is_some_and(|open| open.restarts >= RESTARTS_BEFORE_SPLIT);
        let doubted = state.open.as_ref().is_some_and(|open| open.doubts > 0);
        let is_stuck = unfinished && state.problem == Some(Problem::RangeWontFinish)
            || doubted && state.problem == Some(Problem::EntriesMissing);
        if !is_stuck && let Some(problem) = state.problem.take() {
            self.notes.push(Note::Recovered { lane: Some(lane), problem });
        }
    }
}

fn why_paused(pause: &Pause) -> WaitReason {
    match &pause.problem {
        Problem::RateLimited => WaitReason::RateLimited,
        problem if pause.is_asked => WaitReason::Asked { problem: problem.clone() },
        problem => WaitReason::Halted { problem: problem.clone() },
    }
}

fn account_or_refused(code: &str) -> Problem {
    Problem::of_account(code).unwrap_or_else(|| Problem::refused(code))
}

fn current<'a>(state: &'a mut PollState, request: &Request) -> Option<&'a mut OpenRange> {
    state.lane_mut(request.lane).open.as_mut().filter(|open| open.is_answered_by(request))
}

/// Counts the page and decides how the walk goes on.
fn judge(open: &mut OpenRange, received: &PageReceived) -> Verdict {
    let page = &received.page;
    open.page = open.page.saturating_add(1);
    open.entries += page.entries;
    open.new_entries += page.new;
    open.strays += page.strays;
    let reaches_back = page.oldest.is_some_and(|oldest| open.reached.is_none_or(|reached| oldest < reached));
    if reaches_back {
        open.reached = page.oldest;
    }
    open.newest = open.newest.max(page.newest_inside);
    open.empty = if page.entries == 0 { open.empty.saturating_add(1) } else { 0 };
    open.stalled = match (reaches_back, page.entries) {
        (true, _) => 0,
        (false, 0) => open.stalled,
        (false, _) => open.stalled.saturating_add(1),
    };
    // A server that ignores `oldest` never says that the range is done (elastic/integrations issue 8163).
    if page.newest.is_some_and(|newest| newest < open.range.oldest()) {
        return Verdict::Drained;
    }
    // Neither may one that takes no cursor either keep a range open for ever. Newest first, the page that reaches past the
    // range's beginning has shown the rest of it; believed only where following the cursor was tried before.
    if open.restarts > 0 && open.reached.is_some_and(|reached| reached < open.range.oldest()) {
        return Verdict::Drained;
    }
    // Slack docs, pagination: the end is an empty `next_cursor`; clients have seen it missing and null as well.
    let Some(next) = received.next_cursor.as_ref().filter(|cursor| !cursor.is_empty()) else {
        return Verdict::Drained;
    };
    if open.cursor.as_ref() == Some(next) {
        Verdict::Endless(RestartReason::SameCursorAgain)
    } else if open.page >= MAX_PAGES_PER_WALK {
        Verdict::Endless(RestartReason::TooManyPages)
    } else if open.stalled > MAX_STALLED_PAGES || open.empty > MAX_EMPTY_PAGES {
        Verdict::Endless(RestartReason::NoProgress)
    } else {
        Verdict::Follow(next.clone())
    }
}
