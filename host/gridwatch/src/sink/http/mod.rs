//! Sinks of type "http": records in the body of a POST, for Vector's `http_server`, Fluent Bit's `http`, cloud SIEMs and webhooks.

mod send;

use super::web::{self, Auth, Codes, Connection, Request, Usual, Web};
use super::{Pace, Problem, Setup, Sink, Type};
use crate::clock::Clock;
use crate::reader::{Edge, MIB, Section};
use anyhow::Result;
use serde_json::Value;
use std::sync::Arc;

pub const TYPE: Type = Type {
    name: "http",
    keys: &[web::KEYS, web::BATCH_KEYS, Auth::KEYS, Codes::KEYS, &["format"]],
    configure,
    ..Type::USUAL
};

#[derive(Clone, Debug)]
struct ToHttp {
    web: Web,
    pace: Pace,
    format: Format,
    codes: Codes,
}

/// What a body is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// A record a line, each with a line feed.
    Ndjson,
    /// All records as one list.
    Array,
    /// One record by itself.
    Json,
}

fn configure(section: &mut Section<'_>, edge: &Edge<'_>) -> Option<Arc<dyn Setup>> {
    let web = Web::read(section, edge, Usual::PACKED, Auth::read);
    let codes = Codes::read(section);
    let words = [("ndjson", Format::Ndjson), ("array", Format::Array), ("json", Format::Json)];
    let format = section.choice("format", &words, Format::Ndjson);
    // What cloud SIEMs take at once: a thousand records, a megabyte.
    let mut pace =
        web::pace(section, (1_000, MIB), web::MOST_BYTES, web.as_ref().map(Web::attempt_timeout).unwrap_or_default());
    if format == Format::Json {
        if section.has("batch_records") && pace.batch.records != 1 {
            section.problem("batch_records", "is more than 1, and `format = \"json\"` is one record a request", None);
        }
        (pace.batch.records, pace.batch.age) = (1, std::time::Duration::ZERO);
    }
    Some(Arc::new(ToHttp { web: web?, pace, format, codes }))
}

impl Setup for ToHttp {
    fn place(&self) -> String {
        self.web.place()
    }

    fn pace(&self) -> Pace {
        self.pace
    }

    fn open(&self, _: Option<&Value>, clock: Clock) -> Result<Box<dyn Sink>> {
        Ok(Box::new(send::HttpSink::open(self, clock)?))
    }

    /// A request without a record: whoever takes records takes none, too, or says what it wants. Credentials are told apart by that.
    fn check(&self, clock: Clock) -> Result<String, Problem> {
        let mut connection =
            Connection::open(&self.web, clock).map_err(|error| Problem { what: format!("{error:#}"), hint: None })?;
        let empty = if self.format == Format::Ndjson { "" } else { "[]" };
        let answer = connection.send(&Request::post(self.format.content_type(), empty.into()));
        let status = answer.as_ref().map_or(0, |reply| reply.status);
        match self.codes.verdict(answer) {
            web::Verdict::Taken | web::Verdict::Sent | web::Verdict::Each(..) => {
                Ok(format!("the receiver answers, and takes an empty request (HTTP {status})"))
            }
            // It doesn't like that there is nothing in it, and that is what was to be seen.
            web::Verdict::Refused(_) | web::Verdict::TooLarge(_) => {
                Ok(format!("the receiver answers; it wants records in a request (HTTP {status})"))
            }
            web::Verdict::Later(_, why) | web::Verdict::Stop(why) => Err(why),
        }
    }
}

impl Format {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Array | Self::Json => "application/json",
        }
    }
}
