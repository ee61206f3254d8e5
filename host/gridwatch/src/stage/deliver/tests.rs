//! The real delivery loop, store and dead letters with receivers that are hard to please.

use super::*;
use crate::config::Include;
use crate::record::Form;
use crate::sink::batch::Limits;
use crate::sink::dead_letter::DeadLetters;
use crate::sink::render::Renderer;
use crate::sink::retry::Backoff;
use crate::sink::{Delivery, Kind, Sink};
use crate::store::{Kinds, Opened, Pending};
use gridwatch_event::event::{Event, Sight};
use gridwatch_event::org::OrgId;
use gridwatch_views::{RawData, View};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

const FORM: Form = Form { view: View::Ocsf, raw_data: RawData::Include, max_line: 16 << 10 };
const ALL: Include = Include::USUAL;
const PACE: Pace = Pace {
    batch: Limits { records: 7, bytes: 1 << 20, age: Duration::ZERO },
    retry: Backoff { first: Duration::from_millis(1), most: Duration::from_millis(1) },
    timeout: Duration::from_secs(60),
};

/// What is on the other side of a sink, and outlives it. It knows a record by its id.
#[derive(Default)]
struct Receiver {
    /// Number and bytes by id, as they first came.
    has: BTreeMap<String, (u64, Vec<u8>)>,
    attempts: u32,
    /// Ids of records that it will never take.
    refuses: Vec<String>,
    mood: Mood,
}

/// What it does before it has taken all of a batch, with what probability of 100.
#[derive(Clone, Copy, Default)]
struct Mood {
    waits: u32,
    stops: u32,
    dies: u32,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Receiver>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Receiver> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sink in front of it: in each attempt it gets to some place in the batch, and then answers, waits, or dies.
struct Difficult {
    receiver: Shared,
    rng: SmallRng,
}

impl Sink for Difficult {
    fn send(&mut self, batch: &[Delivery], _: Duration) -> Answer {
        assert!(!batch.is_empty() && batch.is_sorted_by_key(|delivery| delivery.number) && batch.len() <= 7);
        let mut receiver = self.receiver.lock();
        receiver.attempts += 1;
        let (mood, dice) = (receiver.mood, self.rng.random_range(0..100));
        let whole = dice >= mood.waits + mood.stops + mood.dies;
        let part = if whole { batch.len() } else { self.rng.random_range(0..batch.len()) };
        let mut refused = Vec::new();
        for Delivery { number, id, bytes, .. } in &batch[..part] {
            if receiver.refuses.iter().any(|refuses| **refuses == **id) {
                refused.push(Refused { number: *number, reason: "field `x` does not fit".into() });
                continue;
            }
            let first = receiver.has.entry(id.to_string()).or_insert_with(|| (*number, bytes.to_vec()));
            assert_eq!(*first, (*number, bytes.to_vec()), "another record under the id {id}");
        }
        let settled = batch.get(part).map_or(batch[batch.len() - 1].number + 1, |next| next.number);
        let why = Problem { what: "too many requests".into(), hint: None };
        let answer = match dice {
            _ if whole => Answer::settled(settled),
            dice if dice < mood.waits => Answer::wait(settled, Some(Duration::from_millis(1)), why),
            dice if dice < mood.waits + mood.stops => Answer::stop(settled, why),
            _ => {
                drop(receiver);
                panic!("died in the middle of a batch")
            }
        };
        Answer { refused, resume: Some(settled.into()), ..answer }
    }
}

/// A process's life: its store, and what else a delivery thread works with.
struct Life {
    store: Store,
    board: Board,
    bells: Bells,
}

impl Life {
    fn begin(state: &Path) -> Self {
        let Opened::Store(store) = Store::open(&state.join("store"), &[]).unwrap() else { panic!("an older store") };
        let life = Self { store, board: Board::default(), bells: Bells::default() };
        life.store.set_sinks(&["siem".to_owned()]).unwrap();
        life
    }

    fn at(&self) -> Place<'_> {
        Place { store: &self.store, board: &self.board, bells: &self.bells, clock: Clock::system() }
    }

