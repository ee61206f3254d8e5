//! `gridwatch respond`: what to do about an alert, as calls to copy, and with `--execute` the acts that can be taken back.
//!
//! Without `--execute` nothing leaves this machine. With it, Slack is first asked whose the two tokens are and who the people
//! are that an act would hit, and whoever must not be touched is refused. What is left is shown, confirmed, and done one by
//! one, each written down before and after. What was done for an alert is not done again, and an act whose end nobody knows
//! is shown instead of repeated.

mod show;

use super::recorded;
use crate::app::signals;
use crate::clock::Clock;
use crate::config::{self, Config, Configs, Homes, Respond};
use crate::history;
use crate::http::Http;
use crate::look::reach::{self, Reach};
use crate::responses::{self, Journal};
use crate::slack::token::Keeper;
use crate::slack::web_api::{Failure, WebApi};
use crate::telemetry::log;
use anyhow::{Context, Result};
use clap::Args;
use gridwatch_event::role::Role;
use gridwatch_event::time::UnixMillis;
use gridwatch_names::method::{Effect, Method};
use gridwatch_rules::alert::Alert;
use gridwatch_rules::audit::What;
use gridwatch_rules::plan::{
    Admins, Asked, Calls, Clearance, How, Planned, PlannedCall, Refusal, ResponsePlan, Safeguards,
};
use gridwatch_rules::response::{Past, ResponseRow, Stage, past};
use gridwatch_rules::subject::is_id;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
#[command(after_help = "\
Without --execute it prints the plan: each step with the Slack method, its scope and limits, and a call to copy. Nothing is \
sent.

With --execute it does what can be taken back: ending sessions, restricting an app, revoking a file's public link, \
disconnecting a shared channel. It never touches the primary owner, `respond.break_glass`, the owner of the token that reads \
the audit log, its own, or an app of gridwatch's; with --yes, admins and owners neither, unless --step names the step. Each act is written to responses.ndjson in state_dir before and after, and what Slack logs of it \
sets no rules off.

The responder's token is a user token of an app of its own, with admin.users:write, admin.apps:write, files:write and \
admin.conversations:write as far as wanted, and users:read, without which nobody can be cleared.

Exit codes: 0 all done or nothing to do, 1 something failed or its end is unknown, 2 wrong use, refused, incomplete or not confirmed.")]
pub struct Options {
    /// The alert's id, or a unique beginning of it.
    alert: String,
    /// The configuration that gridwatch runs with.
    #[arg(long, value_name = "FILE", required_unless_present = "state_dir", conflicts_with = "state_dir")]
    config: Option<PathBuf>,
    /// Its state folder, if there is no configuration at hand: for the plan only, without `respond.break_glass`.
    #[arg(long, value_name = "DIR", conflicts_with = "execute")]
    state_dir: Option<PathBuf>,
    /// Do the reversible steps, after a confirmation.
    #[arg(long)]
    execute: bool,
    /// Do only these steps, by their numbers in the plan. May be given more than once.
    #[arg(long, value_name = "N", requires = "execute")]
    step: Vec<usize>,
    /// Do not ask for confirmation, for use in scripts.
    #[arg(long, requires = "execute")]
    yes: bool,
    /// Repeat what was done before, or was begun and is not known to have ended.
    #[arg(long, requires = "execute")]
    again: bool,
    /// As one JSON object instead of text; with --execute this needs --yes.
    #[arg(long)]
    json: bool,
}

/// Said or configured so that nothing can be done, or not confirmed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Wrong(pub String);

fn wrong<T>(text: impl Into<String>) -> Result<T> {
    Err(Wrong(text.into()).into())
}

const DONE: u8 = 0;
const FAILED: u8 = 1;
const REFUSED: u8 = 2;

