//! The disk as gridwatch uses it: free space, a lock between processes, files replaced as a whole; and [`Disk`], by which the file
//! sink and the logs change what is on it. Nothing here retries or hides an error.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

#[cfg(test)]
pub(crate) use gridwatch_log::disk::faulty;
pub use gridwatch_log::disk::{Disk, OsDisk, is_full};

/// Read and written by gridwatch, read by the agent's group.
const FILE_MODE: u32 = 0o640;

/// Bytes that a process without special rights may still write on the file system of `path`.
///
/// # Errors
/// The system doesn't say.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Takes the lock that `path` stands for, creating the file; `None` if someone else has it. It ends with the returned
/// file, so also when the process is killed. The file stays: removing it would let two processes hold "the" lock.
///
/// # Errors
/// The file can't be opened or locked.
pub fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(FILE_MODE).open(path)?;
    // Whatever the umask: who may read the status asks the lock, too. If it is somebody else's file, it has its rights already.
    let _ = file.set_permissions(Permissions::from_mode(FILE_MODE));
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Replaces a file as a whole: written beside it, synced, renamed. Its group may read it, whatever the umask.
///
/// # Errors
/// It can't be written, synced or renamed; what was there before is still there.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(path, bytes, 0o640)
}

/// The same without syncing: after a power cut it may be either, or empty.
///
/// # Errors
/// The disk refuses.
pub fn replace_unsynced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let tmp = path.with_extension("tmp");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&tmp)?;
    file.set_permissions(Permissions::from_mode(FILE_MODE))?;
    io::Write::write_all(&mut file, bytes)?;
    std::fs::rename(&tmp, path)
}

/// The same for a file with a secret in it, which nobody else may read at any moment.
///
/// # Errors
/// It can't be written, synced or renamed; what was there before is still there.
pub fn replace_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(path, bytes, 0o600)
}

fn replace_with(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let tmp = path.with_extension("tmp");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&tmp)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()?;
    std::fs::rename(&tmp, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_some_free_space_and_a_missing_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_bytes(folder.path()).unwrap() > 0);
        assert_eq!(free_bytes(&folder.path().join("no")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_lock_is_held_by_one_and_ends_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        let held = lock(&path).unwrap();
        assert!(held.is_some() && lock(&path).unwrap().is_none());
        drop(held);
        assert!(lock(&path).unwrap().is_some());
    }
}
