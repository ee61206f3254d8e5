//! Exceptions by themselves and in a pipeline: what a file may say, whom an entry suppresses, and until when.

use super::*;
use crate::alert::Alert;
use crate::finding::RawFinding;
use crate::pipeline::{ModuleOutcome, Pipeline, Service};
use gridwatch_event::entry::Entry;
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::Manifest;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// 2026-11-01T00:00:00Z.
const NOW: UnixSeconds = UnixSeconds(1_793_491_200);
const DAY_S: u64 = 86_400;

fn manifest() -> Manifest {
    let rule = |id: &str, actions: &str| {
        format!(
            "[[rule]]\nid = \"{id}\"\ntitle = \"t\"\nactions = [{actions}]\ncondition = \"c\"\nthreshold = \"1\"\n\
             severity = \"high\"\nbudget = 0.1\nfold = \"24h\"\nattack = []\nplaybook = {{ verify = [{{ do = \"v\" }}], contain = [{{ do = \"c\" }}] }}\n"
        )
    };
    let text = format!(
        "name = \"apps\"\nversion = \"1.0.0\"\nabi = \"gridwatch:detect@1\"\ntitle = \"t\"\nfields = [\"action\"]\n{}{}{}",
        rule("install", "\"app_installed\", \"app_scopes_expanded\""),
        rule("sign-in", "\"user_login\""),
        rule("bulk", "\"file_downloaded\"")
    );
    Manifest::parse(&text).unwrap()
}

fn known() -> Known {
    Known::of([&manifest()], false)
}

/// An entry without anything wrong, changed by `change`: a key of it, or "-" and the key to be left out.
fn entry(change: &[(&str, &str)]) -> String {
    let mut keys: BTreeMap<&str, String> = [
        ("id", "\"bot\""),
        ("who", "{ actor = \"W1\" }"),
        ("rules", "[\"apps.sign-in\"]"),
        ("reason", "\"a robot\""),
        ("owner", "\"it\""),
        ("ticket", "\"SEC-1\""),
        ("expires", "2026-12-31"),
    ]
    .map(|(key, value)| (key, value.to_owned()))
    .into();
    for (key, value) in change {
        match key.strip_prefix('-') {
            Some(key) => _ = keys.remove(key),
            None => _ = keys.insert(key, (*value).to_owned()),
        }
    }
    let lines: Vec<String> = keys.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    format!("[[exception]]\n{}\n", lines.join("\n"))
}

fn read(text: &str) -> Exceptions {
    parse(text, &known(), NOW).unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"))
}

fn event(seq: u64, time: u64, action: &str, actor: &str, rest: serde_json::Value) -> Event {
    let mut entry = json!({
        "id": format!("e{seq}"), "date_create": time, "action": action,
        "actor": {"type": "user", "user": {"id": actor}},
        "entity": {"type": "user", "user": {"id": actor}},
        "context": {"ip_address": "198.51.100.7"}, "details": {},
    });
    for (key, value) in rest.as_object().cloned().unwrap_or_default() {
        entry[key] = value;
    }
    Event::new(seq, UnixMillis(time * 1_000), &Entry::from_json(&entry.to_string()))
}

fn app(seq: u64, time: u64, scopes: &[&str]) -> Event {
    let entity = json!({"type": "app", "app": {"id": "A1", "scopes": scopes}});
    event(seq, time, "app_installed", "W9", json!({ "entity": entity }))
}

fn matching<'x>(exceptions: &'x Exceptions, rule: &str, event: &Event) -> ExceptionMatch<'x> {
    let (networks, apps) = (Networks::default(), Apps::default());
    exceptions.matching(rule, event, AppKnowledge { networks: &networks, apps: &apps })
}

fn is_suppressed(exceptions: &Exceptions, rule: &str, event: &Event) -> bool {
    matches!(matching(exceptions, rule, event), ExceptionMatch::Suppressed(_))
}

