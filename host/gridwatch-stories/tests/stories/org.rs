//! The generated organization: repeatable, believable, and quiet outside its stories.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use gridwatch_stories::{Org, OrgPlan, SimEntry, Story, action_names, generate};
use serde_json::Value;

fn month() -> OrgPlan {
    OrgPlan { users: 400, to: OrgPlan::default().from + 28 * 86_400 - 1, entries: Some(40_000), ..OrgPlan::default() }
}

fn parsed(entry: &SimEntry) -> Value {
    serde_json::from_str(&entry.json).unwrap_or_else(|error| panic!("{error}: {}", entry.json))
}

fn of<'a>(org: &'a Org, action: &'a str) -> impl Iterator<Item = &'a SimEntry> {
    org.entries.iter().filter(move |entry| entry.action == action)
}

fn story<'a>(org: &'a Org, name: &str) -> (&'a Story, Vec<Value>) {
    let story = org.stories.iter().find(|story| story.name == name).unwrap_or_else(|| panic!("no story {name}"));
    let ids: HashSet<&String> = story.entry_ids.iter().collect();
    let entries = org.entries.iter().filter(|entry| ids.contains(&entry.id)).map(parsed).collect();
    (story, entries)
}

#[test]
fn the_same_plan_gives_the_same_bytes() {
    let plan = OrgPlan { every_action: true, ..OrgPlan::default() };
    let (one, two) = (generate(&plan), generate(&plan));
    assert_eq!(one.entries, two.entries);
    assert_eq!(one.stories, two.stories);
    assert_ne!(one.entries, generate(&OrgPlan { seed: 2, ..plan }).entries);
}

#[test]
fn every_entry_is_well_formed() {
    let plan = OrgPlan { every_action: true, ..month() };
    let org = generate(&plan);
    assert_eq!(org.entries.len(), 40_000);
    assert!(org.entries.is_sorted_by_key(|entry| entry.date_create));
    let mut ids = HashSet::new();
    for entry in &org.entries {
        let value = parsed(entry);
        assert!(ids.insert(&entry.id), "{} twice", entry.id);
        assert!((plan.from..=plan.to).contains(&entry.date_create));
        assert_eq!(value["id"], entry.id.as_str());
        assert_eq!(value["date_create"], entry.date_create);
        assert_eq!(value["action"], entry.action.as_str());
        assert_eq!(value["actor"]["type"], "user");
        let kind = value["entity"]["type"].as_str().expect("entity type");
        assert!(value["entity"][kind].is_object(), "{}", entry.json);
        assert!(value["context"]["ip_address"].is_string() && value["context"]["ua"].is_string());
        assert!(entry.json.is_ascii(), "text outside ASCII is escaped");
        assert!(!entry.json.replace("\\/", "").contains('/'), "slashes are escaped");
        assert_eq!(entry.visible_at_ms, entry.date_create * 1000);
    }
}

