//! An alert as an OCSF Detection Finding (2004): who, what, how often, found by which code, and what to do about it.
//!
//! Evidence is shown once, as far as the alert keeps it; the whole entries are records of their own, found by their uid. Repeats
//! to the byte, as the only clock is [`Alert::seen`]. What people did about it decides the status, and is in `comment`, `verdict` and `unmapped.handling`.

use super::classes::{self, Activity};
use super::event::non_empty;
use super::schema::{Made, Version};
use super::vocabulary as v;
use super::{classified, is_believable, objects, timestamp};
use crate::leaves::Taken;
use crate::shown::{Fields, Shown};
use crate::{Product, line};
use gridwatch_event::text::clean;
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::{Playbook, Step};
use gridwatch_rules::about::{About, Address};
use gridwatch_rules::alert::Alert;
use gridwatch_rules::directory::RecentAct;
use gridwatch_rules::handling::{Reason, Status};
use gridwatch_rules::stub::Stub;
use serde_json::{Value, json};

/// Evidence shown: all that an alert keeps. `finding_info.related_events_count` counts all that there was.
pub const EVIDENCES_MAX: usize = 50;
/// Characters of `status_detail`.
const MAX_DETAIL: usize = 1_024;

/// The OCSF Detection Finding of one revision of an alert.
///
/// `finding_info.uid` is the alert's, the same for all its revisions. `metadata.uid` is the record's
/// ([`Alert::record_id`]): a consumer that gets it twice may drop one.
pub fn detection_finding(alert: &Alert, product: &Product<'_>, version: Version) -> Value {
    let mut line = Vec::new();
    shown(alert, product, version).write(&Taken::default(), &mut line);
    line::read(&line)
}

/// The same, still borrowing from the alert.
pub(crate) fn shown<'e>(alert: &'e Alert, product: &Product<'e>, version: Version) -> Shown<'e> {
    let activity = activity(alert);
    let (status_id, status) = status(alert);
    let shown = alert.evidence.iter().take(EVIDENCES_MAX);
    let address = alert.about.address.as_ref();
    let evidences: Vec<Made<'_>> = shown.map(|stub| evidence(version, stub, address)).collect();
    let user = objects::known_user(version, alert);
    let finding = classified(version, activity, activity.name, alert.severity)
        .maybe("enrichments", non_empty(enrichments(version, alert, user.as_ref())))
        .maybe("actor", user.map(|user| version.make(&v::ACTOR).set("user", user)))
        .maybe("comment", alert.act().and_then(|act| said(&act.text)))
        .set("count", alert.findings)
        .maybe("end_time", event_time(alert.last))
        .maybe("evidences", non_empty(evidences))
        .set("finding_info", finding_info(version, alert))
        .set("is_alert", alert.suppressed_by.is_none())
        .set("message", alert.message())
        .maybe("remediation", remediation(version, &alert.playbook))
        .maybe("start_time", event_time(alert.first))
        .maybe("status_code", alert.act().map(|act| act.what.name()))
        .id("status_id", "status", status_id, status)
        .maybe("status_detail", status_detail(alert))
        .set("time", timestamp(alert.seen))
        .set("unmapped", unmapped(version, alert));
    let finding = match verdict(alert) {
        Some((id, caption)) => finding.id("verdict_id", "verdict", id, caption),
        None => finding,
    };
    let metadata = metadata(alert, product, version, finding.profiles());
    finding.set("metadata", metadata).into()
}

const fn activity(alert: &Alert) -> Activity {
    match (alert.over.is_some() || alert.handling.is_closed(), alert.is_opening()) {
        (true, _) => classes::FINDING_CLOSE,
        (false, true) => classes::FINDING_CREATE,
        (false, false) => classes::FINDING_UPDATE,
    }
}

/// An update is still "New": "In Progress" says that a person is at it.
const fn status(alert: &Alert) -> (u64, &'static str) {
    const NEW: (u64, &str) = (1, "New");
    const IN_PROGRESS: (u64, &str) = (2, "In Progress");
    /// OCSF: reviewed, and found to be benign or a false positive.
    const SUPPRESSED: (u64, &str) = (3, "Suppressed");
    const RESOLVED: (u64, &str) = (4, "Resolved");
    match (&alert.suppressed_by, alert.over, alert.handling.status) {
        (Some(_), ..) => SUPPRESSED,
        (None, _, Status::Closed(Reason::False | Reason::Expected)) => SUPPRESSED,
        (None, _, Status::Closed(Reason::True)) | (None, Some(_), _) => RESOLVED,
        (None, None, Status::Acknowledged) => IN_PROGRESS,
        (None, None, Status::Open) => NEW,
    }
}

fn verdict(alert: &Alert) -> Option<(u64, &'static str)> {
    alert.handling.status.reason().map(|reason| match reason {
        Reason::False => (1, "False Positive"),
        Reason::True => (2, "True Positive"),
        Reason::Expected => (5, "Benign"),
    })
}

