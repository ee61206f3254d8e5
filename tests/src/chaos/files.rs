//! Files of the state that were cut, changed or removed while gridwatch was away.

use super::row::Row;
use super::scene::{Scene, World};
use super::{Options, beside};
use crate::host::{ends_within, until};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What is damaged: where it is, and what its newest file's name begins with.
const FILES: [(&str, &str, &str); 5] = [
    ("the store", "state/store", "db"),
    ("the log of entries", "state/archive", "entries-"),
    ("the log of their order", "state/archive", "order-"),
    ("the log of alerts", "state/alerts", "alerts-"),
    ("the index of alerts", "state/alerts", "alerts.index"),
];

type Damage = fn(&Path, &mut SmallRng);
const DAMAGES: [(&str, Damage); 3] = [("truncated", cut), ("a byte flipped in", flip), ("deleted", remove)];

pub(super) fn run(world: &World, options: &Options) -> Vec<Row> {
    let mut jobs = Vec::new();
    for file in FILES {
        jobs.extend(DAMAGES.map(|damage| (file, damage, options.seed + jobs.len() as u64)));
    }
    beside(&jobs, options.at_a_time, |((name, folder, begins), (how, damage), seed)| {
        let mut dice = SmallRng::seed_from_u64(*seed);
        let times = (0..options.damages).map(|_| {
            let part = dice.random_range(30..220);
            damaged(world, part, folder, begins, |path| damage(path, &mut dice))
        });
        let mut row = times.reduce(both).unwrap_or_default();
        row.fault = match *how {
            "a byte flipped in" => format!("{how} {name}"),
            _ => format!("{name} {how}"),
        };
        row.fault = format!("{}, {} times", row.fault, options.damages);
        row.alerts_may_double = *begins == "alerts-";
        row
    })
}

fn both(a: Row, b: Row) -> Row {
    Row {
        fault: String::new(),
        records: a.records.and(b.records),
        alerts_missing: a.alerts_missing + b.alerts_missing,
        alerts_doubled: a.alerts_doubled + b.alerts_doubled,
        alerts_may_double: a.alerts_may_double,
        recovery_s: a.recovery_s.zip(b.recovery_s).map(|(a, b)| a.max(b)),
        told: if a.told.is_empty() { b.told } else { a.told },
        wrong: [a.wrong, b.wrong].concat(),
    }
}

/// Killed in the middle of its work, damaged, and started again, as often as it ends by itself.
fn damaged(world: &World, part: usize, folder: &str, begins: &str, damage: impl FnOnce(&Path)) -> Row {
    let mut scene = Scene::new(world, "");
    let gridwatch = scene.host.start(&["--once"]);
    let some = world.org.entries.len() * part / 256;
    until("some of it", || scene.host.delivered().len() >= some);
    crate::host::kill(gridwatch);
    if let Some(path) = newest(&scene.host.path(folder), begins) {
        damage(&path);
    }
    scene.begins();
    scene.start();
    let recovery_s = scene.wait(|scene| scene.is_complete());
    // One that noticed it while it ran has ended for it, and was started again.
    let endings = scene.forgive_endings();
    let mut row = scene.row("", recovery_s);
    if endings > 1 {
        row.wrong.push(format!("it ended {endings} times"));
    }
    // A start from what there is now goes well.
    let again = ends_within(90, scene.host.start(&["--once"]));
    if !again.success() {
        row.wrong.push(format!("the next start ended with {again}"));
    }
    row
}

/// The newest file whose name begins so.
fn newest(folder: &Path, begins: &str) -> Option<PathBuf> {
    let files = fs::read_dir(folder).ok()?.filter_map(|file| Some(file.ok()?.path()));
    let is_it = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begins));
    files.filter(is_it).max()
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).expect("a file").len()
}

fn cut(path: &Path, dice: &mut SmallRng) {
    let file = File::options().write(true).open(path).expect("a file");
    file.set_len(dice.random_range(0..length(path).max(1))).expect("cut");
}

fn flip(path: &Path, dice: &mut SmallRng) {
    let file = File::options().read(true).write(true).open(path).expect("a file");
    let at = dice.random_range(0..length(path).max(1));
    let mut byte = [0];
    if file.read_exact_at(&mut byte, at).is_ok() {
        file.write_all_at(&[byte[0] ^ (1 << dice.random_range(0..8))], at).expect("flipped");
    }
}

fn remove(path: &Path, _: &mut SmallRng) {
    fs::remove_file(path).expect("removed");
}
