//! The queries in `examples/siem`: the SQL is run on DuckDB over a week of an organization, and has to find what happened in
//! it and nobody else. For the other languages, and the SQL too, what can be checked without their SIEM: that the same
//! queries are there, and that actions, techniques and fields exist.
//!
//! The week has the generator's stories and, where it has none, entries written here in Slack's wire form, each with a
//! near miss beside it: what looks like it and is none.

use gridwatch_event::entry::Entry;
use gridwatch_event::event::Event;
use gridwatch_event::time::UnixMillis;
use gridwatch_rules::monitor::heartbeat::{Chain, Statement};
use gridwatch_stories::{Org, OrgPlan, generate};
use gridwatch_tests::duckdb::DuckDb;
use gridwatch_tests::host::{gridwatch, root};
use gridwatch_views::ocsf::Version;
use gridwatch_views::{Product, RawData, View, ecs, ocsf};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

const DAY: u64 = 86_400;
const HOUR: u64 = 3_600;
const MINUTE: u64 = 60;

/// The folders, their files' ending, and how a comment begins there.
const LANGUAGES: [(&str, &str); 4] = [("sql", "--"), ("spl", "```"), ("esql", "//"), ("kql", "//")];

/// A line of the file sink. The one place that knows how a view is asked for it.
fn line(event: &Event) -> String {
    ocsf::event(event, &Product { version: "1.2.3" }, Version::V1_8_0, RawData::Include).to_string()
}

fn examples() -> PathBuf {
    root().join("examples/siem")
}

/// Finding, severity, actor and target of a row.
type Answer = (String, String, String, String);

fn answer(finding: &str, severity: &str, actor: &str, target: &str) -> Answer {
    (finding.into(), severity.into(), actor.into(), target.into())
}

/// A week of an organization as the file sink has it.
struct Week {
    org: Org,
    folder: TempDir,
    /// Epoch seconds of its end.
    end: u64,
}

fn week() -> &'static Week {
    static WEEK: OnceLock<Week> = OnceLock::new();
    WEEK.get_or_init(|| {
        let plan = OrgPlan { users: 120, ..OrgPlan::default() };
        let org = generate(&plan);
        let mut entries: Vec<(u64, String)> = org.entries.iter().map(|e| (e.date_create, e.json.clone())).collect();
        entries.extend(Script::of_the_week(plan.from, &org).entries);
        entries.sort();
        let texts: Vec<&str> = entries.iter().map(|(_, text)| text.as_str()).collect();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, lines: String| std::fs::write(folder.path().join(name), lines).expect("a file");
        let events = (1..).zip(&entries).map(|(seq, (at, text))| {
            line(&Event::new(seq, UnixMillis(at * 1_000 + 4_000), &Entry::from_json(text))) + "\n"
        });
        let events: Vec<String> = events.collect();
        // As the sink leaves them: a rotated file and the current one. What was delivered again after a loss of state stands
        // there twice, and the line at the end isn't whole yet.
        let (old, new) = events.split_at(events.len() / 2);
        write("events.ndjson.00000000000000000001", old.concat());
        write("events.ndjson", old.concat() + &new.concat() + &events[0][..200]);
        write("entries", texts.join("\n") + "\n");
        Week { org, folder, end: plan.to }
    })
}

impl Week {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn story(&self, name: &str) -> &gridwatch_stories::Story {
        self.org.stories.iter().find(|story| story.name == name).unwrap_or_else(|| panic!("no story {name}"))
    }

    fn actor(&self, story: &str) -> &str {
        &self.story(story).actor
    }

    /// The user or app that the last entry of a story was about.
    fn target(&self, story: &str) -> String {
        let id = self.story(story).entry_ids.last().expect("an entry");
        let entry = self.org.entries.iter().find(|entry| entry.id == *id).expect("the story's entry");
        let entry: Value = serde_json::from_str(&entry.json).expect("JSON");
        let kind = entry["entity"]["type"].as_str().expect("a type");
        entry["entity"][kind]["id"].as_str().expect("an id").to_owned()
    }

    /// What a query answers over some of the files, as if it were so many seconds after 1970.
    fn ask(&self, duckdb: &DuckDb, query: &str, files: &str, now: u64) -> Vec<Value> {
        let files = self.path(files);
        let set =
            [("files", format!("'{}'", files.display())), ("now", format!("make_timestamp({now} * 1000000::BIGINT)"))];
        let folder = examples().join("sql");
        let (prelude, query) = (folder.join("prelude.sql"), folder.join(format!("{query}.sql")));
        duckdb.rows(&set, &[&prelude, &query]).unwrap_or_else(|e| panic!("{}: {e}", query.display()))
    }

    /// The answers about the events of the week.
    fn answers(&self, duckdb: &DuckDb, query: &str) -> Vec<Answer> {
        let rows = self.ask(duckdb, query, "events.ndjson*", self.end);
        rows.iter()
            .map(|row| {
                answer(text(row, "finding"), text(row, "severity"), text(row, "actor_id"), text(row, "target_id"))
            })
            .collect()
    }
}

impl Week {
    /// What our modules make of the week.
    fn alerts(&self) -> Vec<Value> {
        let mut replay = gridwatch();
        replay.arg("replay").arg(self.path("entries")).arg("--modules").arg(root().join("target/modules"));
        let output = replay.output().expect("gridwatch runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::Deserializer::from_slice(&output.stdout).into_iter().map(|alert| alert.expect("JSON")).collect()
    }

    fn events(&self) -> Vec<Value> {
        let texts = ["events.ndjson.00000000000000000001", "events.ndjson"]
            .map(|name| std::fs::read_to_string(self.path(name)).expect("a file"));
        let whole = texts.iter().map(|text| text.rsplit_once('\n').map_or("", |(lines, _)| lines));
        whole
            .flat_map(|text| text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<_>>())
            .collect()
    }
}

/// "" for NULL.
fn text<'a>(row: &'a Value, column: &str) -> &'a str {
    row.get(column).unwrap_or_else(|| panic!("no column {column} in {row}")).as_str().unwrap_or_default()
}

/// Entries by hand.
struct Script {
    entries: Vec<(u64, String)>,
    workspace: String,
}

/// Who did it, from where.
#[derive(Clone, Copy)]
struct Who {
    id: &'static str,
    account_type: &'static str,
    ip: &'static str,
    ua: &'static str,
    session: u64,
}

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36";
const NEWER_CHROME: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/141.0.0.0 Safari/537.36";
const SCRIPT: &str = "python-requests/2.32.3";

