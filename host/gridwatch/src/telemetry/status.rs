//! Status: what gridwatch says of itself, kept current while it runs and mirrored to `status.json`.
//!
//! The store belongs to the running process alone, so this file is how `gridwatch status` and people look inside.

use crate::bell::Bell;
use crate::clock::Clock;
use crate::disk::replace;
use crate::telemetry::gauges;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::progress::{Pace, Progress};
use gridwatch_detect::detector::Behaved;
use gridwatch_event::drift::Checked;
use gridwatch_event::org::OrgId;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_manifest::Manifest;
use gridwatch_poll::{Lane, LateHistogram, PollState};
use gridwatch_rules::conduct::{SetAside, Why};
use gridwatch_rules::monitor::Heartbeat;
use gridwatch_rules::pipeline::Fault;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A process and what it watches.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(into = "Written", from = "Written")]
pub struct Status {
    pub pid: u32,
    /// When that process began, in the kernel's ticks since boot: a number that is used again belongs to another one.
    pub pid_began: Option<u64>,
    pub version: String,
    pub started: UnixMillis,
    /// When this was written: an old one means that gridwatch is not running, or stuck.
    pub written: UnixMillis,
    pub phase: Phase,
    /// What the start or the end is at.
    pub doing: String,
    /// Why it ended, once it has.
    pub end: Option<End>,
    /// By name: what moves entries along, and when each was last heard of.
    pub stages: BTreeMap<String, Stage>,
    pub backlog: Backlog,
    pub reload: Reload,
    pub state: State,
    /// By sink name.
    pub sinks: BTreeMap<String, SinkStatus>,
    /// What of the modules folder does not serve, and why.
    pub modules_waiting: Vec<String>,
    /// The configuration lets modules serve that nobody who is trusted answers for.
    pub unsigned_allowed: bool,
    /// What somebody was told of and isn't over, the oldest first.
    pub troubles: Vec<TroubleStatus>,
    /// The last one.
    pub heartbeat: Option<Heartbeat>,
    /// Of the dead-man service, if there is one.
    pub ping: Option<PingStatus>,
    pub orgs: BTreeMap<OrgId, OrgStatus>,
}

/// What is known of one organization.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct OrgStatus {
    pub poll: Poll,
    pub detect: Detect,
    #[serde(default)]
    pub exceptions: Exceptions,
    pub catalogue: Catalogue,
    #[serde(default)]
    pub roster: RosterStatus,
    pub modules: Vec<ModuleStatus>,
}

impl Status {
    /// Of one of the organizations that are watched; nothing is known of others.
    pub fn org(&self, org: &OrgId) -> OrgStatus {
        self.orgs.get(org).cloned().unwrap_or_default()
    }

    /// Its part of the status, to be changed.
    pub fn org_mut(&mut self, org: &OrgId) -> &mut OrgStatus {
        self.orgs.entry(org.clone()).or_default()
    }

    /// Each module once, whatever organizations it serves.
    pub fn rule_ids(&self) -> impl Iterator<Item = &String> {
        self.orgs.values().flat_map(|org| &org.modules).flat_map(|module| &module.rule_ids)
    }
}

/// The file's shape: where one organization has no name, its part stands beside the process's own; those with names are in `orgs`.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Written {
    pid: u32,
    pid_began: Option<u64>,
    version: String,
    started: UnixMillis,
    written: UnixMillis,
    phase: Phase,
    doing: String,
    end: Option<End>,
    stages: BTreeMap<String, Stage>,
    backlog: Backlog,
    reload: Reload,
    state: State,
    sinks: BTreeMap<String, SinkStatus>,
    modules_waiting: Vec<String>,
    unsigned_allowed: bool,
    troubles: Vec<TroubleStatus>,
    heartbeat: Option<Heartbeat>,
    ping: Option<PingStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    poll: Option<Poll>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detect: Option<Detect>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exceptions: Option<Exceptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    catalogue: Option<Catalogue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roster: Option<RosterStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modules: Option<Vec<ModuleStatus>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    orgs: BTreeMap<OrgId, OrgStatus>,
}

