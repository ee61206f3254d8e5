//! `gridwatch tune`: what is loud, what people closed it as, what each exception hid, and what other thresholds would have given.
//!
//! Alerts are counted from the history, people and events from the archive; neither needs the running gridwatch. An alert
//! counts on the day of its newest event. Where the archive doesn't reach back as far as was asked for, rates are over the days
//! that it has.

mod judge;
mod report;
mod sweep;

use crate::archive;
use crate::config::{Configs, Homes};
use crate::exceptions::Live;
use crate::history::{History, Row};
use crate::look::exceptions::state;
use crate::modules;
use crate::modules::Wanted;
use crate::modules::embedded::Folder;
use crate::telemetry::log;
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use gridwatch_detect::Module;
use gridwatch_event::org::OrgId;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_manifest::{Manifest, Rule, Severity};
use gridwatch_rules::alert::Alert;
use gridwatch_rules::exception::Exceptions;
use gridwatch_rules::handling::Reason;
use judge::Judgement;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use sweep::Sweep;

const DAY_S: u64 = 86_400;
/// Actors and apps named of each rule.
const NOISIEST: usize = 3;

#[derive(Debug, Args)]
pub struct Options {
    /// The configuration that gridwatch runs with.
    #[arg(long, value_name = "FILE", required_unless_present = "state_dir", conflicts_with = "state_dir")]
    config: Option<PathBuf>,
    /// Which of the configuration's organizations, by its name; only needed where there are several.
    #[arg(long, value_name = "NAME", requires = "config")]
    org: Option<String>,
    /// Its state folder, if there is no configuration at hand; then there are no exceptions, and modules have their default settings.
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Folder of the modules, together with --state-dir.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    modules: Option<PathBuf>,
    /// How far back to look.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=400))]
    days: u64,
    /// Show only this rule, and what it would have given with other values of its module's settings. Each value is tried by running
    /// the module over the archive, which takes a while.
    #[arg(long, value_name = "MODULE.RULE")]
    rule: Option<String>,
    /// table is for people; json has every number.
    #[arg(long, default_value = "table", value_enum)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// Everything there is to say. The field names are those of `--format json`.
#[derive(Debug, Serialize)]
pub struct Tuning {
    /// Event times between which alerts and people were counted.
    pub from: UnixSeconds,
    pub to: UnixSeconds,
    pub days: f64,
    /// People (and bots) who did anything in that time; `null` without an archive.
    pub active_users: Option<u64>,
    /// Who made most alerts, of all rules together: id, alerts.
    pub actors: Vec<(String, u64)>,
    pub apps: Vec<(String, u64)>,
    /// The loudest first.
    pub rules: Vec<RuleNumbers>,
    pub exceptions: Vec<Hid>,
    /// Of `--rule` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sweeps: Option<Vec<Sweep>>,
}

#[derive(Debug, Serialize)]
pub struct RuleNumbers {
    pub rule: String,
    pub alerts: u64,
    /// Of them, those of Medium and above.
    pub medium_or_above: u64,
    pub a_day: f64,
    pub a_day_per_1000_users: Option<f64>,
    /// What the rule's manifest allows ordinary life to cost, in alerts of Medium or above (of a lower rule: of any severity), a
    /// day and 1,000 users; `null` for gridwatch's own rules.
    pub budget: Option<f64>,
    /// Whether it cost more, as far as people are known and the numbers allow to say.
    pub over_budget: Option<bool>,
    /// Why, or why that can't be said; `null` where there is no budget, or no archive to count people in.
    pub judgement: Option<Judgement>,
    /// Alerts of each day (UTC), from that of `from` to that of `to`.
    pub by_day: Vec<u64>,
    /// Alerts that exceptions held back; not among `alerts`.
    pub suppressed: u64,
    /// What people closed them as.
    pub closed: Closed,
    /// Who made most of them: id, alerts.
    pub actors: Vec<(String, u64)>,
    pub apps: Vec<(String, u64)>,
}

/// Alerts by the reason that people closed them with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Closed {
    pub r#true: u64,
    pub r#false: u64,
    pub expected: u64,
}

