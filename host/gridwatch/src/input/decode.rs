//! From the bytes of a file to UTF-8 text: gzip and zstd by their magic numbers (any number of members), UTF-16 by its byte order
//! mark or its zeros; and what our archive holds. What is no text at all is told by what it is.
//!
//! Everything streams, so a file that unpacks to terabytes costs time and no memory. Bytes that aren't valid UTF-8 pass as they are.

use crate::archive;
use flate2::read::MultiGzDecoder;
use gridwatch_log::Segment;
use std::io::{Cursor, Read, Result};

/// gzip in zstd in gzip: more is no file that somebody made for us.
const MAX_LAYERS: usize = 3;
/// Enough for every magic number, and for the first line of a CSV.
const HEAD_BYTES: usize = 4096;

/// Of what isn't read: what it is, and what to do instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    pub what: &'static str,
    pub hint: &'static str,
}

const UNPACK: &str = "unpack it first; gzip and zstd are read as they are";
const FOREIGN: [(&[u8], Foreign); 5] = [
    (b"PK\x03\x04", Foreign { what: "a zip archive", hint: UNPACK }),
    (b"BZh", Foreign { what: "packed with bzip2", hint: UNPACK }),
    (b"\xfd7zXZ\0", Foreign { what: "packed with xz", hint: UNPACK }),
    (
        b"PAR1",
        Foreign {
            what: "Parquet",
            hint: "export the column `raw_data` as JSON, a line each: `replay` reads it from there",
        },
    ),
    (b"SQLite format 3\0", Foreign { what: "an SQLite database", hint: "export the entries as JSON, a line each" }),
];
const CSV: Foreign = Foreign {
    what: "CSV",
    hint: "export as JSON instead: one object a line, or a list of them, with Slack's entry in `_raw`, `event.original` or `raw_data`",
};
/// Column names by which the first line of a CSV is known.
const COLUMNS: [&str; 16] = [
    "_raw",
    "_time",
    "raw_data",
    "time",
    "timegenerated",
    "@timestamp",
    "timestamp",
    "date_create",
    "date",
    "action",
    "id",
    "actor",
    "event.original",
    "message",
    "host",
    "_source",
];

const LOG: Foreign = Foreign {
    what: "a log of gridwatch's own",
    hint: "an archive's entries are in its `entries-*.log`; `--archive` reads all of it, in the order in which they were judged",
};

/// A segment of an archive's entries, as lines of what Slack sent.
struct Entries {
    of: Segment<Box<dyn Read>>,
    lines: Cursor<Vec<u8>>,
}

impl Read for Entries {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        loop {
            match self.lines.read(into)? {
                0 if !into.is_empty() => {}
                bytes => return Ok(bytes),
            }
            let Some(records) = self.of.next_records()? else { return Ok(0) };
            let lines = records.iter().flat_map(|record| [archive::raw_of(record), &b"\n"[..]]);
            self.lines = Cursor::new(lines.collect::<Vec<_>>().concat());
        }
    }
}

pub enum Decoded {
    Text(Box<dyn Read>),
    Foreign(Foreign),
}

/// What a file says, as UTF-8.
///
/// # Errors
/// The file can't be read, or is packed and broken.
pub fn decoded(file: Box<dyn Read>) -> Result<Decoded> {
    let mut bytes = file;
    for _ in 0..=MAX_LAYERS {
        let (head, whole) = peeked(bytes)?;
        bytes = match head.as_slice() {
            [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(whole)),
            // A skippable frame, as our archive begins with, is zstd too.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Box::new(zstd::Decoder::new(whole)?),
            head if gridwatch_log::name_of(head) == Some(archive::ENTRIES) => {
                return Ok(Decoded::Text(Box::new(Entries { of: Segment::new(whole), lines: Cursor::default() })));
            }
            head if gridwatch_log::name_of(head).is_some() => return Ok(Decoded::Foreign(LOG)),
            head => {
                let magic = FOREIGN.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, foreign)| *foreign);
                let foreign = magic.or_else(|| is_csv(head).then_some(CSV));
                return Ok(foreign.map_or_else(|| Decoded::Text(text(head, whole)), Decoded::Foreign));
            }
        };
    }
    Ok(Decoded::Foreign(Foreign { what: "packed more than three times", hint: "unpack it first" }))
}

/// The first bytes, and a reader that has them still.
fn peeked(mut bytes: Box<dyn Read>) -> Result<(Vec<u8>, Box<dyn Read>)> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    bytes.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok((head.clone(), Box::new(Cursor::new(head).chain(bytes))))
}

fn text(head: &[u8], whole: Box<dyn Read>) -> Box<dyn Read> {
    let order = match head {
        [0xff, 0xfe, ..] => Order::LittleEndian,
        [0xfe, 0xff, ..] => Order::BigEndian,
        // JSON begins with characters of ASCII, so without a mark the zeros tell the order.
        [a, 0, b, 0, ..] if *a > 0 && *b > 0 => Order::LittleEndian,
        [0, a, 0, b, ..] if *a > 0 && *b > 0 => Order::BigEndian,
        _ => return whole,
    };
    Box::new(Utf16 { bytes: whole, order, left: Vec::new(), ready: Cursor::default() })
}