const fn member(id: &'static str) -> Who {
    Who { id, account_type: "regular", ip: "198.51.100.9", ua: CHROME, session: 77 }
}

const fn admin(id: &'static str) -> Who {
    Who { account_type: "admin", ..member(id) }
}

fn user(id: &str) -> Value {
    json!({ "type": "user", "user": { "id": id, "name": format!("Name {id}"), "email": format!("{id}@acme.example"), "team": "T0OWN" } })
}

fn file(n: u64) -> Value {
    json!({ "type": "file", "file": { "id": format!("F{n}"), "name": format!("{n}.pdf"), "filetype": "application/pdf", "title": "" } })
}

fn channel(id: &str, privacy: &str) -> Value {
    json!({ "type": "channel", "channel": { "id": id, "name": format!("name-{id}"), "privacy": privacy } })
}

fn app(id: &str) -> Value {
    json!({ "type": "app", "app": { "id": id, "name": "An app", "is_directory_approved": false, "scopes": ["channels:history"] } })
}

fn usergroup(id: &str) -> Value {
    json!({ "type": "usergroup", "usergroup": { "id": id, "name": "A group" } })
}

fn workspace() -> Value {
    json!({ "type": "workspace", "workspace": { "id": "T0OWN", "name": "Own", "domain": "own" } })
}

fn role(id: &str) -> Value {
    json!({ "type": "role", "role": { "id": id, "name": "A role", "type": "0" } })
}

fn role_of(target: &str, place: &str) -> Value {
    json!({ "target_user": target, "target_entity": place })
}

fn account_type(id: u64, name: &str) -> Value {
    json!({ "type": "account_type_role", "account_type_role": { "id": id, "name": name } })
}

fn right_in(place: &str, is_allowed: &str) -> Value {
    json!({ "changed_permissions": ["manage_channels"], "is_allowed": is_allowed, "target_entity_id": place })
}

fn changed(before: Value, after: Value) -> Value {
    json!({ "previous_value": before, "new_value": after })
}

impl Script {
    fn add(&mut self, at: u64, who: Who, action: &str, entity: Value, details: Value) {
        let mut actor = user(who.id);
        actor["user"]["account_type"] = who.account_type.into();
        let location = json!({ "type": "workspace", "id": self.workspace, "name": "Own", "domain": "own" });
        let entry = json!({
            "id": format!("by-hand-{}", self.entries.len()),
            "date_create": at,
            "action": action,
            "actor": actor,
            "entity": entity,
            "context": { "location": location, "ua": who.ua, "ip_address": who.ip, "session_id": who.session },
            "details": details,
        });
        self.entries.push((at, entry.to_string()));
    }

    fn of_the_week(from: u64, org: &Org) -> Self {
        let mut script = Self { entries: Vec::new(), workspace: org.workspaces[0].id.clone() };
        for (day, tell) in (1..).zip([
            Self::sign_ins,
            Self::sessions,
            Self::downloads,
            Self::exports,
            Self::policies,
            Self::roles,
            Self::keys,
        ]) {
            tell(&mut script, from + (day - 1) * DAY + 9 * HOUR);
        }
        script.apps(from + DAY);
        script.anomalies(from + DAY);
        script.connect(from + DAY);
        script.guests(from + DAY);
        script
    }

    fn sign_ins(&mut self, start: u64) {
        // Nine failures, and four before a success: each one short.
        for i in 0..9 {
            self.add(start + i * 30, member("U0FORGETS"), "user_login_failed", user("U0FORGETS"), json!({}));
        }
        for i in 0..4 {
            self.add(start + i * 30, member("U0TYPO"), "user_login_failed", user("U0TYPO"), json!({}));
        }
        self.add(start + 5 * MINUTE, member("U0TYPO"), "user_login", user("U0TYPO"), json!({}));
        // Twelve within an hour but no eight of them within ten minutes.
        for i in 0..12 {
            self.add(start + i * 5 * MINUTE, member("U0PHONE"), "user_login_failed", user("U0PHONE"), json!({}));
        }
        // The right one at the seventh try, at the usual desk.
        self.add(start, member("U0KNOWN"), "user_login", user("U0KNOWN"), json!({}));
        for i in 0..6 {
            self.add(start + HOUR + i * 2 * MINUTE, member("U0KNOWN"), "user_login_failed", user("U0KNOWN"), json!({}));
        }
        self.add(start + HOUR + 15 * MINUTE, member("U0KNOWN"), "user_login", user("U0KNOWN"), json!({}));
        // A morning without single sign-on: six people of the office, three tries each.
        const OFFICE: [&str; 6] = ["U0DESK1", "U0DESK2", "U0DESK3", "U0DESK4", "U0DESK5", "U0DESK6"];
        // One who forgot, and four others who mistyped, at a carrier's shared address: no shape of a spray.
        const CARRIER: [&str; 5] = ["U0CELL1", "U0CELL2", "U0CELL3", "U0CELL4", "U0CELL5"];
        for i in 0..18 {
            let who = Who { ip: "198.51.100.200", ..member(OFFICE[i as usize % 6]) };
            self.add(start + i * MINUTE, who, "user_login_failed", user(who.id), json!({}));
            let who = Who { ip: "192.0.2.99", ..member(CARRIER[(i as usize).saturating_sub(13)]) };
            self.add(start + i * 3 * MINUTE, who, "user_login_failed", user(who.id), json!({}));
        }
    }

