//! `gridwatch check --live`: what Slack says of the token, and whether the sinks could take records, before anything depends on
//! either.
//!
//! Of Slack two calls: `auth.test`, and one page of one entry of the audit log. Nothing is saved, and a token that rotates isn't
//! exchanged: a refresh token can be used once, and belongs to the gridwatch that runs. No answer shows the token.

use super::respond::identity;
use crate::clock::Clock;
use crate::config::{Config, Sink};
use crate::http::Http;
use crate::slack::logs::Client;
use crate::slack::token::Keeper;
use crate::slack::web_api::{Failure, UNREACHED, WebApi};
use anyhow::Result;
use gridwatch_event::time::UnixSeconds;
use gridwatch_poll::{Failed, Machine, Now, Outcome, PollConfig, PollSettings, Problem, Step};
use serde::Serialize;
use std::time::Duration;

/// Slack's clock and ours: a second or two are the way of the answer. `settle` bears a minute.
const MAX_CLOCK_S: u64 = 30;
/// How far back the page reaches: far enough that some entry is in it. The newest one of it is shown.
const PAGE_S: u64 = 86_400;

/// One thing that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Who was asked: "slack" or "sink".
    pub of: &'static str,
    pub name: String,
    /// `None`: nobody knows, because another thing failed before.
    pub ok: Option<bool>,
    pub text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Line {
    fn slack(name: &str, ok: Option<bool>, text: impl Into<String>) -> Self {
        Self { of: "slack", name: name.to_owned(), ok, text: text.into(), hint: None }
    }

    fn ok(name: &str, text: impl Into<String>) -> Self {
        Self::slack(name, Some(true), text)
    }

    fn failed(name: &str, text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..Self::slack(name, Some(false), text) }
    }

    fn unknown(name: &str) -> Self {
        Self::slack(name, None, "not known: no page came")
    }
}

/// The health check of each sink, all at once: one that doesn't answer delays no other.
pub fn sinks(sinks: &[Sink], clock: Clock) -> Vec<Line> {
    let line = |sink: &Sink| {
        let (ok, text, hint) = match sink.setup.check(clock) {
            Ok(text) => (true, text, None),
            Err(problem) => (false, problem.what, problem.hint.map(str::to_owned)),
        };
        Line { of: "sink", name: sink.name.clone(), ok: Some(ok), text, hint }
    };
    let line = &line;
    std::thread::scope(|scope| {
        let asked: Vec<_> = sinks.iter().map(|sink| scope.spawn(move || line(sink))).collect();
        asked.into_iter().filter_map(|asked| asked.join().ok()).collect()
    })
}

pub async fn ask(config: &Config, clock: Clock) -> Vec<Line> {
    let current = match Keeper::open(&config.slack, &config.org_dir()) {
        Ok(keeper) => keeper.token().clone(),
        Err(error) => return vec![Line::failed("token", format!("{error:#}"), "see [slack.rotation]")],
    };
    let mut lines = Vec::new();
    match Http::new(&config.slack.network, Duration::from_secs(config.slack.timeout_s)) {
        Ok(http) => lines.extend(whose(&WebApi::new(http, config.slack.web_url(), current.clone())).await),
        Err(error) => lines.push(Line::failed("token", format!("{error:#}"), "see the log")),
    }
    let mut slack = config.slack.clone();
    (slack.token, slack.rotation) = (slack.token.holding(current), None);
    match page(config, &slack, clock).await {
        Ok(answered) => lines.extend(answered),
        Err(error) => lines.push(Line::failed("page", format!("{error:#}"), "see the log")),
    }
    // Of several organizations each line says whose it is.
    if let Some(org) = config.org.name() {
        lines.iter_mut().for_each(|line| line.name = format!("{org}: {}", line.name));
    }
    lines
}

/// Whose token it is, and where its app is installed.
async fn whose(api: &WebApi) -> Vec<Line> {
    let identity = match identity(api).await {
        Ok(identity) => identity,
        Err(Failure::Refused { error, .. }) if error == UNREACHED => {
            let text = format!("not known: {error}");
            let hint = "check network, firewall and proxy between this host and Slack: no connection comes about";
            return vec![Line { hint: Some(hint.into()), ..Line::slack("token", None, text) }];
        }
        Err(Failure::Refused { error, hint }) => {
            let hint = hint.unwrap_or_else(|| {
                "give the user token (xoxp-…) of the app's installation on the organization in `slack.token_file`"
                    .into()
            });
            return vec![Line::failed("token", format!("Slack rejects it: {error}"), hint)];
        }
        Err(Failure::Unclear(what)) => {
            let hint =
                "check the network, DNS and proxy between this host and slack.com; the page below may still arrive";
            return vec![Line::failed("token", format!("auth.test gave no answer: {what}"), hint)];
        }
    };
    let app = identity.app.map(|app| format!(", of app {app}")).unwrap_or_default();
    let token = Line::ok("token", format!("Slack accepts it; it belongs to user {}{app}", identity.user));
    let install = match identity.enterprise {
        Some(enterprise) => Line::ok("organization", format!("it belongs to organization {enterprise}")),
        None => Line::failed(
            "organization",
            "it belongs to a workspace that is in no organization, or the app is installed on a workspace",
            "have an Org Owner install the app on the organization; audit logs exist on Slack Enterprise plans only",
        ),
    };
    vec![token, install]
}

