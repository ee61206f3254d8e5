//! gridwatch: watches a Slack Enterprise Grid org's audit log.
//!
//! Start reading at [`cli`] for what there is to say, at [`app::supervise`] for the way of the data.

#![expect(unreachable_pub, reason = "in a program, `pub` says that other modules of it use something")]

mod acts;
mod app;
mod archive;
mod bell;
mod cli;
mod clock;
mod commands;
mod config;
mod context;
mod control;
mod disk;
mod exceptions;
mod folder;
mod history;
mod http;
mod input;
mod look;
mod modules;
mod reader;
mod record;
mod responses;
mod secret;
mod sink;
mod slack;
mod stage;
mod store;
mod swap;
mod telemetry;
mod trail;
mod watch;
mod web;

use std::process::ExitCode;

fn main() -> ExitCode {
    // A panic has told its own story by then. Its usual code, 101, would be one that no service unit knows.
    std::panic::catch_unwind(cli::main).unwrap_or(ExitCode::FAILURE)
}
