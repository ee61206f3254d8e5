//! The running host: opens what there is, starts the stages, and ends them in order.
//!
//! ```text
//! poll (async) ─commit_page─► store ─► detect (thread, modules on their own) ─commit_detections─► store ─►
//!     deliver (a thread per sink, one for the archive) ─commit_attempt─► store
//! ```
//!
//! Stages take no input but a bell. To end, polling stops first, then detection empties its queue, then delivery the
//! outbox; so a restart and an ordinary day are one path.

use super::lifetime::Lifetime;
use super::open::{self, NUMBER_GAP, Opening};
use super::signals::{Orders, is_told};
use super::starts::Starts;
use crate::archive::{ARCHIVE, Archive};
use crate::clock::Clock;
use crate::config::{self, Config, Include};
use crate::context::lists::{self, Lists};
use crate::context::{Bells, Happening, Observe, Paths, Shared, Until};
use crate::exceptions::Live;
use crate::history::{self, HISTORY};
use crate::modules::Wanted;
use crate::record::Form;
use crate::sink::dead_letter::DeadLetters;
use crate::sink::file;
use crate::sink::render::Renderer;
use crate::slack::logs::Client;
use crate::stage::deliver::{self, Anywhere, Ending, ForArchive, ForSink};
use crate::stage::detect;
use crate::stage::enrich::Answers;
use crate::stage::forgotten;
use crate::stage::poll::Poller;
use crate::store::checkpoint::Checkpoint;
use crate::store::damage;
use crate::store::older::Reach;
use crate::telemetry::health;
use crate::telemetry::status::{Catalogue, HowEnded, ModuleStatus, Phase, SinkStatus, Status};
use crate::watch;
use anyhow::{Context, Result};
use gridwatch_detect::{Detector, Module, Setting};
use gridwatch_poll::{LateHistogram, Machine, PollConfig, PollSettings};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch::{Receiver, Sender, channel};

/// How long the end waits for a sink that refuses. What is left then stays in the store.
const DRAIN: Duration = Duration::from_secs(20);
/// A rebuilt store reads at least this far back, and at most this.
const REBUILD_MIN_S: u64 = 86_400;
const REBUILD_MAX_S: u64 = 30 * 86_400;

/// Runs the host until it is told to end, or has done what there was to do. The final status is the answer.
pub async fn run(config: Config, until: Until, orders: Orders, observe: Observe, clock: Clock) -> Result<Status> {
    let paths = Paths::of(&config.state_dir);
    let _listening = open::outlive_long_files();
    open::enough_files()?;
    let life = Lifetime::begin(&config, clock)?;
    let (stop, started) = (orders.stop.clone(), clock.now());
    let result = work(config, until, orders, (observe, clock), &life).await;
    let told = *stop.borrow();
    let (how, why) = match (&result, told) {
        (Err(error), _) => (HowEnded::Failed, format!("{error:#}")),
        (Ok(()), Some(signal)) => (HowEnded::Told, format!("stopped by {signal}")),
        (Ok(()), None) => (HowEnded::Done, "everything that may be read now has been read and delivered".to_owned()),
    };
    // While the lock is held: the next start has to find it.
    if let Err(error) = &result
        && damage::is_damage(error)
    {
        damage::mark(&paths.damaged, &format!("{error:#}"));
        tracing::error!("the store is damaged; the next start sets it aside and rebuilds it");
    }
    let status = life.end(&why, how);
    let up = health::span(clock.now().since(started) / 1000);
    let (poll, detect) = (&status.poll, &status.detect);
    let done = format!(
        "{} pages, {} new entries, {} events, {} alerts and revisions",
        poll.pages, poll.stored, detect.events, detect.alerts
    );
    match &result {
        Ok(()) => tracing::info!(why, done, undelivered = status.backlog.records, up, "gridwatch ends"),
        Err(_) => {
            tracing::error!(why, done, undelivered = status.backlog.records, up, "gridwatch ends, for it can't go on")
        }
    }
    open::ended(&paths, result.map(|()| status))
}

