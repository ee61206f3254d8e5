//! A damaged store: noticed, set aside, said loudly, and rebuilt from Slack. Never does it keep gridwatch from starting.

use gridwatch_stories::{Org, OrgPlan, generate};
use gridwatch_tests::host::{Host, Setup, ends_within, exactly, kill};
use gridwatch_tests::sim::{Slack, entry, now};
use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

/// Rebuilding reads 30 days of empty windows; on a busy machine that takes a while.
const SOON_S: u64 = 90;

/// A gridwatch that has read an org to its end, to be copied and damaged.
struct Before {
    slack: Slack,
    setup: Setup,
    host: Host,
    alerts: BTreeSet<String>,
}

impl Before {
    fn new() -> Self {
        let from = now() - 3 * 86_400;
        let slack = Slack::start(org(from));
        let mut setup = Setup::in_small_steps(&slack.base_url(), from);
        setup.slack = "max_window = \"6h\"\npage_limit = 100\ninterval = \"1s\"\nsettle = \"5s\"".into();
        let host = Host::new(&setup);
        host.run_once_well();
        host.assert_exactly(&slack.truth().ids);
        let alerts = uids(&host);
        assert!(alerts.len() > 3, "too few alerts to compare");
        Self { slack, setup, host, alerts }
    }

    fn copy(&self) -> Host {
        let copy = Host::new(&self.setup);
        let from = self.host.path(".");
        let copied = Command::new("cp").arg("-a").arg(from).arg(copy.path(".")).status().expect("cp");
        assert!(copied.success(), "{copied}");
        copy
    }
}

fn org(from: u64) -> Org {
    let plan = OrgPlan { seed: 5, users: 60, from, to: now() - 120, entries: Some(1_500), ..OrgPlan::default() };
    generate(&OrgPlan { around_the_clock: true, ..plan })
}

/// Alerts without their revisions: how many there are depends on what was counted before.
fn uids(host: &Host) -> BTreeSet<String> {
    host.lines("alerts.ndjson").iter().map(|a| a["finding_info"]["uid"].as_str().expect("an id").to_owned()).collect()
}

fn aside(host: &Host) -> usize {
    let names =
        fs::read_dir(host.path("state")).expect("state").filter_map(|file| file.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with("store.broken-")).count()
}

/// Starts it until it succeeds, which may take a second start and no more. Returns how many it took.
fn starts(host: &Host) -> usize {
    for n in 1..=2 {
        let status = ends_within(SOON_S, host.start(&["--once"]));
        if status.success() {
            return n;
        }
        assert_eq!(status.code(), Some(1), "{}", host.log());
    }
    panic!("a damaged store keeps it from starting:\n{}", host.log());
}

type Damage = fn(&Path, &mut SmallRng);

const DAMAGES: [(&str, Damage); 13] = [
    ("emptied db", |store, _| cut(store, 0.0)),
    ("third of db", |store, _| cut(store, 0.3)),
    ("most of db", |store, _| cut(store, 0.9)),
    ("garbage db", |store, dice| overwrite(&store.join("db"), usize::MAX, 1, dice)),
    ("garbage conf", |store, dice| overwrite(&store.join("conf"), usize::MAX, 1, dice)),
    ("a byte", |store, dice| overwrite(&store.join("db"), 1, 1, dice)),
    ("30 bytes", |store, dice| overwrite(&store.join("db"), 1, 30, dice)),
    ("1,000 bytes", |store, dice| overwrite(&store.join("db"), 1, 1_000, dice)),
    ("a block", |store, dice| overwrite(&store.join("db"), 65_536, 1, dice)),
    ("no db", |store, _| fs::remove_file(store.join("db")).expect("removed")),
    ("no conf", |store, _| fs::remove_file(store.join("conf")).expect("removed")),
    ("an empty folder", |store, _| {
        fs::remove_dir_all(store).expect("removed");
        fs::create_dir(store).expect("made");
    }),
    ("no folder", |store, _| fs::remove_dir_all(store).expect("removed")),
];

fn cut(store: &Path, keep: f64) {
    let db = fs::File::options().write(true).open(store.join("db")).expect("db");
    let length = db.metadata().expect("db").len();
    db.set_len((length as f64 * keep) as u64).expect("cut");
}

fn overwrite(path: &Path, bytes: usize, times: usize, dice: &mut SmallRng) {
    let file = fs::File::options().write(true).open(path).expect("a file");
    let length = file.metadata().expect("a file").len();
    let mut garbage = vec![0; bytes.min(length as usize)];
    for _ in 0..times {
        dice.fill_bytes(&mut garbage);
        let at = dice.random_range(0..=length - garbage.len() as u64);
        file.write_all_at(&garbage, at).expect("written");
    }
}

