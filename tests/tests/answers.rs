//! Answers that Slack's documentation doesn't have, and what comes in Slack's place: they cost seconds, and their names are true.

use gridwatch_sim::{FaultKind, Knobs, SimConfig, When};
use gridwatch_stories::SimEntry;
use gridwatch_tests::host::{Host, Setup, terminate, until};
use gridwatch_tests::raw::{Raw, Reply, Seen, http_date};
use gridwatch_tests::sim::{Slack, entry, now, org};
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

const LINES: &str = "settle = \"5s\"\ninterval = \"1s\"\noverlap = \"30s\"\n";

fn host(base_url: &str, start: u64) -> Host {
    Host::new(&Setup { slack: LINES.into(), ..Setup::new(base_url, start) })
}

#[test]
fn a_cursor_that_never_works_costs_seconds() {
    let to = now() - 60;
    let from = to - 3_600;
    let faults = vec![FaultKind::ExpireCursor.at(When::Every(1))];
    let slack = Slack::faulty(org(2_000, from, to), faults);
    let lines = format!("{LINES}page_limit = 100\n");
    let host = Host::new(&Setup { slack: lines, ..Setup::new(&slack.base_url(), from) });
    host.run_once_well();
    let ids = slack.truth().ids;
    assert_eq!(host.delivered().len(), ids.len());
    let asked = slack.asked();
    let took_ms = asked[asked.len() - 1].at_ms - asked[0].at_ms;
    assert!(took_ms < 60_000, "{took_ms} ms, {} requests", asked.len());
}

/// 85 MiB in one page, which breaks off at first: what it costs of memory, and that what came before the break comes once.
#[test]
fn a_large_page_is_taken_in_parts_and_one_that_breaks_off_doubles_nothing() {
    let (small_kb, large_kb) = (peak_kb_of_a_page(1 << 20), peak_kb_of_a_page(85 << 20));
    println!("{small_kb} kB with a page of 1 MiB, {large_kb} kB with one of 85 MiB");
    // Less than the page itself, which is never held as a whole; and that with each sink's and the rules' share of it.
    assert!(large_kb < small_kb + (80 << 10), "a page of 85 MiB costs {large_kb} kB, one of 1 MiB {small_kb} kB");
}

