//! Writing a log.

use crate::LogError;
use crate::disk::Disk;
use crate::format::{BlockHeader, HEADER_BYTES, SegmentHeader};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use zstd::bulk::Compressor;

/// zstd's fastest: logs are written once and mostly read soon after.
const LEVEL: i32 = 1;

#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What its files are named after; at most 16 bytes.
    pub name: &'static str,
    /// A segment that has reached this is followed by a new one.
    pub segment_bytes: u64,
    /// Bytes that are compressed together; only a single larger record makes a larger block.
    pub block_bytes: usize,
}

/// How far a log goes. Whoever saves it with what else belongs to a change has committed the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Number of the next record.
    pub next: u64,
    /// Number of the last change.
    pub commit: u64,
    /// First number of the segment that is written to.
    segment: u64,
    /// Bytes of it; none before there is a first segment.
    offset: u64,
}

impl End {
    /// Of a log without records, whose first one will have this number.
    pub fn before(first: u64) -> Self {
        Self { next: first, commit: 0, segment: first, offset: 0 }
    }

    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (place, number) in bytes.chunks_exact_mut(8).zip([self.next, self.commit, self.segment, self.offset]) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let number = |at: usize| bytes[at..].first_chunk().map_or(0, |chunk| u64::from_be_bytes(*chunk));
        Self { next: number(0), commit: number(8), segment: number(16), offset: number(24) }
    }
}