    fn sessions(&mut self, start: u64) {
        let at_home = |id, session| Who { session, ..member(id) };
        // The cookie is used elsewhere, by something else.
        let robbed = at_home("U0ROBBED", 1001);
        self.add(start, robbed, "file_downloaded", file(1), json!({}));
        let thief = Who { ip: "203.0.113.201", ua: SCRIPT, ..robbed };
        self.add(start + 20 * MINUTE, thief, "file_downloaded", file(2), json!({}));
        // A train: another network, the same browser after an update. A proxy: another client, the same network.
        let train = at_home("U0TRAIN", 1002);
        self.add(start, train, "file_downloaded", file(3), json!({}));
        let train = Who { ip: "203.0.113.202", ua: NEWER_CHROME, ..train };
        self.add(start + 20 * MINUTE, train, "file_downloaded", file(4), json!({}));
        let proxy = at_home("U0PROXY", 1003);
        self.add(start, proxy, "file_downloaded", file(5), json!({}));
        self.add(start + 20 * MINUTE, Who { ua: SCRIPT, ..proxy }, "file_downloaded", file(6), json!({}));
        // Both, but the next day.
        let later = at_home("U0LATER", 1004);
        self.add(start, later, "file_downloaded", file(7), json!({}));
        self.add(start + DAY, Who { ip: "203.0.113.203", ua: SCRIPT, ..later }, "file_downloaded", file(8), json!({}));
        // An invited member's entry has the inviter's address and client.
        let invited = at_home("U0INVITED", 1005);
        self.add(start, invited, "file_downloaded", file(9), json!({}));
        let inviters = Who { ip: "203.0.113.204", ua: SCRIPT, ..invited };
        let details = json!({ "type": "INVITED", "inviter": user("U0HOST")["user"] });
        self.add(start + MINUTE, inviters, "user_channel_join", channel("C0MEET", "public"), details);
        // Twelve by one and ten more in bulk; the other admin resets one user thirty times.
        for i in 0..12 {
            let target = format!("U0OUT{i}");
            self.add(start + i * MINUTE, admin("U0LOCKER"), "user_session_reset_by_admin", user(&target), json!({}));
        }
        let ten: Vec<String> = (20..30).map(|i| format!("U0OUT{i}")).collect();
        let bulk = json!({ "succeeded_users": ten, "failed_users": "[\"U0OUT31\"]" });
        self.add(start + 30 * MINUTE, admin("U0LOCKER"), "bulk_session_reset_by_admin", workspace(), bulk);
        for i in 0..30 {
            self.add(start + i * MINUTE, admin("U0HELPER"), "user_session_reset_by_admin", user("U0STUCK"), json!({}));
        }
        self.add(start, member("U0BURNED"), "user_logout_compromised", user("U0BURNED"), json!({}));
    }

    fn downloads(&mut self, start: u64) {
        for i in 0..36 {
            self.add(start + i * 80, member("U0HOARDER"), "file_downloaded", file(1_000 + i), json!({}));
            // The same file 36 times, as a player does; 36 files over a day; 29 files.
            self.add(start + i, member("U0VIEWER"), "file_downloaded", file(2_000), json!({}));
            self.add(start + i * 40 * MINUTE, member("U0READER"), "file_downloaded", file(3_000 + i), json!({}));
            if i < 29 {
                self.add(start + i, member("U0ALMOST"), "canvas_downloaded", file(4_000 + i), json!({}));
            }
            // Somebody whose every day is like this.
            for day in 0..3 {
                self.add(
                    start + day * DAY + i,
                    member("U0BACKUP"),
                    "file_downloaded",
                    file(5_000 + i + day * 100),
                    json!({}),
                );
            }
        }
    }

    fn exports(&mut self, start: u64) {
        let kind = json!({ "export_type": "ALL_TIME_STANDARD" });
        let boss = admin("U0BOSS");
        self.add(start, boss, "manual_export_started", workspace(), kind.clone());
        self.add(start + HOUR, boss, "manual_export_completed", workspace(), kind.clone());
        self.add(start + 2 * HOUR, admin("U0OTHER"), "manual_export_downloaded", workspace(), kind.clone());
        self.add(
            start + 3 * HOUR,
            Who { ip: "203.0.113.205", ..boss },
            "manual_export_downloaded",
            workspace(),
            kind.clone(),
        );
        self.add(start, admin("U0OPENER"), "corporate_exports_enabled", workspace(), json!({}));
        self.add(start, admin("U0SNOOP"), "audit_logs_export_csv_started", workspace(), json!({}));
        // Who does that for a living, as the example names them; and the removal of an export.
        self.add(start + DAY, admin("U000EXAMPLE"), "channels_export_started", workspace(), kind.clone());
        self.add(start + DAY + HOUR, admin("U000EXAMPLE"), "channels_export_downloaded", workspace(), kind.clone());
        self.add(start, admin("U0TIDY"), "manual_export_deleted", workspace(), kind);
    }

    fn apps(&mut self, start: u64) {
        let expanded = "app_scopes_expanded";
        // In the older spelling, with the new one in a list of its own.
        let gains = json!({
            "scopes": ["users:read"], "bot_scopes": "[\"files:read\"]", "old_scopes": ["users:read"],
            "is_internal_integration": true,
        });
        self.add(start, member("U0GAINS"), expanded, app("A0OLD"), gains);
        // The known app gets what it may have; an admin lets in one of Slack's directory.
        let may = json!({ "new_scopes": ["chat:write", "users:read"], "previous_scopes": [], "is_internal_integration": true });
        self.add(start, member("U0EXPECTED"), expanded, app("A000EXAMPLE"), may);
        let mut listed = app("A0LISTED");
        listed["app"]["is_directory_approved"] = true.into();
        self.add(start, admin("U0LISTS"), "app_installed", listed, json!({ "is_internal_integration": false }));
    }

    fn anomalies(&mut self, start: u64) {
        // Telling reasons may come in any order, twice a day and in an odd shape. A new address alone is daily business.
        for (who, reason) in [
            ("U0MOVED", json!(["ip_address"])),
            ("U0TWICE", json!(["ip_address", "asn"])),
            ("U0TWICE", json!(["tor"])),
            ("U0TEXT", json!("excessive_downloads")),
            ("U0ODD", json!({ "kind": "tor" })),
            ("U0MILD", json!(["user_agent", "ip_address"])),
        ] {
            self.add(start, member(who), "anomaly", user(who), json!({ "reason": reason }));
        }
        let in_cloud = json!({ "reason": ["ip_address"], "ip_address_details": ["cloud-asn"] });
        self.add(start, member("U0CLOUD"), "anomaly", user("U0CLOUD"), in_cloud);
    }

    fn policies(&mut self, start: u64) {
        let two_factor = "pref.two_factor_auth_changed";
        self.add(start, admin("U0WEAKEN"), two_factor, workspace(), changed(json!("true"), json!("false")));
        self.add(start, admin("U0STRICT"), two_factor, workspace(), changed(json!("false"), json!("true")));
        self.add(start, admin("U0SAME"), two_factor, workspace(), changed(json!("false"), json!("false")));
        let odd = changed(json!(["a"]), json!(["b"]));
        self.add(start, admin("U0UNCLEAR"), "pref.sso_setting_changed", workspace(), odd);
        let longer = "pref.session_duration_changed";
        self.add(start, admin("U0LONGER"), longer, workspace(), changed(json!("3600"), json!("864000")));
        self.add(start, admin("U0FOREVER"), longer, workspace(), changed(json!(3600), json!(0)));
        self.add(start, admin("U0SHORTER"), longer, workspace(), changed(json!("864000"), json!("3600")));
        self.add(start, admin("U0EXEMPT"), "auth_policy_entity_assigned", user("U0FRIEND"), json!({}));
        self.add(start, admin("U0REVERT"), "auth_policy_entity_removed", user("U0FRIEND"), json!({}));
        self.add(start, admin("U0IDP"), "idp_configuration_added", workspace(), json!({}));
    }

