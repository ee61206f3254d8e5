//! Module files: core WASM made a component with its manifest attached, and put where a host may be looking.
//!
//! Promises: a file appears whole or not at all, an unchanged one is not touched, and at most one version of a module is left in
//! a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gridwatch_manifest::SECTION;
use wasm_encoder::{ComponentSection, CustomSection};
use wit_component::ComponentEncoder;

use crate::sign::signature_path;

/// What a module file is called by. Safe as a part of a file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModuleId {
    pub name: String,
    pub version: String,
}

/// What can't be a module's name or version, or the place of one.
#[derive(Debug, thiserror::Error)]
pub enum NotAnId {
    #[error("not valid TOML: {0}")]
    NotToml(String),
    #[error("no {0} above the first table; expected {0} = \"...\"")]
    Missing(&'static str),
    #[error("{key} = {value}: expected a text in double quotes")]
    NotAText { key: &'static str, value: String },
    #[error("name {0:?}: expected a-z, 0-9 and -")]
    Name(String),
    #[error("version {0:?}: expected one like 1.2.3 or 1.2.3-rc.1")]
    Version(String),
}

/// Core WASM can't be made a component.
#[derive(Debug, thiserror::Error)]
#[error("it can't be made a component: {0}")]
pub struct NotAComponent(String);

/// # Errors
/// The core module doesn't describe what it exports and imports, or has an import that no component can have.
pub fn from_core(core: &[u8], manifest: &[u8]) -> Result<Vec<u8>, NotAComponent> {
    Ok(with_manifest(component(core)?, manifest))
}

/// Without a manifest: a component that many manifests may be put to.
///
/// # Errors
/// As [`from_core`].
pub fn component(core: &[u8]) -> Result<Vec<u8>, NotAComponent> {
    let component = ComponentEncoder::default().validate(true).module(core).and_then(|encoder| encoder.encode());
    component.map_err(|e| NotAComponent(format!("{e:#}")))
}

/// The component with its manifest as its last section, byte for byte, so that it can be read without running any code.
pub fn with_manifest(mut component: Vec<u8>, manifest: &[u8]) -> Vec<u8> {
    CustomSection { name: SECTION.into(), data: manifest.into() }.append_to_component(&mut component);
    component
}

/// A host that watches the folder never sees half a file: the bytes arrive under another name first. Equal bytes are left
/// alone, for a new modification time would have the host look again.
///
/// # Errors
/// The folder can't be made, or the file not written.
pub fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    fs::create_dir_all(folder)?;
    let unfinished = folder.join(format!(".{file}.tmp"));
    let mut writing = fs::File::create(&unfinished)?;
    io::Write::write_all(&mut writing, bytes)?;
    writing.sync_all()?;
    fs::rename(unfinished, path)
}

/// Removes other versions of a module from a folder, with their signatures.
///
/// # Errors
/// The folder can't be listed, or a file not removed: the path is told.
pub fn remove_other_versions(folder: &Path, keep: &ModuleId) -> Result<(), (PathBuf, io::Error)> {
    let listing = fs::read_dir(folder).map_err(|e| (folder.to_owned(), e))?;
    for entry in listing {
        let path = entry.map_err(|e| (folder.to_owned(), e))?.path();
        let id = path.file_name().and_then(|file| ModuleId::of_file(file.to_str()?, &keep.name));
        if id.is_some_and(|id| id != *keep) {
            fs::remove_file(&path).map_err(|e| (path.clone(), e))?;
            let _ = fs::remove_file(signature_path(&path));
        }
    }
    Ok(())
}

impl ModuleId {
    /// Name and version of a manifest's text. What else it says isn't looked at.
    ///
    /// # Errors
    /// One of them is missing, or nothing that a file may be called.
    pub fn read(manifest: &str) -> Result<ModuleId, NotAnId> {
        let manifest: toml::Table =
            manifest.parse().map_err(|e: toml::de::Error| NotAnId::NotToml(e.message().to_owned()))?;
        let id = ModuleId { name: text(&manifest, "name")?, version: text(&manifest, "version")? };
        if !is_name(&id.name) {
            return Err(NotAnId::Name(id.name));
        }
        match semver::Version::parse(&id.version) {
            Ok(_) => Ok(id),
            Err(_) => Err(NotAnId::Version(id.version)),
        }
    }

    pub fn file_name(&self) -> String {
        format!("{}-{}.wasm", self.name, self.version)
    }

    /// The version of the module `name` that a file holds, by its file name. `burst-2fa-1.0.0.wasm` is no version of `burst`.
    fn of_file(file: &str, name: &str) -> Option<ModuleId> {
        let version = file.strip_suffix(".wasm")?.strip_prefix(name)?.strip_prefix('-')?;
        semver::Version::parse(version).is_ok().then(|| ModuleId { name: name.to_owned(), version: version.to_owned() })
    }
}

/// May a module be called this? The manifest's own rule, and safe as a part of a path.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn text(manifest: &toml::Table, key: &'static str) -> Result<String, NotAnId> {
    let value = manifest.get(key).ok_or(NotAnId::Missing(key))?;
    let text = value.as_str().ok_or_else(|| NotAnId::NotAText { key, value: value.to_string() })?;
    Ok(text.to_owned())
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
            ("name = \"a\"\nname = \"b\"", "not valid TOML: duplicate key"),
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
    fn only_other_versions_of_the_same_module_are_removed_with_their_signatures() {
        let folder = std::env::temp_dir().join(format!("gridwatch-module-file-{}", std::process::id()));
        let kept = [
            "burst-1.0.0.wasm",
            "burst-1.0.0.wasm.minisig",
            "burst-2fa-1.0.0.wasm",
            "burst-mine.wasm",
            "burst-0.9.0.txt",
            "other-0.1.0.wasm",
        ];
        let gone = ["burst-0.9.0.wasm", "burst-0.9.0.wasm.minisig", "burst-1.0.0-rc.1.wasm"];
        for file in kept.iter().chain(&gone) {
            put(&folder.join(file), b"").unwrap();
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
        let with_manifest = from_core(EMPTY_MODULE, manifest.as_bytes()).unwrap();
        let section = with_manifest.strip_prefix(plain.as_slice()).unwrap();
        let size = 1 + SECTION.len() + manifest.len();
        let leb = [(size & 0x7f) as u8 | 0x80, (size >> 7) as u8];
        let expected = [&[0, leb[0], leb[1], SECTION.len() as u8], SECTION.as_bytes(), manifest.as_bytes()];
        assert_eq!(section, expected.concat());
    }
}
