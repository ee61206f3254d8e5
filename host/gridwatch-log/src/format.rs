//! The bytes of a segment. Numbers are little endian.
//!
//! ```text
//! header (64 bytes)
//!  0 "gridwlog"              8 layout: 1 (u32)        12 flags (u32): 1 numbers were skipped before it
//! 16 name of the log (16)   32 first number (u64)     40 first number of the segment before it, or 2^64 - 1 (u64)
//! 48 zeros (12)             60 CRC-32 of bytes 0 to 59
//!
//! block: header (64 bytes), payload
//!  0 "gwb1"                  4 records (u32)           8 number of the first (u64)   16 change that it belongs to (u64)
//! 24 lowest key (u64)       32 highest key (u64)      40 bytes unpacked (u32)       44 bytes of the payload (u32)
//! 48 CRC-32 of the payload  52 zeros (8)              60 CRC-32 of bytes 0 to 59
//!
//! payload: a zstd frame of: the length of each record (u32 each), then the records one after another
//! ```

use crate::LogError;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

pub(crate) const HEADER_BYTES: u64 = 64;
const LAYOUT: u32 = 1;
const SEGMENT: &[u8; 8] = b"gridwlog";
const BLOCK: &[u8; 4] = b"gwb1";
const SKIPPED: u32 = 1;
const NONE: u64 = u64::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) first: u64,
    /// First number of the segment before it.
    pub(crate) previous: Option<u64>,
    /// Its first number doesn't follow the last one of the segment before it.
    pub(crate) has_skipped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    pub(crate) count: u32,
    pub(crate) first: u64,
    pub(crate) commit: u64,
    pub(crate) lowest: u64,
    pub(crate) highest: u64,
    pub(crate) raw_bytes: u32,
    pub(crate) packed_bytes: u32,
    pub(crate) sum: u32,
}

type Bytes = [u8; HEADER_BYTES as usize];

fn put(bytes: &mut Bytes, at: usize, what: &[u8]) {
    bytes[at..at + what.len()].copy_from_slice(what);
}

