//! The modules that a release carries with it (`cargo xtask release`), for commands that are to work without any folder at hand.
//! A running gridwatch takes its modules from the folder that its configuration names, and never from here.

use anyhow::{Context, Result, bail};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

include!(concat!(env!("OUT_DIR"), "/modules.rs"));

/// Where `cargo xtask modules` puts ours.
const BUILT: &str = "target/modules";

/// A folder of modules to read from. What was unpacked for it is removed when it is dropped.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _unpacked: Option<TempDir>,
}

impl Folder {
    /// The one that was named; else those built in the workspace that one stands in; else those that the program carries.
    pub fn of(named: Option<&Path>) -> Result<Self> {
        if let Some(path) = named.or_else(|| Some(Path::new(BUILT)).filter(|path| path.is_dir())) {
            return Ok(Self { path: path.to_owned(), _unpacked: None });
        }
        if MODULES.is_empty() {
            bail!(
                "there are no modules: this gridwatch was built without any in it, and there is no {BUILT} here\n\
                 hint: name their folder with --modules; `cargo xtask modules` builds ours, and `cargo xtask release` a \
                 gridwatch that carries them"
            );
        }
        let unpacked = TempDir::new("modules")?;
        for (name, bytes) in MODULES {
            let path = unpacked.0.join(name);
            std::fs::write(&path, bytes).with_context(|| format!("can't write {}", path.display()))?;
        }
        Ok(Self { path: unpacked.0.clone(), _unpacked: Some(unpacked) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A folder of our own that is removed at the end.
#[derive(Debug)]
pub struct TempDir(pub PathBuf);

impl TempDir {
    pub fn new(what: &str) -> Result<Self> {
        let name = format!("gridwatch-{what}-{}-{}", std::process::id(), crate::clock::now().0);
        let dir = std::env::temp_dir().join(name);
        // Fails if somebody was there before.
        std::fs::DirBuilder::new().mode(0o700).create(&dir).with_context(|| format!("can't make {}", dir.display()))?;
        Ok(Self(dir))
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
