//! The polling machine against a model of Slack that misbehaves, a store that crashes and a clock that steps.
//!
//! `Slack` is what an organization's audit log could do, `Store` what survives a crash, `Run` the shell's loop. Each seed
//! draws a configuration, the traffic and the faults; simulated hours pass in about a millisecond. Invariants are checked
//! at every step; after the faults stop, everything Slack shows must have been stored.
//!
//! `GRIDWATCH_SEEDS=100000` runs more seeds, `GRIDWATCH_SEED=7` replays one and prints its trace.

#![expect(clippy::unwrap_used, reason = "the model's own helpers may panic: that is a failing test")]

use gridwatch_event::range::Range;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_poll::{
    Commit, Failed, Failure, Lane, Ledger, LedgerRange, MAX_RETRY_AFTER_MS, MAX_WAIT_MS, Machine, Now, Outcome,
    PageReceived, PageSummary, PollConfig, PollSettings, PollState, Problem, Request, Step, WaitReason, gaps,
};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

const DEFAULT_SEEDS: u64 = 10_000;
/// Simulations begin here: an ordinary moment, with room for history before it.
const BEGIN_S: u64 = 1_750_000_000;
/// Faults, backlog, a full `Retry-After` and the slow rate after many 429s are over this long after the last fault.
const CAUGHT_UP_AFTER_MS: u64 = 3 * 3600 * 1000;
/// Steps of one seed: far above what any needs, so that a busy loop fails instead of hanging.
const MAX_STEPS: u32 = 60_000;

fn setting(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "the test's two knobs for choosing seeds")]
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is {value:?}, expected a number")))
}

#[test]
fn nothing_slack_shows_is_lost_whatever_happens() {
    if let Some(seed) = setting("GRIDWATCH_SEED") {
        let steps = Run::new(seed, true).play();
        println!("seed {seed}: {steps} requests");
        return;
    }
    let (mut requests, mut failed) = (0u64, Vec::new());
    for seed in 0..setting("GRIDWATCH_SEEDS").unwrap_or(DEFAULT_SEEDS) {
        match catch_unwind(AssertUnwindSafe(|| Run::new(seed, false).play())) {
            Ok(count) => requests += count,
            Err(_) => failed.push(seed),
        }
        if failed.len() >= 5 {
            break;
        }
    }
    println!("{requests} requests");
    let replay = failed.first().map(|seed| {
        format!("GRIDWATCH_SEED={seed} cargo test -p gridwatch-poll --test poll_simulation -- --nocapture")
    });
    assert!(failed.is_empty(), "seeds {failed:?} failed; replay with: {}", replay.unwrap_or_default());
}

/// One entry of the audit log.
#[derive(Debug, Clone, Copy)]
struct Entry {
    date: u64,
    visible_ms: u64,
}

/// Where paging goes on, and what it was minted for.
#[derive(Debug, Clone)]
struct Minted {
    before: u64,
    at_ms: u64,
    range: Range,
    limit: u32,
    is_garbage: bool,
}

/// How this organization's Slack behaves.
#[derive(Debug, Clone)]
struct Habits {
    sends_date: bool,
    /// Slack's `Date` against the clock that writes `date_create`.
    date_skew_s: i64,
    ignores_oldest: bool,
    ignores_latest: bool,
    refuses_future: bool,
    names_errors: bool,
    cursor_lives_ms: u64,
    fills_pages: bool,
    history_floor: u64,
    /// Probability of a fault per request, while faults last.
    faulty: f64,
    quota_per_minute: usize,
    /// No cursor is ever accepted.
    refuses_cursors: bool,
    /// A front end with a wrong clock answers, from one time to another: its `Date` is so far ahead.
    wrong_date: Option<(u64, u64, u64)>,
    /// Probability that a cache begins to answer the live lane with nothing, for up to a minute, while faults last.
    empties: f64,
}

struct Slack {
    /// Ascending by date.
    entries: Vec<Entry>,
    habits: Habits,
    minted: Vec<Minted>,
    served: VecDeque<u64>,
    account_trouble: Option<(u64, Failure)>,
    empty_until_ms: u64,
}

