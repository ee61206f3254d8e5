//! Kept: lists and exceptions as they were in force, by digest, as long as the archive has what was judged with them. A replay by those who
//! judged reads them.

use crate::{disk, folder};
use anyhow::{Context, Result, ensure};
use gridwatch_event::lookup::Tables;
use gridwatch_event::network::{Networks, SaidNetworks};
use gridwatch_event::text::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Several organizations keep theirs in one folder, and a file that is replaced is written under one name beside it: one at a time.
static WRITING: Mutex<()> = Mutex::new(());

const ENDING: &str = ".zst";
/// They are short, and rarely written.
const LEVEL: i32 = 3;
/// Of what is kept, unpacked.
const MAX_BYTES: usize = 1 << 30;

#[derive(Clone, Debug)]
pub struct Kept {
    dir: PathBuf,
}

/// Lookup tables, and tables of networks.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeptLists {
    tables: BTreeMap<String, BTreeSet<String>>,
    networks: SaidNetworks,
}

impl Kept {
    /// Those of a state folder.
    pub fn of(state_dir: &Path) -> Self {
        Self { dir: state_dir.join("judged") }
    }

    /// Keeps a text, and gives its digest. When this returns it is on the disk.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn put(&self, text: &[u8]) -> Result<String> {
        let digest = hex(&Sha256::digest(text));
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        if self.get(&digest).is_err() {
            let path = self.path(&digest);
            folder::make(&self.dir, folder::PRIVATE).with_context(|| format!("can't make {}", self.dir.display()))?;
            let packed = zstd::bulk::compress(text, LEVEL)?;
            disk::replace_private(&path, &packed).with_context(|| format!("can't write {}", path.display()))?;
        }
        Ok(digest)
    }

    /// The text of a digest.
    ///
    /// # Errors
    /// It isn't there, or isn't what was kept.
    pub fn get(&self, digest: &str) -> Result<Vec<u8>> {
        let path = self.path(digest);
        let packed = std::fs::read(&path).with_context(|| format!("can't read {}", path.display()))?;
        let text = zstd::stream::decode_all(std::io::Read::take(&*packed, MAX_BYTES as u64));
        let text = text.ok().filter(|text| hex(&Sha256::digest(text)) == digest);
        ensure!(text.is_some(), "{} isn't what was kept", path.display());
        Ok(text.unwrap_or_default())
    }

    /// # Errors
    /// The disk refuses.
    pub fn put_lists(&self, tables: &Tables, networks: &Networks) -> Result<String> {
        self.put(&serde_json::to_vec(&KeptLists { tables: tables.said(), networks: networks.said() })?)
    }

    /// The lists of a digest; databases of networks are those of `now`.
    ///
    /// # Errors
    /// They aren't there, or aren't what was kept.
    pub fn lists(&self, digest: &str, now: &Networks) -> Result<(Tables, Networks)> {
        let KeptLists { tables, networks } = serde_json::from_slice(&self.get(digest)?)?;
        let networks = Networks::of_said(networks, now).context("kept networks say what nobody can have said")?;
        Ok((Tables::of_said(tables), networks))
    }

    /// Removes all that nobody needs any more. What can't be removed is no harm.
    pub fn keep_only(&self, needed: &BTreeSet<String>) {
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        for file in std::fs::read_dir(&self.dir).into_iter().flatten().filter_map(Result::ok) {
            let name = file.file_name().to_string_lossy().into_owned();
            if name.strip_suffix(ENDING).is_none_or(|digest| !needed.contains(digest)) {
                let _ = std::fs::remove_file(file.path());
            }
        }
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.dir.join(format!("{digest}{ENDING}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organizations_that_have_the_same_keep_it_at_the_same_time() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..50_u32 {
            let text = n.to_be_bytes();
            std::thread::scope(|scope| {
                let each = (0..4).map(|_| scope.spawn(|| Kept::of(dir.path()).put(&text)));
                each.collect::<Vec<_>>().into_iter().for_each(|put| _ = put.join().unwrap().unwrap());
            });
        }
    }

    #[test]
    fn lists_are_read_as_they_were_kept_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::of(dir.path());
        let mut tables = Tables::default();
        tables.insert("egress", ["198.51.100.0/24".to_owned(), "vpn".to_owned()]);
        let own = Networks::own([("office", "203.0.113.0/24")]).unwrap();
        let networks =
            own.over(Networks::parse("2001:db8::/32,AS64502,US,1.5,2.25,vpn\n198.51.100.0/24,AS64500").unwrap());
        let digest = kept.put_lists(&tables, &networks).unwrap();
        assert_eq!(kept.put_lists(&tables, &networks).unwrap(), digest);
        let (again, of_networks) = kept.lists(&digest, &Networks::default()).unwrap();
        assert_eq!(again.said(), tables.said());
        for address in ["203.0.113.9", "2001:db8::7", "198.51.100.7", "192.0.2.1"] {
            assert_eq!(of_networks.of(address), networks.of(address), "{address}");
        }
        std::fs::write(kept.path(&digest), zstd::bulk::compress(b"{}", 1).unwrap()).unwrap();
        assert!(kept.get(&digest).unwrap_err().to_string().contains("isn't what was kept"));
        let other = kept.put(b"other").unwrap();
        kept.keep_only(&BTreeSet::from([other.clone()]));
        assert!(kept.get(&other).is_ok() && !kept.path(&digest).exists());
    }
}
