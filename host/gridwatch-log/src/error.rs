//! What can go wrong with a log: the disk refuses, or the log isn't what was written.

use crate::disk;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("could not {doing} {}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is damaged at byte {at}: {what}", path.display())]
    Damaged { path: PathBuf, at: u64, what: &'static str },
    #[error("{} has {has} bytes, and {saved} were saved", path.display())]
    Short { path: PathBuf, has: u64, saved: u64 },
    #[error("{} is missing", path.display())]
    Missing { path: PathBuf },
    #[error("{} goes on after byte {at} with more than one change that nobody knows of: whoever saved its end is an old copy", path.display())]
    Ahead { path: PathBuf, at: u64 },
    #[error("{} is a log of layout {layout}, which this gridwatch doesn't know", path.display())]
    Newer { path: PathBuf, layout: u32 },
}

impl LogError {
    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }

    pub(crate) fn damaged(path: &Path, at: u64, what: &'static str) -> Self {
        Self::Damaged { path: path.to_owned(), at, what }
    }

    /// Is the log itself not what was written? Then another try can't help.
    pub fn is_damage(&self) -> bool {
        !matches!(self, Self::Io { .. } | Self::Newer { .. })
    }

    /// Was there no room for it? That may pass.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if disk::is_full(source))
    }
}
