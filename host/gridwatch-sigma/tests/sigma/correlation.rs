//! Correlations: what is counted for whom, over which span, and when that makes an alert.

use crate::{alerts, entry, packed, rules};
use serde_json::{Value, json};

fn base(name: &str, action: &str) -> String {
    format!(
        "title: {name}\nname: {name}\nlogsource:\n  product: slack\ndetection:\n  s:\n    action: {action}\n  condition: s\nlevel: low\n---\n"
    )
}

fn correlation(rest: &str) -> String {
    let indented: String = rest.lines().map(|line| format!("  {line}\n")).collect();
    format!("title: Counted\nname: counted\ncorrelation:\n{indented}level: high\n")
}

fn failed(at: u64, actor: &str, ip: &str) -> Value {
    entry(at, "user_login_failed", actor, json!({ "context": { "ip_address": ip, "ua": "x" } }))
}

#[test]
fn event_count_counts_for_each_group_over_a_sliding_span() {
    let counts = |condition: &str| {
        let rest = format!(
            "type: event_count\nrules:\n  - failed\ngroup-by:\n  - actor.user.id\ntimespan: 10m\ncondition:\n  {condition}"
        );
        packed(&(base("failed", "user_login_failed") + &correlation(&rest)))
    };
    let three: Vec<Value> = (0..3).map(|n| failed(n * 100, "W1", "192.0.2.1")).collect();
    let mut with_others = three.clone();
    with_others.extend((0..2).map(|n| failed(300 + n, "W2", "192.0.2.1")));
    let spread: Vec<Value> = (0..3).map(|n| failed(n * 400, "W1", "192.0.2.1")).collect();
    let nobody: Vec<Value> = (0..3).map(|n| failed(n, "", "192.0.2.1")).collect();
    for (condition, entries, found) in [
        ("gte: 3", &three, 1),
        ("gt: 2", &three, 1),
        ("gt: 3", &three, 0),
        ("gte: 2", &three, 2),
        ("eq: 2", &three, 1),
        ("gte: 3", &with_others, 1),
        ("gte: 3", &spread, 0),
        ("gte: 2", &spread, 2),
        ("gte: 2\n  lt: 3", &three, 1),
        ("gte: 3", &nobody, 0),
    ] {
        let rules = rules(&counts(condition), entries);
        assert_eq!(rules, vec!["counted"; found], "{condition}");
    }
    let alert = alerts(&counts("gte: 3"), &three).remove(0);
    assert_eq!(alert.title, "Counted: 3 events within 10m for W1; the last is W1@corp.example's");
    assert_eq!((alert.severity.name(), alert.dedup_key.as_str(), alert.evidence.len()), ("High", "W1", 3));
}

#[test]
fn a_base_rule_speaks_for_itself_only_when_it_is_asked_to() {
    let rest = "type: event_count\nrules: [failed]\ntimespan: 1h\ncondition:\n  gte: 2";
    let entries = [failed(0, "W1", "192.0.2.1"), failed(1, "W2", "192.0.2.1")];
    let silent = base("failed", "user_login_failed") + &correlation(rest);
    assert_eq!(rules(&packed(&silent), &entries), ["counted"], "and without group-by all are one group");
    let loud = silent.replace("correlation:\n", "generate: true\ncorrelation:\n");
    assert_eq!(rules(&packed(&loud), &entries), ["failed", "failed", "counted"]);
}

#[test]
fn several_rules_are_counted_together() {
    let rest = "type: event_count\nrules: [failed, out]\ngroup-by: [user.id]\ntimespan: 1h\ncondition:\n  gte: 3";
    let text = base("failed", "user_login_failed") + &base("out", "user_logout") + &correlation(rest);
    let entries =
        [failed(0, "W1", "192.0.2.1"), entry(1, "user_logout", "W1", json!({})), failed(2, "W1", "192.0.2.1")];
    assert_eq!(rules(&packed(&text), &entries), ["counted"]);
}

