//! `gridwatch exceptions`: what stands in the file, and whether it would make a known true positive go quiet.

use super::Source;
use super::check::{self, Scope};
use crate::clock;
use crate::config::Config;
use crate::modules::Wanted;
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use gridwatch_core::exception::{Exception, Exceptions, Who};
use gridwatch_core::time::UnixSeconds;
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the file, and that every known true positive is still told of with these exceptions in force.
    ///
    /// Runs the attacks of a labelled org that gridwatch brings, and the team's own confirmed cases
    /// (`true_positives` in [detect]: files of entries in Slack's wire form whose first line says `# fires: RULE, RULE`), with
    /// the exceptions and without. Exits with 1 and names exception, story and rule if one goes quiet; with 2 if the
    /// file has errors. Made for the review of a changed file, before it is put in place: `--file`.
    Check {
        #[command(flatten)]
        which: Which,
        /// Only the team's own cases, which takes a moment; the shipped ones take some ten seconds.
        #[arg(long)]
        own: bool,
    },
    /// The entries of the file: who, what, until when, why.
    List {
        #[command(flatten)]
        which: Which,
        /// One JSON object an entry.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct Which {
    /// The configuration, which names the file, the modules and their settings.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// This file instead of the configured one.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub fn run(command: &Command) -> Result<u8> {
    match command {
        Command::Check { which, own } => checked(which, if *own { Scope::Own } else { Scope::All }),
        Command::List { which, json } => listed(which, *json),
    }
}

/// What the file says, and what it is said about.
struct Read {
    config: Config,
    wanted: Wanted,
    exceptions: Exceptions,
}

impl Which {
    fn read(&self) -> Result<Read> {
        let config = Config::load(&self.config)?;
        let wanted = Wanted::of(&config);
        let path = self.file.as_ref().or(wanted.exceptions.as_ref());
        let path = path.context(
            "no exceptions file is configured\nhint: `exceptions = \"exceptions.toml\"` in [detect], or --file",
        )?;
        let modules = wanted.load()?;
        let exceptions = Source::new(path, &wanted, &modules).read(clock::now())?;
        Ok(Read { config, wanted, exceptions })
    }
}

fn checked(which: &Which, scope: Scope) -> Result<u8> {
    let Read { config, wanted, exceptions } = which.read()?;
    let (now, terminal) = (clock::now().seconds(), std::io::stderr().is_terminal());
    let in_force = exceptions.at_any_time(now);
    let progress = |what: &str| {
        if terminal {
            eprintln!("… {what}");
        }
    };
    let report = check::check(&wanted, config.tuning.true_positives.as_deref(), &in_force, scope, &progress)?;
    let mut out = std::io::stdout().lock();
    for exception in exceptions.iter().filter(|exception| exception.expires <= now) {
        writeln!(out, "note: `{}` expired at {}; it hides nothing any more", exception.id, exception.expires)?;
    }
    for (id, stories) in &report.blind {
        let stories: Vec<&str> = stories.iter().map(String::as_str).collect();
        writeln!(out, "note: nobody is told if the subject of `{id}` does what happens in {}", stories.join(", "))?;
    }
    if !report.lost_to_settings.is_empty() {
        let stories: Vec<&str> = report.lost_to_settings.iter().map(String::as_str).collect();
        writeln!(out, "note: with the modules' default settings somebody would be told of {}", stories.join(", "))?;
    }
    for dead in &report.dead {
        writeln!(out, "DEAD   {dead}")?;
    }
    for quiet in &report.quiet {
        for (exception, rule) in &quiet.by {
            writeln!(out, "QUIET  exception `{exception}` silences {rule} in {}", quiet.case)?;
        }
    }
    let counts = format!(
        "{} of {} exceptions hold; {} of {} known true positives are told of without them",
        in_force.len(),
        exceptions.len(),
        report.told,
        report.cases
    );
    match report.is_fine() {
        true => writeln!(out, "fine: {counts}, and with them all of those still are")?,
        false => writeln!(
            out,
            "not fine: {counts}, {} go quiet with them\nhint: name fewer rules or a narrower subject, or see to it with a setting of the module",
            report.quiet.len()
        )?,
    }
    Ok(u8::from(!report.is_fine()))
}

fn listed(which: &Which, as_json: bool) -> Result<u8> {
    let exceptions = which.read()?.exceptions;
    let now = clock::now().seconds();
    let mut out = std::io::stdout().lock();
    for exception in exceptions.iter() {
        if as_json {
            let mut object = serde_json::to_value(exception)?;
            object["expires"] = json!(exception.expires.to_string());
            if let Some(added) = exception.added {
                object["added"] = json!(added.to_string());
            }
            object["state"] = json!(state(exception, now));
            writeln!(out, "{object}")?;
        } else {
            let covers = [exception.rules.clone(), exception.actions.clone()].concat().join(", ");
            writeln!(out, "{}  {}, until {}", exception.id, state(exception, now), exception.expires)?;
            writeln!(out, "  hides  {covers} of {}", who(&exception.who))?;
            if let Some(scopes) = &exception.scopes_max {
                let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
                writeln!(out, "  as long as the app has no more than {}", scopes.join(", "))?;
            }
            writeln!(out, "  why    {} ({}, {})", exception.reason, exception.owner, exception.ticket)?;
        }
    }
    if exceptions.is_empty() && !as_json {
        writeln!(out, "no exceptions")?;
    }
    Ok(0)
}

/// In a word.
pub fn state(exception: &Exception, now: UnixSeconds) -> &'static str {
    match () {
        () if exception.holds_at(now) => "holds",
        () if exception.expires <= now => "expired",
        () => "not yet",
    }
}

/// `actor W1 or W2, ip 198.51.100.0/24`
fn who(who: &Who) -> String {
    let ranges: Vec<String> = who.ip.iter().map(ToString::to_string).collect();
    let parts = [
        ("actor", &who.actor),
        ("app", &who.app),
        ("ip", &ranges),
        ("asn", &who.asn),
        ("channel", &who.channel),
        ("organization", &who.organization),
    ];
    let said = parts.into_iter().filter(|(_, names)| !names.is_empty());
    said.map(|(kind, names)| format!("{kind} {}", names.join(" or "))).collect::<Vec<_>>().join(", ")
}
