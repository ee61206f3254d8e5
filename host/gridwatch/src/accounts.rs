//! Accounts: what Slack's `users.info` says of the people in alerts, for what the log can't tell.
//!
//! Asked for the actor and the target of an alert that is about to be saved, and for nobody else; the answers are kept for a
//! while, over restarts too. No batch of events waits longer for all of its answers than `enrich.wait`, and none at all
//! while Slack refuses: then an alert says that it lacks them, and why. No rule reads any of this, so a replay, which asks
//! nobody, finds the same.

use crate::clock;
use crate::config::{Accounts as Settings, Token};
use anyhow::Result;
use gridwatch_core::about::{Account, NotAnAccount};
use gridwatch_core::alert::Alert;
use gridwatch_core::state::{ACCOUNTS, StateOp};
use gridwatch_core::time::UnixMillis;
use reqwest::header::RETRY_AFTER;
use reqwest::{StatusCode, redirect};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// Answers kept. The oldest go first.
const MAX_KEPT: usize = 20_000;
/// People asked about for one batch of events; Slack allows about 100 calls a minute.
const MAX_ASKED: usize = 50;
/// Calls at a time.
const MAX_CALLS: usize = 8;
/// Of an answer; real ones have 3 KiB.
const MAX_BODY: usize = 256 << 10;
/// Failures in a row after which nobody is asked for a while.
const MAX_FAILURES: u32 = 3;
/// How long that is, from the first time on doubling up to the longest.
const PAUSE_MS: u64 = 30_000;
const LONGEST_PAUSE_MS: u64 = 15 * 60_000;
/// What Slack says of the token rather than of a user: nothing changes until somebody does something.
const TOKEN_ERRORS: [&str; 8] = [
    "invalid_auth",
    "not_authed",
    "account_inactive",
    "token_revoked",
    "token_expired",
    "no_permission",
    "missing_scope",
    "not_allowed_token_type",
];

/// An account, or Slack's word for why there is none.
type Found = std::result::Result<Account, String>;
/// What was found, or why nothing could be looked for.
type Reply = std::result::Result<Found, String>;

/// Who asks, if anybody does.
#[derive(Debug)]
pub struct Accounts {
    asker: Option<Asker>,
    kept: HashMap<String, Kept>,
    dirty: BTreeSet<String>,
    keep_ms: u64,
}

/// An answer, as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    at: UnixMillis,
    account: Found,
}

#[derive(Debug)]
struct Asker {
    http: reqwest::Client,
    url: reqwest::Url,
    token: Arc<Token>,
    runtime: Handle,
    wait: Duration,
    breaker: Breaker,
}

/// Open while it makes no sense to ask.
#[derive(Debug, Default)]
struct Breaker {
    failures: u32,
    pauses: u32,
    open_until: UnixMillis,
    why: String,
}

/// What came of one question.
#[derive(Debug)]
enum Answer {
    Kept(Found),
    RateLimited {
        retry_after_s: Option<u64>,
    },
    /// About the token: for all.
    Refused(String),
    Failed(String),
}

impl Accounts {
    /// Has to be called on the runtime that is to make the calls.
    pub fn new(settings: Option<&Settings>) -> Result<Self> {
        let asker = settings.map(Asker::new).transpose()?;
        let keep_ms = settings.map_or(0, |settings| settings.keep_s.saturating_mul(1_000));
        Ok(Self { asker, kept: HashMap::new(), dirty: BTreeSet::new(), keep_ms })
    }

    /// Puts a saved answer back.
    pub fn load(&mut self, key: &[u8], value: &[u8]) {
        let id = key.strip_prefix(&[ACCOUNTS]).and_then(|id| std::str::from_utf8(id).ok());
        if let (Some(id), Ok(kept)) = (id, serde_json::from_slice(value)) {
            self.kept.insert(id.to_owned(), kept);
        }
    }

    /// Fills in what the alerts lack, as far as that is known in time; returns the rows to save.
    pub fn fill(&mut self, alerts: &mut [Alert]) -> Vec<StateOp> {
        // Without a token alerts say what a replay says, which asks nobody.
        let Some(mut asker) = self.asker.take() else { return Vec::new() };
        let now = clock::now();
        self.forget(now);
        let wanted: BTreeSet<String> =
            alerts.iter().flat_map(|alert| alert.about.wanted()).map(str::to_owned).collect();
        let missing: Vec<String> = wanted.into_iter().filter(|id| !self.kept.contains_key(id)).collect();
        let mut unknown = BTreeMap::new();
        for (id, answer) in asker.ask(missing, now) {
            match answer {
                Ok(account) => {
                    self.dirty.insert(id.clone());
                    self.kept.insert(id, Kept { at: clock::now(), account });
                }
                Err(why) => _ = unknown.insert(id, why),
            }
        }
        self.asker = Some(asker);
        alerts.iter_mut().for_each(|alert| self.fill_one(alert, &unknown));
        self.take_changes()
    }

