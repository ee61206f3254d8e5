//! What is told about alerts, over the whole of directory, memory and networks.

use super::*;
use crate::alert::Alert;
use crate::pipeline::Pipeline;
use crate::state::StateOp;
use gridwatch_event::entry::Entry;
use gridwatch_event::event::Event;
use gridwatch_event::network::{NetworkKind, Networks};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const START: u64 = 1_790_000_000;

fn networks() -> Networks {
    let table = Networks::parse("198.51.100.0/24,AS64500,DE,,,office\n203.0.113.0/24,AS64501,NL").unwrap();
    let tor = Networks::parse_list("203.0.113.7", NetworkKind::Tor).unwrap();
    table.over(Networks::own([("Berlin", "198.51.100.0/24")]).unwrap()).over(tor)
}

/// An entry, so many seconds after the start; `more` is laid over an ordinary one.
fn event(seq: u64, after_s: u64, action: &str, actor: &str, more: Value) -> Event {
    let mut entry = json!({
        "id": format!("e{seq}"),
        "date_create": START + after_s,
        "action": action,
        "actor": { "type": "user", "user": { "id": actor, "name": "Ada", "team": "T1" } },
        "entity": { "type": "user", "user": { "id": actor, "team": "T1" } },
        "context": { "location": { "type": "workspace", "id": "T1" }, "ip_address": "198.51.100.7", "ua": "curl/8.9" },
    });
    merge(&mut entry, more);
    Event::new(seq, UnixMillis((START + after_s + 60) * 1_000), &Entry::from_json(&entry.to_string()))
}

fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            more.into_iter().for_each(|(key, value)| merge(into.entry(key).or_insert(Value::Null), value));
        }
        (into, more) => *into = more,
    }
}

/// What is told of each event.
fn told(events: &[Event]) -> Vec<About> {
    let (mut directory, mut memory, networks) = (crate::directory::Directory::default(), Memory::default(), networks());
    let (mut apps, mut tables) = (crate::apps::Apps::default(), gridwatch_event::lookup::Tables::default());
    tables.insert(SENSITIVE_CHANNELS, ["C1".to_owned()]);
    let mut each = |event: &Event| {
        directory.learn(event);
        apps.learn(event);
        memory.learn_channel(event);
        let known = OrgKnowledge { directory: &directory, apps: &apps, networks: &networks, tables: &tables };
        let about = memory.about(event, known);
        memory.learn(event, &networks);
        about
    };
    events.iter().map(&mut each).collect()
}

fn last(events: &[Event]) -> About {
    told(events).pop().unwrap()
}

fn line(about: &About, label: &str) -> String {
    let lines = about.lines();
    let found = lines.iter().find(|(name, _)| name == label);
    found.unwrap_or_else(|| panic!("no line `{label}` in {lines:#?}")).1.clone()
}

#[test]
fn an_alert_says_who_whether_it_is_usual_and_from_where() {
    let tor = json!({ "context": { "ip_address": "203.0.113.7", "ua": "python-requests/2", "session_id": "78" } });
    let about = last(&[
        event(1, 0, "user_created", "W9", json!({ "entity": { "user": { "id": "W1" } } })),
        event(2, 60, "user_login", "W1", json!({ "context": { "session_id": 77 } })),
        event(3, 120, "file_downloaded", "W2", tor.clone()),
        event(4, 180, "user_login_failed", "W3", tor.clone()),
        event(5, 86_400, "file_downloaded", "W1", tor),
    ]);
    for (label, want) in [
        ("actor", "W1 (Ada)"),
        ("role at the event", "member"),
        ("guest", "no"),
        ("bot", "no"),
        ("deactivated", "no"),
        ("dormant", "no"),
        ("two-factor", "unknown (the log doesn't tell, and users.info was not asked)"),
        ("account made", "2026-09-21T14:13:20Z"),
        ("acted through", "nothing else"),
        ("last 24 hours", "file 1, user 1"),
        ("last 30 days", "file 1, user 1"),
        ("known addresses", "198.51.100.7 (2026-09-21 to 2026-09-21)"),
        ("sessions", "77 (since 2026-09-21, AS64500 with script/curl)"),
        ("session", "78 (the actor's), never before"),
        ("open alerts about them", "none before this"),
        ("alerts about them in 30 days", "none before this"),
        ("not their own doing in 24 hours", "nothing"),
        ("refused or flagged from the address", "never before"),
        ("refused or flagged there in 24 hours", "1 other"),
        ("known countries", "DE (2026-09-21 to 2026-09-21)"),
        ("client", "script/python-requests, never before"),
        ("last admin act", "none in this log before this"),
        ("address", "203.0.113.7 (the actor's)"),
        ("address used", "never before"),
        ("network used", "never before"),
        ("own way out", "none that is configured"),
        ("country", "NL"),
        ("network", "AS64501"),
        ("kind of address", "tor"),
        ("others at the address in 24 hours", "1: W2"),
        ("target", "none: it was done to no other user"),
        ("app", "none: the entry names no app"),
        ("channel", "none: the entry names no channel"),
        ("others who did this in 30 days", "1 (the log was watched for 24 hours only)"),
        ("of them in the same role", "0"),
    ] {
        assert_eq!(line(&about, label), want, "{label}");
    }
    assert!(about.lacks.iter().all(|lack| line(&about, &lack.what).starts_with("unknown (")));
}

