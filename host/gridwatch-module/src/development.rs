//! The key of whoever works on gridwatch itself: made on first use in their folder of configuration, and trusted by the gridwatch
//! that they run as themselves. What `cargo xtask modules` builds is signed with it.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::file::{self, ModuleId};
use crate::key::{NewKey, PublicKey, SecretKey};
use crate::sign::{Signature, sign, signature_path};
use crate::trust;

/// In the folder of configuration: the secret key, and the keys that are trusted where a configuration names no others.
const KEY: &str = "development.key";
pub const TRUST: &str = "trust.toml";

#[derive(Debug)]
pub struct Development {
    pub path: PathBuf,
    pub public: PublicKey,
    /// It was made just now.
    pub is_new: bool,
    secret: SecretKey,
}

impl Development {
    /// Two that make one at the same time end up with the same: the first whose file is whole.
    ///
    /// # Errors
    /// The folder can't be made or written, or what is there is no key.
    pub fn open_or_make(folder: &Path) -> Result<Self, String> {
        let path = folder.join(KEY);
        let told = |what: &str, error: &dyn std::fmt::Display| format!("{}: {what}: {error}", path.display());
        let is_new = !path.exists();
        if is_new {
            let new = NewKey::make().map_err(|e| told("no key", &e))?;
            put_secret(&path, &new.secret).map_err(|e| told("can't be written", &e))?;
        }
        let text = fs::read_to_string(&path).map_err(|e| told("can't be read", &e))?;
        let secret = SecretKey::open(&text).map_err(|e| told("it can't be used", &e))?;
        let public = secret.public().map_err(|e| told("it can't be used", &e))?;
        let development = Self { path: path.clone(), public, is_new, secret };
        development.be_trusted(&folder.join(TRUST)).map_err(|e| format!("{}: {e}", folder.join(TRUST).display()))?;
        Ok(development)
    }

    /// Adds itself to the trusted keys if it isn't one of them, and leaves the others as they are.
    fn be_trusted(&self, path: &Path) -> Result<(), String> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                "# Keys whose modules gridwatch serves when you run it yourself and its configuration names no `[modules] trust`.\n".into()
            }
            Err(error) => return Err(error.to_string()),
        };
        if trust::keys(&text)?.iter().any(|key| key.key.id == self.public.id) {
            return Ok(());
        }
        let entry = trust::entry("development key of this user", &self.public, true);
        file::put(path, format!("{}\n{entry}", text.trim_end()).as_bytes()).map_err(|e| e.to_string())
    }

    /// Writes the signature of a module file, unless the one that is there holds.
    ///
    /// # Errors
    /// It can't be made or written.
    pub fn sign_beside(&self, path: &Path, bytes: &[u8], id: &ModuleId) -> Result<(), String> {
        let path = signature_path(path);
        let holds =
            |text: Vec<u8>| Signature::parse(&text).and_then(|s| s.verify(bytes, &self.public).map(drop)).is_ok();
        if fs::read(&path).is_ok_and(holds) {
            return Ok(());
        }
        let text = sign(bytes, id, &self.secret);
        file::put(&path, text.as_bytes()).map_err(|e| format!("{}: {e}", path.display()))
    }
}

/// Whole or not at all, and never over one that is there. Readable by its owner alone.
///
/// # Errors
/// It can't be written. That it is there already is none.
fn put_secret(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(folder)?;
    let unfinished = folder.join(format!(".{}.{}.tmp", KEY, std::process::id()));
    write_secret(&unfinished, text)?;
    let linked = fs::hard_link(&unfinished, path);
    fs::remove_file(&unfinished)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// A new file for a secret, readable by its owner alone from the first moment on.
///
/// # Errors
/// It can't be written, or is there already.
pub fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_private_and_trusted_beside_the_others() {
        let folder = std::env::temp_dir().join(format!("gridwatch-development-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let other = NewKey::make().unwrap().public;
        fs::write(folder.join(TRUST), trust::entry("team", &other, false)).unwrap();
        let first = Development::open_or_make(&folder).unwrap();
        let again = Development::open_or_make(&folder).unwrap();
        assert!(first.is_new && !again.is_new && first.public == again.public);
        let keys = trust::keys(&fs::read_to_string(folder.join(TRUST)).unwrap()).unwrap();
        assert_eq!(
            keys.iter().map(|key| (&key.key, key.development)).collect::<Vec<_>>(),
            [(&other, false), (&first.public, true)]
        );
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&first.path).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
        let (module, id) = (folder.join("m-1.0.0.wasm"), ModuleId { name: "m".into(), version: "1.0.0".into() });
        first.sign_beside(&module, b"one", &id).unwrap();
        let signature = fs::read(signature_path(&module)).unwrap();
        first.sign_beside(&module, b"one", &id).unwrap();
        assert_eq!(fs::read(signature_path(&module)).unwrap(), signature, "one that holds is left alone");
        first.sign_beside(&module, b"two", &id).unwrap();
        assert_ne!(fs::read(signature_path(&module)).unwrap(), signature);
        fs::remove_dir_all(&folder).unwrap();
    }
}