    fn fill_one(&self, alert: &mut Alert, unknown: &BTreeMap<String, String>) {
        let ids: Vec<String> = alert.about.wanted().into_iter().map(str::to_owned).collect();
        let mut why = None;
        for id in ids {
            match self.kept.get(&id).map(|kept| (&kept.account, kept.at)) {
                Some((Ok(account), at)) => alert.about.fill(&id, account, at, alert.last),
                Some((Err(refusal), at)) => why = Some(format!("Slack said {refusal} of {id} ({at})")),
                None => why = unknown.get(&id).cloned(),
            }
        }
        if let Some(why) = why {
            alert.about.unfilled(&why);
        }
        let (actor, known) = (&mut alert.actor, &alert.about.actor);
        if actor.id == known.id {
            actor.role_now = known.role_now.as_ref().map_or(actor.role_now, |told| told.value);
            actor.name.clone_from(&known.name);
            actor.email.clone_from(&known.email);
        }
    }

    fn forget(&mut self, now: UnixMillis) {
        let old = self.kept.iter().filter(|(_, kept)| now.since(kept.at) >= self.keep_ms).map(|(id, _)| id.clone());
        let mut gone: Vec<String> = old.collect();
        if self.kept.len() > MAX_KEPT {
            let mut by_age: Vec<(UnixMillis, &String)> = self.kept.iter().map(|(id, kept)| (kept.at, id)).collect();
            by_age.sort_unstable();
            gone.extend(by_age.into_iter().take(MAX_KEPT / 10).map(|(_, id)| id.clone()));
        }
        for id in gone {
            self.kept.remove(&id);
            self.dirty.insert(id);
        }
    }

    fn take_changes(&mut self) -> Vec<StateOp> {
        let key = |id: &str| [&[ACCOUNTS], id.as_bytes()].concat();
        let row = |id: String| match self.kept.get(&id) {
            Some(kept) => StateOp::put(key(&id), kept),
            None => StateOp::delete(key(&id)),
        };
        std::mem::take(&mut self.dirty).into_iter().map(row).collect()
    }
}

impl Asker {
    fn new(settings: &Settings) -> Result<Self> {
        // Only fails if a provider is set already, and then there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("gridwatch/", env!("CARGO_PKG_VERSION")))
            .timeout(settings.wait.max(Duration::from_millis(1)))
            // A redirect would carry the token to wherever it points.
            .redirect(redirect::Policy::none())
            .build()?;
        Ok(Self {
            http,
            url: settings.url.parse()?,
            token: Arc::new(settings.token.clone()),
            runtime: Handle::current(),
            wait: settings.wait,
            breaker: Breaker::default(),
        })
    }

    /// Asks about people, no longer than `wait` for all of them. An error says why there is no answer.
    fn ask(&mut self, ids: Vec<String>, now: UnixMillis) -> Vec<(String, Reply)> {
        let (asked, beyond) = ids.split_at(ids.len().min(MAX_ASKED));
        let mut answers: BTreeMap<String, Reply> = BTreeMap::new();
        let unasked = |ids: &[String], why: &str| -> Vec<(String, Reply)> {
            ids.iter().map(|id| (id.clone(), Err(why.to_owned()))).collect()
        };
        answers.extend(unasked(beyond, "too many people in one batch of alerts"));
        if let Some(why) = self.breaker.is_open(now) {
            answers.extend(unasked(asked, &why));
        } else if self.wait.is_zero() {
            answers.extend(unasked(asked, "enrich.wait is 0: only kept answers are used"));
        } else if !asked.is_empty() {
            let came = self.runtime.block_on(self.calls(asked.to_vec()));
            self.judge(asked, came, &mut answers);
        }
        answers.into_iter().collect()
    }

    /// The answers that come in time.
    async fn calls(&self, ids: Vec<String>) -> BTreeMap<String, Answer> {
        let (mut came, mut calls, mut rest) = (BTreeMap::new(), JoinSet::new(), ids.into_iter());
        let all = async {
            loop {
                for id in rest.by_ref().take(MAX_CALLS - calls.len()) {
                    let (http, url, token) = (self.http.clone(), self.url.clone(), self.token.clone());
                    calls.spawn(async move {
                        let answer = call(&http, url, &token, &id).await;
                        (id, answer)
                    });
                }
                match calls.join_next().await {
                    None => return,
                    Some(Err(_)) => {}
                    Some(Ok((id, answer))) => {
                        let ends = matches!(answer, Answer::RateLimited { .. } | Answer::Refused(_));
                        came.insert(id, answer);
                        if ends {
                            return;
                        }
                    }
                }
            }
        };
        // Dropping the set ends the calls that are under way.
        let _ = tokio::time::timeout(self.wait, all).await;
        came
    }

