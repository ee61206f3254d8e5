//! Every rule there is, as its manifest says it; and which of them could not have found anything, and why.

use crate::context::OrgPaths;
use crate::modules::Wanted;
use crate::store::judges::JudgedBy;
use crate::telemetry::actions::Actions;
use crate::telemetry::health::span;
use crate::telemetry::status::OrgStatus;
use gridwatch_event::time::{UnixMillis, UnixSeconds};
use gridwatch_manifest::{Manifest, Playbook, Rule, Step};
use gridwatch_rules::builtin;
use serde::Serialize;
use serde_json::Map;
use std::collections::BTreeMap;

/// Windows of a module that are named; the others are counted.
const NAMED: usize = 3;

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

/// What an organization's log has had so far, and which part of it each module has seen.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// From when to when all of it has been read.
    read: Option<(UnixSeconds, UnixSeconds)>,
    actions: Option<Actions>,
    /// Modules that came later than the others.
    joined: BTreeMap<String, UnixMillis>,
}

impl Heard {
    /// As the files of its folder say; what isn't there is not known.
    pub fn of(paths: &OrgPaths, status: &OrgStatus) -> Self {
        let judged = JudgedBy::read(&JudgedBy::mirror(&paths.dir)).unwrap_or_default();
        let mut joined = BTreeMap::new();
        for pair in judged.windows(2) {
            let new = pair[1].judges.modules.keys().filter(|name| !pair[0].judges.modules.contains_key(*name));
            new.for_each(|name| _ = joined.insert(name.clone(), pair[1].at));
        }
        Self {
            read: status.poll.read_from.zip(status.poll.watermark),
            actions: Actions::read(&paths.actions).ok(),
            joined,
        }
    }

    /// Why a rule could not have found anything: no entry of its actions has come.
    pub fn silent(&self, module: &str, rule: &Rule) -> Option<String> {
        // gridwatch's own rules look at gridwatch.
        if module == builtin::NAME {
            return None;
        }
        let ((from, to), actions) = self.read.zip(self.actions.as_ref())?;
        let since = from.max(actions.since);
        let looks_at = |(action, last): (&String, &UnixSeconds)| *last >= from && rule.looks_at(action).is_some();
        let has_come = actions.last.iter().any(looks_at);
        (!has_come && to > since)
            .then(|| format!("no entry of its actions in {} (since {since})", span(to.0 - since.0)))
    }

    /// Which windows of a module don't know yet what is usual or new, and until when.
    pub fn learning(&self, manifest: &Manifest, wanted: Option<&Wanted>) -> Option<String> {
        let (from, to) = self.read?;
        // Windows go by the settings that are given.
        let given = wanted.and_then(|wanted| wanted.settings.get(&manifest.name));
        let manifest = match given.map(|given| manifest.configuration(given)) {
            Some(Ok(config)) => &manifest.with_settings(&config),
            Some(Err(_)) | None => manifest,
        };
        let since = from.max(self.joined.get(&manifest.name).map_or(UnixSeconds(0), |at| at.seconds()));
        let mut learning: Vec<(UnixSeconds, &str)> = manifest
            .windows
            .iter()
            .map(|window| (since.plus(window.learn_s), window.name.as_str()))
            .filter(|(until, _)| *until > to)
            .collect();
        learning.sort_by_key(|(until, _)| std::cmp::Reverse(*until));
        let last = learning.first()?.0;
        let named: Vec<String> = learning.iter().take(NAMED).map(|(_, name)| format!("`{name}`")).collect();
        let more = match learning.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!(
            "learns until {last} what is usual or new, from what has come since {since}: {}{more}",
            named.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_S: u64 = 86_400;

    fn heard(read: Option<(u64, u64)>, actions: &[(&str, u64)], since: u64) -> Heard {
        let last = actions.iter().map(|(action, at)| ((*action).to_owned(), UnixSeconds(*at))).collect();
        Heard {
            read: read.map(|(from, to)| (UnixSeconds(from), UnixSeconds(to))),
            actions: Some(Actions { since: UnixSeconds(since), last }),
            joined: BTreeMap::new(),
        }
    }

    fn files() -> Manifest {
        Manifest::parse(include_str!("../../../../guest-rules/files/module.toml")).unwrap()
    }

    #[test]
    fn a_rule_is_silent_where_no_entry_of_its_actions_has_come() {
        let manifest = files();
        let rule = manifest.rules.iter().find(|rule| rule.id == "downloads").unwrap();
        let silent = |heard: &Heard| heard.silent("files", rule);
        let none = silent(&heard(Some((100, 100 + 3 * DAY_S)), &[("user_login", 500)], 0));
        assert_eq!(none.unwrap(), "no entry of its actions in 3 days (since 1970-01-01T00:01:40Z)");
        assert_eq!(silent(&heard(Some((100, 900)), &[("file_downloaded", 500)], 0)), None);
        let later = silent(&heard(Some((100, 400_000)), &[], 200_000)).unwrap();
        assert!(
            later.contains("since 1970-01-03T07:33:20Z"),
            "nothing is said of what came before it was counted: {later}"
        );
        assert_eq!(silent(&heard(None, &[], 0)), None, "nothing is known");
        assert_eq!(silent(&heard(Some((100, 900)), &[], 900)), None, "counting has only begun");
        assert_eq!(heard(Some((100, 900)), &[], 0).silent(builtin::NAME, rule), None);
    }

    #[test]
    fn a_module_learns_for_as_long_as_its_windows_say() {
        let manifest = files();
        let longest = manifest.windows.iter().map(|window| window.learn_s).max().unwrap();
        assert!(longest > 0, "files has windows that learn");
        let begun = heard(Some((1_000, 1_000 + longest - 1)), &[], 0);
        assert!(begun.learning(&manifest, None).unwrap().starts_with("learns until "));
        let done = Heard { read: Some((UnixSeconds(1_000), UnixSeconds(1_000 + longest))), ..begun.clone() };
        assert_eq!(done.learning(&manifest, None), None);
        let joined = BTreeMap::from([("files".to_owned(), UnixMillis(2_000_000))]);
        assert!(Heard { joined, ..done }.learning(&manifest, None).unwrap().contains("since 1970-01-01T00:33:20Z"));
    }
}
