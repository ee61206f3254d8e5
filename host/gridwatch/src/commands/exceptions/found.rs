//! Every finding by itself: what the modules say of events, with nothing folded into an alert and nothing suppressed.
//!
//! Modules never see exceptions, so one run answers what any of them would suppress.

use crate::modules::Wanted;
use anyhow::Result;
use gridwatch_detect::{Detector, DetectorConfig, Module};
use gridwatch_event::event::Event;
use gridwatch_event::network::Networks;
use gridwatch_manifest::{Manifest, Severity};
use gridwatch_rules::alert::Alert;
use gridwatch_rules::apps::Apps;
use gridwatch_rules::builtin;
use gridwatch_rules::echo::Echoes;
use gridwatch_rules::exception::{AppKnowledge, ExceptionMatch, Exceptions};
use gridwatch_rules::risk::{Risk, RiskThreshold};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

const BATCH: usize = 2_048;

/// A finding as the alert that it would open, and the event it was made on.
#[derive(Debug)]
pub struct Found {
    pub alert: Alert,
    pub event: Event,
    /// As they were known then.
    apps: Apps,
}

/// What was found, in order, and what it takes to ask exceptions about it.
#[derive(Debug)]
pub struct Findings {
    pub found: Vec<Found>,
    pub networks: Networks,
    /// Rules of gridwatch's own that fired. No exception is about them.
    pub own: BTreeSet<String>,
    risk: RiskThreshold,
}

impl Findings {
    /// Runs the modules over events. Keeps the findings that `keep` wants.
    ///
    /// # Errors
    /// A module fails to start, or `events` has an error.
    pub fn of(
        wanted: &Wanted,
        mut events: impl Iterator<Item = Result<Event>>,
        keep: impl Fn(&Alert) -> bool,
    ) -> Result<Self> {
        let modules = wanted.load()?.into_iter().map(unfolded).collect();
        let mut detector = Detector::new(
            DetectorConfig { is_apart: true, saves_nothing: true, echoes: Echoes::default(), ..wanted.setting()? },
            modules,
        )?;
        let mut findings =
            Self { found: Vec::new(), networks: wanted.networks.clone(), own: BTreeSet::new(), risk: wanted.risk };
        let (mut places, mut apps) = (HashMap::new(), Apps::default());
        loop {
            let events: Vec<Event> = events.by_ref().take(BATCH).collect::<Result<_>>()?;
            if events.is_empty() {
                return Ok(findings);
            }
            let concluded = detector.detect(&events).concluded;
            let known: HashMap<&str, Apps> = events
                .iter()
                .map(|event| {
                    apps.learn(event);
                    (event.id(), apps.named_by(event))
                })
                .collect();
            for alert in concluded.alerts.into_iter().filter(&keep) {
                let known = known.get(alert.basis.event.as_str());
                findings.take(alert, &events, known, &mut places);
            }
        }
    }

    fn take(&mut self, alert: Alert, events: &[Event], apps: Option<&Apps>, places: &mut HashMap<String, usize>) {
        if alert.module.name == builtin::NAME {
            self.own.insert(alert.rule);
        } else if let Some(place) = places.get(&alert.uid) {
            let known = &mut self.found[*place].alert;
            if alert.severity >= known.severity {
                *known = alert;
            }
        } else if let Some(event) = events.iter().find(|event| event.id() == alert.basis.event) {
            places.insert(alert.uid.clone(), self.found.len());
            let apps = apps.map(|apps| apps.named_by(event)).unwrap_or_default();
            self.found.push(Found { alert, event: event.clone(), apps });
        }
    }

    /// The exception that would suppress a finding.
    pub fn hidden_by<'x>(&self, exceptions: &'x Exceptions, found: &Found) -> Option<&'x str> {
        // What is rated lower for everybody hides what it takes below Medium.
        let lowered = exceptions.lowering(&found.alert.rule, found.event.time);
        if let Some(lowered) = lowered.filter(|lowered| lowered.most.is_none_or(|most| most < Severity::Medium)) {
            return Some(&lowered.id);
        }
        let known = AppKnowledge { networks: &self.networks, apps: &found.apps };
        match exceptions.matching(&found.alert, &found.event, known) {
            ExceptionMatch::Suppressed(exception) => Some(&exception.id),
            ExceptionMatch::None | ExceptionMatch::Exceeded(..) => None,
        }
    }

    /// Would these get somebody's attention: one of Medium or above, or what they add up to?
    pub fn are_told<'f>(&self, found: impl Iterator<Item = &'f Found> + Clone) -> bool {
        found.clone().any(|found| found.alert.severity >= Severity::Medium) || self.add_up(found)
    }

    pub fn add_up<'f>(&self, mut found: impl Iterator<Item = &'f Found>) -> bool {
        let mut risk = Risk::new(self.risk);
        found.any(|found| risk.learn(&found.alert, None, found.event.time).is_some())
    }
}

/// With ids for each second instead of each fold: what an alert swallows mustn't look suppressed with what opened it.
fn unfolded(mut module: Module) -> Module {
    let mut manifest = Manifest::clone(&module.manifest);
    manifest.rules.iter_mut().for_each(|rule| rule.fold_s = 1);
    module.manifest = Arc::new(manifest);
    module
}
