//! From a folder of Sigma rules to a module file: the manifest that `gridwatch-sigma` makes of them, put to the interpreter. Needs no tool.

use crate::build::{BuildError, Built, DIST};
use crate::file::{self, ModuleId};
use crate::scaffold::Language;
use gridwatch_manifest::Manifest;
use gridwatch_sigma::{File, HEAD, Pack, Problem};
use std::fs;
use std::path::{Path, PathBuf};

/// A folder has so many files of rules at most, and each so many bytes.
const MAX_FILES: usize = 2_000;
const MAX_BYTES: u64 = 1 << 20;
/// How deep folders stand in folders.
const MAX_DEPTH: usize = 8;
/// In a module's folder, and no rules of it.
const OTHERS: [&str; 2] = ["cases", "dist"];

/// Has the folder Sigma rules, and nothing that another language is built from?
pub fn is_rules(folder: &Path) -> bool {
    Language::of(folder).is_none() && paths(folder, 0).is_ok_and(|paths| !paths.is_empty())
}

/// Builds the rules of a folder into `dist/NAME-VERSION.wasm` there. Also gives what is worth knowing of them.
///
/// # Errors
/// A rule can't be taken, or something can't be read or written.
pub fn build(folder: &Path, interpreter: Vec<u8>) -> Result<(Built, Vec<Problem>), BuildError> {
    let folder = &folder.canonicalize().map_err(|source| BuildError::Read { path: folder.to_owned(), source })?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let told = |problems: Vec<Problem>| BuildError::Manifest(problems.iter().map(ToString::to_string).collect());
    let Pack { manifest: text, notes, .. } = gridwatch_sigma::pack(&name, &files(folder)?).map_err(told)?;
    let manifest = Manifest::parse(&text).map_err(|error| BuildError::Odd(error.to_string()))?;
    let bytes = file::with_manifest(interpreter, text.as_bytes());
    let id = ModuleId { name: manifest.name.clone(), version: manifest.version.to_string() };
    let path = folder.join(DIST).join(id.file_name());
    file::put(&path, &bytes).map_err(|source| BuildError::Write { path: path.clone(), source })?;
    Ok((Built { id, written_in: "Sigma", path, bytes }, notes))
}

/// Rules and `pack.toml`, by their paths in the folder.
fn files(folder: &Path) -> Result<Vec<File>, BuildError> {
    let mut paths = paths(folder, 0)?;
    if paths.len() > MAX_FILES {
        return Err(BuildError::Odd(format!("{}: over {MAX_FILES} files of rules", folder.display())));
    }
    let head = folder.join(HEAD);
    paths.extend(Some(head).filter(|path| path.is_file()));
    let file = |path: &PathBuf| {
        let unread = |source| BuildError::Read { path: path.clone(), source };
        if fs::metadata(path).map_err(unread)?.len() > MAX_BYTES {
            return Err(BuildError::Odd(format!("{}: over {MAX_BYTES} bytes", path.display())));
        }
        let text = fs::read_to_string(path).map_err(unread)?;
        let name = path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned();
        Ok(File { name, text })
    };
    paths.iter().map(file).collect()
}

/// Every `*.yml` and `*.yaml`, in folders too, sorted: the order of rules is that of their alerts' numbers.
fn paths(folder: &Path, depth: usize) -> Result<Vec<PathBuf>, BuildError> {
    let unread = |source| BuildError::Read { path: folder.to_owned(), source };
    let mut entries = fs::read_dir(folder).map_err(unread)?.collect::<Result<Vec<_>, _>>().map_err(unread)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut paths = Vec::new();
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let is_folder = entry.file_type().map_err(unread)?.is_dir();
        let is_other = name.starts_with('.') || (depth == 0 && OTHERS.contains(&name.as_str()));
        if is_folder && !is_other && depth < MAX_DEPTH {
            paths.extend(self::paths(&path, depth + 1)?);
        } else if !is_folder && !is_other && path.extension().is_some_and(|end| end == "yml" || end == "yaml") {
            paths.push(path);
        }
    }
    Ok(paths)
}
