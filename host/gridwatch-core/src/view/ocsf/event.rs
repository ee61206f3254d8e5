//! The OCSF view of one event: class by action, attributes by taking leaves, the rest to `unmapped`.

use super::classes::{self, Activity, Class, Mapping, Status};
use super::objects;
use super::{SCHEMA_VERSION, classification, is_believable, profile, timestamp};
use crate::entry::hex;
use crate::event::Event;
use crate::manifest::Severity;
use crate::view::Product;
use crate::view::fields::Fields;
use crate::view::leaves::Leaves;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Do views carry the entry's bytes? They about double the size, so it is a choice per sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RawData {
    #[default]
    Include,
    /// Only for entries that are an object: of any other entry the bytes are all there is, so they stay.
    Omit,
}

/// The OCSF view of an event, with the bytes that Slack sent.
pub fn event(event: &Event, product: &Product<'_>) -> Value {
    event_with(event, product, RawData::Include)
}

/// The OCSF view of an event.
pub fn event_with(event: &Event, product: &Product<'_>, raw_data: RawData) -> Value {
    match Leaves::of(event.json()) {
        Some(leaves) => Draft::new(event, leaves).finish(product, raw_data),
        None => unreadable(event, product),
    }
}

/// An entry that is no object, or too deep to be read: a Base Event that carries its bytes.
fn unreadable(event: &Event, product: &Product<'_>) -> Value {
    let activity = Activity { class: Class::BaseEvent, id: 99, name: "Other" };
    classification(activity, activity.name, Severity::Informational)
        .set("metadata", metadata(event, product))
        .set("raw_data", event.raw())
        .set("raw_data_hash", raw_data_hash(event))
        .set("time", time(event))
        .into()
}

/// A view on its way: what is left of the entry, what has been made of it, and the profiles that needed.
struct Draft<'e> {
    event: &'e Event,
    /// `entity.type`, or "".
    kind: &'e str,
    mapping: Mapping,
    leaves: Leaves,
    out: Fields,
    profiles: BTreeSet<&'static str>,
}

impl<'e> Draft<'e> {
    fn new(event: &'e Event, leaves: Leaves) -> Self {
        let mapping = classes::mapping(&event.action);
        let activity = mapping.activity;
        let is_named = activity.id != 99 || event.action.is_empty();
        let name = if is_named { activity.name } else { &event.action };
        let out = classification(activity, name, mapping.severity).set("time", time(event));
        Self { event, kind: event.entity_type(), mapping, leaves, out, profiles: BTreeSet::new() }
    }

    fn finish(mut self, product: &Product<'_>, raw_data: RawData) -> Value {
        self.outcome();
        self.location();
        self.actor();
        self.source();
        self.subject();
        self.out.put_maybe("status_detail", self.leaves.text(&["details", "reason"]));
        let metadata = self.metadata(product);
        self.out.put("metadata", metadata);
        self.out.put("raw_data_hash", raw_data_hash(self.event));
        if raw_data == RawData::Include {
            self.out.put("raw_data", self.event.raw());
        }
        let rest = self.leaves.into_rest();
        if !rest.is_empty() {
            self.out.put("unmapped", rest);
        }
        self.out.into()
    }

    fn class(&self) -> Class {
        self.mapping.activity.class
    }

    /// File hosting and API calls require to know where a call came from, and by whom.
    fn requires_origin(&self) -> bool {
        matches!(self.class(), Class::FileHostingActivity | Class::ApiActivity)
    }

    fn outcome(&mut self) {
        if self.class() == Class::DetectionFinding {
            return; // A finding's status is its life cycle; see `finding`.
        }
        let said_no = self.class() == Class::ApiActivity
            && self.leaves.get(&["details", "success"]).is_some_and(|success| *success == Value::Bool(false));
        let status = if said_no { Status::Failure } else { self.mapping.status };
        let (id, name) = match status {
            Status::Success if !self.mapping.is_known => (0, "Unknown"),
            Status::Success => (1, "Success"),
            Status::Failure | Status::Blocked => (2, "Failure"),
        };
        self.out.put("status_id", id);
        self.out.put("status", name);
        if status == Status::Blocked {
            self.profiles.insert(profile::SECURITY_CONTROL);
            for (key, id, name) in [("action", 2, "Denied"), ("disposition", 2, "Blocked")] {
                self.out.put(&format!("{key}_id"), id);
                self.out.put(key, name);
            }
        }
    }

