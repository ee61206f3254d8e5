//! The checkpoint: a small mirror of how far polling has come, beside the store.
//!
//! If the store is lost or damaged, this is what polling starts from again. It is a plain file, replaced by rename after
//! each drained window, so it is either the old one or the new one.

use anyhow::{Context, Result};
use gridwatch_core::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// End of drained time.
    pub watermark: UnixSeconds,
    pub next_seq: u64,
    pub next_record: u64,
}

impl Checkpoint {
    pub fn write(&self, path: &Path) -> Result<()> {
        replace(path, &serde_json::to_vec(self)?).with_context(|| format!("can't write {}", path.display()))
    }

    /// `None` if there is none, or none that can be read.
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }
}

/// Replaces a file as a whole: written beside it, synced, renamed. Its group may read it, whatever the umask.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    replace_with(path, bytes, 0o640)
}

/// The same for a file with a secret in it, which nobody else may read at any moment.
pub fn replace_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    replace_with(path, bytes, 0o600)
}

fn replace_with(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let tmp = path.with_extension("tmp");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&tmp)?;
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&tmp, path)?;
    match path.parent() {
        Some(dir) => std::fs::File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}
