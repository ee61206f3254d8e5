//! Every field of the view: its name, type, where it comes from and what it means.
//!
//! One table for three readers: the shaping of `slack.audit.*` goes by its types, the JSON Schema is made of it, and
//! `gridwatch schema` prints it. What Slack calls its fields comes from the catalogue.

use super::shape::AS_JSON;
use gridwatch_names::catalogue;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

/// A field's type, by Elasticsearch's name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Text, and under `slack.audit` a list of texts just as well.
    Keyword,
    /// Always a list of texts.
    Keywords,
    /// Text that is too long to compare.
    Wildcard,
    /// A whole number of 64 bits.
    Long,
    Boolean,
    /// RFC 3339, UTC, milliseconds.
    Date,
    /// A valid IPv4 or IPv6 address.
    Ip,
    /// A list of such.
    Ips,
    /// A list of objects.
    Objects,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keyword => "keyword",
            Self::Keywords => "keyword[]",
            Self::Wildcard => "wildcard",
            Self::Long => "long",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Ip => "ip",
            Self::Ips => "ip[]",
            Self::Objects => "object[]",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// With dots.
    pub name: String,
    pub kind: Type,
    /// Where in the entry or the alert it comes from.
    pub from: String,
    pub meaning: &'static str,
}

/// All fields, sorted by name.
pub fn fields() -> impl Iterator<Item = &'static Field> {
    FIELDS.values()
}

/// The values that a field may have, where that is a closed list. Categories and types are those of ECS in use here.
pub(super) fn values(name: &str) -> &'static [&'static str] {
    match name {
        "ecs.version" => &[super::VERSION],
        "event.kind" => &["alert", "event", "metric", "pipeline_error"],
        "event.category" => &[
            "api",
            "authentication",
            "configuration",
            "file",
            "iam",
            "intrusion_detection",
            "malware",
            "network",
            "package",
            "session",
            "web",
        ],
        "event.type" => &[
            "access",
            "admin",
            "change",
            "creation",
            "deletion",
            "denied",
            "end",
            "group",
            "info",
            "installation",
            "start",
            "user",
        ],
        "event.outcome" => &["success", "failure", "unknown"],
        _ => &[],
    }
}

static FIELDS: LazyLock<BTreeMap<String, Field>> = LazyLock::new(|| {
    let table = TABLE.iter().map(|(name, kind, from, meaning)| Field {
        name: (*name).to_owned(),
        kind: *kind,
        from: (*from).to_owned(),
        meaning,
    });
    table.chain(slacks()).map(|field| (field.name.clone(), field)).collect()
});

/// `slack.audit.*`: what the catalogue and the lists below know.
fn slacks() -> Vec<Field> {
    let details = catalogue::details_keys().map(|key| format!("details.{key}"));
    let listed = catalogue::entity_types().flat_map(|(_, fields)| fields.iter()).map(|key| format!("entity.{key}"));
    let more = MORE.iter().chain(TYPED.iter().flat_map(|(_, paths)| paths.iter())).map(|path| (*path).to_owned());
    let json = JSON.iter().map(|path| (*path).to_owned());
    let paths: Vec<String> = details.chain(listed).chain(more).chain(json).collect();
    // What has keys of its own is an object, and no field.
    let objects: Vec<&str> = paths.iter().filter_map(|path| path.rsplit_once('.')).map(|(object, _)| object).collect();
    let fields = paths.iter().filter(|path| !objects.contains(&path.as_str()));
    fields.map(|path| slack_field(path)).collect()
}

fn slack_field(path: &str) -> Field {
    let typed = TYPED.iter().find(|(_, paths)| paths.contains(&path)).map(|(kind, _)| *kind);
    let (path_in_entry, kind, meaning) = match path.strip_suffix(AS_JSON) {
        Some(path) => {
            (path, Type::Wildcard, "what Slack sent, as JSON, because it doesn't fit the field without _json")
        }
        None => (path, typed.unwrap_or(Type::Keyword), "as Slack sent it"),
    };
    let from = match path_in_entry.split_once('.') {
        Some(("entity", "entity_type")) => "entity.type".to_owned(),
        Some(("entity", key)) => format!("entity.<type>.{key}"),
        Some(("context", key @ ("type" | "id" | "name" | "domain"))) => format!("context.location.{key}"),
        _ => path_in_entry.to_owned(),
    };
    Field { name: format!("slack.audit.{path}"), kind, from, meaning }
}

