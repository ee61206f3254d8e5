//! The tables: every OCSF class, object and attribute that the views use, in both versions.
//!
//! A true part of the compiled schemas 1.8.0 and 1.1.0 of OCSF (schema.ocsf.io): names, types, requirements, profiles and
//! ids are theirs, the words are ours and say what gridwatch puts there. `print_table` below prints the tables in full for
//! a check against a compiled schema.

use super::schema::{Attribute, Id, Object, Type, Version};
use Version::{V1_1_0, V1_8_0};
use std::sync::OnceLock;

/// In any enumeration: "something else, which the word beside it names".
pub(super) const OTHER: u64 = 99;

/// OCSF's profiles in use. An attribute that a profile brings is only valid where `metadata.profiles` names it.
const HOST: &str = "host";
const CLOUD_PROFILE: &str = "cloud";
const SECURITY_CONTROL: &str = "security_control";
const AI_OPERATION: &str = "ai_operation";
const INCIDENT: &str = "incident";
/// All of them, sorted.
pub(super) const PROFILES: [&str; 5] = [AI_OPERATION, CLOUD_PROFILE, HOST, INCIDENT, SECURITY_CONTROL];

const fn of(name: &'static str, kind: Type, about: &'static str) -> Attribute {
    Attribute { name, kind, about, is_array: false, is_required: false, profile: None, only: None, ids: &[] }
}

const fn text(name: &'static str, about: &'static str) -> Attribute {
    of(name, Type::String, about)
}

const fn time(name: &'static str, about: &'static str) -> Attribute {
    of(name, Type::Timestamp, about)
}

const fn object(name: &'static str, kind: &'static Object, about: &'static str) -> Attribute {
    of(name, Type::Object(kind), about)
}

const fn enumeration(name: &'static str, ids: &'static [Id], about: &'static str) -> Attribute {
    of(name, Type::Integer, about).ids_of(ids)
}

const fn id(id: u64, caption: &'static str) -> Id {
    Id { id, caption, only: None }
}

/// An id that 1.1.0 lacks.
const fn new_id(id: u64, caption: &'static str) -> Id {
    Id { id, caption, only: Some(V1_8_0) }
}

const fn plain(name: &'static str, about: &'static str, attributes: &'static [Attribute]) -> Object {
    Object {
        name,
        about,
        extends: None,
        attributes,
        at_least_one: &[],
        at_least_one_in: None,
        index: [const { OnceLock::new() }; 2],
    }
}

impl Object {
    const fn at_least_one(mut self, names: &'static [&'static str]) -> Self {
        self.at_least_one = names;
        self
    }

    /// The constraint is that of one version alone.
    const fn only_in(mut self, version: Version) -> Self {
        self.at_least_one_in = Some(version);
        self
    }

    const fn extends(mut self, parent: &'static Self) -> Self {
        self.extends = Some(parent);
        self
    }
}

// Classes.

/// What every class has. 1.1.0 gives its Base Event neither actor nor device.
pub(super) static BASE_EVENT: Object = plain(
    "base_event",
    "An entry whose action no class is known for: kept whole, not guessed at.",
    &[
        of("activity_id", Type::Integer, "What was done, in the words of the class.").required(),
        text("activity_name", "Caption of the activity; for activity 99 Slack's action."),
        text("category_name", "Caption of the category."),
        of("category_uid", Type::Integer, "The category of the class.").required(),
        text("class_name", "Caption of the class."),
        of("class_uid", Type::Integer, "The class. It depends on Slack's action alone.").required(),
        object("cloud", &CLOUD, "The workspace or enterprise in which it took place.")
            .required()
            .profile(CLOUD_PROFILE),
        object(
            "enrichments",
            &ENRICHMENT,
            "Through which app or agent the actor acted; of an alert, what is known of its actor.",
        )
        .many(),
        object("metadata", &METADATA, "About the record: ids, product, version, profiles.").required(),
        object("observables", &OBSERVABLE, "Address and user agent where no attribute has a place for them.").many(),
        text("raw_data", "The entry exactly as Slack sent it."),
        object("raw_data_hash", &FINGERPRINT, "SHA-256 of the entry as Slack sent it.").only(V1_8_0),
        text("severity", "Caption of the severity."),
        enumeration("severity_id", &SEVERITIES, "How much it calls for a look.").required(),
        time("start_time", "When the act took place, where that is not when it was found."),
        text("status", "Caption of the status."),
        text(
            "status_detail",
            "The reason that the entry gives in one text; of an alert, why it is sent again, or what silenced it.",
        ),
        enumeration("status_id", &[id(0, "Unknown"), id(1, "Success"), id(2, "Failure")], "Did it come off?"),
        time("time", "When it was logged; if that can't be believed, when gridwatch first saw it.").required(),
        text("type_name", "Class and activity in words."),
        of("type_uid", Type::Long, "Class times 100 plus activity.").required(),
        of("unmapped", Type::Anything, "All of the entry that no attribute has a place for, as Slack wrote it."),
        object("actor", &ACTOR, "Who did it.").profile(HOST).only(V1_8_0),
        object("device", &DEVICE, "Where it came from, in a class that has no endpoint.").profile(HOST).only(V1_8_0),
        text("action", "What Slack did about the attempt.").profile(SECURITY_CONTROL).only(V1_8_0),
        enumeration("action_id", &[id(2, "Denied")], "What Slack did about the attempt.")
            .profile(SECURITY_CONTROL)
            .only(V1_8_0),
        text("disposition", "What became of the attempt.").profile(SECURITY_CONTROL).only(V1_8_0),
        enumeration("disposition_id", &[id(2, "Blocked")], "What became of the attempt.")
            .profile(SECURITY_CONTROL)
            .only(V1_8_0),
    ],
);

