//! Contents: the files of modules that serve or served, by digest, in the state folder. What serves doesn't depend on what becomes of
//! the modules folder, and a former version is there when it is wanted back.

use crate::{disk, folder};
use anyhow::{Context, Result, ensure};
use gridwatch_detect::Component;
use gridwatch_event::text::hex;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug)]
pub struct Contents {
    dir: PathBuf,
}

impl Contents {
    /// Those of a state folder.
    pub fn of(state_dir: &Path) -> Self {
        Self { dir: state_dir.join("modules") }
    }

    /// Keeps a module's file. When this returns it is on the disk.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn keep(&self, component: &Component) -> Result<PathBuf> {
        let path = self.path(&component.digest);
        if self.get(&component.digest).is_err() {
            folder::make(&self.dir, folder::PRIVATE).with_context(|| format!("can't make {}", self.dir.display()))?;
            disk::replace_private(&path, component.bytes())
                .with_context(|| format!("can't write {}", path.display()))?;
        }
        Ok(path)
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
        for file in std::fs::read_dir(&self.dir).into_iter().flatten().filter_map(Result::ok) {
            let name = file.file_name().to_string_lossy().into_owned();
            if name.strip_suffix(".wasm").is_none_or(|digest| !needed.contains(digest)) {
                let _ = std::fs::remove_file(file.path());
            }
        }
    }

    pub fn path(&self, digest: &str) -> PathBuf {
        self.dir.join(format!("{digest}.wasm"))
    }
}
