//! The Web API: who is asking, what is refused, what is done, and that it shows in the audit log.

use gridwatch_sim::{FaultKind, Knobs, RunningSim, SimConfig, WebToken, When};
use gridwatch_stories::generate;
use gridwatch_stories::org::Role;
use serde_json::Value;
use std::collections::BTreeMap;

use super::client::{NOW, Reply, TOKEN, config, logs, org, send, start};

const ADMIN: &str = "xoxp-admin";
const READER: &str = "xoxp-reader";

/// User ids: an admin, a member, the primary owner.
struct Cast {
    admin: String,
    member: String,
    primary: String,
    bot: String,
}

async fn sim(knobs: Knobs) -> (RunningSim, Cast) {
    let people =
        generate(&gridwatch_stories::OrgPlan { users: 40, entries: Some(0), stories: false, ..Default::default() });
    let id = |role| people.users.iter().find(|user| user.role == role).expect("somebody").id.clone();
    let cast =
        Cast { admin: id(Role::Admin), member: id(Role::Member), primary: id(Role::PrimaryOwner), bot: id(Role::Bot) };
    let token = |scope: &str| WebToken { user: cast.admin.clone(), scopes: vec![scope.into()], app: None };
    let web_tokens = BTreeMap::from([(ADMIN.into(), token("*")), (READER.into(), token("users:read"))]);
    let org = gridwatch_stories::Org { entries: org(&[]).entries, ..people };
    (start(org, SimConfig { knobs: Knobs { web_tokens, ..knobs }, ..config() }).await, cast)
}

async fn call(sim: &RunningSim, token: Option<&str>, method: &str, form: &str) -> Reply {
    send(sim.addr, "POST", &format!("/api/{method}"), token, form).await
}

async fn error_of(sim: &RunningSim, token: Option<&str>, method: &str, form: &str) -> String {
    let reply = call(sim, token, method, form).await;
    assert_eq!((reply.status, &reply.json()["ok"]), (200, &Value::Bool(false)), "{}", reply.body);
    reply.json()["error"].as_str().expect("a code").to_owned()
}

#[tokio::test]
async fn a_token_is_somebodys_and_may_do_what_its_scopes_say() {
    let (sim, cast) = sim(Knobs::unlimited()).await;
    let reset = "admin.users.session.reset";
    let form = format!("user_id={}", cast.member);
    assert_eq!(error_of(&sim, None, reset, &form).await, "not_authed");
    assert_eq!(error_of(&sim, Some("nonsense"), reset, &form).await, "invalid_auth");
    assert_eq!(error_of(&sim, Some("xoxb-bot"), reset, &form).await, "not_allowed_token_type");
    assert_eq!(error_of(&sim, Some(ADMIN), "admin.users.vanish", &form).await, "unknown_method");
    let refused = call(&sim, Some(READER), reset, &form).await.json();
    assert_eq!((&refused["error"], &refused["needed"]), (&"missing_scope".into(), &"admin.users:write".into()));
    assert_eq!(call(&sim, Some(ADMIN), "auth.test", "").await.json()["user_id"], cast.admin);
    assert_ne!(
        call(&sim, Some(TOKEN), "auth.test", "").await.json()["user_id"],
        cast.admin,
        "the poller's is an owner's"
    );
    assert!(sim.acts().is_empty());
}

