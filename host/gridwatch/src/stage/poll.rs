//! The poll stage: asks the machine, does it, saves what came of it. All thinking is in `gridwatch_poll`.

use super::forgotten;
use super::reminder::Reminders;
use super::room;
use crate::context::{Happening, Shared};
use crate::slack::logs::{Answer, Client};
use crate::slack::public_lists::PublicLists;
use crate::store::checkpoint::Checkpoint;
use crate::store::{Arrival, Arrivals, Sighting};
use crate::telemetry::ledger::LedgerMirror;
use crate::telemetry::status::PATIENCE;
use anyhow::Result;
use gridwatch_event::entry::{Entry, Page};
use gridwatch_event::range::Range;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_poll::{
    Drained, Failed, Failure, Lane, LateHistogram, Machine, Note, Now, Outcome, PageReceived, PageSummary, Request,
    Step, WaitReason,
};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long polling rests when there is no room for what it would fetch.
const PAUSE: Duration = Duration::from_secs(2);
/// How often, while Slack lets nobody in, it is looked whether somebody has replaced a secret.
const LOOK: Duration = Duration::from_secs(2);
/// Entries first seen within this long of their range's end tell how late Slack is; older ones only that we were.
const FRESH_S: u64 = 600;

/// Slack lets nobody in, and a run that ends by itself doesn't wait until somebody has seen to it.
#[derive(Debug, thiserror::Error)]
#[error("polling can't go on ({label})\nhint: {advice}")]
pub struct Halted {
    label: String,
    advice: String,
}

/// How far back somebody wants reading to go: `gridwatch backfill` writes it, the poller looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    pub from: UnixSeconds,
}

impl Wish {
    /// # Errors
    /// The disk refuses.
    pub fn write(self, path: &Path) -> Result<()> {
        crate::disk::replace(path, &serde_json::to_vec(&self)?)?;
        // Whoever asks may be another user than the one that has to read it.
        let folder = std::fs::metadata(path.parent().unwrap_or(path))?;
        if std::fs::metadata(path)?.uid() != folder.uid() {
            std::os::unix::fs::chown(path, Some(folder.uid()), Some(folder.gid()))?;
        }
        Ok(())
    }

    /// `None` if there is none that can be read.
    fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }
}

pub struct Poller {
    machine: Machine,
    late: LateHistogram,
    client: Client,
    shared: Arc<Shared>,
    /// Return when everything up to here, which is what may be read at the start, has been read.
    goal: Option<UnixSeconds>,
    no_room: Option<NoRoom>,
    reminders: Reminders,
    /// When it asked, within the last minute.
    asked: VecDeque<UnixMillis>,
    /// When it was last looked what the archive needn't hold any more.
    pruned: UnixMillis,
    /// So that a long read doesn't write the whole ledger after each range.
    mirrored: UnixMillis,
    /// Something was drained since.
    is_unmirrored: bool,
}

const PRUNE_EVERY_MS: u64 = 60_000;
const MINUTE_MS: u64 = 60_000;
const MIRROR_EVERY_MS: u64 = 5_000;

