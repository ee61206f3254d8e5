//! Writing to a file.
//!
//! Promises, with the process killed or the power cut at any instruction:
//! - Each record is in the files once, in order. What a lost commit had already written is found again and not repeated.
//! - A rotated file never ends in, or contains, a part of a line. The current one may end in one until the next start or
//!   delivery, which takes it away; agents don't read a line before its end.
//! - A complete line is never taken back: an agent may have read it. So when what is there differs from what is asked for (a store that
//!   was made anew, other rendering after an upgrade), the records are written after it. Those that are known again by their
//!   [gist](gridwatch_views::gist) aren't; others are there twice rather than never.
//! - Nothing that isn't ours is overwritten or removed.
//!
//! Rotation is by rename, at a saved position, to a name made of the number of the file's first record. Each step leaves a
//! state that [`FileSink::open`] takes up like any other: renamed but no new file, a new file but nothing in it, lines in
//! it but no commit. There is no second path for errors either: after one, the next delivery starts like a new process.
//!
//! It doesn't render records, wait, or retry.

use crate::clock::Clock;
use crate::disk::{self, Disk, OsDisk};
use crate::sink::{Answer, Delivery, Problem, Removed, Sink};
use gridwatch_event::text::hex;
use gridwatch_event::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use tracing::{info, warn};

/// When a file is full and how many full ones stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// A file is rotated before it would pass this. Only a single larger delivery, or commits lost to crashes, make a
    /// larger one: rotation waits until the store knows the position.
    pub rotate_bytes: u64,
    /// Rotated files kept at least; 0 keeps all, whatever else is set.
    pub keep: u32,
    /// No file goes for being one too many before it is this old: an agent that is down has that long to come back.
    pub keep_s: u64,
    /// What all rotated files may take together; the oldest go when it is passed, whatever their age, and that is told.
    pub keep_bytes: u64,
}

/// Where the file goes on after a restart: what it needs to find again what it has delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// All records with a lower number are delivered.
    pub next: u64,
    /// What of the current file is delivered and saved. `None`: nothing yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileMark>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unnumbered: Vec<Unnumbered>,
}

/// Lines of which it isn't known under which numbers they were delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unnumbered {
    /// Name of the file that they are in, once it was rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rotated: Option<String>,
    /// Offsets between which they are.
    from: u64,
    to: u64,
    /// The number from which on none of them will come again.
    until: u64,
}

/// A place in a file and how to know that file again: inodes are used again and don't survive a restore, the bytes of the
/// last record do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMark {
    /// Number of the first record in the file. It gives the file its name when it is rotated.
    pub first: u64,
    /// End of the last saved record, line break included.
    pub offset: u64,
    /// Length of that last line, line break included.
    pub line_bytes: u64,
    /// First 16 bytes of SHA-256 over that line, in hexadecimal.
    pub line_hash: String,
}

/// Why records couldn't be written. All of it is worth another try.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
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
    #[error("{} is already being written by another gridwatch", path.display())]
    Locked { path: PathBuf },
}

impl FileError {
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match disk::is_full(&source) {
            true => Self::Full { doing, path, source },
            false => Self::Io { doing, path, source },
        }
    }

    /// What the reader of the error can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem};
        match self {
            Self::Full { .. } => Some("free some space; delivery goes on by itself and nothing is lost meanwhile"),
            Self::Locked { .. } => Some("stop the other process, or give this sink another `path`"),
            Self::Io { source, .. } => match source.kind() {
                NotFound | NotADirectory => Some("create the folder, or correct the sink's `path`"),
                PermissionDenied => {
                    Some("the user gridwatch runs as must own the file and be able to create and rename in its folder")
                }
                ReadOnlyFilesystem => Some("mount it writable; under systemd, name the folder in ReadWritePaths="),
                _ => None,
            },
        }
    }
}

