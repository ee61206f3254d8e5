//! The modules folder: which of its files are modules and which of those serve, without running any code of theirs.
//!
//! A file whose name ends in `.wasm` (or `.WASM`) is meant to be a module: it is read, or it is told why it can't be. Everything else is
//! passed over and named. Nothing here waits: what is no file isn't opened, and what is too large isn't read.

use gridwatch_detect::Component;
use gridwatch_event::text::clean;
use gridwatch_manifest::{Grant, Manifest};
use gridwatch_module::file::ModuleId;
use gridwatch_module::sign::{MAX_SIGNATURE, signature_path};
use gridwatch_module::trust::{Signer, Trust};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Names that a line about what was passed over shows.
const NAMES_SHOWN: usize = 20;
/// Files of one folder that are looked at: a folder with more is no modules folder.
const MAX_FILES: usize = 10_000;

/// What a folder holds.
#[derive(Debug, Default)]
pub struct Folder {
    pub dir: PathBuf,
    /// The newest version of each module, by name.
    pub serving: BTreeMap<String, Served>,
    /// Why files that are meant to be modules can't be used, one line each.
    pub problems: Vec<String>,
    /// What is no problem, and what somebody may not know.
    pub notes: Vec<String>,
    /// Who answers for each module that serves, by its name.
    pub signers: BTreeMap<String, Signer>,
}

/// Whom to trust, as of now.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'t> {
    pub trust: &'t Trust,
    pub now_s: u64,
}

#[derive(Clone, Debug)]
pub struct Served {
    pub path: PathBuf,
    pub component: Component,
    /// What lies beside it as its signature; whether it counts was judged when it was read.
    pub signature: Option<Vec<u8>>,
}

impl Folder {
    /// `granted` says what the configuration lets a module have, by its manifest. A folder that can't be listed is a problem.
    pub fn read(
        dir: &Path,
        max_bytes: usize,
        granted: &dyn Fn(&Manifest) -> BTreeSet<Grant>,
        judge: Judge<'_>,
    ) -> Self {
        let mut folder = Self { dir: dir.to_owned(), ..Self::default() };
        let (files, junk) = match list(dir) {
            Ok(found) => found,
            Err(problem) => {
                folder.problems.push(problem);
                return folder;
            }
        };
        if !junk.is_empty() {
            let more = junk.len().saturating_sub(NAMES_SHOWN);
            let names = junk[..junk.len() - more].join(", ");
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            folder.notes.push(format!("{}: no modules, passed over: {names}{more}", dir.display()));
        }
        let any = !files.is_empty();
        let mut taken: BTreeMap<(String, String), PathBuf> = BTreeMap::new();
        for path in files {
            match component(&path, max_bytes, granted, judge) {
                Ok((served, signer)) => folder.take(served, signer, &mut taken),
                Err(problem) => folder.problems.push(problem),
            }
        }
        if !any {
            folder.problems.push(format!(
                "{}: no modules there\n  hint: put module files (.wasm) there; in gridwatch's sources `cargo xtask modules` builds ours \
                 into target/modules",
                dir.display()
            ));
        }
        folder
    }

    /// Says to the log what is no problem, and loudly which modules nobody answers for.
    pub fn tell(&self) {
        self.notes.iter().for_each(|note| tracing::info!(note, "modules folder"));
        let unsigned = |(name, signer): (&String, &Signer)| match signer {
            Signer::Nobody(why) => Some(format!("{name}: {why}")),
            _ => None,
        };
        let unsigned: Vec<String> = self.signers.iter().filter_map(unsigned).collect();
        if !unsigned.is_empty() {
            tracing::warn!("nobody who is trusted answers for these modules: {}", unsigned.join("; "));
        }
    }

    fn take(&mut self, new: Served, signer: Signer, taken: &mut BTreeMap<(String, String), PathBuf>) {
        let manifest = new.component.manifest.clone();
        let Manifest { name, version, .. } = &*manifest;
        if let Some(other) = taken.insert((name.clone(), version.to_string()), new.path.clone()) {
            self.problems.push(format!(
                "{} and {} are both {name}@{version}, and only one can serve\n  hint: remove one of them",
                other.display(),
                file_name(&new.path)
            ));
            return;
        }
        let older = match self.serving.get(name) {
            Some(served) if served.component.manifest.version > *version => new,
            _ => {
                self.signers.insert(name.clone(), signer);
                match self.serving.insert(name.clone(), new) {
                    Some(older) => older,
                    None => return,
                }
            }
        };
        let serves = &self.serving[name];
        self.notes.push(format!(
            "{}: {name}@{} of {} serves, not the older {} of {}",
            self.dir.display(),
            serves.component.manifest.version,
            file_name(&serves.path),
            older.component.manifest.version,
            file_name(&older.path)
        ));
    }
}

