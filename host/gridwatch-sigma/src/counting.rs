//! Correlations as windows: what feeds each, and how much of it makes an alert.
//!
//! | Sigma | windows | an alert at an event of a base rule, when |
//! |---|---|---|
//! | `event_count` | one count of what any of the rules matches | it has reached the number |
//! | `value_count` | one that counts different values | it has reached the number |
//! | `temporal` | a count for each rule, read by the keys of the others | each has counted something |
//! | `temporal_ordered` | one sequence of all rules | all its steps are done |
//!
//! Spans slide, and event time decides. An event without a field of `group-by` is counted nowhere: not in one group of all of them.

use crate::document::{Document, Problem};
use crate::field;
use gridwatch_manifest::expression::Expression;
use gridwatch_manifest::{Field, MAX_SPAN_S};
use rsigma_parser::{ConditionOperator, CorrelationCondition, CorrelationRule, CorrelationType, SigmaRule, WindowMode};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a window counts at most.
const MAX_COUNT: u64 = 4_096;
/// Steps of a sequence.
const MAX_STEPS: usize = 8;

/// A rule as it was read.
#[derive(Debug)]
pub(crate) struct Base<'t> {
    pub(crate) document: Document<'t>,
    pub(crate) rule: SigmaRule,
    pub(crate) id: String,
    pub(crate) expression: Expression,
    pub(crate) actions: Vec<String>,
}

impl Base<'_> {
    /// Is that its `id` or its `name`?
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.rule.id.as_deref() == Some(name) || self.rule.name.as_deref() == Some(name)
    }
}