/// What a lack of room goes by among the reminders.
const NO_ROOM: &str = "no_room";

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
        Self {
            machine,
            late,
            client,
            shared,
            goal,
            no_room: None,
            reminders: Reminders::default(),
            asked: VecDeque::new(),
            pruned: UnixMillis(0),
            mirrored: UnixMillis(0),
            is_unmirrored: false,
        }
    }

    /// For the drift watch, which asks the same server.
    pub fn public_lists(&self) -> PublicLists {
        self.client.public_lists()
    }

    /// Polls until told to stop, or until up to date if that was all that was asked for.
    ///
    /// # Errors
    /// Something could not be saved: the process must end, and a new one goes on from what was. Or nobody is let in ([`Halted`]), where
    /// only being up to date was asked for.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<()> {
        while !*stop.borrow() {
            self.look_for_room()?;
            self.look_for_a_wish();
            self.remind();
            if let Some(why) = &self.no_room {
                self.shared.update(|s| (s.poll.paused, s.poll.waiting) = (Some(why.to_string()), None));
                self.heard("waiting for room", PAUSE);
                sleep(&mut stop, PAUSE).await;
                continue;
            }
            let step = self.machine.next(Now { wall: self.shared.now() });
            let is_idle =
                matches!(&step, Step::Wait { why: WaitReason::UpToDate | WaitReason::WatermarkAhead { .. }, .. });
            if is_idle && self.is_unmirrored {
                self.mirror(true);
            }
            match step {
                Step::Wait { why: WaitReason::UpToDate | WaitReason::WatermarkAhead { .. }, .. } if self.is_there() => {
                    return Ok(());
                }
                Step::Wait { why: WaitReason::Halted { problem }, .. } if self.goal.is_some() => {
                    let (label, advice) = (problem.label().to_owned(), problem.advice().to_owned());
                    return Err(Halted { label, advice }.into());
                }
                Step::Wait { until, why } => {
                    let text = Some(wait_text(&why));
                    self.shared.update(|s| {
                        (s.poll.paused, s.poll.waiting) = match why {
                            WaitReason::Halted { .. } => (text, None),
                            WaitReason::UpToDate => (None, None),
                            _ => (None, text),
                        };
                    });
                    let wait = Duration::from_millis(until.since(self.shared.now()));
                    self.heard("waiting until it is time to ask again", wait);
                    match why {
                        WaitReason::Halted { .. } => self.wait_for_a_secret(&mut stop, wait).await,
                        _ => sleep(&mut stop, wait).await,
                    }
                }
                Step::Fetch(request) => {
                    self.shared.update(|s| (s.poll.paused, s.poll.waiting) = (None, None));
                    self.heard("waiting for Slack's answer", Duration::from_secs(self.shared.config.slack.timeout_s));
                    let asked = self.shared.now();
                    let (shared, late, mut before) = (self.shared.clone(), &mut self.late, PageSummary::default());
                    let mut part = |page: &Page| {
                        let (arrivals, summary) = arrivals(&shared, late, &request, page)?;
                        let save = || shared.store.commit_part(request.lane, &arrivals, shared.now());
                        tokio::task::block_in_place(|| room::save(&shared, "poll", save))?;
                        count(&shared, &arrivals.each);
                        before = summary.with(before);
                        Ok(())
                    };
                    let answer = tokio::select! {
                        answer = self.client.logs(&request, asked.seconds(), &mut part) => answer?,
                        _ = stop.wait_for(|stop| *stop) => return Ok(()),
                    };
                    self.shared.polled.took(Duration::from_millis(self.shared.now().since(asked)));
                    self.note_request(asked, &answer);
                    self.heard("saving a page", Duration::ZERO);
                    self.take(request, answer, before)?;
                }
            }
        }
        Ok(())
    }

    /// Notes how much was asked within a minute when Slack says that it was too much, and how the token does.
    fn note_request(&mut self, at: UnixMillis, answer: &Answer) {
        self.asked.push_back(at);
        while self.asked.front().is_some_and(|first| at.since(*first) > MINUTE_MS || *first > at) {
            self.asked.pop_front();
        }
        let allowed = self.shared.config.slack.requests_per_minute as usize;
        if matches!(answer.result, Err(Failure::RateLimited)) && self.asked.len() * 2 < allowed {
            self.shared.polled.refused_early.inc();
        }
        let token = self.client.token_state();
        self.shared.update(|status| status.poll.token = token);
    }

    /// A sign of life: what is being done, and how long that may rightly take beside the time that any work has.
    fn heard(&self, doing: &str, expected: Duration) {
        self.shared.heard("poll", doing, expected + PATIENCE);
    }

    /// Where reading begins or goes on, in words, and noted in the status.
    pub fn begins(&self) -> String {
        let (state, settings) = (self.machine.state(), self.machine.config().settings());
        let at = state.watermark().unwrap_or(settings.start);
        self.shared.update(|status| {
            status.poll.began_at = Some(at);
            status.poll.settle_s = settings.settle_s;
            status.poll.backfill_to = settings.backfill;
        });
        self.follow(state);
        let back = settings.backfill.map(|to| format!(", and older entries back to {to}")).unwrap_or_default();
        match state.watermark() {
            Some(at) => format!("goes on from {at}{back}"),
            None if state.backfilled_to().is_some() => format!("again, from {at}{back}"),
            None => format!("for the first time, from {at}{back}"),
        }
    }

    /// An account problem may be over as soon as somebody has replaced the token.
    async fn wait_for_a_secret(&mut self, stop: &mut watch::Receiver<bool>, wait: Duration) {
        let mut left = wait;
        while !left.is_zero() && !*stop.borrow() {
            sleep(stop, left.min(LOOK)).await;
            left = left.saturating_sub(LOOK);
            if self.client.has_new_secret() {
                return self.machine.try_now();
            }
        }
    }

    /// Says again what has been said, if it lasts.
    fn remind(&mut self) {
        let names = self.machine.state().problems().map(|(_, problem)| problem.label().to_owned());
        let names = names.chain(self.no_room.iter().map(|_| NO_ROOM.to_owned())).collect::<Vec<_>>();
        for (name, lasts) in self.reminders.due(self.shared.now(), names) {
            match (&self.no_room, self.machine.state().problems().find(|(_, problem)| problem.label() == name)) {
                (_, Some((_, problem))) => {
                    tracing::error!(problem = name, lasts, advice = problem.advice(), "polling still has a problem");
                }
                (Some(why), None) => tracing::error!(%why, lasts, "polling is still paused"),
                (None, None) => {}
            }
        }
    }

    fn is_there(&self) -> bool {
        self.goal.is_some_and(|goal| self.machine.state().watermark() >= Some(goal))
    }

    /// Reads further back, if somebody wants it.
    fn look_for_a_wish(&mut self) {
        // Where reading begins isn't known before the first range is drained.
        if self.machine.state().origin().is_none() {
            return;
        }
        let Some(wish) = Wish::read(&self.shared.paths().backfill) else { return };
        if self.machine.config().settings().backfill.is_some_and(|known| known <= wish.from) {
            return;
        }
        match self.machine.reach_back(wish.from) {
            Ok(()) => tracing::info!(from = %wish.from, "older entries are wanted and will be read"),
            Err(error) => {
                tracing::warn!(%error, "what `gridwatch backfill` asks for can't be read");
                // Said once.
                let _ = std::fs::remove_file(&self.shared.paths().backfill);
            }
        }
        let to = self.machine.config().settings().backfill;
        self.shared.update(|status| status.poll.backfill_to = to);
    }

    /// Notes whether there is room for another page, and tells when that changes.
    fn look_for_room(&mut self) -> Result<()> {
        let (store, waiting) = (&self.shared.config.store, self.shared.process.store.backlog_bytes());
        let (min_free, max) = (store.min_free_bytes, store.outbox_max_bytes);
        let free_of_state = crate::disk::free_bytes(&self.shared.config.state_dir)?;
        let free = free_of_state.min(crate::disk::free_bytes(self.shared.store.archive_folder())?);
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

    /// What came of a request. Some of a large page may have come before.
    fn take(&mut self, request: Request, answer: Answer, before: PageSummary) -> Result<()> {
        match answer.result {
            Ok(page) => self.page(request, answer.date, &page, before),
            Err(failure) => {
                tracing::debug!(?request, ?failure, "request failed");
                let lane = request.lane;
                let (server_date, retry_after_s) = (answer.date, answer.retry_after_s);
                let failed = Failed { request, at: self.shared.now(), server_date, retry_after_s, failure };
                let commit = self.machine.apply(Outcome::Failed(failed));
                self.shared.store.commit_page(lane, &Arrivals::default(), self.shared.now(), &commit, &self.late)?;
                self.log_notes(&commit.notes);
                self.follow(&commit.state);
                Ok(())
            }
        }
    }

    fn page(
        &mut self,
        request: Request,
        server_date: Option<UnixSeconds>,
        page: &Page,
        before: PageSummary,
    ) -> Result<()> {
        let (now, lane) = (self.shared.now(), request.lane);
        let (arrivals, summary) = arrivals(&self.shared, &mut self.late, &request, page)?;
        let summary = summary.with(before);
        let received = PageReceived {
            request,
            received_at: now,
            server_date,
            page: summary,
            next_cursor: page.next_cursor.clone(),
        };
        let commit = self.machine.apply(Outcome::Page(received));
        let save = || self.shared.store.commit_page(lane, &arrivals, now, &commit, &self.late);
        tokio::task::block_in_place(|| room::save(&self.shared, "poll", save))?;
        self.log_notes(&commit.notes);
        count(&self.shared, &arrivals.each);
        self.shared.polled.pages.inc();
        self.shared.update(|status| status.poll.last_success = Some(now));
        self.follow(&commit.state);
        forgotten::look(&self.shared.process)?;
        (self.shared.process.observe)(&Happening::Page { entries: summary.entries as usize, lane });
        if let Some(drained) = commit.drained {
            let range = drained.range.map_or("nothing yet: too young".to_owned(), |range| range.to_string());
            tracing::info!(lane = %drained.lane, range, entries = drained.entries, new = drained.new_entries,
                pages = drained.pages, "range drained");
            if drained.is_sample {
                self.sampled(&drained);
            }
            self.drained(commit.state.watermark())?;
        }
        Ok(())
    }

    /// Shows how far the machine is.
    fn follow(&self, state: &gridwatch_poll::PollState) {
        self.shared.polled.set_watermark(state.watermark());
        self.shared.polled.requests_per_minute.set(state.budget().rate_mpm() as f64 / 1000.0);
        self.shared.update(|status| status.poll.follow(state, &self.late));
    }

    /// Old time was looked at again.
    fn sampled(&self, drained: &Drained) {
        if drained.new_entries > 0 {
            tracing::warn!(range = ?drained.range, entries = drained.new_entries,
                "entries came later than the last re-read; they were found by looking at old time again");
        }
        self.shared.polled.sampled.inc();
        self.shared.polled.sampled_late.inc_by(drained.new_entries);
    }

    fn drained(&mut self, watermark: Option<UnixSeconds>) -> Result<()> {
        self.shared.detect.ring();
        if let Some(watermark) = watermark {
            let (store, state) = (&self.shared.store, self.machine.state());
            let open: Vec<Range> = Lane::ALL.iter().filter_map(|lane| Some(state.open_range(*lane)?.range)).collect();
            // By the earlier of the two: neither a clock of ours that is ahead nor Slack's makes anything come again.
            let present = watermark.min(self.shared.now().seconds());
            let horizon = present.minus(self.shared.config.store.dedup_s);
            store.forget_unseen_since(horizon, &open)?;
            if self.shared.now().since(self.pruned) >= PRUNE_EVERY_MS {
                self.pruned = self.shared.now();
                store.prune(self.pruned)?;
            }
            let checkpoint = Checkpoint {
                watermark,
                next_seq: store.next_seq(),
                next_record: self.shared.process.store.next_record(),
            };
            checkpoint.write(&self.shared.paths().checkpoint)?;
            self.mirror(false);
            self.machine.forgot_ids_before(horizon);
        }
        Ok(())
    }

    /// Mirrors the ledger, not more often than somebody looks.
    fn mirror(&mut self, anyway: bool) {
        let now = self.shared.now();
        self.is_unmirrored = true;
        if anyway || self.mirrored > now || now.since(self.mirrored) >= MIRROR_EVERY_MS {
            (self.mirrored, self.is_unmirrored) = (now, false);
            LedgerMirror::of(&self.machine, now).write(&self.shared.paths().ledger);
        }
    }

    fn log_notes(&self, notes: &[Note]) {
        for note in notes {
            match note {
                Note::Problem { lane, problem } => {
                    let lane = lane.map_or("all", Lane::label);
                    tracing::error!(lane, problem = problem.label(), advice = problem.advice(), "{problem}");
                    (self.shared.process.observe)(&Happening::Problem {
                        label: problem.label(),
                        advice: problem.advice(),
                    });
                }
                Note::RetryAfterCapped { .. } | Note::Missing { .. } | Note::DateRefuted { .. } => {
                    tracing::warn!("{note}")
                }
                Note::Believed { .. } => tracing::error!("{note}"),
                Note::Recovered { lane, problem } => {
                    let lane = lane.map_or("all", Lane::label);
                    tracing::info!(lane, problem = problem.label(), "polling has recovered");
                }
                Note::Opened { lane, range, .. } => tracing::debug!(%lane, %range, "range opened"),
                other => tracing::warn!("{other}"),
            }
        }
    }
}

