//! Where one value ends and the next begins, in whatever JSON is written one after another: a value a line, pretty-printed values,
//! lists, lists in lists, saved pages and what searches of a SIEM answer with. Elements of a list come one by one, so memory is
//! bounded by the longest single value and not by the list.
//!
//! Only the brackets, commas and quotes are looked at, never what stands between quotes: half characters, control characters and
//! bytes that aren't UTF-8 pass. What can't be JSON costs itself and nothing after it: reading goes on at the next line, or within
//! a list at the next element.

use std::io::Read;

/// A value is given up beyond this.
const MAX_VALUE: usize = 64 << 20;
/// A value that spans lines is given up beyond this. What follows its first line is then read again, hence less.
const MAX_SPREAD: usize = 16 << 20;
/// Brackets that may be open where a line ends: with more, going back to where a broken value began could take for ever.
const MAX_OPEN_LINES: usize = 64;
/// Lists within lists.
const MAX_LEVELS: usize = 64;
const CHUNK: usize = 64 << 10;
/// A longer line is read bit by bit, as what spans lines is.
const MAX_WHOLE_LINE: usize = 1 << 20;

/// Keys whose list holds what we are after, in an object that is none of it: Slack's own pages, answers of Splunk, Elastic,
/// Azure and AWS, and what scripts call it.
const LISTS: [&[u8]; 17] = [
    b"entries",
    b"results",
    b"hits",
    b"rows",
    b"values",
    b"tables",
    b"records",
    b"Records",
    b"value",
    b"data",
    b"events",
    b"logs",
    b"items",
    b"messages",
    b"findings",
    b"detections",
    b"objects",
];
/// Keys of an object that holds such a list.
const HOLDERS: [&[u8]; 3] = [b"hits", b"data", b"response"];
/// Keys that only an entry has: its lists are its own.
const ENTRY_KEYS: [&[u8]; 2] = [b"action", b"date_create"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Object,
    /// A list of texts or numbers: a row of a table.
    Row,
    /// A JSON text.
    Text,
    /// A line, or an element of a list, that is nothing of that.
    Other,
    /// What began as a value and isn't one.
    Broken,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Piece {
    pub kind: Kind,
    pub bytes: Vec<u8>,
    pub place: Place,
}

/// Counted in the unpacked text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: u64,
    /// From 0.
    pub offset: u64,
    /// White space that its line begins with.
    indent: usize,
    /// Nothing but white space stands before it in its line.
    begins_line: bool,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.begins_line {
            true => write!(f, "line {}", self.line),
            false => write!(f, "byte {}", self.offset),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    List,
    /// An object of which only a list matters.
    Holder,
}

/// What may come next within a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
}

/// What came of reading a value.
enum Read_ {
    Whole(Piece),
    /// It turned out to hold the values, and is open now.
    Holds,
}

pub struct Pieces<R> {
    input: R,
    /// What was read, also the last of what was taken.
    buffer: Vec<u8>,
    at: usize,
    chunk: Vec<u8>,
    line: u64,
    offset: u64,
    indent: usize,
    /// Only white space so far in this line.
    is_blank: bool,
    levels: Vec<Level>,
    failed: Option<std::io::Error>,
}

impl Pieces<std::io::Empty> {
    /// Of what is in memory.
    pub fn of(bytes: Vec<u8>) -> Self {
        Self { buffer: bytes, ..Self::new(std::io::empty()) }
    }
}

impl<R: Read> Pieces<R> {
    pub fn new(input: R) -> Self {
        let (buffer, chunk, levels) = (Vec::new(), Vec::new(), Vec::new());
        Self { input, buffer, at: 0, chunk, line: 1, offset: 0, indent: 0, is_blank: true, levels, failed: None }
    }

    /// Why reading ended before its end, if it did. To be asked at the end.
    pub fn failure(&self) -> Option<String> {
        match (&self.failed, self.levels.is_empty()) {
            (Some(error), _) => Some(format!("can't be read beyond line {}: {error}", self.line)),
            (None, false) => Some(format!("ends in line {}, within a list", self.line)),
            (None, true) => None,
        }
    }

