//! Windows as a manifest declares them: what feeds each, under which key, on what conditions.
//!
//! How to write one is in `guest-rules/README.md`; what each kind's value is, in `gridwatch_rules::windows`.

use super::setting::number;
use super::{Check, ConfigKey, ConfigKind};
use crate::field::Field;
use gridwatch_names::catalogue;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Steps of a sequence.
const STEPS: std::ops::RangeInclusive<usize> = 2..=8;
/// The most events that one step of a sequence may ask for.
pub const MAX_AT_LEAST: u64 = 256;
/// How far back a baseline by the hour looks at most: four weeks.
const MAX_HOURLY_SPAN_S: u64 = 28 * 86_400;
/// Buckets of a period at most: four weeks of days.
const MAX_PERIOD: u64 = 28;
/// Less is no way to tell a period from what is usual.
const MIN_NOT_ABOVE: u64 = 2;
/// How long a window that says "never" or "usual" watches before it says so, unless the manifest says otherwise.
const LEARN_S: u64 = 14 * 86_400;
/// A shorter way is within what addresses are misplaced by.
const MIN_KM: u64 = 500;

/// A count that the host keeps for the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSpec {
    pub name: String,
    pub kind: WindowKind,
    /// Actions that feed the window (not those that may read it). Empty for a sequence, whose steps have their own.
    pub actions: Vec<String>,
    /// Only events for which these hold feed it.
    pub when: Conditions,
    /// Fields that an event feeds the window under; none for the whole organization. A sequence's are its steps'.
    pub key: Vec<Field>,
    /// Fields that an event reads it by; a sequence's, that events which take no step of it read it by, if they may.
    pub read_key: Option<Vec<Field>>,
    pub span_s: u64,
    /// How long the window has to watch before "never" means never, and a baseline means usual.
    pub learn_s: u64,
    /// The module's settings that give the two.
    pub spans: SpanSettings,
}

/// Where a window's spans come from, if not from its own numbers; the defaults until [`super::Manifest::with_settings`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanSettings {
    span: Option<String>,
    learn: Option<String>,
    /// `learn` isn't given: as long as usual, at most the span.
    usual_learn: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WindowKind {
    Count,
    Distinct { of: Field },
    Turns { of: Field },
    FirstSeen,
    LastSeen,
    Sequence { steps: Vec<SequenceStep> },
    Baseline(Baseline),
    Travel { min_km: u64 },
}

/// How much a key usually does in a period, or did in this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// Counts different texts of this field instead of events.
    pub of: Option<Field>,
    pub bucket_s: u64,
    pub percentile: u8,
    /// What is compared, in whole buckets; each bucket by itself without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_s: Option<u64>,
    #[serde(default, skip_serializing_if = "Says::is_usual")]
    pub says: Says,
    /// A period that was more than so many times what was usual before it doesn't teach what is usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_above: Option<u64>,
}

/// Which of a baseline's numbers a window has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Says {
    /// The percentile of the former periods.
    #[default]
    Usual,
    /// What the period that ends with the event comes to.
    Now,
    /// How many former periods "usual" is made of.
    Periods,
}

impl Says {
    pub const fn is_usual(&self) -> bool {
        matches!(self, Self::Usual)
    }
}

impl WindowKind {
    /// As in the manifest.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Distinct { .. } => "distinct",
            Self::Turns { .. } => "turns",
            Self::FirstSeen => "first_seen",
            Self::LastSeen => "last_seen",
            Self::Sequence { .. } => "sequence",
            Self::Baseline(_) => "baseline",
            Self::Travel { .. } => "travel",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceStep {
    pub actions: Vec<String>,
    pub when: Conditions,
    pub key: Vec<Field>,
    /// Counts different texts of this field instead of events.
    pub distinct: Option<Field>,
    pub at_least: Threshold,
}

/// What has to hold of an event; all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    pub fields: Vec<FieldTest>,
    pub windows: Vec<WindowTest>,
}

/// When a rule looks at an event: only then the module is given it on that rule's account. It has to hold wherever the rule could find
/// something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// Of the rule's actions, those it is for; all, if it names none.
    pub actions: Vec<String>,
    /// Windows by their positions in the manifest.
    pub when: Conditions,
}

