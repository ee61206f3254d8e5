//! The exceptions file: read and checked as a whole, and those of its entries that are in force. [`crate::watch`] has the watch
//! over it.

use crate::config::Problems;
use crate::modules::Wanted;
use gridwatch_detect::Module;
use gridwatch_event::time::UnixMillis;
use gridwatch_rules::exception::{self, Exceptions, Known};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What it takes to read the file.
#[derive(Debug)]
pub struct Source {
    pub path: PathBuf,
    known: Known,
}

impl Source {
    pub fn new(path: &Path, wanted: &Wanted, modules: &[Module]) -> Self {
        let known = Known::of(modules.iter().map(|module| &*module.manifest), !wanted.networks.is_empty());
        Self { path: path.to_owned(), known }
    }

    /// # Errors
    /// The file can't be read, is too large, or is wrong: everything that is, with its place.
    pub fn read(&self, now: UnixMillis) -> Result<Exceptions, Problems> {
        let alone = |what: String| {
            let hint = "the file is named by `exceptions` in [detect]; it may be empty";
            Problems::of_whole_file(self.path.clone(), what, hint)
        };
        let text = match std::fs::metadata(&self.path) {
            Ok(meta) if meta.len() > exception::MAX_BYTES => return Err(alone("is too large".to_owned())),
            Ok(_) => std::fs::read_to_string(&self.path).map_err(|e| alone(format!("cannot be read: {e}")))?,
            Err(e) => return Err(alone(format!("cannot be read: {e}"))),
        };
        exception::parse(&text, &self.known, now.seconds())
            .map_err(|problems| Problems::of_file(self.path.clone(), problems))
    }
}

/// The exceptions in force, and where they come from.
#[derive(Debug, Default)]
pub struct Live {
    source: Option<Source>,
    in_force: Mutex<Arc<Exceptions>>,
}

impl Live {
    /// Reads the file that is configured, if one is.
    ///
    /// # Errors
    /// Those of [`Source::read`]: gridwatch doesn't start with half of a file.
    pub fn open(wanted: &Wanted, modules: &[Module], now: UnixMillis) -> Result<Self, Problems> {
        let Some(path) = &wanted.exceptions else { return Ok(Self::default()) };
        let source = Source::new(path, wanted, modules);
        let in_force = Mutex::new(Arc::new(source.read(now)?));
        Ok(Self { source: Some(source), in_force })
    }

    pub fn in_force(&self) -> Arc<Exceptions> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where they come from; `None` if no file is configured.
    pub fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    pub fn put(&self, exceptions: Exceptions) {
        *self.in_force.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(exceptions);
    }
}
