//! Plans for alerts of each family: what is filled in, what is refused, what is left to a person.

use super::*;
use crate::alert::{Actor, ModuleRef, Source};
use crate::directory::Directory;
use crate::handling::Handling;
use gridwatch_event::entry::Entry;
use gridwatch_event::event::Event;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_manifest::{Playbook, Severity};
use serde_json::{Value, json};

const API: &str = "https://slack.com/api";

/// An alert on one entry, with one step to contain it.
fn alert(method: &str, on: Option<On>, entry: Value) -> Alert {
    let event = Event::new(1, UnixMillis(0), &Entry::from_json(&entry.to_string()));
    let mut directory = Directory::default();
    directory.learn(&event);
    let step = |text: &str, method: Option<&str>, on| Step {
        text: text.into(),
        method: method.map(str::to_owned),
        scope: None,
        on,
    };
    Alert {
        uid: "gw-1".into(),
        org: gridwatch_event::org::OrgId::default(),
        revision: 1,
        source: Source::Fold,
        severity: Severity::High,
        reason: String::new(),
        title: "t".into(),
        rule: "m.r".into(),
        rule_title: "R".into(),
        condition: String::new(),
        module: ModuleRef { name: "m".into(), version: "1.0.0".into(), digest: "d".into() },
        dedup_key: "k".into(),
        period_start: UnixSeconds(0),
        period_s: 60,
        findings: 1,
        counts: crate::alert::Counts::default(),
        days: 0,
        news: vec![],
        first: UnixSeconds(0),
        last: UnixSeconds(0),
        opened: UnixMillis(0),
        seen: UnixMillis(0),
        actor: Actor::default(),
        others: vec![],
        recent: vec![],
        evidence: vec![],
        evidence_total: 0,
        labels: BTreeMap::new(),
        subjects: Subjects::of(&event, &directory),
        attack: vec![],
        playbook: Playbook {
            verify: vec![step("ask", None, None)],
            contain: vec![step("act", Some(method), on)],
            then: vec![],
        },
        basis: crate::basis::Basis::default(),
        organization: None,
        suppressed_by: None,
        handling: Handling::default(),
        over: None,
        about: Box::default(),
    }
}

/// By W1, on this thing.
fn entry(action: &str, kind: &str, thing: Value) -> Value {
    json!({
        "id": "e", "date_create": 1_790_000_000, "action": action,
        "actor": { "type": "user", "user": { "id": "W1", "team": "E9" } },
        "entity": { "type": kind, kind: thing },
        "context": {
            "location": { "type": "workspace", "id": "T1" }, "ip_address": "198.51.100.7", "session_id": 77,
        },
    })
}

fn shared(channel: &str, details: Value) -> Value {
    let mut entry = entry("external_shared_channel_connected", "channel", json!({ "id": channel }));
    entry["details"] = details;
    entry
}

fn asked(roles: &[(&str, Role)]) -> Safeguards {
    Safeguards {
        break_glass: BTreeSet::from(["WBREAK".into(), "CBREAK".into()]),
        own_apps: BTreeSet::new(),
        admins: Admins::LikeOthers,
        asked: Some(Asked {
            poller: Some("WPOLL".into()),
            responder: "WRESP".into(),
            enterprise: Some("E9".into()),
            own_apps: BTreeSet::from(["AOWN".into()]),
            knows_own_apps: true,
            roles: roles.iter().map(|(id, role)| ((*id).to_owned(), *role)).collect(),
        }),
    }
}

fn calls(alert: &Alert, safeguards: &Safeguards) -> Calls {
    match ResponsePlan::of(alert, safeguards).steps.remove(1).how {
        How::Calls(calls) => calls,
        other => panic!("no calls: {other:?}"),
    }
}

