//! Starts that got nowhere: how many in a row died while they read the store.
//!
//! A store can be damaged in ways that nobody gets to tell of: a process that is killed for its memory, aborts or hangs while
//! it reads one. A few of those in a row, and the store is set aside. Ending by an error with words of its own, or being told
//! to stop, is no such death; nor is any that comes once all of the store has been read, however soon.

use crate::disk::replace;
use std::path::{Path, PathBuf};

/// Deaths in a row after which the store is to blame.
pub const MAX_DEATHS: u32 = 5;

/// The count, in a file of one number.
#[derive(Debug)]
pub struct Starts {
    file: PathBuf,
    deaths: u32,
}

impl Starts {
    /// Counts this start as a death until it is known better. Failing to write is no reason not to start.
    pub fn begin(file: PathBuf) -> Self {
        let deaths = std::fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        let starts = Self { file, deaths };
        starts.write(deaths.saturating_add(1));
        starts
    }

    /// Deaths in a row before this start.
    pub fn deaths(&self) -> u32 {
        self.deaths
    }

    /// This start has read the store, or ends in a way that it can tell of.
    pub fn is_well(file: &Path) {
        if file.exists() {
            Self { file: file.to_owned(), deaths: 0 }.write(0);
        }
    }

    fn write(&self, deaths: u32) {
        if let Err(error) = replace(&self.file, deaths.to_string().as_bytes()) {
            tracing::debug!(%error, path = %self.file.display(), "count of starts not written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_deaths_in_a_row_add_up() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("starts");
        let begin = || Starts::begin(file.clone()).deaths();
        assert_eq!([begin(), begin(), begin()], [0, 1, 2]);
        Starts::is_well(&file);
        assert_eq!(begin(), 0);
        std::fs::write(&file, "garbage").unwrap();
        assert_eq!(begin(), 0);
    }
}
