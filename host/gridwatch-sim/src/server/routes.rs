//! From a request to an answer: which endpoint, which fault, which error first.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, State as Extract};
use axum::http::{HeaderMap, Method, Response, Uri, header};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::query::{Query, decode, raw_params};
use super::respond::{Answer, ok_false};
use super::transport::{Wire, WireListener};
use super::{RequestSeen, Shared, State, bucket, control, people, web};
use crate::catalogue;
use crate::faults::FaultKind;
use gridwatch_stories::wire::object;

/// Large enough for a day of a big organization in one `POST /_sim/entries`.
const MOST_BODY_BYTES: usize = 512 * 1024 * 1024;

/// Serves until `stopped` fires, then finishes the answers in flight.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) {
    let app = Router::new().fallback(answer).layer(DefaultBodyLimit::max(MOST_BODY_BYTES)).with_state(shared);
    let app = app.into_make_service_with_connect_info::<Wire>();
    let until = async {
        // A dropped sender means the handle is gone, which stops us as well.
        let _ = stopped.await;
    };
    if let Err(error) = axum::serve(WireListener(listener), app).with_graceful_shutdown(until).await {
        tracing::error!(%error, "simulator stopped");
    }
}

pub(super) struct Request<'a> {
    method: &'a str,
    pub(super) path: &'a str,
    pub(super) params: Vec<(String, String)>,
    pub(super) token: Option<&'a str>,
    pub(super) body: &'a [u8],
}

async fn answer(
    Extract(shared): Extract<Arc<Shared>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let request = Request {
        method: method.as_str(),
        path: uri.path(),
        params: raw_params(uri.query().unwrap_or("")),
        token: authorization.and_then(|value| value.strip_prefix("Bearer ")),
        body: &body,
    };
    let answer = if request.path.starts_with("/_sim/") {
        control::answer(&shared, request.method, request.path, request.body)
    } else {
        let answer = api(&shared, &request, &wire);
        shared.state().observed.saw(RequestSeen {
            at_ms: shared.clock.now_ms(),
            method: request.method.into(),
            path: request.path.into(),
            had_auth: authorization.is_some(),
            status: answer.status,
            params: request.params,
        });
        answer
    };
    answer.into_response(&shared.clock.http_date())
}

/// Slack's own endpoints. `/schemas` and `/actions` need no token and ignore a bogus one.
fn api(shared: &Shared, request: &Request<'_>, wire: &Wire) -> Answer {
    let state = &mut *shared.state();
    match (request.method, request.path) {
        ("GET", "/audit/v1/logs") => logs(shared, state, request, wire),
        ("GET", "/audit/v1/schemas" | "/audit/v1/actions") if state.knobs.lists_down => {
            Answer::with_status(503, String::new())
        }
        ("GET", "/audit/v1/schemas") => Answer::ok(catalogue::schemas_body()),
        ("GET", "/audit/v1/actions") => Answer::ok(catalogue::actions_body(&state.knobs)),
        ("POST", "/api/oauth.v2.access") => refresh(shared, state, request),
        ("GET" | "POST", path) if path.starts_with("/api/") => web_api(shared, state, request, wire),
        (_, "/audit/v1/logs" | "/audit/v1/schemas" | "/audit/v1/actions") => state.refuse("method_not_allowed"),
        _ => state.refuse("bad_endpoint"),
    }
}

/// A method of the Web API: its parameters may come in the address or as a form.
fn web_api(shared: &Shared, state: &mut State, request: &Request<'_>, wire: &Wire) -> Answer {
    let method = request.path.trim_start_matches("/api/");
    let form = raw_params(std::str::from_utf8(request.body).unwrap_or(""));
    let params: Vec<_> = request.params.iter().cloned().chain(form).collect();
    let answer = people::answer(shared, state, method, &params, request.token, wire);
    answer.unwrap_or_else(|| web::answer(shared, state, request, wire))
}

fn logs(shared: &Shared, state: &mut State, request: &Request<'_>, wire: &Wire) -> Answer {
    state.observed.counts.logs_requests += 1;
    let number = state.observed.counts.logs_requests;
    let fault = state.faults.iter().find(|fault| fault.at.strikes(number)).map(|fault| fault.kind.clone());
    if let Some(fault) = &fault
        && let Some(answer) = state.instead(fault, request, wire)
    {
        return answer;
    }
    let now_ms = shared.clock.now_ms();
    if !request.token.is_some_and(|token| state.tokens.accepts(token, now_ms)) {
        return state.refuse("invalid_authentication");
    }
    if let Err(secs) = state.bucket.take(&state.knobs, now_ms) {
        let retry_after = bucket::retry_after(state.knobs.retry_after, secs);
        return state.rate_limited(retry_after);
    }
    match Query::parse(&request.params, &state.knobs, now_ms / 1000) {
        Ok(query) => state.serve_page(&query, fault.as_ref(), now_ms, wire),
        Err(code) => state.refuse(code),
    }
}

