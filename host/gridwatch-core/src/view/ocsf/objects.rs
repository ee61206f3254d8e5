//! OCSF objects made out of the leaves of an entry. Each takes only what it has an attribute for.

use crate::alert::Actor;
use crate::directory::Role;
use crate::view::fields::Fields;
use crate::view::leaves::{Leaves, is_email, is_ip};
use serde_json::{Value, json};

/// Stands where OCSF requires a name and the entry has none.
pub(super) const UNKNOWN: &str = "unknown";

/// `user` from Slack's `{id, name, email, team, account_type}`.
///
/// OCSF wants a uid or a name, so an address alone serves as the name too.
pub(super) fn user(leaves: &mut Leaves, at: &[&str]) -> Option<Value> {
    let path = |key| [at, &[key]].concat();
    let uid = leaves.id(&path("id"));
    let name = leaves.text(&path("name"));
    let email = leaves.email(&path("email"));
    if uid.is_none() && name.is_none() && email.is_none() {
        return None;
    }
    let account_type = leaves.text(&path("account_type"));
    let (type_id, caption) = user_type(uid.as_deref(), email.as_deref(), account_type.as_deref());
    let org = leaves.id(&path("team")).map(|team| json!({ "uid": team }));
    let user = Fields::new()
        .maybe("name", name.or_else(|| email.clone().filter(|_| uid.is_none())))
        .maybe("uid", uid)
        .maybe("email_addr", email)
        .maybe("org", org)
        .set("type", account_type.unwrap_or_else(|| caption.to_owned()))
        .set("type_id", type_id);
    Some(user.into())
}

/// A user of whom only the id is known.
pub(super) fn user_by_id(leaves: &mut Leaves, at: &[&str]) -> Option<Value> {
    user_of_id(&leaves.id(at)?)
}

/// The same for an id that is no leaf; `None` for "".
pub(super) fn user_of_id(uid: &str) -> Option<Value> {
    let (type_id, caption) = user_type(Some(uid), None, None);
    (!uid.is_empty()).then(|| json!({ "uid": uid, "type": caption, "type_id": type_id }))
}

pub(super) fn unknown_user() -> Value {
    json!({ "name": UNKNOWN, "type": "Unknown", "type_id": 0 })
}

/// `type_id` and its caption.
///
/// `USLACKUSER` and `USLACKSECURITY` are Slack's placeholders where no person acted, and bots have addresses
/// `botuser-T…-A…@slack-bots.com` (docs.slack.dev/admins/audit-logs-api).
pub(super) fn user_type(uid: Option<&str>, email: Option<&str>, account_type: Option<&str>) -> (u64, &'static str) {
    let is_bot = |email: &str| email.ends_with("@slack-bots.com");
    match account_type.map(str::to_ascii_lowercase).as_deref() {
        _ if uid.is_some_and(|uid| uid.starts_with("USLACK")) => (3, "System"),
        _ if email.is_some_and(is_bot) => (4, "Service"),
        None | Some("user" | "member" | "regular") => (1, "User"),
        Some(kind) if kind.contains("admin") || kind.contains("owner") => (2, "Admin"),
        Some(kind) if kind.contains("bot") => (4, "Service"),
        Some("unknown") => (0, "Unknown"),
        Some(_) => (99, "Other"),
    }
}

/// `user` of an alert's actor, with the role at the event as its type; `None` where no entry said who it was.
///
/// An address serves as the name where there is no other; one that OCSF doesn't take for an address can't do more.
pub(super) fn known_user(actor: &Actor) -> Option<Value> {
    let some = |text| Some(text).filter(|text: &&str| !text.is_empty());
    let (uid, email) = (some(&actor.id), some(&actor.email));
    let name = some(&actor.name).or_else(|| email.filter(|_| uid.is_none()));
    uid.or(name)?;
    let (type_id, caption) = user_type(uid, email, Some(actor.role_at_event.name()));
    let kind = if actor.role_at_event == Role::Unknown { caption } else { actor.role_at_event.name() };
    let user = Fields::new()
        .maybe("uid", uid)
        .maybe("name", name)
        .maybe("email_addr", email.filter(|email| is_email(email)))
        .set("type", kind)
        .set("type_id", type_id);
    Some(user.into())
}

