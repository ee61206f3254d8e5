//! The command line: what can be said, and what each exit code means. What a command does is in `commands`.

use crate::clock::Clock;
use crate::commands::{FAILED, WRONG};
use crate::commands::{
    alerts, audit, backfill, backup, check, compile, coverage, demo, detections, exceptions, explain, gaps, manual,
    module, normalize, plan, replay, respond, run, schema, sim, sink, status, top, tune, verify, watch, web,
};
use crate::config::Problems;
use crate::modules::Unusable;
use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

/// Watches a Slack Enterprise Grid org: polls the Audit Logs API durably, runs sandboxed WASM detection modules over it,
/// and writes events and alerts where your log agent picks them up.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "\
Exit codes: 0 done, 1 failed (trying again may help), 2 the command line, the configuration or a module is wrong.
Start with `gridwatch demo`: an embedded org, no configuration, ends by itself."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// What to log on standard error: error, warn, info, debug, or a tracing filter such as `gridwatch=debug`.
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Poll, detect and deliver until SIGTERM or SIGINT, which drain and exit 0. SIGHUP reads lists, exceptions, and settings and grants of modules again.
    Run(run::Options),
    /// Check a configuration and its modules without polling, and report every problem with file, line and hint.
    Check(check::Options),
    /// See gridwatch work: poll an embedded Slack org over HTTP, with attacks in it that the modules have to find.
    Demo(demo::Options),
    /// Serve a simulated Slack Audit Logs API, for trying gridwatch (or anything else) against.
    Sim(sim::Options),
    /// Turn entries in Slack's wire form into events for a SIEM, one per line.
    Normalize(normalize::Options),
    /// List every rule: what it watches, its condition, threshold and severity, what to do, and its ATT&CK techniques.
    Detections(detections::Options),
    /// List which ATT&CK techniques and Slack actions the rules cover, which they do not, and why.
    Coverage(coverage::Options),
    /// Show how Slack's actions map to OCSF and ECS, what the views look like, and what they lose (nothing).
    #[command(args_conflicts_with_subcommands = true)]
    Schema(schema::Options),
    /// Make, try, sign, list, show and swap modules.
    #[command(subcommand)]
    Module(module::Command),
    /// Run modules over stored entries and print the alerts. The same input gives the same alerts, byte for byte.
    ///
    /// A summary of what was read goes to standard error. Exits with 1 if there was no entry, if not everything could be read, or if
    /// a module failed.
    Replay(replay::Options),
    /// List the alerts, show one, export them for machines, or say what was done about one.
    #[command(subcommand)]
    Alerts(alerts::Command),
    /// Explain why an alert was made: the deciding event as the module saw it, window values, lookups, exceptions, all events.
    Explain(explain::Options),
    /// List the exceptions, and check that they suppress no known true positive.
    #[command(subcommand)]
    Exceptions(exceptions::Command),
    /// Prepare what sinks send to.
    #[command(subcommand)]
    Sink(sink::Command),
    /// Show which rules are noisy, what exceptions suppressed, and what other thresholds would have given.
    Tune(tune::Options),
    /// Show what to do about an alert: its playbook with calls to copy. With --execute, do the steps that can be undone.
    Respond(respond::Options),
    /// Show what the gridwatch that runs on a state folder is doing, and whether somebody has to act.
    ///
    /// Reads only the state folder: no secret and no sink's folder. Members of the folder's group may do this.
    /// Exit codes: 0 healthy, 1 somebody is needed (not running, stuck, paused, a problem, a sink that fails, a module set
    /// aside), 2 the command line is wrong.
    Status(status::Options),
    /// Look live at what is seen, open and told, and go into alerts: keys are shown. Without a terminal, one look as text.
    Top(top::Options),
    /// List the time that is not proven to have been read, and why. Exits with 1 if there is a gap in what was asked about.
    Gaps(gaps::Options),
    /// Read a stretch of the audit log from Slack again and compare it with the archive: what is missing, doubled, late or gone.
    ///
    /// Runs beside gridwatch and changes nothing. Exits with 1 if something is missing, doubled or gone, and says what it cost.
    Verify(verify::Options),
    /// Have gridwatch read further back. Live entries come first; it goes on after a restart.
    Backfill(backfill::Options),
    /// Show which time a start would read, with how many requests, and how long that takes. Asks nobody.
    Plan(plan::Options),
    /// Write all that gridwatch remembers into one file, or put such a file in place: for a backup, or to move to another machine.
    #[command(subcommand)]
    State(backup::Command),
    /// Show what people did to gridwatch itself, and check that nothing of that trail is missing or altered.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Watch another gridwatch by its heartbeats, best from another machine, and tell through sinks of its own when they stop.
    ///
    /// Reads them from its `telemetry.listen`, or from the file of one of its sinks. See docs/operations.md.
    Watch(watch::Options),
    /// Serve the page for people over a state folder, or print the link that logs in to it.
    #[command(subcommand)]
    Web(web::Command),
    /// Print a shell's completions: `gridwatch completions bash > ~/.bash_completion`, or as root into /etc/bash_completion.d/gridwatch.
    Completions(manual::Completions),
    /// Write a man page for each command into a folder: `gridwatch man ~/.local/share/man/man1`, or as root /usr/local/share/man/man1.
    Man(manual::Pages),
    #[command(name = crate::modules::compiler::COMMAND, hide = true)]
    CompileModule(compile::Options),
}

pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            let wrong = error.is::<Problems>() || error.is::<Unusable>() || error.is::<respond::Wrong>();
            ExitCode::from(if wrong { WRONG } else { FAILED })
        }
    }
}

/// Whoever reads us has seen enough (`| head`): no failure of ours.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|e| e.downcast_ref::<std::io::Error>()).any(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}

fn dispatch(cli: Cli) -> Result<u8> {
    let (clock, log) = (Clock::system(), cli.log.as_deref());
    match cli.command {
        Command::Run(options) => run::run(&options, log, clock),
        Command::Check(options) => check::run(&options, log, clock),
        Command::Demo(options) => demo::run(&options, log, clock),
        Command::Sim(options) => sim::run(&options, log, clock.now()),
        Command::Normalize(options) => normalize::run(&options, log),
        Command::Detections(options) => detections::run(&options),
        Command::Coverage(options) => coverage::run(&options, clock.now()),
        Command::Schema(options) => schema::run(&options),
        Command::Module(command) => module::run(&command, log, clock.now()),
        Command::Replay(options) => replay::run(&options, log, clock.now()),
        Command::Alerts(command) => alerts::run(&command, clock),
        Command::Explain(options) => explain::run(&options, clock),
        Command::Exceptions(command) => exceptions::run(&command, log, clock.now()),
        Command::Sink(command) => sink::run(&command, log, clock),
        Command::Tune(options) => tune::run(&options, log, clock.now()),
        Command::Respond(options) => respond::run(&options, log, clock),
        Command::Status(options) => status::run(&options, clock.now()),
        Command::Top(options) => top::run(&options, clock),
        Command::Gaps(options) => gaps::run(&options, clock.now()),
        Command::Verify(options) => verify::run(&options, log, clock),
        Command::Backfill(options) => backfill::run(&options, clock),
        Command::Plan(options) => plan::run(&options, clock.now()),
        Command::State(command) => backup::run(&command, clock),
        Command::Audit(command) => audit::run(&command, &mut anstream::AutoStream::auto(std::io::stdout().lock())),
        Command::Watch(options) => watch::run(&options, log, clock),
        Command::Web(command) => web::run(&command, log, clock),
        Command::Completions(options) => manual::completions(&options, Cli::command()),
        Command::Man(options) => manual::pages(&options, Cli::command()),
        Command::CompileModule(options) => compile::run(&options),
    }
}
