//! What whoever is on duty looks at first: are we blind, up to when is everything read, why does it wait, what is open and grave, who was told.
//!
//! Data, and the words for each part of it, which `status`, `top` and the page share.

use crate::history::{History, Row};
use crate::telemetry::health::{Health, State, span};
use crate::telemetry::progress::Progress;
use crate::telemetry::status::{ModuleStatus, OrgStatus, Poll, SinkStatus, Status};
use anyhow::Result;
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::Severity;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::handling;

/// How far back alerts that nobody closed are of now; those before are counted.
const RECENT_S: u64 = 7 * 86_400;
/// Time that is read later than this, beyond what is waited for anyway, is a gap for whoever watches.
const BEHIND_S: u64 = 300;
/// Without a page for so long, a problem is no longer one that passes.
const WITHOUT_PAGE_MS: u64 = 300_000;

#[derive(Debug)]
pub struct Now {
    pub at: UnixMillis,
    /// `None`: no gridwatch ever ran there.
    pub status: Option<Status>,
    pub health: Health,
    pub open: Open,
}

/// How much is seen of what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sight {
    Watching,
    /// The newest time hasn't been read yet, or a part of the rules watches nothing.
    Partly,
    Blind,
}

/// Alerts that still need somebody.
#[derive(Debug, Default)]
pub struct Open {
    /// Of the last seven days, the gravest severity first. Acknowledged ones are counted too.
    pub counts: Vec<(Severity, u64)>,
    pub acknowledged: u64,
    /// Open and older.
    pub older: u64,
    /// The gravest, of one severity the newest first.
    pub gravest: Vec<Alert>,
}

/// Which of the open alerts are read: at most so many, and those before the last seven days as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub most: usize,
    pub older: bool,
}

impl Sight {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Watching => "watching",
            Self::Partly => "partly blind",
            Self::Blind => "blind",
        }
    }
}

impl Open {
    /// Of the last seven days, of any severity.
    pub fn all(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }

    /// Of a history, as far as `takes` takes them; at most so many are read.
    ///
    /// # Errors
    /// One can't be read.
    pub fn of(history: &mut History, at: UnixMillis, most: usize, takes: impl Fn(&Row) -> bool) -> Result<Self> {
        Self::read(history, at, Extent { most, older: false }, takes, History::alert)
    }

    /// The same of this extent; `alert` gives an alert itself.
    ///
    /// # Errors
    /// One can't be read.
    pub fn read(
        history: &mut History,
        at: UnixMillis,
        extent: Extent,
        takes: impl Fn(&Row) -> bool,
        mut alert: impl FnMut(&mut History, &Row) -> Result<Option<Alert>>,
    ) -> Result<Self> {
        let since = at.seconds().minus(RECENT_S);
        let open: Vec<&Row> = history.rows().iter().filter(|row| row.is_open() && takes(row)).collect();
        let recent: Vec<&Row> = open.iter().copied().filter(|row| row.last >= since).collect();
        let older = (open.len() - recent.len()) as u64;
        let count = |severity| (severity, recent.iter().filter(|row| row.severity == severity).count() as u64);
        let counts = Severity::ALL.into_iter().rev().map(count).collect();
        let acknowledged = recent.iter().filter(|row| row.status == handling::Status::Acknowledged).count() as u64;
        let mut shown: Vec<Row> = if extent.older { open } else { recent }.into_iter().cloned().collect();
        shown.sort_by_key(|row| std::cmp::Reverse((row.severity, row.last)));
        let read = shown.iter().take(extent.most).filter_map(|row| alert(history, row).transpose());
        Ok(Self { counts, acknowledged, older, gravest: read.collect::<Result<_>>()? })
    }
}

impl Now {
    pub fn sight(&self) -> Sight {
        let Some(status) = self.status.as_ref().filter(|_| self.is_there()) else { return Sight::Blind };
        if self.health.state == State::Stuck {
            return Sight::Blind;
        }
        let orgs = status.orgs.values().map(|org| sight(org, self.at));
        orgs.max().unwrap_or(Sight::Partly)
    }

    /// Since when not everything is seen: from then on nothing, or not all, has been read.
    pub fn since(&self) -> Option<UnixMillis> {
        let status = self.status.as_ref().filter(|_| self.sight() != Sight::Watching)?;
        let hazy = status.orgs.values().filter(|org| !self.is_there() || sight(org, self.at) != Sight::Watching);
        hazy.filter_map(|org| org.poll.watermark).min().map(gridwatch_event::time::UnixSeconds::millis)
    }

    /// Is there a process, whatever it does?
    pub fn is_there(&self) -> bool {
        matches!(self.health.state, State::Starting | State::Running | State::Draining | State::Stuck)
    }
}

/// Of one organization, while gridwatch runs.
pub fn sight(org: &OrgStatus, at: UnixMillis) -> Sight {
    let poll = &org.poll;
    let has_page = poll.last_success.is_some_and(|last| at.since(last) <= WITHOUT_PAGE_MS);
    let behind_s = poll.watermark.map(|read| at.seconds().0.saturating_sub(read.0));
    let is_behind = behind_s.is_none_or(|behind_s| behind_s > poll.settle_s + BEHIND_S);
    if poll.paused.is_some() || !has_page && !poll.problems.is_empty() {
        return Sight::Blind;
    }
    if is_behind || org.modules.iter().any(|module| module.set_aside.is_some()) {
        return Sight::Partly;
    }
    Sight::Watching
}

