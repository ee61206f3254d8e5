//! Starts under bad conditions: each ends with words of its own and a code that a service manager knows, none takes a whole
//! store for a broken one, and none keeps gridwatch from starting for good.

use gridwatch_tests::host::{Host, Setup, ended, ends_within, gridwatch, kill, terminate, until};
use gridwatch_tests::sim::{Slack, entry, now, org};
use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};
use std::fs;
use std::os::unix::fs::FileExt;
use std::process::{Command, Output};

const SOON_S: u64 = 90;

/// A gridwatch that has read an org to its end, to be copied.
struct Before {
    slack: Slack,
    setup: Setup,
    host: Host,
}

impl Before {
    fn new() -> Self {
        let from = now() - 86_400;
        let slack = Slack::start(org(600, from, now() - 120));
        let mut setup = Setup::in_small_steps(&slack.base_url(), from);
        setup.slack = "max_window = \"6h\"\npage_limit = 100\ninterval = \"1s\"\nsettle = \"5s\"".into();
        let host = Host::new(&setup);
        host.run_once_well();
        Self { slack, setup, host }
    }

    fn copy(&self) -> Host {
        let copy = Host::new(&self.setup);
        let copied = Command::new("cp").arg("-a").arg(self.host.path(".")).arg(copy.path(".")).status().expect("cp");
        assert!(copied.success(), "{copied}");
        copy
    }
}

fn aside(host: &Host) -> usize {
    let names = fs::read_dir(host.path("state")).expect("state").filter_map(|f| f.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with("store.broken-")).count()
}

