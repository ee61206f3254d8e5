//! Batches: events as columns over one dictionary and one byte heap, the form that crosses into a module.
//!
//! A batch of events is encoded once ([`Table`]) and each module gets its rows and columns of it ([`Table::project`]):
//! text ids are numbers, and the dictionary holds only the texts that the module's rows use. This shape costs a module
//! tens of nanoseconds an event where a list of records costs over a microsecond (`cargo xtask bench abi`).

use crate::keyed::Key;
use gridwatch_event::event::Event;
use gridwatch_event::json;
use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};

/// What one call of a module gets. Mirrors `batch` in `wit/detect.wit`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub seqs: Vec<u64>,
    pub times_ms: Vec<u64>,
    /// Dictionary ids, 0 for the empty text: the column of all rows for the manifest's first field, then its second's, …
    pub texts: Vec<u32>,
    /// Values: the column of all rows for the manifest's first window, then its second's, …
    pub windows: Vec<u64>,
    pub dict_offsets: Vec<u32>,
    pub dict_bytes: Vec<u8>,
}

impl Batch {
    pub fn rows(&self) -> usize {
        self.seqs.len()
    }

    /// The same batch with only the rows of a range. The dictionary stays whole.
    pub fn slice(&self, range: std::ops::Range<usize>) -> Self {
        Self {
            seqs: self.seqs[range.clone()].to_vec(),
            times_ms: self.times_ms[range.clone()].to_vec(),
            texts: self.columns(&self.texts).flat_map(|ids| &ids[range.clone()]).copied().collect(),
            windows: self.columns(&self.windows).flat_map(|values| &values[range.clone()]).copied().collect(),
            dict_offsets: self.dict_offsets.clone(),
            dict_bytes: self.dict_bytes.clone(),
        }
    }

    /// The columns of `texts` or of `windows`.
    fn columns<'b, T>(&self, flat: &'b [T]) -> std::slice::ChunksExact<'b, T> {
        flat.chunks_exact(self.rows().max(1))
    }

    /// Text of a row's field, by the field's position in the manifest.
    pub fn text_at(&self, field: usize, row: usize) -> &str {
        self.text(self.texts[field * self.rows() + row])
    }

    /// Value of a row's window, by the window's position in the manifest.
    pub fn window_at(&self, window: usize, row: usize) -> u64 {
        self.windows[window * self.rows() + row]
    }

    /// Text of a dictionary id; "" for an id that isn't one.
    pub fn text(&self, id: u32) -> &str {
        let bounds = self.dict_offsets.get(id as usize..id as usize + 2);
        let bytes = bounds.and_then(|b| self.dict_bytes.get(b[0] as usize..b[1] as usize));
        bytes.and_then(|b| std::str::from_utf8(b).ok()).unwrap_or_default()
    }
}

/// All columns that any module wants of a batch of events, encoded once.
#[derive(Debug)]
pub struct Table {
    seqs: Vec<u64>,
    times_ms: Vec<u64>,
    columns: Vec<Vec<u32>>,
    dict: Dict,
}

impl Table {
    pub fn new(columns: usize) -> Self {
        let (seqs, times_ms) = Default::default();
        Self { seqs, times_ms, columns: vec![Vec::new(); columns], dict: Dict::new() }
    }

    /// Starts a row, whose columns say nothing until they are [set](Table::set). Returns its number.
    pub fn start_row(&mut self, event: &Event) -> u32 {
        self.seqs.push(event.seq);
        self.times_ms.push(event.time.millis().0);
        self.columns.iter_mut().for_each(|column| column.push(UNSET));
        self.seqs.len() as u32 - 1
    }