#[test]
fn every_error_is_told_with_its_line_key_and_a_way_out() {
    for (change, key, part) in [
        (&[("-owner", "")][..], "bot.owner", "is missing"),
        (&[("-expires", "")], "bot.expires", "is missing"),
        (&[("-ticket", "")], "bot.ticket", "is missing"),
        (&[("-reason", "")], "bot.reason", "is missing"),
        (&[("owner", "\" \"")], "bot.owner", "is empty"),
        (&[("accepts", "\"a-story\"")], "bot.accepts", "has to be a list"),
        (&[("-id", "")], "exception 1.id", "is missing"),
        (&[("id", "\"a bot\"")], "a bot.id", "is not a valid id"),
        (&[("-who", "")], "bot.who", "is missing"),
        (&[("who", "{}")], "bot.who", "names nobody"),
        (&[("who", "\"W1\"")], "bot.who", "has to be a table"),
        (&[("who", "{ actor = [] }")], "bot.who.actor", "is empty"),
        (&[("who", "{ actor = \"*\" }")], "bot.who.actor", "would match anybody"),
        (&[("who", "{ actor = \"a@b.example\" }")], "bot.who.actor", "is not a Slack id"),
        (&[("who", "{ actr = \"W1\" }")], "bot.who.actr", "unknown key"),
        (&[("who", "{ ip = \"10.0.0.0/7\" }")], "bot.who.ip", "wider than a /8"),
        (&[("who", "{ ip = \"0.0.0.0/0\" }")], "bot.who.ip", "wider than a /8"),
        (&[("who", "{ ip = \"::ffff:0:0/96\" }")], "bot.who.ip", "wider than a /8"),
        (&[("who", "{ ip = \"2001::/15\" }")], "bot.who.ip", "wider than a /16"),
        (&[("who", "{ ip = \"10.0.0\" }")], "bot.who.ip", "is not an address range"),
        (&[("who", "{ asn = \"AS64500\" }")], "bot.who.asn", "no table of networks"),
        (&[("-rules", "")], "bot.rules", "is missing, and so is `actions`"),
        (&[("rules", "[]")], "bot.rules", "is empty"),
        (&[("rules", "[\"*\"]")], "bot.rules", "more than one module"),
        (&[("rules", "[\"*.*\"]")], "bot.rules", "more than one module"),
        (&[("rules", "[\"apps.in*\"]")], "bot.rules", "more than one module"),
        (&[("rules", "[\"app.*\"]")], "bot.rules", "no module `app`"),
        (&[("rules", "[\"apps.instal\"]")], "bot.rules", "no module in service has a rule"),
        (&[("rules", "[\"gridwatch.unknown-action\"]")], "bot.rules", "no exception can suppress"),
        (&[("actions", "[\"user_*\"]")], "bot.actions", "is a pattern"),
        (&[("actions", "[\"*\"]")], "bot.actions", "is a pattern"),
        (&[("actions", "[\"user_logn\"]")], "bot.actions", "not in Slack's catalogue"),
        (&[("actions", "[\"ekm_unenrolled\"]")], "bot.actions", "no rule watches"),
        (&[("severity", "\"high\"")], "bot.severity", "unknown key"),
        (&[("scopes_max", "[\"chat:write\"]")], "bot.scopes_max", "for entries that name an app"),
        (&[("who", "{ app = \"A1\" }"), ("rules", "[\"apps.install\"]")], "bot.scopes_max", "is missing"),
        (&[("who", "{ app = \"A1\" }"), ("rules", "[\"apps.*\"]")], "bot.scopes_max", "is missing"),
        (
            &[("who", "{ app = \"A1\" }"), ("-rules", ""), ("actions", "[\"app_installed\"]")],
            "bot.scopes_max",
            "is missing",
        ),
        (&[("who", "{ app = \"A1\" }"), ("scopes_max", "[\"*\"]")], "bot.scopes_max", "is not a scope"),
        (&[("expires", "2027-11-04")], "bot.expires", "more than a year from now"),
        (&[("expires", "2027-01-02"), ("added", "2025-12-31")], "bot.expires", "more than a year from `added`"),
        (&[("added", "2026-11-04")], "bot.added", "in the future"),
        (&[("expires", "\"soon\"")], "bot.expires", "is not a date"),
        (&[("expires", "2026-12-31T00:00:00")], "bot.expires", "is not a date"),
        (&[("expires", "5")], "bot.expires", "has to be a date"),
    ] {
        let text = format!("# a remark\n\n{}", entry(change));
        let problems = parse(&text, &known(), NOW).unwrap_err();
        let found = problems.iter().find(|p| p.key == key && p.what.contains(part));
        let problem = found.unwrap_or_else(|| panic!("{key}: {part} not in {problems:#?}"));
        let last = key.rsplit('.').next().unwrap();
        let own = text.lines().position(|line| line.starts_with(last) && line[last.len()..].starts_with(" ="));
        let parent = text.lines().position(|line| line.starts_with("who ="));
        let place = own.or(parent.filter(|_| key.contains(".who."))).unwrap_or(2);
        assert_eq!(problem.place.unwrap().line, place + 1, "{key}: {text}");
    }
}

