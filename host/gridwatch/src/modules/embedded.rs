//! The modules that a release carries with it (`cargo xtask release`), for commands that are to work without any folder at hand.
//! A running gridwatch takes its modules from the folder that its configuration names, and never from here.

use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;

include!(concat!(env!("OUT_DIR"), "/modules.rs"));

/// Where `cargo xtask modules` puts ours.
const BUILT: &str = "target/modules";

/// Where `cargo xtask modules` puts what runs rules that nobody compiles.
const BUILT_INTERPRETER: &str = "target/interpreter.wasm";

/// The component that runs rules which nobody compiles: the one that the program carries, else the one built in the workspace that one
/// stands in.
///
/// # Errors
/// There is none.
pub fn interpreter() -> Result<Vec<u8>> {
    match INTERPRETER {
        Some(bytes) => Ok(bytes.to_vec()),
        None => std::fs::read(BUILT_INTERPRETER).with_context(|| {
            format!(
                "there is nothing to run Sigma rules with: this gridwatch was built without it, and {BUILT_INTERPRETER} can't be read\n\
                 hint: `cargo xtask modules` builds it, to be used in gridwatch's sources; `cargo xtask release` makes a gridwatch that \
                 carries it"
            )
        }),
    }
}

/// Of the modules that the program carries: who trusts the program trusts them.
pub fn digests() -> BTreeSet<String> {
    static DIGESTS: OnceLock<BTreeSet<String>> = OnceLock::new();
    DIGESTS.get_or_init(|| MODULES.iter().map(|(_, bytes)| gridwatch_module::digest::of(bytes)).collect()).clone()
}

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
