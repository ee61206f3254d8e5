//! One alert, in three depths: what somebody has to know, why it was made, and all of it as JSON.

use super::parts::{actor, ago, class, command, count, known_by, nothing, number, rule, severity, time, wide};
use super::{NotFound, Page, Place, Reply, found};
use crate::config::{Respond, WEB_API};
use crate::control::{self, Order};
use crate::look::alerts::{actor_text, cited, object, phases, when, who};
use crate::look::reach;
use crate::responses;
use crate::web::acts::ordered;
use crate::web::chart;
use crate::web::guard::Visitor;
use crate::web::html::{address, document, long, text};
use crate::web::site::{Asking, Site};
use anyhow::{Context, Result};
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::span_text;
use gridwatch_names::attack;
use gridwatch_rules::about::Standing;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::audit::{Deed, Via, What, Who};
use gridwatch_rules::basis::Counted;
use gridwatch_rules::exception::propose;
use gridwatch_rules::handling::{Reason, Status};
use gridwatch_rules::plan::{Admins, Calls, Clearance, How, Phase, Planned, PlannedCall, ResponsePlan, Safeguards};
use gridwatch_rules::response::{Past, ResponseRow, past};
use maud::{Markup, html};
use std::collections::BTreeSet;

/// Entries that are shown as Slack sent them.
const ENTRIES: usize = 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    Summary,
    Why,
    Json,
}

const DEPTHS: [(Depth, &str, &str); 3] =
    [(Depth::Summary, "", "Summary"), (Depth::Why, "why", "Why it was made"), (Depth::Json, "json", "All of it")];

pub struct Shown {
    pub alert: Alert,
    pub depth: Depth,
    pub now: UnixMillis,
    /// As an entry of the exceptions file, or why there can be none.
    pub proposal: Result<String, &'static str>,
    /// The other newest alerts about the same actor.
    pub others: Vec<Alert>,
    pub may_see_raw: bool,
    pub may_act: bool,
    /// What was done just now, or why it wasn't.
    pub done: Option<(bool, String)>,
    pub config: String,
}

/// # Errors
/// There is no such alert, or the history can't be read.
pub fn page(asking: &Asking<'_>) -> Result<Reply> {
    let alert = asked(asking)?;
    let depth =
        DEPTHS.iter().find(|(_, said, _)| *said == asking.said("depth")).map_or(Depth::Summary, |(depth, ..)| *depth);
    let shown = Shown {
        depth,
        now: asking.now,
        proposal: propose(&alert, asking.now.seconds()).map(|entry| entry.to_string()),
        others: others(asking, &alert)?,
        may_see_raw: asking.site.guard.may_see_raw(asking.visitor, &alert.org),
        may_act: asking.visitor.may_act(&alert.org),
        done: asking.done(),
        config: "FILE".into(),
        alert,
    };
    let title = shown.alert.title.clone();
    Page { place: Place::Alerts, title, body: shown.markup() }.reply(asking)
}

/// The alert of the address, if it may be seen.
fn asked(asking: &Asking<'_>) -> Result<Alert> {
    of(asking.site, asking.visitor, asking.path.as_deref().unwrap_or_default())
}

/// The alert of an id, if somebody may see it.
///
/// # Errors
/// There is none ([`NotFound`]), or the history can't be read.
pub fn of(site: &Site, visitor: &Visitor, uid: &str) -> Result<Alert> {
    let none = || NotFound("There is no such alert.".to_owned());
    let found = site.history(|history| {
        let row = history.rows().iter().find(|row| row.is_called(uid)).cloned();
        row.map(|row| history.alert(&row)).transpose()
    })?;
    let alert = found.flatten().flatten().ok_or_else(none)?;
    match visitor.may_see(&alert.org) {
        true => Ok(alert),
        false => Err(none().into()),
    }
}

