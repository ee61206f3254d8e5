//! The manifest: what a module says of itself, readable without running any of its code.
//!
//! It is the TOML of `module.toml`, carried in the component's custom section [`SECTION`]. Reading it reports every problem
//! at once, and checks each action name against Slack's catalogue: a rule that waits for a name that doesn't exist would
//! be silent for ever, and nobody would notice.

use crate::catalogue;
use crate::field::Field;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Name of the component's custom section that holds the manifest.
pub const SECTION: &str = "gridwatch:manifest";
/// The ABI this host speaks.
pub const ABI: &str = "gridwatch:detect@1";

/// Limits that keep a manifest from costing more than the module is worth.
pub const MAX_BYTES: usize = 256 << 10;
pub const MAX_FIELDS: usize = 64;
pub const MAX_WINDOWS: usize = 64;
pub const MAX_RULES: usize = 128;
/// The longest span a window may remember: 400 days, a year and its seasons.
pub const MAX_SPAN_S: u64 = 400 * 86_400;

#[derive(Clone, Debug)]
pub struct Manifest {
    pub name: String,
    pub version: semver::Version,
    pub title: String,
    pub grants: Vec<Grant>,
    pub lookups: Vec<String>,
    pub fields: Vec<Field>,
    pub windows: Vec<WindowSpec>,
    pub rules: Vec<Rule>,
    pub config: BTreeMap<String, ConfigKey>,
}

/// What a module may be given beyond its batch; the configuration has to grant it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grant {
    /// The host's small durable key-value state.
    Kv,
    /// Membership in the tables named under `lookups`.
    Lookup,
    /// An empty WASI: no files, environment or network, a fixed clock, seeded random.
    Wasi,
}

#[derive(Clone, Debug, Serialize)]
pub struct Rule {
    pub id: String,
    pub title: String,
    /// Actions (or prefixes ending in `*`) the rule wants to see.
    pub actions: Vec<String>,
    pub condition: String,
    pub threshold: String,
    pub severity: Severity,
    /// Findings of one key inside one such stretch (aligned to 1970) are one alert.
    pub fold_s: u64,
    pub attack: Vec<String>,
    pub false_positives: Vec<String>,
    pub playbook: Playbook,
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
}

/// OCSF's severity_id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Severity {
    Informational = 1,
    Low = 2,
    Medium = 3,
    High = 4,
    Critical = 5,
}

impl Severity {
    /// The nearest severity to a number that a module sent.
    pub fn from_id(id: u8) -> Self {
        match id {
            0 | 1 => Self::Informational,
            2 => Self::Low,
            3 => Self::Medium,
            4 => Self::High,
            _ => Self::Critical,
        }
    }

    pub fn id(self) -> u8 {
        self as u8
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Informational => "Informational",
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
            Self::Critical => "Critical",
        }
    }
}