/// The classes to which 1.1.0 knows the profile `host`.
static HOSTED_EVENT: Object = plain(
    "base_event",
    "",
    &[
        object("actor", &ACTOR, "Who did it.").profile(HOST),
        object("device", &DEVICE, "Where it came from, in a class that has no endpoint.").profile(HOST),
    ],
)
.extends(&BASE_EVENT);

pub(super) static DETECTION_FINDING: Object = plain(
    "detection_finding",
    "An alert of gridwatch's, or a finding of Slack's own: an anomaly, a malicious file, a DLP hit.",
    &[
        object("anomaly_analyses", &ANOMALY_ANALYSIS, "Slack's reasons for an anomaly, with the values then and now.")
            .many()
            .only(V1_8_0),
        text("comment", "What who acknowledged, noted or closed the alert had to say."),
        of("count", Type::Integer, "Findings folded into the alert."),
        time("end_time", "When the newest cited entry was logged."),
        object("evidences", &EVIDENCES, "What it rests on.").many(),
        object("finding_info", &FINDING_INFO, "What was found, by which analytic.").required(),
        of("is_alert", Type::Boolean, "Is somebody to be told?").profile(SECURITY_CONTROL).only(V1_8_0),
        text("message", "The alert in one line."),
        object("remediation", &REMEDIATION, "What to do about it."),
        object("resources", &RESOURCE_DETAILS, "What it was found on.").many(),
        text("status_code", "What somebody did, where the record is about that: acknowledge, note or close."),
        enumeration(
            "status_id",
            &[
                id(1, "New"),
                id(2, "In Progress"),
                id(3, "Suppressed"),
                id(4, "Resolved"),
                new_id(6, "Deleted"),
                id(OTHER, "Other"),
            ],
            "Where the finding is in its life. In Progress: somebody acknowledged it. Suppressed: by an exception, or closed as false or expected. \
             Resolved: closed as true, or over.",
        ),
        text("verdict", "Caption of the verdict.").profile(INCIDENT).only(V1_8_0),
        enumeration(
            "verdict_id",
            &[id(1, "False Positive"), id(2, "True Positive"), id(5, "Benign")],
            "With which reason somebody closed the alert: false, true or expected.",
        )
        .profile(INCIDENT)
        .only(V1_8_0),
    ],
)
.extends(&HOSTED_EVENT);

pub(super) static ACCOUNT_CHANGE: Object = plain(
    "account_change",
    "An account was made, changed, ended or brought back.",
    &[
        object("auth_factors", &AUTH_FACTOR, "The factor that was added or removed.").many().only(V1_8_0),
        object("http_request", &HTTP_REQUEST, "The request it was done with."),
        object("src_endpoint", &NETWORK_ENDPOINT, "Where it came from."),
        object("user", &USER, "Whose account.").required(),
    ],
)
.extends(&HOSTED_EVENT);

