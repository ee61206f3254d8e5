//! The OCSF view of one event: class by action, attributes by taking leaves, the rest to `unmapped`.

use super::classes::{self, Activity, Class, Mapping, Status};
use super::schema::{Made, Ready, Version};
use super::vocabulary as v;
use super::{agency, anomaly, classified, is_believable, objects, timestamp};
use crate::leaves::{Leaves, Taken, as_text, is_ip};
use crate::shown::Shown;
use crate::{Product, RawData, line};
use gridwatch_event::event::Event;
use gridwatch_event::part::Part;
use gridwatch_event::text::hex;
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::Severity;
use gridwatch_names::catalogue;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::sync::{LazyLock, OnceLock};

/// The OCSF view of an event.
pub fn event(event: &Event, product: &Product<'_>, version: Version, raw_data: RawData) -> Value {
    let mut line = Vec::new();
    let (shown, taken) = shown(event, product, version, raw_data);
    shown.write(&taken, &mut line);
    line::read(&line)
}

/// The same, still borrowing what stands in the entry, and what of that it has taken.
pub(crate) fn shown<'e>(
    event: &'e Event,
    product: &Product<'e>,
    version: Version,
    raw_data: RawData,
) -> (Shown<'e>, Taken) {
    match Leaves::of(event.whole()) {
        Some(leaves) => Draft::new(event, leaves, version).finish(product, raw_data),
        None => (unreadable(event, product, version), Taken::default()),
    }
}

/// An entry that is no object, or too deep to be read: a Base Event that carries its bytes.
fn unreadable<'e>(event: &'e Event, product: &Product<'e>, version: Version) -> Shown<'e> {
    let activity = Activity { class: Class::BaseEvent, id: 99, name: "Other" };
    classified(version, activity, activity.name, Severity::Informational)
        .set("metadata", metadata(event, product, version))
        .set("raw_data", event.raw())
        .take("raw_data_hash", || Some(raw_data_hash(event, version)))
        .set("time", time(event))
        .into()
}

/// A view on its way: what is left of the entry, and what has been made of it.
struct Draft<'e> {
    event: &'e Event,
    version: Version,
    /// `entity.type`, or "".
    kind: &'e str,
    mapping: Mapping,
    /// That of the mapping, or what it is in an older version.
    activity: Activity,
    leaves: Leaves<'e>,
    out: Made<'e>,
    evidences: Vec<Shown<'e>>,
    enrichments: Vec<Shown<'e>>,
}

/// What an action of the catalogue says by itself, in each version; made when the first is shown.
static HEADS: LazyLock<Vec<[OnceLock<Ready>; 2]>> =
    LazyLock::new(|| catalogue::actions().map(|_| [const { OnceLock::new() }; 2]).collect());

fn head<'e>(action: &'e str, mapping: &Mapping, version: Version) -> Made<'e> {
    let activity = mapping.activity.in_version(version);
    let is_named = activity.id != 99 || action.is_empty();
    classified(version, activity, if is_named { activity.name } else { action }, mapping.severity)
}

impl<'e> Draft<'e> {
    fn new(event: &'e Event, leaves: Leaves<'e>, version: Version) -> Self {
        let allowed = leaves.get(&["details", "is_allowed"]);
        let usual = classes::mapping_of(event);
        let mapping = usual.in_direction(allowed.is_none_or(is_yes));
        let activity = mapping.activity.in_version(version);
        let ready =
            event.action_number().filter(|_| mapping == usual).and_then(|number| HEADS.get(usize::from(number)));
        let out = match ready {
            Some(heads) => {
                heads[version as usize].get_or_init(|| Ready::of(head(event.action(), &usual, version))).start()
            }
            None => head(event.action(), &mapping, version),
        };
        let out = out.set("time", time(event));
        let kind = event.entity_type();
        Self { event, version, kind, mapping, activity, leaves, out, evidences: Vec::new(), enrichments: Vec::new() }
    }

