//! How windows are saved: a snapshot of all of it, and what each event did since, in pages.
//!
//! What an event did is tens of bytes a key: which members it fed, and what a row needs. Reading it again does the same to the
//! table as feeding it did, so nothing else has to be said. When what was done since has grown as long as the snapshot, a new one
//! is written and the old pages go.
//!
//! ```text
//! w · 0 · n (8)     a page of the snapshot
//! w · 1 · n (8)     a page of what was done since
//!
//! page:     records, one after the other: a tag (1), then numbers as LEB128 and texts with their lengths
//! ```

use super::identity::SlotId;
use super::kind::{Bucket, Buckets, Cut, Seen};
use super::member::Column;
use super::table::{Feeding, Held, Hit, Key, Lane, Row, RowId, Table};
use crate::state::{StateOp, WINDOWS};
use crate::stub::{PackedStub, TEXTS};
use gridwatch_event::time::UnixSeconds;
use gridwatch_manifest::Field;
use std::collections::{HashMap, VecDeque};

/// A page isn't much longer than this.
const PAGE_BYTES: usize = if cfg!(test) { 400 } else { 256 << 10 };
/// A snapshot isn't written for less than this.
const MIN_BYTES: usize = if cfg!(test) { 1_000 } else { 1 << 20 };
const SNAPSHOT: u8 = 0;
const SINCE: u8 = 1;

/// The version of pages from which on they say how long the periods of baselines are, and when a key is due.
const PERIODS: u8 = 3;
/// The version from which on events say what they were done to.
const OBJECTS: u8 = 4;

const HEADER: u8 = 1;
const CLASS: u8 = 2;
const EVENT: u8 = 3;
const ROW: u8 = 4;
const HELD: u8 = 5;
const CLOCK: u8 = 6;

/// Who the numbers in the records belong to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) windows: Vec<SavedWindow>,
    pub(super) members: u32,
    pub(super) keys: Vec<Vec<Field>>,
    pub(super) columns: Vec<Column>,
    pub(super) seed: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct SavedWindow {
    pub(super) id: SlotId,
    pub(super) since: Option<UnixSeconds>,
    pub(super) members: Vec<u32>,
}

/// What an event did under one key.
#[derive(Debug, Default)]
pub(super) struct Touch {
    pub(super) key: Key,
    pub(super) kind: u16,
    pub(super) class: Option<u32>,
    pub(super) seen: Vec<u32>,
    pub(super) tallies: Vec<(u32, Option<u64>)>,
}

/// What a page says, in order.
#[derive(Debug)]
pub(super) enum Record {
    Header(Header),
    Class { number: u32, members: Vec<u32> },
    Event { feeding: Feeding, row: Option<(PackedStub, Vec<(u16, u64)>)>, touches: Vec<Touch> },
    Row { seq: u64, stub: PackedStub, values: Vec<(u16, u64)> },
    Held(SavedHeld),
    Clock { newest: UnixSeconds, hour: u64 },
}

#[derive(Debug)]
pub(super) struct SavedHeld {
    key: Key,
    kind: u16,
    fed: u64,
    queued: u64,
    due: u64,
    /// Class, and the numbers of the events.
    lanes: Vec<(u32, Vec<u64>)>,
    seen: Vec<(u32, Seen)>,
    buckets: Vec<(u32, Buckets)>,
}

impl SavedHeld {
    /// As it was, but for hits whose rows are lost.
    pub(super) fn restored(self, rows: &HashMap<u64, RowId>, table: &mut Table) -> Held {
        let mut lanes = Vec::new();
        for (class, seqs) in self.lanes {
            let mut hits = VecDeque::with_capacity(seqs.len());
            for row in seqs.iter().filter_map(|seq| rows.get(seq)) {
                table.refer_to(*row);
                hits.push_back(Hit { time: table.row(*row).stub.time, row: *row });
            }
            if !hits.is_empty() {
                lanes.push(Lane { class, hits });
            }
        }
        Held::saved(self.key, self.kind, (self.fed, self.queued, self.due), lanes, self.seen, self.buckets)
    }

    pub(super) fn classes(&self) -> impl Iterator<Item = u32> {
        self.lanes.iter().map(|(class, _)| *class)
    }
}

/// Pages that are saved, and records that aren't yet.
#[derive(Debug, Default)]
pub(super) struct Journal {
    snapshot: Part,
    since: Part,
    records: Vec<u8>,
    /// Where records end at which a page may.
    ends: Vec<usize>,
    /// The snapshot says something else than what there is now.
    pub(super) is_outdated: bool,
}

