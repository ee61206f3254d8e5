//! Windows by example: what each kind counts, conditions, late events, bounds. [`super::model_tests`] has the properties.

use super::*;
use crate::directory::Directory;
use gridwatch_event::entry::Entry;
use gridwatch_event::network::Networks;
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::Manifest;

/// Windows as a manifest declares them, with what they are read with.
pub(super) struct Watched {
    pub(super) windows: Windows,
    pub(super) positions: Vec<usize>,
    pub(super) directory: Directory,
    pub(super) networks: Networks,
}

/// A manifest with these `[[window]]` tables, and settings that thresholds may come from.
pub(super) fn manifest(tables: &str) -> Manifest {
    let text = format!(
        r#"
        name = "m"
        version = "1.0.0"
        abi = "gridwatch:detect@1"
        title = "t"
        fields = ["action"]
        {tables}
        [[rule]]
        id = "r"
        title = "r"
        actions = ["*"]
        condition = "c"
        threshold = "t"
        severity = "low"
        fold = "24h"
        attack = []
        playbook = {{ verify = [{{ do = "ask" }}], contain = [{{ do = "reset" }}] }}
        [config.many]
        type = "integer"
        help = "h"
        default = 3
        min = 1
        max = 100
    "#
    );
    Manifest::parse(&text).unwrap_or_else(|e| panic!("{e}"))
}

/// One window keyed by the actor.
pub(super) fn window(kind: &str, actions: &[&str], span: &str) -> String {
    format!("[[window]]\nname = \"w\"\nkind = {kind}\nactions = {actions:?}\nkey = [\"actor.id\"]\nspan = \"{span}\"\n")
}

pub(super) fn windows(tables: &str) -> Watched {
    Watched::of(&manifest(tables))
}

impl Watched {
    pub(super) fn of(manifest: &Manifest) -> Self {
        let mut windows = Windows::default();
        windows.declare(&manifest.name, &manifest.windows);
        let positions = windows.positions(&manifest.name, &manifest.windows);
        Self { windows, positions, directory: Directory::default(), networks: Networks::default() }
    }

    /// Feeds an event and reads every window.
    pub(super) fn read_all(&mut self, event: &Event) -> Vec<u64> {
        self.directory.learn(event);
        let reading = Reading::of(event, &self.directory, &self.networks);
        self.windows.feed(&reading);
        self.positions.iter().map(|at| self.windows.value(*at, &reading)).collect()
    }

    /// Feeds an event and reads the last window.
    pub(super) fn read(&mut self, event: &Event) -> u64 {
        self.read_all(event).pop().unwrap()
    }

    /// Slack's ids of the last window's evidence.
    pub(super) fn evidence(&self, event: &Event, max: usize) -> Vec<String> {
        let reading = Reading::of(event, &self.directory, &self.networks);
        let stubs = self.windows.evidence(*self.positions.last().unwrap(), &reading, max);
        stubs.iter().map(|stub| stub.id.clone()).collect()
    }

    /// Keys and hits of the last window.
    fn size(&self) -> (usize, usize) {
        let size = *self.windows.sizes().last().unwrap();
        (size.keys, size.hits)
    }
}

pub(super) fn event(seq: u64, time: u64, action: &str, actor: &str, ip: &str) -> Event {
    let raw = format!(
        r#"{{"id":"id-{seq}","date_create":{time},"action":"{action}","actor":{{"type":"user","user":{{"id":"{actor}"}}}},
            "context":{{"ip_address":"{ip}"}}}}"#
    );
    Event::new(seq, UnixMillis(0), &Entry::from_json(&raw))
}

/// With an entity and a user agent too.
fn act(seq: u64, time: u64, action: &str, actor: &str, entity: &str, ip: &str) -> Event {
    let raw = format!(
        r#"{{"id":"id-{seq}","date_create":{time},"action":"{action}","actor":{{"type":"user","user":{{"id":"{actor}"}}}},
            "entity":{{"type":"file","file":{{"id":"{entity}"}}}},"context":{{"ip_address":"{ip}","ua":"curl/8"}}}}"#
    );
    Event::new(seq, UnixMillis(0), &Entry::from_json(&raw))
}

const COUNT: &str = "\"count\"";
const DISTINCT_IP: &str = "\"distinct\"\nof = \"context.ip_address\"";
const FIRST: &str = "\"first_seen\"\nlearn = \"100s\"";
const FAILED: &[&str] = &["user_login_failed"];
const LOGIN: &[&str] = &["user_login"];

/// Feeds failures of one actor at these times, in this order, and reads each one's value.
fn values(watched: &mut Watched, times: &[u64]) -> Vec<u64> {
    let fed = times.iter().enumerate().map(|(i, t)| event(i as u64 + 1, *t, "user_login_failed", "W1", "1.1.1.1"));
    fed.map(|e| watched.read(&e)).collect()
}

