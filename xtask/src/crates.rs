//! What crates may depend on, as ARCHITECTURE.md promises it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Take time and randomness as arguments, and touch nothing outside.
const PURE: [&str; 9] = ["names", "settings", "looks", "manifest", "event", "poll", "rules", "views", "sigma"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What a crate of `host` is built with; not what its tests are.
fn dependencies(name: &str) -> BTreeSet<String> {
    let path = root().join(format!("host/gridwatch-{name}/Cargo.toml"));
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (_, table) = text.split_once("[dependencies]\n").unwrap_or_else(|| panic!("{name} has no dependencies"));
    let lines = table.lines().take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| Some(line.split_once(['.', ' '])?.0.to_owned())).collect()
}

/// The crates of ours that a crate is built with, itself among them.
fn ours(name: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::from([name.to_owned()]);
    for dependency in dependencies(name) {
        all.extend(dependency.strip_prefix("gridwatch-").into_iter().flat_map(ours));
    }
    all
}

#[test]
fn pure_crates_are_built_with_nothing_that_waits_or_reaches_out() {
    for name in PURE {
        assert!(ours(name).iter().all(|ours| PURE.contains(&ours.as_str())), "{name}: {:?}", ours(name));
        for foreign in ["tokio", "reqwest", "axum", "sled", "wasmtime", "wasmtime-wasi", "rand", "rustix", "tracing"] {
            assert!(!dependencies(name).contains(foreign), "gridwatch-{name} depends on {foreign}");
        }
    }
}

#[test]
fn a_build_script_compiles_what_reading_a_manifest_needs_and_no_more() {
    assert_eq!(ours("manifest"), BTreeSet::from(["manifest", "names"].map(str::to_owned)));
    let sdk = fs::read_to_string(root().join("guest-rules/sdk/Cargo.toml")).unwrap();
    assert!(sdk.contains("\nbuild = [\"dep:gridwatch-manifest\"]\n"), "{sdk}");
    assert!(!sdk.contains("\ndefault = "), "a guest's build script would take on what is on by default");
}
