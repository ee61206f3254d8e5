//! *Actor*: all that alerts know of one person, app or address: what was found, what is usual, roles over time.

use super::parts::{count, doer, nothing, number, rule, severity, time, wide};
use super::{Page, Place, Reply};
use crate::history::Row;
use crate::web::chart::{self, Column};
use crate::web::html::{address, long, text};
use crate::web::site::Asking;
use anyhow::Result;
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::Severity;
use gridwatch_rules::alert::Alert;
use maud::{Markup, html};

/// The newest alerts that are read.
const SHOWN: usize = 100;
/// Alerts in which an address or an app is looked for, which the index doesn't know.
const LOOKED_THROUGH: usize = 2_000;
const WEEK_S: u64 = 7 * 86_400;
const WEEKS: u64 = 26;

pub struct Actor {
    pub who: String,
    pub org: String,
    /// The newest first.
    pub alerts: Vec<Alert>,
    /// Of the whole history, as far as they were looked at.
    pub total: usize,
    /// It was found by what alerts say besides who acted.
    pub is_mentioned: bool,
    pub weeks: Vec<Column>,
}

/// # Errors
/// The history can't be read.
pub fn page(asking: &Asking<'_>) -> Result<Reply> {
    let who = asking.said("who").trim().to_owned();
    let shown = found(asking, &who)?;
    let title = if who.is_empty() { "Actor".to_owned() } else { who };
    Page { place: Place::Alerts, title, body: shown.whole() }.reply(asking)
}

fn found(asking: &Asking<'_>, who: &str) -> Result<Actor> {
    let takes = asking.takes(&asking.asked_orgs());
    let mut actor = Actor {
        who: who.to_owned(),
        org: asking.org().to_owned(),
        alerts: Vec::new(),
        total: 0,
        is_mentioned: false,
        weeks: Vec::new(),
    };
    if who.is_empty() {
        return Ok(actor);
    }
    asking.site.history(|history| {
        let rows = |is_wanted: &dyn Fn(&Row) -> bool, most| -> Vec<Row> {
            history.rows().iter().rev().filter(|row| takes(row) && is_wanted(row)).take(most).cloned().collect()
        };
        let by = rows(&|row| row.is_by(who), usize::MAX);
        let (looked, is_mentioned) = if by.is_empty() { (rows(&|_| true, LOOKED_THROUGH), true) } else { (by, false) };
        let mut found = Vec::new();
        for row in &looked {
            if found.len() == SHOWN {
                break;
            }
            if let Some(alert) = history.alert(row)?.filter(|alert| !is_mentioned || mentions(alert, who)) {
                found.push(alert);
            }
        }
        actor.total = if is_mentioned { found.len() } else { looked.len() };
        let times: Vec<UnixSeconds> = if is_mentioned {
            found.iter().map(|alert| alert.last).collect()
        } else {
            looked.iter().map(|row| row.last).collect()
        };
        (actor.weeks, actor.is_mentioned, actor.alerts) = (weeks(&times, asking.now.seconds()), is_mentioned, found);
        Ok(())
    })?;
    Ok(actor)
}

/// An address, an app, or whoever else did it too.
fn mentions(alert: &Alert, what: &str) -> bool {
    let about = &alert.about;
    about.address.as_ref().is_some_and(|address| address.ip == what)
        || about.app.as_ref().is_some_and(|app| app.id == what || app.name == what)
        || alert.evidence.iter().any(|stub| stub.ip_address == what || stub.actor_id == what || stub.object == what)
        || alert.others.iter().any(|doer| doer.id == what || doer.app == what || doer.email == what)
        || alert.subjects.apps.ids.contains(what)
        || alert.subjects.calling_apps.ids.contains(what)
}

fn weeks(times: &[UnixSeconds], now: UnixSeconds) -> Vec<Column> {
    let first = now.0.saturating_sub(WEEKS * WEEK_S);
    let mut counts = vec![0_u64; WEEKS as usize];
    for time in times {
        let week = time.0.checked_sub(first).map(|since| (since / WEEK_S) as usize);
        if let Some(count) = week.and_then(|week| counts.get_mut(week)) {
            *count += 1;
        }
    }
    let column = |(n, alerts): (usize, u64)| Column {
        label: format!("week of {}: {}", UnixSeconds(first + n as u64 * WEEK_S), count(alerts, "alert")),
        parts: vec![("high", alerts)],
    };
    counts.into_iter().enumerate().map(column).collect()
}

