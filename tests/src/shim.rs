//! Stands between the program and the system: a time of day of its own, and SIGKILL at a chosen system call.
//!
//! The program is the one that users start. What changes is what the C library tells it, by a library of `shim.c` that is loaded before
//! it (`LD_PRELOAD`). The system's clock stays as it is, and so do the files' times.

use crate::host::root;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const SOURCE: &str = include_str!("shim.c");

/// The library; `None`, and a word about it, where there is no C compiler.
pub fn library() -> Option<&'static Path> {
    static LIBRARY: OnceLock<Option<PathBuf>> = OnceLock::new();
    LIBRARY.get_or_init(build).as_deref()
}

fn build() -> Option<PathBuf> {
    let folder = root().join("target/test-shim");
    std::fs::create_dir_all(&folder).expect("a folder");
    // Other test programs may be at it too: what is put in its place is whole.
    let [source, made] = ["c", "so"].map(|end| folder.join(format!("shim-{}.{end}", std::process::id())));
    std::fs::write(&source, SOURCE).expect("its source");
    let args = ["-shared", "-fPIC", "-O1", "-o"];
    let built = Command::new("cc").args(args).arg(&made).arg(&source).arg("-ldl").status();
    std::fs::remove_file(&source).expect("its source");
    if !built.is_ok_and(|status| status.success()) {
        println!("skipped: there is no C compiler (`cc`) to build tests/src/shim.c with");
        return None;
    }
    let library = folder.join("shim.so");
    std::fs::rename(&made, &library).expect("renamed");
    Some(library)
}

/// A clock that is off, or jumps, for who is started with it.
#[derive(Debug)]
pub struct Clock(PathBuf);

impl Clock {
    /// In a file of this folder. It is right at first.
    pub fn make(folder: &Path) -> Self {
        let clock = Self(folder.join("clock"));
        File::create(&clock.0).expect("a clock");
        clock.set_ahead_ms(0);
        clock
    }

    /// So many milliseconds ahead of the system's from now on, or behind.
    pub fn set_ahead_ms(&self, ms: i64) {
        let file = File::options().write(true).open(&self.0).expect("the clock");
        file.write_all_at(&ms.to_ne_bytes(), 0).expect("the clock");
    }

    pub fn give(&self, command: &mut Command) {
        load(command).env("SHIM_CLOCK", &self.0);
    }
}

/// What a kill comes before, after, or in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Before,
    After,
    /// Half of the bytes are written.
    Half,
}

/// The moment of a SIGKILL: at the `nth` such call, from 1, on a file whose path has this in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kill {
    pub how: How,
    /// `fsync`, `fdatasync`, `ftruncate`, `rename`, `unlink`, `write` or `pwrite`.
    pub call: String,
    pub nth: u32,
    pub path: String,
}

impl Kill {
    pub fn give(&self, command: &mut Command) {
        let how = match self.how {
            How::Before => "before",
            How::After => "after",
            How::Half => "half",
        };
        load(command).env("SHIM_KILL", format!("{how} {} {} {}", self.call, self.nth, self.path));
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { how, call, nth, path } = self;
        write!(f, "{how:?} {call} no. {nth} of {path}")
    }
}

/// Has each call that changes a file written down, with its path.
pub fn trace(command: &mut Command, into: &Path) {
    load(command).env("SHIM_TRACE", into);
}

fn load(command: &mut Command) -> &mut Command {
    let library = library().expect("whoever asks for the shim has looked whether it is there");
    command.env("LD_PRELOAD", library)
}