fn others(asking: &Asking<'_>, alert: &Alert) -> Result<Vec<Alert>> {
    const MOST: usize = 8;
    let (id, org) = (&alert.actor.id, alert.org.to_string());
    if id.is_empty() {
        return Ok(Vec::new());
    }
    let others = asking.site.history(|history| {
        let by = |row: &&crate::history::Row| row.is_by(id) && row.is_of(&org) && !row.is_called(&alert.uid);
        let rows: Vec<_> = history.rows().iter().rev().filter(by).take(MOST).cloned().collect();
        rows.iter().filter_map(|row| history.alert(row).transpose()).collect::<Result<Vec<_>>>()
    })?;
    Ok(others.unwrap_or_default())
}

impl Shown {
    fn address(&self, depth: &str) -> String {
        address(&["alerts", &self.alert.uid], &[("depth", depth)])
    }

    pub fn markup(&self) -> Markup {
        let alert = &self.alert;
        html! {
            header.alert.(class(alert.severity)) {
                p { (severity(alert.severity)) " " (rule(&alert.rule, "")) @if let Some(org) = alert.org.name() { " · " (org) } }
                h1 { (text(&alert.title)) }
                @if !alert.reason.is_empty() { p.reason { "It is " (alert.severity.name()) " because: " (long(&alert.reason)) } }
                @if let Some(by) = &alert.suppressed_by { p.mark { "nobody was told: suppressed by " (text(by)) } }
                @if alert.handling.status != Status::Open { p.mark.good[alert.handling.is_closed()] { (alert.handling.status.to_string()) } }
                @if let Some(over) = alert.over { p.mark.good { "over since " (ago(over, self.now)) } }
            }
            @if let Some((is_good, what)) = &self.done { p.outcome.good[*is_good].bad[!is_good] role="status" { (long(what)) } }
            nav.depths aria-label="How much" {
                ul {
                    @for (depth, said, name) in DEPTHS {
                        li { a href=(self.address(said)) aria-current=[(depth == self.depth).then_some("page")] { (name) } }
                    }
                }
            }
            @match self.depth {
                Depth::Summary => (self.summary()),
                Depth::Why => (self.why()),
                Depth::Json => (self.json()),
            }
        }
    }

    fn summary(&self) -> Markup {
        let (alert, standing) = (&self.alert, Standing::of(&self.alert));
        html! {
            div.columns {
                section aria-labelledby="what" {
                    h2 #what { "Who, and when" }
                    dl {
                        dt { "who" } dd { (long(&actor_text(alert))) " " @if !who(alert).is_empty() { "(" (actor(known_by(alert), known_by(alert), "")) ")" } }
                        dt { "when" } dd { (long(&when(alert))) }
                        @for doer in &alert.others { dt { "and" } dd { (text(&doer.to_string())) } }
                        @for news in &alert.news { dt { "sent again" } dd { (text(news)) } }
                        @for (label, value) in &alert.labels { dt { (text(label)) } dd { (long(value)) } }
                        @if !alert.attack.is_empty() { dt { "ATT&CK" } dd { (techniques(&alert.attack)) } }
                    }
                }
                section aria-labelledby="usual" {
                    h2 #usual { "Is it usual?" }
                    @if standing.unusual.is_empty() && standing.usual.is_empty() { (nothing("Nothing is known of them to compare it with.")) }
                    ul.plain {
                        @for line in &standing.unusual { li { span.mark.bad { "unusual" } " " (text(line)) } }
                        @for line in &standing.usual { li { span.mark.good { "as usual" } " " (text(line)) } }
                    }
                    @if let Some(unknown) = alert.about.unknown_line() { p.faint { "unknown: " (long(&unknown)) } }
                }
            }
            section aria-labelledby="stands" { (self.handling()) }
            section aria-labelledby="do" { (self.playbook()) }
            section aria-labelledby="events" { (self.events()) }
            div.columns {
                section aria-labelledby="besides" { (self.besides()) }
                section aria-labelledby="wanted" { (self.wanted()) }
            }
            section aria-labelledby="about" { (self.about()) }
        }
    }

