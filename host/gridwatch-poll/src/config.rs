//! What the operator may choose about polling, and the checked form of it.
//!
//! [`PollSettings`] is what was said; [`PollConfig`] is what is true. Every problem is reported, not only the first.

use super::budget::BudgetLimits;
use gridwatch_event::time::UnixSeconds;
use std::fmt;

/// As written by the operator. `PollSettings::new(start)` gives the defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollSettings {
    /// First second wanted by the live lane. In the future it means "from now on". Once the first range is drained the
    /// stored state rules, and older time is asked for with `backfill`.
    pub start: UnixSeconds,
    /// Oldest second wanted, read newest first with what the budget leaves over.
    pub backfill: Option<UnixSeconds>,
    /// `latest` stays this far behind Slack's clock: Slack documents no figure for how late an entry may appear.
    pub settle_s: u64,
    /// The next live range starts this far before the watermark; dedup by id absorbs what comes twice.
    pub overlap_s: u64,
    /// Bounds of the adaptive length of a range.
    pub min_range_s: u64,
    pub max_range_s: u64,
    /// Entries a page may hold. Slack docs, audit logs: at most 9999, and only a wish: pages may be larger or smaller.
    pub page_limit: u32,
    /// How often the live lane looks for new time.
    pub interval_s: u64,
    /// Ages at which drained time is read again for late entries, ascending.
    pub reread_after_s: Vec<u64>,
    /// Beyond the last of these, one old range is looked at again this often while nothing else is to do; 0: never.
    pub sample_every_s: u64,
    /// Slack docs, audit logs: Tier 3, at least 50 calls a minute, counted for the whole organization.
    pub requests_per_minute: u32,
    /// Part of that budget left to other programs that use the same organization's quota.
    pub headroom_percent: u32,
    /// Part of the burst that only the live lane may use.
    pub reserve_percent: u32,
}

impl PollSettings {
    pub fn new(start: UnixSeconds) -> Self {
        Self {
            start,
            backfill: None,
            settle_s: 60,
            overlap_s: 30,
            min_range_s: 60,
            max_range_s: 86_400,
            page_limit: 1000,
            interval_s: 30,
            reread_after_s: vec![15 * 60, 6 * 3600, 48 * 3600],
            sample_every_s: 600,
            requests_per_minute: 50,
            headroom_percent: 20,
            reserve_percent: 30,
        }
    }
}

/// Checked settings; the machine takes nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollConfig {
    settings: PollSettings,
}

/// One setting out of its range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingProblem {
    pub setting: &'static str,
    pub value: String,
    pub allowed: String,
}

impl fmt::Display for SettingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is {}, allowed is {}", self.setting, self.value, self.allowed)
    }
}

/// Everything wrong with the settings at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid poll settings: {}", list(.problems))]
pub struct InvalidPollConfig {
    pub problems: Vec<SettingProblem>,
}