/// Paths under `slack.audit` that are no text.
#[rustfmt::skip]
const TYPED: &[(Type, &[&str])] = &[
    (Type::Long, &[
        "date_create", "entity.date_start", "entity.date_end", "entity.date_updated", "details.added_user_count",
        "details.added_user_error_count", "details.cell_date_updated", "details.deprecation_search_end",
        "details.duration", "details.expires_on", "details.exporting_team_id", "details.idp_group_member_count",
        "details.new_retention_policy.duration_days", "details.old_retention_policy.duration_days",
        "details.reactivated_user_count", "details.removed_user_count", "details.removed_user_error_count",
        "details.session_search_start", "details.total_removal_count", "details.workspace_member_count",
    ]),
    (Type::Boolean, &[
        "context.app.is_directory_approved", "context.app.is_distributed", "context.app.is_workflow_app",
        "entity.is_directory_approved", "entity.is_distributed", "entity.is_org_shared", "entity.is_salesforce_channel",
        "entity.is_shared", "entity.is_workflow_app", "details.app_previously_approved",
        "details.app_previously_resolved", "details.can_huddle.enabled", "details.desktop_app_browser_quit",
        "details.destructive", "details.enable_at_channel.enabled", "details.enable_at_here.enabled",
        "details.granular_bot_token", "details.is_allowed", "details.is_channel_canvas", "details.is_error",
        "details.is_ext_shared", "details.is_external_limited", "details.is_external_user",
        "details.is_internal_integration", "details.is_slack_provided_template",
        "details.is_token_rotation_enabled_app", "details.is_workflow", "details.mobile_only", "details.non_sso_only",
        "details.permissions_updated", "details.read_only", "details.success", "details.web_only",
    ]),
    // Elastic's package declares it an address, so one that is "" must not stand there.
    (Type::Ip, &["details.previous_ip_address"]),
];

/// Paths of text under `slack.audit` that the catalogue doesn't list: the frame of an entry, entity types that `/schemas`
/// leaves out, and the keys of the objects that `details` holds.
#[rustfmt::skip]
const MORE: &[&str] = &[
    "action", "id", "actor.type", "actor.user.account_type", "actor.user.email", "actor.user.id", "actor.user.name",
    "actor.user.team",
    "context.type", "context.id", "context.name", "context.domain", "context.location.type", "context.location.id",
    "context.location.name", "context.location.domain", "context.ip_address", "context.ua", "context.session_id",
    "context.acting_agent", "context.agent_message.team", "context.agent_message.channel_id",
    "context.agent_message.message_ts", "context.agent_message.thread_ts", "context.app.id", "context.app.name",
    "context.app.scopes", "context.app.scopes_bot", "context.app.bot_scopes", "context.app.creator", "context.app.team",
    "entity.entity_type", "entity.participants", "entity.app_id", "entity.callback_id", "entity.scopes_bot",
    "entity.creator", "entity.team", "entity.original_connected_channel_id", "entity.restricted_subjects",
    "entity.barriered_from_usergroups",
    "details.can_thread.type", "details.can_thread.user",
    "details.inviter.account_type", "details.inviter.email", "details.inviter.id", "details.inviter.name",
    "details.inviter.team", "details.inviter.type", "details.inviter.user.account_type", "details.inviter.user.email",
    "details.inviter.user.id", "details.inviter.user.name", "details.inviter.user.team",
    "details.kicker.account_type", "details.kicker.email", "details.kicker.id", "details.kicker.name",
    "details.kicker.team", "details.kicker.type", "details.kicker.user.account_type", "details.kicker.user.email",
    "details.kicker.user.id", "details.kicker.user.name", "details.kicker.user.team",
    "details.matched_rule.id", "details.matched_rule.team_id", "details.matched_rule.title",
    "details.new_profile.display_name", "details.new_profile.first_name", "details.new_profile.last_name",
    "details.new_profile.real_name", "details.new_retention_policy.type", "details.old_retention_policy.type",
    "details.previous_profile.display_name", "details.previous_profile.first_name", "details.previous_profile.last_name",
    "details.previous_profile.real_name",
    "details.new_profile.image_original", "details.new_profile.image_24", "details.new_profile.image_32", "details.new_profile.image_48", "details.new_profile.image_72", "details.new_profile.image_192", "details.new_profile.image_512", "details.new_profile.image_1024",
    "details.previous_profile.image_original", "details.previous_profile.image_24", "details.previous_profile.image_32", "details.previous_profile.image_48", "details.previous_profile.image_72", "details.previous_profile.image_192", "details.previous_profile.image_512", "details.previous_profile.image_1024",
    "details.request.id", "details.request.team_id", "details.shared_with.access_level", "details.shared_with.channel_id",
    "details.space_file_id.payload", "details.who_can_dm_anyone.type", "details.who_can_dm_anyone.user",
    "details.who_can_post.type", "details.who_can_post.user",
];

