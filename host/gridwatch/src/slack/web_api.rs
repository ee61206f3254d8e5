//! Slack's Web API as the responder calls it: one call, one answer, and what the answer means for whether it was done.
//!
//! It answers 200 with `ok:false` when it refuses. What matters here is the difference between "Slack refused, nothing
//! happened" and "nobody knows": a call that was sent and not answered may have been carried out. The token never enters an
//! error or a log.

use crate::config::Token;
use crate::http::{self, Http};
use gridwatch_event::time::UnixSeconds;
use reqwest::StatusCode;
use serde_json::{Map, Value};
use std::time::Duration;

/// Largest answer taken.
const MAX_BODY: usize = 4 << 20;
/// Tries of one call while Slack says "later".
const MAX_TRIES: u32 = 5;
/// The longest that one such wait may be. Longer ones are for the next run.
const MAX_WAIT_S: u64 = 120;
/// Where Slack doesn't say how long.
const DEFAULT_WAIT_S: u64 = 30;
/// Codes that say that Slack itself doesn't know what became of the call.
const UNCLEAR: [&str; 5] =
    ["fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org"];

#[derive(Debug, Clone)]
pub struct WebApi {
    http: Http,
    /// Without a slash at the end; methods are below it.
    url: String,
    token: Token,
}

/// Why a call gave no result.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nothing was done.
    #[error("{error}{}", .hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default())]
    Refused { error: String, hint: Option<String> },
    /// It may have been done.
    #[error("{0}")]
    Unclear(String),
}

impl WebApi {
    pub fn new(http: Http, url: String, token: Token) -> Self {
        Self { http, url, token }
    }

    /// The same with another token.
    pub fn with(&self, token: Token) -> Self {
        Self { token, ..self.clone() }
    }

    /// Calls a method. Waits when Slack says so, for as long as that is bearable.
    ///
    /// # Errors
    /// Slack refuses, can't be reached, or answers something else; [`Failure`] says which, and whether it may have been done.
    pub async fn call<N: AsRef<str>>(
        &self,
        method: &str,
        arguments: &[(N, String)],
    ) -> Result<Map<String, Value>, Failure> {
        let form: Vec<(&str, &str)> = arguments.iter().map(|(name, value)| (name.as_ref(), value.as_str())).collect();
        let mut tries = 1;
        loop {
            let sent = self.http.post(format!("{}/{method}", self.url)).bearer_auth(self.token.expose()).form(&form);
            let response = sent.send().await.map_err(unsent)?;
            if response.status() != StatusCode::TOO_MANY_REQUESTS {
                return read(response).await;
            }
            // A date without the answer's own clock is in the far future: a wait that nobody bears.
            let wait_s = http::retry_after(response.headers(), UnixSeconds(0)).unwrap_or(DEFAULT_WAIT_S);
            if tries == MAX_TRIES || wait_s > MAX_WAIT_S {
                let hint = Some(format!("Slack allows no more calls for {wait_s} s; run it again then"));
                return Err(Failure::Refused { error: "ratelimited".into(), hint });
            }
            tracing::warn!(method, wait_s, "rate limited by Slack; waiting");
            tokio::time::sleep(Duration::from_secs(wait_s)).await;
            tries += 1;
        }
    }
}

/// The error of a call that was never sent.
pub const UNREACHED: &str = "Slack can't be reached";

/// A connection that didn't come about carried nothing; anything later may have.
fn unsent(error: reqwest::Error) -> Failure {
    let is_unsent = error.is_connect() || error.is_builder();
    let what = match (is_unsent, error.is_timeout()) {
        (true, _) => UNREACHED,
        (false, true) => "no answer in time",
        (false, false) => "the connection broke off before an answer",
    };
    tracing::debug!(error = %error.without_url(), "call failed");
    match is_unsent {
        true => Failure::Refused { error: what.into(), hint: None },
        false => Failure::Unclear(what.into()),
    }
}