pub(super) static AUTHENTICATION: Object = plain(
    "authentication",
    "A sign-in or the end of a session.",
    &[
        text("auth_protocol", "How they signed in, in Slack's word for it: `magic_link`, say."),
        enumeration("auth_protocol_id", &[id(OTHER, "Other")], "Slack's words name no protocol of OCSF's list."),
        of("is_mfa", Type::Boolean, "Slack names a second method with which they signed in."),
        object("http_request", &HTTP_REQUEST, "The request it was done with."),
        object("service", &SERVICE, "Slack."),
        object("session", &SESSION, "The session that began or ended, if it is the actor's own."),
        object("src_endpoint", &NETWORK_ENDPOINT, "Where it came from."),
        object("user", &USER, "Who signed in, or whose session ended.").required(),
    ],
)
.extends(&HOSTED_EVENT)
.at_least_one(&["service"]);

pub(super) static ENTITY_MANAGEMENT: Object = plain(
    "entity_management",
    "A setting, policy, role, workflow, workspace or another thing was made, changed or removed.",
    &[
        of("access_list", Type::String, "Permissions that changed.").many().only(V1_8_0),
        object("entity", &MANAGED_ENTITY, "What it was done to; a setting with its value before.").required(),
        object("entity_result", &MANAGED_ENTITY, "The setting with its value after."),
        object("http_request", &HTTP_REQUEST, "The request it was done with.").only(V1_8_0),
        object("src_endpoint", &NETWORK_ENDPOINT, "Where it came from.").only(V1_8_0),
    ],
)
.extends(&HOSTED_EVENT);

pub(super) static USER_ACCESS: Object = plain(
    "user_access",
    "A user got or lost a role, a license or another standing.",
    &[
        object("http_request", &HTTP_REQUEST, "The request it was done with.").only(V1_8_0),
        text("privileges", "What was given or taken.").many().required(),
        object("resources", &RESOURCE_DETAILS, "What it is a privilege on.").many().only(V1_8_0),
        object("src_endpoint", &NETWORK_ENDPOINT, "Where it came from.").only(V1_8_0),
        object("user", &USER, "Who got or lost it.").required(),
    ],
)
.extends(&HOSTED_EVENT);

pub(super) static GROUP_MANAGEMENT: Object = plain(
    "group_management",
    "Who is in a user group, channel, direct message, workspace or huddle has changed, or what the group may do.",
    &[
        object("group", &GROUP, "The group, channel, workspace or huddle.").required(),
        object("http_request", &HTTP_REQUEST, "The request it was done with.").only(V1_8_0),
        object("src_endpoint", &NETWORK_ENDPOINT, "Where it came from.").only(V1_8_0),
        object("user", &USER, "Who came or went."),
    ],
)
.extends(&HOSTED_EVENT)
.at_least_one(&["user"])
.only_in(V1_1_0);

pub(super) static WEB_RESOURCES_ACTIVITY: Object = plain(
    "web_resources_activity",
    "Something was done to a channel, a message, an export or another thing with an address in Slack.",
    &[
        object("http_request", &HTTP_REQUEST, "The request it was done with."),
        object("src_endpoint", &NETWORK_ENDPOINT, "Where it came from."),
        object("web_resources", &WEB_RESOURCE, "What it was done to.").many().required(),
        text("action", "What Slack did about the attempt.").profile(SECURITY_CONTROL),
        enumeration("action_id", &[id(2, "Denied")], "What Slack did about the attempt.")
            .profile(SECURITY_CONTROL)
            .only(V1_8_0),
        enumeration("action_id", &[id(2, "Denied")], "What Slack did about the attempt.")
            .profile(SECURITY_CONTROL)
            .only(V1_1_0)
            .required(),
        text("disposition", "What became of the attempt.").profile(SECURITY_CONTROL),
        enumeration("disposition_id", &[id(2, "Blocked")], "What became of the attempt.").profile(SECURITY_CONTROL),
    ],
)
.extends(&HOSTED_EVENT);

pub(super) static APPLICATION_LIFECYCLE: Object = plain(
    "application_lifecycle",
    "An app came, went, was allowed, was forbidden or changed.",
    &[object("app", &PRODUCT, "The app.").required()],
)
.extends(&HOSTED_EVENT);

