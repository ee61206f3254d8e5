//! OCSF objects made out of the leaves of an entry. Each takes only what its version has an attribute for.

use super::schema::{Made, Version};
use super::vocabulary as v;
use crate::leaves::{Leaves, is_ip};
use crate::shown::Shown;
use gridwatch_event::part::Part;
use gridwatch_event::role::Role;
use gridwatch_rules::about::Address;
use gridwatch_rules::alert::Alert;
use std::borrow::Cow;

/// Stands where OCSF requires a name and the entry has none.
pub(super) const UNKNOWN: &str = "unknown";

/// `user` from Slack's `{id, name, email, team, account_type}`.
///
/// OCSF wants a uid or a name, so an address alone serves as the name too.
pub(super) fn user<'e>(version: Version, leaves: &mut Leaves<'e>, at: &[&str]) -> Option<Shown<'e>> {
    // Mostly there is nobody.
    leaves.get(at)?;
    let path = |key| Way::to(at, key);
    let uid = leaves.id(&path("id"));
    let name = leaves.show_text(&path("name"));
    let email = leaves.text_where(&path("email"), |text| version.is_email(text));
    if uid.is_none() && name.is_none() && email.is_none() {
        return None;
    }
    let account_type = leaves.text(&path("account_type"));
    let (type_id, caption) = user_type(uid.as_deref(), email.as_deref(), account_type.as_deref());
    let org = leaves.id(&path("team")).map(|team| version.make(&v::ORGANIZATION).set("uid", team));
    let user = version
        .make(&v::USER)
        .maybe("name", name.or_else(|| email.clone().filter(|_| uid.is_none()).map(Shown::from)))
        .maybe("uid", uid)
        .maybe("email_addr", email)
        .maybe("org", org)
        .id("type_id", "type", type_id, account_type.unwrap_or(Cow::Borrowed(caption)));
    Some(user.into())
}

/// The names that lead to a member.
struct Way<'n>([&'n str; 4], usize);

impl<'n> Way<'n> {
    fn to(object: &[&'n str], member: &'n str) -> Self {
        let mut names = [member; 4];
        let known = object.len().min(names.len() - 1);
        names[..known].copy_from_slice(&object[..known]);
        Self(names, known + 1)
    }
}

impl<'n> std::ops::Deref for Way<'n> {
    type Target = [&'n str];

    fn deref(&self) -> &Self::Target {
        &self.0[..self.1]
    }
}

/// A user of whom only the id is known.
pub(super) fn user_by_id<'e>(version: Version, leaves: &mut Leaves<'e>, at: &[&str]) -> Option<Shown<'e>> {
    user_of_id(version, leaves.id(at)?)
}

/// The same for an id that is no leaf; `None` for "".
pub(super) fn user_of_id<'e>(version: Version, uid: Cow<'e, str>) -> Option<Shown<'e>> {
    let (type_id, caption) = user_type(Some(&uid), None, None);
    if uid.is_empty() {
        return None;
    }
    let user = version.make(&v::USER).set("uid", uid).id("type_id", "type", type_id, caption);
    Some(user.into())
}

pub(super) fn unknown_user<'e>(version: Version) -> Shown<'e> {
    version.make(&v::USER).set("name", UNKNOWN).id("type_id", "type", 0, "Unknown").into()
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
pub(super) fn known_user(version: Version, alert: &Alert) -> Option<Shown<'_>> {
    let actor = &alert.actor;
    let has_mfa = alert.about.actor.two_factor.as_ref().map(|told| told.value);
    let some = |text| Some(text).filter(|text: &&str| !text.is_empty());
    let (uid, email) = (some(&actor.id), some(&actor.email));
    let name = some(&actor.name).or_else(|| email.filter(|_| uid.is_none()));
    uid.or(name)?;
    let (type_id, caption) = user_type(uid, email, Some(actor.role_at_event.name()));
    let kind = if actor.role_at_event == Role::Unknown { caption } else { actor.role_at_event.name() };
    let user = version
        .make(&v::USER)
        .maybe("uid", uid)
        .maybe("name", name)
        .maybe("email_addr", email.filter(|email| version.is_email(email)))
        .take("has_mfa", || has_mfa)
        .id("type_id", "type", type_id, kind);
    Some(user.into())
}

