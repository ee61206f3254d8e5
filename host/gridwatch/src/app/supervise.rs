//! The running host: opens what there is, starts the stages, and ends them in order.
//!
//! ```text
//! poll (async) ─commit_page─► store ─► detect (thread, modules on their own) ─commit_detections─► store ─►
//!     enrich (thread) ─commit_enrichment─► store ─► deliver (a thread per sink, one for the archive) ─commit_attempt─► store
//! ```
//!
//! Stages take no input but a bell. To end, polling stops first, then detection empties its queue, then delivery the
//! outbox; so a restart and an ordinary day are one path.

use super::lifetime::Lifetime;
use super::open::{self, Anew, NUMBER_GAP, Opening};
use super::signals::{Orders, is_stopping};
use super::starts::Starts;
use crate::archive::Archive;
use crate::bell::Bell;
use crate::clock::{self, Clock};
use crate::config::{self, Config, Configs, Include};
use crate::context::lists::{self, Lists};
use crate::context::{Bells, Happening, Observe, Paths, Process, Shared, Until};
use crate::exceptions::Live;
use crate::folder;
use crate::history::{self, HISTORY};
use crate::modules::Wanted;
use crate::record::Form;
use crate::sink::dead_letter::DeadLetters;
use crate::sink::file;
use crate::sink::render::Renderer;
use crate::slack::logs::Client;
use crate::stage::deliver::{self, Anywhere, Ending, ForArchive, ForSink};
use crate::stage::detect;
use crate::stage::enrich::{self, Answers, Asker, Known};
use crate::stage::forgotten;
use crate::stage::poll::{Halted, Poller};
use crate::store::checkpoint::Checkpoint;
use crate::store::damage;
use crate::store::older::Reach;
use crate::telemetry::health;
use crate::telemetry::status::{Catalogue, HowEnded, ModuleStatus, OrgStatus, Phase, SinkStatus, Status};
use crate::watch;
use anyhow::{Context, Result};
use gridwatch_detect::{Detector, DetectorConfig, Module};
use gridwatch_event::org::OrgId;
use gridwatch_poll::{LateHistogram, Machine, PollConfig, PollSettings};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch::{Receiver, Sender, channel};

/// How long the end waits for a sink that refuses. What is left then stays in the store.
const DRAIN: Duration = Duration::from_secs(20);
/// A rebuilt store reads at least this far back, and at most this.
const REBUILD_MIN_S: u64 = 86_400;
const REBUILD_MAX_S: u64 = 30 * 86_400;

