//! What views make of an entry that is read in place against what they make of the same one taken apart.
//!
//! An entry that says its id twice says nothing else than one that says it once, but only the tolerant reader takes it.

use gridwatch_event::entry::Entry;
use gridwatch_event::event::Event;
use gridwatch_event::text::hex;
use gridwatch_event::time::UnixMillis;
use gridwatch_stories::{Benchmark, OrgPlan, generate};
use gridwatch_views::{Product, RawData, View};
use serde_json::Value;
use sha2::{Digest, Sha256};

const PRODUCT: Product<'_> = Product { version: "1.2.3" };

/// The record, with the bytes of the entry and their hash left out.
fn shown(view: View, raw: &str) -> String {
    let event = Event::new(7, UnixMillis(1_790_000_000_000), &Entry::from_json(raw));
    assert!(event.marks.iter().all(|mark| !mark.name().contains("odd")), "{raw}");
    let line = view.event_line(&event, &PRODUCT, RawData::Include);
    let copy = Value::from(raw).to_string();
    assert!(line.contains(&copy) && serde_json::from_str::<Value>(&line).is_ok(), "{line}");
    line.replace(&copy, "RAW").replace(&hex(&Sha256::digest(raw.as_bytes())), "HASH")
}

fn assert_same(raw: &str) {
    let id: Value = serde_json::from_str::<Value>(raw).unwrap()["id"].clone();
    let twice = format!("{},\"id\":{id}}}", raw.strip_suffix('}').unwrap());
    for view in [View::Ocsf, View::Ocsf1_1, View::Ecs] {
        assert_eq!(shown(view, raw), shown(view, &twice), "{raw}");
    }
}

#[test]
fn every_action_is_shown_alike() {
    let org = generate(&OrgPlan { every_action: true, entries: Some(3_000), ..OrgPlan::default() });
    assert!(org.entries.len() > 1_500);
    org.entries.iter().for_each(|entry| assert_same(&entry.json));
    let weeks = Benchmark { users: 300, days: 9, ..Benchmark::default() }.run();
    weeks.entries().step_by(23).for_each(|entry| assert_same(&entry.json));
}

#[test]
fn odd_objects_are_shown_alike() {
    let user = r#"{"type":"user","user":{"id":"W1","name":"A\/B \u00e9\"","email":"a@b.co","team":"E1"}}"#;
    for rest in [
        String::new(),
        r#""action":7,"actor":"W1","entity":[],"context":{},"details":null"#.to_owned(),
        format!(r#""action":"user_channel_join","actor":{user},"entity":{{"type":"channel","channel":{{"id":"C1"}}}},"details":{{"type":"INVITED","inviter":{user},"kicker":{{}}}},"context":{{"ip_address":"198.51.100.7","ua":"a\/b","session_id":7}}"#),
        format!(r#""action":"user_login","actor":{user},"entity":{user},"context":{{"location":{{"type":"enterprise","id":"E1","name":"x"}},"app":{{"id":"A1","scopes":["b","a"],"n":{{"z":1,"a":[{{}}]}}}},"acting_agent":"Slackbot","session_id":"12","ip_address":""}}"#),
        format!(r#""action":"pref.x","actor":{user},"entity":{{"type":"workspace","workspace":{{"id":"T1"}}}},"details":{{"new_value":{{"b":[1,2.50],"a":null}},"previous_value":"","pref_name":"\u00fc"}}"#),
        format!(r#""action":"anomaly","actor":{user},"entity":{{"type":"user","user":{{}}}},"details":{{"reason":["ip_address","","tor"],"previous_ip_address":"203.0.113.9","location":"x","action_timestamp":1790000000000000}},"context":{{"ip_address":"198.51.100.7"}}"#),
        r#""action":"made_up","entity":{"type":"ghost","ghost":{"id":7,"x.y":1,"":2,"k":"\ud83d\ude00"}},"new":{"deep":{"er":[]}}"#.to_owned(),
    ] {
        let comma = if rest.is_empty() { "" } else { "," };
        assert_same(&format!(r#"{{"id":"e","date_create":1790000000{comma}{rest}}}"#));
    }
}