fn list(problems: &[SettingProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Ages of re-reads: one byte of level in each ledger row is plenty.
const MAX_REREADS: usize = 8;
const DAY_S: u64 = 86_400;

impl PollConfig {
    /// # Errors
    /// Every setting that is out of bounds, with what is allowed.
    pub fn new(settings: PollSettings) -> Result<Self, InvalidPollConfig> {
        let mut problems = Vec::new();
        let s = &settings;
        // Settle is what keeps `latest` reachable without ever passing Slack's last `Date`: zero would never move on.
        check(&mut problems, "settle_s", s.settle_s, 5, 3600);
        check(&mut problems, "overlap_s", s.overlap_s, 0, 3600);
        check(&mut problems, "max_range_s", s.max_range_s, 1, 7 * DAY_S);
        check(&mut problems, "min_range_s", s.min_range_s, 1, s.max_range_s);
        check(&mut problems, "page_limit", u64::from(s.page_limit), 1, 9999);
        check(&mut problems, "interval_s", s.interval_s, 1, super::MAX_WAIT_MS / 1000);
        check(&mut problems, "sample_every_s", s.sample_every_s, 0, DAY_S);
        check(&mut problems, "requests_per_minute", u64::from(s.requests_per_minute), 5, 6000);
        check(&mut problems, "headroom_percent", u64::from(s.headroom_percent), 0, 90);
        check(&mut problems, "reserve_percent", u64::from(s.reserve_percent), 0, 50);
        if s.backfill.is_some_and(|backfill| backfill >= s.start) {
            let value = s.backfill.unwrap_or_default().to_string();
            problems.push(SettingProblem { setting: "backfill", value, allowed: format!("before start, {}", s.start) });
        }
        let ascending = s.reread_after_s.windows(2).all(|pair| pair[0] < pair[1]);
        let in_range = s.reread_after_s.iter().all(|after| (60..=30 * DAY_S).contains(after));
        if !ascending || !in_range || s.reread_after_s.len() > MAX_REREADS {
            let allowed = format!("at most {MAX_REREADS} ascending ages from 60 to {}", 30 * DAY_S);
            let value = format!("{:?}", s.reread_after_s);
            problems.push(SettingProblem { setting: "reread_after_s", value, allowed });
        }
        if problems.is_empty() { Ok(Self { settings }) } else { Err(InvalidPollConfig { problems }) }
    }

    pub fn settings(&self) -> &PollSettings {
        &self.settings
    }

    pub fn budget_limits(&self) -> BudgetLimits {
        let s = &self.settings;
        BudgetLimits::new(s.requests_per_minute, s.headroom_percent, s.reserve_percent)
    }

    /// How many re-reads a range ending at `end` no longer needs when it was read at `read_at`.
    pub(super) fn level(&self, end: UnixSeconds, read_at: UnixSeconds) -> u8 {
        let passed = self.settings.reread_after_s.iter().take_while(|after| end.plus(**after) <= read_at).count();
        u8::try_from(passed).unwrap_or(u8::MAX)
    }

    /// The level after a reading: a range that was beyond all re-reads when it was read is read once more all the same, for
    /// any single answer may be wrong.
    pub(super) fn level_after(&self, end: UnixSeconds, read_at: UnixSeconds, reread: bool) -> u8 {
        let (level, last) = (self.level(end, read_at), self.settings.reread_after_s.len().saturating_sub(1));
        if reread { level } else { level.min(u8::try_from(last).unwrap_or(u8::MAX)) }
    }

    /// When a range at this level is to be read again; `None` once it is settled.
    pub(super) fn due(&self, end: UnixSeconds, level: u8) -> Option<UnixSeconds> {
        Some(end.plus(*self.settings.reread_after_s.get(usize::from(level))?))
    }

    /// Longest ledger row at this level. A row waits for its youngest second, so its oldest one waits this much longer:
    /// a quarter of the delay is fair, and saves three of four requests. `None`: settled rows merge per day.
    pub(super) fn longest_row_s(&self, level: u8) -> Option<u64> {
        let after = self.settings.reread_after_s.get(usize::from(level))?;
        Some((after / 4).clamp(15, 3600).min(self.settings.max_range_s))
    }
}

fn check(problems: &mut Vec<SettingProblem>, setting: &'static str, value: u64, least: u64, most: u64) {
    if value < least || value > most {
        let allowed = format!("{least} to {most}");
        problems.push(SettingProblem { setting, value: value.to_string(), allowed });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        let settings = PollSettings::new(UnixSeconds(1_600_000_000));
        PollConfig::new(settings).expect("each default is within what is allowed");
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let start = UnixSeconds(1000);
        let bad = PollSettings {
            settle_s: 0,
            page_limit: 10_000,
            interval_s: 301,
            backfill: Some(start),
            reread_after_s: vec![900, 900],
            min_range_s: 90_000,
            ..PollSettings::new(start)
        };
        let named: Vec<_> = PollConfig::new(bad).unwrap_err().problems.iter().map(|p| p.setting).collect();
        assert_eq!(named, ["settle_s", "min_range_s", "page_limit", "interval_s", "backfill", "reread_after_s"]);
    }

    #[test]
    fn a_problem_names_value_and_range() {
        let bad = PollSettings { page_limit: 0, ..PollSettings::new(UnixSeconds(0)) };
        let text = PollConfig::new(bad).unwrap_err().to_string();
        assert_eq!(text, "invalid poll settings: `page_limit` is 0, allowed is 1 to 9999");
    }

    #[test]
    fn a_range_read_when_old_needs_fewer_rereads() {
        let config = PollConfig::new(PollSettings::new(UnixSeconds(0))).unwrap();
        let end = UnixSeconds(1_000_000);
        assert_eq!(config.level(end, end.plus(899)), 0);
        assert_eq!(config.level(end, end.plus(900)), 1);
        assert_eq!(config.level(end, end.plus(48 * 3600)), 3);
        assert_eq!(config.due(end, 3), None);
    }
}
