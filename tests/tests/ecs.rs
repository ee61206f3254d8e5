//! What the ECS view promises: total, lossless, repeatable, in line with its schema, and no path with two types.
//!
//! Every document that a test makes is checked for all of that, and its types are compared with those of all other documents
//! of the run (`assert_kept`). For a corpus of your own, one entry a line:
//! `GRIDWATCH_CORPUS=entries.ndjson cargo xtask test -- --test program ecs:: -- --ignored --nocapture`.

use gridwatch_event::entry::Entry;
use gridwatch_event::event::Event;
use gridwatch_event::role::Role;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_manifest::{Playbook, Severity, Step};
use gridwatch_names::catalogue;
use gridwatch_rules::alert::{Actor, Alert, Counts, Doer, ModuleRef, Source};
use gridwatch_rules::audit::{self, Audited, Deed, Via, Who};
use gridwatch_rules::directory::RecentAct;
use gridwatch_rules::handling::{Act, Handling, Reason, What};
use gridwatch_rules::monitor::heartbeat::{AuditBeat, Chain, Heartbeat, OrgBeat, SinkBeat, Statement};
use gridwatch_rules::stub::Stub;
use gridwatch_rules::subject::Subjects;
use gridwatch_tests::KINDS;
use gridwatch_tests::about;
use gridwatch_views::ecs;
use gridwatch_views::{LEAST_MAX_BYTES, Product, RawData, View};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex};

const PRODUCT: Product<'static> = Product { version: "0.1.0" };
/// 2025-10-09T08:53:20.123Z.
const FIRST_SEEN: UnixMillis = UnixMillis(1_760_000_000_123);

fn event(raw: &str) -> Event {
    Event::new(7, FIRST_SEEN, &Entry::from_json(raw))
}

/// The document of an entry, after all that is promised of any was checked.
fn view(entry: &Value) -> Value {
    assert_kept(&entry.to_string())
}

fn assert_kept(raw: &str) -> Value {
    let event = event(raw);
    let view = ecs::event(&event, &PRODUCT, RawData::Include);
    assert_eq!(view["event"]["original"], raw);
    assert_eq!(lost(&event, &view), Vec::<String>::new(), "{raw}\n{view:#}");
    assert_sound(&view);
    assert_eq!(view.to_string(), ecs::event(&event, &PRODUCT, RawData::Include).to_string());
    view
}

/// What holds for a document of an event and of an alert.
fn assert_sound(view: &Value) {
    let mut problems = complaints(view);
    let mut found = BTreeMap::new();
    types(view, "", &mut found, &mut problems);
    problems.extend(conflicts(found));
    assert_eq!(problems, Vec::<String>::new(), "{view:#}");
}

// -- lossless

/// Every leaf: scalars, nulls and empty containers. `decode` also reads what the view wrote as JSON text.
fn leaves(value: &Value, decode: bool, found: &mut Vec<String>) {
    match value {
        Value::Object(object) if !object.is_empty() => object.iter().for_each(|(key, inner)| match inner {
            Value::String(text) if decode && key.ends_with("_json") => {
                leaves(&serde_json::from_str(text).expect("JSON text"), false, found);
            }
            _ => leaves(inner, decode, found),
        }),
        Value::Array(array) if !array.is_empty() => array.iter().for_each(|inner| leaves(inner, decode, found)),
        Value::String(text) if !text.is_empty() => found.push(format!("text {text}")),
        Value::Number(number) => found.push(format!("text {number}")),
        empty_or_bool => found.push(empty_or_bool.to_string()),
    }
}

/// Leaves of the entry that the view has fewer times than the entry. Its bytes don't count.
fn lost(event: &Event, view: &Value) -> Vec<String> {
    if !event.json().is_object() || *event.json() == json!({}) {
        return vec![];
    }
    let mut view = view.clone();
    view["event"].as_object_mut().expect("an event").remove("original");
    let (mut of_view, mut of_entry) = (Vec::new(), Vec::new());
    leaves(&view, true, &mut of_view);
    leaves(event.json(), false, &mut of_entry);
    let mut there: BTreeMap<String, usize> = BTreeMap::new();
    of_view.into_iter().for_each(|leaf| *there.entry(leaf).or_default() += 1);
    let is_missing = |leaf: &String| match there.get_mut(leaf) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    of_entry.into_iter().filter(is_missing).collect()
}

// -- one type per path

/// Of all documents that this process has made.
static TYPES: Mutex<BTreeMap<String, &'static str>> = Mutex::new(BTreeMap::new());

/// Type of each path, as an index would map it: a list counts as what is in it, null and `[]` as nothing.
fn types(value: &Value, path: &str, found: &mut BTreeMap<String, &'static str>, problems: &mut Vec<String>) {
    let kind = match value {
        Value::Null => return,
        Value::Array(all) => return all.iter().for_each(|one| types(one, path, found, problems)),
        Value::Object(object) => {
            for (key, inner) in object {
                if key.is_empty() || key.contains('.') {
                    problems.push(format!("{path} has the key {key:?}"));
                }
                types(inner, &format!("{path}.{key}"), found, problems);
            }
            "object"
        }
        Value::String(_) => "text",
        Value::Number(_) => "number",
        Value::Bool(_) => "boolean",
    };
    if let Some(other) = found.insert(path.to_owned(), kind).filter(|other| *other != kind) {
        problems.push(format!("{path} is {kind} and {other} in one document"));
    }
}

fn conflicts(found: BTreeMap<String, &'static str>) -> Vec<String> {
    let mut known = TYPES.lock().expect("no test panicked with the lock");
    let compare = |(path, kind): (String, &'static str)| {
        let other = known.entry(path.clone()).or_insert(kind);
        (*other != kind).then(|| format!("{path} is {kind} here and {other} in another document"))
    };
    found.into_iter().filter_map(compare).collect()
}

// -- the schema

static SCHEMA: LazyLock<Value> = LazyLock::new(ecs::json_schema);

static VALIDATOR: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| jsonschema::options().should_validate_formats(true).build(&SCHEMA).expect("a JSON Schema"));