#[derive(Debug, Default)]
struct Part {
    /// Numbers are given upwards from 0, without a hole.
    pages: u64,
    bytes: usize,
}

impl Part {
    fn put(&mut self, kind: u8, page: &[u8]) -> StateOp {
        let number = self.pages;
        self.pages += 1;
        self.bytes += page.len();
        StateOp::put_bytes(WINDOWS, &page_id(kind, number), page)
    }

    fn clear(&mut self, kind: u8) -> Vec<StateOp> {
        let part = std::mem::take(self);
        (0..part.pages).map(|n| StateOp::delete(WINDOWS, &page_id(kind, n))).collect()
    }

    fn append(&mut self, kind: u8, records: &[u8], ends: &[usize]) -> Vec<StateOp> {
        let (mut ops, mut start) = (Vec::new(), 0);
        for (at, end) in ends.iter().enumerate() {
            if end - start >= PAGE_BYTES || at + 1 == ends.len() {
                ops.push(self.put(kind, &records[start..*end]));
                start = *end;
            }
        }
        ops
    }
}

fn page_id(kind: u8, n: u64) -> Vec<u8> {
    [&[kind], &n.to_be_bytes()[..]].concat()
}

impl Journal {
    /// Writes a record down.
    pub(super) fn write(&mut self, record: impl FnOnce(&mut Writer<'_>)) {
        record(&mut Writer(&mut self.records));
        self.ends.push(self.records.len());
    }

    /// Saves what was done; `all` writes down everything there is, when it is time for that.
    pub(super) fn save(&mut self, all: impl FnOnce(&mut Self)) -> Vec<StateOp> {
        let grown = self.since.bytes + self.records.len();
        if !self.is_outdated && grown <= self.snapshot.bytes.max(MIN_BYTES) {
            let ops = self.since.append(SINCE, &self.records, &self.ends);
            self.forget();
            return ops;
        }
        self.forget();
        self.is_outdated = false;
        let mut ops = self.since.clear(SINCE);
        let old = std::mem::take(&mut self.snapshot).pages;
        all(self);
        ops.extend(self.snapshot.append(SNAPSHOT, &self.records, &self.ends));
        ops.extend((self.snapshot.pages..old).map(|n| StateOp::delete(WINDOWS, &page_id(SNAPSHOT, n))));
        self.forget();
        ops
    }

    /// Nothing of it is going to be saved.
    pub(super) fn forget(&mut self) {
        self.records.clear();
        self.ends.clear();
    }

    /// Takes down that a page is there.
    pub(super) fn found(&mut self, id: &[u8], bytes: usize) -> Option<()> {
        let (kind, number) = id.split_first()?;
        let part = match *kind {
            SNAPSHOT => &mut self.snapshot,
            SINCE => &mut self.since,
            _ => return None,
        };
        part.pages = u64::from_be_bytes(number.try_into().ok()?) + 1;
        part.bytes += bytes;
        Some(())
    }
}

/// Writes numbers and texts.
#[derive(Debug)]
pub(super) struct Writer<'w>(&'w mut Vec<u8>);

