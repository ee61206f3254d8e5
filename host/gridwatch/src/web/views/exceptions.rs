//! *Exceptions*: what is silenced, by whom and until when, what it hid; and the settings that silence as well.

use super::parts::{ago, command, count, nothing, number, severity, time, whose, wide};
use super::{Page, Place, Reply};
use crate::exceptions::Source;
use crate::look::exceptions::{Silencing, silencing, state, who};
use crate::modules::Wanted;
use crate::web::html::{address, document, long, plain, text};
use crate::web::site::Asking;
use anyhow::Result;
use gridwatch_event::org::OrgId;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_manifest::Severity;
use gridwatch_rules::exception::{Exception, Exceptions, Lowered};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Alerts that exceptions hid, of the newest, that are looked at.
const LOOKED_AT: usize = 5_000;
const RECENT_S: u64 = 30 * 86_400;

pub struct Silenced {
    pub now: UnixMillis,
    pub orgs: Vec<OfOrg>,
}

pub struct OfOrg {
    pub org: OrgId,
    /// The file's name, and what is in it or wrong with it; `None`: there is none, or no configuration that would name it.
    pub file: Option<(String, Result<Exceptions, String>)>,
    pub silencing: Vec<Silencing>,
    /// By what hid them.
    pub hid: BTreeMap<String, Hid>,
    /// Of the organization's status: what is wrong with the file as it is now.
    pub broken: Option<String>,
}

/// What one of them hid in the last 30 days.
#[derive(Clone, Debug, Default)]
pub struct Hid {
    pub alerts: u64,
    pub newest: Option<UnixSeconds>,
    pub worst: Option<Severity>,
}

/// # Errors
/// The state folder or the history can't be read.
pub fn page(asking: &Asking<'_>) -> Result<Reply> {
    let (status, _) = asking.look()?;
    let status = status.unwrap_or_default();
    let mut orgs = Vec::new();
    for org in asking.asked_orgs() {
        let of_org = status.org(&org);
        let wanted = asking.site.config(&org).map(Wanted::of);
        let manifests = asking.site.manifests(&of_org);
        let all = || manifests.iter().map(|manifest| &**manifest);
        let file = wanted.as_ref().and_then(|wanted| {
            let path = wanted.exceptions.as_ref()?;
            let read = Source::new(path, wanted, all()).read(asking.now).map_err(|problems| problems.to_string());
            Some((path.display().to_string(), read))
        });
        let silencing = wanted.as_ref().map(|wanted| silencing(all(), wanted)).unwrap_or_default();
        orgs.push(OfOrg { hid: hid(asking, &org)?, broken: of_org.exceptions.broken, org, file, silencing });
    }
    let shown = Silenced { now: asking.now, orgs };
    let body = html! { h1 { "Exceptions" } (shown.markup()) };
    Page { place: Place::Exceptions, title: "Exceptions".into(), body }.reply(asking)
}

fn hid(asking: &Asking<'_>, org: &OrgId) -> Result<BTreeMap<String, Hid>> {
    let (name, since) = (org.to_string(), asking.now.seconds().minus(RECENT_S));
    let read = asking.site.history(|history| {
        let is_hidden =
            |row: &&crate::history::Row| row.is_suppressed && !row.is_shadow && row.last >= since && row.is_of(&name);
        let rows: Vec<_> = history.rows().iter().rev().filter(is_hidden).take(LOOKED_AT).cloned().collect();
        let mut hid: BTreeMap<String, Hid> = BTreeMap::new();
        for row in &rows {
            let Some(alert) = history.alert(row)? else { continue };
            let of = hid.entry(alert.suppressed_by.unwrap_or_default()).or_default();
            of.alerts += 1;
            (of.newest, of.worst) = (of.newest.max(Some(row.last)), of.worst.max(Some(row.severity)));
        }
        Ok(hid)
    })?;
    Ok(read.unwrap_or_default())
}

impl Silenced {
    pub fn markup(&self) -> Markup {
        html! {
            @for of_org in &self.orgs {
                @if self.orgs.len() > 1 { h2.org { (of_org.org) } }
                (self.org(of_org))
            }
            h2 { "Would an attacker hide there?" }
            p { "Tried with the attacks of a labelled organization, and the team's own, in the place of each exception's subject:" }
            (command("gridwatch exceptions check --config FILE"))
        }
    }

