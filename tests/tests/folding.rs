//! When alerts are told again, through `gridwatch replay`: at once for what is news, seldom for more of the same.

use gridwatch_tests::host::{gridwatch, root};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// 2026-09-22T00:00:00Z.
const DAY: u64 = 1_790_035_200;

/// An entry by this person from this address.
fn entry(id: &str, at: u64, action: &str, by: &str, entity: Value, details: Value) -> Value {
    let kind = entity["type"].as_str().expect("an entity").to_owned();
    json!({
        "id": id, "date_create": at, "action": action,
        "actor": { "type": "user", "user": { "id": by, "name": by, "email": format!("{by}@corp.example"), "team": "E0CORP" } },
        "entity": { "type": kind, kind: entity["body"] },
        "context": {
            "location": { "type": "workspace", "id": "T0CORP", "name": "Corp", "domain": "corp" },
            "ua": "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_6) AppleWebKit/537.36 Slack_SSB/4.45.69 Electron/32.2.5",
            "ip_address": "198.51.100.7", "session_id": 1
        },
        "details": details,
    })
}

fn user(id: &str) -> Value {
    json!({ "type": "user", "body": { "id": id, "name": id, "email": format!("{id}@corp.example"), "team": "E0CORP" } })
}

fn channel(id: &str) -> Value {
    json!({ "type": "channel", "body": { "id": id, "name": id, "privacy": "private", "is_shared": false, "is_org_shared": false } })
}

/// What a sink would get, with the given size of batch.
fn replayed(entries: &[Value], batch: &str) -> Vec<Value> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("entries.ndjson");
    let text: String = entries.iter().map(|entry| format!("{entry}\n")).collect();
    std::fs::write(&path, text).expect("a file");
    let mut command = gridwatch();
    command.arg("replay").arg(&path).arg("--modules").arg(root().join("target/modules")).args(["--batch", batch]);
    let output = command.output().expect("gridwatch runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn told(entries: &[Value]) -> Vec<Value> {
    let first = replayed(entries, "256");
    for batch in ["1", "7", "4096"] {
        assert!(replayed(entries, batch) == first, "batches of {batch} tell otherwise");
    }
    first
}

fn of_rule<'a>(told: &'a [Value], rule: &str) -> Vec<&'a Value> {
    told.iter().filter(|alert| alert["metadata"]["event_code"] == rule).collect()
}

fn text<'a>(alert: &'a Value, pointer: &str) -> &'a str {
    alert.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer}: {alert:#}"))
}

/// Something harmless, hours later, so that what came to rest is told.
fn later(at: u64) -> Value {
    entry(&format!("later-{at}"), at, "user_logout", "W0QUIET", user("W0QUIET"), json!({}))
}

#[test]
fn a_second_person_is_told_at_once() {
    let organization = json!({ "type": "enterprise", "body": { "id": "E0CORP", "name": "Corp", "domain": "corp" } });
    let removal = |id: &str, hour: u64, by: &str| {
        entry(id, DAY + hour * 3_600, "ekm_key_removed", by, organization.clone(), json!({}))
    };
    let told = told(&[removal("a", 1, "W0KEYS"), removal("b", 10, "W0MALLORY")]);
    let told: Vec<_> = of_rule(&told, "encryption.given-up");
    let by: Vec<&str> = told.iter().map(|alert| text(alert, "/actor/user/uid")).collect();
    assert_eq!(by, ["W0KEYS", "W0MALLORY"]);
    assert_ne!(text(told[0], "/finding_info/uid"), text(told[1], "/finding_info/uid"));
}

#[test]
fn a_second_person_in_an_alert_about_a_thing_is_told_at_once() {
    let file = json!({ "type": "file", "body": { "id": "F0BAD", "name": "bad.zip" } });
    let act = |id: &str, at: u64, action: &str, by: &str| entry(id, DAY + at, action, by, file.clone(), json!({}));
    let told = told(&[
        act("v", 0, "file_malicious_content_detected", "USLACKUSER"),
        act("a", 60, "file_downloaded", "W0ONE"),
        act("b", 61, "file_downloaded", "W0ONE"),
        act("c", 120, "file_downloaded", "W0TWO"),
    ]);
    let told = of_rule(&told, "files.malicious");
    let said: Vec<(String, &str)> = told
        .iter()
        .map(|alert| (alert["metadata"]["uid"].to_string(), alert["actor"]["user"]["uid"].as_str().unwrap_or("")))
        .collect();
    assert_eq!(said.len(), 3, "the verdict, the first who opened it, the second: {said:?}");
    assert_eq!((said[1].1, said[2].1), ("W0ONE", "W0TWO"));
    let others = told[2]["enrichments"].as_array().expect("enrichments");
    let others = others.iter().find(|e| e["type"] == "other_actors").expect("the first is named too");
    assert_eq!(others["data"][0]["id"], "W0ONE");
    assert!(text(told[2], "/status_detail").starts_with("somebody else: W0TWO@corp.example (W0TWO)"));
}