/// `actor` without a session. The app is shown here and stays a leaf, as [`agency`](super::agency) shows all of it; an
/// agent that acted for the user counts as the app where no app is named.
pub(super) fn actor<'e>(version: Version, leaves: &mut Leaves<'e>) -> Made<'e> {
    let user = user(version, leaves, &["actor", "user"]);
    let said = |path: &[&str]| leaves.get(path).and_then(Part::as_str).filter(|text| !text.is_empty());
    version
        .make(&v::ACTOR)
        .maybe("user", user)
        .maybe("app_uid", said(&["context", "app", "id"]))
        .maybe("app_name", said(&["context", "app", "name"]).or_else(|| said(&["context", "acting_agent"])))
}

/// The identity provider that a sign-in came by, as Slack names it: `label` is the organization's word.
pub(super) fn identity_provider<'e>(version: Version, leaves: &mut Leaves<'e>) -> Option<Shown<'e>> {
    let uid = ["idp_entity_id", "idp_config_id"].into_iter().find_map(|key| leaves.show_text(&["details", key]));
    let name = leaves.show_text(&["details", "label"]);
    version.make(&v::IDP).maybe("name", name).maybe("uid", uid).non_empty()
}

/// Whose address the context has, where it isn't the actor's.
///
/// When someone is invited to a channel or kicked from it, the actor is the member but the context is the inviter's
/// (docs.slack.dev/reference/audit-logs-api): then the endpoint says whose it is. `inviter` and `kicker` come flat or, in
/// older entries, as `{type, user: {…}}`.
pub(super) fn inviter<'e>(version: Version, leaves: &mut Leaves<'e>) -> Option<Shown<'e>> {
    ["inviter", "kicker"].into_iter().find_map(|who| {
        user(version, leaves, &["details", who, "user"]).or_else(|| user(version, leaves, &["details", who]))
    })
}

/// An endpoint of which only the address is known, unless it is the one of which more is; `None` for a text that OCSF's
/// `ip_t` doesn't allow.
pub(super) fn endpoint<'e>(version: Version, ip: &'e str, known: Option<&'e Address>) -> Option<Shown<'e>> {
    let known = known.filter(|known| known.ip == ip);
    let country = known.map(|known| known.country.as_str()).filter(|country| !country.is_empty());
    let name = known.map(|known| known.organization.as_str()).filter(|name| !name.is_empty());
    let number = known.and_then(|known| known.asn.strip_prefix("AS")?.parse::<u64>().ok());
    let system = number.map(|number| version.make(&v::AUTONOMOUS_SYSTEM).set("number", number).maybe("name", name));
    is_ip(ip).then(|| {
        let endpoint = version.make(&v::NETWORK_ENDPOINT).set("ip", ip);
        let endpoint = endpoint.maybe("location", country.map(|it| version.make(&v::LOCATION).set("country", it)));
        endpoint.take("autonomous_system", || system).into()
    })
}

/// `http_request`: all of it that Slack gives is the user agent.
pub(super) fn http_request<'e>(version: Version, leaves: &mut Leaves<'e>, at: &[&str]) -> Option<Shown<'e>> {
    leaves.show_text(at).map(|user_agent| user_agent_request(version, user_agent))
}

pub(super) fn user_agent_request<'e>(version: Version, user_agent: impl Into<Shown<'e>>) -> Shown<'e> {
    version.make(&v::HTTP_REQUEST).set("user_agent", user_agent).into()
}

pub(super) fn service<'e>(version: Version, name: impl Into<Shown<'e>>) -> Shown<'e> {
    version.make(&v::SERVICE).set("name", name).into()
}