/// A count that the host keeps for the module. See [`crate::windows`] for what each kind's value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowSpec {
    pub name: String,
    pub kind: WindowKind,
    /// Actions that feed the window (not those that may read it). Empty for a sequence, whose steps have their own.
    pub actions: Vec<String>,
    /// Only events whose field has one of these texts feed it.
    pub only: Vec<(Field, Vec<String>)>,
    /// Fields that an event feeds the window under.
    pub key: Vec<Field>,
    /// Fields that an event reads it by; the same ones unless the manifest says otherwise.
    pub read_key: Vec<Field>,
    pub span_s: u64,
    /// How long a first-seen window has to watch before "never" means never.
    pub learn_s: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowKind {
    Count,
    Distinct { of: Field },
    FirstSeen,
    LastSeen,
    Sequence { steps: Vec<SequenceStep> },
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SequenceStep {
    pub actions: Vec<String>,
    #[serde(default = "one")]
    pub at_least: u32,
}

fn one() -> u32 {
    1
}

/// One tunable of a module. The host checks values against it and fills in defaults before `configure`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigKey {
    pub kind: ConfigKind,
    pub help: String,
    pub default: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ConfigKind {
    Integer { min: u64, max: u64 },
    Boolean,
    Texts,
}

/// Everything wrong with a manifest, one line each.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{}", .problems.join("\n"))]
pub struct ManifestError {
    pub problems: Vec<String>,
}

impl Manifest {
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        if text.len() > MAX_BYTES {
            return Err(ManifestError { problems: vec![format!("the manifest is over {MAX_BYTES} bytes")] });
        }
        let raw: RawManifest =
            toml::from_str(text).map_err(|e| ManifestError { problems: vec![e.to_string().trim_end().to_owned()] })?;
        let mut check = Check::default();
        let manifest = raw.validate(&mut check);
        match (manifest, check.problems) {
            (Some(manifest), problems) if problems.is_empty() => Ok(manifest),
            (_, problems) => Err(ManifestError { problems }),
        }
    }

    pub fn field(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name() == name)
    }

    /// Does any rule want to see this action?
    pub fn subscribes(&self, action: &str) -> bool {
        self.rules.iter().any(|rule| rule.actions.iter().any(|p| catalogue::pattern_matches(p, action)))
    }

    /// The longest time this module looks back: how far a rebuilt store has to re-read.
    pub fn longest_span_s(&self) -> u64 {
        self.windows.iter().map(|w| w.span_s).max().unwrap_or(0)
    }

    /// The configuration `configure` gets: `given` checked against the schema, defaults filled in.
    pub fn configuration(&self, given: &Map<String, Value>) -> Result<Value, Vec<String>> {
        let mut problems = Vec::new();
        for (name, value) in given {
            match self.config.get(name) {
                None => {
                    problems.push(format!("`{name}` is no setting of module {}{}", self.name, self.settings_hint()))
                }
                Some(key) => problems.extend(key.problem(value).map(|p| format!("`{name}` {p}"))),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let value_of = |(name, key): (&String, &ConfigKey)| {
            (name.clone(), given.get(name).cloned().unwrap_or_else(|| key.default.clone()))
        };
        Ok(Value::Object(self.config.iter().map(value_of).collect()))
    }

    fn settings_hint(&self) -> String {
        match self.config.is_empty() {
            true => " (it has none)".into(),
            false => format!(" (it has {})", self.config.keys().cloned().collect::<Vec<_>>().join(", ")),
        }
    }
}

impl ConfigKey {
    fn problem(&self, value: &Value) -> Option<String> {
        match (self.kind, value) {
            (ConfigKind::Integer { min, max }, Value::Number(n)) => match n.as_u64() {
                Some(n) if (min..=max).contains(&n) => None,
                _ => Some(format!("is {n}; allowed is {min} to {max}")),
            },
            (ConfigKind::Boolean, Value::Bool(_)) => None,
            (ConfigKind::Texts, Value::Array(items)) if items.iter().all(Value::is_string) => None,
            (ConfigKind::Integer { .. }, _) => Some("has to be a whole number".into()),
            (ConfigKind::Boolean, _) => Some("has to be true or false".into()),
            (ConfigKind::Texts, _) => Some("has to be a list of texts".into()),
        }
    }
}

/// `90s`, `10m`, `24h`, `30d` in seconds.
pub fn parse_span(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    name: String,
    version: String,
    abi: String,
    title: String,
    #[serde(default)]
    grants: Vec<Grant>,
    #[serde(default)]
    lookups: Vec<String>,
    fields: Vec<String>,
    #[serde(default)]
    window: Vec<RawWindow>,
    #[serde(default)]
    rule: Vec<RawRule>,
    #[serde(default)]
    config: BTreeMap<String, RawConfig>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWindow {
    name: String,
    kind: String,
    #[serde(default)]
    actions: Vec<String>,
    #[serde(default)]
    only: BTreeMap<String, Vec<String>>,
    key: Vec<String>,
    read_key: Option<Vec<String>>,
    of: Option<String>,
    #[serde(default)]
    steps: Vec<SequenceStep>,
    span: String,
    learn: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    id: String,
    title: String,
    actions: Vec<String>,
    condition: String,
    threshold: String,
    severity: Severity,
    fold: String,
    attack: Vec<String>,
    #[serde(default)]
    false_positives: Vec<String>,
    playbook: Playbook,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    #[serde(rename = "type")]
    kind: String,
    help: String,
    default: toml::Value,
    min: Option<u64>,
    max: Option<u64>,
}

/// Collects problems so that all of them are told together.
#[derive(Default)]
struct Check {
    problems: Vec<String>,
}

impl Check {
    fn problem(&mut self, text: String) {
        self.problems.push(text);
    }

    fn take<T, E: ToString>(&mut self, at: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|e| self.problem(format!("{at}: {}", e.to_string()))).ok()
    }

    fn fields(&mut self, at: &str, names: &[String]) -> Vec<Field> {
        names.iter().filter_map(|name| self.take(at, Field::parse(name))).collect()
    }

    fn span(&mut self, at: &str, text: &str) -> u64 {
        match parse_span(text) {
            Some(span) if (1..=MAX_SPAN_S).contains(&span) => span,
            _ => {
                self.problem(format!("{at}: `{text}` is no span; write 90s, 10m, 24h or 30d, at most 400d"));
                0
            }
        }
    }

    fn actions(&mut self, at: &str, patterns: &[String]) {
        if patterns.is_empty() {
            self.problem(format!("{at}: needs at least one action"));
        }
        for pattern in patterns.iter().filter(|p| !catalogue::pattern_is_known(p)) {
            self.problem(format!("{at}: `{pattern}` is not in Slack's catalogue of actions; it would never fire"));
        }
    }

    fn name(&mut self, at: &str, name: &str) {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if name.is_empty()
            || name.len() > 64
            || !name.starts_with(|c: char| c.is_ascii_lowercase())
            || !name.chars().all(fits)
        {
            self.problem(format!("{at}: `{name}` is no name; use a-z, 0-9, - and _, starting with a letter"));
        }
    }

    fn unique<'a>(&mut self, what: &str, names: impl Iterator<Item = &'a str>, max: usize) {
        let mut seen = std::collections::BTreeSet::new();
        let mut count = 0;
        for name in names {
            count += 1;
            if !seen.insert(name) {
                self.problem(format!("{what} `{name}` stands twice"));
            }
        }
        if count > max {
            self.problem(format!("{count} {what}s; at most {max}"));
        }
    }
}

