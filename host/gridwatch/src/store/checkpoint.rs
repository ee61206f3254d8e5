//! The checkpoint: a small mirror of how far polling has come, beside the store.
//!
//! If the store is lost or damaged, this is what polling starts from again. It is a plain file, replaced by rename after
//! each drained window, so it is either the old one or the new one.

use anyhow::{Context, Result};
use gridwatch_event::time::UnixSeconds;
use serde::{Deserialize, Serialize};
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
        crate::disk::replace(path, &serde_json::to_vec(self)?)
            .with_context(|| format!("can't write {}", path.display()))
    }

    /// `None` if there is none, or none that can be read: that is told in the log, and only a lost store needs it.
    pub fn read(path: &Path) -> Option<Self> {
        let read = match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            read => read.map_err(anyhow::Error::from),
        };
        match read.and_then(|bytes| Ok(serde_json::from_slice(&bytes)?)) {
            Ok(checkpoint) => Some(checkpoint),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "the checkpoint can't be read; it is written again");
                None
            }
        }
    }
}