/// `actor` without a session. An agent that acted for the user counts as the app where no app is named.
pub(super) fn actor(leaves: &mut Leaves) -> Fields {
    let app_name = leaves.text(&["context", "app", "name"]);
    Fields::new()
        .maybe("user", user(leaves, &["actor", "user"]))
        .maybe("app_uid", leaves.id(&["context", "app", "id"]))
        .maybe("app_name", app_name.or_else(|| leaves.text(&["context", "acting_agent"])))
}

/// Address of the caller, `None` where Slack gives none.
///
/// When someone is invited to a channel or kicked from it, the actor is the member but the context is the inviter's
/// (docs.slack.dev/reference/audit-logs-api): then the endpoint says whose it is.
pub(super) fn source(leaves: &mut Leaves) -> Option<Fields> {
    let ip = leaves.ip(&["context", "ip_address"])?;
    Some(Fields::new().set("ip", ip).maybe("owner", inviter(leaves)))
}

/// An endpoint of which only the address is known; `None` for a text that OCSF's `ip_t` doesn't allow.
pub(super) fn endpoint(ip: &str) -> Option<Value> {
    is_ip(ip).then(|| json!({ "ip": ip }))
}

/// `http_request`: all of it that Slack gives is the user agent.
pub(super) fn http_request(leaves: &mut Leaves, at: &[&str]) -> Option<Value> {
    leaves.text(at).map(|user_agent| json!({ "user_agent": user_agent }))
}

/// Is the context the inviter's or kicker's?
pub(super) fn is_context_of_another(leaves: &Leaves) -> bool {
    let how = leaves.get(&["details", "type"]).and_then(Value::as_str);
    matches!(how, Some("INVITED" | "KICKED"))
        || ["inviter", "kicker"].iter().any(|who| leaves.get(&["details", who]).is_some_and(Value::is_object))
}

/// `inviter` and `kicker` come flat or, in older entries, as `{type, user: {…}}`.
fn inviter(leaves: &mut Leaves) -> Option<Value> {
    ["inviter", "kicker"]
        .into_iter()
        .find_map(|who| user(leaves, &["details", who, "user"]).or_else(|| user(leaves, &["details", who])))
}

/// What identifies an entity of any type. At least one of the two is there.
struct Names {
    uid: Option<String>,
    name: Option<String>,
}

impl Names {
    fn fields(self) -> Fields {
        Fields::new().maybe("uid", self.uid).maybe("name", self.name)
    }
}

fn names(leaves: &mut Leaves, kind: &str) -> Names {
    let path = |key| ["entity", kind, key];
    let uid = leaves.id(&path("id")).or_else(|| message_uid(leaves, kind));
    let name = ["name", "template_name", "title", "callback_id"].into_iter().find_map(|key| leaves.text(&path(key)));
    let nameless = uid.is_none() && name.is_none();
    Names { name: name.or_else(|| nameless.then(|| label(kind))), uid }
}

/// A message has no id: channel and timestamp together are what Slack's own API asks for. Both stay leaves too.
fn message_uid(leaves: &Leaves, kind: &str) -> Option<String> {
    let text = |key| leaves.get(&["entity", kind, key]).and_then(Value::as_str).filter(|text| !text.is_empty());
    (kind == "message").then(|| Some(format!("{}/{}", text("channel")?, text("timestamp")?)))?
}

fn label(kind: &str) -> String {
    if kind.is_empty() { UNKNOWN } else { kind }.to_owned()
}

/// Of the entity, what no attribute has taken.
fn rest(leaves: &mut Leaves, kind: &str) -> Option<Value> {
    leaves.object(&["entity", kind])
}

/// `web_resource`, and just as well `resource_details`: for an entity of any type.
pub(super) fn resource(leaves: &mut Leaves, kind: &str) -> Value {
    names(leaves, kind).fields().set("type", label(kind)).maybe("data", rest(leaves, kind)).into()
}

