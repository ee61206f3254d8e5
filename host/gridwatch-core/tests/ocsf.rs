//! What the OCSF view promises: total, valid, lossless and repeatable, for any entry.
//!
//! The compiled schema is not part of the repository. `shape_problems` checks the rules that the view could break; for the
//! whole schema, feed a validator: `cargo test --test ocsf -- --ignored --nocapture | grep '^{'`.

use gridwatch_core::catalogue;
use gridwatch_core::entry::Entry;
use gridwatch_core::event::Event;
use gridwatch_core::ocsf::{self, FindingActivity, Product, RawData, Severity};
use gridwatch_core::time::UnixMillis;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use std::collections::BTreeMap;

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
            object
                .iter()
                .for_each(|(key, inner)| leaves(inner, &format!("{path}/{key}"), found));
        }
        Value::Array(array) if !array.is_empty() => {
            array
                .iter()
                .enumerate()
                .for_each(|(n, inner)| leaves(inner, &format!("{path}/{n}"), found));
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
    let everywhere = [
        "activity_id",
        "category_uid",
        "class_uid",
        "metadata",
        "severity_id",
        "time",
        "type_uid",
    ];
    for key in everywhere.iter().chain(required(class)) {
        if view.get(key).is_none() {
            problems.push(format!("{key} is required"));
        }
    }
    let profiles: Vec<_> = view["metadata"]["profiles"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
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
    for endpoint in [
        "/src_endpoint",
        "/device",
        "/evidences/0/src_endpoint",
        "/evidences/1/src_endpoint",
    ] {
        if let Some(ip) = view.pointer(&format!("{endpoint}/ip"))
            && ip.as_str().is_none_or(|ip| ip.parse::<std::net::IpAddr>().is_err())
        {
            problems.push(format!("{endpoint} {ip}"));
        }
    }
    for evidence in view["evidences"].as_array().into_iter().flatten() {
        if !["actor", "data", "file", "src_endpoint"]
            .iter()
            .any(|key| evidence.get(key).is_some())
        {
            problems.push(format!("evidence of nothing: {evidence}"));
        }
    }
    for object in [
        "/user",
        "/actor/user",
        "/app",
        "/group",
        "/entity",
        "/web_resources/0",
        "/resources/0",
        "/file",
    ] {
        let named = ["uid", "name", "policy", "user", "org"];
        if view
            .pointer(object)
            .is_some_and(|object| !named.iter().any(|key| object.get(key).is_some()))
        {
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
    assert_eq!(
        view["session"]["uid"], "1656410836837",
        "a number is shown as text with all its digits"
    );
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
    assert_eq!(
        (&view["actor"]["user"]["uid"], &view["user"]["uid"]),
        (&json!("W0B"), &json!("W0A"))
    );
    assert_eq!(view["actor"]["session"]["uid"], "847288190092");
    assert!(view.get("session").is_none());
    assert_eq!(
        view["unmapped"]["actor"]["user"]["email"], "",
        "empty is told from absent"
    );
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
    assert_eq!(
        view["entity"]["policy"]["name"],
        "pref.who_can_manage_ext_shared_channels"
    );
    assert_eq!(
        view["entity"]["policy"]["data"]["type"],
        json!(["ORG_ADMINS", "OWNERS"])
    );
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
    assert_eq!(
        (&view["user"]["uid"], &view["group"]["uid"]),
        (&json!("W1"), &json!("C1"))
    );
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
    assert_eq!(
        view["start_time"],
        json!(1_700_000_050_123_u64),
        "microseconds of the act, not of its detection"
    );
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
    for raw in [
        "17",
        "null",
        "[1]",
        r#""text""#,
        "{",
        "not json",
        r#"{"a":"\ud800"}"#,
        &deep,
    ] {
        let view = assert_kept(raw);
        assert_eq!(
            (&view["type_uid"], &view["activity_id"]),
            (&json!(99), &json!(99)),
            "{raw}"
        );
        assert_eq!(ocsf::event_with(&event(raw), &PRODUCT, RawData::Omit)["raw_data"], raw);
    }
    for raw in [
        "{}",
        r#"{"actor":7,"entity":[],"context":null,"details":"","id":{},"date_create":[],"action":1}"#,
    ] {
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
    assert_eq!(
        view["device"]["ip"], "198.51.100.7",
        "a class without an endpoint still has the address typed"
    );
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
            &[
                "user",
                "app",
                "message",
                "1.2.3.4",
                "::1",
                "a@b.co",
                "USLACKSECURITY",
                "KICKED",
                "E1"
            ][..]
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
    let known = [
        "id",
        "name",
        "type",
        "user",
        "email",
        "title",
        "channel",
        "timestamp",
        "location",
        "",
        "a.b",
        "a/b",
    ];
    prop_oneof![
        prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        "[a-z_]{1,6}"
    ]
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
    let parent = parents
        .iter()
        .try_fold(entry, |value, key| value.get_mut(key))
        .and_then(Value::as_object_mut);
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

fn findings(evidence: &[&Event]) -> Vec<Value> {
    let attacks = [
        ocsf::AttackInput {
            technique: "T1078.004",
            tactic: Some("TA0001"),
        },
        ocsf::AttackInput {
            technique: "T1567",
            tactic: Some("Exfiltration"),
        },
        ocsf::AttackInput {
            technique: "T1110",
            tactic: None,
        },
    ];
    let full = ocsf::FindingInput {
        metadata_uid: "alert-1/1",
        uid: "alert-1",
        activity: FindingActivity::Create,
        severity: Severity::High,
        title: "Many downloads by one user",
        description: "Ada downloaded 512 files in an hour; her usual is 3.",
        created: FIRST_SEEN,
        modified: FIRST_SEEN.plus(5_000),
        first_event: UnixMillis(1_700_000_000_000),
        last_event: UnixMillis(1_700_000_100_000),
        rule_id: "exfiltration.download_spike",
        rule_title: "Download spike",
        module: ocsf::ModuleInput {
            name: "exfiltration",
            version: "1.2.0",
            digest: "sha256:00ff",
        },
        attacks: &attacks,
        actor: Some(ocsf::ActorInput {
            id: "W1",
            email: Some("ada@corp.example"),
            name: Some("Ada"),
            role: Some("Org Admin"),
        }),
        evidence,
        labels: &[("count", "512"), ("baseline", "3")],
        playbook: &[
            "Ask Ada.",
            "Reset her sessions: admin.users.session.reset (admin.users:write).",
        ],
        dedup_count: 3,
        suppressed_by: None,
    };
    let nobody = ocsf::ActorInput {
        id: "",
        email: Some("not an address"),
        name: Some(""),
        role: None,
    };
    let bare = ocsf::FindingInput {
        severity: Severity::from_id(0),
        attacks: &[],
        actor: None,
        evidence: &[],
        labels: &[],
        playbook: &[],
        ..full
    };
    let inputs = [
        full,
        ocsf::FindingInput {
            activity: FindingActivity::Update,
            actor: Some(nobody),
            ..full
        },
        ocsf::FindingInput {
            activity: FindingActivity::Close,
            ..full
        },
        ocsf::FindingInput {
            suppressed_by: Some("known backup job"),
            ..full
        },
        bare,
    ];
    inputs
        .iter()
        .map(|input| ocsf::detection_finding(input, &PRODUCT))
        .collect()
}

#[test]
fn an_alert_is_a_finding_with_rule_module_evidence_and_playbook() {
    let events: Vec<Event> = SAMPLES.iter().chain(&["17", "{}"]).map(|raw| event(raw)).collect();
    let all = findings(&events.iter().collect::<Vec<_>>());
    for finding in &all {
        assert_eq!(shape_problems(finding), Vec::<String>::new());
    }
    let [create, update, close, suppressed, bare] = all.as_slice() else {
        unreachable!()
    };
    assert_eq!(
        (&create["type_uid"], &update["type_uid"], &close["type_uid"]),
        (&json!(200_401), &json!(200_402), &json!(200_403))
    );
    assert_eq!(create["metadata"]["product"]["feature"]["uid"], "sha256:00ff");
    assert_eq!(create["finding_info"]["analytic"]["uid"], "exfiltration.download_spike");
    assert_eq!(create["finding_info"]["related_events"][3]["uid"], events[3].id);
    assert_eq!(
        create["finding_info"]["attacks"][0]["sub_technique"]["uid"],
        "T1078.004"
    );
    assert_eq!(create["evidences"][4]["actor"]["user"]["uid"], "W0B");
    assert_eq!(create["evidences"][4]["src_endpoint"]["ip"], "198.51.100.9");
    assert!(
        create["remediation"]["desc"]
            .as_str()
            .unwrap()
            .starts_with("1. Ask Ada.\n2. ")
    );
    assert_eq!(
        (&create["actor"]["user"]["type"], &create["actor"]["user"]["type_id"]),
        (&json!("Org Admin"), &json!(2))
    );
    assert_eq!(
        (&suppressed["status"], &suppressed["is_alert"]),
        (&json!("Suppressed"), &json!(false))
    );
    assert!(bare.get("evidences").is_none() && bare.get("actor").is_none() && bare.get("remediation").is_none());
}

#[test]
fn evidence_over_the_maximum_is_named_but_not_shown() {
    let event = event(SAMPLES[0]);
    for (given, shown) in [
        (ocsf::EVIDENCES_MAX, ocsf::EVIDENCES_MAX),
        (ocsf::EVIDENCES_MAX + 1, ocsf::EVIDENCES_MAX),
    ] {
        let finding = &findings(&vec![&event; given])[0];
        assert_eq!(finding["evidences"].as_array().unwrap().len(), shown);
        assert_eq!(
            finding["finding_info"]["related_events"].as_array().unwrap().len(),
            given
        );
    }
}

/// For a validator that has the whole schema; see the top of this file.
#[test]
#[ignore = "prints a view per action, kind of entity and shape of entry"]
fn print_views() {
    let samples: Vec<Event> = SAMPLES.iter().chain(&["17", "{}"]).map(|raw| event(raw)).collect();
    for raw in SAMPLES.into_iter().chain(["17", "null", "{", "{}"]) {
        println!("{}", view(raw));
    }
    for finding in findings(&samples.iter().collect::<Vec<_>>()) {
        println!("{finding}");
    }
    for action in catalogue::actions().chain(["", "an_action_of_tomorrow"]) {
        for kind in KINDS {
            println!("{}", view(&full_entry(action, kind).to_string()));
            println!("{}", view(&bare_entry(action, kind).to_string()));
        }
    }
}
