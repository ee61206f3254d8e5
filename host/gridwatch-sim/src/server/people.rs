//! Slack's Web API as far as it tells about people and channels: `users.info`, `admin.users.list` and `conversations.info`.
//!
//! Who there is comes from the generated organization; what became of them since (roles, accounts ended and made anew)
//! from the entries that show by now. A refusal is a 200 with `ok: false`, as the Web API does it; only too many calls
//! are a 429. Faults strike by the number of the request among those about people, and among those about channels. Of channels it
//! knows what entries that show say; a private one is `channel_not_found`, as for a token whose owner isn't in it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::query::decode;
use super::respond::{Answer, ok_false};
use super::transport::Wire;
use super::{Shared, State, bucket};
use crate::faults::{FaultKind, mix};
use crate::knobs::Knobs;
use gridwatch_stories::org::{Org, Role, SimEntry, User};
use gridwatch_stories::wire::{Obj, object};

const MOST_ON_A_PAGE: usize = 100;

/// Everybody, as the organization's directory has them.
#[derive(Debug)]
pub(crate) struct People {
    team: String,
    at_start: BTreeMap<String, User>,
    /// In the order in which they show.
    changes: Vec<(u64, String, Change)>,
    /// By id: since when the first entry about it shows, its name, and whether it is private.
    channels: BTreeMap<String, (u64, String, bool)>,
    /// Those of whom a test says whether they have a second factor.
    two_factor: BTreeMap<String, bool>,
}

#[derive(Debug, Clone)]
enum Change {
    Made(User),
    Role(Role),
    Active(bool),
}

/// Somebody as they are now.
struct Now {
    user: User,
    active: bool,
    two_factor: bool,
}

impl People {
    pub(crate) fn of(org: &Org) -> Self {
        let team = org.workspaces.first().map(|workspace| workspace.id.clone()).unwrap_or_default();
        let at_start = org.users.iter().map(|user| (user.id.clone(), user.clone())).collect();
        let mut people =
            Self { team, at_start, changes: Vec::new(), channels: BTreeMap::new(), two_factor: BTreeMap::new() };
        people.learn(&org.entries);
        people
    }

    pub(crate) fn learn(&mut self, entries: &[SimEntry]) {
        for entry in entries {
            if let Some((id, change)) = change(entry) {
                self.changes.push((entry.visible_at_ms, id, change));
            }
            if let Some((id, name, private)) = channel(entry) {
                let known = self.channels.entry(id).or_insert((entry.visible_at_ms, name, private));
                known.0 = known.0.min(entry.visible_at_ms);
            }
        }
        self.changes.sort_by_key(|(at_ms, ..)| *at_ms);
    }

    pub(crate) fn set_two_factor(&mut self, id: &str, on: bool) {
        self.two_factor.insert(id.to_owned(), on);
    }

    fn now(&self, id: &str, now_ms: u64) -> Option<Now> {
        let new = |user: &User| Now { user: user.clone(), active: true, two_factor: false };
        let mut now = self.at_start.get(id).map(new);
        for (_, _, change) in self.changes.iter().filter(|(at_ms, of, _)| *at_ms <= now_ms && of == id) {
            match (change, &mut now) {
                (Change::Made(user), None) => now = Some(new(user)),
                (Change::Role(role), Some(now)) => now.user.role = *role,
                (Change::Active(active), Some(now)) => now.active = *active,
                _ => {}
            }
        }
        now.map(|now| Now { two_factor: self.two_factor.get(id).copied().unwrap_or_else(|| has_2fa(&now.user)), ..now })
    }

    fn all(&self, now_ms: u64) -> Vec<Now> {
        let made =
            self.changes.iter().filter(|(at_ms, _, change)| matches!(change, Change::Made(_)) && *at_ms <= now_ms);
        let ids: std::collections::BTreeSet<&String> = self.at_start.keys().chain(made.map(|(_, id, _)| id)).collect();
        ids.into_iter().filter_map(|id| self.now(id, now_ms)).collect()
    }
}

/// The channel that an entry is about: id, name, and whether it is private.
fn channel(entry: &SimEntry) -> Option<(String, String, bool)> {
    if !entry.json.contains("\"channel\"") {
        return None;
    }
    let json: Value = serde_json::from_str(&entry.json).ok()?;
    let channel = json.pointer("/entity/channel")?;
    let text = |name: &str| channel.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Some((text("id"), text("name"), text("privacy") != "public"))
}

