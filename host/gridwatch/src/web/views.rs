//! The views, a file each: data of `look` and of the state folder's files, made into a page. And what all pages have.
//!
//! Text that somebody else wrote gets into a page by [`html`](super::html) alone; a test puts hostile text everywhere and looks at what
//! became of the page.

pub mod actor;
pub mod alert;
pub mod alerts;
pub mod coverage;
pub mod detections;
pub mod exceptions;
pub mod ingestion;
pub mod modules;
pub mod now;
pub mod parts;
pub mod sinks;

use super::files;
use super::html::{address, plain, text};
use super::site::Asking;
use crate::telemetry::health::{Health, State};
use crate::telemetry::status::Status;
use anyhow::Result;
use axum::http::StatusCode;
use gridwatch_event::org::OrgId;
use maud::{DOCTYPE, Markup, html};

/// What a view answers.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub kind: &'static str,
    pub body: String,
    /// To be kept as a file of this name.
    pub file: Option<String>,
}

pub type View = fn(&Asking<'_>) -> Result<Reply>;

/// Where a view is in the row of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Now,
    Alerts,
    Ingestion,
    Modules,
    Detections,
    Exceptions,
    Coverage,
    Sinks,
}

const PLACES: [(Place, &str, &str); 8] = [
    (Place::Now, "Now", ""),
    (Place::Alerts, "Alerts", "alerts"),
    (Place::Ingestion, "Ingestion", "ingestion"),
    (Place::Modules, "Modules", "modules"),
    (Place::Detections, "Detections", "detections"),
    (Place::Exceptions, "Exceptions", "exceptions"),
    (Place::Coverage, "Coverage", "coverage"),
    (Place::Sinks, "Sinks", "sinks"),
];

/// A page's own part.
pub struct Page {
    pub place: Place,
    pub title: String,
    pub body: Markup,
}

impl Page {
    /// With what all pages have.
    ///
    /// # Errors
    /// The state folder can't be read.
    pub fn reply(self, asking: &Asking<'_>) -> Result<Reply> {
        let (status, health) = asking.look()?;
        let frame = Frame {
            place: self.place,
            org: asking.org(),
            orgs: &asking.orgs(),
            who: &asking.visitor.name,
            warning: not_running(status.as_ref(), &health),
        };
        Ok(found(frame.markup(&self.title, &self.body).into_string()))
    }
}

/// What stands around a page's own part.
pub struct Frame<'p> {
    pub place: Place,
    /// The one that is asked for alone; empty: all.
    pub org: &'p str,
    pub orgs: &'p [OrgId],
    pub who: &'p str,
    /// Why what is shown may be old.
    pub warning: Option<String>,
}

fn found(body: String) -> Reply {
    Reply { status: StatusCode::OK, kind: "text/html; charset=utf-8", body, file: None }
}

/// A view's answer, or why there is none.
pub fn reply(view: View, asking: &Asking<'_>) -> Reply {
    let org = asking.org();
    if !org.is_empty() && asking.orgs().iter().all(|known| known.to_string() != org) {
        return refused(StatusCode::NOT_FOUND, "there is no such organization, or you may not see it");
    }
    match view(asking) {
        Ok(reply) => reply,
        Err(error) if error.is::<NotFound>() => refused(StatusCode::NOT_FOUND, &error.to_string()),
        Err(error) => {
            let error = format!("{error:#}");
            tracing::warn!(error, "a view of the page can't be shown");
            refused(StatusCode::INTERNAL_SERVER_ERROR, &error)
        }
    }
}

pub fn broken(why: &str) -> Reply {
    refused(StatusCode::INTERNAL_SERVER_ERROR, why)
}

/// What is asked for isn't there, or isn't for whoever asks.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotFound(pub String);

pub fn refused(status: StatusCode, why: &str) -> Reply {
    let body = html! {
        main.login {
            h1 { (status.canonical_reason().unwrap_or("This can't be shown")) }
            p.problem role="alert" { (super::html::long(why)) }
            p { a href="/" { "Now" } }
        }
    };
    Reply { status, ..found(shell("gridwatch", &body).into_string()) }
}

/// The document around a page.
pub fn shell(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="htmx-config" content="{\"noSwap\":[204,304,\"4xx\",\"5xx\"],\"history\":false,\"defaultTimeout\":30000,\"includeIndicatorCSS\":false}";
                title { (plain(title)) " · gridwatch" }
                link rel="icon" href=(*files::ICON_AT);
                link rel="stylesheet" href=(*files::STYLE_AT);
                script src=(*files::HTMX_AT) defer {}
                script src=(*files::SCRIPT_AT) defer {}
            }
            body { (body) }
        }
    }
}

impl Frame<'_> {
    pub fn markup(&self, title: &str, body: &Markup) -> Markup {
        let page = html! {
            a.skip href="#main" { "To the content" }
            header.top {
                a.brand href=(address(&[], &[("org", self.org)])) { "gridwatch" }
                nav aria-label="Views" {
                    ul {
                        @for (place, name, path) in PLACES {
                            @let path: &[&str] = if path.is_empty() { &[] } else { &[path] };
                            @let current = (place == self.place).then_some("page");
                            li { a href=(address(path, &[("org", self.org)])) aria-current=[current] { (name) } }
                        }
                    }
                }
                (self.switch())
                form.who method="post" action="/logout" {
                    span { (text(self.who)) }
                    button { "Log out" }
                }
            }
            p #stale.warning role="alert" hidden {}
            @if let Some(warning) = &self.warning { p.warning role="status" { (text(warning)) } }
            main #main tabindex="-1" { (body) }
            footer { "gridwatch " (env!("CARGO_PKG_VERSION")) " · times are in UTC · all of it is on the command line too" }
        };
        shell(title, &page)
    }

    /// From one organization to another, where there are several.
    fn switch(&self) -> Markup {
        let path: &[&str] = match PLACES.iter().find(|(place, ..)| *place == self.place) {
            Some((_, _, path)) if !path.is_empty() => &[path],
            _ => &[],
        };
        html! {
            @if self.orgs.len() > 1 {
                nav.orgs aria-label="Organizations" {
                    ul {
                        li { a href=(address(path, &[])) aria-current=[self.org.is_empty().then_some("true")] { "all" } }
                        @for org in self.orgs.iter().map(ToString::to_string) {
                            li { a href=(address(path, &[("org", &org)])) aria-current=[(org == self.org).then_some("true")] { (org) } }
                        }
                    }
                }
            }
        }
    }
}

/// What a page says where what it shows isn't what is.
fn not_running(status: Option<&Status>, health: &Health) -> Option<String> {
    match (status, health.state) {
        (_, State::Starting | State::Running | State::Draining) => None,
        (None, _) => Some("gridwatch has not run on this state folder yet.".to_owned()),
        (Some(status), State::Stuck) => Some(format!("gridwatch is stuck: what is shown is as of {}.", status.written)),
        (Some(status), _) => {
            let since = status.end.as_ref().map_or(status.written, |end| end.at);
            Some(format!("gridwatch isn't running since {since}: nothing is read, and nobody is told of anything."))
        }
    }
}
