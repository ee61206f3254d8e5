//! The Web API as far as a responder needs it: whose a token is, and the acts that can be taken back.
//!
//! Slack answers 200 with `ok:false` when it refuses, so that is what happens here. What is done is remembered (see
//! [`super::RunningSim::acts`]) and shows up in the audit log as its caller's act, like everybody's.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::bucket::{self, Bucket};
use super::query::{decode, raw_params};
use super::respond::{Answer, ok_false};
use super::routes::Request;
use super::transport::Wire;
use super::{Shared, State};
use crate::faults::{Fault, FaultKind};
use crate::knobs::{Knobs, WebToken};
use gridwatch_stories::org::{Enterprise, Role, SimEntry, User};
use gridwatch_stories::wire::{Obj, object};

/// Acts remembered; older ones are forgotten.
const MOST_ACTS: usize = 10_000;

/// Something that was done through the Web API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebAct {
    /// Epoch milliseconds of the simulator's clock.
    pub at_ms: u64,
    pub method: String,
    /// User id of the token's owner.
    pub by: String,
    /// As sent, without the token.
    pub arguments: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
pub(crate) struct Web {
    users: Vec<User>,
    pub(crate) faults: Vec<Fault>,
    /// Faults go by it: calls of any method, counted from 1.
    calls: u64,
    buckets: BTreeMap<String, Bucket>,
    acts: Vec<WebAct>,
    ended_sessions: BTreeSet<String>,
}

impl Web {
    pub(crate) fn new(users: Vec<User>) -> Self {
        Self { users, ..Self::default() }
    }

    pub(crate) fn acts(&self) -> Vec<WebAct> {
        self.acts.clone()
    }

    fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }
}

/// What an act needs and what Slack logs of it.
struct Act {
    action: &'static str,
    /// Type and id of the thing acted on.
    entity: (&'static str, String),
    details: Option<String>,
}

type Refusal = &'static str;

pub(super) fn answer(shared: &Shared, state: &mut State, request: &Request<'_>, wire: &Wire) -> Answer {
    let method = request.path.trim_start_matches("/api/");
    state.web.calls += 1;
    let number = state.web.calls;
    let fault = state.web.faults.iter().find(|fault| fault.at.strikes(number)).map(|fault| fault.kind.clone());
    if let Some(fault) = &fault
        && let Some(answer) = state.instead(fault, request, wire)
    {
        return answer;
    }
    let now_ms = shared.clock.now_ms();
    if let Err(secs) = limited(state, method, now_ms) {
        let retry_after = bucket::retry_after(state.knobs.retry_after, secs);
        state.observed.counts.rate_limited += 1;
        return Answer { retry_after, ..Answer::with_status(429, ok_false("ratelimited")) };
    }
    let arguments = arguments(request);
    let scope = scope_of(method).ok_or_else(|| ok_false("unknown_method"));
    let body = match scope.and_then(|scope| {
        let caller = caller(state, request, now_ms)?;
        has_scope(&caller, scope)?;
        match method {
            "auth.test" => Ok(auth_test(&shared.enterprise, state.web.user(&caller.user), &caller)),
            _ => done(&shared.enterprise, state, method, &caller.user, &arguments, now_ms),
        }
    }) {
        Ok(body) => body,
        Err(body) => {
            state.observed.error("web_api_refusal");
            body
        }
    };
    // These strike once it is done: the caller is left without the answer.
    match &fault {
        Some(fault @ FaultKind::CutBody) => {
            state.observed.fault(fault.name());
            wire.cut_after_head(body.len() / 2);
        }
        Some(fault @ FaultKind::SlowBody { ms }) => {
            state.observed.fault(fault.name());
            wire.stall_after_head(*ms);
        }
        _ => {}
    }
    Answer::ok(body)
}

/// From the query or a form; never the token.
fn arguments(request: &Request<'_>) -> BTreeMap<String, String> {
    let form = raw_params(std::str::from_utf8(request.body).unwrap_or(""));
    let all = request.params.iter().chain(&form).filter(|(name, _)| name != "token");
    all.map(|(name, value)| (decode(name), decode(value))).collect()
}

/// Slack counts for each method and workspace.
fn limited(state: &mut State, method: &str, now_ms: u64) -> Result<(), u64> {
    let knobs = Knobs { rate_per_minute: state.knobs.web_rate_per_minute, ..state.knobs.clone() };
    let bucket = state.web.buckets.entry(method.to_owned()).or_insert_with(|| Bucket::new(&knobs, now_ms));
    bucket.take(&knobs, now_ms)
}

/// Whose the token is. One that the knobs don't list but `/logs` accepts is the first owner's, and then for the audit log
/// alone if any is listed.
fn caller(state: &State, request: &Request<'_>, now_ms: u64) -> Result<WebToken, String> {
    let token = request.token.ok_or_else(|| ok_false("not_authed"))?;
    if let Some(known) = state.knobs.web_tokens.get(token) {
        return Ok(known.clone());
    }
    if token.starts_with("xoxb-") {
        return Err(ok_false("not_allowed_token_type"));
    }
    let owner = state.web.users.iter().find(|user| user.role == Role::Owner || user.role == Role::PrimaryOwner);
    match owner.filter(|_| state.tokens.accepts(token, now_ms)) {
        None => Err(ok_false("invalid_auth")),
        Some(owner) => {
            let scopes =
                if state.knobs.web_tokens.is_empty() { vec!["*".into()] } else { vec!["auditlogs:read".into()] };
            Ok(WebToken { user: owner.id.clone(), scopes, app: None })
        }
    }
}

/// The scope of a method that is simulated; "" where it asks for none.
fn scope_of(method: &str) -> Option<&'static str> {
    Some(match method {
        "auth.test" => "",
        "admin.users.session.reset" | "admin.users.session.resetBulk" | "admin.users.session.invalidate" => {
            "admin.users:write"
        }
        "admin.apps.restrict" => "admin.apps:write",
        "files.revokePublicURL" => "files:write",
        "admin.conversations.disconnectShared" => "admin.conversations:write",
        _ => return None,
    })
}

