//! What the OCSF view promises: total, valid, lossless and repeatable, for any entry and in both versions.
//!
//! Valid means by the view's own JSON Schema, which is written from the same tables as the view, and by `shape_problems`,
//! which is not. The compiled schemas of OCSF are not part of the repository: to feed a validator that has them, write entries of
//! every action with `gridwatch sim --every-action --export FILE`, and their views with `gridwatch normalize --view ocsf FILE`.

use gridwatch_event::entry::Entry;
use gridwatch_event::event::Event;
use gridwatch_event::role::Role;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_manifest::{Playbook, Severity, Step};
use gridwatch_names::catalogue;
use gridwatch_rules::alert::{Actor, Alert, Counts, Doer, ModuleRef, Source};
use gridwatch_rules::directory::RecentAct;
use gridwatch_rules::handling::{Act, Handling, Reason, What};
use gridwatch_rules::stub::Stub;
use gridwatch_rules::subject::Subjects;
use gridwatch_tests::KINDS;
use gridwatch_tests::about;
use gridwatch_views::ocsf::{self, Class, Version};
use gridwatch_views::{Product, RawData};
use jsonschema::Validator;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

const PRODUCT: Product<'static> = Product { version: "0.1.0" };
const FIRST_SEEN: UnixMillis = UnixMillis(1_760_000_000_123);

static VALIDATORS: LazyLock<[Validator; 2]> = LazyLock::new(|| {
    Version::ALL.map(|version| jsonschema::validator_for(&ocsf::json_schema(version)).expect("a JSON Schema"))
});

fn validator(version: Version) -> &'static Validator {
    let [newer, older] = &*VALIDATORS;
    if version == Version::V1_8_0 { newer } else { older }
}

/// As Slack's SDKs record them: escaped slashes; the session id as a number, as text, null and absent; the new value as
/// text, list and object; an address that is "".
const SAMPLES: [&str; 6] = [
    r#"{"id":"5f1a0001-0000-4000-8000-000000000001","date_create":1700000001,"action":"pref.default_channels","actor":{"type":"user","user":{"id":"W0A","name":"Ada","email":"ada@corp.example","team":"T0A"}},"entity":{"type":"workspace","workspace":{"id":"T0B","name":"Lab","domain":"lab"}},"context":{"location":{"type":"workspace","id":"T0B","name":"Lab","domain":"lab"},"ua":"","ip_address":"127.0.0.1"},"details":{"new_value":["C0A"]}}"#,
    r#"{"id":"5f1a0001-0000-4000-8000-000000000002","date_create":1700000000,"action":"pref.enterprise_default_channels","actor":{"type":"user","user":{"id":"W0A","name":"Ada","email":"ada@corp.example","team":"T0A"}},"entity":{"type":"enterprise","enterprise":{"id":"E0A","name":"Corp","domain":"corp"}},"context":{"location":{"type":"enterprise","id":"E0A","name":"Corp","domain":"corp"},"ua":"Mozilla\/5.0 (X11)","ip_address":"198.51.100.7"},"details":{"new_value":["C0A"],"previous_value":[]}}"#,
    r#"{"id":"5f1a0001-0000-4000-8000-000000000003","date_create":1700000000,"action":"pref.who_can_manage_ext_shared_channels","actor":{"type":"user","user":{"id":"W0A","name":"Ada","email":"ada@corp.example","team":"T0A"}},"entity":{"type":"enterprise","enterprise":{"id":"E0A","name":"Corp","domain":"corp"}},"context":{"location":{"type":"enterprise","id":"E0A","name":"Corp","domain":"corp"},"ua":"x","ip_address":"2001:db8::7","session_id":null},"details":{"new_value":{"type":["ADMINS"]},"previous_value":{"type":["ORG_ADMINS","OWNERS"]}}}"#,
    r#"{"id":"5f1a0001-0000-4000-8000-000000000004","date_create":1700000002,"action":"user_login","actor":{"type":"user","user":{"id":"W0A","name":"Ada","email":"ada@corp.example","team":"E0A"}},"entity":{"type":"user","user":{"id":"W0A","name":"Ada","email":"ada@corp.example","team":"E0A"}},"context":{"location":{"type":"workspace","id":"T0B","name":"Lab","domain":"lab"},"ua":"UA","ip_address":"198.51.100.7","session_id":1656410836837}}"#,
    r#"{"id":"5f1a0001-0000-4000-8000-000000000005","date_create":1700000003,"action":"user_session_reset_by_admin","actor":{"type":"user","user":{"id":"W0B","name":"Bob","email":"","team":"E0A"}},"entity":{"type":"user","user":{"id":"W0A","name":"Ada","email":"ada@corp.example","team":"E0A"}},"context":{"location":{"type":"enterprise","id":"E0A","name":"Corp","domain":"corp"},"ua":"UA","ip_address":"198.51.100.9","session_id":"847288190092"},"details":{"mobile_only":false,"web_only":true,"non_sso_only":false}}"#,
    r#"{"id":"5f1a0001-0000-4000-8000-000000000006","date_create":1700000004,"action":"file_downloaded","actor":{"type":"user","user":{"id":"USLACKUSER","name":"","email":"","team":"E0A"}},"entity":{"type":"file","file":{"id":"F0A","name":"plan.pdf","filetype":"application\/pdf","title":"The plan"}},"context":{"location":{"type":"workspace","id":"T0B","name":"Lab","domain":"lab"},"ua":"","ip_address":"","session_id":null,"app":null},"details":{"url_private":"https:\/\/files.slack.com\/F0A\/plan.pdf"}}"#,
];

fn event(raw: &str) -> Event {
    Event::new(7, FIRST_SEEN, &Entry::from_json(raw))
}

fn view(raw: &str) -> Value {
    view_in(raw, Version::V1_8_0)
}

fn view_in(raw: &str, version: Version) -> Value {
    ocsf::event(&event(raw), &PRODUCT, version, RawData::Include)
}

/// An entry with every key known to matter, each leaf with a value of its own.
fn full_entry(action: &str, kind: &str) -> Value {
    let app = |n: u32| {
        json!({ "id": format!("A{n}"), "name": format!("app {n}"), "is_distributed": true, "scopes": [format!("scope:{n}")],
                "scopes_bot": [], "creator": format!("WC{n}"), "team": format!("TC{n}") })
    };
    let user = |n: u32| {
        json!({ "id": format!("W{n}"), "name": format!("user {n}"), "email": format!("u{n}@corp.example"),
                "team": format!("E{n}"), "account_type": format!("type {n}") })
    };
    let entity = match kind {
        "user" => user(2),
        "workspace" | "enterprise" => json!({ "id": "T9", "name": "the place", "domain": "the-domain" }),
        "channel" => {
            json!({ "id": "C1", "name": "general", "privacy": "public", "is_shared": true, "is_org_shared": false,
                             "teams_shared_with": ["T31", "T32"], "original_connected_channel_id": null })
        }
        "file" => json!({ "id": "F1", "name": "a.png", "filetype": "image/png", "title": "A picture" }),
        "canvas" => json!({ "id": "F2", "filetype": "quip", "title": "A canvas" }),
        "list" => json!({ "id": "F3" }),
        "app" => app(2),
        "message" => json!({ "team": "T33", "channel": "C33", "timestamp": "1700000000.000100" }),
        "account_type_role" => json!({ "id": 123, "name": "role no 123" }),
        "huddle" => json!({ "id": "R1", "date_start": 1_700_000_111, "date_end": 0, "participants": ["W41", "W42"] }),
        "barrier" => json!({ "id": "B1", "primary_usergroup": "S1", "barriered_from_usergroups": ["S2"] }),
        "template" => json!({ "id": "Tm1", "template_name": "a template" }),
        "function" => json!({ "id": "Fn1", "app_id": "A51", "callback_id": "a_callback" }),
        "external_auth_oauth2_token" => {
            json!({ "provider": { "id": 9_876_543_210_u64, "app": { "scopes": "read,write" } } })
        }
        "workflow_v2" => json!({ "id": "Wf1", "name": "a flow", "app_id": "A52", "date_updated": 1_700_000_112,
                                 "step_configuration": [{ "name": "step", "external_auth_configuration": [] }] }),
        _ => json!({ "id": "X1", "name": "a thing", "type": "custom" }),
    };
    let mut entry = json!({
        "id": "0b7e4f2c-1111-4222-8333-944444444444", "date_create": 1_700_000_113, "action": action,
        "actor": { "type": "user", "user": user(1) },
        "context": {
            "location": { "type": "enterprise", "id": "E71", "name": "Corp", "domain": "corp" },
            "ua": "Mozilla/5.0 (X11; Linux)", "ip_address": "198.51.100.7", "session_id": 1_656_410_836_837_u64,
            "app": app(1), "acting_agent": "Slackbot",
            "agent_message": { "team": "T72", "channel_id": "C72", "message_ts": "1700000000.72", "thread_ts": "" },
        },
        "details": {
            "type": "INVITED", "inviter": { "type": "user", "user": user(3) }, "kicker": user(4), "reason": "a reason",
            "new_value": { "type": ["AFTER"] }, "previous_value": "BEFORE", "pref_name": "a_pref", "policy_name": "a_policy",
            "target_user": "W61", "target_user_id": "W62", "target_entity": "T61", "changed_permissions": ["p1", "p2"],
            "url_private": "https://files.slack.com/a", "md5": "0123456789abcdef0123456789abcdef", "md5_hash": "md5-2",
            "access_level": "write", "shared_with": { "channel_id": "C81", "access_level": "read" },
            "tool_name": "a tool", "tool": "another tool", "server_name": "a server", "arguments": { "query": ["q"] },
            "success": false, "subteam": "S81", "channel": "C82", "channel_id": "C83", "app_id": "A81",
            "action_timestamp": 1_700_000_050_123_456_u64, "previous_ip_address": "203.0.113.9", "previous_ua": "old agent",
            "succeeded_users": "[\"W91\"]", "failed_users": [], "empty": {}, "nothing": null,
        },
        "app": "seen at the top", "new_key": [[], [1, [2.50]], {}],
    });
    if !kind.is_empty() {
        entry["entity"] = json!({ "type": kind, kind: entity });
    }
    entry
}