    fn finish(mut self, product: &Product<'e>, raw_data: RawData) -> (Shown<'e>, Taken) {
        self.outcome();
        self.location();
        self.actor();
        self.source();
        self.subject();
        self.out.put_maybe("evidences", non_empty(std::mem::take(&mut self.evidences)));
        self.out.put_maybe("enrichments", non_empty(std::mem::take(&mut self.enrichments)));
        self.out.put_maybe("observables", non_empty(self.observables()));
        self.out.put_maybe("status_detail", self.leaves.show_text(&["details", "reason"]));
        let metadata = self.metadata(product);
        self.out.put("metadata", metadata);
        self.out.put_taken("raw_data_hash", || Some(raw_data_hash(self.event, self.version)));
        if raw_data == RawData::Include || self.event.is_mended() {
            self.out.put("raw_data", self.event.raw());
        }
        let (rest, taken) = self.leaves.into_rest();
        self.out.put_maybe("unmapped", rest);
        (self.out.into(), taken)
    }

    fn class(&self) -> Class {
        self.activity.class
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
            && self.leaves.get(&["details", "success"]).is_some_and(|success| success.as_bool() == Some(false));
        let status = if said_no { Status::Failure } else { self.mapping.status };
        let (id, name) = match status {
            Status::Success if !self.mapping.is_known => (0, "Unknown"),
            Status::Success => (1, "Success"),
            Status::Failure | Status::Blocked => (2, "Failure"),
        };
        self.out.put_id("status_id", "status", id, name);
        if status == Status::Blocked {
            self.out.put_id("action_id", "action", 2, "Denied");
            self.out.put_id("disposition_id", "disposition", 2, "Blocked");
        }
    }

    /// The workspace is the account and the enterprise the organization of a cloud called Slack. Which of the two it is
    /// says the type, not the id: Slack's own sample pairs `workspace` with an `E…` id.
    fn location(&mut self) {
        let kind = self.leaves.get(&["context", "location", "type"]).and_then(Part::as_str);
        let place = match kind.as_deref() {
            Some("workspace") => Some(("account", self.version.make(&v::ACCOUNT))),
            Some("enterprise") => Some(("org", self.version.make(&v::ORGANIZATION))),
            _ => None,
        };
        let cloud = self.version.make(&v::CLOUD).set("provider", "Slack");
        let Some((key, place)) = place else {
            // The class requires to know the cloud, even where the entry doesn't say in which corner of it.
            if self.class() == Class::ApiActivity {
                self.out.put("cloud", cloud);
            }
            return;
        };
        let leaves = &mut self.leaves;
        let place = place
            .maybe("uid", leaves.id(&["context", "location", "id"]))
            .maybe("name", leaves.show_text(&["context", "location", "name"]))
            .non_empty();
        if place.is_some() || self.class() == Class::ApiActivity {
            self.out.put("cloud", cloud.maybe(key, place));
        }
    }

