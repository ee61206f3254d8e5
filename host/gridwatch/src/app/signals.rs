//! Signals: what may be said to a running gridwatch.

use crate::telemetry::log::Relevel;
use anyhow::Result;
use tokio::sync::watch;

/// What may be said to a running gridwatch.
#[derive(Clone, Debug)]
pub struct Orders {
    /// Turns into the reason when it is to end.
    pub stop: watch::Receiver<Option<&'static str>>,
    /// Counts how often a signal asked to read its configuration again.
    pub reload: watch::Receiver<u64>,
    /// Sets another log level.
    pub relevel: Relevel,
}

/// True once there is a reason to end.
pub fn is_stopping(mut signal: watch::Receiver<Option<&'static str>>) -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(signal.borrow().is_some());
    tokio::spawn(async move {
        let _ = signal.wait_for(Option::is_some).await;
        let _ = sender.send(true);
        sender.closed().await;
    });
    receiver
}

/// The runtime of everything that waits for the network.
///
/// # Errors
///
/// When the system gives no threads.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// The reason to end, once SIGTERM or SIGINT has come; and how often SIGHUP has.
///
/// # Errors
/// The system gives no handlers.
pub fn listen() -> Result<(watch::Receiver<Option<&'static str>>, watch::Receiver<u64>)> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let (stop, stopped) = watch::channel(None);
    let (reload, reloaded) = watch::channel(0);
    tokio::spawn(async move {
        loop {
            let name = tokio::select! {
                _ = term.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
                _ = hangup.recv() => {
                    tracing::info!("SIGHUP: reading again what can be read again");
                    reload.send_modify(|times| *times += 1);
                    continue;
                }
            };
            if stop.borrow().is_some() && name == "SIGINT" {
                tracing::warn!("SIGINT again: ending at once; what was not delivered yet stays in the store");
                std::process::exit(1);
            }
            tracing::info!("{name}: draining");
            stop.send_replace(Some(name));
        }
    });
    Ok((stopped, reloaded))
}