#[test]
fn a_file_tells_all_its_errors_at_once_and_near_misses() {
    let text = format!("{}{}", entry(&[("-owner", ""), ("rules", "[\"apps.instal\"]")]), entry(&[("ownr", "\"x\"")]));
    let problems = parse(&text, &known(), NOW).unwrap_err();
    let told: Vec<(&str, Option<&str>)> = problems.iter().map(|p| (p.key.as_str(), p.hint.as_deref())).collect();
    assert!(told.contains(&("bot.rules", Some("did you mean `apps.install`?"))), "{told:?}");
    assert!(told.contains(&("bot.ownr", Some("did you mean `owner`?"))), "{told:?}");
    assert!(problems.windows(2).all(|pair| pair[0].place <= pair[1].place));
    let twice = parse(&format!("{}{}", entry(&[]), entry(&[])), &known(), NOW).unwrap_err();
    assert_eq!((twice[0].place.unwrap().line, twice[0].what.as_str()), (11, "the entry in line 1 has the same id"));
    for (text, part) in
        [("[[exception]", "is not valid TOML"), ("exception = 3", "written as [[exception]]"), ("x = 1", "unknown key")]
    {
        assert!(parse(text, &known(), NOW).unwrap_err()[0].what.contains(part), "{text}");
    }
    assert!(parse("", &known(), NOW).unwrap().is_empty());
}

#[test]
fn no_entry_covers_every_rule_there_is() {
    let other = Manifest { name: "files".into(), ..manifest() };
    let known = Known::of([&manifest(), &other], false);
    let read = |rules| parse(&entry(&[("rules", rules)]), &known, NOW);
    let problems = read("[\"apps.*\", \"files.*\"]").unwrap_err();
    assert!(problems.iter().any(|p| p.what == "covers every rule there is"), "{problems:?}");
    assert!(!read("[\"apps.*\", \"files.bulk\"]").expect("one rule is left").is_empty());
}

#[test]
fn an_entry_holds_for_its_subject_and_its_rules_and_nothing_else() {
    let login = |actor: &str| event(1, NOW.0, "user_login", actor, json!({}));
    let exceptions = read(&entry(&[]));
    assert!(is_suppressed(&exceptions, "apps.sign-in", &login("W1")));
    assert!(!is_suppressed(&exceptions, "apps.sign-in", &login("W2")));
    assert!(!is_suppressed(&exceptions, "apps.bulk", &login("W1")));
    let both = read(&entry(&[("who", "{ actor = [\"W1\", \"W2\"], ip = \"198.51.0.0/16\" }")]));
    assert!(is_suppressed(&both, "apps.sign-in", &login("W2")));
    let elsewhere = event(1, NOW.0, "user_login", "W2", json!({"context": {"ip_address": "203.0.113.1"}}));
    assert!(!is_suppressed(&both, "apps.sign-in", &elsewhere), "all of `who` has to fit");
    let module = read(&entry(&[("rules", "[\"apps.*\"]"), ("actions", "[\"user_login\"]")]));
    assert!(is_suppressed(&module, "apps.sign-in", &login("W1")));
    assert!(!is_suppressed(&module, "apps-more.sign-in", &login("W1")));
    assert!(!is_suppressed(&module, "apps.bulk", &event(1, NOW.0, "file_downloaded", "W1", json!({}))));
    let nobody = event(1, NOW.0, "user_login", "", json!({"context": {}}));
    assert!(!is_suppressed(&both, "apps.sign-in", &nobody));
}