    /// The workspace is the account and the enterprise the organization of a cloud called Slack. Which of the two it is
    /// says the type, not the id: Slack's own sample pairs `workspace` with an `E…` id.
    fn location(&mut self) {
        let kind = self.leaves.get(&["context", "location", "type"]).and_then(Value::as_str);
        let key = match kind {
            Some("workspace") => Some("account"),
            Some("enterprise") => Some("org"),
            _ => None,
        };
        let place = key.and_then(|_| {
            let uid = self.leaves.id(&["context", "location", "id"]);
            Fields::new()
                .maybe("uid", uid)
                .maybe("name", self.leaves.text(&["context", "location", "name"]))
                .non_empty()
        });
        if place.is_some() || self.class() == Class::ApiActivity {
            self.profiles.insert(profile::CLOUD);
            self.out.put("cloud", Fields::new().set("provider", "Slack").maybe(key.unwrap_or_default(), place));
        }
    }

    fn place(&self) -> Option<&Value> {
        let cloud = self.out.get("cloud")?;
        cloud.get("account").or_else(|| cloud.get("org"))
    }

    fn actor(&mut self) {
        let agent = match self.class() {
            Class::ApiActivity => self.leaves.text(&["context", "acting_agent"]),
            _ => None,
        };
        if let Some(agent) = agent {
            self.profiles.insert(profile::AI_OPERATION);
            let context = json!({ "ai_role": "Agent", "ai_role_id": 4, "name": agent, "service": { "name": "Slack" } });
            self.out.put("message_context", context);
        }
        let mut actor = objects::actor(&mut self.leaves);
        if !objects::is_context_of_another(&self.leaves) {
            let session = self.leaves.id(&["context", "session_id"]).map(|uid| json!({ "uid": uid }));
            if self.is_session_of_target() {
                self.out.put_maybe("session", session);
            } else {
                actor.put_maybe("session", session);
            }
        }
        if self.requires_origin() && actor.get("user").is_none() {
            actor.put("user", objects::unknown_user());
        }
        if let Some(actor) = actor.non_empty() {
            self.profiles.insert(profile::HOST);
            self.out.put("actor", actor);
        }
    }

    /// The session of a sign-in is what the event is about; that of an admin who resets another's is only the actor's.
    fn is_session_of_target(&self) -> bool {
        let target = self.leaves.get(&["entity", "user", "id"]);
        self.class() == Class::Authentication
            && classes::is_own_act(&self.event.action)
            && (self.kind != "user" || target == self.event.json().pointer("/actor/user/id"))
    }

    /// Address and user agent. Base Event and Application Lifecycle have no endpoint: the address is the device's there,
    /// and the user agent an observable that stays in `unmapped`.
    fn source(&mut self) {
        let endpoint = objects::source(&mut self.leaves);
        if matches!(self.class(), Class::BaseEvent | Class::ApplicationLifecycle) {
            if let Some(device) = endpoint {
                self.profiles.insert(profile::HOST);
                self.out.put("device", device.set("type", "Unknown").set("type_id", 0));
            }
            self.out.put_maybe("observables", self.user_agent_observable());
            return;
        }
        if self.class() == Class::DetectionFinding {
            let now = Fields::new().maybe("src_endpoint", endpoint).maybe("actor", self.out.get("actor").cloned());
            self.evidence("now", now, &["context", "ua"]);
            return;
        }
        let http_request = objects::http_request(&mut self.leaves, &["context", "ua"]);
        // Slack's own servers have no address in the log.
        let server = || self.requires_origin().then(|| Fields::new().set("svc_name", "Slack"));
        let endpoint = endpoint.or_else(server);
        self.out.put_maybe("src_endpoint", endpoint);
        self.out.put_maybe("http_request", http_request);
    }

    fn user_agent_observable(&self) -> Option<Value> {
        let user_agent = self.leaves.get(&["context", "ua"])?.as_str().filter(|text| !text.is_empty())?;
        let name = "unmapped.context.ua";
        Some(json!([{ "name": name, "type": "HTTP User-Agent", "type_id": 16, "value": user_agent }]))
    }

    /// What it was done to, in the words of the class.
    fn subject(&mut self) {
        match self.class() {
            Class::BaseEvent => {}
            Class::DetectionFinding => self.finding(),
            Class::Authentication => {
                self.out.put("service", json!({ "name": "Slack" }));
                self.target_user();
            }
            Class::AccountChange => {
                if self.event.action.starts_with("user_passkey_") {
                    self.out.put("auth_factors", json!([{ "factor_type": "WebAuthn", "factor_type_id": 10 }]));
                }
                self.target_user();
            }
            Class::UserAccessManagement => self.access(),
            Class::GroupManagement => self.membership(),
            Class::EntityManagement => self.entity(),
            Class::WebResourcesActivity => {
                let resource = objects::resource(&mut self.leaves, self.kind);
                self.out.put("web_resources", vec![resource]);
            }
            Class::ApplicationLifecycle => {
                let app = objects::app(&mut self.leaves, self.kind);
                self.out.put("app", app);
            }
            Class::ApiActivity => self.api(),
            Class::FileHostingActivity => {
                let file = objects::file(&mut self.leaves, self.kind);
                self.out.put("file", file);
                self.out
                    .put_maybe("access_list", self.leaves.text(&["details", "access_level"]).map(|level| vec![level]));
            }
        }
    }