fn complaints(view: &Value) -> Vec<String> {
    VALIDATOR.iter_errors(view).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn the_schema_refuses_what_is_not_ours() {
    let good = view(&full_entry("user_login", "user"));
    for (at, bad) in [
        ("/event/category", json!(["sign-in"])),
        ("/event/category", json!([])),
        ("/event/kind", json!("state")),
        ("/event/id", json!(5)),
        ("/@timestamp", json!("yesterday")),
        ("/source/ip", json!("")),
        ("/user", json!({ "nick": "a" })),
        ("/slack/audit/details/new_value", json!({ "type": ["A"] })),
        ("/slack/audit/details/success", json!("no")),
        ("/slack/audit/details/a_key_of_tomorrow", json!(true)),
        ("/slack/audit/details/previous_ip_address", json!("")),
        ("/ecs", Value::Null),
    ] {
        let mut view = good.clone();
        let (parent, key) = at.rsplit_once('/').expect("a path");
        view.pointer_mut(parent).expect(at)[key] = bad;
        assert!(!complaints(&view).is_empty(), "{at}");
    }
}

#[test]
fn the_schema_names_every_field() {
    let all: Vec<_> = ecs::fields().collect();
    assert!(all.is_sorted_by_key(|field| &field.name) && all.len() < 600, "{} fields; an index takes 1,000", all.len());
    for field in all {
        let path = field.name.replace('.', "/properties/");
        let in_list = path.replace("evidence/", "evidence/items/").replace("recent/", "recent/items/");
        let in_list = [
            "/acts/",
            "labels/",
            "verify/",
            "contain/",
            "then/",
            "about/",
            "facts/",
            "subjects/",
            "others/",
            "cut/",
            "orgs/",
            "sinks/",
        ]
        .iter()
        .fold(in_list, |path, list| path.replace(list, &format!("{list}items/")));
        assert!(SCHEMA.pointer(&format!("/properties/{in_list}")).is_some(), "{in_list}");
        assert!(!field.meaning.is_empty() && !field.kind.to_string().is_empty());
    }
}

#[test]
fn every_field_of_ecs_in_the_table_is_made_by_something() {
    let mut made = BTreeMap::new();
    let entries =
        KINDS.iter().flat_map(|kind| ["anomaly", "role_change_to_admin"].map(|action| full_entry(action, kind)));
    let doer = Doer { id: "W0B".into(), name: "Bo".into(), email: "bo@corp.example".into(), app: "A0Y".into() };
    let silenced = Alert { suppressed_by: Some("x".into()), others: vec![doer], ..full_alert() };
    let alerts = [full_alert(), silenced, closed_alert()];
    let long = event(&sample("file_downloaded", json!({}), json!({ "names": vec!["n".repeat(99); 999] })).to_string());
    let cut = View::Ecs.event_line_within(&long, &PRODUCT, RawData::Include, LEAST_MAX_BYTES);
    let cut = serde_json::from_str(&cut).expect("JSON");
    let unreadable = ecs::event(&event("7"), &PRODUCT, RawData::Include);
    let views = entries.map(|entry| view(&entry)).chain(alerts.iter().map(finding)).chain([unreadable, cut]);
    let beat = View::Ecs.heartbeat_line_within(&heartbeat(), &PRODUCT, LEAST_MAX_BYTES);
    let views = views.chain([serde_json::from_str(&beat).expect("JSON")]);
    let deed = View::Ecs.audit_line_within(&audited(), &PRODUCT, LEAST_MAX_BYTES);
    let views = views.chain([serde_json::from_str(&deed).expect("JSON")]);
    views.for_each(|view| types(&view, "", &mut made, &mut Vec::new()));
    let idle: Vec<_> = ecs::fields()
        .filter(|field| !field.name.starts_with("slack.") && !made.contains_key(&format!(".{}", field.name)))
        .map(|field| &field.name)
        .collect();
    assert!(idle.is_empty(), "{idle:?}");
}

// -- categories

/// The types that ECS 8.11 expects with a category (its field reference, "Expected event types for category …").
fn expected(category: &str) -> &'static [&'static str] {
    match category {
        "api" => {
            &["access", "admin", "allowed", "change", "creation", "deletion", "denied", "end", "info", "start", "user"]
        }
        "authentication" | "session" => &["start", "end", "info"],
        "configuration" | "file" => &["access", "change", "creation", "deletion", "info"],
        "iam" => &["admin", "change", "creation", "deletion", "group", "info", "user"],
        "intrusion_detection" => &["allowed", "denied", "info"],
        "malware" => &["info"],
        "network" => &["access", "allowed", "connection", "denied", "end", "info", "protocol", "start"],
        "package" => &["access", "change", "deletion", "info", "installation", "start"],
        "web" => &["access", "error", "info"],
        _ => &[],
    }
}

#[test]
fn each_action_has_categories_and_types_that_go_together() {
    for action in catalogue::actions() {
        let (category, kind) = ecs::categories(action);
        assert!(!category.is_empty() && !kind.is_empty(), "{action}");
        assert!(category.is_sorted() && kind.is_sorted(), "{action}");
        for kind in kind {
            assert!(category.iter().any(|category| expected(category).contains(kind)), "{action}: {category:?} {kind}");
        }
        for category in category {
            assert!(kind.iter().any(|kind| expected(category).contains(kind)), "{action}: {category} {kind:?}");
        }
    }
    assert_eq!(ecs::categories("an_action_of_tomorrow"), (&[][..], &[][..]));
    assert_eq!(
        ecs::categories("message_of_tomorrow"),
        (&[][..], &[][..]),
        "a pattern doesn't guess at unknown actions"
    );
}

#[test]
fn categories_are_those_one_would_search_for() {
    for (action, category, kind) in [
        ("user_login", &["authentication", "session"][..], &["info", "start"][..]),
        ("user_login_failed", &["authentication"], &["info", "start"]),
        ("user_logout", &["authentication", "session"], &["end", "info"]),
        ("user_session_reset_by_admin", &["authentication", "session"], &["end", "info"]),
        ("user_created", &["iam"], &["creation", "user"]),
        ("role_change_to_owner", &["iam"], &["admin", "change", "user"]),
        ("role_created", &["iam"], &["admin", "creation"]),
        ("user_added_to_usergroup", &["iam"], &["change", "group", "user"]),
        ("file_downloaded", &["file"], &["access"]),
        ("file_download_blocked", &["file"], &["access"]),
        ("file_downloaded_blocked", &["file"], &["access"]),
        ("file_uploaded", &["file"], &["creation"]),
        ("file_malicious_content_detected", &["file", "malware"], &["info"]),
        ("manual_export_started", &["file"], &["info"]),
        ("manual_export_downloaded", &["file"], &["access"]),
        ("anomaly", &["intrusion_detection"], &["info"]),
        ("app_installed", &["package"], &["installation"]),
        ("app_approved", &["configuration"], &["change"]),
        ("pref.dlp_access_changed", &["configuration"], &["change"]),
        ("pref.sso_setting_changed", &["configuration", "iam"], &["admin", "change"]),
        ("ip_allowlist_access_denied", &["authentication", "network"], &["denied", "start"]),
        ("huddle_started", &["session"], &["start"]),
        ("mcp_slack_search_public_tool_called", &["api"], &["access"]),
        ("message_tombstoned", &["web"], &["info"]),
        ("public_channel_created", &["configuration"], &["creation"]),
    ] {
        assert_eq!(ecs::categories(action), (category, kind), "{action}");
    }
}

