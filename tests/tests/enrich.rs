//! What alerts tell of who, whether that is usual for them, and from where: the real program, its databases of addresses,
//! and the simulator's people; and what they tell when Slack is down, slow or has had enough.

use gridwatch_sim::{Fault, FaultKind, Knobs, SimConfig, When};
use gridwatch_stories::org::User;
use gridwatch_stories::{Org, OrgPlan, SimEntry, generate};
use gridwatch_tests::host::{Host, Setup, ended, gridwatch, private, terminate, until};
use gridwatch_tests::mmdb::database;
use gridwatch_tests::sim::{Slack, now};
use gridwatch_views::View;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const DAY: u64 = 86_400;
const OFFICE: &str = "198.51.100.9";
const EXIT: &str = "203.0.113.70";
const PEOPLE_TOKEN: &str = "xoxb-people";
/// Enrichments that every alert about a person's act has.
const ALWAYS: [&str; 6] = ["role", "recent_activity", "account", "activity", "address", "peers"];

/// Thirty-five days in which little happens, and then four things at once, each of another family.
struct Story {
    org: Org,
    from: u64,
    to: u64,
}

impl Story {
    fn told() -> Self {
        let to = now() - 120;
        let from = to - 35 * DAY;
        let mut org = generate(&OrgPlan { users: 12, stories: false, entries: Some(1), ..OrgPlan::default() });
        let mut story = Self { org: org.clone(), from, to };
        org.entries = story.entries();
        story.org = org;
        story
    }

    /// Somebody of the cast: the owner is first, then the second owner, then admins, then everybody else.
    fn user(&self, n: usize) -> &User {
        &self.org.users[n]
    }

    fn wire(&self, n: usize) -> Value {
        let user = self.user(n);
        json!({ "id": user.id, "name": user.name, "email": user.email, "team": self.org.workspaces[0].id })
    }

    fn entry(&self, at: u64, action: &str, actor: usize, entity: Value, ip: &str, details: Value) -> SimEntry {
        let place = &self.org.workspaces[0];
        let location = json!({ "type": "workspace", "id": place.id, "name": place.name, "domain": place.domain });
        let (ua, id) = ("Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/140.0", format!("{action}-{at}-{actor}"));
        let entry = json!({
            "id": id, "date_create": at, "action": action,
            "actor": { "type": "user", "user": self.wire(actor) },
            "entity": entity, "details": details,
            "context": { "location": location, "ip_address": ip, "ua": ua, "session_id": 912_345_678_u64 },
        });
        SimEntry::from_wire(&entry.to_string()).expect("an entry")
    }

    fn on_user(&self, n: usize) -> Value {
        json!({ "type": "user", "user": self.wire(n) })
    }

    fn entries(&self) -> Vec<SimEntry> {
        let day = |n: u64| self.from + n * DAY;
        let mut all = vec![
            self.entry(day(0), "role_change_to_owner", 0, self.on_user(1), OFFICE, json!({})),
            self.entry(day(0) + 60, "user_created", 1, self.on_user(5), OFFICE, json!({})),
            self.entry(day(0) + 90, "guest_created", 1, self.on_user(6), OFFICE, json!({})),
        ];
        for n in 1..35 {
            all.push(self.entry(day(n), "user_login", 5, self.on_user(5), OFFICE, json!({})));
            all.push(self.entry(day(n) + 60, "user_login", 1, self.on_user(1), OFFICE, json!({})));
        }
        let file = json!({ "type": "file", "file": { "id": "F1", "name": "a.pdf" } });
        all.push(self.entry(self.to - 4_000, "file_downloaded", 5, file, OFFICE, json!({})));
        all.extend(self.failures(self.to - 3_600));
        all.push(self.entry(self.to - 3_000, "role_change_to_admin", 1, self.on_user(6), OFFICE, json!({})));
        let scopes = ["admin", "admin.users:write", "auditlogs:read", "files:read"];
        let app = json!({ "id": "A0NEW", "name": "Helper", "scopes": scopes, "is_directory_approved": false });
        let installed = json!({ "is_internal_integration": true, "new_scopes": scopes });
        all.push(self.entry(
            self.to - 2_000,
            "app_installed",
            5,
            json!({ "type": "app", "app": app }),
            EXIT,
            installed,
        ));
        let plans = json!({ "id": "C0PLANS", "name": "plans", "privacy": "public", "is_shared": false });
        let opened = json!({ "type": "channel", "channel": plans });
        let action = "private_channel_converted_to_public";
        all.push(self.entry(self.to - 1_500, action, 5, opened, OFFICE, json!({})));
        let anomaly = json!({ "reason": ["tor", "session_fingerprint"], "previous_ip_address": OFFICE });
        all.push(self.entry(self.to - 1_000, "anomaly", 5, self.on_user(5), EXIT, anomaly));
        all
    }