impl Actor {
    pub fn whole(&self) -> Markup {
        html! { (self.form()) (self.markup()) }
    }

    fn form(&self) -> Markup {
        html! {
            form.filters method="get" action="/actor" role="search" aria-label="Look for somebody" {
                @if !self.org.is_empty() { input type="hidden" name="org" value=(super::plain(&self.org)); }
                div.grows { label for="who" { "person, app or address" } input #who name="who" value=(super::plain(&self.who)) spellcheck="false" autocomplete="off"; }
                button { "Look" }
            }
        }
    }

    fn markup(&self) -> Markup {
        html! {
            h1 { @if self.who.is_empty() { "Look for somebody" } @else { (text(&self.who)) } }
            @match self.alerts.first() {
                None if self.who.is_empty() => (nothing("A person by id, name or e-mail address; an app by its id; an address by itself.")),
                None => (nothing("No alert names them. What they did stands in the archive: `gridwatch replay` looks through it.")),
                Some(newest) => (self.known(newest)),
            }
        }
    }

    fn known(&self, newest: &Alert) -> Markup {
        html! {
            p.lead {
                strong { (count(self.total as u64, "alert")) }
                @if self.is_mentioned { " mention" @if self.total == 1 { "s" } " it, of the newest " (number(LOOKED_THROUGH as u64)) } @else { " of theirs" }
                @if self.total > self.alerts.len() { ", the newest " (self.alerts.len()) " below" }
                "."
            }
            (chart::stacks("Alerts by week, of the last half year", &self.weeks))
            @if !self.is_mentioned {
                section aria-label="Roles" { (self.roles()) }
                section aria-label="What is known" { (self.about(newest)) }
            }
            (wide("Alerts", &html! {
                table.alerts {
                    thead { tr { th scope="col" { "newest event" } th scope="col" { "severity" } th scope="col" { "what" } th scope="col" { "who" } th scope="col" { "rule" } } }
                    tbody {
                        @for alert in &self.alerts {
                            tr.hidden-by[alert.suppressed_by.is_some()] {
                                td data-label="newest event" { (time(alert.last)) }
                                td data-label="severity" { (severity(alert.severity)) }
                                td.what data-label="what" { a href=(address(&["alerts", &alert.uid], &[])) { (text(&alert.title)) } }
                                td.who data-label="who" { (doer(alert, &self.org)) }
                                td data-label="rule" { (rule(&alert.rule, &self.org)) }
                            }
                        }
                    }
                }
            }))
        }
    }

    fn about(&self, newest: &Alert) -> Markup {
        let (known, actor) = (newest.about.known_lines(), &newest.actor);
        let names = [&actor.name, &actor.email, &actor.id].map(String::as_str);
        let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
        html! {
            h2 { "As of the newest alert" }
            dl.many {
                div { dt { "names" } dd { (text(&names.join(", "))) } }
                @for (label, value) in &known { div { dt { (text(label)) } dd { (long(value)) } } }
            }
            @if known.is_empty() { (nothing("Nothing else is known of them.")) }
        }
    }

    /// As alerts saw them, one line for each change.
    fn roles(&self) -> Markup {
        let mut changes: Vec<(UnixSeconds, &'static str)> = Vec::new();
        for alert in self.alerts.iter().rev() {
            let role = alert.actor.role_at_event.name();
            if changes.last().is_none_or(|(_, before)| *before != role) {
                changes.push((alert.last, role));
            }
        }
        let graver = |least: Severity| self.alerts.iter().filter(|alert| alert.severity >= least).count() as u64;
        html! {
            h2 { "Roles over time" }
            ol.plain { @for (at, role) in changes.iter().rev() { li { (time(*at)) " " strong { (role) } } } }
            p.faint { (count(graver(Severity::High), "alert")) " of High or above." }
        }
    }
}