impl Writer<'_> {
    fn number(&mut self, number: impl Into<u64>) {
        let mut number = number.into();
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn length(&mut self, length: usize) {
        self.number(length as u64);
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend(text.as_bytes());
    }

    fn word(&mut self, word: u64) {
        self.0.extend(word.to_le_bytes());
    }

    fn key(&mut self, key: Key) {
        self.0.extend(key.to_le_bytes());
    }

    pub(super) fn header(&mut self, header: &Header) {
        self.0.push(HEADER);
        self.word(header.seed);
        self.number(header.members);
        self.length(header.keys.len());
        for key in &header.keys {
            self.length(key.len());
            key.iter().for_each(|field| self.text(field.name()));
        }
        self.length(header.columns.len());
        for column in &header.columns {
            self.text(match column {
                Column::Text(field) => field.name(),
                Column::Place => "",
            });
        }
        self.length(header.windows.len());
        for window in &header.windows {
            self.0.extend(window.id);
            self.number(window.since.map_or(0, |since| since.0.saturating_add(1)));
            self.length(window.members.len());
            window.members.iter().for_each(|member| self.number(*member));
        }
    }

    pub(super) fn class(&mut self, number: u32, members: impl Iterator<Item = u32>) {
        let members: Vec<u32> = members.collect();
        self.0.push(CLASS);
        self.number(number);
        self.length(members.len());
        members.into_iter().for_each(|member| self.number(member));
    }

    pub(super) fn clock(&mut self, newest: UnixSeconds, hour: u64) {
        self.0.push(CLOCK);
        self.number(newest.0);
        self.number(hour);
    }

    pub(super) fn event(&mut self, feeding: Feeding, row: Option<&Row>, touches: &[Touch]) {
        self.0.push(EVENT);
        self.number(feeding.seq);
        self.number(feeding.time.0);
        self.number(feeding.newest.0 - feeding.time.0);
        self.length(usize::from(row.is_some()));
        if let Some(row) = row {
            self.stub(&row.stub);
            self.values(&row.values);
        }
        self.length(touches.len());
        for touch in touches {
            self.key(touch.key);
            self.number(touch.kind);
            self.number(touch.class.map_or(0, |class| u64::from(class) + 1));
            self.length(touch.seen.len());
            touch.seen.iter().for_each(|member| self.number(*member));
            self.length(touch.tallies.len());
            for (member, value) in &touch.tallies {
                self.number(*member);
                self.length(usize::from(value.is_some()));
                value.iter().for_each(|value| self.word(*value));
            }
        }
    }

    pub(super) fn row(&mut self, row: &Row) {
        self.0.push(ROW);
        self.number(row.seq);
        self.number(row.stub.time.0);
        self.stub(&row.stub);
        self.values(&row.values);
    }

    fn stub(&mut self, stub: &PackedStub) {
        stub.texts().into_iter().for_each(|text| self.text(text));
    }

    fn values(&mut self, values: &[(u16, u64)]) {
        self.length(values.len());
        for (column, value) in values {
            self.number(*column);
            self.word(*value);
        }
    }

    pub(super) fn held(&mut self, held: &Held, table: &Table) {
        self.0.push(HELD);
        self.key(held.key);
        self.number(held.kind);
        self.number(held.fed);
        self.number(held.queued);
        self.number(held.due);
        self.length(held.lanes.len());
        for lane in &held.lanes {
            self.number(lane.class);
            self.length(lane.hits.len());
            lane.hits.iter().for_each(|hit| self.number(table.row(hit.row).seq));
        }
        self.length(held.seen.len());
        for (member, seen) in &held.seen {
            self.number(*member);
            self.number(seen.first.0);
            self.number(seen.last.0 - seen.first.0);
            self.number(seen.span_s);
        }
        self.length(held.buckets.len());
        for (member, buckets) in &held.buckets {
            self.number(*member);
            self.number(buckets.cut.bucket_s);
            self.number(buckets.cut.span_s);
            self.number(buckets.cut.period_s.unwrap_or(0));
            self.0.push(u8::from(buckets.cut.is_distinct));
            self.length(buckets.list.len());
            for bucket in &buckets.list {
                self.number(bucket.at);
                self.number(bucket.count);
                self.length(bucket.values.len());
                bucket.values.iter().for_each(|value| self.word(value));
            }
        }
    }
}

/// The records of a page, all of them or none: what isn't whole isn't what was saved.
pub(super) fn records(page: &[u8], version: u8) -> Option<Vec<Record>> {
    let (mut reader, mut records) = (Reader { rest: page, version }, Vec::new());
    while !reader.rest.is_empty() {
        records.push(reader.record()?);
    }
    Some(records)
}