    /// Twelve sign-ins that fail within two minutes.
    fn failures(&self, at: u64) -> Vec<SimEntry> {
        let failed = |n: u64| self.entry(at + n * 10, "user_login_failed", 5, self.on_user(5), EXIT, json!({}));
        (0..12).map(failed).collect()
    }

    fn slack(&self) -> Slack {
        let knobs = Knobs { people_token: Some(PEOPLE_TOKEN.into()), ..Knobs::unlimited() };
        Slack::with(self.org.clone(), SimConfig { knobs, ..SimConfig::default() })
    }

    /// With databases and lists; `enrich` are more lines of their section.
    fn host(&self, slack: &Slack, enrich: &str, more: &str) -> Host {
        let mut setup = Setup::new(&slack.base_url(), self.from - 60);
        setup.slack = "settle = \"5s\"\ninterval = \"1s\"\nmax_window = \"7d\"\n".into();
        setup.more = format!(
            "{more}\n[enrich]\ncity = \"city.mmdb\"\nasn = \"asn.mmdb\"\ntor = \"tor.txt\"\n{enrich}\n\
             [enrich.own]\n\"Berlin office\" = [\"198.51.100.0/24\"]\n"
        );
        let host = Host::new(&setup);
        let place = |country: &str| json!({ "country": { "iso_code": country }, "location": { "latitude": 52.5, "longitude": 13.4 } });
        let city = database("GeoLite2-City", &[("198.51.100.0", 24, place("DE")), ("203.0.113.0", 24, place("NL"))]);
        let system =
            |n: u32, name: &str| json!({ "autonomous_system_number": n, "autonomous_system_organization": name });
        let systems =
            [("198.51.100.0", 24, system(64_500, "Nordlicht")), ("203.0.113.64", 26, system(64_501, "Exit Hosting"))];
        for (name, bytes) in [("city.mmdb", city), ("asn.mmdb", database("GeoLite2-ASN", &systems))] {
            std::fs::write(host.path(name), bytes).expect("a database");
        }
        std::fs::write(host.path("tor.txt"), format!("# exits\n{EXIT}\n")).expect("a list");
        std::fs::write(host.path("people"), PEOPLE_TOKEN).expect("a token");
        private(&host.path("people"));
        host
    }
}

/// The newest alert of each module.
fn by_family(host: &Host) -> BTreeMap<String, Value> {
    let mut families = BTreeMap::new();
    for alert in host.lines("alerts.ndjson") {
        let rule = alert["metadata"]["event_code"].as_str().expect("a rule").to_owned();
        families
            .entry(rule.split('.').next().expect("a module").to_owned())
            .and_modify(|newest: &mut Value| newest.clone_from(&alert))
            .or_insert(alert);
    }
    families
}

/// The data of an enrichment.
fn enrichment<'a>(alert: &'a Value, kind: &str) -> &'a Value {
    let all = alert["enrichments"].as_array().expect("enrichments");
    let found = all.iter().find(|enrichment| enrichment["type"] == kind);
    &found.unwrap_or_else(|| panic!("no {kind} in {alert:#}"))["data"]
}

/// What an alert says that it lacks, with the reason.
fn lacks(alert: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let all = alert["enrichments"].as_array().expect("enrichments").iter();
    let lacks =
        all.filter(|enrichment| enrichment["type"] == "unknown").flat_map(|e| e["data"].as_array().expect("a list"));
    lacks.map(|lack| (text(&lack["what"]), text(&lack["why"]))).collect()
}

