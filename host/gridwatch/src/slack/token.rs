//! Token rotation: exchanging a token that expires for its successor, without ever losing the pair.
//!
//! A refresh token can be used once (Slack docs, token rotation), so the new pair is on disk before it is used: killed
//! at any point, either the old pair still works (Slack allows a short grace) or the new one is there. `token.json` in
//! the state folder is readable by its owner only. One gridwatch per refresh token: two would cut each other off.
//!
//! Whoever replaces a secret in its file need not restart anything: files are looked at before each request, and read again
//! when Slack refuses.

use crate::config::{Look, Secret, Slack, Token, TokenRotation};
use crate::http::{self, Http};
use crate::telemetry::status::TokenState;
use anyhow::{Context, Result};
use gridwatch_event::text::hex;
use gridwatch_event::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Access tokens live 12 hours; a new one is fetched this long before the end (Slack's SDK does the same).
const EARLY_S: u64 = 2 * 3_600;
/// After a failure, the next try is this much later, by how many there were in a row. Where only the answer was lost, Slack honours the old
/// refresh token for a short time, so the first ones come soon; later, a refresh is no way to find out whether Slack is up again.
const RETRY_S: [u64; 4] = [1, 5, 15, 60];
/// Held on the disk while a pair is exchanged: more than a pair ever takes.
const ROOM: [u8; 16 << 10] = [b' '; 16 << 10];
/// Largest answer taken; a real one has less than 1 KiB.
const MAX_BODY: usize = 64 << 10;

/// Hands out the token that is valid now.
#[derive(Debug)]
pub struct Keeper {
    current: Token,
    /// As the configuration names it.
    configured: Secret,
    rotating: Option<Rotating>,
}

#[derive(Debug)]
struct Rotating {
    app: TokenRotation,
    url: String,
    file: PathBuf,
    refresh: Token,
    /// Which of the configured refresh tokens it all began with.
    begun_with: String,
    /// 0: not known, as of a token that was configured.
    expires: UnixSeconds,
    not_before: UnixSeconds,
    /// Exchanges in a row that failed, and what the last one came to.
    failures: usize,
    refused: Option<String>,
}

/// What `token.json` holds. Serialised for that file alone.
#[derive(Serialize, Deserialize)]
struct Pair {
    access_token: String,
    refresh_token: String,
    expires: UnixSeconds,
    /// A hash of the configured refresh token that was exchanged first: if another one is configured now, it was given
    /// because this pair is of no use any more. Missing in files of older versions.
    begun_with: Option<String>,
}

impl Keeper {
    /// # Errors
    /// The saved pair can't be read.
    pub fn open(slack: &Slack, state_dir: &Path) -> Result<Self> {
        let configured = slack.token.clone();
        let Some(app) = slack.rotation.clone() else {
            return Ok(Self { current: configured.token().clone(), configured, rotating: None });
        };
        let file = state_dir.join("token.json");
        let saved = match std::fs::read(&file) {
            Ok(bytes) => Some(serde_json::from_slice::<Pair>(&bytes).map_err(|_| damaged(&file))?),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(e).with_context(|| format!("can't read {}", file.display())),
        };
        let begun_with = named(&app.refresh_token);
        let is_current = |pair: &Pair| pair.begun_with.as_ref().is_none_or(|name| *name == begun_with);
        let (current, refresh, expires) = match saved.filter(is_current) {
            Some(pair) => (Token::new(&pair.access_token), Token::new(&pair.refresh_token), pair.expires),
            None => (configured.token().clone(), app.refresh_token.token().clone(), UnixSeconds(0)),
        };
        let rotating = Rotating {
            app,
            begun_with,
            url: format!("{}/oauth.v2.access", slack.web_url()),
            file,
            refresh,
            expires,
            not_before: UnixSeconds(0),
            failures: 0,
            refused: None,
        };
        Ok(Self { current, configured, rotating: Some(rotating) })
    }

    /// Looks whether a secret was replaced, and takes it; true if so. What can't be used is told, and changes nothing.
    pub fn look(&mut self, anyway: bool) -> bool {
        let is_new = taken("slack.token_file", self.configured.look(anyway));
        if is_new {
            self.current = self.configured.token().clone();
        }
        let Some(rotating) = &mut self.rotating else { return is_new };
        let has_new_secret = taken("slack.rotation.client_secret_file", rotating.app.client_secret.look(anyway));
        let has_new_refresh = taken("slack.rotation.refresh_token_file", rotating.app.refresh_token.look(anyway));
        if has_new_refresh {
            rotating.refresh = rotating.app.refresh_token.token().clone();
            rotating.begun_with = named(&rotating.app.refresh_token);
        }
        if is_new || has_new_secret || has_new_refresh {
            (rotating.expires, rotating.not_before, rotating.failures) = (UnixSeconds(0), UnixSeconds(0), 0);
        }
        is_new || has_new_secret || has_new_refresh
    }

    /// How exchanging goes; `None` where nothing is exchanged.
    pub fn state(&self) -> Option<TokenState> {
        let rotating = self.rotating.as_ref()?;
        let expires = Some(rotating.expires).filter(|expires| expires.0 > 0);
        Some(TokenState { expires, refused: rotating.refused.clone() })
    }

    pub fn token(&self) -> &Token {
        &self.current
    }

    /// Exchanges the token if it is about to expire. Being refused is logged and the old token stays, so
    /// that the poll machine hears of it from Slack and says what to do.
    ///
    /// # Errors
    /// The new pair can't be saved.
    pub async fn renew(&mut self, http: &Http, now: UnixSeconds) -> Result<()> {
        self.look(false);
        let Some(rotating) = &mut self.rotating else { return Ok(()) };
        if now < rotating.not_before || now.plus(EARLY_S) < rotating.expires {
            return Ok(());
        }
        match rotating.exchange(http, now).await {
            Err(why) => {
                let wait_s = RETRY_S.get(rotating.failures).or(RETRY_S.last()).copied().unwrap_or_default();
                rotating.not_before = now.plus(wait_s);
                rotating.failures = rotating.failures.saturating_add(1);
                tracing::error!(why, wait_s, "Slack did not exchange the refresh token");
                rotating.refused = Some(why);
                self.look(true);
            }
            Ok(pair) => {
                // The room that was held is this file's.
                let held = rotating.room();
                let saved = serde_json::to_vec(&pair)?;
                std::fs::remove_file(&held).with_context(|| format!("can't remove {}", held.display()))?;
                crate::disk::replace_private(&rotating.file, &saved)
                    .with_context(|| format!("can't save the new token pair in {}", rotating.file.display()))?;
                (rotating.failures, rotating.refused) = (0, None);
                self.current = Token::new(&pair.access_token);
                rotating.refresh = Token::new(&pair.refresh_token);
                rotating.expires = pair.expires;
                tracing::info!(expires = %pair.expires, "token renewed");
            }
        }
        Ok(())
    }

    /// Slack rejected the token: whatever its end was thought to be, the next request renews it first, and whatever its file
    /// looks like, it is read again.
    pub fn rejected(&mut self) {
        self.look(true);
        if let Some(rotating) = &mut self.rotating {
            rotating.expires = UnixSeconds(0);
        }
    }
}

/// Tells what a look at a secret's place has found; true if there is a new one.
fn taken(key: &str, look: Look) -> bool {
    match look {
        Look::Same => false,
        Look::Replaced => {
            tracing::info!("`{key}` holds another secret; it is used from now on");
            true
        }
        Look::Unusable(why) => {
            tracing::error!(why, "`{key}` has changed and can't be used; the secret read before stays in use");
            false
        }
    }
}

/// A name for a secret that doesn't tell it.
fn named(secret: &Secret) -> String {
    hex(&Sha256::digest(secret.expose().as_bytes())[..16])
}

impl Rotating {
    /// Where room for the pair is held while it is exchanged.
    fn room(&self) -> PathBuf {
        self.file.with_extension("room")
    }

    /// The error is fit for a log: Slack's word for it, never the request.
    async fn exchange(&self, http: &Http, now: UnixSeconds) -> Result<Pair, String> {
        // What Slack has exchanged and the disk doesn't take would be lost: the old refresh token is used up by then.
        crate::disk::replace_private(&self.room(), &ROOM).map_err(|error| {
            format!("there is no room on the disk for the new pair, so it isn't exchanged: {error}")
        })?;
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", &self.app.client_id),
            ("client_secret", self.app.client_secret.expose()),
            ("refresh_token", self.refresh.expose()),
        ];
        let sent = http.post(&self.url).form(&form).send().await.map_err(|e| e.without_url().to_string())?;
        let broken = |_| "the answer breaks off or is too large".to_owned();
        let body = http::body(sent, MAX_BODY).await.map_err(broken)?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| "the answer is not JSON".to_owned())?;
        if !answer.ok {
            return Err(answer.error.unwrap_or_else(|| "no error given".into()));
        }
        // For a user token, which is what the Audit Logs API takes, the new pair is in the user's part.
        let Answer { access_token, refresh_token, expires_in, .. } = answer;
        let own = Grant { access_token, refresh_token, expires_in };
        let grant = answer.authed_user.filter(|user| user.access_token.is_some()).unwrap_or(own);
        match (grant.access_token, grant.refresh_token) {
            (Some(access_token), Some(refresh_token)) => {
                let expires = now.plus(grant.expires_in.unwrap_or(12 * 3_600));
                Ok(Pair { access_token, refresh_token, expires, begun_with: Some(self.begun_with.clone()) })
            }
            _ => Err("the answer holds no new pair of tokens".into()),
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    ok: bool,
    error: Option<String>,
    // Written out instead of flattened: serde's flatten and arbitrary-precision numbers don't go together.
    access_token: Option<String>,
    refresh_token: Option<String>,
    expires_in: Option<u64>,
    authed_user: Option<Grant>,
}

#[derive(Deserialize)]
struct Grant {
    access_token: Option<String>,
    refresh_token: Option<String>,
    expires_in: Option<u64>,
}

fn damaged(file: &Path) -> anyhow::Error {
    anyhow::anyhow!(
        "{} is damaged\nhint: delete it, and give a new token and refresh token in the files of `slack.token_file` and \
         `slack.rotation`: the old refresh token is used up",
        file.display()
    )
}
