//! Reading a log, in the process that writes it or in another.

use crate::LogError;
use crate::format::{BlockHeader, HEADER_BYTES, SegmentHeader};
use crate::log::segments;
use std::collections::VecDeque;
use std::fs::File;
use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Blocks kept unpacked.
const KEPT_BLOCKS: usize = 12;
/// Bytes of them, where a block isn't larger by itself.
const KEPT_BYTES: usize = 12 << 20;
/// Segments kept open.
const OPEN_FILES: usize = 6;

/// Records that were compressed together.
#[derive(Debug)]
pub struct Block {
    pub first: u64,
    /// Number of the record after its last one.
    pub next: u64,
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl Block {
    /// `None` if it isn't in this block.
    pub fn get(&self, number: u64) -> Option<&[u8]> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let end = *self.ends.get(at)? as usize;
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.bytes.get(begin..end)
    }

    fn weight(&self) -> usize {
        self.bytes.len() + 4 * self.ends.len()
    }
}

/// One record of a block.
#[derive(Clone, Debug)]
pub struct Record {
    block: Arc<Block>,
    number: u64,
}

impl Deref for Record {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.block.get(self.number).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Record {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// Finds records by their numbers.
#[derive(Debug)]
pub struct Reader {
    folder: PathBuf,
    name: &'static str,
    segments: Vec<Segment>,
    /// The one used last at the end.
    kept: VecDeque<((u64, u64), Arc<Block>)>,
}

#[derive(Debug)]
struct Segment {
    first: u64,
    path: PathBuf,
    file: Option<File>,
    /// What has been found of its blocks, in their order.
    blocks: Vec<(u64, BlockHeader)>,
    /// Where the next block will be looked for; 0 before its header was read.
    at: u64,
    header: Option<SegmentHeader>,
    /// Damage that was passed over: the first number lost, the first after it, and where it begins.
    gaps: Vec<(u64, u64, u64)>,
}

/// Is there any record of this log in the folder?
///
/// # Errors
/// The folder can't be read.
pub fn is_there(folder: &Path, name: &str) -> Result<bool, LogError> {
    Ok(!segments(folder, name)?.is_empty())
}

impl Reader {
    /// # Errors
    /// The folder can't be read.
    pub fn open(folder: &Path, name: &'static str) -> Result<Self, LogError> {
        let mut reader = Self { folder: folder.to_owned(), name, segments: Vec::new(), kept: VecDeque::new() };
        reader.list()?;
        Ok(reader)
    }

    /// Looks which segments there are now: some may have been removed.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn refresh(&mut self) -> Result<(), LogError> {
        self.list()
    }

    /// Number of the oldest record; `None` if there is no segment.
    pub fn first(&self) -> Option<u64> {
        Some(self.segments.first()?.first)
    }

    /// The record with this number. `None` before the oldest and after the newest one.
    ///
    /// # Errors
    /// The log is damaged there, or the disk refuses.
    pub fn get(&mut self, number: u64) -> Result<Option<Record>, LogError> {
        if let Some(block) = self.kept.iter().rev().map(|(_, block)| block).find(|block| block.get(number).is_some()) {
            return Ok(Some(Record { block: block.clone(), number }));
        }
        let block = match self.block(number, |_, _| true) {
            // It may be in a block behind what is damaged.
            Err(error) if error.is_damage() => match self.after_damage(number)? {
                Some(next) if next <= number => self.block(number, |_, _| true)?,
                _ => return Err(error),
            },
            block => block?,
        };
        match block.filter(|block| block.first <= number) {
            Some(block) => Ok(Some(Record { block, number })),
            // It was lost with what was passed over before.
            None => match self.segments.iter().find_map(|segment| segment.gap_at(number)) {
                Some(lost) => Err(lost),
                None => Ok(None),
            },
        }
    }

    /// The first block that has a record from this number on and whose lowest and highest key are wanted. `None` at the end.
    ///
    /// # Errors
    /// As for [`Reader::get`]. [`Reader::after_damage`] says where it goes on.
    pub fn block(&mut self, from: u64, is_wanted: impl Fn(u64, u64) -> bool) -> Result<Option<Arc<Block>>, LogError> {
        match self.find(from, &is_wanted) {
            Err(LogError::Damaged { .. }) | Ok(None) if self.is_rewritten()? => self.find(from, &is_wanted),
            found => found,
        }
    }

