//! What crossing into a module costs, as ratios from one run: `cargo xtask bench abi`.
//!
//! | measure | what is in it |
//! |---|---|
//! | ten checks | one warm `Module::evaluate`: lowering the columns, the guest's decoding and ten text checks a row, lifting the answer |
//! | … natively | the same function, from the same batch: copying the columns, the SDK's decoding, ten text checks a row |
//! | … checks alone | the ten text checks natively, on columns decoded before: no boundary, no decoding |
//! | six fields | what one more module costs: `Table::project` (its rows, columns and dictionary) and `Module::evaluate` |
//! | encoding | `Table` for fifteen fields: done once for all modules; with and without finding the texts in the parsed entry |
//! | records | the ten checks over `list<record>`, the shape that this ABI avoids: lowering, lifting, checks |
//!
//! Digits depend on the machine; the ratios, and the targets in [`report`], are what a change has to keep.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(missing_docs, reason = "criterion's macros")]

use criterion::{BatchSize, Criterion, Throughput};
use gridwatch_detect::{Component, Engine, Limits, Module};
use gridwatch_event::entry::Entry;
use gridwatch_event::event::Event;
use gridwatch_event::lookup::Tables;
use gridwatch_event::network::Networks;
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::Field;
use gridwatch_rules::batch::{Batch, Scratch, Table};
use gridwatch_rules::directory::Directory;
use gridwatch_rules::reading::Reading;
use serde_json::{Map, json};
use std::collections::BTreeSet;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

mod twin {
    #![allow(missing_debug_implementations, unreachable_pub, reason = "generated")]
    wasmtime::component::bindgen!({
        path: "../../tests/guests/record-twin/wit",
        world: "twin",
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}

/// Events of one call: the default of `detect.batch` is the larger one. A call costs some microseconds whatever it
/// carries, which a smaller batch has fewer events to share.
const FEW: usize = 256;
const MANY: usize = 1_024;

/// The fields that all modules together might want.
const FIELDS: [&str; 15] = [
    "id",
    "action",
    "actor.type",
    "actor.id",
    "actor.name",
    "actor.email",
    "entity.type",
    "entity.id",
    "entity.name",
    "context.ip_address",
    "context.ua",
    "context.session_id",
    "context.location.domain",
    "details.type",
    "details.reason",
];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let encoded = Encoded::new(events(MANY));
    ten_checks(&mut criterion, &encoded);
    six_fields(&mut criterion, &encoded);
    encoding(&mut criterion, &encoded);
    records(&mut criterion, &encoded);
    criterion.final_summary();
    report(&Encoded::new(events(FEW)), &encoded);
}

fn ten_checks(criterion: &mut Criterion, encoded: &Encoded) {
    let mut group = criterion.benchmark_group("ten-checks");
    group.throughput(Throughput::Elements(MANY as u64));
    let (mut module, batch) = encoded.module("bench-checks");
    group.bench_function("wasm", |b| b.iter(|| evaluate(&mut module, &batch)));
    group.bench_function("native", |b| b.iter(|| natively(&batch)));
    let decoded = gridwatch_sdk::testing::from_host(&batch);
    group.bench_function("native-checks-alone", |b| b.iter(|| bench_checks::detect_all(black_box(&decoded))));
    group.finish();
}

fn six_fields(criterion: &mut Criterion, encoded: &Encoded) {
    let mut group = criterion.benchmark_group("six-fields");
    group.throughput(Throughput::Elements(MANY as u64));
    let (mut module, batch) = encoded.module("bench-six-fields");
    let columns = encoded.columns(&module);
    let mut scratch = Scratch::default();
    group.bench_function("project-and-call", |b| {
        b.iter(|| evaluate(&mut module, &encoded.table.project(&encoded.rows, &columns, &mut scratch)));
    });
    group.bench_function("project", |b| {
        b.iter(|| encoded.table.project(black_box(&encoded.rows), &columns, &mut scratch));
    });
    group.bench_function("call", |b| b.iter(|| evaluate(&mut module, &batch)));
    group.finish();
}

fn encoding(criterion: &mut Criterion, encoded: &Encoded) {
    let mut group = criterion.benchmark_group("encode-fifteen-fields");
    group.throughput(Throughput::Elements(MANY as u64));
    group.bench_function("from-events", |b| b.iter(|| table_of(black_box(&encoded.events), &encoded.fields)));
    let texts = encoded.texts();
    group.bench_function("from-texts", |b| b.iter(|| table_of_texts(&encoded.events, black_box(&texts))));
    group.finish();
}

fn records(criterion: &mut Criterion, encoded: &Encoded) {
    let mut group = criterion.benchmark_group("records");
    group.throughput(Throughput::Elements(MANY as u64));
    let mut twin = Twin::start();
    let texts = encoded.texts();
    let records = || encoded.events.iter().zip(&texts).map(|(event, texts)| record(event, texts)).collect::<Vec<_>>();
    group.bench_function("call", |b| b.iter_batched(records, |r| twin.evaluate(&r), BatchSize::SmallInput));
    group.finish();
}

/// The figures side by side, and the ratios that matter.
fn report(few: &Encoded, many: &Encoded) {
    let (few, many) = (figures(few), figures(many));
    println!("\n{:<34} {:>11} {:>13}", "ns/event, in batches of", FEW, MANY);
    for ((name, few), (_, many)) in few.iter().zip(&many) {
        println!("{name:<34} {few:>11.1} {many:>13.1}");
    }
    let ratio = |name: &str, a: usize, b: usize, target: &str| {
        println!("{name:<34} {:>11.2} {:>13.2}   {target}", few[a].1 / few[b].1, many[a].1 / many[b].1);
    };
    println!();
    ratio("component / native", COMPONENT, NATIVE, "target 2.00 or less, at 1024");
    ratio("component / checks alone", COMPONENT, CHECKS_ALONE, "no target: it includes the boundary");
    ratio("list<record> / component", RECORDS, COMPONENT, "");
    println!("{:<34} {:>11.1} {:>13.1}   target 60 or less, at 1024", "six fields, ns/event", few[SIX].1, many[SIX].1);
}

/// A name, and one call of what it names.
type Measure<'m> = (&'static str, Box<dyn FnMut() + 'm>);

/// Positions in what [`figures`] returns.
const CHECKS_ALONE: usize = 0;
const NATIVE: usize = 1;
const COMPONENT: usize = 2;
const RECORDS: usize = 3;
const SIX: usize = 4;

/// Each measure and its nanoseconds per event.
fn figures(encoded: &Encoded) -> Vec<(&'static str, f64)> {
    let (mut checks, batch) = encoded.module("bench-checks");
    let (mut six, _) = encoded.module("bench-six-fields");
    let six_columns = encoded.columns(&six);
    let decoded = gridwatch_sdk::testing::from_host(&batch);
    let (mut scratch, mut scratch_of_project) = (Scratch::default(), Scratch::default());
    let mut twin = Twin::start();
    let texts = encoded.texts();
    let records: Vec<_> = encoded.events.iter().zip(&texts).map(|(event, texts)| record(event, texts)).collect();
    let mut measures: Vec<Measure<'_>> = vec![
        ("ten checks, native, checks alone", {
            Box::new(|| drop(black_box(bench_checks::detect_all(black_box(&decoded)))))
        }),
        ("ten checks, native", Box::new(|| natively(&batch))),
        ("ten checks, component", Box::new(|| evaluate(&mut checks, &batch))),
        ("ten checks, list<record>", Box::new(|| twin.evaluate(&records))),
        ("six fields, project and call", {
            Box::new(|| evaluate(&mut six, &encoded.table.project(&encoded.rows, &six_columns, &mut scratch)))
        }),
        ("  projecting its columns", {
            Box::new(|| {
                drop(black_box(encoded.table.project(&encoded.rows, &six_columns, &mut scratch_of_project)));
            })
        }),
        ("encoding 15 fields, from events", {
            Box::new(|| drop(black_box(table_of(black_box(&encoded.events), &encoded.fields))))
        }),
        ("encoding 15 fields, from texts", {
            Box::new(|| drop(black_box(table_of_texts(&encoded.events, black_box(&texts)))))
        }),
    ];
    in_turns(&mut measures, encoded.rows.len())
}

