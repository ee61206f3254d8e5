//! The running host: opens what there is, starts the stages, and ends them in order.
//!
//! ```text
//! poll (async) ─commit_page─► store ─► detect (thread, modules on their own) ─commit_detections─► store ─►
//!     deliver (a thread per sink, one for the archive) ─commit_attempt─► store
//! ```
//!
//! Stages take no input but a bell. To end, polling stops first, then detection empties its queue, then delivery the
//! outbox; so a restart and an ordinary day are one path.

use crate::answers::Answers;
use crate::archive::Archive;
use crate::bell::Bell;
use crate::checkpoint::Checkpoint;
use crate::clock;
use crate::config::{self, Config};
use crate::deliver::{self, ARCHIVE, Ending, Target};
use crate::detect;
use crate::drift;
use crate::exceptions::{self, Live};
use crate::history::{HISTORY, History};
use crate::modules::{self, Wanted, pipeline};
use crate::opening::{self, NUMBER_GAP, Refused};
use crate::poll::Poller;
use crate::record::Form;
use crate::roster;
use crate::sink::Resume;
use crate::sink::file::{FileSink, Rotation};
use crate::sink::stdout::StdoutSink;
use crate::slack::{Client, PublicLists};
use crate::status::{Board, Catalogue, ModuleStatus, Status};
use crate::store::{Store, damage};
use anyhow::{Context, Result};
use gridwatch_core::alert::Alert;
use gridwatch_core::pipeline::Pipeline;
use gridwatch_core::poll::{Lane, LateHistogram, Machine, PollConfig, PollSettings};
use gridwatch_core::time::UnixSeconds;
use gridwatch_detect::{Module, Workers};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;

/// How often `status.json` is written.
const STATUS_EVERY: Duration = Duration::from_secs(2);
/// How long the end waits for a sink that refuses. What is left then stays in the store.
const DRAIN: Duration = Duration::from_secs(20);
/// How long `--once` waits for Slack's public lists.
const CATALOGUE: Duration = Duration::from_secs(10);
/// A rebuilt store reads at least this far back, and at most this.
const REBUILD_MIN_S: u64 = 86_400;
const REBUILD_MAX_S: u64 = 30 * 86_400;