#[test]
fn the_role_then_and_the_role_now_are_told_apart() {
    let of = |target: &str| json!({ "entity": { "user": { "id": target } } });
    let guest = event(1, 0, "guest_created", "W9", of("W2"));
    let roles = |about: &About| (line(about, "target: role at the event"), line(about, "target: role now"));
    // Made a member by the very entry.
    let made = last(&[guest.clone(), event(2, 60, "role_change_to_user", "W9", of("W2"))]);
    assert_eq!(roles(&made), ("guest".into(), "member".into()));
    assert_eq!(line(&made, "target: guest"), "yes");
    // Promoted after: told of an act that comes late.
    let late = event(3, 30, "user_login_failed", "W9", of("W2"));
    let promoted = last(&[guest.clone(), event(2, 60, "role_change_to_admin", "W9", of("W2")), late]);
    assert_eq!(roles(&promoted), ("guest".into(), "admin".into()));
    // Demoted before.
    let demoted = last(&[
        event(1, 0, "role_change_to_owner", "W9", of("W2")),
        event(2, 60, "role_change_to_user", "W9", of("W2")),
        event(3, 120, "user_session_reset_by_admin", "W9", of("W2")),
    ]);
    assert_eq!(roles(&demoted), ("member".into(), "member".into()));
    // Nothing told: unknown, and why.
    let nobody = last(&[event(1, 0, "user_login", "W5", json!({}))]);
    assert_eq!(line(&nobody, "role at the event"), "unknown (no entry up to then told it)");
}

#[test]
fn a_join_by_invitation_has_the_inviters_address() {
    let invited = |seq, after| {
        let details = json!({ "type": "INVITED", "inviter": { "id": "W2", "name": "Bob" } });
        let more = json!({ "context": { "ip_address": "203.0.113.9" }, "details": details,
                           "entity": { "type": "channel", "channel": { "id": "C1", "name": "deals", "privacy": "private", "is_shared": true } } });
        event(seq, after, "user_channel_join", "W1", more)
    };
    let about = last(&[invited(1, 0), invited(2, 7_200)]);
    assert_eq!(line(&about, "address"), "203.0.113.9 (the inviter's)");
    assert!(line(&about, "acted through").starts_with("Bob (W2), who brought them in"));
    assert_eq!(line(&about, "known addresses"), "none before this", "it is none of the joiner's");
    assert!(line(&about, "address used").starts_with("since 2026-09-21"), "but of the inviter's");
    assert_eq!((line(&about, "channel"), line(&about, "channel is private")), ("C1 deals".into(), "yes".into()));
    assert_eq!(line(&about, "channel is shared outside"), "yes");
    assert_eq!(line(&about, "channel is sensitive"), "yes");
    assert_eq!(
        line(&about, "channel's members"),
        "unknown (the log doesn't tell, and conversations.info was not asked)"
    );
    assert_eq!(line(&about, "last 24 hours"), "nothing", "somebody else did it");
    assert_eq!(line(&about, "not their own doing in 24 hours"), "by others: channel 2");
}

