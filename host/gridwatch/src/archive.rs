//! The archive: delivered entries on disk, compressed, for replay, backtests and rebuilding.
//!
//! A segment is a file `seg-<first seq, 20 digits>-<day>.ndjson.zst`; the day is when its first entry was first seen.
//! `zstdcat` reads it: lines of `{"seq":…,"first_seen":…,"raw":<the entry as Slack sent it>}`, with a `counts_as` where an entry's
//! own time wasn't used, and a `version` from the second one of an id on. Inside it is a row of
//! zstd frames, each with a checksum and a [`Header`] before it. The header is a frame that zstd skips; it says what is
//! in its frame, so that scanning decompresses nothing, and it is what reading finds its way back by after damage.
//!
//! Promises:
//! - `append` returns once the records outlast a power cut. Killed anywhere, the archive holds each record at most once,
//!   in order, and opening takes away what wasn't written whole. Asked again for records that it has, it skips them.
//! - It never skips a record because its number is taken by another one: that is an error ([`ArchiveError::Conflict`]).
//! - Damage costs the frames it is in. Reading reports it and goes on.
//! - Reading holds one frame in memory and needs no lock; it may go on beside a running gridwatch.
//!
//! It doesn't read the clock: the caller says what is too old.

use crate::disk::{self, Disk, OsDisk};
use gridwatch_event::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use tracing::{info, warn};

mod frame;
mod read;
mod record;

#[cfg(test)]
use read::Records;
pub use read::{read, read_at};
pub use record::ArchiveRecord;

use frame::Found;

#[derive(Debug)]
pub struct Archive {
    folder: PathBuf,
    /// A segment that has reached this is followed by a new one.
    segment_bytes: u64,
    disk: Box<dyn Disk>,
    /// The newest record that outlasts a power cut.
    last_seq: Option<u64>,
    segment: Option<Segment>,
    /// Held, not read: keeps a second gridwatch from this folder.
    _lock: File,
}

/// The segment that is written to.
#[derive(Debug)]
struct Segment {
    path: PathBuf,
    file: File,
    /// End of the last saved frame.
    end: u64,
    /// An append failed: there may be something beyond `end`, or the file's name may not be saved.
    unsure: bool,
}

/// What the archive has. The store saves it, to know which entries it may let go of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveResume {
    /// Highest `seq` in the archive; `None` while it is empty.
    pub last_seq: Option<u64>,
}

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("no space left to {doing} {}", path.display())]
    Full {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("could not {doing} {}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the archive {} is in use by another gridwatch", path.display())]
    Locked { path: PathBuf },
    #[error("record {seq} follows record {after}; records have to rise")]
    OutOfOrder { seq: u64, after: u64 },
    #[error("the archive reaches record {last_seq} but has another record {seq}, or none, than the one to be archived")]
    Conflict { seq: u64, last_seq: u64 },
    /// From reading only. What follows is read all the same.
    #[error("{} is damaged at byte {at}: {bytes} bytes can't be read", path.display())]
    Damaged { path: PathBuf, at: u64, bytes: u64 },
}

impl ArchiveError {
    fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match disk::is_full(&source) {
            true => Self::Full { doing, path, source },
            false => Self::Io { doing, path, source },
        }
    }

    /// What the reader of the error can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Full { .. } => Some("free some space, or keep less: `archive.keep`"),
            Self::Locked { .. } => Some("stop the other process, or give this one another `archive.dir`"),
            Self::Conflict { .. } => Some(
                "the store was reset but the archive wasn't: number new entries from after the archive's last one, or move \
                 the archive's folder away",
            ),
            Self::Damaged { .. } => Some("the entries in it can be had from Slack again with `slack.backfill`"),
            Self::Io { .. } | Self::OutOfOrder { .. } => None,
        }
    }
}