/// `read up to 3 seconds ago (2026-11-12T00:00:00Z)`
pub fn read_up_to(poll: &Poll, at: UnixMillis) -> String {
    let Some(watermark) = poll.watermark else { return "nothing read to its end yet".to_owned() };
    let distance = match watermark > at.seconds() {
        true => format!("{} ahead of this host's clock", span(watermark.0 - at.seconds().0)),
        false => format!("{} ago", ago(at, watermark.millis())),
    };
    format!("read up to {distance} ({watermark})")
}

/// `last page 3 seconds ago`
pub fn last_page(poll: &Poll, at: UnixMillis) -> String {
    let last = poll.last_success.map_or("none yet".to_owned(), |last| format!("{} ago", ago(at, last)));
    format!("last page {last}")
}

/// Why it isn't up to now, a line each.
pub fn waits(poll: &Poll) -> Vec<String> {
    let mut waits = Vec::new();
    if let Some(progress) = &poll.catching_up {
        waits.push(format!("catching up from {} to now: {}", progress.from, progressed(progress)));
    }
    if let Some(progress) = &poll.backfill {
        waits.push(format!("older entries from {} back to {}: {}", progress.from, progress.to, progressed(progress)));
    }
    waits.extend(poll.paused.iter().map(|why| format!("paused: {why}")));
    waits.extend(poll.waiting.iter().map(|why| format!("waiting: {why}")));
    waits.extend(news(poll).map(|(label, advice)| format!("{label}: {advice}")));
    waits
}

/// Problems beside the one that it is paused for.
pub fn news(poll: &Poll) -> impl Iterator<Item = &(String, String)> {
    let is_said = |label: &str| poll.paused.as_ref().is_some_and(|paused| paused.starts_with(label));
    poll.problems.iter().filter(move |(label, _)| !is_said(label))
}

/// `43 % (at 2026-11-12T00:00:00Z), 2.1 days a minute, about 14 minutes left`
fn progressed(progress: &Progress) -> String {
    let speed = progress.speed.map(|speed| match speed * 60.0 {
        a_minute if a_minute >= 86_400.0 => format!(", {:.1} days a minute", a_minute / 86_400.0),
        a_minute => format!(", {:.1} hours a minute", a_minute / 3_600.0),
    });
    let left = match (progress.left_s, progress.speed) {
        (Some(left_s), _) => format!(", about {} left", span(left_s)),
        (None, Some(_)) => ", no end in sight at this rate".to_owned(),
        (None, None) => String::new(),
    };
    format!("{:.0} % (at {}){}{left}", progress.percent, progress.at, speed.unwrap_or_default())
}

/// `1204 delivered, 3 records behind for 2 minutes; failing: refused`
pub fn delivered(sink: &SinkStatus, at: UnixMillis) -> String {
    let since = sink.behind_since.map(|since| format!(" for {}", ago(at, since))).unwrap_or_default();
    let behind = match sink.behind {
        0 => "nothing waits".to_owned(),
        behind => format!("{behind} records behind{since}"),
    };
    let error = sink.error.as_ref().map(|error| format!("; failing: {error}")).unwrap_or_default();
    format!("{} delivered, {behind}{error}", sink.delivered)
}

/// What is wrong with a module, or new.
pub fn conspicuous(module: &ModuleStatus) -> Option<String> {
    match &module.set_aside {
        Some(aside) => Some(format!(
            "SET ASIDE since {}: {}; its rules watch nothing, {} events unjudged; a restart gives it another chance",
            aside.at,
            aside.why.text(),
            module.unjudged
        )),
        None => module.on_probation.then(|| {
            "on probation: the version before it judges beside it, and comes back if this one is worse".to_owned()
        }),
    }
}

pub fn ago(at: UnixMillis, then: UnixMillis) -> String {
    span(at.since(then) / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::health::Lock;
    use crate::telemetry::status::Phase;
    use gridwatch_event::org::OrgId;

    const AT: UnixMillis = UnixMillis(1_790_000_000_000);

    fn now(change: impl FnOnce(&mut Status), lock: Lock) -> Now {
        let mut status = Status { phase: Phase::Running, written: AT, started: AT, ..Status::default() };
        let poll = &mut status.org_mut(&OrgId::default()).poll;
        (poll.watermark, poll.last_success, poll.settle_s) = (Some(AT.seconds().minus(60)), Some(AT), 60);
        change(&mut status);
        let health = Health::of(Some(&status), lock, AT);
        Now { at: AT, status: Some(status), health, open: Open::default() }
    }

    fn poll(change: impl FnOnce(&mut Poll)) -> Now {
        now(|status| change(&mut status.org_mut(&OrgId::default()).poll), Lock::Held)
    }

    #[test]
    fn blind_is_who_reads_nothing_and_partly_blind_who_is_late() {
        let watching = poll(|_| {});
        assert_eq!((watching.sight(), watching.since()), (Sight::Watching, None));
        assert_eq!(now(|_| {}, Lock::Free).sight(), Sight::Blind, "it died");
        let paused = poll(|poll| poll.paused = Some("disk".into()));
        assert_eq!((paused.sight(), paused.since()), (Sight::Blind, Some(UnixMillis(AT.0 - 60_000))));
        assert_eq!(poll(|poll| poll.watermark = Some(AT.seconds().minus(3_600))).sight(), Sight::Partly);
        assert_eq!(poll(|poll| poll.watermark = None).sight(), Sight::Partly);
        let problem = |last| {
            poll(move |poll| {
                poll.problems = vec![("unreachable".into(), "look".into())];
                poll.last_success = Some(last);
            })
        };
        assert_eq!(problem(AT).sight(), Sight::Watching, "it may pass");
        assert_eq!(problem(UnixMillis(AT.0 - 600_000)).sight(), Sight::Blind);
        let nobody = Now { status: None, ..poll(|_| {}) };
        assert_eq!(nobody.sight(), Sight::Blind);
    }
}
