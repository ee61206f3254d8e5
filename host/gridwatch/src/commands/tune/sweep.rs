//! What a rule would have given with other values of a setting: its module run over the archive once for each value.
//!
//! All values of a setting go through the archive together, each as a module of its own in one pipeline. The windows begin as
//! far before the period as the module looks back, or where the archive does. Exceptions hold, and echoes of responses are
//! suppressed, as they were.

use super::{Period, progress};
use crate::archive;
use crate::modules::Wanted;
use anyhow::{Context, Result};
use gridwatch_detect::{Detector, DetectorConfig, Module};
use gridwatch_event::event::Event;
use gridwatch_manifest::{ConfigKind, Manifest, Severity, span_text};
use gridwatch_rules::exception::Exceptions;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const BATCH: usize = 2_048;
/// Values tried of a setting, the present one among them.
const VALUES: usize = 7;
/// Where no value gives more, the difference between two of them is chance.
pub const FEWEST: u64 = 3;

/// One setting.
#[derive(Debug, Serialize)]
pub struct Sweep {
    pub setting: String,
    pub help: String,
    /// Of the numbers: "s" for a span, else nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<&'static str>,
    pub min: u64,
    pub max: u64,
    pub present: u64,
    /// Rising.
    pub values: Vec<Given>,
}

/// What a value would have given.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Given {
    pub value: u64,
    pub alerts: u64,
    /// Of them, those of Medium and above.
    pub medium_or_above: u64,
    pub a_day: f64,
    /// Why the module won't have it, together with the other settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl Sweep {
    /// A value as a person writes it.
    pub fn text(&self, value: u64) -> String {
        if self.unit.is_some() { span_text(value) } else { value.to_string() }
    }

    /// Too few alerts of every value to prefer one.
    pub fn is_thin(&self) -> bool {
        self.values.iter().all(|given| given.alerts < FEWEST)
    }

    /// Does it matter to the rule what the value is?
    pub fn matters(&self) -> bool {
        let mut given = self.values.iter().filter(|v| v.refused.is_none()).map(|v| (v.alerts, v.medium_or_above));
        let first = given.next();
        given.any(|other| Some(other) != first)
    }
}

/// Each whole number and each span among the settings of the rule's module that the rule's texts name; all of them where they name none.
///
/// # Errors
/// There is no such rule, the modules or the archive can't be read, or the module starts with none of the values.
pub fn sweeps(
    rule: &str,
    wanted: &Wanted,
    exceptions: &Exceptions,
    archive: &Path,
    period: &Period,
) -> Result<Vec<Sweep>> {
    let (module, rule) = rule.split_once('.').context("a rule is MODULE.RULE")?;
    let settings = wanted.settings.get(module).cloned().unwrap_or_default();
    let manifests = crate::modules::manifests(&wanted.dir)?;
    let manifest = manifests.into_iter().find(|manifest| manifest.name == module).context("no such module")?;
    let of_rule = manifest.rules.iter().find(|known| known.id == rule).context("no such rule")?;
    let is_named = |name: &str| {
        let name = format!("`{name}`");
        of_rule.threshold.contains(&name) || of_rule.condition.contains(&name)
    };
    let is_number = |kind| matches!(kind, ConfigKind::Integer { .. } | ConfigKind::Span { .. });
    let numbers = manifest.config.iter().filter(|(_, key)| is_number(key.kind));
    let some_named = numbers.clone().any(|(name, _)| is_named(name));
    let mut sweeps = Vec::new();
    for (name, key) in numbers.filter(|(name, _)| !some_named || is_named(name)) {
        let (min, max, unit) = match key.kind {
            ConfigKind::Integer { min, max } => (min, max, None),
            ConfigKind::Span { min_s, max_s } => (min_s, max_s, Some("s")),
            ConfigKind::Boolean | ConfigKind::Texts => continue,
        };
        let present = key.for_module(settings.get(name).unwrap_or(&key.default)).as_u64().unwrap_or(min);
        let values = values(present, min, max);
        progress(&format!("trying {} values of {module}.{name}", values.len()));
        let trial = Trial { module, rule, name, unit, wanted, exceptions, archive, period };
        let given = tried(&trial, &values)?;
        let help = key.help.clone();
        sweeps.push(Sweep { setting: name.clone(), help, unit, min, max, present, values: given });
    }
    Ok(sweeps)
}

struct Trial<'t> {
    module: &'t str,
    rule: &'t str,
    name: &'t str,
    unit: Option<&'static str>,
    wanted: &'t Wanted,
    exceptions: &'t Exceptions,
    archive: &'t Path,
    period: &'t Period,
}