/// Which of the entries are new, and what the machine has to know of them.
fn arrivals<'p>(
    shared: &Shared,
    late: &mut LateHistogram,
    request: &Request,
    page: &'p Page,
) -> Result<(Arrivals<'p>, PageSummary)> {
    let (now, lane, range) = (shared.now(), request.lane, request.range);
    // What lies between the newest range and now is read next; it is no misdated entry that a server shows it early.
    let newest_until = if lane == Lane::Live { now.seconds() } else { range.latest() };
    let arrivals = shared.store.arrivals(&page.entries, now, |entry: &Entry| entry.counts_as(range, newest_until))?;
    let time = |a: &Arrival<'_>| a.counts_as.or(a.entry.time).unwrap_or(range.latest());
    let seen = arrivals.each.iter();
    let mut summary = PageSummary::of(range, seen.clone().map(|a| (time(a), a.sighting.is_delivered())));
    summary.newest_inside = page.entries.iter().filter_map(|e| e.time.filter(|time| range.contains(*time))).max();
    let fresh = lane == Lane::Reread || now.seconds().minus(FRESH_S) <= range.latest();
    for arrival in seen.filter(|a| fresh && a.sighting == Sighting::New) {
        late.record(now.seconds(), time(arrival));
    }
    Ok((arrivals, summary))
}

