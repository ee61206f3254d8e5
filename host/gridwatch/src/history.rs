//! The history of alerts: every record of an alert that was made, as gridwatch knows it, kept in the state folder for people to ask about.
//!
//! It is a [log](gridwatch_log) with an [index] beside it: each revision is a record, suppressed ones too, and the newest one of an alert
//! counts. What is listed is read from the index, and only what is shown from the log. Reading takes no lock and works beside a running
//! gridwatch. What an older one left as lines of JSON is read as well, and taken into the log when gridwatch runs.

mod before;
mod index;
mod writer;

pub use writer::Writer;

use anyhow::{Context, Result, bail};
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_log::{LogError, Reader};
use gridwatch_manifest::Severity;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::handling::Status;
use index::{Indexed, Mark};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// Name of its log.
const LOG: &str = "alerts";
/// Alerts named when an id isn't enough of one.
const MATCHES_SHOWN: usize = 10;

/// The history, by one who asks.
#[derive(Debug)]
pub struct History {
    folder: PathBuf,
    reader: Reader,
    /// The newest record of each alert, the one of the newest event at the end.
    rows: Vec<Row>,
    /// Rules by their places in it.
    rules: Vec<String>,
    before: Vec<Alert>,
    /// Place behind the newest record that was read.
    next: u64,
    /// How far the index was read.
    mark: Mark,
    /// The log had no more than the index.
    is_indexed: bool,
}

/// A history that somebody looks at again and again: what was read of it is kept, and only what is news is read.
#[derive(Debug, Default)]
pub struct Watched(Option<(u64, History)>);

/// An alert, as far as it can be told without reading it.
#[derive(Clone, Debug)]
pub struct Row {
    place: Place,
    pub last: UnixSeconds,
    pub seen: UnixMillis,
    pub severity: Severity,
    pub is_suppressed: bool,
    /// Of a rule in shadow; suppressed as well.
    pub is_shadow: bool,
    pub is_over: bool,
    pub status: Status,
    uid: Box<str>,
    revision: u32,
    rule: u32,
    actor: [u64; 3],
    org: u64,
}

impl Row {
    /// The alert's id.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    pub const fn revision(&self) -> u32 {
        self.revision
    }
}

/// Which record of an alert it is.
pub type Recorded = (Box<str>, Place);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Its number in the log.
    Log(u64),
    /// Its place among those that an older gridwatch left.
    Before(usize),
}

impl Row {
    /// Does it still need somebody? As [`Alert::is_open`] says it.
    pub fn is_open(&self) -> bool {
        !self.is_suppressed && !self.is_over && !matches!(self.status, Status::Closed(_))
    }

    /// Is this who did it, by id, name or e-mail address?
    pub fn is_by(&self, who: &str) -> bool {
        self.actor.contains(&index::hash(who))
    }

    /// Is it this organization's, by its name?
    pub fn is_of(&self, org: &str) -> bool {
        self.org == index::hash(org)
    }

    /// Is this its id, all of it?
    pub fn is_called(&self, uid: &str) -> bool {
        &*self.uid == uid
    }

    pub fn record(&self) -> Recorded {
        (self.uid.clone(), self.place)
    }

    /// `gw-` may be left out.
    fn is_named(&self, prefix: &str) -> bool {
        !prefix.is_empty()
            && (self.uid.starts_with(prefix) || self.uid.strip_prefix("gw-").unwrap_or("").starts_with(prefix))
    }
}

/// Rows on their way into a [`History`].
#[derive(Default)]
struct Gathered {
    rows: Vec<Row>,
    /// Where each alert is in them, by what its id hashes to.
    by_uid: HashMap<u128, usize>,
    rules: Vec<String>,
    places: HashMap<String, u32>,
}

