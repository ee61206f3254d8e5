//! *Now*, the first page: is gridwatch blind, up to when is everything read and why does it wait, who was told; what is open and grave.

use super::parts::{ago, class, count, live, nothing, number, severity, time};
use super::{Page, Place, Reply};
use crate::look::alerts::who;
use crate::look::now::{Now, Open, Sight, waits};
use crate::telemetry::health::{self, State};
use crate::telemetry::status::{OrgStatus, SinkStatus, Status};
use crate::web::html::{address, long, plain, text};
use crate::web::site::Asking;
use anyhow::Result;
use gridwatch_event::org::OrgId;
use gridwatch_event::time::UnixMillis;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::handling;
use maud::{Markup, html};

/// Alerts that are shown; the others are counted.
const SHOWN: usize = 12;

pub struct Shown {
    pub now: Now,
    pub org: String,
}

/// # Errors
/// The state folder or the history can't be read.
pub fn page(asking: &Asking<'_>) -> Result<Reply> {
    let (status, health) = asking.look()?;
    let takes = asking.takes(&asking.asked_orgs());
    let open = asking.site.history(|history| Open::of(history, asking.now, SHOWN, takes))?.unwrap_or_default();
    let shown = Shown { now: Now { at: asking.now, status, health, open }, org: asking.org().to_owned() };
    let own = address(&[], &[("org", asking.org())]);
    Page { place: Place::Now, title: "Now".into(), body: live("live", &own, &shown.markup()) }.reply(asking)
}

impl Shown {
    pub fn markup(&self) -> Markup {
        html! {
            (self.verdict())
            @if let Some(status) = &self.now.status {
                div.columns.even {
                    section aria-labelledby="reading" { (self.reading(status)) }
                    section aria-labelledby="told" { (self.told(status)) }
                }
            }
            section aria-labelledby="grave" { (self.grave()) }
        }
    }

    const fn at(&self) -> UnixMillis {
        self.now.at
    }