/// What silenced it, and why it is sent again.
fn status_detail(alert: &Alert) -> Option<String> {
    let suppressed = alert.suppressed_by.as_ref().map(|name| format!("suppressed by {name}"));
    let detail: Vec<String> = suppressed.into_iter().chain(alert.news.iter().cloned()).collect();
    non_empty(detail).map(|detail| clean(&detail.join("; "), MAX_DETAIL))
}

fn metadata<'e>(alert: &'e Alert, product: &Product<'e>, version: Version, profiles: Vec<&'e str>) -> Made<'e> {
    let module = &alert.module;
    let feature = version.make(&v::FEATURE).set("name", module.name.as_str()).set("uid", module.digest.as_str());
    let gridwatch = version
        .make(&v::PRODUCT)
        .set("name", Product::NAME)
        .set("vendor_name", Product::NAME)
        .set("version", product.version)
        .set("feature", feature.set("version", module.version.as_str()));
    version
        .make(&v::METADATA)
        .set("version", version.name())
        .set("uid", alert.record_id())
        .set("event_code", alert.rule.as_str())
        .set("product", gridwatch)
        .maybe("tenant_uid", alert.org.name().or(alert.organization.as_deref()))
        .maybe("profiles", non_empty(profiles))
}

fn finding_info(version: Version, alert: &Alert) -> Made<'_> {
    let analytic = version
        .make(&v::ANALYTIC)
        .set("uid", alert.rule.as_str())
        .set("name", alert.rule_title.as_str())
        .set("version", alert.module.version.as_str())
        .id("type_id", "type", 1, "Rule");
    let attacks: Vec<Made<'_>> = alert.attack.iter().map(|id| attack(version, id)).collect();
    version
        .make(&v::FINDING_INFO)
        .set("uid", alert.uid.as_str())
        .set("title", alert.title.as_str())
        .maybe("desc", (!alert.condition.is_empty()).then_some(alert.condition.as_str()))
        .set("analytic", analytic)
        .set("created_time", timestamp(alert.opened))
        .set("modified_time", timestamp(alert.seen))
        .maybe("first_seen_time", event_time(alert.first))
        .maybe("last_seen_time", event_time(alert.last))
        .set("related_events_count", alert.evidence_total)
        .maybe("attacks", non_empty(attacks))
        .take("tags", || non_empty(tags(version, alert)))
}

fn tags(version: Version, alert: &Alert) -> Vec<Made<'_>> {
    let tag = |name, value| version.make(&v::KEY_VALUE).set("name", name).set("value", value);
    alert.labels.iter().map(|(name, value)| tag(name.as_str(), value.as_str())).collect()
}

/// An ATT&CK technique (`T1078`) or sub-technique (`T1078.004`), which names its technique too.
fn attack(version: Version, id: &str) -> Made<'_> {
    let technique = id.split('.').next().unwrap_or(id);
    let sub_technique = (technique != id).then(|| version.make(&v::SUB_TECHNIQUE).set("uid", id));
    let technique = version.make(&v::TECHNIQUE).set("uid", technique);
    version.make(&v::ATTACK).set("technique", technique).maybe("sub_technique", sub_technique)
}

/// Who and from where as OCSF objects, and what it takes to find the entry again.
fn evidence<'e>(version: Version, stub: &'e Stub, address: Option<&'e Address>) -> Made<'e> {
    let evidence = version.make(&v::EVIDENCES);
    let user_agent = Some(stub.ua.as_str()).filter(|text| !text.is_empty());
    let data = Fields::new()
        .maybe("uid", (!evidence.has("uid")).then_some(stub.id.as_str()))
        .set("seq", stub.seq)
        .maybe("action", (!evidence.has("name")).then_some(stub.action.as_str()))
        .maybe("ua", user_agent.filter(|_| !evidence.has("http_request")))
        .maybe("time", event_time(stub.time))
        .maybe("object", said(&stub.object))
        .maybe("object_name", said(&stub.object_name));
    let user = objects::user_of_id(version, stub.actor_id.as_str().into());
    evidence
        .set("uid", stub.id.as_str())
        .set("name", stub.action.as_str())
        .set("data", data)
        .maybe("actor", user.map(|user| version.make(&v::ACTOR).set("user", user)))
        .maybe("src_endpoint", objects::endpoint(version, &stub.ip_address, address))
        .maybe("http_request", user_agent.map(|text| objects::user_agent_request(version, text)))
}

/// What is known beside the evidence. OCSF's name and value say what each is about, and `data` says it, in the names and
/// units of [`About`]. A role that no entry has told is there as "unknown"; the last one says what else is, and why.
fn enrichments<'e>(version: Version, alert: &'e Alert, user: Option<&Shown<'e>>) -> Vec<Shown<'e>> {
    let enrichment = |kind: &'e str, name: &'e str, value: &str, data: Shown<'e>| {
        let enrichment = version.make(&v::ENRICHMENT).set("name", name).set("value", value.to_owned());
        Shown::from(enrichment.set("type", kind).set("data", data).set("provider", Product::NAME))
    };
    let mut all = Vec::new();
    if let Some(user) = user {
        let (name, key) =
            if user.get("uid").is_some() { ("actor.user.uid", "uid") } else { ("actor.user.name", "name") };
        let value = user.get(key).and_then(Shown::as_str).unwrap_or_default();
        let value = value.as_ref();
        let actor = &alert.actor;
        let roles = json!({ "role_at_event": actor.role_at_event.name(), "role_now": actor.role_now.name() });
        let recent: Vec<Fields<'e>> = alert.recent_besides().map(act).collect();
        all.push(enrichment("role", name, value, roles.into()));
        all.extend(non_empty(recent).map(|acts| enrichment("recent_activity", name, value, acts.into())));
    }
    if !alert.others.is_empty() {
        all.push(enrichment("other_actors", "finding_info.uid", &alert.uid, json!(alert.others).into()));
    }
    all.extend(
        about(&alert.about).into_iter().map(|(kind, name, value, data)| enrichment(kind, name, value, data.into())),
    );
    all
}

