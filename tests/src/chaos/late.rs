//! Entries that Slack shows late. Time is sped up for the program and for Slack alike: hours pass in seconds.

use super::Options;
use super::row::Row;
use super::scene::{Scene, World};
use super::slack::Following;
use crate::shim::{self, Clock};
use std::collections::BTreeSet;
use std::time::Duration;

/// Time passes in such steps, each of which takes a fraction of a second.
const STEP_S: u64 = 120;
const STEP_TAKES: Duration = Duration::from_millis(250);
/// What comes this late is found when its time is read again, at the latest.
const LATE: [(&str, u64, u64); 3] = [("30 s", 30, 20 * 60), ("10 min", 600, 20 * 60), ("3 h", 3 * 3_600, 7 * 3_600)];
const BATCH: usize = 5;

pub(super) fn run(world: &World, _: &Options) -> Vec<Row> {
    if shim::library().is_none() {
        return Vec::new();
    }
    LATE.iter().map(|(what, late_s, within_s)| late(world, what, *late_s, *within_s)).collect()
}

fn late(world: &World, what: &str, late_s: u64, within_s: u64) -> Row {
    let slack = Following::start();
    let mut scene = Scene::with(world, "", slack.clock.clone());
    scene.clock = Some(Clock::make(&scene.host.path("")));
    let mut passed_s = 0;
    scene.until_up_to_date();
    scene.begins();
    // They happen now. Others are shown at once, so that their time is read.
    let at = slack.clock.now_secs() - 1;
    scene.push_at(at);
    scene.wait(|scene| scene.is_complete());
    pass(&mut scene, &slack, &mut passed_s, late_s);
    let ids: BTreeSet<String> = (0..BATCH).map(|_| scene.push_at(at)).collect();
    let shown_s = passed_s;
    while passed_s < shown_s + within_s && !has(&scene, &ids) {
        pass(&mut scene, &slack, &mut passed_s, STEP_S);
    }
    let recovery_s = scene.wait(|scene| scene.is_complete());
    let found_s = passed_s - shown_s;
    let row = scene.row(&format!("{BATCH} entries shown {what} late"), recovery_s);
    // By the program's own clock, not by ours.
    Row { recovery_s: row.recovery_s.map(|waited_s| found_s as f64 + waited_s), told: Vec::new(), ..row }
}

fn has(scene: &Scene<'_>, ids: &BTreeSet<String>) -> bool {
    let delivered = scene.host.delivered();
    ids.iter().all(|id| delivered.contains_key(id))
}

/// Lets time pass for the program and for Slack, as slowly as the program can follow.
fn pass(scene: &mut Scene<'_>, slack: &Following, passed_s: &mut u64, seconds: u64) {
    let until_s = *passed_s + seconds;
    while *passed_s < until_s {
        *passed_s = (*passed_s + STEP_S).min(until_s);
        let ms = i64::try_from(*passed_s * 1_000).expect("few hours");
        slack.set_ahead_ms(ms);
        scene.clock.as_ref().expect("a clock").set_ahead_ms(ms);
        std::thread::sleep(STEP_TAKES);
    }
}