/// The least that still is an entry of that kind.
fn bare_entry(action: &str, kind: &str) -> Value {
    json!({ "id": "0b7e4f2c-1111-4222-8333-944444444445", "date_create": 1_700_000_113, "action": action,
            "actor": { "type": "user", "user": {} }, "entity": { "type": kind, kind: {} },
            "context": { "ua": "", "ip_address": "", "session_id": null }, "details": {} })
}

/// Every leaf with its path: scalars, nulls and empty containers.
fn leaves(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(object) if !object.is_empty() => {
            object.iter().for_each(|(key, inner)| leaves(inner, &format!("{path}/{key}"), found));
        }
        Value::Array(array) if !array.is_empty() => {
            array.iter().enumerate().for_each(|(n, inner)| leaves(inner, &format!("{path}/{n}"), found));
        }
        Value::String(text) if !text.is_empty() => found.push((path.into(), format!("text {text}"))),
        Value::Number(number) => found.push((path.into(), format!("text {number}"))),
        empty_or_bool => found.push((path.into(), empty_or_bool.to_string())),
    }
}

fn leaves_of(value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    leaves(value, "", &mut found);
    found.retain(|(path, _)| !path.is_empty());
    found
}

/// Leaves of the entry that the view has fewer times than the entry. The raw bytes don't count.
fn lost(event: &Event, view: &Value) -> Vec<(String, String)> {
    let mut view = view.clone();
    if let Some(object) = view.as_object_mut() {
        object.remove("raw_data");
        object.remove("raw_data_hash");
    }
    let mut there: BTreeMap<String, usize> = BTreeMap::new();
    for (_, leaf) in leaves_of(&view) {
        *there.entry(leaf).or_default() += 1;
    }
    let is_missing = |(_, leaf): &(String, String)| match there.get_mut(leaf) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    leaves_of(event.json()).into_iter().filter(is_missing).collect()
}

/// Required attributes beyond those of every class, as in the compiled schemas.
fn required(class: u64) -> &'static [&'static str] {
    match class {
        2004 => &["finding_info"],
        3001 | 3002 => &["user"],
        3004 => &["entity"],
        3005 => &["user", "privileges"],
        3006 => &["group"],
        6001 => &["web_resources"],
        6002 => &["app"],
        6003 => &["actor", "api", "src_endpoint", "cloud"],
        6006 => &["actor", "file", "src_endpoint"],
        _ => &[],
    }
}

/// What the schema would refuse, as far as it can be said without the schema.
fn shape_problems(view: &Value, version: Version) -> Vec<String> {
    let complaints = validator(version).iter_errors(view).map(|error| format!("{}: {error}", error.instance_path()));
    let mut problems: Vec<String> = complaints.collect();
    if view["metadata"]["version"] != version.name() {
        problems.push(format!("version {}", view["metadata"]["version"]));
    }
    let class = view["class_uid"].as_u64().unwrap_or(u64::MAX);
    let everywhere = ["activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"];
    for key in everywhere.iter().chain(required(class)) {
        if view.get(key).is_none() {
            problems.push(format!("{key} is required"));
        }
    }
    let profiles: Vec<_> =
        view["metadata"]["profiles"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let may_have_an_actor_anyway = version == Version::V1_1_0 && matches!(class, 6003 | 6006);
    let host: &[&str] = if may_have_an_actor_anyway { &[] } else { &["actor", "device"] };
    for (keys, profile) in [
        (host, "host"),
        (&["cloud", "api"], "cloud"),
        (&["action_id", "disposition_id", "is_alert"], "security_control"),
        (&["message_context"], "ai_operation"),
    ] {
        if profiles.contains(&profile) != keys.iter().any(|key| view.get(key).is_some()) {
            problems.push(format!("profile {profile} and its attributes disagree"));
        }
    }
    if view["type_uid"].as_u64() != view["activity_id"].as_u64().map(|activity| class * 100 + activity) {
        problems.push("type_uid".into());
    }
    let time = view["time"].as_u64().unwrap_or_default();
    if !(946_684_800_000..=4_102_444_800_000).contains(&time) {
        problems.push(format!("time {time}"));
    }
    for endpoint in ["/src_endpoint", "/device", "/evidences/0/src_endpoint", "/evidences/1/src_endpoint"] {
        if let Some(ip) = view.pointer(&format!("{endpoint}/ip"))
            && ip.as_str().is_none_or(|ip| ip.parse::<std::net::IpAddr>().is_err())
        {
            problems.push(format!("{endpoint} {ip}"));
        }
    }
    for evidence in view["evidences"].as_array().into_iter().flatten() {
        if !["actor", "data", "file", "src_endpoint"].iter().any(|key| evidence.get(key).is_some()) {
            problems.push(format!("evidence of nothing: {evidence}"));
        }
    }
    if version == Version::V1_1_0 && class == 3006 && view.get("user").is_none() {
        problems.push("a group of nobody".into());
    }
    for object in ["/user", "/actor/user", "/app", "/group", "/entity", "/web_resources/0", "/resources/0", "/file"] {
        let named = ["uid", "name", "policy", "user", "org"];
        if view.pointer(object).is_some_and(|object| !named.iter().any(|key| object.get(key).is_some())) {
            problems.push(format!("{object} has no name"));
        }
    }
    problems
}

/// The view in 1.8.0, after all promises have been looked at in both versions.
fn assert_kept(raw: &str) -> Value {
    let [view, _] = Version::ALL.map(|version| assert_kept_in(raw, version));
    view
}

fn assert_kept_in(raw: &str, version: Version) -> Value {
    let event = event(raw);
    let view = view_in(raw, version);
    assert_eq!(shape_problems(&view, version), Vec::<String>::new(), "{version}: {raw}\n{view:#}");
    assert_eq!(view["raw_data"], raw);
    if event.json().is_object() {
        assert_eq!(lost(&event, &view), [], "{version}: {raw}\n{view:#}");
        assert_eq!(out_of_place(event.json(), &view), Vec::<String>::new(), "{version}: {raw}\n{view:#}");
    }
    assert_eq!(view.to_string(), view_in(raw, version).to_string());
    view
}

/// What stands in `unmapped` without standing there in the entry. An array is one thing: it stays or goes whole.
fn out_of_place(entry: &Value, view: &Value) -> Vec<String> {
    fn look(left: &Value, entry: Option<&Value>, path: &str, found: &mut Vec<String>) {
        match left {
            Value::Object(left) if !left.is_empty() => {
                left.iter().for_each(|(key, inner)| {
                    look(inner, entry.and_then(|e| e.get(key)), &format!("{path}/{key}"), found);
                });
            }
            left if entry == Some(left) => {}
            _ => found.push(path.to_owned()),
        }
    }
    let mut found = Vec::new();
    if let Some(unmapped) = view.get("unmapped") {
        look(unmapped, Some(entry), "", &mut found);
    }
    found
}

#[test]
fn samples_keep_every_leaf_and_their_bytes() {
    for raw in SAMPLES {
        assert_kept(raw);
    }
}

#[test]
fn a_sign_in_names_user_session_place_and_source() {
    let view = view(SAMPLES[3]);
    assert_eq!((&view["class_uid"], &view["type_uid"]), (&json!(3002), &json!(300_201)));
    assert_eq!(view["session"]["uid"], "1656410836837", "a number is shown as text with all its digits");
    assert_eq!(view["actor"]["user"], view["user"]);
    assert_eq!(view["user"]["email_addr"], "ada@corp.example");
    assert_eq!(
        (&view["src_endpoint"]["ip"], &view["http_request"]["user_agent"]),
        (&json!("198.51.100.7"), &json!("UA"))
    );
    assert_eq!(view["cloud"]["account"], json!({ "uid": "T0B", "name": "Lab" }));
    assert_eq!(view["metadata"]["tenant_uid"], "E0A");
    assert_eq!(
        (&view["time"], &view["metadata"]["original_time"]),
        (&json!(1_700_000_002_000_u64), &json!("1700000002"))
    );
    assert_eq!(view["metadata"]["logged_time"], json!(FIRST_SEEN.0));
}

#[test]
fn a_reset_session_is_the_admins_session_and_the_targets_logoff() {
    let view = view(SAMPLES[4]);
    assert_eq!(view["type_uid"], json!(300_202));
    assert_eq!((&view["actor"]["user"]["uid"], &view["user"]["uid"]), (&json!("W0B"), &json!("W0A")));
    assert_eq!(view["actor"]["session"]["uid"], "847288190092");
    assert!(view.get("session").is_none());
    assert_eq!(view["unmapped"]["actor"]["user"]["email"], "", "empty is told from absent");
}

#[test]
fn an_entry_without_an_address_still_has_the_required_endpoint() {
    let view = view(SAMPLES[5]);
    assert_eq!(view["type_uid"], json!(600_602));
    assert_eq!(view["src_endpoint"], json!({ "svc_name": "Slack" }));
    assert_eq!(view["actor"]["user"]["type"], "System");
    assert_eq!(view["file"]["uri"], "https://files.slack.com/F0A/plan.pdf");
    let kept = json!({ "ua": "", "ip_address": "", "session_id": null, "app": null,
                       "location": { "type": "workspace", "domain": "lab" } });
    assert_eq!(view["unmapped"]["context"], kept);
}

#[test]
fn a_setting_shows_its_value_before_and_after() {
    let view = view(SAMPLES[2]);
    assert_eq!(view["entity"]["policy"]["name"], "pref.who_can_manage_ext_shared_channels");
    assert_eq!(view["entity"]["policy"]["data"]["type"], json!(["ORG_ADMINS", "OWNERS"]));
    assert_eq!(view["entity_result"]["policy"]["data"]["type"], json!(["ADMINS"]));
    assert_eq!(view["entity"]["org"]["uid"], "E0A");
}

#[test]
fn the_inviters_address_is_not_put_on_the_member() {
    let raw = r#"{"id":"a","date_create":1700000000,"action":"user_channel_join","actor":{"type":"user","user":{"id":"W1"}},
            "entity":{"type":"channel","channel":{"id":"C1","name":"x"}},"context":{"ip_address":"192.0.2.1","session_id":5},
            "details":{"type":"INVITED","inviter":{"id":"W2","name":"Ina","email":"ina@corp.example"}}}"#;
    let view = assert_kept(raw);
    assert_eq!(view["src_endpoint"]["owner"]["uid"], "W2");
    assert_eq!(view["unmapped"]["context"]["session_id"], json!(5));
    assert_eq!((&view["user"]["uid"], &view["group"]["uid"]), (&json!("W1"), &json!("C1")));
    let older = assert_kept_in(raw, Version::V1_1_0);
    assert!(older.get("device").is_none(), "1.1.0 can't say whose address it is");
    assert_eq!(older["observables"][0]["value"], "192.0.2.1");
    assert_eq!(older["unmapped"]["details"]["inviter"]["id"], "W2");
}