#[test]
fn every_family_of_subjects_fills_its_call() {
    let user = |id: &str| json!({ "id": id });
    for (method, entry, line) in [
        ("admin.users.session.reset", entry("user_login", "user", user("W1")), "-d user_id=W1"),
        (
            "admin.users.session.invalidate",
            entry("file_downloaded", "file", user("F1")),
            "-d user_id=W1 -d session_id=77 -d team_id=T1",
        ),
        ("admin.users.session.resetBulk", entry("user_login", "user", user("W1")), "-d user_ids=W1"),
        ("admin.apps.restrict", entry("app_installed", "app", user("A1")), "-d app_id=A1 -d enterprise_id=E9"),
        ("files.revokePublicURL", entry("file_public_link_created", "file", user("F1")), "-d file=F1"),
        (
            "admin.conversations.disconnectShared",
            shared("C1", json!({ "origin_team": "E9", "target_team": "E8" })),
            "-d channel_id=C1 -d leaving_team_ids=E8",
        ),
    ] {
        let alert = alert(method, None, entry);
        let calls = calls(&alert, &asked(&[("W1", Role::Member)]));
        assert_eq!(calls.planned.len(), 1, "{method}");
        let curl = calls.planned[0].curl(calls.method, API);
        assert!(curl.starts_with(&format!("curl -sS -X POST {API}/{method} ")), "{curl}");
        assert!(curl.contains("\"Authorization: Bearer $SLACK_RESPONDER_TOKEN\"") && curl.ends_with(line), "{curl}");
        assert!(calls.is_executable(&calls.planned[0]), "{method}");
    }
}

#[test]
fn a_plan_that_nobody_checked_yet_clears_nobody() {
    let alert = alert("admin.users.session.reset", None, entry("user_login", "user", json!({ "id": "W1" })));
    let plan = ResponsePlan::of(&alert, &Safeguards::default());
    assert_eq!(plan.people(), BTreeSet::from(["W1".into()]));
    assert_eq!(
        (plan.steps[0].how.clone(), plan.steps[0].number, plan.steps[1].phase),
        (How::ByHand, 1, Phase::Contain)
    );
    let calls = calls(&alert, &Safeguards::default());
    assert_eq!(calls.planned[0].clearance, Clearance::Unasked);
    assert!(!calls.is_executable(&calls.planned[0]));
}

#[test]
fn each_refusal_is_given_where_it_belongs() {
    let on_user =
        |id: &str| alert("admin.users.session.reset", Some(On::Target), entry("x", "user", json!({ "id": id })));
    let roles = [("W2", Role::Member), ("WPO", Role::PrimaryOwner), ("WBOT", Role::Bot), ("WADM", Role::Owner)];
    let known = [("WPOLL", Role::Owner), ("WRESP", Role::Owner), ("WBREAK", Role::Owner)];
    let safeguards = asked(&[&roles[..], &known[..]].concat());
    for (id, refusal) in [
        ("W2", None),
        ("WADM", None),
        ("WPO", Some(Refusal::PrimaryOwner)),
        ("WBOT", Some(Refusal::Bot)),
        ("WPOLL", Some(Refusal::Poller)),
        ("WRESP", Some(Refusal::Responder)),
        ("WBREAK", Some(Refusal::BreakGlass)),
        ("WNEW", Some(Refusal::UnknownRole)),
    ] {
        let calls = calls(&on_user(id), &safeguards);
        assert_eq!(calls.planned[0].clearance, refusal.map_or(Clearance::Allowed, Clearance::Refused), "{id}");
        assert_eq!(calls.is_executable(&calls.planned[0]), ["W2", "WADM"].contains(&id), "{id}");
    }
    let mut blind = asked(&roles);
    blind.asked.as_mut().unwrap().poller = None;
    assert_eq!(calls(&on_user("W2"), &blind).planned[0].clearance, Clearance::Refused(Refusal::UnknownPoller));
    let app = alert("admin.apps.restrict", None, entry("app_installed", "app", json!({ "id": "AOWN" })));
    assert_eq!(calls(&app, &safeguards).planned[0].clearance, Clearance::Refused(Refusal::OwnApp));
    let channel = shared("CBREAK", json!({ "origin_team": "E9", "target_team": "E8" }));
    let channel = alert("admin.conversations.disconnectShared", None, channel);
    assert_eq!(calls(&channel, &safeguards).planned[0].clearance, Clearance::Refused(Refusal::BreakGlass));
}

