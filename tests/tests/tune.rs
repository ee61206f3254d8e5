//! Tuning: exceptions that are taken without a restart, hide what they name until they end, and can't hide what is known to be
//! true without being found out; and the numbers that `gridwatch tune` gives.

use gridwatch_stories::{Benchmark, SimEntry};
use gridwatch_tests::host::{Host, Setup, ended, gridwatch, root, signal, terminate, until};
use gridwatch_tests::sim::{Slack, now, org_of};
use serde_json::{Value, json};
use std::process::Output;

const DAY_S: u64 = 86_400;

/// A configuration with an exceptions file, a folder of the team's own cases and a sink that wants suppressed alerts too.
const WITH_EXCEPTIONS: &str = "[detect]\nexceptions = \"exceptions.toml\"\ntrue_positives = \"cases\"\n\
    [store]\nmin_free = \"16MiB\"\n\
    [[sink]]\nname = \"all\"\ntype = \"file\"\npath = \"all.ndjson\"\ninclude = [\"alerts\", \"suppressed\"]\n";

fn slack(entries: Vec<SimEntry>) -> Slack {
    Slack::start(org_of(entries))
}

fn host(slack: &Slack, exceptions: &str) -> Host {
    let setup = Setup {
        slack: "settle = \"5s\"\ninterval = \"1s\"\n".into(),
        more: WITH_EXCEPTIONS.into(),
        ..Setup::new(&slack.base_url(), now() - 5 * DAY_S)
    };
    let host = Host::new(&setup);
    std::fs::create_dir(host.path("cases")).expect("a folder");
    write(&host, exceptions);
    host
}

fn write(host: &Host, exceptions: &str) {
    std::fs::write(host.path("exceptions.toml"), exceptions).expect("exceptions");
}

fn wire(id: &str, at: u64, action: &str, actor: &str, entity: Value, details: Value) -> String {
    json!({
        "id": id, "date_create": at, "action": action,
        "actor": {"type": "user", "user": {"id": actor, "name": actor, "email": format!("{actor}@acme.example")}},
        "entity": entity,
        "context": {"location": {"type": "enterprise", "id": "E1701NCCA", "name": "Birdie", "domain": "birdie"},
            "ua": "Mozilla/5.0", "ip_address": "198.51.100.7"},
        "details": details,
    })
    .to_string()
}

fn sim(json: &str) -> SimEntry {
    SimEntry::from_wire(json).expect("an entry")
}

/// Somebody makes somebody an admin: one alert of `privilege.granted` for each target.
fn grant(n: u64, at: u64, actor: &str) -> SimEntry {
    promoted("role_change_to_admin", n, at, actor)
}

/// Graver than being made an admin, so told at once in an alert that goes on.
fn owner(n: u64, at: u64, actor: &str) -> SimEntry {
    promoted("role_change_to_owner", n, at, actor)
}

fn promoted(action: &str, n: u64, at: u64, actor: &str) -> SimEntry {
    let target = json!({"type": "user", "user": {"id": format!("W90{n}"), "name": "T", "email": "t@acme.example"}});
    sim(&wire(&format!("g{n}"), at, action, actor, target, json!({})))
}

fn failed(n: u64, at: u64, user: &str) -> SimEntry {
    let entity = json!({"type": "user", "user": {"id": user, "name": user, "email": format!("{user}@acme.example")}});
    sim(&wire(&format!("f{n}{user}"), at, "user_login_failed", user, entity, json!({})))
}

/// The date so many days from now.
fn day(days: i64) -> String {
    let then = i64::try_from(now()).expect("seconds") + days * 86_400;
    jiff::Timestamp::from_second(then).expect("a time").to_string()[..10].to_owned()
}

/// An entry of the exceptions file that ends so many days from now.
fn exception(id: &str, who: &str, rules: &str, days: i64) -> String {
    let day = day(days);
    format!(
        "[[exception]]\nid = \"{id}\"\nwho = {who}\nrules = {rules}\nreason = \"expected\"\nowner = \"it@acme.example\"\n\
         ticket = \"SEC-1\"\nexpires = {day}\n"
    )
}

