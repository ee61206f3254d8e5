//! The poll stage: asks the machine, does it, saves what came of it. All thinking is in `gridwatch_core::poll`.

use crate::checkpoint::Checkpoint;
use crate::clock;
use crate::run::{Happening, Shared};
use crate::slack::{Answer, Client, PublicLists};
use crate::status::PATIENCE;
use crate::store::Sighting;
use anyhow::{Result, bail};
use gridwatch_core::entry::{Entry, Page};
use gridwatch_core::poll::{
    Failed, Lane, LateHistogram, Machine, Note, Now, Outcome, PageReceived, PageSummary, Request, Step, WaitReason,
    Window,
};
use gridwatch_core::time::{UnixMillis, UnixSeconds};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long polling rests when there is no room for what it would fetch.
const PAUSE: Duration = Duration::from_secs(2);
/// Entries first seen within this long of their window's end tell how late Slack is; older ones only that we were.
const FRESH_S: u64 = 600;

pub struct Poller {
    machine: Machine,
    late: LateHistogram,
    client: Client,
    shared: Arc<Shared>,
    /// Return when everything up to here, which is what may be read at the start, has been read.
    goal: Option<UnixSeconds>,
    no_room: Option<NoRoom>,
}

/// Why nothing may be fetched: there is a limit to what can be kept, and what is fetched must be kept.
enum NoRoom {
    Disk { free: u64, min_free: u64 },
    Backlog { waiting: u64, max: u64 },
}

impl std::fmt::Display for NoRoom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Disk { free, min_free } => {
                write!(f, "disk: {free} bytes free, less than store.min_free ({min_free})")
            }
            Self::Backlog { waiting, max } => {
                write!(
                    f,
                    "backlog: {waiting} bytes wait, more than store.outbox_max ({max}); a sink or a module is behind"
                )
            }
        }
    }
}

impl Poller {
    pub fn new(
        machine: Machine,
        late: LateHistogram,
        client: Client,
        shared: Arc<Shared>,
        goal: Option<UnixSeconds>,
    ) -> Self {
        Self { machine, late, client, shared, goal, no_room: None }
    }

    /// For the drift watch, which asks the same server.
    pub fn public_lists(&self) -> PublicLists {
        self.client.public_lists()
    }

