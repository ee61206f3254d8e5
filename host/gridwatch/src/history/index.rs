//! The index of the history: a row of fixed size for each record, so that alerts are listed and filtered without reading them.
//!
//! It holds nothing that isn't in the log: a row that is missing, or isn't what was written, is made again from there.
//!
//! ```text
//!  0 number (8)  8 newest event, s (8)  16 first seen, ms (8)  24 hashes of the actor's id, name, address (8 each)  48 of the organization (8)
//! 56 revision (4)  60 severity (1)  61 flags (1): 1 suppressed, 2 a text is longer than its place, 4 in shadow, 8 somebody did
//! something about it, 16 acknowledged, 32 and 64 closed, with which reason, 128 over
//! 62 length of the id (1)  63 length of the rule (1)  64 id (40)  104 rule (84)  188 CRC-32 of what is before, and a version (4)
//! ```

use gridwatch_manifest::Severity;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::handling::{Reason, Status};
use sha2::{Digest, Sha256};
use std::fs::{File, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

pub(super) const FILE: &str = "alerts.index";
const MODE: u32 = 0o640;
const BYTES: usize = 192;
const UID_BYTES: usize = 40;
const RULE_BYTES: usize = 84;
const SUPPRESSED: u8 = 1;
const CUT: u8 = 2;
const SHADOW: u8 = 4;
const TOUCHED: u8 = 8;
const ACKNOWLEDGED: u8 = 16;
const CLOSED_SHIFT: u8 = 5;
const CLOSED: u8 = 3 << CLOSED_SHIFT;
const OVER: u8 = 128;
/// To be raised when rows say more: those of before are then made again.
const VERSION: u32 = 2;
/// Rows read at a time.
const SOME: usize = 1_024;

/// A row as it stands in the file.
pub(super) type Bytes = [u8; BYTES];

/// What is known of a record without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Indexed<'t> {
    pub(super) number: u64,
    pub(super) last: u64,
    pub(super) seen: u64,
    pub(super) actor: [u64; 3],
    pub(super) org: u64,
    pub(super) revision: u32,
    pub(super) severity: Severity,
    pub(super) is_suppressed: bool,
    pub(super) is_shadow: bool,
    pub(super) is_over: bool,
    /// Somebody did something about it, whatever its status is now.
    pub(super) is_touched: bool,
    pub(super) status: Status,
    pub(super) uid: &'t str,
    pub(super) rule: &'t str,
    /// Id or rule are longer than this: what they are, the record says.
    pub(super) is_cut: bool,
}

