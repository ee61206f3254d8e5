//! Cuts a page that is too large to be held into pages of its own, while it comes.
//!
//! A body is cut between two entries and nowhere else: in the list under the key `entries` of the outermost object, at a comma behind an
//! object that has ended. Each slice gets what stood before the list, so that a refusal stays one. From
//! the first byte on that doesn't fit this, nothing is cut any more: what [`Page::from_body`](crate::entry::Page::from_body) makes of
//! odd bodies, it makes of the rest.

/// A body on its way.
#[derive(Debug)]
pub struct Slices {
    /// What has come and wasn't given out yet, with `head` before it.
    bytes: Vec<u8>,
    /// What stands before the list's first entry, once there is a list; each slice begins with it.
    head: usize,
    /// Behind the last entry that has ended.
    end: usize,
    /// Behind the last entry that a comma follows, and behind that comma.
    cut: (usize, usize),
    /// Up to here it was looked at.
    seen: usize,
    /// Bytes that make a slice.
    enough: usize,
    place: Place,
    /// Brackets that are open.
    open: Vec<u8>,
    is_text: bool,
    is_escaped: bool,
    /// Where the last text begins and ends, in the outermost object.
    text: (usize, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the list.
    Before,
    /// In the list, where an entry may begin.
    Entry,
    /// In the list, behind an entry.
    Between,
    /// In an entry.
    Inside,
    /// Nothing more is to be cut.
    Rest,
}

const KEY: &[u8] = b"\"entries\"";

impl Slices {
    /// A slice has at least so many bytes.
    pub fn of(enough: usize) -> Self {
        Self {
            bytes: Vec::new(),
            head: 0,
            end: 0,
            cut: (0, 0),
            seen: 0,
            enough,
            place: Place::Before,
            open: Vec::new(),
            is_text: false,
            is_escaped: false,
            text: (0, 0),
        }
    }

    /// Takes what has come. Returns a page of the entries that have ended, if there are enough bytes of them.
    pub fn push(&mut self, some: &[u8]) -> Option<Vec<u8>> {
        self.bytes.extend_from_slice(some);
        while self.place != Place::Rest && self.seen < self.bytes.len() {
            let byte = self.bytes[self.seen];
            self.see(byte);
            self.seen += 1;
        }
        (self.cut.0 >= self.head + self.enough).then(|| self.take())
    }

    /// The page of what is left, with all that stands behind the list.
    pub fn rest(self) -> Vec<u8> {
        self.bytes
    }

    /// Bytes that are held.
    pub fn held(&self) -> usize {
        self.bytes.len()
    }

    fn take(&mut self) -> Vec<u8> {
        let (end, next) = self.cut;
        let mut slice = self.bytes[..end].to_vec();
        slice.extend_from_slice(b"]}");
        self.bytes.drain(self.head..next);
        self.seen -= next - self.head;
        self.end = self.head;
        self.cut = (self.head, self.head);
        slice
    }

    fn see(&mut self, byte: u8) {
        if self.is_text {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => {
                    self.is_text = false;
                    self.text.1 = self.seen + 1;
                }
                _ => {}
            }
            return;
        }
        match (self.place, byte) {
            (Place::Between, b',') => {
                self.place = Place::Entry;
                self.cut = (self.end, self.seen + 1);
            }
            (_, b' ' | b'\t' | b'\n' | b'\r') => {}
            (Place::Entry, b'{') => {
                self.place = Place::Inside;
                self.open.push(byte);
            }
            (Place::Entry | Place::Between | Place::Rest, _) => self.place = Place::Rest,
            (Place::Before, b'[') if self.open.len() == 1 && self.is_key() => {
                self.place = Place::Entry;
                self.open.push(byte);
                (self.head, self.end) = (self.seen + 1, self.seen + 1);
                self.cut = (self.head, self.head);
            }
            (_, b'"') => {
                self.is_text = true;
                if self.place == Place::Before && self.open.len() == 1 {
                    self.text.0 = self.seen;
                }
            }
            (_, b'{' | b'[') => self.open.push(byte),
            (_, b'}' | b']') => {
                // Brackets are two apart from each other in ASCII.
                if self.open.pop() != Some(byte - 2) {
                    self.place = Place::Rest;
                } else if self.place == Place::Inside && self.open.len() == 2 {
                    self.place = Place::Between;
                    self.end = self.seen + 1;
                }
            }
            _ => {}
        }
    }

    /// Is the last text the key of the list, with nothing but a colon behind it?
    fn is_key(&self) -> bool {
        let (from, to) = self.text;
        from < to
            && self.bytes[from..to] == *KEY
            && self.bytes[to..self.seen].iter().filter(|byte| !byte.is_ascii_whitespace()).eq([&b':'])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Entry, Page};
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    /// The entries as they are written, whole or in slices of pieces of some size, and how many pages that were.
    fn in_slices(body: &[u8], pieces: usize, enough: usize) -> (Result<(Vec<String>, Option<String>), String>, usize) {
        let (mut slices, mut pages) = (Slices::of(enough), Vec::new());
        for piece in body.chunks(pieces.max(1)) {
            pages.extend(slices.push(piece));
        }
        pages.push(slices.rest());
        let (mut entries, mut next, count) = (Vec::new(), None, pages.len());
        for page in pages {
            match Page::from_body(&page) {
                Ok(page) => {
                    entries.extend(page.entries.iter().map(|entry| entry.raw().to_owned()));
                    next = page.next_cursor;
                }
                Err(error) => return (Err(error.to_string()), count),
            }
        }
        (Ok((entries, next)), count)
    }