/// Something worth telling a person who watches.
#[derive(Debug)]
pub enum Happening<'a> {
    Modules(&'a [ModuleStatus]),
    Page { entries: usize, lane: Lane },
    Alert(&'a Alert),
    Problem { label: &'a str, advice: &'a str },
}

pub type Observe = Arc<dyn Fn(&Happening<'_>) + Send + Sync>;

/// What the stages share.
pub struct Shared {
    pub config: Config,
    pub paths: Paths,
    pub store: Store,
    pub board: Board,
    pub bells: Bells,
    pub observe: Observe,
    pub exceptions: Live,
    /// Keeps a second gridwatch from this state_dir. The last field: it goes after the store.
    _lock: std::fs::File,
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
            responses: crate::respond::journal::path(state_dir),
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

/// Runs the host. `stop` turning true ends it in order; the final status is the answer.
pub async fn run(config: Config, until: Until, stop: watch::Receiver<bool>, observe: Observe) -> Result<Status> {
    let paths = Paths::of(&config.state_dir);
    let _listening = opening::outlive_long_files();
    let result = work(config, until, stop, observe).await;
    if let Err(error) = &result
        && damage::is_damage(error)
    {
        damage::mark(&paths.damaged, &format!("{error:#}"));
        tracing::error!("the store is damaged; the next start sets it aside and rebuilds it");
    }
    opening::ended(&paths, result)
}

async fn work(config: Config, until: Until, mut stop: watch::Receiver<bool>, observe: Observe) -> Result<Status> {
    opening::enough_files()?;
    let (lock, paths) = (locked(&config)?, Paths::of(&config.state_dir));
    opening::not_in_use(&paths)?;
    let board = Board::new(Status { pid: std::process::id(), started: clock::now(), ..Status::default() });
    let tell = |why: Option<&str>| {
        board.update(|status| status.poll.paused = why.map(str::to_owned));
        board.write(&paths.status, clock::now());
    };
    if !opening::wait_for_room(&config.state_dir, until, &mut stop, tell).await? {
        return Ok(board.now());
    }
    let modules = Wanted::of(&config).load()?;
    let exceptions = Live::open(&Wanted::of(&config), &modules, clock::now())?;
    let shared = Arc::new(prepare(config, &modules, exceptions, observe, lock)?);
    let well = opening::well_after_a_while(&shared);
    let (poller, detector) = (poller(&shared, &modules, until)?, Detector::new(&shared, modules)?);
    let targets = targets(&shared)?;

    let (polled, detected, hurry) = (flag(), flag(), flag());
    let ending = Ending { detected: detected.clone(), hurry: hurry.clone() };
    let (failed, mut failure) = watch::channel(false);
    let failed = Arc::new(failed);
    let detecting = {
        let (shared, polled) = (shared.clone(), polled.clone());
        stage("detect", failed.clone(), move || detector.run(&shared, &polled))?
    };
    let delivering = targets
        .into_iter()
        .map(|(name, target)| {
            let (shared, ending) = (shared.clone(), ending.clone());
            stage(&format!("sink-{name}"), failed.clone(), move || deliver::run(&shared, &name, target, &ending))
        })
        .collect::<Result<Vec<_>>>()?;

    // A stage that can't save ends everything: going on would mean acting on what is not written down.
    let ended = merged(&mut stop, &mut failure);
    let watches = watches(&shared, poller.public_lists(), until, &ended, &failed);
    let result = with_status(&shared, poller.run(ended)).await;
    well.abort();
    let result = result.and(with_status(&shared, until_checked(watches, until)).await);
    tracing::info!("polling ended; draining");
    polled.store(true, Ordering::Release);
    shared.bells.detect.ring();
    let result = result.and(with_status(&shared, join(detecting)).await);
    detected.store(true, Ordering::Release);
    shared.bells.deliver.ring();
    let result = result.and(drain(&shared, delivering, &hurry).await);
    shared.board.write(&shared.paths.status, clock::now());
    result?;
    Ok(shared.board.now())
}

fn locked(config: &Config) -> Result<std::fs::File> {
    let dir = &config.state_dir;
    std::fs::create_dir_all(dir).with_context(|| format!("can't make the state folder {}", dir.display()))?;
    let path = Paths::of(dir).lock;
    // Not sled's own lock: it looks at other files first, and what is wrong with those must not set a store aside in use.
    let lock = crate::disk::lock(&path).with_context(|| format!("can't lock {}", path.display()))?;
    Ok(lock.ok_or_else(|| Refused(dir.display().to_string()))?)
}

/// The store, opened or rebuilt, and the board.
fn prepare(
    config: Config,
    modules: &[Module],
    exceptions: Live,
    observe: Observe,
    lock: std::fs::File,
) -> Result<Shared> {
    let paths = Paths::of(&config.state_dir);
    damage::end_at_panics(paths.damaged.clone());
    let store = opening::store(&paths)?;
    let module = |m: &Module| ModuleStatus {
        name: m.manifest.name.clone(),
        version: m.manifest.version.to_string(),
        digest: m.digest.clone(),
        rules: m.manifest.rules.len(),
        ..ModuleStatus::default()
    };
    let board = Board::new(Status {
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").into(),
        started: clock::now(),
        modules: modules.iter().map(module).collect(),
        catalogue: Catalogue { checked: store.drift()?, ..Catalogue::default() },
        ..Status::default()
    });
    observe(&Happening::Modules(&board.now().modules));
    Ok(Shared { config, paths, store, board, bells: Bells::default(), observe, exceptions, _lock: lock })
}

fn poller(shared: &Arc<Shared>, modules: &[Module], until: Until) -> Result<Poller> {
    let slack = &shared.config.slack;
    let (client, now) = (Client::new(slack, &shared.config.state_dir)?, now_s());
    let mut config = slack.poll(now)?;
    // Where the settle time ends now is as far as a run that ends by itself has to get, and it shouldn't wait on the way.
    let goal = (until == Until::UpToDate).then(|| now.minus(slack.settle_s));
    if goal.is_some() {
        config = PollConfig::new(PollSettings { interval_s: 1, ..config.settings().clone() })?;
    }
    if let Some((state, ledger, late)) = shared.store.poll_state()? {
        let machine = Machine::resume(config, state, ledger)?;
        return Ok(Poller::new(machine, late, client, shared.clone(), goal));
    }
    let config = match Checkpoint::read(&shared.paths.checkpoint) {
        None => config,
        Some(checkpoint) => {
            let span = modules.iter().map(|m| m.manifest.longest_span_s()).max().unwrap_or(0);
            let start = checkpoint.watermark.minus(span.clamp(REBUILD_MIN_S, REBUILD_MAX_S));
            tracing::warn!(from = %start, "no poll state; starting from before the checkpoint");
            PollConfig::new(PollSettings { start, backfill: None, ..config.settings().clone() })?
        }
    };
    Ok(Poller::new(Machine::start(config), LateHistogram::default(), client, shared.clone(), goal))
}

/// Pipeline and modules with what they remember.
struct Detector {
    pipeline: Pipeline,
    workers: Workers,
    answers: Answers,
}

impl Detector {
    fn new(shared: &Shared, mut modules: Vec<Module>) -> Result<Self> {
        let mut pipeline = pipeline(&modules, shared.config.networks.clone(), shared.config.tables())
            .with_state_max(shared.config.detect.state_max_bytes as usize)
            .with_provisioning(shared.config.provisioning.clone())
            .with_risk(shared.config.detect.risk)
            .with_zone(shared.config.detect.zone.clone());
        let mut answers = Answers::new(shared.config.asking.as_ref())?;
        for row in shared.store.rule_state() {
            let (key, value) = row?;
            if Answers::is_state(&key) {
                answers.load(&key, &value);
            } else if gridwatch_detect::workers::is_module_state(&key) {
                modules.iter_mut().for_each(|module| module.load_state(&key, &value));
            } else {
                pipeline.load(&key, &value);
            }
        }
        shared.board.update(|status| status.detect.unseen = detect::unseen(&pipeline));
        Ok(Self { pipeline, workers: Workers::start(modules, shared.config.detect.threads)?, answers })
    }

    fn run(self, shared: &Shared, polled: &Arc<AtomicBool>) -> Result<()> {
        detect::run(shared, self.pipeline, &self.workers, self.answers, polled)
    }
}

fn targets(shared: &Shared) -> Result<Vec<(String, Target)>> {
    let config = &shared.config;
    let mut names: Vec<String> = config.sinks.iter().map(|sink| sink.name.clone()).collect();
    names.push(HISTORY.to_owned());
    names.extend(config.archive.as_ref().map(|_| ARCHIVE.to_owned()));
    for gone in shared.store.set_sinks(&names)? {
        tracing::warn!(sink = gone, "no longer configured; its position is forgotten");
    }
    let mut targets = Vec::new();
    for sink in &config.sinks {
        let resume = resume(&shared.store, &sink.name)?;
        let opened: Box<dyn crate::sink::Sink> = match &sink.target {
            config::Target::Stdout => Box::new(StdoutSink::open(&resume)),
            &config::Target::File { ref path, rotate_bytes, keep, keep_s, keep_bytes } => {
                let rotation = Rotation { rotate_bytes, keep, keep_s, keep_bytes };
                Box::new(FileSink::open(path, rotation, resume).with_context(|| format!("sink `{}`", sink.name))?)
            }
        };
        targets.push((
            sink.name.clone(),
            Target::Sink {
                sink: opened,
                form: Form { view: sink.view, raw_data: sink.raw_data, max_line: sink.max_line },
                include: sink.include,
            },
        ));
    }
    let history = History::open(&config.state_dir, resume(&shared.store, HISTORY)?)?;
    targets.push((HISTORY.to_owned(), Target::History(history)));
    if let Some(archive) = &config.archive {
        let opened = Archive::open(&archive.dir, archive.segment_bytes)?;
        // Only if store and checkpoint were lost: the archive outlives them, and its numbers are taken.
        if let Some(last) = opened.resume().last_seq.filter(|last| *last >= shared.store.next_seq()) {
            shared.store.skip_to(last + NUMBER_GAP, shared.store.next_record())?;
        }
        targets.push((ARCHIVE.to_owned(), Target::Archive { archive: opened, keep_s: archive.keep_s }));
    }
    Ok(targets)
}

fn resume(store: &Store, sink: &str) -> Result<Resume> {
    let saved = store.position(sink)?.resume;
    Ok(saved.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default())
}

fn flag() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(false))
}

/// What looks at something beside the stages, once in a while.
fn watches(
    shared: &Arc<Shared>,
    lists: PublicLists,
    until: Until,
    stop: &watch::Receiver<bool>,
    failed: &Arc<watch::Sender<bool>>,
) -> Vec<Watch> {
    let (catalogue, exceptions, people) = (shared.clone(), shared.clone(), shared.clone());
    let (folder, of_folder) = (shared.clone(), stop.clone());
    let [of_catalogue, of_exceptions, of_people] = [stop.clone(), stop.clone(), stop.clone()];
    let drift = async move {
        match until {
            Until::Stopped => drift::watch(&catalogue, &lists, of_catalogue).await,
            Until::UpToDate => drift::once(&catalogue, &lists).await,
        }
    };
    let exceptions = async move {
        match until {
            Until::Stopped => exceptions::watch(&exceptions, of_exceptions).await,
            Until::UpToDate => exceptions::tell(&exceptions, clock::now()),
        }
    };
    let roster = async move {
        match until {
            Until::Stopped => roster::watch(&people, of_people).await,
            Until::UpToDate => roster::once(&people).await,
        }
    };
    let modules = async move {
        match until {
            Until::Stopped => modules::watch::watch(&folder, of_folder).await,
            Until::UpToDate => Ok(()),
        }
    };
    vec![
        beside("the watch over the modules folder", CATALOGUE, failed, modules),
        beside("the drift watch", CATALOGUE, failed, drift),
        beside("the watch over the exceptions file", CATALOGUE, failed, exceptions),
        // Each of its calls has an end, and a list that is broken off begins anew the next time: it would never be whole.
        beside("the roster watch", Duration::MAX, failed, roster),
    ]
}

struct Watch {
    name: &'static str,
    /// How long a run that ends by itself waits for it.
    patience: Duration,
    task: tokio::task::JoinHandle<Result<()>>,
}

/// A watch that can't save ends everything, like a stage.
fn beside(
    name: &'static str,
    patience: Duration,
    failed: &Arc<watch::Sender<bool>>,
    watch: impl Future<Output = Result<()>> + Send + 'static,
) -> Watch {
    let failed = failed.clone();
    let task = tokio::spawn(async move {
        let result = watch.await;
        if let Err(error) = &result {
            tracing::error!(error = format!("{error:#}"), "{name} failed");
            let _ = failed.send(true);
        }
        result
    });
    Watch { name, patience, task }
}

/// A run that ends by itself lets looks at Slack's lists finish; one that was told to stop doesn't wait for an answer.
async fn until_checked(watches: Vec<Watch>, until: Until) -> Result<()> {
    let mut result = Ok(());
    for Watch { name, patience, task } in watches {
        let patience = if until == Until::UpToDate { patience } else { Duration::ZERO };
        let abort = task.abort_handle();
        result = result.and(match tokio::time::timeout(patience, task).await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => Err(panic).context(name),
            Err(_) => {
                tracing::debug!("{name} was broken off");
                abort.abort();
                Ok(())
            }
        });
    }
    result
}