#[test]
fn each_kind_of_subject_is_found_in_its_places() {
    let fits = |who: &str, action: &str, rest: serde_json::Value| {
        let change = [("who", who), ("-rules", ""), ("actions", "[\"file_downloaded\", \"user_login\"]")];
        is_suppressed(&read(&entry(&change)), "apps.bulk", &event(1, NOW.0, action, "W7", rest))
    };
    let context = |app: &str| json!({"context": {"app": {"id": app}, "ip_address": "::ffff:198.51.100.7"}});
    assert!(fits("{ app = \"A1\" }", "file_downloaded", context("A1")));
    assert!(!fits("{ app = \"A1\" }", "file_downloaded", context("A2")));
    assert!(fits("{ ip = \"198.51.100.7\" }", "file_downloaded", context("A1")));
    assert!(fits("{ ip = \"::ffff:198.51.100.0/120\" }", "file_downloaded", json!({})));
    assert!(!fits("{ ip = \"2001:db8::/32\" }", "file_downloaded", json!({})));
    for place in [json!({"channel_id": "C1"}), json!({"channel": "C1"}), json!({"arguments": {"channel_id": "C1"}})] {
        assert!(fits("{ channel = \"C1\" }", "file_downloaded", json!({ "details": place })), "{place}");
    }
    let channel = json!({"entity": {"type": "channel", "channel": {"id": "C2"}}, "details": {"channel": "C1"}});
    assert!(!fits("{ channel = \"C1\" }", "file_downloaded", channel), "what the event is about comes first");
    for place in [json!({"external_organization_id": "T9"}), json!({"origin_team": "T9", "target_team": "T1"})] {
        assert!(fits("{ organization = \"T9\" }", "file_downloaded", json!({ "details": place })), "{place}");
    }
    let other = json!({"details": {"external_organization_id": "T8", "origin_team": "T9"}});
    assert!(!fits("{ organization = \"T9\" }", "file_downloaded", other));
}

#[test]
fn an_app_that_brings_in_another_is_not_that_other() {
    let allowed = [("who", "{ app = \"A2\" }"), ("rules", "[\"apps.install\"]"), ("scopes_max", "[\"admin\"]")];
    let entity = json!({"type": "app", "app": {"id": "A1", "scopes": ["admin"]}});
    let through = json!({"entity": entity, "context": {"app": {"id": "A2"}}});
    assert!(!is_suppressed(&read(&entry(&allowed)), "apps.install", &event(1, NOW.0, "app_installed", "W9", through)));
}

#[test]
fn an_autonomous_system_is_the_networks_word() {
    let networks = Networks::parse("198.51.100.0/24,AS64500,DE").unwrap();
    let text = entry(&[("who", "{ asn = \"AS64500\" }")]);
    let exceptions = parse(&text, &Known::of([&manifest()], true), NOW).unwrap();
    let known = AppKnowledge { networks: &networks, apps: &Apps::default() };
    let login = |ip: &str| event(1, NOW.0, "user_login", "W7", json!({"context": {"ip_address": ip}}));
    assert!(matches!(
        exceptions.matching("apps.sign-in", &login("198.51.100.7"), known),
        ExceptionMatch::Suppressed(_)
    ));
    assert_eq!(exceptions.matching("apps.sign-in", &login("203.0.113.7"), known), ExceptionMatch::None);
}