#[derive(Debug)]
pub struct FileSink {
    path: PathBuf,
    rotation: Rotation,
    disk: Box<dyn Disk>,
    clock: Clock,
    /// What the last delivery returned. At open: what the store had saved.
    resume: Resume,
    /// `None` after an error, or before the first look at the disk.
    open: Option<OpenFile>,
    /// Gists of the unnumbered lines.
    unnumbered: HashSet<[u8; 32]>,
    /// What had to go before its time and nobody has been told of yet.
    removed: Option<Removed>,
    /// Held, not read: keeps a second gridwatch from this path.
    _lock: File,
}

#[derive(Debug)]
struct OpenFile {
    file: File,
    /// End of the last complete line. Beyond `resume`'s offset when a commit was lost: lines delivered but not saved.
    end: u64,
}

/// Where what was delivered ends, and the line before.
struct Written {
    offset: u64,
    line_bytes: u64,
    line_hash: String,
}

/// How far the asked lines are already in the file.
struct Match {
    lines: usize,
    bytes: u64,
    /// What comes next in the file, if it isn't the next line asked for.
    differs: Option<Difference>,
}

enum Difference {
    /// A complete line with other text.
    OtherLine,
    /// Zeros where a power cut left a hole: nobody's text.
    Hole,
}

/// What was delivered before a store was lost comes again among the first records after it.
const RECORDS_UNTIL_ALL_CAME: u64 = 1_000_000;
/// Unnumbered lines that are looked at: more than a batch, which is what one lost commit can leave.
const MAX_UNNUMBERED: u64 = 32 << 20;
/// Names tried for a rotated file whose proper name is taken by an older life of this sink.
const MAX_NAMES: u32 = 10_000;

impl FileSink {
    /// Takes up the file where the store last saw it. Never creates folders: a typing error would create one, too.
    ///
    /// # Errors
    /// The folder isn't there, or the file can't be opened or is none.
    pub fn open(path: &Path, rotation: Rotation, resume: Option<&Value>, clock: Clock) -> Result<Self, FileError> {
        let resume = resume.map(Resume::deserialize).transpose().unwrap_or_else(|error| {
            warn!(path = %path.display(), %error,
                "where the file left off can't be read; new lines follow what is there");
            None
        });
        Self::open_on((Box::new(OsDisk), clock), path, rotation, resume.unwrap_or_default())
    }

    fn open_on(
        (disk, clock): (Box<dyn Disk>, Clock),
        path: &Path,
        rotation: Rotation,
        resume: Resume,
    ) -> Result<Self, FileError> {
        // Hidden, so that an agent's `events.ndjson*` doesn't read it.
        let lock_path = path.with_file_name(affixed(".", path, ".lock"));
        let lock = disk::lock(&lock_path)
            .map_err(|e| FileError::io("lock", &lock_path, e))?
            .ok_or_else(|| FileError::Locked { path: path.to_owned() })?;
        let mut sink = Self {
            path: path.to_owned(),
            rotation,
            disk,
            clock,
            resume,
            open: None,
            unnumbered: HashSet::new(),
            removed: None,
            _lock: lock,
        };
        let open = sink.take_up()?;
        for Unnumbered { rotated, from, to, .. } in sink.resume.unnumbered.clone() {
            match rotated {
                None => sink.look_through(&open.file, from, to)?,
                Some(name) => match File::open(path.with_file_name(name)) {
                    Ok(file) => sink.look_through(&file, from, to)?,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(sink.io("open", error)),
                },
            }
        }
        sink.open = Some(open);
        Ok(sink)
    }