pub(super) static API_ACTIVITY: Object = plain(
    "api_activity",
    "A tool, an agent or Slack AI called something for somebody.",
    &[
        object("actor", &ACTOR, "For whom it was called.").profile(HOST).only(V1_8_0).required(),
        object("actor", &ACTOR, "For whom it was called.").only(V1_1_0).required(),
        object("api", &API, "What was called.").profile(CLOUD_PROFILE).required(),
        object("http_request", &HTTP_REQUEST, "The request it was done with."),
        object("message_context", &MESSAGE_CONTEXT, "The agent that called.").profile(AI_OPERATION).only(V1_8_0),
        object("resources", &RESOURCE_DETAILS, "What it was called on.").many(),
        object("src_endpoint", &NETWORK_ENDPOINT, "Where it came from; Slack's own servers have no address.")
            .required(),
    ],
)
.extends(&BASE_EVENT);

pub(super) static FILE_HOSTING: Object = plain(
    "file_hosting",
    "Something was done to a file, a canvas or a list.",
    &[
        of("access_list", Type::String, "The level of access that was given.").many().only(V1_8_0),
        object("actor", &ACTOR, "Who did it.").profile(HOST).only(V1_8_0).required(),
        object("actor", &ACTOR, "Who did it.").only(V1_1_0).required(),
        object("file", &FILE, "The file, canvas or list.").required(),
        object("http_request", &HTTP_REQUEST, "The request it was done with.").only(V1_8_0),
        object("src_endpoint", &NETWORK_ENDPOINT, "Where it came from; Slack's own servers have no address.")
            .required(),
    ],
)
.extends(&BASE_EVENT);

static SEVERITIES: [Id; 5] = [id(1, "Informational"), id(2, "Low"), id(3, "Medium"), id(4, "High"), id(5, "Critical")];

// Who.

pub(super) static USER: Object = plain(
    "user",
    "A member, guest, bot or placeholder.",
    &[
        of("email_addr", Type::Email, "Address, if it is one."),
        of("has_mfa", Type::Boolean, "Has the user a second factor? Only in an alert, from `users.info`.").only(V1_8_0),
        of("name", Type::Username, "Name; the address where there is neither name nor id."),
        object("org", &ORGANIZATION, "The workspace or enterprise that the account belongs to."),
        text("type", "Slack's account type or role, or the caption."),
        enumeration(
            "type_id",
            &[
                id(0, "Unknown"),
                id(1, "User"),
                id(2, "Admin"),
                id(3, "System"),
                new_id(4, "Service"),
                id(OTHER, "Other"),
            ],
            "Kind of account, as far as the entry tells.",
        ),
        text("uid", "Slack's user id."),
    ],
)
.at_least_one(&["name", "uid"]);

pub(super) static ACTOR: Object = plain(
    "actor",
    "Who did it, in which session, through which app.",
    &[
        text("app_name", "The app, or the agent, through which the user acted.").only(V1_8_0),
        text("app_uid", "Slack's id of the app through which the user acted.").only(V1_8_0),
        object("idp", &IDP, "The identity provider that vouched for a sign-in."),
        object("session", &SESSION, "The user's session."),
        object("user", &USER, "The user."),
    ],
)
.at_least_one(&["app_name", "app_uid", "session", "user"]);

pub(super) static IDP: Object = plain(
    "idp",
    "An identity provider for single sign-on.",
    &[
        text("name", "What the organization calls it."),
        text("uid", "Its entity id, or else the id of its configuration in Slack."),
    ],
)
.at_least_one(&["name", "uid"]);

pub(super) static SESSION: Object =
    plain("session", "A session of a user.", &[text("uid", "Slack's session id, its digits as text.")]);

pub(super) static AUTH_FACTOR: Object = plain(
    "auth_factor",
    "A factor of sign-in.",
    &[
        text("factor_type", "Caption of the kind of factor.").only(V1_8_0),
        enumeration("factor_type_id", &[id(10, "WebAuthn")], "Kind of factor.").required().only(V1_8_0),
    ],
);

pub(super) static GROUP: Object = plain(
    "group",
    "What one can be a member of.",
    &[text("name", "Name."), text("type", "Slack's entity type."), text("uid", "Slack's id.")],
)
.at_least_one(&["name", "uid"]);

pub(super) static ORGANIZATION: Object =
    plain("organization", "A workspace or an enterprise.", &[text("name", "Name."), text("uid", "Slack's id.")])
        .at_least_one(&["name", "uid"]);

// From where.

