//! What the stages and the watches share: configuration, store, status, bells and lists. It holds things and starts none.

pub mod in_force;
pub mod kept;
pub mod lists;
pub mod pulse;
pub mod swaps;

use crate::bell::Bell;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::exceptions::Live;
use crate::store::{InForce, OrgStore, Store};
use crate::telemetry::actions::Noted;
use crate::telemetry::metrics::{DetectMetrics, PollMetrics};
use crate::telemetry::status::{Board, ModuleStatus, OrgStatus};
use gridwatch_event::org::OrgId;
use gridwatch_event::time::UnixMillis;
use gridwatch_poll::Lane;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::audit::Deed;
use lists::Lists;
use pulse::Pulse;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use swaps::Swaps;

/// What all of the process shares.
pub struct Process {
    pub clock: Clock,
    pub paths: Paths,
    pub store: Store,
    pub board: Arc<Board>,
    pub bells: Bells,
    pub observe: Observe,
    /// Organizations whose rules don't remember yet what was saved for them.
    pub reading: AtomicUsize,
}

impl Process {
    /// Notes in the audit trail what somebody does, before it takes effect.
    ///
    /// # Errors
    /// It can't be saved; then it must not be done.
    pub fn record(&self, deed: Deed) -> anyhow::Result<()> {
        self.record_with(deed, None)
    }

    /// The same, with what is in force from then on.
    ///
    /// # Errors
    /// As for [`Process::record`].
    pub fn record_with(&self, deed: Deed, in_force: Option<InForce>) -> anyhow::Result<()> {
        let audited = self.store.commit_deed_with(deed, in_force)?;
        self.bells.deliver.ring();
        tracing::info!(number = audited.deed.number, "audit: {}", audited.deed);
        Ok(())
    }
}

#[derive(Debug, Default)]
pub struct Bells {
    /// There may be records to deliver.
    pub deliver: Bell,
    /// Delivery should not wait any longer.
    pub hurry: Bell,
    leaving: AtomicBool,
}

impl Bells {
    /// Whatever still waits is left to the next start.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
        self.deliver.ring();
        self.hurry.ring();
    }

    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }
}

/// What the stages and watches of one organization share.
pub struct Shared {
    pub process: Arc<Process>,
    pub org: OrgId,
    pub config: Config,
    /// Its part of the store.
    pub store: OrgStore,
    /// There may be entries to detect on.
    pub detect: Bell,
    /// There may be alerts that Slack could tell more of.
    pub wanting: Bell,
    /// What its stages count.
    pub polled: PollMetrics,
    pub detected: DetectMetrics,
    pub exceptions: Live,
    /// Lookup tables and networks, as last read.
    pub lists: Lists,
    /// What its log usually has in an hour.
    pub pulse: Pulse,
    /// Which actions its log has had.
    pub actions: Noted,
    /// What is to change in its modules.
    pub swaps: Swaps,
}

impl Shared {
    pub fn now(&self) -> UnixMillis {
        self.process.clock.now()
    }

    /// Notes in the audit trail what somebody does to what is this organization's.
    ///
    /// # Errors
    /// It can't be saved; then it must not be done.
    pub fn record(&self, deed: Deed) -> anyhow::Result<()> {
        self.process.record(deed.of_org(self.org.name().unwrap_or_default()))
    }

    pub fn paths(&self) -> OrgPaths {
        self.process.paths.of_org(&self.org)
    }

    /// What is known of the organization.
    pub fn status(&self) -> OrgStatus {
        self.process.board.now().org(&self.org)
    }

    pub fn update(&self, change: impl FnOnce(&mut OrgStatus)) {
        self.process.board.update_org(&self.org, change);
    }

    /// Saves what its log usually has, and has had.
    ///
    /// # Errors
    /// It can't be saved.
    pub fn save_pulse(&self) -> anyhow::Result<()> {
        self.actions.write();
        self.store.commit_rhythms(&self.pulse.to_save())
    }

    /// Notes what waits in the store.
    pub fn note_backlog(&self) {
        self.process.board.metrics.set_backlog(self.process.store.backlog());
    }

    /// A stage's sign of life: what it does now, and how long that may take at most.
    pub fn heard(&self, stage: &str, doing: &str, patience: Duration) {
        self.process.board.heard(&self.stage(stage), doing, patience, self.now());
    }

    /// A stage has done all it had to.
    pub fn ended(&self, stage: &str) {
        self.process.board.ended(&self.stage(stage));
    }

    /// As the status calls a stage: one of a named organization with its name.
    pub fn stage(&self, stage: &str) -> String {
        self.org.name().map_or_else(|| stage.to_owned(), |name| format!("{stage} {name}"))
    }
}

/// The files and folders of a state folder.
#[derive(Debug, Clone)]
pub struct Paths {
    state_dir: PathBuf,
    pub store: PathBuf,
    /// Says that the store broke while in use.
    pub damaged: PathBuf,
    /// Held by the running process.
    pub lock: PathBuf,
    /// Counts starts that got nowhere.
    pub starts: PathBuf,
    pub status: PathBuf,
}

/// Those of one organization. The only one has them in the state folder itself.
#[derive(Debug, Clone)]
pub struct OrgPaths {
    pub dir: PathBuf,
    pub checkpoint: PathBuf,
    /// Which time was read, for people and commands.
    pub ledger: PathBuf,
    /// Which actions the log has had, for the same.
    pub actions: PathBuf,
    /// How far back somebody wants it to read.
    pub backfill: PathBuf,
    /// What `gridwatch respond` has done.
    pub responses: PathBuf,
}

impl Paths {
    pub fn of(state_dir: &Path) -> Self {
        Self {
            state_dir: state_dir.to_owned(),
            store: state_dir.join("store"),
            damaged: state_dir.join("store.damaged"),
            lock: state_dir.join("gridwatch.lock"),
            starts: state_dir.join("starts"),
            status: state_dir.join("status.json"),
        }
    }

    pub fn of_org(&self, org: &OrgId) -> OrgPaths {
        let dir = config::org_dir(&self.state_dir, org);
        OrgPaths {
            checkpoint: dir.join("checkpoint.json"),
            ledger: dir.join("ledger.json"),
            actions: dir.join("actions.json"),
            backfill: dir.join("backfill.json"),
            responses: crate::responses::path(&dir),
            dir,
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
