//! Opening: what has to be so before the store is touched, and the store, opened or rebuilt.
//!
//! A start that can't go on ends with its own words, or waits, and harms nothing: see [`damage`].

use super::starts::{MAX_DEATHS, Starts};
use crate::archive;
use crate::clock::Clock;
use crate::config::Sink;
use crate::context::{Paths, Process, Until};
use crate::stage::forgotten;
use crate::store::checkpoint::Checkpoint;
use crate::store::older::Reach;
use crate::store::{Again, Begun, Damaged, Left, Older, Opened, Place, Store, damage};
use anyhow::{Context, Result};
use gridwatch_event::org::OrgId;
use std::path::{Path, PathBuf};
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
/// How long the lock of a store that was just closed is waited for.
const LOCK_TRIES: u32 = 250;
const LOCK_EVERY: Duration = Duration::from_millis(20);
/// A rebuilt store reads at least this far back, and at most this.
const REBUILD_MIN_S: u64 = 86_400;
const REBUILD_MAX_S: u64 = 30 * 86_400;
/// Numbers left out after a lost store: more than can have been used since the last checkpoint.
const NUMBER_GAP: u64 = 1_000_000_000;

/// Somebody else's process is at work on this state: nothing of it is ours to touch.
#[derive(Debug, thiserror::Error)]
#[error("another gridwatch is running on state_dir {0}\nhint: `gridwatch status --state-dir {0}` tells its process")]
pub struct Refused(pub String);

/// With somebody listening, a write beyond the limit is an error like a full disk. To be kept.
pub fn outlive_long_files() -> Option<Signal> {
    signal(SignalKind::from_raw(SIGXFSZ)).ok()
}

/// Notes that the process ends by itself, whatever came of it, and names what to do about an error of the system's.
///
/// # Errors
/// Those of `result`, with advice where there is some.
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
///
/// # Errors
/// It does ([`Refused`]), or that can't be found out.
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
///
/// # Errors
/// The disk can't be asked, or there is no room and nobody waits (`Until::UpToDate`).
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
///
/// # Errors
/// There are too few.
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

/// The store of a gridwatch that doesn't run, for whoever holds its lock and has something to note about an alert. Nothing is mended here.
///
/// # Errors
/// gridwatch has to be started first.
pub fn at_rest(paths: &Paths) -> Result<Store> {
    let dir = paths.store.parent().unwrap_or(&paths.store);
    let first = "hint: start gridwatch, which mends the store, and say it again";
    if let Some(what) = damage::marked(&paths.damaged) {
        anyhow::bail!("the store is damaged ({what})\n{first}");
    }
    let free = crate::disk::free_bytes(dir)?;
    anyhow::ensure!(
        free >= OPEN_MIN_BYTES,
        "{free} bytes are free on the disk of {}\nhint: free some space",
        dir.display()
    );
    damage::guarded(|| Store::at_rest(&paths.store)).map_err(|error| match damage::is_damage(&error) {
        true => anyhow::anyhow!("the store can't be used as it is: {error:#}\n{first}"),
        false => error,
    })
}

/// The store, and how it came to be.
#[derive(Debug)]
pub struct Opening {
    pub store: Store,
    /// In words, where it isn't the one that was there before.
    pub anew: Option<Anew>,
}

/// Why the store was begun anew.
#[derive(Clone, Debug)]
pub enum Anew {
    /// It couldn't be used, for this reason.
    Damaged { why: String, from: String },
    /// It is of an older gridwatch.
    Older { layout: u32, from: String },
}

impl std::fmt::Display for Anew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged { why, from } => write!(
                f,
                "the store could not be used ({why}) and was set aside; Slack is read again {from}, and entries delivered \
                 since then that the archive doesn't have may be delivered once more, with the same ids"
            ),
            Self::Older { layout, from } => write!(
                f,
                "the store was written by an older gridwatch (layout {layout}) and was set aside; Slack is read again {from} \
                 for what the rules remember, and nothing that was delivered is delivered again"
            ),
        }
    }
}

impl Anew {
    /// Says so in the status, and by an alert if something was lost: before anything else is done with the store.
    ///
    /// # Errors
    /// The alert can't be saved.
    pub fn tell(&self, process: &Process) -> Result<()> {
        process.board.update(|status| status.state.begun_anew = Some(self.to_string()));
        match self {
            Self::Damaged { why, from } => forgotten::store(process, why, from),
            Self::Older { .. } => Ok(()),
        }
    }
}

