//! Changes of what is on disk. Every one goes through [`Disk`], so that a test can kill, fill up or cut the power between any two of
//! them. Reading changes nothing and goes straight to `std::fs`. Nothing here retries or hides an error.

use std::fmt;
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Read and written by gridwatch, read by the agent's group.
const FILE_MODE: u32 = 0o640;

/// No room: out of space, over quota, or over the size a file may have. It may pass; other errors seldom do.
pub fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// A change of what is on disk. `sync` is what makes one outlast a power cut; outlasting the process needs nothing.
pub trait Disk: Send + fmt::Debug {
    /// A new empty file, mode 0640 whatever the umask. Fails if there is one already.
    fn create(&self, path: &Path) -> io::Result<File>;
    /// All of `bytes` at `at`; after an error any part of them may have been written.
    fn write_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()>;
    fn cut(&self, file: &File, length: u64) -> io::Result<()>;
    /// Contents and length. After an error the kernel may hold unsaved pages as saved: write them again before a retry.
    fn sync(&self, file: &File) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Names in a folder: created, renamed and removed files.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// The operating system's disk.
#[derive(Clone, Copy, Debug)]
pub struct OsDisk;

impl Disk for OsDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(path)?;
        file.set_permissions(Permissions::from_mode(FILE_MODE))?;
        Ok(file)
    }

    fn write_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        file.write_all_at(bytes, at)
    }

    fn cut(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

/// A disk that fails on cue, over a real folder: killed before a chosen change or in the middle of a chosen write, full
/// after so many bytes, unable to sync, or without power.
#[cfg(any(test, feature = "testing"))]
pub mod faulty {
    #![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

    use super::{Disk, OsDisk};
    use rand::Rng;
    use rand::rngs::SmallRng;
    use std::collections::BTreeMap;
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::ops::Range;
    use std::os::unix::fs::{FileExt, MetadataExt};
    use std::path::{Path, PathBuf};
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

    #[derive(Clone, Debug, Default)]
    pub struct FaultyDisk(Arc<Mutex<Plan>>);

    #[derive(Debug, Default)]
    pub struct Plan {
        /// Changes still made before the process is "killed"; the one after them is a write cut in half or not made.
        pub steps_left: Option<u64>,
        /// Part of the fatal write that still reaches the file, in 256ths.
        pub torn_at: u8,
        pub killed: bool,
        /// Bytes that may still be written.
        pub room: Option<u64>,
        /// Syncs that fail before one works again.
        pub failing_syncs: u32,
        pub steps: u64,
        /// By inode: the length that a power cut can't take away.
        unsynced: BTreeMap<u64, u64>,
        /// By inode: bytes that a failed sync has left marked as saved. Only writing them again makes a sync save them.
        forgotten: BTreeMap<u64, Range<u64>>,
        /// Changes of names that a power cut can undo.
        names: Vec<Name>,
    }

    #[derive(Debug)]
    enum Name {
        Created(PathBuf),
        Renamed(PathBuf, PathBuf),
    }

    fn killed() -> io::Error {
        io::Error::other("killed")
    }

    impl FaultyDisk {
        pub fn plan(&self) -> MutexGuard<'_, Plan> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// A new process, which lives for so many changes.
        pub fn restart(&self, steps: Option<u64>, torn_at: u8) {
            let mut plan = self.plan();
            (plan.steps_left, plan.torn_at, plan.killed) = (steps, torn_at, false);
        }

        /// What wasn't synced is lost from some point on; a file that has grown may hold zeros instead of data.
        pub fn cut_power(&self, folder: &Path, rng: &mut SmallRng) {
            let mut plan = self.plan();
            plan.forgotten.clear();
            for (inode, safe) in std::mem::take(&mut plan.unsynced) {
                let all = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap());
                for found in all.filter(|e| e.metadata().unwrap().ino() == inode) {
                    let file = OpenOptions::new().write(true).open(found.path()).unwrap();
                    let length = file.metadata().unwrap().len();
                    if length > safe {
                        let kept = rng.random_range(safe..=length);
                        file.set_len(kept).unwrap();
                        if rng.random_bool(0.3) {
                            file.set_len(length).unwrap();
                        } else if rng.random_bool(0.5) {
                            let hole = rng.random_range(safe..=kept);
                            let zeros = vec![0; rng.random_range(0..=kept - hole) as usize];
                            file.write_all_at(&zeros, hole).unwrap();
                        }
                    }
                }
            }
            let lost = rng.random_range(0..=plan.names.len());
            let names = std::mem::take(&mut plan.names);
            for name in names.into_iter().rev().take(lost) {
                match name {
                    Name::Created(path) => drop(std::fs::remove_file(path)),
                    Name::Renamed(from, to) => std::fs::rename(to, from).unwrap(),
                }
            }
        }

        fn step(&self) -> io::Result<MutexGuard<'_, Plan>> {
            let mut plan = self.plan();
            plan.steps += 1;
            if plan.killed {
                return Err(killed());
            }
            match plan.steps_left {
                Some(0) => {
                    plan.killed = true;
                    Err(killed())
                }
                left => {
                    plan.steps_left = left.map(|n| n - 1);
                    Ok(plan)
                }
            }
        }
    }

    impl Plan {
        /// All from `at` on is gone.
        fn note_cut(&mut self, file: &File, at: u64) {
            let inode = file.metadata().unwrap().ino();
            let safe = self.unsynced.entry(inode).or_insert(at);
            *safe = at.min(*safe);
            if self.forgotten.get(&inode).is_some_and(|range| at <= range.start) {
                self.forgotten.remove(&inode);
            }
        }

        /// To be called before the write. What is written over itself can't be lost by it.
        fn note_write(&mut self, file: &File, bytes: &[u8], at: u64) {
            let meta = file.metadata().unwrap();
            let mut there = vec![0; bytes.len().min(meta.len().saturating_sub(at) as usize)];
            file.read_exact_at(&mut there, at).unwrap();
            let same = there.iter().zip(bytes).take_while(|(a, b)| a == b).count();
            if same < bytes.len() {
                let changed = at + same as u64;
                let safe = self.unsynced.entry(meta.ino()).or_insert(changed);
                *safe = changed.min(*safe);
            }
            let end = at + bytes.len() as u64;
            if let Some(range) = self.forgotten.get_mut(&meta.ino()).filter(|range| at <= range.start) {
                range.start = end.max(range.start);
            }
            self.forgotten.retain(|_, range| !range.is_empty());
        }
    }

    impl Disk for FaultyDisk {
        fn create(&self, path: &Path) -> io::Result<File> {
            let mut plan = self.step()?;
            let file = OsDisk.create(path)?;
            // Inodes are used again: what an older file had unsaved is not this one's.
            plan.unsynced.remove(&file.metadata()?.ino());
            plan.forgotten.remove(&file.metadata()?.ino());
            plan.names.push(Name::Created(path.into()));
            Ok(file)
        }

        fn write_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
            let was_alive = !self.plan().killed;
            let step = self.step();
            let Ok(mut plan) = step else {
                drop(step);
                let mut plan = self.plan();
                if was_alive {
                    let part = bytes.len() * usize::from(plan.torn_at) / 256;
                    plan.note_write(file, &bytes[..part], at);
                    file.write_all_at(&bytes[..part], at)?;
                }
                return Err(killed());
            };
            let room = plan.room.unwrap_or(u64::MAX);
            let fits = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
            plan.note_write(file, &bytes[..fits], at);
            plan.room = plan.room.map(|room| room - fits as u64);
            file.write_all_at(&bytes[..fits], at)?;
            match fits == bytes.len() {
                true => Ok(()),
                false => Err(io::ErrorKind::StorageFull.into()),
            }
        }

        fn cut(&self, file: &File, length: u64) -> io::Result<()> {
            let mut plan = self.step()?;
            plan.note_cut(file, length);
            OsDisk.cut(file, length)
        }

        fn sync(&self, file: &File) -> io::Result<()> {
            let mut plan = self.step()?;
            let meta = file.metadata()?;
            if plan.failing_syncs > 0 {
                plan.failing_syncs -= 1;
                if let Some(safe) = plan.unsynced.get(&meta.ino()).copied() {
                    plan.forgotten.insert(meta.ino(), safe..meta.len());
                }
                return Err(io::Error::from_raw_os_error(5));
            }
            match plan.forgotten.get(&meta.ino()).map(|forgotten| forgotten.start) {
                Some(start) => plan.unsynced.insert(meta.ino(), start),
                None => plan.unsynced.remove(&meta.ino()),
            };
            Ok(())
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            let mut plan = self.step()?;
            OsDisk.rename(from, to)?;
            plan.names.push(Name::Renamed(from.into(), to.into()));
            Ok(())
        }

        fn remove(&self, path: &Path) -> io::Result<()> {
            let mut plan = self.step()?;
            plan.unsynced.remove(&std::fs::metadata(path)?.ino());
            // A removed name never comes back in this model; coming back would only mean one more file to prune.
            plan.names.retain(|name| !matches!(name, Name::Created(p) | Name::Renamed(_, p) if p == path));
            OsDisk.remove(path)
        }

        fn sync_folder(&self, _folder: &Path) -> io::Result<()> {
            self.step()?.names.clear();
            Ok(())
        }
    }
}