pub(super) static ACCOUNT: Object =
    plain("account", "A workspace.", &[text("name", "Name."), text("uid", "Slack's id.")])
        .at_least_one(&["name", "uid"]);

pub(super) static CLOUD: Object = plain(
    "cloud",
    "Slack, as the cloud in which it took place.",
    &[
        object("account", &ACCOUNT, "The workspace."),
        object("org", &ORGANIZATION, "The enterprise."),
        text("provider", "Slack.").required(),
    ],
);

pub(super) static LOCATION: Object = plain(
    "location",
    "Where an address is, as far as tables and databases of networks tell.",
    &[text("country", "ISO 3166-1 alpha-2.")],
)
.at_least_one(&["country"]);

pub(super) static AUTONOMOUS_SYSTEM: Object = plain(
    "autonomous_system",
    "Who runs a network.",
    &[text("name", "Its name."), of("number", Type::Integer, "Its number.")],
)
.at_least_one(&["name", "number"]);

pub(super) static NETWORK_ENDPOINT: Object = plain(
    "network_endpoint",
    "Where a call came from.",
    &[
        object("autonomous_system", &AUTONOMOUS_SYSTEM, "Who runs the address; only in an alert.").only(V1_8_0),
        object("location", &LOCATION, "Where the address is; only in an alert."),
        of("ip", Type::Ip, "Address."),
        object("owner", &USER, "Whose address it is, where it isn't the actor's: who invited or removed them.")
            .only(V1_8_0),
        text("svc_name", "Slack, where its own servers acted."),
    ],
)
.at_least_one(&["ip", "svc_name"]);

pub(super) static DEVICE: Object = plain(
    "device",
    "Where a call came from, in a class that has no endpoint.",
    &[
        of("ip", Type::Ip, "Address."),
        object("owner", &USER, "Whose address it is, where it isn't the actor's: who invited or removed them.")
            .only(V1_8_0),
        text("type", "Caption of the kind of device."),
        enumeration("type_id", &[id(0, "Unknown")], "Slack doesn't say what kind of device.").required(),
    ],
)
.at_least_one(&["ip"]);

pub(super) static HTTP_REQUEST: Object =
    plain("http_request", "A request to Slack.", &[text("user_agent", "What the client called itself.")]);

pub(super) static OBSERVABLE: Object = plain(
    "observable",
    "A value worth searching for.",
    &[
        text("name", "Where in this record it stands.").required().only(V1_1_0),
        text("name", "Where in this record it stands.").only(V1_8_0),
        text("type", "Caption of the kind of value."),
        enumeration(
            "type_id",
            &[id(2, "IP Address"), new_id(16, "HTTP User-Agent"), id(OTHER, "Other")],
            "Kind of value.",
        )
        .required(),
        text("value", "The value."),
    ],
);

// To what.

pub(super) static MANAGED_ENTITY: Object = plain(
    "managed_entity",
    "What was made, changed or removed.",
    &[
        of("data", Type::Json, "What else the entry says of it; of a setting in 1.1.0, its value."),
        text("name", "Name."),
        object("org", &ORGANIZATION, "The workspace or enterprise that the setting holds for.").only(V1_8_0),
        object("policy", &POLICY, "The setting.").only(V1_8_0),
        text("type", "Slack's entity type, or the caption."),
        enumeration(
            "type_id",
            &[
                id(0, "Unknown"),
                id(2, "User"),
                id(3, "Group"),
                id(4, "Organization"),
                id(5, "Policy"),
                id(OTHER, "Other"),
            ],
            "Kind of entity.",
        )
        .only(V1_8_0),
        text("uid", "Slack's id."),
        object("user", &USER, "The user, where it is one.").only(V1_8_0),
    ],
)
.at_least_one(&["name", "uid", "org", "policy", "user"]);

pub(super) static POLICY: Object = plain(
    "policy",
    "A setting.",
    &[
        of("data", Type::Json, "Its value, in any shape.").only(V1_8_0),
        text("name", "Its name: Slack's preference or the action."),
    ],
)
.at_least_one(&["name"]);

pub(super) static WEB_RESOURCE: Object = plain(
    "web_resource",
    "A channel, message, export or another entity of Slack's.",
    &[
        of("data", Type::Json, "What else the entry says of it."),
        text("name", "Name."),
        text("type", "Slack's entity type."),
        of("uid", Type::ResourceUid, "Slack's id; of a message its channel and timestamp.").only(V1_8_0),
        text("uid", "Slack's id; of a message its channel and timestamp.").only(V1_1_0),
    ],
)
.at_least_one(&["name", "uid"]);

