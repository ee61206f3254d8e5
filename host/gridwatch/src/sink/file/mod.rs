//! Sinks of type "file": records as lines of a file that any agent may tail.

mod check;
mod send;

pub use send::{FileSink, Rotation};

use super::batch::Limits;
use super::retry::Backoff;
use super::{Pace, Problem, Setup, Sink, Type};
use crate::clock::Clock;
use crate::reader::{DAY_S, Edge, GIB, KIB, MIB, Section};
use anyhow::Result;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub const TYPE: Type = Type {
    name: "file",
    keys: &[&["path", "rotate_bytes", "keep", "keep_for", "keep_bytes"]],
    configure,
    ..Type::USUAL
};

/// How fast a file is written to. The history of alerts is one, too.
pub const PACE: Pace = Pace {
    batch: Limits { records: 1_000, bytes: 8 << 20, age: Duration::ZERO },
    // A disk that is full may have room in a moment, and nobody else waits for it.
    retry: Backoff { first: Duration::from_millis(400), most: Duration::from_secs(15) },
    // Nothing can break off a write; a disk that takes longer is stuck.
    timeout: Duration::from_secs(60),
};

#[derive(Clone, Debug)]
struct ToFile {
    /// Absolute; its folder exists.
    path: PathBuf,
    rotation: Rotation,
}

fn configure(section: &mut Section<'_>, edge: &Edge<'_>) -> Option<Arc<dyn Setup>> {
    let path = section.required_text("path", "as in \"/var/log/gridwatch/events.ndjson\"");
    // A file that agents and people can still handle; at the other end, rotating every few records helps nobody.
    let rotate_bytes = section.bytes("rotate_bytes", 64 * KIB..=64 * GIB, 100 * MIB);
    // Ten: about a gigabyte, days of slack for an agent that was down.
    let keep = section.number("keep", 0..=100_000, 10) as u32;
    // An agent that broke on a Friday evening is seen to on Monday, or in the week after.
    let keep_s = section.span("keep_for", 0..=400 * DAY_S, 7 * DAY_S);
    // About five million events.
    let keep_bytes = section.bytes("keep_bytes", 64 * KIB..=1024 * 1024 * GIB, 10 * GIB);
    let path = edge.folder.join(path?);
    if path.is_dir() || path.file_name().is_none() {
        section.problem("path", format!("{} is a folder", path.display()), "add a file name".to_owned());
    }
    edge.needs_parent(section, "path", &path);
    Some(Arc::new(ToFile { path, rotation: Rotation { rotate_bytes, keep, keep_s, keep_bytes } }))
}

impl Setup for ToFile {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn pace(&self) -> Pace {
        PACE
    }

    fn open(&self, resume: Option<&Value>, clock: Clock) -> Result<Box<dyn Sink>> {
        Ok(Box::new(FileSink::open(&self.path, self.rotation, resume, clock)?))
    }

    fn check(&self, _: Clock) -> Result<String, Problem> {
        check::check(&self.path).map_err(|error| Problem::of(&error, error.hint()))
    }

    fn file(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn keeps_bytes(&self) -> Option<u64> {
        (self.rotation.keep > 0).then_some(self.rotation.keep_bytes)
    }
}