impl From<Status> for Written {
    fn from(mut status: Status) -> Self {
        let only = status.orgs.remove(&OrgId::default());
        let (poll, detect, exceptions, catalogue, roster, modules) = match only {
            Some(OrgStatus { poll, detect, exceptions, catalogue, roster, modules }) => {
                (Some(poll), Some(detect), Some(exceptions), Some(catalogue), Some(roster), Some(modules))
            }
            None => Default::default(),
        };
        let Status {
            pid,
            pid_began,
            version,
            started,
            written,
            phase,
            doing,
            end,
            stages,
            backlog,
            reload,
            state,
            sinks,
            modules_waiting,
            unsigned_allowed,
            troubles,
            heartbeat,
            ping,
            orgs,
        } = status;
        Self {
            pid,
            pid_began,
            version,
            started,
            written,
            phase,
            doing,
            end,
            stages,
            backlog,
            reload,
            state,
            sinks,
            modules_waiting,
            unsigned_allowed,
            troubles,
            heartbeat,
            ping,
            poll,
            detect,
            exceptions,
            catalogue,
            roster,
            modules,
            orgs,
        }
    }
}

impl From<Written> for Status {
    fn from(written: Written) -> Self {
        let Written {
            pid,
            pid_began,
            version,
            started,
            written,
            phase,
            doing,
            end,
            stages,
            backlog,
            reload,
            state,
            sinks,
            modules_waiting,
            unsigned_allowed,
            troubles,
            heartbeat,
            ping,
            poll,
            detect,
            exceptions,
            catalogue,
            roster,
            modules,
            mut orgs,
        } = written;
        if let (Some(poll), Some(detect)) = (poll, detect) {
            let (exceptions, catalogue) = (exceptions.unwrap_or_default(), catalogue.unwrap_or_default());
            let (roster, modules) = (roster.unwrap_or_default(), modules.unwrap_or_default());
            let only = OrgStatus { poll, detect, exceptions, catalogue, roster, modules };
            orgs.insert(OrgId::default(), only);
        }
        Self {
            pid,
            pid_began,
            version,
            started,
            written,
            phase,
            doing,
            end,
            stages,
            backlog,
            reload,
            state,
            sinks,
            modules_waiting,
            unsigned_allowed,
            troubles,
            heartbeat,
            ping,
            orgs,
        }
    }
}

/// Said at each start and in `status`.
pub const UNSIGNED: &str = "UNSIGNED MODULES MAY SERVE: `allow_unsigned = true` stands under [modules], so whoever can write to the modules \
                            folder decides what is detected; it is for development";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    Starting,
    /// Also of a file that an older version wrote.
    #[default]
    Running,
    /// Told to end; what was fetched is still being delivered.
    Draining,
    Ended,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    pub at: UnixMillis,
    pub why: String,
    pub how: HowEnded,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HowEnded {
    /// As a signal said.
    #[default]
    #[serde(rename = "told")]
    Signalled,
    /// There was nothing more to do, as `run --once` was asked for.
    Done,
    /// It couldn't go on.
    Failed,
}

/// One stage's last sign of life.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Stage {
    pub heard: UnixMillis,
    /// By when it will have been heard of again, unless it is stuck.
    pub due: UnixMillis,
    pub doing: String,
}

/// An alert about gridwatch itself that isn't over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TroubleStatus {
    pub rule: String,
    pub title: String,
    /// High or Critical.
    pub is_grave: bool,
    pub since: UnixMillis,
}

/// What the dead-man service was told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PingStatus {
    /// When it last answered well.
    pub last: Option<UnixMillis>,
    pub error: Option<String>,
}

/// What waits in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backlog {
    /// Entries that no module has seen yet.
    pub entries: u64,
    /// Events and alerts that some sink has not taken yet.
    pub records: u64,
    /// Of both.
    pub bytes: u64,
}

/// What became of what was remembered, since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// By what they were of: rows that could not be read. gridwatch goes on without them.
    pub forgotten: BTreeMap<String, u64>,
    /// Why the store is a new one, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_anew: Option<String>,
    /// Entries that were delivered before and were read again, for what the rules remember.
    #[serde(default)]
    pub relearned: u64,
}

