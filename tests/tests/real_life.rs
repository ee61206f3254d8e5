//! What real entries and real servers look like on a bad day: no value blinds the rules to the rest of its entry, no entry costs its
//! page, and what says the same is the same entry. Each case goes through `gridwatch run`, and what its archive keeps is replayed.

use gridwatch_event::time::UnixSeconds;
use gridwatch_poll::{Machine, PollConfig, PollSettings};
use gridwatch_tests::host::{Host, Setup, gridwatch, kill, our_modules, terminate, until};
use gridwatch_tests::served::{Served, page};
use gridwatch_tests::sim::now;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Somebody makes somebody else an owner. `name` and `ua` are put in as they are, between quotes.
fn made_owner(id: &str, at: &str, name: &str, ua: &str) -> String {
    format!(
        r#"{{"id":"{id}","date_create":{at},"action":"role_change_to_owner","actor":{{"type":"user","user":{{"id":"W0MALLORY","name":"{name}","email":"mallory@corp.example","team":"T0CORP001"}}}},"entity":{{"type":"user","user":{{"id":"W0BOB0001","name":"Bob Example","email":"bob@corp.example","team":"T0CORP001"}}}},"context":{{"location":{{"type":"workspace","id":"T0CORP001","name":"Corp","domain":"corp"}},"ua":"{ua}","ip_address":"203.0.113.66","session_id":1234567890}}}}"#
    )
}

fn owner(id: &str, at: u64) -> String {
    made_owner(id, &at.to_string(), "Mallory Example", "Mozilla/5.0")
}

fn failed_sign_in(id: &str, at: u64) -> String {
    format!(
        r#"{{"id":"{id}","date_create":{at},"action":"user_login_failed","actor":{{"type":"user","user":{{"id":"W0CAROL01","name":"Carol","email":"carol@corp.example","team":"T0CORP001"}}}},"entity":{{"type":"user","user":{{"id":"W0CAROL01","name":"Carol","email":"carol@corp.example","team":"T0CORP001"}}}},"context":{{"location":{{"type":"workspace","id":"T0CORP001","name":"Corp","domain":"corp"}},"ua":"Mozilla\/5.0","ip_address":"203.0.113.9"}}}}"#
    )
}

/// The same entry with its keys the other way round, other space and escapes, and a null more.
fn respelled(entry: &str) -> String {
    fn reversed(value: &Value) -> String {
        match value {
            Value::Object(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .rev()
                    .map(|(key, value)| format!("\"\\u{:04x}{}\" : {}", key.as_bytes()[0], &key[1..], reversed(value)))
                    .collect();
                format!("{{ {} , \"nothing\":null}}", fields.join(", "))
            }
            Value::Array(items) => format!("[ {} ]", items.iter().map(reversed).collect::<Vec<_>>().join(" ,")),
            Value::String(text) => json!(text).to_string().replace('/', "\\/"),
            other => other.to_string(),
        }
    }
    reversed(&serde_json::from_str(entry).expect("JSON"))
}

fn host_of(served: &Served) -> Host {
    Host::new(&setup_of(served))
}

fn setup_of(served: &Served) -> Setup {
    let slack = "interval = \"1s\"\nsettle = \"5s\"\noverlap = \"60s\"".into();
    Setup { slack, ..Setup::new(&served.base_url(), now() - 7_200) }
}

/// Runs until something has happened, and ends it whether it has or not.
fn run_until(host: &Host, what: &str, happened: impl FnMut() -> bool) {
    let running = host.start(&[]);
    let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| until(what, happened)));
    match waited {
        Ok(()) => terminate(running),
        Err(panic) => {
            kill(running);
            std::panic::resume_unwind(panic);
        }
    }
}

fn once(entries: Vec<String>) -> Host {
    let served = Served::always(entries);
    let host = host_of(&served);
    host.run_once_well();
    host
}

/// Rule → alerts, as delivered.
fn told(host: &Host) -> BTreeMap<String, Vec<Value>> {
    let mut told: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for alert in host.lines("alerts.ndjson") {
        let rule = alert["finding_info"]["analytic"]["uid"].as_str().expect("a rule").to_owned();
        told.entry(rule).or_default().push(alert);
    }
    told
}

fn has_label(event: &Value, label: &str) -> bool {
    event["metadata"]["labels"].as_array().is_some_and(|labels| labels.iter().any(|l| l == label))
}

