//! A module that comes and goes, within a process and over restarts, finds its windows as if it had always been there.
//!
//! The model is a pipeline that the module never leaves. Beside it runs one that it leaves and comes back to at random points, and
//! that is made anew from its saved rows. Whatever the module is asked there, its windows say what they say in the model.

use gridwatch_event::entry::Entry;
use gridwatch_event::event::Event;
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::Manifest;
use gridwatch_rules::batch::Batch;
use gridwatch_rules::pipeline::{ModuleOutcome, Pipeline, Service, ServiceId};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const BEGIN: u64 = 1_790_000_000;

const MANIFEST: &str = r#"
name = "watcher"
version = "1.0.0"
abi = "gridwatch:detect@1"
title = "t"
fields = ["action", "actor.id", "context.ip_address"]

[[window]]
name = "failed"
kind = "count"
actions = ["user_login_failed"]
key = ["actor.id"]
span = "1h"

[[window]]
name = "places"
kind = "first_seen"
actions = ["user_login"]
key = ["actor.id", "context.ip_address"]
span = "30d"
learn = "1h"

[[window]]
name = "people"
kind = "distinct"
of = "actor.id"
actions = ["user_login"]
when = { window = "places", is = "never" }
key = ["context.ip_address"]
span = "6h"

[[window]]
name = "in_then_out"
kind = "sequence"
key = ["actor.id"]
span = "2h"
steps = [{ actions = ["user_login_failed"], at_least = 2 }, { actions = ["user_login"] }]

[[window]]
name = "usual"
kind = "baseline"
bucket = "1h"
actions = ["user_login", "user_login_failed"]
key = ["actor.id"]
span = "7d"
learn = "2h"

# Three that share what they count, of two hours.
[[window]]
name = "addresses_now"
kind = "baseline"
says = "now"
of = "context.ip_address"
bucket = "1h"
period = "2h"
actions = ["user_login", "user_login_failed"]
key = ["actor.id"]
span = "2d"

[[window]]
name = "addresses_usual"
kind = "baseline"
of = "context.ip_address"
bucket = "1h"
period = "2h"
not_above = 2
actions = ["user_login", "user_login_failed"]
key = ["actor.id"]
span = "2d"
learn = "5h"

[[window]]
name = "periods"
kind = "baseline"
says = "periods"
of = "context.ip_address"
bucket = "1h"
period = "2h"
actions = ["user_login", "user_login_failed"]
key = ["actor.id"]
span = "2d"

# How many fail from one address in five hours.
[[window]]
name = "failed_there"
kind = "baseline"
says = "now"
bucket = "1h"
period = "5h"
actions = ["user_login_failed"]
key = ["context.subnet"]
span = "2d"

[[rule]]
id = "any"
title = "t"
actions = ["user_login", "user_login_failed"]
condition = "c"
threshold = "1"
severity = "low"
fold = "24h"
attack = []
playbook = { verify = [{ do = "ask" }], contain = [{ do = "ask" }] }
"#;

#[derive(Clone, Debug)]
enum Step {
    Event {
        actor: u8,
        fails: bool,
        address: u8,
        after_s: u64,
    },
    Leave,
    Come,
    /// The process ends; at the next start the module is there, or not.
    Restart {
        with_module: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let event = (0..4_u8, any::<bool>(), 0..3_u8, prop_oneof![9 => 0..4_000_u64, 1 => Just(60_000)])
        .prop_map(|(actor, fails, address, after_s)| Step::Event { actor, fails, address, after_s });
    let step = prop_oneof![
        12 => event,
        1 => Just(Step::Leave),
        1 => Just(Step::Come),
        1 => any::<bool>().prop_map(|with_module| Step::Restart { with_module }),
    ];
    prop::collection::vec(step, 1..120)
}

struct Tried {
    pipeline: Pipeline,
    serving: Option<ServiceId>,
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Tried {
    fn start(rows: BTreeMap<Vec<u8>, Vec<u8>>, with_module: bool) -> Self {
        let mut pipeline = Pipeline::default();
        let serving = with_module.then(|| pipeline.add(service()));
        rows.iter().for_each(|(key, value)| pipeline.load(key, value).expect("a saved row"));
        Self { pipeline, serving, rows }
    }

    fn come(&mut self) {
        if self.serving.is_none() {
            self.serving = Some(self.pipeline.add(service()));
        }
    }

    fn leave(&mut self) {
        if let Some(id) = self.serving.take() {
            self.pipeline.retire(id);
        }
    }
}

fn service() -> Service {
    let manifest = Manifest::parse(MANIFEST).unwrap_or_else(|e| panic!("{e}"));
    Service { manifest: Arc::new(manifest), digest: "d".into(), serves: 0..u64::MAX }
}

/// What the module is told of one event, if it is asked, and the rows to save.
fn judged(pipeline: &mut Pipeline, event: &Event) -> (Option<Vec<u64>>, Vec<gridwatch_rules::state::StateOp>) {
    let events = std::slice::from_ref(event);
    let prepared = pipeline.prepare(events);
    let told = |batch: &Batch| (0..9).map(|window| batch.window_at(window, 0)).collect();
    let values = prepared.asked.first().map(|asked| told(&asked.batch));
    let silent: Vec<_> = prepared.asked.iter().map(|asked| (asked.service, ModuleOutcome::default())).collect();
    pipeline.conclude(events, &prepared, silent);
    (values, pipeline.take_changes())
}

fn event(seq: u64, at: u64, actor: u8, fails: bool, address: u8) -> Event {
    let action = if fails { "user_login_failed" } else { "user_login" };
    let user = format!(r#"{{"type":"user","user":{{"id":"W{actor}"}}}}"#);
    let raw = format!(
        r#"{{"id":"e{seq}","date_create":{at},"action":"{action}","actor":{user},"entity":{user},
            "context":{{"ip_address":"198.51.100.{address}","session_id":1}}}}"#
    );
    Event::new(seq, UnixMillis(at * 1_000), &Entry::from_json(&raw))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn windows_are_left_as_an_uninterrupted_run_would(steps in steps()) {
        let mut whole = Pipeline::new(vec![service()]);
        let mut tried = Tried::start(BTreeMap::new(), true);
        let (mut seq, mut at) = (0, BEGIN);
        // It has to have been there once.
        let first = [Step::Event { actor: 0, fails: true, address: 0, after_s: 0 }];
        let last = (0..4).map(|actor| Step::Event { actor, fails: false, address: 0, after_s: 5 });
        for step in first.into_iter().chain(steps).chain([Step::Come]).chain(last) {
            match step {
                Step::Event { actor, fails, address, after_s } => {
                    (seq, at) = (seq + 1, at + after_s);
                    let event = event(seq, at, actor, fails, address);
                    let (expected, _) = judged(&mut whole, &event);
                    let (values, changes) = judged(&mut tried.pipeline, &event);
                    for op in changes {
                        match op.value.unwrap() {
                            Some(value) => _ = tried.rows.insert(op.key, value),
                            None => _ = tried.rows.remove(&op.key),
                        }
                    }
                    prop_assert_eq!(values.is_some(), tried.serving.is_some());
                    if values.is_some() {
                        prop_assert_eq!(values, expected, "at event {}", seq);
                    }
                }
                Step::Leave => tried.leave(),
                Step::Come => tried.come(),
                Step::Restart { with_module } => tried = Tried::start(tried.rows, with_module),
            }
        }
    }
}