#[test]
fn four_alerts_of_four_families_tell_all_that_the_input_allows() {
    let story = Story::told();
    let slack = story.slack();
    let host = story.host(&slack, "token_file = \"people\"", "");
    host.run_once_well();
    let families = by_family(&host);
    let wanted: BTreeSet<&str> = ["anomaly", "apps", "channels", "privilege", "sign-in"].into();
    assert!(wanted.iter().all(|family| families.contains_key(*family)), "{:?}", families.keys());
    let schema = jsonschema::validator_for(&View::Ocsf.json_schema()).expect("a JSON Schema");
    for family in wanted {
        let alert = &families[family];
        let problems: Vec<String> = schema.iter_errors(alert).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(problems.is_empty(), "{family}: {problems:?}");
        let kinds: BTreeSet<&str> =
            alert["enrichments"].as_array().expect("a list").iter().filter_map(|e| e["type"].as_str()).collect();
        // What stands in the evidence isn't told a second time, and of the sign-in that is all.
        let is_told = |kind: &&str| kinds.contains(*kind) || *kind == "recent_activity" && family == "sign-in";
        assert!(ALWAYS.iter().all(|kind| is_told(kind)), "{family}: {kinds:?}");
        // What no log and no answer tells is unknown, and nothing else is.
        let account = enrichment(alert, "account");
        let told = |what: &str| account[what]["by"].clone();
        assert!(
            told("two_factor")["users_info"].is_u64() && alert["actor"]["user"]["has_mfa"].is_boolean(),
            "{account:#}"
        );
        assert!(told("role_now")["users_info"].is_u64(), "{account:#}");
        assert_eq!(told("external"), "log", "{account:#}");
        let unknown: BTreeSet<String> = lacks(alert).into_keys().collect();
        let allowed = ["account made", "target: account made", "target: dormant", "app's approval"].map(str::to_owned);
        assert!(unknown.is_subset(&allowed.into()), "{family}: {unknown:?}");
    }
    sign_in(&story, &families["sign-in"]);
    privilege(&story, &families["privilege"]);
    app(&story, &families["apps"]);
    channel(&families["channels"]);
    let alerts = enrichment(&families["anomaly"], "alerts").as_array().expect("a list");
    let rules: BTreeSet<&str> = alerts.iter().filter_map(|alert| alert["rule"].as_str()).collect();
    assert!(rules.contains("apps.install") && rules.contains("sign-in.burst"), "the same day's: {rules:?}");
    let anomaly = enrichment(&families["anomaly"], "address");
    assert_eq!((&anomaly["kind"], &anomaly["country"]), (&json!("tor"), &json!("NL")));
    shown(&host, &families["apps"]);
}

fn sign_in(story: &Story, alert: &Value) {
    let (account, activity) = (enrichment(alert, "account"), enrichment(alert, "activity"));
    assert_eq!(account["role_at_event"], json!({ "value": "member", "by": "log" }), "as user_created made them");
    assert_eq!(account["created"]["value"], json!(story.from + 60));
    assert_eq!((&account["dormant"]["value"], &account["deactivated"]["value"]), (&json!(false), &json!(false)));
    assert_eq!(activity["month"]["user"].as_u64(), Some(29), "one sign-in a day: {activity:#}");
    assert_eq!(activity["day_by_others"]["refused or flagged: user"], json!(10), "up to the tenth that failed");
    assert_eq!(activity["day"]["file"], json!(1));
    let at_office = &activity["addresses"][0];
    assert_eq!((&at_office["value"], &at_office["first"]), (&json!(OFFICE), &json!(story.from + DAY)));
    assert_eq!(activity["networks"].as_array().map(Vec::len), Some(1));
    assert_eq!(activity["countries"][0]["value"], "DE");
    assert_eq!(activity["sessions"][0]["id"], "912345678");
    assert_eq!(enrichment(alert, "session")["before"]["network"], "AS64500");
    let address = enrichment(alert, "address");
    assert_eq!((&address["before"], address["claimed_before"]["first"].is_u64()), (&Value::Null, true));
    for (key, want) in [("ip", EXIT), ("whose", "actor"), ("kind", "tor"), ("asn", "AS64501"), ("country", "NL")] {
        assert_eq!(address[key], want, "{key}");
    }
    assert_eq!(address["organization"], "Exit Hosting");
    let evidence = alert["evidences"].as_array().expect("evidence");
    let from = &evidence.last().expect("evidence")["src_endpoint"];
    assert_eq!(from["location"]["country"], "NL");
    assert_eq!(from["autonomous_system"], json!({ "number": 64_501, "name": "Exit Hosting" }));
    let peers = enrichment(alert, "peers");
    assert_eq!((&peers["action"], &peers["people"]), (&json!("user_login_failed"), &json!(0)));
    assert_eq!(peers["watched_s"], json!(30 * DAY));
}