#[test]
fn a_count_slides_with_event_time() {
    let mut w = windows(&window(COUNT, FAILED, "60s"));
    assert_eq!(values(&mut w, &[1000, 1000, 1059, 1060, 1200]), [1, 2, 3, 2, 1]);
}

#[test]
fn a_late_event_sees_the_burst_it_completes() {
    let mut w = windows(&window(COUNT, FAILED, "60s"));
    // The third event is the middle of a burst; a count that only looked back would say 2.
    assert_eq!(values(&mut w, &[1000, 1040, 1020]), [1, 2, 3]);
}

#[test]
fn a_burst_completed_late_counts_as_much_as_one_in_order() {
    let times = [1000, 1010, 1020, 1030, 1045, 1100];
    let most = |order: &[usize]| {
        let mut w = windows(&window(COUNT, FAILED, "60s"));
        values(&mut w, &order.iter().map(|i| times[*i]).collect::<Vec<_>>()).into_iter().max()
    };
    assert_eq!(most(&[0, 1, 2, 3, 4, 5]), Some(5));
    for late in 0..5 {
        let mut order: Vec<usize> = (0..6).filter(|i| *i != late).collect();
        order.push(late);
        assert_eq!(most(&order), Some(5), "entry {late} came last");
    }
}

#[test]
fn distinct_counts_values_not_events() {
    let mut w = windows(&window(DISTINCT_IP, LOGIN, "60s"));
    let ips = ["1.1.1.1", "1.1.1.1", "2.2.2.2", "", "1.1.1.1"];
    let seen: Vec<u64> = ips
        .iter()
        .enumerate()
        .map(|(i, ip)| {
            let e = event(i as u64, 1000 + i as u64, "user_login", "W1", ip);
            w.read(&e)
        })
        .collect();
    assert_eq!(seen, [1, 1, 2, 2, 2]);
}

#[test]
fn an_event_does_not_see_itself_as_seen() {
    let mut w = windows(&window(FIRST, LOGIN, "1000s"));
    let mut read = |seq, time, actor| {
        let e = event(seq, time, "user_login", actor, "");
        w.read(&e)
    };
    assert_eq!(read(1, 1000, "W1"), LEARNING, "nothing is known yet");
    assert_eq!(read(2, 1050, "W1"), 1_000_000);
    assert_eq!(read(3, 1100, "W2"), NEVER, "the learning time is over");
    assert_eq!(read(4, 1200, "W2"), 1_100_000);
    assert_eq!(read(5, 2300, "W2"), NEVER, "unseen for a whole span");
}

#[test]
fn last_seen_is_the_event_before() {
    let mut w = windows(&window("\"last_seen\"", LOGIN, "500s"));
    let mut read = |seq, time| {
        let e = event(seq, time, "user_login", "W1", "");
        w.read(&e)
    };
    assert_eq!([read(1, 1000), read(2, 1100), read(3, 1700)], [NEVER, 1_000_000, NEVER]);
}

const FAILED_THEN_IN: &str = r#"
    [[window]]
    name = "w"
    kind = "sequence"
    steps = [{ actions = ["user_login_failed"], at_least = 3 }, { actions = ["user_login"] }]
    key = ["actor.id"]
    span = "600s"
"#;

#[test]
fn a_sequence_counts_completed_steps() {
    let mut w = windows(FAILED_THEN_IN);
    let mut read = |seq, time, action| {
        let e = event(seq, time, action, "W1", "");
        w.read(&e)
    };
    assert_eq!(read(1, 1000, "user_login"), 0, "a success before the failures is no step");
    assert_eq!([2, 3, 4].map(|s| read(s, 1000 + s, "user_login_failed")), [0, 0, 1]);
    assert_eq!(read(5, 1100, "user_login"), 2);
    assert_eq!(read(6, 9000, "user_login"), 0, "too late");
}

#[test]
fn a_sequence_is_completed_by_a_late_step_too() {
    let mut w = windows(FAILED_THEN_IN);
    let order =
        [(1000, "user_login_failed"), (1010, "user_login_failed"), (1100, "user_login"), (1020, "user_login_failed")];
    let mut last = None;
    for (i, (time, action)) in order.into_iter().enumerate() {
        let e = event(i as u64 + 1, time, action, "W1", "");
        last = Some((w.read(&e), w.evidence(&e, 50).len()));
    }
    assert_eq!(last, Some((2, 4)), "two steps, with all four events as evidence");
}

#[test]
fn evidence_is_what_was_counted() {
    let mut w = windows(&window(COUNT, FAILED, "60s"));
    values(&mut w, &[100, 1000, 1010, 1020]);
    let last = event(4, 1020, "user_login_failed", "W1", "1.1.1.1");
    assert_eq!(w.evidence(&last, 50), ["id-2", "id-3", "id-4"]);
    assert_eq!(w.evidence(&last, 2), ["id-3", "id-4"]);
}

#[test]
fn an_absent_key_is_no_group() {
    let mut w = windows(&window(COUNT, FAILED, "60s"));
    let e = event(1, 1000, "user_login_failed", "", "");
    assert_eq!(w.read(&e), 0);
}

