//! The health check of a file sink: whether this user can do in its folder what writing and rotating takes.

use super::send::FileError;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Makes, appends to, saves, renames and removes a file beside the sink's, which is opened but not changed. Hidden, so that an
/// agent's `events.ndjson*` doesn't read it.
///
/// # Errors
/// The first of these that the file system refuses.
pub fn check(path: &Path) -> Result<String, FileError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = |what: &str| path.with_file_name(format!(".{name}.{what}-{}", std::process::id()));
    let (made, renamed) = (beside("check"), beside("checked"));
    let checked = probe(path, &made, &renamed);
    // Whatever it stopped at, nothing is left behind.
    let _ = (std::fs::remove_file(&made), std::fs::remove_file(&renamed));
    checked.map(|()| format!("{} can be created, appended to and rotated", path.display()))
}

fn probe(path: &Path, made: &Path, renamed: &Path) -> Result<(), FileError> {
    match OpenOptions::new().append(true).read(true).open(path) {
        Ok(file) if file.metadata().is_ok_and(|meta| !meta.is_file()) => {
            return Err(FileError::io("write to", path, io::Error::other("it is not a regular file")));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(FileError::io("open", path, error)),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .append(true)
        .create_new(true)
        .open(made)
        .map_err(|error| FileError::io("create a file beside", path, error))?;
    let written = file.write_all(b"gridwatch check\n").and_then(|()| file.sync_data());
    written.map_err(|error| FileError::io("write to a file beside", path, error))?;
    std::fs::rename(made, renamed).map_err(|error| FileError::io("rename a file beside", path, error))?;
    let folder = renamed.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all());
    folder.map_err(|error| FileError::io("save the names beside", path, error))?;
    std::fs::remove_file(renamed).map_err(|error| FileError::io("remove a file beside", path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_works_is_left_as_it_was_and_others_are_explained() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.ndjson");
        for text in [None, Some("{\"id\":1}\n")] {
            if let Some(text) = text {
                std::fs::write(&path, text).unwrap();
            }
            let told = check(&path).unwrap();
            assert!(told.contains("events.ndjson") && told.contains("rotated"), "{told}");
            assert_eq!(std::fs::read_to_string(&path).ok().as_deref(), text);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), usize::from(text.is_some()));
        }
        let missing = check(&folder.path().join("no/events.ndjson")).unwrap_err();
        assert!(missing.hint().unwrap().contains("create the folder"), "{missing}");
        let is_folder = check(folder.path()).unwrap_err();
        assert!(is_folder.to_string().contains("could not open"), "{is_folder}");
    }
}
