//! One rule of the machine per test. The simulation in `tests/poll_simulation.rs` is where they meet.

use super::*;
use gridwatch_event::range::Range;
use gridwatch_event::time::{UnixMillis, UnixSeconds};

const T: u64 = 1_750_000_000;

struct Shell {
    machine: Machine,
    now: UnixMillis,
}

impl Shell {
    fn new(change: impl FnOnce(&mut PollSettings)) -> Self {
        let mut settings = PollSettings::new(UnixSeconds(T - 7200));
        change(&mut settings);
        Self { machine: Machine::start(PollConfig::new(settings).unwrap()), now: UnixSeconds(T).millis() }
    }

    /// Passes time until there is something to fetch.
    fn request(&mut self) -> Request {
        for _ in 0..10_000 {
            match self.machine.next(Now { wall: self.now }) {
                Step::Fetch(request) => return request,
                Step::Wait { until, .. } => self.now = until,
            }
        }
        panic!("nothing to fetch");
    }

    fn wait(&mut self) -> (u64, WaitReason) {
        match self.machine.next(Now { wall: self.now }) {
            Step::Wait { until, why } => (until.since(self.now), why),
            Step::Fetch(request) => panic!("{request:?}"),
        }
    }

    fn page(&mut self, request: &Request, dates: &[u64], next_cursor: Option<&str>) -> Commit {
        let page = PageSummary::of(request.range, dates.iter().map(|date| (UnixSeconds(*date), true)));
        let server_date = Some(self.now.seconds());
        let (request, next_cursor) = (request.clone(), next_cursor.map(str::to_owned));
        self.machine.apply(Outcome::Page(PageReceived {
            request,
            received_at: self.now,
            server_date,
            page,
            next_cursor,
        }))
    }

    fn fail(&mut self, request: &Request, failure: Failure) -> Commit {
        self.fail_asking(request, failure, None)
    }

    fn fail_asking(&mut self, request: &Request, failure: Failure, retry_after_s: Option<u64>) -> Commit {
        let server_date = Some(self.now.seconds());
        let request = request.clone();
        self.machine.apply(Outcome::Failed(Failed { request, at: self.now, server_date, retry_after_s, failure }))
    }

    /// An empty last page with this `Date`.
    fn empty(&mut self, request: &Request, server_date: Option<u64>) -> Commit {
        self.machine.apply(Outcome::Page(PageReceived {
            request: request.clone(),
            received_at: self.now,
            server_date: server_date.map(UnixSeconds),
            page: PageSummary::default(),
            next_cursor: None,
        }))
    }

    /// Drains ranges until live time is drained up to now.
    fn catch_up(&mut self) {
        while self.machine.state().watermark() < Some(UnixSeconds(T - 60)) {
            let request = self.request();
            self.page(&request, &[], None);
        }
    }

    fn problems(&self) -> Vec<&'static str> {
        self.machine.state().problems().map(|(_, problem)| problem.label()).collect()
    }
}

fn shell() -> Shell {
    Shell::new(|_| {})
}

#[test]
fn the_watermark_moves_only_with_the_last_page() {
    let mut shell = shell();
    let first = shell.request();
    assert_eq!((first.range.oldest().0, first.range.latest().0, first.limit), (T - 7200, T - 3601, 1000));
    let commit = shell.page(&first, &[T - 3700, T - 3650], Some("a"));
    assert_eq!((commit.state.watermark(), commit.drained), (None, None));
    let second = shell.request();
    assert_eq!((second.range, second.limit, second.cursor.as_deref()), (first.range, 1000, Some("a")));
    let commit = shell.page(&second, &[T - 7000], Some(""));
    assert_eq!(commit.state.watermark(), Some(UnixSeconds(T - 3601)));
    let drained = commit.drained.unwrap();
    assert_eq!((drained.range, drained.entries, drained.pages), (Some(first.range), 3, 2));
    assert_eq!(shell.request().range.oldest().0, T - 3600 - 30, "the next range overlaps");
}

#[test]
fn caught_up_it_waits_for_the_interval_and_stays_behind_now() {
    let mut shell = shell();
    shell.catch_up();
    assert_eq!(shell.wait(), (30_000, WaitReason::UpToDate));
    let request = shell.request();
    assert_eq!(request.range.latest(), shell.now.seconds().minus(60));
}