    fn place(&self) -> Option<&Shown<'e>> {
        let cloud = self.out.get("cloud")?;
        cloud.get("account").or_else(|| cloud.get("org"))
    }

    fn actor(&mut self) {
        if self.out.has("actor") {
            self.put_actor();
        }
        if self.out.has("message_context") {
            self.out.put_maybe("message_context", agency::message_context(self.version, &self.leaves));
        }
        let user = self.out.get("actor").and_then(|actor| actor.at(&["user", "uid"]));
        let event_id = Shown::from(self.event.id());
        let (name, value) = user.map_or(("metadata.uid", &event_id), |uid| ("actor.user.uid", uid));
        self.enrichments.extend(agency::enrichment(self.version, &mut self.leaves, name, value));
    }

    fn put_actor(&mut self) {
        let mut actor = objects::actor(self.version, &mut self.leaves);
        if self.class() == Class::Authentication {
            actor.put_maybe("idp", objects::identity_provider(self.version, &mut self.leaves));
        }
        if !objects::is_context_of_another(&self.leaves) {
            let session = self.leaves.id(&["context", "session_id"]);
            let session = session.map(|uid| self.version.make(&v::SESSION).set("uid", uid));
            if self.is_session_of_target() {
                self.out.put_maybe("session", session);
            } else {
                actor.put_maybe("session", session);
            }
        }
        if self.requires_origin() && actor.get("user").is_none() {
            actor.put("user", objects::unknown_user(self.version));
        }
        self.out.put_maybe("actor", actor.non_empty());
    }

    /// The session of a sign-in is what the event is about; that of an admin who resets another's is only the actor's.
    fn is_session_of_target(&self) -> bool {
        let target = self.leaves.get(&["entity", "user", "id"]);
        self.class() == Class::Authentication
            && classes::is_own_act(self.event.action())
            && (self.kind != "user" || target == self.event.at(&["actor", "user", "id"]))
    }

    /// Address and user agent: in evidence for a finding, else as endpoint and request. Where the version has no such thing
    /// for the class, the address is that of the device, or both stay in `unmapped` and are pointed out as observables.
    fn source(&mut self) {
        if self.class() == Class::DetectionFinding {
            let endpoint = self.with_address(self.version.make(&v::NETWORK_ENDPOINT));
            let now = self.version.make(&v::EVIDENCES);
            let now = now.maybe("src_endpoint", endpoint).maybe("actor", self.out.get("actor").cloned());
            return self.evidence("now", now, &["context", "ua"]);
        }
        if self.out.has("src_endpoint") {
            // Slack's own servers have no address in the log.
            let endpoint = self.with_address(self.version.make(&v::NETWORK_ENDPOINT));
            let server = || self.version.make(&v::NETWORK_ENDPOINT).set("svc_name", "Slack");
            let endpoint = endpoint.or_else(|| self.requires_origin().then(server));
            self.out.put_maybe("src_endpoint", endpoint);
        } else if self.out.has("device") {
            let device = self.version.make(&v::DEVICE).id("type_id", "type", 0, "Unknown");
            let device = self.with_address(device);
            self.out.put_maybe("device", device);
        }
        let request = |leaves: &mut Leaves<'e>| objects::http_request(self.version, leaves, &["context", "ua"]);
        self.out.put_taken("http_request", || request(&mut self.leaves));
    }

    /// The place with the address of the caller, and whose it is where it isn't the actor's. `None` where Slack gives no
    /// address, or the version has no way to say whose: nobody gets another's.
    fn with_address(&mut self, place: Made<'e>) -> Option<Made<'e>> {
        if !place.has("owner") && objects::is_context_of_another(&self.leaves) {
            return None;
        }
        let place = place.set("ip", self.leaves.ip(&["context", "ip_address"])?);
        Some(place.take("owner", || objects::inviter(self.version, &mut self.leaves)))
    }

    /// The address and the user agent that no attribute took.
    fn observables(&self) -> Vec<Shown<'e>> {
        let kinds = [
            ("ip_address", "unmapped.context.ip_address", 2, "IP Address"),
            ("ua", "unmapped.context.ua", 16, "HTTP User-Agent"),
        ];
        let left = kinds.into_iter().filter_map(|(key, name, type_id, caption)| {
            let text = self.leaves.get(&["context", key])?.as_str()?;
            let is_value = if key == "ua" { !text.is_empty() } else { is_ip(&text) };
            let observable = self.version.make(&v::OBSERVABLE).set("name", name);
            is_value.then(|| observable.id("type_id", "type", type_id, caption).set("value", text).into())
        });
        left.collect()
    }

    /// What it was done to, in the words of the class.
    fn subject(&mut self) {
        match self.class() {
            Class::BaseEvent => {}
            Class::DetectionFinding => self.finding(),
            Class::Authentication => {
                self.out.put("service", objects::service(self.version, "Slack"));
                self.method();
                self.target_user();
            }
            Class::AccountChange => {
                if self.event.action().starts_with("user_passkey_") {
                    let factor = self.version.make(&v::AUTH_FACTOR).id("factor_type_id", "factor_type", 10, "WebAuthn");
                    self.out.put("auth_factors", vec![factor]);
                }
                self.target_user();
            }
            Class::UserAccessManagement => self.access(),
            Class::GroupManagement => self.membership(),
            Class::EntityManagement => self.entity(),
            Class::WebResourcesActivity => {
                let resource = objects::web_resource(self.version, &mut self.leaves, self.kind);
                self.out.put("web_resources", vec![resource]);
            }
            Class::ApplicationLifecycle => {
                let app = objects::app(self.version, &mut self.leaves, self.kind);
                self.out.put("app", app);
            }
            Class::ApiActivity => self.api(),
            Class::FileHostingActivity => {
                let file = objects::file(self.version, &mut self.leaves, self.kind);
                self.out.put("file", file);
                let level = || self.leaves.show_text(&["details", "access_level"]).map(|level| vec![level]);
                self.out.put_taken("access_list", level);
            }
        }
    }

    /// How somebody signed in. Slack's words (`magic_link`, …) name methods, none of which is a protocol of OCSF's list.
    fn method(&mut self) {
        if let Some(method) = self.leaves.show_text(&["details", "authentication_method"]) {
            self.out.put_id("auth_protocol_id", "auth_protocol", 99, method);
        }
        // It stays a leaf: OCSF has a place for whether there was a second factor, not for which.
        let second = self.leaves.get(&["details", "secondary_authentication_method"]).and_then(as_text);
        self.out.put_maybe("is_mfa", second.filter(|method| !method.is_empty()).map(|_| true));
    }

    /// The user it was done to, if the entry tells.
    fn target(&mut self) -> Option<Shown<'e>> {
        let (version, leaves) = (self.version, &mut self.leaves);
        let named = if self.kind == "user" { objects::user(version, leaves, &["entity", "user"]) } else { None };
        named
            .or_else(|| objects::user_by_id(version, leaves, &["details", "target_user"]))
            .or_else(|| objects::user_by_id(version, leaves, &["details", "target_user_id"]))
            .or_else(|| {
                let actor = self.out.get("actor")?.get("user")?;
                classes::is_own_act(self.event.action()).then(|| actor.clone())
            })
    }

    fn target_user(&mut self) {
        let user = self.target().unwrap_or_else(|| objects::unknown_user(self.version));
        self.out.put("user", user);
    }

    fn access(&mut self) {
        self.target_user();
        let role = self.role();
        let named = classes::privilege(self.event.action()).map(|name| vec![Shown::from(name)]);
        let gives_rights = self.event.action().starts_with("permissions_");
        let privileges = gives_rights.then(|| self.leaves.texts(&["details", "changed_permissions"])).flatten();
        let privileges = privileges.unwrap_or_else(|| {
            Shown::List(named.or_else(|| role.map(|role| vec![role])).unwrap_or_else(|| vec![objects::UNKNOWN.into()]))
        });
        self.out.put("privileges", privileges);
        self.out.put_taken("resources", || {
            let resource = match self.kind {
                "user" | "" => None,
                _ => Some(objects::resource(self.version, &mut self.leaves, self.kind)),
            };
            let place =
                ["target_entity", "target_entity_id"].into_iter().find_map(|key| self.leaves.id(&["details", key]));
            let place = place.map(|uid| self.version.make(&v::RESOURCE_DETAILS).set("uid", uid).into());
            non_empty(resource.into_iter().chain(place).collect::<Vec<Shown<'e>>>())
        });
    }

    /// Name, or else id, of the role that the entry is about.
    fn role(&self) -> Option<Shown<'e>> {
        let key = Some(self.kind).filter(|kind| matches!(*kind, "role" | "account_type_role"))?;
        ["name", "id"].into_iter().find_map(|name| as_text(self.leaves.get(&["entity", key, name])?)).map(Shown::from)
    }

    fn membership(&mut self) {
        // 1.1.0 requires to know somebody.
        let user = self.target();
        let unknown = || (self.version == Version::V1_1_0).then(|| objects::unknown_user(self.version));
        let user = user.or_else(unknown);
        self.out.put_maybe("user", user);
        let place = self.place().cloned();
        let group = objects::group(self.version, &mut self.leaves, self.kind, place.as_ref());
        self.out.put("group", group);
    }

    fn entity(&mut self) {
        if classes::is_policy(self.event.action()) {
            return self.policy();
        }
        let entity = objects::managed_entity(self.version, &mut self.leaves, self.kind);
        self.out.put("entity", entity);
        self.out.put_taken("access_list", || self.leaves.texts(&["details", "changed_permissions"]));
    }

    fn policy(&mut self) {
        let name = ["pref_name", "policy_name"].into_iter().find_map(|key| self.leaves.text(&["details", key]));
        let name = name.unwrap_or_else(|| self.event.action().into());
        let before = self.leaves.value(&["details", "previous_value"]);
        let after = self.leaves.value(&["details", "new_value"]);
        let org = || objects::organization(self.version, &mut self.leaves, self.kind);
        self.out.put("entity", objects::policy_entity(self.version, name.clone(), before).take("org", org));
        let after = after.map(|value| objects::policy_entity(self.version, name, Some(value)));
        self.out.put_maybe("entity_result", after);
    }

    fn api(&mut self) {
        let operation = ["tool_name", "tool"].into_iter().find_map(|key| self.leaves.text(&["details", key]));
        let server = self.leaves.text(&["details", "server_name"]);
        let arguments = self.leaves.value(&["details", "arguments"]);
        let request = |data| self.version.make(&v::REQUEST).set("uid", self.event.id()).set("data", data);
        let service = objects::service(self.version, server.unwrap_or(Cow::Borrowed("Slack")));
        let api = self
            .version
            .make(&v::API)
            .set("operation", operation.unwrap_or_else(|| self.event.action().into()))
            .set("service", service)
            .maybe("request", arguments.map(request));
        self.out.put("api", api);
        if !self.kind.is_empty() {
            let resource = objects::resource(self.version, &mut self.leaves, self.kind);
            self.out.put("resources", vec![resource]);
        }
    }

    /// Slack's own findings: the anomalies, malicious files and DLP hits it reports in the log.
    fn finding(&mut self) {
        let is_closed = self.mapping.activity == classes::FINDING_CLOSE;
        let (status_id, status) = if is_closed { (6, "Deleted") } else { (1, "New") };
        self.out.put_id("status_id", "status", status_id, status);
        self.out.put("is_alert", true);
        self.out.put_taken("anomaly_analyses", || {
            anomaly::analysis(self.version, self.event, &mut self.leaves).map(|analysis| vec![analysis])
        });
        self.finding_info();
        let previous = self.leaves.ip(&["details", "previous_ip_address"]);
        let previous = previous.map(|ip| self.version.make(&v::NETWORK_ENDPOINT).set("ip", ip));
        let before = self.version.make(&v::EVIDENCES).maybe("src_endpoint", previous);
        self.evidence("before", before, &["details", "previous_ua"]);
        match self.kind {
            "" => {}
            "file" | "canvas" | "list" => {
                let file = objects::file(self.version, &mut self.leaves, self.kind);
                self.evidence("file", self.version.make(&v::EVIDENCES).set("file", file), &[]);
            }
            _ => {
                let resource = objects::resource(self.version, &mut self.leaves, self.kind);
                self.out.put("resources", vec![resource]);
            }
        }
    }

    fn finding_info(&mut self) {
        // The entry's time is that of detection; the act was up to a minute earlier.
        let acted = self.leaves.get(&["details", "action_timestamp"]).and_then(action_time);
        self.out.put_maybe("start_time", acted);
        let name = format!("Slack: {}", self.event.action());
        let analytic = self.version.make(&v::ANALYTIC).set("name", name).id("type_id", "type", 2, "Behavioral");
        let itself = self.version.make(&v::RELATED_EVENT).set("uid", self.event.id());
        let info = self
            .version
            .make(&v::FINDING_INFO)
            .set("uid", self.event.id())
            .set("title", self.event.action())
            .set("created_time", time(self.event))
            .maybe("first_seen_time", acted)
            .maybe("types", self.leaves.texts(&["details", "reason"]))
            .set("analytic", analytic)
            .set("related_events", vec![itself]);
        self.out.put("finding_info", info);
    }

    /// One more piece of evidence, with the user agent to it. OCSF takes no user agent alone for evidence, so without
    /// anything else that stays in `unmapped`.
    fn evidence(&mut self, name: &'static str, evidence: Made<'e>, user_agent: &[&str]) {
        if evidence.is_empty() {
            return;
        }
        let request = || objects::http_request(self.version, &mut self.leaves, user_agent);
        self.evidences.push(evidence.take("http_request", request).set("name", name).into());
    }

    fn metadata(&mut self, product: &Product<'e>) -> Made<'e> {
        let tenant = self.tenant();
        let id = self.leaves.get(&["id"]).and_then(as_text);
        let is_slacks_id = id.is_some_and(|id| id == self.event.id());
        // `metadata.uid` has it in any version.
        let uid = if is_slacks_id { self.leaves.id(&["id"]) } else { None };
        metadata(self.event, product, self.version)
            .maybe("original_event_uid", uid)
            .maybe("original_time", self.leaves.id(&["date_create"]))
            .maybe("event_code", self.leaves.show_text(&["action"]))
            .maybe("tenant_uid", tenant)
            .maybe("profiles", non_empty(self.out.profiles()))
    }

    /// The organization by the name that the configuration gives it; else the enterprise: where the event took place, or the one that the log is known to belong to; while that isn't known, the
    /// organization that the actor belongs to.
    fn tenant(&self) -> Option<Shown<'e>> {
        let event = self.event;
        if let Some(org) = event.org().name().or(event.organization()) {
            return Some(org.into());
        }
        let org = self.out.get("cloud").and_then(|cloud| cloud.at(&["org", "uid"]));
        let team = self.out.get("actor").and_then(|actor| actor.at(&["user", "org", "uid"]));
        org.or(team.filter(|team| team.as_str().is_some_and(|team| team.starts_with('E')))).cloned()
    }
}

