//! Rows of the store that can't be read. Of what gridwatch can do without, they are named in the log, counted in the status and told
//! by one alert, and it goes on; damage to the rest sets the store aside, and that is told too.

use gridwatch_sim::{Knobs, SimConfig};
use gridwatch_stories::SimEntry;
use gridwatch_tests::guests::{manifest_text, with_manifest, without_manifest};
use gridwatch_tests::host::{Host, Setup, ends_within, kill, our_modules, private, until};
use gridwatch_tests::raw::{Raw, Reply};
use gridwatch_tests::sim::{Slack, entry, now, org_of};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const LOST: &str = "gridwatch.state-lost";
const PEOPLE_TOKEN: &str = "xoxb-people";
/// Rows that gridwatch goes on without: what their keys begin with, and what they are called.
const FORGETTABLE: [(&[u8], &str); 22] = [
    (b"ta", "open alerts"),
    (b"tb", "profiles of people and channels"),
    (b"tc", "answers about channels"),
    (b"td", "roles of people"),
    (b"te", "the id of the organization"),
    (b"tk", "modules' key-value state"),
    (b"tm", "declared windows"),
    (b"tn", "unknown names"),
    (b"to", "places of the organization"),
    (b"tp", "the clock of the windows"),
    (b"tr", "risk of actors"),
    (b"ts", "apps"),
    (b"tu", "answers about people"),
    (b"tw", "window counts"),
    (b"f", "faults of modules"),
    (b"j", "who judged"),
    (b"mlate", "the histogram of lateness"),
    (b"mdrift", "what was seen of Slack's catalogue"),
    (b"mroster", "who had a second factor"),
    (b"mrhythms", "what the log usually has in an hour"),
    (b"mtold", "what was told of exceptions"),
    (b"maudit", "the end of the audit trail"),
];
/// Rows without which the store can't be used.
const VITAL: [(&[u8], &str); 15] = [
    (b"mpoll", "the state of polling"),
    (b"mreleased", "what is released to the rules"),
    (b"mentries", "the end of the entries"),
    (b"morder", "the end of the order of events"),
    (b"malerts", "the end of the history of alerts"),
    (b"msums", "the number of rows"),
    (b"mcommits", "the number of commits"),
    (b"mnext_record", "the next record number"),
    (b"mbegun", "how the store was begun"),
    (b"k", "entries seen"),
    (b"l", "ranges read"),
    (b"s", "positions of sinks"),
    (b"p", "entries that wait"),
    (b"o", "records to deliver"),
    (b"e", "alerts to ask Slack about"),
];
/// Those that only a gridwatch which runs on writes.
const OF_THE_MONITOR: [(&[u8], &str); 2] =
    [(b"mmonitored", "what was told of troubles"), (b"mchain", "the chain of heartbeats")];
/// Of which no byte can be flipped in this way: the layout is told by a bare number.
const OTHERS: [&[u8]; 1] = [b"mformat"];
const WITHOUT_HURRY_S: u64 = 60;

/// One module that finds something about every entry, and remembers what it is told to.
fn configure(host: &Host, setup: &Setup) {
    host.configure(setup);
    let text = manifest_text("misbehave");
    let every = text.replace("actions = [\"user_login\"]\ncondition", "actions = [\"*\"]\ncondition");
    assert_ne!(every, text);
    std::fs::create_dir_all(host.path("modules")).expect("a folder");
    let module = with_manifest(without_manifest("misbehave"), &every);
    std::fs::write(host.path("modules/misbehave-1.0.0.wasm"), module).expect("a module");
    let path = host.path("gridwatch.toml");
    let text = std::fs::read_to_string(&path).expect("the configuration");
    let (before, after) = text.split_once("[modules.grants]\n").expect("grants");
    let (_, after) = after.split_once("[lookups]\n").expect("lookups");
    let granted = "[modules.grants]\nmisbehave = [\"kv\", \"lookup\"]\n[lookups]\nnames = [\"x\"]\n";
    let text = format!("{before}{granted}{after}")
        .replace(&format!("{:?}", our_modules()), "\"modules\"\nallow_unsigned = true");
    std::fs::write(path, text).expect("the configuration");
}

