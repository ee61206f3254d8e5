//! The sandbox, against modules that do their worst: a module can hurt only itself, and of its own work it loses one
//! (module, event) for each that it can't get over.

mod batches;
mod cache;
mod conduct;
mod kv;
mod lies;
mod limits;
mod logs;
mod poison;
mod refused;
mod swap;

use gridwatch_detect::{Evaluation, Limits, Module};
use gridwatch_event::event::Event;
use gridwatch_tests::detection::batch_for;
use gridwatch_tests::guests;

/// `tests/guests/misbehave` under limits.
fn misbehave(limits: &Limits) -> Module {
    guests::module("misbehave", limits)
}

fn evaluate(module: &mut Module, events: &[Event]) -> Evaluation {
    module.evaluate(&batch_for(module, events))
}

/// Rows of the findings, in the order they came.
fn rows(evaluation: &Evaluation) -> Vec<u32> {
    evaluation.outcome.findings.iter().map(|finding| finding.row).collect()
}

fn titles(evaluation: &Evaluation) -> Vec<&str> {
    evaluation.outcome.findings.iter().map(|finding| &*finding.title).collect()
}

fn dead(evaluation: &Evaluation) -> Vec<(u32, &str)> {
    evaluation.outcome.dead.iter().map(|dead| (dead.row, &*dead.reason)).collect()
}
