//! `gridwatch alerts` and `gridwatch explain`: what was found, as a person wants to read it and as machines do.

use super::respond::Wrong;
use super::state::State;
use super::{acts, show, values};
use crate::clock::Clock;
use crate::config::Since;
use crate::history::{self, History, Recorded, Row};
use crate::look::alerts::{Filter, Kept, Stands, cited};
use crate::look::running;
use crate::record::PRODUCT;
use anyhow::Result;
use clap::{Args, Subcommand};
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::Severity;
use gridwatch_names::suggest::did_you_mean;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::builtin;
use gridwatch_views::{DEFAULT_MAX_BYTES, View};
use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the newest alerts, one per line: when, severity, id, rule, what, who.
    List {
        #[command(flatten)]
        which: Which,
        /// Show at most this many; 0 shows all.
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
        /// Keep printing each new alert or revision as it comes.
        #[arg(long)]
        follow: bool,
        /// Print the alerts as gridwatch stores them, one JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Show one alert in full: who, what is known about them, events, what to do.
    Show {
        /// The alert's id, or a unique beginning of it.
        alert: String,
        #[command(flatten)]
        state: State,
        /// As one JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Print alerts as a sink would write them, one per line: OCSF Detection Findings, or another view.
    Export {
        #[command(flatten)]
        which: Which,
        /// ocsf, ocsf-1.1.0, ecs or raw, which for alerts is ocsf.
        #[arg(long, default_value = "ocsf", value_parser = values::view)]
        view: View,
    },
    #[command(flatten)]
    Act(acts::Command),
}

#[derive(Debug, Args)]
pub struct Which {
    #[command(flatten)]
    state: State,
    /// Only those with events from this time on: RFC 3339, seconds since 1970, or a span back from now such as 24h or 7d.
    #[arg(long, value_name = "TIME", value_parser = values::since)]
    since: Option<Since>,
    /// Only those of at least this severity: informational, low, medium, high or critical.
    #[arg(long, value_name = "SEVERITY", value_parser = values::severity)]
    severity: Option<Severity>,
    /// Only those of this rule, or of a whole module as in `sign-in.*`.
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Only those of this actor, by id, name or e-mail address.
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
    /// Only those of this organization, by its name in the configuration.
    #[arg(long, value_name = "NAME")]
    org: Option<String>,
    /// Also those that an exception or one of gridwatch's own responses suppressed.
    #[arg(long)]
    suppressed: bool,
    /// Only what modules and rules in shadow found, of which nobody was told.
    #[arg(long, conflicts_with = "suppressed")]
    shadow: bool,
    /// Only those that nobody has acknowledged or closed. With --acked or --closed also those.
    #[arg(long)]
    open: bool,
    /// Only those that somebody acknowledged.
    #[arg(long)]
    acked: bool,
    /// Only those that somebody closed, or that are over.
    #[arg(long)]
    closed: bool,
}

/// How often `--follow` looks for more.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// # Errors
/// The history can't be read or written out, no alert has that id, or there is no such rule.
pub fn run(command: &Command, clock: Clock) -> Result<u8> {
    let now = clock.now().seconds();
    let mut out = anstream::AutoStream::auto(std::io::stdout().lock());
    match command {
        Command::List { which, limit, follow, json } => {
            let (dir, filter) = (which.state.dir()?, which.filter(now));
            which.check_rule(&dir)?;
            let form = if *json { Form::Json } else { Form::Line };
            let limit = if *limit == 0 { usize::MAX } else { *limit };
            match *follow {
                true => print_as_they_come(&dir, &filter, limit, form, &mut out)?,
                false => list(&dir, &filter, limit, form, &mut out)?,
            }
        }
        Command::Show { alert, state, json } => {
            let alert = history::find(&state.dir()?, alert)?;
            match *json {
                true => writeln!(out, "{}", serde_json::to_string(&alert)?)?,
                false => show::whole_alert(&alert, &mut out)?,
            }
        }
        Command::Export { which, view } => {
            let dir = which.state.dir()?;
            which.check_rule(&dir)?;
            list(&dir, &which.filter(now), usize::MAX, Form::View(*view), &mut out)?;
        }
        Command::Act(command) => return acts::run(command, clock, &mut out),
    }
    Ok(0)
}

impl Which {
    fn filter(&self, now: UnixSeconds) -> Filter {
        Filter {
            since: self.since.map(|since| since.from(now)),
            severity: self.severity,
            rule: self.rule.clone(),
            actor: self.actor.clone(),
            org: self.org.clone(),
            kept: match (self.shadow, self.suppressed) {
                (true, _) => Kept::Shadow,
                (false, true) => Kept::Suppressed,
                (false, false) => Kept::Told,
            },
            stands: Stands { open: self.open, acknowledged: self.acked, closed: self.closed },
        }
    }

    /// A list that is empty because of a slip of the pen looks like one that is empty because nothing happened.
    fn check_rule(&self, state_dir: &Path) -> Result<()> {
        self.rule.as_ref().map_or(Ok(()), |rule| check_rule(state_dir, rule))
    }
}

/// How one alert is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A line for a person.
    Line,
    /// As gridwatch keeps it, one JSON object a line.
    Json,
    /// As a sink would write it that doesn't say how long a line may be.
    View(View),
}