fn has_scope(caller: &WebToken, scope: &str) -> Result<(), String> {
    let has = |wanted: &str| caller.scopes.iter().any(|scope| scope == wanted || scope == "*");
    match scope.is_empty() || has(scope) {
        true => Ok(()),
        false => Err(object(|o| {
            o.flag("ok", false).str("error", "missing_scope").str("needed", scope);
            o.str("provided", &caller.scopes.join(","));
        })),
    }
}

fn done(
    enterprise: &Enterprise,
    state: &mut State,
    method: &str,
    by: &str,
    arguments: &BTreeMap<String, String>,
    now_ms: u64,
) -> Result<String, String> {
    let get = |name: &str| arguments.get(name).map_or("", String::as_str);
    let refuse = |code: Refusal| ok_false(code);
    let is_admin = |user: &User| matches!(user.role, Role::PrimaryOwner | Role::Owner | Role::Admin);
    if !state.web.user(by).is_some_and(is_admin) {
        return Err(refuse("not_an_admin"));
    }
    let act = act(&mut state.web, enterprise, by, method, &get).map_err(refuse)?;
    state.web.acts.push(WebAct { at_ms: now_ms, method: method.into(), by: by.into(), arguments: arguments.clone() });
    let excess = state.web.acts.len().saturating_sub(MOST_ACTS);
    state.web.acts.drain(..excess);
    let entry = logged(enterprise, state, by, &act, now_ms);
    state.timeline.add(vec![entry], &state.knobs);
    Ok(object(|o| {
        o.flag("ok", true);
    }))
}