    /// Opens the file as it stands, or a new one, and takes a torn tail away.
    fn take_up(&mut self) -> Result<OpenFile, FileError> {
        let opened = OpenOptions::new().read(true).write(true).open(&self.path);
        let file = match opened {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.leave_marked_file()?;
                return self.create();
            }
            opened => opened.map_err(|e| self.io("open", e))?,
        };
        let meta = file.metadata().map_err(|e| self.io("read", e))?;
        if !meta.is_file() {
            return Err(self.io("write to", io::Error::other("it is not a regular file")));
        }
        if let Some(mark) = &self.resume.file
            && !is_marked(&file, mark).map_err(|e| self.io("read", e))?
        {
            self.leave_marked_file()?;
        }
        let end = end_of_lines(&file, self.offset(), meta.len()).map_err(|e| self.io("read", e))?;
        if end < meta.len() {
            warn!(path = %self.path.display(), bytes = meta.len() - end, "torn line cut off");
            self.disk.cut(&file, end).map_err(|e| self.io("cut", e))?;
        }
        // A killed process may have created the file without saving its name.
        self.sync_folder()?;
        Ok(OpenFile { file, end })
    }

    /// The marked file isn't at its path any more. Says why, and starts with nothing.
    fn leave_marked_file(&mut self) -> Result<(), FileError> {
        let Some(mark) = self.resume.file.take() else { return Ok(()) };
        let is_ours = |name: &PathBuf| File::open(name).is_ok_and(|file| is_marked(&file, &mark).unwrap_or(false));
        let rotated = self.rotated_names(mark.first).take_while(|name| name.exists()).find(is_ours);
        match rotated {
            Some(name) => {
                info!(path = %self.path.display(), "interrupted rotation taken up");
                self.note_rotated(&name);
                // It is rotated where the store knows the end; one that was lost since may have known it better.
                let end = name.metadata().map_err(|e| FileError::io("look at", &name, e))?.len();
                if end > mark.offset {
                    let file = File::open(&name).map_err(|e| FileError::io("open", &name, e))?;
                    self.look_through(&file, mark.offset, end)?;
                    let rotated = name.file_name().map(|name| name.to_string_lossy().into_owned());
                    let until = self.resume.next + RECORDS_UNTIL_ALL_CAME;
                    self.resume.unnumbered.push(Unnumbered { rotated, from: mark.offset, to: end, until });
                }
            }
            None => {
                warn!(
                    path = %self.path.display(),
                    saved_bytes = mark.offset,
                    "file was moved, replaced or truncated by someone else; going on with what is there"
                );
                self.resume.unnumbered.retain(|lines| lines.rotated.is_some());
            }
        }
        Ok(())
    }

    /// The current file has this name now.
    fn note_rotated(&mut self, to: &Path) {
        let name = to.file_name().map(|name| name.to_string_lossy().into_owned());
        for lines in self.resume.unnumbered.iter_mut().filter(|lines| lines.rotated.is_none()) {
            lines.rotated.clone_from(&name);
        }
    }

    fn create(&self) -> Result<OpenFile, FileError> {
        let file = self.disk.create(&self.path).map_err(|e| self.io("create", e))?;
        self.sync_folder()?;
        Ok(OpenFile { file, end: 0 })
    }

    fn sync_folder(&self) -> Result<(), FileError> {
        let folder = self.folder();
        self.disk.sync_folder(folder).map_err(|e| FileError::io("save the names in", folder, e))
    }

    fn folder(&self) -> &Path {
        let folder = self.path.parent().filter(|p| !p.as_os_str().is_empty());
        folder.unwrap_or(Path::new("."))
    }

    fn offset(&self) -> u64 {
        self.resume.file.as_ref().map_or(0, |mark| mark.offset)
    }

    fn io(&self, doing: &'static str, source: io::Error) -> FileError {
        FileError::io(doing, &self.path, source)
    }

    /// The open file if it still is the one at the path and nobody wrote to it, else the result of another look.
    fn current(&mut self) -> Result<OpenFile, FileError> {
        if let Some(open) = self.open.take()
            && is_untouched(&self.path, &open)
        {
            return Ok(open);
        }
        self.take_up()
    }

    /// Writes records. Those below what was written before are passed over. After an error the same call may be made again.
    fn write_all(&mut self, batch: &[Delivery]) -> Result<(), FileError> {
        let written = self.try_write_all(batch);
        if written.is_err() {
            // Takes the torn tail away now if the disk lets us, else at the next delivery.
            self.open = self.take_up().ok();
        }
        written
    }

    fn try_write_all(&mut self, batch: &[Delivery]) -> Result<(), FileError> {
        let known = batch.partition_point(|delivery| delivery.number < self.resume.next);
        let batch = &batch[known..];
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return Ok(()) };
        let mut open = self.current()?;
        if known == 0 && self.is_full(&open, batch) {
            open = self.rotate()?;
        }
        if let Some(Written { offset, line_bytes, line_hash }) = self.write(&mut open, batch)? {
            let first = self.resume.file.as_ref().map_or(first.number, |mark| mark.first);
            self.resume.file = Some(FileMark { first, offset, line_bytes, line_hash });
        }
        self.resume.next = last.number + 1;
        self.open = Some(open);
        Ok(())
    }

    /// Notes what these lines say. They may be more than what a lost commit had written: then only the newest of them count.
    fn look_through(&mut self, file: &File, from: u64, to: u64) -> Result<(), FileError> {
        let from = from.max(to.saturating_sub(MAX_UNNUMBERED));
        let mut lines = io::BufReader::new(At { file, at: from, end: to });
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).map_err(|e| self.io("read", e))? > 0 {
            self.unnumbered.extend(gridwatch_views::gist(&line));
            line.clear();
        }
        Ok(())
    }

    /// Those of the records that aren't among the unnumbered lines.
    fn unknown(&mut self, records: &[Delivery]) -> Vec<Delivery> {
        let is_over = |lines: &Unnumbered| records.first().is_some_and(|first| first.number >= lines.until);
        if !self.unnumbered.is_empty() && self.resume.unnumbered.iter().all(is_over) {
            self.resume.unnumbered.clear();
            self.unnumbered.clear();
        }
        let is_known =
            |record: &Delivery| gridwatch_views::gist(&record.bytes).is_some_and(|g| self.unnumbered.contains(&g));
        match self.unnumbered.is_empty() {
            true => records.to_vec(),
            false => records.iter().filter(|record| !is_known(record)).cloned().collect(),
        }
    }

    /// Rotation waits until no unsaved lines are left: the position it happens at is one that the store has.
    fn is_full(&self, open: &OpenFile, batch: &[Delivery]) -> bool {
        let bytes = joined_bytes(batch);
        let offset = self.offset();
        offset > 0 && open.end == offset && offset.saturating_add(bytes) > self.rotation.rotate_bytes
    }

    /// Writes what isn't there yet and saves it all. Returns where the records end and with which line; nothing if all of them are among
    /// the unnumbered lines.
    fn write(&mut self, open: &mut OpenFile, batch: &[Delivery]) -> Result<Option<Written>, FileError> {
        let offset = self.offset();
        let found = find(&open.file, offset, open.end, batch).map_err(|e| self.io("read", e))?;
        let (there, missing) = batch.split_at(found.lines);
        let mut at = offset + found.bytes;
        let mut tail = None;
        match found.differs {
            None => {}
            Some(Difference::Hole) => {
                warn!(path = %self.path.display(), at, "hole left by a power cut removed");
                self.disk.cut(&open.file, at).map_err(|e| self.io("cut", e))?;
                open.end = at;
            }
            Some(Difference::OtherLine) => {
                self.look_through(&open.file, at, open.end)?;
                let until = missing.first().map_or(0, |first| first.number) + RECORDS_UNTIL_ALL_CAME;
                self.resume.unnumbered.push(Unnumbered { rotated: None, from: at, to: open.end, until });
                warn!(
                    path = %self.path.display(),
                    at,
                    records = missing.len(),
                    "lines that were not saved differ from what is to be delivered; what they don't say follows them"
                );
                at = open.end;
                tail = Some(last_line(&open.file, at).map_err(|e| self.io("read", e))?);
            }
        }
        let missing = self.unknown(missing);
        // Lines that are there are written again, over themselves: after a sync that failed, the kernel may hold them as
        // saved although they aren't, and would not try again.
        let write = |lines: &[Delivery], at: u64| match lines.is_empty() {
            true => Ok(()),
            false => self.disk.write_at(&open.file, &joined(lines), at),
        };
        write(there, offset).and_then(|()| write(&missing, at)).map_err(|e| self.io("write to", e))?;
        self.disk.sync(&open.file).map_err(|e| self.io("save", e))?;
        at += joined_bytes(&missing);
        open.end = open.end.max(at);
        let line =
            missing.last().or(there.last().filter(|_| tail.is_none())).map(|last| [&last.bytes[..], b"\n"].concat());
        let written = |line: Vec<u8>| Written { offset: at, line_bytes: line.len() as u64, line_hash: hash(&line) };
        Ok(line.or(tail).map(written))
    }

    fn rotate(&mut self) -> Result<OpenFile, FileError> {
        let first = self.resume.file.as_ref().map_or(0, |mark| mark.first);
        let to = self
            .rotated_names(first)
            .find(|name| !name.exists())
            .ok_or_else(|| self.io("find a free name to rotate", io::ErrorKind::AlreadyExists.into()))?;
        self.disk.rename(&self.path, &to).map_err(|e| self.io("rotate", e))?;
        self.resume.file = None;
        self.note_rotated(&to);
        let open = self.create()?;
        info!(to = %to.display(), "file rotated");
        if let Err(error) = self.prune(self.clock.now()) {
            warn!(path = %self.path.display(), %error, "old rotated files could not be removed");
        }
        Ok(open)
    }

    /// `events.ndjson.00000000000000000042`, then the same with `-1`, `-2`, …: after the store was lost, numbers start anew.
    fn rotated_names(&self, first: u64) -> impl Iterator<Item = PathBuf> {
        let path = self.path.clone();
        (0..MAX_NAMES).map(move |n| {
            let suffix = match n {
                0 => format!(".{first:020}"),
                n => format!(".{first:020}-{n}"),
            };
            path.with_file_name(affixed("", &path, &suffix))
        })
    }

    /// Removes the oldest of our rotated files. By time of last change, because numbers may have started anew.
    fn prune(&mut self, now: UnixMillis) -> io::Result<()> {
        if self.rotation.keep == 0 {
            return Ok(());
        }
        let (mut rotated, mut bytes) = (Vec::new(), 0);
        for found in std::fs::read_dir(self.folder())? {
            let found = found?;
            let meta = found.metadata()?;
            if meta.is_file() && self.is_ours(&found.file_name()) {
                bytes += meta.len();
                rotated.push((meta.modified()?, found.path(), meta.len()));
            }
        }
        rotated.sort();
        let mut left = rotated.len();
        for (changed, path, length) in rotated {
            let changed = changed.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let age_s = now.seconds().0.saturating_sub(changed);
            let had_its_time = age_s >= self.rotation.keep_s;
            let is_one_too_many = left > self.rotation.keep as usize && had_its_time;
            // The newest stays: a limit below the size of one file would leave nothing to read at all.
            let are_too_large = bytes > self.rotation.keep_bytes && left > 1;
            if !is_one_too_many && !are_too_large {
                break;
            }
            self.disk.remove(&path)?;
            (left, bytes) = (left - 1, bytes.saturating_sub(length));
            if had_its_time {
                info!(path = %path.display(), age_s, "old rotated file removed");
            } else {
                warn!(path = %path.display(), age_s, limit_bytes = self.rotation.keep_bytes,
                    "rotated files passed `keep_bytes`; the oldest was removed before `keep_for`");
                self.note_removed(length, age_s);
            }
        }
        Ok(())
    }

    fn note_removed(&mut self, bytes: u64, age_s: u64) {
        let limit_bytes = self.rotation.keep_bytes;
        let removed = self.removed.get_or_insert(Removed { files: 0, bytes: 0, age_s, limit_bytes });
        removed.files += 1;
        removed.bytes += bytes;
        removed.age_s = removed.age_s.min(age_s);
    }

    /// Whether a file name is one that `rotated_names` makes.
    fn is_ours(&self, name: &std::ffi::OsStr) -> bool {
        let (Some(name), Some(base)) = (name.to_str(), self.path.file_name().and_then(|n| n.to_str())) else {
            return false;
        };
        let Some(suffix) = name.strip_prefix(base).and_then(|rest| rest.strip_prefix('.')) else { return false };
        let (number, again) = suffix.split_once('-').unwrap_or((suffix, "1"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        number.len() == 20 && digits(number) && digits(again)
    }
}

impl Sink for FileSink {
    fn send(&mut self, batch: &[Delivery], _: Duration) -> Answer {
        let answer = match self.write_all(batch) {
            Ok(()) => Answer::settled(self.resume.next),
            Err(error) => Answer::wait(self.resume.next, None, Problem::of(&error, error.hint())),
        };
        answer.resuming(serde_json::to_value(&self.resume).ok())
    }

    fn removed(&mut self) -> Option<Removed> {
        self.removed.take()
    }
}

fn affixed(before: &str, path: &Path, after: &str) -> OsString {
    let mut name = OsString::from(before);
    name.push(path.file_name().unwrap_or_default());
    name.push(after);
    name
}

fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes)[..16])
}