#[test]
fn what_the_log_once_said_of_a_channel_is_told_of_what_is_in_it() {
    let channel =
        json!({ "entity": { "type": "channel", "channel": { "id": "C2", "name": "plans", "privacy": "private" } } });
    let message = json!({ "entity": { "type": "message", "message": { "channel": "C2", "team": "T1" } } });
    let mut about = last(&[
        event(1, 0, "private_channel_created", "W1", channel),
        event(2, 60, "message_tombstoned", "W1", message),
    ]);
    assert_eq!((line(&about, "channel"), line(&about, "channel is private")), ("C2 plans".into(), "yes".into()));
    assert_eq!(line(&about, "channel is sensitive"), "no");
    let answer = Conversation { private: Some(false), shared: Some(true), members: Some(7), ..Conversation::default() };
    about.fill_channel(&answer, UnixMillis(1_790_000_100_000));
    assert_eq!(line(&about, "channel's members"), "7 (conversations.info, 2026-09-21T14:15:00Z)");
    assert_eq!(
        (line(&about, "channel is private"), line(&about, "channel is shared outside")),
        ("yes".into(), "yes".into())
    );
    about.channel.as_mut().unwrap().members = None;
    about.unfilled_channel("Slack said missing_scope");
    assert!(line(&about, "channel's members").contains("conversations.info: Slack said missing_scope"));
    let asked = json!({ "details": { "arguments": { "channel_id": "C3" } } });
    let tool = last(&[event(1, 0, "mcp_slack_read_channel_tool_called", "W1", asked)]);
    assert_eq!(line(&tool, "channel"), "C3");
    assert!(line(&tool, "channel is private").starts_with("unknown ("));
}

#[test]
fn an_attackers_tries_and_an_apps_night_shift_are_not_the_persons_habits() {
    let day = 86_400;
    let from = |ip: &str| json!({ "context": { "ip_address": ip, "ua": "python-requests/2", "session_id": null } });
    let app = json!({ "context": { "ip_address": "203.0.113.9", "app": { "id": "A1", "name": "eDiscovery" } } });
    let tells = told(&[
        event(1, 0, "user_login", "W1", json!({})),
        event(2, 31 * day, "user_login_failed", "W1", from("203.0.113.7")),
        event(3, 31 * day + 10, "file_downloaded", "W1", app),
        event(4, 31 * day + 20, "anomaly", "W1", from("203.0.113.7")),
        event(5, 31 * day + 30, "user_login", "W1", from("203.0.113.7")),
    ]);
    let about = &tells[4];
    assert_eq!(line(about, "dormant"), "yes");
    assert_eq!(line(about, "address used"), "never before");
    assert_eq!(line(about, "known addresses"), "198.51.100.7 (2026-09-21 to 2026-09-21)");
    assert_eq!(line(about, "client"), "script/python-requests, never before");
    assert!(line(about, "refused or flagged from the address").starts_with("since 2026-10-22"));
    assert_eq!(line(about, "last 24 hours"), "user 1");
    assert_eq!(
        line(about, "not their own doing in 24 hours"),
        "by app: file 1, refused or flagged: anomaly 1, refused or flagged: user 1"
    );
}

#[test]
fn where_slack_itself_acted_it_is_told_what_the_person_does_to_whom_it_was_done() {
    let ended = json!({ "entity": { "user": { "id": "W1" } }, "context": { "ip_address": "" } });
    let about = last(&[
        event(1, 0, "user_login", "W1", json!({})),
        event(2, 60, "user_sessions_reset_by_anomaly_event_response", "USLACKUSER", ended),
    ]);
    assert_eq!(line(&about, "activity"), "of W1, to whom it was done");
    assert_eq!(
        (line(&about, "last 24 hours"), line(&about, "known networks").starts_with("AS64500")),
        ("user 1".into(), true)
    );
}

