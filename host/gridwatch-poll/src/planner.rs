//! Which time to ask for next: ranges from positions, without any effect.

use super::backoff::mix;
use super::config::PollConfig;
use super::ledger::{Ledger, gaps};
use super::outcome::Request;
use super::state::{Lane, OpenRange, PollState};
use gridwatch_event::range::Range;
use gridwatch_event::time::{UnixMillis, UnixSeconds};

/// A range of more pages than this was too long.
const MANY_PAGES: u32 = 5;
/// Where live reading goes on when the watermark turns out to be ahead of Slack's clock and nobody knows since when.
const FOLLOW_FROM_S: u64 = 900;
/// Ages between which old time is looked at again: up to a week, two, and a month.
const SAMPLED_S: [u64; 3] = [7 * 86_400, 14 * 86_400, 30 * 86_400];
const SAMPLE_S: u64 = 3600;

/// What a lane does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    /// Its open range has another page.
    GoOn(Request),
    Open {
        range: Range,
        fresh_from: UnixSeconds,
    },
    WaitMs(u64),
    Nothing,
}

pub(super) fn plan(lane: Lane, config: &PollConfig, state: &PollState, ledger: &Ledger, wall: UnixMillis) -> Plan {
    match lane {
        Lane::Live => live(config, state, wall),
        Lane::Reread => reread(config, state, ledger, wall),
        Lane::Backfill => backfill(config, state),
    }
}

/// Forward from the watermark, at most one span at a time, never past what Slack's clock allows. Past our own clock it goes
/// on to Slack's in one piece: what is drained ends at ours until an entry proves it slow.
fn live(config: &PollConfig, state: &PollState, wall: UnixMillis) -> Plan {
    let settings = config.settings();
    let target = state.clock.newest_safe(wall, settings.settle_s);
    let waiting_ms = state.live_timer.map_or(0, |timer| timer.left_ms(wall));
    let fresh_from = match state.watermark {
        Some(watermark) => watermark.plus(1),
        None => settings.start.min(target),
    };
    // More is waiting than two intervals can have brought, or a full range: this is catching up, so the interval between
    // two ranges doesn't apply.
    let far = state.span_s.min(2 * settings.interval_s.max(settings.min_range_s));
    // What only Slack's `Date` vouches for is read, but can't be done with: no hurry.
    let sure = target.min(state.clock.certain(wall).minus(settings.settle_s));
    let is_behind = sure.0.saturating_sub(fresh_from.0) >= far;
    if waiting_ms > 0 && !is_behind {
        return Plan::WaitMs(waiting_ms);
    }
    let oldest = match (state.watermark, state.origin) {
        // In ranges shorter than the overlap, reading it each time would cost more than the new time.
        (Some(_), Some(origin)) => fresh_from.minus(settings.overlap_s.min(state.span_s)).max(origin),
        _ => fresh_from,
    };
    let span_ends = fresh_from.plus(state.span_s - 1);
    let longest_ends = fresh_from.plus(settings.max_range_s - 1);
    let latest = if span_ends > sure { target.min(longest_ends) } else { target.min(span_ends) };
    match Range::of(fresh_from, latest).and_then(|_| Range::of(oldest, latest)) {
        Some(range) => Plan::Open { range, fresh_from },
        None => follow(config, state, target, fresh_from, waiting_ms),
    }
}

/// The watermark is ahead of what may be asked for (a clock was wrong, or a range was refused). Time goes on below it all
/// the same: it is read at the usual pace, and without a gap, until the watermark is reached.
fn follow(
    config: &PollConfig,
    state: &PollState,
    target: UnixSeconds,
    fresh_from: UnixSeconds,
    waiting_ms: u64,
) -> Plan {
    if waiting_ms > 0 {
        return Plan::WaitMs(waiting_ms);
    }
    let settings = config.settings();
    let is_far = fresh_from.0.saturating_sub(target.0) > settings.settle_s;
    let unknown = || target.minus((2 * settings.interval_s).max(if is_far { FOLLOW_FROM_S } else { 0 }));
    let from = state.followed.or_else(|| Some(state.clock.leapt_from()?.minus(settings.settle_s)));
    let oldest = from.unwrap_or_else(unknown).min(target).minus(settings.overlap_s.max(1));
    let latest = target.min(oldest.plus(settings.overlap_s + state.span_s));
    match Range::of(oldest, latest) {
        Some(range) => Plan::Open { range, fresh_from },
        None => Plan::Nothing,
    }
}

/// How far the watermark is ahead of what may be asked for.
pub(super) fn ahead_s(config: &PollConfig, state: &PollState, wall: UnixMillis) -> u64 {
    let target = state.clock.newest_safe(wall, config.settings().settle_s);
    state.watermark.map_or(0, |watermark| watermark.0.saturating_sub(target.0))
}