    fn org(&self, of_org: &OfOrg) -> Markup {
        let known = |id: &str| {
            of_org.file.as_ref().is_some_and(|(_, read)| {
                read.as_ref().is_ok_and(|file| {
                    file.iter().any(|entry| entry.id == id) || file.lowered().iter().any(|entry| entry.id == id)
                })
            })
        };
        let gone: Vec<_> = of_org.hid.iter().filter(|(by, _)| !known(by)).collect();
        html! {
            @if let Some(broken) = &of_org.broken { div.warning role="status" { "The file has errors, and what was read before stays in force:" pre tabindex="0" { (document(broken)) } } }
            @match &of_org.file {
                None => (nothing("No exceptions file is configured: nothing is silenced by one.")),
                Some((path, Err(problems))) => {
                    // What gridwatch says of it has been said.
                    @if of_org.broken.is_none() { div.warning role="status" { "The file has errors, and nothing is silenced by it:" pre tabindex="0" { (document(problems)) } } }
                    p.faint { (text(path)) }
                }
                Some((path, Ok(file))) => {
                    p.faint { (text(path)) }
                    @if file.is_empty() && file.lowered().is_empty() { (nothing("The file is empty: nothing is silenced by it.")) }
                    @else { (wide(&whose("Exceptions", &of_org.org, self.orgs.len()), &self.table(of_org, file))) }
                }
            }
            @if !gone.is_empty() {
                h2 { "What else held alerts back in the last 30 days" }
                ul { @for (by, hid) in gone { li { (text(by)) ": " (count(hid.alerts, "alert")) } } }
            }
            @if !of_org.silencing.is_empty() {
                h2 { "Settings that silence too, without owner or end" }
                (wide(&whose("Settings that silence", &of_org.org, self.orgs.len()), &html! {
                    table {
                        thead { tr { th scope="col" { "setting" } th scope="col" { "entries" } th scope="col" { "where" } } }
                        tbody { @for list in &of_org.silencing { tr { td { code { (text(&list.setting)) } } td.n { (number(list.entries as u64)) } td { (text(&list.place)) } } } }
                    }
                }))
            }
        }
    }

    fn table(&self, of_org: &OfOrg, file: &Exceptions) -> Markup {
        html! {
            table.exceptions {
                thead { tr { th scope="col" { "exception" } th scope="col" { "silences" } th scope="col" { "until" } th scope="col" { "by whom, and why" } th scope="col" { "hid in 30 days" } } }
                tbody {
                    @for entry in file.iter() { (self.entry(of_org, entry)) }
                    @for entry in file.lowered() { (self.lowered(of_org, entry)) }
                }
            }
        }
    }

    fn entry(&self, of_org: &OfOrg, entry: &Exception) -> Markup {
        let state = state(entry, self.now.seconds());
        let covers = [entry.rules.clone(), entry.actions.clone()].concat().join(", ");
        html! {
            tr {
                th scope="row" { code { (text(&entry.id)) } p.faint { "line " (entry.line) } }
                td {
                    (long(&covers)) p { "for " (long(&who(&entry.who))) }
                    @if let Some(scopes) = &entry.scopes_max { p.faint { "as long as the app has no more than " (long(&scopes.iter().map(String::as_str).collect::<Vec<_>>().join(", "))) } }
                    @if let Some(hours) = entry.bounds.hours { p.faint { "only between " (hours.to_string()) " UTC" } }
                    @if let Some(at_most) = entry.bounds.at_most { p.faint { (at_most) " at most of what the rule counts" } }
                    @for (label, values) in &entry.bounds.labels { p.faint { "only where " (text(label)) " is " (text(&values.join(" or "))) } }
                    @if !entry.accepts.is_empty() { p { span.mark.bad { "accepts" } " no alert if that subject does " (long(&entry.accepts.join(", "))) } }
                }
                td { span.mark.good[state == "holds"].bad[state == "expired"] { (state) } p { (time(entry.expires)) } (self.left(entry.expires)) }
                td { (long(&entry.reason)) p.faint { (text(&entry.owner)) ", " (text(&entry.ticket)) } }
                td { (hidden(of_org, &entry.id)) }
            }
        }
    }

    fn lowered(&self, of_org: &OfOrg, entry: &Lowered) -> Markup {
        let holds = entry.holds_at(self.now.seconds());
        html! {
            tr {
                th scope="row" { code { (text(&entry.id)) } p.faint { "line " (entry.line) } }
                td { (text(&entry.rule)) " for everybody: " @match entry.most { Some(most) => { (severity(most)) " at most" }, None => "nobody is told" } }
                td { span.mark.good[holds] { (if holds { "holds" } else { "not in force" }) } p { (time(entry.expires)) } (self.left(entry.expires)) }
                td { (long(&entry.reason)) p.faint { (text(&entry.owner)) ", " (text(&entry.ticket)) } }
                td { (hidden(of_org, &entry.id)) }
            }
        }
    }

    fn left(&self, expires: UnixSeconds) -> Markup {
        let now = self.now.seconds();
        html! {
            @if expires > now { p.faint { (crate::telemetry::health::span(expires.0 - now.0)) " left" } }
            @else { p.faint { (ago(expires.millis(), self.now)) } }
        }
    }
}

fn hidden(of_org: &OfOrg, id: &str) -> Markup {
    html! {
        @match of_org.hid.get(id) {
            None => span.faint { "nothing" },
            Some(hid) => {
                a href=(address(&["alerts"], &[("kept", "suppressed"), ("since", "30d"), ("org", &of_org.org.to_string())])) title=(plain(id)) { (count(hid.alerts, "alert")) }
                @if let Some(worst) = hid.worst { p { "up to " (severity(worst)) } }
                @if let Some(newest) = hid.newest { p.faint { "the newest " (time(newest)) } }
            }
        }
    }
}