    /// The byte `ahead` of the next one.
    fn peek_at(&mut self, ahead: usize) -> Option<u8> {
        while self.at + ahead >= self.buffer.len() {
            if self.failed.is_some() {
                return None;
            }
            self.buffer.drain(..self.at);
            self.at = 0;
            self.chunk.resize(CHUNK, 0);
            match self.input.read(&mut self.chunk) {
                Ok(0) => return None,
                Ok(read) => self.buffer.extend_from_slice(&self.chunk[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => self.failed = Some(error),
            }
        }
        Some(self.buffer[self.at + ahead])
    }

    fn peek(&mut self) -> Option<u8> {
        match self.buffer.get(self.at) {
            Some(byte) => Some(*byte),
            None => self.peek_at(0),
        }
    }

    /// Takes the byte that was peeked.
    fn take(&mut self) -> u8 {
        let byte = self.buffer[self.at];
        self.at += 1;
        self.offset += 1;
        match byte {
            b'\n' => (self.line, self.indent, self.is_blank) = (self.line + 1, 0, true),
            b' ' | b'\t' if self.is_blank => self.indent += 1,
            b'\r' => {}
            _ => self.is_blank = false,
        }
        byte
    }

    /// Again, the last that was taken: whole lines, if nobody says otherwise.
    fn give_back(&mut self, bytes: Vec<u8>) {
        self.offset -= bytes.len() as u64;
        self.line -= bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        (self.indent, self.is_blank) = (0, true);
        match self.at.checked_sub(bytes.len()) {
            Some(at) => self.at = at,
            None => {
                self.buffer.splice(..self.at, bytes);
                self.at = 0;
            }
        }
    }

    /// Length of the line that begins here, with its end, if a value can begin with it and it is no longer than most.
    fn whole_line(&mut self) -> Option<usize> {
        while self.peek().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            self.take();
        }
        if !self.levels.is_empty() || !self.is_blank || self.indent > 0 || self.peek() != Some(b'{') {
            return None;
        }
        let mut searched = 0;
        let end = loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer[self.at + searched..]) {
                break searched + end;
            }
            searched = self.buffer.len() - self.at;
            if searched > MAX_WHOLE_LINE || self.peek_at(searched).is_none() {
                return None;
            }
        };
        Some(end + 1)
    }

    /// The lines at hand, whole ones and no more bytes than that, if a value can begin with the first.
    pub fn whole_lines(&mut self, at_most: usize) -> Option<&[u8]> {
        let first = self.whole_line()?;
        let at_hand = &self.buffer[self.at..];
        let more = &at_hand[first..at_hand.len().min(at_most.max(first))];
        let length = first + memchr::memrchr(b'\n', more).map_or(0, |end| end + 1);
        Some(&at_hand[..length])
    }

    /// Takes so many bytes of the lines that [`Pieces::whole_lines`] gave: whole ones.
    pub fn take_lines(&mut self, bytes: usize) {
        let taken = &self.buffer[self.at..self.at + bytes];
        self.line += memchr::memchr_iter(b'\n', taken).count() as u64;
        self.at += bytes;
        self.offset += bytes as u64;
        (self.indent, self.is_blank) = (0, true);
    }

    fn place(&self) -> Place {
        Place { line: self.line, offset: self.offset, indent: self.indent, begins_line: self.is_blank }
    }

    /// Moves white space; the byte after it.
    fn after_space(&mut self, out: &mut Vec<u8>) -> Option<u8> {
        while let Some(byte) = self.peek().filter(u8::is_ascii_whitespace) {
            out.push(byte);
            self.take();
        }
        self.peek()
    }

    fn is_in(&self, level: Level) -> bool {
        self.levels.last() == Some(&level)
    }

    /// Takes the `[`.
    fn list(&mut self) -> Option<Piece> {
        let (place, mut out) = (self.place(), vec![self.take()]);
        let next = self.after_space(&mut out);
        let holds_values = match next {
            Some(b'{' | b'[' | b']') => true,
            Some(b'"') => self.peek_at(1) == Some(b'{'),
            _ => false,
        };
        if holds_values && self.levels.len() < MAX_LEVELS {
            self.levels.push(Level::List);
            return None;
        }
        match self.value(place, out, vec![b'['], Want::ValueOrEnd) {
            Read_::Whole(piece) => Some(piece),
            Read_::Holds => None,
        }
    }

    fn object(&mut self) -> Option<Piece> {
        let (place, out) = (self.place(), vec![self.take()]);
        match self.value(place, out, vec![b'{'], Want::KeyOrEnd) {
            Read_::Whole(piece) => Some(piece),
            Read_::Holds => None,
        }
    }

    /// Reads on in a value whose open brackets are `open`. Nothing of what it holds is understood but where it ends, and whether
    /// it only holds the list that matters.
    fn value(&mut self, place: Place, mut out: Vec<u8>, mut open: Vec<u8>, mut want: Want) -> Read_ {
        let (mut key, mut is_entry) = (0..0, false);
        loop {
            let lines = self.line;
            let Some(byte) = self.after_space(&mut out) else { break };
            let is_spread = self.line > lines && (open.len() > MAX_OPEN_LINES || out.len() > MAX_SPREAD);
            if is_spread || out.len() > MAX_VALUE {
                break;
            }
            match (want, byte) {
                (Want::Value | Want::ValueOrEnd, b'{' | b'[') => {
                    if open.as_slice() == b"{" && !is_entry && self.opens(&out[key.clone()], byte) {
                        return Read_::Holds;
                    }
                    open.push(byte);
                    want = if byte == b'{' { Want::KeyOrEnd } else { Want::ValueOrEnd };
                    out.push(self.take());
                }
                (Want::Value | Want::ValueOrEnd, b'"') => {
                    if !self.string(&mut out) {
                        break;
                    }
                    want = Want::CommaOrEnd;
                }
                (Want::Value | Want::ValueOrEnd, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'+' | b'.') => {
                    self.word(&mut out);
                    want = Want::CommaOrEnd;
                }
                (Want::Key | Want::KeyOrEnd, b'"') => {
                    let start = out.len() + 1;
                    if !self.string(&mut out) {
                        break;
                    }
                    if open.len() == 1 {
                        key = start..out.len() - 1;
                        is_entry |= ENTRY_KEYS.contains(&&out[key.clone()]);
                    }
                    want = Want::Colon;
                }
                (Want::Colon, b':') => {
                    out.push(self.take());
                    want = Want::Value;
                }
                (Want::CommaOrEnd, b',') => {
                    out.push(self.take());
                    want = if open.last() == Some(&b'{') { Want::Key } else { Want::Value };
                }
                (Want::KeyOrEnd | Want::CommaOrEnd, b'}') if open.last() == Some(&b'{') => {
                    out.push(self.take());
                    open.pop();
                    want = Want::CommaOrEnd;
                }
                (Want::ValueOrEnd | Want::CommaOrEnd, b']') if open.last() == Some(&b'[') => {
                    out.push(self.take());
                    open.pop();
                    want = Want::CommaOrEnd;
                }
                _ => break,
            }
            if open.is_empty() {
                let kind = if out[0] == b'{' { Kind::Object } else { Kind::Row };
                return Read_::Whole(Piece { kind, bytes: out, place });
            }
        }
        Read_::Whole(self.given_up(place, out))
    }

    /// Whether the value under this key is a list of values, or an object around one; if so, it is open now.
    fn opens(&mut self, key: &[u8], bracket: u8) -> bool {
        let (is_list, is_holder) = (bracket == b'[' && LISTS.contains(&key), bracket == b'{' && HOLDERS.contains(&key));
        if !(is_list || is_holder) || self.levels.len() + 2 > MAX_LEVELS {
            return false;
        }
        self.take();
        self.levels.push(Level::Holder);
        self.levels.push(if is_list { Level::List } else { Level::Holder });
        true
    }

    /// Takes a JSON text; false if it ends where it must not. A line feed in it may be a stray one, or its line was cut off: then
    /// the next line begins with a value of its own.
    fn string(&mut self, out: &mut Vec<u8>) -> bool {
        out.push(self.take());
        let mut is_escaped = false;
        while let Some(byte) = self.peek() {
            out.push(self.take());
            match byte {
                _ if is_escaped && byte != b'\n' => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => return true,
                b'\n' if out.len() > MAX_SPREAD || matches!(self.peek(), None | Some(b'{' | b'[')) => return false,
                _ if out.len() > MAX_VALUE => return false,
                _ => {}
            }
        }
        false
    }

    /// A number, `true`, or what else there is without quotes.
    fn word(&mut self, out: &mut Vec<u8>) {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.' | b'_');
        while out.len() <= MAX_VALUE && self.peek().filter(is_part).is_some() {
            out.push(self.take());
        }
    }

    /// The rest of what can't be a value.
    fn given_up(&mut self, place: Place, mut out: Vec<u8>) -> Piece {
        match out.iter().position(|byte| *byte == b'\n') {
            None if self.levels.is_empty() || next_entry(&out).is_none() => self.to_next_element(&mut out),
            None => {}
            Some(end) => {
                self.give_back(out.split_off(end + 1));
                while out.len() <= MAX_SPREAD && !self.begins_anew(place.indent) && self.line(&mut out) {}
            }
        }
        if !self.levels.is_empty() {
            self.split(&mut out);
        }
        Piece { kind: Kind::Broken, bytes: out, place }
    }

    /// Gives back where an entry seems to begin: a quote that is missing or too many has swallowed it.
    fn split(&mut self, out: &mut Vec<u8>) {
        if let Some(start) = next_entry(out) {
            self.give_back(out.split_off(start));
            self.is_blank = false;
        }
    }

    /// Whether this line begins a value, or ends a list, that isn't within one that began with such an indent.
    fn begins_anew(&mut self, indent: usize) -> bool {
        let mut ahead = 0;
        while matches!(self.peek_at(ahead), Some(b' ' | b'\t')) && ahead <= indent {
            ahead += 1;
        }
        match self.peek_at(ahead) {
            Some(b'{' | b'}' | b']') => ahead <= indent,
            Some(b'[') => ahead == 0,
            Some(b'"') => ahead == 0 && self.peek_at(1) == Some(b'{'),
            _ => false,
        }
    }

    /// Takes the rest of a line; false at the end of everything.
    fn line(&mut self, out: &mut Vec<u8>) -> bool {
        while self.peek().is_some() {
            let byte = self.take();
            // What is longer is told as it begins.
            if out.len() < MAX_VALUE {
                out.push(byte);
            }
            if byte == b'\n' {
                return true;
            }
        }
        false
    }

    /// Takes the rest of a line, within a list up to where its next element seems to begin.
    fn to_next_element(&mut self, out: &mut Vec<u8>) {
        let (mut closed, mut comma) = (false, false);
        while let Some(byte) = self.peek() {
            match byte {
                b'{' if comma && !self.levels.is_empty() => return,
                b'}' => (closed, comma) = (true, false),
                b',' if closed => comma = true,
                b' ' | b'\t' | b'\r' => {}
                _ => (closed, comma) = (false, false),
            }
            self.take();
            if byte == b'\n' {
                return;
            }
            if out.len() < MAX_VALUE {
                out.push(byte);
            }
        }
    }

    /// Of an object around a list, what isn't the list.
    fn member(&mut self) -> Option<Piece> {
        let (place, mut out) = (self.place(), Vec::new());
        if !self.string(&mut out) {
            return Some(self.given_up(place, out));
        }
        let key = out[1..out.len() - 1].to_vec();
        if self.after_space(&mut out) != Some(b':') {
            return None;
        }
        self.take();
        match self.after_space(&mut out)? {
            b'[' if LISTS.contains(&key.as_slice()) => {
                self.take();
                self.levels.push(Level::List);
            }
            b'{' if HOLDERS.contains(&key.as_slice()) => {
                self.take();
                self.levels.push(Level::Holder);
            }
            bracket @ (b'{' | b'[') => {
                let (place, out) = (self.place(), vec![self.take()]);
                let want = if bracket == b'{' { Want::KeyOrEnd } else { Want::ValueOrEnd };
                if let Read_::Whole(piece) = self.value(place, out, vec![bracket], want) {
                    return (piece.kind == Kind::Broken).then_some(piece);
                }
            }
            b'"' => {
                let (place, mut out) = (self.place(), Vec::new());
                if !self.string(&mut out) {
                    return Some(self.given_up(place, out));
                }
            }
            _ => self.word(&mut out),
        }
        None
    }

    /// What begins like no value: an element of a list, else a whole line.
    fn other(&mut self) -> Piece {
        let (place, mut out) = (self.place(), Vec::new());
        if self.levels.is_empty() {
            self.line(&mut out);
            // Behind another value it is the rest of something broken.
            if !place.begins_line {
                self.split(&mut out);
            }
        } else {
            out.push(self.take());
            while self.peek().is_some_and(|byte| !matches!(byte, b',' | b']' | b'}' | b'\n')) && out.len() < MAX_VALUE {
                out.push(self.take());
            }
        }
        Piece { kind: Kind::Other, bytes: out, place }
    }
}