#[test]
fn an_empty_page_with_a_cursor_is_followed() {
    let mut shell = shell();
    let first = shell.request();
    assert_eq!(shell.page(&first, &[], Some("a")).drained, None);
    assert_eq!(shell.request().cursor.as_deref(), Some("a"));
}

#[test]
fn an_expired_cursor_restarts_the_same_range() {
    let mut shell = shell();
    let first = shell.request();
    shell.page(&first, &[T - 3700], Some("a"));
    let second = shell.request();
    shell.fail(&second, Failure::BadRequest { error: None });
    assert_eq!(shell.request(), first);
}

#[test]
fn a_range_restarted_too_often_is_split_slows_down_and_is_not_skipped() {
    let mut shell = shell();
    let first = shell.request();
    let begin = shell.now;
    let mut request = first.clone();
    for _ in 0..60 {
        shell.page(&request, &[T - 3700], Some("a"));
        let second = shell.request();
        shell.fail(&second, Failure::BadRequest { error: Some("invalid_cursor".into()) });
        request = shell.request();
        assert_eq!(request.range.oldest(), first.range.oldest());
    }
    assert_eq!(request.range.length_s(), 1);
    assert!(shell.now.since(begin) > 20 * MAX_WAIT_MS / 2);
    assert!(shell.problems().contains(&"range_wont_finish"));
    shell.page(&request, &[], None);
    assert_eq!(shell.machine.state().watermark(), Some(first.range.oldest()));
    assert_eq!(shell.problems(), Vec::<&str>::new());
    assert_eq!(shell.request().range.oldest(), first.range.oldest(), "the rest is asked for next, overlapping");
}

#[test]
fn server_errors_keep_the_cursor_and_then_suspect_it() {
    let mut shell = shell();
    let first = shell.request();
    shell.page(&first, &[T - 3700], Some("a"));
    for failure in [Failure::Network, Failure::Body, Failure::Server { status: 502 }, Failure::Network] {
        let second = shell.request();
        assert_eq!(second.cursor.as_deref(), Some("a"));
        shell.fail(&second, failure);
    }
    let second = shell.request();
    shell.fail(&second, Failure::Server { status: 500 });
    assert_eq!(shell.request(), first);
}

#[test]
fn cut_answers_lead_to_smaller_pages_from_the_first_one() {
    let mut shell = shell();
    for _ in 0..FAILURES_BEFORE_RESTART {
        let request = shell.request();
        shell.fail(&request, Failure::Body);
    }
    let request = shell.request();
    assert_eq!((request.limit, request.cursor), (500, None));
    assert_eq!(shell.problems(), ["bad_body"]);
}

#[test]
fn retry_after_is_obeyed_to_the_second_and_bounded_at_an_hour() {
    for (asked, expected_ms) in [(1, 1000), (77, 77_000), (3600, 3_600_000), (u64::MAX, MAX_RETRY_AFTER_MS)] {
        let mut shell = shell();
        let request = shell.request();
        shell.fail_asking(&request, Failure::RateLimited, Some(asked));
        assert_eq!(shell.wait(), (expected_ms, WaitReason::RateLimited));
        shell.now = shell.now.plus(expected_ms - 1);
        assert_eq!(shell.wait().0, 1);
        shell.now = UnixMillis(5);
        assert_eq!(shell.wait().0, expected_ms, "a clock that steps back does not shorten it");
    }
}

#[test]
fn ok_false_with_either_spelling_of_rate_limited_is_a_rate_limit() {
    for code in ["ratelimited", "rate_limited"] {
        let mut shell = shell();
        let request = shell.request();
        shell.fail(&request, Failure::NotOk { error: Some(code.into()) });
        assert_eq!(shell.wait().1, WaitReason::RateLimited);
    }
}

