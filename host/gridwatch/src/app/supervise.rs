//! The running host: opens what there is, starts the stages, and ends them in order.
//!
//! ```text
//! poll (async) ─commit_page─► store ─► detect (thread, modules on their own) ─commit_detections─► store ─►
//!     enrich (thread) ─commit_enrichment─► store ─► deliver (a thread per sink) ─commit_attempt─► store
//! ```
//!
//! Stages take no input but a bell. To end, polling stops first, then detection empties its queue, then delivery the
//! outbox; so a restart and an ordinary day are one path.

use super::control;
use super::lifetime::Lifetime;
use super::open::{self, Anew, Opening};
use super::signals::{Orders, is_stopping};
use super::starts::Starts;
use crate::bell::Bell;
use crate::clock::{self, Clock};
use crate::config::{self, Config, Configs};
use crate::context::in_force;
use crate::context::kept::Kept;
use crate::context::lists::{self, Lists};
use crate::context::pulse::Pulse;
use crate::context::swaps::{Swaps, Turn};
use crate::context::{Bells, Happening, Observe, Paths, Process, Shared, Until};
use crate::exceptions::Live;
use crate::folder;
use crate::modules::Wanted;
use crate::modules::contents::Contents;
use crate::modules::lineup::Lineup;
use crate::modules::start::Started;
use crate::record::Form;
use crate::sink::dead_letter::DeadLetters;
use crate::sink::render::Renderer;
use crate::slack::logs::Client;
use crate::stage::deliver::{self, Ending, ForSink};
use crate::stage::detect::{self, Line, judge};
use crate::stage::enrich::{self, Answers, Asker, Known};
use crate::stage::forgotten;
use crate::stage::poll::{Halted, Poller};
use crate::store::Place;
use crate::store::checkpoint::Checkpoint;
use crate::store::damage;
use crate::store::older::Reach;
use crate::swap::Swapper;
use crate::telemetry::actions::Noted;
use crate::telemetry::health;
use crate::telemetry::server;
use crate::telemetry::status::{Catalogue, HowEnded, ModuleStatus, OrgStatus, Phase, SinkStatus, Status, UNSIGNED};
use crate::trail;
use crate::watch;
use crate::web::{self, Setup};
use anyhow::{Context, Result};
use gridwatch_detect::{Detector, DetectorConfig, Module};
use gridwatch_event::time::UnixSeconds;
use gridwatch_module::trust::Policy;
use gridwatch_poll::{LateHistogram, Machine, PollConfig, PollSettings};
use gridwatch_rules::audit::{Deed, Via, What};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch::{Receiver, Sender, channel};

/// How long the end waits for a sink that refuses. What is left then stays in the store.
const PATIENCE: Duration = Duration::from_secs(20);
/// Who is told to end has done so in five seconds, whatever waits: so long for what waits, and then so long for what has begun.
const DRAIN: Duration = Duration::from_millis(3_500);
const GRACE: Duration = Duration::from_millis(800);
/// How long it may take to read what the rules remember, on a slow disk.
const READING: Duration = Duration::from_secs(600);
/// Where no archive is kept, a segment is as much as may be on the disk for nothing.
const QUEUE_SEGMENT: u64 = 8 << 20;
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
    started: Started,
    /// What was to serve, before the folder was looked at; `None` at the first start.
    decided: Option<Lineup>,
    exceptions: Live,
}

