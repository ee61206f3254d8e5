//! gridwatch: watches a Slack Enterprise Grid org's audit log.
//!
//! Start reading at [`cli`] for what there is to say, at [`app::supervise`] for the way of the data.

#![expect(unreachable_pub, reason = "in a program, `pub` says that other modules of it use something")]

mod app;
mod archive;
mod bell;
mod cli;
mod clock;
mod commands;
mod config;
mod context;
mod disk;
mod exceptions;
mod folder;
mod history;
mod input;
mod modules;
mod reader;
mod record;
mod responses;
mod sink;
mod slack;
mod stage;
mod store;
mod telemetry;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    // A panic has told its own story by then. Its usual code, 101, would be one that no service unit knows.
    std::panic::catch_unwind(cli::main).unwrap_or(ExitCode::FAILURE)
}