#[test]
fn a_blocked_download_is_a_failure_under_either_spelling() {
    for action in ["file_download_blocked", "file_downloaded_blocked"] {
        let view = assert_kept(&full_entry(action, "file").to_string());
        assert_eq!(
            (&view["type_uid"], &view["status"], &view["action"]),
            (&json!(600_602), &json!("Failure"), &json!("Denied"))
        );
    }
}

#[test]
fn an_anomaly_is_a_finding_with_both_addresses() {
    let mut entry = full_entry("anomaly", "user");
    entry["details"]["reason"] = json!(["asn", "ip_address"]);
    let view = assert_kept(&entry.to_string());
    assert_eq!((&view["class_uid"], &view["is_alert"]), (&json!(2004), &json!(true)));
    assert_eq!(view["finding_info"]["types"], json!(["asn", "ip_address"]));
    assert_eq!(view["start_time"], json!(1_700_000_050_123_u64), "microseconds of the act, not of its detection");
    assert_eq!(view["evidences"][0]["src_endpoint"]["ip"], "198.51.100.7");
    assert_eq!(view["evidences"][1]["src_endpoint"]["ip"], "203.0.113.9");
}

#[test]
fn every_action_on_every_kind_of_entity_is_kept() {
    for action in catalogue::actions().chain(["", "an_action_of_tomorrow"]) {
        for kind in KINDS {
            assert_kept(&full_entry(action, kind).to_string());
        }
        for kind in ["", "user", "message"] {
            assert_kept(&bare_entry(action, kind).to_string());
        }
    }
}