#[test]
fn account_problems_stop_all_lanes_say_what_to_do_and_are_retried() {
    let forbidden = |code: &str| Failure::Forbidden { error: Some(code.into()) };
    let cases = [
        (Failure::Unauthorized, "token_rejected", 60_000),
        (Failure::NotOk { error: Some("token_expired".into()) }, "token_rejected", 60_000),
        (Failure::NotThere, "wrong_endpoint", MAX_WAIT_MS),
        (Failure::Redirected, "redirected", 60_000),
        (Failure::ProxyWantsSignIn, "proxy_wants_sign_in", 60_000),
        (Failure::Forbidden { error: None }, "forbidden", MAX_WAIT_MS),
        (forbidden("missing_scope"), "missing_scope", MAX_WAIT_MS),
        (forbidden("feature_not_enabled"), "plan_lacks_audit_logs", MAX_WAIT_MS),
        (forbidden("user_not_authorized"), "not_org_owner", MAX_WAIT_MS),
        (forbidden("team_not_authorized"), "wrong_install", MAX_WAIT_MS),
        (Failure::BadRequest { error: Some("bad_endpoint".into()) }, "wrong_endpoint", MAX_WAIT_MS),
        (Failure::NotOk { error: Some("new_code".into()) }, "refused", 60_000),
    ];
    for (failure, label, longest_ms) in cases {
        let mut shell = shell();
        let request = shell.request();
        let problem = shell.fail(&request, failure.clone()).state.problems().next().unwrap().1.clone();
        assert_eq!(problem.label(), label);
        assert!(problem.advice().starts_with(|c: char| c.is_lowercase()));
        assert_eq!(shell.wait(), (FIRST_HALT_MS, WaitReason::Halted { problem: problem.clone() }));
        for _ in 0..10 {
            assert_eq!(shell.request(), request);
            shell.fail(&request, failure.clone());
        }
        assert_eq!(shell.wait(), (longest_ms, WaitReason::Halted { problem }));
        shell.machine.try_now();
        assert_eq!(shell.machine.next(Now { wall: shell.now }), Step::Fetch(request.clone()));
        shell.page(&request, &[], None);
        assert_eq!(shell.problems(), Vec::<&str>::new());
    }
}

#[test]
fn a_fast_clock_of_ours_never_counts_time_that_slack_has_not_reached() {
    let mut shell = Shell::new(|settings| settings.start = UnixSeconds(T - 600));
    shell.now = UnixSeconds(T + 3600).millis();
    let request = shell.request();
    assert!(request.range.latest().0 > T, "nothing is known yet");
    let page = PageSummary::default();
    let (received_at, server_date) = (shell.now, Some(UnixSeconds(T)));
    let received = PageReceived { request, received_at, server_date, page, next_cursor: None };
    let commit = shell.machine.apply(Outcome::Page(received));
    assert_eq!(commit.state.watermark(), Some(UnixSeconds(T - 60)));
    assert!(commit.notes.iter().any(|note| matches!(note, Note::ClockAhead { .. })));
    assert!(shell.request().range.latest().0 <= T);
}

#[test]
fn invalid_range_steps_back_even_where_no_date_explains_it() {
    let mut shell = Shell::new(|settings| settings.start = UnixSeconds(T - 600));
    let first = shell.request();
    let failure = || Failure::BadRequest { error: Some("invalid_range".into()) };
    shell.fail(&first, failure());
    assert_eq!(shell.problems(), ["range_refused"]);
    let second = shell.request();
    assert_eq!(second.range.latest(), shell.now.seconds().minus(60 + 30));
    assert_eq!(second.range.oldest(), first.range.oldest());
}

#[test]
fn the_same_cursor_again_restarts_the_range() {
    let mut shell = shell();
    let first = shell.request();
    shell.page(&first, &[T - 3700], Some("a"));
    let second = shell.request();
    let commit = shell.page(&second, &[T - 3800], Some("a"));
    assert!(commit.notes.iter().any(|n| matches!(n, Note::Restarted { why: RestartReason::SameCursorAgain, .. })));
    assert_eq!(shell.request(), first);
}

#[test]
fn a_walk_that_goes_in_circles_is_ended() {
    let mut shell = shell();
    let first = shell.request();
    for page in 0..=MAX_STALLED_PAGES + 1 {
        let request = shell.request();
        let commit = shell.page(&request, &[T - 3700], Some(&format!("cursor {page}")));
        let restarted =
            commit.notes.iter().any(|n| matches!(n, Note::Restarted { why: RestartReason::NoProgress, .. }));
        assert_eq!(restarted, page == MAX_STALLED_PAGES + 1, "page {page}");
    }
    assert_eq!(shell.request(), first);
}