/// Runs the host until it is told to end, or has done what there was to do. The final status is the answer.
///
/// # Errors
///
/// When it can't start, or something could not be saved.
pub async fn run(configs: Configs, until: Until, orders: Orders, observe: Observe, clock: Clock) -> Result<Status> {
    let paths = Paths::of(&configs.process().state_dir);
    let _listening = open::outlive_long_files();
    open::enough_files()?;
    let life = Lifetime::begin(&configs, clock)?;
    let (stop, started) = (orders.stop.clone(), clock.now());
    let result = work(configs, until, orders, (observe, clock), &life).await;
    let signal = *stop.borrow();
    let (how, why) = match (&result, signal) {
        (Err(error), _) => (HowEnded::Failed, format!("{error:#}")),
        (Ok(()), Some(signal)) => (HowEnded::Signalled, format!("stopped by {signal}")),
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
    let sum = |of: fn(&OrgStatus) -> u64| status.orgs.values().map(of).sum::<u64>();
    let done = format!(
        "{} pages, {} new entries, {} events, {} alerts and revisions",
        sum(|org| org.poll.pages),
        sum(|org| org.poll.stored),
        sum(|org| org.detect.events),
        sum(|org| org.detect.alerts)
    );
    match &result {
        Ok(()) => tracing::info!(why, done, undelivered = status.backlog.records, up, "gridwatch ends"),
        Err(_) => {
            tracing::error!(why, done, undelivered = status.backlog.records, up, "gridwatch ends, for it can't go on")
        }
    }
    open::ended(&paths, result.map(|()| status))
}

/// What has to be so before the store is opened: one organization's configuration, with what it names read.
struct Wants {
    config: Config,
    lists: Lists,
    wanted: Wanted,
    modules: Vec<Module>,
    exceptions: Live,
}

/// One organization, ready to go.
struct Ready {
    shared: Arc<Shared>,
    poller: Poller,
    detector: Detector,
    known: Known,
    asker: Option<Asker>,
}

async fn work(
    configs: Configs,
    until: Until,
    orders: Orders,
    (observe, clock): (Observe, Clock),
    life: &Lifetime,
) -> Result<()> {
    let Orders { stop: signal, reload: hangups, relevel } = orders;
    let mut stop = is_stopping(signal);
    life.doing("looking for room on the disk");
    let tell = |why: Option<&str>| {
        life.board.update(|status| {
            status.orgs.values_mut().for_each(|org| org.poll.paused = why.map(str::to_owned));
        });
    };
    let process_config = configs.process().clone();
    if !open::wait_for_room(&process_config.state_dir, until, &mut stop, tell).await? {
        return Ok(());
    }
    life.doing("compiling and starting the modules");
    let wants = configs.into_iter().map(|config| want(config, clock)).collect::<Result<Vec<_>>>()?;
    life.doing("opening the store");
    let span_s = wants.iter().flat_map(|want| &want.modules).map(|module| module.manifest.longest_span_s()).max();
    let orgs: Vec<OrgId> = wants.iter().map(|want| want.config.org.clone()).collect();
    let reach = Reach { span_s: span_s.unwrap_or(0), dedup_s: process_config.store.dedup_s };
    let (process, anew) = process(&process_config, (&orgs, reach), (observe, clock), life)?;
    let orgs = wants.into_iter().map(|wants| ready(&process, wants, until, life)).collect::<Result<Vec<_>>>()?;
    if let Some(anew) = anew {
        anew.tell(&process)?;
    }
    forgotten::look(&process)?;
    // All of the store has been read. Whatever a process dies of from here on, the store is not to blame unless it says so.
    Starts::is_well(&process.paths.starts);
    life.doing("opening the sinks");
    let shareds: Vec<Arc<Shared>> = orgs.iter().map(|org| org.shared.clone()).collect();
    let targets = targets(&process, &shareds)?;
    orgs.iter().for_each(say_start);

    let (polled, judged, detected, hurry) = (flag(), flag(), flag(), flag());
    let ending = Ending { detected: detected.clone(), hurry: hurry.clone() };
    let (failed, mut failure) = channel(false);
    let failed = Arc::new(failed);
    let delivering = targets
        .into_iter()
        .map(|(name, target)| {
            let (process, ending) = (process.clone(), ending.clone());
            stage(&format!("sink-{name}"), failed.clone(), move || {
                let Process { store, board, bells, clock, .. } = &*process;
                let at = deliver::Place { store, board, bells, clock: *clock };
                match target {
                    Anywhere::Sink(target) => deliver::run(at, &name, target, &ending),
                    Anywhere::Archive(target) => deliver::run(at, &name, target, &ending),
                }
            })
        })
        .collect::<Result<Vec<_>>>()?;
    // A stage that can't save ends everything: going on would mean acting on what is not written down.
    let ended = merged(&mut stop, &mut failure);
    let start = |watch| watch::start(watch, &process, until, &ended, &hangups, &failed);
    let mut watches: Vec<_> = watch::of_process(&shareds, relevel).into_iter().map(start).collect();
    let (mut polling, mut detecting, mut enriching) = (Vec::new(), Vec::new(), Vec::new());
    for Ready { shared, poller, detector, known, asker } in orgs {
        let (polled, of_stage, answers) = (polled.clone(), shared.clone(), known.clone());
        let name = shared.stage("detect");
        detecting.push(stage(&name, failed.clone(), move || detect::run(&of_stage, detector, &answers, &polled))?);
        let (judged, of_stage) = (judged.clone(), shared.clone());
        let name = shared.stage("enrich");
        enriching.push(stage(&name, failed.clone(), move || enrich::run(&of_stage, &known, asker, &judged))?);
        watches.extend(watch::of_org(&shared, poller.public_lists()).into_iter().map(start));
        polling.push(tokio::spawn(poll(shared, poller, ended.clone(), failed.clone())));
    }
    process.board.update(|status| (status.phase, status.doing) = (Phase::Running, String::new()));

    // One organization that can't go on keeps none of the others from being read to its end.
    let mut result = Ok(());
    for poll in polling {
        result = result.and(poll.await.context("polling")?);
    }
    let result = result.and(watch::end(watches, until).await);
    process.board.update(|status| {
        (status.phase, status.doing) = (Phase::Draining, "running the modules over what was fetched".into());
    });
    tracing::info!("polling ended; what was fetched is still judged and delivered");
    polled.store(true, Ordering::Release);
    shareds.iter().for_each(|shared| shared.detect.ring());
    let mut result = result;
    for thread in detecting {
        result = result.and(join(thread).await);
    }
    process.board.update(|status| status.doing = "asking Slack about the last alerts".into());
    judged.store(true, Ordering::Release);
    shareds.iter().for_each(|shared| shared.wanting.ring());
    for thread in enriching {
        result = result.and(join(thread).await);
    }
    process.board.update(|status| status.doing = "delivering".into());
    detected.store(true, Ordering::Release);
    process.bells.deliver.ring();
    let result = result.and(drain(&process, delivering, &hurry).await);
    process.board.metrics.set_backlog(process.store.backlog());
    result
}

/// Polls one organization. What could not be saved ends everything; that Slack lets nobody in ends this one alone.
async fn poll(shared: Arc<Shared>, poller: Poller, ended: Receiver<bool>, failed: Arc<Sender<bool>>) -> Result<()> {
    let result = poller.run(ended).await;
    shared.ended("poll");
    if let Err(error) = &result
        && !error.is::<Halted>()
    {
        let _ = failed.send(true);
    }
    match shared.org.name() {
        Some(name) => result.with_context(|| format!("organization `{name}`")),
        None => result,
    }
}

/// The first line of a log: which program this is, what it runs with, and where it begins.
fn say_start(org: &Ready) {
    let Ready { shared, poller, .. } = org;
    let (config, status) = (&shared.config, shared.status());
    let module = |m: &ModuleStatus| format!("{}@{} {}", m.name, m.version, &m.digest[..12.min(m.digest.len())]);
    let sink = |sink: &config::Sink| format!("{} ({}, {})", sink.name, sink.setup.place(), sink.view.name());
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        config = %config.modules.places.file.display(),
        state_dir = %config.state_dir.display(),
        org = shared.org.name(),
        slack = config.slack.base_url,
        modules = status.modules.iter().map(module).collect::<Vec<_>>().join(", "),
        sinks = config.sinks.iter().map(sink).collect::<Vec<_>>().join(", "),
        archive = config.archive.as_ref().map_or("none is kept".to_owned(), |archive| archive.dir.display().to_string()),
        reading = poller.begins(),
        "gridwatch starts"
    );
    for (list, old) in lists::old(config, shared.now()) {
        tracing::warn!("{list}: {old}");
    }
}

