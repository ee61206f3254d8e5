//! A damaged store: how it is told from everything else that can go wrong, and how the next start learns of it.
//!
//! sled may open a damaged file and stumble over it much later, by an error or by a panic on any thread. Either ends the
//! process, for what it answers after that can't be trusted, and leaves a marker: the next start sets the store aside.
//!
//! Setting a store aside costs doubled records, so only what can be nothing else counts as damage. A full disk, too few file
//! descriptors, a failing device or a lock that somebody holds end the process with their own words and change nothing.

use anyhow::{Context, Result, bail};
use gridwatch_event::time::UnixMillis;
use std::cell::Cell;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// A row that isn't what was written, or rows that are missing.
#[derive(Debug, thiserror::Error)]
#[error("the store is damaged: {0}")]
pub struct Damaged(pub String);

/// Broken stores kept; the oldest go first.
const MAX_KEPT: usize = 2;

/// Is it the store that is broken? Then another try with it can't help, whereas all else may pass.
pub fn is_damage(error: &anyhow::Error) -> bool {
    error.is::<Damaged>() || error.downcast_ref::<sled::Error>().is_some_and(is_broken)
}

fn is_broken(error: &sled::Error) -> bool {
    match error {
        sled::Error::Io(error) => matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData),
        sled::Error::Corruption { .. } | sled::Error::ReportableBug(_) | sled::Error::Unsupported(_) => true,
        _ => false,
    }
}

/// What to do about an error of the store that is no damage.
pub fn hint(error: &anyhow::Error) -> Option<&'static str> {
    const TOO_MANY_OPEN: [i32; 2] = [23, 24]; // ENFILE, EMFILE
    let io = error.chain().find_map(|cause| match cause.downcast_ref::<sled::Error>() {
        Some(sled::Error::Io(io)) => Some(io),
        _ => cause.downcast_ref::<std::io::Error>(),
    })?;
    match io.kind() {
        _ if io.raw_os_error().is_some_and(|code| TOO_MANY_OPEN.contains(&code)) => {
            Some("raise the limit of open files (`ulimit -n`, `LimitNOFILE=` under systemd)")
        }
        ErrorKind::FileTooLarge => Some("raise the limit of a file's size (`ulimit -f`, `LimitFSIZE=` under systemd)"),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some("free some space; nothing is lost meanwhile"),
        _ if io.raw_os_error() == Some(5) => Some("look at the disk: the device reports errors (`dmesg`)"),
        _ => None,
    }
}

/// Leaves word for the next start. If that fails too, the next start finds the damage as this one did.
pub fn mark(marker: &Path, what: &str) {
    if let Err(error) = crate::disk::replace(marker, what.as_bytes()) {
        tracing::error!(%error, path = %marker.display(), "marker not written");
    }
}

/// What the last run left word of.
pub fn marked(marker: &Path) -> Option<String> {
    std::fs::read(marker).ok().map(|text| String::from_utf8_lossy(&text).into_owned())
}

/// Does another process hold the store, whatever became of `gridwatch.lock`? sled looks at other files before its own lock,
/// and what is wrong with those must not set a store aside that is in use.
pub fn held_by_another(store: &Path) -> Result<bool> {
    let db = store.join("db");
    let file = match File::open(&db) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(|| format!("can't open {}", db.display())),
    };
    match file.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("can't lock {}", db.display())),
    }
}

/// Moves the store of an older gridwatch out of the way; returns where to. The one before it goes.
pub fn set_older_aside(store: &Path, now: UnixMillis) -> Result<PathBuf> {
    let aside = store.with_extension(format!("older-{}", now.0));
    move_aside(store, &aside, "store.older-", 1)?;
    Ok(aside)
}

/// Moves the store out of the way, and removes the oldest of those that were before: they are evidence, but not for ever.
pub fn set_aside(store: &Path, aside: &Path) -> Result<()> {
    move_aside(store, aside, "store.broken-", MAX_KEPT)
}