/// `run --once` by a shell that has said this first.
fn once_after(host: &Host, limit: &str) -> Output {
    let program = gridwatch().get_program().to_owned();
    let script = format!(
        "{limit}; exec {} run --once --config {}",
        program.to_string_lossy(),
        host.path("gridwatch.toml").display()
    );
    ended(Command::new("bash").args(["-c", &script]))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_leftover_snapshot_of_the_store_costs_nothing() {
    let before = Before::new();
    let leftovers: [(&str, &[u8]); 3] = [
        ("snap.7FFFFFFFFFFFFFFF", b"nothing that sled would write, and long enough to be looked at"),
        ("snap.7FFFFFFFFFFFFFF0.generating", b"half"),
        ("snap.7FFFFFFFFFFFFFF1", b""),
    ];
    for (name, bytes) in leftovers {
        let host = before.copy();
        fs::write(host.path("state/store").join(name), bytes).expect("written");
        host.run_once_well();
        assert_eq!(aside(&host), 0, "{name}");
        assert!(host.delivered().values().all(|times| *times == 1), "{name}");
    }
}

#[test]
fn whatever_block_of_the_store_is_zeroed_it_ends_by_0_or_1_and_starts_again() {
    let before = Before::new();
    let seed = 11;
    println!("seed {seed}");
    let mut dice = SmallRng::seed_from_u64(seed);
    for n in 0..10 {
        let host = before.copy();
        let db = fs::File::options().write(true).open(host.path("state/store/db")).expect("db");
        let blocks = db.metadata().expect("its length").len() / 4096;
        let at = dice.random_range(0..blocks) * 4096;
        db.write_all_at(&[0; 4096], at).expect("zeroed");
        let id = format!("Lzero{n}");
        before.slack.push(vec![entry(&id, now() - 6)]);
        host.until_time_has_passed();
        let codes: Vec<_> = (0..3).map(|_| ends_within(SOON_S, host.start(&["--once"])).code()).collect();
        println!("block at {at}: {codes:?}, {} set aside", aside(&host));
        assert!(codes.iter().all(|code| matches!(code, Some(0 | 1))), "{codes:?}\n{}", host.log());
        assert_eq!(codes[2], Some(0), "{}", host.log());
        assert!(host.delivered().contains_key(&id), "{}", host.log());
    }
}

#[test]
fn too_few_files_or_too_small_ones_are_told_and_harm_no_store() {
    let before = Before::new();
    let host = before.copy();
    before.slack.push((0..500).map(|n| entry(&format!("Lmore{n}"), now() - 6)).collect());
    host.until_time_has_passed();
    for _ in 0..3 {
        let output = once_after(&host, "ulimit -n 32");
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(text(&output).contains("LimitNOFILE"), "{}", text(&output));
    }
    // In blocks of a KiB: less than the store's file is long. A signal would have no code.
    for kib in [1, 64, 600] {
        let output = once_after(&host, &format!("ulimit -f {kib}"));
        assert!(matches!(output.status.code(), Some(0..=2)), "{}: {}", output.status, text(&output));
    }
    assert_eq!(aside(&host), 0);
    host.run_once_well();
    assert_eq!(aside(&host), 0);
    host.assert_exactly(&before.slack.truth().ids);
}

#[test]
fn a_second_process_harms_nothing_though_the_lock_file_is_gone() {
    let before = Before::new();
    let host = before.copy();
    let first = host.start(&[]);
    host.until_running(&first);
    fs::remove_file(host.path("state/gridwatch.lock")).expect("the lock file");
    // All that would make the second one set the store aside.
    fs::write(host.path("state/store.damaged"), "test").expect("written");
    fs::write(host.path("state/starts"), "99").expect("written");
    let mut garbage = vec![0; 200];
    SmallRng::seed_from_u64(3).fill_bytes(&mut garbage);
    fs::write(host.path("state/store/snap.7FFFFFFFFFFFFFFF"), &garbage).expect("written");
    for _ in 0..2 {
        let second = host.run_once();
        assert_eq!(second.status.code(), Some(1), "{}", text(&second));
        assert!(text(&second).contains("another gridwatch is running"), "{}", text(&second));
    }
    assert_eq!(aside(&host), 0);
    before.slack.push(vec![entry("Lstill", now() - 6)]);
    until("the first goes on", || host.delivered().contains_key("Lstill"));
    fs::remove_file(host.path("state/store.damaged")).expect("removed");
    terminate(first);
    host.assert_exactly(&before.slack.truth().ids);
}

#[test]
fn starts_that_die_in_a_row_set_the_store_aside_by_themselves_and_once() {
    let before = Before::new();
    let host = before.copy();
    for n in 1..=6 {
        // As a process that is killed for its memory while it reads the store.
        let gridwatch = host.start(&[]);
        until("it opens the store", || {
            // The sixth is left alone until it has done what the five before it are the reason for.
            let has_begun = fs::read_to_string(host.path("state/starts")).is_ok_and(|t| t != (n - 1).to_string());
            (has_begun && n < 6) || aside(&host) > 0
        });
        if aside(&host) > 0 {
            // Killed before the new one knows what it replaces, the next start sets that aside too: it is empty.
            until("the rebuild to begin", || fs::read_to_string(host.path("state/starts")).is_ok_and(|t| t == "0"));
            kill(gridwatch);
            break;
        }
        kill(gridwatch);
        if aside(&host) > 0 {
            break;
        }
        // It may have got further than its end would have it.
        fs::write(host.path("state/starts"), n.to_string()).expect("written");
    }
    assert_eq!(aside(&host), 1, "{}", host.log());
    assert!(host.log().contains("starts died while they read the store"), "{}", host.log());
    // A rebuild that doesn't get far isn't a store behind its checkpoint.
    for _ in 0..3 {
        kill(host.start(&[]));
    }
    host.run_once_well();
    assert_eq!(aside(&host), 1, "{}", host.log());
}

#[test]
fn no_more_than_two_broken_stores_are_kept() {
    let before = Before::new();
    let host = before.copy();
    for _ in 0..4 {
        let db = fs::File::options().write(true).open(host.path("state/store/db")).expect("db");
        db.set_len(0).expect("cut");
        host.run_once_well();
    }
    assert_eq!(aside(&host), 2, "{}", host.log());
}

#[test]
fn a_clean_end_claims_nothing_undelivered() {
    let from = now() - 7_200;
    let slack = Slack::start(org(400, from, now() - 120));
    for n in 0..4 {
        let host = Host::new(&Setup::in_small_steps(&slack.base_url(), from));
        let gridwatch = host.start(&[]);
        until("something delivered", || host.delivered().len() > 50 * (n + 1));
        terminate(gridwatch);
        assert!(!host.log().contains("not delivered yet"), "{}", host.log());
    }
}