fn joined(lines: &[Delivery]) -> Vec<u8> {
    let mut text = Vec::with_capacity(joined_bytes(lines) as usize);
    for line in lines {
        debug_assert!(!line.bytes.contains(&b'\n'), "a record is one line");
        text.extend_from_slice(&line.bytes);
        text.push(b'\n');
    }
    text
}

fn joined_bytes(lines: &[Delivery]) -> u64 {
    lines.iter().map(|line| line.bytes.len() as u64 + 1).sum()
}

/// Does the file hold the marked line where the mark says?
fn is_marked(file: &File, mark: &FileMark) -> io::Result<bool> {
    let Some(at) = mark.offset.checked_sub(mark.line_bytes) else { return Ok(false) };
    if file.metadata()?.len() < mark.offset {
        return Ok(false);
    }
    let mut line = vec![0; usize::try_from(mark.line_bytes).unwrap_or(0)];
    file.read_exact_at(&mut line, at)?;
    Ok(hash(&line) == mark.line_hash)
}

fn is_untouched(path: &Path, open: &OpenFile) -> bool {
    let (Ok(named), Ok(held)) = (std::fs::metadata(path), open.file.metadata()) else { return false };
    (named.dev(), named.ino(), named.len()) == (held.dev(), held.ino(), open.end)
}