/// # Errors
/// The command line is wrong ([`Wrong`]), the configuration, the alert or what was done before can't be read, Slack can't be asked,
/// or what is done can't be written down: then nothing more is done.
pub fn run(options: &Options, log: Option<&str>, clock: Clock) -> Result<u8> {
    log::start(log.unwrap_or("warn"))?;
    match (&options.config, &options.state_dir) {
        (Some(path), _) if options.execute => {
            signals::runtime()?.block_on(execute(options, &Homes::read(path)?, Configs::load(path)?, clock))
        }
        (Some(path), _) => {
            // Only looks: nobody's token is needed to read a plan.
            let (alert, homes) = (named(options, &Homes::read(path)?)?, Homes::read(path)?);
            let config = Configs::look(path)?.of(&alert)?;
            plan(options, &homes, alert, &config.respond, &config.slack.web_url())
        }
        (None, Some(dir)) => {
            eprintln!("note: without the configuration nobody knows `respond.break_glass` and `respond.own_apps`");
            let homes = Homes::of_state_dir(dir);
            let alert = named(options, &homes)?;
            plan(options, &homes, alert, &Respond::default(), config::WEB_API)
        }
        (None, None) => wrong("--config or --state-dir is needed"),
    }
}

fn named(options: &Options, homes: &Homes) -> Result<Alert> {
    Ok(history::find(&homes.state_dir, &options.alert).map_err(|e| Wrong(format!("{e:#}")))?)
}

fn plan(options: &Options, homes: &Homes, alert: Alert, respond: &Respond, api: &str) -> Result<u8> {
    let (alert, reach) = reach::widened(alert, homes);
    let (plan, rows) =
        (ResponsePlan::of(&alert, &unasked(respond, options)), responses::read(&homes.of_org(&alert.org))?);
    let shown = show::Shown { alert: &alert, reach: &reach, plan: &plan, rows: &rows, api };
    let mut out = anstream::AutoStream::auto(std::io::stdout().lock());
    match options.json {
        true => writeln!(out, "{}", shown.json())?,
        false => shown.text(&mut out)?,
    }
    Ok(DONE)
}

async fn execute(options: &Options, homes: &Homes, configs: Configs, clock: Clock) -> Result<u8> {
    let alert = named(options, homes)?;
    let config = &configs.of(&alert)?;
    let (alert, reach) = reach::widened(alert, homes);
    if options.json && !options.yes {
        return wrong("--json has nobody to confirm with\nhint: add --yes");
    }
    let Some(journal) = Journal::open(&config.org_dir())? else {
        anyhow::bail!(
            "another `gridwatch respond` is at work on this state_dir\nhint: run it again when that one has ended"
        );
    };
    let slack = Responder::new(config)?;
    let safeguards = slack.safeguards(&alert, unasked(&config.respond, options)).await?;
    let execution = Execution { options, config, alert: &alert, reach, slack, safeguards, journal, clock };
    execution.run(&mut anstream::AutoStream::auto(std::io::stdout().lock())).await
}

/// What is known before Slack is asked.
fn unasked(respond: &Respond, options: &Options) -> Safeguards {
    // Whoever names a step has looked at whom it is about; a script that does all there is has not.
    let admins = match options.yes && options.step.is_empty() {
        true => Admins::Spared,
        false => Admins::LikeOthers,
    };
    Safeguards { break_glass: respond.break_glass.clone(), own_apps: respond.own_apps.clone(), admins, asked: None }
}

/// The responder's side of Slack.
struct Responder {
    api: WebApi,
    /// The poller's token as it is now, to ask whose it is.
    poller: WebApi,
}

/// What `auth.test` says of a token.
#[derive(Debug)]
pub struct Identity {
    pub user: String,
    pub enterprise: Option<String>,
    pub app: Option<String>,
}