/// What came of the last SIGHUP.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reload {
    pub at: Option<UnixMillis>,
    pub taken: Vec<String>,
    /// Changed in the file, and waiting for a restart.
    pub waiting: Vec<String>,
    /// What is wrong with the file as it was then; what was read before stays in force.
    pub broken: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Poll {
    /// End of drained time.
    pub watermark: Option<UnixSeconds>,
    /// Where this process took up reading; where it is, within an open range too; how far behind now it stays.
    #[serde(default)]
    pub began_at: Option<UnixSeconds>,
    #[serde(default)]
    pub position: Option<UnixSeconds>,
    #[serde(default)]
    pub settle_s: u64,
    /// A long read up to now, while there is one.
    #[serde(default)]
    pub catching_up: Option<Progress>,
    /// Older entries, newest first: from where, down to where, and how far they have been read.
    #[serde(default)]
    pub backfill_from: Option<UnixSeconds>,
    #[serde(default)]
    pub backfill_to: Option<UnixSeconds>,
    #[serde(default)]
    pub backfilled_to: Option<UnixSeconds>,
    #[serde(default)]
    pub backfill: Option<Progress>,
    /// How far that is behind this host's clock, in seconds; negative if it is ahead.
    #[serde(default)]
    pub watermark_behind_s: Option<i64>,
    /// How far this host's clock is ahead of Slack's, in seconds, by the last answer; negative if it is slow.
    #[serde(default)]
    pub clock_ahead_s: Option<i64>,
    /// Old ranges looked at again without being due, and the entries found there that had come too late for every re-read.
    #[serde(default)]
    pub sampled: u64,
    #[serde(default)]
    pub sampled_late: u64,
    pub last_success: Option<UnixMillis>,
    /// From here up to the watermark all time has been read.
    #[serde(default)]
    pub read_from: Option<UnixSeconds>,
    /// Requests that Slack refused as too many although less than half of what is allowed had been made.
    #[serde(default)]
    pub refused_early: u64,
    /// Of a token that is exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenState>,
    pub pages: u64,
    /// Entries in pages, those stored as new, those seen before, and those stored that are a later version of a known id.
    pub entries: u64,
    pub stored: u64,
    pub duplicates: u64,
    pub changed: u64,
    /// Of the duplicates: those in other bytes that say the same, and those of which an older gridwatch knew only the bytes.
    #[serde(default)]
    pub respelled: u64,
    #[serde(default)]
    pub adopted: u64,
    /// Versions of an id beyond the bound, which are not stored.
    #[serde(default)]
    pub dropped_versions: u64,
    /// Requests a minute that polling allows itself now.
    pub requests_per_minute: f64,
    /// Why polling stands still until somebody does something, if it does.
    pub paused: Option<String>,
    /// What it waits for that will come by itself.
    #[serde(default)]
    pub waiting: Option<String>,
    /// What is wrong with Slack's answers, and what to do: (label, advice).
    pub problems: Vec<(String, String)>,
    /// Upper bound in seconds → entries first seen that long after their time.
    pub lateness: Vec<(u64, u64)>,
}

/// How exchanging the token goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenState {
    /// `None`: not known, as of one that was configured.
    pub expires: Option<UnixSeconds>,
    /// What the last exchange came to, if it failed.
    pub refused: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Detect {
    pub events: u64,
    pub alerts: u64,
    /// Alerts that exceptions held back; not among `alerts`.
    #[serde(default)]
    pub suppressed: u64,
    /// Events with a mark: unknown actions, odd shapes.
    pub marked: BTreeMap<String, u64>,
    pub faults: u64,
    /// Names in entries that the built-in catalogue doesn't have: what sort, the name, how often.
    pub unseen: Vec<(String, String, u64)>,
}

/// The watch over who has a second factor, if it is switched on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RosterStatus {
    pub checked: Option<UnixMillis>,
    pub people: u64,
    pub failed: Option<UnixMillis>,
    pub error: Option<String>,
}

/// The exceptions file, if there is one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Exceptions {
    pub file: Option<PathBuf>,
    pub holding: usize,
    pub expired: usize,
    /// When those in force were read.
    pub taken: Option<UnixMillis>,
    /// What is wrong with the file as it is now; what was read before stays in force.
    pub broken: Option<String>,
}

