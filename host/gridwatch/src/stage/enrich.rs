//! The enrich stage: what Slack's Web API says of the people and channels in alerts (`users.info`, `conversations.info`), for what the
//! log can't tell.
//!
//! Detection waits for nobody. An alert goes out as soon as it is found, with what is known of it by then; what Slack answers
//! comes as another record of the same alert. Where the configuration wants one record (`enrich.wait`), the alert is held for so
//! long. Only the actor, the target and the channel of an alert are asked about; answers are kept for a while, over restarts too.
//! No rule reads any of this, so a replay, which asks nobody, finds the same.

use super::room;
use crate::config::{Asking, Look, Secret, Token};
use crate::context::Shared;
use crate::http::{self, Http, NoBody};
use crate::record::Record;
use crate::store::Wanting;
use crate::telemetry::status::PATIENCE;
use anyhow::Result;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_rules::about::{Account, Answer, Conversation, NoAnswer};
use gridwatch_rules::alert::{Alert, Source};
use gridwatch_rules::state::{ACCOUNTS, CONVERSATIONS, Forgotten, Part, StateOp, StateRow};
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// Answers of a method kept. The oldest go first.
const MAX_KEPT: usize = 20_000;
/// Things a method is asked about at once; Slack allows about 100 calls a minute, 50 of some methods.
const MAX_ASKED: usize = 50;
/// Calls of a method at a time.
const MAX_CALLS: usize = 8;
/// Of an answer; real ones have 3 KiB.
const MAX_BODY: usize = 256 << 10;
/// Failures in a row after which a method isn't called for a while.
const MAX_FAILURES: u32 = 3;
/// How long that is, from the first time on doubling up to the longest.
const PAUSE_MS: u64 = 30_000;
const LONGEST_PAUSE_MS: u64 = 15 * 60_000;
/// What Slack says of the token rather than of the thing asked about: nothing changes until somebody does something.
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

/// An answer, or Slack's word for why there is none.
type Found<A> = std::result::Result<A, String>;

/// What is known from Slack.
#[derive(Debug)]
pub struct Answers {
    people: Shelf<Account>,
    channels: Shelf<Conversation>,
}

/// Shared by detection, which reads what is known, and this stage, which learns more.
pub type Known = Arc<Mutex<Answers>>;

/// The answers of one method.
#[derive(Debug)]
struct Shelf<A> {
    /// Of the state: its rows.
    part: Part,
    kept: HashMap<String, Kept<A>>,
    dirty: BTreeSet<String>,
    keep_ms: u64,
    breaker: Breaker,
}

/// An answer, as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept<A> {
    at: UnixMillis,
    answer: Found<A>,
}

