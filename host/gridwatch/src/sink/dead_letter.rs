//! Dead letters: what a sink's receiver refused for good, kept for a person to look at and send by hand.
//!
//! Each sink has a file `<sink>.ndjson` in the folder `dead-letters` of the state folder, private like the store. A line is
//! `{"number":…,"id":…,"kind":"event","time":…,"refused":…,"reason":…,"record":…}`; the record is as it was sent, or a text where
//! that is no JSON. When the file is full it is renamed to `<sink>.ndjson.1`, older ones move up, and the last one goes.
//!
//! Promises: [`DeadLetters::bury`] returns once the letters outlast a power cut. Asked again for a letter after a crash, before
//! the sink's position was saved, it doesn't write it twice. It makes nothing before the first letter.

use super::{Delivery, Problem};
use crate::folder;
use gridwatch_event::text::clean;
use gridwatch_event::time::UnixMillis;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file is full at this size.
const FILE_BYTES: u64 = 16 << 20;
/// Full files kept.
const KEPT: u32 = 3;
/// Characters of a reason.
const MAX_REASON: usize = 1_024;

/// The dead letters of one sink.
#[derive(Debug)]
pub struct DeadLetters {
    path: PathBuf,
    /// `None` before the first letter, and after an error.
    open: Option<Open>,
    full_bytes: u64,
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
    /// Numbers of letters that are there and may be asked for again.
    known: BTreeSet<u64>,
}

/// A record that was refused, and why.
#[derive(Clone, Debug)]
pub struct Letter<'d> {
    pub delivery: &'d Delivery,
    pub reason: &'d str,
}

/// Of a line, as far as it is read back.
#[derive(Deserialize)]
struct Line {
    number: u64,
}