fn say(host: &Host, args: &[&str]) -> Output {
    ended(gridwatch().args(args).arg("--config").arg(host.path("gridwatch.toml")))
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// All alerts that are stored, suppressed ones too.
fn stored(host: &Host) -> Vec<Value> {
    let output = say(host, &["alerts", "list", "--json", "--limit", "0", "--suppressed"]);
    stdout(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Rule, what it is about, and what suppressed it.
fn brief(alert: &Value) -> (String, String, Option<String>) {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let given = |key: &str| text(&alert[key]).expect("every alert has it");
    (given("rule"), given("dedup_key"), text(&alert["suppressed_by"]))
}

fn briefs(host: &Host, rule: &str) -> Vec<(String, Option<String>)> {
    let of_rule = stored(host).iter().map(brief).filter(|(of, _, _)| of == rule).collect::<Vec<_>>();
    let mut briefs: Vec<_> = of_rule.into_iter().map(|(_, key, by)| (key, by)).collect();
    briefs.sort();
    briefs
}

fn told(host: &Host, rule: &str) -> usize {
    host.lines("alerts.ndjson").iter().filter(|alert| alert["finding_info"]["analytic"]["uid"] == rule).count()
}

#[test]
fn a_changed_file_is_taken_without_a_restart_and_a_broken_one_is_not() {
    let slack = slack(vec![grant(1, now() - 60, "W0ROBOT")]);
    let host = host(&slack, "");
    let mut running = host.start(&[]);
    until("the first alert", || told(&host, "privilege.granted") == 1);
    let exceptions = |key: &str| host.status()["exceptions"][key].clone();
    until("status of an empty file", || exceptions("holding") == 0 && exceptions("file").is_string());

    write(&host, &exception("robot", "{ actor = \"W0ROBOT\" }", "[\"privilege.granted\"]", 9));
    until("the entry to be taken", || exceptions("holding") == 1);
    slack.push(vec![grant(2, now() - 8, "W0ROBOT")]);
    let robot = || Some("robot".to_owned());
    let two = vec![("W0ROBOT".into(), None), ("W0ROBOT".into(), robot())];
    until("a suppressed alert", || briefs(&host, "privilege.granted") == two);
    until("the sink that wants it", || {
        host.lines("all.ndjson").iter().any(|a| a["status_detail"] == "suppressed by robot")
    });
    assert_eq!(told(&host, "privilege.granted"), 1, "other sinks don't get it");
    until("the counts", || host.status()["detect"]["suppressed"] == 1);
    assert_eq!(host.status()["detect"]["alerts"], 1);
    let hidden = stored(&host).into_iter().find(|alert| alert["suppressed_by"] == "robot").expect("the alert");
    let explained = stdout(&say(&host, &["explain", hidden["uid"].as_str().expect("an id")]));
    let lines: Vec<Vec<&str>> = explained.lines().map(|line| line.split_whitespace().collect()).collect();
    let end = format!("{}T00:00:00Z", day(10));
    for line in [
        ["suppressed", "by", "robot"].as_slice(),
        &["owner", "it@acme.example"],
        &["ticket", "SEC-1"],
        &["reason", "expected"],
        &["expires", &end],
    ] {
        assert!(lines.iter().any(|there| there == line), "{line:?} not in {explained}");
    }

    write(&host, "[[exception]]\nid = \"robot\"\nwho = { actor = \"W0ROBOT\" }\nrules = [\"privilege.grantd\"]\n");
    until("the error in the status", || exceptions("broken").is_string());
    let broken = exceptions("broken").as_str().unwrap().to_owned();
    assert!(
        broken.contains("exceptions.toml:4:1: robot.rules") && broken.contains("did you mean `privilege.granted`?"),
        "{broken}"
    );
    assert!(broken.contains("exceptions.toml:1:1: robot.owner: is missing"), "{broken}");
    let shown = stdout(&say(&host, &["status"]));
    assert!(shown.contains("1 hold, 0 expired") && shown.contains("those read before stay in force"), "{shown}");
    slack.push(vec![owner(3, now() - 8, "W0ROBOT")]);
    until("the suppressed alert to take another grant", || {
        stored(&host).iter().any(|alert| alert["suppressed_by"] == "robot" && alert["findings"] == 2)
    });
    assert_eq!(briefs(&host, "privilege.granted"), two);
    signal(&running, "HUP");
    until("one alert about the file", || told(&host, "gridwatch.exceptions-unusable") == 1);

    write(&host, "# nothing is expected any more\n");
    signal(&running, "HUP");
    until("the error to be gone", || exceptions("holding") == 0 && exceptions("broken").is_null());
    slack.push(vec![owner(4, now() - 8, "W0ROBOT")]);
    until("an alert again", || told(&host, "privilege.granted") == 2);
    assert_eq!(told(&host, "gridwatch.exceptions-unusable"), 1, "told once");
    assert!(running.try_wait().expect("a child").is_none(), "it went on all the time");
    let log = host.log();
    assert!(log.contains("exceptions taken") && log.contains("the exceptions file has errors"), "{log}");
    terminate(running);
}

#[test]
fn what_expired_yesterday_hides_nothing_and_is_told_once() {
    let slack = slack(vec![grant(1, now() - 60, "W0ROBOT"), grant(2, now() - 3 * DAY_S, "W0ROBOT")]);
    let host = host(&slack, &exception("robot", "{ actor = \"W0ROBOT\" }", "[\"privilege.granted\"]", -2));
    host.run_once_well();
    let before_the_end = ("W0ROBOT".to_owned(), Some("robot".to_owned()));
    assert_eq!(briefs(&host, "privilege.granted"), [("W0ROBOT".to_owned(), None), before_the_end]);
    assert_eq!(told(&host, "privilege.granted"), 1);
    assert_eq!(told(&host, "gridwatch.exception-expired"), 1);
    let alert = stored(&host).into_iter().find(|a| a["rule"] == "gridwatch.exception-expired").expect("the alert");
    assert_eq!((&alert["severity"], &alert["labels"]["owner"]), (&json!("informational"), &json!("it@acme.example")));
    assert_eq!((&alert["labels"]["exception"], &alert["labels"]["ticket"]), (&json!("robot"), &json!("SEC-1")));
    assert_eq!(
        (host.status()["exceptions"]["holding"].as_u64(), host.status()["exceptions"]["expired"].as_u64()),
        (Some(0), Some(1))
    );

    host.run_once_well();
    assert_eq!(told(&host, "gridwatch.exception-expired"), 1, "a restart tells nothing again");
    write(&host, &exception("robot", "{ actor = \"W0ROBOT\" }", "[\"privilege.granted\"]", -3));
    host.run_once_well();
    assert_eq!(told(&host, "gridwatch.exception-expired"), 2, "another end is another expiry");

    let replayed = ended(
        gridwatch()
            .args(["replay", "--archive"])
            .arg(host.path("state/archive"))
            .arg("--config")
            .arg(host.path("gridwatch.toml"))
            .arg("--modules")
            .arg(root().join("target/modules")),
    );
    let ids = |lines: Vec<Value>| -> Vec<Value> {
        let of_rule = lines.into_iter().filter(|a| a["finding_info"]["analytic"]["uid"] == "privilege.granted");
        of_rule.map(|alert| alert["finding_info"]["uid"].clone()).collect()
    };
    let again: Vec<Value> = stdout(&replayed).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(ids(again), ids(host.lines("alerts.ndjson")), "a replay agrees with what was told live");
}

#[test]
fn an_allowed_app_alerts_once_it_has_more_than_it_may() {
    let app = |id: &str, at: u64, action: &str, entity: Value, details: Value| {
        let mut app = json!({"id": "A0BACKUP", "name": "Backup", "is_directory_approved": false});
        entity.as_object().unwrap().iter().for_each(|(key, value)| app[key] = value.clone());
        sim(&wire(id, at, action, "W0OPS", json!({"type": "app", "app": app}), details))
    };
    let scopes = ["files:read", "channels:history"];
    let installed = app("i1", now() - 900, "app_installed", json!({ "scopes": scopes }), json!({}));
    let wider =
        json!({"previous_scopes": scopes, "new_scopes": ["files:read", "channels:history", "admin.users:write"]});
    let widened = app("i2", now() - 600, "app_scopes_expanded", json!({}), wider);
    let slack = slack(vec![installed, widened]);
    let allowed = exception("backup", "{ app = \"A0BACKUP\" }", "[\"apps.*\"]", 30)
        + "scopes_max = [\"files:read\", \"channels:history\", \"users:read\"]\n";
    let host = host(&slack, &allowed);
    host.run_once_well();
    assert_eq!(briefs(&host, "apps.install"), [("W0OPS".to_owned(), Some("backup".to_owned()))]);
    assert_eq!(briefs(&host, "apps.scopes-expanded"), [("W0OPS".to_owned(), None)]);
    assert_eq!(told(&host, "apps.scopes-expanded"), 1, "the app is allowed, what it gained is not");
    let alert = stored(&host).into_iter().find(|a| a["rule"] == "apps.scopes-expanded").expect("the alert");
    assert_eq!(alert["labels"]["beyond_exception"], "backup: admin.users:write");
    let explained = stdout(&say(&host, &["explain", alert["uid"].as_str().expect("an id")]));
    let beyond = "would be suppressed, but is beyond what the entry allows: backup: admin.users:write";
    assert!(explained.contains(beyond) && !explained.contains("none applied"), "{explained}");
    let tuning: Value = serde_json::from_str(&stdout(&say(&host, &["tune", "--format", "json"]))).expect("JSON");
    assert_eq!(tuning["apps"], json!([["A0BACKUP", 1]]), "by its id, though the rule's label may say its name");
}

/// Who takes the ownership in the shipped stories.
fn takers() -> Vec<String> {
    let plan = Benchmark { seed: 1, users: Benchmark::FEWEST_USERS, days: 10, ..Benchmark::default() };
    plan.run().labels.stories.into_iter().find(|story| story.story == "ownership-taken").expect("the story").actors
}

fn checked(host: &Host, exceptions: &str, args: &[&str]) -> (Option<i32>, String) {
    let proposed = host.path("proposed.toml");
    std::fs::write(&proposed, exceptions).expect("a file");
    let file = proposed.to_str().expect("UTF-8");
    let output = say(host, &[&["exceptions", "check", "--file", file], args].concat());
    (output.status.code(), stdout(&output) + &stderr(&output))
}

#[test]
fn the_check_fails_when_a_known_true_positive_goes_quiet() {
    let slack = slack(vec![]);
    let host = host(&slack, "");
    let path = host.path("gridwatch.toml");
    let plain = std::fs::read_to_string(&path).expect("configuration");
    let deaf = "[modules.config.ai]\nsweep_hour = 4000\nsweep_high = 4000\nsweep_day = 4000\n";
    std::fs::write(&path, format!("{plain}{deaf}")).expect("configuration");
    let harmless = exception("harmless", "{ actor = \"W0REAL\" }", "[\"privilege.grant-then-use\"]", 9);
    let (code, said) = checked(&host, &harmless, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("fine: 1 of 1 exceptions are in force"), "{said}");
    let by_design = "note: `harmless` suppresses privilege.grant-then-use for its subject, as intended; there is still an alert if \
                     the subject does grant-then-use\n";
    assert!(said.contains(by_design), "{said}");
    assert!(said.contains("note: with the modules' default settings there would be alerts for mcp-sweep"), "{said}");
    let (code, said) = checked(&host, &harmless, &["--strict"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("LOST    with the modules' default settings there would be alerts for mcp-sweep"), "{said}");
    std::fs::write(&path, plain).expect("configuration");

    let who = format!("{{ actor = {:?} }}", takers());
    let (code, said) = checked(&host, &exception("takers", &who, "[\"privilege.*\"]", 9), &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("QUIET  exception `takers` suppresses privilege."), "{said}");
    assert!(said.contains("in story `ownership-taken`\n"), "{said}");

    let (code, said) = checked(&host, &exception("takers", &who, "[\"privilege.*\"]", -1), &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("EXPIRED  `takers` at ") && !said.contains("QUIET"), "{said}");
}

#[test]
fn the_check_fails_when_a_real_subject_would_get_away_with_a_known_attack() {
    let slack = slack(vec![]);
    let host = host(&slack, "");
    let of = |id: &str, rules: &str| exception(id, "{ actor = \"W0REAL\" }", rules, 9);
    let quiet = |id: &str, rule: &str, story: &str| {
        format!("QUIET  exception `{id}` suppresses {rule} in story `{story}`, if its subject does that\n")
    };
    let (code, said) = checked(&host, &of("robot", "[\"privilege.*\"]"), &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&quiet("robot", "privilege.granted", "ownership-taken")), "{said}");

    let accepting = of("robot", "[\"privilege.*\"]") + "accepts = [\"ownership-taken\", \"mcp-sweep\"]\n";
    let (code, said) = checked(&host, &accepting, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains(
            "note: there is no alert if the subject of `robot` does ownership-taken, which the entry accepts\n"
        ),
        "{said}"
    );
    assert!(said.contains("note: `robot` need not accept mcp-sweep: "), "{said}");

    // Each alone leaves the other's rules; of one subject, both leave nothing.
    let (one, other) = (of("one", "[\"channels.*\"]"), of("other", "[\"controls.*\"]"));
    let (_, said) = checked(&host, &(one.clone() + &other.replace("W0REAL", "W0OTHER")), &[]);
    assert!(!said.contains("deletion-burst`, if"), "{said}");
    let (code, said) = checked(&host, &(one + &other), &[]);
    assert_eq!(code, Some(1), "{said}");
    for (id, rule) in [("one", "channels.deletions"), ("other", "controls.hold-then-deletion")] {
        assert!(said.contains(&quiet(id, rule, "deletion-burst")), "{said}");
    }

    let range = "ip = \"203.0.113.0/24\"";
    let office = of("office", "[\"files.downloads\"]").replace("actor = \"W0REAL\"", range);
    let (code, said) = checked(&host, &office, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&quiet("office", "files.downloads", "insider-files")), "{said}");
}

#[test]
fn the_teams_own_cases_have_to_fire_too() {
    let slack = slack(vec![]);
    // Of another year: the exception holds today, and that is what counts.
    let case = |first: &str| format!("{first}\n{}\n", grant(1, 1_700_000_000, "W0MALLORY").json);
    let mallory = exception("mallory", "{ actor = \"W0MALLORY\" }", "[\"privilege.granted\"]", 9);
    let host = host(&slack, &format!("{mallory}added = {}\n", day(-1)));
    std::fs::write(host.path("cases/takeover.ndjson"), case("# fires: privilege.granted")).expect("a case");
    let quiet = say(&host, &["exceptions", "check", "--own"]);
    assert_eq!(quiet.status.code(), Some(1), "{}", stdout(&quiet));
    let line = "QUIET  exception `mallory` suppresses privilege.granted in case `takeover.ndjson` (privilege.granted)";
    assert!(stdout(&quiet).contains(line), "{}", stdout(&quiet));

    std::fs::write(host.path("cases/takeover.ndjson"), case("# fires: privilege.granted, gridwatch.risk"))
        .expect("a case");
    let sum = say(&host, &["exceptions", "check", "--own"]);
    assert!(stdout(&sum).contains("DEAD   case `takeover.ndjson` doesn't fire gridwatch.risk"), "{}", stdout(&sum));
    std::fs::write(host.path("cases/takeover.ndjson"), case("# fires: privilege.granted")).expect("a case");

    write(&host, "");
    std::fs::write(host.path("cases/dead.ndjson"), case("# fires: privilege.granted, apps.install")).expect("a case");
    let dead = say(&host, &["exceptions", "check", "--own"]);
    assert_eq!(dead.status.code(), Some(1));
    assert!(stdout(&dead).contains("DEAD   case `dead.ndjson` doesn't fire apps.install"), "{}", stdout(&dead));
    std::fs::write(host.path("cases/dead.ndjson"), case("# what is this")).expect("a case");
    let unsaid = say(&host, &["exceptions", "check", "--own"]);
    assert_eq!(unsaid.status.code(), Some(1));
    assert!(stderr(&unsaid).contains("dead.ndjson:1: doesn't say which rules it fires"), "{}", stderr(&unsaid));
}

#[test]
fn errors_are_told_with_file_line_and_key_before_anything_runs() {
    let slack = slack(vec![]);
    let host = host(&slack, "[[exception]]\nid = \"x\"\nseverity = \"high\"\n");
    for args in [&["check"][..], &["exceptions", "list"], &["exceptions", "check"], &["run", "--once"]] {
        let output = say(&host, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let said = stderr(&output);
        for part in
            ["exceptions.toml:3:1: x.severity: unknown key", "never for all of a severity", "x.expires: is missing"]
        {
            assert!(said.contains(part), "{args:?}: {part} not in {said}");
        }
    }
    std::fs::remove_file(host.path("exceptions.toml")).expect("it was there");
    let said = stderr(&say(&host, &["check"]));
    assert!(said.contains("gridwatch.toml:") && said.contains("detect.exceptions: there is no file"), "{said}");
}

#[test]
fn the_example_of_an_exceptions_file_is_valid() {
    let slack = slack(vec![]);
    let host = host(&slack, "");
    let example = root().join("examples/exceptions.toml");
    let listed = say(&host, &["exceptions", "list", "--json", "--file", example.to_str().unwrap()]);
    assert!(listed.status.success(), "{}", stderr(&listed));
    let listed = stdout(&listed);
    let all = listed.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    // Lists of settings have no id.
    let entries: Vec<Value> = all.filter(|listed| listed["setting"].is_null()).collect();
    let ids: Vec<&str> = entries.iter().map(|entry| entry["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["backup-app", "pentest-office", "archives-are-builds"]);
    assert_eq!(entries[0]["expires"], "2027-04-01T00:00:00Z", "the day that is named is the last one");
}

#[test]
fn lists_that_silence_without_owner_or_end_are_listed_too() {
    let slack = slack(vec![]);
    let host = host(&slack, "");
    let path = host.path("gridwatch.toml");
    let plain = std::fs::read_to_string(&path).expect("configuration");
    let heading = "settings that suppress alerts too, without owner or end:\n";
    let shipped = "  places.preview_robots  10 entries (default)\n  sign-in.preview_robots  10 entries (default)\n";
    let listed = stdout(&say(&host, &["exceptions", "list"]));
    assert_eq!(listed.split_once(heading).expect("a heading").1, shipped, "what is shipped, and nobody else yet");
    let lists = "[modules.config.people]\nincident_channels = [\"C1\"]\nknown_accounts = [\"W1\", \"W2\"]\n";
    std::fs::write(&path, format!("{plain}{lists}")).expect("configuration");
    let listed = stdout(&say(&host, &["exceptions", "list"]));
    let (_, silencing) = listed.split_once(heading).expect("a heading");
    let place = format!("gridwatch.toml:{}:1: modules.config.people.known_accounts)", plain.lines().count() + 3);
    assert!(silencing.starts_with("  people.known_accounts  2 entries (") && silencing.contains(&place), "{listed}");
    assert!(silencing.ends_with(shipped) && silencing.lines().count() == 3, "{listed}");
    let json = stdout(&say(&host, &["exceptions", "list", "--json"]));
    let json: Value = serde_json::from_str(json.lines().next().expect("a line")).expect("JSON");
    assert_eq!((&json["setting"], &json["entries"]), (&json!("people.known_accounts"), &json!(2)));
}

#[test]
fn a_wrong_threshold_is_told_with_file_line_and_what_is_allowed() {
    let slack = slack(vec![]);
    let host = host(&slack, "");
    let path = host.path("gridwatch.toml");
    let good = std::fs::read_to_string(&path).expect("configuration");
    let lines = good.lines().count();
    let wrong = format!(
        "{good}[modules.config.sign-in]\nburst_failures = 9999\nspray_usrs = 7\n[modules.config.sing-in]\nx = 1\n\
         [modules.config.people]\nincident_lately = \"5m\"\n"
    );
    std::fs::write(&path, wrong).expect("configuration");
    let output = say(&host, &["check"]);
    assert_eq!(output.status.code(), Some(2));
    let (said, at) = (stderr(&output), |n: usize| format!("gridwatch.toml:{}:1: modules.config.", lines + n));
    for part in [
        format!("{}sign-in.burst_failures: is 9999; allowed is 3 to 1000", at(2)),
        format!("{}sign-in.spray_usrs: is not a setting of module sign-in", at(3)),
        "did you mean `spray_users`?".to_owned(),
        // Within its header, after `[modules.config.`.
        format!("gridwatch.toml:{}:17: modules.config.sing-in: `sing-in` is configured, but", lines + 4),
        format!("{}people.incident_lately: is 5m; allowed is 10m to 14d", at(7)),
    ] {
        assert!(said.contains(&part), "{part} not in {said}");
    }
}

/// Failed sign-ins of some users yesterday at noon, within five minutes, and a grant.
fn bursts(users: &[(&str, u64)]) -> Vec<SimEntry> {
    let noon = (now() / DAY_S - 1) * DAY_S + DAY_S / 2;
    let of_user = |(user, count): &(&str, u64)| -> Vec<SimEntry> {
        (0..*count).map(|n| failed(n, noon + n * 300 / count, user)).collect()
    };
    let mut entries: Vec<SimEntry> = users.iter().flat_map(of_user).collect();
    entries.push(grant(1, noon + 900, "W0ROBOT"));
    entries
}

#[test]
fn the_numbers_of_tune_are_those_of_a_hand_count() {
    let slack = slack(bursts(&[("W04", 4), ("W06", 6), ("W12", 12), ("W25", 25), ("W30", 30)]));
    let exceptions = exception("noisy", "{ actor = \"W30\" }", "[\"sign-in.burst\"]", 9)
        + &exception("idle", "{ actor = \"W0NOBODY\" }", "[\"sign-in.burst\"]", 9);
    let host = host(&slack, &exceptions);
    host.run_once_well();
    let output = say(&host, &["tune", "--format", "json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let tuning: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(tuning["active_users"], 6);
    let burst = tuning["rules"].as_array().unwrap().iter().find(|r| r["rule"] == "sign-in.burst").expect("the rule");
    assert_eq!((&burst["alerts"], &burst["medium_or_above"], &burst["suppressed"]), (&json!(2), &json!(0), &json!(1)));
    assert_eq!(burst["actors"], json!([["W12", 1], ["W25", 1]]));
    // Two alerts among six people in a day or two are 200 a day and 1,000 people, and no rate that one could judge.
    assert_eq!((burst["budget"].as_f64().map(|b| b > 0.0), &burst["over_budget"]), (Some(true), &Value::Null));
    assert_eq!(burst["judgement"], "too_few");
    let by_day = burst["by_day"].as_array().expect("days");
    assert_eq!((by_day.len(), by_day[0].as_u64(), by_day[1].as_u64()), (2, Some(2), Some(0)), "yesterday and today");
    assert_eq!(tuning["actors"].as_array().map(Vec::len), Some(3), "{}", tuning["actors"]);
    let number = |value: &Value| value.as_f64().expect("a number");
    let days = number(&tuning["days"]);
    assert!((1.0..2.6).contains(&days), "from the first entry on: {days}");
    assert!((number(&burst["a_day"]) * days - 2.0).abs() < 1e-6);
    assert!((number(&burst["a_day_per_1000_users"]) * days * 6.0 / 1_000.0 - 2.0).abs() < 1e-6);
    let hid = |at: usize| &tuning["exceptions"][at];
    assert_eq!((&hid(0)["id"], &hid(0)["alerts"], &hid(0)["worst"]), (&json!("noisy"), &json!(1), &json!("low")));
    assert_eq!((&hid(1)["id"], &hid(1)["alerts"], &hid(1)["state"]), (&json!("idle"), &json!(0), &json!("holds")));
    let shown = stdout(&say(&host, &["tune"]));
    assert!(shown.contains("? too few to judge"), "{shown}");
    assert!(shown.contains("suppressed nothing: idle") && !shown.contains('\u{1b}'), "{shown}");

    let output = say(&host, &["tune", "--rule", "sign-in.burst", "--format", "json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let tuning: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let sweep = &tuning["sweeps"][0];
    assert_eq!((&sweep["setting"], &sweep["present"]), (&json!("burst_failures"), &json!(10)));
    let values = sweep["values"].as_array().expect("values");
    let given: Vec<(u64, u64)> =
        values.iter().map(|v| (v["value"].as_u64().unwrap(), v["alerts"].as_u64().unwrap())).collect();
    // Of the four that no exception is about.
    assert_eq!(given, [(3, 4), (5, 3), (7, 2), (10, 2), (15, 1), (20, 1), (40, 0)]);
    let shown = stdout(&say(&host, &["tune", "--rule", "sign-in.burst"]));
    assert!(shown.contains("burst_failures is 10; allowed 3 to 1000"), "{shown}");
    assert!(shown.contains("→ 10 ████████████████████ "), "half of the longest bar: {shown}");
    assert_eq!(shown.matches('→').count(), 1, "{shown}");
    let slip = say(&host, &["tune", "--rule", "sign-in.brst"]);
    assert!(stderr(&slip).contains("did you mean `sign-in.burst`?"), "{}", stderr(&slip));
}

#[test]
fn spans_are_tried_out_as_numbers_are() {
    let at = (now() / DAY_S - 1) * DAY_S + DAY_S / 2;
    let guest = |id: &str, at: u64, action: &str, entity: Value| {
        let mut entry: Value = serde_json::from_str(&wire(id, at, action, "W0GUEST", entity, json!({}))).expect("JSON");
        entry["actor"]["user"]["account_type"] = json!("guest");
        sim(&entry.to_string())
    };
    let channel = json!({"type": "channel", "channel": {"id": "C0INC", "name": "incident", "privacy": "private"}});
    let came = guest("h1", at, "guest_channel_join", channel);
    let huddle = json!({"type": "huddle", "huddle": {"id": "R1", "date_start": at, "date_end": 0, "participants": []}});
    let slack = slack(vec![came, guest("h2", at + 3_000, "huddle_participant_joined", huddle)]);
    let host = host(&slack, "");
    let path = host.path("gridwatch.toml");
    let text = std::fs::read_to_string(&path).expect("configuration");
    let people = "[modules.config.people]\nincident_channels = [\"C0INC\"]\nown_domains = [\"other.example\"]\n\
        incident_lately = \"1h\"\n";
    std::fs::write(&path, text + people).expect("configuration");
    host.run_once_well();
    let output = say(&host, &["tune", "--rule", "people.huddle-intrusion", "--format", "json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let tuning: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let sweep = &tuning["sweeps"][0];
    assert_eq!(
        (&sweep["setting"], &sweep["present"], &sweep["unit"]),
        (&json!("incident_lately"), &json!(3_600), &json!("s"))
    );
    let values = sweep["values"].as_array().expect("values");
    let given: Vec<(u64, u64)> =
        values.iter().map(|v| (v["value"].as_u64().unwrap(), v["alerts"].as_u64().unwrap())).collect();
    let expected = [900, 1_800, 2_700, 3_600, 5_400, 7_200, 14_400].map(|value| (value, u64::from(value >= 3_000)));
    assert_eq!(given, expected, "{tuning}");
    let shown = stdout(&say(&host, &["tune", "--rule", "people.huddle-intrusion"]));
    assert!(shown.contains("incident_lately is 60m; allowed 10m to 14d") && shown.contains("→ 60m "), "{shown}");
    assert!(shown.contains("too few to judge: no value gave even 3 alerts"), "{shown}");
}