/// `managed_entity`: for an entity of any type.
pub(super) fn managed_entity(leaves: &mut Leaves, kind: &str) -> Value {
    let (type_id, caption) = match kind {
        "user" => (2, "User"),
        "usergroup" => (3, "Group"),
        "workspace" | "enterprise" => (4, "Organization"),
        "barrier" | "legal_hold_policy" => (5, "Policy"),
        "" => (0, "Unknown"),
        other => (99, other),
    };
    let entity = Fields::new().set("type", caption).set("type_id", type_id);
    if kind == "user" {
        return entity.set("user", user(leaves, &["entity", kind]).unwrap_or_else(unknown_user)).into();
    }
    let names = names(leaves, kind);
    entity.maybe("uid", names.uid).maybe("name", names.name).maybe("data", rest(leaves, kind)).into()
}

/// A setting as `managed_entity`: the policy, the workspace or organization it holds for, and its value at one time.
pub(super) fn policy_entity(name: &str, of: Option<Value>, value: Option<Value>) -> Value {
    let policy = Fields::new().set("name", name).maybe("data", value);
    Fields::new().set("type", "Policy").set("type_id", 5).set("policy", policy).maybe("org", of).into()
}

/// `organization`: a workspace or the enterprise that the entity names.
pub(super) fn organization(leaves: &mut Leaves, kind: &str) -> Option<Value> {
    matches!(kind, "workspace" | "enterprise").then(|| names(leaves, kind).fields().into())
}

/// `group`: what one can be a member of. The entity may be the member instead; then the details or the location name it.
pub(super) fn group(leaves: &mut Leaves, kind: &str, location: Option<&Value>) -> Value {
    if !matches!(kind, "user" | "") {
        return names(leaves, kind).fields().set("type", kind).into();
    }
    for (key, group_type) in [("subteam", "usergroup"), ("channel_id", "channel"), ("channel", "channel")] {
        if let Some(uid) = leaves.id(&["details", key]) {
            return json!({ "uid": uid, "type": group_type });
        }
    }
    let place = location.and_then(Value::as_object).cloned().unwrap_or_default();
    if place.is_empty() { json!({ "name": UNKNOWN }) } else { Value::Object(place) }
}

/// `app` (OCSF: a product). Some entries about an app have another entity and name the app in the details at best.
pub(super) fn app(leaves: &mut Leaves, kind: &str) -> Value {
    if kind == "app" {
        return names(leaves, kind).fields().into();
    }
    match leaves.id(&["details", "app_id"]) {
        Some(uid) => json!({ "uid": uid }),
        None => json!({ "name": UNKNOWN }),
    }
}

/// `file`: files, canvases and lists.
pub(super) fn file(leaves: &mut Leaves, kind: &str) -> Value {
    let path = |key| ["entity", kind, key];
    let uid = leaves.id(&path("id"));
    let name = leaves.text(&path("name"));
    let title = leaves.text(&path("title"));
    let (name, desc) = match (name, title) {
        (Some(name), title) => (name, title),
        (None, Some(title)) => (title, None),
        (None, None) => (uid.clone().unwrap_or_else(|| UNKNOWN.to_owned()), None),
    };
    // Documented as a MIME type; anything else isn't one.
    let is_mime = leaves.get(&path("filetype")).and_then(Value::as_str).is_some_and(|text| text.contains('/'));
    let mime_type = if is_mime { leaves.text(&path("filetype")) } else { None };
    let md5 = leaves.text(&["details", "md5"]).or_else(|| leaves.text(&["details", "md5_hash"]));
    let hashes = md5.map(|value| json!([{ "algorithm": "MD5", "algorithm_id": 1, "value": value }]));
    let (type_id, caption) = if kind == "file" { (1, "Regular File".to_owned()) } else { (99, label(kind)) };
    Fields::new()
        .set("name", name)
        .maybe("desc", desc)
        .maybe("uid", uid)
        .maybe("mime_type", mime_type)
        .maybe("uri", leaves.text(&["details", "url_private"]))
        .maybe("hashes", hashes)
        .set("type", caption)
        .set("type_id", type_id)
        .into()
}