#[test]
fn an_app_that_acts_in_its_installers_name_is_told_from_the_installer() {
    let app = json!({ "id": "A1", "name": "eDiscovery", "scopes": ["discovery:read"] });
    // On the app's own page, by the person's session; the end of an OAuth flow has the app's server instead.
    let own_page = json!({ "context": { "session_id": 7 } });
    let mut install = json!({ "entity": { "type": "app", "app": app } });
    let by_oauth = last(&[event(1, 0, "app_installed", "W1", install.clone())]);
    assert_eq!(line(&by_oauth, "known addresses"), "none before this");
    assert_eq!(line(&by_oauth, "address"), "198.51.100.7 (the app's)");
    merge(&mut install, own_page);
    let download = json!({ "context": { "app": app, "ip_address": "203.0.113.9" } });
    let about = last(&[
        event(1, 0, "app_installed", "W1", install.clone()),
        event(2, 60, "file_downloaded", "W1", download.clone()),
        event(3, 120, "file_downloaded", "W1", download),
    ]);
    assert_eq!(
        line(&about, "acted through"),
        "app eDiscovery (A1), which the actor installed: the app acted in their name"
    );
    assert_eq!(line(&about, "known addresses"), "198.51.100.7 (2026-09-21 to 2026-09-21)", "not the app's servers");
    assert_eq!(line(&about, "address"), "203.0.113.9 (the app's)");
    for (label, want) in [
        ("app", "A1 eDiscovery"),
        ("app's scopes", "discovery:read"),
        ("app first seen", "2026-09-21T14:13:20Z"),
        ("app's installer", "W1"),
        ("in Slack's app directory", "unknown (no entry told it)"),
        ("app's installs in 24 hours", "1"),
    ] {
        assert_eq!(line(&about, label), want, "{label}");
    }
    let approved =
        last(&[event(1, 0, "app_installed", "W1", install.clone()), event(2, 60, "app_approved", "W1", install)]);
    assert_eq!(line(&approved, "app's approval"), "approved");
}

#[test]
fn placeholders_agents_and_slacks_own_servers_are_nobody() {
    let user = |id: &str| json!({ "user": { "id": id } });
    let slacks = last(&[event(1, 0, "user_session_invalidated", "USLACKSECURITY", json!({ "entity": user("W1") }))]);
    assert_eq!(line(&slacks, "actor"), "USLACKSECURITY: Slack's placeholder, no person");
    assert_eq!(line(&slacks, "last 24 hours"), "nothing", "of the one to whom it was done");
    let to_nobody = json!({ "entity": { "type": "workspace", "workspace": { "id": "T1" } } });
    let nobodys = last(&[event(1, 0, "pref.sso_setting_changed", "USLACKUSER", to_nobody)]);
    assert_eq!(line(&nobodys, "last 24 hours"), "none: no person acted");
    assert_eq!(slacks.wanted(), BTreeSet::from(["W1"]), "Slack is not asked about itself");
    let agent = json!({ "context": { "acting_agent": "Slackbot", "ip_address": "203.0.113.9" } });
    let agents =
        last(&[event(1, 0, "canvas_created", "W1", agent.clone()), event(2, 60, "canvas_created", "W1", agent)]);
    assert_eq!(line(&agents, "acted through"), "agent Slackbot, for the actor");
    assert_eq!(line(&agents, "known addresses"), "none before this");
    let own = json!({ "context": { "ip_address": "127.0.0.1", "ua": "", "session_id": null } });
    let servers = last(&[event(1, 0, "file_uploaded", "W1", own.clone()), event(2, 60, "file_uploaded", "W1", own)]);
    assert_eq!(line(&servers, "address"), "127.0.0.1: Slack's own servers");
    assert_eq!(line(&servers, "known addresses"), "none before this");
}

#[test]
fn who_was_away_for_a_month_is_dormant_and_who_was_never_seen_is_so_only_after_a_month() {
    let day = 86_400;
    let tells = told(&[
        event(1, 0, "user_login", "W1", json!({})),
        event(2, 10 * day, "user_login", "W2", json!({})),
        event(3, 31 * day, "user_login", "W1", json!({})),
        event(4, 31 * day, "user_login", "W2", json!({})),
        event(5, 31 * day, "user_login", "W3", json!({})),
    ]);
    let dormant: Vec<Option<bool>> =
        tells.iter().map(|about| about.actor.dormant.as_ref().map(|told| told.value)).collect();
    assert_eq!(dormant, [None, None, Some(true), Some(false), Some(true)]);
}

