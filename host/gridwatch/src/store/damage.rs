//! A damaged store: how it is told from a full disk, and how the next start learns of it.
//!
//! sled may open a damaged file and stumble over it much later, by an error or by a panic on any thread. Either ends the
//! process, for what it answers after that can't be trusted, and leaves a marker: the next start sets the store aside.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A row that isn't what was written, or rows that are missing.
#[derive(Debug, thiserror::Error)]
#[error("the store is damaged: {0}")]
pub struct Damaged(pub String);

/// Is it the store that is broken? Then another try with it can't help, whereas a full disk passes.
pub fn is_damage(error: &anyhow::Error) -> bool {
    error.is::<Damaged>() || error.downcast_ref::<sled::Error>().is_some_and(is_broken)
}

fn is_broken(error: &sled::Error) -> bool {
    match error {
        sled::Error::Io(error) => !matches!(
            error.kind(),
            ErrorKind::StorageFull
                | ErrorKind::QuotaExceeded
                | ErrorKind::FileTooLarge
                | ErrorKind::ReadOnlyFilesystem
                | ErrorKind::PermissionDenied
                | ErrorKind::OutOfMemory
        ),
        _ => true,
    }
}

/// Leaves word for the next start. If that fails too, the next start finds the damage as this one did.
pub fn mark(marker: &Path, what: &str) {
    if let Err(error) = crate::checkpoint::replace(marker, what.as_bytes()) {
        tracing::error!(%error, path = %marker.display(), "marker not written");
    }
}

/// What the last run left word of.
pub fn marked(marker: &Path) -> Option<String> {
    std::fs::read(marker).ok().map(|text| String::from_utf8_lossy(&text).into_owned())
}

/// From now on a panic in sled ends the process at once, as a kill would: sled's locks may be held by what panicked, and
/// on a thread of sled's own nobody would hear of it.
pub fn end_at_panics(marker: PathBuf) {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        usual(panic);
        let in_sled = panic.location().is_some_and(|at| at.file().contains("/sled"));
        let thread = std::thread::current();
        if in_sled || thread.name().is_some_and(|name| name.starts_with("sled")) {
            mark(&marker, &format!("sled panicked: {panic}"));
            tracing::error!("the store is damaged (sled panicked); the next start sets it aside and rebuilds it");
            std::process::exit(1);
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn damage_is_told_from_a_full_disk() {
        let io =
            |kind: ErrorKind| anyhow::Error::from(sled::Error::Io(kind.into())).context("can't write to the store");
        assert!(!is_damage(&io(ErrorKind::StorageFull)));
        assert!(is_damage(&io(ErrorKind::UnexpectedEof)));
        assert!(is_damage(&anyhow::Error::from(sled::Error::ReportableBug("a page is missing".into()))));
        let row = Err::<(), _>(anyhow::anyhow!("expected a number")).context(Damaged("row".into())).context("polling");
        assert!(is_damage(&row.unwrap_err()));
        assert!(!is_damage(&anyhow::anyhow!("can't write checkpoint.json")));
    }
}