impl State {
    fn refuse(&mut self, code: &str) -> Answer {
        self.observed.error(code);
        Answer::error(code, &self.knobs)
    }

    fn rate_limited(&mut self, retry_after: Option<u64>) -> Answer {
        self.observed.counts.rate_limited += 1;
        Answer { retry_after, ..self.refuse("rate_limited") }
    }

    /// The answer of a fault that takes the place of the query; `None` if the query goes ahead.
    pub(super) fn instead(&mut self, fault: &FaultKind, request: &Request<'_>, wire: &Wire) -> Option<Answer> {
        let has_cursor = request.params.iter().any(|(key, value)| key == "cursor" && !value.is_empty());
        let answer = match fault {
            FaultKind::Status { code, body, retry_after } => {
                self.observed.counts.rate_limited += u64::from(*code == 429);
                Answer { retry_after: *retry_after, ..Answer::with_status(*code, body.clone()) }
            }
            FaultKind::ApiError { error } => self.refuse(error),
            FaultKind::OkFalse { error } => Answer::ok(ok_false(error)),
            FaultKind::GarbageBody => Answer::ok("<html><body>upstream {\"entries\":[{\"id\":".into()),
            FaultKind::ExpireCursor if has_cursor => self.refuse("invalid_cursor"),
            FaultKind::RateLimit { retry_after } => self.rate_limited(Some(*retry_after)),
            FaultKind::Unauthorized => self.refuse("invalid_authentication"),
            FaultKind::DropConnection => {
                wire.drop_now();
                Answer::with_status(0, String::new())
            }
            FaultKind::RepeatPage => {
                let page = self.last_page.clone()?;
                self.observed.counts.pages += 1;
                self.observed.counts.entries_served += page.entries;
                Answer::ok(page.body)
            }
            FaultKind::ExpireCursor
            | FaultKind::CutBody
            | FaultKind::SlowBody { .. }
            | FaultKind::EmptyPageWithCursor
            | FaultKind::ChangeEntry
            | FaultKind::ExtraUnknownKeys => return None,
        };
        self.observed.fault(fault.name());
        Some(answer)
    }

    fn serve_page(&mut self, query: &Query, fault: Option<&FaultKind>, now_ms: u64, wire: &Wire) -> Answer {
        let page = self.page(query, fault, now_ms);
        // Those that passed the request over don't count.
        if let Some(fault) = fault.filter(|fault| !matches!(fault, FaultKind::ExpireCursor | FaultKind::RepeatPage)) {
            self.observed.fault(fault.name());
        }
        match fault {
            Some(FaultKind::CutBody) => {
                wire.cut_after_head(page.body.len() / 2);
                return Answer::ok(page.body);
            }
            Some(FaultKind::SlowBody { ms }) => wire.stall_after_head(*ms),
            _ => {}
        }
        self.timeline.mark_shown(&page.indexes);
        self.observed.counts.pages += 1;
        self.observed.counts.entries_served += page.entries;
        let body = page.body.clone();
        self.last_page = Some(page);
        Answer::ok(body)
    }
}

/// `oauth.v2.access` with `grant_type=refresh_token`. For a user token the new pair is in `authed_user`.
fn refresh(shared: &Shared, state: &mut State, request: &Request<'_>) -> Answer {
    let form = raw_params(std::str::from_utf8(request.body).unwrap_or(""));
    let get = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| decode(value)).unwrap_or_default();
    let granted = match get("grant_type").as_str() {
        "refresh_token" => state.tokens.refresh(&get("refresh_token"), &state.knobs, shared.clock.now_ms()),
        _ => Err("invalid_grant_type"),
    };
    // The Web API says 200 even when it refuses.
    let grant = match granted {
        Ok(grant) => grant,
        Err(code) => {
            state.observed.error(code);
            return Answer::ok(ok_false(code));
        }
    };
    Answer::ok(object(|o| {
        o.flag("ok", true).str("app_id", "A0SIM00001").raw("team", "null").flag("is_enterprise_install", true);
        o.obj("enterprise", |e| {
            e.str("id", &shared.enterprise.id).str("name", &shared.enterprise.name);
        });
        o.obj("authed_user", |user| {
            user.str("id", "U0SIM00001").str("scope", "auditlogs:read").str("token_type", "user");
            user.str("access_token", &grant.access_token).str("refresh_token", &grant.refresh_token);
            user.uint("expires_in", grant.expires_in_secs);
        });
    }))
}