#[test]
fn people_beyond_a_bound_are_counted_as_that_many_or_more() {
    let mut events: Vec<Event> = (0..300).map(|n| event(n + 1, n, "user_login", &format!("W{n}"), json!({}))).collect();
    events.push(event(301, 400, "user_login", "W999", json!({})));
    let about = last(&events);
    assert!(line(&about, "others who did this in 30 days").starts_with("200 or more"));
    let others = about.address.unwrap();
    assert_eq!((others.others.len(), others.others_total), (MAX_NAMED, 300));
}

#[test]
fn what_slack_is_asked_fills_what_the_log_does_not_tell_and_says_so() {
    let login = event(1, 0, "user_login", "W1", json!({}));
    let account = Account {
        role: Some(Role::Admin),
        guest: Some(false),
        two_factor: Some(false),
        name: "Ada".into(),
        ..Account::default()
    };
    let mut about = last(std::slice::from_ref(&login));
    about.fill("W1", &account, UnixMillis(1_790_000_100_000), login.time);
    assert_eq!(line(&about, "role now"), "admin (users.info, 2026-09-21T14:15:00Z)");
    assert_eq!(line(&about, "two-factor"), "no (users.info, 2026-09-21T14:15:00Z)");
    assert_eq!(line(&about, "role at the event"), "unknown (no entry up to then told it)", "it can't tell of then");
    assert_eq!(line(&about, "deactivated"), "unknown (the log doesn't tell, and neither does users.info)");
    about.unfilled("W9", "rate limited");
    assert_eq!(
        line(&about, "deactivated"),
        "unknown (the log doesn't tell, and neither does users.info)",
        "another's reason"
    );
    about.unfilled("W1", "rate limited");
    assert_eq!(line(&about, "deactivated"), "unknown (the log doesn't tell; users.info: rate limited)");
    // What the log says of the event stays; an answer from before it doesn't overrule the log's newest role.
    let promoted = [
        event(1, 0, "role_change_to_owner", "W9", json!({ "entity": { "user": { "id": "W1" } } })),
        event(2, 60, "user_login", "W1", json!({})),
    ];
    let mut about = last(&promoted);
    about.fill("W1", &account, UnixMillis(START * 1_000), promoted[1].time);
    assert_eq!((line(&about, "role now"), line(&about, "role at the event")), ("owner".into(), "owner".into()));
    about.fill("W1", &account, promoted[1].time.plus(60).millis(), promoted[1].time);
    assert!(line(&about, "role now").starts_with("admin (users.info"), "Slack was asked later than that");
}

#[test]
fn rows_of_before_and_after_are_read_and_what_is_told_survives_being_saved() {
    let about = last(&[event(1, 0, "user_login", "W1", json!({}))]);
    let text = serde_json::to_string(&about).unwrap();
    assert_eq!(serde_json::from_str::<About>(&text).unwrap(), about);
    assert_eq!(serde_json::from_str::<About>("{}").unwrap(), About::default());
    assert!(About::default().lines().is_empty());
}

fn some_event() -> impl Strategy<Value = (String, String, u64, u64, Value)> {
    let action = prop_oneof![
        3 => (0..40_u32).prop_map(|n| format!("made_up_{n}")),
        6 => prop::sample::select(vec![
            "user_login", "file_downloaded", "role_change_to_admin", "user_channel_join", "app_installed", "guest_created",
            "user_deactivated", "user_login_failed", "pref.sso_setting_changed",
        ]).prop_map(str::to_owned),
    ];
    let more = prop::sample::select(vec![
        json!({}),
        json!({ "context": { "ip_address": "203.0.113.7", "ua": "Mozilla/5.0 (Windows NT 10.0) Firefox/128" } }),
        json!({ "entity": { "user": { "id": "W2" } } }),
        json!({ "entity": { "type": "app", "app": { "id": "A1", "scopes": ["admin"] } } }),
        json!({ "entity": { "type": "app", "app": { "id": "A1" } }, "details": { "new_scopes": ["users:read"] } }),
        json!({ "entity": { "type": "channel", "channel": { "id": "C1", "name": "n", "privacy": "private" } } }),
        json!({ "entity": { "type": "message", "message": { "channel": "C1" } }, "context": { "session_id": 7 } }),
        json!({ "context": { "ip_address": "203.0.113.8", "session_id": 8 } }),
        json!({ "context": { "app": { "id": "A1" } } }),
        json!({ "details": { "inviter": { "id": "W3" } } }),
        json!({ "actor": { "user": { "team": "T9" } } }),
        json!({ "actor": { "user": { "account_type": "guest" } } }),
    ]);
    let actor = prop::sample::select(vec!["W1", "W2", "W3", "USLACKUSER"]).prop_map(str::to_owned);
    let wait = prop_oneof![6 => 0..7_200_u64, 1 => 0..20 * DAY_S];
    (action, actor, wait, prop_oneof![3 => Just(0), 1 => 0..100_000_u64], more)
}

