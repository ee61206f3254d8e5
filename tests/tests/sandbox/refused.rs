//! Files that are not put into service, each with a reason that says what to do.

use gridwatch_detect::{Component, Engine, Limits, Module, Refused};
use gridwatch_manifest::Grant;
use gridwatch_tests::detection::plain;
use gridwatch_tests::guests::{
    ALL_GRANTS, component, configured, engine, importing, manifest_text, test_guest, with_manifest, without_manifest,
};
use serde_json::{Map, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The message of a refusal at reading, before any of the file's code is looked at.
fn refusal(bytes: Vec<u8>) -> String {
    component(bytes, &ALL_GRANTS).expect_err("refused").to_string()
}

/// A test guest whose manifest says something else.
fn with_changed_manifest(name: &str, from: &str, to: &str) -> Vec<u8> {
    let text = manifest_text(name);
    assert!(text.contains(from), "{name}: no {from}");
    with_manifest(without_manifest(name), &text.replace(from, to))
}

#[test]
fn what_is_no_component_is_refused() {
    let core = b"\0asm\x01\0\0\0".to_vec();
    assert_eq!(
        refusal(core),
        "not a WebAssembly component: a core module; build it into a component with `cargo xtask modules`"
    );
    for garbage in [&b""[..], b"#!/bin/sh\n", b"\0asm", b"\0asm\x0d\0\x01\0\xff\xff\xff\xff\xff", &[0xff; 4_096]] {
        let refused = component(garbage.to_vec(), &ALL_GRANTS).expect_err("refused");
        assert!(matches!(refused, Refused::NotAComponent { .. } | Refused::NoManifest), "{garbage:?}: {refused}");
    }
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    let whole = test_guest("healthy");
    for length in (0..whole.len()).step_by(997).chain(whole.len() - 50..whole.len()) {
        component(whole[..length].to_vec(), &ALL_GRANTS).expect_err("cut short");
    }
}

/// A damaged file is refused, or is a module like any other: its code may be wrong, but it is boxed in all the same.
#[test]
fn a_damaged_file_harms_nobody() {
    let (whole, manifest) = (without_manifest("healthy"), manifest_text("healthy"));
    let engine = Engine::new(None).expect("an engine");
    let limits = Arc::new(Limits { setup_ms: 200, evaluate_ms: 200, ..Limits::default() });
    for at in (8..whole.len()).step_by(2_003) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        let Ok(component) = component(with_manifest(damaged, &manifest), &ALL_GRANTS) else { continue };
        if let Ok(mut module) = Module::load(&engine, &component, &Map::new(), Arc::default(), limits.clone()) {
            let evaluation = super::evaluate(&mut module, &[plain(1)]);
            assert_eq!(evaluation.failures.len(), evaluation.outcome.dead.len(), "byte {at}");
        }
    }
}

#[test]
fn a_file_that_is_too_large_is_refused_unread() {
    let bytes = test_guest("healthy");
    let granted = BTreeSet::new();
    let read = |max| Component::from_bytes(bytes.clone(), &granted, max);
    read(bytes.len()).expect("a file of just the size that is allowed");
    assert!(matches!(read(bytes.len() - 1), Err(Refused::TooLarge { .. })));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("large.wasm");
    std::fs::File::create(&path).and_then(|file| file.set_len(1 << 40)).expect("a sparse file of a terabyte");
    assert!(matches!(Component::read(&path, &granted, 1 << 20), Err(Refused::TooLarge { .. })));
    assert!(matches!(Component::read(folder.path(), &granted, 1 << 20), Err(Refused::Unreadable { .. })));
}

#[test]
fn no_manifest_is_refused() {
    assert_eq!(
        refusal(without_manifest("healthy")),
        "no manifest: the custom section `gridwatch:manifest` is missing; build it with `cargo xtask modules`"
    );
    assert_eq!(
        refusal(with_manifest(without_manifest("healthy"), "\u{0}")).lines().next(),
        Some("its manifest is wrong: 1:2: is not valid TOML: key with no value, expected `=`")
    );
}