/// No module has a name with this in it.
fn variant_name(module: &str, n: usize) -> String {
    format!("{module}~{n}")
}

fn tried(trial: &Trial<'_>, values: &[u64]) -> Result<Vec<Given>> {
    let configured = trial.wanted.settings.get(trial.module).cloned().unwrap_or_default();
    let with = |value: &u64| -> Map<String, Value> {
        let mut settings = configured.clone();
        let value = trial.unit.map_or(Value::from(*value), |unit| format!("{value}{unit}").into());
        settings.insert(trial.name.to_owned(), value);
        settings
    };
    let settings: Vec<Map<String, Value>> = values.iter().map(with).collect();
    let (mut modules, mut given, mut names) = (Vec::<Module>::new(), Vec::new(), Vec::new());
    for (value, loaded) in values.iter().zip(trial.wanted.variants(trial.module, &settings)?) {
        let refused = loaded.as_ref().err().map(ToString::to_string);
        given.push(Given { value: *value, alerts: 0, medium_or_above: 0, a_day: 0.0, refused });
        if let Ok(mut module) = loaded {
            let name = variant_name(trial.module, given.len());
            module.manifest = Arc::new(Manifest { name: name.clone(), ..(*module.manifest).clone() });
            names.push(name);
            modules.push(module);
        }
    }
    let mut exceptions = trial.exceptions.clone();
    exceptions.also_for(trial.module, &names);
    let setting = DetectorConfig { exceptions: Arc::new(exceptions), ..trial.wanted.setting()? };
    let counted = counted(trial, setting, modules)?;
    for (n, given) in given.iter_mut().enumerate() {
        let rule = format!("{}.{}", variant_name(trial.module, n + 1), trial.rule);
        let severities: Vec<Severity> = counted.iter().filter(|((of, _), _)| *of == rule).map(|(_, s)| *s).collect();
        given.alerts = severities.len() as u64;
        given.medium_or_above = severities.iter().filter(|severity| **severity >= Severity::Medium).count() as u64;
        given.a_day = given.alerts as f64 / trial.period.days();
    }
    Ok(given)
}

/// Every alert of the period that isn't suppressed, by rule and id, with its worst severity.
fn counted(
    trial: &Trial<'_>,
    setting: DetectorConfig,
    modules: Vec<Module>,
) -> Result<BTreeMap<(String, String), Severity>> {
    let back = modules.iter().map(|module| module.manifest.longest_span_s()).max().unwrap_or_default();
    let mut detector = Detector::new(setting, modules)?;
    let from = trial.period.from.minus(back);
    let mut records = archive::read(trial.archive, Some(from), Some(trial.period.to))?.filter_map(Result::ok);
    let mut alerts: BTreeMap<(String, String), Severity> = BTreeMap::new();
    loop {
        let events: Vec<Event> = records.by_ref().take(BATCH).map(|record| record.event()).collect();
        if events.is_empty() {
            return Ok(alerts);
        }
        for alert in detector.detect(&events).concluded.alerts {
            if alert.suppressed_by.is_none() && alert.last >= trial.period.from {
                let worst = alerts.entry((alert.rule, alert.uid)).or_insert(alert.severity);
                *worst = (*worst).max(alert.severity);
            }
        }
    }
}

/// Values around the present one, from a quarter to four times as much, then its neighbours until there are enough.
fn values(present: u64, min: u64, max: u64) -> Vec<u64> {
    let around = [(1, 4), (1, 2), (3, 4), (1, 1), (3, 2), (2, 1), (4, 1)];
    let mut values: Vec<u64> =
        around.iter().map(|(times, of)| (present.saturating_mul(*times) / of).clamp(min, max)).collect();
    values.sort_unstable();
    values.dedup();
    for step in 1..=VALUES as u64 {
        for near in [present.saturating_add(step), present.saturating_sub(step)] {
            if values.len() < VALUES && (min..=max).contains(&near) && !values.contains(&near) {
                values.push(near);
            }
        }
    }
    values.sort_unstable();
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_around_the_present_one_and_within_what_is_allowed() {
        assert_eq!(values(20, 3, 256), [5, 10, 15, 20, 30, 40, 80]);
        assert_eq!(values(4, 1, 9), [1, 2, 3, 4, 6, 8, 9]);
        assert_eq!(values(2, 2, 1_000), [2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(values(1, 1, 2), [1, 2]);
        assert_eq!(values(u64::MAX, u64::MAX, u64::MAX), [u64::MAX]);
    }
}
