//! A frame of an archive of before: a header that zstd skips, then records compressed by themselves.
//!
//! Layout of the header, little endian (a "skippable frame", RFC 8878 section 3.1.2):
//! ```text
//!  0 magic 0x184D2A5E   4 length of what follows: 52   8 "gwa1"
//! 12 first seq u64     20 last seq u64                28 oldest event time u64   36 newest event time u64
//! 44 length of the compressed frame u32               48 length of its content u32
//! 52 first 8 bytes of SHA-256 over the bytes 0 to 51
//! ```

#[cfg(test)]
use super::record::ArchiveRecord;
use gridwatch_event::time::UnixSeconds;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
#[cfg(test)]
use zstd::zstd_safe::CParameter;

const HEADER_BYTES: usize = 60;
/// Magic number, length and our own mark: what a header starts with.
const START: &[u8; 12] = b"\x5e\x2a\x4d\x18\x34\x00\x00\x00gwa1";

/// Content of a frame, lines of one record each; only a single larger record makes a larger frame. It bounds the memory
/// that reading needs.
#[cfg(test)]
const MAX_CONTENT_BYTES: usize = 4 << 20;

/// zstd's own default: audit entries shrink about tenfold, and much more CPU time buys little more.
#[cfg(test)]
const LEVEL: i32 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
    /// Event times.
    pub(super) oldest: UnixSeconds,
    pub(super) newest: UnixSeconds,
    frame_bytes: u32,
    content_bytes: u32,
}

/// A header and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) at: u64,
    pub(super) header: Header,
}

impl Found {
    /// Where its frame ends.
    pub(super) fn end(&self) -> u64 {
        self.at + HEADER_BYTES as u64 + u64::from(self.header.frame_bytes)
    }
}

/// Compresses the first of these records into a frame; as many as fit, at least one. Returns how many.
#[cfg(test)]
pub(super) fn encode(records: &[ArchiveRecord]) -> io::Result<(Vec<u8>, usize)> {
    let mut content = Vec::new();
    let mut taken = 0;
    for record in records {
        let before = content.len();
        record.write_line(&mut content)?;
        if before > 0 && content.len() > MAX_CONTENT_BYTES {
            content.truncate(before);
            break;
        }
        taken += 1;
    }
    let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    let frame = compressor.compress(&content)?;
    let mut bytes = Header::of(&records[..taken], frame.len(), content.len())?.to_bytes();
    bytes.extend(frame);
    Ok((bytes, taken))
}

impl Header {
    #[cfg(test)]
    fn of(records: &[ArchiveRecord], frame_bytes: usize, content_bytes: usize) -> io::Result<Self> {
        let short = |n| u32::try_from(n).map_err(|_| io::Error::other("a record of more than 4 GiB"));
        let times = || records.iter().map(ArchiveRecord::time);
        Ok(Self {
            first_seq: records.first().map_or(0, |r| r.seq),
            last_seq: records.last().map_or(0, |r| r.seq),
            oldest: times().min().unwrap_or_default(),
            newest: times().max().unwrap_or_default(),
            frame_bytes: short(frame_bytes)?,
            content_bytes: short(content_bytes)?,
        })
    }

    #[cfg(test)]
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = START.to_vec();
        for number in [self.first_seq, self.last_seq, self.oldest.0, self.newest.0] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.frame_bytes.to_le_bytes());
        bytes.extend(self.content_bytes.to_le_bytes());
        let check = Sha256::digest(&bytes);
        bytes.extend(&check[..8]);
        bytes
    }

    fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let (said, check) = bytes.split_at(HEADER_BYTES - 8);
        let long = |at: usize| Some(u64::from_le_bytes(bytes[at..at + 8].try_into().ok()?));
        let short = |at: usize| Some(u32::from_le_bytes(bytes[at..at + 4].try_into().ok()?));
        if !said.starts_with(START) || &Sha256::digest(said)[..8] != check {
            return None;
        }
        Some(Self {
            first_seq: long(12)?,
            last_seq: long(20)?,
            oldest: UnixSeconds(long(28)?),
            newest: UnixSeconds(long(36)?),
            frame_bytes: short(44)?,
            content_bytes: short(48)?,
        })
    }
}

/// The first whole frame at or after `from`, in a file of that length. At `from` unless something is damaged or torn.
pub(super) fn find(file: &File, from: u64, length: u64) -> io::Result<Option<Found>> {
    if let Some(found) = header_at(file, from, length)? {
        return Ok(Some(found));
    }
    let mut block = vec![0; 64 << 10];
    let mut at = from;
    while at + (HEADER_BYTES as u64) < length {
        let bytes = usize::try_from(length - at).unwrap_or(usize::MAX).min(block.len());
        let block = &mut block[..bytes];
        file.read_exact_at(block, at)?;
        for start in (0..bytes.saturating_sub(START.len() - 1)).filter(|start| block[*start..].starts_with(START)) {
            if let Some(found) = header_at(file, at + start as u64, length)? {
                return Ok(Some(found));
            }
        }
        // The next block overlaps this one, for a start that lies across both.
        at += (bytes - START.len() + 1) as u64;
    }
    Ok(None)
}

fn header_at(file: &File, at: u64, length: u64) -> io::Result<Option<Found>> {
    if at + HEADER_BYTES as u64 > length {
        return Ok(None);
    }
    let mut bytes = [0; HEADER_BYTES];
    file.read_exact_at(&mut bytes, at)?;
    let found = Header::from_bytes(&bytes).map(|header| Found { at, header });
    Ok(found.filter(|found| found.end() <= length))
}

/// The lines in a frame, or `None` if it is damaged.
pub(super) fn decode(file: &File, found: &Found) -> io::Result<Option<Vec<u8>>> {
    let mut frame = vec![0; found.header.frame_bytes as usize];
    file.read_exact_at(&mut frame, found.at + HEADER_BYTES as u64)?;
    let content_bytes = found.header.content_bytes as usize;
    let content = zstd::bulk::decompress(&frame, content_bytes).ok();
    Ok(content.filter(|content| content.len() == content_bytes))
}