impl Archive {
    /// Opens the archive in `folder`, which is created if its parent exists, and takes away what wasn't written whole.
    pub fn open(folder: &Path, segment_bytes: u64) -> Result<Self, ArchiveError> {
        Self::open_on(Box::new(OsDisk), folder, segment_bytes)
    }

    fn open_on(disk: Box<dyn Disk>, folder: &Path, segment_bytes: u64) -> Result<Self, ArchiveError> {
        crate::folder::make(folder, crate::folder::PRIVATE)
            .map_err(|e| ArchiveError::io("create the folder", folder, e))?;
        let lock_path = folder.join(".lock");
        let lock = disk::lock(&lock_path)
            .map_err(|e| ArchiveError::io("lock", &lock_path, e))?
            .ok_or_else(|| ArchiveError::Locked { path: folder.to_owned() })?;
        let mut archive =
            Self { folder: folder.to_owned(), segment_bytes, disk, last_seq: None, segment: None, _lock: lock };
        archive.take_up()?;
        Ok(archive)
    }

    pub fn resume(&self) -> ArchiveResume {
        ArchiveResume { last_seq: self.last_seq }
    }

    /// Appends records of rising `seq`. Those it has already are compared and passed over. After an error the
    /// same call may be made again.
    pub fn append(&mut self, records: &[ArchiveRecord]) -> Result<ArchiveResume, ArchiveError> {
        if let Some(pair) = records.windows(2).find(|pair| pair[0].seq >= pair[1].seq) {
            return Err(ArchiveError::OutOfOrder { seq: pair[1].seq, after: pair[0].seq });
        }
        let is_new = |record: &ArchiveRecord| self.last_seq.is_none_or(|last| record.seq > last);
        let (known, mut rest) = records.split_at(records.partition_point(|record| !is_new(record)));
        self.compare(known)?;
        while let Some(first) = rest.first() {
            let (frame, taken) =
                frame::encode(rest).map_err(|e| ArchiveError::io("compress records for", &self.folder, e))?;
            self.write(first, &frame)?;
            let (done, after) = rest.split_at(taken);
            self.last_seq = done.last().map(|record| record.seq);
            rest = after;
        }
        Ok(self.resume())
    }

    /// Records in order of `seq` whose event time is in the closed range. See [`read`].
    #[cfg(test)]
    fn read(&self, from: Option<UnixSeconds>, to: Option<UnixSeconds>) -> Result<Records, ArchiveError> {
        read(&self.folder, from, to)
    }

    /// Removes the segments in which every entry was first seen on a day before that of `before`; returns how many. The
    /// segment in use stays. First seen rather than event time: a backfilled entry is new to the archive, however old.
    pub fn prune(&mut self, before: UnixSeconds) -> Result<usize, ArchiveError> {
        let segments = segments(&self.folder)?;
        let limit = record::day(before.millis());
        // All of a segment was seen by the day the next one starts. A clock that once was behind must not make it older.
        let outdated =
            segments.windows(2).take_while(|pair| pair[0].day.as_str().max(pair[1].day.as_str()) < limit.as_str());
        let mut removed = 0;
        for pair in outdated {
            let path = &pair[0].path;
            self.disk.remove(path).map_err(|e| ArchiveError::io("remove", path, e))?;
            info!(segment = %path.display(), "archive segment removed");
            removed += 1;
        }
        Ok(removed)
    }

