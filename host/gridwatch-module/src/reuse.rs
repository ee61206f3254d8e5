//! Is the file that a folder was built into still what building it again would make? `componentize-py` takes half a minute and
//! gives other bytes each time, so that nothing which was compiled of the file before would be found again either.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use crate::digest;

/// What is in a module's folder and not in its component. Hidden folders aren't either.
const NOT_BUILT_FROM: [&str; 8] =
    ["dist", "target", "node_modules", "cases", "__pycache__", "names.py", "names.js", "names.rs"];

/// Digest of all that a build reads: the folder's files, the tool, and this program, which adds the parts that are its own.
pub(crate) fn inputs(folder: &Path, tool: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    walk(folder, &mut files)?;
    files.sort();
    let mut hasher = Sha256::new();
    for file in files {
        let bytes = fs::read(&file)?;
        let name = file.strip_prefix(folder).unwrap_or(&file).as_os_str().as_encoded_bytes();
        for part in [name, &bytes] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
    }
    for program in [&tool.canonicalize()?, &std::env::current_exe()?] {
        let meta = fs::metadata(program)?;
        let changed = meta.modified()?.duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
        hasher.update(program.as_os_str().as_encoded_bytes());
        hasher.update(meta.len().to_be_bytes());
        hasher.update(changed.as_nanos().to_be_bytes());
    }
    Ok(digest::hex(&hasher.finalize()))
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || NOT_BUILT_FROM.contains(&&*name) {
            continue;
        }
        match fs::metadata(entry.path())?.is_dir() {
            true => walk(&entry.path(), files)?,
            false => files.push(entry.path()),
        }
    }
    Ok(())
}

/// The built file, if `mark` says that it was made from these inputs and nothing has touched it since.
pub(crate) fn unchanged(mark: &Path, inputs: &str, built: &Path) -> Option<Vec<u8>> {
    let bytes = fs::read(built).ok()?;
    (fs::read_to_string(mark).ok()? == text(inputs, &bytes)).then_some(bytes)
}

/// Failing to costs building again.
pub(crate) fn mark(mark: &Path, inputs: &str, bytes: &[u8]) {
    let _ = fs::write(mark, text(inputs, bytes));
}

fn text(inputs: &str, bytes: &[u8]) -> String {
    format!("from {inputs}\nto {}\n", digest::of(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_used_again_until_a_source_the_tool_or_the_file_itself_changes() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = |name: &str| dir.path().join(name);
        let write = |name: &str, text: &str| {
            fs::create_dir_all(path(name).parent().expect("a folder")).expect("folders");
            fs::write(path(name), text).expect("written");
        };
        for (name, text) in [("rule.py", "rule"), ("module.toml", "manifest"), ("sdk/row.py", "sdk"), ("tool", "1")] {
            write(name, text);
        }
        let now = || inputs(dir.path(), &path("tool")).expect("inputs");
        write("dist/a.wasm", "built");
        let first = now();
        mark(&path(".mark"), &first, b"built");
        let is_used = || unchanged(&path(".mark"), &now(), &path("dist/a.wasm")).is_some();
        assert!(is_used());
        write("cases/one.json", "{}");
        write("names.py", "made by the build");
        write(".venv/lib.py", "");
        assert!(is_used(), "nothing of this is in the component");
        for (name, other) in [("rule.py", "rulf"), ("sdk/row.py", "sdl"), ("sdk/new.py", ""), ("tool", "22")] {
            let before = fs::read_to_string(path(name)).ok();
            write(name, other);
            assert!(!is_used(), "{name}");
            match before {
                Some(before) => write(name, &before),
                None => fs::remove_file(path(name)).expect("removed"),
            }
        }
        mark(&path(".mark"), &now(), b"built");
        assert!(is_used());
        write("dist/a.wasm", "built by somebody else");
        assert!(!is_used());
    }
}
