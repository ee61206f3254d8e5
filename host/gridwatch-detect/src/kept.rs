//! Kept: the key-value state of a module, which outlives the versions of it that write it.

use crate::host::{Item, Kv};
use gridwatch_rules::state::KV;

/// State that is in nobody's hands: as it was saved, or as a module left it.
#[derive(Debug, Default)]
pub struct Kept(pub(crate) Kv);

impl Kept {
    /// Whose row of key-value state this is, if it is one.
    pub fn module_of(row: &[u8]) -> Option<&str> {
        let named = row.strip_prefix(&[KV])?;
        let end = named.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(&named[..end]).ok()
    }

    /// Puts back one saved row.
    pub fn load(&mut self, row: &[u8], value: &[u8]) {
        let named = row.strip_prefix(&[KV]).unwrap_or_default();
        let key = named.iter().position(|byte| *byte == 0).map(|end| &named[end + 1..]);
        let key = key.and_then(|key| std::str::from_utf8(key).ok());
        if let (Some(key), Some((expires, value))) = (key, value.split_first_chunk::<8>()) {
            self.0.bytes += key.len() + value.len();
            self.0.items.insert(key.into(), Item { value: value.to_vec(), expires_ms: u64::from_be_bytes(*expires) });
        }
    }

    /// The row under which a module's key is saved.
    pub(crate) fn row(module: &str, key: &str) -> Vec<u8> {
        [&[KV], module.as_bytes(), &[0], key.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_whose_it_is() {
        let row = Kept::row("sign-in", "W1\0x");
        assert_eq!(Kept::module_of(&row), Some("sign-in"));
        assert_eq!((Kept::module_of(b"wsign-in\0x"), Kept::module_of(b"ksign-in")), (None, None));
        let mut kept = Kept::default();
        kept.load(&row, &[&7_u64.to_be_bytes()[..], b"value"].concat());
        assert_eq!(kept.0.items["W1\0x"], Item { value: b"value".to_vec(), expires_ms: 7 });
        kept.load(&row, b"short");
        assert_eq!(kept.0.items.len(), 1);
    }
}
