//! `gridwatch status`: what the gridwatch that runs on a state folder is doing, and whether somebody has to act.

use super::state::State;
use super::{FAILED, show};
use crate::look::running;
use anyhow::Result;
use clap::Args;
use gridwatch_event::time::UnixMillis;
use serde_json::json;

#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    state: State,
    /// As one JSON object instead of text, with the same verdict under `health`.
    #[arg(long)]
    json: bool,
}

/// # Errors
/// The state folder or its status can't be read.
pub fn run(options: &Options, now: UnixMillis) -> Result<u8> {
    let (status, health) = running::look(&options.state.dir()?, now)?;
    if options.json {
        let mut all = json!(status.unwrap_or_default());
        all["health"] = json!(health);
        println!("{all}");
    } else {
        show::status(status.as_ref(), &health, now);
    }
    Ok(if health.healthy { 0 } else { FAILED })
}