/// One organization, ready to go.
struct Ready {
    shared: Arc<Shared>,
    poller: Poller,
    wanted: Wanted,
    modules: Vec<Module>,
    swapper: Arc<Swapper>,
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
    if let Some(address) = configs.process().telemetry.listen {
        server::start(address, life.board.clone(), clock)?;
    }
    if let Some(address) = configs.process().web.listen {
        let (web, homes) = (configs.process().web.clone(), configs.homes());
        web::start(Setup { web, homes, configs: Some(configs.clone()) }, address, clock)?;
    }
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
    wants.iter().try_for_each(|want| org_folder(&want.config))?;
    life.doing("opening the store");
    let span_s = wants.iter().map(|want| longest_span_s(&want.started)).max();
    let places: Vec<Place> = wants.iter().map(|want| place(&want.config)).collect();
    let reach = Reach { span_s: span_s.unwrap_or(0), dedup_s: process_config.store.dedup_s };
    let (process, anew) = process(&process_config, (&places, reach), (observe, clock), life)?;
    let orgs = wants.into_iter().map(|wants| ready(&process, wants, until)).collect::<Result<Vec<_>>>()?;
    if let Some(anew) = anew {
        anew.tell(&process)?;
    }
    let needed = orgs.iter().map(|org| org.swapper.digests()).collect::<Result<Vec<_>>>()?;
    Contents::of(&process_config.state_dir).keep_only(&needed.into_iter().flatten().collect());
    let judged = orgs.iter().map(|org| org.shared.store.judged_by()).collect::<Result<Vec<_>>>()?;
    let kept = judged.iter().flatten().flat_map(|row| row.judges.kept().cloned()).collect();
    Kept::of(&process_config.state_dir).keep_only(&kept);
    life.doing("opening the sinks");
    let shareds: Vec<Arc<Shared>> = orgs.iter().map(|org| org.shared.clone()).collect();
    in_force::tell_start(&process, &shareds)?;
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
                deliver::run(at, &name, target, &ending)
            })
        })
        .collect::<Result<Vec<_>>>()?;
    // A stage that can't save ends everything: going on would mean acting on what is not written down.
    let ended = merged(&mut stop, &mut failure);
    tokio::spawn(leave_in_time(ended.clone(), process.clone(), shareds.clone()));
    let swappers: Vec<_> = orgs.iter().map(|org| (org.shared.clone(), org.swapper.clone())).collect();
    let _orders = control::Server::start(&process_config.state_dir, Arc::new(swappers.clone()));
    let start = |watch| watch::start(watch, &process, until, &ended, &hangups, &failed);
    let mut watches: Vec<_> = watch::of_process(&swappers, relevel)?.into_iter().map(start).collect();
    let (mut polling, mut detecting, mut enriching) = (Vec::new(), Vec::new(), Vec::new());
    for Ready { shared, poller, wanted, modules, swapper, asker } in orgs {
        let (polled, of_stage) = (polled.clone(), shared.clone());
        let (hand_on, handed) = std::sync::mpsc::sync_channel(1);
        let name = shared.stage("detect");
        // Nothing that Slack is asked for waits until the rules remember what they have to.
        let detect = move || {
            let judges = modules.iter().map(|module| (module.manifest.name.clone(), judge(module))).collect();
            let (detector, known) = detector(&of_stage, &wanted, modules)?;
            has_read(&of_stage.process)?;
            hand_on.send(known.clone()).ok();
            let line = Line::new(&of_stage, judges)?;
            let result = detect::run(&of_stage, (detector, line), &known, &polled);
            of_stage.swaps.close();
            result
        };
        detecting.push(stage(&name, failed.clone(), detect)?);
        let (judged, of_stage) = (judged.clone(), shared.clone());
        let name = shared.stage("enrich");
        // Without a detector there is nothing to ask about.
        let enrich = move || handed.recv().map_or(Ok(()), |known| enrich::run(&of_stage, &known, asker, &judged));
        enriching.push(stage(&name, failed.clone(), enrich)?);
        watches.extend(watch::of_org(&shared, &swapper, poller.public_lists()).into_iter().map(start));
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
    // Stages that gridwatch ends without.
    let (mut result, mut behind) = (result, 0);
    for thread in detecting {
        result = result.and(join(thread, &process, &mut behind).await);
    }
    result = result.and_then(|()| shareds.iter().try_for_each(|shared| shared.save_pulse()));
    process.board.update(|status| status.doing = "asking Slack about the last alerts".into());
    judged.store(true, Ordering::Release);
    shareds.iter().for_each(|shared| shared.wanting.ring());
    for thread in enriching {
        result = result.and(join(thread, &process, &mut behind).await);
    }
    result = result.and_then(|()| watch::heartbeat::last(&process, &shareds));
    process.board.update(|status| status.doing = "delivering".into());
    detected.store(true, Ordering::Release);
    process.bells.deliver.ring();
    let result = result.and(drain(&process, delivering, &hurry, behind).await);
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
    let (trust, now_s) = (&config.modules.trust, shared.now().seconds().0);
    if trust.policy == Policy::AllowUnsigned {
        tracing::warn!("{UNSIGNED}");
    }
    for key in trust.ending(now_s) {
        let ends = key.ends_s.map(|ends| UnixSeconds(ends).to_string()).unwrap_or_default();
        tracing::warn!(key = %key.key.id, name = key.name, ends, "a key that modules are signed with ends: sign them with another before then");
    }
}

fn want(config: Config, clock: Clock) -> Result<Wants> {
    let lists = Lists::of(&config);
    let wanted = Wanted { tables: lists.tables.clone(), ..Wanted::of(&config) };
    let decided = Lineup::read(&Lineup::path(&config.org_dir()));
    let started = wanted.start(&Contents::of(&config.state_dir), decided.clone())?;
    let exceptions = Live::open(&wanted, &started.modules, clock.now())?;
    started.successors.iter().for_each(|module| exceptions.renew(&module.manifest));
    Ok(Wants { config, lists, wanted, started, decided, exceptions })
}

