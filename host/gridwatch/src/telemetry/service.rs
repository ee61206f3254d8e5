//! What systemd hears: that the start goes on, that gridwatch is ready, what it does, and, while every stage makes progress, that it lives.
//!
//! A thread of its own looks at the board; it says that all is well only if no stage is overdue, so a hung stage ends in a restart by
//! `WatchdogSec=`. Without systemd nothing happens.

use super::health;
use super::status::{Board, Phase, Status};
use crate::bell::Bell;
use crate::clock::Clock;
use sd_notify::NotifyState;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const LOOK: Duration = Duration::from_secs(1);
/// By how much a start or an end that goes on puts off systemd's time-out, in microseconds.
const EXTEND_US: u32 = 60_000_000;
/// Longest text that is shown as the unit's status.
const MAX_STATUS: usize = 200;

#[derive(Debug)]
pub struct Service {
    stop: Arc<(AtomicBool, Bell)>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// # Errors
    /// The system gives no thread.
    pub fn start(board: Arc<Board>, clock: Clock) -> std::io::Result<Self> {
        let stop = Arc::new((AtomicBool::new(false), Bell::default()));
        let stopped = stop.clone();
        let every = sd_notify::watchdog_enabled().map(|watchdog| (watchdog / 2).min(LOOK)).unwrap_or(LOOK);
        let watch = move || {
            let (mut said, mut was) = (String::new(), Phase::Starting);
            while !stopped.0.load(Ordering::Acquire) {
                let rung = stopped.1.count();
                let status = board.now();
                tell(&status, clock, &mut said, &mut was);
                stopped.1.wait(rung, every);
            }
            notify(&[NotifyState::Stopping]);
        };
        Ok(Self { stop, thread: Some(std::thread::Builder::new().name("service".into()).spawn(watch)?) })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.0.store(true, Ordering::Release);
        self.stop.1.ring();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn tell(status: &Status, clock: Clock, said: &mut String, was: &mut Phase) {
    let mut states = Vec::new();
    match (*was, status.phase) {
        (Phase::Starting, Phase::Running) => states.push(NotifyState::Ready),
        (before, Phase::Draining) if before != Phase::Draining => states.push(NotifyState::Stopping),
        (_, Phase::Starting | Phase::Draining) => states.push(NotifyState::ExtendTimeoutUsec(EXTEND_US)),
        _ => {}
    }
    *was = status.phase;
    let stuck = health::stuck(status, clock.now());
    if stuck.is_none() {
        states.push(NotifyState::Watchdog);
    }
    let text = match (stuck, status.phase) {
        (Some(why), _) => why,
        (None, Phase::Running) => running(status),
        (None, _) => status.doing.clone(),
    };
    let text: String = text.chars().filter(|c| !c.is_control()).take(MAX_STATUS).collect();
    if text != *said {
        *said = text;
        states.push(NotifyState::Status(said));
    }
    notify(&states);
}

fn running(status: &Status) -> String {
    let paused = status.orgs.values().find_map(|org| org.poll.paused.clone());
    match (paused, status.troubles.first()) {
        (Some(paused), _) => format!("polling is paused: {paused}"),
        (None, Some(trouble)) => trouble.title.clone(),
        (None, None) => "reading, judging and delivering".to_owned(),
    }
}

/// Whoever started it may not listen any more; that is no reason to do anything.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager doesn't listen");
    }
}