/// A log, by the one who writes it.
pub struct Log {
    disk: Box<dyn Disk>,
    folder: PathBuf,
    settings: Settings,
    segments: Vec<Segment>,
    /// Of the last segment.
    file: Option<File>,
    kept: End,
    written: End,
    /// Something failed: there may be anything beyond `kept`.
    is_unsure: bool,
    packer: Compressor<'static>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { folder, settings, kept, written, .. } = self;
        f.debug_struct("Log")
            .field("folder", folder)
            .field("name", &settings.name)
            .field("kept", kept)
            .field("written", written)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Segment {
    first: u64,
    path: PathBuf,
    /// Its highest key, once it was looked for. It can't change any more.
    highest: Option<u64>,
}

/// Records on their way into a block.
#[derive(Debug, Default)]
struct Filling {
    lengths: Vec<u8>,
    bytes: Vec<u8>,
    count: u32,
    keys: Option<(u64, u64)>,
}

impl Filling {
    fn push(&mut self, key: u64, record: &[u8]) {
        self.lengths.extend((record.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(record);
        self.count += 1;
        let (lowest, highest) = self.keys.unwrap_or((key, key));
        self.keys = Some((lowest.min(key), highest.max(key)));
    }

    fn len(&self) -> usize {
        self.lengths.len() + self.bytes.len()
    }
}

impl Log {
    /// Opens a log as it was when this end was saved. What comes after it belongs to a change that was never saved, and is cut off.
    ///
    /// # Errors
    /// The log is damaged, or goes on for longer than that; or the disk refuses.
    pub fn open(disk: Box<dyn Disk>, folder: &Path, settings: Settings, end: End) -> Result<Self, LogError> {
        let mut log = Self::check(disk, folder, settings, end)?;
        log.settle()?;
        Ok(log)
    }

    /// The same, but nothing is cut off before [`Log::settle`] or the first write: whoever has several logs looks at all of them first, for what
    /// one of them lacks may be in another.
    ///
    /// # Errors
    /// See [`Log::open`].
    pub fn check(disk: Box<dyn Disk>, folder: &Path, settings: Settings, end: End) -> Result<Self, LogError> {
        let mut log = Self::of(disk, folder, settings, end)?;
        log.check_chain()?;
        log.is_unsure = true;
        Ok(log)
    }

    /// Cuts off what comes after its end.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn settle(&mut self) -> Result<(), LogError> {
        self.cut_to_kept()
    }

    /// Opens a log whose end nobody knows any more: all of it that is whole, or none, and then its first record will have the number
    /// `first`.
    ///
    /// # Errors
    /// The disk refuses, or it is of a later layout.
    pub fn recover(disk: Box<dyn Disk>, folder: &Path, settings: Settings, first: u64) -> Result<Self, LogError> {
        let mut log = Self::of(disk, folder, settings, End::before(first))?;
        while let Some(last) = log.segments.last() {
            if let Some(Whole { next, commit, bytes }) = last_whole(last, settings.name)? {
                let file = OpenOptions::new().write(true).open(&last.path);
                let file = file.map_err(|e| LogError::io("open", &last.path, e))?;
                log.disk.cut(&file, bytes).map_err(|e| LogError::io("cut", &last.path, e))?;
                // Whatever is damaged in the segments there are, a new one begins behind them.
                log.kept = End { next, commit, segment: next, offset: 0 };
                break;
            }
            log.remove_last()?;
        }
        log.written = log.kept;
        log.mend_headers()?;
        Ok(log)
    }

    /// Writes the headers of segments anew that aren't what was written, or name one before them that isn't there.
    fn mend_headers(&self) -> Result<(), LogError> {
        let mut previous = None;
        for segment in &self.segments {
            let file = OpenOptions::new().read(true).write(true).open(&segment.path);
            let file = file.map_err(|e| LogError::io("open", &segment.path, e))?;
            let is_sound = match SegmentHeader::read(&file, &segment.path, self.settings.name, segment.first) {
                Ok(header) => previous.is_none() || header.previous == previous,
                Err(error) if error.is_damage() => false,
                Err(error) => return Err(error),
            };
            if !is_sound {
                let header = SegmentHeader { first: segment.first, previous, has_skipped: true };
                let mended = self.disk.write_at(&file, &header.to_bytes(self.settings.name), 0);
                mended.and_then(|()| self.disk.sync(&file)).map_err(|e| LogError::io("mend", &segment.path, e))?;
            }
            previous = Some(segment.first);
        }
        Ok(())
    }

    fn of(disk: Box<dyn Disk>, folder: &Path, settings: Settings, end: End) -> Result<Self, LogError> {
        let packer = Compressor::new(LEVEL).map_err(|e| LogError::io("compress records for", folder, e))?;
        let segment = |(first, path)| Segment { first, path, highest: None };
        let segments = segments(folder, settings.name)?.into_iter().map(segment).collect();
        let folder = folder.to_owned();
        Ok(Self { disk, folder, settings, segments, file: None, kept: end, written: end, is_unsure: false, packer })
    }

    /// How far it goes, as saved.
    pub fn end(&self) -> End {
        self.kept
    }

    /// Number of the oldest record there is; that of the next one if there is none.
    pub fn first(&self) -> u64 {
        self.segments.first().map_or(self.kept.next, |segment| segment.first)
    }

    /// Number of the first record of the second oldest segment; `None` if there is only one.
    pub fn second(&self) -> Option<u64> {
        Some(self.segments.get(1)?.first)
    }

    /// Has the oldest segment, if it isn't the last one, no record with a key of at least `from`?
    ///
    /// # Errors
    /// The disk refuses.
    pub fn has_old(&mut self, from: u64) -> Result<bool, LogError> {
        let [oldest, _, ..] = self.segments.as_mut_slice() else { return Ok(false) };
        if oldest.highest.is_none() {
            oldest.highest = Some(highest_key(oldest)?);
        }
        Ok(oldest.highest < Some(from))
    }

    /// Bytes of its files.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn bytes(&self) -> Result<u64, LogError> {
        let length = |segment: &Segment| segment.path.metadata().map(|meta| meta.len());
        self.segments.iter().map(|s| length(s).map_err(|e| LogError::io("look at", &s.path, e))).sum()
    }

    /// Appends records, each with its key, and returns the log's end when all of it outlasts a power cut. It counts from
    /// [`Log::keep`] on: after an error, or without that, the next write takes its place.
    ///
    /// # Errors
    /// The disk refuses; the same may be written again.
    pub fn write<R: AsRef<[u8]>>(&mut self, records: impl IntoIterator<Item = (u64, R)>) -> Result<End, LogError> {
        if self.is_unsure || self.written != self.kept {
            self.cut_to_kept()?;
        }
        let mut records = records.into_iter().peekable();
        if records.peek().is_none() {
            return Ok(self.kept);
        }
        self.is_unsure = true;
        let written = self.append(records);
        if written.is_err() {
            // Now if the disk lets us, else before the next write.
            self.cut_to_kept().ok();
        }
        written
    }