impl Responder {
    fn new(config: &Config) -> Result<Self> {
        let token = match config.respond.token() {
            Ok(Some(token)) => token,
            Ok(None) => {
                return wrong(
                    "no token to respond with\nhint: set `respond.token_file` to a file with the token of a separate app, \
                     never the one that reads the audit log",
                );
            }
            Err(problem) => return wrong(problem),
        };
        let polling = Keeper::open(&config.slack, &config.org_dir())?.token().clone();
        if [&polling, config.slack.token.token()].iter().any(|known| known.expose() == token.expose()) {
            return wrong(
                "the responder's token is the one that reads the audit log\nhint: create a separate app for responding; the \
                 poller's token should be able to do nothing but read",
            );
        }
        let http = Http::new(&config.slack.network, Duration::from_secs(config.slack.timeout_s))?;
        let api = WebApi::new(http, config.slack.web_url(), token);
        let poller = api.with(polling);
        Ok(Self { api, poller })
    }

    /// Asks Slack about tokens and people.
    async fn safeguards(&self, alert: &Alert, unasked: Safeguards) -> Result<Safeguards> {
        let own = match identity(&self.api).await {
            Ok(own) => own,
            Err(failure) => anyhow::bail!("Slack doesn't say whose the responder's token is: {failure}"),
        };
        let poller = identity(&self.poller).await;
        if let Err(failure) = &poller {
            eprintln!(
                "note: Slack doesn't say whose token reads the audit log ({failure}); nobody's sessions will be touched"
            );
        }
        let poller = poller.ok();
        let theirs = poller.as_ref().and_then(|poller| poller.enterprise.as_ref());
        if let (Some(ours), Some(theirs)) = (&own.enterprise, theirs)
            && ours != theirs
        {
            return wrong(format!("the responder's token is of organization {ours}, the audit log of {theirs}"));
        }
        let mut roles = BTreeMap::new();
        for person in ResponsePlan::of(alert, &unasked).people() {
            match self.api.call("users.info", &[("user", person.clone())]).await {
                Ok(answer) => roles.extend(role_of(&answer).map(|role| (person, role))),
                Err(failure) => eprintln!("note: Slack doesn't say who {person} is: {failure}"),
            }
        }
        let apps = [own.app, poller.as_ref().and_then(|poller| poller.app.clone())];
        let asked = Asked {
            poller: poller.map(|poller| poller.user),
            responder: own.user,
            enterprise: own.enterprise,
            knows_own_apps: apps.iter().all(Option::is_some),
            own_apps: apps.into_iter().flatten().collect(),
            roles,
        };
        Ok(Safeguards { asked: Some(asked), ..unasked })
    }
}

/// # Errors
/// Slack refuses the token, can't be reached, or names nobody.
pub async fn identity(api: &WebApi) -> Result<Identity, Failure> {
    let answer = api.call::<&str>("auth.test", &[]).await?;
    let id = |name: &str| answer.get(name).and_then(Value::as_str).filter(|id| is_id(id)).map(str::to_owned);
    let enterprise = id("enterprise_id").or_else(|| id("team_id").filter(|team| team.starts_with('E')));
    match id("user_id") {
        Some(user) => Ok(Identity { user, enterprise, app: id("app_id") }),
        None => Err(Failure::Unclear("the answer to auth.test names nobody".into())),
    }
}

/// `None` where the answer leaves open whether it is the primary owner.
fn role_of(answer: &Map<String, Value>) -> Option<Role> {
    let user = answer.get("user")?;
    let says = |name: &str| {
        let said = [user.get(name), user.get("enterprise_user").and_then(|on_grid| on_grid.get(name))];
        let said: Vec<bool> = said.into_iter().flatten().filter_map(Value::as_bool).collect();
        (!said.is_empty()).then(|| said.contains(&true))
    };
    if says("is_bot") == Some(true) {
        return Some(Role::Bot);
    }
    if says("is_primary_owner")? {
        return Some(Role::PrimaryOwner);
    }
    let ranks = [("is_owner", Role::Owner), ("is_admin", Role::Admin)];
    let guests = [("is_restricted", Role::Guest), ("is_ultra_restricted", Role::Guest)];
    let found = ranks.into_iter().chain(guests).find(|(name, _)| says(name) == Some(true));
    Some(found.map_or(Role::Member, |(_, role)| role))
}

