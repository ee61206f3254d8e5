//! Doubts: what a manifest reads that nothing is known to write, or that nobody has filled in. No error: Slack's lists lag behind
//! its log, and an empty setting may be meant. But a rule that waits for a misspelt key is silent for ever.

use super::{Baseline, Conditions, ConfigKind, Manifest, WindowKind};
use gridwatch_names::catalogue;
use gridwatch_names::suggest::did_you_mean;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Keys of `context` in Slack's documentation and in entries.
const CONTEXT: [&str; 10] =
    ["location", "ua", "ip_address", "session_id", "app", "network", "range", "subnet", "country", "network_kind"];
/// Keys of `details` whose values were captured without their names, or that Slack's documentation spells in two ways: our modules
/// read them under the likeliest ones.
const GUESSED: [&str; 6] = [
    "source_channel",
    "source_channel_privacy",
    "destination_channel",
    "destination_channel_privacy",
    "authenticationMode",
    "policyName",
];
/// Of what Slack writes beside the fields of `/schemas` about who acts and what is acted on.
const BESIDE: [&str; 7] = ["type", "team", "role", "external", "id", "scopes_bot", "channel_id"];

impl Manifest {
    /// Columns and window fields that neither Slack's lists nor gridwatch know, each with what it may have been meant to be.
    pub fn unknown_fields(&self) -> Vec<String> {
        let unknown = self.all_fields().into_iter().filter_map(|field| {
            let (whole, name) = field.split_once('.')?;
            let name = name.split(['.', '#']).next().unwrap_or(name);
            let known: Vec<&str> = match whole {
                "details" => catalogue::details_keys().chain(GUESSED).collect(),
                "context" => context().collect(),
                "actor" | "entity" => parties().collect(),
                "entry" => return unknown_in_entry(field),
                _ => return None,
            };
            let near = did_you_mean(name, known.iter().copied());
            let near = near.map(|near| format!("; did you mean `{whole}.{near}`?")).unwrap_or_default();
            (!known.contains(&name))
                .then(|| format!("reads `{field}`, which is neither in Slack's lists nor in its documentation{near}"))
        });
        unknown.collect()
    }

    /// Tables that the module reads and nobody fills, with what the configuration would say; `rows` tells how many a table has.
    pub fn unfilled_tables(&self, rows: impl Fn(&str) -> usize) -> Vec<String> {
        let unfilled = self.lookups.iter().filter(|table| rows(table) == 0);
        unfilled
            .map(|table| {
                format!("reads the lookup table `{table}`, which is empty: every lookup in it answers no until `[lookups] {table} = […]` is set")
            })
            .collect()
    }

    /// Lists that are empty as they are set, where that leaves something unwatched: one that a condition wants a field to be in
    /// (nothing is), and one whose manifest says that it enables something.
    pub fn empty_settings(&self, given: &Map<String, Value>) -> Vec<String> {
        let wanted: BTreeSet<&str> = self
            .conditions()
            .flat_map(|when| &when.fields)
            .filter(|test| test.wanted)
            .filter_map(|t| t.setting.as_deref())
            .collect();
        let is_empty =
            |name: &String, default: &Value| given.get(name).unwrap_or(default).as_array().is_some_and(Vec::is_empty);
        let texts = self.config.iter().filter(|(_, key)| key.kind == ConfigKind::Texts);
        let empty = texts.filter(|(name, key)| is_empty(name, &key.default));
        empty
            .filter_map(|(name, key)| match wanted.contains(name.as_str()) {
                true => Some(format!(
                    "`{name}` is empty, and a window counts only what it lists, so it counts nothing: {}",
                    key.help
                )),
                false if key.enables => {
                    Some(format!("`{name}` is empty, so what it enables is not watched: {}", key.help))
                }
                false => None,
            })
            .collect()
    }

    fn conditions(&self) -> impl Iterator<Item = &Conditions> {
        self.windows.iter().flat_map(|window| {
            let steps = match &window.kind {
                WindowKind::Sequence { steps } => steps.as_slice(),
                _ => &[],
            };
            std::iter::once(&window.when).chain(steps.iter().map(|step| &step.when))
        })
    }

    /// Names of all fields that columns, keys, counts and conditions read.
    fn all_fields<'m>(&'m self) -> BTreeSet<&'m str> {
        let of_windows = self.windows.iter().flat_map(|window| {
            let kind: Vec<&'m crate::field::Field> = match &window.kind {
                WindowKind::Distinct { of } | WindowKind::Baseline(Baseline { of: Some(of), .. }) => vec![of],
                WindowKind::Sequence { steps } => {
                    steps.iter().flat_map(|step| step.key.iter().chain(step.distinct.iter())).collect()
                }
                _ => Vec::new(),
            };
            window.key.iter().chain(window.read_key.iter().flatten()).chain(kind)
        });
        let of_triggers = self.rules.iter().flat_map(|rule| rule.triggers.iter().map(|trigger| &trigger.when));
        let of_conditions =
            self.conditions().chain(of_triggers).flat_map(|when| when.fields.iter().map(|test| &test.field));
        let asked = self.fields.iter().chain(of_windows).chain(of_conditions);
        let read = |field: &'m crate::field::Field| field.matcher().map_or_else(|| vec![field], |asks| asks.fields());
        asked.flat_map(read).map(|field| field.name()).collect()
    }
}