    fn judge(&mut self, asked: &[String], mut came: BTreeMap<String, Answer>, answers: &mut BTreeMap<String, Reply>) {
        let now = clock::now();
        let mut late = Vec::new();
        for id in asked {
            match came.remove(id) {
                Some(Answer::Kept(account)) => {
                    self.breaker.well();
                    answers.insert(id.clone(), Ok(account));
                }
                Some(Answer::RateLimited { retry_after_s }) => {
                    self.breaker.open("rate limited", retry_after_s.map(|s| s.saturating_mul(1_000)), now);
                    late.push((id, None));
                }
                Some(Answer::Refused(why)) => {
                    self.breaker.open(&format!("Slack said {why}"), Some(LONGEST_PAUSE_MS), now);
                    late.push((id, None));
                }
                Some(Answer::Failed(why)) => {
                    self.breaker.failed(&why, now);
                    late.push((id, Some(why)));
                }
                None => late.push((id, None)),
            }
        }
        let waited = format!("no answer within {:?}", self.wait);
        let refused = self.breaker.is_open(now);
        // Nobody waits any longer once Slack refused; else those who waited count as one failure together, as it is one wait.
        if refused.is_none() && late.iter().any(|(_, why)| why.is_none()) {
            self.breaker.failed(&waited, now);
        }
        for (id, why) in late {
            let why = why.or_else(|| refused.clone()).unwrap_or_else(|| waited.clone());
            answers.insert(id.clone(), Err(why));
        }
    }
}

impl Breaker {
    /// Why nobody is asked now.
    fn is_open(&self, now: UnixMillis) -> Option<String> {
        (now < self.open_until).then(|| format!("{}; not asked again before {}", self.why, self.open_until))
    }

    fn well(&mut self) {
        (self.failures, self.pauses) = (0, 0);
    }

    fn failed(&mut self, why: &str, now: UnixMillis) {
        self.failures += 1;
        if self.failures >= MAX_FAILURES {
            self.open(why, None, now);
        }
    }

    /// For as long as Slack says, else for longer each time.
    fn open(&mut self, why: &str, for_ms: Option<u64>, now: UnixMillis) {
        let doubled = PAUSE_MS.saturating_mul(1 << self.pauses.min(10));
        let pause = for_ms.unwrap_or(doubled).clamp(1_000, LONGEST_PAUSE_MS.max(for_ms.unwrap_or(0).min(3_600_000)));
        self.open_until = now.plus(pause);
        self.failures = 0;
        self.pauses += 1;
        why.clone_into(&mut self.why);
        tracing::warn!(why, until = %self.open_until, "users.info is not asked for a while");
    }
}

async fn call(http: &reqwest::Client, url: reqwest::Url, token: &Token, id: &str) -> Answer {
    let sent = http.get(url).query(&[("user", id)]).bearer_auth(token.expose()).send().await;
    let mut response = match sent {
        Ok(response) => response,
        Err(error) if error.is_timeout() => return Answer::Failed("no answer in time".into()),
        Err(_) => return Answer::Failed("Slack can't be reached".into()),
    };
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|s| s.to_str().ok()?.trim().parse().ok());
    match response.status() {
        StatusCode::OK => {}
        StatusCode::TOO_MANY_REQUESTS => return Answer::RateLimited { retry_after_s: retry_after },
        status => return Answer::Failed(format!("Slack answered {}", status.as_u16())),
    }
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= MAX_BODY => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) if error.is_timeout() => return Answer::Failed("no answer in time".into()),
            _ => return Answer::Failed("the answer broke off, or was too large".into()),
        }
    }
    match Account::from_body(&body) {
        Ok(account) => Answer::Kept(Ok(account)),
        Err(NotAnAccount::Refused(word)) if word == "ratelimited" => Answer::RateLimited { retry_after_s: retry_after },
        Err(NotAnAccount::Refused(word)) if TOKEN_ERRORS.contains(&word.as_str()) => Answer::Refused(word),
        Err(NotAnAccount::Refused(word)) => Answer::Kept(Err(word)),
        Err(NotAnAccount::NotAUser) => Answer::Failed("the answer is no user".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_in_a_row_end_the_asking_for_longer_each_time() {
        let mut breaker = Breaker::default();
        let at = |ms| UnixMillis(1_790_000_000_000 + ms);
        breaker.failed("x", at(0));
        breaker.failed("x", at(0));
        breaker.well();
        breaker.failed("x", at(0));
        breaker.failed("x", at(0));
        assert_eq!(breaker.is_open(at(0)), None);
        breaker.failed("no answer", at(0));
        assert!(
            breaker.is_open(at(PAUSE_MS - 1)).is_some_and(|why| why.starts_with("no answer; not asked again before"))
        );
        assert_eq!(breaker.is_open(at(PAUSE_MS)), None);
        (0..3).for_each(|_| breaker.failed("x", at(PAUSE_MS)));
        assert!(
            breaker.is_open(at(PAUSE_MS + 2 * PAUSE_MS - 1)).is_some() && breaker.is_open(at(3 * PAUSE_MS)).is_none()
        );
    }

    #[test]
    fn slacks_word_on_when_to_ask_again_is_kept_to() {
        let mut breaker = Breaker::default();
        breaker.open("rate limited", Some(90_000), UnixMillis(0));
        assert!(breaker.is_open(UnixMillis(89_999)).is_some() && breaker.is_open(UnixMillis(90_000)).is_none());
        breaker.open("rate limited", Some(1_800_000), UnixMillis(0));
        assert!(breaker.is_open(UnixMillis(1_799_999)).is_some(), "also where that is long");
    }
}
