//! Full disks: of the state, of the log of entries, of a sink, and of what gridwatch itself logs to.

use super::Options;
use super::row::{Row, Tally};
use super::scene::{Scene, World};
use crate::disk::SmallDisk;
use std::collections::BTreeMap;

pub(super) fn run(world: &World, options: &Options) -> Vec<Row> {
    [state(world, options), archive(world, options), sink(world, options), own_log(world, options)]
        .into_iter()
        .flatten()
        .collect()
}

fn seconds(options: &Options) -> String {
    format!("{} s", options.full.as_secs())
}

/// How it ends then.
const NO_ROOM: &str = "exit status: 1";

/// A process that ends for it is started again, as a service manager would.
fn full(world: &World, options: &Options, what: &str, folder: &str, mib: u32) -> Option<Row> {
    let mut scene = Scene::new(world, "");
    let disk = SmallDisk::mount(&scene.host.path(folder), mib)?;
    let fault = format!("disk of {what} full for {}", seconds(options));
    let mut row = scene.strike(&fault, options.full, |_| disk.fill(0), |_| disk.make_room());
    // A commit for which there is no room ends it, and it is started again: that is how it is meant.
    let before = row.wrong.len();
    row.wrong.retain(|what| what != NO_ROOM);
    if row.wrong.len() < before {
        row.fault = format!("{fault} ({} starts)", before - row.wrong.len());
    }
    Some(row)
}

fn state(world: &World, options: &Options) -> Option<Row> {
    full(world, options, "the state", "state", 96)
}

fn archive(world: &World, options: &Options) -> Option<Row> {
    full(world, options, "the log of entries", "state/archive", 40)
}

fn sink(world: &World, options: &Options) -> Option<Row> {
    let more =
        "\n[[sink]]\nname = \"small\"\ntype = \"file\"\npath = \"out/events.ndjson\"\ninclude = [\"events\"]\nkeep = 0";
    let mut scene = Scene::new(world, more);
    let disk = SmallDisk::mount(&scene.host.path("out"), 32)?;
    scene.until_under_way();
    scene.begins();
    disk.fill(0);
    scene.pass(options.full);
    disk.make_room();
    let of = |scene: &Scene<'_>| {
        Tally::of(&scene.host.delivered_to("out/events.ndjson"), &scene.slack.truth().ids, &BTreeMap::new())
    };
    let recovery_s = scene.wait(|scene| scene.is_complete() && of(scene).missing == 0);
    scene.stop();
    let small = of(&scene);
    let row = scene.row(&format!("disk of a sink full for {}", seconds(options)), recovery_s);
    Some(Row { records: row.records.and(small), ..row })
}

/// What the service manager or a file takes of its own words.
fn own_log(world: &World, options: &Options) -> Option<Row> {
    let mut scene = Scene::new(world, "");
    let disk = SmallDisk::mount(&scene.host.path("logs"), 4)?;
    scene.log_to("logs/log");
    let row = scene.strike(
        &format!("disk of its own log full for {}", seconds(options)),
        options.full,
        |_| disk.fill(0),
        |_| disk.make_room(),
    );
    Some(row)
}