// -- entries

/// An entry with every key known to matter, and a value of its own in each leaf.
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
        "role" => json!({ "id": "Rl1", "name": "DLP admin", "type": "system" }),
        "huddle" => json!({ "id": "R1", "date_start": 1_700_000_111, "date_end": 0, "participants": ["W41", "W42"] }),
        "barrier" => json!({ "id": "B1", "primary_usergroup": "S1", "barriered_from_usergroups": ["S2"] }),
        "template" => json!({ "id": "Tm1", "template_name": "a template" }),
        "function" => json!({ "id": "Fn1", "app_id": "A51", "callback_id": "a_callback" }),
        "external_auth_oauth2_token" => {
            json!({ "provider": { "id": 9_876_543_210_u64, "app": { "scopes": "read,write" } } })
        }
        "workflow_v2" => json!({ "id": "Wf1", "name": "a flow", "app_id": "A52", "date_updated": 1_700_000_112,
                                 "step_configuration": [{ "name": "step", "external_auth_configuration": [] }] }),
        _ => json!({ "id": "X1", "name": "a thing" }),
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
            "new_value": { "type": ["AFTER"] }, "previous_value": "BEFORE", "pref_name": "a_pref",
            "target_user": "W61", "target_user_id": "W62", "changed_permissions": ["p1", "p2"], "success": false,
            "md5": "0123456789abcdef0123456789abcdef", "client_ja3_fingerprint": "ja3 1", "arguments": { "a.b": ["q"] },
            "previous_profile": { "real_name": "Ann", "display_name": "an" },
            "new_profile": { "real_name": "Anna", "display_name": "anna" },
            "action_timestamp": 1_700_000_050_123_456_u64, "previous_ip_address": "203.0.113.9", "previous_ua": "old agent",
            "succeeded_users": "[\"W91\"]", "failed_users": [], "empty": {}, "nothing": null, "dotted.key": "dotted",
        },
        "app": "seen at the top", "new_key": [[], [1, [2.50]], {}],
    });
    if !kind.is_empty() {
        entry["entity"] = json!({ "type": kind, kind: entity });
    }
    entry
}

/// Each known key of `details` and each field of the entity, with a value of this kind of JSON.
fn maximal_entry(kind: &str, value: &Value) -> Value {
    let object = |keys: &mut dyn Iterator<Item = &'static str>| -> Map<String, Value> {
        keys.map(|key| (key.to_owned(), value.clone())).collect()
    };
    let fields: BTreeSet<&str> = catalogue::entity_types().flat_map(|(_, fields)| fields.iter().copied()).collect();
    json!({ "id": "max", "date_create": 1_700_000_113, "action": "user_login",
            "actor": { "type": value, "user": object(&mut ["id", "name", "email", "team", "account_type"].into_iter()) },
            "entity": { "type": kind, kind: object(&mut fields.into_iter()) },
            "context": object(&mut ["ua", "ip_address", "session_id", "app", "acting_agent", "agent_message", "location"].into_iter()),
            "details": object(&mut catalogue::details_keys()) })
}

#[test]
fn a_known_key_keeps_its_type_whatever_stands_there() {
    for value in [
        json!("text"),
        json!(""),
        json!(5),
        json!(-1.5),
        json!(true),
        Value::Null,
        json!([]),
        json!(["a", "b"]),
        json!([1, null, "b"]),
        json!([[1]]),
        json!([true]),
        json!({}),
        json!([{ "name": "a" }]),
        json!({ "type": ["A"], "user": { "id": 1 }, "a.b": 2, "enabled": true, "duration_days": 3 }),
    ] {
        for kind in KINDS {
            view(&maximal_entry(kind, &value));
        }
    }
}

#[test]
fn every_action_on_every_kind_of_entity_is_kept() {
    for action in catalogue::actions().chain(["", "an_action_of_tomorrow"]) {
        for kind in KINDS {
            view(&full_entry(action, kind));
        }
        for kind in ["", "user", "message"] {
            view(&json!({ "id": "bare", "date_create": 1_700_000_113, "action": action,
                          "actor": { "type": "user", "user": {} }, "entity": { "type": kind, kind: {} },
                          "context": { "ua": "", "ip_address": "", "session_id": null, "location": {} }, "details": {} }));
        }
    }
}

#[test]
fn a_value_of_another_type_stands_beside_its_key_as_json() {
    let view = view(&json!({ "id": "a", "action": "pref.dlp_access_changed", "details": {
        "new_value": { "type": ["A"] }, "previous_value": ["B", 2], "reason": {}, "success": "no", "duration": "1",
        "note_json": "x", "a_flag": true, "a_count": 5, "a.b": 1, "": 2, "previous_ip_address": "",
    }}));
    assert_eq!(
        view["slack"]["audit"]["details"],
        json!({
            "new_value_json": r#"{"type":["A"]}"#, "previous_value": ["B", "2"], "reason_json": "{}", "success_json": r#""no""#,
            "duration_json": r#""1""#, "note_json_json": r#""x""#, "a_flag_json": "true", "a_count": "5",
            "_json": r#"{"":2,"a.b":1}"#, "previous_ip_address_json": r#""""#,
        })
    );
}

#[test]
fn an_object_with_too_many_new_keys_is_one_field() {
    for (given, shown) in [(ecs::MAX_NEW_KEYS, ecs::MAX_NEW_KEYS), (ecs::MAX_NEW_KEYS + 1, 1), (5_000, 1)] {
        let details: Map<String, Value> = (0..given).map(|n| (format!("k{n}"), json!("v"))).collect();
        let view = view(&json!({ "id": "a", "details": details, "entity": { "type": "new", "new": {} } }));
        assert_eq!(view["slack"]["audit"]["details"].as_object().unwrap().len(), shown);
    }
}

