//! Access tokens and their rotation: twelve hours, single-use refresh tokens, at most two live access tokens.

use crate::knobs::Knobs;

const MOST_LIVE_TOKENS: usize = 2;

#[derive(Debug)]
pub(crate) struct Tokens {
    /// Oldest first.
    live: Vec<Access>,
    /// Without a configured token, any `xox…` will do until the first refresh.
    any: bool,
    refresh: Option<String>,
    /// The refresh token spent last and when, for the grace period.
    spent: Option<(String, u64)>,
    ttl_secs: Option<u64>,
    refreshes: u64,
}

#[derive(Debug)]
struct Access {
    token: String,
    expires_at_ms: u64,
}

/// What a refresh gives.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) expires_in_secs: u64,
}

impl Tokens {
    pub(crate) fn new(token: Option<String>, knobs: &Knobs, now_ms: u64) -> Self {
        let mut tokens = Self {
            live: Vec::new(),
            any: true,
            refresh: knobs.refresh_token.clone(),
            spent: None,
            ttl_secs: knobs.token_ttl_secs,
            refreshes: 0,
        };
        tokens.replace(token, now_ms);
        tokens
    }

    /// Forgets all live tokens and accepts this one; any `xox…` if `None`.
    pub(crate) fn replace(&mut self, token: Option<String>, now_ms: u64) {
        self.live.clear();
        self.any = token.is_none();
        if let Some(token) = token {
            self.admit(token, now_ms);
        }
    }

    pub(crate) fn accepts(&self, token: &str, now_ms: u64) -> bool {
        (self.any && token.starts_with("xox"))
            || self.live.iter().any(|access| access.token == token && now_ms < access.expires_at_ms)
    }

    /// Swaps a refresh token for a new pair. The access tokens before it live on until they expire or a third comes.
    pub(crate) fn refresh(&mut self, presented: &str, knobs: &Knobs, now_ms: u64) -> Result<Grant, &'static str> {
        let in_grace = |(spent, at_ms): &(String, u64)| {
            spent == presented && now_ms.saturating_sub(*at_ms) < knobs.refresh_grace_secs * 1000
        };
        let valid = self.refresh.as_deref() == Some(presented) || self.spent.as_ref().is_some_and(in_grace);
        if !valid {
            return Err("invalid_refresh_token");
        }
        self.refreshes += 1;
        let access_token = format!("xoxe.xoxp-1-sim{:06}", self.refreshes);
        let refresh_token = format!("xoxe-1-sim{:06}", self.refreshes);
        if self.refresh.as_deref() == Some(presented) {
            self.spent = Some((presented.to_owned(), now_ms));
        }
        self.refresh = Some(refresh_token.clone());
        self.any = false;
        self.admit(access_token.clone(), now_ms);
        Ok(Grant { access_token, refresh_token, expires_in_secs: self.ttl_secs.unwrap_or(DOCUMENTED_TTL_SECS) })
    }

    fn admit(&mut self, token: String, now_ms: u64) {
        let expires_at_ms = self.ttl_secs.map_or(u64::MAX, |ttl| now_ms.saturating_add(ttl * 1000));
        self.live.push(Access { token, expires_at_ms });
        if self.live.len() > MOST_LIVE_TOKENS {
            self.live.remove(0);
        }
    }
}

const DOCUMENTED_TTL_SECS: u64 = 43_200;