/// Who asks Slack.
#[derive(Debug)]
pub struct Asker {
    http: Http,
    /// Of methods, without the last part.
    base_url: String,
    token: Secret,
    runtime: Handle,
    wait: Duration,
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
enum Came<A> {
    Kept(Found<A>),
    RateLimited {
        retry_after_s: Option<u64>,
    },
    /// About the token: for all.
    Refused(String),
    Failed(String),
}

/// Alerts taken up at once.
const MAX_ALERTS: usize = 50;
const IDLE: Duration = Duration::from_millis(500);
/// How long alerts that nobody could be asked about rest before they are looked at again.
const REST: Duration = Duration::from_secs(5);
/// An answer that comes later than this after its alert is of no use.
const LATE_MS: u64 = 3_600_000;
/// How long one round of questions may take where nobody waits for it.
const ROUND: Duration = Duration::from_secs(10);
/// What an alert lacks that is on its way.
const ON_ITS_WAY: &str = "Slack is being asked; what it says comes as another record of this alert";

/// Asks until `detected` is set and nothing is left that can be asked now, or all is to be left.
///
/// # Errors
/// A result could not be saved.
pub fn run(shared: &Shared, known: &Known, mut asker: Option<Asker>, detected: &AtomicBool) -> Result<()> {
    while !shared.process.bells.is_leaving() {
        let (rung, is_last_round) = (shared.wanting.count(), detected.load(Ordering::Acquire));
        let wanting = shared.store.wanting(MAX_ALERTS)?;
        let heard = |doing: &str, wait| shared.heard("enrich", doing, PATIENCE + wait);
        if wanting.is_empty() {
            if is_last_round {
                shared.ended("enrich");
                return Ok(());
            }
            heard("waiting for alerts", Duration::ZERO);
            shared.wanting.wait(rung, IDLE);
            continue;
        }
        heard(&format!("asking Slack about {} alerts", wanting.len()), ROUND);
        let settled = step(shared, known, asker.as_mut(), wanting)?;
        if settled == 0 {
            if is_last_round {
                shared.ended("enrich");
                return Ok(()); // they are asked about after the next start
            }
            heard("waiting until Slack may be asked again", REST);
            shared.wanting.wait(rung, REST);
        }
    }
    shared.ended("enrich");
    Ok(())
}

/// How many of the alerts are done with.
fn step(shared: &Shared, known: &Known, asker: Option<&mut Asker>, wanting: Vec<(Vec<u8>, Wanting)>) -> Result<usize> {
    let asked = asker.map(|asker| ask(shared, known, asker, &wanting));
    let (mut settled, mut records) = (Vec::new(), Vec::new());
    let mut answers = locked(known);
    let (now, nothing) = (shared.now(), Unknown::default());
    let unknown = asked.as_ref().unwrap_or(&nothing);
    for (key, Wanting { mut alert, is_held }) in wanting {
        let before = alert.about.clone();
        answers.fill(&mut alert, unknown);
        let is_whole = answers.lacks_nothing(&alert, now);
        let is_late = now.since(alert.seen) > LATE_MS;
        if !is_held && !is_whole && !is_late && asked.is_some() {
            continue;
        }
        if !is_held && (asked.is_none() || alert.about == before) {
            settled.push(key); // there is nothing to add
            continue;
        }
        if !is_held {
            alert.source = Source::Enrichment(1);
        }
        settled.push(key);
        records.push(Record::Alert(Box::new(alert)));
    }
    let changes = answers.take_changes();
    drop(answers);
    room::save(shared, "enrich", || shared.store.commit_enrichment(&settled, &records, &changes))?;
    shared.process.bells.deliver.ring();
    Ok(settled.len())
}

/// Why there is no answer, by id: of people, and of channels.
type Unknown = (BTreeMap<String, String>, BTreeMap<String, String>);

fn ask(shared: &Shared, known: &Known, asker: &mut Asker, wanting: &[(Vec<u8>, Wanting)]) -> Unknown {
    let alerts = || wanting.iter().map(|(_, wanting)| &wanting.alert);
    let (people, channels) = {
        let mut answers = locked(known);
        if asker.has_new_token() {
            answers.people.breaker = Breaker::default();
            answers.channels.breaker = Breaker::default();
        }
        let now = shared.now();
        let people = alerts().flat_map(|alert| alert.about.wanted()).map(str::to_owned).collect();
        let channels = alerts().filter_map(|alert| alert.about.wanted_channel()).map(str::to_owned).collect();
        let (people, channels) = (answers.people.missing(people, now), answers.channels.missing(channels, now));
        (worth_asking(people, &answers.people, now), worth_asking(channels, &answers.channels, now))
    };
    // Nobody waits for the lock while Slack is waited for.
    let came = match people.ids.is_empty() && channels.ids.is_empty() {
        true => <(BTreeMap<String, Came<Account>>, BTreeMap<String, Came<Conversation>>)>::default(),
        false => asker.runtime.block_on(async {
            tokio::join!(asker.calls::<Account>(&people.ids), asker.calls::<Conversation>(&channels.ids))
        }),
    };
    let (mut answers, now) = (locked(known), shared.now());
    (
        answers.people.take_in(people, came.0, asker.wait, now),
        answers.channels.take_in(channels, came.1, asker.wait, now),
    )
}

fn locked(known: &Known) -> MutexGuard<'_, Answers> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fills in what is known by now of what an alert lacks. True if Slack could tell more.
pub fn fill_known(known: &Known, alert: &mut Alert, now: UnixMillis) -> bool {
    let mut answers = locked(known);
    let wanted = alert.about.wanted().into_iter().map(str::to_owned).collect();
    let channel = alert.about.wanted_channel().map(str::to_owned).into_iter().collect();
    let on_its_way = |ids: Vec<String>| ids.into_iter().map(|id| (id, ON_ITS_WAY.to_owned())).collect();
    let unknown: Unknown =
        (on_its_way(answers.people.missing(wanted, now)), on_its_way(answers.channels.missing(channel, now)));
    answers.fill(alert, &unknown);
    !unknown.0.is_empty() || !unknown.1.is_empty()
}

impl Answers {
    pub fn new(settings: Option<&Asking>) -> Self {
        let keep_ms = settings.map_or(0, |settings| settings.keep_s.saturating_mul(1_000));
        Self { people: Shelf::new(ACCOUNTS, keep_ms), channels: Shelf::new(CONVERSATIONS, keep_ms) }
    }

