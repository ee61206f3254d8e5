//! What can't be taken is refused, with its file and line.

use crate::file;
use gridwatch_sigma::pack;

const RULE: &str = "title: One
name: one
logsource:
  product: slack
  service: audit
detection:
  selection:
    action: user_login
    details.x|contains: a
  condition: selection
level: low
tags:
  - attack.t1078
";

const CORRELATION: &str = "---
title: Many
name: many
correlation:
  type: event_count
  rules:
    - one
  group-by:
    - actor.user.id
  timespan: 10m
  condition:
    gte: 3
";

fn told(text: &str) -> Vec<String> {
    match pack("rules", &[file("logins.yml", text)]) {
        Ok(_) => panic!("taken:\n{text}"),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn each_problem_has_its_line() {
    for (from, to, line, part) in [
        ("details.x|contains: a", "user.idd: a", 9, "`user.idd` is no field of Slack's audit log"),
        ("details.x|contains: a", "user.idd: a", 9, "did you mean `user.id`?"),
        ("details.x|contains: a", "CommandLine: a", 9, "`CommandLine` is no field"),
        ("details.x|contains: a", "details.x|expand: '%admins%'", 9, "`expand` isn't taken"),
        ("details.x|contains: a", "details.x|hour: 3", 9, "parts of times aren't taken"),
        ("details.x|contains: a", "details.x|re: '(?<=a)b'", 6, "look-around"),
        ("details.x|contains: a", "details.x|cidr: nowhere", 6, "`nowhere` is not a network"),
        ("details.x|contains: a", "details.x|gt: many", 9, "`many` is not a number"),
        ("details.x|contains: a", "details.x|contains|startswith: a", 9, "don't go together"),
        ("details.x|contains: a", "details.x|contains|re: a", 9, "don't go together"),
        ("details.x|contains: a", "details.x|contains: null", 9, "null goes with no modifier"),
        ("details.x|contains: a", "details.x|i: a", 9, "go with `re`"),
        ("details.x|contains: a", "details.x|wide: a", 9, "it goes with `base64`"),
        ("details.x|contains: a", "details.x|base64: 'a*'", 9, "has wildcards"),
        ("details.x|contains: a", "details.x|exists: maybe", 9, "true or false"),
        ("details.x|contains: a", "details.x|nearly: a", 9, "Unknown modifier 'nearly'"),
        ("details.x|contains: a", "details.x: []", 9, "has no value"),
        ("details.x|contains: a", "details.x:\n      y: a", 9, "something else than a value"),
        ("action: user_login", "action: user_lgoin", 8, "`user_lgoin` fits no action of Slack's catalogue"),
        ("action: user_login", "action: user_lgoin", 8, "did you mean `user_login`?"),
        ("condition: selection", "condition: selektion", 10, "`selektion`"),
        ("condition: selection", "condition: 1 of filter_*", 10, "nothing of that name"),
        ("condition: selection", "condition: 2 of selection*", 10, "only `1 of` and `all of`"),
        ("condition: selection", "condition: selection and", 10, "ondition"),
        ("condition: selection", "condition: selection | count() > 5", 10, "ondition"),
        ("  condition: selection", "  condition: selection\n  timeframe: 5m", 11, "write a correlation"),
        ("product: slack", "product: windows", 4, "needs `product: slack`"),
        ("  product: slack\n", "", 3, "needs `product: slack`"),
        ("service: audit", "category: process_creation", 5, "nothing but `product` and `service`"),
        ("attack.t1078", "attack.t1562.008", 13, "use T1685.002"),
        ("level: low", "level: lowest", 11, "lowest"),
        ("level: low", "level: low\ngridwatch:\n  folds: 1h", 12, "folds"),
        ("level: low", "level: low\nfilter:\n  rules: any", 12, "filters aren't taken"),
        ("level: low", "level: low\n bad: [", 12, "not valid YAML"),
        ("- one\n", "- two\n", 20, "`two` is neither `name` nor `id`"),
        ("- actor.user.id\n", "- actor.user.idd.\n", 22, "is no field"),
        ("- actor.user.id\n", "- user.roles\n", 22, "can't group"),
        ("gte: 3", "lte: 3", 24, "holds at the first event already"),
        ("gte: 3", "neq: 3", 24, "holds at the first event already"),
        ("gte: 3", "gte: 100000", 24, "which is what a window counts"),
        ("gte: 3", "gte: 3\n    field: user.id", 26, "`field` is for `value_count`"),
        ("type: event_count", "type: value_count", 24, "needs one `field`"),
        ("type: event_count", "type: value_avg", 18, "`value_avg` isn't taken"),
        ("type: event_count", "type: temporal", 24, "have all to match"),
        ("group-by:", "group_by:", 21, "`group_by` of a correlation isn't known"),
        ("timespan: 10m", "timespan: 10y", 23, "400 days"),
        ("timespan: 10m", "timespan: 10m\n  window: tumbling", 24, "spans slide"),
    ] {
        let text = format!("{RULE}{CORRELATION}");
        assert!(text.contains(from), "{from}");
        let told = told(&text.replace(from, to));
        let place = format!("logins.yml:{line}: ");
        assert!(
            told.iter().any(|told| told.starts_with(&place) && told.contains(part)),
            "{to}: {part} at {line}\n{told:#?}"
        );
    }
}

#[test]
fn names_are_unique_and_all_problems_are_told_at_once() {
    let told =
        told(&format!("{RULE}---\n{RULE}---\n{}", RULE.replace("name: one", "name: three").replace("slack", "okta")));
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].starts_with("logins.yml:16: `one` is the name of another rule too (logins.yml:2)"), "{told:#?}");
    assert!(told[1].starts_with("logins.yml:32: is for another log"), "{told:#?}");
}

#[test]
fn a_folder_says_what_is_wrong_with_its_head_and_that_it_is_empty() {
    let head =
        |text: &str| pack("rules", &[file("pack.toml", text), file("a.yml", RULE)]).map_err(|p| p[0].to_string());
    assert_eq!(head("nmae = \"x\"").unwrap_err(), "pack.toml:1: `nmae` unknown key");
    assert!(head("name = \"x\"\nversion = \"one\"").unwrap_err().contains("version"));
    assert!(pack("rules", &[]).unwrap_err()[0].to_string().contains("no Sigma rule"));
    let retired = RULE.replace("level: low", "status: deprecated");
    let both =
        pack("rules", &[file("a.yml", RULE), file("b.yml", &retired.replace("name: one", "name: two"))]).unwrap();
    assert_eq!((both.rules, both.notes[0].to_string().as_str()), (1, "b.yml:11: `One` is left out for its status"));
}

#[test]
fn what_slack_is_not_known_to_write_is_noted() {
    let noted = pack("rules", &[file("a.yml", RULE)]).unwrap().notes;
    assert!(noted.iter().any(|note| note.what.contains("`details.x`")), "{noted:#?}");
}
