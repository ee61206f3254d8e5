//! Drift: what Slack says that gridwatch was not built with.
//!
//! [`compare`] holds Slack's own lists of today against the built-in catalogue. What differs changes no verdict and loses no
//! leaf; it says that rules and mapping may have something to learn.

use crate::text::clean;
use crate::time::UnixMillis;
use gridwatch_names::catalogue;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// Longest name kept, in characters.
const MAX_NAME: usize = 100;

/// Slack's lists against ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    pub new_actions: BTreeSet<String>,
    pub gone_actions: BTreeSet<String>,
    /// Entity types, and fields of known ones as `type.field`.
    pub new_entities: BTreeSet<String>,
    pub gone_entities: BTreeSet<String>,
}

/// When Slack's lists were last held against ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    pub at: UnixMillis,
    /// As last told; the same one isn't told again.
    pub drift: Drift,
}

/// A body that isn't the list it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body of {endpoint} has no `{key}` in the documented shape")]
pub struct NotAList {
    endpoint: &'static str,
    key: &'static str,
}

/// What changed, given the bodies of `GET /audit/v1/actions` (`{"actions":{"group":["name", …]}}`) and
/// `GET /audit/v1/schemas` (`{"schemas":[{"type":"T","T":{"field":"type word"}}, …]}`).
///
/// # Errors
/// One of the two bodies isn't such a list.
pub fn compare(actions: &[u8], schemas: &[u8]) -> Result<Drift, NotAList> {
    let (theirs, ours) = (actions_of(actions)?, owned(catalogue::actions()));
    let (their_entities, our_entities) = (entities_of(schemas)?, owned_entities());
    Ok(Drift {
        new_actions: &theirs - &ours,
        gone_actions: &ours - &theirs,
        new_entities: &their_entities - &our_entities,
        gone_entities: &our_entities - &their_entities,
    })
}

impl Drift {
    pub fn is_empty(&self) -> bool {
        self.parts().all(|(_, names)| names.is_empty())
    }

    /// One line for a person: `2 new actions (a, b); 1 action gone (c)`.
    pub fn summary(&self) -> String {
        let some = self.parts().filter(|(_, names)| !names.is_empty());
        let parts: Vec<String> =
            some.map(|(what, names)| format!("{} {what} ({})", names.len(), listed(names))).collect();
        if parts.is_empty() { "as built in".to_owned() } else { parts.join("; ") }
    }

    fn parts(&self) -> impl Iterator<Item = (&'static str, &BTreeSet<String>)> {
        [
            ("actions new", &self.new_actions),
            ("actions gone", &self.gone_actions),
            ("entity types or fields new", &self.new_entities),
            ("entity types or fields gone", &self.gone_entities),
        ]
        .into_iter()
    }
}

fn listed(names: &BTreeSet<String>) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    let more = if names.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

fn owned<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    names.map(str::to_owned).collect()
}

fn owned_entities() -> BTreeSet<String> {
    let fields = |(name, fields): (&str, &BTreeSet<&str>)| -> Vec<String> {
        [name.to_owned()].into_iter().chain(fields.iter().map(|field| format!("{name}.{field}"))).collect()
    };
    catalogue::entity_types().flat_map(fields).collect()
}

fn actions_of(body: &[u8]) -> Result<BTreeSet<String>, NotAList> {
    let wrong = NotAList { endpoint: "/audit/v1/actions", key: "actions" };
    let body: Value = serde_json::from_slice(body).map_err(|_| wrong.clone())?;
    let groups = body.get("actions").and_then(Value::as_object).ok_or_else(|| wrong.clone())?;
    let mut names = BTreeSet::new();
    for group in groups.values() {
        let group = group.as_array().ok_or_else(|| wrong.clone())?;
        names.extend(group.iter().filter_map(Value::as_str).map(|name| clean(name, MAX_NAME)));
    }
    // An empty list would report every action as gone; no such answer of Slack's is known.
    if names.is_empty() { Err(wrong) } else { Ok(names) }
}

