//! The archive of one organization: every entry that Slack has shown, as it was received, and the order in which entries were judged.
//!
//! It is two [logs](gridwatch_log) in one folder, and it is the queue as well: what waits for detection or a sink is a number here.
//!
//! | log | a record | its key |
//! |---|---|---|
//! | `entries` | an entry in order of arrival: what is told of it (1), [how it was seen](crate::record::sight_bytes) (21), Slack's bytes | when it was first seen, s |
//! | `order` | an event, numbered by its `seq`: number of the entry (8), number of the record or 0 (8), time (8), what of it (1), how it was seen (21), hashes of the entry's identity and of its bytes (16 each), its organization | its time, s |
//!
//! Promises:
//! - What was written outlasts a power cut, and counts from when the ends of the logs are saved in the store ([`gridwatch_log`]).
//! - Reading reports damage and goes on after it. It needs no lock and may go on beside a running gridwatch.
//! - Archives of before, files of zstd frames, lie beside and are read first ([`before`]).
//!
//! It doesn't read the clock: the caller says what is too old.

use crate::disk::{self, OsDisk};
use crate::record::{sight_bytes, sight_of};
use gridwatch_event::event::Sight;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_log::{Block, End, Log, LogError, Reader, Settings};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

mod before;
mod frame;
mod read;
mod record;

pub use read::{read, read_at, read_before, read_from};
pub use record::ArchiveRecord;

/// Name of the log of entries.
pub const ENTRIES: &str = "entries";
const ORDER: &str = "order";
/// Entries that are compressed together: more makes them smaller, and costs who wants one of them.
const ENTRIES_BLOCK: usize = 1 << 20;
const ORDER_BLOCK: usize = 256 << 10;
/// An order's segment tells of some hundred thousand entries.
const ORDER_SEGMENT: u64 = 4 << 20;

/// Said of an entry: it was judged and delivered before, and is here once more only for what the rules remember.
const RELEARNED: u8 = 1;

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("could not {doing} {}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the archive {} is in use by another gridwatch\nhint: stop it, or give this one another `archive.dir`", path.display())]
    Locked { path: PathBuf },
    #[error(transparent)]
    Log(#[from] LogError),
    /// From reading an archive of before. What follows is read all the same.
    #[error("{} is damaged at byte {at}: {bytes} bytes can't be read", path.display())]
    Damaged { path: PathBuf, at: u64, bytes: u64 },
    #[error("entry {number} is not in the archive")]
    NoEntry { number: u64 },
    #[error("event {seq} is not in the archive")]
    NoEvent { seq: u64 },
    #[error("record {number} of the archive's log `{log}` isn't what was written")]
    Odd { log: &'static str, number: u64 },
}

impl ArchiveError {
    fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }

    /// Is the archive itself not what was written?
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Io { .. } | Self::Locked { .. } => false,
            Self::Log(error) => error.is_damage(),
            Self::Damaged { .. } | Self::NoEntry { .. } | Self::NoEvent { .. } | Self::Odd { .. } => true,
        }
    }
}

/// How far its logs go. The store saves them with what else belongs to a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    pub entries: End,
    pub order: End,
}

impl Ends {
    /// Of an archive without any entry, whose first event will have this number.
    #[cfg(test)]
    fn before(seq: u64) -> Self {
        Self { entries: End::before(1), order: End::before(seq) }
    }
}

/// An entry as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub sight: Sight,
    /// It was judged and delivered before.
    pub is_relearned: bool,
    pub raw: String,
}

/// An event, as far as it isn't its entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Number of its entry.
    pub entry: u64,
    /// Number of its record; 0 if no sink gets it.
    pub record: u64,
    pub time: UnixSeconds,
    pub sight: Sight,
    pub is_relearned: bool,
    /// Whose entry it is and which bytes it has: what is known of it although the entry can't be read.
    pub identity: [u8; 16],
    pub bytes: [u8; 16],
    pub organization: Option<Arc<str>>,
}

/// An archive, by the one who writes it.
#[derive(Debug)]
pub struct Archive {
    folder: PathBuf,
    entries: Mutex<Log>,
    order: Mutex<Log>,
    readers: Mutex<Readers>,
    /// Held, not read: keeps a second gridwatch from this folder.
    _lock: File,
}

