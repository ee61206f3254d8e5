//! Is it alive, and does somebody have to look? What `gridwatch status` concludes from what it finds in a state folder.
//!
//! The lock decides whether a process is there; the file it writes says what it is doing; how long its stages may be silent
//! says whether it is stuck. Nothing here asks anybody or changes anything.

use crate::telemetry::status::{HowEnded, OrgStatus, Phase, Status};
use gridwatch_event::time::UnixMillis;
use serde::Serialize;

/// A running gridwatch writes its status every two seconds. One that is silent for this long is stuck, or can't write.
const SILENT_MS: u64 = 30_000;
/// A problem of Slack's that passes by itself needs nobody before it has kept entries away for this long.
const PASSING_MS: u64 = 300_000;
/// Those: everything else needs somebody at once.
const PASSING: [&str; 5] = ["rate_limited", "server_failing", "unreachable", "bad_body", "range_wont_finish"];

/// Troubles that the status shows by what they are.
const SHOWN: [&str; 4] = [".poll-failing", ".access-lost", ".sink-behind", ".lists-stale"];

/// Who holds the lock of the state folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    Held,
    Free,
    /// There is none, or it can't be read by whoever asks: the process itself was looked for.
    Unknown {
        is_alive: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    NeverRan,
    Starting,
    Running,
    Draining,
    Stuck,
    /// Ended as it was told to.
    Stopped,
    /// Ended by itself, and said why.
    Failed,
    /// Is gone without a word.
    Died,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::NeverRan => "never ran",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Draining => "draining",
            Self::Stuck => "stuck",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Died => "died",
        }
    }
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    pub state: State,
    /// Nobody is needed.
    pub healthy: bool,
    /// Why somebody is, in whole sentences without a full stop.
    pub needs: Vec<String>,
}

impl Health {
    pub fn of(status: Option<&Status>, lock: Lock, now: UnixMillis) -> Self {
        let (state, why) = state(status, lock, now);
        let mut needs: Vec<String> = why.into_iter().collect();
        let is_there = matches!(state, State::Starting | State::Running | State::Draining | State::Stuck);
        if let Some(status) = status.filter(|status| is_there && status.phase != Phase::Ended) {
            needs.extend(wants(status, now));
        }
        Self { state, healthy: needs.is_empty(), needs }
    }
}

fn state(status: Option<&Status>, lock: Lock, now: UnixMillis) -> (State, Option<String>) {
    let is_there = match lock {
        Lock::Held => true,
        Lock::Free => false,
        Lock::Unknown { is_alive } => is_alive,
    };
    let Some(status) = status else {
        return match is_there {
            true => (State::Starting, None),
            false => (State::NeverRan, Some("gridwatch has not run on this state folder".to_owned())),
        };
    };
    let at = status.written;
    match (is_there, status.phase) {
        // The one before it has ended, and the new one hasn't written its first word yet.
        (true, Phase::Ended) => (State::Starting, None),
        (true, _) if now.since(at) > SILENT_MS => {
            let why = format!("it has written no status for {}", span(now.since(at) / 1000));
            (State::Stuck, Some(why))
        }
        (true, phase) => match stuck(status, now) {
            Some(why) => (State::Stuck, Some(why)),
            None if phase == Phase::Starting => (State::Starting, None),
            None if phase == Phase::Draining => (State::Draining, None),
            None => (State::Running, None),
        },
        (false, Phase::Ended) => match &status.end {
            Some(end) if end.how == HowEnded::Failed => {
                (State::Failed, Some(format!("it ended at {}: {}", end.at, end.why)))
            }
            // Whoever runs it from time to time runs it again.
            Some(end) if end.how == HowEnded::Done => (State::Stopped, None),
            Some(end) => (State::Stopped, Some(format!("it is not running; it ended at {} ({})", end.at, end.why))),
            None => (State::Stopped, Some(format!("it is not running; it ended at {at}"))),
        },
        (false, _) => {
            let why =
                format!("it is gone since about {at} without a word: killed, out of memory, or crashed; see its log");
            (State::Died, Some(why))
        }
    }
}

