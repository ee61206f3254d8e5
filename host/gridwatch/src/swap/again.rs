//! What a version couldn't judge, judged again by the one that comes after it: events that it failed on, and those since it was set aside.
//!
//! The events before them, as far back as the module's longest window reaches, fill the windows. An alert that the history has already is
//! left as it is told there.

use crate::archive;
use crate::context::Shared;
use crate::history::History;
use crate::modules::Wanted;
use crate::record::Record;
use anyhow::Result;
use gridwatch_detect::{Detector, DetectorConfig, Module};
use gridwatch_event::event::Event;
use gridwatch_rules::alert::Alert;
use gridwatch_rules::builtin;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;

/// Events that are read for it at most, those that fill windows among them.
const MOST: usize = 2_000_000;
const BATCH: usize = 256;

/// What is to be judged again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unjudged {
    /// Since it was set aside.
    pub gap: Option<Range<u64>>,
    /// What it failed on.
    pub failed: BTreeSet<u64>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Again {
    pub events: u64,
    pub alerts: u64,
}

impl Unjudged {
    pub fn is_nothing(&self) -> bool {
        self.gap.is_none() && self.failed.is_empty()
    }

    fn has(&self, seq: u64) -> bool {
        self.failed.contains(&seq) || self.gap.as_ref().is_some_and(|gap| gap.contains(&seq))
    }

    fn first(&self) -> u64 {
        let gap = self.gap.as_ref().map_or(u64::MAX, |gap| gap.start);
        self.failed.first().copied().unwrap_or(u64::MAX).min(gap)
    }

    fn end(&self) -> u64 {
        let gap = self.gap.as_ref().map_or(0, |gap| gap.end);
        self.failed.last().map_or(0, |last| last + 1).max(gap)
    }
}

/// # Errors
/// The archive or the history can't be read, or the alerts can't be saved.
pub fn judge(shared: &Shared, wanted: &Wanted, module: Module, unjudged: &Unjudged) -> Result<Again> {
    let folder = shared.store.archive_folder();
    let Some(first) = archive::read_from(folder, unjudged.first())?.next().transpose()? else {
        return Ok(Again::default());
    };
    let (from, end) = (first.time().minus(module.manifest.longest_span_s()), unjudged.end());
    let exceptions = shared.exceptions.in_force();
    let setting = DetectorConfig { exceptions, saves_nothing: true, threads: 1, ..wanted.setting()? };
    let mut detector = Detector::new(setting, vec![module])?;
    let (mut again, mut found) = (Again::default(), BTreeMap::<String, Alert>::new());
    let mut batch: Vec<Event> = Vec::new();
    for record in archive::read(folder, Some(from), None)?.take(MOST) {
        // What is damaged is told by those whose business it is.
        let Ok(record) = record else { continue };
        if record.seq >= end {
            break;
        }
        let event = record.event();
        if !unjudged.has(event.seq) {
            batch.push(event);
            if batch.len() >= BATCH {
                detector.detect(&std::mem::take(&mut batch));
            }
            continue;
        }
        detector.detect(&std::mem::take(&mut batch));
        again.events += 1;
        let alerts = detector.detect(&[event]).concluded.alerts.into_iter();
        for alert in alerts.filter(|alert| alert.module.name != builtin::NAME) {
            found.entry(alert.uid.clone()).or_insert(alert);
        }
    }
    let known: HashSet<Box<str>> = match found.is_empty() {
        true => HashSet::new(),
        false => History::open(&shared.config.state_dir)?.rows().iter().map(|row| row.record().0).collect(),
    };
    let news = found.into_values().filter(|alert| alert.revision == 1 && !known.contains(&*alert.uid));
    let news: Vec<Record> = news.map(|alert| Record::Alert(Box::new(alert))).collect();
    again.alerts = news.len() as u64;
    shared.store.commit_alerts(&news)?;
    shared.process.bells.deliver.ring();
    Ok(again)
}