/// What a text is compared by.
pub(super) fn hash(text: &str) -> u64 {
    Sha256::digest(text).first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

fn sum(said: &[u8]) -> u32 {
    crc32fast::hash(said) ^ VERSION
}

fn status_flags(status: Status) -> u8 {
    match status {
        Status::Open => 0,
        Status::Acknowledged => ACKNOWLEDGED,
        Status::Closed(Reason::True) => 1 << CLOSED_SHIFT,
        Status::Closed(Reason::False) => 2 << CLOSED_SHIFT,
        Status::Closed(Reason::Expected) => 3 << CLOSED_SHIFT,
    }
}

fn status_of(flags: u8) -> Status {
    let mut all = [Status::Open, Status::Acknowledged].into_iter().chain(Reason::ALL.map(Status::Closed));
    let is_it = |status: &Status| status_flags(*status) == flags & (ACKNOWLEDGED | CLOSED);
    all.find(is_it).unwrap_or_default()
}

fn fitting(text: &str, most: usize) -> &str {
    let end = (0..=text.len().min(most)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

impl<'t> Indexed<'t> {
    pub(super) fn of(number: u64, alert: &'t Alert) -> Self {
        let actor = [&alert.actor.id, &alert.actor.name, &alert.actor.email];
        Self {
            number,
            last: alert.last.0,
            seen: alert.seen.0,
            actor: actor.map(|text| hash(text)),
            org: hash(&alert.org.to_string()),
            revision: alert.revision,
            severity: alert.severity,
            is_suppressed: alert.suppressed_by.is_some(),
            is_shadow: alert.is_shadow(),
            is_over: alert.over.is_some(),
            is_touched: !alert.handling.is_untouched(),
            status: alert.handling.status,
            uid: &alert.uid,
            rule: &alert.rule,
            is_cut: false,
        }
    }

    pub(super) fn to_bytes(self) -> Bytes {
        let (uid, rule) = (fitting(self.uid, UID_BYTES), fitting(self.rule, RULE_BYTES));
        let is_cut = self.is_cut || uid.len() < self.uid.len() || rule.len() < self.rule.len();
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let flags = flag(self.is_suppressed, SUPPRESSED)
            | flag(is_cut, CUT)
            | flag(self.is_shadow, SHADOW)
            | flag(self.is_touched, TOUCHED)
            | status_flags(self.status)
            | flag(self.is_over, OVER);
        let mut bytes = [0; BYTES];
        let mut put = |at: usize, what: &[u8]| bytes[at..at + what.len()].copy_from_slice(what);
        let [id, name, email] = self.actor;
        let numbers = [self.number, self.last, self.seen, id, name, email, self.org];
        numbers.iter().enumerate().for_each(|(n, number)| put(n * 8, &number.to_le_bytes()));
        put(56, &self.revision.to_le_bytes());
        put(60, &[self.severity.id(), flags, uid.len() as u8, rule.len() as u8]);
        put(64, uid.as_bytes());
        put(104, rule.as_bytes());
        let sum = sum(&bytes[..BYTES - 4]);
        bytes[BYTES - 4..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// `None` if it isn't what was written.
    fn from_bytes(bytes: &'t [u8]) -> Option<Self> {
        let (said, summed) = bytes.split_last_chunk::<4>()?;
        if bytes.len() != BYTES || sum(said) != u32::from_le_bytes(*summed) {
            return None;
        }
        let long = |n: usize| bytes[n * 8..].first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk));
        let text = |at: usize, length: u8| std::str::from_utf8(bytes.get(at..at + usize::from(length))?).ok();
        Some(Self {
            number: long(0),
            last: long(1),
            seen: long(2),
            actor: [long(3), long(4), long(5)],
            org: long(6),
            revision: bytes[56..].first_chunk().map_or(0, |chunk| u32::from_le_bytes(*chunk)),
            severity: Severity::from_id(bytes[60]),
            is_suppressed: bytes[61] & SUPPRESSED != 0,
            is_shadow: bytes[61] & SHADOW != 0,
            is_cut: bytes[61] & CUT != 0,
            is_over: bytes[61] & OVER != 0,
            is_touched: bytes[61] & TOUCHED != 0,
            status: status_of(bytes[61]),
            uid: text(64, bytes[62])?,
            rule: text(104, bytes[63])?,
        })
    }
}

/// How far it was read: so many rows, and the last of them as it stood there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    rows: u64,
    last: Option<Bytes>,
}

/// Gives each whole row in order; returns how many there are. It ends at the first one that isn't what was written.
pub(super) fn read(folder: &Path, each: impl FnMut(Indexed<'_>)) -> io::Result<u64> {
    let mut mark = Mark::default();
    read_on(folder, &mut mark, each)?;
    Ok(mark.rows)
}

/// The same from a mark on, which goes on with it. False, and nothing was given, if what was read before isn't what stands there now: a gridwatch
/// that starts cuts off what was never saved, and writes something else.
pub(super) fn read_on(folder: &Path, mark: &mut Mark, mut each: impl FnMut(Indexed<'_>)) -> io::Result<bool> {
    let mut file = match File::open(folder.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(mark.last.is_none()),
        opened => opened?,
    };
    if let Some(last) = mark.last {
        let mut found = [0; BYTES];
        file.seek(SeekFrom::Start((mark.rows - 1) * BYTES as u64))?;
        match file.read_exact(&mut found) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        }
        if found != last {
            return Ok(false);
        }
    }
    let mut some = Vec::with_capacity(SOME * BYTES);
    loop {
        some.clear();
        if Read::by_ref(&mut file).take((SOME * BYTES) as u64).read_to_end(&mut some)? == 0 {
            return Ok(true);
        }
        for bytes in some.chunks(BYTES) {
            let Some(row) = Indexed::from_bytes(bytes) else { return Ok(true) };
            each(row);
            *mark = Mark { rows: mark.rows + 1, last: bytes.first_chunk().copied() };
        }
    }
}

/// Adds rows behind so many that are whole; what else is there goes.
pub(super) fn append(folder: &Path, after: u64, rows: &[Bytes]) -> io::Result<()> {
    let mut file = File::options().append(true).create(true).mode(MODE).open(folder.join(FILE))?;
    let (end, length) = (after * BYTES as u64, file.metadata()?.len());
    if length == 0 {
        // Whatever the umask.
        file.set_permissions(Permissions::from_mode(MODE))?;
    }
    if length != end {
        file.set_len(end)?;
    }
    file.write_all(rows.as_flattened())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u64) -> Bytes {
        let row = Indexed {
            number,
            last: 1_790_000_000,
            seen: 1_790_000_000_123,
            actor: [1, 2, hash("a@b.c")],
            org: 4,
            revision: 5,
            severity: Severity::High,
            is_suppressed: number.is_multiple_of(2),
            is_shadow: number.is_multiple_of(4),
            is_over: number.is_multiple_of(3),
            is_touched: number.is_multiple_of(5),
            status: [Status::Open, Status::Acknowledged]
                .into_iter()
                .chain(Reason::ALL.map(Status::Closed))
                .nth(number as usize % 5)
                .unwrap(),
            uid: &format!("gw-{number:032x}"),
            rule: "sign-in.burst",
            is_cut: false,
        };
        let bytes = row.to_bytes();
        assert_eq!(Indexed::from_bytes(&bytes), Some(row));
        bytes
    }

    fn all(folder: &Path) -> Vec<Bytes> {
        let mut rows = Vec::new();
        let count = read(folder, |row| rows.push(row.to_bytes())).unwrap();
        assert_eq!(count, rows.len() as u64);
        rows
    }

    #[test]
    fn rows_come_back_up_to_the_first_that_is_not_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        assert!(all(folder.path()).is_empty());
        let rows: Vec<Bytes> = (0..3_000).map(row).collect();
        append(folder.path(), 0, &rows[..1_000]).unwrap();
        append(folder.path(), 1_000, &rows[1_000..]).unwrap();
        assert_eq!(all(folder.path()), rows);
        let path = folder.path().join(FILE);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[BYTES * 1_200 + 70] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(all(folder.path()), rows[..1_200]);
        append(folder.path(), 1_200, &rows[1_200..1_300]).unwrap();
        assert_eq!(all(folder.path()), rows[..1_300], "what was after the odd one has gone");
    }

    #[test]
    fn what_is_longer_than_its_place_says_so() {
        let (bytes, rule) = (row(1), "ü".repeat(80));
        let long = Indexed { rule: &rule, ..Indexed::from_bytes(&bytes).unwrap() }.to_bytes();
        let back = Indexed::from_bytes(&long).unwrap();
        assert!(back.is_cut && rule.starts_with(back.rule) && back.rule.len() == 84);
    }
}
