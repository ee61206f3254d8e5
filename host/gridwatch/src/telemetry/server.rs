//! What can be asked from outside, in plain HTTP on a listener of its own: metrics for Prometheus, two probes, and the last heartbeat.
//!
//! It runs on a thread of its own, so that whatever hangs elsewhere doesn't hang the answer. There is nothing about people in it.
//!
//! | path | |
//! |---|---|
//! | `/metrics` | for Prometheus, in its text format or in that of OpenMetrics |
//! | `/healthz` | 503 only when a stage makes no progress that it could make: a restart may help |
//! | `/readyz` | 503 until all organizations were read once, with what is missing; and at the end |
//! | `/heartbeat` | the last heartbeat, and what is wrong, as JSON: what `gridwatch watch` reads |

use super::gauges;
use super::health;
use super::status::{Board, Phase, Status};
use crate::clock::Clock;
use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

#[derive(Clone)]
struct Asked {
    board: Arc<Board>,
    clock: Clock,
}

/// Answers until the process ends.
///
/// # Errors
/// The address can't be had, or there is no thread.
pub fn start(address: SocketAddr, board: Arc<Board>, clock: Clock) -> Result<SocketAddr> {
    let listener = std::net::TcpListener::bind(address)
        .with_context(|| format!("can't listen on {address} (`telemetry.listen`)"))?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let serve = move || {
        let served = runtime.block_on(async {
            let app = Router::new()
                .route("/metrics", get(metrics))
                .route("/healthz", get(healthz))
                .route("/readyz", get(readyz))
                .route("/heartbeat", get(heartbeat))
                .with_state(Asked { board, clock });
            axum::serve(TcpListener::from_std(listener)?, app).await
        });
        if let Err(error) = served {
            tracing::error!(%error, "metrics and probes are no longer served");
        }
    };
    std::thread::Builder::new().name("telemetry".into()).spawn(serve)?;
    tracing::info!(%bound, "metrics and probes are served");
    Ok(bound)
}

async fn metrics(State(asked): State<Asked>, headers: HeaderMap) -> Response {
    let status = asked.board.now();
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let (kind, text) = match accept.contains("application/openmetrics-text") {
        true => (
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            gauges::openmetrics(&status, &asked.board.metrics),
        ),
        false => ("text/plain; version=0.0.4; charset=utf-8", gauges::plain(&status, &asked.board.metrics)),
    };
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// A restart costs time and mends nothing that isn't ours: neither Slack nor a sink, token or disk makes this fail.
async fn healthz(State(asked): State<Asked>) -> Response {
    match health::stuck(&asked.board.now(), asked.clock.now()) {
        None => text(StatusCode::OK, "ok\n".to_owned()),
        Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn readyz(State(asked): State<Asked>) -> Response {
    let missing = missing(&asked.board.now());
    match missing.is_empty() {
        true => text(StatusCode::OK, "ok\n".to_owned()),
        false => text(StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n"),
    }
}

/// Which part isn't ready, a line each.
fn missing(status: &Status) -> Vec<String> {
    match status.phase {
        Phase::Starting => return vec![format!("start: {}", status.doing)],
        Phase::Draining | Phase::Ended => return vec![format!("end: {}", status.doing)],
        Phase::Running => {}
    }
    let unread = status.orgs.iter().filter(|(_, of)| of.poll.last_success.is_none());
    let line = |(org, of): (&gridwatch_event::org::OrgId, &super::status::OrgStatus)| {
        let why = of.poll.paused.as_ref().or(of.poll.problems.first().map(|(label, _)| label));
        let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
        format!("polling {org}: no page has come yet{why}")
    };
    unread.map(line).collect()
}

async fn heartbeat(State(asked): State<Asked>) -> Response {
    let (status, now) = (asked.board.now(), asked.clock.now());
    let body = json!({
        "now": now,
        "version": status.version,
        "phase": status.phase,
        "stuck": health::stuck(&status, now),
        "heartbeat": status.heartbeat,
        "troubles": status.troubles,
    });
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn text(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}