#[test]
fn a_script_spares_admins_and_owners() {
    let roles = [("W1", Role::Member), ("W2", Role::Admin), ("W3", Role::Owner)];
    let spared = Safeguards { admins: Admins::Spared, ..asked(&roles) };
    let mut alert = alert("admin.users.session.resetBulk", None, entry("x", "file", json!({ "id": "F1" })));
    alert.subjects.actors.ids.extend(["W2".to_owned(), "W3".to_owned()]);
    let clearances = |safeguards: &Safeguards| -> Vec<(String, Clearance)> {
        let planned = calls(&alert, safeguards).planned.into_iter();
        planned.map(|act| (act.targets.join(","), act.clearance)).collect()
    };
    assert_eq!(clearances(&asked(&roles)), [("W1,W2,W3".to_owned(), Clearance::Allowed)]);
    let refused = |role| Clearance::Refused(Refusal::Admin(role));
    let want = [("W1", Clearance::Allowed), ("W2", refused(Role::Admin)), ("W3", refused(Role::Owner))];
    assert_eq!(clearances(&spared), want.map(|(id, clearance)| (id.to_owned(), clearance)));
}

#[test]
fn an_app_is_cleared_once_it_is_known_which_are_our_own() {
    let app = alert("admin.apps.restrict", None, entry("app_installed", "app", json!({ "id": "A1" })));
    let clearance = |configured: &[&str], said: &[&str]| {
        let texts = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
        let mut safeguards = asked(&[]);
        safeguards.own_apps = texts(configured);
        let asked = safeguards.asked.as_mut().unwrap();
        (asked.own_apps, asked.knows_own_apps) = (texts(said), said.len() == 2);
        calls(&app, &safeguards).planned[0].clearance.clone()
    };
    for (configured, said, want) in [
        (&[][..], &["AOWN", "ARESP"][..], Clearance::Allowed),
        (&[], &["AOWN", "A1"], Clearance::Refused(Refusal::OwnApp)),
        (&[], &["A1"], Clearance::Refused(Refusal::OwnApp)),
        (&[], &["AOWN"], Clearance::Refused(Refusal::UnknownOwnApps)),
        (&[], &[], Clearance::Refused(Refusal::UnknownOwnApps)),
        (&["AOWN"], &[], Clearance::Allowed),
        (&["A1"], &[], Clearance::Refused(Refusal::OwnApp)),
        (&["A1"], &["AOWN", "ARESP"], Clearance::Refused(Refusal::OwnApp)),
        (&["AOWN"], &["A1"], Clearance::Refused(Refusal::OwnApp)),
    ] {
        assert_eq!(clearance(configured, said), want, "{configured:?} {said:?}");
    }
    assert_eq!(calls(&app, &Safeguards::default()).planned[0].clearance, Clearance::Unasked);
}

#[test]
fn a_shared_channel_is_disconnected_from_one_organization_at_a_time_where_it_is_ours() {
    let mut alert = alert(
        "admin.conversations.disconnectShared",
        None,
        shared("C1", json!({ "origin_team": "E9", "target_team": "E8" })),
    );
    let also = |channel: &str, org: &str, ours| Shared { channel: channel.into(), org: org.into(), ours };
    alert.subjects.shared.ids.extend([
        also("C1", "E8", None),
        also("C1", "E7", None),
        also("C2", "E8", Some(false)),
        also("C3", "E8", Some(false)),
        also("C3", "E8", Some(true)),
    ]);
    let calls = calls(&alert, &asked(&[]));
    let planned: Vec<_> =
        calls.planned.iter().map(|a| (a.targets[0].as_str(), calls.is_executable(a), a.note.is_some())).collect();
    assert_eq!(
        planned,
        [("C1/E7", true, true), ("C1/E8", true, false), ("C2/E8", false, false), ("C3/E8", true, true)]
    );
    assert_eq!(calls.planned[2].clearance, Clearance::Refused(Refusal::NotOurs));
    assert_eq!(calls.planned[0].arguments, [("channel_id", "C1".to_owned()), ("leaving_team_ids", "E7".to_owned())]);
}

