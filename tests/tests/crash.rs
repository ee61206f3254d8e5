//! Killed at any moment, started again, killed again: nothing is lost, doubled, torn or counted twice.
//!
//! The real binary, SIGKILL, and a Slack that fails on top of it. `GRIDWATCH_SEED` repeats the moments, as far as a
//! machine's own timing lets it.

use gridwatch_sim::{Fault, FaultKind, When};
use gridwatch_stories::{Org, OrgPlan, generate};
use gridwatch_tests::host::{Host, Setup, kill};
use gridwatch_tests::sim::{Slack, now};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::time::Duration;

const KILLS: u32 = 55;

#[test]
fn killed_at_any_moment_it_loses_and_doubles_nothing() {
    let seed = seed();
    println!("GRIDWATCH_SEED={seed}");
    let mut dice = SmallRng::seed_from_u64(seed);
    let from = now() - 3 * 86_400;
    let slack = Slack::faulty(org(from), faults(seed));
    let ids = slack.truth().ids;
    let setup = Setup::in_small_steps(&slack.base_url(), from);

    let unkilled = Host::new(&setup);
    unkilled.run_once_well();
    unkilled.assert_exactly(&ids);
    let alerts = comparable(&unkilled);
    assert!(alerts.len() > 50, "too few alerts to compare: {}", alerts.len());

    let (mut kills, mut lives) = (0, 0);
    while kills < KILLS {
        let host = Host::new(&setup);
        lives += 1;
        while kills < KILLS {
            let mut gridwatch = host.start(&["--once"]);
            match moment(&mut dice, &host, &mut gridwatch) {
                None => {
                    kill(gridwatch);
                    kills += 1;
                }
                Some(status) => {
                    assert!(status.success(), "{status}\n{}", host.log());
                    break;
                }
            }
        }
        host.run_once_well();
        host.assert_exactly(&ids);
        let killed = comparable(&host);
        assert_eq!(killed.keys().collect::<Vec<_>>(), alerts.keys().collect::<Vec<_>>());
        for (uid, alert) in &killed {
            assert_eq!(alert, &alerts[uid], "{uid}");
        }
        assert!(host.lines("alerts.ndjson").len() == killed.len(), "an alert was delivered twice");
        assert!(!host.log().contains("set_aside"), "{}", host.log());
    }
    println!("{kills} kills over {lives} lives, {} entries, {} alerts", ids.len(), alerts.len());
}

#[expect(clippy::disallowed_methods, reason = "a failing run is repeated by its seed")]
fn seed() -> u64 {
    std::env::var("GRIDWATCH_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(now)
}

/// A dozen orgs in one, for their stories: with an alert in every few batches, what is counted twice, or not, shows.
fn org(from: u64) -> Org {
    let to = now() - 120;
    let plan =
        |seed| OrgPlan { seed, users: 40, from, to, entries: Some(500), around_the_clock: true, ..OrgPlan::default() };
    let mut org = generate(&plan(1));
    org.entries.extend((2..=12).flat_map(|seed| generate(&plan(seed)).entries));
    org.entries.sort_by_key(|entry| entry.date_create);
    org
}

fn faults(seed: u64) -> Vec<Fault> {
    let chance = |n| When::Chance { seed: seed + n, percent: 1 };
    vec![
        FaultKind::Status { code: 503, body: String::new(), retry_after: None }.at(chance(0)),
        FaultKind::CutBody.at(chance(1)),
        FaultKind::ExpireCursor.at(chance(2)),
        FaultKind::DropConnection.at(chance(3)),
    ]
}

/// Waits for the moment to kill: any, or just after a file of the state or of a sink has changed. `Some` if gridwatch was
/// done before.
fn moment(dice: &mut SmallRng, host: &Host, gridwatch: &mut Child) -> Option<ExitStatus> {
    let files = ["state/store/db", "state/checkpoint.json", "state/archive", "events.ndjson", "alerts.ndjson", "."];
    let watched = host.path(files[dice.random_range(0..files.len())]);
    let any = dice.random_bool(0.5);
    let (before, wait_ms) = (stamp(&watched), dice.random_range(5..400));
    let changes = dice.random_range(1..40);
    let (mut waited_us, mut changed, mut last) = (0, 0, before);
    // A file that never changes again (no alert any more) must not end the killing.
    while waited_us < if any { wait_ms * 1_000 } else { 700_000 } {
        if let Some(status) = gridwatch.try_wait().expect("a child") {
            return Some(status);
        }
        let now = stamp(&watched);
        changed += u32::from(now != last);
        last = now;
        if !any && changed >= changes {
            break;
        }
        std::thread::sleep(Duration::from_micros(200));
        waited_us += 300;
    }
    None
}

fn stamp(path: &PathBuf) -> Option<(std::time::SystemTime, u64)> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

/// Alerts by uid and revision, without the times at which gridwatch saw what made them.
fn comparable(host: &Host) -> BTreeMap<String, Value> {
    let mut alerts = host.alerts();
    for alert in alerts.values_mut() {
        let fields = alert.as_object_mut().expect("an object");
        fields.remove("time");
        let info = fields.get_mut("finding_info").and_then(Value::as_object_mut).expect("finding_info");
        info.remove("created_time");
        info.remove("modified_time");
        without_seq(alert);
    }
    alerts
}

/// Which stretch was read to its end first, and so is numbered first, is another with each kill.
fn without_seq(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("seq");
            fields.values_mut().for_each(without_seq);
        }
        Value::Array(list) => list.iter_mut().for_each(without_seq),
        _ => {}
    }
}