fn asks(id: &str, at: u64, action: &str, entity: Value, details: Value) -> SimEntry {
    let user = json!({ "id": "W012A3BCD", "name": "primary-owner", "email": "po@acme.example" });
    let location = json!({ "type": "enterprise", "id": "E1701NCCA", "name": "Birdie", "domain": "birdie" });
    let entry = json!({
        "id": id, "date_create": at, "action": action, "details": details,
        "actor": { "type": "user", "user": user }, "entity": entity,
        "context": { "location": location, "ua": "Mozilla/5.0", "ip_address": "198.51.100.7" },
    });
    SimEntry::from_wire(&entry.to_string()).expect("an entry")
}

/// Entries that leave a row of every part.
fn entries(at: u64) -> Vec<SimEntry> {
    let user = json!({ "type": "user", "user": { "id": "W012A3BCD", "name": "po", "email": "po@acme.example" } });
    let app = json!({ "type": "app", "app": { "id": "A1", "name": "Helper", "scopes": ["chat:write"] } });
    let channel = json!({ "type": "channel", "channel": { "id": "C0NEW", "name": "plans", "privacy": "private" } });
    vec![
        // The first makes the alert, which is what Slack is asked about; the others go into it.
        asks("Lchannel", at - 1, "private_channel_created", channel, json!({})),
        asks("Lrole", at, "role_change_to_admin", user.clone(), json!({})),
        asks("Lkv", at + 1, "user_login", user.clone(), json!({ "misdeed": "kv-write", "amount": 9 })),
        asks("Lpanic", at + 2, "user_login", user.clone(), json!({ "misdeed": "panic" })),
        asks("Lapp", at + 3, "app_installed", app, json!({})),
        asks("Lunknown", at + 5, "user_beamed_up", user, json!({})),
    ]
}

fn setup(base_url: &str, start: u64) -> Setup {
    Setup {
        slack: "max_window = \"7d\"\npage_limit = 1000\ninterval = \"1s\"\nsettle = \"5s\"".into(),
        more: "[store]\nmin_free = \"16MiB\"\n".into(),
        ..Setup::new(base_url, start)
    }
}

fn open(host: &Host) -> sled::Db {
    let mut opened = None;
    // sled's own threads let go of a store a moment after it was closed.
    until("the store to be free", || {
        opened = sled::open(host.path("state/store")).ok();
        opened.is_some()
    });
    opened.expect("a store")
}

/// Flips one bit of the last byte of the first row whose key begins so.
fn flip(db: &sled::Db, begins: &[u8]) {
    let first = db.scan_prefix(begins).next();
    let (key, value) = first.unwrap_or_else(|| panic!("no row {}", begins.escape_ascii())).expect("a row");
    let mut value = value.to_vec();
    *value.last_mut().expect("a value") ^= 4;
    db.insert(key, value).expect("inserted");
    db.flush().expect("flushed");
}

/// Titles and labels of the alerts that tell of something lost.
fn told(host: &Host) -> Vec<Value> {
    let alerts = host.lines("alerts.ndjson").into_iter();
    alerts.filter(|alert| alert["metadata"]["event_code"] == LOST).map(|alert| alert["finding_info"].clone()).collect()
}

fn forgotten(host: &Host) -> BTreeMap<String, u64> {
    let state = &host.status()["state"]["forgotten"];
    serde_json::from_value(state.clone()).unwrap_or_else(|e| panic!("{e}: {state}"))
}

/// What all rows of a store are of; panics at one that no list here has.
fn kinds(db: &sled::Db) -> BTreeSet<&'static [u8]> {
    let known = FORGETTABLE.iter().chain(&VITAL).map(|(begins, _)| *begins).chain(OTHERS);
    let known: Vec<&[u8]> = known.collect();
    let kind = |key: &[u8]| known.iter().copied().find(|begins| key.starts_with(begins));
    let keys = db.iter().keys().map(|key| key.expect("a key"));
    keys.map(|key| kind(&key).unwrap_or_else(|| panic!("a row of no kind: {}", key.escape_ascii()))).collect()
}

