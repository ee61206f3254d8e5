//! Events, and detection as the shell runs it: pipeline, worker threads, folding; without a store.

use gridwatch_detect::{Evaluation, Module, Workers};
use gridwatch_event::entry::Entry;
use gridwatch_event::event::Event;
use gridwatch_event::time::UnixMillis;
use gridwatch_rules::batch::Batch;
use gridwatch_rules::pipeline::{Concluded, Pipeline, Service};
use serde_json::{Value, json};
use std::sync::Arc;

const START: u64 = 1_790_000_000;

/// A sign-in that asks `tests/guests/misbehave` for something; event `n` is by actor `W<n>` with id `e<n>`.
pub fn asks(n: u64, misdeed: &str, amount: u64) -> Event {
    signs_in(n, &format!("W{n}"), json!({ "misdeed": misdeed, "amount": amount }))
}

/// A sign-in with nothing special to it.
pub fn plain(n: u64) -> Event {
    signs_in(n, &format!("W{n}"), json!({}))
}

pub fn signs_in(n: u64, actor: &str, details: Value) -> Event {
    event(n, "user_login", actor, details)
}

/// Event `n`, ten seconds after the one before it.
pub fn event(n: u64, action: &str, actor: &str, details: Value) -> Event {
    event_at(n, n * 10, action, actor, details)
}

/// Event `n`, so many seconds after the start.
pub fn event_at(n: u64, after_s: u64, action: &str, actor: &str, details: Value) -> Event {
    let user = json!({ "id": actor, "name": "A Name", "email": format!("{actor}@acme.example") });
    let entry = json!({
        "id": format!("e{n}"),
        "date_create": START + after_s,
        "action": action,
        "actor": { "type": "user", "user": user },
        "entity": { "type": "user", "user": user },
        "context": { "ip_address": "198.51.100.7", "ua": "Mozilla/5.0" },
        "details": details,
    });
    Event::new(n, UnixMillis((START + after_s + 60) * 1_000), &Entry::from_json(&entry.to_string()))
}

/// The batch that one module gets of some events.
pub fn batch_for(module: &Module, events: &[Event]) -> Arc<Batch> {
    Pipeline::new(vec![service(module)]).prepare(events).asked[0].batch.clone()
}

pub fn service(module: &Module) -> Service {
    Service { manifest: module.manifest.clone(), digest: module.digest.clone(), serves: 0..u64::MAX }
}

/// Modules in service.
#[derive(Debug)]
pub struct Detection {
    pipeline: Pipeline,
    workers: Workers,
}

impl Detection {
    pub fn start(modules: Vec<Module>, threads: usize) -> Self {
        let (mut pipeline, mut workers) = (Pipeline::default(), Workers::start(threads).expect("threads"));
        for module in modules {
            let id = pipeline.add(service(&module));
            workers.add(id, module);
        }
        Self { pipeline, workers }
    }

    /// Runs one batch: what came of it, and what each module did.
    pub fn run(&mut self, events: &[Event]) -> (Concluded, Vec<Evaluation>) {
        let prepared = self.pipeline.prepare(events);
        let evaluations = self.workers.evaluate(&prepared.asked);
        let outcomes: Vec<_> = evaluations.iter().map(|(id, e)| (*id, e.outcome.clone())).collect();
        let concluded = self.pipeline.conclude(events, &prepared, outcomes);
        (concluded, evaluations.into_iter().map(|(_, evaluation)| evaluation).collect())
    }
}