#[test]
fn a_page_wholly_older_than_the_range_ends_it_and_its_entries_are_strays() {
    let mut shell = shell();
    let first = shell.request();
    shell.page(&first, &[T - 3700], Some("a"));
    let second = shell.request();
    let drained = shell.page(&second, &[T - 9000, T - 9001], Some("b")).drained.unwrap();
    assert_eq!((drained.strays, drained.entries), (2, 3));
}

#[test]
fn an_answer_to_an_old_request_moves_nothing() {
    let mut shell = shell();
    let first = shell.request();
    shell.page(&first, &[T - 3700], Some("a"));
    let before = shell.machine.state().open_range(Lane::Live).cloned();
    let commit = shell.page(&first, &[T - 3700], None);
    assert_eq!(commit.notes, [Note::Stale { range_no: first.range_no }]);
    assert_eq!((commit.drained, shell.machine.state().open_range(Lane::Live).cloned()), (None, before));
}

#[test]
fn spans_double_while_pages_are_part_full_and_halve_when_there_are_many() {
    let mut shell = Shell::new(|settings| settings.start = UnixSeconds(T - 40 * 86_400));
    let lengths: Vec<_> = (0..6)
        .map(|_| {
            let request = shell.request();
            shell.page(&request, &[], None);
            shell.machine.state().span_s()
        })
        .collect();
    assert_eq!(lengths, [7200, 14_400, 28_800, 57_600, 86_400, 86_400]);
    for page in 0..6u64 {
        let request = shell.request();
        let date = request.range.latest().0 - page;
        let next = (page < 5).then(|| format!("{page}"));
        shell.page(&request, &[date], next.as_deref());
    }
    assert_eq!(shell.machine.state().span_s(), 43_200);
}

#[test]
fn live_goes_first_and_backfill_runs_backward_to_where_history_ends() {
    let floor = T - 100_000;
    let mut shell = Shell::new(|settings| settings.backfill = Some(UnixSeconds(T - 200_000)));
    assert_eq!(shell.request().lane, Lane::Live);
    let mut lowest = T - 7200;
    for _ in 0..2000 {
        let request = shell.request();
        if request.lane != Lane::Backfill {
            shell.page(&request, &[], None);
            continue;
        }
        assert_eq!(request.range.latest().0, lowest - 1);
        if request.range.oldest().0 < floor {
            shell.fail(&request, Failure::BadRequest { error: Some("invalid_range".into()) });
        } else {
            lowest = request.range.oldest().0;
            shell.page(&request, &[], None);
        }
        if shell.machine.ledger().rows().any(|row| row.state == RangeState::Gap) {
            break;
        }
    }
    assert_eq!(lowest, floor);
    let missing = gaps(shell.machine.ledger(), Range::new(UnixSeconds(T - 200_000), UnixSeconds(T - 7200)).unwrap());
    assert_eq!(missing, [Range::new(UnixSeconds(T - 200_000), UnixSeconds(floor - 1)).unwrap()]);
}

#[test]
fn drained_time_is_read_again_and_late_finds_are_counted() {
    let mut shell = Shell::new(|settings| settings.start = UnixSeconds(T - 600));
    shell.catch_up();
    let mut request = shell.request();
    for _ in 0..100 {
        if request.lane == Lane::Reread {
            break;
        }
        shell.page(&request, &[], None);
        request = shell.request();
    }
    assert!(shell.now.seconds() >= request.range.latest().plus(900));
    let commit = shell.page(&request, &[request.range.oldest().0], None);
    assert_eq!(commit.drained.unwrap().new_entries, 1);
    assert_eq!(commit.ledger.upserts.iter().map(|row| row.late).sum::<u64>(), 1);
}

