//! The 29 ways in which Slack's Audit Logs API has broken pollers, each against the real binary and the simulator.
//!
//! A test fails when its guard is taken out. What holds for every request (each parameter once with every cursor, integer
//! times, known names) is checked by [`Slack::asked`] in all of them.

use gridwatch_sim::knobs::{ErrorBody, LastPage, OddTimes};
use gridwatch_sim::{FaultKind, Knobs, SimClock, SimConfig, When};
use gridwatch_stories::{Org, OrgPlan, SimEntry, generate};
use gridwatch_tests::host::{Host, Setup, ended, gridwatch, kill, terminate, until};
use gridwatch_tests::sim::{Asked, Slack, entry, ids_since, now, org, org_of};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Output;

const LIMIT: u64 = 50;
/// Length of the first window.
const SPAN: u64 = 3_600;

/// An hour and a bit of an org, up to two minutes ago: one window of many pages, and the rest.
fn busy(entries: u64) -> (u64, Org) {
    let to = now() - 120;
    let from = to - SPAN - 30;
    (from, org(entries, from, to))
}

fn host(slack: &Slack, start: u64) -> Host {
    Host::new(&setup(slack, start))
}

fn setup(slack: &Slack, start: u64) -> Setup {
    let lines = format!("settle = \"5s\"\noverlap = \"30s\"\ninterval = \"1s\"\npage_limit = {LIMIT}\n");
    Setup { slack: lines, ..Setup::new(&slack.base_url(), start) }
}

/// Every id exactly once, and none that isn't there.
fn assert_exactly_once(host: &Host, ids: &BTreeSet<String>) {
    let delivered = host.delivered();
    let lost: Vec<_> = ids.iter().filter(|id| !delivered.contains_key(*id)).collect();
    let twice: Vec<_> = delivered.iter().filter(|(_, times)| **times > 1).collect();
    let strange: Vec<_> = delivered.keys().filter(|id| !ids.contains(*id)).collect();
    assert!(lost.is_empty(), "{} of {} lost, such as {}", lost.len(), ids.len(), lost[0]);
    assert!(twice.is_empty(), "{} twice, such as {:?}", twice.len(), twice[0]);
    assert!(strange.is_empty(), "{} out of nowhere, such as {}", strange.len(), strange[0]);
}

/// The requests that began a walk.
fn first_pages(asked: &[Asked]) -> Vec<&Asked> {
    asked.iter().filter(|asked| asked.cursor.is_none()).collect()
}

fn watermark(host: &Host) -> u64 {
    host.status()["poll"]["watermark"].as_u64().expect("a watermark")
}

fn logs_requests(slack: &Slack) -> u64 {
    slack.stats().logs_requests
}

/// Runs until request `n` is on its way, which must be one that hangs, and kills.
fn kill_at_request(host: &Host, slack: &Slack, n: u64) {
    let running = host.start(&[]);
    until("a request that hangs", || logs_requests(slack) >= n);
    kill(running);
}