impl RawManifest {
    fn validate(self, check: &mut Check) -> Option<Manifest> {
        check.name("name", &self.name);
        if self.abi != ABI {
            check.problem(format!("abi: `{}` is not `{ABI}`, the one this host speaks", self.abi));
        }
        let version = check.take("version", semver::Version::parse(&self.version));
        let fields = check.fields("fields", &self.fields);
        check.unique("field", self.fields.iter().map(String::as_str), MAX_FIELDS);
        check.unique("window", self.window.iter().map(|w| w.name.as_str()), MAX_WINDOWS);
        check.unique("rule", self.rule.iter().map(|r| r.id.as_str()), MAX_RULES);
        if self.rule.is_empty() {
            check.problem("a module needs at least one [[rule]]".into());
        }
        if !self.lookups.is_empty() && !self.grants.contains(&Grant::Lookup) {
            check.problem("lookups: needs `grants = [\"lookup\"]`".into());
        }
        let windows = self.window.into_iter().filter_map(|w| w.validate(check)).collect();
        let rules = self.rule.into_iter().map(|r| r.validate(check)).collect();
        let config =
            self.config.into_iter().filter_map(|(name, key)| Some((name.clone(), key.validate(&name, check)?)));
        Some(Manifest {
            config: config.collect(),
            name: self.name,
            version: version?,
            title: self.title,
            grants: self.grants,
            lookups: self.lookups,
            fields,
            windows,
            rules,
        })
    }
}