    /// Where it stands by what people did, and what they can do.
    fn handling(&self) -> Markup {
        let handling = &self.alert.handling;
        html! {
            h2 #stands { "Where it stands: " (handling.status.to_string()) }
            @if !handling.acts.is_empty() {
                ol.plain {
                    @for act in handling.acts.iter().rev() {
                        li {
                            (time(act.at.seconds())) " " strong { (act.what.to_string()) } " by " (text(&act.by))
                            @if !act.text.is_empty() { ": " (long(&act.text)) }
                        }
                    }
                }
            }
            @if handling.acts.is_empty() { p.faint { "Nobody has done anything about it yet." } }
            @if self.may_act { (self.acts()) }
        }
    }

    fn acts(&self) -> Markup {
        let (to, is_closed) = (address(&["alerts", &self.alert.uid, "act"], &[]), self.alert.handling.is_closed());
        html! {
            form.act method="post" action=(to) {
                div.grows { label for="said" { "What there is to say" } input #said name="text" maxlength="1000" autocomplete="off"; }
                div {
                    label for="reason" { "It turned out to be" }
                    select #reason name="reason" {
                        @for reason in Reason::ALL { option value=(reason.name()) { (turned(reason)) } }
                    }
                }
                div.acts {
                    @if is_closed { button name="act" value="reopen" { "Open again" } }
                    @else { button name="act" value="ack" { "Acknowledge" } }
                    button name="act" value="note" { "Note" }
                    button name="act" value="close" { "Close" }
                }
            }
        }
    }

    fn playbook(&self) -> Markup {
        let plan = address(&["alerts", &self.alert.uid, "plan"], &[]);
        html! {
            h2 #do { "What to do" }
            div.steps {
                @for (phase, steps) in phases(&self.alert) {
                    div {
                        h3 { (phase) }
                        ol {
                            @for step in steps {
                                li {
                                    (long(&step.text))
                                    @if let Some(method) = &step.method { " " code.faint { (text(method)) } }
                                }
                            }
                        }
                    }
                }
            }
            div #plan { p { a href=(plan) hx-get=(plan) hx-target="#plan" hx-select="#plan" hx-swap="outerHTML" { "Show the calls to copy" } } }
        }
    }

    fn events(&self) -> Markup {
        let alert = &self.alert;
        let more = alert.evidence_total.saturating_sub(alert.evidence.len() as u64);
        html! {
            h2 #events { "Events" }
            @if alert.evidence.is_empty() { (nothing("gridwatch made this alert of itself: no entry is behind it.")) }
            @else {
                (self.moments())
                (wide("Table of events", &html! {
                    table {
                        thead { tr { th scope="col" { "time" } th scope="col" { "action" } th scope="col" { "who" } th scope="col" { "address" } th scope="col" { "what it was done to" } th scope="col" { "client" } } }
                        tbody {
                            @for stub in &alert.evidence {
                                tr.decided[stub.id == alert.basis.event] {
                                    td { (time(stub.time)) @if stub.id == alert.basis.event { " " span.mark { "decided" } } }
                                    td { code { (text(&stub.action)) } }
                                    td { (self.named(&stub.actor_id)) }
                                    td { (actor_or_nothing(&stub.ip_address)) }
                                    td { (text(&object(stub))) }
                                    td.faint { (text(&stub.ua)) }
                                }
                            }
                        }
                    }
                }))
                @if more > 0 { p.faint { "and " (number(more)) " more" } }
                @if self.may_see_raw { p { a href=(address(&["alerts", &alert.uid, "entries"], &[])) { "Entries as Slack sent them" } } }
            }
        }
    }

