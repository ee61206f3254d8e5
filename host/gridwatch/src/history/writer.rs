//! Writing the history.

use super::index::{self, Bytes, Indexed};
use super::{LOG, Places, before, folder, key};
use crate::disk::OsDisk;
use anyhow::{Context, Result};
use gridwatch_log::{End, Log, LogError, Reader, Settings};
use gridwatch_rules::alert::Alert;
use gridwatch_rules::handling::Handling;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const SETTINGS: Settings = Settings { name: LOG, segment_bytes: 16 << 20, block_bytes: 64 << 10 };
/// Of its files together; the oldest go. An alert takes some hundred bytes to 1 KiB of them.
const KEPT_BYTES: u64 = 512 << 20;

/// The history, by the one who adds to it.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    log: Log,
    /// Rows of the index that are whole.
    indexed: u64,
    /// Of the records that were written and aren't kept yet.
    new: Vec<Bytes>,
    /// Of kept ones that the index lacks.
    missing: Vec<Bytes>,
    /// Where the newest record is of each alert that somebody did something about, by what its id hashes to: later records of it say so too.
    touched: HashMap<u128, u64>,
    /// Of the records that were written and aren't kept yet.
    new_touched: HashMap<u128, u64>,
    places: Places,
}

impl Writer {
    /// Opens it as it was when this end was saved. Nothing is cut off before [`Writer::settle`].
    ///
    /// # Errors
    /// See [`Log::open`].
    pub fn open(state_dir: &Path, end: End) -> Result<Self> {
        Self::with(state_dir, |folder| Log::check(Box::new(OsDisk), folder, SETTINGS, end))
    }