/// Nanoseconds per event of each, the median of many short rounds, measured in turns so that a busy machine is as unfair
/// to the one as to the other.
fn in_turns(measures: &mut [Measure<'_>], events: usize) -> Vec<(&'static str, f64)> {
    const ROUNDS: usize = 101;
    const CALLS: usize = 10;
    let mut rounds: Vec<Vec<f64>> = vec![Vec::with_capacity(ROUNDS); measures.len()];
    for _ in 0..ROUNDS {
        for ((_, measure), times) in measures.iter_mut().zip(&mut rounds) {
            let started = Instant::now();
            (0..CALLS).for_each(|_| measure());
            times.push(started.elapsed().as_nanos() as f64 / (CALLS * events) as f64);
        }
    }
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2]
    };
    measures.iter().map(|(name, _)| *name).zip(rounds.into_iter().map(median)).collect()
}

/// What the component does, without the component: a batch in, findings out.
fn natively(batch: &Batch) {
    black_box(bench_checks::detect_all(&gridwatch_sdk::testing::from_host(black_box(batch))));
}

fn evaluate(module: &mut Module, batch: &Batch) {
    let evaluation = module.evaluate(black_box(batch));
    assert!(evaluation.failures.is_empty(), "{:?}", evaluation.failures);
    black_box(evaluation);
}

/// Events, and all their columns encoded once.
struct Encoded {
    events: Vec<Event>,
    fields: Vec<Field>,
    table: Table,
    rows: Vec<u32>,
}

impl Encoded {
    fn new(events: Vec<Event>) -> Self {
        let fields: Vec<Field> = FIELDS.iter().map(|name| Field::parse(name).expect("a field")).collect();
        let table = table_of(&events, &fields);
        let rows = (0..events.len() as u32).collect();
        Self { events, fields, table, rows }
    }

