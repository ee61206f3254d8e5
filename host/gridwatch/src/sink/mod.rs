//! A sink: where finished records go, one JSON text a line.
//!
//! The store numbers each sink's records and keeps the sink's [`Resume`]; the sink keeps nothing of its own. The contract:
//!
//! 1. `deliver` returns once the records outlast a power cut (as far as the sink can know).
//! 2. The caller saves the returned [`Resume`] together with the sink's position, then delivers the next records.
//! 3. After a crash the sink is opened with the last saved `Resume` and asked again for what comes after it. A sink that can
//!    look back finds what it already has, and doesn't write it twice.
//!
//! After an error nothing torn is left and the same call may be made again.

pub mod file;
pub mod stdout;

use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

pub trait Sink: Send {
    /// Delivers complete records (no line break inside or at the end) numbered `first`, `first + 1`, … Numbers only rise;
    /// records numbered below what was already delivered are passed over.
    fn deliver(&mut self, first: u64, lines: &[String]) -> Result<Resume, SinkError>;

    /// Delivered lines that were removed to make room, and may not have been read, since this was asked last.
    fn removed(&mut self) -> Option<Removed> {
        None
    }
}

/// Files that had to go before their time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    pub files: u64,
    pub bytes: u64,
    /// Age of the youngest of them.
    pub age_s: u64,
    /// What the files of the sink may take together.
    pub limit_bytes: u64,
}

/// Where a sink goes on after a restart. The store saves it in the same commit as the sink's position.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// Number of the next record; all below are delivered.
    pub next: u64,
    /// What of the current file is delivered and saved. `None`: nothing yet, or the sink is no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileMark>,
}

/// A place in a file and how to know that file again: inodes are used again and don't survive a restore, the bytes of the
/// last record do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMark {
    /// Number of the first record in the file. It gives the file its name when it is rotated.
    pub first: u64,
    /// End of the last saved record, line break included.
    pub offset: u64,
    /// Length of that last line, line break included.
    pub line_bytes: u64,
    /// First 16 bytes of SHA-256 over that line, in hexadecimal.
    pub line_hash: String,
}

/// Why records couldn't be delivered. All but `Closed` are worth another try.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    #[error("no space left to {doing} {}", path.display())]
    Full {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("could not {doing} {}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is already being written by another gridwatch", path.display())]
    Locked { path: PathBuf },
    #[error("nobody reads our standard output any more")]
    Closed,
}

impl SinkError {
    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match crate::disk::is_full(&source) {
            true => Self::Full { doing, path, source },
            false => Self::Io { doing, path, source },
        }
    }

    /// What the reader of the error can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem};
        match self {
            Self::Full { .. } => Some("free some space; delivery goes on by itself and nothing is lost meanwhile"),
            Self::Locked { .. } => Some("stop the other process, or give this sink another `path`"),
            Self::Closed => Some("restart gridwatch together with the program it is piped into, or use a file sink"),
            Self::Io { source, .. } => match source.kind() {
                NotFound | NotADirectory => Some("create the folder, or correct the sink's `path`"),
                PermissionDenied => {
                    Some("the user gridwatch runs as must own the file and be able to create and rename in its folder")
                }
                ReadOnlyFilesystem => Some("mount it writable; under systemd, name the folder in ReadWritePaths="),
                _ => None,
            },
        }
    }
}