/// What every view of an event says about the event itself.
fn metadata<'e>(event: &'e Event, product: &Product<'e>, version: Version) -> Made<'e> {
    static READY: [OnceLock<Ready>; 2] = [const { OnceLock::new() }; 2];
    let first_seen = is_believable(event.first_seen).then(|| timestamp(event.first_seen));
    let logger = version
        .make(&v::LOGGER)
        .set("name", Product::NAME)
        .set("version", product.version)
        .set("event_uid", event.seq.to_string())
        .maybe("logged_time", first_seen);
    READY[version as usize]
        .get_or_init(|| Ready::of(log(version)))
        .start()
        .set("uid", event.id())
        .set("sequence", event.seq)
        .set("loggers", vec![logger])
        .maybe("logged_time", first_seen)
        .maybe("labels", non_empty(event.labels().collect::<Vec<String>>()))
}

/// What is said of Slack's log, the same in each event.
fn log<'e>(version: Version) -> Made<'e> {
    let log = version.make(&v::FEATURE).set("name", "Audit Logs");
    let slack = version.make(&v::PRODUCT).set("name", "Slack Enterprise Grid").set("vendor_name", "Slack");
    version
        .make(&v::METADATA)
        .set("version", version.name())
        .set("product", slack.set("feature", log))
        .set("log_format", "JSON")
        .set("log_name", "audit/v1/logs")
}