    /// Cuts off what comes after its end.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn settle(&mut self) -> Result<(), LogError> {
        self.log.settle()
    }

    /// Opens what there is of it; numbers begin at 1 if there is nothing.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn recover(state_dir: &Path) -> Result<Self> {
        Self::with(state_dir, |folder| Log::recover(Box::new(OsDisk), folder, SETTINGS, 1))
    }

    fn with(state_dir: &Path, log: impl FnOnce(&Path) -> Result<Log, LogError>) -> Result<Self> {
        let folder = folder(state_dir);
        crate::folder::make(&folder, crate::folder::SHOWN)
            .with_context(|| format!("can't make {}", folder.display()))?;
        let log = log(&folder).context("the history of alerts")?;
        let places = Places(Reader::open(&folder, LOG)?);
        let (new, missing, touched, new_touched) = Default::default();
        let mut writer = Self { folder, log, indexed: 0, new, missing, touched, new_touched, places };
        writer.catch_up().context("the index of alerts")?;
        Ok(writer)
    }

    /// How far it goes, as saved.
    pub fn end(&self) -> End {
        self.log.end()
    }

    /// Adds records, each with its number among all records or 0, which outlast a power cut when it returns; they count from [`Writer::keep`]
    /// on. Those of an alert that somebody did something about say so. Returns the new end and what they weigh.
    ///
    /// # Errors
    /// The disk refuses; the same may be written again.
    pub fn write<'a>(&mut self, alerts: impl IntoIterator<Item = (u64, &'a Alert)>) -> Result<(End, u64)> {
        self.new.clear();
        self.new_touched.clear();
        let (mut place, mut records, mut bytes) = (self.log.end().next, Vec::new(), 0);
        let mut here = HashMap::new();
        for (number, alert) in alerts {
            let alert = self.handled(alert, &here)?;
            let record = super::to_bytes(number, &alert)?;
            bytes += record.len() as u64;
            records.push((alert.last.0, record));
            self.new.push(Indexed::of(place, &alert).to_bytes());
            if !alert.handling.is_untouched() {
                self.new_touched.insert(key(&alert.uid), place);
                here.insert(key(&alert.uid), alert.into_owned().handling);
            }
            place += 1;
        }
        Ok((self.log.write(records)?, bytes))
    }

    /// An alert with what people did about it so far: `here` has that of records that are written together with it.
    fn handled<'a>(&mut self, alert: &'a Alert, here: &HashMap<u128, Handling>) -> Result<Cow<'a, Alert>> {
        let key = key(&alert.uid);
        if !alert.handling.is_untouched() {
            return Ok(Cow::Borrowed(alert));
        }
        if let Some(known) = here.get(&key) {
            return Ok(Cow::Owned(alert.handled(known)));
        }
        let Some(place) = self.touched.get(&key).copied() else { return Ok(Cow::Borrowed(alert)) };
        match self.places.get(place) {
            Ok(known) => Ok(known.map_or(Cow::Borrowed(alert), |known| Cow::Owned(alert.handled(&known.handling)))),
            Err(error) if error.is_damage() => {
                tracing::warn!(%error, alert = alert.uid, "what people did about an alert can't be read");
                Ok(Cow::Borrowed(alert))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Places up to this one are left out, for they may have been given out before. To be followed by a write.
    pub fn skip_to(&mut self, place: u64) {
        self.log.skip_to(place);
    }

    /// Its file, if that isn't there any more.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn removed(&self) -> Result<Option<PathBuf>> {
        Ok(self.log.removed()?)
    }

    /// What was written last is saved.
    pub fn keep(&mut self) {
        self.log.keep();
        self.missing.append(&mut self.new);
        self.touched.extend(self.new_touched.drain());
        // What the index lacks is read from the log.
        match index::append(&self.folder, self.indexed, &self.missing) {
            Ok(()) => {
                self.indexed += self.missing.len() as u64;
                self.missing.clear();
            }
            Err(error) => tracing::warn!(%error, "the index of alerts can't be written; it is tried again"),
        }
    }

    /// Removes the oldest segments that hold no record from this number on, as far as there are too many.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn trim(&mut self, needed: u64) -> Result<()> {
        let mut bytes = self.log.bytes()?;
        while bytes > KEPT_BYTES && self.log.drop_oldest(needed)? {
            bytes = self.log.bytes()?;
        }
        Ok(())
    }

    /// Takes in what an older gridwatch kept as lines of JSON, and removes those; `save` saves the end each time. Killed in between, some
    /// are taken in twice, which nobody sees: the newest record of an alert counts.
    ///
    /// # Errors
    /// The disk refuses, or the end can't be saved.
    pub fn take_in_before(&mut self, save: impl Fn(End) -> Result<()>) -> Result<()> {
        for file in before::files(&self.folder)? {
            let alerts = before::read(&file)?;
            let (end, _) = self.write(alerts.iter().map(|alert| (0, alert)))?;
            save(end)?;
            self.keep();
            std::fs::remove_file(&file).with_context(|| format!("can't remove {}", file.display()))?;
            tracing::info!(file = %file.display(), alerts = alerts.len(), "alerts of an older gridwatch taken into the history");
        }
        Ok(())
    }

    /// Makes the index say what the log has, and learns from it which alerts somebody did something about.
    fn catch_up(&mut self) -> Result<()> {
        let end = self.log.end().next;
        let (mut rows, mut next, mut is_over) = (0, None, false);
        let mut touched = HashMap::new();
        let mut note = |row: Indexed<'_>| _ = row.is_touched.then(|| touched.insert(key(row.uid), row.number));
        index::read(&self.folder, |row| {
            // Rows beyond the log's end were never saved.
            is_over |= row.number >= end || next.is_some_and(|next| row.number < next);
            if !is_over {
                (rows, next) = (rows + 1, Some(row.number + 1));
                note(row);
            }
        })?;
        let first = self.log.first();
        let next = next.filter(|next| *next >= first).unwrap_or(first);
        self.indexed = if next == first { 0 } else { rows };
        index::append(&self.folder, self.indexed, &[])?;
        let mut reader = Reader::open(&self.folder, LOG)?;
        let mut missing = Vec::new();
        super::each(&mut reader, next, end, |number, alert| {
            let row = Indexed::of(number, &alert);
            note(row);
            missing.push(row.to_bytes());
        })?;
        index::append(&self.folder, self.indexed, &missing)?;
        self.indexed += missing.len() as u64;
        self.touched = touched;
        Ok(())
    }
}
