//! The Slack client: one request, one answer, every way it can go told apart.
//!
//! It keeps no state but the connection and decides nothing: what an answer means is the poll machine's business. The
//! token never enters an error or a log.

use crate::config::{Slack, Token};
use crate::rotation::Keeper;
use anyhow::Context;
use gridwatch_core::entry::{Page, PageError};
use gridwatch_core::poll::{Failure, Request};
use gridwatch_core::time::UnixSeconds;
use reqwest::header::{ACCEPT, CACHE_CONTROL, DATE, HeaderMap, RETRY_AFTER};
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
/// Causes of an error that are looked at.
const MAX_CAUSES: usize = 16;

#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    logs_url: reqwest::Url,
    timeout_s: u64,
    keeper: Keeper,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// Slack's clock.
    pub date: Option<UnixSeconds>,
    /// How long to stay away, if it says so.
    pub retry_after_s: Option<u64>,
    pub result: Result<Page, Failure>,
}

impl Client {
    pub fn new(slack: &Slack, state_dir: &Path) -> anyhow::Result<Self> {
        let logs_url = format!("{}/audit/v1/logs", slack.base_url).parse()?;
        let keeper = Keeper::open(slack, state_dir)?;
        Ok(Self { http: http(slack.timeout_s)?, logs_url, timeout_s: slack.timeout_s, keeper })
    }

    /// A client for Slack's public lists, which takes no token along.
    pub fn public_lists(&self) -> PublicLists {
        PublicLists { http: self.http.clone(), logs_url: self.logs_url.clone() }
    }

    /// Has a secret been replaced? The next request is made with it.
    pub fn has_new_secret(&mut self) -> bool {
        self.keeper.look(false)
    }

    /// An error means that a renewed token could not be saved.
    pub async fn logs(&mut self, request: &Request, now: UnixSeconds) -> anyhow::Result<Answer> {
        self.keeper.renew(&self.http, now).await?;
        let token = self.keeper.token().clone();
        let answer = self.ask(request, &token, now).await?;
        if !answer.result.as_ref().is_err_and(Failure::is_about_token) {
            return Ok(answer);
        }
        self.keeper.rejected();
        self.keeper.renew(&self.http, now).await?;
        let other = self.keeper.token().clone();
        if other.expose() == token.expose() { Ok(answer) } else { self.ask(request, &other, now).await }
    }

    async fn ask(&self, request: &Request, token: &Token, now: UnixSeconds) -> anyhow::Result<Answer> {
        // A connection of its own may lead to another machine, and no cache may answer.
        let other = if request.anew { Some(http(self.timeout_s)?) } else { None };
        let asked = other.as_ref().unwrap_or(&self.http).get(self.logs_url.clone());
        let asked = asked.query(&request.parameters()).bearer_auth(token.expose()).header(ACCEPT, "application/json");
        let asked = if request.anew { asked.header(CACHE_CONTROL, "no-cache") } else { asked };
        match asked.send().await {
            Err(error) => {
                let failure = unanswered(&error);
                tracing::debug!(error = %error.without_url(), ?failure, "request failed");
                Ok(Answer { date: None, retry_after_s: None, result: Err(failure) })
            }
            Ok(response) => {
                let date = date_of(response.headers());
                let retry_after_s = retry_after(response.headers(), date.unwrap_or(now));
                Ok(Answer { date, retry_after_s, result: read(response).await })
            }
        }
    }
}

fn http(timeout_s: u64) -> reqwest::Result<reqwest::Client> {
    // Only fails if a provider is set already, and then there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("gridwatch/", env!("CARGO_PKG_VERSION")))
        .timeout(Duration::from_secs(timeout_s))
        // A redirect would carry the token to wherever it points.
        .redirect(redirect::Policy::none())
        .build()
}

/// Why there was no answer, as far as the layers below say. They say it in words only.
fn unanswered(error: &reqwest::Error) -> Failure {
    // Not the error itself: it names the address, which may hold any word.
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    if error.is_timeout() {
        return Failure::TimedOut;
    }
    let words: Vec<String> = causes.take(MAX_CAUSES).map(|cause| cause.to_string().to_lowercase()).collect();
    let says = |any: &[&str]| words.iter().any(|word| any.iter().any(|part| word.contains(part)));
    if says(&["proxy authorization", "proxy authentication"]) {
        Failure::ProxyWantsSignIn
    } else if says(&["dns error", "failed to lookup"]) {
        Failure::NoSuchHost
    } else if says(&["certificate", "tls", "handshake", "corrupt message", "unknownissuer"]) {
        Failure::Untrusted
    } else {
        Failure::Network
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
    match response.status() {
        StatusCode::OK => {
            let body = body(response, MAX_BODY).await.ok_or(Failure::Body)?;
            Page::from_body(&body).map_err(|e| match e {
                PageError::NotOk { error } => Failure::NotOk { error: Some(error) },
                PageError::NotAPage { reason } => {
                    tracing::warn!(reason, "Slack's answer is not a usable page");
                    Failure::Body
                }
            })
        }
        StatusCode::TOO_MANY_REQUESTS => Err(Failure::RateLimited),
        StatusCode::BAD_REQUEST => Err(Failure::BadRequest { error: error_of(response).await }),
        StatusCode::UNAUTHORIZED => Err(Failure::Unauthorized),
        StatusCode::FORBIDDEN => Err(Failure::Forbidden { error: error_of(response).await }),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE => Err(Failure::NotThere),
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(Failure::ProxyWantsSignIn),
        other if other.is_redirection() => Err(Failure::Redirected),
        other if other.is_success() => Err(Failure::NoPage { status: other.as_u16() }),
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

/// RFC 9110: seconds, or a date. Fractions have been seen from proxies. Rounded up, never down; `now` by the answer's clock.
fn retry_after(headers: &HeaderMap, now: UnixSeconds) -> Option<u64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        // `as` ends at the largest number, which is capped later, and told.
        return (seconds >= 0.0).then(|| seconds.ceil() as u64);
    }
    let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_second();
    Some(u64::try_from(until).unwrap_or(0).saturating_sub(now.0))
}

fn date_of(headers: &HeaderMap) -> Option<UnixSeconds> {
    let date = headers.get(DATE)?.to_str().ok()?;
    let seconds = jiff::fmt::rfc2822::parse(date).ok()?.timestamp().as_second();
    u64::try_from(seconds).ok().map(UnixSeconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn retry_after_is_read_in_each_of_its_forms_and_never_shortened() {
        let now = UnixSeconds(784_111_777);
        for (text, seconds) in [
            ("20", Some(20)),
            (" 20 ", Some(20)),
            ("20.5", Some(21)),
            ("0", Some(0)),
            ("99999999999999999999", Some(u64::MAX.min(99_999_999_999_999_999_999_f64 as u64))),
            ("Sun, 06 Nov 1994 08:49:57 GMT", Some(20)),
            ("Sun, 06 Nov 1994 08:49:27 GMT", Some(0)),
            ("soon", None),
            ("-3", None),
            ("NaN", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            assert_eq!(retry_after(&headers, now), seconds, "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
