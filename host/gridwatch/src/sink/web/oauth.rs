//! OAuth 2 client credentials (RFC 6749, 4.4): our id and secret for a token that holds for a while.

use super::connection::{Failed, MAX_ANSWER};
use crate::http::{Http, body, retry_after};
use crate::reader::{Edge, Section};
use crate::secret::{self, Kind, Secret, Token};
use crate::sink::Problem;
use gridwatch_event::text::clean;
use gridwatch_event::time::UnixMillis;
use reqwest::Url;
use serde::Deserialize;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Client {
    pub token_url: Url,
    pub id: String,
    pub secret: Secret,
    pub scope: Option<String>,
}

/// A token, and when it is time for another one.
#[derive(Clone, Debug)]
pub(super) struct Granted {
    pub token: Token,
    pub until: UnixMillis,
}

/// So long before a token expires a new one is fetched.
const EARLY_S: u64 = 120;
/// Of a token that doesn't say how long it holds.
const UNSAID_S: u64 = 600;
const MAX_S: u64 = 86_400;
const MAX_TOKEN: usize = 16 << 10;

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    /// Some servers send a text.
    #[serde(default)]
    expires_in: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Client {
    pub(super) fn read(mut section: Section<'_>, edge: &Edge<'_>) -> Option<Self> {
        let url =
            section.required_text("token_url", "as in \"https://login.microsoftonline.com/TENANT/oauth2/v2.0/token\"");
        let token_url = url.and_then(|url| {
            super::receiver(&url, true).map_err(|(what, hint)| section.problem("token_url", what, hint.to_owned())).ok()
        });
        let id = section.required_text("client_id", "the id of the application");
        let secret = secret::required(&mut section, ("client_secret_file", "client_secret_env"), Kind::Any, edge);
        let scope = section.text("scope");
        section.finish();
        Some(Self { token_url: token_url?, id: id?, secret: secret?, scope })
    }

    pub(super) async fn fetch(&self, http: &Http, now: UnixMillis) -> Result<Granted, Failed> {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.id),
            ("client_secret", self.secret.expose()),
            ("scope", self.scope.as_deref().unwrap_or_default()),
        ];
        let form: Vec<_> = form.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let later = |what: String, at_least| Failed::Later(at_least, Problem { what, hint: None });
        let sent = http.post(self.token_url.clone()).form(&form).send().await;
        let response =
            sent.map_err(|error| later(format!("no token came: {}", super::connection::reason(&error)), None))?;
        let (status, at_least) = (response.status().as_u16(), retry_after(response.headers(), now.seconds()));
        let text = body(response, MAX_ANSWER).await;
        let text = text.map_err(|_| later("the answer with the token breaks off".to_owned(), None))?;
        match status {
            200 => {}
            408 | 429 | 500.. => {
                return Err(later(format!("no token came: HTTP {status}"), at_least.map(Duration::from_secs)));
            }
            _ => {
                // The code alone: a description may repeat what was sent.
                let code = serde_json::from_slice::<Refusal>(&text).map(|refusal| clean(&refusal.error, 64));
                let what = format!("no token is given: HTTP {status} {}", code.unwrap_or_default());
                let hint = "check `client_id`, the secret, `scope` and `token_url` in [sink.oauth]";
                return Err(Failed::Stop(Problem { what: what.trim_end().to_owned(), hint: Some(hint) }));
            }
        }
        let answer: Answer =
            serde_json::from_slice(&text).map_err(|_| later("the answer holds no token".to_owned(), None))?;
        let fits = !answer.access_token.is_empty()
            && answer.access_token.len() <= MAX_TOKEN
            && answer.access_token.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits {
            return Err(later("what came is no token".to_owned(), None));
        }
        let said = answer.expires_in.and_then(|said| said.as_u64().or_else(|| said.as_str()?.parse().ok()));
        let holds_s = said.unwrap_or(UNSAID_S).min(MAX_S);
        // Of one that holds for two minutes, half is used.
        let use_s = holds_s.saturating_sub(EARLY_S).max(holds_s / 2);
        Ok(Granted { token: Token::new(&answer.access_token), until: UnixMillis(now.0 + use_s * 1_000) })
    }
}