    /// A module and its batch.
    fn module(&self, name: &str) -> (Module, Batch) {
        let bytes = test_module(name);
        let limits = Limits { renew_after_calls: u32::MAX, ..Limits::default() };
        let component = Component::from_bytes(bytes, &BTreeSet::new(), limits.component_bytes).expect(name);
        let engine = Engine::new(None).expect("an engine");
        let module = Module::load(&engine, &component, &Map::new(), Arc::new(Tables::default()), Arc::new(limits));
        let module = module.expect(name);
        let batch = self.table.project(&self.rows, &self.columns(&module), &mut Scratch::default());
        (module, batch)
    }

    fn columns(&self, module: &Module) -> Vec<usize> {
        let column = |field: &Field| self.fields.iter().position(|f| f == field).expect("one of FIELDS");
        module.manifest.fields.iter().map(column).collect()
    }

    fn texts(&self) -> Vec<Vec<String>> {
        let nobody = (Directory::default(), Networks::default());
        let texts = |event: &Event| {
            let reading = Reading::of(event, &nobody.0, &nobody.1);
            self.fields.iter().map(|field| reading.text(field).into_owned()).collect()
        };
        self.events.iter().map(texts).collect()
    }
}

fn table_of(events: &[Event], fields: &[Field]) -> Table {
    let mut table = Table::new(fields.len());
    let (directory, networks) = (Directory::default(), Networks::default());
    for event in events {
        table.start_row(event);
        let reading = Reading::of(event, &directory, &networks);
        fields.iter().enumerate().for_each(|(column, field)| table.set(column, || reading.text(field)));
    }
    table
}

fn table_of_texts(events: &[Event], texts: &[Vec<String>]) -> Table {
    let mut table = Table::new(FIELDS.len());
    for (event, texts) in events.iter().zip(texts) {
        table.start_row(event);
        texts.iter().enumerate().for_each(|(column, text)| table.set(column, || text.into()));
    }
    table
}

/// A working hour of forty people: texts repeat as they do in a real log, ids don't.
fn events(rows: usize) -> Vec<Event> {
    const ACTIONS: [&str; 4] = ["user_login", "user_logout", "file_downloaded", "user_login_failed"];
    let event = |n: usize| {
        let (actor, target) = (n * 7 % 40, n * 11 % 200);
        let entity = ["user", "file"][n % 2];
        let entry = json!({
            "id": format!("00000000-0000-4000-8000-{n:012}"),
            "date_create": 1_790_000_000 + n,
            "action": ACTIONS[n % ACTIONS.len()],
            "actor": { "type": "user", "user": {
                "id": format!("W{actor:010}"), "name": format!("Person {actor}"), "email": format!("p{actor}@acme.example"),
            }},
            "entity": { "type": entity, entity: { "id": format!("F{target:010}"), "name": format!("report {target}.pdf") } },
            "context": {
                "ip_address": format!("198.51.100.{actor}"),
                "ua": format!("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/1{}.0.0.0", actor % 5),
                "session_id": format!("{}", 900_000_000_000_u64 + actor as u64),
                "location": { "type": "workspace", "id": "T01", "name": "Acme", "domain": "acme" },
            },
            "details": { "type": "sso", "reason": "" },
        });
        Event::new(n as u64 + 1, UnixMillis(0), &Entry::from_json(&entry.to_string()))
    };
    (0..rows).map(event).collect()
}

/// The same rule behind a list of records, in an engine of the same kind.
struct Twin {
    store: wasmtime::Store<()>,
    world: twin::Twin,
}

impl Twin {
    fn start() -> Self {
        let mut config = wasmtime::Config::new();
        config
            .concurrency_support(false)
            .gc_support(false)
            .epoch_interruption(true)
            .cranelift_nan_canonicalization(true);
        let engine = wasmtime::Engine::new(&config).expect("an engine");
        let component = wasmtime::component::Component::new(&engine, test_module("record-twin")).expect("record-twin");
        let mut store = wasmtime::Store::new(&engine, ());
        store.set_epoch_deadline(1);
        let linker = wasmtime::component::Linker::new(&engine);
        let world = twin::Twin::instantiate(&mut store, &component, &linker).expect("record-twin");
        Self { store, world }
    }

    fn evaluate(&mut self, events: &[twin::Event<'_>]) {
        black_box(self.world.call_evaluate(&mut self.store, black_box(events)).expect("record-twin"));
    }
}

fn record<'e>(event: &Event, texts: &'e [String]) -> twin::Event<'e> {
    twin::Event {
        seq: event.seq,
        time_ms: event.time.millis().0,
        id: &texts[0],
        action: &texts[1],
        actor_type: &texts[2],
        actor_id: &texts[3],
        actor_name: &texts[4],
        actor_email: &texts[5],
        entity_type: &texts[6],
        entity_id: &texts[7],
        entity_name: &texts[8],
        ip_address: &texts[9],
        ua: &texts[10],
        session_id: &texts[11],
        domain: &texts[12],
        details_type: &texts[13],
        details_reason: &texts[14],
    }
}

fn test_module(name: &str) -> Vec<u8> {
    let path: PathBuf =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/test-modules/{name}-1.0.0.wasm"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}: run `cargo xtask modules --test-guests`", path.display()))
}
