//! Where heartbeats are read: from the listener of the other gridwatch, or from the file of one of its sinks, wherever that was copied to.

use crate::config::watching::Source;
use crate::http::{self, Http};
use anyhow::{Context, Result, bail};
use gridwatch_rules::monitor::Heartbeat;
use gridwatch_rules::monitor::heartbeat::Statement;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// An answer has one heartbeat.
const MAX_BODY: usize = 4 << 20;
/// How far back a file is read when it is seen for the first time.
const FIRST_BYTES: u64 = 4 << 20;
/// Read of files at a time.
const MAX_BYTES: u64 = 256 << 20;
/// Longer lines than any sink writes.
const MAX_LINE: usize = 17 << 20;
/// What every heartbeat's line has in it, in each view.
const MARK: &str = "gw-heartbeat-";

/// What came of a look.
#[derive(Debug, Default)]
pub struct Heard {
    /// In their order.
    pub beats: Vec<Heartbeat>,
    /// Some may have been passed over.
    pub is_sampled: bool,
    /// What is wrong there now, where it can be asked.
    pub says: Vec<String>,
}

/// How far a file was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    inode: u64,
    offset: u64,
}

#[derive(Debug)]
pub enum Reader {
    Http(Url, Http),
    File(PathBuf),
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    heartbeat: Option<Heartbeat>,
    #[serde(default)]
    stuck: Option<String>,
    #[serde(default)]
    troubles: Vec<Trouble>,
}

#[derive(Deserialize)]
struct Trouble {
    rule: String,
}

impl Reader {
    pub fn new(source: &Source, http: Http) -> Self {
        match source {
            Source::Http(url) => Self::Http(url.clone(), http),
            Source::File(path) => Self::File(path.clone()),
        }
    }

    /// # Errors
    /// Nobody answers, or the file can't be read.
    pub async fn read(&self, place: &mut Place) -> Result<Heard> {
        match self {
            Self::Http(url, http) => asked(url, http).await,
            Self::File(path) => Ok(Heard { beats: in_files(path, place)?, ..Heard::default() }),
        }
    }
}

async fn asked(url: &Url, http: &Http) -> Result<Heard> {
    let url = format!("{}/heartbeat", url.as_str().trim_end_matches('/'));
    let answer = http.get(url).send().await.map_err(reqwest::Error::without_url)?;
    if !answer.status().is_success() {
        bail!("it answers {}", answer.status());
    }
    let body = http::body(answer, MAX_BODY).await.map_err(|_| anyhow::anyhow!("the answer breaks off"))?;
    let answer: Answer = serde_json::from_slice(&body).context("the answer is none of gridwatch's")?;
    let says = answer.stuck.into_iter().chain(answer.troubles.into_iter().map(|trouble| trouble.rule)).collect();
    Ok(Heard { beats: answer.heartbeat.into_iter().collect(), is_sampled: true, says })
}

/// Goes on where it was, through files that were renamed since.
fn in_files(path: &Path, place: &mut Place) -> Result<Vec<Heartbeat>> {
    let (mut beats, mut left) = (Vec::new(), MAX_BYTES);
    let files = files(path)?;
    let known = files.iter().position(|(_, inode, _)| *inode == place.inode && place.inode != 0);
    // What was removed before it was read is lost; a first look begins near the end of the newest.
    let first = known.unwrap_or(if place.inode == 0 { files.len().saturating_sub(1) } else { 0 });
    for (at, (file, inode, bytes)) in files.iter().enumerate().skip(first) {
        let is_going_on = Some(at) == known;
        let mut offset = match (is_going_on, place.inode) {
            (true, _) if place.offset <= *bytes => place.offset,
            (false, 0) => bytes.saturating_sub(FIRST_BYTES),
            _ => 0,
        };
        let mut reader = BufReader::new(File::open(file).with_context(|| format!("can't read {}", file.display()))?);
        reader.seek(SeekFrom::Start(offset))?;
        let mut line = Vec::new();
        while left > 0 {
            line.clear();
            let read = reader.read_until(b'\n', &mut line)?;
            // Without its end it is being written.
            if read == 0 || line.last() != Some(&b'\n') {
                break;
            }
            offset += read as u64;
            left = left.saturating_sub(read as u64);
            let text = String::from_utf8_lossy(&line);
            if line.len() < MAX_LINE && text.contains(MARK) {
                beats.extend(serde_json::from_str::<Value>(&text).ok().and_then(|line| beat(&line)));
            }
        }
        *place = Place { inode: *inode, offset };
    }
    Ok(beats)
}

/// Those that were rotated, the oldest first, and the one that is written: each with its inode and length.
fn files(path: &Path) -> Result<Vec<(PathBuf, u64, u64)>> {
    let folder = path.parent().context("the file has no folder")?;
    let name = path.file_name().context("the file has no name")?.to_string_lossy().into_owned();
    let entries = std::fs::read_dir(folder).with_context(|| format!("can't read {}", folder.display()))?;
    let rotated = format!("{name}.");
    let is_one = |path: &PathBuf| {
        path.file_name().is_some_and(|other| {
            let other = other.to_string_lossy();
            other.strip_prefix(&rotated).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
        })
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_one).collect();
    paths.sort();
    paths.push(path.to_owned());
    let mut files = Vec::new();
    for path in paths {
        match std::fs::metadata(&path) {
            Ok(meta) => files.push((path, meta.ino(), meta.len())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("can't look at {}", path.display())),
        }
    }
    anyhow::ensure!(!files.is_empty(), "there is no file {}", path.display());
    Ok(files)
}

/// A heartbeat of a line, whatever its view.
fn beat(line: &Value) -> Option<Heartbeat> {
    let shown =
        [&line["unmapped"]["heartbeat"], &line["gridwatch"]["heartbeat"]].into_iter().find(|at| at.is_object())?;
    let text = |key: &str| shown[key].as_str().map(str::to_owned);
    let statement = text("statement")?;
    let says: Statement = serde_json::from_str(&statement).ok()?;
    Some(Heartbeat {
        chain: text("chain")?,
        number: shown["number"].as_u64()?,
        previous: text("previous")?,
        hash: text("hash")?,
        at: says.at,
        next: says.next,
        statement,
        says,
    })
}