/// Slack's lists of actions and entity types against the built-in ones.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Catalogue {
    pub checked: Option<Checked>,
    /// When asking failed, if it did since.
    pub failed: Option<UnixMillis>,
    pub error: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SinkStatus {
    pub delivered: u64,
    /// Records it has not taken yet, and since when there have been any.
    pub behind: u64,
    #[serde(default)]
    pub behind_since: Option<UnixMillis>,
    pub error: Option<String>,
    /// Files removed before their time since the start, which an agent may not have read.
    #[serde(default)]
    pub removed_unread: u64,
    /// Dead letters: records that its receiver refused for good, ever.
    #[serde(default)]
    pub refused: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ModuleStatus {
    pub name: String,
    pub version: String,
    pub digest: String,
    pub rules: usize,
    #[serde(default)]
    pub rule_ids: Vec<String>,
    /// Events that it could not judge since the start, and the last of them.
    #[serde(default)]
    pub faults: u64,
    #[serde(default)]
    pub last_fault: Option<LastFault>,
    /// Its rules watch nothing since then.
    #[serde(default)]
    pub set_aside: Option<SetAsideStatus>,
    /// Events that it was not asked about since it was set aside.
    #[serde(default)]
    pub unjudged: u64,
    /// Log lines of it that were over the limits.
    #[serde(default)]
    pub lines_dropped: u64,
    /// Wall time that its calls took.
    #[serde(default)]
    pub busy_ms: u64,
    /// It has taken over from another version, which judges on beside it and comes back if this one turns out worse.
    #[serde(default)]
    pub on_probation: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LastFault {
    pub at: UnixMillis,
    /// Slack's id.
    pub event: String,
    pub reason: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SetAsideStatus {
    pub at: UnixMillis,
    pub why: Why,
    pub faults: u64,
    pub last_fault: String,
}

impl ModuleStatus {
    /// Of a version that comes into service.
    pub fn of(manifest: &Manifest, digest: &str) -> Self {
        Self {
            name: manifest.name.clone(),
            version: manifest.version.to_string(),
            digest: digest.to_owned(),
            rules: manifest.rules.len(),
            rule_ids: manifest.rules.iter().map(|rule| format!("{}.{}", manifest.name, rule.id)).collect(),
            ..Self::default()
        }
    }

    /// Takes in what the module did with a batch; the faults are those of all modules.
    pub fn follow(&mut self, behaved: &Behaved, faults: &[Fault], now: UnixMillis) {
        self.busy_ms += behaved.took.as_millis() as u64;
        self.unjudged += behaved.unjudged;
        self.lines_dropped = behaved.lines_dropped;
        let own = || faults.iter().filter(|fault| fault.module == self.name);
        let last = own().last().map(|fault| LastFault {
            at: now,
            event: fault.event_id.clone(),
            reason: fault.reason.clone(),
        });
        self.faults += own().count() as u64;
        self.last_fault = last.or(self.last_fault.take());
        if let Some(SetAside { why, faults, last, .. }) = &behaved.set_aside {
            self.set_aside = Some(SetAsideStatus { at: now, why: *why, faults: *faults, last_fault: last.clone() });
        }
    }
}

impl SinkStatus {
    /// Since when there are records that it hasn't got.
    pub fn is_behind(&mut self, records: u64, now: UnixMillis) {
        self.behind_since = (records > 0).then(|| self.behind_since.unwrap_or(now));
    }
}

/// How long a stage may be silent while it works.
pub const PATIENCE: Duration = Duration::from_secs(300);
/// The numbers in the text format of OpenMetrics, beside the status: for a collector of text files.
const METRICS: &str = "metrics.prom";
/// How often the board is mirrored to its file.
const MIRROR_EVERY: Duration = Duration::from_secs(2);

/// The status that all stages write into.
#[derive(Debug, Default)]
pub struct Board {
    /// What is no number.
    status: Mutex<Status>,
    pub metrics: Metrics,
}

impl Board {
    pub fn new(status: Status) -> Self {
        Self { status: Mutex::new(status), metrics: Metrics::default() }
    }

    pub fn update(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The same for one organization's part.
    pub fn update_org(&self, org: &OrgId, change: impl FnOnce(&mut OrgStatus)) {
        self.update(|status| change(status.org_mut(org)));
    }

    /// All there is to say, with the numbers as they are now.
    pub fn now(&self) -> Status {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (org, of_org) in &mut status.orgs {
            self.metrics.poll(org).show(&mut of_org.poll);
            self.metrics.detect(org).show(&mut of_org.detect);
        }
        for (name, sink) in &mut status.sinks {
            self.metrics.sink(name).show(sink);
        }
        status.backlog = self.metrics.backlog();
        status
    }

    /// A stage's sign of life: what it does now, and how long that may take at most.
    pub fn heard(&self, stage: &str, doing: &str, patience: Duration, now: UnixMillis) {
        let due = now.plus(patience.as_millis() as u64);
        self.update(|status| {
            status.stages.insert(stage.to_owned(), Stage { heard: now, due, doing: doing.to_owned() });
        });
    }

    /// A stage has done all it had to.
    pub fn ended(&self, stage: &str) {
        self.update(|status| _ = status.stages.remove(stage));
    }

    /// Mirrors the board to a file. Failing to is logged and no more: a full disk must not end polling this way.
    pub fn write(&self, path: &Path, now: UnixMillis) {
        self.update(|status| {
            status.written = now;
            for poll in status.orgs.values_mut().map(|org| &mut org.poll) {
                poll.watermark_behind_s = poll.watermark.and_then(|at| behind_s(at, now));
            }
        });
        let written =
            serde_json::to_vec_pretty(&self.now()).map_err(Into::into).and_then(|bytes| replace(path, &bytes));
        if let Err(error) = written {
            tracing::warn!(%error, path = %path.display(), "status not written");
        }
        let path = path.with_file_name(METRICS);
        let text = gauges::openmetrics(&self.now(), &self.metrics);
        if let Err(error) = replace(&path, text.as_bytes()) {
            tracing::warn!(%error, path = %path.display(), "metrics not written");
        }
    }
}

/// Keeps the file current from a thread of its own, whatever the stages are at: a start that compiles, a page that takes long.
#[derive(Debug)]
pub struct Mirror {
    stop: Arc<(AtomicBool, Bell)>,
    thread: Option<JoinHandle<()>>,
}

impl Mirror {
    /// # Errors
    /// The system gives no thread.
    pub fn start(board: Arc<Board>, path: PathBuf, clock: Clock) -> std::io::Result<Self> {
        let stop = Arc::new((AtomicBool::new(false), Bell::default()));
        let (stopped, mut paces) = (stop.clone(), Paces::default());
        let mirror = move || {
            loop {
                let rung = stopped.1.count();
                let now = clock.now();
                board.update(|status| paces.look(status, now));
                board.write(&path, now);
                stopped.1.wait(rung, MIRROR_EVERY);
                if stopped.0.load(Ordering::Acquire) {
                    return;
                }
            }
        };
        Ok(Self { stop, thread: Some(std::thread::Builder::new().name("status".into()).spawn(mirror)?) })
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.stop.0.store(true, Ordering::Release);
        self.stop.1.ring();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What is only seen by looking more than once: how fast each organization's reads go.
#[derive(Debug, Default)]
struct Paces(BTreeMap<OrgId, [Pace; 2]>);

impl Paces {
    fn look(&mut self, status: &mut Status, now: UnixMillis) {
        for (org, of_org) in &mut status.orgs {
            let ([live, back], poll) = (self.0.entry(org.clone()).or_default(), &mut of_org.poll);
            let to = now.seconds().minus(poll.settle_s);
            let reading = poll.began_at.zip(poll.position);
            poll.catching_up = reading.and_then(|(from, at)| live.of(now, from, to, at.min(to), 1.0));
            let reading = poll.backfill_from.zip(poll.backfill_to);
            let at = |from| poll.backfilled_to.unwrap_or(from);
            poll.backfill = reading.and_then(|(from, to)| back.of(now, from, to, at(from), 0.0));
        }
    }
}

fn behind_s(at: UnixSeconds, now: UnixMillis) -> Option<i64> {
    i64::try_from(now.seconds().0).ok()?.checked_sub(i64::try_from(at.0).ok()?)
}

impl Poll {
    pub fn follow(&mut self, state: &PollState, late: &LateHistogram) {
        self.watermark = state.watermark();
        self.read_from = state.backfilled_to().or(state.origin());
        self.position = state.watermark().or(self.began_at).map(|at| at.plus(state.covered_s(Lane::Live)));
        self.backfill_from = self.backfill_to.and(state.origin());
        self.backfilled_to =
            state.backfilled_to().or(self.backfill_from).map(|at| at.minus(state.covered_s(Lane::Backfill)));
        self.clock_ahead_s = state.clock().ahead_s();
        let problem = |p: &gridwatch_poll::Problem| (p.label().to_owned(), p.advice().to_owned());
        self.problems = state.problems().map(|(_, p)| problem(p)).collect();
        self.lateness = late.buckets().collect();
    }
}