/// What an entry changes about whom.
fn change(entry: &SimEntry) -> Option<(String, Change)> {
    let role = match entry.action.as_str() {
        "role_change_to_owner" | "owner_transferred" | "org_owner_created" => Some(Role::Owner),
        "service_owner_transferred" => Some(Role::PrimaryOwner),
        "role_change_to_admin" => Some(Role::Admin),
        "role_change_to_user" | "user_created" => Some(Role::Member),
        "role_change_to_guest" | "guest_created" => Some(Role::Guest),
        _ => None,
    };
    let active = match entry.action.as_str() {
        "user_deactivated" | "guest_deactivated" | "guest_expired" => Some(false),
        "user_reactivated" | "guest_reactivated" => Some(true),
        _ => None,
    };
    if role.is_none() && active.is_none() {
        return None;
    }
    let json: Value = serde_json::from_str(&entry.json).ok()?;
    let user = json.pointer("/entity/user")?;
    let text = |name: &str| user.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let id = text("id");
    let change = match (role, active) {
        (Some(role), _) if entry.action.ends_with("_created") => {
            Change::Made(User { id: id.clone(), name: text("name"), email: text("email"), role })
        }
        (Some(role), _) => Change::Role(role),
        (None, active) => Change::Active(active?),
    };
    Some((id, change))
}

/// The answer of a method of this file; `None` if it is another one.
pub(crate) fn answer(
    shared: &Shared,
    state: &mut State,
    method: &str,
    params: &[(String, String)],
    token: Option<&str>,
    wire: &Wire,
) -> Option<Answer> {
    let count = match method {
        "users.info" | "admin.users.list" => &mut state.observed.counts.people_requests,
        "conversations.info" => &mut state.observed.counts.channel_requests,
        _ => return None,
    };
    *count += 1;
    let number = *count;
    let fault = state.people_faults.iter().find(|fault| fault.at.strikes(number)).map(|fault| fault.kind.clone());
    let now_ms = shared.clock.now_ms();
    if let Some(fault) = &fault {
        state.observed.fault(fault.name());
        if let Some(answer) = instead(state, fault, wire) {
            return Some(answer);
        }
    }
    let wanted = state.knobs.people_token.as_deref();
    let refusal = match token {
        None => Some("not_authed"),
        Some(token) if wanted.map_or(token.starts_with("xox"), |wanted| wanted == token) => None,
        Some(_) => Some("invalid_auth"),
    };
    if let Some(refusal) = refusal {
        return Some(state.refuse_politely(refusal));
    }
    let limits = Knobs { rate_per_minute: state.knobs.people_rate_per_minute, ..state.knobs.clone() };
    if let Err(secs) = state.people_bucket.take(&limits, now_ms) {
        let retry_after = bucket::retry_after(limits.retry_after, secs);
        return Some(state.too_many(retry_after));
    }
    let get = |name: &str| params.iter().rev().find(|(key, _)| key == name).map(|(_, value)| decode(value));
    let answer = match method {
        "users.info" => info(state, &get("user").unwrap_or_default(), now_ms),
        "conversations.info" => {
            let members = get("include_num_members").as_deref() == Some("true");
            conversation(state, &get("channel").unwrap_or_default(), members, now_ms)
        }
        _ => list(state, get("cursor").as_deref(), get("limit").as_deref(), now_ms),
    };
    Some(answer)
}

impl State {
    fn refuse_politely(&mut self, code: &str) -> Answer {
        self.observed.error(code);
        Answer::ok(ok_false(code))
    }

    fn too_many(&mut self, retry_after: Option<u64>) -> Answer {
        self.observed.counts.rate_limited += 1;
        self.observed.error("ratelimited");
        Answer { retry_after, ..Answer::with_status(429, ok_false("ratelimited")) }
    }
}

/// The answer of a fault that takes the place of the method's.
fn instead(state: &mut State, fault: &FaultKind, wire: &Wire) -> Option<Answer> {
    match fault {
        FaultKind::Status { code, body, retry_after } => {
            Some(Answer { retry_after: *retry_after, ..Answer::with_status(*code, body.clone()) })
        }
        FaultKind::ApiError { error } | FaultKind::OkFalse { error } => Some(state.refuse_politely(error)),
        FaultKind::GarbageBody => Some(Answer::ok("<html><body>upstream</body></html>".into())),
        FaultKind::RateLimit { retry_after } => Some(state.too_many(Some(*retry_after))),
        FaultKind::Unauthorized => Some(state.refuse_politely("invalid_auth")),
        FaultKind::DropConnection => {
            wire.drop_now();
            Some(Answer::with_status(0, String::new()))
        }
        FaultKind::SlowBody { ms } => {
            wire.stall_after_head(*ms);
            None
        }
        _ => None,
    }
}

fn info(state: &mut State, id: &str, now_ms: u64) -> Answer {
    let Some(now) = state.people.now(id, now_ms) else {
        return state.refuse_politely("user_not_found");
    };
    let team = &state.people.team;
    Answer::ok(object(|o| {
        o.flag("ok", true).obj("user", |user| describe(user, &now, team));
    }))
}