impl Form {
    fn write(self, alert: &Alert, out: &mut dyn Write) -> Result<()> {
        match self {
            Self::Line => show::alert_line(alert, out)?,
            Self::Json => writeln!(out, "{}", serde_json::to_string(alert)?)?,
            Self::View(view) => writeln!(out, "{}", view.alert_line_within(alert, &PRODUCT, DEFAULT_MAX_BYTES))?,
        }
        Ok(())
    }
}

/// Is there such a rule, as far as a state folder knows: among those of the modules that run, gridwatch's own, and the history?
///
/// # Errors
/// There is none ([`Wrong`]), or the history can't be read.
pub fn check_rule(state_dir: &Path, rule: &str) -> Result<()> {
    let status = running::status(state_dir).ok().flatten().unwrap_or_default();
    let mut known: BTreeSet<String> = status.rule_ids().cloned().collect();
    known.extend(builtin::manifest().rules.iter().map(|rule| format!("{}.{}", builtin::NAME, rule.id)));
    known.extend(History::open(state_dir)?.rules().into_iter().map(str::to_owned));
    let modules: BTreeSet<String> =
        known.iter().filter_map(|rule| Some(format!("{}.*", rule.split_once('.')?.0))).collect();
    if known.contains(rule) || modules.contains(rule) {
        return Ok(());
    }
    let near = did_you_mean(rule, known.iter().chain(&modules).map(String::as_str));
    let hint =
        near.map_or("`gridwatch detections` lists the rules".to_owned(), |near| format!("did you mean `{near}`?"));
    Err(Wrong(format!("no module that runs has a rule `{rule}`, and no alert is of one\nhint: {hint}")).into())
}

/// The newest `limit` alerts, oldest first.
fn list(state_dir: &Path, filter: &Filter, limit: usize, form: Form, out: &mut dyn Write) -> Result<()> {
    let mut history = History::open(state_dir)?;
    let rows: Vec<Row> = filter.rows(&history).cloned().collect();
    let left_out = rows.len().saturating_sub(limit);
    if left_out > 0 && form == Form::Line {
        writeln!(out, "… {left_out} older ones (--limit 0 shows all)")?;
    }
    for row in &rows[left_out..] {
        if let Some(alert) = history.alert(row)? {
            form.write(&alert, out)?;
        }
    }
    if rows.is_empty() && form == Form::Line {
        writeln!(out, "no alerts")?;
    }
    Ok(out.flush()?)
}

/// The same, and then each new alert or revision as it comes, until nobody reads any more or the process is told to end.
fn print_as_they_come(state_dir: &Path, filter: &Filter, limit: usize, form: Form, out: &mut dyn Write) -> Result<()> {
    let mut told: Option<HashSet<Recorded>> = None;
    let mut size = None;
    loop {
        let size_now = history::size(state_dir)?;
        if size != Some(size_now) {
            let mut history = History::open(state_dir)?;
            let rows: Vec<Row> = filter.rows(&history).cloned().collect();
            let is_new = |row: &&Row| told.as_ref().is_none_or(|told| !told.contains(&row.record()));
            let new: Vec<&Row> = rows.iter().filter(is_new).collect();
            let from = if told.is_none() { new.len().saturating_sub(limit) } else { 0 };
            for row in &new[from..] {
                if let Some(alert) = history.alert(row)? {
                    form.write(&alert, out)?;
                }
            }
            told = Some(rows.iter().map(Row::record).collect());
            out.flush()?;
            size = Some(size_now);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Slack's bytes of the entries that an alert shows as evidence, as far as the archive still has them, one a line.
///
/// # Errors
/// The archive can't be read, or `out` refuses.
pub fn entries(archive: &Path, alert: &Alert, out: &mut dyn Write) -> Result<()> {
    for record in cited(archive, alert)? {
        writeln!(out, "{}", record?.raw)?;
    }
    Ok(out.flush()?)
}