/// A stage that should have been heard of by now: it makes no progress that it could make, or it would have said that it waits.
pub fn stuck(status: &Status, now: UnixMillis) -> Option<String> {
    let late = status.stages.iter().filter(|(_, stage)| now > stage.due);
    let (name, stage) = late.min_by_key(|(_, stage)| stage.heard)?;
    let silent = span(now.since(stage.heard) / 1000);
    Some(format!("stage `{name}` is stuck: {} for {silent}", stage.doing))
}

/// What a person has to see to while it runs.
fn wants(status: &Status, now: UnixMillis) -> Vec<String> {
    let mut wants = Vec::new();
    for (org, of_org) in &status.orgs {
        let whose = org.name().map(|name| format!("organization `{name}`: ")).unwrap_or_default();
        wants.extend(org_wants(of_org, status.started, now).into_iter().map(|want| format!("{whose}{want}")));
    }
    for (name, sink) in &status.sinks {
        if let Some(error) = &sink.error {
            wants.push(format!("sink `{name}` fails: {error}"));
        }
    }
    if let Some(broken) = &status.reload.broken {
        wants.push(format!("the configuration has errors: {}", broken.lines().next().unwrap_or_default()));
    }
    if let Some(error) = status.ping.as_ref().and_then(|ping| ping.error.as_ref()) {
        wants.push(format!("the dead-man service isn't told: {error}"));
    }
    for trouble in status.troubles.iter().filter(|trouble| !SHOWN.iter().any(|shown| trouble.rule.ends_with(shown))) {
        wants.push(format!("since {}: {}", trouble.since, trouble.title));
    }
    if !status.modules_waiting.is_empty() {
        wants.push(format!("the modules folder holds what does not serve: {}", status.modules_waiting.join(", ")));
    }
    wants
}

fn org_wants(org: &OrgStatus, started: UnixMillis, now: UnixMillis) -> Vec<String> {
    let poll = &org.poll;
    let mut wants = Vec::new();
    if let Some(paused) = &poll.paused {
        wants.push(format!("polling is paused: {paused}"));
    }
    let without_s = now.since(poll.last_success.unwrap_or(started)) / 1000;
    for (label, advice) in &poll.problems {
        let passes = PASSING.contains(&label.as_str());
        // Told already, as the reason of the pause.
        let is_reported = poll.paused.as_ref().is_some_and(|paused| paused.starts_with(label.as_str()));
        if !is_reported && (!passes || without_s * 1000 > PASSING_MS) {
            wants.push(format!("{label} (no page for {}): {advice}", span(without_s)));
        }
    }
    for module in &org.modules {
        if let Some(aside) = &module.set_aside {
            let why = aside.why.text();
            wants.push(format!("module `{}` is set aside since {} and watches nothing: {why}", module.name, aside.at));
        }
    }
    if let Some(broken) = &org.exceptions.broken {
        wants.push(format!("the exceptions file has errors: {}", broken.lines().next().unwrap_or_default()));
    }
    wants
}

