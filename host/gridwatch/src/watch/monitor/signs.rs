//! Signs: what is wrong now, told from the status and from numbers of the last hour. Pure.

use crate::config::Config;
use crate::config::monitor::Monitor;
use crate::telemetry::health::span;
use crate::telemetry::status::{OrgStatus, Poll, SinkStatus};
use gridwatch_event::org::OrgId;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_manifest::Severity;
use gridwatch_rules::monitor::tail::Grown;
use gridwatch_rules::monitor::{Quiet, Sign, Trend, Unknown};
use std::collections::BTreeMap;

/// Problems of the account: somebody has to give access again.
const LOST_ACCESS: [&str; 8] = [
    "token_rejected",
    "missing_scope",
    "plan_lacks_audit_logs",
    "not_org_owner",
    "wrong_install",
    "wrong_endpoint",
    "forbidden",
    "refused",
];
const DAY_MS: u64 = 86_400_000;
/// Reading that is this much behind is behind.
const LAG_S: i64 = 900;
/// Clocks that differ by less are of no consequence.
const CLOCK_S: i64 = 60;
/// A token that expires within this time ought to have been exchanged.
const TOKEN_S: u64 = 2 * 3_600;
/// Silence while nothing is usual yet.
const UNLEARNED_S: u64 = 86_400;
/// Entries of one group that have to be missed.
const FAMILY_MISSED: f64 = 20.0;
/// How much more than `monitor.missed` is graver.
const GRAVER: f64 = 40.0 / 12.0;
/// Refusals within an hour although less than half was asked.
const FOREIGN: i128 = 3;
const HOUR_MS: u64 = 3_600_000;
/// How long free space has to have been watched before it is foretold.
const DISK_MS: u64 = 20 * 60_000;

/// Numbers over time.
#[derive(Clone, Debug, Default)]
pub struct OrgTrends {
    pub behind: Trend,
    pub judged: Trend,
    pub foreign: Trend,
    pub sampled_late: Trend,
}

/// What is known of one organization.
pub struct OrgSeen<'s> {
    pub org: &'s OrgId,
    pub status: &'s OrgStatus,
    pub config: &'s Config,
    pub trends: &'s OrgTrends,
    /// By group of actions; [`ALL`](crate::context::pulse::ALL) is of the whole log. `None` while something waits to be judged.
    pub quiet: Option<BTreeMap<String, Quiet>>,
    pub tail: Option<Grown>,
    pub old_lists: Vec<(String, String)>,
    /// Entries that wait for the rules.
    pub waiting: u64,
}

pub struct Looked<'s> {
    pub now: UnixMillis,
    pub started: UnixMillis,
    pub settings: &'s Monitor,
}