#[test]
fn value_count_counts_different_values() {
    let rest = "type: value_count\nrules: [failed]\ngroup-by: [source.ip]\ntimespan: 1h\ncondition:\n  field: user.id\n  gte: 3";
    let pack = packed(&(base("failed", "user_login_failed") + &correlation(rest)));
    let of = |actors: [&str; 4]| {
        let entries: Vec<Value> = (0..).zip(actors).map(|(n, actor)| failed(n, actor, "192.0.2.1")).collect();
        rules(&pack, &entries).len()
    };
    assert_eq!((of(["W1", "W2", "W1", "W2"]), of(["W1", "W2", "W2", "W3"]), of(["W1", "W2", "W3", "W3"])), (0, 1, 2));
    let alert = alerts(&pack, &(1..4).map(|n| failed(n, &format!("W{n}"), "192.0.2.1")).collect::<Vec<_>>()).remove(0);
    assert_eq!(alert.title, "Counted: 3 different user.id within 1h for 192.0.2.1; the last is W3@corp.example's");
}

#[test]
fn temporal_wants_all_rules_in_any_order() {
    let rest = "type: temporal\nrules: [failed, in, export]\ngroup-by: [user.id]\ntimespan: 1h";
    let text = base("failed", "user_login_failed")
        + &base("in", "user_login")
        + &base("export", "manual_export_started")
        + &correlation(rest);
    let pack = packed(&text);
    let of = |steps: &[(u64, &str, &str)]| {
        let entries: Vec<Value> = steps.iter().map(|(at, action, who)| entry(*at, action, who, json!({}))).collect();
        rules(&pack, &entries).len()
    };
    let (failed, login, export) = ("user_login_failed", "user_login", "manual_export_started");
    assert_eq!(of(&[(0, failed, "W1"), (1, login, "W1"), (2, export, "W1")]), 1);
    assert_eq!(of(&[(0, export, "W1"), (1, login, "W1"), (2, failed, "W1")]), 1);
    assert_eq!(of(&[(0, export, "W1"), (1, login, "W1"), (2, login, "W1")]), 0);
    assert_eq!(of(&[(0, failed, "W1"), (1, login, "W1"), (2, export, "W2")]), 0);
    assert_eq!(of(&[(0, failed, "W1"), (1, login, "W1"), (3_700, export, "W1")]), 0);
}

#[test]
fn temporal_ordered_wants_them_in_order() {
    let rest = "type: temporal_ordered\nrules: [failed, in]\ngroup-by: [user.id]\ntimespan: 1h";
    let pack = packed(&(base("failed", "user_login_failed") + &base("in", "user_login") + &correlation(rest)));
    let of = |steps: &[(u64, &str)]| {
        let entries: Vec<Value> = steps.iter().map(|(at, action)| entry(*at, action, "W1", json!({}))).collect();
        rules(&pack, &entries).len()
    };
    assert_eq!(of(&[(0, "user_login_failed"), (1, "user_login")]), 1);
    assert_eq!(of(&[(0, "user_login"), (1, "user_login_failed")]), 0);
    assert_eq!(of(&[(0, "user_login_failed"), (3_601, "user_login")]), 0);
    let alert =
        alerts(&pack, &[entry(0, "user_login_failed", "W1", json!({})), entry(1, "user_login", "W1", json!({}))]);
    assert_eq!(alert[0].evidence.len(), 2);
}

#[test]
fn aliases_join_rules_that_call_a_person_differently() {
    let text = |kind: &str| {
        let rest = format!(
            "type: {kind}\nrules: [invited, export]\ngroup-by: [person]\naliases:\n  person:\n    invited: entity.user.id\n    export: actor.user.id\ntimespan: 1d"
        );
        base("invited", "user_created") + &base("export", "manual_export_started") + &correlation(&rest)
    };
    let invited = |at, whom: &str| {
        entry(at, "user_created", "W9", json!({ "entity": { "type": "user", "user": { "id": whom } } }))
    };
    let export = |at| entry(at, "manual_export_started", "W1", json!({}));
    for kind in ["temporal", "temporal_ordered"] {
        let pack = packed(&text(kind));
        assert_eq!(rules(&pack, &[invited(0, "W1"), export(5)]), ["counted"], "{kind}");
        assert_eq!(rules(&pack, &[invited(0, "W2"), export(5)]), Vec::<String>::new(), "{kind}");
    }
    assert_eq!(rules(&packed(&text("temporal")), &[export(0), invited(5, "W1")]), ["counted"]);
    assert_eq!(rules(&packed(&text("temporal_ordered")), &[export(0), invited(5, "W1")]), Vec::<String>::new());
}