#[derive(Debug)]
struct Readers {
    entries: Reader,
    order: Reader,
}

impl Archive {
    /// Opens the archive in `folder`, which is created if its parent exists, as it was when these ends were saved. Nothing is cut off before
    /// [`Archive::settle`].
    ///
    /// # Errors
    /// See [`Log::open`]; or another process has it.
    pub fn open(folder: &Path, segment_bytes: u64, ends: Ends) -> Result<Self, ArchiveError> {
        let open = |settings, end| Log::check(Box::new(OsDisk), folder, settings, end);
        Self::with(folder, |lock| {
            let entries = open(entries(segment_bytes), ends.entries)?;
            Ok(Self::of(folder, entries, open(order(), ends.order)?, lock)?)
        })
    }

    /// Opens all that is whole of the archive in `folder`.
    ///
    /// # Errors
    /// The disk refuses; or another process has it.
    pub fn recover(folder: &Path, segment_bytes: u64) -> Result<Self, ArchiveError> {
        let recover = |settings| Log::recover(Box::new(OsDisk), folder, settings, 1);
        Self::with(folder, |lock| {
            let entries = recover(entries(segment_bytes))?;
            Ok(Self::of(folder, entries, recover(order())?, lock)?)
        })
    }

    /// Cuts off what comes after the ends.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn settle(&self) -> Result<(), ArchiveError> {
        lock(&self.entries).settle()?;
        Ok(lock(&self.order).settle()?)
    }

    fn with(folder: &Path, open: impl FnOnce(File) -> Result<Self, ArchiveError>) -> Result<Self, ArchiveError> {
        crate::folder::make(folder, crate::folder::PRIVATE)
            .map_err(|e| ArchiveError::io("create the folder", folder, e))?;
        let path = folder.join(".lock");
        let lock = disk::lock(&path).map_err(|e| ArchiveError::io("lock", &path, e))?;
        open(lock.ok_or_else(|| ArchiveError::Locked { path: folder.to_owned() })?)
    }

    fn of(folder: &Path, entries: Log, order: Log, lock: File) -> Result<Self, LogError> {
        let readers = Readers { entries: Reader::open(folder, ENTRIES)?, order: Reader::open(folder, ORDER)? };
        let (entries, order, readers) = (Mutex::new(entries), Mutex::new(order), Mutex::new(readers));
        Ok(Self { folder: folder.to_owned(), entries, order, readers, _lock: lock })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How far its logs go, as saved.
    pub fn ends(&self) -> Ends {
        Ends { entries: lock(&self.entries).end(), order: lock(&self.order).end() }
    }

    /// Appends entries in order of arrival. They count from [`Archive::keep_entries`] on.
    ///
    /// # Errors
    /// The disk refuses; the same may be written again.
    pub fn write_entries<'e>(&self, entries: impl Iterator<Item = (Sight, bool, &'e str)>) -> Result<End, LogError> {
        let record = |(sight, is_relearned, raw): (Sight, bool, &str)| {
            let what = if is_relearned { RELEARNED } else { 0 };
            (sight.first_seen.seconds().0, [&[what][..], &sight_bytes(sight), raw.as_bytes()].concat())
        };
        lock(&self.entries).write(entries.map(record))
    }

    pub fn keep_entries(&self) {
        lock(&self.entries).keep();
    }

    /// Appends events in the order of their numbers. They count from [`Archive::keep_order`] on.
    ///
    /// # Errors
    /// The disk refuses; the same may be written again.
    pub fn write_order<'j>(&self, events: impl Iterator<Item = &'j Judged>) -> Result<End, LogError> {
        lock(&self.order).write(events.map(|event| (event.time.0, event.to_bytes())))
    }

    pub fn keep_order(&self) {
        lock(&self.order).keep();
    }

    /// Events up to this number are left out, for the numbers may have been given out before. To be followed by a write.
    pub fn skip_to(&self, seq: u64) {
        lock(&self.order).skip_to(seq);
    }

    /// Numbers of entries below this one may have been given out before. To be followed by a write.
    pub fn skip_entries_to(&self, number: u64) {
        lock(&self.entries).skip_to(number);
    }

    /// A file that is written to and isn't there any more.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn removed(&self) -> Result<Option<PathBuf>, ArchiveError> {
        match lock(&self.entries).removed()? {
            None => Ok(lock(&self.order).removed()?),
            removed => Ok(removed),
        }
    }

    /// An entry by its number.
    ///
    /// # Errors
    /// It isn't there, or can't be read.
    pub fn entry(&self, number: u64) -> Result<Received, ArchiveError> {
        lock(&self.readers).entries.received(number)
    }

    /// An event by its number.
    ///
    /// # Errors
    /// It isn't there, or can't be read.
    pub fn event(&self, seq: u64) -> Result<Judged, ArchiveError> {
        lock(&self.readers).order.judged(seq)
    }

    /// Number of the oldest entry there is.
    #[cfg(test)]
    fn first_entry(&self) -> u64 {
        lock(&self.entries).first()
    }

    /// Removes segments in which every entry was first seen before `before`, and segments of archives of before by the day. Who has events
    /// from the number `needed` on to deliver, and entries from the number `waiting` on to judge, still finds them. Returns how many.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn prune(&self, before: UnixSeconds, waiting: u64, needed: u64) -> Result<usize, ArchiveError> {
        let mut removed = before::prune(&self.folder, before)?;
        let ends = self.ends();
        let mut lowest = waiting;
        let (mut entries, mut readers) = (lock(&self.entries), lock(&self.readers));
        if entries.has_old(before.0)? {
            for seq in needed..ends.order.next {
                lowest = lowest.min(readers.order.judged(seq)?.entry);
            }
            removed += entries.drop_old(lowest, before.0)?;
        }
        let first = entries.first();
        let mut order = lock(&self.order);
        // All of a segment's entries have gone.
        while let Some(next) = order.second() {
            let mut seqs = order.first()..next;
            let has_gone = seqs.all(|seq| readers.order.judged(seq).map_or(true, |event| event.entry < first));
            if !has_gone || !order.drop_oldest(needed)? {
                break;
            }
            removed += 1;
        }
        Ok(removed)
    }

    /// Number of the first event that it still has; that of the next one if it has none.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn first_seq(&self) -> Result<u64, ArchiveError> {
        Ok(Reader::open(&self.folder, ORDER)?.first().unwrap_or_else(|| self.ends().order.next))
    }

    /// Gives each event that can be read, with its number, the oldest first. What is damaged is said and passed over.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn each_event(
        &self,
        mut take: impl FnMut(u64, Judged) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        let mut reader = Reader::open(&self.folder, ORDER)?;
        each(&mut reader, |seq, bytes| Judged::from_bytes(bytes).map_or(Ok(()), |event| take(seq, event)))
    }

    /// Gives each entry that can be read, with its number, the oldest first. What is damaged is said and passed over.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn each_entry(
        &self,
        mut take: impl FnMut(u64, Received) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        let mut reader = Reader::open(&self.folder, ENTRIES)?;
        each(&mut reader, |number, bytes| Received::from_bytes(bytes).map_or(Ok(()), |entry| take(number, entry)))
    }
}