#[test]
fn an_entry_ends_at_the_exact_second_and_begins_with_its_day() {
    let login = |at: u64| event(1, at, "user_login", "W1", json!({}));
    let end = NOW.0 + 61 * DAY_S; // 2027-01-01T00:00:00Z, for the last day counts.
    let exceptions = read(&entry(&[("added", "2026-11-01")]));
    for (at, suppressed) in [(NOW.0 - 1, false), (NOW.0, true), (end - 1, true), (end, false)] {
        assert_eq!(is_suppressed(&exceptions, "apps.sign-in", &login(at)), suppressed, "{at}");
    }
    let exact = read(&entry(&[("expires", "2026-11-01T10:00:00+02:00")]));
    let end = NOW.0 + 8 * 3_600;
    for (at, suppressed) in [(0, true), (end - 1, true), (end, false)] {
        assert_eq!(is_suppressed(&exact, "apps.sign-in", &login(at)), suppressed, "{at}");
    }
    assert_eq!(exact.expired(UnixSeconds(end - 1), &|_| false).len(), 0);
    assert_eq!(exact.expired(UnixSeconds(end), &|_| false).len(), 1);
    let key = exact.iter().next().unwrap().expiry_key();
    assert_eq!(exact.expired(UnixSeconds(end), &|told| told == key).len(), 0, "told once");
    assert!(exact.at_any_time(UnixSeconds(end)).is_empty());
    assert!(is_suppressed(&exact.at_any_time(UnixSeconds(end - 1)), "apps.sign-in", &login(end + 9)));
}

#[test]
fn an_allowed_app_beyond_its_scopes_is_told_with_what_is_beyond() {
    let allowed =
        [("who", "{ app = \"A1\" }"), ("rules", "[\"apps.*\"]"), ("scopes_max", "[\"chat:write\", \"users:read\"]")];
    let exceptions = read(&entry(&allowed));
    assert!(is_suppressed(&exceptions, "apps.install", &app(1, NOW.0, &["chat:write"])));
    let ExceptionMatch::Exceeded(exception, excess) =
        matching(&exceptions, "apps.install", &app(1, NOW.0, &["chat:write", "admin"]))
    else {
        panic!("suppressed")
    };
    assert_eq!((exception.id.as_str(), excess.to_string().as_str()), ("bot", "admin"));
    let unknown = matching(&exceptions, "apps.install", &app(1, NOW.0, &[]));
    assert!(matches!(unknown, ExceptionMatch::Exceeded(_, Excess::Unknown)), "{unknown:?}");
}

/// What the pipeline makes of events, each of which every rule that watches it fires on, in batches of some sizes.
fn run(exceptions: &Exceptions, events: &[Event], sizes: &[usize]) -> Vec<Alert> {
    let manifest = Arc::new(manifest());
    let mut pipeline =
        Pipeline::new(vec![Service { manifest: manifest.clone(), digest: "d".into(), serves: 0..u64::MAX }]);
    pipeline.except(Arc::new(exceptions.clone()));
    let (mut rest, mut alerts, mut sizes) = (events, Vec::new(), sizes.iter().cycle());
    while !rest.is_empty() {
        let (batch, after) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
        rest = after;
        let prepared = pipeline.prepare(batch);
        let watched: Vec<&Event> = batch.iter().filter(|event| manifest.subscribes(event.action())).collect();
        let findings = watched.iter().enumerate().map(|(row, event)| {
            let rule = manifest
                .rules
                .iter()
                .position(|rule| rule.actions.iter().any(|action| action == event.action()))
                .unwrap();
            RawFinding {
                row: row as u32,
                rule: rule as u32,
                severity: 3,
                dedup_key: "same".into(),
                title: "t".into(),
                ..RawFinding::default()
            }
        });
        let outcome = ModuleOutcome { findings: findings.collect(), ..ModuleOutcome::default() };
        let concluded = pipeline.conclude(batch, &prepared, [(prepared.asked[0].service, outcome)]);
        assert_eq!(concluded.faults, []);
        alerts.extend(concluded.alerts);
    }
    alerts
}

#[test]
fn hidden_and_told_findings_of_one_key_never_swallow_each_other() {
    let exceptions = read(&entry(&[]));
    let actors = ["W1", "W2", "W1", "W3", "W1"];
    let events: Vec<Event> = actors
        .iter()
        .enumerate()
        .map(|(i, who)| event(i as u64 + 1, NOW.0 + i as u64, "user_login", who, json!({})))
        .collect();
    let alerts = run(&exceptions, &events, &[events.len()]);
    let told: Vec<(Option<&str>, u64)> =
        alerts.iter().map(|a| (a.suppressed_by.as_deref(), a.revision.into())).collect();
    assert_eq!(told, [(Some("bot"), 1), (None, 1), (None, 2)], "one of each opens, and W3 is somebody else");
    assert_ne!(alerts[0].uid, alerts[1].uid);
    assert_eq!((&alerts[0].dedup_key, alerts[0].period_start), (&alerts[1].dedup_key, alerts[1].period_start));
    let without = run(&Exceptions::default(), &events, &[2]);
    assert_eq!(without[0].uid, alerts[1].uid, "what is told has the id it always had");
}

