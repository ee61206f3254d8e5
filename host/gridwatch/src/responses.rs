//! The journal of responses: `responses.ndjson` in the state folder, appended to and never rewritten.
//!
//! Whoever responds writes it, one at a time; the running gridwatch follows it to know the echoes of what was done.

use anyhow::{Context, Result};
use gridwatch_rules::echo::Echoes;
use gridwatch_rules::response::{ResponseRow, rows};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const FILE: &str = "responses.ndjson";
const LOCK: &str = "responses.lock";
/// Read by the group, like gridwatch's other files; it names people, and no secret.
const MODE: u32 = 0o640;
/// Bytes followed at a time: a row has some 500.
const MAX_READ: u64 = 8 << 20;

pub fn path(state_dir: &Path) -> PathBuf {
    state_dir.join(FILE)
}

/// Everything that was done. No file is no rows.
///
/// # Errors
/// The file is there and can't be read.
pub fn read(state_dir: &Path) -> Result<Vec<ResponseRow>> {
    let path = path(state_dir);
    let bytes = match std::fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.with_context(|| format!("can't read {}", path.display()))?,
    };
    let (rows, odd) = rows(&String::from_utf8_lossy(&bytes));
    if odd > 0 {
        tracing::warn!(lines = odd, file = %path.display(), "lines that are no rows, as a crash may leave them");
    }
    Ok(rows)
}

/// The journal, opened by the one who may add to it.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    _lock: File,
}

impl Journal {
    /// `None` if somebody else is responding right now.
    ///
    /// # Errors
    /// The file or its lock can't be opened, or the folder can't be synced.
    pub fn open(state_dir: &Path) -> Result<Option<Self>> {
        let (path, lock) = (path(state_dir), state_dir.join(LOCK));
        let lock = crate::disk::lock(&lock).with_context(|| format!("can't lock {}", lock.display()))?;
        let Some(lock) = lock else { return Ok(None) };
        let file = File::options().read(true).append(true).create(true).mode(MODE).open(&path);
        let file = file.with_context(|| format!("can't open {}", path.display()))?;
        // The name has to outlast a power cut as the rows do.
        File::open(state_dir)?.sync_all()?;
        Ok(Some(Self { file, path, _lock: lock }))
    }

    /// On disk when it returns.
    ///
    /// # Errors
    /// It can't be written or synced.
    pub fn append(&mut self, row: &ResponseRow) -> Result<()> {
        let mut line = serde_json::to_vec(row)?;
        line.push(b'\n');
        self.write(line).with_context(|| format!("can't write {}", self.path.display()))
    }

    fn write(&mut self, mut line: Vec<u8>) -> std::io::Result<()> {
        if self.is_torn()? {
            line.insert(0, b'\n');
        }
        self.file.write_all(&line)?;
        self.file.sync_all()
    }

    /// Does the file end in the middle of a line, as after a power cut or on a full disk?
    fn is_torn(&mut self) -> std::io::Result<bool> {
        if self.file.metadata()?.len() == 0 {
            return Ok(false);
        }
        let mut last = [0];
        self.file.seek(SeekFrom::End(-1))?;
        self.file.read_exact(&mut last)?;
        Ok(last != *b"\n")
    }
}

/// Follows the journal, for the echoes in it.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    /// End of the last whole line that was read.
    position: u64,
    echoes: Echoes,
}

impl Follower {
    pub fn new(path: PathBuf) -> Self {
        Self { path, position: 0, echoes: Echoes::default() }
    }

