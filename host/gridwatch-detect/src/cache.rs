//! Compiled components on disk. Loading one runs it as native code, so only what we wrote ourselves is ever loaded.
//!
//! The folder is ours alone (mode 0700, our user) or is made so; a file's name says component, engine settings, wasmtime
//! version and policy; its head is a checksum. Anything else in there is ignored, and anything wrong means compiling again:
//! never refusing to start.

use crate::engine::POLICY_VERSION;
use gridwatch_event::text::hex;
use sha2::{Digest, Sha256};
use std::fs::{Metadata, Permissions};
use std::hash::{Hash, Hasher};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use wasmtime::component::Component;

const MAGIC: &[u8; 8] = b"gwcwasm1";
const HEAD: usize = MAGIC.len() + 32;

#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    /// Settings and version of the engine that the artifacts fit.
    engine: u64,
    access: Access,
}

/// What may be done with the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Made if it isn't there, put right if others got rights to it, and added to.
    Keep,
    /// Only looked into, and only if it is ours and nobody else's. For whoever must leave nothing behind.
    Look,
}

/// What anybody but its owner may do in the folder, and what lets them put files there.
const SHARED: u32 = 0o077;
const WRITABLE_BY_OTHERS: u32 = 0o022;

impl Cache {
    /// `None` if it can't be used safely; then components are compiled again, which costs time and nothing else.
    pub fn open(dir: &Path, engine: &wasmtime::Engine, access: Access) -> Option<Self> {
        match prepare(dir, access) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(why) => {
                tracing::warn!(dir = %dir.display(), why, "modules are compiled without the cache, which makes starting slower");
                return None;
            }
        }
        let mut hasher = std::hash::DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        POLICY_VERSION.hash(&mut hasher);
        Some(Self { dir: dir.to_owned(), engine: hasher.finish(), access })
    }

    /// The artifact for a component digest, if there is a sound one.
    #[expect(unsafe_code, reason = "deserialize trusts its input, which is ours: private folder, own format, checksum")]
    pub fn get(&self, engine: &wasmtime::Engine, digest: &str) -> Option<Component> {
        let mut file = std::fs::File::open(self.path(digest)).ok()?;
        let meta = file.metadata().ok()?;
        if !meta.is_file() || !is_ours(&meta) || meta.mode() & WRITABLE_BY_OTHERS != 0 {
            return None;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        let (head, code) = bytes.split_at_checked(HEAD)?;
        if head[..MAGIC.len()] != MAGIC[..] || head[MAGIC.len()..] != Sha256::digest(code)[..] {
            return None;
        }
        // SAFETY: written by `put` of this user into a folder only this user can write, and unchanged since.
        unsafe { Component::deserialize(engine, code) }.ok()
    }

    /// Keeps an artifact. Failing to is no error: it only costs compiling again.
    pub fn put(&self, digest: &str, code: &Component) {
        if self.access == Access::Look {
            return;
        }
        let write = || -> std::io::Result<()> {
            let code = code.serialize().map_err(std::io::Error::other)?;
            let tmp = self.dir.join(format!("{digest}.{}.tmp", std::process::id()));
            let mut file =
                std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&tmp)?;
            std::io::Write::write_all(&mut file, &[&MAGIC[..], &Sha256::digest(&code)[..], &code].concat())?;
            // One that a crash left may have other rights.
            file.set_permissions(Permissions::from_mode(0o600))?;
            file.sync_all()?;
            std::fs::rename(tmp, self.path(digest))
        };
        if let Err(error) = write() {
            tracing::warn!(%error, dir = %self.dir.display(), "compiled module not cached");
        }
    }

    /// Is there an artifact, whatever it is worth?
    pub fn has(&self, digest: &str) -> bool {
        self.path(digest).is_file()
    }

    /// Removes an artifact. One that stays costs room and nothing else.
    pub fn remove(&self, digest: &str) {
        if self.access == Access::Keep {
            let _ = std::fs::remove_file(self.path(digest));
        }
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.dir.join(format!("{digest}-{}.cwasm", hex(&self.engine.to_be_bytes())))
    }
}

/// Whether the folder may be used; an error says why not.
fn prepare(dir: &Path, access: Access) -> Result<bool, String> {
    if access == Access::Keep {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| e.to_string())?;
    }
    let meta = match std::fs::metadata(dir) {
        Err(_) if access == Access::Look => return Ok(false),
        meta => meta.map_err(|e| e.to_string())?,
    };
    let shared = meta.mode() & SHARED != 0;
    match access {
        Access::Look => Ok(is_ours(&meta) && !shared),
        Access::Keep if !is_ours(&meta) => Err("the folder belongs to another user".into()),
        Access::Keep if shared => put_right(dir, &meta).map(|()| true).map_err(|e| e.to_string()),
        Access::Keep => Ok(true),
    }
}

/// Takes the rights of everybody else off the folder, as a volume's `fsGroup` or a `chmod -R` gives them. If somebody could
/// write there, what lies in it may be anything, and a checksum proves nothing: it is thrown away, and compiled again.
fn put_right(dir: &Path, meta: &Metadata) -> std::io::Result<()> {
    std::fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    let mode = meta.mode() & 0o7777;
    if mode & WRITABLE_BY_OTHERS == 0 {
        tracing::warn!(dir = %dir.display(), mode = format!("{mode:o}"), "others could read the compiled modules; no longer");
        return Ok(());
    }
    for file in std::fs::read_dir(dir)? {
        let path = file?.path();
        if path.extension().is_some_and(|e| e == "cwasm" || e == "tmp") {
            std::fs::remove_file(path)?;
        }
    }
    tracing::warn!(
        dir = %dir.display(),
        mode = format!("{mode:o}"),
        "others could write to the compiled modules: they no longer can, and the modules are compiled again"
    );
    Ok(())
}

fn is_ours(meta: &Metadata) -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == meta.uid())
}