/// Slack's bytes, of a record of the log of entries.
pub fn raw_of(record: &[u8]) -> &[u8] {
    record.split_first().and_then(|(_, rest)| sight_of(rest)).map_or(&[], |(_, raw)| raw)
}

/// Has the folder any of our logs' segments?
///
/// # Errors
/// The folder can't be read.
pub fn is_there(folder: &Path) -> Result<bool, LogError> {
    Ok(gridwatch_log::is_there(folder, ENTRIES)? || gridwatch_log::is_there(folder, ORDER)?)
}

/// Moves our logs' segments into a folder of their own; returns which, if there were any.
///
/// # Errors
/// The disk refuses.
pub fn set_aside(folder: &Path, now: UnixMillis) -> Result<Option<PathBuf>, ArchiveError> {
    if !is_there(folder)? {
        return Ok(None);
    }
    let aside = folder.join(format!("unused-{}", now.0));
    crate::folder::make(&aside, crate::folder::PRIVATE)
        .map_err(|e| ArchiveError::io("create the folder", &aside, e))?;
    for found in std::fs::read_dir(folder).map_err(|e| ArchiveError::io("list", folder, e))? {
        let path = found.map_err(|e| ArchiveError::io("list", folder, e))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let is_ours = [ENTRIES, ORDER].iter().any(|log| name.starts_with(&format!("{log}-"))) && name.ends_with(".log");
        if is_ours {
            std::fs::rename(&path, aside.join(&name)).map_err(|e| ArchiveError::io("rename", &path, e))?;
        }
    }
    Ok(Some(aside))
}

