//! SIGKILL: before, in and after each system call that changes a file, and at moments that nobody chose.

use super::Options;
use super::row::Row;
use super::scene::{Scene, World};
use crate::host::{Host, kill};
use crate::shim::{self, How, Kill};
use crate::sim::now_ms;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::time::Duration;

const KILLED: i32 = 9;
/// A run to the end takes a tenth of it.
const PATIENCE_MS: u64 = 120_000;
/// Longer than entries settle in all tests.
const SETTLED: Duration = Duration::from_secs(7);
/// Occurrences of a call that are killed at: later ones are like these.
const FIRST: u32 = 25;

/// A row for each file: what is killed there, and how often.
pub(super) fn points(world: &World, options: &Options) -> Vec<Row> {
    if shim::library().is_none() {
        return Vec::new();
    }
    let mut dice = SmallRng::seed_from_u64(options.seed);
    let places = places(world).into_iter().step_by(options.places);
    places.map(|(place, calls)| killed_at(world, &place, plan(&place, &calls, options.points, &mut dice))).collect()
}

/// Each file that a run changes, digits and digests of its name apart, and how often by which call.
fn places(world: &World) -> BTreeMap<String, BTreeMap<String, u32>> {
    let scene = Scene::new(world, "");
    let (folder, trace) = (scene.host.path("").canonicalize().expect("a folder"), scene.host.path("trace"));
    let mut command = scene.host.run(&["--once"]);
    shim::trace(&mut command, &trace);
    let status = command.status().expect("gridwatch starts");
    assert!(status.success(), "{}", scene.host.log());
    let text = std::fs::read_to_string(&trace).expect("a trace");
    let mut places = BTreeMap::<String, BTreeMap<String, u32>>::new();
    for (call, path) in text.lines().filter_map(|line| line.split_once(' ')) {
        // What is not in its folder is shared by all tests; what it logs is nobody's state.
        let path = path.strip_prefix(&*folder.to_string_lossy());
        let Some(path) = path.filter(|path| !["", "/log"].contains(path)) else { continue };
        *places.entry(kind(path)).or_default().entry(call.to_owned()).or_default() += 1;
    }
    places
}

/// A path up to the first number or digest in it.
fn kind(path: &str) -> String {
    let name_at = path.rfind('/').map_or(0, |slash| slash + 1);
    let varies = |at: &usize| {
        let rest = &path[*at..];
        let hex = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        rest.starts_with(|c: char| c.is_ascii_digit()) || hex >= 16
    };
    let end = (name_at..path.len()).filter(|at| path.is_char_boundary(*at)).find(varies).unwrap_or(path.len());
    path[..end].to_owned()
}

/// So many kills for each call and each way.
fn plan(place: &str, calls: &BTreeMap<String, u32>, points: u32, dice: &mut SmallRng) -> VecDeque<Kill> {
    let mut kills = VecDeque::new();
    for (call, count) in calls {
        let hows = match call.as_str() {
            "write" | "pwrite" => [How::Half, How::After],
            _ => [How::Before, How::After],
        };
        for how in hows {
            for _ in 0..points {
                let nth = dice.random_range(1..=(*count).min(FIRST));
                kills.push_back(Kill { how, call: call.clone(), nth, path: place.to_owned() });
            }
        }
    }
    kills
}

/// In one life as far as it goes, and then in another.
fn killed_at(world: &World, place: &str, mut kills: VecDeque<Kill>) -> Row {
    let (mut row, mut struck, all) = (Row::default(), 0, kills.len());
    // Where a run doesn't come as far as that, the first such call will do.
    let mut is_second_try = false;
    while !kills.is_empty() {
        let scene = Scene::new(world, "");
        while let Some(kill) = kills.front_mut() {
            if is_second_try {
                kill.nth = 1;
            }
            let mut command = scene.host.run(&["--once"]);
            kill.give(&mut command);
            let status = ends(command.spawn().expect("gridwatch starts"));
            let said = kill.to_string();
            match status {
                Some(status) if status.signal() == Some(KILLED) => {
                    struck += 1;
                    (is_second_try, _) = (false, kills.pop_front());
                }
                Some(status) if status.success() => {
                    // This life is over. A kill that finds nothing to strike in a whole one is passed over.
                    if is_second_try {
                        kills.pop_front();
                    }
                    is_second_try = !is_second_try;
                    break;
                }
                ended => {
                    let how = ended.map_or("hung".to_owned(), |status| format!("ended with {status}"));
                    row.wrong.push(format!("{said}: it {how}"));
                    kills.pop_front();
                }
            }
        }
        to_its_end(&scene, &mut row);
    }
    row.fault = format!("SIGKILL at {}: {struck} of {all}", place.trim_start_matches('/'));
    row
}

/// What is left is done without a kill, and counted.
fn to_its_end(scene: &Scene<'_>, row: &mut Row) {
    let began_ms = now_ms();
    match ends(scene.host.start(&["--once"])) {
        Some(status) if status.success() => {}
        Some(status) => row.wrong.push(format!("the run after all kills ended with {status}")),
        None => row.wrong.push("the run after all kills hung".to_owned()),
    }
    let took_s = (now_ms() - began_ms) as f64 / 1_000.0;
    row.recovery_s = Some(row.recovery_s.map_or(took_s, |longest| longest.max(took_s)));
    scene.count(row);
    for word in ["set_aside", "panicked at"] {
        if scene.host.log().contains(word) {
            row.wrong.push(format!("its log says `{word}`"));
        }
    }
}

/// How it ends by itself; `None`, and it is killed, if it doesn't.
fn ends(mut process: Child) -> Option<ExitStatus> {
    let until_ms = now_ms() + PATIENCE_MS;
    while now_ms() < until_ms {
        if let Some(status) = process.try_wait().expect("a child") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    kill(process);
    None
}

/// While it catches up, and while it runs on.
pub(super) fn moments(world: &World, options: &Options) -> Vec<Row> {
    let seed = options.seed;
    vec![
        at_moments(world, "catching up", &["--once"], options.kills, seed),
        at_moments(world, "live", &[], options.kills, seed + 1),
    ]
}

fn at_moments(world: &World, when: &str, args: &[&str], kills: u32, seed: u64) -> Row {
    let mut dice = SmallRng::seed_from_u64(seed);
    let (mut row, mut done, mut lives) = (Row::default(), 0, 0);
    while done < kills {
        let mut scene = Scene::new(world, "");
        lives += 1;
        // A life without an end is over when most of it has been done.
        while done < kills && !is_mostly_done(&scene.host, world) {
            if args.is_empty() {
                scene.push_at(crate::sim::now() - 1);
            }
            let mut process = scene.host.start(args);
            std::thread::sleep(Duration::from_millis(dice.random_range(5..700)));
            match process.try_wait().expect("a child") {
                None => {
                    kill(process);
                    done += 1;
                }
                Some(status) if status.success() => break,
                Some(status) => {
                    row.wrong.push(format!("it ended with {status}"));
                    break;
                }
            }
        }
        if args.is_empty() {
            // The last entries have to settle before they are asked for.
            std::thread::sleep(SETTLED);
        }
        to_its_end(&scene, &mut row);
    }
    row.fault = format!("SIGKILL at {done} random moments, {when} ({lives} lives)");
    row
}

fn is_mostly_done(host: &Host, world: &World) -> bool {
    let ids: BTreeSet<String> = host.delivered().into_keys().collect();
    ids.len() * 20 > world.org.entries.len() * 19
}
