//! Two processes on one folder, and one that stands still.

use super::Options;
use super::row::Row;
use super::scene::{Scene, World};
use crate::host::signal;
use std::time::Duration;

pub(super) fn run(world: &World, options: &Options) -> Vec<Row> {
    vec![two(world), stopped(world, options)]
}

/// The second one, and a third one for which even the lock file is gone.
fn two(world: &World) -> Row {
    let mut scene = Scene::new(world, "");
    let mut refused = Vec::new();
    let mut row = scene.strike(
        "two processes on one folder",
        Duration::from_secs(2),
        |scene| {
            refused.push(scene.host.run_once());
            std::fs::remove_file(scene.host.path("state/gridwatch.lock")).expect("the lock file");
            refused.push(scene.host.run_once());
        },
        |_| {},
    );
    for output in refused {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.code() != Some(1) || !said.contains("another gridwatch is running") {
            row.wrong.push(format!("the second one ended with {}: {said}", output.status));
        }
    }
    row
}

fn stopped(world: &World, options: &Options) -> Row {
    let mut scene = Scene::new(world, "");
    scene.strike(
        &format!("SIGSTOP for {} s", options.away.as_secs()),
        options.away,
        |scene| signal(scene.process(), "STOP"),
        |scene| signal(scene.process(), "CONT"),
    )
}