fn want(config: Config, clock: Clock) -> Result<Wants> {
    let lists = Lists::of(&config);
    let wanted = Wanted { tables: lists.tables.clone(), ..Wanted::of(&config) };
    let modules = wanted.load()?;
    let exceptions = Live::open(&wanted, &modules, clock.now())?;
    Ok(Wants { config, lists, wanted, modules, exceptions })
}

/// The store, opened or rebuilt, and what there is to say of sinks.
fn process(
    config: &Config,
    (orgs, reach): (&[OrgId], Reach),
    (observe, clock): (Observe, Clock),
    life: &Lifetime,
) -> Result<(Arc<Process>, Option<Anew>)> {
    let paths = Paths::of(&config.state_dir);
    damage::end_at_panics(paths.damaged.clone());
    let Opening { store, anew } = open::store(&paths, orgs, reach, clock)?;
    let board = life.board.clone();
    board.metrics.set_backlog(store.backlog());
    board.update(|status| {
        status.sinks = config.sinks.iter().map(|sink| (sink.name.clone(), SinkStatus::default())).collect();
    });
    Ok((Arc::new(Process { clock, paths, store, board, bells: Bells::default(), observe }), anew))
}

/// One organization's part of the store, and what is made of it.
fn ready(process: &Arc<Process>, wants: Wants, until: Until, life: &Lifetime) -> Result<Ready> {
    life.doing("reading what the rules remember");
    let Wants { config, lists, wanted, modules, exceptions } = wants;
    let dir = config.org_dir();
    if dir != config.state_dir {
        for dir in dir.ancestors().take(2).collect::<Vec<_>>().into_iter().rev() {
            folder::make(dir, folder::SHOWN).with_context(|| format!("can't make {}", dir.display()))?;
        }
    }
    let (org, store) = (config.org.clone(), process.store.org(&config.org)?);
    let module = |m: &Module| ModuleStatus {
        name: m.manifest.name.clone(),
        version: m.manifest.version.to_string(),
        digest: m.digest.clone(),
        rules: m.manifest.rules.len(),
        rule_ids: m.manifest.rules.iter().map(|rule| format!("{}.{}", m.manifest.name, rule.id)).collect(),
        ..ModuleStatus::default()
    };
    let checked = store.drift()?;
    let metrics = &process.board.metrics;
    let (polled, detected) = (metrics.poll(&org), metrics.detect(&org));
    let (process_of_it, detect) = (process.clone(), Bell::default());
    let wanting = Bell::default();
    let shared =
        Shared { process: process_of_it, org, config, store, detect, wanting, polled, detected, exceptions, lists };
    shared.update(|status| {
        status.modules = modules.iter().map(module).collect();
        status.catalogue = Catalogue { checked, ..Catalogue::default() };
    });
    (process.observe)(&Happening::Modules(&shared.status().modules));
    let shared = Arc::new(shared);
    let poller = poller(&shared, &modules, until)?;
    let (detector, known) = detector(&shared, &wanted, modules)?;
    let asker = shared.config.asking.as_ref().map(Asker::new).transpose()?;
    Ok(Ready { shared, poller, detector, known, asker })
}