fn long(bytes: &Bytes, at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

fn short(bytes: &Bytes, at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

fn seal(mut bytes: Bytes) -> Bytes {
    let sum = crc32fast::hash(&bytes[..60]);
    put(&mut bytes, 60, &sum.to_le_bytes());
    bytes
}

fn is_sealed(bytes: &Bytes) -> bool {
    crc32fast::hash(&bytes[..60]) == short(bytes, 60)
}

fn name_bytes(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    let length = name.len().min(16);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    bytes
}

impl SegmentHeader {
    pub(crate) fn to_bytes(self, name: &str) -> Bytes {
        let mut bytes = [0; HEADER_BYTES as usize];
        put(&mut bytes, 0, SEGMENT);
        put(&mut bytes, 8, &LAYOUT.to_le_bytes());
        put(&mut bytes, 12, &(if self.has_skipped { SKIPPED } else { 0 }).to_le_bytes());
        put(&mut bytes, 16, &name_bytes(name));
        put(&mut bytes, 32, &self.first.to_le_bytes());
        put(&mut bytes, 40, &self.previous.unwrap_or(NONE).to_le_bytes());
        seal(bytes)
    }

    /// Of a segment that says by its name which record it begins with.
    pub(crate) fn read(file: &File, path: &Path, name: &str, first: u64) -> Result<Self, LogError> {
        let bytes = match bytes_at(file, 0) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(LogError::damaged(path, 0, "it has no whole header")),
            Err(error) => return Err(LogError::io("read", path, error)),
        };
        if !bytes.starts_with(SEGMENT) || !is_sealed(&bytes) {
            return Err(LogError::damaged(path, 0, "its header isn't what was written"));
        }
        let layout = short(&bytes, 8);
        if layout != LAYOUT {
            return Err(LogError::Newer { path: path.to_owned(), layout });
        }
        let previous = Some(long(&bytes, 40)).filter(|previous| *previous != NONE);
        let header = Self { first: long(&bytes, 32), previous, has_skipped: short(&bytes, 12) & SKIPPED != 0 };
        if bytes[16..32] != name_bytes(name) || header.first != first {
            return Err(LogError::damaged(path, 0, "it is another segment than its name says"));
        }
        Ok(header)
    }
}

impl BlockHeader {
    pub(crate) fn to_bytes(self) -> Bytes {
        let mut bytes = [0; HEADER_BYTES as usize];
        put(&mut bytes, 0, BLOCK);
        put(&mut bytes, 4, &self.count.to_le_bytes());
        put(&mut bytes, 8, &self.first.to_le_bytes());
        put(&mut bytes, 16, &self.commit.to_le_bytes());
        put(&mut bytes, 24, &self.lowest.to_le_bytes());
        put(&mut bytes, 32, &self.highest.to_le_bytes());
        put(&mut bytes, 40, &self.raw_bytes.to_le_bytes());
        put(&mut bytes, 44, &self.packed_bytes.to_le_bytes());
        put(&mut bytes, 48, &self.sum.to_le_bytes());
        seal(bytes)
    }

    fn from_bytes(bytes: &Bytes) -> Option<Self> {
        let header = Self {
            count: short(bytes, 4),
            first: long(bytes, 8),
            commit: long(bytes, 16),
            lowest: long(bytes, 24),
            highest: long(bytes, 32),
            raw_bytes: short(bytes, 40),
            packed_bytes: short(bytes, 44),
            sum: short(bytes, 48),
        };
        let is_block = bytes.starts_with(BLOCK) && is_sealed(bytes) && header.count > 0;
        (is_block && header.first.checked_add(header.count.into()).is_some()).then_some(header)
    }

    /// The block that begins there, if a whole one does. Its payload isn't looked at.
    pub(crate) fn at(file: &File, at: u64, length: u64) -> io::Result<Option<Self>> {
        let Some(bytes) = bytes_at(file, at)? else { return Ok(None) };
        Ok(Self::from_bytes(&bytes).filter(|header| header.bytes() <= length.saturating_sub(at)))
    }

    /// The first block at or after a place whose header is whole.
    pub(crate) fn find(file: &File, from: u64, length: u64) -> io::Result<Option<(u64, Self)>> {
        let mut some = vec![0; 64 << 10];
        let mut at = from;
        while at + HEADER_BYTES <= length {
            let bytes = usize::try_from(length - at).unwrap_or(usize::MAX).min(some.len());
            let some = &mut some[..bytes];
            file.read_exact_at(some, at)?;
            for start in (0..=bytes - BLOCK.len()).filter(|start| some[*start..].starts_with(BLOCK)) {
                if let Some(header) = Self::at(file, at + start as u64, length)? {
                    return Ok(Some((at + start as u64, header)));
                }
            }
            // The next piece overlaps this one, for a start that lies across both.
            at += (bytes - BLOCK.len() + 1) as u64;
        }
        Ok(None)
    }

    /// Number of the record after its last one.
    pub(crate) fn next(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    /// With its payload.
    pub(crate) fn bytes(&self) -> u64 {
        HEADER_BYTES + u64::from(self.packed_bytes)
    }

    /// Where each record ends, and their bytes; `None` if they aren't what was written.
    pub(crate) fn unpack(&self, file: &File, at: u64) -> io::Result<Option<(Vec<u32>, Vec<u8>)>> {
        let mut packed = vec![0; self.packed_bytes as usize];
        file.read_exact_at(&mut packed, at + HEADER_BYTES)?;
        Ok(self.unpack_payload(&packed))
    }

    fn unpack_payload(&self, packed: &[u8]) -> Option<(Vec<u32>, Vec<u8>)> {
        if crc32fast::hash(packed) != self.sum {
            return None;
        }
        let mut raw = zstd::bulk::decompress(packed, self.raw_bytes as usize).ok()?;
        let lengths = self.count as usize * 4;
        if raw.len() != self.raw_bytes as usize || raw.len() < lengths {
            return None;
        }
        let (mut ends, mut end) = (Vec::with_capacity(self.count as usize), 0_u32);
        for length in raw[..lengths].chunks_exact(4) {
            let length = length.first_chunk().map_or(0, |chunk| u32::from_le_bytes(*chunk));
            end = end.checked_add(length)?;
            ends.push(end);
        }
        raw.drain(..lengths);
        (raw.len() == end as usize).then_some((ends, raw))
    }
}

/// Which log a file is a segment of, by its first bytes; `None` if it is none.
pub fn name_of(head: &[u8]) -> Option<&str> {
    let name = head.strip_prefix(SEGMENT)?.get(8..24)?;
    std::str::from_utf8(name).ok().map(|name| name.trim_end_matches('\0'))
}

/// Reads a segment from its beginning to its end, as a file like any other.
#[derive(Debug)]
pub struct Segment<R> {
    from: R,
    has_begun: bool,
}

impl<R: Read> Segment<R> {
    pub fn new(from: R) -> Self {
        Self { from, has_begun: false }
    }

    /// The records of the next block; `None` at the end.
    ///
    /// # Errors
    /// It can't be read, or isn't what was written.
    pub fn next_records(&mut self) -> io::Result<Option<Vec<Vec<u8>>>> {
        let mut header = [0; HEADER_BYTES as usize];
        if !self.has_begun {
            self.from.read_exact(&mut header)?;
            self.has_begun = true;
        }
        match self.from.read_exact(&mut header) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let odd = || io::Error::new(io::ErrorKind::InvalidData, "a block of a log isn't what was written");
        let block = BlockHeader::from_bytes(&header).ok_or_else(odd)?;
        let mut packed = vec![0; block.packed_bytes as usize];
        self.from.read_exact(&mut packed)?;
        let (ends, bytes) = block.unpack_payload(&packed).ok_or_else(odd)?;
        let begins = std::iter::once(0).chain(ends.iter().copied());
        Ok(Some(begins.zip(&ends).map(|(begin, end)| bytes[begin as usize..*end as usize].to_vec()).collect()))
    }
}

/// `None` where the file ends before.
fn bytes_at(file: &File, at: u64) -> io::Result<Option<Bytes>> {
    let mut bytes = [0; HEADER_BYTES as usize];
    match file.read_exact_at(&mut bytes, at) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
