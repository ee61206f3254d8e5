//! What adds up over days and weeks: the windows of `slow_collecting.toml` over a hundred days of a small organization.

use gridwatch_event::entry::Entry;
use gridwatch_event::event::Event;
use gridwatch_event::network::Networks;
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::Manifest;
use gridwatch_rules::pipeline::{ModuleOutcome, Pipeline, Service};
use gridwatch_rules::windows::NOT_YET;
use std::collections::BTreeMap;
use std::sync::Arc;

const DAY: u64 = 86_400;
const BEGIN: u64 = 1_790_000_000 / DAY * DAY;
const HOME: &str = "198.51.100.9";

/// What happened when, in any order.
#[derive(Default)]
struct Log(Vec<(u64, String)>);

impl Log {
    fn add(&mut self, at: u64, action: &str, (person, app, entity): (&str, &str, &str), ip: &str) {
        let user = |id: &str| format!(r#"{{"type":"user","user":{{"id":"{id}"}}}}"#);
        let entity = match action {
            "user_login" | "user_login_failed" => user(entity),
            _ => format!(r#"{{"type":"file","file":{{"id":"{entity}"}}}}"#),
        };
        let app = if app.is_empty() { String::new() } else { format!(r#","app":{{"id":"{app}"}}"#) };
        let (actor, id) = (user(person), self.0.len());
        self.0.push((
            at,
            format!(
                r#"{{"id":"e{id}","date_create":{at},"action":"{action}","actor":{actor},"entity":{entity},
                    "context":{{"ip_address":"{ip}","session_id":1{app}}}}}"#
            ),
        ));
    }

    /// A day's reading of so many files that nobody read before, an hour or so.
    fn reads(&mut self, day: u64, person: &str, app: &str, files: u64) {
        let action = if app.is_empty() { "canvas_opened" } else { "file_downloaded" };
        for file in 0..files {
            let entity = format!("F{day}-{person}{app}-{file}");
            self.add(BEGIN + day * DAY + 36_000 + file * 10, action, (person, app, &entity), HOME);
        }
    }

    fn events(mut self) -> Vec<Event> {
        self.0.sort_by_key(|(at, _)| *at);
        let event = |(seq, (_, raw)): (u64, &(u64, String))| Event::new(seq, UnixMillis(0), &Entry::from_json(raw));
        (1..).zip(&self.0).map(event).collect()
    }
}

/// A hundred days: W1 opens 4 files a day, and on eight days 40; an app reads 20 a day in the name of W2, who opens 2, and then 350 in
/// fourteen hours; a hosting provider tries seven people each night from another address; three people come in from one link.
fn life() -> Vec<Event> {
    let mut log = Log::default();
    for day in 0..100 {
        log.reads(day, "W1", "", if (90..98).contains(&day) { 40 } else { 4 });
        log.reads(day, "W2", "", 2);
        log.reads(day, "W2", "A1", 20);
        for person in ["W1", "W2", "W3", "W4"] {
            log.add(BEGIN + day * DAY + 30_000, "user_login", (person, "", person), HOME);
        }
    }
    for hour in 0..14 {
        for file in 0..25 {
            let entity = format!("F-slow-{hour}-{file}");
            let at = BEGIN + 98 * DAY + 50_000 + hour * 3_600 + file;
            log.add(at, "file_downloaded", ("W2", "A1", &entity), HOME);
        }
    }
    for night in 80..91 {
        for person in 0..7 {
            let (who, ip) = (format!("W{}", 100 + night * 7 + person), format!("203.0.113.{night}"));
            log.add(BEGIN + night * DAY + 85_000 + person * 500, "user_login_failed", (&who, "", &who), &ip);
        }
    }
    for (at, person) in [(0, "W1"), (3_000, "W3"), (9_000, "W4"), (9_500, "W4")] {
        let ip = format!("2001:db8:7:1:{at}::9");
        log.add(BEGIN + 99 * DAY + 40_000 + at, "user_login", (person, "", person), &ip);
    }
    log.events()
}

fn manifest() -> Manifest {
    let manifest = Manifest::parse(include_str!("slow_collecting.toml")).unwrap_or_else(|e| panic!("{e}"));
    let config = manifest.configuration(&serde_json::Map::new()).expect("defaults are within bounds");
    manifest.with_settings(&config)
}

/// By the number of each event that the module is given, the values of its windows.
fn asked(events: &[Event], mut pipeline: Pipeline) -> BTreeMap<u64, BTreeMap<String, u64>> {
    let manifest = manifest();
    pipeline.add(Service { manifest: Arc::new(manifest.clone()), digest: "d".into(), serves: 0..u64::MAX });
    let mut asked = BTreeMap::new();
    for batch in events.chunks(100) {
        let prepared = pipeline.prepare(batch);
        for given in &prepared.asked {
            for (row, seq) in (0..).zip(&given.batch.seqs) {
                let values = manifest.windows.iter().enumerate();
                let values = values.map(|(at, window)| (window.name.clone(), given.batch.window_at(at, row)));
                asked.insert(*seq, values.collect());
            }
        }
        let silent: Vec<_> = prepared.asked.iter().map(|asked| (asked.service, ModuleOutcome::default())).collect();
        pipeline.conclude(batch, &prepared, silent);
        pipeline.take_changes();
    }
    asked
}

fn pipeline() -> Pipeline {
    let networks = Networks::parse("203.0.113.0/24,AS64500,NL,,,hosting").expect("a line of a table");
    Pipeline::default().with_networks(networks)
}

#[test]
fn weeks_are_compared_with_the_keys_own_weeks() {
    let events = life();
    let all = asked(&events, pipeline().without_triggers());
    let day = |seq: u64| (events[seq as usize - 1].time.0 - BEGIN) / DAY;
    let newest = |wanted: &dyn Fn(&Event) -> bool| {
        let seq = events.iter().filter(|event| wanted(event)).map(|event| event.seq).max().unwrap();
        &all[&seq]
    };
    let of = |person: &'static str, on: u64, app: bool| {
        newest(&move |event: &Event| {
            let by = event.actor().is_some_and(|actor| actor.text("id") == person);
            let is_read = matches!(event.action(), "canvas_opened" | "file_downloaded");
            by && is_read && (event.action() == "file_downloaded") == app && day(event.seq) == on
        })
    };
    assert_eq!(of("W1", 20, false)["usual_files"], NOT_YET);
    let before = of("W1", 89, false);
    assert_eq!((before["files"], before["usual_files"], before["periods_of_files"]), (56, 56, 5));
    let third = of("W1", 92, false);
    assert_eq!(
        (third["files"], third["usual_files"]),
        (3 * 40 + 11 * 4, 56),
        "by the third day nearly three times the usual"
    );
    let with_apps = of("W2", 97, true);
    assert_eq!(with_apps["reads_with_apps"], 14 * 22, "what an app reads in somebody's name is read by both");
    assert_eq!(with_apps["usual_reads_with_apps"], 14 * 22);
    let slow = of("W2", 99, true);
    assert_eq!((slow["app_week"], slow["usual_app_day"]), (7 * 20 + 350, 20));
    let (most, usual) = all.values().map(|values| (values["app_day"], values["usual_app_day"])).max().unwrap();
    assert_eq!((most, usual), (370, 20), "fourteen hours over midnight, and the day's own");
    let tried = newest(&|event| event.action() == "user_login_failed");
    assert_eq!((tried["tried_from_provider"], tried["tried_from_range"]), (77, 77));
    assert_eq!(of("W1", 99, false)["files_at_provider"], 0, "nobody runs that address that a table knows");
    assert!(of("W1", 99, false)["files_at_address"] > 14 * 26);
    let came: Vec<u64> = events
        .iter()
        .filter(|event| event.action() == "user_login" && event.ip_address().starts_with("2001"))
        .map(|event| all[&event.seq]["people_new_there"])
        .collect();
    assert_eq!(came, [1, 2, 3, 3], "three people in one /64, each of whom is new there");
}

#[test]
fn a_trigger_over_a_period_passes_what_is_over_its_bound_and_nothing_else() {
    let events = life();
    let all = asked(&events, pipeline().without_triggers());
    let given = asked(&events, pipeline());
    let is_over = |seq: u64, values: &BTreeMap<String, u64>| match events[seq as usize - 1].action() {
        "user_login" => values["people_new_there"] >= 2,
        "user_login_failed" => values["tried_from_provider"] >= 30,
        _ => values["files"] >= 100 || values["app_day"] >= 100,
    };
    let wanted: BTreeMap<_, _> = all.into_iter().filter(|(seq, values)| is_over(*seq, values)).collect();
    assert!(wanted.len() > 500 && wanted.len() < events.len() / 4, "{} of {}", wanted.len(), events.len());
    assert_eq!(given, wanted);
}
