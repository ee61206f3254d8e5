//! Small disks that can be filled: tmpfs mounts, which take root. Without, whoever wants one is told and goes without.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small disk of its own; unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`, and a word about it, where mounting isn't allowed.
    pub fn mount(at: &Path, mib: u32) -> Option<Self> {
        std::fs::create_dir_all(at).expect("a mount point");
        let size = format!("size={mib}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "gridwatch-test"]).arg(at).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(at.to_owned()));
        }
        println!("skipped: can't mount tmpfs on {}", at.display());
        None
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Takes up all space but this.
    pub fn fill(&self, leave: u64) {
        let mut filler = File::options().create(true).append(true).open(self.filler()).expect("filler");
        let block = vec![7; 4096];
        let blocks = free(&self.0).saturating_sub(leave) / 4096;
        for _ in 0..=blocks {
            if filler.write_all(&block).is_err() {
                return; // somebody else took what was left
            }
        }
    }

    pub fn make_room(&self) {
        std::fs::remove_file(self.filler()).expect("filler");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that a failed test left behind must not keep it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn free(path: &Path) -> u64 {
    let df = Command::new("df").args(["--output=avail", "-B1"]).arg(path).output().expect("df");
    let text = String::from_utf8_lossy(&df.stdout).into_owned();
    text.lines().last().and_then(|line| line.trim().parse().ok()).expect("bytes")
}
