//! What the OCSF view promises: total, valid, lossless and repeatable, for any entry.
//!
//! The compiled schema is not part of the repository. `shape_problems` checks the rules that the view could break; for the
//! whole schema, feed a validator: `cargo test --test ocsf -- --ignored --nocapture | grep '^{'`.

use gridwatch_core::alert::{Actor, Alert, ModuleRef};
use gridwatch_core::catalogue;
use gridwatch_core::directory::{Act, Role};
use gridwatch_core::entry::Entry;
use gridwatch_core::event::Event;
use gridwatch_core::manifest::{Playbook, Severity, Step};
use gridwatch_core::stub::Stub;
use gridwatch_core::time::{UnixMillis, UnixSeconds};
use gridwatch_core::view::Product;
use gridwatch_core::view::ocsf::{self, RawData};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const PRODUCT: Product<'static> = Product { version: "0.1.0" };
const FIRST_SEEN: UnixMillis = UnixMillis(1_760_000_000_123);

const KINDS: [&str; 22] = [
    "user",
    "workspace",
    "enterprise",
    "channel",
    "file",
    "app",
    "usergroup",
    "message",
    "workflow",
    "workflow_v2",
    "barrier",
    "role",
    "account_type_role",
    "huddle",
    "canvas",
    "list",
    "template",
    "legal_hold_policy",
    "function",
    "external_auth_oauth2_token",
    "",
    "made_up",
];

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
    ocsf::event(&event(raw), &PRODUCT)
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