/// What has to be true after any damage: what wasn't delivered before is delivered, and nothing else.
fn assert_recovers(before: &Before, host: &Host, what: &str, new_id: &str) {
    let first_life = host.delivered();
    // The sinks of the second life start empty, to tell what it delivers.
    for name in ["events.ndjson", "alerts.ndjson"] {
        fs::rename(host.path(name), host.path(&format!("before-{name}"))).expect("renamed");
    }
    for file in fs::read_dir(host.path(".")).expect("the folder").filter_map(Result::ok) {
        if file.file_name().to_string_lossy().contains(".ndjson.0") {
            fs::remove_file(file.path()).expect("removed");
        }
    }
    before.slack.push(vec![entry(new_id, now() - 6)]);
    host.until_time_has_passed();
    let starts = starts(host);
    let (delivered, log) = (host.delivered(), host.log());
    let rebuilt = log.contains("the store can't be used");
    let why = log.lines().find(|line| line.contains("the store can't be used")).and_then(|l| l.split("error=").nth(1));
    println!("{what}: {}", why.unwrap_or("not noticed").chars().take(100).collect::<String>());
    println!("{what}: {starts} start(s), rebuilt {rebuilt}, set aside {}, {} delivered", aside(host), delivered.len());
    assert_eq!(delivered.get(new_id), Some(&1), "{what}: the new entry:\n{log}");
    // Whether the store was rebuilt or not: the logs know what was delivered.
    let ids = before.slack.truth().ids;
    exactly(what, &delivered, &ids.into_iter().filter(|id| !first_life.contains_key(id)).collect());
    assert!(before.alerts.is_subset(&host.history()), "{what}: alerts are gone from the history");
    assert!(!host.path("state/store.damaged").exists(), "{what}");
    let archived = host.archived("state/archive");
    assert!(archived.windows(2).all(|pair| pair[0].0 < pair[1].0), "{what}: numbers in the archive don't rise");
    assert!(archived.iter().any(|(_, id)| id == new_id), "{what}: the archive goes on");
}

#[test]
fn a_damaged_store_is_set_aside_and_rebuilt_from_slack() {
    let seed = 20;
    println!("seed {seed}");
    let mut dice = SmallRng::seed_from_u64(seed);
    let before = Before::new();
    for (n, (what, damage)) in DAMAGES.into_iter().enumerate() {
        let host = before.copy();
        damage(&host.path("state/store"), &mut dice);
        assert_recovers(&before, &host, what, &format!("Lnew{n}"));
    }
}

#[test]
fn with_the_checkpoint_lost_too_it_starts_from_the_configured_start() {
    let before = Before::new();
    let host = before.copy();
    cut(&host.path("state/store"), 0.0);
    fs::remove_file(host.path("state/checkpoint.json")).expect("removed");
    let old = host.archived("state/archive").len();
    starts(&host);
    // The archive knows what was judged, and the mirror of positions what was delivered.
    assert!(host.delivered().values().all(|n| *n == 1));
    let archived = host.archived("state/archive");
    assert_eq!(archived.len(), old);
    assert!(archived.windows(2).all(|pair| pair[0].0 < pair[1].0), "numbers in the archive don't rise");
}

/// sled's checksums hold, but a row isn't what gridwatch wrote: the way later damage shows, on demand.
#[test]
fn damage_found_while_in_use_ends_the_process_and_the_next_start_rebuilds() {
    let before = Before::new();
    for (n, row) in ["mpoll", "mreleased", "morder", "sevents", "l\0\0\0\0\0\0\0\x01"].into_iter().enumerate() {
        let host = before.copy();
        let db = sled::open(host.path("state/store")).expect("a store");
        db.insert(row.as_bytes(), b"{garbage").expect("inserted");
        db.flush().expect("flushed");
        drop(db);
        assert_recovers(&before, &host, &format!("row {row:?}"), &format!("Lrow{n}"));
        assert_eq!(aside(&host), 1, "row {row:?}");
    }
}

#[test]
fn files_overwritten_under_a_running_gridwatch_cost_a_restart_at_most() {
    let before = Before::new();
    let host = before.copy();
    let gridwatch = host.start(&[]);
    host.until_running(&gridwatch);
    overwrite(&host.path("state/store/db"), usize::MAX, 1, &mut SmallRng::seed_from_u64(1));
    let fresh: Vec<_> = (0..200).map(|n| entry(&format!("Lrun{n}"), now() - 6)).collect();
    before.slack.push(fresh);
    // It may notice, or go on with what it has in memory.
    std::thread::sleep(std::time::Duration::from_secs(3));
    kill(gridwatch);
    assert_recovers(&before, &host, "overwritten while running", "Lafter");
}

#[test]
fn a_second_gridwatch_on_the_same_state_is_refused_and_touches_nothing() {
    let before = Before::new();
    let host = before.copy();
    let first = host.start(&[]);
    host.until_running(&first);
    // sled looks at this file before it takes its lock.
    overwrite(&host.path("state/store/conf"), usize::MAX, 1, &mut SmallRng::seed_from_u64(1));
    fs::write(host.path("state/store.damaged"), "test").expect("written");
    let second = host.run_once();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("another gridwatch is running"), "{said}");
    assert_eq!(aside(&host), 0);
    assert!(host.path("state/store/db").exists());
    kill(first);
}