/// A path from the top: `entry.entity.file.name` is a `file` that has a `name`.
fn unknown_in_entry(field: &str) -> Option<String> {
    let parts: Vec<&str> = field.split('.').skip(1).collect();
    let (what, near) = match parts.as_slice() {
        ["actor" | "entity", "type"] => return None,
        ["actor" | "entity", kind, name, ..] => match catalogue::entity_types().find(|(known, _)| known == kind) {
            Some((_, fields)) if fields.contains(name) || BESIDE.contains(name) => return None,
            Some((_, fields)) => (*name, did_you_mean(name, fields.iter().copied())),
            None => (*kind, did_you_mean(kind, catalogue::entity_types().map(|(known, _)| known))),
        },
        ["context", name, ..] if CONTEXT.contains(name) => return None,
        ["details", name, ..] if catalogue::details_keys().chain(GUESSED).any(|known| known == *name) => return None,
        ["id" | "action" | "date_create"] => return None,
        _ => (parts[0], None),
    };
    let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Some(format!("reads `{field}`, of which `{what}` is neither in Slack's lists nor in its documentation{near}"))
}

fn context() -> impl Iterator<Item = &'static str> {
    CONTEXT.into_iter().chain(["own", "whose", "client", "provisioning"])
}

fn parties() -> impl Iterator<Item = &'static str> {
    catalogue::entity_types().flat_map(|(_, fields)| fields.iter().copied()).chain(BESIDE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest(fields: &str, more: &str) -> Manifest {
        let text = format!(
            r#"
            name = "m"
            version = "1.0.0"
            abi = "gridwatch:detect@1"
            title = "t"
            grants = ["lookup"]
            lookups = ["hosts"]
            fields = [{fields}]
            {more}
            [[rule]]
            id = "any"
            title = "t"
            actions = ["user_login"]
            condition = "c"
            threshold = "1"
            severity = "low"
            fold = "24h"
            attack = []
            playbook = {{ verify = [{{ do = "ask" }}], contain = [{{ do = "ask" }}] }}
            "#
        );
        Manifest::parse(&text).unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn a_misspelt_key_is_named_with_what_it_may_mean() {
        let fields = r#""details.new_scope", "details.new_scopes", "context.ip_adress", "actor.emial", "entity.name", "id", "actor.role""#;
        let told = manifest(fields, "").unknown_fields().join("\n");
        for part in
            ["`details.new_scope`,", "did you mean `details.new_scopes`?", "`context.ip_address`?", "`actor.email`?"]
        {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert_eq!(told.lines().count(), 3, "{told}");
    }

    #[test]
    fn our_own_modules_read_what_slack_writes() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest-rules");
        let files = std::fs::read_dir(folder).unwrap().map(|dir| dir.unwrap().path().join("module.toml"));
        let doubts = files.filter(|file| file.is_file()).flat_map(|file| {
            let manifest = Manifest::parse(&std::fs::read_to_string(&file).unwrap()).unwrap();
            manifest.unknown_fields().into_iter().map(move |doubt| format!("{}: {doubt}", manifest.name))
        });
        let doubts: Vec<String> = doubts.collect();
        assert!(doubts.is_empty(), "{doubts:#?}");
    }

    #[test]
    fn a_table_that_nobody_fills_is_named() {
        let manifest = manifest("\"id\"", "");
        assert!(manifest.unfilled_tables(|_| 0)[0].contains("`hosts`, which is empty"));
        assert_eq!(manifest.unfilled_tables(|table| usize::from(table == "hosts")), Vec::<String>::new());
    }

    #[test]
    fn an_empty_list_is_told_where_it_leaves_something_unwatched() {
        let more = r#"
            [[window]]
            name = "w"
            kind = "count"
            actions = ["user_login"]
            key = []
            span = "1h"
            only = { "actor.id" = "watched" }
            [config.watched]
            type = "texts"
            help = "Whom to watch."
            default = []
            [config.own]
            type = "texts"
            enables = true
            help = "Ours."
            default = []
            [config.quiet]
            type = "texts"
            help = "Quiet."
            default = []
            "#;
        let manifest = manifest("\"id\"", more);
        let told = |given: Value| manifest.empty_settings(given.as_object().unwrap());
        assert_eq!(
            told(json!({})),
            [
                "`own` is empty, so what it enables is not watched: Ours.",
                "`watched` is empty, and a window counts only what it lists, so it counts nothing: Whom to watch."
            ]
        );
        assert_eq!(told(json!({ "own": ["E1"], "watched": ["W1"] })), Vec::<String>::new());
    }
}
