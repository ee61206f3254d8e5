//! Sending: a bulk request for as many documents as the receiver takes at once.

use super::bulk::{self, FILTER, MAX_ANSWER};
use super::{Targets, ToElasticsearch};
use crate::clock::Clock;
use crate::sink::web::parts::Parts;
use crate::sink::web::{Connection, Request};
use crate::sink::{Answer, Delivery, Sink};
use anyhow::Result;
use std::time::Duration;

#[derive(Debug)]
pub struct ElasticsearchSink {
    connection: Connection,
    targets: Targets,
    parts: Parts,
    clock: Clock,
    /// Documents that the receiver put aside, over all of this process.
    failures: u64,
}

impl ElasticsearchSink {
    pub(super) fn open(to: &ToElasticsearch, clock: Clock) -> Result<Self> {
        let connection = Connection::open(&to.web, clock)?;
        Ok(Self { connection, targets: to.targets.clone(), parts: Parts::default(), clock, failures: 0 })
    }
}

impl Sink for ElasticsearchSink {
    fn send(&mut self, batch: &[Delivery], _: Duration) -> Answer {
        let Self { connection, targets, parts, clock, failures } = self;
        let (began, time) = (clock.now(), connection.timeout());
        let may_go_on = || Duration::from_millis(clock.now().since(began)) < time;
        parts.deliver(batch, may_go_on, |part| {
            let request = Request::post("application/x-ndjson", bulk::body(part, targets));
            let query = [FILTER];
            let request = Request { path: "/_bulk", query: &query, max_answer: MAX_ANSWER, ..request };
            let (verdict, put_aside) = bulk::verdict(connection.send(&request), part.len());
            if put_aside > 0 {
                *failures += put_aside;
                let hint = "they are stored, but not where you look: see the failure store of the data stream";
                tracing::warn!(
                    documents = put_aside,
                    since_start = *failures,
                    hint,
                    "documents went into the failure store"
                );
            }
            verdict
        })
    }
}