    /// What a column of the row started last says; a text is asked for once, however many modules want it.
    pub fn set<'t>(&mut self, column: usize, text: impl FnOnce() -> Cow<'t, str>) {
        let Some((last, before)) = self.columns[column].split_last_mut().filter(|(last, _)| **last == UNSET) else {
            return;
        };
        let text = text();
        // Much of an event is as in the one before it, and comparing is cheaper than hashing.
        *last = match before.last() {
            Some(id) if *id != UNSET && self.dict.bytes_of(*id) == text.as_bytes() => *id,
            _ => self.dict.intern(&text),
        };
    }

    /// A module's view: these rows, these columns, a dictionary of just their texts.
    pub fn project(&self, rows: &[u32], columns: &[usize], scratch: &mut Scratch) -> Batch {
        scratch.start(self.dict.len());
        let gather = |all: &[u64]| rows.iter().map(|row| all[*row as usize]).collect();
        let mut texts = Vec::with_capacity(columns.len() * rows.len());
        for ids in columns.iter().map(|column| &self.columns[*column]) {
            texts.extend(rows.iter().map(|row| scratch.renumber(ids[*row as usize], &self.dict)));
        }
        Batch {
            seqs: gather(&self.seqs),
            times_ms: gather(&self.times_ms),
            texts,
            windows: Vec::new(),
            dict_offsets: scratch.offsets.clone(),
            dict_bytes: scratch.bytes.clone(),
        }
    }
}

/// Buffers that projections share, so that one costs no allocation per text.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Table id → batch id; `UNSET` until its text is first used.
    ids: Vec<u32>,
    offsets: Vec<u32>,
    bytes: Vec<u8>,
}

const UNSET: u32 = u32::MAX;

impl Scratch {
    fn start(&mut self, texts: usize) {
        self.ids.clear();
        self.ids.resize(texts, UNSET);
        self.ids[0] = 0;
        self.offsets.clear();
        self.offsets.extend([0, 0]);
        self.bytes.clear();
    }

    fn renumber(&mut self, id: u32, dict: &Dict) -> u32 {
        let known = self.ids.get(id as usize).copied().unwrap_or(0);
        if known != UNSET {
            return known;
        }
        let new = self.offsets.len() as u32 - 1;
        self.bytes.extend_from_slice(dict.bytes_of(id));
        self.offsets.push(self.bytes.len() as u32);
        self.ids[id as usize] = new;
        new
    }
}

/// Texts by number; 0 is "".
#[derive(Debug)]
struct Dict {
    offsets: Vec<u32>,
    bytes: Vec<u8>,
    /// Keyed, and with a new key for each dictionary: whoever chooses user agents must not be able to choose hashes.
    key: Key,
    /// Hash → id. Two texts of one hash take neighbouring hashes.
    index: HashMap<u64, u32, BuildHasherDefault<HashedAlready>>,
}

/// The hash of a hash: itself.
#[derive(Debug, Default)]
struct HashedAlready(u64);

impl Hasher for HashedAlready {
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    /// Of the [`Hasher`] trait; a `u64` goes to `write_u64`.
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A dictionary's heap above which texts are cut to [`SHORT_TEXT`]. Whoever makes batches keeps them far below it
/// ([`MAX_BATCH_BYTES`]): what a module sees must not hang on what else is in the batch.
const MAX_HEAP: usize = 64 << 20;
const SHORT_TEXT: usize = 1 << 10;
/// Longest text a module gets to see, in bytes. Of a longer one it sees the first part, a list of which is a list still
/// ([`json::first_part`]), and `#count` of the field says how long all of it is. The raw entry keeps it all.
pub const MAX_TEXT: usize = 64 << 10;
/// Entries of a batch, in bytes; a single larger one is a batch of its own.
pub const MAX_BATCH_BYTES: usize = 4 << 20;

impl Dict {
    fn new() -> Self {
        Self { offsets: vec![0, 0], bytes: Vec::new(), key: Key::default(), index: HashMap::default() }
    }

    fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    fn bytes_of(&self, id: u32) -> &[u8] {
        &self.bytes[self.offsets[id as usize] as usize..self.offsets[id as usize + 1] as usize]
    }

