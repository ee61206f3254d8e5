//! One detection, four ways to it: what `run` told is what `replay`, `tune` and `exceptions check` find in its archive.

use gridwatch_stories::{OrgPlan, generate};
use gridwatch_tests::host::{Host, Setup, ended, gridwatch, our_modules};
use gridwatch_tests::sim::{Slack, now};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Output;

const DAYS: u64 = 10;
/// A setting that cuts alerts off somewhere in the middle shows that it is the configured one that counts everywhere.
const MORE: &str = "[modules.config.sign-in]\nburst_failures = 8\n[detect]\ntrue_positives = \"cases\"\n\
    exceptions = \"exceptions.toml\"\n[store]\nmin_free = \"16MiB\"\n";
/// Rules with a number that decides, and that the org's stories set off.
const SWEPT: &str = "sign-in.burst";

fn say(host: &Host, args: &[&str]) -> Output {
    let mut command = gridwatch();
    ended(command.args(args).arg("--config").arg(host.path("gridwatch.toml")))
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Alerts by rule: the ids, whatever their revisions say.
fn by_rule(alerts: &[Value]) -> BTreeMap<String, BTreeSet<String>> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let mut rules: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for alert in alerts {
        let rule = text(&alert["finding_info"]["analytic"]["uid"]);
        rules.entry(rule).or_default().insert(text(&alert["finding_info"]["uid"]));
    }
    rules
}

#[test]
fn run_replay_tune_and_exceptions_check_find_the_same() {
    let to = now() - 120;
    let from = to - DAYS * 86_400;
    let slack = Slack::start(generate(&OrgPlan { seed: 3, users: 300, from, to, stories: true, ..OrgPlan::default() }));
    let host = Host::new(&Setup {
        slack: "settle = \"5s\"\ninterval = \"1s\"\n".into(),
        more: MORE.into(),
        ..Setup::new(&slack.base_url(), from)
    });
    std::fs::create_dir(host.path("cases")).expect("a folder");
    std::fs::write(host.path("exceptions.toml"), "").expect("exceptions");
    host.run_once_well();
    let run = by_rule(&host.lines("alerts.ndjson"));
    let burst = run.get(SWEPT).map_or(0, BTreeSet::len);
    assert!(run.len() >= 6 && burst > 0, "the org has to set rules off: {run:?}");

    // Replay: the same alerts, revision by revision.
    let archive = host.path("state/archive");
    let archive = archive.to_str().expect("UTF-8");
    let modules = our_modules();
    let replayed = say(
        &host,
        &["replay", "--archive", archive, "--modules", modules.to_str().expect("UTF-8"), "--format", "ndjson"],
    );
    assert!(replayed.status.success(), "{replayed:?}");
    assert_eq!(stdout(&replayed), std::fs::read_to_string(host.path("alerts.ndjson")).expect("alerts"));

    // Tune: the present value gives as many alerts as the run told, another one gives others.
    let tuned = say(&host, &["tune", "--rule", SWEPT, "--format", "json", "--days", "20"]);
    assert!(tuned.status.success(), "{tuned:?}");
    let tuning: Value = serde_json::from_str(&stdout(&tuned)).expect("JSON");
    let sweep = &tuning["sweeps"][0];
    assert_eq!(sweep["present"], 8, "{sweep}");
    let values = sweep["values"].as_array().expect("values");
    let given = |wanted: &dyn Fn(u64) -> bool| {
        let of = |value: &&Value| wanted(value["value"].as_u64().expect("a number"));
        values.iter().find(of).expect("a value")["alerts"].as_u64().expect("a number")
    };
    assert_eq!(given(&|value| value == 8), burst as u64, "{sweep}");
    assert!(given(&|value| value >= 30) < burst as u64, "{sweep}");

    // Exceptions check: the archive as a case of the team's own makes each of the rules, and no other.
    let entries: Vec<String> = host.raw().into_values().collect();
    let case = |rules: &[&str]| format!("# fires: {}\n{}\n", rules.join(", "), entries.join("\n"));
    let told: Vec<&str> = run.keys().map(String::as_str).collect();
    std::fs::write(host.path("cases/archive.ndjson"), case(&told)).expect("a case");
    let checked = say(&host, &["exceptions", "check", "--own"]);
    assert!(checked.status.success(), "{}{checked:?}", stdout(&checked));
    let untold = "exports.relay";
    assert!(!run.contains_key(untold), "another rule has to be named here");
    std::fs::write(host.path("cases/archive.ndjson"), case(&[untold])).expect("a case");
    let checked = say(&host, &["exceptions", "check", "--own"]);
    assert!(!checked.status.success() && stdout(&checked).contains(untold), "{}", stdout(&checked));
}
