//! How many commits there were, in a file beside the store: a store whose newest commits are missing is told by it.
//!
//! sled takes up what lies before a damaged place as if it were all. What was delivered in a commit that is gone would be judged and
//! numbered anew, and delivered again. So each commit is numbered in the store, and the number is written here once it is on disk: a
//! store that says less than this file is not what it was, also where it was put back from a copy.
//!
//! The file isn't synced: after a power cut it may say less than the store, never more. One that can't be read says nothing.

use super::{Damaged, Rows};
use anyhow::{Context, Result};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

/// The number and its CRC-32.
const BYTES: usize = 12;

#[derive(Debug)]
pub(super) struct Beside {
    path: PathBuf,
    file: File,
    said: u64,
}

impl Beside {
    /// # Errors
    /// It can't be opened or read.
    pub(super) fn open(store: &Path) -> Result<Self> {
        let path = store.with_extension("commits");
        let open = || -> std::io::Result<Self> {
            let file =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
            let mut bytes = [0; BYTES];
            let said = match file.read_exact_at(&mut bytes, 0) {
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => 0,
                read => read.map(|()| number(&bytes))?,
            };
            Ok(Self { path: path.clone(), file, said })
        };
        open().with_context(|| format!("can't open {}", path.display()))
    }

    /// What to count on from, where the store says `saved`.
    ///
    /// # Errors
    /// The store is damaged: commits are missing.
    pub(super) fn checked(&self, saved: u64) -> Result<u64> {
        match self.said.checked_sub(saved) {
            Some(1) => Err(Damaged("its newest commit is missing".into()).into()),
            Some(missing @ 2..) => Err(Damaged(format!("its newest {missing} commits are missing")).into()),
            _ => Ok(saved),
        }
    }

    pub(super) fn said(&self) -> u64 {
        self.said
    }

    fn say(&mut self, number: u64) -> Result<()> {
        if number <= self.said {
            return Ok(());
        }
        let number_bytes = number.to_be_bytes();
        let bytes = [&number_bytes[..], &crc32fast::hash(&number_bytes).to_be_bytes()].concat();
        self.file.write_all_at(&bytes, 0).with_context(|| format!("can't write {}", self.path.display()))?;
        self.said = number;
        Ok(())
    }
}

fn number(bytes: &[u8; BYTES]) -> u64 {
    let (number, sum) = bytes.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
    if crc32fast::hash(number).to_be_bytes() == *sum { u64::from_be_bytes(*number) } else { 0 }
}

impl Rows {
    /// Notes that a commit is on disk.
    pub(super) fn committed(&self, number: u64) -> Result<()> {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner).say(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_the_highest_number_that_it_was_told_and_nothing_if_it_is_not_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (store, path) = (dir.path().join("store"), dir.path().join("store.commits"));
        let mut beside = Beside::open(&store).unwrap();
        assert_eq!(beside.checked(0).unwrap(), 0);
        [3, 9, 7].into_iter().for_each(|number| beside.say(number).unwrap());
        let beside = Beside::open(&store).unwrap();
        assert_eq!((beside.said(), beside.checked(9).unwrap(), beside.checked(12).unwrap()), (9, 9, 12));
        let error = beside.checked(8).unwrap_err();
        assert!(crate::store::damage::is_damage(&error), "{error:#}");
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 16;
            std::fs::write(&path, flipped).unwrap();
            assert_eq!(Beside::open(&store).unwrap().said(), 0);
        }
        std::fs::write(&path, &whole[..5]).unwrap();
        assert_eq!(Beside::open(&store).unwrap().said(), 0);
    }
}