/// `only` and `not`: the field's text is, or is not, one of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldTest {
    pub field: Field,
    /// With `*` at an end for anything; `*` alone for any text but "".
    pub texts: Vec<String>,
    /// The module's setting that gives the texts; its default until [`super::Manifest::with_settings`].
    pub setting: Option<String>,
    pub wanted: bool,
}

/// What another window has to say of the same event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowTest {
    /// Position among the manifest's windows; always an earlier one.
    pub window: usize,
    pub says: Saying,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Saying {
    Never,
    Learning,
    Seen,
    AtLeast(Threshold),
    Below(Threshold),
}

/// A number, or the module's setting that gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Threshold {
    pub setting: Option<String>,
    /// The setting's default until [`super::Manifest::with_settings`] puts its value here.
    pub number: u64,
}

impl FieldTest {
    pub fn holds(&self, text: &str) -> bool {
        self.texts.iter().any(|pattern| text_matches(pattern, text)) == self.wanted
    }
}

fn text_matches(pattern: &str, text: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(""), _) => !text.is_empty(),
        (Some(end), Some(_)) => text.contains(&end[..end.len() - 1]),
        (Some(end), None) => text.ends_with(end),
        (None, Some(start)) => text.starts_with(start),
        (None, None) => pattern == text,
    }
}

impl WindowSpec {
    /// How far back lies what its value may depend on.
    pub(super) fn reach_s(&self) -> u64 {
        match &self.kind {
            WindowKind::Baseline(Baseline { period_s: Some(period_s), says: Says::Now, .. }) => *period_s,
            WindowKind::Baseline(Baseline { period_s: Some(period_s), .. }) => self.span_s + period_s,
            _ => self.span_s,
        }
    }

    /// Gives everything that is a setting its value in a checked configuration.
    pub(super) fn set(&mut self, config: &Value) {
        self.span_s = number(config, self.spans.span.as_ref(), self.span_s);
        let learn_s = if self.spans.usual_learn { LEARN_S } else { self.learn_s };
        self.learn_s = number(config, self.spans.learn.as_ref(), learn_s).min(self.span_s);
        self.when.set(config);
        if let WindowKind::Sequence { steps } = &mut self.kind {
            for step in steps {
                step.when.set(config);
                step.at_least.set(config);
            }
        }
    }
}

impl Conditions {
    /// Can they hold of any event? Nothing is on an empty list.
    pub fn can_hold(&self) -> bool {
        !self.fields.iter().any(|test| test.wanted && test.texts.is_empty())
    }

    pub(super) fn set(&mut self, config: &Value) {
        for test in &mut self.fields {
            let value = test.setting.as_ref().and_then(|name| config.get(name));
            test.texts = value.map_or_else(|| std::mem::take(&mut test.texts), texts_of);
        }
        for test in &mut self.windows {
            if let Saying::AtLeast(threshold) | Saying::Below(threshold) = &mut test.says {
                threshold.set(config);
            }
        }
    }
}

fn texts_of(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|text| Some(text.as_str()?.to_owned())).collect()
}

