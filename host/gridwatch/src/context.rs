//! What the stages and the watches share: configuration, store, status, bells and lists. It holds things and starts none.

pub mod lists;

use crate::bell::Bell;
use crate::clock::Clock;
use crate::config::Config;
use crate::exceptions::Live;
use crate::store::Store;
use crate::telemetry::status::{Board, ModuleStatus};
use gridwatch_poll::Lane;
use gridwatch_rules::alert::Alert;
use lists::Lists;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the stages share.
pub struct Shared {
    pub config: Config,
    pub clock: Clock,
    pub paths: Paths,
    pub store: Store,
    pub board: Arc<Board>,
    pub bells: Bells,
    pub observe: Observe,
    pub exceptions: Live,
    /// Lookup tables and networks, as last read.
    pub lists: Lists,
}

#[derive(Debug, Default)]
pub struct Bells {
    /// There may be entries to detect on.
    pub detect: Bell,
    /// There may be records to deliver.
    pub deliver: Bell,
    /// Delivery should not wait any longer.
    pub hurry: Bell,
}

/// The files and folders of a state folder.
#[derive(Debug, Clone)]
pub struct Paths {
    pub store: PathBuf,
    /// Says that the store broke while in use.
    pub damaged: PathBuf,
    /// Held by the running process.
    pub lock: PathBuf,
    /// Counts starts that got nowhere.
    pub starts: PathBuf,
    pub checkpoint: PathBuf,
    pub status: PathBuf,
    /// What `gridwatch respond` has done.
    pub responses: PathBuf,
}

impl Paths {
    pub fn of(state_dir: &Path) -> Self {
        Self {
            store: state_dir.join("store"),
            damaged: state_dir.join("store.damaged"),
            lock: state_dir.join("gridwatch.lock"),
            starts: state_dir.join("starts"),
            checkpoint: state_dir.join("checkpoint.json"),
            status: state_dir.join("status.json"),
            responses: crate::responses::path(state_dir),
        }
    }
}

/// Until when to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Told to stop.
    Stopped,
    /// Everything that may be read now has been read and delivered.
    UpToDate,
}

/// Something worth telling a person who watches.
#[derive(Debug)]
pub enum Happening<'a> {
    Modules(&'a [ModuleStatus]),
    Page { entries: usize, lane: Lane },
    Alert(&'a Alert),
    Problem { label: &'a str, advice: &'a str },
}

pub type Observe = Arc<dyn Fn(&Happening<'_>) + Send + Sync>;
