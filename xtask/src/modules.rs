//! From guest crates to modules: core WASM from cargo, made a component, with its manifest attached.
//!
//! Promises: a module file appears whole or not at all, an unchanged one is not touched, and at most one version of a
//! module is in a folder. What a manifest means is not looked at here, only the name and version a file is called by.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use sha2::{Digest, Sha256};
use wasm_encoder::{ComponentSection, CustomSection};
use wit_component::ComponentEncoder;

use crate::process;
use crate::toolchain::{self, Choice};
use crate::workspace::{Package, Workspace};

/// Top-level custom section of a component that holds its `module.toml`, byte for byte. The host reads it from here.
const MANIFEST_SECTION: &str = "gridwatch:manifest";

/// A crate that becomes a module, and the folder for it.
struct Guest<'a> {
    package: &'a Package,
    manifest: Vec<u8>,
    id: ModuleId,
    folder: &'a Path,
}

/// What a module file is called by. Safe as a part of a file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ModuleId {
    name: String,
    version: String,
}

/// Builds the guests below each first path (relative to the workspace) into modules in the second.
pub(crate) fn build(workspace: &Workspace, choice: Option<Choice>, from_to: &[(&str, &Path)]) -> Result<()> {
    let mut guests = Vec::new();
    for (from, folder) in from_to {
        let found = guests_in(workspace, &workspace.root.join(from), folder)?;
        if found.is_empty() {
            eprintln!("no guests in {from}");
        }
        guests.extend(found);
    }
    if guests.is_empty() {
        return Ok(());
    }
    let wasm = compile(workspace, choice, &guests)?;
    guests.iter().try_for_each(|guest| make_module(guest, &wasm))
}

fn guests_in<'a>(workspace: &'a Workspace, parent: &Path, folder: &'a Path) -> Result<Vec<Guest<'a>>> {
    let mut by_name = BTreeMap::new();
    for directory in subdirectories(parent)? {
        let manifest = directory.join("module.toml");
        if !(manifest.is_file() && directory.join("Cargo.toml").is_file()) {
            continue;
        }
        let guest = read_guest(workspace, &directory, &manifest, folder)
            .with_context(|| format!("reading the guest {}", directory.display()))?;
        if let Some(other) = by_name.insert(guest.id.name.clone(), guest) {
            bail!("two guests in {} are named {:?} in their module.toml", parent.display(), other.id.name);
        }
    }
    Ok(by_name.into_values().collect())
}

fn read_guest<'a>(workspace: &'a Workspace, directory: &Path, manifest: &Path, folder: &'a Path) -> Result<Guest<'a>> {
    let package = workspace
        .package(directory)
        .ok_or_else(|| anyhow!("it is no member of the workspace; add it to `members` in Cargo.toml"))?;
    let manifest = fs::read_to_string(manifest).context("reading module.toml")?;
    let id = ModuleId::read(&manifest).context("module.toml")?;
    Ok(Guest { package, manifest: manifest.into_bytes(), id, folder })
}

/// One cargo run for all guests, so that what they share is compiled once and at the same time. Returns where the core
/// WASM files are.
fn compile(workspace: &Workspace, choice: Option<Choice>, guests: &[Guest<'_>]) -> Result<PathBuf> {
    let toolchain = toolchain::find(workspace, choice)?;
    let target = toolchain.target_dir(workspace);
    let mut cargo = toolchain.cargo_build(workspace);
    cargo.args(["--profile", "module"]).arg("--target-dir").arg(&target);
    for guest in guests {
        cargo.args(["-p", &guest.package.name]);
    }
    process::run(&mut cargo)?;
    Ok(target.join(toolchain::TARGET).join("module"))
}

fn make_module(guest: &Guest<'_>, wasm: &Path) -> Result<()> {
    let ModuleId { name, version } = &guest.id;
    let package = &guest.package.name;
    let library = guest.package.wasm.as_ref();
    let library = library.ok_or_else(|| anyhow!("{package} has no library with `crate-type = [\"cdylib\"]`"))?;
    let core = wasm.join(library);
    let core = fs::read(&core).with_context(|| format!("reading {}", core.display()))?;
    let component = component(&core, &guest.manifest).with_context(|| format!("making {package} a component"))?;
    let file = format!("{name}-{version}.wasm");
    put(guest.folder, &file, &component).with_context(|| format!("writing {file} to {}", guest.folder.display()))?;
    remove_other_versions(guest.folder, &guest.id)?;
    println!("{name}@{version}  {} KiB  sha256:{}", component.len().div_ceil(1024), short_digest(&component));
    Ok(())
}

fn component(core: &[u8], manifest: &[u8]) -> Result<Vec<u8>> {
    let mut component = ComponentEncoder::default().validate(true).module(core)?.encode()?;
    CustomSection { name: MANIFEST_SECTION.into(), data: manifest.into() }.append_to_component(&mut component);
    Ok(component)
}

/// A host that watches the folder never sees half a module: the bytes arrive under another name first. Equal bytes are
/// left alone, for a new modification time would have the host look again.
fn put(folder: &Path, file: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(file);
    if fs::read(&path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    let unfinished = folder.join(format!(".{file}.tmp"));
    fs::write(&unfinished, bytes)?;
    Ok(fs::rename(unfinished, path)?)
}

fn remove_other_versions(folder: &Path, keep: &ModuleId) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let id = path.file_name().and_then(|file| ModuleId::of_file(file.to_str()?, &keep.name));
        if id.is_some_and(|id| id != *keep) {
            fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        }
    }
    Ok(())
}

