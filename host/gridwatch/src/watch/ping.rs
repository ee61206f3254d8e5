//! The dead-man ping: tells a service outside at an interval that all is well. When it hears nothing, that service alarms, by a way that
//! depends on nothing here. What is wrong is told to it at once.
//!
//! The shape is that of Healthchecks: `GET url`, and `POST url/fail` with the reason.

use super::{Looking, Reason, Watch};
use crate::config::monitor::Ping;
use crate::context::Process;
use crate::http::{self, Http};
use crate::telemetry::health;
use crate::telemetry::status::{Phase, PingStatus, Status};
use anyhow::Result;
use gridwatch_event::text::clean;
use gridwatch_event::time::UnixMillis;
use std::sync::Arc;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);
/// How soon it is told that something is wrong.
const LOOK_MS: u64 = 5_000;
const MAX_BODY: usize = 4 << 10;
const MAX_REASON: usize = 1_000;

pub struct PingWatch {
    process: Arc<Process>,
    ping: Option<(Ping, Http)>,
    /// When the service was told last, and whether all was well.
    told: Option<(UnixMillis, bool)>,
}

impl PingWatch {
    /// # Errors
    /// No HTTP client can be made.
    pub fn new(process: Arc<Process>, ping: Option<Ping>, network: &crate::config::Network) -> Result<Self> {
        let ping = ping.map(|ping| Ok::<_, anyhow::Error>((ping, Http::new(network, TIMEOUT)?))).transpose()?;
        Ok(Self { process, ping, told: None })
    }
}

impl Watch for PingWatch {
    fn name(&self) -> &'static str {
        "the dead-man ping"
    }

    fn due(&self, _: UnixMillis) -> Result<Option<Duration>> {
        Ok(self.ping.as_ref().map(|(ping, _)| Duration::from_millis(LOOK_MS.min(ping.every_ms))))
    }

    fn look(&mut self, now: UnixMillis, _: Reason) -> Looking<'_> {
        Box::pin(async move {
            let status = self.process.board.now();
            let Some((ping, http)) = &self.ping else { return Ok(()) };
            if status.phase != Phase::Running {
                return Ok(());
            }
            let wrong = wrong(&status, now);
            let is_news = self.told.is_none_or(|(_, was_well)| was_well != wrong.is_none());
            let is_due = self.told.is_none_or(|(at, _)| now.since(at) >= ping.every_ms || at > now);
            if !is_news && !is_due {
                return Ok(());
            }
            self.told = Some((now, wrong.is_none()));
            let told = tell(ping, http, wrong.as_deref()).await;
            if let Err(error) = &told {
                tracing::warn!(error, "the dead-man service could not be told");
            }
            self.process.board.update(|status| {
                let last = status.ping.as_ref().and_then(|ping| ping.last);
                let last = if told.is_ok() { Some(now) } else { last };
                status.ping = Some(PingStatus { last, error: told.err() });
            });
            Ok(())
        })
    }
}

/// What of the troubles is grave, or which stage hangs.
fn wrong(status: &Status, now: UnixMillis) -> Option<String> {
    let titles = status.troubles.iter().filter(|trouble| trouble.is_grave).map(|trouble| trouble.title.clone());
    let all: Vec<String> = health::stuck(status, now).into_iter().chain(titles).collect();
    (!all.is_empty()).then(|| clean(&all.join("; "), MAX_REASON))
}

/// The error never names the address: whoever has it can keep the service quiet.
pub async fn tell(ping: &Ping, http: &Http, wrong: Option<&str>) -> Result<(), String> {
    let url = ping.url.expose().trim_end_matches('/');
    let request = match wrong {
        None => http.get(url),
        Some(why) => http.post(format!("{url}/fail")).body(why.to_owned()),
    };
    let answer = request.send().await.map_err(|error| error.without_url().to_string())?;
    let status = answer.status();
    let body = http::body(answer, MAX_BODY).await.unwrap_or_default();
    let body = String::from_utf8_lossy(&body).to_ascii_lowercase();
    if !status.is_success() {
        return Err(format!("the service answers {status}: check the address"));
    }
    // Older Healthchecks say so in a 200.
    match ["not found", "rate limited"].into_iter().find(|word| body.contains(word)) {
        Some(word) => Err(format!("the service answers `{word}`: check the address and `telemetry.ping_every`")),
        None => Ok(()),
    }
}
