//! A Slack that refuses, breaks off or goes by another clock than ours.

use super::row::Row;
use super::scene::{Scene, World};
use super::{Options, beside};
use crate::shim::{self, Clock};
use crate::sim::now_ms;
use gridwatch_sim::{Fault, FaultKind, SimClock, When};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

const HOUR_MS: i64 = 3_600_000;

pub(super) fn run(world: &World, options: &Options) -> Vec<Row> {
    let (seconds, retry_after) = (options.away.as_secs(), options.retry_after_s);
    let always = |kind: FaultKind| kind.at(When::Between { from: 1, to: u64::MAX });
    let status = |code| FaultKind::Status { code, body: String::new(), retry_after: None };
    let faults = [
        ("503", always(status(503))),
        ("cut bodies", always(FaultKind::CutBody)),
        ("no answer (connections dropped)", always(FaultKind::DropConnection)),
        ("`ok: false`", always(FaultKind::OkFalse { error: "fatal_error".into() })),
        ("a body that is no JSON", always(FaultKind::GarbageBody)),
    ];
    let mut rows = beside(&faults, options.at_a_time, |(what, fault)| lasting(world, options, what, fault));
    rows.iter_mut().for_each(|row| row.fault = format!("Slack: {} for {seconds} s", row.fault));
    let next = |scene: &Scene<'_>, nth: u64| scene.slack.stats().logs_requests + nth;
    let once = Duration::from_secs(retry_after + 1);
    let mut scene = Scene::new(world, "");
    rows.push(scene.strike(
        &format!("Slack: 429 with Retry-After {retry_after}"),
        once,
        |scene| {
            let at = When::Nth(vec![next(scene, 1)]);
            scene.slack.set_faults(vec![FaultKind::RateLimit { retry_after }.at(at)]);
        },
        |_| {},
    ));
    let mut scene = Scene::new(world, "");
    rows.push(scene.strike(
        "Slack: cursor expired at pages 2, 5 and 9 from now",
        Duration::from_secs(2),
        |scene| {
            let pages = [2, 5, 9].map(|page| next(scene, page)).to_vec();
            scene.slack.set_faults(vec![FaultKind::ExpireCursor.at(When::Nth(pages))]);
        },
        |_| {},
    ));
    // From the beginning: no walk of more than one page is ever possible.
    let mut scene = Scene::new(world, "");
    scene.slack.set_faults(vec![always(FaultKind::ExpireCursor)]);
    scene.start();
    scene.begins();
    let recovery_s = scene.wait(|scene| scene.is_complete());
    rows.push(scene.row("Slack: no cursor ever works", recovery_s));
    rows
}

fn lasting(world: &World, options: &Options, what: &str, fault: &Fault) -> Row {
    let mut scene = Scene::new(world, "");
    scene.strike(
        what,
        options.away,
        |scene| scene.slack.set_faults(vec![fault.clone()]),
        |scene| scene.slack.set_faults(Vec::new()),
    )
}

/// A clock that follows the machine's at a distance.
#[derive(Debug)]
pub(super) struct Following {
    pub(super) clock: SimClock,
    ahead_ms: Arc<AtomicI64>,
    is_over: Arc<AtomicBool>,
}

impl Following {
    pub(super) fn start() -> Self {
        let following =
            Self { clock: SimClock::manual(now_ms() / 1_000), ahead_ms: Arc::default(), is_over: Arc::default() };
        let (clock, ahead_ms, is_over) =
            (following.clock.clone(), following.ahead_ms.clone(), following.is_over.clone());
        std::thread::spawn(move || {
            while !is_over.load(Ordering::SeqCst) {
                clock.set_ms(now_ms().saturating_add_signed(ahead_ms.load(Ordering::SeqCst)));
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        following
    }

    pub(super) fn set_ahead_ms(&self, ms: i64) {
        self.ahead_ms.store(ms, Ordering::SeqCst);
        self.clock.set_ms(now_ms().saturating_add_signed(ms));
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
    }
}

/// An hour off, and back again: ours, and Slack's.
pub(super) fn clocks(world: &World, options: &Options) -> Vec<Row> {
    let mut rows = Vec::new();
    for (hours, how) in [(1, "ahead"), (-1, "behind")] {
        let slack = Following::start();
        let mut scene = Scene::with(world, "", slack.clock.clone());
        // What happens while Slack's clock is off has the true time.
        scene.happens_by(SimClock::Real);
        rows.push(scene.strike(
            &format!("Slack's clock an hour {how}, and back"),
            options.away,
            |_| slack.set_ahead_ms(hours * HOUR_MS),
            |_| slack.set_ahead_ms(0),
        ));
        if shim::library().is_some() {
            let mut scene = Scene::new(world, "");
            let clock = Clock::make(&scene.host.path(""));
            scene.clock = Some(clock);
            let set = |scene: &Scene<'_>, ms| scene.clock.as_ref().expect("a clock").set_ahead_ms(ms);
            rows.push(scene.strike(
                &format!("our clock an hour {how}, and back"),
                options.away,
                |scene| set(scene, hours * HOUR_MS),
                |scene| set(scene, 0),
            ));
        }
    }
    rows
}
