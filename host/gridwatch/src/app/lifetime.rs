//! The life of a process on a state folder: its first word, the lock that says it is there, and its last word.
//!
//! Everything that can take long or go wrong happens in between, so that `gridwatch status` tells a start that compiles from
//! a process that is gone, and an end from a crash. Whoever asks reads only files: see [`look`].

use super::open::{self, Refused};
use crate::clock::Clock;
use crate::config::Configs;
use crate::context::Paths;
use crate::folder;
use crate::telemetry::health::{Health, Lock};
use crate::telemetry::status::{Board, End, HowEnded, Mirror, OrgStatus, Phase, Status};
use anyhow::{Context, Result};
use gridwatch_event::time::UnixMillis;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A look at the lock holds it for a moment; a start that meets one tries again this often.
const LOCK_TRIES: u32 = 10;
const LOCK_WAIT: Duration = Duration::from_millis(50);

/// Held from the first word to the last.
#[derive(Debug)]
pub struct Lifetime {
    pub board: Arc<Board>,
    clock: Clock,
    paths: Paths,
    mirror: Option<Mirror>,
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
        Ok(Self { board, clock, paths, mirror: Some(mirror), _lock: lock })
    }

    /// What a start or an end is at.
    pub fn doing(&self, what: &str) {
        self.board.update(|status| status.doing = what.to_owned());
    }

    /// The last word: why it ended, and the final numbers.
    pub fn end(mut self, why: &str, how: HowEnded) -> Status {
        drop(self.mirror.take());
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

fn locked(path: &Path) -> std::io::Result<Option<File>> {
    for _ in 1..LOCK_TRIES {
        if let Some(lock) = crate::disk::lock(path)? {
            return Ok(Some(lock));
        }
        std::thread::sleep(LOCK_WAIT);
    }
    crate::disk::lock(path)
}

/// What a state folder says of the gridwatch that runs on it, or ran, and the verdict on it.
///
/// # Errors
///
/// When there is no such folder, or its status can't be read.
pub fn look(state_dir: &Path, now: UnixMillis) -> Result<(Option<Status>, Health)> {
    let status = status(state_dir)?;
    let lock = lock_of(state_dir, status.as_ref());
    let health = Health::of(status.as_ref(), lock, now);
    Ok((status, health))
}

/// What was last written there.
///
/// # Errors
///
/// When there is no such folder, or its status can't be read.
pub fn status(state_dir: &Path) -> Result<Option<Status>> {
    let path = Paths::of(state_dir).status;
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(
            serde_json::from_slice::<Status>(&bytes)
                .with_context(|| format!("{} is not a status file", path.display()))?,
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && state_dir.is_dir() => Ok(None),
        Err(error) => {
            let hint = match error.kind() {
                std::io::ErrorKind::NotFound => {
                    "\nhint: there is no such folder; name the `state_dir` of the configuration"
                }
                std::io::ErrorKind::PermissionDenied => "\nhint: members of the folder's group may read it",
                _ => "",
            };
            Err(anyhow::anyhow!("can't read {}: {error}{hint}", path.display()))
        }
    }
}

/// Asked by trying it, shared and for a moment: what holds it may be in another container, where its number means nothing here.
fn lock_of(state_dir: &Path, status: Option<&Status>) -> Lock {
    match File::open(Paths::of(state_dir).lock).map(|file| file.try_lock_shared()) {
        Ok(Ok(())) => Lock::Free,
        Ok(Err(std::fs::TryLockError::WouldBlock)) => Lock::Held,
        Ok(Err(std::fs::TryLockError::Error(_))) | Err(_) => {
            let is_alive = status.is_some_and(|status| match status.pid_began {
                Some(ticks) => began(status.pid) == Some(ticks),
                None => began(status.pid).is_some(),
            });
            Lock::Unknown { is_alive }
        }
    }
}

/// When a process began, in ticks since boot; `None` if there is none with this number.
fn began(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Its name may have spaces and brackets in it; what follows the last bracket begins with field 3.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::health::State;

    #[test]
    fn this_process_has_begun_and_number_0_is_nobody() {
        assert!(began(std::process::id()).is_some());
        assert_eq!(began(0), None);
    }

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