/// Alerts' ids of a replay of what the archive keeps are those that were sent.
fn assert_archive_agrees(host: &Host) {
    let config = host.path("gridwatch.toml");
    let (config, archive) = (config.to_str().expect("a path"), host.path("state/archive"));
    let args = ["replay", "--archive", archive.to_str().expect("a path"), "--config", config];
    let output = gridwatch().args(args).arg("--modules").arg(our_modules()).output().expect("gridwatch runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let uid = |alert: &Value| alert["metadata"]["uid"].as_str().expect("an id").to_owned();
    let mut replayed: Vec<String> = text.lines().map(|line| uid(&serde_json::from_str(line).expect("JSON"))).collect();
    let mut sent: Vec<String> = host.lines("alerts.ndjson").iter().map(uid).collect();
    replayed.sort();
    sent.sort();
    assert_eq!(replayed, sent, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn no_value_blinds_the_rules_to_the_rest_of_its_entry() {
    let (at, deep) = (now() - 600, format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000)));
    let with = |id: &str, more: &str| owner(id, at).replacen("\"action\"", &format!("{more},\"action\""), 1);
    let huge = format!(r#""x":"{}""#, "é".repeat(1 << 20));
    let odd = [
        ("name", made_owner("name", &at.to_string(), "Mallory \\ud83d", "Mozilla/5.0")),
        ("ua", made_owner("ua", &at.to_string(), "Mallory Example", "Mozilla/5.0 \\udc00 (x)")),
        ("control", made_owner("control", &at.to_string(), "Mallory \u{1}\u{0}", "Mozilla\n/5.0\t")),
        ("escape", made_owner("escape", &at.to_string(), "Mallory \\x", "Mozilla/5.0")),
        ("key", with("key", r#""k\ud83d":{"\udfff":1}"#)),
        ("deep", with("deep", &format!("\"x\":{deep}"))),
        ("number", with("number", &format!("\"x\":[1e999,-0,{},1e-999]", "9".repeat(400)))),
        ("no-number", with("no-number", "\"x\":[007,NaN,+1,0x1f]")),
        ("twice", with("twice", r#""id":"not-this","id":"twice""#)),
        ("huge", with("huge", &huge)),
        ("commas", with("commas", r#""x":{"a":1 "b":2}"#)),
    ];
    for (id, entry) in odd {
        let host = once(vec![entry.clone(), failed_sign_in("beside", at - 60)]);
        let events = host.lines("events.ndjson");
        assert_eq!(events.len(), 2, "{id}");
        let event =
            events.iter().find(|event| event["metadata"]["uid"] == id).unwrap_or_else(|| panic!("no {id}: {events:?}"));
        assert_eq!(event["metadata"]["event_code"], "role_change_to_owner", "{id}: {event}");
        assert_eq!(event["actor"]["user"]["uid"], "W0MALLORY", "{id}: {event}");
        assert_eq!(event["src_endpoint"]["ip"], "203.0.113.66", "{id}: {event}");
        assert_eq!(event["time"], at * 1_000, "{id}: {event}");
        let alerts = told(&host);
        let granted = alerts.get("privilege.granted").unwrap_or_else(|| panic!("{id}: {:?}", alerts.keys()));
        assert!(granted.iter().any(|alert| alert.to_string().contains(id)), "{id}");
        assert_eq!(alerts.contains_key("gridwatch.unreadable-entry"), id == "commas", "{id}");
        assert_archive_agrees(&host);
    }
}

#[test]
fn views_of_odd_entries_are_json_lines_in_utf_8() {
    let at = now() - 600;
    let entries = [
        made_owner("half", &at.to_string(), "Mallory \\ud83d", "x"),
        made_owner("control", &at.to_string(), "Mallory \u{1}\n", "x"),
        owner("utf8", at).replace("Bob", "B\u{fffd}b"),
        r#"{"id":"open","action":"role_change_to_owner","date_create":1794000000"#.to_owned(),
        "17".to_owned(),
    ];
    let host = Host::new(&Setup::new("http://127.0.0.1:1", at));
    std::fs::write(host.path("odd.ndjson"), entries.join("\n") + "\n").expect("a file");
    for view in ["ocsf", "ocsf-1.1.0", "ecs"] {
        let path = host.path("odd.ndjson");
        let output =
            gridwatch().args(["normalize", path.to_str().expect("a path"), "--view", view]).output().expect("runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(text.lines().count() >= 4, "{view}: {text}");
        for line in text.lines() {
            serde_json::from_str::<Value>(line).unwrap_or_else(|e| panic!("{view}: {e}: {line}"));
        }
    }
}

#[test]
fn what_says_the_same_is_delivered_and_counted_once() {
    let at = now() - 300;
    let nine: Vec<String> = (0..9).map(|n| failed_sign_in(&format!("f{n}"), at + n)).collect();
    let other: Vec<String> = nine.iter().map(|entry| respelled(entry)).collect();
    let served = Served::start(move |asked| page(if asked.number % 2 == 0 { &other } else { &nine }));
    let host = host_of(&served);
    run_until(&host, "it has been read again and again", || served.asked() > 6);
    let delivered = host.delivered();
    assert!(delivered.len() == 9 && delivered.values().all(|n| *n == 1), "{delivered:?}");
    assert!(!told(&host).contains_key("sign-in.burst"), "nine aren't ten");
    assert!(host.status()["poll"]["respelled"].as_u64() >= Some(9), "{}", host.status());
    host.run_once_well();
    assert_eq!(host.delivered(), delivered, "nor after a restart");
}

#[test]
fn each_truly_different_version_is_delivered_once_marked_and_feeds_no_window() {
    let at = now() - 300;
    let versions = move |n: u64| -> Vec<String> {
        (0..6).map(|i| failed_sign_in(&format!("f{i}"), at + i).replace("Carol", &format!("Carol {}", n % 2))).collect()
    };
    let served = Served::start(move |asked| page(&versions(asked.number)));
    let host = host_of(&served);
    run_until(&host, "both have been read again and again", || served.asked() > 8);
    let delivered = host.delivered();
    assert!(delivered.len() == 6 && delivered.values().all(|n| *n == 2), "{delivered:?}");
    let events = host.lines("events.ndjson");
    assert_eq!(events.iter().filter(|event| has_label(event, "version_2")).count(), 6, "{events:?}");
    assert!(!told(&host).contains_key("sign-in.burst"), "six people's failures aren't twelve");
    assert_eq!(host.status()["poll"]["changed"], 6);
    assert_archive_agrees(&host);
}

#[test]
fn a_version_that_tells_of_another_act_is_told_to_a_person() {
    let at = now() - 300;
    let (first, then) = (failed_sign_in("same-id", at), owner("same-id", at));
    let served = Served::start(move |asked| page(&[if asked.number < 3 { first.clone() } else { then.clone() }]));
    let host = host_of(&served);
    run_until(&host, "it has changed", || !host.lines("alerts.ndjson").is_empty());
    let told = told(&host);
    assert_eq!(told.keys().collect::<Vec<_>>(), ["gridwatch.entry-changed"]);
    assert!(told["gridwatch.entry-changed"][0].to_string().contains("role_change_to_owner"));
    assert_archive_agrees(&host);
}

#[test]
fn an_old_entry_shown_in_every_fresh_page_is_delivered_once() {
    let (at, old) = (now() - 300, now() - 40 * 86_400);
    let served = Served::always(vec![owner("fresh", at), owner("old", old)]);
    let host = host_of(&served);
    run_until(&host, "it has been shown again and again", || served.asked() > 6);
    host.run_once_well();
    host.run_once_well();
    let delivered = host.delivered();
    assert!(delivered.len() == 2 && delivered.values().all(|n| *n == 1), "{delivered:?}");
}

/// Rows as 862a810 left them: what waited is delivered, what was seen isn't delivered again, however it is written now.
#[test]
fn a_store_of_the_release_before_delivers_nothing_again() {
    let at = now() - 300;
    let (seen, waiting) = (owner("seen", at), owner("waiting", at + 1));
    let served = Served::always(vec![respelled(&seen), waiting.clone()]);
    let host = host_of(&served);
    {
        use gridwatch_event::json::hash;
        let db = sled::open(host.path("state/store")).expect("a store");
        db.insert(b"mformat", b"2").expect("inserted");
        // It had read an hour, up to now.
        let settings = PollSettings::new(UnixSeconds(at - 3_600));
        let mut poll = json!(Machine::start(PollConfig::new(settings).expect("settings")).state());
        (poll["origin"], poll["watermark"]) = (json!(at - 3_600), json!(at + 2));
        db.insert(b"mpoll", poll.to_string().as_bytes()).expect("inserted");
        for (entry, id) in [(&seen, "seen"), (&waiting, "waiting")] {
            let time = serde_json::from_str::<Value>(entry).expect("JSON")["date_create"].as_u64().expect("a time");
            let key = [&b"i"[..], &time.to_be_bytes(), &hash(id.as_bytes())].concat();
            db.insert(key, &hash(entry.as_bytes())).expect("inserted");
        }
        let key = [&b"p\0"[..], &(at + 1).to_be_bytes(), b"waiting"].concat();
        db.insert(key, [&((at + 2) * 1_000).to_be_bytes()[..], waiting.as_bytes()].concat()).expect("inserted");
        // It waited for the year 58,000.
        let ahead = owner("ahead", at * 1_000);
        let key = [&b"p\0"[..], &(at * 1_000).to_be_bytes(), b"ahead"].concat();
        db.insert(key, [&((at + 2) * 1_000).to_be_bytes()[..], ahead.as_bytes()].concat()).expect("inserted");
        db.flush().expect("flushed");
    }
    let delivered = BTreeMap::from([("ahead".to_owned(), 1), ("waiting".to_owned(), 1)]);
    host.run_once_well();
    assert_eq!(host.delivered(), delivered);
    assert!(host.path("state/store").exists() && !host.log().contains("can't be used"));
    let status = host.status();
    assert_eq!(status["state"]["relearned"], 1, "the rules learn again what was seen: {status}");
    host.run_once_well();
    assert_eq!(host.delivered(), delivered);
}

#[test]
fn a_page_is_worth_what_its_entries_are_whatever_stands_beside_them() {
    let at = now() - 600;
    for (tail, odd) in [
        (r#""response_metadata":[]"#, None),
        (r#""response_metadata":null"#, None),
        (r#""ok":"true","warning":7"#, None),
        (r#""response_metadata":{"next_cursor":0}"#, None),
        (r#""response_metadata":{"next_cursor":""}"#, Some("{\"id\":\"odd\",\"n\":\"\u{1} \\ud83d\"}")),
        (r#""response_metadata":{"next_cursor":""}"#, Some(r#"{"id":"odd","n":"5" tall"}"#)),
    ] {
        let mut entries = vec![owner("one", at), owner("two", at + 1)];
        entries.splice(1..1, odd.map(str::to_owned));
        let body = format!(r#"{{"entries":[{}],{tail}}}"#, entries.join(","));
        let served = Served::start(move |_| body.clone().into_bytes());
        let host = host_of(&served);
        host.run_once_well();
        let delivered = host.delivered();
        assert!(["one", "two"].iter().all(|id| delivered.get(*id) == Some(&1)), "{tail}: {delivered:?}");
        assert_eq!(delivered.len(), entries.len(), "{tail}: {delivered:?}");
        assert_eq!(told(&host)["privilege.granted"].len(), 1, "{tail}");
    }
}

#[test]
fn a_larger_attack_is_never_quieter_than_a_smaller_one() {
    let at = now() - 600;
    for people in [60, 6_200, 60_000, 600_000] {
        let ids: Vec<String> = (0..people).map(|n| format!("\"W0{n:07}\"")).collect();
        let reset = owner("bulk", at).replace("role_change_to_owner", "bulk_session_reset_by_admin").replacen(
            "\"context\"",
            &format!("\"details\":{{\"succeeded_users\":[{}]}},\"context\"", ids.join(",")),
            1,
        );
        let host = once(vec![reset]);
        let told = told(&host);
        let alert = &told.get("sessions.mass-reset").unwrap_or_else(|| panic!("{people}: {:?}", told.keys()))[0];
        assert_eq!(alert["severity"], "High", "{people}");
        assert!(alert.to_string().contains(&format!("sessions of {people} people")), "{people}");
        assert_archive_agrees(&host);
    }
}

#[test]
fn an_entry_dated_ahead_is_delivered_and_judged_at_its_first_sight() {
    let at = now() - 600;
    for (written, counts_as) in [
        (format!("{at}123"), Some(at)),
        (format!("{at}123456"), Some(at)),
        ((now() + 3_600).to_string(), None),
        ("1677628800000123".to_owned(), None),
        ("1e300".to_owned(), None),
        ("0".to_owned(), None),
        ("-1".to_owned(), None),
        ("17".to_owned(), None),
        ("null".to_owned(), None),
    ] {
        // Beside it nine failures, and a tenth a little later: what is dated ahead must not age the others.
        let mut entries: Vec<String> = (0..10).map(|n| failed_sign_in(&format!("f{n}"), at + n)).collect();
        entries.insert(5, made_owner("odd", &written, "Mallory Example", "Mozilla/5.0"));
        let host = once(entries);
        let events = host.lines("events.ndjson");
        let event = events.iter().find(|event| event["metadata"]["uid"] == "odd").expect("delivered");
        let time = event["time"].as_u64().expect("a time") / 1_000;
        match counts_as {
            Some(at) => assert_eq!(time, at, "{written}"),
            // The end of the range that showed it first, which is the oldest here: this server shows it in each.
            None => assert!(time > now() - 7_300 && time <= now(), "{written}: {time}"),
        }
        let marks = &host.status()["detect"]["marked"];
        let mark = match written.as_str() {
            "0" | "-1" | "null" => "NoTime",
            "17" => "DatedBeforeSlack",
            _ => "DatedAhead",
        };
        assert_eq!(marks[mark], 1, "{written}: {marks}");
        let told = told(&host);
        assert!(
            told.contains_key("privilege.granted") && told.contains_key("sign-in.burst"),
            "{written}: {:?}",
            told.keys()
        );
        assert_archive_agrees(&host);
    }
}