#[test]
fn a_state_of_another_version_or_one_that_contradicts_itself_is_refused() {
    let mut shell = shell();
    shell.request();
    let config = shell.machine.config().clone();
    let mut json = serde_json::to_value(shell.machine.state()).unwrap();
    let resume = |json: &serde_json::Value| {
        let state = serde_json::from_value(json.clone()).unwrap();
        Machine::resume(config.clone(), state, Ledger::default()).map(|_| ())
    };
    assert_eq!(resume(&json), Ok(()));
    json["watermark"] = 5.into();
    assert!(matches!(resume(&json), Err(StateError::Contradiction { .. })));
    json["version"] = 99.into();
    assert_eq!(resume(&json), Err(StateError::Version { found: 99 }));
}

#[test]
fn a_restart_asks_again_at_once_unless_the_quota_was_used_up() {
    for (failure, retry_after_s, is_asked) in [
        (Failure::Unauthorized, None, true),
        (Failure::RateLimited, Some(60), false),
        (Failure::Server { status: 503 }, Some(60), false),
    ] {
        let mut shell = shell();
        let request = shell.request();
        shell.fail_asking(&request, failure, retry_after_s);
        let (config, state) = (shell.machine.config().clone(), shell.machine.state().clone());
        let mut machine = Machine::resume(config, state, Ledger::default()).unwrap();
        // The budget of a resumed machine starts empty and has grown by then; the pauses are longer.
        machine.next(Now { wall: shell.now });
        let step = machine.next(Now { wall: shell.now.plus(5_000) });
        assert_eq!(matches!(step, Step::Fetch(_)), is_asked, "{step:?}");
    }
}

#[test]
fn stored_rows_come_back_without_being_written_again() {
    let mut shell = shell();
    shell.catch_up();
    let rows: Vec<_> = shell.machine.ledger().rows().cloned().collect();
    assert_eq!(Ledger::from_rows(rows).take_delta(), LedgerDelta::default());
}

#[test]
fn a_watermark_ahead_of_slacks_clock_still_asks_now_and_then() {
    let mut shell = Shell::new(|settings| settings.start = UnixSeconds(T - 600));
    let ahead = shell.now.plus(7_200_000);
    shell.now = ahead;
    while shell.machine.state().watermark() < Some(ahead.seconds().minus(60)) {
        let (request, received_at) = (shell.request(), ahead);
        let page = PageSummary::default();
        let received = PageReceived { request, received_at, server_date: None, page, next_cursor: None };
        shell.machine.apply(Outcome::Page(received));
    }
    let watermark = shell.machine.state().watermark();
    shell.now = UnixSeconds(T).millis();
    for _ in 0..3 {
        let before = shell.now;
        let request = shell.request();
        assert!(shell.now.since(before) <= MAX_WAIT_MS);
        assert!(request.range.latest() <= shell.now.seconds().minus(60));
        assert_eq!(shell.page(&request, &[], None).state.watermark(), watermark);
    }
}

/// At most so many seconds of asking until the watermark is at `end`, where `answer` does what a server does.
fn drains_within(shell: &mut Shell, seconds: u64, end: u64, mut answer: impl FnMut(&mut Shell, &Request)) {
    let began = shell.now;
    while shell.machine.state().watermark() < Some(UnixSeconds(end)) {
        let request = shell.request();
        answer(shell, &request);
        shell.now = shell.now.plus(100);
        assert!(shell.now.since(began) < seconds * 1000, "at {:?}", shell.machine.state().watermark());
    }
}

#[test]
fn a_cursor_that_never_works_costs_seconds() {
    let mut shell = Shell::new(|settings| settings.requests_per_minute = 6000);
    let refused = || Failure::BadRequest { error: Some("invalid_cursor".into()) };
    // An entry a second, a thousand a page.
    drains_within(&mut shell, 20, T - 3601, |shell, request| {
        let (oldest, latest) = (request.range.oldest().0, request.range.latest().0);
        let dates: Vec<u64> = (oldest..=latest).rev().take(1000).collect();
        match request.cursor {
            Some(_) => shell.fail(request, refused()),
            None => shell.page(request, &dates, (dates.len() == 1000).then_some("never")),
        };
    });
}

#[test]
fn many_empty_pages_are_followed_to_what_is_behind_them() {
    let mut shell = shell();
    for page in 0..400 {
        let request = shell.request();
        assert_eq!(request.cursor.is_some(), page > 0, "page {page}");
        shell.page(&request, &[], Some(&format!("cursor {page}")));
    }
    let request = shell.request();
    assert_eq!(shell.page(&request, &[T - 3700], None).state.watermark(), Some(UnixSeconds(T - 3601)));
}