/// `date_create`, or when we first saw the entry if that is no believable time.
pub(super) fn time(event: &Event) -> u64 {
    let created = event.time.millis();
    timestamp(if is_believable(created) { created } else { event.first_seen })
}

fn raw_data_hash<'e>(event: &Event, version: Version) -> Made<'e> {
    static READY: [OnceLock<Ready>; 2] = [const { OnceLock::new() }; 2];
    let algorithm = || Ready::of(version.make(&v::FINGERPRINT).id("algorithm_id", "algorithm", 3, "SHA-256"));
    let value = hex(&Sha256::digest(event.raw().as_bytes()));
    READY[version as usize].get_or_init(algorithm).start().set("value", value)
}

pub(super) fn non_empty<T>(all: Vec<T>) -> Option<Vec<T>> {
    (!all.is_empty()).then_some(all)
}

/// `is_allowed` of permissions: "ALLOWED" is the one value that was captured, so any other text that says something is a no.
fn is_yes(allowed: Part<'_>) -> bool {
    match (allowed.as_bool(), allowed.as_str()) {
        (Some(allowed), _) => allowed,
        (_, Some(text)) => text.is_empty() || text.eq_ignore_ascii_case("allowed") || text == "true",
        _ => true,
    }
}

/// `action_timestamp`, a number or text. Slack documents microseconds, and milliseconds have been seen
/// (elastic/integrations#6965); seconds would look like `date_create`. At most one of them is a believable time.
fn action_time(value: Part<'_>) -> Option<u64> {
    let number = as_text(value)?.parse::<u64>().ok()?;
    let readings = [number / 1_000, number, number.saturating_mul(1_000)];
    readings.map(UnixMillis).into_iter().find(|time| is_believable(*time)).map(timestamp)
}