    /// Is a row of saved state one of these?
    pub fn is_state(key: &[u8]) -> bool {
        matches!(Part::of(key), Some(ACCOUNTS | CONVERSATIONS))
    }

    /// Puts a saved answer back.
    ///
    /// # Errors
    /// The row can't be read, and changes nothing.
    pub fn load(&mut self, key: &[u8], value: &[u8]) -> std::result::Result<(), Forgotten> {
        let row = StateRow::open(key, value)?;
        match row.part {
            CONVERSATIONS => self.channels.load(row),
            _ => self.people.load(row),
        }
    }

    fn fill(&self, alert: &mut Alert, unknown: &Unknown) {
        self.fill_people(alert, &unknown.0);
        self.fill_channel(alert, &unknown.1);
    }

    /// Is there an answer to all that may be asked of an alert?
    fn lacks_nothing(&mut self, alert: &Alert, now: UnixMillis) -> bool {
        let wanted = alert.about.wanted().into_iter().map(str::to_owned).collect();
        let channel = alert.about.wanted_channel().map(str::to_owned).into_iter().collect();
        self.people.missing(wanted, now).is_empty() && self.channels.missing(channel, now).is_empty()
    }

    fn take_changes(&mut self) -> Vec<StateOp> {
        let mut changes = self.people.take_changes();
        changes.extend(self.channels.take_changes());
        changes
    }

    fn fill_people(&self, alert: &mut Alert, unknown: &BTreeMap<String, String>) {
        let ids: Vec<String> = alert.about.wanted().into_iter().map(str::to_owned).collect();
        for id in ids {
            match self.people.reply(&id, unknown) {
                Ok((account, at)) => alert.about.fill(&id, account, at, alert.last),
                Err(why) => alert.about.unfilled(&id, &why),
            }
        }
        let (actor, known) = (&mut alert.actor, &alert.about.actor);
        if actor.id == known.id {
            actor.role_now = known.role_now.as_ref().map_or(actor.role_now, |told| told.value);
            actor.name.clone_from(&known.name);
            actor.email.clone_from(&known.email);
        }
    }

    fn fill_channel(&self, alert: &mut Alert, unknown: &BTreeMap<String, String>) {
        let Some(id) = alert.about.wanted_channel().map(str::to_owned) else { return };
        match self.channels.reply(&id, unknown) {
            Ok((answer, at)) => alert.about.fill_channel(answer, at),
            Err(why) => alert.about.unfilled_channel(&why),
        }
    }
}

impl<A: Answer> Shelf<A> {
    fn new(part: Part, keep_ms: u64) -> Self {
        Self { part, kept: HashMap::new(), dirty: BTreeSet::new(), keep_ms, breaker: Breaker::default() }
    }

    fn load(&mut self, row: StateRow<'_>) -> std::result::Result<(), Forgotten> {
        self.kept.insert(row.name()?.to_owned(), row.json()?);
        Ok(())
    }

    /// Those of which nothing is known, once what is too old has been forgotten.
    fn missing(&mut self, wanted: BTreeSet<String>, now: UnixMillis) -> Vec<String> {
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
        wanted.into_iter().filter(|id| !self.kept.contains_key(id)).collect()
    }

    /// Keeps what came of those that were asked about; returns why there is nothing of the others.
    fn take_in(
        &mut self,
        asked: Asked,
        mut came: BTreeMap<String, Came<A>>,
        wait: Duration,
        now: UnixMillis,
    ) -> BTreeMap<String, String> {
        let mut unknown = asked.unasked;
        let mut late = Vec::new();
        for id in asked.ids {
            match came.remove(&id) {
                Some(Came::Kept(answer)) => {
                    self.breaker.well();
                    self.dirty.insert(id.clone());
                    self.kept.insert(id, Kept { at: now, answer });
                }
                Some(Came::RateLimited { retry_after_s }) => {
                    let pause_ms = retry_after_s.map(|s| s.saturating_mul(1_000));
                    self.breaker.open(A::METHOD, "rate limited", pause_ms, now);
                    late.push((id, None));
                }
                Some(Came::Refused(why)) => {
                    self.breaker.open(A::METHOD, &format!("Slack said {why}"), Some(LONGEST_PAUSE_MS), now);
                    late.push((id, None));
                }
                Some(Came::Failed(why)) => {
                    self.breaker.failed(A::METHOD, &why, now);
                    late.push((id, Some(why)));
                }
                None => late.push((id, None)),
            }
        }
        let waited = format!("no answer within {wait:?}");
        let refused = self.breaker.is_open(now);
        // Nobody waits any longer once Slack refused; else those who waited count as one failure together, as it is one wait.
        if refused.is_none() && late.iter().any(|(_, why)| why.is_none()) {
            self.breaker.failed(A::METHOD, &waited, now);
        }
        for (id, why) in late {
            unknown.insert(id, why.or_else(|| refused.clone()).unwrap_or_else(|| waited.clone()));
        }
        unknown
    }

