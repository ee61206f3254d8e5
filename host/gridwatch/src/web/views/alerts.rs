//! *Alerts*: what was found, by whatever somebody asks for. All of that is in the address, so it can be kept and handed on.

use super::parts::{class, count, doer, live, nothing, number, rule, severity, time, wide};
use super::{Page, Place, Reply};
use crate::history::{History, Row};
use crate::look::alerts::{Filter, Kept, Stands};
use crate::web::chart::{self, Column};
use crate::web::html::{address, plain, text};
use crate::web::site::Asking;
use anyhow::Result;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_manifest::Severity;
use gridwatch_manifest::document::seconds_in;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::handling::Status;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Alerts of one page.
const PAGE: usize = 50;
/// Columns of the drawing.
const COLUMNS: u64 = 60;
/// Rules that are counted beside it.
const RULES: usize = 8;
const USUAL: &str = "7d";
const SPANS: [(&str, &str); 5] =
    [("1d", "a day"), ("7d", "7 days"), ("30d", "30 days"), ("90d", "90 days"), ("all", "all")];

/// What somebody asks for, as it stands in the address.
#[derive(Clone, Debug, Default)]
pub struct Sought {
    pub since: String,
    pub severity: String,
    pub rule: String,
    pub actor: String,
    pub kept: String,
    /// Where they stand.
    pub stands: String,
    pub org: String,
    pub page: usize,
}

pub struct Found {
    pub sought: Sought,
    pub now: UnixMillis,
    pub alerts: Vec<Alert>,
    pub total: usize,
    pub counts: Vec<(Severity, u64)>,
    pub columns: Vec<Column>,
    /// The loudest.
    pub rules: Vec<(String, u64)>,
    pub has_orgs: bool,
    /// There is one at all, whatever is asked for.
    pub has_any: bool,
    /// The history doesn't exist yet.
    pub is_new: bool,
}

/// # Errors
/// The history can't be read.
pub fn page(asking: &Asking<'_>) -> Result<Reply> {
    let found = found(asking)?;
    Page { place: Place::Alerts, title: "Alerts".into(), body: found.whole() }.reply(asking)
}

fn found(asking: &Asking<'_>) -> Result<Found> {
    let sought = Sought::of(asking);
    let (filter, orgs) = (sought.filter(asking.now.seconds()), asking.asked_orgs());
    let takes = asking.takes(&orgs);
    let mut found = Found {
        now: asking.now,
        alerts: Vec::new(),
        total: 0,
        counts: Vec::new(),
        columns: Vec::new(),
        rules: Vec::new(),
        has_orgs: asking.orgs().len() > 1,
        has_any: false,
        is_new: true,
        sought,
    };
    asking.site.history(|history| {
        let rows: Vec<Row> = filter.rows(history).filter(|row| takes(row)).cloned().collect();
        (found.is_new, found.has_any) = (false, history.rows().iter().any(&takes));
        found.total = rows.len();
        found.counts = by_severity(&rows);
        found.columns = columns(&rows, filter.since, asking.now.seconds());
        found.rules = loudest(history, &rows);
        let shown = rows.iter().rev().skip(found.sought.page * PAGE).take(PAGE);
        found.alerts = shown.filter_map(|row| history.alert(row).transpose()).collect::<Result<_>>()?;
        Ok(())
    })?;
    Ok(found)
}

impl Sought {
    fn of(asking: &Asking<'_>) -> Self {
        let said = |name: &str| asking.said(name).trim().to_owned();
        let since = Some(said("since")).filter(|since| !since.is_empty()).unwrap_or_else(|| USUAL.to_owned());
        Self {
            since,
            severity: said("severity"),
            rule: said("rule"),
            actor: said("actor"),
            kept: said("kept"),
            stands: said("stands"),
            org: asking.org().to_owned(),
            page: asking.said("page").parse().unwrap_or(0).min(1_000_000),
        }
    }

