//! Several organizations in one process: each with its own Slack, its own numbers and its own trouble.

use gridwatch_sim::{Fault, FaultKind, SimClock, SimConfig, When};
use gridwatch_stories::{OrgPlan, generate};
use gridwatch_tests::host::{Host, Setup, ended, gridwatch, our_modules, private, terminate, until};
use gridwatch_tests::sim::{Slack, now};
use serde_json::Value;
use std::collections::BTreeSet;

const DAY_S: u64 = 86_400;

fn slack(seed: u64, faults: Vec<Fault>) -> Slack {
    let to = now() - 120;
    let plan = OrgPlan { seed, users: 80, from: to - 2 * DAY_S, to, stories: true, ..OrgPlan::default() };
    Slack::with(generate(&plan), SimConfig { clock: SimClock::Real, token: None, faults, ..SimConfig::default() })
}

/// Two organizations, of which each has an archive, settings and an alerts sink of its own beside those for both.
fn host(acme: &Slack, globex: &Slack) -> Host {
    let host = Host::new(&Setup::new(&acme.base_url(), now() - 3 * DAY_S));
    std::fs::write(host.path("other-token"), "xoxp-other").expect("token");
    private(&host.path("other-token"));
    let start = gridwatch_event::time::UnixSeconds(now() - 3 * DAY_S);
    let text = format!(
        "state_dir = \"state\"\n[slack]\nstart = \"{start}\"\nrequests_per_minute = 6000\nsettle = \"5s\"\ninterval = \"1s\"\n\
         [org.acme.slack]\nbase_url = \"{}\"\ntoken_file = \"token\"\n\
         [org.globex.slack]\nbase_url = \"{}\"\ntoken_file = \"other-token\"\n\
         [org.globex.modules.config.sign-in]\nburst_failures = 1000\n\
         [modules]\ndir = {:?}\n[modules.grants]\nsign-in = [\"lookup\"]\nsessions = [\"lookup\"]\nplaces = [\"lookup\"]\n\
         channels = [\"lookup\"]\nconnect = [\"lookup\"]\n[store]\nmin_free = \"16MiB\"\n\
         [[sink]]\nname = \"events\"\ntype = \"file\"\npath = \"events.ndjson\"\ninclude = [\"events\"]\n\
         [[sink]]\nname = \"alerts\"\ntype = \"file\"\npath = \"alerts.ndjson\"\ninclude = [\"alerts\"]\n\
         [[sink]]\nname = \"globex\"\ntype = \"file\"\npath = \"globex.ndjson\"\ninclude = [\"events\"]\norgs = [\"globex\"]\n",
        acme.base_url(),
        globex.base_url(),
        our_modules(),
    );
    std::fs::write(host.path("gridwatch.toml"), text).expect("configuration");
    host
}

fn tenants<'v>(lines: &'v [Value], id: &'v str) -> BTreeSet<String> {
    let of = |line: &&'v Value| line["metadata"]["tenant_uid"] == id;
    lines.iter().filter(of).map(|line| line["metadata"]["uid"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn two_organizations_are_read_judged_and_told_apart() {
    let (acme, globex) = (slack(1, vec![]), slack(2, vec![]));
    let host = host(&acme, &globex);
    host.run_once_well();
    let events = host.lines("events.ndjson");
    let (of_acme, of_globex) = (tenants(&events, "acme"), tenants(&events, "globex"));
    assert_eq!(of_acme, acme.truth().ids);
    assert_eq!(of_globex, globex.truth().ids);
    assert_eq!(events.len(), of_acme.len() + of_globex.len(), "each once");
    assert_eq!(tenants(&host.lines("globex.ndjson"), "globex"), of_globex, "a sink takes one of them alone");
    assert!(tenants(&host.lines("globex.ndjson"), "acme").is_empty());
    let seqs = |org: &str| {
        let of = |event: &&Value| event["metadata"]["tenant_uid"] == org;
        events.iter().filter(of).filter_map(|event| event["metadata"]["sequence"].as_u64()).collect::<BTreeSet<_>>()
    };
    for (org, ids) in [("acme", &of_acme), ("globex", &of_globex)] {
        assert_eq!(seqs(org), (1..=ids.len() as u64).collect(), "numbers of {org}");
        assert_eq!(host.archived(&format!("state/orgs/{org}/archive")).len(), ids.len());
    }
    let alerts = host.lines("alerts.ndjson");
    let rules = |org: &str| {
        let of = |alert: &&Value| alert["metadata"]["tenant_uid"] == org;
        let rule = |alert: &Value| alert["metadata"]["event_code"].as_str().expect("a rule").to_owned();
        alerts.iter().filter(of).map(rule).collect::<BTreeSet<_>>()
    };
    assert!(rules("acme").contains("sign-in.burst"), "{:?}", rules("acme"));
    assert!(!rules("globex").is_empty() && !rules("globex").contains("sign-in.burst"), "it has settings of its own");

    // What was found is found again, under the same ids, by a replay of one organization.
    let archive = host.path("state/orgs/acme/archive");
    let mut replay = gridwatch();
    replay.args(["replay", "--format", "ndjson", "--org", "acme", "--archive"]).arg(archive);
    let replayed = ended(replay.arg("--config").arg(host.path("gridwatch.toml")));
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    let parse = |line: &str| serde_json::from_str::<Value>(line).expect("JSON");
    let replayed: Vec<Value> = String::from_utf8_lossy(&replayed.stdout).lines().map(parse).collect();
    assert_eq!(tenants(&replayed, "acme"), tenants(&alerts, "acme"));
    let mut unnamed = gridwatch();
    let unnamed = ended(unnamed.args(["tune", "--config"]).arg(host.path("gridwatch.toml")));
    let said = String::from_utf8_lossy(&unnamed.stderr).into_owned();
    assert!(!unnamed.status.success() && said.contains("--org: acme, globex"), "{said}");

    let before = std::fs::read(host.path("events.ndjson")).expect("events");
    host.run_once_well();
    assert!(before == std::fs::read(host.path("events.ndjson")).expect("events"), "nothing is delivered again");
}

#[test]
fn one_that_fails_delays_none_of_the_others_and_status_shows_both() {
    let refused =
        FaultKind::Status { code: 401, body: r#"{"ok":false,"error":"invalid_auth"}"#.into(), retry_after: None };
    let (acme, globex) = (slack(1, vec![]), slack(2, vec![refused.at(When::Every(1))]));
    let host = host(&acme, &globex);
    let process = host.start(&[]);
    host.until_running(&process);
    let ids = acme.truth().ids;
    until("all of one organization is delivered", || host.lines("events.ndjson").len() == ids.len());
    until("the other one's trouble is shown", || {
        let paused = host.status()["orgs"]["globex"]["poll"]["paused"].clone();
        paused.as_str().is_some_and(|why| why.contains("token"))
    });
    let status = host.status();
    assert_eq!(status["orgs"]["acme"]["poll"]["stored"], ids.len());
    assert_eq!(status["orgs"]["acme"]["poll"]["paused"], Value::Null);
    assert_eq!(status["orgs"]["globex"]["poll"]["stored"], 0);
    let shown = ended(gridwatch().args(["status", "--state-dir"]).arg(host.path("state")));
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("organization `globex`: polling is paused") && shown.contains("org      acme"), "{shown}");
    let metrics = std::fs::read_to_string(host.path("state/metrics.prom")).expect("metrics");
    let line = format!("gridwatch_poll_entries_stored_total{{org=\"acme\"}} {}", ids.len());
    assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    assert_eq!(tenants(&host.lines("events.ndjson"), "acme"), ids);
    terminate(process);
}
