//! The narrowest exception that `explain` proposes for an alert of ordinary work quiets that work, and still tells of an attacker who
//! sits behind the same subject: four families, through the program.

use gridwatch_stories::SimEntry;
use gridwatch_tests::host::{Host, Setup, ended, gridwatch};
use gridwatch_tests::sim::{Slack, now, org_of};
use serde_json::{Value, json};

const DAY_S: u64 = 86_400;
const HOUR_S: u64 = 3_600;
const OFFICE: &str = "198.51.100.7";
const ELSEWHERE: &str = "203.0.113.66";

/// Of a whole hour, yesterday: bounds by the hour must not depend on when the test runs.
fn yesterday() -> u64 {
    now() / HOUR_S * HOUR_S - DAY_S
}

fn user(id: &str) -> Value {
    json!({"type": "user", "user": {"id": id, "name": id, "email": format!("{id}@acme.example").to_lowercase()}})
}

fn file(id: &str) -> Value {
    json!({"type": "file", "file": {"id": id, "name": format!("{id}.docx"), "title": id}})
}

/// One act, as Slack writes it; `more` goes into the details, and its `app` into the context.
fn act(at: u64, action: &str, actor: &str, entity: Value, ip: &str, more: Value) -> SimEntry {
    let mut details = more;
    let app = details.as_object_mut().and_then(|details| details.remove("app"));
    let entry = json!({
        "id": format!("{at}-{action}-{actor}-{}", entity[entity["type"].as_str().expect("a type")]["id"]),
        "date_create": at, "action": action, "actor": user(actor), "entity": entity, "details": details,
        "context": {"location": {"type": "enterprise", "id": "E1701NCCA", "name": "Birdie", "domain": "birdie"},
            "ua": "Mozilla/5.0", "ip_address": ip, "app": app},
    });
    SimEntry::from_wire(&entry.to_string()).expect("an entry")
}

fn anomaly(at: u64, reason: &str) -> SimEntry {
    act(at, "anomaly", "W0ENGINEER", user("W0ENGINEER"), OFFICE, json!({ "reason": [reason] }))
}

fn taken(at: u64, count: u64, actor: &str, ip: &str, app: &Value) -> Vec<SimEntry> {
    let one = |n: u64| act(at + n * 10, "file_downloaded", actor, file(&format!("F{at}N{n}")), ip, json!({"app": app}));
    (0..count).map(one).collect()
}

fn made_admin(at: u64, by: &str, ip: &str, target: &str) -> SimEntry {
    act(at, "role_change_to_owner", by, user(target), ip, json!({}))
}

/// What has run once, with these exceptions.
fn judged(slack: &Slack, exceptions: &str) -> Host {
    let host = Host::new(&Setup {
        slack: "settle = \"5s\"\ninterval = \"1s\"\n".into(),
        more: "[detect]\nexceptions = \"exceptions.toml\"\n[store]\nmin_free = \"16MiB\"\n".into(),
        ..Setup::new(&slack.base_url(), now() - 3 * DAY_S)
    });
    std::fs::write(host.path("exceptions.toml"), exceptions).expect("exceptions");
    host.run_once_well();
    host
}

fn say(host: &Host, args: &[&str]) -> String {
    let output = ended(gridwatch().args(args).arg("--config").arg(host.path("gridwatch.toml")));
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Alerts of a rule: told, or hidden by an exception.
fn alerts(host: &Host, rule: &str) -> (Vec<Value>, Vec<Value>) {
    let listed = say(host, &["alerts", "list", "--json", "--limit", "0", "--suppressed", "--rule", rule]);
    let alerts = listed.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    alerts.partition(|alert| alert["suppressed_by"].is_null())
}

/// The proposal of `explain`, with what its owner has to say filled in. It holds from today on, and what is tried again is of yesterday.
fn proposed(host: &Host, alert: &Value) -> String {
    let explained = say(host, &["explain", alert["uid"].as_str().expect("an id")]);
    let entry = explained.lines().map(str::trim).skip_while(|line| *line != "[[exception]]");
    let entry: Vec<&str> = entry.filter(|line| !line.starts_with("added = ")).collect();
    assert!(!entry.is_empty(), "{explained}");
    entry
        .join("\n")
        .replace("reason = \"\"", "reason = \"known\"")
        .replace("owner = \"\"", "owner = \"it@acme.example\"")
        .replace("ticket = \"\"", "ticket = \"SEC-1\"")
}

/// The honest work alone is told without an exception, hidden with the proposed one, and so it stays when the attacker comes, who is told.
fn assert_narrow(rule: &str, honest: Vec<SimEntry>, attack: Vec<SimEntry>) {
    // Hours later, so that the alert is at rest and has its final numbers.
    let later = act(yesterday() + 6 * HOUR_S, "user_login", "W0OTHER", user("W0OTHER"), OFFICE, json!({}));
    let honest = [honest, vec![later]].concat();
    let slack = Slack::start(org_of(honest.clone()));
    let (told, _) = alerts(&judged(&slack, ""), rule);
    assert_eq!(told.len(), 1, "{rule}: the honest work: {told:#?}");
    let exception = proposed(&judged(&slack, ""), &told[0]);
    let (told, hidden) = alerts(&judged(&slack, &exception), rule);
    assert!(told.is_empty() && hidden.len() == 1, "{rule}: quiets the honest work: {told:#?}\n{exception}");
    let both = Slack::start(org_of([honest, attack].concat()));
    let (told, hidden) = alerts(&judged(&both, &exception), rule);
    assert!(!told.is_empty() && hidden.len() == 1, "{rule}: still tells of the attacker\n{exception}");
}

#[test]
fn an_anomaly_of_a_script_hides_no_theft_of_the_same_engineers_session() {
    let at = yesterday();
    let honest = (0..3).map(|n| anomaly(at + n * 600, "unexpected_scraping")).collect();
    assert_narrow("anomaly.reason", honest, vec![anomaly(at + 1_900, "session_fingerprint")]);
}

#[test]
fn files_that_somebody_moves_hide_no_more_of_them_from_elsewhere() {
    let at = yesterday();
    let honest = taken(at, 40, "W0MOVER", OFFICE, &Value::Null);
    assert_narrow("files.downloads", honest, taken(at + 900, 60, "W0MOVER", ELSEWHERE, &Value::Null));
}

#[test]
fn an_app_that_reads_as_it_should_hides_no_ten_times_as_much() {
    let at = yesterday();
    let app = json!({"id": "A0ARCHIVE", "name": "Archive"});
    let honest = taken(at, 40, "W0INSTALLER", OFFICE, &app);
    assert_narrow("files.app-downloads", honest, taken(at + 450, 300, "W0INSTALLER", OFFICE, &app));
}

#[test]
fn a_robot_that_grants_hides_nobody_who_grants_in_its_name_from_elsewhere() {
    let at = yesterday();
    let honest = vec![made_admin(at, "W0ROBOT", OFFICE, "W0NEW")];
    assert_narrow("privilege.granted", honest, vec![made_admin(at + 60, "W0ROBOT", ELSEWHERE, "W0MALLORY")]);
}