enum Answer {
    Page { entries: Vec<usize>, next_cursor: Option<String> },
    Failure(Failure, Option<u64>),
}

fn refused(failure: Failure) -> Answer {
    Answer::Failure(failure, None)
}

impl Slack {
    fn answer(&mut self, request: &Request, now_ms: u64, faults: bool, rng: &mut SmallRng) -> Answer {
        self.served.retain(|at| at + 60_000 > now_ms);
        self.served.push_back(now_ms);
        if faults && let Some(failure) = self.fault(now_ms, rng) {
            return failure;
        }
        if self.served.len() > self.habits.quota_per_minute {
            return Answer::Failure(Failure::RateLimited, Some(rng.random_range(1..40)));
        }
        let (oldest, latest) = (request.range.oldest().0, request.range.latest().0);
        let too_old = oldest < self.habits.history_floor;
        if too_old || (self.habits.refuses_future && latest > self.date(now_ms).0) {
            return refused(Failure::BadRequest { error: self.code("invalid_range") });
        }
        let before = match &request.cursor {
            None if self.habits.ignores_latest => now_ms / 1000 + 1,
            None => latest + 1,
            Some(cursor) => match self.redeem(cursor, request, now_ms) {
                Some(before) => before,
                None => {
                    return refused(Failure::BadRequest { error: self.code("invalid_cursor") });
                }
            },
        };
        self.page(request, before, now_ms, faults, rng)
    }

    fn code(&self, code: &str) -> Option<String> {
        self.habits.names_errors.then(|| code.to_owned())
    }

    /// Invariant: a cursor comes back only with the bounds and the limit it was minted for.
    fn redeem(&self, cursor: &str, request: &Request, now_ms: u64) -> Option<u64> {
        let minted = &self.minted[cursor.strip_prefix("cursor=").expect("a cursor of ours").parse::<usize>().unwrap()];
        assert_eq!(minted.range, request.range, "cursor sent with other bounds than the range it came from");
        assert_eq!(minted.limit, request.limit, "cursor sent with another limit");
        let expired = now_ms > minted.at_ms + self.habits.cursor_lives_ms;
        (!expired && !minted.is_garbage && !self.habits.refuses_cursors).then_some(minted.before)
    }

    /// Newest first, never cut inside a second, so a page may be larger than the limit.
    fn page(&mut self, request: &Request, before: u64, now_ms: u64, faults: bool, rng: &mut SmallRng) -> Answer {
        let oldest = if self.habits.ignores_oldest { 0 } else { request.range.oldest().0 };
        let limit = if self.habits.fills_pages { request.limit } else { rng.random_range(0..=request.limit) } as usize;
        let mut found = Vec::new();
        let mut reached = before;
        let mut more = false;
        for index in (0..self.entries.partition_point(|entry| entry.date < before)).rev() {
            let entry = self.entries[index];
            if entry.date < oldest {
                break;
            }
            if entry.visible_ms > now_ms {
                continue;
            }
            if found.len() >= limit && (entry.date < reached || found.is_empty()) {
                more = true;
                break;
            }
            reached = entry.date;
            found.push(index);
        }
        // Order inside one second is not documented.
        if rng.random_bool(0.5) {
            let entries = &self.entries;
            found.sort_by_key(|index| (std::cmp::Reverse(entries[*index].date), *index));
        }
        let next_cursor = match more {
            true => Some(self.mint(request, before, reached, now_ms, faults, rng)),
            false if rng.random_bool(0.5) => None,
            false => Some(String::new()),
        };
        Answer::Page { entries: found, next_cursor }
    }

    fn mint(
        &mut self,
        request: &Request,
        before: u64,
        reached: u64,
        now_ms: u64,
        faults: bool,
        rng: &mut SmallRng,
    ) -> String {
        let trick = if faults { rng.random_range(0..150) } else { 999 };
        if trick == 0
            && let Some(same) = &request.cursor
        {
            return same.clone();
        }
        // A loop: back to where the walk began, or to the same place under another name.
        let before = match trick {
            1 => request.range.latest().0 + 1,
            2 => before,
            _ => reached,
        };
        let (range, limit) = (request.range, request.limit);
        self.minted.push(Minted { before, at_ms: now_ms, range, limit, is_garbage: trick == 3 });
        format!("cursor={}", self.minted.len() - 1)
    }