impl RawWindow {
    fn validate(self, check: &mut Check) -> Option<WindowSpec> {
        let at = format!("window `{}`", self.name);
        check.name(&at, &self.name);
        let of = self.of.as_ref().and_then(|name| check.take(&at, Field::parse(name)));
        let kind = match (self.kind.as_str(), of) {
            ("count", None) => WindowKind::Count,
            ("distinct", Some(of)) => WindowKind::Distinct { of },
            ("first_seen", None) => WindowKind::FirstSeen,
            ("last_seen", None) => WindowKind::LastSeen,
            ("sequence", None) => WindowKind::Sequence { steps: self.steps.clone() },
            ("distinct", None) => {
                check.problem(format!("{at}: a distinct window needs `of`, the field whose values it counts"));
                return None;
            }
            (kind @ ("count" | "first_seen" | "last_seen" | "sequence"), Some(_)) => {
                check.problem(format!("{at}: `of` is for distinct windows, this one is `{kind}`"));
                return None;
            }
            (other, _) => {
                check.problem(format!(
                    "{at}: kind `{other}` is none of count, distinct, first_seen, last_seen, sequence"
                ));
                return None;
            }
        };
        match &kind {
            WindowKind::Sequence { steps } => {
                if !(2..=8).contains(&steps.len()) || !self.actions.is_empty() {
                    check.problem(format!("{at}: a sequence has 2 to 8 `steps`, each with its own actions"));
                }
                for step in steps {
                    check.actions(&at, &step.actions);
                    if step.at_least == 0 {
                        check.problem(format!("{at}: `at_least` has to be 1 or more"));
                    }
                }
            }
            _ => {
                check.actions(&at, &self.actions);
                if !self.steps.is_empty() {
                    check.problem(format!("{at}: `steps` is for sequences"));
                }
            }
        }
        let key = check.fields(&at, &self.key);
        let read_key = self.read_key.as_ref().map_or_else(|| key.clone(), |names| check.fields(&at, names));
        if key.is_empty() || key.len() != read_key.len() {
            check.problem(format!("{at}: `key` needs a field, and `read_key` as many as `key`"));
        }
        if key.iter().chain(&read_key).any(|f| f.role_of().is_some()) {
            check.problem(format!("{at}: a role can't be a key, it changes under the window"));
        }
        let only =
            self.only.into_iter().filter_map(|(name, texts)| Some((check.take(&at, Field::parse(&name))?, texts)));
        let only = only.collect();
        let span_s = check.span(&at, &self.span);
        let learn_s = self.learn.as_ref().map_or(span_s.min(14 * 86_400), |text| check.span(&at, text));
        Some(WindowSpec { name: self.name, kind, actions: self.actions, only, key, read_key, span_s, learn_s })
    }
}

impl RawRule {
    fn validate(self, check: &mut Check) -> Rule {
        let at = format!("rule `{}`", self.id);
        check.name(&at, &self.id);
        check.actions(&at, &self.actions);
        for id in self.attack.iter().filter(|id| !is_technique(id)) {
            check.problem(format!("{at}: `{id}` is no ATT&CK technique id (T1110, T1110.003)"));
        }
        if self.playbook.verify.is_empty() || self.playbook.contain.is_empty() {
            check.problem(format!("{at}: the playbook needs something to verify and something to contain"));
        }
        Rule {
            fold_s: check.span(&at, &self.fold),
            id: self.id,
            title: self.title,
            actions: self.actions,
            condition: self.condition,
            threshold: self.threshold,
            severity: self.severity,
            attack: self.attack,
            false_positives: self.false_positives,
            playbook: self.playbook,
        }
    }
}