/// One page of one entry, asked for and judged as the poller would.
async fn page(config: &Config, slack: &crate::config::Slack, clock: Clock) -> Result<Vec<Line>> {
    let now = clock.now();
    let settings = PollSettings { page_limit: 1, ..slack.poll(now.seconds())?.settings().clone() };
    let start = now.seconds().minus(PAGE_S);
    // One range, for the poller's first one would be an hour long.
    let settings = PollSettings { min_range_s: PAGE_S, max_range_s: PAGE_S, start, backfill: None, ..settings };
    let mut machine = Machine::start(PollConfig::new(settings)?);
    let Step::Fetch(request) = machine.next(Now { wall: now }) else { anyhow::bail!("there is nothing to ask for") };
    // A page of one entry comes whole.
    let mut client = Client::new(slack, &config.org_dir())?;
    let answer = client.logs(&request, now.seconds(), &mut |_| Ok(())).await?;
    let at = clock.now();
    let mut lines = match answer.result {
        Ok(page) => vec![
            Line::ok("scope", "the token has `auditlogs:read`"),
            Line::ok("plan", "the organization has audit logs"),
            Line::ok("page", format!("{} came{}", entries(page.entries.len()), newest(&page))),
        ],
        Err(failure) => {
            let retry_after_s = answer.retry_after_s;
            let failed = Failed { request, at, server_date: answer.date, retry_after_s, failure };
            let commit = machine.apply(Outcome::Failed(failed));
            let problem = commit.state.problems().next().map(|(_, problem)| problem.clone());
            refused(problem.as_ref())
        }
    };
    lines.push(clock_line(answer.date, at.seconds()));
    Ok(lines)
}

fn entries(count: usize) -> String {
    if count == 1 { "one entry".to_owned() } else { format!("{count} entries") }
}

fn newest(page: &gridwatch_event::entry::Page) -> String {
    let newest = page.entries.iter().filter_map(|entry| entry.time).max();
    newest.map(|time| format!(", of {time}")).unwrap_or_else(|| " for the last day".to_owned())
}

fn refused(problem: Option<&Problem>) -> Vec<Line> {
    let Some(problem) = problem else {
        let hint = "try again; if this continues, `gridwatch --log debug check --live` shows more";
        return vec![
            Line::unknown("scope"),
            Line::unknown("plan"),
            Line::failed("page", "the audit log returned no page this time", hint),
        ];
    };
    let failed = |name| Line::failed(name, problem.to_string(), problem.advice());
    match problem {
        Problem::MissingScope => vec![failed("scope"), Line::unknown("plan"), failed("page")],
        Problem::PlanLacksAuditLogs => {
            vec![Line::ok("scope", "Slack does not complain about it"), failed("plan"), failed("page")]
        }
        _ => vec![Line::unknown("scope"), Line::unknown("plan"), failed("page")],
    }
}

fn clock_line(slacks: Option<UnixSeconds>, ours: UnixSeconds) -> Line {
    let Some(slacks) = slacks else {
        let text = "the answer has no date, so this host's clock cannot be checked";
        return Line::slack("clock", None, text);
    };
    let apart = slacks.0.abs_diff(ours.0);
    let which = if ours < slacks { "behind" } else { "ahead of" };
    match apart {
        0..=MAX_CLOCK_S => Line::ok("clock", format!("this host and Slack differ by {apart} s")),
        _ => Line::failed(
            "clock",
            format!("this host's clock is {apart} s {which} Slack's"),
            "set it with NTP, because spans such as `start = \"24h\"` count back from it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_told_with_its_direction() {
        let line = |slacks, ours| clock_line(Some(UnixSeconds(slacks)), UnixSeconds(ours));
        assert_eq!(line(1_000, 1_002).ok, Some(true));
        assert!(line(1_000, 5_000).text.contains("4000 s ahead of Slack's"));
        assert!(line(5_000, 1_000).text.contains("4000 s behind Slack's"));
        assert_eq!(clock_line(None, UnixSeconds(0)).ok, None);
    }

    #[test]
    fn each_refusal_fails_the_line_it_is_about() {
        let failing = |problem| -> Vec<String> {
            refused(Some(&problem)).into_iter().filter(|line| line.ok == Some(false)).map(|line| line.name).collect()
        };
        assert_eq!(failing(Problem::MissingScope), ["scope", "page"]);
        assert_eq!(failing(Problem::PlanLacksAuditLogs), ["plan", "page"]);
        assert_eq!(failing(Problem::TokenRejected), ["page"]);
    }
}
