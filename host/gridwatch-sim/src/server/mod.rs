//! The simulator's HTTP server: start it on an organization, point a poller at it, ask it what was seen.
//!
//! ```no_run
//! # async fn demo() -> anyhow::Result<()> {
//! use gridwatch_sim::{Sim, SimConfig};
//! use gridwatch_stories::{OrgPlan, generate};
//! let sim = Sim::start(generate(&OrgPlan::default()), SimConfig::default(), "127.0.0.1:0".parse()?).await?;
//! println!("{}/audit/v1/logs", sim.base_url());
//! sim.stop().await;
//! # Ok(()) }
//! ```

mod bucket;
mod control;
mod cursor;
mod logs;
mod observe;
mod people;
mod query;
mod respond;
mod routes;
mod timeline;
mod tokens;
mod transport;
mod web;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::clock::SimClock;
use crate::faults::Fault;
use crate::knobs::Knobs;
use bucket::Bucket;
use gridwatch_stories::org::{Enterprise, Org, SimEntry, Story};
use logs::Page;
use observe::Observations;
pub use observe::{RequestSeen, Stats, Truth};
use people::People;
use timeline::Timeline;
use tokens::Tokens;
use web::Web;
pub use web::WebAct;

/// How long [`RunningSim::stop`] waits for answers in flight.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// How to run the simulator. The default is the real clock, any `xox…` token, faithful knobs and no faults.
#[derive(Debug, Clone, Default)]
pub struct SimConfig {
    pub clock: SimClock,
    /// The bearer token that `/logs` accepts. `None`: any that starts with `xox`.
    pub token: Option<String>,
    pub knobs: Knobs,
    pub faults: Vec<Fault>,
}

/// The way in: [`Sim::start`].
#[derive(Debug)]
pub struct Sim;

impl Sim {
    /// Serves `org` on `addr` (port 0 picks one) until the returned handle is stopped or dropped.
    ///
    /// # Errors
    /// The address can't be bound.
    pub async fn start(org: Org, config: SimConfig, addr: SocketAddr) -> anyhow::Result<RunningSim> {
        let listener = TcpListener::bind(addr).await.with_context(|| format!("binding the simulator to {addr}"))?;
        let addr = listener.local_addr().context("reading the simulator's own address")?;
        let shared = Arc::new(Shared::new(org, config));
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(routes::serve(listener, Arc::clone(&shared), stopped));
        tracing::info!(%addr, entries = shared.state().timeline.len(), "simulator listening");
        Ok(RunningSim { addr, shared, stop: Some(stop), server })
    }
}

/// A simulator that is listening. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct RunningSim {
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

impl RunningSim {
    /// What a poller's `slack.base_url` would be, without a final slash.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// All entries there are, those shown so far, and the labels.
    pub fn truth(&self) -> Truth {
        self.shared.state().truth()
    }

    /// What clients have asked and got so far.
    pub fn stats(&self) -> Stats {
        self.shared.state().observed.stats()
    }

    /// Adds entries to the log. Each shows once its `visible_at_ms` is reached.
    pub fn push(&self, entries: Vec<SimEntry>) {
        self.shared.state().add(entries);
    }

    /// Replaces the list of faults. Requests keep their numbers.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.shared.state().faults = faults;
    }

    /// Says whether somebody has a second factor from now on, which no entry tells.
    pub fn set_two_factor(&self, user: &str, on: bool) {
        self.shared.state().people.set_two_factor(user, on);
    }

    /// Replaces the list of faults of the methods about people (`users.info`, `admin.users.list`).
    pub fn set_people_faults(&self, faults: Vec<Fault>) {
        self.shared.state().people_faults = faults;
    }

    /// What was done through the Web API, in order.
    pub fn acts(&self) -> Vec<WebAct> {
        self.shared.state().web.acts()
    }

    /// Replaces the faults of the Web API; they go by the number of its calls.
    pub fn set_web_faults(&self, faults: Vec<Fault>) {
        self.shared.state().web.faults = faults;
    }

    /// Replaces the accepted token, as when an app is installed again.
    pub fn set_token(&self, token: Option<String>) {
        self.shared.state().tokens.replace(token, self.shared.clock.now_ms());
    }

    /// Stops listening, lets answers in flight finish for up to two seconds, and returns.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // The server may have ended by itself; then there is nobody to tell.
            let _ = stop.send(());
        }
        if tokio::time::timeout(STOP_WITHIN, &mut self.server).await.is_err() {
            tracing::warn!("simulator still had connections open when stopped");
        }
    }
}

impl Drop for RunningSim {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    clock: SimClock,
    enterprise: Enterprise,
    state: Mutex<State>,
}

/// Everything that changes. One lock: each request is answered against one consistent state.
#[derive(Debug)]
struct State {
    timeline: Timeline,
    stories: Vec<Story>,
    knobs: Knobs,
    faults: Vec<Fault>,
    bucket: Bucket,
    people: People,
    people_faults: Vec<Fault>,
    people_bucket: Bucket,
    tokens: Tokens,
    observed: Observations,
    /// The page last served in full; what [`crate::FaultKind::RepeatPage`] repeats.
    last_page: Option<Page>,
    web: Web,
    /// Pages asked for, for `Knobs::empty_page_every`.
    pages_asked: u64,
}

impl Shared {
    fn new(org: Org, config: SimConfig) -> Self {
        let now_ms = config.clock.now_ms();
        let knobs = config.knobs;
        let people = People::of(&org);
        let state = State {
            people,
            people_faults: Vec::new(),
            people_bucket: Bucket::new(&knobs, now_ms),
            timeline: Timeline::new(org.entries, &knobs),
            stories: org.stories,
            faults: config.faults,
            bucket: Bucket::new(&knobs, now_ms),
            tokens: Tokens::new(config.token, &knobs, now_ms),
            observed: Observations::default(),
            last_page: None,
            web: Web::new(org.users),
            pages_asked: 0,
            knobs,
        };
        Self { clock: config.clock, enterprise: org.enterprise, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is complete before anything in it could panic, so a poisoned state is still usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, entries: Vec<SimEntry>) {
        self.people.learn(&entries);
        self.timeline.add(entries, &self.knobs);
    }

    fn truth(&self) -> Truth {
        Truth { ids: self.timeline.ids(), shown: self.timeline.shown_ids(), stories: self.stories.clone() }
    }
}