fn privilege(story: &Story, alert: &Value) {
    let target = enrichment(alert, "target");
    assert_eq!(target["id"], story.user(6).id);
    assert_eq!(target["role_at_event"], json!({ "value": "guest", "by": "log" }));
    assert_eq!((&target["role_now"]["value"], &target["guest"]["value"]), (&json!("admin"), &json!(true)));
    assert_eq!(enrichment(alert, "account")["role_at_event"]["value"], "owner");
    let address = enrichment(alert, "address");
    assert_eq!((&address["own"], &address["country"]), (&json!("Berlin office"), &json!("DE")));
    assert_eq!(address["others"], json!([story.user(5).id]), "who was at the office that day");
    assert_eq!(enrichment(alert, "activity")["admin_act"], Value::Null, "they only made accounts before");
}

fn app(story: &Story, alert: &Value) {
    let app = enrichment(alert, "app");
    assert_eq!((&app["id"], &app["name"], &app["installs"]), (&json!("A0NEW"), &json!("Helper"), &json!(1)));
    assert_eq!((&app["first"], &app["installer"]), (&json!(story.to - 2_000), &json!(story.user(5).id)));
    assert_eq!(app["directory_approved"], json!(false));
    assert!(app["scopes"].as_array().expect("scopes").contains(&json!("auditlogs:read")));
    assert!(lacks(alert).contains_key("app's approval"));
}

fn channel(alert: &Value) {
    let channel = enrichment(alert, "channel");
    assert_eq!(
        (&channel["id"], &channel["name"], &channel["private"]),
        (&json!("C0PLANS"), &json!("plans"), &json!(false))
    );
    assert_eq!((&channel["shared"], &channel["sensitive"]), (&json!(false), &json!(true)));
    let members = &channel["members"];
    assert!(members["value"].as_u64() >= Some(3) && members["by"]["conversations_info"].is_u64(), "{channel:#}");
}

/// `gridwatch alerts show` has it as lines.
fn shown(host: &Host, alert: &Value) {
    let uid = alert["finding_info"]["uid"].as_str().expect("an id");
    let mut command = gridwatch();
    command.args(["alerts", "show", uid]).arg("--config").arg(host.path("gridwatch.toml"));
    let text = String::from_utf8(ended(&mut command).stdout).expect("UTF-8");
    for part in ["kind of address", "tor", "app's scopes", "others who did this in 30 days", "two-factor"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
}

/// Alerts as the sink got them: by finding the records, in order, each with its id.
fn records(host: &Host) -> BTreeMap<String, Vec<(String, Value)>> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let mut records: BTreeMap<String, Vec<(String, Value)>> = BTreeMap::new();
    for alert in host.lines("alerts.ndjson") {
        let id = text(&alert["metadata"]["uid"]);
        records.entry(text(&alert["finding_info"]["uid"])).or_default().push((id, alert));
    }
    records
}

#[test]
fn an_alert_is_sent_at_once_and_what_slack_says_follows() {
    let story = Story::told();
    let slack = story.slack();
    // Slack answers nothing, for much longer than the alert may take.
    slack.set_people_faults(vec![FaultKind::SlowBody { ms: 60_000 }.at(When::Every(1))]);
    let host = story.host(&slack, "token_file = \"people\"", "");
    let process = host.start(&[]);
    until("the alerts are there", || host.path("alerts.ndjson").exists() && by_family(&host).len() >= 4);
    for (id, alert) in
        records(&host).values().flatten().filter(|(_, a)| a["metadata"]["event_code"] != "gridwatch.risk")
    {
        assert!(!id.contains("enrichment"), "{id}");
        assert!(lacks(alert)["two-factor"].contains("Slack is being asked"), "{:?}", lacks(alert));
    }
    terminate(process);
    let fold: Vec<String> = records(&host).into_values().flatten().map(|(id, _)| id).collect();

    // What could not be asked is asked after the next start, and told in a record of its own.
    slack.set_people_faults(vec![]);
    host.run_once_well();
    let all = records(&host);
    let added: Vec<&(String, Value)> = all.values().flatten().filter(|(id, _)| !fold.contains(id)).collect();
    assert!(added.len() >= 4 && added.iter().all(|(id, _)| id.contains(":enrichment-1:")), "{added:?}");
    for (id, alert) in &added {
        assert!(enrichment(alert, "account")["two_factor"]["value"].is_boolean(), "{id}");
    }
    let ids: BTreeSet<&String> = all.values().flatten().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), all.values().flatten().count(), "no id comes twice");

    // The list shows an alert once, as it is known last; a replay, which asks nobody, makes the records of before.
    let listed =
        ended(gridwatch().args(["alerts", "list", "--json", "--limit", "0", "--state-dir"]).arg(host.path("state")));
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert_eq!(listed.lines().count(), all.len());
    let replay = ended(
        gridwatch()
            .args(["replay", "--format", "ndjson", "--config"])
            .arg(host.path("gridwatch.toml"))
            .arg("--archive")
            .arg(host.path("state/archive")),
    );
    let parse =
        |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["metadata"]["uid"].as_str().map(str::to_owned);
    let replayed: BTreeSet<String> = String::from_utf8_lossy(&replay.stdout).lines().filter_map(parse).collect();
    assert_eq!(replayed, fold.into_iter().collect());
}

