//! Selections, modifiers, values and conditions, by the specification (v2.1.0).

use crate::{entry, file, packed, rules};
use gridwatch_manifest::Manifest;
use gridwatch_sigma::pack;
use serde_json::{Value, json};

/// Does a detection hold of an entry with these details?
fn holds(detection: &str, more: Value) -> bool {
    let indented: String = detection.lines().map(|line| format!("  {line}\n")).collect();
    let text = format!("title: Test\nlogsource:\n  product: slack\ndetection:\n{indented}");
    !rules(&packed(&text), &[entry(0, "file_downloaded", "W1", more)]).is_empty()
}

/// The same of one item.
fn item(item: &str, details: Value) -> bool {
    holds(&format!("selection:\n  {item}\ncondition: selection"), json!({ "details": details }))
}

#[test]
fn values_are_compared_whole_and_whatever_their_case() {
    for (value, details, expected) in [
        ("details.x: Abc", json!({ "x": "aBC" }), true),
        ("details.x: Abc", json!({ "x": "abcd" }), false),
        ("details.x: [a, b]", json!({ "x": "B" }), true),
        ("details.x: a*c", json!({ "x": "abbbc" }), true),
        ("details.x: a?c", json!({ "x": "abc" }), true),
        ("details.x: a?c", json!({ "x": "abbc" }), false),
        (r"details.x: 'a\*c'", json!({ "x": "a*c" }), true),
        (r"details.x: 'a\*c'", json!({ "x": "abc" }), false),
        (r"details.x: 'a\?c'", json!({ "x": "abc" }), false),
        (r"details.x: 'a\\*'", json!({ "x": r"a\b" }), true),
        (r"details.x: 'C:\Users\x'", json!({ "x": r"c:\users\x" }), true),
        ("details.x: 5", json!({ "x": 5 }), true),
        ("details.x: 5", json!({ "x": "5" }), true),
        ("details.x: 5", json!({ "x": 55 }), false),
        ("details.x: 1.5", json!({ "x": 1.5 }), true),
        ("details.x: true", json!({ "x": true }), true),
        ("details.x: true", json!({ "x": false }), false),
        ("details.x: b", json!({ "x": ["a", "b"] }), true),
        ("details.x: ''", json!({ "x": "" }), true),
        ("details.x: ''", json!({ "x": "a" }), false),
        ("details.x: ''", json!({}), false),
        ("details.x: null", json!({}), true),
        ("details.x: null", json!({ "x": null }), true),
        ("details.x: null", json!({ "x": "" }), false),
        ("details.x: ~", json!({ "x": 1 }), false),
    ] {
        assert_eq!(item(value, details.clone()), expected, "{value} {details}");
    }
}

