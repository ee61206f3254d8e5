//! What changes something. All of it is ordered over gridwatch's own socket, as the commands do, so it is the same and as well checked; who
//! ordered it is written down in the log.

use super::guard::Visitor;
use super::html::address;
use super::site::Site;
use super::views::{self, modules};
use crate::control::{self, Order, Request};
use crate::swap::beside;
use anyhow::{Context, Result, bail};
use axum::Extension;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gridwatch_event::org::OrgId;
use gridwatch_rules::audit::{Via, Who};
use gridwatch_rules::handling::{Reason, What};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// What somebody did about an alert.
#[derive(Debug, Deserialize)]
pub struct OfAlert {
    act: String,
    /// What it turned out to be, of one that is closed.
    #[serde(default)]
    reason: String,
    #[serde(default)]
    text: String,
}

pub async fn alert(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Path(uid): Path<String>,
    Form(act): Form<OfAlert>,
) -> Response {
    let asked = uid.clone();
    let done = beside(move || of_alert(&site, &visitor, &asked, &act)).await.and_then(|done| done);
    match done {
        Ok(said) => see_other(&address(&["alerts", &uid], &[("done", &said)])),
        Err(error) if error.is::<views::NotFound>() => {
            views::refused(StatusCode::NOT_FOUND, &error.to_string()).into_response()
        }
        Err(error) if error.is::<Forbidden>() => forbidden(),
        Err(error) => see_other(&address(&["alerts", &uid], &[("failed", &bounded(&format!("{error:#}")))])),
    }
}

/// They may look, and not act.
#[derive(Debug, thiserror::Error)]
#[error("they may not act")]
struct Forbidden;

fn of_alert(site: &Site, visitor: &Visitor, uid: &str, act: &OfAlert) -> Result<String> {
    let alert = views::alert::of(site, visitor, uid)?;
    if !visitor.may_act(&alert.org) {
        return Err(Forbidden.into());
    }
    let reason = || Reason::ALL.into_iter().find(|reason| reason.name() == act.reason);
    let what = match act.act.as_str() {
        "ack" => What::Acknowledge,
        "note" => What::Note,
        "close" => What::Close(reason().context("say what it turned out to be")?),
        "reopen" => What::Reopen,
        other => bail!("there is no act `{other}`"),
    };
    let (alert, by) = (uid.to_owned(), visitor.name.clone());
    let order = Order::Act { alert, by, what, text: act.text.clone() };
    control::ask(&site.homes.state_dir, &ordered(visitor, None, order))?;
    Ok(format!("{what} by {}.", visitor.name))
}

/// An order of whoever is logged in.
pub fn ordered(visitor: &Visitor, org: Option<String>, order: Order) -> Request {
    let who = Who { by: visitor.name.clone(), uid: None, via: Via::Page };
    Request { who, ..Request::new(org, order) }
}

/// What is to be done with a module.
#[derive(Debug, Deserialize)]
pub struct OfModule {
    org: OrgId,
    module: String,
    act: String,
}

pub async fn module(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Form(act): Form<OfModule>,
) -> Response {
    if !visitor.may_act(&act.org) {
        return forbidden();
    }
    let org = act.org.name().unwrap_or_default().to_owned();
    // A module that is compiled and tried takes its time, and those who read pages are few.
    let done = beside(move || of_module(&site, &visitor, &act)).await;
    let outcome = match done.and_then(|done| done) {
        Ok(done) => ("done", done),
        Err(error) => ("failed", format!("{error:#}")),
    };
    see_other(&address(&["modules"], &[("org", &org), (outcome.0, &bounded(&outcome.1))]))
}

/// As much as an address has room for.
fn bounded(text: &str) -> String {
    text.chars().take(1_000).collect()
}

pub fn forbidden() -> Response {
    views::refused(StatusCode::FORBIDDEN, "You may look at this organization, and not act for it.").into_response()
}

pub fn see_other(address: &str) -> Response {
    let location = HeaderValue::try_from(address).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

fn of_module(site: &Site, visitor: &Visitor, act: &OfModule) -> Result<String> {
    let module = || act.module.clone();
    let order = match act.act.as_str() {
        "rollback" => Order::Rollback { module: module() },
        "disable" => Order::Disable { module: module() },
        "enable" => Order::Enable { module: module() },
        "pin" => Order::Pin { module: module() },
        "unpin" => Order::Unpin { module: module() },
        "install" => Order::Install { file: in_folder(site, act)? },
        other => bail!("there is no act `{other}`"),
    };
    tracing::warn!(name = visitor.name, org = %act.org, act = act.act, module = act.module, "ordered on the page");
    let org = act.org.name().map(str::to_owned);
    let done = control::ask(&site.homes.state_dir, &ordered(visitor, org, order))?;
    Ok(told(act, &done))
}

/// A file of the modules folder, by its name alone.
fn in_folder(site: &Site, act: &OfModule) -> Result<std::path::PathBuf> {
    let dir = &site.config(&act.org).context("without the configuration nobody knows the modules folder")?.modules.dir;
    if !modules::files(dir).contains(&act.module) {
        bail!("there is no `{}` in the modules folder", act.module);
    }
    Ok(dir.join(&act.module))
}

fn told(act: &OfModule, done: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let from = &done["from_seq"];
    match (act.act.as_str(), done["version"].as_str()) {
        ("pin", _) => format!("{} is pinned.", act.module),
        ("unpin", _) => format!("{} is no longer pinned.", act.module),
        (_, Some(version)) => {
            let before =
                done["before"].as_str().map(|before| format!(", in the place of {before}")).unwrap_or_default();
            format!("{}@{version} serves from event {from} on{before}.", text(&done["module"]))
        }
        (_, None) => format!("{} is disabled from event {from} on: its rules watch nothing.", act.module),
    }
}