/// The place after the last line break in `from..length`, or `from`.
fn end_of_lines(file: &File, from: u64, length: u64) -> io::Result<u64> {
    let mut block = [0; 8192];
    let mut end = length;
    while end > from {
        let start = end.saturating_sub(block.len() as u64).max(from);
        let block = &mut block[..(end - start) as usize];
        file.read_exact_at(block, start)?;
        if let Some(at) = block.iter().rposition(|b| *b == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(from)
}

/// A part of a file, read without moving its position.
struct At<'f> {
    file: &'f File,
    at: u64,
    end: u64,
}

impl Read for At<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(into.len());
        let read = self.file.read_at(&mut into[..left], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// The line that ends there, with its line break.
fn last_line(file: &File, end: u64) -> io::Result<Vec<u8>> {
    let begin = end_of_lines(file, 0, end.saturating_sub(1))?;
    let mut line = vec![0; usize::try_from(end - begin).unwrap_or(0)];
    file.read_exact_at(&mut line, begin)?;
    Ok(line)
}

/// Compares the lines asked for with those in `from..end`. Memory: one asked line.
fn find(mut file: &File, from: u64, end: u64, lines: &[Delivery]) -> io::Result<Match> {
    let mut found = Match { lines: 0, bytes: 0, differs: None };
    if from == end {
        return Ok(found);
    }
    file.seek(SeekFrom::Start(from))?;
    let mut reader = io::BufReader::new(file.take(end - from));
    for line in lines {
        if from + found.bytes == end {
            break;
        }
        let mut there = Vec::with_capacity(line.bytes.len() + 1);
        reader.by_ref().take(line.bytes.len() as u64 + 1).read_to_end(&mut there)?;
        if there.strip_suffix(b"\n") != Some(&line.bytes[..]) {
            let of_line = there.split(|b| *b == b'\n').next().unwrap_or_default();
            // JSON text has no raw zeros.
            found.differs = Some(match of_line.contains(&0) {
                true => Difference::Hole,
                false => Difference::OtherLine,
            });
            break;
        }
        found.lines += 1;
        found.bytes += there.len() as u64;
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