impl Closed {
    fn of(alerts: &[&Alert]) -> Self {
        let count =
            |reason| alerts.iter().filter(|alert| alert.handling.status.reason() == Some(reason)).count() as u64;
        Self { r#true: count(Reason::True), r#false: count(Reason::False), expected: count(Reason::Expected) }
    }

    pub const fn all(self) -> u64 {
        self.r#true + self.r#false + self.expected
    }
}

/// What an exception hid.
#[derive(Debug, Serialize)]
pub struct Hid {
    pub id: String,
    /// holds, expired, not yet, or gone: no longer in the file.
    pub state: &'static str,
    pub expires: Option<UnixSeconds>,
    pub alerts: u64,
    /// As of the last revision of each alert that was kept; what came since may not have been told yet.
    pub findings_at_least: u64,
    pub newest: Option<UnixSeconds>,
    pub worst: Option<Severity>,
}

impl Options {
    /// What to read, and the modules to measure it by. Only looks: no secret is needed.
    fn about(&self) -> Result<(Homes, OrgId, Wanted, Option<Folder>)> {
        match (&self.config, &self.state_dir) {
            (Some(path), _) => {
                let config = Configs::look(path)?.one(self.org.as_deref())?;
                Ok((Homes::read(path)?, config.org.clone(), Wanted::of(&config).looking().lenient(), None))
            }
            (None, Some(dir)) => {
                let folder = Folder::of(self.modules.as_deref())?;
                let mut wanted = Wanted::in_dir(folder.path());
                wanted.grant_lookups();
                wanted.responses = Some(crate::responses::path(dir));
                Ok((Homes::of_state_dir(dir), OrgId::default(), wanted, Some(folder)))
            }
            (None, None) => bail!("--config or --state-dir is needed"),
        }
    }
}

/// # Errors
/// The configuration, the modules, the exceptions, the history or the archive can't be read, there is no such rule, or standard
/// output refuses.
pub fn run(options: &Options, log: Option<&str>, now: UnixMillis) -> Result<u8> {
    log::start(log.unwrap_or("warn"))?;
    // What was unpacked stays until the end.
    let (homes, org, wanted, _unpacked) = options.about()?;
    let asked = now.seconds().minus(options.days * DAY_S);
    let manifests = modules::manifests(&wanted.dir)?;
    if let Some(rule) = &options.rule {
        check_rule(rule, &manifests)?;
    }
    let exceptions = exceptions(&wanted, now)?;
    let archive = homes.archive(&org);
    let archive = archive.as_deref();
    progress("counting who was active, from the archive");
    let seen = archive.map(|dir| Seen::between(dir, asked, now.seconds())).transpose()?;
    let from = seen.as_ref().and_then(|seen| seen.first).unwrap_or(asked).max(asked);
    let name = org.to_string();
    let is_of_then = |row: &Row| (from..=now.seconds()).contains(&row.last) && row.is_of(&name);
    let mut alerts = History::open(&homes.state_dir)?.alerts(is_of_then)?;
    let period = Period { from, to: now.seconds(), users: seen.map(|seen| seen.actors.len() as u64) };
    let hid = hid(&alerts, &exceptions, now.seconds());
    let sweeps = match (&options.rule, archive) {
        (Some(rule), Some(dir)) => Some(sweep::sweeps(rule, &wanted, &exceptions, dir, &period)?),
        (Some(_), None) => {
            bail!("there is no archive to try out thresholds on\nhint: set `enabled = true` in [archive]")
        }
        (None, _) => None,
    };
    let is_asked = |rule: &str| options.rule.as_ref().is_none_or(|asked| asked == rule);
    alerts.retain(|alert| is_asked(&alert.rule));
    let shown = || alerts.iter().filter(|alert| alert.suppressed_by.is_none());
    let tuning = Tuning {
        actors: noisiest(shown().map(actor)),
        apps: noisiest(shown().flat_map(apps)),
        from,
        to: period.to,
        days: period.days(),
        active_users: period.users,
        rules: rules(&alerts, &period, &manifests),
        exceptions: hid,
        sweeps,
    };
    match options.format {
        Format::Json => println!("{}", serde_json::to_string_pretty(&tuning)?),
        Format::Table => report::print(&tuning, &manifests, &mut anstream::stdout().lock())?,
    }
    Ok(0)
}

/// A time, and how many people there were in it.
pub struct Period {
    pub from: UnixSeconds,
    pub to: UnixSeconds,
    pub users: Option<u64>,
}

impl Period {
    /// As they are.
    fn seen_days(&self) -> f64 {
        self.to.0.saturating_sub(self.from.0) as f64 / DAY_S as f64
    }

