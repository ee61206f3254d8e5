//! A journal: how a window's rows are saved, few and large.
//!
//! One event changes a dozen small rows of windows, which say much the same: together, as one page of what a batch of
//! events changed, the store can compress them. When the pages since have grown as long as the window itself, the window is
//! written whole and they go, which costs two to three times the bytes before compression. Pages without it save nothing
//! (measured, see ARCHITECTURE.md).
//!
//! ```text
//! w · id of the window (8) · 0 · n (8)     a page of the window written whole
//! w · id of the window (8) · 1 · n (8)     a page of what has changed since, in order
//!
//! page:   rows, one after the other
//! row:    length of its key (4), key, length of its value or all ones for a deleted row (4), value
//! ```

use super::row::SlotId;
use crate::state::{StateOp, Unwritable, WINDOWS};

/// A page isn't longer than this, one row's own length aside.
const PAGE_BYTES: usize = if cfg!(test) { 400 } else { 64 << 10 };
/// A window isn't written whole for less than this.
const MIN_BYTES: usize = if cfg!(test) { 1_000 } else { 64 << 10 };
const WHOLE: u8 = 0;
const SINCE: u8 = 1;
const DELETED: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(super) struct Journal {
    /// Pages of the window written whole, and their bytes.
    whole: Part,
    /// Pages of what changed since.
    since: Part,
}

#[derive(Debug, Default)]
struct Part {
    /// Numbers are given upwards from 0, without a hole.
    pages: u64,
    bytes: usize,
}

/// A row with its key as the window knows it.
pub(super) type JournalRow = (Vec<u8>, Value);

/// What it says, if that can be written; `None` deletes it.
pub(super) type Value = Result<Option<Vec<u8>>, Unwritable>;

/// Rows of a saved page.
pub(super) type Saved<'p> = Vec<(&'p [u8], Option<&'p [u8]>)>;

impl Journal {
    /// Saves what has changed; `whole` is asked for all rows of the window when it is time to write it anew.
    pub(super) fn save(
        &mut self,
        id: &SlotId,
        changed: impl Iterator<Item = JournalRow>,
        whole: impl FnOnce() -> Vec<JournalRow>,
    ) -> Result<Vec<StateOp>, Unwritable> {
        let mut ops = self.since.append(id, SINCE, changed)?;
        if self.since.bytes > self.whole.bytes.max(MIN_BYTES) {
            ops.extend(self.since.clear(id, SINCE));
            ops.extend(self.whole.clear(id, WHOLE));
            ops.extend(self.whole.append(id, WHOLE, whole().into_iter())?);
        }
        Ok(ops)
    }

    /// All pages go.
    pub(super) fn forget(mut self, id: &SlotId) -> Vec<StateOp> {
        [self.whole.clear(id, WHOLE), self.since.clear(id, SINCE)].concat()
    }

    /// The rows of a saved page, in the order in which they were saved; `None` if it isn't what was saved. Pages come in the
    /// order of their keys.
    pub(super) fn load<'p>(&mut self, key: &[u8], page: &'p [u8]) -> Option<Saved<'p>> {
        let (kind, number) = key.split_first()?;
        let part = match *kind {
            WHOLE => &mut self.whole,
            SINCE => &mut self.since,
            _ => return None,
        };
        let (number, rows) = (u64::from_be_bytes(number.try_into().ok()?), rows(page)?);
        part.pages = number + 1;
        part.bytes += page.len();
        Some(rows)
    }
}

impl Part {
    fn append(
        &mut self,
        id: &SlotId,
        kind: u8,
        rows: impl Iterator<Item = JournalRow>,
    ) -> Result<Vec<StateOp>, Unwritable> {
        let (mut ops, mut page) = (Vec::new(), Vec::new());
        for (key, value) in rows {
            write(&mut page, &key, value?.as_deref());
            if page.len() >= PAGE_BYTES {
                ops.push(self.put(id, kind, &std::mem::take(&mut page)));
            }
        }
        if !page.is_empty() {
            ops.push(self.put(id, kind, &page));
        }
        Ok(ops)
    }

    fn put(&mut self, id: &SlotId, kind: u8, page: &[u8]) -> StateOp {
        let number = self.pages;
        self.pages += 1;
        self.bytes += page.len();
        StateOp::put_bytes(WINDOWS, &page_id(id, kind, number), page)
    }

    fn clear(&mut self, id: &SlotId, kind: u8) -> Vec<StateOp> {
        let part = std::mem::take(self);
        (0..part.pages).map(|n| StateOp::delete(WINDOWS, &page_id(id, kind, n))).collect()
    }
}

fn page_id(id: &SlotId, kind: u8, n: u64) -> Vec<u8> {
    [&id[..], &[kind], &n.to_be_bytes()].concat()
}

fn write(page: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    page.extend((key.len() as u32).to_be_bytes());
    page.extend(key);
    page.extend(value.map_or(DELETED, |value| value.len() as u32).to_be_bytes());
    page.extend(value.unwrap_or_default());
}