/// Where an entry seems to begin within what is broken, as Slack writes its first two keys.
fn next_entry(broken: &[u8]) -> Option<usize> {
    let is_key = |at: usize, key: &[u8]| broken.get(at..at + key.len()) == Some(key);
    let begins =
        |at: &usize| is_key(*at, b"{\"id\":\"") && (at + 8..at + 80).any(|after| is_key(after, b"\",\"date_create\":"));
    (1..broken.len()).find(begins)
}

impl<R: Read> Iterator for Pieces<R> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        loop {
            let piece = match self.peek()? {
                byte if byte.is_ascii_whitespace() || matches!(byte, b',' | 0x1e) => {
                    self.take();
                    None
                }
                // A byte order mark, also between files that were written one after another.
                0xef if self.peek_at(1) == Some(0xbb) && self.peek_at(2) == Some(0xbf) => {
                    let is_blank = self.is_blank;
                    (0..3).for_each(|_| _ = self.take());
                    self.is_blank = is_blank;
                    None
                }
                closing @ (b']' | b'}') => {
                    if self.is_in(if closing == b']' { Level::List } else { Level::Holder }) {
                        self.levels.pop();
                    }
                    self.take();
                    None
                }
                b'{' => self.object(),
                b'[' => self.list(),
                b'"' if self.is_in(Level::Holder) => self.member(),
                b'"' => {
                    let (place, mut out) = (self.place(), Vec::new());
                    match self.string(&mut out) {
                        true => Some(Piece { kind: Kind::Text, bytes: out, place }),
                        false => Some(self.given_up(place, out)),
                    }
                }
                _ => Some(self.other()),
            };
            if piece.is_some() {
                return piece;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<(Kind, String)> {
        let all: Vec<_> = Pieces::of(text.as_bytes().to_vec())
            .map(|piece| (piece.kind, String::from_utf8(piece.bytes).unwrap().trim().to_owned()))
            .collect();
        // However it comes in.
        let slowly = Pieces::new(Slow(text.as_bytes())).map(|piece| piece.kind).collect::<Vec<_>>();
        assert_eq!(all.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), slowly, "{text}");
        all
    }

