//! Opening: what has to be so before the store is touched, and the store, opened or rebuilt.
//!
//! A start that can't go on ends with its own words, or waits, and harms nothing: see [`damage`].

use super::starts::{MAX_DEATHS, Starts};
use crate::clock::Clock;
use crate::context::{Paths, Until};
use crate::store::checkpoint::Checkpoint;
use crate::store::{Damaged, Store, damage};
use anyhow::{Context, Result};
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Room without which the store isn't opened. sled writes while opening: on a disk without any room (measured) the first
/// try fails and does damage that the next one finds.
const OPEN_MIN_BYTES: u64 = 8 << 20;
/// How often it is looked whether there is room, and how often it is said that there is none.
const ROOM_EVERY: Duration = Duration::from_secs(2);
const NO_ROOM_EVERY: Duration = Duration::from_secs(60);
/// Files that gridwatch has open, at most, with its default sinks: a limit near that would fail anywhere.
const OPEN_FILES: u64 = 64;
/// A write beyond `ulimit -f`, by its number on all platforms that we build for. Its usual end is a death without a word.
const SIGXFSZ: i32 = 25;
/// Numbers left out after a lost store: more than can have been used since the last checkpoint.
pub const NUMBER_GAP: u64 = 1_000_000_000;

/// Somebody else's process is at work on this state: nothing of it is ours to touch.
#[derive(Debug, thiserror::Error)]
#[error("another gridwatch is running on state_dir {0}\nhint: `gridwatch status --state-dir {0}` tells its process")]
pub struct Refused(pub String);

/// With somebody listening, a write beyond the limit is an error like a full disk. To be kept.
pub fn outlive_long_files() -> Option<Signal> {
    signal(SignalKind::from_raw(SIGXFSZ)).ok()
}

/// Notes that the process ends by itself, whatever came of it, and names what to do about an error of the system's.
pub fn ended<T>(paths: &Paths, result: Result<T>) -> Result<T> {
    let Err(error) = result else {
        Starts::is_well(&paths.starts);
        return result;
    };
    if !error.is::<Refused>() {
        Starts::is_well(&paths.starts);
    }
    Err(match damage::hint(&error) {
        Some(hint) if !format!("{error:#}").contains("hint:") => error.context(Advised(hint)),
        _ => error,
    })
}

/// Says what to do first, as what went wrong comes after it.
#[derive(Debug, thiserror::Error)]
#[error("the system refused ({0})")]
struct Advised(&'static str);

/// Somebody may hold the store although we hold the lock, whose file was removed.
pub fn not_in_use(paths: &Paths) -> Result<()> {
    match damage::held_by_another(&paths.store)? {
        false => Ok(()),
        true => {
            let dir = paths.store.parent().unwrap_or(&paths.store);
            let refused = Refused(dir.display().to_string());
            Err(anyhow::Error::from(refused).context(format!("{} was removed under it", paths.lock.display())))
        }
    }
}

/// Waits until there is room to open the store; false if told to stop before. `tell` hears why it waits, and the end of it.
pub async fn wait_for_room(
    dir: &Path,
    until: Until,
    stop: &mut watch::Receiver<bool>,
    tell: impl Fn(Option<&str>),
) -> Result<bool> {
    let mut said = None::<Duration>;
    loop {
        let free = crate::disk::free_bytes(dir)?;
        if free >= OPEN_MIN_BYTES {
            if said.is_some() {
                tracing::info!("there is room again; going on");
                tell(None);
            }
            return Ok(true);
        }
        let why = format!(
            "disk: {free} bytes free on the disk of {}, too few to open the store ({OPEN_MIN_BYTES} are wanted)",
            dir.display()
        );
        anyhow::ensure!(until == Until::Stopped, "{why}\nhint: free some space");
        if said.is_none_or(|since| since >= NO_ROOM_EVERY) {
            tracing::error!(why, "waiting for room; free some space");
            said = Some(Duration::ZERO);
        }
        tell(Some(&why));
        if tokio::time::timeout(ROOM_EVERY, stop.wait_for(|stop| *stop)).await.is_ok() {
            return Ok(false);
        }
        said = said.map(|since| since + ROOM_EVERY);
    }
}

/// Running out of file descriptors hits wherever it likes; better told before anything is touched.
pub fn enough_files() -> Result<()> {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    match line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()) {
        Some(allowed) if allowed < OPEN_FILES => anyhow::bail!(
            "only {allowed} files may be open at a time, and gridwatch needs {OPEN_FILES}\nhint: raise the limit \
             (`ulimit -n`, `LimitNOFILE=` under systemd)"
        ),
        _ => Ok(()),
    }
}

/// A damaged store is moved aside, not deleted: it is evidence, and it may hold undelivered records.
pub fn store(paths: &Paths, clock: Clock) -> Result<Store> {
    let starts = Starts::begin(paths.starts.clone());
    let checkpoint = Checkpoint::read(&paths.checkpoint);
    let error = match open(paths, checkpoint, &starts, clock) {
        Ok(store) => return Ok(store),
        Err(error) if !damage::is_damage(&error) => return Err(error),
        Err(error) => error,
    };
    let aside = paths.store.with_extension(format!("broken-{}", clock.now().0));
    let from = checkpoint.map_or("the configured start".to_owned(), |c| format!("before {}", c.watermark));
    tracing::error!(error = format!("{error:#}"), set_aside = %aside.display(), from,
        "the store can't be used; rebuilding it by reading Slack again from before the checkpoint, or from the configured \
         start if there is none (what was delivered since may be delivered once more, with the same ids)");
    damage::set_aside(&paths.store, &aside)?;
    let store = Store::open(&paths.store, clock.now()).context("can't make a new store")?;
    if let Some(checkpoint) = checkpoint {
        store.skip_to(checkpoint.next_seq + NUMBER_GAP, checkpoint.next_record + NUMBER_GAP)?;
        store.rebuilt_from(&checkpoint)?;
    }
    if paths.damaged.exists() {
        std::fs::remove_file(&paths.damaged).with_context(|| format!("can't remove {}", paths.damaged.display()))?;
    }
    Starts::is_well(&paths.starts);
    Ok(store)
}

fn open(paths: &Paths, checkpoint: Option<Checkpoint>, starts: &Starts, clock: Clock) -> Result<Store> {
    if let Some(what) = damage::marked(&paths.damaged) {
        return Err(Damaged(format!("in the last run: {what}")).into());
    }
    match starts.deaths() {
        0 => {}
        deaths if deaths < MAX_DEATHS => {
            tracing::warn!(deaths, "the last starts died while they read the store");
        }
        deaths => {
            let what = format!("the last {deaths} starts died while they read the store, with nothing else to blame");
            return Err(Damaged(what).into());
        }
    }
    damage::drop_broken_snapshots(&paths.store)?;
    damage::guarded(|| {
        let store = Store::open(&paths.store, clock.now())?;
        match checkpoint {
            Some(checkpoint) if store.is_behind(&checkpoint)? => {
                Err(Damaged("it is older than its checkpoint; commits are missing".into()).into())
            }
            _ => Ok(store),
        }
    })
}