    fn find(&mut self, from: u64, is_wanted: &impl Fn(u64, u64) -> bool) -> Result<Option<Arc<Block>>, LogError> {
        self.list_if_ended(from)?;
        let mut place = self.segments.partition_point(|segment| segment.first <= from).saturating_sub(1);
        let mut expected = None;
        while place < self.segments.len() {
            let is_last = place + 1 == self.segments.len();
            let segment = &mut self.segments[place];
            segment.open(self.name)?;
            if let (Some(expected), Some(header)) = (expected, segment.header)
                && segment.first != expected
                && !header.has_skipped
            {
                return Err(LogError::damaged(&segment.path, 0, "the segment before it is missing, or its end"));
            }
            let mut index = segment.blocks.partition_point(|(_, block)| block.next() <= from);
            loop {
                if index == segment.blocks.len() && !segment.find_next(is_last)? {
                    break;
                }
                let (at, header) = segment.blocks[index];
                index += 1;
                if header.next() > from && is_wanted(header.lowest, header.highest) {
                    let block = self.unpacked(place, at, header, is_last)?;
                    self.close_others(place);
                    return Ok(block);
                }
            }
            expected = Some(segment.next());
            self.close_others(place);
            place += 1;
        }
        Ok(None)
    }

    /// The next number that can be read at or after one that is lost to damage; `None` if none can.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn after_damage(&mut self, from: u64) -> Result<Option<u64>, LogError> {
        let place = self.segments.partition_point(|segment| segment.first <= from).saturating_sub(1);
        for segment in self.segments.iter_mut().skip(place) {
            let length = segment.pass_damage(self.name)?;
            // A block whose header is whole and whose payload isn't is passed over by its number.
            if let Some((_, block)) = segment.blocks.iter().find(|(_, block)| block.first > from) {
                return Ok(Some(block.first));
            }
            while segment.skip_to_next(length)? {
                if let Some((_, block)) = segment.blocks.last().filter(|(_, block)| block.next() > from) {
                    return Ok(Some(block.first.max(from)));
                }
            }
        }
        Ok(None)
    }

    fn unpacked(
        &mut self,
        place: usize,
        at: u64,
        header: BlockHeader,
        is_last: bool,
    ) -> Result<Option<Arc<Block>>, LogError> {
        let segment = &mut self.segments[place];
        let key = (segment.first, at);
        if let Some(there) = self.kept.iter().position(|(known, _)| *known == key)
            && let Some(kept) = self.kept.remove(there)
        {
            self.kept.push_back(kept.clone());
            return Ok(Some(kept.1));
        }
        let failed = |path: &Path, e| LogError::io("read", path, e);
        let Some(file) = &segment.file else { return Ok(None) };
        let Some((ends, bytes)) = header.unpack(file, at).map_err(|e| failed(&segment.path, e))? else {
            let length = file.metadata().map_err(|e| failed(&segment.path, e))?.len();
            let next = BlockHeader::find(file, at + header.bytes(), length).map_err(|e| failed(&segment.path, e))?;
            // The last one of all may be just being written. It is looked at anew the next time.
            if is_last && next.is_none() {
                segment.blocks.retain(|(known, _)| *known < at);
                segment.at = at;
                return Ok(None);
            }
            return Err(LogError::damaged(&segment.path, at, "a block isn't what was written"));
        };
        let block = Arc::new(Block { first: header.first, next: header.next(), ends, bytes });
        self.kept.push_back((key, block.clone()));
        let mut weight: usize = self.kept.iter().map(|(_, block)| block.weight()).sum();
        while self.kept.len() > 1 && (self.kept.len() > KEPT_BLOCKS || weight > KEPT_BYTES) {
            weight -= self.kept.pop_front().map_or(0, |(_, block)| block.weight());
        }
        Ok(Some(block))
    }

    /// What is wanted may be in a segment that was begun since, or the log's end was written anew since.
    fn list_if_ended(&mut self, from: u64) -> Result<(), LogError> {
        let is_known = |segment: &Segment| segment.blocks.last().is_some_and(|(_, block)| block.next() > from);
        match self.segments.last().is_some_and(is_known) {
            true => Ok(()),
            false => self.list(),
        }
    }