    /// The segment that is written to, if its name isn't there any more or is another file's: then what is written goes nowhere.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn removed(&self) -> Result<Option<PathBuf>, LogError> {
        let (Some(file), Some(last)) = (&self.file, self.segments.last()) else { return Ok(None) };
        let failed = |e| LogError::io("look at", &last.path, e);
        let inode = file.metadata().map_err(failed)?.ino();
        match std::fs::metadata(&last.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Some(last.path.clone())),
            meta => Ok((meta.map_err(failed)?.ino() != inode).then(|| last.path.clone())),
        }
    }

    /// The end that the last write returned is saved.
    pub fn keep(&mut self) {
        self.kept = self.written;
    }

    /// The numbers up to `next` are left out, because they may have been given out before. To be followed by a write.
    pub fn skip_to(&mut self, next: u64) {
        if next > self.kept.next {
            // The next write begins a segment.
            self.kept = End { next, commit: self.kept.commit, segment: next, offset: 0 };
            self.written = self.kept;
            self.file = None;
        }
    }

    /// Removes the segments, from the oldest on, that hold neither a record from the number `needed` on nor one with a key of at least
    /// `from`. The last one stays. Returns how many.
    ///
    /// # Errors
    /// The disk refuses, or the segment is damaged.
    pub fn drop_old(&mut self, needed: u64, from: u64) -> Result<usize, LogError> {
        let mut dropped = 0;
        while self.has_old(from)? && self.drop_oldest(needed)? {
            dropped += 1;
        }
        Ok(dropped)
    }

    /// Removes the oldest segment if it holds no record from the number `needed` on and isn't the last one. Was there one?
    ///
    /// # Errors
    /// The disk refuses.
    pub fn drop_oldest(&mut self, needed: u64) -> Result<bool, LogError> {
        let [oldest, next, ..] = self.segments.as_slice() else { return Ok(false) };
        if next.first > needed.min(self.kept.next) {
            return Ok(false);
        }
        self.disk.remove(&oldest.path).map_err(|e| LogError::io("remove", &oldest.path, e))?;
        self.segments.remove(0);
        Ok(true)
    }

    fn append<R: AsRef<[u8]>>(&mut self, records: impl Iterator<Item = (u64, R)>) -> Result<End, LogError> {
        self.written.commit = self.kept.commit + 1;
        if self.written.offset == 0 || self.written.offset >= self.settings.segment_bytes {
            self.begin_segment()?;
        }
        let mut filling = Filling::default();
        for (key, record) in records {
            let record = record.as_ref();
            if filling.count > 0 && filling.len() + record.len() > self.settings.block_bytes {
                self.flush(&mut filling)?;
            }
            filling.push(key, record);
        }
        self.flush(&mut filling)?;
        let (file, path) = self.file()?;
        self.disk.sync(file).map_err(|e| LogError::io("save", path, e))?;
        self.is_unsure = false;
        Ok(self.written)
    }

    fn flush(&mut self, filling: &mut Filling) -> Result<(), LogError> {
        let (Some((lowest, highest)), count) = (filling.keys, filling.count) else { return Ok(()) };
        filling.lengths.append(&mut filling.bytes);
        let raw = &filling.lengths;
        let too_large = || std::io::Error::from(std::io::ErrorKind::FileTooLarge);
        let (_, path) = self.file()?;
        let path = path.to_owned();
        let raw_bytes = u32::try_from(raw.len()).map_err(|_| LogError::io("write to", &path, too_large()))?;
        let payload = self.packer.compress(raw).map_err(|e| LogError::io("compress records for", &path, e))?;
        let packed_bytes = u32::try_from(payload.len()).map_err(|_| LogError::io("write to", &path, too_large()))?;
        let (first, commit) = (self.written.next, self.written.commit);
        let sum = crc32fast::hash(&payload);
        let header = BlockHeader { count, first, commit, lowest, highest, raw_bytes, packed_bytes, sum };
        let block = [&header.to_bytes()[..], &payload].concat();
        let (file, path) = self.file()?;
        self.disk.write_at(file, &block, self.written.offset).map_err(|e| LogError::io("write to", path, e))?;
        self.written.next = header.next();
        self.written.offset += block.len() as u64;
        filling.lengths.clear();
        filling.count = 0;
        filling.keys = None;
        Ok(())
    }

    fn begin_segment(&mut self) -> Result<(), LogError> {
        let first = self.written.next;
        let previous = self.segments.last().map(|segment| segment.first);
        let has_skipped = self.written.offset == 0 && previous.is_some();
        let path = self.folder.join(file_name(self.settings.name, first));
        let create = |e| LogError::io("create", &path, e);
        let file = self.disk.create(&path).map_err(create)?;
        self.segments.push(Segment { first, path: path.clone(), highest: None });
        let header = SegmentHeader { first, previous, has_skipped }.to_bytes(self.settings.name);
        self.disk.write_at(&file, &header, 0).map_err(create)?;
        self.disk.sync_folder(&self.folder).map_err(|e| LogError::io("save the names in", &self.folder, e))?;
        self.file = Some(file);
        (self.written.segment, self.written.offset) = (first, HEADER_BYTES);
        Ok(())
    }

    fn file(&self) -> Result<(&File, &Path), LogError> {
        let path = self.segments.last().map_or(&*self.folder, |segment| &*segment.path);
        let none = || LogError::Missing { path: path.to_owned() };
        Ok((self.file.as_ref().ok_or_else(none)?, path))
    }

    /// Brings the files back to what is kept.
    fn cut_to_kept(&mut self) -> Result<(), LogError> {
        let end = self.kept;
        // Numbers that were left out begin a segment that isn't there yet.
        let has_file = end.offset > 0;
        let is_kept = |segment: &Segment| segment.first < end.segment || (has_file && segment.first == end.segment);
        self.file = None;
        while self.segments.last().is_some_and(|last| !is_kept(last)) {
            self.remove_last()?;
        }
        self.written = end;
        if let (true, Some(last)) = (has_file, self.segments.last()) {
            let failed = |e| LogError::io("cut", &last.path, e);
            let file = OpenOptions::new().read(true).write(true).open(&last.path).map_err(failed)?;
            if file.metadata().map_err(failed)?.len() > end.offset {
                self.disk.cut(&file, end.offset).map_err(failed)?;
                self.disk.sync(&file).map_err(failed)?;
            }
            self.file = Some(file);
        }
        self.is_unsure = false;
        Ok(())
    }

    fn remove_last(&mut self) -> Result<(), LogError> {
        if let Some(last) = self.segments.last() {
            self.disk.remove(&last.path).map_err(|e| LogError::io("remove", &last.path, e))?;
            self.segments.pop();
        }
        Ok(())
    }

    /// Are all segments there, is the last one what its end says, and does no more than one change come after that?
    fn check_chain(&self) -> Result<(), LogError> {
        let end = self.kept;
        let mut before = None;
        let (kept, after): (Vec<&Segment>, Vec<&Segment>) =
            self.segments.iter().partition(|s| s.first < end.segment || (s.first == end.segment && end.offset > 0));
        for segment in &kept {
            let file = opened(&segment.path)?;
            let header = SegmentHeader::read(&file, &segment.path, self.settings.name, segment.first)?;
            if let Some(before) = before
                && header.previous != Some(before)
            {
                let missing = header.previous.unwrap_or(segment.first);
                return Err(LogError::Missing { path: self.folder.join(file_name(self.settings.name, missing)) });
            }
            before = Some(segment.first);
        }
        let mut beyond = Vec::new();
        if end.offset > 0 {
            let missing = || LogError::Missing { path: self.folder.join(file_name(self.settings.name, end.segment)) };
            let last = kept.last().filter(|last| last.first == end.segment).ok_or_else(missing)?;
            let (file, length) = with_length(&last.path)?;
            if length < end.offset {
                return Err(LogError::Short { path: last.path.clone(), has: length, saved: end.offset });
            }
            check_to(&file, last, end)?;
            beyond.push((*last, file, end.offset, length));
        }
        for segment in after {
            let (file, length) = with_length(&segment.path)?;
            beyond.push((segment, file, HEADER_BYTES, length));
        }
        for (segment, file, mut at, length) in beyond {
            while let Some(block) =
                BlockHeader::at(&file, at, length).map_err(|e| LogError::io("read", &segment.path, e))?
            {
                if block.commit > end.commit + 1 {
                    return Err(LogError::Ahead { path: segment.path.clone(), at });
                }
                at += block.bytes();
            }
        }
        Ok(())
    }
}

