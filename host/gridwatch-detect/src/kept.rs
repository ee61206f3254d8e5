//! Kept: the key-value state of a module, which outlives the versions of it that write it.

use crate::host::{Item, Kv};
use gridwatch_rules::state::{Forgotten, KV, Part, StateOp, StateRow};

/// State that is in nobody's hands: as it was saved, or as a module left it.
#[derive(Clone, Debug, Default)]
pub struct Kept(pub(crate) Kv);

impl Kept {
    /// Whose row of key-value state this is, if it is one.
    pub fn module_of(row: &[u8]) -> Option<&str> {
        (Part::of(row)? == KV).then(|| split(&row[1..])).flatten().map(|(module, _)| module)
    }

    /// Puts back one saved row.
    ///
    /// # Errors
    /// The row can't be read, and changes nothing.
    pub fn load(&mut self, key: &[u8], value: &[u8]) -> Result<(), Forgotten> {
        let row = StateRow::open(key, value)?;
        let (_, key) = split(row.id()).ok_or_else(|| row.forgotten("its key names no module"))?;
        let (expires, value) =
            row.body().split_first_chunk::<8>().ok_or_else(|| row.forgotten("it doesn't say when it expires"))?;
        self.0.bytes += key.len() + value.len();
        self.0.items.insert(key.into(), Item { value: value.to_vec(), expires_ms: u64::from_be_bytes(*expires) });
        Ok(())
    }

    /// What has to be saved where the rows of another version's state are, so that this one's are.
    pub(crate) fn in_place_of(&self, other: &Self, module: &str) -> Vec<StateOp> {
        let gone = other.0.items.keys().filter(|key| !self.0.items.contains_key(*key));
        let gone = gone.map(|key| StateOp::delete(KV, &Self::id(module, key)));
        let changed = self.0.items.iter().filter(|(key, item)| other.0.items.get(*key) != Some(item));
        gone.chain(changed.map(|(key, item)| Self::row(module, key, item))).collect()
    }

    /// One item, as it is saved.
    pub(crate) fn row(module: &str, key: &str, item: &Item) -> StateOp {
        let row = [&item.expires_ms.to_be_bytes()[..], &item.value].concat();
        StateOp::put_bytes(KV, &Self::id(module, key), &row)
    }

    /// The id of the row under which a module's key is saved.
    pub(crate) fn id(module: &str, key: &str) -> Vec<u8> {
        [module.as_bytes(), &[0], key.as_bytes()].concat()
    }
}

/// Module and key.
fn split(id: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(id).ok()?.split_once('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_whose_it_is() {
        let row = KV.key(&Kept::id("sign-in", "W1\0x"));
        assert_eq!(Kept::module_of(&row), Some("sign-in"));
        assert_eq!((Kept::module_of(b"wsign-in\0x"), Kept::module_of(b"ksign-in")), (None, None));
        let mut kept = Kept::default();
        kept.load(&row, &[b"\x01", &7_u64.to_be_bytes()[..], b"value"].concat()).unwrap();
        assert_eq!(kept.0.items["W1\0x"], Item { value: b"value".to_vec(), expires_ms: 7 });
        assert!(kept.load(&row, b"\x01short").unwrap_err().to_string().contains("expires"));
        assert_eq!(kept.0.items.len(), 1);
    }
}
