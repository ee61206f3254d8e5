//! What it costs to read entries, beside what serde_json's typed parse of the same bytes costs in the same run.
//!
//! `cargo run --release -p gridwatch-event --example read [FILE]`: entries a line each, or generated ones.

use gridwatch_event::entry::Entry;
use gridwatch_event::event::Event;
use gridwatch_event::part::Part;
use gridwatch_event::time::UnixMillis;
use gridwatch_stories::Benchmark;
use serde::de::{IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt::Formatter;
use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS: usize = 7;
/// Entries held at once, as in a batch of detection.
const BATCH: usize = 1_024;

fn main() {
    let file = std::env::args().nth(1);
    let entries: Vec<String> = match file {
        Some(file) => std::fs::read_to_string(file).expect("entries").lines().map(str::to_owned).collect(),
        None => {
            let weeks = Benchmark { seed: 7, users: 300, days: 10, ..Benchmark::default() }.run();
            weeks.entries().map(|entry| entry.json).collect()
        }
    };
    let bytes: usize = entries.iter().map(String::len).sum();
    println!("{} entries, {} bytes each", entries.len(), bytes / entries.len());
    let is_typed = |raw: &&String| serde_json::from_str::<Typed<'_>>(raw).is_ok();
    println!("{} of them typed", entries.iter().filter(is_typed).count());
    let floor = best(&entries, |raw| black_box(serde_json::from_str::<Typed<'_>>(raw)).is_ok());
    let told = |what: &str, took: f64| println!("{what:32} {took:6.3} us  {:5.2} x floor", took / floor);
    told("floor (serde_json, typed)", floor);
    told(
        "serde_json, a value",
        best(&entries, |raw| black_box(serde_json::from_str::<serde_json::Value>(raw)).is_ok()),
    );
    told("entry", best(&entries, |raw| black_box(Entry::from_json(raw)).time.is_some()));
    told("entry and event", best(&entries, |raw| black_box(event(raw)).time.0 > 0));
    told("with a value", best(&entries, |raw| black_box(event(raw)).json().is_object()));
    told("entry and event, in batches", batches(&entries, |_| true));
    told("and ten of its parts", batches(&entries, |event| ten(event) > 0));
}

fn event(raw: &str) -> Event {
    Event::new(1, UnixMillis(0), &Entry::from_json(raw))
}

fn ten(event: &Event) -> usize {
    let text = |part: Option<Part<'_>>| part.map_or(0, |part| part.str().len());
    event.id().len()
        + event.action().len()
        + event.actor_id().len()
        + text(event.actor().and_then(|actor| actor.get("email")))
        + event.entity_id().len()
        + event.ip_address().len()
        + event.location_id().len()
        + text(event.at(&["context", "session_id"]))
        + text(event.user_agent())
        + text(event.detail("type"))
}

/// Microseconds an entry, in the best of some rounds: other work on the machine can only add.
fn best(entries: &[String], each: impl Fn(&str) -> bool) -> f64 {
    let round = || clock(|| _ = black_box(entries.iter().filter(|raw| each(raw)).count()));
    of_rounds(round, entries.len())
}

fn batches(entries: &[String], each: impl Fn(&Event) -> bool) -> f64 {
    let round = || {
        clock(|| {
            for batch in entries.chunks(BATCH) {
                let events: Vec<Event> = batch.iter().map(|raw| event(raw)).collect();
                black_box(events.iter().filter(|event| each(event)).count());
            }
        })
    };
    of_rounds(round, entries.len())
}

fn of_rounds(round: impl Fn() -> Duration, entries: usize) -> f64 {
    let best = (0..ROUNDS).map(|_| round()).min().unwrap_or_default();
    best.as_secs_f64() * 1e6 / entries as f64
}

#[expect(clippy::disallowed_methods, reason = "this measures time")]
fn clock(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

/// A text that is borrowed wherever it can be; serde borrows an `Option<Cow<str>>` never.
#[expect(dead_code, reason = "what is parsed is the measure")]
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowing;

        impl<'de> Visitor<'de> for Borrowing {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(text.to_owned().into()))
            }
        }

        deserializer.deserialize_str(Borrowing)
    }
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what is parsed is the measure")]
struct Typed<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    date_create: u64,
    #[serde(borrow)]
    action: Text<'a>,
    #[serde(borrow)]
    actor: Outer<'a>,
    #[serde(borrow)]
    entity: Outer<'a>,
    #[serde(borrow)]
    context: Context<'a>,
    #[serde(borrow, default)]
    details: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what is parsed is the measure")]
struct Outer<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default, alias = "file", alias = "channel", alias = "app", alias = "workspace", alias = "message")]
    user: Option<Object<'a>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what is parsed is the measure")]
struct Object<'a> {
    #[serde(borrow, default)]
    id: Option<Text<'a>>,
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    email: Option<Text<'a>>,
    #[serde(borrow, default)]
    team: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what is parsed is the measure")]
struct Context<'a> {
    #[serde(borrow, default)]
    location: Option<Object<'a>>,
    #[serde(borrow, default)]
    ua: Option<Text<'a>>,
    #[serde(borrow, default)]
    ip_address: Option<Text<'a>>,
    #[serde(default)]
    session_id: Option<IgnoredAny>,
}