fn move_aside(store: &Path, aside: &Path, begin: &str, most: usize) -> Result<()> {
    match std::fs::rename(store, aside) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("can't set {} aside", store.display()));
        }
        _ => {}
    }
    let Some(folder) = store.parent() else { return Ok(()) };
    let mut kept: Vec<PathBuf> = std::fs::read_dir(folder)?.filter_map(|file| Some(file.ok()?.path())).collect();
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    kept.retain(|path| path.is_dir() && name(path).starts_with(begin));
    // Their names end in the time at which they were set aside, all of the same length.
    kept.sort();
    for old in kept.iter().rev().skip(most) {
        match std::fs::remove_dir_all(old) {
            Ok(()) => {
                tracing::warn!(path = %old.display(), kept = most, "a store that was set aside before is removed")
            }
            Err(error) => tracing::warn!(path = %old.display(), %error, "a store that was set aside can't be removed"),
        }
    }
    Ok(())
}

/// Takes away the snapshots that sled would stumble over: half-written ones, which a kill leaves, and those whose checksum is
/// wrong. A snapshot only saves sled from reading its whole log, but the newest one that lies there counts, and a broken one
/// costs the store (sled 0.34, `pagecache/snapshot.rs`).
pub fn drop_broken_snapshots(store: &Path) -> Result<()> {
    let found = match std::fs::read_dir(store) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found.with_context(|| format!("can't read {}", store.display()))?,
    };
    for path in found.map(|found| Ok(found?.path())).collect::<Result<Vec<_>>>()? {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !name.starts_with("snap.") || name.ends_with(".in___motion") || is_snapshot(&name, &path)? {
            continue;
        }
        std::fs::remove_file(&path).with_context(|| format!("can't remove {}", path.display()))?;
        tracing::warn!(path = %path.display(), "a broken snapshot of the store removed; it is made again from the log");
    }
    Ok(())
}

/// The contents, their length before compression in eight bytes, and their CRC-32 in four.
fn is_snapshot(name: &str, path: &Path) -> Result<bool> {
    let is_named = name.strip_prefix("snap.").is_some_and(|at| at.len() == 16 && u64::from_str_radix(at, 16).is_ok());
    if !is_named || !path.is_file() {
        return Ok(false);
    }
    let bytes = std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    let Some((rest, sum)) = bytes.split_last_chunk::<4>() else { return Ok(false) };
    let contents = rest.split_last_chunk::<8>().map(|(contents, _)| contents).filter(|contents| !contents.is_empty());
    Ok(contents.is_some_and(|contents| crc32fast::hash(contents) == u32::from_le_bytes(*sum)))
}

thread_local! {
    /// A panic of sled's on this thread will be caught.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Does something with a store that may make sled panic (sled issues 1166, 1533); such a panic is damage. Not for a store in
/// use: its locks may be held by what panicked.
pub fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    GUARDED.set(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(false);
    match result {
        Ok(result) => result,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
            bail!(Damaged(format!("sled panicked: {text}")))
        }
    }
}