impl Threshold {
    fn set(&mut self, config: &Value) {
        self.number = number(config, self.setting.as_ref(), self.number);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWindow {
    pub(super) name: String,
    kind: String,
    #[serde(default)]
    actions: Vec<String>,
    #[serde(default)]
    only: BTreeMap<String, RawTexts>,
    #[serde(default)]
    not: BTreeMap<String, RawTexts>,
    when: Option<toml::Value>,
    key: Option<Vec<String>>,
    read_key: Option<Vec<String>>,
    of: Option<String>,
    #[serde(default)]
    steps: Vec<RawStep>,
    span: String,
    learn: Option<String>,
    bucket: Option<String>,
    percentile: Option<u8>,
    period: Option<String>,
    says: Option<String>,
    not_above: Option<u64>,
    min_km: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    actions: Vec<String>,
    #[serde(default)]
    only: BTreeMap<String, RawTexts>,
    #[serde(default)]
    not: BTreeMap<String, RawTexts>,
    when: Option<toml::Value>,
    key: Option<Vec<String>>,
    distinct: Option<String>,
    at_least: Option<RawThreshold>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTrigger {
    #[serde(default)]
    actions: Vec<String>,
    #[serde(default)]
    only: BTreeMap<String, RawTexts>,
    #[serde(default)]
    not: BTreeMap<String, RawTexts>,
    when: Option<toml::Value>,
}

impl RawTrigger {
    pub(super) fn validate(self, at: &str, of_rule: &[String], above: &Above<'_>, check: &mut Check) -> Trigger {
        let at = format!("{at}, trigger");
        let actions = if self.actions.is_empty() { Vec::new() } else { check.actions(&at, &self.actions) };
        let is_of_rule = |action: &str| of_rule.iter().any(|pattern| catalogue::pattern_matches(pattern, action));
        for pattern in &actions {
            let mut meant = catalogue::actions().filter(|action| catalogue::pattern_matches(pattern, action));
            if catalogue::pattern_is_known(pattern) && !meant.any(is_of_rule) {
                check.problem(format!("{at}: `{pattern}` is none of the rule's actions"));
            }
        }
        Trigger { actions, when: conditions(&at, &self.only, &self.not, self.when.as_ref(), above, check) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTest {
    window: String,
    is: Option<String>,
    at_least: Option<RawThreshold>,
    below: Option<RawThreshold>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawThreshold {
    Number(u64),
    Setting(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawTexts {
    List(Vec<String>),
    Setting(String),
}

/// What a window may refer to: the settings, and the windows above it.
pub(super) struct Above<'m> {
    pub(super) config: &'m BTreeMap<String, ConfigKey>,
    pub(super) windows: &'m [WindowSpec],
}

impl RawWindow {
    pub(super) fn validate(self, above: &Above<'_>, check: &mut Check) -> Option<WindowSpec> {
        let at = format!("window `{}`", self.name);
        check.name(&at, &self.name);
        let when = conditions(&at, &self.only, &self.not, self.when.as_ref(), above, check);
        let key = self.key.as_ref().map(|names| key(&at, names, check));
        let is_sequence = self.kind == "sequence";
        let read_key = self.read_key.as_ref().map(|names| self::key(&at, names, check));
        let read_key = read_key.or_else(|| key.clone().filter(|_| !is_sequence));
        let (span_s, span) = check.span_or_setting(&at, &self.span, above.config);
        if span.is_some() && self.kind == "baseline" {
            check.problem(format!("{at}: a baseline's span can't be a setting: it is a number of whole buckets"));
        }
        self.check_belonging(&at, check);
        let kind = self.kind(&at, key.as_ref(), span_s, above, check)?;
        let width = match &kind {
            WindowKind::Sequence { steps } => steps.first().map(|step| step.key.len()),
            _ => key.as_ref().map(Vec::len),
        };
        if width.is_none() {
            check.problem(format!("{at}: needs a `key`; `key = []` makes one count of the whole organization"));
        }
        if read_key.as_ref().is_some_and(|read| width.is_some_and(|width| width != read.len())) {
            check.problem(format!("{at}: `read_key` needs as many fields as `key`"));
        }
        let (usual_learn_s, is_fixed) = match &kind {
            WindowKind::FirstSeen => (LEARN_S, false),
            WindowKind::Baseline(Baseline { says: Says::Now | Says::Periods, .. }) => (0, true),
            // The one that goes on, and at least one before it.
            WindowKind::Baseline(Baseline { period_s: Some(period_s), .. }) => (LEARN_S.max(2 * period_s), true),
            WindowKind::Baseline(_) => (LEARN_S, false),
            _ => (0, true),
        };
        let usual_learn = self.learn.is_none() && !is_fixed;
        let (learn_s, learn) = match &self.learn {
            Some(text) => check.span_or_setting(&at, text, above.config),
            None => (span_s.min(usual_learn_s), None),
        };
        if learn_s > span_s {
            check.problem(format!("{at}: `learn` is longer than `span`"));
        }
        let spans = SpanSettings { span, learn, usual_learn };
        let actions = if is_sequence { Vec::new() } else { check.actions(&at, &self.actions) };
        let name = self.name;
        Some(WindowSpec { name, kind, actions, when, key: key.unwrap_or_default(), read_key, span_s, learn_s, spans })
    }

    /// Says which of the keys given are another kind's.
    fn check_belonging(&self, at: &str, check: &mut Check) {
        let keys: [(&str, bool, &[&str]); 9] = [
            ("of", self.of.is_some(), &["distinct", "turns", "baseline"]),
            ("steps", !self.steps.is_empty(), &["sequence"]),
            ("learn", self.learn.is_some(), &["first_seen", "last_seen", "baseline"]),
            ("bucket", self.bucket.is_some(), &["baseline"]),
            ("percentile", self.percentile.is_some(), &["baseline"]),
            ("period", self.period.is_some(), &["baseline"]),
            ("says", self.says.is_some(), &["baseline"]),
            ("not_above", self.not_above.is_some(), &["baseline"]),
            ("min_km", self.min_km.is_some(), &["travel"]),
        ];
        for (key, given, kinds) in keys {
            if given && !kinds.contains(&self.kind.as_str()) {
                let kinds = match kinds {
                    [most @ .., last] if !most.is_empty() => format!("{} and {last}", most.join(", ")),
                    kinds => kinds.concat(),
                };
                check.problem(format!("{at}: `{key}` is for {kinds} windows, this one is `{}`", self.kind));
            }
        }
        match self.kind.as_str() {
            "sequence" if !self.actions.is_empty() => {
                check.problem(format!("{at}: a sequence has no `actions` of its own, each of its `steps` has"));
            }
            _ => {}
        }
    }

    fn kind(
        &self,
        at: &str,
        key: Option<&Vec<Field>>,
        span_s: u64,
        above: &Above<'_>,
        check: &mut Check,
    ) -> Option<WindowKind> {
        let of = self.of.as_ref().map(|name| check.field(at, name));
        Some(match self.kind.as_str() {
            "count" => WindowKind::Count,
            "first_seen" => WindowKind::FirstSeen,
            "last_seen" => WindowKind::LastSeen,
            "travel" => WindowKind::Travel { min_km: self.min_km.unwrap_or(MIN_KM) },
            "baseline" => WindowKind::Baseline(self.baseline(at, of.flatten(), span_s, check)),
            kind @ ("distinct" | "turns") => match of {
                Some(of) if kind == "turns" => WindowKind::Turns { of: of? },
                Some(of) => WindowKind::Distinct { of: of? },
                None => {
                    check.problem(format!("{at}: a {kind} window needs `of`, the field whose values it counts"));
                    return None;
                }
            },
            "sequence" => WindowKind::Sequence { steps: self.sequence(at, key, above, check)? },
            other => {
                let kinds = "count, distinct, turns, first_seen, last_seen, sequence, baseline, travel";
                check.problem(format!("{at}: kind `{other}` is unknown; allowed are {kinds}"));
                return None;
            }
        })
    }

    fn baseline(&self, at: &str, of: Option<Field>, span_s: u64, check: &mut Check) -> Baseline {
        let bucket_s = self.bucket_s(at, span_s, check);
        let period_s = self.period.as_ref().map(|text| check.span(at, text));
        if let Some(period_s) = period_s.filter(|period_s| *period_s > 0) {
            if !period_s.is_multiple_of(bucket_s) || period_s / bucket_s > MAX_PERIOD {
                check.problem(format!(
                    "{at}: a baseline's `period` is a number of whole buckets, at most {MAX_PERIOD}; with `bucket = \"1d\"` write 1d to 28d"
                ));
            }
            if period_s > span_s {
                check.problem(format!(
                    "{at}: `period` is longer than `span`, in which former periods lie; write a span of several periods"
                ));
            }
        }
        let says = match self.says.as_deref() {
            None | Some("usual") => Says::Usual,
            Some("now") => Says::Now,
            Some("periods") => Says::Periods,
            Some(other) => {
                check.problem(format!("{at}: `says` is `{other}`; allowed are usual, now and periods"));
                Says::Usual
            }
        };
        if self.says.is_some() && self.period.is_none() {
            check.problem(format!(
                "{at}: `says` needs `period`, the length of time that is compared, as `period = \"14d\"`"
            ));
        }
        let of_usual = [("percentile", self.percentile.is_some()), ("not_above", self.not_above.is_some())];
        for (key, _) in of_usual.into_iter().filter(|(_, given)| *given && says == Says::Now) {
            check.problem(format!(
                "{at}: `{key}` is about former periods, and a window that says `now` has none of them"
            ));
        }
        if self.learn.is_some() && says != Says::Usual {
            check.problem(format!(
                "{at}: `learn` is for a baseline that says `usual`; this one says at once what it has"
            ));
        }
        let percentile = self.percentile.unwrap_or(if period_s.is_some() { 50 } else { 95 });
        if !(1..=100).contains(&percentile) {
            check.problem(format!("{at}: `percentile` is {percentile}; allowed is 1 to 100 (the most ever)"));
        }
        if self.not_above.is_some_and(|times| times < MIN_NOT_ABOVE) {
            check.problem(format!(
                "{at}: `not_above` is how many times the usual a period may have and still teach it; allowed is {MIN_NOT_ABOVE} or more"
            ));
        }
        Baseline { of, bucket_s, percentile, period_s, says, not_above: self.not_above }
    }

    fn bucket_s(&self, at: &str, span_s: u64, check: &mut Check) -> u64 {
        let bucket_s = match self.bucket.as_deref() {
            Some("1h") => 3_600,
            Some("1d") => 86_400,
            _ => {
                check.problem(format!("{at}: a baseline needs `bucket`, \"1h\" or \"1d\""));
                return 86_400;
            }
        };
        if !span_s.is_multiple_of(bucket_s) || bucket_s == 3_600 && span_s > MAX_HOURLY_SPAN_S {
            check.problem(format!("{at}: a baseline's span is a number of whole buckets, and at most 28d of hours"));
        }
        bucket_s
    }

    fn sequence(
        &self,
        at: &str,
        key: Option<&Vec<Field>>,
        above: &Above<'_>,
        check: &mut Check,
    ) -> Option<Vec<SequenceStep>> {
        if !STEPS.contains(&self.steps.len()) {
            check.problem(format!("{at}: a sequence has {} to {} `steps`", STEPS.start(), STEPS.end()));
            return None;
        }
        let numbered = self.steps.iter().enumerate();
        let steps: Vec<_> =
            numbered.map(|(i, step)| step.validate(&format!("{at}, step {}", i + 1), key, above, check)).collect();
        let steps = steps.into_iter().collect::<Option<Vec<_>>>()?;
        if steps.iter().any(|step| step.key.len() != steps[0].key.len()) {
            check.problem(format!(
                "{at}: the keys of all steps need as many fields as each other, or the steps never meet under one key"
            ));
        }
        Some(steps)
    }
}

impl RawStep {
    fn validate(
        &self,
        at: &str,
        default_key: Option<&Vec<Field>>,
        above: &Above<'_>,
        check: &mut Check,
    ) -> Option<SequenceStep> {
        let actions = check.actions(at, &self.actions);
        let when = conditions(at, &self.only, &self.not, self.when.as_ref(), above, check);
        let distinct = self.distinct.as_ref().map(|name| check.field(at, name));
        let at_least = self.at_least.as_ref().map_or_else(
            || Some(Threshold { setting: None, number: 1 }),
            |raw| threshold(at, raw, 1, MAX_AT_LEAST, above, check),
        );
        let key = match (&self.key, default_key) {
            (Some(names), _) => key(at, names, check),
            (None, Some(key)) => key.clone(),
            (None, None) => {
                check.problem(format!("{at}: needs a `key`, its own or the window's"));
                return None;
            }
        };
        let distinct = match distinct {
            Some(field) => Some(field?),
            None => None,
        };
        Some(SequenceStep { actions, when, key, distinct, at_least: at_least? })
    }
}

fn key(at: &str, names: &[String], check: &mut Check) -> Vec<Field> {
    let fields = check.fields(at, names);
    if fields.iter().any(Field::is_role) {
        check.problem(format!("{at}: a role cannot be a key, because it changes while the window counts"));
    }
    fields
}

fn conditions(
    at: &str,
    only: &BTreeMap<String, RawTexts>,
    not: &BTreeMap<String, RawTexts>,
    when: Option<&toml::Value>,
    above: &Above<'_>,
    check: &mut Check,
) -> Conditions {
    let mut conditions = Conditions::default();
    for (name, raw, wanted) in only.iter().map(|(n, t)| (n, t, true)).chain(not.iter().map(|(n, t)| (n, t, false))) {
        let (field, texts) = (check.field(at, name), texts(at, name, raw, above, check));
        if let (Some(field), Some((texts, setting))) = (field, texts) {
            conditions.fields.push(FieldTest { field, texts, setting, wanted });
        }
    }
    let tests = match when {
        None => &[][..],
        Some(toml::Value::Array(tests)) => tests,
        Some(one) => std::slice::from_ref(one),
    };
    for test in tests {
        let raw = test.clone().try_into::<RawTest>();
        let raw = check.take(&format!("{at}, when"), raw.map_err(|e| e.message().to_owned()));
        conditions.windows.extend(raw.and_then(|raw| raw.validate(at, above, check)));
    }
    conditions
}

/// The texts of a condition, and the setting they come from.
fn texts(
    at: &str,
    field: &str,
    raw: &RawTexts,
    above: &Above<'_>,
    check: &mut Check,
) -> Option<(Vec<String>, Option<String>)> {
    match raw {
        RawTexts::List(texts) if texts.is_empty() => {
            check.problem(format!("{at}: no text is given for `{field}`; \"\" is absent, \"*\" is present"));
            None
        }
        RawTexts::List(texts) => Some((texts.clone(), None)),
        RawTexts::Setting(name) => match above.config.get(name) {
            Some(ConfigKey { kind: ConfigKind::Texts, default, .. }) => Some((texts_of(default), Some(name.clone()))),
            _ => {
                check.problem(format!(
                    "{at}: `{name}` is not a [config] key of type texts; write a list, or such a key"
                ));
                None
            }
        },
    }
}

impl RawTest {
    fn validate(self, at: &str, above: &Above<'_>, check: &mut Check) -> Option<WindowTest> {
        let name = &self.window;
        let Some(window) = above.windows.iter().position(|w| w.name == *name) else {
            let names: Vec<&str> = above.windows.iter().map(|w| w.name.as_str()).collect();
            let hint = if names.is_empty() { "there is none".into() } else { names.join(", ") };
            check.problem(format!("{at}: `when` names window `{name}`, which does not stand above this one ({hint})"));
            return None;
        };
        let seen = matches!(above.windows[window].kind, WindowKind::FirstSeen | WindowKind::LastSeen);
        let says = match (self.is.as_deref(), &self.at_least, &self.below) {
            (Some("never"), None, None) if seen => Saying::Never,
            (Some("seen"), None, None) if seen => Saying::Seen,
            (Some("learning"), None, None) if seen => Saying::Learning,
            (None, Some(raw), None) if !seen => Saying::AtLeast(threshold(at, raw, 1, u64::MAX, above, check)?),
            (None, None, Some(raw)) if !seen => Saying::Below(threshold(at, raw, 1, u64::MAX, above, check)?),
            _ => {
                let use_one = if seen { "`is` with never, seen or learning" } else { "one of `at_least` and `below`" };
                check.problem(format!("{at}: `when` of window `{name}` needs {use_one}"));
                return None;
            }
        };
        Some(WindowTest { window, says })
    }
}

fn threshold(
    at: &str,
    raw: &RawThreshold,
    min: u64,
    max: u64,
    above: &Above<'_>,
    check: &mut Check,
) -> Option<Threshold> {
    let (setting, least, most) = match raw {
        RawThreshold::Number(number) => (None, *number, *number),
        RawThreshold::Setting(name) => match above.config.get(name).map(|key| (key.kind, key)) {
            Some((ConfigKind::Integer { min, max }, _)) => (Some(name), min, max),
            _ => {
                check.problem(format!("{at}: `{name}` is not a [config] key of type integer"));
                return None;
            }
        },
    };
    if least < min || most > max {
        let range = if max == u64::MAX { format!("{min} or more") } else { format!("{min} to {max}") };
        let what = setting.map_or_else(|| least.to_string(), |name| format!("`{name}`, {least} to {most}"));
        check.problem(format!("{at}: a threshold is {what}; allowed is {range}"));
        return None;
    }
    let default = setting.and_then(|name| above.config[name].default.as_u64());
    Some(Threshold { setting: setting.cloned(), number: default.unwrap_or(least) })
}