    fn fault(&mut self, now_ms: u64, rng: &mut SmallRng) -> Option<Answer> {
        if let Some((until_ms, failure)) = &self.account_trouble
            && now_ms < *until_ms
        {
            return Some(refused(failure.clone()));
        }
        self.account_trouble = None;
        if !rng.random_bool(self.habits.faulty) {
            return None;
        }
        let asked = [Some(0), Some(1), Some(7), Some(30), Some(90), Some(700), Some(7200), None];
        // Very long ones are rare.
        let most = if rng.random_bool(0.1) { asked.len() } else { 5 };
        let asked_s = asked[rng.random_range(0..most)];
        Some(match rng.random_range(0..100) {
            0..25 => return Some(Answer::Failure(Failure::RateLimited, asked_s)),
            25..30 => return Some(Answer::Failure(Failure::Server { status: 503 }, asked_s)),
            30..45 => Failure::Server { status: [500, 502, 503, 504][rng.random_range(0..4)] },
            45..55 => Failure::Body,
            55..70 => Failure::BadRequest { error: None },
            70..75 => Failure::BadRequest { error: Some("invalid_cursor".into()) },
            75..80 => Failure::NotOk { error: Some(["ratelimited", "fatal_error"][rng.random_range(0..2)].into()) },
            80..95 => [Failure::Network, Failure::TimedOut, Failure::NoSuchHost, Failure::Untrusted]
                [rng.random_range(0..4)]
            .clone(),
            _ => {
                let failure = match rng.random_range(0..7) {
                    4 => Failure::NotThere,
                    5 => Failure::Redirected,
                    6 => Failure::ProxyWantsSignIn,
                    0 => Failure::Unauthorized,
                    1 => Failure::Forbidden { error: None },
                    2 => Failure::Forbidden { error: Some("user_not_authorized".into()) },
                    _ => Failure::NotOk { error: Some("token_expired".into()) },
                };
                self.account_trouble = Some((now_ms + rng.random_range(1000..900_000), failure.clone()));
                failure
            }
        })
        .map(refused)
    }

    /// What the answer says, which may be somebody else's.
    fn header_date(&self, now_ms: u64) -> UnixSeconds {
        let date = self.date(now_ms);
        match self.habits.wrong_date {
            Some((from_ms, to_ms, ahead_s)) if (from_ms..to_ms).contains(&now_ms) => date.plus(ahead_s),
            _ => date,
        }
    }

    fn date(&self, now_ms: u64) -> UnixSeconds {
        UnixSeconds((now_ms / 1000).saturating_add_signed(self.habits.date_skew_s))
    }
}

/// What survives: state, ledger rows and entries change together or not at all.
#[derive(Default)]
struct Store {
    state: Option<PollState>,
    ledger: BTreeMap<UnixSeconds, LedgerRange>,
    has: Vec<bool>,
}

impl Store {
    fn save(&mut self, commit: &Commit, entries: &[usize]) {
        self.state = Some(commit.state.clone());
        commit.ledger.deletes.iter().for_each(|start| {
            self.ledger.remove(start);
        });
        self.ledger.extend(commit.ledger.upserts.iter().map(|row| (row.start, row.clone())));
        entries.iter().for_each(|index| self.has[*index] = true);
    }

    fn watermark(&self) -> Option<UnixSeconds> {
        self.state.as_ref().and_then(PollState::watermark)
    }
}