#[test]
fn an_entity_of_a_type_that_nobody_described_brings_no_new_fields() {
    let entity = json!({ "type": "gadget", "gadget": { "id": "G1", "k1": "v", "k2": "v" } });
    let view = view(&json!({ "id": "a", "entity": entity }));
    assert_fields(
        &view,
        json!({ "slack.audit": { "entity": { "entity_type": "gadget", "id": "G1" }, "entity_json": r#"{"gadget":{"k1":"v","k2":"v"}}"# } }),
    );
}

#[test]
fn two_entities_at_once_and_odd_ones_are_kept() {
    for entity in [
        json!({ "type": "user", "user": { "id": "W1", "entity_type": "x" }, "file": { "id": "F1" } }),
        json!({ "type": "type", "type2": 1 }),
        json!({ "type": "user", "user": "W1" }),
        json!({ "type": "user" }),
        json!({ "type": 5, "5": { "id": "a" } }),
        json!({ "user": { "id": "W1" } }),
        json!([]),
        json!("user"),
    ] {
        view(&json!({ "id": "a", "action": "user_login", "entity": entity, "entity_json": "{}" }));
    }
    for location in [json!({ "type": "t", "type2": 1 }), json!("somewhere"), json!({}), json!([1])] {
        view(&json!({ "id": "a", "context": { "location": location, "type": 5, "id": {} } }));
    }
}

// -- Elastic's names

fn user(id: &str, name: &str) -> Value {
    json!({ "id": id, "name": name, "email": format!("{id}@corp.example"), "team": "T0A" })
}

fn sample(action: &str, entity: Value, details: Value) -> Value {
    json!({ "id": "5f1a0001", "date_create": 1_700_000_002, "action": action,
            "actor": { "type": "user", "user": user("W0A", "Ada") }, "entity": entity,
            "context": { "location": { "type": "workspace", "id": "T0B", "name": "Lab", "domain": "lab" }, "ua": "UA",
                         "ip_address": "198.51.100.7", "session_id": 1_656_410_836_837_u64 },
            "details": details })
}

fn assert_fields(view: &Value, fields: Value) {
    for (path, value) in fields.as_object().expect("an object") {
        let pointer = format!("/{}", path.replace('.', "/"));
        assert_eq!(view.pointer(&pointer), Some(value).filter(|value| !value.is_null()), "{path} in {view:#}");
    }
}

#[test]
fn a_sign_in_has_elastics_fields() {
    let own = json!({ "type": "user", "user": user("W0A", "Ada") });
    let view = view(&sample("user_login", own.clone(), json!({ "authentication_method": "saml" })));
    assert_fields(
        &view,
        json!({
            "@timestamp": "2023-11-14T22:13:22.000Z", "ecs.version": "8.11.0", "event.created": "2025-10-09T08:53:20.123Z",
            "event.action": "user_login", "event.category": ["authentication", "session"], "event.type": ["info", "start"],
            "event.dataset": "slack.audit", "event.module": "slack", "event.id": "5f1a0001", "event.kind": "event",
            "event.outcome": "success", "event.sequence": 7, "related.ip": ["198.51.100.7"],
            "related.user": ["Ada", "W0A", "W0A@corp.example"], "source.address": "198.51.100.7", "source.ip": "198.51.100.7",
            "user.email": "W0A@corp.example", "user.full_name": "Ada", "user.id": "W0A", "user.name": "Ada",
            "user.target": null, "user_agent.original": "UA", "organization": null, "tags": null,
            "slack.audit": {
                "actor": { "type": "user", "user": { "team": "T0A" } }, "date_create": 1_700_000_002,
                "context": { "domain": "lab", "id": "T0B", "name": "Lab", "type": "workspace", "session_id": "1656410836837" },
                "details": { "authentication_method": "saml" },
                "entity": { "email": "W0A@corp.example", "entity_type": "user", "id": "W0A", "name": "Ada", "team": "T0A" },
            },
        }),
    );
    let failed = self::view(&sample("user_login_failed", own, json!({})));
    assert_fields(
        &failed,
        json!({ "event.category": ["authentication"], "event.type": ["info", "start"], "event.outcome": "failure", "slack.audit.details": {} }),
    );
}

#[test]
fn a_new_user_is_the_target_and_not_the_actor() {
    let view = view(&sample("user_created", json!({ "type": "user", "user": user("W0B", "Bob") }), json!({})));
    assert_fields(
        &view,
        json!({
            "event.category": ["iam"], "event.type": ["creation", "user"], "user.id": "W0A", "slack.audit.entity.id": "W0B",
            "slack.audit.entity.email": "W0B@corp.example",
            "related.user": ["Ada", "Bob", "W0A", "W0A@corp.example", "W0B", "W0B@corp.example"],
            "user.target": { "email": "W0B@corp.example", "full_name": "Bob", "id": "W0B", "name": "Bob" },
        }),
    );
    let role = json!({ "type": "role", "role": { "id": "Rl1", "name": "DLP", "type": "system" } });
    let assigned = self::view(&sample("role_assigned", role, json!({ "target_user": "W0C", "target_entity": "T0B" })));
    assert_fields(
        &assigned,
        json!({ "user.target": { "id": "W0C" }, "slack.audit.entity.type": "system", "slack.audit.entity.entity_type": "role",
                "slack.audit.details.target_user": "W0C" }),
    );
}

#[test]
fn a_change_of_a_user_says_what_it_has_become() {
    let own = json!({ "type": "user", "user": user("W0A", "Ada") });
    let profiles = json!({ "previous_profile": { "real_name": "Ada", "display_name": "a" },
                           "new_profile": { "real_name": "Ada L.", "display_name": "a" } });
    let view = view(&sample("user_profile_updated", own.clone(), profiles));
    assert_fields(&view, json!({ "user.changes": { "full_name": "Ada L." } }));
    let promoted = self::view(&sample("role_change_to_admin", own, json!({})));
    assert_fields(&promoted, json!({ "user.changes": { "roles": ["admin"] } }));
}

#[test]
fn a_download_has_elastics_fields_and_a_blocked_one_fails_under_either_spelling() {
    let file = json!({ "type": "file", "file": { "id": "F0A", "name": "plan.v2.pdf", "filetype": "application/pdf", "title": "Plan" } });
    let taken = view(&sample("file_downloaded", file.clone(), json!({ "url_private": "https://files.slack.com/F0A" })));
    assert_fields(
        &taken,
        json!({
            "event.category": ["file"], "event.type": ["access"], "event.outcome": "success", "file.name": "plan.v2.pdf",
            "file.extension": "pdf", "file.mime_type": "application/pdf",
            "slack.audit.entity": { "entity_type": "file", "filetype": "application/pdf", "id": "F0A", "name": "plan.v2.pdf", "title": "Plan" },
            "slack.audit.details.url_private": "https://files.slack.com/F0A",
        }),
    );
    for action in ["file_download_blocked", "file_downloaded_blocked"] {
        let view = view(&sample(action, file.clone(), json!({})));
        assert_fields(
            &view,
            json!({ "event.category": ["file"], "event.type": ["access"], "event.outcome": "failure" }),
        );
    }
}

#[test]
fn malware_is_an_alert_with_the_hash() {
    let file = json!({ "type": "file", "file": { "id": "F0A", "name": "a.exe", "filetype": "binary", "title": "a" } });
    let md5 = "0123456789abcdef0123456789abcdef";
    let view = view(&sample("file_malicious_content_detected", file, json!({ "md5": md5 })));
    assert_fields(
        &view,
        json!({ "event.kind": "alert", "event.category": ["file", "malware"], "event.type": ["info"], "event.outcome": "unknown",
                "file.hash.md5": md5, "related.hash": [md5], "file.mime_type": null, "slack.audit.details.md5": md5 }),
    );
}

#[test]
fn an_anomaly_keeps_its_time_and_tells_when_the_act_was() {
    let own = json!({ "type": "user", "user": user("W0A", "Ada") });
    let reasons = json!(["asn", "ip_address"]);
    for stamp in [
        json!(1_700_000_001_123_456_u64),
        json!("1700000001123456"),
        json!(1_700_000_001_123_u64),
        json!("1700000001123"),
    ] {
        let details = json!({ "action_timestamp": stamp, "reason": reasons, "previous_ip_address": "203.0.113.9", "previous_ua": "old",
                              "location": "Berlin", "client_ja3_fingerprint": "769,47" });
        let view = view(&sample("anomaly", own.clone(), details));
        assert_fields(
            &view,
            json!({
                "@timestamp": "2023-11-14T22:13:22.000Z", "event.start": "2023-11-14T22:13:21.123Z", "event.kind": "alert",
                "event.category": ["intrusion_detection"], "event.type": ["info"], "event.reason": "asn, ip_address",
                "related.ip": ["198.51.100.7", "203.0.113.9"], "slack.audit.details.reason": reasons,
                "slack.audit.details.previous_ip_address": "203.0.113.9", "slack.audit.details.previous_ua": "old",
                "slack.audit.details.location": "Berlin", "tls.client.ja3": "769,47",
            }),
        );
    }
    let without = view(&sample("anomaly", own, json!({ "action_timestamp": "soon", "previous_ip_address": "" })));
    assert_fields(&without, json!({ "event.start": null, "related.ip": ["198.51.100.7"], "event.reason": null }));
}

#[test]
fn only_an_address_is_an_ip() {
    for (given, address, ip) in
        [("", None, None), ("999.1.1.1", Some("999.1.1.1"), None), ("::1", Some("::1"), Some("::1"))]
    {
        let mut entry = sample("user_login", json!({ "type": "user", "user": user("W0A", "Ada") }), json!({}));
        entry["context"]["ip_address"] = json!(given);
        let view = view(&entry);
        assert_eq!((view["source"]["address"].as_str(), view["source"]["ip"].as_str()), (address, ip));
        assert_eq!(
            view["slack"]["audit"]["context"].get("ip_address").is_some(),
            given.is_empty(),
            "empty is told from absent"
        );
    }
}

#[test]
fn the_organization_is_the_enterprise_and_never_a_workspace() {
    let mut entry = sample("user_login", json!({ "type": "user", "user": user("W0A", "Ada") }), json!({}));
    assert_fields(&view(&entry), json!({ "organization": null, "slack.audit.context.id": "T0B" }));
    entry["actor"]["user"]["team"] = json!("E0A");
    assert_fields(&view(&entry), json!({ "organization": { "id": "E0A" } }));
    entry["context"]["location"] = json!({ "type": "enterprise", "id": "E0C", "name": "Corp", "domain": "corp" });
    assert_fields(
        &view(&entry),
        json!({ "organization": { "id": "E0C", "name": "Corp" }, "slack.audit.context.domain": "corp" }),
    );
}

#[test]
fn who_really_acted_has_a_place() {
    let view = view(&full_entry("file_downloaded", "file"));
    assert_fields(
        &view,
        json!({
            "slack.audit.context.app.id": "A1", "slack.audit.context.app.name": "app 1", "slack.audit.context.app.scopes": ["scope:1"],
            "slack.audit.context.acting_agent": "Slackbot",
            "slack.audit.context.agent_message": { "team": "T72", "channel_id": "C72", "message_ts": "1700000000.72", "thread_ts": "" },
        }),
    );
}

#[test]
fn an_unknown_action_is_kept_and_tagged_but_not_judged() {
    let view = view(&full_entry("an_action_of_tomorrow", "channel"));
    assert_fields(
        &view,
        json!({ "event.kind": "event", "event.category": null, "event.type": null, "event.outcome": "unknown",
                "event.action": "an_action_of_tomorrow", "tags": ["unknown_action"] }),
    );
}

#[test]
fn what_is_no_entry_is_shown_by_its_bytes() {
    for raw in ["17", "null", "[1]", r#""text""#, "not json"] {
        let view = assert_kept(raw);
        assert_fields(&view, json!({ "@timestamp": "2025-10-09T08:53:20.123Z", "event.kind": "pipeline_error" }));
        assert!(view["error"]["message"].is_string() && view["tags"].is_array(), "{view:#}");
        assert_eq!(ecs::event(&event(raw), &PRODUCT, RawData::Omit)["event"]["original"], raw);
    }
    for raw in ["{}", r#"{"actor":7,"entity":[],"context":null,"details":"","id":{},"date_create":[],"action":1}"#] {
        assert_fields(&assert_kept(raw), json!({ "event.kind": "event", "error": null }));
    }
}

#[test]
fn what_had_to_be_mended_is_read_and_keeps_its_bytes() {
    let deep = format!(r#"{{"action":"user_login","x":{}1{}}}"#, "[".repeat(500), "]".repeat(500));
    for (raw, tag) in [
        (r#"{"action":"user_login","a":"\ud800"}"#, "odd_text"),
        (r#"{"action":"user_login","a":007}"#, "odd_number"),
        (r#"{"action":"user_login""#, "unreadable"),
        (&deep, "too_deep"),
    ] {
        let view = ecs::event(&event(raw), &PRODUCT, RawData::Omit);
        assert_fields(&view, json!({ "event.kind": "event", "event.action": "user_login", "event.original": raw }));
        assert!(view["tags"].as_array().is_some_and(|tags| tags.contains(&json!(tag))), "{view:#}");
        assert!(serde_json::from_str::<Value>(&view.to_string()).is_ok());
    }
}

#[test]
fn raw_bytes_are_a_choice() {
    let event = event(r#"{"id":"a","date_create":1700000000,"url":"https:\/\/slack.com"}"#);
    let without = ecs::event(&event, &PRODUCT, RawData::Omit);
    let mut with = ecs::event(&event, &PRODUCT, RawData::Include);
    assert_eq!(with["event"].as_object_mut().unwrap().remove("original"), Some(json!(event.raw())));
    assert_eq!(with, without);
}

#[test]
fn a_time_past_the_calendar_gives_way_to_when_it_was_first_seen() {
    for (time, shown) in [
        ("9", "1970-01-01T00:00:09.000Z"),
        ("253402207200", "9999-12-30T22:00:00.000Z"),
        ("253402207201", "2025-10-09T08:53:20.123Z"),
        // Nanoseconds, as far as its size tells; what is polled is bounded by the range that showed it.
        ("18446744073709551615", "2554-07-21T23:34:33.000Z"),
    ] {
        let view = assert_kept(&format!(r#"{{"id":"a","action":"user_login","date_create":{time}}}"#));
        assert_eq!(view["@timestamp"], shown, "{time}");
    }
    let never = Event::new(1, UnixMillis(u64::MAX), &Entry::from_json("{}"));
    assert_sound(&ecs::event(&never, &PRODUCT, RawData::Include));
}

// -- any entry

/// One change somewhere in an entry.
#[derive(Clone, Debug)]
enum Mutation {
    Remove,
    Replace(Value),
    AddKey(String, Value),
    Rename(String),
    Nest,
}

fn any_value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| format!("{n}00")),
        any::<u32>().prop_map(|n| format!("{n}.50e2")),
    ];
    let texts = ["user", "app", "message", "type", "1.2.3.4", "::1", "a@b.co", "enterprise", "E1", "1700000050123456"];
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(json!("")),
        any::<bool>().prop_map(Value::from),
        number.prop_map(|text| serde_json::from_str(&text).expect("a number")),
        any::<String>().prop_map(Value::from),
        prop::sample::select(texts.to_vec()).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
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
        "channel",
        "location",
        "entity_type",
        "entity",
        "entity_json",
        "reason_json",
        "_json",
        "reason",
        "inviter",
        "new_value",
        "success",
        "",
        "a.b",
        "a/b",
        "provider",
        "date_create",
        "details",
    ];
    prop_oneof![prop::sample::select(known.to_vec()).prop_map(str::to_owned), "[a-z_.]{1,6}", any::<String>()]
}

fn any_mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        Just(Mutation::Remove),
        Just(Mutation::Nest),
        any_key().prop_map(Mutation::Rename),
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
    let Some((key, parents)) = path.split_last() else { return };
    let parent = parents.iter().try_fold(entry, |value, key| value.get_mut(key)).and_then(Value::as_object_mut);
    let Some(parent) = parent else { return };
    match mutation {
        Mutation::Remove => drop(parent.remove(key)),
        Mutation::Replace(value) => drop(parent.insert(key.clone(), value)),
        Mutation::AddKey(key, value) => drop(parent.insert(key, value)),
        Mutation::Rename(name) => {
            let value = parent.remove(key).expect("it was found there");
            parent.insert(name, value);
        }
        Mutation::Nest => {
            let value = parent.remove(key).expect("it was found there");
            parent.insert(
                key.clone(),
                (0..40).fold(value, |value, n| if n % 2 == 0 { json!([value]) } else { json!({ "in": value }) }),
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_mutation_of_an_entry_loses_a_leaf_or_changes_a_type(
        action in any::<Index>(),
        kind in prop::sample::select(&KINDS[..]),
        mutations in prop::collection::vec((any::<Index>(), any_mutation()), 0..12),
    ) {
        let actions: Vec<&str> = catalogue::actions().collect();
        let mut entry = full_entry(actions[action.index(actions.len())], kind);
        for (at, mutation) in mutations {
            mutate(&mut entry, at, mutation);
        }
        view(&entry);
    }

    #[test]
    fn any_object_is_kept(object in prop::collection::btree_map(any_key(), any_value(), 0..8)) {
        view(&object.into_iter().collect());
    }

    #[test]
    fn no_text_makes_the_view_panic(raw in any::<String>()) {
        assert_kept(raw.trim());
    }
}

#[test]
#[ignore = "needs a corpus"]
fn a_corpus_loses_no_leaf_and_has_no_conflict() {
    #[expect(clippy::disallowed_methods, reason = "which corpus is the caller's choice")]
    let path = std::env::var("GRIDWATCH_CORPUS").expect("GRIDWATCH_CORPUS names a file of entries, one a line");
    let text = std::fs::read_to_string(path).unwrap();
    let (mut entries, mut before, mut after) = (0, Vec::new(), Vec::new());
    let (mut leaves_in, mut leaves_out) = (0, 0);
    for raw in text.lines() {
        let view = assert_kept(raw);
        leaves(event(raw).json(), false, &mut before);
        leaves(&view, true, &mut after);
        entries += 1;
        leaves_in += before.len();
        leaves_out += after.len();
        before.clear();
        after.clear();
    }
    let paths = TYPES.lock().unwrap();
    let known: BTreeSet<String> = ecs::fields().map(|field| format!(".{}", field.name)).collect();
    let new: Vec<_> = paths.iter().filter(|(path, kind)| **kind != "object" && !known.contains(*path)).collect();
    println!("{entries} entries with {leaves_in} leaves, none lost; {leaves_out} leaves in the documents");
    println!("{} paths without a conflict, {} of them in no table: {new:?}", paths.len(), new.len());
}

// -- alerts

fn step(text: &str, method: Option<&str>, scope: Option<&str>) -> Step {
    Step { text: text.into(), method: method.map(Into::into), scope: scope.map(Into::into), on: None }
}

fn stub(id: &str, ip_address: &str) -> Arc<Stub> {
    Stub::of(&event(
        &json!({ "id": id, "date_create": 1_700_000_001, "action": "file_downloaded",
        "actor": { "type": "user", "user": { "id": "W0B" } }, "context": { "ip_address": ip_address, "ua": "UA" },
        "entity": { "type": "file", "file": { "id": "F0X", "name": "plan.pdf", "title": "Plan" } } })
        .to_string(),
    ))
}

fn closed_alert() -> Alert {
    let at = UnixMillis(1_700_000_000_000);
    let act = Act::new(at, "anna", What::Close(Reason::False), "a broken client").expect("an act");
    full_alert().acted(act).expect("news")
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
        counts: Counts { doers: 21, objects: 32, addresses: 43 },
        days: 2,
        news: vec!["somebody else: W0B".into(), "32 different objects instead of 20".into()],
        first: UnixSeconds(1_700_000_000),
        last: UnixSeconds(1_700_000_100),
        opened: UnixMillis(FIRST_SEEN.0 - 1_000),
        seen: FIRST_SEEN,
        actor: Actor {
            id: "W0A".into(),
            name: "Ada".into(),
            email: "ada@corp.example".into(),
            role_at_event: Role::Admin,
            role_now: Role::Member,
        },
        others: vec![Doer { id: "W0B".into(), app: "A0Y".into(), ..Doer::default() }],
        recent: vec![act(9, "file_downloaded", "198.51.100.9"), act(8, "user_login", "")],
        evidence: vec![stub("e1", "198.51.100.7"), stub("e2", "")],
        evidence_total: 512,
        subjects: Subjects::of_user("W0T", Role::Guest),
        labels: [("base.line", "3"), ("count", "512")].map(|(name, value)| (name.into(), value.into())).into(),
        attack: vec!["T1078.004".into(), "T1567".into()],
        playbook: Playbook {
            verify: vec![step("Ask Ada", Some("users.info"), Some("users:read"))],
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

/// One that says all that a heartbeat can.
fn heartbeat() -> Heartbeat {
    let org = OrgBeat {
        org: "default".into(),
        settled: Some(UnixSeconds(1_700_000_000)),
        newest: Some(UnixSeconds(1_700_000_000)),
        paused: Some("a full disk".into()),
        ..OrgBeat::default()
    };
    let says = Statement {
        version: "1.2.3".into(),
        started: FIRST_SEEN,
        orgs: vec![org],
        sinks: vec![SinkBeat { name: "siem".into(), ..SinkBeat::default() }],
        modules: vec!["sign-in@1.5.0 sha256:00ff".into()],
        troubles: vec!["gridwatch.sink-behind".into()],
        audit: Some(AuditBeat { number: 7, hash: "00ff".into() }),
        ..Statement::default()
    };
    Chain { hash: "00ff".into(), ..Chain::begin(7, FIRST_SEEN) }.next(says, FIRST_SEEN, Some(FIRST_SEEN.plus(1)))
}

/// One that says all that a record of the audit trail can.
fn audited() -> Audited {
    let who = Who { by: "anna".into(), uid: Some(1_000), via: Via::CommandLine };
    let deed =
        Deed::new(FIRST_SEEN, audit::What::ModuleInstall, &who, "sign-in").of_org("acme").with("version", "1.5.0");
    Audited::next(&Chain { hash: "00ff".into(), ..Chain::begin(7, FIRST_SEEN) }, deed.failed("nobody answers for it"))
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
        first: UnixSeconds(0),
        last: UnixSeconds(u64::MAX),
        opened: UnixMillis(u64::MAX),
        seen: UnixMillis(u64::MAX),
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

fn finding(alert: &Alert) -> Value {
    let view = ecs::alert(alert, &PRODUCT);
    assert_sound(&view);
    assert_eq!(view.to_string(), ecs::alert(alert, &PRODUCT).to_string());
    view
}

#[test]
fn an_alert_says_who_what_how_bad_and_what_to_do() {
    let view = finding(&full_alert());
    assert_fields(
        &view,
        json!({
            "@timestamp": "2025-10-09T08:53:20.123Z", "event.created": "2025-10-09T08:53:19.123Z", "event.action": "alert_opened",
            "event.start": "2023-11-14T22:13:20.000Z", "event.end": "2023-11-14T22:15:00.000Z", "event.kind": "alert",
            "event.category": ["intrusion_detection"], "event.type": ["info"], "event.id": "gw-00ff:1", "event.severity": 4,
            "event.dataset": "gridwatch.alert", "message": "Many downloads by one user. High: It is High here.", "rule.id": "exfiltration.download_spike",
            "rule.name": "Download spike", "rule.version": "1.2.0", "rule.ruleset": "exfiltration",
            "rule.description": "More downloads in an hour than ten times the usual.",
        }),
    );
    assert_fields(
        &view,
        json!({
            "threat.framework": "MITRE ATT&CK", "threat.technique.id": ["T1078", "T1567"],
            "threat.technique.subtechnique.id": ["T1078.004"], "related.user": ["Ada", "W0A", "W0B", "ada@corp.example"],
            "related.ip": ["198.51.100.7", "198.51.100.9"],
            "user": { "id": "W0A", "name": "Ada", "full_name": "Ada", "email": "ada@corp.example", "roles": ["admin"],
                      "target": { "id": "W0T", "name": "Ada", "full_name": "Ada", "email": "ada@corp.example", "roles": ["guest"] } },
            "source": { "address": "198.51.100.7", "ip": "198.51.100.7", "geo": { "country_iso_code": "DE" },
                        "as": { "number": 64_500, "organization": { "name": "Nordlicht" } } },
            "gridwatch.alert.actor": { "role_at_event": "admin", "role_now": "member" }, "gridwatch.alert.dedup_key": "W0A",
            "gridwatch.alert.findings": 3, "gridwatch.alert.evidence_total": 512, "gridwatch.alert.revision": 1,
            "gridwatch.alert.uid": "gw-00ff", "gridwatch.alert.severity": "high", "gridwatch.alert.status": "new",
            "gridwatch.alert.period_s": 3_600, "gridwatch.alert.period_start": "2023-11-14T22:00:00.000Z",
            "gridwatch.alert.module": { "name": "exfiltration", "version": "1.2.0", "digest": "00ff" },
            "gridwatch.alert.labels": [{ "name": "base.line", "value": "3" }, { "name": "count", "value": "512" }],
        }),
    );
    assert_fields(
        &view,
        json!({
            "gridwatch.alert.playbook.then": [
                { "do": "Read what she took", "method": "files.info" }, { "do": "Tell legal", "scope": "none" },
            ],
            "gridwatch.alert.recent": [
                { "sequence": 9, "time": "2023-11-14T22:13:29.000Z", "action": "file_downloaded", "ip_address": "198.51.100.9" },
                { "sequence": 8, "time": "2023-11-14T22:13:28.000Z", "action": "user_login" },
            ],
            "gridwatch.alert.different": { "addresses": 43, "doers": 21, "objects": 32 },
            "gridwatch.alert.news": ["somebody else: W0B", "32 different objects instead of 20"],
            "gridwatch.alert.others": [{ "id": "W0B", "app_id": "A0Y" }],
            "gridwatch.alert.evidence": [
                { "id": "e1", "sequence": 7, "time": "2023-11-14T22:13:21.000Z", "action": "file_downloaded", "user_id": "W0B",
                  "ip_address": "198.51.100.7", "user_agent": "UA", "object_id": "F0X", "object_name": "plan.pdf" },
                { "id": "e2", "sequence": 7, "time": "2023-11-14T22:13:21.000Z", "action": "file_downloaded", "user_id": "W0B",
                  "user_agent": "UA", "object_id": "F0X", "object_name": "plan.pdf" },
            ],
        }),
    );
}

/// Each leaf of the alert as it is stored, times as dates. The finding in OCSF says no more than that.
#[test]
fn an_alert_says_all_that_it_knows() {
    for alert in [full_alert(), closed_alert(), Alert { suppressed_by: Some("a backup".into()), ..full_alert() }] {
        let stored = serde_json::to_value(&alert).unwrap();
        let (mut of_alert, mut of_view) = (Vec::new(), Vec::new());
        leaves(&stored, false, &mut of_alert);
        leaves(&finding(&alert), false, &mut of_view);
        of_alert.extend(alert.labels.keys().map(|name| format!("text {name}")));
        let date = |millis| {
            jiff::Timestamp::from_millisecond(millis).map_or_else(|_| String::new(), |at| format!("text {at:.3}"))
        };
        let is_told = |leaf: &&String| {
            let number = leaf.trim_start_matches("text ").parse::<i64>().unwrap_or_default();
            // What is told about people and addresses is texts all of it.
            let as_text = format!("text {leaf}");
            let forms = [(*leaf).clone(), as_text, date(number), date(number.saturating_mul(1_000))];
            // The title begins the message, and the reason goes on.
            let begins = |told: &String| told.starts_with(&format!("{leaf}. "));
            // An empty address or user agent of a piece of evidence is left out, and so is a list of nothing.
            ["\"\"", "{}", "[]"].contains(&leaf.as_str())
                || forms.iter().any(|form| of_view.contains(form))
                || of_view.iter().any(begins)
        };
        let missing: Vec<_> = of_alert.iter().filter(|leaf| !is_told(leaf)).collect();
        assert!(missing.is_empty(), "{missing:?}\n{stored:#}");
    }
}

#[test]
fn a_revision_is_a_document_of_its_own_about_the_same_alert() {
    let (first, second) = (finding(&full_alert()), finding(&Alert { revision: 2, ..full_alert() }));
    assert_eq!((&first["event"]["id"], &second["event"]["id"]), (&json!("gw-00ff:1"), &json!("gw-00ff:2")));
    assert_eq!(first["gridwatch"]["alert"]["uid"], second["gridwatch"]["alert"]["uid"]);
    assert_eq!(second["event"]["action"], "alert_updated");
}

#[test]
fn an_alert_says_what_people_did_about_it() {
    let view = finding(&closed_alert());
    let act = json!({ "at": "2023-11-14T22:13:20.000Z", "by": "anna", "what": "close", "reason": "false", "text": "a broken client" });
    assert_fields(
        &view,
        json!({ "event.action": "alert_closed", "event.id": "gw-00ff:act-1:1", "gridwatch.alert.acts": [act], "gridwatch.alert.status": "closed",
                "gridwatch.alert.close_reason": "false", "event.reason": "closed as false by anna: a broken client" }),
    );
    let later = Alert { revision: 2, news: vec![], ..full_alert() }.handled(&closed_alert().handling);
    assert_fields(&finding(&later), json!({ "event.action": "alert_updated", "gridwatch.alert.status": "closed" }));
}

#[test]
fn a_suppressed_alert_says_by_what() {
    let view = finding(&Alert { suppressed_by: Some("known backup job".into()), ..full_alert() });
    assert_fields(
        &view,
        json!({ "gridwatch.alert.status": "suppressed", "gridwatch.alert.suppressed_by": "known backup job" }),
    );
}

#[test]
fn what_an_alert_does_not_say_is_absent() {
    let empty = Alert {
        others: vec![],
        news: vec![],
        recent: vec![],
        evidence: vec![],
        labels: BTreeMap::new(),
        attack: vec![],
        actor: Actor::default(),
        about: Box::default(),
        playbook: Playbook::default(),
        condition: String::new(),
        ..full_alert()
    };
    let view = finding(&empty);
    assert_fields(
        &view,
        json!({ "user": null, "related": null, "threat": null, "rule.description": null, "gridwatch.alert.evidence": null,
                "gridwatch.alert.labels": null, "gridwatch.alert.playbook": null, "gridwatch.alert.recent": null,
                "gridwatch.alert.actor": { "role_at_event": "unknown", "role_now": "unknown" } }),
    );
}

#[test]
fn no_text_of_an_alert_breaks_its_document() {
    for text in ["", " ", "\0\n\r\u{202e}", "\"}],{", "999.1.1.1", "fe80::1%eth0", ".", "a.b", "\u{1f600}\u{fffd}"] {
        finding(&hostile_alert(text));
    }
}