#[test]
fn expiry_frees_memory_and_changes_no_value() {
    let mut w = windows(&window(COUNT, FAILED, "60s"));
    values(&mut w, &[1000, 1001]);
    w.read(&event(9, 1000 + LATE_S + 3_800, "user_login_failed", "W2", ""));
    let late = event(10, 1002, "user_login_failed", "W1", "");
    let before = w.read(&late);
    assert_eq!(before, 0, "it is too late to count");
    assert_eq!(w.size(), (1, 1), "only the newer actor is left");
    let saved = w.windows.take_changes();
    let mut again = windows(&window(COUNT, FAILED, "60s"));
    saved.iter().filter_map(StateOp::row).for_each(|page| again.windows.load(page).unwrap());
    assert_eq!(again.size(), (1, 1), "and nothing else comes back");
}

#[test]
fn one_key_keeps_at_most_its_cap() {
    let mut w = windows(&window(COUNT, FAILED, "24h"));
    let seen = values(&mut w, &(0..MAX_HITS as u64 + 50).map(|i| 1000 + i).collect::<Vec<_>>());
    assert_eq!(seen.last(), Some(&(MAX_HITS as u64)));
    assert_eq!(w.size().1, MAX_HITS);
}

#[test]
fn a_flood_of_made_up_actors_keeps_the_newest_keys() {
    let (mut w, most) = (windows(&window(FIRST, LOGIN, "24h")), 5_000);
    w.windows.table.max_keys = most;
    for i in 0..(most as u64 + 10) {
        // One of them comes again and again.
        w.read(&event(2 * i, 1000 + i / 100, "user_login", "W0", ""));
        w.read(&event(2 * i + 1, 1000 + i / 100, "user_login", &format!("W{i}"), ""));
    }
    assert!(w.size().0 <= most);
    for actor in [format!("W{}", most + 9), "W0".to_owned()] {
        let again = event(9_999_999, 1000 + most as u64 / 100, "app_installed", &actor, "");
        assert_ne!(w.read(&again), NEVER);
    }
}

#[test]
fn a_late_sighting_of_a_value_seen_again_since_still_reads_the_stretch() {
    let mut w = windows(&window(DISTINCT_IP, LOGIN, "60s"));
    for (seq, time, ip) in [(1, 1010, "1.1.1.1"), (2, 1020, "2.2.2.2"), (3, 1030, "3.3.3.3")] {
        w.read(&event(seq, time, "user_login", "W1", ip));
    }
    assert_eq!(w.read(&event(4, 1000, "user_login", "W1", "1.1.1.1")), 3);
}

#[test]
fn a_value_seen_again_is_still_in_the_older_stretch() {
    let mut w = windows(&window(DISTINCT_IP, LOGIN, "60s"));
    for (seq, time, ip) in [(1, 1000, "1.1.1.1"), (2, 1010, "2.2.2.2"), (3, 1900, "1.1.1.1"), (4, 1900, "2.2.2.2")] {
        w.read(&event(seq, time, "user_login", "W1", ip));
    }
    assert_eq!(w.read(&event(5, 1020, "user_login", "W1", "3.3.3.3")), 3);
}

#[test]
fn repetitions_do_not_push_out_other_values() {
    let mut w = windows(&window(DISTINCT_IP, LOGIN, "24h"));
    (0..9).for_each(|i| _ = w.read(&event(i, 1000 + i, "user_login", "W1", &format!("10.0.0.{i}"))));
    let mut last = 0;
    for i in 0..2 * MAX_HITS as u64 {
        last = w.read(&event(100 + i, 2000 + i, "user_login", "W1", "9.9.9.9"));
        assert!(w.size().1 <= MAX_HITS);
    }
    assert_eq!(last, 10);
}

