//! One-time links: whoever may write into the state folder, as the user that gridwatch runs as, gets in by one, as somebody who may do
//! everything, which they can by the command line as well.
//!
//! A link is a file in the state folder, named by the hash of what the address holds; who opens it removes the file, and only one can.

use super::sessions;
use crate::folder;
use anyhow::{Context, Result};
use gridwatch_event::text::hex;
use gridwatch_event::time::UnixMillis;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const FOLDER: &str = "web-links";
const GOOD_MS: u64 = 120_000;
/// Links that nobody opened.
const MOST_LEFT: usize = 1_000;

#[derive(Debug, Serialize, Deserialize)]
struct Link {
    until: UnixMillis,
    by: String,
}

fn file(state_dir: &Path, secret: &str) -> PathBuf {
    state_dir.join(FOLDER).join(hex(&Sha256::digest(secret)))
}

/// Makes one; the answer is the secret part of its address.
///
/// # Errors
/// The state folder can't be written to.
pub fn make(state_dir: &Path, by: &str, now: UnixMillis) -> Result<String> {
    let (secret, dir) = (sessions::random()?, state_dir.join(FOLDER));
    let told = || format!("can't write to {}\nhint: run this as the user that gridwatch runs as", dir.display());
    folder::make(&dir, folder::PRIVATE).with_context(told)?;
    let path = file(state_dir, &secret);
    let mut options = std::fs::OpenOptions::new();
    let mut made = options.write(true).create_new(true).mode(0o600).open(&path).with_context(told)?;
    let link = Link { until: now.plus(GOOD_MS), by: by.to_owned() };
    std::io::Write::write_all(&mut made, &serde_json::to_vec(&link)?).with_context(told)?;
    // Of root: for the user that gridwatch runs as.
    let owner = std::fs::metadata(state_dir).with_context(told)?;
    for made in [&dir, &path] {
        let meta = std::fs::metadata(made).with_context(told)?;
        if meta.uid() != owner.uid() {
            std::os::unix::fs::chown(made, Some(owner.uid()), Some(owner.gid())).with_context(told)?;
        }
    }
    Ok(secret)
}

/// Opens one, which nobody can do again. `None` if there is none, or it is too old.
pub fn open(state_dir: &Path, secret: &str, now: UnixMillis) -> Option<String> {
    sweep(state_dir, now);
    let path = file(state_dir, secret);
    let link: Link = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
    // Whoever removes it has it.
    std::fs::remove_file(&path).ok()?;
    (now <= link.until).then_some(link.by)
}

/// Removes those that nobody opened in time.
fn sweep(state_dir: &Path, now: UnixMillis) {
    let files = std::fs::read_dir(state_dir.join(FOLDER)).into_iter().flatten().flatten();
    for file in files.take(MOST_LEFT) {
        let read = std::fs::read(file.path()).ok().and_then(|bytes| serde_json::from_slice::<Link>(&bytes).ok());
        if read.is_some_and(|link| now > link.until) {
            let _ = std::fs::remove_file(file.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_opens_once_and_not_for_long() {
        let (dir, now) = (tempfile::tempdir().unwrap(), UnixMillis(1_800_000_000_000));
        let secret = make(dir.path(), "ann", now).unwrap();
        assert_eq!(open(dir.path(), "../alerts", now), None);
        assert_eq!(open(dir.path(), &secret, now.plus(1)), Some("ann".into()));
        assert_eq!(open(dir.path(), &secret, now.plus(1)), None);
        let old = make(dir.path(), "ann", now).unwrap();
        assert_eq!(open(dir.path(), &old, now.plus(GOOD_MS + 1)), None);
        assert_eq!(std::fs::read_dir(dir.path().join(FOLDER)).unwrap().count(), 0);
    }
}