impl Looked<'_> {
    fn sign(&self, rule: &'static str, org: &OrgId, severity: Severity, title: String) -> Sign {
        Sign {
            rule,
            org: org.clone(),
            about: String::new(),
            severity,
            title,
            labels: Vec::new(),
            patience_ms: self.settings.patience_ms,
            calm_ms: self.settings.patience_ms,
            again_ms: self.settings.again_ms,
        }
    }

    /// Some times the patience.
    fn times(&self, n: u64) -> u64 {
        self.settings.patience_ms * n
    }

    pub fn org(&self, seen: &OrgSeen<'_>) -> Vec<Sign> {
        let poll = &seen.status.poll;
        let access = self.access(seen.org, poll);
        let mut signs: Vec<Sign> = Vec::new();
        if access.is_none() {
            signs.extend(self.failing(seen));
        }
        signs.extend(access);
        signs.extend(self.token(seen.org, poll));
        signs.extend(self.lag(seen));
        signs.extend(self.detection(seen));
        signs.extend(self.foreign(seen));
        signs.extend(self.clock(seen.org, poll));
        signs.extend(self.late(seen));
        let quiet = seen.quiet.iter().flatten();
        signs.extend(quiet.filter_map(|(family, quiet)| self.silence(seen.org, family, *quiet)));
        for (list, what) in &seen.old_lists {
            let title = format!("`{list}`: {what}");
            let sign = self.sign("lists-stale", seen.org, Severity::Informational, title);
            signs.push(Sign { about: list.clone(), labels: vec![("list", list.clone())], again_ms: DAY_MS, ..sign });
        }
        signs
    }

    /// What of it can't be known now: numbers of the time before a start are gone with the process, and what waits hasn't been looked at.
    pub fn unknown_of_org(&self, seen: &OrgSeen<'_>) -> Vec<Unknown> {
        let (poll, is_young) = (&seen.status.poll, self.now.since(self.started) < self.times(3));
        let has_page = poll.last_success.is_some_and(|at| at >= self.started);
        let is_whole_log_silent =
            seen.quiet.as_ref().is_some_and(|quiet| quiet.len() == 1 && quiet.contains_key(crate::context::pulse::ALL));
        let is_behind = poll.watermark_behind_s.is_none_or(|behind| behind >= LAG_S);
        let knows_pace = has_page && seen.trends.behind.grew(self.now, self.times(3)).is_some();
        let unknown = [
            ("log-silent", seen.quiet.is_none()),
            ("family-silent", seen.quiet.is_none() || is_whole_log_silent),
            ("poll-failing", has_no_room(poll) || (!has_page && self.now.since(self.started) < self.least_ms(seen))),
            ("lagging", is_behind && !(knows_pace && self.passes(poll))),
            ("detection-behind", seen.waiting > 0 && is_young),
        ];
        let unknown = unknown.into_iter().filter(|(_, is_unknown)| *is_unknown);
        unknown.map(|(rule, _)| Unknown { rule, org: seen.org.clone(), about: None }).collect()
    }

    /// Whether it takes anything shows when it has had time to.
    pub fn unknown_of_sink(&self, name: &str, sink: &SinkStatus) -> Option<Unknown> {
        let is_young = self.now.since(self.started) < self.times(3);
        let unknown = Unknown { rule: "sink-behind", org: OrgId::default(), about: Some(name.to_owned()) };
        (sink.behind > 0 && is_young).then_some(unknown)
    }

    /// Without a page for so long is without one.
    fn least_ms(&self, seen: &OrgSeen<'_>) -> u64 {
        self.settings.patience_ms.max(3_000 * seen.config.slack.interval_s)
    }

    /// Pages come.
    fn passes(&self, poll: &Poll) -> bool {
        poll.last_success.is_some_and(|at| self.now.since(at) < self.times(1))
    }

    fn access(&self, org: &OrgId, poll: &Poll) -> Option<Sign> {
        let (label, advice) = poll.problems.iter().find(|(label, _)| LOST_ACCESS.contains(&label.as_str()))?;
        let title = format!("Slack lets gridwatch no longer read the audit log: {label}");
        let sign = self.sign("access-lost", org, Severity::Critical, title);
        let labels = vec![("problem", label.clone()), ("advice", advice.clone())];
        Some(Sign { labels, patience_ms: self.settings.patience_ms / 5, ..sign })
    }

    fn failing(&self, seen: &OrgSeen<'_>) -> Option<Sign> {
        let poll = &seen.status.poll;
        let since = poll.last_success.unwrap_or(self.started).max(self.started);
        let without_ms = self.now.since(since);
        if without_ms < self.least_ms(seen) || has_no_room(poll) {
            return None;
        }
        let (problem, advice) = poll.problems.first().cloned().unwrap_or_default();
        let why = if problem.is_empty() { String::new() } else { format!(": {problem}") };
        let title = format!("No page of the audit log for {}{why}", span(without_ms / 1_000));
        let sign = self.sign("poll-failing", seen.org, Severity::High, title);
        let last = poll.last_success.map(|at| at.to_string()).unwrap_or_default();
        let labels = vec![("problem", problem), ("advice", advice), ("last_page", last)];
        Some(Sign { labels, patience_ms: 0, ..sign })
    }

    fn token(&self, org: &OrgId, poll: &Poll) -> Option<Sign> {
        let token = poll.token.as_ref()?;
        let answer = token.refused.as_ref()?;
        let left = token.expires.map(|expires| expires.0.saturating_sub(self.now.seconds().0));
        if left.is_some_and(|left| left > TOKEN_S) {
            return None;
        }
        let title = match left {
            Some(0) => format!("The token has expired, and can't be exchanged: {answer}"),
            Some(left) => format!("The token expires in {}, and can't be exchanged: {answer}", span(left)),
            None => format!("The token can't be exchanged, and when it expires isn't known: {answer}"),
        };
        let sign = self.sign("token-expiring", org, Severity::High, title);
        let expires = token.expires.map(|at| at.to_string()).unwrap_or_default();
        let labels = vec![("answer", answer.clone()), ("expires", expires)];
        Some(Sign { labels, patience_ms: self.settings.patience_ms / 5, ..sign })
    }

    fn lag(&self, seen: &OrgSeen<'_>) -> Option<Sign> {
        let behind = seen.status.poll.watermark_behind_s?;
        let settle = i64::try_from(seen.status.poll.settle_s).unwrap_or(i64::MAX);
        let grew = seen.trends.behind.grew(self.now, self.times(3))?;
        // As fast as time passes it grows while no page comes, which is another sign's.
        if behind - settle < LAG_S || grew <= 0 || !self.passes(&seen.status.poll) {
            return None;
        }
        let title =
            format!("Reading is {} behind the audit log, and falls further behind", span(behind.unsigned_abs()));
        let sign = self.sign("lagging", seen.org, Severity::Medium, title);
        let rate = format!("{:.0}", seen.status.poll.requests_per_minute);
        Some(Sign { labels: vec![("requests_per_minute", rate)], ..sign })
    }

    fn detection(&self, seen: &OrgSeen<'_>) -> Option<Sign> {
        if seen.waiting == 0 || seen.trends.judged.stands_ms(self.now) < self.times(3) {
            return None;
        }
        let since = span(seen.trends.judged.stands_ms(self.now) / 1_000);
        let title = format!("{} entries wait for the rules, and none was judged for {since}", seen.waiting);
        let sign = self.sign("detection-behind", seen.org, Severity::High, title);
        Some(Sign { labels: vec![("waiting", seen.waiting.to_string())], patience_ms: 0, ..sign })
    }

    fn foreign(&self, seen: &OrgSeen<'_>) -> Option<Sign> {
        let grew = seen.trends.foreign.grew_lately(self.now, HOUR_MS);
        if grew < FOREIGN {
            return None;
        }
        let title = format!("Slack refused {grew} requests within an hour as too many, though gridwatch had made few");
        let sign = self.sign("budget-shared", seen.org, Severity::Medium, title);
        let allowed = seen.config.slack.requests_per_minute.to_string();
        let labels = vec![("refused", grew.to_string()), ("requests_per_minute", allowed)];
        Some(Sign { labels, patience_ms: 0, ..sign })
    }

    fn clock(&self, org: &OrgId, poll: &Poll) -> Option<Sign> {
        let ahead = poll.clock_ahead_s.filter(|ahead| ahead.abs() > CLOCK_S)?;
        let how = if ahead > 0 { "ahead of" } else { "behind" };
        let title = format!("This host's clock is {} {how} Slack's", span(ahead.unsigned_abs()));
        let sign = self.sign("clock-off", org, Severity::Medium, title);
        Some(Sign { labels: vec![("seconds_ahead", ahead.to_string())], ..sign })
    }

    fn late(&self, seen: &OrgSeen<'_>) -> Option<Sign> {
        let sampled = seen.trends.sampled_late.grew_lately(self.now, HOUR_MS);
        let title = match (seen.tail, sampled > 0) {
            (_, true) => {
                format!("{sampled} entries came after the last re-read of their time, and were found by chance")
            }
            (Some(grown), _) => format!(
                "{} new entries of today came more than 17 minutes late: {} of a thousand, and {} before",
                grown.late, grown.per_mille, grown.before_per_mille
            ),
            (None, false) => return None,
        };
        let sign = self.sign("late-entries", seen.org, Severity::Medium, title);
        let about = if sampled > 0 { "sampled" } else { "tail" };
        Some(Sign {
            about: about.into(),
            labels: vec![("kind", about.into())],
            patience_ms: 0,
            again_ms: DAY_MS,
            ..sign
        })
    }

    fn silence(&self, org: &OrgId, family: &str, quiet: Quiet) -> Option<Sign> {
        let is_whole = family == crate::context::pulse::ALL;
        let needed = if is_whole { self.settings.missed as f64 } else { FAMILY_MISSED };
        let missed = match quiet.missed {
            Some(missed) if missed >= needed && quiet.seconds >= self.settings.silence_s => missed,
            None if is_whole && quiet.seconds >= UNLEARNED_S => 0.0,
            _ => return None,
        };
        let lasts = span(quiet.seconds);
        let (rule, severity, title) = match is_whole {
            true => {
                let severity = if missed >= needed * GRAVER { Severity::Critical } else { Severity::High };
                ("log-silent", severity, format!("The audit log has shown no entry for {lasts}"))
            }
            false => ("family-silent", Severity::Low, format!("No entry of the group `{family}` for {lasts}")),
        };
        let labels = vec![
            ("family", family.to_owned()),
            ("last_entry", quiet.since.to_string()),
            ("missed", if quiet.missed.is_some() { format!("{missed:.0}") } else { String::new() }),
        ];
        let sign = self.sign(rule, org, severity, title);
        Some(Sign { about: family.to_owned(), labels, patience_ms: 0, again_ms: DAY_MS, ..sign })
    }

    /// `delivered` hasn't moved for so long.
    pub fn sink(&self, name: &str, sink: &SinkStatus, stands_ms: u64, fails_ms: u64) -> Option<Sign> {
        let is_stuck = sink.behind > 0 && stands_ms >= self.times(3);
        if fails_ms < self.times(1) && !is_stuck {
            return None;
        }
        let lasts = fails_ms.max(if is_stuck { stands_ms } else { 0 });
        let severity = if lasts >= self.times(12) { Severity::High } else { Severity::Medium };
        let what = if sink.error.is_some() { "fails" } else { "takes nothing" };
        let title = format!("Sink `{name}` {what}; {} records wait for it", sink.behind);
        let sign = self.sign("sink-behind", &OrgId::default(), severity, title);
        let error = sink.error.clone().unwrap_or_default();
        let labels = vec![("sink", name.to_owned()), ("error", error), ("waiting", sink.behind.to_string())];
        Some(Sign { about: name.to_owned(), labels, patience_ms: 0, ..sign })
    }

    pub fn disk(&self, folder: &str, free: u64, min_free: u64, trend: &Trend) -> Option<Sign> {
        let full_at = trend.falls_to(self.now, min_free, DISK_MS).filter(|at| at.since(self.now) < DAY_MS);
        let (title, full_at) = match (free < min_free, full_at) {
            (true, _) => {
                (format!("The disk of {folder} is full: {free} bytes are free, and polling is paused"), self.now)
            }
            (false, Some(at)) => {
                let left = span(at.since(self.now) / 1_000);
                (format!("The disk of {folder} will be full in {left} if it goes on like this"), at)
            }
            (false, None) => return None,
        };
        let sign = self.sign("disk-filling", &OrgId::default(), Severity::High, title);
        let patience_ms = if free < min_free { self.settings.patience_ms / 5 } else { self.times(2) };
        let labels = vec![
            ("folder", folder.to_owned()),
            ("free_bytes", free.to_string()),
            ("min_free_bytes", min_free.to_string()),
            ("full_at", UnixSeconds(full_at.0 / 1_000).to_string()),
        ];
        Some(Sign { about: folder.to_owned(), labels, patience_ms, ..sign })
    }
}

/// Without room it doesn't ask; the disk and the sinks have signs of their own.
fn has_no_room(poll: &Poll) -> bool {
    poll.paused.as_ref().is_some_and(|why| why.starts_with("disk") || why.starts_with("backlog"))
}