fn hang(n: u64) -> gridwatch_sim::Fault {
    FaultKind::SlowBody { ms: 60_000 }.at(When::Nth(vec![n]))
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Hazard 1: Newest first: taking the first entry of page 1 as the next `oldest` skips everything older. Slack's order plays no
/// part in where the next window begins.
#[test]
fn the_next_window_begins_where_the_last_one_ended() {
    let (from, org) = busy(600);
    let slack = Slack::start(org);
    let host = host(&slack, from);
    host.run_once_well();
    let asked = slack.asked();
    let walks = first_pages(&asked);
    assert_eq!((walks[0].oldest, walks[0].latest), (from, from + SPAN - 1));
    assert_eq!(walks[1].oldest, from + SPAN - 30, "the end of the first window, less the overlap");
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazard 2: Newest first and a watermark from the last page: the newer pages ship again and again until it converges.
#[test]
fn a_drained_window_is_not_walked_again() {
    let (from, org) = busy(600);
    let slack = Slack::start(org);
    let host = host(&slack, from);
    host.run_once_well();
    let first = slack.stats();
    let ids = slack.truth().ids;
    assert!(first.entries_served < ids.len() as u64 + 100, "only the overlap comes twice: {}", first.entries_served);
    host.until_time_has_passed();
    host.run_once_well();
    let again = slack.stats();
    assert!(again.logs_requests > first.logs_requests);
    assert_eq!(again.entries_served, first.entries_served, "two minutes without entries were read");
    assert_exactly_once(&host, &ids);
}

/// Hazard 3: Newest first and a watermark from the stored rows: a crash after page 1 of N loses pages 2 to N.
#[test]
fn a_crash_after_the_first_page_loses_no_later_page() {
    let (from, org) = busy(600);
    let slack = Slack::faulty(org, vec![hang(2)]);
    let host = host(&slack, from);
    kill_at_request(&host, &slack, 2);
    host.run_once_well();
    let asked = slack.asked();
    assert_eq!(asked[2], Asked { at_ms: asked[2].at_ms, ..asked[1].clone() }, "the page that was never received");
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazard 4: Newest first and a partial window kept on error: moving the mark over it loses the rest.
#[test]
fn a_failure_in_the_middle_of_a_window_is_tried_again_at_the_same_page() {
    let (from, org) = busy(600);
    let nth = |n| When::Nth(vec![n]);
    let faults = vec![
        FaultKind::Status { code: 500, body: String::new(), retry_after: None }.at(nth(3)),
        FaultKind::CutBody.at(nth(5)),
        FaultKind::DropConnection.at(nth(7)),
        FaultKind::GarbageBody.at(nth(9)),
    ];
    let slack = Slack::faulty(org, faults);
    let host = host(&slack, from);
    host.run_once_well();
    assert_eq!(slack.stats().faults.values().sum::<u64>(), 4);
    let asked = slack.asked();
    for failed in [3, 5, 7, 9] {
        let (failed, next) = (&asked[failed - 1], &asked[failed]);
        assert_eq!((failed.walk(), &failed.cursor), (next.walk(), &next.cursor));
    }
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazard 5: Newest first and a cap per run: old entries go on coming and now is never reached.
#[test]
fn a_long_catch_up_goes_forward_and_ends_at_now() {
    let to = now() - 120;
    let from = to - 3 * 86_400;
    let slack = Slack::start(org(2_000, from, to));
    let host = host(&slack, from);
    let began = now();
    host.run_once_well();
    let asked = slack.asked();
    let ends: Vec<u64> = first_pages(&asked).iter().map(|asked| asked.latest).collect();
    assert!(ends.len() > 10 && ends.is_sorted(), "{ends:?}");
    assert!(ends.last() >= Some(&(began - 5)), "{ends:?}");
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazard 6: A cursor without `oldest` pages through all history. The simulator's cursors, as Slack's, don't remember it.
#[test]
fn paging_stops_at_oldest() {
    let to = now() - 120;
    let history = org(1_500, to - 86_400, to);
    let entries = history.entries.clone();
    let slack = Slack::start(history);
    let from = to - 2 * SPAN;
    let host = host(&slack, from);
    host.run_once_well();
    let asked = slack.asked();
    assert!(asked.iter().filter(|asked| asked.cursor.is_some()).count() > 1, "more than one page");
    for pair in asked.windows(2).filter(|pair| pair[1].cursor.is_some()) {
        assert_eq!(pair[0].walk(), pair[1].walk(), "all parameters go with each cursor");
    }
    assert_exactly_once(&host, &ids_since(&entries, from));
}

/// Hazard 7: A cursor resumed with another window gives empty or wrong pages. Not even another limit goes with it.
#[test]
fn a_cursor_is_resumed_with_the_window_it_was_minted_in() {
    let (from, org) = busy(600);
    let slack = Slack::faulty(org, vec![hang(4)]);
    let host = host(&slack, from);
    kill_at_request(&host, &slack, 4);
    let other = "settle = \"9s\"\noverlap = \"45s\"\ninterval = \"1s\"\npage_limit = 70\nmax_window = \"20m\"\n";
    host.configure(&Setup { slack: other.into(), ..setup(&slack, from + 600) });
    host.run_once_well();
    let asked = slack.asked();
    let resumed = &asked[4];
    assert_eq!((resumed.walk(), &resumed.cursor), (asked[3].walk(), &asked[3].cursor));
    for pair in asked.windows(2).filter(|pair| pair[1].cursor.is_some()) {
        assert_eq!(pair[0].walk(), pair[1].walk());
    }
    assert_eq!(asked.last().map(|asked| asked.limit), Some(70), "later windows go by the new settings");
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazard 8: A cursor kept too long is answered with 400 for ever. The walk begins again, at its own window's `oldest`.
#[test]
fn an_expired_cursor_restarts_its_own_window() {
    let (from, org) = busy(600);
    let slack = Slack::faulty(org, vec![hang(4)]);
    let host = host(&slack, from);
    kill_at_request(&host, &slack, 4);
    // What a day of downtime does to the saved cursor, and a slow afternoon to another.
    slack.set_faults(vec![FaultKind::ExpireCursor.at(When::Nth(vec![5, 9]))]);
    host.run_once_well();
    assert_eq!(slack.stats().faults.get("expire_cursor"), Some(&2));
    let asked = slack.asked();
    for refused in [5, 9] {
        assert!(asked[refused - 1].cursor.is_some());
        assert_eq!((asked[refused].oldest, &asked[refused].cursor), (asked[0].oldest, &None));
    }
    // The second time its older half, in case cursors are never taken again.
    assert_eq!(asked[5].walk(), asked[0].walk());
    assert!(asked[9].latest < asked[0].latest, "{asked:?}");
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazard 9: A 400 means two things, and may say neither: with a cursor it is the cursor that goes, without one the window.
#[test]
fn a_400_without_a_body_costs_a_cursor_or_a_plan_by_what_was_sent() {
    let (from, org) = busy(600);
    let bare = || FaultKind::Status { code: 400, body: String::new(), retry_after: None };
    let faults = vec![bare().at(When::Nth(vec![1])), bare().at(When::Nth(vec![4]))];
    let knobs = Knobs { error_body: ErrorBody::Empty, ..Knobs::unlimited() };
    let slack = Slack::with(org, SimConfig { faults, knobs, ..SimConfig::default() });
    let host = host(&slack, from);
    let output = host.run_once();
    assert!(output.status.success(), "{}", text(&output));
    let blamed = |what: &str| text(&output).matches(what).count();
    assert_eq!(
        (blamed("problem=\"refused_without_reason\" advice"), blamed("no longer takes its cursor")),
        (1, 1),
        "{}",
        text(&output)
    );
    let asked = slack.asked();
    assert_eq!((asked[0].status, &asked[0].cursor, asked[3].status), (400, &None, 400));
    assert!(asked[3].cursor.is_some());
    assert_eq!((asked[1].oldest, asked[4].walk(), &asked[4].cursor), (from, asked[1].walk(), &None));
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazard 9: A refusal that no cursor explains is told with its code, and the next start asks again at once.
#[test]
fn a_400_that_no_restart_can_mend_is_told_and_asked_again_at_the_next_start() {
    let (from, org) = busy(100);
    let refusal = FaultKind::ApiError { error: "invalid_action".into() };
    let slack = Slack::faulty(org, vec![refusal.at(When::Nth(vec![1]))]);
    let host = host(&slack, from);
    let output = host.run_once();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("hint: look the code up"), "{}", text(&output));
    host.run_once_well();
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazards 10 and 26: One retired action name fails a whole list, and a list holds 30: no `action` is ever sent, so all there are
/// come, also those that no list has.
#[test]
fn every_action_is_read_without_a_filter() {
    let to = now() - 120;
    let from = to - SPAN;
    let plan = OrgPlan { from, to, users: 20, entries: Some(900), stories: false, seed: 3, ..OrgPlan::default() };
    let mut org = generate(&OrgPlan { every_action: true, around_the_clock: true, ..plan });
    let new = entry("11111111-2222-4333-8444-555555555555", to).json.replace("user_login", "brand_new_action");
    org.entries.push(SimEntry::from_wire(&new).expect("an entry"));
    let actions: BTreeSet<&str> = org.entries.iter().map(|entry| entry.action.as_str()).collect();
    assert!(actions.len() > 700, "{}", actions.len());
    let slack = Slack::start(org.clone());
    let host = host(&slack, from);
    host.run_once_well();
    slack.asked();
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazard 11: Inclusive `oldest`: the last second comes back with every poll, and an idle org alerts for ever.
#[test]
fn an_idle_org_delivers_nothing_again() {
    let at = now();
    let slack = Slack::start(org_of((0..5).map(|n| entry(&format!("e{n}"), at - 7)).collect()));
    let host = host(&slack, at - 60);
    let running = host.start(&[]);
    until("three polls that show the same again", || slack.stats().entries_served >= 20);
    terminate(running);
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazard 12: `oldest = last + 1` or skipping `date <= mark`: entries of the same second that are indexed after the read are lost.
#[test]
fn an_entry_indexed_later_in_a_second_already_read_is_delivered() {
    let at = now() - 15;
    let slack = Slack::start(org_of(vec![entry("early", at), entry("older", at - 20)]));
    let host = host(&slack, at - 60);
    host.run_once_well();
    let mark = watermark(&host);
    assert!(mark > at);
    // Beside what was read, on the watermark itself, and behind an empty second.
    slack.push(vec![entry("same-second", at), entry("on-the-mark", mark), entry("between", at - 10)]);
    host.until_time_has_passed();
    host.run_once_well();
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazard 13: Both bounds inclusive: an entry at the seam of two windows is on both.
#[test]
fn an_entry_on_the_seam_of_two_windows_is_delivered_once() {
    let from = now() - 3 * SPAN;
    let seam = from + SPAN - 1;
    let entries = (0..40).map(|n| entry(&format!("seam-{n}"), seam - 2 + n % 5)).collect();
    let slack = Slack::start(org_of(entries));
    let host = host(&slack, from);
    host.run_once_well();
    assert!(slack.stats().entries_served >= 60, "the seam was shown twice: {}", slack.stats().entries_served);
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazard 14: Only the first page: more than a page between two polls is lost.
#[test]
fn all_pages_of_a_window_are_read() {
    let (from, org) = busy(1_500);
    let in_window = org.entries.iter().filter(|entry| entry.date_create < from + SPAN).count() as u64;
    let slack = Slack::start(org);
    let host = host(&slack, from);
    host.run_once_well();
    let asked = slack.asked();
    let pages = asked.iter().filter(|page| page.walk() == asked[0].walk()).count() as u64;
    assert!(pages * (LIMIT + 10) >= in_window && pages > 20, "{pages} pages for {in_window} entries");
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazard 15: Fewer entries than `limit`, or none, are no end: only a missing cursor is.
#[test]
fn short_and_empty_pages_are_followed() {
    let (from, org) = busy(600);
    let faults = vec![FaultKind::EmptyPageWithCursor.at(When::Nth(vec![1, 4, 6]))];
    let knobs = Knobs { page_overflow: false, ..Knobs::unlimited() };
    let slack = Slack::with(org, SimConfig { faults, knobs, ..SimConfig::default() });
    let host = host(&slack, from);
    host.run_once_well();
    assert_eq!(slack.stats().faults.get("empty_page_with_cursor"), Some(&3));
    let asked = slack.asked();
    let starts = asked.iter().filter(|page| page.cursor.is_none() && page.walk() == asked[0].walk()).count();
    assert_eq!(starts, 1, "the walk went on instead of starting again");
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazard 16: A page larger than `limit`: a second is never split over two pages.
#[test]
fn a_second_with_more_entries_than_a_page_holds_is_read_whole() {
    for page_overflow in [true, false] {
        let to = now() - 120;
        let busiest = (0..400).map(|n| entry(&format!("busy-{n}"), to - 300));
        let around = (0..100).map(|n| entry(&format!("around-{n}"), to - 300 + n % 7 - 3));
        let knobs = Knobs { page_overflow, ..Knobs::unlimited() };
        let org = org_of(busiest.chain(around).collect());
        let slack = Slack::with(org, SimConfig { knobs, ..SimConfig::default() });
        let host = host(&slack, to - SPAN);
        host.run_once_well();
        assert_exactly_once(&host, &slack.truth().ids);
    }
}

/// Hazard 17: State saved before the fetch succeeded: the interval of a failed fetch is lost.
#[test]
fn a_crash_before_the_first_answer_leaves_the_window_to_be_asked_again() {
    let (from, org) = busy(200);
    let slack = Slack::faulty(
        org,
        vec![hang(1), FaultKind::Status { code: 503, body: String::new(), retry_after: None }.at(When::Nth(vec![2]))],
    );
    let host = host(&slack, from);
    kill_at_request(&host, &slack, 1);
    host.run_once_well();
    let asked = slack.asked();
    assert_eq!((asked[1].walk(), asked[2].walk()), (asked[0].walk(), asked[0].walk()));
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazard 18: A mark saved before delivery: what was not delivered yet is lost in a crash.
#[test]
fn what_was_drained_and_not_delivered_survives_a_crash() {
    let (from, org) = busy(1_500);
    let pages = org.entries.len() as u64 / LIMIT;
    let slack = Slack::faulty(org, vec![]);
    let host = host(&slack, from);
    // Around the moment at which the first window is drained: its entries are released and their delivery begins.
    for n in [pages - 4, pages, pages + 2] {
        let running = host.start(&[]);
        until("the next page", || logs_requests(&slack) >= n);
        kill(running);
    }
    host.run_once_well();
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazard 19: `next_cursor` may be empty, missing, null, or be missing with all of its parent.
#[test]
fn every_way_to_mark_the_last_page_ends_the_walk() {
    for last_page in [LastPage::EmptyString, LastPage::Missing, LastPage::Null, LastPage::NoMetadata] {
        let (from, org) = busy(130);
        let knobs = Knobs { last_page, ..Knobs::unlimited() };
        let slack = Slack::with(org, SimConfig { knobs, ..SimConfig::default() });
        let host = host(&slack, from);
        host.run_once_well();
        let asked = slack.asked();
        let pages = asked.iter().filter(|page| page.walk() == asked[0].walk()).count();
        assert_eq!(pages, 3, "{last_page:?}");
        assert_exactly_once(&host, &slack.truth().ids);
    }
}

/// Hazard 20: A cursor that isn't percent-encoded: its `=` and `+` break. The simulator's always hold both.
#[test]
fn cursors_are_percent_encoded() {
    let (from, org) = busy(300);
    let slack = Slack::start(org);
    let host = host(&slack, from);
    host.run_once_well();
    let cursors: Vec<String> = slack.asked().into_iter().filter_map(|asked| asked.cursor).collect();
    assert!(cursors.len() > 4);
    for cursor in cursors {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '%' | '-' | '_' | '.' | '~');
        assert!(cursor.chars().all(plain) && cursor.contains("%2B") && cursor.ends_with("%3D%3D"), "{cursor}");
    }
    assert_eq!(slack.stats().errors, BTreeMap::new());
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazard 21: Times as `1.566215192e+09`.
#[test]
fn times_are_plain_integers() {
    let (from, org) = busy(200);
    let knobs = Knobs { odd_times: OddTimes::Reject, ..Knobs::unlimited() };
    let slack = Slack::with(org, SimConfig { knobs, ..SimConfig::default() });
    let host = host(&slack, from);
    host.run_once_well();
    let asked = slack.asked();
    assert!(asked.iter().all(|a| a.oldest.to_string().len() == 10 && a.latest.to_string().len() == 10));
    assert_eq!(slack.stats().errors, BTreeMap::new());
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazard 22: A wrong parameter name is ignored: `count` for `limit` means pages of the default size, unnoticed.
#[test]
fn pages_are_as_large_as_was_asked() {
    let (from, org) = busy(400);
    let knobs = Knobs { default_limit: 3, ..Knobs::unlimited() };
    let slack = Slack::with(org, SimConfig { knobs, ..SimConfig::default() });
    let host = host(&slack, from);
    host.run_once_well();
    assert!(slack.asked().iter().all(|asked| asked.limit == LIMIT));
    let stats = slack.stats();
    assert!(stats.pages < 20, "{} pages for {} entries", stats.pages, stats.entries_served);
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazard 23: Strict types: shapes that have crashed clients, and some that nobody has seen yet.
#[test]
fn odd_types_are_delivered_as_valid_events_with_their_bytes() {
    let at = now() - 120;
    let whole = entry("whole", at).json;
    let with = |id: &str, from: &str, to: &str| {
        let json = whole.replace("\"whole\"", &format!("\"{id}\""));
        assert!(json.contains(from), "{from}");
        json.replacen(from, to, 1)
    };
    let context = |id, more: &str| with(id, "\"context\":{", &format!("\"context\":{{{more},"));
    let details = |id, details: &str| with(id, "\"context\":", &format!("\"details\":{details},\"context\":"));
    let entity = |id, entity: &str| {
        let start = whole.find("\"entity\":").expect("an entity");
        let end = whole.find(",\"context\":").expect("a context");
        with(id, &whole[start..end], &format!("\"entity\":{entity}"))
    };
    let deep = format!("{}1{}", "[".repeat(300), "]".repeat(300));
    let wire = [
        context("session-number", "\"session_id\":847288190092"),
        context("session-text", "\"session_id\":\"847288190092\""),
        context("session-null", "\"session_id\":null"),
        context("session-huge", "\"session_id\":340282366920938463463374607431768211456"),
        with("ip-empty", "198.51.100.7", ""),
        with("ip-strange", "198.51.100.7", "not an address"),
        details("new-value-text", "{\"new_value\":\"EXPIRE_ALL\",\"previous_value\":null}"),
        details("new-value-list", "{\"new_value\":[\"a\",\"b\"],\"previous_value\":[]}"),
        details("new-value-map", "{\"new_value\":{\"type\":[\"TOPLEVEL_ADMINS_AND_OWNERS\"]}}"),
        details("new-value-flag", "{\"new_value\":true,\"previous_value\":false}"),
        details("reason-list", "{\"reason\":[\"asn\",\"ip_address\"],\"action_timestamp\":1771234567890123}"),
        details("reason-text", "{\"reason\":\"legal\"}"),
        details("details-text", "\"none\""),
        details("details-deep", &deep),
        entity(
            "message",
            r#"{"type":"message","message":{"team":"T013F6J3M7J","channel":"C015GAUQ5UL","timestamp":"1595355000.000100"}}"#,
        ),
        entity("message-missing", r#"{"type":"message"}"#),
        entity("entity-null", "null"),
        entity("entity-new", r#"{"type":"hologram","hologram":{"id":"H1","size":1e400}}"#),
        with("actor-null", "\"actor\":{\"type\":\"user\"", "\"actor\":{\"type\":\"robot\""),
        with("more-keys", "\"action\":", "\"x_future\":{\"a\":[1,null,{\"k\":\"\\u00e9\\ud83d\\ude00\"}]},\"action\":"),
    ];
    let entries: Vec<SimEntry> = wire.iter().map(|json| SimEntry::from_wire(json).expect(json)).collect();
    let sent: BTreeMap<String, String> = entries.iter().map(|e| (e.id.clone(), e.json.clone())).collect();
    let slack = Slack::start(org_of(entries));
    let host = host(&slack, at - 600);
    host.run_once_well();
    assert_exactly_once(&host, &slack.truth().ids);
    assert_eq!(host.raw(), sent);
    for event in host.lines("events.ndjson") {
        let number = |key: &str| event[key].as_u64().unwrap_or_else(|| panic!("no {key}: {event}"));
        assert_eq!(number("type_uid"), number("class_uid") * 100 + number("activity_id"), "{event}");
        assert_eq!((number("class_uid") / 1000, number("time")), (number("category_uid"), at * 1000), "{event}");
        assert!(number("severity_id") <= 6 && event["metadata"]["version"] == "1.8.0", "{event}");
    }
}

/// Hazard 24: `ok` is missing in a success, and `ok: false` in a 200 is no empty last page.
#[test]
fn ok_is_not_expected_and_ok_false_is_no_page() {
    let (from, org) = busy(600);
    let refusal = FaultKind::OkFalse { error: "fatal_error".into() };
    let slack = Slack::faulty(org, vec![refusal.at(When::Nth(vec![3]))]);
    let host = host(&slack, from);
    host.run_once_well();
    let asked = slack.asked();
    assert_eq!((asked[2].status, asked[3].walk()), (200, asked[2].walk()), "the same window goes on");
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazard 25: The quota is the organization's: others use it up. A `Retry-After` is waited out to the second; where it is
/// missing there is a pause all the same.
#[test]
fn a_429_is_waited_out() {
    let (from, org) = busy(300);
    let bare = FaultKind::Status { code: 429, body: String::new(), retry_after: None };
    let faults = vec![FaultKind::RateLimit { retry_after: 3 }.at(When::Nth(vec![3])), bare.at(When::Nth(vec![5]))];
    let slack = Slack::faulty(org, faults);
    let host = host(&slack, from);
    host.run_once_well();
    let asked = slack.asked();
    for (refused, least_ms) in [(3, 2_990), (5, 990)] {
        let (refused, next) = (&asked[refused - 1], &asked[refused]);
        assert_eq!(refused.status, 429);
        assert!(next.at_ms - refused.at_ms >= least_ms, "asked again after {} ms", next.at_ms - refused.at_ms);
        assert_eq!((refused.walk(), &refused.cursor), (next.walk(), &next.cursor));
    }
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazard 27: Variables overwritten before the call: the bounds sent are those meant. Together the windows cover all time from
/// `start` on without a hole.
#[test]
fn the_windows_sent_cover_all_time_without_a_hole() {
    let to = now() - 120;
    let from = to - 12 * SPAN;
    let slack = Slack::start(org(900, from, to));
    let host = host(&slack, from);
    let began = now();
    host.run_once_well();
    let asked = slack.asked();
    let walks = first_pages(&asked);
    assert_eq!(walks[0].oldest, from);
    for pair in walks.windows(2) {
        assert!(pair[1].oldest <= pair[0].latest + 1, "a hole: {pair:?}");
        assert!(pair[1].latest > pair[0].latest, "no progress: {pair:?}");
    }
    assert!(walks.last().is_some_and(|last| last.latest >= began - 5));
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazard 28: The token in logs. Everything logs everything here, and things go wrong.
#[test]
fn the_token_is_in_its_file_and_nowhere_else() {
    const TOKEN: &str = "xoxp-2718281828-3141592653-very-secret-token-0123456789abcdef";
    let (from, org) = busy(100);
    let nth = |n| When::Nth(vec![n]);
    let faults = vec![
        FaultKind::DropConnection.at(nth(2)),
        FaultKind::ExpireCursor.at(nth(3)),
        FaultKind::Unauthorized.at(nth(20)),
    ];
    let config = SimConfig { token: Some(TOKEN.into()), knobs: Knobs::unlimited(), faults, ..SimConfig::default() };
    let slack = Slack::with(org, config);
    let host = host(&slack, from);
    std::fs::write(host.path("token"), TOKEN).expect("token");
    let run = |args: &[&str]| {
        let output = ended(gridwatch().args(args).arg("--config").arg(host.path("gridwatch.toml")));
        (output.status.code(), text(&output))
    };
    let loud = ["run", "--once", "--log", "trace"];
    let mut told = vec![run(&loud)];
    assert_eq!(told[0].0, Some(0), "{}", told[0].1);
    assert_exactly_once(&host, &slack.truth().ids);
    slack.set_token(Some("xoxp-another".into()));
    host.until_time_has_passed();
    told.push(run(&loud));
    assert_eq!(told[1].0, Some(1), "401");
    told.push(run(&["check"]));
    let unreachable = Setup { base_url: "http://127.0.0.1:1".into(), ..setup(&slack, from) };
    host.configure(&unreachable);
    std::fs::write(host.path("token"), TOKEN).expect("token");
    std::fs::remove_dir_all(host.path("state/store")).expect("store");
    let running = host.start(&["--log", "trace"]);
    until("a request that fails", || host.log().contains("unreachable"));
    terminate(running);
    host.configure(&Setup { slack: format!("token = \"{TOKEN}\""), ..setup(&slack, from) });
    told.push(run(&["check"]));
    assert_eq!(told[3].0, Some(2), "a token in the configuration itself: {}", told[3].1);
    std::fs::remove_file(host.path("gridwatch.toml")).expect("configuration");
    std::fs::remove_file(host.path("token")).expect("token");
    for (_, text) in &told {
        assert!(!text.contains("very-secret"), "the token is in the output");
    }
    assert!(told[0].1.contains("DEBUG gridwatch"), "everything was logged: {}", told[0].1);
    for file in files(&host.path(".")) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        let found = bytes.windows(11).any(|window| window == b"very-secret");
        assert!(!found, "the token is in {}", file.display());
    }
}

/// All files in a folder and those in it, links apart.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry"));
    let (dirs, files): (Vec<_>, Vec<_>) = entries.partition(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    dirs.iter().flat_map(|dir| self::files(&dir.path())).chain(files.iter().map(|file| file.path())).collect()
}

/// Hazard 29: `latest` in the future is refused. Slack's clock rules, not ours: here it is ten minutes behind ours.
#[test]
fn a_slack_whose_clock_is_behind_ours_is_not_asked_for_its_future() {
    let slack_now = now() - 600;
    let clock = SimClock::manual(slack_now);
    let from = slack_now - SPAN - 1_200;
    let org = org(300, from, slack_now - 60);
    let config = SimConfig { clock: clock.clone(), knobs: Knobs::unlimited(), ..SimConfig::default() };
    let slack = Slack::with(org, config);
    let host = host(&slack, from);
    let running = host.start(&[]);
    until("all that can be read", || slack.truth().shown.len() == slack.truth().ids.len());
    // Slack's time goes on, and something happens in it.
    for n in 0..4 {
        clock.advance_ms(10_000);
        slack.push(vec![entry(&format!("later-{n}"), clock.now_secs() - 1)]);
        let before = logs_requests(&slack);
        until("a poll", || logs_requests(&slack) > before);
    }
    clock.advance_ms(20_000);
    until("the last entries", || host.delivered().len() == slack.truth().ids.len());
    terminate(running);
    assert_eq!(slack.stats().errors, BTreeMap::new(), "no invalid_range at all");
    assert!(slack.asked().iter().all(|asked| asked.latest <= asked.at_ms / 1000));
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazard 29: The first question is asked before Slack's clock is known: it is refused once, and then the answer's `Date` is.
#[test]
fn a_first_window_in_slacks_future_is_planned_again() {
    let slack_now = now() - 600;
    let clock = SimClock::manual(slack_now);
    let slack = Slack::with(
        org_of(vec![entry("recent", slack_now - 20)]),
        SimConfig { clock: clock.clone(), knobs: Knobs::unlimited(), ..SimConfig::default() },
    );
    let host = host(&slack, slack_now - 300);
    let running = host.start(&[]);
    until("the entry", || host.delivered().len() == 1);
    terminate(running);
    assert!(slack.stats().errors.get("invalid_range").is_none_or(|times| *times <= 2), "{:?}", slack.stats().errors);
    assert_exactly_once(&host, &slack.truth().ids);
}

/// Hazard 29: Ours is behind by ten minutes: nothing of Slack's last minutes is lost, only read once two of its answers agree.
#[test]
fn a_slack_whose_clock_is_ahead_of_ours_is_read_to_its_present() {
    let clock = SimClock::manual(now() + 600);
    let slack_now = clock.now_secs();
    let org = org(300, slack_now - SPAN, slack_now - 30);
    let config = SimConfig { clock, knobs: Knobs::unlimited(), ..SimConfig::default() };
    let slack = Slack::with(org, config);
    let host = host(&slack, slack_now - SPAN);
    let running = host.start(&[]);
    until("Slack's present", || host.delivered().len() == slack.truth().ids.len());
    terminate(running);
    assert_eq!(slack.stats().errors, BTreeMap::new());
    assert_exactly_once(&host, &slack.truth().ids);
}