fn peak_kb_of_a_page(bytes: usize) -> u64 {
    let count = 2_000;
    let at = now() - 600;
    let text = "Lorem ipsum dolor sit amet. ".repeat(bytes / count / 28);
    let entry = |n: u64| {
        let actor = json!({ "type": "user", "user": { "id": "W012A3BCD", "name": "po", "email": "po@acme.example" } });
        let json = json!({ "id": format!("L{n}"), "date_create": at + n / 10, "action": "file_downloaded", "actor": actor,
                           "entity": { "type": "file", "file": { "id": format!("F{n}") } }, "details": { "note": text } });
        SimEntry::from_wire(&json.to_string()).expect("an entry")
    };
    let entries: Vec<SimEntry> = (0..count as u64).map(entry).collect();
    let broke = AtomicU64::new(0);
    let raw = Raw::start(move |seen: &Seen| match seen.path.as_str() {
        "/audit/v1/logs" => {
            let page = Reply::page(&entries, seen);
            let is_first = page.body.len() >= bytes * 9 / 10 && broke.fetch_add(1, Ordering::Relaxed) == 0;
            Reply { cut: is_first.then_some(bytes / 85 * 50), ..page }
        }
        _ => Reply::status(404),
    });
    let host = host(&raw.base_url(), at - 60);
    let gridwatch = host.start(&[]);
    until("all delivered", || host.delivered().len() == count);
    let status = std::fs::read_to_string(format!("/proc/{}/status", gridwatch.id())).expect("status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let peak_kb: u64 = peak.trim().trim_end_matches(" kB").parse().expect("kB");
    until("the page is done", || host.status()["poll"]["pages"].as_u64() > Some(0));
    terminate(gridwatch);
    assert!(host.delivered().values().all(|n| *n == 1));
    let kept = host.archived("state/archive");
    assert_eq!(kept.len(), count);
    peak_kb
}

#[test]
fn sixty_empty_pages_with_cursors_lead_to_what_is_behind_them() {
    let (from, to) = (now() - 1_800, now() - 60);
    let faults = vec![FaultKind::EmptyPageWithCursor.at(When::Between { from: 1, to: 60 })];
    let slack = Slack::faulty(org(50, from, to), faults);
    let host = host(&slack.base_url(), from);
    host.run_once_well();
    assert_eq!(host.delivered().len(), 50);
}

#[test]
fn a_retry_after_is_waited_out_in_each_of_its_forms_and_with_any_answer() {
    let entries = vec![entry("Lfirst", now() - 30)];
    let count = Arc::new(AtomicU64::new(0));
    let number = count.clone();
    let raw = Raw::start(move |seen: &Seen| {
        let later = |status: u16, asked: String| Reply::status(status).with("retry-after", asked);
        if seen.path != "/audit/v1/logs" {
            return Reply::status(404);
        }
        match number.fetch_add(1, Ordering::Relaxed) {
            0 => later(429, "2".into()),
            1 => later(429, "2.5".into()),
            2 => later(503, "3".into()),
            3 => later(503, http_date(now() + 5)),
            4 => later(429, http_date(now() + 5)).with("date", http_date(now())),
            5 => later(500, "1.5".into()),
            _ => Reply::page(&entries, seen),
        }
    });
    let host = host(&raw.base_url(), now() - 300);
    let gridwatch = host.start(&[]);
    until("the entry", || host.delivered().len() == 1);
    terminate(gridwatch);
    let asked = raw.asked();
    let waits: Vec<u64> = asked.windows(2).take(6).map(|pair| pair[1].at_ms - pair[0].at_ms).collect();
    for (wait, least) in waits.iter().zip([2_000, 2_500, 3_000, 4_000, 4_000, 1_500]) {
        assert!(*wait + 10 >= least, "{waits:?}");
    }
    assert!(waits.iter().all(|wait| *wait < 9_000), "{waits:?}");
}

#[test]
fn what_answers_in_slacks_place_is_called_by_its_name() {
    let reply = Arc::new(Mutex::new(Reply::status(500)));
    let current = reply.clone();
    let raw = Raw::start(move |_| current.lock().expect("a reply").clone());
    let moved = |status| Reply::status(status).with("location", "https://portal.example/");
    for (answer, label, advice) in [
        (moved(302), "redirected", "redirect"),
        (moved(307), "redirected", "portal"),
        (Reply::status(404), "wrong_endpoint", "slack.base_url"),
        (Reply::status(407), "proxy_wants_sign_in", "HTTPS_PROXY"),
        (Reply::status(204), "bad_body", "empties"),
        (Reply::status(400), "refused_without_reason", "slack-status.com"),
        (Reply::status(403), "forbidden", "longer than a minute"),
        (Reply::status(502), "server_failing", "slack-status.com"),
        (Reply::json("<html>"), "bad_body", "proxy"),
    ] {
        let status = answer.status;
        *reply.lock().expect("a reply") = answer;
        let host = host(&raw.base_url(), now() - 300);
        let gridwatch = host.start(&[]);
        until(&format!("{label} for {status}"), || {
            host.status()["poll"]["problems"].as_array().is_some_and(|problems| !problems.is_empty())
        });
        let problems = host.status()["poll"]["problems"].clone();
        terminate(gridwatch);
        assert_eq!(problems[0][0], label, "{status}: {problems}");
        assert!(problems[0][1].as_str().is_some_and(|text| text.contains(advice)), "{status}: {problems}");
    }
    for (base_url, label) in [
        ("http://127.0.0.1:1".to_owned(), "unreachable"),
        ("https://no-such-host.invalid".to_owned(), "no_such_host"),
        (raw.base_url().replace("http://", "https://"), "untrusted"),
    ] {
        let host = host(&base_url, now() - 300);
        let gridwatch = host.start(&[]);
        until(label, || host.status()["poll"]["problems"].to_string().contains(label));
        terminate(gridwatch);
    }
}

/// A cache or a proxy that answers 200 with nothing, for a while.
#[test]
fn an_empty_page_for_time_that_had_entries_is_asked_again_and_nothing_is_late() {
    let begin = now();
    let entries: Arc<Mutex<Vec<_>>> = Arc::new(Mutex::new(vec![entry("L0", begin - 10)]));
    let lies = Arc::new(AtomicU64::new(0));
    let (shown, lying) = (entries.clone(), lies.clone());
    let raw = Raw::start(move |seen| match lying.load(Ordering::Relaxed) {
        1 => Reply::json(r#"{"entries":[],"response_metadata":{"next_cursor":""}}"#),
        _ if seen.path == "/audit/v1/logs" => Reply::page(&shown.lock().expect("entries"), seen),
        _ => Reply::status(404),
    });
    let host = host(&raw.base_url(), begin - 300);
    let gridwatch = host.start(&[]);
    let push = |id: &str| entries.lock().expect("entries").push(entry(id, now()));
    until("the first", || host.delivered().len() == 1);
    push("L1");
    until("the second", || host.delivered().len() == 2);
    lies.store(1, Ordering::Relaxed);
    for n in 0..4 {
        push(&format!("Llie{n}"));
        std::thread::sleep(std::time::Duration::from_secs(3));
    }
    until("it says so", || host.status()["poll"]["problems"].to_string().contains("entries_missing"));
    lies.store(0, Ordering::Relaxed);
    until("all of them", || host.delivered().len() == 6);
    until("it is over", || host.status()["poll"]["problems"].to_string() == "[]");
    terminate(gridwatch);
    assert!(raw.asked().iter().any(|seen| seen.headers.get("cache-control").is_some_and(|value| value == "no-cache")));
}

#[test]
fn a_front_end_with_a_wrong_clock_delays_nothing_and_moves_no_mark() {
    let begin = now();
    let entries: Arc<Mutex<Vec<_>>> = Arc::new(Mutex::new(vec![entry("L0", begin - 10)]));
    let ahead = Arc::new(AtomicU64::new(0));
    let (shown, date) = (entries.clone(), ahead.clone());
    let raw = Raw::start(move |seen| {
        let reply = match seen.path.as_str() {
            "/audit/v1/logs" => Reply::page(&shown.lock().expect("entries"), seen),
            _ => Reply::status(404),
        };
        reply.with("date", http_date(now() + date.load(Ordering::Relaxed)))
    });
    // Wrong from the first answer on; right; wrong for as long as it likes; right again.
    ahead.store(7_200, Ordering::Relaxed);
    let host = host(&raw.base_url(), begin - 300);
    let gridwatch = host.start(&[]);
    let mut pushed = 1;
    for ahead_s in [7_200, 0, 3_600, 40_000, 0] {
        ahead.store(ahead_s, Ordering::Relaxed);
        for _ in 0..2 {
            entries.lock().expect("entries").push(entry(&format!("L{pushed}"), now()));
            pushed += 1;
            let pushed_at = now();
            until("the entry", || host.delivered().len() == pushed);
            assert!(now() - pushed_at <= 12, "{} s with a `Date` {ahead_s} s ahead", now() - pushed_at);
            let mark = host.status()["poll"]["watermark"].as_u64().expect("a watermark");
            assert!(mark <= now(), "the watermark is {} s ahead", mark - now());
        }
    }
    until("the status says how far behind", || {
        let poll = &host.status()["poll"];
        poll["watermark_behind_s"].as_i64().is_some_and(|s| (4..20).contains(&s)) && poll["clock_ahead_s"].is_i64()
    });
    terminate(gridwatch);
}

#[test]
fn a_clock_of_ours_that_is_hours_slow_reads_to_slacks_present() {
    // Slack's clock is the right one here, and ours three hours behind it.
    let clock = gridwatch_sim::SimClock::manual(now() + 10_800);
    let slack_now = clock.now_secs();
    let config = SimConfig { clock: clock.clone(), knobs: Knobs::unlimited(), ..SimConfig::default() };
    let slack = Slack::with(org(300, slack_now - 20_000, slack_now - 30), config);
    let host = host(&slack.base_url(), slack_now - 20_000);
    let gridwatch = host.start(&[]);
    until("Slack's present", || host.delivered().len() == 300);
    for n in 0..3 {
        clock.advance_ms(20_000);
        slack.push(vec![entry(&format!("Llater{n}"), clock.now_secs() - 8)]);
        clock.advance_ms(5_000);
        until("what happens then", || host.delivered().len() == 301 + n);
    }
    terminate(gridwatch);
    assert_eq!(slack.stats().errors.len(), 0, "{:?}", slack.stats().errors);
}