/// `[[window]]`.
#[derive(Debug, Serialize)]
pub(crate) struct Window {
    name: String,
    kind: &'static str,
    span: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    only: BTreeMap<String, [&'static str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_key: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<Step>,
}

#[derive(Debug, Serialize)]
struct Step {
    actions: Vec<String>,
    only: BTreeMap<String, [&'static str; 1]>,
    key: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Trigger {
    only: BTreeMap<String, [&'static str; 1]>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    when: Vec<When>,
}

#[derive(Debug, Serialize)]
struct When {
    window: String,
    at_least: Amount,
}

/// A number, or the setting that has it.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Amount {
    Number(u64),
    Setting(String),
}

/// `[config.X]`.
#[derive(Debug, Serialize)]
pub(crate) struct Setting {
    r#type: &'static str,
    help: String,
    default: u64,
    min: u64,
    max: u64,
}

/// Of the program: what the interpreter does for one rule.
#[derive(Debug, Serialize)]
pub(crate) struct Steps {
    pub(crate) title: String,
    pub(crate) severity: u8,
    /// What the first window of a way counts, as it is told behind the number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) counted: Option<String>,
    /// Sigma's `fields`, with their columns.
    pub(crate) labels: Vec<(String, usize)>,
    /// Any of which makes a finding.
    pub(crate) ways: Vec<Way>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Way {
    /// The column that says whether the event matches.
    pub(crate) asked: usize,
    /// Columns of what is told and folded by.
    pub(crate) key: Vec<usize>,
    /// All of which have to be.
    pub(crate) reached: Vec<Reached>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Reached {
    pub(crate) window: usize,
    pub(crate) at_least: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) setting: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at_most: Option<u64>,
}

/// What a correlation comes to. Windows are numbered among themselves.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) bases: Vec<usize>,
    pub(crate) windows: Vec<Window>,
    pub(crate) settings: Option<(String, Setting)>,
    pub(crate) ways: Vec<CountedWay>,
    pub(crate) actions: Vec<String>,
    pub(crate) triggers: Vec<Trigger>,
    pub(crate) threshold: String,
    pub(crate) counted: Option<String>,
}

#[derive(Debug)]
pub(crate) struct CountedWay {
    /// The name under `[match]`, and what is asked.
    pub(crate) asked: String,
    pub(crate) expression: Expression,
    pub(crate) key: Vec<String>,
    pub(crate) reached: Vec<Reached>,
}

impl Trigger {
    pub(crate) fn of(asked: &str) -> Self {
        Self { only: only(asked), when: Vec::new() }
    }

    fn when(asked: &str, when: Vec<When>) -> Self {
        Self { only: only(asked), when }
    }
}

fn only(asked: &str) -> BTreeMap<String, [&'static str; 1]> {
    BTreeMap::from([(format!("match.{asked}"), ["1"])])
}

impl Reached {
    /// Without settings.
    fn once(window: usize, at_least: u64) -> Self {
        Self { window, at_least, setting: None, at_most: None }
    }
}

pub(crate) fn of(
    document: &Document<'_>,
    rule: &CorrelationRule,
    id: &str,
    bases: &[Base<'_>],
) -> Result<Counted, Vec<Problem>> {
    let mut reading = Reading { document, rule, id, bases, of: Vec::new(), keys: Vec::new(), problems: Vec::new() };
    reading.rules();
    reading.span();
    reading.keys();
    if !reading.problems.is_empty() {
        return Err(reading.problems);
    }
    let counted = match rule.correlation_type {
        CorrelationType::EventCount | CorrelationType::ValueCount => reading.number(),
        CorrelationType::Temporal => reading.temporal(),
        CorrelationType::TemporalOrdered => reading.ordered(),
        other => Err(document.at(&["type:"], format!("`{}` isn't taken", other.as_str()))),
    };
    counted.map_err(|problem| vec![problem])
}

struct Reading<'c, 't> {
    document: &'c Document<'t>,
    rule: &'c CorrelationRule,
    id: &'c str,
    bases: &'c [Base<'t>],
    /// The rules that it names, in its order.
    of: Vec<usize>,
    /// The fields of `group-by`, for each of them.
    keys: Vec<Vec<String>>,
    problems: Vec<Problem>,
}

impl Reading<'_, '_> {
    fn rules(&mut self) {
        if self.rule.rules.is_empty() {
            self.problems.push(self.document.at(&["rules:", "correlation:"], "names no rules"));
        }
        for name in &self.rule.rules {
            match self.bases.iter().position(|base| base.is_called(name)) {
                Some(base) => self.of.push(base),
                None => {
                    let what = format!(
                        "`{name}` is neither `name` nor `id` of a rule in this folder (a correlation of correlations isn't taken)"
                    );
                    self.problems.push(self.document.at(&[&format!("- {name}"), name], what));
                }
            }
        }
    }

    fn span(&mut self) {
        let span = &self.rule.timespan;
        if !(1..=MAX_SPAN_S).contains(&span.seconds) {
            let what = format!("`{span}`: a span is one second to 400 days");
            self.problems.push(self.document.at(&["timespan:", "timeframe:"], what));
        }
        if self.rule.window != WindowMode::Sliding {
            self.problems.push(self.document.at(&["window:"], "spans slide; no other `window` is taken"));
        }
    }

    fn keys(&mut self) {
        for (name, base) in self.rule.rules.iter().zip(&self.of) {
            let mut key = Vec::new();
            for group in &self.rule.group_by {
                let alias = self.rule.aliases.iter().find(|alias| alias.alias == *group);
                let own = |name: &str| alias.and_then(|alias| alias.mapping.get(name));
                let base = &self.bases[*base];
                let named =
                    own(name).or_else(|| own(base.rule.id.as_deref()?)).or_else(|| own(base.rule.name.as_deref()?));
                let said = match (alias, named) {
                    (Some(_), None) => Err(format!("the alias `{group}` says nothing of `{name}`")),
                    (_, named) => field::of(named.unwrap_or(group)),
                };
                match said {
                    Ok(field) if Field::parse(&field).is_ok_and(|field| field.is_role()) => {
                        let what = format!("`{group}` can't group: it changes while it is counted");
                        self.problems.push(self.document.at(&[&format!("- {group}"), group], what));
                    }
                    Ok(field) => key.push(field),
                    Err(what) => self.problems.push(self.document.at(&[&format!("- {group}"), group], what)),
                }
            }
            self.keys.push(key);
        }
        self.problems.dedup();
    }

    fn span_text(&self) -> String {
        format!("{}s", self.rule.timespan.seconds)
    }

    fn for_each(&self) -> String {
        match self.rule.group_by.as_slice() {
            [] => "in the whole organization".to_owned(),
            fields => format!("for each {}", fields.join(", ")),
        }
    }

    /// Every action of the rules, once.
    fn actions(&self) -> Vec<String> {
        let mut actions: Vec<String> = self.of.iter().flat_map(|base| self.bases[*base].actions.clone()).collect();
        actions.sort();
        actions.dedup();
        if actions.iter().any(|action| action == "*") { vec!["*".to_owned()] } else { actions }
    }

    /// What any of the rules matches, with its name.
    fn any(&self) -> (String, Expression) {
        match self.of.as_slice() {
            [base] => (self.bases[*base].id.clone(), self.bases[*base].expression.clone()),
            several => {
                let parts = several.iter().map(|base| self.bases[*base].expression.clone()).collect();
                (self.id.to_owned(), Expression::Any(parts))
            }
        }
    }

    fn number(&self) -> Result<Counted, Problem> {
        if self.keys.iter().any(|key| *key != self.keys[0]) {
            let what = "rules whose `aliases` differ can't be counted together; write a correlation for each";
            return Err(self.document.at(&["aliases:"], what));
        }
        let (at_least, at_most, fields) = self.bounds()?;
        let of = match (self.rule.correlation_type, fields) {
            (CorrelationType::ValueCount, [field]) => {
                Some(field::of(field).map_err(|what| self.document.at(&["field:"], what))?)
            }
            (CorrelationType::ValueCount, _) => {
                return Err(self.document.at(&["field:", "condition:"], "`value_count` needs one `field`"));
            }
            (_, []) => None,
            _ => return Err(self.document.at(&["field:"], "`field` is for `value_count`")),
        };
        let (asked, expression) = self.any();
        let what = match fields {
            [field] => format!("different {field}"),
            _ => "events".to_owned(),
        };
        let setting = at_most.is_none().then(|| format!("{}_at_least", self.id.replace('-', "_")));
        let help = format!("{}: how many {what} within {} make an alert.", self.rule.title, self.rule.timespan);
        let threshold = match at_most {
            None => format!("{at_least} or more {what} within {} {}", self.rule.timespan, self.for_each()),
            Some(most) => format!("{at_least} to {most} {what} within {} {}", self.rule.timespan, self.for_each()),
        };
        let amount = setting.clone().map_or(Amount::Number(at_least), Amount::Setting);
        let window = Window {
            name: self.id.to_owned(),
            kind: if of.is_some() { "distinct" } else { "count" },
            span: self.span_text(),
            actions: self.actions(),
            only: only(&asked),
            key: Some(self.keys[0].clone()),
            read_key: None,
            of,
            steps: Vec::new(),
        };
        let when = vec![When { window: self.id.to_owned(), at_least: amount }];
        Ok(Counted {
            bases: self.of.clone(),
            windows: vec![window],
            settings: setting
                .clone()
                .map(|name| (name, Setting { r#type: "integer", help, default: at_least, min: 1, max: MAX_COUNT })),
            triggers: vec![Trigger::when(&asked, when)],
            ways: vec![CountedWay {
                asked,
                expression,
                key: self.keys[0].clone(),
                reached: vec![Reached { window: 0, at_least, setting, at_most }],
            }],
            actions: self.actions(),
            threshold,
            counted: Some(format!("{what} within {}", self.rule.timespan)),
        })
    }

    /// From how many on, up to how many, and which fields the condition names.
    fn bounds(&self) -> Result<(u64, Option<u64>, &[String]), Problem> {
        let at = |what: &str| self.document.at(&["condition:"], what.to_owned());
        let CorrelationCondition::Threshold { predicates, field, percentile: None } = &self.rule.condition else {
            return Err(at("the condition needs a number, as in `gte: 5`"));
        };
        let (mut least, mut most) = (None, None);
        for (operator, number) in predicates {
            let (lower, upper) = match operator {
                ConditionOperator::Gte => (Some(*number), None),
                ConditionOperator::Gt => (Some(number.saturating_add(1)), None),
                ConditionOperator::Eq => (Some(*number), Some(*number)),
                ConditionOperator::Lte => (None, Some(*number)),
                ConditionOperator::Lt => (None, Some(number.saturating_sub(1))),
                ConditionOperator::Neq => return Err(at("`neq` holds at the first event already; it isn't taken")),
            };
            least = least.max(lower);
            most = [most, upper].into_iter().flatten().min();
        }
        match least {
            None => Err(at("without `gt`, `gte` or `eq` it holds at the first event already; it isn't taken")),
            Some(least) if !(1..=MAX_COUNT).contains(&least) => {
                Err(at(&format!("{least} is not within 1 and {MAX_COUNT}, which is what a window counts")))
            }
            Some(least) if most.is_some_and(|most| most < least) => Err(at("no number fits the condition")),
            Some(least) => Ok((least, most, field.as_deref().unwrap_or_default())),
        }
    }

    /// The one condition that these types have is that all rules match.
    fn all_of(&self) -> Result<(), Problem> {
        let many = self.of.len();
        let is_all = match &self.rule.condition {
            CorrelationCondition::Threshold { predicates, field: None, .. } => {
                predicates.as_slice() == [(ConditionOperator::Gte, many as u64)] || !self.document.has("condition:")
            }
            _ => false,
        };
        if !is_all {
            let what = "the rules of a temporal correlation have all to match; no other condition is taken";
            return Err(self.document.at(&["condition:"], what));
        }
        match many {
            0 | 1 => Err(self.document.at(&["rules:"], "needs two rules or more")),
            _ => Ok(()),
        }
    }

    fn temporal(&self) -> Result<Counted, Problem> {
        self.all_of()?;
        let mut of = self.of.clone();
        of.sort_unstable();
        of.dedup();
        if of.len() != self.of.len() {
            return Err(self.document.at(&["rules:"], "names a rule twice"));
        }
        let mut readers: Vec<&Vec<String>> = Vec::new();
        for key in &self.keys {
            if !readers.contains(&key) {
                readers.push(key);
            }
        }
        let mut windows = Vec::new();
        for (n, (base, key)) in self.of.iter().zip(&self.keys).enumerate() {
            for (r, reader) in readers.iter().enumerate() {
                let suffix = if readers.len() == 1 { String::new() } else { format!("-{}", r + 1) };
                windows.push(Window {
                    name: format!("{}-{}{suffix}", self.id, n + 1),
                    kind: "count",
                    span: self.span_text(),
                    actions: self.bases[*base].actions.clone(),
                    only: only(&self.bases[*base].id),
                    key: Some(key.clone()),
                    read_key: (*reader != key).then(|| (*reader).clone()),
                    of: None,
                    steps: Vec::new(),
                });
            }
        }
        let (mut ways, mut triggers) = (Vec::new(), Vec::new());
        for (base, key) in self.of.iter().zip(&self.keys) {
            let reader = readers.iter().position(|reader| *reader == key).unwrap_or_default();
            let read: Vec<usize> = (0..self.of.len()).map(|n| n * readers.len() + reader).collect();
            let when = |at: &usize| When { window: windows[*at].name.clone(), at_least: Amount::Number(1) };
            triggers.push(Trigger::when(&self.bases[*base].id, read.iter().map(when).collect()));
            let reached = read.into_iter().map(|window| Reached::once(window, 1)).collect();
            ways.push(self.way(*base, key, reached));
        }
        let names: Vec<&str> = self.rule.rules.iter().map(String::as_str).collect();
        let threshold =
            format!("each of {} within {}, in any order, {}", names.join(", "), self.rule.timespan, self.for_each());
        Ok(self.told(windows, ways, triggers, threshold))
    }

    fn ordered(&self) -> Result<Counted, Problem> {
        self.all_of()?;
        if self.of.len() > MAX_STEPS {
            return Err(self.document.at(&["rules:"], format!("names over {MAX_STEPS} rules")));
        }
        let step = |(base, key): (&usize, &Vec<String>)| {
            let base = &self.bases[*base];
            Step { actions: base.actions.clone(), only: only(&base.id), key: key.clone() }
        };
        let window = Window {
            name: self.id.to_owned(),
            kind: "sequence",
            span: self.span_text(),
            actions: Vec::new(),
            only: BTreeMap::new(),
            key: None,
            read_key: None,
            of: None,
            steps: self.of.iter().zip(&self.keys).map(step).collect(),
        };
        let all = self.of.len() as u64;
        let (mut ways, mut triggers) = (Vec::new(), Vec::new());
        // A step that comes late may be the one that completes it.
        for (n, (base, key)) in self.of.iter().zip(&self.keys).enumerate() {
            if !self.of[..n].contains(base) {
                let when = When { window: self.id.to_owned(), at_least: Amount::Number(all) };
                triggers.push(Trigger::when(&self.bases[*base].id, vec![when]));
                ways.push(self.way(*base, key, vec![Reached::once(0, all)]));
            }
        }
        let names: Vec<&str> = self.rule.rules.iter().map(String::as_str).collect();
        let threshold = format!("{} within {}, {}", names.join(", then "), self.rule.timespan, self.for_each());
        Ok(self.told(vec![window], ways, triggers, threshold))
    }

    fn way(&self, base: usize, key: &[String], reached: Vec<Reached>) -> CountedWay {
        let base = &self.bases[base];
        CountedWay { asked: base.id.clone(), expression: base.expression.clone(), key: key.to_vec(), reached }
    }

    fn told(&self, windows: Vec<Window>, ways: Vec<CountedWay>, triggers: Vec<Trigger>, threshold: String) -> Counted {
        Counted {
            bases: self.of.clone(),
            windows,
            settings: None,
            ways,
            actions: self.actions(),
            triggers,
            threshold,
            counted: None,
        }
    }
}
