//! Sinks of type "splunk_hec": events over Splunk's HTTP Event Collector.
//!
//! Splunk has no key by which it would know an event again, so each one carries the record's id in the indexed field `uid`. With
//! indexer acknowledgement a record counts as delivered when an indexer has it; without, when the collector has taken it.

mod ack;
mod answer;
mod send;

use super::web::{self, Auth, Connection, Request, Usual, Web};
use super::{Kind, Pace, Problem, Setup, Sink, Type};
use crate::clock::Clock;
use crate::reader::{Edge, MIB, Section};
use crate::secret;
use anyhow::Result;
use gridwatch_views::View;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

pub const TYPE: Type = Type {
    name: "splunk_hec",
    keys: &[
        web::KEYS,
        web::BATCH_KEYS,
        &[
            "token_file",
            "token_env",
            "index",
            "source",
            "host",
            "events_sourcetype",
            "alerts_sourcetype",
            "ack",
            "ack_within",
        ],
    ],
    configure,
    views: &[View::Ocsf, View::Ocsf1_1, View::Ecs, View::Raw],
    ..Type::USUAL
};

#[derive(Clone, Debug)]
struct ToSplunk {
    web: Web,
    pace: Pace,
    /// What stands beside each event.
    labels: Labels,
    ack: Ack,
    /// After so long without one, it is taken for lost.
    ack_within: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Labels {
    index: Option<String>,
    source: String,
    host: Option<String>,
    events_sourcetype: String,
    alerts_sourcetype: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ack {
    /// If the first answer shows that the token has it.
    Auto,
    On,
    Off,
}

fn configure(section: &mut Section<'_>, edge: &Edge<'_>) -> Option<Arc<dyn Setup>> {
    let web = Web::read(section, edge, Usual::PACKED, |section, edge| {
        let token = secret::required(section, ("token_file", "token_env"), secret::Kind::Any, edge);
        token.map_or(Auth::None, |token| Auth::Scheme("Splunk", token))
    });
    let ack_within = Duration::from_secs(section.span("ack_within", 10..=3_600, 300));
    let words = [("auto", Ack::Auto), ("on", Ack::On), ("off", Ack::Off)];
    let ack = section.choice("ack", &words, Ack::Auto);
    // Front ends of Splunk Cloud take a megabyte.
    // And then it asks for acknowledgements.
    let timeout = web.as_ref().map(|web| web.attempt_timeout() + web.timeout).unwrap_or_default();
    let pace = web::pace(section, (4_000, 4 * MIB), web::MOST_BYTES, timeout);
    let mut label = |key, usual: &str| section.text(key).unwrap_or_else(|| usual.to_owned());
    let source = label("source", "gridwatch");
    let events_sourcetype = label("events_sourcetype", "gridwatch:event");
    let alerts_sourcetype = label("alerts_sourcetype", "gridwatch:alert");
    let (index, host) = (section.text("index"), section.text("host"));
    let labels = Labels { index, source, host, events_sourcetype, alerts_sourcetype };
    Some(Arc::new(ToSplunk { web: web?, pace, labels, ack, ack_within }))
}

impl Labels {
    fn sourcetype(&self, kind: Kind) -> &str {
        match kind {
            Kind::Event | Kind::Heartbeat | Kind::Audit => &self.events_sourcetype,
            Kind::Alert => &self.alerts_sourcetype,
        }
    }
}

impl Setup for ToSplunk {
    fn place(&self) -> String {
        self.web.place()
    }

    fn pace(&self) -> Pace {
        self.pace
    }

    fn open(&self, _: Option<&Value>, clock: Clock) -> Result<Box<dyn Sink>> {
        Ok(Box::new(send::SplunkSink::open(self, clock)?))
    }

    fn check(&self, clock: Clock) -> Result<String, Problem> {
        let mut connection =
            Connection::open(&self.web, clock).map_err(|error| Problem { what: format!("{error:#}"), hint: None })?;
        answer::health(connection.send(&Request::get("/services/collector/health/1.0")))
    }
}
