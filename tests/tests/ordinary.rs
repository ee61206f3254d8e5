//! What every organization does daily, in the shape of captured entries, through `gridwatch replay`: nothing of it may be told.
//!
//! The entries are written here, by hand, and share nothing with the generator. Each habit is tried on a log that begins with
//! it and on one that knows the people for three weeks, and stands beside an act of the same shape that has to be told.

use gridwatch_tests::host::{Host, Setup, gridwatch, our_modules};
use serde_json::{Value, json};
use std::path::Path;

/// 2026-09-14T09:00:00Z, a Monday.
const MONDAY: u64 = 1_789_376_400;
const DAY: u64 = 86_400;
const HQ: &str = "T0ACMEHQ01";
const ORG: &str = "E0ACME0001";
const INFORMATIONAL: u64 = 1;
const LOW: u64 = 2;
const MEDIUM: u64 = 3;
const CLIENT: &str = "OKTA CPC Slack Integration";

/// A log that is being written: one entry after the other, each with its own time.
#[derive(Default)]
struct Log {
    entries: Vec<Value>,
}

/// Somebody of the house; the first three are admins.
fn person(n: u64) -> Value {
    let kind = if n < 3 { "WORKSPACE_ADMIN" } else { "FULL_MEMBER" };
    json!({
        "id": format!("W0PERSON{n:03}"), "name": format!("Person {n}"), "email": format!("person{n}@acme.example"),
        "team": ORG, "account_type": kind,
    })
}

fn desk(n: u64) -> Value {
    json!({
        "location": { "type": "workspace", "id": HQ, "name": "HQ", "domain": "acme-hq" },
        "ua": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.7204.100 \
               Safari/537.36 Slack_SSB/4.45.69 Electron/37.2.5",
        "ip_address": format!("198.51.100.{}", 10 + n), "session_id": 9_000_000_000_000_u64 + n,
    })
}

/// As captured of what ends an OAuth flow: the app's server, no session, no app.
fn server(client: &str, host: u64) -> Value {
    json!({
        "location": { "type": "enterprise", "id": ORG, "name": "Acme", "domain": "acme" },
        "ua": client, "ip_address": format!("203.0.113.{host}"), "session_id": null,
    })
}

fn channel(id: &str, privacy: &str) -> Value {
    json!({
        "type": "channel",
        "channel": {
            "id": id, "name": format!("project-{}", id.to_lowercase()), "privacy": privacy, "is_shared": false,
            "is_org_shared": false, "original_connected_channel_id": "", "is_salesforce_channel": false,
        },
    })
}

fn user(user: &Value) -> Value {
    json!({ "type": "user", "user": user })
}

fn role(id: &str, name: &str) -> Value {
    json!({ "type": "role", "role": { "id": id, "name": name, "type": "0" } })
}

fn app(id: &str, name: &str, scopes: &[&str], bot_scopes: &[&str]) -> Value {
    json!({
        "type": "app",
        "app": {
            "id": id, "name": name, "is_distributed": true, "is_directory_approved": true, "is_workflow_app": false,
            "scopes": scopes, "bot_scopes": bot_scopes,
        },
    })
}

impl Log {
    /// Three weeks in which these people signed in and worked, each from their own desk.
    fn known(people: impl Iterator<Item = u64> + Clone) -> Self {
        let mut log = Self::default();
        for day in (1..=21).rev().filter(|day| !matches!(day % 7, 1 | 2)) {
            for n in people.clone() {
                let (at, who) = (MONDAY - day * DAY + n * 7, person(n));
                let details = json!({ "authentication_method": "magic_link" });
                log.put(at, "user_login", &who, user(&who), desk(n), Some(details));
                let file = json!({ "id": format!("F0{day:02}{n:06}"), "name": "notes.txt", "filetype": "text/plain", "title": "notes" });
                log.put(at + 600, "file_downloaded", &who, json!({ "type": "file", "file": file }), desk(n), None);
            }
        }
        log.entries.sort_by_key(|entry| entry["date_create"].as_u64());
        log
    }