    /// At least one: what happened in the first hours isn't a rate yet.
    pub fn days(&self) -> f64 {
        (self.to.0.saturating_sub(self.from.0) as f64 / DAY_S as f64).max(1.0)
    }

    fn by_day(&self, times: impl Iterator<Item = UnixSeconds>) -> Vec<u64> {
        let first = self.from.0 / DAY_S;
        let mut days = vec![0; (self.to.0 / DAY_S).saturating_sub(first) as usize + 1];
        for time in times {
            let day = (time.0 / DAY_S).checked_sub(first).and_then(|day| days.get_mut(day as usize));
            day.into_iter().for_each(|day| *day += 1);
        }
        days
    }
}

/// A rule that no module has would be silent for ever.
///
/// # Errors
/// There is none ([`Wrong`](crate::commands::respond::Wrong)).
pub fn check_rule(rule: &str, manifests: &[Manifest]) -> Result<()> {
    let names = manifests.iter().flat_map(|m| m.rules.iter().map(move |rule| format!("{}.{}", m.name, rule.id)));
    let names: Vec<String> = names.collect();
    if names.iter().any(|name| name == rule) {
        return Ok(());
    }
    let near = gridwatch_names::suggest::did_you_mean(rule, names.iter().map(String::as_str));
    let hint = near.map_or("`gridwatch detections` lists them".to_owned(), |near| format!("did you mean `{near}`?"));
    Err(crate::commands::respond::Wrong(format!("no module has a rule `{rule}`\nhint: {hint}")).into())
}

/// As they stand in the file now. Modules are only loaded where there is a file.
fn exceptions(wanted: &Wanted, now: UnixMillis) -> Result<Exceptions> {
    if wanted.exceptions.is_none() {
        return Ok(Exceptions::default());
    }
    let modules: Vec<Module> = wanted.load()?;
    Ok((*Live::open(wanted, &modules, now)?.in_force()).clone())
}

/// What the archive says of a time.
struct Seen {
    actors: HashSet<String>,
    /// Event time of the oldest entry.
    first: Option<UnixSeconds>,
}

impl Seen {
    fn between(dir: &Path, from: UnixSeconds, to: UnixSeconds) -> Result<Self> {
        let mut seen = Self { actors: HashSet::new(), first: None };
        for record in archive::read(dir, Some(from), Some(to)).context("the archive can't be read")? {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    tracing::warn!(%error, "passed over");
                    continue;
                }
            };
            let event = record.event();
            if !event.actor_id().is_empty() && !seen.actors.contains(event.actor_id()) {
                seen.actors.insert(event.actor_id().to_owned());
            }
            seen.first = Some(seen.first.map_or(event.time, |first| first.min(event.time)));
        }
        Ok(seen)
    }
}

fn rules(alerts: &[Alert], period: &Period, manifests: &[Manifest]) -> Vec<RuleNumbers> {
    let mut by_rule: BTreeMap<&str, Vec<&Alert>> = BTreeMap::new();
    for alert in alerts {
        by_rule.entry(&alert.rule).or_default().push(alert);
    }
    let mut rules: Vec<RuleNumbers> =
        by_rule.into_iter().map(|(rule, alerts)| RuleNumbers::of(rule, &alerts, period, manifests)).collect();
    rules.sort_by_key(|rule| std::cmp::Reverse((rule.alerts, rule.suppressed)));
    rules
}

