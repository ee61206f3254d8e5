//! The page for people: what the commands tell, in a browser. It reads what they read, the files of a state folder, and orders what they
//! order, over the same socket; so it can be served beside a gridwatch that runs, by itself, or by a process of its own when none does.
//!
//! It has a thread of its own, a runtime of its own, few threads that read, and these below all others in the system's queue: whatever
//! browsers do, polling doesn't wait for it. Nothing is asked of the store.
//!
//! ```text
//! listen (connections, TLS, bounds) ─► guard (who asks, and may they) ─► views (data of `look` ─► markup)
//!                                                                     └► acts (what changes something)
//! ```

mod acts;
mod chart;
mod files;
pub mod guard;
mod html;
mod listen;
mod login;
mod site;
mod views;

use crate::clock::Clock;
use crate::config::web::Web;
use crate::config::{Configs, Homes};
use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, middleware};
use guard::{Refusal, Visitor};
use listen::Peer;
use site::{Asking, Site};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use views::{Reply, View};

/// A form with a note, and some room.
const MAX_BODY: usize = 64 << 10;
/// What a page may take; whoever wants more narrows it down.
const PATIENCE: Duration = Duration::from_secs(30);
/// That read files for pages, at a time.
const READERS: usize = 2;
/// As far below the usual as other work that nobody waits for.
const NICE: i32 = 10;

/// Nothing but what comes from here, and no script or style within a page: what is let in all the same does nothing.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";

/// What the page is about, and how it is served.
#[derive(Debug)]
pub struct Setup {
    pub web: Web,
    pub homes: Homes,
    /// `None`: only the state folder is known.
    pub configs: Option<Configs>,
}

/// Serves the page until the process ends.
///
/// # Errors
/// The address can't be had, the certificate can't be used, or there is no thread.
pub fn start(setup: Setup, address: SocketAddr, clock: Clock) -> Result<SocketAddr> {
    let listener =
        std::net::TcpListener::bind(address).with_context(|| format!("can't listen on {address} (`web.listen`)"))?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    let tls = setup.web.tls.as_ref().map(listen::tls).transpose()?;
    let is_secure = tls.is_some();
    let site = Arc::new(Site::new(setup, bound, clock)?);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(READERS).on_thread_start(step_back).build()?;
    let serve = move || {
        step_back();
        runtime.block_on(async {
            match TcpListener::from_std(listener) {
                Ok(listener) => listen::serve(listener, app(site), tls).await,
                Err(error) => tracing::error!(%error, "the page can't be served"),
            }
        });
    };
    std::thread::Builder::new().name("web".into()).spawn(serve)?;
    let scheme = if is_secure { "https" } else { "http" };
    tracing::info!(%bound, scheme, "the page is served; `gridwatch web open` prints a link that logs in");
    Ok(bound)
}

/// Of this thread alone, as Linux has it. Where that isn't allowed, it runs like others.
fn step_back() {
    let _ = rustix::process::setpriority_process(None, NICE);
}

fn app(site: Arc<Site>) -> Router {
    let shown = Router::new()
        .route("/", view(views::now::page))
        .route("/alerts", view(views::alerts::page))
        .route("/alerts/{uid}", view(views::alert::page))
        .route("/alerts/{uid}/plan", view(views::alert::plan))
        .route("/alerts/{uid}/entries", view(views::alert::entries))
        .route("/alerts/{uid}/json", view(views::alert::json))
        .route("/ingestion", view(views::ingestion::page))
        .route("/modules", view(views::modules::page))
        .route("/detections", view(views::detections::page))
        .route("/exceptions", view(views::exceptions::page))
        .route("/coverage", view(views::coverage::page))
        .route("/actor", view(views::actor::page))
        .route("/sinks", view(views::sinks::page))
        .route("/alerts/{uid}/act", post(acts::alert))
        .route("/modules/act", post(acts::module))
        .route_layer(from_fn_with_state(site.clone(), visited));
    let open = Router::new()
        .route("/login", get(login::form).post(login::log_in))
        .route("/logout", post(login::log_out))
        .route("/open/{link}", get(login::open))
        .route("/files/{name}", get(files::file));
    shown
        .merge(open)
        .fallback(|| async { (StatusCode::NOT_FOUND, "there is no such page\n") })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(site.clone(), admitted))
        .layer(middleware::map_response(marked))
        .with_state(site)
}

/// A view, made on a thread where reading files holds nobody up.
fn view(view: View) -> MethodRouter<Arc<Site>> {
    let asked =
        move |site: State<Arc<Site>>, visitor: Extension<Visitor>, path: Option<Path<String>>, query: RawQuery| {
            shown(view, site.0, visitor.0, path.map(|path| path.0), query.0)
        };
    get(asked)
}

async fn shown(view: View, site: Arc<Site>, visitor: Visitor, path: Option<String>, query: Option<String>) -> Reply {
    let make = move || views::reply(view, &Asking::new(&site, &visitor, path, query.as_deref()));
    match tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(make)).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(_)) => views::broken("a view broke; gridwatch's log says where"),
        Err(_) => views::broken("this takes too long: narrow it down"),
    }
}

/// Before anything is looked at.
async fn admitted(State(site): State<Arc<Site>>, peer: Extension<Peer>, request: Request, next: Next) -> Response {
    match site.guard.admits(peer.0.0.ip(), request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            tracing::warn!(from = %peer.0.0, ?refusal, "a request to the page was refused");
            refused(refusal)
        }
    }
}

/// What only those see who are logged in.
async fn visited(State(site): State<Arc<Site>>, peer: Extension<Peer>, mut request: Request, next: Next) -> Response {
    match site.guard.visitor(peer.0.0.ip(), request.headers()) {
        Ok(visitor) => {
            request.extensions_mut().insert(visitor);
            next.run(request).await
        }
        Err(Refusal::Nobody) if request.method() == axum::http::Method::GET => {
            login::first(request.uri(), request.headers())
        }
        Err(refusal) => refused(refusal),
    }
}

fn refused(refusal: Refusal) -> Response {
    let mut response = (refusal.status(), format!("{}\n", refusal.text())).into_response();
    if refusal == Refusal::TooMany {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    }
    response
}

/// What each answer says to the browser.
async fn marked(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What is looked at here stays out of every cache, but for the files that are the program's own.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let kind = HeaderValue::from_static(self.kind);
        let mut response = (self.status, [(header::CONTENT_TYPE, kind)], self.body).into_response();
        if let Some(name) =
            self.file.and_then(|name| HeaderValue::try_from(format!("attachment; filename=\"{name}\"")).ok())
        {
            response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
        }
        response
    }
}

#[cfg(test)]
mod tests;