/// What came of one act, or why it wasn't done.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Done,
    Failed(String),
    /// It may have been done.
    Unknown(String),
    Refused(Refusal),
    /// Something has to be filled in by a person.
    Incomplete(Vec<&'static str>),
    DoneBefore(UnixMillis),
    UnknownBefore(UnixMillis),
}

/// An act with its place in the plan.
#[derive(Debug, Clone)]
struct Chosen {
    step: usize,
    method: &'static Method,
    act: PlannedCall,
}

struct Execution<'a> {
    options: &'a Options,
    config: &'a Config,
    alert: &'a Alert,
    reach: Reach,
    slack: Responder,
    safeguards: Safeguards,
    journal: Journal,
    clock: Clock,
}

impl Execution<'_> {
    async fn run(mut self, out: &mut impl Write) -> Result<u8> {
        let plan = ResponsePlan::of(self.alert, &self.safeguards);
        let steps = self.chosen_steps(&plan)?;
        let rows = responses::read(&self.config.org_dir())?;
        let (todo, mut outcomes) = self.sorted(&steps, &rows);
        if !self.options.json {
            let asked = self.safeguards.asked.as_ref();
            let intended = show::Intended { todo: &todo, not: &outcomes, roles: asked.map(|asked| &asked.roles) };
            intended.text(self.alert, &self.reach, &self.config.slack.web_url(), out)?;
            out.flush()?;
        }
        if !todo.is_empty() && !self.options.yes {
            confirm(todo.len(), std::io::stdin().is_terminal(), &mut std::io::stdin().lock(), out)?;
        }
        if !todo.is_empty() {
            self.record(&todo)?;
        }
        for chosen in todo {
            let outcome = self.perform(&chosen).await?;
            if !self.options.json {
                show::outcome(&chosen, &outcome, &self.config.slack.web_url(), out)?;
                out.flush()?;
            }
            outcomes.push((chosen, outcome));
        }
        if self.options.json {
            let rows = responses::read(&self.config.org_dir())?;
            let api = self.config.slack.web_url();
            let shown = show::Shown { alert: self.alert, reach: &self.reach, plan: &plan, rows: &rows, api: &api };
            writeln!(out, "{}", shown.json_with(&outcomes))?;
        }
        Ok(exit_code(&outcomes))
    }

    /// Notes in the audit trail what is about to be done. What came of it is in responses.ndjson.
    fn record(&self, todo: &[Chosen]) -> Result<()> {
        let said = |Chosen { step, method, act }: &Chosen| format!("{step}. {} {}", method.name, act.targets.join(" "));
        let steps: Vec<String> = todo.iter().map(said).collect();
        let deed = recorded::deed(self.clock, What::AlertRespond, &self.alert.uid);
        let deed = deed.of_org(self.alert.org.name().unwrap_or_default()).with("rule", &self.alert.rule);
        let deed = deed.with("steps", steps.join("; ")).with("reason", &self.config.respond.reason);
        let recorded = recorded::record(&self.config.state_dir, deed);
        recorded.context("nothing was done, for the audit trail can't have it")
    }

    /// The steps to execute: those named, which have to be executable, or all that are.
    fn chosen_steps<'p>(&self, plan: &'p ResponsePlan) -> Result<Vec<(&'p Planned, &'p Calls)>> {
        let mut chosen = Vec::new();
        for number in &self.options.step {
            let Some(step) = plan.steps.iter().find(|step| step.number == *number) else {
                return wrong(format!("there is no step {number}; the plan has {}", plan.steps.len()));
            };
            match &step.how {
                How::Calls(calls) if calls.method.effect == Effect::Reversible => chosen.push((step, calls)),
                How::Calls(calls) if calls.method.effect == Effect::Lasting => {
                    return wrong(format!(
                        "step {number} ({}) can't be taken back, so gridwatch doesn't do it\nhint: the plan has the call to copy",
                        calls.method.name
                    ));
                }
                How::Calls(calls) => {
                    return wrong(format!("step {number} ({}) only reads: copy its call", calls.method.name));
                }
                _ => return wrong(format!("step {number} is for a person: {}", step.text)),
            }
        }
        if self.options.step.is_empty() {
            chosen = plan.steps.iter().filter_map(|step| Some((step, reversible(step)?))).collect();
        }
        Ok(chosen)
    }

    /// What is to be done, each once; and what isn't, with the reason.
    fn sorted(&self, steps: &[(&Planned, &Calls)], rows: &[ResponseRow]) -> (Vec<Chosen>, Vec<(Chosen, Outcome)>) {
        let (mut todo, mut not) = (Vec::new(), Vec::new());
        let mut taken = BTreeSet::new();
        for (step, calls) in steps {
            let method = calls.method;
            for act in &calls.planned {
                let chosen = |act: PlannedCall| Chosen { step: step.number, method, act };
                match &act.clearance {
                    Clearance::Refused(refusal) => {
                        not.push((chosen(act.clone()), Outcome::Refused(refusal.clone())));
                        continue;
                    }
                    Clearance::Unasked | Clearance::Allowed if !calls.is_executable(act) => {
                        let missing = if act.targets.is_empty() { vec!["a target"] } else { act.missing.clone() };
                        not.push((chosen(act.clone()), Outcome::Incomplete(missing)));
                        continue;
                    }
                    _ => {}
                }
                let mut left = BTreeSet::new();
                for target in &act.targets {
                    if !taken.insert((method.name, target.clone())) {
                        continue;
                    }
                    let outcome = match past(rows, &self.alert.uid, method.name, target) {
                        _ if self.options.again => None,
                        Past::Never => None,
                        Past::Done { at, .. } => Some(Outcome::DoneBefore(at)),
                        Past::Unknown { at, .. } => Some(Outcome::UnknownBefore(at)),
                    };
                    match outcome {
                        None => _ = left.insert(target.clone()),
                        Some(outcome) => {
                            not.push((chosen(act.only(method, &BTreeSet::from([target.clone()]))), outcome))
                        }
                    }
                }
                if !left.is_empty() {
                    todo.push(chosen(act.only(method, &left)));
                }
            }
        }
        (todo, not)
    }

    /// Writes the intent down, does it, writes down what came of it. An error means that it couldn't be written down.
    async fn perform(&mut self, chosen: &Chosen) -> Result<Outcome> {
        let Chosen { method, act, .. } = chosen;
        let intent = self.intent(method, act);
        self.journal.append(&intent)?;
        let outcome = match self.slack.api.call(method.name, &act.arguments).await {
            Ok(_) => Outcome::Done,
            Err(refused @ Failure::Refused { .. }) => Outcome::Failed(refused.to_string()),
            Err(Failure::Unclear(what)) => Outcome::Unknown(what),
        };
        let (stage, error) = match &outcome {
            Outcome::Failed(error) => (Stage::Failed, Some(error.clone())),
            Outcome::Unknown(error) => (Stage::Unknown, Some(error.clone())),
            _ => (Stage::Done, None),
        };
        self.journal.append(&intent.followed_by(stage, error, self.clock.now()))?;
        Ok(outcome)
    }

    fn intent(&self, method: &Method, act: &PlannedCall) -> ResponseRow {
        let at = self.clock.now();
        let reason = [self.config.respond.reason.as_str(), &self.alert.title];
        let reason: Vec<&str> = reason.into_iter().filter(|part| !part.is_empty()).collect();
        ResponseRow {
            id: ResponseRow::new_id(&self.alert.uid, method.name, &act.targets, at),
            at,
            stage: Stage::Intent,
            alert: self.alert.uid.clone(),
            rule: self.alert.rule.clone(),
            method: method.name.to_owned(),
            targets: act.targets.clone(),
            arguments: act.arguments.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            responder: self.safeguards.asked.as_ref().map(|asked| asked.responder.clone()).unwrap_or_default(),
            by: config::operator(),
            reason: reason.join(": "),
            error: None,
        }
    }
}