#[test]
fn what_comes_out_does_not_depend_on_batches() {
    let allowed =
        [("id", "\"app\""), ("who", "{ app = \"A1\" }"), ("rules", "[\"apps.*\"]"), ("scopes_max", "[\"chat:write\"]")];
    let exceptions = read(&(entry(&[]) + &entry(&allowed)));
    let through = json!({"context": {"app": {"id": "A1"}, "ip_address": "198.51.100.7"}});
    let download = |seq: u64| event(seq, NOW.0 + seq, "file_downloaded", "W5", through.clone());
    let mut events = vec![download(1), app(2, NOW.0 + 2, &["chat:write"]), download(3)];
    events.push(app(4, NOW.0 + 4, &["chat:write", "admin"]));
    events.extend(
        (5..20).map(
            |seq| if seq % 3 == 0 { download(seq) } else { event(seq, NOW.0 + seq, "user_login", "W1", json!({})) },
        ),
    );
    events.push(app(20, NOW.0 + 20, &["chat:write"]));
    events.push(download(21));
    let whole = run(&exceptions, &events, &[events.len()]);
    for sizes in [&[1][..], &[2], &[3, 1], &[7, 2, 5]] {
        assert_eq!(run(&exceptions, &events, sizes), whole, "{sizes:?}");
    }
    let bulk: Vec<(Option<&str>, Option<&str>)> = whole
        .iter()
        .filter(|a| a.rule == "apps.bulk")
        .map(|a| (a.suppressed_by.as_deref(), a.labels.get("beyond_exception").map(String::as_str)))
        .collect();
    assert_eq!(bulk, [(Some("app"), None), (None, Some("app: admin"))], "what an app has is remembered");
}

#[test]
fn an_entry_can_hold_of_variants_of_a_module() {
    let mut exceptions = read(&entry(&[("rules", "[\"apps.sign-in\"]")]));
    exceptions.also_for("apps", &["apps~1".to_owned()]);
    let login = event(1, NOW.0, "user_login", "W1", json!({}));
    assert!(is_suppressed(&exceptions, "apps~1.sign-in", &login) && is_suppressed(&exceptions, "apps.sign-in", &login));
    assert!(!is_suppressed(&exceptions, "apps~1.bulk", &login));
}

#[test]
fn a_subject_can_be_cast_as_whoever_an_event_is_about() {
    let text = [
        entry(&[]),
        entry(&[("id", "\"same\""), ("who", "{ actor = [\"W1\", \"W3\"] }"), ("rules", "[\"apps.bulk\"]")]),
        entry(&[("id", "\"other\""), ("who", "{ actor = \"W2\" }"), ("rules", "[\"apps.install\"]")]),
    ];
    let exceptions = read(&text.concat());
    let of = |id: &str| exceptions.iter().find(|exception| exception.id == id).unwrap();
    let networks = Networks::default();
    let attack = |seq: u64, action: &str, actor: &str| event(seq, NOW.0, action, actor, json!({}));
    let cast = exceptions.cast(of("bot"), &attack(1, "user_login", "W7"), &networks).unwrap();
    assert!(is_suppressed(&cast, "apps.sign-in", &attack(2, "user_login", "W7")));
    assert!(is_suppressed(&cast, "apps.bulk", &attack(2, "file_downloaded", "W7")), "what else is said of the subject");
    assert!(!is_suppressed(&cast, "apps.install", &attack(2, "app_installed", "W7")), "of another subject");
    assert!(!is_suppressed(&cast, "apps.sign-in", &attack(2, "user_login", "W8")), "by somebody else");
    assert!(exceptions.cast(of("bot"), &attack(1, "user_login", ""), &networks).is_none(), "nobody did it");
}