    /// The user it was done to, if the entry tells.
    fn target(&mut self) -> Option<Value> {
        let named = if self.kind == "user" { objects::user(&mut self.leaves, &["entity", "user"]) } else { None };
        named
            .or_else(|| objects::user_by_id(&mut self.leaves, &["details", "target_user"]))
            .or_else(|| objects::user_by_id(&mut self.leaves, &["details", "target_user_id"]))
            .or_else(|| {
                let actor = self.out.get("actor")?.get("user")?;
                classes::is_own_act(&self.event.action).then(|| actor.clone())
            })
    }

    fn target_user(&mut self) {
        let user = self.target().unwrap_or_else(objects::unknown_user);
        self.out.put("user", user);
    }

    fn access(&mut self) {
        self.target_user();
        let resource = match self.kind {
            "user" | "" => None,
            _ => Some(objects::resource(&mut self.leaves, self.kind)),
        };
        let from_role = || {
            let role = resource.as_ref().filter(|_| matches!(self.kind, "role" | "account_type_role"))?;
            role.get("name").or_else(|| role.get("uid")).cloned().map(|role| vec![role])
        };
        let named = classes::privilege(&self.event.action).map(|name| vec![Value::from(name)]);
        let privileges = named.or_else(from_role).unwrap_or_else(|| vec![objects::UNKNOWN.into()]);
        self.out.put("privileges", privileges);
        let place = self.leaves.id(&["details", "target_entity"]).map(|uid| json!({ "uid": uid }));
        let resources: Vec<Value> = resource.into_iter().chain(place).collect();
        self.out.put_maybe("resources", (!resources.is_empty()).then_some(resources));
    }

    fn membership(&mut self) {
        let user = self.target();
        self.out.put_maybe("user", user);
        let place = self.place().cloned();
        let group = objects::group(&mut self.leaves, self.kind, place.as_ref());
        self.out.put("group", group);
    }

    fn entity(&mut self) {
        if !classes::is_policy(&self.event.action) {
            let entity = objects::managed_entity(&mut self.leaves, self.kind);
            self.out.put("entity", entity);
            let permissions = self.leaves.texts(&["details", "changed_permissions"]);
            self.out.put_maybe("access_list", permissions);
            return;
        }
        let org = objects::organization(&mut self.leaves, self.kind);
        let name = ["pref_name", "policy_name"].into_iter().find_map(|key| self.leaves.text(&["details", key]));
        let name = name.unwrap_or_else(|| self.event.action.clone());
        let before = self.leaves.value(&["details", "previous_value"]);
        let after = self.leaves.value(&["details", "new_value"]);
        self.out.put("entity", objects::policy_entity(&name, org, before));
        self.out.put_maybe("entity_result", after.map(|value| objects::policy_entity(&name, None, Some(value))));
    }

    fn api(&mut self) {
        let operation = ["tool_name", "tool"].into_iter().find_map(|key| self.leaves.text(&["details", key]));
        let server = self.leaves.text(&["details", "server_name"]);
        let arguments = self.leaves.value(&["details", "arguments"]);
        let request = arguments.map(|arguments| json!({ "uid": self.event.id, "data": arguments }));
        let api = Fields::new()
            .set("operation", operation.unwrap_or_else(|| self.event.action.clone()))
            .set("service", json!({ "name": server.unwrap_or_else(|| "Slack".to_owned()) }))
            .maybe("request", request);
        self.out.put("api", api);
        if !self.kind.is_empty() {
            let resource = objects::resource(&mut self.leaves, self.kind);
            self.out.put("resources", vec![resource]);
        }
    }

