//! `cargo xtask chaos` in its shortest form: a few of each kind of fault, with nothing missing and nothing doubled without an excuse.

use gridwatch_tests::chaos::{GROUPS, Group, Options, Row, Size, World, report};
use gridwatch_tests::sim::now;
use std::sync::OnceLock;

/// One for all, with what gridwatch makes of it without a fault.
fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| World::make(Size { orgs: 4, entries: 150 }))
}

fn outlasts(name: &str) {
    let seed = now();
    let group = Group::named(name).expect("a group of faults");
    let rows = group.run(world(), &Options::short(seed));
    println!("--seed {seed}\n{}", report(&rows));
    let problems: Vec<String> = rows.iter().flat_map(Row::problems).collect();
    assert!(problems.is_empty(), "--seed {seed}\n{}\n{}", problems.join("\n"), report(&rows));
    assert!(rows.iter().all(|row| row.records.shown > 0), "{}", report(&rows));
}

macro_rules! groups {
    ($($test:ident $name:literal)*) => {
        $(#[test]
        fn $test() {
            outlasts($name);
        })*

        #[test]
        fn every_group_is_run() {
            assert_eq!(GROUPS.map(|group| group.name).as_slice(), [$($name),*]);
        }
    };
}

groups! {
    killed_where_it_writes "points"
    killed_at_any_moment "moments"
    without_room "disks"
    with_receivers_that_fail "sinks"
    with_a_folder_that_is_away "file-sinks"
    with_a_slack_that_fails "slack"
    with_clocks_that_are_off "clocks"
    with_entries_that_come_late "late"
    with_files_that_are_damaged "files"
    with_another_process_or_none_at_work "processes"
}
