//! What a running gridwatch is asked about its modules: to install, roll back, pin, disable and list them.

use crate::commands::state::State;
use crate::control::{self, Order, Request};
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use gridwatch_rules::pipeline::Fault;
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Have a running gridwatch put a module file into service: verified, compiled, tried over the newest events, then on probation.
    Install {
        /// The module file.
        file: PathBuf,
        #[command(flatten)]
        of: Running,
    },
    /// Have a running gridwatch bring back the version of a module that served before this one.
    Rollback(Named),
    /// Keep the modules folder from changing a module of a running gridwatch.
    Pin(Named),
    /// Let the modules folder change a module again.
    Unpin(Named),
    /// Take a module out of service until it is enabled; its windows go on counting.
    Disable(Named),
    /// Put a disabled module back into service.
    Enable(Named),
    /// List the newest events that modules of a running gridwatch could not judge, each with a number for `replay-fault`.
    Faults {
        #[command(flatten)]
        of: Running,
    },
    /// List what serves in a running gridwatch: versions, what is pinned, disabled or on probation, and what can be brought back.
    Serving {
        #[command(flatten)]
        of: Running,
    },
}

#[derive(Debug, Args)]
pub struct Named {
    /// The module's name.
    #[arg(value_name = "NAME")]
    module: String,
    #[command(flatten)]
    of: Running,
}

#[derive(Debug, Args)]
pub struct Running {
    #[command(flatten)]
    state: State,
    /// Which of several organizations, by its name.
    #[arg(long, value_name = "NAME")]
    org: Option<String>,
    /// Print the answer as one JSON object.
    #[arg(long)]
    json: bool,
}

/// # Errors
/// No gridwatch runs there, or it says why it doesn't do so.
pub fn run(command: &Command, out: &mut dyn Write) -> Result<()> {
    let of_module = |named: &Named| named.module.clone();
    let (order, of) = match command {
        Command::Install { file, of } => {
            let file = std::fs::canonicalize(file).with_context(|| format!("can't read {}", file.display()))?;
            (Order::Install { file }, of)
        }
        Command::Rollback(named) => (Order::Rollback { module: of_module(named) }, &named.of),
        Command::Pin(named) => (Order::Pin { module: of_module(named) }, &named.of),
        Command::Unpin(named) => (Order::Unpin { module: of_module(named) }, &named.of),
        Command::Disable(named) => (Order::Disable { module: of_module(named) }, &named.of),
        Command::Enable(named) => (Order::Enable { module: of_module(named) }, &named.of),
        Command::Serving { of } => (Order::List, of),
        Command::Faults { of } => (Order::Faults { from: 0 }, of),
    };
    let request = Request::new(of.org.clone(), order);
    let done = control::ask(&of.state.dir()?, &request)?;
    if of.json {
        return Ok(writeln!(out, "{done}")?);
    }
    match &request.order {
        Order::List => list(&done, out),
        Order::Faults { .. } => faults(&done, out),
        Order::Pin { module } => Ok(writeln!(out, "{module}@{} is pinned", text(&done["serving"]["version"]))?),
        Order::Unpin { module } => Ok(writeln!(out, "{module} is no longer pinned")?),
        _ => changed(&done, out),
    }
}

fn changed(done: &Value, out: &mut dyn Write) -> Result<()> {
    let (module, from) = (text(&done["module"]), &done["from_seq"]);
    let instead = done["before"].as_str().map(|before| format!(", in the place of {before}")).unwrap_or_default();
    match done["version"].as_str() {
        Some(version) => writeln!(out, "{module}@{version} serves from event {from} on{instead}")?,
        None => writeln!(out, "{module} is disabled from event {from} on: its rules watch nothing")?,
    }
    if let Some(again) = done["again"].as_object() {
        let n = |name: &str| again.get(name).and_then(Value::as_u64).unwrap_or_default();
        let (events, alerts) = (n("events"), n("alerts"));
        writeln!(out, "{events} events that the version before it could not judge were judged: {alerts} alerts")?;
    }
    if let Some(trial) = done["trial"].as_object() {
        let n = |name: &str| trial.get(name).and_then(Value::as_u64).unwrap_or_default();
        writeln!(
            out,
            "tried over the newest {} events: {} findings, {} that the version before it doesn't have, {} that it has alone",
            n("events"),
            n("findings"),
            n("added"),
            n("lost")
        )?;
    }
    Ok(())
}

fn list(done: &Value, out: &mut dyn Write) -> Result<()> {
    for module in done.as_array().into_iter().flatten() {
        let (name, serving) = (text(&module["name"]), &module["serving"]);
        let words = ["disabled", "pinned", "on_probation"].into_iter().filter(|word| module[*word] == true);
        let words: Vec<String> = words.map(|word| word.replace('_', " ")).collect();
        let words = if words.is_empty() { String::new() } else { format!("  {}", words.join(", ")) };
        let before = module["before"].as_array().into_iter().flatten().rev();
        let before: Vec<&str> = before.map(|version| text(&version["version"])).collect();
        let before = if before.is_empty() { String::new() } else { format!("  before it: {}", before.join(", ")) };
        let digest = text(&serving["digest"]);
        writeln!(out, "{name}@{}  {}{words}{before}", text(&serving["version"]), digest.get(..12).unwrap_or(digest))?;
    }
    Ok(())
}

fn faults(done: &Value, out: &mut dyn Write) -> Result<()> {
    let faults: Vec<(u64, Fault)> = serde_json::from_value(done.clone())?;
    for (number, Fault { module, version, event_id, reason, .. }) in &faults {
        writeln!(out, "{number}  {module}@{version}  {event_id}  {reason}")?;
    }
    if faults.is_empty() {
        writeln!(out, "no module has failed on an event")?;
    }
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