/// Required attributes beyond those of every class, as in the compiled schema 1.8.0.
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
fn shape_problems(view: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let class = view["class_uid"].as_u64().unwrap_or(u64::MAX);
    let everywhere = ["activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"];
    for key in everywhere.iter().chain(required(class)) {
        if view.get(key).is_none() {
            problems.push(format!("{key} is required"));
        }
    }
    let profiles: Vec<_> =
        view["metadata"]["profiles"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (keys, profile) in [
        (&["actor", "device"][..], "host"),
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
    for object in ["/user", "/actor/user", "/app", "/group", "/entity", "/web_resources/0", "/resources/0", "/file"] {
        let named = ["uid", "name", "policy", "user", "org"];
        if view.pointer(object).is_some_and(|object| !named.iter().any(|key| object.get(key).is_some())) {
            problems.push(format!("{object} has no name"));
        }
    }
    problems
}

fn assert_kept(raw: &str) -> Value {
    let event = event(raw);
    let view = ocsf::event(&event, &PRODUCT);
    assert_eq!(shape_problems(&view), Vec::<String>::new(), "{raw}\n{view:#}");
    assert_eq!(view["raw_data"], raw);
    if event.json().is_object() {
        assert_eq!(lost(&event, &view), [], "{raw}\n{view:#}");
    }
    assert_eq!(view.to_string(), ocsf::event(&event, &PRODUCT).to_string());
    view
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
    let view = view(
        r#"{"id":"a","date_create":1700000000,"action":"user_channel_join","actor":{"type":"user","user":{"id":"W1"}},
            "entity":{"type":"channel","channel":{"id":"C1","name":"x"}},"context":{"ip_address":"192.0.2.1","session_id":5},
            "details":{"type":"INVITED","inviter":{"id":"W2","name":"Ina","email":"ina@corp.example"}}}"#,
    );
    assert_eq!(view["src_endpoint"]["owner"]["uid"], "W2");
    assert_eq!(view["unmapped"]["context"]["session_id"], json!(5));
    assert_eq!((&view["user"]["uid"], &view["group"]["uid"]), (&json!("W1"), &json!("C1")));
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
        assert_eq!(ocsf::event_with(&event(raw), &PRODUCT, RawData::Omit)["raw_data"], raw);
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
    assert_eq!(shape_problems(&ocsf::event(&never, &PRODUCT)), Vec::<String>::new());
}

#[test]
fn raw_bytes_are_a_choice() {
    let event = event(SAMPLES[0]);
    let without = ocsf::event_with(&event, &PRODUCT, RawData::Omit);
    assert!(without.get("raw_data").is_none());
    assert_eq!(lost(&event, &without), []);
    let mut with = ocsf::event(&event, &PRODUCT);
    assert_eq!(with["raw_data"], SAMPLES[0]);
    with.as_object_mut().unwrap().remove("raw_data");
    assert_eq!(with, without);
}

/// One change somewhere in an entry.
#[derive(Clone, Debug)]
enum Mutation {
    Remove,
    Replace(Value),
    AddKey(String, Value),
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
    fn no_text_makes_the_view_panic(raw in any::<String>()) {
        assert_kept(raw.trim());
    }
}

fn stub(raw: &str) -> Arc<Stub> {
    Stub::of(&event(raw))
}

fn step(text: &str, method: Option<&str>, scope: Option<&str>) -> Step {
    Step { text: text.into(), method: method.map(Into::into), scope: scope.map(Into::into) }
}

fn full_alert() -> Alert {
    let act = |seq: u64, action: &str, ip: &str| Act {
        seq,
        time: UnixSeconds(1_700_000_000 + seq),
        action: action.into(),
        ip_address: ip.into(),
    };
    Alert {
        uid: "gw-00ff".into(),
        revision: 1,
        severity: Severity::High,
        title: "Many downloads by one user".into(),
        rule: "exfiltration.download_spike".into(),
        rule_title: "Download spike".into(),
        condition: "More downloads in an hour than ten times the usual.".into(),
        module: ModuleRef { name: "exfiltration".into(), version: "1.2.0".into(), digest: "00ff".into() },
        dedup_key: "W0A".into(),
        period_start: UnixSeconds(1_699_999_200),
        period_s: 3_600,
        findings: 3,
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
        recent: vec![act(9, "file_downloaded", "198.51.100.7"), act(8, "user_login", "")],
        evidence: SAMPLES.iter().chain(&["17", "{}"]).map(|raw| stub(raw)).collect(),
        evidence_total: 512,
        labels: [("baseline", "3"), ("count", "512")].map(|(name, value)| (name.into(), value.into())).into(),
        attack: vec!["T1078.004".into(), "T1567".into()],
        playbook: Playbook {
            verify: vec![step("Ask Ada", None, None)],
            contain: vec![step("Reset her sessions", Some("admin.users.session.reset"), Some("admin.users:write"))],
            then: vec![step("Read what she took", Some("files.info"), None), step("Tell legal", None, Some("none"))],
        },
        suppressed_by: None,
    }
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
        recent: vec![],
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
    };
    Alert {
        title: text.into(),
        rule_title: text.into(),
        condition: text.into(),
        dedup_key: text.into(),
        actor: Actor { id: text.into(), name: text.into(), email: text.into(), ..Actor::default() },
        recent: vec![Act { seq: 0, time: UnixSeconds(u64::MAX), action: text.into(), ip_address: text.into() }],
        evidence: vec![Arc::new(stub)],
        labels: [(text.into(), text.into())].into(),
        attack: vec![text.into()],
        playbook: Playbook { verify: vec![step(text, Some(text), Some(text))], ..Playbook::default() },
        suppressed_by: Some(text.into()),
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
        bare_alert(),
        Alert { actor: only_email, ..full_alert() },
        Alert { evidence: vec![stub(SAMPLES[0]); 60], ..full_alert() },
    ];
    shapes.into_iter().chain(roles).chain(HOSTILE.map(hostile_alert)).collect()
}

fn finding(alert: &Alert) -> Value {
    let finding = ocsf::detection_finding(alert, &PRODUCT);
    assert_eq!(shape_problems(&finding), Vec::<String>::new(), "{finding:#}");
    assert_eq!(finding.to_string(), ocsf::detection_finding(alert, &PRODUCT).to_string());
    finding
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
    let folding = json!({ "dedup_key": "W0A", "period_start": 1_699_999_200, "period_s": 3_600 });
    assert_eq!(finding["unmapped"], folding);
}

#[test]
fn evidence_shows_who_from_where_and_how_to_find_the_entry() {
    let finding = finding(&full_alert());
    let reset = event(SAMPLES[4]);
    assert_eq!(finding["finding_info"]["related_events"][4]["uid"], reset.id);
    assert_eq!(finding["finding_info"]["related_events"][4]["type_uid"], json!(300_202));
    let shown = json!({
        "uid": reset.id,
        "name": "user_session_reset_by_admin",
        "actor": { "user": { "uid": "W0B", "type": "User", "type_id": 1 } },
        "src_endpoint": { "ip": "198.51.100.9" },
        "http_request": { "user_agent": "UA" },
        "data": { "uid": reset.id, "seq": 7, "action": "user_session_reset_by_admin", "time": 1_700_000_003_000_u64 },
    });
    assert_eq!(finding["evidences"][4], shown);
    let without_address = &finding["evidences"][5];
    assert!(without_address.get("src_endpoint").is_none() && without_address.get("http_request").is_none());
    let of_no_entry = &finding["evidences"][6];
    assert!(of_no_entry.get("actor").is_none() && of_no_entry["data"]["seq"] == json!(7));
}

