//! Archives of before: segments `seg-<first seq, 20 digits>-<day>.ndjson.zst`, of which `zstdcat` makes lines of JSON. Read and pruned,
//! never written; the day is when a segment's first entry was first seen. Reading holds one frame in memory.

use super::ArchiveRecord;
use super::frame::{self, Found};
use super::{ArchiveError, record};
use gridwatch_event::time::UnixSeconds;
use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Records in order of `seq` whose event time is in the closed range, and one of `only_at` if that is given. After an `Err` the stream
/// goes on with what can be read.
pub(super) fn read(
    folder: &Path,
    from: UnixSeconds,
    to: UnixSeconds,
    only_at: Option<BTreeSet<UnixSeconds>>,
) -> Result<Records, ArchiveError> {
    Ok(Records {
        segments: segments(folder)?.into_iter().map(|segment| segment.path).collect(),
        from,
        to,
        only_at,
        segment: None,
        lines: Vec::new(),
        used: 0,
    })
}

/// Number of the newest record there is.
pub(super) fn last_seq(folder: &Path) -> Result<Option<u64>, ArchiveError> {
    let Some(segment) = segments(folder)?.pop() else { return Ok(None) };
    let Some(mut open) = OpenSegment::open(segment.path)? else { return Ok(None) };
    let mut last = None;
    while let Some(found) = frame::find(&open.file, open.at, open.length).map_err(|e| open.io(e))? {
        (open.at, last) = (found.end(), Some(found.header.last_seq));
    }
    Ok(last)
}

/// Removes the segments in which every entry was first seen on a day before that of `before`; returns how many. First seen rather
/// than event time: a backfilled entry is new to the archive, however old.
pub(super) fn prune(folder: &Path, before: UnixSeconds) -> Result<usize, ArchiveError> {
    let (segments, limit) = (segments(folder)?, record::day(before.millis()));
    let mut removed = 0;
    for (at, segment) in segments.iter().enumerate() {
        // All of a segment was seen by the day the next one starts. A clock that once was behind must not make it older.
        let next = segments.get(at + 1).map_or(&*segment.day, |next| &*next.day);
        if segment.day.as_str().max(next) >= limit.as_str() {
            break;
        }
        std::fs::remove_file(&segment.path).map_err(|e| ArchiveError::io("remove", &segment.path, e))?;
        tracing::info!(segment = %segment.path.display(), "archive segment removed");
        removed += 1;
    }
    Ok(removed)
}

#[derive(Debug)]
struct SegmentName {
    first_seq: u64,
    day: String,
    path: PathBuf,
}

/// Segments in order of their first record. Other files are let be.
fn segments(folder: &Path) -> Result<Vec<SegmentName>, ArchiveError> {
    let failed = |e| ArchiveError::io("list", folder, e);
    let mut segments = Vec::new();
    for found in std::fs::read_dir(folder).map_err(failed)? {
        let path = found.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let parts = name
            .strip_prefix("seg-")
            .and_then(|rest| rest.strip_suffix(".ndjson.zst"))
            .and_then(|rest| rest.split_once('-'));
        if let Some((number, day)) = parts
            && let (20, Ok(first_seq)) = (number.len(), number.parse())
        {
            let day = day.to_owned();
            segments.push(SegmentName { first_seq, day, path });
        }
    }
    segments.sort_by_key(|segment| segment.first_seq);
    Ok(segments)
}

#[derive(Debug)]
pub(super) struct Records {
    segments: VecDeque<PathBuf>,
    from: UnixSeconds,
    to: UnixSeconds,
    only_at: Option<BTreeSet<UnixSeconds>>,
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
    fn next_line(&mut self) -> Option<&[u8]> {
        let rest = self.lines.get(self.used..).filter(|rest| !rest.is_empty())?;
        let bytes = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |at| at + 1);
        self.used += bytes;
        Some(&rest[..bytes])
    }

    fn is_wanted(&self, record: &ArchiveRecord) -> bool {
        let time = record.time();
        (self.from..=self.to).contains(&time) && self.only_at.as_ref().is_none_or(|times| times.contains(&time))
    }

    fn may_hold_wanted(&self, found: &Found) -> bool {
        let header = &found.header;
        let has_one = |times: &BTreeSet<UnixSeconds>| times.range(header.oldest..=header.newest).next().is_some();
        header.newest >= self.from && header.oldest <= self.to && self.only_at.as_ref().is_none_or(has_one)
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
