//! Which records a sink gets.

use super::Place;
use serde_json::Value;
use std::collections::BTreeSet;

fn file(name: &str, keys: &str) -> String {
    format!("[[sink]]\nname = \"{name}\"\ntype = \"file\"\npath = \"{name}.ndjson\"\n{keys}\n")
}

fn ids(lines: &[Value]) -> BTreeSet<String> {
    lines.iter().map(|line| line["metadata"]["uid"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn each_sink_gets_what_its_keys_say_and_all_of_that() {
    let sinks = [
        file("severe", "include = [\"alerts\"]\nseverity = \"high\""),
        file("apps", "include = [\"alerts\"]\nmodules = [\"apps\", \"exports\"]"),
        file("rule", "include = [\"alerts\"]\nrules = [\"sign-in.*\", \"exports.unexpected\"]"),
        file("openings", "include = [\"alerts\"]\nupdates = \"none\""),
        file("logins", "include = [\"events\"]\nactions = [\"user_login*\"]"),
        file("never", "hours = \"mon-sun 00:00-24:00\"\norgs = [\"nobody\"]"),
    ];
    let place =
        Place::new(&sinks.concat().replace("orgs = [\"nobody\"]", "modules = [\"nobody\"]\ninclude = [\"alerts\"]"));
    place.run_until_delivered(&["severe", "apps", "rule", "openings", "logins", "never"]);
    let alerts: Vec<Value> = place.host.alerts().into_values().collect();
    let events = place.host.lines("events.ndjson");
    let of = |lines: &[Value], is_wanted: &dyn Fn(&Value) -> bool| -> BTreeSet<String> {
        ids(&lines.iter().filter(|line| is_wanted(line)).cloned().collect::<Vec<_>>())
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rule = |alert: &Value| text(&alert["finding_info"]["analytic"]["uid"]);
    for (sink, expected) in [
        ("severe", of(&alerts, &|alert| alert["severity_id"].as_u64() >= Some(4))),
        (
            "apps",
            of(&alerts, &|alert| {
                ["apps", "exports"].contains(&text(&alert["metadata"]["product"]["feature"]["name"]).as_str())
            }),
        ),
        ("rule", of(&alerts, &|alert| rule(alert).starts_with("sign-in.") || rule(alert) == "exports.unexpected")),
        ("openings", of(&alerts, &|alert| alert["activity_id"] == 1)),
        ("logins", of(&events, &|event| text(&event["metadata"]["event_code"]).starts_with("user_login"))),
    ] {
        let got = place.host.lines(&format!("{sink}.ndjson"));
        assert_eq!(ids(&got), expected, "{sink}");
        assert!(!expected.is_empty() && got.len() == expected.len(), "{sink}: {}", got.len());
    }
    assert!(place.host.lines("never.ndjson").is_empty());
}