    /// Was the end of the log, as it was read, cut off and written otherwise since? Then it is read again.
    fn is_rewritten(&mut self) -> Result<bool, LogError> {
        let Some(last) = self.segments.last_mut() else { return Ok(false) };
        let failed = |e| LogError::io("read", &last.path, e);
        let file = File::open(&last.path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let inode = |file: &File| file.metadata().map(|meta| meta.ino()).ok();
        let is_another = last.file.as_ref().is_some_and(|known| inode(known) != inode(&file));
        let before = last.blocks.len();
        while let Some((at, block)) = last.blocks.last() {
            if BlockHeader::at(&file, *at, length).map_err(failed)? == Some(*block) {
                break;
            }
            last.blocks.pop();
        }
        if last.blocks.len() == before && !is_another {
            return Ok(false);
        }
        last.file = Some(file);
        last.at = last.blocks.last().map_or(HEADER_BYTES, |(at, block)| at + block.bytes());
        let (first, at) = (last.first, last.at);
        self.kept.retain(|((segment, block), _)| *segment != first || *block < at);
        Ok(true)
    }

    fn list(&mut self) -> Result<(), LogError> {
        let mut known: Vec<Segment> = std::mem::take(&mut self.segments);
        for (first, path) in segments(&self.folder, self.name)? {
            let kept = known.iter().position(|segment| segment.first == first).map(|at| known.swap_remove(at));
            let new = || Segment { first, path, file: None, blocks: Vec::new(), at: 0, header: None, gaps: Vec::new() };
            self.segments.push(kept.unwrap_or_else(new));
        }
        Ok(())
    }

    fn close_others(&mut self, place: usize) {
        let open = self.segments.iter().filter(|segment| segment.file.is_some()).count();
        if open > OPEN_FILES {
            let others = self.segments.iter_mut().enumerate().filter(|(at, _)| *at != place);
            others.for_each(|(_, segment)| segment.file = None);
        }
    }
}

impl Segment {
    fn open(&mut self, name: &str) -> Result<(), LogError> {
        if self.file.is_none() {
            self.file = Some(File::open(&self.path).map_err(|e| LogError::io("open", &self.path, e))?);
        }
        if let (None, Some(file)) = (self.header, &self.file) {
            self.header = Some(SegmentHeader::read(file, &self.path, name, self.first)?);
            self.at = HEADER_BYTES;
        }
        Ok(())
    }

    /// Number after its last record, as far as it was read.
    fn next(&self) -> u64 {
        self.blocks.last().map_or(self.first, |(_, block)| block.next())
    }

    /// Finds one more block. False at the segment's end, which the last segment may have in the middle of a block.
    fn find_next(&mut self, is_last: bool) -> Result<bool, LogError> {
        let Some(file) = &self.file else { return Ok(false) };
        let failed = |e| LogError::io("read", &self.path, e);
        let length = file.metadata().map_err(failed)?.len();
        if self.at >= length {
            return Ok(false);
        }
        match BlockHeader::at(file, self.at, length).map_err(failed)? {
            Some(block) if block.first == self.next() => {
                self.blocks.push((self.at, block));
                self.at += block.bytes();
                Ok(true)
            }
            Some(_) => Err(LogError::damaged(&self.path, self.at, "a block doesn't follow the one before it")),
            None if is_last && BlockHeader::find(file, self.at, length).map_err(failed)?.is_none() => Ok(false),
            None => Err(LogError::damaged(&self.path, self.at, "no whole block begins here")),
        }
    }

    /// Makes it readable although its header may not be; returns its length.
    fn pass_damage(&mut self, name: &str) -> Result<u64, LogError> {
        match self.open(name) {
            Ok(()) => {}
            Err(error) if error.is_damage() => {
                self.header = Some(SegmentHeader { first: self.first, previous: None, has_skipped: true });
                self.at = HEADER_BYTES;
            }
            Err(error) => return Err(error),
        }
        // The numbers after damage needn't follow.
        if let Some(header) = &mut self.header {
            header.has_skipped = true;
        }
        let length = self.file.as_ref().map(|file| file.metadata().map(|meta| meta.len())).transpose();
        Ok(length.map_err(|e| LogError::io("look at", &self.path, e))?.unwrap_or(0))
    }

    /// Adds the next whole block, wherever it is.
    fn skip_to_next(&mut self, length: u64) -> Result<bool, LogError> {
        let Some(file) = &self.file else { return Ok(false) };
        let found = BlockHeader::find(file, self.at, length).map_err(|e| LogError::io("read", &self.path, e))?;
        let Some((at, block)) = found.filter(|(_, block)| block.first >= self.next()) else { return Ok(false) };
        if block.first > self.next() {
            self.gaps.push((self.next(), block.first, self.at));
        }
        self.blocks.push((at, block));
        self.at = at + block.bytes();
        Ok(true)
    }

    fn gap_at(&self, number: u64) -> Option<LogError> {
        let (_, _, at) = self.gaps.iter().find(|(first, next, _)| (*first..*next).contains(&number))?;
        Some(LogError::damaged(&self.path, *at, "no whole block begins here"))
    }
}