/// A stage on a thread of its own. If it fails, polling is told to stop.
fn stage(
    name: &str,
    failed: Arc<watch::Sender<bool>>,
    work: impl FnOnce() -> Result<()> + Send + 'static,
) -> Result<JoinHandle<Result<()>>> {
    let work = move || {
        let panicked = |_| Err(anyhow::anyhow!("a stage panicked"));
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(panicked);
        if let Err(error) = &result {
            tracing::error!(error = format!("{error:#}"), "stage failed");
            let _ = failed.send(true);
        }
        result
    };
    Ok(std::thread::Builder::new().name(name.to_owned()).spawn(work)?)
}

/// True when either is.
fn merged(stop: &mut watch::Receiver<bool>, failure: &mut watch::Receiver<bool>) -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(*stop.borrow() || *failure.borrow());
    let (mut stop, mut failure) = (stop.clone(), failure.clone());
    tokio::spawn(async move {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            _ = failure.wait_for(|failed| *failed) => {}
        }
        let _ = sender.send(true);
        sender.closed().await;
    });
    receiver
}

/// Waits for something and keeps `status.json` current meanwhile.
async fn with_status<T>(shared: &Arc<Shared>, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    loop {
        shared.board.write(&shared.paths.status, clock::now());
        match tokio::time::timeout(STATUS_EVERY, &mut work).await {
            Ok(result) => return result,
            Err(_) => continue,
        }
    }
}

