//! Compiled components on disk. Loading one runs it as native code, so only what we wrote ourselves is ever loaded.
//!
//! The folder is ours alone (mode 0700, our user); a file's name says component, engine settings, wasmtime version and
//! policy; its head is a checksum. Anything else in there is ignored, and anything wrong means compiling again.

use crate::component::Refused;
use crate::engine::POLICY_VERSION;
use gridwatch_core::entry::hex;
use sha2::{Digest, Sha256};
use std::hash::{Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use wasmtime::component::Component;

const MAGIC: &[u8; 8] = b"gwcwasm1";
const HEAD: usize = MAGIC.len() + 32;

#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    /// Settings and version of the engine that the artifacts fit.
    engine: u64,
}

impl Cache {
    pub fn open(dir: &Path, engine: &wasmtime::Engine) -> Result<Self, Refused> {
        let wrong = |why: String| Refused::Cache { why: format!("{}: {why}", dir.display()) };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| wrong(e.to_string()))?;
        let meta = std::fs::metadata(dir).map_err(|e| wrong(e.to_string()))?;
        let ours = std::fs::metadata("/proc/self").map_or(meta.uid(), |me| me.uid());
        if meta.mode() & 0o077 != 0 || meta.uid() != ours {
            return Err(wrong(
                "others can write there; compiled code from it would run unchecked (want our own, mode 0700)".into(),
            ));
        }
        let mut hasher = std::hash::DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        POLICY_VERSION.hash(&mut hasher);
        Ok(Self { dir: dir.to_owned(), engine: hasher.finish() })
    }

    /// The artifact for a component digest, if there is a sound one.
    #[expect(unsafe_code, reason = "deserialize trusts its input, which is ours: private folder, own format, checksum")]
    pub fn get(&self, engine: &wasmtime::Engine, digest: &str) -> Option<Component> {
        let bytes = std::fs::read(self.path(digest)).ok()?;
        let (head, code) = bytes.split_at_checked(HEAD)?;
        if head[..MAGIC.len()] != MAGIC[..] || head[MAGIC.len()..] != Sha256::digest(code)[..] {
            return None;
        }
        // SAFETY: written by `put` of this user into a folder only this user can write, and unchanged since.
        unsafe { Component::deserialize(engine, code) }.ok()
    }

    /// Keeps an artifact. Failing to is no error: it only costs compiling again.
    pub fn put(&self, digest: &str, code: &Component) {
        let write = || -> std::io::Result<()> {
            let code = code.serialize().map_err(std::io::Error::other)?;
            let tmp = self.dir.join(format!("{digest}.{}.tmp", std::process::id()));
            let mut file =
                std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&tmp)?;
            std::io::Write::write_all(&mut file, &[&MAGIC[..], &Sha256::digest(&code)[..], &code].concat())?;
            file.sync_all()?;
            std::fs::rename(tmp, self.path(digest))
        };
        if let Err(error) = write() {
            tracing::warn!(%error, dir = %self.dir.display(), "compiled module not cached");
        }
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.dir.join(format!("{digest}-{}.cwasm", hex(&self.engine.to_be_bytes())))
    }
}