pub(super) static RESOURCE_DETAILS: Object = plain(
    "resource_details",
    "An entity of Slack's.",
    &[
        of("data", Type::Json, "What else the entry says of it."),
        text("name", "Name."),
        text("type", "Slack's entity type."),
        of("uid", Type::ResourceUid, "Slack's id; of a message its channel and timestamp.").only(V1_8_0),
        text("uid", "Slack's id; of a message its channel and timestamp.").only(V1_1_0),
    ],
)
.at_least_one(&["name", "uid"]);

pub(super) static PRODUCT: Object = plain(
    "product",
    "An app, or the product that logged the record.",
    &[
        object("feature", &FEATURE, "The audit log, or gridwatch's detection module."),
        text("name", "Name."),
        text("uid", "Slack's id of the app."),
        text("vendor_name", "Who makes it.").only(V1_8_0),
        text("vendor_name", "Who makes it; Slack doesn't say it of an app.").required().only(V1_1_0),
        text("version", "Version of gridwatch."),
    ],
)
.at_least_one(&["name", "uid"]);

pub(super) static FEATURE: Object = plain(
    "feature",
    "A part of a product.",
    &[
        text("name", "Name."),
        text("uid", "SHA-256 of the detection module."),
        text("version", "Version of the detection module."),
    ],
)
.at_least_one(&["name", "uid"]);

pub(super) static FILE: Object = plain(
    "file",
    "A file, canvas or list.",
    &[
        text("desc", "Title, where there is a name too."),
        object("hashes", &FINGERPRINT, "Hashes of its content.").many(),
        text("mime_type", "MIME type."),
        of("name", Type::FileName, "Name, or else title, or else id.").required(),
        text("type", "Slack's entity type, or the caption."),
        enumeration("type_id", &[id(1, "Regular File"), id(OTHER, "Other")], "A file, or something like one.")
            .required(),
        text("uid", "Slack's id."),
        of("uri", Type::Url, "Where Slack keeps it.").only(V1_8_0),
    ],
);

pub(super) static FINGERPRINT: Object = plain(
    "fingerprint",
    "A hash.",
    &[
        text("algorithm", "Caption of the algorithm."),
        enumeration("algorithm_id", &[id(1, "MD5"), id(3, "SHA-256")], "The algorithm.").required(),
        of("value", Type::FileHash, "The hash.").required(),
    ],
);

pub(super) static API: Object = plain(
    "api",
    "A call.",
    &[
        text("operation", "The tool that was called, or the action.").required(),
        object("request", &REQUEST, "With which arguments."),
        object("service", &SERVICE, "The server that was called, or Slack."),
    ],
);

pub(super) static REQUEST: Object = plain(
    "request",
    "The arguments of a call.",
    &[of("data", Type::Json, "As Slack logs them."), text("uid", "Slack's id of the entry.").required()],
);

pub(super) static SERVICE: Object = plain("service", "A service.", &[text("name", "Name.")]).at_least_one(&["name"]);

pub(super) static MESSAGE_CONTEXT: Object = plain(
    "message_context",
    "The agent that acted.",
    &[
        text("ai_role", "Caption of the role.").only(V1_8_0),
        enumeration("ai_role_id", &[id(4, "Agent")], "It acted as an agent.").only(V1_8_0),
        text("name", "Name of the agent.").only(V1_8_0),
        object("service", &SERVICE, "Slack.").only(V1_8_0),
    ],
)
.at_least_one(&["service"]);

// The record itself.

pub(super) static METADATA: Object = plain(
    "metadata",
    "About the record.",
    &[
        text("event_code", "Slack's action, or gridwatch's rule."),
        of("is_truncated", Type::Boolean, "Is something left out of the record, because it was too long?").only(V1_8_0),
        text("labels", "What was odd about the entry.").many(),
        text("log_format", "JSON.").only(V1_8_0),
        text("log_name", "The log that it comes from."),
        time("logged_time", "When gridwatch first saw the entry."),
        object("loggers", &LOGGER, "gridwatch.").many(),
        text("original_event_uid", "Slack's id of the entry.").only(V1_8_0),
        text("original_time", "`date_create` as Slack wrote it."),
        object("product", &PRODUCT, "Slack, or gridwatch for its own alerts.").required(),
        text("profiles", "The profiles that brought attributes.").many(),
        of("sequence", Type::Integer, "Number of the entry in gridwatch's order of detection."),
        text("tenant_uid", "The organization, by its name in the configuration; where it has none, the enterprise."),
        text("uid", "Slack's id of the entry, or a hash of it where it has none; of an alert, id and revision."),
        of("untruncated_size", Type::Integer, "Kilobytes of the whole record, if something is left out.").only(V1_8_0),
        text("version", "Version of OCSF.").required(),
    ],
);