async fn join(thread: JoinHandle<Result<()>>) -> Result<()> {
    let joined = tokio::task::spawn_blocking(move || thread.join()).await?;
    joined.unwrap_or_else(|_| Err(anyhow::anyhow!("a stage panicked")))
}

/// Waits for delivery to finish, and with a sink that refuses only so long.
async fn drain(shared: &Arc<Shared>, threads: Vec<JoinHandle<Result<()>>>, hurry: &Arc<AtomicBool>) -> Result<()> {
    let (shared_late, hurry) = (shared.clone(), hurry.clone());
    let patience = tokio::spawn(async move {
        tokio::time::sleep(DRAIN).await;
        hurry.store(true, Ordering::Release);
        shared_late.bells.hurry.ring();
    });
    let mut result = Ok(());
    for thread in threads {
        result = result.and(with_status(shared, join(thread)).await);
    }
    patience.abort();
    // A store that couldn't be written to has been told of; what it holds is still to be delivered.
    let left = match &result {
        Ok(()) => shared.store.trim()?,
        Err(_) => shared.store.next_record().saturating_sub(shared.store.first_record()),
    };
    if left > 0 {
        tracing::warn!(records = left, "not delivered yet; they stay in the store for the next start");
    }
    result
}

/// Now, for settings that count back from it.
pub fn now_s() -> UnixSeconds {
    clock::now().seconds()
}