    fn roles(&mut self, start: u64) {
        self.add(start, admin("U0GRANTER"), "role_change_to_admin", user("U0FRESH"), json!({}));
        // The group carries a role from here on.
        self.add(start, admin("U0GRANTER"), "role_added_to_usergroup", usergroup("S0ROLE"), json!({}));
        let added = json!({ "user": "U0GROUPED" });
        self.add(start + HOUR, admin("U0HELPER"), "user_added_to_usergroup", usergroup("S0ROLE"), added.clone());
        self.add(start + 2 * HOUR, admin("U0HELPER"), "role_removed_from_usergroup", usergroup("S0ROLE"), json!({}));
        // After that it carries none, and the other group never did.
        self.add(start + 3 * HOUR, admin("U0HELPER"), "user_added_to_usergroup", usergroup("S0ROLE"), added.clone());
        self.add(start, admin("U0HELPER"), "user_added_to_usergroup", usergroup("S0CHAT"), added);
        self.add(start, admin("U0HELPER"), "role_change_to_user", user("U0LEAVER"), json!({}));
        self.add(start, admin("U0GRANTER"), "role_change_to_admin", user("U0USES"), json!({}));
        self.add(start + HOUR, member("U0USES"), "app_approved", app("A0CALM"), json!({}));
        self.places(start);
    }

    /// Roles and rights by where they hold.
    fn places(&mut self, start: u64) {
        let (assigned, allowed) = ("role_assigned", "permissions_assigned");
        let assigner = admin("U0ASSIGNER");
        self.add(start, assigner, assigned, role("Rl0C"), role_of("U0LOCAL", "T0OLD"));
        self.add(start, assigner, assigned, role("Rl0D"), role_of("U0GLOBAL", "E0ORG"));
        self.add(start, assigner, assigned, role("Rl0D"), json!({ "target_user": "U0UNSAID" }));
        self.add(start, admin("U0SELF"), assigned, role("Rl0C"), role_of("U0SELF", "T0OLD"));
        self.add(start, member("U0PLAIN"), assigned, role("Rl0C"), role_of("U0PAL", "T0OLD"));
        // Whoever makes a channel manages it, and so do others.
        for (at, channel) in [(start, "C0ROOM"), (start + HOUR, "G0ROOM")] {
            self.add(at, member("U0MAKER"), assigned, role("Rl0A"), role_of("U0MAKER", channel));
            self.add(at, member("U0MAKER"), assigned, role("Rl0A"), role_of("U0PAL", channel));
        }
        // A workspace is made and set up; what comes later is a change.
        let founder = admin("U0FOUNDER");
        let made = json!({ "type": "workspace", "workspace": { "id": "T0NEW", "name": "New", "domain": "new" } });
        self.add(start, founder, "workspace_created", made, json!({}));
        for (after, id, name) in
            [(0, 1002, "FULL_MEMBER"), (0, 1006, "WORKSPACE_ADMIN"), (600, 1003, "MULTI_CHANNEL_GUEST")]
        {
            self.add(start + after, founder, allowed, account_type(id, name), right_in("T0NEW", "ALLOWED"));
        }
        // A role is given to somebody, however new the place is.
        self.add(start, founder, assigned, role("Rl0C"), role_of("U0FIRST", "T0NEW"));
        self.add(start + 601, founder, allowed, account_type(1002, "FULL_MEMBER"), right_in("T0NEW", "ALLOWED"));
        // Places that have been there for long.
        for (who, place, id, name) in [
            ("U0OFADMINS", "T0OLD", 1006, "WORKSPACE_ADMIN"),
            ("U0OFMEMBERS", "T0OLD", 1002, "FULL_MEMBER"),
            ("U0OFGUESTS", "T0OLD", 1004, "SINGLE_CHANNEL_GUEST"),
            ("U0OFALL", "E0ORG", 1002, "FULL_MEMBER"),
        ] {
            self.add(start, admin(who), allowed, account_type(id, name), right_in(place, "ALLOWED"));
            self.add(start + HOUR, admin(who), allowed, account_type(id, name), right_in(place, "NOT_ALLOWED"));
        }
    }

    fn keys(&mut self, start: u64) {
        self.add(start, admin("U0KEYS"), "ekm_unenrolled", workspace(), json!({}));
        self.add(start, admin("U0KEYS"), "ekm_slackbot_unenroll_notification_sent", workspace(), json!({}));
        self.add(start, admin("U0QUIET"), "ekm_logging_config_set", workspace(), json!({}));
        self.add(start, admin("U0HR"), "user_deactivated", user("U0GONE"), json!({}));
        let token = json!({ "scopes": ["channels:history"], "bot_id": "B1" });
        self.add(start + HOUR, admin("U0HR"), "app_token_preserved", app("A0KEPT"), token.clone());
        self.add(start + HOUR, admin("U0NOBODYLEFT"), "app_token_preserved", app("A0TOO"), token);
        let fetched = json!({ "app_id": "A0FLOW", "provider_key": "p" });
        for i in 0..3 {
            let entity = json!({ "type": "external_auth_oauth2_token", "external_auth_oauth2_token": { "id": "Et1" } });
            self.add(start + i * HOUR, member("U0FLOW"), "external_auth_oauth2_token_fetched", entity, fetched.clone());
        }
    }

    fn connect(&mut self, start: u64) {
        let own = self.workspace.clone();
        let with = |partner: &str| json!({ "origin_team": own, "target_team": partner, "is_external_limited": false });
        let connected = "external_shared_channel_connected";
        self.add(start, admin("U0BRIDGE"), connected, channel("C0OPEN", "public"), with("T0PARTNER"));
        self.add(start, admin("U0SECRET"), connected, channel("C0SHUT", "private"), with("T0STRANGER"));
        // Known by now; only invited; between own workspaces.
        self.add(start + DAY, admin("U0SECOND"), connected, channel("C0MORE", "private"), with("T0PARTNER"));
        self.add(
            start,
            member("U0INVITER"),
            "external_shared_channel_invite_sent",
            channel("C0X", "public"),
            with("T0MAYBE"),
        );
        self.add(start, admin("U0INSIDE"), connected, channel("C0IN", "private"), with(&own));
        let who = "pref.slack_connect_dm_only_verified_orgs";
        self.add(start, admin("U0LOOSE"), who, workspace(), changed(json!("true"), json!("false")));
        self.add(start, admin("U0TIGHT"), who, workspace(), changed(json!("false"), json!("true")));
    }

