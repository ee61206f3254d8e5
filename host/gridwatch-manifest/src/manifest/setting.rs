//! Settings: what a team may tune of a module, how its configuration is checked, and what that does to the manifest.

use super::check::Check;
use super::{MAX_SPAN_S, Manifest, PROGRAM};
use crate::span::{parse_span, span_text};
use gridwatch_names::suggest::did_you_mean;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// One tunable of a module. The host checks values against it and fills in defaults before `configure`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigKey {
    pub kind: ConfigKind,
    pub help: String,
    /// As a configuration would have it.
    pub default: Value,
    /// Whoever stands in it is told of less: an exception without owner and end.
    pub silences: bool,
    /// While it is empty, something that the module is for isn't watched: `check` says so.
    pub enables: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ConfigKind {
    Integer {
        min: u64,
        max: u64,
    },
    Boolean,
    Texts,
    /// A text such as `90m` in a configuration, seconds for the module.
    Span {
        min_s: u64,
        max_s: u64,
    },
}

impl Manifest {
    /// The configuration `configure` gets: `given` checked against the schema, defaults filled in, spans as seconds, and the module's
    /// program, if it has one.
    ///
    /// # Errors
    /// Every setting that doesn't exist or has a wrong value.
    pub fn configuration(&self, given: &Map<String, Value>) -> Result<Value, Vec<String>> {
        let problems = self.setting_problems(given);
        if !problems.is_empty() {
            return Err(problems.into_iter().map(|(name, problem)| format!("`{name}` {problem}")).collect());
        }
        let value_of = |(name, key): (&String, &ConfigKey)| {
            (name.clone(), key.for_module(given.get(name).unwrap_or(&key.default)))
        };
        let program = self.program.iter().map(|program| (PROGRAM.to_owned(), program.clone()));
        Ok(Value::Object(self.config.iter().map(value_of).chain(program).collect()))
    }

    /// What is wrong with settings: the name of each, and what.
    pub fn setting_problems(&self, given: &Map<String, Value>) -> Vec<(String, String)> {
        let problem = |(name, value): (&String, &Value)| {
            let problem = match self.config.get(name) {
                Some(key) => key.problem(value)?,
                // Each module had its own until there was one for all.
                None if name == "provisioning_apps" => {
                    "is no longer a setting of modules: write it as `apps` under `[detect.provisioning]`, once for all of them".into()
                }
                None => {
                    let near = did_you_mean(name, self.config.keys().map(String::as_str));
                    let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                    format!("is not a setting of module {}{}{near}", self.name, self.settings_hint())
                }
            };
            Some((name.clone(), problem))
        };
        given.iter().filter_map(problem).collect()
    }

    /// The manifest with thresholds, texts and spans as a checked configuration has them.
    pub fn with_settings(&self, config: &Value) -> Self {
        let mut manifest = self.clone();
        manifest.windows.iter_mut().for_each(|window| window.set(config));
        manifest.rules.iter_mut().for_each(|rule| {
            rule.fold_s = number(config, rule.fold_setting.as_ref(), rule.fold_s);
            rule.triggers.iter_mut().for_each(|trigger| trigger.when.set(config));
        });
        manifest
    }

    fn settings_hint(&self) -> String {
        match self.config.is_empty() {
            true => " (it has none)".into(),
            false => format!(" (it has {})", self.config.keys().cloned().collect::<Vec<_>>().join(", ")),
        }
    }
}

/// What a checked configuration says of a setting, if there is one.
pub(super) fn number(config: &Value, setting: Option<&String>, otherwise: u64) -> u64 {
    setting.and_then(|name| config.get(name)).and_then(Value::as_u64).unwrap_or(otherwise)
}

impl ConfigKey {
    /// A value as the module gets it.
    pub fn for_module(&self, value: &Value) -> Value {
        match (self.kind, value.as_str().and_then(parse_span)) {
            (ConfigKind::Span { .. }, Some(seconds)) => seconds.into(),
            _ => value.clone(),
        }
    }