    /// In a glance: does somebody have to act?
    fn verdict(&self) -> Markup {
        let (health, sight) = (&self.now.health, self.now.sight());
        let up = self.now.status.as_ref().map(|status| health::span(self.at().since(status.started) / 1_000));
        let is_well = health.healthy && sight == Sight::Watching;
        let verb = match health.state {
            State::Died | State::Failed => "has ",
            State::NeverRan => "",
            _ => "is ",
        };
        html! {
            section.verdict.good[is_well].bad[!is_well] aria-labelledby="verdict" {
                h1 #verdict {
                    @match (sight, health.needs.len()) {
                        (Sight::Watching, 0) => "All is well",
                        (Sight::Watching, 1) => "1 thing needs somebody",
                        (Sight::Watching, needs) => { (needs) " things need somebody" }
                        (Sight::Partly, _) => "Partly blind",
                        (Sight::Blind, _) => "Blind: nothing is seen",
                    }
                }
                p {
                    "gridwatch " (verb) strong { (health.state.name()) }
                    @if let Some(up) = up.filter(|_| self.now.is_there()) { ", for " (up) }
                    @if let Some(since) = self.now.since() { " · not everything is seen since " (time(since.seconds())) }
                    @if let Some(status) = &self.now.status { " · as of " (ago(status.written, self.at())) }
                    @if let Some(doing) = self.now.status.as_ref().map(|status| &status.doing).filter(|doing| !doing.is_empty()) { " · " (text(doing)) }
                }
                @if !health.needs.is_empty() {
                    ul.needs { @for need in &health.needs { li { (long(need)) } } }
                }
            }
        }
    }

    fn reading(&self, status: &Status) -> Markup {
        html! {
            h2 #reading { "Read up to" }
            @if status.orgs.is_empty() { (nothing("No organization is known yet.")) }
            @for (org, of_org) in &status.orgs { (self.org(org, of_org, status.orgs.len() > 1)) }
            @if status.backlog.entries > 0 {
                p { (number(status.backlog.entries)) " entries wait to be judged." }
            }
        }
    }

    fn org(&self, org: &OrgId, of_org: &OrgStatus, is_named: bool) -> Markup {
        let poll = &of_org.poll;
        let is_awake = self.now.is_there() && self.now.health.state != State::Stuck;
        let is_seen = is_awake && crate::look::now::sight(of_org, self.at()) == Sight::Watching;
        html! {
            div.org {
                @if is_named { h3 { a href=(address(&[], &[("org", &org.to_string())])) { (org) } } }
                p.big {
                    @match poll.watermark {
                        Some(at) => { span.good[is_seen].bad[!is_seen] { (ago(at.millis(), self.at())) } " " span.faint { (time(at)) } }
                        None => span.bad { "nothing has been read to its end yet" },
                    }
                }
                dl {
                    dt { "last page" } dd { @match poll.last_success { Some(at) => (ago(at, self.at())), None => "none yet" } }
                    @for why in waits(poll) { dt { "it waits" } dd.bad[!is_seen] { (long(&why)) } }
                    dt { "so far" } dd { (count(of_org.detect.events, "event")) ", " (number(of_org.detect.alerts)) " alerts and revisions" }
                }
            }
        }
    }

    /// Who hears of alerts, and of gridwatch's own end.
    fn told(&self, status: &Status) -> Markup {
        html! {
            h2 #told { "Who is told" }
            ul.plain {
                @for (name, sink) in &status.sinks { li { (self.sink(name, sink)) } }
                @if status.sinks.is_empty() { li.faint { "no sink has been opened yet" } }
                @if let Some(ping) = &status.ping {
                    li {
                        @match (&ping.error, ping.last) {
                            (Some(error), _) => { span.mark.bad { "failing" } " dead-man service: " (long(error)) }
                            (None, Some(at)) => { span.mark.good { "told" } " dead-man service, " (ago(at, self.at())) }
                            (None, None) => { span.mark { "not yet" } " dead-man service" }
                        }
                    }
                }
                @if let Some(heartbeat) = &status.heartbeat { li { span.mark.good { "sent" } " heartbeat " (number(heartbeat.number)) ", " (ago(heartbeat.at, self.at())) } }
            }
            @if !status.troubles.is_empty() {
                h3 { "Told, and not over" }
                ul.plain {
                    @for trouble in &status.troubles {
                        li { span.mark.bad[trouble.is_grave] { "since " (ago(trouble.since, self.at())) } " " (text(&trouble.title)) }
                    }
                }
            }
        }
    }

    fn sink(&self, name: &str, sink: &SinkStatus) -> Markup {
        html! {
            @match (&sink.error, sink.behind) {
                (Some(error), _) => { span.mark.bad { "failing" } " " (text(name)) ": " (long(error)) }
                (None, 0) => { span.mark.good { "has all" } " " (text(name)) }
                (None, behind) => {
                    span.mark { (count(behind, "record")) " behind" } " " (text(name))
                    @if let Some(since) = sink.behind_since { ", since " (ago(since, self.at())) }
                }
            }
        }
    }

    fn grave(&self) -> Markup {
        let open = &self.now.open;
        html! {
            h2 #grave { "Open, of the last 7 days" }
            ul.counts {
                @for (severity, n) in &open.counts {
                    @let at_least = severity.name().to_lowercase();
                    li.(class(*severity)).none[*n == 0] {
                        a href=(address(&["alerts"], &[("stands", "unclosed"), ("severity", &at_least), ("org", &self.org)])) { strong { (number(*n)) } " " (severity.name()) }
                    }
                }
            }
            @if open.gravest.is_empty() { (nothing("Nothing is open of the last 7 days.")) }
            ol.alerts { @for alert in &open.gravest { li { (self.alert(alert)) } } }
            @if open.all() > 0 {
                p {
                    a href=(address(&["alerts"], &[("stands", "unclosed"), ("org", &self.org)])) { "All " (number(open.all())) " that are open" }
                    @if open.acknowledged > 0 { ", " (number(open.acknowledged)) " of them acknowledged" }
                }
            }
            @if open.older > 0 {
                p { a href=(address(&["alerts"], &[("stands", "unclosed"), ("since", "all"), ("org", &self.org)])) { (number(open.older)) " older ones are open too" } }
            }
        }
    }

    fn alert(&self, alert: &Alert) -> Markup {
        html! {
            (severity(alert.severity))
            div {
                a.title #(format!("a-{}", plain(&alert.uid))) href=(address(&["alerts", &alert.uid], &[])) { (text(&alert.title)) }
                p.faint {
                    (ago(alert.last.millis(), self.at())) " · " (text(&alert.rule))
                    @if !who(alert).is_empty() { " · " (text(who(alert))) }
                    @if alert.org.name().is_some() { " · " (alert.org) }
                    @if alert.handling.status != handling::Status::Open { " · " span.mark.good { (alert.handling.status.to_string()) } }
                }
            }
        }
    }
}
