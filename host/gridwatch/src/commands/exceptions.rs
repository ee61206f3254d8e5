//! `gridwatch exceptions`: what stands in the file, and whether it would make a known true positive go quiet.

mod check;
mod found;
mod lists;
mod shipped;

use self::check::{Report, Scope};
use crate::config::{Config, Configs};
use crate::exceptions::Source;
use crate::look::exceptions::{Silencing, silencing, state, who};
use crate::modules::Wanted;
use crate::telemetry::log;
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_manifest::Manifest;
use gridwatch_rules::exception::{Exception, Exceptions};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the file, and that every known true positive still makes an alert with these exceptions in force.
    ///
    /// Runs the attacks of a labelled org that gridwatch brings, and the team's own confirmed cases
    /// (`true_positives` in [detect]: files of entries in Slack's wire form whose first line says `# fires: RULE, RULE`), with
    /// the exceptions and without. For the shipped ones it also asks, for each exception: if its subject did that, would there
    /// be an alert? Exits with 1 and names exception, story and rule if a case no longer makes an alert, unless the exception
    /// `accepts` the story; also if an entry has expired. Exits with 2 if the file has errors. Use `--file` to review a changed
    /// file before it is put in place.
    Check {
        #[command(flatten)]
        which: Which,
        /// Check only the team's own cases, which takes a moment; the shipped ones take about ten seconds.
        #[arg(long)]
        own: bool,
        /// Fail also if a story makes an alert only with the modules' default settings, and not with the configured ones.
        #[arg(long, conflicts_with = "own")]
        strict: bool,
    },
    /// List the entries of the file: who, what, until when, why; and the module settings that suppress alerts as well.
    List {
        #[command(flatten)]
        which: Which,
        /// Print one JSON object per entry.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct Which {
    /// The configuration, which names the file, the modules and their settings.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Which of the configuration's organizations, by its name; only needed where there are several.
    #[arg(long, value_name = "NAME")]
    org: Option<String>,
    /// Use this file instead of the configured one.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// # Errors
/// The configuration, the exceptions, the modules or a case can't be read, or a module fails to start.
pub fn run(command: &Command, log: Option<&str>, now: UnixMillis) -> Result<u8> {
    log::start(log.unwrap_or("warn"))?;
    match command {
        Command::Check { which, own, strict } => {
            let scope = if *own { Scope::Own } else { Scope::All };
            checked(&which.read(now)?, scope, *strict, now.seconds())
        }
        Command::List { which, json } => listed(&which.read(now)?, *json, now.seconds()),
    }
}

/// What the file says, and what it is said about.
struct Read {
    config: Config,
    wanted: Wanted,
    manifests: Vec<Arc<Manifest>>,
    exceptions: Exceptions,
}

impl Which {
    fn read(&self, now: UnixMillis) -> Result<Read> {
        let config = Configs::look(&self.config)?.one(self.org.as_deref())?;
        let wanted = Wanted::of(&config).looking().lenient();
        let path = self.file.as_ref().or(wanted.exceptions.as_ref());
        let path = path.context(
            "no exceptions file is configured\nhint: set `exceptions = \"exceptions.toml\"` in [detect], or use --file",
        )?;
        let modules = wanted.load()?;
        let exceptions = Source::new(path, &wanted, modules.iter().map(|module| &*module.manifest)).read(now)?;
        let manifests = modules.iter().map(|module| module.manifest.clone()).collect();
        Ok(Read { config, wanted, manifests, exceptions })
    }
}

fn checked(read: &Read, scope: Scope, strict: bool, now: UnixSeconds) -> Result<u8> {
    let Read { config, wanted, exceptions, .. } = read;
    let terminal = std::io::stderr().is_terminal();
    let in_force = exceptions.at_any_time(now);
    let progress = |what: &str| {
        if terminal {
            eprintln!("… {what}");
        }
    };
    let report = check::check(wanted, config.tuning.true_positives.as_deref(), &in_force, scope, &progress)?;
    let mut out = std::io::stdout().lock();
    notes(&report, &mut out)?;
    let expired: Vec<&Exception> = exceptions.iter().filter(|exception| exception.expires <= now).collect();
    for exception in &expired {
        let (id, end) = (&exception.id, exception.expires);
        writeln!(
            out,
            "EXPIRED  `{id}` at {end}: it no longer suppresses anything; remove it, or renew it ({})",
            exception.owner
        )?;
    }
    let lost = &report.lost_to_settings;
    if !lost.is_empty() {
        let word = if strict { "LOST   " } else { "note:" };
        writeln!(out, "{word} with the modules' default settings there would be alerts for {}", list_of(lost))?;
    }
    for dead in &report.dead {
        writeln!(out, "DEAD   {dead}")?;
    }
    for quiet in &report.quiet {
        for (exception, rule) in &quiet.by {
            writeln!(out, "QUIET  exception `{exception}` suppresses {rule} in {}", quiet.case)?;
        }
        if quiet.by.is_empty() {
            writeln!(out, "QUIET  {}: no alert even without any exception", quiet.case)?;
        }
    }
    let counts = format!(
        "{} of {} exceptions are in force; {} of {} known true positives make alerts without them",
        in_force.len(),
        exceptions.len(),
        report.told,
        report.cases
    );
    let hidden: usize = report.by_lists.values().map(BTreeSet::len).sum();
    for (list, stories) in report.by_lists.iter().filter(|(_, stories)| !stories.is_empty()) {
        writeln!(out, "OPEN     nobody would be told if a member of `{list}` did {}", list_of(stories))?;
    }
    let fine = (!strict || hidden == 0) && report.is_fine() && expired.is_empty() && (!strict || lost.is_empty());
    match fine {
        true if hidden > 0 => writeln!(
            out,
            "fine as far as the file goes: {counts}, and all of those still do with it; but {hidden} times a story would go untold \
             if a member of a list of the configuration did it (OPEN above; `--strict` fails for these)"
        )?,
        true => writeln!(out, "fine: {counts}, and all of those still do with them")?,
        false => writeln!(
            out,
            "not fine: {counts}, {} no longer do with them\nhint: name fewer rules or a narrower subject, or use a setting of the module \
             instead; `accepts = [\"STORY\"]` in an entry states that its owner knows about it",
            report.quiet.len()
        )?,
    }
    Ok(u8::from(!fine))
}

/// What doesn't make the check fail, and is good to know.
fn notes(report: &Report, out: &mut impl Write) -> Result<()> {
    for (id, suppressed) in &report.by_design {
        let (rules, stories) = (list_of(&suppressed.rules), list_of(&suppressed.stories));
        writeln!(
            out,
            "note: `{id}` suppresses {rules} for its subject, as intended; there is still an alert if the subject does {stories}"
        )?;
    }
    for (id, rules) in &report.alone {
        writeln!(
            out,
            "note: `{id}` hides {} of its subject: if that is all there is to see of an attack, nobody is told",
            list_of(rules)
        )?;
    }
    let tried: Vec<&str> = report.by_lists.keys().map(String::as_str).collect();
    if !tried.is_empty() {
        writeln!(out, "note: tried with an attacker on each of these lists: {}", tried.join(", "))?;
    }
    if !report.untried.is_empty() {
        writeln!(out, "note: not tried, for their members are nobody who does a story: {}", list_of(&report.untried))?;
    }
    for (id, stories) in &report.accepted {
        writeln!(
            out,
            "note: there is no alert if the subject of `{id}` does {}, which the entry accepts",
            list_of(stories)
        )?;
    }
    for (id, stories) in &report.idle {
        writeln!(
            out,
            "note: `{id}` need not accept {}: there is an alert, or there is no such story",
            list_of(stories)
        )?;
    }
    Ok(())
}

fn list_of(texts: &BTreeSet<String>) -> String {
    texts.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn listed(read: &Read, as_json: bool, now: UnixSeconds) -> Result<u8> {
    let Read { wanted, manifests, exceptions, .. } = read;
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
            writeln!(out, "  suppresses  {covers} for {}", who(&exception.who))?;
            if let Some(scopes) = &exception.scopes_max {
                let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
                writeln!(out, "  scopes      as long as the app has no more than {}", scopes.join(", "))?;
            }
            if let Some(hours) = exception.bounds.hours {
                writeln!(out, "  hours       only between {hours} UTC")?;
            }
            if let Some(at_most) = exception.bounds.at_most {
                writeln!(out, "  at most     {at_most} of what the rule counts")?;
            }
            for (label, values) in &exception.bounds.labels {
                writeln!(out, "  label       only where {label} is {}", values.join(" or "))?;
            }
            if !exception.accepts.is_empty() {
                writeln!(out, "  accepts     no alert if that subject does {}", exception.accepts.join(", "))?;
            }
            writeln!(out, "  reason      {} ({}, {})", exception.reason, exception.owner, exception.ticket)?;
        }
    }
    for lowered in exceptions.lowered() {
        let most = lowered.most.map_or("nobody is told", |most| most.name());
        if as_json {
            let mut object = serde_json::to_value(lowered)?;
            object["expires"] = json!(lowered.expires.to_string());
            object["added"] = json!(lowered.added.map(|added| added.to_string()));
            object["state"] = json!(if lowered.holds_at(now) { "holds" } else { "not in force" });
            writeln!(out, "{object}")?;
        } else {
            let state = if lowered.holds_at(now) { "holds" } else { "not in force" };
            writeln!(out, "{}  {state}, until {}", lowered.id, lowered.expires)?;
            writeln!(out, "  rule        {} for everybody: {most} at most", lowered.rule)?;
            writeln!(out, "  reason      {} ({}, {})", lowered.reason, lowered.owner, lowered.ticket)?;
        }
    }
    if exceptions.is_empty() && exceptions.lowered().is_empty() && !as_json {
        writeln!(out, "no exceptions")?;
    }
    let silencing: Vec<Silencing> = silencing(manifests.iter().map(|manifest| &**manifest), wanted);
    if !silencing.is_empty() && !as_json {
        writeln!(out, "\nsettings that suppress alerts too, without owner or end:")?;
    }
    for list in &silencing {
        match as_json {
            true => writeln!(out, "{}", serde_json::to_string(list)?)?,
            false => writeln!(out, "  {}  {} entries ({})", list.setting, list.entries, list.place)?,
        }
    }
    Ok(0)
}