fn count(shared: &Shared, arrivals: &[Arrival<'_>]) {
    let count = |is: &dyn Fn(Sighting) -> bool| arrivals.iter().filter(|a| is(a.sighting)).count() as u64;
    let delivered = count(&Sighting::is_delivered);
    let relearned = count(&|s| s == Sighting::Relearned);
    let (adopted, dropped) = (count(&|s| s == Sighting::Adopted), count(&|s| s == Sighting::TooMany));
    if adopted > 0 {
        tracing::info!(
            entries = adopted,
            "entries that an older gridwatch delivered look different now; taken for the same"
        );
    }
    for arrival in arrivals.iter().filter(|a| a.sighting == Sighting::TooMany) {
        tracing::warn!(id = arrival.entry.id(), "an entry has too many versions; this one is not delivered");
    }
    let polled = &shared.polled;
    polled.entries.inc_by(arrivals.len() as u64);
    polled.stored.inc_by(delivered);
    polled.duplicates.inc_by(arrivals.len() as u64 - delivered - dropped);
    polled.changed.inc_by(count(&|s| matches!(s, Sighting::Version { .. })));
    polled.respelled.inc_by(count(&|s| s == Sighting::Respelled));
    polled.adopted.inc_by(adopted);
    polled.dropped_versions.inc_by(dropped);
    shared.process.board.update(|status| status.state.relearned += relearned);
    shared.note_backlog();
}

fn wait_text(why: &WaitReason) -> String {
    match why {
        WaitReason::UpToDate => "up to date".into(),
        WaitReason::Budget => "own request budget".into(),
        WaitReason::RateLimited => "Slack's rate limit".into(),
        WaitReason::Asked { problem } => format!("as long as the answer asked for ({})", problem.label()),
        WaitReason::WatermarkAhead { by_s } => format!(
            "the watermark is {by_s} s ahead of Slack's clock (a clock was wrong); what happens meanwhile is read all the same"
        ),
        WaitReason::Retry { lane } => format!("after a failure in the {lane} lane"),
        WaitReason::Halted { problem } => format!("{}: {}", problem.label(), problem.advice()),
    }
}

/// Sleeps, but not through a request to stop.
async fn sleep(stop: &mut watch::Receiver<bool>, time: Duration) {
    let _ = tokio::time::timeout(time, stop.wait_for(|stop| *stop)).await;
}