fn entities_of(body: &[u8]) -> Result<BTreeSet<String>, NotAList> {
    let wrong = NotAList { endpoint: "/audit/v1/schemas", key: "schemas" };
    let body: Value = serde_json::from_slice(body).map_err(|_| wrong.clone())?;
    let schemas = body.get("schemas").and_then(Value::as_array).ok_or_else(|| wrong.clone())?;
    let mut names = BTreeSet::new();
    for schema in schemas {
        let kind = schema.get("type").and_then(Value::as_str).ok_or_else(|| wrong.clone())?;
        let fields = schema.get(kind).and_then(Value::as_object).ok_or_else(|| wrong.clone())?;
        let kind = clean(kind, MAX_NAME);
        names.extend(fields.keys().map(|field| format!("{kind}.{}", clean(field, MAX_NAME))));
        names.insert(kind);
    }
    if names.is_empty() { Err(wrong) } else { Ok(names) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn slacks_actions() -> Value {
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        catalogue::memberships().for_each(|(group, action)| groups.entry(group).or_default().push(action));
        json!({ "actions": groups })
    }

    fn slacks_schemas() -> Value {
        let schema = |(name, fields): (&str, &BTreeSet<&str>)| {
            let fields: BTreeMap<&str, &str> = fields.iter().map(|field| (*field, "string")).collect();
            json!({ "type": name, name: fields })
        };
        json!({ "schemas": catalogue::entity_types().map(schema).collect::<Vec<_>>() })
    }

    fn compared(actions: &Value, schemas: &Value) -> Result<Drift, NotAList> {
        compare(actions.to_string().as_bytes(), schemas.to_string().as_bytes())
    }

    #[test]
    fn the_lists_gridwatch_was_built_with_have_no_drift() {
        let drift = compared(&slacks_actions(), &slacks_schemas()).unwrap();
        assert!(drift.is_empty(), "{drift:?}");
        assert_eq!(drift.summary(), "as built in");
    }

    #[test]
    fn what_is_new_and_what_is_gone_is_named() {
        let (mut actions, mut schemas) = (slacks_actions(), slacks_schemas());
        actions["actions"]["user"].as_array_mut().unwrap().retain(|name| name != "user_login");
        actions["actions"]["of_tomorrow"] = json!(["user_beamed_up"]);
        let schema = schemas["schemas"].as_array_mut().unwrap();
        schema.retain(|s| s["type"] != "barrier");
        schema.push(json!({ "type": "user", "user": { "shoe_size": "int" } }));
        let drift = compared(&actions, &schemas).unwrap();
        assert_eq!(drift.new_actions, BTreeSet::from(["user_beamed_up".to_owned()]));
        assert_eq!(drift.gone_actions, BTreeSet::from(["user_login".to_owned()]));
        assert_eq!(drift.new_entities, BTreeSet::from(["user.shoe_size".to_owned()]));
        assert!(drift.gone_entities.contains("barrier") && drift.gone_entities.contains("barrier.id"));
        assert!(drift.summary().starts_with("1 actions new (user_beamed_up); 1 actions gone (user_login)"));
    }

    #[test]
    fn an_answer_of_another_shape_is_no_drift() {
        for body in
            ["", "[]", "{}", r#"{"actions":{}}"#, r#"{"actions":[]}"#, r#"{"ok":false}"#, r#"{"actions":{"g":{}}}"#]
        {
            assert!(compare(body.as_bytes(), slacks_schemas().to_string().as_bytes()).is_err(), "{body}");
        }
        for body in ["{}", r#"{"schemas":[]}"#, r#"{"schemas":[{"type":"x"}]}"#] {
            assert!(compare(slacks_actions().to_string().as_bytes(), body.as_bytes()).is_err(), "{body}");
        }
    }
}