fn longest_span_s(started: &Started) -> u64 {
    let modules = started.modules.iter().chain(&started.successors);
    modules.map(|module| module.manifest.longest_span_s()).max().unwrap_or(0)
}

/// Makes the folder of an organization that has a name.
fn org_folder(config: &Config) -> Result<()> {
    let dir = config.org_dir();
    if dir != config.state_dir {
        for dir in dir.ancestors().take(2).collect::<Vec<_>>().into_iter().rev() {
            folder::make(dir, folder::SHOWN).with_context(|| format!("can't make {}", dir.display()))?;
        }
    }
    Ok(())
}

/// Where an organization's archive is. Without one, entries are kept until everyone is done with them.
fn place(config: &Config) -> Place {
    let (org, dir) = (config.org.clone(), config.org_dir().join("archive"));
    match &config.archive {
        Some(archive) => {
            let (archive, segment_bytes, keep_s) = (archive.dir.clone(), archive.segment_bytes, archive.keep_s);
            Place { org, archive, segment_bytes, keep_s }
        }
        None => Place { org, archive: dir, segment_bytes: QUEUE_SEGMENT, keep_s: 0 },
    }
}

/// The store, opened or rebuilt, and what there is to say of sinks.
fn process(
    config: &Config,
    (places, reach): (&[Place], Reach),
    (observe, clock): (Observe, Clock),
    life: &Lifetime,
) -> Result<(Arc<Process>, Option<Anew>)> {
    let paths = Paths::of(&config.state_dir);
    damage::end_at_panics(paths.damaged.clone());
    let Opening { store, anew } = open::store(&paths, (places, &config.sinks), reach, clock)?;
    let board = life.board.clone();
    board.metrics.set_backlog(store.backlog());
    board.update(|status| {
        status.sinks = config.sinks.iter().map(|sink| (sink.name.clone(), SinkStatus::default())).collect();
        status.unsigned_allowed = config.modules.trust.policy == Policy::AllowUnsigned;
    });
    let reading = AtomicUsize::new(places.len());
    Ok((Arc::new(Process { clock, paths, store, board, bells: Bells::default(), observe, reading }), anew))
}

/// One organization's rules remember what they have to. When all do, the store has been read: whatever a process dies of from then on, the
/// store is not to blame unless it says so.
fn has_read(process: &Process) -> Result<()> {
    if process.reading.fetch_sub(1, Ordering::AcqRel) > 1 {
        return Ok(());
    }
    Starts::is_well(&process.paths.starts);
    forgotten::look(process)
}

/// One organization's part of the store, and what is made of it.
fn ready(process: &Arc<Process>, wants: Wants, until: Until) -> Result<Ready> {
    let Wants { config, lists, wanted, started, decided, exceptions } = wants;
    let span_s = longest_span_s(&started);
    let Started { loader, modules, successors, lineup } = started;
    let (org, store) = (config.org.clone(), process.store.org(&config.org)?);
    let module = |m: &Module| ModuleStatus::of(&m.manifest, &m.digest);
    let checked = store.drift()?;
    let metrics = &process.board.metrics;
    let (polled, detected) = (metrics.poll(&org), metrics.detect(&org));
    let (process_of_it, detect) = (process.clone(), Bell::default());
    let wanting = Bell::default();
    let pulse = Pulse::of(store.rhythms()?);
    // What is judged already isn't counted again.
    let from = store.poll_state()?.map(|_| process.clock.now().seconds());
    let actions = Noted::begin(process.paths.of_org(&org).actions, from);
    let shared = Shared {
        process: process_of_it,
        org,
        config,
        store,
        detect,
        wanting,
        polled,
        detected,
        exceptions,
        lists,
        pulse,
        actions,
        swaps: Swaps::default(),
    };
    if let Some(decided) = &decided {
        tell_modules(&shared, decided, &lineup)?;
    }
    // What serves is written down before it does.
    lineup.write(&Lineup::path(&shared.paths().dir))?;
    for module in successors {
        drop(shared.swaps.ask(Turn::Serve { module: Box::new(module), on_probation: true }));
    }
    shared.update(|status| {
        status.modules = modules.iter().map(module).collect();
        status.catalogue = Catalogue { checked, ..Catalogue::default() };
    });
    (process.observe)(&Happening::Modules(&shared.status().modules));
    let shared = Arc::new(shared);
    let poller = poller(&shared, span_s, until)?;
    let swapper = Arc::new(Swapper::new(shared.clone(), wanted.clone(), (loader, lineup)));
    let asker = shared.config.asking.as_ref().map(Asker::new).transpose()?;
    Ok(Ready { shared, poller, wanted, modules, swapper, asker })
}