/// Polls once an interval for so long, with Slack's clock so far ahead; the watermark, and the youngest time read.
fn polled(shell: &mut Shell, seconds: u64, ahead_s: u64) -> Vec<(u64, u64)> {
    let until = shell.now.plus(seconds * 1000);
    let mut read = Vec::new();
    while shell.now < until {
        let request = shell.request();
        let date = shell.now.seconds().0 + ahead_s;
        shell.empty(&request, Some(date));
        if request.lane == Lane::Live {
            read.push((request.range.oldest().0, request.range.latest().0));
        }
        assert!(shell.machine.state().watermark() < Some(shell.now.seconds()), "past our own clock");
        shell.now = shell.now.plus(100);
    }
    read
}

#[test]
fn a_wrong_date_blacks_nothing_out_while_it_lasts_or_after() {
    let mut shell = shell();
    shell.catch_up();
    for ahead_s in [0, 3_600, 0] {
        let before = shell.now.seconds().0;
        let read = polled(&mut shell, 1_200, ahead_s);
        assert!(read.len() >= 35, "{} polls in 20 minutes", read.len());
        // Every second is read again when it is old enough, at the usual pace.
        let mut done = before - 60;
        for (oldest, latest) in read {
            assert!(oldest <= done + 1, "a hole from {done} to {oldest}");
            done = done.max(latest.min(shell.now.seconds().0)).min(latest);
        }
        assert!(shell.machine.state().watermark() >= Some(shell.now.seconds().minus(60 + 62)));
    }
}

#[test]
fn a_refusal_of_what_a_wrong_date_allowed_is_no_reason_to_wait() {
    let mut shell = shell();
    shell.catch_up();
    let (mut refusals, mut polls) = (0, 0);
    let until = shell.now.plus(1_200_000);
    while shell.now < until {
        let request = shell.request();
        if request.range.latest() > shell.now.seconds() {
            refusals += 1;
            let failure = Failure::BadRequest { error: Some("invalid_range".into()) };
            let (at, server_date) = (shell.now, Some(shell.now.seconds().plus(3600)));
            let failed = Failed { request, at, server_date, retry_after_s: None, failure };
            shell.machine.apply(Outcome::Failed(failed));
        } else {
            polls += 1;
            let date = shell.now.seconds().0 + 3600;
            shell.empty(&request, Some(date));
        }
        shell.now = shell.now.plus(100);
    }
    assert_eq!(refusals, 1);
    assert!(polls >= 35, "{polls}");
    assert_eq!(shell.problems(), Vec::<&str>::new());
}

#[test]
fn without_a_date_a_step_of_our_clock_and_back_loses_no_time() {
    let mut shell = Shell::new(|settings| settings.start = UnixSeconds(T - 600));
    let poll = |shell: &mut Shell| {
        let request = shell.request();
        shell.empty(&request, None);
        shell.now = shell.now.plus(100);
        request
    };
    (0..5).for_each(|_| drop(poll(&mut shell)));
    let before = shell.now;
    shell.now = shell.now.plus(10_800_000);
    (0..30).for_each(|_| drop(poll(&mut shell)));
    // Three hours ahead for a quarter of an hour; then it is put right.
    shell.now = UnixMillis(shell.now.0 - 10_800_000);
    assert!(shell.machine.ahead_s(shell.now) > 9_000);
    let first = poll(&mut shell);
    assert!(first.range.oldest() <= before.seconds(), "{first:?} begins after {before}");
    let mut done = first.range.latest();
    assert!(matches!(shell.wait().1, WaitReason::WatermarkAhead { by_s } if by_s > 9_000));
    for _ in 0..20 {
        let from = shell.now;
        let request = poll(&mut shell);
        assert!(shell.now.since(from) <= 31_000);
        assert!(request.range.oldest() <= done.plus(1));
        done = request.range.latest();
    }
    assert_eq!(done, shell.now.seconds().minus(60));
}