    /// Puts events into the outbox, and after each fourth an alert about it.
    fn detect(&self, ids: std::ops::Range<u64>) {
        for n in ids {
            let raw = format!(r#"{{"id":"e{n}","date_create":{},"action":"user_login"}}"#, 1_790_000_000 + n);
            let part = self.store.org(&OrgId::default()).unwrap();
            part.receive(&[raw], UnixMillis(0));
            let waiting = part.next_pending(9).unwrap();
            let seen = |pending: &Pending| Event::seen(part.next_seq(), pending.sight, &pending.entry);
            let events: Vec<Event> = waiting.iter().map(seen).collect();
            let alert = builtin::exceptions_unusable(&format!("{n}"), UnixMillis(n * 1_000));
            let alert = (n % 4 == 0).then(|| Record::Alert(Box::new(alert)));
            let alerts: Vec<Record> = alert.into_iter().collect();
            part.commit_detections((&waiting, &events), &alerts, &[], &[], &[], &[]).unwrap();
        }
    }

    /// Delivers all there is.
    fn deliver(&self, target: impl Target) {
        let [detected, hurry] = [true, false].map(|flag| Arc::new(AtomicBool::new(flag)));
        run(self.at(), "siem", target, &Ending { detected, hurry }).unwrap();
    }
}

fn target(state: &Path, sink: impl Sink + 'static, include: Include) -> ForSink {
    let renderer = Arc::new(Renderer::new([FORM]));
    let dead = DeadLetters::of(state, "siem");
    ForSink { sink: Box::new(sink), pace: PACE, form: FORM, include, renderer, dead }
}

fn letters(state: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(state.join("dead-letters/siem.ndjson")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Number and id of all that is in the outbox, as every sink has to see them.
fn outbox(store: &Store) -> BTreeMap<String, u64> {
    let (records, _) = store.records(0, Kinds::ALL, usize::MAX, usize::MAX).unwrap();
    records.into_iter().map(|(number, record)| (record.render(FORM).id, number)).collect()
}

/// Of alerts about dead letters that the receiver has.
fn told(receiver: &Receiver) -> Vec<String> {
    let is_told = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("\"gridwatch.records-refused\"");
    receiver.has.iter().filter(|(_, (_, bytes))| is_told(bytes)).map(|(id, _)| id.clone()).collect()
}

#[test]
fn a_sink_that_refuses_one_waits_and_dies_loses_nothing_and_doubles_nothing() {
    let mut deaths = 0;
    for seed in 0..20 {
        let state = tempfile::tempdir().unwrap();
        let receiver = Shared::default();
        receiver.lock().refuses = vec!["e13".to_owned()];
        receiver.lock().mood = Mood { waits: 30, stops: 0, dies: 20 };
        let life = Life::begin(state.path());
        life.detect(0..60);
        let numbers = outbox(&life.store);
        drop(life);
        let mut rng = SmallRng::seed_from_u64(seed);
        loop {
            let life = Life::begin(state.path());
            let sink = Difficult { receiver: receiver.clone(), rng: SmallRng::seed_from_u64(rng.random()) };
            let lived = catch_unwind(AssertUnwindSafe(|| life.deliver(target(state.path(), sink, ALL))));
            match lived {
                Ok(()) => {
                    assert_eq!(life.store.trim().unwrap(), 0, "seed {seed}: all is settled");
                    let status = life.board.now().sinks["siem"].clone();
                    assert_eq!((status.refused, status.behind, status.error), (1, 0, None), "seed {seed}");
                    break;
                }
                Err(_) => deaths += 1,
            }
        }
        let receiver = receiver.lock();
        let alerts = told(&receiver);
        assert_eq!(alerts.len(), 1, "seed {seed}: one alert");
        // Everything that was in the outbox is there once, under its own number, but for the one that was refused.
        let mut expected = numbers.clone();
        expected.remove("e13");
        let got: BTreeMap<String, u64> =
            receiver.has.iter().filter(|(id, _)| !alerts.contains(id)).map(|(id, (n, _))| (id.clone(), *n)).collect();
        assert_eq!(got, expected, "seed {seed}");
        let letters = letters(state.path());
        assert_eq!(letters.len(), 1, "seed {seed}: one dead letter");
        assert_eq!((&letters[0]["id"], letters[0]["number"].as_u64()), (&"e13".into(), Some(numbers["e13"])));
        assert_eq!(letters[0]["record"]["metadata"]["uid"], "e13");
    }
    assert!(deaths > 20, "{deaths} deaths in the middle of a batch");
}

/// Dies once, after the dead letters are written and before the position is saved.
struct DiesAfterBurying {
    target: ForSink,
    will_die: bool,
}

impl Target for DiesAfterBurying {
    type Load = Delivery;

    fn pace(&self) -> Pace {
        self.target.pace()
    }

    fn kinds(&self) -> Kinds {
        Kinds::ALL
    }

    fn load(&self, number: u64, record: &Record) -> Option<Delivery> {
        self.target.load(number, record)
    }

    fn attempt(&mut self, batch: &[Delivery], now: UnixMillis) -> Answer {
        self.target.attempt(batch, now)
    }

    fn bury(&mut self, refused: &[(&Delivery, String)], from: u64, now: UnixMillis) -> Result<Buried, Problem> {
        let buried = self.target.bury(refused, from, now);
        assert!(!self.will_die, "died before the position was saved");
        buried
    }

    fn removed(&mut self) -> Option<crate::sink::Removed> {
        self.target.removed()
    }
}

#[test]
fn a_death_between_the_dead_letter_and_the_position_leaves_one_letter_and_one_alert() {
    let state = tempfile::tempdir().unwrap();
    let receiver = Shared::default();
    receiver.lock().refuses = vec!["e3".to_owned(), "e9".to_owned()];
    Life::begin(state.path()).detect(0..12);
    for will_die in [true, true, false] {
        let life = Life::begin(state.path());
        let sink = Difficult { receiver: receiver.clone(), rng: SmallRng::seed_from_u64(1) };
        let target = DiesAfterBurying { target: target(state.path(), sink, ALL), will_die };
        let lived = catch_unwind(AssertUnwindSafe(|| life.deliver(target)));
        assert_eq!(lived.is_err(), will_die);
    }
    let ids: Vec<Value> = letters(state.path()).iter().map(|letter| letter["id"].clone()).collect();
    assert_eq!(ids, ["e3", "e9"]);
    // A second one on the same day is counted, and told with the next alert: an alert has one opening.
    assert_eq!(told(&receiver.lock()).len(), 1);
    let lost = Life::begin(state.path()).store.position("siem").unwrap().lost;
    assert_eq!((lost.refused, lost.unalerted), (2, 1));
}

#[test]
fn numbers_are_the_records_own_whatever_is_included() {
    for include in [
        ALL,
        Include { events: false, ..ALL },
        Include { alerts: false, ..ALL },
        Include { events: false, alerts: false, suppressed: true, ..ALL },
    ] {
        let state = tempfile::tempdir().unwrap();
        let (receiver, life) = (Shared::default(), Life::begin(state.path()));
        receiver.lock().mood = Mood { waits: 40, stops: 0, dies: 0 };
        life.detect(0..50);
        let numbers = outbox(&life.store);
        let sink = Difficult { receiver: receiver.clone(), rng: SmallRng::seed_from_u64(3) };
        life.deliver(target(state.path(), sink, include.clone()));
        let got: BTreeMap<String, u64> = receiver.lock().has.iter().map(|(id, (n, _))| (id.clone(), *n)).collect();
        let is_wanted = |id: &str| if id.starts_with("gw-") { include.alerts } else { include.events };
        let expected: BTreeMap<String, u64> = numbers.into_iter().filter(|(id, _)| is_wanted(id)).collect();
        assert_eq!(got, expected, "{include:?}");
        // What nobody wants is done with as well.
        assert_eq!(life.store.position("siem").unwrap().next, life.store.next_record());
        assert_eq!(life.store.trim().unwrap(), 0);
    }
}

/// What isn't wanted may be damaged, or on a disk that is slow: nobody notices.
#[test]
fn alert_only_sinks_never_read_events() {
    let state = tempfile::tempdir().unwrap();
    let (receiver, life) = (Shared::default(), Life::begin(state.path()));
    life.detect(0..50);
    let alerts: Vec<String> = outbox(&life.store).into_keys().filter(|id| id.starts_with("gw-")).collect();
    let logs = std::fs::read_dir(state.path().join("archive")).unwrap().map(|file| file.unwrap().path());
    let cut: Vec<_> = logs.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    assert!(cut.len() >= 2, "{cut:?}");
    cut.iter().for_each(|path| std::fs::File::options().write(true).open(path).unwrap().set_len(0).unwrap());
    assert!(life.store.records(0, Kinds::ALL, 99, usize::MAX).is_err(), "the events can't be read");
    let sink = Difficult { receiver: receiver.clone(), rng: SmallRng::seed_from_u64(3) };
    life.deliver(target(state.path(), sink, Include { events: false, ..ALL }));
    let got: Vec<String> = receiver.lock().has.keys().cloned().collect();
    assert_eq!(got, alerts);
    assert_eq!(life.store.position("siem").unwrap().next, life.store.next_record());
}

#[test]
fn a_sink_that_needs_a_person_keeps_everything_and_says_so() {
    let state = tempfile::tempdir().unwrap();
    let (receiver, life) = (Shared::default(), Life::begin(state.path()));
    receiver.lock().mood = Mood { waits: 0, stops: 100, dies: 0 };
    life.detect(0..30);
    let count = outbox(&life.store).len();
    for _ in 0..3 {
        let sink = Difficult { receiver: receiver.clone(), rng: SmallRng::seed_from_u64(5) };
        life.deliver(target(state.path(), sink, ALL));
        assert_eq!(life.board.now().sinks["siem"].error.as_deref(), Some("too many requests"));
    }
    assert_eq!(receiver.lock().attempts, 3, "whoever ends doesn't wait for a person");
    receiver.lock().mood = Mood::default();
    let sink = Difficult { receiver: receiver.clone(), rng: SmallRng::seed_from_u64(5) };
    life.deliver(target(state.path(), sink, ALL));
    assert_eq!((receiver.lock().has.len(), life.board.now().sinks["siem"].error.clone()), (count, None));
    assert!(letters(state.path()).is_empty());
}

#[test]
fn a_dead_letter_that_cant_be_written_holds_the_position_and_is_written_later() {
    let state = tempfile::tempdir().unwrap();
    let (receiver, life) = (Shared::default(), Life::begin(state.path()));
    receiver.lock().refuses = vec!["e2".to_owned()];
    life.detect(0..6);
    std::fs::write(state.path().join("dead-letters"), "in the way").unwrap();
    let [detected, hurry] = [(); 2].map(|()| Arc::new(AtomicBool::new(true)));
    let sink = || Difficult { receiver: receiver.clone(), rng: SmallRng::seed_from_u64(1) };
    let (first, hurried) = (life.store.first_record(), Ending { detected, hurry });
    run(life.at(), "siem", target(state.path(), sink(), ALL), &hurried).unwrap();
    assert_eq!(life.store.position("siem").unwrap().next, first);
    assert!(life.board.now().sinks["siem"].error.as_deref().is_some_and(|error| error.contains("dead letters")));
    std::fs::remove_file(state.path().join("dead-letters")).unwrap();
    life.deliver(target(state.path(), sink(), ALL));
    assert_eq!(letters(state.path()).len(), 1);
    assert_eq!(life.store.position("siem").unwrap().next, life.store.next_record());
}

#[test]
fn a_position_as_it_was_saved_before_there_were_dead_letters_is_read_on() {
    let before = r#"{"next":41,"resume":{"file":{"first":1,"line_bytes":9,"line_hash":"00","offset":9},"next":17}}"#;
    let position: Position = serde_json::from_str(before).unwrap();
    assert_eq!((position.next, &position.lost), (41, &crate::store::Lost::default()));
    assert_eq!(serde_json::to_string(&position).unwrap(), before, "and written as it was while nothing is lost");
}

#[test]
fn an_event_and_an_alert_say_what_they_are() {
    let renderer = Renderer::new([FORM]);
    let raw = r#"{"id":"e1","date_create":1790000000,"action":"user_login"}"#.to_owned();
    let event =
        Record::Event { org: OrgId::default(), seq: 1, sight: Sight::first(UnixMillis(7)), organization: None, raw };
    let alert = Record::Alert(Box::new(builtin::exceptions_unusable("x", UnixMillis(5_000))));
    let (event, alert) = (renderer.delivery(8, &event, FORM), renderer.delivery(9, &alert, FORM));
    assert_eq!((event.number, &*event.id, event.kind, event.time.0), (8, "e1", Kind::Event, 1_790_000_000_000));
    assert_eq!((alert.number, alert.kind, alert.time.0), (9, Kind::Alert, 5_000));
    let uid =
        |delivery: &Delivery| serde_json::from_slice::<Value>(&delivery.bytes).unwrap()["metadata"]["uid"].clone();
    assert_eq!((uid(&event), uid(&alert)), (Value::from(&*event.id), Value::from(&*alert.id)), "the id is the view's");
}