fn each(reader: &mut Reader, mut take: impl FnMut(u64, &[u8]) -> Result<(), ArchiveError>) -> Result<(), ArchiveError> {
    let mut number = reader.first().unwrap_or_default();
    loop {
        let block: Arc<Block> = match reader.block(number, |_, _| true) {
            Ok(Some(block)) => block,
            Ok(None) => return Ok(()),
            Err(error) if error.is_damage() => {
                tracing::warn!(%error, "a part of the archive can't be read and is passed over");
                let Some(next) = reader.after_damage(number)? else { return Ok(()) };
                number = next;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        for number in number.max(block.first)..block.next {
            take(number, block.get(number).unwrap_or_default())?;
        }
        number = block.next;
    }
}

trait Reading {
    fn received(&mut self, number: u64) -> Result<Received, ArchiveError>;
    fn judged(&mut self, seq: u64) -> Result<Judged, ArchiveError>;
}

impl Reading for Reader {
    fn received(&mut self, number: u64) -> Result<Received, ArchiveError> {
        let record = self.get(number)?.ok_or(ArchiveError::NoEntry { number })?;
        Received::from_bytes(&record).ok_or(ArchiveError::Odd { log: ENTRIES, number })
    }

    fn judged(&mut self, seq: u64) -> Result<Judged, ArchiveError> {
        let record = self.get(seq)?.ok_or(ArchiveError::NoEvent { seq })?;
        Judged::from_bytes(&record).ok_or(ArchiveError::Odd { log: ORDER, number: seq })
    }
}

impl Received {
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (what, rest) = bytes.split_first()?;
        let (sight, raw) = sight_of(rest)?;
        let raw = String::from_utf8_lossy(raw).into_owned();
        Some(Self { sight, is_relearned: what & RELEARNED != 0, raw })
    }
}

impl Judged {
    fn to_bytes(&self) -> Vec<u8> {
        let what = if self.is_relearned { RELEARNED } else { 0 };
        let numbers = [self.entry, self.record, self.time.0].map(u64::to_be_bytes).concat();
        let organization = self.organization.as_deref().unwrap_or_default();
        let hashes = [self.identity, self.bytes].concat();
        [&numbers[..], &[what], &sight_bytes(self.sight), &hashes, organization.as_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (entry, rest) = bytes.split_first_chunk::<8>()?;
        let (record, rest) = rest.split_first_chunk::<8>()?;
        let (time, rest) = rest.split_first_chunk::<8>()?;
        let (what, rest) = rest.split_first()?;
        let (sight, rest) = sight_of(rest)?;
        let (identity, rest) = rest.split_first_chunk::<16>()?;
        let (bytes, organization) = rest.split_first_chunk::<16>()?;
        let organization = Some(organization).filter(|id| !id.is_empty());
        Some(Self {
            entry: u64::from_be_bytes(*entry),
            record: u64::from_be_bytes(*record),
            time: UnixSeconds(u64::from_be_bytes(*time)),
            sight,
            is_relearned: what & RELEARNED != 0,
            identity: *identity,
            bytes: *bytes,
            organization: organization.map(|id| Arc::from(&*String::from_utf8_lossy(id))),
        })
    }
}

fn entries(segment_bytes: u64) -> Settings {
    Settings { name: ENTRIES, segment_bytes, block_bytes: ENTRIES_BLOCK }
}

fn order() -> Settings {
    Settings { name: ORDER, segment_bytes: ORDER_SEGMENT, block_bytes: ORDER_BLOCK }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