async fn work(
    config: Config,
    until: Until,
    orders: Orders,
    (observe, clock): (Observe, Clock),
    life: &Lifetime,
) -> Result<()> {
    let Orders { stop: told, reload: hangups, relevel } = orders;
    let mut stop = is_told(told);
    life.doing("looking for room on the disk");
    let tell = |why: Option<&str>| life.board.update(|status| status.poll.paused = why.map(str::to_owned));
    if !open::wait_for_room(&config.state_dir, until, &mut stop, tell).await? {
        return Ok(());
    }
    life.doing("compiling and starting the modules");
    let lists = Lists::of(&config);
    let wanted = Wanted { tables: lists.tables.clone(), ..Wanted::of(&config) };
    let modules = wanted.load()?;
    let exceptions = Live::open(&wanted, &modules, clock.now())?;
    life.doing("opening the store");
    let shared = Arc::new(prepare(config, &modules, (exceptions, lists), (observe, clock), life)?);
    life.doing("reading what the rules remember");
    let poller = poller(&shared, &modules, until)?;
    let reading = poller.begins();
    let (detector, answers) = detector(&shared, &wanted, modules)?;
    forgotten::look(&shared)?;
    // All of the store has been read. Whatever a process dies of from here on, the store is not to blame unless it says so.
    Starts::is_well(&shared.paths.starts);
    life.doing("opening the sinks");
    let targets = targets(&shared)?;
    say_start(&shared, &reading);

    let (polled, detected, hurry) = (flag(), flag(), flag());
    let ending = Ending { detected: detected.clone(), hurry: hurry.clone() };
    let (failed, mut failure) = channel(false);
    let failed = Arc::new(failed);
    let detecting = {
        let (shared, polled) = (shared.clone(), polled.clone());
        stage("detect", failed.clone(), move || detect::run(&shared, detector, answers, &polled))?
    };
    let delivering = targets
        .into_iter()
        .map(|(name, target)| {
            let (shared, ending) = (shared.clone(), ending.clone());
            stage(&format!("sink-{name}"), failed.clone(), move || {
                let at = deliver::Place {
                    store: &shared.store,
                    board: &shared.board,
                    bells: &shared.bells,
                    clock: shared.clock,
                };
                match target {
                    Anywhere::Sink(target) => deliver::run(at, &name, target, &ending),
                    Anywhere::Archive(target) => deliver::run(at, &name, target, &ending),
                }
            })
        })
        .collect::<Result<Vec<_>>>()?;
    shared.board.update(|status| (status.phase, status.doing) = (Phase::Running, String::new()));

    // A stage that can't save ends everything: going on would mean acting on what is not written down.
    let ended = merged(&mut stop, &mut failure);
    let start = |watch| watch::start(watch, &shared, until, &ended, &hangups, &failed);
    let watches: Vec<_> = watch::all(&shared, poller.public_lists(), relevel).into_iter().map(start).collect();
    let result = poller.run(ended.clone()).await;
    shared.board.ended("poll");
    let result = result.and(watch::end(watches, until).await);
    shared.board.update(|status| {
        (status.phase, status.doing) = (Phase::Draining, "running the modules over what was fetched".into());
    });
    tracing::info!("polling ended; what was fetched is still judged and delivered");
    polled.store(true, Ordering::Release);
    shared.bells.detect.ring();
    let result = result.and(join(detecting).await);
    shared.board.update(|status| status.doing = "delivering".into());
    detected.store(true, Ordering::Release);
    shared.bells.deliver.ring();
    let result = result.and(drain(&shared, delivering, &hurry).await);
    shared.board.update(|status| status.backlog = shared.store.backlog());
    result
}

/// The first line of a log: which program this is, what it runs with, and where it begins.
fn say_start(shared: &Shared, reading: &str) {
    let (config, status) = (&shared.config, shared.board.now());
    let module = |m: &ModuleStatus| format!("{}@{} {}", m.name, m.version, &m.digest[..12.min(m.digest.len())]);
    let sink = |sink: &config::Sink| format!("{} ({}, {})", sink.name, sink.setup.place(), sink.view.name());
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = status.pid,
        config = %config.modules.places.file.display(),
        state_dir = %config.state_dir.display(),
        slack = config.slack.base_url,
        modules = status.modules.iter().map(module).collect::<Vec<_>>().join(", "),
        sinks = config.sinks.iter().map(sink).collect::<Vec<_>>().join(", "),
        archive = config.archive.as_ref().map_or("none is kept".to_owned(), |archive| archive.dir.display().to_string()),
        reading,
        "gridwatch starts"
    );
    for (list, old) in lists::old(config, shared.clock.now()) {
        tracing::warn!("{list}: {old}");
    }
}

/// The store, opened or rebuilt, and what there is to say of modules and sinks.
fn prepare(
    config: Config,
    modules: &[Module],
    (exceptions, lists): (Live, Lists),
    (observe, clock): (Observe, Clock),
    life: &Lifetime,
) -> Result<Shared> {
    let paths = Paths::of(&config.state_dir);
    damage::end_at_panics(paths.damaged.clone());
    let span_s = modules.iter().map(|m| m.manifest.longest_span_s()).max().unwrap_or(0);
    let Opening { store, anew } = open::store(&paths, Reach { span_s, dedup_s: config.store.dedup_s }, clock)?;
    let module = |m: &Module| ModuleStatus {
        name: m.manifest.name.clone(),
        version: m.manifest.version.to_string(),
        digest: m.digest.clone(),
        rules: m.manifest.rules.len(),
        rule_ids: m.manifest.rules.iter().map(|rule| format!("{}.{}", m.manifest.name, rule.id)).collect(),
        ..ModuleStatus::default()
    };
    let (board, checked, backlog) = (life.board.clone(), store.drift()?, store.backlog());
    board.update(|status| {
        status.modules = modules.iter().map(module).collect();
        status.catalogue = Catalogue { checked, ..Catalogue::default() };
        status.sinks = config.sinks.iter().map(|sink| (sink.name.clone(), SinkStatus::default())).collect();
        status.backlog = backlog;
    });
    observe(&Happening::Modules(&board.now().modules));
    let shared = Shared { config, clock, paths, store, board, bells: Bells::default(), observe, exceptions, lists };
    if let Some(anew) = anew {
        anew.tell(&shared)?;
    }
    Ok(shared)
}