impl Gathered {
    fn add(&mut self, place: Place, found: Indexed<'_>) {
        let key = key(found.uid);
        let known = self.by_uid.get(&key).copied();
        if known.is_some_and(|at| self.rows[at].revision > found.revision) {
            return;
        }
        let rule = match self.places.get(found.rule) {
            Some(rule) => *rule,
            None => {
                let rule = self.rules.len() as u32;
                self.rules.push(found.rule.to_owned());
                self.places.insert(found.rule.to_owned(), rule);
                rule
            }
        };
        let row = Row {
            place,
            last: UnixSeconds(found.last),
            seen: UnixMillis(found.seen),
            severity: found.severity,
            is_suppressed: found.is_suppressed,
            is_shadow: found.is_shadow,
            is_over: found.is_over,
            status: found.status,
            uid: found.uid.into(),
            revision: found.revision,
            rule,
            actor: found.actor,
            org: found.org,
        };
        match known {
            Some(at) => self.rows[at] = row,
            None => {
                self.by_uid.insert(key, self.rows.len());
                self.rows.push(row);
            }
        }
    }
}

/// Ids are hashes as they are.
fn key(uid: &str) -> u128 {
    let hex = uid.strip_prefix("gw-").filter(|hex| hex.len() == 32);
    hex.and_then(|hex| u128::from_str_radix(hex, 16).ok()).unwrap_or_else(|| {
        let hash = u128::from(index::hash(uid));
        hash << 64 | u128::from(index::hash(&format!("{uid}\n")))
    })
}

impl History {
    /// # Errors
    /// There is none, or it can't be read.
    pub fn open(state_dir: &Path) -> Result<Self> {
        let folder = folder(state_dir);
        std::fs::read_dir(&folder).map_err(|error| {
            let hint =
                "is this the `state_dir` of a gridwatch (a demo's is `state` in its folder), and has it run yet?";
            anyhow::anyhow!("can't read {}: {error}\nhint: {hint}", folder.display())
        })?;
        let mut gathered = Gathered::default();
        let mut before = Vec::new();
        for file in before::files(&folder)? {
            before.extend(before::read(&file)?);
        }
        for (place, alert) in before.iter().enumerate() {
            gathered.add(Place::Before(place), Indexed::of(0, alert));
        }
        let reader = Reader::open(&folder, LOG)?;
        let next = reader.first().unwrap_or(0);
        let (rows, rules, mark, is_indexed) = Default::default();
        let mut history = Self { folder, reader, rows, rules, before, next, mark, is_indexed };
        history.read_on(gathered)?;
        Ok(history)
    }

    /// Takes in what came since. False, and nothing was taken in, if it has to be opened anew for that: what was read isn't what is there now.
    ///
    /// # Errors
    /// It can't be read.
    pub fn refresh(&mut self) -> Result<bool> {
        // What is in the log alone may be cut off and written otherwise.
        if !self.is_indexed || !self.before.is_empty() {
            return Ok(false);
        }
        self.reader.refresh()?;
        let rules = std::mem::take(&mut self.rules);
        let places = rules.iter().cloned().zip(0..).collect();
        self.read_on(Gathered { rules, places, ..Gathered::default() })
    }

    fn read_on(&mut self, mut gathered: Gathered) -> Result<bool> {
        let first = self.reader.first().unwrap_or(0);
        let (mut next, mut cut) = (self.next, Vec::new());
        let goes_on = index::read_on(&self.folder, &mut self.mark, |row| {
            next = row.number + 1;
            match row.is_cut {
                _ if row.number < first => {}
                true => cut.push(row.number),
                false => gathered.add(Place::Log(row.number), row),
            }
        })?;
        if !goes_on {
            return Ok(false);
        }
        for number in cut {
            each(&mut self.reader, number, number + 1, |number, alert| {
                gathered.add(Place::Log(number), Indexed::of(number, &alert));
            })?;
        }
        self.next = next;
        // What the index lacks.
        each(&mut self.reader, next, u64::MAX, |number, alert| {
            self.next = number + 1;
            gathered.add(Place::Log(number), Indexed::of(number, &alert));
        })?;
        self.is_indexed = self.next == next;
        self.merge(gathered, first);
        Ok(true)
    }