async fn read(response: reqwest::Response) -> Result<Map<String, Value>, Failure> {
    let status = response.status();
    if status.is_server_error() {
        return Err(Failure::Unclear(format!("Slack answered {status}")));
    }
    let broken = || Failure::Unclear("the answer breaks off, or is not one that Slack gives".into());
    let bytes = http::body(response, MAX_BODY).await.map_err(|_| broken())?;
    let answer: Option<Map<String, Value>> = serde_json::from_slice(&bytes).ok();
    if status != StatusCode::OK {
        let said = answer.and_then(|answer| Some(answer.get("error")?.as_str()?.to_owned()));
        return Err(refused(&said.unwrap_or_else(|| format!("http_{}", status.as_u16())), ""));
    }
    let answer = answer.ok_or_else(broken)?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    match answer.get("ok").and_then(Value::as_bool) {
        Some(true) => Ok(answer),
        Some(false) if UNCLEAR.contains(&text("error")) => {
            Err(Failure::Unclear(format!("Slack says {}", text("error"))))
        }
        Some(false) => Err(refused(text("error"), text("needed"))),
        None => Err(broken()),
    }
}

fn refused(error: &str, needed: &str) -> Failure {
    // Slack's codes are words; whatever else stands there isn't repeated.
    let is_code =
        !error.is_empty() && error.len() <= 80 && error.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let error = if is_code { error } else { "no error given" };
    Failure::Refused { error: error.to_owned(), hint: hint(error, needed) }
}

/// What to do about Slack's word.
fn hint(error: &str, needed: &str) -> Option<String> {
    let plain = match error {
        "missing_scope" => {
            let is_scope = needed.bytes().all(|b| b.is_ascii_alphanumeric() || b".:,_".contains(&b));
            let scope = if is_scope && !needed.is_empty() { needed } else { "the method asks for" };
            return Some(format!(
                "give the responder's app the user scope {scope}, and install it again at the organization"
            ));
        }
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" | "http_401" => {
            "the token is void, or its owner's account is gone: install the app again and replace the token"
        }
        "not_allowed_token_type" => "it has to be a user token (xoxp-), not a bot's",
        "not_an_admin" | "restricted_action" | "permission_denied" | "no_permission" | "admin_unauthorized" => {
            "the token's owner has to be an admin or owner of the organization, of at least the target's rank"
        }
        "feature_not_enabled" | "not_an_enterprise" | "team_access_not_granted" => {
            "the app has to be installed at the organization, not on a workspace"
        }
        "app_management_app_not_installed_on_org" => "managing apps needs the app installed at the organization",
        "access_denied" => "is this machine's address on the organization's IP allowlist?",
        "user_not_found" => "the account is gone, or not of this organization",
        "cannot_reset_bot" => "a bot has no sessions; restrict its app instead",
        "cannot_reset_primary_owner" | "cannot_invalidate_primary_owner" => "only the primary owner can",
        "session_not_found" | "no_active_sessions" => "it has ended already",
        "failed_for_some_users" => "reset them one by one: `admin.users.session.reset`",
        "file_not_found" => "it is deleted, or the token's owner can't see it",
        "channel_not_found" | "no_teams_to_disconnect" | "leaving_team_not_in_channel" => {
            "it is disconnected already, or not ours"
        }
        "leaving_team_required" => "several organizations are in it: name them one by one as `leaving_team_ids`",
        "invalid_app_id" | "app_not_found" => "the app is gone, or a custom integration, which has no such id",
        _ => return None,
    };
    Some(plain.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_the_scope_and_repeat_nothing_odd() {
        let text = refused("missing_scope", "admin.users:write").to_string();
        assert!(text.contains("scope admin.users:write"), "{text}");
        assert!(!refused("missing_scope", "x\u{1b}[31m").to_string().contains('\u{1b}'));
        assert_eq!(refused("<b>hello</b>", "").to_string(), "no error given");
        assert!(refused("user_not_found", "").to_string().starts_with("user_not_found ("));
    }
}
