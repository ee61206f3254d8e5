//! Contents: the files of modules that serve or served, with their signatures, by digest, in the state folder. What serves doesn't depend on what becomes of
//! the modules folder, and a former version is there when it is wanted back.

use super::Served;
use crate::{disk, folder};
use anyhow::{Context, Result, ensure};
use gridwatch_event::text::hex;
use gridwatch_module::sign::signature_path;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Several organizations keep theirs in one folder, and a file that is replaced is written under one name beside it: one at a time.
static WRITING: Mutex<()> = Mutex::new(());

#[derive(Clone, Debug)]
pub struct Contents {
    dir: PathBuf,
}

impl Contents {
    /// Those of a state folder.
    pub fn of(state_dir: &Path) -> Self {
        Self { dir: state_dir.join("modules") }
    }

    /// Keeps a module's file, and its signature if it has one. When this returns they are on the disk.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn keep(&self, Served { component, signature, .. }: &Served) -> Result<PathBuf> {
        let path = self.path(&component.digest);
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        let write = |path: &Path, bytes: &[u8]| {
            disk::replace_private(path, bytes).with_context(|| format!("can't write {}", path.display()))
        };
        folder::make(&self.dir, folder::PRIVATE).with_context(|| format!("can't make {}", self.dir.display()))?;
        if let Some(signature) =
            signature.as_ref().filter(|new| self.signature(&component.digest).as_ref() != Some(*new))
        {
            write(&signature_path(&path), signature)?;
        }
        if self.get(&component.digest).is_err() {
            write(&path, component.bytes())?;
        }
        Ok(path)
    }

    /// The signature that the file with a digest came with.
    pub fn signature(&self, digest: &str) -> Option<Vec<u8>> {
        std::fs::read(signature_path(&self.path(digest))).ok()
    }

    /// The file with a digest.
    ///
    /// # Errors
    /// It isn't there, or isn't what was kept.
    pub fn get(&self, digest: &str) -> Result<Vec<u8>> {
        let path = self.path(digest);
        let bytes = std::fs::read(&path).with_context(|| format!("can't read {}", path.display()))?;
        ensure!(hex(&Sha256::digest(&bytes)) == digest, "{} isn't what was kept", path.display());
        Ok(bytes)
    }

    /// Removes all that nobody needs any more. What can't be removed is no harm.
    pub fn keep_only(&self, needed: &BTreeSet<String>) {
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        for file in std::fs::read_dir(&self.dir).into_iter().flatten().filter_map(Result::ok) {
            let name = file.file_name().to_string_lossy().into_owned();
            let digest = name.strip_suffix(".minisig").unwrap_or(&name).strip_suffix(".wasm");
            if digest.is_none_or(|digest| !needed.contains(digest)) {
                let _ = std::fs::remove_file(file.path());
            }
        }
    }

    pub fn path(&self, digest: &str) -> PathBuf {
        self.dir.join(format!("{digest}.wasm"))
    }
}