#[test]
fn a_walk_without_what_was_there_before_is_made_again_over_another_connection() {
    let mut shell = shell();
    shell.catch_up();
    let request = shell.request();
    let seen = request.range.latest().0 - 5;
    shell.page(&request, &[seen], None);
    let request = shell.request();
    assert!(!request.anew && request.range.contains(UnixSeconds(seen)));
    let before = shell.machine.state().watermark();
    let commit = shell.page(&request, &[], None);
    assert_eq!((commit.drained, commit.state.watermark()), (None, before));
    let again = shell.machine.next(Now { wall: shell.now });
    assert_eq!(again, Step::Fetch(Request { anew: true, ..request.clone() }), "at once");
    let Step::Fetch(again) = again else { unreachable!() };
    shell.page(&again, &[], None);
    assert_eq!(shell.problems(), ["entries_missing"]);
    let again = shell.request();
    shell.page(&again, &[seen + 20, seen], None);
    assert_eq!(shell.machine.state().watermark(), Some(request.range.latest()));
    assert_eq!(shell.problems(), Vec::<&str>::new());
    // Which doesn't go on for ever.
    let begin = shell.now;
    let mut doubts = 0;
    while shell.machine.state().watermark() <= Some(request.range.latest()) {
        let request = shell.request();
        shell.page(&request, &[], None);
        doubts += u32::from(request.lane == Lane::Live);
    }
    assert_eq!(doubts, DOUBTS_BEFORE_BELIEF + 1);
    assert!(shell.now.since(begin) > 600_000, "{}", shell.now.since(begin));
}

#[test]
fn a_walk_begun_again_has_to_show_what_it_showed_before() {
    let mut shell = shell();
    let first = shell.request();
    shell.page(&first, &[T - 3650], Some("a"));
    let second = shell.request();
    shell.fail(&second, Failure::BadRequest { error: None });
    let again = shell.request();
    assert_eq!((again.range, &again.cursor), (first.range, &None));
    let commit = shell.page(&again, &[], None);
    assert_eq!((commit.drained, commit.state.watermark()), (None, None), "a lie about time that has shown an entry");
    let again = shell.request();
    assert!(again.anew && again.cursor.is_none());
    let commit = shell.page(&again, &[T - 3650, T - 7000], None);
    assert_eq!(commit.state.watermark(), Some(first.range.latest()));
}

#[test]
fn a_server_that_ignores_the_beginning_and_takes_no_cursor_holds_nothing_up() {
    let mut shell = shell();
    let first = shell.request();
    let (inside, before) = (T - 3650, T - 9000);
    let commit = shell.page(&first, &[inside, before], Some("a"));
    assert_eq!(commit.drained, None, "the cursor is followed at first");
    let second = shell.request();
    shell.fail(&second, Failure::BadRequest { error: None });
    let again = shell.request();
    assert_eq!(again, first);
    let commit = shell.page(&again, &[inside, before], Some("b"));
    assert_eq!(commit.state.watermark(), Some(first.range.latest()));
}

#[test]
fn time_that_was_old_when_it_was_read_is_read_once_more() {
    let mut shell = Shell::new(|settings| settings.start = UnixSeconds(T - 5 * 86_400));
    shell.catch_up();
    // A range that reached into time of less than two days waits for the last ordinary re-read, as the whole it was read as.
    let (mut soon_s, mut all_s) = (0, 0);
    while shell.now < UnixSeconds(T + 8 * 3600).millis() {
        let request = shell.request();
        let old = Range::of(request.range.oldest(), request.range.latest().min(UnixSeconds(T - 2 * 86_400 - 1)));
        let old_s = old.filter(|_| request.lane == Lane::Reread).map_or(0, |range| range.length_s());
        all_s += old_s;
        soon_s += if shell.now < UnixSeconds(T + 3000).millis() { old_s } else { 0 };
        shell.page(&request, &[], None);
    }
    assert!(soon_s >= 2 * 86_400, "{soon_s} s within the hour");
    assert_eq!(all_s.div_ceil(3600), 3 * 24, "all of it, and none of it twice");
}