    /// What is known of something, or why nothing is.
    fn reply(&self, id: &str, unknown: &BTreeMap<String, String>) -> std::result::Result<(&A, UnixMillis), String> {
        match self.kept.get(id).map(|kept| (&kept.answer, kept.at)) {
            Some((Ok(answer), at)) => Ok((answer, at)),
            Some((Err(refusal), at)) => Err(format!("Slack said {refusal} of {id} ({at})")),
            None => Err(unknown.get(id).cloned().unwrap_or_else(|| "not asked".to_owned())),
        }
    }

    fn take_changes(&mut self) -> Vec<StateOp> {
        let row = |id: String| StateOp::save(self.part, id.as_bytes(), self.kept.get(&id));
        std::mem::take(&mut self.dirty).into_iter().map(row).collect()
    }
}

/// What a method is to be asked about, and why not about the rest.
#[derive(Debug, Default)]
struct Asked {
    ids: Vec<String>,
    unasked: BTreeMap<String, String>,
}

fn worth_asking<A>(mut ids: Vec<String>, shelf: &Shelf<A>, now: UnixMillis) -> Asked {
    let why = shelf.breaker.is_open(now);
    let beyond = ids.split_off(if why.is_some() { 0 } else { ids.len().min(MAX_ASKED) });
    let why = why.unwrap_or_else(|| "too many at once".to_owned());
    Asked { ids, unasked: beyond.into_iter().map(|id| (id, why.clone())).collect() }
}

impl Asker {
    /// Has to be called on the runtime that is to make the calls.
    ///
    /// # Errors
    ///
    /// When there can be no HTTP client.
    pub fn new(settings: &Asking) -> Result<Self> {
        let wait = if settings.wait.is_zero() { ROUND } else { settings.wait };
        Ok(Self {
            http: Http::new(&settings.network, wait)?,
            base_url: settings.base_url.clone(),
            token: settings.token.clone(),
            runtime: Handle::current(),
            wait,
        })
    }

    /// A token that was replaced is asked with at once, whatever was said of the one before.
    fn has_new_token(&mut self) -> bool {
        match self.token.look(false) {
            Look::Same => false,
            Look::Replaced => {
                tracing::info!("`enrich.token_file` holds another token; it is used from now on");
                true
            }
            Look::Unusable(why) => {
                tracing::error!(
                    why,
                    "`enrich.token_file` has changed and can't be used; the token read before stays in use"
                );
                false
            }
        }
    }