#[test]
fn what_is_no_entry_is_a_base_event_with_its_bytes() {
    let deep = format!(r#"{{"x":{}1{}}}"#, "[".repeat(500), "]".repeat(500));
    for raw in ["17", "null", "[1]", r#""text""#, "{", "not json", r#"{"a":"\ud800"}"#, &deep] {
        let view = assert_kept(raw);
        assert_eq!((&view["type_uid"], &view["activity_id"]), (&json!(99), &json!(99)), "{raw}");
        assert_eq!(ocsf::event(&event(raw), &PRODUCT, Version::V1_8_0, RawData::Omit)["raw_data"], raw);
    }
    for raw in ["{}", r#"{"actor":7,"entity":[],"context":null,"details":"","id":{},"date_create":[],"action":1}"#] {
        assert_eq!(assert_kept(raw)["type_uid"], json!(99));
    }
}

#[test]
fn an_unknown_action_is_kept_and_named_but_not_judged() {
    let view = assert_kept(&full_entry("an_action_of_tomorrow", "channel").to_string());
    assert_eq!((&view["type_uid"], &view["status_id"]), (&json!(99), &json!(0)));
    assert_eq!(
        (&view["activity_name"], &view["metadata"]["event_code"]),
        (&json!("an_action_of_tomorrow"), &json!("an_action_of_tomorrow"))
    );
    assert_eq!(view["device"]["ip"], "198.51.100.7", "a class without an endpoint still has the address typed");
    assert_eq!(view["observables"][0]["value"], "Mozilla/5.0 (X11; Linux)");
    assert_eq!(view["metadata"]["labels"], json!(["unknown_action"]));
}

#[test]
fn an_unbelievable_time_gives_way_to_when_it_was_first_seen() {
    for time in ["9", "99999999999", "18446744073709551615", "\"1e11\""] {
        let view = assert_kept(&format!(r#"{{"id":"a","action":"user_login","date_create":{time}}}"#));
        assert_eq!(view["time"], json!(FIRST_SEEN.0), "{time}");
        assert_eq!(view["metadata"]["original_time"], time.trim_matches('"'));
    }
    let never = Event::new(1, UnixMillis(u64::MAX), &Entry::from_json("{}"));
    for version in Version::ALL {
        let view = ocsf::event(&never, &PRODUCT, version, RawData::Include);
        assert_eq!(shape_problems(&view, version), Vec::<String>::new());
    }
}

#[test]
fn raw_bytes_are_a_choice() {
    let event = event(SAMPLES[0]);
    for version in Version::ALL {
        let without = ocsf::event(&event, &PRODUCT, version, RawData::Omit);
        assert!(without.get("raw_data").is_none());
        assert_eq!(lost(&event, &without), []);
        let mut with = ocsf::event(&event, &PRODUCT, version, RawData::Include);
        assert_eq!(with["raw_data"], SAMPLES[0]);
        with.as_object_mut().unwrap().remove("raw_data");
        assert_eq!(with, without);
    }
}

/// What an older version lacks is where Slack wrote it.
#[test]
fn what_1_1_0_has_no_place_for_stays_in_its_old_place() {
    let older = |raw: &str| assert_kept_in(raw, Version::V1_1_0);
    let unknown = older(&full_entry("an_action_of_tomorrow", "channel").to_string());
    assert!(unknown.get("actor").is_none() && unknown.get("device").is_none());
    assert_eq!(unknown["unmapped"]["actor"]["user"]["id"], "W1");
    let shown = json!([
        { "name": "unmapped.context.ip_address", "type": "IP Address", "type_id": 2, "value": "198.51.100.7" },
        { "name": "unmapped.context.ua", "type": "HTTP User-Agent", "type_id": 99, "value": "Mozilla/5.0 (X11; Linux)" },
    ]);
    assert_eq!(unknown["observables"], shown);

    let setting = older(SAMPLES[2]);
    assert_eq!(setting["entity"]["name"], "pref.who_can_manage_ext_shared_channels");
    assert_eq!(setting["entity"]["data"]["type"], json!(["ORG_ADMINS", "OWNERS"]));
    assert_eq!(setting["unmapped"]["entity"]["enterprise"]["id"], "E0A");
    assert_eq!(setting["device"]["ip"], "2001:db8::7");

    let role = older(&full_entry("role_assigned", "role").to_string());
    assert_eq!((&role["privileges"], &role["unmapped"]["entity"]["role"]["id"]), (&json!(["a thing"]), &json!("X1")));

    let file = older(SAMPLES[5]);
    assert_eq!(file["unmapped"]["details"]["url_private"], "https://files.slack.com/F0A/plan.pdf");
    assert!(file.get("http_request").is_none() && file.get("raw_data_hash").is_none());
    let bot = older(
        r#"{"id":"a","date_create":1700000000,"action":"file_shared","actor":{"user":{"id":"W1","email":"a@slack-bots.com"}}}"#,
    );
    assert_eq!((&bot["actor"]["user"]["type"], &bot["actor"]["user"]["type_id"]), (&json!("Service"), &json!(99)));
}

#[test]
fn an_address_that_1_1_0_does_not_take_is_kept_as_text() {
    let raw = r#"{"id":"a","date_create":1700000000,"action":"user_login","actor":{"user":{"id":"W1","email":"o'hara@corp.example"}}}"#;
    assert_eq!(assert_kept_in(raw, Version::V1_8_0)["user"]["email_addr"], "o'hara@corp.example");
    let older = assert_kept_in(raw, Version::V1_1_0);
    assert!(older["user"].get("email_addr").is_none());
    assert_eq!(older["unmapped"]["actor"]["user"]["email"], "o'hara@corp.example");
}

/// Who really acted is in one place, whatever the class and the version.
#[test]
fn the_agent_and_the_app_are_always_found_in_the_same_place() {
    for action in catalogue::actions().chain(["", "an_action_of_tomorrow"]) {
        let entry = full_entry(action, "user");
        for version in Version::ALL {
            let view = view_in(&entry.to_string(), version);
            let through =
                view["enrichments"].as_array().unwrap().iter().find(|e| e["type"] == "acted_through").unwrap();
            for key in ["acting_agent", "agent_message", "app"] {
                assert_eq!(through["data"][key], entry["context"][key], "{version} {action}");
            }
            let about = through["name"].as_str().unwrap().replace('.', "/");
            assert_eq!(view.pointer(&format!("/{about}")), Some(&through["value"]), "{version} {action}");
        }
    }
    let view = view(&full_entry("mcp_slack_send_message_tool_called", "channel").to_string());
    assert_eq!((&view["message_context"]["name"], &view["actor"]["app_uid"]), (&json!("Slackbot"), &json!("A1")));
    for nobody in ["null", "\"\"", "{}", "[]"] {
        let raw = format!(
            r#"{{"id":"a","action":"user_login","date_create":1700000000,"context":{{"acting_agent":{nobody},"app":{nobody}}}}}"#
        );
        let view = assert_kept(&raw);
        assert!(view.get("enrichments").is_none(), "{nobody}");
        assert_eq!(view["unmapped"]["context"]["app"].to_string(), nobody);
    }
}

#[test]
fn an_anomaly_says_for_each_reason_what_was_seen_and_what_before() {
    let mut entry = full_entry("anomaly", "user");
    entry["details"]["reason"] = json!(["asn", "ip_address", "excessive_downloads", "user_agent"]);
    entry["details"]["location"] = json!("Oslo, NO");
    let view = assert_kept(&entry.to_string());
    let seen =
        |reason: &str, value: &str| json!({ "observation_parameter": reason, "observations": [{ "value": value }] });
    let analysis = json!([{
        "analysis_targets": [{ "name": "W2", "type": "user" }],
        "anomalies": [
            seen("asn", "198.51.100.7"),
            seen("ip_address", "198.51.100.7"),
            seen("excessive_downloads", "excessive_downloads"),
            seen("user_agent", "Mozilla/5.0 (X11; Linux)"),
            seen("location", "Oslo, NO"),
        ],
        "baselines": [seen("ip_address", "203.0.113.9"), seen("user_agent", "old agent")],
    }]);
    assert_eq!(view["anomaly_analyses"], analysis);
    let older = view_in(&entry.to_string(), Version::V1_1_0);
    assert!(older.get("anomaly_analyses").is_none());
    assert_eq!(older["unmapped"]["details"]["location"], "Oslo, NO");
    for reason in [json!([]), json!({}), json!(""), json!(null), json!([7]), json!({ "code": ["a"] })] {
        entry["details"]["reason"] = reason;
        assert!(assert_kept(&entry.to_string()).get("anomaly_analyses").is_none());
    }
}

#[test]
fn a_reason_is_kept_in_every_shape() {
    for (action, reason, pointer) in [
        ("anomaly", json!(["tor"]), "/finding_info/types"),
        ("anomaly", json!("tor"), "/status_detail"),
        ("user_login_failed", json!("bad password"), "/status_detail"),
        ("user_login_failed", json!(["bad", "password"]), "/unmapped/details/reason"),
        ("app_restricted", json!({ "code": 7, "by": [] }), "/unmapped/details/reason"),
        ("app_restricted", json!([]), "/unmapped/details/reason"),
        ("app_restricted", json!(""), "/unmapped/details/reason"),
    ] {
        let mut entry = full_entry(action, "app");
        entry["details"]["reason"] = reason.clone();
        for version in Version::ALL {
            assert_eq!(assert_kept_in(&entry.to_string(), version).pointer(pointer), Some(&reason), "{action}");
        }
    }
}

/// Slack documents microseconds; milliseconds have been seen.
#[test]
fn the_time_of_the_act_is_read_in_any_unit() {
    for (stamp, millis) in [
        (json!(1_700_000_050_123_456_u64), Some(1_700_000_050_123_u64)),
        (json!("1700000050123456"), Some(1_700_000_050_123)),
        (json!(1_700_000_050_123_u64), Some(1_700_000_050_123)),
        (json!("1700000050123"), Some(1_700_000_050_123)),
        (json!(1_700_000_050), Some(1_700_000_050_000)),
        (json!(17), None),
        (json!(u64::MAX), None),
        (json!("soon"), None),
        (json!(""), None),
        (json!(null), None),
    ] {
        let mut entry = full_entry("anomaly", "user");
        entry["details"]["action_timestamp"] = stamp.clone();
        for version in Version::ALL {
            let view = assert_kept_in(&entry.to_string(), version);
            assert_eq!(view.get("start_time").and_then(Value::as_u64), millis, "{stamp}");
            assert_eq!(view["unmapped"]["details"]["action_timestamp"], stamp, "as Slack wrote it");
        }
    }
}

#[test]
fn a_value_before_and_after_is_kept_in_any_shape_and_absent_is_not_empty() {
    let shapes = ["null", "\"\"", "\"x\"", "[]", "[\"a\",{}]", "{}", "{\"type\":[]}", "0", "false"];
    for (before, after) in shapes.into_iter().zip(shapes.into_iter().cycle().skip(1)) {
        let raw = format!(
            r#"{{"id":"a","date_create":1700000000,"action":"pref.x","details":{{"previous_value":{before},"new_value":{after}}}}}"#
        );
        let view = assert_kept(&raw.replace("pref.x", "prefs_setting_changed"));
        assert_eq!(view["entity"]["policy"]["data"].to_string(), before);
        assert_eq!(view["entity_result"]["policy"]["data"].to_string(), after);
        assert_kept(&raw);
    }
    let neither = assert_kept(r#"{"id":"a","date_create":1700000000,"action":"prefs_setting_changed","details":{}}"#);
    assert!(neither.get("entity_result").is_none() && neither["entity"]["policy"].get("data").is_none());
}

#[test]
fn a_session_is_shown_if_there_is_one() {
    for (session, shown) in [
        (json!(1_656_410_836_837_u64), Some("1656410836837")),
        (json!("847288190092"), Some("847288190092")),
        (json!(""), None),
        (json!(null), None),
    ] {
        let raw = json!({ "id": "a", "date_create": 1_700_000_000, "action": "channel_renamed",
                          "actor": { "user": { "id": "W1" } }, "context": { "session_id": session } });
        for version in Version::ALL {
            let view = assert_kept_in(&raw.to_string(), version);
            assert_eq!(view.pointer("/actor/session/uid").and_then(Value::as_str), shown);
            assert_eq!(view["unmapped"].get("context").is_some(), shown.is_none(), "{session} and absent differ");
        }
    }
}

/// Every key of `details` that is known, each with a value of its own, of the shape that is next.
fn filled_details(shift: usize) -> Map<String, Value> {
    let shapes = |key: &str, n: usize| match n % 9 {
        0 | 1 => json!(format!("text of {key}")),
        2 => json!(7_000_000 + n),
        3 => json!([format!("first of {key}"), format!("second of {key}")]),
        4 => json!({ "type": [format!("type in {key}")], "id": n }),
        5 => json!(n.is_multiple_of(2)),
        6 => json!([]),
        7 => json!(""),
        _ => json!(null),
    };
    catalogue::details_keys().enumerate().map(|(n, key)| (key.to_owned(), shapes(key, n + shift))).collect()
}

/// Has every key of `details`, every kind of entity at once, and every key of the context.
#[test]
fn the_fullest_entry_of_every_action_loses_nothing() {
    assert!(catalogue::details_keys().count() >= 182);
    for (n, action) in catalogue::actions().enumerate() {
        let kind = KINDS[n % KINDS.len()];
        let mut entry = full_entry(action, kind);
        let details = entry["details"].as_object_mut().unwrap();
        details.extend(filled_details(n));
        let others = KINDS.iter().filter(|other| !other.is_empty() && **other != kind);
        for other in others {
            entry["entity"][*other] = json!({ "id": format!("id of {other}"), "empty": "", "list": [other] });
        }
        assert_kept(&entry.to_string());
    }
}

/// One change somewhere in an entry.
#[derive(Clone, Debug)]
enum Mutation {
    Remove,
    Replace(Value),
    AddKey(String, Value),
    Rename(String),
    /// A list where one value was, or the other way round.
    Wrap,
    Nest(usize),
    Blow(usize),
}

fn any_value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| format!("{n}00")),
        any::<u32>().prop_map(|n| format!("{n}.50e2")),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(json!("")),
        any::<bool>().prop_map(Value::from),
        number.prop_map(|text| serde_json::from_str(&text).expect("a number")),
        any::<String>().prop_map(Value::from),
        prop::sample::select(
            &["user", "app", "message", "1.2.3.4", "::1", "a@b.co", "USLACKSECURITY", "KICKED", "E1"][..]
        )
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any_key(), inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn any_key() -> impl Strategy<Value = String> {
    let known = ["id", "name", "type", "user", "email", "title", "channel", "timestamp", "location", "", "a.b", "a/b"];
    prop_oneof![prop::sample::select(known.to_vec()).prop_map(str::to_owned), "[a-z_]{1,6}"]
}

fn any_mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        Just(Mutation::Remove),
        any_value().prop_map(Mutation::Replace),
        (any_key(), any_value()).prop_map(|(key, value)| Mutation::AddKey(key, value)),
        any_key().prop_map(Mutation::Rename),
        Just(Mutation::Wrap),
        (1_usize..200).prop_map(Mutation::Nest),
        (1_usize..70_000).prop_map(Mutation::Blow),
    ]
}

/// Every place in a value, the outermost first.
fn places(value: &Value, path: Vec<String>, found: &mut Vec<Vec<String>>) {
    found.push(path.clone());
    for (key, inner) in value.as_object().into_iter().flatten() {
        places(inner, [path.as_slice(), std::slice::from_ref(key)].concat(), found);
    }
}

fn mutate(entry: &mut Value, at: Index, mutation: Mutation) {
    let mut all = Vec::new();
    places(entry, Vec::new(), &mut all);
    let path = &all[at.index(all.len())];
    let Some((key, parents)) = path.split_last() else {
        return;
    };
    let parent = parents.iter().try_fold(entry, |value, key| value.get_mut(key)).and_then(Value::as_object_mut);
    let Some(parent) = parent else { return };
    match mutation {
        Mutation::Remove => drop(parent.remove(key)),
        Mutation::Replace(value) => drop(parent.insert(key.clone(), value)),
        Mutation::AddKey(key, value) => drop(parent.insert(key, value)),
        Mutation::Rename(to) => {
            if let Some(value) = parent.remove(key) {
                parent.insert(to, value);
            }
        }
        Mutation::Wrap => change(parent, key, |value| match value {
            Value::Array(mut all) if all.len() == 1 => all.remove(0),
            other => json!([other]),
        }),
        Mutation::Nest(depth) => {
            change(parent, key, |value| (0..depth).fold(value, |value, _| json!({ "deep": value })))
        }
        Mutation::Blow(size) => drop(parent.insert(key.clone(), "x".repeat(size).into())),
    }
}

fn change(parent: &mut Map<String, Value>, key: &str, change: impl FnOnce(Value) -> Value) {
    if let Some(value) = parent.get_mut(key) {
        *value = change(value.take());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_mutation_of_an_entry_loses_a_leaf(
        action in any::<Index>(),
        kind in prop::sample::select(&KINDS[..]),
        mutations in prop::collection::vec((any::<Index>(), any_mutation()), 0..12),
    ) {
        let actions: Vec<&str> = catalogue::actions().collect();
        let mut entry = full_entry(actions[action.index(actions.len())], kind);
        for (at, mutation) in mutations {
            mutate(&mut entry, at, mutation);
        }
        assert_kept(&entry.to_string());
    }

    #[test]
    fn any_object_with_an_id_survives_with_its_bytes(
        id in "[a-zA-Z0-9-]{1,40}",
        object in prop::collection::btree_map(any_key(), any_value(), 0..6),
        details in prop::collection::btree_map(any_key(), any_value(), 0..6),
        action in any::<Index>(),
    ) {
        let actions: Vec<&str> = catalogue::actions().collect();
        let mut entry: Value = object.into_iter().collect();
        entry["id"] = id.into();
        entry["action"] = actions[action.index(actions.len())].into();
        entry["details"] = details.into_iter().collect();
        assert_kept(&entry.to_string().replace('/', "\\/"));
    }

    /// Escapes that are no text (lone surrogates) make JSON that can't be read: then the bytes are all there is.
    #[test]
    fn an_escape_that_is_no_text_loses_no_byte(
        kind in prop::sample::select(&KINDS[..]), escape in "\\\\u[dD][89abAB][0-9a-f]{2}", at in any::<Index>(),
    ) {
        let raw = full_entry("file_shared", kind).to_string();
        let texts: Vec<usize> = raw.match_indices("\":\"").map(|(at, _)| at + 3).collect();
        let mut raw = raw;
        raw.insert_str(texts[at.index(texts.len())], &escape);
        let view = assert_kept(&raw);
        assert_eq!(view["raw_data"], raw);
    }

    #[test]
    fn no_text_makes_the_view_panic(raw in any::<String>()) {
        assert_kept(raw.trim());
    }
}

fn stub(raw: &str) -> Arc<Stub> {
    Stub::of(&event(raw))
}

fn step(text: &str, method: Option<&str>, scope: Option<&str>) -> Step {
    Step { text: text.into(), method: method.map(Into::into), scope: scope.map(Into::into), on: None }
}

fn full_alert() -> Alert {
    let act = |seq: u64, action: &str, ip: &str| RecentAct {
        seq,
        time: UnixSeconds(1_700_000_000 + seq),
        action: action.into(),
        ip_address: ip.into(),
    };
    Alert {
        uid: "gw-00ff".into(),
        org: gridwatch_event::org::OrgId::default(),
        revision: 1,
        source: Source::Fold,
        severity: Severity::High,
        reason: "It is High here.".into(),
        title: "Many downloads by one user".into(),
        rule: "exfiltration.download_spike".into(),
        rule_title: "Download spike".into(),
        condition: "More downloads in an hour than ten times the usual.".into(),
        module: ModuleRef { name: "exfiltration".into(), version: "1.2.0".into(), digest: "00ff".into() },
        dedup_key: "W0A".into(),
        period_start: UnixSeconds(1_699_999_200),
        period_s: 3_600,
        findings: 3,
        counts: Counts { doers: 2, objects: 3, addresses: 1 },
        days: 2,
        news: vec!["somebody else: bob@corp.example (W0B): Many downloads".into()],
        first: UnixSeconds(1_700_000_000),
        last: UnixSeconds(1_700_000_100),
        opened: FIRST_SEEN,
        seen: FIRST_SEEN,
        actor: Actor {
            id: "W0A".into(),
            name: "Ada".into(),
            email: "ada@corp.example".into(),
            role_at_event: Role::Admin,
            role_now: Role::Member,
        },
        others: vec![Doer { id: "W0B".into(), email: "bob@corp.example".into(), ..Doer::default() }],
        recent: vec![act(9, "file_downloaded", "198.51.100.7"), act(8, "user_login", "")],
        evidence: SAMPLES.iter().chain(&["17", "{}"]).map(|raw| stub(raw)).collect(),
        evidence_total: 512,
        subjects: Subjects::of_user("W0T", Role::Guest),
        labels: [("baseline", "3"), ("count", "512")].map(|(name, value)| (name.into(), value.into())).into(),
        attack: vec!["T1078.004".into(), "T1567".into()],
        playbook: Playbook {
            verify: vec![step("Ask Ada", None, None)],
            contain: vec![step("Reset her sessions", Some("admin.users.session.reset"), Some("admin.users:write"))],
            then: vec![step("Read what she took", Some("files.info"), None), step("Tell legal", None, Some("none"))],
        },
        basis: gridwatch_rules::basis::Basis::default(),
        organization: Some("E1".into()),
        suppressed_by: None,
        handling: Handling::default(),
        over: None,
        about: Box::new(about::full()),
    }
}

fn acted(what: What) -> Alert {
    full_alert().acted(Act::new(FIRST_SEEN, "anna", what, "looked").expect("an act")).expect("news")
}

/// An alert of a module that says as little as it can, on an entry that says nothing.
fn bare_alert() -> Alert {
    Alert {
        severity: Severity::from_id(0),
        condition: String::new(),
        first: UnixSeconds(0),
        last: UnixSeconds(u64::MAX),
        opened: UnixMillis(u64::MAX),
        seen: UnixMillis(u64::MAX),
        actor: Actor::default(),
        others: vec![],
        news: vec![],
        recent: vec![],
        about: Box::default(),
        evidence: vec![],
        evidence_total: 0,
        labels: BTreeMap::new(),
        attack: vec![],
        playbook: Playbook::default(),
        ..full_alert()
    }
}

/// Every text that an entry or a module can choose is one that a careless view would trip over.
fn hostile_alert(text: &str) -> Alert {
    let stub = Stub {
        seq: u64::MAX,
        id: text.into(),
        time: UnixSeconds(u64::MAX),
        action: text.into(),
        actor_id: text.into(),
        ip_address: text.into(),
        ua: text.into(),
        object: text.into(),
        object_name: text.into(),
    };
    Alert {
        title: text.into(),
        rule_title: text.into(),
        condition: text.into(),
        dedup_key: text.into(),
        actor: Actor { id: text.into(), name: text.into(), email: text.into(), ..Actor::default() },
        recent: vec![RecentAct { seq: 0, time: UnixSeconds(u64::MAX), action: text.into(), ip_address: text.into() }],
        evidence: vec![Arc::new(stub)],
        labels: [(text.into(), text.into())].into(),
        attack: vec![text.into()],
        playbook: Playbook { verify: vec![step(text, Some(text), Some(text))], ..Playbook::default() },
        suppressed_by: Some(text.into()),
        about: Box::new(about::hostile(text)),
        ..full_alert()
    }
}

const HOSTILE: [&str; 9] =
    ["", " ", "\0\n\r\u{202e}", "\"}],{", "999.1.1.1", "fe80::1%eth0", "not an @address", ".", "\u{1f600}\u{fffd}"];

fn with_role(role: Role) -> Alert {
    let mut alert = full_alert();
    (alert.actor.role_at_event, alert.actor.role_now) = (role, role);
    alert
}

fn alerts() -> Vec<Alert> {
    let only_email = Actor { email: "not an address".into(), ..Actor::default() };
    let roles = [Role::Unknown, Role::Bot, Role::Guest, Role::Member, Role::Owner, Role::PrimaryOwner].map(with_role);
    let shapes = [
        full_alert(),
        Alert { revision: 2, severity: Severity::Critical, ..full_alert() },
        Alert { suppressed_by: Some("known backup job".into()), ..full_alert() },
        acted(What::Acknowledge),
        acted(What::Close(Reason::True)),
        bare_alert(),
        Alert { actor: only_email, ..full_alert() },
        Alert { evidence: vec![stub(SAMPLES[0]); 60], ..full_alert() },
    ];
    shapes.into_iter().chain(roles).chain(HOSTILE.map(hostile_alert)).collect()
}

/// The finding in 1.8.0, after both versions have been looked at.
fn finding(alert: &Alert) -> Value {
    let [finding, _] = Version::ALL.map(|version| finding_in(alert, version));
    finding
}

fn finding_in(alert: &Alert, version: Version) -> Value {
    let finding = ocsf::detection_finding(alert, &PRODUCT, version);
    assert_eq!(shape_problems(&finding, version), Vec::<String>::new(), "{version}: {finding:#}");
    assert_eq!(finding.to_string(), ocsf::detection_finding(alert, &PRODUCT, version).to_string());
    finding
}

/// Every text that an alert says is in its finding, also where 1.1.0 has no attribute for it.
#[test]
fn the_older_finding_says_all_that_the_newer_says() {
    for alert in alerts() {
        let texts = |version| {
            let said = leaves_of(&finding_in(&alert, version)).into_iter().map(|(_, leaf)| leaf);
            said.collect::<BTreeSet<String>>()
        };
        let missing: Vec<String> = texts(Version::V1_8_0).difference(&texts(Version::V1_1_0)).cloned().collect();
        // What people did is in `unmapped.handling` of both.
        let verdict = ["text incident", "text True Positive", "text False Positive", "text Benign"];
        let only_of_newer = ["text 1.8.0", "text security_control", "true", "false", "text 64500"];
        let only_of_newer = [&only_of_newer[..], &verdict].concat();
        let missing: Vec<&String> = missing.iter().filter(|text| !only_of_newer.contains(&text.as_str())).collect();
        let is_name_of_label = |text: &&&String| alert.labels.keys().any(|name| ***text == format!("text {name}"));
        let is_type_uid = |text: &&&String| text.starts_with("text 30040") || text.starts_with("text 60020");
        let lost: Vec<_> = missing.iter().filter(|text| !is_name_of_label(text) && !is_type_uid(text)).collect();
        assert!(lost.is_empty(), "{lost:?}");
    }
    let older = finding_in(&full_alert(), Version::V1_1_0);
    assert_eq!(older["unmapped"]["labels"], json!({ "baseline": "3", "count": "512" }));
    assert_eq!(older["unmapped"]["evidence_total"], json!(512));
    assert_eq!(older["evidences"][4]["data"]["ua"], "UA");
}

#[test]
fn every_alert_is_a_finding() {
    for alert in alerts() {
        finding(&alert);
    }
}

#[test]
fn an_alert_is_a_finding_with_rule_module_evidence_and_playbook() {
    let finding = finding(&full_alert());
    assert_eq!((&finding["type_uid"], &finding["severity_id"]), (&json!(200_401), &json!(4)));
    assert_eq!((&finding["status"], &finding["is_alert"]), (&json!("New"), &json!(true)));
    assert_eq!(finding["metadata"]["product"]["feature"]["uid"], "00ff");
    let info = &finding["finding_info"];
    assert_eq!(info["analytic"]["uid"], "exfiltration.download_spike");
    assert_eq!(info["desc"], "More downloads in an hour than ten times the usual.");
    assert_eq!(info["attacks"][0]["technique"]["uid"], "T1078");
    assert_eq!(info["attacks"][0]["sub_technique"]["uid"], "T1078.004");
    assert_eq!(info["attacks"][1], json!({ "technique": { "uid": "T1567" } }));
    assert_eq!(info["tags"][1], json!({ "name": "count", "value": "512" }));
    assert_eq!((&info["related_events_count"], &finding["count"]), (&json!(512), &json!(3)));
    assert_eq!(
        finding["remediation"]["desc"],
        "1. Verify: Ask Ada\n\
         2. Contain: Reset her sessions (admin.users.session.reset, scope admin.users:write)\n\
         3. Then: Read what she took (files.info)\n\
         4. Then: Tell legal (scope none)"
    );
    let subjects = json!({ "users": { "ids": ["W0T"] }, "roles": { "W0T": "guest" } });
    let counts = json!({ "doers": 2, "objects": 3, "addresses": 1 });
    let folding = json!({
        "dedup_key": "W0A", "period_start": 1_699_999_200, "period_s": 3_600, "subjects": subjects, "counts": counts,
        "days": 2, "severity_reason": "It is High here.",
    });
    assert_eq!(finding["unmapped"], folding);
}

#[test]
fn evidence_shows_who_from_where_and_how_to_find_the_entry() {
    let finding = finding(&full_alert());
    let reset = event(SAMPLES[4]);
    let shown = json!({
        "uid": reset.id(),
        "name": "user_session_reset_by_admin",
        "actor": { "user": { "uid": "W0B", "type": "User", "type_id": 1 } },
        "src_endpoint": { "ip": "198.51.100.9" },
        "http_request": { "user_agent": "UA" },
        "data": { "seq": 7, "time": 1_700_000_003_000_u64, "object": "W0A", "object_name": "Ada" },
    });
    assert_eq!(finding["evidences"][4], shown);
    let without_address = &finding["evidences"][5];
    assert!(without_address.get("src_endpoint").is_none() && without_address.get("http_request").is_none());
    let of_no_entry = &finding["evidences"][6];
    assert!(of_no_entry.get("actor").is_none() && of_no_entry["data"]["seq"] == json!(7));
    assert_eq!(finding.to_string().matches(reset.id()).count(), 1, "once in a record");
}

#[test]
fn a_revision_is_a_message_of_its_own_about_the_same_finding() {
    let (first, second) = (finding(&full_alert()), finding(&Alert { revision: 2, ..full_alert() }));
    assert_eq!((&first["type_uid"], &second["type_uid"]), (&json!(200_401), &json!(200_402)));
    assert_eq!((&first["metadata"]["uid"], &second["metadata"]["uid"]), (&json!("gw-00ff:1"), &json!("gw-00ff:2")));
    assert_eq!((&first["finding_info"]["uid"], &second["finding_info"]["uid"]), (&json!("gw-00ff"), &json!("gw-00ff")));
    assert_eq!(second["status_detail"], "somebody else: bob@corp.example (W0B): Many downloads");
    assert_eq!(second["status"], "New", "no person has looked at it yet, as far as gridwatch knows");
}

#[test]
fn the_actor_has_the_role_at_the_event_and_now_and_what_they_did_last() {
    let finding = finding(&full_alert());
    let user = json!({ "uid": "W0A", "name": "Ada", "email_addr": "ada@corp.example", "has_mfa": true, "type": "admin", "type_id": 2 });
    assert_eq!(finding["actor"]["user"], user);
    let [role, recent, ..] = finding["enrichments"].as_array().unwrap().as_slice() else { panic!("{finding:#}") };
    assert_eq!((&role["name"], &role["value"]), (&json!("actor.user.uid"), &json!("W0A")));
    assert_eq!(role["data"], json!({ "role_at_event": "admin", "role_now": "member" }));
    let acts = json!([
        { "seq": 9, "time": 1_700_000_009_000_u64, "action": "file_downloaded", "ip_address": "198.51.100.7" },
        { "seq": 8, "time": 1_700_000_008_000_u64, "action": "user_login" },
    ]);
    assert_eq!((&recent["type"], &recent["data"]), (&json!("recent_activity"), &acts));
}

#[test]
fn what_is_known_beside_the_evidence_is_an_enrichment_each() {
    let finding = finding(&full_alert());
    let told =
        |kind: &str| finding["enrichments"].as_array().unwrap().iter().find(|e| e["type"] == kind).unwrap().clone();
    for (kind, name, value) in [
        ("account", "actor.user.uid", "W0A"),
        ("activity", "actor.user.uid", "W0A"),
        ("session", "session.uid", "912345678"),
        ("other_actors", "finding_info.uid", "gw-00ff"),
        ("alerts", "actor.user.uid", "W0A"),
        ("acted_through", "actor.user.uid", "W0A"),
        ("target", "target.user.uid", "W0T"),
        ("address", "evidences.src_endpoint.ip", "198.51.100.7"),
        ("app", "app.uid", "A0Y"),
        ("channel", "channel.uid", "C0C"),
        ("peers", "evidences.name", "file_downloaded"),
        ("unknown", "actor.user.uid", "W0A"),
    ] {
        assert_eq!((&told(kind)["name"], &told(kind)["value"]), (&json!(name), &json!(value)), "{kind}");
    }
    assert_eq!(
        told("target")["data"]["role_now"],
        json!({ "value": "admin", "by": { "users_info": 1_700_000_000_123_u64 } })
    );
    assert_eq!(told("unknown")["data"], json!([{ "what": "channel's members", "why": "the log doesn't tell" }]));
    let endpoints: Vec<&Value> = finding["evidences"].as_array().unwrap().iter().map(|e| &e["src_endpoint"]).collect();
    let known: Vec<_> = endpoints.iter().filter(|at| at["ip"] == "198.51.100.7").collect();
    assert!(!known.is_empty() && known.iter().all(|at| at["location"]["country"] == "DE"), "{endpoints:?}");
    assert!(known.iter().all(|at| at["autonomous_system"] == json!({ "number": 64_500, "name": "Nordlicht" })));
    assert!(endpoints.iter().filter(|at| at["ip"] != "198.51.100.7").all(|at| at.get("location").is_none()));
}

#[test]
fn a_role_that_no_entry_told_is_unknown_and_not_guessed() {
    let cases = [
        (Role::Unknown, "Unknown", 0),
        (Role::Bot, "bot", 4),
        (Role::Guest, "guest", 99),
        (Role::Member, "member", 1),
        (Role::PrimaryOwner, "primary_owner", 2),
    ];
    for (role, kind, type_id) in cases {
        let finding = finding(&with_role(role));
        let user = &finding["actor"]["user"];
        assert_eq!((&user["type"], &user["type_id"]), (&json!(kind), &json!(type_id)));
        assert_eq!(finding["enrichments"][0]["data"]["role_at_event"], role.name());
    }
}

#[test]
fn an_actor_of_whom_only_a_text_is_known_is_named_by_it() {
    let actor = Actor { email: "not an address".into(), ..Actor::default() };
    let finding = finding(&Alert { actor, about: Box::default(), ..full_alert() });
    assert_eq!(finding["actor"]["user"], json!({ "name": "not an address", "type": "Unknown", "type_id": 0 }));
    assert_eq!(finding["enrichments"][0]["name"], "actor.user.name");
}

#[test]
fn what_people_did_is_status_verdict_and_comment() {
    for (what, status, activity, verdict) in [
        (What::Acknowledge, "In Progress", "Update", None),
        (What::Note, "New", "Update", None),
        (What::Close(Reason::True), "Resolved", "Close", Some("True Positive")),
        (What::Close(Reason::False), "Suppressed", "Close", Some("False Positive")),
        (What::Close(Reason::Expected), "Suppressed", "Close", Some("Benign")),
    ] {
        let finding = finding(&acted(what));
        let said = ["status", "activity_name", "verdict", "comment", "status_code"].map(|key| finding[key].as_str());
        assert_eq!(said, [Some(status), Some(activity), verdict, Some("looked"), Some(what.name())], "{finding:#}");
        let act = &finding["unmapped"]["handling"]["acts"][0];
        assert_eq!((&act["by"], &act["what"]), (&json!("anna"), &json!(what.name())));
        let later = Alert { revision: 2, news: vec![], ..full_alert() }.handled(&acted(what).handling);
        let later = ocsf::detection_finding(&later, &PRODUCT, Version::default());
        assert_eq!((later["status"].as_str(), later.get("comment")), (Some(status), None), "the next one says so too");
    }
}

#[test]
fn a_suppressed_alert_is_a_finding_that_alerts_no_one() {
    let finding = finding(&Alert { suppressed_by: Some("known backup job".into()), news: vec![], ..full_alert() });
    assert_eq!((&finding["status"], &finding["is_alert"]), (&json!("Suppressed"), &json!(false)));
    assert_eq!(finding["status_detail"], "suppressed by known backup job");
}

#[test]
fn what_an_alert_does_not_say_is_absent() {
    let finding = finding(&bare_alert());
    for key in ["actor", "enrichments", "evidences", "remediation", "start_time", "end_time"] {
        assert!(finding.get(key).is_none(), "{key}");
    }
    for key in ["attacks", "desc", "tags", "first_seen_time", "last_seen_time"] {
        assert!(finding["finding_info"].get(key).is_none(), "{key}");
    }
}

#[test]
fn evidence_over_the_maximum_is_counted_but_not_shown() {
    for (given, shown) in [(ocsf::EVIDENCES_MAX, ocsf::EVIDENCES_MAX), (60, ocsf::EVIDENCES_MAX)] {
        let finding = finding(&Alert { evidence: vec![stub(SAMPLES[0]); given], ..full_alert() });
        assert_eq!(finding["evidences"].as_array().unwrap().len(), shown);
        assert_eq!(finding["finding_info"]["related_events_count"], 512);
    }
}

/// Whatever the entity is, the object that the class has for it names it, and what else is known of it isn't far.
#[test]
fn every_kind_of_entity_has_a_home() {
    for kind in catalogue::entity_types().map(|(kind, _)| kind) {
        assert!(KINDS.contains(&kind), "{kind}");
    }
    for kind in KINDS.into_iter().filter(|kind| !kind.is_empty()) {
        for (action, at) in [
            ("workspace_created", "/entity"),
            ("channel_renamed", "/web_resources/0"),
            ("slack_ai_mcp_tool_called", "/resources/0"),
            ("native_dlp_rule_action_applied", "/resources/0"),
            ("usergroup_updated", "/group"),
        ] {
            let is_named_elsewhere = match action {
                "native_dlp_rule_action_applied" => matches!(kind, "file" | "canvas" | "list"),
                "usergroup_updated" => kind == "user",
                _ => false,
            };
            if is_named_elsewhere {
                continue;
            }
            let entry = full_entry(action, kind);
            let id = match (&entry["entity"][kind]["id"], kind) {
                (_, "message") => json!("C33/1700000000.000100"),
                (Value::Null, _) => json!(kind),
                (Value::Number(number), _) => json!(number.to_string()),
                (id, _) => id.clone(),
            };
            for version in Version::ALL {
                let view = view_in(&entry.to_string(), version);
                let object = view.pointer(at).unwrap();
                let named = [&object["uid"], &object["name"], &object["user"]["uid"]];
                assert!(named.contains(&&id), "{version} {action} {kind}: {object:#}");
            }
        }
    }
}

#[test]
fn an_activity_that_1_1_0_lacks_is_shown_as_an_update() {
    for (action, newer, older) in [
        ("app_installed", 600_201, 600_201),
        ("app_approved", 600_206, 300_403),
        ("app_restricted", 600_207, 300_403),
        ("app_scopes_expanded", 600_208, 300_403),
        ("app_allowlist_rule_matched", 600_299, 600_299),
        ("migration_completed", 300_405, 300_403),
        ("ekm_enrolled", 300_406, 300_403),
        ("workflow_published", 300_408, 300_403),
        ("huddle_started", 300_410, 300_403),
        ("role_created", 300_401, 300_401),
        ("user_passkey_created", 300_110, 300_110),
        ("anomaly", 200_401, 200_401),
    ] {
        let types =
            Version::ALL.map(|version| view_in(&full_entry(action, "app").to_string(), version)["type_uid"].clone());
        assert_eq!(types, [json!(newer), json!(older)], "{action}");
    }
}

#[test]
fn the_mapping_lists_every_action_as_the_views_show_it() {
    let rows: Vec<_> = ocsf::mapping_rows().collect();
    assert_eq!(rows.len(), 762);
    assert!(rows.is_sorted_by_key(|row| (row.group, row.action)));
    for row in rows {
        assert_eq!(catalogue::group_of(row.action), Some(row.group));
        let entry = json!({ "id": "a", "date_create": 1_700_000_000, "action": row.action }).to_string();
        for (version, class, id, name) in [
            (Version::V1_8_0, row.class, row.activity_id, row.activity_name),
            (Version::V1_1_0, row.class_1_1, row.activity_id_1_1, row.activity_name_1_1),
        ] {
            let view = view_in(&entry, version);
            assert_eq!((&view["class_uid"], &view["activity_id"]), (&json!(class.uid()), &json!(id)), "{}", row.action);
            assert_eq!(view["class_name"], class.name());
            assert_eq!(view["activity_name"], if id == 99 { row.action } else { name });
            assert_eq!(view["severity"], row.severity.name());
            if class != Class::DetectionFinding {
                assert_eq!(view["status"], row.status);
            }
            assert_ne!(class, Class::BaseEvent, "{}", row.action);
        }
    }
}

type Change = Box<dyn Fn(&mut Value)>;

/// The schema has to refuse as well as to accept.
#[test]
fn the_json_schema_refuses_what_the_view_never_emits() {
    let put = |at: &str, key: &str, value: Value| {
        let (at, key) = (at.to_owned(), key.to_owned());
        move |view: &mut Value| view.pointer_mut(&at).unwrap()[&key] = value.clone()
    };
    let cut = |at: &str, key: &str| {
        let (at, key) = (at.to_owned(), key.to_owned());
        move |view: &mut Value| drop(view.pointer_mut(&at).unwrap().as_object_mut().unwrap().remove(&key))
    };
    let changes: Vec<Change> = vec![
        Box::new(put("", "surprise", json!(1))),
        Box::new(put("/user", "surprise", json!(1))),
        Box::new(put("/user", "uid", json!(7))),
        Box::new(put("/user", "type_id", json!(7))),
        Box::new(put("", "user", json!({ "type": "User", "type_id": 1 }))),
        Box::new(put("", "user", json!([]))),
        Box::new(put("", "class_uid", json!(3001))),
        Box::new(put("", "class_uid", json!(9999))),
        Box::new(put("", "type_uid", json!(300_104))),
        Box::new(put("", "activity_id", json!(3))),
        Box::new(put("", "time", json!(1_700_000_002))),
        Box::new(put("", "severity_id", json!("1"))),
        Box::new(put("/metadata", "profiles", json!(["cloud"]))),
        Box::new(put("/metadata", "profiles", json!(["cloud", "host", "security_control"]))),
        Box::new(put("", "web_resources", json!([{ "uid": "C1" }]))),
        Box::new(cut("", "user")),
        Box::new(cut("", "cloud")),
        Box::new(cut("", "service")),
        Box::new(cut("", "time")),
        Box::new(cut("/metadata", "product")),
        Box::new(cut("", "class_uid")),
    ];
    for version in Version::ALL {
        let right = view_in(SAMPLES[3], version);
        assert!(validator(version).is_valid(&right));
        for (n, change) in changes.iter().enumerate() {
            let mut wrong = right.clone();
            change(&mut wrong);
            assert!(!validator(version).is_valid(&wrong), "{version}, change {n}: {wrong:#}");
        }
        let mut other = right;
        other["metadata"]["version"] = json!("1.9.0");
        assert!(!validator(version).is_valid(&other));
    }
}

#[test]
fn the_json_schema_describes_itself_and_every_attribute() {
    fn undescribed(schema: &Value, path: &str, found: &mut Vec<String>) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            if property["description"].as_str().is_none_or(str::is_empty) {
                found.push(format!("{path}.{name}"));
            }
        }
    }
    for version in Version::ALL {
        let schema = ocsf::json_schema(version);
        assert!(jsonschema::meta::is_valid(&schema));
        assert_eq!(schema["$id"], format!("urn:gridwatch:ocsf:{version}"));
        let mut found = Vec::new();
        for (name, definition) in schema["$defs"].as_object().unwrap() {
            undescribed(definition, name, &mut found);
            assert_eq!(definition["additionalProperties"], json!(false), "{name}");
            for text in ["title", "description"] {
                assert!(definition[text].as_str().is_some_and(|text| !text.is_empty()), "{name} has no {text}");
            }
        }
        assert_eq!(found, Vec::<String>::new());
    }
}