/// Is the context the inviter's or kicker's?
pub(super) fn is_context_of_another(leaves: &Leaves<'_>) -> bool {
    let is_said = leaves.get(&["details", "type"]).is_some_and(|how| how.is("INVITED") || how.is("KICKED"));
    is_said || ["inviter", "kicker"].iter().any(|who| leaves.get(&["details", who]).is_some_and(Part::is_object))
}

/// What identifies an entity of any type. At least one of the two is there.
struct Names<'e> {
    uid: Option<Cow<'e, str>>,
    name: Option<Shown<'e>>,
}

impl<'e> Names<'e> {
    fn put_into(self, object: Made<'e>) -> Made<'e> {
        object.maybe("uid", self.uid).maybe("name", self.name)
    }
}

fn names<'e>(leaves: &mut Leaves<'e>, kind: &'e str) -> Names<'e> {
    let path = |key| ["entity", kind, key];
    let uid = leaves.id(&path("id")).or_else(|| message_uid(leaves, kind));
    let name =
        ["name", "template_name", "title", "callback_id"].into_iter().find_map(|key| leaves.show_text(&path(key)));
    let nameless = uid.is_none() && name.is_none();
    Names { name: name.or_else(|| nameless.then(|| label(kind).into())), uid }
}

/// A message has no id: channel and timestamp together are what Slack's own API asks for. Both stay leaves too.
fn message_uid<'e>(leaves: &Leaves<'e>, kind: &str) -> Option<Cow<'e, str>> {
    let text = |key| leaves.get(&["entity", kind, key]).and_then(Part::as_str).filter(|text| !text.is_empty());
    (kind == "message").then(|| Some(format!("{}/{}", text("channel")?, text("timestamp")?).into()))?
}

fn label(kind: &str) -> &str {
    if kind.is_empty() { UNKNOWN } else { kind }
}

/// Of the entity, what no attribute has taken.
fn rest<'e>(leaves: &mut Leaves<'e>, kind: &str) -> Option<Shown<'e>> {
    leaves.object(&["entity", kind])
}

/// `web_resource`, for an entity of any type.
pub(super) fn web_resource<'e>(version: Version, leaves: &mut Leaves<'e>, kind: &'e str) -> Shown<'e> {
    described(version.make(&v::WEB_RESOURCE), leaves, kind)
}

/// `resource_details`, for an entity of any type.
pub(super) fn resource<'e>(version: Version, leaves: &mut Leaves<'e>, kind: &'e str) -> Shown<'e> {
    described(version.make(&v::RESOURCE_DETAILS), leaves, kind)
}

fn described<'e>(object: Made<'e>, leaves: &mut Leaves<'e>, kind: &'e str) -> Shown<'e> {
    names(leaves, kind).put_into(object).set("type", label(kind)).take("data", || rest(leaves, kind)).into()
}

/// `managed_entity`: for an entity of any type. 1.1.0 has no user in it, so a user is an entity like any other there.
pub(super) fn managed_entity<'e>(version: Version, leaves: &mut Leaves<'e>, kind: &'e str) -> Shown<'e> {
    let (type_id, caption) = match kind {
        "user" => (2, "User"),
        "usergroup" => (3, "Group"),
        "workspace" | "enterprise" => (4, "Organization"),
        "barrier" | "legal_hold_policy" => (5, "Policy"),
        "" => (0, "Unknown"),
        other => (99, other),
    };
    let entity = version.make(&v::MANAGED_ENTITY).id("type_id", "type", type_id, caption);
    if kind == "user" && entity.has("user") {
        let user = user(version, leaves, &["entity", kind]).unwrap_or_else(|| unknown_user(version));
        return entity.set("user", user).into();
    }
    names(leaves, kind).put_into(entity).take("data", || rest(leaves, kind)).into()
}

