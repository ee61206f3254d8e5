//! Chaos: the program as its users start it, through every fault that it has to outlast, and what came of each.
//!
//! `cargo xtask chaos` prints it all as a table, `tests/tests/chaos.rs` runs a few of each kind. Slack, receivers and the dead-man service
//! are this crate's own. The monitor is as shipped, but for its patience: seconds instead of minutes.
//!
//! Nothing may be missing, ever. What is doubled has to be excused: its receiver stored it and died before it said so, or speaks a
//! protocol in which it can't say so. Then it has the same id.

mod deaths;
mod disks;
mod files;
mod late;
mod processes;
mod row;
mod scene;
mod sinks;
mod slack;

pub use row::{Row, Tally, report};
pub use scene::{Size, World};

use std::time::Duration;

/// How much of it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Kills at random moments, of each kind.
    pub kills: u32,
    /// Kills at each place where something is written or made durable.
    pub points: u32,
    /// Of these places, each so many-th.
    pub places: usize,
    /// How long a sink is away, a process stands still, or Slack fails.
    pub away: Duration,
    /// How long a disk is full.
    pub full: Duration,
    /// What a 429 asks for.
    pub retry_after_s: u64,
    /// How often each file is damaged in each way.
    pub damages: u32,
    /// Scenes beside each other: most of each is waiting, and the more there are, the later somebody is told.
    pub at_a_time: usize,
    /// A failing run is repeated by it, as far as a machine's own timing lets it.
    pub seed: u64,
}

impl Options {
    pub fn long(seed: u64) -> Self {
        Self {
            kills: 200,
            points: 3,
            places: 1,
            away: Duration::from_secs(60),
            full: Duration::from_secs(10),
            retry_after_s: 20,
            damages: 3,
            at_a_time: 2,
            seed,
        }
    }

    /// A few of each, in seconds.
    pub fn short(seed: u64) -> Self {
        Self {
            kills: 6,
            points: 1,
            places: 7,
            away: Duration::from_secs(4),
            full: Duration::from_secs(4),
            retry_after_s: 3,
            damages: 1,
            at_a_time: 5,
            seed,
        }
    }
}

/// One kind of faults.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    pub name: &'static str,
    run: fn(&World, &Options) -> Vec<Row>,
}

pub const GROUPS: [Group; 10] = [
    Group { name: "points", run: deaths::points },
    Group { name: "moments", run: deaths::moments },
    Group { name: "disks", run: disks::run },
    Group { name: "sinks", run: sinks::run },
    Group { name: "file-sinks", run: sinks::files },
    Group { name: "slack", run: slack::run },
    Group { name: "clocks", run: slack::clocks },
    Group { name: "late", run: late::run },
    Group { name: "files", run: files::run },
    Group { name: "processes", run: processes::run },
];

/// Has all of them done, so many at a time; what came of each, in their order.
fn beside<J: Sync, T: Send>(jobs: &[J], at_a_time: usize, run: impl Fn(&J) -> T + Sync) -> Vec<T> {
    let mut done = Vec::new();
    for jobs in jobs.chunks(at_a_time.max(1)) {
        let run = &run;
        done.extend(std::thread::scope(|scope| {
            let running: Vec<_> = jobs.iter().map(|job| scope.spawn(move || run(job))).collect();
            running.into_iter().map(|job| job.join().expect("a scene that can be played")).collect::<Vec<T>>()
        }));
    }
    done
}

impl Group {
    pub fn named(name: &str) -> Option<Self> {
        GROUPS.into_iter().find(|group| group.name == name)
    }

    pub fn run(self, world: &World, options: &Options) -> Vec<Row> {
        (self.run)(world, options)
    }
}
