//! Sinks of type "elasticsearch": documents over the bulk API of Elasticsearch and OpenSearch.
//!
//! Each document has the record's id as `_id` and is made with `create`, so one that comes again is answered with 409 and isn't there
//! twice. A data stream knows only its newest index by that: what is sent again after a rollover may be in two of them, with the
//! same id. A plain index has no such limit.

mod bulk;
mod send;
mod setup;

use super::web::{self, Auth, Connection, Request, Usual, Web};
use super::{Kind, Pace, Problem, Setup, Sink, Type};
use crate::clock::Clock;
use crate::reader::{Edge, MIB, Section};
use crate::secret;
use anyhow::Result;
use gridwatch_views::View;
use serde_json::Value;
use std::sync::Arc;

pub const TYPE: Type = Type {
    name: "elasticsearch",
    keys: &[
        web::KEYS,
        web::BATCH_KEYS,
        Auth::KEYS,
        &["api_key_file", "api_key_env", "events_index", "alerts_index", "data_streams"],
    ],
    configure,
    views: &[View::Ecs, View::Ocsf, View::Ocsf1_1],
    ..Type::USUAL
};

#[derive(Clone, Debug)]
struct ToElasticsearch {
    web: Web,
    pace: Pace,
    targets: Targets,
}

/// Where documents go.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Targets {
    events: Target,
    alerts: Target,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    name: String,
    is_data_stream: bool,
}

impl Targets {
    fn of(&self, kind: Kind) -> &Target {
        match kind {
            Kind::Event | Kind::Heartbeat | Kind::Audit => &self.events,
            Kind::Alert => &self.alerts,
        }
    }
}

fn configure(section: &mut Section<'_>, edge: &Edge<'_>) -> Option<Arc<dyn Setup>> {
    let web = Web::read(section, edge, Usual::PACKED, auth);
    let timeout = web.as_ref().map(Web::attempt_timeout).unwrap_or_default();
    // Amazon's smallest machines take 10 MiB.
    let pace = web::pace(section, (1_000, 5 * MIB), web::MOST_BYTES, timeout);
    let words = [("events", Kind::Event), ("alerts", Kind::Alert)];
    let streams = section.choices("data_streams", &words).unwrap_or_else(|| vec![Kind::Event]);
    let mut target = |key, usual: &str, kind| {
        let name = section.text(key).unwrap_or_else(|| usual.to_owned());
        if !is_index(&name) {
            let hint =
                "lower case, without spaces and \\ / * ? \" < > | , # :, not beginning with - _ + or .".to_owned();
            section.problem(key, format!("`{name}` is no name of an index"), hint);
        }
        Target { name, is_data_stream: streams.contains(&kind) }
    };
    let events = target("events_index", "logs-slack.audit-default", Kind::Event);
    let alerts = target("alerts_index", "gridwatch-alerts", Kind::Alert);
    if events.name == alerts.name {
        section.problem("alerts_index", "is the index of events too", "give alerts an index of their own".to_owned());
    }
    Some(Arc::new(ToElasticsearch { web: web?, pace, targets: Targets { events, alerts } }))
}

fn auth(section: &mut Section<'_>, edge: &Edge<'_>) -> Auth {
    let key = secret::optional(section, ("api_key_file", "api_key_env"), secret::Kind::Any, edge);
    let other = Auth::read(section, edge);
    match (key, other) {
        (Some(key), Auth::None) => Auth::Scheme("ApiKey", key),
        (Some(_), other) => {
            let hint = "keep one of `api_key_file`, `user` with `password_file`, `bearer_file` and `oauth`".to_owned();
            section.problem("", "says in more than one way who gridwatch is", hint);
            other
        }
        (None, other) => other,
    }
}

fn is_index(name: &str) -> bool {
    name.len() <= 255
        && !name.starts_with(['-', '_', '+', '.'])
        && name
            .chars()
            .all(|c| !c.is_uppercase() && !c.is_whitespace() && !c.is_control() && !"\\/*?\"<>|,#:".contains(c))
}

impl Setup for ToElasticsearch {
    fn place(&self) -> String {
        self.web.place()
    }

    fn pace(&self) -> Pace {
        self.pace
    }

    fn open(&self, _: Option<&Value>, clock: Clock) -> Result<Box<dyn Sink>> {
        Ok(Box::new(send::ElasticsearchSink::open(self, clock)?))
    }

    /// Who answers, and whether what is written to is there; a data stream comes with its first document.
    fn check(&self, clock: Clock) -> Result<String, Problem> {
        let mut connection = connection(&self.web, clock)?;
        let product = setup::product(&mut connection)?;
        let mut told = vec![format!("{product} answers")];
        for target in [&self.targets.events, &self.targets.alerts] {
            let path = match target.is_data_stream {
                true => format!("/_data_stream/{}", target.name),
                false => format!("/{}", target.name),
            };
            let reply = setup::asked(connection.send(&Request::get(&path)))?;
            let text = match reply.status {
                200 => format!("`{}` is there", target.name),
                404 => format!("`{}` is not there yet (`gridwatch sink setup` makes what it needs)", target.name),
                // A key that may only create documents may not look.
                403 => format!("`{}` can't be looked at with these credentials, which is no fault", target.name),
                _ => return Err(Problem { what: format!("`{}`: {}", target.name, reply.said()), hint: None }),
            };
            told.push(text);
        }
        Ok(told.join("; "))
    }

    fn prepare(&self, clock: Clock) -> Option<Result<Vec<String>, Problem>> {
        Some(connection(&self.web, clock).and_then(|mut connection| setup::prepare(&mut connection, &self.targets)))
    }
}

fn connection(web: &Web, clock: Clock) -> Result<Connection, Problem> {
    Connection::open(web, clock).map_err(|error| Problem { what: format!("{error:#}"), hint: None })
}
