//! Reading the archive: the events in the order in which they were judged, each with its entry.

use super::{ArchiveError, ArchiveRecord, ENTRIES, Judged, ORDER, Reading, before};
use gridwatch_event::time::UnixSeconds;
use gridwatch_log::{Block, LogError, Reader};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Records in order of `seq` whose event time is in the closed range. Takes no lock and changes nothing: what a running
/// gridwatch is just appending is not there yet, and a segment it removes meanwhile is passed over.
///
/// After an `Err` the stream goes on with what can be read.
///
/// # Errors
/// The folder can't be read.
pub fn read(folder: &Path, from: Option<UnixSeconds>, to: Option<UnixSeconds>) -> Result<Records, ArchiveError> {
    Records::open(folder, from.unwrap_or_default(), to.unwrap_or(UnixSeconds(u64::MAX)), None)
}

/// The same of events from a sequence number on, whatever their time.
///
/// # Errors
/// The folder can't be read.
pub fn read_from(folder: &Path, seq: u64) -> Result<Records, ArchiveError> {
    let records = Records::open(folder, UnixSeconds(0), UnixSeconds(u64::MAX), Some(BTreeSet::new()))?;
    Ok(Records { only_at: None, seq: records.seq.max(seq), ..records })
}

/// The same of events at exactly these times. Blocks without one aren't unpacked.
///
/// # Errors
/// The folder can't be read.
pub fn read_at(folder: &Path, times: BTreeSet<UnixSeconds>) -> Result<Records, ArchiveError> {
    let (from, to) = (times.first().copied(), times.last().copied());
    Records::open(folder, from.unwrap_or_default(), to.unwrap_or_default(), Some(times))
}

/// What archives of before hold.
///
/// # Errors
/// The folder can't be read.
pub fn read_before(folder: &Path) -> Result<impl Iterator<Item = Result<ArchiveRecord, ArchiveError>>, ArchiveError> {
    before::read(folder, UnixSeconds(0), UnixSeconds(u64::MAX), None)
}

#[derive(Debug)]
pub struct Records {
    before: before::Records,
    from: UnixSeconds,
    to: UnixSeconds,
    only_at: Option<BTreeSet<UnixSeconds>>,
    order: Reader,
    entries: Reader,
    /// Number of the next event.
    seq: u64,
    /// What is at hand of the order.
    block: Option<Arc<Block>>,
}

impl Records {
    fn open(
        folder: &Path,
        from: UnixSeconds,
        to: UnixSeconds,
        only_at: Option<BTreeSet<UnixSeconds>>,
    ) -> Result<Self, ArchiveError> {
        let (order, entries) = (Reader::open(folder, ORDER)?, Reader::open(folder, ENTRIES)?);
        // An archive of before may have some that were still to be delivered when it was left.
        let after = before::last_seq(folder)?.map_or(0, |last| last + 1);
        let seq = order.first().unwrap_or_default().max(after);
        let before = before::read(folder, from, to, only_at.clone())?;
        Ok(Self { before, from, to, only_at, order, entries, seq, block: None })
    }

    fn is_wanted(&self, event: &Judged) -> bool {
        let is_one = |times: &BTreeSet<UnixSeconds>| times.contains(&event.time);
        !event.is_relearned
            && (self.from..=self.to).contains(&event.time)
            && self.only_at.as_ref().is_none_or(is_one)
            // Its segment has gone before that of its place in the order.
            && self.entries.first().is_some_and(|first| event.entry >= first)
    }

    /// The next event that is wanted.
    fn next_event(&mut self) -> Result<Option<(u64, Judged)>, ArchiveError> {
        loop {
            let block = match self.block.take().filter(|block| self.seq < block.next) {
                Some(block) => block,
                None => {
                    let (from, to, only_at) = (self.from.0, self.to.0, &self.only_at);
                    let has_one = |lowest: u64, highest: u64| {
                        let between = UnixSeconds(lowest)..=UnixSeconds(highest);
                        highest >= from
                            && lowest <= to
                            && only_at.as_ref().is_none_or(|times| times.range(between).next().is_some())
                    };
                    let Some(block) = self.order.block(self.seq, has_one)? else { return Ok(None) };
                    self.seq = self.seq.max(block.first);
                    block
                }
            };
            let (seq, found) = (self.seq, block.get(self.seq).map(Judged::from_bytes));
            self.seq += 1;
            self.block = Some(block);
            match found {
                Some(Some(event)) if self.is_wanted(&event) => return Ok(Some((seq, event))),
                Some(None) => return Err(ArchiveError::Odd { log: ORDER, number: seq }),
                _ => {}
            }
        }
    }

    fn next_record(&mut self) -> Result<Option<ArchiveRecord>, ArchiveError> {
        let event = match self.next_event() {
            Err(ArchiveError::Log(error)) if error.is_damage() => {
                let next = self.order.after_damage(self.seq)?;
                (self.seq, self.block) = (next.unwrap_or(u64::MAX), None);
                return Err(error.into());
            }
            event => event?,
        };
        let Some((seq, event)) = event else { return Ok(None) };
        let received = self.entries.received(event.entry)?;
        Ok(Some(ArchiveRecord { seq, sight: event.sight, raw: received.raw.into() }))
    }
}

impl Iterator for Records {
    type Item = Result<ArchiveRecord, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(record) = self.before.next() {
            return Some(record);
        }
        loop {
            match self.next_record() {
                Ok(record) => return record.map(Ok),
                // A segment that was removed while it was read.
                Err(ArchiveError::Log(LogError::Io { source, .. }))
                    if source.kind() == std::io::ErrorKind::NotFound =>
                {
                    if let Err(error) = self.order.refresh().and_then(|()| self.entries.refresh()) {
                        return Some(Err(error.into()));
                    }
                }
                Err(error @ ArchiveError::Log(LogError::Io { .. })) => {
                    // There is no telling where it would go on.
                    (self.seq, self.block) = (u64::MAX, None);
                    return Some(Err(error));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
