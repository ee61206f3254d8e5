//! Module files for tests: built ones from `target/`, and ones made here that no build would make.

use gridwatch_detect::{Component, Engine, Limits, Module, Refused};
use gridwatch_manifest::{Grant, Manifest, SECTION};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use wasm_encoder::{
    ComponentImportSection, ComponentSection, ComponentTypeRef, ComponentTypeSection, CustomSection, InstanceType,
};

/// Every grant there is: what tests give unless grants are what they are about.
pub const ALL_GRANTS: [Grant; 3] = [Grant::Kv, Grant::Lookup, Grant::Wasi];

pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// One engine for a test binary, with a cache: tests load the same few guests hundreds of times.
pub fn engine() -> &'static Engine {
    let cache = || workspace().join("target/test-cache");
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(Some(&cache())).expect("an engine"))
}

/// The bytes of a test guest (`tests/guests/<name>`) as `cargo xtask` built it.
pub fn test_guest(name: &str) -> Vec<u8> {
    built(&workspace().join("target/test-modules"), name)
}

/// The bytes of `<name>-<version>.wasm` in a folder.
pub fn built(folder: &Path, name: &str) -> Vec<u8> {
    let version_of = |file: &str| Some(file.strip_suffix(".wasm")?.strip_prefix(name)?.strip_prefix('-')?.to_owned());
    let is_it = |path: &PathBuf| {
        let version = path.file_name().and_then(|f| version_of(f.to_str()?));
        version.is_some_and(|v| v.starts_with(|c: char| c.is_ascii_digit()))
    };
    let files = std::fs::read_dir(folder).into_iter().flatten();
    let file = files.filter_map(|f| f.ok().map(|f| f.path())).find(is_it);
    let file = file.unwrap_or_else(|| {
        let flag = if folder.ends_with("test-modules") { " --test-guests" } else { "" };
        panic!("no {name}-<version>.wasm in {}: run `cargo xtask modules{flag}`", folder.display())
    });
    std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// The manifest text of a test guest.
pub fn manifest_text(name: &str) -> String {
    let path = workspace().join("tests/guests").join(name).join("module.toml");
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A built test guest without its manifest, which `cargo xtask modules` puts at the end.
pub fn without_manifest(name: &str) -> Vec<u8> {
    let section = with_manifest(Vec::new(), &manifest_text(name));
    let bytes = test_guest(name);
    let bare = bytes.strip_suffix(&section[..]);
    bare.unwrap_or_else(|| panic!("{name} was built from another module.toml: run `cargo xtask modules --test-guests`"))
        .to_vec()
}

pub fn with_manifest(mut component: Vec<u8>, manifest: &str) -> Vec<u8> {
    CustomSection { name: SECTION.into(), data: manifest.as_bytes().into() }.append_to_component(&mut component);
    component
}

/// A component that does nothing but want one interface.
pub fn importing(interface: &str) -> Vec<u8> {
    let (mut types, mut imports) = (ComponentTypeSection::new(), ComponentImportSection::new());
    types.instance(&InstanceType::new());
    imports.import(interface, ComponentTypeRef::Instance(0));
    let mut component = wasm_encoder::Component::new();
    component.section(&types).section(&imports);
    component.finish()
}

pub fn component(bytes: Vec<u8>, granted: &[Grant]) -> Result<Component, Refused> {
    let granted: BTreeSet<Grant> = granted.iter().copied().collect();
    Component::from_bytes(bytes, &granted, Limits::default().component_bytes)
}

/// A test guest with limits, and otherwise nothing said.
pub fn module(name: &str, limits: &Limits) -> Module {
    configured(name, limits, &Map::new()).unwrap_or_else(|e| panic!("{name}: {e}"))
}

pub fn configured(name: &str, limits: &Limits, config: &Map<String, Value>) -> Result<Module, Refused> {
    let component = component(test_guest(name), &ALL_GRANTS)?;
    let mut tables = gridwatch_event::lookup::Tables::default();
    tables.insert("names", ["somebody".to_owned()]);
    Module::load(engine(), &component, config, Arc::new(tables), Arc::new(limits.clone()))
}

pub fn manifest(name: &str) -> Arc<Manifest> {
    Arc::new(Manifest::parse(&manifest_text(name)).unwrap_or_else(|e| panic!("{name}: {e}")))
}