#[test]
fn a_revision_is_a_message_of_its_own_about_the_same_finding() {
    let (first, second) = (finding(&full_alert()), finding(&Alert { revision: 2, ..full_alert() }));
    assert_eq!((&first["type_uid"], &second["type_uid"]), (&json!(200_401), &json!(200_402)));
    assert_eq!((&first["metadata"]["uid"], &second["metadata"]["uid"]), (&json!("gw-00ff:1"), &json!("gw-00ff:2")));
    assert_eq!((&first["finding_info"]["uid"], &second["finding_info"]["uid"]), (&json!("gw-00ff"), &json!("gw-00ff")));
    assert_eq!(second["status"], "New", "no person has looked at it yet, as far as gridwatch knows");
}

#[test]
fn the_actor_has_the_role_at_the_event_and_now_and_what_they_did_last() {
    let finding = finding(&full_alert());
    let user = json!({ "uid": "W0A", "name": "Ada", "email_addr": "ada@corp.example", "type": "admin", "type_id": 2 });
    assert_eq!(finding["actor"]["user"], user);
    let [role, recent] = finding["enrichments"].as_array().unwrap().as_slice() else { panic!("{finding:#}") };
    assert_eq!((&role["name"], &role["value"]), (&json!("actor.user.uid"), &json!("W0A")));
    assert_eq!(role["data"], json!({ "role_at_event": "admin", "role_now": "member" }));
    let acts = json!([
        { "seq": 9, "time": 1_700_000_009_000_u64, "action": "file_downloaded", "ip_address": "198.51.100.7" },
        { "seq": 8, "time": 1_700_000_008_000_u64, "action": "user_login" },
    ]);
    assert_eq!((&recent["type"], &recent["data"]), (&json!("recent_activity"), &acts));
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
    let finding = finding(&Alert { actor, ..full_alert() });
    assert_eq!(finding["actor"]["user"], json!({ "name": "not an address", "type": "Unknown", "type_id": 0 }));
    assert_eq!(finding["enrichments"][0]["name"], "actor.user.name");
}

#[test]
fn a_suppressed_alert_is_a_finding_that_alerts_no_one() {
    let finding = finding(&Alert { suppressed_by: Some("known backup job".into()), ..full_alert() });
    assert_eq!((&finding["status"], &finding["is_alert"]), (&json!("Suppressed"), &json!(false)));
    assert_eq!(finding["status_detail"], "suppressed by known backup job");
}

#[test]
fn what_an_alert_does_not_say_is_absent() {
    let finding = finding(&bare_alert());
    for key in ["actor", "enrichments", "evidences", "remediation", "start_time", "end_time"] {
        assert!(finding.get(key).is_none(), "{key}");
    }
    for key in ["attacks", "desc", "related_events", "tags", "first_seen_time", "last_seen_time"] {
        assert!(finding["finding_info"].get(key).is_none(), "{key}");
    }
}

#[test]
fn evidence_over_the_maximum_is_named_but_not_shown() {
    for (given, shown) in [(ocsf::EVIDENCES_MAX, ocsf::EVIDENCES_MAX), (60, ocsf::EVIDENCES_MAX)] {
        let finding = finding(&Alert { evidence: vec![stub(SAMPLES[0]); given], ..full_alert() });
        assert_eq!(finding["evidences"].as_array().unwrap().len(), shown);
        assert_eq!(finding["finding_info"]["related_events"].as_array().unwrap().len(), given);
    }
}

/// For a validator that has the whole schema; see the top of this file.
#[test]
#[ignore = "prints a view per action, kind of entity and shape of entry"]
fn print_views() {
    for raw in SAMPLES.into_iter().chain(["17", "null", "{", "{}"]) {
        println!("{}", view(raw));
    }
    for alert in alerts() {
        println!("{}", finding(&alert));
    }
    for action in catalogue::actions().chain(["", "an_action_of_tomorrow"]) {
        for kind in KINDS {
            println!("{}", view(&full_entry(action, kind).to_string()));
            println!("{}", view(&bare_entry(action, kind).to_string()));
        }
    }
}