    fn intern(&mut self, text: &str) -> u32 {
        let room = if self.bytes.len() < MAX_HEAP { MAX_TEXT } else { SHORT_TEXT };
        let text = &*json::first_part(text, room);
        if text.is_empty() {
            return 0;
        }
        let mut hash = self.key.hash_one(text);
        loop {
            let next = self.len() as u32;
            match self.index.entry(hash) {
                Slot::Vacant(slot) => {
                    slot.insert(next);
                    self.bytes.extend_from_slice(text.as_bytes());
                    self.offsets.push(self.bytes.len() as u32);
                    return next;
                }
                Slot::Occupied(slot) => {
                    let id = *slot.get();
                    if self.bytes_of(id) == text.as_bytes() {
                        return id;
                    }
                    hash = hash.wrapping_add(1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridwatch_event::entry::Entry;
    use gridwatch_event::time::UnixMillis;

    fn table(rows: &[[&str; 2]]) -> Table {
        let mut table = Table::new(2);
        for (i, texts) in rows.iter().enumerate() {
            table.start_row(&Event::new(i as u64 + 10, UnixMillis(0), &Entry::from_json(r#"{"date_create":7}"#)));
            texts.iter().enumerate().for_each(|(column, text)| table.set(column, || (*text).into()));
        }
        table
    }

    #[test]
    fn a_projection_has_its_rows_columns_and_texts_and_no_others() {
        let table = table(&[["login", "a"], ["logout", "b"], ["login", ""]]);
        let batch = table.project(&[0, 2], &[1, 0], &mut Scratch::default());
        let texts = |field: usize| [0, 1].map(|row| batch.text_at(field, row));
        assert_eq!((texts(0), texts(1)), (["a", ""], ["login", "login"]));
        assert_eq!((batch.seqs.as_slice(), batch.times_ms.as_slice()), (&[10, 12][..], &[7_000, 7_000][..]));
        assert_eq!(batch.dict_bytes, b"alogin", "nothing of the row it doesn't get");
    }

    #[test]
    fn slices_keep_their_meaning() {
        let batch = table(&[["x", "1"], ["y", "2"], ["z", "3"]]).project(&[0, 1, 2], &[0, 1], &mut Scratch::default());
        let batch = Batch { windows: vec![7, 8, 9], ..batch };
        let last = batch.slice(1..3);
        let texts = |field: usize| [0, 1].map(|row| last.text_at(field, row));
        assert_eq!((texts(0), texts(1)), (["y", "z"], ["2", "3"]));
        assert_eq!((last.seqs.as_slice(), last.windows.as_slice()), (&[11, 12][..], &[8, 9][..]));
        assert!(batch.slice(1..1).texts.is_empty());
    }

    #[test]
    fn a_huge_text_is_cut_at_a_character() {
        let huge = "é".repeat(MAX_TEXT);
        let batch = table(&[[&huge, ""]]).project(&[0], &[0], &mut Scratch::default());
        assert_eq!(batch.text_at(0, 0).len(), MAX_TEXT);
    }

    #[test]
    fn a_huge_list_stays_a_list_and_a_full_heap_takes_no_text_away() {
        let list = |from: usize| serde_json::to_string(&(from..from + 9_000).collect::<Vec<_>>()).unwrap();
        let rows: Vec<String> = (0..1_100).map(|row| list(row * 100_000)).collect();
        let rows: Vec<[&str; 2]> = rows.iter().map(|list| [list.as_str(), "x"]).collect();
        let all: Vec<u32> = (0..rows.len() as u32).collect();
        let batch = table(&rows).project(&all, &[0, 1], &mut Scratch::default());
        for row in 0..batch.rows() {
            let part: Vec<u64> = serde_json::from_str(batch.text_at(0, row)).unwrap();
            assert!(part.len() > 50 && part[0] == row as u64 * 100_000, "row {row}");
            assert_eq!(batch.text_at(1, row), "x");
        }
    }
}
