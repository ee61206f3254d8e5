//! What changes whenever a file does.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

/// When it was changed, how long it is, and which file it is; `None` while it isn't there.
pub type Stamp = Option<(SystemTime, u64, u64)>;

pub fn stamp(path: &Path) -> Stamp {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len(), meta.ino()))
}