#[test]
fn where_one_record_is_wanted_an_alert_waits_for_slack() {
    let story = Story::told();
    let slack = story.slack();
    let host = story.host(&slack, "token_file = \"people\"\nwait = \"10s\"", "");
    host.run_once_well();
    let all = records(&host);
    assert!(all.len() >= 4 && all.values().flatten().all(|(id, _)| !id.contains("enrichment")), "{:?}", all.keys());
    for (family, alert) in by_family(&host).iter().filter(|(family, _)| *family != "gridwatch") {
        assert!(enrichment(alert, "account")["two_factor"]["value"].is_boolean(), "{family}");
    }
}

#[test]
fn answers_are_kept_over_a_restart() {
    let story = Story::told();
    let slack = story.slack();
    let host = story.host(&slack, "token_file = \"people\"", "");
    host.run_once_well();
    let asked: BTreeSet<Vec<(String, String)>> =
        slack.stats().seen.into_iter().filter(|seen| seen.path == "/api/users.info").map(|seen| seen.params).collect();
    assert_eq!(slack.stats().people_requests, asked.len() as u64, "each person once: {asked:?}");
    assert!(asked.len() >= 3);
    let before = host.alerts().len();
    let at = now();
    slack.push(vec![story.entry(at, "role_change_to_owner", 1, story.on_user(5), OFFICE, json!({}))]);
    until("time that is past the settle time", || now() > at + 5 + 1);
    host.run_once_well();
    assert!(host.alerts().len() > before, "the second run found more");
    assert_eq!(slack.stats().people_requests, asked.len() as u64, "and asked nothing");
    let newest = host.lines("alerts.ndjson").pop().expect("an alert");
    assert!(enrichment(&newest, "account")["two_factor"]["value"].is_boolean());
}

/// Runs it with people that can't be asked; the alerts come all the same, in time, and say why they lack what they lack.
fn without_people(faults: Vec<Fault>, enrich: &str, more: &str) -> (u64, u64, BTreeMap<String, Value>) {
    let story = Story::told();
    let slack = story.slack();
    slack.set_people_faults(faults);
    let host = story.host(&slack, enrich, more);
    let began = now();
    host.run_once_well();
    let families = by_family(&host);
    assert!(families.len() >= 4, "{:?}", families.keys());
    (slack.stats().people_requests, now() - began, families)
}

const TOKEN: &str = "token_file = \"people\"\nwait = \"1s\"";
/// Each event alone: as many chances to wait as there are alerts.
const ALONE: &str = "[detect]\nbatch = 1";

fn assert_lacking(families: &BTreeMap<String, Value>, why: &str) {
    for (family, alert) in families.iter().filter(|(family, _)| *family != "gridwatch") {
        let lacks = lacks(alert);
        assert!(lacks["two-factor"].contains(why), "{family}: {lacks:?}");
        // What the log tells is there.
        assert_eq!(enrichment(alert, "address")["ip"].as_str().map(str::is_empty), Some(false));
        assert!(enrichment(alert, "account")["role_now"]["by"] != json!({}));
    }
}

#[test]
fn without_a_token_nobody_is_asked() {
    let (asked, _, families) = without_people(vec![], "", "");
    assert_eq!(asked, 0);
    assert_lacking(&families, "users.info was not asked");
}

