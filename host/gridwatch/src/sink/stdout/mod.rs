//! Sinks of type "stdout": records as lines on standard output, for whatever gridwatch is piped into.

mod send;

use super::batch::Limits;
use super::retry::Backoff;
use super::{Pace, Problem, Setup, Sink, Type};
use crate::clock::Clock;
use crate::reader::{Edge, Section};
use anyhow::Result;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

pub const TYPE: Type = Type { name: "stdout", configure, ..Type::USUAL };

fn configure(_: &mut Section<'_>, _: &Edge<'_>) -> Option<Arc<dyn Setup>> {
    Some(Arc::new(Stdout))
}

#[derive(Clone, Copy, Debug)]
struct Stdout;

impl Setup for Stdout {
    fn place(&self) -> String {
        "standard output".to_owned()
    }

    fn pace(&self) -> Pace {
        Pace {
            batch: Limits { records: 1_000, bytes: 8 << 20, age: Duration::ZERO },
            retry: Backoff { first: Duration::from_millis(400), most: Duration::from_secs(15) },
            // A reader may take its time.
            timeout: Duration::from_secs(60),
        }
    }

    fn open(&self, _: Option<&Value>, _: Clock) -> Result<Box<dyn Sink>> {
        Ok(Box::new(send::StdoutSink::open()))
    }

    /// Whoever reads it isn't there yet.
    fn check(&self, _: Clock) -> Result<String, Problem> {
        Ok("standard output is always there; what reads it is not checked".to_owned())
    }
}