#[test]
fn conditions_on_fields_decide_what_feeds() {
    let table = |conditions: &str| format!("{}{conditions}\n", window(COUNT, &["file_downloaded"], "1h"));
    let fed = |conditions: &str, entity: &str| {
        windows(&table(conditions)).read(&act(1, 1000, "file_downloaded", "W1", entity, "198.51.100.1"))
    };
    for (conditions, entity, want) in [
        (r#"only = { "entity.id" = ["F1", "F2"] }"#, "F2", 1),
        (r#"only = { "entity.id" = ["F1", "F2"] }"#, "F3", 0),
        (r#"not = { "entity.id" = ["F1"] }"#, "F1", 0),
        (r#"not = { "entity.id" = ["F1"] }"#, "", 1),
        (r#"only = { "entity.id" = [""] }"#, "", 1),
        (r#"only = { "entity.id" = [""] }"#, "F1", 0),
        (r#"only = { "entity.id" = ["*"] }"#, "", 0),
        (r#"only = { "entity.id" = ["*"] }"#, "F1", 1),
        (r#"only = { "entity.id" = ["F*"] }"#, "F1", 1),
        (r#"only = { "entity.id" = ["F*"] }"#, "G1", 0),
        (r#"only = { "entity.id" = ["*.pem"] }"#, "key.pem", 1),
        (r#"only = { "entity.id" = ["*key*"] }"#, "my key.txt", 1),
        (r#"only = { "context.client" = ["script/*"] }"#, "F1", 1),
        (r#"only = { "context.network" = ["198.51.100.0/24"], "actor.role" = ["unknown"] }"#, "F1", 1),
        (r#"only = { "actor.role" = ["admin"] }"#, "F1", 0),
    ] {
        assert_eq!(fed(conditions, entity), want, "{conditions} with `{entity}`");
    }
}

const NEW_NETWORK_THEN_EXPORT: &str = r#"
    [[window]]
    name = "networks"
    kind = "first_seen"
    actions = ["user_login"]
    key = ["actor.id", "context.network"]
    span = "90d"
    learn = "1h"
    [[window]]
    name = "w"
    kind = "sequence"
    steps = [
      { actions = ["user_login"], when = { window = "networks", is = "never" } },
      { actions = ["manual_export_started"] },
    ]
    key = ["actor.id"]
    span = "60m"
"#;

#[test]
fn what_one_window_says_can_be_a_step_of_another() {
    let mut w = windows(NEW_NETWORK_THEN_EXPORT);
    let mut read = |seq, time, action, ip| w.read(&event(seq, time, action, "W1", ip));
    read(1, 0, "app_installed", "10.0.0.1");
    assert_eq!(read(2, 10, "user_login", "10.0.0.1"), 0, "learning");
    assert_eq!(read(3, 5_000, "user_login", "10.0.1.1"), 1, "a new network");
    assert_eq!(read(4, 5_100, "user_login", "10.0.1.9"), 0, "the same network again is no new one");
    assert_eq!(read(5, 5_200, "manual_export_started", "10.0.1.9"), 2);
    assert_eq!(read(6, 99_000, "manual_export_started", "10.0.1.9"), 0);
}

#[test]
fn users_that_were_tried_often_can_be_counted() {
    let tables = r#"
        [[window]]
        name = "tries"
        kind = "count"
        actions = ["user_login_failed"]
        key = ["context.ip_address", "actor.id"]
        span = "60m"
        [[window]]
        name = "w"
        kind = "distinct"
        of = "actor.id"
        actions = ["user_login_failed"]
        when = [{ window = "tries", at_least = 2 }, { window = "tries", below = "many" }]
        key = ["context.ip_address"]
        span = "60m"
    "#;
    let run = |manifest: &Manifest, actors: &[&str]| {
        let mut w = Watched::of(manifest);
        let reads = actors.iter().zip(1..);
        reads.map(|(actor, i)| w.read(&event(i, 1000 + i, "user_login_failed", actor, "10.0.0.1"))).last().unwrap()
    };
    let manifest = manifest(tables);
    assert_eq!(run(&manifest, &["W1", "W2", "W1", "W3", "W2", "W4"]), 2, "W1 and W2 twice");
    assert_eq!(run(&manifest, &["W1", "W1", "W1"]), 1, "the second try counted, the third is one too many");
    let eager = manifest.with_settings(&serde_json::json!({"many": 2}));
    assert_eq!(run(&eager, &["W1", "W1", "W1"]), 0, "by the setting no number is below 2 and at least 2");
}

#[test]
fn steps_may_have_keys_of_their_own() {
    let mut w = windows(
        r#"
        [[window]]
        name = "w"
        kind = "sequence"
        steps = [
          { actions = ["role_change_to_admin"], key = ["entity.id"] },
          { actions = ["manual_export_started"], key = ["actor.id"] },
        ]
        span = "24h"
    "#,
    );
    assert_eq!(w.read(&act(1, 1000, "role_change_to_admin", "W1", "W2", "")), 1);
    assert_eq!(w.read(&act(2, 1100, "manual_export_started", "W1", "E1", "")), 0, "the granter is not the granted");
    let used = act(3, 1200, "manual_export_started", "W2", "E1", "");
    assert_eq!(w.read(&used), 2);
    assert_eq!(w.evidence(&used, 50), ["id-1", "id-3"]);
    assert_eq!(w.read(&act(4, 1200, "user_login", "W2", "W2", "")), 0, "no step, and no key to read by");
}

#[test]
fn events_that_take_no_step_read_a_sequence_if_it_says_by_what() {
    for (read_key, want) in [("", 0), ("read_key = [\"actor.id\"]", 2)] {
        let mut w = windows(&format!("{FAILED_THEN_IN}{read_key}"));
        (1..4).for_each(|i| _ = w.read(&event(i, 1000, "user_login_failed", "W1", "")));
        w.read(&event(4, 1001, "user_login", "W1", ""));
        assert_eq!(w.read(&event(5, 1002, "anomaly", "W1", "")), want, "{read_key}");
    }
}

#[test]
fn one_event_may_take_steps_under_two_keys() {
    // Who was made admin makes the next one admin: a step for both.
    let mut w = windows(
        r#"
        [[window]]
        name = "w"
        kind = "sequence"
        steps = [
          { actions = ["role_change_to_admin"], key = ["entity.id"] },
          { actions = ["role_change_to_admin"], key = ["actor.id"] },
        ]
        span = "24h"
    "#,
    );
    assert_eq!(w.read(&act(1, 1000, "role_change_to_admin", "W1", "W2", "")), 1);
    assert_eq!(w.read(&act(2, 1100, "role_change_to_admin", "W2", "W3", "")), 2, "W2's second step, W3's first");
    assert_eq!(w.read(&act(3, 1200, "role_change_to_admin", "W3", "W4", "")), 2);
}

const NEW_ADMIN_DOWNLOADS: &str = r#"
    [[window]]
    name = "w"
    kind = "sequence"
    steps = [
      { actions = ["user_login"] },
      { actions = ["file_downloaded"], distinct = "entity.id", at_least = "many" },
    ]
    key = ["actor.id"]
    span = "24h"
"#;

#[test]
fn a_step_can_count_distinct_values() {
    let mut w = windows(NEW_ADMIN_DOWNLOADS);
    let mut read = |seq, action, entity| w.read(&act(seq, 1000 + seq, action, "W1", entity, ""));
    assert_eq!(read(1, "user_login", "W1"), 1);
    let files = ["F1", "F2", "F1", "F2", "F3"];
    let seen: Vec<u64> = files.iter().zip(2..).map(|(file, seq)| read(seq, "file_downloaded", file)).collect();
    assert_eq!(seen, [1, 1, 0, 0, 2], "a repetition is no part of the chain");
    assert_eq!(w.evidence(&act(6, 1006, "file_downloaded", "W1", "F3", ""), 50), ["id-1", "id-2", "id-3", "id-6"]);
}

#[test]
fn repetitions_do_not_push_out_a_step() {
    let mut w = windows(NEW_ADMIN_DOWNLOADS);
    let mut read = |seq: u64, action, entity: &str| w.read(&act(seq, 1000 + seq, action, "W1", entity, ""));
    read(1, "user_login", "W1");
    read(2, "file_downloaded", "F1");
    (3..2_000).for_each(|seq| _ = read(seq, "file_downloaded", "F2"));
    assert_eq!(read(2_000, "file_downloaded", "F3"), 2);
    assert!(w.size().1 <= MAX_HITS);
}

const USUAL_DOWNLOADS: &str = r#"
    [[window]]
    name = "w"
    kind = "baseline"
    of = "entity.id"
    bucket = "1h"
    percentile = 50
    actions = ["file_downloaded"]
    key = ["actor.id"]
    span = "28d"
    learn = "2d"
"#;

#[test]
fn a_baseline_is_what_was_usual_before_this_hour() {
    let mut w = windows(USUAL_DOWNLOADS);
    let (mut seq, day) = (0, 86_400);
    let mut hour = |w: &mut Watched, at: u64, files: u64| {
        let reads = (0..files).map(|file| {
            seq += 1;
            w.read(&act(seq, at + file, "file_downloaded", "W1", &format!("F{file}"), ""))
        });
        reads.last().unwrap()
    };
    assert_eq!(hour(&mut w, 0, 4), NOT_YET);
    assert_eq!(hour(&mut w, day, 8), NOT_YET);
    assert_eq!(hour(&mut w, 2 * day, 50), 4, "the median of 4 and 8; the hour itself doesn't count");
    assert_eq!(hour(&mut w, 2 * day + 3_600, 1), 8, "of 4, 8 and 50");
    assert_eq!(hour(&mut w, 30 * day, 1), 1, "of 1 and 50: the first two are out of the span");
    let sleeper = act(9_999, 30 * day, "file_downloaded", "W2", "F1", "");
    assert_eq!(w.read(&sleeper), 0, "somebody who never did");
}

/// What three windows of gridwatch 0.1.0 had counted: each line the key and the value of a page.
const PAGES_OF_VERSION_2: &str = include_str!("pages_of_version_2.txt");

#[test]
fn pages_of_before_are_read() {
    let tables = format!(
        "{}{}{}",
        USUAL_DOWNLOADS,
        USUAL_DOWNLOADS.replace("\"w\"", "\"plain\"").replace("of = \"entity.id\"\n", ""),
        window(COUNT, &["file_downloaded"], "1h").replace("\"w\"", "\"hits\"")
    );
    let mut w = windows(&tables);
    let bytes = |hex: &str| -> Vec<u8> {
        let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    };
    for (key, value) in PAGES_OF_VERSION_2.lines().filter_map(|line| line.split_once(' ')) {
        w.windows.load(crate::state::StateRow::open(&bytes(key), &bytes(value)).unwrap()).unwrap();
    }
    // Who feeds nothing reads what was saved; the next download reads what that build would have said of it.
    let (seq, at) = (24, 12 * 86_400 + 10_800);
    assert_eq!(w.read_all(&act(seq, at, "user_login", "W1", "F1", "1.1.1.1")), [4, 5, 4]);
    assert_eq!(w.read_all(&act(seq + 1, at, "file_downloaded", "W1", "F1", "1.1.1.1")), [4, 5, 5]);
    // What it counts from now on is saved anew and read again.
    w.windows.journal.is_outdated = true;
    let saved = w.windows.take_changes();
    let mut again = windows(&tables);
    saved.iter().filter_map(StateOp::row).for_each(|page| again.windows.load(page).unwrap());
    assert_eq!(again.read_all(&act(seq + 2, at, "file_downloaded", "W1", "F1", "1.1.1.1")), [4, 5, 6]);
}

/// Files of two weeks against those of two weeks before: now, usual, periods.
fn fortnights(more: &str) -> String {
    let one = |name: &str, says: &str, more: &str| {
        format!(
            "[[window]]\nname = {name:?}\nkind = \"baseline\"\nsays = {says:?}\nof = \"entity.id\"\nbucket = \"1d\"\n\
             period = \"14d\"\nactions = [\"file_downloaded\"]\nkey = [\"actor.id\"]\nspan = \"112d\"\n{more}\n"
        )
    };
    one("now", "now", "") + &one("usual", "usual", more) + &one("periods", "periods", more)
}

/// So many new files on each of these days, and what the last event reads.
fn days(w: &mut Watched, days: std::ops::Range<u64>, files: u64) -> Vec<u64> {
    let reads = days.flat_map(|day| (0..files).map(move |file| (day, file))).map(|(day, file)| {
        let seq = day * 100_000 + file + 1;
        w.read_all(&act(seq, day * 86_400 + 3_600 + file / 10, "file_downloaded", "W1", &format!("F{day}-{file}"), ""))
    });
    reads.last().unwrap()
}

#[test]
fn slow_collecting_stands_out_from_the_persons_own_fortnights() {
    let mut w = windows(&fortnights(""));
    assert_eq!(days(&mut w, 0..1, 5), [5, NOT_YET, 0]);
    assert_eq!(
        days(&mut w, 1..28, 5),
        [70, NOT_YET, 0],
        "the period on whose first day the watching began wasn't seen whole"
    );
    assert_eq!(days(&mut w, 28..29, 5), [70, 70, 1]);
    assert_eq!(days(&mut w, 29..84, 5), [70, 70, 4]);
    assert_eq!(days(&mut w, 84..92, 40), [8 * 40 + 6 * 5, 70, 5], "eight days of forty instead of five");
    // Four weeks of leave are no periods: the usual is made of what was before.
    assert_eq!(days(&mut w, 120..121, 5), [5, 70, 6]);
    assert_eq!(w.windows.members.list.len(), 1, "three windows, one count");
}

#[test]
fn what_stood_out_does_not_teach_unless_it_goes_on() {
    // Files a day, week by week; the last two are now.
    let read = |more: &str, weeks: &[u64]| {
        let mut w = windows(&fortnights(more));
        let read = |(at, files): (usize, &u64)| days(&mut w, at as u64 * 7..at as u64 * 7 + 7, *files);
        weeks.iter().enumerate().map(read).last().unwrap()[1]
    };
    let weeks = |of: &[(u64, usize)]| of.iter().flat_map(|(files, weeks)| vec![*files; *weeks]).collect::<Vec<u64>>();
    // By the highest, one theft is what the next one is measured by.
    let once = weeks(&[(4, 8), (50, 2), (4, 4)]);
    assert_eq!(read("percentile = 100", &once), 14 * 50);
    assert_eq!(read("percentile = 100\nnot_above = 3", &once), 14 * 4);
    for (fortnights, usual) in [(3, 4), (4, 50)] {
        let for_good = weeks(&[(4, 8), (50, 2 * fortnights), (50, 2)]);
        assert_eq!(read("percentile = 100\nnot_above = 3", &for_good), 14 * usual, "{fortnights} before this one");
    }
}

#[test]
fn files_by_the_thousand_are_estimated_within_bounds() {
    let mut w = windows(&fortnights(""));
    let of_a_day = 5_000;
    let reads = days(&mut w, 0..28, of_a_day);
    assert!(reads[0].abs_diff(14 * of_a_day) < 14 * of_a_day / 10, "{reads:?}");
    let reads = days(&mut w, 28..43, of_a_day);
    assert!(reads[1].abs_diff(14 * of_a_day) < 14 * of_a_day / 10 && reads[2] == 2, "{reads:?}");
    // A day that is over, and two that were late, but for those whose period is over.
    let (_, values) = w.size();
    assert!(values <= 43 + 17 * sketch::MAX_VALUES, "{values}");
    assert!(w.windows.bytes() < 1_000_000, "{}", w.windows.bytes());
}

#[test]
fn a_late_event_reads_the_fullest_period_it_belongs_to() {
    let mut w = windows(&fortnights(""));
    days(&mut w, 0..14, 10);
    days(&mut w, 15..16, 1);
    let late = act(9, 13 * 86_400 + 80_000, "file_downloaded", "W1", "late", "");
    assert_eq!(w.read_all(&late)[0], 141, "it completes days 0 to 13, of which the newest period has lost two");
    let too_late = act(10, 12 * 86_400, "file_downloaded", "W1", "too late", "");
    assert_eq!(w.read_all(&too_late)[0], 0);
    assert_eq!(days(&mut w, 16..17, 1)[0], 11 * 10 + 1 + 1 + 1, "nothing was counted of it");
    let again = act(11, 16 * 86_400 + 50, "file_downloaded", "W1", "F16-0", "");
    assert_eq!(w.read_all(&again)[0], 113, "the same file again is no other");
}

#[test]
fn a_condition_asks_a_period_from_its_first_event_on() {
    let tables = format!(
        "{}{}when = {{ window = \"now\", at_least = 3 }}\n",
        fortnights(""),
        window(COUNT, &["file_downloaded"], "1h")
    );
    let mut w = windows(&tables);
    let read = |w: &mut Watched, seq| w.read(&act(seq, 1_000 + seq, "file_downloaded", "W1", &format!("F{seq}"), ""));
    assert_eq!((0..5).map(|seq| read(&mut w, seq)).collect::<Vec<_>>(), [0, 0, 1, 2, 3]);
}

#[test]
fn a_condition_on_a_baseline_that_learns_does_not_hold() {
    let tables = format!(
        "{}{}when = [{{ window = \"usual\", CONDITION }}]\n",
        USUAL_DOWNLOADS.replace("\"w\"", "\"usual\""),
        window(COUNT, &["file_downloaded"], "1h")
    );
    for condition in ["at_least = 1", "below = 1000"] {
        let mut w = windows(&tables.replace("CONDITION", condition));
        assert_eq!(w.read(&act(1, 1000, "file_downloaded", "W1", "F1", "")), 0, "{condition}");
    }
}

#[test]
fn travel_is_the_speed_between_neighbouring_sightings() {
    let table = format!("{}min_km = 500\n", window("\"travel\"", LOGIN, "24h"));
    let mut w = windows(&table);
    // Berlin, Paris (878 km away), Potsdam (26 km) and an address without a place.
    let networks = "10.0.1.0/24,AS1,DE,52.52,13.405\n10.0.2.0/24,AS2,FR,48.8566,2.3522\n10.0.3.0/24,AS3,DE,52.39,13.06\n10.0.4.0/24,AS4,DE";
    w.networks = Networks::parse(networks).unwrap();
    let mut read = |seq, time, ip| w.read(&event(seq, time, "user_login", "W1", ip));
    assert_eq!(read(1, 10_000, "10.0.1.1"), 0);
    assert_eq!(read(2, 10_060, "10.0.3.1"), 0, "too near to say");
    assert_eq!(read(3, 10_100, "10.0.4.1"), 0, "nowhere");
    let speed = read(4, 10_060 + 3_600, "10.0.2.1");
    assert!((840..870).contains(&speed), "{speed}");
    assert!((1_700..1_800).contains(&read(5, 10_060 + 1_800, "10.0.1.1")), "late, on the way to the one after it");
    assert_eq!(w.evidence(&event(5, 10_060 + 1_800, "user_login", "W1", "10.0.1.1"), 50), ["id-4"]);
}

#[test]
fn an_empty_key_counts_the_whole_organization() {
    let mut w = windows(&window(COUNT, FAILED, "60s").replace("[\"actor.id\"]", "[]"));
    let reads: Vec<u64> = (1..4).map(|i| w.read(&event(i, 1000, "user_login_failed", &format!("W{i}"), ""))).collect();
    assert_eq!(reads, [1, 2, 3]);
}

#[test]
fn a_last_seen_window_says_learning_only_if_told_to_learn() {
    let first = event(1, 1000, "user_login", "W1", "");
    assert_eq!(windows(&window("\"last_seen\"", LOGIN, "500s")).read(&first), NEVER);
    assert_eq!(windows(&window("\"last_seen\"\nlearn = \"50s\"", LOGIN, "500s")).read(&first), LEARNING);
}

#[test]
fn evidence_asked_for_later_is_what_the_event_read() {
    // Three events in one batch; the last one drops a hit that the first one cited.
    let mut w = windows(&window(COUNT, FAILED, "24h"));
    let events: Vec<Event> =
        (0..=MAX_HITS as u64).map(|i| event(i + 1, 1000 + i, "user_login_failed", "W1", "")).collect();
    events.iter().for_each(|e| _ = w.read(e));
    assert_eq!(w.evidence(&events[1], 50), ["id-1", "id-2"]);
    w.windows.take_changes();
    assert_eq!(w.evidence(&events[1], 50), ["id-2"], "once the batch is saved nobody asks any more");
}

#[test]
fn a_new_version_of_a_module_inherits_windows_of_the_same_spec() {
    let old = manifest(NEW_NETWORK_THEN_EXPORT);
    let same = manifest(NEW_NETWORK_THEN_EXPORT);
    let ids = |manifest: &Manifest| identity::slot_ids(&manifest.name, &manifest.windows);
    assert_eq!(ids(&old), ids(&same));
    let other = manifest(&NEW_NETWORK_THEN_EXPORT.replace("90d", "30d"));
    let (old, other) = (ids(&old), ids(&other));
    assert_ne!(old[0], other[0]);
    assert_ne!(old[1], other[1], "what a window counts depends on the windows it refers to");
}

#[test]
fn all_windows_together_keep_within_their_bound() {
    let mut w = windows(&window(COUNT, FAILED, "24h"));
    w.windows.keep_at_most(50_000);
    let mut newest = 0;
    for i in 0..5_000 {
        newest = w.read(&event(i, 1000 + i, "user_login_failed", &format!("W{}", i / 50), ""));
        assert!(w.windows.bytes() <= 52_000, "{}", w.windows.bytes());
    }
    assert_eq!(newest, 50, "the key that is being fed is not the one that goes");
    let quiet = event(9_999, 6_000, "user_login_failed", "W0", "");
    assert_eq!(w.read(&quiet), 1, "what was fed longest ago is gone");
}

#[test]
fn windows_that_are_fed_alike_share_what_they_count() {
    let named = |name: &str, kind: &str, span: &str| window(kind, FAILED, span).replace("\"w\"", &format!("{name:?}"));
    let tables =
        [named("fast", COUNT, "60s"), named("slow", COUNT, "24h"), named("addresses", DISTINCT_IP, "24h")].concat();
    let mut w = windows(&tables);
    let mut read = |seq, time, ip| w.read_all(&event(seq, time, "user_login_failed", "W1", ip));
    read(1, 1000, "1.1.1.1");
    read(2, 1500, "");
    assert_eq!(read(3, 2000, "2.2.2.2"), [1, 3, 2]);
    assert_eq!(w.windows.members.list.len(), 1);
    // What is declared later finds nothing from before.
    let other = manifest(&named("later", COUNT, "24h"));
    w.windows.declare(&other.name, &other.windows);
    w.positions.extend(w.windows.positions(&other.name, &other.windows));
    assert_eq!(w.read_all(&event(4, 2100, "user_login_failed", "W1", "")), [1, 4, 2, 1]);
}

#[test]
fn a_member_that_is_given_again_finds_nothing_of_who_had_it() {
    let (stays, goes) = (manifest(&window(COUNT, FAILED, "24h")), manifest(&window(COUNT, &["user_login*"], "24h")));
    let comes =
        manifest(&format!("{}not = {{ \"context.ip_address\" = [\"9.9.9.9\"] }}\n", window(COUNT, FAILED, "24h")));
    let mut w = Watched::of(&stays);
    w.windows.declare("goes", &goes.windows);
    w.positions.extend(w.windows.positions("goes", &goes.windows));
    (1..=3).for_each(|seq| _ = w.read_all(&event(seq, 1000, "user_login_failed", "W1", "1.1.1.1")));
    assert_eq!(w.read_all(&event(4, 1000, "user_login_failed", "W1", "1.1.1.1")), [4, 4], "both are fed together");
    w.windows.keep_only([("m", &*stays.windows)].into_iter());
    w.windows.declare("comes", &comes.windows);
    let positions = |w: &Windows| [w.positions("m", &stays.windows), w.positions("comes", &comes.windows)].concat();
    w.positions = positions(&w.windows);
    assert_eq!(w.read_all(&event(5, 1000, "user_login_failed", "W1", "1.1.1.1")), [5, 1]);
    assert_eq!(w.windows.members.list.len(), 2, "the number is given again");
    let saved = w.windows.take_changes();
    let mut again = Watched::of(&stays);
    again.windows.declare("comes", &comes.windows);
    again.positions = positions(&again.windows);
    saved.iter().filter_map(StateOp::row).for_each(|page| again.windows.load(page).unwrap());
    assert_eq!(again.read_all(&event(6, 1001, "user_login_failed", "W1", "1.1.1.1")), [6, 2]);
}

#[test]
fn what_differs_in_one_value_pushes_out_nothing_that_is_rare_in_another() {
    let addresses = window(DISTINCT_IP, &["file_downloaded"], "24h").replace("\"w\"", "\"addresses\"");
    let files = window("\"distinct\"\nof = \"entity.id\"", &["file_downloaded"], "24h");
    let mut w = windows(&format!("{addresses}{files}"));
    let mut read = |seq: u64, file: &str, ip: &str| w.read(&act(seq, 1000 + seq, "file_downloaded", "W1", file, ip));
    (0..9).for_each(|i| _ = read(i, &format!("F{i}"), "1.1.1.1"));
    // One file again and again, each time from somewhere else.
    let last = (9..9 + 2 * MAX_HITS as u64).map(|i| read(i, "F9", &format!("10.0.{}.{}", i / 250, i % 250))).last();
    assert_eq!(last, Some(10));
}