#[test]
fn every_action_of_the_catalogue_can_be_had() {
    let org = generate(&OrgPlan { every_action: true, ..OrgPlan::default() });
    let there: BTreeSet<&str> = org.entries.iter().map(|entry| entry.action.as_str()).collect();
    let missing: Vec<_> = action_names().into_iter().filter(|name| !there.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let kinds: BTreeSet<String> =
        org.entries.iter().map(|entry| parsed(entry)["entity"]["type"].as_str().expect("type").to_owned()).collect();
    assert!(kinds.len() >= 19, "{kinds:?}");
}

#[test]
fn people_work_in_the_day_and_rest_at_weekends() {
    let org = generate(&OrgPlan { stories: false, ..month() });
    let mut by_day = [0u32; 7];
    for entry in &org.entries {
        by_day[((entry.date_create / 86_400 + 4) % 7) as usize] += 1;
    }
    let [sunday, weekdays @ .., saturday] = by_day;
    let quietest = *weekdays.iter().min().expect("five");
    assert!(saturday * 3 < quietest && sunday * 3 < quietest, "{by_day:?}");
}

#[test]
fn one_video_played_is_nineteen_downloads_of_one_file() {
    let org = generate(&month());
    let mut by_file: HashMap<String, Vec<u64>> = HashMap::new();
    for entry in of(&org, "file_downloaded") {
        let id = parsed(entry)["entity"]["file"]["id"].as_str().expect("file").to_owned();
        by_file.entry(id).or_default().push(entry.date_create);
    }
    let played: Vec<_> = by_file.values().filter(|times| times.len() > 1).collect();
    assert!(!played.is_empty());
    for times in played {
        assert_eq!((times.len(), times[18] - times[0]), (19, 38));
    }
}

#[test]
fn shapes_vary_as_they_do_in_life() {
    let org = generate(&month());
    let mut sessions = BTreeMap::<&str, u32>::new();
    for entry in of(&org, "user_login") {
        let form = match parsed(entry)["context"].get("session_id") {
            None => "absent",
            Some(Value::Null) => "null",
            Some(Value::String(_)) => "text",
            Some(_) => "number",
        };
        *sessions.entry(form).or_default() += 1;
    }
    assert_eq!(sessions.len(), 4, "{sessions:?}");
    for invited in of(&org, "user_channel_join").map(parsed).filter(|e| e["details"]["type"] == "INVITED").take(50) {
        assert!(invited["details"]["inviter"]["id"].is_string());
    }
    let is_bot =
        |e: &Value| e["entity"]["user"]["email"].as_str().is_some_and(|mail| mail.ends_with("@slack-bots.com"));
    let created = of(&org, "user_created").map(parsed).find(|e| !is_bot(e)).expect("somebody joined");
    assert_eq!(created["context"]["app"]["name"], "Okta SCIM Provisioning");
    assert_eq!((&created["context"]["ip_address"], &created["context"]["ua"]), (&"".into(), &"".into()));
    assert!(of(&org, "user_created").map(parsed).any(|e| is_bot(&e)), "bots come with their apps");
    let by_account = generate(&OrgPlan { seed: 2, ..month() });
    let created = of(&by_account, "user_created").map(parsed).find(|e| !is_bot(e)).expect("somebody joined");
    assert_eq!(created["context"]["ua"], "OKTA CPC Slack Integration");
    assert_eq!(created["context"]["session_id"], Value::Null);
    assert!(org.entries.iter().any(|entry| entry.json.contains("USLACKUSER")));
    assert!(org.entries.iter().any(|entry| entry.json.contains("@slack-bots.com")));
    assert!(org.entries.iter().any(|entry| entry.json.contains("com.tinyspeck.chatlyio\\/")));
    let mixed: BTreeSet<&str> = of(&org, "pref.enterprise_default_channels").map(|_| "list").collect();
    assert!(!mixed.is_empty());
}

#[test]
fn the_long_tail_is_a_few_percent_of_many_actions() {
    let org = generate(&OrgPlan { stories: false, ..month() });
    let mut counts = BTreeMap::<&str, u32>::new();
    for entry in &org.entries {
        *counts.entry(&entry.action).or_default() += 1;
    }
    let rare: Vec<u32> = counts.values().copied().filter(|count| *count < 60).collect();
    let share = f64::from(rare.iter().sum::<u32>()) / org.entries.len() as f64;
    assert!(rare.len() > 100, "{}", rare.len());
    assert!((0.02..0.08).contains(&share), "{share}");
}

/// "Expanded", and yet no scope is there that wasn't before.
fn gains_nothing(entry: &Value) -> bool {
    let scopes = |key: &str| entry["details"][key].as_array().expect("scopes").clone();
    let before = scopes("previous_scopes");
    scopes("new_scopes").iter().all(|scope| before.contains(scope))
}

/// What captured entries show: see the modules for where each was seen.
#[test]
fn habits_of_real_entries_are_there() {
    let org = generate(&month());
    let told: HashSet<&String> = org.stories.iter().flat_map(|story| &story.entry_ids).collect();
    let ordinary = |action| of(&org, action).filter(|entry| !told.contains(&entry.id)).map(parsed).collect::<Vec<_>>();
    // Whoever makes a channel is made its manager in the same second.
    let roles = ordinary("role_assigned");
    let channels = [ordinary("public_channel_created"), ordinary("private_channel_created")].concat();
    assert!(channels.len() > 50);
    for made in &channels {
        let id = &made["entity"]["channel"]["id"];
        let role = roles
            .iter()
            .find(|role| role["date_create"] == made["date_create"] && role["details"]["target_entity"] == *id);
        let role = role.unwrap_or_else(|| panic!("no manager of {made}"));
        assert_eq!(role["entity"]["role"], serde_json::json!({ "id": "Rl0A", "name": "Channel Manager", "type": "0" }));
        assert_eq!(role["actor"], made["actor"]);
        assert_eq!(role["details"]["target_user"], made["actor"]["user"]["id"]);
    }
    // A new workspace: what each account type may do there, within one second.
    let rights = ordinary("permissions_assigned");
    let made = ordinary("workspace_created");
    assert!((8..=30).contains(&rights.len()) && made.len() == 1, "{}", rights.len());
    for right in &rights {
        assert_eq!(right["date_create"], made[0]["date_create"]);
        assert_eq!(right["entity"]["type"], "account_type_role");
        assert!(right["entity"]["account_type_role"]["id"].is_u64());
        assert_eq!(right["details"]["is_allowed"], "ALLOWED");
        assert_eq!(right["details"]["target_entity_id"], made[0]["entity"]["workspace"]["id"]);
    }
    // What ends an OAuth flow says where the app's server is, and nothing of the person's.
    let installs = [ordinary("app_installed"), ordinary("app_scopes_expanded")].concat();
    let browsers = |e: &Value| e["context"]["ua"].as_str().is_some_and(|ua| ua.starts_with("Mozilla"));
    assert!(installs.len() > 60 && !installs.iter().any(browsers));
    assert!(installs.iter().all(|e| e["context"]["session_id"].is_null() && e["context"].get("app").is_none()));
    // The location is a workspace on a little less than half.
    let places = org.entries.iter().filter(|e| e.json.contains(r#""location":{"type":"workspace""#)).count();
    let share = places as f64 / org.entries.len() as f64;
    assert!((0.35..0.60).contains(&share), "{share}");
    let methods: BTreeSet<String> = of(&org, "user_login")
        .filter_map(|e| Some(parsed(e)["details"]["authentication_method"].as_str()?.into()))
        .collect();
    assert!(methods.contains("saml") && methods.contains("magic_link"), "{methods:?}");
}

#[test]
fn outside_the_stories_nothing_looks_like_an_attack() {
    for seed in 0..5 {
        let org = generate(&OrgPlan { seed, ..month() });
        let told: HashSet<&String> = org.stories.iter().flat_map(|story| &story.entry_ids).collect();
        let mut failures: HashMap<String, Vec<u64>> = HashMap::new();
        for entry in org.entries.iter().filter(|entry| !told.contains(&entry.id)) {
            let name = entry.action.as_str();
            assert!(!name.starts_with("role_change") && !name.contains("owner") && !name.contains("export"), "{name}");
            assert!(!name.starts_with("ekm"), "{name}");
            match name {
                "app_scopes_expanded" => assert!(gains_nothing(&parsed(entry)), "{}", entry.json),
                "anomaly" => assert_eq!(parsed(entry)["details"]["reason"], serde_json::json!(["ip_address"])),
                "user_login_failed" => {
                    let who = parsed(entry)["actor"]["user"]["id"].as_str().expect("id").to_owned();
                    failures.entry(who).or_default().push(entry.date_create);
                }
                _ => {}
            }
        }
        assert!(!failures.is_empty());
        for times in failures.values() {
            assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 6 * 3600), "seed {seed}: {times:?}");
        }
    }
}

#[test]
fn story_people_have_no_part_in_other_stories() {
    let org = generate(&month());
    let heroes: HashSet<&String> = org.stories.iter().map(|story| &story.actor).collect();
    assert_eq!((org.stories.len(), heroes.len()), (11, 11));
    assert!(org.stories.is_sorted_by_key(|story| story.from));
    let known: HashSet<&String> = org.users.iter().map(|user| &user.id).collect();
    assert!(heroes.is_subset(&known));
    let near_misses: Vec<_> = org.stories.iter().filter(|story| story.expected_rules.is_empty()).collect();
    assert_eq!(near_misses.len(), 1);
    assert_eq!(near_misses[0].name, "app-scopes-unchanged");
}

#[test]
fn the_burst_has_fourteen_failures_and_no_success() {
    let org = generate(&month());
    let (story, entries) = story(&org, "failed-login-burst");
    assert_eq!((entries.len(), story.expected_rules.as_slice()), (14, ["sign-in.burst".to_owned()].as_slice()));
    assert!(story.to - story.from <= 360);
    let victim = &story.actor;
    let succeeded = of(&org, "user_login").any(|entry| parsed(entry)["actor"]["user"]["id"] == victim.as_str());
    assert!(!succeeded);
}

#[test]
fn the_spray_is_wide_and_thin() {
    let org = generate(&month());
    let (story, entries) = story(&org, "password-spray");
    let mut tries = BTreeMap::<String, u32>::new();
    let failed = entries.iter().filter(|entry| entry["action"] == "user_login_failed");
    failed.for_each(|e| *tries.entry(e["actor"]["user"]["id"].as_str().expect("id").into()).or_default() += 1);
    assert_eq!((tries.len(), tries.values().sum::<u32>()), (9, 22));
    assert!(tries.values().all(|count| (2..=3).contains(count)), "{tries:?}");
    let addresses: BTreeSet<String> = entries.iter().map(|e| e["context"]["ip_address"].to_string()).collect();
    assert_eq!((addresses.len(), story.to - story.from), (1, 1500));
    assert_eq!(entries.last().expect("entries")["action"], "user_login");
}

#[test]
fn the_takeover_ends_in_an_app_that_reads_everything() {
    let org = generate(&month());
    let (story, entries) = story(&org, "takeover-after-stuffing");
    let [.., login, install] = entries.as_slice() else { panic!("too short") };
    assert_eq!(
        (entries.len(), &login["action"], &install["action"]),
        (9, &"user_login".into(), &"app_installed".into())
    );
    assert_eq!(login["context"]["session_id"], install["context"]["session_id"]);
    let scopes = install["entity"]["app"]["scopes"].as_array().expect("scopes");
    assert!(scopes.contains(&"auditlogs:read".into()) && scopes.contains(&"admin".into()));
    let ip = login["context"]["ip_address"].to_string();
    let ids: HashSet<&String> = story.entry_ids.iter().collect();
    let elsewhere = org.entries.iter().filter(|entry| !ids.contains(&entry.id));
    assert!(!elsewhere.map(|entry| &entry.json).any(|json| json.contains(&ip)), "the address is new");
}

#[test]
fn stories_fit_into_a_single_hour() {
    let from = OrgPlan::default().from;
    let org = generate(&OrgPlan { from, to: from + 3600, users: 1, entries: Some(300), ..OrgPlan::default() });
    assert_eq!((org.entries.len(), org.stories.len()), (300, 11));
    assert!(org.entries.iter().all(|entry| (from..=from + 3600).contains(&entry.date_create)));
}

#[test]
fn a_hundred_thousand_entries_take_about_a_second() {
    let begun = tokio::time::Instant::now();
    let org = generate(&OrgPlan { entries: Some(100_000), ..month() });
    let bytes: usize = org.entries.iter().map(|entry| entry.json.len()).sum();
    println!("{:?}, {} bytes an entry", begun.elapsed(), bytes / org.entries.len());
    assert_eq!(org.entries.len(), 100_000);
    // Generous: test machines are shared.
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}
