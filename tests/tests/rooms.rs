//! The rooms of the program depend on each other one way: whoever opens one need not know those above it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A room is a file or folder directly in `src`; it depends on whatever it names as `crate::room`.
fn rooms(src: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut rooms = BTreeMap::<String, BTreeSet<String>>::new();
    for file in files(src) {
        let inside = file.strip_prefix(src).unwrap();
        let room = inside.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
        // Tests may reach wherever they like: they start at the top.
        let is_test = inside.file_name().is_some_and(|name| name == "tests.rs");
        let text = std::fs::read_to_string(&file).unwrap();
        let code = if is_test { "" } else { text.split("#[cfg(test)]\nmod").next().unwrap() };
        let named = code.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(names);
        let others: Vec<String> = named.filter(|name| *name != room).collect();
        rooms.entry(room).or_default().extend(others);
    }
    rooms
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false if path.extension().is_some_and(|end| end == "rs") => found.push(path),
            false => {}
        }
    }
    found
}

/// What follows each `crate::` of a line, also within braces.
fn names(line: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
    let after = line.split("crate::").skip(1);
    let named = after.flat_map(|rest| match rest.strip_prefix('{') {
        Some(list) => list.split(',').map(|item| word(item.trim())).collect(),
        None => vec![word(rest)],
    });
    named.filter(|name| !name.is_empty()).collect()
}

/// A way from a room back to itself.
fn circle(rooms: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk(rooms: &BTreeMap<String, BTreeSet<String>>, way: &mut Vec<String>, done: &mut BTreeSet<String>) -> bool {
        let here = way.last().unwrap().clone();
        for next in rooms.get(&here).into_iter().flatten() {
            if let Some(at) = way.iter().position(|room| room == next) {
                way.drain(..at);
                return true;
            }
            if done.contains(next) {
                continue;
            }
            way.push(next.clone());
            if walk(rooms, way, done) {
                return true;
            }
            way.pop();
        }
        done.insert(here);
        false
    }
    let mut done = BTreeSet::new();
    rooms.keys().find_map(|room| {
        let mut way = vec![room.clone()];
        walk(rooms, &mut way, &mut done).then_some(way)
    })
}

#[test]
fn no_room_of_the_program_depends_on_one_that_depends_on_it() {
    let rooms = rooms(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/gridwatch/src"));
    assert!(
        rooms["cli"].contains("commands") && rooms["stage"].contains("store"),
        "the sources are read wrongly: {rooms:?}"
    );
    assert_eq!(circle(&rooms), None, "a circle of rooms");
}

#[test]
fn a_circle_would_be_seen() {
    let rooms = [("a", vec!["b"]), ("b", vec!["c", "d"]), ("c", vec![]), ("d", vec!["b"])];
    let rooms = rooms.map(|(room, to)| (room.to_owned(), to.into_iter().map(str::to_owned).collect())).into();
    assert_eq!(circle(&rooms), Some(vec!["b".to_owned(), "d".to_owned()]));
}