impl ModuleId {
    fn read(manifest: &str) -> Result<ModuleId> {
        let manifest: toml::Table = manifest.parse().context("not valid TOML")?;
        let id = ModuleId { name: text(&manifest, "name")?, version: text(&manifest, "version")? };
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        ensure!(!id.name.is_empty() && id.name.chars().all(is_name), "name {:?}: expected a-z, 0-9 and -", id.name);
        ensure!(
            semver::Version::parse(&id.version).is_ok(),
            "version {:?}: expected one like 1.2.3 or 1.2.3-rc.1",
            id.version
        );
        Ok(id)
    }

    /// The version of the module `name` that a file holds, by its file name. `burst-2fa-1.0.0.wasm` is no version of `burst`.
    fn of_file(file: &str, name: &str) -> Option<ModuleId> {
        let version = file.strip_suffix(".wasm")?.strip_prefix(name)?.strip_prefix('-')?;
        semver::Version::parse(version).is_ok().then(|| ModuleId { name: name.to_owned(), version: version.to_owned() })
    }
}

fn text(manifest: &toml::Table, key: &str) -> Result<String> {
    let value = manifest.get(key).ok_or_else(|| anyhow!("no {key} above the first table; expected {key} = \"...\""))?;
    let text = value.as_str().ok_or_else(|| anyhow!("{key} = {value}: expected a text in double quotes"))?;
    Ok(text.to_owned())
}

/// As much of the digest as a person compares by eye.
fn short_digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Sorted, so that a build prints the same each time. None if the parent doesn't exist.
fn subdirectories(parent: &Path) -> Result<Vec<PathBuf>> {
    if !parent.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(parent).with_context(|| format!("reading {}", parent.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.is_dir());
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str, version: &str) -> ModuleId {
        ModuleId { name: name.into(), version: version.into() }
    }

    #[test]
    fn name_and_version_are_read_above_the_first_table() {
        let manifest = "# name = \"no\"\n  name=\"login-burst\" # why\nnamespace = \"x\"\nversion = \"1.20.3-rc.1\"\n\
                        [[rules]]\nname = \"not-this\"\nversion = \"9.9.9\"\n";
        assert_eq!(ModuleId::read(manifest).unwrap(), id("login-burst", "1.20.3-rc.1"));
    }

    #[test]
    fn what_is_no_file_name_is_refused_with_the_reason() {
        for (manifest, reason) in [
            ("version = \"1.0.0\"", "no name above the first table; expected name = \"...\""),
            ("[x]\nname = \"a\"", "no name above the first table; expected name = \"...\""),
            ("name = \"a\"\nname = \"b\"", "not valid TOML"),
            ("name = 3", "name = 3: expected a text in double quotes"),
            ("name = \"../a\"\nversion = \"1.0.0\"", "name \"../a\": expected a-z, 0-9 and -"),
            ("name = \"\"\nversion = \"1.0.0\"", "name \"\": expected a-z, 0-9 and -"),
            ("name = \"a\"\nversion = \"1.0\"", "version \"1.0\": expected one like 1.2.3 or 1.2.3-rc.1"),
            ("name = \"a\"\nversion = \"1.0./\"", "version \"1.0./\": expected one like 1.2.3 or 1.2.3-rc.1"),
        ] {
            assert_eq!(ModuleId::read(manifest).unwrap_err().to_string(), reason, "{manifest}");
        }
    }

    #[test]
    fn only_other_versions_of_the_same_module_are_removed() {
        let folder = std::env::temp_dir().join(format!("xtask-{}", std::process::id()));
        let kept =
            ["burst-1.0.0.wasm", "burst-2fa-1.0.0.wasm", "burst-mine.wasm", "burst-0.9.0.txt", "other-0.1.0.wasm"];
        for file in kept.iter().chain(&["burst-0.9.0.wasm", "burst-1.0.0-rc.1.wasm"]) {
            put(&folder, file, b"").unwrap();
        }
        remove_other_versions(&folder, &id("burst", "1.0.0")).unwrap();
        let mut left: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        fs::remove_dir_all(&folder).unwrap();
        let mut kept = kept.to_vec();
        kept.sort();
        assert_eq!(left, kept);
    }

    #[test]
    fn the_manifest_is_the_last_section_of_the_component_byte_for_byte() {
        const EMPTY_MODULE: &[u8] = b"\0asm\x01\0\0\0";
        let manifest = "name = \"é\"\r\n".repeat(20);
        let plain = ComponentEncoder::default().module(EMPTY_MODULE).unwrap().encode().unwrap();
        let with_manifest = component(EMPTY_MODULE, manifest.as_bytes()).unwrap();
        let section = with_manifest.strip_prefix(plain.as_slice()).unwrap();
        let size = 1 + MANIFEST_SECTION.len() + manifest.len();
        let leb = [(size & 0x7f) as u8 | 0x80, (size >> 7) as u8];
        let expected =
            [&[0, leb[0], leb[1], MANIFEST_SECTION.len() as u8], MANIFEST_SECTION.as_bytes(), manifest.as_bytes()];
        assert_eq!(section, expected.concat());
    }
}