struct Run {
    rng: SmallRng,
    config: PollConfig,
    slack: Slack,
    store: Store,
    machine: Machine,
    now_ms: u64,
    /// Our clock minus the true time.
    wall_off_ms: i64,
    faults_end_ms: u64,
    end_ms: u64,
    crash: f64,
    steps_clock: bool,
    skew_stays: bool,
    trace: bool,
    requests: u64,
    sent: VecDeque<u64>,
    leaps: VecDeque<u64>,
    /// When the present walk of each range began.
    walks: BTreeMap<u64, u64>,
    /// Ranges whose present walk got nothing where there was something, with no sign of it: only re-reads can tell.
    lied_about: BTreeSet<u64>,
    /// Newest second in which a live walk has shown an entry that it asked for, as far as that survived.
    shown_live: Option<u64>,
    silent_until_ms: u64,
    checked_lag: bool,
}

impl Run {
    fn new(seed: u64, trace: bool) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let begin_ms = BEGIN_S * 1000;
        let config = draw_config(&mut rng);
        let settings = config.settings().clone();
        let faults_end_ms = begin_ms + rng.random_range(0..3 * 3_600_000);
        let horizon_s = settings.reread_after_s.last().copied().unwrap_or(0);
        let end_ms = faults_end_ms + (CAUGHT_UP_AFTER_MS + horizon_s * 1000) + 30 * 60_000;
        let mut habits = draw_habits(&mut rng, &settings);
        let entries = draw_entries(&mut rng, &settings, habits.history_floor, faults_end_ms / 1000 + 3600, horizon_s);
        let steps_clock = habits.sends_date && rng.random_bool(0.5);
        if habits.sends_date && !steps_clock && rng.random_bool(0.3) {
            let from_ms = rng.random_range(begin_ms..=faults_end_ms);
            let to_ms = rng.random_range(from_ms..=faults_end_ms);
            habits.wrong_date = Some((from_ms, to_ms, rng.random_range(60..40_000)));
        }
        let store = Store { has: vec![false; entries.len()], ..Store::default() };
        let (minted, served) = (Vec::new(), VecDeque::new());
        Self {
            machine: Machine::start(config.clone()),
            slack: Slack { entries, habits, minted, served, account_trouble: None, empty_until_ms: 0 },
            wall_off_ms: if steps_clock { rng.random_range(-7_200_000..7_200_000) } else { 0 },
            crash: [0.0, 0.01, 0.1][rng.random_range(0..3)],
            skew_stays: rng.random_bool(0.3),
            requests: 0,
            sent: VecDeque::new(),
            leaps: VecDeque::new(),
            walks: BTreeMap::new(),
            lied_about: BTreeSet::new(),
            shown_live: None,
            silent_until_ms: 0,
            checked_lag: false,
            now_ms: begin_ms,
            rng,
            config,
            store,
            faults_end_ms,
            end_ms,
            steps_clock,
            trace,
        }
    }

    fn has_faults(&self) -> bool {
        self.now_ms < self.faults_end_ms
    }

    fn wall(&self) -> UnixMillis {
        UnixMillis(self.now_ms.saturating_add_signed(self.wall_off_ms))
    }

    fn log(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{} wall {} | {}", UnixMillis(self.now_ms), self.wall(), what());
        }
    }

    fn play(mut self) -> u64 {
        for _ in 0..MAX_STEPS {
            if self.now_ms >= self.end_ms {
                self.check_everything_arrived();
                return self.requests;
            }
            self.check_lag();
            self.step_clock();
            match self.machine.next(Now { wall: self.wall() }) {
                Step::Fetch(request) => self.fetch(request),
                Step::Wait { until, why } => self.wait(until, &why),
            }
        }
        panic!("more than {MAX_STEPS} steps: a busy loop");
    }

    fn step_clock(&mut self) {
        if !self.has_faults() {
            if self.wall_off_ms != 0 && !self.skew_stays {
                self.move_clock(0);
            }
        } else if self.steps_clock && self.rng.random_bool(0.005) {
            let off = self.rng.random_range(-7_200_000..7_200_000);
            self.move_clock(off);
        }
    }

    fn move_clock(&mut self, off_ms: i64) {
        if off_ms > self.wall_off_ms {
            self.leaps.push_back(self.now_ms);
            self.silent_until_ms = 0;
        }
        self.wall_off_ms = off_ms;
        self.log(|| "clock stepped".into());
    }

    fn wait(&mut self, until: UnixMillis, why: &WaitReason) {
        let wait_ms = until.since(self.wall());
        let is_asked = matches!(why, WaitReason::RateLimited | WaitReason::Asked { .. });
        let most_ms = if is_asked { MAX_RETRY_AFTER_MS } else { MAX_WAIT_MS };
        assert!(wait_ms > 0 && wait_ms <= most_ms, "wait of {wait_ms} ms for {why:?}");
        self.log(|| format!("wait {wait_ms} ms, {why:?}"));
        self.now_ms += wait_ms + self.rng.random_range(0..20);
        if self.has_faults() && self.rng.random_bool(self.crash / 20.0) {
            self.restart();
        }
    }

    fn fetch(&mut self, request: Request) {
        self.check_request(&request);
        if request.cursor.is_none() {
            self.walks.insert(request.range_no, self.now_ms);
        }
        let faults = self.has_faults();
        let asked_ms = self.now_ms;
        let answer = self.slack.answer(&request, asked_ms, faults, &mut self.rng);
        let answer = self.emptied(&request, answer);
        let slow = if faults && self.rng.random_bool(0.02) { 60_000 } else { 800 };
        self.now_ms += self.rng.random_range(30..slow);
        // The server did the work, the answer never came; or we never got to read it.
        if faults && self.rng.random_bool(self.crash / 2.0) {
            return self.restart();
        }
        let lost = faults && self.rng.random_bool(0.01);
        let server_date = self.server_date();
        let (outcome, entries) = self.outcome(request, answer, lost, server_date);
        self.log(|| format!("{outcome:?}"));
        self.commit(outcome, &entries);
    }

    /// A cache that answers with nothing. Where the newest entry seen before lies in the range, the poller has to notice at
    /// once; nobody can where all of the range is new, so there it is left to the re-reads.
    fn emptied(&mut self, request: &Request, answer: Answer) -> Answer {
        if self.has_faults() && self.rng.random_bool(self.slack.habits.empties) {
            self.slack.empty_until_ms = self.now_ms + self.rng.random_range(0..60_000);
        }
        let is_first_live = request.lane == Lane::Live && request.cursor.is_none();
        if is_first_live {
            self.lied_about.remove(&request.range_no);
        }
        match answer {
            Answer::Page { entries, .. }
                if is_first_live && self.now_ms < self.slack.empty_until_ms && !entries.is_empty() =>
            {
                let gives_it_away = self.shown_live.is_some_and(|date| request.range.contains(UnixSeconds(date)));
                if !gives_it_away {
                    self.lied_about.insert(request.range_no);
                }
                Answer::Page { entries: Vec::new(), next_cursor: None }
            }
            answer => answer,
        }
    }

    fn outcome(
        &self,
        request: Request,
        answer: Answer,
        lost: bool,
        server_date: Option<UnixSeconds>,
    ) -> (Outcome, Vec<usize>) {
        let at = self.wall();
        let failed = |request, failure: Failure, retry_after_s| {
            let server_date = server_date.filter(|_| failure.is_answer());
            (Outcome::Failed(Failed { request, at, server_date, retry_after_s, failure }), Vec::new())
        };
        match answer {
            _ if lost => failed(request, Failure::Network, None),
            Answer::Failure(failure, retry_after_s) => failed(request, failure, retry_after_s),
            Answer::Page { entries, next_cursor } => {
                let seen =
                    entries.iter().map(|index| (UnixSeconds(self.slack.entries[*index].date), !self.store.has[*index]));
                let page = PageSummary::of(request.range, seen);
                let page = PageReceived { request, received_at: at, server_date, page, next_cursor };
                (Outcome::Page(page), entries)
            }
        }
    }

    /// With a right clock of ours a `Date` may be missing now and then; once one was seen it may also be absurd once.
    fn server_date(&mut self) -> Option<UnixSeconds> {
        let date = self.slack.header_date(self.now_ms);
        let is_settled = self.machine.state().clock().has_date();
        match self.rng.random_range(0..300) {
            _ if !self.slack.habits.sends_date => None,
            0..5 if !self.steps_clock => None,
            5 if self.has_faults() && is_settled => Some(date.plus(self.rng.random_range(3600..30 * 86_400))),
            6 if self.has_faults() => Some(date.minus(self.rng.random_range(0..3000))),
            _ => Some(date),
        }
    }

    fn commit(&mut self, outcome: Outcome, entries: &[usize]) {
        if let Outcome::Failed(Failed { retry_after_s: Some(asked_s), .. }) = &outcome {
            self.silent_until_ms = self.now_ms + (asked_s * 1000).min(MAX_RETRY_AFTER_MS);
        }
        let faults = self.has_faults();
        if faults && self.rng.random_bool(self.crash) {
            // Before the commit reached the disk: the machine's own idea of it is gone.
            drop(self.machine.apply(outcome));
            self.silent_until_ms = 0;
            return self.restart();
        }
        let before = self.store.watermark();
        let shown = match &outcome {
            Outcome::Page(page) if page.request.lane == Lane::Live => page.page.newest_inside,
            _ => None,
        };
        let commit = self.machine.apply(outcome);
        commit.notes.iter().for_each(|note| self.log(|| format!("  {note:?}")));
        self.store.save(&commit, entries);
        self.shown_live = self.shown_live.max(shown.map(|date| date.0));
        self.check_commit(&commit, before);
        if faults && self.rng.random_bool(self.crash) {
            self.restart();
        }
    }

    fn restart(&mut self) {
        self.log(|| "crash".into());
        let down_ms = if self.rng.random_bool(0.1) { 3_600_000 } else { 5000 };
        self.now_ms += self.rng.random_range(0..down_ms);
        self.machine = match self.store.state.clone() {
            None => Machine::start(self.config.clone()),
            Some(state) => {
                let text = serde_json::to_string(&state).unwrap();
                let again: PollState = serde_json::from_str(&text).unwrap();
                assert_eq!(again, state, "state changed on its way through the store");
                let ledger = Ledger::from_rows(self.store.ledger.values().cloned());
                Machine::resume(self.config.clone(), again, ledger).expect("own state is accepted")
            }
        };
    }

    fn check_request(&mut self, request: &Request) {
        self.requests += 1;
        let now_ms = self.now_ms;
        self.log(|| format!("fetch {request:?} {:?}", request.cursor));
        assert!(now_ms >= self.silent_until_ms, "Retry-After was shortened");
        let limits = self.config.budget_limits();
        self.sent.retain(|at| at + 60_000 > now_ms);
        self.leaps.retain(|at| at + 120_000 > now_ms);
        self.sent.push_back(now_ms);
        let bursts = 1 + self.leaps.len() as u64;
        let allowed = limits.requests_per_minute() + limits.burst() * bursts;
        assert!(self.sent.len() as u64 <= allowed, "{} requests in a minute", self.sent.len());
        // Whatever our clock says, once Slack's is known nothing in its future is asked for.
        let begins = request.cursor.is_none() && self.machine.state().clock().has_date();
        let is_wrong = |(_, to_ms, ahead_s): (u64, u64, u64)| now_ms < to_ms + (ahead_s + 600) * 1000;
        if begins && self.slack.habits.sends_date && !self.slack.habits.wrong_date.is_some_and(is_wrong) {
            assert!(request.range.latest() <= self.slack.date(now_ms), "asked for the future: {request:?}");
        }
    }

    fn check_commit(&self, commit: &Commit, before: Option<UnixSeconds>) {
        let after = commit.state.watermark();
        assert!(after >= before, "watermark moved back");
        if after != before {
            let drained = commit.drained.expect("the watermark moved without a drained range");
            let range = drained.range.expect("a drained part");
            assert_eq!((drained.lane, Some(range.latest())), (Lane::Live, after));
            assert!(before.is_none_or(|before| range.oldest() <= before.plus(1)), "watermark passed undrained time");
            // Where a `Date` may be missing only our own clock, then a right one, can say what has settled.
            let date = self.slack.date(self.now_ms);
            let now = if self.steps_clock { date } else { date.max(self.wall().seconds()) };
            let settled = now.minus(self.config.settings().settle_s);
            assert!(range.latest() <= settled, "watermark {} is past settled time {settled}", range.latest());
        }
        let Some(drained) = commit.drained else { return };
        if let Some(range) = drained.range {
            self.check_drained(drained.range_no, range);
        }
        if let (Some(origin), Some(watermark)) = (commit.state.origin(), after) {
            let live = Range::new(origin, watermark).unwrap();
            assert_eq!(gaps(self.machine.ledger(), live), [], "ledger has gaps behind the watermark");
        }
        if drained.range_no % 16 == 0 {
            let state = serde_json::to_string(&commit.state).unwrap();
            assert!(state.len() < 4096, "state is {} bytes", state.len());
        }
    }

    /// What was visible when the walk began is stored when the range counts as drained. Where that walk was lied to, it has
    /// to be there in the end: see `check_lag` and `check_everything_arrived`.
    fn check_drained(&self, range_no: u64, range: Range) {
        if self.lied_about.contains(&range_no) {
            return;
        }
        let began_ms = self.walks[&range_no];
        let entries = &self.slack.entries;
        let first = entries.partition_point(|entry| entry.date < range.oldest().0);
        for (index, entry) in entries.iter().enumerate().skip(first) {
            if entry.date > range.latest().0 {
                break;
            }
            let stored = self.store.has[index] || entry.visible_ms > began_ms;
            assert!(stored, "entry {index} {entry:?} of drained range #{range_no} {range} is missing");
        }
    }

    fn check_lag(&mut self) {
        if self.checked_lag || self.now_ms < self.faults_end_ms + CAUGHT_UP_AFTER_MS {
            return;
        }
        self.checked_lag = true;
        let settings = self.config.settings();
        let watermark = self.store.watermark().expect("something was drained");
        let lag_s = (self.now_ms / 1000).saturating_sub(watermark.0);
        // Where our clock stays slow and no entry proves it, the watermark is as late as the clock; the entries aren't.
        let slow_s = u64::try_from(-self.wall_off_ms / 1000).unwrap_or(0);
        let most_s = settings.settle_s + 2 * settings.interval_s + 60 + slow_s;
        let due = self.now_ms.saturating_sub((settings.settle_s + 2 * settings.interval_s + 60) * 1000);
        let origin = self.store.state.as_ref().and_then(PollState::origin).unwrap_or_default();
        for (index, entry) in self.slack.entries.iter().enumerate() {
            let is_due = entry.date >= origin.0 && entry.visible_ms < entry.date * 1000 + settings.settle_s * 1000;
            let is_late = is_due && entry.visible_ms < due && !self.store.has[index];
            assert!(!is_late, "entry {index} {entry:?} is still missing at {}", UnixMillis(self.now_ms));
        }
        assert!(lag_s <= most_s, "still {lag_s} s behind long after the faults stopped");
        let state = self.store.state.as_ref().unwrap();
        // The beginning of history is a problem while backfill closes in on it; a small quota goes on refusing.
        let problem =
            state.problems().find(|(lane, problem)| *lane != Some(Lane::Backfill) && **problem != Problem::RateLimited);
        assert_eq!(problem, None, "a problem outlives its cause");
    }

    fn check_everything_arrived(&self) {
        let (settings, state) = (self.config.settings(), self.store.state.as_ref().unwrap());
        let origin = state.origin().unwrap();
        let wanted = settings.backfill.unwrap_or(origin);
        for (index, entry) in self.slack.entries.iter().enumerate() {
            let is_wanted = entry.date >= wanted.0 && entry.date < self.faults_end_ms / 1000 + 3600;
            assert!(!is_wanted || self.store.has[index], "entry {index} {entry:?} never arrived");
        }
        let readable = Range::new(wanted.max(UnixSeconds(self.slack.habits.history_floor)), origin);
        if let Ok(backfill) = readable {
            assert_eq!(gaps(self.machine.ledger(), backfill), [], "backfill has gaps");
        }
        let stored = Ledger::from_rows(self.store.ledger.values().cloned());
        assert_eq!(stored.rows().collect::<Vec<_>>(), self.machine.ledger().rows().collect::<Vec<_>>());
        assert!(stored.len() < 200, "{} ledger rows", stored.len());
    }
}