#[test]
fn another_abi_is_refused() {
    let refused = refusal(with_changed_manifest("healthy", "gridwatch:detect@1", "gridwatch:detect@2"));
    assert_eq!(
        refused,
        "its manifest is wrong: 3:7: abi: `gridwatch:detect@2` is not `gridwatch:detect@1`, the one this host speaks"
    );
}

#[test]
fn an_action_that_slack_does_not_have_is_refused() {
    let refused = refusal(with_changed_manifest("healthy", "[\"user_login\", ", "[\"user_logged_in\", "));
    assert!(refused.contains("`user_logged_in` is not in Slack's catalogue of actions"), "{refused}");
}

#[test]
fn imports_need_a_manifest_that_asks_and_a_configuration_that_grants() {
    let unasked = with_changed_manifest("misbehave", "\"kv\", ", "");
    assert_eq!(
        refusal(unasked),
        "imports `gridwatch:detect/kv@1.0.0`, which its manifest doesn't ask for (`grants = [\"kv\"]`)"
    );
    let ungranted = component(test_guest("misbehave"), &[Grant::Kv]).expect_err("lookup was not granted").to_string();
    assert!(ungranted.starts_with("imports `gridwatch:detect/lookup@1.0.0`, which wasn't granted"), "{ungranted}");
    component(test_guest("misbehave"), &[Grant::Kv, Grant::Lookup]).expect("all that it asks for is granted");
}

#[test]
fn wasi_needs_a_grant_and_anything_else_cannot_be_had() {
    let manifest = manifest_text("healthy");
    let environment = importing("wasi:cli/environment@0.2.0");
    let unasked = refusal(with_manifest(environment.clone(), &manifest));
    assert!(unasked.contains("`wasi:cli/environment@0.2.0`, which its manifest doesn't ask for"), "{unasked}");
    let asking = manifest.replacen("fields =", "grants = [\"wasi\"]\nfields =", 1);
    let ungranted = component(with_manifest(environment.clone(), &asking), &[]).expect_err("not granted");
    assert!(matches!(ungranted, Refused::Import { .. }), "{ungranted}");
    component(with_manifest(environment, &asking), &[Grant::Wasi]).expect("WASI is asked for and granted");
    for unknown in ["gridwatch:detect/secrets@1.0.0", "wasix:fs/all@1.0.0", "host"] {
        let refused = refusal(with_manifest(importing(unknown), &manifest));
        assert_eq!(refused, format!("imports `{unknown}`, which no host of gridwatch:detect@1 offers"));
    }
}

#[test]
fn what_exports_no_rules_is_refused() {
    let manifest = manifest_text("healthy");
    let idle = with_manifest(wasm_encoder::Component::new().finish(), &manifest);
    let refused = load(&component(idle, &ALL_GRANTS).expect("a component")).expect_err("no rules");
    assert!(matches!(refused, Refused::NoExport), "{refused}");
}

#[test]
fn settings_are_refused_with_every_problem() {
    let config = |key: &str, value| [(key.to_owned(), value)].into_iter().collect::<Map<_, _>>();
    let refusal = |config| configured("misbehave", &Limits::default(), &config).expect_err("refused").to_string();
    let by_module = refusal(config("setup", json!(["refuse"])));
    assert_eq!(by_module, "refuses its configuration: too high; too low");
    let by_manifest = refusal(config("set_up", json!([])));
    let known = "`set_up` is not a setting of module misbehave (it has setup); did you mean `setup`?";
    assert_eq!(by_manifest, format!("refuses its configuration: {known}"));
}

fn load(component: &Component) -> Result<Module, Refused> {
    Module::load(engine(), component, &Map::new(), Arc::default(), Arc::default())
}
