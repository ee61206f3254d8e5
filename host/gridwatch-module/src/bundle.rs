//! Several modules with their signatures as one file, for hosts that are reached by nothing but a disk: a plain tar, in the order of
//! names and with no times in it, so that the same modules are the same bytes.
//!
//! Nothing that comes out of one is trusted for having been in it: each module is verified when it is unpacked, and again at each
//! start. Only names that a module file or its signature can have come out, never a path.

use std::collections::BTreeMap;
use std::io::Read;

/// Files of a bundle, signatures and the lock among them.
const MAX_FILES: usize = 1_000;
/// Bytes of one file, as `Limits::component_bytes` has it.
const MAX_FILE: u64 = 32 << 20;
/// Bytes of all.
const MAX_ALL: u64 = 512 << 20;
const LOCK: &str = "modules.lock";

#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("it is no bundle: {0}")]
    Form(String),
    #[error("`{0}` is nothing that a bundle holds: a module file (.wasm), its signature (.minisig), or modules.lock")]
    Name(String),
    #[error("`{0}` is in it twice")]
    Twice(String),
    #[error("it holds {0}, over the limit of {1}")]
    TooMuch(String, u64),
}

/// The bytes of a bundle of these files, by name.
///
/// # Errors
/// A name is none that a bundle holds, or there is too much.
pub fn pack(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, BundleError> {
    let mut bundle = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        fits(name, bytes.len() as u64, files.len())?;
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        bundle.append_data(&mut header, name, bytes.as_slice()).map_err(|e| BundleError::Form(e.to_string()))?;
    }
    bundle.into_inner().map_err(|e| BundleError::Form(e.to_string()))
}

/// The files of a bundle, by name.
///
/// # Errors
/// It isn't one, or holds something else, something twice or too much.
pub fn unpack(bundle: impl Read) -> Result<BTreeMap<String, Vec<u8>>, BundleError> {
    let form = |error: std::io::Error| BundleError::Form(error.to_string());
    let (mut files, mut all) = (BTreeMap::new(), 0_u64);
    let mut archive = tar::Archive::new(bundle);
    for entry in archive.entries().map_err(form)? {
        let mut entry = entry.map_err(form)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(BundleError::Name(name));
        }
        let size = entry.size();
        fits(&name, size, files.len() + 1)?;
        all += size;
        if all > MAX_ALL {
            return Err(BundleError::TooMuch(format!("{all} bytes"), MAX_ALL));
        }
        let mut bytes = Vec::new();
        entry.by_ref().take(MAX_FILE).read_to_end(&mut bytes).map_err(form)?;
        if bytes.len() as u64 != size {
            return Err(BundleError::Form(format!("`{name}` is cut off")));
        }
        if files.insert(name.clone(), bytes).is_some() {
            return Err(BundleError::Twice(name));
        }
    }
    match files.is_empty() {
        true => Err(BundleError::Form("it is empty".into())),
        false => Ok(files),
    }
}

fn fits(name: &str, size: u64, files: usize) -> Result<(), BundleError> {
    let module = name.strip_suffix(".minisig").unwrap_or(name);
    let is_plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'+'));
    let is_held = name == LOCK || module.strip_suffix(".wasm").is_some_and(|stem| !stem.is_empty());
    if !is_plain || !is_held || name.starts_with('.') || name.len() > 99 {
        return Err(BundleError::Name(name.chars().filter(|c| !c.is_control()).take(200).collect()));
    }
    if size > MAX_FILE {
        return Err(BundleError::TooMuch(format!("`{name}` of {size} bytes"), MAX_FILE));
    }
    match files > MAX_FILES {
        true => Err(BundleError::TooMuch(format!("{files} files"), MAX_FILES as u64)),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> BTreeMap<String, Vec<u8>> {
        [("a-1.0.0.wasm", "module"), ("a-1.0.0.wasm.minisig", "signature"), ("modules.lock", "version = 1\n")]
            .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
            .into()
    }

    #[test]
    fn what_is_packed_comes_out_and_the_same_files_are_the_same_bytes() {
        let bundle = pack(&files()).unwrap();
        assert_eq!(unpack(bundle.as_slice()).unwrap(), files());
        assert_eq!(pack(&files()).unwrap(), bundle);
    }

    #[test]
    fn only_plain_names_come_out() {
        let hostile =
            ["../a.wasm", "/etc/a.wasm", "a/b.wasm", "a.sh", ".wasm", ".a.wasm", "a.wasm.minisig.x", "a\u{1b}.wasm"];
        for name in hostile {
            assert!(pack(&[(name.to_owned(), vec![])].into()).is_err(), "{name}");
            let mut bundle = tar::Builder::new(Vec::new());
            let mut header = tar::Header::new_ustar();
            header.set_size(1);
            // As somebody would who doesn't use our packer.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            bundle.append(&header, &b"x"[..]).unwrap();
            let unpacked = unpack(bundle.into_inner().unwrap().as_slice());
            assert!(matches!(unpacked, Err(BundleError::Name(_))), "{name}: {unpacked:?}");
        }
    }

    #[test]
    fn links_doubles_and_cut_files_are_refused() {
        let mut bundle = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        bundle.append_link(&mut header, "a.wasm", "/etc/passwd").unwrap();
        assert!(matches!(unpack(bundle.into_inner().unwrap().as_slice()), Err(BundleError::Name(_))));
        let whole = pack(&files()).unwrap();
        let twice = [&whole[..1024], &whole[..]].concat();
        assert!(matches!(unpack(twice.as_slice()), Err(BundleError::Twice(_))));
        for at in [0, 100, 512, 514] {
            assert!(unpack(&whole[..at]).is_err(), "{at}");
        }
        assert!(unpack(&b"not a tar at all"[..]).is_err());
    }
}
