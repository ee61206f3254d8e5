//! Files whose end is missing, blocks that read as zeros, flipped bits, a store removed or put back from a copy: nothing is lost, nothing
//! delivered is delivered again, it always starts, and it says what happened.
//!
//! `GRIDWATCH_SEEDS=40` does more than the few of each kind that the suite does; `GRIDWATCH_SEED=N` begins with another.

use gridwatch_stories::{Org, OrgPlan, generate};
use gridwatch_tests::host::{Host, Setup, ends_within, exactly, kill, until};
use gridwatch_tests::sim::{Slack, now};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOON_S: u64 = 90;

#[expect(clippy::disallowed_methods, reason = "a failing run is repeated by its seed, a long one asked for")]
fn seeds(few: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text: String| text.parse::<u64>().ok());
    let first = number("GRIDWATCH_SEED").unwrap_or(1);
    first..first + number("GRIDWATCH_SEEDS").unwrap_or(few)
}

fn org(from: u64) -> Org {
    let plan = OrgPlan { seed: 5, users: 60, from, to: now() - 120, entries: Some(900), ..OrgPlan::default() };
    generate(&OrgPlan { around_the_clock: true, ..plan })
}

/// A gridwatch that was killed about so far on its way (in 256ths), to be copied and damaged.
struct Before {
    slack: Slack,
    setup: Setup,
    host: Host,
}

impl Before {
    fn killed_at(part: usize) -> Self {
        let from = now() - 2 * 86_400;
        let slack = Slack::start(org(from));
        let mut setup = Setup::in_small_steps(&slack.base_url(), from);
        setup.slack = "max_window = \"6h\"\npage_limit = 100\ninterval = \"1s\"\nsettle = \"5s\"".into();
        let (host, all) = (Host::new(&setup), slack.truth().ids.len());
        let gridwatch = host.start(&["--once"]);
        until("so far", || host.delivered().len() >= all * part / 256);
        kill(gridwatch);
        Self { slack, setup, host }
    }

    fn copy(&self) -> Host {
        let copy = Host::new(&self.setup);
        let copied = Command::new("cp").arg("-a").arg(self.host.path(".")).arg(copy.path(".")).status().expect("cp");
        assert!(copied.success(), "{copied}");
        copy
    }

    fn assert_whole(&self, host: &Host, what: &str) {
        starts(host, what);
        exactly(what, &host.delivered(), &self.slack.truth().ids);
    }
}

/// Starts it until it succeeds, which may take a second start and no more.
fn starts(host: &Host, what: &str) {
    for _ in 0..2 {
        let status = ends_within(SOON_S, host.start(&["--once"]));
        if status.success() {
            return;
        }
        assert_eq!(status.code(), Some(1), "{what}: {}", host.log());
    }
    panic!("{what}: it keeps from starting:\n{}", host.log());
}

/// The newest file whose name begins so.
fn newest(folder: &Path, begins: &str) -> PathBuf {
    let files = fs::read_dir(folder).expect("a folder").filter_map(|file| Some(file.ok()?.path()));
    let is_it = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begins));
    files.filter(is_it).max().unwrap_or_else(|| panic!("no {begins} in {}", folder.display()))
}

const NAMES: [&str; 4] = ["db", "entries", "order", "alerts"];

/// The files of these names, in which the store, entries, their order and alerts are.
fn files(host: &Host) -> [PathBuf; 4] {
    let state = host.path("state");
    let [archive, alerts] = ["archive", "alerts"].map(|folder| state.join(folder));
    [state.join("store/db"), newest(&archive, "entries-"), newest(&archive, "order-"), newest(&alerts, "alerts-")]
}

fn cut(path: &Path, bytes: u64) {
    let file = File::options().write(true).open(path).expect("a file");
    let length = file.metadata().expect("a file").len();
    file.set_len(length.saturating_sub(bytes)).expect("cut");
}

fn zero(path: &Path, dice: &mut SmallRng) {
    let file = File::options().write(true).open(path).expect("a file");
    let blocks = file.metadata().expect("a file").len().div_ceil(4_096);
    let at = dice.random_range(0..blocks) * 4_096;
    let length = 4_096.min(file.metadata().expect("a file").len() - at);
    file.write_all_at(&vec![0; length as usize], at).expect("zeroed");
}

fn flip(path: &Path, dice: &mut SmallRng) {
    let file = File::options().read(true).write(true).open(path).expect("a file");
    let at = dice.random_range(0..file.metadata().expect("a file").len());
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("a byte");
    file.write_all_at(&[byte[0] ^ (1 << dice.random_range(0..8))], at).expect("flipped");
}

#[test]
fn a_file_whose_end_is_missing_costs_nothing() {
    for seed in seeds(2) {
        let mut dice = SmallRng::seed_from_u64(seed);
        let before = Before::killed_at(dice.random_range(40..220));
        for (n, name) in NAMES.into_iter().enumerate() {
            let bytes = dice.random_range(1..=256) * [1, 1_024][dice.random_range(0..2)];
            let (host, what) = (before.copy(), format!("GRIDWATCH_SEED={seed}: {bytes} bytes cut from {name}"));
            cut(&files(&host)[n], bytes);
            before.assert_whole(&host, &what);
        }
    }
}

#[test]
fn a_block_that_reads_as_zeros_or_a_flipped_bit_costs_nothing() {
    for seed in seeds(2) {
        let mut dice = SmallRng::seed_from_u64(seed);
        let before = Before::killed_at(dice.random_range(40..220));
        for (n, name) in NAMES.into_iter().enumerate() {
            for (how, damage) in [("zeros in", zero as fn(&Path, &mut SmallRng)), ("a bit flipped in", flip)] {
                let (host, what) = (before.copy(), format!("GRIDWATCH_SEED={seed}: {how} {name}"));
                damage(&files(&host)[n], &mut dice);
                before.assert_whole(&host, &what);
            }
        }
    }
}

#[test]
fn a_store_that_is_put_back_from_a_copy_is_noticed() {
    let before = Before::killed_at(60);
    let host = before.copy();
    starts(&host, "the rest");
    // Its logs went on without it.
    fs::remove_dir_all(host.path("state/store")).expect("removed");
    let old = before.host.path("state/store");
    let copied = Command::new("cp").arg("-a").arg(old).arg(host.path("state/store")).status().expect("cp");
    assert!(copied.success());
    before.assert_whole(&host, "an old copy");
    assert!(host.log().contains("the store can't be used"), "{}", host.log());
}

#[test]
fn a_store_that_is_removed_under_it_ends_it_and_costs_nothing() {
    let before = Before::killed_at(60);
    let host = before.copy();
    let gridwatch = host.start(&[]);
    host.until_running(&gridwatch);
    fs::remove_dir_all(host.path("state/store")).expect("removed");
    let status = ends_within(SOON_S, gridwatch);
    assert_eq!(status.code(), Some(1), "{}", host.log());
    assert!(host.log().contains("was removed or replaced under the running gridwatch"), "{}", host.log());
    before.assert_whole(&host, "removed");
}
