//! The Slack client: one request, one answer, every way it can go told apart.
//!
//! It keeps no state but the connection and decides nothing: what an answer means is the poll machine's business. The
//! token never enters an error or a log.

use crate::config::Slack;
use crate::rotation::Keeper;
use anyhow::Context;
use gridwatch_core::entry::{Page, PageError};
use gridwatch_core::poll::{Failure, Request};
use gridwatch_core::time::UnixSeconds;
use reqwest::header::{ACCEPT, DATE, HeaderMap, RETRY_AFTER};
use reqwest::{StatusCode, redirect};
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;

/// Largest body taken. 9,999 entries of 20 KiB fit.
const MAX_BODY: usize = 256 << 20;
/// Of a list of names; the real ones have 30 KiB.
const MAX_LIST: usize = 8 << 20;
/// Of a refusal's body; only `error` is wanted.
const MAX_ERROR_BODY: usize = 64 << 10;

#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    logs_url: reqwest::Url,
    keeper: Keeper,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// Slack's clock.
    pub date: Option<UnixSeconds>,
    pub result: Result<Page, Failure>,
}

impl Client {
    pub fn new(slack: &Slack, state_dir: &Path) -> anyhow::Result<Self> {
        // Only fails if a provider is set already, and then there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("gridwatch/", env!("CARGO_PKG_VERSION")))
            .timeout(Duration::from_secs(slack.timeout_s))
            // A redirect would carry the token to wherever it points.
            .redirect(redirect::Policy::none())
            .build()?;
        let logs_url = format!("{}/audit/v1/logs", slack.base_url).parse()?;
        Ok(Self { http, logs_url, keeper: Keeper::open(slack, state_dir)? })
    }

    /// A client for Slack's public lists, which takes no token along.
    pub fn public_lists(&self) -> PublicLists {
        PublicLists { http: self.http.clone(), logs_url: self.logs_url.clone() }
    }

    /// An error means that a renewed token could not be saved.
    pub async fn logs(&mut self, request: &Request, now: UnixSeconds) -> anyhow::Result<Answer> {
        self.keeper.renew(&self.http, now).await?;
        let sent = self
            .http
            .get(self.logs_url.clone())
            .query(&request.parameters())
            .bearer_auth(self.keeper.token().expose())
            .header(ACCEPT, "application/json")
            .send()
            .await;
        match sent {
            Err(error) => {
                tracing::debug!(error = %error.without_url(), "request failed");
                Ok(Answer { date: None, result: Err(Failure::Network) })
            }
            Ok(response) => {
                let date = date_of(response.headers());
                let result = read(response).await;
                if matches!(result, Err(Failure::Unauthorized)) {
                    self.keeper.rejected();
                }
                Ok(Answer { date, result })
            }
        }
    }
}

/// Slack's lists of actions and entity types. They need no token, and a token must not go where it isn't needed.
#[derive(Debug)]
pub struct PublicLists {
    http: reqwest::Client,
    logs_url: reqwest::Url,
}

impl PublicLists {
    /// The body of `GET /audit/v1/actions`.
    pub async fn actions(&self) -> anyhow::Result<Vec<u8>> {
        self.get("actions").await
    }

    /// The body of `GET /audit/v1/schemas`.
    pub async fn schemas(&self) -> anyhow::Result<Vec<u8>> {
        self.get("schemas").await
    }

    async fn get(&self, name: &str) -> anyhow::Result<Vec<u8>> {
        let url = self.logs_url.join(name)?;
        let response = self.http.get(url).header(ACCEPT, "application/json").send().await;
        let response = response.map_err(reqwest::Error::without_url)?;
        anyhow::ensure!(response.status() == StatusCode::OK, "/audit/v1/{name} answered {}", response.status());
        body(response, MAX_LIST)
            .await
            .with_context(|| format!("the body of /audit/v1/{name} breaks off or is too large"))
    }
}

async fn read(response: reqwest::Response) -> Result<Page, Failure> {
    let (status, retry_after_s) = (response.status(), retry_after(response.headers()));
    match status {
        StatusCode::OK => {
            let body = body(response, MAX_BODY).await.ok_or(Failure::Body)?;
            Page::from_body(&body).map_err(|e| match e {
                PageError::NotOk { error } => Failure::NotOk { error: Some(error) },
                PageError::NotAPage { reason } => {
                    tracing::warn!(reason, "Slack's answer is no page that can be used");
                    Failure::Body
                }
            })
        }
        StatusCode::TOO_MANY_REQUESTS => Err(Failure::RateLimited { retry_after_s }),
        StatusCode::BAD_REQUEST => Err(Failure::BadRequest { error: error_of(response).await }),
        StatusCode::UNAUTHORIZED => Err(Failure::Unauthorized),
        StatusCode::FORBIDDEN => Err(Failure::Forbidden { error: error_of(response).await }),
        other => Err(Failure::Server { status: other.as_u16() }),
    }
}

/// The whole body, or `None` if it breaks off or is too large.
async fn body(mut response: reqwest::Response, max: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if bytes.len() + chunk.len() > max {
            return None;
        }
        bytes.extend_from_slice(&chunk);
    }
    Some(bytes)
}

/// Slack's refusals have been seen with and without a body.
async fn error_of(response: reqwest::Response) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        error: Option<String>,
    }
    let body = body(response, MAX_ERROR_BODY).await?;
    serde_json::from_slice::<Refusal>(&body).ok()?.error
}

fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

fn date_of(headers: &HeaderMap) -> Option<UnixSeconds> {
    let date = headers.get(DATE)?.to_str().ok()?;
    let seconds = jiff::fmt::rfc2822::parse(date).ok()?.timestamp().as_second();
    u64::try_from(seconds).ok().map(UnixSeconds)
}