    /// Who did an event: by name, as far as the alert has it.
    fn named(&self, id: &str) -> Markup {
        let alert = &self.alert;
        let other = || {
            let doer = alert.others.iter().find(|doer| doer.id == id)?;
            [&doer.name, &doer.email].into_iter().find(|name| !name.is_empty()).map(String::as_str)
        };
        let name = if alert.actor.id == id { Some(who(alert)) } else { other() };
        match name.filter(|name| !name.is_empty() && *name != id) {
            Some(name) => html! { (actor(name, id, "")) p.faint.id { (text(id)) } },
            None => actor_or_nothing(id),
        }
    }

    /// The events on a line of time, and below it what the actor did besides.
    fn moments(&self) -> Markup {
        let alert = &self.alert;
        let besides: Vec<_> = alert.recent_besides().filter(|act| act.time >= alert.first.minus(86_400)).collect();
        let times = alert.evidence.iter().map(|stub| stub.time.0).chain(besides.iter().map(|act| act.time.0));
        let (first, last) = times.fold((u64::MAX, 0), |(first, last), time| (first.min(time), last.max(time)));
        let at = |time: u64| (time - first) as f64 / (last - first).max(1) as f64;
        let evidence = alert.evidence.iter().map(|stub| {
            let class = if stub.id == alert.basis.event { "decided" } else { "evidence" };
            (0, at(stub.time.0), class, format!("{} {}", stub.time, stub.action))
        });
        let besides = besides.iter().map(|act| (1, at(act.time.0), "besides", format!("{} {}", act.time, act.action)));
        let all: Vec<_> = besides.chain(evidence).collect();
        html! {
            @if last > first {
                figure {
                    (chart::moments("Evidence on a line of time, and below it what the actor did besides", 2, &all))
                    figcaption {
                        span.key.decided {} " decided " span.key.evidence {} " evidence " span.key.besides {} " what they did besides · from "
                        (time(gridwatch_event::time::UnixSeconds(first))) " to " (time(gridwatch_event::time::UnixSeconds(last)))
                    }
                }
            }
        }
    }

    fn about(&self) -> Markup {
        let known = self.alert.about.known_lines();
        html! {
            h2 #about { "What is known" }
            @if known.is_empty() { (nothing("Nothing beside the events.")) }
            dl.many { @for (label, value) in &known { div { dt { (text(label)) } dd { (long(value)) } } } }
        }
    }

    /// What else the actor did, and what else was found of them.
    fn besides(&self) -> Markup {
        let alert = &self.alert;
        html! {
            h2 #besides { "What else they did" }
            @if alert.recent.is_empty() && self.others.is_empty() { (nothing("Nothing else is known of them.")) }
            ul.plain {
                @for act in &alert.recent { li { (time(act.time)) " " code { (text(&act.action)) } " " span.faint { (text(&act.ip_address)) } } }
            }
            @if !self.others.is_empty() {
                h3 { "Other alerts about them" }
                ul.plain {
                    @for other in &self.others {
                        li {
                            (severity(other.severity)) " "
                            a href=(address(&["alerts", &other.uid], &[])) { (text(&other.title)) } " "
                            span.faint { (ago(other.last.millis(), self.now)) }
                        }
                    }
                }
            }
        }
    }

    /// For whoever knows that it is wanted.
    fn wanted(&self) -> Markup {
        let alert = &self.alert;
        html! {
            h2 #wanted { "If it is known and wanted" }
            @match (&alert.suppressed_by, &self.proposal) {
                (Some(by), _) => p { "An exception hides it already: " (text(by)) "." },
                (None, Err(why)) => p { "No exception can quiet it: " (why) "." },
                (None, Ok(entry)) => {
                    p { "The narrowest exception that would have quieted it. Put it into the file that git has, fill in reason, owner and ticket, and have it reviewed:" }
                    pre.toml tabindex="0" { code { (document(entry)) } }
                    p { "Whether an attacker could hide in it is tried by" }
                    (command(&format!("gridwatch exceptions check --config {}", self.config)))
                }
            }
        }
    }

