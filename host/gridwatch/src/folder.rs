//! Folders of gridwatch's own: made with rights that don't depend on the umask, and kept from everybody else's eyes.
//!
//! What others may do in one that is there already is taken away; what its group may do is the operator's to say. A folder
//! that is somebody else's, such as the mount point of a volume, is left as it is: what lies in it has rights of its own.

use std::fs::{DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

/// May be looked into by its group: status, alerts.
pub const SHOWN: u32 = 0o750;
/// Holds entries as Slack sent them, or state that nobody else has any use for.
pub const PRIVATE: u32 = 0o700;

const OTHERS: u32 = 0o007;
/// Files made in it get its group: kept, where an operator has set it.
const SET_GROUP: u32 = 0o2000;

/// Makes a folder with these rights in one that is there; or takes from one that is there what others may do.
///
/// # Errors
/// It can't be made, or its rights can't be read or changed.
pub fn make(path: &Path, mode: u32) -> io::Result<()> {
    let was_there = match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => true,
        made => made.map(|()| false)?,
    };
    let meta = std::fs::metadata(path)?;
    let wanted = match was_there {
        true => meta.mode() & 0o7777 & !OTHERS,
        false => mode | meta.mode() & SET_GROUP,
    };
    if meta.mode() & 0o7777 == wanted || !is_ours(&meta) {
        return Ok(());
    }
    std::fs::set_permissions(path, Permissions::from_mode(wanted))?;
    if was_there {
        tracing::info!(folder = %path.display(), mode = format!("{wanted:o}"), "others may no longer look into the folder");
    }
    Ok(())
}

/// Does it belong to the user that this process runs as?
pub fn is_ours(meta: &Metadata) -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == meta.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_new_folder_has_the_rights_asked_for_and_an_old_one_loses_those_of_others_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (new, old) = (dir.path().join("new"), dir.path().join("old"));
        make(&new, PRIVATE).unwrap();
        assert_eq!(mode(&new), 0o700);
        std::fs::create_dir(&old).unwrap();
        for (before, after) in [(0o755, 0o750), (0o2775, 0o2770), (0o700, 0o700), (0o2750, 0o2750)] {
            std::fs::set_permissions(&old, Permissions::from_mode(before)).unwrap();
            make(&old, SHOWN).unwrap();
            assert_eq!(mode(&old), after, "{before:o}");
        }
    }

    #[test]
    fn a_new_folder_keeps_handing_on_the_group_of_the_one_around_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o2770)).unwrap();
        make(&dir.path().join("alerts"), SHOWN).unwrap();
        assert_eq!(mode(&dir.path().join("alerts")), 0o2750);
    }
}