fn poller(shared: &Arc<Shared>, modules: &[Module], until: Until) -> Result<Poller> {
    let slack = &shared.config.slack;
    let (client, now) = (Client::new(slack, &shared.paths().dir)?, shared.now().seconds());
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
    let config = match Checkpoint::read(&shared.paths().checkpoint) {
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
fn detector(shared: &Shared, wanted: &Wanted, modules: Vec<Module>) -> Result<(Detector, Known)> {
    let setting = DetectorConfig {
        org: shared.org.clone(),
        threads: shared.config.detect.threads,
        networks: shared.lists.networks(),
        seed: clock::chance(),
        ..wanted.setting()?
    };
    let mut detector = Detector::new(setting, modules)?;
    let mut answers = Answers::new(shared.config.asking.as_ref());
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
    shared.update(|status| status.detect.unseen = detect::unseen(detector.pipeline()));
    Ok((detector, Arc::new(Mutex::new(answers))))
}

fn targets(process: &Process, orgs: &[Arc<Shared>]) -> Result<Vec<(String, Anywhere)>> {
    // What concerns sinks is the same for all.
    let config = &orgs.first().context("there is no organization")?.config;
    let mut names: Vec<String> = config.sinks.iter().map(|sink| sink.name.clone()).collect();
    names.push(HISTORY.to_owned());
    names.extend(orgs.iter().filter(|org| org.config.archive.is_some()).map(|org| archive_name(&org.org)));
    for gone in process.store.set_sinks(&names)? {
        tracing::warn!(sink = gone, "no longer configured; its position is forgotten");
    }
    let renderer = Arc::new(Renderer::new(config.sinks.iter().map(form)));
    let mut targets = Vec::new();
    for sink in &config.sinks {
        let resume = process.store.position(&sink.name)?.resume;
        let opened =
            sink.setup.open(resume.as_ref(), process.clock).with_context(|| format!("sink `{}`", sink.name))?;
        let target = ForSink {
            sink: opened,
            pace: sink.setup.pace(),
            form: form(sink),
            include: sink.include.clone(),
            renderer: renderer.clone(),
            dead: DeadLetters::of(&config.state_dir, &sink.name),
        };
        targets.push((sink.name.clone(), Anywhere::Sink(target)));
    }
    let resume = process.store.position(HISTORY)?.resume;
    let history = ForSink {
        sink: Box::new(history::open(&config.state_dir, resume.as_ref(), process.clock)?),
        pace: file::PACE,
        form: Form::Kept,
        include: Include { events: false, alerts: true, suppressed: true, orgs: None },
        renderer,
        dead: DeadLetters::of(&config.state_dir, HISTORY),
    };
    targets.push((HISTORY.to_owned(), Anywhere::Sink(history)));
    for org in orgs {
        let Some(archive) = &org.config.archive else { continue };
        let opened = Archive::open(&archive.dir, archive.segment_bytes)?;
        // Only if store and checkpoint were lost: the archive outlives them, and its numbers are taken.
        if let Some(last) = opened.resume().last_seq.filter(|last| *last >= org.store.next_seq()) {
            org.store.skip_to(last + NUMBER_GAP)?;
        }
        let target = ForArchive { archive: opened, keep_s: archive.keep_s, org: org.org.clone() };
        targets.push((archive_name(&org.org), Anywhere::Archive(target)));
    }
    Ok(targets)
}

fn form(sink: &config::Sink) -> Form {
    Form::View { view: sink.view, raw_data: sink.raw_data, max_line: sink.max_line }
}

/// Its name among the sinks' positions; no sink can have it, for their names have no brackets.
fn archive_name(org: &OrgId) -> String {
    org.name().map_or_else(|| "(archive)".to_owned(), |name| format!("(archive {name})"))
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
async fn drain(process: &Arc<Process>, threads: Vec<JoinHandle<Result<()>>>, hurry: &Arc<AtomicBool>) -> Result<()> {
    let (late, hurry) = (process.clone(), hurry.clone());
    let patience = tokio::spawn(async move {
        tokio::time::sleep(DRAIN).await;
        hurry.store(true, Ordering::Release);
        late.bells.hurry.ring();
    });
    let mut result = Ok(());
    for thread in threads {
        result = result.and(join(thread).await);
    }
    patience.abort();
    // A store that couldn't be written to has been told of; what it holds is still to be delivered.
    let left = match &result {
        Ok(()) => process.store.trim()?,
        Err(_) => process.store.next_record().saturating_sub(process.store.first_record()),
    };
    if left > 0 {
        tracing::warn!(records = left, "not delivered yet; they stay in the store for the next start");
    }
    result
}