#[test]
fn a_byte_flipped_in_each_kind_of_row_is_named_counted_and_told_and_gridwatch_goes_on() {
    let at = now() - 600;
    let knobs = Knobs { people_token: Some(PEOPLE_TOKEN.into()), ..Knobs::unlimited() };
    let slack = Slack::with(org_of(entries(at)), SimConfig { knobs, ..SimConfig::default() });
    let mut setup = setup(&slack.base_url(), at - 600);
    setup.more += "[detect]\nexceptions = \"exceptions.toml\"\n[enrich]\ntoken_file = \"people\"\nroster = \"24h\"\n";
    let host = Host::new(&setup);
    configure(&host, &setup);
    std::fs::write(host.path("people"), PEOPLE_TOKEN).expect("a token");
    private(&host.path("people"));
    let exception = "[[exception]]\nid = \"old\"\nwho = { actor = \"W0ROBOT\" }\nrules = [\"misbehave.does\"]\n\
                     reason = \"expected\"\nowner = \"it@acme.example\"\nticket = \"SEC-1\"\nexpires = 2026-01-01\n";
    std::fs::write(host.path("exceptions.toml"), exception).expect("exceptions");
    host.run_once_well();
    assert_eq!((forgotten(&host), told(&host)), (BTreeMap::new(), vec![]));
    let db = open(&host);
    let there = kinds(&db);
    let missing: Vec<&str> =
        FORGETTABLE.iter().filter(|(begins, _)| !there.contains(begins)).map(|(_, name)| *name).collect();
    assert!(missing.is_empty(), "no rows of {missing:?}");
    FORGETTABLE.iter().for_each(|(begins, _)| flip(&db, begins));
    drop(db);

    slack.push(vec![entry("Lafter", now() - 6)]);
    host.until_time_has_passed();
    let log = host.run_once();
    let log = String::from_utf8_lossy(&log.stderr).into_owned();
    let found = forgotten(&host);
    for (begins, name) in FORGETTABLE {
        assert_eq!(found.get(name), Some(&1), "{name}: {found:?}\n{log}");
        let named = log.lines().any(|line| line.contains(name) && line.contains(&begins.escape_ascii().to_string()));
        assert!(named, "{name} isn't named:\n{log}");
    }
    let alerts = told(&host);
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    let title = alerts[0]["title"].as_str().expect("a title");
    assert!(title.starts_with(&format!("{} rows of the saved state were forgotten", FORGETTABLE.len())), "{title}");
    assert!(
        FORGETTABLE.iter().all(|(_, name)| alerts[0].to_string().contains(name) || title.contains(name)),
        "{title}"
    );
    let delivered = host.delivered();
    assert_eq!((delivered.len(), delivered.values().max()), (7, Some(&1)), "nothing is lost or doubled: {delivered:?}");

    // A day's overlap is read again after a start.
    host.run_once_well();
    assert_eq!(told(&host).len(), 1, "what was told isn't told again");
    assert!(FORGETTABLE.iter().all(|(_, name)| !forgotten(&host).contains_key(*name)));
    assert!(host.delivered().values().all(|n| *n == 1));
}

/// A gridwatch that was killed with something waiting for the rules, something for a sink, and alerts that Slack wasn't asked about.
fn killed_in_between(host: &Host, raw: &Raw, is_broken: &AtomicBool, at: u64) {
    let setup = Setup {
        sinks: String::new(),
        more:
            "[store]\nmin_free = \"16MiB\"\n[enrich]\ntoken_file = \"people\"\n[[sink]]\nname = \"slow\"\ntype = \"file\"\n\
             path = \"slow/events.ndjson\"\n"
                .into(),
        ..setup(&raw.base_url(), at - 600)
    };
    configure(host, &setup);
    std::fs::write(host.path("people"), PEOPLE_TOKEN).expect("a token");
    private(&host.path("people"));
    std::fs::create_dir(host.path("slow")).expect("a folder");
    host.run_once_well();
    let gridwatch = host.start(&[]);
    host.until_running(&gridwatch);
    std::fs::rename(host.path("slow"), host.path("gone")).expect("renamed");
    let waits = |what: &str| host.status()["backlog"][what].as_u64() > Some(0);
    until("something that waits for a sink", || waits("records"));
    is_broken.store(true, Ordering::SeqCst);
    // What waits only until its range has been read is gone in the next status.
    until("something that waits for the rules and stays", || {
        waits("entries") && {
            std::thread::sleep(Duration::from_secs(3));
            waits("entries")
        }
    });
    kill(gridwatch);
    is_broken.store(false, Ordering::SeqCst);
    std::fs::rename(host.path("gone"), host.path("slow")).expect("renamed");
}