#[test]
fn modifiers_change_what_is_compared() {
    for (value, details, expected) in [
        ("details.x|contains: bc", json!({ "x": "aBCd" }), true),
        ("details.x|contains: [zz, bc]", json!({ "x": "abcd" }), true),
        ("details.x|contains: b*d", json!({ "x": "abcde" }), true),
        ("details.x|contains|all: [ab, cd]", json!({ "x": "abcd" }), true),
        ("details.x|contains|all: [ab, zz]", json!({ "x": "abcd" }), false),
        ("details.x|contains|all: ab", json!({ "x": "abcd" }), true),
        ("details.x|all: [a, b]", json!({ "x": ["b", "a"] }), true),
        ("details.x|all: [a, b]", json!({ "x": "a" }), false),
        ("details.x|startswith: ab", json!({ "x": "ABc" }), true),
        ("details.x|startswith: bc", json!({ "x": "abc" }), false),
        ("details.x|endswith: bc", json!({ "x": "abc" }), true),
        (r"details.x|endswith: '\'", json!({ "x": r"abc\" }), true),
        (r"details.x|contains: '\'", json!({ "x": r"a\c" }), true),
        ("details.x|cased: Abc", json!({ "x": "Abc" }), true),
        ("details.x|cased: Abc", json!({ "x": "abc" }), false),
        ("details.x|contains|cased: Bc", json!({ "x": "aBcd" }), true),
        ("details.x|contains|cased: Bc", json!({ "x": "abcd" }), false),
        ("details.x|re: '^a.+d$'", json!({ "x": "abcd" }), true),
        ("details.x|re: 'A'", json!({ "x": "abcd" }), false),
        ("details.x|re|i: 'A'", json!({ "x": "abcd" }), true),
        ("details.x|re|m: '^c'", json!({ "x": "ab\ncd" }), true),
        ("details.x|re: 'b.c'", json!({ "x": "ab\ncd" }), false),
        ("details.x|re|s: 'b.c'", json!({ "x": "ab\ncd" }), true),
        (r"details.x|re: 'a\*'", json!({ "x": "a*" }), true),
        ("details.x|re|all: ['a', 'c']", json!({ "x": "abc" }), true),
        ("details.x|cidr: 192.0.2.0/24", json!({ "x": "192.0.2.77" }), true),
        ("details.x|cidr: [10.0.0.0/8, '2001:db8::/32']", json!({ "x": "2001:db8::5" }), true),
        ("details.x|cidr: 192.0.2.0/24", json!({ "x": "192.0.3.1" }), false),
        ("details.x|lt: 5", json!({ "x": 4 }), true),
        ("details.x|lt: 5", json!({ "x": 5 }), false),
        ("details.x|lte: 5", json!({ "x": "5" }), true),
        ("details.x|gt: 5", json!({ "x": 5.5 }), true),
        ("details.x|gte: 5", json!({ "x": 4 }), false),
        ("details.x|gte: 5", json!({ "x": "many" }), false),
        ("details.x|exists: true", json!({ "x": null }), true),
        ("details.x|exists: true", json!({}), false),
        ("details.x|exists: false", json!({}), true),
        ("details.x|neq: a", json!({ "x": "b" }), true),
        ("details.x|neq: a", json!({ "x": "A" }), false),
        ("details.x|fieldref: details.y", json!({ "x": "Ab", "y": "aB" }), true),
        ("details.x|fieldref: details.y", json!({ "x": "a", "y": "b" }), false),
        ("details.x|fieldref: details.y", json!({}), false),
        ("details.x|fieldref|endswith: details.y", json!({ "x": "abc", "y": "bc" }), true),
        ("details.x|fieldref|startswith: details.y", json!({ "x": "abc", "y": "bc" }), false),
        ("details.x|base64: foo", json!({ "x": "Zm9v" }), true),
        ("details.x|base64|contains: foo", json!({ "x": "xxZm9vyy" }), true),
        ("details.x|base64offset|contains: foobar", json!({ "x": "xxZvb2Jhcyy" }), true),
        ("details.x|base64offset|contains: foobar", json!({ "x": "Zm9vYmFy" }), true),
        ("details.x|base64offset|contains: foobar", json!({ "x": "nothing" }), false),
        ("details.x|wide|base64: foo", json!({ "x": "ZgBvAG8A" }), true),
        ("details.x|utf16le|base64: foo", json!({ "x": "ZgBvAG8A" }), true),
        ("details.x|utf16be|base64: foo", json!({ "x": "AGYAbwBv" }), true),
        ("details.x|utf16|base64: foo", json!({ "x": "//5mAG8AbwA=" }), true),
        ("details.x|windash|contains: ' -f '", json!({ "x": "cmd /f x" }), true),
        ("details.x|windash|contains: ' /f '", json!({ "x": "cmd \u{2013}f x" }), true),
        ("details.x|windash: 'a-b'", json!({ "x": "a/b" }), false),
    ] {
        assert_eq!(item(value, details.clone()), expected, "{value} {details}");
    }
}

#[test]
fn maps_are_and_lists_are_or() {
    for (detection, details, expected) in [
        ("s:\n  details.x: a\n  details.y: b\ncondition: s", json!({ "x": "a", "y": "b" }), true),
        ("s:\n  details.x: a\n  details.y: b\ncondition: s", json!({ "x": "a" }), false),
        ("s:\n  - details.x: a\n  - details.y: b\ncondition: s", json!({ "y": "b" }), true),
        ("s:\n  - details.x: a\n    details.z: c\n  - details.y: b\ncondition: s", json!({ "x": "a" }), false),
    ] {
        assert_eq!(holds(detection, json!({ "details": details })), expected, "{detection} {details}");
    }
}

#[test]
fn keywords_stand_anywhere_in_the_entry() {
    for (detection, expected) in [
        ("k:\n  - needle\n  - slack/4\ncondition: k", true),
        ("k: 'WORKSPACE'\ncondition: k", true),
        ("k:\n  - nowhere\ncondition: k", false),
        ("k:\n  - 42\ncondition: k", true),
        ("k:\n  '|all':\n    - corp.example\n    - windows\ncondition: k", true),
        ("k:\n  '|all':\n    - corp.example\n    - nowhere\ncondition: k", false),
        ("k:\n  - nowhere\ncondition: not k", true),
    ] {
        assert_eq!(holds(detection, json!({})), expected, "{detection}");
    }
}

#[test]
fn conditions_bind_not_before_and_before_or() {
    let detection = |condition: &str| {
        format!(
            "sel_a:\n  details.a: 1\nsel_b:\n  details.b: 1\nfilter_c:\n  details.c: 1\n_hidden:\n  details.d: 1\ncondition: {condition}"
        )
    };
    for (condition, set, expected) in [
        ("sel_a", "a", true),
        ("not sel_a", "a", false),
        ("not sel_a", "", true),
        ("sel_a and not filter_c", "a", true),
        ("sel_a and not filter_c", "ac", false),
        ("sel_a or sel_b and filter_c", "a", true),
        ("(sel_a or sel_b) and filter_c", "a", false),
        ("not sel_a and sel_b", "b", true),
        ("not (sel_a and sel_b)", "a", true),
        ("not sel_a or sel_b", "ab", true),
        ("1 of sel_*", "b", true),
        ("1 of sel_*", "c", false),
        ("any of sel_*", "b", true),
        ("all of sel_*", "a", false),
        ("all of sel_*", "ab", true),
        ("1 of them", "c", true),
        ("1 of them", "d", false),
        ("all of them", "abc", true),
        ("all of them", "ab", false),
        ("_hidden", "d", true),
        ("all of sel_* and not 1 of filter_*", "ab", true),
        ("all of sel_* and not 1 of filter_*", "abc", false),
        ("\n    - sel_a\n    - sel_b", "b", true),
    ] {
        let details: Value = set.chars().map(|c| (c.to_string(), json!(1))).collect::<serde_json::Map<_, _>>().into();
        assert_eq!(holds(&detection(condition), json!({ "details": details })), expected, "{condition} {set}");
    }
}

#[test]
fn fields_have_slacks_names_ecs_names_and_gridwatchs() {
    let file = json!({ "entity": { "type": "file", "file": { "id": "F1", "name": "Plan.PDF", "title": null } } });
    for (item, expected) in [
        ("action: file_downloaded", true),
        ("event.action: file_downloaded", true),
        ("actor.user.email: w1@corp.example", true),
        ("user.email: w1@corp.example", true),
        ("actor.email: w1@corp.example", true),
        ("context.ip_address: 198.51.100.7", true),
        ("source.ip|cidr: 198.51.100.0/24", true),
        ("user_agent.original|contains: windows", true),
        ("entity.type: file", true),
        ("entity.file.name: plan.pdf", true),
        ("entity.channel.name: plan.pdf", false),
        ("entity.channel.name|exists: true", false),
        ("file.name|endswith: .pdf", true),
        ("file.extension: pdf", true),
        ("entity.name: plan.pdf", true),
        ("entity.file.title: null", true),
        ("date_create|gte: 1790000000", true),
        ("context.client|contains: windows", true),
    ] {
        assert_eq!(holds(&format!("s:\n  {item}\ncondition: s"), file.clone()), expected, "{item}");
    }
}

#[test]
fn a_rule_subscribes_to_the_actions_that_it_can_hold_for() {
    let actions = |detection: &str| {
        let indented: String = detection.lines().map(|line| format!("  {line}\n")).collect();
        let text = format!("title: Test\nlogsource:\n  product: slack\ndetection:\n{indented}");
        Manifest::parse(&packed(&text).manifest).unwrap().rules.remove(0).actions
    };
    assert_eq!(actions("s:\n  action: [user_login, user_logout]\ncondition: s"), ["user_login", "user_logout"]);
    assert_eq!(
        actions("s:\n  action|startswith: user_login\nf:\n  action: user_login\ncondition: s and not f"),
        ["user_login_failed"]
    );
    assert_eq!(actions("s:\n  details.x: 1\ncondition: s"), ["*"]);
    assert_eq!(actions("s:\n  action: user_login\ncondition: not s"), ["*"]);
    assert_eq!(actions("s:\n  action: user_login\nt:\n  details.x: 1\ncondition: s or t"), ["*"]);
}

#[test]
fn what_a_rule_says_of_itself_is_carried_along() {
    let text = r#"
title: Files exported by a stranger
id: 2b7d1d50-0c0a-4c0c-9f70-1f6f0a5d2f10
name: strange-export
status: stable
description: |
  Somebody exports
  what is not theirs.
references:
  - https://example.com/why
author: A
date: 2026-01-02
tags:
  - attack.exfiltration
  - attack.t1567.002
logsource:
  product: slack
  service: audit
detection:
  selection:
    action: manual_export_started
  condition: selection
fields:
  - actor.user.email
  - context.ip_address
falsepositives:
  - The yearly audit
level: high
gridwatch:
  fold: 7d
  budget: 0.2
  key: [source.ip]
  playbook:
    contain: [{ do: Stop the export }]
"#;
    let head = "name = \"ours\"\nversion = \"2.1.0\"\ntitle = \"Our rules\"\n[defaults]\nfold = \"2h\"\nbudget = 0.5\n";
    let other = text.replace("strange-export", "other").split("gridwatch:").next().unwrap().to_owned();
    let files = [file("pack.toml", head), file("a.yml", &format!("{text}---\n{other}"))];
    let pack = pack("rules", &files).unwrap_or_else(|p| panic!("{p:#?}"));
    let manifest = Manifest::parse(&pack.manifest).unwrap();
    assert_eq!(
        (manifest.name.as_str(), manifest.version.to_string(), manifest.title.as_str()),
        ("ours", "2.1.0".into(), "Our rules")
    );
    let [rule, second] = manifest.rules.as_slice() else { panic!("two rules") };
    assert_eq!(
        (rule.id.as_str(), rule.severity.name(), rule.fold_s, rule.budget),
        ("strange-export", "High", 7 * 86_400, 0.2)
    );
    assert_eq!((second.fold_s, second.budget), (7_200, 0.5));
    assert_eq!(rule.attack, ["T1567.002"]);
    assert_eq!(rule.false_positives, ["The yearly audit"]);
    assert_eq!(rule.condition, "Somebody exports what is not theirs. (Sigma 2b7d1d50-0c0a-4c0c-9f70-1f6f0a5d2f10)");
    assert_eq!(rule.playbook.contain[0].text, "Stop the export");
    assert!(rule.playbook.verify.iter().any(|step| step.text.contains("https://example.com/why")));
    let found = crate::alerts(&pack, &[entry(0, "manual_export_started", "W1", json!({}))]);
    let alert = found.iter().find(|alert| alert.rule.ends_with("strange-export")).unwrap();
    assert_eq!(alert.title, "Files exported by a stranger: W1@corp.example");
    assert_eq!(
        (alert.dedup_key.as_str(), alert.labels["actor.user.email"].as_str()),
        ("198.51.100.7", "W1@corp.example")
    );
}