/// `4 minutes`, `2 h 5 min`, `3 days`
pub fn span(seconds: u64) -> String {
    let plural = |n: u64, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
    match seconds {
        0..120 => plural(seconds, "second"),
        120..7_200 => plural(seconds / 60, "minute"),
        7_200..172_800 => match seconds % 3_600 / 60 {
            0 => format!("{} h", seconds / 3_600),
            minutes => format!("{} h {minutes} min", seconds / 3_600),
        },
        _ => plural(seconds / 86_400, "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::status::{End, SinkStatus, Stage};
    use gridwatch_event::org::OrgId;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn ago(seconds: u64) -> UnixMillis {
        UnixMillis(NOW.0 - seconds * 1000)
    }

    fn status(phase: Phase) -> Status {
        let mut status = Status { phase, written: ago(1), started: ago(86_400), ..Status::default() };
        only(&mut status).poll.last_success = Some(ago(10));
        let stage =
            Stage { heard: ago(1), due: UnixMillis(NOW.0 + 60_000), doing: "waiting for Slack's answer".into() };
        status.stages.insert("poll".into(), stage);
        status
    }

    fn only(status: &mut Status) -> &mut OrgStatus {
        status.org_mut(&OrgId::default())
    }

    #[test]
    fn whose_trouble_it_is_is_told_where_there_are_several() {
        let mut status = Status { phase: Phase::Running, written: ago(1), started: ago(86_400), ..Status::default() };
        for (name, paused) in [("acme", None), ("globex", Some("token_rejected: no".to_owned()))] {
            let poll = &mut status.org_mut(&OrgId::named(name).unwrap()).poll;
            (poll.paused, poll.last_success) = (paused, Some(ago(10)));
        }
        let health = Health::of(Some(&status), Lock::Held, NOW);
        assert_eq!(health.needs, ["organization `globex`: polling is paused: token_rejected: no"]);
    }

    fn state_of(status: Option<&Status>, lock: Lock) -> State {
        Health::of(status, lock, NOW).state
    }

    #[test]
    fn the_lock_says_who_is_there_and_the_file_what_it_does() {
        let (alive, gone) = (Lock::Unknown { is_alive: true }, Lock::Unknown { is_alive: false });
        let ended = |how| Status { end: Some(End { at: ago(60), why: "SIGTERM".into(), how }), ..status(Phase::Ended) };
        for (status, lock, expected) in [
            (None, Lock::Free, State::NeverRan),
            (None, gone, State::NeverRan),
            (None, Lock::Held, State::Starting),
            (Some(status(Phase::Starting)), Lock::Held, State::Starting),
            (Some(status(Phase::Running)), Lock::Held, State::Running),
            (Some(status(Phase::Running)), alive, State::Running),
            (Some(status(Phase::Draining)), Lock::Held, State::Draining),
            (Some(status(Phase::Running)), Lock::Free, State::Died),
            (Some(status(Phase::Starting)), Lock::Free, State::Died),
            (Some(status(Phase::Running)), gone, State::Died),
            (Some(ended(HowEnded::Signalled)), Lock::Free, State::Stopped),
            (Some(ended(HowEnded::Failed)), Lock::Free, State::Failed),
            (Some(ended(HowEnded::Failed)), Lock::Held, State::Starting),
        ] {
            let health = Health::of(status.as_ref(), lock, NOW);
            assert_eq!(health.state, expected, "{lock:?}");
            let fine = matches!(expected, State::Starting | State::Running | State::Draining);
            assert_eq!((health.healthy, health.needs.is_empty()), (fine, fine), "{health:?}");
        }
        let done = Health::of(Some(&ended(HowEnded::Done)), Lock::Free, NOW);
        assert_eq!((done.state, done.healthy), (State::Stopped, true), "`run --once` did what it was asked for");
    }

    #[test]
    fn silence_of_the_file_or_of_one_stage_is_being_stuck() {
        let silent = Status { written: ago(31), ..status(Phase::Running) };
        assert_eq!(state_of(Some(&silent), Lock::Held), State::Stuck);
        let mut one = status(Phase::Running);
        one.stages
            .insert("detect".into(), Stage { heard: ago(400), due: ago(100), doing: "running the modules".into() });
        let health = Health::of(Some(&one), Lock::Held, NOW);
        assert_eq!((health.state, health.healthy), (State::Stuck, false));
        assert!(health.needs[0].contains("`detect`") && health.needs[0].contains("6 minutes"), "{health:?}");
    }

    #[test]
    fn what_passes_by_itself_needs_somebody_only_once_it_has_lasted() {
        let with = |label: &str, last_success: u64| {
            let mut status = status(Phase::Running);
            let poll = &mut only(&mut status).poll;
            poll.problems = vec![(label.into(), "what to do".into())];
            poll.last_success = Some(ago(last_success));
            Health::of(Some(&status), Lock::Held, NOW).healthy
        };
        assert!(with("rate_limited", 10) && with("unreachable", 299));
        assert!(!with("unreachable", 301) && !with("token_rejected", 10));
    }

    #[test]
    fn a_pause_and_a_sink_that_fails_need_somebody() {
        let mut paused = status(Phase::Running);
        only(&mut paused).poll.paused = Some("disk: 1 byte free".into());
        let mut failing = status(Phase::Running);
        failing.sinks.insert("siem".into(), SinkStatus { error: Some("no space".into()), ..SinkStatus::default() });
        for (status, what) in [(paused, "disk"), (failing, "`siem`")] {
            let health = Health::of(Some(&status), Lock::Held, NOW);
            assert!(!health.healthy && health.needs[0].contains(what), "{health:?}");
        }
    }
}
