//! `gridwatch watch`: reads the heartbeats of another gridwatch, and tells when they stop, don't follow each other, or report trouble. Best on
//! another machine, with sinks of its own and a dead-man service that watches the watcher.
//!
//! What it has told, and what its sinks haven't taken yet, is in one small file, written before anything is sent.

mod outgoing;
mod source;

use crate::app::signals;
use crate::clock::Clock;
use crate::config::watching::Watching;
use crate::folder;
use crate::http::Http;
use crate::telemetry::log;
use crate::watch::ping;
use anyhow::{Context, Result};
use clap::Args;
use gridwatch_event::org::OrgId;
use gridwatch_event::time::UnixMillis;
use gridwatch_manifest::Severity;
use gridwatch_rules::monitor::heartbeat::{Broken, Chain};
use gridwatch_rules::monitor::{Heartbeat, Sign, Troubles};
use outgoing::Outgoing;
use serde::{Deserialize, Serialize};
use source::{Heard, Reader};
use std::path::{Path, PathBuf};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);
/// How often it looks whether something is overdue, beside reading heartbeats.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub struct Options {
    /// The watcher's own configuration: `state_dir`, `[watch]` with `url` or `file`, `[[sink]]`, `[telemetry]`.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Look once, deliver what there is to tell, and exit with 1 if something is wrong: for a timer or a probe.
    #[arg(long)]
    once: bool,
}

/// What outlasts a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct State {
    troubles: Troubles,
    chain: Chain,
    /// The last heartbeat, when it came here, and when the next one is due.
    last: Option<Last>,
    /// Where a file was read up to.
    place: source::Place,
    outgoing: outgoing::Waiting,
    /// The last heartbeat that can't be right, and when it came.
    broken: Option<(UnixMillis, String)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Last {
    came: UnixMillis,
    /// `None`: it was the last one before an end.
    due: Option<UnixMillis>,
    number: u64,
    lag_s: u64,
    troubles: Vec<String>,
}

/// # Errors
/// The configuration is wrong, the state can't be written, or a sink can't be opened.
pub fn run(options: &Options, log: Option<&str>, clock: Clock) -> Result<u8> {
    signals::runtime()?.block_on(async {
        let (mut stop, _) = signals::listen()?;
        let config = Watching::load(&options.config)?;
        log::start_as(config.log.format, log.unwrap_or(config.log.level.as_str()))?;
        folder::make(&config.state_dir, folder::SHOWN)
            .with_context(|| format!("can't make the state folder {}", config.state_dir.display()))?;
        let lock = crate::disk::lock(&config.state_dir.join("watch.lock"))?;
        anyhow::ensure!(lock.is_some(), "another `gridwatch watch` runs on {}", config.state_dir.display());
        let mut watcher = Watcher::open(&config, clock)?;
        tracing::info!(version = env!("CARGO_PKG_VERSION"), source = %config.source, "gridwatch watch starts");
        loop {
            let wrong = watcher.look().await?;
            if options.once {
                return Ok(u8::from(wrong));
            }
            let told = tokio::time::timeout(LOOK, stop.wait_for(Option::is_some)).await;
            if told.is_ok() {
                return Ok(0);
            }
        }
    })
}

struct Watcher<'c> {
    config: &'c Watching,
    clock: Clock,
    http: Http,
    reader: Reader,
    outgoing: Outgoing<'c>,
    state: State,
    file: PathBuf,
    started: UnixMillis,
    read: Option<UnixMillis>,
    /// Since when nothing can be read, and why.
    unread: Option<(UnixMillis, String)>,
    /// What the other one says of itself, where it can be asked.
    says: Vec<String>,
    pinged: Option<(UnixMillis, bool)>,
}

impl<'c> Watcher<'c> {
    fn open(config: &'c Watching, clock: Clock) -> Result<Self> {
        let file = config.state_dir.join("watch.json");
        let state = saved(&file)?;
        let http = Http::new(&config.network, TIMEOUT)?;
        Ok(Self {
            config,
            clock,
            reader: Reader::new(&config.source, http.clone()),
            http,
            outgoing: Outgoing::open(&config.sinks, &state.outgoing, clock)?,
            state,
            file,
            started: clock.now(),
            read: None,
            unread: None,
            says: Vec::new(),
            pinged: None,
        })
    }

    /// Reads what there is, says what is wrong, and delivers it. Is something wrong?
    async fn look(&mut self) -> Result<bool> {
        let (now, before) = (self.clock.now(), self.state.clone());
        if self.read.is_none_or(|read| now.since(read) >= self.config.every_ms || read > now) {
            self.read = Some(now);
            match self.reader.read(&mut self.state.place).await {
                Ok(heard) => {
                    self.unread = None;
                    self.hear(heard, now);
                }
                Err(error) => {
                    let since = self.unread.take().map_or(now, |(since, _)| since);
                    self.unread = Some((since, format!("{error:#}")));
                }
            }
        }
        let signs = self.signs(now);
        let wrong = !signs.is_empty();
        for alert in self.state.troubles.look(signs, &[], now) {
            let (rule, severity, uid, title) = (&alert.rule, alert.severity.name(), &alert.uid, &alert.title);
            tracing::warn!(rule, severity, uid, title, "alert");
            self.state.outgoing.add(alert, &self.config.sinks);
        }
        if self.state != before {
            save(&self.file, &self.state)?;
        }
        if self.outgoing.deliver(&mut self.state.outgoing, now) {
            save(&self.file, &self.state)?;
        }
        self.ping(now).await;
        Ok(wrong)
    }