/// Type, name, value and data of each part that there is.
fn about(about: &About) -> Vec<(&'static str, &'static str, &str, Value)> {
    let actor = about.actor.id.as_str();
    // Where no person acted it is the target's.
    let whose = about.activity.as_ref().map_or(actor, |activity| activity.of.as_str());
    let of = if whose == actor { "actor.user.uid" } else { "target.user.uid" };
    let through = (!about.acted_through.is_empty()).then_some(&about.acted_through);
    let parts = [
        (!actor.is_empty()).then(|| ("account", "actor.user.uid", actor, json!(about.actor))),
        about.activity.as_ref().map(|activity| ("activity", of, whose, json!(activity))),
        about.session.as_ref().map(|session| ("session", "session.uid", session.id.as_str(), json!(session))),
        (!about.alerts.is_empty()).then(|| ("alerts", of, whose, json!(about.alerts))),
        through.map(|through| ("acted_through", "actor.user.uid", actor, json!(through))),
        about.target.as_ref().map(|target| ("target", "target.user.uid", target.id.as_str(), json!(target))),
        about.address.as_ref().map(|at| ("address", "evidences.src_endpoint.ip", at.ip.as_str(), json!(at))),
        about.app.as_ref().map(|app| ("app", "app.uid", app.id.as_str(), json!(app))),
        about.channel.as_ref().map(|channel| ("channel", "channel.uid", channel.id.as_str(), json!(channel))),
        about.peers.as_ref().map(|peers| ("peers", "evidences.name", peers.action.as_str(), json!(peers))),
        (!about.lacks.is_empty()).then(|| ("unknown", "actor.user.uid", actor, json!(about.lacks))),
    ];
    parts.into_iter().flatten().collect()
}

fn act(act: &RecentAct) -> Fields<'_> {
    Fields::new()
        .set("seq", act.seq)
        .set("action", act.action.as_str())
        .maybe("time", event_time(act.time))
        .maybe("ip_address", (!act.ip_address.is_empty()).then_some(act.ip_address.as_str()))
}

/// OCSF wants one text: the steps numbered through, each with its phase, and the Slack method and scope that do it.
fn remediation<'e>(version: Version, playbook: &Playbook) -> Option<Made<'e>> {
    let phases = [("Verify", &playbook.verify), ("Contain", &playbook.contain), ("Then", &playbook.then)];
    let steps = phases.into_iter().flat_map(|(phase, steps)| steps.iter().map(move |step| (phase, step)));
    let lines: Vec<String> =
        steps.enumerate().map(|(n, (phase, step))| format!("{}. {phase}: {}", n + 1, step_line(step))).collect();
    non_empty(lines).map(|lines| version.make(&v::REMEDIATION).set("desc", lines.join("\n")))
}

fn step_line(step: &Step) -> String {
    let text = &step.text;
    match (&step.method, &step.scope) {
        (Some(method), Some(scope)) => format!("{text} ({method}, scope {scope})"),
        (Some(method), None) => format!("{text} ({method})"),
        (None, Some(scope)) => format!("{text} (scope {scope})"),
        (None, None) => text.clone(),
    }
}

/// What findings share to be folded into this alert, besides the rule; and what the version has no attribute for. In the
/// names and units of [`Alert`].
fn unmapped(version: Version, alert: &Alert) -> Fields<'_> {
    let info = version.make(&v::FINDING_INFO);
    Fields::new()
        .set("dedup_key", alert.dedup_key.as_str())
        .set("period_start", alert.period_start.0)
        .set("period_s", alert.period_s)
        .set("counts", json!(alert.counts))
        .maybe("days", (alert.days > 1).then_some(alert.days))
        .maybe("handling", (!alert.handling.is_untouched()).then(|| json!(alert.handling)))
        .maybe("severity_reason", said(&alert.reason))
        .maybe("subjects", (!alert.subjects.is_empty()).then(|| json!(alert.subjects)))
        .maybe("evidence_total", (!info.has("related_events_count")).then_some(alert.evidence_total))
        .maybe("labels", (!info.has("tags")).then(|| json!(alert.labels)))
}

fn said(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// `None` for a time that no consumer would believe: a stub, unlike an event, has no other to fall back on.
fn event_time(time: UnixSeconds) -> Option<u64> {
    is_believable(time.millis()).then(|| timestamp(time.millis()))
}