/// Is the first line a list of column names?
fn is_csv(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head));
    let Some(line) = head.lines().find(|line| !line.trim().is_empty()) else { return false };
    let Some(separator) = [',', ';', '\t'].into_iter().find(|separator| line.contains(*separator)) else {
        return false;
    };
    let names: Vec<String> =
        line.split(separator).map(|name| name.trim().trim_matches('"').to_ascii_lowercase()).collect();
    let is_name = |name: &String| name.len() <= 64 && name.chars().all(|c| c.is_alphanumeric() || "_.@- ".contains(c));
    names.iter().all(is_name) && names.iter().any(|name| COLUMNS.contains(&name.as_str()))
}

#[derive(Clone, Copy, Debug)]
enum Order {
    LittleEndian,
    BigEndian,
}

/// UTF-16 read as UTF-8. A half character becomes U+FFFD.
struct Utf16 {
    bytes: Box<dyn Read>,
    order: Order,
    /// Bytes of a character that isn't whole yet: three at most.
    left: Vec<u8>,
    ready: Cursor<Vec<u8>>,
}

impl Utf16 {
    /// Decodes the next bytes; false at the end.
    fn fill(&mut self) -> Result<bool> {
        let mut bytes = std::mem::take(&mut self.left);
        let had = bytes.len();
        self.bytes.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut bytes)?;
        let at_end = bytes.len() == had;
        let mut units: Vec<u16> = bytes.chunks_exact(2).map(|pair| self.unit([pair[0], pair[1]])).collect();
        let mut used = units.len() * 2;
        if !at_end && units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit)) {
            units.pop();
            used -= 2;
        }
        self.left = if at_end { Vec::new() } else { bytes[used..].to_vec() };
        let chars = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
        self.ready = Cursor::new(chars.collect::<String>().into_bytes());
        Ok(!at_end || !self.ready.get_ref().is_empty())
    }

    fn unit(&self, pair: [u8; 2]) -> u16 {
        match self.order {
            Order::LittleEndian => u16::from_le_bytes(pair),
            Order::BigEndian => u16::from_be_bytes(pair),
        }
    }
}

impl Read for Utf16 {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        loop {
            let read = self.ready.read(out)?;
            if read > 0 || out.is_empty() || !self.fill()? {
                return Ok(read);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read(bytes: Vec<u8>) -> String {
        match decoded(Box::new(Cursor::new(bytes))).unwrap() {
            Decoded::Text(mut text) => {
                let mut out = Vec::new();
                text.read_to_end(&mut out).unwrap();
                String::from_utf8(out).unwrap()
            }
            Decoded::Foreign(foreign) => foreign.what.to_owned(),
        }
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn packed_texts_are_unpacked_member_by_member() {
        let zstd = |text: &[u8]| zstd::encode_all(text, 1).unwrap();
        assert_eq!(read([gzip(b"{\"a\":1}\n"), gzip(b"{\"a\":2}\n")].concat()), "{\"a\":1}\n{\"a\":2}\n");
        assert_eq!(read([zstd(b"{\"a\":1}\n"), zstd(b"{\"a\":2}\n")].concat()), "{\"a\":1}\n{\"a\":2}\n");
        assert_eq!(read(gzip(&zstd(b"{}"))), "{}");
        assert_eq!(read(gzip(&gzip(&gzip(&gzip(b"{}"))))), "packed more than three times");
    }

    #[test]
    fn utf_16_is_read_in_both_orders_with_and_without_a_mark() {
        let long = format!("[{}\"🙂é\"]", "\"x\",".repeat(3_000));
        for text in ["{\"name\":\"🙂é\"}", &long] {
            let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            assert_eq!(read(little.clone()), text);
            assert_eq!(read(big.clone()), text);
            assert_eq!(read([vec![0xff, 0xfe], little.clone()].concat()).trim_start_matches('\u{feff}'), text);
            assert_eq!(read([vec![0xfe, 0xff], big].concat()).trim_start_matches('\u{feff}'), text);
            assert_eq!(read(gzip(&little)), text);
        }
        let half = [&[b'{', 0][..], &[0x3d, 0xd8], &[b'}', 0]].concat();
        assert_eq!(read([vec![0xff, 0xfe], half].concat()), "\u{feff}{\u{fffd}}");
    }

    #[test]
    fn what_is_no_text_is_told_by_what_it_is() {
        for (bytes, what) in [
            (&b"PK\x03\x04..."[..], "a zip archive"),
            (b"PAR1...", "Parquet"),
            (b"_time,host,_raw\n1,h,{}\n", "CSV"),
            (b"\xef\xbb\xbf\"date_create\";\"action\"\r\n", "CSV"),
        ] {
            assert_eq!(read(bytes.to_vec()), what);
        }
        assert_eq!(read(b"this is, in fact, no CSV!".to_vec()), "this is, in fact, no CSV!");
    }
}
