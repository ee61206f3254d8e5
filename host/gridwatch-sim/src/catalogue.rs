//! What `/actions` and `/schemas` answer.
//!
//! Entries with an action outside the list do happen, while *filtering* on such an action is refused.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::knobs::Knobs;
use gridwatch_stories::memberships;
use gridwatch_stories::wire::{object, write_object};

static NAMES: LazyLock<HashSet<&str>> = LazyLock::new(|| memberships().iter().map(|(_, name)| *name).collect());

/// Whether a filter may name this action.
pub(crate) fn is_known(action: &str) -> bool {
    NAMES.contains(action)
}

/// The body of `GET /audit/v1/actions`. What was added since the recording has a group of its own.
pub(crate) fn actions_body(knobs: &Knobs) -> String {
    let is_there = |name: &&str| !knobs.actions_gone.iter().any(|gone| gone == name);
    object(|body| {
        body.obj("actions", |groups| {
            for group in memberships().chunk_by(|a, b| a.0 == b.0) {
                let names: Vec<&str> = group.iter().map(|(_, name)| *name).filter(is_there).collect();
                groups.strs(group[0].0, &names);
            }
            if !knobs.actions_added.is_empty() {
                groups.strs("added", &knobs.actions_added.iter().map(String::as_str).collect::<Vec<_>>());
            }
        });
    })
}

/// One line per item of `/schemas`: `type: field=word field …`, where a bare field is a `string`.
///
/// `app`, `user` and `workflow_v2` come more than once with different fields, as in the real answer, and the newer types
/// (huddle, list, function, external_auth_oauth2_token) are missing from it.
const SCHEMAS: &[&str] = &[
    "workspace: id name domain",
    "enterprise: id name domain",
    "user: id name email team",
    "file: id name filetype title",
    "channel: id name privacy is_shared=bool is_org_shared=bool teams_shared_with=Optional:~vec<string>",
    "app: id name is_distributed=bool is_directory_approved=bool is_workflow_app=bool scopes=array",
    "workflow: id name",
    "barrier: id primary_usergroup barriered_from_usergroup",
    "message: team channel timestamp",
    "usergroup: id name",
    "role: id name type",
    "account_type_role: id name",
    "canvas: id filetype title",
    "workflow_v2: id app_id date_updated=int callback_id name updated_by step_configuration=vec<dict<string,~mixed>>",
    "app: id app_id distribution_type user_ids=array",
    "workflow_v2: id app_id date_updated=int callback_id name updated_by template_id step_configuration=vec<dict<string,~mixed>>",
    "template: id template_name",
    "workflow_v2: id app_id date_updated=int callback_id name updated_by template_id step_configuration=vec<dict<string,~mixed>> suspicious_keywords=vec<string> trigger_name trigger_channels=vec<string> trigger_configuration=dict<string,~mixed>",
    "user: id name email team account_type",
    "legal_hold_policy: id name",
    "app: id name is_distributed=bool is_directory_approved=bool is_workflow_app=bool scopes=array bot_scopes=array",
];

/// The body of `GET /audit/v1/schemas`.
pub(crate) fn schemas_body() -> String {
    let mut items = String::new();
    for line in SCHEMAS {
        let Some((kind, fields)) = line.split_once(": ") else {
            continue;
        };
        if !items.is_empty() {
            items.push(',');
        }
        write_object(&mut items, |item| {
            item.str("type", kind).obj(kind, |schema| {
                for field in fields.split(' ') {
                    let (name, word) = field.split_once('=').unwrap_or((field, "string"));
                    schema.str(name, &word.replace('~', " "));
                }
            });
        });
    }
    format!(r#"{{"schemas":[{items}]}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_come_in_their_groups() {
        let body: serde_json::Value = serde_json::from_str(&actions_body(&Knobs::default())).unwrap();
        assert_eq!(body["actions"].as_object().unwrap().len(), 25);
        assert_eq!(body["actions"]["anomaly"], serde_json::json!(["anomaly"]));
    }

    #[test]
    fn schemas_repeat_types_with_other_fields() {
        let body: serde_json::Value = serde_json::from_str(&schemas_body()).unwrap();
        let items = body["schemas"].as_array().unwrap();
        assert_eq!(items.len(), 21);
        assert_eq!(items.iter().filter(|item| item["type"] == "app").count(), 3);
        assert_eq!(items[4]["channel"]["teams_shared_with"], "Optional: vec<string>");
    }
}