/// Notes in the audit trail what the modules folder brought while gridwatch didn't run.
fn tell_modules(shared: &Shared, before: &Lineup, now: &Lineup) -> Result<()> {
    for (name, placed) in &now.modules {
        let old = before.modules.get(name).map(|old| &old.serving).filter(|old| !old.digest.is_empty());
        if old == Some(&placed.serving) || placed.disabled {
            continue;
        }
        let who = trail::owner(&shared.config.modules.dir, Via::Start);
        let deed = Deed::new(shared.now(), What::ModuleInstall, &who, name);
        let deed = deed.with("version", &placed.serving.version).with("digest", &placed.serving.digest);
        let deed = deed.maybe("version_before", old.map(|old| &old.version));
        shared.record(deed.maybe("digest_before", old.map(|old| &old.digest)))?;
    }
    Ok(())
}

fn poller(shared: &Arc<Shared>, span_s: u64, until: Until) -> Result<Poller> {
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
            let start = checkpoint.watermark.minus(span_s.clamp(REBUILD_MIN_S, REBUILD_MAX_S));
            tracing::warn!(from = %start, "no poll state; starting from before the checkpoint");
            PollConfig::new(PollSettings { start, backfill: None, ..config.settings().clone() })?
        }
    };
    Ok(Poller::new(Machine::start(config), LateHistogram::default(), client, shared.clone(), goal))
}

/// The modules in service, with what they and the answers remember.
/// A detector with all that was saved for it.
fn detector(shared: &Shared, wanted: &Wanted, modules: Vec<Module>) -> Result<(Detector, Known)> {
    shared.heard("detect", "reading what the rules remember", READING);
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

fn targets(process: &Process, orgs: &[Arc<Shared>]) -> Result<Vec<(String, ForSink)>> {
    // What concerns sinks is the same for all.
    let config = &orgs.first().context("there is no organization")?.config;
    let names: Vec<String> = config.sinks.iter().map(|sink| sink.name.clone()).collect();
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
        targets.push((sink.name.clone(), target));
    }
    Ok(targets)
}

fn form(sink: &config::Sink) -> Form {
    Form { view: sink.view, raw_data: sink.raw_data, max_line: sink.max_line }
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

/// Once all is to end: has whatever waits left where it is, after a while.
async fn leave_in_time(mut ended: Receiver<bool>, process: Arc<Process>, orgs: Vec<Arc<Shared>>) {
    if ended.wait_for(|ended| *ended).await.is_ok() {
        tokio::time::sleep(DRAIN).await;
        process.bells.leave();
        for org in orgs {
            org.detect.ring();
            org.wanting.ring();
        }
    }
}

/// Waits for a stage, but when all is to be left not for long: what it has begun was saved or wasn't.
async fn join(thread: JoinHandle<Result<()>>, process: &Process, behind: &mut u32) -> Result<()> {
    const LOOK: Duration = Duration::from_millis(10);
    let mut grace = GRACE;
    while !thread.is_finished() {
        if process.bells.is_leaving() {
            if grace.is_zero() {
                let stage = thread.thread().name().unwrap_or_default();
                tracing::warn!(stage, "it doesn't come to an end; gridwatch ends without it");
                *behind += 1;
                return Ok(());
            }
            grace = grace.saturating_sub(LOOK);
        }
        tokio::time::sleep(LOOK).await;
    }
    thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a stage panicked")))
}

/// Waits for delivery to finish, and with a sink that refuses only so long.
async fn drain(
    process: &Arc<Process>,
    threads: Vec<JoinHandle<Result<()>>>,
    hurry: &Arc<AtomicBool>,
    mut behind: u32,
) -> Result<()> {
    let (late, hurry) = (process.clone(), hurry.clone());
    let patience = tokio::spawn(async move {
        tokio::time::sleep(PATIENCE).await;
        hurry.store(true, Ordering::Release);
        late.bells.hurry.ring();
    });
    let mut result = Ok(());
    for thread in threads {
        result = result.and(join(thread, process, &mut behind).await);
    }
    patience.abort();
    // A store that couldn't be written to has been told of; what it holds is still to be delivered.
    let left = match &result {
        Ok(()) if behind == 0 => {
            let left = process.store.trim()?;
            process.store.close()?;
            left
        }
        _ => process.store.next_record().saturating_sub(process.store.first_record()),
    };
    if left > 0 {
        tracing::warn!(records = left, "not delivered yet; they stay in the store for the next start");
    }
    result
}