    fn why(&self) -> Markup {
        let (alert, basis) = (&self.alert, &self.alert.basis);
        let mut windows: Vec<&Counted> = basis.windows.iter().filter(|counted| counted.is_telling()).collect();
        windows.sort_by_key(|counted| !counted.cited);
        let silent = basis.windows.len() - windows.len();
        html! {
            section aria-labelledby="detects" {
                h2 #detects { "What the rule detects" }
                p { strong { (text(&alert.rule_title)) } ". " (long(&alert.condition)) }
                p.faint { (text(&alert.module.name)) "@" (text(&alert.module.version)) " " code { (text(&alert.module.digest)) } }
            }
            @if basis.event.is_empty() { (nothing("gridwatch itself made this alert; no module looked at fields or windows.")) }
            @else {
                section aria-labelledby="decided" {
                    h2 #decided { "Decided by" }
                    p { code { (text(&basis.action)) } " " code.faint { (text(&basis.event)) } }
                    dl.fields {
                        @for (field, value) in &basis.fields { dt { code { (text(field)) } } dd { (long(value)) @if basis.cut.contains(field) { " " span.mark { "the module saw its first part" } } } }
                    }
                }
                section aria-labelledby="windows" {
                    h2 #windows { "Windows as read" }
                    @if windows.is_empty() { (nothing("The module reads none that had anything to say.")) }
                    @else { (wide("Table of windows", &html! {
                        table {
                            thead { tr { th scope="col" { "window" } th scope="col" { "value" } th scope="col" { "what" } th scope="col" { "evidence" } } }
                            tbody { @for counted in &windows { tr.decided[counted.cited] { td { code { (text(&counted.window)) } } td.n { (text(&counted.text())) } td { (text(&window(counted))) } td { @if counted.cited { "cited" } } } } }
                        }
                    })) }
                    @if silent > 0 { p.faint { "and " (number(silent as u64)) " without a value" } }
                }
                section aria-labelledby="tables" {
                    h2 #tables { "Lookup tables" }
                    @if basis.lookups.is_empty() { (nothing("The module uses none.")) }
                    dl { @for (table, held) in &basis.lookups { dt { code { (text(table)) } } dd { @if held.is_empty() { "has nothing of this event" } @else { "has " (long(&held.join(", "))) } } } }
                }
            }
            section aria-labelledby="excepted" {
                h2 #excepted { "Exceptions" }
                @match (&alert.suppressed_by, alert.labels.get("beyond_exception")) {
                    (Some(by), _) => p { "suppressed by " (text(by)) },
                    (None, Some(beyond)) => p { "would be suppressed, but is beyond what the entry allows: " (long(beyond)) },
                    (None, None) => p { "none applied" },
                }
            }
            (self.elsewhere("explain"))
        }
    }

    fn json(&self) -> Markup {
        let json = serde_json::to_string_pretty(&self.alert).unwrap_or_default();
        html! {
            p { a href=(address(&["alerts", &self.alert.uid, "json"], &[])) download { "Keep it as a file" } }
            pre.json tabindex="0" { code { (document(&json)) } }
            (self.elsewhere("alerts show --json"))
        }
    }

    fn elsewhere(&self, what: &str) -> Markup {
        html! { h2 { "On the command line" } (command(&format!("gridwatch {what} --config {} {}", self.config, self.alert.uid))) }
    }
}

fn actor_or_nothing(text: &str) -> Markup {
    html! { @if !text.is_empty() { (actor(text, text, "")) } }
}

fn window(counted: &Counted) -> String {
    let by = match (counted.kind.as_str(), counted.key.as_slice()) {
        ("sequence", _) => String::new(), // each step has a key of its own
        (_, []) => " of the organization".into(),
        (_, key) => format!(" by {}", key.join(", ")),
    };
    format!("{}{by} within {}", counted.kind, span_text(counted.span_s))
}

