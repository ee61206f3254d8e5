//! gridwatch: watches a Slack Enterprise Grid org's audit log.
//!
//! Start reading at [`cli`] for what there is to say, at [`run`] for the way of the data.

#![expect(unreachable_pub, reason = "in a program, `pub` says that other modules of it use something")]

mod alerts;
mod answers;
mod archive;
mod bell;
mod check;
mod checkpoint;
mod cli;
mod clock;
mod config;
mod coverage;
mod deliver;
mod demo;
mod detect;
mod detections;
mod disk;
mod drift;
mod embedded;
mod exceptions;
mod folder;
mod health;
mod history;
mod input;
mod lifetime;
mod live;
mod manual;
mod mmdb;
mod modules;
mod opening;
mod poll;
mod progress;
mod record;
mod reload;
mod reminder;
mod replay;
mod respond;
mod roster;
mod rotation;
mod run;
mod schema;
mod show;
mod simulate;
mod sink;
mod slack;
mod starts;
mod status;
mod store;
mod tune;
mod web_api;

use std::process::ExitCode;

fn main() -> ExitCode {
    // A panic has told its own story by then. Its usual code, 101, would be one that no service unit knows.
    std::panic::catch_unwind(cli::main).unwrap_or(ExitCode::FAILURE)
}