    /// Finds the end of the last segment that has a whole frame; what comes after it was never promised to anyone.
    fn take_up(&mut self) -> Result<(), ArchiveError> {
        for SegmentName { path, .. } in segments(&self.folder)?.into_iter().rev() {
            let read = |e| ArchiveError::io("read", &path, e);
            let file = OpenOptions::new().read(true).write(true).open(&path).map_err(read)?;
            let length = file.metadata().map_err(read)?.len();
            let Some(found) = last_whole_frame(&file, length).map_err(read)? else {
                warn!(segment = %path.display(), bytes = length, "archive segment without a whole frame removed");
                self.disk.remove(&path).map_err(|e| ArchiveError::io("remove", &path, e))?;
                continue;
            };
            if found.end() < length {
                warn!(segment = %path.display(), bytes = length - found.end(), "torn archive frame cut off");
                self.disk.cut(&file, found.end()).map_err(|e| ArchiveError::io("cut", &path, e))?;
            }
            // A killed process may have written the last frame without saving it. After a sync that failed, the kernel may
            // hold it as saved although it isn't: only what is written again is sure to be saved by the next one.
            let last = frame::bytes(&file, &found).map_err(read)?;
            self.disk.write_at(&file, &last, found.at).map_err(|e| ArchiveError::io("write to", &path, e))?;
            let segment = Segment { end: found.end(), path, file, unsure: true };
            self.segment = Some(segment);
            self.make_sure()?;
            self.last_seq = Some(found.header.last_seq);
            return Ok(());
        }
        Ok(())
    }

    /// Brings the segment back to its last saved frame after a failure.
    fn make_sure(&mut self) -> Result<(), ArchiveError> {
        let Some(segment) = self.segment.as_mut().filter(|s| s.unsure) else { return Ok(()) };
        let path = &segment.path;
        self.disk.cut(&segment.file, segment.end).map_err(|e| ArchiveError::io("cut", path, e))?;
        self.disk.sync(&segment.file).map_err(|e| ArchiveError::io("save", path, e))?;
        self.disk.sync_folder(&self.folder).map_err(|e| ArchiveError::io("save the names in", &self.folder, e))?;
        segment.unsure = false;
        Ok(())
    }

    /// One frame, saved before the next is written: a power cut can spoil no more than the last one.
    fn write(&mut self, first: &ArchiveRecord, frame: &[u8]) -> Result<(), ArchiveError> {
        self.make_sure()?;
        if self.segment.as_ref().is_none_or(|s| s.end >= self.segment_bytes) {
            self.start_segment(first)?;
        }
        let Some(segment) = self.segment.as_mut() else { return Ok(()) };
        segment.unsure = true;
        let written =
            self.disk.write_at(&segment.file, frame, segment.end).and_then(|()| self.disk.sync(&segment.file));
        if let Err(e) = written {
            let error = ArchiveError::io("write to", &segment.path, e);
            // Now if the disk lets us, else before the next append.
            self.make_sure().ok();
            return Err(error);
        }
        segment.unsure = false;
        segment.end += frame.len() as u64;
        Ok(())
    }

    fn start_segment(&mut self, first: &ArchiveRecord) -> Result<(), ArchiveError> {
        let name = format!("seg-{:020}-{}.ndjson.zst", first.seq, record::day(first.sight.first_seen));
        let path = self.folder.join(name);
        let file = self.disk.create(&path).map_err(|e| ArchiveError::io("create", &path, e))?;
        self.segment = Some(Segment { path, file, end: 0, unsure: true });
        self.make_sure()
    }

    /// Are the records that are said to be in the archive really these?
    fn compare(&self, known: &[ArchiveRecord]) -> Result<(), ArchiveError> {
        let (Some(first), Some(last_seq)) = (known.first(), self.last_seq) else { return Ok(()) };
        let mut archived = read::from_seq(&self.folder, first.seq)?.filter_map(Result::ok).peekable();
        for record in known {
            while archived.next_if(|there| there.seq < record.seq).is_some() {}
            if archived.next_if_eq(record).is_none() {
                return Err(ArchiveError::Conflict { seq: record.seq, last_seq });
            }
        }
        Ok(())
    }
}

/// The last frame that is whole. Frames before it were saved before it was written.
fn last_whole_frame(file: &File, length: u64) -> io::Result<Option<Found>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(next) = frame::find(file, at, length)? {
        at = next.end();
        found.push(next);
    }
    while let Some(last) = found.pop() {
        if frame::decode(file, &last)?.is_some() {
            return Ok(Some(last));
        }
    }
    Ok(None)
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

#[cfg(test)]
mod tests;