    fn hear(&mut self, heard: Heard, now: UnixMillis) {
        self.says = heard.says;
        for beat in &heard.beats {
            if self.state.last.as_ref().is_some_and(|last| last.number == beat.number)
                && self.state.chain == beat.link()
            {
                continue;
            }
            let is_other = self.state.chain.name != beat.chain && self.state.chain.number > 0;
            match self.state.chain.follow(beat) {
                Ok(()) if is_other => {
                    self.state.broken =
                        Some((now, format!("another chain of heartbeats begins at number {}", beat.number)));
                }
                Ok(()) => {}
                // Whoever asks now and then doesn't get all.
                Err(Broken::Missing { .. }) if heard.is_sampled => {}
                Err(broken) => self.state.broken = Some((now, broken.to_string())),
            }
            if self.state.chain == beat.link() {
                self.state.last = Some(Last::of(beat, now));
            }
        }
    }

    fn signs(&self, now: UnixMillis) -> Vec<Sign> {
        let sign = |rule, about: &str, severity, title: String| Sign {
            rule,
            org: OrgId::default(),
            about: about.to_owned(),
            severity,
            title,
            labels: Vec::new(),
            patience_ms: 0,
            // A watcher that is started anew doesn't know yet what it will find.
            calm_ms: 2 * self.config.patience_ms,
            again_ms: self.config.again_ms,
        };
        let mut signs = Vec::new();
        let patience_ms = self.config.patience_ms;
        let missing = match (&self.unread, &self.state.last) {
            (Some((since, why)), _) if now.since(*since) >= patience_ms => {
                Some((Severity::Critical, format!("gridwatch can't be reached since {since}: {why}")))
            }
            (_, Some(Last { due: Some(due), came, .. })) if now.since(*due) >= patience_ms => {
                Some((Severity::Critical, format!("gridwatch has sent no heartbeat since {came}")))
            }
            (_, Some(Last { due: None, came, .. })) if now.since(*came) >= patience_ms => {
                Some((Severity::High, format!("gridwatch was stopped at {came}, and has not come back")))
            }
            (_, None) if now.since(self.started) >= patience_ms => {
                Some((Severity::Critical, "gridwatch has never sent a heartbeat to where the watcher looks".to_owned()))
            }
            _ => None,
        };
        if let Some((severity, title)) = missing {
            let last = self.state.last.as_ref().map(|last| last.came.to_string()).unwrap_or_default();
            let labels = vec![("last_heartbeat", last)];
            signs.push(Sign { labels, ..sign("heartbeat-missing", "", severity, title) });
        }
        // It stays for an hour: it can't be taken back.
        if let Some((at, why)) = self.state.broken.as_ref().filter(|(at, _)| now.since(*at) < self.config.again_ms) {
            let title = format!("Heartbeats don't follow each other: {why}");
            signs.push(sign("heartbeat-broken", &at.to_string(), Severity::High, title));
        }
        let rules = self.state.last.iter().flat_map(|last| &last.troubles);
        let mut troubles: Vec<String> = rules.chain(&self.says).cloned().collect();
        troubles.sort();
        troubles.dedup();
        if !troubles.is_empty() {
            let title = format!("gridwatch reports trouble: {}", troubles.join("; "));
            let sign = sign("host-in-trouble", "", Severity::Medium, title);
            let labels = vec![("troubles", troubles.join(", "))];
            signs.push(Sign { labels, patience_ms, ..sign });
        }
        signs
    }

    async fn ping(&mut self, now: UnixMillis) {
        let Some(ping) = &self.config.telemetry.ping else { return };
        let wrong = self.outgoing.failing();
        let is_news = self.pinged.is_none_or(|(_, was_well)| was_well != wrong.is_none());
        let is_due = self.pinged.is_none_or(|(at, _)| now.since(at) >= ping.every_ms || at > now);
        if is_news || is_due {
            self.pinged = Some((now, wrong.is_none()));
            if let Err(error) = ping::tell(ping, &self.http, wrong.as_deref()).await {
                tracing::warn!(error, "the dead-man service could not be told");
            }
        }
    }
}

impl Last {
    /// By this machine's clock: the other one's may be wrong.
    fn of(beat: &Heartbeat, now: UnixMillis) -> Self {
        Self {
            came: now,
            due: beat.next.map(|next| now.plus(next.since(beat.at))),
            number: beat.number,
            lag_s: beat.says.orgs.iter().map(|org| org.lag_s).max().unwrap_or_default(),
            troubles: beat.says.troubles.clone(),
        }
    }
}

fn saved(file: &Path) -> Result<State> {
    match std::fs::read(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(State::default()),
        Err(error) => Err(error).with_context(|| format!("can't read {}", file.display())),
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| {
            format!("{} is damaged\nhint: remove it; what still goes on is told again", file.display())
        }),
    }
}

fn save(file: &Path, state: &State) -> Result<()> {
    let bytes = serde_json::to_vec(state).context("the watcher's state")?;
    crate::disk::replace(file, &bytes).with_context(|| format!("can't write {}", file.display()))
}