    fn guests(&mut self, start: u64) {
        // Made, made permanent, in three private channels. Not: two channels; an expiry kept; public ones.
        for (host, guest, channels, is_permanent, privacy) in [
            ("U0KEEPER", "U0STAYS", 3, true, "private"),
            ("U0KEEPER2", "U0SHY", 2, true, "private"),
            ("U0KEEPER3", "U0ENDS", 4, false, "private"),
            ("U0KEEPER4", "U0OPEN", 4, true, "public"),
        ] {
            self.add(start, admin(host), "guest_created", user(guest), json!({}));
            if is_permanent {
                self.add(start + HOUR, admin(host), "guest_expiration_cleared", user(guest), json!({}));
            }
            for i in 0..channels {
                let at = start + DAY + i * HOUR;
                let joins = Who { account_type: "guest", ..member(guest) };
                self.add(
                    at,
                    joins,
                    "guest_channel_join",
                    channel(&format!("C0{i}"), privacy),
                    json!({ "type": "JOINED" }),
                );
            }
        }
    }
}

/// What each query has to answer: exactly this, so a near miss that is named fails the test as well.
fn expected(query: &str, week: &Week) -> Option<Vec<Answer>> {
    let burst = "burst of failed sign-ins";
    let then_in = "failures, then a sign-in";
    let (spray, takeover) = (week.actor("password-spray"), week.actor("takeover-after-stuffing"));
    let story = |finding, severity, name| answer(finding, severity, week.actor(name), &week.target(name));
    Some(match query {
        "sign-in" => vec![
            story(burst, "Low", "failed-login-burst"),
            answer(then_in, "High", takeover, takeover),
            answer(then_in, "Medium", "U0KNOWN", "U0KNOWN"),
        ],
        "password-spray" => vec![answer("password spray", "High", spray, "")],
        "sessions" => vec![
            answer("session in two places", "High", "U0ROBBED", "U0ROBBED"),
            answer("sessions of many users ended", "High", "U0LOCKER", ""),
            answer("logged out by Slack as compromised", "High", "U0BURNED", "U0BURNED"),
        ],
        "apps" => vec![
            story("app let in", "High", "takeover-after-stuffing"),
            story("app gained scopes", "High", "app-scopes-expanded"),
            answer("app let in", "Medium", "U0USES", "A0CALM"),
            answer("app gained scopes", "High", "U0GAINS", "A0OLD"),
        ],
        "downloads" => vec![
            answer("many files taken", "Medium", "U0HOARDER", ""),
            // The first such day of anybody is unusual.
            answer("many files taken", "Medium", "U0BACKUP", ""),
        ],
        "exports" => vec![
            answer("export started", "High", "U0BOSS", ""),
            answer("export started by one, downloaded by another", "High", "U0OTHER", "U0BOSS"),
            answer("export downloaded elsewhere", "High", "U0BOSS", "U0BOSS"),
            answer("exports made possible", "High", "U0OPENER", ""),
            answer("export started", "High", "U0SNOOP", ""),
        ],
        "anomaly" => vec![
            story("anomaly: asn, session_fingerprint", "High", "anomaly-session-fingerprint-asn"),
            story("anomaly: tor", "Medium", "anomaly-tor"),
            story("anomaly: quantum_entanglement", "Medium", "anomaly-unknown-reason"),
            answer("anomaly: asn, ip_address, tor", "High", "U0TWICE", "U0TWICE"),
            answer("anomaly: excessive_downloads", "Medium", "U0TEXT", "U0TEXT"),
            answer("anomaly: no reason given", "Medium", "U0ODD", "U0ODD"),
            answer("anomaly: ip_address, user_agent", "Low", "U0MILD", "U0MILD"),
            answer("anomaly: ip_address", "Low", "U0CLOUD", "U0CLOUD"),
        ],
        "authentication-policy" => {
            let place = &week.org.workspaces[0].id;
            vec![
                answer("sign-in weakened", "High", "U0WEAKEN", place),
                answer("sign-in setting changed", "Medium", "U0UNCLEAR", place),
                answer("sign-in weakened", "High", "U0LONGER", place),
                answer("sign-in weakened", "High", "U0FOREVER", place),
                answer("sign-in weakened", "High", "U0EXEMPT", place),
                answer("sign-in weakened", "High", "U0IDP", place),
            ]
        }
        "roles" => vec![
            story("privilege granted", "Critical", "member-made-admin"),
            story("privilege granted", "Critical", "self-granted-owner"),
            story("ownership transferred", "Critical", "ownership-transferred"),
            answer("privilege granted", "Medium", "U0GRANTER", "U0FRESH"),
            answer("privilege granted", "High", "U0GRANTER", "S0ROLE"),
            answer("privilege granted", "High", "U0HELPER", "U0GROUPED"),
            answer("privilege granted", "Critical", "U0GRANTER", "U0USES"),
            answer("privilege granted", "Low", "U0ASSIGNER", "U0LOCAL"),
            answer("privilege granted", "High", "U0ASSIGNER", "U0GLOBAL"),
            answer("privilege granted", "High", "U0ASSIGNER", "U0UNSAID"),
            answer("privilege granted", "Critical", "U0SELF", "U0SELF"),
            answer("privilege granted", "Critical", "U0PLAIN", "U0PAL"),
            answer("privilege granted", "Low", "U0FOUNDER", "U0FIRST"),
            answer("privilege granted", "Medium", "U0FOUNDER", "T0NEW"),
            answer("privilege granted", "Low", "U0OFADMINS", "T0OLD"),
            answer("privilege granted", "Medium", "U0OFMEMBERS", "T0OLD"),
            answer("privilege granted", "High", "U0OFGUESTS", "T0OLD"),
            answer("privilege granted", "High", "U0OFALL", "E0ORG"),
        ],
        "ekm-and-tokens" => vec![
            answer("encryption keys touched", "Critical", "U0KEYS", "T0OWN"),
            answer("encryption keys touched", "High", "U0QUIET", "T0OWN"),
            answer("token kept alive", "High", "U0HR", "A0KEPT"),
            answer("token kept alive", "Medium", "U0NOBODYLEFT", "A0TOO"),
            answer("credential made or fetched", "Medium", "U0FLOW", "Et1"),
        ],
        "slack-connect-and-guests" => vec![
            answer("door opened to a new organization", "Medium", "U0BRIDGE", "T0PARTNER"),
            answer("door opened to a new organization", "High", "U0SECRET", "T0STRANGER"),
            answer("Slack Connect loosened", "Medium", "U0LOOSE", "pref.slack_connect_dm_only_verified_orgs"),
            answer("guest made permanent", "High", "U0KEEPER", "U0STAYS"),
        ],
        _ => return None,
    })
}