#[test]
fn a_cast_range_is_the_neighbourhood_of_an_address_and_all_kinds_have_to_be_there() {
    let exceptions = read(&entry(&[("who", "{ actor = \"W1\", ip = \"203.0.113.0/24\" }")]));
    let login = |actor: &str, ip: &str| event(1, NOW.0, "user_login", actor, json!({"context": {"ip_address": ip}}));
    let bot = exceptions.iter().next().unwrap();
    let cast = |ip: &str| exceptions.cast(bot, &login("W7", ip), &Networks::default());
    let near = cast("198.51.100.7").unwrap();
    assert!(is_suppressed(&near, "apps.sign-in", &login("W7", "198.51.100.200")));
    assert!(!is_suppressed(&near, "apps.sign-in", &login("W7", "198.51.101.7")));
    assert!(!is_suppressed(&near, "apps.sign-in", &login("W8", "198.51.100.7")), "all of `who` has to fit");
    assert!(cast("").is_none());
}

#[test]
fn an_entry_is_bound_to_hours_volume_and_labels_and_says_what_is_wrong_with_them() {
    let text =
        entry(&[("hours", "\"22:00-06:00\""), ("at_most", "50"), ("labels", "{ reasons = [\"asn\"], by = \"x\" }")]);
    let exceptions = parse(&text, &known(), NOW).unwrap();
    let bounds = &exceptions.iter().next().unwrap().bounds;
    assert_eq!(
        (bounds.hours.map(|hours| hours.to_string()).as_deref(), bounds.at_most),
        (Some("22:00-06:00"), Some(50))
    );
    assert_eq!(
        (bounds.labels["reasons"].as_slice(), bounds.labels["by"].as_slice()),
        (&["asn".to_owned()][..], &["x".to_owned()][..])
    );
    for (key, value, said) in [
        ("hours", "\"22-06\"", "is no span of a day"),
        ("at_most", "0", "at_most"),
        ("labels", "{ reasons = [] }", "is empty"),
        ("labels", "{ reasons = 7 }", "reasons"),
    ] {
        let problems = parse(&entry(&[(key, value)]), &known(), NOW).unwrap_err();
        assert!(problems.iter().any(|problem| problem.to_string().contains(said)), "{key}: {problems:?}");
    }
}

#[test]
fn a_rule_is_rated_lower_only_with_owner_ticket_and_end() {
    let rule = |more: &str, without: &str| {
        let keys = [
            "id = \"r\"",
            "rule = \"apps.bulk\"",
            "reason = \"x\"",
            "owner = \"it\"",
            "ticket = \"T-1\"",
            "expires = 2026-12-31",
        ];
        let kept: Vec<&str> = keys.into_iter().filter(|key| without.is_empty() || !key.starts_with(without)).collect();
        parse(&format!("[[rule]]\n{}\n{more}\n", kept.join("\n")), &known(), NOW)
    };
    let lowered = rule("most = \"low\"", "").unwrap();
    let found = lowered.lowering("apps.bulk", NOW).unwrap();
    assert_eq!((found.most, lowered.lowering("apps.install", NOW)), (Some(gridwatch_manifest::Severity::Low), None));
    assert!(lowered.lowering("apps.bulk", UnixSeconds(NOW.0 + 90 * DAY_S)).is_none(), "it has ended");
    assert_eq!(rule("off = true", "").unwrap().lowering("apps.bulk", NOW).unwrap().most, None);
    for without in ["owner", "ticket", "expires", "reason", "rule"] {
        assert!(rule("most = \"low\"", without).is_err(), "{without}");
    }
    for more in ["", "most = \"low\"\noff = true", "most = \"none\""] {
        assert!(rule(more, "").is_err(), "{more}");
    }
    let pattern = "[[rule]]\nid = \"r\"\nrule = \"apps.*\"\nreason = \"x\"\nowner = \"it\"\nticket = \"T-1\"\nexpires = 2026-12-31\noff = true\n";
    assert!(parse(pattern, &known(), NOW).is_err());
}