    /// A byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let n = self.0.len().min(out.len()).min(1);
            out[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn objects(text: &str) -> Vec<String> {
        pieces(text).into_iter().filter(|(kind, _)| *kind == Kind::Object).map(|(_, text)| text).collect()
    }

    #[test]
    fn values_come_one_by_one_however_they_are_written() {
        for text in [
            "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n",
            "{\"n\":1}{\"n\":2} {\"n\":3}",
            "[{\"n\":1},{\"n\":2},{\"n\":3}]",
            "[\n {\"n\":1},\n {\"n\":2}\n]\n[[{\"n\":3}]]",
            "{\"ok\":true,\"entries\":[{\"n\":1},{\"n\":2},{\"n\":3}],\"response_metadata\":{\"next_cursor\":\"\"}}",
            "{\"entries\":[{\"n\":1}]}{\"entries\":[]}\n{\"entries\":[{\"n\":2},{\"n\":3}],\"response_metadata\":[]}",
            "{\"took\":3,\"hits\":{\"total\":{\"value\":3},\"hits\":[{\"n\":1},{\"n\":2},{\"n\":3}]},\"x\":\"y\"}",
            "\u{feff}{\"n\":1}\n\u{feff}{\"n\":2}\n\u{1e}{\"n\":3}\n",
        ] {
            assert_eq!(objects(text), ["{\"n\":1}", "{\"n\":2}", "{\"n\":3}"], "{text}");
            assert_eq!(pieces(text).len(), 3, "{text}");
        }
    }

    #[test]
    fn lists_of_an_entry_are_its_own() {
        for entry in ["{\"action\":\"a\",\"entries\":[{\"n\":1}]}", "{\"id\":\"a\",\"details\":{\"entries\":[1]}}"] {
            assert_eq!(objects(entry), [entry]);
        }
    }

    #[test]
    fn what_stands_in_quotes_does_not_matter() {
        let odd = b"{\"n\":\"\xff\x01\\ud83d }],{\\\"\",\"m\":2}\n{\"n\":3}\n";
        let all: Vec<_> = Pieces::of(odd.to_vec()).map(|piece| piece.kind).collect();
        assert_eq!(all, [Kind::Object, Kind::Object]);
    }

    #[test]
    fn what_is_broken_costs_itself() {
        let good = |text: &str| objects(text).into_iter().filter(|object| object.contains("good")).count();
        let g = "{\"good\":1}";
        for (text, there) in [
            (format!("{g}\nnot json\n{{\"id\":\"b\",\n{g}\n{g}"), 3),
            (format!("{g}\n{{\"id\":\n{g}\n{g}\n"), 3),
            (format!("{g}\n{{\"id\":\"cut\n{g}\n{g}\n"), 3),
            (format!("{g}\n{{\"id\":[[[{{\n{g}\n{g}\n"), 3),
            (format!("{g}\n]]}}}}\n{g}\n"), 2),
            (format!("{g}\n{{\"a\" 1}}\n{g}\n"), 2),
            (format!("[{g},{{\"a\" 1, \"b\":[{{\"c\":1}},{{\"c\":2}}]}},{g},{g}]{g}"), 4),
            (format!("[\n {g},\n {{\n  \"a\": 1\n  \"b\": [\n   2\n  ]\n }},\n {g}\n]\n{g}\n"), 3),
            (format!("{{\"entries\":[{g},{{\"a\":\"x\"y\"}},{g}],\"response_metadata\":[]}}\n{g}"), 3),
            (format!("{{\"a\":\"line\nfeed\"}}\n{g}\n"), 1),
        ] {
            assert_eq!(good(&text), there, "{text}: {:?}", pieces(&text));
        }
        assert_eq!(pieces("{\"a\":\"line\nfeed\"}\n").len(), 1);
    }

    /// Whatever a byte of a line is replaced by, the lines around it are there; so are the elements of a list.
    #[test]
    fn a_wrong_byte_costs_its_own_value() {
        let entry = |n: u64| {
            format!(r#"{{"id":"e{n}","date_create":{n},"l":[{{"a":[1,"x"]}},{{"b":null}}],"c":{{"d":"\\\""}}}}"#)
        };
        let [first, odd, last] = [1, 2, 3].map(entry);
        for at in 0..odd.len() {
            for byte in *b"\"{}[]\\,: x\n\0" {
                let mut odd = odd.clone().into_bytes();
                odd[at] = byte;
                let lines = [first.as_bytes(), &odd, last.as_bytes()];
                for text in [lines.join(&b'\n'), [b"{\"entries\":[", lines.join(&b',').as_slice(), b"]}"].concat()] {
                    let got: Vec<_> = Pieces::of(text.clone()).map(|piece| piece.bytes).collect();
                    let there = |entry: &String| got.iter().any(|piece| piece == entry.as_bytes());
                    assert!(there(&first) && there(&last), "{}", String::from_utf8_lossy(&text));
                }
            }
        }
    }

    #[test]
    fn an_end_within_a_list_is_told() {
        let failure = |text: &str| {
            let mut pieces = Pieces::of(text.as_bytes().to_vec());
            pieces.by_ref().for_each(drop);
            pieces.failure()
        };
        assert_eq!(failure("{\"entries\":[{\"n\":1}],\"x\":1}\n[]\n"), None);
        assert_eq!(failure("{\"entries\":[{\"n\":1},\n{\"n\":").as_deref(), Some("ends in line 2, within a list"));
    }

    #[test]
    fn nesting_without_end_takes_no_time_without_end() {
        let count = |text: String| Pieces::of(text.into_bytes()).filter(|piece| piece.kind == Kind::Object).count();
        assert_eq!(count(format!("{}\n{{\"n\":1}}\n", "{\"a\":\n".repeat(50_000))), 1);
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(count(deep), 1, "in a line any depth is read");
    }

    #[test]
    fn places_are_lines_where_a_value_begins_its_line() {
        let places = |text: &str| Pieces::of(text.into()).map(|piece| piece.place.to_string()).collect::<Vec<_>>();
        assert_eq!(places("{}\n\n  {\n}\n{}"), ["line 1", "line 3", "line 5"]);
        assert_eq!(places("[{},{}]"), ["byte 1", "byte 4"]);
    }
}