    /// The answers that come in time.
    async fn calls<A: Answer>(&self, ids: &[String]) -> BTreeMap<String, Came<A>> {
        let (mut came, mut calls, mut rest) = (BTreeMap::new(), JoinSet::new(), ids.iter().cloned());
        let (url, token) = (format!("{}/{}", self.base_url, A::METHOD), Arc::new(self.token.token().clone()));
        let all = async {
            loop {
                for id in rest.by_ref().take(MAX_CALLS - calls.len()) {
                    let (http, url, token) = (self.http.clone(), url.clone(), token.clone());
                    calls.spawn(async move {
                        let answer = call(&http, &url, &token, &id).await;
                        (id, answer)
                    });
                }
                match calls.join_next().await {
                    None => return,
                    Some(Err(_)) => {}
                    Some(Ok((id, answer))) => {
                        let ends = matches!(answer, Came::RateLimited { .. } | Came::Refused(_));
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
}

impl Breaker {
    /// Why nobody is asked now.
    fn is_open(&self, now: UnixMillis) -> Option<String> {
        (now < self.open_until).then(|| format!("{}; not asked again before {}", self.why, self.open_until))
    }

    fn well(&mut self) {
        (self.failures, self.pauses) = (0, 0);
    }

    fn failed(&mut self, method: &str, why: &str, now: UnixMillis) {
        self.failures += 1;
        if self.failures >= MAX_FAILURES {
            self.open(method, why, None, now);
        }
    }

    /// For as long as Slack says, else for longer each time.
    fn open(&mut self, method: &str, why: &str, for_ms: Option<u64>, now: UnixMillis) {
        let doubled = PAUSE_MS.saturating_mul(1 << self.pauses.min(10));
        let pause = for_ms.unwrap_or(doubled).clamp(1_000, LONGEST_PAUSE_MS.max(for_ms.unwrap_or(0).min(3_600_000)));
        self.open_until = now.plus(pause);
        self.failures = 0;
        self.pauses += 1;
        why.clone_into(&mut self.why);
        tracing::warn!(method, why, until = %self.open_until, "Slack is not asked for a while");
    }
}

async fn call<A: Answer>(http: &Http, url: &str, token: &Token, id: &str) -> Came<A> {
    let asked = http.get(url).query(&[(A::ASKED_BY, id)]).query(A::ALSO).bearer_auth(token.expose());
    let sent = asked.send().await;
    let response = match sent {
        Ok(response) => response,
        Err(error) if error.is_timeout() => return Came::Failed("no answer in time".into()),
        Err(_) => return Came::Failed("Slack can't be reached".into()),
    };
    let retry_after = http::retry_after(response.headers(), UnixSeconds(0));
    match response.status() {
        StatusCode::OK => {}
        StatusCode::TOO_MANY_REQUESTS => return Came::RateLimited { retry_after_s: retry_after },
        status => return Came::Failed(format!("Slack answered {}", status.as_u16())),
    }
    let body = match http::body(response, MAX_BODY).await {
        Ok(body) => body,
        Err(NoBody::TimedOut) => return Came::Failed("no answer in time".into()),
        Err(NoBody::Broken) => return Came::Failed("the answer broke off, or was too large".into()),
    };
    match A::from_body(&body) {
        Ok(answer) => Came::Kept(Ok(answer)),
        Err(NoAnswer::Refused(word)) if word == "ratelimited" => Came::RateLimited { retry_after_s: retry_after },
        Err(NoAnswer::Refused(word)) if TOKEN_ERRORS.contains(&word.as_str()) => Came::Refused(word),
        Err(NoAnswer::Refused(word)) if is_about_the_thing(&word) => Came::Kept(Err(word)),
        Err(NoAnswer::Refused(word)) => Came::Failed(format!("Slack said {word}")),
        Err(NoAnswer::Unreadable) => Came::Failed(format!("the answer is not one that {} gives", A::METHOD)),
    }
}

/// `user_not_found`, `channel_not_found`, `user_not_visible`. Anything else may be another word in a minute.
fn is_about_the_thing(word: &str) -> bool {
    word.ends_with("_not_found") || word.ends_with("_not_visible")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_word_about_the_thing_itself_is_kept() {
        assert!(is_about_the_thing("user_not_found") && is_about_the_thing("channel_not_found"));
        assert!(!is_about_the_thing("internal_error") && !is_about_the_thing("access_denied"));
    }

    #[test]
    fn three_failures_in_a_row_end_the_asking_for_longer_each_time() {
        let mut breaker = Breaker::default();
        let at = |ms| UnixMillis(1_790_000_000_000 + ms);
        breaker.failed("m", "x", at(0));
        breaker.failed("m", "x", at(0));
        breaker.well();
        breaker.failed("m", "x", at(0));
        breaker.failed("m", "x", at(0));
        assert_eq!(breaker.is_open(at(0)), None);
        breaker.failed("m", "no answer", at(0));
        assert!(
            breaker.is_open(at(PAUSE_MS - 1)).is_some_and(|why| why.starts_with("no answer; not asked again before"))
        );
        assert_eq!(breaker.is_open(at(PAUSE_MS)), None);
        (0..3).for_each(|_| breaker.failed("m", "x", at(PAUSE_MS)));
        assert!(
            breaker.is_open(at(PAUSE_MS + 2 * PAUSE_MS - 1)).is_some() && breaker.is_open(at(3 * PAUSE_MS)).is_none()
        );
    }

    #[test]
    fn slacks_word_on_when_to_ask_again_is_kept_to() {
        let mut breaker = Breaker::default();
        breaker.open("m", "rate limited", Some(90_000), UnixMillis(0));
        assert!(breaker.is_open(UnixMillis(89_999)).is_some() && breaker.is_open(UnixMillis(90_000)).is_none());
        breaker.open("m", "rate limited", Some(1_800_000), UnixMillis(0));
        assert!(breaker.is_open(UnixMillis(1_799_999)).is_some(), "also where that is long");
    }
}