/// From now on a panic in sled ends the process at once, as a kill would, unless it is [`guarded`]: sled's locks may be held
/// by what panicked, and on a thread of sled's own nobody would hear of it.
pub fn end_at_panics(marker: PathBuf) {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if GUARDED.get() {
            return;
        }
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

    fn io(error: std::io::Error) -> anyhow::Error {
        anyhow::Error::from(sled::Error::Io(error)).context("can't write to the store")
    }

    #[test]
    fn damage_is_told_from_all_else() {
        assert!(is_damage(&io(ErrorKind::UnexpectedEof.into())));
        assert!(is_damage(&anyhow::Error::from(sled::Error::ReportableBug("a page is missing".into()))));
        assert!(is_damage(&anyhow::Error::from(sled::Error::Corruption { at: None, bt: () })));
        let row = Err::<(), _>(anyhow::anyhow!("expected a number")).context(Damaged("row".into())).context("polling");
        assert!(is_damage(&row.unwrap_err()));
        assert!(!is_damage(&anyhow::anyhow!("can't write checkpoint.json")));
        // ENOSPC, EIO, EMFILE, ENFILE, EFBIG, EROFS, EACCES, and sled's own words for a lock that is held.
        for code in [28, 5, 24, 23, 27, 30, 13] {
            assert!(!is_damage(&io(std::io::Error::from_raw_os_error(code))), "{code}");
        }
        assert!(!is_damage(&io(std::io::Error::other("could not acquire lock on \"db\""))));
        assert!(hint(&io(std::io::Error::from_raw_os_error(24))).is_some_and(|hint| hint.contains("LimitNOFILE")));
    }

    #[test]
    fn a_panic_is_damage_and_two_broken_stores_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        for n in 0..4 {
            std::fs::create_dir(&store).unwrap();
            std::fs::write(store.join("db"), n.to_string()).unwrap();
            set_aside(&store, &folder.path().join(format!("store.broken-{n}"))).unwrap();
        }
        let kept = ["store.broken-2", "store.broken-3"].map(|name| folder.path().join(name).exists());
        assert_eq!((kept, std::fs::read_dir(folder.path()).unwrap().count()), ([true, true], 2));
        let error = guarded::<()>(|| panic!("cannot find pid {}", 7)).unwrap_err();
        assert!(is_damage(&error) && error.to_string().contains("cannot find pid 7"), "{error}");
    }

    #[test]
    fn a_broken_snapshot_costs_no_row() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("store");
        // sled's own threads let go of the lock a moment after the store is dropped.
        let open = || {
            let config = sled::Config::new().path(&dir).flush_every_ms(None);
            let wait = || std::thread::sleep(std::time::Duration::from_millis(20));
            (0..500).find_map(|_| config.open().map_err(|_| wait()).ok()).unwrap()
        };
        let snapshots = || {
            let files = std::fs::read_dir(&dir).unwrap().map(|file| file.unwrap().path());
            files.filter(|path| path.to_string_lossy().contains("snap.")).collect::<std::collections::BTreeSet<_>>()
        };
        for n in 0u32..3 {
            // Each a process of its own.
            let db = open();
            let value = "v".repeat(2_000);
            (0..100).for_each(|m| drop(db.insert((n * 100 + m).to_be_bytes(), value.as_bytes()).unwrap()));
            db.flush().unwrap();
        }
        // It depends on sled whether it has written one yet.
        let sleds_own = snapshots();
        // Of this shape sled writes them.
        let contents = b"what the log says";
        let valid = [&contents[..], &17u64.to_le_bytes(), &crc32fast::hash(contents).to_le_bytes()].concat();
        let path = dir.join("snap.0000000000000017");
        std::fs::write(&path, &valid).unwrap();
        drop_broken_snapshots(&dir).unwrap();
        assert!(snapshots().contains(&path), "good ones stay");
        std::fs::write(&path, &valid[..valid.len() - 5]).unwrap();
        for (name, text) in [
            ("snap.7FFFFFFFFFFFFFFF", "garbage that is long enough to be one"),
            ("snap.7FFFFFFFFFFFFFF0", ""),
            ("snap.0000000000000123.generating", "half"),
        ] {
            std::fs::write(dir.join(name), text).unwrap();
        }
        drop_broken_snapshots(&dir).unwrap();
        assert_eq!(snapshots(), sleds_own, "the broken ones are gone, and no other");
        assert_eq!(open().len(), 300);
    }

    #[test]
    fn a_store_in_use_is_known_by_its_lock() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!held_by_another(folder.path()).unwrap());
        let held = File::create(folder.path().join("db")).unwrap();
        held.lock().unwrap();
        assert!(held_by_another(folder.path()).unwrap());
        drop(held);
        assert!(!held_by_another(folder.path()).unwrap());
    }
}