/// Queries that aren't about the week's events and have a test of their own.
const APART: [&str; 3] = ["alerts", "heartbeat", "silence"];

/// The names of the queries of a language.
fn queries(language: &str) -> BTreeSet<String> {
    let files =
        std::fs::read_dir(examples().join(language)).expect("the folder").map(|file| file.expect("a file").path());
    let names = files.filter(|path| path.extension().is_some_and(|ending| ending == language));
    let names = names.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned());
    names.filter(|name| name != "prelude").collect()
}

fn query_text(language: &str, query: &str) -> String {
    let path = examples().join(language).join(format!("{query}.{language}"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn each_query_finds_its_stories_and_nobody_else() {
    let Some(duckdb) = DuckDb::or_skip("each_query_finds_its_stories_and_nobody_else") else { return };
    let week = week();
    for query in queries("sql").into_iter().filter(|query| !APART.contains(&query.as_str())) {
        let mut wanted = expected(&query, week).unwrap_or_else(|| panic!("no test of examples/siem/sql/{query}.sql"));
        let mut got = week.answers(&duckdb, &query);
        wanted.sort();
        got.sort();
        assert_eq!(got, wanted, "{query}");
    }
}

#[test]
fn a_row_names_the_entries_it_was_made_of() {
    let Some(duckdb) = DuckDb::or_skip("a_row_names_the_entries_it_was_made_of") else { return };
    let week = week();
    for (query, story) in
        [("sign-in", "failed-login-burst"), ("roles", "self-granted-owner"), ("apps", "app-scopes-expanded")]
    {
        let rows = week.ask(&duckdb, query, "events.ndjson*", week.end);
        let row = rows.iter().find(|row| text(row, "actor_id") == week.actor(story)).expect("the story's row");
        // DuckDB writes a list as text: `[a, b]`.
        let mut uids: Vec<&str> = text(row, "uids").trim_matches(['[', ']']).split(", ").collect();
        uids.sort_unstable();
        let mut ids = week.story(story).entry_ids.clone();
        ids.sort();
        assert_eq!(uids, ids, "{query}");
    }
}

#[test]
fn alerts_are_listed_once_each_at_their_newest_state() {
    let Some(duckdb) = DuckDb::or_skip("alerts_are_listed_once_each_at_their_newest_state") else { return };
    let week = week();
    let alerts = week.alerts();
    let uid = |alert: &Value| alert["finding_info"]["uid"].as_str().expect("a uid").to_owned();
    let revision = |alert: &Value| {
        let uid = alert["metadata"]["uid"].as_str().expect("a uid");
        uid.rsplit_once(':').expect("a revision").1.parse::<u64>().expect("a number")
    };
    // The first grows: a message of its tenth finding, and then one of its hundredth, which is sorted before it as text.
    let grown = |revision: u64, count: u64| {
        let mut alert = alerts[0].clone();
        alert["metadata"]["uid"] = format!("{}:{revision}", uid(&alerts[0])).into();
        alert["count"] = count.into();
        alert
    };
    let mut suppressed = alerts[1].clone();
    suppressed["finding_info"]["uid"] = "gw-suppressed".into();
    suppressed["metadata"]["uid"] = "gw-suppressed:1".into();
    suppressed["is_alert"] = false.into();
    let all: Vec<Value> = [grown(9, 10), grown(10, 100), suppressed].into_iter().chain(alerts.clone()).collect();
    let lines: String = all.iter().map(|alert| format!("{alert}\n")).collect();
    std::fs::write(week.path("alerts.ndjson"), lines).expect("a file");

    let newest = alerts.iter().map(|alert| alert["time"].as_u64().expect("a time")).max().expect("an alert") / 1_000;
    let rows = week.ask(&duckdb, "alerts", "alerts.ndjson", newest + HOUR);
    let mut wanted: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for alert in all.iter().filter(|alert| alert["is_alert"] == true) {
        let newest = wanted.entry(uid(alert)).or_default();
        *newest = (*newest).max((revision(alert), alert["count"].as_u64().expect("a count")));
    }
    let got: Vec<(String, u64)> =
        rows.iter().map(|row| (text(row, "target_id").to_owned(), row["n"].as_u64().expect("n"))).collect();
    assert_eq!(got.len(), wanted.len(), "each once");
    assert_eq!(got.into_iter().collect::<BTreeMap<_, _>>(), wanted.into_iter().map(|(uid, (_, n))| (uid, n)).collect());
    let rank = |row: &Value| ["Low", "Medium", "High", "Critical"].iter().position(|s| *s == text(row, "severity"));
    assert!(rows.windows(2).all(|pair| rank(&pair[0]) >= rank(&pair[1])), "the worst come first");
    for story in week.org.stories.iter().filter(|story| story.name != "password-spray") {
        for rule in &story.expected_rules {
            let found =
                rows.iter().any(|row| text(row, "finding").starts_with(rule) && text(row, "actor_id") == story.actor);
            assert!(found, "{rule} of {}", story.name);
        }
    }
    assert!(week.ask(&duckdb, "alerts", "alerts.ndjson", newest + 8 * DAY).is_empty(), "what is a week old has gone");
}

#[test]
fn silence_is_found_when_it_is_longer_than_usual() {
    let Some(duckdb) = DuckDb::or_skip("silence_is_found_when_it_is_longer_than_usual") else { return };
    let week = week();
    // A month with an entry every ten minutes from 6 to 20 on weekdays. 1789084800 is a Friday, 2026-09-11.
    const FRIDAY: u64 = 1_789_084_800;
    let entry = |at: u64, seq: u64| {
        let json = json!({ "id": format!("pulse-{seq}"), "date_create": at, "action": "file_uploaded" }).to_string();
        line(&Event::new(seq, UnixMillis(at * 1_000), &Entry::from_json(&json))) + "\n"
    };
    let times = (FRIDAY - 25 * DAY..FRIDAY + 10 * HOUR).step_by(600);
    // 1970 began on a Thursday.
    let at_work = times.filter(|at| (at / DAY + 3) % 7 < 5 && (6..20).contains(&(at % DAY / HOUR)));
    let lines: String = (1..).zip(at_work).map(|(seq, at)| entry(at, seq)).collect();
    std::fs::write(week.path("pulse.ndjson"), lines).expect("a file");
    let silent = |at: u64| week.ask(&duckdb, "silence", "pulse.ndjson", at);
    // The last one came ten minutes before ten o'clock.
    assert!(silent(FRIDAY + 10 * HOUR + 15 * MINUTE).is_empty());
    let row = &silent(FRIDAY + 10 * HOUR + 25 * MINUTE)[0];
    assert_eq!((&row["minutes_silent"], &row["minutes_usual"]), (&json!(35), &json!(30)));
    // Early in the morning it has always been long since the last one.
    let before = |hours: u64| silent(FRIDAY - 3 * DAY + hours * HOUR + MINUTE).len();
    assert_eq!(before(6), 0, "ten hours of night are usual at six");

    std::fs::write(week.path("none.ndjson"), "").expect("a file");
    assert_eq!(week.ask(&duckdb, "silence", "none.ndjson", FRIDAY).len(), 1, "nothing at all is silence");
}

/// So many heartbeats, five minutes apart, as the file sink has them.
fn heartbeats(count: u64) -> Vec<String> {
    let mut link = Chain::begin(7, UnixMillis(0));
    let mut lines = Vec::new();
    for n in 0..count {
        let at = UnixMillis(FIRST_BEAT * 1_000 + n * 300_000);
        let beat = link.next(Statement { version: "1.2.3".into(), ..Statement::default() }, at, Some(at.plus(360_000)));
        link = beat.link();
        lines.push(View::Ocsf.heartbeat_line_within(&beat, &Product { version: "1.2.3" }, 16 << 10) + "\n");
    }
    lines
}

const FIRST_BEAT: u64 = 1_789_084_800;

#[test]
fn a_heartbeat_that_is_missing_late_or_made_up_is_found() {
    let Some(duckdb) = DuckDb::or_skip("a_heartbeat_that_is_missing_late_or_made_up_is_found") else { return };
    let (week, beats) = (week(), heartbeats(10));
    let end = FIRST_BEAT + 9 * 300;
    let found = |lines: &[String], now: u64| -> Vec<String> {
        std::fs::write(week.path("beats.ndjson"), lines.concat()).expect("a file");
        let rows = week.ask(&duckdb, "heartbeat", "beats.ndjson", now);
        rows.iter().map(|row| text(row, "finding").to_owned()).collect()
    };
    assert_eq!(found(&beats, end + 360), [""; 0]);
    assert_eq!(found(&beats, end + 1_200), ["no heartbeat from gridwatch"]);
    assert_eq!(found(&[], end), ["no heartbeat from gridwatch"]);
    let without: Vec<String> = [&beats[..4], &beats[5..]].concat();
    assert_eq!(found(&without, end), ["heartbeats are missing before this one"]);
    // Somebody who knows the last one goes on in gridwatch's name.
    let mut link = Chain::begin(7, UnixMillis(0));
    let mut forged = beats.clone();
    let made_up = {
        link.number = 4;
        let at = UnixMillis((FIRST_BEAT + 4 * 300) * 1_000);
        let beat = link.next(Statement::default(), at, Some(at.plus(360_000)));
        View::Ocsf.heartbeat_line_within(&beat, &Product { version: "1.2.3" }, 16 << 10) + "\n"
    };
    forged[4] = made_up.clone();
    assert_eq!(found(&forged, end), ["a heartbeat does not follow the one before it"; 2]);
    let mut both = beats.clone();
    both.insert(5, made_up.replace("gw-heartbeat-", "gw-heartbeat-x"));
    assert!(found(&both, end).contains(&"two heartbeats of one number".to_owned()), "{:?}", found(&both, end));
}

#[test]
fn the_commands_of_the_readme_work_as_printed() {
    let Some(duckdb) = DuckDb::or_skip("the_commands_of_the_readme_work_as_printed") else { return };
    let week = week();
    let readme = std::fs::read_to_string(examples().join("README.md")).expect("the README");
    let commands: Vec<String> = blocks(&readme, "sh").into_iter().filter(|block| block.contains("duckdb ")).collect();
    assert!(!commands.is_empty());
    // Where the sink writes, as the README and the prelude say it, is in the week's folder here.
    let sink = week.folder.path().display().to_string();
    let sql = examples().join("sql");
    let copies = week.path("sql");
    std::fs::create_dir_all(&copies).expect("a folder");
    for file in std::fs::read_dir(sql).expect("the folder") {
        let file = file.expect("a file");
        let text = std::fs::read_to_string(file.path()).expect("SQL");
        std::fs::write(copies.join(file.file_name()), text.replace("/var/log/gridwatch", &sink)).expect("a file");
    }
    for printed in commands {
        let here =
            printed.replace("/var/log/gridwatch", &sink).replace("examples/siem/sql", &copies.display().to_string());
        let here = here.replace("duckdb ", &format!("{} -init /dev/null ", duckdb.path().display()));
        let output = Command::new("sh").args(["-euc", &here]).current_dir(root()).output().expect("a shell");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && stderr.is_empty(), "{printed}\n{stderr}");
        assert!(String::from_utf8_lossy(&output.stdout).contains(week.actor("self-granted-owner")), "{printed}");
    }
}

/// The blocks of a language in Markdown.
fn blocks(text: &str, language: &str) -> Vec<String> {
    text.split(&format!("```{language}\n"))
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn every_language_has_every_query_and_each_says_what_it_finds() {
    let wanted = queries("sql");
    assert!(wanted.len() > APART.len());
    for (language, comment) in LANGUAGES {
        assert_eq!(queries(language), wanted, "{language}");
        for query in &wanted {
            let text = query_text(language, query);
            assert!(text.starts_with(comment), "{query}.{language} begins with what it is for");
            for part in ["Finds: ", "Why: ", "False positives: ", "ATT&CK: "] {
                assert!(text.contains(part), "{query}.{language} lacks {part}");
            }
        }
    }
}

/// What stands between quotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    ['"', '\''].into_iter().flat_map(|quote| text.split(quote)).filter(|part| !part.is_empty() && part.len() < 80)
}

/// Words that look like names of actions and are none: reasons of anomalies, values of theirs, functions' arguments.
const NO_ACTIONS: &[&str] = &[
    "asn",
    "ip_address",
    "tor",
    "session_fingerprint",
    "unexpected_admin_action",
    "unexpected_credential_testing",
    "spoofed_user_agent",
    "unexpected_client",
    "excessive_downloads",
    "unexpected_scraping",
    "unexpected_api_call_volume",
    "unexpected_message_deletion",
    "excessive_malware_uploads",
    "excessive_file_shares",
    "unexpected_user_agent",
    "user_agent",
    "potential_spam",
    "search_volume",
    "owner_transferred",
    "account_type_role",
    "session_duration",
    "status_detail",
    "hour_of_day",
    "day_of_week",
];

#[test]
fn every_action_named_is_one_of_slacks() {
    let actions: BTreeSet<&str> = gridwatch_stories::action_names().into_iter().collect();
    // Anything else with a dot is a field.
    let is_name = |text: &str| {
        let rest = text.strip_prefix("pref.").unwrap_or(text);
        let is_whole = !rest.starts_with('_') && !rest.ends_with('_') && rest.contains('_');
        is_whole && rest.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let mut named = 0;
    for (language, _) in LANGUAGES {
        for query in queries(language) {
            let text = query_text(language, &query);
            let body = body(language, &text);
            for word in quoted(&body).filter(|word| is_name(word) && !NO_ACTIONS.contains(word)) {
                assert!(actions.contains(word), "{query}.{language}: Slack has no action `{word}`");
                named += 1;
            }
        }
    }
    assert!(named > 200, "only {named} names were looked at");
}

/// Each path there is in some JSON, with `{}` for "of each element": as Splunk writes it.
fn paths(value: &Value, at: &str, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
            all.insert(path.clone());
            paths(value, &path, all);
        }),
        Value::Array(elements) => {
            all.insert(format!("{at}{{}}"));
            elements.iter().for_each(|element| paths(element, &format!("{at}{{}}"), all));
        }
        _ => {}
    }
}

