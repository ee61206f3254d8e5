//! `gridwatch status`: what the gridwatch that runs on a state folder is doing, and whether somebody has to act.

use super::state::State;
use super::{FAILED, show};
use crate::config::Configs;
use crate::look::running;
use crate::look::sinks::Room;
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
    let homes = options.state.homes()?;
    let (status, health) = running::look(&homes.state_dir, now)?;
    // One with errors says nothing here; the state folder does.
    let configs = options.state.config().and_then(|path| Configs::look(path).ok());
    let room = Room::of(&homes.state_dir, configs.as_ref().map(Configs::process));
    let lasts = status.as_ref().and_then(|status| room.lasts(status, now));
    if options.json {
        let mut all = json!(status.unwrap_or_default());
        all["health"] = json!(health);
        all["room_lasts"] = json!(lasts);
        println!("{all}");
    } else {
        show::status(status.as_ref(), &health, now);
        lasts.iter().for_each(|lasts| println!("there is room for {lasts}"));
    }
    Ok(if health.healthy { 0 } else { FAILED })
}