/// Alerts of unknown actions, as they are sent: one pipeline, or one that starts anew with its saved rows for each batch.
fn run(events: &[Event], sizes: &[usize], restarts: bool) -> Vec<String> {
    let make = |rows: &BTreeMap<Vec<u8>, Vec<u8>>| {
        let mut pipeline = Pipeline::new(vec![]).with_networks(networks());
        rows.iter().for_each(|(key, value)| pipeline.load(key, value).unwrap());
        pipeline
    };
    let mut rows = BTreeMap::new();
    let (mut pipeline, mut sent) = (make(&rows), Vec::new());
    let (mut rest, mut sizes) = (events, sizes.iter().cycle());
    while !rest.is_empty() {
        let (batch, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
        rest = later;
        let prepared = pipeline.prepare(batch);
        let concluded = pipeline.conclude(batch, &prepared, []);
        sent.extend(concluded.alerts.iter().map(|alert: &Alert| serde_json::to_string(alert).unwrap()));
        for StateOp { key, value } in pipeline.take_changes() {
            match value.unwrap() {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        if restarts {
            pipeline = make(&rows);
        }
    }
    sent
}

#[test]
fn an_alert_tells_of_those_before_it_about_the_same_person() {
    let day = 86_400;
    let sent: Vec<Alert> = run(
        &[
            event(1, 0, "made_up_1", "W1", json!({})),
            event(2, 60, "made_up_2", "W2", json!({})),
            event(3, 120, "made_up_3", "W1", json!({})),
            event(4, 9 * day, "made_up_4", "W1", json!({})),
            event(5, 40 * day, "made_up_5", "W1", json!({})),
        ],
        &[1],
        true,
    )
    .iter()
    .map(|alert| serde_json::from_str(alert).unwrap())
    .collect();
    let told = |at: usize| {
        let about = &sent[at].about;
        let uids: Vec<(&str, bool)> = about.alerts.iter().map(|alert| (alert.uid.as_str(), alert.open)).collect();
        (uids, line(about, "alerts about them in 30 days"))
    };
    let (first, third) = (sent[0].uid.as_str(), sent[2].uid.as_str());
    assert_eq!(told(0), (vec![], "none before this".into()));
    assert_eq!(told(1), (vec![], "none before this".into()), "another's");
    assert_eq!(told(2), (vec![(first, true)], "Informational 1".into()));
    assert!(line(&sent[2].about, "open alerts about them").contains(&sent[0].rule));
    assert_eq!(told(3), (vec![(third, false), (first, false)], "Informational 2".into()));
    assert_eq!(line(&sent[3].about, "open alerts about them"), "none before this");
    assert_eq!(told(4).0, vec![], "those of 30 days");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn neither_batches_nor_restarts_show_in_what_is_told(
        acts in prop::collection::vec(some_event(), 1..80),
        sizes in prop::collection::vec(1..30_usize, 1..6),
    ) {
        let mut newest = 100_000;
        let events: Vec<Event> = acts.into_iter().enumerate().map(|(n, (action, actor, wait, late, more))| {
            newest += wait;
            event(n as u64 + 1, newest - late, &action, &actor, more)
        }).collect();
        let one_by_one = run(&events, &[1], false);
        prop_assert_eq!(&run(&events, &sizes, false), &one_by_one);
        prop_assert_eq!(&run(&events, &sizes, true), &one_by_one);
        prop_assert_eq!(&run(&events, &[events.len()], false), &one_by_one);
    }
}
