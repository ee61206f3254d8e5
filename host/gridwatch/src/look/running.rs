//! Is a gridwatch running on a state folder, and what is it at? Read from its files alone, by commands and by the page.

use crate::context::Paths;
use crate::telemetry::health::{Health, Lock};
use crate::telemetry::status::Status;
use anyhow::{Context, Result};
use gridwatch_event::time::UnixMillis;
use std::fs::File;
use std::path::Path;

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

/// Who holds the lock. Asked by trying it, shared and for a moment: what holds it may be in another container, where its number means nothing here.
pub fn lock_of(state_dir: &Path, status: Option<&Status>) -> Lock {
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
pub fn began(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Its name may have spaces and brackets in it; what follows the last bracket begins with field 3.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_begun_and_number_0_is_nobody() {
        assert!(began(std::process::id()).is_some());
        assert_eq!(began(0), None);
    }
}