/// All of a page, or nothing: what isn't whole isn't what was saved.
fn rows(mut page: &[u8]) -> Option<Saved<'_>> {
    let mut rows = Vec::new();
    while !page.is_empty() {
        let (row, rest) = split_row(page)?;
        rows.push(row);
        page = rest;
    }
    Some(rows)
}

type Split<'p> = ((&'p [u8], Option<&'p [u8]>), &'p [u8]);

fn split_row(page: &[u8]) -> Option<Split<'_>> {
    let (key, rest) = split_length(page)?;
    let (key, rest) = rest.split_at_checked(key as usize)?;
    match split_length(rest)? {
        (DELETED, rest) => Some(((key, None), rest)),
        (length, rest) => {
            let (value, rest) = rest.split_at_checked(length as usize)?;
            Some(((key, Some(value)), rest))
        }
    }
}

fn split_length(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*length), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const ID: SlotId = [7; 8];

    /// Saves batches of changes to a store, and reads back what the window would be after a restart.
    #[derive(Default)]
    struct Saved {
        journal: Journal,
        store: BTreeMap<Vec<u8>, Vec<u8>>,
        truth: BTreeMap<Vec<u8>, Vec<u8>>,
        written: usize,
    }

    impl Saved {
        fn save(&mut self, changed: Vec<JournalRow>) {
            for (key, value) in changed.clone() {
                match value.unwrap() {
                    Some(value) => _ = self.truth.insert(key, value),
                    None => _ = self.truth.remove(&key),
                }
            }
            let whole = || self.truth.iter().map(|(k, v)| (k.clone(), Ok(Some(v.clone())))).collect();
            for op in self.journal.save(&ID, changed.into_iter(), whole).unwrap() {
                let value = op.value.unwrap();
                self.written += value.as_ref().map_or(0, Vec::len);
                match value {
                    Some(value) => assert_eq!(self.store.insert(op.key, value), None, "a page is written once"),
                    None => assert!(self.store.remove(&op.key).is_some(), "what is deleted was there"),
                }
            }
        }

        fn restart(&mut self) {
            self.journal = Journal::default();
            let mut read = BTreeMap::new();
            for (key, page) in &self.store {
                let page = crate::state::StateRow::open(key, page).unwrap();
                for (key, value) in self.journal.load(&page.id()[8..], page.body()).unwrap() {
                    match value {
                        Some(value) => _ = read.insert(key.to_vec(), value.to_vec()),
                        None => _ = read.remove(key),
                    }
                }
            }
            assert_eq!(read, self.truth);
        }
    }

    #[test]
    fn what_was_saved_is_read_back_however_often_it_changed_and_restarted() {
        let (mut saved, mut changed_bytes) = (Saved::default(), 0);
        for batch in 0..600_u64 {
            let row = |i: u64| {
                let n = (batch * 37 + i * 101) % 5_000;
                let value = (!(n + batch).is_multiple_of(5)).then(|| vec![batch as u8; 40 + (n % 90) as usize]);
                (n.to_be_bytes().to_vec(), Ok(value))
            };
            let changed: Vec<JournalRow> = (0..30).map(row).collect();
            changed_bytes += changed
                .iter()
                .map(|(key, v)| 8 + key.len() + v.as_ref().unwrap().as_ref().map_or(0, Vec::len))
                .sum::<usize>();
            saved.save(changed);
            if batch % 50 == 7 {
                saved.restart();
            }
        }
        saved.restart();
        assert!(saved.written < 3 * changed_bytes, "{} written for {changed_bytes}", saved.written);
        let kept: usize = saved.store.values().map(Vec::len).sum();
        let rows: usize = saved.truth.iter().map(|(key, value)| 8 + key.len() + value.len()).sum();
        assert!(kept < 3 * rows + 2 * MIN_BYTES, "{kept} kept for {rows}");
        assert!(saved.store.len() < saved.truth.len() / 2, "{} rows", saved.store.len());
    }

    #[test]
    fn pages_stay_small() {
        let mut saved = Saved::default();
        saved.save((0..10_000_u64).map(|n| (n.to_be_bytes().to_vec(), Ok(Some(vec![1; 100])))).collect());
        saved.restart();
        assert!(saved.store.len() > 100 && saved.store.values().all(|page| page.len() < PAGE_BYTES + 200));
    }

    #[test]
    fn a_page_is_read_whole_or_not_at_all() {
        let mut page = Vec::new();
        write(&mut page, b"a", Some(b"1"));
        write(&mut page, b"b", None);
        assert_eq!(rows(&page).unwrap(), [(&b"a"[..], Some(&b"1"[..])), (b"b", None)]);
        let whole = (0..page.len()).filter(|end| rows(&page[..*end]).is_some());
        assert_eq!(whole.collect::<Vec<_>>(), [0, 10], "between two rows nothing shows that the rest is missing");
    }
}
