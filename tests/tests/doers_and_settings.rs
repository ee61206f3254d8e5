//! Who stands behind what others' entries say, settings in numbers, apps that change, and what spreads: each story of the generator that is about
//! one of these goes through `gridwatch replay`, alone in a young organization's log, and has to be told by the rule that is meant to tell it.
//!
//! The seeds are others than those on which the thresholds were set.

use gridwatch_stories::benchmark::{Benchmark, Extension, Label};
use gridwatch_tests::guests::workspace;
use gridwatch_tests::host::gridwatch;
use serde_json::Value;
use std::collections::BTreeSet;

/// Days before the first story that the log begins, so that nothing is still being learned.
const BEFORE: u64 = 45 * 86_400;
const SEEDS: [u64; 2] = [311, 312];

/// Story, and the rules any of which has to tell it, at Medium or above.
const STORIES: &[(&str, &[&str])] = &[
    ("app-changes-after-install", &["apps.scopes-expanded", "apps.changed-then-reads"]),
    ("approver-as-doer", &["apps.many-approved"]),
    ("dlp-hits-rise", &["controls.dlp-hits"]),
    ("five-settings-loosened", &["settings.several-loosened"]),
    ("inviter-as-doer", &["channels.brought-in"]),
    ("invitations-go-out", &["connect.invitations"]),
    ("look-alike-app", &["lookalikes.app"]),
    ("look-alike-partner", &["lookalikes.partner", "connect.organization"]),
    ("one-piece-of-evidence", &["controls.evidence-removed", "controls.legal-hold"]),
    ("programs-handed-out", &["spreading.file"]),
    ("weakened-by-one-used-by-another", &["settings.loosened-then-used", "controls.access"]),
];

#[test]
fn doers_behind_others_and_settings_in_numbers_are_told() {
    for seed in SEEDS {
        for (story, rules) in STORIES {
            let (label, alerts) = replayed(story, seed);
            let cites = |alert: &&Value| {
                let evidence = alert["evidences"].to_string();
                label.entry_ids.iter().any(|id| evidence.contains(id))
            };
            let loud = |alert: &&Value| alert["severity_id"].as_u64() >= Some(3);
            let of =
                |alert: &&Value| rules.contains(&alert["finding_info"]["analytic"]["uid"].as_str().unwrap_or_default());
            let told = alerts.iter().find(|alert| cites(alert) && loud(alert) && of(alert));
            let all: BTreeSet<&str> =
                alerts.iter().filter(cites).filter_map(|a| a["finding_info"]["analytic"]["uid"].as_str()).collect();
            let told = told.unwrap_or_else(|| panic!("seed {seed}: {story} is not told by {rules:?}; by {all:?}"));
            let by = label.expected.as_ref().and_then(|expected| expected.by).expect("attacks have a time");
            let at = told["time"].as_u64().expect("a time") / 1_000;
            assert!(at <= by, "seed {seed}: {story} is told {} s late", at - by);
        }
    }
}

/// The story's own entries and its people's, as alerts of the program.
fn replayed(story: &str, seed: u64) -> (Label, Vec<Value>) {
    let plan = Benchmark {
        seed,
        users: Extension::FEWEST_USERS,
        days: Extension::FEWEST_DAYS,
        stories: false,
        ..Benchmark::default()
    };
    let extension = Extension { attacks: true, only: vec![story.to_owned()], ..Extension::default() };
    let labelled = plan.run_with(&extension);
    let first = format!(
        r#"{{"id":"first","date_create":{},"action":"user_login","actor":{{"type":"user","user":{{"id":"W0FIRST"}}}},"entity":{{"type":"user","user":{{"id":"W0FIRST"}}}},"context":{{"ip_address":"198.51.100.1"}}}}"#,
        plan.from - BEFORE
    );
    let known = known_before(plan.from - BEFORE + 60);
    let entries = std::iter::once(first).chain(known).chain(labelled.told().iter().map(|entry| entry.json.to_string()));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("entries.ndjson");
    std::fs::write(&path, entries.collect::<Vec<_>>().join("\n")).expect("a file");
    let mut command = gridwatch();
    command.arg("replay").arg(&path).arg("--modules").arg(workspace().join("target/modules"));
    let output = command.output().expect("gridwatch runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let label = labelled.labels.stories.into_iter().find(|label| label.story == story).expect("the story");
    (label, text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect())
}

/// What others look like: an app that acts, and an organization that is dealt with.
fn known_before(at: u64) -> Vec<String> {
    let app = |n: u64, name: &str| {
        format!(
            r#"{{"id":"app{n}","date_create":{},"action":"file_uploaded","actor":{{"type":"user","user":{{"id":"W0ROBOT"}}}},"entity":{{"type":"file","file":{{"id":"F0{n}","name":"a.txt"}}}},"context":{{"ip_address":"203.0.113.1","app":{{"id":"A0KNOWN{n}","name":"{name}"}}}}}}"#,
            at + n
        )
    };
    let partner = |n: u64, name: &str| {
        format!(
            r#"{{"id":"partner{n}","date_create":{},"action":"external_shared_channel_connected","actor":{{"type":"user","user":{{"id":"W0HOST"}}}},"entity":{{"type":"channel","channel":{{"id":"C0{n}","name":"deal","privacy":"public"}}}},"context":{{"ip_address":"203.0.113.1"}},"details":{{"external_organization_id":"T0KNOWN{n}","external_organization_name":"{name}"}}}}"#,
            at + n
        )
    };
    let apps = ["Zoom", "Google Drive", "Jira Cloud", "PagerDuty", "Polly", "Calendly", "Figma"];
    let partners = ["Fabrikam", "Tailspin", "Northwind", "Contoso / Südwest"];
    let apps = (0..).zip(apps).map(|(n, name)| app(n, name));
    apps.chain((0..).zip(partners).map(|(n, name)| partner(n, name))).collect()
}
