//! The cases of every module in `guest-rules`, run as WASM: what a module's own tests run natively holds in the sandbox.

use gridwatch_cases::{Case, Run};
use gridwatch_detect::{Component, Limits, Module};
use gridwatch_tests::guests::{built, engine, workspace};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[test]
fn every_case_of_every_module_holds_as_wasm() {
    let mut problems = Vec::new();
    for crate_dir in module_crates() {
        let name = crate_dir.file_name().and_then(|name| name.to_str()).expect("a UTF-8 name");
        let bytes = built(&workspace().join("target/modules"), name);
        let manifest = Component::manifest_of(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        let granted = manifest.grants.iter().copied().collect();
        let limits = Limits::default();
        let component = Component::from_bytes(bytes, &granted, limits.component_bytes);
        let component = component.unwrap_or_else(|e| panic!("{name}: {e}"));
        let cases = Case::read_dir(&crate_dir.join("cases")).expect("cases");
        assert!(!cases.is_empty(), "{name} has no cases");
        for case in &cases {
            let failing = case.problems(&component.manifest, || run(&component, case, &limits));
            problems.extend(failing.into_iter().map(|problem| format!("{name}/{problem}")));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_module_file_is_built_from_the_manifest_beside_its_source() {
    for crate_dir in module_crates() {
        let name = crate_dir.file_name().and_then(|name| name.to_str()).expect("a UTF-8 name");
        let text = std::fs::read_to_string(crate_dir.join("module.toml")).expect("module.toml");
        let bytes = built(&workspace().join("target/modules"), name);
        assert!(bytes.ends_with(text.as_bytes()), "{name} is out of date: run `cargo xtask modules`");
    }
}

/// The folders of `guest-rules` that are modules; the SDK has no manifest.
fn module_crates() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(workspace().join("guest-rules")).expect("guest-rules");
    let is_module = |dir: &PathBuf| Path::exists(&dir.join("module.toml"));
    let mut dirs: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).filter(is_module).collect();
    dirs.sort();
    assert!(!dirs.is_empty(), "no modules in guest-rules");
    dirs
}

/// A fresh module with the case's tables and settings.
fn run(component: &Component, case: &Case, limits: &Limits) -> Run {
    let (tables, limits) = (Arc::new(case.tables()), Arc::new(limits.clone()));
    let module = Module::load(engine(), component, &case.config, tables, limits);
    let mut module = module.unwrap_or_else(|e| panic!("{}: {e}", case.name));
    Box::new(move |batch| module.evaluate(batch).outcome)
}