    fn problem(&self, value: &Value) -> Option<String> {
        match (self.kind, value) {
            (ConfigKind::Integer { min, max }, Value::Number(n)) => match n.as_u64() {
                Some(n) if (min..=max).contains(&n) => None,
                _ => Some(format!("is {n}; allowed is {min} to {max}")),
            },
            (ConfigKind::Boolean, Value::Bool(_)) => None,
            (ConfigKind::Texts, Value::Array(items)) if items.iter().all(Value::is_string) => None,
            (ConfigKind::Span { min_s, max_s }, Value::String(text)) => match parse_span(text) {
                Some(seconds) if (min_s..=max_s).contains(&seconds) => None,
                Some(_) => Some(format!("is {text}; allowed is {} to {}", span_text(min_s), span_text(max_s))),
                None => Some(format!("is `{text}`, which is not a span; write 90s, 10m, 24h or 30d")),
            },
            (ConfigKind::Span { .. }, _) => Some("has to be a span in quotes, such as \"90m\"".into()),
            (ConfigKind::Integer { .. }, _) => Some("has to be a whole number".into()),
            (ConfigKind::Boolean, _) => Some("has to be true or false".into()),
            (ConfigKind::Texts, _) => Some("has to be a list of texts".into()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    #[serde(rename = "type")]
    kind: String,
    help: String,
    default: toml::Value,
    min: Option<RawBound>,
    max: Option<RawBound>,
    #[serde(default)]
    silences: bool,
    #[serde(default)]
    enables: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawBound {
    Number(u64),
    Span(String),
}

impl RawConfig {
    pub(super) fn validate(self, name: &str, check: &mut Check) -> Option<ConfigKey> {
        let at = format!("config `{name}`");
        check.name(&at, name);
        let kind = self.kind(&at, check)?;
        let default = match self.default {
            toml::Value::Integer(n) => json!(n),
            toml::Value::Boolean(b) => json!(b),
            toml::Value::String(text) => json!(text),
            toml::Value::Array(items) => items.iter().map(|i| json!(i.as_str())).collect(),
            other => json!(other.to_string()),
        };
        if self.silences && kind != ConfigKind::Texts {
            check.problem(format!("{at}: `silences` is for lists of texts"));
        }
        if self.enables && (kind != ConfigKind::Texts || self.silences) {
            check.problem(format!("{at}: `enables` is for lists of texts that don't silence"));
        }
        let key = ConfigKey { kind, help: self.help, default, silences: self.silences, enables: self.enables };
        if let Some(problem) = key.problem(&key.default) {
            check.problem(format!("{at}: its default {problem}"));
        }
        Some(key)
    }

    fn kind(&self, at: &str, check: &mut Check) -> Option<ConfigKind> {
        let (numbers, spans) = (self.kind == "integer", self.kind == "span");
        let mut bound = |name: &str, bound: &Option<RawBound>, otherwise: u64| match bound {
            None => otherwise,
            Some(RawBound::Number(number)) if numbers => *number,
            Some(RawBound::Span(text)) if spans => check.span(&format!("{at}, {name}"), text),
            Some(_) => {
                check.problem(format!(
                    "{at}: `{name}` is for integers as a number, for spans as a text such as \"90m\""
                ));
                otherwise
            }
        };
        match self.kind.as_str() {
            "integer" => Some(ConfigKind::Integer {
                min: bound("min", &self.min, 0),
                max: bound("max", &self.max, u64::from(u32::MAX)),
            }),
            "span" => {
                Some(ConfigKind::Span { min_s: bound("min", &self.min, 1), max_s: bound("max", &self.max, MAX_SPAN_S) })
            }
            "boolean" => Some(ConfigKind::Boolean),
            "texts" => Some(ConfigKind::Texts),
            other => {
                check.problem(format!("{at}: type `{other}` is unknown; allowed are integer, span, boolean, texts"));
                None
            }
        }
    }
}