    fn filter(&self, now: UnixSeconds) -> Filter {
        let filled = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Filter {
            since: seconds_in(&self.since).map(|span| now.minus(span)),
            severity: Severity::ALL.into_iter().find(|severity| severity.name().eq_ignore_ascii_case(&self.severity)),
            rule: filled(&self.rule),
            actor: filled(&self.actor),
            org: None,
            kept: match self.kept.as_str() {
                "suppressed" => Kept::Suppressed,
                "shadow" => Kept::Shadow,
                _ => Kept::Told,
            },
            stands: Stands {
                open: ["open", "unclosed"].contains(&self.stands.as_str()),
                acknowledged: ["acknowledged", "unclosed"].contains(&self.stands.as_str()),
                closed: self.stands == "closed",
            },
        }
    }

    fn address(&self, page: usize) -> String {
        let number = if page == 0 { String::new() } else { page.to_string() };
        let (since, severity, rule) = (&self.since, &self.severity, &self.rule);
        let parameters = [
            ("since", since.as_str()),
            ("severity", severity),
            ("rule", rule),
            ("actor", &self.actor),
            ("kept", &self.kept),
            ("stands", &self.stands),
            ("org", &self.org),
            ("page", &number),
        ];
        address(&["alerts"], &parameters)
    }
}

fn by_severity(rows: &[Row]) -> Vec<(Severity, u64)> {
    let count = |severity| (severity, rows.iter().filter(|row| row.severity == severity).count() as u64);
    Severity::ALL.into_iter().rev().map(count).collect()
}

/// Alerts by the time of their newest event.
fn columns(rows: &[Row], since: Option<UnixSeconds>, now: UnixSeconds) -> Vec<Column> {
    let Some(first) = since.or(rows.first().map(|row| row.last)) else { return Vec::new() };
    let step = (now.0.saturating_sub(first.0) / COLUMNS).max(60);
    let mut counts = vec![[0_u64; 5]; COLUMNS as usize + 1];
    for row in rows {
        let column = (row.last.0.saturating_sub(first.0) / step).min(COLUMNS) as usize;
        counts[column][usize::from(row.severity.id()) - 1] += 1;
    }
    let column = |(n, counts): (usize, [u64; 5])| {
        let parts = Severity::ALL.into_iter().zip(counts).rev();
        let parts: Vec<_> = parts.map(|(severity, n)| (class(severity), n)).collect();
        let sum: u64 = counts.iter().sum();
        Column { label: format!("from {}: {}", first.plus(n as u64 * step), count(sum, "alert")), parts }
    };
    counts.into_iter().enumerate().map(column).collect()
}

fn loudest(history: &History, rows: &[Row]) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    rows.iter().for_each(|row| *counts.entry(history.rule(row)).or_default() += 1);
    let mut counts: Vec<(String, u64)> = counts.into_iter().map(|(rule, n)| (rule.to_owned(), n)).collect();
    counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    counts.truncate(RULES);
    counts
}

impl Found {
    pub fn whole(&self) -> Markup {
        html! {
            h1 { "Alerts" }
            (self.form())
            (live("live", &self.sought.address(self.sought.page), &self.markup()))
        }
    }

    fn form(&self) -> Markup {
        let sought = &self.sought;
        let stands = [
            ("", "stand anyhow"),
            ("unclosed", "not closed"),
            ("open", "open"),
            ("acknowledged", "acknowledged"),
            ("closed", "closed"),
        ];
        let kept = [("", "told"), ("suppressed", "suppressed too"), ("shadow", "of shadow alone")];
        html! {
            form.filters method="get" action="/alerts" role="search" aria-label="Alerts by" {
                @if !sought.org.is_empty() { input type="hidden" name="org" value=(plain(&sought.org)); }
                div {
                    label for="since" { "of the last" }
                    select #since name="since" {
                        @if SPANS.iter().all(|(value, _)| *value != sought.since) { option value=(plain(&sought.since)) selected { (plain(&sought.since)) } }
                        @for (value, name) in SPANS { option value=(value) selected[value == sought.since] { (name) } }
                    }
                }
                div {
                    label for="severity" { "at least" }
                    select #severity name="severity" {
                        option value="" { "any severity" }
                        @for severity in Severity::ALL.into_iter().rev() {
                            option value=(class(severity)) selected[severity.name().eq_ignore_ascii_case(&sought.severity)] { (severity.name()) }
                        }
                    }
                }
                div {
                    label for="kept" { "which were" }
                    select #kept name="kept" { @for (value, name) in kept { option value=(value) selected[value == sought.kept] { (name) } } }
                }
                div {
                    label for="stands" { "and are" }
                    select #stands name="stands" { @for (value, name) in stands { option value=(value) selected[value == sought.stands] { (name) } } }
                }
                div { label for="rule" { "rule, or module.*" } input #rule name="rule" value=(plain(&sought.rule)) spellcheck="false" autocomplete="off"; }
                div { label for="actor" { "who: name, address, id" } input #actor name="actor" value=(plain(&sought.actor)) spellcheck="false" autocomplete="off"; }
                button { "Show" }
                a.quiet href=(address(&["alerts"], &[("org", &sought.org)])) { "Clear" }
            }
        }
    }