/// One module file, and who answers for it. Nothing of it is parsed before its signature holds, and what is judged are the bytes that
/// are loaded: the file isn't read twice.
///
/// # Errors
/// It can't be read, nobody who is trusted answers for it, or it is no module that may run: the message names the file.
pub fn component(
    path: &Path,
    max_bytes: usize,
    granted: &dyn Fn(&Manifest) -> BTreeSet<Grant>,
    judge: Judge<'_>,
) -> Result<(Served, Signer), String> {
    let told = |what: String| format!("{}: {what}", path.display());
    let bytes = bytes(path, max_bytes).map_err(told)?;
    let signature = signature(path).map_err(told)?;
    let verified = judge.trust.verify(&bytes, signature.as_deref(), judge.now_s);
    let verified = verified.map_err(|untrusted| told(untrusted.to_string()))?;
    // Grants go by the name in the manifest, which has to be read first; reading runs nothing.
    let granted = Component::manifest_of(&bytes).map(|manifest| granted(&manifest)).unwrap_or_default();
    let component = Component::from_bytes(bytes, &granted, max_bytes);
    let component = component.map_err(|refused| told(indented(&refused.to_string())))?;
    let Manifest { name, version, .. } = &*component.manifest;
    let signer = verified.of(&ModuleId { name: name.clone(), version: version.to_string() });
    let signer = signer.map_err(|untrusted| told(untrusted.to_string()))?;
    Ok((Served { path: path.to_owned(), component, signature }, signer))
}

/// The signature beside a module file; `None` only where there is no such file.
fn signature(module: &Path) -> Result<Option<Vec<u8>>, String> {
    let path = signature_path(module);
    match std::fs::symlink_metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        _ => bytes(&path, MAX_SIGNATURE).map(Some).map_err(|what| format!("its signature {what}")),
    }
}

/// The bytes of a file, if it is one and no larger than allowed.
///
/// # Errors
/// Why it can't be read, without its name.
pub fn bytes(path: &Path, max_bytes: usize) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            "can't be read: permission denied\n  hint: let the user that gridwatch runs as read it".to_owned()
        }
        _ => format!("can't be read: {error}"),
    };
    let meta = std::fs::metadata(path).map_err(|error| match std::fs::read_link(path) {
        Ok(target) if error.kind() == std::io::ErrorKind::NotFound => {
            let target = clean(&target.display().to_string(), 200);
            format!("is a link to {target}, which isn't there\n  hint: mend the link, or remove it")
        }
        _ => unreadable(error),
    })?;
    if !meta.is_file() {
        return Err(format!("is {}, no file\n  hint: move it out of the modules folder", kind(&meta)));
    }
    if meta.len() > max_bytes as u64 {
        return Err(format!("has {} bytes; a module has at most {max_bytes}", meta.len()));
    }
    let mut bytes = Vec::with_capacity(meta.len() as usize);
    let file = std::fs::File::open(path).map_err(unreadable)?;
    // A file may grow while it is read.
    std::io::Read::read_to_end(&mut std::io::Read::take(file, max_bytes as u64 + 1), &mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn kind(meta: &std::fs::Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = meta.file_type();
    match () {
        () if kind.is_dir() => "a folder",
        () if kind.is_fifo() => "a named pipe",
        () if kind.is_socket() => "a socket",
        () if kind.is_block_device() || kind.is_char_device() => "a device",
        () => "something else",
    }
}

/// Files that are meant to be modules, and the names of all others, both sorted.
fn list(dir: &Path) -> Result<(Vec<PathBuf>, Vec<String>), String> {
    let unlisted = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => format!(
            "{}: there is no such folder\n  hint: name the folder with the module files; in gridwatch's sources `cargo xtask \
             modules` builds ours into target/modules",
            dir.display()
        ),
        _ => format!("{}: the modules folder can't be read: {error}", dir.display()),
    };
    let (mut files, mut junk) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(dir).map_err(unlisted)?.take(MAX_FILES) {
        let path = entry.map_err(unlisted)?.path();
        let name = file_name(&path);
        match () {
            () if is_meant(&name) => files.push(path),
            () if is_ours(&name) => {}
            () => junk.push(name),
        }
    }
    files.sort();
    junk.sort();
    Ok((files, junk))
}

/// A precompiled one is meant too, and refused with its reason.
fn is_meant(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    !name.starts_with('.') && matches!(ending.as_deref(), Some("wasm" | "cwasm"))
}

/// What belongs to modules without being one.
fn is_ours(name: &str) -> bool {
    name == "modules.lock" || name.strip_suffix(".minisig").is_some_and(is_meant)
}

pub fn file_name(path: &Path) -> String {
    clean(&path.file_name().unwrap_or_default().to_string_lossy(), 200)
}

fn indented(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join("\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_to_be_a_module_is_told_by_its_name() {
        for meant in ["a.wasm", "X.WASM", "a-1.0.0.Wasm", "a.cwasm"] {
            assert!(is_meant(meant), "{meant}");
        }
        for junk in [".a.wasm", "._a.wasm", "README.txt", "a.wasm~", "#a.wasm#", "a.wasm.bak", "wasm", "a.wasm.sig"] {
            assert!(!is_meant(junk), "{junk}");
        }
    }
}
