//! A rule: one detection of a module, as its manifest states it, with what to do about its alerts.

use super::check::Check;
use super::window::{Above, Conditions, RawTrigger, Trigger};
use crate::severity::Severity;
use gridwatch_names::method::{self, On};
use gridwatch_names::{attack, catalogue};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize)]
pub struct Rule {
    pub id: String,
    pub title: String,
    /// Actions (or prefixes ending in `*`) the rule wants to see.
    pub actions: Vec<String>,
    /// When it looks at an event, any of which is enough; none, if it looks at each of its actions.
    pub triggers: Vec<Trigger>,
    pub condition: String,
    pub threshold: String,
    pub severity: Severity,
    /// Findings of one key inside one such stretch (aligned to 1970) are one alert.
    pub fold_s: u64,
    /// The module's setting that gives `fold_s`; its default until [`Manifest::with_settings`]. Alerts have other ids with
    /// another value.
    pub fold_setting: Option<String>,
    /// Labels of which a new value is told at once inside an open alert; of a scope (channel, workspace, organization) and of
    /// whole numbers, a larger one.
    pub news: Vec<String>,
    /// How many alerts of Medium or above ordinary life may cost at most, a day and thousand users. Of a rule that doesn't
    /// go that high, alerts of its severity. See [`Rule::budget_of`].
    pub budget: f64,
    pub attack: Vec<String>,
    pub false_positives: Vec<String>,
    pub playbook: Playbook,
}

impl Rule {
    /// What has to hold of an event of this action for the rule to look at it; `None` if it isn't one of its actions. No condition, if
    /// it looks at every one.
    pub fn looks_at(&self, action: &str) -> Option<Vec<&Conditions>> {
        let matches = |patterns: &[String]| patterns.iter().any(|p| catalogue::pattern_matches(p, action));
        matches(&self.actions).then_some(())?;
        let fits = |trigger: &&Trigger| trigger.actions.is_empty() || matches(&trigger.actions);
        Some(self.triggers.iter().filter(fits).map(|trigger| &trigger.when).collect())
    }

    /// Alerts of this severity (from Medium on: or above) that ordinary life may cost at most, a day and thousand users.
    pub fn budget_of(&self, severity: Severity) -> f64 {
        match severity.usual_budget() {
            Some(usual) if severity < self.severity => usual,
            _ => self.budget,
        }
    }
}

/// What to do about an alert, in the order to do it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Playbook {
    #[serde(default)]
    pub verify: Vec<Step>,
    #[serde(default)]
    pub contain: Vec<Step>,
    #[serde(default)]
    pub then: Vec<Step>,
}

/// One step: the Slack method and scope that do it, or a manual one where Slack has no API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    #[serde(rename = "do")]
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Whom it is about, where the alert has both; see [`On`] for the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<On>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    pub(super) id: String,
    title: String,
    actions: Vec<String>,
    #[serde(default)]
    trigger: Vec<RawTrigger>,
    condition: String,
    threshold: String,
    severity: Severity,
    fold: String,
    news: Option<Vec<String>>,
    budget: Option<f64>,
    attack: Vec<String>,
    #[serde(default)]
    false_positives: Vec<String>,
    playbook: Playbook,
}

impl RawRule {
    pub(super) fn validate(self, above: &Above<'_>, check: &mut Check) -> Rule {
        let at = format!("rule `{}`", self.id);
        check.name(&at, &self.id);
        let actions = check.actions(&at, &self.actions);
        for problem in self.attack.iter().filter_map(|id| attack::problem(id)) {
            check.problem(format!("{at}: {problem}"));
        }
        if self.playbook.verify.is_empty() || self.playbook.contain.is_empty() {
            check.problem(format!("{at}: the playbook needs something to verify and something to contain"));
        }
        let playbook = playbook(self.playbook, &at, check);
        let (fold_s, fold_setting) = check.span_or_setting(&at, &self.fold, above.config);
        let triggers = self.trigger.into_iter().map(|trigger| trigger.validate(&at, &actions, above, check)).collect();
        Rule {
            triggers,
            fold_s,
            fold_setting,
            news: check.news(&at, self.news),
            budget: check.budget(&at, self.budget.or(self.severity.usual_budget())),
            id: self.id,
            title: self.title,
            actions,
            condition: self.condition,
            threshold: self.threshold,
            severity: self.severity,
            attack: self.attack,
            false_positives: self.false_positives,
            playbook,
        }
    }
}

/// Checks the methods of a playbook, and fills in the scope where it was left out.
fn playbook(mut playbook: Playbook, at: &str, check: &mut Check) -> Playbook {
    let phases = [&mut playbook.verify, &mut playbook.contain, &mut playbook.then];
    for step in phases.into_iter().flatten() {
        let problem = match &step.method {
            Some(name) => method::problem(name, step.scope.as_deref(), step.on),
            None if step.scope.is_some() || step.on.is_some() => Some("`scope` and `on` go with a `method`".to_owned()),
            None => None,
        };
        if let Some(problem) = problem {
            check.problem(format!("{at}: step \"{}\": {problem}", step.text));
        }
        let scopes = step.method.as_deref().and_then(method::called).map_or(&[][..], |method| method.scopes);
        step.scope = step.scope.take().or_else(|| scopes.first().map(|scope| (*scope).to_owned()));
    }
    playbook
}