#[test]
fn alerts_do_not_wait_for_slack_when_it_is_slow() {
    let slow = FaultKind::SlowBody { ms: 60_000 }.at(When::Every(1));
    let (asked, took_s, families) = without_people(vec![slow], TOKEN, ALONE);
    assert_lacking(&families, "no answer");
    // Three waits of a second each, then nobody is asked for a while.
    assert!(asked <= 6 && took_s < 40, "{asked} asked, {took_s} s");
}

#[test]
fn alerts_do_not_wait_for_slack_when_it_is_down() {
    let down = FaultKind::DropConnection.at(When::Every(1));
    let (asked, _, families) = without_people(vec![down], TOKEN, ALONE);
    assert_lacking(&families, "Slack can't be reached");
    assert!((1..=6).contains(&asked), "{asked}");
}

#[test]
fn slack_is_left_alone_when_it_has_had_enough() {
    let enough = FaultKind::RateLimit { retry_after: 600 }.at(When::Every(1));
    let (asked, _, families) = without_people(vec![enough], TOKEN, ALONE);
    assert_lacking(&families, "rate limited; not asked again before");
    assert!((1..=2).contains(&asked), "one batch asked, for its actor and target: {asked}");
}

#[test]
fn a_token_that_may_not_ask_is_told_of() {
    let scope = FaultKind::OkFalse { error: "missing_scope".into() }.at(When::Every(1));
    let (asked, _, families) = without_people(vec![scope], TOKEN, ALONE);
    assert_lacking(&families, "Slack said missing_scope; not asked again before");
    assert!((1..=2).contains(&asked), "{asked}");
}

#[test]
fn a_second_factor_that_somebody_no_longer_has_is_told_once() {
    let story = Story::told();
    let slack = story.slack();
    let host = story.host(&slack, "token_file = \"people\"\nroster = \"1s\"", "");
    let told = |host: &Host| -> Vec<Value> {
        let of_roster = |alert: &Value| alert["metadata"]["event_code"] == "gridwatch.second-factor-off";
        host.lines("alerts.ndjson").into_iter().filter(of_roster).collect()
    };
    let (owner, member) = (&story.user(1).id, &story.user(7).id);
    slack.set_two_factor(member, true);
    host.run_once_well();
    assert_eq!(told(&host).len(), 0, "nothing to compare with yet");
    slack.set_two_factor(owner, false);
    slack.set_two_factor(member, false);
    // A list that breaks off says nothing.
    slack.set_people_faults(vec![FaultKind::OkFalse { error: "internal_error".into() }.at(When::Every(1))]);
    let at = now();
    until("the next look is due", || now() > at + 1);
    host.run_once_well();
    assert_eq!(told(&host).len(), 0);
    slack.set_people_faults(vec![]);
    host.run_once_well();
    host.run_once_well();
    let severities: BTreeMap<String, String> = told(&host)
        .iter()
        .map(|alert| (alert["finding_info"]["title"].to_string(), alert["severity"].as_str().expect("text").to_owned()))
        .collect();
    assert_eq!((told(&host).len(), severities.len()), (2, 2), "once each: {severities:?}");
    assert_eq!(severities.values().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(["High", "Medium"]));
}

#[test]
fn a_broken_database_or_list_is_a_problem_of_the_configuration() {
    let story = Story::told();
    let slack = story.slack();
    let host = story.host(&slack, "", "");
    let check = || {
        let mut command = gridwatch();
        let output = ended(command.arg("check").arg("--config").arg(host.path("gridwatch.toml")));
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (well, said) = check();
    assert!(well, "{said}");
    std::fs::write(host.path("city.mmdb"), "no database").expect("a file");
    std::fs::copy(host.path("tor.txt"), host.path("asn.mmdb")).expect("a file");
    std::fs::write(host.path("tor.txt"), "203.0.113.1\nexit.example\n").expect("a file");
    let (well, said) = check();
    assert!(!well);
    for part in [
        "enrich.city: ",
        "city.mmdb is not a MaxMind database",
        "enrich.asn: ",
        "enrich.tor: ",
        "tor.txt: line 2: `exit.example`",
    ] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    let asn = database("GeoLite2-ASN", &[]);
    std::fs::write(host.path("city.mmdb"), asn).expect("a file");
    assert!(check().1.contains("is a database of type `GeoLite2-ASN`"), "{}", check().1);
}