    fn assert_alike(body: &[u8], pieces: usize, enough: usize) -> usize {
        let whole = Page::from_body(body).map_err(|error| error.to_string());
        let whole =
            whole.map(|page| (page.entries.iter().map(|e| e.raw().to_owned()).collect::<Vec<_>>(), page.next_cursor));
        let (sliced, pages) = in_slices(body, pieces, enough);
        let shown = String::from_utf8_lossy(body);
        match (&whole, &sliced) {
            // A page is refused where it is found to be none, which may be in the last of them.
            (Err(_), Err(_)) => {}
            _ => assert_eq!(sliced, whole, "pieces of {pieces}, slices of {enough}: {shown}"),
        }
        pages
    }

    const BODIES: [&str; 22] = [
        r#"{"entries":[{"id":"a"},{"id":"b","x":{"y":[1,{"z":"]}"}]}} , {"id":"c"}],"response_metadata":{"next_cursor":"n="}}"#,
        r#" { "ok" : true , "entries" : [ {"id":"a"} ,
            {"id":"b"} ] , "response_metadata" : { "next_cursor" : "" } } "#,
        r#"{"response_metadata":{"next_cursor":"n","entries":[{"id":"x"}]},"entries":[{"id":"a"},{"id":"b"}]}"#,
        r#"{"entries":[]}"#,
        r#"{"entries":{}}"#,
        r#"{"entries":null,"response_metadata":{}}"#,
        r#"{"entries":[{"id":"a"},null,{"id":"b"},17,"text",[{"id":"c"}],{"id":"d"}]}"#,
        r#"{"entries":[{"id":"a"},{"id":"b"}],"entries":[{"id":"c"}]}"#,
        r#"{"ok":false,"error":"x","entries":[{"id":"a"},{"id":"b"}]}"#,
        r#"{"entries":[{"id":"a"},{"id":"b"}],"response_metadata":{"next_cursor":true}}"#,
        r#"{"entries":[{"id":"a\"},{\"id\":\"b\\"},{"id":"c"}]}"#,
        r#"{"note":"\"entries\":[{","entries":[{"id":"a"},{"id":"b"}]}"#,
        r#"{"entries":"none","x":[{"id":"a"},{"id":"b"}]}"#,
        r#"{"entries" "x":[{"id":"a"}]}"#,
        r#"[{"entries":[{"id":"a"}]}]"#,
        r#"{"entries":[{"id":"a"},{"id":"b"}"#,
        r#"{"entries":[{"id":"a"},{"id":"b"#,
        r#"{"entries":[{"id":"a"},{"id":"b"]},{"id":"c"}]}"#,
        r#"{"entries":[{"id":"a"}{"id":"b"},{"id":"c"}]}"#,
        r#"{"entries":[{"id":"a"},,{"id":"b"}]}"#,
        r#"{"entries":[{"id":"a"},{"id":"b"},]}"#,
        "",
    ];

    #[test]
    fn a_page_in_slices_is_the_page() {
        for body in BODIES {
            for pieces in 1..=body.len().max(1) {
                for enough in [1, 10, 20, 1_000] {
                    // In the first of two lists under one name stands what was shown all the same.
                    if !body.contains("],\"entries\"") {
                        assert_alike(body.as_bytes(), pieces, enough);
                    }
                }
            }
        }
    }

    #[test]
    fn whatever_becomes_of_a_byte_no_entry_is_lost_that_the_whole_page_has() {
        let mut dice = SmallRng::seed_from_u64(7);
        for body in BODIES.iter().filter(|body| !body.is_empty()) {
            for _ in 0..400 {
                let mut bytes = body.as_bytes().to_vec();
                let at = dice.random_range(0..bytes.len());
                bytes[at] = *b"{}[],:\" \\xe1\xff".get(dice.random_range(0..13)).unwrap();
                let Ok(whole) = Page::from_body(&bytes) else { continue };
                let (sliced, _) = in_slices(&bytes, dice.random_range(1..=bytes.len()), dice.random_range(1..30));
                let shown = String::from_utf8_lossy(&bytes).into_owned();
                let (entries, next) = sliced.unwrap_or_else(|error| panic!("{error}: {shown}"));
                // What is no JSON goes on to the next thing that is, which is nearer in a part of the page.
                let is_json = |entry: &&Entry| serde_json::from_str::<serde::de::IgnoredAny>(entry.raw()).is_ok();
                for entry in whole.entries.iter().filter(is_json) {
                    assert!(entries.contains(&entry.raw().to_owned()), "{}: {entries:?}: {shown}", entry.raw());
                }
                assert_eq!(next, whole.next_cursor, "{shown}");
            }
        }
    }

    #[test]
    fn no_more_is_held_than_a_slice_and_an_entry() {
        let entry = format!(r#"{{"id":"a","text":"{}"}}"#, "x".repeat(900));
        let body = format!(r#"{{"entries":[{}]}}"#, vec![entry.as_str(); 2_000].join(","));
        let (mut slices, mut most, mut pages) = (Slices::of(10_000), 0, 0);
        for piece in body.as_bytes().chunks(700) {
            pages += usize::from(slices.push(piece).is_some());
            most = most.max(slices.held());
        }
        assert!(pages > 150 && most < 12_000, "{pages}, {most}");
        assert!(assert_alike(body.as_bytes(), 700, 10_000) > 150);
    }
}