/// Checks an act as Slack does, and carries out what of it there is to carry out.
fn act<'g>(
    web: &mut Web,
    enterprise: &Enterprise,
    by: &str,
    method: &str,
    get: &impl Fn(&str) -> &'g str,
) -> Result<Act, Refusal> {
    let is_id = |id: &str, kinds: [char; 2]| id.starts_with(kinds) && id.len() > 1;
    let plain = |action, kind, id: &str| Ok(Act { action, entity: (kind, id.to_owned()), details: None });
    match method {
        "admin.users.session.reset" => {
            may_be_signed_out(web, by, get("user_id"))?;
            plain("user_session_reset_by_admin", "user", get("user_id"))
        }
        "admin.users.session.invalidate" => {
            may_be_signed_out(web, by, get("user_id"))?;
            let is_number = get("session_id").parse::<u64>().is_ok();
            if !is_number || !web.ended_sessions.insert(get("session_id").to_owned()) {
                return Err("session_not_found");
            }
            plain("user_session_invalidated", "user", get("user_id"))
        }
        "admin.users.session.resetBulk" => {
            let users: Vec<&str> = get("user_ids").split(',').filter(|id| !id.is_empty()).collect();
            users.iter().try_for_each(|user| may_be_signed_out(web, by, user))?;
            if users.is_empty() {
                return Err("user_not_found");
            }
            let details = object(|o| {
                o.strs("succeeded_users", &users).strs::<&str>("failed_users", &[]);
            });
            let entity = ("enterprise", enterprise.id.clone());
            Ok(Act { action: "bulk_session_reset_by_admin", entity, details: Some(details) })
        }
        "admin.apps.restrict" => match (get("app_id"), get("team_id"), get("enterprise_id")) {
            ("", _, _) => Err("request_id_or_app_id_is_required"),
            (_, "", "") => Err("team_not_found"),
            (_, team, org) if !team.is_empty() && !org.is_empty() => Err("too_many_ids_provided"),
            (app, _, _) if !is_id(app, ['A', 'A']) => Err("invalid_app_id"),
            (app, _, _) => plain("app_restricted", "app", app),
        },
        "files.revokePublicURL" if is_id(get("file"), ['F', 'F']) => {
            plain("file_public_link_revoked", "file", get("file"))
        }
        "files.revokePublicURL" => Err("file_not_found"),
        "admin.conversations.disconnectShared" => {
            let (channel, leaving) = (get("channel_id"), get("leaving_team_ids"));
            match leaving {
                _ if !is_id(channel, ['C', 'G']) => return Err("channel_not_found"),
                "" => return Err("leaving_team_required"),
                ours if ours == enterprise.id => return Err("cannot_kick_home_team"),
                // One at a time: a list is no id.
                theirs if !is_id(theirs, ['E', 'T']) || theirs.contains(',') => return Err("team_not_found"),
                _ => {}
            }
            let details = object(|o| {
                o.str("origin_team", &enterprise.id).str("target_team", leaving).flag("is_external_limited", false);
            });
            let entity = ("channel", channel.to_owned());
            Ok(Act { action: "external_shared_channel_disconnected", entity, details: Some(details) })
        }
        _ => Err("unknown_method"),
    }
}

/// Bots have no sessions, and the primary owner's are ended by themselves alone.
fn may_be_signed_out(web: &Web, by: &str, user: &str) -> Result<(), Refusal> {
    match web.user(user).ok_or("user_not_found")?.role {
        Role::Bot => Err("cannot_reset_bot"),
        Role::PrimaryOwner if by != user => Err("cannot_reset_primary_owner"),
        _ => Ok(()),
    }
}

fn logged(enterprise: &Enterprise, state: &State, by: &str, act: &Act, now_ms: u64) -> SimEntry {
    let at = now_ms / 1000;
    let id = format!("00000000-0000-4000-8000-{:012x}", state.timeline.len());
    let (kind, thing) = &act.entity;
    let body = |o: &mut Obj<'_>| match state.web.user(thing).filter(|_| *kind == "user") {
        Some(user) => write_user(o, enterprise, user),
        None if *kind == "enterprise" => {
            o.str("id", thing).str("name", &enterprise.name).str("domain", &enterprise.domain);
        }
        None => {
            o.str("id", thing);
        }
    };
    let json = object(|entry| {
        entry.str("id", &id).uint("date_create", at).str("action", act.action);
        entry.obj("actor", |actor| {
            actor.str("type", "user").obj("user", |o| match state.web.user(by) {
                Some(user) => write_user(o, enterprise, user),
                None => {
                    o.str("id", by);
                }
            });
        });
        entry.obj("entity", |entity| {
            entity.str("type", kind).obj(kind, body);
        });
        entry.obj("context", |context| {
            context.obj("location", |o| {
                o.str("type", "enterprise").str("id", &enterprise.id).str("name", &enterprise.name);
                o.str("domain", &enterprise.domain);
            });
            context.str("ua", "ApiApp/1.0").str("ip_address", "198.51.100.20").raw("session_id", "null");
        });
        if let Some(details) = &act.details {
            entry.raw("details", details);
        }
    });
    SimEntry { id, date_create: at, action: act.action.to_owned(), json, visible_at_ms: now_ms }
}

fn write_user(o: &mut Obj<'_>, enterprise: &Enterprise, user: &User) {
    o.str("id", &user.id).str("name", &user.name).str("email", &user.email).str("team", &enterprise.id);
}

fn auth_test(enterprise: &Enterprise, user: Option<&User>, caller: &WebToken) -> String {
    object(|o| {
        o.flag("ok", true).str("url", &format!("https://{}.enterprise.slack.com/", enterprise.domain));
        o.str("team", &enterprise.name).str("user", user.map_or("", |user| &user.name));
        o.str("team_id", &enterprise.id).str("user_id", &caller.user);
        o.str("enterprise_id", &enterprise.id).flag("is_enterprise_install", true);
        if let Some(app) = &caller.app {
            o.str("app_id", app);
        }
    })
}
