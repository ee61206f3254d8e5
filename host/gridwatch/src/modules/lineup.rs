//! The line-up: which version of each module is to serve, as was last decided, and what was decided about those that don't.
//!
//! It is a file of its own beside the store, replaced as a whole before a version takes over: a process that is killed finds either the
//! old version or the new one in it. What has really judged which events is in the store (`store::judges`).

use crate::disk;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Former versions of a module that can be brought back; the oldest go first.
const MAX_BEFORE: usize = 8;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineup {
    /// By name.
    pub modules: BTreeMap<String, Placed>,
}

/// One module, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Placed {
    pub serving: Version,
    /// What served before it, the newest last.
    pub before: Vec<Version>,
    /// The version before it goes on beside it.
    pub on_probation: bool,
    /// No file of the folder takes over.
    pub pinned: bool,
    /// Nothing of it serves.
    pub disabled: bool,
    /// Digest of what the folder held of it when something was last decided about that; `None` if it never did.
    pub offered: Option<String>,
    /// It was told that its file is gone.
    pub gone: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    pub version: String,
    /// SHA-256 of the file.
    pub digest: String,
}

impl Lineup {
    pub fn path(org_dir: &Path) -> PathBuf {
        org_dir.join("lineup.json")
    }

    /// `None` if nothing was decided yet. What can't be read is told, and is as good as nothing.
    pub fn read(path: &Path) -> Option<Self> {
        let read = match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            read => read.map_err(anyhow::Error::from),
        };
        match read.and_then(|bytes| Ok(serde_json::from_slice(&bytes)?)) {
            Ok(lineup) => Some(lineup),
            Err(error) => {
                let path = path.display();
                tracing::error!(%error, %path, "what was decided about modules can't be read: the modules folder decides again");
                None
            }
        }
    }

    /// # Errors
    /// The disk refuses.
    pub fn write(&self, path: &Path) -> Result<()> {
        disk::replace_private(path, &serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("can't write {}", path.display()))
    }

    /// Digests of all files that serve or may be wanted back.
    pub fn digests(&self) -> impl Iterator<Item = &String> {
        let versions = self.modules.values().flat_map(|placed| placed.before.iter().chain([&placed.serving]));
        versions.map(|version| &version.digest)
    }

    /// Another version is to serve.
    pub fn decide(&mut self, name: &str, version: Version, on_probation: bool) {
        let placed = self.modules.entry(name.to_owned()).or_default();
        let old = std::mem::replace(&mut placed.serving, version);
        (placed.on_probation, placed.disabled) = (on_probation, false);
        if !old.digest.is_empty() && old != placed.serving {
            placed.before.retain(|before| *before != old && *before != placed.serving);
            placed.before.push(old);
            let too_many = placed.before.len().saturating_sub(MAX_BEFORE);
            placed.before.drain(..too_many);
        }
    }

    /// The version before the one that serves is to serve again.
    pub fn go_back(&mut self, name: &str, to: &str) {
        let Some(placed) = self.modules.get_mut(name) else { return };
        placed.on_probation = false;
        if let Some(at) = placed.before.iter().rposition(|before| before.digest == to) {
            placed.serving = placed.before.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(digest: &str) -> Version {
        Version { version: "1.0.0".into(), digest: digest.into() }
    }

    #[test]
    fn what_served_before_can_come_back_and_is_bounded() {
        let mut lineup = Lineup::default();
        for n in 0..20 {
            lineup.decide("m", version(&n.to_string()), true);
        }
        let placed = &lineup.modules["m"];
        assert_eq!((placed.serving.digest.as_str(), placed.before.len()), ("19", MAX_BEFORE));
        lineup.go_back("m", "18");
        let placed = &lineup.modules["m"];
        assert_eq!((placed.serving.digest.as_str(), placed.on_probation), ("18", false));
        assert_eq!(placed.before.last().map(|version| version.digest.as_str()), Some("17"));
        lineup.decide("m", version("17"), false);
        assert_eq!(lineup.modules["m"].before.last(), Some(&version("18")));
        assert!(!lineup.modules["m"].before.contains(&version("17")), "what serves isn't before itself");
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = Lineup::path(dir.path());
        assert_eq!(Lineup::read(&path), None);
        let mut lineup = Lineup::default();
        lineup.decide("m", version("a"), false);
        lineup.write(&path).unwrap();
        assert_eq!(Lineup::read(&path), Some(lineup));
        std::fs::write(&path, b"{\"modules\":").unwrap();
        assert_eq!(Lineup::read(&path), None);
    }
}
