//! What reading a file that people write takes, beside the reader itself ([`gridwatch_manifest::document`]): where its paths and
//! secrets come from, and its problems without what may be a secret. This room knows no section by name: the configuration and the
//! kinds of sinks read theirs with it.

mod problem;

pub use problem::{Problem, Problems};

pub use gridwatch_manifest::document::{Section, seconds_in};

use std::path::{Path, PathBuf};

pub const KIB: u64 = 1 << 10;
pub const MIB: u64 = 1 << 20;
pub const GIB: u64 = 1 << 30;
pub const HOUR_S: u64 = 3_600;
pub const DAY_S: u64 = 86_400;

/// What a file is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Everything in it is used.
    Run,
    /// Only what was written earlier is read.
    Look,
}

/// Where paths and secrets come from.
pub struct Edge<'e> {
    pub file: &'e Path,
    /// The file's folder: relative paths begin there.
    pub folder: PathBuf,
    pub env: &'e dyn Fn(&str) -> Option<String>,
    pub purpose: Purpose,
}

impl Edge<'_> {
    /// Notes a missing folder around `path`. Who only looks writes nothing, and may not even see where that would be.
    pub fn needs_parent(&self, section: &Section<'_>, key: &str, path: &Path) {
        if self.purpose == Purpose::Look {
            return;
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.is_dir()) {
            let hint = format!("mkdir -p {}", parent.display());
            section.problem(key, format!("there is no folder {}", parent.display()), hint);
        }
    }
}

/// A file that people write, as a whole.
///
/// # Errors
/// It can't be read, is no regular file, or larger than this.
pub fn read_text(path: &Path, max_bytes: u64) -> std::io::Result<String> {
    let meta = std::fs::metadata(path)?;
    if !meta.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    if meta.len() > max_bytes {
        return Err(std::io::Error::other(format!("it is larger than {max_bytes} bytes")));
    }
    std::fs::read_to_string(path)
}