/// Words with a dot in a query, in Splunk's way of writing a path.
fn dotted(text: &str) -> BTreeSet<String> {
    let text = text.replace("[0]", "{}").replace("[*]", "{}").replace("['user']", "user").replace("['group']", "group");
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.{}@".contains(c);
    let words = text.split(|c| !is_part(c)).map(|word| word.trim_matches('.'));
    words
        .filter(|word| word.contains('.') && word.starts_with(|c: char| c.is_ascii_lowercase()))
        .map(str::to_owned)
        .collect()
}

/// What isn't comment. In SPL the comment is the first thing between three backticks.
fn body(language: &str, text: &str) -> String {
    match language {
        "spl" => text.split("```").nth(2).unwrap_or_default().to_owned(),
        _ => text
            .lines()
            .filter(|line| !line.trim_start().starts_with(if language == "sql" { "--" } else { "//" }))
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

/// Written by Slack in ways that no entry of ours has.
const NOT_IN_OUR_ENTRIES: &[&str] = &["unmapped.entity.app.scopes_bot"];

#[test]
fn every_ocsf_path_is_one_that_our_output_has() {
    let week = week();
    let mut known = BTreeSet::new();
    // Every action there is, so that what few entries have is there too.
    let org = generate(&OrgPlan { users: 60, entries: Some(3_000), every_action: true, ..OrgPlan::default() });
    let others = (1..).zip(&org.entries).map(|(seq, entry)| {
        let event = Event::new(seq, UnixMillis(entry.date_create * 1_000), &Entry::from_json(&entry.json));
        serde_json::from_str(&line(&event)).expect("JSON")
    });
    let beats = heartbeats(2).iter().map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<Value>>();
    for value in week.events().into_iter().chain(week.alerts()).chain(others).chain(beats) {
        paths(&value, "", &mut known);
    }
    let tops: BTreeSet<&str> =
        known.iter().filter(|path| !path.contains('.')).map(|path| path.trim_end_matches("{}")).collect();
    let mut looked_at = 0;
    for language in ["sql", "spl", "kql"] {
        for query in queries(language).into_iter().chain((language != "spl").then(|| "prelude".to_owned())) {
            for path in dotted(&body(language, &query_text(language, &query))) {
                let top = path.split(['.', '{']).next().unwrap_or_default();
                if !tops.contains(top) || NOT_IN_OUR_ENTRIES.contains(&path.as_str()) {
                    continue;
                }
                // A list of texts is asked for as a whole in SQL and KQL.
                assert!(known.contains(&path), "{query}.{language}: our output has no `{path}`");
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 150, "only {looked_at} paths were looked at");
}

/// The names that an index's mapping gives a type.
fn mappings(mapping: &Value, at: &str, all: &mut BTreeSet<String>) {
    for (key, inner) in mapping["properties"].as_object().into_iter().flatten() {
        let name = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        mappings(inner, &name, all);
        if inner.get("type").is_some() {
            all.insert(name);
        }
    }
}

#[test]
fn every_ecs_field_is_one_that_the_view_declares() {
    let known: BTreeSet<&str> = ecs::fields().map(|field| field.name.as_str()).collect();
    let readme = std::fs::read_to_string(examples().join("README.md")).expect("the README");
    let template =
        blocks(&readme, "json").into_iter().find(|block| block.contains("index_patterns")).expect("a template");
    let template: Value = serde_json::from_str(&template).expect("JSON");
    let mut mapped = BTreeSet::new();
    mappings(&template["template"]["mappings"], "", &mut mapped);
    assert!(
        mapped.iter().all(|field| known.contains(field.as_str())),
        "{:?}",
        mapped.iter().find(|field| !known.contains(field.as_str()))
    );
    let mut looked_at = 0;
    for query in queries("esql") {
        let body = body("esql", &query_text("esql", &query));
        // The name of the index, or of its data set.
        for field in dotted(&body)
            .iter()
            .filter(|word| !["slack.audit", "gridwatch.alert", "gridwatch.heartbeat"].contains(&word.as_str()))
        {
            let top = field.split('.').next().unwrap_or_default();
            if known.iter().any(|known| known.split('.').next() == Some(top)) {
                assert!(known.contains(field.as_str()), "{query}.esql: the view has no `{field}`");
                assert!(mapped.contains(field), "{query}.esql: the index template of the README lacks `{field}`");
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 80, "only {looked_at} fields were looked at");
}

#[test]
fn every_technique_is_one_of_attack() {
    for (language, _) in LANGUAGES {
        for query in queries(language) {
            let text = query_text(language, &query);
            let techniques =
                text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').map(|word| word.trim_matches('.'));
            let techniques: Vec<&str> = techniques
                .filter(|word| {
                    word.strip_prefix('T')
                        .is_some_and(|rest| rest.len() >= 4 && rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
                })
                .collect();
            assert!(!techniques.is_empty() || query == "alerts", "{query}.{language} names no technique");
            for technique in techniques {
                assert_eq!(gridwatch_names::attack::problem(technique), None, "{query}.{language}");
            }
        }
    }
}
