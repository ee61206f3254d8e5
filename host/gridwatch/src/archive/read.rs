//! Reading the archive: a stream of records, one frame in memory at a time.

use super::frame::{self, Found};
use super::record::ArchiveRecord;
use super::{ArchiveError, SegmentName, segments};
use gridwatch_event::time::UnixSeconds;
use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Records in order of `seq` whose event time is in the closed range. Takes no lock and changes nothing: what a running
/// gridwatch is just appending is not there yet, and a segment it removes meanwhile is passed over.
///
/// After an `Err` the stream goes on with what can be read.
pub fn read(folder: &Path, from: Option<UnixSeconds>, to: Option<UnixSeconds>) -> Result<Records, ArchiveError> {
    let segments = segments(folder)?;
    Ok(Records::new(segments, from.unwrap_or_default(), to))
}

/// The same of events at exactly these times. Frames without one aren't unpacked.
pub fn read_at(folder: &Path, times: BTreeSet<UnixSeconds>) -> Result<Records, ArchiveError> {
    let mut records = read(folder, times.first().copied(), times.last().copied())?;
    records.only_at = Some(times);
    Ok(records)
}

/// All records from this number on.
pub(super) fn from_seq(folder: &Path, seq: u64) -> Result<Records, ArchiveError> {
    let mut segments = segments(folder)?;
    let before = segments.partition_point(|segment| segment.first_seq <= seq);
    segments.drain(..before.saturating_sub(1));
    let mut records = Records::new(segments, UnixSeconds(0), None);
    records.from_seq = seq;
    Ok(records)
}

#[derive(Debug)]
pub struct Records {
    segments: VecDeque<PathBuf>,
    from: UnixSeconds,
    to: UnixSeconds,
    only_at: Option<BTreeSet<UnixSeconds>>,
    from_seq: u64,
    segment: Option<OpenSegment>,
    /// Lines of the frame at hand, and how much of them was handed out.
    lines: Vec<u8>,
    used: usize,
}

#[derive(Debug)]
struct OpenSegment {
    path: PathBuf,
    file: File,
    at: u64,
    length: u64,
}

impl Records {
    fn new(segments: Vec<SegmentName>, from: UnixSeconds, to: Option<UnixSeconds>) -> Self {
        Self {
            segments: segments.into_iter().map(|segment| segment.path).collect(),
            from,
            to: to.unwrap_or(UnixSeconds(u64::MAX)),
            only_at: None,
            from_seq: 0,
            segment: None,
            lines: Vec::new(),
            used: 0,
        }
    }

    fn next_line(&mut self) -> Option<&[u8]> {
        let rest = self.lines.get(self.used..).filter(|rest| !rest.is_empty())?;
        let bytes = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |at| at + 1);
        self.used += bytes;
        Some(&rest[..bytes])
    }

    fn is_wanted(&self, record: &ArchiveRecord) -> bool {
        let time = record.time();
        record.seq >= self.from_seq
            && (self.from..=self.to).contains(&time)
            && self.only_at.as_ref().is_none_or(|times| times.contains(&time))
    }

    fn may_hold_wanted(&self, found: &Found) -> bool {
        let header = &found.header;
        let has_one = |times: &BTreeSet<UnixSeconds>| times.range(header.oldest..=header.newest).next().is_some();
        header.last_seq >= self.from_seq
            && header.newest >= self.from
            && header.oldest <= self.to
            && self.only_at.as_ref().is_none_or(has_one)
    }

    /// Loads the lines of the next frame that may hold something wanted. `false` at the end of the archive.
    fn load_frame(&mut self) -> Result<bool, ArchiveError> {
        loop {
            let segment = match self.segment.take() {
                Some(segment) => segment,
                None => match self.segments.pop_front() {
                    None => return Ok(false),
                    Some(path) => match OpenSegment::open(path)? {
                        Some(segment) => segment,
                        None => continue,
                    },
                },
            };
            if self.load_from(segment)? {
                return Ok(true);
            }
        }
    }

    /// `false` when the frame was not wanted or the segment has no more.
    fn load_from(&mut self, mut segment: OpenSegment) -> Result<bool, ArchiveError> {
        let at = segment.at;
        // A read error here ends the segment: there is no telling where it would go on.
        let found = frame::find(&segment.file, at, segment.length).map_err(|e| segment.io(e))?;
        let Some(found) = found else {
            // Only the last segment can end in the middle of a frame that is being written.
            let torn = at < segment.length && !self.segments.is_empty();
            return if torn { Err(segment.damaged(at, segment.length)) } else { Ok(false) };
        };
        if found.at > at {
            segment.at = found.at;
            let damaged = segment.damaged(at, found.at);
            self.segment = Some(segment);
            return Err(damaged);
        }
        segment.at = found.end();
        let result = match self.may_hold_wanted(&found) {
            false => Ok(false),
            true => match frame::decode(&segment.file, &found) {
                Ok(Some(lines)) => {
                    (self.lines, self.used) = (lines, 0);
                    Ok(true)
                }
                Ok(None) => Err(segment.damaged(at, found.end())),
                Err(e) => Err(segment.io(e)),
            },
        };
        self.segment = Some(segment);
        result
    }
}

impl OpenSegment {
    /// `None` if it has been removed since it was listed.
    fn open(path: PathBuf) -> Result<Option<Self>, ArchiveError> {
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        match opened {
            Ok((length, file)) => Ok(Some(Self { path, file, at: 0, length })),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(ArchiveError::io("open", &path, e)),
        }
    }

    fn io(&self, error: io::Error) -> ArchiveError {
        ArchiveError::io("read", &self.path, error)
    }

    fn damaged(&self, at: u64, end: u64) -> ArchiveError {
        ArchiveError::Damaged { path: self.path.clone(), at, bytes: end - at }
    }
}

impl Iterator for Records {
    type Item = Result<ArchiveRecord, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            while let Some(line) = self.next_line() {
                // A line that passed the checksum but is no record is a newer gridwatch's; it has to be told, too.
                let Some(record) = ArchiveRecord::from_line(line) else {
                    let bytes = line.len() as u64;
                    let (path, at) = self.segment.as_ref().map(|s| (s.path.clone(), s.at)).unwrap_or_default();
                    return Some(Err(ArchiveError::Damaged { path, at, bytes }));
                };
                if self.is_wanted(&record) {
                    return Some(Ok(record));
                }
            }
            match self.load_frame() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