    fn put(&mut self, at: u64, action: &str, by: &Value, entity: Value, context: Value, details: Option<Value>) {
        let mut entry = json!({
            "id": format!("0d1e5a00-0000-4000-8000-{:012}", self.entries.len()),
            "date_create": at, "action": action, "actor": { "type": "user", "user": by },
            "entity": entity, "context": context,
        });
        if let Some(details) = details {
            entry["details"] = details;
        }
        self.entries.push(entry);
    }

    /// Made, and managed by its maker from that second on.
    fn make_channel(&mut self, at: u64, maker: u64, id: &str, privacy: &str) {
        let who = person(maker);
        self.put(at, &format!("{privacy}_channel_created"), &who, channel(id, privacy), desk(maker), None);
        self.assign(at, maker, maker, ("Rl0A", "Channel Manager"), id);
    }

    fn assign(&mut self, at: u64, by: u64, to: u64, (id, name): (&str, &str), scope: &str) {
        let details = json!({ "target_user": person(to)["id"], "target_entity": scope });
        self.put(at, "role_assigned", &person(by), role(id, name), desk(by), Some(details));
    }

    /// What `gridwatch replay` tells of it: (severity, title) of each alert as it stands in the end, above Informational.
    fn told(&self, config: &str) -> Vec<(u64, String)> {
        let host = Host::new(&Setup { more: config.into(), ..Setup::new("http://127.0.0.1:9", MONDAY) });
        let file = host.path("entries.ndjson");
        let lines: String = self.entries.iter().map(|entry| format!("{entry}\n")).collect();
        std::fs::write(&file, lines).expect("a file");
        let mut alerts = alerts(&file, &host.path("gridwatch.toml"));
        alerts.retain(|(severity, _)| *severity > INFORMATIONAL);
        alerts
    }
}

