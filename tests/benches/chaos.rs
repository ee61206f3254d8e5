//! `cargo xtask chaos`: the program through every fault that it has to outlast, and a table of what came of each. See [`gridwatch_tests::chaos`].
//!
//! `--short` does a few of each in seconds instead of minutes. `--only points,sinks` runs some kinds of faults alone, `--kills N` kills at so many
//! random moments, `--points N` so often at each place where something is written, `--away S` and `--full S` say how many seconds a
//! receiver is away and a disk is full, `--damages N` how often each file is damaged in each way, `--seed N` repeats the random part. `--json`
//! prints the table as JSON. Ends with 1 if anything isn't as promised.

use gridwatch_tests::chaos::{GROUPS, Group, Options, Row, Size, World, report};
use gridwatch_tests::sim::now;
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let said = |name: &str| args.iter().any(|arg| arg == name);
    let value = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1));
    let number = |name: &str, otherwise: u64| {
        value(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
    };
    let seed = number("--seed", now());
    let usual = if said("--short") { Options::short(seed) } else { Options::long(seed) };
    let count = |name, usual: u32| u32::try_from(number(name, usual.into())).expect("a smaller number");
    let seconds = |name, usual: Duration| Duration::from_secs(number(name, usual.as_secs()));
    let options = Options {
        kills: count("--kills", usual.kills),
        points: count("--points", usual.points),
        away: seconds("--away", usual.away),
        full: seconds("--full", usual.full),
        damages: count("--damages", usual.damages),
        ..usual
    };
    let groups: Vec<Group> = match value("--only") {
        None => GROUPS.to_vec(),
        Some(names) => names
            .split(',')
            .map(|name| Group::named(name).unwrap_or_else(|| panic!("{name} is none of {}", names_of_all())))
            .collect(),
    };
    // What is said on the way isn't part of the table.
    eprintln!("--seed {seed}");
    let size = if said("--short") { Size { orgs: 4, entries: 150 } } else { Size { orgs: 8, entries: 200 } };
    let world = World::make(size);
    let mut rows: Vec<Row> = Vec::new();
    for group in groups {
        let began = now();
        rows.extend(group.run(&world, &options));
        eprintln!("{}: {} rows in {} s", group.name, rows.len(), now() - began);
    }
    let problems: Vec<String> = rows.iter().flat_map(Row::problems).collect();
    let table = report(&rows);
    match said("--json") {
        true => {
            let mut all = table.json();
            all["seed"] = json!(seed);
            all["problems"] = json!(problems);
            println!("{all:#}");
        }
        false => {
            print!("{table}");
            println!(
                "times with a monitor that is as patient in seconds as it is in minutes, as shipped: `patience` 2 s"
            );
        }
    }
    problems.iter().for_each(|problem| eprintln!("FAILED  {problem}"));
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn names_of_all() -> String {
    GROUPS.map(|group| group.name).join(", ")
}
