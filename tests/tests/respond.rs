//! `gridwatch respond` against the simulator: the plan, each act once, every refusal, and the echo in the audit log.

use gridwatch_sim::{FaultKind, Knobs, SimConfig, WebToken, When};
use gridwatch_stories::org::{Role, User};
use gridwatch_stories::{Org, OrgPlan, SimEntry, generate};
use gridwatch_tests::guests::{built, manifest_text, with_manifest, without_manifest};
use gridwatch_tests::host::{Host, Setup, ended, gridwatch, kill, private, root, until};
use gridwatch_tests::sim::{Slack, now};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const RESPONDER: &str = "xoxp-responder-s3cret";
/// The poller's app and the responder's.
const APPS: [Option<&str>; 2] = [Some("A0POLLER"), Some("A0RESPOND")];
/// As `Host` writes it.
const POLLER: &str = "xoxp-test";
const ALERT: &str = "gw-00112233445566778899aabbccddeeff";
const SCOPES: [&str; 5] =
    ["users:read", "admin.users:write", "admin.apps:write", "files:write", "admin.conversations:write"];
/// Calls of the acts' own kind before the first: auth.test for each token.
const QUESTIONS: u64 = 2;

/// A Slack whose two tokens belong to two people, and a gridwatch beside it with an alert in its history.
struct Scene {
    slack: Slack,
    host: Host,
    users: Vec<User>,
}

fn people() -> Org {
    generate(&OrgPlan { users: 40, stories: false, entries: Some(1), ..OrgPlan::default() })
}

/// The n-th of a role.
fn id(users: &[User], role: Role, n: usize) -> String {
    users.iter().filter(|user| user.role == role).nth(n).unwrap_or_else(|| panic!("{role:?} {n}")).id.clone()
}

impl Scene {
    fn new(org: Org, respond: &str) -> Self {
        Self::with_tokens(org, respond, &SCOPES, APPS)
    }

    fn with_tokens(org: Org, respond: &str, scopes: &[&str], apps: [Option<&str>; 2]) -> Self {
        let users = org.users.clone();
        let token = |user: String, scopes: &[&str], app: Option<&str>| {
            let scopes = scopes.iter().map(|s| (*s).into()).collect();
            WebToken { user, scopes, app: app.map(str::to_owned) }
        };
        let web_tokens = BTreeMap::from([
            (POLLER.to_owned(), token(id(&users, Role::Owner, 0), &["auditlogs:read"], apps[0])),
            (RESPONDER.to_owned(), token(id(&users, Role::Admin, 0), scopes, apps[1])),
        ]);
        let knobs = Knobs { web_tokens, ..Knobs::unlimited() };
        let slack = Slack::with(org, SimConfig { knobs, ..SimConfig::default() });
        let host = Host::new(&Setup {
            slack: "settle = \"5s\"\ninterval = \"1s\"\n".into(),
            more: format!("[respond]\n{respond}\n"),
            ..Setup::new(&slack.base_url(), now() - 600)
        });
        std::fs::write(host.path("responder-token"), RESPONDER).expect("token");
        private(&host.path("responder-token"));
        Self { slack, host, users }
    }

    /// As usual: a token of its own, and nobody in the glass.
    fn usual() -> Self {
        Self::new(people(), "token_file = \"responder-token\"\nreason = \"on call\"")
    }

    fn id(&self, role: Role, n: usize) -> String {
        id(&self.users, role, n)
    }

    /// Puts an alert into the history that gridwatch keeps.
    fn alert(&self, subjects: Value, contain: &[Value]) {
        let folder = self.host.path("state/alerts");
        std::fs::create_dir_all(&folder).expect("a folder");
        let alert = json!({
            "uid": ALERT, "revision": 1, "severity": "high", "title": "Somebody did something",
            "rule": "files.links", "rule_title": "Links", "condition": "c",
            "module": { "name": "files", "version": "1.0.0", "digest": "00" },
            "dedup_key": "k", "period_start": 0, "period_s": 60, "findings": 1, "first": 0, "last": 0, "opened": 0, "seen": 0,
            "actor": { "id": "", "name": "", "email": "", "role_at_event": "unknown", "role_now": "unknown" },
            "recent": [], "evidence": [], "evidence_total": 0, "labels": {}, "attack": [], "subjects": subjects,
            "playbook": {
                "verify": [{ "do": "Ask by phone whether it was they" }],
                "contain": contain,
                "then": [{ "do": "Uninstall it", "method": "admin.apps.uninstall", "scope": "admin.apps:write" }],
            },
        });
        std::fs::write(folder.join("alerts.ndjson"), format!("{alert}\n")).expect("history");
    }

    /// One person, to be signed out.
    fn alert_on(&self, user: &str) {
        self.alert(
            json!({ "actors": { "ids": [user] } }),
            &[json!({ "do": "End the sessions", "method": "admin.users.session.reset" })],
        );
    }

    fn respond(&self, args: &[&str]) -> Output {
        let mut command = gridwatch();
        command.args(["--log", "debug", "respond", ALERT, "--config"]).arg(self.host.path("gridwatch.toml")).args(args);
        let output = ended(command.stdin(Stdio::null()));
        self.assert_no_secret(&output);
        output
    }

    /// `respond --execute` on a pseudo-terminal of util-linux's `script`, with this typed and then the end of input. `None`, and a
    /// word about it, where the machine has no such program.
    fn on_terminal(&self, typed: &str) -> Option<Output> {
        if !Command::new("script").arg("--version").output().is_ok_and(|output| output.status.success()) {
            eprintln!("SKIPPED: no `script` of util-linux to confirm on a terminal with");
            return None;
        }
        let binary = gridwatch().get_program().to_string_lossy().into_owned();
        let config = self.host.path("gridwatch.toml");
        let line = format!("'{binary}' respond {ALERT} --execute --config '{}'", config.display());
        std::fs::write(self.host.path("typed"), typed).expect("typed");
        let typed = std::fs::File::open(self.host.path("typed")).expect("typed");
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env("NO_COLOR", "1");
        let output = ended(script.stdin(typed));
        self.assert_no_secret(&output);
        Some(output)
    }