    /// Puts rows among those that are known. Of an alert the newest record counts; those before the oldest one that is kept have gone.
    fn merge(&mut self, Gathered { rows: mut new, by_uid, rules, .. }: Gathered, first: u64) {
        self.rules = rules;
        let mut older = BTreeSet::new();
        self.rows.retain(|row| {
            let known = by_uid.get(&key(&row.uid)).copied();
            let is_kept = !matches!(row.place, Place::Log(number) if number < first);
            let counts = is_kept && known.is_none_or(|at| row.revision > new[at].revision);
            older.extend(known.filter(|_| counts));
            counts
        });
        older.iter().rev().for_each(|at| _ = new.remove(*at));
        self.rows.append(&mut new);
        // Of what is in order but for its end, this only sorts the end.
        self.rows.sort_by(|a, b| (a.last, &a.uid).cmp(&(b.last, &b.uid)));
    }

    /// Place behind the newest record that it knows of.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// The alerts, the one of the newest event at the end.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Its rule, as `<module>.<rule>`.
    pub fn rule(&self, row: &Row) -> &str {
        &self.rules[row.rule as usize]
    }

    /// All rules that there are alerts of.
    pub fn rules(&self) -> BTreeSet<&str> {
        self.rules.iter().map(String::as_str).collect()
    }

    /// An alert itself; `None` if it was removed since.
    ///
    /// # Errors
    /// It can't be read.
    pub fn alert(&mut self, row: &Row) -> Result<Option<Alert>> {
        match row.place {
            Place::Before(place) => Ok(self.before.get(place).cloned()),
            Place::Log(number) => {
                let record = self.reader.get(number)?;
                record.map(|record| Ok(of_bytes(&record)?.1)).transpose()
            }
        }
    }

    /// Those alerts that are wanted, in their order.
    ///
    /// # Errors
    /// One can't be read.
    pub fn alerts(&mut self, is_wanted: impl Fn(&Row) -> bool) -> Result<Vec<Alert>> {
        let wanted: Vec<Row> = self.rows.iter().filter(|row| is_wanted(row)).cloned().collect();
        wanted.iter().filter_map(|row| self.alert(row).transpose()).collect()
    }

    /// The alert whose id is this, or begins with it if only one does.
    ///
    /// # Errors
    /// None is, or several are; or it can't be read.
    pub fn find(&mut self, prefix: &str) -> Result<Alert> {
        let exact = self.rows.iter().find(|row| &*row.uid == prefix);
        let like: Vec<Row> = match exact {
            Some(exact) => vec![exact.clone()],
            None => self.rows.iter().filter(|row| row.is_named(prefix)).cloned().collect(),
        };
        let none = || anyhow::anyhow!("no alert `{prefix}`\nhint: `gridwatch alerts list` lists those there are");
        match like.as_slice() {
            [] => Err(none()),
            [one] => self.alert(one)?.ok_or_else(none),
            several => {
                let mut shown = String::new();
                for row in several.iter().rev().take(MATCHES_SHOWN) {
                    let title = self.alert(row)?.map(|alert| alert.title).unwrap_or_default();
                    shown.push_str(&format!("\n  {}  {}  {title}", row.uid, row.last));
                }
                let more = several.len().saturating_sub(MATCHES_SHOWN);
                let more = if more > 0 { format!("\n  and {more} older ones") } else { String::new() };
                bail!("{} alerts begin with `{prefix}`:{shown}{more}\nhint: give more of the id", several.len())
            }
        }
    }
}