    /// What has come since the last look; `None` if nothing has.
    ///
    /// # Errors
    /// The file is there and can't be read.
    pub fn news(&mut self) -> Result<Option<&Echoes>> {
        let length = match std::fs::metadata(&self.path) {
            Ok(meta) => meta.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error).with_context(|| format!("can't read {}", self.path.display())),
        };
        if length == self.position {
            return Ok(None);
        }
        if length < self.position {
            // Somebody put another file in its place.
            (self.position, self.echoes) = (0, Echoes::default());
        }
        let before = self.position;
        while self.position < length && self.read_on().with_context(|| format!("can't read {}", self.path.display()))? {
        }
        Ok((self.position != before || length == 0).then_some(&self.echoes))
    }

    /// Reads whole lines; false when there are none.
    fn read_on(&mut self) -> std::io::Result<bool> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.position))?;
        let mut bytes = Vec::new();
        file.take(MAX_READ).read_to_end(&mut bytes)?;
        let Some(end) = bytes.iter().rposition(|b| *b == b'\n') else { return Ok(false) };
        let (rows, _) = rows(&String::from_utf8_lossy(&bytes[..=end]));
        rows.iter().for_each(|row| self.echoes.learn(row));
        self.position += end as u64 + 1;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridwatch_event::entry::Entry;
    use gridwatch_event::event::Event;
    use gridwatch_event::time::UnixMillis;
    use gridwatch_rules::response::Stage;
    use std::collections::BTreeMap;

    fn row(target: &str) -> ResponseRow {
        ResponseRow {
            id: format!("r-{target}"),
            at: UnixMillis(1_790_000_000_000),
            stage: Stage::Intent,
            alert: "gw-1".into(),
            rule: "m.r".into(),
            method: "files.revokePublicURL".into(),
            targets: vec![target.into()],
            arguments: BTreeMap::new(),
            responder: "W9".into(),
            by: "ops".into(),
            reason: String::new(),
            error: None,
        }
    }

    fn covers(echoes: &Echoes, target: &str) -> bool {
        let raw = format!(
            r#"{{"id":"e","date_create":1790000001,"action":"file_public_link_revoked",
                "actor":{{"type":"user","user":{{"id":"W9"}}}},"entity":{{"type":"file","file":{{"id":"{target}"}}}}}}"#
        );
        echoes.covers(&Event::new(1, UnixMillis(0), &Entry::from_json(&raw))).is_some()
    }

    #[test]
    fn rows_are_appended_and_a_torn_end_costs_no_other() {
        let folder = tempfile::tempdir().unwrap();
        Journal::open(folder.path()).unwrap().unwrap().append(&row("F1")).unwrap();
        let whole = std::fs::read(path(folder.path())).unwrap();
        std::fs::write(path(folder.path()), [&whole[..], &whole[..30]].concat()).unwrap();
        Journal::open(folder.path()).unwrap().unwrap().append(&row("F2")).unwrap();
        let targets: Vec<String> = read(folder.path()).unwrap().into_iter().flat_map(|row| row.targets).collect();
        assert_eq!(targets, ["F1", "F2"]);
    }

    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = Journal::open(folder.path()).unwrap();
        assert!(first.is_some() && Journal::open(folder.path()).unwrap().is_none());
        drop(first);
        assert!(Journal::open(folder.path()).unwrap().is_some());
    }

    #[test]
    fn a_follower_learns_whole_rows_as_they_come() {
        let folder = tempfile::tempdir().unwrap();
        let mut follower = Follower::new(path(folder.path()));
        assert!(follower.news().unwrap().is_none(), "no file yet");
        let mut journal = Journal::open(folder.path()).unwrap().unwrap();
        journal.append(&row("F1")).unwrap();
        assert!(covers(follower.news().unwrap().unwrap(), "F1"));
        assert!(follower.news().unwrap().is_none(), "nothing new");
        let line = serde_json::to_string(&row("F2")).unwrap();
        let file = path(folder.path());
        let add = |text: &str| File::options().append(true).open(&file).unwrap().write_all(text.as_bytes()).unwrap();
        add(&line[..50]);
        assert!(follower.news().unwrap().is_none(), "half a row");
        add(&format!("{}\n", &line[50..]));
        let echoes = follower.news().unwrap().unwrap();
        assert!(covers(echoes, "F1") && covers(echoes, "F2") && !covers(echoes, "F3"));
    }
}
