//! What attackers do next, as an exercise had it, and what honest people do that looks like it: each story is put into three weeks of
//! ordinary life, goes through `gridwatch replay`, and has to be told as loud and as soon as it should, or not at all.

use gridwatch_tests::host::{Host, Setup, gridwatch, our_modules};
use serde_json::{Value, json};

/// 2026-11-02T00:00:00Z, a Monday.
const FROM: u64 = 1_793_577_600;
const DAY: u64 = 86_400;
const HOUR: u64 = 3_600;
const MINUTE: u64 = 60;
/// On which the stories happen, nearly all.
const LATER: u64 = FROM + 16 * DAY;
const MEDIUM: u64 = 3;
const HIGH: u64 = 4;

const DESKTOP: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/136.0.6998.44 Safari/537.36 Slack_SSB/4.46.69 Electron/36.2.5";
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:139.0) Gecko/20100101 Firefox/139.0";
const PHONE: &str = "slack/26.11.31.0.48211 (samsung SM-S933B; Android 16; en_GB)";
const OFFICE: &str = "198.51.100.17";
const ELSEWHERE: &str = "203.0.113.250";
const NETWORKS: &str = "198.51.100.0/24,AS64496,DE,52.52,13.38,\n203.0.113.0/24,AS60729,DE,50.1,8.7,tor\n\
                        192.0.2.0/24,AS21928,US,39.0,-98.0,\n";

/// A log in the making.
#[derive(Default)]
struct Log {
    entries: Vec<(u64, Value)>,
}

/// Where somebody is, and with what.
#[derive(Clone, Copy)]
struct At<'a> {
    ip: &'a str,
    ua: &'a str,
    session: u64,
}

const fn desk(person: u64) -> At<'static> {
    At { ip: OFFICE, ua: DESKTOP, session: 1_000 + person }
}

fn user(person: u64) -> Value {
    json!({"id": format!("W0PERSON{person}"), "name": format!("Person {person}"),
           "email": format!("person{person}@southmere.example"), "team": "E0SOUTHMERE"})
}

fn of_user(person: u64) -> Value {
    json!({"type": "user", "user": user(person)})
}

fn file(name: &str) -> Value {
    json!({"type": "file", "file": {"id": format!("F0{name}"), "name": format!("{name}.docx"), "title": name}})
}

fn channel(name: &str, privacy: &str) -> Value {
    json!({"type": "channel", "channel": {"id": format!("C0{name}"), "name": name, "privacy": privacy}})
}

fn app(id: &str, name: &str) -> Value {
    json!({"id": id, "name": name, "is_distributed": true, "scopes": ["files:read"]})
}

impl Log {
    /// Ten people who come by single sign-on, and take a few files a day from the office.
    fn of_ordinary_life() -> Self {
        let mut log = Self::default();
        for day in 0..16 {
            for person in 0..10 {
                let at = FROM + day * DAY + 8 * HOUR + person * 7 * MINUTE;
                if (day + person) % 5 == 0 {
                    log.sign_in(at, person, desk(person));
                }
                for n in 0..2 + (day + person) % 3 {
                    log.take(at + (n + 1) * 20 * MINUTE, person, &format!("USUAL{day}N{person}N{n}"), desk(person));
                }
            }
        }
        log
    }

    fn put(&mut self, at: u64, action: &str, person: u64, entity: Value, place: At<'_>, more: Value) {
        let id = format!("{}-{}", self.entries.len(), action);
        let session = if place.session == 0 { Value::Null } else { place.session.into() };
        let mut context = json!({"location": {"id": "E0SOUTHMERE", "name": "Southmere", "type": "enterprise"},
                                 "ua": place.ua, "ip_address": place.ip, "session_id": session});
        let mut details = more;
        if let Some(app) = details.as_object_mut().and_then(|details| details.remove("app")) {
            context["app"] = app;
        }
        let entry = json!({"id": id, "date_create": at, "action": action, "entity": entity, "context": context,
                           "actor": {"type": "user", "user": user(person)}, "details": details});
        self.entries.push((at, entry));
    }

    fn sign_in(&mut self, at: u64, person: u64, place: At<'_>) {
        self.put(at, "user_login", person, of_user(person), place, json!({"label": "Okta", "config_type": "saml"}));
    }

    /// Past the identity provider: the entry says nothing.
    fn enter(&mut self, at: u64, person: u64, place: At<'_>) {
        self.put(at, "user_login", person, of_user(person), place, json!({}));
    }

    fn fail(&mut self, at: u64, person: u64, ip: &str) {
        let place = At { ip, ua: BROWSER, session: 0 };
        self.put(at, "user_login_failed", person, of_user(person), place, json!({}));
    }

    fn take(&mut self, at: u64, person: u64, name: &str, place: At<'_>) {
        self.put(at, "file_downloaded", person, file(name), place, json!({}));
    }

    /// So many files, one a minute.
    fn take_many(&mut self, at: u64, person: u64, count: u64, place: At<'_>) {
        (0..count).for_each(|n| self.take(at + n * MINUTE, person, &format!("TAKEN{at}N{n}"), place));
    }

