//! The Slack client: one request, one answer, every way it can go told apart.
//!
//! It keeps no state but the connection and decides nothing: what an answer means is the poll machine's business. The
//! token never enters an error or a log.

use super::public_lists::PublicLists;
use super::token::Keeper;
use crate::config::{Slack, Token};
use crate::http::{self, Http};
use crate::telemetry::status::TokenState;
use gridwatch_event::entry::{Page, PageError};
use gridwatch_event::slices::Slices;
use gridwatch_event::time::UnixSeconds;
use gridwatch_poll::{Failure, Request};
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, CACHE_CONTROL};
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;

/// Largest body taken. 9,999 entries of 20 KiB fit.
const MAX_BODY: usize = 256 << 20;
/// A larger body is handed on in parts of this size, while it comes.
const PART: usize = 4 << 20;
/// Of a refusal's body; only `error` is wanted.
const MAX_ERROR_BODY: usize = 64 << 10;
/// Causes of an error that are looked at.
const MAX_CAUSES: usize = 16;

#[derive(Debug)]
pub struct Client {
    http: Http,
    logs_url: reqwest::Url,
    keeper: Keeper,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// Slack's clock.
    pub date: Option<UnixSeconds>,
    /// How long to stay away, if it says so.
    pub retry_after_s: Option<u64>,
    /// The page, or what is left of it after its parts.
    pub result: Result<Page, Failure>,
}

/// Takes the first entries of a page that is too large to be held.
pub type TakePart<'t> = dyn FnMut(&Page) -> anyhow::Result<()> + Send + 't;

impl Client {
    /// # Errors
    /// The address is none, the saved token pair can't be read, or the proxy or the certificates of the configuration can't be used.
    pub fn new(slack: &Slack, state_dir: &Path) -> anyhow::Result<Self> {
        let logs_url = format!("{}/audit/v1/logs", slack.base_url).parse()?;
        let keeper = Keeper::open(slack, state_dir)?;
        let http = Http::new(&slack.network, Duration::from_secs(slack.timeout_s))?;
        Ok(Self { http, logs_url, keeper })
    }

    /// A client for Slack's public lists, which takes no token along.
    pub fn public_lists(&self) -> PublicLists {
        PublicLists { http: self.http.clone(), logs_url: self.logs_url.clone() }
    }

    /// How exchanging the token goes; `None` where it isn't exchanged.
    pub fn token_state(&self) -> Option<TokenState> {
        self.keeper.state()
    }

    /// Has a secret been replaced? The next request is made with it.
    pub fn has_new_secret(&mut self) -> bool {
        self.keeper.look(false)
    }

    /// Asks for a page, with a renewed token where the old one expires or is rejected. Of a large one `part` gets what has come, before it is
    /// known how it ends.
    ///
    /// # Errors
    /// A renewed token could not be saved, or `part` fails.
    pub async fn logs(
        &mut self,
        request: &Request,
        now: UnixSeconds,
        part: &mut TakePart<'_>,
    ) -> anyhow::Result<Answer> {
        self.keeper.renew(&self.http, now).await?;
        let token = self.keeper.token().clone();
        let answer = self.ask(request, &token, now, part).await?;
        if !answer.result.as_ref().is_err_and(Failure::is_about_token) {
            return Ok(answer);
        }
        self.keeper.rejected();
        self.keeper.renew(&self.http, now).await?;
        let other = self.keeper.token().clone();
        if other.expose() == token.expose() { Ok(answer) } else { self.ask(request, &other, now, part).await }
    }

    async fn ask(
        &self,
        request: &Request,
        token: &Token,
        now: UnixSeconds,
        part: &mut TakePart<'_>,
    ) -> anyhow::Result<Answer> {
        // A connection of its own may lead to another machine, and no cache may answer.
        let other = if request.anew { Some(self.http.anew()?) } else { None };
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
                let date = http::date(response.headers());
                let retry_after_s = http::retry_after(response.headers(), now);
                Ok(Answer { date, retry_after_s, result: read(response, part).await? })
            }
        }
    }
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

async fn read(response: reqwest::Response, part: &mut TakePart<'_>) -> anyhow::Result<Result<Page, Failure>> {
    let failure = match response.status() {
        StatusCode::OK => return page(response, part).await,
        StatusCode::TOO_MANY_REQUESTS => Failure::RateLimited,
        StatusCode::BAD_REQUEST => Failure::BadRequest { error: error_of(response).await },
        StatusCode::UNAUTHORIZED => Failure::Unauthorized,
        StatusCode::FORBIDDEN => Failure::Forbidden { error: error_of(response).await },
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE => Failure::NotThere,
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Failure::ProxyWantsSignIn,
        other if other.is_redirection() => Failure::Redirected,
        other if other.is_success() => Failure::NoPage { status: other.as_u16() },
        other => Failure::Server { status: other.as_u16() },
    };
    Ok(Err(failure))
}

async fn page(mut response: reqwest::Response, part: &mut TakePart<'_>) -> anyhow::Result<Result<Page, Failure>> {
    let (mut slices, mut bytes) = (Slices::of(PART), 0);
    loop {
        let slice = match response.chunk().await {
            Ok(Some(chunk)) if bytes + chunk.len() <= MAX_BODY => {
                bytes += chunk.len();
                slices.push(&chunk)
            }
            Ok(None) => return Ok(parsed(&slices.rest())),
            Ok(Some(_)) | Err(_) => return Ok(Err(Failure::Body)),
        };
        match slice.as_deref().map(parsed).transpose() {
            Ok(page) => page.as_ref().map_or(Ok(()), &mut *part)?,
            Err(failure) => return Ok(Err(failure)),
        }
    }
}

fn parsed(body: &[u8]) -> Result<Page, Failure> {
    Page::from_body(body).map_err(|error| match error {
        PageError::NotOk { error } => Failure::NotOk { error: Some(error) },
        PageError::NotAPage { reason } => {
            tracing::warn!(reason, "Slack's answer is not a usable page");
            Failure::Body
        }
    })
}

/// Slack's refusals have been seen with and without a body.
async fn error_of(response: reqwest::Response) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        error: Option<String>,
    }
    let body = http::body(response, MAX_ERROR_BODY).await.ok()?;
    serde_json::from_slice::<Refusal>(&body).ok()?.error
}
