//! The exceptions file: read and checked as a whole, and those of its entries that are in force. [`crate::watch`] has the watch
//! over it.

use crate::config::Problems;
use crate::modules::Wanted;
use gridwatch_detect::Module;
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::Manifest;
use gridwatch_rules::exception::{self, Exceptions, Known};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What it takes to read the file.
#[derive(Debug)]
pub struct Source {
    pub path: PathBuf,
    /// Changes with the modules in service.
    known: Mutex<Known>,
}

impl Source {
    pub fn new<'m>(path: &Path, wanted: &Wanted, manifests: impl Iterator<Item = &'m Manifest>) -> Self {
        let known = Known::of(manifests, !wanted.networks.is_empty());
        Self { path: path.to_owned(), known: Mutex::new(known) }
    }

    /// # Errors
    /// The file can't be read, is too large, or is wrong: everything that is, with its place.
    pub fn read(&self, now: UnixMillis) -> Result<Exceptions, Problems> {
        self.read_with_text(now).map(|(exceptions, _)| exceptions)
    }

    /// With the text that says them.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub fn read_with_text(&self, now: UnixMillis) -> Result<(Exceptions, Arc<str>), Problems> {
        let alone = |what: String| {
            let hint = "the file is named by `exceptions` in [detect]; it may be empty";
            Problems::of_whole_file(self.path.clone(), what, hint)
        };
        let text = match std::fs::metadata(&self.path) {
            Ok(meta) if meta.len() > exception::MAX_BYTES => return Err(alone("is too large".to_owned())),
            Ok(_) => std::fs::read_to_string(&self.path).map_err(|e| alone(format!("cannot be read: {e}")))?,
            Err(e) => return Err(alone(format!("cannot be read: {e}"))),
        };
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let parsed = exception::parse(&text, &known, now.seconds());
        let parsed = parsed.map_err(|problems| Problems::of_file(self.path.clone(), problems))?;
        Ok((parsed, text.into()))
    }
}

/// The exceptions in force, and where they come from.
#[derive(Debug, Default)]
pub struct Live {
    source: Option<Source>,
    in_force: Mutex<InForce>,
}

/// Exceptions, and the text that says them; none where no file is configured.
#[derive(Clone, Debug, Default)]
pub struct InForce {
    pub exceptions: Arc<Exceptions>,
    pub text: Option<Arc<str>>,
}

impl InForce {
    fn of((exceptions, text): (Exceptions, Arc<str>)) -> Self {
        Self { exceptions: Arc::new(exceptions), text: Some(text) }
    }
}

impl Live {
    /// Reads the file that is configured, if one is.
    ///
    /// # Errors
    /// Those of [`Source::read`]: gridwatch doesn't start with half of a file.
    pub fn open(wanted: &Wanted, modules: &[Module], now: UnixMillis) -> Result<Self, Problems> {
        Self::of(wanted, modules.iter().map(|module| &*module.manifest), now)
    }

    /// The same where modules aren't loaded.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn of<'m>(
        wanted: &Wanted,
        manifests: impl Iterator<Item = &'m Manifest>,
        now: UnixMillis,
    ) -> Result<Self, Problems> {
        let Some(path) = &wanted.exceptions else { return Ok(Self::default()) };
        let source = Source::new(path, wanted, manifests);
        let in_force = Mutex::new(InForce::of(source.read_with_text(now)?));
        Ok(Self { source: Some(source), in_force })
    }

    pub fn in_force(&self) -> Arc<Exceptions> {
        self.in_force_with_text().exceptions
    }

    pub fn in_force_with_text(&self) -> InForce {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another version of a module serves: its rules can be named from now on, in the place of those that it had.
    pub fn renew(&self, manifest: &Manifest) {
        if let Some(source) = &self.source {
            source.known.lock().unwrap_or_else(PoisonError::into_inner).renew(manifest);
        }
    }

    /// Where they come from; `None` if no file is configured.
    pub fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    pub fn put(&self, read: (Exceptions, Arc<str>)) {
        *self.in_force.lock().unwrap_or_else(PoisonError::into_inner) = InForce::of(read);
    }
}