impl DeadLetters {
    pub fn of(state_dir: &Path, sink: &str) -> Self {
        let path = state_dir.join("dead-letters").join(format!("{sink}.ndjson"));
        Self { path, open: None, full_bytes: FILE_BYTES }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes and saves letters that aren't there yet. `from` is the sink's saved position: no letter below it is asked for
    /// again. After an error the same call may be made again.
    ///
    /// # Errors
    /// The file can't be opened, written or synced.
    pub fn bury(&mut self, letters: &[Letter<'_>], from: u64, now: UnixMillis) -> Result<(), Problem> {
        self.try_bury(letters, from, now).map_err(|error| {
            self.open = None;
            let what = format!("cannot write dead letters to {}: {error}", self.path.display());
            let hint = "the sink continues when they can be written; free some space, or correct the folder's rights";
            Problem { what, hint: Some(hint) }
        })
    }

    fn try_bury(&mut self, letters: &[Letter<'_>], from: u64, now: UnixMillis) -> io::Result<()> {
        let full_bytes = self.full_bytes;
        if self.open.as_ref().is_some_and(|open| open.bytes >= full_bytes) {
            self.open = None;
            self.rotate()?;
        }
        let open = match self.open.take() {
            Some(open) => open,
            None => take_up(&self.path, from)?,
        };
        let open = self.open.insert(open);
        let new: Vec<&Letter<'_>> =
            letters.iter().filter(|letter| !open.known.contains(&letter.delivery.number)).collect();
        let lines: String = new.iter().map(|letter| line(letter, now)).collect();
        open.file.write_all(lines.as_bytes())?;
        open.file.sync_data()?;
        open.bytes += lines.len() as u64;
        open.known.extend(new.iter().map(|letter| letter.delivery.number));
        Ok(())
    }

    fn rotate(&self) -> io::Result<()> {
        for n in (0..=KEPT).rev() {
            let from = numbered(&self.path, n);
            if !from.exists() {
                continue;
            }
            if n == KEPT {
                tracing::warn!(file = %from.display(), "the oldest dead letters were removed to make room");
                std::fs::remove_file(&from)?;
            } else {
                std::fs::rename(&from, numbered(&self.path, n + 1))?;
            }
        }
        sync_folder(&self.path)
    }
}

/// The file itself, then `<file>.1`, `<file>.2`, …
fn numbered(path: &Path, n: u32) -> PathBuf {
    match n {
        0 => path.to_owned(),
        n => PathBuf::from(format!("{}.{n}", path.display())),
    }
}

/// Opens the file, or makes it, and takes a torn last line away.
fn take_up(path: &Path, from: u64) -> io::Result<Open> {
    if let Some(dir) = path.parent() {
        folder::make(dir, folder::PRIVATE)?;
    }
    let file = OpenOptions::new().append(true).read(true).create(true).mode(0o600).open(path)?;
    let text = std::fs::read(path)?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if whole < text.len() {
        file.set_len(whole as u64)?;
    }
    // The newest full file as well: it may have been rotated just before the crash.
    let before = std::fs::read(numbered(path, 1)).unwrap_or_default();
    let lines = before.split(|byte| *byte == b'\n').chain(text[..whole].split(|byte| *byte == b'\n'));
    let numbers = lines.filter_map(|line| serde_json::from_slice::<Line>(line).ok()).map(|line| line.number);
    let known = numbers.filter(|number| *number >= from).collect();
    // What is there may never have been saved.
    file.sync_all()?;
    sync_folder(path)?;
    Ok(Open { file, bytes: whole as u64, known })
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

fn line(letter: &Letter<'_>, now: UnixMillis) -> String {
    let Letter { delivery, reason } = letter;
    let text = String::from_utf8_lossy(&delivery.bytes);
    let is_json = serde_json::from_str::<IgnoredAny>(&text).is_ok();
    let record = if is_json { text.into_owned() } else { serde_json::Value::from(&*text).to_string() };
    let head = serde_json::json!({
        "number": delivery.number,
        "id": &*delivery.id,
        "kind": delivery.kind.name(),
        "time": delivery.time.to_string(),
        "refused": now.to_string(),
        "reason": clean(reason, MAX_REASON),
    });
    let head = head.to_string();
    format!("{},\"record\":{record}}}\n", head.trim_end_matches('}'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::testing::delivery;
    use serde_json::Value;
    use std::os::unix::fs::MetadataExt;

    fn lines(path: &Path) -> Vec<Value> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn numbers(path: &Path) -> Vec<u64> {
        lines(path).iter().map(|line| line["number"].as_u64().unwrap()).collect()
    }

    fn bury(dead: &mut DeadLetters, numbers: &[u64], from: u64) {
        let deliveries: Vec<Delivery> = numbers.iter().map(|n| delivery(*n, &format!("{{\"n\":{n}}}"))).collect();
        let letters: Vec<Letter<'_>> =
            deliveries.iter().map(|delivery| Letter { delivery, reason: "no such\nfield" }).collect();
        dead.bury(&letters, from, UnixMillis(0)).unwrap();
    }

    #[test]
    fn a_letter_says_which_record_and_why_and_is_private() {
        let state = tempfile::tempdir().unwrap();
        let mut dead = DeadLetters::of(state.path(), "siem");
        assert!(!dead.path().exists());
        bury(&mut dead, &[7], 7);
        let letters = [delivery(8, "{\"id\":\"half"), delivery(9, "{}")];
        dead.bury(&[Letter { delivery: &letters[0], reason: "r" }], 7, UnixMillis(0)).unwrap();
        let found = lines(dead.path());
        assert_eq!(found[0]["record"], serde_json::json!({"n": 7}));
        assert_eq!(
            (&found[0]["id"], &found[0]["kind"], &found[0]["reason"]),
            (&"r7".into(), &"event".into(), &"no such field".into())
        );
        assert_eq!(found[1]["record"], "{\"id\":\"half", "what is no JSON is a text");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(dead.path()), mode(dead.path().parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn after_a_crash_a_torn_line_goes_and_no_letter_is_there_twice() {
        let state = tempfile::tempdir().unwrap();
        let mut dead = DeadLetters::of(state.path(), "siem");
        bury(&mut dead, &[3, 7, 8], 3);
        let text = std::fs::read_to_string(dead.path()).unwrap();
        for torn in ["", "{\"number\":9,\"id\":\"r"] {
            std::fs::write(dead.path(), format!("{text}{torn}")).unwrap();
            let mut dead = DeadLetters::of(state.path(), "siem");
            bury(&mut dead, &[7, 8, 9], 7);
            bury(&mut dead, &[9], 7);
            assert_eq!(numbers(dead.path()), [3, 7, 8, 9]);
        }
    }

    #[test]
    fn files_are_bounded_and_the_oldest_go() {
        let state = tempfile::tempdir().unwrap();
        let mut dead = DeadLetters { full_bytes: 300, ..DeadLetters::of(state.path(), "siem") };
        for number in 0..100 {
            bury(&mut dead, &[number], number);
        }
        let all: Vec<u64> = (0..=KEPT).rev().flat_map(|n| numbers(&numbered(dead.path(), n))).collect();
        assert_eq!(all, (100 - all.len() as u64..100).collect::<Vec<u64>>());
        assert!(all.len() > 6 && !numbered(dead.path(), KEPT + 1).exists());
        // Rotated just before a crash: the letter is in the file before.
        let mut again = DeadLetters { full_bytes: 300, ..DeadLetters::of(state.path(), "siem") };
        dead.rotate().unwrap();
        bury(&mut again, &[99], 99);
        assert!(numbers(again.path()).is_empty());
    }

    #[test]
    fn what_cant_be_written_is_said_and_works_once_it_can() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join("dead-letters"), "a file").unwrap();
        let mut dead = DeadLetters::of(state.path(), "siem");
        let letter = delivery(1, "{}");
        let letters = [Letter { delivery: &letter, reason: "r" }];
        let problem = dead.bury(&letters, 0, UnixMillis(0)).unwrap_err();
        assert!(problem.what.contains("dead-letters/siem.ndjson") && problem.hint.is_some(), "{problem}");
        std::fs::remove_file(state.path().join("dead-letters")).unwrap();
        dead.bury(&letters, 0, UnixMillis(0)).unwrap();
        assert_eq!(numbers(dead.path()), [1]);
    }
}