#[test]
fn old_time_is_looked_at_again_with_what_is_to_spare() {
    let mut shell = Shell::new(|settings| settings.start = UnixSeconds(T - 40 * 86_400));
    shell.catch_up();
    shell.machine.forgot_ids_before(UnixSeconds(T - 32 * 86_400));
    let (mut ages, until) = (Vec::new(), shell.now.plus(2 * 86_400_000));
    while shell.now < until {
        let request = shell.request();
        let age_s = shell.now.seconds().0 - request.range.latest().0;
        let commit = shell.page(&request, &[], None);
        if commit.drained.is_some_and(|drained| drained.is_sample) {
            assert_eq!((request.lane, request.range.length_s()), (Lane::Reread, 3600));
            ages.push(age_s / 86_400);
        }
    }
    for (younger, older) in [(2, 7), (7, 14), (14, 30)] {
        let looked = ages.iter().filter(|age| (younger..older).contains(*age)).count();
        assert!(looked > 40, "{looked} looks at time of {younger} to {older} days");
    }
    assert!(ages.iter().all(|age| (2..30).contains(age)) && ages.len() < 300, "{ages:?}");
}

#[test]
fn a_retry_after_holds_with_any_answer_and_a_capped_one_is_told() {
    for failure in [Failure::Server { status: 503 }, Failure::Forbidden { error: None }, Failure::NotThere] {
        let mut shell = shell();
        let request = shell.request();
        shell.fail_asking(&request, failure.clone(), Some(400));
        assert_eq!(shell.wait().0, 400_000, "{failure:?}");
        assert_eq!(shell.problems().len(), 1);
        let request = shell.request();
        let commit = shell.fail_asking(&request, failure, Some(99_999_999));
        assert!(commit.notes.contains(&Note::RetryAfterCapped { asked_s: 99_999_999 }), "{:?}", commit.notes);
        assert_eq!(shell.wait().0, MAX_RETRY_AFTER_MS);
    }
}

/// As gridwatch wrote it when a range was called a window.
const SAVED_AS_A_WINDOW: &str = r#"{"version":1,"origin":null,"watermark":null,"next_window_no":4,"span_s":60,"live":{"open":{"number":3,"lane":"live","window":{"oldest":1749992800,"latest":1749992800},"fresh_from":1749992800,"limit":1000,"cursor":"a","page":1,"entries":1,"strays":0,"new_entries":61,"restarts":60,"stalled":0,"reached":1749992800,"begun":{"at":1750011108,"safe":1750011048,"settled":1750011048},"tries":56,"empty":0,"newest":1749992800,"doubts":0,"is_sample":false},"failures":0,"refused":0,"retry":null,"problem":"window_wont_finish"},"reread":{"open":null,"failures":0,"refused":0,"retry":null,"problem":null},"backfill":{"open":null,"failures":0,"refused":0,"retry":null,"problem":null},"backfilled":{"low":null,"floor":null,"span_s":3600},"live_timer":{"set_at":1750000000000,"wait_ms":30000},"pause":null,"refusals":0,"halts":0,"anchor":1749996300,"followed":null,"samples":0,"ids_from":null,"sample_timer":null,"clock":{"seen":{"date":1750011108,"wall":1750011108266},"doubted_ahead_ms":null,"dateless":0,"margin_s":0,"proved_ahead_ms":0,"looked":1750011108266,"refuted":null,"leapt_from":null},"budget":{"rate_mpm":40000,"level":420000000,"at":1750011108266}}"#;

#[test]
fn a_walk_that_an_older_version_saved_goes_on_at_its_cursor() {
    let state: PollState = serde_json::from_str(SAVED_AS_A_WINDOW).unwrap();
    assert_eq!(serde_json::to_string(&state).unwrap(), SAVED_AS_A_WINDOW, "an older version reads it back");
    let machine = Shell::new(|_| {}).machine;
    let mut shell = Shell {
        machine: Machine::resume(machine.config().clone(), state, Ledger::default()).unwrap(),
        now: UnixMillis(1_750_011_109_000),
    };
    assert_eq!(shell.problems(), ["range_wont_finish"]);
    let request = shell.request();
    let (oldest, latest) = (request.range.oldest().0, request.range.latest().0);
    assert_eq!((request.range_no, oldest, latest, request.cursor.as_deref()), (3, T - 7200, T - 7200, Some("a")));
    shell.page(&request, &[], None);
    assert_eq!(shell.request().range_no, 4);
}