fn poller(shared: &Arc<Shared>, modules: &[Module], until: Until) -> Result<Poller> {
    let slack = &shared.config.slack;
    let (client, now) = (Client::new(slack, &shared.config.state_dir)?, shared.clock.now().seconds());
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
    if let Some(again) = shared.store.begun()?.again {
        let settings = config.settings().clone();
        let backfill = settings.backfill.filter(|backfill| *backfill < again.drained_from);
        let config = PollConfig::new(PollSettings { start: again.from, backfill, ..settings })?;
        let machine = Machine::start_again(config, again.drained_from, again.ids_from);
        return Ok(Poller::new(machine, LateHistogram::default(), client, shared.clone(), goal));
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

/// The modules in service, with what they and the answers remember.
fn detector(shared: &Shared, wanted: &Wanted, modules: Vec<Module>) -> Result<(Detector, Answers)> {
    let setting =
        Setting { threads: shared.config.detect.threads, networks: shared.lists.networks(), ..wanted.setting()? };
    let mut detector = Detector::new(setting, modules)?;
    let mut answers = Answers::new(shared.config.asking.as_ref())?;
    for row in shared.store.rule_state() {
        let (key, value) = row?;
        let loaded = match Answers::is_state(&key) {
            true => answers.load(&key, &value),
            false => detector.load(&key, &value),
        };
        if let Err(forgotten) = loaded {
            shared.store.note_rule_state(forgotten);
        }
    }
    detector.loaded();
    shared.board.update(|status| status.detect.unseen = detect::unseen(detector.pipeline()));
    Ok((detector, answers))
}

fn targets(shared: &Shared) -> Result<Vec<(String, Anywhere)>> {
    let config = &shared.config;
    let mut names: Vec<String> = config.sinks.iter().map(|sink| sink.name.clone()).collect();
    names.push(HISTORY.to_owned());
    names.extend(config.archive.as_ref().map(|_| ARCHIVE.to_owned()));
    for gone in shared.store.set_sinks(&names)? {
        tracing::warn!(sink = gone, "no longer configured; its position is forgotten");
    }
    let renderer = Arc::new(Renderer::new(config.sinks.iter().map(form)));
    let mut targets = Vec::new();
    for sink in &config.sinks {
        let resume = shared.store.position(&sink.name)?.resume;
        let opened = sink.setup.open(resume.as_ref(), shared.clock).with_context(|| format!("sink `{}`", sink.name))?;
        let target = ForSink {
            sink: opened,
            pace: sink.setup.pace(),
            form: form(sink),
            include: sink.include,
            renderer: renderer.clone(),
            dead: DeadLetters::of(&config.state_dir, &sink.name),
        };
        targets.push((sink.name.clone(), Anywhere::Sink(target)));
    }
    let resume = shared.store.position(HISTORY)?.resume;
    let history = ForSink {
        sink: Box::new(history::open(&config.state_dir, resume.as_ref(), shared.clock)?),
        pace: file::PACE,
        form: Form::Kept,
        include: Include { events: false, alerts: true, suppressed: true },
        renderer,
        dead: DeadLetters::of(&config.state_dir, HISTORY),
    };
    targets.push((HISTORY.to_owned(), Anywhere::Sink(history)));
    if let Some(archive) = &config.archive {
        let opened = Archive::open(&archive.dir, archive.segment_bytes)?;
        // Only if store and checkpoint were lost: the archive outlives them, and its numbers are taken.
        if let Some(last) = opened.resume().last_seq.filter(|last| *last >= shared.store.next_seq()) {
            shared.store.skip_to(last + NUMBER_GAP, shared.store.next_record())?;
        }
        let target = ForArchive { archive: opened, keep_s: archive.keep_s };
        targets.push((ARCHIVE.to_owned(), Anywhere::Archive(target)));
    }
    Ok(targets)
}

fn form(sink: &config::Sink) -> Form {
    Form::View { view: sink.view, raw_data: sink.raw_data, max_line: sink.max_line }
}

fn flag() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(false))
}

/// A stage on a thread of its own. If it fails, polling is told to stop.
fn stage(
    name: &str,
    failed: Arc<Sender<bool>>,
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
fn merged(stop: &mut Receiver<bool>, failure: &mut Receiver<bool>) -> Receiver<bool> {
    let (sender, receiver) = channel(*stop.borrow() || *failure.borrow());
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
        result = result.and(join(thread).await);
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