fn techniques(ids: &[String]) -> Markup {
    html! {
        @for (n, id) in ids.iter().enumerate() {
            @if n > 0 { ", " }
            a href=(address(&["coverage"], &[])) { (text(id)) }
            @if let Some(name) = attack::technique(id).and_then(|technique| technique.name) { " " (name) }
        }
    }
}

fn turned(reason: Reason) -> &'static str {
    match reason {
        Reason::True => "true: it happened, and was not wanted",
        Reason::False => "false: it did not happen",
        Reason::Expected => "expected: it happened, and is known and wanted",
    }
}

/// The playbook with calls to copy, for a page of its own or in the place of its link.
///
/// # Errors
/// There is no such alert, or what was done before can't be read.
pub fn plan(asking: &Asking<'_>) -> Result<Reply> {
    let alert = asked(asking)?;
    let config = asking.site.config(&alert.org);
    let (respond, api) = match config {
        Some(config) => (config.respond.clone(), config.slack.web_url()),
        None => (Respond::default(), WEB_API.to_owned()),
    };
    let homes = &asking.site.homes;
    let (alert, reach) = reach::widened(alert, homes);
    let safeguards = Safeguards {
        break_glass: respond.break_glass,
        own_apps: respond.own_apps,
        admins: Admins::LikeOthers,
        asked: None,
    };
    let rows = responses::read(&homes.of_org(&alert.org))?;
    let plan = Plan { plan: ResponsePlan::of(&alert, &safeguards), alert, rows, api, notes: reach.notes() };
    let body = html! {
        h1 { "Calls to copy" }
        p { a href=(address(&["alerts", &plan.alert.uid], &[])) { (text(&plan.alert.title)) } }
        (plan.markup())
    };
    Page { place: Place::Alerts, title: "Calls to copy".into(), body }.reply(asking)
}

pub struct Plan {
    pub alert: Alert,
    pub plan: ResponsePlan,
    pub rows: Vec<ResponseRow>,
    pub api: String,
    pub notes: Vec<String>,
}

impl Plan {
    pub fn markup(&self) -> Markup {
        html! {
            div #plan {
                @for note in &self.notes { p.faint { (long(note)) } }
                ol.plan { @for step in &self.plan.steps { li { span.phase { (phase(step.phase)) } " " (long(&step.text)) (self.how(step)) } } }
                p { "The page sends none of it. What can be undone is done, once Slack has been asked who the people are and after a confirmation, by" }
                (command(&format!("gridwatch respond {} --config FILE --execute", self.alert.uid)))
            }
        }
    }

    fn how(&self, step: &Planned) -> Markup {
        html! {
            @match &step.how {
                How::ByHand => p.faint { "by hand" },
                How::UnknownMethod(name) => p.faint { "by hand: this gridwatch does not know the method " (text(name)) },
                How::Calls(calls) => (self.calls(calls)),
            }
        }
    }

    fn calls(&self, calls: &Calls) -> Markup {
        let method = calls.method;
        html! {
            p.faint { code { (method.name) } " · " (if method.scopes.is_empty() { "no scope".to_owned() } else { format!("scope {}", method.scopes.join(" or ")) }) " · " (method.tier.text()) " · " (method.effect.text()) }
            @if !method.limits.is_empty() { p.faint { (method.limits) } }
            @for call in &calls.planned { (self.call(calls, call)) }
            @if calls.more > 0 { p.faint { "and more: the alert had no room for " (number(calls.more)) " further mentions" } }
        }
    }

    fn call(&self, calls: &Calls, call: &PlannedCall) -> Markup {
        let done: BTreeSet<String> = call.targets.iter().filter_map(|target| self.done(calls, target)).collect();
        html! {
            @if let Clearance::Refused(refusal) = &call.clearance { p { span.mark.bad { "refused" } " " (text(&call.targets.join(", "))) ": " (long(&refusal.to_string())) } }
            @else {
                @for done in &done { p { span.mark.good { "before" } " " (text(done)) } }
                @if !call.missing.is_empty() { p { "The alert does not contain everything; fill in " (call.missing.join(", ")) ":" } }
                @if let Some(note) = call.note { p { (note) ":" } }
                pre.command tabindex="0" { code { (document(&call.curl(calls.method, &self.api))) } }
            }
        }
    }

    fn done(&self, calls: &Calls, target: &str) -> Option<String> {
        match past(&self.rows, &self.alert.uid, calls.method.name, target) {
            Past::Never => None,
            Past::Done { id, at } => Some(format!("{target}: done {at} ({id})")),
            Past::Unknown { id, at } => {
                Some(format!("{target}: begun {at} ({id}), and nobody knows whether it was done"))
            }
        }
    }
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Verify => "verify",
        Phase::Contain => "contain",
        Phase::Then => "then",
    }
}