    /// Polls until told to stop, or until up to date if that was all that was asked for. An error means that something
    /// could not be saved: the process must end, and a new one goes on from what was.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<()> {
        while !*stop.borrow() {
            self.look_for_room()?;
            if let Some(why) = &self.no_room {
                self.shared.board.update(|s| (s.poll.paused, s.poll.waiting) = (Some(why.to_string()), None));
                self.heard("waiting for room", PAUSE);
                sleep(&mut stop, PAUSE).await;
                continue;
            }
            match self.machine.next(Now { wall: clock::now() }) {
                Step::Wait { why: WaitReason::UpToDate, .. } if self.is_there() => return Ok(()),
                Step::Wait { why: WaitReason::Halted { problem }, .. } if self.goal.is_some() => {
                    bail!("polling can't go on ({})\nhint: {}", problem.label(), problem.advice());
                }
                Step::Wait { until, why } => {
                    let text = Some(wait_text(&why));
                    self.shared.board.update(|s| {
                        (s.poll.paused, s.poll.waiting) = match why {
                            WaitReason::Halted { .. } => (text, None),
                            WaitReason::UpToDate => (None, None),
                            _ => (None, text),
                        };
                    });
                    let wait = Duration::from_millis(until.since(clock::now()));
                    self.heard("waiting until it is time to ask again", wait);
                    sleep(&mut stop, wait).await;
                }
                Step::Fetch(request) => {
                    self.shared.board.update(|s| (s.poll.paused, s.poll.waiting) = (None, None));
                    self.heard("waiting for Slack's answer", Duration::from_secs(self.shared.config.slack.timeout_s));
                    let answer = tokio::select! {
                        answer = self.client.logs(&request, clock::now().seconds()) => answer?,
                        _ = stop.wait_for(|stop| *stop) => return Ok(()),
                    };
                    self.heard("saving a page", Duration::ZERO);
                    self.take(request, answer)?;
                }
            }
        }
        Ok(())
    }

    /// A sign of life: what is being done, and how long that may rightly take beside the time that any work has.
    fn heard(&self, doing: &str, expected: Duration) {
        self.shared.board.heard("poll", doing, expected + PATIENCE, clock::now());
    }

    /// Where reading begins or goes on, in words, and noted in the status.
    pub fn begins(&self) -> String {
        let (state, settings) = (self.machine.state(), self.machine.config().settings());
        let at = state.watermark().unwrap_or(settings.start);
        self.shared.board.update(|status| {
            status.poll.began_at = Some(at);
            status.poll.settle_s = settings.settle_s;
            status.poll.backfill_to = settings.backfill;
            status.poll.follow(state, &self.late);
        });
        let back = settings.backfill.map(|to| format!(", and older entries back to {to}")).unwrap_or_default();
        match state.watermark() {
            Some(at) => format!("goes on from {at}{back}"),
            None => format!("for the first time, from {at}{back}"),
        }
    }

    fn is_there(&self) -> bool {
        self.goal.is_some_and(|goal| self.machine.state().watermark() >= Some(goal))
    }

    /// Notes whether there is room for another page, and tells when that changes.
    fn look_for_room(&mut self) -> Result<()> {
        let (store, waiting) = (&self.shared.config.store, self.shared.store.backlog_bytes());
        let (min_free, max) = (store.min_free_bytes, store.outbox_max_bytes);
        let free = crate::disk::free_bytes(&self.shared.config.state_dir)?;
        let no_room = if free < min_free {
            Some(NoRoom::Disk { free, min_free })
        } else if waiting > max {
            Some(NoRoom::Backlog { waiting, max })
        } else {
            None
        };
        match (&self.no_room, &no_room) {
            (None, Some(why)) => tracing::error!(%why, "polling paused"),
            (Some(_), None) => tracing::info!("there is room again; polling goes on"),
            _ => {}
        }
        self.no_room = no_room;
        Ok(())
    }

    fn take(&mut self, request: Request, answer: Answer) -> Result<()> {
        match answer.result {
            Ok(page) => self.page(request, answer.date, &page),
            Err(failure) => {
                tracing::debug!(?request, ?failure, "request failed");
                let lane = request.lane;
                let failed = Failed { request, at: clock::now(), server_date: answer.date, failure };
                let commit = self.machine.apply(Outcome::Failed(failed));
                self.shared.store.commit_page(lane, &[], clock::now(), &commit, &self.late)?;
                self.told(&commit.notes);
                self.shared.board.update(|s| s.poll.follow(&commit.state, &self.late));
                Ok(())
            }
        }
    }

    fn page(&mut self, request: Request, server_date: Option<UnixSeconds>, page: &Page) -> Result<()> {
        let (now, lane, window) = (clock::now(), request.lane, request.window);
        let sightings = self.shared.store.sightings(&page.entries)?;
        let time = |entry: &Entry| entry.time.unwrap_or(window.latest());
        let seen = page.entries.iter().zip(&sightings);
        let summary = PageSummary::of(window, seen.clone().map(|(e, s)| (time(e), *s != Sighting::Again)));
        let fresh = lane == Lane::Reread || now.seconds().minus(FRESH_S) <= window.latest();
        for (entry, _) in seen.clone().filter(|(_, s)| fresh && **s == Sighting::New) {
            self.late.record(now.seconds(), time(entry));
        }
        let received = PageReceived {
            request,
            received_at: now,
            server_date,
            page: summary,
            next_cursor: page.next_cursor.clone(),
        };
        let commit = self.machine.apply(Outcome::Page(received));
        let entries: Vec<(&Entry, Sighting)> = seen.map(|(entry, sighting)| (entry, *sighting)).collect();
        self.shared.store.commit_page(lane, &entries, now, &commit, &self.late)?;
        self.told(&commit.notes);
        self.count(&sightings, now, &commit.state);
        (self.shared.observe)(&Happening::Page { entries: page.entries.len(), lane });
        if let Some(drained) = commit.drained {
            let window = drained.window.map_or("nothing yet: too young".to_owned(), |window| window.to_string());
            tracing::info!(lane = %drained.lane, window, entries = drained.entries, new = drained.new_entries,
                pages = drained.pages, "window drained");
            self.drained(commit.state.watermark())?;
        }
        Ok(())
    }

    fn count(&self, sightings: &[Sighting], now: UnixMillis, state: &gridwatch_core::poll::PollState) {
        let count = |what| sightings.iter().filter(|s| **s == what).count() as u64;
        self.shared.board.update(|status| {
            let poll = &mut status.poll;
            poll.last_success = Some(now);
            poll.pages += 1;
            poll.entries += sightings.len() as u64;
            poll.stored += count(Sighting::New) + count(Sighting::Changed);
            poll.duplicates += count(Sighting::Again);
            poll.changed += count(Sighting::Changed);
            poll.follow(state, &self.late);
            status.backlog = self.shared.store.backlog();
        });
    }

    fn drained(&self, watermark: Option<UnixSeconds>) -> Result<()> {
        self.shared.bells.detect.ring();
        if let Some(watermark) = watermark {
            let (store, state) = (&self.shared.store, self.machine.state());
            let open: Vec<Window> =
                Lane::ALL.iter().filter_map(|lane| Some(state.open_window(*lane)?.window)).collect();
            store.forget_ids_before(watermark.minus(self.shared.config.store.dedup_s), &open)?;
            let checkpoint = Checkpoint { watermark, next_seq: store.next_seq(), next_record: store.next_record() };
            checkpoint.write(&self.shared.paths.checkpoint)?;
        }
        Ok(())
    }

    fn told(&self, notes: &[Note]) {
        for note in notes {
            match note {
                Note::Problem { lane, problem } => {
                    let lane = lane.map_or("all", Lane::label);
                    tracing::error!(lane, problem = problem.label(), advice = problem.advice(), "{problem}");
                    (self.shared.observe)(&Happening::Problem { label: problem.label(), advice: problem.advice() });
                }
                Note::Recovered { lane, problem } => {
                    let lane = lane.map_or("all", Lane::label);
                    tracing::info!(lane, problem = problem.label(), "polling has recovered");
                }
                Note::Opened { lane, window, .. } => tracing::debug!(%lane, %window, "window opened"),
                other => tracing::warn!("{other}"),
            }
        }
    }
}

fn wait_text(why: &WaitReason) -> String {
    match why {
        WaitReason::UpToDate => "up to date".into(),
        WaitReason::Budget => "own request budget".into(),
        WaitReason::RateLimited => "Slack's rate limit".into(),
        WaitReason::Retry { lane } => format!("after a failure in the {lane} lane"),
        WaitReason::Halted { problem } => format!("{}: {}", problem.label(), problem.advice()),
    }
}

/// Sleeps, but not through a request to stop.
async fn sleep(stop: &mut watch::Receiver<bool>, time: Duration) {
    let _ = tokio::time::timeout(time, stop.wait_for(|stop| *stop)).await;
}