fn draw_config(rng: &mut SmallRng) -> PollConfig {
    let start = BEGIN_S - rng.random_range(0..20_000);
    let rereads = [vec![120, 900], vec![60, 600, 3600], vec![900, 5400], vec![300]];
    let settings = PollSettings {
        backfill: rng.random_bool(0.4).then(|| UnixSeconds(start - rng.random_range(1..40_000))),
        settle_s: rng.random_range(30..90),
        overlap_s: rng.random_range(0..60),
        min_range_s: rng.random_range(30..200),
        max_range_s: [600, 3600, 86_400][rng.random_range(0..3)],
        page_limit: [3, 5, 10, 50, 1000][rng.random_range(0..5)],
        interval_s: rng.random_range(30..300),
        reread_after_s: rereads[rng.random_range(0..rereads.len())].clone(),
        requests_per_minute: rng.random_range(40..60),
        headroom_percent: rng.random_range(0..30),
        ..PollSettings::new(UnixSeconds(start))
    };
    PollConfig::new(settings).expect("drawn settings are valid")
}

fn draw_habits(rng: &mut SmallRng, settings: &PollSettings) -> Habits {
    let wanted = settings.backfill.unwrap_or(settings.start).0;
    let floor = if rng.random_bool(0.3) { rng.random_range(wanted..=settings.start.0) } else { 0 };
    let mut habits = Habits {
        sends_date: rng.random_bool(0.9),
        date_skew_s: rng.random_range(-10..=10),
        ignores_oldest: rng.random_bool(0.05),
        // Each range then begins at now: with tiny pages no budget would be enough.
        ignores_latest: settings.page_limit >= 1000 && rng.random_bool(0.1),
        refuses_future: rng.random_bool(0.7),
        names_errors: rng.random_bool(0.5),
        cursor_lives_ms: [30_000, 300_000, 3_600_000][rng.random_range(0..3)],
        fills_pages: rng.random_bool(0.7),
        history_floor: floor.saturating_sub(120),
        faulty: [0.0, 0.05, 0.3][rng.random_range(0..3)],
        quota_per_minute: [30, 60, 200][rng.random_range(0..3)],
        // With smaller pages no budget would be enough.
        refuses_cursors: settings.page_limit >= 50 && rng.random_bool(0.1),
        wrong_date: None,
        empties: [0.0, 0.0, 0.02][rng.random_range(0..3)],
    };
    // A Slack that always answers with the newest page and takes no cursor shows nobody more than that page.
    habits.refuses_cursors &= !habits.ignores_latest;
    habits
}

/// Bursts inside one second, quiet hours, and entries that show up late: within the settle time, or much later but before
/// the last re-read, less what Slack's own clocks differ by.
fn draw_entries(rng: &mut SmallRng, settings: &PollSettings, floor: u64, until: u64, horizon_s: u64) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut date = settings.backfill.unwrap_or(settings.start).0.max(floor).saturating_sub(600).max(floor);
    // Tiny pages make many requests of few entries; more than these no budget would carry.
    let quiet_s = [if settings.page_limit < 10 { 200 } else { 30 }, 200, 1500][rng.random_range(0..3)];
    let late = [0.0, 0.02, 0.2][rng.random_range(0..3)];
    while date < until {
        let burst = if rng.random_bool(0.03) { rng.random_range(2..25) } else { 1 };
        for _ in 0..burst {
            let late_ms = if rng.random_bool(late) {
                rng.random_range(0..(horizon_s - 40) * 1000)
            } else {
                rng.random_range(0..(settings.settle_s - 25) * 1000)
            };
            entries.push(Entry { date, visible_ms: date * 1000 + late_ms });
        }
        date += rng.random_range(0..quiet_s);
    }
    entries
}
