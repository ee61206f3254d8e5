//! The methods about people: who there is, what became of them, and how Slack refuses.

use gridwatch_sim::{FaultKind, Knobs, RunningSim, SimClock, SimConfig, When};
use gridwatch_stories::org::Role;
use gridwatch_stories::{OrgPlan, SimEntry, generate};
use serde_json::{Value, json};

use crate::client::{NOW, Reply, TOKEN, config, get, org, send, start};

async fn info(sim: &RunningSim, user: &str) -> Value {
    get(sim, &format!("/api/users.info?user={user}")).await.json()
}

fn about(action: &str, user: &str, at: u64) -> SimEntry {
    let entry = json!({
        "id": format!("{action}-{user}"), "date_create": at, "action": action,
        "entity": { "type": "user", "user": { "id": user, "name": "New", "email": "new@nordlicht.example" } },
    });
    SimEntry::from_wire(&entry.to_string()).expect("an entry")
}

#[tokio::test]
async fn people_have_the_roles_of_the_organization() {
    let plan = OrgPlan { users: 40, entries: Some(0), stories: false, ..OrgPlan::default() };
    let org = generate(&plan);
    let sim = start(org.clone(), config()).await;
    for user in &org.users {
        let said = info(&sim, &user.id).await["user"].clone();
        assert_eq!((said["id"].as_str(), said["profile"]["email"].as_str()), (Some(&*user.id), Some(&*user.email)));
        let admin = matches!(user.role, Role::Admin | Role::Owner | Role::PrimaryOwner);
        assert_eq!(
            (&said["is_admin"], &said["enterprise_user"]["is_admin"]),
            (&json!(admin), &json!(admin)),
            "{user:?}"
        );
        assert_eq!(said["is_primary_owner"], json!(user.role == Role::PrimaryOwner));
        assert_eq!(
            (&said["is_restricted"], &said["is_bot"]),
            (&json!(user.role == Role::Guest), &json!(user.role == Role::Bot))
        );
        assert!(!admin || said["has_2fa"] == json!(true));
    }
    let mut listed: Vec<Value> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = get(&sim, &format!("/api/admin.users.list?limit=7&cursor={cursor}")).await.json();
        listed.extend(page["users"].as_array().expect("users").clone());
        cursor = page["response_metadata"]["next_cursor"].as_str().expect("a cursor").to_owned();
        if cursor.is_empty() {
            break;
        }
    }
    let ids: std::collections::BTreeSet<&str> = listed.iter().filter_map(|user| user["id"].as_str()).collect();
    assert_eq!((listed.len(), ids.len()), (org.users.len(), org.users.len()));
}

#[tokio::test]
async fn what_the_log_shows_of_an_account_is_what_it_is_by_then() {
    let clock = SimClock::manual(NOW);
    let sim = start(org(&[]), SimConfig { clock: clock.clone(), ..config() }).await;
    assert_eq!(info(&sim, "U0NEW").await, json!({ "ok": false, "error": "user_not_found" }));
    sim.push(vec![
        about("guest_created", "U0NEW", NOW),
        about("role_change_to_admin", "U0NEW", NOW + 60),
        about("user_deactivated", "U0NEW", NOW + 120),
    ]);
    let guest = info(&sim, "U0NEW").await["user"].clone();
    assert_eq!((&guest["is_restricted"], &guest["is_admin"]), (&json!(true), &json!(false)));
    clock.advance_ms(60_000);
    let admin = info(&sim, "U0NEW").await["user"].clone();
    assert_eq!((&admin["is_restricted"], &admin["is_admin"]), (&json!(false), &json!(true)));
    clock.advance_ms(60_000);
    let gone = info(&sim, "U0NEW").await["user"].clone();
    assert_eq!((&gone["deleted"], gone.get("is_admin")), (&json!(true), None), "a deactivated account has no rank");
}

#[tokio::test]
async fn refusals_are_a_200_and_too_many_calls_a_429() {
    let knobs =
        Knobs { people_token: Some("xoxb-p".into()), people_rate_per_minute: 60, burst: 2, ..Knobs::unlimited() };
    let sim = start(org(&[]), SimConfig { knobs, ..config() }).await;
    let ask = |token: Option<&'static str>| send(sim.addr, "GET", "/api/users.info?user=U0NONE", token, "");
    let error = |reply: &Reply| (reply.status, reply.json()["error"].as_str().unwrap_or_default().to_owned());
    assert_eq!(error(&ask(None).await), (200, "not_authed".into()));
    assert_eq!(error(&ask(Some(TOKEN)).await), (200, "invalid_auth".into()));
    assert_eq!(error(&ask(Some("xoxb-p")).await), (200, "user_not_found".into()));
    let form = send(sim.addr, "POST", "/api/users.info", Some("xoxb-p"), "user=U0NONE").await;
    assert_eq!(error(&form), (200, "user_not_found".into()), "as a form just as well");
    let tired = ask(Some("xoxb-p")).await;
    assert_eq!((error(&tired), tired.header("retry-after")), ((429, "ratelimited".into()), Some("1")));
    let other = send(sim.addr, "GET", "/api/users.profile.get", Some("xoxb-p"), "").await;
    assert_eq!(error(&other), (200, "unknown_method".into()));
}

#[tokio::test]
async fn faults_of_people_leave_the_log_alone() {
    let sim = start(org(&[("a", 30)]), config()).await;
    sim.set_people_faults(vec![
        FaultKind::DropConnection.at(When::Nth(vec![1])),
        FaultKind::RateLimit { retry_after: 9 }.at(When::Nth(vec![2])),
        FaultKind::GarbageBody.at(When::Nth(vec![3])),
        FaultKind::OkFalse { error: "missing_scope".into() }.at(When::Nth(vec![4])),
    ]);
    let mut replies = Vec::new();
    for _ in 0..5 {
        replies.push(get(&sim, "/api/users.info?user=U0NONE").await);
    }
    assert_eq!(replies.iter().map(|reply| reply.status).collect::<Vec<_>>(), [0, 429, 200, 200, 200]);
    assert_eq!(replies[1].header("retry-after"), Some("9"));
    assert!(replies[2].body.starts_with("<html>"));
    assert_eq!(replies[3].json()["error"], "missing_scope");
    assert_eq!(replies[4].json()["error"], "user_not_found");
    assert_eq!(
        (get(&sim, "/audit/v1/logs?limit=9").await.ids(), sim.stats().people_requests),
        (vec!["a".to_owned()], 5)
    );
}