impl RuleNumbers {
    fn of(rule: &str, alerts: &[&Alert], period: &Period, manifests: &[Manifest]) -> Self {
        let shown: Vec<&Alert> = alerts.iter().copied().filter(|alert| alert.suppressed_by.is_none()).collect();
        let a_day = shown.len() as f64 / period.days();
        let per_1000 = |a_day: f64| period.users.filter(|n| *n > 0).map(|n| a_day * 1_000.0 / n as f64);
        let medium_or_above = shown.iter().filter(|alert| alert.severity >= Severity::Medium).count();
        let known = rule_of(rule, manifests);
        let counted = match known {
            Some(known) if known.severity >= Severity::Medium => medium_or_above,
            _ => shown.len(),
        };
        let budget = known.map(|known| known.budget);
        let judgement = budget.zip(period.users).map(|(budget, users)| {
            let allowed = budget * period.days() * users as f64 / 1_000.0;
            Judgement::of(counted as u64, allowed, period.seen_days())
        });
        Self {
            rule: rule.to_owned(),
            alerts: shown.len() as u64,
            medium_or_above: medium_or_above as u64,
            a_day,
            a_day_per_1000_users: per_1000(a_day),
            budget,
            over_budget: judgement.and_then(Judgement::is_over),
            judgement,
            by_day: period.by_day(shown.iter().map(|alert| alert.last)),
            suppressed: (alerts.len() - shown.len()) as u64,
            closed: Closed::of(&shown),
            actors: noisiest(shown.iter().map(|alert| actor(alert))),
            apps: noisiest(shown.iter().flat_map(|alert| apps(alert))),
        }
    }
}

fn rule_of<'m>(rule: &str, manifests: &'m [Manifest]) -> Option<&'m Rule> {
    let (module, id) = rule.split_once('.')?;
    manifests.iter().find(|manifest| manifest.name == module)?.rules.iter().find(|rule| rule.id == id)
}

fn actor(alert: &Alert) -> &str {
    &alert.actor.id
}

/// Those that it was done to and those that did it, each once.
fn apps(alert: &Alert) -> impl Iterator<Item = &str> {
    let subjects = &alert.subjects;
    subjects.apps.ids.union(&subjects.calling_apps.ids).map(String::as_str)
}

fn noisiest<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    names.filter(|name| !name.is_empty()).for_each(|name| *counts.entry(name).or_default() += 1);
    let mut counts: Vec<(String, u64)> = counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.truncate(NOISIEST);
    counts
}

/// Of each exception of the file, and of those that hid something and are no longer in it.
fn hid(alerts: &[Alert], exceptions: &Exceptions, now: UnixSeconds) -> Vec<Hid> {
    let blank = |id: &str, state, expires| Hid {
        id: id.to_owned(),
        state,
        expires,
        alerts: 0,
        findings_at_least: 0,
        newest: None,
        worst: None,
    };
    let mut all: Vec<Hid> = exceptions.iter().map(|e| blank(&e.id, state(e, now), Some(e.expires))).collect();
    for alert in alerts {
        // What was suppressed for another reason names it in more than a word; an exception's id is one.
        let Some(by) = alert.suppressed_by.as_ref().filter(|by| !by.contains(' ')) else { continue };
        let at = all.iter().position(|hid| hid.id == *by).unwrap_or_else(|| {
            all.push(blank(by, "gone", None));
            all.len() - 1
        });
        let hid = &mut all[at];
        hid.alerts += 1;
        hid.findings_at_least += alert.findings;
        hid.newest = hid.newest.max(Some(alert.last));
        hid.worst = hid.worst.max(Some(alert.severity));
    }
    all
}

fn progress(what: &str) {
    if std::io::stderr().is_terminal() {
        eprintln!("… {what}");
    }
}