    fn markup(&self) -> Markup {
        let pages = self.total.div_ceil(PAGE);
        html! {
            @if self.is_new { (nothing("There is no history yet: gridwatch has not run on this state folder.")) }
            @else if !self.has_any { (nothing("Nothing has been found yet: no rule has made an alert.")) }
            @else if self.total == 0 { (nothing("No alert is like this. Look further back, or ask for less.")) }
            @else {
                section.summary aria-label="In numbers" {
                    div {
                        ul.counts {
                            @for (severity, n) in &self.counts { li.(class(*severity)).none[*n == 0] { strong { (number(*n)) } " " (severity.name()) } }
                        }
                        (chart::stacks(&format!("{} over time, by severity", count(self.total as u64, "alert")), &self.columns))
                    }
                    table.loud {
                        caption { "Loudest rules" }
                        thead { tr { th scope="col" { "rule" } th scope="col" { "alerts" } th scope="col" { span.unseen { "share" } } } }
                        tbody {
                            @for (name, n) in &self.rules {
                                tr { th scope="row" { (rule(name, &self.sought.org)) } td.n { (number(*n)) } td { (chart::bar(*n, self.rules[0].1, "high")) } }
                            }
                        }
                    }
                }
                (wide("Alerts", &self.table()))
                nav.pages aria-label="Pages" {
                    @if self.sought.page > 0 { a rel="prev" href=(self.sought.address(self.sought.page - 1)) { "Newer" } }
                    span { "page " (self.sought.page + 1) " of " (pages) ", " (count(self.total as u64, "alert")) }
                    @if self.sought.page + 1 < pages { a rel="next" href=(self.sought.address(self.sought.page + 1)) { "Older" } }
                }
            }
        }
    }

    fn table(&self) -> Markup {
        html! {
            table.alerts {
                thead { tr {
                    th scope="col" { "newest event" } th scope="col" { "severity" } th scope="col" { "what" } th scope="col" { "who" } th scope="col" { "rule" }
                    @if self.has_orgs { th scope="col" { "org" } }
                } }
                tbody { @for alert in &self.alerts { (self.row(alert)) } }
            }
        }
    }

    fn row(&self, alert: &Alert) -> Markup {
        let is_new = alert.revision <= 1
            && self.now.since(alert.opened) < 3_600_000
            && self.now.since(alert.last.millis()) < 86_400_000;
        html! {
            tr.hidden-by[!alert.is_open()] {
                td data-label="newest event" { (time(alert.last)) }
                td data-label="severity" { (severity(alert.severity)) }
                td.what data-label="what" {
                    a #(format!("a-{}", plain(&alert.uid))) href=(address(&["alerts", &alert.uid], &[])) { (text(&alert.title)) }
                    @if alert.findings > 1 { " " span.faint { "×" (number(alert.findings)) } }
                    @if alert.days > 1 { " " span.mark { "on " (alert.days) " days" } }
                    @if is_new { " " span.mark { "new" } }
                    @if alert.handling.status != Status::Open { " " span.mark.good[alert.handling.is_closed()] { (alert.handling.status.to_string()) } }
                    @if let Some(by) = &alert.suppressed_by { " " span.faint { "suppressed by " (text(by)) } }
                }
                td.who data-label="who" { (doer(alert, &self.sought.org)) }
                td data-label="rule" { (rule(&alert.rule, &self.sought.org)) }
                @if self.has_orgs { td data-label="org" { (alert.org) } }
            }
        }
    }
}