    fn read_by_app(&mut self, at: u64, gap: u64, count: u64, app: &Value) {
        let place = At { ip: "192.0.2.7", ua: "Collector/4.2", session: 0 };
        for n in 0..count {
            self.put(at + n * gap, "file_downloaded", 9, file(&format!("READ{at}N{n}")), place, json!({"app": app}));
        }
    }

    fn by_admin(&mut self, at: u64, action: &str, person: u64, more: Value) {
        self.put(at, action, 8, of_user(person), desk(8), more);
    }

    /// The alerts of Medium and above: rule, severity, time, title.
    fn told(mut self, config: &str) -> Vec<(String, u64, u64, String)> {
        self.entries.sort_by_key(|(at, _)| *at);
        let host = Host::new(&Setup::new("http://127.0.0.1:9", FROM));
        let (file, networks) = (host.path("entries.ndjson"), host.path("networks.csv"));
        let more = config.replace("networks.csv", &networks.display().to_string());
        host.configure(&Setup { more, ..Setup::new("http://127.0.0.1:9", FROM) });
        let lines: Vec<String> = self.entries.iter().map(|(_, entry)| entry.to_string()).collect();
        std::fs::write(&file, lines.join("\n")).expect("a file");
        std::fs::write(&networks, NETWORKS).expect("a file");
        let mut command = gridwatch();
        command.arg("replay").arg(&file).arg("--modules").arg(our_modules());
        command.arg("--config").arg(host.path("gridwatch.toml"));
        let output = command.output().expect("gridwatch runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let alerts = String::from_utf8(output.stdout).expect("UTF-8");
        let read = |line: &str| {
            let alert: Value = serde_json::from_str(line).expect("JSON");
            let finding = &alert["finding_info"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let number = |value: &Value| value.as_u64().unwrap_or_default();
            let (rule, title) = (text(&finding["analytic"]["uid"]), text(&finding["title"]));
            (rule, number(&alert["severity_id"]), number(&alert["time"]) / 1_000, title)
        };
        alerts.lines().map(read).filter(|(_, severity, ..)| *severity >= MEDIUM).collect()
    }
}

/// Has the rule told it, so loud, by this time?
fn assert_told(log: Log, config: &str, rule: &str, least: u64, by: u64) {
    let told = log.told(config);
    let fits = |alert: &&(String, u64, u64, String)| alert.0 == rule && alert.1 >= least && alert.2 <= by;
    assert!(told.iter().any(|alert| fits(&alert)), "not told by {rule} at {least} until {by}: {told:#?}");
}

fn assert_quiet(log: Log, config: &str) {
    let told = log.told(config);
    assert!(told.is_empty(), "{told:#?}");
}

const WITH_NETWORKS: &str = "[detect]\nnetworks = \"networks.csv\"\n";

#[test]
fn ordinary_life_is_quiet() {
    assert_quiet(Log::of_ordinary_life(), "");
    assert_quiet(Log::of_ordinary_life(), WITH_NETWORKS);
}

#[test]
fn one_intruder_in_several_accounts_is_told_at_the_second() {
    for gap in [5 * MINUTE, 90 * MINUTE] {
        let mut log = Log::of_ordinary_life();
        for person in 0..5 {
            let at = LATER + 13 * HOUR + person * gap;
            let place = At { ip: ELSEWHERE, ua: BROWSER, session: 5_000 + person };
            log.enter(at, person, place);
            log.take_many(at + MINUTE, person, 14, place);
        }
        assert_told(log, "", "places.several-accounts", HIGH, LATER + 13 * HOUR + gap);
    }
}

#[test]
fn an_account_that_was_handed_over_is_told_when_it_is_entered() {
    let place = At { ip: ELSEWHERE, ua: BROWSER, session: 5_000 };
    let mut by_provider = Log::of_ordinary_life();
    let at = LATER + 20 * HOUR;
    by_provider.by_admin(at, "user_email_updated", 3, json!({"email": "cfo@northgate-it.example"}));
    by_provider.put(
        at + 2 * MINUTE,
        "user_password_reset_requested",
        3,
        of_user(3),
        At { session: 0, ..place },
        json!({}),
    );
    by_provider.enter(at + 6 * MINUTE, 3, place);
    assert_told(by_provider, "", "sessions.handed-over", HIGH, at + 30 * MINUTE);
    let mut brought_back = Log::of_ordinary_life();
    let at = LATER + 4 * HOUR;
    brought_back.by_admin(at, "user_reactivated", 4, json!({}));
    brought_back.by_admin(at + 30, "user_password_reset_by_admin", 4, json!({}));
    brought_back.enter(at + 400, 4, place);
    brought_back.take_many(at + 500, 4, 24, place);
    assert_told(brought_back, "", "sessions.handed-over", MEDIUM, at + HOUR);
}

#[test]
fn slow_collecting_is_told_on_the_third_day() {
    let mut log = Log::of_ordinary_life();
    for day in 0..4 {
        for n in 0..42 {
            log.take(LATER + day * DAY + 8 * HOUR + n * 12 * MINUTE, 2, &format!("SLOW{day}N{n}"), desk(2));
        }
    }
    assert_told(log, "", "files.slow", MEDIUM, LATER + 3 * DAY);
}

#[test]
fn an_apps_day_is_told_also_of_one_that_reads_in_bulk_by_order() {
    let mut quiet_app = Log::of_ordinary_life();
    let pal = app("A06YVR5C83L", "Pipeline Pal");
    quiet_app.read_by_app(LATER + 5 * HOUR, 144, 350, &pal);
    assert_told(quiet_app, "", "files.app-day", MEDIUM, LATER + 12 * HOUR);
    let archive = app("A0KG2L6CD43", "Relativity Archive");
    let mut by_order = Log::of_ordinary_life();
    (0..16).for_each(|day| by_order.read_by_app(FROM + day * DAY, HOUR, 20, &archive));
    by_order.read_by_app(LATER + 2 * HOUR, 14, 1_200, &archive);
    let config = "[modules.config.files]\nbulk_apps = [\"A0KG2L6CD43\"]\n";
    assert_told(by_order, config, "files.app-day", MEDIUM, LATER + 6 * HOUR);
}

#[test]
fn a_spray_over_many_nights_is_told_and_so_is_whom_it_got() {
    let mut log = Log::of_ordinary_life();
    let at = FROM + 8 * DAY + 23 * HOUR + 20 * MINUTE;
    (0..14).for_each(|n| log.fail(at + n * 4 * MINUTE, n / 2, "203.0.113.67"));
    (0..2).for_each(|n| log.fail(at + 4 * DAY + n * 6 * MINUTE, 7, "192.0.2.54"));
    log.enter(LATER + HOUR, 7, At { ip: "100.64.117.62", ua: BROWSER, session: 5_000 });
    let told = log.told("");
    let has = |rule: &str, least: u64, by: u64| told.iter().any(|a| a.0 == rule && a.1 >= least && a.2 <= by);
    assert!(has("places.slow-spray", MEDIUM, at + 2 * HOUR), "{told:#?}");
    assert!(has("places.entered-after-tries", HIGH, LATER + HOUR), "{told:#?}");
}

#[test]
fn one_session_in_two_places_is_told_with_a_table_of_networks() {
    let mut log = Log::of_ordinary_life();
    for n in 0..22 {
        let at = LATER + 12 * HOUR + n * 2 * MINUTE;
        log.take(at, 6, &format!("id_rsa_{n}"), At { ip: ELSEWHERE, ..desk(6) });
        if n % 2 == 0 {
            log.take(at + 40, 6, &format!("WORK{n}"), desk(6));
        }
    }
    assert_told(log, WITH_NETWORKS, "sessions.two-places", HIGH, LATER + 13 * HOUR);
}

#[test]
fn channels_that_are_opened_to_one_account_and_emptied_are_told() {
    let mut log = Log::of_ordinary_life();
    for n in 0..60 {
        let more = json!({"type": "INVITED", "inviter": {"type": "user", "user": user(8)}});
        let opened = channel(&format!("PRIVATE{n}"), "private");
        log.put(LATER + 21 * HOUR + n * 12, "user_channel_join", 5, opened, desk(8), more);
    }
    log.take_many(LATER + 21 * HOUR + 25 * MINUTE, 5, 28, desk(5));
    assert_told(log, "", "files.opened-then-taken", MEDIUM, LATER + 22 * HOUR);
}

#[test]
fn newcomers_and_new_phones_are_quiet() {
    let mut newcomers = Log::of_ordinary_life();
    for person in 20..25 {
        let at = LATER + 8 * HOUR + person * 9 * MINUTE;
        newcomers.put(at - 2 * HOUR, "user_joined_workspace", person, of_user(person), desk(8), json!({}));
        newcomers.sign_in(at, person, desk(person));
        for n in 0..35 {
            let place = desk(person);
            let there = channel(&format!("OPEN{n}"), "public");
            newcomers.put(at + n * 55, "public_channel_preview", person, there.clone(), place, json!({}));
            newcomers.put(at + n * 55 + 5, "user_channel_join", person, there, place, json!({"type": "JOINED"}));
            newcomers.take(at + n * 55 + 9, person, &format!("ONBOARDING{n}"), place);
        }
    }
    assert_quiet(newcomers, "");
    let mut phones = Log::of_ordinary_life();
    for person in 0..6 {
        let at = LATER + 9 * HOUR + person * 20 * MINUTE;
        phones.sign_in(at, person, desk(person));
        phones.sign_in(at + 15 * MINUTE, person, At { ip: "192.0.2.96", ua: PHONE, session: 6_000 + person });
        phones.sign_in(at + 40 * MINUTE, person, At { ua: BROWSER, session: 7_000 + person, ..desk(person) });
    }
    assert_quiet(phones, WITH_NETWORKS);
}
