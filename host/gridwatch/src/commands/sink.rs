//! `gridwatch sink setup`: what receivers need before the first record, put in place by gridwatch itself.

use super::FAILED;
use crate::clock::Clock;
use crate::config::Configs;
use crate::telemetry::log;
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use std::io::Write;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the index templates, data streams and indices that Elasticsearch and OpenSearch need. Doing it again does no harm.
    ///
    /// The credentials of the sink may be ones that only create documents; then run this once with a configuration whose credentials
    /// may manage index templates.
    Setup(Setup),
}

#[derive(Debug, Args)]
pub struct Setup {
    /// The configuration with the sinks.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Only this sink.
    #[arg(long, value_name = "NAME")]
    sink: Option<String>,
}

/// # Errors
/// The configuration is wrong, has no such sink, or standard output refuses. A receiver that refuses is no error but the exit code.
pub fn run(command: &Command, log: Option<&str>, clock: Clock) -> Result<u8> {
    let Command::Setup(options) = command;
    log::start(log.unwrap_or("warn"))?;
    let configs = Configs::load(&options.config)?;
    let all = &configs.process().sinks;
    let is_meant = |name: &str| options.sink.as_ref().is_none_or(|meant| meant == name);
    if let Some(name) = options.sink.as_ref().filter(|name| all.iter().all(|sink| sink.name != **name)) {
        let names = all.iter().map(|sink| sink.name.as_str()).collect::<Vec<_>>().join(", ");
        bail!("the configuration has no sink `{name}`\nhint: it has {names}");
    }
    let mut out = std::io::stdout().lock();
    let mut code = 0;
    for sink in all.iter().filter(|sink| is_meant(&sink.name)) {
        match sink.setup.prepare(clock) {
            None => writeln!(out, "{}: nothing to set up", sink.name)?,
            Some(Ok(told)) => told.iter().try_for_each(|line| writeln!(out, "{}: {line}", sink.name))?,
            Some(Err(problem)) => {
                writeln!(out, "{}: FAILED: {}", sink.name, problem.what)?;
                problem.hint.map_or(Ok(()), |hint| writeln!(out, "  hint: {hint}"))?;
                code = FAILED;
            }
        }
    }
    Ok(code)
}