/// Slack's own entries behind it. Who looked is written down.
///
/// # Errors
/// There is no such alert, there is no archive, or it can't be read.
pub fn entries(asking: &Asking<'_>) -> Result<Reply> {
    let alert = asked(asking)?;
    if !asking.site.guard.may_see_raw(asking.visitor, &alert.org) {
        return Err(
            NotFound("Entries as Slack sent them are only for those who may act (`web.raw = false`).".into()).into()
        );
    }
    tracing::info!(name = asking.visitor.name, alert = alert.uid, "looked at entries as Slack sent them");
    let is_recorded = record(asking, &alert);
    let archive = asking.site.homes.archive(&alert.org).context("the configuration keeps no archive")?;
    let raw: Vec<String> =
        cited(&archive, &alert)?.filter_map(|record| Some(record.ok()?.raw.to_string())).take(ENTRIES).collect();
    let missing = alert.evidence.len().saturating_sub(raw.len());
    let body = html! {
        h1 { "Entries as Slack sent them" }
        p { a href=(address(&["alerts", &alert.uid], &[])) { (text(&alert.title)) } }
        @if !is_recorded { p.faint { "No gridwatch runs that could note this look in the audit trail; the log of this page has it." } }
        @if missing > 0 { p.faint { (count(missing as u64, "event")) " of the alert are not in the archive, no longer or not yet." } }
        @for entry in &raw { pre.json tabindex="0" { code { (document(&pretty(entry))) } } }
        (command(&format!("gridwatch explain {} --config FILE --entries", alert.uid)))
    };
    Page { place: Place::Alerts, title: "Entries".into(), body }.reply(asking)
}

/// Notes in the audit trail that somebody looks at entries. False where no gridwatch runs that could: whoever only looks is not kept from it.
fn record(asking: &Asking<'_>, alert: &Alert) -> bool {
    let (visitor, org) = (asking.visitor, alert.org.name().unwrap_or_default());
    let who = Who { by: visitor.name.clone(), uid: None, via: Via::Page };
    let deed = Deed::new(asking.now, What::EntriesRead, &who, &alert.uid).of_org(org).with("rule", &alert.rule);
    let order = ordered(visitor, None, Order::Record { deed: Box::new(deed) });
    let recorded = control::ask(&asking.site.homes.state_dir, &order);
    if let Err(error) = &recorded {
        let error = format!("{error:#}");
        tracing::warn!(name = visitor.name, alert = alert.uid, error, "the audit trail doesn't have a look at entries");
    }
    recorded.is_ok()
}

fn pretty(entry: &str) -> String {
    let value = serde_json::from_str::<serde_json::Value>(entry);
    value.and_then(|value| serde_json::to_string_pretty(&value)).unwrap_or_else(|_| entry.to_owned())
}

/// All of it, as a file.
///
/// # Errors
/// There is no such alert.
pub fn json(asking: &Asking<'_>) -> Result<Reply> {
    let alert = asked(asking)?;
    let file = Some(format!(
        "{}.json",
        alert.uid.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').collect::<String>()
    ));
    Ok(Reply { kind: "application/json", file, ..found(serde_json::to_string_pretty(&alert)?) })
}
