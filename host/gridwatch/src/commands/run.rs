//! `gridwatch run`: the host, until it is told to end.

use crate::app::signals::{self, Orders};
use crate::app::supervise;
use crate::clock::Clock;
use crate::config::Configs;
use crate::context::Until;
use crate::telemetry::log::{self, Relevel};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, Args)]
pub struct Options {
    /// The configuration; `gridwatch check --example` prints one.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Stop when everything that may be read now has been read and delivered.
    #[arg(long)]
    once: bool,
}

/// # Errors
/// The configuration or the modules are wrong, another gridwatch runs on the state folder, or a stage can't go on.
pub fn run(options: &Options, log: Option<&str>, clock: Clock) -> Result<u8> {
    signals::runtime()?.block_on(async {
        // Before anything that takes time: an order that comes early must not kill.
        let (stop, reload) = signals::listen()?;
        let config = Configs::load(&options.config)?;
        let relevel = log::start_as(config.process().log.format, log.unwrap_or(config.process().log.level.as_str()))?;
        let relevel = match log {
            Some(_) => Relevel::never(),
            None => relevel,
        };
        let until = if options.once { Until::UpToDate } else { Until::Stopped };
        supervise::run(config, until, Orders { stop, reload, relevel }, Arc::new(|_| {}), clock).await?;
        Ok(0)
    })
}