impl Watched {
    /// As it is now; `None` if there is none yet.
    ///
    /// # Errors
    /// It can't be read.
    pub fn look(&mut self, state_dir: &Path) -> Result<Option<&mut History>> {
        let Ok(size) = size(state_dir) else {
            self.0 = None;
            return Ok(None);
        };
        let known = match self.0.take() {
            Some((known, history)) if known == size => Some(history),
            Some((_, mut history)) => history.refresh()?.then_some(history),
            None => None,
        };
        let history = match known {
            Some(history) => history,
            None => History::open(state_dir)?,
        };
        Ok(Some(&mut self.0.insert((size, history)).1))
    }
}

/// The alert whose id is this, or begins with it if only one does.
///
/// # Errors
/// See [`History::open`] and [`History::find`].
pub fn find(state_dir: &Path, prefix: &str) -> Result<Alert> {
    History::open(state_dir)?.find(prefix)
}

/// Bytes of all its files: when it is another, there is something new.
///
/// # Errors
/// The folder can't be read.
pub fn size(state_dir: &Path) -> Result<u64> {
    let files = std::fs::read_dir(folder(state_dir))?;
    Ok(files.filter_map(|file| Some(file.ok()?.metadata().ok()?.len())).sum())
}

/// The history, by one who knows where in it an alert is.
#[derive(Debug)]
pub struct Places(Reader);

impl Places {
    /// # Errors
    /// The folder can't be read.
    pub fn open(state_dir: &Path) -> Result<Self, LogError> {
        Reader::open(&folder(state_dir), LOG).map(Self)
    }

    /// The alert at a place; `None` if there is none.
    ///
    /// # Errors
    /// The log is damaged there, or the disk refuses.
    pub fn get(&mut self, place: u64) -> Result<Option<Alert>, LogError> {
        let record = self.0.get(place)?;
        Ok(record.and_then(|record| Some(of_bytes(&record).ok()?.1)))
    }

    /// Gives each record that can be read: its place, its number among all records (0 if it isn't known), what it weighs.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn each(&mut self, mut take: impl FnMut(u64, u64, u64)) -> Result<(), LogError> {
        let first = self.0.first().unwrap_or_default();
        each_record(&mut self.0, first, u64::MAX, |place, bytes| {
            let number = bytes.first_chunk().map_or(0, |number| u64::from_be_bytes(*number));
            take(place, number, bytes.len() as u64);
        })
    }
}

/// Gives each alert in these places of the log. What is damaged is said and passed over.
fn each(reader: &mut Reader, from: u64, below: u64, mut take: impl FnMut(u64, Alert)) -> Result<(), LogError> {
    each_record(reader, from, below, |place, bytes| match of_bytes(bytes) {
        Ok((_, alert)) => take(place, alert),
        Err(error) => tracing::warn!(place, %error, "a record of the history is no alert"),
    })
}

fn each_record(reader: &mut Reader, from: u64, below: u64, mut take: impl FnMut(u64, &[u8])) -> Result<(), LogError> {
    let mut place = from;
    while place < below {
        match reader.block(place, |_, _| true) {
            Ok(Some(block)) => {
                for place in place.max(block.first)..block.next.min(below) {
                    take(place, block.get(place).unwrap_or_default());
                }
                place = block.next;
            }
            Ok(None) => return Ok(()),
            Err(error) if error.is_damage() => {
                tracing::warn!(%error, "alerts can't be read and are passed over");
                let Some(next) = reader.after_damage(place)? else { return Ok(()) };
                place = next;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// An alert's number among all records (8 bytes; 0 if it isn't known), and the alert as JSON.
fn to_bytes(number: u64, alert: &Alert) -> Result<Vec<u8>> {
    let mut bytes = number.to_be_bytes().to_vec();
    serde_json::to_writer(&mut bytes, alert).context("an alert can't be written")?;
    Ok(bytes)
}

fn of_bytes(bytes: &[u8]) -> Result<(u64, Alert)> {
    let (number, json) = bytes.split_first_chunk::<8>().context("it is too short")?;
    Ok((u64::from_be_bytes(*number), serde_json::from_slice(json)?))
}

fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("alerts")
}

#[cfg(test)]
mod tests;