fn conversation(state: &mut State, id: &str, members: bool, now_ms: u64) -> Answer {
    let known = state.people.channels.get(id).filter(|(since_ms, _, private)| *since_ms <= now_ms && !private);
    let Some((_, name, private)) = known else {
        return state.refuse_politely("channel_not_found");
    };
    Answer::ok(object(|o| {
        o.flag("ok", true).obj("channel", |channel| {
            channel.str("id", id).str("name", name).flag("is_channel", true).flag("is_private", *private);
            channel.flag("is_ext_shared", false);
            if members {
                channel.uint("num_members", members_of(id));
            }
        });
    }))
}

/// The same number for a channel, always.
pub(crate) fn members_of(id: &str) -> u64 {
    3 + id.bytes().fold(0, |number: u64, byte| mix(number ^ u64::from(byte))) % 200
}

fn list(state: &mut State, cursor: Option<&str>, limit: Option<&str>, now_ms: u64) -> Answer {
    let all = state.people.all(now_ms);
    let from = match cursor.filter(|cursor| !cursor.is_empty()) {
        None => Some(0),
        Some(cursor) => cursor.parse::<usize>().ok().filter(|from| *from < all.len()),
    };
    let Some(from) = from else { return state.refuse_politely("invalid_cursor") };
    let limit = limit.and_then(|limit| limit.parse().ok()).unwrap_or(MOST_ON_A_PAGE).clamp(1, MOST_ON_A_PAGE);
    let page = &all[from..all.len().min(from + limit)];
    let next = if from + limit < all.len() { (from + limit).to_string() } else { String::new() };
    let users: Vec<String> = page.iter().map(|now| object(|user| listed(user, now, &state.people.team))).collect();
    Answer::ok(object(|o| {
        o.flag("ok", true).raw("users", &format!("[{}]", users.join(",")));
        o.obj("response_metadata", |metadata| {
            metadata.str("next_cursor", &next);
        });
    }))
}

/// As `users.info` has it. A deactivated account has no rank.
fn describe(o: &mut Obj<'_>, now: &Now, team: &str) {
    let user = &now.user;
    o.str("id", &user.id).str("team_id", team).str("name", mailbox(user)).flag("deleted", !now.active);
    o.str("real_name", &user.name).str("tz", "Europe/Berlin");
    o.obj("profile", |profile| {
        profile.str("real_name", &user.name).str("email", &user.email).str("team", team);
    });
    if now.active {
        ranks(o, user.role);
        o.flag("is_stranger", false).flag("has_2fa", now.two_factor);
        o.obj("enterprise_user", |enterprise| {
            enterprise.str("id", &user.id).strs("teams", &[team]);
            enterprise.flag("is_admin", is_at_least(user.role, 1)).flag("is_owner", is_at_least(user.role, 2));
            enterprise.flag("is_primary_owner", is_at_least(user.role, 3));
        });
    }
    o.flag("is_bot", user.role == Role::Bot).flag("is_app_user", false);
}

fn listed(o: &mut Obj<'_>, now: &Now, team: &str) {
    let user = &now.user;
    o.str("id", &user.id).str("email", &user.email).str("username", mailbox(user)).str("full_name", &user.name);
    ranks(o, user.role);
    o.flag("is_active", now.active).flag("is_bot", user.role == Role::Bot).flag("has_2fa", now.two_factor);
    o.flag("has_sso", user.role != Role::Guest).strs("workspaces", &[team]);
}

fn ranks(o: &mut Obj<'_>, role: Role) {
    o.flag("is_admin", is_at_least(role, 1)).flag("is_owner", is_at_least(role, 2));
    o.flag("is_primary_owner", is_at_least(role, 3));
    o.flag("is_restricted", role == Role::Guest).flag("is_ultra_restricted", false);
}

/// 1 admin, 2 owner, 3 primary owner.
fn is_at_least(role: Role, rank: u8) -> bool {
    let has = match role {
        Role::PrimaryOwner => 3,
        Role::Owner => 2,
        Role::Admin => 1,
        Role::Member | Role::Guest | Role::Bot => 0,
    };
    has >= rank
}

/// Whoever can do damage has it, and four in five of the others.
fn has_2fa(user: &User) -> bool {
    let number = user.id.bytes().fold(0, |number: u64, byte| mix(number ^ u64::from(byte)));
    is_at_least(user.role, 1) || user.role != Role::Bot && !number.is_multiple_of(5)
}

fn mailbox(user: &User) -> &str {
    user.email.split('@').next().unwrap_or_default()
}