fn alerts(file: &Path, config: &Path) -> Vec<(u64, String)> {
    let mut replay = gridwatch();
    replay.arg("replay").arg(file).arg("--modules").arg(our_modules()).arg("--config").arg(config);
    let output = replay.output().expect("gridwatch runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut newest = std::collections::BTreeMap::new();
    for line in String::from_utf8(output.stdout).expect("UTF-8").lines() {
        let alert: Value = serde_json::from_str(line).expect("JSON");
        let severity = alert["severity_id"].as_u64().expect("a severity");
        let title = alert["finding_info"]["title"].as_str().expect("a title").to_owned();
        newest.insert(alert["finding_info"]["uid"].to_string(), (severity, title));
    }
    newest.into_values().collect()
}

/// A log that begins with the habit, and one that knows the people.
fn both(people: std::ops::Range<u64>) -> [Log; 2] {
    [Log::default(), Log::known(people)]
}

fn worst(told: &[(u64, String)]) -> u64 {
    told.iter().map(|(severity, _)| *severity).max().unwrap_or(0)
}

#[test]
fn fifty_channels_made_by_five_members_are_silent() {
    for mut log in both(0..12) {
        for n in 0..50 {
            let (maker, at) = (5 + n % 5, MONDAY + n * 70);
            log.make_channel(at, maker, &format!("C0PROJ{n:04}"), if n % 3 == 0 { "private" } else { "public" });
            if n % 4 == 0 {
                // A colleague is made its manager too.
                log.assign(at + 9, maker, 11, ("Rl0A", "Channel Manager"), &format!("C0PROJ{n:04}"));
            }
        }
        assert_eq!(log.told(""), []);
    }
}

/// The same entry, but for where the role holds.
#[test]
fn a_role_that_holds_for_more_than_a_channel_is_told() {
    for scope in [HQ, ORG] {
        let mut log = Log::known(0..12);
        log.assign(MONDAY, 5, 5, ("Rl0A", "Channel Manager"), scope);
        let told = log.told("");
        assert!(worst(&told) >= MEDIUM, "{scope}: {told:?}");
    }
}

#[test]
fn a_workspace_made_is_one_low() {
    for (log, rights) in both(0..12).into_iter().zip([8, 30]) {
        let mut log = log;
        let (maker, place) = (person(0), "T0ACMENEW1");
        let workspace =
            json!({ "type": "workspace", "workspace": { "id": place, "name": "Field", "domain": "acme-field" } });
        log.put(MONDAY, "workspace_created", &maker, workspace, desk(0), None);
        let types = [
            (1002, "FULL_MEMBER"),
            (1003, "MULTI_CHANNEL_GUEST"),
            (1006, "WORKSPACE_ADMIN"),
            (1007, "WORKSPACE_OWNER"),
        ];
        for n in 0..rights {
            let (id, name) = types[n % types.len()];
            let entity = json!({ "type": "account_type_role", "account_type_role": { "id": id, "name": name } });
            let details = json!({ "changed_permissions": ["manage_channels"], "is_allowed": "ALLOWED", "target_entity_id": place });
            log.put(MONDAY, "permissions_assigned", &maker, entity, desk(0), Some(details));
        }
        log.make_channel(MONDAY, 0, "C0GENERAL9", "public");
        log.make_channel(MONDAY, 0, "C0RANDOM09", "public");
        let told = log.told("");
        assert_eq!(told.iter().map(|(severity, _)| *severity).collect::<Vec<_>>(), [LOW], "{told:?}");
    }
}

#[test]
fn harmless_apps_installed_by_ordinary_people_are_silent() {
    const CLIENTS: [&str; 4] =
        ["python-requests/2.32.3", "okhttp/4.12.0", "@slack:bolt/3.22.0 node/20.18.0", "axios/1.7.7"];
    for mut log in both(0..12) {
        for n in 0..8 {
            let (who, at) = (person(4 + n), MONDAY + n * 3_600);
            let context = server(CLIENTS[n as usize % 4], 20 + n);
            let (scopes, bot_scopes) = (["links:read", "links:write"], ["commands", "chat:write", "users:read"]);
            let added = app(&format!("A0HARMLS{n:02}"), "Polls and Notes", &scopes, &bot_scopes);
            let details =
                json!({ "is_internal_integration": false, "app_owner_id": "", "is_token_rotation_enabled_app": false });
            log.put(at, "app_installed", &who, added.clone(), context.clone(), Some(details));
            let bot = json!({
                "id": format!("U0BOT{n:05}"), "name": "polls", "email": format!("botuser-{HQ}-A0HARMLS{n:02}@slack-bots.com"), "team": HQ,
            });
            log.put(at, "user_created", &who, user(&bot), context.clone(), None);
            // Authorized again, with what it has.
            let all = [&scopes[..], &bot_scopes].concat();
            let details = json!({ "is_internal_integration": false, "new_scopes": all, "previous_scopes": all });
            log.put(at + 900, "app_scopes_expanded", &who, added, context, Some(details));
        }
        assert_eq!(log.told(""), []);
    }
}

/// The same flow, the same server; what the app may do is another thing.
#[test]
fn an_app_that_may_read_everything_is_told_though_its_server_installs_it() {
    let mut log = Log::known(0..12);
    let reads = ["admin", "channels:history", "groups:history", "files:read", "search:read"];
    let details =
        json!({ "is_internal_integration": false, "app_owner_id": "", "is_token_rotation_enabled_app": false });
    let mut added = app("A0GREEDY01", "Minutes Pro", &reads, &[]);
    added["app"]["is_directory_approved"] = false.into();
    log.put(MONDAY, "app_installed", &person(7), added, server("okhttp/4.12.0", 30), Some(details));
    let told = log.told("");
    assert!(worst(&told) >= MEDIUM, "{told:?}");
}

/// 25 leavers within a minute: deactivated, out of their groups, signed out.
fn leavers(log: &mut Log, by: &Value, context: &Value) {
    let of_the_app = json!({ "id": "A0OKTASCIM", "name": "Okta", "is_distributed": true, "is_directory_approved": true, "scopes": ["admin"] });
    for n in 0..25 {
        let (at, leaver) = (MONDAY + n * 2, person(100 + n));
        log.put(at, "user_deactivated", by, user(&leaver), context.clone(), None);
        let group = json!({ "type": "usergroup", "usergroup": { "id": format!("S0GROUP{n:03}"), "name": "staff" } });
        log.put(at, "user_removed_from_usergroup", by, group, context.clone(), Some(json!({ "user": leaver["id"] })));
        // The app stands on some of its acts only.
        let mut with_app = context.clone();
        with_app["app"] = of_the_app.clone();
        log.put(at + 1, "user_session_invalidated", by, user(&leaver), with_app, None);
    }
}

#[test]
fn leavers_by_a_provisioning_account_that_is_named_are_silent() {
    let robin = json!({ "id": "W0ROBIN0001", "name": "Robin Keller", "email": "robin.keller@acme.example", "team": ORG, "account_type": "WORKSPACE_ADMIN" });
    for mut log in both(100..125) {
        leavers(&mut log, &robin, &server(CLIENT, 40));
        assert_eq!(log.told("[detect.provisioning]\naccounts = [\"W0ROBIN0001\"]\n"), []);
        // A client is whatever its caller says it is: to name that alone is worth less.
        let told = log.told(&format!("[detect.provisioning]\nclients = [\"{CLIENT}\"]\n"));
        assert!(worst(&told) <= LOW, "{told:?}");
    }
}

/// The same acts by somebody at a desk, whom nobody named.
#[test]
fn leavers_by_somebody_else_are_told() {
    let mut log = Log::known(0..12);
    (100..125).for_each(|n| log.entries.extend(Log::known(n..n + 1).entries));
    log.entries.sort_by_key(|entry| entry["date_create"].as_u64());
    let ids = 0..log.entries.len();
    ids.for_each(|n| log.entries[n]["id"] = format!("0d1e5a00-0000-4000-8000-{n:012}").into());
    leavers(&mut log, &person(5), &desk(5));
    let told = log.told("[detect.provisioning]\naccounts = [\"W0ROBIN0001\"]\n");
    assert!(worst(&told) >= MEDIUM, "{told:?}");
}

/// The other habits of the captured entries, each of which some rule has taken for an attack or might.
#[test]
fn robots_videos_dashboards_and_calls_are_silent() {
    for mut log in both(0..12) {
        // One video played.
        let video = json!({ "type": "file", "file": { "id": "F0VIDEO001", "name": "all-hands.mp4", "filetype": "video/mp4", "title": "all-hands" } });
        (0..19).for_each(|n| log.put(MONDAY + n * 2, "file_downloaded", &person(6), video.clone(), desk(6), None));
        // Robots that preview a link which needs a sign-in.
        for n in 0..3 {
            let robot = server("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", 50);
            log.put(MONDAY + 400 + n, "user_login_failed", &person(7 + n), user(&person(7 + n)), robot, None);
        }
        // Each page of the audit dashboard.
        let org = json!({ "type": "enterprise", "enterprise": { "id": ORG, "name": "Acme", "domain": "acme" } });
        for n in 0..12 {
            log.put(
                MONDAY + 900 + n * 9,
                "audit_logs_records_searched_anomaly",
                &person(1),
                org.clone(),
                desk(1),
                None,
            );
        }
        // A call with its times, a message forwarded from one private channel into another.
        let huddle = json!({ "id": "R0CALL0001", "date_start": MONDAY, "date_end": MONDAY + 1_500, "participants": ["W0PERSON008"], "channel": "C0PROJ0001" });
        log.put(
            MONDAY + 1_500,
            "huddle_ended",
            &person(8),
            json!({ "type": "huddle", "huddle": huddle }),
            desk(8),
            None,
        );
        let message = json!({ "type": "message", "message": { "team": HQ, "channel": "C0PROJ0003", "timestamp": "1789376400.000100" } });
        let details = json!({
            "source_channel": "C0PROJ0003", "source_channel_privacy": "private",
            "destination_channel": "C0PROJ0006", "destination_channel_privacy": "private",
        });
        log.put(MONDAY + 1_600, "private_message_forwarded", &person(8), message, desk(8), Some(details));
        assert_eq!(log.told(""), []);
    }
}

/// Slack names it like the organization's ownership, and it is about one app's account.
#[test]
fn a_service_accounts_new_owner_is_low() {
    for mut log in both(0..12) {
        let service = json!({ "id": "W0SERVICE01", "name": "build-robot", "email": "build@acme.example", "team": ORG });
        log.put(MONDAY, "service_owner_transferred", &person(0), user(&service), desk(0), None);
        let told = log.told("");
        assert!(worst(&told) <= LOW, "{told:?}");
    }
}