    /// Slack's own findings: the anomalies, malicious files and DLP hits it reports in the log.
    fn finding(&mut self) {
        let is_closed = self.mapping.activity == classes::FINDING_CLOSE;
        let (status_id, status) = if is_closed { (6, "Deleted") } else { (1, "New") };
        self.out.put("status_id", status_id);
        self.out.put("status", status);
        self.profiles.insert(profile::SECURITY_CONTROL);
        self.out.put("is_alert", true);
        // The entry's time is that of detection; the act was up to a minute earlier. Microseconds.
        let acted = self.leaves.get(&["details", "action_timestamp"]).and_then(micros);
        self.out.put_maybe("start_time", acted.clone());
        let analytic = json!({ "name": format!("Slack: {}", self.event.action), "type": "Behavioral", "type_id": 2 });
        let info = Fields::new()
            .set("uid", self.event.id.as_str())
            .set("title", self.event.action.as_str())
            .set("created_time", time(self.event))
            .maybe("first_seen_time", acted)
            .maybe("types", self.leaves.texts(&["details", "reason"]))
            .set("analytic", analytic)
            .set("related_events", json!([{ "uid": self.event.id }]));
        self.out.put("finding_info", info);
        let previous_ip = self.leaves.ip(&["details", "previous_ip_address"]).map(|ip| json!({ "ip": ip }));
        let before = Fields::new().maybe("src_endpoint", previous_ip);
        self.evidence("before", before, &["details", "previous_ua"]);
        match self.kind {
            "" => {}
            "file" | "canvas" | "list" => {
                let file = objects::file(&mut self.leaves, self.kind);
                self.evidence("file", Fields::new().set("file", file), &[]);
            }
            _ => {
                let resource = objects::resource(&mut self.leaves, self.kind);
                self.out.put("resources", vec![resource]);
            }
        }
    }

    /// One more piece of evidence, with the user agent to it. OCSF takes no user agent alone for evidence, so without
    /// anything else that stays in `unmapped`.
    fn evidence(&mut self, name: &str, evidence: Fields, user_agent: &[&str]) {
        if evidence.is_empty() {
            return;
        }
        let http_request = objects::http_request(&mut self.leaves, user_agent);
        let evidence = evidence.maybe("http_request", http_request).set("name", name);
        let mut all = self.out.get("evidences").and_then(Value::as_array).cloned().unwrap_or_default();
        all.push(evidence.into());
        self.out.put("evidences", all);
    }

    fn metadata(&mut self, product: &Product<'_>) -> Fields {
        let tenant = self.tenant();
        let id = self.leaves.get(&["id"]).and_then(text);
        let is_slacks_id = id.is_some_and(|id| id == self.event.id);
        let uid = if is_slacks_id { self.leaves.id(&["id"]) } else { None };
        metadata(self.event, product)
            .maybe("original_event_uid", uid)
            .maybe("original_time", self.leaves.id(&["date_create"]))
            .maybe("event_code", self.leaves.text(&["action"]))
            .maybe("tenant_uid", tenant)
            .maybe("profiles", (!self.profiles.is_empty()).then(|| self.profiles.iter().copied().collect::<Vec<_>>()))
    }

    /// The enterprise: where the event took place, or else the organization that the actor belongs to.
    fn tenant(&self) -> Option<Value> {
        let org = self.out.get("cloud").and_then(|cloud| cloud.pointer("/org/uid"));
        let team = self.out.get("actor").and_then(|actor| actor.pointer("/user/org/uid"));
        org.or(team.filter(|team| team.as_str().is_some_and(|team| team.starts_with('E')))).cloned()
    }
}

/// What every view of an event says about the event itself.
fn metadata(event: &Event, product: &Product<'_>) -> Fields {
    let slack = json!({ "name": "Slack Enterprise Grid", "vendor_name": "Slack", "feature": { "name": "Audit Logs" } });
    let first_seen = is_believable(event.first_seen).then(|| timestamp(event.first_seen));
    let logger = Fields::new()
        .set("name", Product::NAME)
        .set("version", product.version)
        .set("event_uid", event.seq.to_string())
        .maybe("logged_time", first_seen.clone());
    let labels: Vec<Value> = event.marks.iter().filter_map(|mark| serde_json::to_value(mark).ok()).collect();
    Fields::new()
        .set("version", SCHEMA_VERSION)
        .set("product", slack)
        .set("log_format", "JSON")
        .set("log_name", "audit/v1/logs")
        .set("uid", event.id.as_str())
        .set("loggers", vec![Value::from(logger)])
        .maybe("logged_time", first_seen)
        .maybe("labels", (!labels.is_empty()).then_some(labels))
}

/// `date_create`, or when we first saw the entry if that is no believable time.
pub(super) fn time(event: &Event) -> Value {
    let created = event.time.millis();
    timestamp(if is_believable(created) { created } else { event.first_seen })
}

fn raw_data_hash(event: &Event) -> Value {
    json!({ "algorithm": "SHA-256", "algorithm_id": 3, "value": hex(&Sha256::digest(event.raw().as_bytes())) })
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// `action_timestamp`: 16 digits, as a number or as text.
fn micros(value: &Value) -> Option<Value> {
    let millis = crate::time::UnixMillis(text(value)?.parse::<u64>().ok()? / 1000);
    is_believable(millis).then(|| timestamp(millis))
}