/// Opens the store. A damaged one is moved aside, not deleted: it is evidence, and it may hold undelivered records. One of an older
/// layout hands over what reading Slack again can't bring back.
///
/// # Errors
/// Nothing can be done about it here; [`ended`] says more.
pub fn store(paths: &Paths, (places, sinks): (&[Place], &[Sink]), reach: Reach, clock: Clock) -> Result<Opening> {
    let starts = Starts::begin(paths.starts.clone());
    let checkpoint = |place: &Place| (place.org.clone(), Checkpoint::read(&paths.of_org(&place.org).checkpoint));
    let checkpoints: Vec<(OrgId, Option<Checkpoint>)> = places.iter().map(checkpoint).collect();
    let error = match open(paths, places, &checkpoints, &starts) {
        Ok(Opened::Store(store)) => return Ok(Opening { store, anew: None }),
        Ok(Opened::Older(older)) => match take_over(paths, older, reach, (places, &checkpoints), clock) {
            Ok(opening) => return Ok(opening),
            Err(error) => error,
        },
        Err(error) => error,
    };
    if !damage::is_damage(&error) {
        return Err(error);
    }
    let aside = paths.store.with_extension(format!("broken-{}", clock.now().0));
    let earliest = checkpoints.iter().filter_map(|(_, checkpoint)| Some(checkpoint.as_ref()?.watermark)).min();
    let from = earliest.map_or("from the configured start".to_owned(), |at| format!("from before {at}"));
    let why = format!("{error:#}");
    tracing::error!(error = why, set_aside = %aside.display(), from,
        "the store can't be used; rebuilding it from its logs, and by reading Slack again from before the checkpoint, or from the \
         configured start if there is none (what the logs don't have is delivered once more, with the same ids)");
    damage::set_aside(&paths.store, &aside)?;
    // It may have something to say all the same.
    let left = match aside.exists() {
        true => left(&aside, places),
        false => Left::default(),
    };
    let takes_events = |name: &str| sinks.iter().any(|sink| sink.name == name && sink.include.events);
    let again = |org: &OrgId| {
        let (_, checkpoint) = checkpoints.iter().find(|(known, _)| known == org)?;
        again(checkpoint.as_ref()?, reach)
    };
    let (store, rebuilt) = Store::rebuild(&paths.store, places, (&left, takes_events), again, clock.now())
        .context("can't make a new store of the logs")?;
    tracing::warn!(
        judged = rebuilt.judged,
        waiting = rebuilt.waiting,
        undelivered = rebuilt.undelivered,
        "the store is made anew; entries that its logs say were judged are delivered to nobody a second time"
    );
    let known = || checkpoints.iter().filter_map(|(org, checkpoint)| Some((org, (*checkpoint)?)));
    // Numbers that the logs don't know of were given out all the same.
    if let Some(next) = known().map(|(_, checkpoint)| checkpoint.next_record).max().filter(|n| *n > store.next_record())
    {
        store.skip_to(next + NUMBER_GAP)?;
    }
    for (org, checkpoint) in known() {
        let part = store.org(org)?;
        if checkpoint.next_seq > part.next_seq() {
            part.skip_to(checkpoint.next_seq + NUMBER_GAP)?;
        }
        part.begin(&Begun { checkpoint: Some(checkpoint), again: again(org), alerts_from: rebuilt.alerts_from })?;
    }
    for place in places.iter().filter(|place| known().all(|(org, _)| *org != place.org)) {
        // Nobody knows how far it had come; what of its alerts may be lost is known all the same.
        let alerts_from = rebuilt.alerts_from;
        store.org(&place.org)?.begin(&Begun { alerts_from, ..Begun::default() })?;
    }
    if paths.damaged.exists() {
        std::fs::remove_file(&paths.damaged).with_context(|| format!("can't remove {}", paths.damaged.display()))?;
    }
    Starts::is_well(&paths.starts);
    Ok(Opening { store, anew: Some(Anew::Damaged { why, from }) })
}