impl RawConfig {
    fn validate(self, name: &str, check: &mut Check) -> Option<ConfigKey> {
        let at = format!("config `{name}`");
        check.name(&at, name);
        let kind = match self.kind.as_str() {
            "integer" => {
                ConfigKind::Integer { min: self.min.unwrap_or(0), max: self.max.unwrap_or(u64::from(u32::MAX)) }
            }
            "boolean" => ConfigKind::Boolean,
            "texts" => ConfigKind::Texts,
            other => {
                check.problem(format!("{at}: type `{other}` is none of integer, boolean, texts"));
                return None;
            }
        };
        let default = match self.default {
            toml::Value::Integer(n) => json!(n),
            toml::Value::Boolean(b) => json!(b),
            toml::Value::Array(items) => items.iter().map(|i| json!(i.as_str())).collect(),
            other => json!(other.to_string()),
        };
        let key = ConfigKey { kind, help: self.help, default };
        if let Some(problem) = key.problem(&key.default) {
            check.problem(format!("{at}: its default {problem}"));
        }
        Some(key)
    }
}

fn is_technique(id: &str) -> bool {
    let digits = |s: &str, n| s.len() == n && s.bytes().all(|b| b.is_ascii_digit());
    let Some(rest) = id.strip_prefix('T') else { return false };
    match rest.split_once('.') {
        Some((technique, sub)) => digits(technique, 4) && digits(sub, 3),
        None => digits(rest, 4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        name = "sign-in"
        version = "1.2.0"
        abi = "gridwatch:detect@1"
        title = "Sign-in abuse"
        fields = ["action", "actor.id"]
        [[window]]
        name = "failed_10m"
        kind = "count"
        actions = ["user_login_failed"]
        key = ["actor.id"]
        span = "10m"
        [[rule]]
        id = "burst"
        title = "Failed sign-ins"
        actions = ["user_login_failed"]
        condition = "c"
        threshold = "t"
        severity = "low"
        fold = "24h"
        attack = ["T1110"]
        playbook = { verify = [{ do = "ask" }], contain = [{ do = "reset", method = "admin.users.session.reset" }] }
        [config.burst]
        type = "integer"
        help = "failures"
        default = 10
        min = 2
        max = 100
    "#;

    #[test]
    fn a_good_manifest_says_what_it_is() {
        let m = Manifest::parse(GOOD).unwrap();
        assert_eq!((m.name.as_str(), m.version.to_string().as_str()), ("sign-in", "1.2.0"));
        assert!(m.subscribes("user_login_failed") && !m.subscribes("user_login"));
        assert_eq!((m.windows[0].span_s, m.rules[0].fold_s), (600, 86_400));
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let bad = GOOD
            .replace("user_login_failed", "login_failed")
            .replace("span = \"10m\"", "span = \"soon\"")
            .replace("T1110", "1110")
            .replace("\"actor.id\"]\n        [[window]]", "\"user.id\"]\n        [[window]]")
            .replace("default = 10", "default = 1");
        let problems = Manifest::parse(&bad).unwrap_err().problems;
        for part in [
            "window `failed_10m`: `login_failed`",
            "rule `burst`: `login_failed`",
            "`soon`",
            "`1110`",
            "`user.id`",
            "is 1; allowed is 2 to 100",
        ] {
            assert!(problems.iter().any(|p| p.contains(part)), "{part} not in {problems:#?}");
        }
    }

    #[test]
    fn an_unknown_key_names_its_line() {
        let bad = GOOD.replace("title = \"Sign-in abuse\"", "title = \"x\"\n        tilte = \"y\"");
        let problems = Manifest::parse(&bad).unwrap_err().problems;
        assert!(problems[0].contains("line 6") && problems[0].contains("tilte"), "{problems:?}");
    }

    #[test]
    fn settings_are_checked_and_defaults_filled_in() {
        let m = Manifest::parse(GOOD).unwrap();
        let given = |v: Value| m.configuration(v.as_object().unwrap());
        assert_eq!(given(json!({})).unwrap()["burst"], 10);
        assert_eq!(given(json!({"burst": 5})).unwrap()["burst"], 5);
        assert_eq!(given(json!({"burst": 500, "brust": 5})).unwrap_err().len(), 2);
    }
}