/// Reads what a [`Writer`] wrote.
struct Reader<'p> {
    rest: &'p [u8],
    version: u8,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn number(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0_u64, 0);
        loop {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
            shift += 7;
        }
    }

    fn small<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(self.number()?).ok()
    }

    fn seconds(&mut self) -> Option<UnixSeconds> {
        self.number().map(UnixSeconds)
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*bytes)
    }

    fn word(&mut self) -> Option<u64> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Option<String> {
        let length = self.small()?;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        // Nothing takes less than a byte, so a length can't be more than what is left.
        let length: usize = self.small()?;
        (length <= self.rest.len()).then_some(())?;
        (0..length).map(|_| read(self)).collect()
    }

    fn record(&mut self) -> Option<Record> {
        match self.byte()? {
            HEADER => self.header().map(Record::Header),
            CLASS => Some(Record::Class { number: self.small()?, members: self.list(Self::small)? }),
            EVENT => self.event(),
            ROW => {
                let (seq, time) = (self.number()?, self.seconds()?);
                Some(Record::Row { seq, stub: self.stub(time)?, values: self.values()? })
            }
            HELD => self.held().map(Record::Held),
            CLOCK => Some(Record::Clock { newest: self.seconds()?, hour: self.number()? }),
            _ => None,
        }
    }

    fn header(&mut self) -> Option<Header> {
        let (seed, members) = (self.word()?, self.small()?);
        let field = |reader: &mut Self| Field::parse(&reader.text()?).ok();
        let keys = self.list(|reader| reader.list(field))?;
        let columns = self.list(|reader| match reader.text()? {
            text if text.is_empty() => Some(Column::Place),
            text => Field::parse(&text).ok().map(Column::Text),
        })?;
        let windows = self.list(|reader| {
            let id = reader.bytes()?;
            let since = reader.number()?.checked_sub(1).map(UnixSeconds);
            Some(SavedWindow { id, since, members: reader.list(Self::small)? })
        })?;
        Some(Header { windows, members, keys, columns, seed })
    }

    fn event(&mut self) -> Option<Record> {
        let (seq, time) = (self.number()?, self.seconds()?);
        let feeding = Feeding { seq, time, newest: time.plus(self.number()?) };
        let row = match self.byte()? {
            0 => None,
            _ => Some((self.stub(time)?, self.values()?)),
        };
        let touches = self.list(|reader| {
            let key = reader.bytes().map(Key::from_le_bytes)?;
            let kind = reader.small()?;
            let class = reader.small::<u32>()?.checked_sub(1);
            let seen = reader.list(Self::small)?;
            let tallies = reader.list(|reader| {
                let member = reader.small()?;
                let value = match reader.byte()? {
                    0 => None,
                    _ => Some(reader.word()?),
                };
                Some((member, value))
            })?;
            Some(Touch { key, kind, class, seen, tallies })
        })?;
        Some(Record::Event { feeding, row, touches })
    }

    fn stub(&mut self, time: UnixSeconds) -> Option<PackedStub> {
        let said = if self.version < OBJECTS { TEXTS - 2 } else { TEXTS };
        let mut texts = [const { String::new() }; TEXTS];
        for text in &mut texts[..said] {
            *text = self.text()?;
        }
        Some(PackedStub::of_texts(time, texts.each_ref().map(String::as_str)))
    }

    fn values(&mut self) -> Option<Vec<(u16, u64)>> {
        self.list(|reader| Some((reader.small()?, reader.word()?)))
    }

    fn held(&mut self) -> Option<SavedHeld> {
        let key = self.bytes().map(Key::from_le_bytes)?;
        let (kind, fed, queued) = (self.small()?, self.number()?, self.number()?);
        let due = if self.version < PERIODS { 0 } else { self.number()? };
        let lanes = self.list(|reader| Some((reader.small()?, reader.list(Self::number)?)))?;
        let seen = self.list(|reader| {
            let (member, first) = (reader.small()?, reader.seconds()?);
            Some((member, Seen { first, last: first.plus(reader.number()?), span_s: reader.number()? }))
        })?;
        let buckets = self.list(|reader| {
            let (member, bucket_s, span_s) = (reader.small()?, reader.number()?, reader.number()?);
            let (period_s, is_distinct) = match reader.version {
                ..PERIODS => (None, false),
                _ => (Some(reader.number()?).filter(|period_s| *period_s > 0), reader.byte()? != 0),
            };
            let all = reader.list(|reader| {
                let (at, count) = (reader.number()?, reader.number()?);
                Some(Bucket { at, count, values: reader.list(Self::word)?.into_iter().collect() })
            })?;
            // What is asked later relies on their order.
            all.is_sorted_by(|a, b| a.at < b.at).then_some(())?;
            // Of what an older gridwatch saved: what has no values is final, and counts the same either way.
            let is_distinct = is_distinct || all.iter().any(|bucket| !bucket.values.is_empty());
            let mut buckets = Buckets::new(Cut { bucket_s, period_s, span_s, is_distinct });
            all.into_iter().for_each(|bucket| buckets.put(bucket));
            Some((member, buckets))
        })?;
        (bucket_lengths(&buckets)).then_some(SavedHeld { key, kind, fed, queued, due, lanes, seen, buckets })
    }
}

/// A bucket of no length would be divided by.
fn bucket_lengths(buckets: &[(u32, Buckets)]) -> bool {
    buckets.iter().all(|(_, buckets)| buckets.cut.bucket_s > 0)
}
