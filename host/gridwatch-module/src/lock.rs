//! `modules.lock`: which files may serve, by digest, and who signed each. Written by `gridwatch module lock`, read at each start if
//! the configuration names it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The layout of the file. Another one is refused: what isn't understood must not count as less.
const VERSION: u32 = 1;
/// Bytes of a lock; ten thousand modules take half of it.
pub const MAX_LOCK: usize = 4 << 20;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// By name.
    pub modules: BTreeMap<String, Locked>,
}

/// One module as it was when the lock was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    pub version: String,
    /// Of the whole file.
    pub sha256: String,
    /// The id of the key, `built-in` or `unsigned`.
    pub signer: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    #[serde(default)]
    module: BTreeMap<String, Locked>,
}

impl Lock {
    /// # Errors
    /// It isn't a lock of this layout; with the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_LOCK {
            return Err(format!("it has over {MAX_LOCK} bytes"));
        }
        let written: Written = toml::from_str(text).map_err(|e| e.to_string().trim_end().to_owned())?;
        if written.version != VERSION {
            return Err(format!("it has version {}; this gridwatch reads {VERSION}", written.version));
        }
        for (name, locked) in &written.module {
            let is_digest = locked.sha256.len() == 64 && locked.sha256.bytes().all(|b| b.is_ascii_hexdigit());
            if !is_digest {
                return Err(format!("module.{name}: sha256 is no SHA-256, which has 64 digits"));
            }
        }
        Ok(Self { modules: written.module })
    }

    /// Sorted by name, so that two of the same modules are the same bytes.
    pub fn text(&self) -> String {
        let written = Written { version: VERSION, module: self.modules.clone() };
        let body = toml::to_string(&written).unwrap_or_default();
        format!(
            "# Written by `gridwatch module lock`. With `[modules] lock` naming this file, no other module file is served.\n{body}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_read_back() {
        let locked = Locked { version: "1.0.0".into(), sha256: "ab".repeat(32), signer: "unsigned".into() };
        let lock = Lock { modules: [("burst".to_owned(), locked)].into() };
        assert_eq!(Lock::parse(&lock.text()).unwrap(), lock);
        assert_eq!(Lock::parse(&Lock::default().text()).unwrap(), Lock::default());
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (text, part) in [
            ("", "missing field `version`"),
            ("version = 2\n", "it has version 2"),
            ("version = 1\nmore = 1\n", "unknown field `more`"),
            ("version = 1\n[module.a]\nversion = \"1\"\nsha256 = \"ab\"\nsigner = \"x\"\n", "module.a: sha256"),
            ("version = 1\n[module.a]\nversion = \"1\"\nsigner = \"x\"\n", "missing field `sha256`"),
        ] {
            let told = Lock::parse(text).unwrap_err();
            assert!(told.contains(part), "{text}: {told}");
        }
    }
}