/// Known keys whose value is, or can be, more than a text or a list of texts: then it is under these names, as JSON.
#[rustfmt::skip]
const JSON: &[&str] = &[
    "entity_json", "entity.step_configuration_json", "entity.trigger_configuration_json",
    "details.affected_users_json", "details.arguments_json", "details.attributes_json", "details.entity_ids_json",
    "details.matched_rule.action_json", "details.matched_rule.condition_json", "details.md_json", "details.new_value_json",
    "details.permissions_json", "details.previous_ip_address_json", "details.previous_value_json", "details.reason_json",
    "details.rules_checked_json", "details.salesforce_org_config_json", "details.trigger_config_json",
    "details.user_agent_change_details_json",
];

/// The fields that this view makes itself. `alert:` names a field of our alert, anything else one of the entry.
#[rustfmt::skip]
const TABLE: &[(&str, Type, &str, &str)] = &[
    ("@timestamp", Type::Date, "date_create; alert: seen", "when it happened; when we first saw it, if the entry has no time"),
    ("ecs.version", Type::Keyword, "", "the version of ECS that this is written in"),
    ("error.message", Type::Keyword, "", "why nothing but the bytes of the entry is shown"),
    ("event.action", Type::Keyword, "action; alert: revision", "Slack's action; alert_opened, alert_updated, alert_acknowledged, alert_noted or alert_closed; heartbeat; what was done to gridwatch itself, as in module.install"),
    ("event.category", Type::Keywords, "action", "ECS's categories of the action; absent for an unknown one"),
    ("event.created", Type::Date, "alert: opened", "when gridwatch first saw the entry, or the alert's first one"),
    ("event.dataset", Type::Keyword, "", "slack.audit, gridwatch.alert, gridwatch.heartbeat or gridwatch.audit"),
    ("event.end", Type::Date, "alert: last", "time of the newest event found"),
    ("event.hash", Type::Keyword, "", "SHA-256 of the bytes that Slack sent"),
    ("event.id", Type::Keyword, "id; alert: uid and revision", "stable: use it as _id. A hash of the bytes, if the entry has no id"),
    ("event.kind", Type::Keyword, "action", "alert for what Slack or gridwatch found, pipeline_error for what can't be read, metric for a heartbeat, else event"),
    ("event.module", Type::Keyword, "", "slack, or gridwatch"),
    ("event.original", Type::Wildcard, "", "the bytes that Slack sent; a choice per sink"),
    ("event.outcome", Type::Keyword, "action, details.success", "success or failure; unknown for unknown actions and Slack's findings"),
    ("event.reason", Type::Keyword, "details.reason; alert: handling", "the reasons, joined by commas; what somebody did about the alert, and what they said"),
    ("event.sequence", Type::Long, "", "place in gridwatch's order"),
    ("event.severity", Type::Long, "alert: severity", "1 informational, 2 low, 3 medium, 4 high, 5 critical"),
    ("event.start", Type::Date, "details.action_timestamp; alert: first", "when the act was that an anomaly is about; time of the oldest event found"),
    ("event.type", Type::Keywords, "action", "ECS's types of the action"),
    ("file.extension", Type::Keyword, "entity.file.name", "what is behind the last dot"),
    ("file.hash.md5", Type::Keyword, "details.md5, details.md5_hash", "MD5 of the file"),
    ("file.mime_type", Type::Keyword, "entity.file.filetype", "if it is one"),
    ("file.name", Type::Keyword, "entity.file.name", "the file's name"),
    ("gridwatch.alert.actor.role_at_event", Type::Keyword, "alert: actor", "the actor's role when it happened"),
    ("gridwatch.alert.actor.role_now", Type::Keyword, "alert: actor", "the newest role known"),
    ("gridwatch.alert.acts", Type::Objects, "alert: handling", "what people did about it so far"),
    ("gridwatch.alert.acts.at", Type::Date, "alert: handling", "when"),
    ("gridwatch.alert.acts.by", Type::Keyword, "alert: handling", "who; gridwatch where a finding opened it again"),
    ("gridwatch.alert.acts.reason", Type::Keyword, "alert: handling", "of a close: true, false or expected"),
    ("gridwatch.alert.acts.text", Type::Keyword, "alert: handling", "what they said"),
    ("gridwatch.alert.acts.what", Type::Keyword, "alert: handling", "acknowledge, note, close or reopen"),
    ("gridwatch.alert.close_reason", Type::Keyword, "alert: handling", "true, false or expected, while it is closed"),
    ("gridwatch.alert.days", Type::Long, "alert: days", "on how many days something of it was found, where it goes on"),
    ("gridwatch.alert.dedup_key", Type::Keyword, "alert: dedup_key", "what findings share to be this alert"),
    ("gridwatch.alert.different.addresses", Type::Long, "alert: counts", "different addresses among the findings; about right from 256 on"),
    ("gridwatch.alert.different.doers", Type::Long, "alert: counts", "different people, and apps that acted for them"),
    ("gridwatch.alert.different.objects", Type::Long, "alert: counts", "different things that it was done to"),
    ("gridwatch.alert.evidence", Type::Objects, "alert: evidence", "events found, as far as the alert keeps them"),
    ("gridwatch.alert.evidence.action", Type::Keyword, "alert: evidence", "Slack's action"),
    ("gridwatch.alert.evidence.id", Type::Keyword, "alert: evidence", "Slack's id: event.id of the whole event"),
    ("gridwatch.alert.evidence.ip_address", Type::Keyword, "alert: evidence", "from where, as Slack wrote it"),
    ("gridwatch.alert.evidence.object_id", Type::Keyword, "alert: evidence", "to what it was done"),
    ("gridwatch.alert.evidence.object_name", Type::Keyword, "alert: evidence", "its name"),
    ("gridwatch.alert.evidence.sequence", Type::Long, "alert: evidence", "event.sequence of the event"),
    ("gridwatch.alert.evidence.time", Type::Date, "alert: evidence", "when it happened"),
    ("gridwatch.alert.evidence.user_agent", Type::Keyword, "alert: evidence", "with what"),
    ("gridwatch.alert.evidence.user_id", Type::Keyword, "alert: evidence", "who"),
    ("gridwatch.alert.evidence_total", Type::Long, "alert: evidence_total", "events found, shown or not"),
    ("gridwatch.alert.facts", Type::Objects, "alert: about", "who, whether that is usual for them, and from where; each value by itself"),
    ("gridwatch.alert.facts.name", Type::Keyword, "alert: about", "as in address.others_total"),
    ("gridwatch.alert.facts.value", Type::Keyword, "alert: about", "the value, as text"),
    ("gridwatch.alert.findings", Type::Long, "alert: findings", "findings folded into this alert"),
    ("gridwatch.alert.labels", Type::Objects, "alert: labels", "what the rule adds"),
    ("gridwatch.alert.labels.name", Type::Keyword, "alert: labels", "a label's name"),
    ("gridwatch.alert.labels.value", Type::Keyword, "alert: labels", "a label's value"),
    ("gridwatch.alert.module.digest", Type::Keyword, "alert: module", "SHA-256 of the module that found it"),
    ("gridwatch.alert.module.name", Type::Keyword, "alert: module", "the module that found it"),
    ("gridwatch.alert.module.version", Type::Keyword, "alert: module", "its version"),
    ("gridwatch.alert.news", Type::Keywords, "alert: news", "why it is sent again"),
    ("gridwatch.alert.others", Type::Objects, "alert: others", "who else did it"),
    ("gridwatch.alert.others.app_id", Type::Keyword, "alert: others", "the app that acted for them, or by itself"),
    ("gridwatch.alert.others.email", Type::Keyword, "alert: others", "their address"),
    ("gridwatch.alert.others.id", Type::Keyword, "alert: others", "their id"),
    ("gridwatch.alert.others.name", Type::Keyword, "alert: others", "their name"),
    ("gridwatch.alert.period_s", Type::Long, "alert: period_s", "seconds in which findings fold together"),
    ("gridwatch.alert.period_start", Type::Date, "alert: period_start", "start of those"),
    ("gridwatch.alert.playbook.contain", Type::Objects, "alert: playbook", "how to stop it"),
    ("gridwatch.alert.playbook.contain.do", Type::Keyword, "alert: playbook", "a step"),
    ("gridwatch.alert.playbook.contain.method", Type::Keyword, "alert: playbook", "the Slack method that does it"),
    ("gridwatch.alert.playbook.contain.scope", Type::Keyword, "alert: playbook", "the scope that this needs"),
    ("gridwatch.alert.playbook.then", Type::Objects, "alert: playbook", "what to do after that"),
    ("gridwatch.alert.playbook.then.do", Type::Keyword, "alert: playbook", "a step"),
    ("gridwatch.alert.playbook.then.method", Type::Keyword, "alert: playbook", "the Slack method that does it"),
    ("gridwatch.alert.playbook.then.scope", Type::Keyword, "alert: playbook", "the scope that this needs"),
    ("gridwatch.alert.playbook.verify", Type::Objects, "alert: playbook", "how to see if it is true"),
    ("gridwatch.alert.playbook.verify.do", Type::Keyword, "alert: playbook", "a step"),
    ("gridwatch.alert.playbook.verify.method", Type::Keyword, "alert: playbook", "the Slack method that does it"),
    ("gridwatch.alert.playbook.verify.scope", Type::Keyword, "alert: playbook", "the scope that this needs"),
    ("gridwatch.alert.recent", Type::Objects, "alert: recent", "what the actor did last, newest first"),
    ("gridwatch.alert.recent.action", Type::Keyword, "alert: recent", "Slack's action"),
    ("gridwatch.alert.recent.ip_address", Type::Keyword, "alert: recent", "from where"),
    ("gridwatch.alert.recent.sequence", Type::Long, "alert: recent", "event.sequence of the event"),
    ("gridwatch.alert.recent.time", Type::Date, "alert: recent", "when it happened"),
    ("gridwatch.alert.revision", Type::Long, "alert: revision", "1 when it opens, one more each time it is sent again"),
    ("gridwatch.alert.severity", Type::Keyword, "alert: severity", "event.severity in words"),
    ("gridwatch.alert.severity_reason", Type::Keyword, "alert: reason", "why it is that severe, in the rule's words"),
    ("gridwatch.alert.status", Type::Keyword, "alert: suppressed_by, over, handling", "new, acknowledged, closed, suppressed, or resolved: only alerts about gridwatch itself are"),
    ("gridwatch.alert.subjects", Type::Objects, "alert: subjects", "what a response would act on, each id by itself"),
    ("gridwatch.alert.subjects.name", Type::Keyword, "alert: subjects", "as in users.ids or files.ids"),
    ("gridwatch.alert.subjects.value", Type::Keyword, "alert: subjects", "the id"),
    ("gridwatch.alert.suppressed_by", Type::Keyword, "alert: suppressed_by", "what silenced it"),
    ("gridwatch.alert.uid", Type::Keyword, "alert: uid", "the same for all revisions"),
    ("gridwatch.cut", Type::Objects, "", "what is left out of the document, because it was too long for its sink"),
    ("gridwatch.cut.attribute", Type::Keyword, "", "the field; * is the whole document"),
    ("gridwatch.cut.had", Type::Long, "", "how much it had"),
    ("gridwatch.cut.kept", Type::Long, "", "how much of that is left"),
    ("gridwatch.cut.unit", Type::Keyword, "", "bytes of a text, items of a list, fields of an object"),
    ("gridwatch.audit.chain", Type::Keyword, "audit", "names the chain of the trail of gridwatch itself"),
    ("gridwatch.audit.details", Type::Keywords, "audit", "what else there is to say, each with its name"),
    ("gridwatch.audit.hash", Type::Keyword, "audit", "SHA-256 of previous, a line feed and statement"),
    ("gridwatch.audit.number", Type::Long, "audit", "from 1 on, without a hole"),
    ("gridwatch.audit.object", Type::Keyword, "audit", "what it was done to: a module, an alert, a file"),
    ("gridwatch.audit.org", Type::Keyword, "audit", "the organization's name in the configuration, where there are several"),
    ("gridwatch.audit.previous", Type::Keyword, "audit", "hash of the record before"),
    ("gridwatch.audit.statement", Type::Wildcard, "audit", "all that it says, as the JSON text that the hash is over"),
    ("gridwatch.audit.via", Type::Keyword, "audit", "command line, page, file, reload, start or gridwatch itself"),
    ("gridwatch.heartbeat.audit_hash", Type::Keyword, "heartbeat", "hash of the newest record of the audit trail"),
    ("gridwatch.heartbeat.audit_number", Type::Long, "heartbeat", "its number"),
    ("gridwatch.heartbeat.chain", Type::Keyword, "heartbeat", "names the chain; another one begins with another store"),
    ("gridwatch.heartbeat.hash", Type::Keyword, "heartbeat", "SHA-256 of previous, a line feed and statement"),
    ("gridwatch.heartbeat.next", Type::Date, "heartbeat", "by when the next one has to be there; absent from the last one before an end"),
    ("gridwatch.heartbeat.number", Type::Long, "heartbeat", "from 1 on, without a hole"),
    ("gridwatch.heartbeat.orgs", Type::Objects, "heartbeat", "each organization"),
    ("gridwatch.heartbeat.orgs.alerts", Type::Long, "heartbeat", "alerts and revisions since the start"),
    ("gridwatch.heartbeat.orgs.entries", Type::Long, "heartbeat", "new entries since the start"),
    ("gridwatch.heartbeat.orgs.events", Type::Long, "heartbeat", "events judged since the start"),
    ("gridwatch.heartbeat.orgs.gap_s", Type::Long, "heartbeat", "seconds that were not read"),
    ("gridwatch.heartbeat.orgs.gaps", Type::Long, "heartbeat", "stretches of time that were not read"),
    ("gridwatch.heartbeat.orgs.lag_s", Type::Long, "heartbeat", "how far settled is behind"),
    ("gridwatch.heartbeat.orgs.newest", Type::Date, "heartbeat", "time of the newest entry"),
    ("gridwatch.heartbeat.orgs.org", Type::Keyword, "heartbeat", "its name in the configuration, or default"),
    ("gridwatch.heartbeat.orgs.paused", Type::Keyword, "heartbeat", "why polling stands still"),
    ("gridwatch.heartbeat.orgs.settled", Type::Date, "heartbeat", "the last second up to which everything has been read"),
    ("gridwatch.heartbeat.previous", Type::Keyword, "heartbeat", "hash of the heartbeat before"),
    ("gridwatch.heartbeat.sinks", Type::Objects, "heartbeat", "each sink"),
    ("gridwatch.heartbeat.sinks.failing", Type::Boolean, "heartbeat", "does it fail now?"),
    ("gridwatch.heartbeat.sinks.name", Type::Keyword, "heartbeat", "its name in the configuration"),
    ("gridwatch.heartbeat.sinks.refused", Type::Long, "heartbeat", "records refused for good, ever"),
    ("gridwatch.heartbeat.sinks.waiting", Type::Long, "heartbeat", "records that it has not taken yet"),
    ("gridwatch.heartbeat.statement", Type::Wildcard, "heartbeat", "all that it says, modules too, as the JSON text that the hash is over"),
    ("gridwatch.heartbeat.troubles", Type::Keywords, "heartbeat", "rules of gridwatch's own that are told and not over"),
    ("gridwatch.version", Type::Keyword, "", "the gridwatch that wrote this"),
    ("group.id", Type::Keyword, "entity.usergroup.id", "the user group it is about"),
    ("group.name", Type::Keyword, "entity.usergroup.name", "its name"),
    ("message", Type::Keyword, "alert: title, reason; heartbeat; audit", "the alert in a line, and why it is that severe; or the heartbeat, or what was done to gridwatch itself"),
    ("observer.product", Type::Keyword, "", "who tells it: Slack Enterprise Grid or gridwatch"),
    ("observer.vendor", Type::Keyword, "", "Slack or gridwatch"),
    ("organization.id", Type::Keyword, "its name in the configuration; else context.location.id, or that of an entry before, actor.user.team", "the organization, never a workspace"),
    ("organization.name", Type::Keyword, "context.location.name", "its name"),
    ("related.hash", Type::Keywords, "details", "all hashes and fingerprints"),
    ("related.ip", Type::Ips, "context, details; alert: evidence, recent", "all addresses"),
    ("related.user", Type::Keywords, "actor, entity, details; alert: actor, evidence", "ids, names and addresses of all people"),
    ("rule.description", Type::Keyword, "alert: condition", "what the rule looks for"),
    ("rule.id", Type::Keyword, "alert: rule", "module and rule"),
    ("rule.name", Type::Keyword, "alert: rule_title", "the rule in words"),
    ("rule.ruleset", Type::Keyword, "alert: module", "the module's name"),
    ("rule.version", Type::Keyword, "alert: module", "the module's version"),
    ("source.address", Type::Keyword, "context.ip_address; alert: about.address", "as Slack wrote it"),
    ("source.as.number", Type::Long, "alert: about.address", "who runs the address, if tables or databases of networks know it"),
    ("source.as.organization.name", Type::Keyword, "alert: about.address", "its name"),
    ("source.geo.country_iso_code", Type::Keyword, "alert: about.address", "in which country it is"),
    ("source.ip", Type::Ip, "context.ip_address; alert: about.address", "if it is an address"),
    ("tags", Type::Keywords, "", "what was odd about the entry: unknown_action, no_id, no_time, …"),
    ("threat.framework", Type::Keyword, "alert: attack", "MITRE ATT&CK"),
    ("threat.technique.id", Type::Keywords, "alert: attack", "techniques"),
    ("threat.technique.subtechnique.id", Type::Keywords, "alert: attack", "sub-techniques"),
    ("tls.client.ja3", Type::Keyword, "details.client_ja3_fingerprint", "fingerprint of the client's TLS"),
    ("user.changes.full_name", Type::Keyword, "details.new_profile.real_name", "if it changed"),
    ("user.changes.name", Type::Keyword, "details.new_profile.display_name", "if it changed"),
    ("user.changes.roles", Type::Keywords, "action", "the role that role_change_to_* names"),
    ("user.email", Type::Keyword, "actor.user.email; alert: actor", "who did it"),
    ("user.full_name", Type::Keyword, "actor.user.name; alert: actor", "who did it"),
    ("user.id", Type::Keyword, "actor.user.id; alert: actor", "who did it"),
    ("user.name", Type::Keyword, "actor.user.name; alert: actor", "the same as full_name: Slack logs one name"),
    ("user.roles", Type::Keywords, "alert: actor", "the role when it happened, if known"),
    ("user.target.email", Type::Keyword, "entity.user.email; alert: about.target", "to whom it was done, if not the actor"),
    ("user.target.full_name", Type::Keyword, "entity.user.name; alert: about.target", "to whom it was done, if not the actor"),
    ("user.target.id", Type::Keyword, "entity.user.id, details.target_user, details.target_user_id; alert: about.target", "to whom it was done, if not the actor"),
    ("user.target.name", Type::Keyword, "entity.user.name; alert: about.target", "to whom it was done, if not the actor"),
    ("user.target.roles", Type::Keywords, "alert: about.target", "the role that they had when it happened, if known"),
    ("user_agent.original", Type::Keyword, "context.ua", "with what"),
];
