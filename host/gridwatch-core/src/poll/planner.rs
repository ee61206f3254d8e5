//! Which time to ask for next: windows from positions, without any effect.

use super::config::PollConfig;
use super::ledger::Ledger;
use super::outcome::Request;
use super::state::{Lane, OpenWindow, PollState};
use super::window::Window;
use crate::time::{UnixMillis, UnixSeconds};

/// A window of more pages than this was too long.
const MANY_PAGES: u32 = 5;
/// With nothing new to ask for, Slack's clock is looked at this often by reading a little old time again.
const PROBE_AFTER_MS: u64 = super::MAX_WAIT_MS;

/// What a lane does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    /// Its open window has another page.
    GoOn(Request),
    Open {
        window: Window,
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

/// Forward from the watermark, at most one span at a time, never past what Slack's clock allows.
fn live(config: &PollConfig, state: &PollState, wall: UnixMillis) -> Plan {
    let settings = config.settings();
    let target = state.clock.newest_safe(wall, settings.settle_s);
    let waiting_ms = state.live_timer.map_or(0, |timer| timer.left_ms(wall));
    let fresh_from = match state.watermark {
        Some(watermark) => watermark.plus(1),
        None => settings.start.min(target),
    };
    // More is waiting than two intervals can have brought, or a full window: this is catching up, so the interval between
    // two windows doesn't apply.
    let far = state.span_s.min(2 * settings.interval_s.max(settings.min_window_s));
    let is_behind = target.0.saturating_sub(fresh_from.0) >= far;
    if waiting_ms > 0 && !is_behind {
        return Plan::WaitMs(waiting_ms);
    }
    let oldest = match (state.watermark, state.origin) {
        // In windows shorter than the overlap, reading it each time would cost more than the new time.
        (Some(_), Some(origin)) => fresh_from.minus(settings.overlap_s.min(state.span_s)).max(origin),
        _ => fresh_from,
    };
    let latest = target.min(fresh_from.plus(state.span_s - 1));
    match Window::of(fresh_from, latest).and_then(|_| Window::of(oldest, latest)) {
        Some(window) => Plan::Open { window, fresh_from },
        None => probe(config, state, target, fresh_from, wall),
    }
}

/// The watermark is ahead of what may be asked for (a clock was wrong, or a range was refused). Only an answer brings a
/// new `Date`, so without this nothing would ever move again.
fn probe(
    config: &PollConfig,
    state: &PollState,
    target: UnixSeconds,
    fresh_from: UnixSeconds,
    wall: UnixMillis,
) -> Plan {
    let since_last_ms = state.live_timer.map_or(PROBE_AFTER_MS, |timer| timer.since_set_ms(wall));
    let until_probe_ms = PROBE_AFTER_MS.saturating_sub(since_last_ms);
    if until_probe_ms > 0 {
        let until_fresh_ms = (fresh_from.0 - target.0).saturating_mul(1000);
        return Plan::WaitMs(until_probe_ms.min(until_fresh_ms));
    }
    match Window::of(target.minus(config.settings().overlap_s), target) {
        Some(window) => Plan::Open { window, fresh_from },
        None => Plan::Nothing,
    }
}

fn reread(config: &PollConfig, state: &PollState, ledger: &Ledger, wall: UnixMillis) -> Plan {
    let now = state.clock.reached(wall);
    match ledger.next_due(config) {
        None => Plan::Nothing,
        Some(due) if due > now => Plan::WaitMs((due.0 - now.0).saturating_mul(1000)),
        Some(_) => match ledger.due(config, now) {
            Some(window) => Plan::Open { window, fresh_from: window.oldest() },
            None => Plan::Nothing,
        },
    }
}

/// Backward from the origin: the recent past is worth more, and the end of Slack's history is found by running into it.
fn backfill(config: &PollConfig, state: &PollState) -> Plan {
    let (Some(wanted), Some(origin)) = (config.settings().backfill, state.origin) else {
        return Plan::Nothing;
    };
    let wanted = wanted.max(state.backfilled.floor.unwrap_or_default());
    let low = state.backfilled.low.unwrap_or(origin);
    let oldest = wanted.max(low.minus(state.backfilled.span_s));
    match Window::of(oldest, low.minus(1)).filter(|_| low > wanted) {
        Some(window) => Plan::Open { window, fresh_from: window.oldest() },
        None => Plan::Nothing,
    }
}

/// The length of the next window, from how the last one went. Only a window that used its whole span says that it could
/// have been longer.
pub(super) fn next_span_s(config: &PollConfig, span_s: u64, drained: &OpenWindow) -> u64 {
    let settings = config.settings();
    let used_it = drained.window.latest().0 - drained.fresh_from.0.min(drained.window.latest().0) + 1 >= span_s;
    let part_full = drained.page <= 1 && drained.entries < u64::from(drained.limit) / 2;
    // A server that ignores a bound shows the same strays in every window: fewer, longer windows see them less often.
    let mostly_strays = drained.strays > drained.entries / 2;
    let next = if mostly_strays || (part_full && used_it) {
        span_s.saturating_mul(2)
    } else if drained.page > MANY_PAGES {
        span_s / 2
    } else {
        span_s
    };
    next.clamp(settings.min_window_s, settings.max_window_s)
}

/// The half of a window to try first, such that what remains is planned again by itself. `None` when it is one second.
pub(super) fn smaller(open: &OpenWindow) -> Option<Window> {
    match open.lane {
        // Older half first: the watermark moves forward. Overlap is given up, re-reads cover it.
        Lane::Live => Some(Window::of(open.fresh_from, open.window.latest())?.halves()?.0),
        Lane::Reread => Some(open.window.halves()?.0),
        Lane::Backfill => Some(open.window.halves()?.1),
    }
}