/// A setting as `managed_entity`: the policy and its value at one time. In 1.1.0 the policy is the entity itself.
pub(super) fn policy_entity<'e>(version: Version, name: Cow<'e, str>, value: Option<Shown<'e>>) -> Made<'e> {
    let entity = version.make(&v::MANAGED_ENTITY).id("type_id", "type", 5, "Policy");
    if !entity.has("policy") {
        return entity.set("name", name).maybe("data", value);
    }
    let policy = version.make(&v::POLICY).set("name", name).maybe("data", value);
    entity.set("policy", policy)
}

/// `organization`: a workspace or the enterprise that the entity names.
pub(super) fn organization<'e>(version: Version, leaves: &mut Leaves<'e>, kind: &'e str) -> Option<Shown<'e>> {
    let is_place = matches!(kind, "workspace" | "enterprise");
    is_place.then(|| names(leaves, kind).put_into(version.make(&v::ORGANIZATION)).into())
}

/// `group`: what one can be a member of. The entity may be the member instead; then the details or the location name it.
pub(super) fn group<'e>(
    version: Version,
    leaves: &mut Leaves<'e>,
    kind: &'e str,
    location: Option<&Shown<'e>>,
) -> Shown<'e> {
    let group = version.make(&v::GROUP);
    if !matches!(kind, "user" | "") {
        return names(leaves, kind).put_into(group).set("type", kind).into();
    }
    for (key, group_type) in [("subteam", "usergroup"), ("channel_id", "channel"), ("channel", "channel")] {
        if let Some(uid) = leaves.id(&["details", key]) {
            return group.set("uid", uid).set("type", group_type).into();
        }
    }
    let of_location = |key| location.and_then(|place| place.get(key)).cloned();
    let place = group.maybe("uid", of_location("uid")).maybe("name", of_location("name"));
    if place.is_empty() { place.set("name", UNKNOWN).into() } else { place.into() }
}

/// `app` (OCSF: a product). Some entries about an app have another entity and name the app in the details at best.
pub(super) fn app<'e>(version: Version, leaves: &mut Leaves<'e>, kind: &'e str) -> Shown<'e> {
    let app = version.make(&v::PRODUCT).fill("vendor_name", UNKNOWN);
    if kind == "app" {
        return names(leaves, kind).put_into(app).into();
    }
    match leaves.id(&["details", "app_id"]) {
        Some(uid) => app.set("uid", uid).into(),
        None => app.set("name", UNKNOWN).into(),
    }
}

/// `file`: files, canvases and lists.
pub(super) fn file<'e>(version: Version, leaves: &mut Leaves<'e>, kind: &'e str) -> Shown<'e> {
    let path = |key| ["entity", kind, key];
    let uid = leaves.id(&path("id"));
    let name = leaves.show_text(&path("name"));
    let title = leaves.show_text(&path("title"));
    let (name, desc) = match (name, title) {
        (Some(name), title) => (name, title),
        (None, Some(title)) => (title, None),
        (None, None) => (uid.clone().unwrap_or(Cow::Borrowed(UNKNOWN)).into(), None),
    };
    let md5 = leaves.show_text(&["details", "md5"]).or_else(|| leaves.show_text(&["details", "md5_hash"]));
    let hashes = md5.map(|value| vec![Shown::from(hash(version, 1, "MD5", value))]);
    let (type_id, caption) = if kind == "file" { (1, "Regular File") } else { (99, label(kind)) };
    version
        .make(&v::FILE)
        .set("name", name)
        .maybe("desc", desc)
        .maybe("uid", uid)
        // Documented as a MIME type; anything else isn't one.
        .maybe("mime_type", leaves.show_text_where(&path("filetype"), |text| text.contains('/')))
        .take("uri", || leaves.show_text(&["details", "url_private"]))
        .maybe("hashes", hashes)
        .id("type_id", "type", type_id, caption)
        .into()
}

/// `fingerprint`.
pub(super) fn hash<'e>(
    version: Version,
    algorithm_id: u64,
    algorithm: &'e str,
    value: impl Into<Shown<'e>>,
) -> Made<'e> {
    version.make(&v::FINGERPRINT).id("algorithm_id", "algorithm", algorithm_id, algorithm).set("value", value)
}