/// Makes the successor of a store of an older layout beside it, and puts it in its place. Killed before that, the next start begins
/// again; killed between the two renames, it finds the successor alone, which is whole ([`open`]).
fn take_over(
    paths: &Paths,
    older: Older,
    reach: Reach,
    (places, checkpoints): (&[Place], &[(OrgId, Option<Checkpoint>)]),
    clock: Clock,
) -> Result<Opening> {
    let layout = older.layout;
    tracing::warn!(
        layout,
        "the store was written by an older gridwatch; making a new one from it, which may take a while"
    );
    let successor = successor(&paths.store);
    if successor.exists() {
        std::fs::remove_dir_all(&successor).with_context(|| format!("can't remove {}", successor.display()))?;
    }
    for place in places {
        if let Some(aside) = archive::set_aside(&place.archive, clock.now())? {
            tracing::warn!(set_aside = %aside.display(), "logs that belong to no store, as of a start that was broken off");
        }
    }
    let handed = damage::guarded(|| {
        let new = Store::make(&successor, places)?;
        older.hand_over(&new, reach, checkpoints, clock.now())
    })?;
    drop(older);
    let aside = damage::set_older_aside(&paths.store, clock.now())?;
    std::fs::rename(&successor, &paths.store).with_context(|| format!("can't rename {}", successor.display()))?;
    let store = open_when_free(&paths.store, places)?;
    handed.forgotten.into_iter().for_each(|row| store.note(row));
    let from =
        handed.begun.again.map_or("from the configured start".to_owned(), |again| format!("from {}", again.from));
    tracing::warn!(layout, set_aside = %aside.display(), from, delivered = handed.entries, undelivered = handed.records,
        "the store of an older gridwatch is set aside; what its rules remembered comes back by reading Slack again, and nothing \
         that was delivered is delivered again (the folder set aside may be removed once all is well)");
    Ok(Opening { store, anew: Some(Anew::Older { layout, from }) })
}

/// What a store that was just set aside still says; nothing, if it can't be read.
fn left(aside: &Path, places: &[Place]) -> Left {
    for _ in 0..LOCK_TRIES {
        match damage::guarded(|| Left::read(aside, places)) {
            Ok(left) => return left,
            Err(error) if damage::is_damage(&error) => break,
            Err(_) => std::thread::sleep(LOCK_EVERY),
        }
    }
    Left::default()
}

/// How far back Slack is read again: as far as the longest window that a module declares reaches.
fn again(checkpoint: &Checkpoint, reach: Reach) -> Option<Again> {
    let from = checkpoint.watermark.minus(reach.span_s.clamp(REBUILD_MIN_S, REBUILD_MAX_S));
    Some(Again { from, drained_from: from, ids_from: from })
}

fn successor(store: &Path) -> PathBuf {
    store.with_extension("new")
}

/// sled's own threads let go of a store's lock a moment after it was closed.
fn open_when_free(dir: &Path, places: &[Place]) -> Result<Store> {
    let mut tries = 0;
    loop {
        match Store::open(dir, places) {
            Ok(Opened::Store(store)) => return store.take_up().map(|()| store),
            Ok(Opened::Older(_)) => anyhow::bail!("{} is still of an older layout", dir.display()),
            Err(error) if tries == LOCK_TRIES || damage::is_damage(&error) => return Err(error),
            Err(_) => std::thread::sleep(LOCK_EVERY),
        }
        tries += 1;
    }
}

fn open(
    paths: &Paths,
    places: &[Place],
    checkpoints: &[(OrgId, Option<Checkpoint>)],
    starts: &Starts,
) -> Result<Opened> {
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
    let successor = successor(&paths.store);
    if successor.exists() && !paths.store.exists() {
        std::fs::rename(&successor, &paths.store).with_context(|| format!("can't rename {}", successor.display()))?;
    }
    damage::drop_broken_snapshots(&paths.store)?;
    damage::guarded(|| {
        let opened = Store::open(&paths.store, places)?;
        if let Opened::Store(store) = &opened {
            for (org, checkpoint) in checkpoints {
                if let Some(checkpoint) = checkpoint
                    && store.org(org)?.is_behind(checkpoint)?
                {
                    return Err(Damaged("it is older than its checkpoint; commits are missing".into()).into());
                }
            }
            store.take_up()?;
        }
        Ok(opened)
    })
}