/// Do the blocks of the last segment follow each other up to the end?
fn check_to(file: &File, segment: &Segment, end: End) -> Result<(), LogError> {
    let (mut at, mut next) = (HEADER_BYTES, segment.first);
    let failed = |e| LogError::io("read", &segment.path, e);
    while at < end.offset {
        let block = BlockHeader::at(file, at, end.offset).map_err(failed)?;
        let Some(block) = block.filter(|block| block.first == next && block.commit <= end.commit) else {
            return Err(LogError::damaged(&segment.path, at, "no block that follows the one before begins here"));
        };
        let after = at + block.bytes();
        // Whoever reads takes the last one, if it isn't whole, for one that is being written.
        if after == end.offset && block.unpack(file, at).map_err(failed)?.is_none() {
            return Err(LogError::damaged(&segment.path, at, "the last block isn't what was written"));
        }
        (at, next) = (after, block.next());
    }
    match (at, next) == (end.offset, end.next) {
        true => Ok(()),
        false => Err(LogError::damaged(&segment.path, at, "it ends with another record than was saved")),
    }
}

/// What of a segment is whole.
struct Whole {
    next: u64,
    commit: u64,
    bytes: u64,
}

/// Up to the last whole block.
fn last_whole(segment: &Segment, name: &str) -> Result<Option<Whole>, LogError> {
    let failed = |e| LogError::io("read", &segment.path, e);
    let (file, length) = with_length(&segment.path)?;
    match SegmentHeader::read(&file, &segment.path, name, segment.first) {
        Err(LogError::Damaged { .. }) | Ok(_) => {}
        Err(error) => return Err(error),
    }
    let (mut end, mut at) = (None, HEADER_BYTES);
    while let Some((found, block)) = BlockHeader::find(&file, at, length).map_err(failed)? {
        at = found + block.bytes();
        if block.first >= segment.first && block.unpack(&file, found).map_err(failed)?.is_some() {
            end = Some(Whole { next: block.next(), commit: block.commit, bytes: at });
        }
    }
    Ok(end)
}

