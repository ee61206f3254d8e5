//! The modules that a release carries with it (`cargo xtask release`), for commands that are to work without any folder at hand.
//! A running gridwatch takes its modules from the folder that its configuration names, and never from here.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

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
    ///
    /// # Errors
    /// There are none, or they can't be unpacked.
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
        let unpacked = temporary("modules")?;
        for (name, bytes) in MODULES {
            let path = unpacked.path().join(name);
            std::fs::write(&path, bytes).with_context(|| format!("can't write {}", path.display()))?;
        }
        Ok(Self { path: unpacked.path().to_owned(), _unpacked: Some(unpacked) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A folder of our own that is removed when it is dropped.
///
/// # Errors
///
/// When it can't be made.
pub fn temporary(what: &str) -> Result<TempDir> {
    let made = tempfile::Builder::new().prefix(&format!("gridwatch-{what}-")).tempdir();
    made.with_context(|| format!("can't make a folder in {}", std::env::temp_dir().display()))
}
