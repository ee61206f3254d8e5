//! The life of a process on a state folder: its first word, the lock that says it is there, and its last word.
//!
//! Everything that can take long or go wrong happens in between, so that `gridwatch status` tells a start that compiles from
//! a process that is gone, and an end from a crash. Whoever asks reads only files: see [`crate::look::running`].

use super::open::{self, Refused};
use crate::clock::Clock;
use crate::config::Configs;
use crate::context::Paths;
use crate::folder;
use crate::look::running::began;
use crate::telemetry::service::Service;
use crate::telemetry::status::{Board, End, HowEnded, Mirror, OrgStatus, Phase, Status};
use anyhow::{Context, Result};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A look at the lock holds it for a moment, and who notes something about an alert a little longer; a start that meets one tries again this
/// often.
const LOCK_TRIES: u32 = 30;
const LOCK_WAIT: Duration = Duration::from_millis(50);

/// Held from the first word to the last.
#[derive(Debug)]
pub struct Lifetime {
    pub board: Arc<Board>,
    clock: Clock,
    paths: Paths,
    mirror: Option<Mirror>,
    /// Says to systemd that gridwatch lives.
    service: Option<Service>,
    /// Keeps a second gridwatch from this state_dir. The last field: it goes after everything else.
    _lock: File,
}

impl Lifetime {
    /// Makes the state folder, takes its lock and writes the first word.
    ///
    /// # Errors
    /// The folder can't be made or locked, another gridwatch runs on it ([`Refused`]), or there is no thread for the status.
    pub fn begin(configs: &Configs, clock: Clock) -> Result<Self> {
        let dir = &configs.process().state_dir;
        folder::make(dir, folder::SHOWN).with_context(|| format!("can't make the state folder {}", dir.display()))?;
        let paths = Paths::of(dir);
        // Not sled's own lock: it looks at other files first, and what is wrong with those must not set a store aside in use.
        let lock = locked(&paths.lock)
            .with_context(|| format!("can't lock {}", paths.lock.display()))?
            .ok_or_else(|| Refused(dir.display().to_string()))?;
        // Before the first word: it would be written over that of the one that is there.
        open::not_in_use(&paths)?;
        let board = Arc::new(Board::new(Status {
            pid: std::process::id(),
            pid_began: began(std::process::id()),
            version: env!("CARGO_PKG_VERSION").into(),
            started: clock.now(),
            phase: Phase::Starting,
            doing: "reading the configuration".into(),
            orgs: configs.iter().map(|config| (config.org.clone(), OrgStatus::default())).collect(),
            ..Status::default()
        }));
        let mirror = Mirror::start(board.clone(), paths.status.clone(), clock).context("can't start a thread")?;
        let service = Service::start(board.clone(), clock).context("can't start a thread")?;
        Ok(Self { board, clock, paths, mirror: Some(mirror), service: Some(service), _lock: lock })
    }

    /// What a start or an end is at.
    pub fn doing(&self, what: &str) {
        self.board.update(|status| status.doing = what.to_owned());
    }

    /// The last word: why it ended, and the final numbers.
    pub fn end(mut self, why: &str, how: HowEnded) -> Status {
        drop(self.mirror.take());
        drop(self.service.take());
        let now = self.clock.now();
        self.board.update(|status| {
            status.phase = Phase::Ended;
            status.doing.clear();
            status.stages.clear();
            status.end = Some(End { at: now, why: why.to_owned(), how });
        });
        self.board.write(&self.paths.status, now);
        self.board.now()
    }
}

/// Keeps every gridwatch from a state folder for as long as it is kept; `None` if one is there.
///
/// # Errors
/// The lock can't be taken, or the store is in use although it is free ([`Refused`]).
pub fn hold(paths: &Paths) -> Result<Option<File>> {
    let lock = locked(&paths.lock).with_context(|| format!("can't lock {}", paths.lock.display()))?;
    if lock.is_some() {
        open::not_in_use(paths)?;
    }
    Ok(lock)
}

fn locked(path: &Path) -> std::io::Result<Option<File>> {
    for _ in 1..LOCK_TRIES {
        if let Some(lock) = crate::disk::lock(path)? {
            return Ok(Some(lock));
        }
        std::thread::sleep(LOCK_WAIT);
    }
    crate::disk::lock(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::running::look;
    use crate::telemetry::health::State;
    use gridwatch_event::time::UnixMillis;

    #[test]
    fn a_look_tells_by_the_lock_and_leaves_it_free() {
        let folder = tempfile::tempdir().unwrap();
        let state = || look(folder.path(), UnixMillis(0)).unwrap().1.state;
        assert_eq!(state(), State::NeverRan);
        let path = Paths::of(folder.path()).lock;
        let held = locked(&path).unwrap().unwrap();
        assert_eq!(state(), State::Starting);
        drop(held);
        assert_eq!(state(), State::NeverRan);
        assert!(locked(&path).unwrap().is_some());
        assert!(look(&folder.path().join("none"), UnixMillis(0)).is_err());
    }
}