fn highest_key(segment: &Segment) -> Result<u64, LogError> {
    let (file, length) = with_length(&segment.path)?;
    let (mut at, mut highest) = (HEADER_BYTES, 0);
    while let Some((found, block)) =
        BlockHeader::find(&file, at, length).map_err(|e| LogError::io("read", &segment.path, e))?
    {
        (at, highest) = (found + block.bytes(), highest.max(block.highest));
    }
    Ok(highest)
}

fn opened(path: &Path) -> Result<File, LogError> {
    File::open(path).map_err(|e| LogError::io("open", path, e))
}

fn with_length(path: &Path) -> Result<(File, u64), LogError> {
    let file = opened(path)?;
    let length = file.metadata().map_err(|e| LogError::io("look at", path, e))?.len();
    Ok((file, length))
}

pub(crate) fn file_name(name: &str, first: u64) -> String {
    format!("{name}-{first:020}.log")
}

/// The segments of a log in order of their first record. Other files are let be, and no folder has none.
pub(crate) fn segments(folder: &Path, name: &str) -> Result<Vec<(u64, PathBuf)>, LogError> {
    let failed = |e| LogError::io("list", folder, e);
    let listing = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing.map_err(failed)?,
    };
    let mut segments = Vec::new();
    for found in listing {
        let path = found.map_err(failed)?.path();
        let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
        let number = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')?.strip_suffix(".log"));
        if let Some(first) = number.filter(|number| number.len() == 20).and_then(|number| number.parse().ok()) {
            segments.push((first, path));
        }
    }
    segments.sort();
    Ok(segments)
}