#[test]
fn our_own_organization_is_never_taken_for_the_other_one() {
    let channel = shared("C1", json!({ "origin_team": "E9", "target_team": "E8" }));
    for (enterprise, org, refused) in [
        (Some("E1"), "E1", true),
        // As the alert itself says, before Slack was asked or where it didn't tell.
        (None, "E9", true),
        (None, "T1", true),
        (Some("E9"), "E8", false),
    ] {
        for method in ["admin.conversations.disconnectShared", "team.externalTeams.disconnect"] {
            let mut alert = alert(method, None, channel.clone());
            alert.subjects.shared.ids = BTreeSet::from([Shared { channel: "C1".into(), org: org.into(), ours: None }]);
            alert.subjects.orgs.ids = BTreeSet::from([org.to_owned()]);
            let mut safeguards = asked(&[]);
            safeguards.asked.as_mut().unwrap().enterprise = enterprise.map(str::to_owned);
            let want = if refused { Clearance::Refused(Refusal::OwnOrg) } else { Clearance::Allowed };
            assert_eq!(calls(&alert, &safeguards).planned[0].clearance, want, "{method}: {org}, where {enterprise:?}");
        }
    }
}

#[test]
fn slacks_word_of_today_goes_before_the_logs_of_then() {
    let mut entry = entry("x", "user", json!({ "id": "W2", "account_type": "primary_owner" }));
    entry["actor"] = entry["entity"].clone();
    let alert = alert("admin.users.session.reset", None, entry);
    let clearance = |safeguards: &Safeguards| calls(&alert, safeguards).planned[0].clearance.clone();
    assert_eq!(clearance(&Safeguards::default()), Clearance::Refused(Refusal::PrimaryOwner));
    assert_eq!(clearance(&asked(&[("W2", Role::Owner)])), Clearance::Allowed);
    assert_eq!(clearance(&asked(&[])), Clearance::Refused(Refusal::UnknownRole));
}

#[test]
fn a_step_says_whom_it_is_about_or_it_is_whoever_did_it() {
    let users = |on| {
        let alert =
            alert("admin.users.session.reset", on, entry("role_change_to_admin", "user", json!({ "id": "W2" })));
        calls(&alert, &asked(&[])).planned.into_iter().flat_map(|act| act.targets).collect::<Vec<_>>()
    };
    assert_eq!(users(None), ["W1"]);
    assert_eq!(users(Some(On::Actor)), ["W1"]);
    assert_eq!(users(Some(On::Target)), ["W2"]);
    assert_eq!(users(Some(On::Both)), ["W1", "W2"]);
    assert!(users(Some(On::Others)).is_empty(), "nobody that the alert names");
    let apps = |on| {
        let mut entry = entry("app_installed", "app", json!({ "id": "A1" }));
        entry["context"]["app"] = json!({ "id": "A7" });
        let alert = alert("admin.apps.restrict", on, entry);
        calls(&alert, &asked(&[])).planned.into_iter().flat_map(|act| act.targets).collect::<Vec<_>>()
    };
    assert_eq!(apps(None), ["A1"]);
    assert_eq!(apps(Some(On::Actor)), ["A7"]);
    let mut by_slack = entry("user_sessions_reset_by_anomaly_event_response", "user", json!({ "id": "W2" }));
    by_slack["actor"]["user"]["id"] = json!("USLACKUSER");
    let alert = alert("admin.users.session.reset", None, by_slack);
    assert_eq!(calls(&alert, &asked(&[])).planned[0].targets, ["W2"], "nobody did it: whoever it was done to");
}

#[test]
fn a_person_behind_an_app_is_shown_and_refused() {
    let mut entry = entry("file_downloaded", "file", json!({ "id": "F1" }));
    entry["context"]["app"] = json!({ "id": "A7" });
    let alert = alert("admin.users.session.reset", None, entry);
    for safeguards in [Safeguards::default(), asked(&[("W1", Role::Member)])] {
        let calls = calls(&alert, &safeguards);
        assert_eq!(calls.planned[0].targets, ["W1"]);
        assert_eq!(calls.planned[0].clearance, Clearance::Refused(Refusal::BehindApp));
    }
}

