//! Every rule there is, as its manifest says it.

use crate::modules::Wanted;
use gridwatch_manifest::{Manifest, Playbook, Rule, Step};
use serde::Serialize;
use serde_json::Map;

/// One rule. The field names are those of `--format json`.
#[derive(Debug, Serialize)]
pub struct Detection {
    /// `<module>.<rule>`.
    pub id: String,
    /// `<name>@<version>`.
    pub module: String,
    pub title: String,
    pub actions: Vec<String>,
    pub condition: String,
    pub threshold: String,
    /// The highest that the rule can give.
    pub severity: &'static str,
    /// Alerts of Medium or above (of a lower rule: of its severity) that ordinary life may cost at most, a day and thousand
    /// users.
    pub budget: f64,
    pub response: Vec<String>,
    pub attack: Vec<String>,
}

/// Every rule of the manifests, in their order.
pub fn detections(manifests: &[Manifest]) -> Vec<Detection> {
    manifests.iter().flat_map(|manifest| manifest.rules.iter().map(|rule| detection(manifest, rule))).collect()
}

fn detection(manifest: &Manifest, rule: &Rule) -> Detection {
    Detection {
        id: format!("{}.{}", manifest.name, rule.id),
        module: format!("{}@{}", manifest.name, manifest.version),
        title: rule.title.clone(),
        actions: rule.actions.clone(),
        condition: one_line(&rule.condition),
        threshold: one_line(&rule.threshold),
        severity: rule.severity.name(),
        budget: rule.budget,
        response: response(&rule.playbook),
        attack: rule.attack.clone(),
    }
}

/// `contain: End all sessions of the user (admin.users.session.reset, scope admin.users:write)`
pub fn response(playbook: &Playbook) -> Vec<String> {
    let phases = [("verify", &playbook.verify), ("contain", &playbook.contain), ("then", &playbook.then)];
    phases
        .into_iter()
        .flat_map(|(phase, steps)| steps.iter().map(move |step| format!("{phase}: {}", step_text(step))))
        .collect()
}

pub fn step_text(step: &Step) -> String {
    let method = step.method.as_ref().map(|method| match &step.scope {
        Some(scope) => format!(" ({method}, scope {scope})"),
        None => format!(" ({method})"),
    });
    format!("{}{}", one_line(&step.text), method.unwrap_or_default())
}

pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What of a module watches less than its author meant. Without a configuration nothing is filled in yet, which is no news.
pub fn doubts(manifest: &Manifest, configured: Option<&Wanted>) -> Vec<String> {
    let mut doubts = manifest.unknown_fields();
    if let Some(wanted) = configured {
        let none = Map::new();
        let given = wanted.settings.get(&manifest.name).unwrap_or(&none);
        doubts.extend(manifest.unfilled_tables(|table| wanted.tables.rows(table).unwrap_or(0)));
        doubts.extend(manifest.empty_settings(given).into_iter().map(|what| format!("setting {what}")));
    }
    doubts
}