fn reread(config: &PollConfig, state: &PollState, ledger: &Ledger, wall: UnixMillis) -> Plan {
    let now = state.clock.certain(wall);
    match ledger.next_due(config) {
        None => Plan::Nothing,
        Some(due) if due > now => Plan::WaitMs((due.0 - now.0).saturating_mul(1000)),
        Some(_) => match ledger.due(config, now) {
            Some(range) => Plan::Open { range, fresh_from: range.oldest() },
            None => Plan::Nothing,
        },
    }
}

/// An hour of time that no re-read is due for any more, spread over the last month: entries that come later than the last
/// re-read are found by looking, or not at all. `from` is the oldest time whose entries are all known by their ids.
pub(super) fn sample(
    config: &PollConfig,
    state: &PollState,
    ledger: &Ledger,
    wall: UnixMillis,
    from: UnixSeconds,
) -> Option<Range> {
    let now = state.clock.certain(wall);
    let youngest_s = config.settings().reread_after_s.last().copied().unwrap_or_default();
    let band = usize::try_from(state.samples % SAMPLED_S.len() as u64).ok()?;
    let (younger, older) = (if band == 0 { youngest_s } else { SAMPLED_S[band - 1] }, SAMPLED_S[band]);
    let first = now.minus(older).max(from).max(state.backfilled.low.or(state.origin)?);
    let room_s = now.0.checked_sub(younger.checked_add(SAMPLE_S)?)?.checked_sub(first.0)?;
    let oldest = first.plus(mix(state.samples) % (room_s + 1));
    let range = Range::of(oldest, oldest.plus(SAMPLE_S - 1))?;
    gaps(ledger, range).is_empty().then_some(range)
}

/// Backward from the origin: the recent past is worth more, and the end of Slack's history is found by running into it.
fn backfill(config: &PollConfig, state: &PollState) -> Plan {
    let (Some(wanted), Some(origin)) = (config.settings().backfill, state.origin) else {
        return Plan::Nothing;
    };
    let wanted = wanted.max(state.backfilled.floor.unwrap_or_default());
    let low = state.backfilled.low.unwrap_or(origin);
    let oldest = wanted.max(low.minus(state.backfilled.span_s));
    match Range::of(oldest, low.minus(1)).filter(|_| low > wanted) {
        Some(range) => Plan::Open { range, fresh_from: range.oldest() },
        None => Plan::Nothing,
    }
}

/// The length of the next range, from how the last one went. Only a range that used its whole span says that it could
/// have been longer.
pub(super) fn next_span_s(config: &PollConfig, span_s: u64, drained: &OpenRange) -> u64 {
    let settings = config.settings();
    let used_it = drained.range.latest().0 - drained.fresh_from.0.min(drained.range.latest().0) + 1 >= span_s;
    let part_full = drained.page <= 1 && drained.entries < u64::from(drained.limit) / 2;
    // A server that ignores a bound shows the same strays in every range: fewer, longer ranges see them less often.
    let mostly_strays = drained.strays > drained.entries / 2;
    let next = if mostly_strays || (part_full && used_it) {
        span_s.saturating_mul(2)
    } else if drained.page > MANY_PAGES {
        span_s / 2
    } else {
        span_s
    };
    next.clamp(settings.min_range_s, settings.max_range_s)
}

/// The part of a range to try first, such that what remains is planned again by itself: a half, or less where more doesn't
/// fit into a page. `None` when it is one second.
pub(super) fn smaller(open: &OpenRange, followed: Option<UnixSeconds>, fitting_s: Option<u64>) -> Option<Range> {
    let latest = open.range.latest();
    let range = match open.lane {
        // Overlap is given up, re-reads cover it.
        Lane::Live if open.fresh_from <= latest => Range::of(open.fresh_from, latest)?,
        Lane::Live => {
            let read_to = followed.filter(|followed| open.range.contains(*followed) && *followed < latest);
            Range::of(read_to.map_or(open.range.oldest(), |read_to| read_to.plus(1)), latest)?
        }
        Lane::Reread | Lane::Backfill => open.range,
    };
    let half_s = range.length_s() / 2;
    let part_s = fitting_s.map_or(half_s, |fitting_s| fitting_s.min(half_s)).checked_sub(1)?;
    match open.lane {
        // Older part first: the watermark moves forward.
        Lane::Live | Lane::Reread => Range::of(range.oldest(), range.oldest().plus(part_s)),
        Lane::Backfill => Range::of(range.latest().minus(part_s), range.latest()),
    }
}