#[test]
fn damage_to_what_the_store_cant_do_without_is_told_and_it_is_begun_anew() {
    let at = now() - 600;
    let is_broken = Arc::new(AtomicBool::new(false));
    let broken = is_broken.clone();
    let began = now();
    // While it is broken, there is one new entry whose page is whole, and others whose walk never ends.
    let raw = Raw::start(move |seen| {
        let mut all = entries(at);
        all.extend((0..900).map(|n| entry(&format!("Lnew{n}"), began + n)));
        match (seen.path.as_str(), broken.load(Ordering::SeqCst)) {
            ("/audit/v1/logs", true) if seen.query.contains_key("cursor") => Reply::status(500),
            ("/audit/v1/logs", true) => {
                let page = Reply::page(&all, seen);
                Reply { body: page.body.replace("\"next_cursor\":\"\"", "\"next_cursor\":\"more\""), ..page }
            }
            ("/audit/v1/logs", false) => Reply::page(&all, seen),
            _ => Reply::status(404),
        }
    });
    let host = Host::new(&setup(&raw.base_url(), at - 600));
    killed_in_between(&host, &raw, &is_broken, at);
    for (begins, name) in VITAL {
        let copy = Host::new(&setup(&raw.base_url(), at - 600));
        let copied = Command::new("cp").arg("-a").arg(host.path(".")).arg(copy.path(".")).status().expect("cp");
        assert!(copied.success(), "{copied}");
        if begins == b"mbegun" {
            // Only a store that was begun anew has it.
            flip(&open(&copy), b"mpoll");
            assert!(ends_within(WITHOUT_HURRY_S, copy.start(&["--once"])).success(), "{}", copy.log());
        }
        let before = told(&copy).len();
        flip(&open(&copy), begins);
        let ended = ends_within(WITHOUT_HURRY_S, copy.start(&["--once"]));
        let log = copy.log();
        assert!(ended.success(), "{name}: {log}");
        assert!(log.contains(&format!("a row of {name} can't be read")), "{name}: {log}");
        let why = copy.status()["state"]["begun_anew"].to_string();
        assert!(why.contains(name) && why.contains("set aside"), "{name}: {why}");
        let alerts = told(&copy);
        assert_eq!(alerts.len(), before + 1, "{name}: {alerts:#?}");
        assert!(alerts[before]["title"].to_string().contains("damaged and set aside"), "{name}: {alerts:#?}");
        let delivered = copy.delivered();
        assert!(entries(at).iter().all(|entry| delivered.contains_key(&entry.id)), "{name}: {delivered:?}");
    }
}

/// What was told before is told once more, for nobody knows any longer that it was; and what was written since is kept.
#[test]
fn what_the_monitor_remembers_is_told_when_it_is_lost_and_what_it_writes_anew_stays() {
    let at = now() - 600;
    let slack = Slack::start(org_of(vec![entry("Lone", at)]));
    let setup = Setup {
        more: "[store]\nmin_free = \"16MiB\"\n[monitor]\npatience = \"1s\"\nheartbeat = \"1s\"\n".into(),
        ..setup(&slack.base_url(), at - 600)
    };
    let host = Host::new(&setup);
    let failing = |host: &Host| {
        let alerts = host.lines("alerts.ndjson").into_iter();
        alerts.filter(|alert| alert["metadata"]["event_code"] == "gridwatch.poll-failing").count()
    };
    let gridwatch = host.start(&[]);
    until("all is read", || host.status()["poll"]["stored"] == 1);
    slack.set_faults(vec![gridwatch_sim::FaultKind::DropConnection.at(gridwatch_sim::When::Every(1))]);
    until("it is told", || failing(&host) == 1);
    kill(gridwatch);
    let db = open(&host);
    OF_THE_MONITOR.iter().for_each(|(begins, _)| flip(&db, begins));
    drop(db);

    let gridwatch = host.start(&[]);
    until("it is told anew", || failing(&host) == 2);
    until("it is told that rows were lost", || told(&host).len() == 1);
    for (_, name) in OF_THE_MONITOR {
        assert!(told(&host)[0].to_string().contains(name), "{name}: {:#?}", told(&host));
        assert_eq!(forgotten(&host).get(name), Some(&1));
    }
    kill(gridwatch);
    // What was written since the loss is there: the next start knows what was told, and goes on in the chain.
    let db = open(&host);
    for (begins, name) in OF_THE_MONITOR {
        assert!(db.contains_key(begins).expect("a store"), "{name} was removed with what had been lost");
    }
}