pub(super) static LOGGER: Object = plain(
    "logger",
    "What logged the record.",
    &[
        text("event_uid", "Number of the entry in gridwatch's order of detection.").only(V1_8_0),
        time("logged_time", "When gridwatch first saw the entry."),
        text("name", "gridwatch."),
        text("version", "Version of gridwatch."),
    ],
)
.at_least_one(&["name"]);

pub(super) static ENRICHMENT: Object = plain(
    "enrichment",
    "Something more about an attribute of the record.",
    &[
        of("data", Type::Json, "What is known.").required(),
        text("name", "The attribute that it is about.").required(),
        text("provider", "Who knows it: Slack or gridwatch."),
        text(
            "type",
            "Of an event: acted_through, for Slack's `acting_agent`, `agent_message` and `app`. Of an alert: role, \
             recent_activity, account, activity, session, alerts (others about the same person), acted_through, target, \
             address, app, channel, peers, and unknown, for what of these is not known.",
        ),
        text("value", "The value of that attribute.").required(),
    ],
);

// Findings.

pub(super) static FINDING_INFO: Object = plain(
    "finding_info",
    "What was found.",
    &[
        object("analytic", &ANALYTIC, "What found it."),
        object("attacks", &ATTACK, "ATT&CK techniques.").many(),
        time("created_time", "When the finding was first made."),
        text("desc", "The condition of the rule."),
        time("first_seen_time", "When it was first done."),
        time("last_seen_time", "When it was last done."),
        time("modified_time", "When the finding last changed."),
        object("related_events", &RELATED_EVENT, "The entries that it cites.").many(),
        of("related_events_count", Type::Integer, "How many entries it cites, also beyond those named.").only(V1_8_0),
        object("tags", &KEY_VALUE, "What the rule has to say beside its title.").many().only(V1_8_0),
        text("title", "Title.").only(V1_8_0),
        text("title", "Title.").required().only(V1_1_0),
        text("types", "Slack's reasons.").many(),
        text("uid", "Id of the alert in all its revisions, or Slack's id of the entry.").required(),
    ],
);

pub(super) static ANALYTIC: Object = plain(
    "analytic",
    "What made a finding.",
    &[
        text("name", "Title of the rule, or Slack's action."),
        text("type", "Caption of the kind."),
        enumeration(
            "type_id",
            &[id(1, "Rule"), id(2, "Behavioral")],
            "A rule of gridwatch's, or Slack's own judgement.",
        )
        .required(),
        text("uid", "The rule."),
        text("version", "Version of the rule's module."),
    ],
)
.at_least_one(&["name", "uid"]);

pub(super) static ATTACK: Object = plain(
    "attack",
    "A technique of MITRE ATT&CK.",
    &[object("sub_technique", &SUB_TECHNIQUE, "The sub-technique."), object("technique", &TECHNIQUE, "The technique.")],
)
.at_least_one(&["sub_technique", "technique"]);

pub(super) static TECHNIQUE: Object =
    plain("technique", "An ATT&CK technique.", &[text("uid", "Its id.")]).at_least_one(&["uid"]);

pub(super) static SUB_TECHNIQUE: Object =
    plain("sub_technique", "An ATT&CK sub-technique.", &[text("uid", "Its id.")]).at_least_one(&["uid"]);

pub(super) static RELATED_EVENT: Object = plain(
    "related_event",
    "An entry that a finding cites.",
    &[
        time("created_time", "When it was logged.").only(V1_8_0),
        text("title", "Slack's action.").only(V1_8_0),
        of("type_uid", Type::Long, "Its class and activity."),
        text("uid", "Slack's id of the entry.").required(),
    ],
);

pub(super) static KEY_VALUE: Object = plain(
    "key_value_object",
    "A label.",
    &[text("name", "Name.").required().only(V1_8_0), text("value", "Value.").only(V1_8_0)],
)
.at_least_one(&["value"]);

