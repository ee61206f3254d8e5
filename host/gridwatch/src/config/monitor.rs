//! What gridwatch watches of itself and who hears of it: `[monitor]` and `[telemetry]`.

use crate::reader::{DAY_S, Edge, HOUR_S, Section};
use crate::secret::{self, Kind, Secret};
use reqwest::Url;
use std::net::{IpAddr, SocketAddr};

/// When something is wrong, and when that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitor {
    /// How long a trouble has to last before it is told, and how long it has to be over.
    pub patience_ms: u64,
    /// How long after its end it isn't told anew.
    pub again_ms: u64,
    /// The shortest silence of the log that is told, and how many entries have to be missed in it.
    pub silence_s: u64,
    pub missed: u64,
    /// How often a heartbeat goes to the sinks; `None`: never.
    pub heartbeat_ms: Option<u64>,
}

/// What can be asked from outside, and who is told that gridwatch is well.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    /// Where metrics and probes are served, in plain HTTP.
    pub listen: Option<SocketAddr>,
    pub ping: Option<Ping>,
}

/// A service that alarms when it hears nothing. Whoever has the address can keep it quiet.
#[derive(Clone, Debug)]
pub struct Ping {
    pub url: Secret,
    pub every_ms: u64,
}

pub(super) fn monitor(mut section: Section<'_>) -> Monitor {
    let monitor = Monitor {
        // Slack's and most networks' hiccups are shorter.
        patience_ms: section.span("patience", 1..=HOUR_S, 300) * 1_000,
        again_ms: section.span("again", 1..=7 * DAY_S, HOUR_S) * 1_000,
        silence_s: section.span("silence", 60..=7 * DAY_S, 1_800),
        // Missed by chance once in 160,000 times.
        missed: section.number("missed", 3..=100_000, 12),
        heartbeat_ms: Some(section.span("heartbeat", 0..=DAY_S, 300) * 1_000).filter(|every| *every > 0),
    };
    section.finish();
    monitor
}

pub(super) fn telemetry(mut section: Section<'_>, edge: &Edge<'_>) -> Telemetry {
    let listen = section.text("listen");
    let address = listen.as_deref().map(str::parse::<SocketAddr>);
    if let Some(Err(_)) = &address {
        let what = format!("`{}` is not an address with a port", listen.unwrap_or_default());
        section.problem("listen", what, "as in \"127.0.0.1:9464\", or \"0.0.0.0:9464\" in a container".to_owned());
    }
    let url = secret::optional(&mut section, ("ping_url_file", "ping_url_env"), Kind::Any, edge);
    if let Some(what) = url.as_ref().filter(|url| !url.expose().is_empty()).and_then(|url| bad_url(url.expose())) {
        let key = if section.has("ping_url_file") { "ping_url_file" } else { "ping_url_env" };
        section.problem(key, what, "the https address that the service gave you".to_owned());
    }
    let every_ms = section.span("ping_every", 1..=DAY_S, 60) * 1_000;
    section.finish();
    Telemetry { listen: address.and_then(Result::ok), ping: url.map(|url| Ping { url, every_ms }) }
}

/// Never shown: whoever has it can keep the service quiet. Plain http is for this machine.
fn bad_url(text: &str) -> Option<&'static str> {
    let Some((url, host)) = Url::parse(text).ok().and_then(|url| Some((url.clone(), url.host_str()?.to_owned())))
    else {
        return Some("holds no valid address");
    };
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_loopback = host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback());
    match url.scheme() {
        "https" => None,
        "http" if is_loopback => None,
        _ => Some("holds an address that is not https"),
    }
}