    /// Methods and arguments of what was done, in order.
    fn acts(&self) -> Vec<String> {
        let line = |act: gridwatch_sim::WebAct| {
            let arguments: Vec<String> = act.arguments.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("{} {}", act.method, arguments.join(" "))
        };
        self.slack.acts().into_iter().map(line).collect()
    }

    fn rows(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.host.path("state/responses.ndjson")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect()
    }

    fn stages(&self) -> Vec<String> {
        self.rows().iter().map(|row| row["stage"].as_str().expect("a stage").to_owned()).collect()
    }

    /// Neither token is in what was said, nor in any file but its own.
    fn assert_no_secret(&self, output: &Output) {
        assert!(!text(output).contains("s3cret") && !text(output).contains(POLLER), "{}", text(output));
        for name in ["responses.ndjson", "status.json", "alerts/alerts.ndjson"] {
            let text = std::fs::read_to_string(self.host.path("state").join(name)).unwrap_or_default();
            assert!(!text.contains("s3cret") && !text.contains(POLLER), "{name}");
        }
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn assert_says(output: &Output, code: i32, parts: &[&str]) {
    let text = text(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for part in parts {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
}

/// Every kind of subject, and a step for each reversible method.
fn everything(member: &str, other: &str) -> (Value, Vec<Value>) {
    let subjects = json!({
        "actors": { "ids": [member] }, "users": { "ids": [other] }, "apps": { "ids": ["A0BAD"] },
        "channels": { "ids": ["C0SHARED"] }, "shared": { "ids": [{ "channel": "C0SHARED", "org": "E0THEIRS", "ours": true }] },
        "files": { "ids": ["F0ONE", "F0TWO"] }, "enterprises": { "ids": ["E0ELSE"] },
        "sessions": { "ids": [{ "user": member, "id": "1656410836837", "team": "T0HOME" }] },
    });
    let step = |method: &str| json!({ "do": format!("Do {method}"), "method": method });
    let mut steps: Vec<Value> = [
        "admin.users.session.invalidate",
        "admin.users.session.reset",
        "admin.apps.restrict",
        "files.revokePublicURL",
        "admin.conversations.disconnectShared",
        "admin.users.session.resetBulk",
    ]
    .into_iter()
    .map(step)
    .collect();
    steps[5]["on"] = "both".into();
    (subjects, steps)
}

#[test]
fn the_plan_has_calls_to_copy_and_sends_nothing() {
    let scene = Scene::new(people(), "");
    let (member, other) = (scene.id(Role::Member, 0), scene.id(Role::Member, 1));
    let (subjects, steps) = everything(&member, &other);
    scene.alert(subjects, &steps);
    let api = format!("{}/api", scene.slack.base_url());
    let call = |rest: &str| format!("curl -sS -X POST {api}/{rest}");
    let header = "-H \"Authorization: Bearer $SLACK_RESPONDER_TOKEN\"";
    let wanted = [
        call(&format!("admin.users.session.reset {header} -d user_id={member}\n")),
        call(&format!(
            "admin.users.session.invalidate {header} -d user_id={member} -d session_id=1656410836837 -d team_id=T0HOME\n"
        )),
        call(&format!("admin.apps.restrict {header} -d app_id=A0BAD -d enterprise_id=E0ELSE\n")),
        call(&format!("files.revokePublicURL {header} -d file=F0TWO\n")),
        call(&format!(
            "admin.conversations.disconnectShared {header} -d channel_id=C0SHARED -d leaving_team_ids=E0THEIRS\n"
        )),
        call(&format!("admin.apps.uninstall {header} -d app_id=A0BAD -d enterprise_id=E0ELSE\n")),
        "1. Ask by phone whether it was they\n     by hand".to_owned(),
        "admin.users.session.reset · scope admin.users:write · about 20 calls a minute · reversible".to_owned(),
        "cannot be undone by a call".to_owned(),
        "tokens of apps and bots live on".to_owned(),
    ];
    let output = scene.respond(&[]);
    assert_says(&output, 0, &wanted.iter().map(String::as_str).collect::<Vec<_>>());
    let json: Value = serde_json::from_slice(&scene.respond(&["--json"]).stdout).expect("JSON");
    let reset = &json["steps"][2];
    assert_eq!((&reset["method"], &reset["effect"]), (&json!("admin.users.session.reset"), &json!("reversible")));
    assert_eq!(reset["calls"][0]["arguments"], json!({ "user_id": member }));
    assert_eq!(reset["calls"][0]["verdict"], "asked at --execute");
    assert_eq!(scene.slack.stats().requests, 0, "something was sent");
    assert!(scene.rows().is_empty());
}

/// Half of all entries name a workspace alone: then the organization is learned from what else the log says.
#[test]
fn the_organization_and_the_workspace_are_filled_in_from_the_rest_of_the_log() {
    let scene = Scene::new(people(), "");
    let restrict = [json!({ "do": "Restrict it", "method": "admin.apps.restrict" })];
    let remove = [json!({ "do": "Remove them", "method": "admin.users.remove" })];
    let member = scene.id(Role::Member, 0);
    let history = scene.host.path("state/alerts/alerts.ndjson");
    let beside = |subjects: &[Value]| {
        let one = std::fs::read_to_string(&history).expect("history");
        let mut other: Value = serde_json::from_str(one.lines().next().expect("a line")).expect("JSON");
        let others: String = subjects
            .iter()
            .enumerate()
            .map(|(n, subjects)| {
                (other["uid"], other["subjects"]) = (format!("gw-ff{n}").into(), subjects.clone());
                format!("{other}\n")
            })
            .collect();
        std::fs::write(&history, format!("{one}{others}")).expect("history");
    };
    scene.alert(json!({ "apps": { "ids": ["A0BAD"] } }), &restrict);
    assert_says(&scene.respond(&[]), 0, &["-d app_id=A0BAD -d enterprise_id=ORG_ID"]);
    beside(&[json!({ "enterprises": { "ids": ["E0OURS"] } }), json!({ "workspaces": { "ids": ["T0HOME"] } })]);
    assert_says(&scene.respond(&[]), 0, &["-d app_id=A0BAD -d enterprise_id=E0OURS"]);
    scene.alert(json!({ "actors": { "ids": [member] }, "enterprises": { "ids": ["E0OURS"] } }), &remove);
    beside(&[json!({ "workspaces": { "ids": ["T0HOME"] } })]);
    assert_says(&scene.respond(&[]), 0, &["-d team_id=T0HOME"]);
    // Two are no answer.
    scene.alert(json!({ "apps": { "ids": ["A0BAD"] } }), &restrict);
    beside(&[json!({ "enterprises": { "ids": ["E0OURS"] } }), json!({ "enterprises": { "ids": ["E0MERGED"] } })]);
    assert_says(&scene.respond(&[]), 0, &["-d app_id=A0BAD -d enterprise_id=ORG_ID"]);
    // What the archive holds of those days is the log as well.
    scene.alert(json!({ "apps": { "ids": ["A0BAD"] } }), &restrict);
    let text = std::fs::read_to_string(&history).expect("history");
    scene.slack.push(vec![gridwatch_tests::sim::entry("Lplace", now() - 60)]);
    scene.host.run_once_well();
    // It was taken into the log, so that only a newer revision counts.
    let mut alert: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
    (alert["first"], alert["last"], alert["revision"]) = (now().into(), now().into(), 9.into());
    std::fs::write(&history, format!("{alert}\n")).expect("history");
    assert_says(&scene.respond(&[]), 0, &["-d app_id=A0BAD -d enterprise_id=E1701NCCA"]);
}

#[test]
fn each_act_is_done_once_and_recorded_before_and_after() {
    let scene = Scene::usual();
    let (member, other) = (scene.id(Role::Member, 0), scene.id(Role::Member, 1));
    let (subjects, steps) = everything(&member, &other);
    scene.alert(subjects, &steps);
    let org = scene.slack.truth().ids.len();
    let enterprise = people().enterprise.id;
    let undo = format!("-d app_id=A0BAD -d enterprise_id={enterprise}\n");
    let first = scene.respond(&["--execute", "--yes"]);
    assert_says(&first, 0, &["To do", "done", "to undo it: curl", "/admin.apps.clearResolution ", &undo]);
    let wanted = [
        format!("admin.users.session.invalidate session_id=1656410836837 team_id=T0HOME user_id={member}"),
        format!("admin.users.session.reset user_id={member}"),
        format!("admin.apps.restrict app_id=A0BAD enterprise_id={enterprise}"),
        "files.revokePublicURL file=F0ONE".to_owned(),
        "files.revokePublicURL file=F0TWO".to_owned(),
        "admin.conversations.disconnectShared channel_id=C0SHARED leaving_team_ids=E0THEIRS".to_owned(),
    ];
    let acts = scene.acts();
    assert_eq!(acts[..6], wanted);
    let both = BTreeSet::from([member.as_str(), other.as_str()]).into_iter().collect::<Vec<_>>().join(",");
    assert_eq!(acts[6..], [format!("admin.users.session.resetBulk user_ids={both}")]);
    assert_eq!(scene.slack.truth().ids.len(), org + 7, "each is logged");

    let rows = scene.rows();
    assert_eq!(scene.stages(), ["intent", "done"].repeat(7));
    assert!(rows.chunks(2).all(|pair| pair[0]["id"] == pair[1]["id"]), "{rows:?}");
    let responder = scene.id(Role::Admin, 0);
    for (name, value) in [
        ("alert", ALERT),
        ("method", "admin.users.session.invalidate"),
        ("responder", responder.as_str()),
        ("reason", "on call: Somebody did something"),
    ] {
        assert_eq!(rows[0][name], value);
    }
    assert!(rows[0]["by"].as_str().is_some_and(|by| !by.is_empty()), "{rows:?}");
    assert_eq!(rows[0]["arguments"]["session_id"], "1656410836837");

    assert_says(&scene.respond(&["--execute", "--yes"]), 0, &["done before", "Nothing to do."]);
    assert_says(&scene.respond(&[]), 0, &["done 20"]);
    assert_eq!((scene.acts().len(), scene.rows().len()), (7, 14), "done again");
    assert_says(&scene.respond(&["--execute", "--yes", "--again", "--step", "3"]), 0, &["done"]);
    assert_eq!(scene.acts()[7..], [format!("admin.users.session.reset user_id={member}")]);
}

#[test]
fn killed_in_between_an_act_is_shown_and_not_repeated() {
    let scene = Scene::usual();
    scene.alert_on(&scene.id(Role::Member, 0));
    scene.slack.set_web_faults(vec![FaultKind::SlowBody { ms: 60_000 }.at(When::Nth(vec![QUESTIONS + 1]))]);
    let mut command = gridwatch();
    command.args(["respond", ALERT, "--execute", "--yes", "--config"]).arg(scene.host.path("gridwatch.toml"));
    let running = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("gridwatch starts");
    until("the act", || scene.slack.acts().len() == 1);
    assert_says(&scene.respond(&["--execute", "--yes"]), 1, &["another `gridwatch respond` is at work"]);
    kill(running);
    assert_eq!(scene.stages(), ["intent"], "written down before it was done");
    assert_says(&scene.respond(&["--execute", "--yes"]), 1, &["unknown", "check by hand", "--again", "Nothing to do."]);
    assert_says(&scene.respond(&[]), 0, &["nobody knows whether it was done"]);
    assert_eq!(scene.acts().len(), 1, "done twice");
    assert_says(&scene.respond(&["--execute", "--yes", "--again"]), 0, &["done"]);
    assert_eq!((scene.acts().len(), scene.stages()), (2, vec!["intent".into(), "intent".into(), "done".into()]));
}

#[test]
fn an_answer_that_is_lost_is_no_failure_and_no_success() {
    for fault in [FaultKind::CutBody, FaultKind::DropConnection, FaultKind::GarbageBody] {
        let scene = Scene::usual();
        scene.alert_on(&scene.id(Role::Member, 0));
        scene.slack.set_web_faults(vec![fault.at(When::Nth(vec![QUESTIONS + 1]))]);
        assert_says(&scene.respond(&["--execute", "--yes"]), 1, &["unknown", "check by hand"]);
        assert_eq!(scene.stages(), ["intent", "unknown"]);
        let done = scene.acts().len();
        assert_says(&scene.respond(&["--execute", "--yes"]), 1, &["it is not known whether it ended"]);
        assert_eq!(scene.acts().len(), done, "repeated");
    }
}

#[test]
fn each_refusal_is_shown_and_only_the_others_are_done() {
    let org = people();
    let glass = id(&org.users, Role::Member, 7);
    let scene = Scene::new(org, &format!("token_file = \"responder-token\"\nbreak_glass = [\"{glass}\", \"F0LEGAL\"]"));
    let id = |role, n| scene.id(role, n);
    let [fine, primary, poller, responder, bot, behind, admin] = [
        id(Role::Member, 0),
        id(Role::PrimaryOwner, 0),
        id(Role::Owner, 0),
        id(Role::Admin, 0),
        id(Role::Bot, 0),
        id(Role::Member, 1),
        id(Role::Admin, 1),
    ];
    let stranger = "W0STRANGER";
    let actors = [&fine, &primary, &poller, &responder, &bot, &glass, stranger, &admin];
    scene.alert(
        json!({
            "actors": { "ids": actors }, "behind_apps": { "ids": [behind] }, "files": { "ids": ["F0LEGAL"] },
            "sessions": { "ids": [{ "user": primary, "id": "7" }] }, "apps": { "ids": ["A0POLLER", "A0RESPOND"] },
            "shared": { "ids": [{ "channel": "C0THEIRS", "org": "E0THEIRS", "ours": false }] },
        }),
        &[
            json!({ "do": "End all", "method": "admin.users.session.reset" }),
            json!({ "do": "End one", "method": "admin.users.session.invalidate" }),
            json!({ "do": "All at once", "method": "admin.users.session.resetBulk" }),
            json!({ "do": "Links", "method": "files.revokePublicURL" }),
            json!({ "do": "Apps", "method": "admin.apps.restrict" }),
            json!({ "do": "Channels", "method": "admin.conversations.disconnectShared" }),
        ],
    );
    let reasons = [
        (primary.clone(), "is the primary owner"),
        (format!("{primary}/7"), "is the primary owner"),
        (poller, "owns the token that gridwatch reads the audit log with"),
        (responder, "owns the responder's own token"),
        (bot, "is a bot"),
        (glass, "is in `respond.break_glass`"),
        ("F0LEGAL".into(), "is in `respond.break_glass`"),
        (stranger.into(), "may be the primary owner for all that is known"),
        (behind, "an app did, in this person's name"),
        (admin, "is an admin: `--yes` alone does nothing to admins"),
        ("A0POLLER".into(), "is an app of gridwatch's own"),
        ("A0RESPOND".into(), "is an app of gridwatch's own"),
        ("C0THEIRS/E0THEIRS".into(), "is the other organization's channel"),
    ];
    let output = scene.respond(&["--execute", "--yes"]);
    assert_says(&output, 2, &["user_not_found", "Not done"]);
    let text = text(&output);
    for (id, reason) in &reasons {
        let line = text.lines().find(|line| line.contains(&format!("  {id} ")) && line.contains("refused"));
        assert!(line.is_some_and(|line| line.contains(reason)), "{id}: {reason}\n{text}");
    }
    let wanted =
        [format!("admin.users.session.reset user_id={fine}"), format!("admin.users.session.resetBulk user_ids={fine}")];
    assert_eq!(scene.acts(), wanted);
}

#[test]
fn admins_are_signed_out_by_whoever_names_the_step_or_confirms_it() {
    let scene = Scene::usual();
    let admin = scene.id(Role::Admin, 1);
    scene.alert_on(&admin);
    let role = format!("{admin} (admin)");
    assert_says(&scene.respond(&["--execute", "--yes"]), 2, &["is an admin", "`--yes` alone", "Nothing to do."]);
    assert!(scene.acts().is_empty());
    assert_says(&scene.respond(&["--execute", "--yes", "--step", "2"]), 0, &[&role, "done"]);
    let scene = Scene::usual();
    scene.alert_on(&admin);
    if let Some(output) = scene.on_terminal("yes\n") {
        assert_says(&output, 0, &[&role, "done"]);
        assert_eq!(scene.acts().len(), 1);
    }
}

#[test]
fn no_app_is_touched_while_nobody_says_which_are_our_own() {
    let with = |more: &str, apps| {
        let scene = Scene::with_tokens(people(), &format!("token_file = \"responder-token\"\n{more}"), &SCOPES, apps);
        scene.alert(
            json!({ "apps": { "ids": ["A0BAD", "A0POLLER", "A0RESPOND"] } }),
            &[json!({ "do": "Restrict it", "method": "admin.apps.restrict" })],
        );
        let output = scene.respond(&["--execute", "--yes"]);
        (output, scene.acts().len())
    };
    for apps in [[None, None], [Some("A0POLLER"), None], [None, Some("A0RESPOND")]] {
        let (output, acts) = with("", apps);
        assert_says(&output, 2, &["may be an app of gridwatch's own", "`respond.own_apps`", "Nothing to do."]);
        assert_eq!(acts, 0, "{apps:?}");
    }
    for (more, apps) in [
        ("own_apps = [\"A0POLLER\", \"A0RESPOND\"]", [None, None]),
        ("own_apps = [\"A0POLLER\"]", [None, Some("A0RESPOND")]),
        ("", APPS),
    ] {
        let (output, acts) = with(more, apps);
        let refused = ["A0POLLER", "A0RESPOND"].map(|app| format!("{app} refused: is an app of gridwatch's own"));
        assert_says(&output, 2, &[&refused[0], &refused[1], "A0BAD done"]);
        assert_eq!(acts, 1, "{apps:?}");
    }
}

#[test]
fn an_act_whose_target_nobody_filled_in_leaves_the_answer_undone() {
    let scene = Scene::usual();
    scene.alert(
        json!({ "files": { "ids": ["F0ONE"] } }),
        &[
            json!({ "do": "Links", "method": "files.revokePublicURL" }),
            json!({ "do": "Restrict it", "method": "admin.apps.restrict" }),
        ],
    );
    assert_says(
        &scene.respond(&["--execute", "--yes"]),
        2,
        &["F0ONE done", "incomplete: the alert doesn't say a target"],
    );
    assert_eq!(scene.acts(), ["files.revokePublicURL file=F0ONE"]);
}

#[test]
fn our_own_organization_is_disconnected_from_nothing() {
    let scene = Scene::usual();
    let ours = people().enterprise.id;
    scene.alert(
        json!({ "shared": { "ids": [{ "channel": "C0SHARED", "org": ours }, { "channel": "C0SHARED", "org": "E0THEIRS" }] } }),
        &[json!({ "do": "Channels", "method": "admin.conversations.disconnectShared" })],
    );
    let refused = format!("C0SHARED/{ours} refused: is our own organization");
    assert_says(&scene.respond(&["--execute", "--yes"]), 2, &[&refused, "C0SHARED/E0THEIRS done"]);
    assert_eq!(scene.acts().len(), 1, "{:?}", scene.acts());
}

#[test]
fn on_a_terminal_only_a_typed_yes_confirms() {
    for (typed, code, said, acts) in [
        ("yes\n", 0, "done", 1),
        ("y\n", 2, "nothing was done: not confirmed", 0),
        ("no\n", 2, "nothing was done: not confirmed", 0),
        ("", 2, "nothing was done: not confirmed", 0),
    ] {
        let scene = Scene::usual();
        scene.alert_on(&scene.id(Role::Member, 0));
        let Some(output) = scene.on_terminal(typed) else { return };
        assert_says(&output, code, &["Type yes to do 1 of these: ", said]);
        assert_eq!(scene.acts().len(), acts, "{typed:?}");
    }
}

#[test]
fn nobody_is_touched_while_slack_does_not_say_whose_the_pollers_token_is() {
    let scene = Scene::usual();
    scene.alert(
        json!({ "actors": { "ids": [scene.id(Role::Member, 0)] }, "files": { "ids": ["F0ONE"] } }),
        &[
            json!({ "do": "End all", "method": "admin.users.session.reset" }),
            json!({ "do": "Links", "method": "files.revokePublicURL" }),
        ],
    );
    // The second question is about the poller's token.
    scene.slack.set_web_faults(vec![FaultKind::OkFalse { error: "token_revoked".into() }.at(When::Nth(vec![2]))]);
    let output = scene.respond(&["--execute", "--yes"]);
    assert_says(&output, 2, &["token_revoked", "Slack didn't say whose it is"]);
    assert_eq!(scene.acts(), ["files.revokePublicURL file=F0ONE"]);
}

#[test]
fn without_a_token_of_its_own_or_a_confirmation_nothing_is_done() {
    let member = |scene: &Scene| scene.alert_on(&scene.id(Role::Member, 0));
    for (respond, args, parts) in [
        ("", &["--execute", "--yes"][..], &["no token to respond with", "respond.token_file"][..]),
        (
            "token_file = \"token\"",
            &["--execute", "--yes"],
            &["is the one that reads the audit log", "create a separate app"],
        ),
        ("token_file = \"nowhere\"", &["--execute", "--yes"], &["respond.token_file", "hint"]),
        ("token_file = \"responder-token\"", &["--execute"], &["no terminal to confirm on", "--yes"]),
        ("token_file = \"responder-token\"", &["--execute", "--json"], &["nobody to confirm with"]),
        ("token_file = \"responder-token\"", &["--execute", "--yes", "--step", "9"], &["there is no step 9"]),
        ("token_file = \"responder-token\"", &["--execute", "--yes", "--step", "1"], &["step 1 is for a person"]),
        (
            "token_file = \"responder-token\"",
            &["--execute", "--yes", "--step", "3"],
            &["step 3", "can't be taken back"],
        ),
        ("token_file = \"responder-token\"", &["--yes"], &["--execute"]),
    ] {
        let scene = Scene::new(people(), respond);
        member(&scene);
        assert_says(&scene.respond(args), 2, parts);
        assert!(scene.acts().is_empty() && scene.rows().is_empty(), "{args:?}");
    }
    let scene = Scene::usual();
    assert_says(&scene.respond(&[]), 2, &["hint"]);
    member(&scene);
    let mut other = gridwatch();
    let output = ended(other.args(["respond", "gw-ffff", "--config"]).arg(scene.host.path("gridwatch.toml")));
    assert_says(&output, 2, &["no alert `gw-ffff`"]);
}

#[test]
fn a_check_says_that_rules_do_not_know_the_responder() {
    let check = |respond: &str, config: &str| {
        let scene = Scene::new(people(), respond);
        run_alone(
            &scene,
            &built(&root().join("target/modules"), "sessions"),
            &format!("{config}\n[modules.grants]\nsessions = [\"lookup\"]\n"),
        );
        let output = ended(gridwatch().args(["check", "--config"]).arg(scene.host.path("gridwatch.toml")));
        assert_says(&output, 0, &["fine; 1 module,"]);
        text(&output).contains("`modules.config.sessions.responders` is empty")
    };
    let token = "token_file = \"responder-token\"";
    assert!(check(token, ""));
    assert!(!check(token, "[modules.config.sessions]\nresponders = [\"W0RESPOND\"]"));
    assert!(!check("", ""), "nobody responds");
}

#[test]
fn a_polling_gridwatch_never_reads_the_responders_token() {
    let scene = Scene::new(people(), "token_file = \"nowhere\"");
    scene.host.run_once_well();
}

#[test]
fn a_responder_of_another_organization_does_nothing() {
    let scene = Scene::usual();
    scene.alert_on(&scene.id(Role::Member, 0));
    let body = r#"{"ok":true,"user_id":"W0THEIRS","team_id":"E0THEIRS","enterprise_id":"E0THEIRS"}"#;
    let fault = FaultKind::Status { code: 200, body: body.into(), retry_after: None };
    scene.slack.set_web_faults(vec![fault.at(When::Nth(vec![1]))]);
    assert_says(&scene.respond(&["--execute", "--yes"]), 2, &["of organization E0THEIRS"]);
    assert!(scene.acts().is_empty());
}

#[test]
fn what_slack_refuses_is_explained_and_tried_again_the_next_time() {
    let scopes = ["users:read", "files:write"];
    let scene = Scene::with_tokens(people(), "token_file = \"responder-token\"", &scopes, APPS);
    scene.alert(
        json!({ "actors": { "ids": [scene.id(Role::Member, 0)] }, "files": { "ids": ["F0ONE"] } }),
        &[
            json!({ "do": "End all", "method": "admin.users.session.reset" }),
            json!({ "do": "Links", "method": "files.revokePublicURL" }),
        ],
    );
    let hint = "missing_scope (give the responder's app the user scope admin.users:write";
    assert_says(&scene.respond(&["--execute", "--yes"]), 1, &["failed", hint, "done"]);
    assert_eq!(
        (scene.acts().len(), scene.stages()),
        (1, ["intent", "failed", "intent", "done"].map(String::from).into())
    );
    assert!(scene.rows()[1]["error"].as_str().is_some_and(|error| error.contains("missing_scope")));
    assert_says(&scene.respond(&["--execute", "--yes"]), 1, &["done before", "failed"]);
    assert_eq!(scene.acts().len(), 1);
}

#[test]
fn a_rate_limit_is_waited_out() {
    let scene = Scene::usual();
    scene.alert_on(&scene.id(Role::Member, 0));
    let wait = FaultKind::RateLimit { retry_after: 1 }.at(When::Nth(vec![QUESTIONS + 1]));
    scene.slack.set_web_faults(vec![wait]);
    let began = now();
    assert_says(&scene.respond(&["--execute", "--yes"]), 0, &["rate limited", "done"]);
    assert!(now() > began, "it didn't wait");
    assert_eq!((scene.acts().len(), scene.stages()), (1, vec!["intent".into(), "done".into()]));
    // An hour is too long for a person to sit through.
    scene.slack.set_web_faults(vec![FaultKind::RateLimit { retry_after: 3_600 }.at(When::Every(1))]);
    scene.alert_on(&scene.id(Role::Member, 1));
    assert_says(&scene.respond(&["--execute", "--yes"]), 1, &["ratelimited", "3600 s"]);
}

/// A gridwatch that runs `controls` alone, with these people as the security team.
fn watching(scene: &Scene, team: &[&str]) {
    let controls = built(&root().join("target/modules"), "controls");
    run_alone(scene, &controls, &format!("[modules.config.controls]\nsecurity_team = {team:?}\n"));
}

fn run_alone(scene: &Scene, module: &[u8], config: &str) {
    let folder = scene.host.path("modules");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("alone.wasm"), module).expect("a module");
    let file = scene.host.path("gridwatch.toml");
    let text = std::fs::read_to_string(&file).expect("configuration");
    let (head, rest) = text.split_once("[modules]\n").expect("modules");
    let (_, rest) = rest.split_once("[lookups]\n").expect("lookups");
    let modules = format!("dir = \"modules\"\nallow_unsigned = true\n{config}[lookups]\n");
    std::fs::write(&file, format!("{head}[modules]\n{modules}{rest}")).expect("configuration");
}

/// Somebody's act on somebody or something.
fn entry(name: &str, action: &str, actor: &str, (kind, thing): (&str, &str)) -> SimEntry {
    let json = json!({
        "id": name, "date_create": now() - 1, "action": action,
        "actor": { "type": "user", "user": { "id": actor, "name": actor } },
        "entity": { "type": kind, kind: { "id": thing } },
        "context": { "location": { "type": "workspace", "id": "T0HOME" }, "ip_address": "198.51.100.7", "session_id": 77 },
    });
    SimEntry::from_wire(&json.to_string()).expect("an entry")
}

/// Reads what is there, once its settle time is over.
fn read_on(host: &Host) {
    let mark = now();
    until("the settle time", || now() > mark + 6);
    host.run_once_well();
}

fn alerts(host: &Host) -> Vec<Value> {
    let mut command = gridwatch();
    command
        .args(["alerts", "list", "--json", "--limit", "0", "--suppressed", "--config"])
        .arg(host.path("gridwatch.toml"));
    let output = ended(&mut command);
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn evidence(alert: &Value) -> Vec<&str> {
    alert["evidence"].as_array().expect("evidence").iter().filter_map(|stub| stub["actor_id"].as_str()).collect()
}

#[test]
fn the_echo_of_an_act_is_suppressed_and_the_same_act_on_another_target_alerts() {
    let scene = Scene::usual();
    let (taken, colleague, responder) =
        (scene.id(Role::Member, 0), scene.id(Role::Member, 1), scene.id(Role::Admin, 0));
    watching(&scene, &[&taken, &colleague]);
    let enterprise = people().enterprise.id;
    scene.slack.push(vec![entry(
        "blinded",
        "pref.anomaly_event_response_changed",
        &taken,
        ("enterprise", &enterprise),
    )]);
    read_on(&scene.host);
    let first = alerts(&scene.host);
    let watcher = first.iter().find(|alert| alert["rule"] == "controls.watcher").expect("an alert");
    assert_eq!(watcher["subjects"]["actors"]["ids"], json!([taken]));

    // Answer it; and somebody with the responder's token signs out a colleague, who was no part of it.
    let mut command = gridwatch();
    command.args(["respond", watcher["uid"].as_str().expect("an id"), "--execute", "--yes", "--config"]);
    let output = ended(command.arg(scene.host.path("gridwatch.toml")).stdin(Stdio::null()));
    assert_says(&output, 0, &["admin.users.session.reset", "done"]);
    assert_eq!(scene.acts(), [format!("admin.users.session.reset user_id={taken}")]);
    // Whoever did it is in the audit trail of gridwatch itself too, without a token.
    let mut command = gridwatch();
    command.args(["audit", "list", "--json", "--config"]);
    let listed = ended(command.arg(scene.host.path("gridwatch.toml")));
    scene.assert_no_secret(&listed);
    let deed: Value = serde_json::from_slice(&listed.stdout).expect("one record");
    assert_eq!((&deed["what"], &deed["about"]), (&json!("alert.respond"), &watcher["uid"]), "{deed}");
    let steps = deed["details"]["steps"].as_str().expect("steps");
    assert!(steps.contains("admin.users.session.reset") && steps.contains(&taken), "{steps}");
    scene.slack.push(vec![entry("stolen", "user_session_reset_by_admin", &responder, ("user", &colleague))]);
    read_on(&scene.host);

    let all = alerts(&scene.host);
    let defenders: Vec<&Value> = all.iter().filter(|alert| alert["rule"] == "controls.defenders").collect();
    assert_eq!(defenders.len(), 2, "{defenders:#?}");
    let (echo, real): (Vec<_>, Vec<_>) = defenders.into_iter().partition(|alert| !alert["suppressed_by"].is_null());
    let row = &scene.rows()[0]["id"];
    assert_eq!(echo[0]["suppressed_by"], format!("response {}", row.as_str().expect("an id")));
    assert_eq!((echo[0]["subjects"]["users"]["ids"].clone(), echo[0]["findings"].clone()), (json!([taken]), json!(1)));
    assert_eq!(real[0]["subjects"]["users"]["ids"], json!([colleague]));
    assert!(evidence(real[0]).contains(&responder.as_str()));
    let mut command = gridwatch();
    command.args(["tune", "--rule", "controls.defenders", "--format", "json", "--config"]);
    let tuned = ended(command.arg(scene.host.path("gridwatch.toml")));
    let tuned: Value = serde_json::from_slice(&tuned.stdout).expect("JSON");
    let given: Vec<&Value> =
        tuned.pointer("/sweeps/0/values").and_then(Value::as_array).expect("values").iter().collect();
    assert!(given.iter().all(|given| given["alerts"] == 1), "other thresholds don't bring the echo back: {given:?}");
    assert_replays_alike(&scene.host);
}

#[test]
fn what_a_rule_counted_is_answered_too_as_long_as_the_archive_has_it() {
    let scene = Scene::usual();
    let member = scene.id(Role::Member, 0);
    run_alone(&scene, &built(&root().join("target/modules"), "files"), "");
    let link =
        |i: usize| entry(&format!("link-{i}"), "file_public_link_created", &member, ("file", &format!("F0LINK{i}")));
    scene.slack.push((1..=5).map(link).collect());
    read_on(&scene.host);
    let all = alerts(&scene.host);
    let links = all.iter().find(|alert| alert["rule"] == "files.links").expect("an alert");
    assert_eq!(links["subjects"]["files"]["ids"], json!(["F0LINK5"]), "it fired on the fifth");
    let uid = links["uid"].as_str().expect("an id");
    let respond = |args: &[&str]| {
        let mut command = gridwatch();
        command.args(["respond", uid, "--config"]).arg(scene.host.path("gridwatch.toml")).args(args);
        ended(command.stdin(Stdio::null()))
    };
    let files = |output: &Output| text(output).matches("files.revokePublicURL -H").count();
    let whole = respond(&[]);
    assert_says(&whole, 0, &["-d file=F0LINK1\n", "-d file=F0LINK5\n"]);
    assert_eq!((files(&whole), text(&whole).contains("not in the archive")), (5, false));

    let (archive, away) = (scene.host.path("state/archive"), scene.host.path("state/away"));
    std::fs::rename(&archive, &away).expect("renamed");
    std::fs::create_dir(&archive).expect("a folder");
    let poor = respond(&[]);
    assert_says(&poor, 0, &["5 of 5 events are not in the archive", "missing from the targets"]);
    assert_eq!(files(&poor), 1, "{}", text(&poor));
    std::fs::remove_dir(&archive).expect("removed");
    let said = "The archive can't be read in full";
    assert_says(&respond(&["--execute", "--yes", "--step", "3"]), 0, &[said, "F0LINK5 done"]);
    std::fs::rename(&away, &archive).expect("renamed");
    assert_says(&respond(&["--execute", "--yes"]), 0, &["F0LINK5 done before", "F0LINK1 done"]);
    let acts: Vec<String> = (1..=4).map(|i| format!("files.revokePublicURL file=F0LINK{i}")).collect();
    assert_eq!(scene.acts()[1..], [&acts[..], &[format!("admin.users.session.reset user_id={member}")]].concat());
}

#[test]
fn the_app_that_keeps_its_token_is_restricted_and_not_the_one_that_closed_the_account() {
    let scene = Scene::usual();
    let (leaver, robot) = (scene.id(Role::Member, 0), scene.id(Role::Member, 1));
    run_alone(&scene, &built(&root().join("target/modules"), "tokens"), "");
    let through_okta = |mut entry: SimEntry| {
        entry.json = entry.json.replacen(r#""context":{"#, r#""context":{"app":{"id":"A0OKTA"},"#, 1);
        assert!(entry.json.contains("A0OKTA"), "{}", entry.json);
        entry
    };
    scene.slack.push(vec![
        through_okta(entry("left", "user_deactivated", &robot, ("user", &leaver))),
        entry("kept", "app_token_preserved", &leaver, ("app", "A0KEPT")),
        // By the robot too, which leaves its own app as the one that did it.
        through_okta(entry("kept-2", "app_token_preserved", &robot, ("app", "A0KEPT2"))),
    ]);
    read_on(&scene.host);
    let all = alerts(&scene.host);
    let kept: Vec<&Value> = all.iter().filter(|alert| alert["rule"] == "tokens.of-leaver").collect();
    assert_eq!(kept.len(), 2, "{all:#?}");
    for alert in kept {
        let app = alert["labels"]["app"].as_str().expect("an app");
        let mut command = gridwatch();
        command.args(["respond", alert["uid"].as_str().expect("an id"), "--config"]);
        let plan = ended(command.arg(scene.host.path("gridwatch.toml")).stdin(Stdio::null()));
        assert_says(&plan, 0, &[&format!("-d app_id={app} -d enterprise_id=")]);
        assert!(!text(&plan).contains("app_id=A0OKTA"), "{}", text(&plan));
    }
}

#[test]
fn the_echo_of_each_act_is_suppressed_and_the_same_on_another_target_is_not() {
    let scene = Scene::usual();
    let (member, other, third) = (scene.id(Role::Member, 0), scene.id(Role::Member, 1), scene.id(Role::Member, 2));
    let (enterprise, responder) = (people().enterprise.id, scene.id(Role::Admin, 0));
    // A module that finds every entry of these worth a word.
    let actions = [
        ("user_session_invalidated", ("user", third.as_str())),
        ("user_session_reset_by_admin", ("user", &third)),
        ("app_restricted", ("app", "A0ELSE")),
        ("file_public_link_revoked", ("file", "F0ELSE")),
        ("external_shared_channel_disconnected", ("channel", "C0ELSE")),
        ("bulk_session_reset_by_admin", ("enterprise", enterprise.as_str())),
    ];
    let names = actions.map(|(action, _)| action);
    let manifest = manifest_text("healthy").replace("[\"user_login\", \"user_logout\"]", &format!("{names:?}"));
    run_alone(&scene, &with_manifest(without_manifest("healthy"), &manifest), "");
    let (subjects, steps) = everything(&member, &other);
    scene.alert(subjects, &steps);
    assert_says(&scene.respond(&["--execute", "--yes"]), 0, &["done"]);
    let named =
        |(i, (action, thing)): (usize, &(&str, (&str, &str)))| entry(&format!("other-{i}"), action, &responder, *thing);
    scene.slack.push(actions.iter().enumerate().map(named).collect());
    // Of a channel that was disconnected, but from another organization; of a bulk reset, one that names somebody else.
    let mut org = entry("other-org", "external_shared_channel_disconnected", &responder, ("channel", "C0SHARED"));
    org.json = org.json.replacen('{', "{\"details\":{\"target_team\":\"E0FOURTH\"},", 1);
    let mut bulk = entry("other-bulk", "bulk_session_reset_by_admin", &responder, ("enterprise", &enterprise));
    let users = format!("{{\"details\":{{\"succeeded_users\":[\"{member}\",\"{third}\"]}},");
    bulk.json = bulk.json.replacen('{', &users, 1);
    scene.slack.push(vec![org, bulk]);
    // The history that the alert was put into isn't gridwatch's own.
    std::fs::remove_dir_all(scene.host.path("state/alerts")).expect("removed");
    read_on(&scene.host);

    let (mut echoes, mut others) = (Vec::new(), Vec::new());
    for alert in alerts(&scene.host) {
        let of = alert["evidence"][0].clone();
        match alert["suppressed_by"].as_str() {
            Some(by) => echoes.push((by.to_owned(), of["action"].as_str().expect("an action").to_owned())),
            None => others.push(of["id"].as_str().expect("an id").to_owned()),
        }
    }
    let rows: Vec<Value> = scene.rows().into_iter().filter(|row| row["stage"] == "done").collect();
    let by = |row: &Value| format!("response {}", row["id"].as_str().expect("an id"));
    let known: BTreeSet<String> = rows.iter().map(by).collect();
    assert!(echoes.iter().all(|(by, _)| known.contains(by)), "{echoes:?}");
    let logged: BTreeSet<&str> = echoes.iter().map(|(_, action)| action.as_str()).collect();
    assert_eq!((logged, echoes.len()), (BTreeSet::from(names), rows.len()), "each act has one: {echoes:?}");
    others.sort();
    let wanted: Vec<String> =
        (0..6).map(|i| format!("other-{i}")).chain(["other-bulk", "other-org"].map(String::from)).collect();
    assert_eq!(others, wanted);
}

/// The archive, the journal and the same modules tell the same alerts again, byte for byte.
fn assert_replays_alike(host: &Host) {
    let replay = |config: &Path| {
        let mut command = gridwatch();
        command
            .args(["replay", "--archive"])
            .arg(host.path("state/archive"))
            .arg("--modules")
            .arg(host.path("modules"));
        let output = ended(command.arg("--config").arg(config));
        assert!(output.status.success(), "{}", text(&output));
        output.stdout
    };
    let live = std::fs::read(host.path("alerts.ndjson")).expect("alerts");
    assert!(replay(&host.path("gridwatch.toml")) == live, "replay and live differ");
    std::fs::rename(host.path("state/responses.ndjson"), host.path("state/gone")).expect("renamed");
    assert!(replay(&host.path("gridwatch.toml")) != live, "the journal makes no difference");
}