pub(super) static REMEDIATION: Object =
    plain("remediation", "What to do.", &[text("desc", "The steps, numbered, one a line.").required()]);

pub(super) static EVIDENCES: Object = plain(
    "evidences",
    "One piece of evidence.",
    &[
        object("actor", &ACTOR, "Who."),
        of("data", Type::Json, "Header of the cited entry, to find it by."),
        object("file", &FILE, "The file."),
        object("http_request", &HTTP_REQUEST, "With which client.").only(V1_8_0),
        text("name", "The action, or for Slack's own findings: now, before, file.").only(V1_8_0),
        object("src_endpoint", &NETWORK_ENDPOINT, "From where."),
        text("uid", "Slack's id of the cited entry.").only(V1_8_0),
    ],
)
.at_least_one(&["actor", "data", "file", "src_endpoint"]);

pub(super) static ANOMALY_ANALYSIS: Object = plain(
    "anomaly_analysis",
    "Why Slack calls something an anomaly.",
    &[
        object("analysis_targets", &ANALYSIS_TARGET, "Whom or what it was watching.").many().required().only(V1_8_0),
        object("anomalies", &ANOMALY, "One for each reason.").many().required().only(V1_8_0),
        object("baselines", &BASELINE, "What was so before, for reasons that compare.").many().only(V1_8_0),
    ],
);

pub(super) static ANALYSIS_TARGET: Object = plain(
    "analysis_target",
    "Whom or what Slack was watching.",
    &[text("name", "Name or id.").required().only(V1_8_0), text("type", "Slack's entity type.").only(V1_8_0)],
);

pub(super) static ANOMALY: Object = plain(
    "anomaly",
    "One reason.",
    &[
        text("observation_parameter", "Slack's word for the reason; `location` for where the call came from.")
            .required()
            .only(V1_8_0),
        object("observations", &OBSERVATION, "What was seen.").many().required().only(V1_8_0),
    ],
);

pub(super) static BASELINE: Object = plain(
    "baseline",
    "What a reason compares with.",
    &[
        text("observation_parameter", "Slack's word for the reason.").required().only(V1_8_0),
        object("observations", &OBSERVATION, "What had been seen before.").many().required().only(V1_8_0),
    ],
);

pub(super) static OBSERVATION: Object = plain(
    "observation",
    "A value.",
    &[text("value", "The value, or again the reason where Slack gives none.").required().only(V1_8_0)],
);

#[cfg(test)]
mod tests {
    use super::super::classes::Class;
    use super::*;
    use std::collections::BTreeMap;

    fn collect(spec: &'static Object, found: &mut BTreeMap<&'static str, &'static Object>) {
        for attribute in Version::ALL.iter().flat_map(|version| spec.all(*version)) {
            if let Type::Object(object) = attribute.kind
                && found.insert(object.name, object).is_none()
            {
                collect(object, found);
            }
        }
    }

    /// Every class and object, and whether it is a class.
    fn all() -> Vec<(&'static Object, bool)> {
        let mut objects = BTreeMap::new();
        Class::ALL.into_iter().for_each(|class| collect(class.spec(), &mut objects));
        let classes = Class::ALL.into_iter().map(|class| (class.spec(), true));
        classes.chain(objects.into_values().map(|object| (object, false))).collect()
    }

    #[test]
    fn an_attribute_is_written_once_for_each_version_and_an_enumeration_has_each_id_once() {
        for (spec, _) in all() {
            for version in Version::ALL {
                let own: Vec<_> = spec.attributes.iter().filter(|attribute| attribute.is_in(version)).collect();
                for attribute in &own {
                    let twins = own.iter().filter(|other| other.name == attribute.name).count();
                    assert_eq!(twins, 1, "{}.{} in {version}", spec.name, attribute.name);
                    let mut ids: Vec<u64> = attribute.ids(version).map(|id| id.id).collect();
                    let count = ids.len();
                    ids.sort_unstable();
                    ids.dedup();
                    assert_eq!(ids.len(), count, "{}.{} in {version}", spec.name, attribute.name);
                }
                for name in spec.at_least_one {
                    let exists = Version::ALL.iter().any(|version| spec.attribute(*version, name).is_some());
                    assert!(exists, "{} asks for {name}, which it lacks", spec.name);
                }
            }
        }
    }
}