#[tokio::test]
async fn what_slack_would_refuse_is_refused() {
    let (sim, cast) = sim(Knobs::unlimited()).await;
    let Cast { member, primary, bot, .. } = &cast;
    for (method, form, code) in [
        ("admin.users.session.reset", format!("user_id={primary}"), "cannot_reset_primary_owner"),
        ("admin.users.session.reset", format!("user_id={bot}"), "cannot_reset_bot"),
        ("admin.users.session.resetBulk", format!("user_ids={member}%2CW0NOBODY"), "user_not_found"),
        ("admin.users.session.invalidate", format!("user_id={member}&session_id=x"), "session_not_found"),
        ("admin.apps.restrict", "enterprise_id=E1".into(), "request_id_or_app_id_is_required"),
        ("admin.apps.restrict", "app_id=A1&enterprise_id=E1&team_id=T1".into(), "too_many_ids_provided"),
        ("files.revokePublicURL", "file=C1".into(), "file_not_found"),
        ("admin.conversations.disconnectShared", "channel_id=F1".into(), "channel_not_found"),
        ("admin.conversations.disconnectShared", "channel_id=C1".into(), "leaving_team_required"),
        ("admin.conversations.disconnectShared", "channel_id=C1&leaving_team_ids=E1,E2".into(), "team_not_found"),
        ("admin.conversations.disconnectShared", "channel_id=C1&leaving_team_ids=W1".into(), "team_not_found"),
        (
            "admin.conversations.disconnectShared",
            format!("channel_id=C1&leaving_team_ids={}", org(&[]).enterprise.id),
            "cannot_kick_home_team",
        ),
    ] {
        assert_eq!(error_of(&sim, Some(ADMIN), method, &form).await, code, "{method} {form}");
    }
    assert!(sim.acts().is_empty());
}

#[tokio::test]
async fn an_act_is_remembered_and_logged_as_its_callers() {
    let (sim, cast) = sim(Knobs::unlimited()).await;
    let Cast { admin, member, .. } = &cast;
    for (method, form, action, kind, thing) in [
        (
            "admin.users.session.reset",
            format!("user_id={member}"),
            "user_session_reset_by_admin",
            "user",
            member.as_str(),
        ),
        (
            "admin.users.session.invalidate",
            format!("user_id={member}&session_id=7"),
            "user_session_invalidated",
            "user",
            member,
        ),
        ("admin.apps.restrict", "app_id=A1&enterprise_id=E1".into(), "app_restricted", "app", "A1"),
        ("files.revokePublicURL", "file=F1".into(), "file_public_link_revoked", "file", "F1"),
        (
            "admin.conversations.disconnectShared",
            "channel_id=C1&leaving_team_ids=E0THEIRS".into(),
            "external_shared_channel_disconnected",
            "channel",
            "C1",
        ),
    ] {
        let before = sim.acts().len();
        assert_eq!(call(&sim, Some(ADMIN), method, &form).await.json()["ok"], true, "{method}");
        let acts = sim.acts();
        assert_eq!((acts.len(), acts[before].method.as_str(), &acts[before].by), (before + 1, method, admin));
        let page = logs(&sim, &format!("oldest={NOW}&action={action}")).await.json();
        let entry = &page["entries"][0];
        assert_eq!(
            (&entry["actor"]["user"]["id"], &entry["entity"][kind]["id"]),
            (&admin.as_str().into(), &thing.into())
        );
    }
    call(&sim, Some(ADMIN), "admin.users.session.resetBulk", &format!("user_ids={member}")).await;
    let page = logs(&sim, &format!("oldest={NOW}&action=bulk_session_reset_by_admin")).await.json();
    assert_eq!(page["entries"][0]["details"]["succeeded_users"], serde_json::json!([member]));
    let form = format!("user_id={member}&session_id=7");
    let again = error_of(&sim, Some(ADMIN), "admin.users.session.invalidate", &form).await;
    assert_eq!(again, "session_not_found", "it has ended");
    let told = send(sim.addr, "GET", "/_sim/acts", None, "").await.json();
    assert_eq!(told.as_array().map(Vec::len), Some(sim.acts().len()));
}

#[tokio::test]
async fn calls_are_counted_for_each_method_and_faults_strike() {
    let (sim, _) = sim(Knobs { web_rate_per_minute: 20, burst: 2, ..Knobs::unlimited() }).await;
    for _ in 0..2 {
        assert_eq!(call(&sim, Some(ADMIN), "auth.test", "").await.status, 200);
    }
    let limited = call(&sim, Some(ADMIN), "auth.test", "").await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("3")));
    assert_eq!(call(&sim, Some(ADMIN), "files.revokePublicURL", "file=F1").await.status, 200);
    sim.set_web_faults(vec![FaultKind::CutBody.at(When::Every(1))]);
    let cut = call(&sim, Some(ADMIN), "files.revokePublicURL", "file=F2").await;
    assert!(!cut.complete() && sim.acts().len() == 2, "done, and its answer lost");
}
