//! What time it is at Slack, as far as that can be known from answers and a clock of ours that may step.
//!
//! Slack docs, audit logs: a `latest` in the future can be refused with `invalid_range`. Worse is one that is accepted:
//! the range looks drained, and what happens later inside it lies behind the watermark. So two rules: no `latest` is
//! ever sent that lies past the last `Date` seen, and only time that Slack's clock had passed (less the settle time)
//! when a walk began counts as drained.
//!
//! A `Date` may be wrong: front ends and proxies have clocks of their own. So a third: what counts as drained never lies
//! past our own clock either, unless an entry was shown that is younger than that. Time between the two is read, and read
//! again, but not done with; a wrong `Date` then costs nothing, and neither does a slow clock of ours.
//!
//! Without any `Date` our own clock has to do, corrected by what `invalid_range` teaches.

use super::backoff::Timer;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use serde::{Deserialize, Serialize};

/// A `Date` this far ahead of what is expected needs a second answer that agrees with it.
const BELIEVED_MS: u64 = 60_000;
/// Answers without a `Date` in a row before our own clock takes over.
const DATELESS_ANSWERS: u8 = 3;
const FIRST_MARGIN_S: u64 = 30;
/// With a `Date` to hold on to, Slack's range check can differ from it only a little.
const MAX_MARGIN_WITH_DATE_S: u64 = 900;
const MAX_MARGIN_S: u64 = 2 * 86_400;
/// How long nothing past our own clock is asked for after Slack has refused what its `Date` had allowed.
const REFUTED_MS: u64 = 3_600_000;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlackClock {
    /// The highest believed `Date`, and our clock when it came. A lower one is a slow host of Slack's and is ignored.
    seen: Option<Reading>,
    /// How far a disbelieved `Date` was ahead of our clock, in milliseconds.
    doubted_ahead_ms: Option<u64>,
    dateless: u8,
    /// Extra distance learned from `invalid_range` answers that the clocks don't explain; shrinks as ranges drain.
    margin_s: u64,
    /// So far Slack's clock is ahead of ours at least: an entry that young was shown.
    #[serde(default)]
    proved_ahead_ms: u64,
    /// Our clock when it was looked at last.
    #[serde(default)]
    looked: UnixMillis,
    /// Slack refused a range that its `Date` had allowed and our clock hadn't.
    #[serde(default)]
    refuted: Option<Timer>,
    /// Without a `Date`: where our clock stood before it leapt forward for no reason that is known.
    #[serde(default)]
    leapt_from: Option<UnixSeconds>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Reading {
    date: UnixSeconds,
    wall: UnixMillis,
}

impl SlackClock {
    /// Notes the `Date` of an answer (`None`: it had none) that arrived at `wall`.
    pub(super) fn observe(&mut self, date: Option<UnixSeconds>, wall: UnixMillis) {
        self.steady(wall);
        let Some(date) = date else {
            self.dateless = self.dateless.saturating_add(1);
            if self.dateless >= DATELESS_ANSWERS {
                self.seen = None;
            }
            return;
        };
        self.dateless = 0;
        self.leapt_from = None;
        let expected = self.seen.map_or(wall, |seen| seen.date.millis().plus(wall.since(seen.wall)));
        // Lower than what is held, and nearer to our own clock: what is held was wrong.
        let distance_ms = |at: UnixMillis| at.0.abs_diff(wall.0);
        let is_undone = date.millis().plus(BELIEVED_MS) < expected
            && expected > wall.plus(BELIEVED_MS)
            && distance_ms(date.millis()) < distance_ms(expected);
        if is_undone {
            self.seen = None;
        }
        let expected = if is_undone { wall } else { expected };
        let ahead_ms = date.millis().since(wall);
        let agrees = self.doubted_ahead_ms.is_some_and(|doubted| doubted.abs_diff(ahead_ms) <= BELIEVED_MS);
        if date.millis() > expected.plus(BELIEVED_MS) && !agrees {
            self.doubted_ahead_ms = Some(ahead_ms);
            return;
        }
        self.doubted_ahead_ms = None;
        let date = self.seen.map_or(date, |seen| seen.date.max(date));
        self.seen = Some(Reading { date, wall });
        self.proved_ahead_ms = self.proved_ahead_ms.min(date.plus(1).millis().since(wall));
    }

    /// After a step back of our clock the time since the last `Date` is counted from here, so that it goes on growing, and
    /// what Slack has proved about its own clock still holds.
    pub(super) fn steady(&mut self, wall: UnixMillis) {
        if let Some(seen) = &mut self.seen {
            seen.wall = seen.wall.min(wall);
            self.proved_ahead_ms = self.proved_ahead_ms.saturating_add(self.looked.since(wall));
        }
        if let Some(refuted) = &mut self.refuted {
            refuted.steady(wall);
        }
        self.looked = wall;
    }

    /// An entry of this time was shown where it was asked for: Slack's clock has passed it, unless its `Date` denies it.
    pub(super) fn prove(&mut self, newest: UnixSeconds, wall: UnixMillis) {
        if self.seen.is_some_and(|seen| newest <= seen.date) {
            self.proved_ahead_ms = self.proved_ahead_ms.max(newest.millis().since(wall));
        }
    }

    /// Slack refused a range that only its `Date` had allowed.
    pub(super) fn refute(&mut self, wall: UnixMillis) {
        self.refuted = Some(Timer::new(wall, REFUTED_MS));
    }

    /// Our clock says so much later than it could that it has leapt, or that the host slept: one can't be told from the other
    /// without a `Date`.
    pub(super) fn leapt(&mut self, from: UnixSeconds) {
        if self.seen.is_none() {
            self.leapt_from = Some(self.leapt_from.map_or(from, |before| before.min(from)));
        }
    }

    /// Where our clock stood before it leapt, once it has come back from there.
    pub(super) fn leapt_from(&self) -> Option<UnixSeconds> {
        self.leapt_from
    }

    pub(super) fn is_back(&mut self) {
        self.leapt_from = None;
    }

    /// The latest time that our own clock vouches for.
    fn own(&self, wall: UnixMillis) -> UnixMillis {
        wall.plus(self.proved_ahead_ms)
    }

    /// What both clocks vouch for: the time by which anything is done with.
    pub(super) fn certain(&self, wall: UnixMillis) -> UnixSeconds {
        self.reached(wall).min(self.own(wall).seconds())
    }

    /// Newest second worth asking for. Time passed on our clock counts only up to what settle and margin take off again:
    /// a clock that leaps forward can use up the settle time, but never reaches past Slack's last `Date`.
    pub(super) fn newest_safe(&self, wall: UnixMillis, settle_s: u64) -> UnixSeconds {
        let behind = settle_s.saturating_add(self.margin_s);
        let by_date = match self.seen {
            Some(Reading { date, wall: at }) => {
                let elapsed_ms = wall.since(at).min(behind.saturating_mul(1000));
                date.millis().plus(elapsed_ms).seconds().minus(behind)
            }
            None => wall.seconds().minus(behind),
        };
        match self.refuted.is_some_and(|refuted| refuted.left_ms(wall) > 0) {
            true => by_date.min(self.own(wall).seconds().minus(behind)),
            false => by_date,
        }
    }

    /// Whether more time has passed since the last `Date` than [`Self::newest_safe`] may count.
    pub(super) fn is_stale(&self, wall: UnixMillis, settle_s: u64) -> bool {
        let behind_ms = settle_s.saturating_add(self.margin_s).saturating_mul(1000);
        self.seen.is_some_and(|seen| wall.since(seen.wall) > behind_ms)
    }

    /// A moment that Slack's clock has certainly reached, as far as the believed answers go.
    pub(super) fn reached(&self, wall: UnixMillis) -> UnixSeconds {
        self.seen.map_or(wall.seconds().minus(self.margin_s), |seen| seen.date)
    }

    /// A range was refused and the last `Date` doesn't explain why: keep further back.
    pub(super) fn step_back(&mut self) {
        let most = if self.seen.is_some() { MAX_MARGIN_WITH_DATE_S } else { MAX_MARGIN_S };
        self.margin_s = (self.margin_s + self.margin_s / 2).clamp(FIRST_MARGIN_S, most);
    }

    /// A range drained: come a little closer again.
    pub(super) fn relax(&mut self) {
        self.margin_s -= self.margin_s.div_ceil(8);
    }

    /// How far Slack's last `Date` is ahead of all that our clock and the entries shown vouch for, in seconds.
    pub fn unproved_s(&self, wall: UnixMillis) -> u64 {
        self.seen.map_or(0, |_| self.reached(wall).0.saturating_sub(self.own(wall).seconds().0))
    }

    pub fn has_date(&self) -> bool {
        self.seen.is_some()
    }

    /// How far our clock is ahead of Slack's, in seconds, when the last `Date` came; negative when it is slow.
    pub fn ahead_s(&self) -> Option<i64> {
        let seen = self.seen?;
        i64::try_from(seen.wall.seconds().0).ok()?.checked_sub(i64::try_from(seen.date.0).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: u64 = 1_700_000_000;

    fn at(s: u64) -> UnixMillis {
        UnixSeconds(s).millis()
    }

    #[test]
    fn without_a_date_our_clock_rules() {
        assert_eq!(SlackClock::default().newest_safe(at(T), 60), UnixSeconds(T - 60));
    }

    #[test]
    fn a_leap_forward_never_asks_past_the_last_date() {
        let mut clock = SlackClock::default();
        clock.observe(Some(UnixSeconds(T)), at(T));
        assert_eq!(clock.newest_safe(at(T + 30), 60), UnixSeconds(T - 30));
        assert_eq!(clock.newest_safe(at(T + 86_400), 60), UnixSeconds(T));
    }

    #[test]
    fn a_step_back_neither_moves_back_nor_stalls() {
        let mut clock = SlackClock::default();
        clock.observe(Some(UnixSeconds(T)), at(T));
        clock.steady(at(T - 86_400));
        assert_eq!(clock.newest_safe(at(T - 86_400), 60), UnixSeconds(T - 60));
        assert_eq!(clock.newest_safe(at(T - 86_400 + 60), 60), UnixSeconds(T));
    }

    #[test]
    fn a_slow_clock_of_ours_is_corrected_by_two_answers_that_agree() {
        let mut clock = SlackClock::default();
        clock.observe(Some(UnixSeconds(T)), at(T - 7200));
        assert!(!clock.has_date());
        clock.observe(Some(UnixSeconds(T + 5)), at(T - 7195));
        assert_eq!(clock.reached(at(0)), UnixSeconds(T + 5));
        assert_eq!(clock.ahead_s(), Some(-7200));
    }

    #[test]
    fn one_absurd_date_is_not_believed() {
        let mut clock = SlackClock::default();
        clock.observe(Some(UnixSeconds(T)), at(T));
        clock.observe(Some(UnixSeconds(T + 9000)), at(T + 1));
        clock.observe(Some(UnixSeconds(T + 2)), at(T + 2));
        clock.observe(Some(UnixSeconds(T - 500)), at(T + 3));
        assert_eq!(clock.reached(at(0)), UnixSeconds(T + 2));
    }

    #[test]
    fn a_wrong_date_is_never_counted_by_and_a_right_one_undoes_it() {
        let mut clock = SlackClock::default();
        clock.observe(Some(UnixSeconds(T)), at(T));
        (1..20).for_each(|s| clock.observe(Some(UnixSeconds(T + 3600 + s)), at(T + s)));
        assert_eq!(clock.reached(at(T + 20)), UnixSeconds(T + 3619), "it is asked by");
        assert_eq!(clock.certain(at(T + 20)), UnixSeconds(T + 20));
        assert_eq!(clock.unproved_s(at(T + 20)), 3599);
        clock.observe(Some(UnixSeconds(T + 21)), at(T + 21));
        assert_eq!(clock.reached(at(T + 21)), UnixSeconds(T + 21));
    }

    #[test]
    fn an_entry_younger_than_our_clock_proves_that_ours_is_slow() {
        let mut clock = SlackClock::default();
        (0..2).for_each(|s| clock.observe(Some(UnixSeconds(T + s)), at(T - 7200 + s)));
        assert_eq!(clock.certain(at(T - 7199)), UnixSeconds(T - 7199));
        clock.prove(UnixSeconds(T + 100), at(T - 7199));
        assert_eq!(clock.certain(at(T - 7199)), UnixSeconds(T - 7199), "not even Slack's `Date` is that late");
        clock.prove(UnixSeconds(T - 40), at(T - 7199));
        assert_eq!(clock.certain(at(T - 7199)), UnixSeconds(T - 40));
        clock.steady(at(T - 9000));
        assert_eq!(clock.certain(at(T - 9000)), UnixSeconds(T - 40), "a step back unproves nothing");
        clock.observe(Some(UnixSeconds(T + 10)), at(T + 10));
        assert_eq!(clock.certain(at(T + 20)), UnixSeconds(T + 10), "our clock was put right");
    }

    #[test]
    fn a_refused_range_keeps_to_our_own_clock_for_an_hour() {
        let mut clock = SlackClock::default();
        (0..2).for_each(|s| clock.observe(Some(UnixSeconds(T + 3600 + s)), at(T + s)));
        assert_eq!(clock.newest_safe(at(T + 1), 60), UnixSeconds(T + 3541));
        clock.refute(at(T + 1));
        assert_eq!(clock.newest_safe(at(T + 1), 60), UnixSeconds(T - 59));
    }

    #[test]
    fn a_date_after_a_long_sleep_is_believed_at_once() {
        let mut clock = SlackClock::default();
        clock.observe(Some(UnixSeconds(T)), at(T));
        clock.observe(Some(UnixSeconds(T + 9000)), at(T + 9000));
        assert_eq!(clock.reached(at(0)), UnixSeconds(T + 9000));
    }

    #[test]
    fn answers_that_stop_carrying_a_date_hand_over_to_our_clock() {
        let mut clock = SlackClock::default();
        clock.observe(Some(UnixSeconds(T)), at(T));
        (0..3).for_each(|_| clock.observe(None, at(T + 100)));
        assert_eq!(clock.newest_safe(at(T + 500), 60), UnixSeconds(T + 440));
    }

    #[test]
    fn an_unexplained_range_error_steps_back_and_drained_ranges_return() {
        let mut clock = SlackClock::default();
        (0..60).for_each(|_| clock.step_back());
        assert_eq!(clock.newest_safe(at(T), 60), UnixSeconds(T - 60 - MAX_MARGIN_S));
        (0..200).for_each(|_| clock.relax());
        assert_eq!(clock.newest_safe(at(T), 60), UnixSeconds(T - 60));
    }
}