/// Acts of one person on a thing each, and the rule that tells of the first.
fn acts() -> Vec<(&'static str, &'static str, fn(u64) -> Value)> {
    vec![
        ("channels.made-public", "private_channel_converted_to_public", |i| channel(&format!("C0ROOM{i}"))),
        ("privilege.granted", "role_change_to_admin", |i| user(&format!("W0MATE{i}"))),
        ("privilege.granted", "role_change_to_owner", |i| user(&format!("W0MATE{i}"))),
        (
            "encryption.given-up",
            "ekm_key_removed",
            |i| json!({ "type": "enterprise", "body": { "id": format!("E0KEY{i}"), "name": "Corp" } }),
        ),
        (
            "files.sensitive-link",
            "file_public_link_created",
            |i| json!({ "type": "file", "body": { "id": format!("F0SECRET{i}"), "name": "passwords.txt", "title": "passwords" } }),
        ),
        ("apps.install", "app_approved", |i| {
            let scopes = json!(["admin", "channels:history", "files:read"]);
            json!({ "type": "app", "body": { "id": format!("A0RISK{i}"), "name": "Risk", "scopes": scopes, "is_directory_approved": false } })
        }),
        ("controls.mass-deactivation", "user_deactivated", |i| user(&format!("W0MATE{i}"))),
    ]
}

#[test]
fn sixty_things_of_one_act_by_one_person_are_told_at_most_eight_times() {
    for (rule, action, thing) in acts() {
        for every_s in [5, 60, 600, 1_200] {
            let act = |i: u64| entry(&format!("e{i:02}"), DAY + i * every_s, action, "W0ADMIN", thing(i), json!({}));
            let last = DAY + 59 * every_s;
            let entries: Vec<Value> =
                (0..60).map(act).chain([later(last + 4 * 3_600), later(last + 20 * 3_600)]).collect();
            let told = replayed(&entries, "256");
            let told = of_rule(&told, rule);
            let counts: Vec<u64> = told.iter().map(|alert| alert["count"].as_u64().expect("a count")).collect();
            let is_of_many = rule == "controls.mass-deactivation";
            let least = if is_of_many && every_s >= 600 { 0 } else { 1 };
            assert!((least..=8).contains(&told.len()), "{rule}, every {every_s} s: {counts:?}");
            let objects = told.last().map(|alert| &alert["unmapped"]["counts"]["objects"]);
            assert!(
                is_of_many || objects == Some(&json!(60)),
                "{rule}, every {every_s} s: the last one says {objects:?}"
            );
        }
    }
}

#[test]
fn what_is_told_again_has_rising_numbers_and_the_gravest_title_and_says_why() {
    let act = |i: u64, by: &str, action: &str, mate: &str| {
        entry(&format!("e{i:03}"), DAY + i * 120, action, by, user(mate), json!({}))
    };
    let mut entries: Vec<Value> =
        (0..15).map(|i| act(i, "W0ADMIN", "role_change_to_admin", &format!("W0MATE{i}"))).collect();
    // Before there are so many that their number alone makes it grave.
    entries.push(act(16, "W0ADMIN", "role_change_to_owner", "W0MATE16"));
    entries.extend((17..65).map(|i| act(i, "W0ADMIN", "role_change_to_admin", &format!("W0MATE{i}"))));
    entries.push(later(DAY + 6 * 3_600));
    let told = told(&entries);
    let mut alerts: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for alert in of_rule(&told, "privilege.granted") {
        alerts.entry(text(alert, "/finding_info/uid")).or_default().push(alert);
    }
    assert_eq!(alerts.len(), 1);
    let told = alerts.into_values().next().expect("an alert");
    let revisions: Vec<String> = told.iter().map(|alert| text(alert, "/metadata/uid").to_owned()).collect();
    for (i, uid) in revisions.iter().enumerate() {
        assert!(uid.ends_with(&format!(":{}", i + 1)), "{revisions:?}");
    }
    let worst = told.iter().position(|alert| alert["severity"] == "High").expect("the grave one is told");
    assert!(text(told[worst], "/status_detail").starts_with("severity High instead of Medium"));
    assert_eq!(told[worst]["finding_info"]["last_seen_time"], (DAY + 16 * 120) * 1_000, "at once");
    for alert in &told[worst..] {
        assert_eq!(alert["severity"], "High", "what comes after doesn't lower it");
        assert!(text(alert, "/message").contains("W0MATE16"), "{}", alert["message"]);
    }
    assert!(told[1..].iter().all(|alert| alert["status_detail"].is_string()));
    let last = told.last().expect("told");
    assert_eq!((last["count"].as_u64(), &last["unmapped"]["counts"]["objects"]), (Some(64), &json!(64)));
}

#[test]
fn what_goes_on_over_midnight_is_one_alert() {
    let made = |id: &str, at: u64, by: &str| {
        entry(id, at, "private_channel_converted_to_public", by, channel(&format!("C0{id}")), json!({}))
    };
    let hour = |hours: u64, id: &str| made(id, DAY + 22 * 3_600 + hours * 1_800, "W0ADMIN");
    let night: Vec<Value> = (0..8).map(|i| hour(i, &format!("N{i}"))).collect();
    let whole = told(&night);
    let ids = |told: &[Value]| -> BTreeSet<String> {
        of_rule(told, "channels.made-public").iter().map(|alert| text(alert, "/finding_info/uid").to_owned()).collect()
    };
    assert_eq!(ids(&whole).len(), 1);
    let last = *of_rule(&whole, "channels.made-public").last().expect("told");
    assert_eq!(last["unmapped"]["period_s"], 2 * 86_400);
    let before: Vec<Value> = [made("EARLY", DAY + 3_600, "W0OTHER")].into_iter().chain(night.clone()).collect();
    assert!(ids(&told(&before)).is_superset(&ids(&whole)), "a replay that begins earlier gives the same id");
    let apart = [hour(0, "A"), hour(3, "B"), made("C", DAY + 86_400 + 3_600, "W0ADMIN")];
    assert_eq!(ids(&told(&apart)).len(), 2, "what rested for more than an hour is another");
}