fn reversible(step: &Planned) -> Option<&Calls> {
    match &step.how {
        How::Calls(calls) if calls.method.effect == Effect::Reversible => Some(calls),
        _ => None,
    }
}

/// Only a typed `yes` is one.
fn confirm(acts: usize, is_terminal: bool, input: &mut impl BufRead, out: &mut impl Write) -> Result<()> {
    if !is_terminal {
        return wrong("nothing was done: there is no terminal to confirm on\nhint: add --yes if a script may do this");
    }
    write!(out, "\nType yes to do {acts} of these: ")?;
    out.flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { wrong("nothing was done: not confirmed") }
}

fn exit_code(outcomes: &[(Chosen, Outcome)]) -> u8 {
    let any = |is: fn(&Outcome) -> bool| outcomes.iter().any(|(_, outcome)| is(outcome));
    if any(|o| matches!(o, Outcome::Failed(_) | Outcome::Unknown(_) | Outcome::UnknownBefore(_))) {
        FAILED
    } else if any(|o| matches!(o, Outcome::Refused(_) | Outcome::Incomplete(_))) {
        REFUSED
    } else {
        DONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_typed_yes_on_a_terminal_confirms() {
        let said = |text: &str, is_terminal| confirm(2, is_terminal, &mut text.as_bytes(), &mut Vec::new()).is_ok();
        assert!(said("yes\n", true));
        for (text, is_terminal) in [("y\n", true), ("", true), ("no\n", true), ("yes\n", false)] {
            assert!(!said(text, is_terminal), "{text:?}");
        }
    }

    #[test]
    fn what_nobody_filled_in_is_not_done() {
        let plan = |outcomes: &[Outcome]| {
            let method = gridwatch_names::method::called("admin.apps.restrict").unwrap();
            let act = PlannedCall {
                targets: vec![],
                arguments: vec![],
                missing: vec![],
                clearance: Clearance::Allowed,
                note: None,
            };
            let chosen = Chosen { step: 1, method, act };
            exit_code(&outcomes.iter().map(|outcome| (chosen.clone(), outcome.clone())).collect::<Vec<_>>())
        };
        let incomplete = Outcome::Incomplete(vec!["a target"]);
        assert_eq!(plan(&[]), DONE);
        assert_eq!(plan(&[Outcome::Done, Outcome::DoneBefore(UnixMillis(0))]), DONE);
        assert_eq!(plan(&[Outcome::Done, incomplete.clone()]), REFUSED);
        assert_eq!(plan(&[Outcome::Refused(Refusal::Bot)]), REFUSED);
        assert_eq!(plan(&[incomplete, Outcome::Failed("x".into())]), FAILED);
    }

    #[test]
    fn who_is_not_said_to_be_no_primary_owner_may_be_one() {
        let role = |user: Value| role_of(json!({ "ok": true, "user": user }).as_object().unwrap());
        assert_eq!(role(json!({ "is_primary_owner": false, "is_admin": true })), Some(Role::Admin));
        assert_eq!(role(json!({ "is_primary_owner": false })), Some(Role::Member));
        let on_grid = json!({ "is_primary_owner": false, "enterprise_user": { "is_primary_owner": true } });
        assert_eq!(role(on_grid), Some(Role::PrimaryOwner));
        assert_eq!(role(json!({ "is_bot": true })), Some(Role::Bot));
        assert_eq!(role(json!({ "deleted": true })), None);
        assert_eq!(role_of(json!({ "ok": true }).as_object().unwrap()), None);
    }
}