#[test]
fn a_bulk_call_leaves_out_whom_it_must_not_touch() {
    let mut alert = alert("admin.users.session.resetBulk", Some(On::Both), entry("x", "user", json!({ "id": "W2" })));
    alert.subjects.users.ids.insert("WPO".into());
    let calls = calls(&alert, &asked(&[("W1", Role::Member), ("W2", Role::Guest), ("WPO", Role::PrimaryOwner)]));
    let planned: Vec<(Vec<&str>, bool)> = calls
        .planned
        .iter()
        .map(|a| (a.targets.iter().map(String::as_str).collect(), calls.is_executable(a)))
        .collect();
    assert_eq!(planned, [(vec!["W1", "W2"], true), (vec!["WPO"], false)]);
    assert_eq!(calls.planned[0].arguments, [("user_ids", "W1,W2".to_owned())]);
}

#[test]
fn what_the_alert_does_not_know_is_left_to_a_person() {
    let call = |method: &str, entry: Value| {
        let alert = alert(method, None, entry);
        let calls = calls(&alert, &asked(&[("W1", Role::Member)]));
        assert!(!calls.is_executable(&calls.planned[0]), "{method}");
        calls.planned[0].curl(calls.method, API)
    };
    let mut no_session = entry("user_login", "user", json!({ "id": "W1" }));
    no_session["context"] = json!({});
    let role = call("admin.roles.removeAssignments", entry("role_assigned", "user", json!({ "id": "W2" })));
    assert!(role.ends_with("-d role_id=ROLE_ID -d entity_ids=WORKSPACE_OR_ORG_ID -d user_ids=W1"), "{role}");
    let invalidate = call("admin.users.session.invalidate", no_session);
    assert!(invalidate.ends_with("-d user_id=USER_ID -d session_id=SESSION_ID"), "{invalidate}");
    let disconnect =
        call("admin.conversations.disconnectShared", entry("channel_moved", "channel", json!({ "id": "C1" })));
    assert!(disconnect.ends_with("-d channel_id=C1 -d leaving_team_ids=THEIR_ORG_ID"), "{disconnect}");
    let revoke = call("auth.revoke", entry("app_token_preserved", "app", json!({ "id": "A1" })));
    assert!(revoke.ends_with("\"Authorization: Bearer $TOKEN_TO_REVOKE\""), "never with the responder's own: {revoke}");
}

#[test]
fn an_act_knows_the_call_that_takes_it_back() {
    let undone = |method: &str, entry: Value| {
        let alert = alert(method, None, entry);
        let calls = calls(&alert, &asked(&[]));
        calls.planned[0].undo(calls.method).map(|(undo, act)| act.curl(undo, API))
    };
    let undo = undone("admin.apps.restrict", entry("app_installed", "app", json!({ "id": "A1" }))).unwrap();
    assert!(
        undo.contains("/admin.apps.clearResolution ") && undo.ends_with("-d app_id=A1 -d enterprise_id=E9"),
        "{undo}"
    );
    assert_eq!(undone("files.revokePublicURL", entry("x", "file", json!({ "id": "F1" }))), None);
}

#[test]
fn lasting_acts_are_shown_with_their_call_and_never_executed() {
    let alert = alert("admin.apps.uninstall", None, entry("app_installed", "app", json!({ "id": "A1" })));
    let calls = calls(&alert, &asked(&[]));
    assert_eq!(calls.planned[0].clearance, Clearance::Allowed);
    assert!(!calls.is_executable(&calls.planned[0]));
    assert!(calls.planned[0].curl(calls.method, API).contains("app_id=A1"));
}

#[test]
fn a_method_of_a_newer_module_is_left_to_a_person() {
    let alert = alert("admin.users.vanish", None, entry("user_login", "user", json!({ "id": "W1" })));
    let how = ResponsePlan::of(&alert, &Safeguards::default()).steps.remove(1).how;
    assert_eq!(how, How::UnknownMethod("admin.users.vanish".into()));
}

#[test]
fn the_plan_says_that_the_alert_had_more_targets_than_it_kept() {
    let mut alert = alert("files.revokePublicURL", None, entry("file_shared", "file", json!({ "id": "F1" })));
    alert.subjects.files.more = 12;
    assert_eq!(calls(&alert, &Safeguards::default()).more, 12);
}
