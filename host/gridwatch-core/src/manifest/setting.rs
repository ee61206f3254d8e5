//! Settings: what a team may tune of a module, how its configuration is checked, and what that does to the manifest.

use super::{Check, Manifest};
use crate::slip::did_you_mean;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

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

impl Manifest {
    /// The configuration `configure` gets: `given` checked against the schema, defaults filled in.
    pub fn configuration(&self, given: &Map<String, Value>) -> Result<Value, Vec<String>> {
        let problems = self.setting_problems(given);
        if !problems.is_empty() {
            return Err(problems.into_iter().map(|(name, problem)| format!("`{name}` {problem}")).collect());
        }
        let value_of = |(name, key): (&String, &ConfigKey)| {
            (name.clone(), given.get(name).cloned().unwrap_or_else(|| key.default.clone()))
        };
        Ok(Value::Object(self.config.iter().map(value_of).collect()))
    }

    /// What is wrong with settings: the name of each, and what.
    pub fn setting_problems(&self, given: &Map<String, Value>) -> Vec<(String, String)> {
        let problem = |(name, value): (&String, &Value)| {
            let problem = match self.config.get(name) {
                Some(key) => key.problem(value)?,
                None => {
                    let near = did_you_mean(name, self.config.keys().map(String::as_str));
                    let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                    format!("is no setting of module {}{}{near}", self.name, self.settings_hint())
                }
            };
            Some((name.clone(), problem))
        };
        given.iter().filter_map(problem).collect()
    }

    /// The manifest with the thresholds of its windows as a checked configuration has them.
    pub fn with_settings(&self, config: &Value) -> Self {
        let mut manifest = self.clone();
        manifest.windows.iter_mut().for_each(|window| window.set(config));
        manifest
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    #[serde(rename = "type")]
    kind: String,
    help: String,
    default: toml::Value,
    min: Option<u64>,
    max: Option<u64>,
}

impl RawConfig {
    pub(super) fn validate(self, name: &str, check: &mut Check) -> Option<ConfigKey> {
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
